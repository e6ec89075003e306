//! A log that has lost something: segments that are gone, and an end before what the index knows.

use std::fmt::Write as _;

use super::SpoolError;
use super::head;
use super::index::{Index, key};
use super::record::{HEADER, Header};
use super::recover::Recover;
use super::segment::{self, Position};
use crate::mail::SpoolId;

impl Recover {
    /// A lost volume must not look like an empty spool, nor an old copy like the spool. The index
    /// has nothing whose segment was not safe before.
    pub(crate) fn refuse_lost_end(
        &self,
        known: Position,
        newest: Option<u32>,
    ) -> Result<(), SpoolError> {
        let dir = || self.log.dir.display().to_string();
        match newest {
            None if self.index.scan(b"m", b"m", 1)?.is_empty() => Ok(()),
            None => Err(SpoolError::NoLog(dir())),
            Some(newest) if known.segment > newest => Err(SpoolError::LostEnd {
                dir: dir(),
                known: known.segment,
                newest,
            }),
            Some(_) => Ok(()),
        }
    }

    /// May a record begin here? Else the index is that of another log: a copy that went its own
    /// way.
    pub(crate) fn is_boundary(&self, at: Position) -> bool {
        let path = segment::path(&self.log.dir, at.segment);
        let mut bytes = [0; HEADER];
        let read = self.disk.open(&path).and_then(|file| {
            let read = file.read_at(&mut bytes, u64::from(at.offset))?;
            Ok((file.len()?, read))
        });
        match read {
            Ok((length, _)) if u64::from(at.offset) >= length => true,
            Ok((_, read)) => Header::read(bytes.get(..read).unwrap_or_default())
                .is_some_and(|header| header.place.segment == at.segment),
            // The replay says what is wrong with it.
            Err(_) => true,
        }
    }

    /// Tells what an index knew that was made anew, and the log does not have: a note with the
    /// messages that waited.
    pub(crate) fn note_lost(&mut self, before: &Before, end: Position) -> Result<(), SpoolError> {
        let mut lost = Vec::new();
        for &id in &before.waiting {
            if self.index.get(&key::message(id))?.is_none() {
                lost.push(id);
            }
        }
        let known = before.position;
        if lost.is_empty() && known <= end {
            return Ok(());
        }
        let mut what = match lost.len() {
            0 => String::new(),
            1 => "a message that waited is not in the log any more".to_owned(),
            many => format!("{many} messages that waited are not in the log any more"),
        };
        if known > end {
            let so = if what.is_empty() { "" } else { ": " };
            what = format!("{what}{so}{}", lost_end(known, end));
        }
        let mut note = what.clone();
        for id in &lost {
            // Writing to a String cannot fail.
            write!(note, "\nmessage {id}").ok();
        }
        let Position { segment, offset } = known;
        let name = format!("{segment:010}-{offset}.lost");
        self.quarantine.keep_note(&name, &note)?;
        self.found.damaged += 1;
        self.damage.push(format!("{what}; see quarantine/{name}"));
        Ok(())
    }

    /// Tells of segments that are gone or shorter than they were.
    pub(crate) fn note_lacking(&mut self) -> Result<(), SpoolError> {
        let numbers = head::numbers(&self.disk, &self.log.dir)?;
        let lacking = head::lacking(&self.disk, &self.log.dir, &numbers);
        for lack in lacking {
            let what = lack.to_string();
            self.quarantine.keep_note(&lack.name(), &what)?;
            self.found.damaged += 1;
            self.damage.push(what);
        }
        Ok(())
    }
}

/// What an index knew before it is made anew.
#[derive(Debug)]
pub(crate) struct Before {
    /// Up to where it knew the log.
    pub(crate) position: Position,
    waiting: Vec<SpoolId>,
}

impl Before {
    /// `None` when it is of no use, and knows nothing.
    pub(crate) fn of(index: &Index, uuid: &str) -> Option<Self> {
        let position = index.resume(uuid).ok()??;
        let mut waiting = Vec::new();
        let read = index.each_row(b"u", |name, _| {
            waiting.extend(key::parse_id(name));
            Ok(())
        });
        // What can be read of it counts.
        read.ok();
        Some(Self { position, waiting })
    }
}

/// An index that knows more than the log has, for people.
pub(crate) fn lost_end(known: Position, end: Position) -> String {
    format!(
        "the log ends in segment {} at {}, and the index knows it up to segment {} at {}: what was \
         behind is lost",
        end.segment, end.offset, known.segment, known.offset
    )
}
