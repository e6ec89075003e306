//! The milter protocol, version 6, as MTAs speak it (sendmail's `libmilter/mfdef.h`): packets of
//! a length in four bytes, a letter, and data. Pure: what is said, and what an answer is.

use super::heard::{Nonsense, printable};
use super::{Login, Matter};
use crate::base::TlsInfo;
use crate::limits;

/// What we speak, and the least that we understand.
const VERSIONS: [u32; 2] = [2, 6];
/// What we do when it is asked for: `SMFIF_ADDHDRS`, `SMFIF_QUARANTINE`.
const ACTIONS: u32 = 0x01 | 0x20;
/// The parts that may be left out, the answers that may be left out, `SMFIP_SKIP` and
/// `SMFIP_HDR_LEADSPC`. Not `SMFIP_RCPT_REJ`: refused recipients never come here.
const PROTOCOL: u32 = 0x001F_FFFF & !Agreed::RCPT_REJ;

/// `SMFIC_…`: what the other side is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    Helo,
    Mail,
    Rcpt,
    Data,
    Header,
    EndOfHeader,
    Body,
    EndOfMessage,
}

impl Stage {
    const fn letter(self) -> u8 {
        match self {
            Self::Connect => b'C',
            Self::Helo => b'H',
            Self::Mail => b'M',
            Self::Rcpt => b'R',
            Self::Data => b'T',
            Self::Header => b'L',
            Self::EndOfHeader => b'N',
            Self::Body => b'B',
            Self::EndOfMessage => b'E',
        }
    }

    /// The flag that leaves it out, and the one that leaves its answer out.
    const fn flags(self) -> (u32, u32) {
        match self {
            Self::Connect => (0x1, 0x1000),
            Self::Helo => (0x2, 0x2000),
            Self::Mail => (0x4, 0x4000),
            Self::Rcpt => (0x8, 0x8000),
            Self::Data => (0x200, 0x1_0000),
            Self::Header => (0x20, 0x80),
            Self::EndOfHeader => (0x40, 0x4_0000),
            Self::Body => (0x10, 0x8_0000),
            Self::EndOfMessage => (0, 0),
        }
    }
}

/// What both sides have agreed upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    version: u32,
    protocol: u32,
}

impl Agreed {
    const RCPT_REJ: u32 = 0x800;
    const LEADING_SPACE: u32 = 0x10_0000;

    /// Reads the answer to [`offer`].
    pub(super) fn read(packet: &[u8]) -> Result<Self, Nonsense> {
        let Some((b'O', data)) = packet.split_first() else {
            return Err(Nonsense::Unknown);
        };
        let mut words = data.chunks_exact(4).map(|word| {
            let word = <[u8; 4]>::try_from(word).unwrap_or_default();
            u32::from_be_bytes(word)
        });
        // What it would like to do is its second word. Some ask for all whatever was offered
        // (rspamd does): it is not done, and said not to be done.
        let (Some(version), Some(_), Some(protocol)) = (words.next(), words.next(), words.next())
        else {
            return Err(Nonsense::Unknown);
        };
        let [least, most] = VERSIONS;
        // What was not offered is not understood, so the conversation would go astray.
        if !(least..=most).contains(&version) || protocol & !PROTOCOL != 0 {
            return Err(Nonsense::Unknown);
        }
        Ok(Self { version, protocol })
    }

    /// The version that both speak.
    pub(super) const fn version(self) -> u32 {
        self.version
    }

    /// Does it want to be told of that?
    pub(super) const fn wants(self, stage: Stage) -> bool {
        let is_known = self.version >= 4 || !matches!(stage, Stage::Data);
        is_known && self.protocol & stage.flags().0 == 0
    }

    /// Does it answer that?
    pub(super) const fn answers(self, stage: Stage) -> bool {
        self.protocol & stage.flags().1 == 0
    }

    /// Does it want fields with the blank behind the colon?
    pub(super) const fn wants_blanks(self) -> bool {
        self.protocol & Self::LEADING_SPACE != 0
    }
}

/// A packet.
fn packet(letter: u8, data: &[u8]) -> Vec<u8> {
    // Data is never longer than `limits::FILTER_FIELD` and a few words.
    let length = u32::try_from(data.len() + 1).unwrap_or(u32::MAX);
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(letter);
    packet.extend_from_slice(data);
    packet
}

/// What we can do.
pub(super) fn offer() -> Vec<u8> {
    let [_, version] = VERSIONS;
    let words = [version, ACTIONS, PROTOCOL];
    packet(b'O', &words.map(u32::to_be_bytes).concat())
}

/// The end of the connection.
pub(super) fn quit() -> Vec<u8> {
    packet(b'Q', b"")
}

/// What is told.
pub(super) fn told(stage: Stage, data: &[u8]) -> Vec<u8> {
    packet(stage.letter(), data)
}

/// Texts, each with its end. What would end one before is made visible.
fn texts<'t>(all: impl IntoIterator<Item = &'t str>) -> Vec<u8> {
    let mut data = Vec::new();
    for text in all {
        let shown = |byte: u8| {
            if byte < b' ' || byte == 0x7f {
                b'?'
            } else {
                byte
            }
        };
        data.extend(text.bytes().take(limits::FILTER_FIELD).map(shown));
        data.push(0);
    }
    data
}

fn macros(stage: Stage, all: &[(&str, &str)]) -> Vec<u8> {
    let mut data = vec![stage.letter()];
    data.extend(texts(all.iter().flat_map(|(name, value)| [*name, *value])));
    packet(b'D', &data)
}

/// Who has connected, with the macros of it.
pub(super) fn connect(matter: Matter<'_>) -> Vec<u8> {
    let bearer = matter.subject.bearer;
    let client = bearer.client.map(|it| (it.ip().to_canonical(), it.port()));
    let address = client.map_or_else(|| "unknown".to_owned(), |it| it.0.to_string());
    let port = client.map_or(0, |it| it.1);
    let nameless = format!("[{address}]");
    let name = bearer.name.unwrap_or(&nameless);
    let whole = format!("{name} [{address}]");
    let mut data = macros(
        Stage::Connect,
        &[
            ("j", bearer.hostname),
            ("v", "Tideover"),
            ("_", &whole),
            ("{daemon_name}", matter.subject.listener),
            ("{client_addr}", &address),
            ("{client_name}", bearer.name.unwrap_or("unknown")),
            ("{client_port}", &port.to_string()),
        ],
    );
    let mut peer = texts([name]);
    match client {
        Some((ip, port)) => {
            peer.push(if ip.is_ipv4() { b'4' } else { b'6' });
            peer.extend_from_slice(&port.to_be_bytes());
            peer.extend(texts([address.as_str()]));
        }
        None => peer.push(b'U'),
    }
    data.extend(told(Stage::Connect, &peer));
    data
}

/// What the client calls itself, with the macros of TLS. Those of a certificate are as Postfix has
/// them (`milter_helo_macros`): common names, and only of one that is believed.
pub(super) fn helo(matter: Matter<'_>) -> Vec<u8> {
    let bearer = matter.subject.bearer;
    let mut data = Vec::new();
    if let Some(TlsInfo {
        version, cipher, ..
    }) = bearer.tls
    {
        let mut all = vec![
            ("{tls_version}", version.as_str()),
            ("{cipher}", cipher),
            ("{cipher_bits}", cipher_bits(cipher)),
        ];
        if let Some(names) = bearer.certificate {
            let subject = names.subject.as_deref();
            all.extend(subject.map(|name| ("{cert_subject}", name)));
            let issuer = names.issuer.as_deref();
            all.extend(issuer.map(|name| ("{cert_issuer}", name)));
        }
        data = macros(Stage::Helo, &all);
    }
    data.extend(told(Stage::Helo, &texts([bearer.helo])));
    data
}

/// How long the key is: of those that we speak the name says it.
fn cipher_bits(cipher: &str) -> &'static str {
    if cipher.contains("AES_128") {
        "128"
    } else {
        "256"
    }
}

/// Who sends, with the macros of it.
pub(super) fn mail(matter: Matter<'_>) -> Vec<u8> {
    let bearer = matter.subject.bearer;
    let (from, id) = (bearer.from.to_string(), bearer.id.to_string());
    let mut all = vec![("i", id.as_str()), ("{mail_addr}", &from)];
    if let Some(Login { user, mechanism }) = bearer.login {
        all.extend([("{auth_authen}", user), ("{auth_type}", mechanism)]);
    }
    let mut data = macros(Stage::Mail, &all);
    data.extend(told(Stage::Mail, &texts([format!("<{from}>").as_str()])));
    data
}

/// One of those to whom, with the macros of it.
pub(super) fn rcpt(address: &str) -> Vec<u8> {
    let mut data = macros(Stage::Rcpt, &[("{rcpt_addr}", address)]);
    data.extend(told(Stage::Rcpt, &texts([format!("<{address}>").as_str()])));
    data
}

/// A stage of which nothing is to be told but that it is there, with the id of the message.
pub(super) fn reached(matter: Matter<'_>, stage: Stage) -> Vec<u8> {
    let id = matter.subject.bearer.id.to_string();
    let mut data = macros(stage, &[("i", &id)]);
    data.extend(told(stage, b""));
    data
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Continue,
    Accept,
    Reject,
    TempFail,
    Discard,
    /// It has heard enough of the body.
    Skip,
    /// It works on it.
    Progress,
    /// It has a reply of its own: is it for good, and its words.
    Reply(Lasting, String),
    /// It would have it put aside, for this reason.
    Quarantine(String),
    /// It would have this field in it.
    Add(Vec<u8>, Vec<u8>),
    /// It would have something changed that we do not change.
    Change(&'static str),
    /// It has trouble of its own.
    Trouble,
}

/// Does a reply end it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    ForNow,
    ForGood,
}

impl Answer {
    /// Reads a packet, without its length.
    pub(super) fn read(packet: &[u8]) -> Result<Self, Nonsense> {
        let (letter, data) = packet.split_first().ok_or(Nonsense::Unknown)?;
        Ok(match letter {
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'r' => Self::Reject,
            b't' => Self::TempFail,
            b'd' => Self::Discard,
            b's' => Self::Skip,
            b'p' => Self::Progress,
            b'y' => reply(data)?,
            b'q' => Self::Quarantine(printable(until_end(data).0)),
            b'h' => field(data)?,
            // Its place is a number in four bytes; what is added stands above all.
            b'i' => field(data.get(4..).ok_or(Nonsense::Unknown)?)?,
            b'b' => Self::Change("the body"),
            b'm' => changed(data)?,
            b'e' => Self::Change("the sender"),
            b'+' | b'-' | b'2' => Self::Change("the recipients"),
            b'4' | b'f' => Self::Trouble,
            _ => return Err(Nonsense::Unknown),
        })
    }
}

/// A text up to its end, and what is behind it.
fn until_end(data: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(0, data).unwrap_or(data.len());
    let (text, rest) = data.split_at(end);
    (text, rest.get(1..).unwrap_or_default())
}

/// `550 5.7.1 words`: the words.
fn reply(data: &[u8]) -> Result<Answer, Nonsense> {
    let (line, _) = until_end(data);
    let line = line.split(|byte| *byte == b'\r' || *byte == b'\n').next();
    let line = printable(line.unwrap_or_default());
    let (code, words) = line.split_at_checked(3).ok_or(Nonsense::Unknown)?;
    let lasting = match code.as_bytes() {
        [b'4', ..] => Lasting::ForNow,
        [b'5', ..] => Lasting::ForGood,
        _ => return Err(Nonsense::Unknown),
    };
    let words = words.trim_start_matches(['-', ' ']);
    let is_code = |word: &str| word.chars().all(|c| c == '.' || c.is_ascii_digit());
    let words = match words.split_once(' ') {
        Some((first, rest)) if is_code(first) => rest,
        _ => words,
    };
    Ok(Answer::Reply(lasting, words.to_owned()))
}

/// Who changes a field that is not there adds it (rspamd does so). None is taken away.
fn changed(data: &[u8]) -> Result<Answer, Nonsense> {
    let (name, value) = name_and_value(data.get(4..).ok_or(Nonsense::Unknown)?)?;
    Ok(if value.is_empty() {
        Answer::Change("a field")
    } else {
        Answer::Add(name, value)
    })
}

fn field(data: &[u8]) -> Result<Answer, Nonsense> {
    let (name, value) = name_and_value(data)?;
    Ok(Answer::Add(name, value))
}

fn name_and_value(data: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Nonsense> {
    let (name, rest) = until_end(data);
    if name.is_empty() {
        return Err(Nonsense::Unknown);
    }
    Ok((name.to_vec(), until_end(rest).0.to_vec()))
}

/// The field as it stands in a message; `None`: this one is not added.
///
/// Only names that mean nothing to programs (`X-…`) and that nobody else owns, and no long
/// values: who adds another `From`, a result in our name or an empty line changes what the
/// message is.
pub(super) fn added(name: &[u8], value: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let lower = name.to_ascii_lowercase();
    let is_free = lower.starts_with("x-")
        && !lower.starts_with("x-tideover-")
        && !lower.starts_with("x-ms-")
        && name.len() <= 64
        && name.bytes().all(|it| it.is_ascii_graphic() && it != b':');
    if !is_free {
        return None;
    }
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        b'\t' => ' ',
        _ => '?',
    };
    let value = value.get(..limits::FILTER_ADDED).unwrap_or(value);
    let lines = value.split(|byte| *byte == b'\n').map(|line| {
        let text: String = line.trim_ascii().iter().map(shown).collect();
        text
    });
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    Some(format!("{name}: {}\r\n", lines.join("\r\n\t")))
}
