//! Notices: what was sent, and whether they arrive.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::{Admin, AdminError};
use crate::notice::{Notices, NoticesStatus, WayResult};

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn status(State(admin): Us) -> Answer<NoticesStatus> {
    Ok(Json(admin.notices()?.status()))
}

pub(super) async fn test(State(admin): Us) -> Answer<Vec<WayResult>> {
    let results = admin.notices()?.test().await;
    if results.is_empty() {
        return Err(nobody());
    }
    Ok(Json(results))
}

fn nobody() -> AdminError {
    AdminError::Asked {
        what: "nobody is told: the config has no [notices]".to_owned(),
        hint: "docs/notices.md says how addresses, a webhook or a command are named",
    }
}

impl Admin {
    fn notices(&self) -> Result<&Notices, AdminError> {
        self.notices.as_ref().ok_or_else(nobody)
    }

    /// For `/health`.
    pub(super) fn notice_problem(&self) -> Option<String> {
        self.notices.as_ref().and_then(Notices::problem)
    }
}
