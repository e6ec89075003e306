//! What operators do with replays.

use std::sync::{Arc, PoisonError};

use super::gap_plan::count_missing;
use super::plan::count;
use super::record::{self, Counts, Replay, ReplayDeed, ReplayState};
use super::selection::{People, Selection, Which};
use super::{Plan, Progress, Replays};
use crate::limits;
use crate::mail::BackendId;
use crate::spool::SpoolError;

/// Why something cannot be done with a replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is none of that name.
    #[error("there is no replay {0}")]
    Unknown(String),
    /// It is not in the state for it.
    #[error("{0} is {1}")]
    NotNow(String, &'static str),
    /// There is no time between the two.
    #[error("nothing lies between --since and --until")]
    NoTime,
    /// No mailbox can have it.
    #[error("mail that still waits is in no mailbox: it is not looked for there")]
    NotDelivered,
    /// Mailboxes cannot be asked.
    #[error("the mailboxes of {0} cannot be asked: the config has no [backend.{0}.imap]")]
    NoImap(String),
    /// Mailboxes cannot be asked now.
    #[error("the mailboxes cannot be asked: {0}")]
    Unreachable(String),
    /// There are too many.
    #[error("{0} replays have not ended: end some of them first")]
    TooMany(usize),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

type Result<T> = std::result::Result<T, ReplayError>;

impl Replays {
    /// Looks at what a replay would do, and remembers it under a name.
    ///
    /// # Errors
    /// When the selection is empty by itself, or the spool fails.
    pub async fn plan(
        &self,
        to: &BackendId,
        (mut selection, people): (Selection, People),
        actor: &str,
    ) -> Result<Replay> {
        selection.made = self.now();
        selection.until = selection.until.min(selection.made);
        if selection.since >= selection.until {
            return Err(ReplayError::NoTime);
        }
        if selection.missing_only && selection.which == Which::Unfinished {
            return Err(ReplayError::NotDelivered);
        }
        let mut replay = Replay {
            id: String::new(),
            to: to.clone(),
            selection,
            state: ReplayState::Planned,
            plan: Plan::default(),
            counts: Counts::default(),
            deeds: Vec::new(),
        };
        let spool = &self.0.queue.0.parts.spool;
        let judge = self.judge(&replay, people.clone());
        let counting = if replay.selection.missing_only {
            let none = || ReplayError::NoImap(to.to_string());
            let asker = self.asker(Arc::new(judge)).ok_or_else(none)?;
            count_missing(&asker).await?
        } else {
            spool.beside(move |spool| count(spool, &judge)).await?
        };
        let limits = self.0.queue.limits_of_backend(to);
        let speed = self.0.queue.progress(to).per_minute;
        replay.plan = counting.finish(&limits, speed);
        let _one_at_a_time = self.0.writing.lock().await;
        let all = record::list(spool)?;
        let last = all.iter().map(Replay::number).max().unwrap_or_default();
        self.make_room(&all).await?;
        replay.id = format!("r{}", last + 1);
        record::put_people(spool, &replay, &people).await?;
        self.step(&mut replay, ReplayState::Planned, (actor, ""))
            .await?;
        Ok(replay)
    }

    /// Starts what was planned.
    ///
    /// # Errors
    /// When it has begun already, or cannot be written down.
    pub async fn start(&self, id: &str, actor: &str) -> Result<Progress> {
        let from = [ReplayState::Planned];
        self.change(id, (&from, ReplayState::Running), (actor, ""))
            .await
    }

    /// It sends no more until [`Self::resume`]; what is under way comes to its end.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn pause(&self, id: &str, said: (&str, &str)) -> Result<Progress> {
        let from = [ReplayState::Running];
        self.change(id, (&from, ReplayState::Paused), said).await
    }

    /// It goes on.
    ///
    /// # Errors
    /// When it is not paused.
    pub async fn resume(&self, id: &str, actor: &str) -> Result<Progress> {
        let from = [ReplayState::Paused];
        self.change(id, (&from, ReplayState::Running), (actor, ""))
            .await
    }

    /// It ends as it is; what it has brought stays.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn stop(&self, id: &str, said: (&str, &str)) -> Result<Progress> {
        let from = [
            ReplayState::Planned,
            ReplayState::Running,
            ReplayState::Paused,
        ];
        self.change(id, (&from, ReplayState::Stopped), said).await
    }

    /// One replay.
    ///
    /// # Errors
    /// When there is none of that name, or the index fails.
    pub fn status(&self, id: &str) -> Result<Progress> {
        Ok(self.progress(self.find(id)?))
    }

    fn find(&self, id: &str) -> Result<Replay> {
        let all = record::list(&self.0.queue.0.parts.spool)?;
        let found = all.into_iter().find(|one| one.id == id);
        found.ok_or_else(|| ReplayError::Unknown(id.to_owned()))
    }

    async fn change(
        &self,
        id: &str,
        (from, to): (&[ReplayState], ReplayState),
        said: (&str, &str),
    ) -> Result<Progress> {
        let _one_at_a_time = self.0.writing.lock().await;
        let mut replay = self.find(id)?;
        if !from.contains(&replay.state) {
            return Err(ReplayError::NotNow(replay.id, replay.state.word()));
        }
        if let Some(run) = self.runs().get(id) {
            let live = run.live.lock();
            let live = live.unwrap_or_else(PoisonError::into_inner);
            replay.counts.clone_from(&live.counts);
        }
        let spool = &self.0.queue.0.parts.spool;
        if to == ReplayState::Running {
            // Before it runs: nothing of it goes meanwhile.
            spool.keep_back(id, replay.selection.ids()).await?;
        }
        self.step(&mut replay, to, said).await?;
        match to {
            ReplayState::Running => self.begin(&replay)?,
            ReplayState::Planned => {}
            ReplayState::Paused | ReplayState::Stopped | ReplayState::Done => {
                if let Some(run) = self.runs().get(id) {
                    run.ticket.end();
                }
                self.0.queue.forget_turns();
            }
        }
        if !replay.is_open() {
            spool.let_go(id).await?;
        }
        Ok(self.progress(replay))
    }

    /// It has come to an end by itself.
    pub(super) async fn ends_as(
        &self,
        id: &str,
        counts: Counts,
        (state, reason): (ReplayState, String),
    ) -> Result<()> {
        let mut replay = self.find(id)?;
        // Somebody may have said something in this moment.
        if replay.state != ReplayState::Running {
            return Ok(());
        }
        replay.counts = counts;
        self.step(&mut replay, state, (super::PROGRAM, &reason))
            .await?;
        if !replay.is_open() {
            self.0.queue.0.parts.spool.let_go(id).await?;
        }
        Ok(())
    }

    /// The last counts of a run that somebody has ended.
    pub(super) async fn note_counts(&self, id: &str, counts: Counts) -> Result<()> {
        let mut replay = self.find(id)?;
        if replay.state != ReplayState::Running && replay.counts != counts {
            replay.counts = counts;
            record::put(&self.0.queue.0.parts.spool, &replay).await?;
        }
        Ok(())
    }

    async fn step(
        &self,
        replay: &mut Replay,
        state: ReplayState,
        (actor, reason): (&str, &str),
    ) -> std::result::Result<(), SpoolError> {
        replay.step(ReplayDeed {
            at: self.now(),
            state,
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        });
        record::put(&self.0.queue.0.parts.spool, replay).await?;
        tracing::warn!(replay = %replay.id, to = %replay.to, state = state.word(), actor, reason,
            "a replay");
        Ok(())
    }

    /// Forgets the oldest ones that have ended, or were only planned.
    async fn make_room(&self, all: &[Replay]) -> Result<()> {
        let excess = (all.len() + 1).saturating_sub(limits::REPLAYS);
        let old = all.iter().filter(|one| !one.is_open());
        let old: Vec<&Replay> = old.take(excess).collect();
        if old.len() < excess {
            return Err(ReplayError::TooMany(all.len()));
        }
        for replay in old {
            record::forget(&self.0.queue.0.parts.spool, replay).await?;
        }
        Ok(())
    }
}
