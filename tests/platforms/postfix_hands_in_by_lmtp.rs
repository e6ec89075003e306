//! Mail comes in by LMTP from a real Postfix, which has another reply for each of its recipients.

use crate::harness::{Client, LONG, Lab, Settings, Tideover, eventually, free_port};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const GONE: &str = "gone@example.org";

/// What Postfix has logged of a recipient, once it has come to an end.
fn ended(lab: &Lab, recipient: &str) -> String {
    let named = format!("to=<{recipient}>");
    eventually(LONG, &format!("the end of {recipient}"), || {
        let log = lab.cloud.log();
        let mut lines = log.lines().filter(|line| line.contains(&named));
        let ended = lines.find(|line| line.contains("status="))?;
        Some(ended.to_owned())
    })
}

/// RFC 2033 §4.2: two recipients are taken, and the third is refused; nobody pays for another one.
#[test]
fn each_recipient_has_its_own_reply() {
    let users = |all: &[&str]| {
        all.iter()
            .map(|user| (*user).to_owned())
            .collect::<Vec<_>>()
    };
    let mut lab = Lab::of(&users(&[ANN, BOB]), &users(&[ANN, BOB, GONE]));
    let port = free_port(lab.address());
    let door = format!("{}:{port}", lab.address());
    let settings = Settings {
        more: format!("[[listener]]\nbind = \"{door}\"\nrole = \"lmtp\"\n"),
        ..lab.settings()
    };
    let directory = format!("address,home\nx@intl.example,onprem\n{ANN},onprem\n{BOB},onprem\n");
    let tideover = Tideover::start(settings, &directory);
    lab.cloud
        .reconfigure(&format!("virtual_transport = lmtp:inet:{door}"));

    let id = "<by-lmtp@sender.example>";
    let message = format!("Message-ID: {id}\r\nSubject: by LMTP\r\n\r\n.body\r\n");
    let mut client = Client::connect(lab.cloud.smtp());
    client.send("", &[ANN, GONE, BOB], message.as_bytes());
    for taken in [ANN, BOB] {
        let line = ended(&lab, taken);
        assert!(
            line.contains("status=sent (250 2.0.0 Ok: queued as "),
            "{line}"
        );
        assert!(line.contains(&format!(":{port},")), "{line}");
    }
    let line = ended(&lab, GONE);
    assert!(line.contains("status=bounced"), "{line}");
    assert!(line.contains("said: 550 5.1.1 "), "{line}");

    // One message for both, and each has it once.
    let queued = |line: &str| line.rsplit("queued as ").next().map(str::to_owned);
    assert_eq!(queued(&ended(&lab, ANN)), queued(&ended(&lab, BOB)));
    for taken in [ANN, BOB] {
        let stored = lab.onprem.wait_for(taken, id);
        let traces = stored.headers("Received").concat();
        assert!(traces.contains("by mx.example.org with LMTP"), "{traces}");
    }
    tideover.wait_idle();
    assert_eq!(lab.onprem.settled().mailbox(ANN).len(), 1);
    assert_eq!(lab.onprem.mailbox(BOB).len(), 1);
}
