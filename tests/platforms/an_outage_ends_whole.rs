//! The platform goes down and loses its store, a user moves to the other platform meanwhile, IMAP
//! dies while a replay asks what is missing, and Tideover is killed twice: in the end everybody has
//! everything, and the ledger proves it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::harness::{Client, LONG, Lab, Tideover, Trap, Wire, eventually};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
/// What had come before the outage.
const BEFORE: usize = 150;
/// In the middle of a question about a mailbox.
const MIDDLE: Trap = Trap::BytesToServer(200);
/// What had come up to its end.
const ALL: usize = 160;

fn send(tideover: &Tideover, numbers: std::ops::Range<usize>, to: &str) {
    let mut client = Client::try_connect(tideover.smtp()).unwrap();
    for number in numbers {
        let id = format!("<{number}.{to}>");
        let text = format!("From: <{EVE}>\r\nTo: <{to}>\r\nMessage-ID: {id}\r\n\r\n{id}\r\n");
        let reply = client.try_offer(EVE, &[to], text.as_bytes()).unwrap();
        assert_eq!(reply.code, 250, "{id}");
    }
}

fn laboratory() -> Lab {
    let onprem = [ANN, BOB].map(str::to_owned);
    Lab::of(&onprem, &[BOB.to_owned()])
}

/// Ann's mail is lost with the store; Bob's lies there no more either, and he lives elsewhere now.
fn lose_the_store(lab: &mut Lab) {
    for user in [ANN, BOB] {
        fs::remove_dir_all(lab.onprem.maildir(user)).unwrap();
    }
    lab.onprem.start_again();
}

fn replay(tideover: &Tideover, id: &str) -> Value {
    tideover.json(&["replay", "status", id])
}

/// Tideover is killed in the middle of a question; when it asks anew, IMAP dies in the middle.
fn break_questions(tideover: &mut Tideover, wire: &Wire) {
    wire.wait_sprung();
    tideover.kill();
    wire.cut();
    wire.arm(MIDDLE);
    tideover.start_again();
    wire.wait_sprung();
    wire.cut();
}

/// Everything once; what an interrupted attempt may have brought twice is counted.
fn check(tideover: &Tideover, have: &BTreeMap<String, usize>, numbers: usize, to: &str) {
    let missing = (0..numbers).find(|number| !have.contains_key(&format!("<{number}.{to}>")));
    assert_eq!(missing, None, "{to} has {} of {numbers}", have.len());
    let twice: usize = have.values().map(|copies| copies - 1).sum();
    let report = tideover.json(&["report", "--since", "2020-01-01"]);
    let replays = tideover.json(&["replay", "list"]);
    let of_replays = replays.as_array().into_iter().flatten();
    let uncertain: u64 = of_replays
        .map(|one| &one["counts"])
        .chain([&report])
        .filter_map(|counts| counts["uncertain"].as_u64())
        .sum();
    assert!(
        twice as u64 <= uncertain,
        "{twice} came twice, {uncertain} known"
    );
}

/// Plans what is missing of Ann's mail; its name.
fn plan_missing(tideover: &Tideover) -> String {
    let until = jiff::Timestamp::now().to_string();
    let planned = tideover.json(&[
        "replay",
        "plan",
        "--missing-only",
        "--to",
        "onprem",
        "--recipient",
        ANN,
        "--until",
        &until,
    ]);
    assert_eq!(planned["recipients"], BEFORE, "{planned}");
    planned["id"].as_str().unwrap().to_owned()
}

/// Bob's old mail comes to where he is; nobody has to be asked, it is another mailbox.
fn bring_after(tideover: &Tideover) {
    let done = tideover.json(&[
        "replay",
        "start",
        "--to",
        "cloud",
        "--recipient",
        BOB,
        "--from-backend",
        "onprem",
        "--wait",
    ]);
    assert_eq!(done["counts"]["delivered"], 20, "{done}");
}

#[test]
fn everybody_has_everything_whatever_died_meanwhile() {
    let mut lab = laboratory();
    let section = lab.onprem.imap_section("onprem", &lab.path(""));
    let wire = Wire::to(lab.onprem.imap(), lab.address());
    let mut settings = lab.settings();
    settings.more = section.replace(&lab.onprem.imap().to_string(), &wire.port().to_string());
    let mut tideover = lab.tideover_with(settings);
    send(&tideover, 0..BEFORE, ANN);
    send(&tideover, 0..20, BOB);
    tideover.wait_idle();
    lab.onprem.settled();
    let before = tideover.json(&["report", "--since", "2020-01-01"]);
    let anchor = before["anchor"].as_str().unwrap().to_owned();

    // The outage. In the middle of it Bob moves: what waits for him goes where he is now.
    lab.onprem.kill();
    tideover.wait_health("onprem", "down");
    send(&tideover, BEFORE..ALL, ANN);
    send(&tideover, 20..30, BOB);
    tideover.json(&[
        "directory",
        "set",
        BOB,
        "--home",
        "cloud",
        "--reason",
        "he needs his mail today",
    ]);
    for number in 20..30 {
        lab.cloud.wait_for(BOB, &format!("<{number}.{BOB}>"));
    }
    lose_the_store(&mut lab);
    tideover.wait_health("onprem", "up");
    tideover.wait_idle();

    bring_after(&tideover);
    lab.cloud.settled();
    check(&tideover, &lab.cloud.message_ids(BOB), 30, BOB);

    // Tideover dies while it asks, IMAP while it is asked, and Tideover while it delivers.
    let id = plan_missing(&tideover);
    wire.arm(MIDDLE);
    tideover.json(&["replay", "start", &id]);
    break_questions(&mut tideover, &wire);
    eventually(LONG, "the replay brings mail", || {
        (lab.onprem.mailbox(ANN).len() > ALL - BEFORE + 10).then_some(())
    });
    tideover.kill();
    tideover.start_again();
    eventually(LONG, "the replay is done", || {
        (replay(&tideover, &id)["state"] == "done").then_some(())
    });
    lab.onprem.settled();
    check(&tideover, &lab.onprem.message_ids(ANN), ALL, ANN);
    let done = replay(&tideover, &id);
    let failed = done["counts"]["refused"].as_u64().unwrap_or(0);
    assert_eq!(failed, 0, "{done}");

    // Nothing was changed behind our back, also not by two kills.
    let checked = tideover.json(&["report", "verify", "--anchor", &anchor]);
    assert_eq!(checked["wrong"], 0, "{checked}");

    // What lies there and nobody wrote is found, and known once somebody has said why.
    let ledger = lab.settings().data_dir.join("ledger");
    fs::write(ledger.join("0000000077.jsonl.gz"), b"from a backup").unwrap();
    let verify = ["report", "verify"];
    let found = tideover.failed(&verify);
    assert!(found["wrong"].as_u64() > Some(0), "{found}");
    let seen = found["seen"].as_str().unwrap();
    let why = ["--seen", seen, "--acknowledge", "brought back by Kim"];
    let known = tideover.json(&[&verify[..], &why].concat());
    assert_eq!(known["wrong"], 0, "{known}");
    assert_eq!(tideover.json(&verify)["wrong"], 0);
    // A file of the ledger that cannot be read is told, acknowledged or not.
    let report = tideover.json(&["report", "--since", "2020-01-01"]);
    assert_eq!(report["ledger_gaps"], 1, "{report}");
    // Kills alone lose nothing, and nothing is said to be.
    let nothing = serde_json::json!({ "messages": 0, "pieces": 0 });
    assert_eq!(report["lost"], nothing, "{report}");
}
