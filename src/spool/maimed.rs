//! Messages whose bytes are damaged: they stay in sight, held, are never delivered, and what is
//! left of them is copied to quarantine (I6).

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::SpoolError;
use super::carry::append_and_apply;
use super::disk::DiskFile;
use super::draft::blocking;
use super::event::{Entry, EventLine};
use super::handle::Spool;
use super::index::{Index, MessageRow, decode, key};
use super::log::LogWriter;
use super::quarantine::{Quarantine, maimed_name};
use super::record::HEADER;
use super::recover::Recover;
use super::segment::{self, Ending, Found, Position, Scan};
use super::told;
use super::unreadable::{Patience, Unreadable, read_what_is_left};
use super::views::StoredMessage;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BodySource, HoldReason, NodeId, RecipientEvent, RecipientState, SpoolId};

/// A message whose body a scan found damaged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maimed {
    pub(crate) id: SpoolId,
    pub(crate) at: Position,
}

impl Recover {
    /// Holds the recipients that wait for a damaged message, durably.
    pub(crate) fn hold_maimed(
        &mut self,
        log: &mut LogWriter,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let mut entries = Vec::new();
        for maimed in std::mem::take(&mut self.maimed) {
            let recipients = waiting(&self.index, maimed)?;
            if recipients.is_empty() {
                continue;
            }
            let line = EventLine {
                id: maimed.id,
                at: now,
                node: NodeId::default(),
                recipients,
                event: RecipientEvent::Held {
                    reason: HoldReason::Damaged {
                        what: wrong_body(maimed.at),
                    },
                },
            };
            entries.push((Entry::Event(line), Bytes::new()));
        }
        append_and_apply(log, &self.index, &entries)?;
        for (entry, _) in &entries {
            told::tell(entry);
        }
        Ok(())
    }
}

/// Recipients of a message that wait and are not held for the damage yet; none when it stands
/// elsewhere too, whole.
fn waiting(index: &Index, maimed: Maimed) -> Result<Vec<u16>, SpoolError> {
    let row = index.row::<MessageRow>(&key::message(maimed.id))?;
    if row.is_none_or(|row| row.position != maimed.at.to_u64()) {
        return Ok(Vec::new());
    }
    recipients(index, maimed.id, |state| {
        !state.is_finished() && !state.is_damaged()
    })
}

/// Recipients of a message in such a state.
fn recipients(
    index: &Index,
    id: SpoolId,
    is_meant: impl Fn(&RecipientState) -> bool,
) -> Result<Vec<u16>, SpoolError> {
    let prefix = key::recipients_prefix(id);
    let mut meant = Vec::new();
    for (row, value) in index.scan(&prefix, &prefix, usize::MAX)? {
        let state: RecipientState = decode(&value)?;
        if let Some((_, number)) = key::parse_recipient(&row)
            && is_meant(&state)
        {
            meant.push(number);
        }
    }
    Ok(meant)
}

/// What is wrong with a message in the log.
pub(crate) fn wrong_body(at: Position) -> String {
    let Position { segment, offset } = at;
    format!("segment {segment} at {offset}: the checksum of the body is wrong")
}

/// A message of which a piece is in quarantine, that is damaged still, and for which somebody waits
/// who is not held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDamaged {
    /// The message.
    pub id: SpoolId,
    /// Who waits, by their numbers in the envelope.
    pub recipients: Vec<u16>,
    /// What is wrong with it, for people.
    pub what: String,
}

/// Where the bytes of a message are.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) range: Range<u64>,
}

impl Spool {
    /// The bytes of a message as they are on the disk, whatever their checksum says; `None` when
    /// there is no such message, or its file is gone.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn salvage(&self, id: SpoolId) -> Result<Option<Arc<dyn BodySource>>, SpoolError> {
        let remains = self.remains(id)?;
        Ok(remains.map(|remains| Arc::new(remains) as Arc<dyn BodySource>))
    }

    /// Reads all bytes of a message: what is wrong with them, if anything is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn damage(&self, id: SpoolId) -> Result<Option<String>, SpoolError> {
        let body = match self.body(id) {
            Ok(Some(body)) => body,
            Ok(None) => return Ok(None),
            Err(error) if error.is_damage() => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        };
        let mut at = 0;
        while at < body.len() {
            match body.read_at(at, limits::BODY_PIECE) {
                Ok(piece) => at += piece.len() as u64,
                Err(error) if body.damage().is_none() => {
                    return Err(SpoolError::disk("reading", &self.0.big.path(id), error));
                }
                Err(_) => break,
            }
        }
        Ok(body.damage())
    }

    /// The damaged messages that are known, and for which somebody waits who is not held. They are
    /// read once more: a cable may have been changed.
    ///
    /// # Errors
    /// When the index fails, or is still made.
    pub fn found_damaged(&self) -> Result<Vec<FoundDamaged>, SpoolError> {
        let index = self.index()?;
        let names = self.quarantine().pieces();
        let mut found = Vec::new();
        for id in names.iter().filter_map(|name| maimed_name(name)) {
            let is_queued = |state: &RecipientState| matches!(state, RecipientState::Queued { .. });
            let recipients = recipients(index, id, is_queued)?;
            if recipients.is_empty() {
                continue;
            }
            match self.damage(id) {
                Ok(Some(what)) => found.push(FoundDamaged {
                    id,
                    recipients,
                    what,
                }),
                Ok(None) => {}
                // It hides no other.
                Err(error) => {
                    tracing::error!(%id, %error, "waiting mail cannot be read; see `spool verify`");
                }
            }
        }
        Ok(found)
    }

    /// A message; `None`, with a line in the log, also when its envelope cannot be read any more:
    /// for lists, in which it hides no other.
    ///
    /// # Errors
    /// When the disk or the index fails.
    pub fn message_if_whole(&self, id: SpoolId) -> Result<Option<StoredMessage>, SpoolError> {
        match self.message(id) {
            Err(error) if error.is_damage() => {
                tracing::error!(%id, %error, "a message is left out: it is damaged");
                Ok(None)
            }
            other => other,
        }
    }

    fn remains(&self, id: SpoolId) -> Result<Option<Remains>, SpoolError> {
        let (row, header, line) = match self.read_message(id) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) if error.is_damage() => return self.damaged_record(id),
            Err(error) => return Err(error),
        };
        let at = Position::from_u64(row.position);
        let path = match &line.file {
            Some(_) => {
                self.0.big.check()?;
                self.0.big.path(id)
            }
            None => segment::path(&self.0.options.dir.join("log"), at.segment),
        };
        let Some(file) = self.open_if_there(&path)? else {
            return Ok(None);
        };
        let length = file.len();
        let length = length.map_err(|error| SpoolError::disk("measuring", &path, error))?;
        let begin = u64::from(at.offset) + HEADER as u64 + u64::from(header.meta_len);
        let range = match &line.file {
            Some(_) => 0..length,
            None => begin.min(length)..(begin + u64::from(header.body_len)).min(length),
        };
        Ok(Some(Remains { file, range }))
    }

    /// The damaged part of the log in which the record of this message is; `None` when the index
    /// is wrong about its place, and when the segment is gone.
    fn damaged_record(&self, id: SpoolId) -> Result<Option<Remains>, SpoolError> {
        let Some(row) = self.index()?.row::<MessageRow>(&key::message(id))? else {
            return Ok(None);
        };
        let at = Position::from_u64(row.position);
        let path = segment::path(&self.0.options.dir.join("log"), at.segment);
        let Some(file) = self.open_if_there(&path)? else {
            return Ok(None);
        };
        let ours = self.0.reader.spool();
        let scan = Scan::new(Arc::clone(&file), ours, at.segment, Ending::Sealed)?;
        let mut part = None;
        scan.run(u64::from(at.offset), |piece| {
            if let Found::Damage(range) = piece
                && range.contains(&u64::from(at.offset))
            {
                part = Some(range);
            }
            Ok(())
        })?;
        Ok(part.map(|range| Remains { file, range }))
    }

    fn open_if_there(&self, path: &Path) -> Result<Option<Arc<dyn DiskFile>>, SpoolError> {
        match self.0.disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other
                .map(Some)
                .map_err(|error| SpoolError::disk("opening", path, error)),
        }
    }

    /// Copies what is left of a damaged message to quarantine: nothing, when its file is gone. Its
    /// file stays where it is.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn set_aside(&self, id: SpoolId) -> Result<(), SpoolError> {
        let spool = self.clone();
        blocking(move || {
            let quarantine = spool.quarantine();
            match spool.remains(id)? {
                Some(remains) => quarantine.keep_maimed(id, &*remains.file, &remains.range),
                None => quarantine.keep_nothing(id),
            }
        })
        .await
    }

    pub(crate) fn quarantine(&self) -> Quarantine {
        Quarantine::of(&self.0.disk, &self.0.options.dir)
    }

    /// How many pieces are in quarantine. Blocks.
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        self.quarantine().pieces().len() as u64
    }

    /// Of these pieces in quarantine the messages that somebody waits for still.
    pub(crate) fn waiting_maimed(&self, names: &[String]) -> u64 {
        let Ok(index) = self.index() else {
            return 0;
        };
        let ids = names.iter().filter_map(|name| maimed_name(name));
        let waits = |id: &SpoolId| matches!(index.get(&key::unfinished(*id)), Ok(Some(_)));
        ids.filter(waits).count() as u64
    }

    /// Of the messages in quarantine those for which nobody waits any more. None while that is not
    /// known. Blocks.
    #[must_use]
    pub fn finished_maimed(&self) -> Vec<SpoolId> {
        let Ok(index) = self.index() else {
            return Vec::new();
        };
        let names = self.quarantine().pieces();
        let ids = names.iter().filter_map(|name| maimed_name(name));
        ids.filter(|id| matches!(index.get(&key::unfinished(*id)), Ok(None)))
            .collect()
    }
}

impl BodySource for Remains {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let rest = self.len().saturating_sub(offset);
        let length = limit.min(usize::try_from(rest).unwrap_or(usize::MAX));
        let mut bytes = vec![0; length];
        let place = (bytes.as_mut_slice(), self.range.start + offset);
        let mut unreadable = Unreadable::default();
        let read = read_what_is_left(&*self.file, place, Patience::Endless, &mut unreadable)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }
}
