//! The line by which we know a message again that a platform sends back to us.
//!
//! It stands in front of what a platform gets: the message's spool id, and a proof that only we can
//! make over the id and the platform's name. The name itself is told to nobody.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ring::hmac;
use subtle::ConstantTimeEq as _;

use super::{BackendId, BodySource, SpoolId};

use crate::base::hex;

/// The name of the header field.
pub const VISIT_FIELD: &str = "X-Tideover-Trace";

/// Bytes of a proof that are told.
const PROOF: usize = 16;

/// The key of the proofs.
#[derive(Clone)]
pub struct VisitKey([u8; 32]);

impl fmt::Debug for VisitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisitKey")
    }
}

impl VisitKey {
    /// From bytes that nobody else knows.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The line for a message that goes to a platform, with its CRLF.
    #[must_use]
    pub fn line(&self, id: SpoolId, backend: &BackendId) -> String {
        format!("{VISIT_FIELD}: {id} {}\r\n", self.proof(id, backend))
    }

    /// What a line that came back says: which message, and which of these platforms got it. `None`
    /// for a forged one.
    #[must_use]
    pub fn read<'a>(
        &self,
        value: &str,
        mut backends: impl Iterator<Item = &'a BackendId>,
    ) -> Option<(SpoolId, BackendId)> {
        let (id, proof) = value.trim().split_once(' ')?;
        let id: SpoolId = id.parse().ok()?;
        let proven = |backend: &&BackendId| {
            let expected = self.proof(id, backend);
            bool::from(expected.as_bytes().ct_eq(proof.trim().as_bytes()))
        };
        backends.find(proven).map(|backend| (id, backend.clone()))
    }

    fn proof(&self, id: SpoolId, backend: &BackendId) -> String {
        // RFC 2104 §2: HMAC, here with SHA-256.
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let text = format!("tideover visit {id} {backend}");
        let proof = hmac::sign(&key, text.as_bytes());
        let mut shown = hex(proof.as_ref());
        shown.truncate(2 * PROOF);
        shown
    }
}

/// A body with a line in front.
#[derive(Debug)]
pub struct WithLine {
    line: Bytes,
    body: Arc<dyn BodySource>,
}

impl WithLine {
    /// `line` with its CRLF.
    #[must_use]
    pub fn new(line: String, body: Arc<dyn BodySource>) -> Self {
        Self {
            line: line.into(),
            body,
        }
    }
}

impl BodySource for WithLine {
    fn len(&self) -> u64 {
        self.body.len() + self.line.len() as u64
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let length = self.line.len() as u64;
        if offset >= length {
            return self.body.read_at(offset - length, limit);
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(limit).min(self.line.len());
        Ok(self.line.slice(start.min(end)..end))
    }

    fn damage(&self) -> Option<String> {
        self.body.damage()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Body;

    #[test]
    fn a_line_is_known_again_and_a_forged_one_is_not() {
        let key = VisitKey::new([7; 32]);
        let backends = [BackendId::new("onprem"), BackendId::new("cloud")];
        let id = SpoolId::from_u64(4711);
        let line = key.line(id, &backends[1]);
        assert!(line.ends_with("\r\n") && line.len() < 100);
        assert!(!line.contains("cloud"));
        let value = line.split_once(':').unwrap().1;
        let read = |key: &VisitKey, value: &str| key.read(value, backends.iter());
        assert_eq!(read(&key, value), Some((id, backends[1].clone())));
        assert_eq!(read(&VisitKey::new([8; 32]), value), None);
        let other = SpoolId::from_u64(4712).to_string();
        let moved = value.replace(&id.to_string(), &other);
        let cut: String = value.chars().take(20).collect();
        for forged in ["", "x", cut.as_str(), moved.as_str()] {
            assert_eq!(read(&key, forged), None, "{forged}");
        }
    }

    #[test]
    fn the_line_stands_in_front() {
        let body = Arc::new(Body(Bytes::from_static(b"Subject: a\r\n\r\nb\r\n")));
        let whole = WithLine::new("X: y\r\n".to_owned(), body);
        assert_eq!(whole.len(), 23);
        for limit in [1, 4, 7, 100] {
            let (mut read, mut offset) = (Vec::new(), 0);
            while offset < whole.len() {
                let piece = whole.read_at(offset, limit).unwrap();
                assert!(!piece.is_empty() && piece.len() <= limit);
                offset += piece.len() as u64;
                read.extend_from_slice(&piece);
            }
            assert_eq!(read, b"X: y\r\nSubject: a\r\n\r\nb\r\n");
        }
    }
}
