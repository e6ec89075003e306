//! A backend that speaks LMTP: Dovecot itself, which says for each recipient what became of it.

use serde_json::Value;

use crate::harness::{Client, LONG, Lab, Locked, NOBODY, Settings, Tideover, eventually};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const ID: &str = "<first@sender.example>";

/// What `trace` knows of each recipient of a message, when `is_so`.
fn traced(tideover: &Tideover, id: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(LONG, &format!("the fate of {id}"), || {
        let trace = tideover.json(&["trace", id]);
        let recipients = trace["messages"][0]["recipients"].as_array()?.clone();
        is_so(&recipients).then_some(recipients)
    })
}

/// RFC 2033 §4.2: of three recipients of one message Ann has got it, Bob's mailbox cannot take it
/// now, and the third is not known. Nobody pays for another one.
#[test]
fn each_reply_is_taken_for_its_recipient() {
    let lab = Lab::new();
    let nobody = format!("{NOBODY}@example.org");
    let settings = Settings {
        hosts: [lab.onprem.lmtp(), lab.cloud.smtp()],
        onprem: "protocol = \"lmtp\"".to_owned(),
        ..lab.settings()
    };
    let rows = [ANN, BOB, &nobody, "ann@intl.example"].map(|user| format!("{user},onprem\n"));
    let directory = format!("address,home\n{}", rows.concat());
    let tideover = Tideover::start(settings, &directory);
    let mut client = Client::connect(tideover.smtp());
    client.send(
        EVE,
        &[BOB],
        b"Message-ID: <before@sender.example>\r\n\r\nx\r\n",
    );
    lab.onprem.wait_for(BOB, "<before@sender.example>");

    lab.onprem.lock_mailbox(BOB, Locked::Yes);
    let message = format!("Message-ID: {ID}\r\n\r\nbody\r\n");
    client.send(EVE, &[ANN, BOB, &nobody], message.as_bytes());
    let fates = traced(&tideover, ID, |fates| {
        fates[0]["state"] == "delivered"
            && fates[1]["reply"].is_string()
            && fates[2]["state"] == "held"
    });
    let said = fates[0].to_string();
    assert!(said.contains("250 2.0.0") && said.contains(ANN), "{said}");
    assert_eq!(fates[1]["state"], "queued", "{fates:?}");
    assert!(fates[1].to_string().contains("451 4.2.0"), "{fates:?}");
    assert!(fates[2].to_string().contains("550 5.1.1"), "{fates:?}");
    let cases = tideover.json(&["cases"]);
    assert_eq!(cases[0]["enhanced"], "5.1.1", "{cases}");

    lab.onprem.lock_mailbox(BOB, Locked::No);
    tideover.json(&["queue", "retry", "--recipient", BOB]);
    traced(&tideover, ID, |fates| fates[1]["state"] == "delivered");
    lab.onprem
        .wait_for(BOB, ID)
        .assert_is(message.as_bytes(), BOB);
    assert_eq!(lab.onprem.mailbox(ANN).len(), 1, "she was not tried again");
    assert_eq!(lab.onprem.mailbox(BOB).len(), 2);
}
