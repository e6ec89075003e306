//! The backlog: from the index into the rows of the next hops, lane by lane.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::hands::Hands;
use super::intake::Dispatched;
use super::state::{Source, Waited};
use super::{Queue, schedule};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{DeliveryTarget, Envelope, RecipientEvent, RecipientState, SpoolId};
use crate::smtp::Mailbox;
use crate::spool::{Due, SpoolError};

/// The loader looks at all lanes at least this often.
const ROUND: Duration = Duration::from_secs(30);
/// Recipients read from the index at once.
const PAGE: usize = 200;

/// After everything.
const LATER: Timestamp = Timestamp::from_millis(u64::MAX);

/// Pages of one lane in one look. Beyond: the other lanes first.
const PAGES: usize = 25;
/// A lane is looked at from its beginning at least this often, whatever is known of it.
const ANEW: Duration = Duration::from_secs(30 * 60);

/// How a look at a lane ended.
enum Looked {
    /// Everything that is due is loaded; the next one is due then.
    Until(Option<Timestamp>),
    /// There is more.
    More,
    /// Its next hop has no room, or all of it has to wait.
    Blocked,
}

/// Up to where a lane was looked at and found to wait: nobody looks again before something
/// changes. Else a backlog that waits would be read again and again for the few that need not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    last: Due,
    made: Duration,
}

impl Queue {
    /// Loads what is due, until the program stops.
    pub(super) async fn load_for_ever(&self) {
        let shutdown = self.0.parts.shutdown.clone();
        let mut health = self.0.parts.router.board().changes();
        loop {
            // What is deferred during the look may be behind it: it calls for another one.
            self.state().planned = LATER;
            let planned = self.look_at_lanes().await;
            let trial = self.try_rejecting().unwrap_or(LATER);
            let planned = planned.min(trial);
            self.state().planned = planned;
            let wait = planned.since(self.0.parts.clock.now()).min(ROUND);
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                changed = health.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.return_held_jobs();
                    self.clear_marks();
                }
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Loads from every lane; returns when to look again.
    async fn look_at_lanes(&self) -> Timestamp {
        let now = self.0.parts.clock.now();
        let mut next = now.after(ROUND);
        for lane in self.0.parts.spool.lanes().into_keys() {
            if self.stopping() {
                break;
            }
            match self.look_at(&lane, now).await {
                Ok(Looked::Until(Some(due))) => next = next.min(due),
                Ok(Looked::More) => next = now,
                Ok(Looked::Until(None) | Looked::Blocked) => {}
                Err(error) => tracing::error!(%lane, %error, "a lane cannot be read"),
            }
        }
        // At least a moment, so that a clock that stands still cannot make it spin.
        next.max(now.after(Duration::from_millis(10)))
    }

    async fn look_at(&self, lane: &str, now: Timestamp) -> Result<Looked, SpoolError> {
        if self.0.parts.router.lane_waits(lane) {
            return Ok(Looked::Blocked);
        }
        let cleared = self.0.marks_cleared.load(Ordering::Acquire);
        let mut last = self.mark_of(lane);
        let looked = self.load_until(lane, &mut last, now).await?;
        if let Some(last) = last {
            let made = self.elapsed();
            let mut marks = self.marks();
            // Cleared meanwhile: what lies before it may go now.
            if self.0.marks_cleared.load(Ordering::Acquire) == cleared {
                let mark = marks.entry(lane.to_owned()).or_insert(Mark { last, made });
                mark.last = last;
            }
        }
        if let Looked::Until(Some(_)) = looked {
            let mut stranded = Some(Due {
                due: now.after(schedule::LONGEST),
                id: SpoolId::from_u64(u64::MAX),
                recipient: u16::MAX,
            });
            self.load_until(lane, &mut stranded, LATER).await?;
        }
        Ok(looked)
    }

    /// Loads what is behind `mark` and due until `until`. The mark goes on over pages in which
    /// somebody has to wait, and when there is more than one look takes.
    async fn load_until(
        &self,
        lane: &str,
        mark: &mut Option<Due>,
        until: Timestamp,
    ) -> Result<Looked, SpoolError> {
        let mut last = *mark;
        let mut held = false;
        for _ in 0..PAGES {
            let page = self.0.parts.spool.due(lane, last, PAGE)?;
            let Some(end) = page.last().copied() else {
                return Ok(Looked::Until(None));
            };
            let due = page.iter().position(|entry| entry.due > until);
            let (ready, later) = page.split_at(due.unwrap_or(page.len()));
            let mut kept = Vec::new();
            let mut full = false;
            for message in ready.chunk_by(|a, b| a.id == b.id) {
                let id = message.first().map_or(end.id, |due| due.id);
                let result = self.load(id, message)?;
                full = result.full;
                held |= result.held;
                kept.push((id, result.kept));
                if full {
                    break;
                }
            }
            self.keep(kept).await;
            if full {
                return Ok(Looked::Blocked);
            }
            last = ready.last().copied().or(last);
            if held {
                *mark = last;
            }
            if let Some(first) = later.first() {
                return Ok(Looked::Until(Some(first.due)));
            }
            // The disk was read in this thread: the others want it too.
            tokio::task::yield_now().await;
        }
        *mark = last;
        Ok(Looked::More)
    }

    /// Where to begin in a lane.
    fn mark_of(&self, lane: &str) -> Option<Due> {
        let now = self.elapsed();
        let mut marks = self.marks();
        marks.retain(|_, mark| now.saturating_sub(mark.made) < ANEW);
        marks.get(lane).map(|mark| mark.last)
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<String, Mark>> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear_marks(&self) {
        let mut marks = self.marks();
        self.0.marks_cleared.fetch_add(1, Ordering::AcqRel);
        marks.clear();
    }

    fn clear_mark(&self, lane: &str) {
        let mut marks = self.marks();
        self.0.marks_cleared.fetch_add(1, Ordering::AcqRel);
        marks.remove(lane);
    }

    /// Something has changed that may let mail go which was found to wait.
    pub(super) fn look_from_the_beginning(&self) {
        self.clear_marks();
        self.0.wake.notify_one();
    }

    /// The lane of the present home.
    pub(super) fn lane_of(&self, address: &Mailbox) -> String {
        let now = self.0.parts.clock.now();
        self.0.parts.router.route(address, now).lane
    }

    /// Loads recipients of one message.
    fn load(&self, id: SpoolId, due: &[Due]) -> Result<Dispatched, SpoolError> {
        let spool = &self.0.parts.spool;
        let mut recipients = Vec::with_capacity(due.len());
        for entry in due {
            if self.state().is_busy(id, entry.recipient) {
                continue;
            }
            let state = spool.state(id, entry.recipient)?;
            if let Some(was) = state.as_ref().and_then(Waited::of) {
                recipients.push((entry.recipient, was));
            }
        }
        if recipients.is_empty() {
            return Ok(Dispatched::default());
        }
        match spool.message(id) {
            Ok(Some(message)) => {
                let from = (Source::Backlog, None);
                Ok(self.dispatch(id, &message.envelope, from, &recipients))
            }
            Ok(None) => Ok(Dispatched::default()),
            Err(error @ (SpoolError::Index(_) | SpoolError::Closed)) => Err(error),
            // It stays where it is, and those behind it do not wait for it.
            Err(error) => {
                tracing::error!(%id, %error, "waiting mail cannot be read; see `spool verify`");
                Ok(Dispatched::default())
            }
        }
    }

    /// After a change of health: jobs of backends that take none go back, to be decided anew.
    fn return_held_jobs(&self) {
        for health in self.0.parts.router.board().snapshot() {
            if !health.takes_mail() {
                // Also when probes alone saw its trouble: it opens slowly.
                let target = DeliveryTarget::Backend(health.id);
                self.state().fail(&target);
            }
        }
        self.return_jobs(|target| {
            let DeliveryTarget::Backend(backend) = target else {
                return false;
            };
            let health = self.0.parts.router.board().health(backend);
            health.is_some_and(|health| !health.takes_mail())
        });
    }

    /// Jobs of the next hops that `is_meant` names go back to the index, unless under way.
    pub(super) fn return_jobs(&self, is_meant: impl Fn(&DeliveryTarget) -> bool) {
        let mut state = self.state();
        for target in state.names().into_iter().filter(is_meant) {
            for job in state.drain(&target) {
                state.release(&job);
            }
        }
    }

    /// Does everybody wait in the lane of the present home now?
    pub(super) async fn reroute_all(&self) -> bool {
        let mut all = true;
        for lane in self.0.parts.spool.lanes().into_keys() {
            let mut last = None;
            loop {
                let Ok(page) = self.0.parts.spool.due(&lane, last, PAGE) else {
                    all = false;
                    break;
                };
                if self.stopping() {
                    return false;
                }
                if page.is_empty() {
                    break;
                }
                last = page.last().copied();
                // A page of them at once, for one sync of the log.
                let done = join_all(page.into_iter().map(|due| self.reroute_waiting(due))).await;
                all &= done.into_iter().all(|done| done);
                tokio::task::yield_now().await;
            }
        }
        all
    }

    /// Does it wait in the lane of its present home now, or nowhere?
    async fn reroute_waiting(&self, due: Due) -> bool {
        let message = match self.0.parts.spool.message(due.id) {
            Ok(Some(message)) => message,
            Ok(None) => return true,
            Err(error) => {
                tracing::error!(id = %due.id, %error, "a recipient keeps its old lane");
                return false;
            }
        };
        let recipients = &message.envelope.recipients;
        let Some(recipient) = recipients.get(usize::from(due.recipient)) else {
            return true;
        };
        let old = message.states.get(usize::from(due.recipient));
        let new = self.lane_of(&recipient.address);
        match old {
            Some(RecipientState::Queued { lane, .. }) if *lane != new => {}
            _ => return true,
        }
        // Nobody tries it meanwhile (I4). What is under way follows when it is deferred.
        let mut hands = Hands::new(self, due.id);
        if hands.take(&[due.recipient], Duration::ZERO).await > 0 {
            return false;
        }
        self.reroute_one(due.id, due.recipient, &message.envelope)
            .await
    }

    /// Moves a recipient to the lane of its present home, if it waits in another one. `false`: it
    /// could not be written down.
    pub(super) async fn reroute_one(&self, id: SpoolId, number: u16, envelope: &Envelope) -> bool {
        let spool = &self.0.parts.spool;
        let Some(recipient) = envelope.recipients.get(usize::from(number)) else {
            return true;
        };
        let new = self.lane_of(&recipient.address);
        let moved = match spool.state(id, number) {
            Ok(Some(RecipientState::Queued { lane, .. })) if lane != new => {
                let event = RecipientEvent::Rerouted { lane: new.clone() };
                let moved = spool.record(id, vec![number], event).await;
                self.clear_mark(&new);
                moved
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = &moved {
            tracing::error!(%id, number, %error, "a recipient keeps its old lane");
        }
        moved.is_ok()
    }

    /// Wakes the loader when a next hop's row gets short and there is more.
    pub(super) fn refill(&self, target: &DeliveryTarget) {
        if self.state().wants_more(target) {
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
