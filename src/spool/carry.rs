//! What retention asks of the writer. It happens between two batches, so that no event can come
//! between the look at a message and its new record.

use bytes::Bytes;

use super::SpoolError;
use super::commit::Writer;
use super::event::{Carried, Entry, FactLine, MessageLine};
use super::index::{self, FactRow, Index, MessageRow, decode, key};
use super::log::LogWriter;
use super::record::Record;
use super::segment::Position;
use super::views::history;
use crate::base::Timestamp;
use crate::mail::{RecipientState, SpoolId};

/// A message to be written again at the head of the log.
#[derive(Debug)]
pub(crate) struct Moving {
    /// Where it stood when it was read.
    pub(crate) from: Position,
    pub(crate) line: MessageLine,
    pub(crate) body: Bytes,
}

/// A message to be forgotten.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// Where it stands.
    pub(crate) from: Position,
    pub(crate) id: SpoolId,
    /// Keys of the index by which it is found.
    pub(crate) names: Vec<Vec<u8>>,
}

/// A change that retention makes.
#[derive(Debug)]
pub(crate) enum Alteration {
    /// Write these messages again, with what happened to them.
    Carry(Vec<Moving>),
    /// Write these facts again, with their bodies, which stand at these positions.
    CarryFacts(Vec<(Position, FactLine)>),
    /// Close the current segment, if it was begun by then.
    Turn(Timestamp),
    /// Segments below this one go; their ledger is written.
    Floor(u32),
    /// Forget these finished messages.
    Remove(Vec<Leaving>),
}

impl Writer {
    /// A fact and its body; `None` when it was set anew or forgotten meanwhile, and when it is
    /// damaged: it must not keep the others.
    fn fact_to_carry(
        &self,
        from: Position,
        line: FactLine,
    ) -> Result<Option<(Entry, Bytes)>, SpoolError> {
        let row = self.index.get(&key::fact(&line.room, &line.key))?;
        let row: Option<FactRow> = row.map(|row| decode(&row)).transpose()?;
        if row.is_none_or(|row| row.position != from.to_u64()) {
            return Ok(None);
        }
        match self.fact_body(from) {
            Err(error) if error.is_damage() => {
                tracing::error!(room = line.room, key = line.key, %error,
                    "a damaged fact is not carried forward");
                Ok(None)
            }
            body => Ok(Some((Entry::Fact(line), body?))),
        }
    }

    fn fact_body(&self, at: Position) -> Result<Bytes, SpoolError> {
        let (header, _) = self.reader.meta(at)?;
        match header.body_len {
            0 => Ok(Bytes::new()),
            _ => self.reader.body(at, &header),
        }
    }

    /// Makes the change; it is durable then, but for removals, which the log does not tell.
    pub(crate) fn alter(&mut self, alteration: Alteration) -> Result<(), SpoolError> {
        match alteration {
            Alteration::Carry(moving) => {
                let mut entries = Vec::with_capacity(moving.len());
                for one in moving {
                    entries.extend(self.message_to_carry(one)?);
                }
                self.carry_over(&entries)
            }
            Alteration::CarryFacts(moving) => {
                let mut entries = Vec::with_capacity(moving.len());
                for (from, line) in moving {
                    entries.extend(self.fact_to_carry(from, line)?);
                }
                self.carry_over(&entries)
            }
            Alteration::Turn(begun_by) => {
                self.log.turn(begun_by)?;
                self.follow.set_durable(self.log.end());
                Ok(())
            }
            Alteration::Floor(floor) => {
                self.index.change_in_place(Vec::new(), |tally| {
                    tally.raise_floor(floor);
                });
                Ok(())
            }
            Alteration::Remove(leaving) => {
                for one in leaving {
                    let row = self.index.row::<MessageRow>(&key::message(one.id))?;
                    let same =
                        |row: &MessageRow| row.position == one.from.to_u64() && row.unfinished == 0;
                    // I2: not while a recipient is unfinished.
                    if row.as_ref().is_some_and(same) {
                        index::remove(&self.index, one.id, one.names)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn carry_over(&mut self, entries: &[(Entry, Bytes)]) -> Result<(), SpoolError> {
        append_and_apply(&mut self.log, &self.index, entries)?;
        self.follow.set_durable(self.log.end());
        Ok(())
    }

    fn message_to_carry(&self, moving: Moving) -> Result<Option<(Entry, Bytes)>, SpoolError> {
        let Moving {
            from,
            mut line,
            body,
        } = moving;
        let row = self.index.row::<MessageRow>(&key::message(line.id))?;
        if row.is_none_or(|row| row.position != from.to_u64()) {
            return Ok(None);
        }
        let prefix = key::recipients_prefix(line.id);
        let rows = self.index.scan(&prefix, &prefix, usize::MAX)?;
        let states: Result<Vec<RecipientState>, _> =
            rows.iter().map(|(_, value)| decode(value)).collect();
        let earlier = line.carried.take().map(|carried| carried.history);
        let earlier = earlier.unwrap_or_default();
        line.carried = Some(Carried {
            states: states?,
            history: history(&self.index, &self.reader, line.id, earlier)?,
            replays: index::replays_of(&self.index, line.id)?,
        });
        let body_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        Ok(Some((Entry::Message { line, body_len }, body)))
    }
}

/// Writes entries to the log, makes them durable, and applies them to the index.
pub(crate) fn append_and_apply(
    log: &mut LogWriter,
    index: &Index,
    entries: &[(Entry, Bytes)],
) -> Result<(), SpoolError> {
    if entries.is_empty() {
        return Ok(());
    }
    let records: Result<Vec<Record>, _> = entries
        .iter()
        .map(|(entry, body)| entry.to_record(body.clone()))
        .collect();
    let positions = log.append(&records?)?;
    log.sync()?;
    let ends = positions.iter().skip(1).copied().chain([log.end()]);
    for (((entry, _), at), after) in entries.iter().zip(&positions).zip(ends) {
        if let Err(error) = index::apply(index, entry, *at, after) {
            // The next record would move the checkpoint past this one.
            index.give_up();
            return Err(error);
        }
    }
    Ok(())
}
