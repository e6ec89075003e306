//! Damage and the tools for a spool at rest.

use bytes::Bytes;
use tempfile::TempDir;

use super::record::{Kind, Record};
use super::tests::{accept, close, delivered, envelope, open_in, options};
use super::{Offline, Spool, SpoolError, World};

#[tokio::test]
async fn a_rebuild_and_an_export_tell_of_damage_and_go_on() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let first = accept(&spool, &["bob@example.org"], b"first\r\n").await;
    let torn = accept(&spool, &["bob@example.org"], b"a word to be torn\r\n").await;
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    let last = accept(&spool, &["bob@example.org"], b"last\r\n").await;
    close(spool, opened).await;
    let segment = dir.path().join("log/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = memchr::memmem::find(&bytes, b"a word to be").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::write(dir.path().join(format!("big/{large}.eml")), b"cut").unwrap();

    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let rebuilt = offline.rebuild(&mut |_, _| {}).unwrap();
    assert_eq!(rebuilt.damaged.len(), 1, "{:?}", rebuilt.damaged);
    let copy = dir.path().join(format!("quarantine/{torn}.damaged"));
    assert!(
        std::fs::read(copy)
            .unwrap()
            .ends_with(b" word to be torn\r\n")
    );
    let export = dir.path().join("rescue");
    let rescued = offline.export(&export, &mut |_, _| {}).unwrap();
    assert_eq!(rescued.messages, 4);
    let damaged: Vec<_> = rescued.damaged.iter().map(|(id, _)| *id).collect();
    assert_eq!(damaged, [torn, large]);
    for (id, there) in [(first, true), (torn, false), (large, false), (last, true)] {
        assert_eq!(export.join(format!("{id}.eml")).exists(), there, "{id}");
        assert_eq!(
            export.join(format!("{id}.damaged")).exists(),
            !there,
            "{id}"
        );
    }
    let left = std::fs::read(export.join(format!("{torn}.damaged"))).unwrap();
    assert_eq!(left.len(), b"a word to be torn\r\n".len());
    let found = offline.verify(&mut |_, _| {}).unwrap();
    assert_eq!((found.damaged, found.index_differs), (2, 0));
    drop(offline);
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!((spool.stats().quarantined, spool.stats().damaged), (1, 1));
    let state = spool.state(torn, 0).unwrap().unwrap();
    assert!(state.is_damaged(), "{state:?}");
    assert!(
        spool
            .body(torn)
            .err()
            .is_some_and(|error| error.is_damage())
    );
    close(spool, opened).await;
}

/// A look changes nothing, also when there is no index.
#[tokio::test]
async fn to_verify_makes_no_index() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    accept(&spool, &["bob@example.org"], b"first\r\n").await;
    close(spool, opened).await;
    let index = dir.path().join("index");
    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let verify = || offline.verify(&mut |_, _| {}).unwrap();
    let names = || std::fs::read_dir(dir.path()).unwrap().count();
    let before = (names(), std::fs::read(index.join("db")).unwrap());
    let found = verify();
    assert!(found.ok && !found.index_missing, "{found:?}");
    assert_eq!((names(), std::fs::read(index.join("db")).unwrap()), before);
    std::fs::remove_dir_all(&index).unwrap();
    let found = verify();
    assert!(found.ok && found.index_missing, "{found:?}");
    assert_eq!(found.messages, 1);
    assert!(!index.exists());
    // One that cannot be read is none, and stays as it is.
    std::fs::create_dir(&index).unwrap();
    std::fs::write(index.join("db"), [b'x'; 5000]).unwrap();
    let found = verify();
    assert!(found.ok && found.index_missing, "{found:?}");
    assert_eq!(std::fs::read(index.join("db")).unwrap(), [b'x'; 5000]);
}

/// Nothing is left of it, and it is not forgotten.
#[tokio::test]
async fn a_message_whose_file_is_gone_is_counted() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    std::fs::remove_file(dir.path().join(format!("big/{large}.eml"))).unwrap();
    let error = spool.body(large).err().unwrap();
    assert!(error.is_damage(), "{error}");
    spool.set_aside(large).await.unwrap();
    assert_eq!((spool.stats().quarantined, spool.stats().damaged), (1, 1));
    assert!(spool.finished_maimed().is_empty());
    spool.record(large, vec![0], delivered()).await.unwrap();
    assert_eq!((spool.stats().quarantined, spool.stats().damaged), (1, 0));
    assert_eq!(spool.finished_maimed(), [large]);
    close(spool, opened).await;
}

/// A volume that is not mounted is no damage, and nothing is written to its place.
#[tokio::test]
async fn large_bodies_on_a_volume_that_is_away_are_not_lost() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    let (big, away) = (dir.path().join("big"), dir.path().join("away"));
    std::fs::rename(&big, &away).unwrap();
    std::fs::create_dir(&big).unwrap();
    let error = spool.body(large).err().unwrap();
    assert!(!error.is_damage(), "{error}");
    assert!(spool.salvage(large).is_err());
    assert!(spool.set_aside(large).await.is_err());
    let refused = spool.draft().append(&vec![b'x'; 50_000]).await;
    assert!(matches!(refused, Err(SpoolError::NoBig(_))), "{refused:?}");
    assert_eq!(spool.stats().quarantined, 0);
    close(spool, opened).await;

    let refused = Spool::open(options(dir.path()), World::system()).err();
    assert!(matches!(refused, Some(SpoolError::NoBig(_))), "{refused:?}");
    let refused = Offline::open(options(dir.path()), World::system()).err();
    assert!(matches!(refused, Some(SpoolError::NoBig(_))), "{refused:?}");
    std::fs::remove_dir(&big).unwrap();
    std::fs::rename(&away, &big).unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!(spool.body(large).unwrap().unwrap().len(), 50_000);
    close(spool, opened).await;
}

#[tokio::test]
async fn a_log_on_a_volume_that_is_away_is_not_an_empty_one() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let small = accept(&spool, &["bob@example.org"], b"small\r\n").await;
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    close(spool, opened).await;
    let (log, away) = (dir.path().join("log"), dir.path().join("away"));
    std::fs::rename(&log, &away).unwrap();
    for _ in 0..2 {
        let refused = Spool::open(options(dir.path()), World::system()).err();
        assert!(matches!(refused, Some(SpoolError::NoLog(_))), "{refused:?}");
    }
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&away, &log).unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert!(spool.message(small).unwrap().is_some());
    assert_eq!(spool.body(large).unwrap().unwrap().len(), 50_000);
    assert_eq!(spool.stats().quarantined, 0);
    close(spool, opened).await;

    // Who has lost it for good says so, and is told what waited.
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    std::fs::write(log.join("spool"), b"").unwrap();
    let refused = Spool::open(options(dir.path()), World::system()).err();
    assert!(matches!(refused, Some(SpoolError::NoLog(_))), "{refused:?}");
    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let rebuilt = offline.rebuild(&mut |_, _| {}).unwrap();
    assert!(
        rebuilt.damaged[0].starts_with("2 messages that waited"),
        "{rebuilt:?}"
    );
    drop(offline);
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!(spool.stats().accepted, 0);
    close(spool, opened).await;
}

#[test]
fn quarantine_keeps_both_files_of_one_name() {
    let dir = TempDir::new().unwrap();
    let quarantine = super::quarantine::Quarantine {
        disk: std::sync::Arc::new(super::SystemDisk),
        dir: dir.path().join("quarantine"),
    };
    std::fs::create_dir(&quarantine.dir).unwrap();
    for text in ["first", "second", "third"] {
        std::fs::write(dir.path().join("x.eml"), text).unwrap();
        quarantine.keep_file(dir.path(), "x.eml").unwrap();
    }
    for (name, text) in [
        ("x.eml", "first"),
        ("x.eml.2", "second"),
        ("x.eml.3", "third"),
    ] {
        let kept = std::fs::read_to_string(quarantine.dir.join(name)).unwrap();
        assert_eq!(kept, text);
    }
}

/// Damage is found before anybody needs what is damaged.
#[tokio::test]
async fn a_look_through_the_log_finds_damage() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    accept(&spool, &["bob@example.org"], b"first\r\n").await;
    let torn = accept(&spool, &["bob@example.org"], b"a word to be torn\r\n").await;
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    close(spool, opened).await;
    let (spool, opened) = open_in(options(dir.path()), World::system());
    accept(&spool, &["bob@example.org"], b"last\r\n").await;
    assert_eq!(spool.scrub().await.unwrap().segments, 1);
    assert_eq!(spool.stats().quarantined, 0);
    let segment = dir.path().join("log/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = memchr::memmem::find(&bytes, b"a word to be").unwrap();
    bytes[at] ^= 1;
    // And the first record.
    bytes[60] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let mut big = std::fs::read(dir.path().join(format!("big/{large}.eml"))).unwrap();
    big[40_000] ^= 1;
    std::fs::write(dir.path().join(format!("big/{large}.eml")), big).unwrap();
    // Once more finds the same.
    for _ in 0..2 {
        assert_eq!(spool.scrub().await.unwrap().segments, 1);
        assert_eq!((spool.stats().quarantined, spool.stats().damaged), (3, 2));
    }
    for id in [torn, large] {
        let copy = dir.path().join(format!("quarantine/{id}.damaged"));
        assert!(copy.exists(), "{id}");
    }
    close(spool, opened).await;
}

/// What a later version wrote is not read as if it were ours.
#[tokio::test]
async fn a_later_format_is_refused() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    accept(&spool, &["bob@example.org"], b"a letter\r\n").await;
    close(spool, opened).await;
    let json = dir.path().join("spool.json");
    let before = std::fs::read_to_string(&json).unwrap();
    std::fs::write(&json, before.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let refused = Spool::open(options(dir.path()), World::system())
        .err()
        .unwrap();
    assert!(matches!(refused, SpoolError::Later(_)), "{refused}");
    std::fs::write(&json, &before).unwrap();
    let path = dir.path().join("log/0000000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5] = 2;
    let crc = crc32c::crc32c(&bytes[..36]).to_le_bytes();
    bytes[36..40].copy_from_slice(&crc);
    std::fs::write(&path, bytes).unwrap();
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let refused = Spool::open(options(dir.path()), World::system())
        .err()
        .unwrap();
    assert!(matches!(refused, SpoolError::Later(_)), "{refused}");
}

/// A version before took such a sender from strangers: its record does not keep the index from
/// being made.
#[tokio::test]
async fn a_sender_who_is_refused_today_is_read_in_the_log() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let mut odd = envelope(&["bob@example.org"]);
    odd.from = serde_json::from_str("\"a@_\"").unwrap();
    let mut draft = spool.draft();
    draft.append(b"hello\r\n").await.unwrap();
    let odd = spool.accept(draft, odd).await.unwrap();
    let next = accept(&spool, &["bob@example.org"], b"next\r\n").await;
    close(spool, opened).await;
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let message = spool.message(odd).unwrap().unwrap();
    assert_eq!(message.envelope.from.to_string(), "a@_");
    assert!(spool.state(next, 0).unwrap().is_some());
    close(spool, opened).await;
}

/// A message whose line cannot be read though its checksum is good is damage like other: it is set
/// aside, what stands behind it is read, and its segment may go.
#[tokio::test]
async fn a_line_that_nobody_can_read_is_set_aside() {
    let dir = TempDir::new().unwrap();
    let mut opened = Spool::open(options(dir.path()), World::system()).unwrap();
    let odd = Record::new(Kind::Message, b"{\"id\":\"?\"}".to_vec(), Bytes::new());
    opened.writer.log.append(&[odd]).unwrap();
    opened.writer.log.sync().unwrap();
    let (spool, thread) = (opened.spool, opened.writer.spawn_thread().unwrap());
    let next = accept(&spool, &["bob@example.org"], b"next\r\n").await;
    spool.close().await.unwrap();
    drop(spool);
    thread.join().unwrap();
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!(opened.recovery.damaged, 1);
    assert!(spool.state(next, 0).unwrap().is_some());
    assert_eq!(spool.stats().quarantined, 1);
    // The segment that is being written is not looked at.
    accept(&spool, &["bob@example.org"], b"third\r\n").await;
    let looked = spool.scrub().await.unwrap();
    assert_eq!((looked.damaged, looked.failed), (1, 0));
    let residents = spool.residents(1).unwrap();
    let residents: Vec<_> = residents.readable.iter().map(|one| one.id).collect();
    assert_eq!(residents, [next]);
    close(spool, opened).await;
}
