//! A platform that failed mail and is mended: what waited for it comes now, and not an hour later.

use std::time::Duration;

use tideover::mail::{Blame, Failure};
use tideover::queue::{MailboxRates, TargetLimits};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};
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
