//! Notices: what goes wrong is told to people outside, in ways that need no platform of ours.
//!
//! What is wrong is observed elsewhere, as [`Condition`]s. A pure core (`core.rs`) remembers what
//! was told, and says what has to be told now: together what begins together, no more than so many
//! an hour, again when it lasts, once more when it is over. `desk.rs` looks, sends and writes down;
//! `mail.rs`, `webhook.rs` and `command.rs` are the ways; `hours.rs` is what the webmail
//! notes of its users for it.

mod command;
mod condition;
mod core;
mod desk;
mod hours;
mod mail;
mod status;
mod telling;
mod ways;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

pub use self::core::Pace;
pub use condition::{Condition, Kind, Observed, Severity, Unknown};
pub use desk::{Find, Notices, Observe, Parts};
pub use hours::{Counted, Hours, Share};
pub use status::{NoticesStatus, SentNotice, WaitingNews, WayResult, WayStatus};

use crate::limits;
use crate::smtp::Mailbox;

/// Who is told, how, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Our name.
    pub hostname: String,
    /// Who gets mail.
    pub addresses: Vec<Mailbox>,
    /// Where that mail is handed in: `host:port`; `None`: at the MX of each address.
    pub relay: Option<String>,
    /// Who is asked over HTTP.
    pub webhook: Option<Webhook>,
    /// A program and its arguments.
    pub command: Vec<String>,
    /// What is worth a notice.
    pub thresholds: Thresholds,
    /// When what is told.
    pub pace: Pace,
    /// How long is waited for each way.
    pub patience: Patience,
}

/// What is worth a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// The oldest mail waits for longer.
    pub waiting: Duration,
    /// A certificate ends within this time.
    pub certificate: Duration,
    /// The disk is full within this time when nothing can be delivered.
    pub disk: Duration,
}

/// Of whom nothing else is said.
impl Default for Thresholds {
    fn default() -> Self {
        let hour = Duration::from_secs(3_600);
        Self {
            waiting: hour * 4,
            certificate: hour * 24 * 21,
            disk: hour * 24 * 3,
        }
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its address. Often a secret: it is never shown.
    pub address: Address,
    /// The file with the key of its signatures.
    pub secret_file: Option<PathBuf>,
    /// PEM with the authorities that may sign its certificate; `None`: the system's.
    pub authorities: Option<PathBuf>,
}

/// The address of a webhook.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// It itself.
    Here(String),
    /// In the first line of this file, read each time.
    In(PathBuf),
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::In(file) => f.debug_tuple("In").field(file).finish(),
        }
    }
}

/// How long is waited for each way, and how often it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// A webhook, and a command until it is killed.
    pub each: Duration,
    /// A whole SMTP session.
    pub mail: Duration,
    /// The pauses before each further attempt. A host outside may ask for some minutes
    /// (greylisting).
    pub again: Vec<Duration>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            each: Duration::from_secs(30),
            mail: limits::NOTICE_MAIL,
            again: limits::NOTICE_AGAIN.to_vec(),
        }
    }
}

impl Options {
    /// Is there a way at all?
    #[must_use]
    pub fn has_ways(&self) -> bool {
        !self.addresses.is_empty() || self.webhook.is_some() || !self.command.is_empty()
    }
}
