//! The pages before login: log in and out, set a password with a code.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use super::identify::expect_own_site;
use super::undone::told;
use super::{AdminError, Gate, Session, own};
use crate::admin::audit::{AuditEntry, AuditOutcome};
use crate::admin::extract::malformed;
use crate::admin::operators::{Origin, Proven, Typed};
use crate::frame::{agent, own_path, see_other};

#[derive(Template)]
#[template(path = "console/login.html")]
struct LoginPage {
    csrf: String,
    name: String,
    next: String,
    error: String,
    notice: String,
}

#[derive(Template)]
#[template(path = "console/welcome.html")]
struct WelcomePage {
    csrf: String,
    name: String,
    error: String,
}

#[derive(Template)]
#[template(path = "console/notice.html")]
struct NoticePage {
    title: String,
    text: String,
    hint: String,
}

pub(super) fn routes(gate: Gate) -> Router {
    Router::new()
        .route("/login", get(login_page).post(log_in))
        .route("/logout", axum::routing::post(log_out))
        .route("/welcome", get(welcome_page).post(welcome))
        .route("/second", get(own::second_page).post(own::set_second))
        .route(
            "/password",
            get(own::password_page).post(own::change_password),
        )
        .with_state(gate)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LoginQuery {
    next: String,
    out: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    csrf: String,
    name: String,
    pub(super) password: String,
    pub(super) again: String,
    code: String,
    next: String,
    pub(super) secret: String,
    /// The password until now.
    pub(super) old: String,
    /// Of the app until now.
    pub(super) old_code: String,
}

impl Fields {
    pub(super) fn typed(&self) -> Typed {
        Typed {
            name: self.name.clone(),
            password: self.password.clone(),
            code: self.code.clone(),
        }
    }
}

pub(super) type Filled = Result<Form<Fields>, FormRejection>;

fn filled(form: Filled) -> Result<Fields, AdminError> {
    match form {
        Ok(Form(fields)) => Ok(fields),
        Err(rejection) => Err(AdminError::Asked {
            what: malformed(&rejection.body_text()),
            hint: "this is a form of a page: open the page",
        }),
    }
}

pub(super) fn shown(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => AdminError::Ours(error.to_string()).into_response(),
    }
}

/// An error as a page.
pub(super) fn refused(error: &AdminError) -> Response {
    let status = error.status();
    let page = NoticePage {
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        text: error.to_string(),
        hint: error.hint().to_owned(),
    };
    with_wait(shown(status, &page), error)
}

/// When to try again, in the header for it.
pub(super) fn with_wait(mut response: Response, error: &AdminError) -> Response {
    if let AdminError::Wait(wait) = error {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

async fn login_page(
    State(gate): State<Gate>,
    headers: HeaderMap,
    Query(query): Query<LoginQuery>,
) -> Response {
    if let Err(error) = gate.expect_wire() {
        return refused(&error);
    }
    let (csrf, cookie) = gate.form(&headers);
    let notice = if query.out.is_empty() {
        told(&query.next)
    } else {
        "You are logged out."
    };
    let page = LoginPage {
        csrf,
        name: String::new(),
        next: own_path(&query.next).to_owned(),
        error: String::new(),
        notice: notice.to_owned(),
    };
    put_cookies(shown(StatusCode::OK, &page), [cookie])
}

async fn log_in(State(gate): State<Gate>, visit: Visit, form: Filled) -> Response {
    let fields = match open_form(&gate, &visit.headers, form) {
        Ok(fields) => fields,
        Err(error) => return refused(&error),
    };
    let from = visit.from;
    let entered_by = gate.operators().log_in(fields.typed(), from).await;
    gate.note((&fields.name, from), "Log in", entered_by.as_ref().err())
        .await;
    match entered_by {
        Ok(proven) => entered(&gate, &proven, (&visit, own_path(&fields.next))).await,
        Err(error @ (AdminError::Wrong | AdminError::Wait(_))) => {
            let (csrf, cookie) = gate.form(&visit.headers);
            let page = LoginPage {
                csrf,
                next: own_path(&fields.next).to_owned(),
                error: error.to_string(),
                notice: told(&fields.next).to_owned(),
                name: fields.name,
            };
            let response = shown(error.status(), &page);
            put_cookies(with_wait(response, &error), [cookie])
        }
        Err(error) => refused(&error),
    }
}

/// A form of who is not logged in, if it comes from one of our pages.
fn open_form(gate: &Gate, headers: &HeaderMap, form: Filled) -> Result<Fields, AdminError> {
    gate.expect_wire()?;
    expect_own_site(headers, &gate.0.options.base_url)?;
    let fields = filled(form)?;
    if gate.allows_form(headers, &fields.csrf) {
        Ok(fields)
    } else {
        Err(AdminError::Foreign)
    }
}

/// Begins a session and goes on.
pub(super) async fn entered(
    gate: &Gate,
    proven: &Proven,
    (visit, next): (&Visit, &str),
) -> Response {
    match gate.operators().begin(proven, visit.origin()).await {
        Ok(token) => {
            let cookies = [gate.session_cookie(&token), gate.no_form_cookie()];
            put_cookies(see_other(next), cookies)
        }
        Err(error) => refused(&error),
    }
}

async fn log_out(State(gate): State<Gate>, visit: Visit, form: Filled) -> Response {
    match end(&gate, &visit, form).await {
        Ok(()) => {
            let mut response = see_other("/login?out=1");
            // Pages that the browser kept for "back" go with the session.
            let clear = HeaderValue::from_static("\"cache\"");
            response.headers_mut().insert("clear-site-data", clear);
            put_cookies(response, [gate.no_session_cookie()])
        }
        Err(error) => refused(&error),
    }
}

async fn end(gate: &Gate, Visit { from, headers }: &Visit, form: Filled) -> Result<(), AdminError> {
    let Some(session) = session_of(gate, headers).await? else {
        // Over already.
        return Ok(());
    };
    own_form(gate, headers, (form, &session))?;
    gate.operators().end(&session).await?;
    gate.note((&session.name, *from), "Log out", None).await;
    Ok(())
}

/// A form of who is logged in, if it comes from one of our pages.
pub(super) fn own_form(
    gate: &Gate,
    headers: &HeaderMap,
    (form, session): (Filled, &Session),
) -> Result<Fields, AdminError> {
    expect_own_site(headers, &gate.0.options.base_url)?;
    let fields = filled(form)?;
    if session.allows(&fields.csrf) {
        Ok(fields)
    } else {
        Err(AdminError::Foreign)
    }
}

pub(super) async fn session_of(
    gate: &Gate,
    headers: &HeaderMap,
) -> Result<Option<Session>, AdminError> {
    gate.expect_wire()?;
    match gate.session_token(headers) {
        Some(token) => Ok(gate.operators().session(&token).await?),
        None => Ok(None),
    }
}

async fn welcome_page(State(gate): State<Gate>, headers: HeaderMap) -> Response {
    if let Err(error) = gate.expect_wire() {
        return refused(&error);
    }
    let (csrf, cookie) = gate.form(&headers);
    let page = WelcomePage {
        csrf,
        name: String::new(),
        error: String::new(),
    };
    put_cookies(shown(StatusCode::OK, &page), [cookie])
}

async fn welcome(State(gate): State<Gate>, visit: Visit, form: Filled) -> Response {
    let fields = match open_form(&gate, &visit.headers, form) {
        Ok(fields) => fields,
        Err(error) => return refused(&error),
    };
    let error = if fields.password == fields.again {
        let welcomed = gate.operators().welcome(fields.typed(), visit.from).await;
        let what = "Set the password with a code";
        gate.note((&fields.name, visit.from), what, welcomed.as_ref().err())
            .await;
        match welcomed {
            Ok(proven) => return entered(&gate, &proven, (&visit, "/")).await,
            Err(error) => error,
        }
    } else {
        differ()
    };
    if error.status().is_server_error() {
        return refused(&error);
    }
    let (csrf, cookie) = gate.form(&visit.headers);
    let told = if matches!(error, AdminError::Wrong) {
        "Name or code is wrong, or the code is too old or used.".to_owned()
    } else {
        error.to_string()
    };
    let page = WelcomePage {
        csrf,
        name: fields.name,
        error: told,
    };
    let response = with_wait(shown(error.status(), &page), &error);
    put_cookies(response, [cookie])
}

/// What was typed twice, to be sure, is not the same.
pub(super) fn differ() -> AdminError {
    AdminError::Asked {
        what: "the two passwords are not the same".to_owned(),
        hint: "type them again",
    }
}

impl Gate {
    /// Writes down what somebody has done about his login. What strangers typed is not repeated:
    /// it may be a password in the wrong field.
    pub(super) async fn note(
        &self,
        (typed, from): (&str, std::net::IpAddr),
        what: &str,
        error: Option<&AdminError>,
    ) {
        let who = self.operators().known_name(typed).await;
        let who = who.unwrap_or_else(|| "(unknown)".to_owned());
        let from = from.to_string();
        let mut entry = AuditEntry::of_login(&who, &from, what);
        if let Some(error) = error {
            entry.outcome = AuditOutcome::Refused;
            entry.status = Some(error.status().as_u16());
            entry.told = error.to_string();
        }
        self.0.audit.note(entry).await;
    }
}

fn put_cookies<const N: usize>(
    mut response: Response,
    cookies: [Option<HeaderValue>; N],
) -> Response {
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Where a request comes from, and its headers.
pub(super) struct Visit {
    pub(super) from: std::net::IpAddr,
    pub(super) headers: HeaderMap,
}

impl Visit {
    /// Where a session of his begins.
    fn origin(&self) -> Origin {
        Origin {
            from: self.from,
            agent: agent(&self.headers),
        }
    }
}

impl axum::extract::FromRequestParts<Gate> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        gate: &Gate,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self {
            from: gate.visitor(&parts.headers, &parts.extensions),
            headers: parts.headers.clone(),
        })
    }
}
