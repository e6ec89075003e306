//! Segments that are gone or emptied are told, at a start and by a look, until they are back.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::tests::{Opened2, accept, close, delivered, open_in, options};
use super::{Missing, Offline, Spool, World};
use crate::base::Shutdown;

const MESSAGES: u64 = 3;

fn open(dir: &Path) -> (Spool, Opened2) {
    open_in(options(dir), World::system())
}

fn segment(dir: &Path, number: u32) -> PathBuf {
    super::segment::path(&dir.join("log"), number)
}

/// As many segments, each with mail; one message in each is delivered.
async fn segments(dir: &Path, count: u32) {
    for _ in 0..count {
        let (spool, opened) = open(dir);
        let first = accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
        spool.record(first, vec![0], delivered()).await.unwrap();
        for _ in 1..MESSAGES {
            accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
        }
        close(spool, opened).await;
    }
}

fn gone(number: u32) -> Missing {
    Missing {
        segments: 1,
        named: vec![number],
        waiting: MESSAGES - 1,
        finished: 1,
    }
}

fn verify(dir: &Path) -> Vec<String> {
    let offline = Offline::open(options(dir), World::system()).unwrap();
    offline.verify(&mut |_, _| {}).unwrap().problems
}

/// The lowest, one in the middle, and the newest but one.
#[tokio::test]
async fn a_segment_that_goes_while_the_server_runs_is_missed_until_it_is_back() {
    let dir = TempDir::new().unwrap();
    segments(dir.path(), 3).await;
    let (spool, opened) = open(dir.path());
    accept(&spool, &["bob@example.org"], b"the newest\r\n").await;
    assert_eq!(spool.look_for_missing().await.unwrap(), None);
    for number in 1..=3 {
        let (path, away) = (segment(dir.path(), number), dir.path().join("away"));
        for emptied in [false, true] {
            std::fs::rename(&path, &away).unwrap();
            if emptied {
                std::fs::write(&path, "").unwrap();
            }
            let looked = spool.scrub().await.unwrap();
            assert!(looked.missing == 1 && !looked.is_clean(), "{looked:?}");
            assert_eq!(spool.missing(), Some(gone(number)));
            // What is noted in quarantine is seen by all who look there.
            assert!(spool.stats().quarantined > 0);
            let check = spool.check_chain(None).unwrap();
            assert!(check.problems[0].contains(&format!("segment {number} ")));
            std::fs::rename(&away, &path).unwrap();
            let looked = spool.scrub().await.unwrap();
            assert!(looked.is_clean() && spool.missing().is_none(), "{looked:?}");
            for note in std::fs::read_dir(dir.path().join("quarantine")).unwrap() {
                std::fs::remove_file(note.unwrap().path()).unwrap();
            }
        }
    }
    // The one that is being written: what is accepted from now on is gone, too.
    std::fs::remove_file(segment(dir.path(), 4)).unwrap();
    let missing = spool.look_for_missing().await.unwrap().unwrap();
    assert_eq!((missing.named, missing.waiting), (vec![4], 1));
    close(spool, opened).await;
}

#[tokio::test]
async fn a_start_without_a_segment_takes_mail_and_tells_what_is_gone() {
    let dir = TempDir::new().unwrap();
    segments(dir.path(), 3).await;
    for number in 1..=2 {
        let (path, away) = (segment(dir.path(), number), dir.path().join("away"));
        std::fs::rename(&path, &away).unwrap();
        let problems = verify(dir.path());
        let told = format!("segment {number} is missing");
        assert!(problems[0].starts_with(&told), "{problems:?}");
        assert!(problems[0].contains("2 messages, not delivered yet"));
        let (spool, opened) = open(dir.path());
        let shutdown = Shutdown::new();
        let task = shutdown.spawn("scrub", spool.clone().scrub_task(shutdown.clone()));
        accept(&spool, &["bob@example.org"], b"taken all the same\r\n").await;
        while spool.missing().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(spool.missing(), Some(gone(number)));
        let note = format!("quarantine/{number:010}.missing");
        let note = dir.path().join(note);
        while !note.exists() {
            tokio::task::yield_now().await;
        }
        shutdown.signal();
        task.await.unwrap();
        close(spool, opened).await;
        std::fs::rename(&away, &path).unwrap();
        std::fs::remove_file(&note).unwrap();
        assert!(verify(dir.path()).is_empty());
    }
}

/// Once the index is made anew it does not count on what is gone: the loss was told, and noted.
#[tokio::test]
async fn a_loss_that_was_told_by_a_rebuild_is_not_told_again() {
    let dir = TempDir::new().unwrap();
    segments(dir.path(), 3).await;
    std::fs::remove_file(segment(dir.path(), 1)).unwrap();
    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let rebuilt = offline.rebuild(&mut |_, _| {}).unwrap();
    drop(offline);
    assert!(rebuilt.damaged[0].starts_with("2 messages that waited"));
    let (spool, opened) = open(dir.path());
    assert_eq!(spool.look_for_missing().await.unwrap(), None);
    close(spool, opened).await;
}
