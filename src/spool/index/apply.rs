//! From records to rows: the state as a function of the log.

use super::rows::{Counters, MessageRow, decode, encode};
use super::{Change, Index, keys};
use crate::mail::{Authenticity, RecipientEvent, RecipientState, SpoolId};
use crate::spool::SpoolError;
use crate::spool::event::{Entry, EventLine, FactLine, MessageLine};
use crate::spool::segment::Position;

/// Applies one record, which stands `at` and ends before `after`.
///
/// # Errors
/// When the index cannot be read. An event that does not fit the state is logged and skipped: it
/// would be an error of ours, and the first end of a recipient counts (I3).
pub(crate) fn apply(
    index: &Index,
    entry: &Entry,
    at: Position,
    after: Position,
) -> Result<(), SpoolError> {
    match entry {
        Entry::Message { line, body_len } => {
            accept(index, line, u64::from(*body_len), (at, after));
            Ok(())
        }
        Entry::Event(line) => happen(index, line, at, after),
        Entry::Fact(line) => {
            note(index, line, after);
            Ok(())
        }
        Entry::Other => {
            index.change(Vec::new(), after, |_| {});
            Ok(())
        }
    }
}

fn accept(index: &Index, line: &MessageLine, body_len: u64, (at, after): (Position, Position)) {
    let envelope = &line.envelope;
    let count = u16::try_from(envelope.recipients.len()).unwrap_or(u16::MAX);
    let row = MessageRow {
        position: at.to_u64(),
        size: line.file.as_ref().map_or(body_len, |file| file.size),
        recipients: count,
        unfinished: count,
    };
    let mut changes: Vec<Change> = Vec::with_capacity(4 + envelope.recipients.len() * 3);
    changes.push((keys::message(line.id), Some(encode(&row))));
    changes.push((keys::unfinished(line.id), Some(Vec::new())));
    if let Some(message_id) = &envelope.message_id {
        changes.push((keys::message_id(message_id, line.id), Some(Vec::new())));
    }
    if let Some(sender) = envelope.from.mailbox()
        && envelope.authenticity == Authenticity::Local
    {
        changes.push((keys::sent(&sender.key(), line.id), Some(Vec::new())));
    }
    for (number, recipient) in (0..count).zip(&envelope.recipients) {
        let state = RecipientState::accepted(recipient.lane.clone(), line.at);
        changes.extend(rows_of(&state, line.id, number, Row::Present));
        changes.push((keys::recipient(line.id, number), Some(encode(&state))));
        let mailbox = recipient.mailbox.clone();
        let mailbox = mailbox.unwrap_or_else(|| recipient.address.key());
        changes.push((keys::mailbox(&mailbox, line.id, number), Some(Vec::new())));
    }
    index.change(changes, after, |counters| {
        counters.accepted += 1;
        counters.newest = counters.newest.max(line.id.as_u64());
        for recipient in &envelope.recipients {
            *counters.queued.entry(recipient.lane.clone()).or_default() += 1;
        }
    });
}

fn happen(
    index: &Index,
    line: &EventLine,
    at: Position,
    after: Position,
) -> Result<(), SpoolError> {
    let mut changes: Vec<Change> = Vec::with_capacity(2 + line.recipients.len() * 4);
    let mut steps = Vec::with_capacity(line.recipients.len());
    let mut finished: u16 = 0;
    for &number in &line.recipients {
        let key = keys::recipient(line.id, number);
        let Some(old) = index.get(&key)? else {
            tracing::warn!(id = %line.id, number, "an event of a recipient that is not known");
            continue;
        };
        let old: RecipientState = decode(&old)?;
        let new = match old.apply(&line.event, line.at) {
            Ok(new) => new,
            Err(error) => {
                tracing::warn!(id = %line.id, number, %error, "skipped");
                continue;
            }
        };
        changes.extend(rows_of(&old, line.id, number, Row::Absent));
        changes.extend(rows_of(&new, line.id, number, Row::Present));
        changes.push((key, Some(encode(&new))));
        finished += u16::from(new.is_finished() && !old.is_finished());
        steps.push((old, new));
    }
    // The beginning of an attempt is told by its end; a row for it would only cost.
    if !matches!(line.event, RecipientEvent::Attempted { .. }) {
        changes.push((keys::event(line.id, at), Some(Vec::new())));
    }
    if finished > 0 {
        changes.extend(message_row(index, line.id, finished)?);
    }
    index.change(changes, after, |counters| {
        for (old, new) in &steps {
            count(counters, old, new);
        }
    });
    Ok(())
}

/// The message's row with fewer unfinished recipients.
fn message_row(index: &Index, id: SpoolId, finished: u16) -> Result<Vec<Change>, SpoolError> {
    let key = keys::message(id);
    let Some(mut row) = index.row::<MessageRow>(&key)? else {
        return Ok(Vec::new());
    };
    row.unfinished = row.unfinished.saturating_sub(finished);
    let mut changes = vec![(key, Some(encode(&row)))];
    if row.unfinished == 0 {
        changes.push((keys::unfinished(id), None));
    }
    Ok(changes)
}

fn note(index: &Index, line: &FactLine, after: Position) {
    let value = line.value.as_ref().map(|value| value.to_string().into());
    let change = (keys::fact(&line.room, &line.key), value);
    index.change(vec![change], after, |_| {});
}

#[derive(Clone, Copy)]
enum Row {
    Present,
    Absent,
}

/// The rows by which a recipient is found in this state.
fn rows_of(state: &RecipientState, id: SpoolId, number: u16, row: Row) -> Vec<Change> {
    let value = match row {
        Row::Present => Some(Vec::new()),
        Row::Absent => None,
    };
    match state {
        RecipientState::Queued {
            lane,
            due,
            attempting,
            ..
        } => {
            let mut rows = vec![(keys::queued(lane, *due, id, number), value.clone())];
            if *attempting {
                rows.push((keys::attempting(id, number), value));
            }
            rows
        }
        RecipientState::Held { .. } => vec![(keys::held(id, number), value)],
        RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. } => Vec::new(),
    }
}

fn count(counters: &mut Counters, old: &RecipientState, new: &RecipientState) {
    if let RecipientState::Queued { lane, .. } = old
        && let Some(queued) = counters.queued.get_mut(lane)
    {
        *queued = queued.saturating_sub(1);
        if *queued == 0 {
            counters.queued.remove(lane);
        }
    }
    if matches!(old, RecipientState::Held { .. }) {
        counters.held = counters.held.saturating_sub(1);
    }
    match new {
        RecipientState::Queued { lane, .. } => {
            *counters.queued.entry(lane.clone()).or_default() += 1;
        }
        RecipientState::Held { .. } => counters.held += 1,
        RecipientState::Delivered { .. } => counters.delivered += 1,
        RecipientState::Bounced { .. } | RecipientState::Dropped { .. } => {}
    }
    counters.uncertain += u64::from(new.is_uncertain() && !old.is_uncertain());
}
