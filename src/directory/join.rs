//! Join: the records of different sources that are the same person.

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

/// Joins the records of `people`. Those who are gone come last and are joined with nobody.
pub(super) fn join(people: &People, rules: &Rules) -> (Chains, Vec<Ambiguity>) {
    let mut living: Vec<(usize, u32)> = Vec::new();
    let mut departed = Vec::new();
    for (number, slot) in (0_u32..).zip(&people.slots) {
        let rank = match people.source_name(slot) {
            // What is said by hand is about somebody whom another source knows.
            HAND => usize::MAX,
            name => rules.rank(name).min(usize::MAX - 1),
        };
        if slot.is_living() {
            living.push((rank, number));
        } else if !slot.forgotten {
            departed.push(number);
        }
    }
    living.sort_by_key(|(rank, number)| {
        (
            *rank,
            people.slots.get(place(*number)).map(|s| s.source),
            *number,
        )
    });
    let mut sources: Vec<u16> = people.slots.iter().map(|slot| slot.source).collect();
    sources.sort_unstable();
    sources.dedup();
    if sources.len() < 2 {
        let heads = living.into_iter().map(|(_, number)| number).chain(departed);
        let heads = heads.collect();
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
    for (_, number) in living {
        joining.add(number);
    }
    joining.chains.heads.extend(departed);
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
fn seeks(record: &Record, rules: &Rules) -> Vec<Key> {
    let mut keys = Vec::new();
    for by in &rules.join {
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

    fn source(&self, slot: u32) -> Option<u16> {
        self.people.slots.get(place(slot)).map(|slot| slot.source)
    }

    fn add(&mut self, number: u32) {
        let Some(record) = self.record(number) else {
            return;
        };
        let mut found: Vec<u32> = Vec::new();
        for key in seeks(&record, self.rules) {
            let head = self.find(&key).and_then(|slot| {
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
        let head = if let Some(head) = found.first() {
            self.chains.append(*head, number);
            *head
        } else {
            self.chains.heads.push(number);
            number
        };
        if let (Some(joined), Some(other)) = (found.first(), found.get(1)) {
            self.ambiguous.push(Ambiguity {
                slot: number,
                joined: *joined,
                other: *other,
            });
        }
        if let Some(place) = self.head_of.get_mut(place(number)) {
            *place = head;
        }
        for key in offers(&record) {
            // The first one who has a key is found by it.
            if self.find(&key).is_none() {
                self.table.set(&key.line(), number, |_| false);
            }
        }
    }

    fn find(&self, key: &Key) -> Option<u32> {
        self.table.find(&key.line(), |slot| {
            self.record(slot)
                .is_some_and(|record| offers(&record).contains(key))
        })
    }
}
