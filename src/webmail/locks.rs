//! Locks for changes that must not overlap, each for a share of the accounts.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 64;

/// Locks by account.
#[derive(Debug)]
pub(crate) struct Locks {
    first: Mutex<()>,
    others: Vec<Mutex<()>>,
}

impl Locks {
    pub(crate) fn new() -> Self {
        Self {
            first: Mutex::default(),
            others: (1..LOCKS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Waits until nobody changes what is this account's.
    pub(crate) async fn lock(&self, account: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        account.hash(&mut hasher);
        let number = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        self.others.get(number).unwrap_or(&self.first).lock().await
    }
}
