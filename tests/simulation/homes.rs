//! Homes that change while the program is stopped: the backlog follows, and is not read again when
//! they did not change.

use std::time::Duration;

use tideover::mail::{Blame, Failure, RecipientEvent, RecipientState, SpoolId};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, directory, simulate};

const ANN: &str = "ann@onprem.example";
const MINUTE: Duration = Duration::from_secs(60);

fn lanes(door: &Door, sent: &[SpoolId]) -> Vec<String> {
    let states = sent.iter().flat_map(|id| door.states(*id));
    let lanes = states.map(|state| {
        let RecipientState::Queued { lane, .. } = state else {
            panic!("{state:?}");
        };
        lane
    });
    lanes.collect()
}

#[test]
fn a_start_looks_at_the_backlog_when_homes_have_changed() {
    simulate(async {
        let site = Site::new();
        site.platforms.set_up("onprem", false);
        site.platforms.set_up("cloud", false);
        let door = site.open();
        sleep(MINUTE).await;
        let sent = [door.send(&[ANN]).await, door.send(&[ANN]).await];
        // A sign by which a look is noticed: it stands in a lane that is not its home's, and nobody
        // tries it, because an attempt that is deferred brings it back.
        let due = door.now().after(60 * MINUTE);
        let paced = RecipientEvent::Paced { due, sender: None };
        door.spool.record(sent[0], vec![0], paced).await.unwrap();
        let lane = "cloud".to_owned();
        let astray = RecipientEvent::Rerouted { lane };
        door.spool.record(sent[0], vec![0], astray).await.unwrap();
        door.stop().await;

        let door = site.open();
        sleep(MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["cloud", "onprem"], "nobody looked");
        door.stop().await;

        let (door, committed) = site.open_quietly();
        door.directory.replace(directory(["cloud", "cloud"]));
        door.queue.start(committed);
        sleep(MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["cloud", "cloud"]);
        door.stop().await;

        let door = site.open();
        sleep(MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["onprem", "onprem"]);
        door.stop().await;
    });
}

#[test]
fn a_look_that_was_interrupted_is_made_again() {
    simulate(async {
        let site = Site::new();
        site.platforms.set_up("onprem", false);
        site.platforms.set_up("cloud", false);
        let door = site.open();
        sleep(MINUTE).await;
        let sent = [door.send(&[ANN]).await];
        door.stop().await;

        // The homes change, and before all of the backlog is looked at it ends; then they are as
        // they were.
        let (door, committed) = site.open_quietly();
        door.directory.replace(directory(["cloud", "cloud"]));
        door.queue.start(committed);
        while door.spool.fact("queue", "rerouted").unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        let lane = "cloud".to_owned();
        let moved = RecipientEvent::Rerouted { lane };
        door.shutdown.signal();
        door.spool.record(sent[0], vec![0], moved).await.unwrap();
        door.stop().await;

        let door = site.open();
        sleep(MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["onprem"]);
        door.stop().await;
    });
}

/// I4: who is in the middle of an attempt is not moved; who only waits, loaded or not, is moved
/// before anybody tries him again.
#[test]
fn nobody_is_moved_in_the_middle_of_an_attempt() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_pace(8_000);
        let mut sent = Vec::new();
        for _ in 0..200 {
            sent.push(door.send(&[ANN]).await);
        }
        sleep(MINUTE / 3).await;
        // Just when an attempt has begun.
        site.platforms.take_seen();
        while site.platforms.take_seen().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        let before = site.copies();
        door.directory.replace(directory(["cloud", "cloud"]));
        door.queue.look_anew();
        sleep(30 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 200)].into());
        assert_eq!(site.copies(), 200);
        let is_old = |id: &&SpoolId| site.places(**id, 0) == ["onprem"];
        let (stayed, moved): (Vec<&SpoolId>, Vec<&SpoolId>) = sent.iter().partition(is_old);
        assert!(stayed.len() > before, "nobody was under way");
        assert!(moved.len() > 100, "{before} {}", stayed.len());
        let was_moved = |id: &SpoolId| {
            let history = door.spool.history(*id).unwrap();
            history.iter().any(|one| one.event.name() == "rerouted")
        };
        assert!(!stayed.into_iter().any(was_moved));
        assert!(moved.into_iter().all(was_moved));
        door.stop().await;
    });
}

/// A session that was open when homes changed brings mail with an old lane after the look.
#[test]
fn mail_that_was_on_its_way_in_follows_too() {
    simulate(async {
        let site = Site::new();
        site.platforms.set_up("onprem", false);
        site.platforms.set_up("cloud", false);
        let door = site.open();
        sleep(MINUTE).await;
        let sent = [door.send(&[ANN]).await];
        door.directory.replace(directory(["cloud", "cloud"]));
        door.queue.look_anew();
        sleep(MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["cloud"]);
        let lane = "onprem".to_owned();
        let astray = RecipientEvent::Rerouted { lane };
        door.spool.record(sent[0], vec![0], astray).await.unwrap();
        sleep(120 * MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["cloud"]);
        assert!(door.spool.fact("queue", "rerouted").unwrap().is_some());
        door.stop().await;
    });
}

/// Who gets a new home during an attempt is passed over by the look at the backlog. When the
/// attempt is deferred he waits at the new home, and not an hour behind the old one, which is
/// down.
#[test]
fn who_gets_a_new_home_during_an_attempt_follows_when_it_is_deferred() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_slow(ANN, 5 * MINUTE);
        let sent = [door.send(&[ANN]).await];
        sleep(MINUTE).await;
        assert_eq!(site.platforms.take_seen().len(), 1, "it is under way");
        door.directory.replace(directory(["cloud", "cloud"]));
        door.queue.look_anew();
        let busy = Reply::parse(&["450 4.2.1 Mailbox busy"]).unwrap();
        let busy = Failure::replied(Blame::Recipient, busy);
        site.platforms.refuse("onprem", Some(busy));
        site.platforms.set_up("onprem", false);
        sleep(MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["onprem"]);
        sleep(20 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 1)].into());
        assert_eq!(site.places(sent[0], 0), ["cloud"]);
        door.stop().await;
    });
}

/// Who was put off by his old home is due at the new one, and not when the old one had said.
#[test]
fn who_was_put_off_by_the_old_home_is_due_at_the_new_one() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let busy = Reply::parse(&["451 4.3.0 Temporary trouble"]).unwrap();
        let busy = Failure::replied(Blame::Recipient, busy);
        site.platforms.refuse("onprem", Some(busy));
        let sent = [door.send(&[ANN]).await];
        sleep(90 * MINUTE).await;
        assert_eq!(lanes(&door, &sent), ["onprem"]);
        door.directory.replace(directory(["cloud", "cloud"]));
        door.queue.look_anew();
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 1)].into());
        assert_eq!(site.places(sent[0], 0), ["cloud"]);
        let told = format!("{:?}", door.spool.history(sent[0]).unwrap());
        assert!(told.contains("it goes another way now"), "{told}");
        door.stop().await;
    });
}
