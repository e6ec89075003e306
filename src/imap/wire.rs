//! The bytes of a connection: answers with their literals, bounded.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::ImapError;
use super::value::literal;
use crate::limits;
use crate::net::BoxedStream;

/// A connection that is read answer by answer.
pub(super) struct Wire {
    stream: BoxedStream,
    buffer: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: BoxedStream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// The stream below, for TLS. Nothing may have been sent ahead: it could come from anybody
    /// (RFC 9051 §6.2.1).
    pub(super) fn into_stream(self) -> Result<BoxedStream, ImapError> {
        if self.buffer.is_empty() {
            Ok(self.stream)
        } else {
            Err(ImapError::Odd)
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), ImapError> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(limits::IMAP_SILENCE, sent).await {
            Ok(sent) => sent.map_err(|error| ImapError::Broken(error.to_string())),
            Err(_) => Err(ImapError::Silent),
        }
    }

    /// The next answer, with its literals and without its line end.
    pub(super) async fn answer(&mut self) -> Result<Vec<u8>, ImapError> {
        let mut answer = Vec::new();
        loop {
            let start = answer.len();
            self.line(&mut answer).await?;
            let line = answer.get(start..).unwrap_or_default();
            let Some(length) = literal(line) else {
                return Ok(answer);
            };
            let length = length.ok().filter(|length| {
                let whole = answer.len().checked_add(*length);
                whole.is_some_and(|whole| whole <= limits::IMAP_ANSWER)
            });
            let length = length.ok_or(ImapError::TooMuch("an answer"))?;
            answer.extend_from_slice(b"\r\n");
            while self.buffer.len() < length {
                self.more().await?;
            }
            answer.extend_from_slice(&self.buffer.split_to(length));
        }
    }

    /// A line, without its end.
    async fn line(&mut self, into: &mut Vec<u8>) -> Result<(), ImapError> {
        let mut looked = 0;
        loop {
            let fresh = self.buffer.get(looked..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', fresh) {
                let line = self.buffer.split_to(looked + end);
                self.buffer.advance(1);
                into.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(&line));
                return Ok(());
            }
            looked = self.buffer.len();
            if looked + into.len() > limits::IMAP_ANSWER {
                return Err(ImapError::TooMuch("an answer"));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), ImapError> {
        self.buffer.reserve(limits::IMAP_READ);
        let read = self.stream.read_buf(&mut self.buffer);
        match tokio::time::timeout(limits::IMAP_SILENCE, read).await {
            Ok(Ok(0)) => Err(ImapError::Broken("the server ended it".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ImapError::Broken(error.to_string())),
            Err(_) => Err(ImapError::Silent),
        }
    }
}
