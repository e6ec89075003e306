//! Why mail waits that a platform could take: its sender has sent as much as it may.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BackendId;

/// Which limit a sender has reached.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SenderBound {
    /// Messages of a minute.
    Minute,
    /// Recipients of a day.
    Day,
}

impl SenderBound {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Day => "day",
        }
    }
}

/// A sender of ours has sent as much through a backend as it may for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderPace {
    /// The account, the device, or the address.
    pub sender: String,
    /// Through which backend.
    pub backend: BackendId,
    /// Which limit.
    pub bound: SenderBound,
}

impl fmt::Display for SenderPace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sender, backend, ..
        } = self;
        match self.bound {
            SenderBound::Minute => write!(
                out,
                "{sender} sends as many messages a minute through {backend} as it may \
                 (sender_messages_per_minute)"
            ),
            SenderBound::Day => write!(
                out,
                "{sender} has had as many recipients within a day through {backend} as it may \
                 (sender_recipients_per_day)"
            ),
        }
    }
}

/// Why it waits: its sender has sent as much as he may, or its mailbox gets no more for now.
#[must_use]
pub fn paced_by(sender: Option<&SenderPace>) -> String {
    let mailbox = || "its mailbox gets no more for now".to_owned();
    sender.map_or_else(mailbox, ToString::to_string)
}
