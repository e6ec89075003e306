//! A moving piece of a segment in memory, as far as the disk gives it.

use std::path::Path;
use std::sync::Arc;

use super::SpoolError;
use super::disk::DiskFile;
use super::record::{ALIGNMENT, HEADER};
use super::unreadable::{Patience, Unreadable, read_what_is_left};

const WINDOW: usize = 4 * 1024 * 1024;
static ZEROS: [u8; 4096] = [0; 4096];

/// A moving piece of a file in memory.
pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    pub(super) length: u64,
    start: u64,
    bytes: Vec<u8>,
    pub(super) patience: Patience,
    /// What the disk did not give so far; zero in the window.
    pub(super) unreadable: Unreadable,
}

impl Window {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Result<Self, SpoolError> {
        let length = file
            .len()
            .map_err(|error| SpoolError::disk("measuring", Path::new("a segment"), error))?;
        Ok(Self {
            file,
            length,
            start: 0,
            bytes: Vec::new(),
            patience: Patience::Some,
            unreadable: Unreadable::default(),
        })
    }

    /// `length` bytes from `at`, fewer at the end of the file.
    pub(super) fn get(&mut self, at: u64, length: usize) -> Result<&[u8], SpoolError> {
        let length = length.min(usize::try_from(self.length.saturating_sub(at)).unwrap_or(0));
        let inside =
            |start: u64, have: usize| at >= start && at + length as u64 <= start + have as u64;
        if !inside(self.start, self.bytes.len()) {
            // No more than there is: a small segment costs a small window.
            let rest = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
            let wanted = WINDOW.max(length).min(rest);
            if self.bytes.is_empty() {
                self.bytes = vec![0; wanted];
            }
            self.bytes.resize(wanted, 0);
            let place = (self.bytes.as_mut_slice(), at);
            let read = read_what_is_left(&*self.file, place, self.patience, &mut self.unreadable);
            let read =
                read.map_err(|error| SpoolError::disk("reading", Path::new("a segment"), error))?;
            self.bytes.truncate(read);
            self.start = at;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let to = from.saturating_add(length).min(self.bytes.len());
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }

    /// The next aligned place at or behind `at` where a record may begin.
    pub(super) fn find_magic(&mut self, mut at: u64) -> Result<Option<u64>, SpoolError> {
        while at < self.length {
            let chunk = self.get(at, WINDOW)?;
            if chunk.len() < HEADER {
                return Ok(None);
            }
            let hit = memchr::memmem::find_iter(chunk, b"TDR1")
                .find(|hit| (at + *hit as u64).is_multiple_of(ALIGNMENT as u64));
            match hit {
                Some(hit) => return Ok(Some(at + hit as u64)),
                // Chunks overlap by less than a header, so that none is cut in two.
                None => at += (chunk.len() - (HEADER - ALIGNMENT)) as u64,
            }
        }
        Ok(None)
    }

    /// Is there nothing from here on? Not when nobody can say.
    pub(super) fn is_zero_from(&mut self, mut at: u64) -> Result<bool, SpoolError> {
        let rest = at..self.length;
        while at < self.length {
            let chunk = self.get(at, WINDOW)?;
            let mut pieces = chunk.chunks(ZEROS.len());
            if pieces.any(|piece| Some(piece) != ZEROS.get(..piece.len())) {
                return Ok(false);
            }
            at += chunk.len().max(1) as u64;
        }
        Ok(!self.unreadable.touches(&rest))
    }
}
