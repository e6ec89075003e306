//! The one translator from errors to HTTP.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{AccountRefused, Caller, Role};
use crate::spool::SpoolError;

/// What an error looks like on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub hint: String,
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The operator asked for something that cannot be.
    #[error("{what}")]
    Asked {
        /// What is wrong with it.
        what: String,
        /// What to ask instead.
        hint: &'static str,
    },
    /// There is no such thing.
    #[error("{what}")]
    NotFound {
        /// What there is not.
        what: String,
        /// Where to look.
        hint: &'static str,
    },
    /// Nobody is logged in.
    #[error("nobody is logged in")]
    Nobody,
    /// Who asks may not.
    #[error("{0}")]
    Forbidden(String),
    /// The body has more bytes than these.
    #[error("that is too large: {0} bytes are taken")]
    TooLarge(usize),
    /// The path is there, and has another method.
    #[error("this path has no such method")]
    Method,
    /// The config was refused.
    #[error("{0}")]
    Config(String),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// We failed.
    #[error("{0}")]
    Ours(String),
}

impl AdminError {
    /// It takes another role.
    pub(super) fn forbidden(caller: &Caller, role: Role) -> Self {
        let (name, has) = (&caller.name, caller.role);
        Self::Forbidden(format!("{name} is a {has}, and this takes a {role}"))
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Asked { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Nobody => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Config(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Spool(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Ours(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Asked { hint, .. } | Self::NotFound { hint, .. } => hint,
            Self::Nobody => "send Authorization: Bearer TOKEN, or log in at /login",
            Self::Forbidden(_) => "`tideover operator list` shows who may",
            Self::TooLarge(_) => "send less at once",
            Self::Method => "docs/api.md and /api/openapi.json name the operations",
            Self::Config(_) => "nothing has changed; mend the file and try again",
            Self::Spool(SpoolError::Rebuilding(_)) => {
                "mail is taken meanwhile; `tideover status` shows how far it is"
            }
            Self::Spool(_) => "look at the disk of data_dir and at the log of tideover",
            Self::Ours(_) => "look at the log of tideover, and report it",
        }
    }
}

impl From<AccountRefused> for AdminError {
    fn from(refused: AccountRefused) -> Self {
        match refused {
            AccountRefused::NoSuch(what) => Self::NotFound {
                what,
                hint: "`tideover user list` shows the accounts, `tideover explain ADDRESS` \
                       whether the directory knows an address",
            },
            AccountRefused::Failed(what) => Self::Ours(what),
        }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let is_ours = !matches!(self, Self::Spool(SpoolError::Rebuilding(_)));
        if is_ours && matches!(self, Self::Spool(_) | Self::Ours(_)) {
            tracing::error!(error = %self, "a request of an operator failed");
        }
        let refusal = Refusal {
            error: self.to_string(),
            hint: self.hint().to_owned(),
        };
        (self.status(), Json(refusal)).into_response()
    }
}
