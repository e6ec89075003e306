//! The backlog: from the index into the rows of the next hops, lane by lane.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::damaged::Unreadable;
use super::hands::Hands;
use super::marks::{Look, Marks};
use super::state::{Content, Source, Waited};
use super::{Queue, schedule};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{DeliveryTarget, Envelope, RecipientEvent, RecipientState, SpoolId};
use crate::smtp::Mailbox;
use crate::spool::{Due, Spool, SpoolError};

/// The loader looks at all lanes at least this often.
const ROUND: Duration = Duration::from_secs(30);
/// Recipients read from index and log at once.
const PAGE: usize = 100;
/// Pages of one lane in one look. Beyond: the other lanes first.
const PAGES: usize = 50;

/// After everything.
const LATER: Timestamp = Timestamp::from_millis(u64::MAX);

/// How a look at a lane ended.
pub(super) enum Looked {
    /// Everything that is due is loaded; the next one is due then.
    Until(Option<Timestamp>),
    /// There is more.
    More,
    /// Its next hop has no room, or all of it has to wait.
    Blocked,
}

/// One message of the backlog.
struct Mail {
    id: SpoolId,
    envelope: Arc<Envelope>,
    body: Option<Content>,
    recipients: Vec<(u16, Waited)>,
    /// The place of the last one in its lane.
    last: Due,
}

/// What was found when a message was read.
enum Read {
    /// It can be tried.
    Mail(Mail),
    /// Its envelope cannot be read any more.
    Damaged(Unreadable),
}

/// A piece of a lane.
struct Page {
    mails: Vec<Mail>,
    unreadable: Vec<Unreadable>,
    /// The last one that is due.
    last: Option<Due>,
    /// When the first one is due that is not yet.
    later: Option<Timestamp>,
    is_last: bool,
    /// Somebody who is due is in the hands of a worker.
    busy: bool,
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
            let trial = self.try_rejecting().await.unwrap_or(LATER);
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
                    self.marks().clear();
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
            return self.look_for_groups(lane).await;
        }
        let mut look = self.marks().begin(lane, self.elapsed());
        let looked = self.load_until(lane, &mut look, now).await?;
        self.marks().end(lane, &look, self.elapsed());
        if let Looked::Until(Some(_)) = looked {
            let mut stranded = Look::behind(Due {
                due: now.after(schedule::LONGEST),
                id: SpoolId::from_u64(u64::MAX),
                recipient: u16::MAX,
            });
            self.load_until(lane, &mut stranded, LATER).await?;
        }
        Ok(looked)
    }

    /// Loads who is due until then, behind the last one of a look. The mark goes on over pages in
    /// which somebody has to wait, and when there is more than one look takes or there is room for.
    pub(super) async fn load_until(
        &self,
        lane: &str,
        look: &mut Look,
        until: Timestamp,
    ) -> Result<Looked, SpoolError> {
        for _ in 0..PAGES {
            let (queue, name, last) = (self.clone(), lane.to_owned(), look.last);
            let read = move |spool: &Spool| queue.read_page(spool, (&name, last), until);
            let page = self.0.parts.spool.beside(read).await?;
            if page.is_last {
                return Ok(Looked::Until(None));
            }
            look.busy |= page.busy;
            for message in page.unreadable {
                self.hold_unreadable(message).await?;
            }
            let mut kept = Vec::new();
            let mut full = false;
            for mail in page.mails {
                let source = (Source::Backlog, mail.body);
                let result = self.dispatch(mail.id, &mail.envelope, source, &mail.recipients);
                look.waits |= result.held;
                kept.push((mail.id, result.kept));
                self.expand_all(mail.id, &mail.envelope, result.groups)
                    .await;
                full = result.full;
                if full {
                    break;
                }
                look.last = Some(mail.last);
            }
            self.keep(kept).await;
            if full {
                look.mark = look.last;
                return Ok(Looked::Blocked);
            }
            look.last = page.last.or(look.last);
            if look.waits {
                look.mark = look.last;
            }
            if let Some(first) = page.later {
                return Ok(Looked::Until(Some(first)));
            }
            // The others want the thread too.
            tokio::task::yield_now().await;
        }
        look.mark = look.last;
        Ok(Looked::More)
    }

    /// Reads a page of a lane: who is due in it, and what is needed for an attempt.
    fn read_page(
        &self,
        spool: &Spool,
        (lane, last): (&str, Option<Due>),
        until: Timestamp,
    ) -> Result<Page, SpoolError> {
        let page = spool.due(lane, last, PAGE)?;
        let due = page.iter().position(|entry| entry.due > until);
        let (ready, later) = page.split_at(due.unwrap_or(page.len()));
        let busy = {
            let state = self.state();
            let mut due = ready.iter();
            due.any(|due| state.is_busy(due.id, due.recipient))
        };
        let (mut mails, mut unreadable) = (Vec::new(), Vec::new());
        for message in ready.chunk_by(|a, b| a.id == b.id) {
            let Some(last) = message.last() else { continue };
            match self.read_mail(spool, message, *last)? {
                Some(Read::Mail(mail)) => mails.push(mail),
                Some(Read::Damaged(message)) => unreadable.push(message),
                None => {}
            }
        }
        Ok(Page {
            mails,
            unreadable,
            last: ready.last().copied(),
            later: later.first().map(|entry| entry.due),
            is_last: page.is_empty(),
            busy,
        })
    }

    /// Reads one message; `None` when nobody of it is to be loaded.
    fn read_mail(&self, spool: &Spool, due: &[Due], last: Due) -> Result<Option<Read>, SpoolError> {
        let id = last.id;
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
            return Ok(None);
        }
        match spool.for_attempt(id) {
            Ok(found) => Ok(found.map(|found| {
                Read::Mail(Mail {
                    id,
                    envelope: found.envelope,
                    body: found.body.map(Content::InLog),
                    recipients,
                    last,
                })
            })),
            Err(error @ (SpoolError::Index(_) | SpoolError::Closed)) => Err(error),
            Err(error) if error.is_damage() => Ok(Some(Read::Damaged(Unreadable {
                id,
                recipients: due.iter().map(|entry| entry.recipient).collect(),
                what: error.to_string(),
            }))),
            // It stays where it is, and those behind it do not wait for it.
            Err(error) => {
                tracing::error!(%id, %error, "waiting mail cannot be read; see `spool verify`");
                Ok(None)
            }
        }
    }

    pub(super) fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has changed that may let mail go which was found to wait.
    pub(super) fn look_from_the_beginning(&self) {
        self.marks().clear();
        self.0.wake.notify_one();
    }

    /// The lane of the present home.
    pub(super) fn lane_of(&self, address: &Mailbox) -> String {
        let now = self.0.parts.clock.now();
        self.0.parts.router.route(address, now).lane
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
            for job in state.recall(&target) {
                state.release(&job);
            }
        }
        drop(state);
        // They are before the marks now.
        self.marks().clear();
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
            // It is held as soon as somebody tries it.
            Err(error) if error.is_damage() => return true,
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
            Ok(Some(state)) if is_in_another(&state, &new) => {
                let event = RecipientEvent::Rerouted { lane: new.clone() };
                let mut moved = spool.record(id, vec![number], event).await;
                if let (Ok(()), Some(event)) = (&moved, self.due_elsewhere(&state)) {
                    moved = spool.record(id, vec![number], event).await;
                    self.0.wake.notify_one();
                }
                self.marks().clear_lane(&new);
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

fn is_in_another(state: &RecipientState, present: &str) -> bool {
    matches!(state, RecipientState::Queued { lane, .. } if lane != present)
}

const _: () = assert!(PAGE <= limits::READY_WINDOW, "a page fits into a window");
