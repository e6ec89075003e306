//! What an address is nearly: other case, one letter apart, known once. For people who ask, never
//! for the front door.

use std::time::Duration;

use super::generation;
use super::generations::{DirectoryError, Generations, beside};
use super::people::PackedChange;
use super::store::lookup_key;
use super::x500::x500_key;
use super::{Directory, Entry, Generation, Record};
use crate::limits;
use crate::smtp::Mailbox;

/// Letters of which one may be missing or wrong.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789.-_'";
/// Addresses that are named.
const NAMED: usize = 3;

/// Who had an address, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The address of the record that had it.
    pub entry: String,
    /// The source of the record.
    pub source: String,
    /// The generation that took it away.
    pub by: Generation,
}

impl Directory {
    /// How an address is written in the directory, whatever the case.
    #[must_use]
    pub fn in_any_case(&self, address: &Mailbox) -> Option<Mailbox> {
        let key = lookup_key(address);
        let (_, entry) = self.owner(&key)?;
        let mut all = entry.addresses();
        all.find(|one| lookup_key(one) == key).cloned()
    }

    /// Addresses of the same domain that are one letter apart, a few of them.
    #[must_use]
    pub fn one_letter_apart(&self, address: &Mailbox) -> Vec<String> {
        let key = lookup_key(address);
        let Some((local, domain)) = key.rsplit_once('@') else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for other in one_letter_off(local) {
            let key = format!("{other}@{domain}");
            if found.len() < NAMED && !found.contains(&key) && self.owner(&key).is_some() {
                found.push(key);
            }
        }
        found
    }

    /// Our domains that are one letter apart from a name, or of which it is a part.
    #[must_use]
    pub fn domains_near(&self, domain: &str) -> Vec<String> {
        let names = self.domains().map(|rule| rule.name.clone());
        let near = |name: &String| {
            let below = domain.strip_suffix(name.as_str());
            below.is_some_and(|rest| rest.ends_with('.')) || is_one_letter_off(domain, name)
        };
        names.filter(near).take(NAMED).collect()
    }

    /// People with an X.500 address that ends like this one: the same name, of another server.
    #[must_use]
    pub fn x500_near(&self, x500: &str) -> Vec<(Entry, String)> {
        let key = x500_key(x500);
        let Some(last) = key.rfind("/cn=").and_then(|at| key.get(at..)) else {
            return Vec::new();
        };
        let with = |entry: Entry| {
            let mut all = entry.x500.iter();
            let like = all.find(|one| x500_key(one).ends_with(last)).cloned()?;
            Some((entry, like))
        };
        self.entries().filter_map(with).take(NAMED).collect()
    }

    /// How long the route of somebody who departed lives on.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.rules.grace
    }

    /// What separates a tag.
    #[must_use]
    pub fn tag_separator(&self) -> Option<char> {
        self.rules.tag_separator
    }
}

/// All texts that are one letter apart: one missing, one too many, one wrong, two exchanged.
fn one_letter_off(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().take(limits::LOCAL_PART).collect();
    let with = |begin: &[char], middle: &[char], end: &[char]| {
        let all = begin.iter().chain(middle).chain(end);
        all.collect::<String>()
    };
    let mut found = Vec::new();
    for at in 0..=letters.len() {
        let (begin, end) = letters.split_at(at);
        if let Some((first, rest)) = end.split_first() {
            found.push(with(begin, &[], rest));
            if let Some((second, rest)) = rest.split_first() {
                found.push(with(begin, &[*second, *first], rest));
            }
        }
        for letter in LETTERS.chars() {
            found.push(with(begin, &[letter], end));
            if let Some((_, rest)) = end.split_first() {
                found.push(with(begin, &[letter], rest));
            }
        }
    }
    found.retain(|other| other != text);
    found
}

fn is_one_letter_off(one: &str, other: &str) -> bool {
    // Far apart in length, far apart in all.
    one.len().abs_diff(other.len()) <= 1
        && one_letter_off(one)
            .iter()
            .any(|near| near.as_str() == other)
}

impl Generations {
    /// Who had an address last and has it no more, as far as the last
    /// [`limits::EXPLAINED_GENERATIONS`] tell.
    ///
    /// # Errors
    /// When the log or its index fails.
    pub async fn once(&self, address: &Mailbox) -> Result<Option<Once>, DirectoryError> {
        let (this, key) = (self.clone(), lookup_key(address));
        beside(move || {
            let all = generation::list(this.spool())?;
            for generation in all.into_iter().rev().take(limits::EXPLAINED_GENERATIONS) {
                let delta = generation::delta(this.spool(), &generation)?;
                let mut changes = delta.changes.iter().filter_map(PackedChange::unpacked);
                let lost = changes.find(|change| {
                    has(change.before.as_ref(), &key) && !has(change.after.as_ref(), &key)
                });
                if let Some(record) = lost.as_ref().and_then(|change| change.before.as_ref()) {
                    return Ok(Some(Once {
                        entry: record.address.to_string(),
                        source: lost
                            .as_ref()
                            .map(|it| it.source.clone())
                            .unwrap_or_default(),
                        by: generation,
                    }));
                }
            }
            Ok(None)
        })
        .await
    }
}

fn has(record: Option<&Record>, key: &str) -> bool {
    record.is_some_and(|record| record.addresses().any(|one| lookup_key(one) == key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::generation_tests::{FORCE, House};
    use crate::directory::{Builder, FILE, Rules};

    #[test]
    fn one_letter_may_be_missing_wrong_or_exchanged() {
        for (one, other, near) in [
            ("anna", "ana", true),
            ("ana", "anna", true),
            ("anna", "anma", true),
            ("anna", "naan", false),
            ("anna", "nana", true),
            ("anna", "anna", false),
            ("anna", "an", false),
            ("", "a", true),
        ] {
            assert_eq!(is_one_letter_off(one, other), near, "{one} {other}");
        }
    }

    #[test]
    fn near_addresses_are_of_the_same_domain_and_few() {
        let mut builder = Builder::new(Rules::default());
        for text in [
            "a@x.example",
            "b@x.example",
            "c@x.example",
            "d@x.example",
            "a@y.example",
        ] {
            builder.add(Record::new(text.parse().unwrap()));
        }
        let directory = builder.finish();
        let near = directory.one_letter_apart(&"e@x.example".parse().unwrap());
        assert_eq!(near.len(), NAMED);
        assert!(
            near.iter().all(|one| one.ends_with("@x.example")),
            "{near:?}"
        );
    }

    #[tokio::test]
    async fn who_had_an_address_last_is_found() {
        let house = House::new();
        let first = "address,aliases\nann@example.org,info@example.org\nbob@example.org,\n";
        let two = "address,aliases\nann@example.org,\nbob@example.org,info@example.org\n";
        let three = "address,aliases\nann@example.org,\n";
        let four = "address,aliases\nann@example.org,a@example.org\n";
        for text in [first, two, three, four] {
            house.import(FILE, text, FORCE).await.unwrap();
        }
        let once = async |text: &str| {
            let address = text.parse().unwrap();
            let found = house.generations.once(&address).await.unwrap();
            found.map(|once| (once.entry, once.by.number))
        };
        let bob = Some(("bob@example.org".to_owned(), 3));
        assert_eq!(once("Info@example.org").await, bob);
        assert_eq!(once("bob@example.org").await, bob);
        assert_eq!(once("ann@example.org").await, None);
        assert_eq!(once("eve@example.org").await, None);
    }
}
