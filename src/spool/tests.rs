//! The spool as a whole, on a real disk in a temporary folder.

#[path = "draft_tests.rs"]
mod draft;

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::base::Timestamp;
use crate::mail::{
    BackendId, Blame, Envelope, Failure, Peer, Recipient, RecipientEvent, RecipientState, SpoolId,
};
use crate::smtp::{MailParameters, RcptParameters, Reply};

pub(super) fn options(dir: &Path) -> Options {
    Options {
        min_free: 0,
        segment_size: 64 * 1024,
        body_in_log: 8 * 1024,
        ..Options::new(dir)
    }
}

fn open_with(options: Options) -> (Spool, Opened2) {
    open_in(options, World::system())
}

pub(super) fn open_in(options: Options, world: World) -> (Spool, Opened2) {
    let opened = Spool::open(options, world).unwrap();
    let spool = opened.spool.clone();
    let thread = opened.writer.spawn_thread().unwrap();
    let rest = Opened2 {
        recovery: opened.recovery,
        committed: opened.committed,
        thread,
    };
    (spool, rest)
}

fn open(dir: &Path) -> (Spool, Opened2) {
    open_with(options(dir))
}

pub(super) struct Opened2 {
    pub(super) recovery: Recovery,
    committed: tokio::sync::mpsc::Receiver<Committed>,
    thread: std::thread::JoinHandle<()>,
}

pub(super) async fn close(spool: Spool, opened: Opened2) {
    spool.close().await.unwrap();
    drop(spool);
    opened.thread.join().unwrap();
}

pub(super) fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        from: "ann@example.net".parse().unwrap(),
        parameters: MailParameters::default(),
        recipients: recipients
            .iter()
            .map(|address| Recipient {
                address: address.parse().unwrap(),
                parameters: RcptParameters::default(),
                lane: "onprem".to_owned(),
                mailbox: Some((*address).to_owned()),
            })
            .collect(),
        peer: Peer::default(),
        message_id: Some("a@example.net".to_owned()),
        subject: None,
        header_from: None,
        authenticity: crate::mail::Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

pub(super) async fn accept(spool: &Spool, recipients: &[&str], body: &[u8]) -> SpoolId {
    let mut draft = spool.draft();
    for chunk in body.chunks(1000) {
        draft.append(chunk).await.unwrap();
    }
    spool.accept(draft, envelope(recipients)).await.unwrap()
}

pub(super) fn read(spool: &Spool, id: SpoolId) -> Vec<u8> {
    let body = spool.body(id).unwrap().unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < body.len() {
        bytes.extend(body.read_at(bytes.len() as u64, 5000).unwrap());
    }
    bytes
}

pub(super) fn delivered() -> RecipientEvent {
    RecipientEvent::Delivered {
        backend: BackendId::new("onprem"),
        reply: Reply::new(250, (2, 0, 0), "ok"),
        delivery_address: "bob@example.org".to_owned(),
        tls: None,
        diverted_from: None,
    }
}

#[tokio::test]
async fn what_is_accepted_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let (spool, mut opened) = open(dir.path());
    // Nothing was made anew: there was nothing.
    assert!(!opened.recovery.rebuilt);
    let small = accept(&spool, &["bob@example.org", "eve@example.org"], b"Hi\r\n").await;
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    assert_eq!(opened.committed.recv().await.unwrap().id, small);
    spool.record(small, vec![1], delivered()).await.unwrap();
    close(spool, opened).await;

    let (spool, opened) = open(dir.path());
    assert!(!opened.recovery.rebuilt);
    assert_eq!(read(&spool, small), b"Hi\r\n");
    assert_eq!(read(&spool, large), vec![b'x'; 50_000]);
    let message = spool.message(small).unwrap().unwrap();
    assert_eq!(message.states[0].name(), "queued");
    assert_eq!(message.states[1].name(), "delivered");
    assert_eq!(spool.history(small).unwrap().len(), 1);
    let mailbox = spool.mailbox("bob@example.org", None, 10).unwrap();
    assert_eq!(mailbox, [(large, 0), (small, 0)], "newest first");
    let older = spool.mailbox("bob@example.org", Some(large), 10).unwrap();
    assert_eq!(older, [(small, 0)]);
    assert_eq!(
        spool.by_message_id("a@example.net").unwrap(),
        [small, large]
    );
    assert_eq!(spool.lanes()["onprem"], 2);
    assert!(accept(&spool, &["bob@example.org"], b"").await > large);
    close(spool, opened).await;
}

#[tokio::test]
async fn without_its_index_it_is_the_same() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let mut ids = Vec::new();
    for number in 0..200 {
        let id = accept(&spool, &["bob@example.org"], &vec![b'y'; number * 7]).await;
        if number % 3 == 0 {
            spool.record(id, vec![0], delivered()).await.unwrap();
        }
        ids.push(id);
    }
    let before = spool.0.index.settled().scan(b"", b"", usize::MAX).unwrap();
    close(spool, opened).await;
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();

    let (spool, opened) = open(dir.path());
    assert!(opened.recovery.rebuilt);
    let rows = |all: Vec<Row>| -> Vec<Row> {
        let own = |row: &Row| !row.0.starts_with(b"!");
        all.into_iter().filter(own).collect()
    };
    let after = spool.0.index.scan(b"", b"", usize::MAX).unwrap();
    assert_eq!(rows(before), rows(after), "I13");
    assert_eq!(spool.lanes()["onprem"], 133);
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(read(&spool, id).len(), number * 7);
    }
    close(spool, opened).await;
}

#[tokio::test]
async fn an_attempt_that_was_under_way_is_uncertain_after_a_crash() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let id = accept(&spool, &["bob@example.org"], b"Hi\r\n").await;
    let attempt = RecipientEvent::Attempted {
        backend: BackendId::new("onprem"),
    };
    let written = spool.begin_record(id, vec![0], attempt).await.unwrap();
    written.wait().await.unwrap();
    close(spool, opened).await;

    let (spool, opened) = open(dir.path());
    assert_eq!(opened.recovery.interrupted, 1);
    assert!(spool.state(id, 0).unwrap().unwrap().is_uncertain());
    assert_eq!(spool.stats().uncertain, 1);
    close(spool, opened).await;

    let (spool, opened) = open(dir.path());
    assert_eq!(opened.recovery.interrupted, 0, "counted once");
    assert_eq!(spool.stats().uncertain, 1);
    close(spool, opened).await;
}

#[tokio::test]
async fn due_recipients_come_in_order_and_in_pages() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(accept(&spool, &["bob@example.org"], b"Hi\r\n").await);
    }
    let later = RecipientEvent::Deferred {
        backend: BackendId::new("onprem"),
        failure: Failure::without_reply(Blame::Backend, "refused"),
        due: Timestamp::from_millis(u64::MAX / 2),
        counts: false,
    };
    spool.record(ids[0], vec![0], later).await.unwrap();
    spool.checkpoint().await.unwrap();
    spool.record(ids[1], vec![0], delivered()).await.unwrap();
    let mut found = Vec::new();
    let mut last = None;
    loop {
        let page = spool.due("onprem", last, 7).unwrap();
        last = page.last().copied();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 7);
        found.extend(page.into_iter().map(|due| due.id));
    }
    let mut expected: Vec<_> = ids[2..].to_vec();
    expected.push(ids[0]);
    assert_eq!(found, expected);
    close(spool, opened).await;
}

#[tokio::test]
async fn facts_are_kept_and_forgotten() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    spool
        .put_fact("account", "ann", Some(1.into()))
        .await
        .unwrap();
    spool
        .put_fact("account", "ann", Some(2.into()))
        .await
        .unwrap();
    spool
        .put_fact("account", "bob", Some(3.into()))
        .await
        .unwrap();
    spool
        .put_fact("accounts", "eve", Some(4.into()))
        .await
        .unwrap();
    close(spool, opened).await;
    let (spool, opened) = open(dir.path());
    spool.put_fact("account", "bob", None).await.unwrap();
    let all = spool.facts("account", "").unwrap();
    assert_eq!(all, [("ann".to_owned(), 2.into())]);
    assert_eq!(spool.fact("account", "bob").unwrap(), None);
    assert!(
        spool
            .put_fact("a", "b", Some("x".repeat(70_000).into()))
            .await
            .is_err()
    );
    close(spool, opened).await;
}

#[tokio::test]
async fn damage_is_skipped_kept_and_counted() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(accept(&spool, &["bob@example.org"], &[b'z'; 3000]).await);
    }
    close(spool, opened).await;
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let segment = dir.path().join("log/0000000002.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    let mut heads = memchr::memmem::find_iter(&bytes, b"TDR1");
    let head = heads.find(|&at| at > middle).unwrap();
    // The envelope of one, the body of the one before the next.
    let body = heads.nth(1).unwrap() - 100;
    bytes[head + 60] ^= 0x40;
    bytes[body] ^= 0x40;
    std::fs::write(&segment, bytes).unwrap();

    let (spool, opened) = open(dir.path());
    assert_eq!(opened.recovery.damaged, 2);
    let found = |id: &&SpoolId| spool.message(**id).unwrap().is_some();
    assert_eq!(ids.iter().filter(found).count(), 99);
    assert_eq!((spool.stats().quarantined, spool.stats().damaged), (2, 1));
    close(spool, opened).await;
}

#[tokio::test]
async fn a_torn_tail_is_cut() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let id = accept(&spool, &["bob@example.org"], b"Hi\r\n").await;
    close(spool, opened).await;
    let segment = dir.path().join("log/0000000001.seg");
    let good = std::fs::read(&segment).unwrap();
    for cut in [1, 20, 60, 200] {
        let mut torn = good.clone();
        torn.extend(&good[good.len() - cut.min(good.len())..]);
        torn.extend([0; 4096]);
        std::fs::write(&segment, torn).unwrap();
        let (spool, opened) = open(dir.path());
        assert_eq!(opened.recovery.damaged, 0);
        assert_eq!(read(&spool, id), b"Hi\r\n");
        close(spool, opened).await;
        assert_eq!(
            std::fs::read(&segment).unwrap(),
            good,
            "cut at the last good record"
        );
    }
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let second = Spool::open(options(dir.path()), World::system());
    assert!(matches!(second, Err(SpoolError::InUse(_))));
    accept(&spool, &["bob@example.org"], b"still works").await;
    close(spool, opened).await;
}

#[tokio::test]
async fn another_spool_or_none_is_refused_when_one_is_named() {
    let dir = TempDir::new().unwrap();
    let named = |uuid: &str| Options {
        uuid: Some(uuid.to_owned()),
        ..options(dir.path())
    };
    let nothing = Spool::open(
        named("7a6c0e2f-0000-4000-8000-000000000000"),
        World::system(),
    );
    let told = nothing.unwrap_err().to_string();
    assert!(told.contains("holds no spool"), "{told}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let (spool, opened) = open(dir.path());
    let uuid = spool.stats().uuid;
    close(spool, opened).await;
    let other = Spool::open(
        named("7a6c0e2f-0000-4000-8000-000000000000"),
        World::system(),
    );
    let told = other.unwrap_err().to_string();
    assert!(told.contains(&format!("holds the spool {uuid}")), "{told}");
    let (spool, opened) = open_with(named(&uuid.to_uppercase()));
    close(spool, opened).await;
}

#[tokio::test]
async fn nobody_else_may_look_into_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let inside = dir.path().join("data");
    let (spool, opened) = open(&inside);
    for folder in ["", "log", "index", "big"] {
        let mode = std::fs::metadata(inside.join(folder))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{folder}");
    }
    close(spool, opened).await;
}

#[tokio::test]
async fn a_spool_at_rest_is_verified_rebuilt_read_and_exported() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let small = accept(&spool, &["bob@example.org"], b"Hi\r\n").await;
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    let done = accept(&spool, &["bob@example.org"], b"done").await;
    spool.record(done, vec![0], delivered()).await.unwrap();
    let in_use = Offline::open(options(dir.path()), World::system());
    assert!(matches!(in_use.err(), Some(SpoolError::InUse(_))));
    close(spool, opened).await;
    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let verify = || offline.verify(&mut |_, _| {}).unwrap();
    let good = verify();
    assert!(good.ok, "{good:?}");
    assert_eq!((good.records, good.messages), (5, 3));
    let mut out = Vec::new();
    assert!(offline.cat(small, &mut out).unwrap());
    assert_eq!(out, b"Hi\r\n");
    assert!(!offline.cat(SpoolId::from_u64(7), &mut out).unwrap());
    let export = dir.path().join("rescue");
    let rescued = offline.export(&export, &mut |_, _| {}).unwrap();
    assert_eq!((rescued.messages, rescued.damaged), (2, Vec::new()));
    let eml = |id: SpoolId| std::fs::read(export.join(format!("{id}.eml"))).unwrap();
    assert_eq!((eml(small).len(), eml(large).len()), (4, 50_000));
    let manifest = std::fs::read_to_string(export.join("manifest.jsonl")).unwrap();
    let first: Exported = serde_json::from_str(manifest.lines().next().unwrap()).unwrap();
    assert_eq!((first.id, first.states[0].name()), (small, "queued"));
    assert!(
        offline.export(&export, &mut |_, _| {}).is_err(),
        "not empty"
    );
    // What is wrong is seen.
    let big = dir.path().join("big");
    std::fs::write(big.join("06J8Z4K2M0001.eml"), "nobody's").unwrap();
    std::fs::write(big.join(format!("{large}.eml")), vec![b'y'; 50_000]).unwrap();
    let store = SledStore::open(&dir.path().join("index")).unwrap();
    store
        .apply(vec![(b"h-nothing".to_vec(), Some(Vec::new()))])
        .unwrap();
    drop(store);
    let bad = verify();
    assert!(!bad.ok);
    assert_eq!(
        (bad.damaged, bad.unreferenced, bad.index_differs),
        (1, 1, 1)
    );
    let rebuilt = offline.rebuild(&mut |_, _| {}).unwrap();
    assert_eq!((rebuilt.records, rebuilt.damaged.len()), (5, 0));
    assert_eq!(verify().index_differs, 0);
}

#[tokio::test]
async fn many_at_once_share_batches() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..500_usize {
        let spool = spool.clone();
        tasks.spawn(async move {
            let body = vec![b'a'; number % 40 * 500];
            (accept(&spool, &["bob@example.org"], &body).await, body)
        });
    }
    let all = tasks.join_all().await;
    for (id, body) in &all {
        assert_eq!(&read(&spool, *id), body);
    }
    assert_eq!(spool.stats().accepted, 500);
    close(spool, opened).await;
    let (spool, opened) = open(dir.path());
    for (id, body) in &all {
        assert_eq!(&read(&spool, *id), body);
    }
    close(spool, opened).await;
}

#[tokio::test]
async fn a_full_disk_is_told_before_the_message() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_with(Options {
        min_free: u64::MAX,
        ..options(dir.path())
    });
    assert!(matches!(spool.admission(), Err(SpoolError::Full { .. })));
    close(spool, opened).await;
}

#[tokio::test]
async fn a_dropped_draft_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    let mut draft = spool.draft();
    draft.append(&vec![b'x'; 300_000]).await.unwrap();
    // And the mark of the folder.
    let count = || std::fs::read_dir(dir.path().join("big")).unwrap().count();
    assert_eq!(count(), 1 + 1);
    drop(draft);
    assert_eq!(count(), 1);
    close(spool, opened).await;
}

#[test]
fn an_ended_recipient_stays_ended() {
    let queued = RecipientState::accepted("onprem".to_owned(), Timestamp::EPOCH);
    let end = queued.apply(&delivered(), Timestamp::EPOCH).unwrap();
    assert!(end.is_finished());
    assert!(end.apply(&delivered(), Timestamp::EPOCH).is_err());
}
