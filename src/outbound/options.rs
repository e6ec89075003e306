//! What the room is told by the config.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::error::Stage;
use super::tlsrpt::ReportOptions;
use crate::backend::BackendOptions;
use crate::limits;
use crate::mail::BackendId;

/// Settings of the room.
#[derive(Debug, Clone)]
pub struct Options {
    /// What we say in EHLO.
    pub hostname: String,
    /// The platforms.
    pub backends: HashMap<BackendId, BackendOptions>,
    /// The port of strangers and of MX hosts: 25, another one in a sandbox.
    pub port: u16,
    /// The port of policies, 443.
    pub https_port: u16,
    /// What protects the way to strangers, if they have it.
    pub protection: Vec<Protection>,
    /// What the config asks of the hosts of single domains, by domain, in lower case.
    pub secured: HashMap<String, SecuredDomain>,
    /// Who tells strangers how TLS with them went; `None`: nobody.
    pub reports: Option<ReportOptions>,
    /// Our own listeners: an MX record that points at one of them is a loop.
    pub own: Vec<SocketAddr>,
    /// Patience with backends.
    pub backend_timeouts: Timeouts,
    /// Patience with strangers and relays.
    pub stranger_timeouts: Timeouts,
}

impl Options {
    /// The usual settings, without backends.
    #[must_use]
    pub fn new(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            backends: HashMap::new(),
            port: 25,
            https_port: 443,
            protection: vec![Protection::Dane, Protection::MtaSts],
            secured: HashMap::new(),
            reports: None,
            own: Vec::new(),
            backend_timeouts: Timeouts::backends(),
            stranger_timeouts: Timeouts::strangers(),
        }
    }
}

/// A way in which strangers tell that their hosts can prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// RFC 7672. It needs name servers that pass on DNSSEC.
    Dane,
    /// RFC 8461.
    MtaSts,
}

/// What the hosts of a domain must do, whatever the domain itself asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecuredDomain {
    /// Encrypt; nobody needs to prove who he is.
    Encrypted,
    /// Be one of these hosts (names, or `*.` and a domain for one label), and prove it with a
    /// certificate.
    Verified(Vec<String>),
}

/// How long to wait for a server, RFC 5321 §4.5.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A connection.
    pub connect: Duration,
    /// §4.5.3.2.1: the greeting.
    pub greeting: Duration,
    /// §4.5.3.2.2 and §4.5.3.2.3: MAIL, RCPT and other commands.
    pub command: Duration,
    /// §4.5.3.2.4: the reply to DATA.
    pub data: Duration,
    /// §4.5.3.2.5: one piece of the message.
    pub piece: Duration,
    /// §4.5.3.2.6: the reply to the final dot. Too little makes duplicates.
    pub end: Duration,
}

impl Timeouts {
    /// As the standard asks.
    #[must_use]
    pub const fn strangers() -> Self {
        Self {
            connect: limits::CONNECT_TIMEOUT,
            greeting: Duration::from_secs(300),
            command: Duration::from_secs(300),
            data: Duration::from_secs(120),
            piece: Duration::from_secs(180),
            end: Duration::from_secs(600),
        }
    }

    /// A backend is near and known: its silence is trouble much sooner. Only after the final dot
    /// it is given all the time that the standard gives.
    #[must_use]
    pub const fn backends() -> Self {
        Self {
            connect: Duration::from_secs(10),
            greeting: Duration::from_secs(30),
            command: Duration::from_secs(60),
            data: Duration::from_secs(60),
            piece: Duration::from_secs(60),
            end: Duration::from_secs(600),
        }
    }

    pub(super) const fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Banner => self.greeting,
            Stage::Hello
            | Stage::StartTls
            | Stage::Login
            | Stage::Mail
            | Stage::Rcpt
            | Stage::Reset => self.command,
            Stage::Data => self.data,
            Stage::Body => self.piece,
            Stage::End => self.end,
        }
    }
}
