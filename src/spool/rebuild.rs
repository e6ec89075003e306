//! The index that is far behind the log, or missing: mail is taken at once, and the index follows.
//!
//! The writer appends, acknowledges, and leaves the index alone. Beside it the log is applied to
//! the index in its order, up to what is on stable storage, until little is left; the writer
//! applies the rest between two batches. Only then the index is asked, so nobody sees half of the
//! truth, and delivery begins with all of it (I3, I4, I13). A crash on the way begins again where
//! the store's last checkpoint is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::SpoolError;
use super::commit::{Job, Writer};
use super::draft::BigHome;
use super::follow::Follow;
use super::handle::{Options, Spool};
use super::ledger::Ledger;
use super::log::LogWriter;
use super::open::World;
use super::recover::{Gap, Recover, Recovery};
use super::segment::Position;
use crate::base::Shutdown;
use crate::mail::SpoolId;

/// The writer applies the rest when it is not more than this many bytes of one segment.
const REST: u32 = 1024 * 1024;
/// Looks at what came meanwhile. Beyond: the writer applies the rest, whatever it is.
const ROUNDS: u32 = 16;
/// After a failure of the disk.
const RETRY: Duration = Duration::from_secs(30);

/// What a start has to know before mail is taken.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) log: LogWriter,
    pub(crate) follow: Arc<Follow>,
    /// Ids are larger than this one.
    pub(crate) newest: SpoolId,
    pub(crate) rest: Rest,
}

/// What is left to do.
#[derive(Debug)]
pub(crate) enum Rest {
    Nothing(Recovery),
    Catch(Box<Work>),
}

impl Start {
    /// Makes the log ready to be written to. Brings the index up to its end, too, when that does
    /// not take long.
    pub(crate) fn new(
        mut recover: Recover,
        (big, ledger): (&BigHome, &Ledger),
        options: &Options,
        world: &World,
    ) -> Result<Self, SpoolError> {
        let now = world.clock.now();
        let mut gap = recover.gap()?;
        let (disk, clock) = (world.disk.clone(), world.clock.clone());
        let mut log = LogWriter::new(recover.log.clone(), disk, clock, gap.end);
        let bodies = recover.large_bodies(big)?;
        if gap.bytes > options.replay_at_start {
            let follow = Follow::behind(now, gap.bytes, gap.end);
            recover.found.rebuilt = gap.from.is_none();
            return Ok(Self {
                log,
                follow: Arc::new(follow),
                newest: gap.newest,
                rest: Rest::Catch(Box::new(Work {
                    recover,
                    gap,
                    at: None,
                    bodies,
                })),
            });
        }
        recover.catch_up(&mut gap, &mut |_| Ok(()))?;
        recover.interrupt_attempts(&mut log, now)?;
        recover.hold_maimed(&mut log, now)?;
        recover.sweep(&bodies, (big, ledger))?;
        let newest = SpoolId::from_u64(recover.index.counters().newest);
        let end = log.end();
        Ok(Self {
            log,
            follow: Arc::new(Follow::complete(now, end)),
            newest: gap.newest.max(newest),
            rest: Rest::Nothing(recover.found),
        })
    }
}

impl Rest {
    /// What recovery found so far, and what must run.
    pub(crate) fn rebuild(self, spool: &Spool) -> (Recovery, Option<Rebuild>) {
        match self {
            Self::Nothing(found) => (found, None),
            Self::Catch(work) => {
                let found = work.recover.found;
                let spool = spool.clone();
                (found, Some(Rebuild { spool, work }))
            }
        }
    }
}

/// The work that brings the index up to the log, while mail is taken.
#[derive(Debug)]
pub struct Rebuild {
    spool: Spool,
    work: Box<Work>,
}

/// Goes from who reads the log to the writer, and back.
#[derive(Debug)]
pub(crate) struct Work {
    recover: Recover,
    gap: Gap,
    /// Up to where the index knows the log; `None`: not begun.
    at: Option<Position>,
    /// Large bodies that were there at the start.
    bodies: Vec<String>,
}

impl Rebuild {
    /// Runs until the index knows the whole log. A failure of the disk is told by
    /// [`Spool::rebuilding`], and tried again after half a minute.
    ///
    /// # Errors
    /// [`SpoolError::Closed`] when the program stops before.
    pub async fn run(self, shutdown: Shutdown) -> Result<Recovery, SpoolError> {
        let Self { spool, mut work } = self;
        loop {
            let (back, result) = attempt(&spool, work, &shutdown).await?;
            match result {
                Ok(()) => return finish(spool, back).await,
                Err(SpoolError::Closed) => return Err(SpoolError::Closed),
                Err(error) => {
                    tracing::error!(%error, "the index cannot be made from the log; mail is taken");
                    spool.0.follow.set_problem(Some(error.to_string()));
                }
            }
            work = back;
            // How far it came is not known.
            (work.at, work.gap.from) = (None, None);
            tokio::select! {
                biased;
                () = shutdown.stopping() => return Err(SpoolError::Closed),
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

type Attempted = (Box<Work>, Result<(), SpoolError>);

/// Reads the log beside the writer, then lets the writer do the rest.
async fn attempt(
    spool: &Spool,
    mut work: Box<Work>,
    shutdown: &Shutdown,
) -> Result<Attempted, SpoolError> {
    let (reading, stopping) = (spool.clone(), shutdown.clone());
    let read = tokio::task::spawn_blocking(move || {
        let stop = || stopping.is_stopping() || reading.0.jobs.is_closed();
        // sled 0.34 panics on some damaged pages: then it is made anew.
        let approach = AssertUnwindSafe(|| work.approach(&reading.0.follow, &stop));
        let result = catch_unwind(approach).unwrap_or_else(|_| {
            Err(SpoolError::Index(
                "it panicked while it was made".to_owned(),
            ))
        });
        (work, result)
    });
    let (work, result) = read.await.map_err(|_| SpoolError::Closed)?;
    if result.is_err() {
        return Ok((work, result));
    }
    let (done, told) = oneshot::channel();
    let asked = spool.0.jobs.send(Job::TakeOver(work, done)).await;
    asked.map_err(|_| SpoolError::Closed)?;
    told.await.map_err(|_| SpoolError::Closed)
}

/// The index knows everything: what is left is cleaning up.
async fn finish(spool: Spool, mut work: Box<Work>) -> Result<Recovery, SpoolError> {
    let swept = tokio::task::spawn_blocking(move || {
        let newest = spool.0.index.counters().newest;
        spool.0.ids.raise(SpoolId::from_u64(newest));
        let homes = (&spool.0.big, &spool.0.ledger);
        if let Err(error) = work.recover.sweep(&work.bodies, homes) {
            tracing::error!(%error, "large bodies without a record were not looked for");
        }
        work.recover.found
    });
    swept.await.map_err(|_| SpoolError::Closed)
}

impl Work {
    /// Applies the log up to where the writer is, nearly.
    fn approach(&mut self, follow: &Follow, stop: &dyn Fn() -> bool) -> Result<(), SpoolError> {
        let mut watch = |bytes| {
            follow.advance(bytes);
            if stop() {
                return Err(SpoolError::Closed);
            }
            Ok(())
        };
        let mut at = if let Some(at) = self.at {
            at
        } else {
            follow.restart(self.gap.bytes);
            self.recover.catch_up(&mut self.gap, &mut watch)?;
            self.gap.end
        };
        follow.set_problem(None);
        for _ in 0..ROUNDS {
            let end = follow.durable();
            let is_near = end.segment == at.segment && end.offset.saturating_sub(at.offset) < REST;
            if is_near {
                break;
            }
            self.recover.replay((at, end), &mut watch)?;
            at = end;
        }
        self.at = Some(at);
        Ok(())
    }
}

impl Writer {
    /// Applies what the index does not know yet; from now on it follows each batch.
    pub(crate) fn take_over(&mut self, work: &mut Work) -> Result<(), SpoolError> {
        self.log.sync()?;
        self.log.mend()?;
        let at = work.at.ok_or(SpoolError::Closed)?;
        let recover = &mut work.recover;
        recover.replay((at, self.log.end()), &mut |_| Ok(()))?;
        let now = self.clock.now();
        recover.interrupt_attempts(&mut self.log, now)?;
        recover.hold_maimed(&mut self.log, now)?;
        self.follow.set_durable(self.log.end());
        self.follow.end();
        tracing::info!(
            replayed = recover.found.replayed,
            damaged = recover.found.damaged,
            interrupted = recover.found.interrupted,
            "the index knows the whole log"
        );
        Ok(())
    }
}
