//! What a delta would make of the directory, before anything is written.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::people::{Delta, Finder, Ruling, RulingChange};
use super::{Directory, HAND};
use crate::base::Timestamp;

/// So many people may go with a line in `directory.file`.
const FEW: u64 = 10;
/// Names that a refusal tells.
const NAMES: usize = 5;

/// May an import delete and move as many people as it likes?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// No more than `max_delete_percent`.
    #[default]
    On,
    /// The same for deletions, of more than ten people: somebody edited `directory.file` and said
    /// reload, and moving people is what it is for.
    File,
    /// Somebody looked and said yes.
    Off,
}

/// What changes for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Records that come.
    pub added: u64,
    /// Records that say something else.
    pub changed: u64,
    /// Records that go.
    pub removed: u64,
    /// People who are gone.
    pub deleted: u64,
    /// People who get another home.
    pub moved: u64,
    /// People there were.
    pub of: u64,
    /// Some of those who are gone or get another home.
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
            of,
            names,
            ..
        } = &self.effect;
        let more = deleted + moved - names.len() as u64;
        write!(
            f,
            "it would delete {deleted} and move {moved} of {of} people, more than {} % \
             (directory.max_delete_percent): {}",
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
            Guard::On => (self.deleted + self.moved, 1),
            Guard::File => (self.deleted, FEW),
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

/// A generation before it is written.
pub(super) struct Plan {
    pub(super) delta: Delta,
    pub(super) next: Directory,
    pub(super) effect: Effect,
}

/// Who has an address that two claim, when nobody decided?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// Whoever has it now.
    Keep,
    /// As the delta has it: it leads back to a generation that is whole.
    Restore,
}

/// Applies `delta` to `current`, as it would be at `at`.
pub(super) fn plan(
    current: &Directory,
    mut delta: Delta,
    (at, owners): (Timestamp, Owners),
) -> Plan {
    let mut people = current.people.clone();
    let mut finder = if delta.changes.is_empty() {
        Finder::default()
    } else {
        people.finder()
    };
    people.apply(&delta, at, &mut finder);
    let before = (owners == Owners::Keep).then_some(current);
    let mut next = Directory::build(people, Arc::clone(&current.rules), before);
    let kept: Vec<_> = next.kept().to_vec();
    for (key, owner) in kept {
        let ruling = Ruling {
            owner: Some(owner),
            home: None,
            by: "tideover".to_owned(),
            at,
            kept: true,
        };
        let before = next.people.rulings.insert(key.clone(), ruling.clone());
        delta.rulings.push(RulingChange {
            ruling: key,
            before,
            after: Some(ruling),
        });
    }
    let effect = effect(current, &next, &delta);
    Plan {
        delta,
        next,
        effect,
    }
}

fn effect(current: &Directory, next: &Directory, delta: &Delta) -> Effect {
    let mut effect = Effect {
        of: current.living(),
        ..Effect::default()
    };
    for change in &delta.changes {
        match (&change.before, &change.after) {
            (None, _) => effect.added += 1,
            (Some(_), Some(_)) => effect.changed += 1,
            (Some(_), None) => effect.removed += 1,
        }
        let unpacked = change.unpacked();
        // What is said by hand is about somebody who is there.
        let before = unpacked.and_then(|change| match change.before {
            None if change.source == HAND => change.after,
            before => before,
        });
        let Some(before) = before else { continue };
        let Some((person, _)) = current.find(&before.address) else {
            continue;
        };
        let now = next.find(&before.address).map(|(entry, _)| entry);
        let now = now.filter(|entry| entry.departed.is_none());
        let counted = match now {
            None => {
                effect.deleted += 1;
                true
            }
            Some(now) if next.home_of(&now) != current.home_of(&person) => {
                effect.moved += 1;
                true
            }
            Some(_) => false,
        };
        if counted && effect.names.len() < NAMES {
            effect.names.push(person.address.to_string());
        }
    }
    effect
}
