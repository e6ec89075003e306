//! A replay of what is missing: the mailboxes are asked, what they have is not brought, and who
//! cannot be asked gets nothing unless somebody says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideover::base::{Boxed, Clock};
use tideover::imap::{FolderKind, ImapError, Mailboxes, Place, Purpose, Wanted};
use tideover::mail::{BackendId, SpoolId};
use tideover::queue::replay::{People, ReplayState, Replays, Selection, Skip};
use tideover::smtp::Mailbox;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::disk::SimDisk;
use crate::door::{Door, Site, simulate};
use crate::platforms::Platforms;
use crate::replays::{all, desk, drained, ended, letters, onprem, start};
use crate::world::PLATFORMS;

const SECOND: Duration = Duration::from_secs(1);

/// The mailboxes of a platform that lost some of its mail.
#[derive(Debug, Clone)]
struct Boxes {
    platforms: Platforms,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What was not lost, and where it is.
    kept: BTreeMap<SpoolId, FolderKind>,
    /// Mailboxes that refuse our login.
    shut: BTreeSet<String>,
    /// So often a connection to this mailbox breaks.
    breaks: BTreeMap<String, u32>,
    /// So often the server is not there.
    away: u32,
    /// Who was asked to the end.
    asked: Vec<String>,
}

impl Boxes {
    fn new(platforms: &Platforms) -> Self {
        Self {
            platforms: platforms.clone(),
            state: Arc::default(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        asked.sort();
        asked
    }

    fn look(&self, mailbox: &Mailbox, wanted: &[Wanted]) -> Result<Vec<Option<Place>>, ImapError> {
        let name = mailbox.to_string();
        let mut state = self.state.lock().unwrap();
        if state.away > 0 {
            state.away -= 1;
            let (server, why) = ("imap://onprem".to_owned(), "refused".to_owned());
            return Err(ImapError::Unreachable { server, why });
        }
        if state.shut.contains(&name) {
            let why = "NO [AUTHENTICATIONFAILED]".to_owned();
            return Err(ImapError::Login { name, why });
        }
        if let Some(left @ 1..) = state.breaks.get_mut(&name) {
            *left -= 1;
            return Err(ImapError::Broken("it died".to_owned()));
        }
        state.asked.push(name);
        let look = |one: &Wanted| {
            // Whatever came after the first delivery came after the loss.
            let came_again = self.platforms.arrivals(one.id, 0).len() > 1;
            let kind = state.kept.get(&one.id).copied();
            kind.or(came_again.then_some(FolderKind::Inbox))
                .map(|kind| Place {
                    kind,
                    folder: "a folder".to_owned(),
                    verdict: String::new(),
                })
        };
        Ok(wanted.iter().map(look).collect())
    }
}

impl Mailboxes for Boxes {
    fn at_a_time(&self, _backend: &BackendId) -> usize {
        2
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

fn gap(door: &Door) -> Selection {
    Selection {
        missing_only: true,
        ..all(door)
    }
}

fn asking(door: &Door, boxes: &Boxes) -> Replays {
    let replays = desk(door);
    replays.ask_with(Arc::new(boxes.clone()));
    replays
}

fn mailboxes(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let names = numbers.into_iter();
    names
        .map(|number| format!("m{number}@onprem.example"))
        .collect()
}

/// A platform that has every second of these, and one of those in the trash.
async fn half_lost(door: &Door, boxes: &Boxes, count: usize) -> (Vec<SpoolId>, Vec<SpoolId>) {
    let sent = letters(door, count, "onprem.example").await;
    drained(door).await;
    sleep(SECOND).await;
    let (kept, lost): (Vec<_>, Vec<_>) = sent.into_iter().partition(|id| id.as_u64() % 2 == 0);
    assert!(kept.len() > 3 && lost.len() > 3);
    boxes.change(|state| {
        state.kept = kept.iter().map(|id| (*id, FolderKind::Inbox)).collect();
        state.kept.insert(kept[0], FolderKind::Trash);
    });
    (kept, lost)
}

fn skipped(plan: &tideover::queue::replay::Plan) -> BTreeMap<Skip, u64> {
    let skipped = plan.skipped.iter();
    skipped.map(|one| (one.reason, one.recipients)).collect()
}

#[test]
fn only_what_the_mailboxes_do_not_have_is_brought() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let boxes = Boxes::new(&site.platforms);
        let replays = asking(&door, &boxes);
        let (kept, lost) = half_lost(&door, &boxes, 40).await;
        let (kept_number, lost_number) = (kept.len() as u64, lost.len() as u64);

        let meant = (gap(&door), People::new());
        let planned = replays.plan(&onprem(), meant, "ann").await.unwrap();
        let plan = &planned.plan;
        assert_eq!((plan.recipients, plan.messages), (lost_number, lost_number));
        let expected = [(Skip::Present, kept_number - 1), (Skip::InTrash, 1)];
        assert_eq!(skipped(plan), BTreeMap::from(expected));
        assert_eq!(boxes.asked(), mailboxes(0..7), "each once");
        assert_eq!(site.copies(), 40, "a plan sends nothing");

        replays.start(&planned.id, "ann").await.unwrap();
        let done = ended(&replays, &planned.id).await;
        let counts = &done.replay.counts;
        assert_eq!(done.replay.state, ReplayState::Done);
        assert_eq!(
            (counts.delivered, counts.present),
            (lost_number, kept_number)
        );
        assert_eq!((done.total, counts.ended()), (40, 40));
        assert_eq!(boxes.asked(), mailboxes(0..7), "each once");
        assert!(kept.iter().all(|id| site.places(*id, 0).len() == 1));
        assert!(lost.iter().all(|id| site.places(*id, 0).len() == 2));

        // Once more: nothing, also when marks do not count.
        for again in [false, true] {
            let id = start(
                &replays,
                &onprem(),
                Selection {
                    again,
                    ..gap(&door)
                },
            )
            .await;
            assert_eq!(ended(&replays, &id).await.replay.counts.delivered, 0);
        }
        door.stop().await;
    });
}

#[test]
fn who_cannot_be_asked_gets_nothing_unless_it_is_said_and_trouble_is_waited_for() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let boxes = Boxes::new(&site.platforms);
        let replays = asking(&door, &boxes);
        let (kept, lost) = half_lost(&door, &boxes, 42).await;
        let [shut, broken] = [0, 1].map(|number| format!("m{number}@onprem.example"));
        boxes.change(|state| {
            state.shut.insert(shut.clone());
            state.away = 1;
        });
        let meant = || (gap(&door), People::new());
        let away = replays.plan(&onprem(), meant(), "ann").await.unwrap_err();
        assert!(away.to_string().contains("imap://onprem"), "{away}");
        let planned = replays.plan(&onprem(), meant(), "ann").await.unwrap();
        let unasked = &planned.plan.unasked;
        assert_eq!(
            (unasked.len(), unasked[0].mailbox.as_str()),
            (1, shut.as_str())
        );
        assert!(
            unasked[0].why.contains("AUTHENTICATIONFAILED"),
            "{unasked:?}"
        );
        assert_eq!(skipped(&planned.plan)[&Skip::NotAsked], 6);

        boxes.change(|state| {
            state.away = 3;
            state.breaks.insert(broken.clone(), 3);
        });
        replays.start(&planned.id, "ann").await.unwrap();
        sleep(10 * SECOND).await;
        let status = replays.status(&planned.id).unwrap();
        assert!(status.waits_for.unwrap().contains("imap://onprem"));
        let done = ended(&replays, &planned.id).await;
        let counts = &done.replay.counts;
        assert_eq!((counts.not_asked, counts.ended()), (6, 42), "{counts:?}");
        assert_eq!(counts.unasked[0].mailbox, shut);
        assert_eq!(counts.delivered, planned.plan.recipients);
        let copies =
            |ids: &[SpoolId]| -> usize { ids.iter().map(|id| site.places(*id, 0).len() - 1).sum() };
        assert_eq!(copies(&kept), 0);
        assert_eq!(copies(&lost) as u64, counts.delivered);

        // A mailbox whose connections always break is given up, too.
        boxes.change(|state| {
            state.breaks.insert(broken, 1_000);
        });
        let again = Selection {
            again: true,
            ..gap(&door)
        };
        let id = start(&replays, &onprem(), again).await;
        assert_eq!(ended(&replays, &id).await.replay.counts.not_asked, 12);

        let told = Selection {
            unasked: true,
            ..gap(&door)
        };
        let id = start(&replays, &onprem(), told).await;
        let done = ended(&replays, &id).await.replay;
        assert!(done.counts.delivered >= 6, "all of the shut one: {done:?}");
        assert_eq!(done.counts.not_asked, 0);
        assert!(lost.iter().all(|id| site.places(*id, 0).len() == 2));
        door.stop().await;
    });
}

/// What outlives the kills of a process.
struct Kept {
    chance: Chance,
    platforms: Platforms,
    boxes: Boxes,
    disk: SimDisk,
    elapsed: Duration,
    halves: (Vec<SpoolId>, Vec<SpoolId>),
}

const LIVES: u32 = 4;

#[test]
fn kills_and_power_cuts_in_the_middle_bring_nothing_twice() {
    let chance = Chance::new(7);
    let platforms = Platforms::new(&PLATFORMS, chance.clone(), 0);
    let mut kept = Kept {
        boxes: Boxes::new(&platforms),
        platforms,
        chance,
        disk: SimDisk::default(),
        elapsed: Duration::ZERO,
        halves: Default::default(),
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
        if life % 2 == 1 {
            kept.disk.power_cut(&mut kept.chance.clone());
        }
    }
}

async fn one_life(kept: &mut Kept, life: u32) {
    let begun = tokio::time::Instant::now();
    let mut site = Site::with_chance(kept.chance.clone(), 0);
    site.platforms = kept.platforms.clone();
    site.disk = kept.disk.clone();
    site.clock.set_forward(kept.elapsed);
    site.platforms.set_clock(Clock::new(site.clock.clone()));
    let door = site.open();
    let replays = asking(&door, &kept.boxes);
    if life == 0 {
        kept.halves = half_lost(&door, &kept.boxes, 60).await;
        start(&replays, &onprem(), gap(&door)).await;
    } else {
        replays.start_open().await.unwrap();
    }
    if life < LIVES {
        // From before the first answer to after the first deliveries.
        sleep(Duration::from_millis(300 + u64::from(life) * 1_500)).await;
    } else {
        let done = ended(&replays, "r1").await;
        assert_eq!(done.replay.state, ReplayState::Done, "{done:?}");
        let (here, lost) = &kept.halves;
        for id in here {
            assert_eq!(site.places(*id, 0).len(), 1, "{id} was there");
        }
        for id in lost {
            assert_eq!(site.places(*id, 0).len(), 2, "{id} was missing");
        }
        door.stop().await;
    }
    kept.elapsed += begun.elapsed() + SECOND;
}
