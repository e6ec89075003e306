//! A deed that goes page by page, in the audit log on a real spool.

use crate::admin::audit::{
    AuditEntry, AuditLog, AuditOptions, AuditOutcome, AuditQuery, Did, Paged,
};
use crate::admin::operators::SecondStepRule;
use crate::admin::operators::tests::{Place, root};
use crate::limits;

fn log(place: &Place) -> AuditLog {
    let options = AuditOptions::default();
    AuditLog::new(place.spool.clone(), place.clock.clone(), options)
}

/// A drop of the mail to somebody, from a page on.
fn drop_of(to: &str, after: Option<&str>) -> AuditEntry {
    let mut entry = AuditEntry::new(&root(), "Do a deed to a page of a selection");
    entry.path = "/api/queue/perform".to_owned();
    entry.arguments.add("deed", "drop");
    entry.arguments.add("which.selection.recipient", to);
    entry
        .arguments
        .add("which.after", after.unwrap_or_default());
    entry
}

/// A page with so many recipients is asked for and done.
async fn page(log: &AuditLog, entry: AuditEntry, (recipients, next): (u64, Option<&str>)) {
    let begun = log.asked(&root(), entry).await.unwrap().unwrap();
    let did = Did {
        recipients,
        messages: recipients / 2,
        under_way: 0,
    };
    let next = next.map(str::to_owned);
    log.paged(begun, Paged { did, next }).await;
}

/// The newest first: what was asked for, what came of it, to how many.
async fn entries(log: &AuditLog) -> Vec<(String, &'static str, String)> {
    let page = log.page(AuditQuery::default()).await.unwrap();
    let entries = page.entries.into_iter();
    let told = entries.map(|it| (it.deed(), it.outcome.as_str(), it.told));
    told.collect()
}

fn line(deed: &str, outcome: &'static str, told: &str) -> (String, &'static str, String) {
    (deed.to_owned(), outcome, told.to_owned())
}

const ANN: &str = "Drop: recipient ann@x.example";

#[tokio::test]
async fn pages_of_one_deed_are_one_entry_with_their_sum() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    let first = place.clock.now();
    page(&log, drop_of("ann@x.example", None), (200, Some("P1"))).await;
    let so_far = line(ANN, "asked", "recipients: 200, messages: 100 so far");
    assert_eq!(entries(&log).await, [so_far]);
    place.pass(std::time::Duration::from_secs(9));
    page(
        &log,
        drop_of("ann@x.example", Some("P1")),
        (200, Some("P2")),
    )
    .await;
    let so_far = line(ANN, "asked", "recipients: 400, messages: 200 so far");
    assert_eq!(entries(&log).await, [so_far]);
    page(&log, drop_of("ann@x.example", Some("P2")), (20, None)).await;
    let whole = line(ANN, "done", "recipients: 420, messages: 210");
    assert_eq!(entries(&log).await, [whole]);
    let entry = log
        .page(AuditQuery::default())
        .await
        .unwrap()
        .entries
        .remove(0);
    assert_eq!((entry.at, entry.outcome), (first, AuditOutcome::Done));
    assert!(entry.ended.is_some_and(|ended| ended > first));
}

#[tokio::test]
async fn one_that_breaks_off_says_what_it_did_and_the_rest_is_told_apart() {
    let place = Place::new(SecondStepRule::Optional);
    let before = log(&place);
    page(&before, drop_of("ann@x.example", None), (200, Some("P1"))).await;
    // The program was killed, and somebody goes on with it.
    let log = log(&place);
    page(&log, drop_of("ann@x.example", Some("P1")), (7, None)).await;
    let rest = format!("{ANN} (goes on behind P1)");
    let expected = [
        line(&rest, "done", "recipients: 7, messages: 3"),
        line(ANN, "asked", "recipients: 200, messages: 100 so far"),
    ];
    assert_eq!(entries(&log).await, expected);
}

#[tokio::test]
async fn a_page_that_fails_hides_nothing_of_those_before_it() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    page(&log, drop_of("ann@x.example", None), (200, Some("P1"))).await;
    let entry = drop_of("ann@x.example", Some("P1"));
    let begun = log.asked(&root(), entry).await.unwrap().unwrap();
    log.came(begun, (503, "the disk is full".to_owned())).await;
    let told = "recipients: 200, messages: 100 before it; the disk is full";
    assert_eq!(entries(&log).await, [line(ANN, "failed", told)]);
}

/// Another order, or another person, adds nothing to it.
#[tokio::test]
async fn only_the_same_deed_goes_on() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    page(&log, drop_of("ann@x.example", None), (200, Some("P1"))).await;
    let because = AuditEntry {
        reason: "spam".to_owned(),
        ..drop_of("ann@x.example", Some("P1"))
    };
    let by_eve = AuditEntry {
        who: "eve".to_owned(),
        ..drop_of("ann@x.example", Some("P1"))
    };
    let others = [
        drop_of("bob@x.example", Some("P1")),
        drop_of("ann@x.example", Some("P9")),
        drop_of("ann@x.example", None),
        because,
        by_eve,
    ];
    let apart = others.len() + 1;
    for other in others {
        page(&log, other, (1, None)).await;
    }
    let told = entries(&log).await;
    assert_eq!(told.len(), apart, "{told:?}");
    let so_far = told.last().unwrap();
    assert_eq!(so_far.2, "recipients: 200, messages: 100 so far");
    page(&log, drop_of("ann@x.example", Some("P1")), (2, None)).await;
    let told = entries(&log).await;
    assert_eq!(told.len(), apart, "{told:?}");
    assert_eq!(told.last().unwrap().2, "recipients: 202, messages: 101");
}

#[tokio::test]
async fn those_that_are_waited_for_are_bounded() {
    let place = Place::new(SecondStepRule::Optional);
    let log = log(&place);
    for number in 0..=limits::AUDIT_DEEDS {
        let entry = drop_of(&format!("{number}@x.example"), None);
        page(&log, entry, (2, Some("P1"))).await;
    }
    let asked = |number: usize| drop_of(&format!("{number}@x.example"), Some("P1"));
    assert!(log.deeds().take(&asked(0)).is_none(), "the oldest one");
    assert!(log.deeds().take(&asked(1)).is_some());
    assert!(log.deeds().take(&asked(1)).is_none(), "it goes on once");
}
