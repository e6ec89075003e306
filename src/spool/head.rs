//! The first record of a segment: whose it is, when it was begun, and which one was before it. So a
//! log of another spool is known, and a segment that is gone is missed.

use std::fmt;
use std::io;
use std::path::Path;

use super::SpoolError;
use super::disk::Disk;
use super::event::SegmentLine;
use super::record::{HEADER, Header, Kind};
use super::segment;
use crate::limits;

/// No log has so many; beyond, a number could not be followed by others.
const LAST: u32 = 4_000_000_000;
/// What a head takes at most.
const LONGEST: usize = 4096;

/// Numbers of the segments in a folder, ascending; none when there is no folder.
pub(crate) fn numbers(disk: &Disk, dir: &Path) -> Result<Vec<u32>, SpoolError> {
    let names = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(|error| SpoolError::disk("listing", dir, error))?,
    };
    let numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| segment::number(name))
        .collect();
    if let Some(&last) = numbers.last().filter(|&&last| last > LAST) {
        let stray = segment::path(dir, last);
        let what = format!(
            "{}: no segment has this number: move the file away",
            stray.display()
        );
        return Err(SpoolError::Damaged(what));
    }
    Ok(numbers)
}

/// The first line of a segment; `None` when it cannot be read, or is none.
pub(crate) fn read(disk: &Disk, dir: &Path, segment: u32) -> Option<SegmentLine> {
    let file = disk.open(&segment::path(dir, segment)).ok()?;
    let mut bytes = vec![0; LONGEST];
    let read = file.read_at(&mut bytes, 0).ok()?;
    bytes.truncate(read);
    let header = Header::read(&bytes).filter(|header| header.kind == Kind::Segment)?;
    let meta = bytes.get(HEADER..HEADER + header.meta_len as usize)?;
    let whole = header.place.segment == segment && crc32c::crc32c(meta) == header.meta_crc;
    whole.then(|| serde_json::from_slice(meta).ok()).flatten()
}

/// Whose log is it? The newest head of the spool `ours`, or else the newest of all that can be
/// read; `None` when there are no segments.
///
/// # Errors
/// When there are segments, and none says whose it is.
pub(crate) fn owner(
    disk: &Disk,
    dir: &Path,
    ours: Option<&str>,
) -> Result<Option<SegmentLine>, SpoolError> {
    let mut newest = None;
    let numbers = numbers(disk, dir)?;
    for &number in numbers.iter().rev() {
        let Some(head) = read(disk, dir, number) else {
            continue;
        };
        if ours.is_none_or(|ours| ours == head.uuid) {
            return Ok(Some(head));
        }
        newest.get_or_insert(head);
    }
    if newest.is_none() && ours.is_none() && !numbers.is_empty() {
        let what = "spool.json is gone, and no segment says whose it is: bring spool.json back";
        return Err(SpoolError::Damaged(format!("{}: {what}", dir.display())));
    }
    Ok(newest)
}

/// What a log lacks between its oldest and its newest segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A segment is not there.
    Segment(u32),
    /// A closed segment is shorter than it was.
    End { segment: u32, is: u64, was: u64 },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(segment) => write!(
                f,
                "segment {segment} is missing: what stood in it is lost, unless the file comes back"
            ),
            Self::End { segment, is, was } => write!(
                f,
                "segment {segment} ends at {is}, and it had {was} bytes: what was behind is lost"
            ),
        }
    }
}

impl Lack {
    /// Which segment it is.
    pub(crate) const fn segment(&self) -> u32 {
        match self {
            Self::Segment(segment) | Self::End { segment, .. } => *segment,
        }
    }

    /// The name of its note in quarantine.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Segment(segment) => format!("{segment:010}.missing"),
            Self::End { segment, is, was } => format!("{segment:010}-{is}-{was}.lost"),
        }
    }
}

/// Is one of these segments missing, the first of which should be `floor`, or may one be shorter
/// than it was? A number that was never used is a gap here.
pub(crate) fn are_doubtful(disk: &Disk, dir: &Path, floor: u32, numbers: &[u32]) -> bool {
    let mut expected = floor.max(1);
    for &number in numbers {
        if number > expected {
            return true;
        }
        expected = expected.max(number + 1);
    }
    !lacking(disk, dir, numbers).is_empty()
}

/// What is missing of these segments, as each says what was before it. A number that was never
/// used, because its file could not be made, is no gap.
pub(crate) fn lacking(disk: &Disk, dir: &Path, numbers: &[u32]) -> Vec<Lack> {
    let mut lacking = Vec::new();
    for (&before, &number) in numbers.iter().zip(numbers.iter().skip(1)) {
        let Some(head) = read(disk, dir, number) else {
            continue;
        };
        match (head.previous, head.previous_bytes) {
            (Some(previous), _) if previous > before => {
                let gone = before + 1..=previous;
                lacking.extend(gone.map(Lack::Segment).take(limits::PAGE));
            }
            (Some(previous), Some(was)) if previous == before => {
                let length = disk.open(&segment::path(dir, before));
                let is = length.and_then(|file| file.len()).unwrap_or(was);
                if is < was {
                    let segment = before;
                    lacking.push(Lack::End { segment, is, was });
                }
            }
            _ => {}
        }
    }
    lacking
}
