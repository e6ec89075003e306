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

/// The text of a message whose header and body are these.
fn text_of(header: &str, body: &[u8]) -> String {
    let header = header.replace('\n', "\r\n");
    let raw = [header.as_bytes(), b"\r\n\r\n", body].concat();
    let message = ParsedMessage::parse(&raw).unwrap();
    match &message.rich[..] {
        [TextPart::Plain(text) | TextPart::Html(text)] => text.clone(),
        other => panic!("{header}: {other:?}"),
    }
}

#[test]
fn charsets_that_are_not_named_or_wrongly_or_rare_are_read() {
    for (header, body, text) in [
        ("Subject: x", b"Gr\xfc\xdfe \x80".as_slice(), "Grüße €"),
        ("Subject: x", "Grüße €".as_bytes(), "Grüße €"),
        (
            "Content-Type: text/plain; charset=utf-8",
            b"Gr\xfc\xdfe",
            "Grüße",
        ),
        (
            "Content-Type: text/plain; charset=us-ascii",
            "Grüße".as_bytes(),
            "Grüße",
        ),
        (
            "Content-Type: text/plain; charset=cp437",
            b"Gr\x81\xe1e",
            "Grüße",
        ),
        ("Content-Type: text/plain; charset=\"IBM850\"", b"\x9b", "ø"),
        (
            "Content-Type: text/plain; charset=iso-2022-kr",
            b"\x1b$)C\x0eGQ1[\x0f",
            "한글",
        ),
        (
            "Content-Type: text/plain; charset=hz-gb-2312",
            b"~{VPND~}",
            "中文",
        ),
        (
            "Content-Type: text/plain; charset=x-unknown",
            b"Gr\xfc\xdfe",
            "Grüße",
        ),
        (
            "Content-Type: text/plain; charset=cp437\nContent-Transfer-Encoding: quoted-printable",
            b"Gr=81=E1e",
            "Grüße",
        ),
        (
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64",
            b"R3L832U=",
            "Grüße",
        ),
        (
            "Content-Type: text/html",
            b"<meta charset=gbk>\xd6\xd0",
            "<meta charset=gbk>中",
        ),
        (
            "Content-Type: text/html",
            b"<meta charset=iso-2022-jp>\x1b$BF|\x1b(B",
            "<meta charset=iso-2022-jp>日",
        ),
        (
            "Content-Type: text/html; charset=koi8-r",
            b"<meta charset=gbk>\xf0",
            "<meta charset=gbk>П",
        ),
    ] {
        assert_eq!(text_of(header, body), text, "{header} {body:?}");
    }
}

#[test]
fn eight_bit_headers_are_read() {
    let raw = b"From: J\xfcrgen <j@x.example>\r\nTo: \"M\xfcller, A\" <a@x.example>\r\n\
        Subject: Gr\xfc\xdfe \x80 5\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nx\r\n--b\r\nContent-Type: application/pdf; name=\"Pl\xe4ne.pdf\"\r\n\
        Content-Disposition: attachment; filename=\"Pl\xe4ne.pdf\"\r\n\r\n%PDF\r\n--b--\r\n";
    let message = ParsedMessage::parse(raw).unwrap();
    assert_eq!(message.subject.as_deref(), Some("Grüße € 5"));
    assert_eq!(message.from[0].name.as_deref(), Some("Jürgen"));
    assert_eq!(message.from[0].address, "j@x.example");
    assert_eq!(message.to[0].name.as_deref(), Some("Müller, A"));
    assert_eq!(message.parts[0].name.as_deref(), Some("Pläne.pdf"));
    let message =
        parse("Subject: =?cp437?Q?Gr=81=E1e?=\nFrom: =?utf-8?Q?J=FC?= <j@x.example>\n\nx");
    assert_eq!(message.subject.as_deref(), Some("Grüße"));
    assert_eq!(message.from[0].name.as_deref(), Some("Jü"));
}

/// What is attached comes out bit by bit as it went in, whatever charset it says it has.
/// What is no field to who checks the author is none to who shows him.
#[test]
fn what_is_no_field_names_nobody() {
    for odd in ["F rom", "\x0cFrom", "\rFrom", "From b", "Fr\0om"] {
        let message = parse(&format!(
            "From: ann@b.example\nSubject: a\n{odd}: ceo@example.org\nSub ject: b\n\
             To: c@d.example\nAuthentication -Results: mx.example.org; dmarc=pass\n\nHello\n"
        ));
        let from: Vec<&str> = message
            .from
            .iter()
            .map(|one| one.address.as_str())
            .collect();
        assert_eq!(from, ["ann@b.example"], "{odd:?}");
        assert_eq!(message.subject.as_deref(), Some("a"));
        assert_eq!(message.to.len(), 1);
        assert_eq!(message.plain, [TextPart::Plain("Hello\r\n".into())]);
    }
}

#[test]
fn files_of_text_are_not_changed() {
    let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n\
        --b\r\nContent-Type: text/csv; charset=iso-8859-1\r\n\
        Content-Disposition: attachment; filename=a.csv\r\n\r\nGr\xfc\xdfe;\xff\r\n\
        --b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\
        Content-Disposition: attachment; filename=b.txt\r\n\r\nR3L832U7gA==\r\n\
        --b\r\nContent-Type: text/plain; charset=cp437\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\
        Content-Disposition: attachment; filename=c.txt\r\n\r\nGr=81=E1=\r\ne\r\n--b--\r\n";
    let message = ParsedMessage::parse(raw).unwrap();
    let parts: Vec<(&[u8], String)> = message
        .parts
        .iter()
        .map(|part| (&*part.content, part.text()))
        .collect();
    let wanted: [(&[u8], &str); 3] = [
        (b"Gr\xfc\xdfe;\xff", "Grüße;ÿ"),
        (b"Gr\xfc\xdfe;\x80", "Grüße;€"),
        (b"Gr\x81\xe1e", "Grüße"),
    ];
    for (part, (content, text)) in parts.iter().zip(wanted) {
        assert_eq!((part.0, &*part.1), (content, text));
    }
    assert_eq!(parts.len(), 3);
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
    use base64::Engine as _;

    use super::*;

    fn base64(bytes: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }
    use proptest::prelude::*;

    /// Charsets that one can write with, and the names that mail gives them.
    const CHARSETS: [&str; 33] = [
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "windows-874",
        "iso-8859-1",
        "iso-8859-2",
        "iso-8859-3",
        "iso-8859-4",
        "iso-8859-5",
        "iso-8859-6",
        "iso-8859-7",
        "iso-8859-8",
        "iso-8859-10",
        "iso-8859-13",
        "iso-8859-14",
        "iso-8859-15",
        "iso-8859-16",
        "koi8-r",
        "koi8-u",
        "ibm866",
        "macintosh",
        "gbk",
        "gb18030",
        "big5",
        "euc-jp",
        "iso-2022-jp",
        "shift_jis",
    ];
    /// Letters of many charsets; of each text those are taken that a charset has.
    const LETTERS: &str = "abcÄÖÜäöüßéèçñøåőűčěšžłąęğışțșČПриветЇґΑβγώאבגדمرحباไทยđơư\
        日本語ハロー中文字漢한글안녕€“”–";

    proptest! {
        /// Nothing is lost of a text in a charset that is named and known.
        #[test]
        fn named_charsets_lose_nothing(
            charset in proptest::sample::select(CHARSETS.to_vec()),
            letters in proptest::collection::vec(
                proptest::sample::select(LETTERS.chars().collect::<Vec<_>>()), 1..40),
            encoding in proptest::sample::select(vec!["base64", "8bit"]),
        ) {
            let coder = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap();
            let has = |letter: &char| !coder.encode(&letter.to_string()).2;
            let text: String = letters.into_iter().filter(has).collect();
            let (bytes, _, _) = coder.encode(&text);
            // What is not one letter back is no letter of it (Windows-1255 and 1258 have accents).
            prop_assume!(coder.decode_without_bom_handling(&bytes).0 == text);
            let body = if encoding == "base64" {
                crate::mail::base64_lines(&bytes)
            } else {
                bytes.clone().into_owned()
            };
            let header = format!("Content-Type: text/plain; charset={charset}\n\
                Content-Transfer-Encoding: {encoding}");
            let read = text_of(&header, &body);
            prop_assert_eq!(read.trim_end(), text.trim_end(), "{}", charset);
            let word = crate::mail::decode_text(
                format!("=?{charset}?B?{}?=", base64(&bytes)).as_bytes(), 200);
            prop_assert_eq!(word, text.trim());
        }

        #[test]
        fn any_bytes_can_be_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _parsed = ParsedMessage::parse(&bytes);
            let _mark = seems_to_have_attachments(&bytes);
        }
    }
}
