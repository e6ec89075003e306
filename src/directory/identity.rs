//! Which records a person has, and since when: what tells whether he is still the same one,
//! whatever his address is.

use std::collections::{HashMap, HashSet};

use super::join::place;
use super::people::{is_lasting, key_of};
use super::store::lookup_key;
use super::tenure::Tenure;
use super::{Directory, Entry, HAND};
use crate::base::Timestamp;
use crate::smtp::Mailbox;

/// A record of a source, through time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// `SOURCE/ID`.
    pub name: String,
    /// Its own address; of one that is gone the last one.
    pub address: Mailbox,
    /// When its source named it for the first time.
    pub first: Timestamp,
    /// When its source named it again after it was gone; else the same.
    pub since: Timestamp,
    /// Since when it has its own address, as the same person.
    pub named_so: Timestamp,
    /// Own addresses that it had before, as the same person.
    pub former: Vec<Tenure>,
    /// When its source said that it is gone; `None`: it is there.
    pub departed: Option<Timestamp>,
}

impl Trace {
    /// The source in the name of a record.
    #[must_use]
    pub fn source_of(name: &str) -> &str {
        name.split_once('/').map_or(name, |(source, _)| source)
    }

    /// Does the id in the name of a record stay when the person is renamed? Of a source without
    /// ids it is the address, and a distinguished name changes with its person's.
    #[must_use]
    pub fn is_lasting(name: &str) -> bool {
        is_lasting(name.split_once('/').map_or("", |(_, id)| id))
    }
}

/// An entry that has an address, with the records that it is made of: those of sources that know
/// people themselves, and not by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The entry.
    pub entry: Entry,
    /// Its records; the one that says who it is comes first.
    pub records: Vec<Trace>,
}

/// Of which records a [`Roll`] is to tell.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Names of records.
    pub names: HashSet<String>,
    /// Keys of addresses that are, or were, the own ones of records.
    pub addresses: HashSet<String>,
}

/// Records that were asked for, also those that are gone and forgotten.
#[derive(Debug, Clone, Default)]
pub struct Roll {
    found: Vec<(Trace, Option<u32>)>,
    names: HashMap<String, usize>,
}

impl Roll {
    /// The record of a name.
    #[must_use]
    pub fn trace(&self, name: &str) -> Option<&Trace> {
        let place = self.names.get(name)?;
        self.found.get(*place).map(|(trace, _)| trace)
    }

    /// The entry that a record is part of, when it has an entry and that has its own address.
    #[must_use]
    pub fn holder_of(&self, directory: &Directory, name: &str) -> Option<Holder> {
        let place = self.names.get(name)?;
        let (_, head) = self.found.get(*place)?;
        directory.holder_at((*head)?)
    }

    /// Records whose own address this is, or was when they went.
    pub fn own<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Trace> {
        let all = self.found.iter().map(|(trace, _)| trace);
        all.filter(move |trace| lookup_key(&trace.address) == key)
    }
}

impl Directory {
    /// The entry to which exactly this address belongs, without tags and X.500 addresses.
    #[must_use]
    pub fn holder(&self, address: &Mailbox) -> Option<Holder> {
        self.holder_at(self.owner_head(&lookup_key(address))?)
    }

    fn holder_at(&self, head: u32) -> Option<Holder> {
        if self.claims.left_out.contains_key(&head) {
            return None;
        }
        let slots = self.chains.records(head);
        Some(Holder {
            entry: self.entry_at(head)?,
            records: slots.filter_map(|slot| self.trace(place(slot))).collect(),
        })
    }

    /// Looks through all records, once.
    #[must_use]
    pub fn roll(&self, wanted: &Wanted) -> Roll {
        let mut roll = Roll::default();
        if wanted.names.is_empty() && wanted.addresses.is_empty() {
            return roll;
        }
        let heads = self.chains.head_of();
        for number in 0..self.people.slots.len() {
            let Some(trace) = self.trace(number) else {
                continue;
            };
            let is_wanted = wanted.names.contains(&trace.name)
                || wanted.addresses.contains(&lookup_key(&trace.address));
            if is_wanted {
                let head = heads.get(&number).copied();
                roll.names.insert(trace.name.clone(), roll.found.len());
                roll.found.push((trace, head));
            }
        }
        roll
    }

    fn trace(&self, place: usize) -> Option<Trace> {
        let slot = self.people.slots.get(place)?;
        let source = self.people.source_name(slot);
        if source == HAND || !self.rules.makes_people(source) {
            return None;
        }
        let (id, record) = slot.record()?;
        let renamed = self.people.renamed.get(&place);
        let renamed = renamed.map_or(&[][..], Vec::as_slice);
        let another = renamed.iter().rposition(|one| one.was_another);
        let same = renamed.get(another.map_or(0, |place| place + 1)..);
        Some(Trace {
            name: key_of(source, &id),
            address: record.address,
            first: slot.first,
            since: slot.since,
            named_so: renamed.last().map_or(slot.first, |last| last.next),
            former: same.into_iter().flatten().map(Tenure::of).collect(),
            departed: slot.departed,
        })
    }
}

#[cfg(test)]
impl super::generation_tests::House {
    /// A source says all that it knows: ids, own addresses, aliases (`a@x b@x`) and names.
    pub(crate) async fn says(&self, source: &str, all: &[(&str, &str, &str, &str)]) {
        use super::generation_tests::{FORCE, note};
        self.forward(std::time::Duration::from_secs(1));
        let records = all.iter().map(|(id, address, aliases, name)| {
            let record = super::Record {
                name: (*name).to_owned(),
                aliases: aliases
                    .split_whitespace()
                    .map(|one| one.parse().unwrap())
                    .collect(),
                ..super::Record::new(address.parse().unwrap())
            };
            ((*id).to_owned(), record)
        });
        let all = (source.to_owned(), super::Extent::All);
        let note = note(super::Cause::Sync);
        let fed = self
            .generations
            .feed(all, records.collect(), (note, FORCE))
            .await;
        fed.unwrap();
    }
}
