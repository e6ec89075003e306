//! What can go wrong in the spool, by blame.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::mail::SpoolId;
use crate::terminal::bytes;

/// Why the spool cannot do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// Less than `spool.min_free` is left: 452 4.3.1.
    #[error(
        "the disk of the spool is almost full: {} free, {} are kept free",
        bytes(*.free), bytes(*.min_free)
    )]
    Full {
        /// Bytes free.
        free: u64,
        /// `spool.min_free`.
        min_free: u64,
    },
    /// The disk failed: 451 4.3.0 (452 4.3.1 when it is full).
    #[error("{what}: {error}")]
    Disk {
        /// What was tried, with the file.
        what: String,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// The index does not know the whole log yet; mail is taken meanwhile.
    #[error("the index of the spool is being made from the log: {0}")]
    Rebuilding(String),
    /// The index failed; it is rebuilt from the log at the next start.
    #[error("the index of the spool: {0}")]
    Index(String),
    /// A record does not match its checksum or cannot be decoded.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Another process has the spool open.
    #[error("{0} is in use by another tideover, a server or a `spool` verb: stop that one first")]
    InUse(String),
    /// There is no spool, or not the one that the config names: a volume may be missing.
    #[error("{}", another(.dir, .expected, .found.as_deref()))]
    Another {
        /// The folder.
        dir: String,
        /// `spool.uuid` of the config.
        expected: String,
        /// The spool that is there.
        found: Option<String>,
    },
    /// The folder of large bodies is not the one that it was: a volume may be missing.
    #[error(
        "{0} is not the folder in which the large messages are: is its volume mounted? To go on \
         without them, make an empty file of the name {0}/spool"
    )]
    NoBig(String),
    /// The folder of the log is not the one that it was, or empty: a volume may be missing.
    #[error(
        "{0} does not hold the log of this spool: is its volume mounted? To go on without what was \
         in it, make an empty file of the name {0}/spool and run `tideover spool rebuild`, which \
         lists what is lost"
    )]
    NoLog(String),
    /// The newest part of the log is gone: a volume may be missing, or a backup is older than what
    /// stands beside it.
    #[error(
        "the index knows segment {known} of {dir}, and the newest one there is {newest}: bring the \
         missing ones back. To go on without them, run `tideover spool rebuild`, which lists what \
         is lost"
    )]
    LostEnd {
        /// The folder of the log.
        dir: String,
        /// The segment that the index knows.
        known: u32,
        /// The newest segment that is there.
        newest: u32,
    },
    /// The log is that of another spool.
    #[error(
        "{dir} holds the log of the spool {found}, and spool.json beside it says {expected}: is \
         the right volume mounted? To go on with this log, remove spool.json"
    )]
    Foreign {
        /// The folder of the log.
        dir: String,
        /// The spool in `spool.json`.
        expected: String,
        /// The spool in the log.
        found: String,
    },
    /// A later version of the program wrote it.
    #[error("{0} was written by a later version of tideover: use that one")]
    Later(String),
    /// The writer has stopped: the program ends.
    #[error("the spool is closed")]
    Closed,
}

fn another(dir: &str, expected: &str, found: Option<&str>) -> String {
    let found = found.map_or_else(
        || format!("{dir} holds no spool"),
        |found| format!("{dir} holds the spool {found}"),
    );
    format!(
        "{found}, and spool.uuid in the config says {expected}: is the right volume mounted? To \
         go on with what is there, correct or remove spool.uuid"
    )
}

impl SpoolError {
    /// A message could not be read to be sent.
    pub(crate) fn unread(id: SpoolId, error: io::Error) -> Self {
        Self::Disk {
            what: format!("reading {id}"),
            error: Arc::new(error),
        }
    }

    /// A failure of the disk while doing `what` to `path`.
    pub(crate) fn disk(what: &str, path: &Path, error: io::Error) -> Self {
        Self::Disk {
            what: format!("{what} {}", path.display()),
            error: Arc::new(error),
        }
    }

    /// Is the thing itself damaged or gone, so that it is no use to try again?
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Disk { error, .. } => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidData
            ),
            Self::Full { .. }
            | Self::Rebuilding(_)
            | Self::Index(_)
            | Self::InUse(_)
            | Self::Another { .. }
            | Self::NoBig(_)
            | Self::NoLog(_)
            | Self::LostEnd { .. }
            | Self::Foreign { .. }
            | Self::Later(_)
            | Self::Closed => false,
        }
    }

    /// Is the disk full? Then the sender is told to try again later (452 4.3.1).
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Disk { error, .. } => matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::Rebuilding(_)
            | Self::Index(_)
            | Self::Damaged(_)
            | Self::InUse(_)
            | Self::Another { .. }
            | Self::NoBig(_)
            | Self::NoLog(_)
            | Self::LostEnd { .. }
            | Self::Foreign { .. }
            | Self::Later(_)
            | Self::Closed => false,
        }
    }
}
