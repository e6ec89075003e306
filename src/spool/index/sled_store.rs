//! The index in sled: the only file that names it.
//!
//! sled's flush is no fsync, and a power cut can leave it unreadable. It holds nothing that the
//! log does not have, is opened where a panic is caught, and is removed at the first doubt.

use std::path::{Path, PathBuf};

use super::{Change, Row, Store};

/// Pages that sled keeps in memory.
const CACHE: u64 = 32 * 1024 * 1024;

/// How often, and how far apart, a store is tried that is still locked.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(20);

/// A store in a folder.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
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
        match opened {
            Ok(Ok(db)) => Ok(Self { db }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("sled panicked while opening it".to_owned()),
        }
    }
}

impl SledStore {
    /// Each row of a batch leaves a copy of a leaf behind (about 2 KiB), which sled's epoch
    /// collector frees in the course of later calls: some hundred copies with each 128th call. A
    /// batch makes thousands of copies in one call, so without more calls they pile up for ever
    /// (20 GiB for a million messages). Two calls for a row keep pace.
    fn collect_garbage(&self, rows: usize) -> sled::Result<()> {
        for _ in 0..rows.saturating_mul(2) {
            self.db.contains_key(b"!")?;
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
        let rows = changes.len();
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.db
            .apply_batch(batch)
            .and_then(|()| self.db.flush())
            .and_then(|_| self.collect_garbage(rows))
            .map_err(|error| error.to_string())
    }

    fn clear(&self) -> Result<(), String> {
        self.db.clear().map_err(|error| error.to_string())
    }
}
