//! The look through the spool for damage: how it stands, and one now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Operation, change, look};
use super::{Admin, AdminError, Role};
use crate::spool::{Look, Looked, Missing};

/// How it stands with looks through the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyView {
    /// The one that is under way, and the last one.
    #[serde(flatten)]
    pub look: Look,
    /// Pieces in quarantine.
    pub quarantined: u64,
    /// Segments that are gone, and whose mail stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

impl VerifyView {
    /// Is nothing wrong, as far as the last one has seen?
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_all_there = self.quarantined == 0 && self.missing.is_none();
        is_all_there && self.look.last.as_ref().is_none_or(Looked::is_clean)
    }
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        look(
            "/api/spool/verify",
            Role::Viewer,
            "The look through the spool for damage",
            state,
        ),
        change(
            "/api/spool/verify",
            Role::Operator,
            "Look through the spool for damage now",
            now,
        )
        .without_reason(),
    ]
}

async fn state(State(admin): Us) -> Answer<VerifyView> {
    let view = admin.blocking(|admin| Ok(admin.verify_view(admin.spool.look()?)));
    view.await.map(Json)
}

async fn now(State(admin): Us) -> Answer<VerifyView> {
    let view = admin.blocking(|admin| Ok(admin.verify_view(admin.spool.look_now()?)));
    view.await.map(Json)
}

impl Admin {
    fn verify_view(&self, look: Look) -> VerifyView {
        VerifyView {
            look,
            quarantined: self.spool.quarantined(),
            missing: self.spool.missing(),
        }
    }

    /// The last look through the spool was not one of everything, for `/health`.
    pub(super) fn look_problem(&self) -> Option<String> {
        // While the index is made, that is what is told.
        let last = self.spool.look().ok()?.last?;
        let error = last.error?;
        Some(format!(
            "{} segments of the log could not be looked through for damage: {error}",
            last.failed
        ))
    }
}
