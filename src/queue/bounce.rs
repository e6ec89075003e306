//! An administrator gives a case up: its recipients will not get the mail, and the senders who
//! proved to be senders are told.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Queue;
use super::bulk::PATIENCE;
use super::cases::is_of;
use super::hands::Hands;
use super::state::{Job, JobRecipient, Source};
use super::tally::Tally;
use crate::mail::{
    BackendId, CaseId, Failure, HoldReason, RecipientEvent, RecipientState, SpoolId,
};
use crate::spool::SpoolError;

impl Queue {
    /// Bounces all recipients of a case, in the name of `actor`.
    ///
    /// # Errors
    /// When the spool fails; what was bounced before stays bounced.
    pub async fn bounce_case(
        &self,
        case: CaseId,
        actor: &str,
        reason: &str,
    ) -> Result<Tally, SpoolError> {
        let now = self.0.parts.clock.now();
        let mut tally = Tally::default();
        let mut last = None;
        loop {
            let ids = self.next_messages(case, &mut last, now)?;
            if ids.is_empty() {
                return Ok(tally);
            }
            for id in ids {
                let done = self.bounce_one(case, id, (actor, reason)).await?;
                tally.recipients += done;
                tally.messages += u64::from(done > 0);
                tally.seen += 1;
            }
        }
    }

    /// Brought to its end also when nobody waits for the answer any more: else the next try would
    /// report it a second time.
    async fn bounce_one(
        &self,
        case: CaseId,
        id: SpoolId,
        (actor, reason): (&str, &str),
    ) -> Result<u64, SpoolError> {
        let (done, told) = oneshot::channel();
        let (queue, actor, reason) = (self.clone(), actor.to_owned(), reason.to_owned());
        self.0.parts.shutdown.spawn("operator", async move {
            let bounced = queue.bounce_message(case, id, (&actor, &reason)).await;
            // Nobody listens when the operator went away.
            done.send(bounced).ok();
        });
        match told.await {
            // One that cannot be read keeps no other from its end.
            Ok(Err(error @ (SpoolError::Damaged(_) | SpoolError::Disk { .. }))) => {
                tracing::error!(%id, %error, "not bounced; see `spool verify`");
                Ok(0)
            }
            Ok(bounced) => bounced,
            Err(_) => Err(SpoolError::Closed),
        }
    }

    async fn bounce_message(
        &self,
        case: CaseId,
        id: SpoolId,
        (actor, reason): (&str, &str),
    ) -> Result<u64, SpoolError> {
        let Some(message) = self.0.parts.spool.message_if_whole(id)? else {
            return Ok(0);
        };
        let states = (0_u16..).zip(&message.states);
        let wanted = states.filter(|(_, state)| is_of(state, case));
        let wanted: Vec<u16> = wanted.map(|(number, _)| number).collect();
        let mut hands = Hands::new(self, id);
        hands.take(&wanted, PATIENCE).await;
        let mut refusals: Vec<((BackendId, Failure), Vec<u16>)> = Vec::new();
        for &number in hands.numbers() {
            // It may have changed before it was in our hands.
            let state = self.0.parts.spool.state(id, number)?;
            let Some(refusal) = state.and_then(|state| refusal_of(state, case)) else {
                continue;
            };
            match refusals.iter_mut().find(|(other, _)| *other == refusal) {
                Some((_, numbers)) => numbers.push(number),
                None => refusals.push((refusal, vec![number])),
            }
        }
        let mut done = 0;
        for ((backend, failure), numbers) in refusals {
            let job = Job {
                id,
                ticket: 0,
                source: Source::Backlog,
                envelope: Arc::clone(&message.envelope),
                body: None,
                recipients: Vec::<JobRecipient>::new(),
                targets: VecDeque::new(),
                holds: Arc::default(),
                replay: None,
            };
            let event = RecipientEvent::Bounced {
                failure: failure.clone(),
                backend: Some(backend),
                actor: actor.to_owned(),
                reason: reason.to_owned(),
            };
            let what = (&failure, &event);
            let written = self.record_and_report(&job, &numbers, what).await?;
            written.wait().await?;
            done += numbers.len() as u64;
            self.tried(id, &numbers, &event).await;
        }
        Ok(done)
    }
}

/// What was said to a recipient of the case.
fn refusal_of(state: RecipientState, case: CaseId) -> Option<(BackendId, Failure)> {
    if !is_of(&state, case) {
        return None;
    }
    match state {
        RecipientState::Held {
            reason: HoldReason::Refused { backend, failure },
            ..
        } => Some((backend, failure)),
        RecipientState::Held { .. }
        | RecipientState::Queued { .. }
        | RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => None,
    }
}
