//! A message of ours: from what a person wrote to RFC 5322 bytes. Nothing that is put into a field
//! can end it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use mail_builder::headers::{Header as _, HeaderType};
use mail_builder::mime::{BodyPart, MimePart};

use super::header::turns_text;
use super::is_message_id;
use crate::base::Timestamp;
use crate::smtp::Mailbox;

/// Longest subject, in characters; the rest is cut off.
const SUBJECT: usize = 500;
/// Bytes of content on one line of base64.
pub const BASE64_LINE: usize = 57;
const OTHER_TYPE: &str = "application/octet-stream";

/// Somebody whom a message goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// His name, when it is known.
    pub name: Option<String>,
    /// His address.
    pub address: Mailbox,
}

/// A message before it is bytes.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The writer's name and his own address.
    pub from: (Option<&'a str>, &'a Mailbox),
    /// `To`.
    pub to: &'a [Addressee],
    /// `Cc`.
    pub cc: &'a [Addressee],
    /// `Subject`.
    pub subject: &'a str,
    /// Plain text, with any line ends.
    pub text: &'a str,
    /// The same with formatting, for who can see it.
    pub html: Option<&'a str>,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// `Date`.
    pub date: Timestamp,
    /// The thread, oldest first; the last one is answered.
    pub references: &'a [String],
    /// A calendar object that answers an invitation (RFC 6047 §2.4); has no files.
    pub calendar: Option<&'a str>,
    /// Files that go with it.
    pub files: &'a [LetterFile],
}

/// A file of a letter; its content is put in afterwards, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterFile {
    /// Its name.
    pub name: String,
    /// `image/png`; what cannot be carried in base64 goes as `application/octet-stream`.
    pub content_type: String,
}

impl Letter<'_> {
    /// The message in RFC 5322 form, 7-bit unless an address is not, in one piece more than it has
    /// files: between two pieces the content of a file belongs, as [`base64_lines`] writes it.
    /// `mark` is a random text that nobody knew when the letter was written.
    ///
    /// # Errors
    /// When the mark is in the letter; else never on a memory buffer.
    pub fn to_pieces(&self, mark: &str) -> std::io::Result<Vec<Vec<u8>>> {
        let mut rest = self.write(mark)?;
        let mut pieces = Vec::with_capacity(self.files.len() + 1);
        for _ in self.files {
            let at = memchr::memmem::find(&rest, mark.as_bytes()).ok_or_else(misplaced)?;
            let behind = rest.split_off(at + mark.len());
            rest.truncate(at);
            pieces.push(std::mem::replace(&mut rest, behind));
        }
        if memchr::memmem::find(&rest, mark.as_bytes()).is_some() {
            return Err(misplaced());
        }
        pieces.push(rest);
        Ok(pieces)
    }

    fn write(&self, mark: &str) -> std::io::Result<Vec<u8>> {
        let date = i64::try_from(self.date.as_secs()).unwrap_or_default();
        let subject = one_line(self.subject).chars().take(SUBJECT).collect();
        let mut builder = MessageBuilder::new()
            .from(Address::new_address(
                self.from.0.map(one_line),
                self.from.1.to_string(),
            ))
            .date(Date::new(date))
            .message_id(self.message_id)
            .header("Subject", unstructured(subject));
        if !self.to.is_empty() {
            builder = builder.to(addresses(self.to));
        }
        if !self.cc.is_empty() {
            builder = builder.cc(addresses(self.cc));
        }
        let references: Vec<_> = self
            .references
            .iter()
            .filter(|id| is_message_id(id))
            .collect();
        if let Some(last) = references.last() {
            builder = builder.in_reply_to(MessageId::new(last.as_str()));
            let list = references.iter().map(|id| id.as_str());
            builder = builder.references(MessageId::new_list(list));
        }
        let text = with_crlf(self.text);
        if let Some(calendar) = self.calendar {
            let kind = ContentType::new("text/calendar")
                .attribute("method", "REPLY")
                .attribute("charset", "utf-8");
            let text = MimePart::new("text/plain", BodyPart::Text(text.into()));
            let calendar = MimePart::new(kind, BodyPart::Text(calendar.into()));
            return builder
                .body(MimePart::new("multipart/alternative", vec![text, calendar]))
                .write_to_vec();
        }
        let text = MimePart::new("text/plain", BodyPart::Text(text.into()));
        // RFC 2046 §5.1.4: the plainest form first.
        let text = match self.html {
            Some(html) => {
                let html = MimePart::new("text/html", BodyPart::Text(html.into()));
                MimePart::new("multipart/alternative", vec![text, html])
            }
            None => text,
        };
        if self.files.is_empty() {
            return builder.body(text).write_to_vec();
        }
        let files = self.files.iter().map(|file| file.part(mark));
        let parts: Vec<MimePart<'_>> = std::iter::once(text).chain(files).collect();
        builder
            .body(MimePart::new("multipart/mixed", parts))
            .write_to_vec()
    }
}

impl LetterFile {
    fn part<'x>(&self, mark: &'x str) -> MimePart<'x> {
        let (kind, charset) = carried_type(&self.content_type);
        let mut kind = ContentType::new(kind);
        if let Some(charset) = charset {
            kind = kind.attribute("charset", charset);
        }
        MimePart::new(kind, mark.as_bytes())
            .attachment(one_line(&self.name))
            .transfer_encoding("base64")
    }
}

/// RFC 5322 §2.2.3: what is ASCII is folded when it is long, so that it can be read as it stands.
/// What looks like an encoded word (RFC 2047 §2) is encoded, and so stays what it is.
fn unstructured(text: String) -> HeaderType<'static> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain && !text.contains("=?") {
        HeaderType::Raw(Raw::new(text))
    } else {
        HeaderType::Text(Text::new(text))
    }
}

/// The type that a file is given: RFC 2046 §5 lets neither messages nor multiparts be encoded.
/// The charset of a text goes with it.
fn carried_type(declared: &str) -> (String, Option<String>) {
    let declared = declared.to_ascii_lowercase();
    let (declared, parameters) = declared.split_once(';').unwrap_or((&declared, ""));
    let is_token = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
        !text.is_empty() && text.len() <= 100 && text.chars().all(fits)
    };
    match declared.trim().split_once('/') {
        Some(("message" | "multipart", _)) | None => (OTHER_TYPE.to_owned(), None),
        Some((kind, sub)) if is_token(kind) && is_token(sub) => {
            let charset = parameters.trim().strip_prefix("charset=");
            let charset = charset.map(|charset| charset.trim_matches('"'));
            let charset = charset.filter(|charset| kind == "text" && is_token(charset));
            (declared.trim().to_owned(), charset.map(str::to_owned))
        }
        Some(_) => (OTHER_TYPE.to_owned(), None),
    }
}

fn misplaced() -> std::io::Error {
    std::io::Error::other("a letter has not as many places as files")
}

fn addresses(list: &[Addressee]) -> Address<'static> {
    let one = |addressee: &Addressee| {
        let name = addressee.name.as_deref().map(one_line);
        Address::new_address(name, addressee.address.to_string())
    };
    Address::new_list(list.iter().map(one).collect())
}

/// A header field with people, names and all, folded, with its CRLF.
#[must_use]
pub fn address_field(field: &str, list: &[Addressee]) -> Vec<u8> {
    let mut written = format!("{field}: ").into_bytes();
    let column = written.len();
    addresses(list).write_header(&mut written, column);
    written
}

/// Content in base64, RFC 2045 §6.8, in lines of 76 characters. All pieces of a file but the last
/// one are a multiple of [`BASE64_LINE`] bytes.
#[must_use]
pub fn base64_lines(content: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(content.len() / BASE64_LINE * 78 + 80);
    for line in content.chunks(BASE64_LINE) {
        lines.extend_from_slice(STANDARD.encode(line).as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// A text on one line: nothing that ends a header field gets into one, and nothing that makes
/// letters be shown in another order.
#[must_use]
pub fn one_line(text: &str) -> String {
    let cleaned: String = text
        .chars()
        .filter(|c| !turns_text(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cleaned.trim().to_owned()
}

/// Lines end in CRLF; other control characters than tab are left out.
fn with_crlf(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut body = String::with_capacity(text.len() + text.len() / 32);
    for line in text.trim_end().lines() {
        body.extend(line.chars().filter(|c| *c == '\t' || !c.is_control()));
        body.push_str("\r\n");
    }
    body
}

#[cfg(test)]
#[path = "letter_tests.rs"]
mod tests;
