//! Dovecot is asked whether mail is there, in which folder, and what is not.

use crate::harness::{Client, LONG, Lab, Tideover, eventually};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

fn send(tideover: &Tideover, count: usize, to: &str) {
    let mut client = Client::try_connect(tideover.smtp()).unwrap();
    for number in 0..count {
        let id = format!("<{number}.{to}>");
        let text = format!(
            "From: <{EVE}>\r\nTo: <{to}>\r\nMessage-ID: {id}\r\nX-Spam-Flag: YES\r\n\r\n{id}\r\n"
        );
        let reply = client.try_offer(EVE, &[to], text.as_bytes()).unwrap();
        assert_eq!(reply.code, 250, "{id}");
    }
}

#[test]
fn mail_is_found_where_it_is_and_missed_where_it_is_not() {
    let lab = Lab::new();
    let mut settings = lab.settings();
    settings.more = lab.onprem.imap_section("onprem", &lab.path(""));
    settings.more += "[landing]\nsample = \"all\"\nwithin = \"2m\"\n";
    let tideover = lab.tideover_with(settings);
    eventually(LONG, "the proofs begin", || {
        let status = tideover.json(&["landing", "status"]);
        status["proven_until"].is_string().then_some(())
    });
    send(&tideover, 6, ANN);
    send(&tideover, 2, BOB);
    tideover.wait_idle();
    lab.onprem.settled();
    eventually(LONG, "all of it is found", || {
        let status = tideover.json(&["landing", "status"]);
        (status["found"] == 8).then_some(())
    });
    let trace = tideover.json(&["trace", ANN]);
    let events = &trace["messages"][0]["recipients"][0]["events"];
    let last = events.as_array().unwrap().last().unwrap();
    assert_eq!(last["event"], "landing", "{trace}");
    // The sender's word about spam is not the platform's.
    assert_eq!(last["detail"], "found at onprem in INBOX", "{trace}");

    // The user and the filter move mail, and some is lost.
    let moved = [
        "create Junk",
        "create Trash",
        "select INBOX",
        "move 1:2 Junk",
        "move 1 Trash",
        "store 1 +FLAGS.SILENT (\\Deleted)",
        "expunge",
    ];
    lab.onprem.imap_says(ANN, &moved);
    let check = [
        "landing",
        "check",
        "--to",
        "onprem",
        "--domain",
        "example.org",
    ];
    let until = jiff::Timestamp::now().to_string();
    // What is missing is no success.
    let seen = tideover.failed(&[&check[..], &["--until", &until]].concat());
    assert_eq!(
        (&seen["checked"], &seen["missing"]),
        (&8.into(), &1.into()),
        "{seen}"
    );
    let folders = serde_json::json!({"inbox": 4, "junk": 2, "trash": 1});
    assert_eq!(seen["folders"], folders, "{seen}");
    assert_eq!(seen["mail"][0]["address"], ANN, "{seen}");
    let status = tideover.json(&["landing", "status"]);
    assert_eq!(status["missing_now"], 1, "{status}");
    assert_eq!(tideover.json(&["status"])["missing_mail"], 1);
    assert_eq!(
        lab.onprem.message_ids(ANN).len(),
        2,
        "nothing is sent again"
    );
    let mail: tideover::queue::landing::MissingMail =
        serde_json::from_value(status["mail"][0].clone()).unwrap();
    let name = mail.name();
    tideover.json(&["landing", "dismiss", &name]);
    assert_eq!(tideover.json(&["status"])["missing_mail"], 0);
}
