//! What a person reads of a message: who, when, text, HTML, parts. A view over mail-parser with
//! everything hostile taken out of its reach: bounded, without panics, without control characters.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use mail_parser::parsers::MessageStream;
use mail_parser::{
    Address, Encoding, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType,
};

use super::boundaries::delimited;
use super::charset;
use super::header::{mended, turns_text};
use super::header_fields::fields_only;
use crate::base::Timestamp;

/// Parts of one message that are looked at; the rest is only in its source.
const PARTS: usize = 500;
/// Addresses of one header field that are shown.
const PEOPLE: usize = 1_000;
/// `Authentication-Results` fields that are looked at.
const RESULTS: usize = 20;
/// Characters of a subject, a name or an address that are shown.
const CHARACTERS: usize = 1_000;
/// Message-IDs of `References` that are kept: the first and the newest.
const REFERENCES: usize = 50;

/// A name with its address, as a header field has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The display name, decoded.
    pub name: Option<String>,
    /// The address; as written, possibly not valid.
    pub address: String,
}

/// A piece of the text that is shown to the reader, in the order of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// `text/plain` and what is treated like it.
    Plain(String),
    /// `text/html`, as it came: hostile.
    Html(String),
}

/// A part that is not shown as text: an attachment, an inline image, an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number in the message; stays the same for the same bytes.
    pub number: usize,
    /// Its file name, decoded, without path and control characters.
    pub name: Option<String>,
    /// `image/png`, in lower case.
    pub content_type: String,
    /// `Content-ID` without angle brackets.
    pub content_id: Option<String>,
    /// The charset that it says it has, if any.
    pub charset: Option<String>,
    /// Its bytes, as they were before they were encoded to be sent.
    pub content: Vec<u8>,
}

impl Part {
    /// Its content as text: in its charset, or what it seems to be in.
    #[must_use]
    pub fn text(&self) -> String {
        charset::decode(&self.content, self.charset.as_deref())
    }

    /// Its content as text with folded lines put together (RFC 5545 §3.1): a fold may stand in the
    /// middle of a letter, so that there is no text before.
    #[must_use]
    pub fn unfolded_text(&self) -> String {
        let mut bytes = Vec::with_capacity(self.content.len());
        let mut rest = &*self.content;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(at);
            let folded = behind.get(1..).unwrap_or_default();
            if let [b' ' | b'\t', next @ ..] = folded {
                bytes.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                rest = next;
            } else {
                bytes.extend_from_slice(line);
                bytes.push(b'\n');
                rest = folded;
            }
        }
        bytes.extend_from_slice(rest);
        charset::decode(&bytes, self.charset.as_deref())
    }
}

/// A message, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedMessage {
    /// `Subject`, decoded.
    pub subject: Option<String>,
    /// `From`.
    pub from: Vec<Person>,
    /// `Reply-To`.
    pub reply_to: Vec<Person>,
    /// `To`.
    pub to: Vec<Person>,
    /// `Cc`.
    pub cc: Vec<Person>,
    /// `Date`.
    pub date: Option<Timestamp>,
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// `References`, or `In-Reply-To` when there are none, oldest first.
    pub references: Vec<String>,
    /// Bodies of `Authentication-Results` (RFC 8601), the topmost first; anybody may have written
    /// them.
    pub authentication: Vec<String>,
    /// The richest form of the text: HTML where there is HTML.
    pub rich: Vec<TextPart>,
    /// The plain form of the text, with HTML where there is no plain form of that piece; empty when
    /// there is only HTML.
    pub plain: Vec<TextPart>,
    /// Everything else.
    pub parts: Vec<Part>,
    /// How many parts it has beyond those that are read.
    pub left_out: usize,
}

impl ParsedMessage {
    /// Parses a message. `None` when the parser cannot make anything of it; the source can still
    /// be shown. Takes time and memory in proportion to the message: call it where one may block.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Option<Self> {
        // The parser is sound, but a panic in it must cost one page and not the program.
        std::panic::catch_unwind(AssertUnwindSafe(|| {
            let delimited = delimited(raw);
            MessageParser::default()
                .parse(delimited.to_parse())
                .map(|message| Self::read(&message, &delimited.raw))
        }))
        .ok()
        .flatten()
    }

    /// Is there an HTML form of the text?
    #[must_use]
    pub fn has_html(&self) -> bool {
        self.rich
            .iter()
            .any(|part| matches!(part, TextPart::Html(_)))
    }

    /// The part with this number.
    #[must_use]
    pub fn part(&self, number: usize) -> Option<&Part> {
        self.parts.iter().find(|part| part.number == number)
    }

    fn read(message: &Message<'_>, raw: &[u8]) -> Self {
        let rich = texts(message, &message.html_body, raw);
        let mut plain = texts(message, &message.text_body, raw);
        if !plain
            .iter()
            .any(|(_, part)| matches!(part, TextPart::Plain(_)))
        {
            plain.clear();
        }
        let shown = |number: usize| rich.iter().chain(&plain).any(|(shown, _)| *shown == number);
        let parts = message
            .parts
            .iter()
            .enumerate()
            .take(PARTS)
            .filter(|(number, part)| !part.is_multipart() && !shown(*number))
            .map(|(number, part)| attachment(number, part, raw))
            .filter(|part| part.number > 0 || !part.content.is_empty())
            .collect();
        let beyond = message.parts.iter().skip(PARTS);
        let root = message.parts.first();
        let mended = root.and_then(|root| mended_header(root, raw));
        let head = match &mended {
            Some(header) => MessageParser::default().parse_headers(header),
            None => None,
        };
        Self {
            rich: rich.into_iter().map(|(_, part)| part).collect(),
            plain: plain.into_iter().map(|(_, part)| part).collect(),
            parts,
            left_out: beyond.filter(|part| !part.is_multipart()).count(),
            ..Self::of_header(head.as_ref().unwrap_or(message))
        }
    }

    /// What the header says.
    fn of_header(message: &Message<'_>) -> Self {
        Self {
            subject: message.subject().map(|subject| short(&clean(subject))),
            from: people(message.from()),
            reply_to: people(message.reply_to()),
            to: people(message.to()),
            cc: people(message.cc()),
            date: message.date().and_then(|date| {
                let seconds = u64::try_from(date.to_timestamp()).ok()?;
                Some(Timestamp::from_millis(seconds.checked_mul(1000)?))
            }),
            message_id: message.message_id().map(clean),
            references: references(message),
            authentication: authentication(message),
            ..Self::default()
        }
    }
}

/// The header of a part, when the parser could not read it as it stands, or would read more in it
/// than there is.
fn mended_header(part: &MessagePart<'_>, raw: &[u8]) -> Option<Vec<u8>> {
    let place = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    let header = raw.get(place(part.raw_header_offset())..place(part.raw_body_offset()))?;
    let fields = fields_only(header);
    let mended = match mended(&fields) {
        Cow::Owned(mended) => Some(mended),
        Cow::Borrowed(_) => None,
    };
    mended.or(match fields {
        Cow::Owned(fields) => Some(fields),
        Cow::Borrowed(_) => None,
    })
}

/// Does a message have attachments, as far as its beginning tells? For the mark in lists: cheap,
/// and right for what real programs send.
#[must_use]
pub fn seems_to_have_attachments(beginning: &[u8]) -> bool {
    let header_end = memchr::memmem::find(beginning, b"\r\n\r\n").unwrap_or(beginning.len());
    let header = beginning.get(..header_end).unwrap_or_default();
    let is_mixed = contains_ignoring_case(header, b"multipart/mixed");
    let marks: [&[u8]; 3] = [b"disposition: attachment", b"filename", b"message/rfc822"];
    (is_mixed
        && marks
            .iter()
            .any(|mark| contains_ignoring_case(beginning, mark)))
        || contains_ignoring_case(header, b"disposition: attachment")
}

fn contains_ignoring_case(text: &[u8], mark: &[u8]) -> bool {
    text.windows(mark.len())
        .any(|window| window.eq_ignore_ascii_case(mark))
}

fn texts(message: &Message<'_>, numbers: &[u32], raw: &[u8]) -> Vec<(usize, TextPart)> {
    let of = |number: &u32| {
        let number = usize::try_from(*number).ok()?;
        let part = message.parts.get(number)?;
        // A calendar object is no text for people: it is a part of its own.
        let kind = part.content_type().and_then(|kind| kind.subtype());
        if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("calendar")) {
            return None;
        }
        let text = match &part.body {
            PartType::Text(text) => TextPart::Plain(decoded(part, text, raw)),
            PartType::Html(html) => TextPart::Html(decoded(part, html, raw)),
            PartType::Binary(_)
            | PartType::InlineBinary(_)
            | PartType::Message(_)
            | PartType::Multipart(_) => return None,
        };
        Some((number, text))
    };
    numbers.iter().take(PARTS).filter_map(of).collect()
}

/// The charset that a part says it has.
fn charset_of<'a>(part: &'a MessagePart<'_>) -> Option<&'a str> {
    part.content_type()
        .and_then(|kind| kind.attribute("charset"))
}

/// The text of a part. What the parser made of it is good when all is ASCII or UTF-8; else the
/// bytes are looked at once more.
fn decoded(part: &MessagePart<'_>, parsed: &str, raw: &[u8]) -> String {
    let declared = charset_of(part);
    // The parser reads ASCII as Windows-1252, and what it does not know as UTF-8.
    let is_utf8 = declared.is_none_or(|it| charset::is_vague(it) && !charset::is_ascii(it));
    let is_sound = is_utf8 && !parsed.contains(['\u{fffd}', '\u{1b}']);
    if is_sound {
        return parsed.to_owned();
    }
    let bytes = content(part, raw);
    let html = matches!(part.body, PartType::Html(_)).then_some(&*bytes);
    let label = charset::label_of(declared, html);
    charset::decode(&bytes, label.as_deref())
}

/// The bytes of a part, as they were before they were encoded to be sent. The parser keeps those of
/// a text in UTF-8 only.
fn content<'a>(part: &'a MessagePart<'_>, raw: &'a [u8]) -> Cow<'a, [u8]> {
    let place = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    let stored = || raw.get(place(part.raw_body_offset())..place(part.raw_end_offset()));
    match &part.body {
        // A message that is not encoded shares the bytes of the one around it.
        PartType::Message(_) if part.encoding == Encoding::None => {
            Cow::Borrowed(stored().unwrap_or_default())
        }
        PartType::Text(_) | PartType::Html(_) => {
            let stored = stored().unwrap_or_default();
            let (end, bytes) = match part.encoding {
                Encoding::None => (0, Cow::Borrowed(stored)),
                Encoding::Base64 => MessageStream::new(stored).decode_base64_mime(b""),
                Encoding::QuotedPrintable => {
                    MessageStream::new(stored).decode_quoted_printable_mime(b"")
                }
            };
            if end == usize::MAX {
                Cow::Borrowed(part.contents())
            } else {
                bytes
            }
        }
        PartType::Message(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Multipart(_) => Cow::Borrowed(part.contents()),
    }
}

fn attachment(number: usize, part: &MessagePart<'_>, raw: &[u8]) -> Part {
    let declared = part.content_type().map(|kind| {
        format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("*")).to_ascii_lowercase()
    });
    let content_type = declared.unwrap_or_else(|| {
        let default = if part.is_text() {
            "text/plain"
        } else {
            "application/octet-stream"
        };
        default.to_owned()
    });
    let nested_subject = part
        .message()
        .and_then(|message| message.subject())
        .map(|subject| format!("{subject}.eml"));
    let name = match mended_header(part, raw) {
        None => part.attachment_name().map(str::to_owned),
        Some(header) => {
            let header = MessageParser::default().parse_headers(&header);
            header.and_then(|header| header.attachment_name().map(str::to_owned))
        }
    };
    Part {
        number,
        name: name
            .or(nested_subject)
            .map(|name| file_name(&name))
            .filter(|name| !name.is_empty()),
        content_type,
        content_id: part
            .content_id()
            .map(|id| id.trim_matches(['<', '>']).to_owned()),
        charset: charset_of(part).map(str::to_owned),
        content: content(part, raw).into_owned(),
    }
}

fn people(address: Option<&Address<'_>>) -> Vec<Person> {
    let person = |one: &mail_parser::Addr<'_>| {
        let address = short(&clean(one.address()?));
        let name = one.name().map(|name| short(&clean(name)));
        let name = name.filter(|name| !name.is_empty());
        (!address.is_empty()).then_some(Person { name, address })
    };
    address.map_or_else(Vec::new, |list| {
        list.iter().take(PEOPLE).filter_map(person).collect()
    })
}

fn authentication(message: &Message<'_>) -> Vec<String> {
    let is_result = |name: &str| name.eq_ignore_ascii_case("Authentication-Results");
    let fields = message.headers_raw().filter(|(name, _)| is_result(name));
    fields.take(RESULTS).map(|(_, body)| clean(body)).collect()
}

pub(super) fn references(message: &Message<'_>) -> Vec<String> {
    let list = |value: &HeaderValue<'_>| -> Vec<String> {
        match value {
            HeaderValue::Text(one) => vec![clean(one)],
            HeaderValue::TextList(many) => many.iter().map(|one| clean(one)).collect(),
            HeaderValue::Address(_)
            | HeaderValue::DateTime(_)
            | HeaderValue::ContentType(_)
            | HeaderValue::Received(_)
            | HeaderValue::Empty => Vec::new(),
        }
    };
    let mut ids = list(message.references());
    if ids.is_empty() {
        ids = list(message.in_reply_to());
    }
    ids.retain(|id| is_message_id(id));
    if ids.len() > REFERENCES {
        ids.drain(1..=ids.len() - REFERENCES);
    }
    ids
}

/// The words of an HTML text, in lines.
#[must_use]
pub fn html_to_text(html: &str) -> String {
    std::panic::catch_unwind(|| mail_parser::decoders::html::html_to_text(html)).unwrap_or_default()
}

/// Can this text stand between angle brackets in a header field of ours?
#[must_use]
pub fn is_message_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 500
        && id
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && c != '<' && c != '>')
}

/// On one line, without control characters and without marks that turn the text around.
pub(super) fn clean(text: &str) -> String {
    let cleaned: String = text
        .chars()
        .filter(|c| !turns_text(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cleaned.trim().to_owned()
}

/// Names and subjects that somebody reads.
fn short(text: &str) -> String {
    text.chars().take(CHARACTERS).collect()
}

/// The last component of a path, cut to 120 characters with its ending kept.
#[must_use]
pub fn file_name(name: &str) -> String {
    let name = clean(name);
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let hidden = |letter: char| letter == '.' || letter.is_whitespace();
    let last = last.trim_start_matches(hidden).trim_end();
    if last.chars().count() <= 120 {
        return last.to_owned();
    }
    let ending = last
        .rsplit_once('.')
        .map(|(_, ending)| ending)
        .filter(|ending| ending.len() <= 10);
    let stem: String = last.chars().take(100).collect();
    ending.map_or(stem.clone(), |ending| format!("{stem}.{ending}"))
}

#[cfg(test)]
#[path = "mime_tests.rs"]
mod tests;
