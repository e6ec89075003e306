//! The platforms: what they are, how to talk to them, and how they are.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::mail::{BackendId, Boxed, Failure};

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
    /// Log in as, with the password in this file.
    pub credentials: Option<Credentials>,
    /// Connections at one time.
    pub max_connections: usize,
    /// Messages a minute; 0: no limit.
    pub messages_per_minute: u32,
    /// Probing.
    pub probe: ProbeOptions,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: one reply for each recipient after the data.
    Lmtp,
}

/// `tls` of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsPolicy {
    /// No TLS.
    Never,
    /// STARTTLS when offered, any certificate; plain text when TLS fails.
    #[default]
    Opportunistic,
    /// STARTTLS must work, any certificate.
    Required,
    /// STARTTLS must work and the certificate must be good for the host's name.
    Verified,
}

/// A login at a backend.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The file that holds the password; read at each login.
    pub password_file: PathBuf,
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

/// How a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Takes mail.
    Up,
    /// Takes mail, and asks for less of it.
    Slow,
    /// Takes none: its mail is held.
    Down,
    /// Refuses known recipients alike: its mail is held, one message is tried now and then.
    Rejecting,
}

/// The health of a backend, why, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendHealth {
    /// Which backend.
    pub id: BackendId,
    /// How it is.
    pub health: Health,
    /// Why, for people: `connection refused by 127.0.0.1:2601`. Empty while it was never doubted.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// Asks a backend how it is: connect, banner, EHLO, STARTTLS, and RCPT when configured.
pub trait Prober: Send + Sync {
    /// One probe of the whole backend: good when one of its hosts is.
    ///
    /// # Errors
    /// With what stood in the way.
    fn probe<'a>(&'a self, backend: &'a BackendOptions) -> Boxed<'a, Result<(), Failure>>;
}

/// Evidence about a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A probe or a delivery went well.
    Good,
    /// A probe or a delivery failed and the backend is to blame.
    Bad(Failure),
}
