//! One event as a line: collected where it happens, written in one of three forms by the thread of
//! the log.
//!
//! Values come from strangers. No byte of theirs ends a line, moves the cursor of a terminal or
//! turns its text around, and none is longer than [`limits::LOG_VALUE`].

use std::fmt::{self, Write as _};

use tracing::Level;
use tracing::field::{Field, Visit};

use crate::limits;

/// An event.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// When, in UTC.
    pub(super) at: String,
    pub(super) level: Level,
    /// Which room said it.
    pub(super) target: &'static str,
    /// What happened.
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A number, `true` or `false`: as JSON has it.
    Plain(String),
    /// Anything else.
    Text(String),
}

/// May the level have a colour?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Colour,
    Plain,
}

impl Line {
    pub(super) const fn new(at: String, level: Level, target: &'static str) -> Self {
        Self {
            at,
            level,
            target,
            message: String::new(),
            fields: Vec::new(),
        }
    }

    /// About how much memory it takes.
    pub(super) fn size(&self) -> usize {
        let of_field = |(_, value): &(_, Value)| size_of::<(&str, Value)>() + value.text().len();
        let fields: usize = self.fields.iter().map(of_field).sum();
        size_of::<Self>() + self.at.len() + self.message.len() + fields
    }

    /// `2026-03-01T12:00:00.000000Z  INFO accepted id=… from=…`.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        let (begin, end) = match (paint, self.level) {
            (Paint::Plain, _) => ("", ""),
            (Paint::Colour, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
            (Paint::Colour, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
            (Paint::Colour, Level::INFO) => ("\x1b[32m", "\x1b[0m"),
            (Paint::Colour, _) => ("\x1b[34m", "\x1b[0m"),
        };
        let (at, level) = (&self.at, self.level.as_str());
        let mut text = format!("{at} {begin}{level:>5}{end} {}", self.said());
        text.push('\n');
        text
    }

    /// The message and its fields.
    fn said(&self) -> String {
        let mut text = String::with_capacity(self.message.len() + 32 * self.fields.len());
        visible(&mut text, &self.message);
        for (name, value) in &self.fields {
            // Writing to a String cannot fail.
            write!(text, " {name}=").ok();
            match value {
                Value::Plain(plain) => text.push_str(plain),
                Value::Text(value) if is_bare(value) => visible(&mut text, value),
                Value::Text(value) => quote(&mut text, value),
            }
        }
        text
    }

    /// One JSON object. Our own keys come first; a field of the same name gets an underscore.
    pub(super) fn to_json(&self) -> String {
        let mut text = String::from("{\"timestamp\":");
        quote_json(&mut text, &self.at);
        for (key, value) in [
            ("level", self.level.as_str()),
            ("event", &self.message),
            ("target", self.target),
        ] {
            write!(text, ",\"{key}\":").ok();
            quote_json(&mut text, value);
        }
        for (name, value) in &self.fields {
            text.push(',');
            match *name {
                "timestamp" | "level" | "event" | "target" => write!(text, "\"{name}_\":").ok(),
                _ => write!(text, "\"{name}\":").ok(),
            };
            match value {
                Value::Plain(plain) => text.push_str(plain),
                Value::Text(value) => quote_json(&mut text, value),
            }
        }
        text.push_str("}\n");
        text
    }

    /// A datagram for journald: `FIELD=value` lines. No value has a line end in it, so none needs
    /// the form with a length.
    pub(super) fn to_journal(&self) -> String {
        let priority = match self.level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        let mut text = format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=tideover\nMESSAGE=");
        text.push_str(&self.said());
        text.push_str("\nTIDEOVER_EVENT=");
        visible(&mut text, &self.message);
        text.push_str("\nTIDEOVER_TARGET=");
        visible(&mut text, self.target);
        for (name, value) in &self.fields {
            text.push_str("\nTIDEOVER_");
            let capital = |c: char| match c.to_ascii_uppercase() {
                c if c.is_ascii_alphanumeric() => c,
                _ => '_',
            };
            text.extend(name.chars().map(capital));
            text.push('=');
            visible(&mut text, value.text());
        }
        text.push('\n');
        text
    }

    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value.into_text(),
            // What the crate `log` says of itself.
            name if name.starts_with("log.") => {}
            name => self.fields.push((name.trim_start_matches("r#"), value)),
        }
    }
}

impl Value {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Text(text) => text,
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Plain(text) | Self::Text(text) => text,
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut cut = Cut::default();
        // What cannot be shown is shown as far as it can.
        write!(cut, "{value:?}").ok();
        self.put(field, Value::Text(cut.end()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut cut = Cut::default();
        cut.write_str(value).ok();
        self.put(field, Value::Text(cut.end()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        let value = if value.is_finite() {
            Value::Plain(text)
        } else {
            Value::Text(text)
        };
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Plain(value.to_string()));
    }
}

/// Keeps the beginning of what is written, and counts the rest.
#[derive(Default)]
struct Cut {
    text: String,
    left_out: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = limits::LOG_VALUE.saturating_sub(self.text.len());
        if self.left_out == 0 && piece.len() <= room {
            self.text.push_str(piece);
            return Ok(());
        }
        let mut end = match self.left_out {
            0 => room.min(piece.len()),
            _ => 0,
        };
        while !piece.is_char_boundary(end) {
            end -= 1;
        }
        let (kept, rest) = piece.split_at_checked(end).unwrap_or((piece, ""));
        self.text.push_str(kept);
        self.left_out += rest.len();
        Ok(())
    }
}

impl Cut {
    fn end(mut self) -> String {
        if self.left_out > 0 {
            write!(self.text, "… and {} bytes more", self.left_out).ok();
        }
        self.text
    }
}

/// Characters that do something instead of being something: controls of both sets, what turns
/// text around, what has no width, other ends of lines, tags.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` with such characters spelled out, as Rust does.
fn visible(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if acts(character) => out.extend(character.escape_unicode()),
            character => out.push(character),
        }
    }
}

/// Can it stand without quotes, and nobody takes a part of it for another field?
fn is_bare(text: &str) -> bool {
    let quotes = |c: char| c.is_whitespace() || acts(c) || matches!(c, '"' | '=' | '\\');
    !text.is_empty() && !text.contains(quotes)
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for piece in text.split_inclusive(['"', '\\']) {
        let plain = piece.trim_end_matches(['"', '\\']);
        visible(out, plain);
        for mark in piece.chars().skip(plain.chars().count()) {
            out.push('\\');
            out.push(mark);
        }
    }
    out.push('"');
}

/// As JSON has it, and more is spelled out than it asks for: people look at such lines, too.
fn quote_json(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if acts(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").ok();
                }
            }
            character => out.push(character),
        }
    }
    out.push('"');
}
