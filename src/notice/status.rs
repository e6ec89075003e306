//! What was sent, and how each way is: for `notify status`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Severity;
use super::ways::Missed;
use crate::base::Timestamp;
use crate::limits;
use crate::terminal::visible;

/// Characters of what the other side said.
const SAID: usize = 160;
/// It has arrived.
const SENT: &str = "sent";
/// It has not, and is not tried any more.
const FAILED: &str = "failed";
/// Another attempt follows.
pub(super) const TRYING: &str = "trying";

/// A notice that was sent, or is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentNotice {
    /// Counts up.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// How bad it was.
    pub severity: Severity,
    /// What it was about.
    pub subject: String,
    /// What became of it on each way.
    pub ways: Vec<WayResult>,
}

/// What became of a notice on one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WayResult {
    /// `mail ops@example.net`, `webhook hooks.example.net`, `command /usr/local/bin/page`.
    pub way: String,
    /// `sent`, `trying` or `failed`.
    pub result: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What the other side said last, or what stood in the way.
    pub what: String,
}

/// How a way is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WayStatus {
    /// `mail ops@example.net`.
    pub way: String,
    /// When something arrived last.
    pub good_at: Option<Timestamp>,
    /// Since when nothing arrives.
    pub failing_since: Option<Timestamp>,
    /// Why.
    pub what: String,
}

/// `notify status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoticesStatus {
    /// Each way; none: nobody is told.
    pub ways: Vec<WayStatus>,
    /// The last notices, the latest first.
    pub sent: Vec<SentNotice>,
    /// What is to be told and waits, because news are gathered or there were too many notices;
    /// what goes first comes first.
    #[serde(default)]
    pub waiting: Vec<WaitingNews>,
    /// Nothing arrives on any way: why.
    pub problem: Option<String>,
}

/// Something that is to be told, and was not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingNews {
    /// What has happened.
    pub what: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when it waits.
    pub since: Timestamp,
    /// When it is told, if nothing else happens meanwhile.
    pub until: Timestamp,
}

/// What a restart leaves of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) sent: Vec<SentNotice>,
    pub(super) ways: Vec<WayStatus>,
}

impl Kept {
    /// After a restart nothing is under way.
    pub(super) fn after_restart(mut self) -> Self {
        self.sent.truncate(limits::NOTICE_RECENT);
        for sent in &mut self.sent {
            give_up(sent, "the server was stopped");
        }
        self
    }
}

/// What is under way will not arrive.
pub(super) fn give_up(sent: &mut SentNotice, why: &str) {
    for way in sent.ways.iter_mut().filter(|way| way.result == TRYING) {
        FAILED.clone_into(&mut way.result);
        let said = std::mem::take(&mut way.what);
        way.what = if said.is_empty() {
            why.to_owned()
        } else {
            format!("{said} ({why})")
        };
    }
}

impl WayStatus {
    pub(super) fn new(way: &str) -> Self {
        Self {
            way: way.to_owned(),
            good_at: None,
            failing_since: None,
            what: String::new(),
        }
    }
}

/// What an attempt came to.
pub(super) fn outcome(name: &str, result: &Result<String, Missed>, attempts: u32) -> WayResult {
    let (word, what) = match result {
        Ok(said) => (SENT, said.as_str()),
        Err(missed) => (FAILED, missed.what()),
    };
    WayResult {
        way: name.to_owned(),
        result: word.to_owned(),
        attempts,
        what: shortened(what),
    }
}

/// What others said, short and on one line.
pub(super) fn shortened(text: &str) -> String {
    visible(text).chars().take(SAID).collect()
}
