//! One front door whose day a scenario tells step by step, with what it sees from outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tideover::backend::{Board, Monitor};
use tideover::base::{Clock, Entropy, Shutdown, TimeSource, Timestamp};
use tideover::directory::{Directory, DirectoryHandle};
use tideover::mail::{Authenticity, BackendId, Envelope, RecipientState, SpoolId};
use tideover::queue::{self, Queue, TargetLimits};
use tideover::route::{Origin, OutboundRelay, RouteOptions, Router};
use tideover::spool::{self, Committed, Spool};
use tokio::sync::mpsc;

use crate::chance::Chance;
use crate::clock::SimClock;
use crate::disk::SimDisk;
use crate::letters::{admitted, envelope};
use crate::platforms::Platforms;
use crate::repeats::Evidence;
use crate::store::KeptStore;
use crate::world::{CONNECTIONS, PLATFORMS, Probe, domain, probed};

/// Runs a scenario in simulated time.
pub(crate) fn simulate(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(scenario);
}

/// What survives a restart.
pub(crate) struct Site {
    pub(crate) platforms: Platforms,
    pub(crate) disk: SimDisk,
    pub(crate) clock: SetClock,
    pub(crate) chance: Chance,
    /// The index's store, when it survives a restart; else it is made anew each time.
    pub(crate) store: Option<KeptStore>,
    /// Between two probes of a platform.
    pub(crate) probing: Duration,
    /// How long mail is kept behind its end.
    pub(crate) retain: Duration,
}

/// A clock that can be set.
#[derive(Debug, Clone)]
pub(crate) struct SetClock(SimClock, Arc<AtomicI64>);

impl SetClock {
    pub(crate) fn set_back(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.1.fetch_sub(by, Ordering::Relaxed);
    }
}

impl SetClock {
    pub(crate) fn set_forward(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.1.fetch_add(by, Ordering::Relaxed);
    }
}

impl TimeSource for SetClock {
    fn now(&self) -> Timestamp {
        let offset = self.1.load(Ordering::Relaxed);
        Timestamp::from_millis(self.0.now().as_millis().checked_add_signed(offset).unwrap())
    }
}

/// Whatever a scenario asks for, its platforms must not have seen what must never happen.
impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.platforms.check();
        }
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::seeded(7)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self::with_chance(Chance::new(seed), 0)
    }

    /// One in which so many of a hundred attempts meet trouble.
    pub(crate) fn with_chance(chance: Chance, trouble: u64) -> Self {
        let clock = SimClock::starting_at(Timestamp::from_millis(1_800_000_000_000));
        let clock = SetClock(clock, Arc::default());
        let platforms = Platforms::new(&PLATFORMS, chance.clone(), trouble);
        platforms.set_clock(Clock::new(clock.clone()));
        Self {
            platforms,
            disk: SimDisk::default(),
            clock,
            chance,
            store: None,
            probing: Duration::from_secs(10),
            retain: Duration::from_secs(30 * 24 * 3600),
        }
    }

    /// All that can be seen of it, for a comparison.
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence {
            story: self.platforms.story(),
            files: self.disk.files(),
        }
    }

    /// Opens the door; the index is made anew from the log each time, unless its store is kept.
    pub(crate) fn open(&self) -> Door {
        let (door, committed) = self.open_quietly();
        door.queue.start(committed);
        door
    }

    /// The same, with the queue not started yet.
    pub(crate) fn open_quietly(&self) -> (Door, mpsc::Receiver<Committed>) {
        let (clock, entropy) = (
            Clock::new(self.clock.clone()),
            Entropy::new(self.chance.clone()),
        );
        let options = spool::Options {
            min_free: 0,
            segment_size: 256 * 1024,
            body_in_log: 4 * 1024,
            retain: self.retain,
            ..spool::Options::new("/spool")
        };
        let store = self.store.clone().unwrap_or_else(KeptStore::safe);
        let world = spool::World {
            disk: Arc::new(self.disk.clone()),
            clock: clock.clone(),
            entropy: entropy.clone(),
            open_store: Arc::new(move |_| Ok(Box::new(store.clone()))),
        };
        let opened = Spool::open(options, world).unwrap();
        let shutdown = Shutdown::new();
        shutdown.spawn("writer", opened.writer.run());
        let backends = PLATFORMS.map(|name| probed(name, self.probing));
        let board = Board::new(&backends, clock.clone());
        let directory = DirectoryHandle::new(directory(PLATFORMS));
        let route = RouteOptions {
            relay: vec![OutboundRelay::Mx],
            ..RouteOptions::default()
        };
        let router = Router::new(directory.clone(), board.clone(), route);
        router.holds().restore(&opened.spool).unwrap();
        let monitor = Monitor {
            board,
            prober: Arc::new(Probe(self.platforms.clone())),
            entropy: entropy.clone(),
        };
        monitor.spawn(&backends, &shutdown);
        let parts = queue::Parts {
            spool: opened.spool.clone(),
            router: router.clone(),
            transport: Arc::new(self.platforms.clone()),
            clock: clock.clone(),
            entropy,
            shutdown: shutdown.clone(),
        };
        let door = Door {
            queue: Queue::new(parts, options_of_the_queue()),
            spool: opened.spool,
            router,
            directory,
            shutdown,
            clock,
        };
        (door, opened.committed)
    }

    /// How often a recipient arrived at each place.
    pub(crate) fn places(&self, id: SpoolId, number: u16) -> Vec<String> {
        let arrivals = self.platforms.arrivals(id, number);
        let places = arrivals.iter().map(|one| one.place.to_string());
        places.collect()
    }

    /// Copies that arrived, of all messages.
    pub(crate) fn copies(&self) -> usize {
        self.platforms.copies()
    }
}

pub(crate) fn options_of_the_queue() -> queue::Options {
    let limits = TargetLimits::connections(CONNECTIONS);
    queue::Options {
        hostname: "mx.example.org".to_owned(),
        delay_notice_after: Some(Duration::from_secs(4 * 3600)),
        finals: Vec::new(),
        backends: PLATFORMS.map(|name| (BackendId::new(name), limits)).into(),
    }
}

/// `onprem.example` and `cloud.example`, with these homes.
pub(crate) fn directory(homes: [&str; 2]) -> Directory {
    let rules = PLATFORMS.iter().zip(homes).map(|(name, home)| {
        let mut rule = domain(name);
        rule.home = BackendId::new(home);
        rule
    });
    Directory::builder(rules.collect()).finish()
}

pub(crate) struct Door {
    pub(crate) spool: Spool,
    pub(crate) router: Router,
    pub(crate) queue: Queue,
    pub(crate) directory: DirectoryHandle,
    pub(crate) shutdown: Shutdown,
    clock: Clock,
}

impl Door {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A message from a stranger.
    pub(crate) async fn send(&self, to: &[&str]) -> SpoolId {
        self.send_from("eve@example.net", Authenticity::Unproven, to)
            .await
    }

    pub(crate) async fn send_from(
        &self,
        from: &str,
        authenticity: Authenticity,
        to: &[&str],
    ) -> SpoolId {
        self.send_changed((from, authenticity), to, |_| {}).await
    }

    /// A message with something special in its envelope.
    pub(crate) async fn send_changed(
        &self,
        (from, authenticity): (&str, Authenticity),
        to: &[&str],
        change: impl FnOnce(&mut Envelope),
    ) -> SpoolId {
        let body = b"Subject: Hello\r\n\r\nHello\r\n";
        self.send_body((from, authenticity), to, change, body).await
    }

    pub(crate) async fn send_body(
        &self,
        (from, authenticity): (&str, Authenticity),
        to: &[&str],
        change: impl FnOnce(&mut Envelope),
        body: &[u8],
    ) -> SpoolId {
        let recipients = to
            .iter()
            .map(|address| admitted(&self.router, address, Origin::Trusted));
        let mut envelope = envelope((from, authenticity), recipients.collect());
        change(&mut envelope);
        self.accept(envelope, body).await
    }

    /// A message with an envelope of its own.
    pub(crate) async fn accept(&self, envelope: Envelope, body: &[u8]) -> SpoolId {
        let mut draft = self.spool.draft();
        draft.append(body).await.unwrap();
        self.spool.accept(draft, envelope).await.unwrap()
    }

    pub(crate) fn states(&self, id: SpoolId) -> Vec<RecipientState> {
        self.spool.message(id).unwrap().unwrap().states
    }

    /// The words for the states of all recipients, counted.
    pub(crate) fn words(&self, ids: &[SpoolId]) -> BTreeMap<&'static str, usize> {
        let mut words = BTreeMap::new();
        for state in ids.iter().flat_map(|id| self.states(*id)) {
            *words.entry(state.name()).or_default() += 1;
        }
        words
    }

    pub(crate) async fn stop(self) {
        self.pause().await;
    }

    /// Stops; what is open of it is dropped later.
    pub(crate) async fn pause(&self) {
        self.shutdown.signal();
        // What is under way ends; the writer, a task like others here, ends with the spool.
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.spool.close().await.unwrap();
        self.shutdown.stop().await;
    }
}
