//! What an event makes of a recipient that is held.

use super::state::{RecipientEvent, RecipientState};
use crate::base::Timestamp;

/// The parts of `Held` that outlive an event.
pub(super) struct Kept<'a> {
    pub(super) lane: &'a str,
    pub(super) attempts: u32,
    pub(super) uncertain: bool,
    pub(super) on_hold: u64,
    pub(super) exempt: Option<Timestamp>,
}

impl Kept<'_> {
    /// The state after `event`; `None` when it cannot happen to a recipient that is held.
    pub(super) fn apply(&self, event: &RecipientEvent, at: Timestamp) -> Option<RecipientState> {
        let Self {
            lane,
            attempts,
            uncertain,
            on_hold,
            exempt,
        } = *self;
        match event {
            RecipientEvent::Released {
                due, past_holds, ..
            } => Some(RecipientState::Queued {
                lane: lane.to_owned(),
                due: *due,
                attempts,
                attempting: false,
                uncertain,
                last: None,
                on_hold,
                exempt: if *past_holds { Some(at) } else { exempt },
                paced: false,
            }),
            RecipientEvent::Held { reason } => Some(RecipientState::Held {
                reason: reason.clone(),
                since: at,
                lane: lane.to_owned(),
                attempts,
                uncertain,
                on_hold,
                exempt,
            }),
            RecipientEvent::Bounced {
                failure,
                backend,
                actor,
                ..
            } => Some(RecipientState::Bounced {
                at,
                failure: failure.clone(),
                backend: backend.clone(),
                actor: actor.clone(),
                uncertain: uncertain || failure.uncertain,
            }),
            RecipientEvent::Dropped { actor, .. } => Some(RecipientState::Dropped {
                at,
                actor: actor.clone(),
                uncertain,
            }),
            // An attempt was under way when it was held: it has arrived, and must not go out
            // again when it is released.
            RecipientEvent::Delivered {
                backend,
                reply,
                delivery_address,
                diverted_from,
                ..
            } => Some(RecipientState::Delivered {
                backend: backend.clone(),
                at,
                reply: reply.clone(),
                delivery_address: delivery_address.clone(),
                uncertain,
                diverted_from: diverted_from.clone(),
            }),
            RecipientEvent::Attempted { .. }
            | RecipientEvent::Interrupted { .. }
            | RecipientEvent::Deferred { .. }
            | RecipientEvent::Paced { .. }
            | RecipientEvent::Replay { .. }
            | RecipientEvent::Landing { .. }
            | RecipientEvent::Rerouted { .. }
            // Whoever holds it means it for the group: nobody expands it meanwhile.
            | RecipientEvent::Expanded { .. } => None,
        }
    }
}
