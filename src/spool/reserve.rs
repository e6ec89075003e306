//! Space that is kept for a disk without any: what becomes of stored mail can be written down for a
//! while then, and the program can start again.

use std::io;
use std::path::PathBuf;

use super::disk::Disk;
use crate::limits;

/// The file that keeps the space. Nothing stands in it.
#[derive(Debug)]
pub(super) struct Reserve {
    disk: Disk,
    path: PathBuf,
    is_there: bool,
}

impl Reserve {
    pub(super) const fn new(disk: Disk, path: PathBuf) -> Self {
        Self {
            disk,
            path,
            is_there: false,
        }
    }

    /// Makes it, if it is not there and leaves enough for others. A disk that gives none goes
    /// without.
    pub(super) fn make(&mut self, free: io::Result<u64>) {
        if self.is_there || free.is_ok_and(|free| free < 2 * limits::SPOOL_RESERVE) {
            return;
        }
        let made = self.lay();
        if made.is_err() {
            self.disk.remove(&self.path).ok();
        }
        self.is_there = made.is_ok();
    }

    fn lay(&self) -> io::Result<()> {
        let file = match self.disk.create(&self.path) {
            // That of an earlier start, which may have come to nothing.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.open_to_write(&self.path)?
            }
            other => other?,
        };
        file.allocate(limits::SPOOL_RESERVE)?;
        file.sync()?;
        self.disk.sync_dir(self.path.parent().unwrap_or(&self.path))
    }

    /// Gives its space back; has it?
    pub(super) fn release(&mut self) -> bool {
        self.is_there = false;
        // Also that of an earlier start.
        let released = self.disk.remove(&self.path).is_ok();
        if released {
            tracing::warn!("the disk is full: the space that is kept for what is stored is used");
        }
        released
    }
}
