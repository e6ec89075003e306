//! A backend whose probes are answered while mail fails, attempt for attempt: a full store, a
//! filter that crashes behind the final dot. It is not down, as probes show, and it is not well.

use super::Detector;
use crate::backend::{BackendHealth, Health, Signal, Witness, asks_to_slow_down};
use crate::base::Timestamp;
use crate::limits;

impl Detector {
    /// It took a message: whatever failed before is the messages' own matter. The new health, when
    /// something else is to be said of it now.
    pub fn took_mail(&mut self) -> Option<&BackendHealth> {
        self.failing = 0;
        if !self.health.failing {
            return None;
        }
        self.health.failing = false;
        "it takes mail again, and is watched for a while".clone_into(&mut self.health.reason);
        Some(&self.health)
    }

    /// Its answer put a recipient off whom it has not put off before, since it took mail. The new
    /// health, when it is another one now.
    pub fn put_off(&mut self, what: &str, now: Timestamp) -> Option<&BackendHealth> {
        self.failing = self.failing.saturating_add(1);
        if self.health.health.takes_mail() {
            self.fails(what, now)
        } else {
            None
        }
    }

    /// Mail that it asks to come slower does not fail; a probe that is asked so is answered.
    pub(super) fn note(&mut self, signal: &Signal, witness: Witness) {
        let is_answer = match signal {
            Signal::Good => true,
            Signal::Bad(failure) => asks_to_slow_down(failure),
        };
        match witness {
            Witness::Probe => {
                self.answered = is_answer;
                // What fails in an outage fails because of that.
                if !is_answer {
                    self.failing = 0;
                }
            }
            Witness::Traffic if !is_answer => self.failing = self.failing.saturating_add(1),
            Witness::Traffic => {}
        }
    }

    /// Does it fail mail and answer probes? Then only probes can say that it is down: else it would
    /// be down by mail and up by probes in turns.
    pub(super) const fn fails_only_mail(&self, witness: Witness) -> bool {
        matches!(witness, Witness::Traffic) && self.answered && self.failing >= limits::FAILING_MAIL
    }

    /// Probes are answered, or it would be down; whether mail is taken, mail tells.
    pub(super) fn fails(&mut self, what: &str, now: Timestamp) -> Option<&BackendHealth> {
        if self.failing < limits::FAILING_MAIL {
            return None;
        }
        let attempts = self.failing;
        let reason =
            format!("it answers, but {attempts} attempts in a row with mail failed: {what}");
        self.calm = 0;
        self.asked = Some((now, Witness::Traffic));
        if self.health.failing {
            self.health.reason = reason;
            return None;
        }
        if self.health.health == Health::Slow {
            self.health.reason = reason;
        } else {
            // What counts towards down goes on.
            let row = self.row;
            self.change(Health::Slow, reason, now);
            self.row = row;
        }
        self.health.failing = true;
        Some(&self.health)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bad, detector, play_slow};
    use super::*;

    #[test]
    fn one_whose_probes_are_answered_while_mail_fails_is_slow_until_mail_is_taken() {
        for (script, expected) in [
            // Probes are answered, and mail fails: it is slow until mail is taken.
            ("FF+FF+F+", "UUUUUUSS"),
            ("FF+FF+F9+9+9+9+", "UUUUUUSSSSS"),
            ("FF+FF+FM6++", "UUUUUUSSUU"),
            ("PPPP+P9++", "UUUUUSSS"),
            ("PPPPMP", "UUUUUU"),
            ("FF+MFF+FF+F", "UUUUUUUUUUS"),
            // Mail alone does not say that it is down when probes are answered …
            ("FF+FF+FFFF1F", "UUUUUUSSSSS"),
            ("FFF1++FF1FFF+FFF+", "UUDDUUSSSSSSSSS"),
            // … and says so when nobody knows; probes say so whatever mail did.
            ("FFFFF", "UUDDD"),
            ("FF-", "UUD"),
            ("FF+FF+FFF---", "UUUUUUSSSSSD"),
            ("FF+FF+FF-F-", "UUUUUUSSSSD"),
            // To ask for less is not to fail.
            ("FF+FF+6S6++F", "UUUUUUSSUS"),
        ] {
            assert_eq!(play_slow(script), expected, "{script}");
        }
    }

    #[test]
    fn that_it_fails_is_said_until_it_takes_mail() {
        let at = Timestamp::from_millis(1000);
        let mut detector = detector();
        detector.signal(&Signal::Good, Witness::Probe, at);
        for _ in 1..limits::FAILING_MAIL {
            assert!(detector.put_off("450 4.2.1 not now", at).is_none());
        }
        let health = detector.put_off("450 4.2.1 not now", at).unwrap();
        assert!(health.failing && health.health == Health::Slow);
        detector.signal(&bad("cut"), Witness::Traffic, at);
        let reason = &detector.health().reason;
        assert_eq!(
            reason,
            "it answers, but 6 attempts in a row with mail failed: cut"
        );
        let health = detector.took_mail().unwrap();
        assert!(!health.failing && health.health == Health::Slow);
        assert!(health.reason.starts_with("it takes mail again"));
        assert!(detector.took_mail().is_none());
    }
}
