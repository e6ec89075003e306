//! What people did in the webmail is in their mailboxes afterwards, once, also when we or the
//! platform die in the middle of it.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use serde_json::Value;

use crate::harness::{Client, LONG, Lab, SHORT, Tideover, Webmail, eventually};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

/// As Outlook makes them in German; the server says of none what it is for.
const SENT: &str = "Gesendete Elemente";
const DRAFTS: &str = "Entw&APw-rfe";
const TRASH: &str = "Gel&APY-schte Elemente";
const ARCHIVE: &str = "Archiv";

/// A message on the disk: its flags as Maildir has them, and its time.
struct Found {
    id: String,
    flags: String,
    time: SystemTime,
    text: String,
}

fn folder(lab: &Lab, user: &str, name: &str) -> Vec<Found> {
    let mut folder = lab.onprem.maildir(user);
    if name != "INBOX" {
        folder = folder.join(format!(".{name}"));
    }
    let mut found = Vec::new();
    for part in ["new", "cur"] {
        let Ok(entries) = fs::read_dir(folder.join(part)) else {
            continue;
        };
        for entry in entries.map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            // Dovecot may rename a file between the listing and the reading.
            let (Ok(text), Ok(meta)) = (fs::read_to_string(entry.path()), entry.metadata()) else {
                continue;
            };
            let id = text
                .lines()
                .find_map(|line| line.strip_prefix("Message-ID: "));
            let id = id.unwrap_or_default().to_owned();
            let flags = name.split_once(":2,").map_or("", |(_, flags)| flags);
            found.push(Found {
                id,
                flags: flags.to_owned(),
                time: meta.modified().unwrap(),
                text,
            });
        }
    }
    found
}

/// How often each message is in this folder: as files, whoever made them.
fn counted(lab: &Lab, user: &str, name: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for found in folder(lab, user, name) {
        *counts.entry(found.id).or_default() += 1;
    }
    counts
}

fn once(ids: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    ids.into_iter().map(|id| (id, 1)).collect()
}

fn name(number: usize, user: &str) -> String {
    format!("<{number}.{user}>")
}

fn names(numbers: std::ops::Range<usize>, user: &str) -> impl Iterator<Item = String> {
    numbers.map(move |number| name(number, user))
}

/// Mail for a user; the spool ids, in order.
fn deliver(tideover: &Tideover, count: usize, to: &str) -> Vec<String> {
    let mut client = Client::connect(tideover.smtp());
    for number in 0..count {
        let id = name(number, to);
        let text = format!("From: <{EVE}>\r\nTo: <{to}>\r\nMessage-ID: {id}\r\n\r\nhi\r\n");
        client.send(EVE, &[to], text.as_bytes());
    }
    tideover.wait_idle();
    let traced = tideover.json(&["trace", to, "--limit", "1000"]);
    let messages = traced["messages"].as_array().unwrap();
    let ids: BTreeMap<&str, &str> = messages
        .iter()
        .map(|one| {
            (
                one["message_id"].as_str().unwrap(),
                one["id"].as_str().unwrap(),
            )
        })
        .collect();
    let of = |number| {
        let name = name(number, to);
        let bare = name.trim_matches(['<', '>']);
        let id = ids.get(bare).or_else(|| ids.get(name.as_str()));
        (*id.unwrap()).to_owned()
    };
    (0..count).map(of).collect()
}

fn done(progress: &Value) {
    assert_eq!(progress["state"], "done", "{progress}");
    assert_eq!(progress["failed"], 0, "{progress}");
    assert_eq!(progress["carried"]["refused"], 0, "{progress}");
    assert_eq!(progress["carried"]["absent"], 0, "{progress}");
}

#[test]
fn it_is_where_it_belongs_and_only_once() {
    let mut lab = Lab::new();
    let mut settings = lab.settings();
    settings.web = "undo_send = \"0s\"".to_owned();
    settings.more = lab.onprem.imap_section("onprem", &lab.path(""));
    let mut tideover = lab.tideover_with(settings);
    let creates = [SENT, DRAFTS, TRASH, ARCHIVE].map(|name| format!("create \"{name}\""));
    lab.onprem
        .imap_says(ANN, &creates.each_ref().map(String::as_str));
    let ids = deliver(&tideover, 60, ANN);
    lab.onprem.settled();

    let mut ann = Webmail::enrol(&tideover, ANN);
    ann.read(&ids[0]);
    ann.act("flag", &ids[1..2]);
    ann.act("delete", &ids[2..5]);
    ann.act("archive", &ids[10..60]);
    ann.write("send", (BOB, "Sent meanwhile"));
    ann.write("save", ("somebody", "Not finished"));
    let sent_by = SystemTime::from(jiff::Timestamp::now());
    tideover.wait_idle();

    let plan = tideover.json(&["writeback"]);
    for (what, count) in [("sent", 1), ("drafts", 1), ("deleted", 3), ("filed", 50)] {
        assert_eq!(plan[what], count, "{what} in {plan}");
    }
    tideover.json(&["writeback", "start"]);
    eventually(SHORT, "something is in the archive", || {
        (!folder(&lab, ANN, ARCHIVE).is_empty()).then_some(())
    });
    tideover.kill();
    tideover.start_again();
    done(&tideover.json(&["writeback", "status", "--wait"]));
    check_ann(&lab, sent_by);
    // Once more: there is nothing to do, and what she does there stays.
    let undo = ["select INBOX", "store 1:* -FLAGS.SILENT (\\Seen \\Flagged)"];
    lab.onprem.imap_says(ANN, &undo);
    let again = tideover.json(&["writeback", "start", "--wait"]);
    done(&again);
    assert_eq!(again["total"], 0, "{again}");
    let flags = folder(&lab, ANN, "INBOX");
    assert!(flags.iter().all(|one| one.flags.is_empty()));

    bob_whose_platform_dies(&mut lab, &tideover);
}

fn check_ann(lab: &Lab, sent_by: SystemTime) {
    let inbox = folder(lab, ANN, "INBOX");
    let flags = |number| {
        let id = name(number, ANN);
        let found = inbox.iter().find(|one| one.id == id);
        found.unwrap_or_else(|| panic!("no {id}")).flags.clone()
    };
    assert_eq!((flags(0).as_str(), flags(1).as_str()), ("S", "F"));
    assert_eq!(flags(6), "");
    let rest = names(0..2, ANN).chain(names(5..10, ANN));
    assert_eq!(counted(lab, ANN, "INBOX"), once(rest));
    assert_eq!(counted(lab, ANN, TRASH), once(names(2..5, ANN)));
    assert_eq!(counted(lab, ANN, ARCHIVE), once(names(10..60, ANN)));
    let sent = folder(lab, ANN, SENT);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].flags, "S");
    assert!(sent[0].text.contains("Subject: Sent meanwhile"));
    assert!(sent[0].time <= sent_by, "INTERNALDATE is when she sent it");
    let drafts = folder(lab, ANN, DRAFTS);
    assert_eq!(drafts.len(), 1);
    assert!(drafts[0].flags.contains('D'), "{}", drafts[0].flags);
    assert!(drafts[0].text.contains("Subject: Not finished"));
    assert!(drafts[0].text.contains("To: somebody"));
}

/// Bob has no folders at all, and Dovecot goes away in the middle.
fn bob_whose_platform_dies(lab: &mut Lab, tideover: &Tideover) {
    let ids = deliver(tideover, 60, BOB);
    lab.onprem.settled();
    let mut bob = Webmail::enrol(tideover, BOB);
    bob.act("delete", &ids);
    tideover.json(&["writeback", "start", "--user", BOB]);
    eventually(SHORT, "something is in the trash", || {
        (!folder(lab, BOB, "Trash").is_empty()).then_some(())
    });
    lab.onprem.kill();
    lab.onprem.start_again();
    let ended = eventually(LONG, "the write-back ends", || {
        let status = tideover.json(&["writeback", "status"]);
        (status["state"] != "running").then_some(status)
    });
    done(&ended);
    assert_eq!(counted(lab, BOB, "Trash"), once(names(0..60, BOB)));
    let left = counted(lab, BOB, "INBOX");
    assert!(
        names(0..60, BOB).all(|id| !left.contains_key(&id)),
        "{left:?}"
    );
}
