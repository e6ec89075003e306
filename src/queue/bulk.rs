//! What operators do to mail that waits: release, retry, drop; page by page, so that sets of any
//! size take little memory, and can be interrupted and gone on with.
//!
//! A recipient is claimed before anything happens to it: nobody attempts it meanwhile, and what is
//! under way is settled first (I4). The events are durable before the claim ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Queue;
use super::hands::Hands;
use super::tally::Tally;
use crate::base::Timestamp;
use crate::mail::{Envelope, HoldReason, RecipientEvent, RecipientState, SpoolId};
use crate::route::{Candidate, Selection};
use crate::spool::{SpoolError, StoredMessage};

/// Messages that are looked at in one page.
const PAGE: usize = 200;
/// Wait for attempts that are under way. Beyond: they are counted, and left as they are.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Nobody waits for an attempt to order one.
const fn patience(deed: Deed) -> Duration {
    match deed {
        Deed::Hold | Deed::Release | Deed::Resume | Deed::Drop => PATIENCE,
        Deed::Retry => Duration::ZERO,
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    /// Queued recipients that a rule or a move names are held now, not only when their time comes.
    Hold,
    /// Held recipients are queued again, due now. The rule that held them lets them pass; a move
    /// does not.
    Release,
    /// Recipients whose rule or move has ended are queued again; others may hold them now.
    Resume,
    /// Queued recipients are due now, at their present home.
    Retry,
    /// Unfinished recipients are taken out for good; nobody is told. It takes the role admin.
    Drop,
}

impl Deed {
    /// Can it be done to a recipient in this state?
    #[must_use]
    pub const fn suits(self, state: &RecipientState) -> bool {
        suits(self, state)
    }
}

/// What is done, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// What.
    pub deed: Deed,
    /// By whom.
    pub actor: String,
    /// Why, for people; may be empty.
    #[serde(default)]
    pub reason: String,
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
        // Who is dropped, held or tried anew leaves a turn that nobody else would have. Now, for
        // some are loaded again before the page is done; and then for those who were not yet.
        if order.deed != Deed::Hold {
            self.forget_turns();
        }
        let spool = &self.0.parts.spool;
        let (ids, next) = match (place, order.deed) {
            (Place::At(id), _) => (vec![id], None),
            (Place::Behind(after), Deed::Release | Deed::Resume) => {
                with_next(spool.held(after, PAGE)?)
            }
            (Place::Behind(after), Deed::Hold | Deed::Retry | Deed::Drop) => {
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
        let all = tally.count(join_all(works).await);
        // A sweep for those whom a rule names mostly finds nobody, and then disturbs nobody. Who
        // was released goes at once, also when it came to nothing for others.
        if tally.recipients > 0 || all.is_err() || order.deed != Deed::Hold {
            self.forget_turns();
            self.count_anew();
            self.look_from_the_beginning();
        }
        all.map(|()| tally)
    }

    /// A message to whose recipients something is to be done; `None`, with a line in the log, also
    /// when it cannot be read.
    pub(super) async fn message_for_order(
        &self,
        id: SpoolId,
    ) -> Result<Option<StoredMessage>, SpoolError> {
        // The disk is read in this thread: the others want it too.
        tokio::task::yield_now().await;
        match self.0.parts.spool.message(id) {
            Err(
                error @ (SpoolError::Index(_) | SpoolError::Closed | SpoolError::Rebuilding(_)),
            ) => Err(error),
            // One that cannot be read keeps nobody from the others.
            Err(error) => {
                tracing::error!(%id, %error, "waiting mail cannot be read; see `spool verify`");
                Ok(None)
            }
            found => found,
        }
    }

    /// Does it to recipients of one message.
    pub(super) async fn perform_one(
        &self,
        order: &Order,
        pick: &Pick,
        id: SpoolId,
    ) -> Result<Tally, SpoolError> {
        let Some(message) = self.message_for_order(id).await? else {
            return Ok(Tally::default());
        };
        let envelope = &message.envelope;
        let meant = |number: u16, state: &RecipientState| {
            let recipient = envelope.recipients.get(usize::from(number));
            recipient.is_some_and(|recipient| {
                pick(&Candidate {
                    id,
                    number,
                    from: &envelope.from,
                    recipient,
                    state,
                })
            })
        };
        let mut tally = Tally::default();
        let mut wanted = Vec::new();
        for (number, state) in (0_u16..).zip(&message.states) {
            let is_held = || self.held_event(id, envelope, number, state).is_some();
            if suits(order.deed, state) && meant(number, state) {
                if order.deed == Deed::Hold && !is_held() {
                    continue;
                }
                if order.deed == Deed::Retry && self.is_behind(id, envelope, number, state) {
                    tally.behind += 1;
                } else {
                    wanted.push(number);
                }
            } else if order.deed == Deed::Release && is_moving(state) {
                tally.moving += u64::from(meant(number, state));
            }
        }
        if wanted.is_empty() {
            return Ok(tally);
        }
        let mut hands = Hands::new(self, id);
        tally.under_way = hands.take(&wanted, patience(order.deed)).await;
        let mut done = Vec::with_capacity(hands.numbers().len());
        for &number in hands.numbers() {
            // It may have changed before it was in our hands.
            if let Some(state) = self.0.parts.spool.state(id, number)?
                && suits(order.deed, &state)
                && meant(number, &state)
            {
                done.push((number, state));
            }
        }
        (tally.recipients, tally.still_held) = self.write_order(order, id, envelope, &done).await?;
        Ok(tally)
    }

    /// Writes down what an operator did, equal events in one record; to how many he did it, and
    /// how many of those wait on for another hold.
    async fn write_order(
        &self,
        order: &Order,
        id: SpoolId,
        envelope: &Envelope,
        done: &[(u16, RecipientState)],
    ) -> Result<(u64, BTreeMap<String, u64>), SpoolError> {
        let spool = &self.0.parts.spool;
        let events = self.events(order, id, envelope, done);
        let held = events.iter().map(|(_, numbers)| numbers.len() as u64).sum();
        let (mut written, mut told) = (Vec::new(), Vec::new());
        for (event, numbers) in events {
            written.push(
                spool
                    .begin_record(id, numbers.clone(), event.clone())
                    .await?,
            );
            told.push((event, numbers));
        }
        if matches!(order.deed, Deed::Release | Deed::Resume | Deed::Retry) {
            for (lane, numbers) in self.new_lanes(envelope, done) {
                let event = RecipientEvent::Rerouted { lane };
                written.push(spool.begin_record(id, numbers, event).await?);
            }
        }
        // A lane that is paused is looked at by nobody who would notice.
        let held_again = self.held_again(order, id, envelope, done);
        let mut still_held = BTreeMap::new();
        for (reason, numbers) in held_again {
            let name = reason.hold().unwrap_or_default();
            *still_held.entry(name).or_default() += numbers.len() as u64;
            let event = RecipientEvent::Held { reason };
            written.push(spool.begin_record(id, numbers, event).await?);
        }
        for written in written {
            written.wait().await?;
        }
        for (event, numbers) in told {
            // It may be the first one of a case: somebody waits to hear what became of it.
            self.tried(id, &numbers, &event).await;
        }
        let recipients = match order.deed {
            Deed::Hold => held,
            // Also those that are due already: nothing has to be written about them.
            Deed::Release | Deed::Resume | Deed::Retry | Deed::Drop => done.len() as u64,
        };
        let again: u64 = still_held.values().sum();
        Ok((recipients.saturating_sub(again), still_held))
    }

    /// Those released whom another rule or move holds now, and why.
    fn held_again(
        &self,
        order: &Order,
        id: SpoolId,
        envelope: &Envelope,
        done: &[(u16, RecipientState)],
    ) -> Vec<(HoldReason, Vec<u16>)> {
        let mut held: Vec<(HoldReason, Vec<u16>)> = Vec::new();
        if !matches!(order.deed, Deed::Release | Deed::Resume) {
            return held;
        }
        for (number, state) in done {
            let again = self.held_after(order, id, envelope, (*number, state));
            let Some(reason) = again else { continue };
            match held.iter_mut().find(|(other, _)| *other == reason) {
                Some((_, numbers)) => numbers.push(*number),
                None => held.push((reason, vec![*number])),
            }
        }
        held
    }

    /// The rule or move that holds a recipient as soon as an order is carried out.
    pub(super) fn held_after(
        &self,
        order: &Order,
        id: SpoolId,
        envelope: &Envelope,
        (number, state): (u16, &RecipientState),
    ) -> Option<HoldReason> {
        let now = self.0.parts.clock.now();
        let released = event(order, state, now)?;
        let released = state.apply(&released, now).ok()?;
        self.withheld(id, envelope, number, &released)
    }

    fn events(
        &self,
        order: &Order,
        id: SpoolId,
        envelope: &Envelope,
        done: &[(u16, RecipientState)],
    ) -> Vec<(RecipientEvent, Vec<u16>)> {
        let now = self.0.parts.clock.now();
        let mut events: Vec<(RecipientEvent, Vec<u16>)> = Vec::new();
        for (number, state) in done {
            let event = match order.deed {
                Deed::Hold => self.held_event(id, envelope, *number, state),
                Deed::Release | Deed::Resume | Deed::Retry | Deed::Drop => event(order, state, now),
            };
            let Some(event) = event else { continue };
            match events.iter_mut().find(|(other, _)| *other == event) {
                Some((_, numbers)) => numbers.push(*number),
                None => events.push((event, vec![*number])),
            }
        }
        events
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
    match state {
        RecipientState::Queued { .. } => matches!(deed, Deed::Hold | Deed::Retry | Deed::Drop),
        RecipientState::Held { .. } => match deed {
            Deed::Resume | Deed::Drop => true,
            Deed::Release => !is_moving(state),
            Deed::Hold | Deed::Retry => false,
        },
        RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => false,
    }
}

/// Is it held by a move?
const fn is_moving(state: &RecipientState) -> bool {
    matches!(
        state,
        RecipientState::Held {
            reason: HoldReason::Move { .. },
            ..
        }
    )
}

/// What happens to a recipient; nothing when an attempt is ordered that may be made already.
fn event(order: &Order, state: &RecipientState, now: Timestamp) -> Option<RecipientEvent> {
    let (actor, reason) = (order.actor.clone(), order.reason.clone());
    if order.deed == Deed::Drop {
        return Some(RecipientEvent::Dropped { actor, reason });
    }
    if matches!(state, RecipientState::Queued { due, .. } if *due <= now) {
        return None;
    }
    let by_rule = matches!(
        state,
        RecipientState::Held {
            reason: HoldReason::Operator { .. },
            ..
        }
    );
    Some(RecipientEvent::Released {
        actor,
        due: now,
        reason,
        past_holds: by_rule && order.deed == Deed::Release,
    })
}

const fn lane_of(state: &RecipientState) -> Option<&String> {
    match state {
        RecipientState::Queued { lane, .. } | RecipientState::Held { lane, .. } => Some(lane),
        RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => None,
    }
}
