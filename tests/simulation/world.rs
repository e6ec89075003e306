//! One simulated world: what happens in it, and the checkers that look at it from outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideover::backend::{BackendOptions, Board, Hosts, Monitor, Prober, RefusedAtRcpt};
use tideover::base::{Boxed, Clock, Entropy, Shutdown, TimeSource, Timestamp};
use tideover::directory::{Directory, DirectoryHandle, DomainKind, DomainRule, Unknown};
use tideover::mail::{Authenticity, BackendId, Blame, Body, Failure, RecipientState, SpoolId};
use tideover::queue::{self, Queue, TargetLimits};
use tideover::route::{Origin, RouteOptions, Router};
use tideover::spool::{self, Opened, Spool, Store as _};

use crate::auditor::Audit;
use crate::bodies::digest;
use crate::chance::Chance;
use crate::clock::SimClock;
use crate::disk::SimDisk;
use crate::letters::{admitted, envelope};
use crate::platforms::Platforms;
use crate::repeats::Evidence;
use crate::store::KeptStore;

/// What a run does to the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Lives of the process: one more than there are crashes.
    pub(crate) lives: u32,
    /// Percentage of attempts that meet trouble.
    pub(crate) trouble: u64,
    /// Do platforms go down?
    pub(crate) outages: bool,
    /// Is every second crash a power cut?
    pub(crate) power_cuts: bool,
    /// Do syncs only pretend?
    pub(crate) lying_disk: bool,
}

impl Plan {
    pub(crate) fn bad_morning() -> Self {
        Self {
            lives: 4,
            trouble: 15,
            outages: true,
            power_cuts: true,
            lying_disk: false,
        }
    }

    pub(crate) fn good_morning() -> Self {
        Self {
            lives: 1,
            trouble: 0,
            outages: false,
            power_cuts: false,
            lying_disk: false,
        }
    }

    pub(crate) fn lying_disk() -> Self {
        Self {
            lying_disk: true,
            ..Self::bad_morning()
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) duplicates: usize,
    pub(crate) uncertain: usize,
}

/// A message that was acknowledged: the digest of its body and the homes of its recipients.
#[derive(Debug, Clone)]
struct Acknowledged {
    body: u64,
    homes: Vec<&'static str>,
}

type Acknowledgements = Arc<Mutex<BTreeMap<SpoolId, Acknowledged>>>;

pub(crate) struct World {
    seed: u64,
    plan: Plan,
    chance: Chance,
    disk: SimDisk,
    store: KeptStore,
    platforms: Platforms,
    acknowledged: Acknowledgements,
    now: Timestamp,
}

pub(crate) const PLATFORMS: [&str; 2] = ["onprem", "cloud"];
pub(crate) const CONNECTIONS: usize = 4;

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let chance = Chance::new(seed);
        Self {
            seed,
            plan,
            disk: if plan.lying_disk {
                SimDisk::lying()
            } else {
                SimDisk::default()
            },
            store: KeptStore::fragile(),
            platforms: Platforms::new(&PLATFORMS, chance.clone(), plan.trouble),
            acknowledged: Acknowledgements::default(),
            now: Timestamp::from_millis(1_800_000_000_000),
            chance,
        }
    }

    /// All lives of the process; in the last one everything heals and drains.
    pub(crate) fn live_through_it(&mut self) {
        for life in 1..=self.plan.lives {
            let last = life == self.plan.lives;
            self.live(last);
            if !last {
                self.crash(life);
            }
        }
    }

    fn live(&mut self, last: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let zero = self.now;
        let end = runtime.block_on(async {
            let clock = SimClock::starting_at(zero);
            let life = Life::begin(self, Clock::new(clock));
            life.work(self).await;
            if last {
                self.platforms.heal();
                life.drain().await;
                life.stop().await;
            }
            clock.now()
        });
        // What was under way is dropped with the runtime, as a kill does.
        drop(runtime);
        self.now = end.after(Duration::from_secs(5));
    }

    fn crash(&mut self, life: u32) {
        self.platforms.forget_attempts();
        if self.plan.power_cuts && life.is_multiple_of(2) {
            self.disk.power_cut(&mut self.chance);
            self.store.power_cut(&self.chance);
        }
    }

    /// All that can be seen of it, for a comparison.
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence {
            story: self.platforms.story(),
            files: self.disk.files(),
        }
    }

    /// Looks at the end from outside.
    pub(crate) fn check(&self) -> Report {
        self.platforms.check();
        let audit = Audit::read(&self.disk.files());
        audit.check_each(&self.platforms, &[]);
        audit.check_all(&self.platforms);
        let arrived = self.platforms.arrived();
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let opened = open(self, Clock::new(Fixed(self.now)));
        let mut report = Report {
            duplicates: 0,
            uncertain: 0,
        };
        for (id, expected) in &acknowledged {
            let seed = self.seed;
            let message = opened.spool.message(*id).unwrap();
            let message = message.unwrap_or_else(|| panic!("seed {seed}: {id} is lost"));
            let body = opened.spool.body(*id).unwrap().unwrap();
            let body = digest(&*body);
            assert_eq!(
                body, expected.body,
                "seed {seed}: I8: {id} has another body"
            );
            for (number, home) in (0_u16..).zip(&expected.homes) {
                let state = &message.states[usize::from(number)];
                assert!(
                    matches!(state, RecipientState::Delivered { .. }),
                    "seed {seed}: I10: {id} {number} is {state:?}"
                );
                let copies = arrived.get(&(*id, number)).cloned().unwrap_or_default();
                let same = copies.iter().all(|copy| copy.digest == expected.body);
                assert!(same, "seed {seed}: I8: {id} arrived with another body");
                let places: Vec<_> = copies.into_iter().map(|copy| copy.place).collect();
                assert!(
                    !places.is_empty(),
                    "seed {seed}: {id} {number} never arrived"
                );
                let strange: Vec<_> = places.iter().filter(|p| p.as_str() != *home).collect();
                assert!(strange.is_empty(), "seed {seed}: {id} went to {strange:?}");
                report.duplicates += places.len() - 1;
                report.uncertain += usize::from(state.is_uncertain());
                assert!(
                    places.len() == 1 || state.is_uncertain(),
                    "seed {seed}: {id} {number} came {} times and nobody says so",
                    places.len()
                );
                let doubtful = audit.is_doubtful(&id.to_string(), number);
                assert_eq!(
                    doubtful,
                    state.is_uncertain(),
                    "seed {seed}: {id} {number} is in doubt, or is not, and is said to be otherwise"
                );
            }
        }
        assert!(!acknowledged.is_empty(), "nothing happened");
        self.check_index(&opened.spool, &acknowledged);
        report
    }

    /// I13: an index made anew from the log says the same.
    fn check_index(&self, spool: &Spool, acknowledged: &BTreeMap<SpoolId, Acknowledged>) {
        let states = |spool: &Spool| -> Vec<Vec<RecipientState>> {
            let message = |id| spool.message(id).unwrap().unwrap().states;
            acknowledged.keys().copied().map(message).collect()
        };
        let (known, known_states) = (spool.stats(), states(spool));
        self.store.clear().unwrap();
        let again = open(self, Clock::new(Fixed(self.now)));
        assert!(again.recovery.rebuilt);
        let rebuilt = again.spool.stats();
        let numbers = |stats: &spool::SpoolStats| {
            (
                stats.queued.clone(),
                stats.held,
                stats.uncertain,
                stats.accepted,
                stats.delivered,
            )
        };
        assert_eq!(
            numbers(&known),
            numbers(&rebuilt),
            "seed {}: I13",
            self.seed
        );
        assert_eq!(
            known_states,
            states(&again.spool),
            "seed {}: I13",
            self.seed
        );
    }
}

fn open(world: &World, clock: Clock) -> Opened {
    let store = world.store.clone();
    Spool::open(
        spool::Options {
            min_free: 0,
            segment_size: 32 * 1024,
            body_in_log: 4 * 1024,
            ..spool::Options::new("/spool")
        },
        spool::World {
            disk: Arc::new(world.disk.clone()),
            clock,
            entropy: Entropy::new(world.chance.clone()),
            open_store: Arc::new(move |_| Ok(Box::new(store.clone()))),
        },
    )
    .unwrap()
}

/// One life of the process.
struct Life {
    spool: Spool,
    router: Router,
    queue: Queue,
    shutdown: Shutdown,
}

impl Life {
    fn begin(world: &World, clock: Clock) -> Self {
        world.platforms.set_clock(clock.clone());
        let opened = open(world, clock.clone());
        let shutdown = Shutdown::new();
        let writer = opened.writer;
        shutdown.spawn("writer", writer.run());
        let backends = PLATFORMS.map(backend);
        let board = Board::new(&backends, clock.clone());
        let directory = Directory::builder(PLATFORMS.map(domain).into()).finish();
        let directory = DirectoryHandle::new(directory);
        let router = Router::new(directory, board.clone(), RouteOptions::default());
        let entropy = Entropy::new(world.chance.clone());
        let monitor = Monitor {
            board,
            prober: Arc::new(Probe(world.platforms.clone())),
            entropy: entropy.clone(),
        };
        monitor.spawn(&backends, &shutdown);
        let limits = TargetLimits::connections(CONNECTIONS);
        let queue = Queue::new(
            queue::Parts {
                spool: opened.spool.clone(),
                router: router.clone(),
                transport: Arc::new(world.platforms.clone()),
                clock,
                entropy,
                shutdown: shutdown.clone(),
            },
            queue::Options {
                hostname: "mx.example.org".to_owned(),
                delay_notice_after: None,
                finals: Vec::new(),
                backends: PLATFORMS.map(|name| (BackendId::new(name), limits)).into(),
            },
        );
        queue.start(opened.committed);
        Self {
            spool: opened.spool,
            router,
            queue,
            shutdown,
        }
    }

    /// Half an hour of mail and outages.
    async fn work(&self, world: &World) {
        let chance = &world.chance;
        for round in 0..60_u64 {
            for _ in 0..chance.below(6) {
                self.send(world);
            }
            if world.plan.outages && chance.below(8) == 0 {
                let name = PLATFORMS[usize::try_from(chance.below(2)).unwrap()];
                world.platforms.set_up(name, chance.below(2) == 0);
            }
            if round % 20 == 7 {
                self.spool.checkpoint().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(chance.below(60_000))).await;
        }
    }

    fn send(&self, world: &World) {
        let chance = &world.chance;
        let homes: Vec<&'static str> = match chance.below(3) {
            0 => vec!["onprem"],
            1 => vec!["cloud"],
            _ => vec!["onprem", "cloud"],
        };
        let size = usize::try_from(chance.below(9_000)).unwrap();
        let body = vec![u8::try_from(chance.below(256)).unwrap(); size];
        let recipients = homes.iter().map(|home| {
            let address = format!("ann@{home}.example");
            admitted(&self.router, &address, Origin::Internet)
        });
        let eve = ("eve@example.net", Authenticity::Unproven);
        let envelope = envelope(eve, recipients.collect());
        let spool = self.spool.clone();
        let acknowledged = Arc::clone(&world.acknowledged);
        // Whoever sends does not wait for the others; a crash cuts it off somewhere.
        self.shutdown.spawn("sender", async move {
            let mut draft = spool.draft();
            draft.append(&body).await.unwrap();
            let id = spool.accept(draft, envelope).await.unwrap();
            let body = digest(&Body(body.into()));
            let message = Acknowledged { body, homes };
            acknowledged.lock().unwrap().insert(id, message);
        });
    }

    /// Until nothing waits any more.
    async fn drain(&self) {
        for _ in 0..10_000 {
            if self.spool.lanes().is_empty() && self.queue.loaded() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        let waiting = self.spool.waiting(0, 5).unwrap();
        panic!("still waiting: {:?}: {waiting:?}", self.spool.lanes());
    }

    async fn stop(&self) {
        self.shutdown.signal();
        self.spool.close().await.unwrap();
        self.shutdown.stop().await;
    }
}

pub(crate) fn backend(name: &str) -> BackendOptions {
    let hosts = Hosts::List(vec!["192.0.2.1:25".to_owned()]);
    BackendOptions {
        tls: tideover::backend::TlsPolicy::Never,
        max_connections: CONNECTIONS,
        ..BackendOptions::new(BackendId::new(name), hosts)
    }
}

/// One that is probed that often; ten seconds is much work in a week.
pub(crate) fn probed(name: &str, interval: Duration) -> BackendOptions {
    let mut backend = backend(name);
    backend.probe.interval = interval;
    backend
}

pub(crate) fn domain(name: &str) -> DomainRule {
    DomainRule {
        name: format!("{name}.example"),
        kind: DomainKind::ExternalRelay,
        home: BackendId::new(name),
        failover: Vec::new(),
        unknown: Unknown::Relay,
    }
}

#[derive(Debug)]
pub(crate) struct Probe(pub(crate) Platforms);

impl Prober for Probe {
    fn probe<'a>(&'a self, backend: &'a BackendOptions) -> Boxed<'a, Result<(), Failure>> {
        Box::pin(async move {
            if self.0.is_up(&backend.id) {
                Ok(())
            } else {
                Err(Failure::without_reply(Blame::Backend, "connection refused"))
            }
        })
    }

    fn would_take<'a>(
        &'a self,
        backend: &'a BackendOptions,
        refused: &'a RefusedAtRcpt,
    ) -> Boxed<'a, Result<(), Failure>> {
        Box::pin(async move {
            let refusal = self.0.refusal(&backend.id, &refused.recipient);
            refusal.map_or(Ok(()), Err)
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Fixed(Timestamp);

impl TimeSource for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}
