//! Does a backend refuse known recipients alike? Pure: time is an argument.
//!
//! closed ─(so many different recipients refused alike in so much time, none accepted in between)→
//! open: no attempts but one trial for each interval ─(the first acceptance)→ closed.
//!
//! While there is no mail that can be the trial, somebody who was refused at RCPT is asked for
//! without any: else a backend that is mended while its mail is held would be rejecting for ever.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Timestamp;
use crate::mail::{CaseId, CaseKey};

/// `[backend.NAME.rejecting]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectingOptions {
    /// Different known recipients that are refused alike.
    pub recipients: u32,
    /// In this time.
    pub within: Duration,
    /// Whether `failover` of a domain holds for a home that is rejecting, too.
    pub failover: bool,
}

impl RejectingOptions {
    /// Different senders in a row whose mail is refused for its content: twice as many as
    /// recipients, because spam comes in rows, too.
    #[must_use]
    pub fn senders(&self) -> usize {
        usize::try_from(self.recipients)
            .unwrap_or(1)
            .saturating_mul(2)
    }
}

impl Default for RejectingOptions {
    fn default() -> Self {
        Self {
            recipients: 5,
            within: Duration::from_secs(5 * 60),
            failover: false,
        }
    }
}

/// That a backend is rejecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejecting {
    /// The case that everybody got.
    pub case: CaseId,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Somebody whom it refused at RCPT, as he was named there: who asks for him needs no mail.
    pub refused: Option<String>,
}

/// What is known of the refusals of one backend.
#[derive(Debug, Clone)]
pub struct Breaker {
    recipients: usize,
    within: Duration,
    /// From one trial to the next.
    interval: Duration,
    /// Refusals since the last acceptance, each recipient once for each case. Bounded: older ones
    /// than the newest `recipients` of each case do not matter.
    refusals: VecDeque<Refused>,
    open: Option<Rejecting>,
    /// When it was rejecting last.
    ended: Option<Timestamp>,
    last_trial: Option<Timestamp>,
    /// When mail was tried last, or could have been.
    mail_tried: Option<Timestamp>,
    /// Whom it refused at RCPT last, and the case that he got.
    refused_at_rcpt: Option<(CaseId, String)>,
}

#[derive(Debug, Clone)]
struct Refused {
    at: Timestamp,
    case: CaseId,
    recipient: String,
}

/// Intervals in which there was no mail that could be tried: then it is asked without.
const WITHOUT_MAIL: u32 = 3;

/// Refusals that are remembered.
const REMEMBERED: usize = 4_096;

impl Breaker {
    /// A backend that refused nobody yet.
    #[must_use]
    pub fn new(options: &RejectingOptions, interval: Duration) -> Self {
        let mut breaker = Self {
            recipients: 1,
            within: Duration::ZERO,
            interval,
            refusals: VecDeque::new(),
            open: None,
            ended: None,
            last_trial: None,
            mail_tried: None,
            refused_at_rcpt: None,
        };
        breaker.configure(options, interval);
        breaker
    }

    /// Takes new numbers over; what was learned stays.
    pub fn configure(&mut self, options: &RejectingOptions, interval: Duration) {
        self.recipients = usize::try_from(options.recipients).unwrap_or(1).max(1);
        self.within = options.within;
        self.interval = interval;
    }

    /// How it is, when it is rejecting.
    #[must_use]
    pub const fn rejecting(&self) -> Option<&Rejecting> {
        self.open.as_ref()
    }

    /// This one was refused at RCPT, as he was named there; to be told before [`Breaker::refused`].
    pub fn note_refused_at_rcpt(&mut self, case: &CaseKey, named: &str) {
        self.refused_at_rcpt = Some((case.id(), named.to_owned()));
    }

    /// A known recipient was refused. `true`: now the backend is rejecting.
    pub fn refused(&mut self, case: &CaseKey, recipient: &str, now: Timestamp) -> bool {
        if self.open.is_some() {
            return false;
        }
        let id = case.id();
        // A clock that was set back makes nothing young again, and keeps nothing for ever.
        self.refusals
            .retain(|old| old.at <= now && now.since(old.at) <= self.within);
        self.refusals
            .retain(|old| old.case != id || old.recipient != recipient);
        self.refusals.push_back(Refused {
            at: now,
            case: id,
            recipient: recipient.to_owned(),
        });
        if self.refusals.len() > REMEMBERED {
            self.refusals.pop_front();
        }
        let alike = self.refusals.iter().filter(|old| old.case == id).count();
        if alike < self.recipients {
            return false;
        }
        let reason = format!("{alike} recipients were refused alike");
        self.open(case, &reason, now)
    }

    /// It is to blame for what it refuses. `true`: it was not rejecting till now.
    pub fn open(&mut self, case: &CaseKey, reason: &str, now: Timestamp) -> bool {
        if self.open.is_some() {
            return false;
        }
        self.refusals.clear();
        self.last_trial = Some(now);
        self.mail_tried = Some(now);
        let at_rcpt = self.refused_at_rcpt.take();
        self.open = Some(Rejecting {
            case: case.id(),
            reason: format!("{reason}: {}", told(case)),
            since: now,
            refused: at_rcpt.filter(|(of, _)| *of == case.id()).map(|it| it.1),
        });
        true
    }

    /// It was rejecting in an earlier life, and nobody was accepted since.
    pub(super) fn reopen(&mut self, open: Rejecting, now: Timestamp) {
        self.last_trial = Some(open.since);
        self.mail_tried = Some(now);
        self.open.get_or_insert(open);
    }

    /// Somebody was accepted. `true`: the backend is rejecting no more.
    pub fn accepted(&mut self, now: Timestamp) -> bool {
        self.refusals.clear();
        let was_open = self.open.take().is_some();
        if was_open {
            self.ended = Some(now);
        }
        was_open
    }

    /// When its last rejecting ended, if it was rejecting ever.
    #[must_use]
    pub const fn ended(&self) -> Option<&Timestamp> {
        self.ended.as_ref()
    }

    /// When a trial may begin; `None` while the backend is not rejecting.
    #[must_use]
    pub fn next_trial(&self) -> Option<Timestamp> {
        self.open.as_ref()?;
        Some(self.last_trial?.after(self.interval))
    }

    /// Mail is on its way that finds out whether it is rejecting still.
    pub const fn note_mail_tried(&mut self, now: Timestamp) {
        self.mail_tried = Some(now);
    }

    /// Whom it may be asked for without mail: there was none that could be tried for a while.
    #[must_use]
    pub fn whom_to_ask_for(&self, now: Timestamp) -> Option<&str> {
        let refused = self.open.as_ref()?.refused.as_deref()?;
        let tried = self.mail_tried?;
        // A clock that was set back must not make the wait longer.
        let is_time = tried > now || now.since(tried) >= self.interval * WITHOUT_MAIL;
        is_time.then_some(refused)
    }

    /// Asks for the right to one attempt; granted once for each interval.
    pub fn take_trial(&mut self, now: Timestamp) -> bool {
        let Some(next) = self.next_trial() else {
            return false;
        };
        let set_back = self.last_trial.is_some_and(|last| last > now);
        let granted = now >= next || set_back;
        if granted {
            self.last_trial = Some(now);
        }
        granted
    }
}

fn told(case: &CaseKey) -> String {
    format!("{} {}", case.said(), case.text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::{BackendId, Failure, Said};
    use crate::smtp::Reply;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn case(line: &str) -> CaseKey {
        let failure = Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
        CaseKey::of(&BackendId::new("cloud"), &failure)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// A small letter is a recipient refused with 5.4.1, a large one with 5.1.1, `+` an acceptance;
    /// a digit lets that many minutes pass. The steps, counted from 1, after which it is rejecting.
    fn play(script: &str) -> Option<usize> {
        let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
        let (denied, unknown) = (case("550 5.4.1 Access denied"), case("550 5.1.1 unknown"));
        let mut now = at(1000);
        for (place, step) in script.chars().enumerate() {
            let opened = match step {
                '+' => {
                    assert!(!breaker.accepted(now));
                    false
                }
                minutes if minutes.is_ascii_digit() => {
                    let minutes = u64::from(minutes.to_digit(10).unwrap());
                    now = now.after(Duration::from_secs(60 * minutes));
                    false
                }
                big if big.is_uppercase() => breaker.refused(&unknown, &big.to_string(), now),
                small => breaker.refused(&denied, &small.to_string(), now),
            };
            if opened {
                return Some(place + 1);
            }
        }
        None
    }

    #[test]
    fn five_different_recipients_alike_and_none_accepted() {
        for (script, expected) in [
            ("abcde", Some(5)),
            ("abcd", None),
            ("aaaaaaaaaa", None),
            ("abcdabcdabcd", None),
            ("abcd+e", None),
            ("abcd+efghi", Some(10)),
            ("abABcdCDeE", Some(9)),
            ("abcdABCD", None),
            // The fifth comes when the first is too old.
            ("a3bcd3e", None),
            ("a3bcd2e", Some(7)),
            ("a3bcd3ef", Some(8)),
            // Who is refused again is as young as his last refusal.
            ("ab3a3cde", None),
            ("ab3a3cdef", Some(9)),
        ] {
            assert_eq!(play(script), expected, "{script}");
        }
    }

    #[test]
    fn one_trial_for_each_interval_and_the_first_acceptance_ends_it() {
        let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
        let denied = case("550 5.4.1 Access denied");
        assert!(!breaker.take_trial(at(1)));
        for name in ["a", "b", "c", "d", "e"] {
            breaker.refused(&denied, name, at(100));
        }
        let rejecting = breaker.rejecting().unwrap();
        assert_eq!(rejecting.case, denied.id());
        assert_eq!(rejecting.since, at(100));
        assert_eq!(
            rejecting.reason,
            "5 recipients were refused alike: 550 5.4.1 Access denied"
        );
        let trials: Vec<u64> = (100..145)
            .filter(|&second| breaker.take_trial(at(second)))
            .collect();
        assert_eq!(trials, [110, 120, 130, 140]);
        assert_eq!(breaker.next_trial(), Some(at(150)));
        // What is refused meanwhile opens nothing anew.
        assert!(!breaker.refused(&denied, "f", at(145)));
        assert!(breaker.accepted(at(146)));
        assert!(!breaker.accepted(at(147)));
        assert_eq!(breaker.ended(), Some(&at(146)));
        assert_eq!(breaker.rejecting(), None);
        assert_eq!(breaker.next_trial(), None);
    }

    #[test]
    fn while_no_mail_can_be_tried_somebody_refused_at_rcpt_is_asked_for() {
        let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
        let (denied, other) = (case("550 5.4.1 Access denied"), case("550 5.1.1 unknown"));
        let open = |breaker: &mut Breaker, now| {
            for name in ["a", "b", "c", "d", "e"] {
                breaker.refused(&denied, name, now);
            }
            assert!(breaker.rejecting().is_some());
        };
        open(&mut breaker, at(100));
        assert_eq!(breaker.whom_to_ask_for(at(900)), None, "refused elsewhere");
        breaker.accepted(at(1000));
        breaker.note_refused_at_rcpt(&other, "x@cloud.example");
        open(&mut breaker, at(1000));
        assert_eq!(breaker.whom_to_ask_for(at(1900)), None, "of another case");
        breaker.accepted(at(2000));
        breaker.note_refused_at_rcpt(&denied, "E@cloud.example");
        assert_eq!(breaker.whom_to_ask_for(at(2000)), None, "it rejects nobody");
        open(&mut breaker, at(2000));
        for (second, expected) in [(2029, None), (2030, Some("E@cloud.example"))] {
            assert_eq!(breaker.whom_to_ask_for(at(second)), expected, "{second}");
        }
        breaker.note_mail_tried(at(2031));
        assert_eq!(breaker.whom_to_ask_for(at(2060)), None, "mail finds it out");
        assert_eq!(breaker.whom_to_ask_for(at(2061)), Some("E@cloud.example"));
        assert_eq!(breaker.whom_to_ask_for(at(50)), Some("E@cloud.example"));
        // After a restart mail has its turn first.
        let mut again = Breaker::new(&RejectingOptions::default(), INTERVAL);
        again.reopen(breaker.rejecting().unwrap().clone(), at(3000));
        assert_eq!(again.whom_to_ask_for(at(3029)), None);
        assert_eq!(again.whom_to_ask_for(at(3030)), Some("E@cloud.example"));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_trials() {
        let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
        for name in ["a", "b", "c", "d", "e"] {
            breaker.refused(&case("550 no"), name, at(100_000));
        }
        assert!(breaker.take_trial(at(50)));
        assert!(!breaker.take_trial(at(55)));
        assert!(breaker.take_trial(at(60)));
    }

    proptest! {
        /// It opens exactly when the rule says so, computed the slow way.
        #[test]
        fn opens_by_the_rule(
            steps in proptest::collection::vec((0..3_u8, 0..8_u8, 0..90_u64), 0..60),
        ) {
            let options = RejectingOptions::default();
            let mut breaker = Breaker::new(&options, INTERVAL);
            let cases = [case("550 5.4.1 Access denied"), case("550 5.1.1 unknown")];
            let mut now = at(1000);
            let mut history: Vec<(Timestamp, u8, u8)> = Vec::new();
            for (what, who, seconds) in steps {
                now = now.after(Duration::from_secs(seconds));
                let Some(key) = cases.get(usize::from(what)) else {
                    breaker.accepted(now);
                    history.clear();
                    continue;
                };
                let opened = breaker.refused(key, &who.to_string(), now);
                history.push((now, what, who));
                let young = history.iter().filter(|(at, case, _)| {
                    *case == what && now.since(*at) <= options.within
                });
                let different: std::collections::BTreeSet<u8> =
                    young.map(|(_, _, who)| *who).collect();
                prop_assert_eq!(opened, different.len() >= 5);
                if opened {
                    breaker.accepted(now);
                    history.clear();
                }
            }
        }
    }
}
