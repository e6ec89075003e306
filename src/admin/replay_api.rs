//! Replays: planned, started, watched, paused and ended.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Path, Query};
use super::noted::{Note, Noted};
use super::replay_query::ReplayQuery;
use super::{Admin, AdminError};
use crate::mail::{BackendId, ReplayStep};
use crate::queue::replay::{Plan, Progress, Replay, ReplayError, Selection};

/// Something that is done with a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReplayDeedQuery {
    /// Who.
    #[serde(default)]
    pub(crate) actor: String,
    /// Why; may be empty.
    #[serde(default)]
    pub(crate) reason: String,
}

/// What a replay would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayPlanView {
    /// `r1`: start it by this.
    pub id: String,
    /// Where to.
    pub to: BackendId,
    /// Which mail, in a sentence.
    pub told: String,
    /// The same for programs.
    pub selection: Selection,
    /// What it would do.
    #[serde(flatten)]
    pub plan: Plan,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;
/// With a note for the audit log.
type Changed<T> = Result<Noted<T>, AdminError>;

pub(super) async fn list(State(admin): Us) -> Answer<Vec<Progress>> {
    admin
        .blocking(|admin| Ok(admin.replays.list()?))
        .await
        .map(Json)
}

impl Admin {
    /// For `/health`.
    pub(super) fn replay_problems(&self) -> Vec<String> {
        let replays = self.replays.list().unwrap_or_default();
        let problems = replays.iter().map(|one| one.replay.problem());
        problems.flatten().collect()
    }
}

pub(super) async fn status(State(admin): Us, Path(id): Path<String>) -> Answer<Progress> {
    Ok(Json(admin.replays.status(&id)?))
}

pub(super) async fn plan(
    State(admin): Us,
    Query(query): Query<ReplayQuery>,
    body: Bytes,
) -> Changed<ReplayPlanView> {
    let (to, actor) = (query.to.clone(), query.actor.clone());
    let (meant, people) = admin.meant_by(query, body).await?;
    let replay = admin.replays.plan(&to, meant, &actor).await?;
    let note = Note::Told(entry_of(&replay) + &people);
    Ok(Noted(ReplayPlanView::from(replay), note))
}

pub(super) async fn start(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Changed<Progress> {
    Ok(noted(admin.replays.start(&id, &query.actor).await?))
}

pub(super) async fn pause(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Changed<Progress> {
    let said = (query.actor.as_str(), query.reason.as_str());
    Ok(noted(admin.replays.pause(&id, said).await?))
}

pub(super) async fn resume(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Changed<Progress> {
    Ok(noted(admin.replays.resume(&id, &query.actor).await?))
}

pub(super) async fn stop(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Changed<Progress> {
    let said = (query.actor.as_str(), query.reason.as_str());
    Ok(noted(admin.replays.stop(&id, said).await?))
}

/// What the audit log says of a replay: which one it is, and which mail.
fn entry_of(replay: &Replay) -> String {
    format!(
        "{} to {}: {}",
        replay.id,
        replay.to,
        replay.selection.told()
    )
}

fn noted(progress: Progress) -> Noted<Progress> {
    let note = Note::Told(entry_of(&progress.replay));
    Noted(progress, note)
}

impl From<Replay> for ReplayPlanView {
    fn from(replay: Replay) -> Self {
        Self {
            told: replay.selection.told(),
            id: replay.id,
            to: replay.to,
            selection: replay.selection,
            plan: replay.plan,
        }
    }
}

impl From<ReplayError> for AdminError {
    fn from(error: ReplayError) -> Self {
        let what = error.to_string();
        match error {
            ReplayError::Unknown(_) => Self::NotFound {
                what,
                hint: "`tideover replay list` shows them all",
            },
            ReplayError::NotNow(..) => Self::Asked {
                what,
                hint: "`tideover replay status ID` shows what became of it",
            },
            ReplayError::NoTime => Self::Asked {
                what,
                hint: "--since comes before --until, and not in the future",
            },
            ReplayError::NotDelivered => Self::Asked {
                what,
                hint: "leave out --unfinished",
            },
            ReplayError::NoImap(_) => Self::Asked {
                what,
                hint: "docs/config.md says what belongs there; else leave --missing-only out",
            },
            ReplayError::Unreachable(_) => Self::Asked {
                what,
                hint: "mend that first, or bring all that is meant, without --missing-only",
            },
            ReplayError::TooMany(_) => Self::Asked {
                what,
                hint: "`tideover replay list` shows them, `tideover replay stop` ends one",
            },
            ReplayError::Spool(error) => Self::Spool(error),
        }
    }
}

/// A step of a replay, for people.
pub(super) fn told(replay: &str, (backend, step): (&BackendId, &ReplayStep)) -> String {
    let what = match step {
        ReplayStep::Attempted => "begins".to_owned(),
        ReplayStep::Interrupted { uncertain: true } => {
            "was cut off by a stop or a crash; it may have arrived".to_owned()
        }
        ReplayStep::Interrupted { uncertain: false } => "was put off before it was sent".to_owned(),
        ReplayStep::Deferred { failure, due, .. } => {
            format!("{}; next attempt {due}", failure.told())
        }
        ReplayStep::Delivered {
            reply,
            delivery_address,
            tls,
        } => {
            let tls = tls.as_deref();
            let tls = tls.map_or("without TLS".to_owned(), |tls| format!("with {tls}"));
            format!("delivered as {delivery_address} {tls}: {reply}")
        }
        ReplayStep::Refused { failure } => format!("refused for good: {failure}"),
    };
    format!("{replay} to {backend}: {what}")
}
