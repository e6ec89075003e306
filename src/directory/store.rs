//! One generation of the directory, packed: an entry is projected when it is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::claims::{Claims, claims, x500_line};
use super::conflict::{ConflictKind, DisputedHome};
use super::join::{Chains, join, place};
use super::normalise::{claims_key, proper};
use super::people::{People, Slot, key_of};
use super::project::{Said, explain, homes, project};
use super::record::HAND;
use super::tenure::{PastOwners, past_owners};
use super::x500::decapsulate;
use super::{Builder, Conflict, DomainRule, Entry, Provenance, Record, Rules};
use crate::mail::BackendId;
use crate::smtp::{Domain, Mailbox};

/// The people and domains at one moment; immutable, replaced as a whole.
#[derive(Debug, Default)]
pub struct Directory {
    pub(super) rules: Arc<Rules>,
    domains: BTreeMap<String, Arc<DomainRule>>,
    pub(super) people: People,
    pub(super) chains: Chains,
    pub(super) claims: Claims,
    pub(super) past: PastOwners,
    conflicts: Vec<Conflict>,
    pub(super) number: u64,
    /// It stands in for the one of the log, which nobody knows yet.
    provisional: bool,
}

/// What the directory knows of an address.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// An entry, found by its address or an alias (or with the `+tag` removed, or by X.500).
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

/// How an address leads to its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// As it stands.
    Address,
    /// Without its tag.
    Tag,
    /// It encapsulates an X.500 address of the entry.
    X500,
}

impl Directory {
    /// Begins a directory for `domains`.
    #[must_use]
    pub fn builder(domains: Vec<DomainRule>) -> Builder {
        Builder::new(Rules::of(domains))
    }

    /// The directory that `rules` make of `people`. An address that two entries claim stays with
    /// whom it had in `before`; that is told in [`Self::kept`].
    pub(super) fn build(people: People, rules: Arc<Rules>, before: Option<&Self>) -> Self {
        let (chains, ambiguous) = join(&people, &rules);
        let mut claims = claims(&people, &chains, (&rules, before));
        let domains = rules.domains.iter();
        let domains = domains.map(|rule| (rule.name.clone(), Arc::new(rule.clone())));
        let conflicts = std::mem::take(&mut claims.conflicts);
        let mut directory = Self {
            domains: domains.collect(),
            past: past_owners(&people),
            rules,
            people,
            chains,
            claims,
            conflicts,
            number: 0,
            provisional: false,
        };
        for one in ambiguous {
            directory.note_ambiguous(one.slot, one.joined, one.other);
        }
        directory.note_two_mailboxes();
        directory
    }

    fn note_ambiguous(&mut self, slot: u32, joined: u32, other: u32) {
        let name = |head| entry_of(&self.people, &self.chains, &self.rules, head);
        let (Some(owner), Some(other)) = (name(joined), name(other)) else {
            return;
        };
        let record = self.record_name(slot).unwrap_or_default();
        self.conflicts.push(Conflict {
            kind: ConflictKind::Ambiguous,
            address: other.address.to_string(),
            owner: owner.address.to_string(),
            owner_record: self.record_name(joined).unwrap_or_default(),
            claimant: record.clone(),
            claimant_record: record,
            homes: Vec::new(),
            settled: None,
        });
    }

    fn note_two_mailboxes(&mut self) {
        let mut found = Vec::new();
        for head in &self.chains.heads {
            if self.chains.records(*head).nth(1).is_none() {
                continue;
            }
            let said = said_of(&self.people, &self.chains, &self.rules, *head);
            let hand = said
                .iter()
                .any(|one| one.source == HAND && one.record.home.is_some());
            let mut homes = homes(&said);
            let Some(entry) = self.entry_at(*head).filter(|_| homes.len() > 1) else {
                continue;
            };
            homes.sort_by_key(|(home, _)| entry.home.as_ref() != Some(home));
            let ruling = self.ruling_of(&said);
            let settled = ruling.filter(|ruling| ruling.home.is_some());
            let settled = settled.map(|ruling| ruling.by.clone());
            let record = self.record_name(*head).unwrap_or_default();
            found.push(Conflict {
                kind: ConflictKind::TwoMailboxes,
                address: entry.address.to_string(),
                owner: entry.address.to_string(),
                owner_record: record.clone(),
                claimant: entry.address.to_string(),
                claimant_record: record,
                homes: homes
                    .into_iter()
                    .map(|(home, source)| DisputedHome { home, source })
                    .collect(),
                settled: settled.or_else(|| hand.then(|| HAND.to_owned())),
            });
        }
        self.conflicts.extend(found);
    }

    /// The number of the generation; 0: it comes from no generation.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// The same generation as `other`, made by other rules or of fewer who departed.
    pub(super) fn in_place_of(self, other: &Self) -> Self {
        Self {
            number: other.number,
            provisional: other.provisional,
            ..self
        }
    }

    /// Does it stand in for the directory of the log, which nobody knows yet?
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// The same, standing in for a directory that nobody knows yet: whom it does not name may
    /// exist all the same.
    #[must_use]
    pub fn provisional(self) -> Self {
        Self {
            provisional: true,
            ..self
        }
    }

    /// Does nobody of this domain exist whom the directory does not name? That cannot be said
    /// while the directory is provisional, or of a domain in which nobody lives at all.
    #[must_use]
    pub fn knows_all_of(&self, rule: &DomainRule) -> bool {
        !self.provisional && self.claims.inhabited.contains(&rule.name)
    }

    /// What is known of `address`: the address itself first, then without its tag.
    #[must_use]
    pub fn lookup(&self, address: &Mailbox) -> Lookup {
        let domain = self.domain(address.domain());
        if let Some((entry, _)) = self.find(address) {
            let entry = Arc::new(entry);
            return Lookup::Known { entry, domain };
        }
        domain.map_or(Lookup::Stranger, Lookup::Unknown)
    }

    /// The entry to which `address` leads, and how.
    #[must_use]
    pub fn find(&self, address: &Mailbox) -> Option<(Entry, FoundBy)> {
        let key = lookup_key(address);
        let (local, domain) = key.rsplit_once('@')?;
        let exact = |entry: &Entry, local: &str| {
            !self.rules.exact_case.contains(domain)
                || entry.addresses().any(|one| one.unquoted_local() == local)
        };
        let written = address.unquoted_local();
        if let Some(entry) = self.owner_entry(&key) {
            return exact(&entry, &written).then_some((entry, FoundBy::Address));
        }
        // RFC 5233's detail separator, as every platform has it by default.
        if let Some(separator) = self.rules.tag_separator
            && let Some((user, _)) = local.split_once(separator)
            && !user.is_empty()
            && let Some(entry) = self.owner_entry(&format!("{user}@{domain}"))
        {
            let written = written.split(separator).next().unwrap_or_default();
            return exact(&entry, written).then_some((entry, FoundBy::Tag));
        }
        let x500 = decapsulate(address)?;
        self.find_x500(&x500).map(|entry| (entry, FoundBy::X500))
    }

    /// The entry that has this X.500 address.
    #[must_use]
    pub fn find_x500(&self, x500: &str) -> Option<Entry> {
        self.owner_entry(&x500_line(x500))
    }

    /// The rule of a domain, when it is one of ours.
    #[must_use]
    pub fn domain(&self, domain: &Domain) -> Option<Arc<DomainRule>> {
        let key = domain.key();
        let name = key.strip_suffix('.').unwrap_or(&key);
        self.domains.get(name).cloned()
    }

    /// The home of an entry: its own, or that of its domain.
    #[must_use]
    pub fn home_of(&self, entry: &Entry) -> Option<BackendId> {
        let rule = || self.domain(entry.address.domain());
        entry.home.clone().or_else(|| Some(rule()?.home.clone()))
    }

    /// Our domains, in the order of the config.
    pub fn domains(&self) -> impl Iterator<Item = &Arc<DomainRule>> {
        let names = self.rules.domains.iter();
        names.filter_map(|rule| self.domains.get(&rule.name))
    }

    /// All entries, in the order of their sources.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.heads().filter_map(|head| self.entry_at(head))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads().count()
    }

    /// How many of them are there: the others departed and only receive.
    pub(super) fn living(&self) -> u64 {
        let slot = |head: &u32| self.people.slots.get(place(*head));
        let living = self
            .heads()
            .filter(|head| slot(head).is_some_and(Slot::is_living));
        living.count() as u64
    }

    /// No entries?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads().next().is_none()
    }

    /// How many addresses lead to an entry, X.500 addresses included.
    #[must_use]
    pub const fn addresses(&self) -> usize {
        self.claims.table.len()
    }

    /// What the sources say differently, settled or not.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Where each fact of an entry comes from: found by any of its addresses.
    #[must_use]
    pub fn provenance(&self, address: &Mailbox) -> Option<(Entry, Provenance)> {
        let head = self.owner_head(&lookup_key(address))?;
        let said = said_of(&self.people, &self.chains, &self.rules, head);
        let ruling = self.ruling_of(&said);
        let (entry, from) = explain(&said, ruling, &self.rules)?;
        Some((
            proper(entry, self.claims.lost.get(&head), &self.rules),
            from,
        ))
    }

    /// Bytes on the heap, domains and conflicts left aside.
    #[must_use]
    pub fn memory(&self) -> usize {
        // Each record is a block of its own, with two counters and what the allocator rounds up.
        let records = self.people.slots.iter();
        let records: usize = records.map(|slot| slot.packed.len() + 32).sum();
        self.claims.table.memory()
            + self.chains.memory()
            + self.people.slots.capacity() * size_of::<Slot>()
            + records
    }

    /// The same for the same domains, rules and records in the same order, also in another process.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}\0{:?}\0", self.rules, self.people.rulings));
        for slot in self.people.slots.iter().filter(|slot| !slot.forgotten) {
            let source = self.people.source_name(slot);
            hash.update(format!("{source}\0{:?}\0", slot.departed));
            hash.update(&slot.packed);
        }
        hash.finalize().into()
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = u32> {
        let heads = self.chains.heads.iter().copied();
        heads.filter(|head| !self.claims.left_out.contains_key(head))
    }

    /// An entry with the addresses that are its own.
    pub(super) fn entry_at(&self, head: u32) -> Option<Entry> {
        let entry = entry_of(&self.people, &self.chains, &self.rules, head)?;
        Some(self.owning(head, entry))
    }

    /// Without the addresses that belong to others, and with those of entries of the same address
    /// that were left out: who was known by them still is.
    fn owning(&self, head: u32, entry: Entry) -> Entry {
        let lost = self.claims.lost.get(&head);
        let mut entry = proper(entry, lost, &self.rules);
        if let Some(lost) = lost {
            let has = |address: &Mailbox| !lost.contains(&lookup_key(address));
            entry.aliases.retain(has);
            entry.receive_only.retain(has);
            entry.x500.retain(|one| !lost.contains(&x500_line(one)));
        }
        let living = |other: &&u32| {
            let slot = self.people.slots.get(place(**other));
            slot.is_some_and(Slot::is_living)
        };
        let left_out = self.claims.heirs.get(&head).into_iter().flatten();
        // Those of who departed lead here while their grace lasts, and are not kept longer.
        for other in left_out.filter(living) {
            let Some(left) = entry_of(&self.people, &self.chains, &self.rules, *other) else {
                continue;
            };
            let inherited = |key: &str| self.claimant(key).is_some_and(|(it, _)| it == *other);
            let addresses = left.addresses().filter(|one| inherited(&lookup_key(one)));
            entry.receive_only.extend(addresses.cloned());
            let x500 = left.x500.iter().filter(|one| inherited(&x500_line(one)));
            entry.x500.extend(x500.cloned());
        }
        entry
    }

    pub(super) fn owner_head(&self, key: &str) -> Option<u32> {
        self.owner(key).map(|(head, _)| head)
    }

    fn owner_entry(&self, key: &str) -> Option<Entry> {
        let (head, entry) = self.owner(key)?;
        Some(self.owning(head, entry))
    }

    pub(super) fn owner(&self, key: &str) -> Option<(u32, Entry)> {
        let (head, entry) = self.claimant(key)?;
        let Some(heir) = self.claims.left_out.get(&head) else {
            return Some((head, entry));
        };
        let heir = (*heir)?;
        let entry = entry_of(&self.people, &self.chains, &self.rules, heir)?;
        Some((heir, entry))
    }

    /// The entry that claimed a key first, left out or not.
    fn claimant(&self, key: &str) -> Option<(u32, Entry)> {
        let mut found = None;
        self.claims.table.find(key, |head| {
            let entry = entry_of(&self.people, &self.chains, &self.rules, head);
            found = entry
                .filter(|entry| claims_key(entry, key, &self.rules))
                .map(|entry| (head, entry));
            found.is_some()
        })?;
        found
    }

    /// The record that has a key, as `SOURCE/ID`.
    pub(super) fn owner_record(&self, key: &str) -> Option<String> {
        self.record_name(self.owner_head(key)?)
    }

    fn record_name(&self, slot: u32) -> Option<String> {
        let slot = self.people.slots.get(place(slot))?;
        let (id, _) = slot.record()?;
        Some(key_of(self.people.source_name(slot), &id))
    }

    fn ruling_of(&self, said: &[Said]) -> Option<&super::Ruling> {
        let key = lookup_key(&leading(said)?.record.address);
        self.people.rulings.get(&key)
    }

    /// The key under which the home of somebody is settled.
    pub(super) fn ruling_key(&self, address: &Mailbox) -> Option<String> {
        let head = self.owner_head(&lookup_key(address))?;
        let said = said_of(&self.people, &self.chains, &self.rules, head);
        Some(lookup_key(&leading(&said)?.record.address))
    }

    /// What is said by hand of whom an address belongs to: the id, the record, and as it is kept.
    pub(super) fn by_hand(&self, address: &Mailbox) -> Option<(String, Record, Arc<[u8]>)> {
        let head = self.owner_head(&lookup_key(address))?;
        let slots = self.chains.records(head);
        let mut slots = slots.filter_map(|number| self.people.slots.get(place(number)));
        let slot = slots.find(|slot| slot.is_living() && self.people.source_name(slot) == HAND)?;
        let (id, record) = slot.record()?;
        Some((id, record, Arc::clone(&slot.packed)))
    }

    /// Keys whose owner stays though another record comes first, and the owner's record.
    pub(super) fn kept(&self) -> &[(String, String)] {
        &self.claims.kept
    }
}

/// What the sources say of one person, the most important first.
fn said_of(people: &People, chains: &Chains, rules: &Rules, head: u32) -> Vec<Said> {
    let said = chains.records(head).filter_map(|number| {
        let slot = people.slots.get(place(number))?;
        let (_, record) = slot.record()?;
        Some(Said {
            source: people.source_name(slot).to_owned(),
            record,
            departed: slot.departed,
        })
    });
    let mut said: Vec<Said> = said.collect();
    if said.len() > 1 {
        said.sort_by_key(|one| rules.rank(&one.source));
    }
    said
}

/// The record that says who it is: what is said by hand only names somebody.
pub(super) fn leading(said: &[Said]) -> Option<&Said> {
    let known = said.iter().find(|one| one.source != HAND);
    known.or_else(|| said.first())
}

/// The entry of a person, with all that it claims.
pub(super) fn entry_of(
    people: &People,
    chains: &Chains,
    rules: &Rules,
    head: u32,
) -> Option<Entry> {
    let said = said_of(people, chains, rules, head);
    // Somebody whom only sources know that make no entries.
    if !said.iter().any(|one| rules.makes_people(&one.source)) {
        return None;
    }
    let ruling = match leading(&said) {
        Some(first) if !people.rulings.is_empty() => {
            people.rulings.get(&lookup_key(&first.record.address))
        }
        _ => None,
    };
    project(said, ruling, rules)
}

/// The key of an address, a trailing dot of its domain removed.
pub(super) fn lookup_key(address: &Mailbox) -> String {
    let mut key = address.key();
    if key.ends_with('.') {
        key.pop();
    }
    key
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
