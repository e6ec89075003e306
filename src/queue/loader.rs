//! The backlog: from the index into the rows of the next hops, lane by lane.

use std::time::Duration;

use super::Queue;
use super::intake::Dispatched;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{HoldReason, RecipientEvent, RecipientState, SpoolId};
use crate::spool::{Due, SpoolError};

/// The loader looks at all lanes at least this often.
const ROUND: Duration = Duration::from_secs(30);
/// Recipients read from the index at once.
const PAGE: usize = 200;

/// How a look at a lane ended.
enum Looked {
    /// Everything that is due is loaded; the next one is due then.
    Until(Option<Timestamp>),
    /// Its next hop has no room, or its route says hold.
    Blocked,
}

impl Queue {
    /// Loads what is due, until the program stops.
    pub(super) async fn load_for_ever(&self) {
        let shutdown = self.0.parts.shutdown.clone();
        let mut health = self.0.parts.router.board().changes();
        loop {
            let planned = self.look_at_lanes();
            self.state().planned = planned;
            let wait = planned.since(self.0.parts.clock.now());
            tokio::select! {
                () = shutdown.stopping() => return,
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                changed = health.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.return_held_jobs();
                }
            }
        }
    }

    /// Loads from every lane; returns when to look again.
    fn look_at_lanes(&self) -> Timestamp {
        let now = self.0.parts.clock.now();
        let mut next = now.after(ROUND);
        self.state().more = false;
        for lane in self.0.parts.spool.lanes().into_keys() {
            match self.look_at(&lane, now) {
                Ok(Looked::Until(Some(due))) => next = next.min(due),
                Ok(Looked::Until(None) | Looked::Blocked) => {}
                Err(error) => tracing::error!(%lane, %error, "a lane cannot be read"),
            }
        }
        // At least a moment, so that a clock that stands still cannot make it spin.
        next.max(now.after(Duration::from_millis(10)))
    }

    fn look_at(&self, lane: &str, now: Timestamp) -> Result<Looked, SpoolError> {
        let mut last = None;
        loop {
            let page = self.0.parts.spool.due(lane, last, PAGE)?;
            let Some(end) = page.last().copied() else {
                return Ok(Looked::Until(None));
            };
            let due = page.iter().position(|entry| entry.due > now);
            let (ready, later) = page.split_at(due.unwrap_or(page.len()));
            for message in ready.chunk_by(|a, b| a.id == b.id) {
                if self.load(lane, message)? {
                    return Ok(Looked::Blocked);
                }
            }
            if let Some(first) = later.first() {
                return Ok(Looked::Until(Some(first.due)));
            }
            last = Some(end);
        }
    }

    /// Loads recipients of one message; `true` when the lane has to wait.
    fn load(&self, lane: &str, due: &[Due]) -> Result<bool, SpoolError> {
        let Some(id) = due.first().map(|due| due.id) else {
            return Ok(false);
        };
        let spool = &self.0.parts.spool;
        let mut recipients = Vec::with_capacity(due.len());
        for entry in due {
            if self.state().is_busy(id, entry.recipient) {
                continue;
            }
            if let Some(RecipientState::Queued { attempts, .. }) =
                spool.state(id, entry.recipient)?
            {
                recipients.push((entry.recipient, attempts));
            }
        }
        if recipients.is_empty() {
            return Ok(false);
        }
        let message = match spool.message(id) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(false),
            Err(error @ SpoolError::Damaged(_)) => {
                tracing::error!(%id, %error, "a waiting message is damaged; see `spool verify`");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let result = self.dispatch(id, &message.envelope, None, &recipients);
        self.hold_homeless(id, &result);
        Ok(result.full || result.held_lanes.iter().any(|held| held == lane))
    }

    /// Recipients whom nobody takes any more are held: somebody accepted their mail, so an
    /// administrator has to decide (decision 5).
    fn hold_homeless(&self, id: SpoolId, result: &Dispatched) {
        for (number, what) in result.homeless.clone() {
            let queue = self.clone();
            self.0.parts.shutdown.spawn("hold", async move {
                let reason = HoldReason::NoRoute { what };
                let event = RecipientEvent::Held { reason };
                let held = queue.0.parts.spool.record(id, vec![number], event).await;
                if let Err(error) = held {
                    tracing::error!(%id, number, %error, "a recipient could not be held");
                }
            });
        }
    }

    /// After a change of health: jobs of backends that take none go back, to be decided anew.
    fn return_held_jobs(&self) {
        let mut state = self.state();
        for target in state.names() {
            let router = &self.0.parts.router;
            let crate::mail::DeliveryTarget::Backend(backend) = &target else {
                continue;
            };
            let takes_mail = router
                .board()
                .health(backend)
                .is_none_or(|health| crate::route::paused(&health).is_none());
            if takes_mail {
                continue;
            }
            for job in state.drain(&target) {
                state.release(&job);
            }
        }
    }

    /// Looks at the whole backlog: recipients whose lane has changed go to their new one.
    pub(super) async fn reroute(&self) {
        for lane in self.0.parts.spool.lanes().into_keys() {
            let mut last = None;
            while let Ok(page) = self.0.parts.spool.due(&lane, last, PAGE) {
                if page.is_empty() || self.stopping() {
                    break;
                }
                last = page.last().copied();
                self.reroute_page(&lane, page).await;
                tokio::task::yield_now().await;
            }
        }
        self.0.wake.notify_one();
    }

    async fn reroute_page(&self, lane: &str, page: Vec<Due>) {
        for due in page {
            if let Err(error) = self.reroute_one(lane, due).await {
                tracing::error!(id = %due.id, %error, "a recipient keeps its old lane");
            }
        }
    }

    async fn reroute_one(&self, lane: &str, due: Due) -> Result<(), SpoolError> {
        let spool = &self.0.parts.spool;
        let Some(message) = spool.message(due.id)? else {
            return Ok(());
        };
        let recipients = &message.envelope.recipients;
        let Some(recipient) = recipients.get(usize::from(due.recipient)) else {
            return Ok(());
        };
        let new = self.0.parts.router.explain(&recipient.address).lane;
        let busy = self.state().is_busy(due.id, due.recipient);
        if new == lane || new.is_empty() || busy {
            return Ok(());
        }
        let event = RecipientEvent::Rerouted { lane: new };
        spool.record(due.id, vec![due.recipient], event).await
    }

    /// Wakes the loader when a next hop's row gets short and there is more.
    pub(super) fn refill(&self, target: &crate::mail::DeliveryTarget) {
        let mut state = self.state();
        if state.more && state.is_low(target) {
            state.more = false;
            self.0.wake.notify_one();
        }
    }

    /// Recipients that are loaded or under way, for tests and metrics.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.state().busy()
    }
}

const _: () = assert!(PAGE <= limits::READY_WINDOW, "a page fits into a window");
