//! Bytes from a server to replies, within bounds.

use memchr::memchr;

use crate::limits;
use crate::smtp::{Reply, ReplyError};

/// Gathers bytes until they make a reply.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    buffer: Vec<u8>,
    /// Where the reply in work begins.
    start: usize,
    /// Where the line in work begins.
    line: usize,
    /// Up to where there is no LF in the line in work.
    scanned: usize,
    /// Complete lines of the reply in work, without their ends.
    lines: Vec<(usize, usize)>,
}

/// What came is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoReply {
    #[error(transparent)]
    Malformed(#[from] ReplyError),
    #[error("a line of its reply is too long")]
    LineTooLong,
    #[error("its reply has too many lines")]
    TooManyLines,
}

impl ReplyReader {
    /// Where the next bytes go.
    pub(super) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Is nothing left that came before it was asked for?
    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// The next complete reply, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, NoReply> {
        loop {
            let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr(b'\n', fresh).map(|at| at + self.scanned) else {
                self.scanned = self.buffer.len();
                if self.buffer.len() - self.line >= limits::REPLY_LINE {
                    return Err(NoReply::LineTooLong);
                }
                return Ok(None);
            };
            let whole = self.buffer.get(self.line..at).unwrap_or_default();
            if whole.len() >= limits::REPLY_LINE {
                return Err(NoReply::LineTooLong);
            }
            // RFC 5321 §2.3.8 ends lines with CRLF; a bare LF is taken from a server, it cannot
            // smuggle anything to us.
            let text = whole.strip_suffix(b"\r").unwrap_or(whole);
            let last = Reply::is_last_line(text);
            self.lines.push((self.line, self.line + text.len()));
            self.line = at + 1;
            self.scanned = at + 1;
            if last {
                return self.complete().map(Some);
            }
            // RFC 5321 §4.5.3.1.5 bounds the line; the number of lines is our bound.
            if self.lines.len() >= limits::REPLY_LINES {
                return Err(NoReply::TooManyLines);
            }
        }
    }

    fn complete(&mut self) -> Result<Reply, NoReply> {
        let line = |&(from, to): &(usize, usize)| self.buffer.get(from..to).unwrap_or_default();
        let lines: Vec<_> = self.lines.iter().map(line).collect();
        let reply = Reply::parse(&lines)?;
        self.lines.clear();
        self.start = self.line;
        if self.is_empty() {
            self.buffer.clear();
            self.start = 0;
            self.line = 0;
            self.scanned = 0;
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(reader: &mut ReplyReader, bytes: &[u8]) -> Result<Vec<Reply>, NoReply> {
        reader.buffer().extend_from_slice(bytes);
        let mut replies = Vec::new();
        while let Some(reply) = reader.next()? {
            replies.push(reply);
        }
        Ok(replies)
    }

    #[test]
    fn several_replies_in_one_piece() {
        let mut reader = ReplyReader::default();
        let replies = read(&mut reader, b"250 a\r\n550-b\r\n550 c\n35").unwrap();
        assert_eq!(replies.len(), 2);
        assert_eq!(replies[1].text, "b\nc");
        assert!(!reader.is_empty());
        let replies = read(&mut reader, b"4 go\r\n").unwrap();
        assert_eq!(replies[0].code, 354);
        assert!(reader.is_empty());
    }

    #[test]
    fn endless_replies_end() {
        let line = b"250-more\r\n".repeat(limits::REPLY_LINES + 1);
        let endless = read(&mut ReplyReader::default(), &line);
        assert_eq!(endless, Err(NoReply::TooManyLines));
        let long = read(&mut ReplyReader::default(), &vec![b'2'; limits::REPLY_LINE]);
        assert_eq!(long, Err(NoReply::LineTooLong));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(cut in 0_usize..30) {
            let wire = b"250-one\r\n250 two\r\n354 go\r\n";
            let mut reader = ReplyReader::default();
            let (head, tail) = wire.split_at(cut.min(wire.len()));
            let mut replies = read(&mut reader, head).unwrap();
            replies.extend(read(&mut reader, tail).unwrap());
            prop_assert_eq!(replies, read(&mut ReplyReader::default(), wire).unwrap());
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            read(&mut ReplyReader::default(), &bytes).ok();
        }
    }
}
