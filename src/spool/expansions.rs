//! Which messages went to the people of a group.

use super::index::key;
use super::{Spool, SpoolError};
use crate::limits;
use crate::mail::SpoolId;

impl Spool {
    /// The recipients of a message that were expanded, each with the message that went to its
    /// people; at most 1,000.
    ///
    /// # Errors
    /// When the index fails.
    pub fn expansions(&self, id: SpoolId) -> Result<Vec<(u16, SpoolId)>, SpoolError> {
        let prefix = key::expansions_prefix(id);
        let rows = self.index()?.scan(&prefix, &prefix, limits::PAGE)?;
        let found = rows.iter().filter_map(|(row, _)| key::parse_expansion(row));
        Ok(found.collect())
    }
}
