//! What a delta would make of the directory, before anything is written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Directory;
use super::effect::{Effect, effect};
use super::people::{Delta, Finder, Ruling, RulingChange};
use crate::base::Timestamp;

/// May an import delete and move as many people as it likes?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// No more than `max_delete_percent`, addresses that people lose included.
    #[default]
    On,
    /// The same for deletions and lost addresses, of more than ten people: somebody edited
    /// `directory.file` and said reload, and moving people is what it is for.
    File,
    /// Somebody looked and said yes.
    Off,
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
