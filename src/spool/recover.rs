//! Recovery: finds out what a crash left behind, and brings the index up to the end of the log.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::SpoolError;
use super::disk::{Disk, DiskFile};
use super::draft::BigHome;
use super::event::Entry;
use super::head;
use super::index::{self, Index, key};
use super::ledger::Ledger;
use super::log::LogOptions;
use super::lost::Before;
use super::maimed::{Maimed, wrong_body};
use super::quarantine::Quarantine;
use super::record::Header;
use super::segment::{self, Ending, Found, Position, Scan, Tail};
use crate::mail::SpoolId;

/// What recovery found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records replayed from the log.
    pub replayed: u64,
    /// Was the index made anew from the whole log? Not where there was no log yet.
    pub rebuilt: bool,
    /// Damaged ranges, now in quarantine.
    pub damaged: u64,
    /// Recipients whose attempt was under way: a copy may have arrived.
    pub interrupted: u64,
    /// Large bodies that no record names, now in quarantine.
    pub orphans: u64,
}

/// What the index does not know yet.
#[derive(Debug)]
pub(crate) struct Gap {
    /// Where it begins; `None`: the index is of no use, and is made anew.
    pub(crate) from: Option<Position>,
    /// Where the log ends.
    pub(crate) end: Position,
    /// Bytes of the log in it.
    pub(crate) bytes: u64,
    /// The newest message, or a younger one, as far as the newest part of the log tells.
    pub(crate) newest: SpoolId,
}

/// Told the bytes of each record; may end it.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(u64) -> Result<(), SpoolError>;

/// Brings the index up to the end of the log.
#[derive(Debug)]
pub(crate) struct Recover {
    pub(crate) disk: Disk,
    pub(crate) log: LogOptions,
    pub(crate) quarantine: Quarantine,
    pub(crate) index: Arc<Index>,
    pub(crate) found: Recovery,
    /// Damaged parts, for people.
    pub(crate) damage: Vec<String>,
    /// Messages with a damaged body, to be held.
    pub(crate) maimed: Vec<Maimed>,
}

impl Recover {
    pub(crate) fn new(log: LogOptions, quarantine: Quarantine, index: Arc<Index>) -> Self {
        Self {
            disk: quarantine.disk.clone(),
            log,
            quarantine,
            index,
            found: Recovery::default(),
            damage: Vec::new(),
            maimed: Vec::new(),
        }
    }

    /// Cuts off what a crash left at the end of the log, and sees how far the index is behind it.
    pub(crate) fn gap(&self) -> Result<Gap, SpoolError> {
        let mut from = self.index.resume(&self.log.uuid).unwrap_or_else(|error| {
            tracing::warn!(%error, "the index cannot be read");
            None
        });
        let segments = self.segments()?;
        // What the index learns here may not be taken back by the power.
        let synced = self.disk.sync_dir(&self.log.dir);
        synced.map_err(|error| SpoolError::disk("syncing", &self.log.dir, error))?;
        if let Some(from) = from {
            self.refuse_lost_end(from, segments.last().copied())?;
        }
        let mut seen = Seen::default();
        let mut end = Position::default();
        for &number in segments.iter().rev() {
            let start = match from {
                Some(from) if from.segment == number => u64::from(from.offset),
                _ => 0,
            };
            if end == Position::default() {
                end = self.settle_end(number, start, &mut seen)?;
            } else {
                self.look(number, (start, Ending::Sealed), &mut seen)?;
            }
            let known = from.is_some_and(|from| from.segment >= number);
            // Ids ascend with the log: older segments have older ones.
            if known || seen.fresh {
                break;
            }
        }
        if from.take_if(|from| *from > end).is_some() {
            tracing::warn!("the index knows more than the log; it is made anew");
        }
        if from.take_if(|from| !self.is_boundary(*from)).is_some() {
            tracing::warn!("the index ends where no record does; it is made anew");
        }
        Ok(Gap {
            from,
            end,
            bytes: self.bytes_from(from.unwrap_or_default())?,
            newest: seen.newest,
        })
    }

    /// The newest segment: the next batch goes to a new one, and what is behind its last good
    /// record was never acknowledged.
    fn settle_end(&self, number: u32, start: u64, seen: &mut Seen) -> Result<Position, SpoolError> {
        let path = segment::path(&self.log.dir, number);
        let file = self.disk.open_to_write(&path);
        let file = file.map_err(|error| SpoolError::disk("opening", &path, error))?;
        let ending =
            Ending::of_newest(&*file).map_err(|error| SpoolError::disk("reading", &path, error))?;
        let Tail {
            mut end, doubtful, ..
        } = self.look(number, (start, ending), seen)?;
        // What no power cut can have left is not cut off.
        if ending == Ending::Open && !doubtful {
            file.set_len(end)
                .and_then(|()| file.sync())
                .map_err(|error| SpoolError::disk("cutting", &path, error))?;
        } else {
            let length = file.len();
            end = length.map_err(|error| SpoolError::disk("measuring", &path, error))?;
        }
        Ok(Position {
            segment: number,
            offset: u32::try_from(end).unwrap_or(u32::MAX),
        })
    }

    /// Looks for ids in a segment, and where its good part ends.
    fn look(
        &self,
        number: u32,
        (start, ending): (u64, Ending),
        seen: &mut Seen,
    ) -> Result<Tail, SpoolError> {
        let scan = Scan::new(self.open(number)?, self.log.spool, number, ending)?;
        scan.run(start, |piece| {
            if let Found::Record { header, meta, .. } | Found::Maimed { header, meta, .. } = piece {
                // What cannot be read is told by the replay.
                if let Ok(entry) = Entry::read(header.kind, meta, header.body_len) {
                    seen.note(&entry);
                }
            }
            Ok(())
        })
    }

    /// Bytes of the log behind a place.
    fn bytes_from(&self, from: Position) -> Result<u64, SpoolError> {
        let mut bytes = 0;
        for number in self.segments()? {
            let known = match number.cmp(&from.segment) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => u64::from(from.offset),
                std::cmp::Ordering::Greater => 0,
            };
            let path = segment::path(&self.log.dir, number);
            let length = self.open(number)?.len();
            let length = length.map_err(|error| SpoolError::disk("measuring", &path, error))?;
            bytes += length.saturating_sub(known);
        }
        Ok(bytes)
    }

    fn open(&self, number: u32) -> Result<Arc<dyn DiskFile>, SpoolError> {
        let path = segment::path(&self.log.dir, number);
        let file = self.disk.open(&path);
        file.map_err(|error| SpoolError::disk("opening", &path, error))
    }

    fn segments(&self) -> Result<Vec<u32>, SpoolError> {
        head::numbers(&self.disk, &self.log.dir)
    }

    /// Closes the gap; from the beginning of the log when the index is of no use, or turns out not
    /// to fit.
    pub(crate) fn catch_up(&mut self, gap: &mut Gap, watch: Watch<'_>) -> Result<(), SpoolError> {
        if let Some(from) = gap.from {
            match self.replay((from, gap.end), watch) {
                Err(error @ (SpoolError::Index(_) | SpoolError::Damaged(_))) => {
                    tracing::warn!(%error, "the index does not fit the log; it is made anew");
                    gap.from = None;
                }
                other => return other,
            }
        }
        let before = Before::of(&self.index, &self.log.uuid);
        self.make_anew(before.as_ref(), gap.end, watch)
    }

    /// Makes the index from the whole log, and tells what it knew `before` and the log does not
    /// have.
    pub(crate) fn make_anew(
        &mut self,
        before: Option<&Before>,
        end: Position,
        watch: Watch<'_>,
    ) -> Result<(), SpoolError> {
        self.index.clear()?;
        self.found = Recovery {
            rebuilt: end != Position::default(),
            ..Recovery::default()
        };
        self.damage.clear();
        self.maimed.clear();
        self.note_lacking()?;
        self.replay((Position::default(), end), watch)?;
        before.map_or(Ok(()), |before| self.note_lost(before, end))
    }

    /// Applies what stands in the log between two places, which both are ends of records.
    pub(crate) fn replay(
        &mut self,
        (from, end): (Position, Position),
        watch: Watch<'_>,
    ) -> Result<(), SpoolError> {
        let wanted = from.segment..=end.segment;
        for number in self.segments()? {
            if wanted.contains(&number) {
                let start = if number == from.segment {
                    from.offset
                } else {
                    0
                };
                let until = (number == end.segment).then_some(u64::from(end.offset));
                self.replay_segment(number, (u64::from(start), until), watch)?;
            }
        }
        Ok(())
    }

    fn replay_segment(
        &mut self,
        number: u32,
        (start, until): (u64, Option<u64>),
        watch: Watch<'_>,
    ) -> Result<(), SpoolError> {
        let file = self.open(number)?;
        let scan = Scan::new(Arc::clone(&file), self.log.spool, number, Ending::Sealed)?;
        let scan = scan.until(until.unwrap_or(u64::MAX));
        scan.run(start, |piece| match piece {
            Found::Damage(range) => self.set_aside(&*file, (number, range)),
            Found::Maimed {
                offset,
                header,
                meta,
                body,
            } => {
                let at = Position {
                    segment: number,
                    offset,
                };
                let Some(entry) = Entry::read_or_damage(&header, meta)? else {
                    return self.set_aside(&*file, (number, at.range(&header)));
                };
                if let Entry::Message { line, .. } = &entry {
                    self.found.damaged += 1;
                    self.damage.push(damaged_message(line.id, at));
                    self.maimed.push(Maimed { id: line.id, at });
                    self.quarantine.keep_maimed(line.id, &*file, &body)?;
                }
                self.apply((&entry, at), &header, watch)
            }
            Found::Record {
                offset,
                header,
                meta,
            } => {
                let at = Position {
                    segment: number,
                    offset,
                };
                let Some(entry) = Entry::read_or_damage(&header, meta)? else {
                    return self.set_aside(&*file, (number, at.range(&header)));
                };
                self.apply((&entry, at), &header, watch)
            }
        })?;
        Ok(())
    }

    /// Notes a damaged part of a segment, and copies it to quarantine.
    fn set_aside(
        &mut self,
        file: &dyn DiskFile,
        (segment, range): (u32, Range<u64>),
    ) -> Result<(), SpoolError> {
        self.found.damaged += 1;
        self.damage.push(damaged_range(segment, &range));
        self.quarantine.keep_range(segment, file, &range)
    }

    fn apply(
        &mut self,
        (entry, at): (&Entry, Position),
        header: &Header,
        watch: Watch<'_>,
    ) -> Result<(), SpoolError> {
        let length = u32::try_from(header.record_len()).unwrap_or(0);
        let after = Position {
            segment: at.segment,
            offset: at.offset.saturating_add(length),
        };
        self.found.replayed += 1;
        index::apply(&self.index, entry, at, after)?;
        if self.index.is_crowded() {
            self.index.flush(&self.log.uuid)?;
        }
        watch(u64::from(length))
    }

    /// Names of the large bodies; those that were on their way in when the program ended go.
    pub(crate) fn large_bodies(&self, big: &BigHome) -> Result<Vec<String>, SpoolError> {
        let names = self.disk.list(&big.dir);
        let mut names = names.map_err(|error| SpoolError::disk("listing", &big.dir, error))?;
        let unfinished = |name: &String| {
            let id = name.strip_suffix(".tmp").map(str::parse::<SpoolId>);
            id.is_some_and(|id| id.is_ok())
        };
        for name in names.extract_if(.., |name| unfinished(name)) {
            // Nobody was told that it is safe.
            self.remove(&big.dir.join(name))?;
        }
        Ok(names)
    }

    fn remove(&self, path: &Path) -> Result<(), SpoolError> {
        let removed = self.disk.remove(path);
        removed.map_err(|error| SpoolError::disk("removing", path, error))
    }

    /// Of these large bodies those that no record names: they go when their message is in the
    /// ledger, and to quarantine otherwise.
    pub(crate) fn sweep(
        &mut self,
        names: &[String],
        (big, ledger): (&BigHome, &Ledger),
    ) -> Result<(), SpoolError> {
        let floor = self.index.counters().floor;
        if self.segments()?.first().is_some_and(|&first| first < floor) {
            // Retention was interrupted before the segment went: it will go on.
            return Ok(());
        }
        for name in names {
            let id = name.strip_suffix(".eml");
            if let Some(id) = id.and_then(|id| id.parse::<SpoolId>().ok())
                && self.index.get(&key::message(id))?.is_none()
            {
                let ended = ledger.find(&[&id.to_string()], 1);
                if ended.is_ok_and(|(ended, _)| !ended.is_empty()) {
                    self.remove(&big.dir.join(name))?;
                    continue;
                }
                self.quarantine.keep_file(&big.dir, name)?;
                self.found.orphans += 1;
            }
        }
        Ok(())
    }
}

/// A part of a segment that is no good record, for people.
pub(crate) fn damaged_range(segment: u32, range: &Range<u64>) -> String {
    let Range { start, end } = range;
    format!("segment {segment}: bytes {start} to {end} are damaged")
}

/// A message with a damaged body, for people.
pub(crate) fn damaged_message(id: SpoolId, at: Position) -> String {
    format!("the message {id} is damaged: {}", wrong_body(at))
}

/// Which ids the newest part of the log has.
#[derive(Debug, Default)]
struct Seen {
    /// A message that was not carried forward.
    fresh: bool,
    newest: SpoolId,
}

impl Seen {
    fn note(&mut self, entry: &Entry) {
        let (id, at) = match entry {
            Entry::Message { line, .. } => {
                self.fresh |= line.carried.is_none();
                (line.id, line.at)
            }
            Entry::Event(line) => (line.id, line.at),
            Entry::Fact(line) => (SpoolId::default(), line.at),
            Entry::Other => return,
        };
        // What was written then got its id before.
        self.newest = self.newest.max(id).max(SpoolId::first_at(at));
    }
}
