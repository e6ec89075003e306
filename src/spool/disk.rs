//! The disk as an argument: what the spool needs of a file system, and the real one.
//!
//! A simulation puts a disk under the spool that forgets what was not synced.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A shared disk; cheap to clone.
pub type Disk = Arc<dyn FileSystem>;

/// A file system. All calls block.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// Makes a folder and those above it, durably; only their owner may open them.
    ///
    /// # Errors
    /// As the system says; likewise for all calls below.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes a new file; an existing one is an error.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// As the system says.
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file within the disk.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names of the files in a folder, sorted.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Makes the names in a folder durable (fsync of the folder).
    ///
    /// # Errors
    /// As the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes free for this program.
    ///
    /// # Errors
    /// As the system says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Bytes that the files of a folder take; not of the folders in it.
    ///
    /// # Errors
    /// As the system says.
    fn folder_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Locks a file for this process until the result is dropped; `WouldBlock` when another one
    /// has it.
    ///
    /// # Errors
    /// As the system says.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
}

/// Held while the spool is open.
pub type Lock = Box<dyn std::any::Any + Send + Sync>;

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "nobody asks")]
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the system says; part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reads up to the length of `buffer`; less only at the end of the file.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// fdatasync: returns when all that was written is on stable storage.
    ///
    /// # Errors
    /// As the system says. What was written since the last success may be lost then, for good.
    fn sync(&self) -> io::Result<()>;
    /// Reserves space for `length` bytes, read as zeros until they are written.
    ///
    /// # Errors
    /// When the space is not there.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts or extends the file.
    ///
    /// # Errors
    /// As the system says.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Its length.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy)]
pub struct SystemDisk;

impl FileSystem for SystemDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.create_dir_all(parent)?;
        }
        // Subjects and accounts are in these files, whatever mode sled gives them.
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        self.sync_dir(parent.unwrap_or_else(|| Path::new(".")))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(SystemFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SystemFile(File::open(path)?)))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(SystemFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn folder_bytes(&self, path: &Path) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt as _;
        let mut bytes = 0;
        for entry in std::fs::read_dir(path)? {
            // Blocks, not length: a segment has space reserved that is not written yet. A file
            // that vanishes meanwhile takes nothing.
            bytes += entry?
                .metadata()
                .map_or(0, |metadata| metadata.blocks() * 512);
        }
        Ok(bytes)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = match opened {
            // Of a disk to which nobody can write; that may have none.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                match File::open(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Ok(Box::new(()));
                    }
                    file => file?,
                }
            }
            file => file?,
        };
        lock_when_free(&file)?;
        Ok(Box::new(file))
    }
}

/// How often, and how far apart, a lock is tried that somebody has: a program that is about to end
/// has it for a moment still, and so has a child between its fork and its exec.
const LOCK_TRIES: u32 = 40;
const LOCK_WAIT: Duration = Duration::from_millis(25);

#[expect(
    clippy::disallowed_methods,
    reason = "the system tells nobody when a lock is free; the caller blocks anyhow"
)]
fn lock_when_free(file: &File) -> io::Result<()> {
    let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    let mut tries = 0;
    loop {
        match rustix::fs::flock(file, operation) {
            Err(rustix::io::Errno::WOULDBLOCK) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_WAIT);
            }
            other => return Ok(other?),
        }
    }
}

#[derive(Debug)]
struct SystemFile(File);

impl DiskFile for SystemFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mode = rustix::fs::FallocateFlags::empty();
        match rustix::fs::fallocate(&self.0, mode, 0, length) {
            // Some file systems (ZFS, NFS 3) cannot reserve; the log works there as well.
            Err(rustix::io::Errno::OPNOTSUPP) => self.0.set_len(length),
            other => Ok(other?),
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
