//! A disk on which writing can be made to fail, or to stand still.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tideover::spool::{DiskFile, FileSystem, Lock, SystemDisk};

/// What each write says; `None`: it works.
pub(crate) type Fault = Arc<Mutex<Option<io::ErrorKind>>>;

/// Whether each sync waits until the disk goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stall(Arc<(Mutex<bool>, Condvar)>);

impl Stall {
    pub(crate) fn stand(&self) {
        *self.0.0.lock().unwrap() = true;
    }

    pub(crate) fn go_on(&self) {
        *self.0.0.lock().unwrap() = false;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let stands = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(stands, |stands| *stands).unwrap());
    }
}

#[derive(Debug)]
pub(crate) struct FaultyDisk(pub(crate) Fault, pub(crate) Stall);

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    fault: Fault,
    stall: Stall,
}

fn fail(fault: &Fault) -> io::Result<()> {
    fault
        .lock()
        .unwrap()
        .map_or(Ok(()), |kind| Err(kind.into()))
}

impl FaultyDisk {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it stands behind the calls that return it"
    )]
    fn wrap(&self, file: Arc<dyn DiskFile>) -> io::Result<Arc<dyn DiskFile>> {
        let (fault, stall) = (Arc::clone(&self.0), self.1.clone());
        Ok(Arc::new(FaultyFile { file, fault, stall }))
    }
}

impl FileSystem for FaultyDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        fail(&self.0)?;
        SystemDisk.create(path).and_then(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        SystemDisk.open(path).and_then(|file| self.wrap(file))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        SystemDisk
            .open_to_write(path)
            .and_then(|file| self.wrap(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.free_bytes(path)
    }

    fn folder_bytes(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.folder_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        SystemDisk.lock(path)
    }
}

impl DiskFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        fail(&self.fault)?;
        self.file.write_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.stall.wait();
        self.file.sync()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
