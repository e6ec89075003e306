//! Reads a message on its way in, as far as its sender is concerned: the header is kept within
//! bounds, the body is only summed up. Pure.

use memchr::memchr;

use super::arc::SETS;
use super::canon::{BodyDigest, BodySum, Canon};
use super::fields::{Field, fields};
use super::flaw::Flaw;
use super::signature::{Kind, Signature};
use super::tags::Tags;
use crate::limits;

/// A message that comes in.
#[derive(Debug, Default)]
pub struct Reading {
    header: Vec<u8>,
    /// Beginning of the line that is not complete, in `header`.
    line: usize,
    place: Place,
    is_too_large: bool,
    /// The last field that was kept of a header that is too large is open, and is `From`.
    is_author: bool,
    /// Of who wrote it something is missing.
    is_cut: bool,
    /// The sum of the whole body, when somebody will sign it.
    whole: Option<BodyDigest>,
    signed: Vec<Signed>,
    left_out: bool,
    digests: Vec<BodyDigest>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Header,
    Body,
}

/// A signature field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    /// Its place among the fields.
    pub(super) field: usize,
    pub(super) kind: Kind,
    pub(super) signature: Result<Signature, Flaw>,
    /// What the field has as `b=`.
    pub(super) shown: String,
    /// `i=` of an ARC set.
    pub(super) instance: Option<u8>,
    /// The body as this signature sees it; `None`: it was not looked at.
    pub(super) body: Option<BodySum>,
}

/// A message that was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    header: Vec<u8>,
    pub(super) is_too_large: bool,
    /// Who wrote it is not known whole.
    pub(super) is_cut: bool,
    /// There are more signatures than were looked at.
    pub(super) left_out: bool,
    /// The body, relaxed and whole, if it was asked for.
    pub(super) whole_body: Option<BodySum>,
    pub(super) signed: Vec<Signed>,
}

impl Reading {
    /// To be signed afterwards.
    #[must_use]
    pub fn to_sign() -> Self {
        Self {
            whole: Some(BodyDigest::new(Canon::Relaxed, None)),
            ..Self::default()
        }
    }

    /// Bytes of memory that it takes, about.
    #[must_use]
    pub fn held(&self) -> usize {
        self.header.capacity()
    }

    /// The next piece, as it came over the wire without its dots.
    pub fn push(&mut self, piece: &[u8]) {
        match self.place {
            Place::Body => {
                let digests = self.digests.iter_mut().chain(&mut self.whole);
                digests.for_each(|it| it.push(piece));
            }
            Place::Header => self.header(piece),
        }
    }

    fn header(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, behind) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            self.header.extend_from_slice(line);
            rest = behind;
            let line = self.header.get(self.line..).unwrap_or_default();
            if line == b"\r\n" || line == b"\n" {
                self.header.truncate(self.line);
                self.begin_body();
                return self.push(rest);
            }
            if self.is_too_large {
                self.keep_author();
            } else {
                self.line = self.header.len();
            }
        }
        self.header.extend_from_slice(rest);
        if self.is_too_large {
            self.shorten();
        } else if self.header.len() > limits::AUTH_HEADER {
            self.shrink();
        }
    }

    /// The header is larger than we look at: only who wrote it is kept. What was cut off proves
    /// nothing any more.
    fn shrink(&mut self) {
        self.is_too_large = true;
        let whole = std::mem::take(&mut self.header);
        let (lines, rest) = whole.split_at_checked(self.line).unwrap_or_default();
        self.line = 0;
        self.is_author = false;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.header.extend_from_slice(line);
            self.keep_author();
        }
        self.header.extend_from_slice(rest);
        self.shorten();
    }

    /// Of a header that is too large: does the line that has just ended say who wrote it? A folded
    /// one belongs to the field before it, and goes where that went.
    fn keep_author(&mut self) {
        let line = self.header.get(self.line..).unwrap_or_default();
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            self.is_author = fields(line).first().is_some_and(|it| it.is("From"));
        }
        let most = limits::AUTH_AUTHORS * limits::FIELD_KEPT;
        let is_long = line.len() >= limits::FIELD_KEPT || self.header.len() > most;
        self.is_cut |= self.is_author && is_long;
        if self.is_author && !is_long {
            self.line = self.header.len();
        } else {
            self.header.truncate(self.line);
        }
    }

    /// The line that is not complete, of a header that is too large: its beginning will do.
    fn shorten(&mut self) {
        self.header.truncate(self.line + limits::FIELD_KEPT);
    }

    /// The header is complete: which sums of the body will be needed?
    fn begin_body(&mut self) {
        self.place = Place::Body;
        self.line = self.header.len();
        let is_long = self.header.len() > limits::AUTH_HEADER;
        if is_long || fields(&self.header).len() > limits::AUTH_FIELDS {
            self.shrink();
        }
        if self.is_too_large {
            return;
        }
        let all = fields(&self.header);
        let found = signatures(&all, Kind::Dkim, limits::AUTH_SIGNATURES + 1);
        let mut signed: Vec<Signed> = found.collect();
        self.left_out = signed.len() > limits::AUTH_SIGNATURES;
        signed.truncate(limits::AUTH_SIGNATURES);
        // RFC 8617 §5.2: only the newest signature of a chain is held against the message itself.
        // With more of them than a chain may have sets it is broken anyhow.
        let number = |it: &Signed| it.instance;
        signed.extend(signatures(&all, Kind::Arc, SETS).max_by_key(number));
        for signature in signed.iter().filter_map(|it| it.signature.as_ref().ok()) {
            let (canon, limit) = (signature.body_canon, signature.length);
            let known = self.digests.iter().any(|it| it.is_for(canon, limit));
            if !known && self.digests.len() < limits::AUTH_BODY_SUMS {
                self.digests.push(signature.digest());
            }
        }
        self.signed = signed;
    }

    /// The end of the message.
    pub(super) fn finish(mut self) -> Read {
        if self.place == Place::Header {
            if self.is_too_large {
                self.keep_author();
            }
            self.begin_body();
        }
        let needed: Vec<_> = self
            .signed
            .iter()
            .map(|it| it.signature.as_ref().ok())
            .map(|it| it.and_then(|it| self.digest_for(it)))
            .collect();
        let sums: Vec<BodySum> = self.digests.into_iter().map(BodyDigest::finish).collect();
        for (signed, at) in self.signed.iter_mut().zip(needed) {
            signed.body = at.and_then(|at| sums.get(at)).cloned();
        }
        Read {
            header: self.header,
            is_too_large: self.is_too_large,
            is_cut: self.is_cut,
            left_out: self.left_out,
            whole_body: self.whole.map(BodyDigest::finish),
            signed: self.signed,
        }
    }

    fn digest_for(&self, signature: &Signature) -> Option<usize> {
        let (canon, limit) = (signature.body_canon, signature.length);
        self.digests.iter().position(|it| it.is_for(canon, limit))
    }
}

impl Read {
    /// The fields, in their order.
    pub(super) fn fields(&self) -> Vec<Field<'_>> {
        fields(&self.header)
    }

    /// Signatures of the author's and other hosts.
    pub(super) fn dkim(&self) -> impl Iterator<Item = &Signed> {
        self.signed.iter().filter(|it| it.kind == Kind::Dkim)
    }

    /// The newest signature of an ARC chain.
    pub(super) fn arc(&self) -> Option<&Signed> {
        self.signed.iter().find(|it| it.kind == Kind::Arc)
    }
}

/// The first signatures of a kind, at most so many.
fn signatures<'f>(
    all: &'f [Field<'f>],
    kind: Kind,
    most: usize,
) -> impl Iterator<Item = Signed> + 'f {
    let name = match kind {
        Kind::Dkim => "DKIM-Signature",
        Kind::Arc => "ARC-Message-Signature",
    };
    let fields = all.iter().enumerate().filter(move |(_, it)| it.is(name));
    fields.take(most).map(move |(field, it)| {
        let text = it.text();
        let tags = Tags::parse(&text).ok();
        Signed {
            field,
            kind,
            signature: Signature::parse(&text, kind),
            shown: tag(tags.as_ref(), "b"),
            instance: instance(&tag(tags.as_ref(), "i")),
            body: None,
        }
    })
}

/// RFC 8617 §4.2.1: the number of a set, 1 to 50.
pub(super) fn instance(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.filter(|number| (1..=50).contains(number))
}

/// The value of a tag; empty when it cannot be read.
fn tag(tags: Option<&Tags<'_>>, name: &str) -> String {
    let value = tags.and_then(|tags| tags.get(name));
    value.unwrap_or_default().split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(message: &[u8], size: usize) -> Read {
        let mut reading = Reading::default();
        message.chunks(size).for_each(|piece| reading.push(piece));
        reading.finish()
    }

    const SIGNATURE: &str = "v=1; a=rsa-sha256; d=x.example; s=s; h=from; bh=AAAA; b=AAAA";

    #[test]
    fn the_body_is_summed_up_for_each_signature() {
        let message = format!(
            "From: a@x.example\r\nDKIM-Signature: {SIGNATURE}\r\n\
             DKIM-Signature: {SIGNATURE}; c=relaxed/relaxed\r\n\
             DKIM-Signature: {SIGNATURE}; l=3\r\nDKIM-Signature: nonsense\r\n\r\na  b\r\n"
        );
        for size in [1, 5, 1000] {
            let read = read(message.as_bytes(), size);
            let lengths = read.dkim().map(|it| it.body.as_ref().map(|it| it.length));
            let lengths: Vec<_> = lengths.collect();
            assert_eq!(lengths, [Some(6), Some(5), Some(6), None]);
            assert_eq!(read.fields().len(), 5);
        }
        let header_only = read(b"From: a@x.example", 3);
        assert_eq!(header_only.fields().len(), 1);
        assert!(read(b"", 1).fields().is_empty());
    }

    #[test]
    fn bombs_are_bounded() {
        let one = format!("DKIM-Signature: {SIGNATURE}\r\n");
        let many = format!("{}\r\nbody\r\n", one.repeat(500));
        assert_eq!(
            read(many.as_bytes(), 999).dkim().count(),
            limits::AUTH_SIGNATURES
        );
        let limited = |l: usize| format!("DKIM-Signature: {SIGNATURE}; l={l}\r\n");
        let sums: String = (0..10).map(limited).collect();
        let found = read(format!("{sums}\r\nbody\r\n").as_bytes(), 999);
        let summed = found.dkim().filter(|it| it.body.is_some()).count();
        assert_eq!(summed, limits::AUTH_BODY_SUMS);
        let fields = "A: b\r\n".repeat(limits::AUTH_FIELDS + 1);
        assert!(read(format!("{fields}\r\n").as_bytes(), 999).is_too_large);
        let long = vec![b'a'; limits::AUTH_HEADER + 1];
        assert!(read(&long, 999).is_too_large);
        let long = [b"A: ".as_slice(), &long, b"\r\n\r\nbody"].concat();
        assert!(read(&long, 1 << 20).is_too_large);
        // Who wrote it is known all the same, wherever it stands.
        let pad = "Pad: x\r\n".repeat(40_000);
        let bomb = format!("{pad}From: a@x.example\r\n{pad}FROM: b@y.example\r\n{pad}\r\nx\r\n");
        for size in [1000, 1 << 20] {
            let read = read(bomb.as_bytes(), size);
            let authors = read.fields().iter().filter(|it| it.is("from")).count();
            assert!(read.is_too_large && read.header.len() < 1000);
            assert_eq!(authors, 2);
        }
    }

    /// The lines behind a field that goes, go with it.
    #[test]
    fn no_padding_is_glued_to_the_author() {
        let fold = " x\r\n".repeat(limits::AUTH_HEADER / 4 + 5000);
        let forged =
            format!("From: ceo@bank.example\r\nPad: x\r\n{fold} , a@evil.example\r\n\r\nx\r\n");
        for size in [1, 999, 4096, 1 << 20] {
            let read = read(forged.as_bytes(), size);
            assert!(read.is_too_large && !read.is_cut);
            assert_eq!(read.header, b"From: ceo@bank.example\r\n", "{size}");
        }
        // Folds of its own stay, and one that cannot be kept whole is known to be cut.
        let own = forged.replace("Pad: x\r\n", "Pad: x\r\nFROM:\r\n b@x.example\r\nP:\r\n");
        assert!(
            read(own.as_bytes(), 99)
                .header
                .ends_with(b"FROM:\r\n b@x.example\r\n")
        );
        let pad = "Pad: x\r\n".repeat(limits::AUTH_HEADER / 8 + 1);
        for long in [" ,".repeat(9_000), "\r\n ,".repeat(9_000)] {
            for end in ["\r\n\r\nx", ""] {
                let forged = format!("{pad}From: a@evil.example{long}, ceo@bank.example{end}");
                for size in [7, 999, 1 << 20] {
                    let read = read(forged.as_bytes(), size);
                    assert!(read.is_cut && read.header.len() < 40_000, "{size}");
                }
            }
        }
    }

    #[test]
    fn the_newest_seal_counts() {
        let seal = |i: &str| {
            format!(
                "ARC-Message-Signature: i={i}; {}\r\n",
                SIGNATURE.replace("v=1; ", "")
            )
        };
        let message = format!("{}{}{}\r\nx\r\n", seal("1"), seal("10"), seal("2"));
        let read = read(message.as_bytes(), 99);
        assert_eq!(read.arc().map(|it| it.field), Some(1));
        for wrong in ["0", "51", "", "+1", "1a"] {
            assert_eq!(instance(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_message_is_read(
            message in "((DKIM-Signature|ARC-Seal|From): [ -~]{0,40}\r?\n)*[ -~\r\n]{0,40}",
            size in 1_usize..30,
        ) {
            let one = read(message.as_bytes(), size);
            let other = read(message.as_bytes(), 1000);
            prop_assert_eq!(one.header, other.header);
            prop_assert_eq!(one.signed, other.signed);
        }
    }
}
