//! Write-back: what users did in the webmail is carried into their real mailboxes, on whichever
//! platform holds these now.
//!
//! What there is to carry is read from the spool ([`work`]): the webmail leaves facts there. What
//! is carried is a fact, too ([`record`]), so a second run does nothing. A crash can come between
//! the two: so everything is looked for in the mailbox before it is put there, and what has to be
//! done is decided from what is there ([`decide`], pure).

mod carry;
mod copy;
mod decide;
mod drafts;
mod letter;
mod people;
mod plan;
mod record;
mod runner;
#[cfg(test)]
mod tests;
mod work;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use plan::{Plan, Skipped, UserPlan};
pub use record::{Carried, Meant, Run, RunDeed, RunState, UserResult};

use crate::base::{Clock, Entropy, Shutdown};
use crate::imap::Carriers;
use crate::limits;
use crate::mail::BackendId;
use crate::route::Router;
use crate::spool::{Spool, SpoolError};
use runner::{Live, Runner};

/// Who ends runs when nobody does.
const PROGRAM: &str = "tideover";
/// Before a run is tried again that failed on the disk or the index.
const AGAIN: Duration = Duration::from_secs(10);

/// A run that is being stopped is waited for, so long.
const MOMENT: Duration = Duration::from_millis(50);
/// So often.
const PATIENCE: u32 = 100;

/// What becomes of sent mail when the backend offers no IMAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WithoutImap {
    /// It is told that it cannot be carried.
    #[default]
    Tell,
    /// Its writer is sent a copy with a mark.
    Copy,
}

/// `[writeback]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For backends without `[backend.NAME.imap]`.
    pub without_imap: WithoutImap,
    /// What stands in front of the subject of such a copy.
    pub subject_mark: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            without_imap: WithoutImap::default(),
            subject_mark: "[Sent in the emergency webmail] ".to_owned(),
        }
    }
}

/// What write-back works with.
#[derive(Debug)]
pub struct Parts {
    /// What users did.
    pub spool: Spool,
    /// Where their mailboxes are.
    pub router: Router,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
    /// The end of the program.
    pub shutdown: Shutdown,
    /// Our name, for Message-IDs.
    pub hostname: String,
    carriers: OnceLock<Arc<dyn Carriers>>,
    options: Mutex<Options>,
}

impl Parts {
    /// Without a way into any mailbox yet.
    #[must_use]
    pub fn new(
        (spool, router): (Spool, Router),
        (clock, entropy): (Clock, Entropy),
        shutdown: Shutdown,
        (hostname, options): (String, Options),
    ) -> Self {
        Self {
            spool,
            router,
            clock,
            entropy,
            shutdown,
            hostname,
            carriers: OnceLock::new(),
            options: Mutex::new(options),
        }
    }

    fn carriers(&self) -> Option<&Arc<dyn Carriers>> {
        self.carriers.get()
    }

    /// How many mailboxes of a backend may be open at one time.
    fn at_a_time(&self, backend: &BackendId) -> usize {
        let carriers = self.carriers();
        carriers.map_or(0, |carriers| carriers.open_at_a_time(backend))
    }

    fn has_imap(&self, backend: &BackendId) -> bool {
        self.at_a_time(backend) > 0
    }

    fn options(&self) -> Options {
        let options = self.options.lock();
        options.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why something cannot be done with a run.
#[derive(Debug, thiserror::Error)]
pub enum WritebackError {
    /// There is none of that name.
    #[error("there is no write-back {0}")]
    Unknown(String),
    /// These are no addresses of users.
    #[error("no user has the address {0}")]
    Nobody(String),
    /// There is none at all.
    #[error("there was no write-back yet")]
    None,
    /// One goes on.
    #[error("{0} goes on")]
    GoesOn(String),
    /// It is not in the state for it.
    #[error("{0} is {1}")]
    NotNow(String, &'static str),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// A run as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// Users whose work was carried.
    pub done: u64,
    /// Users whose work, or the rest of it, was not.
    pub failed: u64,
    /// Users that it means, in all.
    pub total: u64,
    /// What was carried.
    pub carried: Carried,
    /// When it will be done, in seconds from now, if that can be told.
    pub eta_seconds: Option<u64>,
    /// Why nothing happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// What came of it for each user: first who was not carried; at most [`limits::PAGE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<UserResult>,
}

/// The write-backs; cheap to clone. One goes on at a time.
#[derive(Debug, Clone)]
pub struct Writebacks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Arc<Parts>,
    /// One change at a time.
    writing: tokio::sync::Mutex<()>,
    going: Mutex<Option<Going>>,
}

/// A run that goes on.
#[derive(Debug)]
struct Going {
    id: String,
    live: Arc<Mutex<Live>>,
    stop: Shutdown,
    begun: Instant,
    /// Users that had come to their end before it went on.
    before: u64,
}

impl Writebacks {
    /// Nothing goes on before [`Self::start_open`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts: Arc::new(parts),
            writing: tokio::sync::Mutex::default(),
            going: Mutex::default(),
        }))
    }

    /// Opens mailboxes with these. The first word counts.
    pub fn carry_with(&self, carriers: Arc<dyn Carriers>) {
        self.0.parts.carriers.get_or_init(|| carriers);
    }

    /// Takes over the options of a new config.
    pub fn configure(&self, options: Options) {
        let known = self.0.parts.options.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Goes on with what ran when the program ended.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn start_open(&self) -> Result<(), SpoolError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let runs = record::runs(&self.0.parts.spool)?.into_iter();
        let open = runs.rev().find(|run| run.state == RunState::Running);
        if let Some(run) = open {
            self.begin(&run)?;
        }
        Ok(())
    }

    /// What a run would do. No mailbox is asked.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn plan(
        &self,
        (meant, named): (Meant, BTreeSet<String>),
    ) -> Result<Plan, SpoolError> {
        let parts = Arc::clone(&self.0.parts);
        let reading = move |spool: &Spool| {
            let stop = parts.shutdown.clone();
            plan::count(&parts, spool, (&meant, &named, &stop))
        };
        self.0.parts.spool.beside(reading).await
    }

    /// Begins a run.
    ///
    /// # Errors
    /// When one goes on, or it cannot be written down.
    pub async fn start(
        &self,
        (meant, named): (Meant, BTreeSet<String>),
        actor: &str,
    ) -> Result<Progress, WritebackError> {
        let plan = self.plan((meant.clone(), named.clone())).await?;
        let listed = self.listed((meant.clone(), named)).await?;
        self.wait_for_the_stopped().await;
        let _one_at_a_time = self.0.writing.lock().await;
        let spool = &self.0.parts.spool;
        let all = record::runs(spool)?;
        if let Some(open) = all.iter().find(|run| run.state == RunState::Running) {
            return Err(WritebackError::GoesOn(open.id.clone()));
        }
        // Two at once would put the same message there twice.
        if let Some(ending) = self.going().as_ref() {
            return Err(WritebackError::GoesOn(ending.id.clone()));
        }
        let last = all.iter().map(Run::number).max().unwrap_or_default();
        record::make_room(spool, &all).await?;
        let mut run = Run {
            id: format!("w{}", last + 1),
            state: RunState::Running,
            meant,
            users: plan.users_with_work(),
            people: listed.as_ref().map(|listed| listed.len() as u64),
            deeds: Vec::new(),
        };
        record::put_people(spool, &run, &listed.unwrap_or_default()).await?;
        self.step(&mut run, RunState::Running, (actor, "")).await?;
        self.begin(&run)?;
        Ok(self.progress(run)?)
    }

    /// One that was stopped is in the middle of a message perhaps, for a moment.
    async fn wait_for_the_stopped(&self) {
        let is_stopping = || {
            let going = self.going();
            going.as_ref().is_some_and(|going| going.stop.is_stopping())
        };
        for _ in 0..PATIENCE {
            if !is_stopping() {
                return;
            }
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// Ends a run; what it has carried stays. A new one goes on where it stopped.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn stop(&self, id: &str, said: (&str, &str)) -> Result<Progress, WritebackError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let mut run = self.find(id)?;
        if run.state != RunState::Running {
            return Err(WritebackError::NotNow(run.id, run.state.word()));
        }
        self.step(&mut run, RunState::Stopped, said).await?;
        if let Some(going) = self.going().as_ref().filter(|going| going.id == id) {
            going.stop.signal();
        }
        Ok(self.progress(run)?)
    }

    /// All runs, the first one first, without what came of them for each user.
    ///
    /// # Errors
    /// When the index fails.
    pub fn list(&self) -> Result<Vec<Progress>, SpoolError> {
        let runs = record::runs(&self.0.parts.spool)?.into_iter();
        let shown = runs.map(|run| {
            let progress = self.progress(run)?;
            Ok(Progress {
                results: Vec::new(),
                ..progress
            })
        });
        shown.collect()
    }

    /// One run; the last one without a name.
    ///
    /// # Errors
    /// When there is none, or the index fails.
    pub fn status(&self, id: Option<&str>) -> Result<Progress, WritebackError> {
        let run = if let Some(id) = id {
            self.find(id)?
        } else {
            let last = record::runs(&self.0.parts.spool)?.pop();
            last.ok_or(WritebackError::None)?
        };
        Ok(self.progress(run)?)
    }

    fn find(&self, id: &str) -> Result<Run, WritebackError> {
        let all = record::runs(&self.0.parts.spool)?;
        let found = all.into_iter().find(|one| one.id == id);
        found.ok_or_else(|| WritebackError::Unknown(id.to_owned()))
    }

    async fn step(
        &self,
        run: &mut Run,
        state: RunState,
        (actor, reason): (&str, &str),
    ) -> Result<(), SpoolError> {
        run.state = state;
        run.deeds.push(RunDeed {
            at: self.0.parts.clock.now(),
            state,
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        });
        record::put_run(&self.0.parts.spool, run).await?;
        tracing::warn!(run = %run.id, state = state.word(), actor, reason, "write-back");
        Ok(())
    }

    /// Goes on in the background.
    fn begin(&self, run: &Run) -> Result<(), SpoolError> {
        let mut ended = record::results(&self.0.parts.spool, run)?;
        ended.retain(|one| !one.partial);
        let stop = self.0.parts.shutdown.child();
        let runner = Runner {
            parts: Arc::clone(&self.0.parts),
            run: run.clone(),
            live: Arc::default(),
            stop: stop.clone(),
        };
        *self.going() = Some(Going {
            id: run.id.clone(),
            live: Arc::clone(&runner.live),
            stop,
            begun: Instant::now(),
            before: ended.len() as u64,
        });
        let own = self.clone();
        let shutdown = &self.0.parts.shutdown;
        shutdown.spawn("write-back", async move { own.go_on(runner).await });
        Ok(())
    }

    /// Until it is over, whatever the disk does.
    async fn go_on(&self, runner: Runner) {
        loop {
            match runner.run().await {
                // Stopped by somebody who has written that down, or by the end of the program.
                Ok(false) | Err(SpoolError::Closed) => break,
                Ok(true) => match self.end(&runner.run.id).await {
                    Ok(()) => break,
                    Err(error) => tracing::error!(%error, "the end of a write-back is not noted"),
                },
                Err(error) => tracing::error!(%error, "a write-back is tried again"),
            }
            tokio::select! {
                biased;
                () = runner.stop.stopping() => break,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
        let mut going = self.going();
        if going
            .as_ref()
            .is_some_and(|going| going.id == runner.run.id)
        {
            *going = None;
        }
    }

    async fn end(&self, id: &str) -> Result<(), WritebackError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let mut run = self.find(id)?;
        if run.state == RunState::Running {
            self.step(&mut run, RunState::Done, (PROGRAM, "")).await?;
        }
        Ok(())
    }

    fn progress(&self, run: Run) -> Result<Progress, SpoolError> {
        let mut results = record::results(&self.0.parts.spool, &run)?;
        let mut carried = Carried::default();
        for result in &results {
            carried.add(&result.carried);
        }
        results.retain(|one| !one.partial);
        let failed = results.iter().filter(|one| one.failed.is_some()).count() as u64;
        let ended = results.len() as u64;
        let going = self.going();
        let going = going.as_ref().filter(|going| going.id == run.id);
        let live = going.map(|going| {
            let live = going.live.lock();
            live.unwrap_or_else(PoisonError::into_inner).clone()
        });
        let total = match run.state {
            RunState::Running | RunState::Stopped => run.users.max(ended),
            RunState::Done => ended,
        };
        let left = total - ended;
        let eta_seconds = going.and_then(|going| {
            let seconds = Instant::now()
                .saturating_duration_since(going.begun)
                .as_secs();
            let done = ended.saturating_sub(going.before);
            (done > 0).then(|| left.saturating_mul(seconds).div_ceil(done))
        });
        let waits_for = live.into_iter().flat_map(|live| live.waits_for);
        results.sort_by_key(|one| (one.failed.is_none(), one.is_whole()));
        results.truncate(limits::PAGE);
        Ok(Progress {
            done: ended - failed,
            failed,
            total,
            carried,
            eta_seconds,
            waits_for: waits_for.map(|(_, why)| why).collect(),
            results,
            run,
        })
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn going(&self) -> MutexGuard<'_, Option<Going>> {
        self.0.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
