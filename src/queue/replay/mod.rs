//! Replays: mail that was delivered before, or waits, is brought to a backend once more, because
//! that lost it or never had it.
//!
//! A replay is a fact in the log, so it goes on by itself after a crash. What it did with each
//! recipient is an event beside the recipient's state, and a mark in the index by message,
//! recipient and backend: by the marks it knows what is done (I9). It has no list of its work: it
//! walks over the mail, and over it again when it was interrupted. Its jobs go through the rows and
//! workers of all mail, behind it.

mod ask;
mod check;
mod deeds;
mod gap;
mod gap_plan;
mod gap_run;
mod job;
mod judge;
mod plan;
mod record;
mod runner;
mod selection;
mod survey;
mod walk;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use check::LandingCheck;
pub use deeds::ReplayError;
pub(super) use job::Ticket;
pub use plan::{Biggest, Plan, Skipped};
pub use record::{Counts, Refused, Replay, ReplayDeed, ReplayState, Unasked};
pub use selection::{By, Order, People, Selection, Skip, Which};

use super::Queue;
use crate::base::Timestamp;
use crate::imap::{Mailboxes, Purpose};
use crate::mail::BackendId;
use crate::spool::SpoolError;
use ask::Asker;
use judge::Judge;
use runner::{Ended, Live, Runner};

/// Who pauses and ends replays when nobody does.
const PROGRAM: &str = "tideover";
/// Before a replay is tried again that failed on the disk or the index.
const AGAIN: Duration = Duration::from_secs(10);

/// Settings of replays.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Platforms are asked for no automatic answers: `X-Auto-Response-Suppress: All` stands in
    /// front of what they get.
    pub suppress_automatic_answers: bool,
}

/// The replays; cheap to clone.
#[derive(Debug, Clone)]
pub struct Replays(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Queue,
    options: Mutex<Options>,
    /// One change at a time.
    writing: tokio::sync::Mutex<()>,
    runs: Mutex<BTreeMap<String, Run>>,
    mailboxes: OnceLock<Arc<dyn Mailboxes>>,
}

/// A replay that goes on.
#[derive(Debug)]
struct Run {
    ticket: Arc<Ticket>,
    live: Arc<Mutex<Live>>,
    begun: Instant,
}

/// A replay as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The replay.
    #[serde(flatten)]
    pub replay: Replay,
    /// In one word.
    pub told: String,
    /// Recipients that wait for their turn, as far as they were found.
    pub waiting: u64,
    /// Recipients that are in rows or under way.
    pub under_way: u64,
    /// Recipients that it means, in all.
    pub total: u64,
    /// When it will be done, in seconds from now, if that can be told.
    pub eta_seconds: Option<u64>,
    /// Why nothing happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

impl Replays {
    /// The replays of a queue. Nothing goes on before [`Self::start_open`].
    #[must_use]
    pub fn new(queue: Queue, options: Options) -> Self {
        Self(Arc::new(Inner {
            queue,
            options: Mutex::new(options),
            writing: tokio::sync::Mutex::default(),
            runs: Mutex::default(),
            mailboxes: OnceLock::new(),
        }))
    }

    /// Asks these what they have, when only what is missing is meant. The first word counts.
    pub fn ask_with(&self, mailboxes: Arc<dyn Mailboxes>) {
        self.0.mailboxes.get_or_init(|| mailboxes);
    }

    /// The queue whose rows they use.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Takes over the options of a new config: for replays that begin or go on from now on.
    pub fn configure(&self, options: Options) {
        let known = self.0.options.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Goes on with what ran when the program ended.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn start_open(&self) -> Result<(), SpoolError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let spool = &self.0.queue.0.parts.spool;
        for replay in record::list(spool)? {
            if replay.state == ReplayState::Running {
                self.begin(&replay)?;
            } else if !replay.is_open() {
                // The program may have ended between the two.
                spool.let_go(&replay.id).await?;
            }
        }
        Ok(())
    }

    /// All replays, the first one first.
    ///
    /// # Errors
    /// When the index fails.
    pub fn list(&self) -> Result<Vec<Progress>, SpoolError> {
        let all = record::list(&self.0.queue.0.parts.spool)?;
        Ok(all.into_iter().map(|one| self.progress(one)).collect())
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<String, Run>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.0.queue.0.parts.clock.now()
    }

    fn judge(&self, replay: &Replay, people: People) -> Judge {
        Judge {
            id: replay.id.clone(),
            ..self.judge_of(&replay.to, replay.selection.clone(), people)
        }
    }

    /// Of no replay.
    fn judge_of(&self, to: &BackendId, selection: Selection, people: People) -> Judge {
        Judge {
            router: self.0.queue.0.parts.router.clone(),
            id: String::new(),
            to: to.clone(),
            selection,
            people,
            landed: false,
        }
    }

    /// Who asks the mailboxes that a judge means; `None`: nobody can.
    fn asker(&self, judge: Arc<Judge>) -> Option<Asker> {
        Some(Asker {
            spool: self.0.queue.0.parts.spool.clone(),
            judge,
            mailboxes: Arc::clone(self.0.mailboxes.get()?),
            purpose: Purpose::Gap,
        })
    }

    /// Begins a run, in the background.
    fn begin(&self, replay: &Replay) -> Result<(), SpoolError> {
        let people = record::people(&self.0.queue.0.parts.spool, replay)?;
        let options = *self
            .0
            .options
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let judge = Arc::new(self.judge(replay, people));
        let mut asker = None;
        if replay.selection.missing_only {
            // Without it nothing must be taken for missing.
            let none = || SpoolError::Damaged("no mailbox can be asked".to_owned());
            asker = Some(self.asker(Arc::clone(&judge)).ok_or_else(none)?);
        }
        let runner = Runner {
            asker,
            queue: self.0.queue.clone(),
            ticket: Arc::new(Ticket::new(&replay.id, &replay.to, options)),
            judge,
            live: Arc::default(),
        };
        let run = Run {
            ticket: Arc::clone(&runner.ticket),
            live: Arc::clone(&runner.live),
            begun: Instant::now(),
        };
        if let Some(before) = self.runs().insert(replay.id.clone(), run) {
            before.ticket.end();
        }
        let (replays, id) = (self.clone(), replay.id.clone());
        let shutdown = &self.0.queue.0.parts.shutdown;
        shutdown.spawn("replay", async move { replays.go_on(&id, runner).await });
        Ok(())
    }

    /// Until it is over, whatever the disk does.
    async fn go_on(&self, id: &str, runner: Runner) {
        loop {
            match runner.run().await {
                Ok(Ended::Stopping) => return,
                Ok(Ended::Over) => {
                    self.count_the_last(id, &runner).await;
                    break;
                }
                Ok(Ended::Done) => {
                    self.ends(id, &runner, (ReplayState::Done, String::new()))
                        .await;
                    break;
                }
                Ok(Ended::Odd(why)) => {
                    tracing::warn!(replay = id, why, "a replay pauses");
                    self.ends(id, &runner, (ReplayState::Paused, why)).await;
                    break;
                }
                Err(error) => {
                    tracing::error!(replay = id, %error, "a replay is tried again");
                    *runner.live.lock().unwrap_or_else(PoisonError::into_inner) = Live::default();
                }
            }
            tokio::select! {
                biased;
                () = self.0.queue.0.parts.shutdown.stopping() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
        let mut runs = self.runs();
        let is_this = |run: &Run| Arc::ptr_eq(&run.ticket, &runner.ticket);
        if runs.get(id).is_some_and(is_this) {
            runs.remove(id);
        }
    }

    /// What was under way when somebody paused or stopped it has come to its end meanwhile.
    async fn count_the_last(&self, id: &str, runner: &Runner) {
        let _one_at_a_time = self.0.writing.lock().await;
        let counts = {
            let live = runner.live.lock();
            live.unwrap_or_else(PoisonError::into_inner).counts.clone()
        };
        if let Err(error) = self.note_counts(id, counts).await {
            tracing::warn!(replay = id, %error, "the last counts of a replay are missing");
        }
    }

    /// It has come to an end by itself.
    async fn ends(&self, id: &str, runner: &Runner, (state, reason): (ReplayState, String)) {
        let _one_at_a_time = self.0.writing.lock().await;
        let counts = {
            let live = runner.live.lock();
            live.unwrap_or_else(PoisonError::into_inner).counts.clone()
        };
        if let Err(error) = self.ends_as(id, counts, (state, reason)).await {
            tracing::error!(replay = id, %error, "the end of a replay was not written down");
        }
    }

    fn progress(&self, mut replay: Replay) -> Progress {
        let (live, begun) = match self.runs().get(&replay.id) {
            Some(run) => {
                let live = run.live.lock();
                let live = live.unwrap_or_else(PoisonError::into_inner).clone();
                (live, Some(run.begun))
            }
            None => (Live::default(), None),
        };
        if begun.is_some() {
            replay.counts = live.counts.clone();
        }
        let planned = replay.plan.recipients + replay.plan.withheld;
        let total = if live.walked || !replay.is_open() && replay.state != ReplayState::Planned {
            replay.counts.found.max(replay.counts.ended())
        } else {
            planned.max(replay.counts.found)
        };
        let left = total.saturating_sub(replay.counts.ended());
        Progress {
            told: replay.state.word().to_owned(),
            eta_seconds: begun.and_then(|begun| self.eta(&replay.to, left, (begun, &live.counts))),
            waiting: live.waiting,
            under_way: live.under_way,
            waits_for: live.waits_for,
            total,
            replay,
        }
    }

    /// From what it did so far, and from what the rates allow.
    fn eta(&self, to: &BackendId, left: u64, (begun, counts): (Instant, &Counts)) -> Option<u64> {
        let done = counts.delivered + counts.refused;
        let seconds = Instant::now().saturating_duration_since(begun).as_secs();
        if done == 0 || seconds == 0 {
            return (left == 0).then_some(0);
        }
        let by_speed = left.saturating_mul(seconds).div_ceil(done);
        let by_rates = self.0.queue.progress(to).mailbox_seconds;
        Some(by_speed.max(if left > 0 { by_rates } else { 0 }))
    }
}
