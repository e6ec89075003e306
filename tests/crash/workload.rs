//! A spool on a simulated disk, what is done with it, and what must be true afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tideover::base::{Clock, Entropy, Shutdown, TimeSource, Timestamp};
use tideover::mail::{Authenticity, BackendId, Envelope, Peer, Recipient, RecipientEvent, SpoolId};
use tideover::smtp::{MailParameters, RcptParameters, Reply};
use tideover::spool::{
    Change, MemoryStore, Opened, Options, Rebuild, Recovery, Row, Spool, SpoolError, Store, World,
};
use tokio::task::JoinHandle;

use crate::chance::Chance;
use crate::disk::SimDisk;

/// A clock that is set.
#[derive(Debug, Clone)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl Hands {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000_000)))
    }

    pub(crate) fn days(&self, days: u64) {
        let by = Duration::from_secs(days * 24 * 3600).as_millis();
        self.0
            .fetch_add(u64::try_from(by).unwrap(), Ordering::Relaxed);
    }
}

impl TimeSource for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// An index that outlives the spool.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(Arc<MemoryStore>, Arc<Gate>);

/// Lets only so many changes pass to the store, when it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    permits: Mutex<Option<u64>>,
    given: Condvar,
    passed: AtomicU64,
    /// The next change panics, as sled does on some damaged pages.
    panics: AtomicBool,
}

impl Gate {
    /// Nothing passes from now on but what [`Self::let_pass`] says.
    pub(crate) fn close(&self) {
        *self.permits.lock().unwrap() = Some(0);
    }

    pub(crate) fn let_pass(&self, changes: u64) {
        let mut permits = self.permits.lock().unwrap();
        *permits = permits.map(|permits| permits + changes);
        self.given.notify_all();
    }

    pub(crate) fn open(&self) {
        *self.permits.lock().unwrap() = None;
        self.given.notify_all();
    }

    /// Changes that have passed.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// The next change panics.
    pub(crate) fn panic_once(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    fn pass(&self) {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "arranged");
        let mut permits = self.permits.lock().unwrap();
        while *permits == Some(0) {
            permits = self.given.wait(permits).unwrap();
        }
        *permits = permits.map(|permits| permits - 1);
        self.passed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Kept {
    pub(crate) fn gate(&self) -> &Gate {
        &self.1
    }

    /// What a crash would leave now.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::default();
        let rows = self.0.scan(b"", b"", usize::MAX).unwrap();
        let rows = rows.into_iter().map(|(key, value)| (key, Some(value)));
        copy.0.apply(rows.collect()).unwrap();
        copy
    }

    /// All rows but those about the index itself.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = self.0.scan(b"", b"", usize::MAX).unwrap();
        rows.retain(|(key, _)| !key.starts_with(b"!"));
        rows
    }
}

impl Store for Kept {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.0.get(key)
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String> {
        self.0.scan(prefix, start, limit)
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), String> {
        self.1.pass();
        self.0.apply(changes)
    }

    fn clear(&self) -> Result<(), String> {
        self.1.pass();
        self.0.clear()
    }
}

/// A disk, a clock and an index.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) disk: SimDisk,
    pub(crate) hands: Hands,
    pub(crate) index: Kept,
    /// Bytes that a start reads before mail is taken.
    pub(crate) replay_at_start: u64,
    pub(crate) min_free: u64,
    pub(crate) body_in_log: usize,
    pub(crate) segment_size: u64,
}

/// Few, so that hand-overs happen in small lives, too.
const INDEX_PENDING: usize = 3_000;

impl Machine {
    pub(crate) fn new(disk: SimDisk) -> Self {
        Self {
            disk,
            hands: Hands::new(),
            index: Kept::default(),
            replay_at_start: u64::MAX,
            min_free: 0,
            body_in_log: 2 * 1024,
            segment_size: 8 * 1024,
        }
    }

    /// The same disk, and no index.
    pub(crate) fn copy_without_index(&self) -> Self {
        Self {
            index: Kept::default(),
            ..self.copy()
        }
    }

    /// The same, as a crash would leave it.
    pub(crate) fn copy(&self) -> Self {
        Self {
            disk: self.disk.copy(),
            hands: Hands(Arc::new(AtomicU64::new(self.hands.now().as_millis()))),
            index: self.index.copy(),
            replay_at_start: self.replay_at_start,
            min_free: self.min_free,
            body_in_log: self.body_in_log,
            segment_size: self.segment_size,
        }
    }

    pub(crate) fn open(&self) -> Result<Opened, SpoolError> {
        let index = self.index.clone();
        let options = Options {
            min_free: self.min_free,
            segment_size: self.segment_size,
            body_in_log: self.body_in_log,
            replay_at_start: self.replay_at_start,
            index_pending: INDEX_PENDING,
            ..Options::new("/spool")
        };
        let world = World {
            disk: Arc::new(self.disk.clone()),
            clock: Clock::new(self.hands.clone()),
            entropy: Entropy::new(Chance::new(7)),
            open_store: Arc::new(move |_: &Path| Ok(Box::new(index.clone()))),
        };
        Spool::open(options, world)
    }

    /// Opens the spool, does something with it, closes it.
    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(Spool) -> T) -> T {
        let opened = self.open().unwrap();
        run_opened(opened, work)
    }
}

/// Opens the spool, does something with it while the index follows, closes it.
pub(crate) fn run_behind<T>(
    machine: &Machine,
    work: impl AsyncFnOnce(Spool, JoinHandle<Result<Recovery, SpoolError>>) -> T,
) -> T {
    let mut opened = machine.open().unwrap();
    let rebuild = opened.rebuild.take().unwrap();
    run_opened(opened, async |spool| {
        // A test that fails must not wait for ever.
        let _open = OpenAtLast(machine.index.gate());
        work(spool, beside(rebuild)).await
    })
}

/// Runs it beside the rest.
#[expect(clippy::disallowed_methods, reason = "its result is looked at")]
pub(crate) fn beside(rebuild: Rebuild) -> JoinHandle<Result<Recovery, SpoolError>> {
    tokio::spawn(rebuild.run(Shutdown::new()))
}

struct OpenAtLast<'a>(&'a Gate);

impl Drop for OpenAtLast<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

pub(crate) fn run_opened<T>(opened: Opened, work: impl AsyncFnOnce(Spool) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let spool = opened.spool;
        let work = async {
            let result = work(spool.clone()).await;
            // The disk may be broken.
            spool.close().await.ok();
            result
        };
        tokio::join!(opened.writer.run(), work).1
    })
}

/// What the spool has promised.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promises {
    /// Acknowledged messages.
    pub(crate) bodies: BTreeMap<SpoolId, Vec<u8>>,
    /// Recipients whose end was acknowledged.
    pub(crate) finished: BTreeSet<(SpoolId, u16)>,
    /// Recipients whose end was asked for.
    pub(crate) ending: BTreeSet<(SpoolId, u16)>,
    /// The fact that was acknowledged last.
    pub(crate) fact: Option<u64>,
    /// The facts that were asked for since.
    pub(crate) facts_asked: Vec<u64>,
}

pub(crate) fn envelope(recipients: usize) -> Envelope {
    Envelope {
        from: "ann@example.net".parse().unwrap(),
        parameters: MailParameters::default(),
        recipients: (0..recipients)
            .map(|number| Recipient {
                address: format!("r{number}@example.org").parse().unwrap(),
                parameters: RcptParameters::default(),
                lane: "onprem".to_owned(),
                mailbox: None,
            })
            .collect(),
        peer: Peer::default(),
        message_id: Some("a@example.net".to_owned()),
        subject: None,
        header_from: None,
        authenticity: Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

pub(crate) fn delivered() -> RecipientEvent {
    RecipientEvent::Delivered {
        backend: BackendId::new("onprem"),
        reply: Reply::new(250, (2, 0, 0), "ok"),
        delivery_address: "r@example.org".to_owned(),
        tls: None,
        diverted_from: None,
    }
}

impl Promises {
    /// Accepts some messages at once.
    pub(crate) async fn accept(&mut self, spool: &Spool, bodies: Vec<Vec<u8>>) {
        let all = bodies.into_iter().map(|body| async {
            let mut draft = spool.draft();
            for piece in body.chunks(700) {
                draft.append(piece).await.ok()?;
            }
            let id = spool.accept(draft, envelope(2)).await.ok()?;
            Some((id, body))
        });
        self.bodies
            .extend(join_all(all).await.into_iter().flatten());
    }

    pub(crate) async fn finish(&mut self, spool: &Spool, id: SpoolId, recipient: u16) {
        self.ending.insert((id, recipient));
        let done = spool.record(id, vec![recipient], delivered()).await;
        if done.is_ok() {
            self.finished.insert((id, recipient));
        }
    }

    pub(crate) async fn note(&mut self, spool: &Spool, value: u64) {
        self.facts_asked.push(value);
        let noted = spool.put_fact("room", "key", Some(value.into())).await;
        if noted.is_ok() {
            self.fact = Some(value);
            self.facts_asked.clear();
        }
    }

    /// May retention have removed it?
    fn may_be_gone(&self, id: SpoolId) -> bool {
        self.ending.contains(&(id, 0)) && self.ending.contains(&(id, 1))
    }

    /// Nothing that was promised is missing, and nothing finished is open again. Says what is
    /// wrong.
    pub(crate) fn check(&self, spool: &Spool) -> Result<(), String> {
        for (&id, body) in &self.bodies {
            let Some(message) = spool.message(id).map_err(|error| error.to_string())? else {
                let gone = spool.ledger_find(&id.to_string(), 1).unwrap();
                if self.may_be_gone(id) && !gone.is_empty() {
                    continue;
                }
                return Err(format!("{id} is lost"));
            };
            for (number, state) in (0..).zip(&message.states) {
                if self.finished.contains(&(id, number)) && !state.is_finished() {
                    return Err(format!("{id} {number} was finished and is {state:?}"));
                }
                if !self.ending.contains(&(id, number)) && state.is_finished() {
                    return Err(format!("{id} {number} was not finished and is {state:?}"));
                }
            }
            if read(spool, id).as_ref() != Ok(body) {
                return Err(format!("the body of {id} is not what it was"));
            }
        }
        let fact = spool
            .fact("room", "key")
            .map_err(|error| error.to_string())?;
        let fact = fact.and_then(|fact| fact.as_u64());
        if fact != self.fact && !fact.is_some_and(|fact| self.facts_asked.contains(&fact)) {
            return Err(format!("the fact is {fact:?}, not {:?}", self.fact));
        }
        Ok(())
    }
}

pub(crate) fn read(spool: &Spool, id: SpoolId) -> Result<Vec<u8>, String> {
    let body = spool.body(id).map_err(|error| error.to_string())?;
    let body = body.ok_or("no body")?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < body.len() {
        let piece = body.read_at(bytes.len() as u64, 1000);
        bytes.extend(piece.map_err(|error| error.to_string())?);
    }
    Ok(bytes)
}

/// A month of a small spool: accept, deliver, note, clean up. Errors are what the disk makes of it.
pub(crate) async fn month(spool: &Spool, hands: &Hands, promises: &mut Promises) {
    promises.note(spool, 1).await;
    for round in 0..6_usize {
        let body = |number: usize| vec![b'a' + u8::try_from(round).unwrap(); 300 + number * 400];
        promises.accept(spool, (0..4).map(body).collect()).await;
        if round % 3 == 1 {
            promises.accept(spool, vec![vec![b'L'; 5_000]]).await;
        }
        let ids: Vec<SpoolId> = promises.bodies.keys().copied().collect();
        for (number, id) in ids.into_iter().enumerate() {
            // Every ninth message waits for ever.
            if number % 9 != 4 && !promises.ending.contains(&(id, 0)) {
                promises.finish(spool, id, 0).await;
            }
            if number % 9 != 4 && !promises.ending.contains(&(id, 1)) {
                promises.finish(spool, id, 1).await;
            }
        }
        if round == 2 {
            spool.checkpoint().await.ok();
            hands.days(31);
        }
        promises.note(spool, round as u64 + 2).await;
    }
    spool.retire().await.ok();
    promises.accept(spool, vec![vec![b'z'; 900]]).await;
}
