use super::*;
use crate::backend::{Board, Hosts};
use crate::base::Clock;
use crate::directory::{
    DirectoryHandle, DomainKind, DomainRule, ImportOptions, Rules, Unknown, read_csv,
};
use crate::mail::{Authenticity, Envelope, Peer, Recipient, SpoolId};
use crate::route::OutboundRelay;
use crate::smtp::{MailParameters, RcptParameters};

const TODAY: &str = "address,home,delivery_address,type\n\
    ann@example.org,onprem,,\nbob@example.org,onprem,,\ntom@example.org,onprem,,\n\
    eve@example.org,cloud,eve@tenant.example,\nmay@example.org,onprem,,\n";

fn directory(csv: &str) -> Directory {
    let rule = |name: &str, home: &str| DomainRule {
        name: name.to_owned(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new(home),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    };
    let mut old = rule("old.example", "onprem");
    old.unknown = Unknown::Relay;
    let rules = vec![rule("example.org", "onprem"), old];
    let options = ImportOptions {
        rules: Rules::of(rules),
        backends: ["onprem", "cloud"].map(BackendId::new).into(),
    };
    read_csv(csv.as_bytes(), options).unwrap()
}

fn backends() -> Vec<BackendOptions> {
    let backend = |name| {
        let hosts = Hosts::List(Vec::new());
        BackendOptions::new(BackendId::new(name), hosts)
    };
    ["onprem", "cloud"].map(backend).into()
}

fn message(from: &str, to: &[&str]) -> StoredMessage {
    let recipient = |address: &&str| Recipient {
        address: address.parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: String::new(),
        mailbox: None,
    };
    StoredMessage {
        id: SpoolId::default(),
        received: Timestamp::EPOCH,
        envelope: Arc::new(Envelope {
            from: from.parse().unwrap(),
            parameters: MailParameters::default(),
            recipients: to.iter().map(recipient).collect(),
            peer: Peer::default(),
            message_id: None,
            subject: None,
            header_from: None,
            authenticity: Authenticity::default(),
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        }),
        size: 0,
        states: Vec::new(),
    }
}

/// All of it goes through it, while everything is down.
fn rehearse(
    tomorrow: &str,
    mail: &[StoredMessage],
    backends: &[BackendOptions],
) -> RehearsalReport {
    let options = RouteOptions {
        relay: vec![OutboundRelay::Mx],
        ..RouteOptions::default()
    };
    let board = Board::new(backends, Clock::system());
    let router = Router::new(DirectoryHandle::new(directory(TODAY)), board, options);
    let tomorrow = directory(tomorrow);
    let mut rehearsal = router.rehearse(&tomorrow, backends);
    for message in mail {
        rehearsal.note(message);
    }
    rehearsal.finish()
}

fn told(report: &RehearsalReport) -> Vec<(&str, Becomes, &str, &str, u64)> {
    let findings = report.findings.iter();
    let told = findings.map(|one| {
        let (address, from, to) = (one.address.as_str(), one.from.as_str(), one.to.as_str());
        (address, one.becomes, from, to, one.recipients)
    });
    told.collect()
}

#[test]
fn each_address_is_told_what_becomes_of_its_mail() {
    let tomorrow = "address,home,delivery_address,type\n\
        ann@example.org,cloud,,\nbob@example.org,cloud,bob@old.example,\n\
        eve@example.org,cloud,e@tenant.example,\nnew@example.org,onprem,,\n\
        may@example.org,,two@example.org,contact\ntwo@example.org,,may@example.org,contact\n";
    let mail = [
        message("x@far.example", &["ann@example.org", "bob@example.org"]),
        message("x@far.example", &["ANN@example.org", "out@far.example"]),
        message(
            "",
            &["eve@example.org", "tom@example.org", "may@example.org"],
        ),
        message("x@far.example", &["new@example.org"]),
        message("x@far.example", &[]),
    ];
    let report = rehearse(tomorrow, &mail, &backends());
    assert_eq!(
        (report.messages, report.recipients, report.people),
        (4, 8, 7)
    );
    assert_eq!(
        told(&report),
        [
            // The address that the cloud would get is at home on the old platform.
            ("bob@example.org", Becomes::Loops, "onprem", "a circle", 1),
            ("may@example.org", Becomes::Loops, "onprem", "a circle", 1),
            ("tom@example.org", Becomes::Fails, "onprem", "nobody", 1),
            ("ann@example.org", Becomes::Rerouted, "onprem", "cloud", 2),
            ("eve@example.org", Becomes::Readdressed, "cloud", "cloud", 1),
            ("new@example.org", Becomes::Mended, "nobody", "onprem", 1),
        ]
    );
    let why = |number: usize| report.findings[number].what.as_str();
    assert!(why(0).contains("bob@old.example"), "{}", why(0));
    assert!(why(2).starts_with("550"), "{}", why(2));
    assert_eq!(why(4), "as e@tenant.example instead of eve@tenant.example");
    assert_eq!(report.becomes[&Becomes::Same], 1, "the stranger");
    let flow = report
        .flows
        .iter()
        .find(|one| one.to == "cloud" && one.from == "onprem");
    assert_eq!(flow.map(|one| (one.recipients, one.people)), Some((2, 1)));
    let cloud = &report.backends[0];
    assert_eq!((cloud.now, cloud.then, cloud.messages), (1, 3, 3));
}

/// A platform that sent mail for somebody back does so again.
#[test]
fn what_came_back_once_comes_back_again() {
    let mut back = message("x@far.example", &["eve@example.org", "ann@example.org"]);
    let looped = |id: &str| RecipientState::Held {
        reason: HoldReason::Loop {
            given_to: BackendId::new(id),
            home: BackendId::new(id),
            earlier: SpoolId::default(),
        },
        since: Timestamp::EPOCH,
        lane: id.to_owned(),
        attempts: 0,
        uncertain: false,
        on_hold: 0,
        exempt: None,
    };
    back.states = vec![looped("cloud"), looped("onprem")];
    let tomorrow = TODAY.replace("ann@example.org,onprem", "ann@example.org,cloud");
    let report = rehearse(&tomorrow, &[back], &backends());
    assert_eq!(
        told(&report),
        [
            ("eve@example.org", Becomes::Loops, "cloud", "cloud", 1),
            ("ann@example.org", Becomes::Rerouted, "onprem", "cloud", 1),
        ]
    );
}

#[test]
fn the_rates_say_how_long_a_day_takes() {
    let mut backends = backends();
    let some: Vec<StoredMessage> = (0..100)
        .map(|number| message(&format!("s{number}@far.example"), &["ann@example.org"]))
        .collect();
    let load = |backends: &[BackendOptions], mail: &[StoredMessage]| {
        let report = rehearse(TODAY, mail, backends);
        let load = report.backends[1].clone();
        (load.drain_seconds, load.slowest)
    };
    // Thirty a minute for one mailbox: the hundredth goes in the fourth minute.
    let ann = Some("ann@example.org".to_owned());
    assert_eq!(load(&backends, &some), (Some(180), ann));
    // A sender has a third of that.
    let one: Vec<StoredMessage> = (0..100)
        .map(|_| message("s@far.example", &["ann@example.org"]))
        .collect();
    let pair = Some("s@far.example to ann@example.org".to_owned());
    assert_eq!(load(&backends, &one), (Some(540), pair));
    backends[0].messages_per_minute = 2;
    assert_eq!(load(&backends, &some).0, Some(49 * 60));
    backends[0].messages_per_minute = 0;
    backends[0].mailbox_messages_per_minute = 0;
    backends[0].mailbox_messages_per_hour = 0;
    assert_eq!(load(&backends, &some), (None, None));
    let report = rehearse(TODAY, &some, &backends);
    assert!(report.findings.is_empty(), "{report:?}");
}
