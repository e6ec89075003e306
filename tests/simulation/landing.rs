//! What was delivered is looked for in the mailboxes: what is there is proven, what is not is said,
//! and nothing is sent again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideover::base::{Boxed, Clock};
use tideover::imap::{FolderKind, ImapError, Mailboxes, Place, Purpose, Wanted};
use tideover::mail::{BackendId, Landing, RecipientEvent, SpoolId};
use tideover::queue::landing::{LandingStatus, Landings, Options};
use tideover::queue::replay::{People, ReplayError, Selection, Which};
use tideover::smtp::Mailbox;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::disk::SimDisk;
use crate::door::{Door, Site, simulate};
use crate::platforms::Platforms;
use crate::replays::{all, desk, drained, ended, letters, onprem, start};
use crate::world::PLATFORMS;

const SECOND: Duration = Duration::from_secs(1);
const WITHIN: Duration = Duration::from_secs(60);
const EVERYTHING: Options = Options {
    share: 10_000,
    within: WITHIN,
};

/// Mailboxes that have what came, but for some.
#[derive(Debug, Clone, Default)]
struct Boxes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Where it is not the inbox; `None`: nowhere.
    places: BTreeMap<SpoolId, Option<FolderKind>>,
    away: bool,
    /// Mailboxes that refuse our login.
    shut: Option<String>,
    looks: u32,
}

impl Boxes {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    fn look(&self, mailbox: &Mailbox, wanted: &[Wanted]) -> Result<Vec<Option<Place>>, ImapError> {
        let mut state = self.0.lock().unwrap();
        let name = mailbox.to_string();
        if state.away {
            let (server, why) = ("imap://onprem".to_owned(), "refused".to_owned());
            return Err(ImapError::Unreachable { server, why });
        }
        if state.shut.as_ref() == Some(&name) {
            let why = "NO".to_owned();
            return Err(ImapError::Login { name, why });
        }
        state.looks += 1;
        let place = |one: &Wanted| {
            let kind = state.places.get(&one.id).copied();
            kind.unwrap_or(Some(FolderKind::Inbox)).map(|kind| Place {
                kind,
                folder: kind.word().to_owned(),
                verdict: "SCL:1".to_owned(),
            })
        };
        Ok(wanted.iter().map(place).collect())
    }
}

impl Mailboxes for Boxes {
    fn at_a_time(&self, backend: &BackendId) -> usize {
        usize::from(backend.as_str() == "onprem") * 2
    }

    fn find<'a>(
        &'a self,
        _backend: &'a BackendId,
        mailbox: &'a Mailbox,
        (wanted, _): (&'a [Wanted], Purpose),
    ) -> Boxed<'a, Result<Vec<Option<Place>>, ImapError>> {
        Box::pin(async move {
            sleep(SECOND).await;
            self.look(mailbox, wanted)
        })
    }
}

async fn watching(door: &Door, boxes: &Boxes) -> Landings {
    watching_some(door, boxes, EVERYTHING).await
}

async fn watching_some(door: &Door, boxes: &Boxes, options: Options) -> Landings {
    let landings = Landings::new(door.queue.clone(), options);
    landings.ask_with(Arc::new(boxes.clone()));
    landings.start();
    // What was delivered before the first round is not looked for.
    while landings.status().unwrap().proven_until.is_none() {
        sleep(SECOND).await;
    }
    landings
}

async fn until(landings: &Landings, what: impl Fn(&LandingStatus) -> bool) -> LandingStatus {
    for _ in 0..50_000 {
        let status = landings.status().unwrap();
        if what(&status) {
            return status;
        }
        sleep(SECOND).await;
    }
    panic!("{:?}", landings.status().unwrap());
}

/// What was seen of a message, in the order in which it was said.
fn seen(door: &Door, id: SpoolId) -> Vec<Landing> {
    let history = door.spool.history(id).unwrap().into_iter();
    history
        .filter_map(|entry| {
            let RecipientEvent::Landing { landing, .. } = entry.event else {
                return None;
            };
            Some(landing)
        })
        .collect()
}

fn found(kind: FolderKind) -> Landing {
    Landing::Found {
        folder: kind.word().to_owned(),
        kind,
        verdict: "SCL:1".to_owned(),
    }
}

#[test]
fn what_is_there_is_proven_and_what_is_not_is_said_and_not_sent_again() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let boxes = Boxes::default();
        let before = letters(&door, 3, "onprem.example").await;
        drained(&door).await;
        let landings = watching(&door, &boxes).await;
        sleep(SECOND).await;
        // Nobody reads them before all are sent: a letter takes no time here.
        let sent = letters(&door, 20, "onprem.example").await;
        let others = letters(&door, 5, "cloud.example").await;
        boxes.change(|state| {
            for id in &sent[..3] {
                state.places.insert(*id, None);
            }
            state.places.insert(sent[3], Some(FolderKind::Junk));
        });
        drained(&door).await;
        let status = until(&landings, |status| status.missing_now == 3).await;
        let counted = (status.seen.found, status.seen.in_junk, status.seen.missing);
        assert_eq!((counted, status.pending), ((17, 1, 3), 0), "{status:?}");
        assert_eq!(seen(&door, sent[0]), [Landing::Missing]);
        assert_eq!(seen(&door, sent[3]), [found(FolderKind::Junk)]);
        assert_eq!(seen(&door, sent[4]), [found(FolderKind::Inbox)]);
        for id in before.iter().chain(&others) {
            assert_eq!(
                seen(&door, *id),
                [],
                "before the beginning, or without IMAP"
            );
        }
        assert_eq!(site.copies(), 28, "nothing is sent again");

        // One comes late, somebody looks after another.
        boxes.change(|state| {
            state.places.remove(&sent[0]);
        });
        until(&landings, |status| status.missing_now == 2).await;
        let late = [Landing::Missing, found(FolderKind::Inbox)];
        assert_eq!(seen(&door, sent[0]), late);
        let name = landings.status().unwrap().mail[0].name();
        assert!(landings.dismiss(&name).await.unwrap());
        assert!(!landings.dismiss(&name).await.unwrap());
        assert_eq!(landings.missing().unwrap(), 1);
        door.stop().await;
    });
}

/// Of a sample, what is in it is looked for and the rest is not, and it is said how many.
#[test]
fn a_sample_is_looked_for_and_the_rest_is_not() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let boxes = Boxes::default();
        let options = Options {
            share: 2_500,
            within: WITHIN,
        };
        let landings = watching_some(&door, &boxes, options).await;
        sleep(SECOND).await;
        let sent = letters(&door, 200, "onprem.example").await;
        drained(&door).await;
        sleep(2 * WITHIN).await;
        let status = until(&landings, |status| status.pending == 0).await;
        assert_eq!(status.share, 2_500);
        let proven = sent.iter().filter(|id| !seen(&door, **id).is_empty());
        assert_eq!(proven.count() as u64, status.seen.found);
        assert!((20..=90).contains(&status.seen.found), "{status:?}");
        door.stop().await;
    });
}

#[test]
fn a_server_that_is_away_makes_nothing_missing() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let boxes = Boxes::default();
        let landings = watching(&door, &boxes).await;
        sleep(SECOND).await;
        boxes.change(|state| {
            state.away = true;
            state.shut = Some("m1@onprem.example".to_owned());
        });
        letters(&door, 14, "onprem.example").await;
        drained(&door).await;
        sleep(20 * WITHIN).await;
        let status = landings.status().unwrap();
        assert_eq!((status.pending, status.missing_now), (14, 0), "{status:?}");
        assert!(status.waits_for.unwrap().contains("imap://onprem"));
        boxes.change(|state| state.away = false);
        let status = until(&landings, |status| status.pending == 0).await;
        assert_eq!((status.seen.found, status.seen.not_asked), (12, 2));
        assert_eq!(status.seen.unasked[0].mailbox, "m1@onprem.example");
        assert_eq!((status.missing_now, status.waits_for), (0, None));
        door.stop().await;
    });
}

#[test]
fn replays_are_looked_for_and_a_check_counts_what_it_is_asked_for() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let boxes = Boxes::default();
        let landings = watching(&door, &boxes).await;
        sleep(SECOND).await;
        let sent = letters(&door, 10, "onprem.example").await;
        drained(&door).await;
        until(&landings, |status| status.seen.found == 10).await;
        let replays = desk(&door);
        replays.ask_with(Arc::new(boxes.clone()));
        let id = start(&replays, &onprem(), all(&door)).await;
        ended(&replays, &id).await;
        until(&landings, |status| status.seen.found == 20).await;

        boxes.change(|state| {
            state.places.insert(sent[0], None);
            state.places.insert(sent[1], Some(FolderKind::Trash));
            state.shut = Some("m2@onprem.example".to_owned());
        });
        let check = replays
            .check(&onprem(), (all(&door), People::new()))
            .await
            .unwrap();
        assert_eq!(
            (check.checked, check.found, check.missing),
            (8, 7, 1),
            "{check:?}"
        );
        let folders = [(FolderKind::Inbox, 6), (FolderKind::Trash, 1)];
        assert_eq!(check.folders, BTreeMap::from(folders));
        assert_eq!((check.not_asked, check.mail[0].id), (2, sent[0]));
        assert_eq!(landings.missing().unwrap(), 1);
        assert_eq!(seen(&door, sent[0]).last(), Some(&Landing::Missing));
        // What another backend took was never in these mailboxes.
        letters(&door, 3, "cloud.example").await;
        drained(&door).await;
        let again = replays.check(&onprem(), (all(&door), People::new())).await;
        assert_eq!(again.unwrap().missing, 1);
        assert_eq!(landings.missing().unwrap(), 1, "on the list once");
        let waiting = Selection {
            which: Which::Unfinished,
            missing_only: true,
            ..all(&door)
        };
        let at = onprem();
        let refused = replays.check(&at, (waiting.clone(), People::new()));
        assert!(matches!(refused.await, Err(ReplayError::NotDelivered)));
        let refused = replays.plan(&at, (waiting, People::new()), "ann");
        assert!(matches!(refused.await, Err(ReplayError::NotDelivered)));
        let none = Selection {
            since: door.now(),
            ..all(&door)
        };
        assert!(
            replays
                .check(&onprem(), (none, People::new()))
                .await
                .is_err()
        );
        door.stop().await;
    });
}

/// What outlives the kills of a process.
struct Kept {
    platforms: Platforms,
    boxes: Boxes,
    disk: SimDisk,
    elapsed: Duration,
    sent: Vec<SpoolId>,
}

const LIVES: u32 = 3;

#[test]
fn kills_forget_no_delivery_and_say_nothing_twice() {
    let chance = Chance::new(3);
    let mut kept = Kept {
        platforms: Platforms::new(&PLATFORMS, chance.clone(), 0),
        boxes: Boxes::default(),
        disk: SimDisk::default(),
        elapsed: Duration::ZERO,
        sent: Vec::new(),
    };
    for life in 0..=LIVES {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(one_life(&mut kept, life, &chance));
        drop(runtime);
        kept.platforms.forget_attempts();
        kept.disk.power_cut(&mut chance.clone());
    }
}

async fn one_life(kept: &mut Kept, life: u32, chance: &Chance) {
    let begun = tokio::time::Instant::now();
    let mut site = Site::with_chance(chance.clone(), 0);
    site.platforms = kept.platforms.clone();
    site.disk = kept.disk.clone();
    site.clock.set_forward(kept.elapsed);
    site.platforms.set_clock(Clock::new(site.clock.clone()));
    let door = site.open();
    let landings = watching(&door, &kept.boxes).await;
    sleep(SECOND).await;
    if life < LIVES {
        kept.sent.extend(letters(&door, 10, "onprem.example").await);
        drained(&door).await;
        // Before the first look in the first life, after it in the last.
        sleep(Duration::from_secs(u64::from(life) * 5)).await;
    } else {
        for id in &kept.sent {
            for _ in 0..1_000 {
                if !seen(&door, *id).is_empty() {
                    break;
                }
                sleep(SECOND).await;
            }
        }
        sleep(5 * WITHIN).await;
        for id in &kept.sent {
            assert_eq!(seen(&door, *id), [found(FolderKind::Inbox)], "{id}");
        }
        assert_eq!(landings.status().unwrap().pending, 0);
        door.stop().await;
    }
    kept.elapsed += begun.elapsed() + SECOND;
}
