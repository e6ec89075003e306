//! The index's store; survives the process, and may fall back or vanish when the power goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tideover::spool::{Change, MemoryStore, Row, Store};

use crate::chance::Chance;

/// Cheap to clone, all clones are the same store.
#[derive(Debug, Clone)]
pub(crate) struct KeptStore {
    present: Arc<MemoryStore>,
    /// What it was before the last changes, when the power may go; oldest first.
    before: Option<Arc<Mutex<VecDeque<Vec<Row>>>>>,
}

impl KeptStore {
    /// One for a world in which the power stays on.
    pub(crate) fn safe() -> Self {
        Self {
            present: Arc::default(),
            before: None,
        }
    }

    /// One that a power cut may change.
    pub(crate) fn fragile() -> Self {
        Self {
            before: Some(Arc::default()),
            ..Self::safe()
        }
    }

    /// It is gone, is what it was two changes ago, or stays.
    pub(crate) fn power_cut(&self, chance: &Chance) {
        match chance.below(3) {
            0 => self.clear().unwrap(),
            1 => {
                let older = self.before.as_ref().and_then(|before| {
                    let before = before.lock().unwrap();
                    (before.len() == 2).then(|| before[0].clone())
                });
                self.present.clear().unwrap();
                let rows = older.unwrap_or_default();
                let changes = rows.into_iter().map(|(k, v)| (k, Some(v))).collect();
                self.present.apply(changes).unwrap();
            }
            _ => {}
        }
    }
}

impl Store for KeptStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.present.get(key)
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String> {
        self.present.scan(prefix, start, limit)
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), String> {
        self.present.apply(changes)?;
        if let Some(before) = &self.before {
            let all = self.present.scan(b"", b"", usize::MAX)?;
            let mut before = before.lock().unwrap();
            before.push_back(all);
            if before.len() > 2 {
                before.pop_front();
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), String> {
        self.present.clear()
    }
}
