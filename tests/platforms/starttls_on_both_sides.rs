//! STARTTLS from the Internet, STARTTLS to the platforms; `Received` says so.

use crate::harness::{Client, Lab, Settings, Starttls, smtplib, swaks};

const EVE: &str = "eve@sender.example";

#[test]
fn both_hops_are_encrypted_and_say_so() {
    let lab = Lab::new();
    let settings = Settings {
        tls: "required",
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let at = tideover.smtp();
    swaks(
        at,
        Starttls::Yes,
        (EVE, &["ann@example.org"]),
        "<1@sender.example>",
    );
    let file = lab.file("message", b"Message-ID: <2@sender.example>\r\n\r\nbody\r\n");
    let said = smtplib(at, Starttls::Yes, (EVE, &["dee@example.org"]), &file);
    assert!(said.contains("TLSv1.3"), "{said}");

    for stored in [
        lab.onprem.wait_for("ann@example.org", "<1@sender.example>"),
        lab.cloud.wait_for("dee@example.org", "<2@sender.example>"),
    ] {
        // Topmost is Dovecot's, then the platform's Postfix, then ours.
        let received = stored.headers("received");
        assert!(received[1].contains("(using TLSv1.3"), "{received:?}");
        // RFC 3848: ESMTPS says STARTTLS.
        assert!(received[2].contains("with ESMTPS"), "{received:?}");
        assert!(received[2].contains("mx.example.org"), "{received:?}");
    }

    // The ledger has version and cipher of both legs.
    tideover.wait_idle();
    for message_id in ["<1@sender.example>", "<2@sender.example>"] {
        let trace = tideover.json(&["trace", message_id]);
        let message = &trace["messages"][0];
        let came = message["peer"]["tls"].as_str().expect("how it came");
        assert!(came.starts_with("TLSv1.3 TLS"), "{came}");
        let events = message["recipients"][0]["events"].as_array();
        let events = events.expect("a history").iter();
        let went: Vec<&str> = events
            .filter_map(|event| event["detail"].as_str())
            .collect();
        let told = went
            .iter()
            .any(|detail| detail.contains(" with TLSv1.3 TLS"));
        assert!(told, "{went:?}");
    }
}

#[test]
fn without_starttls_the_session_says_esmtp_and_starttls_is_offered() {
    let lab = Lab::new();
    let tideover = lab.tideover();
    let mut client = Client::connect(tideover.smtp());
    assert!(client.offers("STARTTLS"));
    let message = b"Message-ID: <plain@sender.example>\r\n\r\nbody\r\n";
    client.send(EVE, &["ann@example.org"], message);
    let stored = lab
        .onprem
        .wait_for("ann@example.org", "<plain@sender.example>");
    let received = stored.headers("received");
    assert!(received[2].contains("with ESMTP "), "{received:?}");
}
