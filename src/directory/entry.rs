//! One line of the directory: a mailbox, a group, a contact.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// One entry: a mailbox, a group, a contact …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The public address.
    pub address: Mailbox,
    /// The backend that holds the mailbox; `None`: the home of its domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<BackendId>,
    /// The address used towards any home (`delivery_address`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_address: Option<Mailbox>,
    /// The address used towards one backend (`delivery_address.BACKEND`); beats the one above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub delivery_addresses: BTreeMap<BackendId, Mailbox>,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub kind: EntryKind,
    /// Further addresses of the same mailbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Mailbox>,
    /// X.500 addresses (legacyExchangeDN).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub x500: Vec<String>,
    /// Where notices reach the person when the mailbox is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_address: Option<Mailbox>,
    /// Members of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Mailbox>,
    /// Further addresses that only receive: old forms, before the normaliser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receive_only: Vec<Mailbox>,
    /// Not shown in address lists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// A group to which only internal senders may write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal_only: bool,
    /// When its last source said that it is gone: its route lives on for `directory.grace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<Timestamp>,
}

impl Entry {
    /// Every address at which it receives, its own first.
    pub fn addresses(&self) -> impl Iterator<Item = &Mailbox> {
        [&self.address]
            .into_iter()
            .chain(&self.aliases)
            .chain(&self.receive_only)
    }
}

/// What a directory entry is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// Has a mailbox on its home.
    #[default]
    Mailbox,
    /// A mail user without a mailbox: mail goes to its delivery address.
    User,
    /// A distribution list.
    Group,
    /// Somebody outside.
    Contact,
    /// A room or a device.
    Resource,
}

impl EntryKind {
    /// All kinds, in the order in which messages list them.
    pub const ALL: [Self; 5] = [
        Self::Mailbox,
        Self::User,
        Self::Group,
        Self::Contact,
        Self::Resource,
    ];

    /// As the column `type` writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::User => "user",
            Self::Group => "group",
            Self::Contact => "contact",
            Self::Resource => "resource",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
