//! Draws the conclusion from signals. Pure: time is an argument.
//!
//! up ─(`down_after` bad signals in a row)→ down ─(`up_after` good ones in a row, not before the
//! dwell is over)→ up. A single signal of the other kind begins the row anew, so that a backend
//! that wavers stays what it is.
//!
//! up ─(it asks for less)→ slow ─(`up_after` good signals in a row, not before it has asked for
//! nothing for a dwell)→ up. When mail was asked to come slower the dwell is longer than for a
//! probe: a probe asks for little, so that it is answered proves little.
//!
//! For the same reason one whose probes are answered while mail fails, attempt for attempt, is
//! slow: [`failing`].

mod failing;
mod put_off;
mod recall;

use std::time::Duration;

use self::put_off::PutOff;
use super::{BackendHealth, Health, ProbeOptions, Signal, Witness, asks_to_slow_down};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::BackendId;

/// The health of one backend.
#[derive(Debug, Clone)]
pub struct Detector {
    health: BackendHealth,
    /// Bad signals in a row while it is up, good ones in a row while it is down.
    row: u32,
    /// Good signals in a row while it is slow.
    calm: u32,
    /// Attempts with mail that failed since some was taken.
    failing: u32,
    /// So many of them before it rose last: they failed because it was down.
    in_outage: u32,
    /// Whom it put off since it took mail, or was down.
    put_off: PutOff,
    /// Messages that it took since, in a row, while it is said to fail all mail.
    taken: u32,
    /// It put somebody off since then, which does not count yet.
    excused: bool,
    /// When it took mail last.
    last_taken: Option<Timestamp>,
    /// The last probe was answered.
    answered: bool,
    /// The last good signal while it took mail.
    last_good: Option<Timestamp>,
    /// When it asked for less last, and whom.
    asked: Option<(Timestamp, Witness)>,
    down_after: u32,
    up_after: u32,
    /// Least time that it is down: sessions that began before still end well.
    dwell: Duration,
}

impl Detector {
    /// A backend that nobody doubts yet.
    #[must_use]
    pub fn new(id: BackendId, options: &ProbeOptions, now: Timestamp) -> Self {
        let mut detector = Self {
            health: BackendHealth {
                id,
                health: Health::Up,
                reason: String::new(),
                since: now,
                operator: None,
                remembered: false,
                failing: false,
            },
            row: 0,
            calm: 0,
            failing: 0,
            in_outage: 0,
            put_off: PutOff::default(),
            excused: false,
            taken: 0,
            last_taken: None,
            answered: false,
            last_good: None,
            asked: None,
            down_after: 1,
            up_after: 1,
            dwell: Duration::ZERO,
        };
        detector.configure(options);
        detector
    }

    /// Takes new numbers over; what was learned stays.
    pub fn configure(&mut self, options: &ProbeOptions) {
        self.down_after = options.down_after.max(1);
        self.up_after = options.up_after.max(1);
        self.dwell = options.interval;
    }

    /// How it is.
    #[must_use]
    pub const fn health(&self) -> &BackendHealth {
        &self.health
    }

    /// Takes a signal into account. The new health, when it is another one now, or is known anew.
    pub fn signal(
        &mut self,
        signal: &Signal,
        witness: Witness,
        now: Timestamp,
    ) -> Option<&BackendHealth> {
        // A clock that was set back must not make the dwell longer.
        self.health.since = self.health.since.min(now);
        self.note(signal, witness);
        if self.health.remembered {
            return Some(self.first_word(signal, witness, now));
        }
        match (self.health.health.takes_mail(), signal) {
            (true, Signal::Good) => {
                self.row = 0;
                self.last_good = Some(now);
                self.calm = self.calm.saturating_add(1);
                let calm = self.calm >= self.up_after && self.has_dwelt_slow(now);
                (self.health.health == Health::Slow && calm)
                    .then(|| self.change(Health::Up, "it keeps up again".to_owned(), now))
            }
            // It answers, so it is not down; it only wants less.
            (true, Signal::Bad(failure)) if asks_to_slow_down(failure) => {
                self.calm = 0;
                self.asked = Some((now, self.asker(witness)));
                if self.health.health == Health::Slow {
                    return self.asks_again(&failure.what, witness, now);
                }
                Some(self.change(Health::Slow, failure.what.clone(), now))
            }
            (true, Signal::Bad(failure)) => {
                if !self.fails_only_mail(witness) {
                    self.row = self.row.saturating_add(1);
                }
                let is_down = self.row >= self.down_after;
                match witness {
                    Witness::Probe if is_down => {
                        self.forget_failures();
                        Some(self.change(Health::Down, failure.what.clone(), now))
                    }
                    Witness::Traffic if is_down => {
                        Some(self.change(Health::Down, failure.what.clone(), now))
                    }
                    Witness::Probe => None,
                    Witness::Traffic => self.fails(&failure.what, now),
                }
            }
            (false, Signal::Bad(failure)) => {
                self.row = 0;
                // People want to know what is wrong now, not what was wrong first.
                self.health.reason.clone_from(&failure.what);
                None
            }
            (false, Signal::Good) => {
                self.row = self.row.saturating_add(1);
                let dwelt = now.since(self.health.since) >= self.dwell;
                (self.row >= self.up_after && dwelt)
                    .then(|| self.change(Health::Up, "it answers again".to_owned(), now))
            }
        }
    }

    /// Who is asked for less: mail, once it was asked in this slow time.
    fn asker(&self, witness: Witness) -> Witness {
        let before = self.asked.filter(|_| self.health.health == Health::Slow);
        match (witness, before) {
            (Witness::Traffic, _) | (_, Some((_, Witness::Traffic))) => Witness::Traffic,
            (Witness::Probe, _) => Witness::Probe,
        }
    }

    /// Has it asked for nothing for long enough?
    fn has_dwelt_slow(&mut self, now: Timestamp) -> bool {
        let (asked, witness) = self.asked.unwrap_or((self.health.since, Witness::Probe));
        // A clock that was set back must not make the dwell longer.
        let asked = asked.min(now);
        self.asked = Some((asked, witness));
        self.watch(now);
        let dwell = match witness {
            Witness::Probe => self.dwell,
            // The next attempt may be an hour away.
            Witness::Traffic if self.health.failing && self.taken == 0 => limits::FAILING_DWELL,
            Witness::Traffic => self.dwell.max(limits::SLOW_DWELL),
        };
        now.since(asked) >= dwell
    }

    fn change(&mut self, health: Health, reason: String, now: Timestamp) -> &BackendHealth {
        self.row = 0;
        self.calm = 0;
        self.taken = 0;
        self.health.failing = false;
        if self.health.health == Health::Down {
            self.in_outage = self.failing;
        }
        if health == Health::Down {
            self.put_off = PutOff::default();
        }
        self.health.health = health;
        self.health.reason = reason;
        self.health.since = now;
        &self.health
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::{Blame, Failure};
    use crate::smtp::Reply;

    pub(super) fn bad(what: &str) -> Signal {
        Signal::Bad(Failure::without_reply(Blame::Backend, what))
    }

    pub(super) fn later(reply: &str) -> Failure {
        Failure::replied(Blame::Recipient, Reply::parse(&[reply]).unwrap())
    }

    pub(super) fn detector() -> Detector {
        let options = ProbeOptions {
            interval: Duration::from_secs(10),
            down_after: 3,
            up_after: 2,
            recipient: None,
        };
        Detector::new(BackendId::new("onprem"), &options, Timestamp::EPOCH)
    }

    /// `+` and `-` are signals, a digit lets that many seconds pass; the result has the health
    /// after each signal: `U` or `D`.
    fn play(script: &str) -> String {
        let mut detector = detector();
        let mut now = Timestamp::EPOCH;
        let mut healths = String::new();
        for step in script.chars() {
            let before = detector.health().health;
            let changed = match step {
                '+' => detector
                    .signal(&Signal::Good, Witness::Probe, now)
                    .is_some(),
                '-' => detector
                    .signal(&bad("refused"), Witness::Probe, now)
                    .is_some(),
                seconds => {
                    now = now.after(Duration::from_secs(seconds.to_digit(10).unwrap().into()));
                    continue;
                }
            };
            assert_eq!(changed, before != detector.health().health, "{script}");
            healths.push(if detector.health().health == Health::Up {
                'U'
            } else {
                'D'
            });
        }
        healths
    }

    #[test]
    fn goes_down_and_up_with_hysteresis() {
        for (script, expected) in [
            ("+++", "UUU"),
            ("--", "UU"),
            ("---", "UUD"),
            ("--+--", "UUUUU"),
            ("--+---", "UUUUUD"),
            // Good signals right after the fall come from sessions that began before it.
            ("---+++", "UUDDDD"),
            ("---+++91+", "UUDDDDU"),
            ("---91++", "UUDDU"),
            ("---91+-+", "UUDDDD"),
            ("---91+-++", "UUDDDDU"),
            ("---91++--", "UUDDUUU"),
            ("---91++---", "UUDDUUUD"),
        ] {
            assert_eq!(play(script), expected, "{script}");
        }
    }

    /// `s`, `+` and `-` are probes, `S`, `M`, `F` and `P` is mail: asked for less, taken, failed,
    /// put off. `p` puts off the last one again, `T` somebody because the platform has trouble, `O`
    /// one who has himself to blame. A digit lets that many times ten seconds pass. The health
    /// after each signal: `U`, `S` or `D`.
    pub(super) fn play_slow(script: &str) -> String {
        let mut detector = detector();
        let reply = Reply::parse(&["451 4.7.500 Server busy"]).unwrap();
        let slow = Signal::Bad(Failure::replied(Blame::Backend, reply));
        let mut now = Timestamp::EPOCH;
        let mut healths = String::new();
        let mut people = 0;
        for step in script.chars() {
            match step {
                's' => detector.signal(&slow, Witness::Probe, now),
                'S' => detector.signal(&slow, Witness::Traffic, now),
                '+' => detector.signal(&Signal::Good, Witness::Probe, now),
                '-' => detector.signal(&bad("refused"), Witness::Probe, now),
                'M' => {
                    detector.took_mail(now);
                    detector.signal(&Signal::Good, Witness::Traffic, now)
                }
                'P' | 'p' | 'T' | 'O' => {
                    let (reply, is_new) = match step {
                        'p' => ("450 4.2.1 not now", false),
                        'T' => ("451 4.3.0 the store is away", true),
                        'O' => ("452 4.2.2 his mailbox is full", true),
                        _ => ("450 4.2.1 not now", true),
                    };
                    people += i32::from(is_new);
                    let mut failure = later(reply);
                    if step == 'T' {
                        failure.blame = Blame::Message;
                    }
                    detector.put_off(&people.to_string(), &failure, now);
                    detector.signal(&Signal::Good, Witness::Traffic, now)
                }
                'F' => detector.signal(&bad("cut at the end"), Witness::Traffic, now),
                tens => {
                    let seconds = 10 * u64::from(tens.to_digit(10).unwrap());
                    now = now.after(Duration::from_secs(seconds));
                    continue;
                }
            };
            healths.push(match detector.health().health {
                Health::Up => 'U',
                Health::Slow => 'S',
                Health::Down => 'D',
                Health::Rejecting => '?',
            });
        }
        healths
    }

    #[test]
    fn probes_alone_end_no_slow_time_of_mail_before_its_dwell() {
        for (script, expected) in [
            // What a probe met a probe can end.
            ("s1+1+", "SSU"),
            ("s1++", "SSU"),
            // Good probes between mail that is asked to wait: no flapping.
            ("S1+1+1S1+1+1S1+1+", "SSSSSSSSS"),
            ("S1+1+1+1+1+", "SSSSSS"),
            ("S1+1+1+1+1+1+", "SSSSSSU"),
            // Mail that is taken again must also be taken for a while.
            ("SMMM1MM", "SSSSSS"),
            ("S1MM1MM4M", "SSSSSU"),
            ("S3MM3S3MM2M1M", "SSSSSSSU"),
            // Once mail was asked, a probe that is asked makes the dwell no shorter.
            ("S1s1+1+", "SSSS"),
            ("S1s1+1+4+", "SSSSU"),
            // The next slow time begins anew.
            ("S6++s1++", "SSUSSU"),
        ] {
            assert_eq!(play_slow(script), expected, "{script}");
        }
    }

    #[test]
    fn a_backend_that_asks_for_less_is_slow_and_never_down() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        for line in [
            "451 4.7.500 Server busy. Please try again later",
            "451 4.7.651 The mail server has been temporarily rate limited",
            "421 4.4.2 Message submission rate for this client has exceeded the limit",
            "421 4.3.2 The maximum number of concurrent connections has exceeded a limit",
            "450 4.7.230 Connecting Exchange server version is out of date",
        ] {
            let reply = Reply::parse(&[line]).unwrap();
            let slow = Signal::Bad(Failure::replied(Blame::Backend, reply));
            let mut detector = detector();
            let change = detector.signal(&slow, Witness::Probe, at(1)).unwrap();
            assert_eq!(change.health, Health::Slow, "{line}");
            for second in 2..50 {
                assert_eq!(detector.signal(&slow, Witness::Probe, at(second)), None);
            }
            assert_eq!(detector.health().health, Health::Slow);
            assert_eq!(detector.signal(&Signal::Good, Witness::Probe, at(50)), None);
            assert_eq!(detector.signal(&slow, Witness::Probe, at(51)), None);
            assert_eq!(detector.signal(&Signal::Good, Witness::Probe, at(52)), None);
            assert_eq!(detector.signal(&Signal::Good, Witness::Probe, at(60)), None);
            let change = detector
                .signal(&Signal::Good, Witness::Probe, at(61))
                .unwrap();
            assert_eq!(change.health, Health::Up);
        }
        let broken = Reply::parse(&["451 4.3.0 the mail store is not there"]).unwrap();
        assert!(!asks_to_slow_down(&Failure::replied(
            Blame::Backend,
            broken
        )));
    }

    #[test]
    fn one_that_only_asks_for_less_and_takes_nothing_is_told() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let reply = Reply::parse(&["421 4.3.2 too many connections"]).unwrap();
        let slow = Signal::Bad(Failure::replied(Blame::Backend, reply));
        let mut detector = detector();
        detector.signal(&Signal::Good, Witness::Probe, at(30));
        for second in (60..1200).step_by(10) {
            detector.signal(&slow, Witness::Probe, at(second));
            assert_eq!(detector.health().health, Health::Slow);
        }
        let reason = detector.health().reason.clone();
        let expected = "it has taken nothing since 1970-01-01 00:01 UTC: 421 4.3.2";
        assert!(reason.starts_with(expected), "{reason}");
        detector.signal(&Signal::Good, Witness::Probe, at(1200));
        detector.signal(&slow, Witness::Probe, at(1210));
        assert_eq!(detector.health().reason, "421 4.3.2 too many connections");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_it_down() {
        let mut detector = detector();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        for _ in 0..3 {
            detector.signal(&bad("refused"), Witness::Probe, at(100_000));
        }
        assert_eq!(detector.signal(&Signal::Good, Witness::Probe, at(50)), None);
        detector.signal(&Signal::Good, Witness::Probe, at(61));
        assert_eq!(detector.health().health, Health::Up);
    }

    #[test]
    fn tells_why_and_since_when() {
        let mut detector = detector();
        assert_eq!(detector.health().reason, "");
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        detector.signal(&bad("first"), Witness::Probe, at(1));
        detector.signal(&bad("second"), Witness::Probe, at(2));
        assert_eq!(detector.health().reason, "");
        let change = detector
            .signal(&bad("third"), Witness::Probe, at(3))
            .unwrap();
        assert_eq!(
            change.to_string(),
            "onprem is down since 1970-01-01T00:00:03.000Z: third"
        );
        assert_eq!(detector.signal(&bad("fourth"), Witness::Probe, at(4)), None);
        assert_eq!(detector.health().reason, "fourth");
        assert_eq!(detector.health().since, at(3));
    }

    proptest! {
        /// I8 of the detector: down for the dwell at least, and never by fewer signals than asked.
        #[test]
        fn never_changes_too_fast(
            steps in proptest::collection::vec((any::<bool>(), 0..8_u64), 0..60),
        ) {
            let mut detector = detector();
            let mut now = Timestamp::EPOCH;
            let (mut fell, mut row) = (None, 0);
            for (good, seconds) in steps {
                now = now.after(Duration::from_secs(seconds));
                let was_up = detector.health().health == Health::Up;
                row = if good == was_up { 0 } else { row + 1 };
                let signal = if good { Signal::Good } else { bad("refused") };
                if let Some(change) = detector.signal(&signal, Witness::Probe, now).cloned() {
                    if change.health == Health::Down {
                        prop_assert!(row >= 3);
                        fell = Some(now);
                    } else {
                        prop_assert!(row >= 2);
                        prop_assert!(now.since(fell.unwrap()) >= Duration::from_secs(10));
                    }
                    row = 0;
                }
            }
        }
    }
}
