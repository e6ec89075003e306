//! From records to rows: the state as a function of the log.

use super::cases::CaseChanges;
use super::rows::{Counters, FactRow, MessageRow, decode, encode};
use super::{Change, Index, events, keys, replays};
use crate::mail::{
    Authenticity, BackendId, Envelope, RecipientEvent, RecipientState, ReplayStep, SpoolId,
};
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
        Entry::Message { line, body_len } => accept(index, line, u64::from(*body_len), (at, after)),
        Entry::Event(line) => happen(index, line, at, after),
        Entry::Fact(line) => {
            note(index, line, at, after);
            Ok(())
        }
        Entry::Other => {
            index.change(Vec::new(), after, |_| {});
            Ok(())
        }
    }
}

fn accept(
    index: &Index,
    line: &MessageLine,
    body_len: u64,
    (at, after): (Position, Position),
) -> Result<(), SpoolError> {
    let envelope = &line.envelope;
    let count = u16::try_from(envelope.recipients.len()).unwrap_or(u16::MAX);
    // A message that was carried forward replaces what is known of it.
    let (mut changes, old) = match &line.carried {
        Some(_) => rows_to_forget(index, line.id, names_of(line.id, envelope))?,
        None => (Vec::with_capacity(4 + envelope.recipients.len() * 3), None),
    };
    if let Some(carried) = &line.carried {
        changes.extend(replays::carried(line.id, &carried.replays));
    }
    let states: Vec<RecipientState> = match &line.carried {
        Some(carried) => carried.states.clone(),
        None => first_states(line),
    };
    let unfinished = states.iter().filter(|state| !state.is_finished()).count();
    let row = MessageRow {
        position: at.to_u64(),
        size: line.file.as_ref().map_or(body_len, |file| file.size),
        recipients: count,
        unfinished: u16::try_from(unfinished).unwrap_or(u16::MAX),
        // One without recipients is finished when it comes.
        finished_at: states
            .iter()
            .map(end_of)
            .max()
            .unwrap_or_else(|| line.at.as_millis()),
    };
    changes.push((keys::message(line.id), Some(encode(&row))));
    if unfinished > 0 {
        changes.push((keys::unfinished(line.id), Some(Vec::new())));
    }
    changes.extend(
        names_of(line.id, envelope)
            .into_iter()
            .map(|key| (key, Some(Vec::new()))),
    );
    let mut cases = cases_left(line.id, old.as_deref());
    for (number, state) in (0..count).zip(&states) {
        cases.enter(state, line.id, number);
        changes.extend(rows_of(state, line.id, number, Row::Present));
        changes.push((keys::recipient(line.id, number), Some(encode(state))));
    }
    changes.extend(cases.finish(index)?);
    index.change(changes, after, |tally| {
        tally.count(line.id, |counters| {
            forget(counters, old.as_deref());
            counters.accept(&states);
            counters.newest = counters.newest.max(line.id.as_u64());
        });
    });
    Ok(())
}

fn first_states(line: &MessageLine) -> Vec<RecipientState> {
    let recipients = (0_u16..).zip(&line.envelope.recipients);
    let states = recipients.map(|(number, recipient)| {
        let first = RecipientState::accepted(recipient.lane.clone(), line.at);
        let held = line.held.iter().find(|(held, _)| *held == number);
        let event = match (held, line.envelope.dropped(number)) {
            (Some((_, reason)), _) => RecipientEvent::Held {
                reason: reason.clone(),
            },
            // The actor is the rule: nobody else did it.
            (None, Some(actor)) => RecipientEvent::Dropped {
                actor,
                reason: String::new(),
            },
            (None, None) => return first,
        };
        first.apply(&event, line.at).unwrap_or(first)
    });
    states.collect()
}

/// When a recipient came to its end, in milliseconds; 0 before.
fn end_of(state: &RecipientState) -> u64 {
    match state {
        RecipientState::Queued { .. } | RecipientState::Held { .. } => 0,
        RecipientState::Delivered { at, .. }
        | RecipientState::Bounced { at, .. }
        | RecipientState::Dropped { at, .. }
        | RecipientState::Expanded { at, .. } => at.as_millis(),
    }
}

/// Keys by which a message is found, whatever the states of its recipients.
pub(crate) fn names_of(id: SpoolId, envelope: &Envelope) -> Vec<Vec<u8>> {
    let mut names = Vec::with_capacity(2 + envelope.recipients.len());
    if let Some(message_id) = &envelope.message_id {
        names.push(keys::message_id(id, message_id));
    }
    if let Some(sender) = envelope.from.mailbox()
        && envelope.authenticity == Authenticity::Local
        && envelope.expanded.is_none()
    {
        names.push(keys::sent(&sender.key(), id));
    }
    if let Some(group) = &envelope.expanded {
        names.push(keys::expansion((group.message, group.recipient), id));
    }
    for (number, recipient) in (0..u16::MAX).zip(&envelope.recipients) {
        names.push(match &recipient.mailbox {
            Some(mailbox) => keys::mailbox(mailbox, id, number),
            None => keys::mailbox(&recipient.address.key(), id, number),
        });
    }
    names
}

/// What makes the index forget a message with these names, and the states that its recipients had;
/// `None` when it does not know the message.
fn rows_to_forget(
    index: &Index,
    id: SpoolId,
    names: Vec<Vec<u8>>,
) -> Result<(Vec<Change>, Option<Vec<RecipientState>>), SpoolError> {
    if index.get(&keys::message(id))?.is_none() {
        return Ok((Vec::new(), None));
    }
    let mut changes = vec![(keys::message(id), None), (keys::unfinished(id), None)];
    let prefix = keys::recipients_prefix(id);
    let mut states = Vec::new();
    for (key, value) in index.scan(&prefix, &prefix, usize::MAX)? {
        let state: RecipientState = decode(&value)?;
        if let Some((_, number)) = keys::parse_recipient(&key) {
            changes.extend(rows_of(&state, id, number, Row::Absent));
        }
        changes.push((key, None));
        states.push(state);
    }
    let prefix = keys::events_prefix(id);
    let events = index.scan(&prefix, &prefix, usize::MAX)?;
    changes.extend(events.into_iter().map(|(key, _)| (key, None)));
    changes.extend(replays::forget(index, id)?);
    changes.extend(names.into_iter().map(|key| (key, None)));
    Ok((changes, Some(states)))
}

/// What cases lose when a message is forgotten.
fn cases_left(id: SpoolId, old: Option<&[RecipientState]>) -> CaseChanges {
    let mut cases = CaseChanges::default();
    for (number, state) in (0..u16::MAX).zip(old.into_iter().flatten()) {
        cases.leave(state, id, number);
    }
    cases
}

fn forget(counters: &mut Counters, old: Option<&[RecipientState]>) {
    if let Some(old) = old {
        counters.retire(old);
    }
}

/// Forgets a message with these names, which the log is about to lose. The position stays: no
/// record says so.
pub(crate) fn remove(index: &Index, id: SpoolId, names: Vec<Vec<u8>>) -> Result<(), SpoolError> {
    let (mut changes, old) = rows_to_forget(index, id, names)?;
    changes.extend(cases_left(id, old.as_deref()).finish(index)?);
    index.change_in_place(changes, |tally| {
        tally.count(id, |counters| forget(counters, old.as_deref()));
    });
    Ok(())
}

fn happen(
    index: &Index,
    line: &EventLine,
    at: Position,
    after: Position,
) -> Result<(), SpoolError> {
    let mut changes: Vec<Change> = Vec::with_capacity(2 + line.recipients.len() * 4);
    let mut steps = Vec::with_capacity(line.recipients.len());
    let mut cases = CaseChanges::default();
    let mut finished: u16 = 0;
    let mut known = false;
    for &number in &line.recipients {
        let key = keys::recipient(line.id, number);
        let Some(old) = index.get(&key)? else {
            // Its message is gone, or comes later in the log because it was carried forward.
            tracing::debug!(id = %line.id, number, "an event of a recipient that is not known");
            continue;
        };
        known = true;
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
        cases.leave(&old, line.id, number);
        cases.enter(&new, line.id, number);
        changes.push((key, Some(encode(&new))));
        changes.extend(replays::changes(index, line, number)?);
        finished += u16::from(new.is_finished() && !old.is_finished());
        steps.push((old, new));
    }
    // The beginning of an attempt is told by its end; a row for it would only cost.
    if known && !is_mark(&line.event) {
        changes.extend(events::changes(index, line, at)?);
    }
    if finished > 0 {
        changes.extend(message_row(index, line, finished)?);
    }
    changes.extend(cases.finish(index)?);
    index.change(changes, after, |tally| {
        tally.count(line.id, |counters| {
            for (old, new) in &steps {
                counters.leave(old);
                counters.enter(new);
            }
        });
    });
    Ok(())
}

/// Does it only mark that an attempt begins?
const fn is_mark(event: &RecipientEvent) -> bool {
    matches!(
        event,
        RecipientEvent::Attempted { .. }
            | RecipientEvent::Replay {
                step: ReplayStep::Attempted,
                ..
            }
    )
}

/// The message's row with fewer unfinished recipients.
fn message_row(index: &Index, line: &EventLine, finished: u16) -> Result<Vec<Change>, SpoolError> {
    let key = keys::message(line.id);
    let Some(mut row) = index.row::<MessageRow>(&key)? else {
        return Ok(Vec::new());
    };
    row.unfinished = row.unfinished.saturating_sub(finished);
    row.finished_at = row.finished_at.max(line.at.as_millis());
    let mut changes = vec![(key, Some(encode(&row)))];
    if row.unfinished == 0 {
        changes.push((keys::unfinished(line.id), None));
    }
    Ok(changes)
}

fn note(index: &Index, line: &FactLine, at: Position, after: Position) {
    let value = line.value.as_ref().map(|value| {
        encode(&FactRow {
            position: at.to_u64(),
            json: value.to_string(),
        })
    });
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
        RecipientState::Delivered { diverted_from, .. } => {
            let home = diverted_from.as_ref().map(BackendId::as_str);
            home.map(|home| (keys::diverted(home, id, number), value))
                .into_iter()
                .collect()
        }
        RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => Vec::new(),
    }
}
