//! A log that has lost something is missed: its end, a segment in the middle, who it is.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::index::{MessageRow, key};
use super::segment::Position;
use super::tests::{Opened2, accept, close, delivered, envelope, open_in, options};
use super::{Exported, Offline, Rescued, Spool, SpoolError, Verification, World};
use crate::mail::SpoolId;

/// Messages in three segments, one after the other, with an index that knows them.
async fn three_segments(dir: &Path) -> Vec<SpoolId> {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (spool, opened) = open(dir);
        for _ in 0..3 {
            ids.push(accept(&spool, &["bob@example.org"], b"a letter\r\n").await);
        }
        close(spool, opened).await;
    }
    ids
}

fn open(dir: &Path) -> (Spool, Opened2) {
    open_in(options(dir), World::system())
}

fn refusal(dir: &Path) -> SpoolError {
    Spool::open(options(dir), World::system()).err().unwrap()
}

fn offline(dir: &Path) -> Offline {
    Offline::open(options(dir), World::system()).unwrap()
}

fn verify(dir: &Path) -> Verification {
    offline(dir).verify(&mut |_, _| {}).unwrap()
}

fn export(dir: &Path, to: &Path) -> Rescued {
    offline(dir).export(to, &mut |_, _| {}).unwrap()
}

fn place(spool: &Spool, id: SpoolId) -> Position {
    let row = spool.0.index.settled().row::<MessageRow>(&key::message(id));
    Position::from_u64(row.unwrap().unwrap().position)
}

fn segment(dir: &Path, number: u32) -> std::path::PathBuf {
    super::segment::path(&dir.join("log"), number)
}

#[tokio::test]
async fn a_log_without_its_newest_segment_is_refused_until_somebody_says_so() {
    let dir = TempDir::new().unwrap();
    let ids = three_segments(dir.path()).await;
    let (newest, away) = (segment(dir.path(), 3), dir.path().join("away"));
    std::fs::rename(&newest, &away).unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(
        refused,
        SpoolError::LostEnd {
            known: 3,
            newest: 2,
            ..
        }
    ));
    assert!(refused.to_string().contains("`tideover spool rebuild`"));
    let found = verify(dir.path());
    assert!(
        !found.ok && found.problems[0].contains("segment 3"),
        "{found:?}"
    );
    let rescued = export(dir.path(), &dir.path().join("rescue"));
    assert_eq!((rescued.messages, rescued.pieces.len()), (6, 1));
    // It comes back, and all is well.
    std::fs::rename(&away, &newest).unwrap();
    assert!(verify(dir.path()).ok);
    let (spool, opened) = open(dir.path());
    assert!(ids.iter().all(|id| spool.message(*id).unwrap().is_some()));
    close(spool, opened).await;
    // It is gone for good: that is said, and what waited is named.
    std::fs::rename(&newest, &away).unwrap();
    let rebuilt = offline(dir.path()).rebuild(&mut |_, _| {}).unwrap();
    assert!(
        rebuilt.damaged[0].starts_with("3 messages that waited"),
        "{rebuilt:?}"
    );
    let note = std::fs::read_dir(dir.path().join("quarantine"))
        .unwrap()
        .next();
    let note = std::fs::read_to_string(note.unwrap().unwrap().path()).unwrap();
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(note.contains(&id.to_string()), number >= 6, "{note}");
    }
    let (spool, opened) = open(dir.path());
    assert_eq!(spool.stats().quarantined, 1);
    let there = ids
        .iter()
        .filter(|id| spool.message(**id).unwrap().is_some());
    assert_eq!(there.count(), 6);
    let later = accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    close(spool, opened).await;
    // Or not for good: nobody took its place.
    std::fs::rename(&away, &newest).unwrap();
    offline(dir.path()).rebuild(&mut |_, _| {}).unwrap();
    let (spool, opened) = open(dir.path());
    let all = ids.iter().chain([&later]);
    assert!(
        all.into_iter()
            .all(|id| spool.message(*id).unwrap().is_some())
    );
    close(spool, opened).await;
}

#[tokio::test]
async fn a_newest_segment_that_is_shorter_than_it_was_is_told() {
    let dir = TempDir::new().unwrap();
    let ids = three_segments(dir.path()).await;
    let mut newest = std::fs::OpenOptions::new();
    let newest = newest.write(true).open(segment(dir.path(), 3)).unwrap();
    let (spool, opened) = open(dir.path());
    let half = place(&spool, ids[7]).offset;
    close(spool, opened).await;
    newest.set_len(u64::from(half)).unwrap();
    assert!(!verify(dir.path()).ok);
    let (spool, opened) = open(dir.path());
    assert_eq!(
        (opened.recovery.rebuilt, opened.recovery.damaged),
        (true, 1)
    );
    assert_eq!(spool.stats().quarantined, 1);
    let note = std::fs::read_dir(dir.path().join("quarantine"))
        .unwrap()
        .next();
    let note = std::fs::read_to_string(note.unwrap().unwrap().path()).unwrap();
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(note.contains(&id.to_string()), number >= 7, "{note}");
        assert_eq!(spool.message(*id).unwrap().is_some(), number < 7);
    }
    close(spool, opened).await;
}

#[tokio::test]
async fn a_segment_that_is_gone_from_the_middle_is_missed() {
    let dir = TempDir::new().unwrap();
    three_segments(dir.path()).await;
    std::fs::remove_file(segment(dir.path(), 2)).unwrap();
    let found = verify(dir.path());
    assert!(
        found.problems[0].contains("segment 2 is missing"),
        "{found:?}"
    );
    let rescued = export(dir.path(), &dir.path().join("rescue"));
    assert_eq!((rescued.messages, rescued.pieces.len()), (6, 1));
    let rebuilt = offline(dir.path()).rebuild(&mut |_, _| {}).unwrap();
    // The segment, and the three that waited in it.
    assert_eq!(rebuilt.damaged.len(), 2, "{rebuilt:?}");
    let (spool, opened) = open(dir.path());
    assert_eq!(spool.stats().quarantined, 2);
    close(spool, opened).await;
}

/// A number whose file could not be made was never used.
#[tokio::test]
async fn a_number_that_was_never_used_is_not_missed() {
    let dir = TempDir::new().unwrap();
    three_segments(dir.path()).await;
    let taken = segment(dir.path(), 4);
    let (spool, opened) = open(dir.path());
    std::fs::create_dir(&taken).unwrap();
    let body = b"a letter\r\n";
    let mut draft = spool.draft();
    draft.append(body).await.unwrap();
    assert!(
        spool
            .accept(draft, envelope(&["bob@example.org"]))
            .await
            .is_err()
    );
    let failures = spool.stats().write_failures.unwrap();
    assert_eq!(failures.count, 1);
    assert!(failures.what.contains("0000000004.seg"), "{failures:?}");
    std::fs::remove_dir(&taken).unwrap();
    assert!(failures.lasting);
    accept(&spool, &["bob@example.org"], body).await;
    assert!(!spool.write_failures().unwrap().lasting);
    close(spool, opened).await;
    assert!(!taken.exists() && segment(dir.path(), 5).exists());
    assert!(verify(dir.path()).ok);
}

#[tokio::test]
async fn the_log_knows_whose_it_is() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let ids = three_segments(dir.path()).await;
    three_segments(other.path()).await;
    let json = dir.path().join("spool.json");
    let before = std::fs::read_to_string(&json).unwrap();
    std::fs::remove_file(&json).unwrap();
    let (spool, opened) = open(dir.path());
    assert!(before.contains(&spool.stats().uuid));
    assert!(spool.message(ids[0]).unwrap().is_some());
    close(spool, opened).await;
    assert!(json.exists());
    // That of another spool.
    std::fs::copy(other.path().join("spool.json"), &json).unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, SpoolError::Foreign { .. }), "{refused}");
    assert!(
        !dir.path()
            .join("quarantine")
            .read_dir()
            .unwrap()
            .any(|_| true)
    );
    // A segment of another spool among ours is damage, and no more.
    std::fs::write(&json, &before).unwrap();
    std::fs::copy(segment(other.path(), 3), segment(dir.path(), 9)).unwrap();
    let (spool, opened) = open(dir.path());
    assert!(spool.message(ids[8]).unwrap().is_some());
    close(spool, opened).await;
}

#[tokio::test]
async fn a_number_that_none_can_follow_is_refused() {
    let dir = TempDir::new().unwrap();
    three_segments(dir.path()).await;
    for number in [u32::MAX, u32::MAX - 1] {
        std::fs::write(segment(dir.path(), number), b"").unwrap();
        let refused = refusal(dir.path()).to_string();
        assert!(refused.contains("move the file away"), "{refused}");
        std::fs::remove_file(segment(dir.path(), number)).unwrap();
    }
}

/// Emptied, cut where a record ends, zeroed as a whole or from a record on: checksums see none.
#[tokio::test]
async fn a_closed_segment_that_has_lost_its_end_is_told() {
    for how in ["emptied", "cut", "zeroed", "zeroed from"] {
        let dir = TempDir::new().unwrap();
        let ids = three_segments(dir.path()).await;
        let (spool, opened) = open(dir.path());
        let from = usize::try_from(place(&spool, ids[4]).offset).unwrap();
        close(spool, opened).await;
        let path = segment(dir.path(), 2);
        let mut bytes = std::fs::read(&path).unwrap();
        match how {
            "emptied" => bytes.clear(),
            "cut" => bytes.truncate(from),
            "zeroed" => bytes.fill(0),
            _ => bytes[from..].fill(0),
        }
        std::fs::write(&path, bytes).unwrap();
        let lost = if how.ends_with("ed") { 3 } else { 2 };
        assert!(verify(dir.path()).damaged > 0, "{how}");
        let rescued = export(dir.path(), &dir.path().join("rescue"));
        assert_eq!(
            (rescued.messages, rescued.pieces.len()),
            (9 - lost, 1),
            "{how}"
        );
        let rebuilt = offline(dir.path()).rebuild(&mut |_, _| {}).unwrap();
        let named = format!("{lost} messages that waited");
        assert!(
            rebuilt.damaged.iter().any(|what| what.starts_with(&named)),
            "{rebuilt:?}"
        );
        let (spool, opened) = open(dir.path());
        assert!(spool.stats().quarantined >= 2, "{how}");
        close(spool, opened).await;
    }
}

/// Somebody has given the open segment another number: nothing of it is cut off.
#[tokio::test]
async fn records_under_a_wrong_number_are_not_cut_off() {
    let dir = TempDir::new().unwrap();
    let ids = three_segments(dir.path()).await;
    let path = segment(dir.path(), 3);
    let mut bytes = std::fs::read(&path).unwrap();
    let written = bytes.len();
    // As a kill leaves it.
    bytes.resize(64 * 1024, 0);
    std::fs::write(&path, bytes).unwrap();
    let wrong = segment(dir.path(), 4);
    std::fs::rename(&path, &wrong).unwrap();
    assert!(!verify(dir.path()).ok);
    let (spool, opened) = open(dir.path());
    assert!(spool.stats().quarantined > 0);
    close(spool, opened).await;
    assert!(std::fs::metadata(&wrong).unwrap().len() >= written as u64);
    std::fs::rename(&wrong, &path).unwrap();
    offline(dir.path()).rebuild(&mut |_, _| {}).unwrap();
    let (spool, opened) = open(dir.path());
    assert!(ids.iter().all(|id| spool.message(*id).unwrap().is_some()));
    close(spool, opened).await;
}

/// The volume of the log and of the index is away.
#[tokio::test]
async fn a_log_without_its_mark_is_no_fresh_start() {
    let dir = TempDir::new().unwrap();
    three_segments(dir.path()).await;
    for folder in ["log", "index"] {
        std::fs::remove_dir_all(dir.path().join(folder)).unwrap();
    }
    let refused = refusal(dir.path());
    assert!(matches!(refused, SpoolError::NoLog(_)), "{refused}");
    let refused = super::check_identity(&options(dir.path()));
    assert!(matches!(refused, Err(SpoolError::NoLog(_))), "{refused:?}");
    assert!(Offline::open(options(dir.path()), World::system()).is_err());
}

/// An index that does not know what is in a segment lets nothing of it go.
#[tokio::test]
async fn retention_removes_nothing_that_the_index_does_not_know() {
    let dir = TempDir::new().unwrap();
    let hands = super::retention_tests::Hands::new();
    let (spool, opened) = super::retention_tests::open(dir.path(), &hands);
    let id = accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    let done = accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    spool.record(done, vec![0], delivered()).await.unwrap();
    let index = &spool.0.index;
    index.change_in_place(vec![(key::message(id), None)], |_| {});
    let mut refused = None;
    for _ in 0..3 {
        hands.forward(Duration::from_secs(40 * 24 * 3600));
        refused = refused.or(spool.retire().await.err());
        accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    }
    let told = refused
        .map(|refused| refused.to_string())
        .unwrap_or_default();
    assert!(told.contains("spool rebuild"), "{told}");
    assert!(segment(dir.path(), 1).exists());
    close(spool, opened).await;
    offline(dir.path()).rebuild(&mut |_, _| {}).unwrap();
    let (spool, opened) = super::retention_tests::open(dir.path(), &hands);
    assert!(spool.message(id).unwrap().is_some());
    close(spool, opened).await;
}

/// A ledger file that is damaged is told, and hides no other.
#[tokio::test]
async fn the_ledger_is_verified() {
    let dir = TempDir::new().unwrap();
    three_segments(dir.path()).await;
    let folder = dir.path().join("ledger");
    std::fs::write(folder.join("0000000001.jsonl.gz"), b"no gzip").unwrap();
    let found = verify(dir.path());
    assert!(
        found.problems[0].contains("0000000001.jsonl.gz"),
        "{found:?}"
    );
    let (spool, opened) = open(dir.path());
    assert!(
        spool
            .0
            .ledger
            .find(&["bob@example.org"], 10)
            .unwrap()
            .0
            .is_empty()
    );
    close(spool, opened).await;
}

#[tokio::test]
async fn an_export_says_what_it_could_not_rescue() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    accept(&spool, &["bob@example.org"], b"first\r\n").await;
    let torn = accept(&spool, &["eve@example.org"], b"second\r\n").await;
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    let begin = usize::try_from(place(&spool, torn).offset).unwrap();
    close(spool, opened).await;
    let path = segment(dir.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    // In its envelope.
    bytes[begin + 60] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    std::fs::remove_file(dir.path().join(format!("big/{large}.eml"))).unwrap();
    for own in ["log", "big/rescue"] {
        let refused = offline(dir.path()).export(&dir.path().join(own), &mut |_, _| {});
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("a folder of the spool itself"),
            "{refused}"
        );
    }
    let to = dir.path().join("rescue");
    let rescued = export(dir.path(), &to);
    assert_eq!(rescued.messages, 2, "{rescued:?}");
    assert_eq!(rescued.damaged[0].0, large);
    assert_eq!(rescued.pieces.len(), 1, "{rescued:?}");
    let manifest = std::fs::read_to_string(to.join("manifest.jsonl")).unwrap();
    let lines = manifest.lines().map(serde_json::from_str::<Exported>);
    let lines: Vec<Exported> = lines.map(Result::unwrap).collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let length = std::fs::metadata(to.join(&line.file)).unwrap().len();
        assert_eq!(length, if line.id == large { 0 } else { line.size });
        assert_eq!(line.damaged.is_some(), line.id == large);
    }
    let mut names = std::fs::read_dir(&to)
        .unwrap()
        .map(|one| one.unwrap().file_name());
    let piece = names.find(|name| name.to_str().unwrap().starts_with("0000000001-"));
    let piece = std::fs::read(to.join(piece.unwrap())).unwrap();
    assert!(memchr::memmem::find(&piece, b"second").is_some());
    // Nothing of the tool's own stays.
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 4);
}

/// A segment that is never full is closed after a day, so that its mail goes in time.
#[tokio::test]
async fn a_segment_is_closed_after_a_day() {
    let dir = TempDir::new().unwrap();
    let hands = super::retention_tests::Hands::new();
    let (spool, opened) = super::retention_tests::open(dir.path(), &hands);
    let count = || super::retention_tests::segments(dir.path()).len();
    accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    spool.retire().await.unwrap();
    assert_eq!(count(), 1);
    hands.forward(Duration::from_secs(25 * 3600));
    spool.retire().await.unwrap();
    assert_eq!(count(), 2);
    // Nothing came since: there is nothing to close.
    hands.forward(Duration::from_secs(25 * 3600));
    spool.retire().await.unwrap();
    assert_eq!(count(), 2);
    accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    close(spool, opened).await;
    assert!(verify(dir.path()).ok);
}

/// A copy of the spool went its own way, and its index stands beside the log of the other one.
#[tokio::test]
async fn an_index_of_another_time_is_made_anew() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    three_segments(dir.path()).await;
    let copy = |from: &str, to: &Path| {
        std::fs::create_dir_all(to.join(from)).unwrap();
        for file in std::fs::read_dir(dir.path().join(from)).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), to.join(from).join(file.file_name())).unwrap();
            }
        }
    };
    for folder in ["", "log", "big", "index"] {
        copy(folder, other.path());
    }
    let (spool, opened) = open(other.path());
    let mut ids = Vec::new();
    for length in [3_000, 2_000, 1_000] {
        ids.push(accept(&spool, &["bob@example.org"], &vec![b'x'; length]).await);
    }
    close(spool, opened).await;
    let (spool, opened) = open(dir.path());
    accept(&spool, &["bob@example.org"], &vec![b'y'; 1_500]).await;
    close(spool, opened).await;
    std::fs::remove_dir_all(other.path().join("index")).unwrap();
    copy("index", other.path());
    let (spool, opened) = open(other.path());
    assert!(opened.recovery.rebuilt);
    for id in ids {
        assert!(spool.message(id).unwrap().is_some());
    }
    close(spool, opened).await;
    // The letter that the index knew is in no log here: that is told.
    let found = verify(other.path());
    assert_eq!(
        (found.problems.len(), found.quarantined),
        (0, 1),
        "{found:?}"
    );
}
