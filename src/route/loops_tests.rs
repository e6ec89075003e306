use std::thread::JoinHandle;

use super::*;
use crate::backend::{BackendOptions, Board, Hosts, Override, Wish};
use crate::base::{Clock, Shutdown};
use crate::directory::{Directory, DirectoryHandle, DomainKind, DomainRule, Unknown};
use crate::mail::{Authenticity, Peer, RecipientState};
use crate::route::RouteOptions;
use crate::smtp::{MailParameters, RcptParameters};
use crate::spool::{Options, Rebuild, World};

fn rule(home: &str) -> DomainRule {
    DomainRule {
        name: "example.org".into(),
        kind: DomainKind::ExternalRelay,
        home: BackendId::new(home),
        failover: Vec::new(),
        unknown: Unknown::Relay,
    }
}

fn directory(home: &str) -> Directory {
    Directory::builder(vec![rule(home)]).finish()
}

fn envelope(message_id: &str, to: &[&str]) -> Envelope {
    let recipients = to.iter().map(|address| Recipient {
        address: address.parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: "onprem".to_owned(),
        mailbox: Some((*address).to_owned()),
    });
    Envelope {
        from: "eve@example.net".parse().unwrap(),
        parameters: MailParameters::default(),
        recipients: recipients.collect(),
        peer: Peer::default(),
        message_id: Some(message_id.to_owned()),
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

#[tokio::test]
async fn only_the_same_message_for_the_same_person_on_the_same_way_is_a_loop() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path()).0;
    let backends = ["onprem", "cloud"].map(|name| {
        let hosts = Hosts::List(vec!["127.0.0.1:25".to_owned()]);
        BackendOptions::new(BackendId::new(name), hosts)
    });
    let board = Board::new(&backends, Clock::system());
    let people = DirectoryHandle::new(directory("onprem"));
    let router = Router::new(people.clone(), board.clone(), RouteOptions::default());
    let key = VisitKey::new([7; 32]);
    let guard = LoopGuard::new(router, spool.clone(), key.clone());

    let mut draft = spool.draft();
    draft.append(b"Subject: a\r\n\r\nb\r\n").await.unwrap();
    let first = envelope("1@example.net", &["ann@example.org", "bob@example.org"]);
    let id = spool.accept(draft, first).await.unwrap();
    let (onprem, cloud) = (BackendId::new("onprem"), BackendId::new("cloud"));
    let value = |key: &VisitKey, backend: &BackendId| {
        let line = key.line(id, backend);
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    let ours = value(&key, &onprem);
    let now = Timestamp::from_millis(1_800_000_000_000);
    let check = |line: &str, message_id: &str, to: &[&str]| {
        guard.check(&[line.to_owned()], &envelope(message_id, to), now)
    };

    // Ann's mail is sent back; Joe got a copy by Bob's forwarding, which is no loop.
    let held = check(
        &ours,
        "1@example.net",
        &["joe@example.org", "ann@example.org"],
    );
    let expected = HoldReason::Loop {
        given_to: onprem.clone(),
        home: onprem.clone(),
        earlier: id,
    };
    assert_eq!(held, [(1, expected)]);
    // An answer with our line in it, a line of another key, a message that we never had.
    assert_eq!(check(&ours, "2@example.net", &["ann@example.org"]), []);
    let forged = value(&VisitKey::new([8; 32]), &onprem);
    assert_eq!(check(&forged, "1@example.net", &["ann@example.org"]), []);
    let unknown = key.line(SpoolId::from_u64(1), &onprem);
    let unknown = unknown.split_once(':').unwrap().1;
    assert_eq!(check(unknown, "1@example.net", &["ann@example.org"]), []);
    // While its home is held it would go there later all the same.
    let said = Override {
        wish: Wish::Hold,
        actor: "root".to_owned(),
        reason: String::new(),
        since: now,
    };
    board.set_override(&onprem, said);
    assert_eq!(check(&ours, "1@example.net", &["ann@example.org"]).len(), 1);
    // She has moved: where it goes now it has not been, unless that one sends it back too.
    people.replace(directory("cloud"));
    assert_eq!(check(&ours, "1@example.net", &["ann@example.org"]), []);
    let both = [value(&key, &cloud), ours.clone()];
    let held = guard.check(&both, &envelope("1@example.net", &["ann@example.org"]), now);
    assert!(matches!(&held[..], [(0, HoldReason::Loop { home, .. })] if *home == cloud));
    spool.close().await.unwrap();
}

fn open(folder: &std::path::Path) -> (Spool, JoinHandle<()>, Option<Rebuild>) {
    let options = Options {
        min_free: 0,
        ..Options::new(folder)
    };
    let opened = Spool::open(options, World::system()).unwrap();
    let writer = opened.writer.spawn_thread().unwrap();
    (opened.spool, writer, opened.rebuild)
}

#[tokio::test]
async fn what_is_held_from_the_beginning_is_held_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (spool, writer, _) = open(folder.path());
    let mut draft = spool.draft();
    draft.append(b"Subject: a\r\n\r\nb\r\n").await.unwrap();
    let mail = envelope("1@example.net", &["joe@example.org", "ann@example.org"]);
    let reason = HoldReason::Loop {
        given_to: BackendId::new("onprem"),
        home: BackendId::new("onprem"),
        earlier: SpoolId::from_u64(1),
    };
    let held = spool.accept_held(draft, mail, vec![(1, reason)]).await;
    let held = held.unwrap();
    spool.close().await.unwrap();
    drop(spool);
    writer.join().unwrap();
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (spool, _writer, rebuild) = open(folder.path());
    if let Some(rebuild) = rebuild {
        rebuild.run(Shutdown::new()).await.unwrap();
    }
    let states = spool.message(held).unwrap().unwrap().states;
    assert!(matches!(states[0], RecipientState::Queued { .. }));
    assert!(matches!(states[1], RecipientState::Held { .. }));
    spool.close().await.unwrap();
}
