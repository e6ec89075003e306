//! A backend whose probes are answered while mail fails, attempt for attempt: a full store, a
//! filter that crashes behind the final dot. It is not down, as probes show, and it is not well.

use super::Detector;
use super::put_off::{Matter, PutOff};
use crate::backend::{BackendHealth, Health, Signal, Witness, asks_to_slow_down};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::Failure;

impl Detector {
    /// It took a message: whatever failed before is the messages' own matter. One that failed all
    /// mail has to take some in a row, or for a while: who takes one of ten is not mended. `true`:
    /// that is over now.
    pub fn took_mail(&mut self, now: Timestamp) -> bool {
        self.forget_failures();
        self.put_off = PutOff::default();
        self.last_taken = Some(now);
        if !self.health.failing {
            return false;
        }
        self.taken = self.taken.saturating_add(1);
        if self.taken == 1 {
            self.excused = false;
            self.asked = Some((now, Witness::Traffic));
        }
        self.health.failing = self.taken < limits::FAILING_MAIL;
        "it takes mail again, and is watched for a while".clone_into(&mut self.health.reason);
        !self.health.failing
    }

    /// Its answer put a recipient off (4yz). One of many is his own matter, until it fails all
    /// mail: then each attempt counts. The new health, when it is another one now.
    pub fn put_off(
        &mut self,
        recipient: &str,
        failure: &Failure,
        now: Timestamp,
    ) -> Option<&BackendHealth> {
        if !self.health.health.takes_mail() {
            return None;
        }
        let matter = Matter::of(failure);
        // Who puts off what nobody wants, and takes other mail beside it, is well.
        if self.took_just_now(now) && matter == Matter::Unclear {
            self.excused = true;
            if self.health.failing {
                return None;
            }
        }
        match matter {
            Matter::Own if self.health.failing => return None,
            Matter::Less => {
                self.put_off.note(recipient, matter);
                return None;
            }
            Matter::System | Matter::Unclear if self.health.failing => {
                self.failing = self.failing.saturating_add(1);
            }
            Matter::Own | Matter::System | Matter::Unclear => self.put_off.note(recipient, matter),
        }
        // What failed because it was down says nothing about one that answers, and puts somebody
        // off.
        let since = self.attempts(now).saturating_sub(self.in_outage);
        if !self.health.failing && since < limits::FAILING_MAIL {
            return None;
        }
        self.fails(&failure.what, now)
    }

    fn took_just_now(&self, now: Timestamp) -> bool {
        self.last_taken
            .is_some_and(|at| at.is_within(limits::SLOW_DWELL, now))
    }

    /// Attempts in a row that failed.
    fn attempts(&self, now: Timestamp) -> u32 {
        let put_off = if self.took_just_now(now) {
            self.put_off.by_the_system()
        } else {
            self.put_off.people()
        };
        self.failing.saturating_add(put_off)
    }

    /// One that took mail since it failed all is watched for a minute: if it only puts off what
    /// comes behind, it is watched no more.
    pub(super) fn watch(&mut self, now: Timestamp) {
        if self.taken > 0 && self.excused && !self.took_just_now(now) {
            self.taken = 0;
            "it answers, takes some mail and puts off the rest".clone_into(&mut self.health.reason);
        }
    }

    /// It is slow, and asks for less again. It is never down for that: nothing else would tell that
    /// it takes nothing. One that takes mail for nobody for long fails it, in whatever words.
    pub(super) fn asks_again(
        &mut self,
        what: &str,
        witness: Witness,
        now: Timestamp,
    ) -> Option<&BackendHealth> {
        let last = match witness {
            Witness::Probe => self.last_good,
            Witness::Traffic => self.last_taken,
        };
        let since = last.unwrap_or(self.health.since);
        let since = since.max(self.health.since).min(now);
        if now.since(since) < limits::SLOW_WITHOUT_SUCCESS {
            what.clone_into(&mut self.health.reason);
            return None;
        }
        let moment = since.to_jiff().strftime("%Y-%m-%d %H:%M UTC");
        self.health.reason = format!("it has taken nothing since {moment}: {what}");
        let is_all = self.put_off.asked() >= limits::FAILING_MAIL;
        if self.health.failing || matches!(witness, Witness::Probe) || !is_all {
            return None;
        }
        self.taken = 0;
        self.health.failing = true;
        Some(&self.health)
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
    use super::super::tests::{bad, detector, later, play_slow};
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
            // Who was put off meanwhile counts when he is put off again, and nobody was taken.
            ("MPPPPPp6p", "UUUUUUUS"),
            ("MPPPP6p", "UUUUUU"),
            // What the platform says of itself is no sender's fault.
            ("MTTTTT", "UUUUUS"),
            ("MTTTTMTTTT", "UUUUUUUUUU"),
            ("TTTTTMTTT6+", "UUUUSSSSSS"),
            // It takes one, and puts all others off: that is no end, when a minute has shown it.
            ("PPPPPMPPP6+", "UUUUSSSSSS"),
            ("PPPPPM6+", "UUUUSSU"),
            ("PPPPPMOOO6+", "UUUUSSSSSU"),
            ("PPPPPMPPP5M1+", "UUUUSSSSSSU"),
            ("PPPPPMPPP6+1MPPP6+", "UUUUSSSSSSSSSSS"),
            // What is his own, or his sender's, says little of the platform.
            ("OOOOOO6OOOOOO", "UUUUUUUUUUUU"),
            ("OOOOPPPP", "UUUUUUUU"),
            ("OOOOPPPPP", "UUUUUUUUS"),
            ("PPPPPOO9O", "UUUUSSSS"),
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

    /// A full store says so to everybody, mailbox for mailbox.
    #[test]
    fn so_many_full_mailboxes_are_no_chance() {
        let script = "O".repeat(49) + "6OO";
        let healths = play_slow(&script);
        assert_eq!(healths, "U".repeat(49) + "SS");
        let taken = format!("{}M6O", "O".repeat(49));
        assert!(play_slow(&taken).ends_with("UUU"));
    }

    #[test]
    fn one_that_asks_for_less_and_takes_no_mail_for_long_fails_it() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let failure = later("452 4.3.1 Insufficient system storage");
        let full = Signal::Bad(failure.clone());
        // One person may ask for too much.
        let mut one = detector();
        for second in (10..=1200).step_by(10) {
            one.put_off("ann", &failure, at(second));
            one.signal(&full, Witness::Traffic, at(second));
            assert!(!one.health().failing, "{second}");
        }
        let mut detector = detector();
        detector.took_mail(at(1));
        for second in (10..=620).step_by(10) {
            detector.put_off(&second.to_string(), &failure, at(second));
            // That it answers says nothing of that.
            detector.signal(&Signal::Good, Witness::Probe, at(second));
            let told = detector
                .signal(&full, Witness::Traffic, at(second))
                .is_some();
            // It is slow at once, and for that reason only; and later that is no reason.
            assert_eq!(told, [10, 610].contains(&second), "{second}");
            let health = detector.health();
            assert_eq!(health.failing, second >= 610, "{second}");
            assert_eq!(health.health, Health::Slow);
        }
        let expected = "it has taken nothing since 1970-01-01 00:00 UTC: 452 4.3.1";
        let reason = &detector.health().reason;
        assert!(reason.starts_with(expected), "{reason}");
        // One taken now and then is enough.
        for _ in 0..limits::FAILING_MAIL {
            detector.took_mail(at(700));
        }
        for second in (710..1290).step_by(10) {
            detector.put_off(&second.to_string(), &failure, at(second));
            detector.signal(&full, Witness::Traffic, at(second));
            assert!(!detector.health().failing);
        }
        detector.took_mail(at(1290));
        detector.signal(&full, Witness::Traffic, at(1400));
        assert!(!detector.health().failing);
    }

    #[test]
    fn that_it_fails_is_said_until_it_takes_mail() {
        let at = Timestamp::from_millis(1000);
        let mut detector = detector();
        detector.signal(&Signal::Good, Witness::Probe, at);
        for name in ["a", "b", "c", "d", "d"] {
            let later = later("450 4.2.1 not now");
            assert!(detector.put_off(name, &later, at).is_none());
        }
        let health = detector.put_off("e", &later("450 4.2.1 not now"), at);
        let health = health.unwrap();
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
