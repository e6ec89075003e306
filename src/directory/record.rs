//! What one source says of one recipient.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EntryKind;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// The source of what was said by hand, by `directory set` and by waves: it beats all others.
pub const HAND: &str = "hand";
/// The source of `directory.file` and of `directory import`.
pub const FILE: &str = "file";

/// What one source says of one recipient; what it does not say is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The public address.
    pub address: Mailbox,
    /// The backend that holds the mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<BackendId>,
    /// The address used towards any home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_address: Option<Mailbox>,
    /// The address used towards one backend; beats the one above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub delivery_addresses: BTreeMap<BackendId, Mailbox>,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<EntryKind>,
    /// Further addresses of the same mailbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Mailbox>,
    /// Addresses that only receive: old forms, before the normaliser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receive_only: Vec<Mailbox>,
    /// X.500 addresses (legacyExchangeDN).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub x500: Vec<String>,
    /// Where notices reach the person when the mailbox is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_address: Option<Mailbox>,
    /// Members of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Mailbox>,
    /// Not shown in address lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// A group to which only internal senders may write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_only: Option<bool>,
}

impl Record {
    /// Nothing but an address.
    #[must_use]
    pub const fn new(address: Mailbox) -> Self {
        Self {
            address,
            home: None,
            delivery_address: None,
            delivery_addresses: BTreeMap::new(),
            name: String::new(),
            kind: None,
            aliases: Vec::new(),
            receive_only: Vec::new(),
            x500: Vec::new(),
            second_address: None,
            members: Vec::new(),
            hidden: None,
            internal_only: None,
        }
    }

    /// Does its source say that there is a mailbox?
    #[must_use]
    pub const fn has_mailbox(&self) -> bool {
        matches!(
            self.kind,
            None | Some(EntryKind::Mailbox | EntryKind::Resource)
        )
    }

    /// What this one says, and where it says nothing, what `earlier` said.
    #[must_use]
    pub(super) fn over(self, earlier: Self) -> Self {
        fn one<T>(now: Vec<T>, before: Vec<T>) -> Vec<T> {
            if now.is_empty() { before } else { now }
        }
        let mut delivery_addresses = earlier.delivery_addresses;
        delivery_addresses.extend(self.delivery_addresses);
        Self {
            address: self.address,
            home: self.home.or(earlier.home),
            delivery_address: self.delivery_address.or(earlier.delivery_address),
            delivery_addresses,
            name: if self.name.is_empty() {
                earlier.name
            } else {
                self.name
            },
            kind: self.kind.or(earlier.kind),
            aliases: one(self.aliases, earlier.aliases),
            receive_only: one(self.receive_only, earlier.receive_only),
            x500: one(self.x500, earlier.x500),
            second_address: self.second_address.or(earlier.second_address),
            members: one(self.members, earlier.members),
            hidden: self.hidden.or(earlier.hidden),
            internal_only: self.internal_only.or(earlier.internal_only),
        }
    }

    /// Every address at which it receives, its own first.
    pub fn addresses(&self) -> impl Iterator<Item = &Mailbox> {
        [&self.address]
            .into_iter()
            .chain(&self.aliases)
            .chain(&self.receive_only)
    }
}

/// A record as it is kept, with its id within its source: every field always there, as a compact
/// encoding needs it.
#[derive(Serialize, Deserialize)]
struct Packed {
    /// Empty: the key of the address.
    id: String,
    address: Mailbox,
    home: Option<BackendId>,
    delivery_address: Option<Mailbox>,
    delivery_addresses: BTreeMap<BackendId, Mailbox>,
    name: String,
    kind: Option<EntryKind>,
    aliases: Vec<Mailbox>,
    receive_only: Vec<Mailbox>,
    x500: Vec<String>,
    second_address: Option<Mailbox>,
    members: Vec<Mailbox>,
    hidden: Option<bool>,
    internal_only: Option<bool>,
}

/// Packs a record. `None` never happens: memory takes everything.
pub(super) fn pack(id: &str, record: Record) -> Option<Arc<[u8]>> {
    let id = if id == record.address.key() { "" } else { id };
    let Record {
        address,
        home,
        delivery_address,
        delivery_addresses,
        name,
        kind,
        aliases,
        receive_only,
        x500,
        second_address,
        members,
        hidden,
        internal_only,
    } = record;
    let packed = Packed {
        id: id.to_owned(),
        address,
        home,
        delivery_address,
        delivery_addresses,
        name,
        kind,
        aliases,
        receive_only,
        x500,
        second_address,
        members,
        hidden,
        internal_only,
    };
    postcard::to_stdvec(&packed).ok().map(Arc::from)
}

/// The id and the record of what was packed.
pub(super) fn unpack(packed: &[u8]) -> Option<(String, Record)> {
    let Packed {
        id,
        address,
        home,
        delivery_address,
        delivery_addresses,
        name,
        kind,
        aliases,
        receive_only,
        x500,
        second_address,
        members,
        hidden,
        internal_only,
    } = postcard::from_bytes(packed).ok()?;
    let id = if id.is_empty() { address.key() } else { id };
    let record = Record {
        address,
        home,
        delivery_address,
        delivery_addresses,
        name,
        kind,
        aliases,
        receive_only,
        x500,
        second_address,
        members,
        hidden,
        internal_only,
    };
    Some((id, record))
}
