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
    /// Whom it speaks against when a smart host does not take mail to a stranger.
    pub(super) relaying: Doubt,
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
    let again = again(&failure, attempt.target, attempt.attempts, (now, chance));
    RecipientEvent::Deferred {
        backend,
        failure,
        due: again.due,
        counts: again.counts,
    }
}

/// The next attempt behind one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Again {
    /// Not before.
    pub(super) due: Timestamp,
    /// Does the one that failed count for the retry schedule?
    pub(super) counts: bool,
}

/// When a recipient is tried again who was not refused, after `attempts` that counted before;
/// also in a replay.
pub(super) fn again(
    failure: &Failure,
    target: &DeliveryTarget,
    attempts: u32,
    (now, chance): (Timestamp, f64),
) -> Again {
    let is_backend = matches!(target, DeliveryTarget::Backend(_));
    // A backend's health decides when it is tried again; a stranger's host has none that we
    // watch, so its trouble counts as an attempt.
    let trouble = failure.blame == Blame::Backend && is_backend && !failure.uncertain;
    // Each attempt that may have arrived may be one copy more, so the waits grow.
    let due = if failure.uncertain && attempts == 0 {
        schedule::after_uncertain(now, chance)
    } else if trouble {
        schedule::after_trouble(now, chance)
    } else {
        schedule::next_attempt(now, attempts + 1, chance)
    };
    Again {
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
    // Mail to strangers has several recipients' hosts behind one smart host: first it is seen
    // whether the others may go there.
    let is_proven = attempt.relaying == Doubt::Message && attempt.attempts > 0;
    if is_backend && attempt.known == Known::Stranger && denies_relay(&failure) && !is_proven {
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
    failure.is_permanent()
        && failure.blame != Blame::Backend
        && failure.cause() != Cause::Content
        && !asks_too_much(failure)
}

/// Does the message want what the backend has not got: SMTPUTF8 (RFC 6531 §3.5), REQUIRETLS
/// (RFC 8689 §8.4)? Anybody can write such messages, and other mail is none the worse for it.
fn asks_too_much(failure: &Failure) -> bool {
    let status = failure.reply.as_ref().and_then(|reply| reply.enhanced);
    status.is_some_and(|status| match (status.subject, status.detail) {
        (6, 7) | (7, 30) => true,
        // What we say of a way. A server says it of a login that it wants encrypted.
        (7, 10) => failure.cause == Some(Cause::Lacking),
        _ => false,
    })
}

/// Does a backend refuse to pass mail on to a stranger? That is about us, and not about the
/// recipient: relaying denied, a block list, a login that is missing (RFC 3463 §3.8).
pub(super) fn denies_relay(failure: &Failure) -> bool {
    let Some(reply) = failure.reply.as_ref() else {
        return false;
    };
    let is_policy = matches!(failure.cause(), Cause::Policy | Cause::Domain);
    let is_security = reply.enhanced.is_none_or(|status| status.subject == 7);
    let is_about_us = failure.blame != Blame::Backend && !asks_too_much(failure);
    failure.is_permanent() && is_about_us && is_policy && is_security
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
    Failure {
        uncertain: last.uncertain,
        ..Failure::replied(last.blame, Reply::with_text(554, (5, 4, 7), text))
    }
}

/// The name under which a target stands in the ledger.
pub(super) fn backend_of(target: &DeliveryTarget) -> BackendId {
    match target {
        DeliveryTarget::Backend(backend) => backend.clone(),
        DeliveryTarget::Domain(_) | DeliveryTarget::Lenient(_) | DeliveryTarget::Relay(_) => {
            BackendId::new(&target.to_string())
        }
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
