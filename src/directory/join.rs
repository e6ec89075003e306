//! Join: the records of different sources that are the same person.

use std::collections::HashMap;

use super::people::People;
use super::record::HAND;
use super::table::Table;
use super::x500::x500_key;
use super::{JoinBy, Record, Rules};
use crate::smtp::Mailbox;

/// No further record.
pub(super) const NONE: u32 = u32::MAX;

/// Records chained to persons.
#[derive(Debug, Clone, Default)]
pub(super) struct Chains {
    /// The first record of each person, the most important person first.
    pub(super) heads: Vec<u32>,
    /// The next record of the same person, for each record; empty when nobody has two.
    next: Vec<u32>,
}

/// A record that could be two persons; it went to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ambiguity {
    pub(super) slot: u32,
    pub(super) joined: u32,
    pub(super) other: u32,
}

impl Chains {
    /// The records of a person, the most important first.
    pub(super) fn records(&self, head: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(head), |slot| {
            let next = self.next.get(place(*slot)).copied().unwrap_or(NONE);
            (next != NONE).then_some(next)
        })
    }

    /// The person of each record.
    pub(super) fn head_of(&self) -> HashMap<usize, u32> {
        let heads = self.heads.iter();
        let of = |head: &u32| {
            let head = *head;
            self.records(head).map(move |slot| (place(slot), head))
        };
        heads.flat_map(of).collect()
    }

    /// Bytes on the heap.
    pub(super) const fn memory(&self) -> usize {
        (self.heads.capacity() + self.next.capacity()) * size_of::<u32>()
    }

    fn append(&mut self, head: u32, slot: u32) {
        let last = self.records(head).last().unwrap_or(head);
        if let Some(next) = self.next.get_mut(place(last)) {
            *next = slot;
        }
    }
}

pub(super) fn place(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

/// Whose turn it is.
struct Turns {
    living: Vec<u32>,
    departed: Vec<u32>,
    /// What is said about people whom other sources know, or knew.
    about: Vec<u32>,
}

impl Turns {
    fn of(people: &People, rules: &Rules) -> Self {
        let (mut living, mut about) = (Vec::new(), Vec::new());
        let mut departed = Vec::new();
        for (number, slot) in (0_u32..).zip(&people.slots) {
            let name = people.source_name(slot);
            let rank = match name {
                HAND => usize::MAX,
                name => rules.rank(name).min(usize::MAX - 1),
            };
            match (slot.is_living(), rules.makes_people(name)) {
                (true, true) => living.push((rank, slot.source, number)),
                (true, false) => about.push((rank, slot.source, number)),
                (false, true) if !slot.forgotten => departed.push(number),
                (false, _) => {}
            }
        }
        let sorted = |mut all: Vec<(usize, u16, u32)>| {
            all.sort_unstable();
            all.into_iter().map(|(_, _, number)| number).collect()
        };
        Self {
            living: sorted(living),
            departed,
            about: sorted(about),
        }
    }
}

/// Joins the records of `people`. Those who are gone come behind those who are there and are joined
/// with each other only; what is said about them stays with them while their route lives on.
pub(super) fn join(people: &People, rules: &Rules) -> (Chains, Vec<Ambiguity>) {
    let Turns {
        living,
        departed,
        about,
    } = Turns::of(people, rules);
    let mut sources: Vec<u16> = people.slots.iter().map(|slot| slot.source).collect();
    sources.sort_unstable();
    sources.dedup();
    if sources.len() < 2 {
        let heads = living.into_iter().chain(departed).collect();
        let next = Vec::new();
        return (Chains { heads, next }, Vec::new());
    }
    let mut joining = Joining {
        people,
        rules,
        chains: Chains {
            heads: Vec::new(),
            next: vec![NONE; people.slots.len()],
        },
        head_of: vec![NONE; people.slots.len()],
        table: Table::default(),
        ambiguous: Vec::new(),
    };
    for number in living {
        joining.add(number);
    }
    for number in departed {
        joining.add_departed(number);
    }
    for number in about {
        joining.add_about(number);
    }
    (joining.chains, joining.ambiguous)
}

struct Joining<'a> {
    people: &'a People,
    rules: &'a Rules,
    chains: Chains,
    /// The head of the chain of each record.
    head_of: Vec<u32>,
    /// From a key to the record that has it.
    table: Table,
    ambiguous: Vec<Ambiguity>,
}

/// A key by which records are joined: what it is, and the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// `=`: an own address, `@`: any address, `x`: X.500, `d`: a delivery address.
    sort: char,
    text: String,
}

impl Key {
    fn new(sort: char, text: String) -> Self {
        Self { sort, text }
    }

    fn of(sort: char, address: &Mailbox) -> Self {
        Self::new(sort, address.key())
    }

    fn line(&self) -> String {
        format!("{}{}", self.sort, self.text)
    }
}

/// What a record can be found by.
fn offers(record: &Record) -> Vec<Key> {
    let mut keys = vec![Key::of('=', &record.address)];
    keys.extend(record.addresses().map(|address| Key::of('@', address)));
    keys.extend(record.x500.iter().map(|one| Key::new('x', x500_key(one))));
    let delivery = record.delivery_address.iter();
    let delivery = delivery.chain(record.delivery_addresses.values());
    keys.extend(delivery.map(|address| Key::of('d', address)));
    keys
}

/// What a record looks for, the strongest first.
fn seeks(record: &Record, by: &[JoinBy]) -> Vec<Key> {
    let mut keys = Vec::new();
    for by in by {
        match by {
            JoinBy::Address => {
                keys.push(Key::of('@', &record.address));
                keys.extend(record.addresses().map(|address| Key::of('=', address)));
            }
            JoinBy::X500 => {
                keys.extend(record.x500.iter().map(|one| Key::new('x', x500_key(one))));
            }
            JoinBy::DeliveryAddress => {
                let delivery = record.delivery_address.iter();
                let delivery = delivery.chain(record.delivery_addresses.values());
                keys.extend(delivery.map(|address| Key::of('@', address)));
                keys.extend(record.addresses().map(|address| Key::of('d', address)));
            }
        }
    }
    keys
}

impl Joining<'_> {
    fn record(&self, slot: u32) -> Option<Record> {
        let slot = self.people.slots.get(place(slot))?;
        slot.record().map(|(_, record)| record)
    }

    fn is_living(&self, slot: u32) -> bool {
        let slot = self.people.slots.get(place(slot));
        slot.is_some_and(super::people::Slot::is_living)
    }

    fn source(&self, slot: u32) -> Option<u16> {
        self.people.slots.get(place(slot)).map(|slot| slot.source)
    }

    fn add(&mut self, number: u32) {
        let Some(record) = self.record(number) else {
            return;
        };
        let found = self.seek(number, &seeks(&record, &self.rules.join));
        if found.is_empty() {
            self.stand_alone(number);
        } else {
            self.append(number, &found);
        }
    }

    fn add_departed(&mut self, number: u32) {
        let Some(record) = self.record(number) else {
            return;
        };
        let mut found = self.seek(number, &seeks(&record, &self.rules.join));
        found.retain(|head| !self.is_living(*head));
        if found.is_empty() {
            self.stand_alone(number);
        } else {
            self.append(number, &found);
        }
    }

    /// A record that makes no person.
    fn add_about(&mut self, number: u32) {
        let Some(record) = self.record(number) else {
            return;
        };
        let by_hand = self.people.slots.get(place(number));
        let by_hand = by_hand.is_some_and(|slot| self.people.source_name(slot) == HAND);
        // Whoever said it by hand named an address.
        let by = if by_hand {
            &[JoinBy::Address][..]
        } else {
            &self.rules.join
        };
        let found = self.seek(number, &seeks(&record, by));
        if !found.is_empty() {
            self.append(number, &found);
        }
    }

    fn stand_alone(&mut self, number: u32) {
        self.chains.heads.push(number);
        self.belong(number, number);
    }

    fn append(&mut self, number: u32, found: &[u32]) {
        let Some(head) = found.first().copied() else {
            return;
        };
        self.chains.append(head, number);
        if let Some(other) = found.get(1).filter(|head| self.is_living(**head)) {
            self.ambiguous.push(Ambiguity {
                slot: number,
                joined: head,
                other: *other,
            });
        }
        self.belong(number, head);
    }

    fn belong(&mut self, number: u32, head: u32) {
        if let Some(place) = self.head_of.get_mut(place(number)) {
            *place = head;
        }
        let record = self.record(number);
        for key in record.iter().flat_map(offers) {
            // The first one who has a key is found by it.
            if self.find(&key).is_none() {
                self.table.set(&key.line(), number, |_| false);
            }
        }
    }

    /// The persons whom a record could be.
    fn seek(&self, number: u32, keys: &[Key]) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        for key in keys {
            let head = self.find(key).and_then(|slot| {
                let head = self.head_of.get(place(slot)).copied();
                head.filter(|head| *head != NONE)
            });
            // One source does not say the same person twice: that is a conflict, and is told.
            if let Some(head) = head
                && !found.contains(&head)
                && !self
                    .chains
                    .records(head)
                    .any(|other| self.source(other) == self.source(number))
            {
                found.push(head);
            }
        }
        found
    }

    fn find(&self, key: &Key) -> Option<u32> {
        self.table.find(&key.line(), |slot| {
            self.record(slot)
                .is_some_and(|record| offers(&record).contains(key))
        })
    }
}
