//! Reading from a disk that fails in places: what it still gives is not lost with what it does not.

use std::io;
use std::ops::Range;

use super::disk::DiskFile;

/// A disk gives so many bytes or none of them.
const BLOCK: u64 = 4096;
/// Who recovers by himself believes in so many broken blocks of a segment; beyond, the whole disk
/// is in trouble, and nothing may be concluded from what it does not give.
const BELIEVABLE: u64 = 64;

/// How many unreadable bytes are taken for damage, and not for a disk that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A few blocks.
    Some,
    /// All of them: what can be rescued is rescued.
    Endless,
}

/// The parts of a file that could not be read, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    ranges: Vec<Range<u64>>,
}

impl Unreadable {
    fn note(&mut self, block: Range<u64>) {
        if self.touches(&block) {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end == block.start => last.end = block.end,
            _ => self.ranges.push(block),
        }
    }

    /// Is a part of this range unreadable?
    pub(crate) fn touches(&self, range: &Range<u64>) -> bool {
        let meets = |one: &Range<u64>| one.start < range.end && range.start < one.end;
        self.ranges.iter().any(meets)
    }

    fn bytes(&self) -> u64 {
        self.ranges.iter().map(|one| one.end - one.start).sum()
    }
}

/// Fills `buffer` from `offset` as far as the file goes; how many bytes. What the disk does not
/// give is zero and noted.
///
/// # Errors
/// What the disk said, when more is unreadable than is believed.
pub(crate) fn read_what_is_left(
    file: &dyn DiskFile,
    (buffer, offset): (&mut [u8], u64),
    patience: Patience,
    unreadable: &mut Unreadable,
) -> io::Result<usize> {
    let first = match file.read_at(buffer, offset) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    let end = file.len()?.min(offset + buffer.len() as u64);
    let mut at = offset;
    while at < end {
        let next = (at - at % BLOCK + BLOCK).min(end);
        let (from, to) = (place(at - offset), place(next - offset));
        let Some(block) = buffer.get_mut(from..to) else {
            break;
        };
        match file.read_at(block, at) {
            Ok(read) if read == block.len() => {}
            Ok(_) | Err(_) => {
                block.fill(0);
                unreadable.note(at..next);
                if patience == Patience::Some && unreadable.bytes() > BELIEVABLE * BLOCK {
                    return Err(first);
                }
            }
        }
        at = next;
    }
    Ok(place(end.saturating_sub(offset)))
}

fn place(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some of its blocks are broken.
    #[derive(Debug)]
    struct Broken {
        bytes: Vec<u8>,
        blocks: Range<u64>,
    }

    impl DiskFile for Broken {
        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let length = (self.bytes.len() - place(offset)).min(buffer.len());
            let (first, last) = (offset / BLOCK, (offset + length as u64 - 1) / BLOCK);
            if (first..=last).any(|block| self.blocks.contains(&block)) {
                return Err(io::Error::from_raw_os_error(5));
            }
            let bytes = &self.bytes[place(offset)..place(offset) + length];
            buffer[..length].copy_from_slice(bytes);
            Ok(length)
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        fn allocate(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }
    }

    fn read(file: &Broken, offset: u64, patience: Patience) -> (io::Result<Vec<u8>>, Unreadable) {
        let (mut bytes, mut unreadable) = (vec![7; file.bytes.len()], Unreadable::default());
        let read = read_what_is_left(file, (&mut bytes, offset), patience, &mut unreadable);
        let bytes = read.map(|read| {
            bytes.truncate(read);
            bytes
        });
        (bytes, unreadable)
    }

    #[test]
    fn a_broken_block_costs_its_own_bytes() {
        let bytes: Vec<u8> = (1..=250).cycle().take(20_000).collect();
        let blocks = 1..3;
        let file = Broken { bytes, blocks };
        for offset in [0, 100, 4096, 5000, 12_288, 19_999] {
            let (read, unreadable) = read(&file, offset, Patience::Some);
            let mut expected = file.bytes.clone();
            expected[4096..12_288].fill(0);
            assert_eq!(read.unwrap(), expected[place(offset)..], "from {offset}");
            let all = offset.max(4096)..12_288;
            assert_eq!(unreadable.touches(&all), offset < 12_288, "from {offset}");
            assert!(!unreadable.touches(&(0..4096)));
        }
    }

    #[test]
    fn a_disk_that_gives_nothing_is_not_empty() {
        let file = Broken {
            bytes: vec![1; 100 * 4096],
            blocks: 10..90,
        };
        let (refused, _) = read(&file, 0, Patience::Some);
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(5));
        let (rescued, unreadable) = read(&file, 0, Patience::Endless);
        let rescued = rescued.unwrap();
        let there = |at: u64| rescued[place(at * BLOCK)] == 1;
        assert!((0..100).all(|block| there(block) != (10..90).contains(&block)));
        assert_eq!(unreadable.bytes(), 80 * 4096);
    }
}
