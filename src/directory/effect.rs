//! What a delta changes for people: who is gone, who gets his mail elsewhere, who loses addresses.

use std::collections::HashSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::people::{Change, Delta, PackedChange};
use super::plan::Guard;
use super::store::lookup_key;
use super::{Directory, Entry};
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// So many people may go with a line in `directory.file`.
const FEW: u64 = 10;
/// Names that a refusal tells.
const NAMES: usize = 5;

/// What changes for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// Records that come.
    pub added: u64,
    /// Records that say something else.
    pub changed: u64,
    /// Records that go.
    pub removed: u64,
    /// People who are gone.
    pub deleted: u64,
    /// People who get another home or delivery address, or of whom an address goes to somebody
    /// else who has.
    pub moved: u64,
    /// People who stay and lose an address: mail for it is refused then.
    #[serde(default)]
    pub bereft: u64,
    /// People there were.
    pub of: u64,
    /// Some of them.
    pub names: Vec<String>,
}

/// An import that would delete or move too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany {
    /// What it would do.
    pub effect: Effect,
    /// `max_delete_percent`.
    pub percent: u32,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Effect {
            deleted,
            moved,
            bereft,
            of,
            names,
            ..
        } = &self.effect;
        let more = (deleted + moved + bereft).saturating_sub(names.len() as u64);
        write!(f, "it would delete {deleted} and move {moved}")?;
        if *bereft > 0 {
            write!(f, " and take addresses from {bereft}")?;
        }
        write!(
            f,
            " of {of} people, more than {} % (directory.max_delete_percent): {}",
            self.percent,
            names.join(", ")
        )?;
        if more > 0 {
            write!(f, " and {more} more")?;
        }
        Ok(())
    }
}

impl Effect {
    /// Is that more than the guard lets through? One person alone never is.
    pub(super) fn check(&self, guard: Guard, percent: u32) -> Result<(), TooMany> {
        let (touched, few) = match guard {
            Guard::On => (self.deleted + self.moved + self.bereft, 1),
            Guard::File => (self.deleted + self.bereft, FEW),
            Guard::Off => return Ok(()),
        };
        if touched > few && touched * 100 > self.of * u64::from(percent) && self.of > 0 {
            return Err(TooMany {
                effect: self.clone(),
                percent,
            });
        }
        Ok(())
    }
}

/// What `delta` makes of `current`, which is `next` then.
pub(super) fn effect(current: &Directory, next: &Directory, delta: &Delta) -> Effect {
    let mut comparison = Comparison {
        current,
        next,
        looked_at: HashSet::new(),
        effect: Effect {
            of: current.living(),
            ..Effect::default()
        },
    };
    for change in &delta.changes {
        let count = match (&change.before, &change.after) {
            (None, _) => &mut comparison.effect.added,
            (Some(_), Some(_)) => &mut comparison.effect.changed,
            (Some(_), None) => &mut comparison.effect.removed,
        };
        *count += 1;
        if comparison.effect.of > 0 {
            comparison.change(change);
        }
    }
    for ruling in &delta.rulings {
        if let Ok(address) = ruling.ruling.parse() {
            comparison.address(&address);
        }
    }
    comparison.effect
}

/// Where the mail for an address goes.
#[derive(PartialEq)]
struct Way {
    home: Option<BackendId>,
    delivery: Option<Mailbox>,
}

impl Way {
    fn of(directory: &Directory, entry: &Entry) -> Self {
        let home = directory.home_of(entry);
        let there = home.as_ref();
        let there = there.and_then(|home| entry.delivery_addresses.get(home));
        let delivery = there.or(entry.delivery_address.as_ref()).cloned();
        Self { home, delivery }
    }
}

struct Comparison<'a> {
    current: &'a Directory,
    next: &'a Directory,
    /// Addresses whose owners were looked at.
    looked_at: HashSet<String>,
    effect: Effect,
}

impl Comparison<'_> {
    /// Looks at whoever a change can touch: those who have its addresses now, also when another
    /// source says something new of them, and those with whom they are joined then.
    fn change(&mut self, change: &PackedChange) {
        let Some(Change { before, after, .. }) = change.unpacked() else {
            return;
        };
        for record in before.iter().chain(&after) {
            for address in record.addresses() {
                self.address(address);
            }
        }
        let then = after.and_then(|record| self.next.find(&record.address));
        if let Some((entry, _)) = then {
            for address in entry.addresses() {
                self.address(address);
            }
        }
    }

    fn address(&mut self, address: &Mailbox) {
        if !self.looked_at.insert(lookup_key(address)) {
            return;
        }
        let Some((person, _)) = self.current.find(address) else {
            return;
        };
        let own = lookup_key(&person.address);
        if person.departed.is_some() || (own != lookup_key(address) && !self.looked_at.insert(own))
        {
            return;
        }
        self.looked_at.extend(person.addresses().map(lookup_key));
        self.person(&person);
    }

    fn person(&mut self, person: &Entry) {
        let before = Way::of(self.current, person);
        let (mut moved, mut bereft) = (false, false);
        let mut deleted = false;
        for (place, address) in person.addresses().enumerate() {
            let now = self.next.find(address).map(|(entry, _)| entry);
            match now.filter(|entry| entry.departed.is_none()) {
                None if place == 0 => deleted = true,
                None => bereft = true,
                Some(entry) => moved |= Way::of(self.next, &entry) != before,
            }
        }
        let count = match (deleted, moved, bereft) {
            (true, _, _) => &mut self.effect.deleted,
            (_, true, _) => &mut self.effect.moved,
            (_, _, true) => &mut self.effect.bereft,
            (false, false, false) => return,
        };
        *count += 1;
        if self.effect.names.len() < NAMES {
            self.effect.names.push(person.address.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::directory::generation_tests::{CAREFUL, FORCE, House};
    use crate::directory::{DirectoryError, FILE};

    const HEADER: &str = "address,home,aliases,delivery_address,type\n";

    /// Ten people, each with what `row` says behind the address.
    fn ten(row: impl Fn(u32) -> String) -> String {
        let mut text = HEADER.to_owned();
        for number in 0..10 {
            writeln!(text, "p{number}@example.org,{}", row(number)).unwrap();
        }
        text
    }

    fn as_they_are(number: u32) -> String {
        format!("onprem,a{number}@example.org,,")
    }

    async fn refused(house: &House, source: &str, text: &str) -> String {
        match house.import(source, text, CAREFUL).await {
            Err(DirectoryError::TooMany(why)) => why.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_guard_counts_whatever_sends_mail_elsewhere_or_refuses_it() {
        let house = House::new();
        house
            .import(FILE, &ten(as_they_are), CAREFUL)
            .await
            .unwrap();
        let told = refused(&house, FILE, &ten(|_| "onprem,,,".to_owned())).await;
        assert!(
            told.starts_with("it would delete 0 and move 0 and take addresses from 10 of 10"),
            "{told}"
        );
        let elsewhere = ten(|n| format!("onprem,a{n}@example.org,p{n}@tenant.example,"));
        let told = refused(&house, FILE, &elsewhere).await;
        assert!(
            told.starts_with("it would delete 0 and move 10 of 10"),
            "{told}"
        );
        // Aliases that go to somebody who lives elsewhere.
        let mut text = ten(|n| match n {
            0..3 => "onprem,,,".to_owned(),
            n => as_they_are(n),
        });
        text.push_str("x@example.org,cloud,a0@example.org;a1@example.org;a2@example.org,,\n");
        let told = refused(&house, FILE, &text).await;
        assert!(
            told.starts_with("it would delete 0 and move 3 of 10"),
            "{told}"
        );
        assert_eq!(house.generations.current().number(), 1);
        // Two of ten may.
        let few = ten(|n| match n {
            0 => "onprem,,,".to_owned(),
            1 => "cloud,a1@example.org,,".to_owned(),
            n => as_they_are(n),
        });
        house.import(FILE, &few, CAREFUL).await.unwrap();
    }

    #[tokio::test]
    async fn a_new_source_that_moves_people_is_stopped_too() {
        let house = House::new();
        let users = ten(|n| format!("onprem,,p{n}@tenant.example,user"));
        house.import(FILE, &users, CAREFUL).await.unwrap();
        // Found by an address of theirs, or by the one where their mail is delivered.
        for domain in ["example.org", "tenant.example"] {
            let mut text = "address,home,type\n".to_owned();
            for number in 0..10 {
                writeln!(text, "p{number}@{domain},cloud,mailbox").unwrap();
            }
            let told = refused(&house, "other", &text).await;
            assert!(
                told.starts_with("it would delete 0 and move 10 of 10"),
                "{told}"
            );
        }
        let stranger = "address,home,type\nq@example.org,cloud,mailbox\n";
        house.import("other", stranger, CAREFUL).await.unwrap();
        house.import("other", "address\n", FORCE).await.unwrap();
    }
}
