//! A raw SMTP client: sends exactly the bytes it is given.

use std::io::{self, BufRead, BufReader, Error, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// One reply, its lines joined by a newline.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Reply {
    /// Panics unless the code is this, and the text begins with `status`.
    pub(crate) fn assert_is(&self, code: u16, status: &str) {
        assert!(
            self.code == code && self.text.starts_with(status),
            "expected {code} {status}, got {self:?}"
        );
    }
}

/// A session after EHLO.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    extensions: String,
}

impl Client {
    /// Connects and says EHLO.
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).unwrap_or_else(|error| panic!("{to}: {error}"))
    }

    /// As [`Client::connect`], for a server that may be away.
    pub(crate) fn try_connect(to: SocketAddr) -> io::Result<Self> {
        let writer = TcpStream::connect(to)?;
        writer.set_read_timeout(Some(TIMEOUT))?;
        writer.set_write_timeout(Some(TIMEOUT))?;
        writer.set_nodelay(true)?;
        let reader = BufReader::new(writer.try_clone()?);
        let mut client = Self {
            reader,
            writer,
            extensions: String::new(),
        };
        expect(client.reply()?, 220)?;
        client.extensions = expect(client.try_command("EHLO client.example")?, 250)?.text;
        Ok(client)
    }

    /// Whether EHLO offered this keyword.
    pub(crate) fn offers(&self, keyword: &str) -> bool {
        self.extensions
            .lines()
            .skip(1)
            .any(|line| line.split(' ').next() == Some(keyword))
    }

    /// One command line, one reply.
    pub(crate) fn command(&mut self, line: &str) -> Reply {
        self.try_command(line)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn try_command(&mut self, line: &str) -> io::Result<Reply> {
        self.writer.write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// A whole transaction; panics unless it is accepted. The text of the last reply.
    pub(crate) fn send(&mut self, from: &str, to: &[&str], message: &[u8]) -> String {
        let reply = self.offer(from, to, message);
        assert_eq!(reply.code, 250, "{from} to {to:?}: {reply:?}");
        reply.text
    }

    /// A whole transaction; the reply to its end, or the first refusal (then RSET).
    pub(crate) fn offer(&mut self, from: &str, to: &[&str], message: &[u8]) -> Reply {
        self.try_offer(from, to, message)
            .unwrap_or_else(|error| panic!("{from} to {to:?}: {error}"))
    }

    /// As [`Client::offer`], for a server that may go away in the middle.
    pub(crate) fn try_offer(
        &mut self,
        from: &str,
        to: &[&str],
        message: &[u8],
    ) -> io::Result<Reply> {
        let mail = format!("MAIL FROM:<{from}>{}", self.parameters(from, to, message));
        let rcpts = to.iter().map(|to| format!("RCPT TO:<{to}>"));
        for command in std::iter::once(mail).chain(rcpts) {
            let reply = self.try_command(&command)?;
            if reply.code != 250 {
                self.try_command("RSET")?;
                return Ok(reply);
            }
        }
        let reply = self.try_command("DATA")?;
        if reply.code != 354 {
            self.try_command("RSET")?;
            return Ok(reply);
        }
        self.writer.write_all(&dotted(message))?;
        self.reply()
    }

    fn parameters(&self, from: &str, to: &[&str], message: &[u8]) -> String {
        let mut parameters = String::new();
        if !message.is_ascii() && self.offers("8BITMIME") {
            parameters.push_str(" BODY=8BITMIME");
        }
        if !from.is_ascii() || to.iter().any(|to| !to.is_ascii()) {
            parameters.push_str(" SMTPUTF8");
        }
        parameters
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            let (code, rest) = line.split_at_checked(3).ok_or_else(|| wrong(line))?;
            lines.push(rest.get(1..).unwrap_or_default().to_owned());
            if !rest.starts_with('-') {
                let code = code.parse().map_err(|_| wrong(line))?;
                let text = lines.join("\n");
                return Ok(Reply { code, text });
            }
        }
    }
}

fn expect(reply: Reply, code: u16) -> io::Result<Reply> {
    if reply.code == code {
        Ok(reply)
    } else {
        Err(wrong(&format!("{reply:?}")))
    }
}

fn wrong(what: &str) -> Error {
    Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// RFC 5321 §4.5.2: a dot before each line that begins with one, and the final dot.
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
