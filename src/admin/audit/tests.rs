//! The audit log on a real spool.

use std::time::Duration;

use crate::admin::Limit;
use crate::admin::audit::{AuditEntry, AuditLog, AuditOptions, AuditOutcome, AuditQuery};
use crate::admin::operators::SecondStepRule;
use crate::admin::operators::tests::{Place, root};
use crate::base::{Shutdown, Timestamp};

fn log(place: &Place) -> AuditLog {
    let options = AuditOptions::default();
    AuditLog::new(place.spool.clone(), place.clock.clone(), options)
}

async fn written(log: &AuditLog, what: &str, status: Option<u16>) -> AuditEntry {
    let entry = AuditEntry::new(&root(), what);
    let entry = log.asked(&root(), entry).await.unwrap().unwrap().entry;
    if let Some(status) = status {
        log.ended(entry.clone(), (status, String::new())).await;
    }
    entry
}

async fn told(log: &AuditLog, query: AuditQuery) -> Vec<(String, &'static str)> {
    let page = log.page(query).await.unwrap();
    let entries = page.entries.into_iter();
    entries.map(|it| (it.what, it.outcome.as_str())).collect()
}

#[tokio::test]
async fn what_was_asked_stands_there_before_it_is_done() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    written(&log, "one", Some(200)).await;
    written(&log, "two", Some(403)).await;
    written(&log, "three", Some(500)).await;
    // The program was killed in the middle of it.
    written(&log, "four", None).await;
    let again = self::log(&place);
    let expected = [
        ("four", "asked"),
        ("three", "failed"),
        ("two", "refused"),
        ("one", "done"),
    ];
    let expected = expected.map(|(what, outcome)| (what.to_owned(), outcome));
    assert_eq!(told(&again, AuditQuery::default()).await, expected);
}

#[tokio::test]
async fn what_a_signal_asks_for_stands_there_before_it_is_done() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    let words = async || {
        let told = told(&log, AuditQuery::default()).await;
        told.into_iter().map(|(_, word)| word).collect::<Vec<_>>()
    };
    let work = async {
        assert_eq!(words().await, ["asked"]);
        Ok(())
    };
    log.signalled("one", work).await;
    assert_eq!(words().await, ["done"]);
    let refused = async { Err("line 3 is bad".to_owned()) };
    log.signalled("two", refused).await;
    assert_eq!(
        words().await,
        ["refused", "done"],
        "the word of the command"
    );
    let page = log.page(AuditQuery::default()).await.unwrap();
    assert_eq!(page.entries[0].told, "line 3 is bad");
    assert!(page.entries[0].ended.is_some());
}

#[tokio::test]
async fn pages_follow_each_other_and_nothing_is_shown_twice_or_left_out() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    for number in 0..250 {
        written(&log, &format!("{number:03}"), Some(200)).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = AuditQuery {
            limit: Some(Limit::of(40)),
            after: after.clone(),
            ..AuditQuery::default()
        };
        let page = log.page(query).await.unwrap();
        seen.extend(page.entries.into_iter().map(|entry| entry.what));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..250)
        .rev()
        .map(|number| format!("{number:03}"))
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_time_a_name_and_a_word_can_be_asked_for() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    written(&log, "Hold mail", Some(200)).await;
    place.pass(Duration::from_secs(60));
    let middle = place.clock.now();
    place.pass(Duration::from_secs(60));
    written(&log, "Release", Some(200)).await;
    let of = |query| told(&log, query);
    let all = AuditQuery::default;
    let since = AuditQuery {
        since: Some(middle),
        ..all()
    };
    assert_eq!(of(since).await, [("Release".to_owned(), "done")]);
    let until = AuditQuery {
        until: Some(middle),
        ..all()
    };
    assert_eq!(of(until).await, [("Hold mail".to_owned(), "done")]);
    let what = AuditQuery {
        what: Some("hold".to_owned()),
        ..all()
    };
    assert_eq!(of(what).await, [("Hold mail".to_owned(), "done")]);
    let nobody = AuditQuery {
        by: Some("roo".to_owned()),
        ..all()
    };
    assert!(of(nobody).await.is_empty());
    let both = AuditQuery {
        by: Some("root".to_owned()),
        ..all()
    };
    assert_eq!(of(both).await.len(), 2);
}

/// Else the page would end at it, and what came before it would not be shown.
#[tokio::test]
async fn a_clock_that_is_set_back_hides_nothing() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    place.pass(Duration::from_secs(3600));
    let since = place.clock.now();
    written(&log, "before", Some(200)).await;
    let entry = AuditEntry {
        at: Timestamp::from_millis(since.as_millis() - 1_800_000),
        ..AuditEntry::new(&root(), "after")
    };
    let begun = log.begin(entry).await.unwrap();
    assert!(begun.at >= since, "{}", begun.at);
    let query = AuditQuery {
        since: Some(since),
        ..AuditQuery::default()
    };
    let told = told(&log, query).await;
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test]
async fn what_is_too_old_goes_and_nothing_else() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    written(&log, "old", Some(200)).await;
    let kept = AuditOptions::default().keep;
    place.pass(kept.saturating_sub(Duration::from_secs(60)));
    written(&log, "new", Some(200)).await;
    log.clear().await.unwrap();
    assert_eq!(told(&log, AuditQuery::default()).await.len(), 2);
    place.pass(Duration::from_secs(120));
    log.clear().await.unwrap();
    let left = told(&log, AuditQuery::default()).await;
    assert_eq!(left, [("new".to_owned(), "done")]);
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_fill_the_disk() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    for _ in 0..300 {
        let mut entry = AuditEntry::of_login("(unknown)", "192.0.2.1", "Log in");
        entry.outcome = AuditOutcome::Refused;
        log.note(entry).await;
    }
    let query = || AuditQuery {
        limit: Some(Limit::of(1000)),
        ..AuditQuery::default()
    };
    assert_eq!(log.page(query()).await.unwrap().entries.len(), 100);
    // Behind such a flood nobody can hide what he tries with a name.
    let mut known = AuditEntry::new(&root(), "Drop mail");
    known.outcome = AuditOutcome::Refused;
    log.note(known).await;
    let told = log.page(query()).await.unwrap();
    assert_eq!(told.entries.first().unwrap().what, "Drop mail");
    place.pass(Duration::from_secs(61));
    let mut entry = AuditEntry::of_login("(unknown)", "192.0.2.1", "Log in");
    entry.outcome = AuditOutcome::Refused;
    log.note(entry).await;
    let page = log.page(query()).await.unwrap();
    assert_eq!(page.entries.len(), 102);
    assert_eq!(page.entries.first().unwrap().left_out, 200);
    let shutdown = Shutdown::new();
    shutdown.signal();
    log.keep(shutdown).await;
}
