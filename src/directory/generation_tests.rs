//! Generations: any sequence of imports, edits and reverts, and what the log makes of it.

use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::join_tests::check_owners;
use super::*;
use crate::base::{Clock, TimeSource, Timestamp};
use crate::mail::BackendId;
use crate::spool::{Options, Spool, World};

#[derive(Debug, Clone)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl TimeSource for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct House {
    pub(crate) generations: Generations,
    pub(super) handle: DirectoryHandle,
    pub(super) spool: Spool,
    pub(super) hands: Hands,
    _committed: tokio::sync::mpsc::Receiver<crate::spool::Committed>,
    dir: tempfile::TempDir,
}

pub(super) fn options() -> GenerationOptions {
    GenerationOptions {
        rules: Rules {
            order: vec![FILE.to_owned(), "other".to_owned()],
            ..Rules::default()
        },
        backends: vec![BackendId::new("onprem"), BackendId::new("cloud")],
        max_delete_percent: 20,
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Options::new(dir.path());
        spool.min_free = 0;
        let opened = Spool::open(spool, World::system()).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no shutdown to wait for"
        )]
        tokio::spawn(opened.writer.run());
        let hands = Hands(Arc::new(AtomicU64::new(1_000_000)));
        let handle = DirectoryHandle::new(Builder::new(options().rules).finish());
        let clock = Clock::new(hands.clone());
        Self {
            generations: Generations::new(handle.clone(), opened.spool.clone(), clock, options()),
            handle,
            spool: opened.spool,
            hands,
            _committed: opened.committed,
            dir,
        }
    }

    /// What is in the log on disk, byte for byte.
    fn log(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(self.dir.path().join("log")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let read = files.iter().map(|path| std::fs::read(path).unwrap());
        read.collect()
    }

    /// What a server that starts now has.
    pub(super) async fn restarted(&self) -> Arc<Directory> {
        let again = generations(&self.spool, &self.hands);
        again.restore().await.unwrap();
        again.current()
    }

    pub(crate) fn forward_days(&self, days: u64) {
        self.forward(Duration::from_secs(days * 24 * 3_600));
    }

    pub(super) fn forward(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        self.hands.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) async fn import(
        &self,
        source: &str,
        text: &str,
        mode: Mode,
    ) -> Result<Outcome, DirectoryError> {
        self.forward(Duration::from_secs(1));
        let import = Import {
            source: source.to_owned(),
            extent: Extent::All,
            bad: BadRows::Refuse,
            home: None,
        };
        let note = Note {
            source: Some(source.to_owned()),
            ..note(Cause::Import)
        };
        let done = self.generations.import(file(text), import, (note, mode));
        done.await.map(|done| done.outcome)
    }
}

pub(super) fn generations(spool: &Spool, hands: &Hands) -> Generations {
    let handle = DirectoryHandle::new(Builder::new(options().rules).finish());
    Generations::new(handle, spool.clone(), Clock::new(hands.clone()), options())
}

pub(super) fn file(text: &str) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

pub(super) fn note(cause: Cause) -> Note {
    Note {
        author: "ann".to_owned(),
        reason: "a test".to_owned(),
        cause,
        source: Some(FILE.to_owned()),
    }
}

pub(crate) const FORCE: Mode = Mode::Commit(Guard::Off);
pub(super) const CAREFUL: Mode = Mode::Commit(Guard::On);

fn shown(directory: &Directory) -> Vec<String> {
    let entries = directory.entries().filter(|one| one.departed.is_none());
    let mut shown: Vec<String> = entries
        .map(|entry| serde_json::to_string(&entry).unwrap())
        .collect();
    shown.sort();
    shown
}

#[tokio::test]
async fn a_change_is_a_generation_and_no_change_is_none() {
    let house = House::new();
    let text = "address,home\nann@example.org,onprem\nbob@example.org,cloud\n";
    let Outcome::Done(first) = house.import(FILE, text, CAREFUL).await.unwrap() else {
        panic!("no generation");
    };
    assert_eq!((first.number, first.effect.added, first.pages), (1, 2, 1));
    assert_eq!(first.author, "ann");
    let log = house.log();
    assert_eq!(
        house.import(FILE, text, CAREFUL).await.unwrap(),
        Outcome::Unchanged
    );
    assert_eq!(house.generations.list().await.unwrap().len(), 1);
    assert!(house.log() == log, "nothing was written");

    let moved = text.replace("bob@example.org,cloud", "bob@example.org,onprem");
    let would = house.import(FILE, &moved, Mode::DryRun).await.unwrap();
    assert!(matches!(would, Outcome::Would { generation, .. } if generation.effect.moved == 1));
    assert!(house.log() == log, "only looked");
    house.import(FILE, &moved, CAREFUL).await.unwrap();
    assert!(house.log() != log);
    let (changes, _) = house.generations.diff(1, 2).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].id, "bob@example.org");
    assert_eq!(
        changes[0].before.as_ref().unwrap().home,
        Some(BackendId::new("cloud"))
    );
    let (back, _) = house.generations.diff(2, 1).await.unwrap();
    assert_eq!(back[0].after, changes[0].before);
    assert_eq!(
        shown(&*house.restarted().await),
        shown(&house.generations.current())
    );
}

#[tokio::test]
async fn the_guard_stops_what_would_delete_or_move_too_many() {
    let house = House::new();
    let people: Vec<String> = (0..20)
        .map(|n| format!("p{n}@example.org,onprem"))
        .collect();
    let text = |people: &[String]| format!("address,home\n{}\n", people.join("\n"));
    house.import(FILE, &text(&people), CAREFUL).await.unwrap();
    house
        .import(FILE, &text(&people[..16]), CAREFUL)
        .await
        .unwrap();
    let error = house
        .import(FILE, &text(&people[..11]), CAREFUL)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "it would delete 5 and move 0 of 16 people, more than 20 % \
         (directory.max_delete_percent): p11@example.org, p12@example.org, p13@example.org, \
         p14@example.org, p15@example.org"
    );
    let moved = text(&people[..16]).replace("onprem", "cloud");
    let error = house.import(FILE, &moved, CAREFUL).await.unwrap_err();
    assert!(error.to_string().contains("move 16 of 16"), "{error}");
    assert_eq!(house.generations.current().number(), 2);
    house.import(FILE, &moved, FORCE).await.unwrap();
    assert_eq!(house.generations.current().number(), 3);
}

#[tokio::test]
async fn nothing_changes_before_the_log_is_known() {
    let house = House::new();
    let text = "address\nann@example.org\n";
    house.import(FILE, text, CAREFUL).await.unwrap();
    let early = Builder::new(options().rules).finish().provisional();
    let handle = DirectoryHandle::new(early);
    let clock = Clock::new(house.hands.clone());
    let again = Generations::new(handle, house.spool.clone(), clock, options());
    again.configure(options(), None).await.unwrap();
    let import = Import {
        source: FILE.to_owned(),
        extent: Extent::All,
        bad: BadRows::Refuse,
        home: None,
    };
    let done = again.import(file("address\n"), import, (note(Cause::Import), FORCE));
    assert!(matches!(done.await, Err(DirectoryError::Early)));
    again.restore().await.unwrap();
    assert_eq!(again.current().number(), 1);
}

#[tokio::test]
async fn who_is_gone_keeps_his_route_for_a_while() {
    let house = House::new();
    house
        .import(
            FILE,
            "address,home\na@example.org,onprem\nb@example.org,cloud\n",
            CAREFUL,
        )
        .await
        .unwrap();
    house
        .import(FILE, "address,home\na@example.org,onprem\n", CAREFUL)
        .await
        .unwrap();
    let gone = "b@example.org".parse().unwrap();
    for directory in [house.generations.current(), house.restarted().await] {
        let (entry, _) = directory.find(&gone).unwrap();
        assert!(entry.departed.is_some());
        assert_eq!(entry.home, Some(BackendId::new("cloud")));
    }
    house.forward(Duration::from_secs(31 * 24 * 3600));
    house.generations.forget_departed().await.unwrap();
    assert!(house.generations.current().find(&gone).is_none());
    assert!(house.restarted().await.find(&gone).is_none());
    // A revert brings him back, as he was.
    let outcome = house
        .generations
        .revert(1, note(Cause::Revert), CAREFUL)
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Done(one) if one.number == 3));
    let (entry, _) = house.generations.current().find(&gone).unwrap();
    assert_eq!(entry.departed, None);
}

#[tokio::test]
async fn the_directory_of_an_earlier_time_can_be_had() {
    let house = House::new();
    house
        .import(FILE, "address,home\na@example.org,onprem\n", CAREFUL)
        .await
        .unwrap();
    let then = Timestamp::from_millis(house.hands.0.load(Ordering::Relaxed));
    house
        .import(FILE, "address,home\na@example.org,cloud\n", CAREFUL)
        .await
        .unwrap();
    let (generation, directory) = house.generations.as_of(then).await.unwrap();
    assert_eq!(generation.number, 1);
    let (entry, _) = directory.find(&"a@example.org".parse().unwrap()).unwrap();
    assert_eq!(entry.home, Some(BackendId::new("onprem")));
    let error = house.generations.as_of(Timestamp::EPOCH).await.unwrap_err();
    assert!(error.to_string().ends_with("there was no directory yet"));
    let error = house.generations.diff(1, 9).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no generation 9, the last one is 2"
    );
}

#[tokio::test]
async fn an_address_keeps_its_owner() {
    let house = House::new();
    house
        .import(
            FILE,
            "address,aliases\na@example.org,\nb@example.org,info@example.org\n",
            FORCE,
        )
        .await
        .unwrap();
    // The entry before him claims it now, too.
    let both = "address,aliases\na@example.org,info@example.org\nb@example.org,info@example.org\n";
    house.import(FILE, both, FORCE).await.unwrap();
    let info = "info@example.org".parse().unwrap();
    for directory in [house.generations.current(), house.restarted().await] {
        let (owner, _) = directory.find(&info).unwrap();
        assert_eq!(owner.address.to_string(), "b@example.org");
        assert_eq!(directory.conflicts().len(), 1);
        assert_eq!(directory.conflicts()[0].claimant, "a@example.org");
        assert_eq!(directory.conflicts()[0].settled, None);
        assert!(directory.is_disputed(&info));
        check_owners(&directory);
    }
}

#[tokio::test]
async fn a_bad_row_spoils_the_file_unless_it_may_be_skipped() {
    let house = House::new();
    let text = "address,home\nann@example.org,onprem\nbob,onprem\n";
    let error = house.import(FILE, text, FORCE).await.unwrap_err();
    assert!(
        error.to_string().starts_with("line 3: address: \"bob\""),
        "{error}"
    );
    assert!(house.generations.current().is_empty());
    let import = Import {
        source: FILE.to_owned(),
        extent: Extent::All,
        bad: BadRows::Skip,
        home: None,
    };
    let done = house
        .generations
        .import(file(text), import, (note(Cause::Import), FORCE));
    let done = done.await.unwrap();
    assert_eq!(done.reading.good, 1);
    assert_eq!(done.reading.errors.errors.len(), 1);
    assert_eq!(house.generations.current().len(), 1);
}

/// Skips bad rows of a file that comes as `input`.
async fn skipping(
    house: &House,
    input: impl std::io::Read + Send + 'static,
) -> Result<Imported, DirectoryError> {
    let import = Import {
        source: FILE.to_owned(),
        extent: Extent::All,
        bad: BadRows::Skip,
        home: None,
    };
    let note = note(Cause::Import);
    house.generations.import(input, import, (note, FORCE)).await
}

fn living(house: &House) -> Vec<String> {
    addresses(&house.generations.current())
}

#[tokio::test]
async fn nobody_is_gone_because_of_a_bad_row() {
    let house = House::new();
    let three = "address,home\na@example.org,onprem\nb@example.org,cloud\nc@example.org,cloud\n";
    house.import(FILE, three, CAREFUL).await.unwrap();
    // His row is bad, and c is gone for real.
    let bad = "address,home\na@example.org,onprem\nb@example.org,moon\n";
    let done = skipping(&house, file(bad)).await.unwrap();
    assert_eq!(done.reading.nameless, 0);
    assert_eq!(living(&house), ["a@example.org", "b@example.org"]);
    let b = house.generations.current();
    let (entry, _) = b.find(&"b@example.org".parse().unwrap()).unwrap();
    assert_eq!(entry.home, Some(BackendId::new("cloud")));
    // Whom does this row name? Nobody is gone, whoever comes is there.
    for (row, new) in [("b example.org,cloud", "d"), ("b@example.org", "e")] {
        let text = format!("address,home\n{row}\n{new}@example.org,onprem\n");
        let done = skipping(&house, file(&text)).await.unwrap();
        assert_eq!(done.reading.nameless, 1);
    }
    let all = ["a", "b", "d", "e"].map(|name| format!("{name}@example.org"));
    assert_eq!(living(&house), all);
}

/// A connection that breaks off.
struct Broken(&'static [u8]);

impl std::io::Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.0.read(buffer)
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_is_no_short_file() {
    let house = House::new();
    house.import(FILE, TWO, CAREFUL).await.unwrap();
    for short in ["address,home\na@example.org,onprem\n", "address,ho"] {
        let error = skipping(&house, Broken(short.as_bytes()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error}");
        assert_eq!(house.generations.current().number(), 1);
        assert_eq!(living(&house), ["a@example.org", "b@example.org"]);
    }
}

pub(super) const TWO: &str = "address,home\na@example.org,onprem\nb@example.org,cloud\n";

/// What an administrator may do.
#[derive(Debug, Clone)]
enum Deed {
    Import(bool, Vec<(String, Vec<String>, bool)>),
    Revert(u8),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let address = || "[a-d]@example\\.org";
    let row = (
        address(),
        proptest::collection::vec(address(), 0..3),
        any::<bool>(),
    );
    prop_oneof![
        4 => (any::<bool>(), proptest::collection::vec(row, 0..6))
            .prop_map(|(other, rows)| Deed::Import(other, rows)),
        1 => any::<u8>().prop_map(Deed::Revert),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_sequence_of_imports_and_reverts_keeps_one_owner_per_address(
        deeds in proptest::collection::vec(any_deed(), 1..9),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new();
            let mut contents = vec![Vec::new()];
            for deed in deeds {
                let outcome = match deed {
                    Deed::Import(other, rows) => {
                        let mut text = String::from("address,aliases,home\n");
                        for (own, aliases, cloud) in rows {
                            let home = if cloud { "cloud" } else { "onprem" };
                            writeln!(text, "{own},{},{home}", aliases.join(";")).unwrap();
                        }
                        let source = if other { "other" } else { FILE };
                        house.import(source, &text, FORCE).await.unwrap()
                    }
                    Deed::Revert(number) => {
                        let number = usize::from(number) % contents.len();
                        let to = u64::try_from(number).unwrap();
                        let reverted = house.generations.revert(to, note(Cause::Revert), FORCE);
                        let outcome = reverted.await.unwrap();
                        assert_eq!(shown(&house.generations.current()), contents[number]);
                        outcome
                    }
                };
                let current = house.generations.current();
                check_owners(&current);
                if let Outcome::Done(generation) = outcome {
                    contents.push(shown(&current));
                    assert_eq!(generation.number + 1, u64::try_from(contents.len()).unwrap());
                }
                let again = house.restarted().await;
                assert_eq!(shown(&again), shown(&current));
                assert_eq!(again.conflicts(), current.conflicts());
            }
        });
    }
}

/// Who is there, by the address of the entry.
pub(super) fn addresses(directory: &Directory) -> Vec<String> {
    let entries = directory.entries().filter(|one| one.departed.is_none());
    let mut all: Vec<String> = entries.map(|entry| entry.address.key()).collect();
    all.sort();
    all
}
