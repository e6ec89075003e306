//! The fields of a header section where they stand, and a body that goes without some of them.
//! Nothing is interpreted here, and nothing is copied that stays.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;

use super::transport::BodySource;
use crate::limits;

/// A field of a header section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPlace<'h> {
    /// Its name (RFC 5322 §2.2), without the blanks before the colon of §4.5.
    pub name: &'h [u8],
    /// What is behind the colon, folds and line end included.
    pub body: &'h [u8],
    /// Where it stands, with its last line end.
    pub range: Range<usize>,
}

/// The fields in front of the empty line. What is no field ends none and is passed over.
pub fn header_fields(header: &[u8]) -> impl Iterator<Item = FieldPlace<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = header.get(at..)?;
            if rest.is_empty() || rest.starts_with(b"\r\n") {
                return None;
            }
            let length = field_length(rest);
            let (begin, field) = (at, rest.get(..length)?);
            at += length;
            let Some(colon) = memchr(b':', field) else {
                continue;
            };
            let (name, body) = (
                field.get(..colon)?.trim_ascii_end(),
                field.get(colon + 1..)?,
            );
            let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
            if is_name {
                let range = begin..at;
                return Some(FieldPlace { name, body, range });
            }
        }
    })
}

/// A header section without what is no field, for a reader that takes more for one: to it `F rom`
/// (RFC 5322 §2.2: no name) is the author, about whom nobody else has asked.
pub(super) fn fields_only(header: &[u8]) -> Cow<'_, [u8]> {
    let lengths = header_fields(header).map(|field| field.range.len());
    let length: usize = lengths.sum();
    if matches!(header.get(length..), Some(b"" | b"\r\n")) {
        return Cow::Borrowed(header);
    }
    let fields = header_fields(header).filter_map(|field| header.get(field.range));
    let fields: Vec<&[u8]> = fields.chain([b"\r\n".as_slice()]).collect();
    Cow::Owned(fields.concat())
}

/// Where the header section ends: behind its empty line, or at the end of what there is.
#[must_use]
pub fn header_end(message: &[u8]) -> usize {
    if message.starts_with(b"\r\n") {
        return 2;
    }
    memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

/// A line and those that continue it.
fn field_length(rest: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let line = rest.get(length..).unwrap_or_default();
        let Some(end) = memchr(b'\n', line) else {
            return rest.len();
        };
        length += end + 1;
        if !matches!(rest.get(length), Some(b' ' | b'\t')) {
            return length;
        }
    }
}

/// A body without some fields of its header.
#[derive(Debug)]
pub struct WithoutFields {
    body: Arc<dyn BodySource>,
    /// What is left of the header.
    front: Bytes,
    /// Where the rest of the body begins. Up to here it was read in order, and it is from here on:
    /// a body that is checked while it is read is checked as a whole.
    rest: u64,
}

impl WithoutFields {
    /// `body` without the fields of these names, as often as they stand there.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn new(body: Arc<dyn BodySource>, names: &[String]) -> io::Result<Self> {
        let header = read_header(body.as_ref())?;
        let is_named = |field: &FieldPlace<'_>| {
            let mut names = names.iter();
            names.any(|name| field.name.eq_ignore_ascii_case(name.as_bytes()))
        };
        let mut front = Vec::with_capacity(header.len());
        let mut kept = 0;
        for field in header_fields(&header).filter(is_named) {
            front.extend_from_slice(header.get(kept..field.range.start).unwrap_or_default());
            kept = field.range.end;
        }
        front.extend_from_slice(header.get(kept..).unwrap_or_default());
        Ok(Self {
            body,
            front: front.into(),
            rest: header.len() as u64,
        })
    }
}

/// The header section of a body with its empty line, read in pieces up to
/// [`limits::HEADER_READ`]. May block on a local disk.
///
/// # Errors
/// When it cannot be read.
pub fn read_header(body: &dyn BodySource) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    // The door lets no larger one in; our own fields stand in front of it.
    while header.len() < limits::HEADER_READ {
        let piece = body.read_at(header.len() as u64, limits::BODY_PIECE)?;
        if piece.is_empty() {
            break;
        }
        let seen = header.len().saturating_sub(3);
        header.extend_from_slice(&piece);
        let fresh = header.get(seen..).unwrap_or_default();
        if memchr::memmem::find(fresh, b"\r\n\r\n").is_some() {
            break;
        }
    }
    header.truncate(header_end(&header));
    Ok(header)
}

impl BodySource for WithoutFields {
    fn len(&self) -> u64 {
        self.front.len() as u64 + self.body.len().saturating_sub(self.rest)
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let front = self.front.len();
        match usize::try_from(offset) {
            Ok(at) if at < front => Ok(self.front.slice(at..front.min(at.saturating_add(limit)))),
            _ => self.body.read_at(self.rest + offset - front as u64, limit),
        }
    }

    fn damage(&self) -> Option<String> {
        self.body.damage()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::Body;

    fn read(body: &dyn BodySource, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let piece = body.read_at(all.len() as u64, step).unwrap();
            if piece.is_empty() {
                return all;
            }
            all.extend_from_slice(&piece);
        }
    }

    fn without(message: &[u8], names: &[&str], step: usize) -> Vec<u8> {
        let body: Arc<dyn BodySource> = Arc::new(Body(Bytes::copy_from_slice(message)));
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let body = WithoutFields::new(body, &names).unwrap();
        let all = read(&body, step);
        assert_eq!(all.len() as u64, body.len());
        all
    }

    #[test]
    fn fields_are_left_out_and_nothing_else() {
        let message = b"Received: a\r\n\tb\r\nReturn-receipt-TO : x@y\r\n z\r\nSubject: s\r\n\
            garbage\r\nReturn-Receipt-To:\r\n\r\nReturn-Receipt-To: body\r\n";
        let kept = b"Received: a\r\n\tb\r\nSubject: s\r\n\
            garbage\r\n\r\nReturn-Receipt-To: body\r\n";
        for step in [1, 7, 1_000] {
            let names = ["Return-Receipt-To", "Read-Receipt-To"];
            assert_eq!(without(message, &names, step), kept);
            assert_eq!(without(message, &[], step), message);
        }
        assert_eq!(without(b"\r\nA: b\r\n", &["A"], 3), b"\r\nA: b\r\n");
        assert_eq!(without(b"A: b\r\n", &["A"], 3), b"");
        assert_eq!(without(b"A: b", &["a"], 3), b"");
    }

    /// Gives one byte a read.
    #[derive(Debug)]
    struct Trickle(Body);

    impl BodySource for Trickle {
        fn len(&self) -> u64 {
            self.0.len()
        }

        fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
            self.0.read_at(offset, limit.min(1))
        }
    }

    #[test]
    fn what_comes_in_drops_is_read_whole() {
        let body = Trickle(Body(Bytes::from_static(b"A: b\r\nC: d\r\n\r\nbody\r\n")));
        assert_eq!(read_header(&body).unwrap(), b"A: b\r\nC: d\r\n\r\n");
        assert_eq!(body.front(7).unwrap(), &b"A: b\r\nC"[..]);
        assert_eq!(body.front(100).unwrap().len() as u64, body.len());
        assert!(body.front(0).unwrap().is_empty());
    }

    #[test]
    fn a_header_of_many_pieces_is_read_whole() {
        let front = "X-A: 0123456789\r\n".repeat(20_000);
        let message = format!("{front}Read-Receipt-To: a@b\r\nTo: c\r\n\r\nbody\r\n");
        let kept = format!("{front}To: c\r\n\r\nbody\r\n");
        let got = without(message.as_bytes(), &["Read-Receipt-To"], 4_096);
        assert!(got == kept.as_bytes(), "{}", got.len());
    }

    /// Reads of a body that is checked while it is read in order.
    #[derive(Debug)]
    struct InOrder(Body, std::sync::Mutex<u64>);

    impl BodySource for InOrder {
        fn len(&self) -> u64 {
            self.0.len()
        }

        fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
            let piece = self.0.read_at(offset, limit)?;
            let mut read = self.1.lock().unwrap();
            if offset <= *read {
                *read = (*read).max(offset + piece.len() as u64);
            }
            Ok(piece)
        }
    }

    #[test]
    fn a_body_is_read_in_order_to_its_end() {
        let message = format!(
            "A: b\r\nRead-Receipt-To: c\r\nD: e\r\n\r\n{}",
            "x".repeat(500_000)
        );
        let length = message.len() as u64;
        let body = Arc::new(InOrder(Body(message.into()), std::sync::Mutex::default()));
        let names = ["Read-Receipt-To".to_owned()];
        let without = WithoutFields::new(Arc::<InOrder>::clone(&body), &names).unwrap();
        read(&without, 4_096);
        assert_eq!(*body.1.lock().unwrap(), length);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(
            lines in proptest::collection::vec("(A: b|B:|:| x|[ -~äö]{0,9}|)(\r\n|\n|\r)", 0..20),
            raw: Vec<u8>,
            step in 1_usize..20,
        ) {
            for message in [lines.concat().into_bytes(), raw] {
                let got = without(&message, &["A"], step);
                let fields: Vec<_> = header_fields(&message).collect();
                let gone: usize = fields
                    .iter()
                    .filter(|field| field.name.eq_ignore_ascii_case(b"a"))
                    .map(|field| field.range.len())
                    .sum();
                prop_assert_eq!(got.len() + gone, message.len());
                let mut left = header_fields(&got);
                prop_assert!(left.all(|field| !field.name.eq_ignore_ascii_case(b"a")));
            }
        }
    }
}
