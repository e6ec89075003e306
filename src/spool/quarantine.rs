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

/// How the name of a copy ends that is still being made.
const UNFINISHED: &str = "new";

/// Is this file in quarantine a piece, and not a copy that did not get far?
pub(crate) fn is_piece(name: &str) -> bool {
    Path::new(name).extension() != Some(UNFINISHED.as_ref())
}

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

    /// The names of its pieces; there may be no such folder yet.
    pub(crate) fn pieces(&self) -> Vec<String> {
        let mut names = self.disk.list(&self.dir).unwrap_or_default();
        names.retain(|name| is_piece(name));
        names
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
        self.copy(file, range, &path)?;
        tracing::error!(
            segment,
            from = range.start,
            to = range.end,
            copy = %path.display(),
            "a part of the log is damaged; it was copied to quarantine and skipped"
        );
        Ok(())
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
        self.copy(file, range, &path)?;
        // Perhaps nobody waits for it any more: who holds it says so.
        tracing::error!(
            %id,
            copy = %path.display(),
            "a message is damaged; what is left of it was copied to quarantine"
        );
        Ok(())
    }

    /// Notes a message of which nothing is left.
    pub(crate) fn keep_nothing(&self, id: SpoolId) -> Result<(), SpoolError> {
        let path = self.dir.join(format!("{id}{MAIMED}"));
        self.make(&path, |_| Ok(()))?;
        tracing::error!(%id, "the file of a message is gone; quarantine has a note");
        Ok(())
    }

    /// Notes what is lost without a piece that could be copied. A note that is there already is
    /// left as it is.
    pub(crate) fn keep_note(&self, name: &str, what: &str) -> Result<(), SpoolError> {
        let first = what.lines().next().unwrap_or_default();
        let path = self.dir.join(name);
        self.make(&path, |note| note.write_at(what.as_bytes(), 0))?;
        tracing::error!(
            note = name,
            what = first,
            "something is lost; quarantine has a note"
        );
        Ok(())
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
        let new = path.with_extension(UNFINISHED);
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
            .map_err(|error| {
                // What did not get far is no piece, and takes no room.
                self.disk.remove(&new).ok();
                failed(error)
            })?;
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    use super::*;
    use crate::spool::SystemDisk;

    /// What is to be copied cannot be: as on a full disk, the copy is begun and does not end.
    #[derive(Debug)]
    struct Away;

    impl DiskFile for Away {
        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn sync(&self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn allocate(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn len(&self) -> io::Result<u64> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<String>>);

    impl tracing::field::Visit for Heard {
        fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            let told = format!("{value:?}\n");
            self.0.lock().unwrap().push_str(&told);
        }
    }

    impl<S: tracing::Subscriber> Layer<S> for Heard {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            event.record(&mut self.clone());
        }
    }

    fn heard(what: impl FnOnce()) -> String {
        let heard = Heard::default();
        let subscriber = tracing_subscriber::registry().with(heard.clone());
        tracing::subscriber::with_default(subscriber, what);
        heard.0.lock().unwrap().clone()
    }

    #[test]
    fn a_copy_that_does_not_end_is_not_said_to_be_there_and_is_no_piece() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Disk = Arc::new(SystemDisk);
        let quarantine = Quarantine::of(&disk, dir.path());
        std::fs::create_dir(&quarantine.dir).unwrap();
        let id: SpoolId = "0S9W301QR0000".parse().unwrap();
        let names = || disk.list(&quarantine.dir).unwrap();
        let said = heard(|| {
            assert!(quarantine.keep_maimed(id, &Away, &(0..10)).is_err());
            assert!(quarantine.keep_range(3, &Away, &(0..10)).is_err());
        });
        assert_eq!((said.as_str(), names()), ("", vec![]));
        // A crash left the begin of a copy behind.
        let begun = quarantine.dir.join(format!("{id}.new"));
        std::fs::write(begun, "what was begun before").unwrap();
        let good = dir.path().join("good");
        std::fs::write(&good, b"what is left").unwrap();
        let good = disk.open(&good).unwrap();
        let said = heard(|| quarantine.keep_maimed(id, &*good, &(0..10)).unwrap());
        assert!(said.contains("copied to quarantine"), "{said}");
        assert!(!said.contains("held"), "who holds it says so: {said}");
        assert_eq!(names(), [format!("{id}.damaged")]);
        let copy = std::fs::read(quarantine.dir.join(&names()[0])).unwrap();
        assert_eq!(copy, b"what is le");
        assert!(is_piece(&names()[0]) && !is_piece(&format!("{id}.new")));
    }
}
