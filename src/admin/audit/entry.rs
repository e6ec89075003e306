//! An entry of the audit log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Arguments;
use crate::admin::{Caller, Role};
use crate::base::Timestamp;

/// What somebody asked for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its name; behind it the next page begins.
    #[serde(default)]
    pub id: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked.
    pub who: String,
    /// What he might do; none for who is not logged in.
    #[serde(default)]
    pub role: Option<Role>,
    /// From where: `socket`, or an address of the network.
    pub from: String,
    /// What, in words.
    pub what: String,
    /// The path, as it was asked for; empty for a login.
    #[serde(default)]
    pub path: String,
    /// What was said of it: names and values, without passwords and the like.
    #[serde(default)]
    pub arguments: Arguments,
    /// Why, for people; may be empty.
    #[serde(default)]
    pub reason: String,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// The HTTP status of the answer.
    #[serde(default)]
    pub status: Option<u16>,
    /// What was said to a refusal, also to one with the status of an answer; of a deed to mail, to
    /// how many it was done; of a step of a replay, which one it is; else empty.
    #[serde(default)]
    pub told: String,
    /// When the answer was known.
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// Refusals before this one that are not written down: there were too many.
    #[serde(default)]
    pub left_out: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It goes on, or the program ended before it was known.
    Asked,
    /// It was done.
    Done,
    /// Nothing was to be done: somebody looked what it would be.
    Looked,
    /// It was not.
    Refused,
    /// We failed.
    Failed,
}

impl AuditOutcome {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Done => "done",
            Self::Looked => "looked",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl AuditEntry {
    /// That `caller` asks for something.
    pub(in crate::admin) fn new(caller: &Caller, what: &str) -> Self {
        Self {
            role: Some(caller.role),
            outcome: AuditOutcome::Asked,
            ..Self::of_login(&caller.name, &caller.from, what)
        }
    }

    /// That somebody tried to prove who he is.
    pub(in crate::admin) fn of_login(who: &str, from: &str, what: &str) -> Self {
        Self {
            id: String::new(),
            at: Timestamp::from_millis(0),
            who: who.to_owned(),
            role: None,
            from: from.to_owned(),
            what: what.to_owned(),
            path: String::new(),
            arguments: Arguments::default(),
            reason: String::new(),
            outcome: AuditOutcome::Done,
            status: None,
            told: String::new(),
            ended: None,
            left_out: 0,
        }
    }
}
