//! A backend whose probes are answered while mail fails, attempt for attempt: a full store, a
//! filter that crashes behind the final dot. It is not down, as probes show, and it is not well.

use super::Detector;
use crate::backend::{BackendHealth, Health, Signal, Witness, asks_to_slow_down};
use crate::base::Timestamp;
use crate::limits;

impl Detector {
    /// It took a message: whatever failed before is the messages' own matter. One that failed all
    /// mail has to take some in a row, or for a while: who takes one of ten is not mended. `true`:
    /// that is over now.
    pub fn took_mail(&mut self, now: Timestamp) -> bool {
        self.forget_failures();
        self.put_off.clear();
        self.last_taken = Some(now);
        if !self.health.failing {
            return false;
        }
        self.taken = self.taken.saturating_add(1);
        if self.taken == 1 {
            self.asked = Some((now, Witness::Traffic));
        }
        self.health.failing = self.taken < limits::FAILING_MAIL;
        "it takes mail again, and is watched for a while".clone_into(&mut self.health.reason);
        !self.health.failing
    }

    /// Its answer put a recipient off. One of many is his own matter, until it fails all mail: then
    /// each attempt counts. The new health, when it is another one now.
    pub fn put_off(
        &mut self,
        recipient: &str,
        what: &str,
        now: Timestamp,
    ) -> Option<&BackendHealth> {
        // Who puts off what nobody wants, and takes other mail beside it, is well.
        if !self.health.health.takes_mail() || self.health.failing && self.took_just_now(now) {
            return None;
        }
        if self.health.failing {
            self.failing = self.failing.saturating_add(1);
        } else if !self.put_off.insert(recipient.to_owned()) {
            return None;
        }
        // What failed because it was down says nothing about one that answers, and puts somebody
        // off.
        let since = self.attempts(now).saturating_sub(self.in_outage);
        if !self.health.failing && since < limits::FAILING_MAIL {
            return None;
        }
        self.fails(what, now)
    }

    fn took_just_now(&self, now: Timestamp) -> bool {
        self.last_taken
            .is_some_and(|at| at.is_within(limits::SLOW_DWELL, now))
    }

    /// Attempts in a row that failed.
    fn attempts(&self, now: Timestamp) -> u32 {
        if self.took_just_now(now) {
            return self.failing;
        }
        let put_off = u32::try_from(self.put_off.len()).unwrap_or(u32::MAX);
        self.failing.saturating_add(put_off)
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
                // What fails in an outage fails because of that. One probe that is lost does not
                // end what mail said.
                if !is_answer && !self.health.failing {
                    self.forget_failures();
                }
            }
            Witness::Traffic if !is_answer => self.failing = self.failing.saturating_add(1),
            Witness::Traffic => {}
        }
    }

    pub(super) const fn forget_failures(&mut self) {
        self.failing = 0;
        self.in_outage = 0;
    }

    /// Does it fail mail and answer probes? Then only probes can say that it is down: else it would
    /// be down by mail and up by probes in turns.
    pub(super) const fn fails_only_mail(&self, witness: Witness) -> bool {
        let is_answering = self.answered && self.failing >= limits::FAILING_MAIL;
        matches!(witness, Witness::Traffic) && (self.health.failing || is_answering)
    }

    /// Probes are answered, or it would be down; whether mail is taken, mail tells.
    pub(super) fn fails(&mut self, what: &str, now: Timestamp) -> Option<&BackendHealth> {
        let attempts = self.attempts(now);
        if !self.health.failing && attempts < limits::FAILING_MAIL {
            return None;
        }
        let reason = if attempts < limits::FAILING_MAIL {
            format!("it answers, takes some mail and fails the rest: {what}")
        } else {
            format!("it answers, but {attempts} attempts in a row with mail failed: {what}")
        };
        self.calm = 0;
        self.taken = 0;
        self.asked = Some((now, Witness::Traffic));
        if self.health.failing {
            self.health.reason = reason;
            return None;
        }
        if self.health.health == Health::Slow {
            self.health.reason = reason;
            self.health.since = now;
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
            ("FF+FF+F-9+9+9+", "UUUUUUSSSSS"),
            ("FF+FF+FM6++", "UUUUUUSSUU"),
            ("PPPP+P9++", "UUUUUSSS"),
            ("PPPPMP", "UUUUUU"),
            // One that takes other mail beside it may put off what it likes.
            ("MPPPPPPP", "UUUUUUUU"),
            ("MPPPPPPPF", "UUUUUUUUU"),
            ("MPPPPP6P", "UUUUUUS"),
            ("PPPPPMPP1MPP1MPP1MPP1MPP6+", "UUUUSSSSSSSSSSSSSSSSU"),
            // What failed in a short outage says nothing against who is put off behind it.
            ("+FFFFFFF1+++P", "UUUDDDDDDUUU"),
            ("+PPPP---1+++P", "UUUUUUUDDUUU"),
            ("+FFF1+++PPP", "UUUDDUUUUU"),
            ("+FFF1+++PPPPP", "UUUDDUUUUUUS"),
            ("FF+MFF+FF+F", "UUUUUUUUUUS"),
            // One that takes some of its mail is no better, and not down.
            ("FF+FF+FMFFFF+MFFFF6+", "UUUUUUSSSSSSSSSSSSS"),
            ("FF+FF+FMMMMM6+", "UUUUUUSSSSSSU"),
            // Mail alone does not say that it is down when probes are answered …
            ("FF+FF+FFFF1F", "UUUUUUSSSSS"),
            ("FFF1++FF1FFF+FFF+", "UUDDUUSSSSSSSSS"),
            // … and says so when nobody knows; probes say so whatever mail did.
            ("FFFFF", "UUDDD"),
            ("FF-", "UUD"),
            ("FF+FF+FFF---", "UUUUUUSSSSSD"),
            ("FF+FF+FF-F-", "UUUUUUSSSSS"),
            ("FF+FF+FF-FF-F-", "UUUUUUSSSSSSSD"),
            // Behind an outage mail is counted anew.
            ("FF+FF+F---1++P", "UUUUUUSSSDDUU"),
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
        for name in ["a", "b", "c", "d", "d"] {
            assert!(detector.put_off(name, "450 4.2.1 not now", at).is_none());
        }
        let health = detector.put_off("e", "450 4.2.1 not now", at).unwrap();
        assert!(health.failing && health.health == Health::Slow);
        detector.signal(&bad("cut"), Witness::Traffic, at);
        let reason = &detector.health().reason;
        assert_eq!(
            reason,
            "it answers, but 6 attempts in a row with mail failed: cut"
        );
        assert!(!detector.took_mail(at));
        let health = detector.health();
        assert!(health.failing && health.reason.starts_with("it takes mail again"));
        detector.signal(&bad("cut"), Witness::Traffic, at);
        let health = detector.health();
        assert!(health.failing);
        assert_eq!(
            health.reason,
            "it answers, takes some mail and fails the rest: cut"
        );
        for _ in 1..limits::FAILING_MAIL {
            assert!(!detector.took_mail(at));
        }
        assert!(detector.took_mail(at));
        let health = detector.health();
        assert!(!health.failing && health.health == Health::Slow);
        assert!(health.reason.starts_with("it takes mail again"));
        assert!(!detector.took_mail(at));
        // It is slow still: it fails mail since it does so anew.
        let later = at.after(std::time::Duration::from_secs(30));
        for _ in 0..limits::FAILING_MAIL {
            detector.signal(&bad("cut"), Witness::Traffic, later);
            detector.signal(&Signal::Good, Witness::Probe, later);
        }
        let health = detector.health();
        assert!(health.failing && health.health == Health::Slow);
        assert_eq!(health.since, later);
    }
}
