//! The first page after the login.

use askama::Template;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Router};

use super::login::shown;
use super::{Caller, Session};

#[derive(Template)]
#[template(path = "console/home.html")]
struct HomePage {
    name: String,
    role: &'static str,
    csrf: String,
    has_second: bool,
}

/// The page of who is logged in.
pub(super) fn routes() -> Router {
    let page = |by: Caller, Extension(session): Extension<Session>| async move {
        let page = HomePage {
            name: by.name,
            role: by.role.word(),
            csrf: session.csrf().to_owned(),
            has_second: session.has_second,
        };
        shown(StatusCode::OK, &page)
    };
    Router::new().route("/", get(page))
}
