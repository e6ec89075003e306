use super::*;
use crate::directory::ObstacleKind as Kind;
use crate::directory::{Builder, DomainKind, DomainRule, Record, Rules, Unknown};

fn address(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn home(name: &str) -> BackendId {
    BackendId::new(name)
}

fn person(own: &str, change: impl FnOnce(&mut Record)) -> Record {
    let mut record = Record::new(address(own));
    record.home = Some(home("onprem"));
    change(&mut record);
    record
}

fn directory(people: Vec<Record>) -> Directory {
    let mut builder = Builder::new(Rules::of(vec![DomainRule {
        name: "example.org".to_owned(),
        kind: DomainKind::InternalRelay,
        home: home("onprem"),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    }]));
    for record in people {
        builder.add(record);
    }
    builder.finish()
}

fn plan(directory: &Directory, text: &str, facts: &WaveFacts) -> WavePlan {
    let file = WaveFile::parse(text.as_bytes()).unwrap();
    plan_wave(directory, &file, &home("cloud"), facts)
}

/// The kinds of what stands in the way of each user.
fn kinds(plan: &WavePlan) -> Vec<(bool, Vec<ObstacleKind>)> {
    let users = plan.users.iter();
    let kinds = |user: &PlannedUser| user.obstacles.iter().map(|one| one.kind).collect();
    users.map(|user| (user.moves, kinds(user))).collect()
}

fn people() -> Vec<Record> {
    vec![
        person("ann@example.org", |r| {
            r.aliases = vec![address("a@example.org")];
        }),
        person("bob@example.org", |r| r.home = None),
        person("eve@example.org", |r| r.home = Some(home("cloud"))),
        person("may@example.org", |r| {
            r.kind = Some(EntryKind::User);
            r.delivery_address = Some(address("may@far.example"));
        }),
        person("all@example.org", |r| {
            r.kind = Some(EntryKind::Group);
            r.members = vec![address("a@example.org"), address("bob@example.org")];
        }),
        // It wants an address that belongs to Ann.
        person("ned@example.org", |r| {
            r.aliases = vec![address("a@example.org")];
        }),
        person("tom@example.org", |r| {
            r.delivery_address = Some(address("tom@old.example"));
        }),
    ]
}

#[test]
fn each_user_is_told_what_stands_in_the_way() {
    let directory = directory(people());
    let facts = WaveFacts {
        waiting: [("bob@example.org".to_owned(), 3)].into(),
        held: [("tom@example.org".to_owned(), "disks".to_owned())].into(),
        obstacles: Vec::new(),
    };
    let text = "bob@example.org\neve@example.org\nmay@example.org\nned@example.org\n\
                tom@example.org\nnobody@example.org\nBOB@example.org\n";
    let plan = plan(&directory, text, &facts);
    assert_eq!(
        kinds(&plan),
        [
            (true, vec![Kind::MailWaiting, Kind::GroupSplit]),
            (false, vec![Kind::AlreadyThere]),
            (false, vec![Kind::NoMailbox, Kind::DeliveryAddress]),
            (false, vec![Kind::Conflict]),
            (true, vec![Kind::Hold, Kind::DeliveryAddress]),
            (false, vec![Kind::Unknown]),
            (false, vec![Kind::MailWaiting, Kind::Twice]),
        ]
    );
    let bob = &plan.users[0];
    assert_eq!(bob.from, Some(home("onprem")), "the home of the domain");
    assert_eq!(bob.delivery_after.as_deref(), Some("bob@example.org"));
    let tom = &plan.users[4];
    assert_eq!(tom.delivery_after.as_deref(), Some("tom@old.example"));
    let conflict = &plan.users[3].obstacles[0].text;
    assert!(conflict.contains("a@example.org"), "{conflict}");
    let split = SplitGroup {
        group: "all@example.org".to_owned(),
        inside: 1,
        outside: 1,
    };
    assert_eq!(plan.groups, [split]);
}

#[test]
fn a_group_that_moves_as_a_whole_is_not_split() {
    let mut people = people();
    people.retain(|one| one.address.to_string() != "ned@example.org");
    let directory = directory(people);
    let facts = WaveFacts::default();
    let plan = plan(&directory, "a@example.org\nbob@example.org\n", &facts);
    assert_eq!(kinds(&plan), [(true, vec![]), (true, vec![])]);
    assert!(plan.groups.is_empty());
    assert_eq!(plan.users[0].entry.as_deref(), Some("ann@example.org"));
}

#[test]
fn a_wave_starts_when_nothing_stands_in_its_way_or_somebody_says_so() {
    let directory = directory(people());
    let mut facts = WaveFacts::default();
    let allowed = |text: &str| -> Allowed { serde_json::from_str(text).unwrap() };
    let none = allowed("{}");
    let fine = plan(&directory, "bob@example.org", &facts);
    assert!(fine.refusals(none).is_empty(), "{fine:?}");

    let blocked = plan(&directory, "bob@example.org\nx@example.org", &facts);
    let why = blocked.refusals(none);
    assert!(why[0].contains("x@example.org"), "{why:?}");
    assert!(!blocked.refusals(allowed(r#"{"force":true}"#)).is_empty());
    let skip = allowed(r#"{"skip_blocked":true}"#);
    assert!(blocked.refusals(skip).is_empty());
    assert_eq!(blocked.movers().count(), 1);
    let nobody = plan(&directory, "x@example.org", &facts);
    assert_eq!(nobody.refusals(skip), ["nobody would move"]);

    facts
        .held
        .insert("bob@example.org".to_owned(), "disks".to_owned());
    let held = plan(&directory, "bob@example.org", &facts);
    assert!(!held.refusals(none).is_empty());
    assert!(held.refusals(allowed(r#"{"force":true}"#)).is_empty());

    for (grade, by_force) in [(Grade::Warns, true), (Grade::Blocks, false)] {
        let facts = WaveFacts {
            obstacles: vec![Obstacle::new(Kind::Target, grade, "cloud is down")],
            ..WaveFacts::default()
        };
        let down = plan(&directory, "bob@example.org", &facts);
        assert_eq!(down.refusals(none), ["cloud is down"]);
        let forced = down.refusals(allowed(r#"{"force":true}"#));
        assert_eq!(forced.is_empty(), by_force);
    }
}
