//! A platform that failed mail and is mended: what waited for it comes now, and not an hour later.

use std::time::Duration;

use tideover::mail::{BackendId, Blame, Failure, SpoolId};
use tideover::queue::{MailboxRates, TargetLimits};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};
use crate::platforms::Seen;
use crate::recovery::options;
use crate::world::CONNECTIONS;

const ANN: &str = "ann@onprem.example";
const MINUTE: Duration = Duration::from_secs(60);

fn open(site: &Site, limits: TargetLimits) -> Door {
    let (door, committed) = site.open_quietly();
    door.queue.configure(options(limits));
    door.queue.start(committed);
    door
}

/// What it says to all mail from now on.
fn says(site: &Site, blame: Blame, reply: &str) {
    let reply = Reply::parse(&[reply]).unwrap();
    let failure = Failure::replied(blame, reply);
    site.platforms.refuse("onprem", Some(failure));
}

/// Attempts that brought nothing use up nothing of what the mailbox may get.
#[test]
fn a_mailbox_has_all_its_room_when_its_platform_is_mended() {
    simulate(async {
        let site = Site::new();
        let mut limits = TargetLimits::connections(CONNECTIONS);
        // One sender may have 20 of them.
        limits.mailbox = MailboxRates {
            per_minute: 0,
            per_hour: 60,
        };
        let door = open(&site, limits);
        says(&site, Blame::Backend, "451 4.7.500 Server busy");
        let mut sent = Vec::new();
        for _ in 0..3 {
            sent.push(door.send(&[ANN]).await);
        }
        sleep(20 * MINUTE).await;
        let tried = site.platforms.take_seen().len();
        assert!(tried > 20, "{tried}");
        site.platforms.refuse("onprem", None);
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 3)].into());
        door.stop().await;
    });
}

/// So many people are put off for an hour and a half, until the next try is far away.
async fn put_off(site: &Site, door: &Door) -> Vec<SpoolId> {
    says(site, Blame::Recipient, "450 4.2.1 not now");
    let mut sent = Vec::new();
    for number in 0..30 {
        let address = format!("u{number}@onprem.example");
        sent.push(door.send(&[&address]).await);
    }
    sleep(90 * MINUTE).await;
    let health = door.router.board().health(&BackendId::new("onprem"));
    assert!(health.is_some_and(|health| health.failing));
    assert_eq!(door.words(&sent), [("queued", 30)].into());
    site.platforms.take_seen();
    sent
}

/// One that fails all mail is mended: it takes one message, fails none for a minute, and all the
/// others follow.
#[test]
fn what_was_put_off_follows_a_minute_in_which_it_fails_none() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, TargetLimits::connections(CONNECTIONS));
        let mut sent = put_off(&site, &door).await;
        site.platforms.refuse("onprem", None);
        sent.push(door.send(&[ANN]).await);
        sleep(3 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 31)].into());
        // It opens step by step.
        let seen = site.platforms.take_seen();
        let first = seen.first().unwrap().at;
        let soon = |seen: &&Seen| seen.at - first < Duration::from_secs(1);
        let at_first = seen.iter().filter(soon).map(|seen| seen.connections);
        assert!(at_first.max() < Some(CONNECTIONS));
        let told = format!("{:?}", door.spool.history(sent[0]).unwrap());
        assert!(told.contains("onprem takes mail again"), "{told}");
        door.stop().await;
    });
}

/// One that put mail off, and then went down, is there again: no new mail is needed.
#[test]
fn what_was_put_off_before_an_outage_comes_behind_it() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, TargetLimits::connections(CONNECTIONS));
        let sent = put_off(&site, &door).await;
        site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        site.platforms.refuse("onprem", None);
        site.platforms.set_up("onprem", true);
        sleep(2 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 30)].into());
        door.stop().await;
    });
}

/// What waits when the program is stopped comes behind the start: what was before, nobody knows.
#[test]
fn what_was_put_off_before_a_start_comes_behind_it() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, TargetLimits::connections(CONNECTIONS));
        says(&site, Blame::Recipient, "450 4.2.1 not now");
        let sent = [door.send(&[ANN]).await];
        sleep(90 * MINUTE).await;
        // One person is no illness.
        let health = door.router.board().health(&BackendId::new("onprem"));
        assert!(health.is_some_and(|health| !health.failing));
        door.stop().await;
        site.platforms.refuse("onprem", None);
        site.platforms.take_seen();
        let door = open(&site, TargetLimits::connections(CONNECTIONS));
        sleep(2 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 1)].into());
        let told = format!("{:?}", door.spool.history(sent[0]).unwrap());
        assert!(told.contains("Tideover was started"), "{told}");
        door.stop().await;
    });
}

/// One that takes a message now and then is not given everything anew each time.
#[test]
fn one_that_wavers_is_not_hammered() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, TargetLimits::connections(CONNECTIONS));
        let sent = put_off(&site, &door).await;
        for _ in 0..8 {
            // The window is too small for more than some of them.
            site.platforms.refuse("onprem", None);
            door.send(&[ANN]).await;
            sleep(Duration::from_millis(900)).await;
            says(&site, Blame::Recipient, "450 4.2.1 not now");
            sleep(Duration::from_secs(29)).await;
        }
        // Four minutes of it: they were tried anew once, and the new ones by their own time.
        let seen = site.platforms.take_seen();
        let of_old = seen.iter().filter(|seen| sent.contains(&seen.id));
        assert!(of_old.count() <= 2 * sent.len());
        door.stop().await;
    });
}
