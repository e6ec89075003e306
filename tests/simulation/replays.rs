//! A platform has lost mail, or never had it: it gets it, once, no faster than it can stand,
//! whatever happens meanwhile.

use std::time::Duration;

use tideover::backend::{Override, Wish};
use tideover::mail::{BackendId, Blame, Failure, SpoolId};
use tideover::queue::replay::{
    Options, Order, People, Progress, ReplayState, Replays, Selection, Skip, Which,
};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::auditor::Audit;
use crate::door::{Door, Site, simulate};
use crate::recovery::{LIMITS, check_mailboxes, options};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn onprem() -> BackendId {
    BackendId::new("onprem")
}

fn cloud() -> BackendId {
    BackendId::new("cloud")
}

pub(crate) fn desk(door: &Door) -> Replays {
    let options = Options {
        suppress_automatic_answers: true,
    };
    Replays::new(door.queue.clone(), options)
}

/// Everything until now.
pub(crate) fn all(door: &Door) -> Selection {
    Selection {
        until: door.now(),
        ..Selection::default()
    }
}

/// Plans and starts a replay; its name.
pub(crate) async fn start(replays: &Replays, to: &BackendId, selection: Selection) -> String {
    let meant = (selection, People::new());
    let planned = replays.plan(to, meant, "ann").await.unwrap();
    replays.start(&planned.id, "ann").await.unwrap();
    planned.id
}

/// Waits until a replay does not run any more.
pub(crate) async fn ended(replays: &Replays, id: &str) -> Progress {
    for _ in 0..200_000 {
        let progress = replays.status(id).unwrap();
        if progress.replay.state != ReplayState::Running {
            return progress;
        }
        sleep(SECOND).await;
    }
    panic!("{:?} does not end", replays.status(id).unwrap());
}

/// Waits until nothing waits.
pub(crate) async fn drained(door: &Door) {
    for _ in 0..100_000 {
        if door.spool.lanes().is_empty() && door.queue.loaded() == 0 {
            return;
        }
        sleep(SECOND).await;
    }
    panic!("{:?} waits", door.spool.lanes());
}

pub(crate) async fn letters(door: &Door, count: usize, domain: &str) -> Vec<SpoolId> {
    let mut sent = Vec::with_capacity(count);
    for number in 0..count {
        let to = format!("m{}@{domain}", number % 7);
        sent.push(door.send(&[&to]).await);
    }
    sent
}

#[test]
fn a_platform_that_lost_its_mail_gets_it_back_once() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let (lost, others) = (
            letters(&door, 40, "onprem.example").await,
            letters(&door, 10, "cloud.example").await,
        );
        drained(&door).await;
        let states: Vec<_> = lost.iter().map(|id| door.states(*id)).collect();
        let replays = desk(&door);
        sleep(SECOND).await;
        let meant = || (all(&door), People::new());
        let planned = replays.plan(&onprem(), meant(), "ann").await.unwrap();
        let plan = &planned.plan;
        assert_eq!((plan.messages, plan.recipients), (40, 40));
        let left_out: Vec<_> = plan
            .skipped
            .iter()
            .map(|one| (one.reason, one.recipients))
            .collect();
        assert_eq!(left_out, [(Skip::Elsewhere, 10)]);
        assert_eq!(plan.biggest.first().map(|one| one.messages), Some(6));
        assert_eq!(site.copies(), 50, "a plan sends nothing");

        replays.start(&planned.id, "ann").await.unwrap();
        let first = ended(&replays, &planned.id).await;
        assert_eq!(first.replay.state, ReplayState::Done);
        assert_eq!((first.replay.counts.delivered, first.total), (40, 40));
        let places: Vec<_> = lost.iter().map(|id| site.places(*id, 0)).collect();
        assert!(places.iter().all(|places| *places == ["onprem", "onprem"]));
        assert!(others.iter().all(|id| site.places(*id, 0).len() == 1));
        // What it was stays, and its copies differ by the line in front only.
        let after: Vec<_> = lost.iter().map(|id| door.states(*id)).collect();
        assert_eq!(states, after);
        let copies = site.platforms.arrivals(lost[0], 0);
        assert_ne!(copies[0].digest, copies[1].digest);

        // Again: nothing, unless somebody insists.
        let second = replays.plan(&onprem(), meant(), "ann").await.unwrap();
        assert_eq!(second.plan.recipients, 0);
        let already = second
            .plan
            .skipped
            .iter()
            .find(|one| one.reason == Skip::Already);
        assert_eq!(already.map(|one| one.recipients), Some(40));
        replays.start(&second.id, "ann").await.unwrap();
        assert_eq!(ended(&replays, &second.id).await.replay.counts.delivered, 0);
        assert_eq!(site.copies(), 90);
        let again = Selection {
            again: true,
            ..all(&door)
        };
        let third = start(&replays, &onprem(), again).await;
        assert_eq!(ended(&replays, &third).await.replay.counts.delivered, 40);
        assert_eq!(site.copies(), 130);
        door.stop().await;
    });
}

#[test]
fn the_newest_mail_comes_first_if_that_is_wanted() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut sent = Vec::new();
        for number in 0..150 {
            let to = format!("p{number}@onprem.example");
            sent.push(door.send(&[&to]).await);
            sleep(MINUTE * (number % 7)).await;
        }
        drained(&door).await;
        let replays = desk(&door);
        for order in [Order::Newest, Order::Oldest] {
            sleep(SECOND).await;
            site.platforms.take_seen();
            let selection = Selection {
                order,
                again: true,
                ..all(&door)
            };
            let id = start(&replays, &onprem(), selection).await;
            ended(&replays, &id).await;
            let seen = site.platforms.take_seen();
            let first: Vec<SpoolId> = seen.iter().take(50).map(|seen| seen.id).collect();
            let mut expected = sent.clone();
            if order == Order::Newest {
                expected.reverse();
            }
            // Several connections work at once.
            let near = expected.get(..70).unwrap();
            assert!(first.iter().all(|id| near.contains(id)), "{order:?}");
        }
        door.stop().await;
    });
}

/// Two replays, the backlog of an outage, and one mailbox that gets most of it.
#[test]
fn two_replays_and_live_mail_share_the_rates() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let from = async |sender: &str, count: usize| {
            let proof = tideover::mail::Authenticity::Unproven;
            for number in 0..count {
                let to = if number % 4 == 0 { "bob" } else { "ann" };
                let to = format!("{to}@onprem.example");
                door.send_from(sender, proof, &[&to]).await;
            }
        };
        from("eve@example.net", 60).await;
        from("joe@example.net", 60).await;
        drained(&door).await;
        // What they got fresh is forgotten.
        sleep(2 * HOUR).await;
        door.queue.configure(options(LIMITS));
        site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        from("sue@example.net", 60).await;
        sleep(5 * MINUTE).await;
        site.platforms.take_seen();
        let replays = desk(&door);
        let mut ids = Vec::new();
        for sender in ["eve@example.net", "joe@example.net"] {
            let selection = Selection {
                sender: Some(sender.parse().unwrap()),
                ..all(&door)
            };
            ids.push(start(&replays, &onprem(), selection).await);
        }
        sleep(MINUTE).await;
        let waits = replays.status(&ids[0]).unwrap();
        assert!(waits.waits_for.is_some(), "{waits:?}");
        assert!(site.platforms.take_seen().len() < 5, "only probing mail");
        site.platforms.set_up("onprem", true);
        for id in &ids {
            let done = ended(&replays, id).await;
            assert_eq!(done.replay.counts.delivered, 60, "{done:?}");
        }
        drained(&door).await;
        let seen = site.platforms.take_seen();
        check_mailboxes(&seen, LIMITS, |_| true);
        assert_eq!(site.copies(), 120 + 60 + 120);
        door.stop().await;
    });
}

#[test]
fn mail_that_waits_is_given_to_another_platform_and_comes_home() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        let sent = letters(&door, 12, "onprem.example").await;
        sleep(MINUTE).await;
        let replays = desk(&door);
        let unfinished = Selection {
            which: Which::Unfinished,
            ..all(&door)
        };
        let id = start(&replays, &cloud(), unfinished).await;
        let done = ended(&replays, &id).await;
        assert_eq!(done.replay.counts.delivered, 12, "{done:?}");
        assert_eq!(door.words(&sent), [("delivered", 12)].into());
        assert_eq!(
            door.spool.stats().diverted,
            [("onprem".to_owned(), 12)].into()
        );
        site.platforms.set_up("onprem", true);
        sleep(5 * MINUTE).await;
        drained(&door).await;
        assert_eq!(site.copies(), 12, "nobody gets it from the queue again");

        let home = Selection {
            diverted: true,
            ..all(&door)
        };
        let id = start(&replays, &onprem(), home.clone()).await;
        assert_eq!(ended(&replays, &id).await.replay.counts.delivered, 12);
        let places: Vec<_> = sent.iter().map(|id| site.places(*id, 0)).collect();
        assert!(places.iter().all(|places| *places == ["cloud", "onprem"]));
        assert!(door.spool.stats().diverted.is_empty(), "nothing is away");
        let second = replays.plan(&onprem(), (home, People::new()), "ann").await;
        assert_eq!(second.unwrap().plan.recipients, 0);
        Audit::read(&site.disk.files()).check_each(&site.platforms, &[]);
        door.stop().await;
    });
}

#[test]
fn a_refusal_ends_a_replay_of_one_and_many_in_a_row_pause_it() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        letters(&door, 30, "onprem.example").await;
        drained(&door).await;
        let full = Reply::new(552, (5, 2, 2), "mailbox full");
        let full = Failure::replied(Blame::Recipient, full);
        site.platforms.refuse("onprem", Some(full));
        sleep(SECOND).await;
        let replays = desk(&door);
        let id = start(&replays, &onprem(), all(&door)).await;
        let paused = ended(&replays, &id).await;
        let counts = &paused.replay.counts;
        assert_eq!(paused.replay.state, ReplayState::Paused, "{paused:?}");
        assert!((20..=30).contains(&counts.refused), "{counts:?}");
        assert!(counts.refusals[0].reply.contains("mailbox full"));
        assert!(
            paused
                .replay
                .deeds
                .last()
                .unwrap()
                .reason
                .contains("in a row")
        );
        // It speaks against nobody: no case, and the platform is not rejecting.
        let health = door.router.board().health(&onprem()).unwrap();
        assert!(health.takes_mail(), "{health}");
        assert_eq!(door.spool.stats().held, 0);
        site.platforms.refuse("onprem", None);
        replays.resume(&id, "ann").await.unwrap();
        let done = ended(&replays, &id).await.replay;
        assert_eq!(done.state, ReplayState::Done);
        let counts = &done.counts;
        assert_eq!(counts.delivered + counts.refused, 30, "{counts:?}");
        // Those refused are brought by the next one.
        let next = start(&replays, &onprem(), all(&door)).await;
        let rest = ended(&replays, &next).await.replay.counts;
        assert_eq!(rest.delivered, counts.refused);
        assert_eq!(site.copies(), 60);
        door.stop().await;
    });
}

#[test]
fn a_paused_replay_sends_nothing_keeps_its_mail_and_goes_on() {
    simulate(async {
        let mut site = Site::new();
        site.retain = HOUR;
        let door = site.open();
        letters(&door, 20, "onprem.example").await;
        drained(&door).await;
        sleep(SECOND).await;
        let replays = desk(&door);
        door.router.board().set_override(&onprem(), hold(&door));
        let id = start(&replays, &onprem(), all(&door)).await;
        let paused = replays.pause(&id, ("ann", "not now")).await.unwrap();
        let problem = paused.replay.problem().expect("somebody has to know");
        assert!(problem.contains("by ann (not now)"), "{problem}");
        door.router.board().set_override(&onprem(), resume(&door));
        // Enough of other mail that the old segment is closed, and days over its time.
        for _ in 0..3 {
            sleep(DAY).await;
            letters(&door, 300, "cloud.example").await;
            drained(&door).await;
            door.spool.retire().await.unwrap();
        }
        assert_eq!(site.copies(), 20 + 900, "it is paused");
        replays.resume(&id, "ann").await.unwrap();
        let done = ended(&replays, &id).await;
        assert_eq!(done.replay.counts.delivered, 20, "{done:?}");
        assert_eq!(done.replay.problem(), None);
        // Its mail may go now.
        sleep(DAY).await;
        letters(&door, 300, "cloud.example").await;
        drained(&door).await;
        door.spool.retire().await.unwrap();
        let plan = replays
            .plan(&onprem(), (all(&door), People::new()), "ann")
            .await;
        let skipped = plan.unwrap().plan.skipped;
        let gone = skipped.iter().find(|one| one.reason == Skip::Gone);
        assert!(
            gone.is_some_and(|gone| gone.recipients >= 20),
            "{skipped:?}"
        );

        let other = start(&replays, &cloud(), all(&door)).await;
        let stopped = replays.stop(&other, ("ann", "enough")).await.unwrap();
        assert_eq!(stopped.replay.state, ReplayState::Stopped);
        assert!(replays.resume(&other, "ann").await.is_err());
        door.stop().await;
    });
}

fn hold(door: &Door) -> Override {
    said(door, Wish::Hold)
}

fn resume(door: &Door) -> Override {
    said(door, Wish::Resume)
}

fn said(door: &Door, wish: Wish) -> Override {
    Override {
        wish,
        actor: "ann".to_owned(),
        reason: String::new(),
        since: door.now(),
    }
}
