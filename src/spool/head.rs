//! The first record of a segment: whose it is, when it was begun, and which one was before it. So a
//! log of another spool is known, and a segment that is gone is missed.

use std::io;
use std::path::Path;

use super::SpoolError;
use super::disk::Disk;
use super::event::SegmentLine;
use super::record::{HEADER, Header, Kind};
use super::segment;

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
    if numbers.last() == Some(&u32::MAX) {
        let stray = segment::path(dir, u32::MAX);
        let what = format!(
            "{}: no segment has this number, and none could follow it: move the file away",
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
/// read; `None` when there is none.
pub(crate) fn owner(
    disk: &Disk,
    dir: &Path,
    ours: Option<&str>,
) -> Result<Option<SegmentLine>, SpoolError> {
    let mut newest = None;
    for number in numbers(disk, dir)?.into_iter().rev() {
        let Some(head) = read(disk, dir, number) else {
            continue;
        };
        if ours.is_none_or(|ours| ours == head.uuid) {
            return Ok(Some(head));
        }
        newest.get_or_insert(head);
    }
    Ok(newest)
}

/// Of the segments between the oldest and the newest those that were there and are not: each names
/// the one before it. A number that was never used, because its file could not be made, is no gap.
pub(crate) fn missing(disk: &Disk, dir: &Path, numbers: &[u32]) -> Vec<u32> {
    let mut missing = Vec::new();
    for (&before, &number) in numbers.iter().zip(numbers.iter().skip(1)) {
        if number - before > 1
            && let Some(previous) = read(disk, dir, number).and_then(|head| head.previous)
            && previous > before
        {
            missing.push(previous);
        }
    }
    missing
}

/// A segment that is missing, for people.
pub(crate) fn missing_segment(segment: u32) -> String {
    format!("segment {segment} is missing: what stood in it is lost, unless the file comes back")
}
