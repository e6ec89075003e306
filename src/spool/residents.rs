//! What stands in a segment that is about to go, damage included. Damage does not keep a segment,
//! once it is copied to quarantine, unless somebody waits for what is damaged.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::SpoolError;
use super::carry::Leaving;
use super::disk::DiskFile;
use super::event::Entry;
use super::handle::Spool;
use super::index::{MessageRow, decode, key};
use super::record::{Header, Kind};
use super::segment::{self, Ending, Found, Position, Scan};
use crate::mail::SpoolId;

/// A message record of a segment that is about to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    pub(crate) id: SpoolId,
    pub(crate) at: Position,
    pub(crate) body_len: u32,
    pub(crate) in_file: bool,
    /// Its body is damaged; what is left is in quarantine.
    pub(crate) maimed: bool,
}

/// The messages of a segment.
#[derive(Debug, Default)]
pub(crate) struct Residents {
    /// Those whose line can be read, also those that stand elsewhere meanwhile.
    pub(crate) readable: Vec<Resident>,
    /// Those that only the index knows: their line is in a damaged part.
    pub(crate) unreadable: Vec<Leaving>,
}

impl Spool {
    /// The messages of a segment; what is damaged of it is in quarantine then.
    pub(crate) fn residents(&self, segment: u32) -> Result<Residents, SpoolError> {
        let path = segment::path(&self.0.options.dir.join("log"), segment);
        let file = self.0.disk.open(&path);
        let file = file.map_err(|error| SpoolError::disk("opening", &path, error))?;
        let ours = self.0.reader.spool();
        let scan = Scan::new(Arc::clone(&file), ours, segment, Ending::Sealed)?;
        let mut found = Residents::default();
        let mut is_damaged = false;
        scan.run(0, |piece| match piece {
            Found::Damage(range) => {
                is_damaged = true;
                self.quarantine().keep_range(segment, &*file, &range)
            }
            Found::Record {
                offset,
                header,
                meta,
            } => {
                let at = Position { segment, offset };
                let Some(entry) = Entry::read_or_damage(&header, meta)? else {
                    is_damaged = true;
                    return self
                        .quarantine()
                        .keep_range(segment, &*file, &at.range(&header));
                };
                found.readable.extend(resident(at, &header, &entry)?);
                Ok(())
            }
            Found::Maimed {
                offset,
                header,
                meta,
                body,
            } => {
                let at = Position { segment, offset };
                let Some(entry) = Entry::read_or_damage(&header, meta)? else {
                    is_damaged = true;
                    return self
                        .quarantine()
                        .keep_range(segment, &*file, &at.range(&header));
                };
                if let Some(resident) = resident(at, &header, &entry)? {
                    let maimed = self.maimed_resident(resident, &*file, &body)?;
                    found.readable.push(maimed);
                    return Ok(());
                }
                // A document.
                self.quarantine().keep_range(segment, &*file, &body)
            }
        })?;
        if is_damaged {
            found.unreadable = self.unreadable(segment, &found.readable)?;
        }
        Ok(found)
    }

    fn maimed_resident(
        &self,
        resident: Resident,
        file: &dyn DiskFile,
        body: &Range<u64>,
    ) -> Result<Resident, SpoolError> {
        let row = self.0.index.row::<MessageRow>(&key::message(resident.id))?;
        if row.is_some_and(|row| row.position == resident.at.to_u64() && row.unfinished > 0) {
            return Err(stays(resident.at.segment, resident.id));
        }
        self.quarantine().keep_maimed(resident.id, file, body)?;
        Ok(Resident {
            maimed: true,
            ..resident
        })
    }

    /// What the index knows of this segment, and a look at it did not find.
    fn unreadable(&self, segment: u32, found: &[Resident]) -> Result<Vec<Leaving>, SpoolError> {
        let found: HashSet<u64> = found.iter().map(|one| one.at.to_u64()).collect();
        let mut lost = Vec::new();
        self.0.index.each_row(b"m", |name, value| {
            let row: MessageRow = decode(value)?;
            let from = Position::from_u64(row.position);
            let Some(id) = key::parse_id(name) else {
                return Ok(());
            };
            if from.segment != segment || found.contains(&row.position) {
                return Ok(());
            }
            if row.unfinished > 0 {
                return Err(stays(segment, id));
            }
            let names = Vec::new();
            lost.push(Leaving { from, id, names });
            Ok(())
        })?;
        self.find_names(&mut lost)?;
        Ok(lost)
    }

    /// The names of messages whose envelope is lost: by a look at all names.
    fn find_names(&self, lost: &mut [Leaving]) -> Result<(), SpoolError> {
        if lost.is_empty() {
            return Ok(());
        }
        let mut by_id: HashMap<_, _> = lost.iter_mut().map(|one| (one.id, one)).collect();
        for kind in key::NAMES {
            self.0.index.each_row(kind, |name, _| {
                let one = key::id_of_name(name).and_then(|id| by_id.get_mut(&id));
                if let Some(one) = one {
                    one.names.push(name.to_vec());
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn resident(at: Position, header: &Header, entry: &Entry) -> Result<Option<Resident>, SpoolError> {
    match entry {
        Entry::Message { line, body_len } => Ok(Some(Resident {
            id: line.id,
            at,
            body_len: *body_len,
            in_file: line.file.is_some(),
            maimed: false,
        })),
        Entry::Other if header.kind != Kind::Segment => Err(SpoolError::Damaged(format!(
            "segment {} has records of a later version; it stays",
            at.segment
        ))),
        Entry::Event(_) | Entry::Fact(_) | Entry::Other => Ok(None),
    }
}

fn stays(segment: u32, id: SpoolId) -> SpoolError {
    SpoolError::Damaged(format!(
        "segment {segment} stays, and so does what is newer: {id} is damaged, and somebody waits \
         for it; see `tideover queue show {id}`, then `tideover queue drop {id}`"
    ))
}
