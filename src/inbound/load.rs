//! Under load strangers are sent away before anybody suffers: what is measured, what follows, and
//! what all listeners share of it.

mod hold;
mod judge;
mod places;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub(super) use hold::Hold;
pub use judge::{Busy, Strain};
use judge::{Change, Judge, Measured};
use places::Places;

use super::Bounds;
use super::policy::Guest;
use crate::base::{Clock, Shutdown};
use crate::smtp::Reply;
use crate::spool::Spool;

/// From one look to the next, when nobody comes.
const LOOK: Duration = Duration::from_secs(1);

/// Too much is in memory to take more of a client that is there already.
pub(super) const CROWDED: Reply = Reply::new(452, (4, 3, 1), "Too busy for more, try later");

/// How much there is to do, at all listeners together; cheap to clone.
#[derive(Debug, Clone)]
pub struct Load(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    spool: Spool,
    clock: Clock,
    /// Marks: see [`Bounds`].
    commit_wait_millis: AtomicU64,
    memory: AtomicU64,
    /// Bytes that connections hold.
    held: AtomicU64,
    judge: Mutex<Judge>,
    places: Mutex<Places>,
    /// Is so much held that who holds most has to go?
    squeeze: watch::Sender<bool>,
}

/// From where on it is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    commit_wait: Duration,
    memory: u64,
}

impl Load {
    /// Nothing to do yet.
    #[must_use]
    pub fn new(spool: Spool, clock: Clock, bounds: &Bounds) -> Self {
        let load = Self(Arc::new(Shared {
            spool,
            clock,
            commit_wait_millis: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            held: AtomicU64::new(0),
            judge: Mutex::default(),
            places: Mutex::default(),
            squeeze: watch::Sender::new(false),
        }));
        load.set(bounds);
        load
    }

    fn set(&self, bounds: &Bounds) {
        let millis = u64::try_from(bounds.commit_wait.as_millis()).unwrap_or(u64::MAX);
        self.0.commit_wait_millis.store(millis, Ordering::Relaxed);
        self.0.memory.store(bounds.memory, Ordering::Relaxed);
    }

    fn marks(&self) -> Marks {
        let millis = self.0.commit_wait_millis.load(Ordering::Relaxed);
        Marks {
            commit_wait: Duration::from_millis(millis),
            memory: self.0.memory.load(Ordering::Relaxed),
        }
    }

    /// Other bounds count from now on.
    pub fn configure(&self, bounds: &Bounds) {
        self.set(bounds);
        self.look();
    }

    /// Measures, and says whether strangers have to come later. A change is logged.
    pub fn look(&self) -> Option<Busy> {
        let marks = self.marks();
        let measured = Measured {
            commit_wait: self.commit_wait(),
            held: self.held(),
        };
        let (busy, change) = {
            let mut judge = self.0.judge.lock().unwrap_or_else(PoisonError::into_inner);
            let change = judge.look(measured, marks, self.0.clock.now());
            (judge.busy(), change)
        };
        let squeeze = measured.is_crowded(marks);
        self.0.squeeze.send_if_modified(|before| {
            let changed = *before != squeeze;
            *before = squeeze;
            changed
        });
        match change {
            Some(Change::Began(busy)) => {
                let (wait, held) = (measured.commit_wait, measured.held);
                tracing::warn!(
                    strain = busy.strain.as_str(),
                    ?wait,
                    held,
                    "busy: strangers are told to come later"
                );
            }
            Some(Change::Ended(busy)) => {
                let seconds = self.0.clock.now().since(busy.since).as_secs();
                let strain = busy.strain.as_str();
                tracing::info!(strain, seconds, "not busy any more");
            }
            None => {}
        }
        busy
    }

    /// Why strangers have to come later, if they have to: there is too much to do, or there is no
    /// place for them.
    #[must_use]
    pub fn told(&self) -> Option<Busy> {
        self.look().or_else(|| {
            let since = self.places().since(self.0.clock.now())?;
            let strain = Strain::Places;
            Some(Busy { since, strain })
        })
    }

    /// A stranger found no place at a listener.
    pub(super) fn note_full(&self) {
        self.places().note(self.0.clock.now());
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that connections hold in memory.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    /// So long a message waits to be on stable storage.
    #[must_use]
    pub fn commit_wait(&self) -> Duration {
        self.0.spool.commit_wait()
    }

    /// Looks again and again, so that an end is seen when nobody comes.
    pub async fn keep(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(LOOK) => {
                    self.look();
                }
            }
        }
    }

    /// Must a client who has just come go again? Who is awaited only when there is no room at all.
    pub(super) fn sends_away(&self, guest: Guest) -> bool {
        let busy = self.look();
        match guest {
            Guest::Stranger => busy.is_some(),
            Guest::Awaited => !self.has_room(),
        }
    }

    /// Is there room for more of those who are there?
    pub(super) fn has_room(&self) -> bool {
        self.held() < self.0.memory.load(Ordering::Relaxed)
    }

    /// More is held than before: who holds much learns at once that there is too much.
    fn grew(&self) {
        let marks = self.marks();
        let measured = Measured {
            commit_wait: Duration::ZERO,
            held: self.held(),
        };
        if measured.is_crowded(marks) && !*self.0.squeeze.borrow() {
            self.look();
        }
    }

    /// Returns when who holds much has to go, to make room for the others.
    pub(super) async fn squeezed(&self) {
        let mut squeeze = self.0.squeeze.subscribe();
        // Who says so is here.
        squeeze.wait_for(|squeeze| *squeeze).await.ok();
    }
}

/// The last word to a client who has come too early.
pub(super) fn come_later(hostname: &str) -> Reply {
    let text = format!("{hostname} Too busy, try later");
    Reply::with_text(421, (4, 3, 2), text)
}
