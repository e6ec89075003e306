//! Tools for a spool that is not in use: verify, rebuild, cat, export. They trust the log alone,
//! and read all of it.

use std::io::{self, Read as _, Seek as _, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::big::BigBody;
use super::disk::Lock;
use super::event::{BigFile, Entry, MessageLine};
use super::handle::Options;
use super::identity::{check_big, identity, lock};
use super::index::{self, Index, Row, key};
use super::log::{LogOptions, LogReader};
use super::open::World;
use super::record::{HEADER, Header};
use super::recover::{damaged_message, damaged_range};
use super::segment::{self, Ending, Found, Position, Scan};
use crate::limits;
use crate::mail::{Body, BodySource, SpoolId};

/// Told bytes done, and bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Where `verify` has its copy of the index.
const COPY: &str = "verify.index.tmp";

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verification {
    /// Nothing is damaged, nothing differs, and the quarantine is empty.
    pub ok: bool,
    /// Records read.
    pub records: u64,
    /// Messages in the log.
    pub messages: u64,
    /// Damaged parts of the log, and large bodies whose checksum is wrong or that are missing.
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

/// A spool that nobody else has open.
pub struct Offline {
    pub(super) options: Options,
    pub(super) world: World,
    pub(super) log: LogOptions,
    reader: LogReader,
    _lock: Lock,
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
        check_big(&world.disk, &options.dir, &identity)?;
        let log = LogOptions::new(&options, &identity);
        Ok(Self {
            reader: LogReader::new(log.clone(), world.disk.clone()),
            options,
            world,
            log,
            _lock: lock,
        })
    }

    /// Checks every checksum of the log and of the large bodies, and the index against the log.
    /// Changes nothing but two folders of its own, which it removes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verification, SpoolError> {
        let mut found = Verification::default();
        let stored = self.copy_of_index()?;
        let resume = match &stored {
            Some(stored) => stored.resume(&self.log.uuid)?,
            None => None,
        };
        let stored = stored.filter(|_| resume.is_some());
        found.index_missing = stored.is_none();
        let floor = stored.as_ref().map_or(0, |stored| stored.counters().floor);
        let fresh = self.store("verify.tmp")?;
        fresh.clear()?;
        let mut large = Vec::new();
        self.scan(floor, progress, |piece| match piece {
            Piece::Damage(what) => {
                found.problems.push(what);
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
        found.messages = fresh.counters().accepted;
        for (id, file) in large {
            if let Some(wrong) = self.check_large(&fresh, id, file)? {
                found.problems.push(wrong);
            }
        }
        found.damaged = found.problems.len() as u64;
        found.unreferenced = self.unreferenced(&fresh, &mut found.problems)?;
        if let Some(stored) = &stored {
            let counted = u64::from(!stored.counters().counts_like(&fresh.counters()));
            found.index_differs = differences(stored, &fresh)? + counted;
        }
        if found.index_differs > 0 {
            found.problems.push(format!(
                "{} rows of the index are not as the log says: `tideover spool rebuild` makes it \
                 anew",
                found.index_differs
            ));
        }
        drop((fresh, stored));
        self.remove_folder("verify.tmp")?;
        self.remove_folder(COPY)?;
        let quarantine = self.options.dir.join("quarantine");
        let names = self.world.disk.list(&quarantine);
        let names = names.map_err(|error| SpoolError::disk("listing", &quarantine, error))?;
        found.quarantined = names.len() as u64;
        found.ok = found.problems.is_empty() && found.quarantined == 0;
        Ok(found)
    }

    /// Writes the bytes of a message to `out`; `false` when the log has no such message.
    ///
    /// # Errors
    /// When the disk fails, or the message is damaged.
    pub fn cat(&self, id: SpoolId, out: &mut dyn Write) -> Result<bool, SpoolError> {
        let mut place = None;
        self.scan(0, &mut |_, _| {}, |piece| {
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
        self.copy(at, &header, &line, out)?;
        Ok(true)
    }

    pub(super) fn store(&self, name: &str) -> Result<Index, SpoolError> {
        let store = (self.world.open_store)(&self.options.dir.join(name));
        let store = store.map_err(SpoolError::Index)?;
        Ok(Index::new(store, self.options.index_pending))
    }

    /// A copy of the index, because opening it may change it; `None` when there is none.
    fn copy_of_index(&self) -> Result<Option<Index>, SpoolError> {
        self.remove_folder(COPY)?;
        let (from, to) = (self.options.dir.join("index"), self.options.dir.join(COPY));
        let copied = copy_folder(&from, &to);
        match copied.map_err(|error| SpoolError::disk("copying", &from, error))? {
            0 => Ok(None),
            _ => self.store(COPY).map(Some),
        }
    }

    pub(super) fn remove_folder(&self, name: &str) -> Result<(), SpoolError> {
        let path = self.options.dir.join(name);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SpoolError::disk("removing", &path, error))
            }
            _ => Ok(()),
        }
    }

    fn follow(
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

    /// Applies the whole log to an index.
    pub(super) fn fill(&self, index: &Index, progress: Progress<'_>) -> Result<(), SpoolError> {
        self.scan(0, progress, |piece| match piece {
            Piece::Damage(_) => Ok(()),
            Piece::Entry(entry, at, after) => self.follow(index, entry, at, after),
        })
    }

    /// Reads the log from segment `floor` on.
    fn scan(
        &self,
        floor: u32,
        progress: Progress<'_>,
        mut visit: impl FnMut(Piece<'_>) -> Result<(), SpoolError>,
    ) -> Result<(), SpoolError> {
        let disk = &self.world.disk;
        let names = disk.list(&self.log.dir);
        let names = names.map_err(|error| SpoolError::disk("listing", &self.log.dir, error))?;
        let numbers = names.iter().filter_map(|name| segment::number(name));
        let numbers: Vec<u32> = numbers.filter(|&number| number >= floor).collect();
        let total = numbers.len() as u64;
        for (done, &number) in (1..).zip(&numbers) {
            let path = segment::path(&self.log.dir, number);
            let failed = |error| SpoolError::disk("reading", &path, error);
            let file = disk.open(&path).map_err(failed)?;
            let ending = if done == total {
                Ending::of_newest(&*file).map_err(failed)?
            } else {
                Ending::Sealed
            };
            let scan = Scan::new(Arc::clone(&file), self.log.spool, number, ending)?;
            scan.run(0, |found| match found {
                Found::Damage(range) => visit(Piece::Damage(damaged_range(number, &range))),
                Found::Record {
                    offset,
                    header,
                    meta,
                } => show((number, offset), &header, meta, &mut visit),
                Found::Maimed {
                    offset,
                    header,
                    meta,
                    body: _,
                } => {
                    let entry = Entry::read(header.kind, meta, header.body_len)?;
                    if let Entry::Message { line, .. } = entry {
                        let at = Position {
                            segment: number,
                            offset,
                        };
                        visit(Piece::Damage(damaged_message(line.id, at)))?;
                    }
                    show((number, offset), &header, meta, &mut visit)
                }
            })?;
            progress(done, total);
        }
        Ok(())
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

    /// Writes the bytes of a message that are left, whatever their checksum says.
    pub(super) fn copy_remains(
        &self,
        at: Position,
        (header, line): (&Header, &MessageLine),
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let big = self
            .options
            .dir
            .join("big")
            .join(format!("{}.eml", line.id));
        let log = segment::path(&self.log.dir, at.segment);
        let path = if line.file.is_some() { &big } else { &log };
        let mut file = std::fs::File::open(path)?;
        let mut limit = u64::MAX;
        if line.file.is_none() {
            let begin = u64::from(at.offset) + HEADER as u64 + u64::from(header.meta_len);
            file.seek(io::SeekFrom::Start(begin))?;
            limit = u64::from(header.body_len);
        }
        io::copy(&mut file.take(limit), out).map(drop)
    }

    pub(super) fn copy(
        &self,
        at: Position,
        header: &Header,
        line: &MessageLine,
        out: &mut dyn Write,
    ) -> Result<(), SpoolError> {
        let body: Box<dyn BodySource> = match &line.file {
            Some(file) => Box::new(self.large(line.id, file.clone())?),
            None => Box::new(Body(self.reader.body(at, header)?)),
        };
        pour(&*body, out)
            .map_err(|error| SpoolError::disk("copying", Path::new(&line.id.to_string()), error))
    }

    fn large(&self, id: SpoolId, file: BigFile) -> Result<BigBody, SpoolError> {
        let path = self.options.dir.join("big").join(format!("{id}.eml"));
        let opened = self.world.disk.open(&path);
        let opened = opened.map_err(|error| SpoolError::disk("opening", &path, error))?;
        Ok(BigBody::new(opened, file))
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
            Ok(body) => pour(&body, &mut io::sink())
                .err()
                .map(|error| format!("big/{id}.eml: {error}")),
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

enum Piece<'a> {
    Entry(&'a Entry, Position, Position),
    /// Something is damaged, for people.
    Damage(String),
}

fn show(
    (segment, offset): (u32, u32),
    header: &Header,
    meta: &[u8],
    visit: &mut impl FnMut(Piece<'_>) -> Result<(), SpoolError>,
) -> Result<(), SpoolError> {
    let (entry, at, after) = Entry::found(segment, offset, header, meta)?;
    visit(Piece::Entry(&entry, at, after))
}

/// Copies a folder and what is below; how many files.
fn copy_folder(from: &Path, to: &Path) -> io::Result<u64> {
    let entries = match std::fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    std::fs::create_dir_all(to)?;
    let mut files = 0;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files += copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
            files += 1;
        }
    }
    Ok(files)
}

fn pour(body: &dyn BodySource, out: &mut dyn Write) -> io::Result<()> {
    let mut at = 0;
    while at < body.len() {
        let piece = body.read_at(at, limits::BODY_PIECE)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at += piece.len() as u64;
        out.write_all(&piece)?;
    }
    Ok(())
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
