//! Retention on a real disk, with a clock that can be set.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::tests::{Opened2, accept, close, delivered, open_in, options, read};
use super::*;
use crate::base::{Clock, TimeSource, Timestamp};
use crate::mail::{BackendId, Blame, Failure, RecipientEvent, SpoolId};
use crate::smtp::Reply;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Starts now and is set forward.
#[derive(Debug, Clone)]
pub(super) struct Hands(Arc<AtomicU64>);

impl Hands {
    pub(super) fn new() -> Self {
        let now = Clock::system().now().as_millis();
        Self(Arc::new(AtomicU64::new(now)))
    }

    pub(super) fn forward(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

impl TimeSource for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(super) fn open(dir: &Path, hands: &Hands) -> (Spool, Opened2) {
    let world = World {
        clock: Clock::new(hands.clone()),
        ..World::system()
    };
    open_in(options(dir), world)
}

pub(super) fn segments(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("log")).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "spool")
        .collect();
    names.sort();
    names
}

fn rows(spool: &Spool) -> Vec<Row> {
    let mut rows = spool.0.index.settled().scan(b"", b"", usize::MAX).unwrap();
    rows.retain(|(key, _)| !key.starts_with(b"!"));
    rows
}

/// Accepts until `count` segments are full; each tenth message stays unfinished.
pub(super) async fn fill(spool: &Spool, dir: &Path, count: usize) -> (Vec<SpoolId>, Vec<SpoolId>) {
    let (mut finished, mut waiting) = (Vec::new(), Vec::new());
    for number in 0.. {
        let recipients = ["bob@example.org", "eve@example.org"];
        let id = accept(spool, &recipients, &vec![b'x'; 700 + number % 5 * 300]).await;
        let failure = Failure::without_reply(Blame::Backend, "refused");
        let deferred = RecipientEvent::Deferred {
            backend: BackendId::new("onprem"),
            failure,
            due: id.timestamp(),
            counts: true,
        };
        spool.record(id, vec![0], deferred).await.unwrap();
        spool.record(id, vec![1], delivered()).await.unwrap();
        if number % 10 == 0 {
            waiting.push(id);
        } else {
            spool.record(id, vec![0], delivered()).await.unwrap();
            finished.push(id);
        }
        if segments(dir).len() > count {
            break;
        }
    }
    (finished, waiting)
}

/// I13: nothing differs when the index is made anew.
pub(super) async fn compare_with_an_index_made_anew(
    dir: &Path,
    hands: &Hands,
    spool: Spool,
    opened: Opened2,
) -> (Spool, Opened2) {
    let now = rows(&spool);
    let numbers = spool.stats();
    close(spool, opened).await;
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    let (spool, opened) = open(dir, hands);
    assert!(opened.recovery.rebuilt);
    assert_eq!(opened.recovery.orphans, 0);
    assert_eq!(rows(&spool), now, "I13");
    let again = spool.stats();
    assert_eq!(
        (
            again.accepted,
            again.delivered,
            again.uncertain,
            again.queued
        ),
        (
            numbers.accepted,
            numbers.delivered,
            numbers.uncertain,
            numbers.queued
        )
    );
    (spool, opened)
}

#[tokio::test]
async fn finished_mail_goes_and_the_rest_is_carried_forward() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    spool
        .put_fact("account", "ann", Some(7.into()))
        .await
        .unwrap();
    spool
        .put_fact("account", "bob", Some(8.into()))
        .await
        .unwrap();
    spool.put_fact("account", "bob", None).await.unwrap();
    let page = Bytes::from_static(b"{\"a\":1}\n");
    for key in ["page/1", "page/2"] {
        let told = spool.put_document("book", key, 1.into(), page.clone());
        told.await.unwrap().wait().await.unwrap();
    }
    spool.put_fact("book", "page/2", None).await.unwrap();
    let large = accept(&spool, &["bob@example.org"], &vec![b'l'; 20_000]).await;
    let large_waiting = accept(&spool, &["bob@example.org"], &vec![b'w'; 20_000]).await;
    spool.record(large, vec![0], delivered()).await.unwrap();
    let (finished, waiting) = fill(&spool, dir.path(), 4).await;
    let before = spool.message(waiting[0]).unwrap().unwrap();
    let history = spool.history(waiting[0]).unwrap();
    let body = read(&spool, waiting[0]);

    assert_eq!(
        spool.retire().await.unwrap(),
        Retired::default(),
        "too early"
    );
    hands.forward(DAY * 31);
    // A segment is over when a later one was begun before the time.
    let (more, _) = fill(&spool, dir.path(), segments(dir.path()).len()).await;
    let retired = spool.retire().await.unwrap();
    assert_eq!(retired.segments, 4);
    assert!(!segments(dir.path()).contains(&"0000000001.seg".to_owned()));
    assert!(retired.removed > finished.len() as u64 / 2);

    assert!(spool.message(large).unwrap().is_none());
    assert!(!dir.path().join(format!("big/{large}.eml")).exists());
    assert_eq!(read(&spool, large_waiting).len(), 20_000);
    assert!(spool.message(finished[0]).unwrap().is_none());
    assert!(spool.message(more[0]).unwrap().is_some());
    let after = spool.message(waiting[0]).unwrap().unwrap();
    assert_eq!(after.states, before.states);
    assert_eq!(after.received, before.received);
    assert_eq!(spool.history(waiting[0]).unwrap(), history);
    assert_eq!(read(&spool, waiting[0]), body);
    assert_eq!(spool.fact("account", "ann").unwrap(), Some(7.into()));
    assert_eq!(spool.fact("account", "bob").unwrap(), None);
    let kept = Some((1.into(), page.clone()));
    assert_eq!(spool.document("book", "page/1").unwrap(), kept);
    assert_eq!(spool.document("book", "page/2").unwrap(), None);
    let mailbox = spool.mailbox("eve@example.org", None, 10_000).unwrap();
    assert!(!mailbox.contains(&(finished[0], 1)));
    assert!(mailbox.contains(&(waiting[0], 1)));

    // Events after the carrying follow the message.
    spool
        .record(waiting[0], vec![0], delivered())
        .await
        .unwrap();
    let (spool, opened) = compare_with_an_index_made_anew(dir.path(), &hands, spool, opened).await;
    assert_eq!(spool.history(waiting[0]).unwrap().len(), history.len() + 1);
    assert_eq!(spool.document("book", "page/1").unwrap(), kept);
    let empty = spool.document("account", "ann").unwrap();
    assert_eq!(empty, Some((7.into(), Bytes::new())));
    let large = Bytes::from(vec![b'x'; crate::limits::DOCUMENT + 1]);
    let refused = spool.put_document("book", "page/3", 1.into(), large).await;
    assert!(refused.unwrap_err().to_string().contains("are allowed"));
    close(spool, opened).await;
}

/// A message that is deferred every ten seconds for a day has a short history, with and without its
/// index, and when it is carried forward.
#[tokio::test]
async fn alike_events_are_counted_and_not_listed() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    let id = accept(&spool, &["bob@example.org", "eve@example.org"], b"Hi\r\n").await;
    let deferred = |line: &str| RecipientEvent::Deferred {
        backend: BackendId::new("onprem"),
        failure: Failure::replied(Blame::Recipient, Reply::parse(&[line]).unwrap()),
        due: Timestamp::EPOCH,
        counts: false,
    };
    let paced = RecipientEvent::Paced {
        due: Timestamp::EPOCH,
        sender: None,
    };
    let busy = deferred("450 4.2.1 busy");
    for _ in 0..400 {
        for (number, event) in [(0, &busy), (1, &busy), (0, &paced)] {
            let begun = spool.begin_record(id, vec![number], event.clone()).await;
            drop(begun.unwrap());
        }
    }
    spool.checkpoint().await.unwrap();
    let told = |spool: &Spool| -> Vec<(&'static str, u16, u64)> {
        let history = spool.history(id).unwrap().into_iter();
        let short = history.map(|entry| (entry.event.name(), entry.recipients[0], entry.left_out));
        short.collect()
    };
    let mut expected = vec![
        ("deferred", 0, 0),
        ("deferred", 1, 0),
        ("paced", 0, 0),
        ("deferred", 0, 398),
        ("deferred", 1, 398),
        ("paced", 0, 398),
    ];
    assert_eq!(told(&spool), expected);
    // Another answer is news, and so is what comes behind the end of a run.
    spool
        .record(id, vec![0], deferred("450 4.7.1 later"))
        .await
        .unwrap();
    spool.record(id, vec![1], delivered()).await.unwrap();
    spool
        .record(id, vec![0], deferred("450 4.7.1 later"))
        .await
        .unwrap();
    spool
        .record(id, vec![0], deferred("450 4.7.1 later"))
        .await
        .unwrap();
    expected.extend([
        ("deferred", 0, 0),
        ("delivered", 1, 0),
        ("deferred", 0, 0),
        ("deferred", 0, 0),
    ]);
    assert_eq!(told(&spool), expected);
    fill(&spool, dir.path(), 3).await;
    hands.forward(DAY * 31);
    fill(&spool, dir.path(), segments(dir.path()).len()).await;
    assert!(spool.retire().await.unwrap().carried > 0);
    assert_eq!(told(&spool), expected);
    let (spool, opened) = compare_with_an_index_made_anew(dir.path(), &hands, spool, opened).await;
    assert_eq!(told(&spool), expected);
    close(spool, opened).await;
}

#[tokio::test]
async fn what_is_gone_is_in_the_ledger_until_its_time_is_over() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    let (finished, waiting) = fill(&spool, dir.path(), 2).await;
    hands.forward(DAY * 31);
    fill(&spool, dir.path(), segments(dir.path()).len()).await;
    spool.retire().await.unwrap();
    let by_id = spool.ledger_find(&finished[0].to_string(), 10).unwrap();
    assert_eq!(by_id.len(), 1);
    assert_eq!(by_id[0].history.len(), 3);
    assert_eq!(by_id[0].states[0].name(), "delivered");
    assert_eq!(by_id[0].size, 1000);
    let by_address = spool.ledger_find("EVE@example.org", 10_000).unwrap();
    let ids: Vec<_> = by_address.iter().map(|message| message.id).collect();
    assert!(ids.contains(&finished[0]) && !ids.contains(&waiting[0]));
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first");
    assert_eq!(spool.ledger_find("a@example.net", 3).unwrap().len(), 3);
    assert_eq!(spool.ledger_find("nobody@example.org", 3).unwrap(), []);
    // A file that is damaged hides no other, whoever asks.
    let ledger = &spool.0.ledger;
    for name in ["0000000000.jsonl.gz", "4000000000.jsonl.gz"] {
        std::fs::write(ledger.dir.join(name), b"no gzip").unwrap();
    }
    let found = spool.ledger_find("EVE@example.org", 10_000).unwrap();
    assert_eq!(found.len(), by_address.len());
    let mut all = 0;
    let nothing = std::collections::BTreeSet::new();
    let from = (Timestamp::EPOCH, &nothing);
    let unreadable = ledger.each(from, &mut |_, _| all += 1).unwrap();
    assert_eq!(unreadable.len(), 2);
    assert_eq!(all, by_address.len());
    assert_eq!(ledger.verify().unwrap().len(), 2);
    hands.forward(DAY * 368);
    assert_eq!(spool.retire().await.unwrap().ledgers, 0);
    hands.forward(DAY * 2);
    assert!(spool.retire().await.unwrap().ledgers > 0);
    close(spool, opened).await;
}

#[tokio::test]
async fn a_segment_full_of_waiting_mail_stays() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    let mut ids = Vec::new();
    while segments(dir.path()).len() < 3 {
        ids.push(accept(&spool, &["bob@example.org"], &[b'x'; 2000]).await);
    }
    hands.forward(DAY * 100);
    while segments(dir.path()).len() < 5 {
        ids.push(accept(&spool, &["bob@example.org"], &[b'x'; 2000]).await);
    }
    assert_eq!(spool.retire().await.unwrap(), Retired::default());
    for &id in &ids {
        spool.record(id, vec![0], delivered()).await.unwrap();
    }
    assert_eq!(
        spool.retire().await.unwrap(),
        Retired::default(),
        "finished just now"
    );
    hands.forward(DAY * 31);
    accept(&spool, &["bob@example.org"], &[b'x'; 2000]).await;
    assert_eq!(spool.retire().await.unwrap().segments, 4);
    close(spool, opened).await;
}

/// Flips a bit of the first segment, where `find` says, behind the first record.
fn damage(dir: &Path, find: impl Fn(&[u8]) -> usize) {
    let path = dir.join("log/0000000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = find(&bytes);
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

fn in_body(id: SpoolId) -> impl Fn(&[u8]) -> usize {
    move |bytes| {
        in_line(id)(bytes)
            + bytes[in_line(id)(bytes)..]
                .windows(8)
                .position(|eight| eight == b"xxxxxxxx")
                .unwrap()
    }
}

fn in_line(id: SpoolId) -> impl Fn(&[u8]) -> usize {
    move |bytes| memchr::memmem::find(bytes, id.to_string().as_bytes()).unwrap()
}

fn in_quarantine(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("quarantine")).unwrap().count()
}

#[tokio::test]
async fn damage_that_nobody_waits_for_goes_to_quarantine_and_keeps_no_segment() {
    for in_what in ["body", "line"] {
        let dir = TempDir::new().unwrap();
        let hands = Hands::new();
        let (spool, opened) = open(dir.path(), &hands);
        let (finished, waiting) = fill(&spool, dir.path(), 2).await;
        hands.forward(DAY * 31);
        let (newer, _) = fill(&spool, dir.path(), 3).await;
        match in_what {
            "body" => damage(dir.path(), in_body(finished[0])),
            _ => damage(dir.path(), in_line(finished[0])),
        }
        let retired = spool.retire().await.unwrap();
        assert!(retired.segments >= 2, "{in_what}: {retired:?}");
        assert!(!dir.path().join("log/0000000001.seg").exists());
        assert_eq!(in_quarantine(dir.path()), 1, "{in_what}");
        assert!(spool.message(finished[0]).unwrap().is_none());
        assert!(spool.state(finished[0], 0).unwrap().is_none());
        let bob = spool.mailbox("bob@example.org", None, usize::MAX).unwrap();
        assert!(bob.iter().all(|(id, _)| *id != finished[0]), "{in_what}");
        for id in waiting.iter().chain(&newer) {
            assert!(!read(&spool, *id).is_empty());
        }
        let (spool, opened) =
            compare_with_an_index_made_anew(dir.path(), &hands, spool, opened).await;
        close(spool, opened).await;
    }
}

#[tokio::test]
async fn damage_that_somebody_waits_for_keeps_its_segment_until_he_does_not() {
    for in_what in ["body", "line"] {
        let dir = TempDir::new().unwrap();
        let hands = Hands::new();
        let (spool, opened) = open(dir.path(), &hands);
        let (_, waiting) = fill(&spool, dir.path(), 2).await;
        hands.forward(DAY * 31);
        fill(&spool, dir.path(), 3).await;
        match in_what {
            "body" => damage(dir.path(), in_body(waiting[0])),
            _ => damage(dir.path(), in_line(waiting[0])),
        }
        let refused = spool.retire().await.unwrap_err();
        assert!(refused.is_damage(), "{refused}");
        let told = refused.to_string();
        assert!(
            told.contains(&format!("queue drop {}", waiting[0])),
            "{told}"
        );
        assert!(dir.path().join("log/0000000001.seg").exists());
        let dropped = RecipientEvent::Dropped {
            actor: "ann".to_owned(),
            reason: String::new(),
        };
        spool.record(waiting[0], vec![0], dropped).await.unwrap();
        assert!(spool.retire().await.unwrap().segments >= 2, "{in_what}");
        assert_eq!(in_quarantine(dir.path()), 1, "{in_what}");
        close(spool, opened).await;
    }
}

#[tokio::test]
async fn large_bodies_without_a_record_go_to_quarantine() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    let known = accept(&spool, &["bob@example.org"], &vec![b'l'; 20_000]).await;
    close(spool, opened).await;
    let big = dir.path().join("big");
    std::fs::write(big.join("06J8Z4K2M0001.tmp"), "half").unwrap();
    std::fs::write(big.join("06J8Z4K2M0001.eml"), "whole").unwrap();
    let (spool, opened) = open(dir.path(), &hands);
    assert_eq!(opened.recovery.orphans, 1);
    assert_eq!(spool.stats().quarantined, 1);
    // And the mark of the folder.
    assert_eq!(std::fs::read_dir(&big).unwrap().count(), 2);
    assert_eq!(read(&spool, known).len(), 20_000);
    close(spool, opened).await;
}
