//! A store of yesterday, and a mailbox half emptied: one command brings what is missing, and
//! nothing else. What users deleted themselves stays deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Client, Lab, Tideover};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

type Ids = BTreeMap<String, usize>;

/// Long ago: a replay is not the day on which it was written.
fn text(id: &str, to: &str) -> String {
    format!(
        "From: <{EVE}>\r\nTo: <{to}>\r\nDate: Tue, 3 Mar 2020 10:00:00 +0100\r\n\
         Message-ID: {id}\r\nSubject:  two  blanks\r\n\r\n{id}\r\n.dot\r\n\r\n"
    )
}

fn send(tideover: &Tideover, numbers: std::ops::Range<usize>, to: &str) -> Ids {
    let mut client = Client::try_connect(tideover.smtp()).unwrap();
    let mut sent = Ids::new();
    for number in numbers {
        let id = format!("<{number}.{to}>");
        let text = text(&id, to);
        let reply = client.try_offer(EVE, &[to], text.as_bytes()).unwrap();
        assert_eq!(reply.code, 250, "{id}");
        sent.insert(id, 1);
    }
    sent
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

/// What is in neither of these.
fn missing(all: &Ids, inbox: &Ids, trash: &Ids) -> BTreeSet<String> {
    let gone = |id: &&String| !inbox.contains_key(*id) && !trash.contains_key(*id);
    all.keys().filter(gone).cloned().collect()
}

/// Ann's store is that of the backup; Bob's loses two messages. Both have deleted some.
fn break_stores(lab: &mut Lab, backup: &Path) {
    lab.onprem.stop();
    fs::remove_dir_all(lab.onprem.maildir(ANN)).unwrap();
    copy(backup, &lab.onprem.maildir(ANN));
    lab.onprem.start_again();
    let delete = ["create Trash", "select INBOX", "move 1:2 Trash"];
    lab.onprem.imap_says(ANN, &delete);
    lab.onprem.imap_says(BOB, &delete);
    let expunge = [
        "select INBOX",
        "store 1:2 +FLAGS.SILENT (\\Deleted)",
        "expunge",
    ];
    lab.onprem.imap_says(BOB, &expunge);
}

/// Everybody has what he had, but for what he deleted: that stays in the trash.
fn check(lab: &Lab, all: [&Ids; 2], (trash, lost): (&[Ids; 2], &[BTreeSet<String>; 2])) {
    for (at, user) in [ANN, BOB].into_iter().enumerate() {
        let mut expected = all[at].clone();
        expected.retain(|id, _| !trash[at].contains_key(id));
        assert_eq!(lab.onprem.message_ids(user), expected, "{user}");
        let deleted = lab.onprem.message_ids_in(user, "Trash");
        assert_eq!(deleted, trash[at], "{user}");
        for stored in lab.onprem.mailbox(user) {
            let id = stored.header("message-id").unwrap();
            let sent = text(&id, user);
            assert!(
                stored.bytes().ends_with(sent.as_bytes()),
                "{id} is as it was sent"
            );
            let is_replay = stored.header("x-auto-response-suppress").is_some();
            assert_eq!(is_replay, lost[at].contains(&id), "{id}");
        }
    }
    // Nobody is told anything by mail.
    let log = lab.onprem.log();
    assert!(!log.contains("from=<>"), "{log}");
}

#[test]
fn a_mailbox_gets_what_it_lost_and_not_what_its_user_deleted() {
    let mut lab = Lab::new();
    let mut settings = lab.settings();
    settings.more = lab.onprem.imap_section("onprem", &lab.path(""));
    let tideover = lab.tideover_with(settings);
    let mut all = send(&tideover, 0..5, ANN);
    let bob = send(&tideover, 0..6, BOB);
    tideover.wait_idle();
    lab.onprem.settled();

    // The backup of tonight, and a day after it.
    let backup = lab.path("backup");
    lab.onprem.stop();
    copy(&lab.onprem.maildir(ANN), &backup);
    lab.onprem.start_again();
    tideover.wait_health("onprem", "up");
    all.extend(send(&tideover, 5..12, ANN));
    tideover.wait_idle();
    lab.onprem.settled();

    break_stores(&mut lab, &backup);
    tideover.wait_health("onprem", "up");
    let trash = [ANN, BOB].map(|user| lab.onprem.message_ids_in(user, "Trash"));
    let inbox = [ANN, BOB].map(|user| lab.onprem.message_ids(user));
    assert_eq!(trash.each_ref().map(Ids::len), [2, 2]);
    let lost = [
        missing(&all, &inbox[0], &trash[0]),
        missing(&bob, &inbox[1], &trash[1]),
    ];
    assert_eq!(lost.each_ref().map(BTreeSet::len), [7, 2]);

    let until = jiff::Timestamp::now().to_string();
    let domain = [
        "--domain",
        "example.org",
        "--until",
        &until,
        "--missing-only",
    ];
    let plan = [&["replay", "plan", "--to", "onprem"], &domain[..]].concat();
    let planned = tideover.json(&plan);
    assert_eq!(planned["recipients"], 9, "{planned}");
    let left_out = |reason: &str| {
        let all = planned["skipped"].as_array().unwrap().iter();
        let found = all.clone().find(|one| one["reason"] == reason);
        found.map_or(0, |one| one["recipients"].as_u64().unwrap())
    };
    assert_eq!(
        (left_out("present"), left_out("in-trash")),
        (5, 4),
        "{planned}"
    );
    let start = [
        &["replay", "start", "--wait", "--to", "onprem"],
        &domain[..],
    ]
    .concat();
    let done = tideover.json(&start);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["counts"]["delivered"], 9, "{done}");
    assert_eq!(done["counts"]["present"], 9, "{done}");
    lab.onprem.settled();
    check(&lab, [&all, &bob], (&trash, &lost));
    // Once more, whatever was replayed before: the mailboxes have all of it.
    let again = [&start[..], &["--again"]].concat();
    let done = tideover.json(&again);
    assert_eq!(done["counts"]["delivered"], 0, "{done}");
    assert_eq!(done["counts"]["present"], 18, "{done}");
}
