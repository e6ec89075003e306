//! A message with a story, for the tests of this room.

use std::sync::Arc;

use crate::base::Timestamp;
use crate::mail::{
    Authenticity, BackendId, Blame, Envelope, Failure, FolderKind, HoldReason, Landing, NodeId,
    Peer, Recipient, RecipientEvent, RecipientState, ReplayStep, SpoolId,
};
use crate::smtp::{MailParameters, RcptParameters, Reply};
use crate::spool::{LedgerEntry, StoredMessage};

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn recipient(address: &str, lane: &str) -> Recipient {
    Recipient {
        address: address.parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: lane.to_owned(),
        mailbox: None,
    }
}

fn delivered(backend: &str, seconds: u64, from: Option<&str>) -> RecipientState {
    RecipientState::Delivered {
        backend: BackendId::new(backend),
        at: at(seconds),
        reply: Reply::parse(&["250 2.0.0 Ok"]).unwrap(),
        delivery_address: "ann@tenant.example".to_owned(),
        uncertain: backend == "cloud" && seconds == 5,
        diverted_from: from.map(BackendId::new),
    }
}

fn entry(numbers: &[u16], seconds: u64, event: RecipientEvent) -> LedgerEntry {
    LedgerEntry {
        at: at(seconds),
        node: NodeId::default(),
        recipients: numbers.to_vec(),
        event,
        left_out: 0,
    }
}

/// Ann has it from another backend after 90 seconds, and once more; Bob's is held by root; Cy's was
/// refused; somebody got it perhaps twice.
pub(super) fn message() -> (StoredMessage, Vec<LedgerEntry>) {
    let refused = Failure::replied(
        Blame::Recipient,
        Reply::parse(&["550 5.1.1 No such user"]).unwrap(),
    );
    let held = HoldReason::Operator {
        actor: "root".to_owned(),
        reason: "patches".to_owned(),
        hold: "h1".to_owned(),
    };
    let message = StoredMessage {
        id: SpoolId::first_at(at(0)),
        received: at(0),
        envelope: Arc::new(Envelope {
            from: "eve@example.net".parse().unwrap(),
            parameters: MailParameters::default(),
            recipients: vec![
                recipient("ann@example.org", "onprem"),
                recipient("bob@example.org", "onprem"),
                recipient("cy@example.org", "cloud"),
                recipient("=cmd@example.org", "cloud"),
            ],
            peer: Peer {
                address: "192.0.2.1:1234".to_owned(),
                ..Peer::default()
            },
            message_id: Some("1@example.net".to_owned()),
            subject: None,
            header_from: None,
            authenticity: Authenticity::Unproven,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        }),
        size: 1000,
        states: vec![
            delivered("cloud", 90, Some("onprem")),
            RecipientState::Held {
                reason: held.clone(),
                since: at(1),
                lane: "onprem".to_owned(),
                attempts: 0,
                uncertain: false,
                on_hold: 0,
                exempt: None,
            },
            RecipientState::Bounced {
                at: at(10),
                failure: refused.clone(),
                backend: None,
                actor: String::new(),
                uncertain: false,
            },
            delivered("cloud", 5, None),
        ],
    };
    (message, story(held, &refused))
}

fn story(held: HoldReason, refused: &Failure) -> Vec<LedgerEntry> {
    let deferred = RecipientEvent::Deferred {
        backend: BackendId::new("onprem"),
        failure: refused.clone(),
        due: at(60),
        counts: false,
    };
    let done = |backend: &str| RecipientEvent::Delivered {
        backend: BackendId::new(backend),
        reply: Reply::parse(&["250 2.0.0 Ok"]).unwrap(),
        delivery_address: "ann@tenant.example".to_owned(),
        tls: Some("TLSv1.3".to_owned()),
        diverted_from: None,
    };
    let again = RecipientEvent::Replay {
        replay: "r1".to_owned(),
        backend: BackendId::new("onprem"),
        step: ReplayStep::Delivered {
            reply: Reply::parse(&["250 2.0.0 Ok"]).unwrap(),
            delivery_address: "ann@example.org".to_owned(),
            tls: None,
        },
        diverted_from: None,
    };
    let step = |step| RecipientEvent::Replay {
        replay: "r1".to_owned(),
        backend: BackendId::new("onprem"),
        step,
        diverted_from: None,
    };
    let in_doubt = step(ReplayStep::Interrupted { uncertain: true });
    let no = step(ReplayStep::Refused {
        failure: refused.clone(),
    });
    let seen = |landing| RecipientEvent::Landing {
        backend: BackendId::new("onprem"),
        landing,
    };
    let junk = Landing::Found {
        folder: "Junk".to_owned(),
        kind: FolderKind::Junk,
        verdict: "SCL 5".to_owned(),
    };
    let mut history = vec![
        entry(&[1], 1, RecipientEvent::Held { reason: held }),
        entry(&[0], 2, deferred),
        entry(&[0, 3], 90, done("cloud")),
        entry(&[0], 95, in_doubt),
        entry(&[0], 100, again),
        entry(&[2], 105, no),
        entry(&[0, 3], 110, seen(Landing::Missing)),
        entry(&[0], 120, seen(junk)),
    ];
    history[1].left_out = 2;
    history
}
