//! `[filter.NAME]`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Standing, Subject};
use crate::limits;
use crate::mail::Recipient;

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it listens.
    pub place: Place,
    /// A message waits so long for its answer.
    pub patience: Duration,
    /// What happens to what it did not look at, because it does not answer.
    pub on_failure: OnFailure,
    /// What happens when it found something.
    pub bad: Deed,
    /// Bytes of the largest message that it is asked about.
    pub max_size: u64,
    /// What happens to larger ones.
    pub over_size: OverSize,
    /// Whose mail.
    pub mail: Whose,
    /// Of which listeners; none: of all.
    pub listeners: BTreeSet<String>,
    /// To which domains of ours, as keys; none: to all recipients.
    pub domains: BTreeSet<String>,
    /// Messages that it is asked about at one time.
    pub max_connections: usize,
}

/// What a filter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of ClamAV's daemon.
    Clamd,
}

/// Where a filter listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The socket file.
    Unix(PathBuf),
    /// A host, by name or address, and a port.
    Tcp(String, u16),
}

/// What happens to mail that could not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is taken, and says that it was not looked at.
    Accept,
    /// 451: the sender tries again.
    Defer,
}

/// What happens to mail in which something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The field says so, and it goes on.
    Mark,
    /// It is held.
    Hold,
    /// It is refused within the session.
    Reject,
}

/// What happens to mail that is too large to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverSize {
    /// It is taken, and says that it was not looked at.
    Accept,
    /// It is held.
    Hold,
}

/// Whose mail is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// That of strangers.
    Strangers,
    /// That of platforms and devices, too.
    All,
}

impl Options {
    /// As the config has them when it says no more.
    #[must_use]
    pub fn new(name: String, protocol: Protocol, place: Place) -> Self {
        Self {
            name,
            protocol,
            place,
            patience: limits::FILTER_TIME,
            on_failure: OnFailure::Accept,
            bad: Deed::Hold,
            max_size: limits::FILTER_SIZE,
            over_size: OverSize::Accept,
            mail: Whose::Strangers,
            listeners: BTreeSet::new(),
            domains: BTreeSet::new(),
            max_connections: limits::FILTER_AT_ONCE,
        }
    }

    /// The numbers of the recipients for whom it looks at a message; none: it is not asked.
    pub(super) fn scope(&self, subject: &Subject<'_>) -> Vec<u16> {
        let is_ours = subject.standing == Standing::Ours;
        let elsewhere = !self.listeners.is_empty() && !self.listeners.contains(subject.listener);
        if elsewhere || (is_ours && self.mail == Whose::Strangers) {
            return Vec::new();
        }
        let is_meant = |it: &Recipient| {
            // A dot at its end makes it no other domain.
            let name = it.address.domain().key();
            self.domains.is_empty() || self.domains.contains(name.trim_end_matches('.'))
        };
        let numbered = (0_u16..).zip(subject.recipients);
        numbered
            .filter(|(_, it)| is_meant(it))
            .map(|(number, _)| number)
            .collect()
    }
}

impl Protocol {
    /// The word of the config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clamd => "clamd",
        }
    }
}

/// As the config has it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}
