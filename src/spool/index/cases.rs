//! The rows of cases: refusals that are alike, counted as their recipients come and go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::encode;
use super::{Change, Index, keys};
use crate::base::Timestamp;
use crate::mail::{CaseKey, CaseKind, RecipientState, SpoolId};
use crate::spool::SpoolError;

/// `c`: a case. A function of the states of its recipients, whatever their order (I13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CaseRow {
    /// What is alike.
    pub(crate) key: CaseKey,
    /// How many recipients it has.
    pub(crate) recipients: u64,
}

/// How cases change by one record.
#[derive(Debug, Default)]
pub(super) struct CaseChanges {
    members: Vec<Change>,
    sums: BTreeMap<(CaseKind, u64), (CaseKey, i64)>,
}

impl CaseChanges {
    /// A recipient is in this state now.
    pub(super) fn enter(&mut self, state: &RecipientState, id: SpoolId, number: u16) {
        self.count(state, (id, number), 1);
    }

    /// A recipient is in this state no more.
    pub(super) fn leave(&mut self, state: &RecipientState, id: SpoolId, number: u16) {
        self.count(state, (id, number), -1);
    }

    fn count(&mut self, state: &RecipientState, (id, number): (SpoolId, u16), by: i64) {
        let Some((kind, case)) = CaseKey::of_state(state) else {
            return;
        };
        let name = case.id();
        let key = keys::case_member(kind, name, since(state), (id, number));
        self.members.push((key, (by > 0).then(Vec::new)));
        let sum = self.sums.entry((kind, name.as_u64()));
        sum.or_insert_with(|| (case, 0)).1 += by;
    }

    /// The rows that change.
    pub(super) fn finish(self, index: &Index) -> Result<Vec<Change>, SpoolError> {
        let mut changes = self.members;
        for ((kind, _), (case, by)) in self.sums {
            if by == 0 {
                continue;
            }
            let key = keys::case(kind, case.id());
            let old = index.row::<CaseRow>(&key)?;
            let recipients = old
                .map_or(0, |row| row.recipients)
                .saturating_add_signed(by);
            let row = CaseRow {
                key: case,
                recipients,
            };
            changes.push((key, (recipients > 0).then(|| encode(&row))));
        }
        Ok(changes)
    }
}

/// Since when a recipient belongs to its case.
const fn since(state: &RecipientState) -> Timestamp {
    match state {
        RecipientState::Held { since: at, .. }
        | RecipientState::Queued { due: at, .. }
        | RecipientState::Delivered { at, .. }
        | RecipientState::Bounced { at, .. }
        | RecipientState::Dropped { at, .. }
        | RecipientState::Expanded { at, .. } => *at,
    }
}
