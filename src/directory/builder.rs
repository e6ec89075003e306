//! Fills a directory with the records of one source.

use std::sync::Arc;

use super::people::{People, Slot};
use super::record::{FILE, pack};
use super::{Directory, Record, Rules};
use crate::base::Timestamp;

/// Fills a [`Directory`] with the records of one source.
#[derive(Debug)]
pub struct Builder {
    rules: Rules,
    people: People,
    ids: Ids,
}

impl Builder {
    /// A directory by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            people: People::default(),
            ids: Ids::default(),
        }
    }

    /// Adds a record.
    pub fn add(&mut self, record: Record) {
        let id = self.ids.next(record.address.key());
        if let Some(packed) = pack(&id, record) {
            let source = self.people.source(FILE);
            self.people.slots.push(Slot {
                source,
                departed: None,
                forgotten: false,
                first: Timestamp::EPOCH,
                since: Timestamp::EPOCH,
                packed,
            });
        }
    }

    /// The finished directory.
    #[must_use]
    pub fn finish(mut self) -> Directory {
        self.people.slots.shrink_to_fit();
        Directory::build(self.people, Arc::new(self.rules), None)
    }
}

/// Ids of the records of a source that has none of its own: the key of the address, with a number
/// when it is there twice.
#[derive(Debug, Default)]
pub(super) struct Ids(std::collections::HashMap<u64, u32>, std::hash::RandomState);

impl Ids {
    pub(super) fn next(&mut self, key: String) -> String {
        use std::hash::BuildHasher as _;
        // A digest of 64 bits: two addresses that share one cost an odd id, nothing else.
        let times = self.0.entry(self.1.hash_one(&key)).or_default();
        *times += 1;
        if *times > 1 {
            format!("{key}#{times}")
        } else {
            key
        }
    }
}
