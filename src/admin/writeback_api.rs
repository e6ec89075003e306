//! Write-back: planned, started, watched and ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Path, Query};
use super::{Admin, AdminError};
use crate::directory::WaveFile;
use crate::mail::BackendId;
use crate::writeback::{Meant, Plan, Progress, WritebackError};

/// Whose work; the users, an address a line, are the body of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct WritebackQuery {
    /// Only users whose mailbox is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<BackendId>,
    /// Who asks.
    #[serde(default)]
    pub(crate) actor: String,
    /// Why; may be empty.
    #[serde(default)]
    pub(crate) reason: String,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn list(State(admin): Us) -> Answer<Vec<Progress>> {
    let all = admin.blocking(|admin| Ok(admin.writebacks.list()?));
    all.await.map(Json)
}

pub(super) async fn last(State(admin): Us) -> Answer<Progress> {
    let last = admin.blocking(|admin| Ok(admin.writebacks.status(None)?));
    last.await.map(Json)
}

pub(super) async fn status(State(admin): Us, Path(id): Path<String>) -> Answer<Progress> {
    let status = admin.blocking(move |admin| Ok(admin.writebacks.status(Some(&id))?));
    status.await.map(Json)
}

pub(super) async fn plan(
    State(admin): Us,
    Query(query): Query<WritebackQuery>,
    body: Bytes,
) -> Answer<Plan> {
    let meant = admin.meant_users(query.backend.as_ref(), &body).await?;
    Ok(Json(admin.writebacks.plan(meant).await?))
}

pub(super) async fn start(
    State(admin): Us,
    Query(query): Query<WritebackQuery>,
    body: Bytes,
) -> Answer<Progress> {
    let meant = admin.meant_users(query.backend.as_ref(), &body).await?;
    Ok(Json(admin.writebacks.start(meant, &query.actor).await?))
}

pub(super) async fn stop(
    State(admin): Us,
    Path(id): Path<String>,
    Query(query): Query<WritebackQuery>,
) -> Answer<Progress> {
    let said = (query.actor.as_str(), query.reason.as_str());
    Ok(Json(admin.writebacks.stop(&id, said).await?))
}

impl Admin {
    /// Whose work is meant: nobody named is everybody.
    async fn meant_users(
        &self,
        backend: Option<&BackendId>,
        body: &[u8],
    ) -> Result<(Meant, BTreeSet<String>), AdminError> {
        if let Some(backend) = backend {
            self.known_home(backend)?;
        }
        let mut named = BTreeSet::new();
        if !body.is_empty() {
            let users = WaveFile::parse(body)?.users.into_iter();
            let users = users.map(|(_, address)| address).collect();
            named = self.writebacks.named(users).await?;
        }
        let meant = Meant {
            backend: backend.cloned(),
            users: named.len() as u64,
        };
        Ok((meant, named))
    }
}

impl From<WritebackError> for AdminError {
    fn from(error: WritebackError) -> Self {
        let what = error.to_string();
        match error {
            WritebackError::Unknown(_) => Self::NotFound {
                what,
                hint: "`tideover writeback list` shows them all",
            },
            WritebackError::Nobody(_) => Self::NotFound {
                what,
                hint: "`tideover directory lookup ADDRESS` shows what an address is",
            },
            WritebackError::None => Self::NotFound {
                what,
                hint: "`tideover writeback plan` shows what there is to carry",
            },
            WritebackError::GoesOn(_) => Self::Asked {
                what,
                hint: "`tideover writeback status` shows how far it is, `stop` ends it",
            },
            WritebackError::NotNow(..) => Self::Asked {
                what,
                hint: "`tideover writeback status ID` shows what became of it",
            },
            WritebackError::Spool(error) => Self::Spool(error),
        }
    }
}
