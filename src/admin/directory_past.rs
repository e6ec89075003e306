//! The generations of the directory: all of them, what differs between two, and back to one.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::directory_api::{Answer, ChangeQuery, ChangeView, Us};
use super::extract::{Body, Query};
use crate::directory::{Cause, Change, Generation, RulingChange};

/// Which generations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct GenerationsQuery {
    /// Those before this one; absent: also the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<u64>,
    /// Not more than this, the latest of them; 0: all.
    #[serde(default)]
    pub(crate) limit: usize,
}

/// Two generations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DiffQuery {
    /// From; absent: the one before `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<u64>,
    /// To; absent: the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<u64>,
    /// Leave out so many changes.
    #[serde(default)]
    pub(crate) skip: usize,
    /// Not more than this; 0: all.
    #[serde(default)]
    pub(crate) limit: usize,
}

/// What differs between two generations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffView {
    /// From.
    pub from: u64,
    /// To.
    pub to: u64,
    /// How many changes there are: of records, and of what was settled.
    #[serde(default)]
    pub total: u64,
    /// Records.
    pub changes: Vec<Change>,
    /// What was settled.
    pub rulings: Vec<RulingChange>,
}

impl DiffView {
    /// A part of it: records first, then what was settled.
    fn part(mut self, skip: usize, limit: usize) -> Self {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let rulings_skip = skip.saturating_sub(self.changes.len());
        let changes = self.changes.into_iter().skip(skip);
        self.changes = changes.take(limit).collect();
        let left = limit.saturating_sub(self.changes.len());
        let rulings = self.rulings.into_iter().skip(rulings_skip);
        self.rulings = rulings.take(left).collect();
        self
    }
}

/// A generation to go back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RevertQuery {
    /// Its number.
    pub(crate) number: u64,
    /// Only while this is the present one: what was looked at is what happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<u64>,
    #[serde(flatten)]
    pub(crate) change: ChangeQuery,
}

pub(super) async fn generations(
    State(admin): Us,
    Query(query): Query<GenerationsQuery>,
) -> Answer<Vec<Generation>> {
    let found = match (query.before, query.limit) {
        (None, 0) => admin.directory.list().await?,
        (Some(before), 0) => {
            let mut all = admin.directory.list().await?;
            all.retain(|one| one.number < before);
            all
        }
        (before, limit) => admin.directory.list_before(before, limit).await?,
    };
    Ok(Json(found))
}

pub(super) async fn diff(State(admin): Us, Query(query): Query<DiffQuery>) -> Answer<DiffView> {
    let to = query
        .to
        .unwrap_or_else(|| admin.directory.current().number());
    let from = query.from.unwrap_or_else(|| to.saturating_sub(1));
    let (changes, rulings) = admin.directory.diff(from, to).await?;
    let view = DiffView {
        from,
        to,
        total: (changes.len() + rulings.len()) as u64,
        changes,
        rulings,
    };
    Ok(Json(view.part(query.skip, query.limit)))
}

pub(super) async fn revert(State(admin): Us, Body(query): Body<RevertQuery>) -> Answer<ChangeView> {
    let note = query.change.note(Cause::Revert, None);
    let mode = query.change.mode();
    let (seen, number) = (query.seen, query.number);
    let reverted = admin.directory.revert_from(seen, number, note, mode);
    Ok(Json(admin.changed(reverted.await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_from_the_records_on_to_what_was_settled() {
        let change = |id: usize| Change {
            source: "file".to_owned(),
            id: id.to_string(),
            before: None,
            after: None,
        };
        let ruling = |key: usize| RulingChange {
            ruling: key.to_string(),
            before: None,
            after: None,
        };
        let view = DiffView {
            from: 1,
            to: 2,
            total: 5,
            changes: (0..3).map(change).collect(),
            rulings: (3..5).map(ruling).collect(),
        };
        let part = |skip, limit| {
            let part = view.clone().part(skip, limit);
            let ids = part.changes.into_iter().map(|one| one.id);
            let all = ids.chain(part.rulings.into_iter().map(|one| one.ruling));
            (part.total, all.collect::<String>())
        };
        for (skip, limit, expected) in [
            (0, 0, "01234"),
            (0, 2, "01"),
            (2, 2, "23"),
            (4, 2, "4"),
            (3, 1, "3"),
            (5, 2, ""),
            (usize::MAX, 2, ""),
        ] {
            assert_eq!(
                part(skip, limit),
                (5, expected.to_owned()),
                "{skip} {limit}"
            );
        }
    }
}
