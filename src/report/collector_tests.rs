use super::*;
use crate::backend::Became;
use crate::report::samples::{at, message};

fn counted() -> Figures {
    counted_for(Scope::default())
}

fn counted_for(scope: Scope) -> Figures {
    let mut collector = Collector::new(scope, (at(0), at(3600)), at(600));
    let (message, history) = message();
    collector.note(&message, &history);
    let changes = [(2, 20, Became::Down), (3, 80, Became::Up)];
    let changes = changes.map(|(number, seconds, became)| HealthChange {
        number,
        at: at(seconds),
        became,
        reason: "refused".to_owned(),
        actor: String::new(),
        case: None,
        refused_at_rcpt: Vec::new(),
        failing: false,
    });
    let changes = [(BackendId::new("onprem"), changes.to_vec())].into();
    let passed = Passed {
        unreadable: 1,
        ..Passed::default()
    };
    collector.finish(&changes, passed)
}

#[test]
fn every_recipient_is_counted_where_he_is() {
    let figures = counted();
    let ends = Ends {
        all: 4,
        delivered: 2,
        expanded: 0,
        waiting: 1,
        bounced: 1,
        dropped: 0,
    };
    assert_eq!((figures.recipients, ends.known()), (ends, 4));
    assert_eq!((figures.unaccounted, figures.unreadable), (0, 1));
    assert_eq!(
        (figures.uncertain, figures.diverted, figures.replayed),
        (2, 1, 1),
        "one by a delivery, one by a replay"
    );
    assert_eq!(figures.replays_refused, 1);
    let onprem = figures
        .backends
        .iter()
        .find(|one| one.name.as_str() == "onprem");
    assert_eq!(onprem.unwrap().replayed, 1);
    assert_eq!((figures.waits.minute, figures.waits.ten_minutes), (1, 1));
    let longest: Vec<u64> = figures
        .waits
        .longest
        .iter()
        .map(|wait| wait.seconds)
        .collect();
    assert_eq!(longest, [90, 5]);
    let tls = TlsFigures {
        in_with: 0,
        in_without: 1,
        out_with: 2,
        out_without: 1,
    };
    assert_eq!(figures.tls, tls);
    let landing = LandingFigures {
        looked: 2,
        found: 1,
        junk: 1,
        missing: 1,
    };
    assert_eq!(figures.landing, landing);
    let open: Vec<&str> = figures.open.iter().map(|one| one.state.as_str()).collect();
    assert_eq!(open, ["held", "bounced"]);
    assert_eq!(figures.holds[0].recipients, 1);
}

#[test]
fn backends_have_what_came_for_them_and_what_they_went_through() {
    let figures = counted();
    let told = |name: &str| {
        let mut backends = figures.backends.iter();
        let found = backends.find(|one| one.name.as_str() == name).unwrap();
        (
            found.arrived,
            found.delivered,
            found.waiting,
            found.deferred,
            found.seconds_away,
        )
    };
    assert_eq!(told("onprem"), (2, 0, 1, 3, 60));
    assert_eq!(told("cloud"), (2, 2, 0, 0, 0));
    // The ring has forgotten the first change.
    let onprem = figures
        .backends
        .iter()
        .find(|one| one.name.as_str() == "onprem");
    assert_eq!(onprem.unwrap().known_since, Some(at(20)));
    assert_eq!(figures.timeline.waiting.first(), Some(&2));
    assert_eq!(figures.timeline.waiting.last(), Some(&1));
}

/// A message whose index row has lost a state must be seen.
#[test]
fn who_has_no_state_is_unaccounted_for() {
    let (mut message, history) = message();
    message.states.pop();
    let mut collector = Collector::new(Scope::default(), (at(0), at(10)), at(10));
    collector.note(&message, &history);
    let figures = collector.finish(&BTreeMap::new(), Passed::default());
    assert_eq!((figures.unaccounted, figures.recipients.all), (1, 4));
    assert_eq!(figures.recipients.known(), 3);
}

/// Of who was given up no second copy can have come, but perhaps the first one.
#[test]
fn who_was_given_up_may_have_it_all_the_same() {
    let (mut message, history) = message();
    let before = counted();
    assert_eq!(before.perhaps_there, 0);
    for state in &mut message.states {
        if let RecipientState::Bounced { uncertain, .. } = state {
            *uncertain = true;
        }
    }
    let mut collector = Collector::new(Scope::default(), (at(0), at(10)), at(10));
    collector.note(&message, &history);
    let figures = collector.finish(&BTreeMap::new(), Passed::default());
    let numbers = (figures.perhaps_there, figures.uncertain);
    assert_eq!(numbers, (1, before.uncertain));
    let told = crate::report::headline(&figures);
    assert!(
        told.contains("; 1 recipient given up who may have it all the same"),
        "{told}"
    );
}

#[test]
fn only_who_is_meant_counts() {
    let scope = |address: &str| Scope {
        people: Some([address.to_owned()].into()),
        told: Some("a wave".to_owned()),
        ..Scope::default()
    };
    let ann = counted_for(scope("ann@example.org"));
    let told = (ann.messages, ann.recipients.all, ann.recipients.delivered);
    assert_eq!((told, ann.recipients.waiting), ((1, 1, 1), 0));
    assert_eq!((ann.diverted, ann.replayed, ann.uncertain), (1, 1, 1));
    assert_eq!((ann.tls.out_with, ann.tls.out_without), (1, 1));
    assert_eq!((ann.landing.looked, ann.landing.junk), (1, 1));
    assert_eq!((ann.open.len(), ann.holds.len()), (0, 0));
    assert_eq!(ann.scope.as_deref(), Some("a wave"));
    let bob = counted_for(scope("bob@example.org"));
    assert_eq!((bob.recipients.waiting, bob.holds.len()), (1, 1));
    assert_eq!((bob.tls.out_with, bob.landing.looked), (0, 0));
    let nobody = counted_for(scope("zed@example.org"));
    assert_eq!(
        (nobody.messages, nobody.bytes, nobody.tls.in_without),
        (0, 0, 0)
    );
}
