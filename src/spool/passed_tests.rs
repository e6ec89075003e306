//! What came in a time is shown whole, or it is said that it is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::base::{TimeSource as _, Timestamp};
use crate::mail::SpoolId;
use crate::spool::retention_tests::{Hands, fill, open, segments};
use crate::spool::tests::{Opened2, accept, close, open_in, options};
use crate::spool::{Offline, Passed, Reach, Spool, World};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The messages that are shown, each once; `at_first` comes when the first one is.
fn shown(spool: &Spool, mut at_first: impl FnMut()) -> (BTreeSet<SpoolId>, Passed) {
    let mut ids = BTreeSet::new();
    let all = Timestamp::EPOCH..Timestamp::from_millis(u64::MAX / 2);
    let passed = spool.passed(all, usize::MAX, &mut |passing| {
        if ids.is_empty() {
            at_first();
        }
        let id = passing.message.id;
        assert!(ids.insert(id), "{id} is shown twice");
    });
    (ids, passed.unwrap())
}

/// A spool with mail of which much is over.
async fn old(dir: &TempDir, hands: &Hands) -> (Spool, Opened2) {
    let (spool, opened) = open(dir.path(), hands);
    fill(&spool, dir.path(), 4).await;
    hands.forward(31 * DAY);
    fill(&spool, dir.path(), 7).await;
    (spool, opened)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_while_it_is_counted_is_shown_once() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = old(&dir, &hands).await;
    let here = Handle::current();
    let counting = move |spool: &Spool| {
        let (before, _) = shown(spool, || ());
        let (meanwhile, passed) = shown(spool, || {
            assert!(here.block_on(spool.retire()).unwrap().segments > 2);
        });
        assert_eq!(meanwhile, before);
        assert_eq!(passed, Passed::default());
        let (after, _) = shown(spool, || ());
        assert_eq!(after, before);
        Ok(())
    };
    spool.beside(counting).await.unwrap();
    close(spool, opened).await;
}

/// How many files of the ledger are missing in what is shown.
fn gaps(spool: &Spool) -> u64 {
    shown(spool, || ()).1.ledger_gaps
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_or_is_gone_is_told() {
    let dir = TempDir::new().unwrap();
    let hands = Hands::new();
    let (spool, opened) = old(&dir, &hands).await;
    assert!(spool.retire().await.unwrap().segments > 2);
    spool.link(Reach::Everything).await.unwrap();
    let (all, passed) = shown(&spool, || ());
    assert_eq!(passed, Passed::default());
    let (one, other) = (spool.0.ledger.path(1), spool.0.ledger.path(2));
    let mut bytes = std::fs::read(&one).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&one, bytes).unwrap();
    assert_eq!(gaps(&spool), 1);
    std::fs::remove_file(&other).unwrap();
    assert_eq!(gaps(&spool), 2);
    let (_, told) = spool.ledger_find_any(&["nobody@example.org"], 9).unwrap();
    assert_eq!(told, 2, "who looks for somebody is told, too");
    assert!(shown(&spool, || ()).0.len() < all.len());
    // What came later has nothing to do with it.
    let later = hands.now()..Timestamp::from_millis(u64::MAX / 2);
    let passed = spool.passed(later, usize::MAX, &mut |_| {});
    assert_eq!(passed.unwrap().ledger_gaps, 0);
    // Its time comes to an end: nothing is missing then.
    hands.forward(400 * DAY);
    assert_eq!(gaps(&spool), 1, "the damaged one is still there");
    close(spool, opened).await;
}

fn rebuild(dir: &Path) {
    let offline = Offline::open(options(dir), World::system()).unwrap();
    offline.rebuild(&mut |_, _| {}).unwrap();
}

/// A spool whose index was made anew without the second of its three segments, each with three
/// messages; where that is now, and where it was.
async fn without_the_second() -> (TempDir, PathBuf, PathBuf) {
    let dir = TempDir::new().unwrap();
    for _ in 0..3 {
        let (spool, opened) = open_in(options(dir.path()), World::system());
        for _ in 0..3 {
            accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
        }
        close(spool, opened).await;
    }
    let file = dir.path().join("log").join(&segments(dir.path())[1]);
    let away = dir.path().join("away");
    std::fs::rename(&file, &away).unwrap();
    rebuild(dir.path());
    (dir, away, file)
}

#[tokio::test]
async fn waiting_mail_that_is_lost_is_told_after_the_index_is_made_anew() {
    let (dir, away, file) = without_the_second().await;
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let (ids, passed) = shown(&spool, || ());
    assert_eq!(ids.len(), 6);
    assert_eq!((passed.lost.messages, passed.lost.pieces), (3, 1));
    let last = *ids.last().unwrap();
    let later = last.timestamp().after(DAY)..last.timestamp().after(2 * DAY);
    let passed = spool.passed(later, usize::MAX, &mut |_| {}).unwrap();
    assert_eq!(passed.lost.messages, 0, "not of this time");
    close(spool, opened).await;
    // It comes back: nothing is lost.
    std::fs::rename(&away, &file).unwrap();
    rebuild(dir.path());
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let (ids, passed) = shown(&spool, || ());
    assert_eq!((ids.len(), passed), (9, Passed::default()));
    close(spool, opened).await;
}

/// An index that was made anew while a segment was empty, and then the segment came back: its mail
/// is in the log and in no row.
#[tokio::test]
async fn what_only_the_log_knows_is_told() {
    let (dir, away, file) = without_the_second().await;
    std::fs::rename(&away, &file).unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    spool.scrub().await.unwrap();
    let (ids, passed) = shown(&spool, || ());
    assert_eq!((ids.len(), passed.disorder), (6, 3));
    close(spool, opened).await;
    rebuild(dir.path());
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let (ids, passed) = shown(&spool, || ());
    assert_eq!((ids.len(), passed.disorder), (9, 0));
    close(spool, opened).await;
}
