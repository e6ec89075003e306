//! The directory as a function of the log: every change is a generation, written down before it
//! counts.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::damage::Base;
use super::generation::{self, Cause, Generation};
use super::people::{Change, Delta, PackedChange, People, RulingChange};
use super::plan::{Guard, Owners, Plan, plan};
use super::{Directory, DirectoryHandle, Effect, ImportErrors, Rules, TooMany};
use crate::base::{Clock, Timestamp};
use crate::mail::BackendId;
use crate::spool::{Spool, SpoolError};

/// What generations are made by.
#[derive(Debug, Clone, Default)]
pub struct GenerationOptions {
    /// How records become a directory.
    pub rules: Rules,
    /// The backends that records may name.
    pub backends: Vec<BackendId>,
    /// How many per cent of the people one import may delete and move.
    pub max_delete_percent: u32,
}

/// Why the directory was not changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Too many people would be gone or moved.
    #[error("{0}")]
    TooMany(Box<TooMany>),
    /// The file is wrong.
    #[error("{0}")]
    File(Box<ImportErrors>),
    /// The source cannot be read.
    #[error("{0}")]
    Source(String),
    /// The generations of the log are not known yet.
    #[error("the generations are not read yet: the index is still made from the log")]
    Early,
    /// What the log says of the directory is damaged.
    #[error("the directory in the log cannot be read: {0}")]
    Damaged(String),
    /// There is no such generation, entry, conflict.
    #[error("{0}")]
    NoSuch(String),
    /// There is no such wave.
    #[error("there is no wave {0}")]
    NoWave(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Asked(String),
    /// The log.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl From<TooMany> for DirectoryError {
    fn from(too_many: TooMany) -> Self {
        Self::TooMany(Box::new(too_many))
    }
}

/// Who changes the directory, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Who.
    pub author: String,
    /// Why; may be empty.
    pub reason: String,
    /// What makes the change.
    pub cause: Cause,
    /// The source that changes, when it is one.
    pub source: Option<String>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing differs; nothing was written.
    Unchanged,
    /// It would be this generation; nothing was written.
    Would {
        /// The generation.
        generation: Box<Generation>,
        /// How many conflicts would be open.
        open_conflicts: usize,
    },
    /// This is the generation now.
    Done(Box<Generation>),
}

/// Whether a change is to be made, and what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only look.
    DryRun,
    /// Make it.
    Commit(Guard),
}

/// The generations; cheap to clone.
#[derive(Clone)]
pub struct Generations(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) handle: DirectoryHandle,
    pub(super) spool: Spool,
    clock: Clock,
    options: Mutex<Arc<GenerationOptions>>,
    /// One change at a time.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// What is wrong with the generations of the log, if they cannot be read.
    pub(super) damage: Mutex<Option<String>>,
    /// Why `directory.file` is not in force, if it is not.
    pub(super) untaken: Mutex<Option<String>>,
}

impl fmt::Debug for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generations").finish_non_exhaustive()
    }
}

impl Generations {
    /// Generations that live in `spool` and are shown in `handle`.
    #[must_use]
    pub fn new(
        handle: DirectoryHandle,
        spool: Spool,
        clock: Clock,
        options: GenerationOptions,
    ) -> Self {
        Self(Arc::new(Inner {
            handle,
            spool,
            clock,
            options: Mutex::new(Arc::new(options)),
            writing: tokio::sync::Mutex::default(),
            damage: Mutex::default(),
            untaken: Mutex::default(),
        }))
    }

    /// The directory now.
    #[must_use]
    pub fn current(&self) -> Arc<Directory> {
        self.0.handle.current()
    }

    /// What the config says.
    #[must_use]
    pub fn options(&self) -> Arc<GenerationOptions> {
        let options = self.0.options.lock();
        Arc::clone(&options.unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.0.spool
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(super) fn set_options(&self, options: GenerationOptions) {
        let mut now = self
            .0
            .options
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(options);
    }

    /// Takes over what the log knows.
    ///
    /// # Errors
    /// When the log or its index fails. [`DirectoryError::Damaged`]: what was known stays, as a
    /// stand-in.
    pub async fn restore(&self) -> Result<(), DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let this = self.clone();
        let next = beside(move || {
            this.check_for_loss()?;
            this.fold(u64::MAX)
        });
        match next.await {
            Ok(next) => self.0.handle.replace(next),
            Err(DirectoryError::Spool(error)) if error.is_damage() => {
                return Err(self.stand_in(error.to_string()).await?);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The directory of a generation, from the log alone.
    fn fold(&self, last: u64) -> Result<Directory, DirectoryError> {
        let mut people = People::default();
        let mut finder = people.finder();
        let mut number = 0;
        for generation in generation::way_to(generation::list(&self.0.spool)?, last)? {
            let delta = generation::delta(&self.0.spool, &generation)?;
            people.apply(&delta, generation.at, &mut finder);
            number = generation.number;
        }
        let rules = self.options().rules.clone();
        people.forget_departed(self.now().before(rules.grace));
        people.slots.shrink_to_fit();
        let directory = Directory::build(people, Arc::new(rules), None);
        Ok(directory.numbered(number))
    }

    /// Forgets those who departed longer than `directory.grace` ago.
    ///
    /// # Errors
    /// When the work beside the async threads breaks off.
    pub async fn forget_departed(&self) -> Result<(), DirectoryError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let current = self.current();
        let time = self.now().before(current.rules.grace);
        let next = beside(move || {
            let mut people = current.people.clone();
            if !people.forget_departed(time) {
                return Ok(None);
            }
            let rules = Arc::clone(&current.rules);
            let directory = Directory::build(people, rules, None);
            Ok(Some(directory.in_place_of(&current)))
        });
        if let Some(next) = next.await? {
            self.0.handle.replace(next);
        }
        Ok(())
    }

    /// Makes a change: `work` says, beside the async threads, what changes against the present
    /// directory.
    pub(super) async fn change<F>(
        &self,
        note: Note,
        mode: Mode,
        work: F,
    ) -> Result<Outcome, DirectoryError>
    where
        F: FnOnce(&Directory) -> Result<Delta, DirectoryError> + Send + 'static,
    {
        let _one_at_a_time = self.0.writing.lock().await;
        let base = self.base(note.cause, mode).await?;
        let percent = self.options().max_delete_percent;
        let (outcome, next) = self.make((note, mode), (base, percent), work).await?;
        if let Some(next) = next {
            self.0.handle.replace(next);
        }
        Ok(outcome)
    }

    /// Writes a change down. It does not count yet: that is for the directory to do that comes back
    /// with it.
    pub(super) async fn make<F>(
        &self,
        (note, mode): (Note, Mode),
        (base, percent): (Base, u32),
        work: F,
    ) -> Result<(Outcome, Option<Directory>), DirectoryError>
    where
        F: FnOnce(&Directory) -> Result<Delta, DirectoryError> + Send + 'static,
    {
        let at = self.now();
        let Base { current, afresh } = base;
        let before = Arc::clone(&current);
        let owners = match note.cause {
            Cause::Revert => Owners::Restore,
            Cause::File | Cause::Import | Cause::Sync | Cause::Settle | Cause::Hand => Owners::Keep,
        };
        let planned = beside(move || {
            let delta = work(&before)?;
            Ok((!delta.is_empty()).then(|| plan(&before, delta, (at, owners))))
        });
        let Some(Plan {
            delta,
            next,
            effect,
        }) = planned.await?
        else {
            return Ok((Outcome::Unchanged, None));
        };
        let checked = match mode {
            Mode::DryRun => Ok(()),
            Mode::Commit(guard) => effect.check(guard, percent),
        };
        let generation = Generation {
            number: current.number + 1,
            at,
            author: note.author,
            reason: note.reason,
            cause: note.cause,
            source: note.source,
            effect,
            rulings: delta.rulings.len() as u64,
            pages: 0,
            afresh,
        };
        if mode == Mode::DryRun {
            let would = Outcome::Would {
                generation: Box::new(generation),
                open_conflicts: next.open_conflicts(),
            };
            return Ok((would, None));
        }
        checked?;
        let generation = generation::write(&self.0.spool, generation, &delta).await?;
        tracing::info!(number = generation.number, cause = %generation.cause,
            author = %generation.author, added = generation.effect.added,
            changed = generation.effect.changed, removed = generation.effect.removed,
            "the directory has a new generation");
        if afresh {
            self.has_begun_afresh().await?;
        }
        let next = next.numbered(generation.number);
        Ok((Outcome::Done(Box::new(generation)), Some(next)))
    }

    /// All generations, the first one first.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn list(&self) -> Result<Vec<Generation>, DirectoryError> {
        let this = self.clone();
        beside(move || Ok(generation::list(&this.0.spool)?)).await
    }

    /// Does the directory show what the log has? Not yet, while the index is made at a start.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn is_restored(&self) -> Result<bool, DirectoryError> {
        let last = self.list().await?.last().map_or(0, |last| last.number);
        Ok(self.current().number() == last)
    }

    /// What differs between two generations; the present one is [`Directory::number`].
    ///
    /// # Errors
    /// When there is no such generation, or the log fails.
    pub async fn diff(
        &self,
        from: u64,
        to: u64,
    ) -> Result<(Vec<Change>, Vec<RulingChange>), DirectoryError> {
        let this = self.clone();
        beside(move || {
            let delta = this.between(from, to)?;
            let changes = delta.changes.iter().filter_map(PackedChange::unpacked);
            Ok((changes.collect(), delta.rulings))
        })
        .await
    }

    /// The way from one generation to another.
    fn between(&self, from: u64, to: u64) -> Result<Delta, DirectoryError> {
        let all = generation::list(&self.0.spool)?;
        let last = all.last().map_or(0, |last| last.number);
        for number in [from, to] {
            if number > last {
                return Err(DirectoryError::NoSuch(format!(
                    "there is no generation {number}, the last one is {last}"
                )));
            }
        }
        let (lower, upper) = (from.min(to), from.max(to));
        let mut between = all;
        between.retain(|one| one.number > lower && one.number <= upper);
        if let Some(afresh) = between.iter().find(|one| one.afresh) {
            return Err(DirectoryError::NoSuch(format!(
                "generation {} began with nobody: what was before it is not known",
                afresh.number
            )));
        }
        let mut way = Delta::default();
        for generation in between {
            way = way.then(generation::delta(&self.0.spool, &generation)?);
        }
        Ok(if from > to { way.reversed() } else { way })
    }

    /// Makes a new generation with the content of an earlier one.
    ///
    /// # Errors
    /// When there is no such generation, or it cannot be written.
    pub async fn revert(
        &self,
        number: u64,
        note: Note,
        mode: Mode,
    ) -> Result<Outcome, DirectoryError> {
        self.revert_from(None, number, note, mode).await
    }

    /// The same, but only while `seen` is the present generation: what was looked at is what
    /// happens.
    ///
    /// # Errors
    /// When there is no such generation, another one is the present one, or it cannot be written.
    pub async fn revert_from(
        &self,
        seen: Option<u64>,
        number: u64,
        note: Note,
        mode: Mode,
    ) -> Result<Outcome, DirectoryError> {
        let this = self.clone();
        let work = move |current: &Directory| {
            if seen.is_some_and(|seen| seen != current.number) {
                return Err(DirectoryError::Asked(format!(
                    "the present generation is {} now, and not the one that was looked at",
                    current.number
                )));
            }
            this.between(current.number, number)
        };
        self.change(note, mode, work).await
    }

    /// Why a change with this effect takes a yes; none when it does not.
    #[must_use]
    pub fn over(&self, effect: &Effect) -> Option<TooMany> {
        effect
            .check(Guard::On, self.options().max_delete_percent)
            .err()
    }

    /// The generation that counted at `time`, and its directory by today's rules.
    ///
    /// # Errors
    /// When there was none yet, or the log fails.
    pub async fn as_of(&self, time: Timestamp) -> Result<(Generation, Directory), DirectoryError> {
        let this = self.clone();
        beside(move || {
            let all = generation::list(&this.0.spool)?;
            let then = all.into_iter().take_while(|one| one.at <= time).last();
            let then = then.ok_or_else(|| {
                DirectoryError::NoSuch(format!("at {time} there was no directory yet"))
            })?;
            let directory = this.fold(then.number)?;
            Ok((then, directory))
        })
        .await
    }

    /// How long the route of somebody who departed lives on.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.options().rules.grace
    }
}

/// Runs `work`, which may block, beside the async threads.
pub(super) async fn beside<T, F>(work: F) -> Result<T, DirectoryError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, DirectoryError> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| DirectoryError::Source(error.to_string()))?
}
