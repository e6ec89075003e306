//! Why a page cannot be shown, or something was not done.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// What is wrong, and what to do. The frame makes a page of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) what: String,
    pub(super) hint: String,
}

impl Fault {
    /// We failed.
    pub(super) fn ours(error: &impl Display) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            what: error.to_string(),
            hint: "Look at the log of tideover, and report it.".to_owned(),
        }
    }

    /// Something was asked for that cannot be.
    pub(super) fn asked(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// There is no such page or thing.
    pub(super) fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            what: "there is no such page".to_owned(),
            hint: "The navigation leads to those that are there.".to_owned(),
        }
    }

    /// Something was refused before it came to a page.
    pub(super) fn of_status(status: StatusCode) -> Self {
        Self {
            status,
            what: status.canonical_reason().unwrap_or("refused").to_owned(),
            hint: "Open the page again from the navigation.".to_owned(),
        }
    }

    /// Nobody is logged in.
    pub(super) fn nobody() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            what: "nobody is logged in".to_owned(),
            hint: "Log in first.".to_owned(),
        }
    }

    /// A form that is not from a page of this session.
    pub(super) fn foreign() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            what: "this form is not from a page of your session; nothing was done".to_owned(),
            hint: "Open the page again and send it from there.".to_owned(),
        }
    }

    /// He has another role.
    pub(super) fn role(needed: crate::admin::Role) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            what: format!("this takes the role {needed}; nothing was done"),
            hint: "Ask an administrator who has it.".to_owned(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
