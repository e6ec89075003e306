//! What mail itself tells of a platform, and what follows from it at once.

use std::time::Duration;

use tideover::backend::{Evidence, Health, Override, Wish};
use tideover::mail::{BackendId, Blame, Failure, Said, SpoolId};
use tideover::queue::TargetLimits;
use tideover::route::{HoldWish, Selection};
use tideover::smtp::Reply;
use tokio::time::{Instant, sleep};

use crate::door::{Door, Site, directory, simulate};
use crate::recovery::options;
use crate::world::CONNECTIONS;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ANN: &str = "ann@onprem.example";
const LESS: &str = "421 4.3.2 Too many messages, come back later";

fn onprem() -> BackendId {
    BackendId::new("onprem")
}

fn asks_for_less() -> Failure {
    Failure::replied(Blame::Backend, Reply::parse(&[LESS]).unwrap())
}

fn health(door: &Door) -> (Health, String) {
    let health = door.router.board().health(&onprem()).unwrap();
    (health.health, health.reason)
}

fn evidence(door: &Door) -> Evidence {
    door.router.board().evidence(&onprem()).unwrap()
}

/// Probes that are hours apart say nothing: that mail is taken, that it is asked to come slower and
/// that its connections break is enough.
#[test]
fn mail_alone_tells_how_a_platform_is() {
    simulate(async {
        let mut site = Site::new();
        site.probing = DAY;
        let door = site.open();
        sleep(MINUTE).await;
        let probed = evidence(&door).last_probe;
        let taken = door.send(&[ANN]).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&[taken]), [("delivered", 1)].into());
        assert!(evidence(&door).last_good >= Some(taken.timestamp()));

        site.platforms.refuse("onprem", Some(asks_for_less()));
        door.send(&[ANN]).await;
        sleep(5 * SECOND).await;
        let (slow, why) = health(&door);
        assert!(slow == Health::Slow && why.contains("4.3.2"), "{why}");

        let broken = Failure::without_reply(Blame::Backend, "it hung up");
        site.platforms.refuse("onprem", Some(broken));
        for _ in 0..3 {
            door.send(&[ANN]).await;
        }
        sleep(MINUTE).await;
        assert_eq!(health(&door), (Health::Down, "it hung up".to_owned()));
        assert_eq!(evidence(&door).last_probe, probed, "only mail knew it");
        door.stop().await;
    });
}

/// Who asks for less gets half the connections, who fails gets one; whether it is said to a message
/// or to a connection.
#[test]
fn half_for_who_asks_for_less_and_one_for_who_fails() {
    let broken = || Failure::without_reply(Blame::Backend, "it hung up");
    for (failure, left) in [(asks_for_less(), CONNECTIONS / 2), (broken(), 1)] {
        for at_connect in [false, true] {
            let failure = failure.clone();
            simulate(async {
                let site = Site::new();
                let door = site.open();
                for _ in 0..40 {
                    door.send(&[ANN]).await;
                }
                // Also the last connection has been idle for long enough to be closed.
                sleep(MINUTE).await;
                let window = || door.queue.progress(&onprem()).window;
                assert_eq!(window(), Some(CONNECTIONS));
                if at_connect {
                    site.platforms.turn_away("onprem", failure);
                } else {
                    site.platforms.refuse("onprem", Some(failure));
                }
                door.send(&[ANN]).await;
                while window() == Some(CONNECTIONS) {
                    sleep(MILLISECOND).await;
                }
                assert_eq!(window(), Some(left), "at connect: {at_connect}");
                door.stop().await;
            });
        }
    }
}

/// A session in which it asked for less ends at once, and not when there is more mail.
#[test]
fn who_asks_for_less_is_left() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("onprem", Some(asks_for_less()));
        door.send(&[ANN]).await;
        while site.platforms.take_seen().is_empty() {
            sleep(MILLISECOND).await;
        }
        assert_eq!(site.platforms.connections("onprem"), 1);
        // The next attempt is five seconds away.
        sleep(2 * SECOND).await;
        assert_eq!(site.platforms.connections("onprem"), 0);
        door.stop().await;
    });
}

/// A window that closes closes connections: all but one, as soon as their messages are over.
#[test]
fn connections_beyond_a_closed_window_are_closed() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        for _ in 0..300 {
            door.send(&[ANN]).await;
        }
        let progress = || door.queue.progress(&onprem());
        while progress().connections < CONNECTIONS {
            sleep(MILLISECOND).await;
        }
        site.platforms.cut_after_the_dot(1);
        while progress().window != Some(1) {
            sleep(MILLISECOND).await;
        }
        let closed = Instant::now();
        // No message takes longer, with the pause behind it.
        sleep(SECOND).await;
        let seen = site.platforms.take_seen();
        let later = seen.iter().filter(|seen| seen.at >= closed + SECOND / 2);
        let most = later.map(|seen| seen.connections).max();
        assert_eq!(most, Some(1));
        assert_eq!((progress().window, progress().connections), (Some(1), 1));
        door.stop().await;
    });
}

/// A platform with a rate so low that each of its workers has a message in its hands, and waits for
/// its place in the rate; at this moment none is under way.
async fn in_hands(per_minute: u32) -> (Site, Door, Vec<SpoolId>) {
    let site = Site::new();
    let door = site.open();
    let mut limits = TargetLimits::connections(CONNECTIONS);
    limits.slow_open = false;
    limits.messages_per_minute = per_minute;
    door.queue.configure(options(limits));
    let mut sent = Vec::new();
    for number in 0..40 {
        sent.push(door.send(&[&format!("user{number}@onprem.example")]).await);
    }
    while door.queue.progress(&onprem()).connections < CONNECTIONS {
        sleep(SECOND).await;
    }
    // Just behind a message, and long before the next one has its place.
    site.platforms.take_seen();
    while site.platforms.take_seen().is_empty() {
        sleep(MILLISECOND).await;
    }
    sleep(SECOND).await;
    (site, door, sent)
}

fn waiting(door: &Door, sent: &[SpoolId]) -> usize {
    let words = door.words(sent);
    assert_eq!(words.values().sum::<usize>(), sent.len());
    sent.len() - words["delivered"]
}

#[test]
fn what_is_in_the_hands_of_workers_waits_when_its_platform_is_held() {
    simulate(async {
        let (site, door, sent) = in_hands(6).await;
        let left = waiting(&door, &sent);
        let say = |wish| Override {
            wish,
            actor: "root".to_owned(),
            reason: "disks".to_owned(),
            since: door.now(),
        };
        let board = door.router.board();
        board.set_override(&onprem(), say(Wish::Hold));
        site.platforms.take_seen();
        sleep(10 * MINUTE).await;
        assert_eq!(site.platforms.take_seen().len(), 0, "attempts while held");
        assert_eq!(waiting(&door, &sent), left);
        board.set_override(&onprem(), say(Wish::Resume));
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 40)].into());
        assert_eq!(site.copies(), 40);
        door.stop().await;
    });
}

#[test]
fn what_is_in_the_hands_of_workers_waits_when_a_rule_holds_it() {
    simulate(async {
        let (site, door, sent) = in_hands(6).await;
        let left = waiting(&door, &sent);
        let wish = HoldWish {
            selection: Selection {
                domain: Some("onprem.example".to_owned()),
                ..Selection::default()
            },
            actor: "root".to_owned(),
            reason: "patches".to_owned(),
            until: Some(door.now().after(10 * MINUTE)),
        };
        let holds = door.router.holds();
        holds.hold(&door.spool, wish, door.now()).await.unwrap();
        site.platforms.take_seen();
        sleep(9 * MINUTE).await;
        assert_eq!(site.platforms.take_seen().len(), 0, "attempts while held");
        assert_eq!(door.words(&sent).get("held"), Some(&left));
        sleep(20 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 40)].into());
        assert_eq!(site.copies(), 40);
        door.stop().await;
    });
}

#[test]
fn what_is_in_the_hands_of_workers_follows_who_moves() {
    simulate(async {
        let (site, door, sent) = in_hands(6).await;
        let left = waiting(&door, &sent);
        door.directory.replace(directory(["cloud", "cloud"]));
        door.queue.look_anew();
        site.platforms.take_seen();
        sleep(20 * MINUTE).await;
        let seen = site.platforms.take_seen();
        let astray = seen.iter().filter(|seen| seen.backend == onprem());
        assert_eq!(astray.count(), 0, "attempts at the old home");
        assert_eq!(seen.len(), left);
        assert_eq!(door.words(&sent), [("delivered", 40)].into());
        door.stop().await;
    });
}

/// Only trials go to a platform that rejects everybody; also when it begins to while a worker has
/// its connection open already and waits for the last second of its place.
#[test]
fn what_is_in_the_hands_of_workers_waits_when_its_platform_rejects() {
    simulate(async {
        let (site, door, _) = in_hands(60).await;
        let denied = Reply::parse(&["550 5.4.1 Recipient address rejected: Access denied"]);
        let denied = Failure::refused(Said::Rcpt, denied.unwrap());
        site.platforms.refuse("onprem", Some(denied));
        while health(&door).0 != Health::Rejecting {
            sleep(MILLISECOND).await;
        }
        assert!(door.queue.progress(&onprem()).connections > 1);
        site.platforms.take_seen();
        // The first trial comes after an interval between two probes.
        sleep(9 * SECOND).await;
        let seen = site.platforms.take_seen();
        assert_eq!(seen.len(), 0, "they are no trials");
        sleep(MINUTE).await;
        let trials = site.platforms.take_seen().len();
        assert!((3..=7).contains(&trials), "{trials} trials in a minute");
        door.stop().await;
    });
}
