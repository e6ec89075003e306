//! Segments that the index counts on and that are not there, or end before what stood in them:
//! somebody took them away, or a volume or a restore left them out. Names, lengths and rows tell;
//! nothing of the log itself is read but the heads of its segments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::disk::Disk;
use super::handle::Spool;
use super::head::{self, Lack};
use super::index::{FactRow, Index, MessageRow, decode, key};
use super::missing_notes::Notes;
use super::missing_now::Gone;
use super::record::HEADER;
use super::segment::{self, Position};
use crate::mail::SpoolId;

/// Segments that are named.
const NAMED: usize = 20;

/// What the log has no more, of what the index counts on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// Segments that are gone, or shorter than they were.
    pub segments: u64,
    /// The numbers of the first of them.
    pub named: Vec<u32>,
    /// Messages that somebody waits for, and that stood there.
    pub waiting: u64,
    /// Their recipients that are not finished: they count as waiting, and nobody can read what they
    /// wait for.
    #[serde(default)]
    pub recipients: u64,
    /// Messages whose recipients are all finished, and that stood there.
    pub finished: u64,
}

impl Missing {
    fn of(lacks: &[(Lack, Stood)]) -> Option<Self> {
        let sum = |part: fn(&Stood) -> u64| lacks.iter().map(|(_, stood)| part(stood)).sum();
        let named = lacks.iter().take(NAMED).map(|(lack, _)| lack.segment());
        (!lacks.is_empty()).then(|| Self {
            segments: lacks.len() as u64,
            named: named.collect(),
            waiting: sum(|stood| stood.waiting),
            recipients: sum(|stood| stood.recipients),
            finished: sum(|stood| stood.finished),
        })
    }

    /// How many of those who wait do so in vain, for people: `20 cannot be read (segment 3 is
    /// missing or cut short)`.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        let (segments, are) = match self.segments {
            1 => ("segment", "is"),
            _ => ("segments", "are"),
        };
        let (count, named) = (self.recipients, self.numbers());
        (count > 0).then(|| {
            format!("{count} cannot be read ({segments} {named} {are} missing or cut short)")
        })
    }

    fn numbers(&self) -> String {
        let named: Vec<String> = self.named.iter().map(u32::to_string).collect();
        let more = if self.segments > self.named.len() as u64 {
            ", …"
        } else {
            ""
        };
        format!("{}{more}", named.join(", "))
    }
}

/// `segments 5, 6 of the log are missing or shorter than they were; in them stood 50 messages …`
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segments, are) = match self.segments {
            1 => ("segment", "is missing or shorter than it was"),
            _ => ("segments", "are missing or shorter than they were"),
        };
        write!(f, "{segments} {} of the log {are}", self.numbers())?;
        write!(f, "{}", Stood::from(self))
    }
}

/// How many messages stood in a segment, where it is not any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stood {
    waiting: u64,
    /// Recipients of those that wait.
    recipients: u64,
    finished: u64,
}

impl From<&Missing> for Stood {
    fn from(missing: &Missing) -> Self {
        Self {
            waiting: missing.waiting,
            recipients: missing.recipients,
            finished: missing.finished,
        }
    }
}

impl fmt::Display for Stood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |count: u64| match count {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        };
        match (self.waiting, self.finished) {
            (0, 0) => Ok(()),
            (0, 1) => write!(f, "; there stood 1 message, nobody waits for it"),
            (0, finished) => write!(f, "; there stood {}, nobody waits for them", many(finished)),
            (waiting, 0) => write!(f, "; there stood {}, not delivered yet", many(waiting)),
            (waiting, finished) => write!(
                f,
                "; there stood {}, not delivered yet, and {finished} for which nobody waits",
                many(waiting)
            ),
        }
    }
}

/// The folder of a log, as it was listed before any row was read: what goes afterwards, retention
/// takes.
pub(crate) struct Listed<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) dir: &'a Path,
    pub(crate) numbers: &'a [u32],
    /// The newest segment that has to be there.
    pub(crate) newest: u32,
    /// Segments of which quarantine has a note: whether they are whole again is looked at closely.
    pub(crate) noted: &'a BTreeSet<u32>,
}

/// What a look at the folder of a log found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What the index counts on, and is not there.
    pub(crate) lacks: Vec<(Lack, Stood)>,
    /// The messages that stood there, and that somebody waits for.
    pub(super) waiting: Vec<SpoolId>,
    /// Segments in which all is there that the index counts on.
    pub(super) whole: BTreeSet<u32>,
}

impl Listed<'_> {
    /// What `index` counts on, and is not there. Rows go before their segment does.
    pub(crate) fn look(&self, index: &Index) -> Result<Found, SpoolError> {
        let mut count = Count {
            listed: self,
            lengths: BTreeMap::new(),
            lacks: BTreeMap::new(),
            furthest: BTreeMap::new(),
        };
        let mut waiting = Vec::new();
        index.each_row(b"m", |name, value| {
            let row: MessageRow = decode(value)?;
            let waits = row.unfinished > 0;
            if let Some(stood) = count.gone(Position::from_u64(row.position)) {
                stood.waiting += u64::from(waits);
                stood.recipients += u64::from(row.unfinished);
                stood.finished += u64::from(!waits);
                waiting.extend(key::parse_id(name).filter(|_| waits));
            }
            Ok(())
        })?;
        index.each_row(b"f", |_, value| {
            let row: FactRow = decode(value)?;
            count.gone(Position::from_u64(row.position));
            Ok(())
        })?;
        // Rows of events are many: they are read when the folder gives a reason.
        if !self.noted.is_empty() || self.is_doubtful(index.counters().floor) {
            index.each_row(b"e", |name, _| {
                if let Some(at) = key::parse_event(name) {
                    count.gone(at);
                }
                Ok(())
            })?;
        }
        if !self.numbers.contains(&self.newest) && self.newest > 0 {
            count.lacks.entry(self.newest).or_default();
        }
        Ok(Found {
            waiting,
            ..count.told()
        })
    }

    /// Is there a gap, or did a segment become shorter?
    fn is_doubtful(&self, floor: u32) -> bool {
        let last = self.numbers.last().copied().unwrap_or_default();
        last.max(floor.max(1) - 1) < self.newest
            || head::are_doubtful(self.disk, self.dir, floor, self.numbers)
    }

    /// Its length; `None`: it is not there.
    fn length(&self, segment: u32) -> Option<u64> {
        self.numbers.binary_search(&segment).ok()?;
        let file = self.disk.open(&segment::path(self.dir, segment));
        // One that goes at this moment, or that the disk does not give, is no matter of this look.
        Some(file.and_then(|file| file.len()).unwrap_or(u64::MAX))
    }
}

struct Count<'a> {
    listed: &'a Listed<'a>,
    lengths: BTreeMap<u32, Option<u64>>,
    lacks: BTreeMap<u32, Stood>,
    /// The furthest record in each of them.
    furthest: BTreeMap<u32, u32>,
}

impl Count<'_> {
    /// Where to count what stood at a place, if it does not stand there any more.
    fn gone(&mut self, at: Position) -> Option<&mut Stood> {
        let Position { segment, offset } = at;
        // Begun after the folder was listed.
        if segment > self.listed.newest {
            return None;
        }
        let length = self.lengths.entry(segment);
        let length = length.or_insert_with(|| self.listed.length(segment));
        let is_in = |length: Option<u64>| length.is_some_and(|length| u64::from(offset) < length);
        // Of a nearly full disk the newest one has no space reserved: it grows while rows are read.
        if !is_in(*length) && segment == self.listed.newest && !self.lacks.contains_key(&segment) {
            *length = self.listed.length(segment);
        }
        if is_in(*length) {
            return None;
        }
        let furthest = self.furthest.entry(segment).or_default();
        *furthest = offset.max(*furthest);
        Some(self.lacks.entry(segment).or_default())
    }

    fn told(self) -> Found {
        let Listed {
            disk, dir, numbers, ..
        } = *self.listed;
        let lengths = &self.lengths;
        let lack = |segment: u32| match lengths.get(&segment).copied().flatten() {
            None => Lack::Segment(segment),
            Some(is) => {
                let next = numbers.iter().find(|number| **number > segment);
                let head = next.and_then(|next| head::read(disk, dir, *next));
                let head = head.filter(|head| head.previous == Some(segment));
                let was = head.and_then(|head| head.previous_bytes);
                // At least so many.
                let furthest = self.furthest.get(&segment).copied().unwrap_or_default();
                let was = was.unwrap_or(u64::from(furthest) + HEADER as u64);
                Lack::End { segment, is, was }
            }
        };
        let lacks = self.lacks.iter();
        let lacks = lacks.map(|(&segment, &stood)| (lack(segment), stood));
        let counted_on = lengths.keys().copied();
        Found {
            lacks: lacks.collect(),
            waiting: Vec::new(),
            whole: counted_on
                .filter(|segment| !self.lacks.contains_key(segment))
                .collect(),
        }
    }
}

impl Spool {
    /// Looks whether all segments are there on which the index counts. What is not is told in the
    /// log of the program, noted in quarantine, and known to [`Self::missing`]; the note of what is
    /// back is taken away.
    ///
    /// # Errors
    /// When the index fails or is still made, or the folder of the log cannot be listed.
    pub async fn look_for_missing(&self) -> Result<Option<Missing>, SpoolError> {
        let newest = self.durable_end().await?.segment;
        let (found, notes) = self
            .beside(move |spool| {
                let notes = Notes::of(spool);
                Ok((
                    spool.look_for_lacks(Some(newest), &notes.segments())?,
                    notes,
                ))
            })
            .await?;
        let Found {
            lacks,
            waiting,
            whole,
        } = found;
        let missing = Missing::of(&lacks);
        let gone = missing.clone().map(|missing| {
            let counted = self.0.clock.now();
            Gone::new(missing, waiting, counted)
        });
        self.0.looks.set_gone(gone);
        if let Some(missing) = &missing {
            tracing::error!(
                segments = missing.segments,
                waiting = missing.waiting,
                "{missing}: bring the files back, docs/operations/damage.md"
            );
        }
        self.beside(move |spool| {
            notes.end(spool, &whole);
            spool.note_lacks(&lacks);
            Ok(())
        })
        .await?;
        Ok(missing)
    }

    /// What the index counts on and is not there, up to the newest segment: the one that is given,
    /// or the newest one there is.
    pub(crate) fn lacks(&self, newest: Option<u32>) -> Result<Vec<(Lack, Stood)>, SpoolError> {
        Ok(self.look_for_lacks(newest, &BTreeSet::new())?.lacks)
    }

    fn look_for_lacks(
        &self,
        newest: Option<u32>,
        noted: &BTreeSet<u32>,
    ) -> Result<Found, SpoolError> {
        let dir = self.0.options.dir.join("log");
        let numbers = head::numbers(&self.0.disk, &dir)?;
        let listed = Listed {
            disk: &self.0.disk,
            dir: &dir,
            numbers: &numbers,
            newest: newest.or(numbers.last().copied()).unwrap_or_default(),
            noted,
        };
        listed.look(self.index()?)
    }

    fn note_lacks(&self, lacks: &[(Lack, Stood)]) {
        let quarantine = self.quarantine();
        for (lack, stood) in lacks.iter().take(NAMED) {
            let what = format!("{lack}{stood}");
            if let Err(error) = quarantine.keep_note(&lack.name(), &what) {
                // It is told all the same.
                tracing::error!(%error, "what is missing could not be noted in quarantine");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::spool::disk::SystemDisk;

    #[test]
    fn the_newest_segment_may_grow_while_rows_are_read() {
        let dir = TempDir::new().unwrap();
        let write = |bytes: usize| {
            for number in 1..=2 {
                let path = segment::path(dir.path(), number);
                std::fs::write(path, vec![0_u8; bytes]).unwrap();
            }
        };
        let disk: Disk = Arc::new(SystemDisk);
        let listed = Listed {
            disk: &disk,
            dir: dir.path(),
            numbers: &[1, 2],
            newest: 2,
            noted: &BTreeSet::new(),
        };
        let mut count = Count {
            listed: &listed,
            lengths: BTreeMap::new(),
            lacks: BTreeMap::new(),
            furthest: BTreeMap::new(),
        };
        let mut is_gone = |segment, offset| count.gone(Position { segment, offset }).is_some();
        write(100);
        assert!(!is_gone(1, 99) && !is_gone(2, 99));
        write(200);
        assert!(!is_gone(2, 150), "it was written after the first look");
        assert!(is_gone(2, 200), "so far it does not reach");
        assert!(is_gone(1, 150), "a closed one does not grow");
    }

    #[test]
    fn one_message_is_it_and_many_are_they() {
        let told = |finished| {
            let missing = Missing {
                segments: 1,
                named: vec![3],
                finished,
                ..Missing::default()
            };
            missing.to_string()
        };
        assert!(told(1).ends_with("stood 1 message, nobody waits for it"));
        assert!(told(5).ends_with("stood 5 messages, nobody waits for them"));
    }
}
