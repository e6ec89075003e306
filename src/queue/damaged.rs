//! Messages that are found damaged when they are to be delivered: held, and set aside (I6).

use super::Queue;
use super::state::Job;
use crate::mail::{HoldReason, RecipientEvent};

impl Queue {
    /// Holds the recipients of a damaged message: no retry makes it whole, and nobody may get it.
    pub(super) async fn hold_damaged(&self, job: Job, what: String) {
        tracing::error!(id = %job.id, what, "damaged mail is held; see `spool verify`");
        if let Err(error) = self.0.parts.spool.set_aside(job.id).await {
            // What is left stays where it is, too.
            tracing::error!(id = %job.id, %error, "damaged mail was not copied to quarantine");
        }
        let numbers = job.numbers();
        let reason = HoldReason::Damaged { what };
        self.settle_events(job, vec![(RecipientEvent::Held { reason }, numbers)])
            .await;
    }
}
