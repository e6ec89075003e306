//! What is stored, and how far the index is.

use super::{Admin, IndexView, SpoolNumbers};
use crate::spool::{IndexProgress, SpoolStats};

impl From<&IndexProgress> for IndexView {
    fn from(progress: &IndexProgress) -> Self {
        Self {
            percent: progress.percent(),
            seconds_left: progress.left().map(|left| left.as_secs()),
            text: progress.to_string(),
        }
    }
}

impl Admin {
    /// What is stored.
    pub(super) fn storage(&self, stats: SpoolStats) -> SpoolNumbers {
        SpoolNumbers {
            index: self.spool.rebuilding().as_ref().map(IndexView::from),
            uuid: stats.uuid,
            bytes: stats.bytes,
            free_bytes: stats.free_bytes,
            accepted: stats.accepted,
            delivered: stats.delivered,
        }
    }

    /// The index, if it does not know the whole log, for `/health`.
    pub(super) fn index_problem(&self) -> Option<String> {
        let progress = self.spool.rebuilding()?;
        Some(format!(
            "the index is made from the log, delivery and the webmail wait for it: {progress}"
        ))
    }

    /// The share of the log that the index knows.
    pub(super) fn index_share(&self) -> f64 {
        let progress = self.spool.rebuilding();
        progress.map_or(1.0, |progress| f64::from(progress.percent()) / 100.0)
    }
}
