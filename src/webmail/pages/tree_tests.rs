//! Trees of MIME as they come, and as nobody should write them: what a page shows of each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::base::Timestamp;
use crate::webmail::texts::ENGLISH;

#[derive(Debug, Clone)]
enum Tree {
    Leaf(Kind, &'static str, &'static str),
    Many(&'static str, Vec<Tree>),
    Message(Box<Tree>, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Without a word about its type.
    Bare,
    Html,
    Picture,
    Pdf,
    /// A PDF that the text calls by its name.
    Called,
    Event,
    BrokenEvent,
    Csv,
    Signature,
    Status,
}

const KINDS: [Kind; 11] = [
    Kind::Plain,
    Kind::Bare,
    Kind::Html,
    Kind::Picture,
    Kind::Pdf,
    Kind::Called,
    Kind::Event,
    Kind::BrokenEvent,
    Kind::Csv,
    Kind::Signature,
    Kind::Status,
];
const ENCODINGS: [&str; 8] = [
    "",
    "7bit",
    "8bit",
    "binary",
    "x-nobody-knows",
    "base64",
    "Base64 ",
    "quoted-printable",
];
const CHARSETS: [&str; 8] = [
    "",
    "us-ascii",
    "utf-8",
    "iso-8859-1",
    "x-nobody-knows",
    "utf-7",
    "utf-16",
    "utf-32",
];
const MULTIPARTS: [&str; 8] = [
    "mixed",
    "alternative",
    "related; type=\"text/html\"",
    "signed; protocol=\"application/pgp-signature\"",
    "report; report-type=delivery-status",
    "digest",
    "parallel",
    "nobody-knows",
];

fn leaf() -> impl Strategy<Value = Tree> {
    let one = |all: &'static [&'static str]| proptest::sample::select(all);
    let kind = proptest::sample::select(&KINDS[..]);
    (kind, one(&ENCODINGS), one(&CHARSETS)).prop_map(|(kind, encoding, charset)| {
        // What has no name for its charset is not in one that is not like ASCII.
        let is_wide = ["utf-16", "utf-32"].contains(&charset);
        let takes_wide = matches!(kind, Kind::Plain | Kind::Html | Kind::Csv);
        match (is_wide, takes_wide) {
            (true, true) => Tree::Leaf(kind, "base64", charset),
            (true, false) => Tree::Leaf(kind, encoding, "utf-8"),
            (false, _) => Tree::Leaf(kind, encoding, charset),
        }
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_recursive(5, 16, 4, |inner| {
        let many = proptest::collection::vec(inner.clone(), 1..4);
        let kind = proptest::sample::select(&MULTIPARTS[..]);
        prop_oneof![
            3 => (kind, many).prop_map(|(kind, many)| Tree::Many(kind, many)),
            1 => (inner, any::<bool>())
                .prop_map(|(inner, is_encoded)| Tree::Message(Box::new(inner), is_encoded)),
        ]
    })
}

/// Up to 200 levels around a tree.
fn deep_tree() -> impl Strategy<Value = Tree> {
    let around = proptest::sample::select(vec!["mixed", "alternative", "related", "message", "x"]);
    (tree(), proptest::collection::vec(around, 0..200)).prop_map(|(tree, around)| {
        around.into_iter().fold(tree, |tree, kind| match kind {
            "message" => Tree::Message(Box::new(tree), false),
            kind => Tree::Many(kind, vec![tree]),
        })
    })
}

/// Writes a tree, and remembers what each leaf of it says.
#[derive(Default)]
struct Writer {
    leaves: Vec<String>,
    boundaries: usize,
}

impl Writer {
    /// A header and a body.
    fn entity(&mut self, tree: &Tree) -> Vec<u8> {
        match tree {
            Tree::Leaf(kind, encoding, charset) => self.leaf(*kind, encoding, charset),
            Tree::Many(kind, trees) => {
                self.boundaries += 1;
                // One is the beginning of another, as some programs make them.
                let boundary = format!("=_b{}", "x".repeat(self.boundaries % 3));
                let boundary = format!("{boundary}{}", self.boundaries);
                let mut text = format!(
                    "Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n\
                     This is in MIME.\r\n"
                )
                .into_bytes();
                for tree in trees {
                    text.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
                    text.extend_from_slice(&self.entity(tree));
                    text.extend_from_slice(b"\r\n");
                }
                text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
                text
            }
            Tree::Message(tree, is_encoded) => {
                let inner = [b"Subject: inside\r\n".to_vec(), self.entity(tree)].concat();
                if *is_encoded {
                    let head = b"Content-Type: message/rfc822\r\n\
                        Content-Transfer-Encoding: base64\r\n\r\n";
                    [head.to_vec(), crate::mail::base64_lines(&inner)].concat()
                } else {
                    [b"Content-Type: message/rfc822\r\n\r\n".to_vec(), inner].concat()
                }
            }
        }
    }

    fn leaf(&mut self, kind: Kind, encoding: &str, charset: &str) -> Vec<u8> {
        let number = self.leaves.len();
        let says = format!("leaf{number}end");
        self.leaves.push(says.clone());
        let charset_of = |kind: &str| match charset {
            "" => format!("Content-Type: {kind}\r\n"),
            charset => format!("Content-Type: {kind}; charset=\"{charset}\"\r\n"),
        };
        let (head, content) = match kind {
            Kind::Plain => (charset_of("text/plain"), text(&says, charset)),
            Kind::Bare => (String::new(), text(&says, "")),
            Kind::Html => {
                let html = format!("<p>{says}</p><img src=\"cid:p{}@x\">cid:c1@x", number + 1);
                (charset_of("text/html"), text(&html, charset))
            }
            Kind::Picture => (
                format!("Content-Type: image/png\r\nContent-ID: <p{number}@x>\r\n"),
                format!("\u{89}PNG {says}").into_bytes(),
            ),
            Kind::Pdf => (
                "Content-Type: application/pdf; name=a.pdf\r\n\
                 Content-Disposition: attachment; filename=a.pdf\r\n"
                    .to_owned(),
                format!("%PDF {says}").into_bytes(),
            ),
            Kind::Called => (
                "Content-Type: application/pdf\r\nContent-ID: <c1@x>\r\n".to_owned(),
                format!("%PDF {says}").into_bytes(),
            ),
            Kind::Event => (
                "Content-Type: text/calendar; method=REQUEST\r\n".to_owned(),
                format!(
                    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\n\
                     SUMMARY:{says}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
                )
                .into_bytes(),
            ),
            Kind::BrokenEvent => (
                "Content-Type: text/calendar\r\n".to_owned(),
                format!("BEGIN:VCALENDAR\r\n{says}").into_bytes(),
            ),
            Kind::Csv => (charset_of("text/csv"), text(&says, charset)),
            Kind::Signature => (
                "Content-Type: application/pgp-signature\r\n".to_owned(),
                says.clone().into_bytes(),
            ),
            Kind::Status => (
                "Content-Type: message/delivery-status\r\n".to_owned(),
                format!("Reporting-MTA: dns;{says}\r\n").into_bytes(),
            ),
        };
        let mut entity = head.into_bytes();
        if !encoding.is_empty() {
            let line = format!("Content-Transfer-Encoding: {encoding}\r\n");
            entity.extend_from_slice(line.as_bytes());
        }
        entity.extend_from_slice(b"\r\n");
        entity.extend_from_slice(&match encoding {
            "base64" | "Base64 " => crate::mail::base64_lines(&content),
            "quoted-printable" => quoted_printable(&content),
            _ => content,
        });
        entity
    }
}

fn text(says: &str, charset: &str) -> Vec<u8> {
    let text = format!("{says} Gr\u{fc}\u{df}e");
    match charset {
        "utf-16" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-32" => text
            .chars()
            .flat_map(|c| u32::from(c).to_be_bytes())
            .collect(),
        "iso-8859-1" | "x-nobody-knows" => [says.as_bytes(), b" Gr\xfc\xdfe"].concat(),
        "utf-7" => format!("{says} Gr+APwA3w-e").into_bytes(),
        _ => text.into_bytes(),
    }
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if at % 20 == 19 {
            text.extend_from_slice(b"=\r\n");
        }
        if byte.is_ascii_alphanumeric() {
            text.push(*byte);
        } else {
            text.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
    }
    text
}

/// All that a reader can get of a message: its text in both forms, its card, its files, and the
/// same of messages inside.
fn visible(message: &ParsedMessage, all: &mut Vec<String>) {
    let query = MessageQuery {
        images: String::new(),
        view: String::new(),
        did: String::new(),
        n: String::new(),
    };
    let (_, mut shown) = body(message, (SpoolId::from_u64(1), &query), &ENGLISH);
    if let Some((html, _)) = rich(message, Remote::Blocked) {
        // What is in a picture.
        for url in html.split("data:image/png;base64,").skip(1) {
            let content = STANDARD.decode(url.split('"').next().unwrap()).unwrap();
            all.push(content.escape_ascii().to_string());
        }
        all.push(html);
    }
    all.push(plain::to_html(&readable_text(message), &ENGLISH));
    if let Some((number, found)) = invitation(message) {
        shown.insert(number);
        all.push(found.summary);
    }
    let moments = Moments {
        texts: &ENGLISH,
        zone: TimeZone::UTC,
        now: Timestamp::EPOCH,
    };
    all.extend(
        enclosed(message, &moments)
            .into_iter()
            .map(|inner| inner.html),
    );
    for file in attachments(message, &shown, &ENGLISH) {
        let part = message.part(file.number).unwrap();
        all.push(part.text());
        if part.content_type == "message/rfc822"
            && let Some(inner) = ParsedMessage::parse(&part.content)
        {
            visible(&inner, all);
        }
    }
}

fn written(tree: &Tree) -> (Vec<u8>, Vec<String>) {
    let mut writer = Writer::default();
    let entity = writer.entity(tree);
    let raw = [
        b"From: a@x.example\r\nMIME-Version: 1.0\r\n".to_vec(),
        entity,
    ]
    .concat();
    (raw, writer.leaves)
}

/// No leaf of the tree is lost.
fn assert_whole(tree: &Tree) {
    let (raw, leaves) = written(tree);
    let message = ParsedMessage::parse(&raw).unwrap();
    let mut all = Vec::new();
    visible(&message, &mut all);
    for says in leaves {
        assert!(
            all.iter().any(|text| text.contains(&says)),
            "{says} of {tree:?}\n{}\n{message:#?}",
            raw.escape_ascii()
        );
    }
}

fn bytes_of(message: &ParsedMessage) -> usize {
    let texts = message
        .rich
        .iter()
        .chain(&message.plain)
        .map(|part| match part {
            TextPart::Plain(text) | TextPart::Html(text) => text.len(),
        });
    texts.sum::<usize>()
        + message
            .parts
            .iter()
            .map(|part| part.content.len())
            .sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_of_a_tree_is_lost(tree in tree()) {
        assert_whole(&tree);
    }

    /// Bytes are cut out, doubled and changed, wherever: there is a page, and it is no larger than
    /// what came.
    #[test]
    fn damage_does_no_harm(
        tree in tree(),
        wounds in proptest::collection::vec((any::<u32>(), 0..40_usize, 0..4_u8), 1..6),
    ) {
        let (mut raw, _) = written(&tree);
        for (at, length, kind) in wounds {
            let at = at as usize % raw.len().max(1);
            let end = (at + length).min(raw.len());
            let piece: Vec<u8> = raw.drain(at..end).collect();
            match kind {
                0 => {}
                1 => drop(raw.splice(at..at, [piece.clone(), piece].concat())),
                2 => drop(raw.splice(at..at, piece.into_iter().rev())),
                _ => drop(raw.splice(at..at, b"\r\n--=_bx1--\r\n".iter().copied())),
            }
        }
        if let Some(message) = ParsedMessage::parse(&raw) {
            prop_assert!(bytes_of(&message) <= raw.len() * 6);
            let mut all = Vec::new();
            visible(&message, &mut all);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_of_a_deep_tree_is_lost(tree in deep_tree()) {
        assert_whole(&tree);
    }
}

fn parts(all: &[&str]) -> ParsedMessage {
    let parts = all.join("\n--b\n");
    let raw = format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{parts}\n--b--\n");
    ParsedMessage::parse(raw.replace('\n', "\r\n").as_bytes()).unwrap()
}

/// A mailing list puts its footer below a letter in HTML: that is not all there is to read.
#[test]
fn a_footer_is_not_the_whole_text() {
    let message = parts(&[
        "Content-Type: text/html\n\n<p>The letter</p>",
        "Content-Type: text/plain\n\nThe footer",
    ]);
    let text = readable_text(&message);
    assert!(
        text.contains("The letter") && text.contains("The footer"),
        "{text}"
    );
    assert!(!text.contains("<p>"), "{text}");
}

fn listed(message: &ParsedMessage) -> Vec<usize> {
    let (_, images) = rich(message, Remote::Blocked).unwrap();
    let files = attachments(message, &images.shown(), &ENGLISH);
    files.into_iter().map(|file| file.number).collect()
}

/// Only a picture that stands in the text is not among the files.
#[test]
fn what_the_text_only_names_is_a_file() {
    let html = "Content-Type: text/html\n\n<a href=\"cid:pdf@x\">see</a> <!-- cid:late@x -->\
        <img src=\"cid:logo@x\"><img src=\"CID:Up%40X\"><img src=\"cid:svg@x\">";
    let message = parts(&[
        html,
        "Content-Type: application/pdf\nContent-ID: <pdf@x>\n\n%PDF",
        "Content-Type: image/png\nContent-ID: <late@x>\n\nPNG",
        "Content-Type: image/png\nContent-ID: <logo@x>\n\nPNG",
        "Content-Type: image/png\nContent-ID: <up@x>\n\nPNG",
        "Content-Type: image/svg+xml\nContent-ID: <svg@x>\n\n<svg/>",
        "Content-Type: text/calendar\n\nno calendar",
    ]);
    assert_eq!(listed(&message), [2, 3, 6, 7]);
}

/// The same picture a thousand times is not a thousand times in the page.
#[test]
fn pictures_have_a_bound_in_all() {
    let picture = format!(
        "Content-Type: image/png\nContent-ID: <a@x>\n\n{}",
        "x".repeat(90_000)
    );
    let html = format!(
        "Content-Type: text/html\n\n{}",
        "<img src=\"cid:a@x\">".repeat(1_000)
    );
    let message = parts(&[&html, &html, &picture]);
    let (page, images) = rich(&message, Remote::Blocked).unwrap();
    assert!(page.len() < 17 * 1024 * 1024, "{}", page.len());
    assert!(page.matches("data:image").count() > 100);
    assert_eq!(images.shown().len(), 1);
    // One that is not shown for want of room is a file.
    let large = format!(
        "Content-Type: image/png\nContent-ID: <a@x>\n\n{}",
        "x".repeat(13 * 1024 * 1024)
    );
    let message = parts(&["Content-Type: text/html\n\n<img src=\"cid:a@x\">", &large]);
    assert_eq!(listed(&message), [2]);
}

/// Many parts with text are one text, and it is not longer than one may be.
#[test]
fn texts_have_a_bound_in_all() {
    let part = format!("Content-Type: text/html\n\n<p>{}", "x".repeat(HTML / 3));
    assert!(rich(&parts(&[&part, &part]), Remote::Blocked).is_some());
    assert!(rich(&parts(&[&part, &part, &part, &part]), Remote::Blocked).is_none());
}
