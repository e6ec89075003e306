use super::*;
use crate::backend::Healths;
use crate::directory::{
    Directory, DomainKind, DomainRule, ImportOptions, Rules, Unknown, read_csv,
};
use crate::mail::SpoolId;
use crate::route::{Explanation, HoldBook, Mail, Origin, RouteOptions, Telling, decide};
use crate::smtp::ReversePath;

const CSV: &str = "\
address,home,type,members,aliases,internal_only
ann@example.org,,,,an@example.org,
bob@example.org,cloud,,,,
team@example.org,,group,an@example.org;ann@example.org;BOB@example.org;nobody@example.org,,
ring@example.org,,group,team@example.org;gnir@example.org;x@out.example,,
gnir@example.org,,group,ring@example.org;ann@example.org;room@example.org,,
room@example.org,,resource,,,
mixed@example.org,,group,there@example.org;void@example.org;inner@example.org,,
there@example.org,cloud,group,ann@example.org,,
void@example.org,,group,,,
inner@example.org,,group,ann@example.org,,yes
self@example.org,,group,self@example.org,,
";

fn then() -> Timestamp {
    Timestamp::from_millis(1_000_000)
}

fn healths(onprem: Health, since: u64) -> Healths {
    let one = |name: &str, health, since| {
        let health = BackendHealth {
            id: BackendId::new(name),
            health,
            reason: "refused".into(),
            since: Timestamp::from_millis(since),
            operator: None,
            remembered: false,
            failing: false,
        };
        (health.id.clone(), health)
    };
    [one("onprem", onprem, since), one("cloud", Health::Up, 0)].into()
}

fn directory(failover: &[&str]) -> Directory {
    let rule = DomainRule {
        name: "example.org".into(),
        kind: DomainKind::Authoritative,
        home: BackendId::new("onprem"),
        failover: failover.iter().map(|name| BackendId::new(name)).collect(),
        unknown: Unknown::Reject,
    };
    let options = ImportOptions {
        rules: Rules::of(vec![rule]),
        backends: vec![BackendId::new("onprem"), BackendId::new("cloud")],
    };
    read_csv(CSV.as_bytes(), options).unwrap()
}

fn explain(
    group: &str,
    healths: &Healths,
    asked: (Option<Timestamp>, Authenticity),
) -> Explanation {
    explain_in(&directory(&[]), group, healths, asked)
}

fn explain_in(
    directory: &Directory,
    group: &str,
    healths: &Healths,
    (groups, authenticity): (Option<Timestamp>, Authenticity),
) -> Explanation {
    let address: Mailbox = format!("{group}@example.org").parse().unwrap();
    let mail = Mail {
        id: SpoolId::from_u64(1),
        from: &ReversePath::Null,
        address: &address,
        authenticity,
        exempt: None,
    };
    let view = View {
        directory,
        healths,
        holds: &HoldBook::default(),
        mail: Some(&mail),
        options: &RouteOptions::default(),
        origin: Origin::Trusted,
        telling: Telling::Steps,
        accepted: None,
        groups,
        words: None,
    };
    decide(&address, &view)
}

/// The people who get the mail of a group, without the domain; `None`: it goes or waits as it is.
fn people(group: &str) -> Option<String> {
    let asked = (Some(then()), Authenticity::Unproven);
    match explain(group, &healths(Health::Down, 999_999), asked).decision {
        Decision::Expand { people, .. } => {
            let names = people.iter().map(|one| {
                let name = one.to_string();
                name.strip_suffix("@example.org")
                    .unwrap_or(&name)
                    .to_owned()
            });
            Some(names.collect::<Vec<_>>().join(" "))
        }
        Decision::Relay { .. } | Decision::Hold { .. } | Decision::Reject(_) => None,
    }
}

#[test]
fn each_person_is_found_once_under_his_own_address() {
    assert_eq!(people("team").as_deref(), Some("ann bob"));
    assert_eq!(people("ann"), None, "no group");
}

#[test]
fn circles_end() {
    let ring = people("ring");
    assert_eq!(ring.as_deref(), Some("ann bob room x@out.example"));
    assert_eq!(
        people("gnir").as_deref(),
        Some("ann bob x@out.example room")
    );
    // Nobody is in it: its mail must not end without anybody having got it.
    assert_eq!(people("self"), None);
}

/// A group inside that a platform can expand, that has no members here or is not for strangers,
/// stays what it is: whoever knows better decides.
#[test]
fn groups_inside_are_opened_only_where_nobody_else_can() {
    assert_eq!(people("mixed").as_deref(), Some("there void inner"));
    let asked = (Some(then()), Authenticity::Local);
    let local = explain("mixed", &healths(Health::Down, 0), asked);
    let Decision::Expand { people, .. } = local.decision else {
        panic!("{local:?}");
    };
    let names: Vec<_> = people.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["there@example.org", "void@example.org", "ann@example.org"]
    );
}

#[test]
fn only_a_home_that_is_down_for_long_has_its_groups_expanded() {
    let decision = |health, since, groups| {
        let asked = (groups, Authenticity::Unproven);
        let explained = explain("team", &healths(health, since), asked);
        matches!(explained.decision, Decision::Expand { .. })
    };
    assert!(decision(Health::Down, 1_000_000, Some(then())));
    assert!(
        !decision(Health::Down, 1_000_001, Some(then())),
        "not long enough"
    );
    assert!(!decision(Health::Down, 0, None), "switched off");
    assert!(!decision(Health::Rejecting, 0, Some(then())));
    assert!(!decision(Health::Up, 0, Some(then())));
}

#[test]
fn who_may_not_write_to_a_group_does_not_reach_its_people() {
    let told = |authenticity| {
        let asked = (Some(then()), authenticity);
        let explained = explain("inner", &healths(Health::Down, 0), asked);
        (explained.decision, explained.steps.join("\n"))
    };
    let (decision, steps) = told(Authenticity::Unproven);
    assert!(matches!(decision, Decision::Hold { .. }));
    assert!(
        steps.contains("only internal senders may write to it"),
        "{steps}"
    );
    let (decision, steps) = told(Authenticity::Relayed);
    assert!(matches!(decision, Decision::Expand { .. }));
    assert!(
        steps.contains("its 1 people get the mail: ann@example.org"),
        "{steps}"
    );
}

/// What an earlier life knew holds mail until the first word of the home, and sends it nowhere.
#[test]
fn one_that_was_down_before_the_start_is_waited_for() {
    let asked = (Some(then()), Authenticity::Unproven);
    let mut healths = healths(Health::Down, 0);
    for remembered in [true, false] {
        let onprem = healths.get_mut(&BackendId::new("onprem")).unwrap();
        onprem.remembered = remembered;
        let group = explain("team", &healths, asked).decision;
        let other = explain_in(&directory(&["cloud"]), "ann", &healths, asked).decision;
        let decided = (
            matches!(group, Decision::Expand { .. }),
            matches!(other, Decision::Relay { .. }),
        );
        assert_eq!(decided, (!remembered, !remembered), "{group:?} {other:?}");
        let waits = |one: &Decision| matches!(one, Decision::Hold { .. });
        assert_eq!(waits(&group) && waits(&other), remembered);
    }
}
