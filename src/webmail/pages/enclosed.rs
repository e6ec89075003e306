//! Messages inside of a message: passed on as they were, or returned by a server.

use super::message::{Field, fields};
use crate::mail::{ParsedMessage, Part};
use crate::webmail::letter::readable_text;
use crate::webmail::moment::Moments;
use crate::webmail::plain;

/// Messages inside of one message that are shown; the others are files.
const SHOWN: usize = 10;
/// Bytes of all of them that are looked at.
const BYTES: usize = 4 * 1024 * 1024;

/// A message inside of a message, as text.
pub(super) struct Enclosed {
    pub number: usize,
    pub subject: String,
    pub fields: Vec<Field>,
    /// When its writer says that it was sent.
    pub time: Option<String>,
    /// Our own HTML, made of its text.
    pub html: String,
}

/// The messages that are shown of a message; what is inside of these is in their files only.
pub(super) fn enclosed(message: &ParsedMessage, moments: &Moments) -> Vec<Enclosed> {
    let is_message = |part: &&Part| part.content_type == "message/rfc822";
    let mut room = BYTES;
    let mut shown = Vec::new();
    for part in message.parts.iter().filter(is_message).take(SHOWN) {
        if part.content.len() > room {
            continue;
        }
        room -= part.content.len();
        shown.extend(ParsedMessage::parse(&part.content).map(|inner| one(part, &inner, moments)));
    }
    shown
}

fn one(part: &Part, inner: &ParsedMessage, moments: &Moments) -> Enclosed {
    let texts = moments.texts;
    let subject = inner.subject.clone().filter(|subject| !subject.is_empty());
    Enclosed {
        number: part.number,
        subject: subject.unwrap_or_else(|| texts.no_subject.to_owned()),
        fields: fields(inner, texts),
        time: inner.date.map(|date| moments.full(date)),
        html: plain::to_html(&readable_text(inner), texts),
    }
}
