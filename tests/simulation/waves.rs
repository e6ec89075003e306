//! Users who change home together while mail flows.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use tideover::base::Clock;
use tideover::directory::{
    Allowed, BadRows, Cause, Extent, FILE, GenerationOptions, Generations, Guard, Import, Mode,
    Note, Rules, Said, Wave, WaveFacts, WaveFile, Waves, plan_wave,
};
use tideover::mail::{BackendId, SpoolId};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::door::{Door, Site, simulate};
use crate::platforms::Seen;
use crate::seeds::each_seed;
use crate::world::{PLATFORMS, domain};

const MINUTE: Duration = Duration::from_secs(60);
/// An attempt that began before a wave may end after it, and each connection has one prepared.
const UNDER_WAY: Duration = Duration::from_secs(10);
const USERS: usize = 30;

pub(crate) fn user(number: usize) -> String {
    format!("u{number}@onprem.example")
}

/// A front door with a directory in the log, and where everybody lived when.
pub(crate) struct House {
    pub(crate) door: Door,
    pub(crate) generations: Generations,
    pub(crate) waves: Waves,
}

impl House {
    pub(crate) async fn open(site: &Site) -> Self {
        let (door, committed) = site.open_quietly();
        let options = GenerationOptions {
            rules: Rules::of(PLATFORMS.map(domain).into()),
            backends: PLATFORMS.map(BackendId::new).into(),
            max_delete_percent: 5,
        };
        let clock = Clock::new(site.clock.clone());
        let handle = door.directory.clone();
        let generations = Generations::new(handle, door.spool.clone(), clock, options);
        generations.restore().await.unwrap();
        let waves = Waves::new(generations.clone(), door.spool.clone());
        door.queue.start(committed);
        waves.resume().await.unwrap();
        Self {
            door,
            generations,
            waves,
        }
    }

    /// Where a user lives now.
    pub(crate) fn home(&self, number: usize) -> &'static str {
        let directory = self.generations.current();
        let (entry, _) = directory.find(&user(number).parse().unwrap()).unwrap();
        let home = directory.home_of(&entry).unwrap();
        let known = PLATFORMS.iter().find(|name| home.as_str() == **name);
        known.unwrap()
    }

    pub(crate) async fn import(&self) {
        let rows: String = (0..USERS)
            .map(|number| user(number) + ",onprem\n")
            .collect();
        self.import_csv(&format!("address,home\n{rows}")).await;
    }

    /// The whole directory, as a file says it.
    pub(crate) async fn import_csv(&self, text: &str) {
        let import = Import {
            source: FILE.to_owned(),
            extent: Extent::All,
            bad: BadRows::Refuse,
            home: None,
        };
        let note = Note {
            author: "root".to_owned(),
            reason: String::new(),
            cause: Cause::Import,
            source: Some(FILE.to_owned()),
        };
        let file = Cursor::new(text.as_bytes().to_vec());
        let mode = Mode::Commit(Guard::Off);
        self.generations
            .import(file, import, (note, mode))
            .await
            .unwrap();
    }

    /// The users of a third, given their new home.
    async fn start(&self, third: usize, homes: &mut Homes) -> Wave {
        let users = third * USERS / 3..(third + 1) * USERS / 3;
        let text: String = users.clone().map(|number| user(number) + "\n").collect();
        let file = WaveFile::parse(text.as_bytes()).unwrap();
        let (name, cloud) = (format!("wave{third}.txt"), BackendId::new("cloud"));
        let locked = (text.into_bytes().into(), &file);
        let wave = self
            .waves
            .lock((&name, &cloud), locked, said())
            .await
            .unwrap();
        let directory = self.generations.current();
        let plan = plan_wave(&directory, &file, &cloud, &WaveFacts::default());
        let with = (&plan, Allowed::default());
        let wave = self.waves.start(wave, with, said()).await.unwrap();
        self.door.queue.look_anew();
        homes.note(users, "cloud");
        wave
    }

    async fn revert(&self, wave: Wave, third: usize, homes: &mut Homes) {
        self.waves.revert(wave, said()).await.unwrap();
        self.door.queue.look_anew();
        homes.note(third * USERS / 3..(third + 1) * USERS / 3, "onprem");
    }
}

fn said() -> Said {
    Said {
        actor: "root".to_owned(),
        reason: "a test".to_owned(),
    }
}

/// Where each user lived from when on.
struct Homes(BTreeMap<String, Vec<(Instant, &'static str)>>);

impl Homes {
    fn new() -> Self {
        let begun = (Instant::now(), "onprem");
        Self(
            (0..USERS)
                .map(|number| (user(number), vec![begun]))
                .collect(),
        )
    }

    fn note(&mut self, users: std::ops::Range<usize>, home: &'static str) {
        for number in users {
            let of = self.0.get_mut(&user(number)).unwrap();
            of.push((Instant::now(), home));
        }
    }

    /// Was this backend the user's home when it got a message, or just before?
    fn fit(&self, seen: &Seen) -> bool {
        let lived = &self.0[&seen.address];
        let ends = lived.iter().skip(1).map(|(since, _)| Some(*since));
        let mut spans = lived.iter().zip(ends.chain([None]));
        spans.any(|((since, home), until)| {
            seen.backend.as_str() == *home
                && *since <= seen.at + UNDER_WAY
                && until.is_none_or(|until| seen.at <= until + UNDER_WAY)
        })
    }
}

/// A message to one user, or to some.
async fn send(house: &House, chance: &Chance, sent: &mut Vec<(SpoolId, usize)>) {
    let count = 1 + usize::try_from(chance.below(3)).unwrap();
    let first = usize::try_from(chance.below(USERS as u64)).unwrap();
    let to: Vec<String> = (0..count).map(|n| user((first + 7 * n) % USERS)).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    sent.push((house.door.send(&to).await, count));
}

async fn flow(house: &House, site: &Site, sent: &mut Vec<(SpoolId, usize)>, minutes: u32) {
    let end = Instant::now() + minutes * MINUTE;
    while Instant::now() < end {
        send(house, &site.chance, sent).await;
        sleep(Duration::from_secs(1 + site.chance.below(9))).await;
    }
}

/// Three waves while mail flows, with an outage of each platform, a restart, and one wave taken
/// back: nothing is lost, nothing comes twice, and each message is at the home that its recipient
/// had when it was delivered.
#[test]
fn three_waves_while_mail_flows() {
    each_seed(4, |seed| {
        simulate(async {
            let site = Site::seeded(seed);
            let mut house = House::open(&site).await;
            house.import().await;
            let mut homes = Homes::new();
            let mut sent = Vec::new();
            flow(&house, &site, &mut sent, 5).await;
            let first = house.start(0, &mut homes).await;
            flow(&house, &site, &mut sent, 5).await;
            // The new home fails in the middle of the second wave.
            site.platforms.set_up("cloud", false);
            flow(&house, &site, &mut sent, 5).await;
            house.start(1, &mut homes).await;
            flow(&house, &site, &mut sent, 5).await;
            house.door.stop().await;
            house = House::open(&site).await;
            flow(&house, &site, &mut sent, 5).await;
            // The first is taken back while its mail waits for the new home.
            sent.push((house.door.send(&[&user(3)]).await, 1));
            sleep(MINUTE).await;
            let waiting = house.door.queue.waits_of(&user(3), None).unwrap();
            let before = site.copies();
            house.revert(first, 0, &mut homes).await;
            sleep(2 * MINUTE).await;
            assert!(waiting.waiting > 0 && site.copies() > before, "seed {seed}");
            let back = house.door.queue.waits_of(&user(3), None).unwrap();
            assert_eq!(back.waiting, 0, "seed {seed}: it followed back");
            site.platforms.set_up("cloud", true);
            flow(&house, &site, &mut sent, 5).await;
            // The old home fails, and the third wave leads out of it.
            site.platforms.set_up("onprem", false);
            flow(&house, &site, &mut sent, 5).await;
            let last = user(2 * USERS / 3 + 1);
            sent.push((house.door.send(&[&last]).await, 1));
            sleep(MINUTE).await;
            let waiting = house.door.queue.waits_of(&last, None).unwrap();
            assert!(
                waiting.waiting > 0 && waiting.outside("onprem") == 0,
                "seed {seed}"
            );
            house.start(2, &mut homes).await;
            sleep(2 * MINUTE).await;
            let followed = house.door.queue.waits_of(&last, None).unwrap();
            assert_eq!(followed.waiting, 0, "seed {seed}: it followed");
            site.platforms.set_up("onprem", true);
            flow(&house, &site, &mut sent, 5).await;
            sleep(30 * MINUTE).await;

            let all: usize = sent.iter().map(|(_, count)| count).sum();
            let ids: Vec<SpoolId> = sent.iter().map(|(id, _)| *id).collect();
            assert_eq!(
                house.door.words(&ids),
                [("delivered", all)].into(),
                "seed {seed}"
            );
            assert_eq!(site.copies(), all, "seed {seed}: each came once");
            let seen = site.platforms.take_seen();
            for one in &seen {
                assert!(homes.fit(one), "seed {seed}: {one:?}");
            }
            let clouds = seen.iter().filter(|one| one.backend.as_str() == "cloud");
            assert!(clouds.count() > 50, "seed {seed}");
            house.door.stop().await;
        });
    });
}
