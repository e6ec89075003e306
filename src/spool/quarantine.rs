//! Damage is set aside, counted and shown, never deleted (I6).

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::disk::{Disk, DiskFile};
use super::unreadable::{Patience, Unreadable, read_what_is_left};
use crate::mail::SpoolId;
use crate::telemetry::names;

/// Bytes copied at once.
const CHUNK: u64 = 1024 * 1024;

/// Behind the id of a damaged message.
const MAIMED: &str = ".damaged";

/// The message of a file in quarantine, if it is what is left of one.
pub(crate) fn maimed_name(name: &str) -> Option<SpoolId> {
    name.strip_suffix(MAIMED)?.parse().ok()
}

/// The file of a damaged range.
pub(crate) fn range_name(segment: u32, range: &Range<u64>) -> String {
    format!("{segment:010}-{}-{}.damaged", range.start, range.end)
}

/// The folder of damaged pieces.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    pub(crate) disk: Disk,
    pub(crate) dir: PathBuf,
}

impl Quarantine {
    /// That of the spool in a folder.
    pub(crate) fn of(disk: &Disk, spool: &Path) -> Self {
        Self {
            disk: disk.clone(),
            dir: spool.join("quarantine"),
        }
    }

    /// Copies a damaged range of a segment to a file named after its place. A range that is there
    /// already is left as it is.
    pub(crate) fn keep_range(
        &self,
        segment: u32,
        file: &dyn DiskFile,
        range: &Range<u64>,
    ) -> Result<(), SpoolError> {
        let path = self.dir.join(range_name(segment, range));
        tracing::error!(
            segment,
            from = range.start,
            to = range.end,
            copy = %path.display(),
            "a part of the log is damaged; it was copied to quarantine and skipped"
        );
        self.copy(file, range, &path)
    }

    /// Copies what is left of a damaged message to a file named after it. One that is there
    /// already is left as it is.
    pub(crate) fn keep_maimed(
        &self,
        id: SpoolId,
        file: &dyn DiskFile,
        range: &Range<u64>,
    ) -> Result<(), SpoolError> {
        let path = self.dir.join(format!("{id}{MAIMED}"));
        tracing::error!(
            %id,
            copy = %path.display(),
            "a message is damaged; it is held, and what is left was copied to quarantine"
        );
        self.copy(file, range, &path)
    }

    /// Notes a message of which nothing is left.
    pub(crate) fn keep_nothing(&self, id: SpoolId) -> Result<(), SpoolError> {
        let path = self.dir.join(format!("{id}{MAIMED}"));
        tracing::error!(%id, "the file of a message is gone; the message is held");
        self.make(&path, |_| Ok(()))
    }

    /// Notes what is lost without a piece that could be copied. A note that is there already is
    /// left as it is.
    pub(crate) fn keep_note(&self, name: &str, what: &str) -> Result<(), SpoolError> {
        let first = what.lines().next().unwrap_or_default();
        tracing::error!(
            note = name,
            what = first,
            "something is lost; quarantine has a note"
        );
        let path = self.dir.join(name);
        self.make(&path, |note| note.write_at(what.as_bytes(), 0))
    }

    /// Copies what the disk gives of a range; the rest is zeros.
    pub(crate) fn copy(
        &self,
        file: &dyn DiskFile,
        range: &Range<u64>,
        path: &Path,
    ) -> Result<(), SpoolError> {
        self.make(path, |copy| {
            let mut at = range.start;
            while at < range.end {
                let length = usize::try_from(CHUNK.min(range.end - at)).unwrap_or(0);
                let mut bytes = vec![0; length];
                let place = (bytes.as_mut_slice(), at);
                let mut unreadable = Unreadable::default();
                let read = read_what_is_left(file, place, Patience::Endless, &mut unreadable)?;
                bytes.truncate(read);
                if bytes.is_empty() {
                    break;
                }
                copy.write_at(&bytes, at - range.start)?;
                at += bytes.len() as u64;
            }
            Ok(())
        })
    }

    /// Makes a file that is whole when it has its name. One that is there is left as it is.
    fn make(
        &self,
        path: &Path,
        fill: impl FnOnce(&dyn DiskFile) -> std::io::Result<()>,
    ) -> Result<(), SpoolError> {
        let failed = |error| SpoolError::disk("writing", path, error);
        if self.disk.open(path).is_ok() {
            return Ok(());
        }
        let new = path.with_extension("new");
        // Of a copy that did not get far.
        match self.disk.remove(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let copy = self.disk.create(&new).map_err(failed)?;
        fill(&*copy)
            .and_then(|()| copy.sync())
            .and_then(|()| self.disk.rename(&new, path))
            .and_then(|()| self.disk.sync_dir(&self.dir))
            .map_err(failed)?;
        metrics::counter!(names::SPOOL_DAMAGED).increment(1);
        Ok(())
    }

    /// Moves a file that nothing refers to here.
    pub(crate) fn keep_file(&self, from: &Path, name: &str) -> Result<(), SpoolError> {
        let mut to = self.dir.join(name);
        // An earlier one of the same name stays (I6).
        for number in 2_u32.. {
            if self.disk.open(&to).is_err() {
                break;
            }
            to = self.dir.join(format!("{name}.{number}"));
        }
        tracing::warn!(
            file = %to.display(),
            "a message file that no record names is in quarantine now"
        );
        self.disk
            .rename(&from.join(name), &to)
            .and_then(|()| self.disk.sync_dir(&self.dir))
            .and_then(|()| self.disk.sync_dir(from))
            .map_err(|error| SpoolError::disk("moving", &to, error))
    }
}
