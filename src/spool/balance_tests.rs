use std::cell::Cell;

use super::*;
use crate::mail::{
    Automatic, AutomaticDeed, AutomaticKind, AutomaticRuling, AutomaticWay, Envelope, HoldReason,
    RecipientEvent,
};
use crate::spool::World;
use crate::spool::index::{Change, Row, Store};
use crate::spool::tests::{close, envelope, open_in, options};

async fn message(spool: &Spool, to: &[&str]) -> SpoolId {
    let mut draft = spool.draft();
    draft.append(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
    spool.accept(draft, envelope(to)).await.unwrap()
}

/// Takes a row out of the index, as a fault of ours would.
fn lose(spool: &Spool, key: Vec<u8>) {
    let change: Change = (key, None);
    spool.0.index.change_in_place(vec![change], |_| {});
}

#[tokio::test]
async fn what_came_in_is_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!(spool.balance().map(|balance| balance.at), Some(None));
    let one = message(&spool, &["ann@example.org", "bob@example.org"]).await;
    message(&spool, &["cy@example.org"]).await;
    let dropped = RecipientEvent::Dropped {
        actor: "root".to_owned(),
        reason: String::new(),
    };
    spool.record(one, vec![1], dropped).await.unwrap();
    let balance = spool.count_all().await.unwrap();
    let told = (
        balance.messages,
        balance.came,
        balance.finished,
        balance.waiting,
    );
    assert_eq!((told, balance.wrong), ((2, 3, 1, 2), 0), "{balance:?}");
    let waiting: u64 = balance.backends.values().map(|sum| sum.waiting).sum();
    assert_eq!(waiting, 2);
    assert_eq!(spool.balance(), Some(balance));
    close(spool, opened).await;
}

#[tokio::test]
async fn who_waits_where_nobody_looks_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let id = message(&spool, &["ann@example.org", "bob@example.org"]).await;
    let state = spool.state(id, 0).unwrap().unwrap();
    let RecipientState::Queued { lane, due, .. } = state else {
        panic!("{state:?}");
    };
    lose(&spool, key::queued(&lane, due, id, 0));
    let balance = spool.count_all().await.unwrap();
    assert_eq!(balance.wrong, 1, "{balance:?}");
    assert!(
        balance.named[0].contains("recipient 0 is queued"),
        "{balance:?}"
    );
    lose(&spool, key::recipient(id, 1));
    let balance = spool.count_all().await.unwrap();
    assert!(
        balance.named[0].contains("2 recipients came, of 1"),
        "{balance:?}"
    );
    close(spool, opened).await;
}

#[tokio::test]
async fn a_message_whose_row_is_gone_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let id = message(&spool, &["ann@example.org", "bob@example.org"]).await;
    message(&spool, &["cy@example.org"]).await;
    assert_eq!(spool.count_all().await.unwrap().wrong, 0);
    lose(&spool, key::message(id));
    let balance = spool.count_all().await.unwrap();
    let told = balance.named.join("\n");
    assert!(
        told.contains("messages: 2 by the account, 1 by the rows"),
        "{told}"
    );
    assert!(
        told.contains("recipients: 3 by the account, 1 by the rows"),
        "{told}"
    );
    close(spool, opened).await;
}

/// A store that lists a row, and does not have it when it is asked for it.
#[derive(Debug)]
struct Ghostly(Box<dyn Store>, Arc<Mutex<Vec<u8>>>);

impl Store for Ghostly {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let is_ghost = *self.1.lock().unwrap() == key;
        if is_ghost { Ok(None) } else { self.0.get(key) }
    }
    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String> {
        self.0.scan(prefix, start, limit)
    }
    fn apply(&self, changes: Vec<Change>) -> Result<(), String> {
        self.0.apply(changes)
    }
    fn clear(&self) -> Result<(), String> {
        self.0.clear()
    }
}

#[tokio::test]
async fn a_row_that_is_listed_and_not_there_ends_the_round_and_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let id = message(&spool, &["ann@example.org"]).await;
    message(&spool, &["bob@example.org"]).await;
    close(spool, opened).await;
    let ghost = Arc::new(Mutex::new(Vec::new()));
    let mut world = World::system();
    let (open, seen) = (Arc::clone(&world.open_store), Arc::clone(&ghost));
    world.open_store = Arc::new(move |dir| {
        let store = open(dir)?;
        Ok(Box::new(Ghostly(store, Arc::clone(&seen))))
    });
    let (spool, opened) = open_in(options(dir.path()), world);
    assert_eq!(spool.count_all().await.unwrap().wrong, 0);
    *ghost.lock().unwrap() = key::message(id);
    let balance = spool.count_all().await.unwrap();
    let told = balance.named.join("\n");
    assert!(
        told.contains("messages: 2 by the account, 1 by the rows"),
        "{told}"
    );
    close(spool, opened).await;
}

#[tokio::test]
async fn a_message_whose_segment_is_gone_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = options(dir.path());
    small.segment_size = 1;
    let (spool, opened) = open_in(small, World::system());
    let mut ids = Vec::new();
    for who in ["ann", "bob", "cy", "dan"] {
        ids.push(message(&spool, &[&format!("{who}@example.org")]).await);
    }
    assert_eq!(spool.count_all().await.unwrap().wrong, 0);
    let at = spool.position_of(ids[1]).unwrap().unwrap();
    let log = dir.path().join("log");
    std::fs::remove_file(crate::spool::segment::path(&log, at.segment)).unwrap();
    let balance = spool.count_all().await.unwrap();
    let told = format!(
        "{}: segment {}, where it stands, is gone",
        ids[1], at.segment
    );
    assert_eq!((balance.wrong, balance.named), (1, vec![told]));
    close(spool, opened).await;
}

#[tokio::test]
async fn a_row_that_says_nothing_ends_no_round_and_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let id = message(&spool, &["ann@example.org"]).await;
    message(&spool, &["bob@example.org"]).await;
    let change: Change = (key::recipient(id, 0), Some(vec![0xff; 3]));
    spool.0.index.change_in_place(vec![change], |_| {});
    let balance = spool.count_all().await.unwrap();
    let told = balance.named.join("\n");
    assert!(
        told.contains(&format!("{id}: its rows cannot be read")),
        "{told}"
    );
    close(spool, opened).await;
}

/// A row that was never made, or whose loss took its share of the account with it.
#[tokio::test]
async fn a_message_that_only_the_log_knows_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let small = || {
        let mut small = options(dir.path());
        small.segment_size = 1;
        small
    };
    let (spool, opened) = open_in(small(), World::system());
    let id = message(&spool, &["ann@example.org"]).await;
    let other = message(&spool, &["cy@example.org"]).await;
    message(&spool, &["dan@example.org"]).await;
    assert!(spool.scrub().await.unwrap().segments >= 2);
    assert_eq!(spool.balance().unwrap().wrong, 0);
    lose(&spool, key::message(id));
    spool.scrub().await.unwrap();
    let balance = spool.balance().unwrap();
    let told = format!("{id}: in the log, and in no row");
    assert_eq!((balance.wrong, balance.named), (1, vec![told]));
    assert!(spool.message(other).unwrap().is_some());
    close(spool, opened).await;
    // A restart ends no alarm; an index that is made anew does.
    let (spool, opened) = open_in(small(), World::system());
    assert_eq!(spool.balance().unwrap().wrong, 1);
    close(spool, opened).await;
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let (spool, opened) = open_in(small(), World::system());
    assert!(spool.message(id).unwrap().is_some());
    assert_eq!(spool.balance().unwrap().wrong, 0);
    // Nothing is left of it when the log has been read once more.
    spool.scrub().await.unwrap();
    assert_eq!(spool.fact(ROOM, STRAYS).unwrap(), None);
    close(spool, opened).await;
}

/// However much comes, ends and goes while the rows are counted: both come to the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_meanwhile_is_no_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = options(dir.path());
    small.retain = Duration::ZERO;
    small.segment_size = 4096;
    let (spool, opened) = open_in(small, World::system());
    message(&spool, &["ann@example.org", "bob@example.org"]).await;
    let rounds = Cell::new(0);
    let traffic = async {
        let mut came = 0;
        while rounds.get() < 5 || came < 100 {
            let id = message(&spool, &["cy@example.org"]).await;
            let dropped = RecipientEvent::Dropped {
                actor: "root".to_owned(),
                reason: String::new(),
            };
            spool.record(id, vec![0], dropped).await.unwrap();
            came += 1;
            if came % 20 == 0 {
                spool.retire().await.unwrap();
            }
        }
        came
    };
    let counting = async {
        while rounds.get() < 5 {
            let balance = spool.count_all().await.unwrap();
            assert_eq!(balance.wrong, 0, "{balance:?}");
            rounds.set(rounds.get() + 1);
        }
    };
    let (came, ()) = tokio::join!(traffic, counting);
    let balance = spool.count_all().await.unwrap();
    assert_eq!((balance.wrong, balance.waiting), (0, 2), "{balance:?}");
    assert!(
        balance.messages < came,
        "retention took nothing: {balance:?}"
    );
    close(spool, opened).await;
}

/// An id is given when a message begins to come, and others may be faster.
#[tokio::test]
async fn a_slow_message_between_two_that_are_counted_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    message(&spool, &["ann@example.org"]).await;
    let mut slow = spool.draft();
    slow.append(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
    message(&spool, &["cy@example.org"]).await;
    let log = spool.segments().unwrap();
    spool.index().unwrap().count_anew();
    let mut from = b"m".to_vec();
    let mut slow = Some(slow);
    let mut passed = 0;
    let differences = loop {
        match spool.count_next(&from, &log).unwrap() {
            Step::Passed { row, odd } => {
                assert_eq!(odd, None);
                from = row;
                from.push(0);
                passed += 1;
            }
            Step::End(differences) => break differences,
        }
        if let Some(slow) = slow.take() {
            spool
                .accept(slow, envelope(&["bob@example.org"]))
                .await
                .unwrap();
        }
    };
    assert_eq!((passed, differences), (3, Vec::new()));
    close(spool, opened).await;
}

impl Spool {
    /// Without a rest, as often as it can.
    fn count_the_first(&self) -> Result<(), SpoolError> {
        let log = self.segments()?;
        self.index()?.count_anew();
        for _ in 0..20_000 {
            self.count_next(b"m", &log)?;
        }
        Ok(())
    }
}

/// The writer asks for the index all the time, while it is read for the account.
#[test]
fn counting_stops_nobody() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (told, done) = std::sync::mpsc::channel();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (spool, opened) = open_in(options(dir.path()), World::system());
        let work = async {
            let end = Cell::new(false);
            let traffic = async {
                while !end.get() {
                    let eight = (0..8).map(|_| message(&spool, &["ann@example.org"]));
                    futures_util::future::join_all(eight).await;
                }
            };
            let counting = async {
                spool.beside(Spool::count_the_first).await.unwrap();
                end.set(true);
            };
            tokio::join!(traffic, counting);
        };
        let ended = tokio::time::timeout(Duration::from_secs(120), work).await;
        told.send(ended.is_ok()).unwrap();
        if ended.is_ok() {
            close(spool, opened).await;
        }
    });
    // Who hangs is not waited for.
    runtime.shutdown_background();
    assert_eq!(done.recv(), Ok(true), "all stand still");
}

/// Who is dropped by a rule when the message comes has an end from the beginning, in every count,
/// also when the index is made anew; who is held for another reason is not dropped.
#[tokio::test]
async fn who_is_dropped_from_the_beginning_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let rule = "automatic.ndr.from_internet";
    let ruling = AutomaticRuling {
        recipients: vec![0, 2],
        way: AutomaticWay::FromInternet,
        deed: AutomaticDeed::Drop,
        rules: vec![rule.to_owned()],
        stripped: Vec::new(),
        notify: false,
        left: Vec::new(),
    };
    let automatic = Automatic {
        kind: Some(AutomaticKind::Ndr),
        sign: "Action: failed".to_owned(),
        rulings: vec![ruling],
    };
    let mut draft = spool.draft();
    draft.append(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
    let envelope = Envelope {
        automatic: Some(Box::new(automatic)),
        ..envelope(&["ann@example.org", "bob@example.org", "cy@example.org"])
    };
    let reason = HoldReason::NoRoute {
        what: "nobody".to_owned(),
    };
    let held = vec![(2, reason)];
    let id = spool.accept_held(draft, envelope, held).await.unwrap();
    let states = |spool: &Spool| {
        let states = spool.message(id).unwrap().unwrap().states;
        let names = states.iter().map(RecipientState::name);
        names.collect::<Vec<_>>()
    };
    let expected = ["dropped", "queued", "held"];
    assert_eq!(states(&spool), expected);
    let Some(RecipientState::Dropped { actor, .. }) = spool.state(id, 0).unwrap() else {
        panic!("it is not dropped");
    };
    assert_eq!(actor, rule);
    let balance = spool.count_all().await.unwrap();
    let told = (balance.came, balance.finished, balance.waiting);
    assert_eq!((told, balance.wrong), ((3, 1, 2), 0), "{balance:?}");
    close(spool, opened).await;
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!(states(&spool), expected, "from the log alone");
    let balance = spool.count_all().await.unwrap();
    let told = (balance.came, balance.finished, balance.waiting);
    assert_eq!((told, balance.wrong), ((3, 1, 2), 0), "{balance:?}");
    close(spool, opened).await;
}
