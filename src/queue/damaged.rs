//! Messages that are found damaged when they are to be delivered: held, and set aside (I6).

use std::time::Duration;

use super::Queue;
use super::hands::Hands;
use super::state::{Job, Waited};
use crate::mail::{HoldReason, RecipientEvent, SpoolId};
use crate::spool::{Spool, SpoolError};

/// A message that cannot be read any more, or not its envelope, and who waits for it.
pub(super) struct Unreadable {
    pub(super) id: SpoolId,
    pub(super) recipients: Vec<u16>,
    /// What is wrong, for people.
    pub(super) what: String,
}

impl Queue {
    /// Holds the recipients of a damaged message: no retry makes it whole, and nobody may get it.
    pub(super) async fn hold_damaged(&self, job: Job, what: String) {
        self.set_damaged_aside(job.id, &what).await;
        if let Some(replay) = job.replay.clone() {
            return self.refuse_damaged(&replay, job, what).await;
        }
        let numbers = job.numbers();
        let reason = HoldReason::Damaged { what };
        self.settle_events(job, vec![(RecipientEvent::Held { reason }, numbers)])
            .await;
    }

    /// The same for one of which the recipients are known by their numbers only.
    pub(super) async fn hold_unreadable(&self, message: Unreadable) -> Result<(), SpoolError> {
        let Unreadable {
            id,
            recipients,
            what,
        } = message;
        let mut hands = Hands::new(self, id);
        hands.take(&recipients, Duration::ZERO).await;
        let spool = &self.0.parts.spool;
        let mut waiting = Vec::new();
        for &number in hands.numbers() {
            // It may have changed before it was in our hands.
            let state = spool.state(id, number)?;
            waiting.extend(state.as_ref().and_then(Waited::of).map(|_| number));
        }
        if waiting.is_empty() {
            return Ok(());
        }
        self.set_damaged_aside(id, &what).await;
        let reason = HoldReason::Damaged { what };
        let event = RecipientEvent::Held { reason };
        spool.record(id, waiting.clone(), event.clone()).await?;
        // It may be the first one of a case: somebody waits to hear what became of it.
        self.tried(id, &waiting, &event).await;
        Ok(())
    }

    /// Holds the waiting mail that is known as damaged, also what waits behind a backend that takes
    /// none: who asks for damaged mail must find it before it is its turn.
    pub async fn hold_found(&self) {
        let found = self.0.parts.spool.beside(Spool::found_damaged).await;
        let found = found.unwrap_or_else(|error| {
            tracing::error!(%error, "whether damaged mail waits cannot be looked up");
            Vec::new()
        });
        for one in found {
            let id = one.id;
            let message = Unreadable {
                id,
                recipients: one.recipients,
                what: one.what,
            };
            if let Err(error) = self.hold_unreadable(message).await {
                tracing::error!(%id, %error, "damaged mail cannot be held now");
            }
        }
    }

    async fn set_damaged_aside(&self, id: SpoolId, what: &str) {
        tracing::error!(%id, what, "damaged mail is held; see `spool verify`");
        if let Err(error) = self.0.parts.spool.set_aside(id).await {
            // What is left stays where it is, too.
            tracing::error!(%id, %error, "damaged mail was not copied to quarantine");
        }
    }
}
