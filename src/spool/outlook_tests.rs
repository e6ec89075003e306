//! The outlook of a spool on a disk that others fill.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::retention_tests::Hands;
use super::tests::{Opened2, accept, close, open_in, options};
use super::*;
use crate::base::Clock;

const MIB: u64 = 1024 * 1024;
const SEGMENT: u64 = 64 * 1024;

/// Has as many bytes free as it is told.
#[derive(Debug, Clone)]
struct NarrowDisk(Arc<AtomicU64>);

impl NarrowDisk {
    fn new(free: u64) -> Self {
        Self(Arc::new(AtomicU64::new(free)))
    }
}

impl FileSystem for NarrowDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        SystemDisk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        SystemDisk.open(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        SystemDisk.open_to_write(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(path)
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }

    fn folder_bytes(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.folder_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        SystemDisk.lock(path)
    }
}

fn open(dir: &Path, disk: &NarrowDisk, hands: &Hands) -> (Spool, Opened2) {
    let disk: Disk = Arc::new(disk.clone());
    let world = World {
        disk,
        clock: Clock::new(hands.clone()),
        ..World::system()
    };
    open_in(options(dir), world)
}

#[tokio::test]
async fn what_there_is_room_for_is_never_old() {
    let (dir, hands) = (TempDir::new().unwrap(), Hands::new());
    let disk = NarrowDisk::new(1000 * MIB);
    let (spool, opened) = open(dir.path(), &disk, &hands);
    accept(&spool, &["bob@example.org"], b"Hi\r\n").await;
    hands.forward(Duration::from_secs(2 * 3600));
    let before = spool.outlook().unwrap();
    assert_eq!(before.measured_seconds, 2 * 3600);
    // The same moment, but somebody else has filled the disk.
    disk.0.store(400 * MIB, Ordering::Relaxed);
    let after = spool.outlook().unwrap();
    assert_eq!(before.room - after.room, 600 * MIB);
    assert_eq!(after.bytes_per_day, before.bytes_per_day);
    hands.forward(Duration::from_secs(61));
    let later = spool.outlook().unwrap().measured_seconds;
    assert_eq!(later, 2 * 3600 + 61, "the traffic is measured anew");
    // What is kept free even if `spool.min_free` is 0 is no room.
    let reserved = after.room - (400 * MIB - kept_free(0));
    assert!(reserved > 0 && reserved < SEGMENT, "{reserved}");
    assert_eq!(before.days_in_an_outage, Some(3650));
    disk.0.store(kept_free(0), Ordering::Relaxed);
    let tight = spool.outlook().unwrap();
    assert_eq!(tight.room, reserved);
    let days = tight.days_in_an_outage;
    assert!(days.is_some_and(|days| days < 3650), "{tight:?}");
    disk.0.store(kept_free(0) - 1, Ordering::Relaxed);
    assert_eq!(spool.outlook().unwrap().room, 0);
    close(spool, opened).await;
}

#[tokio::test]
async fn a_segment_that_is_just_begun_is_room_and_no_time() {
    let (dir, hands) = (TempDir::new().unwrap(), Hands::new());
    let disk = NarrowDisk::new(1000 * MIB);
    let (spool, opened) = open(dir.path(), &disk, &hands);
    let free = 1000 * MIB - kept_free(0);
    // Its space is there, and its head is not yet.
    let begun = segment::path(&dir.path().join("log"), 1);
    std::fs::File::create(&begun)
        .unwrap()
        .set_len(SEGMENT)
        .unwrap();
    let outlook = spool.outlook().unwrap();
    assert_eq!((outlook.stored, outlook.room), (0, free + SEGMENT));
    assert_eq!((outlook.measured_seconds, outlook.bytes_per_day), (0, None));
    std::fs::remove_file(&begun).unwrap();
    // What comes then is counted at once.
    accept(&spool, &["bob@example.org"], b"Hi\r\n").await;
    let outlook = spool.outlook().unwrap();
    assert!(
        outlook.stored > 0 && outlook.stored < SEGMENT / 2,
        "{outlook:?}"
    );
    assert_eq!(outlook.room, free + SEGMENT - outlook.stored);
    close(spool, opened).await;

    // A start again has written nothing yet, and knows what is there.
    let (spool, opened) = open(dir.path(), &disk, &hands);
    let again = spool.outlook().unwrap();
    assert!(again.stored > 0 && again.stored < SEGMENT / 2, "{again:?}");
    // The next segment is begun.
    let begun = segment::path(&dir.path().join("log"), 2);
    std::fs::File::create(&begun)
        .unwrap()
        .set_len(SEGMENT)
        .unwrap();
    let then = spool.outlook().unwrap();
    assert_eq!((then.stored, then.room), (again.stored, free + SEGMENT));
    std::fs::remove_file(&begun).unwrap();
    close(spool, opened).await;
}
