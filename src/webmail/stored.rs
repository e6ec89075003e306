//! Where accounts are kept: as facts of the spool.

use std::sync::atomic::Ordering;

use serde::{Serialize, de::DeserializeOwned};

use super::accounts::{AccountError, Accounts};
use crate::spool::SpoolError;

impl Accounts {
    pub(super) async fn load<T: DeserializeOwned>(
        &self,
        room: &'static str,
        key: &str,
    ) -> Result<Option<T>, AccountError> {
        let (spool, owned) = (self.spool.clone(), key.to_owned());
        let fact = blocking(move || spool.fact(room, &owned)).await??;
        fact.map(|value| {
            serde_json::from_value(value).map_err(|_| AccountError::Damaged(key.to_owned()))
        })
        .transpose()
    }

    pub(super) async fn store(
        &self,
        room: &str,
        key: &str,
        value: &impl Serialize,
    ) -> Result<(), AccountError> {
        let value =
            serde_json::to_value(value).map_err(|error| SpoolError::Damaged(error.to_string()))?;
        let stored = self.spool.put_fact(room, key, Some(value)).await;
        self.written.fetch_add(1, Ordering::Release);
        Ok(stored?)
    }

    /// Grows whenever something may have changed.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }
}

/// Runs what reads the disk where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SpoolError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a task of the webmail failed");
        SpoolError::Closed
    })
}
