//! A week in which everything happens: outages, flaps, floods, slow platforms, storms of refusals,
//! restarts. Then it heals, and the checkers look at what came of it from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use tideover::base::TimeSource;
use tideover::mail::{Blame, Failure, RecipientState, SpoolId};
use tideover::route::Selection;
use tideover::smtp::Reply;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::door::{Door, Site, simulate};
use crate::platforms::Seen;
use crate::recovery::{LIMITS, check_rates, options};
use crate::seeds;
use crate::world::PLATFORMS;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: u64 = 3600;
/// Mail that is older keeps the rates of the mailboxes.
const FRESH: Duration = Duration::from_secs(60);

#[test]
#[expect(clippy::print_stdout, reason = "a seed that fails is to be known")]
fn a_week_of_everything_loses_nothing_and_overruns_nobody() {
    for seed in seeds(1) {
        println!("seed {seed}");
        simulate(async move {
            let mut week = Week::begin(seed);
            for _ in 0..7 * 24 {
                week.hour().await;
            }
            week.heal().await;
            week.check().await;
        });
    }
}

struct Week {
    site: Site,
    door: Door,
    chance: Chance,
    sent: BTreeMap<SpoolId, &'static str>,
}

impl Week {
    fn begin(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let site = Site::with_chance(chance.clone(), 3);
        let door = site.open();
        door.queue.configure(options(LIMITS));
        Self {
            site,
            door,
            chance,
            sent: BTreeMap::new(),
        }
    }

    async fn hour(&mut self) {
        // As a long life does by itself; else each look at a lane walks over all that is over.
        self.door.spool.checkpoint().await.unwrap();
        for _ in 0..self.chance.below(4) {
            let mailbox = self.chance.below(20);
            self.send(mailbox).await;
        }
        let name = self.platform();
        match self.chance.below(20) {
            0..=2 => self.site.platforms.set_up(name, false),
            3..=6 => self.site.platforms.set_up(name, true),
            7 => self.flap(name).await,
            8 => self.flood().await,
            9 => self.site.platforms.set_pace(20_000),
            10 => self.site.platforms.set_pace(200),
            11 => self.refuse(
                name,
                "550 5.4.1 Recipient address rejected",
                Blame::Recipient,
            ),
            12 => self.refuse(name, "421 4.3.2 Too many connections", Blame::Backend),
            13 => self.refuse(name, "450 4.2.2 Mailbox full", Blame::Recipient),
            14..=16 => self.site.platforms.refuse(name, None),
            17 => self.restart().await,
            _ => {}
        }
        sleep(Duration::from_secs(self.chance.below(2 * HOUR))).await;
    }

    fn platform(&self) -> &'static str {
        PLATFORMS[usize::from(self.chance.below(2) == 0)]
    }

    async fn send(&mut self, mailbox: u64) {
        let home = self.platform();
        let id = self
            .door
            .send(&[&format!("m{mailbox}@{home}.example")])
            .await;
        self.sent.insert(id, home);
    }

    async fn flap(&self, name: &str) {
        for _ in 0..6 {
            self.site.platforms.set_up(name, false);
            sleep(Duration::from_secs(self.chance.below(60))).await;
            self.site.platforms.set_up(name, true);
            sleep(Duration::from_secs(self.chance.below(60))).await;
        }
    }

    async fn flood(&mut self) {
        for _ in 0..150 {
            self.send(0).await;
        }
    }

    fn refuse(&self, name: &str, line: &str, blame: Blame) {
        let failure = Failure::replied(blame, Reply::parse(&[line]).unwrap());
        self.site.platforms.refuse(name, Some(failure));
    }

    async fn restart(&mut self) {
        self.check_pace();
        self.door.pause().await;
        self.door = self.site.open();
        self.door.queue.configure(options(LIMITS));
        // Rates begin anew with the process: attempts of its end belong to the life before.
        self.site.platforms.take_seen();
    }

    /// No platform saw more than what it may: connections, messages, and of the backlog for each
    /// mailbox.
    fn check_pace(&self) {
        let (now, time) = (Instant::now(), self.site.clock.now());
        let seen = self.site.platforms.take_seen();
        for name in PLATFORMS {
            let of_it = seen.iter().filter(|seen| seen.backend.as_str() == name);
            let of_it: Vec<Seen> = of_it.cloned().collect();
            check_rates(&of_it, LIMITS, |seen| {
                let at = time.before(now - seen.at);
                at.since(seen.id.timestamp()) >= FRESH
            });
        }
    }

    /// Everything works again, and an administrator lets go what is held.
    async fn heal(&self) {
        self.site.platforms.heal();
        self.site.platforms.set_pace(200);
        for name in PLATFORMS {
            self.site.platforms.refuse(name, None);
        }
        for _ in 0..500 {
            sleep(10 * MINUTE).await;
            let all = Selection::default();
            self.door
                .queue
                .release(all, "root", "mended")
                .await
                .unwrap();
            self.door.spool.checkpoint().await.unwrap();
            let stats = self.door.spool.stats();
            if stats.queued.is_empty() && stats.held == 0 {
                return;
            }
        }
        panic!("it does not come to an end: {:?}", self.door.spool.stats());
    }

    async fn check(self) {
        self.check_pace();
        let before = self.door.spool.stats();
        // I5, I10: nothing was reported to anybody, nothing bounced.
        assert_eq!(before.accepted, self.sent.len() as u64);
        assert_eq!(before.delivered, self.sent.len() as u64);
        for (id, home) in &self.sent {
            let state = &self.door.states(*id)[0];
            assert!(
                matches!(state, RecipientState::Delivered { .. }),
                "I3: {state:?}"
            );
            let places = self.site.places(*id, 0);
            assert!(places.iter().all(|place| place == home), "{id}: {places:?}");
            let once = places.len() == 1 || (places.len() > 1 && state.is_uncertain());
            assert!(once, "{id} came {} times and nobody says so", places.len());
        }
        let (queued, held) = (before.queued, before.held);
        self.door.stop().await;
        // I13: an index made anew from the log says the same.
        let door = self.site.open();
        let again = door.spool.stats();
        assert_eq!((again.queued, again.held), (queued, held));
        assert_eq!(
            (again.accepted, again.delivered),
            (before.accepted, before.delivered)
        );
        assert_eq!(again.uncertain, before.uncertain);
        door.stop().await;
    }
}
