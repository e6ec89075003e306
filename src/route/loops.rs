//! Loops, found when a message comes for the second time: the same message for the same recipient
//! from the platform that it went to, while its route still leads there.

use super::{Decision, Router};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BackendId, DeliveryTarget, Envelope, HoldReason, Recipient, SpoolId, VisitKey};
use crate::spool::{Spool, SpoolError, StoredMessage};

/// Knows messages again.
#[derive(Debug, Clone)]
pub struct LoopGuard {
    router: Router,
    spool: Spool,
    key: VisitKey,
}

/// An earlier visit, proven by our line.
struct Visit {
    message: StoredMessage,
    backend: BackendId,
}

impl LoopGuard {
    /// A guard that knows lines with this key.
    #[must_use]
    pub const fn new(router: Router, spool: Spool, key: VisitKey) -> Self {
        Self { router, spool, key }
    }

    /// Which recipients of a message that comes in are in a loop. `lines` are the values of our
    /// lines in its header, the newest first. A message that we do not have any more is no proof.
    #[must_use]
    pub fn check(
        &self,
        lines: &[String],
        envelope: &Envelope,
        now: Timestamp,
    ) -> Vec<(u16, HoldReason)> {
        let healths = self.router.board().healths();
        let visits: Vec<Visit> = lines
            .iter()
            .take(limits::VISITS)
            .filter_map(|line| self.key.read(line, healths.keys()))
            .filter_map(|(id, backend)| {
                let message = self.message(id)?;
                // The same message, not one that was answered or forwarded with our line in it.
                let same = message.envelope.message_id == envelope.message_id;
                same.then_some(Visit { message, backend })
            })
            .collect();
        if visits.is_empty() {
            return Vec::new();
        }
        let recipients = (0_u16..).zip(&envelope.recipients);
        recipients
            .filter_map(|(number, recipient)| Some((number, self.fight(&visits, recipient, now)?)))
            .collect()
    }

    fn message(&self, id: SpoolId) -> Option<StoredMessage> {
        match self.spool.message(id) {
            Ok(message) => message,
            Err(SpoolError::Closed) => None,
            Err(error) => {
                tracing::warn!(%id, %error, "an earlier visit cannot be looked up");
                None
            }
        }
    }

    /// The routes that fight over a recipient.
    fn fight(&self, visits: &[Visit], recipient: &Recipient, now: Timestamp) -> Option<HoldReason> {
        let of_recipient = |visit: &&Visit| {
            let mut earlier = visit.message.envelope.recipients.iter();
            earlier.any(|earlier| same(earlier, recipient))
        };
        let explanation = self.router.route(&recipient.address, now);
        let home = explanation.home?;
        let next = match explanation.decision {
            Decision::Relay { targets, .. } => match targets.into_iter().next()? {
                DeliveryTarget::Backend(backend) => backend,
                DeliveryTarget::Domain(_)
                | DeliveryTarget::Lenient(_)
                | DeliveryTarget::Relay(_) => return None,
            },
            Decision::Hold { .. } | Decision::Expand { .. } => home.clone(),
            Decision::Reject(_) => return None,
        };
        let mut visits = visits.iter().filter(of_recipient).peekable();
        let last = visits.peek().copied()?;
        // It has moved since: where it goes now it has not been.
        if !visits.any(|visit| visit.backend == next) {
            return None;
        }
        Some(HoldReason::Loop {
            given_to: last.backend.clone(),
            home,
            earlier: last.message.id,
        })
    }
}

/// Whoever has the mailbox, by whatever address.
fn same(one: &Recipient, other: &Recipient) -> bool {
    (one.mailbox.is_some() && one.mailbox == other.mailbox)
        || one.address.key() == other.address.key()
}

#[cfg(test)]
#[path = "loops_tests.rs"]
mod tests;
