//! A day on which operators hold and release, move domains and change their minds, while mail flows
//! slowly and platforms fail. The checkers look from outside: what was held was not tried, what
//! moved went to no old home, and at the end everything has arrived, once.

use std::sync::Arc;
use std::time::Duration;

use tideover::backend::{Override, Wish, override_backend, restore_overrides};
use tideover::mail::{BackendId, SpoolId};
use tideover::queue::TargetLimits;
use tideover::route::{HoldError, HoldWish, MoveStep, Selection, StepWish};
use tokio::time::{Instant, sleep};

use crate::door::{Door, Site, simulate};
use crate::platforms::Seen;
use crate::recovery::{LIMITS, check_platform, options};
use crate::seeds::each_seed;
use crate::world::PLATFORMS;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const MAILBOXES: u64 = 6;
/// What was said is written down and heard of in a moment, in which an attempt may begin.
const MOMENT: Duration = SECOND;

#[test]
fn a_day_of_holds_and_moves_tries_nothing_that_waits() {
    each_seed(6, |seed| simulate(Day::live_through(seed)));
}

/// Whose mail waits.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    Recipient(String),
    Domain(String),
    Backend(&'static str),
}

impl Whose {
    fn covers(&self, seen: &Seen) -> bool {
        match self {
            Self::Recipient(address) => seen.address == *address,
            Self::Domain(domain) => domain_of(seen) == *domain,
            Self::Backend(name) => seen.backend.as_str() == *name,
        }
    }
}

fn domain_of(seen: &Seen) -> &str {
    seen.address.split_once('@').unwrap().1
}

/// From when until when nothing of it may be tried.
#[derive(Debug)]
struct Span {
    whose: Whose,
    /// The rule, when it is one.
    rule: Option<String>,
    since: Instant,
    until: Option<Instant>,
}

struct Day {
    seed: u64,
    site: Site,
    door: Door,
    limits: TargetLimits,
    sent: Vec<SpoolId>,
    spans: Vec<Span>,
    /// The homes of the domains since when, in their order.
    homes: Vec<(String, &'static str, Instant)>,
}

impl Day {
    async fn live_through(seed: u64) {
        let mut day = Self::begin(seed).await;
        for _ in 0..100 {
            day.step().await;
            sleep(Duration::from_secs(day.site.chance.below(900))).await;
        }
        day.end().await;
    }

    async fn begin(seed: u64) -> Self {
        let site = Site::seeded(seed);
        let mut limits = LIMITS;
        limits.messages_per_minute = [3, 20, 600][usize::try_from(seed % 3).unwrap()];
        let now = Instant::now();
        let homes = PLATFORMS.map(|name| (format!("{name}.example"), name, now));
        let door = Self::open(&site, limits).await;
        Self {
            seed,
            site,
            door,
            limits,
            sent: Vec::new(),
            spans: Vec::new(),
            homes: homes.into(),
        }
    }

    async fn open(site: &Site, limits: TargetLimits) -> Door {
        let (door, committed) = site.open_quietly();
        restore_overrides(&door.spool, door.router.board()).unwrap();
        door.queue.configure(options(limits));
        door.queue.start(committed);
        // One life is told from the next by the rates: what was sent before is not known any more.
        sleep(MINUTE).await;
        door
    }

    fn chance(&self, limit: u64) -> u64 {
        self.site.chance.below(limit)
    }

    fn platform(&self) -> &'static str {
        PLATFORMS[usize::try_from(self.chance(2)).unwrap()]
    }

    fn mailbox(&self, platform: &str) -> String {
        format!("m{}@{platform}.example", self.chance(MAILBOXES))
    }

    async fn step(&mut self) {
        for _ in 0..self.chance(8) {
            let to = self.mailbox(self.platform());
            self.sent.push(self.door.send(&[&to]).await);
        }
        sleep(Duration::from_secs(self.chance(40))).await;
        let platform = self.platform();
        match self.chance(12) {
            0 => self.hold(Whose::Recipient(self.mailbox(platform))).await,
            1 => {
                let domain = format!("{platform}.example");
                self.hold(Whose::Domain(domain)).await;
            }
            2 => self.hold(Whose::Backend(platform)).await,
            3..=5 => self.end_a_rule().await,
            6 => self.override_one(platform).await,
            7..=8 => self.take_a_step(platform).await,
            9 => self.site.platforms.set_up(platform, false),
            10 => self.site.platforms.set_up(platform, true),
            _ => self.restart().await,
        }
        self.check();
    }

    /// A rule, with an end or without.
    async fn hold(&mut self, whose: Whose) {
        let mut selection = Selection::default();
        match &whose {
            Whose::Recipient(address) => selection.recipient = Some(address.parse().unwrap()),
            Whose::Domain(domain) => selection.domain = Some(domain.clone()),
            Whose::Backend(name) => selection.backend = Some(BackendId::new(name)),
        }
        let lasts = (self.chance(2) == 0).then(|| Duration::from_secs(60 + self.chance(3600)));
        let now = self.door.now();
        let wish = HoldWish {
            selection,
            actor: "root".to_owned(),
            reason: "a test".to_owned(),
            until: lasts.map(|lasts| now.after(lasts)),
        };
        let holds = self.door.router.holds();
        let rule = match holds.hold(&self.door.spool, wish, now).await {
            // The very same is in force, and lasts as long: there is none to be ended apart.
            Err(HoldError::Known(_)) => return,
            made => made.unwrap(),
        };
        let since = Instant::now();
        self.spans.push(Span {
            whose,
            rule: Some(rule.name),
            since,
            until: lasts.map(|lasts| since + lasts),
        });
    }

    async fn end_a_rule(&mut self) {
        let book = self.door.router.holds().book();
        let Some(name) = book.rules().first().map(|rule| rule.name.clone()) else {
            return;
        };
        let names = [name.clone()];
        let holds = self.door.router.holds();
        holds.end(&self.door.spool, &names, "root").await.unwrap();
        self.close(|span| span.rule.as_ref() == Some(&name));
    }

    /// Spans without an end, or with a later one, end now.
    fn close(&mut self, is_meant: impl Fn(&Span) -> bool) {
        let now = Instant::now();
        let open = |span: &&mut Span| span.until.is_none_or(|until| until > now);
        for span in self.spans.iter_mut().filter(open) {
            if is_meant(span) {
                span.until = Some(now);
            }
        }
    }

    fn is_open(&self, whose: &Whose, rule: Option<&String>) -> bool {
        let mut spans = self.spans.iter();
        spans.any(|span| span.whose == *whose && span.rule.as_ref() == rule && span.until.is_none())
    }

    async fn override_one(&mut self, name: &'static str) {
        let whose = Whose::Backend(name);
        let held = self.is_open(&whose, None);
        let said = Override {
            wish: if held { Wish::Resume } else { Wish::Hold },
            actor: "root".to_owned(),
            reason: "a test".to_owned(),
            since: self.door.now(),
        };
        let board = self.door.router.board();
        let backend = BackendId::new(name);
        let done = override_backend(&self.door.spool, board, &backend, said);
        done.await.unwrap();
        if held {
            self.close(|span| span.rule.is_none() && span.whose == whose);
        } else {
            self.span(whose);
        }
    }

    fn span(&mut self, whose: Whose) {
        self.spans.push(Span {
            whose,
            rule: None,
            since: Instant::now(),
            until: None,
        });
    }

    /// A move begins, ends at some home, or is backed out of.
    async fn take_a_step(&mut self, name: &'static str) {
        let whose = Whose::Domain(format!("{name}.example"));
        let moving = self.is_open(&whose, None);
        let step = match (moving, self.chance(3)) {
            (false, _) => MoveStep::Start,
            (true, 0) => MoveStep::BackOut,
            (true, _) => MoveStep::Finish,
        };
        let home = self.platform();
        self.move_on(name, step, (step == MoveStep::Finish).then_some(home))
            .await;
        if moving {
            self.close(|span| span.rule.is_none() && span.whose == whose);
        } else {
            self.span(whose);
        }
    }

    async fn move_on(&mut self, name: &str, step: MoveStep, home: Option<&str>) {
        let domain = format!("{name}.example");
        let wish = StepWish {
            domain: domain.clone(),
            step,
            actor: "root".to_owned(),
            reason: String::new(),
            home: home.map(BackendId::new),
        };
        let now = self.door.now();
        let holds = self.door.router.holds();
        let seen = holds.book().the_move(&domain).cloned();
        let taken = holds.step(&self.door.spool, wish, seen.as_ref(), now);
        taken.await.unwrap();
        self.door.queue.look_anew();
        let book = self.door.router.holds().book();
        let home = book.home(&domain).map_or(name, BackendId::as_str);
        let home = PLATFORMS.into_iter().find(|other| *other == home).unwrap();
        self.homes.push((domain, home, Instant::now()));
    }

    async fn restart(&mut self) {
        self.door.pause().await;
        self.check();
        self.door = Self::open(&self.site, self.limits).await;
    }

    /// What the platforms saw since the last look.
    fn check(&self) {
        self.site.platforms.check();
        let attempts = self.site.platforms.take_seen();
        let seed = self.seed;
        for one in &attempts {
            for span in &self.spans {
                let within =
                    span.since + MOMENT <= one.at && span.until.is_none_or(|until| one.at < until);
                let tried = within && span.whose.covers(one);
                assert!(!tried, "seed {seed}: {one:?} was tried in {span:?}");
            }
            let homes = self
                .homes
                .iter()
                .filter(|(domain, ..)| domain == domain_of(one));
            let past = homes.filter(|(_, _, since)| *since <= one.at);
            let mut past = past.rev();
            let (_, home, since) = past.next().unwrap();
            let before = past.next().map_or(home, |(_, home, _)| home);
            let at = one.backend.as_str();
            let fits = at == *home || (at == *before && one.at < *since + MOMENT);
            assert!(fits, "seed {seed}: {one:?} has its home at {home}");
        }
        for name in PLATFORMS {
            let of_it = attempts.iter().filter(|one| one.backend.as_str() == name);
            let of_it: Vec<Seen> = of_it.cloned().collect();
            if !of_it.is_empty() {
                check_platform(&of_it, self.limits);
            }
        }
    }

    /// Everything works again and nothing is held any more.
    async fn end(mut self) {
        for name in PLATFORMS {
            self.site.platforms.set_up(name, true);
            if self.is_open(&Whose::Backend(name), None) {
                self.override_one(name).await;
            }
            if self.is_open(&Whose::Domain(format!("{name}.example")), None) {
                self.take_a_step(name).await;
            }
        }
        let book = Arc::clone(&self.door.router.holds().book());
        for _ in book.rules() {
            self.end_a_rule().await;
        }
        let all = self.sent.len();
        for _ in 0..500 {
            sleep(10 * MINUTE).await;
            self.check();
            if self.door.words(&self.sent) == [("delivered", all)].into() {
                break;
            }
        }
        let words = self.door.words(&self.sent);
        assert_eq!(words, [("delivered", all)].into(), "seed {}", self.seed);
        assert_eq!(self.site.copies(), all, "seed {}: each once", self.seed);
        let told = self.door.spool.stats().accepted - all as u64;
        assert_eq!(told, 0, "seed {}: somebody was told of it", self.seed);
        self.door.stop().await;
    }
}
