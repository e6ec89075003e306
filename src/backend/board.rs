//! How all backends are, for everybody to read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::content::content_calm;
use super::held_spans::{Span, with_ended};
use super::history::History;
use super::{
    BackendHealth, BackendOptions, Breaker, ContentGuard, Detector, Health, Override, Signal,
    Witness,
};
use crate::base::{Clock, Timestamp};
use crate::mail::{BackendId, Failure};
use crate::telemetry::names;

/// The health of every backend of the config.
pub type Healths = BTreeMap<BackendId, BackendHealth>;

/// The board; cheap to clone.
#[derive(Clone)]
pub struct Board(pub(super) Arc<Inner>);

pub(super) struct Inner {
    clock: Clock,
    entries: Mutex<BTreeMap<BackendId, Entry>>,
    /// What operators said, also about backends that the config does not name now.
    overrides: Mutex<BTreeMap<BackendId, Override>>,
    /// When operators held them before.
    spans: Mutex<BTreeMap<BackendId, Vec<Span>>>,
    pub(super) healths: watch::Sender<Arc<Healths>>,
    /// What each went through.
    pub(super) histories: Mutex<BTreeMap<BackendId, History>>,
    /// Rings when there is something new in one of them.
    pub(super) news: Notify,
    /// Probes that have ended.
    probes: watch::Sender<u64>,
}

pub(super) struct Entry {
    pub(super) detector: Detector,
    pub(super) breaker: Breaker,
    pub(super) content: ContentGuard,
    /// The same for strangers to whom it does not pass mail on.
    pub(super) relaying: ContentGuard,
    evidence: Evidence,
    hosts: BTreeMap<String, HostResult>,
    bells: Bells,
}

impl Entry {
    /// Has it given any answer to a probe or a delivery?
    pub(super) fn has_answered(&self) -> bool {
        self.evidence.last_good.is_some() || self.detector.health().health == Health::Slow
    }
}

/// What wakes the monitor of a backend before its time.
#[derive(Debug, Clone, Default)]
pub(super) struct Bells {
    /// Traffic has met trouble.
    pub(super) doubt: Arc<Notify>,
    /// An operator asks: at once.
    pub(super) asked: Arc<Notify>,
}

/// What speaks for and against a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When a probe or a delivery went well last.
    pub last_good: Option<Timestamp>,
    /// When one failed last, and why.
    pub last_bad: Option<(Timestamp, String)>,
    /// When the last probe ended.
    pub last_probe: Option<Timestamp>,
}

/// The last result of one host of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostResult {
    /// `host:port`.
    pub host: String,
    /// Did it go well?
    pub good: bool,
    /// What stood in the way; empty when it went well.
    pub what: String,
    /// When.
    pub at: Timestamp,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Board")
            .field(&*self.0.healths.borrow())
            .finish()
    }
}

impl Board {
    /// A board on which every backend is up: nobody doubts it yet.
    #[must_use]
    pub fn new(backends: &[BackendOptions], clock: Clock) -> Self {
        let board = Self(Arc::new(Inner {
            clock,
            entries: Mutex::default(),
            overrides: Mutex::default(),
            spans: Mutex::default(),
            probes: watch::Sender::new(0),
            healths: watch::Sender::new(Arc::default()),
            histories: Mutex::default(),
            news: Notify::new(),
        }));
        board.configure(backends);
        board
    }

    /// Takes over the backends of a new config: what is known of those that stay, stays.
    pub fn configure(&self, backends: &[BackendOptions]) {
        let now = self.0.clock.now();
        let mut entries = self.entries();
        entries.retain(|id, _| backends.iter().any(|backend| backend.id == *id));
        for backend in backends {
            let interval = backend.probe.interval;
            let entry = entries.entry(backend.id.clone()).or_insert_with(|| Entry {
                detector: Detector::new(backend.id.clone(), &backend.probe, now),
                breaker: Breaker::new(&backend.rejecting, interval),
                content: ContentGuard::new(backend.rejecting.senders(), content_calm(interval)),
                relaying: ContentGuard::new(backend.rejecting.senders(), Duration::ZERO),
                evidence: Evidence::default(),
                hosts: BTreeMap::new(),
                bells: Bells::default(),
            });
            entry.detector.configure(&backend.probe);
            entry.breaker.configure(&backend.rejecting, interval);
            entry
                .content
                .configure(backend.rejecting.senders(), content_calm(interval));
            entry
                .relaying
                .configure(backend.rejecting.senders(), Duration::ZERO);
        }
        self.show(&entries, now);
    }

    /// Lets an operator's wish rule; [`super::override_backend`] writes it down first.
    pub fn set_override(&self, backend: &BackendId, said: Override) {
        let now = self.now();
        let entries = self.entries();
        let spans = self.spans_until(backend, said.since);
        self.spans().insert(backend.clone(), spans);
        self.overrides().insert(backend.clone(), said);
        self.show(&entries, now);
    }

    /// When operators held a backend, up to a word that is said then.
    pub(super) fn spans_until(&self, backend: &BackendId, end: Timestamp) -> Vec<Span> {
        with_ended(self.spans_of(backend), self.said(backend).as_ref(), end)
    }

    pub(super) fn spans_of(&self, backend: &BackendId) -> Vec<Span> {
        self.spans().get(backend).cloned().unwrap_or_default()
    }

    pub(super) fn restore_spans(&self, backend: &BackendId, spans: Vec<Span>) {
        self.spans().insert(backend.clone(), spans);
    }

    /// What an operator said last.
    pub(super) fn said(&self, backend: &BackendId) -> Option<Override> {
        self.overrides().get(backend).cloned()
    }

    fn spans(&self) -> MutexGuard<'_, BTreeMap<BackendId, Vec<Span>>> {
        let spans = self.0.spans.lock();
        spans.unwrap_or_else(PoisonError::into_inner)
    }

    /// What an operator said in an earlier life rules again; it is no change.
    pub(super) fn restore_override(&self, backend: &BackendId, said: Override) {
        if said.wish.still_rules() {
            tracing::warn!(%backend, %said, "the word of an operator still holds");
        }
        let entries = self.entries();
        self.overrides().insert(backend.clone(), said);
        let healths = self.healths_of(&entries);
        self.0.healths.send_replace(healths);
    }

    /// Takes in a signal from traffic. The first bad one calls for a probe at once.
    pub fn report(&self, backend: &BackendId, signal: Signal) {
        let doubted = matches!(signal, Signal::Bad(_));
        let doubt = self.take(backend, (signal, Witness::Traffic), |_, _| {});
        if let Some(doubt) = doubt.filter(|_| doubted) {
            doubt.notify_one();
        }
    }

    /// A backend that answers put a recipient off (4yz, for whatever it says about him or his
    /// message, or because it asks for less). One of many is his own matter, until the backend
    /// fails all mail: then each attempt counts.
    pub fn report_put_off(&self, backend: &BackendId, recipient: &str, failure: &Failure) {
        let now = self.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(backend) else {
            return;
        };
        if entry.detector.put_off(recipient, failure, now).is_some() {
            self.show(&entries, now);
        } else if entry.detector.health().failing {
            self.refresh(&entries);
        }
    }

    /// It took a message.
    pub fn report_taken(&self, backend: &BackendId) {
        let now = self.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(backend) else {
            return;
        };
        let was_failing = entry.detector.health().failing;
        if entry.detector.took_mail(now) {
            self.show(&entries, now);
        } else if was_failing {
            self.refresh(&entries);
        }
    }

    /// Takes in the result of a probe.
    pub fn report_probe(&self, backend: &BackendId, signal: Signal) {
        let result = match &signal {
            Signal::Good => "good",
            Signal::Bad(_) => "bad",
        };
        counter!(names::PROBES, "backend" => backend.to_string(), "result" => result).increment(1);
        self.take(backend, (signal, Witness::Probe), |evidence, now| {
            evidence.last_probe = Some(now);
        });
        self.0.probes.send_modify(|ended| *ended += 1);
    }

    /// Notes how one host of a backend did, for `backend show`. No signal: one dead host of
    /// several makes no backend dead.
    pub fn report_host(&self, backend: &BackendId, host: &str, result: Result<(), String>) {
        let at = self.0.clock.now();
        if let Some(entry) = self.entries().get_mut(backend) {
            let result = HostResult {
                host: host.to_owned(),
                good: result.is_ok(),
                what: result.err().unwrap_or_default(),
                at,
            };
            entry.hosts.insert(host.to_owned(), result);
        }
    }

    /// Asks the monitor for a probe now, and returns when one that began later has ended.
    pub async fn probe_now(&self, backend: &BackendId) {
        let asked = self.0.clock.now();
        let mut probes = self.0.probes.subscribe();
        let Some(bells) = self.bells(backend) else {
            return;
        };
        bells.asked.notify_one();
        loop {
            let ended = self.evidence(backend).and_then(|known| known.last_probe);
            if ended.is_some_and(|ended| ended >= asked) || probes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The time, as the board sees it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// What speaks for and against a backend.
    #[must_use]
    pub fn evidence(&self, backend: &BackendId) -> Option<Evidence> {
        let entries = self.entries();
        entries.get(backend).map(|entry| entry.evidence.clone())
    }

    /// The last result of each host of a backend.
    #[must_use]
    pub fn hosts(&self, backend: &BackendId) -> Vec<HostResult> {
        let entries = self.entries();
        let hosts = entries.get(backend).map(|entry| entry.hosts.values());
        hosts.into_iter().flatten().cloned().collect()
    }

    /// What the monitor of a backend waits for beside the time.
    pub(super) fn bells(&self, backend: &BackendId) -> Option<Bells> {
        let entries = self.entries();
        entries.get(backend).map(|entry| entry.bells.clone())
    }

    /// Returns the bell of the monitor when the backend is one of ours.
    fn take(
        &self,
        backend: &BackendId,
        (signal, witness): (Signal, Witness),
        note: impl FnOnce(&mut Evidence, Timestamp),
    ) -> Option<Arc<Notify>> {
        let now = self.0.clock.now();
        let mut entries = self.entries();
        let entry = entries.get_mut(backend)?;
        let reason = entry.detector.health().reason.clone();
        let changed = entry.detector.signal(&signal, witness, now).is_some();
        note(&mut entry.evidence, now);
        match signal {
            Signal::Good => entry.evidence.last_good = Some(now),
            Signal::Bad(failure) => entry.evidence.last_bad = Some((now, failure.what)),
        }
        let doubt = Arc::clone(&entry.bells.doubt);
        let same_reason = entry.detector.health().reason == reason;
        if changed {
            self.show(&entries, now);
        } else if !same_reason {
            self.refresh(&entries);
        }
        Some(doubt)
    }

    /// Shows new reasons: none of them is one to wake the queue.
    fn refresh(&self, entries: &BTreeMap<BackendId, Entry>) {
        let healths = self.healths_of(entries);
        self.0.healths.send_if_modified(|present| {
            *present = healths;
            false
        });
    }

    pub(super) fn overrides(&self) -> MutexGuard<'_, BTreeMap<BackendId, Override>> {
        let overrides = self.0.overrides.lock();
        overrides.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<BackendId, Entry>> {
        // A panic elsewhere leaves the entries whole: no step here is half done.
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::monitor::tests::backend;
    use crate::limits;
    use crate::mail::Blame;
    use crate::smtp::Reply;

    fn later(reply: &str) -> Failure {
        Failure::replied(Blame::Recipient, Reply::parse(&[reply]).unwrap())
    }

    fn bad(what: &str) -> Signal {
        Signal::Bad(Failure::without_reply(Blame::Backend, what))
    }

    #[test]
    fn wakes_on_a_change_and_not_on_a_reason() {
        let (onprem, cloud) = (BackendId::new("onprem"), BackendId::new("cloud"));
        let board = Board::new(&[backend("onprem"), backend("cloud")], Clock::system());
        let changes = board.changes();
        board.report(&onprem, bad("one"));
        board.report(&onprem, bad("two"));
        assert!(!changes.has_changed().unwrap());
        board.report(&onprem, bad("three"));
        assert!(changes.has_changed().unwrap());
        assert_eq!(board.health(&onprem).unwrap().health, Health::Down);
        assert_eq!(board.health(&cloud).unwrap().health, Health::Up);

        let mut changes = board.changes();
        changes.mark_unchanged();
        board.report(&onprem, bad("four"));
        assert!(!changes.has_changed().unwrap());
        assert_eq!(board.health(&onprem).unwrap().reason, "four");
        assert_eq!(board.evidence(&onprem).unwrap().last_bad.unwrap().1, "four");
        assert_eq!(board.snapshot().len(), 2);
        assert_eq!(board.health(&BackendId::new("moon")), None);
    }

    #[test]
    fn a_new_config_keeps_what_is_known() {
        let onprem = BackendId::new("onprem");
        let board = Board::new(&[backend("onprem"), backend("cloud")], Clock::system());
        for _ in 0..3 {
            board.report(&onprem, bad("refused"));
        }
        board.configure(&[backend("onprem"), backend("new")]);
        let healths: Vec<_> = board
            .snapshot()
            .iter()
            .map(|health| format!("{} {}", health.id, health.health))
            .collect();
        assert_eq!(healths, ["new up", "onprem down"]);
    }

    #[test]
    fn one_that_puts_many_off_is_slow_and_who_puts_one_off_is_not() {
        let onprem = BackendId::new("onprem");
        let board = Board::new(&[backend("onprem")], Clock::system());
        let health = || board.health(&onprem).unwrap().health;
        for _ in 0..20 {
            board.report_put_off(&onprem, "ann@example.org", &later("450 4.2.1 full"));
        }
        for name in ["b", "c", "d"] {
            board.report_put_off(&onprem, name, &later("450 4.2.1 not now"));
        }
        assert_eq!(health(), Health::Up);
        board.report_put_off(&onprem, "e", &later("450 4.2.1 not now"));
        assert_eq!(health(), Health::Slow);
        board.report_put_off(&onprem, "k", &later("450 4.2.1 later"));
        let reason = board.health(&onprem).unwrap().reason;
        assert!(reason.ends_with("failed: 450 4.2.1 later"), "{reason}");
        for _ in 0..limits::FAILING_MAIL {
            assert!(board.health(&onprem).unwrap().failing);
            board.report_taken(&onprem);
        }
        let health = board.health(&onprem).unwrap();
        assert!(!health.failing && health.health == Health::Slow);
    }

    /// Once it fails all mail each attempt that fails is one more, whosever mail it is.
    #[test]
    fn attempts_that_fail_go_on_being_counted() {
        let onprem = BackendId::new("onprem");
        let board = Board::new(&[backend("onprem")], Clock::system());
        let reason = || board.health(&onprem).unwrap().reason;
        board.report_probe(&onprem, Signal::Good);
        for name in ["a", "b", "c", "a", "b", "c"] {
            board.report_put_off(&onprem, name, &later("450 4.2.1 not now"));
        }
        for _ in 0..2 {
            board.report(&onprem, bad("cut at the end"));
        }
        assert!(reason().contains("but 5 attempts"), "{}", reason());
        for _ in 0..20 {
            board.report_put_off(&onprem, "a", &later("450 4.2.1 not now"));
        }
        assert!(reason().contains("but 25 attempts"), "{}", reason());
    }

    #[test]
    fn hosts_are_kept_apart() {
        let onprem = BackendId::new("onprem");
        let board = Board::new(&[backend("onprem")], Clock::system());
        board.report_host(&onprem, "a:25", Err("refused".into()));
        board.report_host(&onprem, "b:25", Ok(()));
        board.report_host(&onprem, "a:25", Ok(()));
        let hosts = board.hosts(&onprem);
        assert_eq!(hosts.len(), 2);
        assert!(hosts.iter().all(|host| host.good));
    }
}
