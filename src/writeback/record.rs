//! Write-back in the log: runs, what came of them for each user, and what is carried.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BackendId, MarkPlace, SpoolId};
use crate::spool::{Spool, SpoolError};

/// The room of the runs.
const ROOM: &str = "writeback";
/// The runs; the number follows.
const RUN: &str = "run/";
/// Who is meant by a run, a key a line.
const PEOPLE: &str = "people/";
/// What came of a run for a user: `result/NUMBER/MAILBOX`.
const RESULT: &str = "result/";
/// The room of what is carried: `MAILBOX/KIND/NAME`.
const WRITTEN: &str = "written";
/// Refusals, and losses, of one user that are told one by one. Beyond: their number.
const REFUSALS: usize = 5;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It goes on, also after a restart.
    Running,
    /// All that could be carried is.
    Done,
    /// Somebody ended it.
    Stopped,
}

impl RunState {
    /// One word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }
}

/// Who did what with a run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunDeed {
    /// When.
    pub at: Timestamp,
    /// What it was from then on.
    pub state: RunState,
    /// Who; `tideover` for the program itself.
    pub actor: String,
    /// Why; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Whose work is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Meant {
    /// Only users with their mailbox there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendId>,
    /// So many users were named; 0: all.
    #[serde(default)]
    pub users: u64,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// `w1`.
    pub id: String,
    /// Where it stands.
    pub state: RunState,
    /// Whose work.
    pub meant: Meant,
    /// Users with work when it began.
    #[serde(default)]
    pub users: u64,
    /// So many people are written down as meant, because they were named, or because their mailbox
    /// was at the backend when it began; `None`: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<u64>,
    /// Its life.
    pub deeds: Vec<RunDeed>,
}

impl Run {
    /// Runs of before wrote down only those who were named.
    const fn has_list(&self) -> bool {
        match self.people {
            Some(people) => people > 0,
            None => self.meant.users > 0,
        }
    }

    pub(super) fn number(&self) -> u64 {
        let digits = self.id.strip_prefix('w');
        digits
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default()
    }
}

/// Numbers of what was done, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Carried {
    /// Sent messages put into the folder for them.
    pub sent: u64,
    /// Drafts put there, replaced, or taken to the trash because they are no drafts any more.
    pub drafts: u64,
    /// Messages whose read or flag state was carried.
    pub states: u64,
    /// Messages moved to the archive, or back from it.
    pub filed: u64,
    /// Messages moved to the trash.
    pub deleted: u64,
    /// Sent messages of which the user was sent a copy, for want of IMAP.
    pub copied: u64,
    /// What was found there as it is to be.
    pub there: u64,
    /// Messages that the mailbox does not have: a replay brings them.
    pub absent: u64,
    /// What cannot be carried, for want of IMAP.
    pub cannot: u64,
    /// What the platform refused.
    pub refused: u64,
    /// What is damaged or gone here, so that nobody can carry it.
    pub lost: u64,
}

impl Carried {
    /// What was done, or would be.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.sent + self.drafts + self.states + self.filed + self.deleted + self.copied
    }

    /// The same in words: `12 sent, 3 drafts`.
    #[must_use]
    pub fn told(&self) -> String {
        let parts = [
            (self.sent, "sent"),
            (self.drafts, "drafts"),
            (self.states, "read or flagged"),
            (self.filed, "filed"),
            (self.deleted, "deleted"),
            (self.copied, "sent as copies"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if parts.is_empty() {
            return "nothing".to_owned();
        }
        parts.join(", ")
    }

    /// Is there nothing at all?
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.done() + self.there + self.absent + self.cannot + self.refused + self.lost == 0
    }

    /// Without what is seen once more when it is tried once more.
    pub(super) const fn only_done(self) -> Self {
        Self {
            there: 0,
            absent: 0,
            cannot: 0,
            refused: 0,
            lost: 0,
            ..self
        }
    }

    pub(super) const fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.drafts += other.drafts;
        self.states += other.states;
        self.filed += other.filed;
        self.deleted += other.deleted;
        self.copied += other.copied;
        self.there += other.there;
        self.absent += other.absent;
        self.cannot += other.cannot;
        self.refused += other.refused;
        self.lost += other.lost;
    }
}

/// What came of a run for one user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UserResult {
    /// The key of his mailbox in the directory.
    pub mailbox: String,
    /// The backend that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendId>,
    /// What was carried.
    #[serde(flatten)]
    pub carried: Carried,
    /// What the platform refused, and why; the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// What is damaged or gone here; the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
    /// He has not come to his end: this is what was done so far.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Why his work, or the rest of it, was not carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl UserResult {
    /// Is there nothing that the platform refused, or that is lost?
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.carried.refused + self.carried.lost == 0
    }

    pub(super) fn refuse(&mut self, why: String) {
        self.carried.refused += 1;
        if self.refusals.len() < REFUSALS {
            self.refusals.push(why);
        }
    }

    pub(super) fn lose(&mut self, what: String) {
        tracing::error!(mailbox = self.mailbox, what, "write-back: it is lost");
        self.carried.lost += 1;
        if self.losses.len() < REFUSALS {
            self.losses.push(what);
        }
    }
}

/// What was carried of one message or draft, so that it is not carried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    /// Where to. What another backend has got counts for that one only.
    pub(super) backend: BackendId,
    pub(super) at: Timestamp,
    /// The change here that was the last one then.
    #[serde(default)]
    pub(super) changed: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) seen: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) flagged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<MarkPlace>,
    /// States of a draft of which nobody knows whether they are there: a crash may have come
    /// behind their APPEND.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) begun: Vec<Timestamp>,
    /// The copy that the user was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) copy: Option<SpoolId>,
    /// That copy was there; by now it may be delivered and gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) accepted: bool,
}

/// What is carried of a mailbox, by `KIND/NAME`.
pub(super) type AllWritten = BTreeMap<String, Written>;

pub(super) fn written(spool: &Spool, mailbox: &str) -> Result<AllWritten, SpoolError> {
    let prefix = format!("{mailbox}/");
    let facts = spool.facts(WRITTEN, &prefix)?.into_iter();
    // What cannot be read was not carried: it is looked for before anything is done.
    let read = |(key, value): (String, serde_json::Value)| {
        let name = key.strip_prefix(&prefix)?.to_owned();
        Some((name, serde_json::from_value(value).ok()?))
    };
    Ok(facts.filter_map(read).collect())
}

pub(super) async fn put_written(
    spool: &Spool,
    (mailbox, name): (&str, &str),
    written: Option<&Written>,
) -> Result<(), SpoolError> {
    let value = written.map(json).transpose()?;
    let key = format!("{mailbox}/{name}");
    spool.put_fact(WRITTEN, &key, value).await
}

/// Takes a record away, by its whole key.
pub(super) async fn drop_written(spool: &Spool, key: &str) -> Result<(), SpoolError> {
    spool.put_fact(WRITTEN, key, None).await
}

fn json(value: &impl Serialize) -> Result<serde_json::Value, SpoolError> {
    serde_json::to_value(value).map_err(|error| SpoolError::Damaged(error.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(
    (key, value): (String, serde_json::Value),
) -> Result<T, SpoolError> {
    serde_json::from_value(value)
        .map_err(|error| SpoolError::Damaged(format!("the fact {key}: {error}")))
}

/// All runs, the first one first.
pub(super) fn runs(spool: &Spool) -> Result<Vec<Run>, SpoolError> {
    spool.facts(ROOM, RUN)?.into_iter().map(read).collect()
}

pub(super) async fn put_run(spool: &Spool, run: &Run) -> Result<(), SpoolError> {
    spool.put_fact(ROOM, &key(RUN, run), Some(json(run)?)).await
}

/// Writes down who is meant, before the run itself.
pub(super) async fn put_people(
    spool: &Spool,
    run: &Run,
    people: &BTreeSet<String>,
) -> Result<(), SpoolError> {
    if people.is_empty() {
        return Ok(());
    }
    let text: Vec<&str> = people.iter().map(String::as_str).collect();
    let text = text.join("\n").into();
    let value = run.id.as_str().into();
    let written = spool
        .put_document(ROOM, &key(PEOPLE, run), value, text)
        .await?;
    written.wait().await
}

/// Who is meant; empty: everybody; `None`: nobody.
pub(super) fn people(spool: &Spool, run: &Run) -> Result<Option<BTreeSet<String>>, SpoolError> {
    if !run.has_list() {
        return Ok(run.people.is_none().then(BTreeSet::new));
    }
    let name = key(PEOPLE, run);
    // Nobody named must not become everybody.
    let missing = || SpoolError::Damaged(format!("{name} is missing"));
    let (_, text) = spool.document(ROOM, &name)?.ok_or_else(missing)?;
    let odd = |_| SpoolError::Damaged(format!("{name} is no text"));
    let text = std::str::from_utf8(&text).map_err(odd)?;
    Ok(Some(text.lines().map(str::to_owned).collect()))
}

/// What came of a run so far, by mailbox.
pub(super) fn results(spool: &Spool, run: &Run) -> Result<Vec<UserResult>, SpoolError> {
    let prefix = format!("{}/", key(RESULT, run));
    spool.facts(ROOM, &prefix)?.into_iter().map(read).collect()
}

pub(super) async fn put_result(
    spool: &Spool,
    run: &Run,
    result: &UserResult,
) -> Result<(), SpoolError> {
    let key = format!("{}/{}", key(RESULT, run), result.mailbox);
    spool.put_fact(ROOM, &key, Some(json(result)?)).await
}

/// Forgets the oldest runs, so that there is room for one more.
pub(super) async fn make_room(spool: &Spool, all: &[Run]) -> Result<(), SpoolError> {
    let excess = (all.len() + 1).saturating_sub(limits::WRITEBACKS);
    for run in all.iter().take(excess) {
        for result in results(spool, run)? {
            let key = format!("{}/{}", key(RESULT, run), result.mailbox);
            spool.put_fact(ROOM, &key, None).await?;
        }
        if run.has_list() {
            spool.put_fact(ROOM, &key(PEOPLE, run), None).await?;
        }
        spool.put_fact(ROOM, &key(RUN, run), None).await?;
    }
    Ok(())
}

fn key(what: &str, run: &Run) -> String {
    format!("{what}{:08}", run.number())
}
