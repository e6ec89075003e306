use super::*;
use crate::mail::{Authenticity, Peer};
use crate::smtp::{MailParameters, RcptParameters, Reply, ReversePath};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn recipient(address: &str, mailbox: Option<&str>) -> Recipient {
    Recipient {
        address: address.parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: "onprem".to_owned(),
        mailbox: mailbox.map(str::to_owned),
    }
}

fn envelope(from: &str, message_id: Option<&str>) -> Envelope {
    Envelope {
        from: from.parse().unwrap_or(ReversePath::Null),
        parameters: MailParameters::default(),
        recipients: Vec::new(),
        peer: Peer::default(),
        message_id: message_id.map(str::to_owned),
        subject: None,
        header_from: None,
        authenticity: Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

fn delivered(backend: &str, when: u64, diverted_from: Option<&str>) -> RecipientState {
    RecipientState::Delivered {
        backend: BackendId::new(backend),
        at: at(when),
        reply: Reply::with_text(250, (2, 0, 0), "ok"),
        delivery_address: "ann@example.org".to_owned(),
        uncertain: false,
        diverted_from: diverted_from.map(BackendId::new),
    }
}

fn selection() -> Selection {
    Selection {
        since: at(100),
        until: at(200),
        made: at(300),
        ..Selection::default()
    }
}

#[test]
fn senders_and_message_ids_name_messages() {
    let ann = envelope("ann@example.net", Some("1@x"));
    let report = envelope("", None);
    let names = |sender: Option<&str>, id: Option<&str>| {
        let selection = Selection {
            sender: sender.map(|sender| sender.parse().unwrap()),
            message_id: id.map(str::to_owned),
            ..selection()
        };
        (
            selection.names_message(&ann),
            selection.names_message(&report),
        )
    };
    assert_eq!(names(None, None), (true, true));
    assert_eq!(names(Some("Ann@Example.net"), None), (true, false));
    assert_eq!(names(Some("@example.net"), None), (true, false));
    assert_eq!(names(Some("<>"), None), (false, true));
    assert_eq!(names(None, Some("1@x")), (true, false));
    assert_eq!(names(None, Some("2@x")), (false, false));
}

#[test]
fn recipients_are_named_by_mailbox_address_and_domain_and_strangers_never() {
    let ann = recipient("ann.alias@example.org", Some("ann@example.org"));
    let stranger = recipient("bob@example.net", None);
    let people = |one: &str| People::from([one.to_owned()]);
    let all = selection();
    assert!(all.names_recipient(&ann, &People::new()));
    assert!(!all.names_recipient(&stranger, &People::new()));
    assert!(all.names_recipient(&ann, &people("ann@example.org")));
    assert!(all.names_recipient(&ann, &people("ann.alias@example.org")));
    assert!(!all.names_recipient(&ann, &people("eve@example.org")));
    let domain = |name: &str| Selection {
        domain: Some(name.to_owned()),
        ..selection()
    };
    assert!(domain("example.org").names_recipient(&ann, &People::new()));
    assert!(!domain("example.com").names_recipient(&ann, &People::new()));
}

#[test]
fn what_was_delivered_behind_the_plan_is_not_repeated() {
    let to = BackendId::new("onprem");
    let means = |state: &RecipientState| selection().means(state, &to);
    assert_eq!(means(&delivered("onprem", 250, None)), Meant::Yes);
    let late = delivered("onprem", 300, None);
    assert_eq!(means(&late), Meant::But(Skip::Waiting));
    let by_delivery = Selection {
        by: By::Delivered,
        ..selection()
    };
    for (when, expected) in [(99, Meant::No), (100, Meant::Yes), (200, Meant::No)] {
        let state = delivered("onprem", when, None);
        assert_eq!(by_delivery.means(&state, &to), expected, "{when}");
    }
    assert_eq!(by_delivery.ids().start, SpoolId::default());
    assert_eq!(
        selection().ids(),
        SpoolId::first_at(at(100))..SpoolId::first_at(at(200))
    );
}

#[test]
fn diversions_are_those_that_were_kept_from_the_target() {
    let diverted = Selection {
        diverted: true,
        ..selection()
    };
    let to = BackendId::new("onprem");
    let means = |state| diverted.means(&state, &to);
    assert_eq!(means(delivered("cloud", 150, Some("onprem"))), Meant::Yes);
    assert_eq!(means(delivered("cloud", 150, Some("other"))), Meant::No);
    assert_eq!(means(delivered("onprem", 150, None)), Meant::No);
    let waiting = RecipientState::accepted("onprem".to_owned(), at(150));
    assert_eq!(means(waiting), Meant::No);
}

#[test]
fn states_that_are_no_delivery_are_left_out_and_told() {
    let to = BackendId::new("onprem");
    let waiting = RecipientState::accepted("onprem".to_owned(), at(150));
    let dropped = RecipientState::Dropped {
        at: at(160),
        actor: "ann".to_owned(),
        uncertain: false,
    };
    assert_eq!(selection().means(&waiting, &to), Meant::But(Skip::Waiting));
    assert_eq!(selection().means(&dropped, &to), Meant::But(Skip::Dropped));
    // Nobody has taken out what drills take out themselves.
    let probe = RecipientState::Dropped {
        at: at(160),
        actor: "drill".to_owned(),
        uncertain: false,
    };
    assert_eq!(selection().means(&probe, &to), Meant::But(Skip::Probe));
    let unfinished = Selection {
        which: Which::Unfinished,
        ..selection()
    };
    assert_eq!(unfinished.means(&waiting, &to), Meant::Yes);
    assert_eq!(unfinished.means(&dropped, &to), Meant::No);
    let delivered = delivered("onprem", 150, None);
    assert_eq!(unfinished.means(&delivered, &to), Meant::No);
    let from_cloud = Selection {
        from_backend: Some(BackendId::new("cloud")),
        ..selection()
    };
    for state in [&waiting, &dropped, &delivered] {
        assert_eq!(from_cloud.means(state, &to), Meant::No);
    }
}

#[test]
fn a_selection_is_told_in_a_sentence_and_kept_as_json() {
    let selection = Selection {
        people: 3,
        sender: Some("<>".parse().unwrap()),
        diverted: true,
        order: Order::Newest,
        ..selection()
    };
    let told = selection.told();
    for part in [
        "accepted from 2027-",
        "recipients 3",
        "from <>",
        "diverted",
        "newest first",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let all = Selection {
        since: Timestamp::EPOCH,
        ..selection.clone()
    };
    let told = all.told();
    assert!(
        told.starts_with("accepted from the beginning to 2027-"),
        "{told}"
    );
    let json = serde_json::to_value(&selection).unwrap();
    assert_eq!(
        serde_json::from_value::<Selection>(json).unwrap(),
        selection
    );
}

#[test]
fn what_was_delivered_a_moment_ago_is_not_looked_for() {
    let to = BackendId::new("onprem");
    let settled = Selection {
        missing_only: true,
        settled_before: Some(at(180)),
        ..selection()
    };
    let means = |when| settled.means(&delivered("onprem", when, None), &to);
    assert_eq!(means(179), Meant::Yes);
    assert_eq!(means(180), Meant::But(Skip::Fresh));
    assert_eq!(means(300), Meant::But(Skip::Waiting), "behind the plan");
}
