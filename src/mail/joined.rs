//! Bodies made of other bodies, without holding them in memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::letter::{BASE64_LINE, base64_lines};
use super::transport::BodySource;

/// Bytes of a full line of base64, with its CRLF.
const ENCODED_LINE: u64 = (BASE64_LINE as u64).div_ceil(3) * 4 + 2;
/// Lines that are encoded in one go.
const LINES: u64 = 1024;

/// A file in base64, as [`base64_lines`] writes it.
#[derive(Debug)]
pub struct Base64Body(pub Arc<dyn BodySource>);

impl BodySource for Base64Body {
    fn len(&self) -> u64 {
        let line = BASE64_LINE as u64;
        let (full, rest) = (self.0.len() / line, self.0.len() % line);
        let last = if rest == 0 {
            0
        } else {
            rest.div_ceil(3) * 4 + 2
        };
        full * ENCODED_LINE + last
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let (first, skip) = (offset / ENCODED_LINE, offset % ENCODED_LINE);
        let wanted = skip.saturating_add(limit as u64).div_ceil(ENCODED_LINE);
        let lines = wanted.clamp(1, LINES);
        let line = BASE64_LINE as u64;
        let (mut start, end) = (first * line, (first + lines) * line);
        let mut raw = Vec::new();
        while start < end {
            let most = usize::try_from(end - start).unwrap_or(usize::MAX);
            let piece = self.0.read_at(start, most)?;
            if piece.is_empty() {
                break;
            }
            start += piece.len() as u64;
            raw.extend_from_slice(&piece);
        }
        let encoded = Bytes::from(base64_lines(&raw));
        let from = usize::try_from(skip)
            .unwrap_or(usize::MAX)
            .min(encoded.len());
        let to = from.saturating_add(limit).min(encoded.len());
        Ok(encoded.slice(from..to))
    }

    fn damage(&self) -> Option<String> {
        self.0.damage()
    }
}

/// Bodies one behind the other.
#[derive(Debug, Default)]
pub struct JoinedBody(pub Vec<Arc<dyn BodySource>>);

impl BodySource for JoinedBody {
    fn len(&self) -> u64 {
        self.0.iter().map(|part| part.len()).sum()
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let mut offset = offset;
        for part in &self.0 {
            if offset < part.len() {
                return part.read_at(offset, limit);
            }
            offset -= part.len();
        }
        Ok(Bytes::new())
    }

    fn damage(&self) -> Option<String> {
        self.0.iter().find_map(|part| part.damage())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Body;
    use super::*;

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

    proptest! {
        #[test]
        fn what_is_read_in_pieces_is_the_whole(
            content in proptest::collection::vec(any::<u8>(), 0..400),
            step in 1_usize..300,
        ) {
            let file: Arc<dyn BodySource> = Arc::new(Body(content.clone().into()));
            let encoded = Base64Body(Arc::clone(&file));
            let expected = base64_lines(&content);
            prop_assert_eq!(encoded.len(), expected.len() as u64);
            prop_assert_eq!(&read(&encoded, step), &expected);
            let joined = JoinedBody(vec![Arc::clone(&file), Arc::new(encoded), file]);
            let expected = [content.as_slice(), &expected, &content].concat();
            prop_assert_eq!(joined.len(), expected.len() as u64);
            prop_assert_eq!(&read(&joined, step), &expected);
        }
    }
}
