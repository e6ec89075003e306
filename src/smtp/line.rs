//! Bytes to command lines, RFC 5321 §2.3.8: a line ends in CRLF and in nothing else.

use memchr::memchr;

/// Cuts lines off the front of a buffer that its owner keeps. Never looks at a byte twice while
/// a line is incomplete, never keeps bytes itself.
#[derive(Debug, Clone)]
pub struct LineDecoder {
    limit: usize,
    /// Bytes at the front of the buffer that are known to have no LF.
    scanned: usize,
    /// In the middle of a line that is too long: everything up to its end is thrown away.
    skipping: bool,
}

/// What was found at the front of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Bytes to remove from the front of the buffer before the next call.
    pub consumed: usize,
    /// The line without its CRLF; `None`: more bytes are needed.
    pub line: Option<Result<&'a [u8], LineError>>,
}

/// Why a line is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// LF without CR before it: other programs may see another line end there.
    #[error("the line ends in LF without CR")]
    BareLf,
    /// CR without LF behind it.
    #[error("the line has a CR in its middle")]
    BareCr,
    /// Longer than the limit.
    #[error("the line is too long")]
    TooLong,
}

impl LineDecoder {
    /// A decoder for lines of up to `limit` bytes, CRLF included.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            scanned: 0,
            skipping: false,
        }
    }

    /// Looks for a line at the front of `buffer`.
    pub fn decode<'a>(&mut self, buffer: &'a [u8]) -> Line<'a> {
        let fresh = buffer.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr(b'\n', fresh).map(|at| at + self.scanned) else {
            return self.wait(buffer.len());
        };
        self.scanned = 0;
        let whole = buffer.get(..at).unwrap_or_default();
        let line = if std::mem::take(&mut self.skipping) || at >= self.limit {
            Err(LineError::TooLong)
        } else {
            match whole.split_last() {
                Some((b'\r', text)) if memchr(b'\r', text).is_some() => Err(LineError::BareCr),
                Some((b'\r', text)) => Ok(text),
                _ => Err(LineError::BareLf),
            }
        };
        Line {
            consumed: at + 1,
            line: Some(line),
        }
    }

    fn wait(&mut self, length: usize) -> Line<'static> {
        self.skipping |= length >= self.limit;
        let consumed = if self.skipping { length } else { 0 };
        self.scanned = length - consumed;
        Line {
            consumed,
            line: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines of `input` when it comes in `pieces`.
    fn lines(input: &[u8], pieces: &[usize], limit: usize) -> Vec<Result<Vec<u8>, LineError>> {
        let mut decoder = LineDecoder::new(limit);
        let mut buffer = Vec::new();
        let mut found = Vec::new();
        let mut rest = input;
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let size = pieces.next().map_or(1, |size| *size).clamp(1, rest.len());
            buffer.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            loop {
                let Line { consumed, line } = decoder.decode(&buffer);
                let line = line.map(|line| line.map(<[u8]>::to_vec));
                buffer.drain(..consumed);
                match line {
                    Some(line) => found.push(line),
                    None => break,
                }
            }
            assert!(buffer.len() < limit);
        }
        found
    }

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(
            lines(b"a\r\nb\nc\rd\r\n\r\n\n", &[100], 100),
            [
                Ok(b"a".to_vec()),
                Err(LineError::BareLf),
                Err(LineError::BareCr),
                Ok(Vec::new()),
                Err(LineError::BareLf)
            ]
        );
    }

    #[test]
    fn goes_on_behind_a_line_that_is_too_long() {
        let input = b"12345678\r\n123456789\r\nNOOP\r\n";
        for pieces in [vec![1], vec![3], vec![100]] {
            assert_eq!(
                lines(input, &pieces, 10),
                [
                    Ok(b"12345678".to_vec()),
                    Err(LineError::TooLong),
                    Ok(b"NOOP".to_vec())
                ],
                "{pieces:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            input in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()],
                0..200,
            ),
            pieces in proptest::collection::vec(1_usize..20, 1..10),
        ) {
            prop_assert_eq!(lines(&input, &pieces, 16), lines(&input, &[1000], 16));
        }
    }
}
