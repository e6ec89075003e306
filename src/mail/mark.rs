//! What a user did with a message in the webmail: a fact of the log, by mailbox and message.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// The room of these facts; their keys are `MAILBOX/ID`.
pub const MARKS: &str = "mark";

/// Where a user put a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkPlace {
    /// Out of the inbox, kept.
    Archive,
    /// In the bin.
    Deleted,
    /// Out of sight.
    Gone,
}

/// What a user did with one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Read since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Timestamp>,
    /// Flagged since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flagged: Option<Timestamp>,
    /// Where it was put; `None`: where it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<MarkPlace>,
    /// The last change.
    #[serde(default)]
    pub changed: Timestamp,
}
