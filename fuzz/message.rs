//! What the fuzz target of messages does with its input: a message, as people get to see it in the
//! webmail, and pieces of it as something that they wrote.

use tideover::base::Timestamp;
use tideover::limits;
use tideover::mail::calendar::{Answer, Invitation};
use tideover::mail::{
    Letter, ParsedMessage, Person, TextPart, Ties, address_field, decode_text, file_name,
    header_end, header_fields, html_to_text, is_message_id, one_line, originators,
    parse_addressees, seems_to_have_attachments,
};
use tideover::smtp::Mailbox;
use tideover::webmail::{harmless_html, narrow_html};

/// Elements that run, fetch, send or cover anything, and those that end how HTML is read.
const HARMFUL: [&str; 22] = [
    "script", "iframe", "frame", "frameset", "object", "embed", "applet", "link", "meta", "base",
    "form", "input", "button", "style", "svg", "math", "template", "noscript", "audio", "video",
    "portal", "xmp",
];
/// Fields of a letter of ours.
const FIELDS: [&str; 12] = [
    "from",
    "to",
    "cc",
    "date",
    "subject",
    "message-id",
    "references",
    "in-reply-to",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
];
const MARK: &str = "fuzz-mark-0123456789";

/// A message: what is shown of it has no control characters, is bounded, and its HTML does nothing;
/// who wrote it is the same for whoever reads it; what is answered to it is well-formed, whatever
/// stands in it.
pub(crate) fn message(input: &[u8]) {
    let (header, _) = input.split_at(header_end(input));
    for field in header_fields(header) {
        check_shown(&decode_text(field.body, 200), 200);
        let name: String = field.body.iter().copied().map(char::from).collect();
        check_file_name(&file_name(&name));
    }
    let lower = input.to_ascii_lowercase();
    let says = |what: &[u8]| lower.windows(what.len()).any(|it| it == what);
    let has = says(b"multipart/mixed") || says(b"attachment");
    assert!(has || !seems_to_have_attachments(input));
    check_ties(&Ties::read(input));
    check_text(&text(input));
    if let Some(invitation) = Invitation::parse(input) {
        check_invitation(&invitation);
    }
    let Some(parsed) = ParsedMessage::parse(input) else {
        return;
    };
    check_parsed(&parsed, input.len());
    check_author(&parsed, header);
    let pieces = parsed.rich.iter().chain(&parsed.plain);
    for piece in pieces {
        match piece {
            TextPart::Html(html) => check_html(html),
            TextPart::Plain(text) => check_text(text),
        }
    }
    for part in &parsed.parts {
        if let Some(invitation) = Invitation::parse(part.unfolded_text().as_bytes()) {
            check_invitation(&invitation);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
    }
    text
}

/// A text of anybody's: as HTML, as addressees, and as what somebody writes.
fn check_text(text: &str) {
    check_html(text);
    if let Ok(list) = parse_addressees(text)
        && !list.is_empty()
        && list.len() < 50
    {
        let field = address_field("To", &list);
        let fields: Vec<_> = header_fields(&field).collect();
        assert_eq!(fields.len(), 1, "{}", field.escape_ascii());
        // Read to the letter, some that can be typed are no addresses.
        if let Some(found) = originators(fields[0].body) {
            let keys = |all: Vec<&Mailbox>| all.into_iter().map(Mailbox::key).collect::<Vec<_>>();
            let meant = keys(list.iter().map(|one| &one.address).collect());
            assert_eq!(
                keys(found.iter().collect()),
                meant,
                "{}",
                field.escape_ascii()
            );
        }
    }
    check_letter(text);
}

fn check_shown(shown: &str, most: usize) {
    assert!(shown.chars().count() <= most, "{} bytes", shown.len());
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(
        !shown.contains(|c: char| c.is_control() || turns(c)),
        "{shown:?}"
    );
}

fn check_file_name(name: &str) {
    check_shown(name, 120);
    assert!(
        !name.contains(['/', '\\']) && !name.starts_with('.'),
        "{name:?}"
    );
}

fn check_ties(ties: &Ties) {
    assert!(ties.references.len() <= 21);
    let ids = ties.references.iter().chain(&ties.message_id);
    ids.for_each(|id| assert!(is_message_id(id), "{id:?}"));
    // It is compared and not shown.
    assert!(ties.subject.chars().count() <= 1_000);
}

fn check_parsed(parsed: &ParsedMessage, size: usize) {
    let people = |people: &[Person]| {
        assert!(people.len() <= 1_000);
        for person in people {
            person.name.iter().for_each(|name| check_shown(name, 1_000));
            check_shown(&person.address, 1_000);
        }
    };
    people(&parsed.from);
    people(&parsed.reply_to);
    people(&parsed.to);
    people(&parsed.cc);
    parsed
        .subject
        .iter()
        .for_each(|one| check_shown(one, 1_000));
    assert!(parsed.parts.len() <= 500 && parsed.references.len() <= 51);
    for part in &parsed.parts {
        part.name.iter().for_each(|name| check_file_name(name));
        assert!(
            part.content.len() <= size.max(16) * 3,
            "larger than the message"
        );
    }
}

/// Whoever may send as somebody is asked about what one reader of `From` finds; another one must
/// show nobody else.
fn check_author(parsed: &ParsedMessage, header: &[u8]) {
    let is_from = |name: &[u8]| name.eq_ignore_ascii_case(b"From");
    let mut fields = header_fields(header).filter(|field| is_from(field.name));
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return;
    };
    // Letters of no known charset are shown in one, and are nobody's address.
    let is_known = std::str::from_utf8(field.body).is_ok();
    let Some(found) = originators(field.body).filter(|_| is_known) else {
        return;
    };
    let found: Vec<String> = found.iter().map(Mailbox::key).collect();
    for person in &parsed.from {
        if let Ok(shown) = person.address.parse::<Mailbox>() {
            assert!(
                found.contains(&shown.key()),
                "{shown} is shown for {found:?}"
            );
        }
    }
}

fn check_html(html: &str) {
    assert!(html_to_text(html).len() <= html.len() * 4 + 16, "{html}");
    for clean in [harmless_html(html), narrow_html(html)]
        .into_iter()
        .flatten()
    {
        let mut rest = clean.as_str();
        while let Some((_, behind)) = rest.split_once('<') {
            rest = check_tag(behind, &clean);
        }
    }
}

/// A tag of clean HTML, in which `<` and `>` stand for nothing else.
fn check_tag<'h>(tag: &'h str, whole: &str) -> &'h str {
    let name = tag.trim_start_matches('/');
    let end = name
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(name.len());
    let (name, mut rest) = name.split_at(end);
    assert!(!name.is_empty(), "no tag: {whole}");
    assert!(
        !HARMFUL.contains(&name.to_lowercase().as_str()),
        "<{name}>: {whole}"
    );
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix('>') {
            return behind;
        }
        let (attribute, behind) = rest.split_once("=\"").expect("an attribute with a value");
        let (value, behind) = behind.split_once('"').expect("its value ends");
        let attribute = attribute.to_lowercase();
        let is_name = !attribute.is_empty() && attribute.bytes().all(|it| it.is_ascii_graphic());
        assert!(
            is_name && !attribute.starts_with("on"),
            "{attribute}: {whole}"
        );
        let value = value.replace("&amp;", "&").to_lowercase();
        let url: String = value.chars().filter(|c| !c.is_control()).collect();
        let starts = |all: &[&str]| all.iter().any(|one| url.trim().starts_with(one));
        let is_fine = match attribute.as_str() {
            "href" | "cite" => starts(&["http:", "https:", "mailto:", "tel:"]),
            // Nothing is fetched.
            "src" => starts(&["data:image/"]),
            "style" => !["url", "expression", "import", "position", "\\", "/*"]
                .iter()
                .any(|one| value.contains(one)),
            "action" | "formaction" | "background" | "srcset" | "poster" | "ping" | "data"
            | "xlink:href" => false,
            _ => true,
        };
        assert!(is_fine, "{attribute}={value}: {whole}");
        rest = behind;
    }
}

/// RFC 5545 §3.1: what goes back has lines of at most 75 octets, and says nothing twice.
fn check_invitation(invitation: &Invitation) {
    check_shown(&invitation.summary, 1_000);
    check_shown(&invitation.location, 1_000);
    assert!(invitation.guests.len() <= 1_000);
    let Some(guest) = invitation.guests.first() else {
        return;
    };
    let now = Timestamp::from_millis(1_800_000_000_000);
    let reply = invitation.reply(guest, Answer::Declined, now);
    let whole = reply.strip_suffix("\r\n").expect("a line ends");
    for line in whole.split("\r\n") {
        assert!(line.len() <= 75, "{} bytes: {line}", line.len());
        assert!(
            !line.is_empty() && !line.contains(['\r', '\n']),
            "{reply:?}"
        );
    }
    let unfolded = whole.replace("\r\n ", "");
    let lines: Vec<String> = unfolded.split("\r\n").map(str::to_uppercase).collect();
    let count = |wanted: &str| lines.iter().filter(|line| *line == wanted).count();
    for once in [
        "BEGIN:VCALENDAR",
        "END:VCALENDAR",
        "BEGIN:VEVENT",
        "END:VEVENT",
        "METHOD:REPLY",
    ] {
        assert_eq!(count(once), 1, "{once} in {unfolded}");
    }
    let attendees = lines.iter().filter(|line| line.starts_with("ATTENDEE"));
    assert_eq!(attendees.count(), 1, "{unfolded}");
    let again = Invitation::parse(reply.as_bytes()).expect("our own answer can be read");
    assert_eq!(again.guests.len(), 1);
    assert_eq!(again.guests[0].address.key(), guest.address.key());
}

/// What somebody writes ends no field.
fn check_letter(text: &str) {
    // What is left out of it must not make it one, either.
    let said: String = text.chars().filter(|c| !c.is_control()).collect();
    if text.len() > limits::COMMAND_LINE * 8 || said.contains(MARK) {
        return;
    }
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let clean = narrow_html(text);
    let references: Vec<String> = text.split(['<', '>']).map(str::to_owned).collect();
    let letter = Letter {
        from: (Some(text), &ann),
        to: &[],
        cc: &[],
        subject: text,
        text,
        html: clean.as_deref(),
        message_id: "1@mx.example.org",
        date: Timestamp::from_millis(1_800_000_000_000),
        references: &references,
        calendar: None,
        files: &[],
    };
    let pieces = letter.to_pieces(MARK).expect("the mark is not in it");
    let [whole] = pieces.as_slice() else {
        panic!("{} pieces", pieces.len());
    };
    let (header, _) = whole.split_at(header_end(whole));
    let mut names = std::collections::BTreeSet::new();
    for field in header_fields(header) {
        let name: String = field.name.iter().copied().map(char::from).collect();
        let name = name.to_lowercase();
        assert!(
            FIELDS.contains(&name.as_str()),
            "{name}: {}",
            whole.escape_ascii()
        );
        assert!(names.insert(name), "twice: {}", whole.escape_ascii());
    }
    for line in whole.split(|byte| *byte == b'\n') {
        assert!(
            line.len() <= 999,
            "{} bytes: {}",
            line.len(),
            line.escape_ascii()
        );
    }
    let parsed = ParsedMessage::parse(whole).expect("our own letter can be read");
    assert_eq!(parsed.from.len(), 1, "{}", whole.escape_ascii());
    assert_eq!(parsed.from[0].address, "ann@example.org");
    assert!(parsed.parts.is_empty(), "{}", whole.escape_ascii());
    check_shown(&one_line(text), text.len());
}
