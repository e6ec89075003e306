//! Rules and moves, shared, and kept as facts of the log: they outlive the process.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, watch};

use super::{HoldBook, HoldRule, Move, MoveState, MoveStep, Selection};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BackendId, SpoolId};
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "hold";
/// The rules; the name follows.
const RULE: &str = "rule/";
/// The moves; the domain follows.
const MOVE: &str = "move/";
/// Homes that a finished move gave; the domain follows.
const HOME: &str = "home/";
/// The number of the last rule.
const LAST: &str = "last";

/// What somebody wants to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldWish {
    /// What.
    pub selection: Selection,
    /// Who says so.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Until when, if it shall end by itself.
    pub until: Option<Timestamp>,
}

/// A step of a move that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepWish {
    /// The domain, as [`crate::smtp::Domain::key`] has it.
    pub domain: String,
    /// The step.
    pub step: MoveStep,
    /// Who takes it.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
    /// With `start`: the home that the domain has. With `finish`: its home from now on.
    pub home: Option<BackendId>,
}

/// Why a rule was not made.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// There are too many.
    #[error("there are {0} holds already: end some with `tideover queue release --hold NAME`")]
    TooMany(usize),
    /// A rule in force holds the very same, and at least as long.
    #[error("hold {} holds that already", .0.name)]
    Known(Box<HoldRule>),
    /// It could not be written down.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// Why a step of a move was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The move is not any more what was looked at: somebody else was faster.
    #[error("somebody else has taken a step of this move meanwhile")]
    Overtaken,
    /// It could not be written down.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// What operators said about mail that is to wait; cheap to clone.
#[derive(Clone)]
pub struct Holds(Arc<Inner>);

struct Inner {
    book: watch::Sender<Arc<HoldBook>>,
    /// One change at a time.
    writing: Mutex<()>,
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Holds").field(&self.book()).finish()
    }
}

impl Default for Holds {
    fn default() -> Self {
        Self(Arc::new(Inner {
            book: watch::Sender::new(Arc::default()),
            writing: Mutex::default(),
        }))
    }
}

impl Holds {
    /// Everything at this moment, as one consistent whole; costs a pointer.
    #[must_use]
    pub fn book(&self) -> Arc<HoldBook> {
        self.0.book.borrow().clone()
    }

    /// Tells of changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<HoldBook>> {
        self.0.book.subscribe()
    }

    /// Takes over what the log knows from earlier lives.
    ///
    /// # Errors
    /// When the index fails. What cannot be read is logged and left out, but a rule still holds
    /// what it has held.
    pub fn restore(&self, spool: &Spool) -> Result<(), SpoolError> {
        let mut book = HoldBook::default();
        for (key, value) in spool.facts(ROOM, RULE)? {
            let name = key.strip_prefix(RULE).unwrap_or(&key);
            let rule = serde_json::from_value(value).unwrap_or_else(|error| {
                tracing::error!(%key, %error, "a hold cannot be read");
                unreadable(name, &error)
            });
            book.rules.insert(name.to_owned(), rule);
        }
        book.moves.extend(read::<Move>(spool, MOVE)?);
        book.homes.extend(read::<BackendId>(spool, HOME)?);
        self.0.book.send_replace(Arc::new(book));
        Ok(())
    }

    /// Writes a rule down, then lets it hold.
    ///
    /// # Errors
    /// When one holds the very same already: it holds from now on, also what was let past it. When
    /// there are too many, or when it could not be written; nothing changes then.
    pub async fn hold(
        &self,
        spool: &Spool,
        wish: HoldWish,
        now: Timestamp,
    ) -> Result<HoldRule, HoldError> {
        let _one_at_a_time = self.0.writing.lock().await;
        if let Some(rule) = self.book().equal(&wish.selection, wish.until) {
            // What somebody has let past it since is meant, too.
            let rule = HoldRule {
                since: now,
                ..rule.clone()
            };
            write(spool, &format!("{RULE}{}", rule.name), &rule).await?;
            self.change(|book| {
                book.rules.insert(rule.name.clone(), rule.clone());
            });
            return Err(HoldError::Known(Box::new(rule)));
        }
        let known = self.book().rules.len();
        if known >= limits::HOLDS {
            return Err(HoldError::TooMany(known));
        }
        let last = spool.fact(ROOM, LAST)?;
        let number = last.and_then(|last| last.as_u64()).unwrap_or_default() + 1;
        spool.put_fact(ROOM, LAST, Some(number.into())).await?;
        let rule = HoldRule {
            name: format!("h{number}"),
            selection: wish.selection,
            actor: wish.actor,
            reason: wish.reason,
            since: now,
            until: wish.until,
        };
        write(spool, &format!("{RULE}{}", rule.name), &rule).await?;
        tracing::warn!(hold = %rule.name, what = %rule.selection, actor = %rule.actor,
            reason = %rule.reason, "a hold begins");
        self.change(|book| {
            book.rules.insert(rule.name.clone(), rule.clone());
        });
        Ok(rule)
    }

    /// Ends rules; names that there are not are left out of the answer.
    ///
    /// # Errors
    /// When it could not be written; the others stay in force then.
    pub async fn end(
        &self,
        spool: &Spool,
        names: &[String],
        actor: &str,
    ) -> Result<Vec<HoldRule>, SpoolError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let mut ended = Vec::new();
        for name in names {
            let Some(rule) = self.book().rules.get(name).cloned() else {
                continue;
            };
            spool.put_fact(ROOM, &format!("{RULE}{name}"), None).await?;
            tracing::warn!(hold = %name, %actor, "a hold has ended");
            self.change(|book| {
                book.rules.remove(name);
            });
            ended.push(rule);
        }
        Ok(ended)
    }

    /// Takes a step of the move that was looked at, `seen`; [`super::MoveFacts::checks`] says
    /// before whether it may be. Each part is written down before the next one: after a crash the
    /// step is taken again.
    ///
    /// # Errors
    /// When the move is another than `seen` by now, or when it could not be written.
    pub async fn step(
        &self,
        spool: &Spool,
        wish: StepWish,
        seen: Option<&Move>,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let book = self.book();
        let known = book.the_move(&wish.domain);
        if known != seen {
            return Err(StepError::Overtaken);
        }
        let mut one = known.map_or_else(|| Move::begun(&wish.domain, now), Move::clone);
        one.actor = wish.actor;
        if wish.step == MoveStep::Start || !wish.reason.is_empty() {
            one.reason = wish.reason;
        }
        match wish.step {
            MoveStep::Start => {
                let (actor, reason) = (one.actor, one.reason);
                one = Move {
                    actor,
                    reason,
                    home_then: wish.home,
                    ..Move::begun(&wish.domain, now)
                };
            }
            MoveStep::Finish => {
                if let Some(home) = wish.home {
                    if !one.gave_home {
                        let before = book.home(&wish.domain).cloned();
                        (one.gave_home, one.home_before) = (true, before);
                    }
                    self.set_move(spool, one.clone()).await?;
                    self.set_home(spool, &wish.domain, Some(home)).await?;
                }
                (one.state, one.ended) = (MoveState::Finished, Some(now));
            }
            MoveStep::BackOut => {
                if one.gave_home {
                    let before = one.home_before.clone();
                    self.set_home(spool, &wish.domain, before).await?;
                }
                (one.state, one.ended) = (MoveState::BackedOut, Some(now));
            }
        }
        Ok(self.set_move(spool, one).await?)
    }

    /// Writes down where a move stands, then lets it hold.
    async fn set_move(&self, spool: &Spool, one: Move) -> Result<(), SpoolError> {
        write(spool, &format!("{MOVE}{}", one.domain), &one).await?;
        tracing::warn!(domain = %one.domain, state = %one.state, actor = %one.actor, "a move");
        self.change(|book| {
            book.moves.insert(one.domain.clone(), one);
        });
        Ok(())
    }

    /// Gives a domain a home that beats the config's, or takes it away.
    async fn set_home(
        &self,
        spool: &Spool,
        domain: &str,
        home: Option<BackendId>,
    ) -> Result<(), SpoolError> {
        let key = format!("{HOME}{domain}");
        match &home {
            Some(home) => write(spool, &key, home).await?,
            None => spool.put_fact(ROOM, &key, None).await?,
        }
        self.change(|book| match home {
            Some(home) => {
                book.homes.insert(domain.to_owned(), home);
            }
            None => {
                book.homes.remove(domain);
            }
        });
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut HoldBook)) {
        self.0.book.send_modify(|book| {
            let mut new = HoldBook::clone(book);
            change(&mut new);
            *book = Arc::new(new);
        });
    }
}

async fn write(spool: &Spool, key: &str, value: &impl Serialize) -> Result<(), SpoolError> {
    let value = serde_json::to_value(value);
    let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
    spool.put_fact(ROOM, key, Some(value)).await
}

/// Stands for a rule that cannot be read: nothing more is held by it, and nobody is let go.
fn unreadable(name: &str, error: &serde_json::Error) -> HoldRule {
    HoldRule {
        name: name.to_owned(),
        selection: Selection {
            message: Some(SpoolId::first_at(Timestamp::EPOCH)),
            ..Selection::default()
        },
        actor: "tideover".to_owned(),
        reason: format!("this hold cannot be read ({error}); it holds no new mail"),
        since: Timestamp::EPOCH,
        until: None,
    }
}

fn read<T: DeserializeOwned>(spool: &Spool, prefix: &str) -> Result<Vec<(String, T)>, SpoolError> {
    let mut found = Vec::new();
    for (key, value) in spool.facts(ROOM, prefix)? {
        match serde_json::from_value(value) {
            Ok(value) => {
                let name = key.strip_prefix(prefix).unwrap_or(&key);
                found.push((name.to_owned(), value));
            }
            Err(error) => tracing::error!(%key, %error, "a hold cannot be read"),
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "hold_store_tests.rs"]
mod tests;
