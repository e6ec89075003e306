//! From the outcome of an attempt to what happens to the recipient: pure.

use super::schedule;
use crate::backend::Doubt;
use crate::base::Timestamp;
use crate::mail::{
    BackendId, Blame, CaseId, CaseKey, Cause, DeliveryTarget, Failure, FinalCause, HoldReason,
    Outcome, RecipientEvent,
};
use crate::smtp::Reply;

/// What is known of the recipient at the end of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// Where it was tried.
    pub(super) target: &'a DeliveryTarget,
    /// The address that was used.
    pub(super) delivery_address: &'a str,
    /// Is it one of ours?
    pub(super) known: Known,
    /// Attempts that counted, before this one.
    pub(super) attempts: u32,
    /// When the message was accepted, or as much later as it was on hold.
    pub(super) received: Timestamp,
    /// TLS of the connection.
    pub(super) tls: Option<&'a str>,
    /// Its home, when failover gives it to another backend.
    pub(super) diverted_from: Option<&'a BackendId>,
    /// Causes that the config calls final.
    pub(super) finals: &'a [FinalCause],
    /// The case for which it was tried: when it is refused alike it only goes on waiting.
    pub(super) trial: Option<CaseId>,
    /// Whom a refusal of its content speaks against.
    pub(super) doubt: Doubt,
}

/// Whose recipient it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// One of our domains.
    Ours,
    /// Somebody else's: RFC 5321 rules alone.
    Stranger,
}

/// The event that an outcome makes, `chance` in `0..1`.
pub(super) fn settle(
    outcome: Outcome,
    attempt: &Attempt<'_>,
    now: Timestamp,
    chance: f64,
) -> RecipientEvent {
    let backend = backend_of(attempt.target);
    let failure = match outcome {
        Outcome::Delivered { reply } => {
            return RecipientEvent::Delivered {
                backend,
                reply,
                delivery_address: attempt.delivery_address.to_owned(),
                tls: attempt.tls.map(str::to_owned),
                diverted_from: attempt.diverted_from.cloned(),
            };
        }
        Outcome::Failed(failure) => failure,
    };
    if failure.is_permanent() && failure.blame != Blame::Backend {
        return refused(failure, attempt, now, chance);
    }
    let is_backend = matches!(attempt.target, DeliveryTarget::Backend(_));
    if failure.is_permanent() && !is_backend && attempt.known == Known::Stranger {
        return bounced(failure, None);
    }
    // Only mail to strangers is given up by time (decision 5).
    let too_old = now.since(attempt.received) >= schedule::GIVE_UP;
    if attempt.known == Known::Stranger && too_old {
        return bounced(expired(&failure), None);
    }
    // A backend's health decides when it is tried again; a stranger's host has none that we
    // watch, so its trouble counts as an attempt.
    let trouble = failure.blame == Blame::Backend && is_backend;
    let due = if failure.uncertain {
        schedule::after_uncertain(now, chance)
    } else if trouble {
        schedule::after_trouble(now, chance)
    } else {
        schedule::next_attempt(now, attempt.attempts + 1, chance)
    };
    RecipientEvent::Deferred {
        backend,
        failure,
        due,
        counts: !trouble,
    }
}

/// 5yz for this recipient or message.
fn refused(failure: Failure, attempt: &Attempt<'_>, now: Timestamp, chance: f64) -> RecipientEvent {
    let backend = backend_of(attempt.target);
    let is_backend = matches!(attempt.target, DeliveryTarget::Backend(_));
    // A stand-in does not speak for the home, which may have other limits and other people (I10).
    let is_home = attempt.diverted_from.is_none();
    let is_content = failure.cause() == Cause::Content;
    let is_named = attempt.finals.iter().any(|cause| cause.covers(&failure));
    let is_alike = || attempt.trial == Some(CaseKey::of(&backend, &failure).id());
    if attempt.trial.is_some() && !(is_home && is_named) && is_alike() {
        return RecipientEvent::Deferred {
            due: schedule::after_trouble(now, chance),
            backend,
            failure,
            counts: false,
        };
    }
    if is_backend && is_home && is_content && !is_named && attempt.doubt != Doubt::Message {
        return doubtful(failure, attempt, now, chance);
    }
    let is_final = is_home && (is_content || is_named);
    if attempt.known == Known::Stranger || is_final {
        // What our backends refuse for good is kept for the administrator to see.
        return bounced(failure, (is_backend && is_final).then_some(backend));
    }
    // Decision 6: for a recipient of ours it is evidence, not a sentence.
    RecipientEvent::Held {
        reason: HoldReason::Refused { backend, failure },
    }
}

/// The content is refused by a backend that accepts no other mail: evidence against the backend
/// (decision 6). It is tried again until that is known; nobody is told that his mail is spam.
fn doubtful(
    failure: Failure,
    attempt: &Attempt<'_>,
    now: Timestamp,
    chance: f64,
) -> RecipientEvent {
    let backend = backend_of(attempt.target);
    let age = now.since(attempt.received);
    let is_case = attempt.doubt == Doubt::Backend || age >= schedule::DOUBT;
    match attempt.known {
        Known::Ours if is_case => RecipientEvent::Held {
            reason: HoldReason::Refused { backend, failure },
        },
        Known::Stranger if age >= schedule::GIVE_UP => bounced(failure, Some(backend)),
        Known::Ours | Known::Stranger => RecipientEvent::Deferred {
            due: schedule::next_attempt(now, attempt.attempts + 1, chance),
            backend,
            failure,
            counts: true,
        },
    }
}

const fn bounced(failure: Failure, backend: Option<BackendId>) -> RecipientEvent {
    RecipientEvent::Bounced {
        failure,
        backend,
        actor: String::new(),
        reason: String::new(),
    }
}

/// Is it a permanent refusal that says something about how the backend treats recipients, and not
/// about a message? Then the breaker hears of it.
pub(super) fn counts_as_rejected(failure: &Failure) -> bool {
    failure.is_permanent() && failure.blame != Blame::Backend && failure.cause() != Cause::Content
}

/// Is it a permanent refusal of the content?
pub(super) fn is_refused_content(failure: &Failure) -> bool {
    failure.is_permanent() && failure.blame != Blame::Backend && failure.cause() == Cause::Content
}

/// RFC 3463 §3.5: X.4.7, delivery time expired.
fn expired(last: &Failure) -> Failure {
    let text = format!(
        "Given up after 5 days; the last attempt said: {}",
        last.what
    );
    Failure::replied(last.blame, Reply::with_text(554, (5, 4, 7), text))
}

/// The name under which a target stands in the ledger.
pub(super) fn backend_of(target: &DeliveryTarget) -> BackendId {
    match target {
        DeliveryTarget::Backend(backend) => backend.clone(),
        DeliveryTarget::Domain(_) | DeliveryTarget::Relay(_) => BackendId::new(&target.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mail::Said;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn settled(line: &str, blame: Blame, target: &DeliveryTarget, known: Known) -> RecipientEvent {
        let reply = Reply::parse(&[line]).unwrap();
        let outcome = if reply.is_success() {
            Outcome::Delivered { reply }
        } else {
            Outcome::Failed(Failure::replied(blame, reply))
        };
        settle(outcome, &attempt(target, known), NOW, 0.5)
    }

    fn attempt(target: &DeliveryTarget, known: Known) -> Attempt<'_> {
        Attempt {
            target,
            delivery_address: "ann@example.org",
            known,
            attempts: 0,
            received: NOW,
            tls: None,
            diverted_from: None,
            finals: &[],
            trial: None,
            doubt: Doubt::Message,
        }
    }

    /// Decision 6: a backend that accepts no other mail finishes nobody's mail for its content.
    #[test]
    fn content_is_final_only_where_other_mail_is_accepted() {
        let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
        let reply = Reply::parse(&["554 5.7.1 Message contains spam"]).unwrap();
        let failure = Failure::refused(Said::End, reply);
        let finals = ["554 5.7.1 spam".parse().unwrap()];
        let day = schedule::DOUBT;
        for (doubt, known, age, expected) in [
            (Doubt::Message, Known::Ours, Duration::ZERO, "bounced"),
            (Doubt::Unknown, Known::Ours, Duration::ZERO, "deferred"),
            (Doubt::Unknown, Known::Ours, day, "held"),
            (Doubt::Backend, Known::Ours, Duration::ZERO, "held"),
            (Doubt::Message, Known::Stranger, Duration::ZERO, "bounced"),
            (Doubt::Unknown, Known::Stranger, day, "deferred"),
            (Doubt::Backend, Known::Stranger, day, "deferred"),
            (
                Doubt::Backend,
                Known::Stranger,
                schedule::GIVE_UP,
                "bounced",
            ),
        ] {
            let attempt = Attempt {
                received: NOW.before(age),
                doubt,
                ..attempt(&cloud, known)
            };
            let event = settle(Outcome::Failed(failure.clone()), &attempt, NOW, 0.5);
            assert_eq!(event.name(), expected, "{doubt:?} {known:?} {age:?}");
            // What the config calls final is the administrator's word.
            let named = Attempt {
                finals: &finals,
                ..attempt
            };
            let event = settle(Outcome::Failed(failure.clone()), &named, NOW, 0.5);
            assert_eq!(event.name(), "bounced");
        }
    }

    /// I10: a stand-in does not speak for the home, which may take what it refuses.
    #[test]
    fn a_stand_in_refuses_nothing_for_good() {
        let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
        let home = BackendId::new("onprem");
        let finals = ["550 5.1.1 no such user".parse().unwrap()];
        for line in ["552 5.3.4 too large", "550 5.1.1 no such user"] {
            let failure = Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
            for (diverted_from, expected) in [(Some(&home), "held"), (None, "bounced")] {
                let attempt = Attempt {
                    diverted_from,
                    finals: &finals,
                    ..attempt(&cloud, Known::Ours)
                };
                let event = settle(Outcome::Failed(failure.clone()), &attempt, NOW, 0.5);
                assert_eq!(event.name(), expected, "{line}");
            }
        }
    }

    /// Decision 6: what the config calls final is no case, and a trial that is refused alike only
    /// goes on waiting. Who refused for good is kept when it is one of our backends.
    #[test]
    fn final_causes_and_trials() {
        let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
        let failure = |line: &str| Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
        let unknown = failure("550 5.1.1 <ann@example.org> no such user");
        let finals = ["550 5.1.1 no such user".parse().unwrap()];
        let alike = failure("550 5.1.1 <bob@example.org> no such user");
        let case = CaseKey::of(&BackendId::new("cloud"), &alike).id();
        let event = |failure: &Failure, finals, trial| {
            let attempt = Attempt {
                finals,
                trial,
                ..attempt(&cloud, Known::Ours)
            };
            settle(Outcome::Failed(failure.clone()), &attempt, NOW, 0.5)
        };
        let RecipientEvent::Bounced { backend, .. } = event(&unknown, &finals, Some(case)) else {
            panic!("not final");
        };
        assert_eq!(backend, Some(BackendId::new("cloud")));
        let waits = event(&unknown, &[], Some(case));
        assert!(matches!(
            waits,
            RecipientEvent::Deferred { counts: false, .. }
        ));
        let other = event(&failure("550 5.4.1 denied"), &[], Some(case));
        assert_eq!(other.name(), "held");
        let stranger = settled("550 5.1.1 no", Blame::Recipient, &cloud, Known::Stranger);
        assert!(matches!(
            stranger,
            RecipientEvent::Bounced { backend: None, .. }
        ));
    }

    #[test]
    fn a_backend_and_a_stranger_are_treated_differently() {
        let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
        let stranger = DeliveryTarget::Domain("example.net".to_owned());
        let table = [
            ("250 2.0.0 ok", Blame::Message, "delivered", "delivered"),
            (
                "450 4.2.0 greylisted",
                Blame::Recipient,
                "deferred",
                "deferred",
            ),
            ("421 4.3.2 closing", Blame::Backend, "deferred", "deferred"),
            (
                "550 5.1.1 no such user",
                Blame::Recipient,
                "held",
                "bounced",
            ),
            (
                "550 5.4.1 Access denied",
                Blame::Recipient,
                "held",
                "bounced",
            ),
            (
                "550 5.7.1 relaying denied",
                Blame::Recipient,
                "held",
                "bounced",
            ),
            (
                "550 5.7.1 Message contains spam",
                Blame::Message,
                "bounced",
                "bounced",
            ),
            ("552 5.3.4 too big", Blame::Message, "bounced", "bounced"),
            ("554 5.6.0 bad MIME", Blame::Message, "bounced", "bounced"),
            ("550 no enhanced code", Blame::Recipient, "held", "bounced"),
            (
                "554 5.7.1 You are not welcome",
                Blame::Backend,
                "deferred",
                "bounced",
            ),
        ];
        for (line, blame, ours, theirs) in table {
            let event = settled(line, blame, &cloud, Known::Ours);
            assert_eq!(event.name(), ours, "{line} from a backend");
            let event = settled(line, blame, &stranger, Known::Stranger);
            assert_eq!(event.name(), theirs, "{line} from a stranger");
            // I10: one of ours whose mail goes to a host outside.
            let event = settled(line, blame, &stranger, Known::Ours);
            assert_eq!(
                event.name(),
                ours,
                "{line} from a stranger, for one of ours"
            );
        }
    }

    /// RFC 6531 §3.6: what needs SMTPUTF8 and cannot have it.
    #[test]
    fn a_backend_without_smtputf8_makes_people_wait_and_strangers_a_report() {
        let reply = Reply::parse(&["550 5.6.7 The message needs SMTPUTF8"]).unwrap();
        let failure = Failure {
            cause: Some(Cause::Policy),
            ..Failure::replied(Blame::Recipient, reply)
        };
        let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
        let event = |known| {
            let outcome = Outcome::Failed(failure.clone());
            settle(outcome, &attempt(&cloud, known), NOW, 0.5).name()
        };
        assert_eq!(event(Known::Ours), "held");
        assert_eq!(event(Known::Stranger), "bounced");
    }

    #[test]
    fn old_mail_is_given_up_for_strangers_only() {
        let target = DeliveryTarget::Domain("example.net".to_owned());
        for (known, expected) in [(Known::Ours, "deferred"), (Known::Stranger, "bounced")] {
            let attempt = Attempt {
                target: &target,
                delivery_address: "ann@example.net",
                known,
                attempts: 60,
                received: NOW.before(schedule::GIVE_UP),
                tls: None,
                diverted_from: None,
                finals: &[],
                trial: None,
                doubt: Doubt::Message,
            };
            let failure = Failure::without_reply(Blame::Backend, "connection refused");
            let event = settle(Outcome::Failed(failure), &attempt, NOW, 0.0);
            assert_eq!(event.name(), expected);
        }
    }
}
