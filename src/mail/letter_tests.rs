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
        html: None,
        message_id: "id@mx.example",
        date: Timestamp::from_millis(1_778_000_000_000),
        references: &references,
        calendar: None,
        files: &[],
    }
    .to_pieces("mark")
    .unwrap()
    .concat();
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

/// Programs that show no more than the bytes show that, too.
#[test]
fn a_long_subject_in_plain_letters_is_folded_and_not_encoded() {
    let subject = "[Tideover mx.example.org] critical: new mail is refused: the disk of the spool \
                   is almost full: 3.4 GiB free, 9.0 GiB are kept free";
    for (subject, is_plain) in [
        (subject.to_owned(), true),
        (format!("{subject} für Ann"), false),
        (format!("{subject} =?utf-8?Q?a?="), false),
    ] {
        let bytes = Letter {
            from: (Some("Tideover"), &own()),
            to: &[],
            cc: &[],
            subject: &subject,
            text: "it is full",
            html: None,
            message_id: "id@mx.example",
            date: Timestamp::from_millis(1_778_000_000_000),
            references: &[],
            calendar: None,
            files: &[],
        }
        .to_pieces("mark")
        .unwrap()
        .concat();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let begin = "Subject: [Tideover mx.example.org] critical: new mail is refused";
        assert_eq!(text.contains(begin), is_plain, "{text}");
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        let message = ParsedMessage::parse(&bytes).unwrap();
        assert_eq!(message.subject.as_deref(), Some(&*subject));
    }
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
        html: None,
        message_id: "id@mx.example",
        date: Timestamp::from_millis(1_778_000_000_000),
        references: &[],
        calendar: None,
        files: &[],
    }
    .to_pieces("mark")
    .unwrap()
    .concat();
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

fn with_files(files: &[(LetterFile, Vec<u8>)], text: &str) -> Vec<u8> {
    let names: Vec<_> = files.iter().map(|(file, _)| file.clone()).collect();
    let pieces = Letter {
        from: (None, &own()),
        to: &[],
        cc: &[],
        subject: "files",
        text,
        html: None,
        message_id: "id@mx.example",
        date: Timestamp::EPOCH,
        references: &[],
        calendar: None,
        files: &names,
    }
    .to_pieces("0123456789abcdef0123456789abcdef")
    .unwrap();
    let mut whole = pieces[0].clone();
    for (piece, (_, content)) in pieces[1..].iter().zip(files) {
        whole.extend(base64_lines(content));
        whole.extend(piece);
    }
    whole
}

fn file(name: &str, content_type: &str) -> LetterFile {
    LetterFile {
        name: name.to_owned(),
        content_type: content_type.to_owned(),
    }
}

#[test]
fn files_are_carried_unchanged_and_under_their_names() {
    let binary: Vec<u8> = (0..=255_u8).cycle().take(10_000).collect();
    let files = [
        (
            file("Pl\u{e4}ne \"final\".pdf", "application/pdf"),
            binary.clone(),
        ),
        (
            file("x\r\nBcc: evil@x.example", "text/html\r\nBcc: e@x"),
            b"<script>".to_vec(),
        ),
        (
            file("old.eml", "message/rfc822"),
            b"Subject: x\r\n\r\ny".to_vec(),
        ),
        (file("empty", ""), Vec::new()),
    ];
    let bytes = with_files(&files, "See the files.");
    assert!(bytes.is_ascii() && bytes.split(|b| *b == b'\n').all(|line| line.len() < 998));
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.to_lowercase().contains("\nbcc:"), "{text}");
    let message = ParsedMessage::parse(&bytes).unwrap();
    assert_eq!(message.plain.len(), 1);
    let names: Vec<_> = message
        .parts
        .iter()
        .map(|part| part.name.as_deref())
        .collect();
    assert_eq!(names[0], Some("Pl\u{e4}ne \"final\".pdf"));
    let kinds: Vec<_> = message
        .parts
        .iter()
        .map(|part| &*part.content_type)
        .collect();
    assert_eq!(kinds[0], "application/pdf");
    assert_eq!(kinds[1..], [OTHER_TYPE; 3]);
    for (part, (_, content)) in message.parts.iter().zip(&files) {
        assert_eq!(&part.content, content);
    }
}

#[test]
fn a_letter_that_knew_the_mark_is_refused() {
    let letter = Letter {
        from: (None, &own()),
        to: &[],
        cc: &[],
        subject: "s",
        text: "the mark",
        html: None,
        message_id: "id@mx.example",
        date: Timestamp::EPOCH,
        references: &[],
        calendar: None,
        files: &[file("a", "a/b")],
    };
    assert!(letter.to_pieces("mark").is_err());
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            content in proptest::collection::vec(any::<u8>(), 0..3_000),
            name in "[^/\\\\]{1,40}",
            kind in ".{0,30}",
            subject in ".{0,200}",
            text in "(?s).{0,500}",
        ) {
            let files = [(file(&name, &kind), content.clone())];
            let bytes = with_files(&files, &text);
            let message = ParsedMessage::parse(&bytes).unwrap();
            let part = message.parts.last().unwrap();
            prop_assert_eq!(&part.content, &content);
            prop_assert_eq!(message.from.len(), 1);
            let letter = Letter {
                from: (Some(&name), &own()), to: &[], cc: &[], subject: &subject, text: &text,
                html: Some(&text),
                message_id: "id@mx.example", date: Timestamp::EPOCH, references: &[],
                calendar: None, files: &[],
            };
            let bytes = letter.to_pieces("0123456789abcdef").unwrap().concat();
            let header_end = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap();
            for line in String::from_utf8(bytes[..header_end].to_vec()).unwrap().split("\r\n") {
                let known = ["From:", "Date:", "Message-ID:", "Subject:", "MIME-Version:",
                    "Content-Type:", "Content-Transfer-Encoding:", " ", "\t"];
                prop_assert!(known.iter().any(|name| line.starts_with(name)), "{line}");
            }
        }
    }
}

#[test]
fn nothing_that_turns_letters_round_leaves_us() {
    let told = one_line("  Rechnung \u{202e}fdp.exe\u{2066}\r\nBcc: x ");
    assert_eq!(told, "Rechnung fdp.exe  Bcc: x");
}
