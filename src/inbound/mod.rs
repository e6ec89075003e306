//! The SMTP server: from a connection to a message in the spool.
//!
//! `listener` takes connections within bounds; `connection` moves bytes; `session` decides, one
//! command in, one action out, without I/O; `content` reads the message; who sent it, and what is
//! in it, is asked of others (`trust`, `looked_at`), and what becomes of automatic answers
//! (`automatic`); the spool commits it. Who hands in mail for others logs in first (`submission`,
//! `sasl`, `login`), and writes in his own name (`authorship`).
//! A 250 to the final dot is said only after the commit (I1). The room never delivers, never
//! looks at a backend, and changes nothing in a message but its header's front.

mod admission;
mod authorship;
mod automatic;
mod certificate;
mod connection;
mod content;
mod crowd;
mod current_bounds;
mod device;
mod front;
mod header_filter;
mod listener;
mod load;
mod login;
mod login_trial;
mod looked_at;
mod notes;
mod patience;
mod policy;
mod receive;
mod record;
mod relay_test;
mod rules;
#[cfg(test)]
mod samples;
mod sasl;
mod server;
mod session;
mod submission;
mod tarpit;
mod tls_only;
mod transaction;
mod trust;
mod visitors;
mod wire;

use std::time::Duration;

pub use certificate::CertificateRights;
pub use current_bounds::CurrentBounds;
pub use listener::run;
pub use load::{Busy, Load, Strain};
pub use login_trial::{Account, Reached, try_login};
pub use policy::{Role, TlsMode};
pub use relay_test::{OwnDomain, TRICK_TAG, test_relay, wide_networks};
pub use server::Server;
pub use submission::{Denied, Outgoing, Proof, Submitter, Submitters};
pub use tls_only::{InvalidTlsPeer, TlsOnly, TlsPeer};

use crate::limits;
use crate::net::Network;
use crate::smtp::Mailbox;

/// How one listener behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The listener's name in metrics and logs: the address of its `bind`.
    pub listener: String,
    /// Our host name: banner, EHLO, `Received`.
    pub hostname: String,
    /// Who gets the mail for `postmaster`, RFC 5321 §4.5.1.
    pub postmaster: Mailbox,
    /// Whose mail it takes.
    pub role: Role,
    /// When it encrypts.
    pub tls: TlsMode,
    /// Who may say whose a connection is.
    pub spokesmen: Spokesmen,
    /// Who hands mail in over TLS only.
    pub require_tls_from: TlsOnly,
    /// Is mail taken that only hosts may get which prove who they are (RFC 8689)?
    pub requiretls: bool,
    /// May a device of ours log in where nobody has to (AUTH on port 25)?
    pub device_login: bool,
    /// What clients may whose certificate proves who they are.
    pub certificates: CertificateRights,
    /// `spool.max_message_size` in bytes. Beyond: 552 5.3.4.
    pub max_message_size: u64,
    /// The bounds.
    pub bounds: Bounds,
}

impl Options {
    /// Can anybody log in here?
    #[must_use]
    pub const fn takes_logins(&self) -> bool {
        self.role.wants_login() || self.device_login
    }
}

/// Peers that speak for others: what they say of a client counts as if it had come itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spokesmen {
    /// Proxies that begin each connection with a header of the PROXY protocol.
    pub proxy: Vec<Network>,
    /// Who may say XCLIENT.
    pub xclient: Vec<Network>,
}

/// Bounds of the server; the defaults stand in [`limits`].
#[derive(Debug, Clone)]
pub struct Bounds {
    /// See [`limits::CONNECTIONS`].
    pub connections: usize,
    /// See [`limits::CONNECTIONS_PER_ADDRESS`].
    pub connections_per_address: usize,
    /// See [`limits::CONNECTIONS_PER_NETWORK`].
    pub connections_per_network: usize,
    /// Of them, those that are kept for our own: see [`limits::RESERVED_CONNECTIONS`].
    pub reserved_connections: usize,
    /// For whom beside devices and people who log in: our platforms, and other networks.
    pub reserved_for: Vec<Network>,
    /// See [`limits::COMMIT_WAIT`].
    pub commit_wait: Duration,
    /// See [`limits::CONNECTIONS_MEMORY`].
    pub memory: u64,
    /// See [`limits::TARPIT`].
    pub tarpit: Duration,
    /// See [`limits::TARPIT_AFTER`].
    pub tarpit_after: usize,
    /// See [`limits::TARPIT_CONNECTIONS`].
    pub tarpit_connections: usize,
    /// See [`limits::RECIPIENTS`].
    pub recipients: usize,
    /// See [`limits::BAD_COMMANDS`].
    pub bad_commands: usize,
    /// See [`limits::BAD_RECIPIENTS`].
    pub bad_recipients: usize,
    /// See [`limits::WRONG_LOGINS`].
    pub wrong_logins: usize,
    /// See [`limits::LOGIN_TIME`].
    pub login_time: Duration,
    /// See [`limits::HOPS`].
    pub hops: usize,
    /// See [`limits::HEADER_SECTION`].
    pub header_section: usize,
    /// See [`limits::PROXY_TIMEOUT`].
    pub proxy_timeout: Duration,
    /// See [`limits::COMMAND_TIMEOUT`].
    pub command_timeout: Duration,
    /// See [`limits::DATA_TIMEOUT`].
    pub data_timeout: Duration,
    /// See [`limits::DISCARD_TIMEOUT`].
    pub discard_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
            connections_per_network: limits::CONNECTIONS_PER_NETWORK,
            reserved_connections: limits::RESERVED_CONNECTIONS,
            reserved_for: Vec::new(),
            commit_wait: limits::COMMIT_WAIT,
            memory: limits::CONNECTIONS_MEMORY,
            tarpit: limits::TARPIT,
            tarpit_after: limits::TARPIT_AFTER,
            tarpit_connections: limits::TARPIT_CONNECTIONS,
            recipients: limits::RECIPIENTS,
            bad_commands: limits::BAD_COMMANDS,
            bad_recipients: limits::BAD_RECIPIENTS,
            wrong_logins: limits::WRONG_LOGINS,
            login_time: limits::LOGIN_TIME,
            hops: limits::HOPS,
            header_section: limits::HEADER_SECTION,
            proxy_timeout: limits::PROXY_TIMEOUT,
            command_timeout: limits::COMMAND_TIMEOUT,
            data_timeout: limits::DATA_TIMEOUT,
            discard_timeout: limits::DISCARD_TIMEOUT,
        }
    }
}
