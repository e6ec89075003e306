//! What an event makes of a recipient that waits.

use super::Failure;
use super::state::{IllegalTransition, RecipientEvent, RecipientState};
use crate::base::Timestamp;

/// The parts of `Queued` that outlive an event.
pub(super) struct Waiting<'a> {
    pub(super) lane: &'a str,
    pub(super) due: Timestamp,
    pub(super) attempts: u32,
    pub(super) attempting: bool,
    pub(super) uncertain: bool,
    pub(super) last: Option<&'a (Timestamp, Failure)>,
    pub(super) on_hold: u64,
    pub(super) exempt: Option<Timestamp>,
    pub(super) paced: bool,
}

impl RecipientState {
    /// Does it wait for its turn?
    #[must_use]
    pub const fn is_paced(&self) -> bool {
        matches!(self, Self::Queued { paced: true, .. })
    }
}

impl Waiting<'_> {
    fn queued(&self) -> RecipientState {
        RecipientState::Queued {
            lane: self.lane.to_owned(),
            due: self.due,
            attempts: self.attempts,
            attempting: false,
            uncertain: self.uncertain,
            last: self.last.cloned(),
            on_hold: self.on_hold,
            exempt: self.exempt,
            paced: false,
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the other states can refuse an event"
    )]
    pub(super) fn apply(
        &self,
        event: &RecipientEvent,
        at: Timestamp,
    ) -> Result<RecipientState, IllegalTransition> {
        let mut next = self.queued();
        if let RecipientState::Queued {
            lane,
            due,
            attempts,
            attempting,
            uncertain,
            last,
            on_hold,
            paced,
            ..
        } = &mut next
        {
            match event {
                RecipientEvent::Attempted { .. } => *attempting = true,
                RecipientEvent::Interrupted { uncertain: arrived } => *uncertain |= arrived,
                RecipientEvent::Rerouted { lane: new } => {
                    lane.clone_from(new);
                    // Another lane tells nothing about what is under way.
                    *attempting = self.attempting;
                    *paced = self.paced;
                }
                RecipientEvent::Released { due: new, .. } => *due = *new,
                RecipientEvent::Paced { due: new, sender } => {
                    *due = *new;
                    *paced = true;
                    // Nobody gives mail up because of a limit of ours.
                    let waits = sender.as_ref().map_or(0, |_| new.since(at).as_millis());
                    let waits = u64::try_from(waits).unwrap_or(u64::MAX);
                    *on_hold = on_hold.saturating_add(waits);
                }
                RecipientEvent::Deferred {
                    failure,
                    due: new,
                    counts,
                    ..
                } => {
                    *due = *new;
                    *attempts += u32::from(*counts);
                    *uncertain |= failure.uncertain;
                    *last = Some((at, failure.clone()));
                }
                // What it makes of a recipient is told before.
                RecipientEvent::Replay { .. } | RecipientEvent::Landing { .. } => {
                    *attempting = self.attempting;
                    *paced = self.paced;
                }
                RecipientEvent::Held { .. }
                | RecipientEvent::Delivered { .. }
                | RecipientEvent::Bounced { .. }
                | RecipientEvent::Dropped { .. }
                | RecipientEvent::Expanded { .. } => return Ok(self.leave(event, at)),
            }
        }
        Ok(next)
    }

    fn leave(&self, event: &RecipientEvent, at: Timestamp) -> RecipientState {
        match event {
            RecipientEvent::Held { reason } => RecipientState::Held {
                reason: reason.clone(),
                since: at,
                lane: self.lane.to_owned(),
                attempts: self.attempts,
                uncertain: self.uncertain,
                on_hold: self.on_hold,
                exempt: self.exempt,
            },
            RecipientEvent::Delivered {
                backend,
                reply,
                delivery_address,
                diverted_from,
                ..
            } => RecipientState::Delivered {
                backend: backend.clone(),
                at,
                reply: reply.clone(),
                delivery_address: delivery_address.clone(),
                uncertain: self.uncertain,
                diverted_from: diverted_from.clone(),
            },
            RecipientEvent::Bounced {
                failure,
                backend,
                actor,
                ..
            } => RecipientState::Bounced {
                at,
                failure: failure.clone(),
                backend: backend.clone(),
                actor: actor.clone(),
                uncertain: self.uncertain || failure.uncertain,
            },
            RecipientEvent::Dropped { actor, .. } => RecipientState::Dropped {
                at,
                actor: actor.clone(),
                uncertain: self.uncertain,
            },
            RecipientEvent::Expanded { into, .. } => RecipientState::Expanded {
                at,
                into: *into,
                uncertain: self.uncertain,
            },
            RecipientEvent::Attempted { .. }
            | RecipientEvent::Interrupted { .. }
            | RecipientEvent::Rerouted { .. }
            | RecipientEvent::Released { .. }
            | RecipientEvent::Paced { .. }
            | RecipientEvent::Replay { .. }
            | RecipientEvent::Landing { .. }
            | RecipientEvent::Deferred { .. } => self.queued(),
        }
    }
}
