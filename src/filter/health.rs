//! When is a filter asked? One that costs each message its whole time is left alone for a while.
//! Pure.
//!
//! Any sender can make a message that takes too long, and send it ten times at once. So in doubt
//! the filter is asked whether it is there, which no sender has power over; only if it is silent,
//! or nothing at all was answered for long, it is paused. What fails quickly costs nothing, and is
//! asked each time.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::Timestamp;

/// Slow failures in a row, after which it is asked whether it is there.
const DOUBT: u32 = 3;
/// Slow failures one behind the other, after which it is paused although it says that it is there.
const MOST: u32 = 10;
/// Who has had too much to do says so for so long.
const BUSY: Duration = Duration::from_secs(60);
/// It is left alone for so long.
const PAUSE: Duration = Duration::from_secs(30);
/// A failure that takes less delays nobody.
const QUICK: Duration = Duration::from_secs(1);

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The filter is asked.
    Ask,
    /// It is asked whether it is there, and then about the message.
    Probe,
    /// It is left alone.
    Leave,
}

/// How a filter has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Slow failures since its last answer.
    slow: u32,
    /// The same, those at one time counted once.
    rounds: u32,
    /// When the last round was over.
    round: Option<Instant>,
    /// It is left alone until then.
    paused: Option<Instant>,
    /// Somebody probes, at most until then.
    probing: Option<Instant>,
    /// Nothing was answered since.
    since: Option<Timestamp>,
    /// Why not.
    reason: String,
    /// It was asked something in this life.
    asked: bool,
    /// It has spoken, and not looked: that it is there proves nothing.
    spoke: bool,
    /// Messages since then that it did not look at.
    unchecked: u64,
    /// It had too much to do, while it worked on others.
    busy: Option<Busy>,
}

/// A time at which a filter had too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy {
    /// From then on.
    pub(super) since: Timestamp,
    last: Timestamp,
    /// Messages that it did not look at.
    pub(super) unchecked: u64,
}

impl Health {
    /// Is it left alone now?
    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.paused.is_some_and(|until| now < until)
    }

    /// The next message. `patience`: how long a probe and a question can take.
    pub(super) fn turn(&mut self, now: Instant, patience: Duration) -> Turn {
        if self.is_paused(now) {
            return Turn::Leave;
        }
        if self.paused.is_none() && self.slow < DOUBT {
            return Turn::Ask;
        }
        if self.probing.is_some_and(|until| now < until) {
            return if self.paused.is_some() {
                Turn::Leave
            } else {
                Turn::Ask
            };
        }
        self.probing = Some(now + patience);
        Turn::Probe
    }

    /// It has answered. True: after it had not.
    pub(super) fn good(&mut self) -> bool {
        let busy = self.busy;
        let before = std::mem::replace(
            self,
            Self {
                busy,
                asked: true,
                ..Self::default()
            },
        );
        before.since.is_some()
    }

    /// It says that it is there, so nobody leaves it alone; but who only ever says that is.
    pub(super) const fn there(&mut self) {
        if self.rounds < MOST {
            self.paused = None;
        }
    }

    /// It did not look at a message, and said so: only one that it looks at ends this.
    pub(super) const fn spoke(&mut self) {
        self.spoke = true;
    }

    /// It says that it is there, without a message that waits for it. True: after silence.
    pub(super) fn pong(&mut self) -> bool {
        self.asked = true;
        if self.spoke || self.rounds >= MOST {
            return false;
        }
        self.paused = None;
        self.unchecked = 0;
        self.reason.clear();
        self.since.take().is_some()
    }

    /// It works on as many as it may, and this one has waited in vain.
    pub(super) fn busy(&mut self, at: Timestamp) {
        let sofar = self.busy_at(at);
        self.busy = Some(Busy {
            since: sofar.map_or(at, |it| it.since),
            last: at,
            unchecked: sofar.map_or(0, |it| it.unchecked).saturating_add(1),
        });
    }

    /// Has it had too much to do just now?
    pub(super) fn busy_at(&self, at: Timestamp) -> Option<Busy> {
        self.busy.filter(|it| at.since(it.last) < BUSY)
    }

    /// It has not answered, after `took`. True: for the first time.
    pub(super) fn bad(
        &mut self,
        (now, at): (Instant, Timestamp),
        took: Duration,
        reason: String,
    ) -> bool {
        if took >= QUICK {
            self.slow = self.slow.saturating_add(1);
            let begun = now.checked_sub(took);
            if self
                .round
                .is_none_or(|last| begun.is_some_and(|begun| begun >= last))
            {
                self.rounds = self.rounds.saturating_add(1);
                self.round = Some(now);
            }
        }
        if self.paused.is_some() || self.rounds >= MOST {
            self.paused = (took >= QUICK).then(|| now + PAUSE);
        }
        self.failed(at, reason)
    }

    /// It does not even say that it is there.
    pub(super) fn silent(
        &mut self,
        (now, at): (Instant, Timestamp),
        took: Duration,
        reason: String,
    ) -> bool {
        self.paused = (took >= QUICK).then(|| now + PAUSE);
        self.failed(at, reason)
    }

    /// Has nobody asked it yet, or has it not answered?
    pub(super) const fn is_in_doubt(&self) -> bool {
        !self.asked || self.since.is_some()
    }

    /// It does not say that it is there, and no message waits for it. True: for the first time.
    pub(super) fn absent(&mut self, at: Timestamp, reason: String) -> bool {
        // It has answered a message since it was asked.
        if !self.is_in_doubt() {
            return false;
        }
        self.asked = true;
        self.reason = reason;
        let is_first = self.since.is_none();
        self.since.get_or_insert(at);
        is_first
    }

    fn failed(&mut self, at: Timestamp, reason: String) -> bool {
        self.asked = true;
        self.probing = None;
        self.unchecked += 1;
        self.reason = reason;
        let is_first = self.since.is_none();
        self.since.get_or_insert(at);
        is_first
    }

    /// A message was not looked at, because it is paused.
    pub(super) const fn left(&mut self) {
        self.unchecked = self.unchecked.saturating_add(1);
    }

    /// Since when it does not answer, why not, and how many messages it did not look at.
    pub(super) fn trouble(&self) -> Option<(Timestamp, &str, u64)> {
        let since = self.since?;
        Some((since, &self.reason, self.unchecked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_never_asked_is_in_doubt() {
        let mut health = Health::default();
        assert!(health.is_in_doubt() && health.trouble().is_none());
        assert!(health.absent(at(), "refused".to_owned()));
        assert_eq!(health.trouble(), Some((at(), "refused", 0)));
        assert!(!health.absent(at(), "refused".to_owned()), "told once");
        assert!(health.is_in_doubt() && health.pong());
        assert!(!health.is_in_doubt());
        health.good();
        assert!(!health.is_in_doubt());
    }

    const SLOW: Duration = Duration::from_secs(20);
    const WHOLE: Duration = Duration::from_secs(25);

    fn at() -> Timestamp {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    fn bad(health: &mut Health, now: Instant, took: Duration) -> bool {
        health.bad((now, at()), took, "late".to_owned())
    }

    #[tokio::test]
    async fn a_filter_that_is_silent_is_paused_and_tried_by_one_message() {
        let mut health = Health::default();
        let now = Instant::now();
        for number in 0..DOUBT {
            assert_eq!(health.turn(now, WHOLE), Turn::Ask);
            assert_eq!(bad(&mut health, now, SLOW), number == 0);
        }
        assert_eq!(health.turn(now, WHOLE), Turn::Probe);
        // The others do not probe, too.
        assert_eq!(health.turn(now, WHOLE), Turn::Ask);
        health.silent((now, at()), SLOW, "silent".to_owned());
        for seconds in [0, 29] {
            let now = now + Duration::from_secs(seconds);
            assert_eq!(health.turn(now, WHOLE), Turn::Leave);
            health.left();
        }
        let later = now + PAUSE;
        assert_eq!(health.turn(later, WHOLE), Turn::Probe);
        assert_eq!(health.turn(later, WHOLE), Turn::Leave, "one tries");
        // It is there, and still does not look at anything.
        bad(&mut health, later, SLOW);
        assert_eq!(health.turn(later, WHOLE), Turn::Leave);
        assert_eq!(health.trouble(), Some((at(), "late", 7)));
        let last = later + PAUSE;
        assert_eq!(health.turn(last, WHOLE), Turn::Probe);
        assert!(health.good());
        assert_eq!(health.turn(last, WHOLE), Turn::Ask);
        assert_eq!(health.trouble(), None);
        assert!(!health.good());
    }

    #[tokio::test]
    async fn one_that_is_there_and_never_answers_is_paused_too() {
        let mut health = Health::default();
        let now = stuck(&mut health);
        assert_eq!(health.turn(now, WHOLE), Turn::Leave);
        // That it is there is nothing new.
        health.there();
        assert!(!health.pong());
        assert_eq!(health.turn(now, WHOLE), Turn::Leave);
        assert!(health.trouble().is_some());
        assert!(health.good());
        assert_eq!(health.turn(now, WHOLE), Turn::Ask);
    }

    /// It is there, and has not answered `MOST` messages, one behind the other.
    fn stuck(health: &mut Health) -> Instant {
        let mut now = Instant::now();
        for _ in 0..MOST {
            assert_ne!(health.turn(now, WHOLE), Turn::Leave);
            now += WHOLE;
            health.there();
            bad(health, now, SLOW);
        }
        now
    }

    /// One sender with many connections is one sender.
    #[tokio::test]
    async fn slow_messages_at_one_time_count_once() {
        let mut health = Health::default();
        let now = Instant::now() + SLOW;
        for _ in 0..MOST * 10 {
            bad(&mut health, now, SLOW);
        }
        assert_eq!(health.turn(now, WHOLE), Turn::Probe);
        health.there();
        bad(&mut health, now + Duration::from_secs(5), SLOW);
        assert_ne!(health.turn(now + WHOLE, WHOLE), Turn::Leave);
        assert_eq!(health.rounds, 1);
        bad(&mut health, now + SLOW, SLOW);
        assert_eq!(health.rounds, 2);
    }

    #[tokio::test]
    async fn who_is_there_again_is_asked_again() {
        let mut health = Health::default();
        let now = Instant::now();
        for _ in 0..DOUBT {
            bad(&mut health, now, SLOW);
        }
        health.silent((now, at()), SLOW, "silent".to_owned());
        assert_eq!(health.turn(now, WHOLE), Turn::Leave);
        assert!(health.pong());
        assert!(!health.pong(), "it is said once");
        assert_eq!(health.trouble(), None);
        assert_eq!(health.turn(now, WHOLE), Turn::Probe, "there is doubt left");
        // A probe for a message ends the pause and not the trouble.
        health.silent((now, at()), SLOW, "silent".to_owned());
        health.there();
        assert!(!health.is_paused(now));
        assert!(health.trouble().is_some());
    }

    #[test]
    fn too_much_to_do_is_said_for_a_while() {
        let mut health = Health::default();
        let later = |seconds| at().after(Duration::from_secs(seconds));
        assert_eq!(health.busy_at(at()), None);
        health.busy(at());
        health.busy(later(50));
        assert!(!health.good(), "it works");
        let busy = health.busy_at(later(100)).unwrap();
        assert_eq!((busy.since, busy.unchecked), (at(), 2));
        assert_eq!(health.busy_at(later(110)), None);
        health.busy(later(200));
        assert_eq!(health.busy_at(later(200)).unwrap().unchecked, 1);
    }

    #[tokio::test]
    async fn what_fails_quickly_is_asked_each_time() {
        let mut health = Health::default();
        let now = Instant::now();
        for _ in 0..50 {
            assert_eq!(health.turn(now, WHOLE), Turn::Ask);
            bad(&mut health, now, Duration::from_millis(5));
        }
        assert_eq!(health.trouble().map(|it| it.2), Some(50));
        // Paused, gone, and then refused at once: it is asked as soon as it comes back.
        let now = stuck(&mut health);
        let later = now + PAUSE;
        assert_eq!(health.turn(later, WHOLE), Turn::Probe);
        let refused = Duration::from_millis(1);
        health.silent((later, at()), refused, "refused".to_owned());
        assert_eq!(health.turn(later, WHOLE), Turn::Probe);
    }

    /// A probe whose message is gone (the program was stopping, say) must not be waited for.
    #[tokio::test]
    async fn a_probe_that_never_ends_is_forgotten() {
        let mut health = Health::default();
        let now = stuck(&mut health);
        let later = now + PAUSE;
        assert_eq!(health.turn(later, WHOLE), Turn::Probe);
        assert_eq!(health.turn(later + WHOLE, WHOLE), Turn::Probe);
    }
}
