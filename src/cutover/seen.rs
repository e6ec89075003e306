//! What several resolvers say of one name, side by side.

use std::time::Duration;

use crate::net::{Answer, DnsError, Record};

/// What one of them says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// There are records.
    Records(Answer),
    /// It knows that there are none.
    Nothing,
    /// It did not answer, and why: nothing is known.
    Silent(String),
}

impl From<Result<Answer, DnsError>> for Found {
    fn from(result: Result<Answer, DnsError>) -> Self {
        match result {
            Ok(answer) => Self::Records(answer),
            Err(DnsError::NoSuchName | DnsError::NoRecords) => Self::Nothing,
            Err(DnsError::Temporary(why)) => Self::Silent(why),
        }
    }
}

impl Found {
    /// The records; none when there are none or nobody knows.
    pub(super) fn records(&self) -> &[Record] {
        match self {
            Self::Records(answer) => &answer.records,
            Self::Nothing | Self::Silent(_) => &[],
        }
    }

    /// The same with records of one kind only: a name may have texts of many services.
    fn narrowed(self, wanted: impl Fn(&Record) -> bool) -> Self {
        match self {
            Self::Records(mut answer) => {
                answer.records.retain(wanted);
                if answer.records.is_empty() {
                    Self::Nothing
                } else {
                    Self::Records(answer)
                }
            }
            other @ (Self::Nothing | Self::Silent(_)) => other,
        }
    }
}

/// One who was asked, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) resolver: String,
    /// Is it a server of the zone, which knows what is true now?
    pub(super) authoritative: bool,
    pub(super) found: Found,
}

/// Keeps the records that are meant.
pub(super) fn narrowed(seen: Vec<Seen>, wanted: impl Fn(&Record) -> bool) -> Vec<Seen> {
    let each = seen.into_iter().map(|it| Seen {
        found: it.found.narrowed(&wanted),
        ..it
    });
    each.collect()
}

/// Those who say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group<'s> {
    pub(super) by: Vec<&'s str>,
    /// Empty: they know that there are none.
    pub(super) records: &'s [Record],
    /// How long the last of them may keep it.
    pub(super) ttl: Duration,
    pub(super) authoritative: bool,
}

impl Group<'_> {
    /// `10 mx.example.org, 20 mx2.example.org`.
    pub(super) fn shown(&self) -> String {
        let records: Vec<_> = self.records.iter().map(ToString::to_string).collect();
        records.join(", ")
    }
}

/// What is taken to be true, who says otherwise, and who says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Views<'s> {
    /// `None`: nobody answered.
    pub(super) current: Option<Group<'s>>,
    pub(super) others: Vec<Group<'s>>,
    pub(super) silent: Vec<&'s str>,
}

/// Sorts the answers: the servers of the zone are right; without one of them most of the others
/// are, and among as many the first one.
pub(super) fn views(seen: &[Seen]) -> Views<'_> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut silent = Vec::new();
    for it in seen {
        let (records, ttl) = match &it.found {
            Found::Records(answer) => (answer.records.as_slice(), answer.ttl),
            Found::Nothing => (&[][..], Duration::ZERO),
            Found::Silent(_) => {
                silent.push(it.resolver.as_str());
                continue;
            }
        };
        let at = groups.iter().position(|group| group.records == records);
        if let Some(group) = at.and_then(|at| groups.get_mut(at)) {
            group.by.push(&it.resolver);
            group.ttl = group.ttl.max(ttl);
            group.authoritative |= it.authoritative;
        } else {
            groups.push(Group {
                by: vec![&it.resolver],
                records,
                ttl,
                authoritative: it.authoritative,
            });
        }
    }
    // A stable sort: among equals the one that was asked first.
    groups.sort_by_key(|group| std::cmp::Reverse((group.authoritative, group.by.len())));
    let mut groups = groups.into_iter();
    Views {
        current: groups.next(),
        others: groups.collect(),
        silent,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn text(text: &str) -> Record {
        Record::Text(text.to_owned())
    }

    pub(in super::super) fn seen(resolver: &str, texts: &[&str], minutes: u64) -> Seen {
        let found = if texts.is_empty() {
            Found::Nothing
        } else {
            Found::Records(Answer {
                records: texts.iter().copied().map(text).collect(),
                ttl: Duration::from_secs(minutes * 60),
                alias: false,
            })
        };
        Seen {
            resolver: resolver.to_owned(),
            authoritative: resolver.starts_with("ns"),
            found,
        }
    }

    fn silent(resolver: &str) -> Seen {
        Seen {
            found: Found::Silent("no answer in time".to_owned()),
            ..seen(resolver, &[], 0)
        }
    }

    #[test]
    fn the_zone_is_right_and_without_it_most_are() {
        let old = [seen("a", &["old"], 41), seen("b", &["old"], 7)];
        let new = [seen("c", &["new"], 60), silent("d")];
        let all: Vec<Seen> = old.iter().chain(&new).cloned().collect();
        let found = views(&all);
        let current = found.current.unwrap();
        assert_eq!(
            (current.shown().as_str(), current.by),
            ("old", vec!["a", "b"])
        );
        assert_eq!(current.ttl, Duration::from_secs(41 * 60));
        assert_eq!(found.others.len(), 1);
        assert_eq!(found.silent, ["d"]);

        let with_zone: Vec<Seen> = all.into_iter().chain([seen("ns1", &["new"], 60)]).collect();
        let found = views(&with_zone);
        assert_eq!(found.current.unwrap().shown(), "new");
        assert_eq!(found.others[0].by, ["a", "b"]);
    }

    #[test]
    fn who_says_nothing_does_not_say_that_there_is_nothing() {
        let all = [silent("a"), silent("b")];
        let found = views(&all);
        assert_eq!(found.current, None);
        assert_eq!(found.silent, ["a", "b"]);
        let all = [silent("a"), seen("b", &[], 0)];
        let current = views(&all).current.unwrap();
        assert!(current.records.is_empty());
        assert_eq!(Found::from(Err(DnsError::NoSuchName)), Found::Nothing);
        let broken = Err(DnsError::Temporary("SERVFAIL".to_owned()));
        assert_eq!(Found::from(broken), Found::Silent("SERVFAIL".to_owned()));
    }

    #[test]
    fn only_the_texts_that_are_meant_are_compared() {
        let all = vec![
            seen("a", &["site=1", "v=x"], 1),
            seen("b", &["v=x"], 1),
            seen("c", &["y"], 1),
        ];
        let all = narrowed(
            all,
            |it| matches!(it, Record::Text(text) if text.starts_with("v=")),
        );
        let found = views(&all);
        assert_eq!(found.current.unwrap().by, ["a", "b"]);
        assert!(found.others[0].records.is_empty());
    }
}
