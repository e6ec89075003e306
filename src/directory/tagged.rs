//! Who is known by addresses that others make up.

use std::collections::BTreeMap;

use super::{Directory, FoundBy};
use crate::smtp::Mailbox;

impl Directory {
    /// How addresses with a tag begin (`ann+`) of one person in each of our domains, by the name of
    /// the domain. Domains are left out where nobody is known by a plain tag of so many bytes.
    #[must_use]
    pub fn tagged(&self, bytes: usize) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        if self.tag_separator().is_none() {
            return found;
        }
        let tag = "x".repeat(bytes);
        let domains = self.domains().count();
        for entry in self.entries() {
            if found.len() >= domains {
                break;
            }
            for address in entry.addresses() {
                let rule = self.domain(address.domain());
                let rule = rule.filter(|rule| !found.contains_key(&rule.name));
                let begin = rule.and_then(|rule| {
                    let begin = self.begin_of_tags(address, (&tag, &rule.name))?;
                    Some((rule.name.clone(), begin))
                });
                found.extend(begin);
            }
        }
        found
    }

    /// How the tags of `address` begin; `None`: it is not found by this one.
    fn begin_of_tags(&self, address: &Mailbox, (tag, domain): (&str, &str)) -> Option<String> {
        let begin = format!("{}{}", address.unquoted_local(), self.tag_separator()?);
        // Some local parts need quotes; some have a separator in them themselves.
        let tagged: Mailbox = format!("{begin}{tag}@{domain}").parse().ok()?;
        let (_, by) = self.find(&tagged)?;
        (by == FoundBy::Tag && tagged.is_ascii()).then_some(begin)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::directory::{Builder, Directory, DomainKind, DomainRule, Record, Rules, Unknown};
    use crate::mail::BackendId;

    fn directory(separator: Option<char>, people: &[&str]) -> Directory {
        let domain = |name: &str| DomainRule {
            name: name.to_owned(),
            kind: DomainKind::InternalRelay,
            home: BackendId::new("onprem"),
            failover: Vec::new(),
            unknown: Unknown::Reject,
        };
        let mut builder = Builder::new(Rules {
            tag_separator: separator,
            ..Rules::of(vec![domain("example.org"), domain("example.net")])
        });
        for person in people {
            builder.add(Record::new(person.parse().unwrap()));
        }
        builder.finish()
    }

    #[test]
    fn one_person_of_each_domain_is_named() {
        let tagged = |separator, people: &[&str]| -> Vec<String> {
            let found: BTreeMap<_, _> = directory(separator, people).tagged(28);
            let found = found.into_iter();
            found
                .map(|(domain, begin)| format!("{begin} {domain}"))
                .collect()
        };
        let people = ["far@foreign.example", "ann@example.org", "Bob@Example.org"];
        assert_eq!(tagged(Some('+'), &people), ["ann+ example.org"]);
        assert_eq!(tagged(Some('-'), &people), ["ann- example.org"]);
        assert!(tagged(None, &people).is_empty());
        let both = ["a@example.net", "ann@example.org", "b@example.net"];
        let expected = ["a+ example.net", "ann+ example.org"];
        assert_eq!(tagged(Some('+'), &both), expected);
    }

    #[test]
    fn who_cannot_be_named_so_is_passed_over() {
        let long = format!("{}@example.org", "l".repeat(240));
        for person in [
            "\"a b\"@example.org",
            "jörg@example.org",
            // Its tags begin as those of `c` do, whom nobody knows.
            "c+d@example.org",
            &long,
        ] {
            assert!(directory(Some('+'), &[person]).tagged(28).is_empty());
            let found = directory(Some('+'), &[person, "ann@example.org"]).tagged(28);
            let found: Vec<_> = found.into_values().collect();
            assert_eq!(found, ["ann+"], "{person}");
        }
    }
}
