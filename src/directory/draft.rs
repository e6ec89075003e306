//! What a source says now against what it said before: the delta of an import.

use std::sync::Arc;

use super::Record;
use super::builder::Ids;
use super::people::{Delta, Finder, PackedChange, People};
use super::record::pack;
use crate::smtp::Mailbox;

/// Does a source say everything that it knows, or something more?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// Everything: who is not named is gone.
    #[default]
    All,
    /// Something more: who is not named stays.
    More,
}

/// Collects what a source says now.
pub(super) struct Draft<'a> {
    people: &'a People,
    finder: Finder,
    source: Arc<str>,
    /// Which records were named.
    seen: Vec<bool>,
    ids: Ids,
    delta: Delta,
}

impl<'a> Draft<'a> {
    pub(super) fn new(people: &'a People, source: &str) -> Self {
        Self {
            people,
            finder: people.finder(),
            source: source.into(),
            seen: vec![false; people.slots.len()],
            ids: Ids::default(),
            delta: Delta::default(),
        }
    }

    /// The source names a record; without an id it is known by its address.
    pub(super) fn add(&mut self, id: Option<String>, record: Record) {
        let id = self.ids.next(id.unwrap_or_else(|| record.address.key()));
        let Some(after) = pack(&id, record) else {
            return;
        };
        let place = self.finder.find(self.people, &self.source, &id);
        if let Some(place) = place
            && let Some(seen) = self.seen.get_mut(place)
        {
            *seen = true;
        }
        let slot = place.and_then(|place| self.people.slots.get(place));
        let before = slot
            .filter(|slot| slot.is_living())
            .map(|slot| Arc::clone(&slot.packed));
        if before.as_ref() != Some(&after) {
            self.delta.changes.push(PackedChange {
                source: Arc::clone(&self.source),
                before,
                after: Some(after),
            });
        }
    }

    /// The source names a record, and what it says of it cannot be used: it stays as it was.
    pub(super) fn keep(&mut self, address: &Mailbox) {
        let id = self.ids.next(address.key());
        let place = self.finder.find(self.people, &self.source, &id);
        if let Some(seen) = place.and_then(|place| self.seen.get_mut(place)) {
            *seen = true;
        }
    }

    /// The delta, when the source has said everything.
    pub(super) fn finish(mut self, extent: Extent) -> Delta {
        if extent == Extent::All {
            for (slot, seen) in self.people.slots.iter().zip(&self.seen) {
                let ours = *self.people.source_name(slot) == *self.source;
                if ours && !seen && slot.is_living() {
                    self.delta.changes.push(PackedChange {
                        source: Arc::clone(&self.source),
                        before: Some(Arc::clone(&slot.packed)),
                        after: None,
                    });
                }
            }
        }
        self.delta
    }
}
