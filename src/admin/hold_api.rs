//! Rules that hold mail: made, listed, ended.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::Body;
use super::queue_api::SelectQuery;
use super::reason::required;
use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::mail::{RecipientState, SpoolId};
use crate::queue::{HeldCount, HeldCounts};
use crate::route::{HoldError, HoldRule, HoldWish, Selection};

/// What somebody wants to be held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct HoldQuery {
    /// What.
    pub(crate) which: SelectQuery,
    /// Who says so.
    pub(crate) actor: String,
    /// Why.
    pub(crate) reason: String,
    /// Until when.
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
    /// For how long, instead of until when.
    #[serde(default)]
    pub(crate) seconds: Option<u64>,
}

/// Which rules shall end: those that hold nothing but this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct EndQuery {
    /// What.
    pub(crate) which: SelectQuery,
    /// Who says so.
    pub(crate) actor: String,
}

/// A rule, and what waits because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldView {
    /// Its name.
    pub name: String,
    /// What it holds, for people.
    pub what: String,
    /// What it holds, for programs.
    pub selection: Selection,
    /// Who said so.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Recipients that it holds now.
    pub held: u64,
    /// Their messages.
    #[serde(default)]
    pub messages: u64,
    /// Acceptance of the oldest of their messages.
    pub oldest: Option<Timestamp>,
    /// Somebody wanted the same again: this one was in force, and no second one was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn list(State(admin): Us) -> Answer<Vec<HoldView>> {
    admin.blocking(Admin::hold_views).await.map(Json)
}

pub(super) async fn hold(State(admin): Us, Body(query): Body<HoldQuery>) -> Answer<HoldView> {
    admin.check(&query.which)?;
    query.which.expect_deed()?;
    let selection = query.which.selection;
    if selection.reason_kind.is_some() || selection.hold.is_some() {
        return Err(asked(
            "a hold names mail, and not why other mail is held",
            "leave out --reason-kind and --hold",
        ));
    }
    required(&query.reason, "a hold")?;
    if let Some(id) = selection.message {
        let message = admin.blocking(move |admin| Ok(admin.spool.message(id)?));
        can_be_held(id, message.await?.as_ref().map(|message| &*message.states))?;
    }
    let now = admin.clock.now();
    let after = query
        .seconds
        .map(|seconds| now.after(Duration::from_secs(seconds)));
    let until = query.until.or(after);
    if until.is_some_and(|until| until <= now) {
        return Err(asked(
            "that hold would be over already",
            "give a later time",
        ));
    }
    let wish = HoldWish {
        selection,
        actor: query.actor,
        reason: query.reason,
        until,
    };
    match admin.router.holds().hold(&admin.spool, wish, now).await {
        Ok(rule) => Ok(Json(HoldView::new(&rule, HeldCount::default()))),
        Err(HoldError::Known(rule)) => {
            let counts = admin.blocking(Admin::held_counts).await?;
            let count = counts.get(&rule.name).copied().unwrap_or_default();
            let view = HoldView::new(&rule, count);
            Ok(Json(HoldView {
                already: true,
                ..view
            }))
        }
        Err(error @ HoldError::TooMany(_)) => Err(asked(
            &error.to_string(),
            "one rule can name a whole domain",
        )),
        Err(HoldError::Spool(error)) => Err(error.into()),
    }
}

pub(super) async fn end(State(admin): Us, Body(query): Body<EndQuery>) -> Answer<Vec<HoldView>> {
    admin.check(&query.which)?;
    query.which.expect_deed()?;
    let holds = admin.router.holds();
    let selection = query.which.selection;
    let names = holds.book().covered_by(&selection);
    let wanted = selection.hold.filter(|name| !name.starts_with('@'));
    if let (Some(name), true) = (wanted, names.is_empty()) {
        return Err(AdminError::NotFound {
            what: format!("there is no hold \"{name}\""),
            hint: "`tideover queue holds` lists them",
        });
    }
    let ended = holds.end(&admin.spool, &names, &query.actor).await?;
    let views = ended
        .iter()
        .map(|rule| HoldView::new(rule, HeldCount::default()));
    Ok(Json(views.collect()))
}

/// A rule for one message holds nothing when the message is not there, or is finished: whoever
/// makes one means another message.
fn can_be_held(id: SpoolId, states: Option<&[RecipientState]>) -> Result<(), AdminError> {
    match states {
        None => Err(AdminError::NotFound {
            what: format!("the spool has no message {id}"),
            hint: "`tideover queue list` shows the ids of what waits",
        }),
        Some(states) if states.iter().all(RecipientState::is_finished) => Err(AdminError::Asked {
            what: format!("nothing of {id} waits any more"),
            hint: "`tideover queue show ID` tells what became of it",
        }),
        Some(_) => Ok(()),
    }
}

fn asked(what: &str, hint: &'static str) -> AdminError {
    AdminError::Asked {
        what: what.to_owned(),
        hint,
    }
}

impl HoldView {
    fn new(rule: &HoldRule, count: HeldCount) -> Self {
        Self {
            name: rule.name.clone(),
            what: rule.selection.to_string(),
            selection: rule.selection.clone(),
            actor: rule.actor.clone(),
            reason: rule.reason.clone(),
            since: rule.since,
            until: rule.until,
            held: count.recipients,
            messages: count.messages,
            oldest: count.oldest,
            already: false,
        }
    }
}

impl Admin {
    /// All rules, oldest first.
    pub(super) fn hold_views(&self) -> Result<Vec<HoldView>, AdminError> {
        let book = self.router.holds().book();
        let counts = self.held_counts()?;
        let rules = book.rules().into_iter();
        Ok(rules
            .map(|rule| HoldView::new(rule, counts.get(&rule.name).copied().unwrap_or_default()))
            .collect())
    }

    /// What waits by rules and moves, if there are any.
    pub(super) fn held_counts(&self) -> Result<Arc<HeldCounts>, AdminError> {
        let book = self.router.holds().book();
        if book.rules().is_empty() && book.moves().next().is_none() {
            return Ok(Arc::default());
        }
        Ok(self.queue.held_counts()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_for_one_message_needs_one_that_waits() {
        let id = SpoolId::from_u64(7);
        let waiting = RecipientState::accepted("onprem".to_owned(), Timestamp::EPOCH);
        let dropped = RecipientState::Dropped {
            at: Timestamp::EPOCH,
            actor: "root".to_owned(),
            uncertain: false,
        };
        let told = |states: Option<&[RecipientState]>| {
            let result = can_be_held(id, states);
            result.map_err(|error| error.to_string())
        };
        let text = id.to_string();
        let missing = format!("the spool has no message {text}");
        assert_eq!(told(None), Err(missing));
        let finished = format!("nothing of {text} waits any more");
        assert_eq!(told(Some(std::slice::from_ref(&dropped))), Err(finished));
        assert_eq!(told(Some(&[dropped, waiting])), Ok(()));
    }
}
