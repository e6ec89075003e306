//! Mail that is damaged on the disk: nobody gets it, everybody sees it, and the platform is not
//! blamed for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tideover::mail::{BackendId, RecipientState, SpoolId};
use tideover::queue::replay::{People, Selection, Skip};
use tideover::queue::{Deed, Order, Pick};
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};
use crate::replays::{all, desk, drained, ended, onprem, start};

const ANN: &str = "ann@onprem.example";
const MINUTE: Duration = Duration::from_secs(60);

/// A message to Ann with these words in it.
async fn send(door: &Door, words: &str) -> SpoolId {
    let like = door.send(&[ANN]).await;
    let envelope = door.spool.message(like).unwrap().unwrap().envelope;
    let everyone: Pick = Arc::new(move |one| one.id == like);
    perform(door, Deed::Drop, &everyone).await;
    door.accept((*envelope).clone(), words.as_bytes()).await
}

/// One with these words a thousand times: it has a file of its own.
async fn send_large(door: &Door, words: &str) -> SpoolId {
    send(door, &format!("{words}\r\n").repeat(1000)).await
}

/// Nobody takes its mail: what comes waits.
async fn closed(site: &Site) -> Door {
    let door = site.open();
    site.platforms.set_up("onprem", false);
    sleep(5 * MINUTE).await;
    door
}

async fn perform(door: &Door, deed: Deed, pick: &Pick) -> u64 {
    let order = Order {
        deed,
        actor: "root".to_owned(),
        reason: "damaged".to_owned(),
    };
    door.queue.perform(&order, pick).await.unwrap().recipients
}

/// Flips a bit of the first of these words in a file.
fn damage(site: &Site, file: &str, words: &str) {
    site.disk.edit(Path::new(file), |bytes| {
        let mut places = bytes.windows(words.len());
        let at = places.position(|found| found == words.as_bytes()).unwrap();
        bytes[at] ^= 1;
    });
}

fn is_held_as_damaged(door: &Door, id: SpoolId) -> bool {
    door.states(id).iter().all(RecipientState::is_damaged)
}

fn takes_mail(door: &Door) -> bool {
    let health = door.router.board().health(&BackendId::new("onprem"));
    health.unwrap().takes_mail()
}

fn in_quarantine(site: &Site) -> usize {
    site.disk.names_in("/spool/quarantine")
}

#[test]
fn damaged_mail_is_held_and_its_platform_not_blamed() {
    simulate(async {
        let site = Site::new();
        let door = closed(&site).await;
        let small = send(&door, "Subject: a\r\n\r\nsmall and torn\r\n").await;
        let large = send_large(&door, "large and torn").await;
        let lost = send_large(&door, "large and lost").await;
        let good = send_large(&door, "large and good").await;
        sleep(MINUTE).await;
        damage(&site, "/spool/log/0000000001.seg", "small and torn");
        damage(&site, &format!("/spool/big/{large}.eml"), "large and torn");
        let gone = format!("/spool/big/{lost}.eml");
        tideover::spool::FileSystem::remove(&site.disk, Path::new(&gone)).unwrap();
        site.platforms.set_up("onprem", true);
        sleep(5 * MINUTE).await;
        for id in [small, large, lost] {
            assert!(is_held_as_damaged(&door, id), "{:?}", door.states(id));
            assert_eq!(site.places(id, 0), Vec::<String>::new());
        }
        assert_eq!(door.words(&[good]), [("delivered", 1)].into());
        assert!(takes_mail(&door));
        // Also the one of which nothing is left.
        assert_eq!((in_quarantine(&site), door.spool.stats().damaged), (3, 3));
        // What is left can be taken out.
        let left = door.spool.salvage(small).unwrap().unwrap();
        let left = left.read_at(0, 100).unwrap();
        assert!(left.ends_with(b"mall and torn\r\n"), "{left:?}");
        assert!(door.spool.damage(large).unwrap().is_some());
        assert!(door.spool.salvage(lost).unwrap().is_none());
        assert_eq!(door.spool.damage(good).unwrap(), None);
        // A release makes nothing whole.
        let everyone: Pick = Arc::new(|_| true);
        assert_eq!(perform(&door, Deed::Release, &everyone).await, 3);
        sleep(5 * MINUTE).await;
        for id in [small, large, lost] {
            assert!(is_held_as_damaged(&door, id), "{:?}", door.states(id));
        }
        assert_eq!(perform(&door, Deed::Drop, &everyone).await, 3);
        assert_eq!(door.words(&[small, large, lost]), [("dropped", 3)].into());
        assert_eq!((in_quarantine(&site), door.spool.stats().damaged), (3, 0));
        door.stop().await;
    });
}

/// It may be long until it is its turn: what a look has found is held by then, and nothing else.
#[test]
fn what_is_known_as_damaged_is_held_before_its_turn() {
    simulate(async {
        let site = Site::new();
        let door = closed(&site).await;
        let torn = send_large(&door, "large and torn").await;
        let late = send_large(&door, "large and late").await;
        let good = send_large(&door, "large and good").await;
        sleep(MINUTE).await;
        damage(&site, &format!("/spool/big/{torn}.eml"), "large and torn");
        // Only the reading of this one was wrong.
        for id in [torn, good] {
            door.spool.set_aside(id).await.unwrap();
        }
        assert!(!is_held_as_damaged(&door, torn));
        door.queue.hold_found().await;
        assert!(is_held_as_damaged(&door, torn), "{:?}", door.states(torn));
        assert_eq!(door.words(&[late, good]), [("queued", 2)].into());
        // And by the next start.
        damage(&site, &format!("/spool/big/{late}.eml"), "large and late");
        door.spool.set_aside(late).await.unwrap();
        door.stop().await;
        let door = site.open();
        sleep(MINUTE).await;
        assert!(is_held_as_damaged(&door, late), "{:?}", door.states(late));
        site.platforms.set_up("onprem", true);
        sleep(5 * MINUTE).await;
        assert_eq!(
            door.words(&[torn, late, good]),
            [("delivered", 1), ("held", 2)].into()
        );
        door.stop().await;
    });
}

/// Damage of a body that a replay finds: the next ones leave it out.
#[test]
fn what_a_replay_found_damaged_is_left_out_by_the_next() {
    simulate(async {
        let site = Site::new();
        let door = closed(&site).await;
        let torn = send_large(&door, "large and torn").await;
        let good = send_large(&door, "large and good").await;
        site.platforms.set_up("onprem", true);
        drained(&door).await;
        sleep(MINUTE).await;
        damage(&site, &format!("/spool/big/{torn}.eml"), "large and torn");
        let replays = desk(&door);
        let meant = || (all(&door), People::new());
        let id = start(&replays, &onprem(), all(&door)).await;
        let first = ended(&replays, &id).await.replay.counts;
        assert_eq!((first.delivered, first.refused), (1, 1), "{first:?}");
        let again = Selection {
            again: true,
            ..all(&door)
        };
        let plan = replays.plan(&onprem(), meant(), "ann").await.unwrap().plan;
        let damaged = plan.skipped.iter().find(|one| one.reason == Skip::Damaged);
        assert_eq!(plan.recipients, 0, "{plan:?}");
        assert_eq!(damaged.map(|one| one.recipients), Some(1), "{plan:?}");
        let id = start(&replays, &onprem(), again).await;
        let second = ended(&replays, &id).await.replay.counts;
        assert_eq!((second.delivered, second.refused), (1, 0), "{second:?}");
        assert_eq!(
            (site.places(torn, 0).len(), site.places(good, 0).len()),
            (1, 3)
        );
        door.stop().await;
    });
}

/// Damage that takes the envelope, too: not even the recipients are known any more.
#[test]
fn a_message_without_its_envelope_is_held_and_hides_no_other() {
    simulate(async {
        let site = Site::new();
        let door = closed(&site).await;
        let torn = send(&door, "Subject: a\r\n\r\ntorn\r\n").await;
        let good = send(&door, "Subject: a\r\n\r\ngood\r\n").await;
        sleep(MINUTE).await;
        damage(&site, "/spool/log/0000000001.seg", &torn.to_string());
        assert!(door.spool.message(torn).is_err());
        assert!(door.spool.message_if_whole(torn).unwrap().is_none());
        site.platforms.set_up("onprem", true);
        sleep(5 * MINUTE).await;
        let state = || door.spool.state(torn, 0).unwrap().unwrap();
        assert!(state().is_damaged(), "{:?}", state());
        assert_eq!(door.words(&[good]), [("delivered", 1)].into());
        assert!(takes_mail(&door));
        assert_eq!((in_quarantine(&site), door.spool.stats().damaged), (1, 1));
        let left = door.spool.salvage(torn).unwrap().unwrap();
        let left = left.read_at(0, 10_000).unwrap();
        let body = b"\r\n\r\ntorn\r\n";
        assert!(left.windows(body.len()).any(|part| part == body));
        // A release makes nothing whole.
        let everyone: Pick = Arc::new(|_| true);
        perform(&door, Deed::Release, &everyone).await;
        sleep(5 * MINUTE).await;
        assert!(state().is_damaged(), "{:?}", state());
        assert_eq!(site.copies(), 1);
        door.stop().await;
    });
}

/// Damage that a start finds: the message is in sight at once, and held.
#[test]
fn mail_that_was_damaged_meanwhile_is_held_at_the_start() {
    simulate(async {
        let site = Site::new();
        let door = closed(&site).await;
        let torn = send(&door, "Subject: a\r\n\r\nsmall and torn\r\n").await;
        let good = send(&door, "Subject: a\r\n\r\nsmall and good\r\n").await;
        door.stop().await;
        damage(&site, "/spool/log/0000000001.seg", "small and torn");
        for _ in 0..2 {
            let (door, committed) = site.open_quietly();
            assert!(is_held_as_damaged(&door, torn), "{:?}", door.states(torn));
            let message = door.spool.message(torn).unwrap().unwrap();
            assert_eq!(message.envelope.recipients[0].address.to_string(), ANN);
            assert_eq!((in_quarantine(&site), door.spool.stats().damaged), (1, 1));
            assert_eq!(door.spool.history(torn).unwrap().len(), 1, "held once");
            drop(committed);
            door.stop().await;
        }
        site.platforms.set_up("onprem", true);
        let door = site.open();
        sleep(5 * MINUTE).await;
        assert_eq!(
            door.words(&[good, torn]),
            [("delivered", 1), ("held", 1)].into()
        );
        assert_eq!(site.places(torn, 0), Vec::<String>::new());
        door.stop().await;
    });
}
