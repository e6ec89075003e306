//! Where the parts of a message end (RFC 2046 §5.1): a delimiter of an outer multipart ends what is
//! inside of it, whether that has its own end or not, and a header that nothing follows is one.
//! The parser looks for the innermost delimiter only, and would take all that is behind for one
//! part.

use std::borrow::Cow;
use std::collections::HashMap;

use super::header::Announced;

/// Bytes of a boundary; RFC 2046 allows 70.
const LONGEST: usize = 1_000;

/// A message whose parts end where they should.
pub(super) struct Delimited<'a> {
    /// With the ends that are missing.
    pub raw: Cow<'a, [u8]>,
    /// The same for the parser, as long to the byte, when there is something that it does not bear:
    /// it loses its way behind a message that is nothing but another message.
    masked: Option<Vec<u8>>,
}

impl Delimited<'_> {
    /// What the parser reads.
    pub(super) fn to_parse(&self) -> &[u8] {
        self.masked.as_deref().unwrap_or(&self.raw)
    }
}

/// The message with the ends of its parts put in where they are missing.
pub(super) fn delimited(raw: &[u8]) -> Delimited<'_> {
    if memchr::memmem::find(raw, b"\n--").is_none() {
        return Delimited {
            raw: Cow::Borrowed(raw),
            masked: None,
        };
    }
    let mut walk = Walk::new(raw);
    let mut at = 0;
    while at < raw.len() {
        let end = memchr::memchr(b'\n', raw.get(at..).unwrap_or_default());
        let end = end.map_or(raw.len(), |length| at + length + 1);
        walk.line(at, end);
        at = end;
    }
    walk.finished()
}

/// Where one is in a message.
struct Walk<'a> {
    raw: &'a [u8],
    /// The multiparts around, outermost first.
    open: Vec<Level>,
    /// How far out a boundary is.
    levels: HashMap<Vec<u8>, usize>,
    /// The header that one is in.
    header: Option<Header>,
    /// Places in `mended` that the parser reads in another way.
    masks: Vec<usize>,
    mended: Vec<u8>,
    /// Up to where `mended` has the message.
    copied: usize,
}

#[derive(Clone, Copy)]
struct Header {
    start: usize,
    of: Of,
}

/// What a header belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Part,
    /// A message, be it the whole one.
    Message,
}

struct Level {
    boundary: Vec<u8>,
    /// Its parts are messages unless they say what they are (RFC 2046 §5.1.5).
    is_digest: bool,
}

/// What the header of a part announces.
enum Kind {
    Multipart(Level),
    /// A message that is not encoded: another header follows.
    Message,
    Other,
}

impl<'a> Walk<'a> {
    fn new(raw: &'a [u8]) -> Self {
        Self {
            raw,
            open: Vec::new(),
            levels: HashMap::new(),
            header: Some(Header {
                start: 0,
                of: Of::Message,
            }),
            masks: Vec::new(),
            mended: Vec::new(),
            copied: 0,
        }
    }

    /// The line from `at` up to `end`.
    fn line(&mut self, at: usize, end: usize) {
        let line = self.raw.get(at..end).unwrap_or_default();
        let line = line.trim_ascii_end();
        if let Some((level, is_end)) = self.delimiter(line) {
            self.delimit(at, (level, is_end));
            let next = Header {
                start: end,
                of: Of::Part,
            };
            self.header = (!is_end).then_some(next);
        } else if let Some(header) = self.header.filter(|_| line.is_empty()) {
            self.header = match self.kind(header, end) {
                Kind::Multipart(level) => {
                    self.levels.insert(level.boundary.clone(), self.open.len());
                    self.open.push(level);
                    None
                }
                Kind::Message => {
                    if header.of == Of::Message && !self.open.is_empty() {
                        self.mask(header.start, end);
                    }
                    Some(Header {
                        start: end,
                        of: Of::Message,
                    })
                }
                Kind::Other => None,
            };
        }
    }

    /// Which of the open multiparts a line delimits, and whether it ends it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let boundary = line
            .strip_prefix(b"--")
            .filter(|rest| rest.len() <= LONGEST + 2)?;
        if let Some(level) = self.levels.get(boundary) {
            return Some((*level, false));
        }
        let boundary = boundary.strip_suffix(b"--")?;
        Some((*self.levels.get(boundary)?, true))
    }

    /// Before the delimiter at `at`: ends the header that one is in, and all that is inside.
    fn delimit(&mut self, at: usize, (level, is_end): (usize, bool)) {
        if self.header.take().is_some() {
            self.put(at, b"\r\n");
        }
        while self.open.len() > level + 1 {
            if let Some(inner) = self.open.pop() {
                self.put(at, &[b"--", &*inner.boundary, b"--\r\n"].concat());
                self.levels.remove(&inner.boundary);
            }
        }
        if is_end && let Some(ended) = self.open.pop() {
            self.levels.remove(&ended.boundary);
        }
    }

    fn kind(&self, header: Header, end: usize) -> Kind {
        let text = self.raw.get(header.start..end).unwrap_or_default();
        let announced = Announced::read(text);
        let is_digest = self.open.last().is_some_and(|level| level.is_digest);
        let is_message = match announced.kind.as_str() {
            "" => is_digest && header.of == Of::Part,
            kind => ["message/rfc822", "message/global"].contains(&kind),
        };
        let boundary = announced.boundary.into_bytes();
        let is_known = self.levels.contains_key(&boundary);
        let is_multipart = announced.kind.starts_with("multipart/");
        if is_multipart && !is_known && (1..=LONGEST).contains(&boundary.len()) {
            return Kind::Multipart(Level {
                boundary,
                is_digest: announced.kind == "multipart/digest",
            });
        }
        if is_message && !announced.is_encoded {
            Kind::Message
        } else {
            Kind::Other
        }
    }

    /// For the parser a message in this header is no message.
    fn mask(&mut self, start: usize, end: usize) {
        let header = self.raw.get(start..end).unwrap_or_default();
        for name in ["message/rfc822", "message/global"] {
            let mut places = header.windows(name.len());
            let found = places.position(|here| here.eq_ignore_ascii_case(name.as_bytes()));
            if let Some(at) = found {
                let shift = self.mended.len().saturating_sub(self.copied);
                self.masks.push(start + at + "message/".len() + shift);
            }
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let before = self.raw.get(self.copied..at).unwrap_or_default();
        self.mended.extend_from_slice(before);
        self.mended.extend_from_slice(bytes);
        self.copied = at;
    }

    fn finished(mut self) -> Delimited<'a> {
        let raw = if self.copied == 0 {
            Cow::Borrowed(self.raw)
        } else {
            self.put(self.raw.len(), b"");
            Cow::Owned(self.mended)
        };
        let masked = (!self.masks.is_empty()).then(|| {
            let mut masked = raw.clone().into_owned();
            for at in self.masks {
                if let Some(byte) = masked.get_mut(at) {
                    *byte = b'x';
                }
            }
            masked
        });
        Delimited { raw, masked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> String {
        let raw = text.replace('\n', "\r\n");
        let mended = String::from_utf8(delimited(raw.as_bytes()).raw.into_owned()).unwrap();
        mended.replace("\r\n", "\n")
    }

    const OUTER: &str = "Content-Type: multipart/mixed; boundary=a\n\n";
    const INNER: &str = "Content-Type: multipart/alternative; boundary=ab\n\n";

    #[test]
    fn what_is_whole_stays_as_it_is() {
        for text in [
            "Subject: x\n\n--a\ntext\n--a--\n",
            &format!("{OUTER}--a\n{INNER}--ab\n\nx\n--ab--\n--a\n\n-- \nJohn\n--b\n--a--\nend\n"),
            &format!("{OUTER}--a\n\nnothing ends"),
            &format!("{OUTER}--a\nContent-Type: message/rfc822\n\nSubject: y\n\nz\n--a--\n"),
            &format!("{OUTER}--a\nContent-Type: message/rfc822\n\n{OUTER}x\n--a--\n"),
            "",
        ] {
            let raw = text.replace('\n', "\r\n");
            assert!(
                matches!(delimited(raw.as_bytes()).raw, Cow::Borrowed(_)),
                "{text}"
            );
            assert!(
                matches!(delimited(text.as_bytes()).raw, Cow::Borrowed(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn an_outer_delimiter_ends_what_is_inside() {
        let text = format!("{OUTER}--a\n{INNER}--ab\n\nx\n--a\n\ny\n--a--\n");
        let whole = format!("{OUTER}--a\n{INNER}--ab\n\nx\n--ab--\n--a\n\ny\n--a--\n");
        assert_eq!(mended(&text), whole);
        assert_eq!(
            mended(&text.replace("--a--", "--a-- \t")),
            whole.replace("--a--", "--a-- \t")
        );
    }

    /// Reports of servers return headers so.
    #[test]
    fn a_header_without_a_body_ends_with_its_part() {
        let inside = "Content-Type: message/rfc822\n\nSubject: y\n";
        let text = format!("{OUTER}--a\n{inside}--a\n\nz\n--a--\n");
        let whole = format!("{OUTER}--a\n{inside}\n--a\n\nz\n--a--\n");
        assert_eq!(mended(&text), whole);
    }

    /// What comes behind two messages inside of each other is there, and they are as they were.
    #[test]
    fn a_message_that_is_nothing_but_a_message_ends() {
        let message = "Content-Type: message/rfc822\n\n";
        let inner = format!("{message}{message}Subject: y\n\nz");
        let text = format!("{OUTER}--a\n{INNER}--ab\n\nx\n--a\n{inner}\n--a\n\nlast\n--a--\n");
        let raw = text.replace('\n', "\r\n");
        let parsed = crate::mail::ParsedMessage::parse(raw.as_bytes()).unwrap();
        let inside = inner.strip_prefix(message).unwrap().replace('\n', "\r\n");
        let parts = parsed.parts.iter().map(|part| part.content.as_slice());
        assert!(parts.eq([inside.as_bytes()]), "{parsed:?}");
        assert!(format!("{:?}", parsed.plain).contains("last"), "{parsed:?}");
    }
}
