//! A log that has lost something: segments that are gone, and an end before what the index knows.

use std::fmt::Write as _;

use super::SpoolError;
use super::head;
use super::index::{MessageRow, decode, key};
use super::recover::{Gap, Recover};
use super::segment::Position;

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

    /// Segments that are gone; each is noted in quarantine.
    pub(crate) fn missing(&self, segments: &[u32]) -> Result<Vec<String>, SpoolError> {
        let missing = head::missing(&self.disk, &self.log.dir, segments);
        let note = |segment| {
            let what = head::missing_segment(segment);
            let name = format!("{segment:010}.missing");
            self.quarantine.keep_note(&name, &what)?;
            Ok(what)
        };
        missing.into_iter().map(note).collect()
    }

    /// The newest segment is shorter than the index knows it: what was at its end is lost.
    pub(crate) fn note_lost_end(
        &self,
        known: Position,
        end: Position,
    ) -> Result<String, SpoolError> {
        let what = lost_end(known, end);
        let mut note = what.clone();
        self.index.each_row(b"m", |name, value| {
            let row: MessageRow = decode(value)?;
            if let Some(id) = key::parse_id(name)
                && row.position >= end.to_u64()
            {
                // Writing to a String cannot fail.
                write!(note, "\nmessage {id}").ok();
            }
            Ok(())
        })?;
        let name = format!("{:010}-{}-{}.lost", end.segment, end.offset, known.offset);
        self.quarantine.keep_note(&name, &note)?;
        Ok(what)
    }

    /// Counts and tells what the gap has lost.
    pub(crate) fn note_lost(&mut self, gap: &Gap) {
        self.found.damaged += gap.lost.len() as u64;
        self.damage.extend_from_slice(&gap.lost);
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
