//! A compact map from address keys to entry numbers: one arena of bytes, eight bytes a key, a
//! table of slots. Three aliases for each of 200,000 people must not cost a heap block each.

use std::hash::{BuildHasher, RandomState};

/// Keys that can be added and found, and never removed.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    /// Per key: its length as two bytes, then its text.
    arena: Vec<u8>,
    keys: Vec<Key>,
    /// Open addressing: place in `keys` plus one, 0 for a free slot. A power of two long.
    slots: Vec<u32>,
    /// Seeded at random: addresses come from the network.
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    offset: u32,
    value: u32,
}

impl KeyTable {
    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<u32> {
        let (_, found) = self.probe(key);
        found.map(|found| found.value)
    }

    /// Adds `key`, which must not be there yet. False when the table is full (4 GiB of keys) or
    /// the key is longer than 65,535 bytes.
    pub(super) fn insert(&mut self, key: &str, value: u32) -> bool {
        if (self.keys.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let length = u16::try_from(key.len());
        let offset = u32::try_from(self.arena.len());
        let place = u32::try_from(self.keys.len() + 1);
        let (Ok(length), Ok(offset), Ok(place)) = (length, offset, place) else {
            return false;
        };
        let (slot, _) = self.probe(key);
        let Some(slot) = self.slots.get_mut(slot) else {
            return false;
        };
        *slot = place;
        self.arena.extend_from_slice(&length.to_le_bytes());
        self.arena.extend_from_slice(key.as_bytes());
        self.keys.push(Key { offset, value });
        true
    }

    /// How many keys there are.
    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Gives back what growing has reserved too much.
    pub(super) fn shrink(&mut self) {
        self.arena.shrink_to_fit();
        self.keys.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub(super) const fn memory(&self) -> usize {
        self.arena.capacity()
            + self.keys.capacity() * size_of::<Key>()
            + self.slots.capacity() * size_of::<u32>()
    }

    /// The slot in which `key` is or would be, and the key when it is there.
    fn probe(&self, key: &str) -> (usize, Option<Key>) {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return (0, None);
        };
        let mut slot = self.hash(key) & mask;
        // The table is at most half full, so a free slot always ends the search.
        while let Some(found) = self.key_in(slot) {
            if self.text(found) == Some(key.as_bytes()) {
                return (slot, Some(found));
            }
            slot = (slot + 1) & mask;
        }
        (slot, None)
    }

    fn key_in(&self, slot: usize) -> Option<Key> {
        let place = usize::try_from(*self.slots.get(slot)?).ok()?;
        self.keys.get(place.checked_sub(1)?).copied()
    }

    fn text(&self, key: Key) -> Option<&[u8]> {
        let rest = self.arena.get(usize::try_from(key.offset).ok()?..)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        rest.get(..usize::from(u16::from_le_bytes(*length)))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of a hash are as good as others"
    )]
    fn hash(&self, key: impl AsRef<[u8]>) -> usize {
        self.hasher.hash_one(key.as_ref()) as usize
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        let mut slots = vec![0_u32; size];
        for (place, key) in (1_u32..).zip(&self.keys) {
            let mut slot = self.hash(self.text(*key).unwrap_or_default()) & (size - 1);
            while slots.get(slot).is_some_and(|taken| *taken != 0) {
                slot = (slot + 1) & (size - 1);
            }
            if let Some(free) = slots.get_mut(slot) {
                *free = place;
            }
        }
        self.slots = slots;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_table_knows_nothing() {
        assert_eq!(KeyTable::default().get("ann@example.org"), None);
    }

    proptest! {
        #[test]
        fn finds_what_was_added_and_nothing_else(
            keys in proptest::collection::btree_map("[a-c]{0,4}", any::<u32>(), 0..120),
            asked in "[a-c]{0,4}",
        ) {
            let model: BTreeMap<String, u32> = keys;
            let mut table = KeyTable::default();
            for (key, value) in &model {
                prop_assert!(table.insert(key, *value));
            }
            table.shrink();
            prop_assert_eq!(table.len(), model.len());
            for (key, value) in &model {
                prop_assert_eq!(table.get(key), Some(*value));
            }
            prop_assert_eq!(table.get(&asked), model.get(&asked).copied());
        }
    }
}
