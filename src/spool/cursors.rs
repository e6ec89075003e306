//! Walks over what waits, message by message, behind a cursor: for work on sets of any size.

use super::SpoolError;
use super::handle::Spool;
use super::index::key;
use super::views::WaitingRecipient;
use crate::mail::{BackendId, SpoolId};

impl Spool {
    /// Messages with an unfinished recipient, oldest first, behind `after`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn unfinished(
        &self,
        after: Option<SpoolId>,
        limit: usize,
    ) -> Result<Vec<SpoolId>, SpoolError> {
        let start = after.map_or_else(|| b"u".to_vec(), |last| behind(key::unfinished(last)));
        let rows = self.index()?.scan(b"u", &start, limit)?;
        Ok(rows
            .iter()
            .filter_map(|(row, _)| key::parse_id(row))
            .collect())
    }

    /// Messages with a held recipient, oldest first, behind `after`; `limit` bounds the recipients
    /// that are looked at, so there is more behind the last one unless the answer is empty.
    ///
    /// # Errors
    /// When the index fails.
    pub fn held(&self, after: Option<SpoolId>, limit: usize) -> Result<Vec<SpoolId>, SpoolError> {
        let last_of = |last| behind(key::held(last, u16::MAX));
        let start = after.map_or_else(|| b"h".to_vec(), last_of);
        let rows = self.index()?.scan(b"h", &start, limit)?;
        let held = rows.iter().filter_map(|(row, _)| key::parse_recipient(row));
        let mut messages: Vec<SpoolId> = held.map(|(id, _)| id).collect();
        messages.dedup();
        Ok(messages)
    }

    /// Delivered recipients of a home that another backend got, oldest message first, behind
    /// `after`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn diverted(
        &self,
        home: &BackendId,
        after: Option<(SpoolId, u16)>,
        limit: usize,
    ) -> Result<Vec<(SpoolId, u16)>, SpoolError> {
        let prefix = key::diverted_prefix(home.as_str());
        let last = |(id, number)| behind(key::diverted(home.as_str(), id, number));
        let start = after.map_or_else(|| prefix.clone(), last);
        let rows = self.index()?.scan(&prefix, &start, limit)?;
        Ok(rows
            .iter()
            .filter_map(|(row, _)| key::parse_recipient(row))
            .collect())
    }

    /// Held recipients with their states, behind `after`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn held_recipients(
        &self,
        after: Option<(SpoolId, u16)>,
        limit: usize,
    ) -> Result<Vec<WaitingRecipient>, SpoolError> {
        let last_of = |(id, number)| behind(key::held(id, number));
        let start = after.map_or_else(|| b"h".to_vec(), last_of);
        let rows = self.index()?.scan(b"h", &start, limit)?;
        let mut held = Vec::with_capacity(rows.len());
        for (id, recipient) in rows.iter().filter_map(|(row, _)| key::parse_recipient(row)) {
            // It may have been released since.
            if let Some(state) = self.state(id, recipient)? {
                held.push(WaitingRecipient {
                    id,
                    recipient,
                    state,
                });
            }
        }
        Ok(held)
    }
}

/// The first key behind `key`.
fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
