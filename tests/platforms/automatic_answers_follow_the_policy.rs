//! Automatic answers of real platforms go where the config lets them: dropped and held they stand
//! in the ledger, wishes for reports are gone on one way only, a reload changes what comes later,
//! and a replay brings nothing that was dropped.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::{Client, Lab, SHORT, Settings, Tideover, eventually, free_port};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const DEE: &str = "dee@example.org";
const WISH: &str = "Disposition-Notification-To";

const POLICY: &str = "[automatic.out_of_office]
from_internet = \"drop\"
internal = \"hold\"
[automatic.read_receipt]
platforms = \"strip\"
[automatic.delivery_report]
internal = \"hold\"
";

/// Tideover with a door for the platforms, too.
fn start(lab: &Lab) -> (Tideover, SocketAddr) {
    let address = lab.address();
    let platforms = SocketAddr::new(address.parse().unwrap(), free_port(address));
    let settings = Settings {
        more: format!(
            "[[listener]]\nbind = \"{platforms}\"\nrole = \"relay\"\nallow = [\"127.0.0.0/8\"]\n\
             tls = \"none\"\n{POLICY}"
        ),
        ..lab.settings()
    };
    (lab.tideover_with(settings), platforms)
}

fn away(id: &str, from: &str) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nMessage-ID: {id}\r\nIn-Reply-To: <1@example.net>\r\n\
         X-Auto-Response-Suppress: All\r\nX-MS-Exchange-Inbox-Rules-Loop: {from}\r\n\
         auto-submitted: auto-generated\r\n\
         x-ms-exchange-generated-message-source: Mailbox Rules Agent\r\n\r\nI am away.\r\n"
    )
    .into_bytes()
}

fn wishing(id: &str) -> Vec<u8> {
    format!(
        "From: <{ANN}>\r\n{WISH}: {ANN}\r\nMessage-ID: {id}\r\nReturn-Receipt-To:\r\n {ANN}\r\n\
         Subject: Offer\r\n\r\n{WISH}: text\r\n"
    )
    .into_bytes()
}

fn recipient(tideover: &Tideover, id: &str, number: usize) -> Value {
    let trace = tideover.json(&["trace", id]);
    trace["messages"][0]["recipients"][number].clone()
}

/// What came in is what is finished and what waits.
fn assert_balanced(tideover: &Tideover) {
    let balance = tideover.json(&["status"])["spool"]["balance"].clone();
    let number = |field: &str| {
        balance[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{balance}"))
    };
    assert_eq!(
        number("came"),
        number("finished") + number("waiting"),
        "{balance}"
    );
    assert_eq!(number("wrong"), 0, "{balance}");
}

#[test]
fn they_are_dropped_held_and_let_through_and_the_ledger_says_so() {
    let lab = Lab::new();
    let (mut tideover, platforms) = start(&lab);
    let mut internet = Client::connect(tideover.smtp());

    // Dropped: 250, and nothing arrives. The next letter of the same session does.
    internet.send("", &[ANN, DEE], &away("<1@sender.example>", EVE));
    let letter = format!("From: {EVE}\r\nMessage-ID: <2@sender.example>\r\n\r\nI am here.\r\n");
    internet.send(EVE, &[ANN, DEE], letter.as_bytes());
    lab.onprem.wait_for(ANN, "<2@sender.example>");
    lab.cloud.wait_for(DEE, "<2@sender.example>");
    tideover.wait_idle();
    for number in [0, 1] {
        let dropped = recipient(&tideover, "<1@sender.example>", number);
        assert_eq!(dropped["state"], "dropped", "{dropped}");
        let told = dropped.to_string();
        assert!(told.contains("Mailbox Rules Agent"), "{told}");
        assert!(
            told.contains("dropped by automatic.out_of_office.from_internet"),
            "{told}"
        );
    }
    assert_eq!(lab.onprem.settled().mailbox(ANN).len(), 1);
    assert_eq!(lab.cloud.settled().mailbox(DEE).len(), 1);
    assert_balanced(&tideover);

    // The same within is held, also over a crash, and released by who has looked at it.
    let mut inside = Client::connect(platforms);
    inside.send("", &[BOB], &away("<3@example.org>", ANN));
    tideover.kill();
    tideover.start_again();
    let held = tideover.json(&["queue", "list", "--state", "held"]);
    let reason = held[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("automatic: out_of_office"), "{held}");
    assert_eq!(
        recipient(&tideover, "<1@sender.example>", 0)["state"],
        "dropped",
        "after the crash, too"
    );
    assert_balanced(&tideover);
    let released = tideover.json(&["queue", "release", "--reason-kind", "automatic"]);
    assert_eq!(released["recipients"], 1, "{released}");
    lab.onprem.wait_for(BOB, "<3@example.org>");

    // What was dropped is not brought by a replay; what was let through is.
    let plan = tideover.json(&["replay", "plan", "--to", "onprem", "--recipient", ANN]);
    assert_eq!(plan["recipients"], 1, "{plan}");
    assert_eq!(
        plan["skipped"].to_string().matches("dropped").count(),
        1,
        "{plan}"
    );
}

#[test]
fn wishes_are_taken_off_on_one_way_only_and_stay_off_in_a_replay() {
    let lab = Lab::new();
    let (tideover, platforms) = start(&lab);
    let mut inside = Client::connect(platforms);
    // One message for both platforms: from one to the other without the wish, within with it.
    let id = "<1@example.org>";
    inside.send(ANN, &[BOB, DEE, "cy@example.org"], &wishing(id));
    let within = lab.onprem.wait_for(BOB, id);
    within.assert_is(&wishing(id), "within");
    for user in [DEE, "cy@tenant.example"] {
        let across = lab.cloud.wait_for(user, id);
        assert!(across.headers(WISH).is_empty(), "{user}");
        let body = format!("{WISH}: text\r\n");
        assert!(across.bytes().ends_with(body.as_bytes()), "{user}");
        assert_eq!(across.headers("Return-Receipt-To").concat().trim(), ANN);
        assert_eq!(across.headers("Subject"), ["Offer"]);
    }
    let told = recipient(&tideover, id, 1).to_string();
    let rule = "by automatic.read_receipt.platforms";
    assert!(told.contains(&format!("without {WISH}, {rule}")), "{told}");
    assert!(!recipient(&tideover, id, 0).to_string().contains("without"));

    // Signed by somebody: it stays, and is told.
    let id = "<2@example.org>";
    let signature = format!("DKIM-Signature: v=1; d=example.org; h=from:{WISH}; b=AA==\r\n");
    let signed = [signature.as_bytes(), &wishing(id)].concat();
    inside.send(ANN, &[DEE], &signed);
    lab.cloud.wait_for(DEE, id).assert_is(&signed, "signed");
    let told = recipient(&tideover, id, 0).to_string();
    assert!(
        told.contains("stays: signed (DKIM-Signature of example.org)"),
        "{told}"
    );

    // The policy of then holds: a later one changes nothing of what came.
    let config = lab.path("tideover").join("tideover.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"strip\"", "\"allow\"")).unwrap();
    tideover.json(&["reload"]);
    let plan = tideover.json(&["replay", "plan", "--to", "cloud", "--recipient", DEE]);
    let replay = plan["id"].as_str().unwrap_or_else(|| panic!("{plan}"));
    tideover.json(&["replay", "start", replay, "--wait"]);
    let copies = || -> Vec<_> {
        let mailbox = lab.cloud.mailbox(DEE);
        let first = mailbox.into_iter();
        first
            .filter(|it| it.headers("Message-ID") == ["<1@example.org>"])
            .collect()
    };
    lab.cloud.settled();
    let both = copies();
    assert_eq!(both.len(), 2);
    assert!(both.iter().all(|copy| copy.headers(WISH).is_empty()));

    // What comes now follows the new one.
    let id = "<3@example.org>";
    inside.send(ANN, &[DEE], &wishing(id));
    lab.cloud
        .wait_for(DEE, id)
        .assert_is(&wishing(id), "after the reload");
}

/// Postfix reports success because it was asked to; the report is held within.
#[test]
fn a_report_of_a_real_platform_is_recognised() {
    let mut lab = Lab::new();
    let (tideover, platforms) = start(&lab);
    lab.cloud.reconfigure("myhostname = cloud.example.org");
    lab.cloud.forward(ANN, platforms);
    tideover.wait_health("cloud", "up");
    let mut cloud = Client::connect(lab.cloud.smtp());
    cloud
        .command(&format!("MAIL FROM:<{ANN}>"))
        .assert_is(250, "");
    let wish = format!("RCPT TO:<{DEE}> NOTIFY=SUCCESS");
    cloud.command(&wish).assert_is(250, "");
    cloud.command("DATA").assert_is(354, "");
    cloud
        .command("Message-ID: <1@example.org>\r\n\r\nHello\r\n.")
        .assert_is(250, "");
    let held = eventually(SHORT, "the report is held", || {
        let list = tideover.json(&["queue", "list", "--state", "held"]);
        list.as_array()?.first().cloned()
    });
    let reason = held["reason"].as_str().unwrap_or_default();
    let expected = "automatic: delivery_report (multipart/report; Action: relayed), held by \
                    automatic.delivery_report.internal";
    assert!(reason.starts_with(expected), "{reason}");
    // Nobody misses it: it is taken out by name.
    let dropped = tideover.json(&["queue", "drop", "--reason-kind", "automatic", "--yes"]);
    assert_eq!(dropped["recipients"], 1, "{dropped}");
    tideover.wait_idle();
    assert!(lab.onprem.settled().mailbox(ANN).is_empty());
    assert_balanced(&tideover);
}
