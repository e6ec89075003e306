//! What one sender of ours may send through a platform: the rest waits, arrives, and is not lost by
//! a restart; nobody else waits for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tideover::mail::{Authenticity, BackendId, RecipientState, SenderBound, SpoolId};
use tideover::queue::{Deed, Order, Pick, SenderRates, TargetLimits};
use tideover::route::{OutboundRelay, RouteOptions};
use tokio::time::{Instant, sleep};

use crate::disk::Trouble;
use crate::door::{Door, Site, simulate};
use crate::recovery::{most, options};
use crate::world::CONNECTIONS;

const ANN: &str = "ann@onprem.example";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn onprem() -> BackendId {
    BackendId::new("onprem")
}

fn rates(per_minute: u32, per_day: u32) -> TargetLimits {
    let mut limits = TargetLimits::connections(CONNECTIONS);
    limits.slow_open = false;
    limits.sender = SenderRates {
        per_minute,
        per_day,
        per_message: 500,
    };
    limits
}

fn open(site: &Site, limits: TargetLimits) -> Door {
    let (door, committed) = site.open_quietly();
    door.queue.configure(options(limits));
    door.queue.start(committed);
    door
}

/// A message of ann's with a login, to so many people of the platform.
async fn submit(door: &Door, recipients: usize) -> SpoolId {
    let to: Vec<String> = (0..recipients)
        .map(|number| format!("user{number}@onprem.example"))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let from = (ANN, Authenticity::Local);
    let logged_in = |envelope: &mut tideover::mail::Envelope| {
        envelope.peer.user = Some(ANN.to_owned());
    };
    door.send_changed(from, &to, logged_in).await
}

#[test]
fn a_sender_waits_for_his_minutes_and_the_internet_does_not() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, rates(30, 0));
        let mut sent = Vec::new();
        for _ in 0..100 {
            sent.push(submit(&door, 1).await);
            sent.push(door.send(&[ANN]).await);
        }
        sleep(10 * SECOND).await;
        let words = door.words(&sent);
        assert_eq!((words["delivered"], words["queued"]), (130, 70));
        let message = door.spool.message(sent[198]).unwrap().unwrap();
        let waits = door.queue.sender_waits(&message.envelope).unwrap();
        assert_eq!(
            (waits.sender.as_str(), waits.bound),
            (ANN, SenderBound::Minute)
        );
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 200)].into());
        let seen = site.platforms.take_seen();
        let of_ann = seen.iter().filter(|seen| seen.sender == ANN);
        let times: Vec<Instant> = of_ann.map(|seen| seen.at).collect();
        assert_eq!((times.len(), most(&times, MINUTE)), (100, 30));
        assert_eq!(door.queue.sender_waits(&message.envelope), None);
        door.stop().await;
    });
}

/// A message in several transactions is several messages: each takes from the minute, also of the
/// one before a restart or a crash, and nobody is left out or gets it twice.
#[test]
fn a_message_in_parts_waits_for_its_minutes() {
    for crash in [false, true] {
        simulate(async {
            let site = Site::new();
            let mut in_parts = rates(3, 0);
            in_parts.sender.per_message = 1;
            let door = open(&site, in_parts);
            let sent = submit(&door, 8).await;
            sleep(10 * SECOND).await;
            let words = door.words(&[sent]);
            assert_eq!((words["delivered"], words["queued"]), (3, 5));
            let told = format!("{:?}", door.spool.history(sent).unwrap());
            assert!(told.contains("bound: Minute"), "{told}");
            if crash {
                site.disk.power_cut(&mut site.chance.clone());
                door.shutdown.signal();
                site.platforms.forget_attempts();
            } else {
                door.stop().await;
            }

            let door = open(&site, in_parts);
            sleep(SECOND).await;
            let second = submit(&door, 1).await;
            sleep(10 * MINUTE).await;
            assert_eq!(door.words(&[sent, second]), [("delivered", 9)].into());
            let seen = site.platforms.take_seen();
            let times: Vec<Instant> = seen.iter().map(|seen| seen.at).collect();
            assert_eq!((times.len(), most(&times, MINUTE)), (9, 3));
            door.stop().await;
        });
    }
}

/// Ten a day: the others come when the day is over, also when the program was stopped or killed
/// meanwhile, and what waited has used up no time.
#[test]
fn a_day_goes_on_behind_a_restart_and_nobody_is_lost() {
    for crash in [false, true] {
        simulate(async {
            let site = Site::new();
            let door = open(&site, rates(0, 10));
            let sent = [submit(&door, 8).await, submit(&door, 8).await];
            let stranger = door.send(&["user0@onprem.example"]).await;
            sleep(MINUTE).await;
            let words = door.words(&sent);
            assert_eq!((words["delivered"], words["queued"]), (10, 6));
            assert_eq!(door.words(&[stranger]), [("delivered", 1)].into());
            let near = door.queue.busy_senders().unwrap();
            assert_eq!((near.len(), near[0].recipients), (1, 10));
            let told = door.spool.history(sent[1]).unwrap();
            let told = format!("{told:?}");
            assert!(told.contains("bound: Day"), "{told}");
            if crash {
                site.disk.power_cut(&mut site.chance.clone());
                door.shutdown.signal();
                site.platforms.forget_attempts();
            } else {
                door.stop().await;
            }

            let door = open(&site, rates(0, 10));
            sleep(MINUTE).await;
            let third = submit(&door, 2).await;
            sleep(20 * HOUR).await;
            let all = [sent[0], sent[1], third];
            assert_eq!(door.words(&all)["delivered"], 10, "a day is a day");
            sleep(6 * HOUR).await;
            assert_eq!(door.words(&all), [("delivered", 18)].into());
            assert!(door.queue.busy_senders().unwrap().is_empty());
            door.stop().await;
        });
    }
}

/// Days of waiting are no patience: a refusal behind them is the first one.
#[test]
fn what_waited_for_its_sender_has_all_its_time() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, rates(0, 1));
        let sent = submit(&door, 8).await;
        sleep(6 * 25 * HOUR).await;
        let states = door.states(sent);
        let waiting = states.iter().filter_map(|state| match state {
            RecipientState::Queued {
                attempts, on_hold, ..
            } => Some((*attempts, *on_hold)),
            RecipientState::Held { .. }
            | RecipientState::Delivered { .. }
            | RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => None,
        });
        let waiting: Vec<_> = waiting.collect();
        let days = 5 * 24 * 3600 * 1000;
        assert!(!waiting.is_empty() && waiting.iter().all(|it| it.0 == 0 && it.1 > days));
        door.stop().await;
    });
}

/// Of mail that a platform hands in, what another one carries out to strangers counts, by its
/// sender, and what the platforms send each other does not.
#[test]
fn a_person_behind_a_platform_is_bound_for_strangers_only() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, rates(0, 2));
        door.router.configure(RouteOptions {
            relay: vec![OutboundRelay::Backend(onprem())],
            ..RouteOptions::default()
        });
        let relayed = Authenticity::Relayed;
        let bob = "bob@cloud.example";
        let ours = ["user0@onprem.example", "user1@onprem.example", ANN];
        let ours = door.send_from(bob, relayed, &ours).await;
        let out = ["a@x.example", "b@x.example", "c@x.example"];
        let out = door.send_from(bob, relayed, &out).await;
        let forwarded = ["a@x.example", "b@x.example", "c@x.example"];
        let forwarded = door.send_from("eve@example.net", relayed, &forwarded).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&[ours, forwarded]), [("delivered", 6)].into());
        let words = door.words(&[out]);
        assert_eq!((words["delivered"], words["queued"]), (2, 1));
        door.stop().await;
    });
}

/// What the platform did not take costs nothing of the day.
#[test]
fn a_refusal_costs_nothing_of_the_day() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, rates(0, 10));
        let busy = tideover::smtp::Reply::parse(&["450 4.2.1 busy"]).unwrap();
        let busy = tideover::mail::Failure::replied(tideover::mail::Blame::Recipient, busy);
        site.platforms.refuse("onprem", Some(busy));
        let sent = submit(&door, 8).await;
        sleep(30 * MINUTE).await;
        site.platforms.refuse("onprem", None);
        sleep(2 * HOUR).await;
        assert_eq!(door.words(&[sent]), [("delivered", 8)].into());
        door.stop().await;
    });
}

async fn perform(door: &Door, deed: Deed, pick: &Pick) -> u64 {
    let order = Order {
        deed,
        actor: "root".to_owned(),
        reason: "a test".to_owned(),
    };
    door.queue.perform(&order, pick).await.unwrap().recipients
}

/// Whose mail is dropped leaves turns that nobody has; a deed that finds nobody leaves them alone.
#[test]
fn turns_of_who_is_dropped_are_given_anew() {
    for is_dropped in [true, false] {
        simulate(async {
            let site = Site::new();
            let door = open(&site, rates(30, 0));
            let mut sent = Vec::new();
            for _ in 0..90 {
                sent.push(submit(&door, 1).await);
            }
            sleep(10 * SECOND).await;
            assert_eq!(door.words(&sent)["queued"], 60);
            let (deed, pick): (_, Pick) = if is_dropped {
                (Deed::Drop, Arc::new(|_| true))
            } else {
                (Deed::Hold, Arc::new(|_| false))
            };
            let done = perform(&door, deed, &pick).await;
            assert_eq!(done, if is_dropped { 60 } else { 0 });
            // Room for thirty more, and sixty who wait for it, or none.
            sleep(65 * SECOND).await;
            let fresh = submit(&door, 1).await;
            sleep(SECOND).await;
            let expected = if is_dropped { "delivered" } else { "queued" };
            assert_eq!(door.words(&[fresh]), [(expected, 1)].into());
            door.stop().await;
        });
    }
}

/// What cannot be read was not sent, and uses up nothing of the day.
#[test]
fn damaged_mail_uses_up_nothing() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, rates(0, 10));
        site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        let small = submit(&door, 8).await;
        let envelope = door.spool.message(small).unwrap().unwrap().envelope;
        let everyone: Pick = Arc::new(|_| true);
        perform(&door, Deed::Drop, &everyone).await;
        let body = "large and torn\r\n".repeat(1000);
        let torn = door.accept((*envelope).clone(), body.as_bytes()).await;
        sleep(SECOND).await;
        let file = format!("/spool/big/{torn}.eml");
        site.disk.edit(Path::new(&file), |bytes| bytes[5] ^= 1);
        site.platforms.set_up("onprem", true);
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&[torn]), [("held", 8)].into());
        let whole = submit(&door, 10).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&[whole]), [("delivered", 10)].into());
        door.stop().await;
    });
}

/// An attempt that could not be written down was none: what it would have sent is not counted, and
/// goes whole when the log can be written again.
#[test]
fn what_could_not_be_written_down_uses_up_nothing() {
    simulate(async {
        let site = Site::new();
        let door = open(&site, rates(0, 10));
        site.platforms.set_up("onprem", false);
        let sent = submit(&door, 8).await;
        sleep(5 * MINUTE).await;
        let full = Trouble::Until(std::io::ErrorKind::StorageFull);
        site.disk.arrange(site.disk.steps() + 1, full);
        site.platforms.take_seen();
        site.platforms.set_up("onprem", true);
        sleep(10 * MINUTE).await;
        assert!(!site.platforms.take_seen().is_empty(), "it was not tried");
        site.disk.heal();
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&[sent]), [("delivered", 8)].into());
        let more = submit(&door, 3).await;
        sleep(10 * MINUTE).await;
        let words = door.words(&[more]);
        assert_eq!((words["delivered"], words["queued"]), (2, 1));
        door.stop().await;
    });
}
