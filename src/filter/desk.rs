//! Asks the filters, one after another. The only part of the room that waits.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use metrics::{counter, gauge, histogram};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::health::{Health, Turn};
use super::heard::{Finding, Heard};
use super::options::{OnFailure, Options};
use super::reach;
use super::ruling::{Ruling, Taken};
use super::talk::Trouble;
use super::{Content, Matter, Subject};
use crate::base::{Clock, Shutdown, Timestamp};
use crate::limits;
use crate::net::{Dial, Resolve};
use crate::telemetry::names;

/// What the filters are reached with.
#[derive(Debug, Clone)]
pub struct World {
    /// Connections.
    pub dial: Arc<dyn Dial>,
    /// Names of hosts.
    pub resolve: Arc<dyn Resolve>,
    /// The time.
    pub clock: Clock,
}

/// All filters; cheap to clone.
#[derive(Debug, Clone)]
pub struct Filters {
    world: World,
    list: Arc<RwLock<Vec<Arc<Filter>>>>,
}

/// How a filter does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FilterStatus {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub protocol: String,
    /// Where it listens.
    pub address: String,
    /// What happens to mail while it does not answer: `accept`, `defer`.
    pub on_failure: String,
    /// Since when it does not answer; none: its last answer was one, or it was not asked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Why not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Messages since then that it did not look at.
    #[serde(default)]
    pub unchecked: u64,
    /// Since when it has too much to do, within the last minute; none: it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_since: Option<Timestamp>,
    /// Messages since then that waited for it in vain.
    #[serde(default)]
    pub passed_over: u64,
}

/// What a filter says of itself when it is asked whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Its name in the config.
    pub name: String,
    /// What it is, or why it does not answer.
    pub answer: Result<String, String>,
}

impl FilterStatus {
    /// That it does not answer, or not all, in a sentence.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let Self { name, reason, .. } = self;
        let (trouble, unchecked) = if self.failing_since.is_some() {
            (format!("does not answer ({reason})"), self.unchecked)
        } else {
            self.busy_since?;
            ("has too much to do".to_owned(), self.passed_over)
        };
        let what = match self.on_failure.as_str() {
            "defer" => OnFailure::Defer.what(),
            _ => OnFailure::Accept.what(),
        };
        Some(format!(
            "the content filter {name} {trouble}: {what}, {unchecked} so far"
        ))
    }
}

#[derive(Debug)]
struct Filter {
    options: Options,
    places: Semaphore,
    health: Mutex<Health>,
}

impl Filters {
    /// Filters by these options, in their order.
    #[must_use]
    pub fn new(world: World, options: Vec<Options>) -> Self {
        let filters = Self {
            world,
            list: Arc::default(),
        };
        filters.configure(options);
        filters
    }

    /// Takes over other options. What has not changed keeps what is known of it.
    pub fn configure(&self, options: Vec<Options>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::take(&mut *list);
        for gone in &old {
            if !options.iter().any(|it| it.name == gone.options.name) {
                // Nobody is alarmed by what is no longer asked.
                gauge!(names::FILTER_UP, "filter" => gone.options.name.clone()).set(1.0);
            }
        }
        let kept = |options: Options| {
            let same = old.iter().find(|it| it.options == options);
            same.map_or_else(|| Arc::new(Filter::new(options)), Arc::clone)
        };
        *list = options.into_iter().map(kept).collect();
    }

    fn list(&self) -> Vec<Arc<Filter>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.clone()
    }

    /// Is there nobody to ask?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.is_empty()
    }

    /// Asks all that are to be asked about a message.
    ///
    /// # Errors
    /// When our own disk fails.
    pub async fn check(
        &self,
        subject: Subject<'_>,
        content: &dyn Content,
    ) -> Result<Ruling, io::Error> {
        let mut taken = Taken::default();
        for filter in self.list() {
            let scope = filter.options.scope(&subject);
            if scope.is_empty() {
                continue;
            }
            let matter = Matter {
                subject,
                scope: &scope,
                content,
            };
            let heard = filter.look(&self.world, matter).await?;
            let of = (&scope[..], &subject);
            if let Err(reply) = taken.add(&filter.options, heard, of) {
                return Ok(Ruling::Refuse(reply));
            }
        }
        Ok(Ruling::Take(taken))
    }

    /// Sets the gauges to what is true now.
    pub fn set_gauges(&self) {
        for status in self.status() {
            let up = if status.failing_since.is_none() {
                1.0
            } else {
                0.0
            };
            gauge!(names::FILTER_UP, "filter" => status.name).set(up);
        }
    }

    /// How they do.
    #[must_use]
    pub fn status(&self) -> Vec<FilterStatus> {
        let now = self.world.clock.now();
        let list = self.list();
        list.iter().map(|filter| filter.status(now)).collect()
    }

    /// Asks each whether it is there, and what it is.
    pub async fn probe(&self) -> Vec<Probed> {
        let list = self.list();
        let probes = list.iter().map(|filter| async move {
            let until = Instant::now() + filter.ping_time();
            let about = reach::about(&self.world, &filter.options, until);
            let about = timeout_at(until, about).await;
            let answer = about.unwrap_or(Err(Trouble::Late));
            Probed {
                name: filter.options.name.clone(),
                answer: answer.map_err(|trouble| trouble.to_string()),
            }
        });
        join_all(probes).await
    }

    /// Asks those that nobody has asked yet, and those that do not answer, whether they are there,
    /// until the stop is asked for: an alarm does not wait for the next message, and a start does
    /// not end one.
    pub async fn keep(self, shutdown: Shutdown) {
        loop {
            let list = self.list();
            let doubted = list.iter().filter(|it| it.health().is_in_doubt());
            let asked = doubted.map(|filter| filter.ask_again(&self.world));
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                _ = join_all(asked) => {}
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(limits::FILTER_UPKEEP) => {}
            }
        }
    }
}

impl Filter {
    fn new(options: Options) -> Self {
        Self {
            places: Semaphore::new(options.max_connections),
            health: Mutex::default(),
            options,
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it comes to about a message.
    async fn look(&self, world: &World, matter: Matter<'_>) -> Result<Heard, io::Error> {
        let heard = if matter.content.len() > self.options.max_size {
            Heard::too_large()
        } else {
            let begun = Instant::now();
            let heard = self.question(world, matter, begun).await?;
            let seconds = begun.elapsed().as_secs_f64();
            let name = self.options.name.clone();
            histogram!(names::FILTER_SECONDS, "filter" => name).record(seconds);
            heard
        };
        let (filter, verdict) = (self.options.name.clone(), heard.finding.verdict().as_str());
        counter!(names::FILTERED, "filter" => filter, "verdict" => verdict).increment(1);
        Ok(heard)
    }

    async fn question(
        &self,
        world: &World,
        matter: Matter<'_>,
        begun: Instant,
    ) -> Result<Heard, io::Error> {
        let deadline = begun + self.options.patience;
        // Nobody waits for those that wait in vain.
        if self.health().is_paused(begun) {
            return Ok(self.failed(world, &Trouble::Paused, begun));
        }
        let place = timeout_at(deadline, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Ok(self.failed(world, &Trouble::Busy, begun));
        };
        if Instant::now() >= deadline {
            return Ok(self.failed(world, &Trouble::Busy, begun));
        }
        let longest = self.options.longest() + self.ping_time();
        let turn = self.health().turn(Instant::now(), longest);
        match turn {
            Turn::Ask => {}
            Turn::Leave => return Ok(self.failed(world, &Trouble::Paused, begun)),
            Turn::Probe => {
                let probed = Instant::now();
                let until = deadline.min(probed + self.ping_time());
                if let Err(trouble) = self.ping(world, until).await {
                    let now = (Instant::now(), world.clock.now());
                    let is_new = self
                        .health()
                        .silent(now, probed.elapsed(), trouble.to_string());
                    if is_new {
                        self.warn(&trouble);
                    }
                    return Ok(unchecked(&trouble));
                }
                self.health().there();
            }
        }
        let asked = Instant::now();
        let until = begun + self.options.longest();
        let answer = reach::ask(world, &self.options, matter, until);
        let answer = timeout_at(until, answer).await;
        match answer.unwrap_or(Err(Trouble::Late)) {
            Ok(answer) => {
                if self.health().good() {
                    tracing::info!(
                        filter = self.options.name,
                        "the content filter answers again"
                    );
                }
                Ok(answer)
            }
            Err(Trouble::Content(error)) => Err(error),
            Err(trouble) => Ok(self.failed(world, &trouble, asked)),
        }
    }

    /// What a message comes to that it did not look at.
    fn failed(&self, world: &World, trouble: &Trouble, begun: Instant) -> Heard {
        let is_new = match trouble {
            Trouble::Paused => {
                self.health().left();
                false
            }
            Trouble::Busy => {
                self.health().busy(world.clock.now());
                false
            }
            // Our own disk is not its fault.
            Trouble::Content(_) => false,
            Trouble::Away(_)
            | Trouble::Late
            | Trouble::Nonsense(_)
            | Trouble::Early
            | Trouble::Closed
            | Trouble::Unwilling
            | Trouble::Password(_)
            | Trouble::Failed(_) => {
                let now = (Instant::now(), world.clock.now());
                let took = begun.elapsed();
                let mut health = self.health();
                if trouble.is_of_message() {
                    health.spoke();
                }
                health.bad(now, took, trouble.to_string())
            }
        };
        if is_new {
            self.warn(trouble);
        }
        unchecked(trouble)
    }

    fn warn(&self, trouble: &Trouble) {
        let (filter, what) = (&self.options.name, self.options.on_failure.what());
        tracing::warn!(filter, %trouble, "the content filter does not answer: {what}");
    }

    fn ping_time(&self) -> Duration {
        self.options.patience.min(limits::FILTER_PING)
    }

    async fn ask_again(&self, world: &World) {
        let deadline = Instant::now() + self.ping_time();
        match self.ping(world, deadline).await {
            Ok(()) => {
                if self.health().pong() {
                    tracing::info!(
                        filter = self.options.name,
                        "the content filter is there again"
                    );
                }
            }
            Err(trouble) => {
                let absent = self.health().absent(world.clock.now(), trouble.to_string());
                if absent {
                    self.warn(&trouble);
                }
            }
        }
    }

    async fn ping(&self, world: &World, deadline: Instant) -> Result<(), Trouble> {
        let pinged = reach::ping(world, &self.options, deadline);
        let pinged = timeout_at(deadline, pinged).await;
        pinged.unwrap_or(Err(Trouble::Late))
    }

    fn status(&self, now: Timestamp) -> FilterStatus {
        let health = self.health();
        let (trouble, busy) = (health.trouble(), health.busy_at(now));
        FilterStatus {
            name: self.options.name.clone(),
            protocol: self.options.protocol.as_str().to_owned(),
            address: self.options.place.to_string(),
            on_failure: self.options.on_failure.as_str().to_owned(),
            failing_since: trouble.map(|it| it.0),
            reason: trouble.map(|it| it.1.to_owned()).unwrap_or_default(),
            unchecked: trouble.map_or(0, |it| it.2),
            busy_since: busy.map(|it| it.since),
            passed_over: busy.map_or(0, |it| it.unchecked),
        }
    }
}

impl OnFailure {
    const fn what(self) -> &'static str {
        match self {
            Self::Accept => "mail is taken unchecked",
            Self::Defer => "mail is deferred",
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Defer => "defer",
        }
    }
}

fn unchecked(trouble: &Trouble) -> Heard {
    Heard::new(Finding::Failed, trouble.to_string().as_bytes())
}
