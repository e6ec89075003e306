//! An object of the directory, with the attributes that were asked for.

use std::collections::BTreeMap;

/// An object of the directory, with the attributes that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Which search found it; those are numbered from 0.
    pub search: usize,
    /// Its distinguished name.
    pub dn: String,
    /// Values by the name of the attribute, which is in lower case and without options.
    pub attributes: BTreeMap<String, Vec<Vec<u8>>>,
    /// Attributes of which there are more values, each with the number of the first of them.
    pub more: BTreeMap<String, u64>,
}

impl Object {
    /// All values that are text, of an attribute in lower case.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.attributes.get(name).into_iter().flatten();
        let texts = values.filter_map(|value| std::str::from_utf8(value).ok());
        texts.map(str::trim).filter(|text| !text.is_empty())
    }

    /// The first value that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// The first value as it is.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.attributes
            .get(name)?
            .first()
            .map(Vec::as_slice)
            .filter(|value| !value.is_empty())
    }

    /// Takes values over. `description` is the attribute as the server names it.
    pub(super) fn add(&mut self, description: &str, values: Vec<Vec<u8>>) {
        let Some((name, range)) = described(description) else {
            return;
        };
        self.more.remove(&name);
        if let Some(next) = range {
            self.more.insert(name.clone(), next);
        }
        self.attributes.entry(name).or_default().extend(values);
    }
}

/// The name of an attribute, and with which value the next part of it begins. `None`: a variant
/// that nobody asked for, such as `displayName;lang-de`.
fn described(description: &str) -> Option<(String, Option<u64>)> {
    let lower = description.to_ascii_lowercase();
    let mut parts = lower.split(';');
    let name = parts.next()?.to_owned();
    let Some(option) = parts.next() else {
        return Some((name, None));
    };
    // Active Directory gives at most 1,500 values at a time: `member;range=0-1499`, and at the
    // end `member;range=1500-*` ([MS-ADTS] 3.1.1.3.1.3.3).
    let (_, last) = option.strip_prefix("range=")?.split_once('-')?;
    if last == "*" {
        return Some((name, None));
    }
    let last: u64 = last.parse().ok()?;
    Some((name, Some(last.checked_add(1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_values_are_put_together() {
        let mut group = Object::default();
        group.add("member;range=0-1", vec![b"a".to_vec(), b"b".to_vec()]);
        group.add("displayName", vec![b"All".to_vec()]);
        group.add("displayName;lang-de", vec![b"Alle".to_vec()]);
        assert_eq!(group.more.get("member"), Some(&2));
        group.add("member;range=2-*", vec![b"c".to_vec()]);
        assert!(group.more.is_empty());
        let members: Vec<&str> = group.texts("member").collect();
        assert_eq!(members, ["a", "b", "c"]);
        assert_eq!(group.text("displayname"), Some("All"));
    }

    #[test]
    fn a_range_that_makes_no_sense_is_left_alone() {
        for odd in ["member;range=", "member;range=0", "member;range=0-x"] {
            assert_eq!(described(odd), None, "{odd}");
        }
        let last = format!("member;range=0-{}", u64::MAX);
        assert_eq!(described(&last), None);
    }
}
