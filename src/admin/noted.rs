//! An answer that says to the audit log what came of it: of what was not done the status alone
//! would stand there as done.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::AuditOutcome;
use super::audit::Paged;
use super::error::Told;
use super::operation::{Answer, Output};

/// What the audit log is told beside the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    /// It was done.
    Done,
    /// It was done, and it was about this.
    Told(String),
    /// A page of it was done.
    Paged(Paged),
    /// Nothing was to be done: only a look was asked for.
    Looked,
    /// It was not done, because of this.
    Refused(String),
}

/// An answer with its note.
#[derive(Debug)]
pub(super) struct Noted<T>(pub(super) T, pub(super) Note);

/// What came of it, in the extensions of a response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came(pub(super) AuditOutcome);

impl<T: Serialize> IntoResponse for Noted<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.0).into_response();
        let extensions = response.extensions_mut();
        match self.1 {
            Note::Done => {}
            Note::Told(what) => {
                extensions.insert(Told(what));
            }
            Note::Paged(page) => {
                extensions.insert(page);
            }
            Note::Looked => {
                extensions.insert(Came(AuditOutcome::Looked));
            }
            Note::Refused(why) => {
                extensions.insert(Came(AuditOutcome::Refused));
                extensions.insert(Told(why));
            }
        }
        response
    }
}

impl<T> Output for Noted<T>
where
    Json<T>: Output,
{
    fn describe() -> Answer {
        Json::<T>::describe()
    }
}
