//! A backend that refuses the content of mail: the mail's fault, or the backend's?

use std::time::Duration;

use tideover::backend::Health;
use tideover::mail::{Authenticity, BackendId, CaseKind, Failure, Said, SpoolId};
use tideover::queue::TrialOutcome;
use tideover::route::{OutboundRelay, RouteOptions};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};
use crate::seeds::each_seed;

const MINUTE: Duration = Duration::from_secs(60);

fn refused(said: Said, line: &str) -> Failure {
    Failure::refused(said, Reply::parse(&[line]).unwrap())
}

fn spam() -> Failure {
    refused(Said::End, "554 5.7.1 Message rejected as spam, score 17.3")
}

fn health(door: &Door, backend: &str) -> Health {
    let board = door.router.board();
    board.health(&BackendId::new(backend)).unwrap().health
}

/// A message of a proven sender of its own to somebody at the cloud.
async fn send(door: &Door, number: u64) -> SpoolId {
    let from = format!("sender{number}@onprem.example");
    let to = format!("user{}@cloud.example", number % 7);
    door.send_from(&from, Authenticity::Local, &[&to]).await
}

/// Decision 6, and I10 for proven senders: one wrong rule in a filter that takes everything for
/// spam ends nobody's mail, and tells nobody that it did.
#[test]
fn a_filter_that_refuses_everybody_finishes_nobody() {
    each_seed(12, |seed| simulate(filter_gone_mad(seed)));
}

async fn filter_gone_mad(seed: u64) {
    let site = Site::seeded(seed);
    let door = site.open();
    let mut sent = Vec::new();
    let before = site.chance.below(3);
    for number in 0..before {
        sent.push(send(&door, number).await);
    }
    sleep(MINUTE).await;
    site.platforms.refuse("cloud", Some(spam()));
    let crowd = 30 + site.chance.below(40);
    for number in 100..100 + crowd {
        sent.push(send(&door, number).await);
        sleep(Duration::from_millis(site.chance.below(60_000))).await;
    }
    sleep(120 * MINUTE).await;
    let words = door.words(&sent);
    let finished = words.get("bounced").copied().unwrap_or_default();
    // Right after an acceptance a refusal or two look like any others.
    let most = if before == 0 { 0 } else { 2 };
    assert!(finished <= most, "seed {seed}: {words:?}");
    assert_eq!(
        door.spool.stats().accepted,
        (sent.len() + finished) as u64,
        "seed {seed}: reports"
    );
    assert_eq!(health(&door, "cloud"), Health::Rejecting, "seed {seed}");
    let cases = door.spool.cases(CaseKind::Open, 100).unwrap();
    assert_eq!(cases.len(), 1, "seed {seed}: {cases:?}");
    // It is mended: what waits goes by itself, the case when somebody says so.
    site.platforms.refuse("cloud", None);
    sleep(30 * MINUTE).await;
    assert_eq!(health(&door, "cloud"), Health::Up, "seed {seed}");
    let id = cases[0].id;
    door.queue.release_case(id, "ann", "mended").await.unwrap();
    let trial = door.queue.decided(id, 5 * MINUTE).await.unwrap().unwrap();
    let released = matches!(trial.outcome, TrialOutcome::Released { .. });
    assert!(released, "seed {seed}: {trial:?}");
    sleep(90 * MINUTE).await;
    let delivered = door.words(&sent)["delivered"];
    assert_eq!(delivered, sent.len() - finished, "seed {seed}");
    assert_eq!(
        site.copies(),
        delivered + finished,
        "seed {seed}: each once"
    );
    door.stop().await;
}

/// Between mail that is accepted a refusal of the content is final, as ever.
#[test]
fn spam_among_other_mail_is_final() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for number in 0..20 {
            site.platforms.refuse("cloud", None);
            good.push(send(&door, number).await);
            sleep(MINUTE).await;
            site.platforms.refuse("cloud", Some(spam()));
            bad.push(send(&door, 100 + number).await);
            sleep(MINUTE).await;
            assert_eq!(health(&door, "cloud"), Health::Up);
        }
        assert_eq!(door.words(&good), [("delivered", 20)].into());
        assert_eq!(door.words(&bad), [("bounced", 20)].into());
        assert_eq!(door.spool.cases(CaseKind::Open, 10).unwrap(), []);
        door.stop().await;
    });
}

/// Makes the smart host rejecting, with nobody of its own left in its lane.
async fn rejecting_smart_host(site: &Site, door: &Door, relay: Vec<OutboundRelay>) {
    let options = RouteOptions {
        relay,
        ..RouteOptions::default()
    };
    door.router.configure(options);
    let denied = refused(
        Said::Rcpt,
        "550 5.4.1 Recipient address rejected: Access denied",
    );
    site.platforms.refuse("onprem", Some(denied));
    for number in 0..5 {
        door.send(&[&format!("user{number}@onprem.example")]).await;
    }
    sleep(MINUTE).await;
    assert_eq!(health(door, "onprem"), Health::Rejecting);
    assert_eq!(door.spool.lanes().get("onprem"), None);
}

async fn send_outside(door: &Door) -> SpoolId {
    let (from, to) = ("ann@cloud.example", "x@far.example");
    door.send_from(from, Authenticity::Local, &[to]).await
}

/// Mail to strangers that waits behind a smart host finds out that it takes mail again.
#[test]
fn mail_behind_a_rejecting_smart_host_is_tried() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let onprem = OutboundRelay::Backend(BackendId::new("onprem"));
        rejecting_smart_host(&site, &door, vec![onprem]).await;
        let sent = [send_outside(&door).await, send_outside(&door).await];
        sleep(10 * MINUTE).await;
        assert_eq!(door.words(&sent), [("queued", 2)].into(), "no report");
        let tried = site.platforms.take_seen();
        let tried = tried.iter().filter(|seen| seen.address == "x@far.example");
        let tried = tried.count();
        assert!((20..=70).contains(&tried), "{tried} trials in ten minutes");
        site.platforms.refuse("onprem", None);
        sleep(5 * MINUTE).await;
        assert_eq!(health(&door, "onprem"), Health::Up);
        assert_eq!(door.words(&sent), [("delivered", 2)].into());
        assert_eq!(site.copies(), 2);
        door.stop().await;
    });
}

/// The same when there is another way, which takes the mail meanwhile.
#[test]
fn a_smart_host_that_another_way_stands_in_for_is_tried() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("far.example", true);
        let onprem = OutboundRelay::Backend(BackendId::new("onprem"));
        rejecting_smart_host(&site, &door, vec![onprem, OutboundRelay::Mx]).await;
        let first = send_outside(&door).await;
        sleep(5 * MINUTE).await;
        assert_eq!(site.places(first, 0), ["far.example"]);
        assert_eq!(health(&door, "onprem"), Health::Rejecting);
        site.platforms.refuse("onprem", None);
        let second = send_outside(&door).await;
        sleep(MINUTE).await;
        assert_eq!(site.places(second, 0), ["onprem"]);
        assert_eq!(health(&door, "onprem"), Health::Up);
        door.stop().await;
    });
}

/// Spam comes in rows: that ten senders are refused between two good messages is no sign of a
/// filter gone mad.
#[test]
fn a_row_of_spam_stops_no_mail_while_other_mail_is_taken() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        for number in 0..7 {
            let address = format!("user{number}@cloud.example");
            site.platforms.refuse_address(&address, spam());
        }
        let good = door.send(&["good@cloud.example"]).await;
        sleep(Duration::from_secs(1)).await;
        for number in 0..40 {
            send(&door, number).await;
        }
        sleep(Duration::from_secs(5)).await;
        assert_eq!(health(&door, "cloud"), Health::Up);
        let other = door.send(&["other@cloud.example"]).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(door.words(&[good, other]), [("delivered", 2)].into());
        // Nothing good for ten minutes: it may be the filter. Whose mail was taken is tried first.
        sleep(11 * MINUTE).await;
        for number in 100..140 {
            send(&door, number).await;
        }
        sleep(Duration::from_secs(5)).await;
        assert_eq!(health(&door, "cloud"), Health::Rejecting);
        let third = door.send(&["third@cloud.example"]).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&[third]), [("delivered", 1)].into());
        door.stop().await;
    });
}
