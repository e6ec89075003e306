//! Addresses of people that platforms refuse: listed, or used in their proper form with the old one
//! as an address that only receives.
//!
//! The records of the sources stay as they are: what is proper is worked out when entries are made
//! of them, so that another word in the config needs no new import and nobody is joined with
//! somebody else because of a spelling. A proper form that somebody else has is a conflict.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claims::x500_line;
use super::clean::{Reason, clean, is_plain};
use super::store::{entry_of, lookup_key};
use super::x500::decapsulate;
use super::{Directory, Entry, Rules};
use crate::smtp::Mailbox;

/// What is done about addresses that platforms refuse (`directory.normalise`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalise {
    /// Nothing.
    Off,
    /// They are listed.
    #[default]
    Report,
    /// Their proper forms are used.
    Apply,
}

/// What became of an address that platforms refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Fate {
    /// The proper form is used, the old one only receives.
    Applied,
    /// It would be, with `normalise = "apply"`.
    Proposed,
    /// Somebody else has the proper form; nothing was changed.
    Taken {
        /// Who.
        by: String,
    },
    /// Nobody can say what the proper form is; nothing was changed.
    Unclear,
}

/// An address that platforms refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Normalised {
    /// The address of the entry that has it, as its sources say it.
    pub entry: String,
    /// As a source says it.
    pub before: String,
    /// As platforms take it; none when nobody can say.
    pub after: Option<String>,
    /// What is wrong with it.
    pub why: Vec<Reason>,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// An address that platforms refuse, and its proper form.
pub(super) struct Form<'a> {
    pub(super) before: &'a Mailbox,
    pub(super) after: Option<Mailbox>,
    pub(super) why: Vec<Reason>,
}

/// The addresses of one person that platforms refuse. Of several proper spellings the one counts
/// that the person has already.
pub(super) fn forms<'a>(
    addresses: &(impl Iterator<Item = &'a Mailbox> + Clone),
    rules: &Rules,
) -> Vec<Form<'a>> {
    let odd = addresses.clone().filter(|address| !is_plain(address));
    let form = |before: &'a Mailbox| {
        let found = clean(before, rules)?;
        let has = |spelling: &&Mailbox| {
            let key = lookup_key(spelling);
            addresses.clone().any(|own| lookup_key(own) == key)
        };
        let spellings = &found.spellings;
        let after = match spellings.as_slice() {
            [_, _, ..] => spellings.iter().find(has).or_else(|| spellings.first()),
            few => few.first(),
        };
        Some(Form {
            before,
            after: after.cloned(),
            why: found.why,
        })
    };
    odd.filter_map(form).collect()
}

fn forms_of<'a>(entry: &'a Entry, rules: &Rules) -> Vec<Form<'a>> {
    let addresses = [&entry.address].into_iter().chain(&entry.aliases);
    forms(&addresses, rules)
}

/// Proper forms that an entry claims beside its addresses: the key, and as it is written.
pub(super) fn proper_keys(entry: &Entry, rules: &Rules) -> Vec<(String, String)> {
    if rules.normalise != Normalise::Apply {
        return Vec::new();
    }
    let forms = forms_of(entry, rules).into_iter();
    let mut keys: Vec<(String, String)> = Vec::new();
    for after in forms.filter_map(|form| form.after) {
        let key = lookup_key(&after);
        let known = entry.addresses().any(|one| lookup_key(one) == key);
        if !known && keys.iter().all(|(other, _)| *other != key) {
            keys.push((key, after.to_string()));
        }
    }
    keys
}

/// Does an entry claim a key, as an address or as the proper form of one?
pub(super) fn claims_key(entry: &Entry, key: &str, rules: &Rules) -> bool {
    if key.starts_with("x500:") {
        return entry.x500.iter().any(|one| x500_line(one) == key);
    }
    entry.addresses().any(|address| lookup_key(address) == key)
        || proper_keys(entry, rules).iter().any(|(one, _)| one == key)
}

/// The entry by its proper addresses, without those that are `lost` to others.
pub(super) fn proper(entry: Entry, lost: Option<&Vec<String>>, rules: &Rules) -> Entry {
    let plain = is_plain(&entry.address) && entry.aliases.iter().all(is_plain);
    if plain || rules.normalise != Normalise::Apply {
        return entry;
    }
    let mut used: HashMap<String, Mailbox> = HashMap::new();
    for form in forms_of(&entry, rules) {
        let Some(after) = form.after else { continue };
        let key = lookup_key(&after);
        if lost.is_none_or(|lost| !lost.contains(&key)) {
            used.insert(form.before.to_string(), after);
        }
    }
    let mut old = Vec::new();
    let mut change = |address: Mailbox| match used.get(&address.to_string()) {
        Some(after) => {
            old.push(address);
            after.clone()
        }
        None => address,
    };
    let address = change(entry.address);
    let mut seen = vec![lookup_key(&address)];
    let mut once = |all: Vec<Mailbox>| {
        let mut kept = Vec::new();
        for one in all {
            let key = lookup_key(&one);
            if !seen.contains(&key) {
                seen.push(key);
                kept.push(one);
            }
        }
        kept
    };
    let aliases = once(entry.aliases.into_iter().map(&mut change).collect());
    old.splice(..0, entry.receive_only);
    let receive_only = once(old);
    Entry {
        address,
        aliases,
        receive_only,
        ..entry
    }
}

impl Directory {
    /// What is done about addresses that platforms refuse.
    #[must_use]
    pub fn normalise(&self) -> Normalise {
        self.rules.normalise
    }

    /// How platforms know the address of an entry that was asked for: those that only receive, and
    /// X.500 addresses, by the public one. `None`: as it stands.
    #[must_use]
    pub fn known_as(&self, entry: &Entry, asked: &Mailbox) -> Option<Mailbox> {
        let key = lookup_key(asked);
        let mut known = [&entry.address].into_iter().chain(&entry.aliases);
        if known.any(|one| lookup_key(one) == key) {
            return None;
        }
        let receives = |key: &str| entry.receive_only.iter().any(|one| lookup_key(one) == key);
        if receives(&key) || decapsulate(asked).is_some() {
            return Some(entry.address.clone());
        }
        let (local, domain) = key.rsplit_once('@')?;
        let separator = self.rules.tag_separator?;
        let (user, _) = local.split_once(separator)?;
        if !receives(&format!("{user}@{domain}")) {
            return None;
        }
        let written = asked.unquoted_local();
        let (_, tag) = written.split_once(separator)?;
        let (local, domain) = (entry.address.local(), entry.address.domain());
        format!("{local}{separator}{tag}@{domain}").parse().ok()
    }

    /// The addresses that platforms refuse, in the order of the entries.
    #[must_use]
    pub fn normalised(&self) -> Vec<Normalised> {
        let mut found = Vec::new();
        if self.rules.normalise == Normalise::Off {
            return found;
        }
        // Who would get a proper form that nobody has.
        let mut first: HashMap<String, String> = HashMap::new();
        for head in self.heads() {
            let Some(entry) = entry_of(&self.people, &self.chains, &self.rules, head) else {
                continue;
            };
            for form in forms_of(&entry, &self.rules) {
                let fate = self.fate((head, &entry), form.after.as_ref(), &mut first);
                found.push(Normalised {
                    entry: entry.address.to_string(),
                    before: form.before.to_string(),
                    after: form.after.map(|after| after.to_string()),
                    why: form.why,
                    fate,
                });
            }
        }
        found
    }

    fn fate(
        &self,
        (head, entry): (u32, &Entry),
        after: Option<&Mailbox>,
        first: &mut HashMap<String, String>,
    ) -> Fate {
        let Some(key) = after.map(lookup_key) else {
            return Fate::Unclear;
        };
        let own = entry.address.to_string();
        let applies = self.rules.normalise == Normalise::Apply;
        match self.owner(&key) {
            Some((owner, other)) if owner != head => {
                let by = other.address.to_string();
                Fate::Taken { by }
            }
            Some(_) if applies => Fate::Applied,
            Some(_) => Fate::Proposed,
            None => {
                let by = first.entry(key).or_insert_with(|| own.clone()).clone();
                if by == own {
                    Fate::Proposed
                } else {
                    Fate::Taken { by }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "normalise_tests.rs"]
pub(in crate::directory) mod tests;
