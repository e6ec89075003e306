//! The rows by which the events of a message are found. A run of alike events keeps its first and
//! its last one: a message that is deferred for days has few rows, and a short history.

use serde::{Deserialize, Serialize};

use super::rows::{decode, encode};
use super::{Change, Index, keys};
use crate::mail::{RecipientEvent, ReplayStep};
use crate::spool::SpoolError;
use crate::spool::event::EventLine;
use crate::spool::segment::Position;

/// `e`: an event that repeats itself. Rows of other events are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EventRow {
    /// Alike events have the same.
    likeness: u32,
    /// Alike events between the first one of the run and this one, which have no row.
    left_out: u64,
}

/// How many alike events before this one have no row.
pub(crate) fn left_out(row: &[u8]) -> Result<u64, SpoolError> {
    if row.is_empty() {
        return Ok(0);
    }
    decode::<EventRow>(row).map(|row| row.left_out)
}

/// What an event that stands `at` changes among the rows of its message.
pub(super) fn changes(
    index: &Index,
    line: &EventLine,
    at: Position,
) -> Result<Vec<Change>, SpoolError> {
    let key = keys::event(line.id, at);
    let Some(likeness) = likeness(line) else {
        return Ok(vec![(key, Some(Vec::new()))]);
    };
    let prefix = keys::events_prefix(line.id);
    let mut run = Vec::with_capacity(2);
    for (key, value) in index.scan(&prefix, &prefix, usize::MAX)?.into_iter().rev() {
        // What changes more than the time of the next attempt ends a run.
        if value.is_empty() || run.len() == 2 {
            break;
        }
        let row: EventRow = decode(&value)?;
        if row.likeness == likeness {
            run.push((key, row));
        }
    }
    let mut row = EventRow {
        likeness,
        left_out: 0,
    };
    let mut changes = Vec::with_capacity(2);
    if let [(last, known), _first] = run.as_slice() {
        row.left_out = known.left_out + 1;
        changes.push((last.clone(), None));
    }
    changes.push((key, Some(encode(&row))));
    Ok(changes)
}

/// By what alike events are known; `None` for those that are all kept.
fn likeness(line: &EventLine) -> Option<u32> {
    let what = match &line.event {
        RecipientEvent::Deferred {
            backend, failure, ..
        } => {
            let reply = failure.reply.as_ref();
            let said = reply.map(|reply| (reply.code, reply.enhanced));
            format!("deferred {backend} {} {said:?}", failure.uncertain)
        }
        RecipientEvent::Paced { .. } => "paced".to_owned(),
        RecipientEvent::Interrupted { uncertain: false } => "interrupted".to_owned(),
        RecipientEvent::Replay {
            replay,
            backend,
            step: ReplayStep::Deferred { failure, .. },
            ..
        } => {
            let reply = failure.reply.as_ref();
            let said = reply.map(|reply| (reply.code, reply.enhanced));
            format!("{replay} deferred {backend} {} {said:?}", failure.uncertain)
        }
        RecipientEvent::Replay {
            replay,
            step: ReplayStep::Interrupted { uncertain: false },
            ..
        } => format!("{replay} interrupted"),
        RecipientEvent::Attempted { .. }
        | RecipientEvent::Interrupted { uncertain: true }
        | RecipientEvent::Delivered { .. }
        | RecipientEvent::Replay { .. }
        | RecipientEvent::Landing { .. }
        | RecipientEvent::Rerouted { .. }
        | RecipientEvent::Held { .. }
        | RecipientEvent::Released { .. }
        | RecipientEvent::Bounced { .. }
        | RecipientEvent::Dropped { .. }
        | RecipientEvent::Expanded { .. } => return None,
    };
    let text = format!("{what} {:?}", line.recipients);
    Some(keys::fnv1a(text.as_bytes()))
}
