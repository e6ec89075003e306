//! The changes of one hand-over, on stable storage before the store gets the first of them.
//!
//! A store that makes changes one by one is half changed after a crash. Changes are whole values,
//! so making all of them once more completes it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Change;

/// Bytes of the checksum at the end.
const CRC: usize = 4;
/// The length of a value that is none.
const NONE: u32 = u32::MAX;

/// What is handed over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HandOver {
    /// One more than that of the hand-over before.
    pub(super) number: u64,
    /// The changes.
    pub(super) changes: Vec<Change>,
}

/// The file of a hand-over; there is at most one.
#[derive(Debug)]
pub(super) struct Redo {
    dir: PathBuf,
}

impl Redo {
    /// The file in the store's folder.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Writes it down; it is on stable storage when this returns.
    pub(super) fn write(&self, hand_over: &HandOver) -> io::Result<()> {
        let mut bytes = encode(hand_over);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        let new = self.dir.join("redo.new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, self.path())?;
        File::open(&self.dir)?.sync_all()
    }

    /// The hand-over that was not completed.
    ///
    /// # Errors
    /// `InvalidData` when it is damaged: the store may be half changed.
    pub(super) fn read(&self) -> io::Result<Option<HandOver>> {
        let bytes = match std::fs::read(self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        decode(&bytes).map(Some)
    }

    /// The store has it all. A crash may bring the file back: making its changes again does no
    /// harm, because the next one takes its place before the store is changed further.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("redo")
    }
}

/// The number, then for each change the lengths of key and value, and both. A value that is to be
/// removed has the length [`NONE`].
fn encode(hand_over: &HandOver) -> Vec<u8> {
    let length = |change: &Change| 8 + change.0.len() + change.1.as_ref().map_or(0, Vec::len);
    let length: usize = hand_over.changes.iter().map(length).sum();
    let mut bytes = Vec::with_capacity(8 + length + CRC);
    bytes.extend_from_slice(&hand_over.number.to_le_bytes());
    let part = |part: &[u8]| u32::try_from(part.len()).unwrap_or(NONE).to_le_bytes();
    for (key, value) in &hand_over.changes {
        bytes.extend_from_slice(&part(key));
        bytes.extend_from_slice(&value.as_deref().map_or(NONE.to_le_bytes(), part));
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    bytes
}

fn decode(bytes: &[u8]) -> io::Result<HandOver> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the file redo is damaged");
    let (data, crc) = bytes.split_last_chunk::<CRC>().ok_or_else(damaged)?;
    if crc32c::crc32c(data) != u32::from_le_bytes(*crc) {
        return Err(damaged());
    }
    parse(data).ok_or_else(damaged)
}

fn parse(data: &[u8]) -> Option<HandOver> {
    let (number, mut rest) = data.split_first_chunk::<8>()?;
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_first_chunk::<4>()?;
        let (value, after) = after.split_first_chunk::<4>()?;
        let (key, after) = after.split_at_checked(u32::from_le_bytes(*key) as usize)?;
        let (value, after) = match u32::from_le_bytes(*value) {
            NONE => (None, after),
            length => {
                let (value, after) = after.split_at_checked(length as usize)?;
                (Some(value.to_vec()), after)
            }
        };
        changes.push((key.to_vec(), value));
        rest = after;
    }
    Some(HandOver {
        number: u64::from_le_bytes(*number),
        changes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand_over() -> HandOver {
        HandOver {
            number: 7,
            changes: vec![(vec![1, 2], Some(vec![3; 300])), (vec![4], None)],
        }
    }

    #[test]
    fn what_was_written_is_read_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let redo = Redo::new(dir.path());
        assert_eq!(redo.read().unwrap(), None);
        redo.write(&hand_over()).unwrap();
        assert_eq!(redo.read().unwrap(), Some(hand_over()));
        redo.remove().unwrap();
        redo.remove().unwrap();
        assert_eq!(redo.read().unwrap(), None);
    }

    #[test]
    fn each_flipped_bit_and_each_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let redo = Redo::new(dir.path());
        redo.write(&hand_over()).unwrap();
        let good = std::fs::read(redo.path()).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err(), "byte {at}");
            assert!(decode(&good[..at]).is_err(), "cut at {at}");
        }
    }
}
