//! Due, retry, dispatch, settle.
//!
//! Committed mail comes straight from the spool ([`intake`]); the backlog is loaded from the index,
//! lane by lane, into a bounded window ([`loader`]). Each next hop has a row of jobs and a few
//! workers with a connection each ([`worker`]). The route is decided when a recipient is loaded,
//! never stored. A lane whose route says hold is left alone until a backend changes: holding costs
//! nothing, uses up no retries and no time.

mod ahead;
mod bounce;
mod bulk;
mod cases;
mod claims;
mod counts;
mod damaged;
mod ending;
mod expanding;
mod hands;
mod hanging;
mod holding;
#[cfg(test)]
mod idle_tests;
mod intake;
pub mod landing;
mod loader;
mod marks;
mod mended;
mod pace;
mod pacing;
mod progress;
mod rate;
mod recall;
mod relaying;
pub mod replay;
mod report;
mod rerouted;
mod row;
#[cfg(test)]
mod samples;
mod schedule;
mod senders;
mod sending;
mod settle;
mod state;
mod tally;
mod trials;
mod tries;
mod unmarked;
mod waits;
mod window;
mod worker;

pub use bulk::{Deed, Order, Pick, Place};
pub use cases::{CaseTrial, TrialOutcome};
pub use counts::{DrainCounts, HeldCount, HeldCounts};
pub use pace::MailboxRates;
pub use progress::Progress;
pub use senders::{SenderRates, SenderUse};
pub use tally::Tally;
pub use waits::Waits;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::base::{Clock, Entropy, Shutdown};
use crate::limits;
use crate::mail::{BackendId, DeliveryTarget, FinalCause, Transport, VisitKey};
use crate::route::Router;
use crate::spool::{Committed, Spool};
use ending::Settled;
use marks::Marks;
use pace::Pace;
use progress::Speeds;
use rate::Rates;
use rerouted::Occasion;
use senders::Senders;
use state::State;
use tries::Tries;

/// Settings of the queue.
#[derive(Debug, Clone)]
pub struct Options {
    /// Our name, in reports.
    pub hostname: String,
    /// After this long a sender is told that strangers have not got his message yet; `None`: never.
    pub delay_notice_after: Option<Duration>,
    /// Refusals that are final for known recipients, too.
    pub finals: Vec<FinalCause>,
    /// Limits of each backend.
    pub backends: BTreeMap<BackendId, TargetLimits>,
}

/// Limits of a next hop.
#[derive(Debug, Clone, Copy)]
pub struct TargetLimits {
    /// Connections at one time.
    pub max_connections: usize,
    /// Messages a minute; 0: no limit.
    pub messages_per_minute: u32,
    /// What a mailbox of it may get of the backlog.
    pub mailbox: MailboxRates,
    /// What a sender of ours may send through it.
    pub sender: SenderRates,
    /// Does it get its mail slowly at first after trouble?
    pub slow_open: bool,
}

impl TargetLimits {
    /// So many connections, and no other limits.
    #[must_use]
    pub const fn connections(max_connections: usize) -> Self {
        Self {
            max_connections,
            messages_per_minute: 0,
            mailbox: MailboxRates {
                per_minute: 0,
                per_hour: 0,
            },
            sender: SenderRates {
                per_minute: 0,
                per_day: 0,
                per_message: 0,
            },
            slow_open: true,
        }
    }
}

/// For hosts that are no backend of the config.
const STRANGER: TargetLimits = TargetLimits::connections(limits::CONNECTIONS_PER_STRANGER);

/// What the queue works with.
#[derive(Debug)]
pub struct Parts {
    /// Where the mail is.
    pub spool: Spool,
    /// Where it goes.
    pub router: Router,
    /// How it gets there.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// Jitter.
    pub entropy: Entropy,
    /// Ends the tasks.
    pub shutdown: Shutdown,
}

/// The queue; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    options: RwLock<Arc<Options>>,
    state: Mutex<State>,
    rates: Mutex<Rates>,
    pace: Mutex<Pace>,
    senders: Mutex<Senders>,
    speeds: Mutex<Speeds>,
    /// Up to where lanes were looked at.
    marks: Mutex<Marks>,
    /// Proves what went to platforms, so that it is known when it comes back.
    visits: OnceLock<VisitKey>,
    /// When the queue was made.
    begun: tokio::time::Instant,
    /// Attempts that find something out.
    tries: Mutex<Tries>,
    /// The release of a case is decided, or has begun.
    case_news: Notify,
    /// Wakes the loader.
    wake: Notify,
    /// Rings when recipients are free again.
    freed: Notify,
    /// Lanes that were looked through for groups.
    group_looks: Mutex<expanding::GroupLooks>,
    /// How much is held.
    counted: Mutex<counts::Counted>,
    /// Outcomes on their way to the log.
    settled: mpsc::Sender<Settled>,
    /// Its other end, until the queue starts.
    finishing: Mutex<Option<mpsc::Receiver<Settled>>>,
}

impl Queue {
    /// A queue that does nothing before [`Self::start`].
    #[must_use]
    pub fn new(parts: Parts, options: Options) -> Self {
        let (settled, finishing) = mpsc::channel(limits::SETTLING);
        Self(Arc::new(Inner {
            settled,
            finishing: Mutex::new(Some(finishing)),
            parts,
            options: RwLock::new(Arc::new(options)),
            state: Mutex::default(),
            rates: Mutex::new(Rates::new(tokio::time::Instant::now())),
            pace: Mutex::default(),
            senders: Mutex::default(),
            speeds: Mutex::default(),
            marks: Mutex::default(),
            visits: OnceLock::new(),
            begun: tokio::time::Instant::now(),
            tries: Mutex::default(),
            case_news: Notify::new(),
            wake: Notify::new(),
            freed: Notify::new(),
            group_looks: Mutex::default(),
            counted: Mutex::default(),
        }))
    }

    /// Takes over the options of a new config, and looks at the whole backlog anew: recipients
    /// may have moved.
    pub fn configure(&self, options: Options) {
        let mut present = self
            .0
            .options
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(options);
        drop(present);
        self.look_anew();
    }

    /// Looks at the whole backlog in the background: recipients may have moved.
    pub fn look_anew(&self) {
        self.look_at_all(Occasion::Change);
    }

    fn look_at_all(&self, occasion: Occasion) {
        let queue = self.clone();
        let look = async move { queue.reroute(occasion).await };
        self.0.parts.shutdown.spawn("reroute", look);
    }

    /// Marks what goes to platforms from now on, so that it is known when it comes back.
    pub fn mark_visits(&self, key: VisitKey) {
        if self.0.visits.set(key).is_err() {
            tracing::warn!("visits are marked already");
        }
    }

    /// Starts to deliver.
    pub fn start(&self, committed: mpsc::Receiver<Committed>) {
        let shutdown = &self.0.parts.shutdown;
        let queue = self.clone();
        shutdown.spawn("queue-intake", async move { queue.intake(committed).await });
        let finishing = self.0.finishing.lock();
        let finishing = finishing.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(finishing) = finishing {
            let queue = self.clone();
            let finish = async move { queue.finish_for_ever(finishing).await };
            shutdown.spawn("queue-settled", finish);
        }
        let queue = self.clone();
        shutdown.spawn("queue-holds", async move { queue.keep_holds().await });
        let queue = self.clone();
        shutdown.spawn("queue-mended", async move {
            queue.bring_forward_for_ever().await;
        });
        let queue = self.clone();
        shutdown.spawn("queue-loader", async move {
            if let Err(error) = queue.resume_cases().await {
                tracing::error!(%error, "releases of cases are not gone on with");
            }
            queue.recall_pace().await;
            // A look may have found it while the program was stopped.
            queue.hold_found().await;
            queue.load_for_ever().await;
        });
        // People may have moved while it was stopped.
        self.look_at_all(Occasion::Start);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn options(&self) -> Arc<Options> {
        let present = self.0.options.read();
        Arc::clone(&present.unwrap_or_else(PoisonError::into_inner))
    }

    fn limits_of(&self, target: &DeliveryTarget) -> TargetLimits {
        match target {
            DeliveryTarget::Backend(backend) => self.limits_of_backend(backend),
            DeliveryTarget::Domain(_) | DeliveryTarget::Lenient(_) | DeliveryTarget::Relay(_) => {
                STRANGER
            }
        }
    }

    fn limits_of_backend(&self, backend: &BackendId) -> TargetLimits {
        let known = self.options().backends.get(backend).copied();
        known.unwrap_or(STRANGER)
    }

    fn stopping(&self) -> bool {
        self.0.parts.shutdown.is_stopping()
    }
}
