//! What two sides say differently, as people are told of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Directory;
use super::store::lookup_key;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// What two sides say differently.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Two entries claim an address.
    Address,
    /// Two entries claim an X.500 address.
    X500,
    /// One person has mailboxes on two homes.
    TwoMailboxes,
    /// A record could be two persons.
    Ambiguous,
}

/// Something that two sides say differently. It stops nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conflict {
    /// What it is.
    pub kind: ConflictKind,
    /// The address.
    pub address: String,
    /// The entry that keeps it.
    pub owner: String,
    /// Its record, as `SOURCE/ID`.
    pub owner_record: String,
    /// The entry that wanted it too.
    pub claimant: String,
    /// Its record, as `SOURCE/ID`.
    pub claimant_record: String,
    /// The homes, when they are the conflict, the one that counts first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub homes: Vec<DisputedHome>,
    /// Who settled it; `None`: it is open.
    pub settled: Option<String>,
}

/// A home of one person who has two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisputedHome {
    /// The home.
    pub home: BackendId,
    /// The source that says it.
    pub source: String,
}

/// `HOME (SOURCE)`.
impl fmt::Display for DisputedHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.home, self.source)
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            owner,
            claimant,
            claimant_record,
            ..
        } = self;
        match self.kind {
            ConflictKind::TwoMailboxes => {
                let homes: Vec<String> = self.homes.iter().map(ToString::to_string).collect();
                let homes = homes.join(" and on ");
                write!(f, "{address} has mailboxes on {homes}: the first counts")
            }
            ConflictKind::Ambiguous => write!(
                f,
                "{claimant_record} could be {owner} or {address}: it was joined with {owner}"
            ),
            ConflictKind::Address | ConflictKind::X500 => {
                write!(f, "{address} belongs to {owner}, ")?;
                if address == claimant {
                    f.write_str("a second entry of this address was left out")
                } else {
                    write!(f, "{claimant} did not get it")
                }
            }
        }
    }
}

impl Directory {
    /// How many conflicts nobody has settled.
    #[must_use]
    pub fn open_conflicts(&self) -> usize {
        let open = self.conflicts().iter();
        open.filter(|one| one.settled.is_none()).count()
    }

    /// Do two entries claim this address, and nobody has settled it? Costs the same however many
    /// others are disputed: strangers ask.
    #[must_use]
    pub fn is_disputed(&self, address: &Mailbox) -> bool {
        self.claims.disputed.contains(&lookup_key(address))
    }

    /// What is disputed about an address. Walks over all conflicts.
    pub fn conflicts_about(&self, address: &Mailbox) -> impl Iterator<Item = &Conflict> {
        let key = lookup_key(address);
        self.conflicts().iter().filter(move |one| {
            let about = one.address.parse::<Mailbox>();
            about.is_ok_and(|about| lookup_key(&about) == key)
        })
    }
}
