//! Whether somebody exists is asked without sending anything.

use super::*;
use crate::directory::{AskHome as _, Heard};

async fn asked(script: &str, address: &str) -> (Heard, Seen) {
    let server = Server::scripted(script);
    let (outbound, seen) = client(net(vec![(SINK, server)]), backend(&[SINK]));
    let address = address.parse().unwrap();
    let heard = outbound.ask(&BackendId::new("sink"), &address).await;
    (heard, seen)
}

#[tokio::test]
async fn a_home_is_asked_without_a_message() {
    let (heard, seen) = asked("", "ann@example.org").await;
    assert_eq!(heard, Heard::Exists);
    assert_eq!(seen.verbs(), ["EHLO", "MAIL", "RCPT", "RSET", "QUIT"]);
    assert!(seen.has_line("MAIL FROM:<>") && seen.has_line("RCPT TO:<ann@example.org>"));
}

#[tokio::test]
async fn its_no_is_told_apart_from_its_troubles() {
    let (heard, _) = asked("rcpt 550 5.1.1 who?", "nobody@example.org").await;
    assert_eq!(heard, Heard::Absent("550 5.1.1 who?".to_owned()));
    for (script, expected) in [
        ("rcpt 451 4.3.0 later", Heard::Nothing),
        ("mail 530 5.7.57 who are you?", Heard::Silence),
        ("cut at mail", Heard::Silence),
    ] {
        let (heard, _) = asked(script, "ann@example.org").await;
        assert_eq!(heard, expected, "{script}");
    }
}

#[tokio::test]
async fn addresses_beyond_ascii_are_asked_for_as_the_home_can_read_them() {
    let utf8 = "hello 250-sink!250 SMTPUTF8";
    let (heard, seen) = asked(utf8, "jörg@exämple.org").await;
    assert_eq!(heard, Heard::Exists);
    assert!(seen.has_line("MAIL FROM:<> SMTPUTF8"), "{seen:?}");
    assert!(seen.has_line("RCPT TO:<jörg@exämple.org>"), "{seen:?}");
    let (heard, seen) = asked("", "joerg@exämple.org").await;
    assert_eq!(heard, Heard::Exists);
    assert!(
        seen.has_line("RCPT TO:<joerg@xn--exmple-cua.org>"),
        "{seen:?}"
    );
    // Who cannot read it has nobody of that name, and nothing is known of anybody else.
    let (heard, seen) = asked("", "jörg@example.org").await;
    assert_eq!(heard, Heard::Nothing);
    assert!(!seen.verbs().contains(&"RCPT".to_owned()), "{seen:?}");
}
