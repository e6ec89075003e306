//! A disk that forgets what was not synced.
//!
//! Files keep two images: what a reader sees, and what is on stable storage. Names of files are
//! durable only after the folder was synced. [`SimDisk::power_cut`] throws away what is not
//! stable, except for sectors that happened to reach the platter.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tideover::spool::{DiskFile, FileSystem, Lock};

use crate::chance::Chance;

const SECTOR: usize = 512;

/// A disk in memory; cheap to clone, all clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// Names as the running system sees them.
    names: BTreeMap<PathBuf, Image>,
    /// Names that survive a power cut.
    stable_names: BTreeMap<PathBuf, Image>,
    /// Syncs do nothing: the negative control.
    syncs_lie: bool,
    /// Counts power cuts: files that were open before one are dead.
    life: u32,
    /// Counts what was asked for, reading aside.
    steps: u64,
    /// Counts reads.
    reads: u64,
    /// The read that fails.
    failing_read: u64,
    /// No file can be opened.
    away: bool,
    /// Bytes free, when it is not endless.
    free: Option<u64>,
    /// Bytes that all files may have together, when it is not endless.
    room: Option<usize>,
    /// How often that was asked.
    asked: u64,
    /// What goes wrong, and at which step.
    trouble: Option<(u64, Trouble)>,
}

/// What can go wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The power goes: nothing works any more.
    PowerCut,
    /// One step fails, in the middle of it when it is a write.
    Once(io::ErrorKind),
    /// Every step fails from then on, until [`SimDisk::heal`].
    Until(io::ErrorKind),
}

type Image = Arc<Mutex<Content>>;

#[derive(Debug, Default, Clone)]
struct Content {
    seen: Vec<u8>,
    stable: Vec<u8>,
    /// What differs between the two, at most.
    dirty: Range<usize>,
    /// A sync failed: the system has dropped what it should have written, and will not try again.
    dropped: bool,
    /// What the platter does not give any more.
    broken: Range<usize>,
}

impl Content {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.seen.len() < end {
            self.resize(end);
        }
        self.seen[at..end].copy_from_slice(bytes);
        self.touch(at..end);
    }

    fn resize(&mut self, length: usize) {
        let before = self.seen.len();
        self.touch(before.min(length)..before.max(length));
        self.seen.truncate(length);
        self.seen
            .append(&mut vec![0; length.saturating_sub(before)]);
    }

    fn touch(&mut self, range: Range<usize>) {
        self.dirty = if self.dirty.is_empty() {
            range
        } else {
            self.dirty.start.min(range.start)..self.dirty.end.max(range.end)
        };
    }

    /// All of it is on stable storage.
    fn settle(&mut self) {
        let length = self.seen.len();
        self.stable.truncate(length);
        let from = self.dirty.start.min(self.stable.len());
        let to = self.dirty.end.min(self.stable.len());
        if from < to {
            self.stable[from..to].copy_from_slice(&self.seen[from..to]);
        }
        self.stable
            .extend_from_slice(&self.seen[self.stable.len()..]);
        self.dirty = 0..0;
    }
}

impl SimDisk {
    /// A disk whose syncs only pretend.
    pub(crate) fn lying() -> Self {
        let disk = Self::default();
        disk.platter().syncs_lie = true;
        disk
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no room for more than there is, and none when recovery has cut what a crash left.
    pub(crate) fn fill_behind_recovery(&self) {
        let platter = self.platter();
        for (name, image) in &platter.names {
            let mut content = image.lock().unwrap_or_else(PoisonError::into_inner);
            if name.extension().is_some_and(|kind| kind == "seg") {
                let end = content.seen.iter().rposition(|byte| *byte != 0);
                let end = end.map_or(0, |end| (end + 1).next_multiple_of(8));
                content.resize(end);
                content.settle();
            }
        }
        drop(platter);
        let taken = self.taken();
        self.platter().room = Some(taken);
    }

    /// Bytes of all files.
    fn taken(&self) -> usize {
        let platter = self.platter();
        let images = platter.names.values();
        let length = |image: &Image| {
            let content = image.lock().unwrap_or_else(PoisonError::into_inner);
            content.seen.len()
        };
        images.map(length).sum()
    }

    /// Is there room for so many bytes more?
    fn grow(&self, bytes: usize) -> io::Result<()> {
        let room = self.platter().room;
        if bytes > 0 && room.is_some_and(|room| self.taken() + bytes > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Something goes wrong at this step, counted from 1.
    pub(crate) fn arrange(&self, step: u64, trouble: Trouble) {
        self.platter().trouble = Some((step, trouble));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.platter().trouble = None;
    }

    /// Steps so far.
    pub(crate) fn steps(&self) -> u64 {
        self.platter().steps
    }

    /// A disk with the same content.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::default();
        let platter = self.platter();
        let mut other = copy.platter();
        for (name, image) in &platter.names {
            let content = image.lock().unwrap().clone();
            other
                .names
                .insert(name.clone(), Arc::new(Mutex::new(content)));
        }
        other.stable_names = other.names.clone();
        drop(other);
        copy
    }

    /// Content of a file, to look at or to damage.
    pub(crate) fn edit(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        let image = Arc::clone(&self.platter().names[path]);
        let mut content = image.lock().unwrap();
        edit(&mut content.seen);
        content.dirty = 0..usize::MAX;
        content.settle();
    }

    /// These bytes of a file cannot be read any more.
    pub(crate) fn break_bytes(&self, path: &Path, broken: Range<usize>) {
        let image = Arc::clone(&self.platter().names[path]);
        image.lock().unwrap().broken = broken;
    }

    /// No file can be opened, until [`Self::bring_back`].
    pub(crate) fn take_away(&self) {
        self.platter().away = true;
    }

    /// Files can be opened again.
    pub(crate) fn bring_back(&self) {
        self.platter().away = false;
    }

    /// This read fails, counted from 1; 0: none.
    pub(crate) fn fail_read(&self, read: u64) {
        self.platter().failing_read = read;
    }

    /// So many bytes are free; how often that was asked so far.
    pub(crate) fn set_free(&self, free: u64) -> u64 {
        let mut platter = self.platter();
        platter.free = Some(free);
        platter.asked
    }

    /// Reads so far.
    pub(crate) fn reads(&self) -> u64 {
        self.platter().reads
    }

    /// How many files a folder has.
    pub(crate) fn names_in(&self, folder: &str) -> usize {
        self.list(Path::new(folder)).unwrap().len()
    }

    /// Every file as a reader sees it.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let platter = self.platter();
        let names = platter.names.iter();
        names
            .map(|(name, image)| (name.clone(), image.lock().unwrap().seen.clone()))
            .collect()
    }

    fn step(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.steps += 1;
        let now = platter.steps;
        match platter.trouble {
            Some((at, Trouble::PowerCut)) if now >= at => Err(io::Error::other("the power went")),
            Some((at, Trouble::Once(kind))) if now == at => Err(kind.into()),
            Some((at, Trouble::Until(kind))) if now >= at => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// The power goes: unsynced names vanish, unsynced sectors survive by chance.
    pub(crate) fn power_cut(&self, chance: &mut Chance) {
        let mut platter = self.platter();
        platter.life += 1;
        platter.names = platter
            .stable_names
            .iter()
            .map(|(name, image)| {
                let content = image.lock().unwrap().clone();
                let torn = tear(&content, chance);
                let image = Content {
                    seen: torn.clone(),
                    stable: torn,
                    ..Content::default()
                };
                (name.clone(), Arc::new(Mutex::new(image)))
            })
            .collect();
        platter.stable_names = platter.names.clone();
    }
}

/// The stable image with some of the unsynced sectors.
fn tear(content: &Content, chance: &mut Chance) -> Vec<u8> {
    let mut result = content.stable.clone();
    let keep = chance.below(3);
    for at in (0..content.seen.len()).step_by(SECTOR) {
        let end = (at + SECTOR).min(content.seen.len());
        let survives = match keep {
            0 => false,
            1 => true,
            _ => chance.below(2) == 0,
        };
        if survives {
            if result.len() < end {
                result.resize(end, 0);
            }
            result[at..end].copy_from_slice(&content.seen[at..end]);
        }
    }
    result
}

impl FileSystem for SimDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.step()?;
        let mut platter = self.platter();
        if platter.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let image = Image::default();
        platter.names.insert(path.to_owned(), Arc::clone(&image));
        Ok(self.handle(image, platter.life))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let platter = self.platter();
        if platter.away {
            return Err(io::Error::other("the disk is away"));
        }
        let image = platter.names.get(path).cloned();
        let image = image.ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(image, platter.life))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let mut platter = self.platter();
        let image = platter.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        platter.names.insert(to.to_owned(), image);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let removed = self.platter().names.remove(path);
        removed.map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let platter = self.platter();
        Ok(platter
            .names
            .keys()
            .filter(|name| name.parent() == Some(path))
            .filter_map(|name| name.file_name()?.to_str().map(str::to_owned))
            .collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut platter = self.platter();
        if platter.syncs_lie {
            return Ok(());
        }
        let inside = |name: &Path| name.parent() == Some(path);
        platter.stable_names.retain(|name, _| !inside(name));
        let now: Vec<_> = platter
            .names
            .iter()
            .filter(|(name, _)| inside(name))
            .map(|(name, image)| (name.clone(), Arc::clone(image)))
            .collect();
        platter.stable_names.extend(now);
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let mut platter = self.platter();
        platter.asked += 1;
        Ok(platter.free.unwrap_or(u64::MAX))
    }

    fn folder_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(0)
    }

    fn lock(&self, _: &Path) -> io::Result<Lock> {
        Ok(Box::new(()))
    }
}

impl SimDisk {
    fn handle(&self, image: Image, life: u32) -> Arc<dyn DiskFile> {
        Arc::new(SimFile {
            disk: self.clone(),
            image,
            life,
        })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    image: Image,
    life: u32,
}

impl SimFile {
    fn content(&self) -> io::Result<MutexGuard<'_, Content>> {
        if self.disk.platter().life == self.life {
            Ok(self.image.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            Err(io::Error::other("the power went"))
        }
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let whole = self.disk.step();
        let bytes = match &whole {
            Ok(()) => bytes,
            // What a failing disk writes is a part, and not what counts.
            Err(_) => &bytes[..bytes.len() / 2],
        };
        let at = usize::try_from(offset).unwrap();
        let length = self.content()?.seen.len();
        self.disk.grow((at + bytes.len()).saturating_sub(length))?;
        self.content()?.write(at, bytes);
        whole
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut platter = self.disk.platter();
        platter.reads += 1;
        if platter.reads == platter.failing_read {
            return Err(io::Error::other("cannot be read"));
        }
        drop(platter);
        let content = self.content()?;
        let at = usize::try_from(offset).unwrap().min(content.seen.len());
        let length = buffer.len().min(content.seen.len() - at);
        if at < content.broken.end && content.broken.start < at + length {
            return Err(io::Error::from_raw_os_error(5));
        }
        buffer[..length].copy_from_slice(&content.seen[at..at + length]);
        Ok(length)
    }

    fn sync(&self) -> io::Result<()> {
        let works = self.disk.step();
        let lies = self.disk.platter().syncs_lie;
        let mut content = self.content()?;
        content.dropped |= works.is_err();
        if content.dropped {
            let length = content.seen.len().min(content.stable.len());
            content.stable.truncate(length);
        } else if !lies {
            content.settle();
        }
        works
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.step()?;
        let length = usize::try_from(length).unwrap();
        let before = self.content()?.seen.len();
        self.disk.grow(length.saturating_sub(before))?;
        self.content()?.resize(length);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content()?.seen.len() as u64)
    }
}
