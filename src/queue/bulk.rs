//! What operators do to mail that waits: release, retry, drop; page by page, so that sets of any
//! size take little memory, and can be interrupted and gone on with.
//!
//! A recipient is claimed before anything happens to it: nobody attempts it meanwhile, and what is
//! under way is settled first (I4). The events are durable before the claim ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Queue;
use super::claims::Claim;
use crate::base::Timestamp;
use crate::mail::{Envelope, RecipientEvent, RecipientState, SpoolId};
use crate::route::{Candidate, Selection};
use crate::spool::SpoolError;

/// Messages that are looked at in one page.
const PAGE: usize = 200;
/// Wait for attempts that are under way. Beyond: they are counted, and left as they are.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Nobody waits for an attempt to order one.
const fn patience(deed: Deed) -> Duration {
    match deed {
        Deed::Release | Deed::Drop => PATIENCE,
        Deed::Retry => Duration::ZERO,
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    /// Held recipients are queued again, due now.
    Release,
    /// Queued recipients are due now, at their present home.
    Retry,
    /// Unfinished recipients are taken out for good; nobody is told.
    Drop,
}

/// What is done, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What.
    pub deed: Deed,
    /// By whom.
    pub actor: String,
    /// Why, for people; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// What came of an order, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Recipients to whom it was done.
    pub recipients: u64,
    /// Their messages.
    pub messages: u64,
    /// Recipients that are meant, but an attempt is under way that did not end in time.
    pub under_way: u64,
    /// Messages that were looked at.
    pub seen: u64,
    /// There is more behind this message; `None` at the end.
    pub next: Option<SpoolId>,
}

impl Tally {
    /// Adds a later part.
    pub fn add(&mut self, later: Self) {
        self.recipients += later.recipients;
        self.messages += later.messages;
        self.under_way += later.under_way;
        self.seen += later.seen;
        self.next = later.next;
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Behind this message, or at the oldest one.
    Behind(Option<SpoolId>),
    /// This message, and nothing else.
    At(SpoolId),
}

/// Says which recipients are meant.
pub type Pick = Arc<dyn Fn(&Candidate<'_>) -> bool + Send + Sync>;

impl Queue {
    /// Releases all held recipients of a selection.
    ///
    /// # Errors
    /// When the spool fails; what was released before stays released.
    pub async fn release(
        &self,
        selection: Selection,
        actor: &str,
        reason: &str,
    ) -> Result<Tally, SpoolError> {
        let order = Order {
            deed: Deed::Release,
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        };
        let pick: Pick = Arc::new(move |one| selection.matches(one));
        self.perform(&order, &pick).await
    }

    /// Does what is ordered to all recipients that `pick` names.
    ///
    /// # Errors
    /// When the spool fails; what was done before stays done.
    pub async fn perform(&self, order: &Order, pick: &Pick) -> Result<Tally, SpoolError> {
        let mut tally = Tally::default();
        loop {
            let place = Place::Behind(tally.next);
            tally.add(self.perform_page(order, pick, place).await?);
            if tally.next.is_none() {
                return Ok(tally);
            }
        }
    }

    /// Does it to the recipients of one message, or of the next ones. A page that has begun is
    /// brought to its end, also when nobody waits for the answer any more.
    ///
    /// # Errors
    /// When the spool fails.
    pub async fn perform_page(
        &self,
        order: &Order,
        pick: &Pick,
        place: Place,
    ) -> Result<Tally, SpoolError> {
        let (done, told) = oneshot::channel();
        let (queue, order, pick) = (self.clone(), order.clone(), Arc::clone(pick));
        self.0.parts.shutdown.spawn("operator", async move {
            let tally = queue.page(&order, &pick, place).await;
            // Nobody listens when the operator went away.
            done.send(tally).ok();
        });
        told.await.unwrap_or(Err(SpoolError::Closed))
    }

    async fn page(&self, order: &Order, pick: &Pick, place: Place) -> Result<Tally, SpoolError> {
        let spool = &self.0.parts.spool;
        let (ids, next) = match (place, order.deed) {
            (Place::At(id), _) => (vec![id], None),
            (Place::Behind(after), Deed::Release) => with_next(spool.held(after, PAGE)?),
            (Place::Behind(after), Deed::Retry | Deed::Drop) => {
                with_next(spool.unfinished(after, PAGE)?)
            }
        };
        let mut tally = Tally {
            seen: ids.len() as u64,
            next,
            ..Tally::default()
        };
        // All of them at once, for one sync of the log.
        let works = ids.into_iter().map(|id| self.perform_one(order, pick, id));
        for work in join_all(works).await {
            let (done, under_way) = work?;
            tally.recipients += done;
            tally.messages += u64::from(done > 0);
            tally.under_way += under_way;
        }
        self.look_from_the_beginning();
        Ok(tally)
    }

    /// Returns to how many recipients of one message it was done, and how many are under way.
    async fn perform_one(
        &self,
        order: &Order,
        pick: &Pick,
        id: SpoolId,
    ) -> Result<(u64, u64), SpoolError> {
        // The disk is read in this thread: the others want it too.
        tokio::task::yield_now().await;
        let message = match self.0.parts.spool.message(id) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok((0, 0)),
            Err(error @ (SpoolError::Index(_) | SpoolError::Closed)) => return Err(error),
            // One that cannot be read keeps nobody from the others.
            Err(error) => {
                tracing::error!(%id, %error, "waiting mail cannot be read; see `spool verify`");
                return Ok((0, 0));
            }
        };
        let envelope = &message.envelope;
        let meant = |number: u16, state: &RecipientState| {
            let recipient = envelope.recipients.get(usize::from(number));
            recipient.is_some_and(|recipient| {
                suits(order.deed, state)
                    && pick(&Candidate {
                        id,
                        number,
                        from: &envelope.from,
                        recipient,
                        state,
                    })
            })
        };
        let states = (0_u16..).zip(&message.states);
        let wanted = states.filter(|(number, state)| meant(*number, state));
        let wanted: Vec<u16> = wanted.map(|(number, _)| number).collect();
        if wanted.is_empty() {
            return Ok((0, 0));
        }
        let mut hands = Hands::new(self, id);
        let under_way = hands.take(&wanted, patience(order.deed)).await;
        let mut done = Vec::with_capacity(hands.numbers.len());
        for &number in &hands.numbers {
            // It may have changed before it was in our hands.
            if let Some(state) = self.0.parts.spool.state(id, number)?
                && meant(number, &state)
            {
                done.push((number, state));
            }
        }
        self.write_order(order, id, envelope, &done).await?;
        Ok((done.len() as u64, under_way))
    }

    /// Writes down what an operator did, equal events in one record.
    async fn write_order(
        &self,
        order: &Order,
        id: SpoolId,
        envelope: &Envelope,
        done: &[(u16, RecipientState)],
    ) -> Result<(), SpoolError> {
        if done.is_empty() {
            return Ok(());
        }
        let spool = &self.0.parts.spool;
        let now = self.0.parts.clock.now();
        let no_news = |state| order.deed == Deed::Retry && is_due(state, now);
        let changed = done.iter().filter(|(_, state)| !no_news(state));
        let numbers: Vec<u16> = changed.map(|(number, _)| *number).collect();
        if order.deed == Deed::Drop {
            let (actor, reason) = (&order.actor, &order.reason);
            tracing::warn!(%id, ?numbers, %actor, %reason, "dropped");
        }
        let mut written = Vec::new();
        if !numbers.is_empty() {
            let event = event(order, now);
            written.push(spool.begin_record(id, numbers, event).await?);
        }
        if order.deed != Deed::Drop {
            for (lane, numbers) in self.new_lanes(envelope, done) {
                let event = RecipientEvent::Rerouted { lane };
                written.push(spool.begin_record(id, numbers, event).await?);
            }
        }
        for written in written {
            written.wait().await?;
        }
        Ok(())
    }

    /// Recipients who wait in another lane than that of their present home.
    fn new_lanes(
        &self,
        envelope: &Envelope,
        done: &[(u16, RecipientState)],
    ) -> BTreeMap<String, Vec<u16>> {
        let mut lanes: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for (number, state) in done {
            let recipient = envelope.recipients.get(usize::from(*number));
            let (Some(recipient), Some(lane)) = (recipient, lane_of(state)) else {
                continue;
            };
            let new = self.lane_of(&recipient.address);
            if new != *lane {
                lanes.entry(new).or_default().push(*number);
            }
        }
        lanes
    }
}

/// A page, and the message behind which the next one begins.
fn with_next(ids: Vec<SpoolId>) -> (Vec<SpoolId>, Option<SpoolId>) {
    let next = ids.last().copied();
    (ids, next)
}

/// Can it be done to a recipient in this state?
const fn suits(deed: Deed, state: &RecipientState) -> bool {
    match (deed, state) {
        (Deed::Release | Deed::Drop, RecipientState::Held { .. })
        | (Deed::Retry | Deed::Drop, RecipientState::Queued { .. }) => true,
        (Deed::Release, RecipientState::Queued { .. })
        | (Deed::Retry, RecipientState::Held { .. })
        | (
            _,
            RecipientState::Delivered { .. }
            | RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. },
        ) => false,
    }
}

/// Waits for an attempt that may be made already: to order it would change nothing.
fn is_due(state: &RecipientState, now: Timestamp) -> bool {
    matches!(state, RecipientState::Queued { due, .. } if *due <= now)
}

fn event(order: &Order, now: Timestamp) -> RecipientEvent {
    let (actor, reason) = (order.actor.clone(), order.reason.clone());
    match order.deed {
        Deed::Release | Deed::Retry => RecipientEvent::Released {
            actor,
            due: now,
            reason,
        },
        Deed::Drop => RecipientEvent::Dropped { actor, reason },
    }
}

const fn lane_of(state: &RecipientState) -> Option<&String> {
    match state {
        RecipientState::Queued { lane, .. } | RecipientState::Held { lane, .. } => Some(lane),
        RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. } => None,
    }
}

/// Recipients of one message that are claimed; freed when this goes.
pub(super) struct Hands<'a> {
    queue: &'a Queue,
    id: SpoolId,
    numbers: Vec<u16>,
}

impl<'a> Hands<'a> {
    pub(super) const fn new(queue: &'a Queue, id: SpoolId) -> Self {
        Self {
            queue,
            id,
            numbers: Vec::new(),
        }
    }

    /// Whom it has.
    pub(super) fn numbers(&self) -> &[u16] {
        &self.numbers
    }

    /// Claims recipients, waiting a while for those under way; returns how many stay under way.
    pub(super) async fn take(&mut self, wanted: &[u16], patience: Duration) -> u64 {
        let mut left = wanted.to_vec();
        let wait = tokio::time::sleep(patience);
        tokio::pin!(wait);
        loop {
            // Before the look, or what is freed in between would be missed.
            let freed = self.queue.0.freed.notified();
            left.retain(|&number| {
                let claim = self.queue.state().claim(self.id, number);
                if claim == Claim::Ours {
                    self.numbers.push(number);
                }
                claim == Claim::UnderWay
            });
            if left.is_empty() {
                return 0;
            }
            tokio::select! {
                () = freed => {}
                () = &mut wait => return left.len() as u64,
                () = self.queue.0.parts.shutdown.stopping() => return left.len() as u64,
            }
        }
    }
}

impl Drop for Hands<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        for number in &self.numbers {
            state.give_back(self.id, *number);
        }
        drop(state);
        self.queue.0.freed.notify_waiters();
    }
}
