//! Looks at what is wrong, sends what has to be told, and remembers it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use metrics::{counter, gauge};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::core::{Arrived, Core, Item, Memory, News, Notice};
use super::status::{Kept, TRYING, give_up, outcome, shortened};
use super::telling::Telling;
use super::ways::{Missed, Way};
use super::{
    Condition, Kind, NoticesStatus, Observed, Options, SentNotice, Severity, Thresholds, Unknown,
    WayResult, WayStatus,
};
use crate::base::{Clock, Entropy, Shutdown, Timestamp};
use crate::limits;
use crate::mail::{DeliveryTarget, Sign, Transport};
use crate::net::Https;
use crate::smtp::Mailbox;
use crate::spool::Spool;
use crate::telemetry::names;

/// The room under which the memory stands in the log.
const ROOM: &str = "notice";
const MEMORY: &str = "memory";
const SENT: &str = "sent";
/// From one look to the next, at most and at least.
const LOOK: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(100);
/// Attempts that fail before a way is called failing: one that asks for some minutes is none.
const FAILING: u32 = 3;

/// Says what is wrong.
pub trait Observe: Send + Sync + std::fmt::Debug {
    /// All that is wrong now. May block on a local disk.
    fn observe(&self, thresholds: &Thresholds) -> Observed;
}

/// Says where mail goes, past the queue.
pub trait Find: Send + Sync + std::fmt::Debug {
    /// The next hop for an address, and what it is called there.
    ///
    /// # Errors
    /// Why there is none, for people.
    fn target(&self, to: &Mailbox) -> Result<(DeliveryTarget, Mailbox), String>;
}

/// What notices are sent with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where it is remembered what was told.
    pub spool: Spool,
    /// SMTP.
    pub transport: Arc<dyn Transport>,
    /// Where mail goes.
    pub find: Arc<dyn Find>,
    /// Signatures.
    pub sign: Arc<dyn Sign>,
    /// HTTP.
    pub https: Https,
    /// The time.
    pub clock: Clock,
    /// Message-IDs.
    pub entropy: Entropy,
    /// The stop.
    pub shutdown: Shutdown,
}

/// The notices; cheap to clone.
#[derive(Debug, Clone)]
pub struct Notices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    options: watch::Sender<Arc<Options>>,
    state: Mutex<State>,
    /// Something has to be written down.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    core: Core,
    sent: Vec<SentNotice>,
    ways: BTreeMap<String, WayStatus>,
    /// What was told before the start is known: nothing is written over it before.
    restored: bool,
}

impl Notices {
    /// Notices as `options` say.
    #[must_use]
    pub fn new(options: Options, parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            options: watch::Sender::new(Arc::new(options)),
            state: Mutex::default(),
            news: Notify::new(),
        }))
    }

    /// Takes over a new config. What has arrived nowhere yet begins again, by the new one.
    pub fn configure(&self, options: Options) {
        let names: Vec<_> = Way::all(&options)
            .iter()
            .map(|way| way.name(&options))
            .collect();
        self.state().ways.retain(|name, _| names.contains(name));
        self.0.options.send_if_modified(|current| {
            let is_new = **current != options;
            if is_new {
                *current = Arc::new(options);
            }
            is_new
        });
    }

    /// Something has happened, and is over: it is told with the next notice.
    pub fn happened(&self, condition: Condition) {
        let now = self.now();
        self.state().core.happened(condition, now);
    }

    /// Looks, sends and remembers until the program stops.
    pub async fn run(self, observe: Arc<dyn Observe>) {
        let shutdown = self.0.parts.shutdown.clone();
        shutdown.spawn("notices, written down", self.clone().keep());
        let mut looking = None;
        loop {
            self.restore();
            let options = self.options();
            let pause = (options.pace.gather / 4).clamp(SOON, LOOK);
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                observed = self.look(&observe, &options, &mut looking) => {
                    self.take(observed, &options);
                }
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look. A disk that does not answer keeps nobody from hearing of it.
    async fn look(
        &self,
        observe: &Arc<dyn Observe>,
        options: &Arc<Options>,
        looking: &mut Option<JoinHandle<Observed>>,
    ) -> Observed {
        let look = looking.get_or_insert_with(|| {
            let (observe, options) = (Arc::clone(observe), Arc::clone(options));
            tokio::task::spawn_blocking(move || observe.observe(&options.thresholds))
        });
        let looked = tokio::time::timeout(limits::NOTICE_LOOK, look).await;
        let Ok(looked) = looked else {
            return self.blind();
        };
        *looking = None;
        looked.unwrap_or_else(|_| self.blind())
    }

    fn blind(&self) -> Observed {
        let condition = Condition {
            kind: Kind::Log,
            subject: "look".to_owned(),
            state: "blind".to_owned(),
            severity: Severity::Critical,
            since: self.now(),
            what: "the spool does not answer: nobody knows how the server is".to_owned(),
            todo: "Does the disk hang? dmesg, iostat; docs/operations/server-down.md".to_owned(),
        };
        Observed {
            conditions: vec![condition],
            unknown: Kind::OBSERVED.into_iter().map(Unknown::All).collect(),
        }
    }

    fn take(&self, observed: Observed, options: &Arc<Options>) {
        // Who is told nothing now hears what is wrong when he can be told.
        if !options.has_ways() {
            return;
        }
        let now = self.now();
        let notice = self.state().core.step(observed, &options.pace, now);
        if let Some(notice) = notice {
            self.launch(&notice, options);
        }
    }

    fn launch(&self, notice: &Notice, options: &Arc<Options>) {
        let telling = Telling::of(notice, &options.hostname);
        let (number, subject) = (telling.number, telling.subject.as_str());
        tracing::info!(number, subject, "a notice");
        let trying = |way: &Way| WayResult {
            way: way.name(options),
            result: TRYING.to_owned(),
            attempts: 0,
            what: String::new(),
        };
        let ways = Way::all(options);
        let sent = SentNotice {
            number: telling.number,
            at: telling.at,
            severity: telling.severity,
            subject: telling.subject.clone(),
            ways: ways.iter().map(trying).collect(),
        };
        {
            let mut state = self.state();
            state.sent.insert(0, sent);
            state.sent.truncate(limits::NOTICE_RECENT);
        }
        self.0.news.notify_one();
        let (notices, options) = (self.clone(), Arc::clone(options));
        let task = async move { notices.tell(ways, &options, &telling).await };
        self.0.parts.shutdown.spawn("notice", task);
    }

    async fn tell(&self, ways: Vec<Way>, options: &Arc<Options>, telling: &Telling) {
        let mut current = self.0.options.subscribe();
        let all = ways.iter().map(|way| self.tell_by(way, options, telling));
        let arrived = tokio::select! {
            biased;
            () = self.0.parts.shutdown.stopping() => return,
            arrived = join_all(all) => arrived,
            // A config that came between the look and this counts, too.
            _ = current.wait_for(|current| !Arc::ptr_eq(current, options)) => {
                return self.recall(telling.number);
            }
        };
        if !arrived.contains(&Arrived::Yes) {
            self.settle(telling.number, Arrived::No);
        }
    }

    /// The way that it is on may be the one that was wrong.
    fn recall(&self, number: u64) {
        let mut state = self.state();
        if let Some(sent) = state.sent.iter_mut().find(|sent| sent.number == number) {
            give_up(sent, "the config was changed");
        }
        drop(state);
        self.settle(number, Arrived::Recalled);
    }

    /// As often as it takes.
    async fn tell_by(&self, way: &Way, options: &Options, telling: &Telling) -> Arrived {
        let name = way.name(options);
        let mut pauses = options.patience.again.iter();
        for attempts in 1.. {
            let result = way.send(&self.0.parts, options, telling).await;
            let pause = match &result {
                Err(Missed::ForNow(_)) => pauses.next(),
                Ok(_) | Err(Missed::ForGood(_)) => None,
            };
            self.note(way, &name, (&result, attempts, pause));
            self.note_sent(telling.number, &name, (&result, attempts, pause));
            match (result, pause) {
                (Ok(_), _) => {
                    self.settle(telling.number, Arrived::Yes);
                    return Arrived::Yes;
                }
                (Err(_), Some(pause)) => tokio::time::sleep(*pause).await,
                (Err(_), None) => break,
            }
        }
        Arrived::No
    }

    fn settle(&self, number: u64, arrived: Arrived) {
        let now = self.now();
        self.state().core.settle(number, arrived, now);
        self.0.news.notify_one();
    }

    /// How the way is after an attempt.
    fn note(
        &self,
        way: &Way,
        name: &str,
        (result, attempts, pause): (&Result<String, Missed>, u32, Option<&Duration>),
    ) {
        let now = self.now();
        if pause.is_none() {
            let word = if result.is_ok() { "sent" } else { "failed" };
            counter!(names::NOTICES, "way" => way.word(), "result" => word).increment(1);
        }
        let mut state = self.state();
        let known = state.ways.entry(name.to_owned());
        let status = known.or_insert_with(|| WayStatus::new(name));
        match result {
            Ok(_) => {
                status.good_at = Some(now);
                status.failing_since = None;
                status.what.clear();
            }
            Err(missed) => {
                status.what = shortened(missed.what());
                let why = status.what.as_str();
                tracing::warn!(way = name, attempts, why, "a notice does not arrive");
                if attempts >= FAILING || matches!(missed, Missed::ForGood(_)) {
                    status.failing_since.get_or_insert(now);
                }
            }
        }
    }

    fn note_sent(
        &self,
        number: u64,
        name: &str,
        (result, attempts, pause): (&Result<String, Missed>, u32, Option<&Duration>),
    ) {
        let mut state = self.state();
        let mut sent = state.sent.iter_mut();
        let sent = sent.find(|sent| sent.number == number);
        let way = sent.and_then(|sent| sent.ways.iter_mut().find(|way| way.way == name));
        if let Some(way) = way {
            *way = outcome(name, result, attempts);
            if pause.is_some() {
                TRYING.clone_into(&mut way.result);
            }
        }
    }

    /// Sends a notice that nothing is wrong, once by each way; what became of it.
    pub async fn test(&self) -> Vec<WayResult> {
        let options = self.options();
        let now = self.now();
        let notice = Notice {
            number: 0,
            at: now,
            items: vec![Item {
                news: News::Began,
                condition: Condition {
                    kind: Kind::Test,
                    subject: String::new(),
                    state: String::new(),
                    severity: Severity::Info,
                    since: now,
                    what: "a test: nothing is wrong, and notices arrive".to_owned(),
                    todo: "Nothing.".to_owned(),
                },
                until: None,
                changes: 0,
            }],
            held_back: 0,
        };
        let telling = Telling::of(&notice, &options.hostname);
        let all = Way::all(&options).into_iter().map(|way| {
            let (options, telling) = (&options, &telling);
            async move {
                let name = way.name(options);
                let result = way.send(&self.0.parts, options, telling).await;
                self.note(&way, &name, (&result, 1, None));
                outcome(&name, &result, 1)
            }
        });
        let results = join_all(all).await;
        self.0.news.notify_one();
        results
    }

    /// How each way is, and what was sent last.
    #[must_use]
    pub fn status(&self) -> NoticesStatus {
        let (options, now) = (self.options(), self.now());
        let state = self.state();
        let (sent, waiting) = (state.sent.clone(), state.core.waiting(&options.pace, now));
        drop(state);
        NoticesStatus {
            ways: self.ways(),
            problem: self.problem(),
            sent,
            waiting,
        }
    }

    /// Nothing arrives on any way: for people.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let ways = self.ways();
        let failing = ways.iter().all(|way| way.failing_since.is_some());
        let is_problem = failing && !ways.is_empty();
        gauge!(names::NOTICES_FAIL).set(f64::from(u8::from(is_problem)));
        let told = |way: &WayStatus| format!("{}: {}", way.way, way.what);
        let told: Vec<String> = ways.iter().map(told).collect();
        is_problem.then(|| format!("notices reach nobody: {}", told.join("; ")))
    }

    fn ways(&self) -> Vec<WayStatus> {
        let options = self.options();
        let state = self.state();
        let names = Way::all(&options).into_iter().map(|way| way.name(&options));
        let status = |name: String| {
            let known = state.ways.get(&name).cloned();
            known.unwrap_or_else(|| WayStatus::new(&name))
        };
        names.map(status).collect()
    }

    /// Goes on with what was written down, once, when the index knows it.
    fn restore(&self) {
        if self.state().restored {
            return;
        }
        let read = |key| self.0.parts.spool.fact(ROOM, key);
        let (Ok(memory), Ok(kept)) = (read(MEMORY), read(SENT)) else {
            return;
        };
        let memory = memory.map(serde_json::from_value::<Memory>);
        let kept = kept.map(serde_json::from_value::<Kept>);
        let mut state = self.state();
        state.restored = true;
        if let Some(Ok(memory)) = memory {
            state.core.restore(memory);
        }
        if let Some(Ok(kept)) = kept {
            let kept = kept.after_restart();
            state.sent.extend(kept.sent);
            for way in kept.ways {
                state.ways.entry(way.way.clone()).or_insert(way);
            }
        }
        // What came before is not written down yet.
        self.0.news.notify_one();
    }

    /// Writes down what was told, apart from telling it: the log may be what is broken.
    async fn keep(self) {
        let shutdown = &self.0.parts.shutdown;
        loop {
            tokio::select! {
                biased;
                () = self.0.news.notified() => {}
                () = shutdown.stopping() => return,
            }
            let (memory, kept) = {
                let state = self.state();
                if !state.restored {
                    continue;
                }
                let ways = state.ways.values().cloned().collect();
                let sent = state.sent.clone();
                (state.core.memory(), Kept { sent, ways })
            };
            let facts = [
                (MEMORY, serde_json::to_value(&memory)),
                (SENT, serde_json::to_value(&kept)),
            ];
            for (key, value) in facts {
                let Ok(value) = value else { continue };
                let written = self.0.parts.spool.put_fact(ROOM, key, Some(value)).await;
                if let Err(error) = written {
                    tracing::warn!(%error, "what was told is told again after a restart");
                }
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    /// What the config says now.
    #[must_use]
    pub fn options(&self) -> Arc<Options> {
        Arc::clone(&self.0.options.borrow())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
