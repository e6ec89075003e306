//! What is not in the store yet, laid over what is.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::de::DeserializeOwned;

use super::rows::{Checkpoint, Counters, FORMAT, decode, encode};
use super::tally::Tally;
use super::{Row, Store, keys};
use crate::limits;
use crate::spool::SpoolError;
use crate::spool::segment::Position;

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The index. Reading is free to all; the log's writer alone changes it.
#[derive(Debug)]
pub(crate) struct Index {
    store: Box<dyn Store>,
    /// Changes in memory before they are handed over.
    most_pending: usize,
    pending: RwLock<Pending>,
    /// One hand-over to the store at a time.
    flushing: Mutex<()>,
    /// Held while records are applied of which others were told already.
    applying: RwLock<()>,
}

#[derive(Debug, Default)]
struct Pending {
    /// Changes since the last hand-over began.
    active: Changes,
    /// Changes that are being handed over.
    frozen: Arc<Changes>,
    /// First position that is not in `active`.
    position: Position,
    tally: Tally,
    /// Grows with each change.
    revision: u64,
    /// It no longer follows the log.
    given_up: bool,
}

/// Changes of a part of the index, in the order of their keys.
fn of_part<'a>(
    changes: &'a Changes,
    prefix: &'a [u8],
    part: (Bound<&[u8]>, Bound<&[u8]>),
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> {
    let range = changes.range::<[u8], _>(part);
    range.take_while(move |(key, _)| key.starts_with(prefix))
}

/// The first rows, with older and newer changes laid over them. No more than is asked for is
/// copied: there may be many changes behind it.
fn laid_over<'a>(
    stored: Vec<Row>,
    [older, newer]: [impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>; 2],
    limit: usize,
) -> Vec<Row> {
    let (mut older, mut newer) = (older.peekable(), newer.peekable());
    let mut stored = stored.into_iter().peekable();
    let mut rows = Vec::new();
    while rows.len() < limit {
        let next = [
            stored.peek().map(|(key, _)| key),
            older.peek().map(|(key, _)| *key),
            newer.peek().map(|(key, _)| *key),
        ];
        let Some(key) = next.into_iter().flatten().min().cloned() else {
            break;
        };
        let row = stored.next_if(|(stored, _)| *stored == key);
        let old = older.next_if(|(changed, _)| **changed == key);
        let new = newer.next_if(|(changed, _)| **changed == key);
        let value = match new.or(old) {
            Some((_, change)) => change.clone(),
            None => row.map(|(_, value)| value),
        };
        rows.extend(value.map(|value| (key, value)));
    }
    rows
}

impl Index {
    /// An index over a store, which holds so many changes in memory before it hands them over.
    pub(crate) fn new(store: Box<dyn Store>, most_pending: usize) -> Self {
        Self {
            store,
            most_pending,
            pending: RwLock::default(),
            flushing: Mutex::default(),
            applying: RwLock::default(),
        }
    }

    /// Taken before anybody is told of records that are not applied yet, kept until they are: who
    /// asks meanwhile waits in [`Self::settled`].
    pub(crate) fn applying(&self) -> RwLockWriteGuard<'_, ()> {
        self.applying
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when all records are applied of which anybody was told before.
    pub(crate) fn settled(&self) -> &Self {
        drop(self.applying.read().unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// While this is kept no record is applied: what is read belongs together.
    pub(crate) fn still(&self) -> RwLockReadGuard<'_, ()> {
        self.applying.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what the store holds, if it belongs to the spool `uuid`: the position from which
    /// the log is to be replayed. `None`: the store is empty, foreign or old.
    pub(crate) fn resume(&self, uuid: &str) -> Result<Option<Position>, SpoolError> {
        let checkpoint: Option<Checkpoint> = self.row(keys::CHECKPOINT)?;
        let Some(checkpoint) =
            checkpoint.filter(|found| found.format == FORMAT && found.uuid == uuid)
        else {
            return Ok(None);
        };
        let counters: Counters = self.row(keys::COUNTERS)?.unwrap_or_default();
        let mut pending = self.write_lock();
        pending.tally = Tally::from(counters);
        pending.position = Position::from_u64(checkpoint.position);
        Ok(Some(pending.position))
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> Result<(), SpoolError> {
        *self.write_lock() = Pending::default();
        self.store.clear().map_err(SpoolError::Index)
    }

    /// The value of a key, decoded.
    pub(crate) fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, SpoolError> {
        self.get(key)?.map(|bytes| decode(&bytes)).transpose()
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SpoolError> {
        {
            let pending = self.read_lock();
            if let Some(change) = pending.active.get(key).or_else(|| pending.frozen.get(key)) {
                return Ok(change.clone());
            }
        }
        self.store.get(key).map_err(SpoolError::Index)
    }

    /// Up to `limit` rows whose key begins with `prefix`, from `start` on, in order.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        start: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, SpoolError> {
        let mut rows = Vec::new();
        let mut start = start.max(prefix).to_vec();
        while rows.len() < limit {
            let page = self.scan_page(prefix, &start, limit - rows.len())?;
            rows.extend(page.rows);
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        Ok(rows)
    }

    /// One step of a scan: the store's next rows with the changes laid over them. The page ends
    /// where the store's rows end, so removed rows can make it short, never wrong.
    fn scan_page(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Page, SpoolError> {
        let pending = self.read_lock();
        let stored = self
            .store
            .scan(prefix, start, limit)
            .map_err(SpoolError::Index)?;
        let end = (stored.len() == limit)
            .then(|| stored.last().map(|(key, _)| key.clone()))
            .flatten();
        let until = end.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let part = (Bound::Included(start), until);
        let changes =
            [&*pending.frozen, &pending.active].map(|changes| of_part(changes, prefix, part));
        let rows = laid_over(stored, changes, limit);
        drop(pending);
        let next = if rows.len() == limit {
            rows.last().map(|(key, _)| key.clone())
        } else {
            end
        };
        Ok(Page {
            rows,
            next: next.map(|mut key| {
                key.push(0);
                key
            }),
        })
    }

    /// Makes the changes of one record, all at once: no reader and no checkpoint sees half of
    /// them, so that a replay from a checkpoint applies each record exactly once. `after` is the
    /// position behind the record.
    pub(crate) fn change(
        &self,
        changes: Vec<super::Change>,
        after: Position,
        count: impl FnOnce(&mut Tally),
    ) {
        let mut pending = self.write_lock();
        pending.active.extend(changes);
        pending.position = after;
        pending.revision += 1;
        count(&mut pending.tally);
    }

    /// Makes changes that no record of the log tells of.
    pub(crate) fn change_in_place(
        &self,
        changes: Vec<super::Change>,
        count: impl FnOnce(&mut Tally),
    ) {
        let mut pending = self.write_lock();
        pending.active.extend(changes);
        pending.revision += 1;
        count(&mut pending.tally);
    }

    /// The counters.
    pub(crate) fn counters(&self) -> Counters {
        self.read_lock().tally.counters().clone()
    }

    /// How many changes were made: what was read between two equal answers belongs together.
    pub(crate) fn revision(&self) -> u64 {
        self.read_lock().revision
    }

    /// Begins to count the rows anew, beside the counters.
    pub(crate) fn count_anew(&self) {
        self.write_lock().tally.begin_anew();
    }

    /// Goes on with that count. `None`, and nothing is done, when something was changed since
    /// `revision`.
    pub(crate) fn count_at<T>(
        &self,
        revision: u64,
        count: impl FnOnce(&mut Tally) -> T,
    ) -> Option<T> {
        let mut pending = self.write_lock();
        (pending.revision == revision).then(|| count(&mut pending.tally))
    }

    /// Gives the index up: it no longer follows the log. It forgets its checkpoint, so that the
    /// next start makes it anew.
    pub(crate) fn give_up(&self) {
        let _one = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut self.write_lock().given_up, true) {
            return;
        }
        let forget = vec![(keys::CHECKPOINT.to_vec(), None)];
        if let Err(error) = self.store.apply(forget) {
            tracing::error!(
                %error,
                "the index cannot be marked; remove its folder before the next start"
            );
        }
    }

    /// Are there so many changes in memory that they should be handed over now?
    pub(crate) fn is_crowded(&self) -> bool {
        self.read_lock().active.len() >= self.most_pending
    }

    /// Are there so many changes in memory that the writer has to wait for the store?
    pub(crate) fn is_overcrowded(&self) -> bool {
        self.read_lock().active.len() >= self.most_pending * 2
    }

    /// Sets the changes so far aside for [`Self::store_frozen`], with the checkpoint they make.
    /// Everything in them must be on stable storage: the store may not know more than the log.
    /// `false` when there are none, or when others are still being handed over.
    pub(crate) fn freeze(&self, uuid: &str) -> bool {
        let mut pending = self.write_lock();
        let busy = !pending.frozen.is_empty();
        if busy || pending.active.is_empty() || pending.given_up {
            return false;
        }
        let checkpoint = Checkpoint {
            format: FORMAT,
            uuid: uuid.to_owned(),
            position: pending.position.to_u64(),
        };
        let counters = encode(pending.tally.counters());
        let mut changes = std::mem::take(&mut pending.active);
        changes.insert(keys::CHECKPOINT.to_vec(), Some(encode(&checkpoint)));
        changes.insert(keys::COUNTERS.to_vec(), Some(counters));
        pending.frozen = Arc::new(changes);
        true
    }

    /// Hands what was set aside to the store. May take a while.
    pub(crate) fn store_frozen(&self) -> Result<(), SpoolError> {
        let _one = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let frozen = Arc::clone(&self.read_lock().frozen);
        if frozen.is_empty() {
            return Ok(());
        }
        let changes = frozen.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let applied = self.store.apply(changes).map_err(SpoolError::Index);
        let mut pending = self.write_lock();
        if applied.is_err() {
            // Not lost: newer changes of the same keys win, the rest waits for the next try.
            let newer = std::mem::take(&mut pending.active);
            pending.active = frozen.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            pending.active.extend(newer);
        }
        pending.frozen = Arc::default();
        applied
    }

    /// Hands all changes to the store.
    pub(crate) fn flush(&self, uuid: &str) -> Result<(), SpoolError> {
        self.store_frozen()?;
        self.freeze(uuid);
        self.store_frozen()
    }

    /// Shows `visit` all rows of a kind.
    pub(crate) fn each_row(
        &self,
        kind: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), SpoolError>,
    ) -> Result<(), SpoolError> {
        let mut start = kind.to_vec();
        loop {
            let rows = self.scan(kind, &start, limits::PAGE)?;
            for (name, value) in &rows {
                visit(name, value)?;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == limits::PAGE => {
                    start.clone_from(last);
                    start.push(0);
                }
                _ => return Ok(()),
            }
        }
    }

    fn read_lock(&self) -> RwLockReadGuard<'_, Pending> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, Pending> {
        self.pending.write().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Page {
    rows: Vec<Row>,
    /// Where the next page begins.
    next: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changes() -> impl Strategy<Value = Changes> {
        let key = prop::collection::vec(0..3_u8, 0..3);
        let change = prop::option::of(prop::collection::vec(any::<u8>(), 1));
        prop::collection::btree_map(key, change, 0..20)
    }

    proptest! {
        /// As if each layer were written over the one below it.
        #[test]
        fn newer_changes_win(
            stored in changes(), older in changes(), newer in changes(), limit in 0..20_usize
        ) {
            let rows = |layer: &Changes| -> Vec<Row> {
                let rows = layer.iter();
                rows.filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect()
            };
            let mut all: Changes = stored.clone();
            all.retain(|_, value| value.is_some());
            all.extend(older.clone());
            all.extend(newer.clone());
            let mut expected = rows(&all);
            expected.truncate(limit);
            let everywhere = || (Bound::Unbounded, Bound::Unbounded);
            let layers = [&older, &newer].map(|layer| of_part(layer, &[], everywhere()));
            prop_assert_eq!(laid_over(rows(&stored), layers, limit), expected);
        }
    }
}
