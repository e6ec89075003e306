//! The store of a platform is restored from a backup: what it had taken since is lost. A replay
//! brings it back, and a second one brings nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Client, Lab, Tideover};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

fn send(tideover: &Tideover, numbers: std::ops::Range<usize>, to: &str) -> Vec<String> {
    let mut client = Client::try_connect(tideover.smtp()).unwrap();
    let ids = numbers.map(|number| format!("<{number}.{to}>"));
    let ids: Vec<String> = ids.collect();
    for id in &ids {
        let text = format!("From: <{EVE}>\r\nTo: <{to}>\r\nMessage-ID: {id}\r\n\r\n{id}\r\n");
        let reply = client.try_offer(EVE, &[to], text.as_bytes()).unwrap();
        assert_eq!(reply.code, 250, "{id}");
    }
    ids
}

/// Each of them once.
fn once(ids: &[&[String]]) -> BTreeMap<String, usize> {
    ids.iter()
        .flat_map(|ids| ids.iter().map(|id| (id.clone(), 1)))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

/// The store breaks: Ann's mailbox is as in the backup, Bob's is empty.
fn break_store(lab: &mut Lab, backup: &Path) {
    lab.onprem.stop();
    for user in [ANN, BOB] {
        fs::remove_dir_all(lab.onprem.maildir(user)).unwrap();
    }
    copy(backup, &lab.onprem.maildir(ANN));
    lab.onprem.start_again();
}

#[test]
fn a_replay_fills_a_store_of_yesterday_and_brings_nothing_twice() {
    let mut lab = Lab::new();
    let tideover = lab.tideover();
    let early = [send(&tideover, 0..5, ANN), send(&tideover, 0..3, BOB)];
    tideover.wait_idle();
    lab.onprem.settled();

    // The backup of tonight.
    let backup = lab.path("backup");
    let since = jiff::Timestamp::now().to_string();
    lab.onprem.stop();
    copy(&lab.onprem.maildir(ANN), &backup);
    lab.onprem.start_again();
    tideover.wait_health("onprem", "up");
    let late = send(&tideover, 5..13, ANN);
    let dee = send(&tideover, 0..2, "dee@example.org");
    tideover.wait_idle();
    lab.onprem.settled();
    assert_eq!(lab.onprem.message_ids(ANN), once(&[&early[0], &late]));

    break_store(&mut lab, &backup);
    tideover.wait_health("onprem", "up");
    assert_eq!(lab.onprem.message_ids(ANN), once(&[&early[0]]));

    let until = jiff::Timestamp::now().to_string();
    let window = ["--by", "delivered", "--since", &since, "--until", &until];
    let ann = [
        &["replay", "plan", "--to", "onprem", "--recipient", ANN],
        &window[..],
    ]
    .concat();
    let planned = tideover.json(&ann);
    assert_eq!(planned["recipients"], 8, "{planned}");
    assert_eq!(planned["messages"], 8, "{planned}");
    assert!(planned["eta_seconds"].is_u64(), "{planned}");
    let id = planned["id"].as_str().unwrap();
    let done = tideover.json(&["replay", "start", id, "--wait"]);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["counts"]["delivered"], 8, "{done}");
    let bob = [
        "replay",
        "start",
        "--to",
        "onprem",
        "--recipient",
        BOB,
        "--wait",
    ];
    let done = tideover.json(&bob);
    assert_eq!(done["counts"]["delivered"], 3, "{done}");
    lab.onprem.settled();
    assert_eq!(lab.onprem.message_ids(ANN), once(&[&early[0], &late]));
    assert_eq!(lab.onprem.message_ids(BOB), once(&[&early[1]]));
    for stored in lab.onprem.mailbox(BOB) {
        let wish = stored.header("x-auto-response-suppress");
        assert_eq!(wish.as_deref(), Some("All"));
    }
    assert_eq!(lab.onprem.imap_count(ANN), 13, "as the user sees it");

    // A second run brings nothing.
    let again = tideover.json(&ann);
    assert_eq!(again["recipients"], 0, "{again}");
    assert_eq!(again["skipped"][0]["reason"], "already", "{again}");
    let done = tideover.json(&bob);
    assert_eq!(done["counts"]["delivered"], 0, "{done}");
    lab.onprem.settled();
    assert_eq!(lab.onprem.message_ids(BOB), once(&[&early[1]]));
    assert_eq!(lab.cloud.message_ids("dee@example.org"), once(&[&dee]));
    check_history(&tideover, &late[0]);
}

/// It has both deliveries, and its end is the first one.
fn check_history(tideover: &Tideover, id: &str) {
    let trace = tideover.json(&["trace", id]);
    let recipient = &trace["messages"][0]["recipients"][0];
    assert_eq!(recipient["state"], "delivered", "{trace}");
    let events = recipient["events"].as_array().unwrap();
    let words: Vec<_> = events
        .iter()
        .map(|one| one["event"].as_str().unwrap())
        .collect();
    assert!(words.ends_with(&["delivered", "replay"]), "{trace}");
}
