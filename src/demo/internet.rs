//! The Internet: hands letters in at the front door, over SMTP like everybody.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::letters::Letter;
use crate::limits;
use crate::net::{BoxedStream, Dial as _, TcpDial};
use crate::smtp::{DataEncoder, LineDecoder, Reply};

/// Why a letter was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the connection to {0} failed: {1}")]
    Network(SocketAddr, std::io::Error),
    #[error("\"{asked}\" was answered with {reply}")]
    Refused { asked: String, reply: Reply },
}

/// Hands `letter` in at `to` and returns the reply to its end.
pub(super) async fn send(to: SocketAddr, letter: &Letter) -> Result<Reply, SendError> {
    let network = |error| SendError::Network(to, error);
    let stream = TcpDial::default().dial(to).await.map_err(network)?;
    let mut client = Client {
        stream,
        buffer: Vec::new(),
    };
    let mut commands = vec![
        (String::new(), 220),
        ("EHLO mail.example.net".to_owned(), 250),
        (format!("MAIL FROM:<{}> BODY=8BITMIME", letter.from), 250),
    ];
    commands.extend(letter.to.iter().map(|to| (format!("RCPT TO:<{to}>"), 250)));
    commands.push(("DATA".to_owned(), 354));
    for (asked, expected) in commands {
        client.say(&asked).await.map_err(network)?;
        let reply = client.reply().await.map_err(network)?;
        if reply.code != expected {
            return Err(SendError::Refused { asked, reply });
        }
    }
    let reply = client.end(&letter.bytes).await.map_err(network)?;
    if reply.is_success() {
        Ok(reply)
    } else {
        let asked = letter.what.to_owned();
        Err(SendError::Refused { asked, reply })
    }
}

struct Client {
    stream: BoxedStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn say(&mut self, command: &str) -> std::io::Result<()> {
        if command.is_empty() {
            return Ok(());
        }
        let line = format!("{command}\r\n");
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.flush().await
    }

    async fn end(&mut self, message: &[u8]) -> std::io::Result<Reply> {
        let mut wire = Vec::with_capacity(message.len() + 64);
        let mut encoder = DataEncoder::new();
        encoder.encode(message, &mut wire);
        encoder.finish(&mut wire);
        self.stream.write_all(&wire).await?;
        self.stream.flush().await?;
        let reply = self.reply().await?;
        self.say("QUIT").await?;
        // The goodbye is not waited for: the letter is theirs already.
        Ok(reply)
    }

    async fn reply(&mut self) -> std::io::Result<Reply> {
        let mut decoder = LineDecoder::new(limits::REPLY_LINE);
        let mut lines: Vec<Vec<u8>> = Vec::new();
        loop {
            let found = decoder.decode(&self.buffer);
            let consumed = found.consumed;
            let line = found.line.map(|line| line.map(<[u8]>::to_vec));
            self.buffer.drain(..consumed);
            match line {
                Some(line) => lines.push(line.map_err(std::io::Error::other)?),
                None if self.stream.read_buf(&mut self.buffer).await? == 0 => {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                None => continue,
            }
            if lines.last().is_some_and(|line| Reply::is_last_line(line)) {
                return Reply::parse(&lines).map_err(std::io::Error::other);
            }
        }
    }
}
