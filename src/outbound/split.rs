//! A message for many recipients, in several transactions: pure.

use crate::mail::{Delivery, Failure, Outcome};
use crate::smtp::EnhancedStatus;

/// The recipients of a message that are dealt out to transactions.
#[derive(Debug)]
pub(super) struct Shares {
    outcomes: Vec<Option<Outcome>>,
    /// The places that wait, the next one last.
    waiting: Vec<usize>,
    /// The places of the transaction that is under way.
    under_way: Vec<usize>,
}

impl Shares {
    pub(super) fn new(delivery: &Delivery) -> Self {
        let count = delivery.recipients.len();
        Self {
            outcomes: std::iter::repeat_with(|| None).take(count).collect(),
            waiting: (0..count).rev().collect(),
            under_way: Vec::new(),
        }
    }

    /// One transaction with all recipients is over.
    pub(super) fn begun(delivery: &Delivery, outcomes: Vec<Outcome>) -> Self {
        let mut shares = Self::new(delivery);
        shares.under_way = (0..delivery.recipients.len()).collect();
        shares.waiting.clear();
        shares.take(outcomes);
        shares
    }

    /// The next transaction, with at most so many recipients.
    pub(super) fn next(&mut self, delivery: &Delivery, most: usize) -> Option<Delivery> {
        if self.waiting.is_empty() {
            return None;
        }
        let rest = self.waiting.len().saturating_sub(most);
        self.under_way = self.waiting.split_off(rest);
        self.under_way.reverse();
        let recipients = self.under_way.iter();
        let recipients = recipients.filter_map(|place| delivery.recipients.get(*place).cloned());
        Some(Delivery {
            recipients: recipients.collect(),
            ..delivery.clone()
        })
    }

    /// The outcomes of the transaction under way. Who was one too many gets another one.
    pub(super) fn take(&mut self, outcomes: Vec<Outcome>) {
        let again = is_to_go_on(&outcomes);
        let places = std::mem::take(&mut self.under_way);
        let mut excess = Vec::new();
        for (place, outcome) in places.into_iter().zip(outcomes) {
            if again && is_one_too_many(&outcome) {
                excess.push(place);
            } else if let Some(slot) = self.outcomes.get_mut(place) {
                *slot = Some(outcome);
            }
        }
        self.waiting.extend(excess.into_iter().rev());
    }

    /// The outcomes in the order of the recipients.
    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        let lost = || {
            let what = "it was in no transaction";
            Outcome::Failed(Failure::without_reply(crate::mail::Blame::Backend, what))
        };
        let outcomes = self.outcomes.into_iter();
        outcomes
            .map(|outcome| outcome.unwrap_or_else(lost))
            .collect()
    }
}

/// RFC 5321 §4.5.3.1.10: the server has taken the message for some, and others were too many.
pub(super) fn is_to_go_on(outcomes: &[Outcome]) -> bool {
    let is_taken = |outcome: &Outcome| matches!(outcome, Outcome::Delivered { .. });
    outcomes.iter().any(is_one_too_many) && outcomes.iter().any(is_taken)
}

/// 452, in old servers 552 (RFC 5321 §4.5.3.1.10), with X.5.3 (RFC 3463 §3.6) where the server has
/// enhanced codes: without one 452 may be a full disk, but not after it has taken the message.
fn is_one_too_many(outcome: &Outcome) -> bool {
    let Outcome::Failed(Failure {
        reply: Some(reply), ..
    }) = outcome
    else {
        return false;
    };
    match reply.enhanced {
        Some(EnhancedStatus {
            subject, detail, ..
        }) => matches!(reply.code, 452 | 552) && (subject, detail) == (5, 3),
        None => reply.code == 452,
    }
}
