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
    /// What happens to what it would refuse.
    pub bad: Deed,
    /// What happens to what it would mark.
    pub suspicious: Deed,
    /// What happens to what it would have sent again later.
    pub later: Deed,
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
    /// The file of the password that it wants to hear.
    pub password_file: Option<PathBuf>,
}

/// What a filter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of ClamAV's daemon.
    Clamd,
    /// Rspamd's, over HTTP.
    Rspamd,
    /// Sendmail's for mail filters.
    Milter,
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
    /// 451: the sender tries again.
    Defer,
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
            suspicious: Deed::Mark,
            later: Deed::Mark,
            max_size: limits::FILTER_SIZE,
            over_size: OverSize::Accept,
            mail: Whose::Strangers,
            listeners: BTreeSet::new(),
            domains: BTreeSet::new(),
            max_connections: limits::FILTER_AT_ONCE,
            password_file: None,
        }
    }

    /// The longest that a message waits: who can say that he works on it gets more.
    pub(super) fn longest(&self) -> Duration {
        match self.protocol {
            Protocol::Clamd | Protocol::Rspamd => self.patience,
            Protocol::Milter => self.patience.max(limits::FILTER_TIME_MOST),
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

impl OverSize {
    /// What is done then.
    pub(super) const fn deed(self) -> Deed {
        match self {
            Self::Accept => Deed::Mark,
            Self::Hold => Deed::Hold,
        }
    }
}

impl Protocol {
    /// The word of the config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clamd => "clamd",
            Self::Rspamd => "rspamd",
            Self::Milter => "milter",
        }
    }
}

impl Place {
    /// As HTTP names it.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp(..) => self.to_string(),
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
