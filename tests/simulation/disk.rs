//! A disk that forgets what was not synced.
//!
//! Files keep two images: what a reader sees, and what is on stable storage. Names of files are
//! durable only after the folder was synced. [`SimDisk::power_cut`] throws away what is not
//! stable, except for sectors that happened to reach the platter.

use std::collections::BTreeMap;
use std::io;
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
}

type Image = Arc<Mutex<Content>>;

#[derive(Debug, Default, Clone)]
struct Content {
    seen: Vec<u8>,
    stable: Vec<u8>,
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
        let image = platter.names.get(path).cloned();
        let image = image.ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(image, platter.life))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        let image = platter.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        platter.names.insert(to.to_owned(), image);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
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
        Ok(u64::MAX)
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
        let mut content = self.content()?;
        let at = usize::try_from(offset).unwrap();
        let end = at + bytes.len();
        if content.seen.len() < end {
            content.seen.resize(end, 0);
        }
        content.seen[at..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content()?;
        let at = usize::try_from(offset).unwrap().min(content.seen.len());
        let length = buffer.len().min(content.seen.len() - at);
        buffer[..length].copy_from_slice(&content.seen[at..at + length]);
        Ok(length)
    }

    fn sync(&self) -> io::Result<()> {
        let lies = self.disk.platter().syncs_lie;
        let mut content = self.content()?;
        if !lies {
            let Content { seen, stable } = &mut *content;
            stable.clone_from(seen);
        }
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap();
        self.content()?.seen.resize(length, 0);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content()?.seen.len() as u64)
    }
}
