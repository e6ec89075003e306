//! Who had an address as his own before: mail that came then is his, whoever has it now.

use std::collections::HashMap;

use super::people::{Former, People, key_of};
use super::store::lookup_key;
use super::{Directory, HAND};
use crate::base::Timestamp;
use crate::smtp::Mailbox;

/// Places of the slots that had an address as their own, by its key, and when.
pub(super) type PastOwners = HashMap<String, Vec<(usize, Tenure)>>;

/// A time in which a record had an own address, that it has no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenure {
    /// The address.
    pub address: Mailbox,
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// It was somebody else then than who has the record now, as far as names tell.
    pub was_another: bool,
}

impl Tenure {
    pub(super) fn of(former: &Former) -> Self {
        Self {
            address: former.address.clone(),
            since: former.since,
            until: former.until,
            was_another: former.was_another,
        }
    }
}

/// A record that had an address as its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// `SOURCE/ID`.
    pub record: String,
    /// When.
    pub tenure: Tenure,
    /// The name of its person; empty when it has been forgotten.
    pub name: String,
    /// His X.500 addresses.
    pub x500: Vec<String>,
    /// It is there, under another address or as somebody else.
    pub is_living: bool,
}

/// Records that went, and those that have another address.
pub(super) fn past_owners(people: &People) -> PastOwners {
    let mut owners = PastOwners::new();
    let mut note = |place: usize, tenure: Tenure| {
        let key = lookup_key(&tenure.address);
        owners.entry(key).or_default().push((place, tenure));
    };
    for (place, slot) in people.slots.iter().enumerate() {
        if let Some(until) = slot.departed
            && let Some((_, record)) = slot.record()
        {
            let last = people.renamed.get(&place).and_then(|all| all.last());
            let tenure = Tenure {
                address: record.address,
                since: last.map_or(slot.first, |last| last.next),
                until,
                was_another: false,
            };
            note(place, tenure);
        }
    }
    for (place, former) in &people.renamed {
        for one in former {
            note(*place, Tenure::of(one));
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
        let past = owners.filter_map(|(place, tenure)| {
            let slot = self.people.slots.get(*place)?;
            let source = self.people.source_name(slot);
            if source == HAND || !self.rules.makes_people(source) {
                return None;
            }
            let (id, record) = slot.record()?;
            Some(Past {
                record: key_of(source, &id),
                tenure: tenure.clone(),
                name: record.name,
                x500: record.x500,
                is_living: slot.is_living(),
            })
        });
        past.collect()
    }
}
