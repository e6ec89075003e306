//! Who had an address as his own before: mail that came then is his, whoever has it now.

use std::collections::HashMap;

use super::join::place;
use super::people::{People, key_of};
use super::store::lookup_key;
use super::{Directory, HAND};
use crate::base::Timestamp;
use crate::smtp::Mailbox;

/// Places of the slots that had an address as their own, by its key, and until when; and whether
/// that was somebody else.
pub(super) type PastOwners = HashMap<String, Vec<(usize, Timestamp, bool)>>;

/// A record that had an address as its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// `SOURCE/ID`.
    pub record: String,
    /// Until when.
    pub until: Timestamp,
    /// The name of its person; empty when it has been forgotten.
    pub name: String,
    /// His X.500 addresses.
    pub x500: Vec<String>,
    /// It is there, under another address or as somebody else.
    pub is_living: bool,
    /// It was somebody else then than who has the record now, as far as names tell.
    pub was_another: bool,
}

/// Records that went, and those that have another address.
pub(super) fn past_owners(people: &People) -> PastOwners {
    let mut owners = PastOwners::new();
    for (place, slot) in people.slots.iter().enumerate() {
        if let Some(until) = slot.departed
            && let Some((_, record)) = slot.record()
        {
            let key = lookup_key(&record.address);
            owners.entry(key).or_default().push((place, until, false));
        }
    }
    for (place, former) in &people.renamed {
        for one in former {
            let key = lookup_key(&one.address);
            owners
                .entry(key)
                .or_default()
                .push((*place, one.until, one.was_another));
        }
    }
    owners
}

impl Directory {
    /// The records that had the address of this key as their own, and have it no more; as long as
    /// the log goes back.
    #[must_use]
    pub fn past(&self, key: &str) -> Vec<Past> {
        let owners = self.past.get(key).into_iter().flatten();
        let past = owners.filter_map(|(place, until, was_another)| {
            let slot = self.people.slots.get(*place)?;
            let source = self.people.source_name(slot);
            if source == HAND || !self.rules.makes_people(source) {
                return None;
            }
            let (id, record) = slot.record()?;
            Some(Past {
                record: key_of(source, &id),
                until: *until,
                name: record.name,
                x500: record.x500,
                is_living: slot.is_living(),
                was_another: *was_another,
            })
        });
        past.collect()
    }

    /// Own addresses that the records of who has this one had before.
    #[must_use]
    pub fn former(&self, address: &Mailbox) -> Vec<Mailbox> {
        let Some(head) = self.owner_head(&lookup_key(address)) else {
            return Vec::new();
        };
        let places = self.chains.records(head).map(place);
        let former = places.filter_map(|place| self.people.renamed.get(&place));
        let his = former.flatten().filter(|one| !one.was_another);
        his.map(|one| one.address.clone()).collect()
    }
}
