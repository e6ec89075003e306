//! What a replay makes of a recipient's state: who has come to his end keeps it.

use super::BackendId;
use super::replay::ReplayStep;
use super::state::{RecipientEvent, RecipientState};
use crate::base::Timestamp;

impl RecipientState {
    /// The state after an event of a replay; `None` when it is another event.
    pub(super) fn after_replay(&self, event: &RecipientEvent, at: Timestamp) -> Option<Self> {
        let RecipientEvent::Replay {
            backend,
            step,
            diverted_from,
            replay: _,
        } = event
        else {
            return None;
        };
        let mut next = self.clone();
        match &mut next {
            // Waiting mail that a replay delivers is delivered: nobody is to get it again.
            Self::Queued { uncertain, .. } | Self::Held { uncertain, .. } => {
                *uncertain |= step.is_in_doubt();
                let doubt = *uncertain;
                if let Some(delivered) = delivered(step, backend, (at, doubt)) {
                    next = delivered;
                    if let Self::Delivered {
                        diverted_from: from,
                        ..
                    } = &mut next
                    {
                        from.clone_from(diverted_from);
                    }
                }
            }
            // It has come home.
            Self::Delivered { diverted_from, .. } => {
                if step.is_delivered() && diverted_from.as_ref() == Some(backend) {
                    *diverted_from = None;
                }
            }
            Self::Bounced { .. } | Self::Dropped { .. } | Self::Expanded { .. } => {}
        }
        Some(next)
    }
}

fn delivered(
    step: &ReplayStep,
    backend: &BackendId,
    (at, uncertain): (Timestamp, bool),
) -> Option<RecipientState> {
    match step {
        ReplayStep::Delivered {
            reply,
            delivery_address,
            ..
        } => Some(RecipientState::Delivered {
            backend: backend.clone(),
            at,
            reply: reply.clone(),
            delivery_address: delivery_address.clone(),
            uncertain,
            diverted_from: None,
        }),
        ReplayStep::Attempted
        | ReplayStep::Interrupted { .. }
        | ReplayStep::Deferred { .. }
        | ReplayStep::Refused { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Failure;
    use crate::smtp::Reply;

    const NOW: Timestamp = Timestamp::from_millis(9);

    fn replay(backend: &str, step: ReplayStep) -> RecipientEvent {
        RecipientEvent::Replay {
            replay: "r1".to_owned(),
            backend: BackendId::new(backend),
            step,
            diverted_from: None,
        }
    }

    fn took() -> ReplayStep {
        ReplayStep::Delivered {
            reply: Reply::with_text(250, (2, 0, 0), "taken"),
            delivery_address: "ann@example.org".to_owned(),
            tls: None,
        }
    }

    fn ended(diverted_from: Option<&str>) -> RecipientState {
        RecipientState::Delivered {
            backend: BackendId::new("cloud"),
            at: Timestamp::from_millis(1),
            reply: Reply::with_text(250, (2, 0, 0), "first"),
            delivery_address: "ann@example.org".to_owned(),
            uncertain: false,
            diverted_from: diverted_from.map(BackendId::new),
        }
    }

    #[test]
    fn an_end_stays_and_a_diversion_comes_home() {
        let plain = ended(None);
        assert_eq!(plain.apply(&replay("cloud", took()), NOW).unwrap(), plain);
        let refused = ReplayStep::Refused {
            failure: Failure::without_reply(crate::mail::Blame::Recipient, "no"),
        };
        let diverted = ended(Some("onprem"));
        for event in [replay("cloud", took()), replay("onprem", refused)] {
            assert_eq!(diverted.apply(&event, NOW).unwrap(), diverted);
        }
        let home = diverted.apply(&replay("onprem", took()), NOW).unwrap();
        assert_eq!(home, plain, "only the diversion is over");
        let dropped = RecipientState::Dropped {
            at: NOW,
            actor: "ann".to_owned(),
            uncertain: false,
        };
        assert_eq!(dropped.apply(&replay("a", took()), NOW).unwrap(), dropped);
    }

    #[test]
    fn waiting_mail_that_is_replayed_is_delivered_once() {
        let queued = RecipientState::accepted("onprem".to_owned(), NOW);
        let cut = ReplayStep::Interrupted { uncertain: true };
        let doubtful = queued.apply(&replay("onprem", cut), NOW).unwrap();
        assert!(doubtful.is_uncertain() && !doubtful.is_finished());
        let done = doubtful.apply(&replay("onprem", took()), NOW).unwrap();
        assert!(matches!(
            done,
            RecipientState::Delivered { ref backend, uncertain: true, .. }
                if backend.as_str() == "onprem"
        ));
        let same = queued.apply(&replay("onprem", ReplayStep::Attempted), NOW);
        assert_eq!(same.unwrap(), queued);
    }
}
