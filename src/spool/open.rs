//! Opening a spool: identity, recovery from the log, and the parts of a running spool.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::SpoolError;
use super::carry::append_and_apply;
use super::commit::{Committed, Writer};
use super::disk::{Disk, SystemDisk};
use super::draft::BigHome;
use super::event::{Entry, EventLine};
use super::handle::{Inner, Options, Spool};
use super::index::{self, Index, SledStore, Store, key};
use super::ledger::Ledger;
use super::log::{LogOptions, LogReader, LogWriter};
use super::quarantine::Quarantine;
use super::segment::{self, Ending, Found, Position, Scan};
use crate::base::{Clock, Entropy, Timestamp};
use crate::limits;
use crate::mail::{IdSource, NodeId, RecipientEvent, SpoolId};

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

/// `spool.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Identity {
    uuid: String,
    created: Timestamp,
    format: u8,
}

/// Folders of a spool.
const FOLDERS: [&str; 5] = ["log", "big", "index", "ledger", "quarantine"];

impl Spool {
    /// Opens the spool in `options.dir`, or makes a new one there, and recovers what the log has
    /// beyond the index.
    ///
    /// # Errors
    /// When it is in use, or the disk fails.
    pub fn open(options: Options, world: World) -> Result<Opened, SpoolError> {
        let World {
            disk,
            clock,
            entropy,
            open_store,
        } = world;
        let dir = options.dir.clone();
        for name in FOLDERS {
            let folder = dir.join(name);
            disk.create_dir_all(&folder)
                .map_err(|error| SpoolError::disk("making", &folder, error))?;
        }
        let lock = lock(&disk, &dir)?;
        let identity = identity(&disk, &dir, &clock, &entropy)?;
        let log_options = LogOptions {
            dir: dir.join("log"),
            segment_size: options.segment_size,
            spool: u32::from_str_radix(identity.uuid.get(..8).unwrap_or("0"), 16).unwrap_or(0),
            uuid: identity.uuid.clone(),
        };
        let store = open_store(&dir.join("index")).map_err(SpoolError::Index)?;
        let index = Arc::new(Index::new(store));
        let big = BigHome {
            disk: disk.clone(),
            dir: dir.join("big"),
        };
        let mut recover = Recover {
            disk: disk.clone(),
            log: log_options.clone(),
            quarantine: Quarantine {
                disk: disk.clone(),
                dir: dir.join("quarantine"),
            },
            index: Arc::clone(&index),
            found: Recovery::default(),
        };
        let last_segment = recover.run()?;
        let mut log = LogWriter::new(
            log_options.clone(),
            disk.clone(),
            clock.clone(),
            last_segment + 1,
        );
        recover.interrupt_attempts(&mut log, clock.now())?;
        recover.sweep(&big)?;
        let reader = Arc::new(LogReader::new(log_options, disk.clone()));
        let (jobs, jobs_end) = mpsc::channel(limits::BATCH_QUEUE);
        let (committed, committed_end) = mpsc::channel(limits::COMMITTED_QUEUE);
        let newest = SpoolId::from_u64(index.counters().newest);
        let spool = Self(Arc::new(Inner {
            big,
            ledger: Ledger {
                disk: disk.clone(),
                dir: dir.join("ledger"),
                uuid: identity.uuid.clone(),
            },
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
            recovery: recover.found,
        })
    }
}

fn lock(disk: &Disk, dir: &Path) -> Result<super::disk::Lock, SpoolError> {
    let path = dir.join("lock");
    disk.lock(&path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::WouldBlock {
            SpoolError::InUse(dir.display().to_string())
        } else {
            SpoolError::disk("locking", &path, error)
        }
    })
}

/// Reads the identity of the spool, or gives it one.
fn identity(
    disk: &Disk,
    dir: &Path,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Identity, SpoolError> {
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
            serde_json::from_slice(&bytes)
                .map_err(|error| SpoolError::Damaged(format!("{}: {error}", path.display())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let identity = Identity {
                uuid: uuid(entropy),
                created: clock.now(),
                format: super::record::VERSION,
            };
            write_identity(disk, dir, &identity)
                .map_err(|error| SpoolError::disk("making", &path, error))?;
            Ok(identity)
        }
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

/// Brings the index up to the end of the log.
struct Recover {
    disk: Disk,
    log: LogOptions,
    quarantine: Quarantine,
    index: Arc<Index>,
    found: Recovery,
}

impl Recover {
    /// Replays the log from the checkpoint; from its beginning when there is none, or when the
    /// index does not fit. Returns the number of the last segment.
    fn run(&mut self) -> Result<u32, SpoolError> {
        let segments = self.segments()?;
        let last = segments.last().copied().unwrap_or(0);
        match self.index.resume(&self.log.uuid) {
            Ok(Some(from)) if self.replay(&segments, from).is_ok() => return Ok(last),
            Ok(None) => {}
            Ok(Some(_)) => tracing::warn!("the index does not fit the log; it is made anew"),
            Err(error) => tracing::warn!(%error, "the index cannot be read; it is made anew"),
        }
        self.index.clear()?;
        self.found = Recovery {
            rebuilt: true,
            ..Recovery::default()
        };
        self.replay(&segments, Position::default())?;
        Ok(last)
    }

    fn segments(&self) -> Result<Vec<u32>, SpoolError> {
        let names = self.disk.list(&self.log.dir);
        let names = names.map_err(|error| SpoolError::disk("listing", &self.log.dir, error))?;
        Ok(names
            .iter()
            .filter_map(|name| segment::number(name))
            .collect())
    }

    fn replay(&mut self, segments: &[u32], from: Position) -> Result<(), SpoolError> {
        let last = segments.last().copied();
        for &number in segments.iter().filter(|&&number| number >= from.segment) {
            let start = if number == from.segment {
                u64::from(from.offset)
            } else {
                0
            };
            let ending = if Some(number) == last {
                Ending::Open
            } else {
                Ending::Sealed
            };
            self.replay_segment(number, start, ending)?;
        }
        Ok(())
    }

    fn replay_segment(
        &mut self,
        number: u32,
        start: u64,
        ending: Ending,
    ) -> Result<(), SpoolError> {
        let path = segment::path(&self.log.dir, number);
        let file = self.disk.open(&path);
        let file = file.map_err(|error| SpoolError::disk("opening", &path, error))?;
        let scan = Scan::new(Arc::clone(&file), self.log.spool, number, ending)?;
        let (index, quarantine, found) = (&self.index, &self.quarantine, &mut self.found);
        let tail = scan.run(start, |piece| match piece {
            Found::Damage(range) => {
                found.damaged += 1;
                quarantine.keep_range(number, &*file, &range)
            }
            Found::Record {
                offset,
                header,
                meta,
                ..
            } => {
                let at = Position {
                    segment: number,
                    offset,
                };
                let after = Position {
                    segment: number,
                    offset: offset.saturating_add(u32::try_from(header.record_len()).unwrap_or(0)),
                };
                found.replayed += 1;
                let entry = Entry::read(header.kind, meta, header.body_len)?;
                index::apply(index, &entry, at, after)?;
                if index.is_crowded() {
                    index.flush(&self.log.uuid)?;
                }
                Ok(())
            }
        })?;
        if ending == Ending::Open {
            // The next batch goes to a new segment; what is behind the last good record was
            // never acknowledged.
            file.set_len(tail.end)
                .and_then(|()| file.sync())
                .map_err(|error| SpoolError::disk("cutting", &path, error))?;
        }
        Ok(())
    }

    /// Attempts that were under way when the program ended may have arrived (decision 8).
    fn interrupt_attempts(
        &mut self,
        log: &mut LogWriter,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let rows = self.index.scan(b"a", b"a", usize::MAX)?;
        let entries: Vec<(Entry, bytes::Bytes)> = rows
            .iter()
            .filter_map(|(row, _)| key::parse_recipient(row))
            .map(|(id, recipient)| {
                let line = EventLine {
                    id,
                    at: now,
                    node: NodeId::default(),
                    recipients: vec![recipient],
                    event: RecipientEvent::Interrupted { uncertain: true },
                };
                (Entry::Event(line), bytes::Bytes::new())
            })
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        append_and_apply(log, &self.index, &entries)?;
        self.found.interrupted = entries.len() as u64;
        tracing::warn!(
            recipients = entries.len(),
            "attempts were under way when the program ended: these may arrive twice"
        );
        Ok(())
    }

    /// Large bodies that no record names: unfinished ones go, whole ones go to quarantine.
    fn sweep(&mut self, big: &BigHome) -> Result<(), SpoolError> {
        let floor = self.index.counters().floor;
        if self.segments()?.first().is_some_and(|&first| first < floor) {
            // Retention was interrupted. It will remove the bodies whose messages are gone.
            return Ok(());
        }
        let names = self.disk.list(&big.dir);
        let names = names.map_err(|error| SpoolError::disk("listing", &big.dir, error))?;
        for name in names {
            let path = big.dir.join(&name);
            let id = |end: &str| name.strip_suffix(end)?.parse::<SpoolId>().ok();
            if id(".tmp").is_some() {
                // It was on its way in: nobody was told that it is safe.
                self.disk
                    .remove(&path)
                    .map_err(|error| SpoolError::disk("removing", &path, error))?;
            } else if let Some(id) = id(".eml")
                && self.index.get(&key::message(id))?.is_none()
            {
                self.quarantine.keep_file(&big.dir, &name)?;
                self.found.orphans += 1;
            }
        }
        Ok(())
    }
}
