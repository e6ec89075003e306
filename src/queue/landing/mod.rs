//! Proof of landing: some or all of what backends took is looked for in the mailboxes.
//!
//! The log says what was delivered ([`watch`]); a cursor, which is a fact, says up to when all of
//! it was looked for. What was found or missed is an event of the recipient. What is missing is a
//! fact besides ([`missing`]), for somebody to look at; nothing is sent again by itself.

mod missing;
mod pending;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use missing::Book;
pub use missing::MissingMail;

use super::Queue;
use super::replay::Unasked;
use crate::base::Timestamp;
use crate::imap::Mailboxes;
use crate::limits;
use crate::spool::SpoolError;
use pending::Pending;

/// Settings of proofs of landing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Of so many deliveries in ten thousand it is proven that they are in the mailbox.
    pub share: u32,
    /// What is not there after this time is missing.
    pub within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            share: 0,
            within: Duration::from_secs(600),
        }
    }
}

/// The proofs of landing; cheap to clone.
#[derive(Debug, Clone)]
pub struct Landings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Queue,
    mailboxes: OnceLock<Arc<dyn Mailboxes>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    options: Options,
    pending: Pending,
    seen: Seen,
}

/// What was seen since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// Recipients whose message was found in their mailbox.
    pub found: u64,
    /// Of those, the ones in a junk folder.
    pub in_junk: u64,
    /// Recipients whose message was not found in time.
    pub missing: u64,
    /// Recipients whose mailbox could not be asked.
    pub not_asked: u64,
    /// Mailboxes that could not be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Unasked>,
}

/// How the proofs of landing stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LandingStatus {
    /// Of so many deliveries in ten thousand it is looked for.
    pub share: u32,
    /// After so many seconds it is missing.
    pub within_seconds: u64,
    /// All that was delivered before then was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_until: Option<Timestamp>,
    /// Recipients whose message is being looked for.
    pub pending: u64,
    /// What was seen since the start.
    #[serde(flatten)]
    pub seen: Seen,
    /// Why nothing is looked for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// What is missing, the latest first, at most [`limits::PAGE`].
    pub mail: Vec<MissingMail>,
    /// All that is missing.
    pub missing_now: u64,
}

impl Landings {
    /// Proofs of what this queue delivers. Nothing is looked for before [`Self::start`].
    #[must_use]
    pub fn new(queue: Queue, options: Options) -> Self {
        let state = State {
            options,
            ..State::default()
        };
        Self(Arc::new(Inner {
            queue,
            mailboxes: OnceLock::new(),
            state: Mutex::new(state),
        }))
    }

    /// Looks into these. The first word counts.
    pub fn ask_with(&self, mailboxes: Arc<dyn Mailboxes>) {
        self.0.mailboxes.get_or_init(|| mailboxes);
    }

    /// Takes over the options of a new config.
    pub fn configure(&self, options: Options) {
        self.state().options = options;
    }

    /// Begins to look, in the background.
    pub fn start(&self) {
        let landings = self.clone();
        let shutdown = &self.0.queue.0.parts.shutdown;
        shutdown.spawn("landing", async move { landings.watch().await });
    }

    /// How it stands.
    ///
    /// # Errors
    /// When the index fails.
    pub fn status(&self) -> Result<LandingStatus, SpoolError> {
        let book = self.book();
        let proven_until = book.cursor()?;
        let (mail, missing_now) = book.list(limits::PAGE)?;
        let state = self.state();
        Ok(LandingStatus {
            share: state.options.share,
            within_seconds: state.options.within.as_secs(),
            proven_until,
            pending: state.pending.len() as u64,
            seen: state.seen.clone(),
            waits_for: state.pending.waits_for.clone(),
            mail,
            missing_now,
        })
    }

    /// How many messages are missing, counted in recipients.
    ///
    /// # Errors
    /// When the index fails.
    pub fn missing(&self) -> Result<u64, SpoolError> {
        self.book().count()
    }

    /// Somebody has looked after one that is missing: it leaves the list. Its history stays.
    ///
    /// # Errors
    /// When it could not be written. `false`: it is not on the list.
    pub async fn dismiss(&self, name: &str) -> Result<bool, SpoolError> {
        self.book().dismiss(name).await
    }

    fn book(&self) -> Book {
        Book(self.0.queue.0.parts.spool.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
