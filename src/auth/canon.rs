//! Canonicalization, RFC 6376 §3.4: what may change on the way without breaking a signature. Of
//! the body piece by piece, so that no message must be in memory.

use memchr::{memchr2, memchr3};
use ring::digest;

use super::fields::Field;

/// How a header or a body is made the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Canon {
    /// Nothing may change.
    Simple,
    /// White space may.
    Relaxed,
}

impl Canon {
    /// Appends a field as it is signed, with its CRLF.
    pub(super) fn field(self, field: Field<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Simple => {
                out.extend_from_slice(field.raw);
                // The last one of a message without body may come without, in a chunk.
                if !field.raw.ends_with(b"\n") {
                    out.extend_from_slice(b"\r\n");
                }
            }
            Self::Relaxed => {
                out.extend(field.name.iter().map(u8::to_ascii_lowercase));
                out.push(b':');
                // RFC 6376 §3.4.2: unfolded, one blank for many, none at the ends.
                let words = field.value().split(|byte| b" \t\r\n".contains(byte));
                for (at, word) in words.filter(|word| !word.is_empty()).enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    out.extend_from_slice(word);
                }
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// The digest of a body that comes in pieces.
pub(super) struct BodyDigest {
    canon: Canon,
    /// `l=`: bytes that count.
    limit: Option<u64>,
    context: digest::Context,
    /// Bytes of the canonical body so far.
    total: u64,
    out: Vec<u8>,
    /// A CR has come and not what is behind it.
    cr: bool,
    /// Line ends that count when something follows.
    line_ends: u64,
    /// Blanks that count when something follows in the line.
    blank: bool,
}

/// Bytes that go to the digest at once.
const PIECE: usize = 4096;

impl std::fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyDigest").finish_non_exhaustive()
    }
}

/// What a body came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BodySum {
    pub(super) sha256: Vec<u8>,
    /// Bytes of the canonical body.
    pub(super) length: u64,
}

impl BodyDigest {
    pub(super) fn new(canon: Canon, limit: Option<u64>) -> Self {
        Self {
            canon,
            limit,
            context: digest::Context::new(&digest::SHA256),
            total: 0,
            out: Vec::with_capacity(PIECE),
            cr: false,
            line_ends: 0,
            blank: false,
        }
    }

    /// Is it the digest for this?
    pub(super) fn is_for(&self, canon: Canon, limit: Option<u64>) -> bool {
        self.canon == canon && self.limit == limit
    }

    /// The next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((first, behind)) = rest.split_first() {
            match (first, self.canon) {
                (b'\n', _) if self.cr => {
                    self.cr = false;
                    self.blank = false;
                    self.line_ends += 1;
                    rest = behind;
                }
                (b'\r', _) => {
                    self.bare_cr();
                    self.cr = true;
                    rest = behind;
                }
                (b' ' | b'\t', Canon::Relaxed) => {
                    self.bare_cr();
                    self.blank = true;
                    rest = behind;
                }
                (_, canon) => {
                    self.bare_cr();
                    let end = match canon {
                        Canon::Simple => memchr2(b'\r', b'\n', behind),
                        Canon::Relaxed => memchr3(b'\r', b' ', b'\t', behind),
                    };
                    // A bare LF is content: only the one behind a CR ends a line.
                    let end = end.map_or(rest.len(), |at| at + 1);
                    let (content, later) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    self.content(content);
                    rest = later;
                }
            }
        }
    }

    /// A CR that ends no line is content.
    fn bare_cr(&mut self) {
        if self.cr {
            self.cr = false;
            self.content(b"\r");
        }
    }

    fn content(&mut self, content: &[u8]) {
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.emit(b"\r\n");
        }
        if std::mem::take(&mut self.blank) {
            self.emit(b" ");
        }
        self.emit(content);
    }

    fn emit(&mut self, bytes: &[u8]) {
        let left = self
            .limit
            .map(|limit| limit.saturating_sub(self.total))
            .and_then(|left| usize::try_from(left).ok());
        let counted = left.and_then(|left| bytes.get(..left)).unwrap_or(bytes);
        self.total += bytes.len() as u64;
        if self.out.len() + counted.len() > PIECE {
            self.context.update(&self.out);
            self.out.clear();
        }
        if counted.len() > PIECE {
            self.context.update(counted);
        } else {
            self.out.extend_from_slice(counted);
        }
    }

    /// The end of the body.
    pub(super) fn finish(mut self) -> BodySum {
        self.bare_cr();
        // RFC 6376 §3.4.3, §3.4.4: empty lines at the end do not count; an empty body is one line
        // end for `simple`, and nothing for `relaxed`.
        if self.total > 0 || self.canon == Canon::Simple {
            self.emit(b"\r\n");
        }
        self.context.update(&self.out);
        BodySum {
            sha256: self.context.finish().as_ref().to_vec(),
            length: self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::auth::fields::fields;

    fn sum(canon: Canon, limit: Option<u64>, body: &[u8], size: usize) -> BodySum {
        let mut digest = BodyDigest::new(canon, limit);
        body.chunks(size).for_each(|piece| digest.push(piece));
        digest.finish()
    }

    fn sha256(bytes: &[u8]) -> Vec<u8> {
        digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
    }

    /// RFC 6376 §3.4.5, and the digests of empty bodies of §3.4.3 and §3.4.4.
    #[test]
    fn the_examples_of_the_rfc() {
        let header = b"A: X\r\nB : Y\t\r\n\tZ  \r\n";
        let mut relaxed = Vec::new();
        let mut simple = Vec::new();
        for field in fields(header) {
            Canon::Relaxed.field(field, &mut relaxed);
            Canon::Simple.field(field, &mut simple);
        }
        assert_eq!(relaxed, b"a:X\r\nb:Y Z\r\n");
        assert_eq!(simple, header);
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        for size in [1, 2, 3, 100] {
            let found = sum(Canon::Relaxed, None, body, size);
            assert_eq!(found.sha256, sha256(b" C\r\nD E\r\n"));
            assert_eq!(found.length, 9);
            let found = sum(Canon::Simple, None, body, size);
            assert_eq!(found.sha256, sha256(b" C \r\nD \t E\r\n"));
        }
        let empty = |canon| STANDARD.encode(sum(canon, None, b"", 1).sha256);
        assert_eq!(
            empty(Canon::Simple),
            "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
        );
        assert_eq!(
            empty(Canon::Relaxed),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn ends_of_bodies_and_limits() {
        for (canon, body, canonical) in [
            (Canon::Simple, b"a".as_slice(), b"a\r\n".as_slice()),
            (Canon::Simple, b"\r\n\r\n", b"\r\n"),
            (Canon::Relaxed, b" \r\n\t\r\n", b""),
            (Canon::Relaxed, b"a \r\n \r\nb", b"a\r\n\r\nb\r\n"),
            (Canon::Simple, b"a\rb\n\r\n", b"a\rb\n\r\n"),
            (Canon::Relaxed, b"a\r\rb\nc", b"a\r\rb\nc\r\n"),
        ] {
            for size in [1, 100] {
                let found = sum(canon, None, body, size);
                assert_eq!(found.sha256, sha256(canonical), "{canon:?} {body:?}");
            }
        }
        let found = sum(Canon::Simple, Some(3), b"abcdef\r\n", 2);
        assert_eq!(found.sha256, sha256(b"abc"));
        assert_eq!(found.length, 8);
        assert_eq!(sum(Canon::Simple, Some(0), b"abc", 2).sha256, sha256(b""));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            body in "[a b\t\r\n]{0,60}",
            sizes in [1_usize..20, 1..20],
            limit in proptest::option::of(0_u64..40),
        ) {
            for canon in [Canon::Simple, Canon::Relaxed] {
                let one = sum(canon, limit, body.as_bytes(), sizes[0]);
                prop_assert_eq!(one, sum(canon, limit, body.as_bytes(), sizes[1]));
            }
        }
    }
}
