//! Rows that tell how far replays are: one for each message, recipient and backend.

use super::rows::{decode, encode};
use super::{Change, Index, keys};
use crate::mail::{BackendId, RecipientEvent, ReplayMark, ReplayPhase, ReplayedRecipient, SpoolId};
use crate::spool::SpoolError;
use crate::spool::event::EventLine;

/// What an event changes for one of its recipients; nothing when no replay did it.
pub(super) fn changes(
    index: &Index,
    line: &EventLine,
    number: u16,
) -> Result<Vec<Change>, SpoolError> {
    let RecipientEvent::Replay {
        replay,
        backend,
        step,
        ..
    } = &line.event
    else {
        return Ok(Vec::new());
    };
    let old = index.row::<ReplayMark>(&keys::replayed(line.id, number, backend.as_str()))?;
    let mark = ReplayMark::after(old.as_ref(), replay, step, line.at);
    Ok(rows(line.id, (number, backend), &mark))
}

/// The rows of a message that was carried forward.
pub(super) fn carried(id: SpoolId, replays: &[ReplayedRecipient]) -> Vec<Change> {
    replays
        .iter()
        .flat_map(|one| rows(id, (one.recipient, &one.backend), &one.mark))
        .collect()
}

fn rows(id: SpoolId, (number, backend): (u16, &BackendId), mark: &ReplayMark) -> Vec<Change> {
    let backend = backend.as_str();
    let under_way = (mark.phase == ReplayPhase::Attempting).then(Vec::new);
    vec![
        (keys::replayed(id, number, backend), Some(encode(mark))),
        (keys::replaying(id, number, backend), under_way),
    ]
}

/// What makes the index forget the replays of a message.
pub(super) fn forget(index: &Index, id: SpoolId) -> Result<Vec<Change>, SpoolError> {
    let prefix = keys::replayed_prefix(id);
    let mut changes = Vec::new();
    for (key, _) in index.scan(&prefix, &prefix, usize::MAX)? {
        if let Some((_, number, backend)) = keys::parse_replayed(&key) {
            changes.push((keys::replaying(id, number, backend.as_str()), None));
        }
        changes.push((key, None));
    }
    Ok(changes)
}

/// All replays of a message.
pub(crate) fn replays_of(index: &Index, id: SpoolId) -> Result<Vec<ReplayedRecipient>, SpoolError> {
    let prefix = keys::replayed_prefix(id);
    let mut replays = Vec::new();
    for (key, value) in index.scan(&prefix, &prefix, usize::MAX)? {
        if let Some((_, recipient, backend)) = keys::parse_replayed(&key) {
            replays.push(ReplayedRecipient {
                recipient,
                backend,
                mark: decode(&value)?,
            });
        }
    }
    Ok(replays)
}
