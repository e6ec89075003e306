//! What the last open-relay test found: could a stranger send through us to strangers (I11)?

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// One test of all listeners.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RelayTest {
    /// Tricks that were tried, all listeners together.
    pub tried: usize,
    /// Those that worked. There should be none.
    pub open: Vec<OpenTrick>,
}

/// A trick by which a stranger could send through us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What is wrong, for people; `None` when nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let first = self.open.first()?;
        Some(format!(
            "OPEN RELAY: strangers can send through this server, {} of {} tricks work; for \
             example {:?} at {} goes to {}",
            self.open.len(),
            self.tried,
            first.rcpt,
            first.listener,
            first.lane
        ))
    }
}

/// A test and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
