//! Why a page cannot be shown, and the one place that makes an HTTP status of it.

use axum::http::StatusCode;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use super::accounts::AccountError;
use super::texts::Texts;
use crate::base::percent_encoded;
use crate::spool::SpoolError;

/// Why a page cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WebError {
    /// Nobody is logged in; afterwards he wants to see this path.
    LogIn(String),
    /// No such page or message, or somebody else's: the answer is the same (I12).
    NotFound,
    /// His address is not in the directory any more.
    Gone,
    /// The token of the form is wrong or its session is over.
    Expired,
    /// The webmail is not open for this user now.
    NotOpen,
    /// He may read now, and change nothing.
    ReadOnly,
    /// The body of the request is too large.
    TooLarge,
    /// Too much to do.
    Busy,
    /// The account has stored enough for this hour.
    Enough,
    /// The request makes no sense.
    BadRequest,
    /// We failed; it has been logged.
    Internal,
}

impl WebError {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::LogIn(_) => StatusCode::SEE_OTHER,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Gone | Self::Expired | Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy | Self::NotOpen => StatusCode::SERVICE_UNAVAILABLE,
            Self::Enough => StatusCode::TOO_MANY_REQUESTS,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What went wrong with a request that the framework itself refused.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::SERVICE_UNAVAILABLE => Self::Busy,
            status if status.is_server_error() => Self::Internal,
            _ => Self::BadRequest,
        }
    }

    /// Title and text of its page.
    pub(crate) const fn words(&self, texts: &Texts) -> (&'static str, &'static str) {
        match self {
            Self::NotFound | Self::LogIn(_) => (texts.not_found_title, texts.not_found),
            Self::BadRequest => (texts.bad_request_title, texts.bad_request),
            Self::Gone => (texts.gone_title, texts.gone),
            Self::Expired => (texts.expired_title, texts.expired),
            Self::NotOpen => (texts.not_open_title, texts.not_open),
            Self::ReadOnly => (texts.read_only_title, texts.read_only_refused),
            Self::TooLarge => (texts.too_large_title, texts.too_large_form),
            Self::Enough => (texts.too_large_title, texts.error_uploads),
            Self::Busy => (texts.busy_title, texts.busy),
            Self::Internal => (texts.broken_title, texts.broken),
        }
    }
}

/// Status and mark only: the frame around all pages puts the page in, in the reader's language.
impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Self::LogIn(next) = &self {
            let target = format!("/login?next={}", percent_encoded(next));
            if let Ok(target) = target.parse() {
                response.headers_mut().insert(LOCATION, target);
            }
        }
        if self == Self::Busy {
            let seconds = axum::http::HeaderValue::from_static("5");
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<SpoolError> for WebError {
    fn from(error: SpoolError) -> Self {
        if matches!(error, SpoolError::Rebuilding(_)) {
            return Self::Busy;
        }
        tracing::error!(%error, "webmail: the spool failed");
        if error.is_full() {
            Self::Busy
        } else {
            Self::Internal
        }
    }
}

impl From<AccountError> for WebError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Spool(error) => error.into(),
            AccountError::Invitation
            | AccountError::Unknown(_)
            | AccountError::NoMailbox(_)
            | AccountError::HasAccount(..) => Self::NotFound,
            AccountError::Password => Self::BadRequest,
            AccountError::Damaged(_) | AccountError::Hash(_) => {
                tracing::error!(%error, "webmail: an account failed");
                Self::Internal
            }
        }
    }
}

impl From<askama::Error> for WebError {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "webmail: a page could not be written");
        Self::Internal
    }
}
