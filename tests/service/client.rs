//! A sender of the Internet.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::wait::LONG;

/// An SMTP session.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects and waits for the greeting.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LONG)?;
        stream.set_read_timeout(Some(LONG))?;
        let mut client = Self {
            reader: BufReader::new(stream),
        };
        let greeting = client.reply()?;
        if greeting.starts_with("220") {
            Ok(client)
        } else {
            Err(io::Error::other(greeting))
        }
    }

    /// Says a line, without waiting.
    pub(crate) fn say(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\r\n");
        self.reader.get_mut().write_all(line.as_bytes())
    }

    /// The last line of a reply.
    pub(crate) fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    pub(crate) fn ask(&mut self, line: &str) -> io::Result<String> {
        self.say(line)?;
        self.reply()
    }

    /// Everything of a message up to the 354.
    pub(crate) fn begin(&mut self, to: &str) -> io::Result<()> {
        for line in [
            "EHLO client.example",
            "MAIL FROM:<sender@client.example>",
            &format!("RCPT TO:<{to}>"),
            "DATA",
        ] {
            let reply = self.ask(line)?;
            if !reply.starts_with(['2', '3']) {
                return Err(io::Error::other(format!("{line}: {reply}")));
            }
        }
        Ok(())
    }

    /// Sends a message; its id.
    pub(crate) fn send(&mut self, to: &str, subject: &str) -> io::Result<String> {
        self.begin(to)?;
        let reply = self.ask(&format!("{}\r\n.", message(subject)))?;
        id_in(&reply).ok_or_else(|| io::Error::other(reply))
    }
}

pub(crate) fn message(subject: &str) -> String {
    format!("From: <sender@client.example>\r\nSubject: {subject}\r\n\r\nThe body of {subject}.")
}

/// `250 2.0.0 Ok: queued as ID`.
pub(crate) fn id_in(reply: &str) -> Option<String> {
    let (_, id) = reply.split_once("queued as ")?;
    Some(id.to_owned())
}
