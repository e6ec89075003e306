//! A place for the indexes that a tool makes for itself.

use std::io;
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::index::Index;
use super::offline::Offline;

/// Below so much room a disk is left alone: it may be the reason why the tool is used.
const ROOM: u64 = 256 * 1024 * 1024;

/// A folder that goes when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: PathBuf) -> io::Result<Self> {
        remove(&dir)?;
        std::fs::create_dir(&dir)?;
        Ok(Self(dir))
    }

    /// A place in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next tool removes what is left.
        remove(&self.0).ok();
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Offline {
    /// A folder in `beside`, or in the system's folder for temporary files (`TMPDIR`) when nothing
    /// can be written there, or hardly anything.
    pub(super) fn scratch(&self, beside: &Path) -> Result<Scratch, SpoolError> {
        let room = self.world.disk.free_bytes(beside).unwrap_or(0);
        if room >= ROOM
            && let Ok(scratch) = Scratch::new(beside.join("index.tmp"))
        {
            return Ok(scratch);
        }
        let dir = std::env::temp_dir().join(format!("tideover-{}.tmp", std::process::id()));
        Scratch::new(dir.clone()).map_err(|error| SpoolError::disk("making", &dir, error))
    }

    /// Opens an index.
    pub(super) fn store(&self, dir: &Path) -> Result<Index, SpoolError> {
        let store = (self.world.open_store)(dir).map_err(SpoolError::Index)?;
        Ok(Index::new(store, self.options.index_pending))
    }

    /// A copy of the spool's index, because opening it may change it; `None` when there is none
    /// that can be opened.
    pub(super) fn copy_of_index(&self, scratch: &Scratch) -> Result<Option<Index>, SpoolError> {
        let (from, to) = (self.options.dir.join("index"), scratch.join("copy"));
        let copied = copy_folder(&from, &to);
        match copied.map_err(|error| SpoolError::disk("copying", &from, error))? {
            0 => Ok(None),
            _ => self.store(&to).map(Some),
        }
    }
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
