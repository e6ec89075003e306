//! Days that an administrator tells of, one by one.

use std::collections::BTreeSet;
use std::time::Duration;

use tideover::limits;
use tideover::mail::{
    Authenticity, Blame, Failure, HoldReason, RecipientEvent, RecipientState, SpoolId,
};
use tideover::route::Origin;
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::disk::Trouble;
use crate::door::{Site, directory, options_of_the_queue, simulate};
use crate::letters::{admitted, envelope};

const ANN: &str = "ann@onprem.example";
const BOB: &str = "bob@cloud.example";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn refusal(line: &str, blame: Blame) -> Failure {
    Failure::replied(blame, Reply::parse(&[line]).unwrap())
}

/// What does not fit into the channel between spool and queue, nor into the window, is fetched
/// from the index at once, not at the loader's next round.
#[test]
fn a_burst_beyond_the_window_keeps_flowing() {
    simulate(async {
        let site = Site::new();
        site.platforms.set_pace(1);
        let (door, mut committed) = site.open_quietly();
        let (fresh, taken) = tokio::sync::mpsc::channel(limits::COMMITTED_QUEUE);
        door.queue.start(taken);
        let count = limits::READY_WINDOW + 2 * limits::COMMITTED_QUEUE;
        for _ in 0..count {
            door.send(&[ANN]).await;
        }
        assert_eq!(
            committed.len(),
            limits::COMMITTED_QUEUE,
            "nothing overflowed"
        );
        sleep(Duration::from_millis(100)).await;
        // The loader has just looked; its next round is far away.
        let stock: Vec<_> = std::iter::from_fn(|| committed.try_recv().ok()).collect();
        for message in stock {
            fresh.try_send(message).unwrap();
        }
        sleep(Duration::from_secs(20)).await;
        assert_eq!(site.copies(), count);
        assert_eq!(door.queue.loaded(), 0);
        drop(fresh);
        door.stop().await;
    });
}

#[test]
fn one_platform_down_for_a_day_is_no_matter_for_the_other() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        let mut sent = Vec::new();
        for _ in 0..288 {
            let id = door.send(&[ANN, BOB]).await;
            sent.push(id);
            sleep(5 * MINUTE).await;
            assert_eq!(site.places(id, 1), ["cloud"]);
            assert!(site.places(id, 0).is_empty());
        }
        assert_eq!(
            door.words(&sent),
            [("delivered", 288), ("queued", 288)].into()
        );
        site.platforms.set_up("onprem", true);
        sleep(3 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 576)].into());
        assert_eq!(site.copies(), 576);
        door.stop().await;
    });
}

/// Mail of people who move while it waits follows them: also what is loaded already.
#[test]
fn mail_follows_those_who_move() {
    for down in [true, false] {
        simulate(async {
            let site = Site::new();
            let door = site.open();
            site.platforms.set_up("onprem", !down);
            // Busy enough that most of it is still in the window.
            site.platforms.set_pace(20_000);
            if down {
                door.send(&[ANN]).await;
                sleep(5 * MINUTE).await;
            }
            let mut sent = Vec::new();
            for _ in 0..300 {
                sent.push(door.send(&[ANN]).await);
            }
            door.directory.replace(directory(["cloud", "cloud"]));
            door.queue.configure(options_of_the_queue());
            site.platforms.set_pace(50);
            sleep(2 * MINUTE).await;
            site.platforms.set_up("onprem", false);
            sleep(5 * MINUTE).await;
            assert_eq!(door.words(&sent), [("delivered", 300)].into());
            let moved = sent.iter().filter(|id| site.places(**id, 0) == ["cloud"]);
            assert!(moved.count() > 250);
            door.stop().await;
        });
    }
}

/// Decision 6: refused recipients are held, refused contents are final, and neither is told to a
/// sender who did not prove to be one.
#[test]
fn refusals_hold_people_and_end_contents() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        // It accepts other mail.
        let accepted = door.send(&[BOB]).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&[accepted]), [("delivered", 1)].into());
        site.platforms.refuse(
            "onprem",
            Some(refusal("550 5.4.1 Access denied", Blame::Recipient)),
        );
        site.platforms
            .refuse("cloud", Some(refusal("554 5.6.0 bad MIME", Blame::Message)));
        let stranger = door.send(&[ANN, BOB]).await;
        let local = door.send_from(ANN, Authenticity::Local, &[BOB]).await;
        sleep(MINUTE).await;
        let held = &door.states(stranger)[0];
        let refused = matches!(
            held,
            RecipientState::Held {
                reason: HoldReason::Refused { .. },
                ..
            }
        );
        assert!(refused, "I10: {held:?}");
        assert_eq!(door.words(&[local]), [("bounced", 1)].into());
        assert_eq!(door.states(stranger)[1].name(), "bounced");
        // The one report is for Ann; it is held in its turn, and nothing is reported about it.
        assert_eq!(door.spool.stats().accepted, 4);
        sleep(DAY).await;
        assert_eq!(door.spool.stats().accepted, 4);
        assert_eq!(site.copies(), 1);
        door.stop().await;
    });
}

/// RFC 5321 §4.5.4.1: five days, then the sender is told, unless he is nobody (I5).
#[test]
fn strangers_are_given_up_after_five_days() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut sent = Vec::new();
        for from in [ANN, ""] {
            sent.push(
                door.send_from(from, Authenticity::Local, &["x@far.example"])
                    .await,
            );
        }
        sleep(Duration::from_secs(118 * 3600)).await;
        assert_eq!(door.words(&sent), [("queued", 2)].into());
        assert_eq!(site.copies(), 1, "told after four hours");
        sleep(4 * Duration::from_secs(3600)).await;
        assert_eq!(door.words(&sent), [("bounced", 2)].into());
        assert_eq!(site.copies(), 2, "I5: one more report");
        let report = site.platforms.arrived().into_keys().next_back().unwrap().0;
        let report = door.spool.message(report).unwrap().unwrap();
        assert!(report.envelope.from.mailbox().is_none());
        assert_eq!(report.envelope.recipients[0].address.to_string(), ANN);
        door.stop().await;
    });
}

/// Mail for more strangers than may be in memory at one time gets out all the same.
#[test]
fn many_strangers_take_turns() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let count = limits::STRANGERS * 3;
        for number in 0..count {
            let name = format!("far{number}.example");
            site.platforms.set_up(&name, true);
            door.send(&[&format!("x@{name}")]).await;
            assert!(door.queue.loaded() <= limits::STRANGERS);
        }
        sleep(2 * MINUTE).await;
        assert_eq!(site.copies(), count);
        door.stop().await;
    });
}

#[test]
fn an_ordered_stop_under_load_leaves_no_doubt() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut sent: Vec<SpoolId> = Vec::new();
        for _ in 0..500 {
            sent.push(door.send(&[ANN, BOB]).await);
        }
        door.stop().await;
        let before = site.copies();
        assert!(before < 1000, "{before}");
        let door = site.open();
        sleep(5 * MINUTE).await;
        assert_eq!(site.copies(), 1000);
        assert_eq!(door.words(&sent), [("delivered", 1000)].into());
        assert_eq!(door.spool.stats().uncertain, 0);
        door.stop().await;
    });
}

/// A delivery whose outcome cannot be written down is not repeated until it can.
#[test]
fn a_full_disk_repeats_nothing() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut sent = Vec::new();
        for _ in 0..40 {
            sent.push(door.send(&[ANN]).await);
        }
        let full = Trouble::Until(std::io::ErrorKind::StorageFull);
        site.disk.arrange(site.disk.steps() + 1, full);
        sleep(10 * MINUTE).await;
        site.disk.heal();
        sleep(2 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 40)].into());
        assert_eq!(site.copies(), 40);
        door.stop().await;
    });
}

/// No attempt without its mark: while the disk takes nothing, no message ends anywhere. It is shown
/// why it waited.
#[test]
fn what_cannot_be_written_down_is_not_sent() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        let id = door.send(&[ANN]).await;
        sleep(5 * MINUTE).await;
        let full = Trouble::Until(std::io::ErrorKind::StorageFull);
        site.disk.arrange(site.disk.steps() + 1, full);
        site.platforms.take_seen();
        site.platforms.set_up("onprem", true);
        sleep(10 * MINUTE).await;
        assert!(!site.platforms.take_seen().is_empty(), "it was not tried");
        assert_eq!(site.copies(), 0, "it arrived without a mark");
        site.disk.heal();
        sleep(2 * MINUTE).await;
        assert_eq!(door.words(&[id]), [("delivered", 1)].into());
        assert_eq!(site.copies(), 1);
        let told = door.spool.history(id).unwrap().into_iter();
        let why = told.map(|entry| format!("{:?}", entry.event));
        assert!(
            why.into_iter()
                .any(|why| why.contains("could not be written down")),
            "the reason is not shown"
        );
        door.stop().await;
    });
}

/// The power goes after a platform has the message and before it says so: whatever the disk kept
/// of what was not synced, the second copy is told of (decision 8).
#[test]
fn a_copy_after_a_power_cut_is_told_of() {
    for seed in 1..=12 {
        simulate(async {
            let site = Site::seeded(seed);
            site.platforms.set_pace(5_000);
            let door = site.open();
            let id = door.send(&[ANN]).await;
            while site.copies() == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(door.words(&[id]), [("queued", 1)].into(), "too late");
            site.disk.power_cut(&mut site.chance.clone());
            door.shutdown.signal();
            site.platforms.forget_attempts();
            let door = site.open();
            sleep(30 * MINUTE).await;
            assert_eq!(site.copies(), 2, "seed {seed}");
            assert!(door.states(id)[0].is_uncertain(), "seed {seed}");
            door.stop().await;
        });
    }
}

/// The power goes in the middle of an attempt, and somebody else fills the disk.
#[test]
fn a_full_disk_keeps_nobody_from_starting() {
    simulate(async {
        let site = Site::new();
        site.platforms.set_pace(5_000);
        let door = site.open();
        let id = door.send(&[ANN]).await;
        while site.copies() == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        door.shutdown.signal();
        site.disk.power_cut(&mut site.chance.clone());
        site.platforms.forget_attempts();
        site.disk.fill_behind_recovery();
        let door = site.open();
        sleep(30 * MINUTE).await;
        assert_eq!(door.words(&[id]), [("delivered", 1)].into());
        assert!(door.states(id)[0].is_uncertain());
        door.stop().await;
    });
}

/// Mail that finds no room does not take what is said of stored mail with it.
#[test]
fn what_becomes_of_stored_mail_is_written_beside_mail_that_is_refused() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        let id = door.send(&[ANN]).await;
        sleep(MINUTE).await;
        site.disk.fill_behind_recovery();
        let recipients = vec![admitted(&door.router, ANN, Origin::Trusted)];
        let letter = envelope(("eve@example.net", Authenticity::Unproven), recipients);
        let mut draft = door.spool.draft();
        draft.append(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
        let gone = RecipientEvent::Dropped {
            actor: "ann".to_owned(),
            reason: "a test".to_owned(),
        };
        // In one batch: the writer runs when both wait for it.
        let (refused, dropped) = tokio::join!(
            door.spool.accept(draft, letter),
            door.spool.record(id, vec![0], gone)
        );
        assert!(refused.is_err_and(|error| error.is_full()));
        dropped.unwrap();
        assert_eq!(door.words(&[id]), [("dropped", 1)].into());
        let failures = door.spool.write_failures();
        assert!(
            failures.is_some_and(|it| it.lasting),
            "mail is refused still"
        );
        door.stop().await;
    });
}

/// A report finds no room: the end of its recipient waits for it, and others do not.
#[test]
fn what_goes_with_mail_is_refused_with_it() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        let (one, other) = (door.send(&[ANN]).await, door.send(&[ANN]).await);
        sleep(MINUTE).await;
        site.disk.fill_behind_recovery();
        let recipients = vec![admitted(&door.router, ANN, Origin::Trusted)];
        let letter = envelope(("eve@example.net", Authenticity::Unproven), recipients);
        let mut draft = door.spool.draft();
        draft.append(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
        let gone = || RecipientEvent::Dropped {
            actor: "ann".to_owned(),
            reason: "a test".to_owned(),
        };
        let with = (one, vec![0], gone());
        // In one batch: the writer runs when both wait for it.
        let (refused, dropped) = tokio::join!(
            door.spool.accept_with(draft, letter, with),
            door.spool.record(other, vec![0], gone())
        );
        assert!(refused.is_err_and(|error| error.is_full()));
        dropped.unwrap();
        assert_eq!(door.words(&[one]), [("queued", 1)].into());
        assert_eq!(door.words(&[other]), [("dropped", 1)].into());
        door.stop().await;
    });
}

/// The program is killed, or the power goes, at each step of the writing: what goes with a message
/// is never there without it, and a kill leaves both or neither.
#[test]
fn what_goes_with_mail_is_never_there_without_it() {
    for killed in [true, false] {
        let mut left = BTreeSet::new();
        for (seed, step) in (1..=8).flat_map(|seed| (1..=6).map(move |step| (seed, step))) {
            simulate(async { left.extend([torn(seed, step, killed).await]) });
        }
        let both = left.contains(&(true, true)) && left.contains(&(false, false));
        assert!(both, "no step was in between: {left:?}");
        assert!(
            !left.contains(&(false, true)),
            "without its message: {left:?}"
        );
        assert!(!killed || left.len() == 2, "half of it: {left:?}");
    }
}

/// Whether the message is there, and whether what goes with it is.
async fn torn(seed: u64, step: u64, killed: bool) -> (bool, bool) {
    let mut site = Site::seeded(seed);
    let door = site.open();
    site.platforms.set_up("onprem", false);
    let one = door.send(&[ANN]).await;
    sleep(MINUTE).await;
    let recipients = vec![admitted(&door.router, ANN, Origin::Trusted)];
    let letter = envelope(("eve@example.net", Authenticity::Unproven), recipients);
    let mut draft = door.spool.draft();
    // Over several sectors.
    let body = format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(3_000));
    draft.append(body.as_bytes()).await.unwrap();
    let id = draft.id();
    let gone = RecipientEvent::Dropped {
        actor: "ann".to_owned(),
        reason: "a test".to_owned(),
    };
    let with = (one, vec![0], gone);
    let cut = site.disk.steps() + step;
    site.disk.arrange(cut, Trouble::PowerCut);
    let written = door.spool.accept_with(draft, letter, with);
    let written = tokio::time::timeout(MINUTE, written).await;
    if killed {
        // What a killed program has written stays, synced or not.
        let left = site.disk.copy();
        door.shutdown.signal();
        site.disk = left;
    } else {
        site.disk.power_cut(&mut site.chance.clone());
        site.disk.heal();
        door.shutdown.signal();
    }
    site.platforms.forget_attempts();
    let (door, _committed) = site.open_quietly();
    let is_there = door.spool.message(id).unwrap().is_some();
    let is_dropped = door.words(&[one]) == [("dropped", 1)].into();
    let acknowledged = matches!(written, Ok(Ok(_)));
    assert!(!acknowledged || is_there && is_dropped, "{seed} {step}");
    door.stop().await;
    (is_there, is_dropped)
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms
            .refuse("cloud", Some(refusal("451 4.2.0 later", Blame::Recipient)));
        site.platforms.set_up("onprem", false);
        let id = door.send(&[ANN, BOB]).await;
        sleep(2 * MINUTE).await;
        site.clock.set_back(DAY);
        site.platforms.set_up("onprem", true);
        site.platforms.refuse("cloud", None);
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&[id]), [("delivered", 2)].into());
        door.stop().await;
    });
}

/// The channel between spool and queue may be slower than the loader: nothing comes twice.
#[test]
fn what_was_loaded_meanwhile_is_not_taken_again() {
    simulate(async {
        let site = Site::new();
        let (door, mut committed) = site.open_quietly();
        let (fresh, taken) = tokio::sync::mpsc::channel(limits::COMMITTED_QUEUE);
        door.queue.start(taken);
        let id = door.send(&[ANN]).await;
        sleep(MINUTE).await;
        assert_eq!(site.places(id, 0), ["onprem"]);
        fresh.try_send(committed.try_recv().unwrap()).unwrap();
        sleep(MINUTE).await;
        assert_eq!(site.places(id, 0), ["onprem"]);
        door.stop().await;
    });
}
