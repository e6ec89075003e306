//! The one translator from errors to HTTP.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AccountRefused, Caller, Role};
use crate::spool::SpoolError;

/// What an error looks like on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// It is not he, or not any more.
    #[error("name, password or code is wrong")]
    Wrong,
    /// There were too many tries.
    #[error("there were too many tries: wait {} s", .0.as_secs().max(1))]
    Wait(Duration),
    /// Others could read along.
    #[error("nobody logs in over plain http that others can read")]
    Plain,
    /// He has to set up his second step first.
    #[error("the second step is not set up yet: open /second")]
    SecondStep,
    /// Another site sent it.
    #[error("this does not come from a page of ours; nothing was done")]
    Foreign,
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
        Self::Forbidden(format!("{name} has the role {has}, and this takes {role}"))
    }

    /// The same, and what takes yet another role: who asks for that one should not come again.
    pub(super) fn but(self, dearer: Option<(&'static str, Role)>) -> Self {
        match (self, dearer) {
            (Self::Forbidden(told), Some((what, role))) => {
                Self::Forbidden(format!("{told} ({what} takes {role})"))
            }
            (error, _) => error,
        }
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Asked { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Nobody | Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Plain | Self::SecondStep | Self::Foreign | Self::Forbidden(_) => {
                StatusCode::FORBIDDEN
            }
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
            Self::Wrong => "`tideover operator reset` helps who has lost password or app",
            Self::Wait(_) => "try again later",
            Self::Plain => {
                "set certificate and key in [admin], or base_url with https when a proxy adds TLS"
            }
            Self::SecondStep => "admin.second_step asks for codes of an app",
            Self::Foreign => {
                "open the page again and send it from there; programs use a token, or the header \
                 X-Tideover-Request"
            }
            Self::Forbidden(_) => "`tideover operator list` shows who may",
            Self::TooLarge(_) => "send less at once",
            Self::Method => "docs/api.md says how the API is asked",
            Self::Config(_) => "nothing has changed; mend the file and try again",
            Self::Spool(SpoolError::Rebuilding(_)) => {
                "mail is taken meanwhile; `tideover status` shows how far it is"
            }
            Self::Spool(_) => "look at the disk of data_dir and at the log of tideover",
            Self::Ours(_) => "look at the log of tideover, and report it",
        }
    }
}

/// What was said to a refusal, or what was done, for the audit log.
#[derive(Debug, Clone)]
pub(super) struct Told(pub(super) String);

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
        let mut response = (self.status(), Json(refusal)).into_response();
        let headers = response.headers_mut();
        // RFC 9110 §11.6.1.
        if matches!(self, Self::Nobody) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Self::Wait(wait) = &self {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response.extensions_mut().insert(Told(self.to_string()));
        response
    }
}
