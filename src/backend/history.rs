//! What a backend went through: each change of its health and each word of an operator, with its
//! reason. The last ones are facts of the log, so that `backend show` tells them after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Board, Health, RefusedAtRcpt, Rejecting, Wish};
use crate::base::{Shutdown, Timestamp};
use crate::limits;
use crate::mail::{BackendId, CaseId};
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "backend";
/// The beginning of their keys; the backend's name and a place in the ring follow.
const KEY: &str = "history/";
/// Pause before a change is written again.
const AGAIN: Duration = Duration::from_secs(5);

/// What a backend became.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// See [`Health::Up`].
    Up,
    /// See [`Health::Slow`].
    Slow,
    /// See [`Health::Down`].
    Down,
    /// See [`Health::Rejecting`].
    Rejecting,
    /// See [`Wish::Hold`].
    Held,
    /// See [`Wish::Drain`].
    Drained,
    /// See [`Wish::Up`].
    ForcedUp,
    /// See [`Wish::Resume`].
    Resumed,
}

impl Became {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Slow => "slow",
            Self::Down => "down",
            Self::Rejecting => "rejecting",
            Self::Held => "held",
            Self::Drained => "drained",
            Self::ForcedUp => "forced up",
            Self::Resumed => "resumed",
        }
    }

    pub(super) const fn is_health(self) -> bool {
        match self {
            Self::Up | Self::Slow | Self::Down | Self::Rejecting => true,
            Self::Held | Self::Drained | Self::ForcedUp | Self::Resumed => false,
        }
    }
}

impl From<Health> for Became {
    fn from(health: Health) -> Self {
        match health {
            Health::Up => Self::Up,
            Health::Slow => Self::Slow,
            Health::Down => Self::Down,
            Health::Rejecting => Self::Rejecting,
        }
    }
}

impl From<Wish> for Became {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Hold => Self::Held,
            Wish::Up => Self::ForcedUp,
            Wish::Drain => Self::Drained,
            Wish::Resume => Self::Resumed,
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthChange {
    /// Counts the changes of a backend.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Into what.
    pub became: Became,
    /// Why, for people; empty when nobody gave a reason.
    #[serde(default)]
    pub reason: String,
    /// The operator who said so; empty when nobody did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// The case for which it became rejecting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// Whom it had refused at RCPT then: they are asked for without mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_at_rcpt: Vec<RefusedAtRcpt>,
    /// It became slow because mail fails while probes are answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failing: bool,
}

impl HealthChange {
    /// That it became rejecting, if it did.
    fn rejecting(&self) -> Option<Rejecting> {
        Some(Rejecting {
            case: self.case?,
            reason: self.reason.clone(),
            since: self.at,
            refused: self.refused_at_rcpt.clone(),
        })
    }
}

/// `down: connection refused`, `held by root: disks are changed`.
impl fmt::Display for HealthChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.became.as_str())?;
        if !self.actor.is_empty() {
            write!(f, " by {}", self.actor)?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

/// What a backend has said since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Nothing, or that it cannot be reached.
    Nothing,
    /// It answers.
    Answer,
}

/// What is left of earlier lives.
#[derive(Debug)]
struct Left {
    /// It was rejecting, and a restart is no acceptance.
    open: Option<Rejecting>,
    /// It was down since then, for that reason, and a restart is no answer.
    down: Option<(Timestamp, String)>,
    /// It failed all mail since then, for that reason, and a restart takes none.
    failing: Option<(Timestamp, String)>,
}

/// The last changes of one backend, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    changes: VecDeque<HealthChange>,
    /// The number of the last change.
    last: u64,
    /// Up to here they are in the log.
    saved: u64,
}

impl History {
    /// Adds a change; returns it for the program's log.
    pub(super) fn push(
        &mut self,
        at: Timestamp,
        (became, reason, actor): (Became, &str, &str),
        rejecting: Option<&Rejecting>,
    ) -> String {
        self.last += 1;
        let change = HealthChange {
            number: self.last,
            at,
            became,
            reason: reason.to_owned(),
            actor: actor.to_owned(),
            case: rejecting.map(|it| it.case),
            refused_at_rcpt: rejecting.map_or_else(Vec::new, |it| it.refused.clone()),
            failing: false,
        };
        let told = change.to_string();
        if self.changes.len() >= limits::HEALTH_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
        told
    }

    /// The last change was that mail fails.
    pub(super) fn mark_failing(&mut self) {
        if let Some(last) = self.changes.back_mut() {
            last.failing = true;
        }
    }

    /// Puts the changes of earlier lives in front of those of this one, and says what is left of
    /// them.
    fn restore(&mut self, mut earlier: Vec<HealthChange>, now: Timestamp, heard: Heard) -> Left {
        earlier.sort_by_key(|change| change.number);
        let present = std::mem::take(self);
        self.last = earlier.last().map_or(0, |change| change.number);
        self.saved = self.last;
        let last = earlier.iter().rfind(|change| change.became.is_health());
        let health = last.map(|change| change.became);
        let down = last.filter(|it| it.became == Became::Down && heard == Heard::Nothing);
        let down = down.map(|change| (change.at, change.reason.clone()));
        let is_news = present.changes.iter().any(|it| it.became.is_health());
        let failing = last.filter(|change| change.failing && !is_news);
        let failing = failing.map(|change| (change.at, change.reason.clone()));
        let open = still_open(&earlier);
        self.changes.extend(earlier);
        let at = present.changes.front().map_or(now, |first| first.at);
        match (&open, health) {
            _ if down.is_some() || failing.is_some() => {}
            (Some(_), Some(Became::Rejecting)) | (None, None | Some(Became::Up)) => {}
            // It was down then, and is not known to be now.
            (Some(open), _) => {
                let rejecting = (Became::Rejecting, open.reason.as_str(), "");
                self.push(at, rejecting, Some(open));
            }
            (None, Some(_)) => {
                let why = "the program was started and has not met trouble yet";
                self.push(at, (Became::Up, why, ""), None);
            }
        }
        // It was found down before the log could be asked: that it is, is no news then.
        let known = |change: &HealthChange| down.is_some() && change.became == Became::Down;
        for change in present.changes.into_iter().skip_while(known) {
            let told = (change.became, change.reason.as_str(), change.actor.as_str());
            self.push(change.at, told, change.rejecting().as_ref());
            if change.failing {
                self.mark_failing();
            }
        }
        Left {
            open,
            down,
            failing,
        }
    }

    pub(super) fn list(&self) -> Vec<HealthChange> {
        self.changes.iter().cloned().collect()
    }
}

/// The refusals that nothing has ended: one that went down meanwhile has accepted nobody.
fn still_open(changes: &[HealthChange]) -> Option<Rejecting> {
    let mut healths = changes.iter().rev().filter(|it| it.became.is_health());
    let last = healths.find(|change| change.became != Became::Down)?;
    let is_open = last.became == Became::Rejecting;
    last.rejecting().filter(|_| is_open)
}

impl Board {
    /// The last changes of a backend, oldest first.
    #[must_use]
    pub fn history(&self, backend: &BackendId) -> Vec<HealthChange> {
        let histories = self.histories();
        histories
            .get(backend)
            .map(History::list)
            .unwrap_or_default()
    }

    fn unsaved(&self) -> Vec<(BackendId, HealthChange)> {
        let histories = self.histories();
        let unsaved = histories.iter().flat_map(|(id, history)| {
            let changes = history.changes.iter();
            let new = changes.filter(|change| change.number > history.saved);
            new.map(|change| (id.clone(), change.clone()))
        });
        unsaved.collect()
    }

    fn note_saved(&self, backend: &BackendId, number: u64) {
        if let Some(history) = self.histories().get_mut(backend) {
            history.saved = history.saved.max(number);
        }
    }
}

/// Takes the changes of earlier lives over from the log.
///
/// # Errors
/// When the index fails. A change that cannot be read is logged and left out.
pub fn restore_history(spool: &Spool, board: &Board) -> Result<(), SpoolError> {
    let mut found: BTreeMap<BackendId, Vec<HealthChange>> = BTreeMap::new();
    for (key, value) in spool.facts(ROOM, KEY)? {
        let name = key.strip_prefix(KEY).and_then(|rest| rest.rsplit_once('/'));
        match (name, serde_json::from_value(value)) {
            (Some((name, _)), Ok(change)) => {
                found.entry(BackendId::new(name)).or_default().push(change);
            }
            (_, result) => {
                let error = result.err().map(|error| error.to_string());
                tracing::error!(%key, ?error, "a change of health cannot be read");
            }
        }
    }
    let now = board.now();
    let mut open = Vec::new();
    {
        // No signal comes in between.
        let mut entries = board.entries();
        let mut histories = board.histories();
        for (backend, earlier) in found {
            let heard = match entries.get(&backend) {
                Some(entry) if !entry.has_answered() => Heard::Nothing,
                Some(_) | None => Heard::Answer,
            };
            let history = histories.entry(backend.clone()).or_default();
            let left = history.restore(earlier, now, heard);
            if let (Some((since, reason)), Some(entry)) = (left.down, entries.get_mut(&backend)) {
                tracing::warn!(%backend, %since, %reason, "it was down, and has not answered yet");
                entry.detector.recall_down(since, &reason);
            }
            if let (Some((since, reason)), Some(entry)) = (left.failing, entries.get_mut(&backend))
            {
                tracing::warn!(
                    %backend, %since, %reason, "it failed all mail, and took none since"
                );
                entry.detector.recall_failing(since, &reason, now);
            }
            open.extend(left.open.map(|it| (backend, it)));
        }
    }
    board.reopen(open);
    Ok(())
}

/// Writes changes down as they come, until the stop is asked for. To be begun after
/// [`restore_history`].
pub async fn keep_history(spool: Spool, board: Board, shutdown: Shutdown) {
    loop {
        let mut pause = None;
        for (backend, change) in board.unsaved() {
            let place = change.number % limits::HEALTH_CHANGES as u64;
            let key = format!("{KEY}{backend}/{place:03}");
            let value = serde_json::to_value(&change).ok();
            if let Err(error) = spool.put_fact(ROOM, &key, value).await {
                tracing::error!(%backend, %error, "a change of health is not written down yet");
                pause = Some(AGAIN);
                break;
            }
            board.note_saved(&backend, change.number);
        }
        tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            () = board.changed_history(), if pause.is_none() => {}
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
