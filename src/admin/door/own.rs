//! What who is logged in changes of his own login: his password, his second step. Each ends his
//! sessions, and begins a new one in the browser that did it.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;

use super::login::{
    Filled, Visit, differ, entered, own_form, refused, session_of, shown, with_wait,
};
use super::undone::login_of;
use super::{AdminError, Gate, Session};
use crate::admin::operators::{App, Renewal, Typed};
use crate::credential::{grouped, picture, uri};
use crate::frame::see_other;

/// What the app calls us.
const SITE: &str = "Tideover";

#[derive(Template)]
#[template(path = "console/second.html")]
struct SecondPage {
    csrf: String,
    secret: String,
    readable: String,
    uri: String,
    picture: Option<(String, usize)>,
    error: String,
    is_required: bool,
    /// There is an app already.
    has_second: bool,
}

#[derive(Template)]
#[template(path = "console/password.html")]
struct PasswordPage {
    csrf: String,
    name: String,
    error: String,
}

/// Who asks, or where he is sent: who sent a form is told that it was not done.
async fn known(
    gate: &Gate,
    headers: &HeaderMap,
    (method, here): (Method, &'static str),
) -> Result<Session, Response> {
    match session_of(gate, headers).await {
        Ok(Some(session)) => Ok(session),
        Ok(None) => Err(see_other(&login_of(&method, &Uri::from_static(here)))),
        Err(error) => Err(refused(&error)),
    }
}

pub(super) async fn second_page(State(gate): State<Gate>, headers: HeaderMap) -> Response {
    match known(&gate, &headers, (Method::GET, "/second")).await {
        Ok(session) => {
            let secret = gate.operators().new_secret();
            second(&session, secret, (StatusCode::OK, String::new()))
        }
        Err(response) => response,
    }
}

fn second(session: &Session, secret: String, (status, error): (StatusCode, String)) -> Response {
    let uri = uri(SITE, &session.name, &secret);
    let page = SecondPage {
        csrf: session.csrf().to_owned(),
        readable: grouped(&secret),
        picture: picture(&uri),
        uri,
        secret,
        error,
        is_required: session.lacks_second,
        has_second: session.has_second,
    };
    shown(status, &page)
}

pub(super) async fn set_second(State(gate): State<Gate>, visit: Visit, form: Filled) -> Response {
    let session = match known(&gate, &visit.headers, (Method::POST, "/second")).await {
        Ok(session) => session,
        Err(response) => return response,
    };
    let fields = match own_form(&gate, &visit.headers, (form, &session)) {
        Ok(fields) => fields,
        Err(error) => return refused(&error),
    };
    let typed = Typed {
        name: session.name.clone(),
        ..fields.typed()
    };
    let app = App {
        secret: fields.secret.clone(),
        old_code: fields.old_code,
    };
    let set = gate.operators().set_second(typed, app, visit.from).await;
    let what = if session.has_second {
        "Take another app for the second step"
    } else {
        "Set up the second step"
    };
    gate.note((&session.name, visit.from), what, set.as_ref().err())
        .await;
    let next = if session.lacks_second {
        "/"
    } else {
        "/me?did=second"
    };
    match set {
        Ok(proven) => entered(&gate, &proven, (&visit, next)).await,
        Err(error @ (AdminError::Wrong | AdminError::Wait(_))) => {
            let told = if matches!(error, AdminError::Wrong) {
                "Password or code is wrong.".to_owned()
            } else {
                error.to_string()
            };
            let told = (error.status(), told);
            with_wait(second(&session, fields.secret, told), &error)
        }
        Err(error) => refused(&error),
    }
}

pub(super) async fn password_page(State(gate): State<Gate>, headers: HeaderMap) -> Response {
    match known(&gate, &headers, (Method::GET, "/password")).await {
        Ok(session) if session.lacks_second => see_other("/second"),
        Ok(session) => password(&session, (StatusCode::OK, String::new())),
        Err(response) => response,
    }
}

fn password(session: &Session, (status, error): (StatusCode, String)) -> Response {
    let page = PasswordPage {
        csrf: session.csrf().to_owned(),
        name: session.name.clone(),
        error,
    };
    shown(status, &page)
}

pub(super) async fn change_password(
    State(gate): State<Gate>,
    visit: Visit,
    form: Filled,
) -> Response {
    let session = match known(&gate, &visit.headers, (Method::POST, "/password")).await {
        Ok(session) if session.lacks_second => return see_other("/second"),
        Ok(session) => session,
        Err(response) => return response,
    };
    let fields = match own_form(&gate, &visit.headers, (form, &session)) {
        Ok(fields) => fields,
        Err(error) => return refused(&error),
    };
    let error = if fields.password == fields.again {
        let renewal = Renewal {
            old: fields.old,
            new: fields.password,
        };
        let operators = gate.operators();
        let changed = operators
            .change_password(&session.name, renewal, visit.from)
            .await;
        let what = "Change the own password";
        gate.note((&session.name, visit.from), what, changed.as_ref().err())
            .await;
        match changed {
            Ok(proven) => return entered(&gate, &proven, (&visit, "/me?did=password")).await,
            Err(error) => error,
        }
    } else {
        differ()
    };
    if error.status().is_server_error() {
        return refused(&error);
    }
    let told = if matches!(error, AdminError::Wrong) {
        "The password until now is wrong.".to_owned()
    } else {
        error.to_string()
    };
    let response = password(&session, (error.status(), told));
    with_wait(response, &error)
}
