use super::*;
use crate::mail::{ParsedMessage, TextPart};

fn own() -> Mailbox {
    "ann@example.org".parse().unwrap()
}

#[test]
fn headers_cannot_be_injected() {
    let to = [Addressee {
        name: Some("A\r\nBcc: evil@x.example".into()),
        address: "a@x.example".parse().unwrap(),
    }];
    let references = ["a@b".to_owned(), "x>\r\nBcc: <evil@x.example".to_owned()];
    let bytes = Letter {
        from: (Some("Änn\r\nBcc: x"), &own()),
        to: &to,
        cc: &[],
        subject: "Hi\r\nBcc: evil@x.example\r\n\r\n<script>",
        text: "body\n.\nmore\u{0}",
        message_id: "id@mx.example",
        date: Timestamp::from_millis(1_778_000_000_000),
        references: &references,
    }
    .to_bytes()
    .unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.to_lowercase().contains("\nbcc:"), "{text}");
    let message = ParsedMessage::parse(&bytes).unwrap();
    assert_eq!(message.references, ["a@b"]);
    assert_eq!(
        message.subject.as_deref(),
        Some("Hi  Bcc: evil@x.example    <script>")
    );
    assert_eq!(message.to.len(), 1);
    assert_eq!(
        message.plain,
        [TextPart::Plain("body\r\n.\r\nmore\r\n".into())]
    );
}

#[test]
fn a_letter_says_what_was_written() {
    let to = [Addressee {
        name: Some("Jürgen Groß".into()),
        address: "j@x.example".parse().unwrap(),
    }];
    let long = "Überaus lange Zeile ".repeat(100);
    let bytes = Letter {
        from: (Some("Änn\r\nBcc: x"), &own()),
        to: &to,
        cc: &to,
        subject: "Grüße aus 東京 📮",
        text: &long,
        message_id: "id@mx.example",
        date: Timestamp::from_millis(1_778_000_000_000),
        references: &[],
    }
    .to_bytes()
    .unwrap();
    assert!(bytes.is_ascii() && bytes.split(|b| *b == b'\n').all(|line| line.len() < 998));
    let message = ParsedMessage::parse(&bytes).unwrap();
    assert_eq!(message.subject.as_deref(), Some("Grüße aus 東京 📮"));
    assert_eq!(message.message_id.as_deref(), Some("id@mx.example"));
    assert_eq!(message.to[0].name.as_deref(), Some("Jürgen Groß"));
    assert_eq!(message.from[0].address, "ann@example.org");
    assert_eq!(message.from[0].name.as_deref(), Some("Änn  Bcc: x"));
    assert_eq!(
        message.date,
        Some(Timestamp::from_millis(1_778_000_000_000))
    );
    let [TextPart::Plain(text)] = &message.plain[..] else {
        panic!("{:?}", message.plain);
    };
    assert_eq!(text.trim_end(), long.trim_end());
}
