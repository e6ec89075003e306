//! What operators do to a backend.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Path};
use super::reason::required;
use super::{Admin, AdminError, BackendDetails};
use crate::backend::{Override, Wish, override_backend};
use crate::mail::BackendId;

/// A probe that takes longer is not waited for: the verb's own patience ends soon after.
const PROBE: Duration = Duration::from_secs(50);

/// What an operator wants of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct OverrideQuery {
    /// What.
    pub(crate) wish: Wish,
    /// Who.
    pub(crate) actor: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: String,
}

type Us = State<Arc<Admin>>;
type Answer = Result<Json<BackendDetails>, AdminError>;

pub(super) async fn overrule(
    State(admin): Us,
    Path(name): Path<String>,
    Body(query): Body<OverrideQuery>,
) -> Answer {
    admin.details(&name).await?;
    match query.wish {
        Wish::Hold => required(&query.reason, "a hold of a backend")?,
        Wish::Drain => required(&query.reason, "a drain")?,
        Wish::Up => required(&query.reason, "who forces a backend up")?,
        Wish::Resume => {}
    }
    let said = Override {
        wish: query.wish,
        actor: query.actor,
        reason: query.reason,
        since: admin.clock.now(),
    };
    let backend = BackendId::new(&name);
    override_backend(&admin.spool, admin.router.board(), &backend, said).await?;
    admin.details(&name).await.map(Json)
}

pub(super) async fn probe(State(admin): Us, Path(name): Path<String>) -> Answer {
    admin.details(&name).await?;
    let backend = BackendId::new(&name);
    let probed = admin.router.board().probe_now(&backend);
    if tokio::time::timeout(PROBE, probed).await.is_err() {
        return Err(AdminError::Ours(format!(
            "the probe of {name} has not ended after {} s",
            PROBE.as_secs()
        )));
    }
    admin.details(&name).await.map(Json)
}

impl Admin {
    /// Everything about one backend.
    pub(super) async fn details(&self, name: &str) -> Result<BackendDetails, AdminError> {
        let name = name.to_owned();
        self.blocking(move |admin| admin.details_now(&name)).await
    }

    /// The same. Blocks.
    fn details_now(&self, name: &str) -> Result<BackendDetails, AdminError> {
        let mut views = self.backend_views(&self.open_cases()).into_iter();
        let backends = self.backends.borrow().clone();
        let options = backends.iter().find(|backend| backend.id.as_str() == name);
        let view = views.find(|view| view.name.as_str() == name);
        match view.zip(options) {
            Some((view, options)) => {
                let board = self.router.board();
                let history = board.history(&options.id);
                let asked = board.asked(&options.id);
                Ok(BackendDetails {
                    asked: asked.map_or_else(String::new, |asked| asked.to_string()),
                    ..BackendDetails::new(view, options, history)
                })
            }
            None => Err(AdminError::NotFound {
                what: format!("there is no backend \"{name}\""),
                hint: "`tideover backend list` shows the backends",
            }),
        }
    }
}
