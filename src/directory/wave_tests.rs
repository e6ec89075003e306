//! Waves in the log: locked, started, taken back, and gone on with after a restart.

use bytes::Bytes;

use super::generation_tests::{House, note};
use super::*;
use crate::base::Timestamp;
use crate::mail::BackendId;

const PEOPLE: &str = "address,home\nann@example.org,onprem\nbob@example.org,onprem\n\
                      eve@example.org,cloud\n";
const WAVE: &str = "ann@example.org\nbob@example.org\n";

struct Yard {
    house: House,
    waves: Waves,
}

fn cloud() -> BackendId {
    BackendId::new("cloud")
}

fn said() -> Said {
    Said {
        actor: "root".to_owned(),
        reason: "Friday".to_owned(),
    }
}

impl Yard {
    async fn new() -> Self {
        let house = House::new();
        let mode = Mode::Commit(Guard::Off);
        house.import(FILE, PEOPLE, mode).await.unwrap();
        let waves = Waves::new(house.generations.clone(), house.spool.clone());
        Self { house, waves }
    }

    async fn lock(&self, text: &str) -> Result<Wave, DirectoryError> {
        let bytes = Bytes::from(text.to_owned());
        let file = WaveFile::parse(&bytes).unwrap();
        let home = cloud();
        let locked = self
            .waves
            .lock(("first.txt", &home), (bytes, &file), said());
        locked.await
    }

    fn plan(&self, wave: &Wave) -> WavePlan {
        let file = self.waves.file(wave).unwrap();
        let directory = self.house.generations.current();
        plan_wave(&directory, &file, &wave.to, &WaveFacts::default())
    }

    async fn start(&self, wave: Wave) -> Result<Wave, DirectoryError> {
        let plan = self.plan(&wave);
        let started = self.waves.start(wave, (&plan, Allowed::default()), said());
        started.await
    }

    fn homes(&self) -> Vec<String> {
        homes(&self.house.generations.current())
    }
}

fn homes(directory: &Directory) -> Vec<String> {
    let home = |entry: Entry| entry.home.map(|home| home.as_str().to_owned());
    directory.entries().filter_map(home).collect()
}

#[tokio::test]
async fn a_wave_is_a_generation_and_so_is_its_way_back() {
    let yard = Yard::new().await;
    let wave = yard.lock(WAVE).await.unwrap();
    assert_eq!((wave.id.as_str(), wave.users), ("w1", 2));
    assert_eq!(yard.homes(), ["onprem", "onprem", "cloud"], "only planned");
    let wave = yard.start(wave).await.unwrap();
    assert_eq!((wave.state, wave.generation), (WaveState::Started, Some(2)));
    assert_eq!(yard.homes(), ["cloud", "cloud", "cloud"]);
    let all = yard.house.generations.list().await.unwrap();
    assert_eq!(all[1].reason, "wave w1 (first.txt) starts: Friday");
    assert_eq!((all[1].author.as_str(), all[1].effect.moved), ("root", 2));
    // A source that still says the old home does not move them back.
    let mode = Mode::Commit(Guard::Off);
    let again = format!("{PEOPLE}tim@example.org,onprem\n");
    yard.house.import(FILE, &again, mode).await.unwrap();
    assert_eq!(yard.homes(), ["cloud", "cloud", "cloud", "onprem"]);
    assert_eq!(homes(&*yard.house.restarted().await), yard.homes());

    let wave = yard.waves.revert(wave, said()).await.unwrap();
    assert_eq!(
        (wave.state, wave.reverted_by),
        (WaveState::Reverted, Some(4))
    );
    assert_eq!(yard.homes(), ["onprem", "onprem", "cloud", "onprem"]);
    assert!(yard.waves.revert(wave.clone(), said()).await.is_err());
    // The same file again is another wave.
    assert_eq!(yard.lock(WAVE).await.unwrap().id, "w2");
    assert_eq!(yard.waves.list().unwrap().len(), 2);
}

/// What one wave did and another one changed is taken back from the end.
#[tokio::test]
async fn waves_over_the_same_people_are_taken_back_from_the_last() {
    let yard = Yard::new().await;
    let first = yard.lock(WAVE).await.unwrap();
    let first = yard.start(first).await.unwrap();
    let bytes = Bytes::from_static(b"bob@example.org\n");
    let file = WaveFile::parse(&bytes).unwrap();
    let home = BackendId::new("onprem");
    let second = yard
        .waves
        .lock(("first.txt", &home), (bytes, &file), said());
    let second = second.await.unwrap();
    let second = yard.start(second).await.unwrap();
    assert_eq!(yard.homes(), ["cloud", "onprem", "cloud"]);
    let why = yard.waves.revert(first.clone(), said()).await.unwrap_err();
    assert!(why.to_string().contains("`wave revert w2`"), "{why}");
    assert_eq!(
        yard.homes(),
        ["cloud", "onprem", "cloud"],
        "nothing was done"
    );
    // By the name of the file it is the last one, whichever was made first.
    let meant = yard.waves.find_to_revert("first.txt", None).unwrap();
    assert_eq!(meant.id, second.id);
    yard.waves.revert(meant, said()).await.unwrap();
    assert_eq!(yard.homes(), ["cloud", "cloud", "cloud"]);
    yard.waves.revert(first, said()).await.unwrap();
    assert_eq!(yard.homes(), ["onprem", "onprem", "cloud"]);
}

/// A file that changed after somebody looked at the plan is not what he looked at.
#[tokio::test]
async fn a_file_that_changed_is_refused() {
    let yard = Yard::new().await;
    let wave = yard.lock(WAVE).await.unwrap();
    assert!(Waves::check(&wave, WAVE.as_bytes()).is_ok());
    let other = format!("{WAVE}eve@example.org\n");
    let why = Waves::check(&wave, other.as_bytes()).unwrap_err();
    assert!(why.to_string().contains("has changed since it was planned"));
    // Planned again it is the same wave with another content; the old plan does not start.
    let anew = yard.lock(&other).await.unwrap();
    assert_eq!((anew.id.as_str(), anew.users), ("w1", 3));
    assert!(yard.start(anew.clone()).await.is_ok());
    assert!(yard.waves.revert(wave, said()).await.is_err());
    let twice = yard.lock(&other).await.unwrap_err().to_string();
    assert!(twice.contains("has started"), "{twice}");
}

#[tokio::test]
async fn a_plan_against_an_older_directory_does_not_start() {
    let yard = Yard::new().await;
    let wave = yard.lock(WAVE).await.unwrap();
    let plan = yard.plan(&wave);
    let text = format!("{PEOPLE}tim@example.org,onprem\n");
    let mode = Mode::Commit(Guard::Off);
    yard.house.import(FILE, &text, mode).await.unwrap();
    let with = (&plan, Allowed::default());
    let refused = yard.waves.start(wave.clone(), with, said()).await;
    assert!(refused.unwrap_err().to_string().contains("has changed"));
    assert_eq!(yard.start(wave).await.unwrap().state, WaveState::Started);
}

/// What was said by hand before comes back; what was said since stays.
#[tokio::test]
async fn the_way_back_leaves_alone_what_others_said() {
    let yard = Yard::new().await;
    let hand = |home: &str, delivery: &str| {
        let address: crate::smtp::Mailbox = "ann@example.org".parse().unwrap();
        let mut record = Record::new(address.clone());
        record.home = Some(BackendId::new(home));
        record.delivery_address = Some(delivery.parse().unwrap());
        vec![(address, Some(record))]
    };
    let free = || (note(Cause::Hand), Mode::Commit(Guard::Off));
    let generations = yard.house.generations.clone();
    generations
        .say(hand("onprem", "ann@a.example"), free())
        .await
        .unwrap();
    let wave = yard.lock(WAVE).await.unwrap();
    let wave = yard.start(wave).await.unwrap();
    let ann = || {
        generations
            .current()
            .find(&"ann@example.org".parse().unwrap())
            .unwrap()
            .0
    };
    let told = |entry: Entry| {
        (
            entry.home,
            entry.delivery_address.map(|one| one.to_string()),
        )
    };
    let delivery = |name: &str| Some(format!("ann@{name}.example"));
    assert_eq!(told(ann()), (Some(cloud()), delivery("a")));
    // Her delivery address is said anew, Bob is moved on by hand.
    generations
        .say(hand("cloud", "ann@b.example"), free())
        .await
        .unwrap();
    let bob: crate::smtp::Mailbox = "bob@example.org".parse().unwrap();
    let mut record = Record::new(bob.clone());
    record.home = Some(BackendId::new("onprem"));
    generations
        .say(vec![(bob, Some(record))], free())
        .await
        .unwrap();
    yard.waves.revert(wave, said()).await.unwrap();
    assert_eq!(told(ann()), (Some(BackendId::new("onprem")), delivery("b")));
    assert_eq!(yard.homes(), ["onprem", "onprem", "cloud"]);
    let by_hand = |name: &str| {
        let address = name.parse().unwrap();
        let (_, from) = generations.current().provenance(&address).unwrap();
        from.get(&Fact::Home).cloned().unwrap()
    };
    assert_eq!(by_hand("bob@example.org"), [HAND]);
}

/// The process dies between the generation and the note that it was made, or before both.
#[tokio::test]
async fn a_start_that_was_cut_off_is_gone_on_with() {
    for made in [true, false] {
        let yard = Yard::new().await;
        let wave = yard.lock(WAVE).await.unwrap();
        let wave = yard.start(wave).await.unwrap();
        let mut cut = wave.clone();
        (cut.state, cut.generation, cut.started) = (WaveState::Starting, None, None);
        let fact = serde_json::to_value(&cut).unwrap();
        let put = |fact| {
            yard.house
                .spool
                .put_fact("wave", "wave/00000001", Some(fact))
        };
        put(fact).await.unwrap();
        if !made {
            let free = (note(Cause::Revert), Mode::Commit(Guard::Off));
            yard.house
                .generations
                .revert(1, free.0, free.1)
                .await
                .unwrap();
        }
        yard.waves.resume().await.unwrap();
        let now = yard.waves.find("first.txt", Some(&cloud())).unwrap();
        let number = if made { 2 } else { 4 };
        assert_eq!(
            (now.state, now.generation),
            (WaveState::Started, Some(number))
        );
        assert_eq!(yard.homes(), ["cloud", "cloud", "cloud"]);
        let report = yard.waves.report(&now).unwrap();
        assert_eq!(report.len(), 2);

        let mut cut = now;
        cut.state = WaveState::Reverting;
        put(serde_json::to_value(&cut).unwrap()).await.unwrap();
        yard.waves.resume().await.unwrap();
        let now = yard.waves.find("w1", None).unwrap();
        assert_eq!(now.state, WaveState::Reverted);
        assert_eq!(yard.homes(), ["onprem", "onprem", "cloud"]);
    }
}

#[tokio::test]
async fn a_scheduled_wave_waits_for_its_time_and_can_be_called_off() {
    let yard = Yard::new().await;
    let wave = yard.lock(WAVE).await.unwrap();
    let at = Timestamp::from_millis(5_000_000);
    let when = (at, Allowed::default());
    let wave = yard.waves.schedule(wave, when, said()).await.unwrap();
    let scheduled = yard.waves.scheduled().unwrap();
    assert_eq!(scheduled, std::slice::from_ref(&wave));
    let why = yard
        .lock("eve@example.org\n")
        .await
        .unwrap_err()
        .to_string();
    assert!(why.contains("starts at 1970-01-01T01:23:20"), "{why}");
    let off = yard.waves.revert(wave, said()).await.unwrap();
    assert_eq!((off.state, off.reverted_by), (WaveState::Reverted, None));
    assert!(yard.waves.scheduled().unwrap().is_empty());
    assert_eq!(yard.homes(), ["onprem", "onprem", "cloud"]);
}
