//! The look through the spool: whether one is under way, how far it is, what the last one found,
//! and asking for one now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::SpoolError;
use super::handle::Spool;
use super::missing_now::Gone;
use crate::base::Timestamp;

/// The room under which the last one stands in the log.
const ROOM: &str = "look";
const LAST: &str = "last";

/// A look that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LookUnderWay {
    /// Since when.
    pub since: Timestamp,
    /// Segments that were looked at.
    pub done: u64,
    /// Segments there are.
    pub of: u64,
}

/// What a look has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Looked {
    /// When it ended.
    pub ended: Timestamp,
    /// Segments that were looked at.
    pub segments: u64,
    /// Damaged pieces, also those that were known before; they are in quarantine.
    pub damaged: u64,
    /// Messages of the log that the index does not know.
    pub unknown: u64,
    /// Segments that are missing, or shorter than they were, and on which the index counts.
    #[serde(default)]
    pub missing: u64,
    /// Segments that could not be looked at.
    pub failed: u64,
    /// Why the first of them could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Looked {
    /// Was everything looked at, and nothing found?
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.damaged == 0 && self.unknown == 0 && self.missing == 0 && self.failed == 0
    }
}

/// How it stands with looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// The one that is under way.
    pub under_way: Option<LookUnderWay>,
    /// The last one that came to its end; of before the last start, too.
    pub last: Option<Looked>,
    /// So many have ended since the start.
    #[serde(default)]
    pub ended: u64,
}

impl Look {
    /// With how many that have ended there is one that began after now.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.ended + 1 + self.under_way.is_some() as u64
    }
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    present: Mutex<Present>,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Present {
    under_way: Option<LookUnderWay>,
    /// So many have ended.
    ended: u64,
    /// Somebody waits until so many have.
    awaited: u64,
    /// One that could not even be written down.
    failed: Option<Looked>,
    /// What the log has no more.
    gone: Option<Gone>,
}

impl Looks {
    /// Ends when somebody wants one.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Does somebody wait for the one that is under way?
    pub(super) fn is_asked_for(&self) -> bool {
        let present = self.present();
        present.ended < present.awaited
    }

    /// Shows how far it is.
    pub(super) fn show(&self, under_way: LookUnderWay) {
        self.present().under_way = Some(under_way);
    }

    /// It is over; with what is not written down of it.
    pub(super) fn over(&self, failed: Option<Looked>) {
        let mut present = self.present();
        present.under_way = None;
        present.ended += 1;
        present.failed = failed;
    }

    pub(super) fn set_gone(&self, gone: Option<Gone>) {
        self.present().gone = gone;
    }

    pub(super) fn gone(&self) -> Option<Gone> {
        self.present().gone.clone()
    }

    /// Who waits for it was counted; a look that ended meanwhile knows better.
    pub(super) fn counted(&self, before: &Gone, now: Gone) {
        let mut present = self.present();
        let known = present.gone.as_ref();
        if known.is_some_and(|known| known.is_same(before)) {
            present.gone = Some(now);
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    /// How it stands with looks through the spool.
    ///
    /// # Errors
    /// When the index fails, or is still made.
    pub fn look(&self) -> Result<Look, SpoolError> {
        let last = self.fact(ROOM, LAST)?;
        // What an older program does not understand counts as none.
        let last = last.and_then(|last| serde_json::from_value(last).ok());
        let present = self.0.looks.present();
        Ok(Look {
            under_way: present.under_way.clone(),
            last: present.failed.clone().or(last),
            ended: present.ended,
        })
    }

    /// Begins a look soon; one that is under way goes faster, and another one follows it, because
    /// it has read a part before. The answer is that of before; [`Look::next`] says when to look.
    ///
    /// # Errors
    /// When the index fails, or is still made.
    pub fn look_now(&self) -> Result<Look, SpoolError> {
        let look = self.look()?;
        let mut present = self.0.looks.present();
        present.awaited = present.awaited.max(look.next());
        drop(present);
        self.0.looks.wanted.notify_one();
        Ok(look)
    }

    /// Writes down what one has found: it is known after a restart, too.
    pub(super) async fn keep_look(&self, looked: &Looked) -> Result<(), SpoolError> {
        let value = serde_json::to_value(looked);
        let value = value.map_err(|error| SpoolError::Index(error.to_string()))?;
        self.put_fact(ROOM, LAST, Some(value)).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Poll;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::base::Shutdown;
    use crate::spool::tests::{accept, close, open_in, options};
    use crate::spool::{Offline, World};

    /// Until so many looks are over. Who waits in vain fails.
    async fn until(spool: &Spool, ended: u64) {
        let waited = async {
            while spool.look().unwrap().ended < ended {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waited).await;
        waited.expect("it comes to an end");
    }

    #[tokio::test]
    async fn what_a_look_found_is_known_until_the_next_one_and_after_a_restart() {
        let dir = TempDir::new().unwrap();
        let (spool, opened) = open_in(options(dir.path()), World::system());
        accept(&spool, &["bob@example.org"], b"first\r\n").await;
        close(spool, opened).await;
        let (spool, opened) = open_in(options(dir.path()), World::system());
        // The newest segment is being written; the first one is another.
        accept(&spool, &["bob@example.org"], b"second\r\n").await;
        assert_eq!(spool.look().unwrap(), Look::default());
        let segment = dir.path().join("log/0000000001.seg");
        let good = std::fs::read(&segment).unwrap();
        // A segment of which nobody can say how it is to be read.
        let mut bad = good.clone();
        bad[5] = 2;
        let crc = crc32c::crc32c(&bad[..36]).to_le_bytes();
        bad[36..40].copy_from_slice(&crc);
        std::fs::write(&segment, &bad).unwrap();
        let looked = spool.scrub().await.unwrap();
        assert_eq!((looked.segments, looked.failed), (0, 1));
        assert!(looked.error.is_some() && !looked.is_clean());
        assert_eq!(spool.look().unwrap().last, Some(looked.clone()));
        std::fs::write(&segment, &good).unwrap();
        close(spool, opened).await;
        let (spool, opened) = open_in(options(dir.path()), World::system());
        assert_eq!(spool.look().unwrap().last, Some(looked), "after a restart");
        let looked = spool.scrub().await.unwrap();
        assert!(looked.is_clean(), "{looked:?}");
        assert_eq!(spool.look().unwrap().last, Some(looked));
        close(spool, opened).await;
    }

    #[tokio::test]
    async fn a_look_begins_when_somebody_asks_for_one() {
        let dir = TempDir::new().unwrap();
        let (spool, opened) = open_in(options(dir.path()), World::system());
        let shutdown = Shutdown::new();
        let task = shutdown.spawn("scrub", spool.clone().scrub_task(shutdown.clone()));
        let asked = spool.look_now().unwrap();
        assert_eq!((asked.last.clone(), asked.next()), (None, 1));
        until(&spool, 1).await;
        let look = spool.look().unwrap();
        assert!(look.last.is_some_and(|last| last.is_clean()) && look.under_way.is_none());
        assert!(!spool.0.looks.is_asked_for());
        // Who asks while one is under way waits for the one behind it.
        spool.0.looks.show(LookUnderWay {
            since: Timestamp::EPOCH,
            done: 0,
            of: 1,
        });
        assert_eq!(spool.look_now().unwrap().next(), 3);
        assert!(spool.0.looks.is_asked_for());
        until(&spool, 2).await;
        assert!(spool.0.looks.is_asked_for(), "the one that was under way");
        // One that cannot be made is told, and waited for by nobody.
        let (log, away) = (dir.path().join("log"), dir.path().join("away"));
        std::fs::rename(&log, &away).unwrap();
        std::fs::write(&log, "no folder").unwrap();
        spool.look_now().unwrap();
        until(&spool, 3).await;
        let last = spool.look().unwrap().last.unwrap();
        assert!(last.failed == 1 && last.error.is_some(), "{last:?}");
        std::fs::remove_file(&log).unwrap();
        std::fs::rename(&away, &log).unwrap();
        shutdown.signal();
        task.await.unwrap();
        close(spool, opened).await;
    }

    /// Who is told that a look is over finds held what it found damaged.
    #[tokio::test]
    async fn what_follows_damage_is_done_before_a_look_is_over() {
        let dir = TempDir::new().unwrap();
        for word in [&b"first\r\n"[..], b"second\r\n"] {
            let (spool, opened) = open_in(options(dir.path()), World::system());
            accept(&spool, &["bob@example.org"], word).await;
            close(spool, opened).await;
        }
        let (spool, opened) = open_in(options(dir.path()), World::system());
        accept(&spool, &["bob@example.org"], b"third\r\n").await;
        let shutdown = Shutdown::new();
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let then = move || -> crate::base::Boxed<'static, ()> {
            let counted = Arc::clone(&counted);
            Box::pin(async move {
                tokio::task::yield_now().await;
                counted.fetch_add(1, Ordering::Relaxed);
            })
        };
        let scrub = spool.clone().scrub_and(shutdown.clone(), then);
        let task = shutdown.spawn("scrub", scrub);
        let segment = dir.path().join("log/0000000001.seg");
        let good = std::fs::read(&segment).unwrap();
        let mut bad = good.clone();
        let at = memchr::memmem::find(&bad, b"first").unwrap();
        bad[at] ^= 1;
        for (bytes, expected) in [(&good, 0), (&bad, 1), (&bad, 2)] {
            std::fs::write(&segment, bytes).unwrap();
            let wanted = spool.look_now().unwrap().next();
            until(&spool, wanted).await;
            assert_eq!(done.load(Ordering::Relaxed), expected);
        }
        shutdown.signal();
        task.await.unwrap();
        close(spool, opened).await;
    }

    #[tokio::test]
    async fn a_copy_that_did_not_get_far_is_counted_nowhere() {
        let dir = TempDir::new().unwrap();
        let (spool, opened) = open_in(options(dir.path()), World::system());
        let half = dir.path().join("quarantine/0000000001-8-90.new");
        std::fs::write(half, "half a pie").unwrap();
        assert_eq!(spool.stats().quarantined, 0);
        close(spool, opened).await;
        let offline = Offline::open(options(dir.path()), World::system()).unwrap();
        let found = offline.verify(&mut |_, _| {}).unwrap();
        assert!(found.ok && found.quarantined == 0, "{found:?}");
    }

    #[tokio::test]
    async fn a_look_is_under_way_from_its_begin_on() {
        let dir = TempDir::new().unwrap();
        let (spool, opened) = open_in(options(dir.path()), World::system());
        let mut look = Box::pin(spool.scrub());
        let begun = poll_fn(|context| Poll::Ready(look.as_mut().poll(context)));
        assert!(begun.await.is_pending());
        assert_eq!(spool.look().unwrap().next(), 2, "that one has begun");
        assert!(look.await.unwrap().is_clean());
        close(spool, opened).await;
    }

    #[tokio::test]
    async fn what_is_found_at_rest_waits_in_quarantine_until_it_is_gone() {
        let dir = TempDir::new().unwrap();
        let (spool, opened) = open_in(options(dir.path()), World::system());
        accept(&spool, &["bob@example.org"], b"a word to be torn\r\n").await;
        close(spool, opened).await;
        let segment = dir.path().join("log/0000000001.seg");
        let good = std::fs::read(&segment).unwrap();
        let mut bad = good.clone();
        let at = memchr::memmem::find(&bad, b"a word to be").unwrap();
        bad[at] ^= 1;
        let note = dir.path().join("quarantine/verify.found");
        let verify = || {
            let offline = Offline::open(options(dir.path()), World::system()).unwrap();
            let found = offline.verify(&mut |_, _| {}).unwrap();
            offline.note(&found).unwrap();
            found
        };
        assert!(verify().ok && !note.exists());
        std::fs::write(&segment, &bad).unwrap();
        for _ in 0..2 {
            // Its own note is no piece that it would find.
            assert_eq!(verify().quarantined, 0);
            let text = std::fs::read_to_string(&note).unwrap();
            assert!(
                text.lines().count() == 2 && text.contains("damaged"),
                "{text}"
            );
        }
        let (spool, opened) = open_in(options(dir.path()), World::system());
        let told = spool.stats().quarantined;
        assert!(told >= 1, "a server that starts tells of it");
        close(spool, opened).await;
        std::fs::write(&segment, &good).unwrap();
        let found = verify();
        assert!(found.problems.is_empty() && !note.exists(), "{found:?}");
    }
}
