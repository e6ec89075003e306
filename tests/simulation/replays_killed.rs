//! Replays, live mail, trouble, kills and power cuts.

use std::time::Duration;

use tideover::base::{Clock, Timestamp};
use tideover::mail::{RecipientState, SpoolId};
use tideover::queue::replay::{Order, ReplayState, Selection};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::disk::SimDisk;
use crate::door::{Door, Site};
use crate::platforms::Platforms;
use crate::replays::{all, desk, drained, ended, letters, onprem, start};
use crate::seeds;
use crate::world::PLATFORMS;

/// Kills of the process.
const LIVES: u32 = 4;
const SECOND: Duration = Duration::from_secs(1);

/// What outlives the kills of a process.
struct Kept {
    chance: Chance,
    platforms: Platforms,
    disk: SimDisk,
    elapsed: Duration,
    sent: Vec<SpoolId>,
    until: Timestamp,
}

/// Live mail, two replays that overlap, trouble, kills and power cuts: in the end each recipient
/// has got his message once and its replay once, but for what is said to be in doubt.
#[test]
fn whatever_happens_each_is_replayed_once_or_it_is_said() {
    for seed in seeds(24) {
        let chance = Chance::new(seed);
        let mut kept = Kept {
            platforms: Platforms::new(&PLATFORMS, chance.clone(), 12),
            chance,
            disk: SimDisk::default(),
            elapsed: Duration::ZERO,
            sent: Vec::new(),
            until: Timestamp::EPOCH,
        };
        for life in 0..=LIVES {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(one_life(&mut kept, life));
            // What was under way is dropped with the runtime, as a kill does.
            drop(runtime);
            kept.platforms.forget_attempts();
            if life % 2 == 1 && life < LIVES {
                kept.disk.power_cut(&mut kept.chance.clone());
            }
        }
    }
}

async fn one_life(kept: &mut Kept, life: u32) {
    let begun = Instant::now();
    let mut site = Site::with_chance(kept.chance.clone(), 0);
    site.platforms = kept.platforms.clone();
    site.disk = kept.disk.clone();
    site.clock.set_forward(kept.elapsed);
    site.platforms.set_clock(Clock::new(site.clock.clone()));
    let door = site.open();
    let replays = desk(&door);
    if life == 0 {
        kept.sent = letters(&door, 60, "onprem.example").await;
        drained(&door).await;
        sleep(SECOND).await;
        kept.until = door.now();
        let half = Selection {
            since: kept.sent[20].timestamp(),
            order: Order::Newest,
            ..all(&door)
        };
        start(&replays, &onprem(), all(&door)).await;
        start(&replays, &onprem(), half).await;
    } else {
        replays.start_open().await.unwrap();
    }
    kept.sent.extend(letters(&door, 5, "onprem.example").await);
    if life < LIVES {
        sleep(Duration::from_millis(kept.chance.below(2_000))).await;
    } else {
        site.platforms.heal();
        for id in ["r1", "r2"] {
            let done = ended(&replays, id).await;
            assert_eq!(done.replay.state, ReplayState::Done, "{done:?}");
        }
        drained(&door).await;
        check_copies(&site, &door, kept);
        door.stop().await;
    }
    kept.elapsed += begun.elapsed() + SECOND;
}

fn check_copies(site: &Site, door: &Door, kept: &Kept) {
    let mut replays = 0;
    for id in &kept.sent {
        let message = door.spool.message(*id).unwrap().unwrap();
        let copies = site.places(*id, 0).len();
        let replayed = door.spool.replayed(*id, 0, &onprem()).unwrap();
        let is_meant = id.timestamp() < kept.until;
        replays += usize::from(is_meant);
        let doubt = message.states[0].is_uncertain()
            || replayed.as_ref().is_some_and(|mark| mark.uncertain);
        assert!(matches!(
            message.states[0],
            RecipientState::Delivered { .. }
        ));
        assert_eq!(replayed.is_some_and(|mark| mark.delivered), is_meant);
        let expected = 1 + usize::from(is_meant);
        assert!(copies >= expected, "{id} came {copies} times");
        assert!(
            copies == expected || doubt,
            "{id} came {copies} times, and nobody says so"
        );
    }
    assert_eq!(replays, 60, "something was replayed");
}
