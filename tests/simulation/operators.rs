//! What operators do to mail that waits.

use std::sync::Arc;
use std::time::Duration;

use tideover::backend::{Override, Wish};
use tideover::mail::{BackendId, Blame, Failure, RecipientEvent, SpoolId};
use tideover::queue::{Deed, Order, Pick, Place, Tally};
use tideover::route::{Selection, paused_for};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, options_of_the_queue, simulate};
use crate::recovery;

const ANN: &str = "ann@onprem.example";
const BOB: &str = "bob@cloud.example";
const MINUTE: Duration = Duration::from_secs(60);

fn order(deed: Deed) -> Order {
    Order {
        deed,
        actor: "root".to_owned(),
        reason: "mended".to_owned(),
    }
}

/// Does it to everything that waits.
async fn perform(door: &Door, deed: Deed) -> Tally {
    let everything: Pick = Arc::new(|_| true);
    let done = door.queue.perform(&order(deed), &everything).await;
    done.unwrap()
}

fn refusal() -> Failure {
    let reply = Reply::parse(&["550 5.4.1 Access denied"]).unwrap();
    Failure::replied(Blame::Recipient, reply)
}

/// What happened to the first recipient, in words.
fn story(door: &Door, id: SpoolId) -> Vec<&'static str> {
    let history = door.spool.history(id).unwrap();
    let of_the_first = history.iter().filter(|entry| entry.recipients.contains(&0));
    of_the_first.map(|entry| entry.event.name()).collect()
}

/// Decision 6: more than a page of refused mail is released in one go, also after a restart in
/// the middle, and arrives once.
#[test]
fn refused_mail_is_released_in_one_go() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("onprem", Some(refusal()));
        let mut sent = Vec::new();
        for _ in 0..450 {
            sent.push(door.send(&[ANN, BOB]).await);
        }
        sleep(5 * MINUTE).await;
        assert_eq!(
            door.words(&sent),
            [("held", 450), ("delivered", 450)].into()
        );
        site.platforms.refuse("onprem", None);
        let others = Selection {
            recipient: Some(BOB.parse().unwrap()),
            ..Selection::default()
        };
        let none = door.queue.release(others, "root", "").await.unwrap();
        assert_eq!(none.recipients, 0);
        // One page, then the process ends.
        let everything: Pick = Arc::new(|_| true);
        let release = order(Deed::Release);
        let page = door
            .queue
            .perform_page(&release, &everything, Place::Behind(None));
        let page = page.await.unwrap();
        assert_eq!((page.recipients, page.under_way), (200, 0));
        assert!(page.next.is_some());
        door.stop().await;
        let door = site.open();
        let selection = Selection {
            reason_kind: Some("refused".to_owned()),
            ..Selection::default()
        };
        let rest = door
            .queue
            .release(selection, "root", "mended")
            .await
            .unwrap();
        assert_eq!((rest.recipients, rest.next), (250, None));
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 900)].into());
        assert_eq!(site.copies(), 900);
        let told = door.spool.history(sent[449]).unwrap();
        let told = told.iter().any(|entry| {
            let RecipientEvent::Released { actor, reason, .. } = &entry.event else {
                return false;
            };
            actor == "root" && reason == "mended"
        });
        assert!(told, "who released it, and why");
        door.stop().await;
    });
}

/// I3, I4: what is dropped while a slow platform takes mail is dropped or delivered, never both.
#[test]
fn what_is_dropped_is_not_delivered() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_pace(4_000);
        let mut sent = Vec::new();
        for _ in 0..300 {
            sent.push(door.send(&[ANN]).await);
        }
        sleep(MINUTE / 4).await;
        let tally = perform(&door, Deed::Drop).await;
        let words = door.words(&sent);
        assert_eq!(tally.under_way, 0);
        assert_eq!(
            words.get("dropped").copied(),
            usize::try_from(tally.recipients).ok()
        );
        assert!(words["delivered"] > 4, "{words:?}");
        assert!(words["dropped"] > 100, "{words:?}");
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&sent), words);
        for id in sent {
            let dropped = door.states(id)[0].name() == "dropped";
            assert_eq!(site.places(id, 0).len(), usize::from(!dropped), "{id}");
        }
        assert_eq!(
            door.queue.loaded(),
            0,
            "nobody is left in an operator's hands"
        );
        door.stop().await;
    });
}

/// `queue retry`: at once, and at the present home.
#[test]
fn a_retry_waits_for_no_schedule() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let later = Reply::parse(&["451 4.2.0 later"]).unwrap();
        let later = Failure::replied(Blame::Recipient, later);
        site.platforms.refuse("onprem", Some(later));
        let id = door.send(&[ANN]).await;
        sleep(60 * MINUTE).await;
        site.platforms.refuse("onprem", None);
        assert_eq!(door.words(&[id]), [("queued", 1)].into());
        door.directory
            .replace(crate::door::directory(["cloud", "cloud"]));
        assert_eq!(perform(&door, Deed::Retry).await.recipients, 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(site.places(id, 0), ["cloud"]);
        let story = story(&door, id);
        assert!(
            story.ends_with(&["released", "rerouted", "delivered"]),
            "{story:?}"
        );
        door.stop().await;
    });
}

/// A stop wakes who waits for his turn, and he sends nothing more: it is tried in the next life.
#[test]
fn a_stop_sends_nothing_that_had_to_wait() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut options = options_of_the_queue();
        for limits in options.backends.values_mut() {
            limits.messages_per_minute = 1;
        }
        door.queue.configure(options);
        let mut sent = Vec::new();
        for _ in 0..5 {
            sent.push(door.send(&[ANN]).await);
        }
        sleep(MINUTE / 2).await;
        let before = site.copies();
        assert_eq!(before, 1);
        door.stop().await;
        assert_eq!(site.copies(), before, "sent by the stop");
        let door = site.open();
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 5)].into());
        assert_eq!(site.copies(), 5);
        let uncertain = sent.iter().filter(|id| door.states(**id)[0].is_uncertain());
        assert_eq!(
            uncertain.count(),
            0,
            "nothing was sent, so nothing is in doubt"
        );
        door.stop().await;
    });
}

/// Mail that has its turn later, because of the rates of its mailbox, comes no later when it is
/// tried again or held for a moment; and what is dropped leaves no turn behind that others miss.
#[test]
fn nobody_waits_for_turns_of_what_is_gone() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        door.queue.configure(recovery::options(recovery::LIMITS));
        let backlog = async |count: usize| {
            site.platforms.set_up("onprem", false);
            let mut sent = Vec::new();
            for _ in 0..count {
                sent.push(door.send(&[ANN]).await);
            }
            sleep(2 * MINUTE).await;
            site.platforms.set_up("onprem", true);
            sleep(MINUTE).await;
            sent
        };
        let delivered = |sent: &[SpoolId]| door.words(sent).get("delivered").copied().unwrap_or(0);
        // One sender has ten a minute.
        let sent = backlog(120).await;
        assert!(
            (10..=20).contains(&delivered(&sent)),
            "{:?}",
            door.words(&sent)
        );
        for _ in 0..4 {
            perform(&door, Deed::Retry).await;
            sleep(MINUTE / 6).await;
        }
        sleep(14 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 120)].into());

        sleep(60 * MINUTE).await;
        let sent = backlog(250).await;
        perform(&door, Deed::Drop).await;
        assert!(delivered(&sent) <= 20, "{:?}", door.words(&sent));
        let sent = backlog(30).await;
        sleep(4 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 30)].into());
        door.stop().await;
    });
}

/// A retry claims nothing for mail whose backend is held.
#[test]
fn a_retry_says_what_it_cannot_do() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let said = |wish| Override {
            wish,
            actor: "root".to_owned(),
            reason: String::new(),
            since: door.now(),
        };
        let (board, onprem) = (door.router.board(), BackendId::new("onprem"));
        board.set_override(&onprem, said(Wish::Hold));
        for _ in 0..3 {
            door.send(&[ANN]).await;
        }
        sleep(MINUTE).await;
        let tally = perform(&door, Deed::Retry).await;
        assert_eq!((tally.recipients, tally.behind), (0, 3));
        board.set_override(&onprem, said(Wish::Resume));
        sleep(MINUTE).await;
        assert_eq!(site.copies(), 3);
        door.stop().await;
    });
}

/// What came before a drain goes, what came after it waits and is counted so.
#[test]
fn a_drain_counts_what_it_keeps() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        sleep(MINUTE).await;
        let before = [door.send(&[ANN, BOB]).await, door.send(&[ANN]).await];
        sleep(MINUTE).await;
        assert!(door.queue.drain_counts().unwrap().is_empty());
        let said = |wish| Override {
            wish,
            actor: "root".to_owned(),
            reason: "disks".to_owned(),
            since: door.now(),
        };
        let (board, onprem) = (door.router.board(), BackendId::new("onprem"));
        board.set_override(&onprem, said(Wish::Drain));
        sleep(MINUTE).await;
        let after = [door.send(&[ANN, BOB]).await, door.send(&[ANN]).await];
        sleep(MINUTE).await;
        let kept = door.queue.drain_counts().unwrap();
        assert_eq!(kept, [(onprem.clone(), 2)].into());
        site.platforms.set_up("onprem", true);
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&before), [("delivered", 3)].into());
        let expected = [("delivered", 1), ("queued", 2)].into();
        assert_eq!(door.words(&after), expected);
        assert_eq!(door.queue.drain_counts().unwrap(), kept);
        let health = board.health(&onprem).unwrap();
        let accepted = after[1].timestamp();
        let shown = paused_for(&health, accepted).unwrap();
        assert!(shown.starts_with("onprem is drained by root"), "{shown}");
        board.set_override(&onprem, said(Wish::Resume));
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&after), [("delivered", 3)].into());
        door.stop().await;
    });
}
