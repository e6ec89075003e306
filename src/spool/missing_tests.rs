//! Segments that are gone or emptied are told, at a start and by a look, until they are back.

use std::path::{Path, PathBuf};
use std::time::Duration;

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
        recipients: MESSAGES - 1,
        finished: 1,
    }
}

fn notes(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir.join("quarantine")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn verify(dir: &Path) -> Vec<String> {
    let offline = Offline::open(options(dir), World::system()).unwrap();
    offline.verify(&mut |_, _| {}).unwrap().problems
}

/// Until this is so. Who waits in vain fails.
async fn until(is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waited).await;
    waited.expect("it comes to that");
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
            assert_eq!(notes(dir.path()), Vec::<String>::new(), "it is back");
            assert_eq!(spool.stats().quarantined, 0);
        }
    }
    // The one that is being written: what is accepted from now on is gone, too.
    std::fs::remove_file(segment(dir.path(), 4)).unwrap();
    let missing = spool.look_for_missing().await.unwrap().unwrap();
    assert_eq!((missing.named, missing.waiting), (vec![4], 1));
    close(spool, opened).await;
}

/// What was read before it went is delivered, and what nobody can read is dropped.
#[tokio::test]
async fn who_is_finished_since_the_look_waits_no_more() {
    let dir = TempDir::new().unwrap();
    segments(dir.path(), 1).await;
    let (spool, opened) = open(dir.path());
    accept(&spool, &["bob@example.org"], b"the newest\r\n").await;
    let waiting = spool.unfinished(None, 10).unwrap();
    assert_eq!(waiting.len(), 3);
    let (path, away) = (segment(dir.path(), 1), dir.path().join("away"));
    std::fs::rename(&path, &away).unwrap();
    assert_eq!(spool.look_for_missing().await.unwrap(), Some(gone(1)));
    assert_eq!(spool.missing(), Some(gone(1)));
    // The third one stands elsewhere.
    for (id, finished) in waiting.iter().zip([1, 2, 2]) {
        spool.record(*id, vec![0], delivered()).await.unwrap();
        let expected = Missing {
            waiting: MESSAGES - 1 - finished,
            recipients: MESSAGES - 1 - finished,
            finished: 1 + finished,
            ..gone(1)
        };
        assert_eq!(spool.missing(), Some(expected));
    }
    assert_eq!(spool.missing().unwrap().unreadable(), None);
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(spool.look_for_missing().await.unwrap(), None);
    assert_eq!(spool.missing(), None);
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
        let times = problems.iter().filter(|it| it.contains(&told)).count();
        assert_eq!(times, 1, "{problems:?}");
        let (spool, opened) = open(dir.path());
        let shutdown = Shutdown::new();
        let task = shutdown.spawn("scrub", spool.clone().scrub_task(shutdown.clone()));
        accept(&spool, &["bob@example.org"], b"taken all the same\r\n").await;
        until(|| spool.missing().is_some()).await;
        assert_eq!(spool.missing(), Some(gone(number)));
        let note = format!("quarantine/{number:010}.missing");
        let note = dir.path().join(note);
        until(|| note.exists()).await;
        shutdown.signal();
        task.await.unwrap();
        close(spool, opened).await;
        std::fs::rename(&away, &path).unwrap();
        let (spool, opened) = open(dir.path());
        assert_eq!(spool.look_for_missing().await.unwrap(), None);
        assert!(!note.exists(), "the next look takes it away");
        close(spool, opened).await;
        assert!(verify(dir.path()).is_empty());
    }
}

/// What was recorded there is gone, though nobody's mail is.
#[tokio::test]
async fn a_segment_without_mail_is_missed_too() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let first = accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    close(spool, opened).await;
    let (spool, opened) = open(dir.path());
    spool.record(first, vec![0], delivered()).await.unwrap();
    close(spool, opened).await;
    let (spool, opened) = open(dir.path());
    let fact = Some(serde_json::json!("kept"));
    spool.put_fact("room", "key", fact).await.unwrap();
    close(spool, opened).await;
    let (spool, opened) = open(dir.path());
    accept(&spool, &["bob@example.org"], b"the newest\r\n").await;
    assert_eq!(spool.look_for_missing().await.unwrap(), None);
    for number in [2, 3] {
        let (path, away) = (segment(dir.path(), number), dir.path().join("away"));
        std::fs::rename(&path, &away).unwrap();
        let expected = Missing {
            segments: 1,
            named: vec![number],
            ..Missing::default()
        };
        assert_eq!(spool.look_for_missing().await.unwrap(), Some(expected));
        std::fs::rename(&away, &path).unwrap();
    }
    // One that was cut off is there, and shorter than the next one says.
    let path = segment(dir.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, whole.split_at(100).0).unwrap();
    assert!(spool.look_for_missing().await.unwrap().is_some());
    let notes = std::fs::read_dir(dir.path().join("quarantine")).unwrap();
    let notes: Vec<_> = notes
        .map(|note| std::fs::read_to_string(note.unwrap().path()).unwrap())
        .collect();
    let was = format!("ends at 100, and it had {} bytes", whole.len());
    assert!(notes.iter().any(|note| note.contains(&was)), "{notes:?}");
    std::fs::write(&path, whole).unwrap();
    close(spool, opened).await;
}

#[tokio::test]
async fn each_of_several_that_are_gone_is_named() {
    let dir = TempDir::new().unwrap();
    segments(dir.path(), 4).await;
    for number in [2, 3] {
        std::fs::remove_file(segment(dir.path(), number)).unwrap();
    }
    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let rebuilt = offline.rebuild(&mut |_, _| {}).unwrap();
    for number in [2, 3] {
        let told = format!("segment {number} is missing");
        let mut all = rebuilt.damaged.iter();
        assert!(all.any(|it| it.contains(&told)), "{rebuilt:?}");
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

/// A file that is there again and is not the one that was, or that nobody counts on any more, ends
/// nothing.
#[tokio::test]
async fn a_note_stays_until_all_is_back_that_the_index_counts_on() {
    let dir = TempDir::new().unwrap();
    segments(dir.path(), 3).await;
    let (path, away) = (segment(dir.path(), 2), dir.path().join("away"));
    std::fs::rename(&path, &away).unwrap();
    let (spool, opened) = open(dir.path());
    spool.look_for_missing().await.unwrap().unwrap();
    let gone = ["0000000002.missing".to_owned()];
    assert_eq!(notes(dir.path()), gone);
    let whole = std::fs::read(&away).unwrap();
    let half = whole.len() / 2;
    std::fs::write(&path, &whole[..half]).unwrap();
    spool.look_for_missing().await.unwrap().unwrap();
    let told = notes(dir.path());
    let shorter = format!("0000000002-{half}-{}.lost", whole.len());
    assert!(
        told.contains(&gone[0]) && told.contains(&shorter),
        "{told:?}"
    );
    // What the index counts on is there, and the end of it is not.
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    spool.look_for_missing().await.unwrap();
    assert_eq!(notes(dir.path()), [shorter]);
    // Somebody's own piece is not ours to take away.
    let piece = dir.path().join("quarantine/0000000002-8-16.damaged");
    std::fs::write(&piece, "raw").unwrap();
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(spool.look_for_missing().await.unwrap(), None);
    assert_eq!(notes(dir.path()), ["0000000002-8-16.damaged"]);
    close(spool, opened).await;

    // The index is made anew without it: its mail stays lost when the file comes back.
    std::fs::remove_file(&piece).unwrap();
    std::fs::rename(&path, &away).unwrap();
    let (spool, opened) = open(dir.path());
    spool.look_for_missing().await.unwrap().unwrap();
    close(spool, opened).await;
    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    offline.rebuild(&mut |_, _| {}).unwrap();
    drop(offline);
    std::fs::rename(&away, &path).unwrap();
    let (spool, opened) = open(dir.path());
    assert_eq!(spool.look_for_missing().await.unwrap(), None);
    assert!(
        notes(dir.path()).contains(&gone[0]),
        "{:?}",
        notes(dir.path())
    );
    close(spool, opened).await;
}

#[test]
fn who_waits_in_vain_is_told_with_the_segments() {
    let missing = |recipients, named: &[u32], segments| Missing {
        segments,
        named: named.to_vec(),
        waiting: 1,
        recipients,
        finished: 0,
    };
    let told = |missing: Missing| missing.unreadable();
    assert_eq!(told(missing(0, &[3], 1)), None);
    assert_eq!(
        told(missing(20, &[3], 1)).as_deref(),
        Some("20 cannot be read (segment 3 is missing or cut short)")
    );
    assert_eq!(
        told(missing(1, &[3, 5], 7)).as_deref(),
        Some("1 cannot be read (segments 3, 5, … are missing or cut short)")
    );
}
