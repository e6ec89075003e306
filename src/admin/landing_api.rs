//! Proofs of landing: how they stand, and one that is asked for.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Path, Query};
use super::replay_query::ReplayQuery;
use super::{Admin, AdminError};
use crate::mail::{BackendId, FolderKind, Landing};
use crate::queue::landing::LandingStatus;
use crate::queue::replay::{LandingCheck, ReplayError};

/// What left the list of missing mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DismissedView {
    /// `06J8Z4K2M0001-0`.
    pub dismissed: String,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn status(State(admin): Us) -> Answer<LandingStatus> {
    let status = admin.blocking(|admin| Ok(admin.landings.status()?));
    status.await.map(Json)
}

pub(super) async fn check(
    State(admin): Us,
    Query(query): Query<ReplayQuery>,
    body: Bytes,
) -> Answer<LandingCheck> {
    let at = query.to.clone();
    let (meant, _) = admin.meant_by(query, body).await?;
    let checked = admin.replays.check(&at, meant).await;
    Ok(Json(checked.map_err(unchecked)?))
}

/// Here nothing is left out by which it would go: the mailboxes have to be asked.
fn unchecked(error: ReplayError) -> AdminError {
    let hint = match &error {
        ReplayError::NoImap(_) => "docs/config.md says what belongs there: a check asks mailboxes",
        ReplayError::Unreachable(_) => "mend that, and check again",
        ReplayError::Unknown(_)
        | ReplayError::NotNow(..)
        | ReplayError::NoTime
        | ReplayError::NotDelivered
        | ReplayError::TooMany(_)
        | ReplayError::Spool(_) => return error.into(),
    };
    let what = error.to_string();
    AdminError::Asked { what, hint }
}

pub(super) async fn dismiss(State(admin): Us, Path(name): Path<String>) -> Answer<DismissedView> {
    if admin.landings.dismiss(&name).await? {
        return Ok(Json(DismissedView { dismissed: name }));
    }
    Err(AdminError::NotFound {
        what: format!("{name} is not on the list of missing mail"),
        hint: "`tideover landing status` shows it",
    })
}

impl Admin {
    /// For `/health`.
    pub(super) fn landing_problem(&self) -> Option<String> {
        let missing = self.landings.missing().unwrap_or_default();
        (missing > 0).then(|| {
            format!("{missing} delivered are not in their mailbox: `tideover landing status`")
        })
    }
}

/// What a look into a mailbox has shown.
pub(super) fn told(backend: &BackendId, landing: &Landing) -> String {
    match landing {
        Landing::Found {
            folder,
            kind,
            verdict,
        } => {
            let kind = match kind {
                FolderKind::Junk => ", which is for junk",
                FolderKind::Trash => ", which is for what is deleted",
                FolderKind::Inbox
                | FolderKind::Other
                | FolderKind::Archive
                | FolderKind::Sent
                | FolderKind::Drafts
                | FolderKind::All => "",
            };
            let verdict = match verdict.as_str() {
                "" => String::new(),
                verdict => format!("; the filter says {verdict}"),
            };
            format!("found at {backend} in {folder}{kind}{verdict}")
        }
        Landing::Missing => format!("not in its mailbox at {backend}"),
    }
}
