//! Mail that is held on purpose: by rules, and while its domain is on the move.

use std::sync::Arc;
use std::time::Duration;

use tideover::base::Timestamp;
use tideover::mail::{Authenticity, SpoolId};
use tideover::queue::{Deed, Order, Pick};
use tideover::route::{HoldRule, HoldWish, MoveStep, Selection, StepWish};
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};

const ANN: &str = "ann@onprem.example";
const BOB: &str = "bob@cloud.example";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A rule and nothing else: nobody looks at what waits already.
pub(crate) async fn rule(door: &Door, selection: Selection, until: Option<Timestamp>) -> HoldRule {
    let wish = HoldWish {
        selection,
        actor: "root".to_owned(),
        reason: "patches".to_owned(),
        until,
    };
    let holds = door.router.holds();
    holds.hold(&door.spool, wish, door.now()).await.unwrap()
}

/// Of everybody at the platform `cloud`.
pub(crate) async fn rule_of_cloud(door: &Door) -> HoldRule {
    let everybody = Selection {
        domain: Some("cloud.example".to_owned()),
        ..Selection::default()
    };
    rule(door, everybody, None).await
}

/// What the verb does: a rule, then whoever waits already.
async fn hold(door: &Door, selection: Selection, until: Option<Timestamp>) -> HoldRule {
    let rule = rule(door, selection, until).await;
    perform(door, Deed::Hold).await;
    rule
}

async fn end(door: &Door, name: &str) {
    let names = [name.to_owned()];
    let ended = door.router.holds().end(&door.spool, &names, "root").await;
    assert_eq!(ended.unwrap().len(), 1);
}

async fn perform(door: &Door, deed: Deed) -> u64 {
    let everything: Pick = Arc::new(|_| true);
    let order = Order {
        deed,
        actor: "root".to_owned(),
        reason: "done".to_owned(),
    };
    let tally = door.queue.perform(&order, &everything).await;
    tally.unwrap().recipients
}

fn to(address: &str) -> Selection {
    Selection {
        recipient: Some(address.parse().unwrap()),
        ..Selection::default()
    }
}

async fn send(door: &Door, count: usize) -> Vec<SpoolId> {
    let mut sent = Vec::new();
    for _ in 0..count {
        sent.push(door.send(&[ANN, BOB]).await);
    }
    sent
}

/// What waits and what comes is held, the other recipient of the same message is not; a restart in
/// the middle, and another one in the middle of the release, change nothing.
#[test]
fn a_rule_holds_what_waits_and_what_comes() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        let mut sent = send(&door, 250).await;
        sleep(5 * MINUTE).await;
        hold(&door, to(ANN), None).await;
        assert_eq!(
            door.words(&sent),
            [("held", 250), ("delivered", 250)].into()
        );
        site.platforms.set_up("onprem", true);
        sent.extend(send(&door, 50).await);
        sleep(5 * MINUTE).await;
        assert_eq!(
            door.words(&sent),
            [("held", 300), ("delivered", 300)].into()
        );
        door.stop().await;
        let door = site.open();
        sent.extend(send(&door, 50).await);
        sleep(DAY).await;
        assert_eq!(
            door.words(&sent),
            [("held", 350), ("delivered", 350)].into()
        );
        // Ended, and nobody is left to release its mail: the process does it at its next start.
        end(&door, "h1").await;
        door.stop().await;
        let door = site.open();
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 700)].into());
        assert_eq!(site.copies(), 700);
        door.stop().await;
    });
}

/// What is loaded already when a rule is made is not tried any more, without any other verb.
#[test]
fn a_rule_stops_what_is_loaded() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_pace(4_000);
        let sent = send(&door, 200).await;
        sleep(Duration::from_secs(5)).await;
        let wish = HoldWish {
            selection: Selection {
                sender: Some("@example.net".parse().unwrap()),
                ..Selection::default()
            },
            actor: "root".to_owned(),
            reason: String::new(),
            until: None,
        };
        let rule = door
            .router
            .holds()
            .hold(&door.spool, wish, door.now())
            .await;
        rule.unwrap();
        let before = site.copies();
        sleep(HOUR).await;
        let words = door.words(&sent);
        // What was under way, and the job that each connection had prepared.
        assert!(site.copies() <= before + 2 * 2 * 4, "{before} {words:?}");
        assert!(words["held"] > 300, "{words:?}");
        assert_eq!(words["held"] + words["delivered"], 400);
        assert_eq!(door.queue.loaded(), 0);
        door.stop().await;
    });
}

#[test]
fn a_rule_with_an_end_ends_by_itself() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        hold(
            &door,
            to("@onprem.example"),
            Some(door.now().after(2 * HOUR)),
        )
        .await;
        let sent = send(&door, 3).await;
        sleep(119 * MINUTE).await;
        assert_eq!(door.words(&sent), [("held", 3), ("delivered", 3)].into());
        sleep(2 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 6)].into());
        assert!(door.router.holds().book().rules().is_empty());
        door.stop().await;
    });
}

/// One message may pass while the rule goes on to hold the others; a rule that is made later holds
/// it again.
#[test]
fn one_message_may_pass() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        hold(&door, to(ANN), None).await;
        let sent = send(&door, 3).await;
        sleep(MINUTE).await;
        site.platforms.set_up("onprem", false);
        let one = Selection {
            message: Some(sent[1]),
            ..Selection::default()
        };
        assert!(door.router.holds().book().covered_by(&one).is_empty());
        let released = door.queue.release(one, "root", "the chief's").await;
        assert_eq!(released.unwrap().recipients, 1);
        sleep(5 * MINUTE).await;
        assert_eq!(door.states(sent[1])[0].name(), "queued");
        hold(&door, to("@onprem.example"), None).await;
        assert_eq!(door.states(sent[1])[0].name(), "held");
        end(&door, "h2").await;
        site.platforms.set_up("onprem", true);
        sleep(5 * MINUTE).await;
        // The second one has ended, and somebody let it pass the first one.
        assert_eq!(door.states(sent[1])[0].name(), "delivered");
        assert_eq!(door.words(&sent), [("held", 2), ("delivered", 4)].into());
        perform(&door, Deed::Release).await;
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 6)].into());
        assert_eq!(site.copies(), 6);
        door.stop().await;
    });
}

/// Decision 5: ten days on hold use up nothing of the five days that mail to strangers has.
#[test]
fn time_on_hold_is_no_time() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let far = "x@far.example";
        let mut sent = Vec::new();
        for _ in 0..2 {
            sent.push(door.send_from(ANN, Authenticity::Local, &[far]).await);
        }
        sleep(3 * DAY).await;
        hold(&door, to(far), None).await;
        let attempts = |door: &Door| format!("{:?}", door.states(sent[0])[0]);
        let held = attempts(&door);
        sleep(10 * DAY).await;
        assert_eq!(attempts(&door), held);
        assert_eq!(door.words(&sent), [("held", 2)].into());
        perform(&door, Deed::Release).await;
        sleep(DAY).await;
        assert_eq!(door.words(&sent), [("queued", 2)].into());
        assert!(site.places(sent[0], 0).is_empty());
        sleep(2 * DAY).await;
        assert_eq!(door.words(&sent), [("bounced", 2)].into());
        door.stop().await;
    });
}

/// What the verb does: the step, then whoever waits already.
async fn step(door: &Door, step: MoveStep, home: Option<&str>) {
    let wish = StepWish {
        domain: "onprem.example".to_owned(),
        step,
        actor: "root".to_owned(),
        reason: String::new(),
        home: home.map(tideover::mail::BackendId::new),
    };
    let holds = door.router.holds();
    let seen = holds.book().the_move("onprem.example").cloned();
    let taken = holds.step(&door.spool, wish, seen.as_ref(), door.now());
    taken.await.unwrap();
    door.queue.look_anew();
    if step == MoveStep::Start {
        perform(door, Deed::Hold).await;
    }
}

/// A whole move over a weekend: what waited and what comes is held without an attempt, a restart in
/// the middle, then everything goes to the new home, once; and what comes after it, too.
#[test]
fn a_domain_moves() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        let mut sent = send(&door, 210).await;
        sleep(5 * MINUTE).await;
        step(&door, MoveStep::Start, None).await;
        site.platforms.set_up("onprem", true);
        sent.extend(send(&door, 40).await);
        sleep(DAY).await;
        door.stop().await;
        let door = site.open();
        sent.extend(send(&door, 40).await);
        // Nobody gets past a move, and a reload of the config changes nothing.
        assert_eq!(perform(&door, Deed::Release).await, 0);
        door.queue.configure(crate::door::options_of_the_queue());
        sleep(10 * DAY).await;
        assert_eq!(
            door.words(&sent),
            [("held", 290), ("delivered", 290)].into()
        );
        assert_eq!(
            door.queue.held_counts().unwrap()["@onprem.example"].recipients,
            290
        );
        step(&door, MoveStep::Finish, Some("cloud")).await;
        // The verb dies here; a restart goes on with it.
        door.stop().await;
        let door = site.open();
        sent.extend(send(&door, 10).await);
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 600)].into());
        assert_eq!(site.copies(), 600);
        for id in sent {
            assert_eq!(site.places(id, 0), ["cloud"]);
        }
        assert_eq!(door.spool.stats().accepted, 300, "nobody was notified");
        door.stop().await;
    });
}

/// Backed out of in the middle, or after its end: the old home gets the mail.
#[test]
fn a_move_is_backed_out_of() {
    for finished in [false, true] {
        simulate(async {
            let site = Site::new();
            let door = site.open();
            step(&door, MoveStep::Start, None).await;
            let mut sent = send(&door, 5).await;
            sleep(MINUTE).await;
            assert_eq!(door.words(&sent), [("held", 5), ("delivered", 5)].into());
            if finished {
                site.platforms.set_up("cloud", false);
                sleep(5 * MINUTE).await;
                step(&door, MoveStep::Finish, Some("cloud")).await;
                perform(&door, Deed::Resume).await;
                sleep(5 * MINUTE).await;
                assert_eq!(door.words(&sent), [("queued", 5), ("delivered", 5)].into());
            }
            step(&door, MoveStep::BackOut, None).await;
            perform(&door, Deed::Resume).await;
            site.platforms.set_up("cloud", true);
            sent.extend(send(&door, 5).await);
            sleep(5 * MINUTE).await;
            assert_eq!(door.words(&sent), [("delivered", 20)].into());
            for id in sent {
                assert_eq!(site.places(id, 0), ["onprem"]);
            }
            door.stop().await;
        });
    }
}

/// Two rules hold the same mail, its backend takes nothing, and one of them ends: the other one
/// counts what waits for it at once, not only when the backend takes mail again.
#[test]
fn the_rule_that_goes_on_counts_what_it_holds() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        let sent = send(&door, 3).await;
        sleep(5 * MINUTE).await;
        hold(&door, to(ANN), None).await;
        hold(&door, to("@onprem.example"), None).await;
        let counted = |door: &Door| {
            let counts = door.queue.held_counts().unwrap();
            let of = |name: &str| counts.get(name).map_or(0, |count| count.recipients);
            (of("h1"), of("h2"))
        };
        assert_eq!(counted(&door), (3, 0));
        end(&door, "h1").await;
        let everything: Pick = Arc::new(|_| true);
        let order = Order {
            deed: Deed::Resume,
            actor: "root".to_owned(),
            reason: "done".to_owned(),
        };
        let tally = door.queue.perform(&order, &everything).await.unwrap();
        assert_eq!((tally.recipients, tally.messages), (0, 0));
        assert_eq!(tally.still_held, [("h2".to_owned(), 3)].into());
        assert_eq!(counted(&door), (0, 3));
        end(&door, "h2").await;
        sleep(5 * MINUTE).await;
        assert_eq!(counted(&door), (0, 0));
        // A rule that nobody follows with a verb counts what waits in the paused lane, too.
        let wish = HoldWish {
            selection: to(ANN),
            actor: "root".to_owned(),
            reason: "patches".to_owned(),
            until: None,
        };
        let holds = door.router.holds();
        let rule = holds.hold(&door.spool, wish.clone(), door.now()).await;
        let rule = rule.unwrap();
        sleep(5 * MINUTE).await;
        let counts = door.queue.held_counts().unwrap();
        assert_eq!(counts[&rule.name].recipients, 3);
        // The same again is no second rule; one that lasts longer is.
        let until = |until| HoldWish {
            until,
            ..wish.clone()
        };
        let shorter = until(Some(door.now().after(HOUR)));
        for again in [wish.clone(), shorter] {
            let made = holds.hold(&door.spool, again, door.now()).await;
            let error = made.unwrap_err().to_string();
            assert_eq!(error, format!("hold {} holds that already", rule.name));
        }
        assert_eq!(holds.book().rules().len(), 1);
        end(&door, &rule.name).await;
        let hour = until(Some(door.now().after(HOUR)));
        holds.hold(&door.spool, hour, door.now()).await.unwrap();
        holds.hold(&door.spool, wish, door.now()).await.unwrap();
        assert_eq!(holds.book().rules().len(), 2);
        site.platforms.set_up("onprem", true);
        let names = [3, 4, 5].map(|number| format!("h{number}"));
        holds.end(&door.spool, &names, "root").await.unwrap();
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 6)].into());
        assert_eq!(site.copies(), 6);
        door.stop().await;
    });
}
