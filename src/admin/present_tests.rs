use std::collections::BTreeMap;

use serde_json::json;

use crate::admin::{BackendView, DecisionWord, EventView, ExplainView, QueueNumbers};
use crate::backend::{BackendHealth, BackendOptions, Health, HostResult, Hosts, TlsPolicy};
use crate::base::Timestamp;
use crate::mail::{BackendId, Blame, DeliveryTarget, Failure, NodeId, RecipientEvent};
use crate::queue::{DrainCounts, Progress};
use crate::route::{Decision, Explanation};
use crate::smtp::{Mailbox, Reply};
use crate::spool::{LedgerEntry, SpoolStats};

fn down(name: &str) -> BackendHealth {
    BackendHealth {
        id: BackendId::new(name),
        health: Health::Down,
        reason: "refused".to_owned(),
        since: Timestamp::EPOCH,
        operator: None,
        remembered: false,
        failing: false,
    }
}

fn stats() -> SpoolStats {
    SpoolStats {
        queued: BTreeMap::from([("onprem".to_owned(), 4), ("@example.net".to_owned(), 2)]),
        held: 1,
        ..SpoolStats::default()
    }
}

/// As an attempt that a crash has cut off.
#[test]
fn an_attempt_that_was_cut_at_its_end_may_have_arrived() {
    let mut failure = Failure::without_reply(Blame::Backend, "cut off");
    for (uncertain, expected) in [
        (false, "by onprem: cut off; next attempt "),
        (
            true,
            "by onprem: cut off; it may have arrived; next attempt ",
        ),
    ] {
        failure.uncertain = uncertain;
        let event = RecipientEvent::Deferred {
            backend: BackendId::new("onprem"),
            failure: failure.clone(),
            due: Timestamp::EPOCH,
            counts: true,
        };
        let view = EventView::from(&LedgerEntry {
            at: Timestamp::EPOCH,
            node: NodeId::default(),
            recipients: vec![0],
            event,
            left_out: 0,
        });
        assert!(view.detail.starts_with(expected), "{}", view.detail);
    }
}

#[test]
fn lanes_of_a_backend_that_is_down_count_as_held() {
    let none = DrainCounts::new();
    let numbers = QueueNumbers::new(&stats(), &[down("onprem"), down("cloud")], &none);
    assert_eq!((numbers.queued, numbers.held), (2, 5));
    let numbers = QueueNumbers::new(&stats(), &[], &none);
    assert_eq!((numbers.queued, numbers.held), (6, 1));
}

#[test]
fn what_came_after_a_drain_counts_as_held() {
    let drained: DrainCounts = [(BackendId::new("onprem"), 3)].into();
    let up = BackendHealth {
        health: Health::Up,
        ..down("onprem")
    };
    let numbers = QueueNumbers::new(&stats(), std::slice::from_ref(&up), &drained);
    assert_eq!((numbers.queued, numbers.held), (3, 4));
    // Nobody is counted twice.
    let numbers = QueueNumbers::new(&stats(), &[down("onprem")], &drained);
    assert_eq!((numbers.queued, numbers.held), (2, 5));
}

#[test]
fn a_backend_has_the_json_of_the_contract() {
    let hosts = Hosts::List(vec!["192.0.2.1:25".to_owned(), "192.0.2.2:25".to_owned()]);
    let options = BackendOptions {
        tls: TlsPolicy::Required,
        ..BackendOptions::new(BackendId::new("onprem"), hosts)
    };
    let tried = HostResult {
        host: "192.0.2.2:25".to_owned(),
        good: false,
        what: "refused".to_owned(),
        at: Timestamp::EPOCH,
    };
    let view = BackendView::new(
        down("onprem"),
        &options,
        &[tried],
        (&stats(), Progress::default()),
    );
    let epoch = "1970-01-01T00:00:00.000Z";
    assert_eq!(
        serde_json::to_value(view).unwrap(),
        json!({
            "name": "onprem", "health": "down", "reason": "refused", "since": epoch,
            "override": null, "diverted": 0,
            "drain": {
                "window": null,
                "connections": 0,
                "per_minute": null,
                "mailbox_seconds": 0,
                "turn_seconds": 0,
                "eta_seconds": null,
            },
            "waiting": 4, "in_cases": null,
            "hosts": [
                {"address": "192.0.2.1:25", "good": null, "reason": "", "at": null},
                {"address": "192.0.2.2:25", "good": false, "reason": "refused", "at": epoch},
            ],
        })
    );
}

#[test]
fn decisions_have_the_json_of_the_contract() {
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let explanation = |decision| Explanation {
        withheld: None,
        decision,
        home: Some(BackendId::new("cloud")),
        lane: "cloud".to_owned(),
        mailbox: Some("ann@example.org".to_owned()),
        steps: vec!["its home is cloud".to_owned()],
    };
    let relay = ExplainView::new(
        &ann,
        explanation(Decision::Relay {
            targets: vec![DeliveryTarget::Backend(BackendId::new("cloud"))],
            address: "ann@tenant.example".parse().unwrap(),
            diverted_from: None,
        }),
    );
    assert_eq!(
        serde_json::to_value(relay).unwrap(),
        json!({
            "address": "ann@example.org", "home": "cloud", "decision": "relay",
            "backend": "cloud", "delivery_address": "ann@tenant.example",
            "reason": "its home is cloud", "steps": ["its home is cloud"],
            "nearly": [],
        })
    );
    let reply = Reply::new(550, (5, 1, 1), "No such user");
    let reject = ExplainView::new(&ann, explanation(Decision::Reject(reply)));
    assert_eq!(reject.decision, DecisionWord::Reject);
    assert_eq!(reject.reason, "550 5.1.1 No such user");
}
