//! `verify`: every checksum, and every row of the index against the log.

use std::collections::BTreeSet;
use std::io;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::event::{BigFile, Entry};
use super::head::{self, Lack};
use super::index::{Index, Row, key};
use super::ledger::Ledger;
use super::missing::{Listed, Stood};
use super::offline::{Damage, Offline, Piece, Poured, Progress, pour};
use super::quarantine::{Quarantine, is_piece};
use crate::limits;
use crate::mail::SpoolId;

/// The note of what was found, in quarantine: a server that starts tells of it, until it is gone.
const NOTE: &str = "verify.found";

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verification {
    /// Nothing is damaged, nothing differs, and the quarantine is empty.
    pub ok: bool,
    /// Records read.
    pub records: u64,
    /// Messages in the log.
    pub messages: u64,
    /// Damaged parts of the log, large bodies whose checksum is wrong or that are missing, and
    /// files of the ledger that cannot be read.
    pub damaged: u64,
    /// Pieces in quarantine.
    pub quarantined: u64,
    /// Rows of the index that are not as the log says (I13).
    pub index_differs: u64,
    /// There is no index, or none that is of use: the next start makes it. The log has everything.
    #[serde(default)]
    pub index_missing: bool,
    /// Large bodies that no record names.
    pub unreferenced: u64,
    /// One line for each thing that is wrong.
    pub problems: Vec<String>,
}

impl Offline {
    /// Checks every checksum of the log and of the large bodies, and the index against the log.
    /// Changes nothing but a folder of its own, which it removes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verification, SpoolError> {
        let mut found = Verification::default();
        let scratch = self.scratch(&self.options.dir)?;
        let stored = self.copy_of_index(&scratch)?;
        let resume = match &stored {
            Some(stored) => stored.resume(&self.log.uuid)?,
            None => None,
        };
        let stored = stored.filter(|_| resume.is_some());
        found.index_missing = stored.is_none();
        let floor = stored.as_ref().map_or(0, |stored| stored.counters().floor);
        let fresh = self.store(&scratch.join("fresh"))?;
        let mut large = Vec::new();
        let lacks = match &stored {
            Some(stored) => self.lacks(stored)?,
            None => Vec::new(),
        };
        let told: Vec<u32> = lacks.iter().map(|(lack, _)| lack.segment()).collect();
        let lacks = lacks.iter().map(|(lack, stood)| format!("{lack}{stood}"));
        found.problems.extend(lacks);
        let end = self.scan(floor, progress, &mut |piece| match piece {
            Piece::Damage(Damage::Lack(lack)) if told.contains(&lack.segment()) => Ok(()),
            Piece::Damage(damage) => {
                found.problems.push(damage.to_string());
                Ok(())
            }
            Piece::Entry(entry, at, after) => {
                found.records += 1;
                if let Entry::Message { line, .. } = entry {
                    large.extend(line.file.clone().map(|file| (line.id, file)));
                }
                self.follow(&fresh, entry, at, after)?;
                match &stored {
                    Some(stored) if resume.is_some_and(|from| at >= from) => {
                        self.follow(stored, entry, at, after)
                    }
                    Some(_) | None => Ok(()),
                }
            }
        })?;
        if let Some(known) = resume.filter(|known| *known > end) {
            let lost = Damage::LostEnd { known, end };
            found.problems.push(lost.to_string());
        }
        found.messages = fresh.counters().accepted;
        for (id, file) in large {
            if let Some(wrong) = self.check_large(&fresh, id, file)? {
                found.problems.push(wrong);
            }
        }
        let ledger = Ledger {
            disk: self.world.disk.clone(),
            dir: self.options.dir.join("ledger"),
            uuid: self.log.uuid.clone(),
        };
        found.problems.extend(ledger.verify()?);
        found.damaged = found.problems.len() as u64;
        found.unreferenced = self.unreferenced(&fresh, &mut found.problems)?;
        if let Some(stored) = &stored {
            found.compare(stored, &fresh)?;
        }
        found.quarantined = self.quarantined()?;
        found.ok = found.problems.is_empty() && found.quarantined == 0;
        Ok(found)
    }

    /// Pieces in quarantine.
    fn quarantined(&self) -> Result<u64, SpoolError> {
        let quarantine = self.options.dir.join("quarantine");
        let names = match self.world.disk.list(&quarantine) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            names => names.map_err(|error| SpoolError::disk("listing", &quarantine, error))?,
        };
        let pieces = names.iter().filter(|name| *name != NOTE && is_piece(name));
        Ok(pieces.count() as u64)
    }

    /// Segments on which the index counts and that are not there, whether retention has reached
    /// them or not.
    fn lacks(&self, stored: &Index) -> Result<Vec<(Lack, Stood)>, SpoolError> {
        let disk = &self.world.disk;
        let numbers = head::numbers(disk, &self.log.dir)?;
        let listed = Listed {
            disk,
            dir: &self.log.dir,
            numbers: &numbers,
            // An end that is lost is told as such.
            newest: numbers.last().copied().unwrap_or_default(),
            noted: &BTreeSet::new(),
        };
        Ok(listed.look(stored)?.lacks)
    }

    /// Leaves a note of what was found in quarantine, where a server sees it; takes the note of an
    /// earlier time away when nothing is wrong any more.
    ///
    /// # Errors
    /// When the disk takes nothing.
    pub fn note(&self, found: &Verification) -> Result<(), SpoolError> {
        let path = self.options.dir.join("quarantine").join(NOTE);
        let disk = &self.world.disk;
        let failed = |error| SpoolError::disk("writing", &path, error);
        match disk.remove(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(failed)?,
        }
        if found.problems.is_empty() {
            return Ok(());
        }
        let mut text = format!(
            "found by `tideover spool verify`, {}\n",
            self.world.clock.now()
        );
        for problem in found.problems.iter().take(limits::PAGE) {
            text.push_str(problem);
            text.push('\n');
        }
        Quarantine::of(disk, &self.options.dir).keep_note(NOTE, &text)
    }

    fn check_large(
        &self,
        fresh: &Index,
        id: SpoolId,
        file: BigFile,
    ) -> Result<Option<String>, SpoolError> {
        if fresh.get(&key::message(id))?.is_none() {
            return Ok(None);
        }
        Ok(match self.large(id, file) {
            Err(error) => Some(error.to_string()),
            Ok(body) => pour(&body, &mut io::sink()).err().map(
                |(Poured::Reading(error) | Poured::Writing(error))| {
                    format!("big/{id}.eml: {error}")
                },
            ),
        })
    }

    fn unreferenced(&self, fresh: &Index, problems: &mut Vec<String>) -> Result<u64, SpoolError> {
        let dir = self.options.dir.join("big");
        let names = self.world.disk.list(&dir);
        let names = names.map_err(|error| SpoolError::disk("listing", &dir, error))?;
        let mut count = 0;
        for name in names {
            let id = name
                .strip_suffix(".eml")
                .and_then(|id| id.parse::<SpoolId>().ok());
            if let Some(id) = id
                && fresh.get(&key::message(id))?.is_none()
            {
                count += 1;
                problems.push(format!("big/{name}: no record names it"));
            }
        }
        Ok(count)
    }
}

impl Verification {
    /// Counts what the index has otherwise than the log says (I13).
    fn compare(&mut self, stored: &Index, fresh: &Index) -> Result<(), SpoolError> {
        let counted = u64::from(!stored.counters().counts_like(&fresh.counters()));
        self.index_differs = differences(stored, fresh)? + counted;
        if self.index_differs > 0 {
            let differ = self.index_differs;
            self.problems.push(format!(
                "{differ} rows of the index are not as the log says: `tideover spool rebuild` \
                 makes it anew"
            ));
        }
        Ok(())
    }
}

/// Rows that only one of two indexes has, or that differ.
fn differences(stored: &Index, fresh: &Index) -> Result<u64, SpoolError> {
    let (mut left, mut right) = (Rows::new(stored), Rows::new(fresh));
    let mut differ = 0;
    loop {
        let (one, other) = (left.peek()?, right.peek()?);
        let order = match (&one, &other) {
            (None, None) => return Ok(differ),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.0.cmp(&other.0),
        };
        differ += u64::from(one != other);
        if order.is_le() {
            left.next = None;
        }
        if order.is_ge() {
            right.next = None;
        }
    }
}

/// All rows of an index but those about itself, page by page.
struct Rows<'a> {
    index: &'a Index,
    page: std::vec::IntoIter<Row>,
    start: Option<Vec<u8>>,
    next: Option<Row>,
}

impl<'a> Rows<'a> {
    fn new(index: &'a Index) -> Self {
        Self {
            index,
            page: Vec::new().into_iter(),
            // Behind those with `!`.
            start: Some(b"\"".to_vec()),
            next: None,
        }
    }

    fn peek(&mut self) -> Result<Option<Row>, SpoolError> {
        if self.next.is_none() {
            self.next = self.page.next();
        }
        if self.next.is_none()
            && let Some(start) = self.start.take()
        {
            let page = self.index.scan(b"", &start, limits::PAGE)?;
            self.start = page.last().map(|(last, _)| {
                let mut behind = last.clone();
                behind.push(0);
                behind
            });
            self.page = page.into_iter();
            self.next = self.page.next();
        }
        Ok(self.next.clone())
    }
}
