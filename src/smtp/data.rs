//! The content of DATA, RFC 5321 §4.5.2: dots added and removed, the end found, nothing else
//! touched. Works in pieces of any size; time per byte is that of a few vector instructions.

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use crate::limits;

/// Bytes that are looked at in one go: they stay in the first cache level.
pub(super) const WINDOW: usize = 32 * 1024;

const _: () = assert!(
    WINDOW < limits::DATA_LINE,
    "a line inside one window is never too long"
);

/// What is not allowed in a message. It does not end the reading: who ends the data anywhere
/// but at its real end takes the rest of a message for commands (SMTP smuggling).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// CR without LF, RFC 5321 §2.3.8.
    #[error("a CR without LF")]
    BareCr,
    /// LF without CR, RFC 5321 §2.3.8.
    #[error("an LF without CR")]
    BareLf,
    /// A byte of value zero, RFC 5322 §2.
    #[error("a NUL byte")]
    Nul,
    /// Longer than [`limits::DATA_LINE`].
    #[error("a line that is too long")]
    LongLine,
}

/// What one call of [`DataDecoder::decode`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that belong to the data. Less than all only when it has ended.
    pub consumed: usize,
    /// The end of the data was found behind them.
    pub ended: bool,
}

/// Where the decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the start of a line.
    LineStart,
    /// Behind a dot at the start of a line; the dot is not part of the message.
    Dot,
    /// Behind such a dot and a CR; the CR is withheld, it may belong to the end.
    DotCr,
    /// In a line.
    Text,
    /// In a line, behind a CR.
    Cr,
}

/// Takes the dots out and finds the end, for one message.
#[derive(Debug, Clone)]
pub struct DataDecoder {
    place: Place,
    found: Found,
    dotted_line: Finder<'static>,
}

/// What is known of the lines of a message so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    /// Bytes of the line so far.
    line: usize,
    pub(super) bare_cr: bool,
    bare_lf: bool,
    nul: bool,
    long_line: bool,
}

impl Default for DataDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl DataDecoder {
    /// A decoder behind the CRLF of the DATA command.
    #[must_use]
    pub fn new() -> Self {
        Self {
            place: Place::LineStart,
            found: Found::default(),
            dotted_line: Finder::new(b"\r\n."),
        }
    }

    /// Appends the message's bytes in `input` to `message`. Not to be called again after the end.
    pub fn decode(&mut self, input: &[u8], message: &mut Vec<u8>) -> Decoded {
        let mut consumed = 0;
        while let Some((&byte, rest)) = input.get(consumed..).and_then(<[u8]>::split_first) {
            if self.place == Place::Text {
                consumed += self.text(byte, rest, message);
                continue;
            }
            consumed += 1;
            if self.step(byte, message) {
                return Decoded {
                    consumed,
                    ended: true,
                };
            }
        }
        Decoded {
            consumed,
            ended: false,
        }
    }

    /// What was not allowed, if anything; of several the one that is named first in
    /// [`Violation`]. The whole truth only after the end.
    #[must_use]
    pub const fn violation(&self) -> Option<Violation> {
        self.found.violation()
    }

    /// The normal case: everything up to the next dotted line or the end of the window.
    fn text(&mut self, first: u8, rest: &[u8], message: &mut Vec<u8>) -> usize {
        let window = rest.get(..WINDOW - 1).unwrap_or(rest);
        let run = match self.dotted_line.find(window) {
            Some(at) => window.get(..at + 2).unwrap_or(window),
            None => window,
        };
        // `first` is looked at separately so that each byte of the run has one before it.
        if first == b'\r' {
            self.step(first, message);
            return 1;
        }
        self.byte_in_text(first, message);
        if run.is_empty() {
            return 1;
        }
        if is_suspicious(first, run) {
            self.found.examine(first, run);
        }
        self.found.measure(run);
        message.extend_from_slice(run);
        self.place = match (run.last(), run.iter().nth_back(1)) {
            (Some(b'\n'), Some(b'\r')) => Place::LineStart,
            (Some(b'\r'), _) => Place::Cr,
            _ => Place::Text,
        };
        1 + run.len()
    }

    fn byte_in_text(&mut self, byte: u8, message: &mut Vec<u8>) {
        self.found.bare_lf |= byte == b'\n';
        self.found.nul |= byte == 0;
        self.found.measure(&[byte]);
        message.push(byte);
        self.place = if byte == b'\r' {
            Place::Cr
        } else {
            Place::Text
        };
    }

    /// One byte; true at the end of the data.
    fn step(&mut self, byte: u8, message: &mut Vec<u8>) -> bool {
        match (self.place, byte) {
            (Place::LineStart, b'.') => {
                // RFC 5321 §4.5.2: the first dot of a line is removed …
                self.place = Place::Dot;
                self.found.measure(b".");
            }
            (Place::Dot, b'\r') => self.place = Place::DotCr,
            // … and a line of a single dot is the end.
            (Place::DotCr, b'\n') => return true,
            (Place::DotCr, _) => {
                self.byte_in_text(b'\r', message);
                return self.step(byte, message);
            }
            (Place::Cr, b'\n') => {
                self.found.measure(b"\n");
                message.push(b'\n');
                self.place = Place::LineStart;
            }
            (Place::Cr, _) => {
                self.found.bare_cr = true;
                self.byte_in_text(byte, message);
            }
            (Place::LineStart | Place::Dot | Place::Text, _) => self.byte_in_text(byte, message),
        }
        false
    }
}

/// Has `run`, with `before` in front of it, an LF without CR, a CR without LF, or a NUL? Written
/// so that the compiler makes vector instructions of it: no branch, one pass.
pub(super) fn is_suspicious(before: u8, run: &[u8]) -> bool {
    let Some((&first, rest)) = run.split_first() else {
        return false;
    };
    let odd = |previous: u8, byte: u8| {
        u8::from((previous == b'\r') != (byte == b'\n')) | u8::from(byte == 0)
    };
    rest.iter()
        .zip(run)
        .fold(odd(before, first), |any, (&byte, &previous)| {
            any | odd(previous, byte)
        })
        != 0
}

impl Found {
    pub(super) const fn violation(&self) -> Option<Violation> {
        if self.bare_cr {
            Some(Violation::BareCr)
        } else if self.bare_lf {
            Some(Violation::BareLf)
        } else if self.nul {
            Some(Violation::Nul)
        } else if self.long_line {
            Some(Violation::LongLine)
        } else {
            None
        }
    }

    /// Counts the bytes of lines; `run` is not longer than a line may be.
    pub(super) fn measure(&mut self, run: &[u8]) {
        match memchr(b'\n', run) {
            None => self.line += run.len(),
            Some(at) => {
                self.long_line |= self.line + at + 1 > limits::DATA_LINE;
                self.line = memrchr(b'\n', run).map_or(0, |last| run.len() - last - 1);
            }
        }
        self.long_line |= self.line > limits::DATA_LINE;
    }

    /// Finds out what is wrong. A CR at the very end is not judged.
    pub(super) fn examine(&mut self, before: u8, run: &[u8]) {
        let mut previous = before;
        for &byte in run {
            self.bare_cr |= previous == b'\r' && byte != b'\n';
            self.bare_lf |= previous != b'\r' && byte == b'\n';
            self.nul |= byte == 0;
            previous = byte;
        }
    }
}

/// Adds the dots and the end, for one message.
#[derive(Debug, Clone)]
pub struct DataEncoder {
    /// The last two bytes were CRLF, or there were none yet.
    line_start: bool,
    /// The last byte was CR.
    cr: bool,
    dotted_line: Finder<'static>,
}

impl Default for DataEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl DataEncoder {
    /// An encoder behind the 354 reply.
    #[must_use]
    pub fn new() -> Self {
        Self {
            line_start: true,
            cr: false,
            dotted_line: Finder::new(b"\r\n."),
        }
    }

    /// Appends a piece of the message to `wire`.
    pub fn encode(&mut self, piece: &[u8], wire: &mut Vec<u8>) {
        let mut rest = piece;
        // What a line start at the end of the piece before may need.
        if self.cr && rest.first() == Some(&b'\n') {
            wire.push(b'\n');
            rest = rest.get(1..).unwrap_or_default();
            self.line_start = true;
            self.cr = false;
        }
        if rest.is_empty() {
            return;
        }
        if self.line_start && rest.first() == Some(&b'.') {
            wire.push(b'.');
        }
        while let Some(at) = self.dotted_line.find(rest) {
            let (lines, dotted) = rest.split_at_checked(at + 2).unwrap_or((rest, b""));
            wire.extend_from_slice(lines);
            // RFC 5321 §4.5.2: a line that begins with a dot gets another one.
            wire.push(b'.');
            rest = dotted;
        }
        wire.extend_from_slice(rest);
        self.cr = piece.last() == Some(&b'\r');
        self.line_start = piece.ends_with(b"\r\n");
    }

    /// Appends the end of the data. A message whose last line has no end gets one: the protocol
    /// cannot carry it otherwise.
    pub fn finish(self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(if self.line_start { b"" } else { b"\r\n" });
        wire.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
