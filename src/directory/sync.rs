//! Synchronisation: sources that are read again and again, and how the last time went.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::generations::{DirectoryError, Generations, Mode, Note, Outcome};
use super::harvest::{Harvest, Harvested};
use super::{Cause, Extent, Guard};
use crate::base::{Boxed, Shutdown, Timestamp};
use crate::ldap::{LdapServer, Sink};
use crate::limits;
use crate::mail::BackendId;
use crate::telemetry::names;

/// After a failure the next try comes after this, then after twice that, and so on up to
/// `directory.sync`.
const AGAIN: Duration = Duration::from_secs(60);

/// Something that can be read whole, again and again.
pub trait Feed: Send + Sync + fmt::Debug {
    /// Gives all that there is to `sink`.
    ///
    /// # Errors
    /// Why it came to no end, for people; nothing of it counts then.
    fn read<'a>(&'a self, sink: &'a mut dyn Sink) -> Boxed<'a, Result<(), String>>;
}

impl Feed for LdapServer {
    fn read<'a>(&'a self, sink: &'a mut dyn Sink) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            let read = tokio::time::timeout(limits::LDAP_READ, self.read(sink)).await;
            match read {
                Ok(read) => read.map_err(|error| error.to_string()),
                Err(_) => Err("it took too long".to_owned()),
            }
        })
    }
}

/// A source that is synchronised.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What is read.
    pub feed: Arc<dyn Feed>,
    /// The home of what each of its searches finds; `None`: the home of the domain.
    pub homes: Vec<Option<BackendId>>,
}

/// How the last synchronisation of a source went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncStatus {
    /// The source.
    pub source: String,
    /// When it ended; none before the first one.
    pub at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed; none when it did not.
    pub error: Option<String>,
    /// How often it failed since it went well.
    pub failures: u64,
    /// When it last went well.
    pub good_at: Option<Timestamp>,
    /// How many people the source had then.
    pub people: u64,
    /// What could not be used of it: the first of it.
    pub left_out: Vec<String>,
    /// How much more.
    pub more_left_out: u64,
    /// The first of what was taken though it is no address as it stands (`directory.normalise`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<String>,
    /// The last generation that it made, since the start of the program.
    pub generation: Option<u64>,
}

/// What came of one synchronisation.
#[derive(Debug)]
pub struct Synced {
    /// How it went.
    pub status: SyncStatus,
    /// The generation, if something differs.
    pub outcome: Result<Outcome, DirectoryError>,
}

/// Keeps the directory in step with its sources; cheap to clone.
#[derive(Debug, Clone)]
pub struct Syncer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    generations: Generations,
    plan: Mutex<Plan>,
    statuses: Mutex<BTreeMap<String, SyncStatus>>,
    /// One at a time.
    working: tokio::sync::Mutex<()>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Plan {
    sources: Vec<Source>,
    interval: Duration,
}

impl Syncer {
    /// Without sources yet.
    #[must_use]
    pub fn new(generations: Generations) -> Self {
        Self(Arc::new(Inner {
            generations,
            plan: Mutex::default(),
            statuses: Mutex::default(),
            working: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Takes over what the config says; all sources are read soon. What a source said that is
    /// gone from the config stays.
    pub fn configure(&self, sources: Vec<Source>, interval: Duration) {
        self.statuses()
            .retain(|name, _| sources.iter().any(|source| source.name == *name));
        *self.plan() = Plan { sources, interval };
        self.0.changed.notify_one();
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statuses(&self) -> MutexGuard<'_, BTreeMap<String, SyncStatus>> {
        let statuses = self.0.statuses.lock();
        statuses.unwrap_or_else(PoisonError::into_inner)
    }

    /// How the sources are, in the order of the config.
    #[must_use]
    pub fn status(&self) -> Vec<SyncStatus> {
        let names: Vec<String> = self.names();
        let statuses = self.statuses();
        let status = |name: String| {
            let known = statuses.get(&name).cloned();
            known.unwrap_or(SyncStatus {
                source: name,
                ..SyncStatus::default()
            })
        };
        names.into_iter().map(status).collect()
    }

    fn names(&self) -> Vec<String> {
        let plan = self.plan();
        plan.sources.iter().map(|one| one.name.clone()).collect()
    }

    /// Reads one source, or all.
    ///
    /// # Errors
    /// When there is no source of this name, or none at all.
    pub async fn sync(
        &self,
        name: Option<&str>,
        (author, reason): (&str, &str),
        mode: Mode,
    ) -> Result<Vec<Synced>, DirectoryError> {
        let sources: Vec<Source> = {
            let plan = self.plan();
            let wanted = |source: &&Source| name.is_none_or(|name| source.name == name);
            plan.sources.iter().filter(wanted).cloned().collect()
        };
        if sources.is_empty() {
            let names = self.names().join(", ");
            let what = match name {
                Some(name) if names.is_empty() => format!("there is no source {name}"),
                Some(name) => format!("there is no source {name}, only {names}"),
                None => "the config names no source that is synchronised".to_owned(),
            };
            return Err(DirectoryError::NoSuch(what));
        }
        let mut done = Vec::new();
        for source in sources {
            done.push(self.one(&source, (author, reason), mode).await);
        }
        Ok(done)
    }

    async fn one(&self, source: &Source, (author, reason): (&str, &str), mode: Mode) -> Synced {
        let _one_at_a_time = self.0.working.lock().await;
        let begun = self.0.generations.now();
        let rules = Arc::clone(&self.0.generations.current().rules);
        let mut harvest = Harvest::new(source.homes.clone(), rules);
        let read = source.feed.read(&mut harvest).await;
        let mut harvested = Harvested::default();
        let outcome = if let Err(why) = read {
            Err(DirectoryError::Source(why))
        } else {
            harvested = harvest.finish();
            let note = Note {
                author: author.to_owned(),
                reason: reason.to_owned(),
                cause: Cause::Sync,
                source: Some(source.name.clone()),
            };
            let records = std::mem::take(&mut harvested.records);
            let feed = (source.name.clone(), Extent::All);
            self.0.generations.feed(feed, records, (note, mode)).await
        };
        let status = self.told(&source.name, (begun, harvested), &outcome);
        if mode != Mode::DryRun {
            tell(&status);
            self.statuses().insert(source.name.clone(), status.clone());
        }
        Synced { status, outcome }
    }

    fn told(
        &self,
        source: &str,
        (begun, harvested): (Timestamp, Harvested),
        outcome: &Result<Outcome, DirectoryError>,
    ) -> SyncStatus {
        let now = self.0.generations.now();
        let before = self.statuses().get(source).cloned().unwrap_or_default();
        let status = SyncStatus {
            source: source.to_owned(),
            at: Some(now),
            took_ms: u64::try_from(now.since(begun).as_millis()).unwrap_or(u64::MAX),
            ..before
        };
        match outcome {
            Err(error) => SyncStatus {
                error: Some(error.to_string()),
                failures: status.failures + 1,
                ..status
            },
            Ok(outcome) => SyncStatus {
                error: None,
                failures: 0,
                good_at: Some(now),
                people: harvested.people,
                left_out: harvested.left_out,
                more_left_out: harvested.more_left_out,
                mended: harvested.mended,
                generation: match outcome {
                    Outcome::Done(generation) => Some(generation.number),
                    Outcome::Unchanged | Outcome::Would { .. } => status.generation,
                },
                ..status
            },
        }
    }

    /// Reads all sources now and then, until the stop is asked for. `changed` hears of each
    /// generation.
    pub async fn keep(self, shutdown: Shutdown, changed: impl Fn() + Send) {
        loop {
            // Whoever said so before now gets what he wants now.
            self.0.changed.notified().now_or_never();
            let names = self.names();
            for name in &names {
                let mode = Mode::Commit(Guard::On);
                let work = self.sync(Some(name), ("tideover", "directory.sync"), mode);
                let done = tokio::select! {
                    done = work => done.unwrap_or_default(),
                    () = shutdown.stopping() => return,
                };
                if done
                    .iter()
                    .any(|one| matches!(one.outcome, Ok(Outcome::Done(_))))
                {
                    changed();
                }
            }
            let pause = self.pause();
            tokio::select! {
                () = tokio::time::sleep(pause), if !names.is_empty() => {}
                () = self.0.changed.notified() => {}
                () = shutdown.stopping() => return,
            }
        }
    }

    /// Until the next look.
    fn pause(&self) -> Duration {
        let interval = self.plan().interval;
        let failures = self.statuses().values().map(|one| one.failures).max();
        match failures.unwrap_or(0) {
            0 => interval,
            failures => {
                let times = u32::try_from(failures - 1).unwrap_or(u32::MAX).min(16);
                AGAIN.saturating_mul(1 << times).min(interval)
            }
        }
    }
}

fn tell(status: &SyncStatus) {
    let source = status.source.clone();
    let result = if let Some(error) = &status.error {
        tracing::error!(
            source,
            error,
            failures = status.failures,
            "the directory is not in step with a source and stays as it was"
        );
        "failed"
    } else {
        tracing::info!(
            source,
            people = status.people,
            left_out = status.left_out.len(),
            "the directory is in step with a source"
        );
        "good"
    };
    counter!(names::DIRECTORY_SYNCS, "source" => source, "result" => result).increment(1);
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
