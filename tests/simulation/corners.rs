//! Corners in which something went wrong once: what changes in the middle of a look, a way without
//! room, a drained platform that rejects, mail that came back.

use std::time::Duration;

use tideover::backend::{Health, Override, Wish};
use tideover::mail::{
    Authenticity, BackendId, Blame, CaseKind, Failure, HoldReason, Said, SpoolId,
};
use tideover::queue::TrialOutcome;
use tideover::route::{HoldWish, OutboundRelay, RouteOptions, Selection};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};
use crate::world::domain;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn reply(line: &str) -> Reply {
    Reply::parse(&[line]).unwrap()
}

/// Several pages of a lane, none of which may go: its home is down, and its domain may not be
/// given to another platform.
async fn a_long_lane(site: &Site, door: &Door) -> Vec<SpoolId> {
    allow_failover(door, false);
    for name in ["onprem", "cloud"] {
        site.platforms.set_up(name, false);
    }
    sleep(5 * MINUTE).await;
    let mut sent = Vec::new();
    for number in 0..2_400 {
        let to = format!("m{number}@kept.example");
        sent.push(door.send(&[&to]).await);
    }
    sleep(MINUTE).await;
    sent
}

fn allow_failover(door: &Door, kept: bool) {
    let rule = |name: &str, failover: bool| {
        let mut rule = domain("onprem");
        name.clone_into(&mut rule.name);
        if failover {
            rule.failover = vec![BackendId::new("cloud")];
        }
        rule
    };
    let rules = vec![rule("kept.example", kept), rule("other.example", true)];
    let directory = tideover::directory::Directory::builder(rules).finish();
    door.directory.replace(directory);
}

/// The loader looks at a lane page by page and goes on behind what has to wait. What changes
/// meanwhile lets mail go that it has passed: it begins anew, and not half an hour later.
#[test]
fn what_changes_during_a_look_is_looked_at_again() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let sent = a_long_lane(&site, &door).await;
        let mut changes = door.router.board().changes();
        site.platforms.set_up("cloud", true);
        changes.changed().await.unwrap();
        // The look has begun: a page in each turn of the tasks.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(site.copies(), 0);
        allow_failover(&door, true);
        // Whatever it is about, a new rule is a reason to look again.
        let wish = HoldWish {
            selection: Selection {
                recipient: Some("nobody@other.example".parse().unwrap()),
                ..Selection::default()
            },
            actor: "root".to_owned(),
            reason: "patches".to_owned(),
            until: None,
        };
        let holds = door.router.holds();
        holds.hold(&door.spool, wish, door.now()).await.unwrap();
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 2_400)].into());
        door.stop().await;
    });
}

/// The first way to a stranger refuses for good, and the one behind it has no room now: nobody is
/// told that his mail has failed.
#[test]
fn a_way_without_room_is_not_the_end() {
    const SMART: &str = "smart.example:25";
    simulate(async {
        let site = Site::new();
        let door = site.open();
        door.router.configure(RouteOptions {
            relay: vec![OutboundRelay::Host(SMART.to_owned()), OutboundRelay::Mx],
            ..RouteOptions::default()
        });
        let no = Failure::replied(Blame::Backend, reply("554 5.7.1 Go away"));
        site.platforms.turn_away(SMART, no);
        // Whoever has got a connection keeps its place for hours.
        site.platforms.set_pace(20_000_000);
        let mut sent = Vec::new();
        for number in 0..300 {
            let name = format!("far{number}.example");
            site.platforms.set_up(&name, true);
            let from = ("ann@onprem.example", Authenticity::Local);
            let to = format!("x@{name}");
            sent.push(door.send_from(from.0, from.1, &[&to]).await);
        }
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&sent).get("bounced"), None);
        assert_eq!(door.spool.stats().accepted, 300, "nobody was told anything");
        site.platforms.set_pace(50);
        sleep(48 * HOUR).await;
        assert_eq!(door.words(&sent), [("delivered", 300)].into());
        door.stop().await;
    });
}

/// A platform that rejects is drained: it is tried with what was there before, and that is
/// delivered when it takes mail again. What came later waits.
#[test]
fn a_drained_platform_that_rejects_is_tried_with_what_was_there() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let cloud = BackendId::new("cloud");
        let denied = Failure::refused(Said::Rcpt, reply("550 5.4.1 Access denied"));
        site.platforms.refuse("cloud", Some(denied));
        let before = crowd(&door, 0..40).await;
        sleep(MINUTE).await;
        let said = Override {
            wish: Wish::Drain,
            actor: "root".to_owned(),
            reason: "it goes".to_owned(),
            since: door.now(),
        };
        door.router.board().set_override(&cloud, said);
        sleep(Duration::from_secs(1)).await;
        let after = crowd(&door, 100..110).await;
        let tried = || {
            let seen = site.platforms.take_seen();
            let is_of = |ids: &[SpoolId]| seen.iter().filter(|one| ids.contains(&one.id)).count();
            (is_of(&before), is_of(&after))
        };
        tried();
        sleep(10 * MINUTE).await;
        let (of_before, of_after) = tried();
        assert!((10..=61).contains(&of_before), "{of_before} trials");
        assert_eq!(of_after, 0, "they came after the drain");
        site.platforms.refuse("cloud", None);
        sleep(5 * MINUTE).await;
        let health = door.router.board().health(&cloud).unwrap();
        assert_eq!(health.health, Health::Up);
        assert_eq!(door.words(&after), [("queued", 10)].into());
        assert_eq!(door.words(&before).get("queued"), None);
        door.stop().await;
    });
}

async fn crowd(door: &Door, people: std::ops::Range<u64>) -> Vec<SpoolId> {
    let mut sent = Vec::new();
    for number in people {
        sent.push(door.send(&[&format!("user{number}@cloud.example")]).await);
    }
    sent
}

/// Mail that a platform sent back is a case that names the two routes that fight; it is released
/// with a trial, like every other case.
#[test]
fn mail_that_came_back_is_a_case() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let earlier = door.send(&["ann@onprem.example"]).await;
        sleep(MINUTE).await;
        let stored = door.spool.message(earlier).unwrap().unwrap();
        let reason = HoldReason::Loop {
            given_to: BackendId::new("cloud"),
            home: BackendId::new("onprem"),
            earlier,
        };
        let mut sent = Vec::new();
        for _ in 0..3 {
            let envelope = (*stored.envelope).clone();
            let held = vec![(0, reason.clone())];
            let draft = door.spool.draft();
            let accepted = door.spool.accept_held(draft, envelope, held).await;
            sent.push(accepted.unwrap());
        }
        sleep(HOUR).await;
        assert_eq!(door.words(&sent), [("held", 3)].into());
        let found = door.spool.cases(CaseKind::Open, 10).unwrap();
        assert_eq!((found.len(), found[0].recipients), (1, 3));
        let told = found[0].key.to_string();
        assert!(told.contains("cloud") && told.contains("onprem"), "{told}");
        let case = found[0].id;
        door.queue.release_case(case, "root", "").await.unwrap();
        let trial = door.queue.decided(case, 5 * MINUTE).await.unwrap();
        let outcome = trial.unwrap().outcome;
        assert!(matches!(outcome, TrialOutcome::Released { .. }));
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 3)].into());
        assert_eq!(site.copies(), 4);
        door.stop().await;
    });
}

/// A connection that is cut after the final dot leaves a doubt: the platform is given time before
/// it is tried again, and the doubt is counted and stays in the ledger.
#[test]
fn a_cut_after_the_dot_waits_and_is_told() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.cut_after_the_dot(1);
        let id = door.send(&["ann@onprem.example"]).await;
        sleep(Duration::from_secs(20)).await;
        assert_eq!(site.places(id, 0), ["onprem"]);
        assert_eq!(door.words(&[id]), [("queued", 1)].into());
        assert_eq!(door.spool.stats().uncertain, 1);
        sleep(5 * MINUTE).await;
        assert_eq!(site.places(id, 0), ["onprem", "onprem"]);
        let seen = site.platforms.take_seen();
        let waited = seen[1].at - seen[0].at;
        assert!(waited >= Duration::from_secs(30), "{waited:?}");
        assert_eq!(door.words(&[id]), [("delivered", 1)].into());
        assert!(door.states(id)[0].is_uncertain());
        assert_eq!(door.spool.stats().uncertain, 1);
        door.stop().await;
    });
}
