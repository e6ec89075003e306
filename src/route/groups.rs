//! Groups whose home is down: who gets their mail instead. Pure.
//!
//! The home of a group expands it, as long as it can: it knows who may write to it, and who reads
//! along. Only when it is down for long, those get its mail whom the directory names.

use std::collections::HashSet;

use super::decide::{Walk, Way};
use super::{Decision, Mail, View};
use crate::backend::{BackendHealth, Health};
use crate::base::Timestamp;
use crate::directory::{DomainKind, DomainRule, Entry, EntryKind, Lookup, Unknown};
use crate::limits;
use crate::mail::{Authenticity, BackendId};
use crate::smtp::Mailbox;

/// Is it down, and since before then? What an earlier life knew is no proof of that.
pub(super) fn is_down_since(health: &BackendHealth, then: Option<Timestamp>) -> bool {
    let since = then.is_some_and(|then| health.since <= then);
    since && !health.remembered && health.health == Health::Down && !health.takes_mail()
}

impl Walk<'_> {
    /// What is decided for a group whose home is down; `None`: it waits like everybody.
    pub(super) fn expand(&mut self, way: &Way<'_>, home: &BackendHealth) -> Option<Decision> {
        let group = way.entry.filter(|entry| entry.kind == EntryKind::Group)?;
        if !is_down_since(home, self.view.groups) {
            return None;
        }
        if group.members.is_empty() {
            self.say(|| "a group of which the directory names no members: it waits".to_owned());
            return None;
        }
        if !may_write(group, self.view) {
            self.say(|| "mail from outside waits: only internal senders may write to it".into());
            return None;
        }
        if group.internal_only && self.view.mail.is_none() {
            let what = "mail of senders who have not proven to be internal waits for its home";
            self.say(|| what.to_owned());
        }
        let people = People::of(group, self);
        for nobody in &people.unknown {
            self.say(|| format!("{nobody} is nobody, and gets nothing"));
        }
        if people.found.len() > limits::GROUP_PEOPLE {
            self.say(|| format!("it has more than {} people: it waits", limits::GROUP_PEOPLE));
            return None;
        }
        let people = people.found;
        if people.is_empty() {
            self.say(|| "a group in which there is nobody: it waits".to_owned());
            return None;
        }
        self.say(|| {
            format!(
                "its {} people get the mail: {}",
                people.len(),
                shown(&people)
            )
        });
        let reason = format!("{home}; {} people of the group get its mail", people.len());
        Some(Decision::Expand { people, reason })
    }
}

/// May the sender of this mail write to the group? Without mail: somebody may.
fn may_write(group: &Entry, view: &View<'_>) -> bool {
    !group.internal_only || view.mail.is_none_or(is_internal)
}

fn is_internal(mail: &Mail<'_>) -> bool {
    mail.authenticity != Authenticity::Unproven
}

/// Some of them, for people.
fn shown(people: &[Mailbox]) -> String {
    const SHOWN: usize = 10;
    let names: Vec<_> = people.iter().take(SHOWN).map(ToString::to_string).collect();
    let names = names.join(", ");
    match people.len().saturating_sub(SHOWN) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// Those who are found on the walk through a group.
struct People {
    found: Vec<Mailbox>,
    /// Members whom nobody knows, and whom their domain refuses.
    unknown: Vec<Mailbox>,
    /// Entries and addresses that were met, so that each is found once and circles end.
    seen: HashSet<String>,
}

impl People {
    fn of(group: &Entry, walk: &Walk<'_>) -> Self {
        let mut people = Self {
            found: Vec::new(),
            unknown: Vec::new(),
            seen: HashSet::from([group.address.key()]),
        };
        let mut next: Vec<Mailbox> = group.members.iter().rev().cloned().collect();
        while let Some(member) = next.pop() {
            if people.found.len() > limits::GROUP_PEOPLE {
                break;
            }
            let (entry, domain) = match walk.view.directory.lookup(&member) {
                Lookup::Known { entry, domain } => (entry, domain),
                // The door would refuse him: his copy would wait for ever.
                Lookup::Unknown(rule) if refuses(&rule) => {
                    people.unknown.push(member);
                    continue;
                }
                Lookup::Unknown(_) | Lookup::Stranger => {
                    people.add(&member);
                    continue;
                }
            };
            let home = entry.home.as_ref();
            let home = home.or_else(|| domain.as_deref().map(|rule| walk.home_of(rule)));
            if is_to_be_opened(&entry, home, walk.view) {
                if people.seen.insert(entry.address.key()) {
                    next.extend(entry.members.iter().rev().cloned());
                }
            } else {
                people.add(&entry.address);
            }
        }
        people
    }

    fn add(&mut self, address: &Mailbox) {
        if self.seen.insert(address.key()) {
            self.found.push(address.clone());
        }
    }
}

/// Does the domain refuse whom the directory does not name?
fn refuses(rule: &DomainRule) -> bool {
    match (rule.kind, rule.unknown) {
        (DomainKind::Authoritative, _) | (DomainKind::InternalRelay, Unknown::Reject) => true,
        (DomainKind::InternalRelay, Unknown::Relay | Unknown::Verify)
        | (DomainKind::ExternalRelay, _) => false,
    }
}

/// Is a member itself a group that nobody else can expand now?
fn is_to_be_opened(entry: &Entry, home: Option<&BackendId>, view: &View<'_>) -> bool {
    let health = home.and_then(|home| view.healths.get(home));
    entry.kind == EntryKind::Group
        && !entry.members.is_empty()
        && (!entry.internal_only || view.mail.is_some_and(is_internal))
        && health.is_some_and(|health| is_down_since(health, view.groups))
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
