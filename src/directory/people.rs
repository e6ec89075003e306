//! What all sources say, and what administrators settled: the content of a generation. It changes
//! by deltas only, and a delta can be turned round.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Record;
use super::names::is_named_otherwise;
use super::record::{pack, unpack};
use super::table::Table;
use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// A record of one source.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Place in [`People::sources`].
    pub(super) source: u16,
    /// When the source said that it is gone; `None`: it is there.
    pub(super) departed: Option<Timestamp>,
    /// Its time of grace is over. The slot keeps its place: who comes back comes back there, so
    /// that the order does not depend on when somebody looked.
    pub(super) forgotten: bool,
    /// When the source named it for the first time.
    pub(super) first: Timestamp,
    /// When the source named it again after it was gone; else the same.
    pub(super) since: Timestamp,
    pub(super) packed: Arc<[u8]>,
}

impl Slot {
    pub(super) fn record(&self) -> Option<(String, Record)> {
        unpack(&self.packed)
    }

    pub(super) const fn is_living(&self) -> bool {
        self.departed.is_none()
    }
}

/// What an administrator decided about a conflict, once and for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ruling {
    /// `SOURCE/ID` of the record that has the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The home of the person whose address it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<BackendId>,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Nobody decided: the address stays with whom it had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// One change of a generation: what a source said before, and says now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The source.
    pub source: String,
    /// The record's id within it.
    pub id: String,
    /// Before; `None`: nothing.
    pub before: Option<Record>,
    /// Now; `None`: it is gone.
    pub after: Option<Record>,
}

/// A ruling that came, changed or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulingChange {
    /// The key of the address that it is about.
    pub ruling: String,
    /// Before.
    pub before: Option<Ruling>,
    /// Now.
    pub after: Option<Ruling>,
}

/// A change, packed.
#[derive(Debug, Clone)]
pub(super) struct PackedChange {
    pub(super) source: Arc<str>,
    pub(super) before: Option<Arc<[u8]>>,
    pub(super) after: Option<Arc<[u8]>>,
}

impl PackedChange {
    pub(super) fn new(change: Change) -> Option<Self> {
        let Change {
            source,
            id,
            before,
            after,
        } = change;
        let packed = |record: Option<Record>| match record {
            Some(record) => pack(&id, record).map(Some),
            None => Some(None),
        };
        Some(Self {
            source: source.as_str().into(),
            before: packed(before)?,
            after: packed(after)?,
        })
    }

    pub(super) fn unpacked(&self) -> Option<Change> {
        let before = self.before.as_deref().and_then(unpack);
        let after = self.after.as_deref().and_then(unpack);
        let id = before.as_ref().or(after.as_ref())?.0.clone();
        Some(Change {
            source: self.source.as_ref().to_owned(),
            id,
            before: before.map(|(_, record)| record),
            after: after.map(|(_, record)| record),
        })
    }

    pub(super) fn id(&self) -> Option<String> {
        let packed = self.before.as_deref().or(self.after.as_deref())?;
        unpack(packed).map(|(id, _)| id)
    }
}

/// The difference between two generations.
#[derive(Debug, Clone, Default)]
pub(super) struct Delta {
    pub(super) changes: Vec<PackedChange>,
    pub(super) rulings: Vec<RulingChange>,
}

impl Delta {
    pub(super) const fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.rulings.is_empty()
    }

    /// The way back.
    pub(super) fn reversed(mut self) -> Self {
        self.changes.reverse();
        self.rulings.reverse();
        for change in &mut self.changes {
            std::mem::swap(&mut change.before, &mut change.after);
        }
        for change in &mut self.rulings {
            std::mem::swap(&mut change.before, &mut change.after);
        }
        self
    }

    /// Goes on with `next`, and leaves out what comes back to where it was.
    pub(super) fn then(self, next: Self) -> Self {
        let mut rulings: BTreeMap<String, RulingChange> = BTreeMap::new();
        for change in self.rulings.into_iter().chain(next.rulings) {
            match rulings.get_mut(&change.ruling) {
                Some(earlier) => earlier.after = change.after,
                None => {
                    rulings.insert(change.ruling.clone(), change);
                }
            }
        }
        let mut changes: Vec<PackedChange> = self.changes;
        let mut places = Places::default();
        for place in 0..changes.len() {
            places.note(&changes, place);
        }
        for change in next.changes {
            let Some(id) = change.id() else { continue };
            if let Some(earlier) = places.find(&changes, &change.source, &id)
                && let Some(earlier) = changes.get_mut(earlier)
            {
                earlier.after = change.after;
            } else {
                changes.push(change);
                let last = changes.len() - 1;
                places.note(&changes, last);
            }
        }
        changes.retain(|change| change.before != change.after);
        let rulings = rulings.into_values();
        Self {
            changes,
            rulings: rulings.filter(|one| one.before != one.after).collect(),
        }
    }
}

/// Where the change of a record stands.
#[derive(Default)]
struct Places(Table);

impl Places {
    fn note(&mut self, changes: &[PackedChange], place: usize) {
        let Some(change) = changes.get(place) else {
            return;
        };
        let (Some(id), Ok(number)) = (change.id(), u32::try_from(place)) else {
            return;
        };
        let key = key_of(&change.source, &id);
        self.0.set(&key, number, |other| {
            is(changes, other, &change.source, &id)
        });
    }

    fn find(&self, changes: &[PackedChange], source: &str, id: &str) -> Option<usize> {
        let found = self
            .0
            .find(&key_of(source, id), |other| is(changes, other, source, id));
        usize::try_from(found?).ok()
    }
}

fn is(changes: &[PackedChange], number: u32, source: &str, id: &str) -> bool {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    changes.get(place).is_some_and(|change| {
        *change.source == *source && change.id().is_some_and(|other| other == id)
    })
}

pub(super) fn key_of(source: &str, id: &str) -> String {
    format!("{source}/{id}")
}

/// The records of all sources, in the order in which they came, and the rulings. Cheap to clone:
/// records are shared.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    pub(super) sources: Vec<Arc<str>>,
    pub(super) slots: Vec<Slot>,
    /// What records were before, by the place of their slot; few ever were anything else.
    pub(super) renamed: BTreeMap<usize, Vec<Former>>,
    pub(super) rulings: BTreeMap<String, Ruling>,
}

/// Does an id stay when its person is renamed? Of a source without ids it is the address, and a
/// distinguished name changes with its person's.
pub(super) fn is_lasting(id: &str) -> bool {
    !id.is_empty() && !id.contains(['@', '='])
}

/// An own address that a record had before.
#[derive(Debug, Clone)]
pub(super) struct Former {
    pub(super) address: Mailbox,
    /// From when on it had it.
    pub(super) since: Timestamp,
    /// When it got another one, or went.
    pub(super) until: Timestamp,
    /// When it was what it is now.
    pub(super) next: Timestamp,
    /// The record came back under the address as somebody else, as far as names tell.
    pub(super) was_another: bool,
}

/// What a record was before, when it is given another own address or to somebody else.
fn former(slot: &Slot, after: &[u8], (since, at): (Timestamp, Timestamp)) -> Option<Former> {
    let ((id, before), (_, after)) = (slot.record()?, unpack(after)?);
    let is_renamed = before.address.key() != after.address.key();
    // Who came back under the same address without an id of his own, and whose name has been
    // forgotten meanwhile, or has nothing in common with the one of before.
    let is_another = slot.departed.is_some()
        && !is_lasting(&id)
        && (slot.forgotten || is_named_otherwise(&before.name, &after.name));
    (is_renamed || is_another).then(|| Former {
        address: before.address,
        since,
        next: at,
        until: slot.departed.unwrap_or(at),
        was_another: is_another,
    })
}

impl People {
    /// Every record can be found by its source and id.
    pub(super) fn finder(&self) -> Finder {
        let mut finder = Finder::default();
        for place in 0..self.slots.len() {
            finder.note(self, place);
        }
        finder
    }

    /// Applies a delta that happened at `at`.
    pub(super) fn apply(&mut self, delta: &Delta, at: Timestamp, finder: &mut Finder) {
        for change in &delta.changes {
            let Some(id) = change.id() else { continue };
            let source = self.source(&change.source);
            let place = finder.find(self, &change.source, &id);
            match (
                place.and_then(|place| self.slots.get_mut(place)),
                &change.after,
            ) {
                (Some(slot), Some(after)) => {
                    let place = place.unwrap_or_default();
                    let last = self.renamed.get(&place).and_then(|all| all.last());
                    let since = last.map_or(slot.first, |last| last.next);
                    if let Some(former) = former(slot, after, (since, at)) {
                        self.renamed.entry(place).or_default().push(former);
                    }
                    slot.packed = Arc::clone(after);
                    if slot.departed.take().is_some() {
                        slot.since = at;
                    }
                    slot.forgotten = false;
                }
                (Some(slot), None) => slot.departed = Some(at),
                (None, Some(after)) => {
                    self.slots.push(Slot {
                        source,
                        departed: None,
                        forgotten: false,
                        first: at,
                        since: at,
                        packed: Arc::clone(after),
                    });
                    let last = self.slots.len() - 1;
                    finder.note(self, last);
                }
                (None, None) => {}
            }
        }
        for change in &delta.rulings {
            match &change.after {
                Some(ruling) => self.rulings.insert(change.ruling.clone(), ruling.clone()),
                None => self.rulings.remove(&change.ruling),
            };
        }
    }

    /// Forgets those who departed before `time`; were there any?
    pub(super) fn forget_departed(&mut self, time: Timestamp) -> bool {
        let mut changed = false;
        for slot in &mut self.slots {
            let over = slot.departed.is_some_and(|departed| departed < time);
            if !over || slot.forgotten {
                continue;
            }
            slot.forgotten = true;
            changed = true;
            if let Some((id, record)) = slot.record()
                && let Some(packed) = pack(&id, Record::new(record.address))
            {
                slot.packed = packed;
            }
        }
        changed
    }

    pub(super) fn source_name(&self, slot: &Slot) -> &str {
        self.sources
            .get(usize::from(slot.source))
            .map_or("", |name| name)
    }

    pub(super) fn source(&mut self, name: &str) -> u16 {
        let known = self.sources.iter().position(|known| **known == *name);
        let place = known.unwrap_or_else(|| {
            self.sources.push(name.into());
            self.sources.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }
}

/// Finds records by source and id.
#[derive(Debug, Default)]
pub(super) struct Finder(Table);

impl Finder {
    pub(super) fn find(&self, people: &People, source: &str, id: &str) -> Option<usize> {
        let found = self.0.find(&key_of(source, id), |number| {
            is_slot(people, number, source, id)
        });
        usize::try_from(found?).ok()
    }

    fn note(&mut self, people: &People, place: usize) {
        let Some(slot) = people.slots.get(place) else {
            return;
        };
        let (Some((id, _)), Ok(number)) = (slot.record(), u32::try_from(place)) else {
            return;
        };
        let source = people.source_name(slot);
        self.0.set(&key_of(source, &id), number, |other| {
            is_slot(people, other, source, &id)
        });
    }
}

fn is_slot(people: &People, number: u32, source: &str, id: &str) -> bool {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    people.slots.get(place).is_some_and(|slot| {
        people.source_name(slot) == source && slot.record().is_some_and(|(other, _)| other == id)
    })
}
