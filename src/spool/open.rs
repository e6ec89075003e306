//! Opening a spool: identity, recovery from the log, and the parts of a running spool.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::SpoolError;
use super::commit::{Committed, Storing, Writer};
use super::disk::{Disk, SystemDisk};
use super::draft::BigHome;
use super::failures::Failures;
use super::handle::{Inner, Options, Spool};
use super::identity::{identity, lock, mark, new_identity};
use super::index::{Index, SledStore, Store};
use super::ledger::Ledger;
use super::log::{LogOptions, LogReader};
use super::quarantine::Quarantine;
use super::quota::Quotas;
use super::rebuild::{Rebuild, Start};
use super::recover::{Recover, Recovery};
use super::waits::Waits;
use crate::base::{Clock, Entropy};
use crate::limits;
use crate::mail::{IdSource, NodeId};

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
    /// When the index is far behind the log: must run for anything to be found. Mail can be taken
    /// before and while it runs.
    pub rebuild: Option<Rebuild>,
}

/// Folders of a spool.
pub(super) const FOLDERS: [&str; 5] = ["log", "big", "index", "ledger", "quarantine"];

fn make_folders(disk: &Disk, dir: &Path) -> Result<(), SpoolError> {
    for name in FOLDERS {
        let folder = dir.join(name);
        let made = disk.create_dir_all(&folder);
        made.map_err(|error| SpoolError::disk("making", &folder, error))?;
    }
    Ok(())
}

impl Spool {
    /// Opens the spool in `options.dir`, or makes a new one there, and recovers what the log has
    /// beyond the index.
    ///
    /// # Errors
    /// When it is in use, is not the one that the options name, or the disk fails.
    pub fn open(options: Options, world: World) -> Result<Opened, SpoolError> {
        let disk = world.disk.clone();
        let dir = options.dir.clone();
        let known = identity(&disk, &options)?;
        make_folders(&disk, &dir)?;
        let lock = lock(&disk, &dir)?;
        let new = || new_identity(&disk, &dir, &world.clock, &world.entropy);
        let identity = mark(&disk, &dir, known.map_or_else(new, Ok)?)?;
        let log_options = LogOptions::new(&options, &identity);
        let big = BigHome {
            disk: disk.clone(),
            dir: dir.join("big"),
            room: Arc::default(),
        };
        let ledger = Ledger {
            disk: disk.clone(),
            dir: dir.join("ledger"),
            uuid: identity.uuid.clone(),
        };
        let store = (world.open_store)(&dir.join("index")).map_err(SpoolError::Index)?;
        let index = Arc::new(Index::new(store, options.index_pending));
        let quarantine = Quarantine::of(&disk, &dir);
        let recover = Recover::new(log_options.clone(), quarantine, Arc::clone(&index));
        let start = Start::new(recover, (&big, &ledger), &options, &world)?;
        let reader = Arc::new(LogReader::new(log_options, disk.clone()));
        let (failures, waits) = (Arc::<Failures>::default(), Arc::<Waits>::default());
        let (jobs, jobs_end) = mpsc::channel(limits::BATCH_QUEUE);
        let (committed, committed_end) = mpsc::channel(limits::COMMITTED_QUEUE);
        let spool = Self(Arc::new(Inner {
            big,
            ledger,
            options,
            uuid: identity.uuid.clone(),
            node: NodeId::default(),
            ids: IdSource::new(world.clock.clone(), NodeId::default(), start.newest),
            signer: std::sync::OnceLock::new(),
            clock: world.clock.clone(),
            reader: Arc::clone(&reader),
            quotas: Quotas::default(),
            disk,
            index: Arc::clone(&index),
            follow: Arc::clone(&start.follow),
            failures: Arc::clone(&failures),
            waits: Arc::clone(&waits),
            jobs,
            balances: super::balance::Balances::default(),
            looks: super::look::Looks::default(),
            chain: super::chaining::Tips::default(),
            traffic: Mutex::default(),
            _lock: lock,
        }));
        let (recovery, rebuild) = start.rest.rebuild(&spool);
        Ok(Opened {
            spool,
            writer: Writer {
                log: start.log,
                index,
                follow: start.follow,
                failures,
                waits,
                clock: world.clock,
                reader,
                uuid: identity.uuid,
                jobs: jobs_end,
                committed,
                storing: Storing::Inline,
            },
            committed: committed_end,
            recovery,
            rebuild,
        })
    }
}
