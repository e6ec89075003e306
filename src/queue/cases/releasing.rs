//! Begins the release of a case: finds the one who goes first. When a move or a hold holds all of
//! it, nobody can, and it is released into that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{CaseTrial, PAGE, TrialOutcome, is_of, release};
use crate::base::Timestamp;
use crate::mail::{CaseId, CaseKind, SpoolId};
use crate::queue::{Order, Pick, Place, Queue, Tally};
use crate::spool::{CaseMember, SpoolError};

impl Queue {
    /// Releases a case: one recipient first, the rest when it is accepted. `None` when there is no
    /// such case. A release that is under way already is returned as it is. Whom a move or a hold
    /// holds by now cannot be tried: when that is so for everybody, they are released from the
    /// case, and wait for that. What has begun goes on, also when nobody waits for the answer any
    /// more.
    ///
    /// # Errors
    /// When the spool fails, and when the program stops.
    pub async fn release_case(
        &self,
        case: CaseId,
        actor: &str,
        reason: &str,
    ) -> Result<Option<CaseTrial>, SpoolError> {
        let (done, told) = oneshot::channel();
        let (queue, order) = (self.clone(), release(actor, reason));
        self.0.parts.shutdown.spawn("case", async move {
            let begun = queue.begin_release(case, &order).await;
            // Nobody listens when the operator went away.
            done.send(begun).ok();
        });
        told.await.unwrap_or(Err(SpoolError::Closed))
    }

    async fn begin_release(
        &self,
        case: CaseId,
        order: &Order,
    ) -> Result<Option<CaseTrial>, SpoolError> {
        let _turn = Turn::take(self, case).await;
        if let Some(present) = self.under_way(case)? {
            return Ok(Some(present));
        }
        let spool = &self.0.parts.spool;
        let members = spool.case_members(CaseKind::Open, case, None, 1)?;
        let Some(oldest) = members.first().copied() else {
            return Ok(None);
        };
        let mut held = Tally::default();
        if let Some(begun) = self.bring_any(case, order, &mut held).await? {
            return Ok(Some(begun));
        }
        self.release_withheld(case, order, &mut held).await?;
        if self.stopping() {
            return Err(SpoolError::Closed);
        }
        let mut trial = self.trial_with(order, oldest);
        trial.outcome = untried(held, trial.at);
        let (actor, outcome) = (&trial.actor, &trial.outcome);
        tracing::warn!(%case, %actor, ?outcome, "nobody of a case could be tried");
        self.note_trial(case, &trial).await?;
        self.0.case_news.notify_waiters();
        Ok(Some(trial))
    }

    /// The release that has begun and is not decided yet.
    fn under_way(&self, case: CaseId) -> Result<Option<CaseTrial>, SpoolError> {
        let present = self.case_trial(case)?;
        let Some(present) = present.filter(|last| last.outcome == TrialOutcome::Trying) else {
            return Ok(None);
        };
        // In one: what becomes of the recipient meanwhile is told to whom this finds.
        let mut tries = self.tries();
        if !tries.is_releasing(case) {
            if !self.is_waiting(&present)? {
                return Ok(None);
            }
            let first = (present.id, present.recipient);
            tries.cases.entry(first).or_insert(case);
        }
        drop(tries);
        Ok(Some(present))
    }

    fn trial_with(&self, order: &Order, member: CaseMember) -> CaseTrial {
        CaseTrial {
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            at: self.0.parts.clock.now(),
            id: member.id,
            recipient: member.recipient,
            outcome: TrialOutcome::Trying,
        }
    }

    /// Brings out the oldest member who can be tried; `None` when there is none.
    async fn bring_any(
        &self,
        case: CaseId,
        order: &Order,
        held: &mut Tally,
    ) -> Result<Option<CaseTrial>, SpoolError> {
        let mut last = None;
        while !self.stopping() {
            let members = self.next_members(case, &mut last)?;
            if members.is_empty() {
                break;
            }
            for member in members {
                if self.may_be_tried(case, order, member).await?
                    && let Some(begun) = self.bring_first(case, order, member, held).await?
                {
                    return Ok(Some(begun));
                }
            }
        }
        Ok(None)
    }

    /// The next page of members, behind the last one.
    fn next_members(
        &self,
        case: CaseId,
        last: &mut Option<CaseMember>,
    ) -> Result<Vec<CaseMember>, SpoolError> {
        let spool = &self.0.parts.spool;
        let members = spool.case_members(CaseKind::Open, case, *last, PAGE)?;
        *last = members.last().copied();
        Ok(members)
    }

    /// Is nothing but the case in the way of its member?
    async fn may_be_tried(
        &self,
        case: CaseId,
        order: &Order,
        member: CaseMember,
    ) -> Result<bool, SpoolError> {
        let (id, number) = (member.id, member.recipient);
        let Some(message) = self.message_for_order(id).await? else {
            return Ok(false);
        };
        let state = message.states.get(usize::from(number));
        Ok(state.is_some_and(|state| {
            let one = (number, state);
            is_of(state, case) && self.held_after(order, id, &message.envelope, one).is_none()
        }))
    }

    /// Brings out a member to be tried; `None` when somebody else has it, or holds it by now.
    async fn bring_first(
        &self,
        case: CaseId,
        order: &Order,
        member: CaseMember,
        held: &mut Tally,
    ) -> Result<Option<CaseTrial>, SpoolError> {
        let trial = self.trial_with(order, member);
        self.note_trial(case, &trial).await?;
        let first = First::new(self, case, member);
        let numbers = BTreeSet::from([member.recipient]);
        let done = self.release_of(case, order, (member.id, numbers)).await;
        match done {
            Ok(done) if done.recipients > 0 => {
                first.goes();
                self.try_first(member)?;
                Ok(Some(trial))
            }
            Ok(done) => {
                held.add(done);
                Ok(None)
            }
            Err(error) => {
                if self.is_waiting(&trial).unwrap_or_default() {
                    // It was released all the same, and is tried when it is loaded.
                    first.goes();
                } else {
                    drop(first);
                    self.stands(case, format!("it could not be released: {error}"))
                        .await;
                }
                Err(error)
            }
        }
    }

    /// Releases the members that a move or a hold holds, page by page.
    async fn release_withheld(
        &self,
        case: CaseId,
        order: &Order,
        held: &mut Tally,
    ) -> Result<(), SpoolError> {
        let mut last = None;
        while !self.stopping() {
            let members = self.next_members(case, &mut last)?;
            if members.is_empty() {
                break;
            }
            let mut withheld: BTreeMap<SpoolId, BTreeSet<u16>> = BTreeMap::new();
            for member in members {
                // Whom nothing holds any more waits for a trial.
                if !self.may_be_tried(case, order, member).await? {
                    let numbers = withheld.entry(member.id).or_default();
                    numbers.insert(member.recipient);
                }
            }
            // All of them at once, for one sync of the log.
            let works = withheld.into_iter();
            let works = works.map(|one| self.release_of(case, order, one));
            for done in join_all(works).await {
                held.add(done?);
            }
        }
        Ok(())
    }

    /// Releases some recipients of a message that belong to the case.
    async fn release_of(
        &self,
        case: CaseId,
        order: &Order,
        (id, numbers): (SpoolId, BTreeSet<u16>),
    ) -> Result<Tally, SpoolError> {
        let these: Pick =
            Arc::new(move |one| is_of(one.state, case) && numbers.contains(&one.number));
        self.perform_page(order, &these, Place::At(id)).await
    }
}

/// How a release ended in which nobody went first.
fn untried(held: Tally, at: Timestamp) -> TrialOutcome {
    let still_held = held.still_held;
    if still_held.is_empty() {
        let what = "nobody could be tried: other verbs have them, or they cannot be read";
        return TrialOutcome::Refused {
            what: what.to_owned(),
            at,
        };
    }
    TrialOutcome::HeldOn { still_held, at }
}

/// Two who release a case at once begin one trial; other cases do not wait for it.
struct Turn<'a> {
    queue: &'a Queue,
    case: CaseId,
}

impl<'a> Turn<'a> {
    async fn take(queue: &'a Queue, case: CaseId) -> Self {
        loop {
            // Before the look, or what ends in between would be missed.
            let news = queue.0.case_news.notified();
            if queue.tries().beginning.insert(case) {
                return Self { queue, case };
            }
            news.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.tries().beginning.remove(&self.case);
        self.queue.0.case_news.notify_waiters();
    }
}

/// The one who goes first for its case, while it is brought out. Forgotten on every way but the
/// one on which it goes: else its case would be taken for one that is being released for ever.
struct First<'a> {
    queue: &'a Queue,
    name: (SpoolId, u16),
    goes: bool,
}

impl<'a> First<'a> {
    /// Before it is released: from then on somebody may tell what became of it.
    fn new(queue: &'a Queue, case: CaseId, member: CaseMember) -> Self {
        let name = (member.id, member.recipient);
        queue.tries().cases.insert(name, case);
        Self {
            queue,
            name,
            goes: false,
        }
    }

    fn goes(mut self) {
        self.goes = true;
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        if !self.goes {
            self.queue.tries().cases.remove(&self.name);
        }
    }
}

#[cfg(test)]
#[path = "releasing_tests.rs"]
mod tests;
