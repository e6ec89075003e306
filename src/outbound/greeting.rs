//! From the connection to the first MAIL, as a pure state machine: greeting, EHLO, STARTTLS, AUTH.

use super::error::{Error, Stage};
use super::link::Proof;
use super::login::{Exchange, Login, Turn};
use crate::backend::{Protocol, TlsPolicy};
use crate::net::{CertificateCheck, ClientPair};
use crate::smtp::{Extensions, Reply};

/// How we introduce ourselves to this host.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// What we say in EHLO.
    pub(super) hostname: String,
    /// EHLO or LHLO.
    pub(super) protocol: Protocol,
    /// What the connection must prove.
    pub(super) tls: TlsPolicy,
    /// What its certificate must prove.
    pub(super) check: CertificateCheck,
    /// The name that it is checked for.
    pub(super) name: String,
    /// What a certificate for that name proves.
    pub(super) named: Proof,
    /// What we prove.
    pub(super) pair: Option<ClientPair>,
    /// Log in with this.
    pub(super) login: Option<Login>,
    /// Is what we say safe from eavesdroppers without TLS?
    pub(super) way: Way,
    /// May the host be ourselves?
    pub(super) mirror: Mirror,
}

/// Where the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// On this machine.
    Loopback,
    /// Anywhere else.
    Network,
}

/// What a host that has our own name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mirror {
    /// Nothing: the config names the host, and `check` has looked at it.
    Fine,
    /// A loop: a stranger's MX record points at us.
    Loop,
}

/// What the driver does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this line and read a reply.
    Send(String),
    /// Do the TLS handshake and tell [`Greeting::secured`].
    Secure,
    /// MAIL may come.
    Ready(Extensions),
}

/// Which reply is expected.
#[derive(Debug)]
pub(super) enum Greeting {
    ExpectBanner,
    ExpectHello(Cover),
    ExpectHelo(Cover),
    ExpectStartTls(Extensions),
    ExpectSecured,
    ExpectLogin(Extensions, Exchange),
    Ready,
}

/// Is the connection encrypted?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    Plain,
    Tls,
}

impl Greeting {
    /// Where an error would be.
    pub(super) const fn stage(&self) -> Stage {
        match self {
            Self::ExpectBanner => Stage::Banner,
            Self::ExpectHello(_) | Self::ExpectHelo(_) | Self::Ready => Stage::Hello,
            Self::ExpectStartTls(_) | Self::ExpectSecured => Stage::StartTls,
            Self::ExpectLogin(..) => Stage::Login,
        }
    }

    /// See [`Exchange::is_costly`].
    pub(super) const fn is_costly(&self) -> bool {
        matches!(self, Self::ExpectLogin(_, exchange) if exchange.is_costly())
    }

    /// One reply in, one state and one step out.
    pub(super) fn handle(self, reply: Reply, manner: &Manner) -> Result<(Self, Step), Error> {
        let stage = self.stage();
        match self {
            Self::ExpectBanner if reply.code == 220 => Ok(hello(Cover::Plain, manner)),
            Self::ExpectHello(cover) if reply.is_success() => {
                look_in_the_mirror(&reply, manner)?;
                after_hello(Extensions::parse(&reply.text), cover, manner)
            }
            // RFC 5321 §3.2: a server that does not know EHLO is greeted with HELO. LMTP has
            // nothing older than LHLO (RFC 2033 §4.1).
            Self::ExpectHello(cover)
                if reply.is_permanent() && manner.protocol == Protocol::Smtp =>
            {
                let line = format!("HELO {}\r\n", manner.hostname);
                Ok((Self::ExpectHelo(cover), Step::Send(line)))
            }
            Self::ExpectHelo(cover) if reply.is_success() => {
                after_hello(Extensions::default(), cover, manner)
            }
            Self::ExpectStartTls(_) if reply.code == 220 => Ok((Self::ExpectSecured, Step::Secure)),
            // RFC 3207 §4: 454, TLS not available for now. Mail goes on if it may.
            Self::ExpectStartTls(extensions)
                if reply.code != 421 && manner.tls == TlsPolicy::Opportunistic =>
            {
                log_in(extensions, Cover::Plain, manner)
            }
            Self::ExpectLogin(extensions, exchange) => match &manner.login {
                Some(login) => Ok(logging_in(extensions, exchange.hear(reply, login)?)),
                None => Err(unexpected(stage, reply)),
            },
            Self::ExpectBanner
            | Self::ExpectHello(_)
            | Self::ExpectHelo(_)
            | Self::ExpectStartTls(_)
            | Self::ExpectSecured
            | Self::Ready => Err(unexpected(stage, reply)),
        }
    }

    /// The connection is encrypted now: everything that was said before is forgotten (RFC 3207
    /// §4.2).
    pub(super) fn secured(manner: &Manner) -> (Self, Step) {
        hello(Cover::Tls, manner)
    }
}

/// A refusal, or a reply that makes no sense here.
pub(super) fn unexpected(stage: Stage, reply: Reply) -> Error {
    if reply.is_transient() || reply.is_permanent() {
        Error::Refused(stage, reply)
    } else {
        Error::OutOfStep(stage, format!("it said {reply}"))
    }
}

fn hello(cover: Cover, manner: &Manner) -> (Greeting, Step) {
    let verb = match manner.protocol {
        Protocol::Smtp => "EHLO",
        Protocol::Lmtp => "LHLO",
    };
    let line = format!("{verb} {}\r\n", manner.hostname);
    (Greeting::ExpectHello(cover), Step::Send(line))
}

/// RFC 5321 §6.3: a host that greets with our own name is ourselves.
fn look_in_the_mirror(reply: &Reply, manner: &Manner) -> Result<(), Error> {
    let name = reply.text.split_ascii_whitespace().next();
    let same = name.is_some_and(|name| name.eq_ignore_ascii_case(&manner.hostname));
    match manner.mirror {
        Mirror::Loop if same => Err(Error::NoMail(super::dial::loops_back())),
        Mirror::Loop | Mirror::Fine => Ok(()),
    }
}

fn after_hello(
    extensions: Extensions,
    cover: Cover,
    manner: &Manner,
) -> Result<(Greeting, Step), Error> {
    match (cover, manner.tls) {
        (Cover::Tls, _) | (Cover::Plain, TlsPolicy::Never) => log_in(extensions, cover, manner),
        (Cover::Plain, TlsPolicy::Opportunistic) if !extensions.starttls => {
            log_in(extensions, cover, manner)
        }
        (Cover::Plain, TlsPolicy::Required | TlsPolicy::Verified) if !extensions.starttls => {
            Err(Error::NoTls)
        }
        (Cover::Plain, TlsPolicy::Opportunistic | TlsPolicy::Required | TlsPolicy::Verified) => {
            Ok((
                Greeting::ExpectStartTls(extensions),
                Step::Send("STARTTLS\r\n".to_owned()),
            ))
        }
    }
}

/// RFC 4954 §4: after TLS, and never where somebody could listen.
fn log_in(
    extensions: Extensions,
    cover: Cover,
    manner: &Manner,
) -> Result<(Greeting, Step), Error> {
    let Some(login) = &manner.login else {
        return Ok((Greeting::Ready, Step::Ready(extensions)));
    };
    if cover == Cover::Plain && manner.way == Way::Network {
        return Err(Error::Login(
            "the connection is not encrypted; the password is not sent".to_owned(),
        ));
    }
    let turn = login.begin(&extensions.auth)?;
    Ok(logging_in(extensions, turn))
}

fn logging_in(extensions: Extensions, turn: Turn) -> (Greeting, Step) {
    match turn {
        Turn::Send(exchange, line) => (
            Greeting::ExpectLogin(extensions, exchange),
            Step::Send(line),
        ),
        Turn::Done => (Greeting::Ready, Step::Ready(extensions)),
    }
}
