use proptest::prelude::*;

use super::*;

const RATES: MailboxRates = MailboxRates {
    per_minute: 30,
    per_hour: 1000,
};

fn item<'a>(backend: &'a BackendId, mailbox: &'a str, sender: &'a str) -> Item<'a> {
    Item {
        backend,
        mailbox,
        sender,
        rates: RATES,
        attempts: 0,
    }
}

/// Most events in any window of that length.
fn most(times: &[Duration], window: Duration) -> usize {
    let within = |from: &Duration| {
        let inside = times
            .iter()
            .filter(|at| *at >= from && **at < *from + window);
        inside.count()
    };
    times.iter().map(within).max().unwrap_or_default()
}

#[test]
fn one_sender_has_a_third_and_all_have_the_rest() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let now = Duration::from_secs(1000);
    let mut go =
        |sender: &str, mailbox: &str| pace.ask(&item(&onprem, mailbox, sender), now) == Turn::Now;
    assert_eq!((0..50).filter(|_| go("eve", "ann")).count(), 10);
    assert_eq!((0..50).filter(|_| go("bob", "ann")).count(), 10);
    assert_eq!((0..50).filter(|_| go("joe", "ann")).count(), 10);
    assert!(!go("sue", "ann"));
    assert!(go("eve", "bob"), "another mailbox waits too");
}

#[test]
fn fresh_mail_counts_and_does_not_wait() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let now = Duration::from_secs(1000);
    for _ in 0..40 {
        pace.count(&item(&onprem, "ann", "eve"), now);
    }
    let Turn::In(wait) = pace.ask(&item(&onprem, "ann", "sue"), now) else {
        panic!("it went");
    };
    assert_eq!(wait, Duration::from_secs(70));
}

/// What failed has its turn, too, but it is not the rates that keep it.
#[test]
fn what_failed_does_not_say_that_the_rates_keep_it() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let now = Duration::from_secs(1000);
    let untried = item(&onprem, "ann", "eve");
    let failed = Item {
        attempts: 1,
        ..untried
    };
    for _ in 0..15 {
        pace.ask(&failed, now);
    }
    assert!(pace.longest(&onprem, now) > Duration::ZERO);
    assert_eq!(pace.longest_untried(&onprem, now), Duration::ZERO);
    let Turn::In(wait) = pace.ask(&untried, now) else {
        panic!("it went");
    };
    assert!(pace.longest_untried(&onprem, now) >= wait);
    assert_eq!(
        pace.longest_untried(&onprem, now + wait * 2),
        Duration::ZERO
    );
    pace.forget_turns();
    assert_eq!(pace.longest_untried(&onprem, now), Duration::ZERO);
}

/// What a platform did not take takes no room, however often it is tried; what it took does.
#[test]
fn what_was_not_taken_is_given_back() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let eve = item(&onprem, "ann", "eve");
    let mut now = Duration::from_secs(1000);
    for attempt in 0..2_000 {
        assert_eq!(pace.ask(&eve, now), Turn::Now, "attempt {attempt}");
        pace.refund(&eve, now + Duration::from_millis(300));
        now += Duration::from_secs(2);
    }
    for _ in 0..10 {
        assert_eq!(pace.ask(&eve, now), Turn::Now);
    }
    assert!(matches!(pace.ask(&eve, now), Turn::In(_)));
    // What came later keeps its place: it is the newest one of then that goes.
    let later = now + Duration::from_secs(30);
    let joe = item(&onprem, "ann", "joe");
    assert_eq!(pace.ask(&joe, later), Turn::Now);
    pace.refund(&eve, now);
    let account = &pace.backends[&onprem][&eve.accounts()[0].0];
    assert_eq!(account.minute.sum(later), 10);
    assert_eq!(account.minute.sum(now + Duration::from_secs(75)), 1);
    // Nothing is given back of what nobody got.
    let sue = item(&onprem, "sue", "eve");
    pace.refund(&sue, later);
    assert_eq!(pace.ask(&sue, later), Turn::Now);
}

/// What happened in an earlier life is told in any order, and each counts for its time.
#[test]
fn the_past_counts_where_it_was() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let now = Duration::from_secs(7_200);
    let ago = |seconds: u64| Duration::from_secs(7_200 - seconds);
    for seconds in [10, 3_000, 50, 1_500, 4_500] {
        for _ in 0..200 {
            pace.count(&item(&onprem, "ann", "eve"), ago(seconds));
        }
    }
    let account = pace.backends[&onprem].values().next().unwrap();
    assert_eq!(account.minute.sum(now), 400);
    assert_eq!(account.hour.sum(now), 800, "what is too old is forgotten");
    assert_eq!(account.hour.sum(now + Duration::from_secs(1_500)), 600);
    let hour = Duration::from_secs(3_900);
    assert_eq!(account.hour.sum(now + hour), 0);
}

/// Each comes back at its turn; the whole backlog of a mailbox takes no longer than it must.
#[test]
fn turns_are_kept_and_the_end_is_foretold() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let mut waiting: std::collections::BTreeSet<(Duration, u32)> =
        (0..3000).map(|n| (Duration::ZERO, n)).collect();
    let (mut sent, mut asked, mut foretold) = (Vec::new(), 0, Duration::ZERO);
    while let Some((now, number)) = waiting.pop_first() {
        let sender = format!("s{number}");
        asked += 1;
        match pace.ask(&item(&onprem, "ann", &sender), now) {
            Turn::Now => sent.push(now),
            Turn::In(wait) => {
                waiting.insert((now + wait, number));
            }
        }
        if asked == 3000 {
            foretold = pace.longest(&onprem, now);
        }
    }
    assert!(most(&sent, Duration::from_secs(60)) <= 30);
    assert!(most(&sent, Duration::from_secs(3600)) <= 1000);
    let took = *sent.last().unwrap();
    assert!(took <= Duration::from_secs(4 * 3600), "{took:?}");
    assert!(
        foretold >= took.mul_f64(0.7) && foretold <= took.mul_f64(1.5),
        "{foretold:?} {took:?}"
    );
    // Few of them have to ask often.
    assert!(asked < 5 * 3000, "{asked}");
}

/// Turns of those who went away keep nobody waiting, and those of the others stay good.
#[test]
fn turns_that_are_forgotten_are_given_anew() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let now = Duration::from_secs(1000);
    let last = |pace: &mut Pace, count: u32| {
        let turns = (0..count).map(|number| {
            let sender = format!("s{number}");
            pace.ask(&item(&onprem, "ann", &sender), now)
        });
        turns.last()
    };
    let Some(Turn::In(first)) = last(&mut pace, 31) else {
        panic!("it went");
    };
    let Some(Turn::In(late)) = last(&mut pace, 400) else {
        panic!("it went");
    };
    assert!(late > first * 5, "{late:?}");
    pace.forget_turns();
    assert_eq!(last(&mut pace, 1), Some(Turn::In(first)));
    assert!(pace.longest(&onprem, now) < first * 2);
}

#[test]
fn memory_is_bounded_and_the_busy_are_remembered() {
    let onprem = BackendId::new("onprem");
    let mut pace = Pace::default();
    let now = Duration::from_secs(1000);
    for _ in 0..30 {
        pace.count(&item(&onprem, "busy", "eve"), now);
    }
    for number in 0..limits::PACED_MAILBOXES * 2 {
        pace.count(&item(&onprem, &format!("m{number}"), "eve"), now);
    }
    assert!(pace.backends[&onprem].len() <= limits::PACED_MAILBOXES + 1);
    assert!(matches!(
        pace.ask(&item(&onprem, "busy", "sue"), now),
        Turn::In(_)
    ));
}

proptest! {
    /// I7 and decision 11: whoever asks whenever, no window sees more than its limit.
    #[test]
    fn no_window_sees_more_than_its_limit(
        steps in proptest::collection::vec(0..20_000_u64, 1..400),
        per_minute in 0..40_u32,
        per_hour in 1..200_u32,
    ) {
        let onprem = BackendId::new("onprem");
        let rates = MailboxRates { per_minute, per_hour };
        let (mut pace, mut now, mut sent) = (Pace::default(), Duration::ZERO, Vec::new());
        for (number, step) in steps.into_iter().enumerate() {
            now += Duration::from_millis(step);
            let sender = number.to_string();
            let item = Item { rates, ..item(&onprem, "ann", &sender) };
            if number % 37 == 0 {
                pace.forget_turns();
            }
            if pace.ask(&item, now) == Turn::Now {
                sent.push(now);
            }
        }
        if per_minute > 0 {
            prop_assert!(most(&sent, Duration::from_secs(60)) <= per_minute as usize);
        }
        prop_assert!(most(&sent, Duration::from_secs(3600)) <= per_hour as usize);
    }
}
