//! A platform that takes mail and answers nothing behind the final dot: what hangs there keeps no
//! place when it was down meanwhile, and speaks against it while its probes are answered.

use std::ops::Range;
use std::time::Duration;

use tideover::backend::{BackendHealth, Health};
use tideover::mail::{BackendId, Blame, Failure, SpoolId};
use tideover::smtp::Reply;
use tokio::time::{Instant, sleep, sleep_until};

use crate::door::{Door, Site, simulate};
use crate::world::CONNECTIONS;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn onprem() -> BackendId {
    BackendId::new("onprem")
}

fn health(door: &Door) -> BackendHealth {
    door.router.board().health(&onprem()).unwrap()
}

/// A message for each of so many people.
async fn send(door: &Door, people: Range<usize>) -> Vec<SpoolId> {
    let mut sent = Vec::new();
    for number in people {
        let address = format!("u{number}@onprem.example");
        sent.push(door.send(&[&address]).await);
    }
    sent
}

/// A platform that has taken ten messages, and has all its connections.
async fn opened() -> (Site, Door) {
    let site = Site::new();
    let door = site.open();
    let first = send(&door, 0..10).await;
    sleep(2 * MINUTE).await;
    assert_eq!(door.words(&first), [("delivered", 10)].into());
    (site, door)
}

/// A store freezes, its host is started anew, and the balancer in front of it knows nothing of the
/// connections of before: they stay silent, also when the outage was shorter than our patience.
#[test]
fn what_hung_before_an_outage_keeps_no_place_behind_it() {
    for outage in [MINUTE, 5 * MINUTE] {
        simulate(async {
            let (site, door) = opened().await;
            site.platforms.set_hanging("onprem", true);
            let mut sent = send(&door, 10..30).await;
            sleep(20 * SECOND).await;
            site.platforms.set_up("onprem", false);
            sleep(outage).await;
            assert_eq!(health(&door).health, Health::Down);

            site.platforms.set_hanging("onprem", false);
            site.platforms.set_up("onprem", true);
            let returned = Instant::now();
            let mut changes = door.router.board().changes();
            let rises = changes.wait_for(|healths| healths[&onprem()].health == Health::Up);
            assert!(rises.await.is_ok());
            sent.extend(send(&door, 30..40).await);
            sleep_until(returned + 2 * MINUTE).await;
            assert_eq!(door.words(&sent), [("delivered", 30)].into(), "{outage:?}");
            assert_eq!(site.copies(), 40);
            let uncertain = |id: &&SpoolId| door.states(**id)[0].is_uncertain();
            let uncertain = sent.iter().filter(uncertain).count();
            assert_eq!(uncertain, CONNECTIONS, "it is said of those that hung");
            // How they ended says nothing about a platform that is up again.
            assert!(!changes.has_changed().unwrap(), "{}", health(&door).reason);
            door.stop().await;
        });
    }
}

/// Its probes are answered, and mail hangs: that is known before the first of it has ended.
#[test]
fn one_that_lets_mail_for_five_people_hang_is_told_of_in_two_minutes() {
    simulate(async {
        let (site, door) = opened().await;
        // It has places for four.
        let reply = Reply::parse(&["451 4.3.0 Try again later"]).unwrap();
        let later = Failure::replied(Blame::Message, reply);
        site.platforms.refuse("onprem", Some(later));
        let mut sent = send(&door, 10..11).await;
        sleep(SECOND).await;
        site.platforms.refuse("onprem", None);
        site.platforms.set_hanging("onprem", true);
        sent.extend(send(&door, 11..20).await);
        sleep(110 * SECOND).await;
        assert_eq!(health(&door).health, Health::Up);
        sleep(20 * SECOND).await;
        let told = health(&door);
        assert!(told.failing && told.health == Health::Slow);
        let expected = "no answer behind the final dot for 2 minutes";
        assert!(told.reason.ends_with(expected), "{}", told.reason);

        site.platforms.set_hanging("onprem", false);
        sleep(20 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 10)].into());
        assert_eq!(site.copies(), 20);
        assert_eq!(health(&door).health, Health::Up);
        door.stop().await;
    });
}
