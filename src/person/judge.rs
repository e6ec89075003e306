//! Does an account still belong to who has its address?

use std::collections::HashMap;

use super::bond::{Bond, Departed, Why};
use crate::base::Timestamp;
use crate::directory::{Directory, Entry, EntryKind, Holder, Roll, Wanted};
use crate::smtp::Mailbox;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The address under which it was made.
    pub address: Mailbox,
    /// Its person; `None`: nobody has looked yet.
    pub bond: Option<Bond>,
    /// Nobody can log in to it: it stands in nobody's way.
    pub disabled: bool,
}

/// Whose the address of an account is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belonging {
    /// Its person's.
    Own(Box<Entry>),
    /// The directory does not name it.
    Nobody,
    /// Somebody else's; or it was not looked yet whether he is somebody else.
    Another(Departed),
}

/// Whose the address of an account is, without a search: what [`judge`] has not decided yet is
/// somebody else's.
#[must_use]
pub fn belonging(
    address: &Mailbox,
    bond: Option<&Bond>,
    (directory, now): (&Directory, Timestamp),
) -> Belonging {
    if let Some(departed) = bond.and_then(|bond| bond.departed.as_ref()) {
        return Belonging::Another(departed.clone());
    }
    let unnamed = Bond::unnamed(address.clone());
    let bond = bond.unwrap_or(&unnamed);
    let Some(holder) = directory.holder(&bond.address) else {
        return Belonging::Nobody;
    };
    let another = |why: Why| {
        Belonging::Another(Departed {
            since: now,
            to: holder.entry.address.to_string(),
            why,
        })
    };
    match (bond.is_of(&holder), has_mailbox(&holder.entry)) {
        (true, true) => Belonging::Own(Box::new(holder.entry)),
        (true, false) => another(Why::NoMailbox),
        (false, _) => another(Why::Doubt),
    }
}

/// The bond to who has the address of an account now, when somebody says that it is the same
/// person. `None`: no mailbox has it.
#[must_use]
pub fn confirmed(address: &Mailbox, bond: Option<&Bond>, directory: &Directory) -> Option<Bond> {
    let last = bond.map_or(address, |bond| &bond.address);
    let holder = directory.holder(last).or_else(|| directory.holder(address));
    let holder = holder.filter(|holder| has_mailbox(&holder.entry))?;
    Some(Bond::to(&holder, bond))
}

/// Looks at all accounts: the bond that each has now, where it is another than before.
#[must_use]
pub fn judge(subjects: &[Subject], directory: &Directory, now: Timestamp) -> Vec<(usize, Bond)> {
    let mut found: Vec<Finding> = subjects.iter().map(|one| at_once(one, directory)).collect();
    let wanted = wanted(subjects.iter().zip(&found), directory);
    let judging = Judging {
        directory,
        roll: directory.roll(&wanted),
    };
    for (subject, finding) in subjects.iter().zip(&mut found) {
        if *finding == Finding::Open {
            *finding = judging.find(subject);
        }
    }
    let found = one_account_each(subjects, found);
    let bonds = subjects.iter().zip(&found).enumerate();
    bonds
        .filter_map(|(place, (subject, finding))| {
            let bond = finding.bond(subject, now)?;
            (subject.bond.as_ref() != Some(&bond)).then_some((place, bond))
        })
        .collect()
}

/// What is found about an account.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    /// Not known yet.
    Open,
    /// As it was: nobody has its address.
    AsBefore,
    /// Its person is there.
    Same(Box<Holder>),
    /// Its person has another address, as far as can be known without an id.
    Renamed(Box<Holder>),
    /// This one has its address and is somebody else.
    Another(Mailbox, Why),
}

impl Finding {
    fn bond(&self, subject: &Subject, now: Timestamp) -> Option<Bond> {
        let before = subject.bond.as_ref();
        let unnamed = || Bond::unnamed(subject.address.clone());
        match self {
            Self::Open => None,
            Self::AsBefore => before.is_none().then(unnamed),
            Self::Same(holder) | Self::Renamed(holder) => Some(Bond::to(holder, before)),
            Self::Another(to, why) => {
                let before = before.cloned().unwrap_or_else(unnamed);
                Some(before.departing((to, *why), now))
            }
        }
    }

    /// The mailbox that the account opens.
    fn opens(&self) -> Option<String> {
        match self {
            Self::Same(holder) | Self::Renamed(holder) => Some(holder.entry.address.key()),
            Self::Open | Self::AsBefore | Self::Another(..) => None,
        }
    }
}

/// What can be said without a search: nearly all accounts.
fn at_once(subject: &Subject, directory: &Directory) -> Finding {
    match &subject.bond {
        None => match directory.holder(&subject.address) {
            Some(holder) if holder.entry.address.key() == subject.address.key() => there(holder),
            Some(_) => Finding::Open,
            None => Finding::AsBefore,
        },
        Some(bond) => match directory.holder(&bond.address) {
            Some(holder) if bond.is_of(&holder) => there(holder),
            // His record may be there under another address.
            Some(_) | None => Finding::Open,
        },
    }
}

/// Its person, while he has a mailbox.
fn there(holder: Holder) -> Finding {
    if has_mailbox(&holder.entry) {
        Finding::Same(Box::new(holder))
    } else {
        Finding::Another(holder.entry.address, Why::NoMailbox)
    }
}

/// Which records have to be looked at for those of whom nothing is known yet.
fn wanted<'a>(
    found: impl Iterator<Item = (&'a Subject, &'a Finding)>,
    directory: &Directory,
) -> Wanted {
    let mut wanted = Wanted::default();
    for (subject, _) in found.filter(|(_, finding)| **finding == Finding::Open) {
        let bond = subject.bond.as_ref();
        let names = bond.into_iter().flat_map(|bond| &bond.records);
        wanted.names.extend(names.cloned());
        let address = bond.map_or(&subject.address, |bond| &bond.address);
        wanted.addresses.insert(address.key());
        if let Some(holder) = directory.holder(address) {
            let others = holder.entry.addresses().map(Mailbox::key);
            wanted.addresses.extend(others);
        }
    }
    wanted
}

struct Judging<'a> {
    directory: &'a Directory,
    roll: Roll,
}

impl Judging<'_> {
    fn find(&self, subject: &Subject) -> Finding {
        let unnamed = Bond {
            // What the records tell of a time before anybody looked.
            records: self.owners_of(&subject.address),
            ..Bond::unnamed(subject.address.clone())
        };
        let bond = subject.bond.as_ref().unwrap_or(&unnamed);
        if let Some(holder) = self.living(bond) {
            return there(holder);
        }
        let Some(holder) = self.directory.holder(&bond.address) else {
            return Finding::AsBefore;
        };
        let nothing_known = subject.bond.is_none() && bond.records.is_empty();
        let doubt = if let Some(departed) = &bond.departed {
            // Nobody comes back by guessing.
            Some(departed.why)
        } else if nothing_known {
            // An account of before bonds were kept, and nothing speaks against its alias.
            self.directory
                .is_disputed(&bond.address)
                .then_some(Why::Doubt)
        } else {
            self.speaks_against(bond, &holder)
        };
        match doubt {
            _ if !has_mailbox(&holder.entry) => {
                Finding::Another(holder.entry.address, Why::NoMailbox)
            }
            None => Finding::Renamed(Box::new(holder)),
            Some(why) => Finding::Another(holder.entry.address, why),
        }
    }

    /// Records whose own address this was.
    fn owners_of(&self, address: &Mailbox) -> Vec<String> {
        let key = address.key();
        self.roll.own(&key).map(|one| one.name.clone()).collect()
    }

    /// The entry of a record of his that is there. An id that stays counts first.
    fn living(&self, bond: &Bond) -> Option<Holder> {
        let mut names: Vec<&String> = bond.records.iter().collect();
        names.sort_by_key(|name| !crate::directory::Trace::is_lasting(name));
        let is_there = |name: &&String| {
            let trace = self.roll.trace(name);
            trace.is_some_and(|trace| trace.departed.is_none())
        };
        let holders = names
            .into_iter()
            .filter(is_there)
            .filter_map(|name| self.roll.holder_of(self.directory, name));
        holders.into_iter().find(|holder| bond.is_of(holder))
    }

    /// Was the person renamed, who had no lasting id? His records went, and in the same generation
    /// those came that have his address now, as they had never been there before. What speaks
    /// against that; `None`: nothing.
    fn speaks_against(&self, bond: &Bond, holder: &Holder) -> Option<Why> {
        let traces: Vec<_> = bond
            .records
            .iter()
            .map(|name| self.roll.trace(name))
            .collect();
        let went: Option<Vec<Timestamp>> =
            traces.iter().map(|one| one.as_ref()?.departed).collect();
        let Some(at) = went.and_then(|all| all.into_iter().max()) else {
            // Never in the directory, or of a directory that was begun afresh since.
            return Some(if bond.records.is_empty() {
                Why::Taken
            } else {
                Why::Doubt
            });
        };
        let is_new = holder.records.iter().all(|one| {
            let came_back = one.since == at && bond.former.contains(&one.name);
            one.first == at || came_back
        });
        if !is_new || holder.records.is_empty() {
            return Some(Why::Taken);
        }
        // Others went at that moment whose addresses this one has, too: who of them is it?
        let others = holder.entry.addresses().any(|address| {
            let key = address.key();
            let mut own = self.roll.own(&key);
            own.any(|one| one.departed == Some(at) && !bond.records.contains(&one.name))
        });
        let is_doubtful = others
            || bond.contradicts(holder)
            || self.directory.is_disputed(&bond.address)
            || bond.is_named_otherwise(holder);
        is_doubtful.then_some(Why::Doubt)
    }
}

/// A mailbox has one account: where two lead to the same person, nobody knows whose the other one
/// is than that of his own address.
fn one_account_each(subjects: &[Subject], found: Vec<Finding>) -> Vec<Finding> {
    let mut opened: HashMap<String, usize> = HashMap::new();
    for (subject, finding) in subjects.iter().zip(&found) {
        if let Some(key) = finding.opens().filter(|_| !subject.disabled) {
            *opened.entry(key).or_default() += 1;
        }
    }
    let is_shared = |finding: &Finding| {
        let key = finding.opens();
        key.is_some_and(|key| opened.get(&key).is_some_and(|count| *count > 1))
    };
    let judged = found.into_iter().zip(subjects);
    judged
        .map(|(finding, subject)| {
            let is_doubtful = !subject.disabled && is_shared(&finding);
            let own = subject
                .bond
                .as_ref()
                .map_or(&subject.address, |it| &it.address);
            match &finding {
                Finding::Renamed(holder) if is_doubtful => {
                    Finding::Another(holder.entry.address.clone(), Why::Doubt)
                }
                Finding::Same(holder) if is_doubtful && holder.entry.address.key() != own.key() => {
                    Finding::Another(holder.entry.address.clone(), Why::Doubt)
                }
                Finding::Open
                | Finding::AsBefore
                | Finding::Same(_)
                | Finding::Renamed(_)
                | Finding::Another(..) => finding,
            }
        })
        .collect()
}

/// Has it mail of its own here?
fn has_mailbox(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Mailbox | EntryKind::User)
}
