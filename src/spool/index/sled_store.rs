//! The index in sled: the only file that names it.
//!
//! sled's flush is no fsync, and a power cut can leave it unreadable. It holds nothing that the
//! log does not have, is opened where a panic is caught, and is removed at the first doubt.
//!
//! Changes go in one by one, not as a batch: sled 0.34 keeps a copy of a leaf for each row of a
//! batch until its end and beyond (20 GiB for a million messages). That a crash never leaves half
//! of a hand-over behind is the duty of [`Redo`]. Most rows come packed into [`pages`].

use std::path::{Path, PathBuf};

use super::pages::{self, Page};
use super::redo::{HandOver, Redo};
use super::{Change, Row, Store};

/// Pages that sled keeps in memory, as they are on disk; in memory they take about eight times as
/// much.
const CACHE: u64 = 4 * 1024 * 1024;

/// The number of the last hand-over that is in the store as a whole; written behind its changes.
const HAND_OVER: &[u8] = b"!hand-over";
/// The number of the last one that was begun; written before its changes. sled cuts its own log at
/// the first damaged part and says nothing, so the two differ when a part of one is gone.
const BEGUN: &[u8] = b"!begun";

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

/// In what sled says when another process has the store open.
const LOCKED: &str = "could not acquire lock";

impl SledStore {
    /// Opens the store in `dir`; one that cannot be opened is removed and begun anew, empty.
    ///
    /// # Errors
    /// When an empty one cannot be made either.
    pub fn open(dir: &Path) -> Result<Self, String> {
        match Self::open_when_free(dir) {
            Ok(store) => Ok(store),
            // Somebody else works with it: it is not ours to remove.
            Err(error) if error.contains(LOCKED) => Err(error),
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
                Err(error) if error.contains(LOCKED) && tries < LOCK_TRIES => {
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
        let last = self.number(HAND_OVER)?;
        let Some(hand_over) = self.redo.read().map_err(|error| error.to_string())? else {
            let begun = self.number(BEGUN)?;
            if begun == last {
                return Ok(());
            }
            return Err(format!(
                "hand-over {begun} was begun, and it has {last}: a part is gone"
            ));
        };
        if hand_over.number != last && hand_over.number != last + 1 {
            return Err(format!(
                "it has hand-over {last}, but the one under way was {}",
                hand_over.number
            ));
        }
        self.take_over(hand_over)
    }

    fn number(&self, key: &[u8]) -> Result<u64, String> {
        let number = self.get(key)?;
        let number = number.and_then(|bytes| bytes.try_into().ok());
        Ok(number.map_or(0, u64::from_be_bytes))
    }

    fn take_over(&self, hand_over: HandOver) -> Result<(), String> {
        let number = hand_over.number.to_be_bytes();
        self.db
            .insert(BEGUN, &number)
            .and_then(|_| self.change(hand_over))
            .and_then(|()| self.db.insert(HAND_OVER, &number))
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

impl SledStore {
    /// The page to which a key belongs, or would.
    fn page(&self, key: &[u8]) -> Result<Page, String> {
        let kind = key.first().copied().unwrap_or_default();
        let name = pages::name(key);
        let of_kind = |found: &sled::IVec| found.get(1) == Some(&kind);
        let before = self.db.range(..=name.as_slice()).next_back().transpose();
        let before = before.map_err(|error| error.to_string())?;
        let page = before.filter(|(found, _)| of_kind(found) && found.first() == name.first());
        let page = page.map(|(found, rows)| Page {
            first: found.get(1..).unwrap_or_default().to_vec(),
            rows: rows.to_vec(),
            next: None,
        });
        let next = self.db.get_gt(&name).map_err(|error| error.to_string())?;
        let next = next.filter(|(found, _)| of_kind(found) && found.first() == name.first());
        Ok(Page {
            next: next.map(|(found, _)| found.get(1..).unwrap_or_default().to_vec()),
            ..page.unwrap_or_else(|| Page::empty(kind))
        })
    }

    fn get_packed(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let name = pages::name(key);
        let before = self.db.range(..=name.as_slice()).next_back().transpose();
        let before = before.map_err(|error| error.to_string())?;
        match before {
            // A page of another kind does not have it either.
            Some((found, rows)) if found.first() == name.first() => pages::get(&rows, key),
            _ => Ok(None),
        }
    }

    fn scan_packed(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String> {
        let name = pages::name(start);
        let first = self.db.range(..=name.as_slice()).next_back().transpose();
        let first = first.map_err(|error| error.to_string())?;
        let first = first.map_or(name, |(found, _)| found.to_vec());
        let mut rows = Vec::new();
        let mut ended = limit == 0;
        for page in self.db.range(first.max(vec![pages::PAGE])..) {
            let (found, page) = page.map_err(|error| error.to_string())?;
            if ended || found.first() != Some(&pages::PAGE) {
                break;
            }
            pages::walk(&page, |key, value| {
                // A page that is being split still has the rows of the next one.
                let is_new = rows
                    .last()
                    .is_none_or(|(last, _): &Row| last.as_slice() < key);
                if is_new && key >= start && key.starts_with(prefix) {
                    rows.push((key.to_vec(), value.to_vec()));
                }
                ended = rows.len() == limit || (key > prefix && !key.starts_with(prefix));
                !ended
            })?;
        }
        Ok(rows)
    }

    fn scan_single(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String> {
        self.db
            .range(start..)
            .filter(|row| {
                let key = row.as_ref().ok().and_then(|(key, _)| key.first());
                key != Some(&pages::PAGE)
            })
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
}

fn is_packed(key: &[u8]) -> bool {
    key.first().is_some_and(|&kind| pages::is_packed(kind))
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        if is_packed(key) {
            return self.get_packed(key);
        }
        let value = self.db.get(key).map_err(|error| error.to_string())?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String> {
        let start = start.max(prefix);
        if is_packed(prefix) {
            return self.scan_packed(prefix, start, limit);
        }
        let mut rows = self.scan_single(prefix, start, limit)?;
        if prefix.is_empty() {
            // Kinds of both sorts.
            rows.extend(self.scan_packed(prefix, start, limit)?);
            rows.sort_unstable();
            rows.truncate(limit);
        }
        Ok(rows)
    }

    fn apply(&self, mut changes: Vec<Change>) -> Result<(), String> {
        // After a failure: pages are made of what is there, so that has to be whole first.
        self.complete()?;
        changes.sort_by(|(a, _), (b, _)| a.cmp(b));
        let changes = pages::pack(changes, |key| self.page(key))?;
        let number = self.number(HAND_OVER)? + 1;
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
    use super::super::MemoryStore;
    use super::*;

    fn row(key: &[u8], value: &[u8]) -> Change {
        (key.to_vec(), Some(value.to_vec()))
    }

    /// A store with one hand-over, and another one under way when the process ended.
    fn interrupted(number: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        store
            .apply(vec![row(b"f1", b"1"), row(b"f2", b"1")])
            .unwrap();
        // The first of the changes got there.
        store.db.insert(b"f1", b"2").unwrap();
        let changes = vec![row(b"f1", b"2"), (b"f2".to_vec(), None), row(b"f3", b"2")];
        let redo = Redo::new(dir.path());
        redo.write(&HandOver { number, changes }).unwrap();
        drop(store);
        dir
    }

    #[test]
    fn packed_and_single_rows_are_found_in_one_order() {
        let dir = tempfile::tempdir().unwrap();
        let (store, model) = (SledStore::open(dir.path()).unwrap(), MemoryStore::default());
        let mut number = 0_u32;
        for round in 0..30_u32 {
            let mut changes = std::collections::BTreeMap::new();
            for _ in 0..150 {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let kind = b"!abehimqruz"[(number >> 28) as usize % 11];
                let key = [&[kind], (number >> 18 & 0x3ff).to_be_bytes().as_slice()].concat();
                let value = (number >> 8 & 7 > round % 5).then(|| vec![kind; 20]);
                changes.insert(key, value);
            }
            let changes: Vec<Change> = changes.into_iter().collect();
            store.apply(changes.clone()).unwrap();
            model.apply(changes.clone()).unwrap();
            let number = u64::from(round + 1).to_be_bytes();
            model.apply(vec![row(HAND_OVER, &number)]).unwrap();
            model.apply(vec![row(BEGUN, &number)]).unwrap();
            for (key, value) in &changes {
                assert_eq!(store.get(key).unwrap(), *value);
                for (prefix, limit) in [(&key[..1], 7), (&key[..], 9), (b"", 50)] {
                    let found = store.scan(prefix, key, limit).unwrap();
                    assert_eq!(found, model.scan(prefix, key, limit).unwrap());
                }
            }
            let all = store.scan(b"", b"", usize::MAX).unwrap();
            assert_eq!(all, model.scan(b"", b"", usize::MAX).unwrap());
        }
    }

    #[test]
    fn a_hand_over_that_a_crash_interrupted_is_completed() {
        let dir = interrupted(2);
        for _ in 0..2 {
            let store = SledStore::open(dir.path()).unwrap();
            assert_eq!(store.get(b"f1").unwrap().unwrap(), b"2");
            assert_eq!(store.get(b"f2").unwrap(), None);
            assert_eq!(store.get(b"f3").unwrap().unwrap(), b"2");
            assert_eq!(store.number(HAND_OVER).unwrap(), 2);
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
        assert_eq!(store.get(b"f1").unwrap(), None);
    }

    fn numbered(numbers: impl Iterator<Item = u32>) -> Vec<Change> {
        let key = |number: u32| [b"m".as_slice(), &number.to_be_bytes()].concat();
        numbers.map(|n| row(&key(n), &[7; 20])).collect()
    }

    /// Pages are split beside the readers.
    #[test]
    fn rows_that_stay_are_found_while_their_pages_are_split() {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        let known = numbered((0..4000).step_by(8));
        store.apply(known.clone()).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let is_there = |(key, value): &Change| store.get(key).unwrap() == *value;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(known.iter().all(is_there));
                    let all = store.scan(b"m", b"m", usize::MAX).unwrap();
                    assert!(all.is_sorted_by(|(a, _), (b, _)| a < b));
                    let found = all.iter().filter(|(key, _)| key[4] % 8 == 0);
                    assert_eq!(found.count(), known.len());
                }
            });
            for offset in 1..8 {
                for start in 0..8 {
                    let new = ((start * 500 + offset)..(start * 500 + 500)).step_by(8);
                    store.apply(numbered(new.filter(|n| n % 8 != 0))).unwrap();
                }
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            reader.join().unwrap();
        });
    }

    /// Rows that only moved to another page stand in no later hand-over.
    #[test]
    fn a_hand_over_that_failed_is_completed_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        let known = numbered((0..100).map(|n| n * 8));
        store.apply(known.clone()).unwrap();
        let new = numbered((0..100).map(|n| n * 8 + 1));
        let changes = pages::pack(new.clone(), |key| store.page(key)).unwrap();
        assert!(changes.len() > 2, "no page was split");
        // The disk failed after these.
        for (key, value) in changes.iter().skip(2).step_by(2) {
            store.db.insert(key, value.clone().unwrap()).unwrap();
        }
        store.redo.write(&HandOver { number: 2, changes }).unwrap();
        store
            .apply([new.clone(), numbered(900..901)].concat())
            .unwrap();
        for (key, value) in known.iter().chain(&new) {
            assert_eq!(store.get(key).unwrap(), *value);
        }
        assert_eq!(store.number(HAND_OVER).unwrap(), 3);
    }

    /// sled does not tell of all damage. What it shows is the state at the end of a hand-over, or
    /// it is not opened; or a part of it cannot be read, which everybody is told who asks.
    #[test]
    fn damage_shows_no_state_that_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let model = MemoryStore::default();
        let mut states = vec![Vec::new()];
        for round in 0..4_u32 {
            // Closed in between, as by a stop.
            let store = SledStore::open(dir.path()).unwrap();
            let change = |number: u32| {
                let key = [b"m", (number * 7 % 90).to_be_bytes().as_slice()].concat();
                let single = [b"!", number.to_be_bytes().as_slice()].concat();
                let value = vec![u8::try_from(round).unwrap(); 60];
                [(key, Some(value.clone())), (single, Some(value))]
            };
            let changes: std::collections::BTreeMap<_, _> =
                (round * 20..round * 20 + 40).flat_map(change).collect();
            let changes: Vec<Change> = changes.into_iter().collect();
            store.apply(changes.clone()).unwrap();
            model.apply(changes).unwrap();
            states.push(model.scan(b"", b"", usize::MAX).unwrap());
        }
        let whole = std::fs::read(dir.path().join("db")).unwrap();
        let (mut anew, mut shown) = (0, 0);
        for at in (0..whole.len()).step_by(1499) {
            let damaged = tempfile::tempdir().unwrap();
            for file in std::fs::read_dir(dir.path()).unwrap() {
                let file = file.unwrap();
                if file.file_type().unwrap().is_file() {
                    std::fs::copy(file.path(), damaged.path().join(file.file_name())).unwrap();
                }
            }
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            std::fs::write(damaged.path().join("db"), bytes).unwrap();
            let seen = std::panic::catch_unwind(|| {
                let store = SledStore::open(damaged.path()).unwrap();
                store.scan(b"", b"", usize::MAX)
            });
            let Ok(Ok(mut rows)) = seen else { continue };
            rows.retain(|(key, _)| key != HAND_OVER && key != BEGUN);
            let state = states.iter().position(|state| *state == rows);
            assert!(state.is_some(), "at {at}: {} rows", rows.len());
            *if state == Some(0) {
                &mut anew
            } else {
                &mut shown
            } += 1;
        }
        assert!(anew > 0 && shown > 0, "{anew} {shown}");
    }
}
