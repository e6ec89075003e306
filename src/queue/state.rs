//! What is in memory: per next hop a bounded row of jobs and the connections that work on it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::TargetLimits;
use super::claims::{Claim, Claims};
use super::replay::Ticket;
use super::row::Row;
use super::window::Window;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BackendId, DeliveryTarget, Envelope, RecipientState, SpoolId};
use crate::route::HoldBook;
use crate::smtp::Mailbox;
use crate::spool::BodyPlace;

/// One message for some recipients of one next hop.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: SpoolId,
    /// By which it owns its recipients; given when it goes into a row.
    pub(super) ticket: u64,
    /// Where it comes from.
    pub(super) source: Source,
    pub(super) envelope: Arc<Envelope>,
    /// The body, when more is known of it than the message's id.
    pub(super) body: Option<Content>,
    pub(super) recipients: Vec<JobRecipient>,
    /// The next hop and those behind it, for when it cannot be reached.
    pub(super) targets: VecDeque<DeliveryTarget>,
    /// What operators had said when the route was decided.
    pub(super) holds: Arc<HoldBook>,
    /// The replay that brings it, if one does.
    pub(super) replay: Option<Arc<Ticket>>,
}

/// What is known of a body.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// It came with the message.
    Here(Bytes),
    /// Where the log has it.
    InLog(BodyPlace),
}

/// Where a job comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Straight from the commit.
    Fresh,
    /// From the index.
    Backlog,
    /// From a replay.
    Replay,
}

impl Job {
    /// The numbers of its recipients.
    pub(super) fn numbers(&self) -> Vec<u16> {
        self.recipients.iter().map(|r| r.number).collect()
    }
}

/// One recipient of a job.
#[derive(Debug, Clone)]
pub(super) struct JobRecipient {
    /// Its number in the envelope.
    pub(super) number: u16,
    /// The address to say in RCPT.
    pub(super) address: Mailbox,
    /// What its state said when it was loaded.
    pub(super) was: Waited,
    /// Its home, when failover gives its mail to another backend.
    pub(super) diverted_from: Option<BackendId>,
}

/// What the state of a recipient says that an attempt wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waited {
    /// Attempts that counted.
    pub(super) attempts: u32,
    /// Milliseconds on hold.
    pub(super) on_hold: u64,
    /// When it was released past the rules of that time.
    pub(super) exempt: Option<Timestamp>,
}

impl Waited {
    /// That of a recipient that is queued.
    pub(super) const fn of(state: &RecipientState) -> Option<Self> {
        match state {
            RecipientState::Queued {
                attempts,
                on_hold,
                exempt,
                ..
            } => Some(Self {
                attempts: *attempts,
                on_hold: *on_hold,
                exempt: *exempt,
            }),
            RecipientState::Held { .. }
            | RecipientState::Delivered { .. }
            | RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => None,
        }
    }
}

/// Everything that is loaded.
#[derive(Debug, Default)]
pub(super) struct State {
    targets: HashMap<DeliveryTarget, Target>,
    /// Windows of backends, also while they have no mail: what was learned stays.
    windows: HashMap<BackendId, Window>,
    /// Recipients that are loaded, under way or in an operator's hands: nobody loads them twice
    /// (I4).
    busy: Claims,
    /// Next hops in memory that are no backend.
    strangers: usize,
    /// The index has more for next hops that are not in memory.
    more_unseen: bool,
    /// When the loader looks again by itself.
    pub(super) planned: Timestamp,
}

/// A next hop.
#[derive(Debug)]
pub(super) struct Target {
    row: Row,
    workers: usize,
    idle: usize,
    /// Connections that it may have now.
    window: Window,
    /// The index has more for it than what is loaded.
    more: bool,
    /// Jobs up to this ticket were made before something changed, and are to be decided anew.
    recalled: u64,
    wake: Arc<Notify>,
}

/// What the caller of [`State::push`] has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Nothing: a worker gets to it.
    Queued,
    /// Start a worker for the target.
    StartWorker,
}

impl State {
    /// Is this recipient loaded or under way?
    pub(super) fn is_busy(&self, id: SpoolId, number: u16) -> bool {
        self.busy.contains(id, number)
    }

    /// Recipients loaded or under way.
    pub(super) fn busy(&self) -> usize {
        self.busy.len()
    }

    /// Has this next hop room for more jobs? If not, [`Self::wants_more`] tells when it has again.
    /// Fresh mail and backlog have rows of their own: a long backlog keeps nothing fresh out.
    pub(super) fn has_room(&mut self, name: &DeliveryTarget, source: Source) -> bool {
        if let Some(target) = self.targets.get_mut(name) {
            let has_room = target.row.recipients(source) < limits::READY_WINDOW;
            target.more |= !has_room;
            return has_room;
        }
        let has_room = is_backend(name) || self.strangers < limits::STRANGERS;
        self.more_unseen |= !has_room;
        has_room
    }

    /// Has a row become so short that more should be loaded for it? Tells it once.
    pub(super) fn wants_more(&mut self, name: &DeliveryTarget) -> bool {
        let few_strangers = self.strangers <= limits::STRANGERS / 2;
        let wanted = self.more_unseen && few_strangers;
        self.more_unseen &= !wanted;
        let Some(target) = self.targets.get_mut(name) else {
            return wanted;
        };
        let low = target.more && target.row.recipients(Source::Backlog) < limits::READY_WINDOW / 2;
        target.more &= !low;
        wanted || low
    }

    /// Puts a job at the end of its next hop's row; its recipients are busy from now on.
    pub(super) fn push(&mut self, mut job: Job, limits: TargetLimits) -> Option<Pushed> {
        let name = job.targets.front()?.clone();
        self.busy.enter_row(&mut job);
        let (strangers, windows) = (&mut self.strangers, &mut self.windows);
        let target = self
            .targets
            .entry(name.clone())
            .or_insert_with_key(|name| Target {
                row: Row::default(),
                workers: 0,
                idle: 0,
                window: match name {
                    DeliveryTarget::Backend(backend) => windows.remove(backend),
                    DeliveryTarget::Domain(_)
                    | DeliveryTarget::Lenient(_)
                    | DeliveryTarget::Relay(_) => {
                        *strangers += 1;
                        None
                    }
                }
                .unwrap_or(Window::new()),
                more: false,
                recalled: 0,
                wake: Arc::default(),
            });
        target.window.configure(&limits);
        target.row.push(job);
        if target.idle > 0 {
            target.wake.notify_one();
            return Some(Pushed::Queued);
        }
        Some(if self.adds_worker(&name) {
            Pushed::StartWorker
        } else {
            Pushed::Queued
        })
    }

    /// Counts one more worker, if there may be one.
    fn adds_worker(&mut self, name: &DeliveryTarget) -> bool {
        let allowed = self.allowed(name);
        let Some(target) = self.targets.get_mut(name) else {
            return false;
        };
        let adds = target.workers < allowed;
        target.workers += usize::from(adds);
        // One that waits has to see that it is one too many now.
        if adds
            && let Some(twin) = twin(name).and_then(|it| self.targets.get(&it))
            && twin.idle > 0
        {
            twin.wake.notify_one();
        }
        adds
    }

    /// Connections that a next hop may have now. Both ways to the hosts of a domain share their
    /// number: each has one at least, which the other one gives up for it.
    fn allowed(&self, name: &DeliveryTarget) -> usize {
        let Some(target) = self.targets.get(name) else {
            return 0;
        };
        let twin = twin(name).and_then(|it| self.targets.get(&it));
        let taken = twin.map_or(0, |it| it.workers);
        let left = target.window.limit().saturating_sub(taken).max(1);
        target.window.size().min(left)
    }

    /// The next job of a next hop.
    pub(super) fn pop(&mut self, name: &DeliveryTarget) -> Option<Job> {
        let target = self.targets.get_mut(name)?;
        loop {
            let job = target.row.pop()?;
            // A verb may have taken all its recipients.
            if let Some(job) = self.busy.leave_row(job) {
                return Some(job);
            }
        }
    }

    /// Takes all waiting jobs of a next hop; their recipients stay busy.
    pub(super) fn drain(&mut self, name: &DeliveryTarget) -> Vec<Job> {
        let Some(target) = self.targets.get_mut(name) else {
            return Vec::new();
        };
        let busy = &mut self.busy;
        let jobs = target.row.drain().into_iter();
        jobs.filter_map(|job| busy.leave_row(job)).collect()
    }

    /// The same, because their routes may be others now. Workers ask [`Self::is_recalled`] before
    /// they send what they have in their hands.
    pub(super) fn recall(&mut self, name: &DeliveryTarget) -> Vec<Job> {
        let last = self.busy.last_ticket();
        if let Some(target) = self.targets.get_mut(name) {
            target.recalled = last;
        }
        self.drain(name)
    }

    /// Was this job made before its next hop's jobs were recalled?
    pub(super) fn is_recalled(&self, name: &DeliveryTarget, job: &Job) -> bool {
        let target = self.targets.get(name);
        target.is_some_and(|target| job.ticket <= target.recalled)
    }

    /// The recipients of a job are free again.
    pub(super) fn release(&mut self, job: &Job) {
        for recipient in &job.recipients {
            self.free(job, recipient.number);
        }
    }

    /// A recipient of a job that is under way is free again.
    pub(super) fn free(&mut self, job: &Job, number: u16) {
        self.busy.free(job, number);
    }

    /// An operator's verb asks for a recipient.
    pub(super) fn claim(&mut self, id: SpoolId, number: u16) -> Claim {
        self.busy.claim(id, number)
    }

    /// An operator's verb is done with a recipient.
    pub(super) fn give_back(&mut self, id: SpoolId, number: u16) {
        self.busy.give_back(id, number);
    }

    /// A worker waits; returns what wakes it.
    pub(super) fn idle(&mut self, name: &DeliveryTarget) -> Option<Arc<Notify>> {
        let target = self.targets.get_mut(name)?;
        target.idle += 1;
        Some(Arc::clone(&target.wake))
    }

    /// A worker waits no more.
    pub(super) fn busy_again(&mut self, name: &DeliveryTarget) {
        if let Some(target) = self.targets.get_mut(name) {
            target.idle = target.idle.saturating_sub(1);
        }
    }

    /// A delivery went well, and the window may grow. Returns whether another worker should start.
    pub(super) fn succeed(&mut self, name: &DeliveryTarget, now: Duration) -> bool {
        let Some(target) = self.targets.get_mut(name) else {
            return false;
        };
        target.window.succeed(now);
        let is_wanted = target.idle == 0 && !target.row.is_empty();
        is_wanted && self.adds_worker(name)
    }

    /// The next hop has trouble.
    pub(super) fn fail(&mut self, name: &DeliveryTarget) {
        if let Some(window) = self.window(name) {
            window.fail();
        }
    }

    /// The next hop asks for less.
    pub(super) fn slow_down(&mut self, name: &DeliveryTarget) {
        if let Some(window) = self.window(name) {
            window.slow_down();
        }
    }

    fn window(&mut self, name: &DeliveryTarget) -> Option<&mut Window> {
        if let Some(target) = self.targets.get_mut(name) {
            return Some(&mut target.window);
        }
        match name {
            DeliveryTarget::Backend(backend) => {
                let window = self.windows.entry(backend.clone());
                Some(window.or_insert_with(Window::new))
            }
            DeliveryTarget::Domain(_) | DeliveryTarget::Lenient(_) | DeliveryTarget::Relay(_) => {
                None
            }
        }
    }

    /// Connections that a backend may have now, and those that are open.
    pub(super) fn connections(&self, backend: &BackendId) -> (Option<usize>, usize) {
        let name = DeliveryTarget::Backend(backend.clone());
        let target = self.targets.get(&name);
        let window = target.map(|target| &target.window);
        let window = window.or_else(|| self.windows.get(backend));
        (
            window.map(Window::size),
            target.map_or(0, |target| target.workers),
        )
    }

    /// May this worker go on, or are there more than allowed?
    pub(super) fn is_surplus(&self, name: &DeliveryTarget) -> bool {
        let target = self.targets.get(name);
        target.is_none_or(|target| target.workers > self.allowed(name))
    }

    /// A worker has ended; a next hop without jobs and workers is forgotten. Returns whether
    /// another worker must take its place.
    pub(super) fn end_worker(&mut self, name: &DeliveryTarget) -> bool {
        let Some(target) = self.targets.get_mut(name) else {
            return false;
        };
        target.workers = target.workers.saturating_sub(1);
        if target.workers > 0 {
            return false;
        }
        if target.row.is_empty() {
            self.more_unseen |= target.more;
            let window = self.targets.remove(name).map(|target| target.window);
            match (name, window) {
                (DeliveryTarget::Backend(backend), Some(window)) => {
                    self.windows.insert(backend.clone(), window);
                }
                _ => self.strangers = self.strangers.saturating_sub(1),
            }
            return false;
        }
        target.workers = 1;
        true
    }

    /// Next hops that are in memory, in their order: a seed of the simulation repeats a run.
    pub(super) fn names(&self) -> Vec<DeliveryTarget> {
        let mut names: Vec<_> = self.targets.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

/// The other way to the same hosts.
fn twin(name: &DeliveryTarget) -> Option<DeliveryTarget> {
    match name {
        DeliveryTarget::Domain(domain) => Some(DeliveryTarget::Lenient(domain.clone())),
        DeliveryTarget::Lenient(domain) => Some(DeliveryTarget::Domain(domain.clone())),
        DeliveryTarget::Backend(_) | DeliveryTarget::Relay(_) => None,
    }
}

const fn is_backend(name: &DeliveryTarget) -> bool {
    matches!(name, DeliveryTarget::Backend(_))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
