//! Attempts that could not be written down: no message ends without its mark, because a crash would
//! make a second copy of which nobody is told (decision 8).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use super::state::Job;
use super::{Queue, schedule, settle};
use crate::mail::{Blame, DeliveryTarget, Failure, RecipientEvent, Unmarked};
use crate::spool::{SpoolError, Written};

impl Queue {
    /// The recipients of a job wait until the log can be written again. The next hop has no part in
    /// it, and nobody's patience is used up.
    pub(super) async fn wait_for_the_log(
        &self,
        target: &DeliveryTarget,
        job: Job,
        error: &SpoolError,
    ) {
        tracing::error!(id = %job.id, %error, "an attempt was given up: it cannot be written down");
        if let Some(replay) = job.replay.clone() {
            return self.replay_later(&replay, job, error).await;
        }
        let now = self.0.parts.clock.now();
        let event = RecipientEvent::Deferred {
            backend: settle::backend_of(target),
            failure: Failure::without_reply(Blame::Message, format!("{Unmarked}: {error}")),
            due: schedule::after_trouble(now, self.0.parts.entropy.unit()),
            counts: false,
        };
        let numbers = job.numbers();
        self.settle_events(job, vec![(event, numbers)]).await;
    }
}

/// Waits until the attempt's mark is on stable storage; `late` says whether it had to, `unmarked`
/// why it is not.
pub(super) async fn wait_for_mark(
    marked: Written,
    late: &AtomicBool,
    unmarked: &OnceLock<SpoolError>,
) -> Result<(), Unmarked> {
    let wait = marked.wait();
    tokio::pin!(wait);
    let written = if let Some(written) = wait.as_mut().now_or_never() {
        written
    } else {
        late.store(true, Ordering::Relaxed);
        wait.await
    };
    written.map_err(|error| {
        unmarked.set(error).ok();
        Unmarked
    })
}
