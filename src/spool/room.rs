//! Room on the disk, and for bodies in memory: both are asked for each message, so both are cheap.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::SpoolError;
use super::handle::Spool;
use crate::base::Timestamp;
use crate::limits;

/// A measurement of the disk is believed for this long.
const BELIEVED: Duration = Duration::from_secs(1);

/// What is left of disk and memory; shared by all drafts.
#[derive(Debug, Default)]
pub(crate) struct Room {
    measured: Mutex<Option<(Timestamp, u64)>>,
    /// Bytes written since.
    written: AtomicU64,
    /// Bytes of bodies in memory.
    in_memory: AtomicU64,
}

impl Room {
    /// So many bytes are written.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes free for certain by an earlier measurement that is still believed.
    fn remembered(&self, now: Timestamp) -> Option<u64> {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, free) = (*measured)?;
        at.is_within(BELIEVED, now)
            .then(|| free.saturating_sub(self.written.load(Ordering::Relaxed)))
    }

    fn remember(&self, now: Timestamp, free: u64) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        self.written.store(0, Ordering::Relaxed);
        *measured = Some((now, free));
    }
}

/// The share that one body has of the memory for bodies; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Arc<Room>,
    bytes: u64,
}

impl Share {
    pub(crate) const fn none(room: Arc<Room>) -> Self {
        Self { room, bytes: 0 }
    }

    /// It is so large now. Is all that bodies take together within the bound? Otherwise this one
    /// has to become smaller.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let all = &self.room.in_memory;
        all.fetch_add(bytes, Ordering::Relaxed);
        let before = all.fetch_sub(self.bytes, Ordering::Relaxed);
        let now = before.saturating_sub(self.bytes);
        self.bytes = bytes;
        now <= limits::BODIES_IN_MEMORY
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.in_memory.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Below so many free bytes no mail is taken, when the config says `min_free`.
#[must_use]
pub fn kept_free(min_free: u64) -> u64 {
    min_free.max(limits::SPOOL_LEAST_FREE)
}

impl Spool {
    /// Is there room for more mail? The disk is measured at most once a second while there is
    /// plenty, and each time when it gets tight.
    ///
    /// # Errors
    /// [`SpoolError::Full`] below `spool.min_free`, [`SpoolError::Closed`].
    pub fn admission(&self) -> Result<(), SpoolError> {
        if self.0.jobs.is_closed() {
            return Err(SpoolError::Closed);
        }
        let (room, options) = (&self.0.big.room, &self.0.options);
        let min_free = kept_free(options.min_free);
        let now = self.0.clock.now();
        // A new segment takes its whole size at once.
        let plenty = min_free.saturating_add(2 * options.segment_size);
        if room.remembered(now).is_some_and(|free| free >= plenty) {
            return Ok(());
        }
        match self.0.disk.free_bytes(&options.dir) {
            Ok(free) if free < min_free => Err(SpoolError::Full { free, min_free }),
            Ok(free) => {
                room.remember(now, free);
                Ok(())
            }
            Err(error) => Err(SpoolError::disk("measuring", &options.dir, error)),
        }
    }

    /// Bytes of bodies that are on their way in and in memory.
    #[must_use]
    pub fn bodies_in_memory(&self) -> u64 {
        self.0.big.room.in_memory.load(Ordering::Relaxed)
    }
}
