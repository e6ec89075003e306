//! What is wrong, as it is observed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// What a condition is about. The words are in JSON that others read: none is ever renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A platform takes no mail, or less, or by an operator's word.
    Backend,
    /// The oldest mail waits for long.
    Waiting,
    /// Mail waits for longer than `queue.attention_after`.
    Attention,
    /// Refusals wait for a decision.
    Case,
    /// The disk gets full, or is.
    Disk,
    /// The log cannot be written.
    Log,
    /// A certificate ends, or a new one cannot be used.
    Certificate,
    /// Probes do not come back.
    Drill,
    /// What is stored is not what it should be.
    Integrity,
    /// What was delivered is not in its mailbox.
    Landing,
    /// A source of the directory fails.
    Directory,
    /// Strangers can send through this server.
    Relay,
    /// A content filter does not answer.
    Filter,
    /// Strangers are told to come later, and it lasts.
    Load,
    /// A sender of ours has had nearly all recipients of its day.
    Sender,
    /// A device has had nearly all recipients of its day, or ends soon.
    Device,
    /// Nothing is wrong: somebody tries whether notices arrive.
    Test,
}

impl Kind {
    /// All that are looked for again and again.
    pub const OBSERVED: [Self; 16] = [
        Self::Backend,
        Self::Waiting,
        Self::Attention,
        Self::Case,
        Self::Disk,
        Self::Log,
        Self::Certificate,
        Self::Drill,
        Self::Integrity,
        Self::Landing,
        Self::Directory,
        Self::Relay,
        Self::Filter,
        Self::Load,
        Self::Sender,
        Self::Device,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Waiting => "waiting",
            Self::Attention => "attention",
            Self::Case => "case",
            Self::Disk => "disk",
            Self::Log => "log",
            Self::Certificate => "certificate",
            Self::Drill => "drill",
            Self::Integrity => "integrity",
            Self::Landing => "landing",
            Self::Directory => "directory",
            Self::Relay => "relay",
            Self::Filter => "filter",
            Self::Load => "load",
            Self::Sender => "sender",
            Self::Device => "device",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How bad it is; the last is the worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look, today.
    Warning,
    /// Somebody has to look, now.
    Critical,
}

impl Severity {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is about.
    pub kind: Kind,
    /// Which one of its kind: a backend, a leg. Kind and subject together are its name.
    pub subject: String,
    /// A word for how it is: another one is told, while other words in `what` are not.
    pub state: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when, as far as that is known.
    pub since: Timestamp,
    /// For people, one line: `onprem is down: connection refused`.
    pub what: String,
    /// For people: what to do.
    pub todo: String,
}

/// All that is wrong now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// It.
    pub conditions: Vec<Condition>,
    /// What nobody can say now, for example shortly after the start: that it is not among the
    /// conditions does not mean that it is over.
    pub unknown: Vec<Unknown>,
}

/// What is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// Anything of a kind.
    All(Kind),
    /// One of a kind.
    One(Kind, String),
}

impl Unknown {
    pub(super) fn covers(&self, kind: Kind, subject: &str) -> bool {
        match self {
            Self::All(of) => *of == kind,
            Self::One(of, named) => *of == kind && named == subject,
        }
    }
}
