//! Every state against every event.

use super::*;
use crate::mail::Blame;

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn failures() -> Vec<Failure> {
    let reply = Reply::new(550, (5, 1, 1), "no");
    vec![
        Failure::without_reply(Blame::Backend, "refused"),
        Failure::replied(Blame::Recipient, reply),
        Failure::replied(Blame::Message, Reply::plain(450, "later")),
    ]
}

fn events() -> Vec<RecipientEvent> {
    let backend = BackendId::new("onprem");
    let failure = failures().remove(1);
    let actor = "ann".to_owned();
    vec![
        RecipientEvent::Attempted {
            backend: backend.clone(),
        },
        RecipientEvent::Interrupted { uncertain: true },
        RecipientEvent::Delivered {
            backend: backend.clone(),
            reply: Reply::plain(250, "ok"),
            delivery_address: "ann@example.org".to_owned(),
            tls: None,
            diverted_from: None,
        },
        RecipientEvent::Deferred {
            backend: backend.clone(),
            failure: failure.clone(),
            due: AT,
            counts: true,
        },
        RecipientEvent::Paced {
            due: AT,
            sender: None,
        },
        RecipientEvent::Rerouted {
            lane: "cloud".to_owned(),
        },
        RecipientEvent::Held {
            reason: HoldReason::Refused {
                backend,
                failure: failure.clone(),
            },
        },
        RecipientEvent::Released {
            actor: actor.clone(),
            due: AT,
            reason: String::new(),
            past_holds: true,
        },
        RecipientEvent::Bounced {
            failure,
            backend: Some(BackendId::new("cloud")),
            actor: String::new(),
            reason: String::new(),
        },
        RecipientEvent::Dropped {
            actor,
            reason: "spam".to_owned(),
        },
        RecipientEvent::Expanded {
            into: None,
            people: 2,
        },
    ]
}

/// All states that two events lead to.
fn states() -> Vec<RecipientState> {
    let first = RecipientState::accepted("onprem".to_owned(), AT);
    let mut states = vec![first.clone()];
    for one in events() {
        let Ok(second) = first.apply(&one, AT) else {
            continue;
        };
        states.extend(events().iter().filter_map(|two| second.apply(two, AT).ok()));
        states.push(second);
    }
    states
}

#[test]
fn an_end_is_an_end() {
    for state in states() {
        for event in events() {
            let next = state.apply(&event, AT);
            assert!(next.is_err() || !state.is_finished());
            if let Ok(next) = next {
                assert!(next.is_uncertain() || !state.is_uncertain(), "{next:?}");
            }
        }
    }
}

/// Given up with the attempt that had no known end.
#[test]
fn the_last_attempt_may_have_arrived_too() {
    let queued = RecipientState::accepted("@example.net".to_owned(), AT);
    let mut failure = failures().remove(1);
    for uncertain in [false, true] {
        failure.uncertain = uncertain;
        let bounced = RecipientEvent::Bounced {
            failure: failure.clone(),
            backend: None,
            actor: String::new(),
            reason: String::new(),
        };
        let end = queued.apply(&bounced, AT).unwrap();
        assert_eq!(end.is_uncertain(), uncertain);
    }
}

/// What earlier versions wrote of an end says nothing about it.
#[test]
fn ends_of_earlier_versions_are_read() {
    for old in [
        r#"{"Dropped":{"at":"2026-03-02T02:14:00Z","actor":"ann"}}"#,
        r#"{"Expanded":{"at":"2026-03-02T02:14:00Z","into":null}}"#,
    ] {
        let state: RecipientState = serde_json::from_str(old).unwrap();
        assert!(state.is_finished() && !state.is_uncertain());
    }
}

/// A crash after it must still find the mark (decision 8).
#[test]
fn another_lane_hides_no_attempt_that_is_under_way() {
    let queued = RecipientState::accepted("onprem".to_owned(), AT);
    let backend = BackendId::new("onprem");
    let attempted = RecipientEvent::Attempted { backend };
    let rerouted = RecipientEvent::Rerouted {
        lane: "cloud".to_owned(),
    };
    let is_attempting = |state: &RecipientState| {
        let RecipientState::Queued { attempting, .. } = state else {
            panic!("{state:?}");
        };
        *attempting
    };
    let tried = queued.apply(&attempted, AT).unwrap();
    assert!(is_attempting(&tried.apply(&rerouted, AT).unwrap()));
    assert!(!is_attempting(&queued.apply(&rerouted, AT).unwrap()));
}

#[test]
fn every_event_fits_the_queued_state() {
    let queued = RecipientState::accepted("onprem".to_owned(), AT);
    for event in events() {
        let next = queued.apply(&event, AT).unwrap();
        let expected = match event.name() {
            "held" | "delivered" | "bounced" | "dropped" | "expanded" => event.name(),
            _ => "queued",
        };
        assert_eq!(next.name(), expected);
    }
}

#[test]
fn states_and_events_survive_both_encodings() {
    for state in states() {
        let bytes = postcard::to_stdvec(&state).unwrap();
        assert_eq!(
            postcard::from_bytes::<RecipientState>(&bytes).unwrap(),
            state
        );
    }
    for event in events() {
        let json = serde_json::to_vec(&event).unwrap();
        assert_eq!(
            serde_json::from_slice::<RecipientEvent>(&json).unwrap(),
            event
        );
    }
    for failure in failures() {
        let bytes = postcard::to_stdvec(&failure).unwrap();
        assert_eq!(postcard::from_bytes::<Failure>(&bytes).unwrap(), failure);
    }
}
