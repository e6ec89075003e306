//! A week in which everything happens: outages, flaps, floods, slow platforms, storms of refusals,
//! strangers who are away, restarts, mail whose time is over. Then it heals. The checkers look at
//! it from outside: every hour, and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tideover::base::TimeSource;
use tideover::mail::{Authenticity, Blame, Body, Failure, RecipientState, SpoolId};
use tideover::route::{Admission, Admit, Origin, Selection};
use tideover::smtp::Reply;
use tideover::spool::Store as _;
use tokio::time::{Instant, sleep};

use crate::auditor::Audit;
use crate::bodies::digest;
use crate::chance::Chance;
use crate::door::{Door, Site, simulate};
use crate::platforms::Seen;
use crate::recovery::{LIMITS, check_mailboxes, check_platform, options};
use crate::repeats::Evidence;
use crate::seeds::each_seed;
use crate::store::KeptStore;
use crate::world::PLATFORMS;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: u64 = 3600;
const DAY: Duration = Duration::from_secs(24 * HOUR);
/// Mail that is older keeps the rates of the mailboxes.
const FRESH: Duration = Duration::from_secs(60);
/// Somebody else's domain, and the address at it.
const FAR: &str = "far.example";
const STRANGER: &str = "joe@far.example";
/// Waiting messages whose bodies are read in an hour.
const LOOKS: usize = 5;

#[test]
fn a_week_of_everything_loses_nothing_and_overruns_nobody() {
    each_seed(2, |seed| {
        Week::live_through(seed);
    });
}

/// A message that was acknowledged.
#[derive(Debug, Clone, Copy)]
struct Sent {
    home: &'static str,
    body: u64,
    /// May its sender be told of a failure?
    tells: bool,
}

pub(crate) struct Week {
    site: Site,
    door: Door,
    chance: Chance,
    sent: BTreeMap<SpoolId, Sent>,
    /// Those of them that have not come to an end yet.
    open: BTreeSet<SpoolId>,
    /// What platforms saw in the last minute of the life before.
    before: Vec<Seen>,
    /// Mail of strangers' senders that came to a bad end, and whose sender may be told.
    given_up: usize,
}

impl Week {
    /// The whole week, and what could be seen of it. With an even seed mail goes a day after its
    /// end.
    pub(crate) fn live_through(seed: u64) -> Evidence {
        let mut evidence = None;
        simulate(async {
            let mut week = Self::begin(seed);
            for _ in 0..7 * 24 {
                week.hour().await;
                week.look().await;
            }
            week.heal().await;
            week.look().await;
            evidence = Some(week.check().await);
        });
        evidence.unwrap()
    }

    fn begin(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let mut site = Site::with_chance(chance.clone(), 3);
        site.store = Some(KeptStore::safe());
        // Every ten seconds is much work in a week.
        site.probing = MINUTE;
        if seed.is_multiple_of(2) {
            site.retain = DAY;
        }
        let door = site.open();
        door.queue.configure(options(LIMITS));
        Self {
            site,
            door,
            chance,
            sent: BTreeMap::new(),
            open: BTreeSet::new(),
            before: Vec::new(),
            given_up: 0,
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
        match self.chance.below(24) {
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
            18..=19 => self.send_out().await,
            20 => {
                let up = self.chance.below(2) == 0;
                self.site.platforms.set_up(FAR, up);
            }
            21 => self.refuse(FAR, "550 5.1.1 No such user", Blame::Recipient),
            22 => self.site.platforms.refuse(FAR, None),
            _ => {
                let retired = self.door.spool.retire().await;
                retired.unwrap();
            }
        }
        if self.chance.below(4) == 0 {
            // Trouble lasts for hours, not for days.
            self.site.platforms.refuse(name, None);
            self.site.platforms.set_up(name, true);
        }
        sleep(Duration::from_secs(self.chance.below(2 * HOUR))).await;
    }

    fn platform(&self) -> &'static str {
        PLATFORMS[usize::from(self.chance.below(2) == 0)]
    }

    async fn send(&mut self, mailbox: u64) {
        let home = self.platform();
        let to = format!("m{mailbox}@{home}.example");
        let eve = ("eve@example.net", Authenticity::Unproven);
        self.send_to(home, eve, &to).await;
    }

    /// Mail of ours to a stranger, and that of somebody who may not send it through us.
    async fn send_out(&mut self) {
        let from = match self.chance.below(4) {
            0 => ("", Authenticity::Local),
            1 => ("m1@onprem.example", Authenticity::Unproven),
            _ => ("m1@onprem.example", Authenticity::Local),
        };
        self.send_to(FAR, from, STRANGER).await;
        let refused = self
            .door
            .router
            .admit(&STRANGER.parse().unwrap(), Origin::Internet);
        assert!(matches!(refused, Admission::Reject(_)), "I11: {refused:?}");
    }

    async fn send_to(&mut self, home: &'static str, from: (&str, Authenticity), to: &str) {
        let size = usize::try_from(self.chance.below(6_000)).unwrap();
        let letter = char::from(b'a' + u8::try_from(self.chance.below(26)).unwrap());
        let text = letter.to_string().repeat(size);
        let body = format!("Subject: Hello\r\n\r\n{text}\r\n").into_bytes();
        let tells = !from.0.is_empty() && from.1 == Authenticity::Local;
        let sent = Sent {
            home,
            body: digest(&Body(body.clone().into())),
            tells,
        };
        let id = self.door.send_body(from, &[to], |_| {}, &body).await;
        self.sent.insert(id, sent);
        self.open.insert(id);
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
        let seen = self.check_pace();
        self.door.pause().await;
        if self.chance.below(4) == 0 {
            // I13: the index is made anew from the log.
            self.site.store.as_ref().unwrap().clear().unwrap();
        }
        let last = seen.last().map(|last| last.at);
        self.before = seen;
        self.before
            .retain(|seen| last.is_some_and(|last| last - seen.at < MINUTE));
        self.door = self.site.open();
        self.door.queue.configure(options(LIMITS));
    }

    /// No platform saw more than what it may: connections and messages, over restarts too, and of
    /// the backlog for each mailbox.
    fn check_pace(&self) -> Vec<Seen> {
        self.site.platforms.check();
        let (now, time) = (Instant::now(), self.site.clock.now());
        let present = self.site.platforms.take_seen();
        let mut seen = self.before.clone();
        seen.extend(present.iter().cloned());
        for name in PLATFORMS {
            let of_it = |seen: &[Seen]| -> Vec<Seen> {
                let of_it = seen.iter().filter(|seen| seen.backend.as_str() == name);
                of_it.cloned().collect()
            };
            check_platform(&of_it(&seen), LIMITS);
            // What a mailbox got is counted anew with the process.
            check_mailboxes(&of_it(&present), LIMITS, |seen| {
                let at = time.before(now - seen.at);
                at.since(seen.id.timestamp()) >= FRESH
            });
        }
        seen
    }

    /// Looks at all that waits, and at what has come to its end since the last look.
    async fn look(&mut self) {
        let mut looks = 0;
        for id in self.open.clone() {
            let sent = self.sent[&id];
            let state = self.door.spool.state(id, 0).unwrap();
            let state = state.unwrap_or_else(|| panic!("I2: {id} is gone and not finished"));
            if state.is_finished() {
                self.end(id, sent, &state);
                self.open.remove(&id);
            } else if looks < LOOKS {
                looks += 1;
                let body = self.door.spool.body(id).unwrap();
                let body = body.unwrap_or_else(|| panic!("I2: the body of {id} is gone"));
                assert_eq!(digest(&*body), sent.body, "I8: {id}");
            }
        }
        // The others have their turn.
        tokio::task::yield_now().await;
    }

    /// It has come to its end: the right one, and what the platforms saw agrees.
    fn end(&mut self, id: SpoolId, sent: Sent, state: &RecipientState) {
        let copies = self.site.platforms.arrivals(id, 0);
        for copy in &copies {
            assert_eq!(copy.place.as_str(), sent.home, "{id} went astray");
            assert_eq!(copy.digest, sent.body, "I8: {id} arrived with another body");
        }
        match state {
            RecipientState::Delivered { uncertain, .. } => {
                assert!(!copies.is_empty(), "{id} never arrived");
                let told = copies.len() == 1 || *uncertain;
                assert!(told, "{id} came {} times and nobody says so", copies.len());
            }
            RecipientState::Bounced { .. } => {
                assert_eq!(sent.home, FAR, "I10: {state:?}");
                self.given_up += usize::from(sent.tells);
            }
            RecipientState::Queued { .. }
            | RecipientState::Held { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => panic!("{id} is {state:?}"),
        }
    }

    /// Everything works again, and an administrator lets go what is held.
    async fn heal(&self) {
        self.site.platforms.set_up(FAR, true);
        self.site.platforms.heal();
        self.site.platforms.set_pace(200);
        for name in [PLATFORMS[0], PLATFORMS[1], FAR] {
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

    async fn check(self) -> Evidence {
        self.check_pace();
        assert!(self.open.is_empty(), "I3: without an end: {:?}", self.open);
        let before = self.door.spool.stats();
        self.door.stop().await;
        let audit = Audit::read(&self.site.disk.files());
        audit.check_each(&self.site.platforms, &[]);
        if self.site.retain > DAY {
            audit.check_all(&self.site.platforms);
            // I5: one report for each failure that may be told, and perhaps one of its delay.
            let tells = self.sent.values().filter(|sent| sent.tells).count();
            let reports = audit.reports();
            assert!(
                (self.given_up..=self.given_up + tells).contains(&reports),
                "I5: {reports} reports of {} failures",
                self.given_up
            );
            assert_eq!(before.accepted, (self.sent.len() + reports) as u64);
        }
        // I13: an index made anew from the log says the same.
        self.site.store.as_ref().unwrap().clear().unwrap();
        let door = self.site.open();
        let again = door.spool.stats();
        assert_eq!((again.queued, again.held), (before.queued, before.held));
        if self.site.retain > DAY {
            assert_eq!(
                (again.accepted, again.delivered),
                (before.accepted, before.delivered)
            );
            assert_eq!(again.uncertain, before.uncertain);
        }
        door.stop().await;
        self.site.evidence()
    }
}
