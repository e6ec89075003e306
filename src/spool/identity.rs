//! Whose spool it is: the lock that keeps others out, and the identity that it got at creation.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::disk::{Disk, Lock, SystemDisk};
use super::event::SegmentLine;
use super::handle::Options;
use super::head;
use crate::base::{Clock, Entropy, Timestamp};

/// `spool.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) uuid: String,
    created: Timestamp,
    format: u8,
    /// The folder of large bodies has its mark.
    #[serde(default)]
    big_marked: bool,
    /// And that of the log.
    #[serde(default)]
    log_marked: bool,
    /// `spool.json` was lost: the log says who it is.
    #[serde(skip)]
    from_log: bool,
}

/// The mark in the folders of large bodies and of the log: without it the folder is another one,
/// because a volume is not mounted, say. What is not found there is not lost then.
const MARK: &str = "spool";

/// Keeps other processes out of the spool.
pub(crate) fn lock(disk: &Disk, dir: &Path) -> Result<Lock, SpoolError> {
    let path = dir.join("lock");
    disk.lock(&path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::WouldBlock {
            SpoolError::InUse(dir.display().to_string())
        } else {
            SpoolError::disk("locking", &path, error)
        }
    })
}

/// Does a program have the spool in `dir` open? Nothing is made; `false`, too, when that cannot be
/// found out.
#[must_use]
pub fn is_in_use(dir: &Path) -> bool {
    let Ok(file) = std::fs::File::open(dir.join("lock")) else {
        return false;
    };
    // Ours ends with the file: who opens the spool in this moment tries again.
    let operation = rustix::fs::FlockOperation::NonBlockingLockShared;
    rustix::fs::flock(&file, operation) == Err(rustix::io::Errno::WOULDBLOCK)
}

impl Identity {
    /// Of a spool whose `spool.json` is lost. Its folder of large bodies must be the right one, as
    /// of any other.
    fn of_log(head: &SegmentLine) -> Self {
        Self {
            uuid: head.uuid.clone(),
            created: head.at,
            format: head.version,
            big_marked: true,
            // The log is there.
            log_marked: false,
            from_log: true,
        }
    }

    /// The first 32 bits of the UUID, as each record carries them.
    pub(crate) fn short(&self) -> u32 {
        u32::from_str_radix(self.uuid.get(..8).unwrap_or("0"), 16).unwrap_or(0)
    }
}

/// Reads the identity of the spool, or takes it from the log; `None` when there is no spool yet. A
/// lost volume must not look like a fresh start, so one that the config names must
/// be the one that is there.
pub(crate) fn identity(disk: &Disk, options: &Options) -> Result<Option<Identity>, SpoolError> {
    let log = options.dir.join("log");
    let mut found = read_identity(disk, &options.dir)?;
    let ours = found.as_ref().map(|identity| identity.uuid.as_str());
    if let Some(head) = head::owner(disk, &log, ours)? {
        let found = found.get_or_insert_with(|| Identity::of_log(&head));
        if found.uuid != head.uuid {
            return Err(SpoolError::Foreign {
                dir: log.display().to_string(),
                expected: found.uuid.clone(),
                found: head.uuid,
            });
        }
    }
    let uuid = found.as_ref().map(|identity| &identity.uuid);
    match &options.uuid {
        Some(expected) if uuid.is_none_or(|uuid| !uuid.eq_ignore_ascii_case(expected)) => {
            Err(SpoolError::Another {
                dir: options.dir.display().to_string(),
                expected: expected.clone(),
                found: uuid.cloned(),
            })
        }
        _ => Ok(found),
    }
}

/// Refuses a folder of large bodies, or of the log, that has lost its mark.
pub(crate) fn check_marks(disk: &Disk, dir: &Path, identity: &Identity) -> Result<(), SpoolError> {
    let (big, log) = (dir.join("big"), dir.join("log"));
    if identity.big_marked && !is_marked(disk, &big) {
        return Err(SpoolError::NoBig(big.display().to_string()));
    }
    if identity.log_marked && !is_marked(disk, &log) {
        return Err(SpoolError::NoLog(log.display().to_string()));
    }
    Ok(())
}

/// Is this the folder itself, and not the place where it should be mounted?
pub(crate) fn is_marked(disk: &Disk, folder: &Path) -> bool {
    disk.open(&folder.join(MARK)).is_ok()
}

/// Marks the folders of large bodies and of the log, once. The marks are durable before the
/// identity tells of them.
pub(crate) fn mark(disk: &Disk, dir: &Path, identity: Identity) -> Result<Identity, SpoolError> {
    check_marks(disk, dir, &identity)?;
    if identity.from_log {
        let uuid = &identity.uuid;
        tracing::warn!(uuid, "spool.json was gone: it is made anew from the log");
    } else if identity.big_marked && identity.log_marked {
        return Ok(identity);
    }
    for folder in [dir.join("big"), dir.join("log")] {
        mark_folder(disk, &folder)
            .and_then(|()| disk.sync_dir(dir))
            .map_err(|error| SpoolError::disk("marking", &folder, error))?;
    }
    let identity = Identity {
        big_marked: true,
        log_marked: true,
        ..identity
    };
    write_identity(disk, dir, &identity)
        .map_err(|error| SpoolError::disk("making", &dir.join("spool.json"), error))?;
    Ok(identity)
}

fn mark_folder(disk: &Disk, folder: &Path) -> std::io::Result<()> {
    if !is_marked(disk, folder) {
        disk.create(&folder.join(MARK))?.sync()?;
    }
    disk.sync_dir(folder)
}

/// Looks whether the spool in `options.dir` is the one that `options.uuid` names, with all of its
/// folders; changes nothing.
///
/// # Errors
/// [`SpoolError::Another`], [`SpoolError::NoBig`] or [`SpoolError::NoLog`] when it is not;
/// when it cannot be read.
pub fn check_identity(options: &Options) -> Result<(), SpoolError> {
    let disk: Disk = Arc::new(SystemDisk);
    match identity(&disk, options)? {
        Some(identity) => check_marks(&disk, &options.dir, &identity),
        None => Ok(()),
    }
}

/// Gives a new spool its identity.
pub(crate) fn new_identity(
    disk: &Disk,
    dir: &Path,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Identity, SpoolError> {
    let identity = Identity {
        uuid: uuid(entropy),
        created: clock.now(),
        format: super::record::VERSION,
        big_marked: false,
        log_marked: false,
        from_log: false,
    };
    write_identity(disk, dir, &identity)
        .map_err(|error| SpoolError::disk("making", &dir.join("spool.json"), error))?;
    Ok(identity)
}

fn read_identity(disk: &Disk, dir: &Path) -> Result<Option<Identity>, SpoolError> {
    let path = dir.join("spool.json");
    match disk.open(&path) {
        Ok(file) => {
            let length = file.len().and_then(|length| {
                let mut bytes = vec![0; usize::try_from(length.min(65_536)).unwrap_or(0)];
                let read = file.read_at(&mut bytes, 0)?;
                bytes.truncate(read);
                Ok(bytes)
            });
            let bytes = length.map_err(|error| SpoolError::disk("reading", &path, error))?;
            let identity: Identity = serde_json::from_slice(&bytes).map_err(|error| {
                let path = path.display();
                let what = "remove it, and it is made anew from the log";
                SpoolError::Damaged(format!("{path}: {error}: {what}"))
            })?;
            if identity.format > super::record::VERSION {
                return Err(SpoolError::Later(path.display().to_string()));
            }
            Ok(Some(identity))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SpoolError::disk("opening", &path, error)),
    }
}

fn write_identity(disk: &Disk, dir: &Path, identity: &Identity) -> std::io::Result<()> {
    let (new, path) = (dir.join("spool.json.new"), dir.join("spool.json"));
    let json = serde_json::to_vec_pretty(identity)?;
    match disk.remove(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&new)?;
    file.write_at(&json, 0)?;
    file.sync()?;
    disk.rename(&new, &path)?;
    disk.sync_dir(dir)
}

/// RFC 9562 §5.4: version 4.
fn uuid(entropy: &Entropy) -> String {
    let mut bits = u128::from_be_bytes(entropy.bytes());
    bits = (bits & !(0xf << 76)) | (4 << 76);
    bits = (bits & !(0b11 << 62)) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
