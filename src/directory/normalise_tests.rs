use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::directory::{Builder, Conflict, DomainKind, DomainRule, FoundBy, Record, Unknown};
use crate::mail::BackendId;

pub(in crate::directory) fn rules(normalise: Normalise) -> Rules {
    Rules {
        normalise,
        ..Rules::of(vec![DomainRule {
            name: "example.org".to_owned(),
            kind: DomainKind::InternalRelay,
            home: BackendId::new("onprem"),
            failover: Vec::new(),
            unknown: Unknown::Reject,
        }])
    }
}

fn directory(normalise: Normalise, people: &[(&str, &[&str])]) -> Directory {
    let mut builder = Builder::new(rules(normalise));
    for (address, aliases) in people {
        let mut record = Record::new(address.parse().unwrap());
        record.aliases = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
        builder.add(record);
    }
    builder.finish()
}

pub(in crate::directory) fn found(directory: &Directory, address: &str) -> Option<String> {
    let (entry, by) = directory.find(&address.parse().unwrap())?;
    assert_eq!(by, FoundBy::Address);
    Some(entry.address.to_string())
}

fn texts(addresses: &[Mailbox]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// What is listed: before, after, state.
fn listed(directory: &Directory) -> Vec<(String, String, Fate)> {
    let all = directory.normalised().into_iter();
    all.map(|one| (one.before, one.after.unwrap_or_default(), one.fate))
        .collect()
}

const MUELLER: &[(&str, &[&str])] = &[("müller@example.org", &["a..m@example.org"])];

#[test]
fn by_default_nothing_changes_and_all_is_listed() {
    let directory = directory(Normalise::default(), MUELLER);
    assert_eq!(
        found(&directory, "müller@example.org").unwrap(),
        "müller@example.org"
    );
    assert_eq!(found(&directory, "mueller@example.org"), None);
    let proposed = |before: &str, after: &str| (before.into(), after.into(), Fate::Proposed);
    assert_eq!(
        listed(&directory),
        [
            proposed("müller@example.org", "mueller@example.org"),
            proposed("a..m@example.org", "a.m@example.org"),
        ]
    );
    assert_eq!(listed(&self::directory(Normalise::Off, MUELLER)), []);
}

#[test]
fn the_proper_form_is_used_and_the_old_one_receives() {
    let directory = directory(Normalise::Apply, MUELLER);
    for asked in [
        "müller@example.org",
        "mueller@example.org",
        "a..m@example.org",
        "A.M@example.org",
    ] {
        assert_eq!(
            found(&directory, asked).unwrap(),
            "mueller@example.org",
            "{asked}"
        );
    }
    // The plain spelling is a guess that nobody asked for.
    assert_eq!(found(&directory, "muller@example.org"), None);
    let entry = directory.entries().next().unwrap();
    assert_eq!(texts(&entry.aliases), ["a.m@example.org"]);
    assert_eq!(
        texts(&entry.receive_only),
        ["müller@example.org", "a..m@example.org"]
    );
    assert!(
        listed(&directory)
            .iter()
            .all(|(_, _, fate)| *fate == Fate::Applied)
    );
    let (told, _) = directory
        .provenance(&"müller@example.org".parse().unwrap())
        .unwrap();
    assert_eq!(told, entry);
}

#[test]
fn the_spelling_that_somebody_has_already_counts() {
    let directory = directory(
        Normalise::Apply,
        &[(
            "müller@example.org",
            &["muller@example.org", "\"müller\"@example.org"],
        )],
    );
    let entry = directory.entries().next().unwrap();
    assert_eq!(entry.address.to_string(), "muller@example.org");
    assert_eq!(texts(&entry.aliases), [""; 0]);
    assert_eq!(texts(&entry.receive_only), ["müller@example.org"]);
    assert!(directory.conflicts().is_empty());
}

fn conflict(directory: &Directory) -> &Conflict {
    match directory.conflicts() {
        [one] => one,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_people_never_become_one() {
    // Whoever has the address keeps it, wherever he stands in the file.
    for people in [
        [
            ("müller@example.org", &[][..]),
            ("mueller@example.org", &[]),
        ],
        [("mueller@example.org", &[]), ("müller@example.org", &[])],
    ] {
        let directory = directory(Normalise::Apply, &people);
        assert_eq!(
            found(&directory, "mueller@example.org").unwrap(),
            "mueller@example.org"
        );
        assert_eq!(
            found(&directory, "müller@example.org").unwrap(),
            "müller@example.org"
        );
        let conflict = conflict(&directory);
        assert_eq!(conflict.address, "mueller@example.org");
        assert_eq!(conflict.owner, "mueller@example.org");
        assert_eq!(conflict.claimant, "müller@example.org");
        let by = "mueller@example.org".to_owned();
        assert_eq!(listed(&directory)[0].2, Fate::Taken { by });
    }
    // Of two that become the same, the second one stays as it is.
    let two: &[(&str, &[&str])] = &[("a..b@example.org", &[]), (".a.b@example.org", &[])];
    let applied = directory(Normalise::Apply, two);
    assert_eq!(
        found(&applied, "a.b@example.org").unwrap(),
        "a.b@example.org"
    );
    assert_eq!(
        found(&applied, "a..b@example.org").unwrap(),
        "a.b@example.org"
    );
    assert_eq!(
        found(&applied, ".a.b@example.org").unwrap(),
        ".a.b@example.org"
    );
    assert_eq!(conflict(&applied).owner, "a..b@example.org");
    let reported = directory(Normalise::Report, two);
    assert!(reported.conflicts().is_empty());
    let by = "a..b@example.org".to_owned();
    assert_eq!(listed(&reported)[1].2, Fate::Taken { by });
}

#[test]
fn what_nobody_can_say_stays() {
    let directory = directory(Normalise::Apply, &[("иван@example.org", &[])]);
    assert_eq!(
        found(&directory, "иван@example.org").unwrap(),
        "иван@example.org"
    );
    assert_eq!(listed(&directory)[0].2, Fate::Unclear);
}

fn local() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a.b",
        "a..b",
        ".a.b",
        "a.b.",
        "mueller",
        "müller",
        "mu\u{308}ller",
        "muller",
        "\"a b\"",
        "a_b",
        "a\u{200b}.b",
        "\"a.b\"",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn every_address_leads_where_it_led_before(
        people in prop::collection::vec((local(), prop::collection::vec(local(), 0..3)), 1..6),
    ) {
        let people: Vec<(String, Vec<String>)> = people
            .into_iter()
            .map(|(own, others)| {
                let at = |local: String| format!("{local}@example.org");
                (at(own), others.into_iter().map(at).collect())
            })
            .collect();
        let filled = |normalise| {
            let mut builder = Builder::new(rules(normalise));
            for (number, (own, others)) in people.iter().enumerate() {
                let mut record = Record::new(own.parse().unwrap());
                record.aliases = others.iter().map(|one| one.parse().unwrap()).collect();
                record.name = number.to_string();
                builder.add(record);
            }
            builder.finish()
        };
        let (before, after) = (filled(Normalise::Report), filled(Normalise::Apply));
        let name = |directory: &Directory, address: &str| {
            directory.find(&address.parse().unwrap()).map(|(entry, _)| entry.name)
        };
        // Nobody loses an address to anybody, and nobody is two.
        for (own, others) in &people {
            for address in others.iter().chain([own]) {
                prop_assert_eq!(name(&before, address), name(&after, address), "{}", address);
            }
        }
        prop_assert_eq!(before.len(), after.len());
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for entry in after.entries() {
            for address in entry.addresses() {
                let key = lookup_key(address);
                let leads = name(&after, &address.to_string());
                prop_assert_eq!(leads, Some(entry.name.clone()), "{}", address);
                let other = owners.insert(key, entry.name.clone());
                let same = other.is_none_or(|other| other == entry.name);
                prop_assert!(same, "{} of two", address);
            }
        }
        // What is left to refuse is refused for a reason that is told.
        let all = after.normalised();
        prop_assert!(all.iter().all(|one| one.fate != Fate::Proposed), "{:?}", all);
    }
}

fn known_as(directory: &Directory, asked: &str) -> Option<String> {
    let asked = asked.parse().unwrap();
    let (entry, _) = directory.find(&asked)?;
    let known = directory.known_as(&entry, &asked);
    known.map(|address| address.to_string())
}

#[test]
fn platforms_never_see_an_old_form() {
    let mut builder = Builder::new(rules(Normalise::Apply));
    let mut record = Record::new("müller@example.org".parse().unwrap());
    record.aliases = vec!["m@example.org".parse().unwrap()];
    record.x500 = vec!["/o=Org/cn=M".to_owned()];
    builder.add(record);
    let directory = builder.finish();
    for (asked, known) in [
        ("müller@example.org", Some("mueller@example.org")),
        ("MÜLLER@example.org", Some("mueller@example.org")),
        (
            "müller+Shop+x@example.org",
            Some("mueller+Shop+x@example.org"),
        ),
        (
            "IMCEAEX-_o=Org_cn=M@example.org",
            Some("mueller@example.org"),
        ),
        ("mueller@example.org", None),
        ("mueller+shop@example.org", None),
        ("m@example.org", None),
    ] {
        assert_eq!(known_as(&directory, asked).as_deref(), known, "{asked}");
    }
}
