//! A network of scripted servers for the tests of this room.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::*;
use crate::base::Shutdown;
use crate::net::{AcceptTls, BoxedStream, DnsError, MailExchanger, Tlsa};
use crate::smtp::DataDecoder;

/// Where a server cuts the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Never,
    AtConnect,
    /// Before it: packets to it are lost, and the connection neither comes nor fails.
    OfPackets,
    AtStartTls,
    /// After so many messages, when the next MAIL comes.
    AtMail(usize),
    InData,
    AfterDot,
    /// Not at all: it reads no more.
    DeafInData,
}

/// How a server behaves. Of several replies to RCPT and to the end of the message each is given
/// in turn, the last one for ever.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) banner: String,
    pub(super) hello: String,
    pub(super) mail: String,
    pub(super) rcpt: Vec<String>,
    pub(super) data: String,
    pub(super) end: Vec<String>,
    pub(super) starttls: String,
    pub(super) cut: Cut,
    pub(super) lmtp: Option<()>,
    /// Another reply to HELO than to EHLO.
    pub(super) helo: Option<String>,
    /// Not even a greeting.
    pub(super) silent: Option<()>,
    pub(super) tls: Option<Arc<dyn AcceptTls>>,
    /// It speaks https, and answers this.
    pub(super) https: Option<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            banner: "220 sink ESMTP".to_owned(),
            hello: lines("250-sink!250-PIPELINING!250-8BITMIME!250-DSN!250 SIZE 100000"),
            mail: "250 2.1.0 ok".to_owned(),
            rcpt: vec!["250 2.1.5 ok".to_owned()],
            data: "354 go".to_owned(),
            end: vec!["250 2.0.0 taken".to_owned()],
            starttls: "220 go".to_owned(),
            cut: Cut::Never,
            lmtp: None,
            helo: None,
            silent: None,
            tls: None,
            https: None,
        }
    }
}

impl Server {
    /// `mail 550 no, rcpt 250 ok; 550 no`: the default with other replies; `!` parts lines.
    pub(super) fn scripted(script: &str) -> Self {
        let mut server = Self::default();
        for part in script.split(", ").filter(|part| !part.is_empty()) {
            let (what, reply) = part.split_once(' ').unwrap();
            let turns = || reply.split("; ").map(lines).collect();
            match what {
                "banner" => server.banner = lines(reply),
                "hello" => server.hello = lines(reply),
                "mail" => server.mail = lines(reply),
                "rcpt" => server.rcpt = turns(),
                "data" => server.data = lines(reply),
                "end" => server.end = turns(),
                "starttls" => server.starttls = lines(reply),
                "cut" => server.cut = Cut::parse(reply),
                other => panic!("{other} in {script}"),
            }
        }
        server
    }
}

impl Cut {
    fn parse(text: &str) -> Self {
        match text {
            "at connect" => Self::AtConnect,
            "of packets" => Self::OfPackets,
            "at starttls" => Self::AtStartTls,
            "at mail" => Self::AtMail(0),
            "in data" => Self::InData,
            "after dot" => Self::AfterDot,
            "deaf in data" => Self::DeafInData,
            other => panic!("cut {other}"),
        }
    }
}

fn lines(text: &str) -> String {
    text.replace('!', "\r\n")
}

/// What the servers saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    pub(super) messages: Arc<Mutex<Vec<Vec<u8>>>>,
    pub(super) dialled: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Seen {
    pub(super) fn verbs(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let verb = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        lines.iter().map(verb).collect()
    }

    pub(super) fn has_line(&self, line: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|seen| seen == line)
    }
}

#[derive(Debug)]
pub(super) struct Net {
    pub(super) servers: HashMap<SocketAddr, Server>,
    pub(super) mx: HashMap<String, Result<Vec<MailExchanger>, DnsError>>,
    pub(super) hosts: HashMap<String, Vec<IpAddr>>,
    pub(super) texts: HashMap<String, Vec<String>>,
    /// Signed domains; one that is false looks forged.
    pub(super) signed: HashMap<String, bool>,
    pub(super) tlsa: HashMap<String, Result<Vec<Tlsa>, DnsError>>,
    pub(super) seen: Seen,
    pub(super) tasks: Shutdown,
}

impl Dial for Net {
    fn dial(&self, address: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        self.seen.dialled.lock().unwrap().push(address);
        let server = self.servers.get(&address).cloned();
        Box::pin(async move {
            let server = server.ok_or(io::ErrorKind::ConnectionRefused)?;
            if server.cut == Cut::OfPackets {
                return std::future::pending().await;
            }
            let (near, far) = tokio::io::duplex(64 * 1024);
            let seen = self.seen.clone();
            self.tasks.spawn("server", async move {
                serve(server, Box::new(far), seen).await;
            });
            Ok(Box::new(near) as BoxedStream)
        })
    }
}

impl Resolve for Net {
    fn addresses<'a>(&'a self, host: &'a str) -> Boxed<'a, Result<Vec<IpAddr>, DnsError>> {
        let literal = host.parse().ok().map(|ip| vec![ip]);
        let found = literal.or_else(|| self.hosts.get(host).cloned());
        Box::pin(async move { found.ok_or(DnsError::NoSuchName) })
    }

    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a str,
    ) -> Boxed<'a, Result<Vec<MailExchanger>, DnsError>> {
        let found = self.mx.get(domain).cloned();
        Box::pin(async move { found.unwrap_or(Err(DnsError::NoSuchName)) })
    }

    fn texts<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Vec<String>, DnsError>> {
        let found = self.texts.get(name).cloned();
        Box::pin(async move { found.ok_or(DnsError::NoSuchName) })
    }

    fn is_mx_proven<'a>(&'a self, domain: &'a str) -> Boxed<'a, Result<bool, DnsError>> {
        let signed = self.signed.get(domain).copied();
        Box::pin(async move {
            match signed {
                Some(false) => Err(DnsError::unproven()),
                found => Ok(found.is_some()),
            }
        })
    }

    fn tlsa<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, Result<Vec<Tlsa>, DnsError>> {
        assert_eq!(port, 25);
        let found = self.tlsa.get(host).cloned();
        Box::pin(async move { found.unwrap_or(Ok(Vec::new())) })
    }
}

struct Talk {
    server: Server,
    stream: BoxedStream,
    buffer: Vec<u8>,
    seen: Seen,
}

pub(super) async fn serve(server: Server, stream: BoxedStream, seen: Seen) {
    let mut talk = Talk {
        server,
        stream,
        buffer: Vec::new(),
        seen,
    };
    if talk.server.cut != Cut::AtConnect {
        talk.run().await.ok();
    }
}

impl Talk {
    /// `silence` says nothing any more, `drops` a byte a minute.
    async fn say(&mut self, reply: &str) -> io::Result<()> {
        if reply == "silence" {
            return std::future::pending().await;
        }
        if reply == "drops" {
            loop {
                self.stream.write_all(b"2").await?;
                tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            }
        }
        self.stream
            .write_all(format!("{reply}\r\n").as_bytes())
            .await?;
        self.stream.flush().await
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8(self.buffer.drain(..at).collect()).unwrap();
                self.buffer.drain(..2);
                self.seen.lines.lock().unwrap().push(line.clone());
                return Ok(line);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn run(&mut self) -> io::Result<()> {
        let server = self.server.clone();
        if let (Some(answer), Some(tls)) = (&server.https, &server.tls) {
            let (idle, _) = tokio::io::duplex(1);
            let plain = std::mem::replace(&mut self.stream, Box::new(idle));
            self.stream = tls.accept(plain).await?.0;
            while !self.line().await?.is_empty() {}
            self.stream.write_all(answer.as_bytes()).await?;
            return self.stream.shutdown().await;
        }
        if server.silent.is_some() {
            self.line().await?;
        }
        self.say(&server.banner).await?;
        let (mut messages, mut rcpts, mut accepted) = (0, 0, 0);
        loop {
            let line = self.line().await?;
            match line.split(' ').next().unwrap_or_default() {
                "HELO" => {
                    let hello = server.helo.as_ref();
                    self.say(hello.unwrap_or(&server.hello)).await?;
                }
                "EHLO" | "LHLO" => self.say(&server.hello).await?,
                "STARTTLS" => self.start_tls(&server).await?,
                "MAIL" if server.cut == Cut::AtMail(messages) => return Ok(()),
                "MAIL" => {
                    (rcpts, accepted) = (0, 0);
                    self.say(&server.mail).await?;
                }
                "RCPT" => {
                    let reply = &server.rcpt[rcpts.min(server.rcpt.len() - 1)];
                    rcpts += 1;
                    accepted += usize::from(reply.starts_with('2'));
                    self.say(reply).await?;
                }
                "DATA" => {
                    self.say(&server.data).await?;
                    if server.data.starts_with('3') {
                        messages += 1;
                        self.message(&server, accepted).await?;
                    }
                }
                "BDAT" => {
                    messages += 1;
                    self.chunk(&line, &server, accepted).await?;
                }
                "AUTH" if line.starts_with("AUTH LOGIN") => {
                    self.say("334 VXNlcm5hbWU6").await?;
                    self.line().await?;
                    self.say("334 UGFzc3dvcmQ6").await?;
                    self.line().await?;
                    self.say("235 2.7.0 ok").await?;
                }
                "AUTH" => self.say("235 2.7.0 ok").await?,
                "QUIT" => return self.say("221 bye").await,
                _ => self.say("250 ok").await?,
            }
        }
    }

    async fn start_tls(&mut self, server: &Server) -> io::Result<()> {
        if server.cut == Cut::AtStartTls {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.say(&server.starttls).await?;
        if let Some(tls) = &server.tls {
            let (idle, _) = tokio::io::duplex(1);
            let plain = std::mem::replace(&mut self.stream, Box::new(idle));
            self.stream = tls.accept(plain).await?.0;
        }
        Ok(())
    }

    async fn chunk(&mut self, line: &str, server: &Server, accepted: usize) -> io::Result<()> {
        let length: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(line.ends_with(" LAST"));
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let message = self.buffer.drain(..length).collect();
        self.answer(message, server, accepted).await
    }

    async fn message(&mut self, server: &Server, accepted: usize) -> io::Result<()> {
        if server.cut == Cut::DeafInData {
            return std::future::pending().await;
        }
        let mut decoder = DataDecoder::new();
        let mut message = Vec::new();
        loop {
            let found = decoder.decode(&self.buffer, &mut message);
            self.buffer.drain(..found.consumed);
            if found.ended {
                break;
            }
            if server.cut == Cut::InData {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.answer(message, server, accepted).await
    }

    async fn answer(
        &mut self,
        message: Vec<u8>,
        server: &Server,
        accepted: usize,
    ) -> io::Result<()> {
        self.seen.messages.lock().unwrap().push(message);
        if server.cut == Cut::AfterDot {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = server.lmtp.map_or(1, |()| accepted);
        for number in 0..count {
            let reply = &server.end[number.min(server.end.len() - 1)];
            self.say(reply).await?;
        }
        Ok(())
    }
}
