//! What an earlier life knew of a backend, until the first signal of this one.

use super::Detector;
use crate::backend::{BackendHealth, Health, Signal, Witness, asks_to_slow_down};
use crate::base::Timestamp;
use crate::limits;

impl Detector {
    /// It was down in an earlier life, and no signal has said otherwise: it is, until one does.
    pub fn recall_down(&mut self, since: Timestamp, reason: &str) {
        if self.health.health != Health::Down {
            self.health.health = Health::Down;
            self.health.reason = format!("{reason} (before the start; not known anew yet)");
            self.health.remembered = true;
            (self.row, self.calm) = (0, 0);
        }
        self.health.since = since;
    }

    /// It failed all mail in an earlier life, and a start takes none: it does until mail is taken.
    /// That probes are answered says nothing against it. What is known by now is known better.
    pub fn recall_failing(&mut self, since: Timestamp, reason: &str, now: Timestamp) {
        if self.health.health != Health::Up {
            return;
        }
        let reason = format!("{reason} (before the start; not known anew yet)");
        self.change(Health::Slow, reason, now);
        self.health.failing = true;
        self.health.since = since;
        self.failing = self.failing.max(limits::FAILING_MAIL);
        self.asked = Some((now, Witness::Traffic));
    }

    /// The first signal after a start decides: what was known before says little against it.
    pub(super) fn first_word(
        &mut self,
        signal: &Signal,
        witness: Witness,
        now: Timestamp,
    ) -> &BackendHealth {
        self.health.remembered = false;
        match signal {
            Signal::Good => {
                self.last_good = Some(now);
                self.change(Health::Up, "it answers again".to_owned(), now)
            }
            Signal::Bad(failure) if asks_to_slow_down(failure) => {
                self.asked = Some((now, witness));
                self.change(Health::Slow, failure.what.clone(), now)
            }
            Signal::Bad(failure) => {
                self.health.reason.clone_from(&failure.what);
                &self.health
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bad, detector as fresh};
    use super::*;

    #[test]
    fn what_was_down_before_a_start_is_so_until_the_first_signal() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let recalled = || {
            let mut detector = fresh();
            detector.recall_down(at(5), "refused");
            let health = detector.health();
            assert_eq!((health.health, health.since), (Health::Down, at(5)));
            assert!(health.remembered && health.reason.starts_with("refused (before"));
            detector
        };
        // One that answers is up at once: it is a start.
        let mut detector = recalled();
        let changed = detector.signal(&Signal::Good, Witness::Probe, at(6));
        let health = changed.unwrap();
        assert_eq!((health.health, health.since), (Health::Up, at(6)));
        assert!(!health.remembered);
        // One that does not is down, and was all the time; then it rises as ever.
        let mut detector = recalled();
        let health = detector.signal(&bad("no end"), Witness::Probe, at(6));
        let health = health.expect("who waits for word is told");
        assert_eq!((health.health, health.since), (Health::Down, at(5)));
        assert_eq!(
            (health.reason.as_str(), health.remembered),
            ("no end", false)
        );
        assert_eq!(detector.signal(&Signal::Good, Witness::Probe, at(60)), None);
        assert!(
            detector
                .signal(&Signal::Good, Witness::Probe, at(61))
                .is_some()
        );
        // Found down since the start, before the log could be asked: since when, the log knows.
        let mut detector = fresh();
        for _ in 0..3 {
            detector.signal(&bad("no end"), Witness::Probe, at(9));
        }
        detector.recall_down(at(5), "refused");
        let health = detector.health();
        assert_eq!((health.reason.as_str(), health.since), ("no end", at(5)));
        assert!(!health.remembered);
    }

    #[test]
    fn what_failed_all_mail_before_a_start_does_so_until_mail_is_taken() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let mut detector = fresh();
        detector.recall_failing(at(5), "5 attempts failed", at(100));
        let health = detector.health();
        assert!(health.failing && health.health == Health::Slow);
        assert_eq!(health.since, at(5));
        let reason = "5 attempts failed (before the start; not known anew yet)";
        assert_eq!(health.reason, reason);
        for second in 101..700 {
            let signal = detector.signal(&Signal::Good, Witness::Probe, at(second));
            assert_eq!(signal, None, "probes say nothing against it");
        }
        assert!(!detector.took_mail(at(700)));
        detector.signal(&Signal::Good, Witness::Probe, at(701));
        assert_eq!(detector.health().health, Health::Slow);
        detector.signal(&Signal::Good, Witness::Probe, at(760));
        assert_eq!(detector.health().health, Health::Up);
        // One that was found down since the start is down.
        let mut detector = fresh();
        for _ in 0..3 {
            detector.signal(&bad("no end"), Witness::Probe, at(9));
        }
        detector.recall_failing(at(5), "5 attempts failed", at(10));
        let health = detector.health();
        assert_eq!((health.health, health.since), (Health::Down, at(9)));
    }
}
