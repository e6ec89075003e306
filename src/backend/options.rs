//! A backend as the config describes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RejectingOptions;
use crate::imap::ImapOptions;
use crate::limits;
use crate::mail::BackendId;
use crate::net::{CertificateCheck, ClientPair};

/// A mail platform as the config describes it.
#[derive(Debug, Clone)]
pub struct BackendOptions {
    /// Its name.
    pub id: BackendId,
    /// Where it is.
    pub hosts: Hosts,
    /// How to talk to it.
    pub protocol: Protocol,
    /// What it must prove.
    pub tls: TlsPolicy,
    /// What proves it, and us.
    pub proof: Proof,
    /// Log in with this.
    pub credentials: Option<Credentials>,
    /// Connections at one time.
    pub max_connections: usize,
    /// Messages a minute; 0: no limit.
    pub messages_per_minute: u32,
    /// Messages of the backlog a minute for one mailbox; 0: no limit. One sender has a third of it.
    pub mailbox_messages_per_minute: u32,
    /// The same for an hour.
    pub mailbox_messages_per_hour: u32,
    /// Messages a minute of one sender of ours; 0: no limit.
    pub sender_messages_per_minute: u32,
    /// Recipients of one sender of ours within 24 hours; 0: no limit.
    pub sender_recipients_per_day: u32,
    /// Does it get its mail slowly at first after trouble?
    pub slow_open: bool,
    /// How long a connection serves.
    pub session: SessionBounds,
    /// Probing.
    pub probe: ProbeOptions,
    /// When it is rejecting.
    pub rejecting: RejectingOptions,
    /// How its mailboxes are asked what they have; `None`: they are not.
    pub imap: Option<ImapOptions>,
}

impl BackendOptions {
    /// Messages a minute for one mailbox, when the config says nothing: under what Exchange and
    /// Exchange Online suspend a mailbox for.
    pub const MAILBOX_PER_MINUTE: u32 = 30;
    /// The same for an hour.
    pub const MAILBOX_PER_HOUR: u32 = 1_000;
    /// Messages a minute of one sender, when the config says nothing: Exchange Online takes no more
    /// from a mailbox.
    pub const SENDER_PER_MINUTE: u32 = 30;
    /// Recipients of a day, the same.
    pub const SENDER_RECIPIENTS: u32 = 10_000;

    /// A backend of which nothing is known but its hosts.
    #[must_use]
    pub fn new(id: BackendId, hosts: Hosts) -> Self {
        Self {
            id,
            hosts,
            protocol: Protocol::default(),
            tls: TlsPolicy::default(),
            proof: Proof::default(),
            credentials: None,
            max_connections: 8,
            messages_per_minute: 0,
            mailbox_messages_per_minute: Self::MAILBOX_PER_MINUTE,
            mailbox_messages_per_hour: Self::MAILBOX_PER_HOUR,
            sender_messages_per_minute: Self::SENDER_PER_MINUTE,
            sender_recipients_per_day: Self::SENDER_RECIPIENTS,
            slow_open: true,
            session: SessionBounds::default(),
            probe: ProbeOptions::default(),
            rejecting: RejectingOptions::default(),
            imap: None,
        }
    }

    /// What its certificate must prove.
    #[must_use]
    pub fn check(&self) -> CertificateCheck {
        match self.tls {
            TlsPolicy::Never | TlsPolicy::Opportunistic | TlsPolicy::Required => {
                CertificateCheck::Any
            }
            TlsPolicy::Verified if !self.proof.keys.is_empty() => {
                CertificateCheck::Keys(self.proof.keys.clone())
            }
            TlsPolicy::Verified => {
                let authorities = self.proof.authorities.clone();
                authorities.map_or(CertificateCheck::Name, CertificateCheck::NameBy)
            }
        }
    }
}

/// With [`TlsPolicy::Verified`], what proves the backend; with any TLS, what proves us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// The name that the certificate must be good for; `None`: the host's.
    pub name: Option<String>,
    /// PEM file of the authorities that may have made it; `None`: those of the system.
    pub authorities: Option<PathBuf>,
    /// SHA-256 digests of public keys, any of which proves it without a name and an authority.
    pub keys: Vec<[u8; 32]>,
    /// Our certificate.
    pub client: Option<ClientPair>,
}

/// How much goes over one connection and through one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBounds {
    /// Recipients of one transaction; a server that says less in `LIMITS` gets less.
    pub recipients: usize,
    /// Messages of one connection.
    pub messages: u32,
    /// Age of a connection that is used again.
    pub age: Duration,
}

impl Default for SessionBounds {
    fn default() -> Self {
        Self {
            recipients: limits::RECIPIENTS,
            messages: limits::MESSAGES_PER_CONNECTION,
            age: limits::CONNECTION_AGE,
        }
    }
}

/// Next-hop hosts of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// `host:port`, in order of preference.
    List(Vec<String>),
    /// The MX hosts of a domain, port 25.
    Mx(String),
}

/// `protocol` of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: one reply for each recipient after the data.
    Lmtp,
}

/// `tls` of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TlsPolicy {
    /// No TLS.
    Never,
    /// STARTTLS when offered, any certificate; plain text when TLS fails.
    #[default]
    Opportunistic,
    /// STARTTLS must work, any certificate.
    Required,
    /// STARTTLS must work and the server must prove who it is, see [`Proof`].
    Verified,
}

/// A login at a backend.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// What proves it.
    pub secret: SecretFile,
    /// How to log in; `None`: the best that is offered.
    pub mechanism: Option<Mechanism>,
}

/// The file that holds a secret; read at each login, so that a new one needs no restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFile {
    /// A password.
    Password(PathBuf),
    /// An OAuth 2 access token, which somebody keeps fresh.
    Token(PathBuf),
}

impl SecretFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Password(path) | Self::Token(path) => path,
        }
    }
}

/// A way to log in, RFC 4422.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// As many servers know it; never standardised.
    Login,
    /// RFC 7677.
    ScramSha256,
    /// Google's and Microsoft's way to use an OAuth 2 token.
    Xoauth2,
}

impl Mechanism {
    /// Its name in `AUTH`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Xoauth2 => "XOAUTH2",
        }
    }
}

/// `[backend.NAME.probe]`.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// From one probe to the next.
    pub interval: Duration,
    /// Failures in a row until it is down.
    pub down_after: u32,
    /// Successes in a row until it is up again.
    pub up_after: u32,
    /// Ask with MAIL, RCPT, RSET for this address.
    pub recipient: Option<String>,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            down_after: 3,
            up_after: 3,
            recipient: None,
        }
    }
}
