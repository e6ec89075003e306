//! The one writer: collects what waits, writes it at once, syncs once, and only then tells everyone
//! that it is safe (I1). The index gets it while they go on; who asks the index waits for that.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::SpoolError;
use super::carry::Alteration;
use super::event::Entry;
use super::failures::Failures;
use super::follow::Follow;
use super::index::{self, Index};
use super::log::{LogReader, LogWriter};
use super::rebuild::Work;
use super::record::{Kind, Record};
use super::room::Share;
use super::segment::Position;
use super::told;
use super::waits::Waits;
use crate::base::{Clock, Timestamp};
use crate::limits;
use crate::mail::{Envelope, SpoolId};
use crate::telemetry::names;

/// A message that has just become durable, on its way to the queue.
#[derive(Debug)]
pub struct Committed {
    /// Its id.
    pub id: SpoolId,
    /// What came with it.
    pub envelope: Arc<Envelope>,
    /// Its body, when it is small enough to travel in memory.
    pub body: Option<Bytes>,
}

/// A record that wants to be written.
#[derive(Debug)]
pub(crate) struct Request {
    /// When it was handed in.
    pub(crate) since: Timestamp,
    pub(crate) record: Record,
    pub(crate) entry: Entry,
    pub(crate) body: Option<Bytes>,
    /// Given back when it is written.
    pub(crate) share: Option<Share>,
    /// Stands right behind it, in the same write, or is not written either.
    pub(crate) beside: Option<Beside>,
    pub(crate) done: oneshot::Sender<Result<(), SpoolError>>,
}

/// A record that goes with another one.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(crate) record: Record,
    pub(crate) entry: Entry,
}

/// What the writer is asked.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write a record.
    Write(Box<Request>),
    /// Write what waits, and hand the index to its store.
    Checkpoint(oneshot::Sender<Result<(), SpoolError>>),
    /// Write what waits, then make a change for retention.
    Alter(Alteration, oneshot::Sender<Result<(), SpoolError>>),
    /// Write what waits, then apply what the index does not know yet.
    TakeOver(
        Box<Work>,
        oneshot::Sender<(Box<Work>, Result<(), SpoolError>)>,
    ),
    /// Write what waits, and say where the log ends.
    End(oneshot::Sender<Result<Position, SpoolError>>),
    /// Write what waits, close the log, stop.
    Close(oneshot::Sender<Result<(), SpoolError>>),
}

impl Job {
    /// When a record was handed in.
    fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Write(request) => Some(request.since),
            Self::Checkpoint(_)
            | Self::Alter(..)
            | Self::TakeOver(..)
            | Self::End(_)
            | Self::Close(_) => None,
        }
    }
}

/// The writer; runs until it is asked to close.
#[derive(Debug)]
pub struct Writer {
    pub(crate) log: LogWriter,
    pub(crate) index: Arc<Index>,
    pub(crate) follow: Arc<Follow>,
    pub(crate) failures: Arc<Failures>,
    pub(crate) waits: Arc<Waits>,
    pub(crate) clock: Clock,
    pub(crate) reader: Arc<LogReader>,
    pub(crate) uuid: String,
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) committed: mpsc::Sender<Committed>,
    pub(crate) storing: Storing,
}

/// Who hands the changes of the index to its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storing {
    /// A thread beside the writer's.
    Beside,
    /// The writer itself: in a simulation, whose order is no matter of threads.
    Inline,
}

impl Writer {
    /// Runs on a thread of its own, because writing and syncing block.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn_thread(mut self) -> std::io::Result<std::thread::JoinHandle<()>> {
        self.storing = Storing::Beside;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        std::thread::Builder::new()
            .name("spool-writer".to_owned())
            .spawn(move || runtime.block_on(self.run()))
    }

    /// Runs until it is asked to close. In a simulation it is a task like others.
    pub async fn run(mut self) {
        while let Some(job) = self.jobs.recv().await {
            self.waits
                .began(job.since().unwrap_or_else(|| self.clock.now()));
            let (batch, last) = self.collect(job);
            self.commit(batch);
            self.waits.ended(self.clock.now());
            let Some(job) = last else { continue };
            // Who hands something in meanwhile waits for it.
            self.waits.began(self.clock.now());
            let goes_on = self.perform(job);
            self.waits.ended(self.clock.now());
            if goes_on.is_break() {
                return;
            }
        }
    }

    /// What is no writing. The askers may be gone; what they asked for is done all the same.
    fn perform(&mut self, job: Job) -> ControlFlow<()> {
        match job {
            Job::Close(done) => {
                done.send(self.close()).ok();
                return ControlFlow::Break(());
            }
            Job::Checkpoint(done) => {
                done.send(self.checkpoint()).ok();
            }
            Job::Alter(alteration, done) => {
                let altered = self.check_complete().and_then(|()| self.alter(alteration));
                if self.index.is_crowded() {
                    self.hand_over();
                }
                done.send(altered).ok();
            }
            Job::End(done) => {
                // What could not be cut back may still go.
                let end = self.log.mend().map(|()| self.log.end());
                done.send(end).ok();
            }
            Job::TakeOver(mut work, done) => {
                let taken = self.take_over(&mut work);
                done.send((work, taken)).ok();
            }
            // It is in a batch.
            Job::Write(_) => {}
        }
        ControlFlow::Continue(())
    }

    /// What waits to be written, up to a batch, and the job behind it that is no writing.
    fn collect(&mut self, first: Job) -> (Vec<Request>, Option<Job>) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            let Job::Write(request) = job else {
                return (batch, Some(job));
            };
            bytes += request.record.len();
            let beside = request.beside.as_ref();
            bytes += beside.map_or(0, |beside| beside.record.len());
            batch.push(*request);
            let room = bytes < limits::BATCH_BYTES;
            next = room.then(|| self.jobs.try_recv().ok()).flatten();
        }
        (batch, None)
    }

    /// The index does not know what it does not follow.
    fn check_complete(&self) -> Result<(), SpoolError> {
        if self.follow.is_complete() {
            return Ok(());
        }
        Err(SpoolError::Rebuilding(
            "nothing can be cleaned up".to_owned(),
        ))
    }

    fn checkpoint(&mut self) -> Result<(), SpoolError> {
        self.check_complete()?;
        self.log.sync()?;
        self.index.flush(&self.uuid)
    }

    fn close(&mut self) -> Result<(), SpoolError> {
        self.jobs.close();
        self.log.seal()?;
        if self.follow.is_complete() {
            self.index.flush(&self.uuid)?;
        }
        Ok(())
    }

    fn commit(&mut self, batch: Vec<Request>) {
        if batch.is_empty() {
            return;
        }
        let parts: (Vec<Record>, Vec<Pending>) = batch.into_iter().flat_map(split).unzip();
        let records = f64::from(u32::try_from(parts.0.len()).unwrap_or(u32::MAX));
        metrics::histogram!(names::COMMIT_RECORDS).record(records);
        self.commit_parts(parts, Part::Whole);
        if self.index.is_crowded() && self.follow.is_complete() {
            self.hand_over();
        }
    }

    fn commit_parts(&mut self, (records, rest): (Vec<Record>, Vec<Pending>), part: Part) {
        match self.write(&records) {
            Ok(positions) => {
                // Before anybody is told: who was asks how it is.
                if part == Part::Whole {
                    self.failures.ended();
                }
                self.tell_and_apply(rest, &positions);
            }
            Err(error) if error.is_full() && is_mixed(&rest) => {
                let all = records.into_iter().zip(rest);
                let (mail, other): (Vec<_>, Vec<_>) =
                    all.partition(|(_, pending)| pending.with_mail);
                self.refuse(mail.into_iter().map(|(_, pending)| pending), &error);
                // What becomes of stored mail has space of its own.
                self.commit_parts(other.into_iter().unzip(), Part::WithoutMail);
            }
            Err(error) => self.refuse(rest, &error),
        }
    }

    fn refuse(&self, all: impl IntoIterator<Item = Pending>, error: &SpoolError) {
        metrics::counter!(names::SPOOL_WRITE_ERRORS).increment(1);
        tracing::error!(%error, "the spool could not write");
        self.failures.note(error, self.clock.now());
        for pending in all {
            // The receiver may be gone: its connection was closed meanwhile.
            pending.done.send(Err(error.clone())).ok();
        }
    }

    /// Hands the changes of the index to its store, beside the writing; waits only when the store
    /// cannot keep up.
    fn hand_over(&mut self) {
        // The store may not know more than what is safe in the log.
        if self.log.sync().is_err() {
            return;
        }
        if self.index.is_overcrowded() {
            note(&self.index.store_frozen());
        }
        if self.index.freeze(&self.uuid) {
            let index = Arc::clone(&self.index);
            let store = move || note(&index.store_frozen());
            match self.storing {
                Storing::Beside => drop(tokio::task::spawn_blocking(store)),
                Storing::Inline => store(),
            }
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<Vec<Position>, SpoolError> {
        let begun = std::time::Instant::now();
        let positions = self.log.append(records)?;
        self.log.sync()?;
        metrics::histogram!(names::COMMIT_SECONDS).record(begun.elapsed().as_secs_f64());
        if self.log.mend().is_ok() {
            self.follow.set_durable(self.log.end());
        }
        Ok(positions)
    }

    /// Tells everyone, and applies the records while they go on with their work.
    fn tell_and_apply(&self, rest: Vec<Pending>, positions: &[Position]) {
        if !self.follow.is_complete() {
            // The index comes to it in the order of the log.
            for pending in rest {
                pending.done.send(Ok(())).ok();
                told::tell(&pending.entry);
            }
            return;
        }
        // Nobody who was told misses it in the index.
        let applying = self.index.applying();
        let entries: Vec<Entry> = rest.into_iter().map(|pending| self.tell(pending)).collect();
        let ends = positions.iter().skip(1).copied().chain([self.log.end()]);
        for ((entry, at), after) in entries.iter().zip(positions).zip(ends) {
            // What is durable is accepted, also when the index fails: it is rebuilt from the log.
            if let Err(error) = index::apply(&self.index, entry, *at, after) {
                tracing::error!(%error, "the index cannot follow the log; restart to make it anew");
                self.index.give_up();
                metrics::counter!(names::SPOOL_INDEX_ERRORS).increment(1);
            }
        }
        drop(applying);
    }

    fn tell(&self, pending: Pending) -> Entry {
        pending.done.send(Ok(())).ok();
        told::tell(&pending.entry);
        if let Entry::Message { line, .. } = &pending.entry {
            let committed = Committed {
                id: line.id,
                envelope: Arc::clone(&line.envelope),
                body: pending.body,
            };
            // A full queue has more than enough to do; it finds this message in the index.
            self.committed.try_send(committed).ok();
        }
        pending.entry
    }
}

fn is_mixed(all: &[Pending]) -> bool {
    all.iter().any(|one| one.with_mail) && !all.iter().all(|one| one.with_mail)
}

fn note(stored: &Result<(), SpoolError>) {
    if let Err(error) = stored {
        tracing::error!(%error, "the index could not be stored");
        metrics::counter!(names::SPOOL_INDEX_ERRORS).increment(1);
    }
}

/// What of a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// Its mail was refused.
    WithoutMail,
}

struct Pending {
    entry: Entry,
    body: Option<Bytes>,
    _share: Option<Share>,
    /// Is it mail, or goes with mail?
    with_mail: bool,
    done: oneshot::Sender<Result<(), SpoolError>>,
}

/// What is asked for, and what goes with it.
fn split(request: Request) -> impl Iterator<Item = (Record, Pending)> {
    let with_mail = request.record.kind == Kind::Message;
    let pending = Pending {
        entry: request.entry,
        body: request.body,
        _share: request.share,
        with_mail,
        done: request.done,
    };
    let beside = request.beside.map(|Beside { record, entry }| {
        // Who asked is told by the other one.
        let (done, _) = oneshot::channel();
        let pending = Pending {
            entry,
            body: None,
            _share: None,
            with_mail,
            done,
        };
        (record, pending)
    });
    std::iter::once((request.record, pending)).chain(beside)
}
