//! What operators say about a backend. It beats the health, and it outlives the process: each
//! change is a fact in the log with its actor, its reason and its time.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Board;
use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "backend";
/// The beginning of their keys; the backend's name follows.
const KEY: &str = "override/";

/// The beginning of the keys of holds that are over.
const SPANS: &str = "held/";

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// No attempts: its mail waits, also while it is up.
    Hold,
    /// Attempts, also while it looks down.
    Up,
    /// What was accepted before is delivered; what comes later waits.
    Drain,
    /// Nothing any more: the health decides.
    Resume,
}

impl Wish {
    /// Does it still rule when it is read again at a start? Who resumed wants nothing any more.
    pub(super) const fn still_rules(self) -> bool {
        !matches!(self, Self::Resume)
    }
}

/// A wish in force, or that ended one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What is wanted.
    pub wish: Wish,
    /// By whom.
    pub actor: String,
    /// Why, for people; may be empty.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// `held by root since 2026-01-02 10:02 UTC: disks are changed`.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.wish {
            Wish::Hold => "held",
            Wish::Up => "forced up",
            Wish::Drain => "drained",
            Wish::Resume => "resumed",
        };
        let since = self.since.to_jiff().strftime("%Y-%m-%d %H:%M UTC");
        write!(f, "{how} by {} since {since}", self.actor)?;
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

/// Writes an operator's wish down, then lets it rule.
///
/// # Errors
/// When it could not be written; nothing changes then.
pub async fn override_backend(
    spool: &Spool,
    board: &Board,
    backend: &BackendId,
    said: Override,
) -> Result<(), SpoolError> {
    let value = serde_json::to_value(&said).map_err(|e| SpoolError::Damaged(e.to_string()))?;
    // First: a hold that seems to have ended before it did is counted once all the same.
    let spans = board.spans_until(backend, said.since);
    if spans != board.spans_of(backend) {
        let spans = serde_json::to_value(&spans).map_err(|e| SpoolError::Damaged(e.to_string()))?;
        let key = format!("{SPANS}{backend}");
        spool.put_fact(ROOM, &key, Some(spans)).await?;
    }
    let key = format!("{KEY}{backend}");
    spool.put_fact(ROOM, &key, Some(value)).await?;
    board.set_override(backend, said);
    Ok(())
}

/// Takes the overrides of earlier lives over from the log.
///
/// # Errors
/// When the index fails. An override that cannot be read is logged and left out.
pub fn restore_overrides(spool: &Spool, board: &Board) -> Result<(), SpoolError> {
    for (key, value) in spool.facts(ROOM, KEY)? {
        let name = key.strip_prefix(KEY).unwrap_or(&key);
        match serde_json::from_value(value) {
            Ok(said) => board.restore_override(&BackendId::new(name), said),
            Err(error) => tracing::error!(%name, %error, "an override cannot be read"),
        }
    }
    for (key, value) in spool.facts(ROOM, SPANS)? {
        let name = key.strip_prefix(SPANS).unwrap_or(&key);
        match serde_json::from_value(value) {
            Ok(spans) => board.restore_spans(&BackendId::new(name), spans),
            Err(error) => tracing::error!(%name, %error, "holds of before cannot be read"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::monitor::tests::backend;
    use crate::backend::{Health, Signal};
    use crate::base::Clock;
    use crate::mail::{Blame, Failure};
    use crate::spool::{Options, World};

    fn said(wish: Wish, reason: &str) -> Override {
        Override {
            wish,
            actor: "root".to_owned(),
            reason: reason.to_owned(),
            since: Timestamp::from_millis(36_120_000),
        }
    }

    /// What is logged when a word of the life before is read again.
    #[test]
    fn a_resume_is_no_word_that_still_holds() {
        for (wish, is_told) in [(Wish::Hold, true), (Wish::Up, true), (Wish::Resume, false)] {
            assert_eq!(wish.still_rules(), is_told, "{wish:?}");
        }
    }

    #[tokio::test]
    async fn an_override_beats_the_health_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            min_free: 0,
            ..Options::new(folder.path())
        };
        let (onprem, backends) = (BackendId::new("onprem"), [backend("onprem")]);
        let mut texts = Vec::new();
        let mut held = Vec::new();
        for (wish, reason) in [
            (Wish::Hold, "disks"),
            (Wish::Up, "I know it"),
            (Wish::Resume, ""),
        ] {
            let opened = Spool::open(options.clone(), World::system()).unwrap();
            let (spool, writer) = (opened.spool, opened.writer.spawn_thread().unwrap());
            let board = Board::new(&backends, Clock::system());
            // What the life before said, seen in this one.
            restore_overrides(&spool, &board).unwrap();
            let (from, to) = (Timestamp::EPOCH, Timestamp::from_millis(36_180_000));
            held.push(board.held_for(&onprem, from, to).as_secs());
            let health = board.health(&onprem).unwrap();
            texts.push((health.takes_mail(), health.hold().map(ToString::to_string)));
            for _ in 0..3 {
                let failure = Failure::without_reply(Blame::Backend, "refused");
                board.report(&onprem, Signal::Bad(failure));
            }
            let health = board.health(&onprem).unwrap();
            assert_eq!(health.health, Health::Down, "the health is seen beneath");
            texts.push((health.takes_mail(), None));
            let mut said = said(wish, reason);
            // The hold begins a minute before that, and lasts half of it.
            let late = if wish == Wish::Hold { 0 } else { 30_000 };
            said.since = Timestamp::from_millis(36_120_000 + late);
            override_backend(&spool, &board, &onprem, said)
                .await
                .unwrap();
            // A reload without the backend, and one with it again.
            board.configure(&[]);
            board.configure(&backends);
            let health = board.health(&onprem).unwrap();
            assert_eq!(health.takes_mail(), wish != Wish::Hold);
            spool.close().await.unwrap();
            drop((spool, board));
            writer.join().unwrap();
        }
        assert_eq!(held, [0, 60, 30], "never, still, and ended");
        let held = "held by root since 1970-01-01 10:02 UTC: disks".to_owned();
        assert_eq!(
            texts,
            [
                (true, None),
                (false, None),
                (false, Some(held)),
                (false, None),
                (true, None),
                (true, None),
            ]
        );
    }
}
