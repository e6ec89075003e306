//! The bytes of one connection: a read buffer, replies that wait for their flush, time limits.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::limits;
use crate::net::BoxedStream;
use crate::smtp::Reply;

/// One connection's bytes.
pub(super) struct Wire {
    stream: BoxedStream,
    input: BytesMut,
    output: Vec<u8>,
}

/// Why nothing more comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The peer closed.
    #[error("the client closed the connection")]
    Closed,
    /// The peer said nothing, or took no reply, for too long.
    #[error("timed out")]
    Timeout,
    /// The network failed.
    #[error(transparent)]
    Network(#[from] io::Error),
}

impl Wire {
    pub(super) fn new(stream: BoxedStream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Vec::new(),
        }
    }

    /// What was read and not consumed.
    pub(super) fn input(&self) -> &[u8] {
        &self.input
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.input.advance(count.min(self.input.len()));
    }

    /// Queues a reply; it is written with others when the client waits for them (RFC 2920 §3.2).
    pub(super) fn say(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    /// Are so many replies queued that they must not grow?
    pub(super) const fn is_full(&self) -> bool {
        self.output.len() >= limits::REPLIES_PENDING
    }

    /// Writes what is queued, then waits for more input; `room` is how much it may be.
    pub(super) async fn fill(&mut self, limit: Duration, room: usize) -> Result<(), WireError> {
        self.flush(limit).await?;
        if self.input.is_empty() && self.input.capacity() > room {
            // A connection that waits for a command gives the buffer of its last message back.
            self.input = BytesMut::new();
        }
        self.input.reserve(room);
        let read = timeout(limit, self.stream.read_buf(&mut self.input));
        match read.await.map_err(|_| WireError::Timeout)?? {
            0 => Err(WireError::Closed),
            _ => Ok(()),
        }
    }

    pub(super) async fn flush(&mut self, limit: Duration) -> Result<(), WireError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        timeout(limit, write)
            .await
            .map_err(|_| WireError::Timeout)??;
        self.output.clear();
        if self.output.capacity() > limits::READ_IDLE {
            self.output = Vec::new();
        }
        Ok(())
    }

    /// Says a last word, as far as the peer listens, and closes.
    pub(super) async fn close(mut self, limit: Duration) {
        if self.flush(limit).await.is_ok() {
            timeout(limit, self.stream.shutdown()).await.ok();
        }
    }

    /// The stream itself, for the TLS handshake. Only when nothing is left in the buffers.
    pub(super) fn into_stream(self) -> BoxedStream {
        self.stream
    }
}
