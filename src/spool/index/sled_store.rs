//! The index in sled: the only file that names it.
//!
//! sled's flush is no fsync, and a power cut can leave it unreadable. It holds nothing that the
//! log does not have, is opened where a panic is caught, and is removed at the first doubt.
//!
//! Changes go in one by one, not as a batch: sled 0.34 keeps a copy of a leaf for each row of a
//! batch until its end and beyond (20 GiB for a million messages). That a crash never leaves half
//! of a hand-over behind is the duty of [`Redo`].

use std::path::{Path, PathBuf};

use super::redo::{HandOver, Redo};
use super::{Change, Row, Store};

/// Pages that sled keeps in memory, as they are on disk; in memory they take about eight times as
/// much.
const CACHE: u64 = 4 * 1024 * 1024;

/// The number of the last hand-over that is in the store as a whole.
const HAND_OVER: &[u8] = b"!hand-over";

/// How often, and how far apart, a store is tried that is still locked.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(20);

/// A store in a folder.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
    redo: Redo,
    /// sled's file, to sync it.
    file: std::fs::File,
}

impl SledStore {
    /// Opens the store in `dir`; one that cannot be opened is removed and begun anew, empty.
    ///
    /// # Errors
    /// When an empty one cannot be made either.
    pub fn open(dir: &Path) -> Result<Self, String> {
        match Self::open_when_free(dir) {
            Ok(store) => Ok(store),
            Err(error) => {
                tracing::warn!(%error, "the index cannot be opened; it is made anew from the log");
                match std::fs::remove_dir_all(dir) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(format!("removing {}: {error}", dir.display()))
                    }
                    _ => Self::try_open(dir.to_owned()),
                }
            }
        }
    }

    /// sled's own threads may hold its lock for a moment after the last user of this process let
    /// go; no other process can have it, because the spool is locked.
    #[expect(
        clippy::disallowed_methods,
        reason = "sled tells nobody when it lets go"
    )]
    fn open_when_free(dir: &Path) -> Result<Self, String> {
        let mut tries = 0;
        loop {
            match Self::try_open(dir.to_owned()) {
                Err(error) if error.contains("could not acquire lock") && tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_WAIT);
                }
                other => return other,
            }
        }
    }

    fn try_open(dir: PathBuf) -> Result<Self, String> {
        let redo = Redo::new(&dir);
        let file = dir.join("db");
        // sled 0.34 panics on some damaged files.
        let opened = std::panic::catch_unwind(|| {
            sled::Config::default()
                .path(dir)
                .cache_capacity(CACHE)
                .mode(sled::Mode::HighThroughput)
                // We flush with each checkpoint, from one task.
                .flush_every_ms(None)
                .open()
        });
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("sled panicked while opening it".to_owned()),
        };
        let file = std::fs::File::open(&file)
            .map_err(|error| format!("opening {}: {error}", file.display()))?;
        let store = Self { db, redo, file };
        store.complete()?;
        Ok(store)
    }

    /// Completes the hand-over that a crash interrupted.
    fn complete(&self) -> Result<(), String> {
        let Some(hand_over) = self.redo.read().map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let last = self.last_hand_over()?;
        if hand_over.number != last && hand_over.number != last + 1 {
            return Err(format!(
                "it has hand-over {last}, but the one under way was {}",
                hand_over.number
            ));
        }
        self.take_over(hand_over)
    }

    fn last_hand_over(&self) -> Result<u64, String> {
        let number = self.get(HAND_OVER)?;
        let number = number.and_then(|bytes| bytes.try_into().ok());
        Ok(number.map_or(0, u64::from_be_bytes))
    }

    fn take_over(&self, hand_over: HandOver) -> Result<(), String> {
        let number = hand_over.number;
        self.change(hand_over)
            .and_then(|()| self.db.insert(HAND_OVER, &number.to_be_bytes()))
            .and_then(|_| self.db.flush())
            .map_err(|error| error.to_string())?;
        // sled's own flush does not reach the disk. Until it does, the changes are needed.
        self.file
            .sync_data()
            .and_then(|()| self.redo.remove())
            .map_err(|error| error.to_string())
    }

    fn change(&self, hand_over: HandOver) -> sled::Result<()> {
        for (key, value) in hand_over.changes {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        Ok(())
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let value = self.db.get(key).map_err(|error| error.to_string())?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String> {
        self.db
            .range(start.max(prefix)..)
            .take(limit)
            .take_while(|row| {
                row.as_ref()
                    .map_or(true, |(key, _)| key.starts_with(prefix))
            })
            .map(|row| {
                row.map(|(key, value)| (key.to_vec(), value.to_vec()))
                    .map_err(|error| error.to_string())
            })
            .collect()
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), String> {
        let number = self.last_hand_over()? + 1;
        let hand_over = HandOver { number, changes };
        self.redo
            .write(&hand_over)
            .map_err(|error| format!("writing down a hand-over: {error}"))?;
        self.take_over(hand_over)
    }

    fn clear(&self) -> Result<(), String> {
        self.redo.remove().map_err(|error| error.to_string())?;
        self.db.clear().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &[u8], value: &[u8]) -> Change {
        (key.to_vec(), Some(value.to_vec()))
    }

    /// A store with one hand-over, and another one under way when the process ended.
    fn interrupted(number: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        store.apply(vec![row(b"a", b"1"), row(b"b", b"1")]).unwrap();
        // The first of the changes got there.
        store.db.insert(b"a", b"2").unwrap();
        let changes = vec![row(b"a", b"2"), (b"b".to_vec(), None), row(b"c", b"2")];
        let redo = Redo::new(dir.path());
        redo.write(&HandOver { number, changes }).unwrap();
        drop(store);
        dir
    }

    #[test]
    fn a_hand_over_that_a_crash_interrupted_is_completed() {
        let dir = interrupted(2);
        for _ in 0..2 {
            let store = SledStore::open(dir.path()).unwrap();
            assert_eq!(store.get(b"a").unwrap().unwrap(), b"2");
            assert_eq!(store.get(b"b").unwrap(), None);
            assert_eq!(store.get(b"c").unwrap().unwrap(), b"2");
            assert_eq!(store.last_hand_over().unwrap(), 2);
            assert_eq!(store.redo.read().unwrap(), None);
        }
    }

    #[test]
    fn a_hand_over_of_another_time_makes_the_store_begin_anew() {
        let dir = interrupted(7);
        let store = SledStore::open(dir.path()).unwrap();
        assert_eq!(store.scan(b"", b"", 10).unwrap(), Vec::new());
    }

    #[test]
    fn a_damaged_hand_over_makes_the_store_begin_anew() {
        let dir = interrupted(2);
        std::fs::write(dir.path().join("redo"), b"nothing of sense").unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        assert_eq!(store.get(b"a").unwrap(), None);
    }
}
