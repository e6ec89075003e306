//! What a user writes: the recipients of a form, and the fields of a reply. Pure.

use super::moment::Moments;
use super::plain::cut;
use super::texts::{Texts, fill};
use crate::base::Timestamp;
use crate::limits;
pub(crate) use crate::mail::parse_addressees;
use crate::mail::{ParsedMessage, Person, TextPart, is_message_id};
use crate::smtp::Mailbox;

/// Recipients of one message from the webmail.
pub(crate) const RECIPIENTS: usize = 100;
/// Lines of the original that a reply quotes.
const QUOTED_LINES: usize = 2_000;
/// Lines of the original that are passed on as text.
const FORWARDED_LINES: usize = 10_000;

/// To whom a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    Sender,
    All,
}

/// The fields of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    /// The writer's address that the message came to; empty: any.
    pub from: String,
    pub to: String,
    pub cc: String,
    pub subject: String,
    pub text: String,
}

/// The fields of a reply to `message` by the user whose addresses are `own`.
pub(crate) fn reply(
    message: &ParsedMessage,
    own: &[Mailbox],
    to: ReplyTo,
    (received, moments): (Timestamp, &Moments),
) -> Fields {
    let is_own = |person: &Person| own_address(person, own).is_some();
    let sender = if message.reply_to.is_empty() {
        &message.from
    } else {
        &message.reply_to
    };
    // Who answers his own message goes on writing to its recipients.
    let answers_himself = !sender.is_empty() && sender.iter().all(is_own);
    let first: Vec<&Person> = if answers_himself {
        message.to.iter().collect()
    } else {
        sender.iter().collect()
    };
    let rest: Vec<&Person> = match to {
        ReplyTo::Sender => Vec::new(),
        ReplyTo::All if answers_himself => message.cc.iter().collect(),
        ReplyTo::All => message.to.iter().chain(&message.cc).collect(),
    };
    let is_first = |person: &&Person| {
        first
            .iter()
            .any(|one| one.address.eq_ignore_ascii_case(&person.address))
    };
    let cc: Vec<&Person> = rest
        .into_iter()
        .filter(|person| !is_own(person) && !is_first(person))
        .collect();
    Fields {
        from: reached(message, own),
        to: listed(&first),
        cc: listed(&cc),
        subject: reply_subject(message.subject.as_deref().unwrap_or_default()),
        text: quoted(message, received, moments),
    }
}

/// The fields of a letter that passes `message` on.
pub(crate) fn forward(
    message: &ParsedMessage,
    own: &[Mailbox],
    (received, moments): (Timestamp, &Moments),
) -> Fields {
    let texts = moments.texts;
    let subject = message.subject.as_deref().unwrap_or_default();
    let mut text = format!("\n\n---------- {} ----------\n", texts.forwarded);
    let time = moments.full(message.date.unwrap_or(received));
    let people = |people: &[Person]| listed(&people.iter().collect::<Vec<_>>());
    for (label, value) in [
        (texts.from, people(&message.from)),
        (texts.sent_on, time),
        (texts.subject, subject.to_owned()),
        (texts.to, people(&message.to)),
        (texts.cc, people(&message.cc)),
    ] {
        if !value.is_empty() {
            text.extend([label, ": ", &*value, "\n"]);
        }
    }
    text.push('\n');
    let original = readable_text(message);
    let (lines, left) = beginning(&original, FORWARDED_LINES);
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    if let Some(left) = left_out(left, texts) {
        text.extend([&*left, "\n"]);
    }
    Fields {
        from: reached(message, own),
        subject: forward_subject(subject),
        text,
        ..Fields::default()
    }
}

/// Puts a signature where the writer's own words end: above what is quoted. RFC 3676 §4.3 has the
/// line that tells it from the text.
pub(crate) fn with_signature(text: &str, signature: &str) -> String {
    let signature = signature.trim_end();
    if signature.is_empty() {
        return text.to_owned();
    }
    format!("\n\n-- \n{signature}\n{text}")
}

/// The address of the user's that a message names; the first of his that it does.
fn reached(message: &ParsedMessage, own: &[Mailbox]) -> String {
    let mut people = message.to.iter().chain(&message.cc).chain(&message.from);
    let found = people.find_map(|person| own_address(person, own));
    found.map(ToString::to_string).unwrap_or_default()
}

fn own_address<'a>(person: &Person, own: &'a [Mailbox]) -> Option<&'a Mailbox> {
    let key = person.address.parse::<Mailbox>().ok()?.key();
    own.iter().find(|own| own.key() == key)
}

/// The thread that a reply to `message` belongs to, RFC 5322 §3.6.4.
pub(crate) fn thread(message: &ParsedMessage) -> Vec<String> {
    let mut references = message.references.clone();
    references.extend(message.message_id.clone().filter(|id| is_message_id(id)));
    references
}

/// The readable text of a message: its plain form, or its HTML without the marks.
pub(crate) fn readable_text(message: &ParsedMessage) -> String {
    let readable = |part: &TextPart| match part {
        TextPart::Plain(text) => text.clone(),
        TextPart::Html(html) => crate::mail::html_to_text(html),
    };
    let parts = if message.plain.is_empty() {
        &message.rich
    } else {
        &message.plain
    };
    parts.iter().map(readable).collect::<Vec<_>>().join("\n")
}

fn reply_subject(subject: &str) -> String {
    prefixed(subject, "Re:", &["re:", "aw:", "sv:", "antw:"])
}

fn forward_subject(subject: &str) -> String {
    prefixed(subject, "Fwd:", &["fwd:", "fw:", "wg:", "tr:"])
}

/// The subject with a prefix, unless it has one of these already.
fn prefixed(subject: &str, prefix: &str, known: &[&str]) -> String {
    let is_there = known.iter().any(|known| {
        let start = subject.get(..known.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(known))
    });
    if is_there {
        subject.to_owned()
    } else {
        format!("{prefix} {subject}").trim_end().to_owned()
    }
}

fn quoted(message: &ParsedMessage, received: Timestamp, moments: &Moments) -> String {
    let person = message.from.first().map_or("", |person| {
        person.name.as_deref().unwrap_or(&person.address)
    });
    let time = moments.full(message.date.unwrap_or(received));
    let values = [("time", time.as_str()), ("person", person)];
    let mut text = format!("\n\n{}\n", fill(moments.texts.wrote, &values));
    let original = readable_text(message);
    let (lines, left) = beginning(&original, QUOTED_LINES);
    for line in lines {
        text.push_str(if line.starts_with('>') { ">" } else { "> " });
        text.push_str(line);
        text.push('\n');
    }
    if let Some(left) = left_out(left, moments.texts) {
        text.extend(["> ", &*left, "\n"]);
    }
    text
}

/// The first lines of an original, up to so many and to [`limits::WEB_QUOTED`] bytes, and how many
/// are left out; of a line that is too long its beginning is there.
fn beginning(original: &str, most: usize) -> (Vec<&str>, usize) {
    let mut room = limits::WEB_QUOTED;
    let mut lines = Vec::new();
    let mut all = original.trim_end().lines();
    while let Some(line) = all.next() {
        let line = line.trim_end();
        // Two for the mark of a quote, two for the end of the line in a form.
        let size = line.len() + 4;
        if lines.len() < most && size <= room {
            room -= size;
            lines.push(line);
            continue;
        }
        let is_long = lines.len() < most && line.len() > limits::WEB_QUOTED / 4;
        let piece = cut(line, room.saturating_sub(4));
        lines.extend(Some(piece).filter(|piece| is_long && !piece.is_empty()));
        return (lines, 1 + all.count());
    }
    (lines, 0)
}

/// Says how many lines of an original are left out.
fn left_out(lines: usize, texts: &Texts) -> Option<String> {
    match lines {
        0 => None,
        1 => Some(texts.one_line_more.to_owned()),
        more => Some(fill(texts.lines_more, &[("count", &more.to_string())])),
    }
}

fn listed(people: &[&Person]) -> String {
    let people: Vec<String> = people.iter().map(|person| one_listed(person)).collect();
    people.join(", ")
}

/// A person as [`parse_addressees`] reads one.
pub(crate) fn one_listed(person: &Person) -> String {
    match &person.name {
        Some(name) if *name != person.address => {
            let special = |c: char| !(c.is_alphanumeric() || " -_'.".contains(c));
            if name.contains(special) {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{name}\" <{}>", person.address)
            } else {
                format!("{name} <{}>", person.address)
            }
        }
        _ => person.address.clone(),
    }
}

#[cfg(test)]
#[path = "letter_tests.rs"]
mod tests;
