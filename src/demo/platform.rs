//! A sandbox platform: a small mail server that keeps what it gets, and can be switched off.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::base::Shutdown;
use crate::limits;
use crate::net::{BindError, BoxedStream, Listen as _, TcpListen};
use crate::smtp::{Command, DataDecoder, LineDecoder, Reply};

/// A message as it came to one recipient.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// The address of RCPT.
    pub(super) to: String,
    /// Its bytes.
    pub(super) message: Arc<Vec<u8>>,
}

/// A platform. While it is off, its port refuses connections.
#[derive(Debug)]
pub(super) struct Platform {
    name: &'static str,
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    power: Option<Shutdown>,
}

impl Platform {
    /// Starts a platform on a free port.
    pub(super) fn start(name: &'static str) -> Result<Self, BindError> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut platform = Self {
            name,
            address: any,
            arrivals: Arc::default(),
            power: None,
        };
        platform.switch_on()?;
        Ok(platform)
    }

    /// Where it is.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it got, in order.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.arrivals).clone()
    }

    /// How much it got.
    pub(super) fn count(&self) -> usize {
        lock(&self.arrivals).len()
    }

    /// Closes the port and drops all connections.
    pub(super) async fn switch_off(&mut self) {
        if let Some(power) = self.power.take() {
            power.stop().await;
        }
    }

    /// Listens again, on the same port.
    pub(super) fn switch_on(&mut self) -> Result<(), BindError> {
        let listener = TcpListen::bind(self.address)?;
        self.address = listener.local_address();
        let power = Shutdown::new();
        let server = Server {
            name: self.name,
            arrivals: Arc::clone(&self.arrivals),
            power: power.clone(),
        };
        power.spawn("sandbox platform", server.run(listener));
        self.power = Some(power);
        Ok(())
    }
}

fn lock(arrivals: &Mutex<Vec<Arrival>>) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct Server {
    name: &'static str,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    power: Shutdown,
}

impl Server {
    async fn run(self, mut listener: TcpListen) {
        loop {
            let connection = tokio::select! {
                () = self.power.stopping() => return,
                connection = listener.accept() => connection,
            };
            if let Ok((stream, _)) = connection {
                let server = self.clone();
                self.power.spawn("sandbox connection", async move {
                    let session = Session::new(&server, stream);
                    tokio::select! {
                        () = server.power.stopping() => {}
                        // A client that hangs up is no event here.
                        _ = session.run() => {}
                    }
                });
            }
        }
    }
}

struct Session<'a> {
    server: &'a Server,
    stream: BoxedStream,
    /// Bytes that came and were not looked at.
    buffer: Vec<u8>,
    lines: LineDecoder,
    recipients: Vec<String>,
    replies: Vec<u8>,
}

enum Next {
    Command,
    Data,
    Close,
}

impl<'a> Session<'a> {
    fn new(server: &'a Server, stream: BoxedStream) -> Self {
        Self {
            server,
            stream,
            buffer: Vec::new(),
            lines: LineDecoder::new(limits::COMMAND_LINE),
            recipients: Vec::new(),
            replies: Vec::new(),
        }
    }

    async fn run(mut self) -> std::io::Result<()> {
        let greeting = format!("{}.example sandbox ESMTP", self.server.name);
        Reply::plain(220, greeting).write_to(&mut self.replies);
        loop {
            let Some(line) = self.line() else {
                // Pipelined commands are answered together, RFC 2920 §3.2.
                self.flush().await?;
                if !self.fill().await? {
                    return Ok(());
                }
                continue;
            };
            match self.obey(&line) {
                Next::Command => {}
                Next::Data => self.data().await?,
                Next::Close => return self.flush().await,
            }
        }
    }

    /// The next line, or `None` when more bytes are needed.
    fn line(&mut self) -> Option<Vec<u8>> {
        let found = self.lines.decode(&self.buffer);
        let consumed = found.consumed;
        let line = found.line.map(|line| line.unwrap_or_default().to_vec());
        self.buffer.drain(..consumed);
        line
    }

    fn obey(&mut self, line: &[u8]) -> Next {
        let ok = Reply::new(250, (2, 0, 0), "Ok");
        let (reply, next) = match Command::parse(line) {
            Ok(Command::Ehlo(_)) => {
                let name = self.server.name;
                let text = format!(
                    "{name}.example\nPIPELINING\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\n\
                     SIZE 104857600"
                );
                (Reply::plain(250, text), Next::Command)
            }
            Ok(Command::Helo(_) | Command::Noop) => (ok, Next::Command),
            Ok(Command::Mail { .. } | Command::Rset) => {
                self.recipients.clear();
                (ok, Next::Command)
            }
            Ok(Command::Rcpt { to, .. }) => {
                self.recipients.push(to.to_string());
                (ok, Next::Command)
            }
            Ok(Command::Data) if self.recipients.is_empty() => {
                (Reply::new(503, (5, 5, 1), "RCPT first"), Next::Command)
            }
            Ok(Command::Data) => (Reply::plain(354, "Go on, end with a dot"), Next::Data),
            Ok(Command::Quit) => (Reply::new(221, (2, 0, 0), "Bye"), Next::Close),
            Ok(
                Command::Auth { .. }
                | Command::Bdat { .. }
                | Command::Expn(_)
                | Command::Help
                | Command::Lhlo(_)
                | Command::StartTls
                | Command::Vrfy(_)
                | Command::XClient(_),
            ) => (Reply::new(502, (5, 5, 1), "Not here"), Next::Command),
            Err(error) => (error.reply(), Next::Command),
        };
        reply.write_to(&mut self.replies);
        next
    }

    async fn data(&mut self) -> std::io::Result<()> {
        self.flush().await?;
        let mut data = DataDecoder::new();
        let mut message = Vec::new();
        loop {
            let decoded = data.decode(&self.buffer, &mut message);
            self.buffer.drain(..decoded.consumed);
            if decoded.ended {
                break;
            }
            if !self.fill().await? {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let message = Arc::new(message);
        let recipients = std::mem::take(&mut self.recipients);
        lock(&self.server.arrivals).extend(recipients.into_iter().map(|to| Arrival {
            to,
            message: Arc::clone(&message),
        }));
        Reply::new(250, (2, 0, 0), "Delivered").write_to(&mut self.replies);
        Ok(())
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.stream.write_all(&self.replies).await?;
        self.replies.clear();
        self.stream.flush().await
    }

    /// False at the end of the stream.
    async fn fill(&mut self) -> std::io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::internet;
    use crate::demo::letters::Letter;

    #[tokio::test]
    async fn what_is_sent_arrives_byte_for_byte_unless_it_is_off() {
        let mut platform = Platform::start("onprem").unwrap();
        let letter = Letter {
            what: "dots",
            id: "1@x".to_owned(),
            from: "eve@example.net",
            to: vec!["ann@example.org", "chloe@example.org"],
            bytes: b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nGr\xc3\xbc\xc3\x9fe\r\n".to_vec(),
        };
        let said = internet::send(platform.address(), &letter).await.unwrap();
        assert_eq!(said.code, 250);
        let arrivals = platform.arrivals();
        assert_eq!(arrivals.len(), 2);
        assert_eq!(arrivals[1].to, "chloe@example.org");
        assert_eq!(*arrivals[1].message, letter.bytes);

        platform.switch_off().await;
        assert!(internet::send(platform.address(), &letter).await.is_err());
        platform.switch_on().unwrap();
        internet::send(platform.address(), &letter).await.unwrap();
        assert_eq!(platform.count(), 4);
        platform.switch_off().await;
    }
}
