//! The normal way: each recipient's mail goes to the platform that the directory names.

use crate::harness::{Lab, Starttls, smtplib, swaks};

const EVE: &str = "eve@sender.example";

#[test]
fn each_recipient_gets_it_at_home_and_at_the_delivery_address() {
    let lab = Lab::new();
    let tideover = lab.tideover();
    let at = tideover.smtp();
    swaks(
        at,
        Starttls::No,
        (EVE, &["ann@example.org"]),
        "<1@sender.example>",
    );
    swaks(
        at,
        Starttls::No,
        (EVE, &["dee@example.org"]),
        "<2@sender.example>",
    );
    let message = b"To: cy@example.org\r\nMessage-ID: <3@sender.example>\r\n\r\nbody\r\n";
    let file = lab.file("message", message);
    smtplib(at, Starttls::No, (EVE, &["cy@example.org"]), &file);

    lab.onprem.wait_for("ann@example.org", "<1@sender.example>");
    lab.cloud.wait_for("dee@example.org", "<2@sender.example>");
    // The delivery address changes the envelope only.
    let stored = lab
        .cloud
        .wait_for("cy@tenant.example", "<3@sender.example>");
    stored.assert_is(message, "through a delivery address");
    assert_eq!(lab.cloud.imap_count("cy@tenant.example"), 1);

    let trace = tideover.json(&["trace", "<3@sender.example>"]);
    let recipient = &trace["messages"][0]["recipients"][0];
    assert_eq!(recipient["address"], "cy@example.org", "{trace}");
    assert_eq!(recipient["state"], "delivered", "{trace}");
    assert_eq!(recipient["backend"], "cloud", "{trace}");
    assert_eq!(
        recipient["delivery_address"], "cy@tenant.example",
        "{trace}"
    );
}

#[test]
fn mail_survives_an_orderly_stop_and_start() {
    let mut lab = Lab::new();
    let mut tideover = lab.tideover();
    lab.onprem.stop();
    tideover.wait_health("onprem", "down");
    let at = tideover.smtp();
    swaks(
        at,
        Starttls::No,
        (EVE, &["bob@example.org"]),
        "<1@sender.example>",
    );
    tideover.stop();
    lab.onprem.start_again();
    tideover.start_again();
    lab.onprem.wait_for("bob@example.org", "<1@sender.example>");
    tideover.wait_idle();
    assert_eq!(lab.onprem.settled().mailbox("bob@example.org").len(), 1);
}
