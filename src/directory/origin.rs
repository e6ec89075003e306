//! Which record of a source says who somebody is, for who has to find him there again.

use super::join::place;
use super::record::HAND;
use super::store::lookup_key;
use super::{Directory, Entry, FoundBy};
use crate::smtp::Mailbox;

impl Directory {
    /// Whose address this is, and the source that says who he is, with the id of his record there.
    /// `None` when nobody has exactly this address, tags and X.500 left aside, and when that source
    /// does not name him any more.
    #[must_use]
    pub fn named(&self, address: &Mailbox) -> Option<(Entry, String, String)> {
        let (entry, FoundBy::Address) = self.find(address)? else {
            return None;
        };
        let (head, _) = self.owner(&lookup_key(address))?;
        let slots = self.chains.records(head);
        let slots = slots.filter_map(|number| self.people.slots.get(place(number)));
        let known = slots.filter(|slot| self.people.source_name(slot) != HAND);
        // The first of the lowest is the one that says who it is, as in `said_of`.
        let leading = known.min_by_key(|slot| self.rules.rank(self.people.source_name(slot)))?;
        let name = self.people.source_name(leading);
        if !self.rules.makes_people(name) || !leading.is_living() {
            return None;
        }
        let (id, _) = leading.record()?;
        Some((entry, name.to_owned(), id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::people::{Change, Delta, PackedChange, People};
    use crate::directory::{DomainKind, DomainRule, Record, Rules, Unknown};
    use crate::mail::BackendId;

    /// A directory of what sources say.
    fn directory(said: &[(&str, &str, &str, &[&str])], rules: Rules) -> Directory {
        Directory::build(people(said), std::sync::Arc::new(rules), None)
    }

    fn people(said: &[(&str, &str, &str, &[&str])]) -> People {
        let changes = said.iter().map(|(source, id, address, aliases)| {
            let mut record = Record::new(address.parse().unwrap());
            record.aliases = aliases.iter().map(|one| one.parse().unwrap()).collect();
            PackedChange::new(Change {
                source: (*source).to_owned(),
                id: (*id).to_owned(),
                before: None,
                after: Some(record),
            })
            .unwrap()
        });
        let mut people = People::default();
        let mut finder = people.finder();
        let delta = Delta {
            changes: changes.collect(),
            rulings: Vec::new(),
        };
        people.apply(&delta, crate::base::Timestamp::default(), &mut finder);
        people
    }

    fn rules() -> Rules {
        Rules {
            order: vec!["ad".to_owned(), "cloud".to_owned()],
            ..Rules::of(vec![DomainRule {
                name: "example.org".to_owned(),
                kind: DomainKind::InternalRelay,
                home: BackendId::new("onprem"),
                failover: Vec::new(),
                unknown: Unknown::Relay,
            }])
        }
    }

    fn id(directory: &Directory, source: &str, address: &str) -> Option<String> {
        let (_, name, id) = directory.named(&address.parse().unwrap())?;
        (name == source).then_some(id)
    }

    #[test]
    fn it_is_the_record_that_says_who_somebody_is() {
        let directory = directory(
            &[
                ("ad", "1", "ann@example.org", &["archer@example.org"]),
                ("cloud", "7", "ann@example.org", &["a@example.org"]),
                ("cloud", "8", "bob@example.org", &[]),
                (HAND, "ann@example.org", "ann@example.org", &[]),
            ],
            rules(),
        );
        for address in ["ann@example.org", "ARCHER@example.org", "a@example.org"] {
            assert_eq!(id(&directory, "ad", address).as_deref(), Some("1"));
            assert_eq!(id(&directory, "cloud", address), None, "{address}");
        }
        assert_eq!(id(&directory, "cloud", "bob@example.org").unwrap(), "8");
        for nobody in [
            "ann+shop@example.org",
            "eve@example.org",
            "ann@elsewhere.example",
        ] {
            assert_eq!(id(&directory, "ad", nobody), None, "{nobody}");
        }
    }

    /// In whatever order the sources spoke.
    #[test]
    fn the_first_record_of_a_holder_is_the_one_that_says_who_it_is() {
        let (ad, cloud) = (
            ("ad", "1", "ann@example.org", &[][..]),
            ("cloud", "7", "ann@example.org", &[][..]),
        );
        for said in [[ad, cloud], [cloud, ad]] {
            let mut people = people(&said);
            for (departed, first) in [(None, "ad/1"), (Some("ad"), "cloud/7")] {
                let gone = departed.map(|_| crate::base::Timestamp::from_millis(1));
                let place = usize::from(said[0].0 != "ad");
                people.slots[place].departed = gone;
                let directory = Directory::build(people.clone(), rules().into(), None);
                let holder = directory.holder(&"ann@example.org".parse().unwrap());
                assert_eq!(holder.unwrap().records[0].name, first, "{said:?}");
            }
        }
    }

    #[test]
    fn a_foreign_address_in_a_record_changes_nothing() {
        let directory = directory(
            &[
                ("ad", "1", "ann@example.org", &["archer@example.org"]),
                ("ad", "2", "ann@example.org", &[]),
                (
                    "ad",
                    "3",
                    "eve@example.org",
                    &["ann@example.org", "archer@example.org"],
                ),
            ],
            rules(),
        );
        assert_eq!(id(&directory, "ad", "ann@example.org").unwrap(), "1");
        assert_eq!(id(&directory, "ad", "archer@example.org").unwrap(), "1");
        assert_eq!(id(&directory, "ad", "eve@example.org").unwrap(), "3");
    }

    #[test]
    fn a_source_that_only_adds_says_of_nobody_who_he_is() {
        let adding = Rules {
            adding: ["ad".to_owned()].into(),
            ..rules()
        };
        let said: &[(&str, &str, &str, &[&str])] = &[
            ("ad", "1", "ann@example.org", &[]),
            ("cloud", "7", "ann@example.org", &[]),
        ];
        assert_eq!(id(&directory(said, adding), "ad", "ann@example.org"), None);
    }

    #[test]
    fn who_is_gone_from_the_source_is_not_found_by_it() {
        let mut people = people(&[
            ("ad", "1", "ann@example.org", &[]),
            ("ad", "2", "bob@example.org", &[]),
        ]);
        people.slots[0].departed = Some(crate::base::Timestamp::from_millis(1));
        let directory = Directory::build(people, std::sync::Arc::new(rules()), None);
        assert!(
            directory
                .find(&"ann@example.org".parse().unwrap())
                .is_some()
        );
        assert_eq!(id(&directory, "ad", "ann@example.org"), None);
        assert_eq!(id(&directory, "ad", "bob@example.org").unwrap(), "2");
    }
}
