//! What replays ask: which messages came when, how far each is replayed, and that the mail they
//! need stays.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::handle::Spool;
use super::index::{key, replays_of};
use super::passed::{Passing, Walk};
use super::views::StoredMessage;
use crate::mail::{BackendId, ReplayMark, ReplayedRecipient, SpoolId};

/// The room of the facts that keep mail back from retention.
const ROOM: &str = "keep";

/// Mail that must stay, whatever `spool.retain` says: all of these ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    from: SpoolId,
    until: SpoolId,
}

/// The ranges of ids that retention leaves alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptBack(Vec<Kept>);

impl KeptBack {
    pub(crate) fn contains(&self, id: SpoolId) -> bool {
        self.0.iter().any(|kept| kept.from <= id && id < kept.until)
    }
}

impl Spool {
    /// Messages that were accepted in this time and are here, oldest first, up to `limit`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn accepted(&self, ids: Range<SpoolId>, limit: usize) -> Result<Vec<SpoolId>, SpoolError> {
        let end = key::message(ids.end);
        let rows = self.index()?.scan(b"m", &key::message(ids.start), limit)?;
        let before = rows.iter().take_while(|(row, _)| *row < end);
        Ok(before.filter_map(|(row, _)| key::parse_id(row)).collect())
    }

    /// Shows the messages of this time of which only the ledger knows: their bodies are gone.
    /// Blocks.
    ///
    /// # Errors
    /// When the disk or the index fails.
    pub fn gone(
        &self,
        ids: Range<SpoolId>,
        show: &mut dyn FnMut(&StoredMessage),
    ) -> Result<(), SpoolError> {
        let mut walk = Walk::new(usize::MAX);
        let mut shown = |passing: &Passing<'_>| show(passing.message);
        self.passed_and_gone(&ids, &mut walk, &mut shown)
    }

    /// How far all replays of a message are, by recipient and backend.
    ///
    /// # Errors
    /// When the index fails.
    pub fn replays(&self, id: SpoolId) -> Result<Vec<ReplayedRecipient>, SpoolError> {
        replays_of(self.index()?, id)
    }

    /// How far the replay of a recipient to a backend is.
    ///
    /// # Errors
    /// When the index fails.
    pub fn replayed(
        &self,
        id: SpoolId,
        recipient: u16,
        backend: &BackendId,
    ) -> Result<Option<ReplayMark>, SpoolError> {
        let key = key::replayed(id, recipient, backend.as_str());
        self.index()?.row(&key)
    }

    /// From now on these messages stay until [`Self::let_go`], durably.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn keep_back(&self, name: &str, ids: Range<SpoolId>) -> Result<(), SpoolError> {
        let kept = Kept {
            from: ids.start,
            until: ids.end,
        };
        let value = serde_json::to_value(kept);
        let value = value.map_err(|error| SpoolError::Index(error.to_string()))?;
        self.put_fact(ROOM, name, Some(value)).await
    }

    /// Retention may have them.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn let_go(&self, name: &str) -> Result<(), SpoolError> {
        match self.fact(ROOM, name)? {
            Some(_) => self.put_fact(ROOM, name, None).await,
            None => Ok(()),
        }
    }

    /// What must stay, whatever `spool.retain` says.
    pub(crate) fn kept_back(&self) -> Result<KeptBack, SpoolError> {
        let facts = self.facts(ROOM, "")?.into_iter();
        let kept = facts.map(|(name, value)| {
            serde_json::from_value(value)
                .map_err(|error| SpoolError::Index(format!("the fact {ROOM}/{name}: {error}")))
        });
        kept.collect::<Result<_, _>>().map(KeptBack)
    }
}

#[cfg(test)]
#[path = "replays_tests.rs"]
mod tests;
