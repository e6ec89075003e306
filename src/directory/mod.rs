//! Who exists, and where his mailbox is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// One entry: a mailbox, a group, a contact …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

/// A domain that we take mail for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRule {
    /// Its name, lower case, ASCII.
    pub name: String,
    /// Who may say "user unknown".
    pub kind: DomainKind,
    /// Home of recipients that the directory does not name.
    pub home: BackendId,
    /// Backends that may take the mail while the home is down, in order.
    pub failover: Vec<BackendId>,
    /// What happens to recipients that the directory does not name.
    pub unknown: Unknown,
}

/// `type` of a domain, with the semantics of Exchange's accepted domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainKind {
    /// The directory is complete: who is not in it does not exist.
    Authoritative,
    /// Shared with a platform that knows more.
    InternalRelay,
    /// Nobody is local; all mail goes to the home.
    ExternalRelay,
}

/// `unknown` of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// 550 5.1.1.
    Reject,
    /// Relay to the home of the domain.
    Relay,
}

/// The people and domains at one moment; immutable, replaced as a whole.
#[derive(Debug, Default)]
pub struct Directory {
    // filled in by the room's author
}

/// What the directory knows of an address.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// An entry, found by its address or an alias (or with the `+tag` removed).
    Known {
        /// The entry.
        entry: Arc<Entry>,
        /// The rule of the domain of the address that was asked for, when it is one of ours.
        domain: Option<Arc<DomainRule>>,
    },
    /// One of our domains, but no such entry.
    Unknown(Arc<DomainRule>),
    /// Not one of our domains.
    Stranger,
}
