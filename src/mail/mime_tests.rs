use super::*;

fn parse(text: &str) -> ParsedMessage {
    ParsedMessage::parse(text.replace('\n', "\r\n").as_bytes()).unwrap()
}

#[test]
fn reads_who_and_what() {
    let message = parse(
        "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\nTo: Ann <ann@example.org>, b@example.org\n\
         Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\nDate: Thu, 01 Jan 1970 01:00:00 +0000\n\
         Message-ID: <a@b>\nReferences: <x@y> <z@y>\n\nHello\n",
    );
    assert_eq!(message.subject.as_deref(), Some("Grüße"));
    assert_eq!(message.from[0].name.as_deref(), Some("Jürgen"));
    assert_eq!(message.to[1].address, "b@example.org");
    assert_eq!(message.date, Some(Timestamp::from_millis(3_600_000)));
    assert_eq!(message.references, ["x@y", "z@y"]);
    assert_eq!(message.plain, [TextPart::Plain("Hello\r\n".into())]);
    assert!(!message.has_html());
    assert!(message.parts.is_empty());
}

#[test]
fn decodes_charsets() {
    for (charset, encoded, text) in [
        ("iso-8859-15", "=A4", "€"),
        ("windows-1252", "=80", "€"),
        ("koi8-r", "=F0=D2=C9=D7=C5=D4", "Привет"),
        ("shift_jis", "=93=FA=96{", "日本"),
        ("iso-2022-jp", "=1B$BF|K\\=1B(B", "日本"),
        ("gb2312", "=D6=D0=CE=C4", "中文"),
        ("big5", "=A4=A4=A4=E5", "中文"),
        ("euc-kr", "=C7=D1=B1=DB", "한글"),
        ("utf-8", "=F0=9F=93=AE", "📮"),
    ] {
        let message = parse(&format!(
            "Content-Type: text/plain; charset={charset}\n\
             Content-Transfer-Encoding: quoted-printable\n\n{encoded}"
        ));
        assert_eq!(message.plain, [TextPart::Plain(text.into())], "{charset}");
    }
}

#[test]
fn alternatives_are_two_forms_of_one_text() {
    let message = parse(
        "Content-Type: multipart/mixed; boundary=m\n\n--m\n\
         Content-Type: multipart/alternative; boundary=a\n\n\
         --a\nContent-Type: text/plain\n\nplain\n\
         --a\nContent-Type: multipart/related; boundary=r\n\n\
         --r\nContent-Type: text/html\n\n<b>rich</b>\n\
         --r\nContent-Type: image/png; name=\"../../l\u{202e}ogo.png\"\nContent-ID: <logo@x>\n\
         Content-Disposition: inline\nContent-Transfer-Encoding: base64\n\niVBORw==\n--r--\n--a--\n\
         --m\nContent-Type: application/pdf\n\
         Content-Disposition: attachment; filename*=utf-8''Pl%C3%A4ne.pdf\n\n%PDF\n--m--\n",
    );
    assert!(message.has_html());
    assert!(matches!(&message.plain[..], [TextPart::Plain(text)] if text.starts_with("plain")));
    let names: Vec<_> = message
        .parts
        .iter()
        .filter_map(|p| p.name.as_deref())
        .collect();
    assert_eq!(names, ["logo.png", "Pläne.pdf"]);
    assert_eq!(message.parts[0].content_id.as_deref(), Some("logo@x"));
    assert_eq!(message.parts[0].content, b"\x89PNG");
    assert_eq!(message.parts[0].content_type, "image/png");
    let number = message.parts[1].number;
    assert_eq!(message.part(number), Some(&message.parts[1]));
    assert_eq!(message.part(9_999), None);
}

#[test]
fn a_forwarded_message_is_a_part_with_its_own_bytes() {
    let inner = "Subject: inner\r\nFrom: x@y.example\r\n\r\nThe inner text.";
    let message = parse(&format!(
        "Subject: outer\nContent-Type: multipart/mixed; boundary=m\n\n\
         --m\n\nsee below\n--m\nContent-Type: message/rfc822\n\n{}\n--m--\n",
        inner.replace("\r\n", "\n")
    ));
    assert_eq!(message.parts.len(), 1);
    let part = &message.parts[0];
    assert_eq!(part.content_type, "message/rfc822");
    assert_eq!(part.name.as_deref(), Some("inner.eml"));
    assert_eq!(
        std::str::from_utf8(&part.content).unwrap().trim_end(),
        inner
    );
}

#[test]
fn broken_trees_do_no_harm() {
    for text in [
        "",
        "\n",
        "no colon at all",
        "Content-Type: multipart/mixed\n\nno boundary",
        "Content-Type: multipart/mixed; boundary=x\n\n--x\n",
        "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n--\n",
        "Content-Type: text/html; charset=nonsense\n\n<p>x",
        "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n!!!not base64!!!",
        "Content-Type: message/rfc822\n\n",
        "From: ,,,<>;:\nTo: group:;\nDate: yesterday\nReferences: < > <<\n\n.",
    ] {
        let _parsed = ParsedMessage::parse(text.as_bytes());
        let _parsed = ParsedMessage::parse(text.replace('\n', "\r\n").as_bytes());
    }
    let deep = (0..2_000).fold(String::new(), |text, level| {
        text + &format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
    });
    let _parsed = ParsedMessage::parse(deep.as_bytes());
}

#[test]
fn names_cannot_break_lines_or_turn_the_text_around() {
    let message = parse("Subject: =?utf-8?Q?a=0D=0ABcc:_x=E2=80=AEgpj?=\n\n");
    assert_eq!(message.subject.as_deref(), Some("a  Bcc: xgpj"));
    assert!(!is_message_id("a b"));
    assert!(!is_message_id("a>\r\nBcc: <b"));
    assert!(is_message_id("a@b"));
}

#[test]
fn long_chains_keep_the_first_and_the_newest() {
    let ids: Vec<_> = (0..200).map(|n| format!("<{n}@x>")).collect();
    let message = parse(&format!("References: {}\n\n", ids.join("\n ")));
    assert_eq!(message.references.len(), 50);
    assert_eq!(message.references[0], "0@x");
    assert_eq!(message.references[49], "199@x");
}

#[test]
fn marks_attachments_from_the_beginning() {
    let mixed = b"Content-Type: MULTIPART/mixed; boundary=x\r\n\r\n--x\r\n\
                  Content-Disposition: Attachment\r\n";
    assert!(seems_to_have_attachments(mixed));
    assert!(seems_to_have_attachments(
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment\r\n\r\nx"
    ));
    assert!(!seems_to_have_attachments(
        b"Content-Type: multipart/alternative; boundary=x\r\n\r\nfilename"
    ));
    assert!(!seems_to_have_attachments(
        b"Subject: multi\r\n\r\nfilename"
    ));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _parsed = ParsedMessage::parse(&bytes);
            let _mark = seems_to_have_attachments(&bytes);
        }
    }
}
