//! What the last open-relay test found: could a stranger send through us to strangers (I11)?

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// One test of all listeners.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RelayTest {
    /// Tricks that were tried, all listeners together.
    pub tried: usize,
    /// Those that worked. There should be none.
    #[serde(default)]
    pub worked: usize,
    /// The first of them.
    pub open: Vec<OpenTrick>,
}

/// Tricks that worked and are told one by one.
const TOLD: usize = 10;

/// A trick by which a stranger could send through us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenTrick {
    /// The listener's address.
    pub listener: String,
    /// What was said in MAIL.
    pub mail: String,
    /// What was said in RCPT.
    pub rcpt: String,
    /// Where the message would go: the name of a backend, or `@` and a domain.
    pub lane: String,
}

impl RelayTest {
    /// One more trick was tried; `open` when it worked.
    pub fn note(&mut self, open: Option<OpenTrick>) {
        self.tried += 1;
        if let Some(open) = open {
            self.worked += 1;
            self.tell([open]);
        }
    }

    /// Those of another test, too.
    pub fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.worked += other.worked;
        self.tell(other.open);
    }

    fn tell(&mut self, open: impl IntoIterator<Item = OpenTrick>) {
        let room = TOLD.saturating_sub(self.open.len());
        self.open.extend(open.into_iter().take(room));
    }

    /// What is wrong, for people; `None` when nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let first = self.open.first()?;
        Some(format!(
            "OPEN RELAY: strangers can send through this server, {} of {} tricks work; for \
             example {:?} at {} goes to {}",
            self.worked, self.tried, first.rcpt, first.listener, first.lane
        ))
    }
}

/// A test and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RelayTested {
    /// When it was.
    pub at: Timestamp,
    /// What it found.
    #[serde(flatten)]
    pub test: RelayTest,
}

/// The last test. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LastRelayTest(Arc<Mutex<Option<RelayTested>>>);

impl LastRelayTest {
    /// Keeps a test.
    pub fn note(&self, at: Timestamp, test: RelayTest) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(RelayTested { at, test });
    }

    /// The last one, when there was one since the start.
    #[must_use]
    pub fn get(&self) -> Option<RelayTested> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}
