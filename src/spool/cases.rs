//! Cases: refusals that are alike, and who got them.

use super::SpoolError;
use super::handle::Spool;
use super::index::{CaseRow, decode, key};
use crate::base::Timestamp;
use crate::mail::{CaseId, CaseKey, CaseKind, SpoolId};

/// Refusals that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub id: CaseId,
    /// Who refused, and how.
    pub key: CaseKey,
    /// Recipients that got that reply and are held, or were refused for good.
    pub recipients: u64,
    /// When the oldest of them got it.
    pub since: Timestamp,
}

/// A recipient of a case. Pass the last one back to go on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaseMember {
    /// Since when.
    pub since: Timestamp,
    /// The message.
    pub id: SpoolId,
    /// The recipient's number in its envelope.
    pub recipient: u16,
}

impl Spool {
    /// Cases, in the order of their names; at most `limit`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn cases(&self, kind: CaseKind, limit: usize) -> Result<Vec<Case>, SpoolError> {
        let prefix = key::cases_prefix(kind);
        let rows = self.index()?.scan(&prefix, &prefix, limit)?;
        let rows = rows.iter().map(|(_, value)| decode(value));
        rows.map(|row| self.case_of(kind, row?)).collect()
    }

    /// One case, if it has a recipient.
    ///
    /// # Errors
    /// When the index fails.
    pub fn case(&self, kind: CaseKind, id: CaseId) -> Result<Option<Case>, SpoolError> {
        let row = self.index()?.row::<CaseRow>(&key::case(kind, id))?;
        row.map(|row| self.case_of(kind, row)).transpose()
    }

    fn case_of(&self, kind: CaseKind, row: CaseRow) -> Result<Case, SpoolError> {
        let id = row.key.id();
        let first = self.case_members(kind, id, None, 1)?;
        Ok(Case {
            id,
            key: row.key,
            recipients: row.recipients,
            // Its last recipient may have gone between the two looks.
            since: first.first().map_or(Timestamp::EPOCH, |one| one.since),
        })
    }

    /// Recipients of a case, oldest first, behind `after`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn case_members(
        &self,
        kind: CaseKind,
        case: CaseId,
        after: Option<CaseMember>,
        limit: usize,
    ) -> Result<Vec<CaseMember>, SpoolError> {
        let prefix = key::case_members_prefix(kind, case);
        let start = after.map_or_else(
            || prefix.clone(),
            |last| {
                let member = (last.id, last.recipient);
                let mut behind = key::case_member(kind, case, last.since, member);
                behind.push(0);
                behind
            },
        );
        let rows = self.index()?.scan(&prefix, &start, limit)?;
        let members = rows.iter().filter_map(|(row, _)| key::parse_queued(row));
        Ok(members
            .map(|(since, id, recipient)| CaseMember {
                since,
                id,
                recipient,
            })
            .collect())
    }
}
