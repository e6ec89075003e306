//! Tools for a spool that is not in use: verify, rebuild, cat, export. They trust the log alone,
//! and read all of it, as far as the disk gives it.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use super::SpoolError;
use super::big::BigBody;
use super::disk::Lock;
use super::event::{BigFile, Entry, MessageLine};
use super::handle::Options;
use super::head::{self, Lack};
use super::identity::{check_marks, identity, lock};
use super::index::{self, Index};
use super::log::{LogOptions, LogReader};
use super::lost::lost_end;
use super::maimed::Remains;
use super::open::World;
use super::record::{HEADER, Header};
use super::recover::{damaged_message, damaged_range};
use super::segment::{self, Ending, Found, Position, Scan};
use crate::limits;
use crate::mail::{Body, BodySource, SpoolId};

/// Told bytes done, and bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// A spool that nobody else has open.
pub struct Offline {
    pub(super) options: Options,
    pub(super) world: World,
    pub(super) log: LogOptions,
    reader: LogReader,
    _lock: Lock,
}

/// What a look at the log finds.
pub(super) enum Piece<'a> {
    Entry(&'a Entry, Position, Position),
    Damage(Damage),
}

/// Something that is not as it was written.
#[derive(Debug, Clone)]
pub(super) enum Damage {
    /// Bytes of a segment that are no record, or cannot be read.
    Range(u32, Range<u64>),
    /// A message with a damaged body.
    Message(SpoolId, Position),
    /// A segment that is gone, or shorter than it was.
    Lack(Lack),
    /// The index knows more than what the log has at its end.
    LostEnd { known: Position, end: Position },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Range(segment, range) => damaged_range(*segment, range),
            Self::Message(id, at) => damaged_message(*id, *at),
            Self::Lack(lack) => lack.to_string(),
            Self::LostEnd { known, end } => lost_end(*known, *end),
        };
        f.write_str(&what)
    }
}

/// Why bytes did not get from one place to the other.
pub(super) enum Poured {
    /// They cannot be read.
    Reading(io::Error),
    /// They cannot be written.
    Writing(io::Error),
}

impl Offline {
    /// Locks a spool.
    ///
    /// # Errors
    /// [`SpoolError::InUse`]; when there is no spool, or the disk fails.
    pub fn open(options: Options, world: World) -> Result<Self, SpoolError> {
        let identity = identity(&world.disk, &options)?;
        let identity = identity.ok_or_else(|| {
            SpoolError::Damaged(format!("{} holds no spool", options.dir.display()))
        })?;
        let lock = lock(&world.disk, &options.dir)?;
        check_marks(&world.disk, &options.dir, &identity)?;
        let log = LogOptions::new(&options, &identity);
        Ok(Self {
            reader: LogReader::new(log.clone(), world.disk.clone()),
            options,
            world,
            log,
            _lock: lock,
        })
    }

    /// Writes the bytes of a message to `out`; `false` when the log has no such message.
    ///
    /// # Errors
    /// When the disk fails, or the message is damaged.
    pub fn cat(&self, id: SpoolId, out: &mut dyn Write) -> Result<bool, SpoolError> {
        let mut place = None;
        self.scan(0, &mut |_, _| {}, &mut |piece| {
            if let Piece::Entry(Entry::Message { line, .. }, at, _) = piece
                && line.id == id
            {
                // The last one counts: a message can have been carried forward.
                place = Some(at);
            }
            Ok(())
        })?;
        let Some(at) = place else { return Ok(false) };
        let (header, line) = self.message(at)?;
        let body = self.body(at, (&header, &line))?;
        pour(&*body, out).map_err(|poured| {
            let (Poured::Reading(error) | Poured::Writing(error)) = poured;
            SpoolError::disk("copying", Path::new(&id.to_string()), error)
        })?;
        Ok(true)
    }

    /// Applies a record to an index.
    pub(super) fn follow(
        &self,
        index: &Index,
        entry: &Entry,
        at: Position,
        after: Position,
    ) -> Result<(), SpoolError> {
        index::apply(index, entry, at, after)?;
        if index.is_crowded() {
            index.flush(&self.log.uuid)?;
        }
        Ok(())
    }

    /// Reads the log from segment `floor` on; where it ends.
    pub(super) fn scan(
        &self,
        floor: u32,
        progress: Progress<'_>,
        visit: &mut dyn FnMut(Piece<'_>) -> Result<(), SpoolError>,
    ) -> Result<Position, SpoolError> {
        let disk = &self.world.disk;
        let mut numbers = head::numbers(disk, &self.log.dir)?;
        numbers.retain(|&number| number >= floor);
        for lack in head::lacking(disk, &self.log.dir, &numbers) {
            visit(Piece::Damage(Damage::Lack(lack)))?;
        }
        let total = numbers.len() as u64;
        let mut end = Position::default();
        for (done, &number) in (1..).zip(&numbers) {
            let path = segment::path(&self.log.dir, number);
            let failed = |error| SpoolError::disk("reading", &path, error);
            let file = disk.open(&path).map_err(failed)?;
            let ending = if done == total {
                Ending::of_newest(&*file).map_err(failed)?
            } else {
                Ending::Sealed
            };
            let length = file.len().map_err(failed)?;
            let scan = Scan::new(file, self.log.spool, number, ending)?.rescue();
            let tail = scan.run(0, |found| show(number, found, visit))?;
            let offset = match ending {
                Ending::Open if !tail.doubtful => tail.end,
                Ending::Open | Ending::Sealed => length,
            };
            end = Position {
                segment: number,
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
            };
            progress(done, total);
        }
        Ok(end)
    }

    pub(super) fn message(&self, at: Position) -> Result<(Header, MessageLine), SpoolError> {
        let (header, meta) = self.reader.meta(at)?;
        match Entry::read(header.kind, &meta, header.body_len)? {
            Entry::Message { line, .. } => Ok((header, line)),
            Entry::Event(_) | Entry::Fact(_) | Entry::Other => {
                Err(SpoolError::Damaged("no message".to_owned()))
            }
        }
    }

    /// The bytes of a message that are left, whatever their checksum says; `None` when its file is
    /// gone.
    pub(super) fn remains(
        &self,
        at: Position,
        (header, line): (&Header, &MessageLine),
    ) -> io::Result<Option<Remains>> {
        let path = match &line.file {
            Some(_) => self.big(line.id),
            None => segment::path(&self.log.dir, at.segment),
        };
        let file = match self.world.disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let range = if line.file.is_some() {
            0..file.len()?
        } else {
            let begin = u64::from(at.offset) + HEADER as u64 + u64::from(header.meta_len);
            begin..begin + u64::from(header.body_len)
        };
        Ok(Some(Remains { file, range }))
    }

    pub(super) fn body(
        &self,
        at: Position,
        (header, line): (&Header, &MessageLine),
    ) -> Result<Box<dyn BodySource>, SpoolError> {
        Ok(match &line.file {
            Some(file) => Box::new(self.large(line.id, file.clone())?),
            None => Box::new(Body(self.reader.body(at, header)?)),
        })
    }

    pub(super) fn large(&self, id: SpoolId, file: BigFile) -> Result<BigBody, SpoolError> {
        let path = self.big(id);
        let opened = self.world.disk.open(&path);
        let opened = opened.map_err(|error| SpoolError::disk("opening", &path, error))?;
        Ok(BigBody::new(opened, file))
    }

    fn big(&self, id: SpoolId) -> std::path::PathBuf {
        self.options.dir.join("big").join(format!("{id}.eml"))
    }
}

fn show(
    segment: u32,
    found: Found<'_>,
    visit: &mut dyn FnMut(Piece<'_>) -> Result<(), SpoolError>,
) -> Result<(), SpoolError> {
    match found {
        Found::Damage(range) => visit(Piece::Damage(Damage::Range(segment, range))),
        Found::Record {
            offset,
            header,
            meta,
        } => {
            let (entry, at, after) = Entry::found(segment, offset, &header, meta)?;
            visit(Piece::Entry(&entry, at, after))
        }
        Found::Maimed {
            offset,
            header,
            meta,
            body: _,
        } => {
            let (entry, at, after) = Entry::found(segment, offset, &header, meta)?;
            if let Entry::Message { line, .. } = &entry {
                visit(Piece::Damage(Damage::Message(line.id, at)))?;
            }
            visit(Piece::Entry(&entry, at, after))
        }
    }
}

/// Copies a body to `out`.
pub(super) fn pour(body: &dyn BodySource, out: &mut dyn Write) -> Result<(), Poured> {
    let mut at = 0;
    while at < body.len() {
        let piece = body.read_at(at, limits::BODY_PIECE);
        let piece = piece.map_err(Poured::Reading)?;
        if piece.is_empty() {
            return Err(Poured::Reading(io::ErrorKind::UnexpectedEof.into()));
        }
        at += piece.len() as u64;
        out.write_all(&piece).map_err(Poured::Writing)?;
    }
    Ok(())
}
