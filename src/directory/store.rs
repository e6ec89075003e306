//! One generation of the directory, packed: an entry is decoded when it is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::keys::KeyTable;
use super::{DomainRule, Entry, EntryKind};
use crate::mail::BackendId;
use crate::smtp::{Domain, Mailbox};

/// The people and domains at one moment; immutable, replaced as a whole.
#[derive(Debug, Default)]
pub struct Directory {
    domains: BTreeMap<String, Arc<DomainRule>>,
    /// Names of the domains in the order of the config.
    order: Vec<String>,
    keys: KeyTable,
    /// Encoded entries, one behind the other.
    records: Vec<u8>,
    /// Where the record of each entry begins.
    offsets: Vec<u32>,
    conflicts: Vec<Conflict>,
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

/// An address that two entries claim. It stays with the first one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The address.
    pub address: Mailbox,
    /// The entry that keeps it.
    pub owner: Mailbox,
    /// The entry that wanted it too.
    pub claimant: Mailbox,
    /// Where the claim stands: the line of the file, 0 when there is none.
    pub line: u64,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            owner,
            claimant,
            line,
        } = self;
        write!(f, "{address} belongs to {owner}, ")?;
        if address == claimant {
            f.write_str("a second entry of this address was left out")?;
        } else {
            write!(f, "{claimant} did not get it")?;
        }
        if *line > 0 {
            write!(f, " (line {line})")?;
        }
        Ok(())
    }
}

impl Directory {
    /// Begins a directory for `domains`.
    #[must_use]
    pub fn builder(domains: Vec<DomainRule>) -> Builder {
        let order = domains.iter().map(|rule| rule.name.clone()).collect();
        let domains = domains
            .into_iter()
            .map(|rule| (rule.name.clone(), Arc::new(rule)));
        Builder(Self {
            domains: domains.collect(),
            order,
            ..Self::default()
        })
    }

    /// What is known of `address`: the address itself first, then without its `+tag`.
    #[must_use]
    pub fn lookup(&self, address: &Mailbox) -> Lookup {
        let domain = self.domain(address.domain());
        if let Some(entry) = self.entry(address) {
            return Lookup::Known { entry, domain };
        }
        domain.map_or(Lookup::Stranger, Lookup::Unknown)
    }

    /// The rule of a domain, when it is one of ours.
    #[must_use]
    pub fn domain(&self, domain: &Domain) -> Option<Arc<DomainRule>> {
        let key = domain.key();
        let name = key.strip_suffix('.').unwrap_or(&key);
        self.domains.get(name).cloned()
    }

    /// Our domains, in the order of the config.
    pub fn domains(&self) -> impl Iterator<Item = &Arc<DomainRule>> {
        self.order.iter().filter_map(|name| self.domains.get(name))
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        (0_u32..)
            .take(self.offsets.len())
            .filter_map(|number| self.decode(number))
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.offsets.len()
    }

    /// No entries?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// How many addresses lead to an entry.
    #[must_use]
    pub const fn addresses(&self) -> usize {
        self.keys.len()
    }

    /// Addresses that two entries claim.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Bytes on the heap, domains and conflicts left aside.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.keys.memory() + self.records.capacity() + self.offsets.capacity() * size_of::<u32>()
    }

    /// The same for the same domains and entries in the same order, also in another process.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for rule in self.domains() {
            hash.update(format!("{rule:?}\0"));
        }
        hash.update(&self.records);
        hash.finalize().into()
    }

    fn entry(&self, address: &Mailbox) -> Option<Arc<Entry>> {
        let key = lookup_key(address);
        let number = self.keys.get(&key).or_else(|| {
            let plain = without_tag(&key)?;
            self.keys.get(&plain)
        })?;
        self.decode(number).map(Arc::new)
    }

    fn decode(&self, number: u32) -> Option<Entry> {
        let place = usize::try_from(number).ok()?;
        let offset = usize::try_from(*self.offsets.get(place)?).ok()?;
        let packed: Packed = postcard::from_bytes(self.records.get(offset..)?).ok()?;
        Some(packed.into())
    }
}

/// The key of an address, a trailing dot of its domain removed.
fn lookup_key(address: &Mailbox) -> String {
    let mut key = address.key();
    if key.ends_with('.') {
        key.pop();
    }
    key
}

/// `ann@example.org` of `ann+tag@example.org`, RFC 5233's detail separator as every platform has
/// it by default.
fn without_tag(key: &str) -> Option<String> {
    let (local, domain) = key.rsplit_once('@')?;
    let (user, _) = local.split_once('+')?;
    (!user.is_empty()).then(|| format!("{user}@{domain}"))
}

/// Fills a [`Directory`].
#[derive(Debug)]
pub struct Builder(Directory);

impl Builder {
    /// Adds an entry that stands at `line` of its file (0: nowhere). An address that has an owner
    /// stays with him and is listed as a conflict; an entry whose own address is taken is left out
    /// with all its aliases, since nobody can tell whose mailbox they mean.
    ///
    /// # Errors
    /// [`TooLarge`] when the directory has no room for it.
    pub fn add(&mut self, entry: &Entry, line: u64) -> Result<(), TooLarge> {
        let number = u32::try_from(self.0.offsets.len()).map_err(|_| TooLarge)?;
        let offset = u32::try_from(self.0.records.len()).map_err(|_| TooLarge)?;
        let own_key = lookup_key(&entry.address);
        if let Some(owner) = self.owner(&own_key) {
            for address in std::iter::once(&entry.address).chain(&entry.aliases) {
                let owner = self
                    .owner(&lookup_key(address))
                    .unwrap_or_else(|| owner.clone());
                self.conflict(address, owner, entry, line);
            }
            return Ok(());
        }
        let packed = postcard::to_stdvec(&Packed::from(entry)).map_err(|_| TooLarge)?;
        if !self.0.keys.insert(&own_key, number) {
            return Err(TooLarge);
        }
        self.0.records.extend_from_slice(&packed);
        self.0.offsets.push(offset);
        for alias in &entry.aliases {
            let key = lookup_key(alias);
            match self.0.keys.get(&key) {
                // The same alias twice, or the address itself among the aliases.
                Some(owner) if owner == number => {}
                Some(_) => {
                    if let Some(owner) = self.owner(&key) {
                        self.conflict(alias, owner, entry, line);
                    }
                }
                None => {
                    if !self.0.keys.insert(&key, number) {
                        return Err(TooLarge);
                    }
                }
            }
        }
        Ok(())
    }

    /// The finished directory.
    #[must_use]
    pub fn finish(mut self) -> Directory {
        self.0.keys.shrink();
        self.0.records.shrink_to_fit();
        self.0.offsets.shrink_to_fit();
        self.0
    }

    fn owner(&self, key: &str) -> Option<Mailbox> {
        let number = self.0.keys.get(key)?;
        self.0.decode(number).map(|entry| entry.address)
    }

    fn conflict(&mut self, address: &Mailbox, owner: Mailbox, entry: &Entry, line: u64) {
        self.0.conflicts.push(Conflict {
            address: address.clone(),
            owner,
            claimant: entry.address.clone(),
            line,
        });
    }
}

/// The directory is larger than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the directory is too large, expected less than 4 GiB of entries")]
pub struct TooLarge;

/// An entry as it is kept: every field always there, as a compact encoding needs it.
#[derive(Serialize, Deserialize)]
struct Packed {
    address: Mailbox,
    home: Option<BackendId>,
    delivery_address: Option<Mailbox>,
    delivery_addresses: BTreeMap<BackendId, Mailbox>,
    name: String,
    kind: EntryKind,
    aliases: Vec<Mailbox>,
    x500: Vec<String>,
    second_address: Option<Mailbox>,
    members: Vec<Mailbox>,
}

impl From<&Entry> for Packed {
    fn from(entry: &Entry) -> Self {
        let Entry {
            address,
            home,
            delivery_address,
            delivery_addresses,
            name,
            kind,
            aliases,
            x500,
            second_address,
            members,
        } = entry.clone();
        Self {
            address,
            home,
            delivery_address,
            delivery_addresses,
            name,
            kind,
            aliases,
            x500,
            second_address,
            members,
        }
    }
}

impl From<Packed> for Entry {
    fn from(packed: Packed) -> Self {
        let Packed {
            address,
            home,
            delivery_address,
            delivery_addresses,
            name,
            kind,
            aliases,
            x500,
            second_address,
            members,
        } = packed;
        Self {
            address,
            home,
            delivery_address,
            delivery_addresses,
            name,
            kind,
            aliases,
            x500,
            second_address,
            members,
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
