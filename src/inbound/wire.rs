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
    /// So much of it is written.
    written: usize,
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
            written: 0,
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

    /// Writes what is queued, then waits for more input, both in this time; `room` is how much it
    /// may be. It may be given up at any moment.
    pub(super) async fn fill(&mut self, limit: Duration, room: usize) -> Result<(), WireError> {
        let fill = async {
            self.write_out().await?;
            if self.input.is_empty() && self.input.capacity() > room {
                // A connection that waits for a command gives the buffer of its last message back.
                self.input = BytesMut::new();
            }
            self.input.reserve(room);
            self.stream.read_buf(&mut self.input).await
        };
        match timeout(limit, fill)
            .await
            .map_err(|_| WireError::Timeout)??
        {
            0 => Err(WireError::Closed),
            _ => Ok(()),
        }
    }

    /// Writes what is queued. It may be given up at any moment.
    pub(super) async fn flush(&mut self, limit: Duration) -> Result<(), WireError> {
        let written = timeout(limit, self.write_out()).await;
        Ok(written.map_err(|_| WireError::Timeout)??)
    }

    /// The same. What is given up in the middle goes on there: nothing is written twice.
    async fn write_out(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        while let Some(rest) = self.output.get(self.written..)
            && !rest.is_empty()
        {
            let count = self.stream.write(rest).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += count;
        }
        self.stream.flush().await?;
        self.output.clear();
        self.written = 0;
        if self.output.capacity() > limits::READ_IDLE {
            self.output = Vec::new();
        }
        Ok(())
    }

    /// Says a last word, as far as the peer listens, and closes, both in this time.
    pub(super) async fn close(mut self, limit: Duration) {
        let close = async {
            self.write_out().await?;
            self.stream.shutdown().await
        };
        timeout(limit, close).await.ok();
    }

    /// The stream itself, for the TLS handshake. Only when nothing is left in the buffers.
    pub(super) fn into_stream(self) -> BoxedStream {
        self.stream
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::time::{Instant, Sleep};

    use super::*;

    /// A peer that takes what it is told after a while, and nothing more.
    struct Late(Pin<Box<Sleep>>);

    impl AsyncRead for Late {
        fn poll_read(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            _buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Late {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            ready!(self.0.as_mut().poll(cx));
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_word_and_the_end_have_one_time() {
        let begun = Instant::now();
        let late = Late(Box::pin(tokio::time::sleep(Duration::from_secs(8))));
        let mut wire = Wire::new(Box::new(late));
        wire.say(&Reply::new(221, (2, 0, 0), "Bye"));
        wire.close(Duration::from_secs(10)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_is_half_written_goes_on_there() {
        let (mut theirs, ours) = tokio::io::duplex(10);
        let mut wire = Wire::new(Box::new(ours));
        wire.say(&Reply::new(250, (2, 0, 0), "As long as it is"));
        let limit = Duration::from_secs(1);
        let given_up = wire.flush(limit).await;
        assert!(matches!(given_up, Err(WireError::Timeout)), "{given_up:?}");
        let given_up = wire.fill(limit, 10).await;
        assert!(matches!(given_up, Err(WireError::Timeout)), "{given_up:?}");
        wire.say(&Reply::new(221, (2, 0, 0), "Bye"));
        let mut heard = String::new();
        let (read, ()) = tokio::join!(theirs.read_to_string(&mut heard), wire.close(limit));
        read.unwrap();
        assert_eq!(heard, "250 2.0.0 As long as it is\r\n221 2.0.0 Bye\r\n");
    }
}
