//! Segments: the files of the log, their names, and reading one from a place on.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SpoolError;
use super::disk::DiskFile;
use super::record::{ALIGNMENT, HEADER, Header, Kind, VERSION};
use super::unreadable::{Patience, Unreadable, read_what_is_left};
use super::window::Window;

/// A place in the log. Positions ascend in the order of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Position {
    /// Number of the segment, from 1.
    pub(crate) segment: u32,
    /// Offset of the record in it.
    pub(crate) offset: u32,
}

impl Position {
    /// As one number, for index keys.
    pub(crate) const fn to_u64(self) -> u64 {
        ((self.segment as u64) << 32) | self.offset as u64
    }

    /// From [`Self::to_u64`].
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a u64")]
    pub(crate) const fn from_u64(number: u64) -> Self {
        Self {
            segment: (number >> 32) as u32,
            offset: number as u32,
        }
    }

    /// The bytes of its segment that a record here has.
    pub(crate) fn range(self, header: &Header) -> Range<u64> {
        let from = u64::from(self.offset);
        from..from + header.record_len() as u64
    }
}

/// `0000000001.seg`.
pub(crate) fn path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:010}.seg"))
}

/// The number in a segment's file name.
pub(crate) fn number(name: &str) -> Option<u32> {
    name.strip_suffix(".seg")
        .filter(|digits| digits.len() == 10)?
        .parse()
        .ok()
}

/// What a scan finds, in the order of the file.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A whole record with good checksums.
    Record {
        offset: u32,
        header: Header,
        meta: &'a [u8],
    },
    /// A message whose line is good and whose body is not.
    Maimed {
        offset: u32,
        header: Header,
        meta: &'a [u8],
        /// What is left of the body.
        body: Range<u64>,
    },
    /// Bytes that are no good record, before good ones.
    Damage(Range<u64>),
}

/// Where the good part of a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// End of the last good record.
    pub(crate) end: u64,
    /// Bytes behind it that are not zero: a batch that was not synced when the power went.
    pub(crate) torn: bool,
    /// They are not what a power cut leaves: the disk does not give some of them, or there are
    /// records of another segment.
    pub(crate) doubtful: bool,
}

/// Is the segment closed, or may its last batch be torn?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Closed: everything in it was synced.
    Sealed,
    /// The newest one: its last batch may not have been synced.
    Open,
}

impl Ending {
    /// How the newest segment ends. One that was closed was cut at its last record; one that was
    /// not has space at its end that was reserved and never written.
    pub(crate) fn of_newest(file: &dyn DiskFile) -> std::io::Result<Self> {
        let length = file.len()?;
        let mut end = [0; 64];
        let have = length.min(end.len() as u64);
        // What cannot be read may be anything: then the scan decides.
        let place = (end.as_mut_slice(), length - have);
        let read = read_what_is_left(file, place, Patience::Some, &mut Unreadable::default())?;
        let reserved = end.get(..read).unwrap_or_default();
        // A message can end with zeros, too: then it is read as if the segment were not closed.
        if reserved.iter().all(|&byte| byte == 0) {
            Ok(Self::Open)
        } else {
            Ok(Self::Sealed)
        }
    }
}

/// Reads a segment in order, checking every checksum.
pub(crate) struct Scan {
    window: Window,
    spool: u32,
    segment: u32,
    ending: Ending,
    /// The batch of the record before; `None`: not known, because the scan began in the middle.
    batch: Option<u32>,
}

impl Scan {
    /// A scan of `file`, which is `segment` of the spool with this id.
    pub(crate) fn new(
        file: Arc<dyn DiskFile>,
        spool: u32,
        segment: u32,
        ending: Ending,
    ) -> Result<Self, SpoolError> {
        Ok(Self {
            window: Window::new(file)?,
            spool,
            segment,
            ending,
            batch: None,
        })
    }

    /// Goes on however much the disk does not give.
    pub(crate) const fn rescue(mut self) -> Self {
        self.window.patience = Patience::Endless;
        self
    }

    /// Takes the file for shorter than it is: the rest is still being written.
    pub(crate) fn until(mut self, end: u64) -> Self {
        self.window.length = self.window.length.min(end);
        self
    }

    /// Reads from `start` to the end and shows `visit` what is there.
    pub(crate) fn run(
        mut self,
        start: u64,
        mut visit: impl FnMut(Found<'_>) -> Result<(), SpoolError>,
    ) -> Result<Tail, SpoolError> {
        let mut at = start;
        self.batch = (start == 0).then_some(0);
        loop {
            match self.record_at(at)? {
                Look::Good(header) => {
                    let end = at + header.record_len() as u64;
                    let (offset, meta) = (offset(at), self.meta(at, &header)?);
                    visit(Found::Record {
                        offset,
                        header,
                        meta,
                    })?;
                    self.batch = Some(header.place.batch);
                    at = end;
                }
                Look::Maimed(header) if self.was_synced(at, &header)? => {
                    at = self.show_maimed(at, header, &mut visit)?;
                    self.batch = Some(header.place.batch);
                }
                // Most of an open segment is reserved only: no need to look for records there. A
                // closed one has nothing behind its last record.
                Look::Maimed(_) | Look::Nothing if self.ends_at(at)? => {
                    return Ok(Tail {
                        end: at,
                        torn: false,
                        doubtful: false,
                    });
                }
                // Before the next batch there was another sync.
                Look::Maimed(_) | Look::Nothing => {
                    let batch = self.batch_before(at)?;
                    match self.good_behind(at + STEP, batch.saturating_add(2))? {
                        Some(next) => {
                            visit(Found::Damage(at..next))?;
                            at = next;
                        }
                        None => return self.tail(at, &mut visit),
                    }
                }
            }
        }
    }

    /// Is there nothing from here on, as there should be?
    fn ends_at(&mut self, at: u64) -> Result<bool, SpoolError> {
        match self.ending {
            Ending::Sealed => Ok(at >= self.window.length),
            Ending::Open => self.window.is_zero_from(at),
        }
    }

    /// The batch of the last record before this place, looked for when it is not known: what is
    /// torn there may be the batch after it.
    fn batch_before(&mut self, place: u64) -> Result<u32, SpoolError> {
        if let Some(batch) = self.batch {
            return Ok(batch);
        }
        let (mut at, mut batch) = (0, 0);
        while at < place {
            match self.record_at(at)? {
                Look::Good(header) | Look::Maimed(header) => {
                    batch = header.place.batch;
                    at += header.record_len() as u64;
                }
                Look::Nothing => match self.window.find_magic(at + STEP)? {
                    Some(next) => at = next,
                    None => break,
                },
            }
        }
        self.batch = Some(batch);
        Ok(batch)
    }

    /// Shows a message without a good body; where it ends.
    fn show_maimed(
        &mut self,
        at: u64,
        header: Header,
        visit: &mut impl FnMut(Found<'_>) -> Result<(), SpoolError>,
    ) -> Result<u64, SpoolError> {
        let begin = at + HEADER as u64 + u64::from(header.meta_len);
        let end = begin + u64::from(header.body_len);
        let length = self.window.length;
        visit(Found::Maimed {
            offset: offset(at),
            header,
            meta: self.meta(at, &header)?,
            body: begin..end.min(length),
        })?;
        Ok((at + header.record_len() as u64).min(length))
    }

    fn meta(&mut self, at: u64, header: &Header) -> Result<&[u8], SpoolError> {
        self.window
            .get(at + HEADER as u64, header.meta_len as usize)
    }

    /// What begins at this offset?
    fn record_at(&mut self, at: u64) -> Result<Look, SpoolError> {
        let Some(header) = Header::read(self.window.get(at, HEADER)?) else {
            return Ok(Look::Nothing);
        };
        if header.place.spool != self.spool || header.place.segment != self.segment {
            return Ok(Look::Nothing);
        }
        if header.version > VERSION {
            return Err(SpoolError::Later(format!("segment {}", self.segment)));
        }
        let length = header.meta_len as usize + header.body_len as usize;
        let payload = self.window.get(at + HEADER as u64, length)?;
        let Some((meta, body)) = payload.split_at_checked(header.meta_len as usize) else {
            return Ok(Look::Nothing);
        };
        Ok(if crc32c::crc32c(meta) != header.meta_crc {
            Look::Nothing
        } else if payload.len() == length && crc32c::crc32c(body) == header.body_crc {
            Look::Good(header)
        } else if header.kind == Kind::Message {
            Look::Maimed(header)
        } else {
            Look::Nothing
        })
    }

    /// Had this record been synced? In an open segment one of a later batch shows it.
    fn was_synced(&mut self, at: u64, header: &Header) -> Result<bool, SpoolError> {
        if self.ending == Ending::Sealed {
            return Ok(true);
        }
        let behind = at + header.record_len() as u64;
        let later = header.place.batch.saturating_add(1);
        Ok(self.good_behind(behind, later)?.is_some())
    }

    /// The next good record from `next` on. In an open segment only when one of batch `least` or
    /// later shows that what is before it had been synced: everything else is the torn end of the
    /// last batch, which nobody was told is safe.
    fn good_behind(&mut self, mut next: u64, least: u32) -> Result<Option<u64>, SpoolError> {
        let mut first = None;
        while let Some(found) = self.window.find_magic(next)? {
            next = match self.record_at(found)? {
                Look::Good(header) | Look::Maimed(header) => {
                    let first = *first.get_or_insert(found);
                    if self.ending == Ending::Sealed || header.place.batch >= least {
                        return Ok(Some(first));
                    }
                    found + header.record_len() as u64
                }
                Look::Nothing => found + STEP,
            };
        }
        Ok(None)
    }

    /// Does a record of another segment or spool stand behind this place? Then somebody has moved
    /// files.
    fn foreign_behind(&mut self, mut at: u64) -> Result<bool, SpoolError> {
        while let Some(found) = self.window.find_magic(at)? {
            let header = Header::read(self.window.get(found, HEADER)?);
            let ours = |header: Header| {
                header.place.spool == self.spool && header.place.segment == self.segment
            };
            if header.is_some_and(|header| !ours(header)) {
                return Ok(true);
            }
            at = found + STEP;
        }
        Ok(false)
    }

    /// The end of the good part, when what is behind it is not zero.
    fn tail(
        mut self,
        end: u64,
        visit: &mut impl FnMut(Found<'_>) -> Result<(), SpoolError>,
    ) -> Result<Tail, SpoolError> {
        let behind = end..self.window.length;
        let doubtful = self.window.unreadable.touches(&behind) || self.foreign_behind(end)?;
        if self.ending == Ending::Sealed || doubtful {
            visit(Found::Damage(behind))?;
        }
        Ok(Tail {
            end,
            torn: true,
            doubtful,
        })
    }
}

/// What stands at an offset.
enum Look {
    Good(Header),
    /// A message with a good line, and with a body that is not what it was.
    Maimed(Header),
    Nothing,
}

fn offset(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// From one place where a record may begin to the next.
const STEP: u64 = ALIGNMENT as u64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::super::disk::{Disk, SystemDisk};
    use super::super::record::{Place, Record};
    use super::*;

    /// A segment with a record of each of these batches, and zeros behind; where each begins.
    fn written(disk: &Disk, path: &Path, batches: &[u32]) -> (Arc<dyn DiskFile>, Vec<u64>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for &batch in batches {
            starts.push(bytes.len() as u64);
            let place = Place {
                spool: 7,
                segment: 1,
                batch,
            };
            let body = Bytes::from_static(b"a body of some length");
            Record::new(Kind::Message, b"{}".to_vec(), body).write(&place, &mut bytes);
        }
        bytes.resize(bytes.len() + 4096, 0);
        let file = disk.create(path).unwrap();
        file.write_at(&bytes, 0).unwrap();
        (file, starts)
    }

    fn damage_of(scan: Scan, start: u64) -> (Tail, Vec<(u64, u64)>) {
        let mut damaged = Vec::new();
        let visit = |found: Found<'_>| {
            if let Found::Damage(range) = found {
                damaged.push((range.start, range.end));
            }
            Ok(())
        };
        let tail = scan.run(start, visit).unwrap();
        (tail, damaged)
    }

    /// What an index knows already is not read again, and what is torn behind it is no damage.
    #[test]
    fn a_torn_batch_is_the_end_wherever_the_scan_begins() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Disk = Arc::new(SystemDisk);
        for (name, batches, torn) in [
            ("torn", [1, 2, 3, 3].as_slice(), true),
            ("damaged", [1, 2, 3, 3, 4].as_slice(), false),
        ] {
            let (file, starts) = written(&disk, &dir.path().join(name), batches);
            let third = starts[2];
            file.write_at(&[0xff; 16], third).unwrap();
            for start in [0, starts[1], third] {
                let scan = Scan::new(Arc::clone(&file), 7, 1, Ending::Open).unwrap();
                let (tail, damaged) = damage_of(scan, start);
                if torn {
                    assert_eq!((tail.end, damaged.len()), (third, 0), "{name} from {start}");
                } else {
                    assert_eq!(damaged, [(third, starts[3])], "{name} from {start}");
                }
            }
        }
    }
}
