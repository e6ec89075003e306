//! The log: appending batches to segments, and reading single records.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::SpoolError;
use super::disk::{Disk, DiskFile};
use super::event::SegmentLine;
use super::handle::Options;
use super::identity::Identity;
use super::record::{HEADER, Header, Kind, Place, Record};
use super::reserve::Reserve;
use super::segment::{self, Position};
use crate::base::{Clock, Timestamp};

/// Open segments that are kept for reading.
const OPEN_SEGMENTS: usize = 64;

/// Where a log is and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct LogOptions {
    /// The folder of the segments.
    pub(crate) dir: PathBuf,
    /// The file that keeps space for a full disk.
    pub(crate) reserve: PathBuf,
    /// Bytes of a segment.
    pub(crate) segment_size: u64,
    /// The spool's identity.
    pub(crate) uuid: String,
    /// Its first 32 bits, in each record.
    pub(crate) spool: u32,
}

impl LogOptions {
    /// The log of a spool.
    pub(crate) fn new(options: &Options, identity: &Identity) -> Self {
        Self {
            dir: options.dir.join("log"),
            reserve: options.dir.join("reserve"),
            segment_size: options.segment_size,
            spool: identity.short(),
            uuid: identity.uuid.clone(),
        }
    }
}

/// The writing end. One thread owns it.
#[derive(Debug)]
pub(crate) struct LogWriter {
    options: LogOptions,
    disk: Disk,
    clock: Clock,
    next_segment: u32,
    /// The newest segment that stands; 0: none.
    newest: u32,
    /// Its length, once it is closed.
    newest_bytes: Option<u64>,
    current: Option<Open>,
    /// Segments that were given up and could not be cut back.
    uncut: Vec<Open>,
    reserve: Reserve,
    buffer: Vec<u8>,
}

/// The segment that is written to.
#[derive(Debug)]
struct Open {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    segment: u32,
    batch: u32,
    begun: Timestamp,
    /// End of its first record.
    head: u64,
    /// End of what was written.
    end: u64,
    /// End of what is on stable storage.
    synced: u64,
}

impl Open {
    /// Cuts off what is not known to be safe.
    fn cut(&self) -> std::io::Result<()> {
        self.file.set_len(self.synced)?;
        self.file.sync()
    }
}

impl LogWriter {
    /// Writes to new segments behind the one whose end this is; 0: there is none.
    pub(crate) fn new(options: LogOptions, disk: Disk, clock: Clock, newest: Position) -> Self {
        Self {
            reserve: Reserve::new(disk.clone(), options.reserve.clone()),
            options,
            disk,
            clock,
            next_segment: newest.segment + 1,
            newest: newest.segment,
            newest_bytes: Some(u64::from(newest.offset)),
            current: None,
            uncut: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Writes records, in one write. They are safe after the next [`Self::sync`].
    ///
    /// # Errors
    /// When the disk fails; none of the records counts then, and the segment is given up.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<Vec<Position>, SpoolError> {
        let is_mail = || records.iter().any(|record| record.kind == Kind::Message);
        match self.append_once(records) {
            // What becomes of stored mail is written down on a full disk, too.
            Err(error) if error.is_full() && !is_mail() && self.reserve.release() => {
                self.append_once(records)
            }
            appended => appended,
        }
    }

    fn append_once(&mut self, records: &[Record]) -> Result<Vec<Position>, SpoolError> {
        let length: usize = records.iter().map(Record::len).sum();
        let full = self.current.as_ref().is_some_and(|open| {
            open.end + length as u64 > self.options.segment_size && open.end > HEADER as u64
        });
        if full {
            self.seal()?;
        }
        if self.current.is_none() {
            self.current = Some(self.open_segment(length as u64)?);
        }
        let written = self.write_batch(records);
        if written.is_err() {
            self.abandon();
        }
        written
    }

    fn write_batch(&mut self, records: &[Record]) -> Result<Vec<Position>, SpoolError> {
        let open = self.current.as_mut().ok_or(SpoolError::Closed)?;
        let place = Place {
            spool: self.options.spool,
            segment: open.segment,
            batch: open.batch,
        };
        self.buffer.clear();
        let mut positions = Vec::with_capacity(records.len());
        for record in records {
            let offset = open.end + self.buffer.len() as u64;
            positions.push(Position {
                segment: open.segment,
                offset: u32::try_from(offset).map_err(|_| too_large(&open.path))?,
            });
            record.write(&place, &mut self.buffer);
        }
        open.file
            .write_at(&self.buffer, open.end)
            .map_err(|error| SpoolError::disk("writing to", &open.path, error))?;
        open.end += self.buffer.len() as u64;
        Ok(positions)
    }

    /// Returns when everything that was appended is on stable storage.
    ///
    /// # Errors
    /// When it may not be. The kernel may have dropped the pages, so the segment is cut back to
    /// what was safe before, and given up: nothing of the failed batch counts.
    pub(crate) fn sync(&mut self) -> Result<(), SpoolError> {
        let Some(open) = self.current.as_mut().filter(|open| open.end > open.synced) else {
            return Ok(());
        };
        match open.file.sync() {
            Ok(()) => {
                open.synced = open.end;
                open.batch += 1;
                Ok(())
            }
            Err(error) => {
                let error = SpoolError::disk("syncing", &open.path, error);
                self.abandon();
                Err(error)
            }
        }
    }

    /// Closes the current segment: its length says that all of it is good.
    ///
    /// # Errors
    /// When it cannot be synced; the segment is given up then.
    pub(crate) fn seal(&mut self) -> Result<(), SpoolError> {
        self.sync()?;
        if let Some(open) = self.current.take() {
            open.file
                .set_len(open.end)
                .and_then(|()| open.file.sync())
                .map_err(|error| SpoolError::disk("closing", &open.path, error))?;
            self.newest_bytes = Some(open.end);
        }
        Ok(())
    }

    /// Begins the segment behind all of these numbers now, and closes it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn skip_to(&mut self, known: u32) -> Result<(), SpoolError> {
        self.next_segment = self.next_segment.max(known + 1);
        self.current = Some(self.open_segment(0)?);
        self.seal()
    }

    /// Goes on in a new segment when something stands in the current one and it was begun by then.
    ///
    /// # Errors
    /// As [`Self::seal`], and when there is no room for a new one; the next write tries again.
    pub(crate) fn turn(&mut self, begun_by: Timestamp) -> Result<(), SpoolError> {
        let current = self.current.as_ref();
        if current.is_some_and(|open| open.begun <= begun_by && open.end > open.head) {
            self.seal()?;
            self.current = Some(self.open_segment(0)?);
        }
        Ok(())
    }

    /// After a failure: cut off what is not known to be safe, and go on in a new segment.
    fn abandon(&mut self) {
        if let Some(open) = self.current.take() {
            let cut = open.cut();
            self.newest_bytes = cut.is_ok().then_some(open.synced);
            tracing::error!(
                segment = open.segment,
                cut = cut.is_ok(),
                "a write to the log failed; going on in a new segment"
            );
            if cut.is_err() {
                self.uncut.push(open);
            }
        }
    }

    /// Tries again to cut back what could not be: records that were not acknowledged may not be
    /// read.
    ///
    /// # Errors
    /// When it still cannot be.
    pub(crate) fn mend(&mut self) -> Result<(), SpoolError> {
        while let Some(open) = self.uncut.last() {
            open.cut()
                .map_err(|error| SpoolError::disk("cutting", &open.path, error))?;
            self.uncut.pop();
        }
        Ok(())
    }

    fn open_segment(&mut self, first_batch: u64) -> Result<Open, SpoolError> {
        // The new one can be had, so perhaps this can, too.
        self.mend().ok();
        let segment = self.next_segment;
        // A number is used once, also when opening fails half way.
        self.next_segment += 1;
        let path = segment::path(&self.options.dir, segment);
        let failed = |what: &'static str| {
            let path = path.clone();
            move |error| SpoolError::disk(what, &path, error)
        };
        let file = self.disk.create(&path).map_err(failed("making"))?;
        let allocated = self.reserve(&*file, first_batch);
        let mut open = Open {
            file,
            path: path.clone(),
            segment,
            batch: 1,
            begun: self.clock.now(),
            head: 0,
            end: 0,
            synced: 0,
        };
        let begun = allocated
            .map_err(failed("reserving space for"))
            .and_then(|()| self.write_segment_line(&mut open))
            .and_then(|()| open.file.sync().map_err(failed("syncing")))
            .and_then(|()| {
                let synced = self.disk.sync_dir(&self.options.dir);
                synced.map_err(failed("syncing the folder of"))
            });
        if let Err(error) = begun {
            // Nothing stands in it, and it must not keep the space that it has reserved.
            self.disk.remove(&path).ok();
            return Err(error);
        }
        open.head = open.end;
        open.synced = open.end;
        open.batch = 2;
        self.reserve.make(self.disk.free_bytes(&self.options.dir));
        self.newest = segment;
        self.newest_bytes = None;
        Ok(open)
    }

    /// Reserves the space of a segment; of a nearly full disk what is needed now, so that what is
    /// stored can still be delivered.
    fn reserve(&self, file: &dyn DiskFile, first_batch: u64) -> std::io::Result<()> {
        let least = first_batch + 4096;
        match file.allocate(self.options.segment_size.max(least)) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                // What a try that failed has got is given back first.
                file.set_len(0)?;
                file.allocate(least)
            }
            other => other,
        }
    }

    fn write_segment_line(&self, open: &mut Open) -> Result<(), SpoolError> {
        let line = SegmentLine {
            format: "tideover spool".to_owned(),
            version: super::record::VERSION,
            uuid: self.options.uuid.clone(),
            segment: open.segment,
            at: open.begun,
            previous: Some(self.newest),
            previous_bytes: self.newest_bytes,
        };
        let json =
            serde_json::to_vec(&line).map_err(|error| SpoolError::Damaged(error.to_string()))?;
        let mut bytes = Vec::new();
        let place = Place {
            spool: self.options.spool,
            segment: open.segment,
            batch: open.batch,
        };
        Record::new(Kind::Segment, json, Bytes::new()).write(&place, &mut bytes);
        open.file
            .write_at(&bytes, 0)
            .map_err(|error| SpoolError::disk("writing to", &open.path, error))?;
        open.end = bytes.len() as u64;
        Ok(())
    }

    /// Behind what was written. A segment that could not be opened is not part of it: the power
    /// may still take its name.
    pub(crate) fn end(&self) -> Position {
        self.current.as_ref().map_or(
            Position {
                segment: self.newest,
                offset: u32::MAX,
            },
            |open| Position {
                segment: open.segment,
                offset: u32::try_from(open.end).unwrap_or(u32::MAX),
            },
        )
    }
}

fn too_large(path: &std::path::Path) -> SpoolError {
    let error = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
    SpoolError::disk("writing to", path, error)
}

/// The reading end; shared by everyone.
#[derive(Debug)]
pub(crate) struct LogReader {
    options: LogOptions,
    disk: Disk,
    open: Mutex<HashMap<u32, Arc<dyn DiskFile>>>,
}

impl LogReader {
    /// Reads the segments in this folder.
    pub(crate) fn new(options: LogOptions, disk: Disk) -> Self {
        Self {
            options,
            disk,
            open: Mutex::new(HashMap::new()),
        }
    }

    /// First 32 bits of the spool's identity.
    pub(crate) const fn spool(&self) -> u32 {
        self.options.spool
    }

    /// Closes a segment that is about to be removed.
    pub(crate) fn forget(&self, segment: u32) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&segment);
    }

    /// The header and the JSON of a record, checked.
    pub(crate) fn meta(&self, at: Position) -> Result<(Header, Vec<u8>), SpoolError> {
        let file = self.file(at.segment)?;
        // One read gets header and JSON of nearly all records. A broken block behind it is no
        // matter of this one.
        let guess = self.read(&*file, at, 0, 2048);
        let mut bytes = guess.or_else(|_| self.read(&*file, at, 0, HEADER))?;
        let header = Header::read(&bytes)
            .filter(|header| header.place.spool == self.options.spool)
            .filter(|header| header.place.segment == at.segment)
            .ok_or_else(|| damaged(at, "no record"))?;
        let end = HEADER + header.meta_len as usize;
        if bytes.len() < end {
            bytes = self.read(&*file, at, 0, end)?;
        }
        bytes.truncate(end);
        let meta = bytes.split_off(HEADER.min(bytes.len()));
        if crc32c::crc32c(&meta) == header.meta_crc {
            Ok((header, meta))
        } else {
            Err(damaged(at, "the checksum of the envelope is wrong"))
        }
    }

    /// The body of a record, checked.
    pub(crate) fn body(&self, at: Position, header: &Header) -> Result<Bytes, SpoolError> {
        let file = self.file(at.segment)?;
        let skip = HEADER + header.meta_len as usize;
        let body = self.read(&*file, at, skip, header.body_len as usize)?;
        if body.len() == header.body_len as usize && crc32c::crc32c(&body) == header.body_crc {
            Ok(body.into())
        } else {
            Err(damaged(at, "the checksum of the body is wrong"))
        }
    }

    fn read(
        &self,
        file: &dyn DiskFile,
        at: Position,
        skip: usize,
        length: usize,
    ) -> Result<Vec<u8>, SpoolError> {
        let mut bytes = vec![0; length];
        let read = file
            .read_at(&mut bytes, u64::from(at.offset) + skip as u64)
            .map_err(|error| {
                SpoolError::disk(
                    "reading",
                    &segment::path(&self.options.dir, at.segment),
                    error,
                )
            })?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>, SpoolError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&number) {
            return Ok(Arc::clone(file));
        }
        let path = segment::path(&self.options.dir, number);
        let file = self
            .disk
            .open(&path)
            .map_err(|error| SpoolError::disk("opening", &path, error))?;
        if open.len() >= OPEN_SEGMENTS {
            open.clear();
        }
        open.insert(number, Arc::clone(&file));
        Ok(file)
    }
}

fn damaged(at: Position, what: &str) -> SpoolError {
    SpoolError::Damaged(format!("segment {} at {}: {what}", at.segment, at.offset))
}
