//! What the door does not take, and in which words; the session goes on after each.

use crate::harness::{Client, Lab, Settings};

const EVE: &str = "eve@sender.example";
const MESSAGE: &[u8] = b"Message-ID: <after@sender.example>\r\n\r\nbody\r\n";

#[test]
fn unknown_recipients_foreign_domains_and_large_messages() {
    let lab = Lab::new();
    let settings = Settings {
        max_message_size: "1MiB",
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    client
        .offer(EVE, &["nobody@example.org"], MESSAGE)
        .assert_is(550, "5.1.1");
    client
        .offer(EVE, &["someone@elsewhere.example"], MESSAGE)
        .assert_is(550, "5.7.1");
    client
        .command(&format!("MAIL FROM:<{EVE}> SIZE=2000000"))
        .assert_is(552, "5.3.4");
    let large = [MESSAGE, "0123456789abcde\r\n".repeat(70_000).as_bytes()].concat();
    client
        .offer(EVE, &["ann@example.org"], &large)
        .assert_is(552, "5.3.4");

    // The same session is unharmed, and one good recipient among bad ones gets the mail.
    client
        .command(&format!("MAIL FROM:<{EVE}>"))
        .assert_is(250, "2.1.0");
    client
        .command("RCPT TO:<nobody@example.org>")
        .assert_is(550, "5.1.1");
    client
        .command("RCPT TO:<ann@example.org>")
        .assert_is(250, "2.1.5");
    client.command("RSET").assert_is(250, "2.0.0");
    client.send(EVE, &["ann@example.org"], MESSAGE);
    lab.onprem
        .wait_for("ann@example.org", "<after@sender.example>");
    assert_eq!(lab.onprem.settled().mailbox("ann@example.org").len(), 1);
}
