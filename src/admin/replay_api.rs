//! Replays: planned, started, watched, paused and ended.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::extract::{Path, Query};
use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::directory::WaveFile;
use crate::limits;
use crate::mail::{BackendId, ReplayStep};
use crate::queue::replay::{
    By, Order, People, Plan, Progress, Replay, ReplayError, Selection, Which,
};
use crate::route::Pattern;
use crate::smtp::Mailbox;

/// Which mail; the people, an address a line, are the body of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplayQuery {
    /// Where to.
    pub(crate) to: BackendId,
    /// From then on; the beginning when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Up to then; now when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// By which time.
    #[serde(default)]
    pub(crate) by: By,
    /// The sender: an address, `@domain` or `<>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<String>,
    /// The Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
    /// The domain of the recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    /// A wave whose people are meant, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<String>,
    /// Who got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from_backend: Option<BackendId>,
    /// Only what another backend got instead.
    #[serde(default)]
    pub(crate) diverted: bool,
    /// Mail that waits, instead of what was delivered.
    #[serde(default)]
    pub(crate) unfinished: bool,
    /// Also what a replay has brought before.
    #[serde(default)]
    pub(crate) again: bool,
    /// Only what the mailboxes do not have.
    #[serde(default)]
    pub(crate) missing_only: bool,
    /// With it: also to mailboxes that cannot be asked.
    #[serde(default)]
    pub(crate) unasked: bool,
    /// The newest first.
    #[serde(default)]
    pub(crate) newest_first: bool,
    /// Who asks.
    #[serde(default)]
    pub(crate) actor: String,
}

/// Something that is done with a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplayDeedQuery {
    /// Who.
    #[serde(default)]
    pub(crate) actor: String,
    /// Why; may be empty.
    #[serde(default)]
    pub(crate) reason: String,
}

/// What a replay would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/api/replays", get(list))
        .route("/api/replays/plan", post(plan))
        .route("/api/replays/{id}", get(status))
        .route("/api/replays/{id}/start", post(start))
        .route("/api/replays/{id}/pause", post(pause))
        .route("/api/replays/{id}/resume", post(resume))
        .route("/api/replays/{id}/stop", post(stop))
        .layer(DefaultBodyLimit::max(limits::REPLAY_PEOPLE))
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

async fn list(State(admin): Us) -> Answer<Vec<Progress>> {
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

async fn status(State(admin): Us, Path(id): Path<String>) -> Answer<Progress> {
    Ok(Json(admin.replays.status(&id)?))
}

async fn plan(
    State(admin): Us,
    Query(query): Query<ReplayQuery>,
    body: Bytes,
) -> Answer<ReplayPlanView> {
    let meant = admin.meant_by(&query, &body)?;
    let replay = admin.replays.plan(&query.to, meant, &query.actor).await?;
    Ok(Json(ReplayPlanView::from(replay)))
}

async fn start(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Answer<Progress> {
    Ok(Json(admin.replays.start(&id, &query.actor).await?))
}

async fn pause(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Answer<Progress> {
    let said = (query.actor.as_str(), query.reason.as_str());
    Ok(Json(admin.replays.pause(&id, said).await?))
}

async fn resume(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Answer<Progress> {
    Ok(Json(admin.replays.resume(&id, &query.actor).await?))
}

async fn stop(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<ReplayDeedQuery>,
) -> Answer<Progress> {
    let said = (query.actor.as_str(), query.reason.as_str());
    Ok(Json(admin.replays.stop(&id, said).await?))
}

impl ReplayQuery {
    /// A platform takes a while from its 250 to the mailbox. Whoever says until when knows better.
    fn settled_before(&self, now: Timestamp) -> Option<Timestamp> {
        let settled = self.missing_only && self.until.is_none();
        settled.then(|| now.before(limits::REPLAY_SETTLED))
    }

    /// All mail of all people that is kept is hardly ever meant.
    fn refuse_all_mail(&self, people: &[u8]) -> Result<(), AdminError> {
        let texts = [&self.sender, &self.message_id, &self.domain, &self.wave];
        let is_narrow = self.since.is_some()
            || self.diverted
            || self.unfinished
            || !people.is_empty()
            || texts.iter().any(|text| text.is_some());
        if is_narrow {
            return Ok(());
        }
        Err(AdminError::Asked {
            what: "that would be all mail that is kept".to_owned(),
            hint: "say from when with --since, or whose mail with --recipient, --wave or --domain",
        })
    }
}

impl Admin {
    /// What a query means, if that can be.
    pub(super) fn meant_by(
        &self,
        query: &ReplayQuery,
        body: &[u8],
    ) -> Result<(Selection, People), AdminError> {
        self.known_home(&query.to)?;
        query.refuse_all_mail(body)?;
        self.meant(query, body)
    }

    /// What a query means: the selection, and whose mail.
    fn meant(&self, query: &ReplayQuery, body: &[u8]) -> Result<(Selection, People), AdminError> {
        let mut addresses = Vec::new();
        if !body.is_empty() {
            addresses = WaveFile::parse(body)?.users;
        }
        if let Some(name) = &query.wave {
            let wave = self.waves.find(name, None)?;
            addresses.extend(self.waves.file(&wave)?.users);
        }
        let people = self.keys_of(addresses.iter().map(|(_, address)| address));
        let sender = query.sender.as_deref().map(str::parse::<Pattern>);
        let sender = sender.transpose().map_err(|error| AdminError::Asked {
            what: error.to_string(),
            hint: "--sender takes an address, @domain, or <> for reports",
        })?;
        let trimmed = |id: &String| id.trim().trim_matches(['<', '>']).to_owned();
        let selection = Selection {
            since: query.since.unwrap_or(Timestamp::EPOCH),
            until: query.until.unwrap_or_else(|| self.clock.now()),
            by: query.by,
            people: addresses.len() as u64,
            wave: query.wave.clone(),
            sender,
            message_id: query.message_id.as_ref().map(trimmed),
            domain: query.domain.as_ref().map(|name| name.to_lowercase()),
            from_backend: query.from_backend.clone(),
            diverted: query.diverted,
            which: if query.unfinished {
                Which::Unfinished
            } else {
                Which::Finished
            },
            again: query.again,
            missing_only: query.missing_only,
            unasked: query.unasked,
            settled_before: query.settled_before(self.clock.now()),
            order: if query.newest_first {
                Order::Newest
            } else {
                Order::Oldest
            },
            ..Selection::default()
        };
        Ok((selection, people))
    }

    /// Keys under which the mail of these people stands.
    pub(super) fn keys_of<'a>(&self, addresses: impl Iterator<Item = &'a Mailbox>) -> People {
        let directory = self.router.directory().current();
        addresses
            .flat_map(|address| directory.keys_of(address))
            .collect()
    }
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
        ReplayStep::Deferred { failure, due, .. } => format!("{failure}; next attempt {due}"),
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
