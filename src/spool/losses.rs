//! What a report must not be silent about: mail that the log had and has no more, and parts of the
//! ledger that nobody can read.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::chain::Part;
use super::handle::Spool;
use super::head;
use super::index::key;
use super::segment;
use crate::base::Timestamp;
use crate::mail::SpoolId;

/// Bytes of a note that are read.
const NOTE: usize = 1024 * 1024;

/// What is in quarantine of a time, and no row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// Messages that waited, and that the log has no more; their ids are known.
    pub messages: u64,
    /// Damaged or missing pieces of the log: nobody knows what stood in them.
    pub pieces: u64,
}

/// A file in quarantine, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A part of a segment that was damaged.
    Range(u32),
    /// A segment that was not there.
    Segment(u32),
    /// A segment that was shorter than it had been.
    End { segment: u32, was: u64 },
    /// What an index knew, and the log had not.
    Lost(u32),
}

impl Kept {
    pub(super) fn of(name: &str) -> Option<Self> {
        let (stem, ending) = name.split_once('.')?;
        let mut numbers = stem.split('-').map(str::parse::<u64>);
        let segment = numbers
            .next()?
            .ok()
            .and_then(|one| u32::try_from(one).ok())?;
        let rest: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
        match (ending, rest.as_slice()) {
            ("damaged", [_, _]) => Some(Self::Range(segment)),
            ("missing", []) => Some(Self::Segment(segment)),
            ("lost", &[_, was]) => Some(Self::End { segment, was }),
            ("lost", [_]) => Some(Self::Lost(segment)),
            _ => None,
        }
    }
}

impl Spool {
    /// What quarantine has of messages with these ids, and of the segments that can have had them.
    pub(super) fn lost(&self, ids: &Range<SpoolId>) -> Result<Lost, SpoolError> {
        let dir = self.0.options.dir.join("quarantine");
        let names = match self.0.disk.list(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(|error| SpoolError::disk("listing", &dir, error))?,
        };
        let kept: Vec<(String, Kept)> = names
            .into_iter()
            .filter_map(|name| Kept::of(&name).map(|kept| (name, kept)))
            .collect();
        if kept.is_empty() {
            return Ok(Lost::default());
        }
        let log = self.0.options.dir.join("log");
        let numbers = head::numbers(&self.0.disk, &log)?;
        let mut gone = BTreeSet::new();
        let mut lost = Lost::default();
        for (name, kept) in kept {
            let (segment, is_back) = match kept {
                Kept::Range(segment) => (segment, false),
                Kept::Segment(segment) => (segment, numbers.contains(&segment)),
                Kept::End { segment, was } => {
                    let file = self.0.disk.open(&segment::path(&log, segment));
                    let length = file.and_then(|file| file.len());
                    (segment, length.is_ok_and(|length| length >= was))
                }
                Kept::Lost(_) => {
                    gone.extend(self.noted(&dir.join(name))?);
                    continue;
                }
            };
            lost.pieces += u64::from(!is_back && self.may_have_had((segment, &numbers), ids));
        }
        for id in gone.range(ids.clone()) {
            lost.messages += u64::from(self.0.index.get(&key::message(*id))?.is_none());
        }
        Ok(lost)
    }

    /// The messages that a note names.
    fn noted(&self, path: &std::path::Path) -> Result<Vec<SpoolId>, SpoolError> {
        let failed = |error| SpoolError::disk("reading", path, error);
        let mut note = vec![0; NOTE];
        let file = self.0.disk.open(path).map_err(failed)?;
        let read = file.read_at(&mut note, 0).map_err(failed)?;
        note.truncate(read);
        let lines = note.split(|byte| *byte == b'\n');
        let ids = lines.filter_map(|line| line.strip_prefix(b"message "));
        let ids = ids.filter_map(|id| std::str::from_utf8(id).ok()?.parse().ok());
        Ok(ids.collect())
    }

    /// Can messages of this time have stood in a segment? The segments around it say when it was
    /// written.
    fn may_have_had(&self, (segment, numbers): (u32, &[u32]), ids: &Range<SpoolId>) -> bool {
        let before = numbers.iter().rev().find(|one| **one <= segment);
        let after = numbers.iter().find(|one| **one > segment);
        let begun = |one: Option<&u32>| one.and_then(|one| self.begun(*one));
        begun(before).is_none_or(|begun| begun < ids.end.timestamp())
            && begun(after).is_none_or(|end| end > ids.start.timestamp())
    }

    /// How many files of the ledger with messages that ended at `since` or later cannot be read:
    /// these segments', and what is gone before its time.
    pub(super) fn ledger_gaps(
        &self,
        since: Timestamp,
        unreadable: &BTreeSet<u32>,
    ) -> Result<u64, SpoolError> {
        let there: BTreeSet<u32> = self.0.ledger.segments()?.into_iter().collect();
        let kept_since = self.0.clock.now().before(self.0.options.ledger_retain);
        let mut gaps = unreadable.clone();
        for (_, link) in self.links()? {
            match link.of {
                Part::Retired {
                    segment,
                    ledger: Some(ledger),
                } if ledger.newest >= since.max(kept_since) && !there.contains(&segment) => {
                    gaps.insert(segment);
                }
                Part::Expired { segment } => {
                    gaps.remove(&segment);
                }
                Part::Retired { .. } | Part::Log { .. } | Part::Known(_) => {}
            }
        }
        Ok(gaps.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_quarantine_are_read() {
        for (name, kept) in [
            ("0000000003-40-900.damaged", Some(Kept::Range(3))),
            ("0000000003.missing", Some(Kept::Segment(3))),
            (
                "0000000003-5-900.lost",
                Some(Kept::End {
                    segment: 3,
                    was: 900,
                }),
            ),
            ("0000000003-5.lost", Some(Kept::Lost(3))),
            ("0SA7H3G0M0000.damaged", None),
            ("0SA7H3G0M0000.eml", None),
            ("0000000003-5.new", None),
            ("9999999999.missing", None),
            ("", None),
        ] {
            assert_eq!(Kept::of(name), kept, "{name}");
        }
    }
}
