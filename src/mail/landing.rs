//! Proof of landing: is a message in the mailbox, and where?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a folder is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum FolderKind {
    /// Where mail arrives.
    Inbox,
    /// One of the user's.
    Other,
    /// What he filed.
    Archive,
    /// What he sent.
    Sent,
    /// What he writes.
    Drafts,
    /// A view of everything.
    All,
    /// What a filter or the user takes for junk.
    Junk,
    /// What the user deleted.
    Trash,
}

impl FolderKind {
    /// One word, as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Other => "other",
            Self::Archive => "archive",
            Self::Sent => "sent",
            Self::Drafts => "drafts",
            Self::All => "all",
            Self::Junk => "junk",
            Self::Trash => "trash",
        }
    }
}

/// What a look into a mailbox has shown of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Landing {
    /// It is there.
    Found {
        /// The folder, as the user reads its name.
        folder: String,
        /// What the folder is for.
        kind: FolderKind,
        /// What the platform's filter wrote into its header.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        verdict: String,
    },
    /// It is in no folder.
    Missing,
}

impl Landing {
    /// One word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Found { .. } => "found",
            Self::Missing => "missing",
        }
    }
}
