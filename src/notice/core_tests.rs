//! What is told and when.

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn at(minutes: u64) -> Timestamp {
    seconds(minutes * 60)
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn pace() -> Pace {
    Pace {
        gather: MINUTE,
        repeat: Some(HOUR * 12),
        per_hour: 12,
        kind_per_hour: 4,
    }
}

fn condition(kind: Kind, subject: &str, state: &str) -> Condition {
    Condition {
        kind,
        subject: subject.to_owned(),
        state: state.to_owned(),
        severity: Severity::Critical,
        since: Timestamp::EPOCH,
        what: format!("{subject} is {state}"),
        todo: "mend it".to_owned(),
    }
}

/// `backend onprem down since`: conditions as they are at a time.
fn observed(names: &[&str], now: Timestamp) -> Observed {
    let conditions = names.iter().map(|name| {
        let mut words = name.split(' ');
        let kind = match words.next() {
            Some("backend") => Kind::Backend,
            Some("case") => Kind::Case,
            Some("disk") => Kind::Disk,
            other => panic!("{other:?}"),
        };
        let subject = words.next().unwrap_or_default();
        Condition {
            since: now,
            ..condition(kind, subject, words.next().unwrap_or("down"))
        }
    });
    Observed {
        conditions: conditions.collect(),
        unknown: Vec::new(),
    }
}

/// `began onprem, over cloud`.
fn told(notice: Option<&Notice>) -> String {
    let items = notice.map(|notice| notice.items.iter());
    let item = |item: &Item| format!("{} {}", item.news.as_str(), item.condition.subject);
    items
        .into_iter()
        .flatten()
        .map(item)
        .collect::<Vec<_>>()
        .join(", ")
}

struct World {
    core: Core,
    pace: Pace,
}

impl World {
    fn new() -> Self {
        Self {
            core: Core::default(),
            pace: pace(),
        }
    }

    /// One look; a notice arrives at once.
    fn look(&mut self, names: &[&str], now: Timestamp) -> String {
        let notice = self.step(observed(names, now), now);
        if let Some(notice) = &notice {
            self.core.settle(notice.number, Arrived::Yes, now);
        }
        told(notice.as_ref())
    }

    fn step(&mut self, observed: Observed, now: Timestamp) -> Option<Notice> {
        self.core.step(observed, &self.pace, now)
    }

    fn restart(&mut self) {
        let memory = serde_json::to_string(&self.core.memory()).unwrap();
        self.core = Core::default();
        self.core.restore(serde_json::from_str(&memory).unwrap());
    }
}

#[test]
fn what_begins_together_is_told_together_once_and_once_more_when_it_is_over() {
    let mut world = World::new();
    for (second, seen, expected) in [
        (0, &["backend onprem"][..], ""),
        (30, &["backend onprem", "backend cloud"], ""),
        (59, &["backend onprem", "backend cloud"], ""),
        (
            60,
            &["backend onprem", "backend cloud"],
            "began cloud, began onprem",
        ),
        (65, &["backend onprem", "backend cloud"], ""),
        (7200, &["backend onprem", "backend cloud"], ""),
        (7205, &["backend cloud"], ""),
        (7264, &["backend cloud"], ""),
        (7265, &["backend cloud"], "over onprem"),
        (7270, &["backend cloud"], ""),
        (9000, &[], ""),
        (9060, &[], "over cloud"),
        (999_999, &[], ""),
    ] {
        assert_eq!(world.look(seen, seconds(second)), expected, "{second}");
    }
}

#[test]
fn what_lasts_is_told_again_and_what_changes_at_once() {
    let mut world = World::new();
    let down = ["backend onprem"];
    assert_eq!(world.look(&down, at(0)), "");
    assert_eq!(world.look(&down, at(1)), "began onprem");
    assert_eq!(world.look(&down, at(12 * 60)), "");
    assert_eq!(world.look(&down, at(12 * 60 + 1)), "");
    assert_eq!(world.look(&down, at(12 * 60 + 2)), "lasts onprem");
    assert_eq!(world.look(&down, at(12 * 60 + 9)), "");
    let rejecting = ["backend onprem rejecting"];
    assert_eq!(world.look(&rejecting, at(13 * 60)), "");
    assert_eq!(world.look(&rejecting, at(13 * 60 + 1)), "changed onprem");
    world.pace.repeat = None;
    assert_eq!(world.look(&rejecting, at(99_999)), "");
}

#[test]
fn what_is_over_before_it_was_told_is_told_all_the_same() {
    let mut world = World::new();
    assert_eq!(world.look(&["backend onprem"], seconds(0)), "");
    assert_eq!(world.look(&[], seconds(20)), "");
    let notice = world.step(observed(&[], at(1)), at(1)).unwrap();
    let item = &notice.items[0];
    assert_eq!((item.news, item.until), (News::Passed, Some(seconds(20))));
    world.core.settle(notice.number, Arrived::Yes, at(1));
    assert_eq!(world.look(&[], at(5)), "");
}

#[test]
fn one_that_flaps_uses_up_its_kind_and_no_other() {
    let mut world = World::new();
    let mut notices = Vec::new();
    for step in 0..720 {
        let now = seconds(step * 5);
        let names: &[&str] = if (step / 14) % 2 == 0 {
            &["backend onprem"]
        } else {
            &[]
        };
        let both = [names, &["disk spool"]].concat();
        let seen = if step < 500 { names } else { &both };
        let told = world.look(seen, now);
        if !told.is_empty() {
            notices.push(told);
        }
    }
    let of = |what: &str| notices.iter().filter(|it| it.contains(what)).count();
    assert_eq!(of("onprem"), 4, "{notices:?}");
    assert_eq!(of("began spool"), 1, "{notices:?}");
    // An hour later what it is like now is told, and how often it changed.
    let notice = world.step(observed(&["backend onprem"], at(130)), at(130));
    let notice = notice.or_else(|| world.step(observed(&["backend onprem"], at(132)), at(132)));
    let items = notice.unwrap().items;
    let item = items
        .iter()
        .find(|it| it.condition.subject == "onprem")
        .unwrap();
    assert!(item.changes > 10, "{item:?}");
}

#[test]
fn warnings_leave_room_for_an_alarm() {
    let mut world = World::new();
    world.pace.kind_per_hour = 100;
    let mut sent = 0;
    for minute in 0..40_u64 {
        let mut seen = observed(&[], at(minute));
        seen.conditions = (0..=minute)
            .map(|n| Condition {
                severity: Severity::Warning,
                ..condition(Kind::Case, &format!("c{n:02}"), "")
            })
            .collect();
        if let Some(notice) = world.step(seen, at(minute)) {
            world.core.settle(notice.number, Arrived::Yes, at(minute));
            sent += 1;
        }
    }
    assert_eq!(sent, 9, "three of twelve are kept");
    let seen = |now| {
        let mut seen = observed(&["disk spool"], now);
        seen.unknown.push(Unknown::All(Kind::Case));
        seen
    };
    assert!(world.step(seen(at(40)), at(40)).is_none());
    let notice = world.step(seen(at(41)), at(41)).unwrap();
    assert_eq!(told(Some(&notice)), "began spool");
    assert!(notice.held_back > 10, "{notice:?}");
}

#[test]
fn a_notice_that_arrives_nowhere_is_told_again() {
    let mut world = World::new();
    let down = ["backend onprem"];
    assert!(world.step(observed(&down, at(0)), at(0)).is_none());
    let first = world.step(observed(&down, at(1)), at(1)).unwrap();
    // Under way: it is not sent a second time beside.
    assert!(world.step(observed(&down, at(50)), at(50)).is_none());
    world.core.settle(first.number, Arrived::No, at(55));
    assert!(world.step(observed(&down, at(55)), at(55)).is_none());
    let second = world.step(observed(&down, at(56)), at(56)).unwrap();
    assert_eq!(told(Some(&second)), "began onprem");
    assert!(second.number > first.number);
    // It ends while that is under way, and arrives.
    assert!(world.step(observed(&[], at(57)), at(57)).is_none());
    world.core.settle(second.number, Arrived::Yes, at(58));
    world.core.settle(second.number, Arrived::No, at(58));
    assert_eq!(world.look(&[], at(58)), "");
    assert_eq!(world.look(&[], at(59)), "over onprem");
}

#[test]
fn a_restart_repeats_nothing_and_forgets_nothing() {
    let mut world = World::new();
    let both = ["backend onprem", "backend cloud"];
    world.look(&both, at(0));
    assert_eq!(world.look(&both, at(1)), "began cloud, began onprem");
    world.restart();
    // Right after the start nobody knows how they are.
    let unknown = Observed {
        conditions: Vec::new(),
        unknown: vec![Unknown::All(Kind::Backend)],
    };
    assert!(world.step(unknown, at(60)).is_none());
    let one = |now| Observed {
        unknown: vec![Unknown::One(Kind::Backend, "cloud".to_owned())],
        ..observed(&["backend onprem"], now)
    };
    assert!(world.step(one(at(61)), at(61)).is_none());
    assert!(world.step(one(at(63)), at(63)).is_none());
    // One is down as before, the other one came back meanwhile.
    assert_eq!(world.look(&["backend onprem"], at(64)), "");
    assert_eq!(world.look(&["backend onprem"], at(65)), "over cloud");
    let entry = world.core.entries.values().next().unwrap();
    assert_eq!(
        entry.condition.since,
        at(0),
        "a restart makes nothing younger"
    );
    assert_eq!(world.look(&["backend onprem"], at(66)), "");
}

#[test]
fn what_was_under_way_at_the_stop_is_told_again() {
    let mut world = World::new();
    let down = ["backend onprem"];
    world.step(observed(&down, at(0)), at(0));
    assert!(world.step(observed(&down, at(1)), at(1)).is_some());
    world.restart();
    assert_eq!(world.look(&down, at(2)), "");
    assert_eq!(world.look(&down, at(3)), "began onprem");
}

#[test]
fn what_has_happened_is_told_once() {
    let mut world = World::new();
    world
        .core
        .happened(condition(Kind::Integrity, "index", ""), at(0));
    assert_eq!(world.look(&[], at(0)), "");
    assert_eq!(world.look(&[], at(1)), "passed index");
    assert_eq!(world.look(&[], at(9)), "");
}

#[test]
fn a_clock_that_goes_back_silences_nobody() {
    let mut world = World::new();
    world.pace.per_hour = 1;
    world.look(&["backend onprem"], at(100_000));
    assert_eq!(world.look(&["backend onprem"], at(100_001)), "began onprem");
    assert_eq!(world.look(&["disk spool"], at(0)), "");
    assert!(world.look(&["disk spool"], at(1)).contains("began spool"));
}

#[test]
fn memory_is_bounded_and_fits_into_a_fact() {
    let mut world = World::new();
    let mut seen = observed(&[], at(0));
    let long = "x".repeat(10_000);
    seen.conditions = (0..1000)
        .map(|n| Condition {
            what: long.clone(),
            todo: long.clone(),
            ..condition(Kind::Case, &format!("case-{n:04}"), "")
        })
        .collect();
    world.step(seen.clone(), at(0));
    let notice = world.step(seen, at(1)).unwrap();
    assert_eq!(notice.items.len(), limits::NOTICE_ITEMS);
    assert_eq!(notice.held_back, 1000 - limits::NOTICE_ITEMS);
    assert_eq!(world.core.entries.len(), limits::NOTICE_CONDITIONS);
    let memory = serde_json::to_string(&world.core.memory()).unwrap();
    assert!(memory.len() < 60 * 1024, "{}", memory.len());
}

#[test]
fn a_full_book_takes_an_alarm_and_says_what_it_does_not_know() {
    let mut world = World::new();
    let mut seen = observed(&[], at(0));
    seen.conditions = (0..limits::NOTICE_CONDITIONS)
        .map(|n| Condition {
            severity: Severity::Warning,
            ..condition(Kind::Case, &format!("case-{n:04}"), "")
        })
        .collect();
    world.step(seen.clone(), at(0));
    seen.conditions.push(condition(Kind::Disk, "spool", "full"));
    world.step(seen.clone(), at(0));
    let notice = world.step(seen, at(1)).unwrap();
    assert_eq!(notice.items[0].condition.kind, Kind::Disk);
    let all = limits::NOTICE_CONDITIONS + 1;
    assert_eq!(notice.held_back, all - limits::NOTICE_ITEMS);
    assert_eq!(world.core.entries.len(), limits::NOTICE_CONDITIONS);
}

#[test]
fn warnings_of_a_kind_leave_room_for_an_alarm_of_it() {
    let mut world = World::new();
    let slow = |n: u64| Observed {
        conditions: vec![Condition {
            severity: Severity::Warning,
            ..condition(Kind::Backend, &format!("slow-{n}"), "slow")
        }],
        unknown: Vec::new(),
    };
    let mut told = 0;
    for minute in 0..20 {
        let Some(notice) = world.step(slow(minute / 2), at(minute)) else {
            continue;
        };
        told += 1;
        world.core.settle(notice.number, Arrived::Yes, at(minute));
    }
    assert_eq!(told, 3);
    world.step(observed(&["backend onprem"], at(21)), at(21));
    let notice = world
        .step(observed(&["backend onprem"], at(22)), at(22))
        .unwrap();
    assert_eq!(notice.items[0].condition.subject, "onprem");
}

#[test]
fn what_is_called_back_is_told_at_once_and_was_no_notice() {
    let mut world = World::new();
    world.pace.per_hour = 1;
    let seen = || observed(&["backend onprem"], at(0));
    world.step(seen(), at(0));
    let first = world.step(seen(), at(1)).unwrap();
    assert!(world.step(seen(), at(2)).is_none(), "it is under way");
    world.core.settle(first.number, Arrived::Recalled, at(2));
    let second = world.step(seen(), at(2)).unwrap();
    assert_eq!(told(Some(&second)), "began onprem");
    world.core.settle(second.number, Arrived::No, at(3));
    assert!(world.step(seen(), at(10)).is_none(), "one an hour");
}

/// One second after the other: which of some conditions are there, and which notices arrive.
fn lives() -> impl Strategy<Value = Vec<(u64, u8, Arrived)>> {
    let arrived = prop_oneof![3 => Just(Arrived::Yes), 1 => Just(Arrived::No)];
    proptest::collection::vec((1_u64..900, any::<u8>(), arrived), 1..200)
}

proptest! {
    #[test]
    fn never_more_than_so_many_an_hour_and_each_alarm_ends_with_one_over(
        life in lives(),
        per_hour in 1_u32..8,
        kind_per_hour in 1_u32..4,
    ) {
        const NAMES: [&str; 6] = [
            "backend onprem", "backend cloud", "disk spool", "case a", "case b", "backend x slow",
        ];
        let mut world = World::new();
        world.pace = Pace { per_hour, kind_per_hour, ..pace() };
        let (mut now, mut sent) = (at(0), Vec::new());
        let mut open: BTreeSet<(Kind, String)> = BTreeSet::new();
        // Then nothing is wrong any more, for long enough to tell all of it.
        let calm = std::iter::repeat_n((300, 0, Arrived::Yes), 600);
        for (pause, present, arrived) in life.into_iter().chain(calm) {
            now = now.after(Duration::from_secs(pause));
            let is_there = |bit: &usize| present & (1 << bit) != 0;
            let names: Vec<_> = (0..6).filter(is_there).map(|bit| NAMES[bit]).collect();
            let Some(notice) = world.step(observed(&names, now), now) else { continue };
            prop_assert!(!notice.items.is_empty());
            let kinds: BTreeSet<Kind> = notice.items.iter().map(|it| it.condition.kind).collect();
            sent.push((now, kinds));
            world.core.settle(notice.number, arrived, now);
            if arrived == Arrived::No { continue }
            for item in notice.items {
                let name = (item.condition.kind, item.condition.subject);
                match item.news {
                    News::Began => prop_assert!(open.insert(name)),
                    News::Over => prop_assert!(open.remove(&name)),
                    News::Passed => prop_assert!(!open.contains(&name)),
                    News::Changed | News::Lasts => prop_assert!(open.contains(&name)),
                }
            }
        }
        prop_assert!(open.is_empty(), "never over: {open:?}");
        prop_assert!(world.core.entries.is_empty(), "{:?}", world.core.entries);
        for (begin, _) in &sent {
            let hour = sent.iter().filter(|(at, _)| at >= begin && at.since(*begin) < HOUR);
            let hour: Vec<_> = hour.collect();
            prop_assert!(hour.len() <= usize_of(per_hour), "{hour:?}");
            for kind in [Kind::Backend, Kind::Disk, Kind::Case] {
                let of_kind = hour.iter().filter(|(_, kinds)| kinds.contains(&kind)).count();
                prop_assert!(of_kind <= usize_of(kind_per_hour), "{kind}: {hour:?}");
            }
        }
    }
}

/// What is said to wait until then waits until then, and no longer.
#[test]
fn what_waits_says_until_when() {
    let mut world = World::new();
    let mut seen = Vec::new();
    for (number, name) in ["backend a", "backend b", "backend c", "backend d"]
        .iter()
        .enumerate()
    {
        seen.push(*name);
        let begins = 100 * number as u64;
        assert_eq!(world.look(&seen, seconds(begins)), "");
        let waits = world.core.waiting(&world.pace, seconds(begins));
        assert_eq!(waits.len(), 1, "what was told does not wait: {waits:?}");
        assert_eq!(waits[0].until, seconds(begins + 60), "it is gathered");
        assert_eq!(world.look(&seen, seconds(begins + 59)), "");
        assert_ne!(world.look(&seen, seconds(begins + 60)), "");
    }
    assert!(world.core.waiting(&world.pace, seconds(360)).is_empty());
    // The fifth of a kind waits until the first one is an hour old; another kind does not, and
    // goes with what is due by then.
    seen.push("backend e");
    assert_eq!(world.look(&seen, seconds(400)), "");
    let waits = world.core.waiting(&world.pace, seconds(400));
    assert_eq!(waits[0].until, seconds(3660));
    assert_eq!(waits[0].since, seconds(400));
    seen.push("disk spool");
    assert_eq!(world.look(&seen, seconds(410)), "");
    let waits = world.core.waiting(&world.pace, seconds(420));
    let until: Vec<_> = waits
        .iter()
        .map(|one| (one.what.as_str(), one.until))
        .collect();
    let expected = [
        ("spool is down", seconds(470)),
        ("e is down", seconds(3660)),
    ];
    assert_eq!(until, expected);
    assert_eq!(world.look(&seen, seconds(470)), "began spool");
    assert_eq!(world.look(&seen, seconds(3659)), "");
    assert_eq!(world.look(&seen, seconds(3660)), "began e");
    assert!(world.core.waiting(&world.pace, seconds(3660)).is_empty());
}
