//! Mail that waits on purpose goes when an administrator says so, once, and where it belongs then.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Lab, SHORT, Starttls, Tideover, eventually, swaks};

const EVE: &str = "eve@sender.example";
/// Gives ann@example.org this row, `home,delivery_address`; everybody else stays.
fn directory(lab: &Lab, tideover: &Tideover, ann: &str) {
    let file = lab.path("tideover").join("directory.csv");
    let text = fs::read_to_string(&file).unwrap();
    let others = text
        .lines()
        .filter(|row| !row.starts_with("ann@") && !row.starts_with("cy@"));
    let mut rows: Vec<String> = others.map(str::to_owned).collect();
    rows.push(format!("ann@example.org,{ann}\n"));
    fs::write(file, rows.join("\n")).unwrap();
    tideover.json(&["reload"]);
}

fn send(tideover: &Tideover, to: &str, number: u32) -> String {
    let message_id = format!("<{number}@sender.example>");
    swaks(tideover.smtp(), Starttls::No, (EVE, &[to]), &message_id);
    message_id
}

fn wait_held(tideover: &Tideover, count: u64) {
    eventually(SHORT, "mail is held", || {
        (tideover.queue("held") == count).then_some(())
    });
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Cloud does not know Ann, whom the directory sends there: 550 5.1.1. Her mail waits, in the spool
/// and through a restart; when the directory is mended, it goes.
#[test]
fn a_refused_recipient_is_released() {
    let lab = Lab::new();
    let mut tideover = lab.tideover();
    directory(&lab, &tideover, "cloud,");
    let mut ids: Vec<String> = (1..=2)
        .map(|number| send(&tideover, "ann@example.org", number))
        .collect();
    // Bob, whose mail is taken, is its first recipient.
    let both = ["bob@example.org", "ann@example.org"];
    let third = "<3@sender.example>";
    swaks(tideover.smtp(), Starttls::No, (EVE, &both), third);
    ids.push(third.to_owned());
    wait_held(&tideover, 3);
    lab.onprem.wait_for("bob@example.org", third);
    let held = tideover.json(&["queue", "list", "--state", "held"]);
    assert!(text(&held[0], "reason").contains("5.1.1"), "{held}");
    // Released too early it is refused and held again.
    let released = tideover.json(&["queue", "release", "--recipient", "ann@example.org"]);
    assert_eq!(released["recipients"], 3, "{released}");
    wait_held(&tideover, 3);
    tideover.stop();
    tideover.start_again();
    wait_held(&tideover, 3);

    directory(&lab, &tideover, "onprem,");
    let copies = lab.path("copies");
    let folder = copies.to_str().unwrap();
    let exported = tideover.json(&["queue", "export", folder, "--reason-kind", "refused"]);
    assert_eq!(exported["messages"], 3, "{exported}");
    let manifest = fs::read_to_string(copies.join("manifest.jsonl")).unwrap();
    let mut meant: Vec<(String, Value)> = manifest
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let message_id = text(&line["envelope"], "message_id").to_owned();
            (message_id, line["selected"].clone())
        })
        .collect();
    meant.sort_by(|one, other| one.0.cmp(&other.0));
    // Ann, and not Bob who has got his.
    let ann = |number: u32, place: u16| (format!("{number}@sender.example"), json!([place]));
    assert_eq!(meant, [ann(1, 0), ann(2, 0), ann(3, 1)], "{manifest}");
    let released = tideover.json(&["queue", "release", "--reason-kind", "refused"]);
    assert_eq!(released["recipients"], 3, "{released}");
    for id in &ids {
        let stored = lab.onprem.wait_for("ann@example.org", id);
        let trace = tideover.json(&["trace", id]);
        let spool_id = text(&trace["messages"][0], "id");
        let copy = fs::read(copies.join(format!("{spool_id}.eml"))).unwrap();
        let without_cr = |bytes: &[u8]| -> Vec<u8> {
            let bytes = bytes.iter().copied();
            bytes.filter(|byte| *byte != b'\r').collect()
        };
        let (copy, stored) = (without_cr(&copy), without_cr(stored.bytes()));
        // The platform puts lines of its own in front.
        assert!(copy.len() > 100 && stored.ends_with(&copy), "{id}");
    }
    tideover.wait_idle();
    assert_eq!(lab.onprem.settled().mailbox("ann@example.org").len(), 3);
    assert!(lab.cloud.message_ids("dee@example.org").is_empty());
}

/// A domain is in transit: nothing is delivered, nothing is lost, and at the end everything is
/// where the directory then says.
#[test]
fn a_domain_moves_between_platforms() {
    let mut lab = Lab::new();
    let mut tideover = lab.tideover();
    directory(&lab, &tideover, "onprem,");
    let step = tideover.json(&["move", "start", "example.org", "--reason", "to the cloud"]);
    assert_eq!(step["done"], true, "{step}");
    let mut ids = vec![
        send(&tideover, "ann@example.org", 1),
        send(&tideover, "dee@example.org", 2),
    ];
    wait_held(&tideover, 2);
    lab.onprem.stop();
    tideover.kill();
    tideover.start_again();
    ids.push(send(&tideover, "ann@example.org", 3));
    wait_held(&tideover, 3);
    let moves = tideover.json(&["move", "status"]);
    assert_eq!(text(&moves[0], "state"), "moving", "{moves}");
    assert_eq!(moves[0]["held"], 3, "{moves}");
    assert!(moves[0]["oldest"].is_string(), "{moves}");
    let explained = tideover.json(&["explain", "ann@example.org"]);
    assert_eq!(text(&explained, "decision"), "hold", "{explained}");
    assert!(lab.cloud.message_ids("dee@example.org").is_empty());

    // Her mailbox is in the cloud now, under another name.
    directory(&lab, &tideover, "cloud,cy@tenant.example");
    assert_eq!(tideover.queue("held"), 3, "a reload ends no move");
    let arguments = [
        "move",
        "finish",
        "example.org",
        "--home",
        "cloud",
        "--force",
    ];
    let step = tideover.json(&arguments);
    assert_eq!(step["done"], true, "{step}");
    assert_eq!(step["recipients"], 3, "{step}");
    lab.cloud.wait_for("cy@tenant.example", &ids[0]);
    lab.cloud.wait_for("dee@example.org", &ids[1]);
    lab.cloud.wait_for("cy@tenant.example", &ids[2]);
    tideover.wait_idle();
    assert_eq!(lab.cloud.settled().mailbox("cy@tenant.example").len(), 2);
    assert_eq!(lab.cloud.settled().mailbox("dee@example.org").len(), 1);
    let moves = tideover.json(&["move", "status"]);
    assert_eq!(text(&moves[0], "state"), "finished", "{moves}");
    assert_eq!(text(&moves[0], "home"), "cloud", "{moves}");
}

#[test]
fn a_hold_by_domain_ends_with_its_release() {
    let lab = Lab::new();
    let tideover = lab.tideover();
    let arguments = [
        "queue",
        "hold",
        "--domain",
        "example.org",
        "--reason",
        "patches",
    ];
    let hold = tideover.json(&arguments);
    assert_eq!(text(&hold, "name"), "h1", "{hold}");
    let id = send(&tideover, "bob@example.org", 1);
    wait_held(&tideover, 1);
    let holds = tideover.json(&["queue", "holds"]);
    assert_eq!(holds[0]["held"], 1, "{holds}");
    let released = tideover.json(&["queue", "release", "--domain", "example.org"]);
    assert_eq!(text(&released["ended"][0], "name"), "h1", "{released}");
    lab.onprem.wait_for("bob@example.org", &id);
    tideover.wait_idle();
    assert_eq!(lab.onprem.settled().mailbox("bob@example.org").len(), 1);
}
