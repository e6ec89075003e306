//! The chain on a real disk: what retention does is no tampering, and every tampering shows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::base::Shutdown;
use crate::spool::chain::{Link, Part, ROOM, key_of};
use crate::spool::retention_tests::{Hands, fill, open, segments};
use crate::spool::tests::{Opened2, close, open_in, options};

use crate::spool::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What the chain complains of; it is brought up to now before.
async fn problems(spool: &Spool, anchor: Option<&Anchor>) -> Vec<String> {
    spool.link(Reach::Everything).await.unwrap();
    let check = spool.check_chain(anchor).unwrap();
    assert_eq!(check.wrong, check.problems.len() as u64);
    check.problems
}

fn one(found: &[String], expected: &str) {
    assert!(
        found.iter().any(|one| one.contains(expected)),
        "{expected}: {found:?}"
    );
}

fn oldest(dir: &Path) -> PathBuf {
    dir.join("log").join(&segments(dir)[0])
}

/// Changes a byte in the middle of a file.
fn change(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// A spool some of whose segments went to the ledger.
async fn retired(dir: &TempDir, hands: &Hands) -> (Spool, Opened2) {
    let (spool, opened) = open(dir.path(), hands);
    fill(&spool, dir.path(), 4).await;
    hands.forward(31 * DAY);
    fill(&spool, dir.path(), 7).await;
    assert!(spool.retire().await.unwrap().segments > 2);
    (spool, opened)
}

#[tokio::test]
async fn growth_retention_and_restarts_are_no_tampering() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    let empty = spool.link(Reach::Closed).await.unwrap();
    assert_eq!(problems(&spool, Some(&empty)).await, [""; 0]);
    fill(&spool, dir.path(), 3).await;
    let early = spool.link(Reach::Everything).await.unwrap();
    assert!(early.number > 3);
    close(spool, opened).await;

    let (spool, opened) = open(dir.path(), &hands);
    assert_eq!(problems(&spool, Some(&early)).await, [""; 0]);
    hands.forward(31 * DAY);
    fill(&spool, dir.path(), 6).await;
    assert!(spool.retire().await.unwrap().segments > 1);
    assert_eq!(problems(&spool, Some(&early)).await, [""; 0]);
    let check = spool.check_chain(None).unwrap();
    assert!(
        check.segments > 0 && check.bytes > 0 && check.ledgers > 0,
        "{check:?}"
    );
    assert_eq!((check.expired, check.unread), (0, 0));
    // The ledger is kept for 400 days.
    hands.forward(401 * DAY);
    assert!(spool.retire().await.unwrap().ledgers > 0);
    assert_eq!(problems(&spool, Some(&early)).await, [""; 0]);
    assert!(spool.check_chain(None).unwrap().expired > 0);
    close(spool, opened).await;
}

#[tokio::test]
async fn what_was_changed_in_the_files_shows() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = retired(&dir, &hands).await;
    assert_eq!(problems(&spool, None).await, [""; 0]);
    let ledger = spool.0.ledger.path(2);
    let ledger_was = std::fs::read(&ledger).unwrap();
    let log = oldest(dir.path());
    let log_was = std::fs::read(&log).unwrap();

    change(&log);
    one(&problems(&spool, None).await, "are not what they were at");
    std::fs::write(&log, [log_was.as_slice(), b"more"].concat()).unwrap();
    one(&problems(&spool, None).await, "was put behind its end");
    std::fs::write(&log, &log_was[..log_was.len() - 8]).unwrap();
    one(&problems(&spool, None).await, "cannot be read");
    std::fs::remove_file(&log).unwrap();
    one(&problems(&spool, None).await, "retention did not take it");
    std::fs::write(&log, &log_was).unwrap();
    assert_eq!(problems(&spool, None).await, [""; 0]);

    change(&ledger);
    one(&problems(&spool, None).await, "ledger 2 is not what it was");
    std::fs::remove_file(&ledger).unwrap();
    one(&problems(&spool, None).await, "ledger 2 is gone");
    std::fs::write(&ledger, &ledger_was).unwrap();
    std::fs::write(spool.0.ledger.path(4_000), &ledger_was).unwrap();
    one(&problems(&spool, None).await, "ledger 4000 was put there");
    std::fs::remove_file(spool.0.ledger.path(4_000)).unwrap();
    assert_eq!(problems(&spool, None).await, [""; 0]);
    close(spool, opened).await;
}

/// Who can write the log can also make links; what he cannot is to make an anchor true that was
/// kept elsewhere.
#[tokio::test]
async fn a_chain_that_was_made_anew_shows_by_the_anchor() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = retired(&dir, &hands).await;
    let anchor = spool.link(Reach::Everything).await.unwrap();
    let links = spool.links().unwrap();
    let put = async |number: u64, link: Option<&Link>| {
        let value = link.map(|link| serde_json::to_value(link).unwrap());
        spool.put_fact(ROOM, &key_of(number), value).await.unwrap();
    };
    // A link is taken out, another is changed.
    put(2, None).await;
    one(
        &spool.check_chain(None).unwrap().problems,
        "link 2 is missing",
    );
    let other = Link {
        at: links[1].1.at.after(DAY),
        ..links[1].1.clone()
    };
    put(2, Some(&other)).await;
    one(
        &spool.check_chain(None).unwrap().problems,
        "does not follow",
    );
    // The whole chain is made anew over it.
    let mut before = None;
    for (number, (_, link)) in (1..).zip(&links) {
        let seed = before.unwrap_or_else(|| "00".repeat(32));
        let anew = Link::new(number, &seed, link.at, link.of.clone());
        put(number, Some(&anew)).await;
        before = Some(anew.chain);
    }
    let first = spool.check_chain(None).unwrap().problems;
    assert_eq!(
        first.len(),
        1,
        "the beginning is the spool's own: {first:?}"
    );
    let found = spool.check_chain(Some(&anchor)).unwrap().problems;
    one(&found, "is not the one of the anchor");
    let stranger = Anchor {
        number: 0,
        chain: "0f".repeat(32),
    };
    let told = spool.check_chain(Some(&stranger)).unwrap().problems;
    one(&told, "of another spool");
    let far = Anchor {
        number: anchor.number + 9,
        ..anchor
    };
    one(
        &spool.check_chain(Some(&far)).unwrap().problems,
        "its end was taken away",
    );
    close(spool, opened).await;
}

/// A spool of an earlier version has no links, and a ledger already.
#[tokio::test]
async fn a_chain_begins_with_what_is_there() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = retired(&dir, &hands).await;
    for (key, _) in spool.links().unwrap() {
        spool.put_fact(ROOM, &key, None).await.unwrap();
    }
    close(spool, opened).await;
    let (spool, opened) = open(dir.path(), &hands);
    assert_eq!(problems(&spool, None).await, [""; 0]);
    let links = spool.links().unwrap();
    let gone = |link: &Link| {
        matches!(
            link.of,
            Part::Retired {
                ledger: Some(_),
                ..
            }
        )
    };
    assert!(gone(&links[0].1) && links.iter().any(|(_, link)| !gone(link)));
    close(spool, opened).await;
}

/// A ledger file that somebody forges is found wherever it lies, and never becomes one of ours.
#[tokio::test]
async fn a_forged_ledger_file_is_found() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = retired(&dir, &hands).await;
    let genuine = std::fs::read(spool.0.ledger.path(2)).unwrap();
    let count = |spool: &Spool| {
        let mut count = 0;
        let mut show = |_, _| count += 1;
        let since = crate::base::Timestamp::EPOCH;
        let all = std::collections::BTreeSet::new();
        spool.0.ledger.each((since, &all), &mut show).unwrap();
        count
    };
    let before = count(&spool);
    for name in ["x.jsonl.gz", "1.jsonl.gz", "00000000002.jsonl.gz"] {
        let forged = dir.path().join("ledger").join(name);
        std::fs::write(&forged, &genuine).unwrap();
        one(&problems(&spool, None).await, "is none of ours");
        assert_eq!(count(&spool), before, "nobody reads {name}");
        std::fs::remove_file(&forged).unwrap();
    }
    // Under the number of a segment that is still there, but is not the next to go.
    let live = segments(dir.path())[1].trim_end_matches(".seg").parse();
    std::fs::write(spool.0.ledger.path(live.unwrap()), &genuine).unwrap();
    one(&problems(&spool, None).await, "no link knows it");
    close(spool, opened).await;
}

/// A crash while a segment is opened leaves one with nothing in it.
#[tokio::test]
async fn an_empty_segment_is_no_stranger() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    fill(&spool, dir.path(), 2).await;
    close(spool, opened).await;
    let newest = segments(dir.path()).len() + 1;
    let path = dir.path().join("log").join(format!("{newest:010}.seg"));
    std::fs::write(&path, vec![0; 4096]).unwrap();
    for _ in 0..2 {
        let (spool, opened) = open(dir.path(), &hands);
        for _ in 0..2 {
            assert_eq!(problems(&spool, None).await, [""; 0]);
        }
        close(spool, opened).await;
    }
}

/// A longer `spool.ledger_retain` brings back nothing, and says so of nobody.
#[tokio::test]
async fn what_expired_is_not_missed_when_the_time_is_longer_later() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = retired(&dir, &hands).await;
    hands.forward(401 * DAY);
    assert!(spool.retire().await.unwrap().ledgers > 0);
    close(spool, opened).await;
    let mut options = options(dir.path());
    options.ledger_retain = 4_000 * DAY;
    let world = World {
        clock: crate::base::Clock::new(hands.clone()),
        ..World::system()
    };
    let (spool, opened) = open_in(options, world);
    assert_eq!(problems(&spool, None).await, [""; 0]);
    assert!(spool.check_chain(None).unwrap().expired > 0);
    close(spool, opened).await;
}

#[tokio::test]
async fn what_is_acknowledged_counts_no_more_and_a_second_change_does() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = retired(&dir, &hands).await;
    spool.link(Reach::Everything).await.unwrap();
    let segment = oldest(dir.path());
    change(&segment);
    let found = problems(&spool, None).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let known = Known {
        actor: "root".to_owned(),
        reason: "disk 2 broke".to_owned(),
        problems: found.clone(),
    };
    let anchor = spool.acknowledge(known.clone()).await.unwrap();
    let check = spool.check_chain(Some(&anchor)).unwrap();
    assert_eq!((check.wrong, check.known), (0, vec![known]));
    close(spool, opened).await;

    // It stands in the log, and links go on behind it.
    let (spool, opened) = open(dir.path(), &hands);
    fill(&spool, dir.path(), 1).await;
    assert_eq!(problems(&spool, Some(&anchor)).await, [""; 0]);
    let mut bytes = std::fs::read(&segment).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let again = problems(&spool, None).await;
    assert_eq!(again.len(), 1, "{again:?}");
    assert_ne!(again, found);
    assert!(spool.check_chain(None).unwrap().known.is_empty());
    close(spool, opened).await;
}

#[tokio::test]
async fn an_acknowledgement_explains_neither_the_chain_nor_what_is_older_than_it() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    fill(&spool, dir.path(), 5).await;
    let before = spool.link(Reach::Everything).await.unwrap();
    change(&oldest(dir.path()));
    spool.put_fact(ROOM, &key_of(2), None).await.unwrap();
    let check = spool.check_chain(Some(&before)).unwrap();
    one(&check.problems, "link 2 is missing");
    one(&check.explainable, "are not what they were");
    assert!(!check.seen.is_empty());
    // As somebody would who has changed the files, and foresees every complaint.
    let known = Known {
        actor: "root".to_owned(),
        reason: "all is well".to_owned(),
        problems: check.problems,
    };
    let after = spool.acknowledge(known).await.unwrap();
    let against_old = spool.check_chain(Some(&before)).unwrap();
    one(&against_old.problems, "are not what they were");
    let against_new = spool.check_chain(Some(&after)).unwrap();
    one(&against_new.problems, "link 2 is missing");
    assert_eq!(against_new.explainable, [""; 0]);
    close(spool, opened).await;
}

/// Closed segments within minutes, the newest one within the hour, and then it stops when told.
#[tokio::test(start_paused = true)]
async fn the_chain_grows_by_itself() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = open(dir.path(), &hands);
    fill(&spool, dir.path(), 3).await;
    let shutdown = Shutdown::new();
    let task = spool.clone().chain_task(shutdown.clone());
    let watch = async {
        let begun = tokio::time::Instant::now();
        let linked = |spool: &Spool| {
            let links = spool.links().unwrap();
            let log = links.into_iter().filter_map(|(_, link)| match link.of {
                Part::Log { segment, .. } => Some(segment),
                Part::Retired { .. } | Part::Expired { .. } | Part::Known(_) => None,
            });
            log.max().unwrap_or_default()
        };
        let newest = u32::try_from(segments(dir.path()).len()).unwrap();
        while linked(&spool) + 1 < newest && begun.elapsed() < 10 * HOUR {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let closed = begun.elapsed();
        while linked(&spool) < newest && begun.elapsed() < 10 * HOUR {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        shutdown.signal();
        (closed, begun.elapsed())
    };
    let ((), (closed, all)) = tokio::join!(task, watch);
    // The time of this test runs ahead of the disk, so no bound above is sharp.
    assert!(
        closed < HOUR && HOUR / 2 < all && all < 10 * HOUR,
        "{closed:?} {all:?}"
    );
    assert_eq!(problems(&spool, None).await, [""; 0]);
    close(spool, opened).await;
}
