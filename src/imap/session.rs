//! One connection: its greeting, its protection, and commands with their answers.

use std::net::{IpAddr, SocketAddr};

use super::homes::World;
use super::wire::Wire;
use super::{ImapError, ImapOptions, Security};
use crate::limits;
use crate::net::{BoxedStream, CertificateCheck, Handshake};

/// Characters of a server's words that are told.
const TOLD: usize = 200;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Ok,
    /// NO or BAD.
    Refused,
}

/// An answer, by whom it is for.
pub(super) enum Answer {
    /// `* …`: what stands behind it.
    Untagged(Vec<u8>),
    /// `+ …`.
    GoOn,
    /// Of our command, with its words.
    Ended(Ending, String),
}

/// A piece of a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    /// As it is.
    Word(&'a str),
    /// Any bytes: quoted, or as a literal.
    Text(&'a [u8]),
    /// The same, but never told.
    Secret(&'a [u8]),
}

/// A connection that greeted, and is protected as the options say.
pub(super) struct Session {
    pub(super) wire: Wire,
    number: u32,
    capabilities: Vec<String>,
}

impl Session {
    /// Connects.
    pub(super) async fn open(options: &ImapOptions, world: &World) -> Result<Self, ImapError> {
        let opening = Self::open_slowly(options, world);
        let unreachable = |why: String| ImapError::Unreachable {
            server: options.server(),
            why,
        };
        match tokio::time::timeout(limits::IMAP_CONNECT, opening).await {
            Ok(Ok(session)) => Ok(session),
            // Whatever was odd before the login is the server's matter.
            Ok(Err(error @ ImapError::Unreachable { .. })) => Err(error),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable("no answer in time".to_owned())),
        }
    }

    async fn open_slowly(options: &ImapOptions, world: &World) -> Result<Self, ImapError> {
        let mut stream = dialled(options, world).await?;
        if options.security == Security::Implicit {
            stream = secured(stream, (options, world)).await?;
        }
        let mut session = Self {
            wire: Wire::new(stream),
            number: 0,
            capabilities: Vec::new(),
        };
        let greeting = session.wire.answer().await?;
        // RFC 9051 §7.1.4: PREAUTH means that somebody is logged in, but not who.
        if !starts_with(&greeting, b"* OK") {
            return Err(ImapError::Broken(told(&greeting)));
        }
        if options.security == Security::StartTls {
            session.run(&[Piece::Word("STARTTLS")]).await?;
            let stream = session.wire.into_stream()?;
            session.wire = Wire::new(secured(stream, (options, world)).await?);
        }
        session.learn_capabilities().await?;
        Ok(session)
    }

    /// Asks anew what the server can: it may say more after TLS and the login.
    pub(super) async fn learn_capabilities(&mut self) -> Result<(), ImapError> {
        let mut capabilities = Vec::new();
        let mut hear = |answer: &[u8]| {
            if starts_with(answer, b"CAPABILITY ") {
                let text = std::str::from_utf8(answer).unwrap_or_default();
                let words = text.split(' ').skip(1);
                capabilities = words.map(str::to_ascii_uppercase).collect();
            }
            Ok(())
        };
        self.ask(&[Piece::Word("CAPABILITY")], &mut hear).await?;
        self.capabilities = capabilities;
        Ok(())
    }

    /// Does the server say that it can do this?
    pub(super) fn can(&self, what: &str) -> bool {
        self.capabilities.iter().any(|one| one == what)
    }

    /// The number behind a capability like `APPENDLIMIT=`, if it is said.
    pub(super) fn number_of_capability(&self, name: &str) -> Option<u64> {
        let mut numbers = self.capabilities.iter();
        numbers.find_map(|one| one.strip_prefix(name)?.parse().ok())
    }

    /// A command whose answers do not matter.
    pub(super) async fn run(&mut self, command: &[Piece<'_>]) -> Result<(), ImapError> {
        self.ask(command, &mut |_| Ok(())).await
    }

    /// A command; `hear` gets what the server says to it, without the `* `.
    ///
    /// # Errors
    /// When it is refused, too.
    pub(super) async fn ask(
        &mut self,
        command: &[Piece<'_>],
        hear: &mut (dyn FnMut(&[u8]) -> Result<(), ImapError> + Send),
    ) -> Result<(), ImapError> {
        let tag = self.begin(command, hear).await?;
        match self.hear_to_end(&tag, hear).await? {
            (Ending::Ok, _) => Ok(()),
            (Ending::Refused, why) => Err(ImapError::Refused {
                what: shown(command),
                why,
            }),
        }
    }

    /// A fresh tag.
    pub(super) fn tag(&mut self) -> String {
        self.number = self.number.wrapping_add(1);
        format!("t{}", self.number)
    }

    async fn begin(
        &mut self,
        command: &[Piece<'_>],
        hear: &mut (dyn FnMut(&[u8]) -> Result<(), ImapError> + Send),
    ) -> Result<String, ImapError> {
        let tag = self.tag();
        let mut bytes = tag.clone().into_bytes();
        for piece in command {
            bytes.push(b' ');
            match piece {
                Piece::Word(word) => bytes.extend_from_slice(word.as_bytes()),
                Piece::Text(text) | Piece::Secret(text) if can_be_quoted(text) => {
                    quote(text, &mut bytes);
                }
                Piece::Text(text) | Piece::Secret(text) => {
                    bytes.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
                    self.wire.send(&bytes).await?;
                    self.wait_to_go_on(&tag, hear).await?;
                    bytes.clear();
                    bytes.extend_from_slice(text);
                }
            }
        }
        bytes.extend_from_slice(b"\r\n");
        self.wire.send(&bytes).await?;
        Ok(tag)
    }

    pub(super) async fn wait_to_go_on(
        &mut self,
        tag: &str,
        hear: &mut (dyn FnMut(&[u8]) -> Result<(), ImapError> + Send),
    ) -> Result<(), ImapError> {
        for _ in 0..limits::IMAP_ANSWERS {
            match self.next(tag).await? {
                Answer::GoOn => return Ok(()),
                Answer::Untagged(answer) => hear(&answer)?,
                Answer::Ended(_, why) => {
                    let what = "a literal".to_owned();
                    return Err(ImapError::Refused { what, why });
                }
            }
        }
        Err(ImapError::TooMuch("answers to one command"))
    }

    async fn hear_to_end(
        &mut self,
        tag: &str,
        hear: &mut (dyn FnMut(&[u8]) -> Result<(), ImapError> + Send),
    ) -> Result<(Ending, String), ImapError> {
        for _ in 0..limits::IMAP_ANSWERS {
            match self.next(tag).await? {
                Answer::Untagged(answer) => hear(&answer)?,
                Answer::Ended(ending, words) => return Ok((ending, words)),
                Answer::GoOn => return Err(ImapError::Odd),
            }
        }
        Err(ImapError::TooMuch("answers to one command"))
    }

    /// The next answer.
    pub(super) async fn next(&mut self, tag: &str) -> Result<Answer, ImapError> {
        let answer = self.wire.answer().await?;
        if let Some(rest) = answer.strip_prefix(b"* ") {
            if starts_with(rest, b"BYE") {
                return Err(ImapError::Broken(told(rest)));
            }
            return Ok(Answer::Untagged(rest.to_vec()));
        }
        if answer.first() == Some(&b'+') {
            return Ok(Answer::GoOn);
        }
        let rest = answer.strip_prefix(tag.as_bytes());
        let rest = rest.and_then(|rest| rest.strip_prefix(b" "));
        let rest = rest.ok_or(ImapError::Odd)?;
        let ending = if starts_with(rest, b"OK") {
            Ending::Ok
        } else if starts_with(rest, b"NO") || starts_with(rest, b"BAD") {
            Ending::Refused
        } else {
            return Err(ImapError::Odd);
        };
        Ok(Answer::Ended(ending, told(rest)))
    }

    /// Says good-bye; the server sees the end in any case.
    pub(super) async fn close(mut self) {
        self.wire.send(b"bye LOGOUT\r\n").await.ok();
        tokio::time::timeout(limits::FAREWELL_TIMEOUT, self.wire.answer())
            .await
            .ok();
    }
}

async fn dialled(options: &ImapOptions, world: &World) -> Result<BoxedStream, ImapError> {
    let unreachable = |why: String| ImapError::Unreachable {
        server: options.server(),
        why,
    };
    let bare = options.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = if let Ok(address) = bare.parse::<IpAddr>() {
        vec![address]
    } else {
        let found = world.resolve.addresses(&options.host).await;
        found.map_err(|error| unreachable(error.to_string()))?
    };
    let mut last = "no such host".to_owned();
    for address in addresses {
        let place = SocketAddr::new(address, options.port);
        match world.dial.dial(place).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(unreachable(last))
}

async fn secured(
    stream: BoxedStream,
    (options, world): (&ImapOptions, &World),
) -> Result<BoxedStream, ImapError> {
    let check = match &options.authorities {
        Some(file) => CertificateCheck::NameBy(file.clone()),
        None => CertificateCheck::Name,
    };
    let handshake = Handshake {
        name: options.host.trim_start_matches('[').trim_end_matches(']'),
        check: &check,
        pair: None,
    };
    let secured = world.tls.connect(stream, handshake).await;
    let (stream, _) = secured.map_err(|error| ImapError::Unreachable {
        server: options.server(),
        why: format!("TLS: {error}"),
    })?;
    Ok(stream)
}

/// Does an answer begin with this, in either case?
pub(super) fn starts_with(answer: &[u8], start: &[u8]) -> bool {
    let head = answer.get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// A server's words for people: no line ends, nothing that a terminal obeys, not for ever.
pub(super) fn told(answer: &[u8]) -> String {
    let letters = answer.iter().map(|byte| char::from(*byte));
    let clean = letters.map(|letter| match letter {
        ' '..='~' => letter,
        _ => '?',
    });
    clean.take(TOLD).collect()
}

/// For people: secrets are left out.
fn shown(command: &[Piece<'_>]) -> String {
    let words = command.iter().map(|piece| match piece {
        Piece::Word(word) => (*word).to_owned(),
        Piece::Text(text) => told(text),
        Piece::Secret(_) => "…".to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// RFC 9051 §9: quoted strings hold no line ends; what is not ASCII goes as a literal.
pub(super) fn can_be_quoted(text: &[u8]) -> bool {
    text.len() <= 1_000 && text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

pub(super) fn quote(text: &[u8], into: &mut Vec<u8>) {
    into.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            into.push(b'\\');
        }
        into.push(*byte);
    }
    into.push(b'"');
}
