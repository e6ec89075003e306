//! Every key that is in force, with its value and its line: what the file says, and what holds
//! where it says nothing. Of what may be a secret only a print is kept.

use std::collections::BTreeMap;

use super::notes::{Print, Seen};
use super::reader::Source;
use super::reference::{Row, Usual, rows};
use crate::admin::{ConfigChange, ConfigKey, ConfigOrigin, ConfigSection};

/// What a config says, for people.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// All sections.
    pub sections: Vec<ConfigSection>,
    /// By section and key.
    secrets: BTreeMap<(String, String), Print>,
    /// Of the whole file.
    file: Print,
}

impl Listing {
    /// What a file says that was read to its end.
    pub(super) fn of(source: &Source<'_>) -> Self {
        let mut listing = Self {
            file: Print::of(source.whole()),
            ..Self::default()
        };
        let rows = rows();
        let seen = source.seen();
        if let Some(root) = seen.first() {
            let walk = Walk {
                rows: &rows,
                seen: &seen,
            };
            walk.below((root, Some(0)), &mut listing);
        }
        listing
    }

    /// Is this the text that was read?
    #[must_use]
    pub fn is_of(&self, text: &str) -> bool {
        self.file == Print::of(text)
    }

    /// Names the text that was read to somebody who may not know what secrets are in it: who does
    /// not know `salt` cannot try them.
    #[must_use]
    pub fn mark(&self, salt: &[u8]) -> String {
        self.file.mark(salt)
    }

    /// What another listing says otherwise, in the order of the sections.
    #[must_use]
    pub fn changes(&self, to: &Self) -> Vec<ConfigChange> {
        let mut changes = Vec::new();
        let all = to.sections.iter();
        let gone = |section: &&ConfigSection| to.section(&section.title).is_none();
        for section in all.chain(self.sections.iter().filter(gone)) {
            let (runs, says) = (self.section(&section.title), to.section(&section.title));
            for key in &section.keys {
                let find = |section: Option<&'_ ConfigSection>| {
                    let keys = &section?.keys;
                    keys.iter().find(|one| one.name == key.name).cloned()
                };
                let (runs, says) = (find(runs), find(says));
                let place = (section.title.clone(), key.name.clone());
                let secrets = (self.secrets.get(&place), to.secrets.get(&place));
                changes.extend(change(place, (runs, says), secrets));
            }
        }
        changes
    }

    fn section(&self, title: &str) -> Option<&ConfigSection> {
        self.sections.iter().find(|section| section.title == title)
    }
}

/// `None`: it is the same. What is not in a file is no change of a section that comes or goes.
fn change(
    (section, key): (String, String),
    (runs, says): (Option<ConfigKey>, Option<ConfigKey>),
    secrets: (Option<&Print>, Option<&Print>),
) -> Option<ConfigChange> {
    let is_same = match (&runs, &says) {
        (Some(runs), Some(says)) => {
            (&runs.value, runs.from == ConfigOrigin::Unset)
                == (&says.value, says.from == ConfigOrigin::Unset)
        }
        (Some(one), None) | (None, Some(one)) => one.from != ConfigOrigin::File,
        (None, None) => true,
    };
    if is_same && secrets.0 == secrets.1 {
        return None;
    }
    let text = |key: &ConfigKey| match key.from {
        ConfigOrigin::Unset => "not set".to_owned(),
        ConfigOrigin::File | ConfigOrigin::Default | ConfigOrigin::Words => key.value.clone(),
    };
    Some(ConfigChange {
        section,
        key,
        runs: runs.as_ref().map(text),
        says: says.as_ref().map(text),
        line: says.and_then(|key| key.line),
    })
}

/// From section to section, in the order of the reference.
struct Walk<'a> {
    rows: &'a [Row],
    seen: &'a [Seen],
}

impl Walk<'_> {
    /// The sections within one; `number` of it, unless it is not in the file.
    fn below(&self, (parent, number): (&Seen, Option<usize>), listing: &mut Listing) {
        for row in self.children(&parent.generic) {
            if !self.is_section(&row.key) {
                continue;
            }
            let named = format!("{}.NAME", row.key);
            let seen = self.seen.iter().enumerate();
            let mut here: Vec<(usize, &Seen)> = seen
                .filter(|(_, one)| number.is_some() && one.parent == number)
                .filter(|(_, one)| one.generic == row.key || one.generic == named)
                .collect();
            here.sort_by_key(|(_, one)| one.line);
            for (number, section) in &here {
                self.list(section, listing);
                self.below((section, Some(*number)), listing);
            }
            if here.is_empty() && self.holds_anyway(row) {
                let name = row.key.rsplit('.').next().unwrap_or_default();
                let path = match parent.path.as_str() {
                    "" => name.to_owned(),
                    path => format!("{path}.{name}"),
                };
                let section = Seen {
                    path,
                    generic: row.key.clone(),
                    ..Seen::default()
                };
                self.list(&section, listing);
                self.below((&section, None), listing);
            }
        }
    }

    fn list(&self, section: &Seen, listing: &mut Listing) {
        let title = match section.place {
            Some(place) => format!("[[{}]] {place}", section.path),
            None => format!("[{}]", section.path),
        };
        let rows = self.children(&section.generic);
        let rows = rows.filter(|row| !self.is_section(&row.key));
        let keys = rows.map(|row| {
            let name = row.key.rsplit('.').next().unwrap_or_default();
            if let Some(print) = section.keys.get(name).and_then(|key| key.secret) {
                let place = (title.clone(), name.to_owned());
                listing.secrets.insert(place, print);
            }
            key(section, row, name)
        });
        let keys = keys.collect();
        listing.sections.push(ConfigSection {
            keys,
            line: (section.line > 0).then_some(section.line),
            title,
        });
    }

    /// The rows right below a section.
    fn children(&self, generic: &str) -> impl Iterator<Item = &Row> {
        let prefix = match generic {
            "" => String::new(),
            generic => format!("{generic}."),
        };
        let rows = self.rows.iter();
        rows.filter(move |row| {
            let name = row.key.strip_prefix(&prefix);
            name.is_some_and(|name| !name.contains('.'))
        })
    }

    fn is_section(&self, key: &str) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| {
            row.key
                .strip_prefix(key)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// Do its keys count when it is not there? Not when it is something that has to be wanted.
    fn holds_anyway(&self, row: &Row) -> bool {
        let mut keys = self.children(&row.key).peekable();
        row.usual == Usual::Nothing
            && keys.peek().is_some()
            && keys.all(|key| key.usual != Usual::Needed)
    }
}

fn key(section: &Seen, row: &Row, name: &str) -> ConfigKey {
    let seen = section.keys.get(name);
    let (value, from) = match (seen, section.usual.get(name), &row.usual) {
        (Some(seen), _, _) => (seen.shown.clone(), ConfigOrigin::File),
        (None, Some(usual), _) => (usual.clone(), ConfigOrigin::Default),
        (None, None, Usual::Value(value)) => (value.clone(), ConfigOrigin::Default),
        (None, None, Usual::Words(words)) => (words.clone(), ConfigOrigin::Words),
        (None, None, Usual::Nothing | Usual::Needed) => (String::new(), ConfigOrigin::Unset),
    };
    ConfigKey {
        name: name.to_owned(),
        value,
        from,
        line: seen.map(|seen| seen.line),
        meaning: row.meaning.clone(),
    }
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
