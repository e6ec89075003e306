//! Who is in a group, for rules about groups.

use std::collections::HashSet;

use crate::directory::{Directory, EntryKind, Lookup};
use crate::limits;
use crate::smtp::Mailbox;

/// The keys of the mailboxes of all people of a group, nested groups opened, each once; circles
/// end. A group that is gone has nobody, and of one that is too large the first ones count.
pub(super) fn members_of(directory: &Directory, group: &str) -> HashSet<String> {
    let mut people = HashSet::new();
    let mut opened = HashSet::new();
    let mut next: Vec<Mailbox> = group.parse().into_iter().collect();
    while let Some(address) = next.pop() {
        if people.len() >= limits::ACTIVATION_GROUP {
            tracing::warn!(
                group,
                "the group is too large: some of its people are left out"
            );
            break;
        }
        match directory.lookup(&address) {
            Lookup::Known { entry, .. } if entry.kind == EntryKind::Group => {
                if opened.insert(entry.address.key()) {
                    next.extend(entry.members.iter().rev().cloned());
                }
            }
            Lookup::Known { entry, .. } => {
                people.insert(entry.address.key());
            }
            Lookup::Unknown(_) | Lookup::Stranger => {
                // A member whom nobody knows by name may still have an account.
                if address.key() != group {
                    people.insert(address.key());
                }
            }
        }
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{ImportOptions, read_csv};

    #[test]
    fn groups_are_opened_and_circles_end() {
        let csv = "address,type,aliases,members\n\
                   ann@example.org,mailbox,sales@example.org,\n\
                   bob@example.org,mailbox,,\n\
                   eve@example.org,mailbox,,\n\
                   all@example.org,group,,team@example.org;sales@example.org;x@partner.example\n\
                   team@example.org,group,,bob@example.org;all@example.org\n";
        let directory = read_csv(csv.as_bytes(), ImportOptions::default()).unwrap();
        let names = |group| {
            let mut names: Vec<_> = members_of(&directory, group).into_iter().collect();
            names.sort();
            names
        };
        let all = ["ann@example.org", "bob@example.org", "x@partner.example"];
        assert_eq!(names("all@example.org"), all);
        assert_eq!(names("team@example.org"), all);
        assert_eq!(names("gone@example.org"), Vec::<String>::new());
    }
}
