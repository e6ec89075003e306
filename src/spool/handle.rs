//! The door to the spool: what is written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::SpoolError;
use super::commit::{Beside, Job, Request};
use super::disk::Disk;
use super::draft::{BigHome, Draft, Finished};
use super::event::{Entry, EventLine, FactLine, MessageLine};
use super::failures::{Failures, WriteFailures};
use super::follow::Follow;
use super::index::Index;
use super::ledger::Ledger;
use super::log::LogReader;
use super::outlook::Traffic;
use super::room::Share;
use super::waits::Waits;
use crate::base::Clock;
use crate::limits;
use crate::mail::{Envelope, HoldReason, IdSource, NodeId, RecipientEvent, Sign, SpoolId};

/// Largest value of a fact, as JSON.
const MAX_FACT: usize = 64 * 1024;

/// Settings of the spool.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder.
    pub dir: PathBuf,
    /// The identity that it must have; `None`: any, or a new one.
    pub uuid: Option<String>,
    /// Mail stays readable and replayable for this long after its last recipient is finished.
    pub retain: Duration,
    /// The ledger (who, what, when, outcome; no bodies) is kept for this long.
    pub ledger_retain: Duration,
    /// Bytes of mail that a mailbox shows, newest first, beside what is not finished; 0: all of it.
    pub mailbox_quota: u64,
    /// Bytes of the disk that are kept free.
    pub min_free: u64,
    /// Bytes of a log segment.
    pub segment_size: u64,
    /// Bodies up to this many bytes stand in the log; at most [`crate::limits::BODY_IN_MEMORY`].
    pub body_in_log: usize,
    /// When the index is further behind the log than this many bytes, mail is taken before it has
    /// caught up.
    pub replay_at_start: u64,
    /// Index entries held in memory before they are handed to the store.
    pub index_pending: usize,
}

impl Options {
    /// Settings for a spool in `dir`: 30 days, 1 GiB free.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            uuid: None,
            retain: Duration::from_secs(30 * 24 * 3600),
            ledger_retain: Duration::from_secs(400 * 24 * 3600),
            mailbox_quota: 2 * 1024 * 1024 * 1024,
            min_free: 1024 * 1024 * 1024,
            segment_size: limits::SEGMENT,
            body_in_log: limits::BODY_IN_MEMORY,
            replay_at_start: limits::REPLAY_AT_START,
            index_pending: limits::INDEX_PENDING,
        }
    }
}

/// The spool; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) uuid: String,
    pub(crate) node: NodeId,
    pub(crate) ids: IdSource,
    pub(crate) signer: OnceLock<Arc<dyn Sign>>,
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    pub(crate) index: Arc<Index>,
    pub(crate) follow: Arc<Follow>,
    pub(crate) failures: Arc<Failures>,
    pub(crate) waits: Arc<Waits>,
    pub(crate) reader: Arc<LogReader>,
    pub(crate) quotas: super::quota::Quotas,
    pub(crate) big: BigHome,
    pub(crate) ledger: Ledger,
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) balances: super::balance::Balances,
    pub(crate) looks: super::look::Looks,
    pub(crate) chain: super::chaining::Tips,
    pub(crate) traffic: Mutex<Option<Traffic>>,
    /// Keeps other processes out.
    pub(crate) _lock: super::disk::Lock,
}

impl Spool {
    /// What could not be written since the start.
    #[must_use]
    pub fn write_failures(&self) -> Option<WriteFailures> {
        self.0.failures.told()
    }

    /// Begins a message.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let options = &self.0.options;
        Draft::new(self.0.ids.next(), options.body_in_log, self.0.big.clone())
    }

    /// Begins a message that we write ourselves: it is signed, if something signs.
    #[must_use]
    pub fn draft_of_ours(&self) -> Draft {
        let signer = self.0.signer.get();
        self.draft()
            .signed(signer.and_then(|signer| signer.begin()))
    }

    /// Has what we write signed; once, at the start.
    pub fn sign_with(&self, signer: Arc<dyn Sign>) {
        // The first one stays.
        self.0.signer.set(signer).ok();
    }

    /// Why not everything that we write is signed, for people.
    #[must_use]
    pub fn sign_problem(&self) -> Option<String> {
        self.0.signer.get()?.problem()
    }

    /// Commits a message: returns when it is on stable storage (I1).
    ///
    /// # Errors
    /// When it is not; nothing of it stays.
    pub async fn accept(&self, draft: Draft, envelope: Envelope) -> Result<SpoolId, SpoolError> {
        self.accept_held(draft, envelope, Vec::new()).await
    }

    /// Like [`Self::accept`], with recipients that are held from the beginning.
    ///
    /// # Errors
    /// When it is not on stable storage; nothing of it stays.
    pub async fn accept_held(
        &self,
        draft: Draft,
        envelope: Envelope,
        held: Vec<(u16, HoldReason)>,
    ) -> Result<SpoolId, SpoolError> {
        self.accept_all(draft, (envelope, held), None).await
    }

    /// Like [`Self::accept`], and records what happened to recipients of another message: both are
    /// written and synced at once, the message first. A kill leaves both or neither; of what a
    /// power cut tears, at most the message.
    ///
    /// # Errors
    /// When they are not on stable storage; nothing of them stays. On a full disk neither is
    /// written.
    pub async fn accept_with(
        &self,
        draft: Draft,
        envelope: Envelope,
        (id, recipients, event): (SpoolId, Vec<u16>, RecipientEvent),
    ) -> Result<SpoolId, SpoolError> {
        let beside = self.event(id, recipients, event);
        self.accept_all(draft, (envelope, Vec::new()), Some(beside))
            .await
    }

    async fn accept_all(
        &self,
        draft: Draft,
        (envelope, held): (Envelope, Vec<(u16, HoldReason)>),
        beside: Option<Entry>,
    ) -> Result<SpoolId, SpoolError> {
        let id = draft.id();
        let (finished, share) = draft.finish().await?;
        let (file, body) = match finished {
            Finished::Small(body) => (None, body),
            Finished::Big(big) => (Some(big), Bytes::new()),
        };
        let is_big = file.is_some();
        let entry = Entry::Message {
            line: MessageLine {
                id,
                at: self.0.clock.now(),
                node: self.0.node,
                file,
                held,
                carried: None,
                envelope: Arc::new(envelope),
            },
            body_len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        };
        let begun = self.begin(entry, body, (Some(share), beside)).await;
        let written = match begun {
            Ok(written) => written.wait().await,
            Err(error) => Err(error),
        };
        if written.is_err() && is_big {
            self.0.disk.remove(&self.0.big.path(id)).ok();
        }
        written.map(|()| id)
    }

    /// Records what happened to recipients of a message, durably.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn record(
        &self,
        id: SpoolId,
        recipients: Vec<u16>,
        event: RecipientEvent,
    ) -> Result<(), SpoolError> {
        let entry = self.event(id, recipients, event);
        self.write(entry).await
    }

    /// Like [`Self::record`], but returns when the record is on its way; the result tells when it
    /// is durable. Records become durable in the order in which they were begun.
    ///
    /// # Errors
    /// [`SpoolError::Closed`]; the result tells when it could not be written.
    pub async fn begin_record(
        &self,
        id: SpoolId,
        recipients: Vec<u16>,
        event: RecipientEvent,
    ) -> Result<Written, SpoolError> {
        let entry = self.event(id, recipients, event);
        self.begin(entry, Bytes::new(), (None, None)).await
    }

    fn event(&self, id: SpoolId, recipients: Vec<u16>, event: RecipientEvent) -> Entry {
        Entry::Event(EventLine {
            id,
            at: self.0.clock.now(),
            node: self.0.node,
            recipients,
            event,
        })
    }

    /// Sets (`Some`) or forgets (`None`) a fact of a room, durably: accounts, sessions, read
    /// flags, overrides. The last value wins. Values are small (up to 64 KiB of JSON).
    ///
    /// # Errors
    /// When it could not be written, or is too large.
    pub async fn put_fact(
        &self,
        room: &str,
        key: &str,
        value: Option<serde_json::Value>,
    ) -> Result<(), SpoolError> {
        let entry = self.fact_entry(room, key, value)?;
        self.write(entry).await
    }

    pub(crate) fn fact_entry(
        &self,
        room: &str,
        key: &str,
        value: Option<serde_json::Value>,
    ) -> Result<Entry, SpoolError> {
        let length = value.as_ref().map_or(0, |value| value.to_string().len());
        if length > MAX_FACT {
            return Err(SpoolError::Index(format!(
                "the fact {room}/{key} has {length} bytes, {MAX_FACT} are allowed"
            )));
        }
        Ok(Entry::Fact(FactLine {
            at: self.0.clock.now(),
            node: self.0.node,
            room: room.to_owned(),
            key: key.to_owned(),
            value,
        }))
    }

    async fn write(&self, entry: Entry) -> Result<(), SpoolError> {
        let written = self.begin(entry, Bytes::new(), (None, None)).await?;
        written.wait().await
    }

    pub(crate) async fn begin_synced(
        &self,
        entry: Entry,
        body: Bytes,
    ) -> Result<Written, SpoolError> {
        self.begin(entry, body, (None, None)).await
    }

    async fn begin(
        &self,
        entry: Entry,
        body: Bytes,
        (share, beside): (Option<Share>, Option<Entry>),
    ) -> Result<Written, SpoolError> {
        let record = entry.to_record(body.clone())?;
        let beside = match beside {
            Some(entry) => Some(Beside {
                record: entry.to_record(Bytes::new())?,
                entry,
            }),
            None => None,
        };
        let more = beside.as_ref().map_or(0, |beside| beside.record.len());
        self.0.big.room.wrote((record.len() + more) as u64);
        let (done, told) = oneshot::channel();
        let travels = matches!(&entry, Entry::Message { line, .. } if line.file.is_none())
            && body.len() <= limits::TRAVELLING_BODY;
        let request = Request {
            since: self.0.clock.now(),
            record,
            entry,
            body: travels.then_some(body),
            share,
            beside,
            done,
        };
        self.0
            .jobs
            .send(Job::Write(Box::new(request)))
            .await
            .map_err(|_| SpoolError::Closed)?;
        Ok(Written(told))
    }

    /// Hands what is in memory to the index's store; recovery then begins here.
    ///
    /// # Errors
    /// When the log or the store fails.
    pub async fn checkpoint(&self) -> Result<(), SpoolError> {
        let (done, told) = oneshot::channel();
        let asked = self.0.jobs.send(Job::Checkpoint(done)).await;
        asked.map_err(|_| SpoolError::Closed)?;
        told.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// Writes what waits, closes the log and the index. Everything after it fails with
    /// [`SpoolError::Closed`].
    ///
    /// # Errors
    /// When the last sync fails.
    pub async fn close(&self) -> Result<(), SpoolError> {
        let (done, told) = oneshot::channel();
        if self.0.jobs.send(Job::Close(done)).await.is_err() {
            return Ok(());
        }
        told.await.unwrap_or(Ok(()))
    }
}

/// A record on its way to the log.
#[derive(Debug)]
pub struct Written(oneshot::Receiver<Result<(), SpoolError>>);

impl Written {
    /// One that is on stable storage already.
    pub(crate) fn durable() -> Self {
        let (done, told) = oneshot::channel();
        // It is read from the other end.
        done.send(Ok(())).ok();
        Self(told)
    }

    /// Returns when it is on stable storage.
    ///
    /// # Errors
    /// When it could not be.
    pub async fn wait(self) -> Result<(), SpoolError> {
        self.0.await.unwrap_or(Err(SpoolError::Closed))
    }
}
