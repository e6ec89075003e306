//! Opening a spool: identity, recovery from the log, and the parts of a running spool.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::SpoolError;
use super::commit::{Committed, Writer};
use super::disk::{Disk, SystemDisk};
use super::draft::BigHome;
use super::handle::{Inner, Options, Spool};
use super::identity::{identity, lock, new_identity};
use super::index::{Index, SledStore, Store};
use super::ledger::Ledger;
use super::log::{LogOptions, LogReader, LogWriter};
use super::quarantine::Quarantine;
use super::recover::Recover;
use crate::base::{Clock, Entropy};
use crate::limits;
use crate::mail::{IdSource, NodeId, SpoolId};

/// What the spool needs of the world.
#[derive(Clone)]
pub struct World {
    /// The disk.
    pub disk: Disk,
    /// The time.
    pub clock: Clock,
    /// For the identity of a new spool.
    pub entropy: Entropy,
    /// Opens the store of the index in a folder, once nobody else can have it open; empty or
    /// stale is fine.
    pub open_store: OpenStore,
}

/// Opens the store of the index in a folder.
pub type OpenStore = Arc<dyn Fn(&Path) -> Result<Box<dyn Store>, String> + Send + Sync>;

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

impl World {
    /// The operating system's disk, clock and chance, and sled.
    #[must_use]
    pub fn system() -> Self {
        Self {
            disk: Arc::new(SystemDisk),
            clock: Clock::system(),
            entropy: Entropy::system(),
            open_store: Arc::new(|dir| Ok(Box::new(SledStore::open(dir)?))),
        }
    }
}

/// An open spool and the parts that somebody must run.
#[derive(Debug)]
pub struct Opened {
    /// The door.
    pub spool: Spool,
    /// Must run for anything to be written: [`Writer::spawn_thread`] or [`Writer::run`].
    pub writer: Writer,
    /// Messages as they become durable, for the queue.
    pub committed: mpsc::Receiver<Committed>,
    /// What recovery found.
    pub recovery: Recovery,
}

/// What recovery found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records replayed from the log.
    pub replayed: u64,
    /// Was the index made anew from the whole log?
    pub rebuilt: bool,
    /// Damaged ranges, now in quarantine.
    pub damaged: u64,
    /// Recipients whose attempt was under way: a copy may have arrived.
    pub interrupted: u64,
    /// Large bodies that no record names, now in quarantine.
    pub orphans: u64,
}

/// Folders of a spool.
const FOLDERS: [&str; 5] = ["log", "big", "index", "ledger", "quarantine"];

impl Spool {
    /// Opens the spool in `options.dir`, or makes a new one there, and recovers what the log has
    /// beyond the index.
    ///
    /// # Errors
    /// When it is in use, is not the one that the options name, or the disk fails.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the spool has its world for itself"
    )]
    pub fn open(options: Options, world: World) -> Result<Opened, SpoolError> {
        let (disk, clock) = (world.disk.clone(), world.clock.clone());
        let dir = options.dir.clone();
        let known = identity(&disk, &options)?;
        for name in FOLDERS {
            let folder = dir.join(name);
            disk.create_dir_all(&folder)
                .map_err(|error| SpoolError::disk("making", &folder, error))?;
        }
        let lock = lock(&disk, &dir)?;
        let identity = match known {
            Some(identity) => identity,
            None => new_identity(&disk, &dir, &clock, &world.entropy)?,
        };
        let log_options = LogOptions::new(&options, &identity);
        let big = BigHome {
            disk: disk.clone(),
            dir: dir.join("big"),
        };
        let ledger = Ledger {
            disk: disk.clone(),
            dir: dir.join("ledger"),
            uuid: identity.uuid.clone(),
        };
        let store = (world.open_store)(&dir.join("index")).map_err(SpoolError::Index)?;
        let index = Arc::new(Index::new(store));
        let (log, found) = recover(&world, &log_options, &index, (&big, &ledger))?;
        let reader = Arc::new(LogReader::new(log_options, disk.clone()));
        let (jobs, jobs_end) = mpsc::channel(limits::BATCH_QUEUE);
        let (committed, committed_end) = mpsc::channel(limits::COMMITTED_QUEUE);
        let newest = SpoolId::from_u64(index.counters().newest);
        let spool = Self(Arc::new(Inner {
            big,
            ledger,
            options,
            uuid: identity.uuid.clone(),
            node: NodeId::default(),
            ids: IdSource::new(clock.clone(), NodeId::default(), newest),
            clock,
            reader: Arc::clone(&reader),
            disk,
            index: Arc::clone(&index),
            jobs,
            _lock: lock,
        }));
        Ok(Opened {
            spool,
            writer: Writer {
                log,
                index,
                reader,
                uuid: identity.uuid,
                jobs: jobs_end,
                committed,
            },
            committed: committed_end,
            recovery: found,
        })
    }
}

/// Brings the index up to the end of the log, and makes the log ready to be written to.
fn recover(
    world: &World,
    log: &LogOptions,
    index: &Arc<Index>,
    (big, ledger): (&BigHome, &Ledger),
) -> Result<(LogWriter, Recovery), SpoolError> {
    let disk = &world.disk;
    let mut recover = Recover {
        disk: disk.clone(),
        log: log.clone(),
        quarantine: Quarantine {
            disk: disk.clone(),
            dir: big.dir.with_file_name("quarantine"),
        },
        index: Arc::clone(index),
        found: Recovery::default(),
    };
    let last_segment = recover.run()?;
    let (disk, clock) = (disk.clone(), world.clock.clone());
    let mut log = LogWriter::new(log.clone(), disk, clock, last_segment + 1);
    recover.interrupt_attempts(&mut log, world.clock.now())?;
    recover.sweep(big, ledger)?;
    Ok((log, recover.found))
}
