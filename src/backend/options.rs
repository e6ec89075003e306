//! A backend as the config describes it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::BackendId;

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
