//! Persons whom several sources know: one entry, one owner for each address.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::generation_tests::{CAREFUL, FORCE, House, note};
use super::people::{Change, Delta, PackedChange, People};
use super::*;
use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

fn address(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn rules(order: &[&str]) -> Rules {
    let mut rules = Rules::of(vec![DomainRule {
        name: "example.org".to_owned(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new("onprem"),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    }]);
    rules.order = order.iter().map(|&name| name.to_owned()).collect();
    rules
}

fn record(own: &str, change: impl FnOnce(&mut Record)) -> Record {
    let mut record = Record::new(address(own));
    change(&mut record);
    record
}

fn home(name: &str) -> Option<BackendId> {
    (!name.is_empty()).then(|| BackendId::new(name))
}

/// A directory of what sources say.
fn directory(rules: &Rules, said: &[(&str, &str, Record)]) -> Directory {
    let changes = said.iter().map(|(source, id, record)| {
        PackedChange::new(Change {
            source: (*source).to_owned(),
            id: (*id).to_owned(),
            before: None,
            after: Some(record.clone()),
        })
        .unwrap()
    });
    let delta = Delta {
        changes: changes.collect(),
        rulings: Vec::new(),
    };
    let mut people = People::default();
    let mut finder = people.finder();
    people.apply(&delta, Timestamp::EPOCH, &mut finder);
    Directory::build(people, Arc::new(rules.clone()), None)
}

fn hybrid() -> [(&'static str, &'static str, Record); 3] {
    [
        (
            "ad",
            "1",
            record("ann@example.org", |one| {
                one.kind = Some(EntryKind::User);
                one.home = home("onprem");
                one.delivery_address = Some(address("ann@tenant.example"));
                one.aliases = vec![address("a.archer@example.org")];
                one.name = "Archer, Ann".to_owned();
                one.x500 = vec!["/o=Org/cn=Ann".to_owned()];
            }),
        ),
        (
            "cloud",
            "x",
            record("ann@tenant.example", |one| {
                one.kind = Some(EntryKind::Mailbox);
                one.home = home("cloud");
                one.name = "Ann Archer".to_owned();
                one.second_address = Some(address("ann@home.example"));
            }),
        ),
        (
            "cloud",
            "y",
            record("bob@example.org", |one| one.home = home("cloud")),
        ),
    ]
}

#[test]
fn a_mail_user_here_and_a_mailbox_there_are_one_person() {
    let directory = directory(&rules(&["ad", "cloud"]), &hybrid());
    let entries: Vec<Entry> = directory.entries().collect();
    assert_eq!(entries.len(), 2);
    let ann = &entries[0];
    assert_eq!(ann.address.to_string(), "ann@example.org");
    assert_eq!(ann.kind, EntryKind::Mailbox);
    assert_eq!(ann.home, home("cloud"), "whoever has the mailbox says so");
    assert_eq!(ann.name, "Archer, Ann");
    let aliases: Vec<_> = ann.aliases.iter().map(ToString::to_string).collect();
    assert_eq!(aliases, ["a.archer@example.org", "ann@tenant.example"]);
    assert_eq!(ann.delivery_address, Some(address("ann@tenant.example")));
    assert!(
        directory.conflicts().is_empty(),
        "{:?}",
        directory.conflicts()
    );

    let (_, from) = directory.provenance(&address("ann@example.org")).unwrap();
    assert_eq!(from[&Fact::Home], ["cloud"]);
    assert_eq!(from[&Fact::Name], ["ad"]);
    assert_eq!(from[&Fact::SecondAddress], ["cloud"]);
    assert_eq!(from[&Fact::Aliases], ["ad", "cloud"]);
}

#[test]
fn the_flow_of_one_fact_can_be_another() {
    let mut rules = rules(&["ad", "cloud"]);
    rules.flow.insert(Fact::Name, vec!["cloud".to_owned()]);
    let directory = directory(&rules, &hybrid());
    let ann = directory.find(&address("ann@example.org")).unwrap().0;
    assert_eq!(ann.name, "Ann Archer");
    assert_eq!(ann.address.to_string(), "ann@example.org");
}

#[test]
fn what_joins_is_configured() {
    let mut rules = rules(&["ad", "cloud"]);
    rules.join = vec![JoinBy::X500];
    assert_eq!(directory(&rules, &hybrid()).len(), 3);
    let mut said = hybrid().to_vec();
    said[1].2.x500 = vec!["/O=ORG/CN=ANN".to_owned()];
    assert_eq!(directory(&rules, &said).len(), 2);
}

#[test]
fn a_source_that_only_adds_makes_no_entry() {
    let mut rules = rules(&["ad", "cloud"]);
    rules.adding.insert("cloud".to_owned());
    let directory = directory(&rules, &hybrid());
    let names: Vec<_> = directory.entries().map(|e| e.address.to_string()).collect();
    assert_eq!(names, ["ann@example.org"]);
    assert!(directory.find(&address("bob@example.org")).is_none());
}

#[test]
fn what_is_said_by_hand_beats_everybody() {
    let mut said = hybrid().to_vec();
    let by_hand = record("ann@example.org", |one| one.home = home("moon"));
    said.push((HAND, "ann@example.org", by_hand));
    let directory = directory(&rules(&["ad", "cloud"]), &said);
    let ann = directory.find(&address("a.archer@example.org")).unwrap().0;
    assert_eq!(ann.home, home("moon"));
    assert_eq!(ann.name, "Archer, Ann");
    assert_eq!(directory.len(), 2);
}

#[test]
fn two_mailboxes_of_one_person_are_a_conflict() {
    let mut said = hybrid().to_vec();
    said[0].2.kind = Some(EntryKind::Mailbox);
    let directory = directory(&rules(&["ad", "cloud"]), &said);
    let told: Vec<_> = directory
        .conflicts()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        ["ann@example.org has mailboxes on onprem (ad) and on cloud (cloud): the first counts"]
    );
    let ann = directory.find(&address("ann@example.org")).unwrap().0;
    assert_eq!(ann.home, home("onprem"));
}

#[test]
fn a_record_that_could_be_two_persons_is_told() {
    let said = [
        ("ad", "1", record("ann@example.org", |_| ())),
        ("ad", "2", record("bob@example.org", |_| ())),
        (
            "cloud",
            "3",
            record("ann@example.org", |one| {
                one.delivery_address = Some(address("bob@example.org"));
            }),
        ),
    ];
    let directory = directory(&rules(&["ad", "cloud"]), &said);
    assert_eq!(directory.len(), 2);
    let told: Vec<_> = directory
        .conflicts()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "cloud/3 could be ann@example.org or bob@example.org: it was joined with \
          ann@example.org"
        ]
    );
    // No verb can say which it is, and nobody is sent to one.
    let file = WaveFile::parse(b"ann@example.org\n").unwrap();
    let plan = plan_wave(
        &directory,
        &file,
        &BackendId::new("cloud"),
        &WaveFacts::default(),
    );
    let text = &plan.users[0].obstacles[0].text;
    assert!(text.ends_with("mend it in the sources"), "{text}");
}

/// Every address that an entry shows leads to this entry, and to no other.
pub(super) fn check_owners(directory: &Directory) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for entry in directory.entries() {
        let mut own = BTreeSet::new();
        for address in entry.addresses().filter(|one| own.insert(one.key())) {
            let owner = owners.insert(address.key(), entry.address.to_string());
            assert_eq!(owner, None, "{address} belongs to two entries");
            let (found, _) = directory.find(address).unwrap();
            assert_eq!(found.address.key(), entry.address.key(), "{address}");
        }
    }
}

/// What a source may say, from few addresses, so that there are many conflicts.
pub(super) fn any_record() -> impl Strategy<Value = Record> {
    let address = || "[a-e]@(example|elsewhere)\\.org".prop_map(|text| address(&text));
    (
        address(),
        proptest::option::of(address()),
        proptest::collection::vec(address(), 0..4),
        proptest::collection::vec("/o=[a-c]", 0..2),
        proptest::option::of(prop_oneof![
            Just(EntryKind::Mailbox),
            Just(EntryKind::User),
            Just(EntryKind::Group)
        ]),
        proptest::option::of(prop_oneof![Just("onprem"), Just("cloud")]),
    )
        .prop_map(|(own, delivery, aliases, x500, kind, home)| {
            let mut record = Record::new(own);
            record.delivery_address = delivery;
            record.aliases = aliases;
            record.x500 = x500;
            record.kind = kind;
            record.home = home.map(BackendId::new);
            record
        })
}

proptest! {
    #[test]
    fn an_address_has_one_owner(
        said in proptest::collection::vec((0_usize..3, any_record()), 0..14),
    ) {
        let sources = ["ad", "cloud", HAND];
        let said: Vec<_> = said
            .into_iter()
            .enumerate()
            .map(|(id, (source, record))| (sources[source], id.to_string(), record))
            .collect();
        let said: Vec<_> = said
            .iter()
            .map(|(source, id, record)| (*source, id.as_str(), record.clone()))
            .collect();
        let directory = directory(&rules(&["ad", "cloud"]), &said);
        check_owners(&directory);
        // Nobody is forgotten: whoever is left out is told. By hand nobody is made.
        for (_, _, record) in said.iter().filter(|(source, _, _)| *source != HAND) {
            let known = directory.find(&record.address).is_some();
            let own = record.address.to_string();
            let told = directory.conflicts().iter().any(|one| one.address == own);
            prop_assert!(known || told, "{own} is lost");
        }
    }
}

/// A wave moves people whose home was settled before: it says so by hand.
#[tokio::test]
async fn what_is_said_by_hand_beats_what_was_settled() {
    let house = House::new();
    let ann: Mailbox = "a@example.org".parse().unwrap();
    let one = "address,home,type\na@example.org,onprem,mailbox\n";
    house.import(FILE, one, CAREFUL).await.unwrap();
    let other = one.replace("onprem", "cloud");
    house.import("other", &other, FORCE).await.unwrap();
    let home = || {
        let Lookup::Known { entry, .. } = house.generations.current().lookup(&ann) else {
            panic!("a@example.org is gone");
        };
        entry.home.clone()
    };
    let open = || house.generations.current().open_conflicts();
    assert_eq!(open(), 1);
    let settled = Verdict::Home(BackendId::new("onprem"));
    let how = (note(Cause::Settle), CAREFUL);
    house
        .generations
        .settle(ann.clone(), settled, how)
        .await
        .unwrap();
    assert_eq!(home(), Some(BackendId::new("onprem")));
    assert_eq!(open(), 0, "what is settled is open no more");
    let mut record = Record::new(ann.clone());
    record.home = Some(BackendId::new("cloud"));
    let said = vec![(ann.clone(), Some(record))];
    house
        .generations
        .say(said, (note(Cause::Hand), FORCE))
        .await
        .unwrap();
    assert_eq!(home(), Some(BackendId::new("cloud")));
}
