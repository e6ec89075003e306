use proptest::prelude::*;

use super::*;

const RATES: SenderRates = SenderRates {
    per_minute: 30,
    per_day: 10_000,
    per_message: 500,
};
const HOUR: u64 = 3600;

fn at(seconds: u64) -> Moment {
    Moment {
        elapsed: Duration::from_secs(7200 + seconds),
        now: Timestamp::from_millis((1_800_000 * HOUR + seconds) * 1000),
    }
}

fn cloud() -> BackendId {
    BackendId::new("cloud")
}

fn of<'a>(backend: &'a BackendId, sender: &'a str, rates: SenderRates) -> Sending<'a> {
    Sending {
        backend,
        sender,
        rates,
    }
}

/// What of a fresh message goes now; it is counted.
fn send(senders: &mut Senders, sending: &Sending<'_>, recipients: u32, at: Moment) -> Plan {
    let plan = senders.plan(sending, (recipients, Turned::Never), at);
    senders.count(sending, plan.go, at);
    plan
}

#[test]
fn a_minute_has_thirty_and_nobody_else_waits() {
    let (cloud, onprem) = (cloud(), BackendId::new("onprem"));
    let mut senders = known();
    let ann = of(&cloud, "ann", RATES);
    let went = (0..50).filter(|_| send(&mut senders, &ann, 1, at(0)).go == 1);
    assert_eq!(went.count(), 30);
    let late = send(&mut senders, &ann, 1, at(0));
    let Some((wait, SenderBound::Minute)) = late.late else {
        panic!("{late:?}");
    };
    // Behind the twenty before it.
    assert!(wait > Duration::from_secs(70 + 20 * 2), "{wait:?}");
    for other in [of(&cloud, "bob", RATES), of(&onprem, "ann", RATES)] {
        assert_eq!(send(&mut senders, &other, 1, at(0)).go, 1);
    }
    assert_eq!(
        senders.waits("ann", at(0)),
        Some((cloud.clone(), SenderBound::Minute))
    );
    assert_eq!(senders.waits("bob", at(0)), None);
}

#[test]
fn what_waits_goes_before_what_comes() {
    let cloud = cloud();
    let mut senders = known();
    let ann = of(&cloud, "ann", RATES);
    for _ in 0..31 {
        send(&mut senders, &ann, 1, at(0));
    }
    // A minute later there is room, for the one that waits.
    let fresh = senders.plan(&ann, (1, Turned::Never), at(69));
    assert_eq!(fresh.go, 0, "it does not go past");
    let waited = senders.plan(&ann, (1, Turned::Perhaps), at(70));
    assert_eq!(waited.go, 1);
}

#[test]
fn a_message_in_parts_counts_as_its_parts() {
    let cloud = cloud();
    let mut senders = known();
    let rates = SenderRates {
        per_day: 0,
        ..RATES
    };
    let ann = of(&cloud, "ann", rates);
    for _ in 0..10 {
        assert_eq!(send(&mut senders, &ann, 1001, at(0)).go.min(1), 1);
        if senders.backends[&cloud]["ann"].minute.sum(at(0).elapsed) >= 30 {
            break;
        }
    }
    let messages = senders.backends[&cloud]["ann"].minute.sum(at(0).elapsed);
    assert_eq!(messages, 30, "three for each of them");
    assert_eq!(send(&mut senders, &ann, 1, at(0)).go, 0);
}

/// A message for a hundred is not a hundred at once for the platform.
#[test]
fn a_message_goes_out_in_parts_as_the_minute_has_room() {
    let cloud = cloud();
    let rates = SenderRates {
        per_minute: 3,
        per_day: 0,
        per_message: 5,
    };
    let mut senders = known();
    let ann = of(&cloud, "ann", rates);
    assert_eq!(send(&mut senders, &ann, 4, at(0)).late, None);
    let mut plan = send(&mut senders, &ann, 32, at(0));
    assert_eq!(plan.go, 10, "two more");
    let (mut left, mut now, mut gone) = (22, 0, vec![(0, 3)]);
    while let Some((wait, bound)) = plan.late {
        assert_eq!(bound, SenderBound::Minute);
        // What comes meanwhile goes behind it.
        assert_eq!(senders.plan(&ann, (1, Turned::Never), at(now)).go, 0);
        now += wait.as_secs() + 1;
        plan = senders.plan(&ann, (left, Turned::Perhaps), at(now));
        senders.count(&ann, plan.go, at(now));
        gone.push((now, plan.go.div_ceil(5)));
        left -= plan.go;
    }
    assert_eq!(left, 0);
    assert_eq!(gone.iter().map(|(_, messages)| messages).sum::<u32>(), 8);
    for pair in gone.windows(2) {
        let together = pair[0].1 + pair[1].1;
        assert!(together <= 3 || pair[1].0 - pair[0].0 >= 60, "{gone:?}");
    }
}

/// Those for whom the minute has room may find the day full: then all others wait for the day.
#[test]
fn the_day_is_asked_of_those_for_whom_the_minute_has_room() {
    let cloud = cloud();
    let rates = SenderRates {
        per_minute: 2,
        per_day: 7,
        per_message: 5,
    };
    let mut senders = known();
    let ann = of(&cloud, "ann", rates);
    let plan = send(&mut senders, &ann, 20, at(0));
    let day = (HORIZON, SenderBound::Day);
    assert_eq!((plan.go, plan.late), (7, Some(day)));
}

#[test]
fn a_day_has_so_many_and_the_others_come_back() {
    let cloud = cloud();
    let rates = SenderRates {
        per_minute: 0,
        per_day: 100,
        per_message: 500,
    };
    let mut senders = known();
    let ann = of(&cloud, "ann", rates);
    assert_eq!(send(&mut senders, &ann, 60, at(10)).late, None);
    let hour = Duration::from_secs(HOUR);
    let second = send(&mut senders, &ann, 60, at(HOUR + 10));
    let day = SenderBound::Day;
    assert_eq!((second.go, second.late), (40, Some((hour, day))));
    let waits = senders.waits("ann", at(HOUR + 20));
    assert_eq!(waits, Some((cloud.clone(), day)));
    // In hour 25 the first sixty are out of the window: who asks before comes back right then.
    let then = at(25 * HOUR - 60);
    let late = senders.plan(&ann, (20, Turned::Perhaps), then);
    assert_eq!((late.go, late.late), (0, Some((hour / 60, day))));
    // Fresh mail does not go past them.
    let fresh = senders.plan(&ann, (5, Turned::Never), at(25 * HOUR));
    assert_eq!((fresh.go, fresh.late), (0, Some((hour / 60 * 59, day))));
    let waited = senders.plan(&ann, (20, Turned::Perhaps), at(25 * HOUR));
    assert_eq!((waited.go, waited.late), (20, None));
    senders.count(&ann, 20, at(25 * HOUR));
    // Nobody was sent away for want of room for an hour: nobody waits any more.
    let later = at(26 * HOUR);
    assert_eq!(senders.plan(&ann, (5, Turned::Never), later).go, 5);
    assert_eq!(senders.waits("ann", later), None);
}

#[test]
fn a_message_for_more_than_a_day_goes_bit_by_bit() {
    let cloud = cloud();
    let rates = SenderRates {
        per_minute: 0,
        per_day: 3,
        per_message: 0,
    };
    let mut senders = known();
    let ann = of(&cloud, "ann", rates);
    let plan = send(&mut senders, &ann, 1000, at(0));
    assert_eq!(plan.go, 3);
    // No turn is so far away that it would be taken for one of another clock.
    assert_eq!(plan.late, Some((HORIZON, SenderBound::Day)));
    let next = senders.plan(&ann, (997, Turned::Perhaps), at(25 * HOUR));
    assert_eq!(next.go, 3);
}

#[test]
fn what_was_not_taken_does_not_count_and_nothing_counts_without_limits() {
    let cloud = cloud();
    let rates = SenderRates {
        per_minute: 0,
        per_day: 10,
        per_message: 0,
    };
    let mut senders = known();
    let ann = of(&cloud, "ann", rates);
    assert_eq!(send(&mut senders, &ann, 10, at(0)).go, 10);
    senders.refund(&ann, 4);
    assert_eq!(send(&mut senders, &ann, 10, at(HOUR)).go, 4);
    let free = of(&cloud, "bob", SenderRates::default());
    assert_eq!(send(&mut senders, &free, 1_000_000, at(0)).go, 1_000_000);
    assert!(!senders.backends[&cloud].contains_key("bob"));
}

#[test]
fn the_disk_hears_of_each_tenth_and_a_start_goes_on_with_it() {
    let cloud = cloud();
    let mut senders = known();
    let ann = of(&cloud, "ann", RATES);
    let mut count = |recipients, seconds| senders.count(&ann, recipients, at(seconds));
    assert_eq!(count(999, 0), None);
    let hour = 1_800_000;
    let hours = vec![(hour, 1000)];
    assert_eq!(count(1, 1), Some(Kept { hours }));
    assert_eq!(count(999, HOUR), None);
    let kept = count(8000, 2 * HOUR).unwrap();
    assert_eq!(
        kept.hours,
        [(hour, 1000), (hour + 1, 999), (hour + 2, 8000)]
    );
    assert!(kept.lasts(hour + 26) && !kept.lasts(hour + 27));

    let mut again = known();
    again.restore((cloud.clone(), "ann"), &kept, hour + 2);
    let near = again.near(&|_| RATES, at(2 * HOUR).now);
    assert_eq!((near[0].recipients, near[0].limit), (9999, 10_000));
    assert_eq!(again.plan(&ann, (10, Turned::Never), at(2 * HOUR)).go, 1);
}

#[test]
fn who_has_used_nine_tenths_is_named_worst_first() {
    let cloud = cloud();
    let mut senders = known();
    for (sender, recipients) in [("ann", 8_999), ("bob", 9_000), ("eve", 10_000)] {
        let sending = of(&cloud, sender, RATES);
        senders.count(&sending, recipients, at(0));
    }
    let names = |senders: &Senders, now: Moment| {
        let near = senders.near(&|_| RATES, now.now);
        near.into_iter().map(|it| it.sender).collect::<Vec<_>>()
    };
    assert_eq!(names(&senders, at(0)), ["eve", "bob"]);
    assert!(names(&senders, at(25 * HOUR)).is_empty());
    let unlimited = senders.near(&|_| SenderRates::default(), at(0).now);
    assert!(unlimited.is_empty());
}

#[test]
fn a_clock_that_is_set_back_shuts_nobody_out_for_ever() {
    let cloud = cloud();
    let mut senders = known();
    let ann = of(&cloud, "ann", RATES);
    let year = 366 * 24 * HOUR;
    senders.count(&ann, 10_000, at(year));
    let plan = send(&mut senders, &ann, 1, at(100));
    assert_eq!(plan.go, 0, "what was sent counts");
    assert_eq!(send(&mut senders, &ann, 1, at(26 * HOUR)).go, 1);
}

#[test]
fn memory_is_bounded_and_the_busy_are_remembered() {
    let cloud = cloud();
    let mut senders = known();
    let busy = of(&cloud, "busy", RATES);
    senders.count(&busy, 9_999, at(0));
    for number in 0..limits::PACED_SENDERS * 2 {
        let name = format!("s{number}");
        senders.count(&of(&cloud, &name, RATES), 1, at(0));
    }
    assert!(senders.backends[&cloud].len() <= limits::PACED_SENDERS + 1);
    assert_eq!(senders.plan(&busy, (5, Turned::Never), at(0)).go, 1);
}

proptest! {
    /// Whoever asks whenever and comes back at his turn: no minute and no 24 hours see more than
    /// their limit, and everybody goes in the end.
    #[test]
    fn no_window_sees_more_than_its_limit(
        messages in proptest::collection::vec((0..5000_u64, 1..30_u32), 1..60),
        per_minute in 0..20_u32,
        per_day in 20..300_u32,
        per_message in 0..8_u32,
    ) {
        let cloud = cloud();
        let rates = SenderRates { per_minute, per_day, per_message };
        let ann = of(&cloud, "ann", rates);
        let mut senders = known();
        let mut waiting = std::collections::BTreeSet::new();
        let mut now = 0;
        let all: u32 = messages.iter().map(|(_, recipients)| recipients).sum();
        for (number, (step, recipients)) in messages.into_iter().enumerate() {
            now += step;
            waiting.insert((now * 1000, number, recipients, true));
        }
        let mut sent: Vec<(u64, u32)> = Vec::new();
        let (mut asked, mut next) = (0, 0);
        while let Some((millis, _, recipients, is_fresh)) = waiting.pop_first() {
            asked += 1;
            prop_assert!(asked < 200_000, "it never ends");
            let moment = Moment {
                elapsed: Duration::from_secs(7200) + Duration::from_millis(millis),
                now: Timestamp::from_millis(1_800_000 * HOUR * 1000 + millis),
            };
            let turned = if is_fresh { Turned::Never } else { Turned::Perhaps };
            let plan = senders.plan(&ann, (recipients, turned), moment);
            prop_assert_eq!(plan.late.is_some(), plan.go < recipients);
            if plan.go > 0 {
                senders.count(&ann, plan.go, moment);
                sent.push((millis, plan.go));
            }
            if let Some((wait, _)) = plan.late {
                prop_assert!(!wait.is_zero() && wait <= HORIZON);
                let wait = u64::try_from(wait.as_millis()).unwrap();
                next += 1;
                let left = recipients - plan.go;
                waiting.insert((millis + wait, 1000 + next, left, false));
            }
        }
        let total: u32 = sent.iter().map(|(_, recipients)| recipients).sum();
        prop_assert_eq!(total, all);
        for (from, _) in &sent {
            let within = |span: u64| {
                let window = *from..from + span;
                sent.iter().filter(move |(at, _)| window.contains(at))
            };
            let minute = within(60_000).map(|(_, recipients)| rates.messages(*recipients));
            let minute: u32 = minute.sum();
            prop_assert!(per_minute == 0 || minute <= per_minute);
            let day: u32 = within(24 * HOUR * 1000).map(|(_, recipients)| recipients).sum();
            prop_assert!(day <= per_day);
        }
    }
}

/// The disk was read, and knew nothing.
fn known() -> Senders {
    Senders {
        restored: true,
        ..Senders::default()
    }
}

#[test]
fn turns_that_are_forgotten_are_given_anew() {
    let cloud = cloud();
    let mut senders = known();
    let ann = of(&cloud, "ann", RATES);
    for _ in 0..60 {
        send(&mut senders, &ann, 1, at(0));
    }
    let later = senders.plan(&ann, (1, Turned::Never), at(70));
    assert_eq!(later.go, 0, "it does not go past those who wait");
    senders.forget_turns();
    assert_eq!(senders.plan(&ann, (1, Turned::Never), at(70)).go, 1);
}

/// What is counted before the disk was read is added to what it knows, and does not replace it.
#[test]
fn the_day_of_before_is_not_forgotten_by_who_is_early() {
    let (cloud, at) = (BackendId::new("cloud"), at(HOUR));
    let ann = Sending {
        backend: &cloud,
        sender: "ann",
        rates: SenderRates {
            per_minute: 0,
            per_day: 100,
            per_message: 0,
        },
    };
    let mut senders = Senders::default();
    assert_eq!(senders.count(&ann, 50, at), None);
    let before = Kept {
        hours: vec![(at.hour(), 40)],
    };
    senders.restore((cloud.clone(), "ann"), &before, at.hour());
    senders.restored = true;
    let kept = senders.count(&ann, 5, at).unwrap();
    assert_eq!(kept.hours, [(at.hour(), 95)]);
    // Who waits in vain for room leaves no turn behind.
    let full = senders.plan(&ann, (20, Turned::Never), at);
    assert!(full.late.is_some());
    assert!(senders.plan(&ann, (1, Turned::Never), at).late.is_some());
    senders.forget_turns();
    assert_eq!(senders.plan(&ann, (1, Turned::Never), at).late, None);
}
