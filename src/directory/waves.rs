//! Waves in the log: locked, scheduled, started, taken back, whatever happens to the process.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Mutex, Notify};

use super::wave::{Allowed, Wave, WaveFile, WaveState, WaveStep, hash};
use super::wave_change::Rehoming;
use super::wave_plan::{PlannedUser, WavePlan};
use super::{Cause, DirectoryError, Generations, Note, Outcome};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::BackendId;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "wave";
/// The waves; the number follows.
const WAVE: &str = "wave/";
/// Their files.
const FILE: &str = "file/";
/// What became of each user.
const REPORT: &str = "report/";

/// Who says something about a wave, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
}

/// The waves; cheap to clone.
#[derive(Clone)]
pub struct Waves(Arc<Inner>);

struct Inner {
    generations: Generations,
    spool: Spool,
    /// One change at a time.
    writing: Mutex<()>,
    /// Rings when a start was scheduled.
    scheduled: Notify,
}

impl fmt::Debug for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waves").finish_non_exhaustive()
    }
}

impl Waves {
    /// The waves of a directory.
    #[must_use]
    pub fn new(generations: Generations, spool: Spool) -> Self {
        Self(Arc::new(Inner {
            generations,
            spool,
            writing: Mutex::default(),
            scheduled: Notify::new(),
        }))
    }

    /// All waves, the first one first.
    ///
    /// # Errors
    /// When the index fails.
    pub fn list(&self) -> Result<Vec<Wave>, SpoolError> {
        let facts = self.0.spool.facts(ROOM, WAVE)?.into_iter();
        facts
            .map(|(key, value)| {
                serde_json::from_value(value)
                    .map_err(|error| SpoolError::Damaged(format!("the fact {key}: {error}")))
            })
            .collect()
    }

    /// The latest wave of this id or file name.
    ///
    /// # Errors
    /// When there is none, or the index fails.
    pub fn find(&self, name: &str, to: Option<&BackendId>) -> Result<Wave, DirectoryError> {
        let mut all = self.list()?;
        all.retain(|one| to.is_none_or(|to| one.to == *to));
        let found = all.iter().rfind(|one| one.id == name || one.name == name);
        let none = || DirectoryError::NoWave(name.to_owned());
        found.cloned().ok_or_else(none)
    }

    /// Locks a file: from now on a wave of this name and home has exactly this content. Planning
    /// again locks it anew, as long as it has not started.
    ///
    /// # Errors
    /// When it is scheduled or has started already, or cannot be written down.
    pub async fn lock(
        &self,
        (name, to): (&str, &BackendId),
        (bytes, file): (Bytes, &WaveFile),
        said: Said,
    ) -> Result<Wave, DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let all = self.list()?;
        let known = all.iter().rfind(|one| one.name == name && one.to == *to);
        let id = match known {
            Some(known) => match known.state {
                WaveState::Planned | WaveState::Refused => Some(known.id.clone()),
                WaveState::Scheduled | WaveState::Starting | WaveState::Reverting => {
                    return Err(busy(known));
                }
                WaveState::Started if known.hash == file.hash => return Err(busy(known)),
                WaveState::Started | WaveState::Reverted => None,
            },
            None => None,
        };
        if id.is_none() && all.len() >= limits::WAVES {
            let what = format!("there are {} waves already, no more are taken", all.len());
            return Err(DirectoryError::Asked(what));
        }
        let last = all.iter().map(Wave::number).max().unwrap_or_default();
        let mut wave = Wave {
            id: id.clone().unwrap_or_else(|| format!("w{}", last + 1)),
            name: name.to_owned(),
            hash: file.hash.clone(),
            to: to.clone(),
            users: file.users.len() as u64,
            state: WaveState::Planned,
            start_at: None,
            allowed: Allowed::default(),
            generation: None,
            started: None,
            reverted_by: None,
            steps: known
                .filter(|_| id.is_some())
                .map(|one| one.steps.clone())
                .unwrap_or_default(),
        };
        self.put_document(FILE, &wave, bytes).await?;
        self.step(&mut wave, WaveState::Planned, &said).await?;
        Ok(wave)
    }

    /// The locked file of a wave.
    ///
    /// # Errors
    /// When it is gone or damaged.
    pub fn file(&self, wave: &Wave) -> Result<WaveFile, DirectoryError> {
        let key = document_key(FILE, wave);
        let found = self.0.spool.document(ROOM, &key)?;
        let (_, bytes) = found.ok_or_else(|| SpoolError::Damaged(format!("{key} is missing")))?;
        let file = WaveFile::parse(&bytes)?;
        if file.hash != wave.hash {
            // The fact is written behind the file: the one of an earlier plan counts no more.
            let what = format!("{} was not locked to its end: plan it again", wave.id);
            return Err(DirectoryError::Asked(what));
        }
        Ok(file)
    }

    /// Is this the file that was locked?
    ///
    /// # Errors
    /// When it is another one.
    pub fn check(wave: &Wave, bytes: &[u8]) -> Result<(), DirectoryError> {
        if hash(bytes) == wave.hash {
            return Ok(());
        }
        let planned = wave.steps.iter().rfind(|s| s.state == WaveState::Planned);
        let when = planned.map_or_else(String::new, |step| format!(" at {}", step.at));
        Err(DirectoryError::Asked(format!(
            "{} has changed since it was planned{when}: look at it with `wave plan` again",
            wave.name
        )))
    }

    /// Lets a wave start by itself.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn schedule(
        &self,
        mut wave: Wave,
        (at, allowed): (Timestamp, Allowed),
        said: Said,
    ) -> Result<Wave, DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        self.expect(&wave, &[WaveState::Planned, WaveState::Refused])?;
        (wave.start_at, wave.allowed) = (Some(at), allowed);
        self.step(&mut wave, WaveState::Scheduled, &said).await?;
        self.0.scheduled.notify_one();
        Ok(wave)
    }

    /// A scheduled wave does not start: somebody has to look.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn refuse(&self, mut wave: Wave, why: String) -> Result<Wave, DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        self.expect(&wave, &[WaveState::Scheduled])?;
        let said = Said {
            actor: "tideover".to_owned(),
            reason: why,
        };
        self.step(&mut wave, WaveState::Refused, &said).await?;
        Ok(wave)
    }

    /// Starts a wave as it was planned: a generation in which its users have their new home.
    ///
    /// # Errors
    /// When the directory has changed since the plan was made, or it cannot be written down.
    pub async fn start(
        &self,
        mut wave: Wave,
        (plan, allowed): (&WavePlan, Allowed),
        said: Said,
    ) -> Result<Wave, DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        self.expect_startable(&wave)?;
        if plan.generation != self.0.generations.current().number() {
            let what = "the directory has changed meanwhile: nothing was started";
            return Err(DirectoryError::Asked(what.to_owned()));
        }
        wave.allowed = allowed;
        let report = lines(&plan.users)?;
        self.put_document(REPORT, &wave, report).await?;
        self.step(&mut wave, WaveState::Starting, &said).await?;
        let people = plan.movers().filter_map(|user| user.entry.clone());
        self.start_or_refuse(&mut wave, people.collect(), &said)
            .await?;
        Ok(wave)
    }

    async fn start_or_refuse(
        &self,
        wave: &mut Wave,
        people: Vec<String>,
        said: &Said,
    ) -> Result<(), DirectoryError> {
        let Err(error) = self.start_now(wave, people, said).await else {
            return Ok(());
        };
        // Nothing has moved; it can be planned and started again.
        let why = Said {
            actor: "tideover".to_owned(),
            reason: error.to_string(),
        };
        self.step(wave, WaveState::Refused, &why).await?;
        Err(error)
    }

    async fn start_now(
        &self,
        wave: &mut Wave,
        people: Vec<String>,
        said: &Said,
    ) -> Result<(), DirectoryError> {
        let note = note(wave.told("starts", &said.reason), said);
        let rehoming = Rehoming::To(people, wave.to.clone());
        let outcome = self.0.generations.rehome(rehoming, note).await?;
        wave.generation = Some(self.number_of(wave, &outcome, " starts").await?);
        wave.started = Some(self.0.generations.now());
        self.step(wave, WaveState::Started, said).await?;
        Ok(())
    }

    /// Calls a wave off before it has started, or gives its users the homes of before. Who was
    /// said to live elsewhere by hand since then stays there.
    ///
    /// # Errors
    /// When there is nothing to take back, or it cannot be written down.
    pub async fn revert(&self, mut wave: Wave, said: Said) -> Result<Wave, DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        self.expect(
            &wave,
            &[
                WaveState::Planned,
                WaveState::Scheduled,
                WaveState::Started,
                WaveState::Refused,
            ],
        )?;
        if wave.generation.is_none() {
            self.step(&mut wave, WaveState::Reverted, &said).await?;
            return Ok(wave);
        }
        self.expect_last(&wave)?;
        self.step(&mut wave, WaveState::Reverting, &said).await?;
        self.revert_now(&mut wave, &said).await?;
        Ok(wave)
    }

    async fn revert_now(&self, wave: &mut Wave, said: &Said) -> Result<(), DirectoryError> {
        let note = note(wave.told("is taken back", &said.reason), said);
        let generation = wave.generation.unwrap_or_default();
        let rehoming = Rehoming::Back(generation);
        let outcome = self.0.generations.rehome(rehoming, note).await?;
        wave.reverted_by = Some(self.number_of(wave, &outcome, " is taken back").await?);
        self.step(wave, WaveState::Reverted, said).await?;
        Ok(())
    }

    /// The generation that was made, also when it was made by a process that died behind it.
    async fn number_of(
        &self,
        wave: &Wave,
        outcome: &Outcome,
        what: &str,
    ) -> Result<u64, DirectoryError> {
        if let Outcome::Done(generation) = outcome {
            return Ok(generation.number);
        }
        let begins = format!("{}{}", wave.mark(), what.trim_start());
        let all = self.0.generations.list().await?;
        let made = all.iter().rfind(|one| one.reason.starts_with(&begins));
        Ok(made.map_or(self.0.generations.current().number(), |one| one.number))
    }

    /// Goes on with what a process that died had begun.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn resume(&self) -> Result<(), DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        for mut wave in self.list()? {
            let last = wave.steps.last().cloned();
            let said = last.map_or_else(
                || Said {
                    actor: "tideover".to_owned(),
                    reason: String::new(),
                },
                |step| Said {
                    actor: step.actor,
                    reason: step.reason,
                },
            );
            match wave.state {
                WaveState::Starting => {
                    let people = self.report(&wave)?.into_iter();
                    let people = people.filter(|user| user.moves);
                    let people = people.filter_map(|user| user.entry).collect();
                    self.start_or_refuse(&mut wave, people, &said).await?;
                }
                WaveState::Reverting => self.revert_now(&mut wave, &said).await?,
                WaveState::Planned
                | WaveState::Scheduled
                | WaveState::Started
                | WaveState::Reverted
                | WaveState::Refused => {}
            }
        }
        Ok(())
    }

    /// What was planned for each user when the wave started; empty before.
    ///
    /// # Errors
    /// When the log fails.
    pub fn report(&self, wave: &Wave) -> Result<Vec<PlannedUser>, SpoolError> {
        let key = document_key(REPORT, wave);
        let Some((_, body)) = self.0.spool.document(ROOM, &key)? else {
            return Ok(Vec::new());
        };
        let lines = body.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|error| SpoolError::Damaged(format!("{key}: {error}")))
            })
            .collect()
    }

    /// Scheduled waves, the earliest first.
    ///
    /// # Errors
    /// When the index fails.
    pub fn scheduled(&self) -> Result<Vec<Wave>, SpoolError> {
        let mut waves = self.list()?;
        waves.retain(|one| one.state == WaveState::Scheduled);
        waves.sort_by_key(|one| one.start_at);
        Ok(waves)
    }

    /// Returns when a start was scheduled.
    pub async fn newly_scheduled(&self) {
        self.0.scheduled.notified().await;
    }

    /// The directory whose users move.
    #[must_use]
    pub fn generations(&self) -> &Generations {
        &self.0.generations
    }

    /// May it start, and is it still what somebody looked at?
    ///
    /// # Errors
    /// When it is under way or has ended, or was planned anew.
    pub fn expect_startable(&self, wave: &Wave) -> Result<(), DirectoryError> {
        let before = [WaveState::Planned, WaveState::Scheduled, WaveState::Refused];
        self.expect(wave, &before)
    }

    /// Is it still what somebody looked at?
    fn expect(&self, wave: &Wave, states: &[WaveState]) -> Result<(), DirectoryError> {
        let now = self.find(&wave.id, None)?;
        if now.hash != wave.hash || !states.contains(&now.state) {
            return Err(busy(&now));
        }
        Ok(())
    }

    async fn step(
        &self,
        wave: &mut Wave,
        state: WaveState,
        said: &Said,
    ) -> Result<(), DirectoryError> {
        wave.state = state;
        wave.steps.push(WaveStep {
            at: self.0.generations.now(),
            state,
            actor: said.actor.clone(),
            reason: said.reason.clone(),
        });
        let excess = wave.steps.len().saturating_sub(limits::WAVE_STEPS);
        wave.steps.drain(..excess);
        let value = serde_json::to_value(&*wave);
        let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        let key = format!("{WAVE}{:08}", wave.number());
        self.0.spool.put_fact(ROOM, &key, Some(value)).await?;
        tracing::warn!(wave = %wave.id, file = %wave.name, to = %wave.to, %state,
            actor = %said.actor, reason = %said.reason, "a wave");
        Ok(())
    }

    async fn put_document(&self, what: &str, wave: &Wave, body: Bytes) -> Result<(), SpoolError> {
        let key = document_key(what, wave);
        let spool = &self.0.spool;
        let written = spool.put_document(ROOM, &key, wave.id.as_str().into(), body);
        written.await?.wait().await
    }
}

fn document_key(what: &str, wave: &Wave) -> String {
    format!("{what}{:08}", wave.number())
}

fn note(reason: String, said: &Said) -> Note {
    Note {
        author: said.actor.clone(),
        reason,
        cause: Cause::Hand,
        source: None,
    }
}

/// A line of JSON each.
fn lines<T: Serialize>(all: &[T]) -> Result<Bytes, SpoolError> {
    let mut body = Vec::new();
    for one in all {
        let line = serde_json::to_vec(one);
        body.extend(line.map_err(|error| SpoolError::Damaged(error.to_string()))?);
        body.push(b'\n');
    }
    Ok(body.into())
}

fn busy(wave: &Wave) -> DirectoryError {
    let Wave { id, name, .. } = wave;
    let what = match wave.state {
        WaveState::Scheduled => {
            let at = wave.start_at.unwrap_or_default();
            format!("{id} ({name}) starts at {at}; `wave revert` calls it off")
        }
        WaveState::Started => format!("{id} ({name}) has started; `wave status` shows it"),
        WaveState::Reverted => format!("{id} ({name}) was taken back; plan it again"),
        WaveState::Planned => format!("{id} ({name}) has been planned anew: look at it again"),
        WaveState::Refused => format!("{id} ({name}) could not start; `wave status` shows why"),
        WaveState::Starting | WaveState::Reverting => {
            format!("{id} ({name}) is {} at this moment", wave.state)
        }
    };
    DirectoryError::Asked(what)
}
