//! A message on its way in: in memory while it is small, in a file of its own when it grows.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::SpoolError;
use super::disk::{Disk, DiskFile};
use super::event::BigFile;
use super::identity::is_marked;
use super::room::{Room, Share};
use crate::mail::{Signing, SpoolId};

/// Bytes that are written to the file at once.
const CHUNK: usize = 256 * 1024;
/// The same when bodies take all the memory that they may.
const SMALL_CHUNK: usize = 32 * 1024;

/// A body on its way in. Dropped without [`super::Spool::accept`] it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    id: SpoolId,
    length: u64,
    buffer: Vec<u8>,
    /// Beyond this many bytes it goes to a file.
    in_memory: usize,
    home: BigHome,
    file: Option<Overflow>,
    share: Share,
    /// Who signs it, when we write it ourselves.
    signing: Option<Box<dyn Signing>>,
}

/// Where large bodies are.
#[derive(Debug, Clone)]
pub(crate) struct BigHome {
    pub(crate) disk: Disk,
    pub(crate) dir: PathBuf,
    /// What is left for bodies on their way in.
    pub(crate) room: Arc<Room>,
}

impl BigHome {
    /// The file of a large message.
    pub(crate) fn path(&self, id: SpoolId) -> PathBuf {
        self.dir.join(format!("{id}.eml"))
    }

    /// The file of a large message, to be read.
    ///
    /// # Errors
    /// [`SpoolError::NoBig`] when it is not there because nothing is.
    pub(crate) fn open(&self, id: SpoolId) -> Result<Arc<dyn DiskFile>, SpoolError> {
        let path = self.path(id);
        self.disk.open(&path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                self.check()
                    .err()
                    .unwrap_or_else(|| SpoolError::disk("opening", &path, error))
            } else {
                SpoolError::disk("opening", &path, error)
            }
        })
    }

    /// Is the folder there, and not only the place where it should be mounted?
    pub(crate) fn check(&self) -> Result<(), SpoolError> {
        if is_marked(&self.disk, &self.dir) {
            return Ok(());
        }
        Err(SpoolError::NoBig(self.dir.display().to_string()))
    }

    fn unfinished_path(&self, id: SpoolId) -> PathBuf {
        self.dir.join(format!("{id}.tmp"))
    }
}

#[derive(Debug)]
struct Overflow {
    file: Arc<dyn DiskFile>,
    written: u64,
    crc: u32,
}

impl Overflow {
    /// Moves what is written, from its end on, and writes `front` before it.
    fn moved_behind(mut self, front: &[u8]) -> std::io::Result<Self> {
        let mut piece = vec![0; CHUNK];
        let distance = front.len() as u64;
        let mut end = self.written;
        while end > 0 {
            let begin = end.saturating_sub(CHUNK as u64);
            let length = usize::try_from(end - begin).unwrap_or(CHUNK);
            let piece = piece.get_mut(..length).unwrap_or_default();
            let mut filled = 0;
            while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match self.file.read_at(rest, begin + filled as u64)? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    count => filled += count,
                }
            }
            self.file.write_at(piece, begin + distance)?;
            end = begin;
        }
        self.file.write_at(front, 0)?;
        let length = usize::try_from(self.written).unwrap_or(usize::MAX);
        self.crc = crc32c::crc32c_combine(crc32c::crc32c(front), self.crc, length);
        self.written += distance;
        Ok(self)
    }
}

/// A body that is ready to be committed.
#[derive(Debug)]
pub(crate) enum Finished {
    /// It goes into the log.
    Small(Bytes),
    /// It is on stable storage in its own file.
    Big(BigFile),
}

impl Draft {
    pub(crate) fn new(id: SpoolId, in_memory: usize, home: BigHome) -> Self {
        Self {
            share: Share::none(Arc::clone(&home.room)),
            id,
            length: 0,
            buffer: Vec::new(),
            in_memory,
            home,
            file: None,
            signing: None,
        }
    }

    /// Signed by `signing` when it is complete.
    pub(crate) fn signed(mut self, signing: Option<Box<dyn Signing>>) -> Self {
        self.signing = signing;
        self
    }

    /// The id that the message gets; known beforehand because `Received` carries it.
    #[must_use]
    pub const fn id(&self) -> SpoolId {
        self.id
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Nothing yet?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends bytes of the message. Beyond [`crate::limits::BODY_IN_MEMORY`] they go to a file.
    ///
    /// # Errors
    /// [`SpoolError::Disk`] when the file cannot be written.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        if let Some(signing) = &mut self.signing {
            signing.push(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        let has_room = self.share.resize(self.buffer.capacity());
        let limit = match &self.file {
            // Many large bodies come at once: each gets less.
            _ if !has_room => SMALL_CHUNK.min(self.in_memory),
            Some(_) => CHUNK,
            None => self.in_memory,
        };
        if self.buffer.len() > limit {
            self.overflow().await?;
        }
        Ok(())
    }

    /// Puts bytes in front of everything: what is known of a message only when it has come whole.
    /// What is in a file already is moved within it.
    ///
    /// # Errors
    /// [`SpoolError::Disk`] when the file cannot be written.
    pub async fn prepend(&mut self, front: &[u8]) -> Result<(), SpoolError> {
        let Some(overflow) = self.file.take() else {
            self.length += front.len() as u64;
            self.buffer.splice(..0, front.iter().copied());
            // An append, for its bounds.
            return self.append(&[]).await;
        };
        let path = self.home.unfinished_path(self.id);
        let front = front.to_vec();
        self.length += front.len() as u64;
        self.home.room.wrote(overflow.written);
        let moved = blocking(move || {
            overflow
                .moved_behind(&front)
                .map_err(|error| SpoolError::disk("writing to", &path, error))
        });
        self.file = Some(moved.await?);
        Ok(())
    }

    /// Up to `most` of its bytes, from `at` on; none at its end.
    ///
    /// # Errors
    /// [`SpoolError::Disk`] when the file cannot be read.
    pub async fn read_at(&self, at: u64, most: usize) -> Result<Bytes, SpoolError> {
        let written = self.file.as_ref().map_or(0, |overflow| overflow.written);
        let Some(overflow) = self.file.as_ref().filter(|_| at < written) else {
            let begin = usize::try_from(at - written).unwrap_or(usize::MAX);
            let rest = self.buffer.get(begin..).unwrap_or_default();
            return Ok(Bytes::copy_from_slice(rest.get(..most).unwrap_or(rest)));
        };
        let (file, path) = (
            Arc::clone(&overflow.file),
            self.home.unfinished_path(self.id),
        );
        let most = usize::try_from(written - at).map_or(most, |left| most.min(left));
        blocking(move || {
            let mut piece = vec![0; most];
            let mut filled = 0;
            while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                let read = file.read_at(rest, at + filled as u64);
                match read.map_err(|error| SpoolError::disk("reading", &path, error))? {
                    0 => {
                        let error = std::io::ErrorKind::UnexpectedEof.into();
                        return Err(SpoolError::disk("reading", &path, error));
                    }
                    count => filled += count,
                }
            }
            Ok(piece.into())
        })
        .await
    }

    /// Writes the buffer to the file.
    async fn overflow(&mut self) -> Result<(), SpoolError> {
        let mut overflow = match self.file.take() {
            Some(overflow) => overflow,
            None => Overflow {
                file: self.create()?,
                written: 0,
                crc: 0,
            },
        };
        let buffer = std::mem::take(&mut self.buffer);
        let written = buffer.len() as u64;
        let path = self.home.unfinished_path(self.id);
        let (overflow, buffer) = blocking(move || {
            overflow
                .file
                .write_at(&buffer, overflow.written)
                .map_err(|error| SpoolError::disk("writing to", &path, error))?;
            overflow.written += buffer.len() as u64;
            overflow.crc = crc32c::crc32c_append(overflow.crc, &buffer);
            Ok((overflow, buffer))
        })
        .await?;
        self.file = Some(overflow);
        self.buffer = buffer;
        self.buffer.clear();
        self.buffer.shrink_to(2 * CHUNK);
        if !self.share.resize(self.buffer.capacity()) {
            self.buffer.shrink_to(SMALL_CHUNK);
            self.share.resize(self.buffer.capacity());
        }
        self.home.room.wrote(written);
        Ok(())
    }

    fn create(&self) -> Result<Arc<dyn DiskFile>, SpoolError> {
        self.home.check()?;
        let path = self.home.unfinished_path(self.id);
        self.home
            .disk
            .create(&path)
            .map_err(|error| SpoolError::disk("making", &path, error))
    }

    /// Makes a large body durable, file and folder, before the log names it (decision 2).
    pub(crate) async fn finish(mut self) -> Result<(Finished, Share), SpoolError> {
        if let Some(signing) = self.signing.take() {
            let front = signing.finish();
            self.prepend(&front).await?;
        }
        let room = Arc::clone(&self.home.room);
        if self.file.is_none() {
            let body = std::mem::take(&mut self.buffer).into();
            let share = std::mem::replace(&mut self.share, Share::none(room));
            return Ok((Finished::Small(body), share));
        }
        if !self.buffer.is_empty() {
            self.overflow().await?;
        }
        let Some(overflow) = self.file.as_ref() else {
            return Err(SpoolError::Closed);
        };
        let big = BigFile {
            size: overflow.written,
            crc32c: overflow.crc,
        };
        let file = Arc::clone(&overflow.file);
        let (home, id) = (self.home.clone(), self.id);
        blocking(move || {
            let (from, to) = (home.unfinished_path(id), home.path(id));
            file.sync()
                .map_err(|error| SpoolError::disk("syncing", &from, error))?;
            let failed = |error| SpoolError::disk("naming", &to, error);
            home.disk.rename(&from, &to).map_err(failed)?;
            home.disk.sync_dir(&home.dir).map_err(|error| {
                // Nobody is told that it is safe.
                home.disk.remove(&to).ok();
                failed(error)
            })
        })
        .await?;
        self.file = None;
        Ok((Finished::Big(big), Share::none(room)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let path = self.home.unfinished_path(self.id);
            if let Err(error) = self.home.disk.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "an unfinished message file stays");
            }
        }
    }
}

/// Runs a blocking call beside the tasks. On a runtime of one thread, as in a simulation, it is
/// made here: what happens first is then no matter of threads.
pub(crate) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return call();
    }
    tokio::task::spawn_blocking(call)
        .await
        .unwrap_or(Err(SpoolError::Closed))
}
