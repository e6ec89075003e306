//! What waits until the index knows the whole log, and how far that is.

use std::time::Duration;

use tokio::sync::mpsc;

use super::StartError;
use super::assemble::Base;
use crate::backend::{keep_history, restore_history, restore_overrides};
use crate::outbound::Outbound;
use crate::queue::Queue;
use crate::spool::{Committed, Rebuild, SpoolError};
use crate::terminal::Bar;

/// From one look at the progress to the next.
const LOOK: Duration = Duration::from_millis(500);
/// From one try to start the delivery to the next.
const AGAIN: Duration = Duration::from_secs(5);
/// Looks from one line in the log to the next.
const LOOKS_PER_LINE: u32 = 20;
const MIB: u64 = 1024 * 1024;

impl Base {
    /// Starts all that asks the index: at once, or when it knows the whole log. Mail is taken
    /// meanwhile, because that asks the directory only.
    pub(super) fn start_when_complete(
        &self,
        (queue, outbound): (&Queue, &Outbound),
        committed: mpsc::Receiver<Committed>,
        rebuild: Option<Rebuild>,
    ) -> Result<(), StartError> {
        let Some(rebuild) = rebuild else {
            self.restore(outbound)?;
            self.start_all(queue, outbound, committed);
            return Ok(());
        };
        tracing::warn!(
            "the index is made from the log: mail is taken, delivery and the webmail wait for it"
        );
        let (base, queue, outbound) = (self.clone(), queue.clone(), outbound.clone());
        self.shutdown.spawn("index", async move {
            let found = tokio::select! {
                found = rebuild.run(base.shutdown.clone()) => found,
                () = base.tell_progress() => return,
            };
            // It only fails when the program stops.
            if found.is_err() {
                return;
            }
            while let Err(error) = base.restore(&outbound) {
                tracing::error!(%error, "delivery does not start yet; it is tried again");
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = base.shutdown.stopping() => return,
                }
            }
            base.start_all(&queue, &outbound, committed);
        });
        Ok(())
    }

    /// What operators said before, and what strangers asked for.
    fn restore(&self, outbound: &Outbound) -> Result<(), SpoolError> {
        outbound.remember(&self.spool)?;
        restore_overrides(&self.spool, &self.board)?;
        restore_history(&self.spool, &self.board)?;
        self.router.holds().restore(&self.spool)
    }

    fn start_all(&self, queue: &Queue, outbound: &Outbound, committed: mpsc::Receiver<Committed>) {
        let policies = outbound.clone();
        self.shutdown.spawn("old policies", async move {
            policies.forget_what_is_over().await;
        });
        queue.start(committed);
        let (spool, board) = (self.spool.clone(), self.board.clone());
        let history = keep_history(spool, board, self.shutdown.clone());
        self.shutdown.spawn("history", history);
        let retention = self.spool.clone().retention_task(self.shutdown.clone());
        self.shutdown.spawn("retention", retention);
    }

    /// A bar on a terminal, and a line in the log now and then; without an end.
    async fn tell_progress(&self) {
        let mut bar = Bar::new("MiB of the log");
        let mut looks = 0_u32;
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(progress) = self.spool.rebuilding() else {
                bar.end();
                continue;
            };
            bar.show(progress.read / MIB, Some(progress.total / MIB));
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS_PER_LINE) {
                tracing::info!("the index is made from the log: {progress}");
            }
        }
    }
}
