//! Logging in and out.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::response::Response;
use serde::Deserialize;

use super::provider::ProviderButton;
use super::second::go_on;
use crate::credential::{digest, is_token, same};
use crate::frame::own_path;
use crate::webmail::Webmail;
use crate::webmail::accounts::{Account, LoginError};
use crate::webmail::error::WebError;
use crate::webmail::frame::{Shell, see_other, show, show_with};
use crate::webmail::front::KnownBy;
use crate::webmail::guard::{User, Visitor};
use crate::webmail::logins::{Login, Outcome, Way, Who};
use crate::webmail::texts::{Texts, fill};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    csrf: String,
    address: String,
    next: String,
    error: Option<String>,
    /// The webmail is open for nobody now.
    is_shut: bool,
    passkey: Option<PasskeyButton>,
    provider: Option<ProviderButton>,
}

/// The button of a login by passkey.
pub(super) struct PasskeyButton {
    /// What is said when this is another address than that of our pages.
    pub elsewhere: String,
}

impl PasskeyButton {
    /// Where there are passkeys.
    pub(super) fn new(webmail: &Webmail, texts: &Texts) -> Option<Self> {
        let address = webmail.0.options.base_url.as_str();
        webmail.has_passkeys().then(|| Self {
            elsewhere: fill(texts.passkey_elsewhere, &[("address", address)]),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct LoginQuery {
    #[serde(default)]
    next: String,
    #[serde(default)]
    out: String,
}

#[derive(Deserialize)]
pub(crate) struct LoginForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogoutForm {
    #[serde(default)]
    csrf: String,
}

/// The form of a visitor: bound to a cookie of its own, so that no other site can log him in as
/// somebody else.
pub(super) struct VisitorForm {
    pub csrf: String,
    cookie: Option<axum::http::HeaderValue>,
}

impl VisitorForm {
    pub(super) fn new(webmail: &Webmail, visitor: &Visitor) -> Self {
        let known = visitor.before_login.clone().filter(|token| is_token(token));
        let is_new = known.is_none();
        let token = known.unwrap_or_else(|| webmail.0.world.entropy.token());
        let cookie = is_new.then(|| webmail.before_login_cookie(&token));
        Self {
            csrf: digest("form", &token),
            cookie: cookie.flatten(),
        }
    }

    pub(super) fn check(visitor: &Visitor, csrf: &str) -> Result<(), WebError> {
        let token = visitor
            .before_login
            .as_deref()
            .filter(|token| is_token(token));
        let allowed = token.is_some_and(|token| same(&digest("form", token), csrf));
        if allowed {
            Ok(())
        } else {
            Err(WebError::Expired)
        }
    }

    pub(super) fn put_cookie(self, mut response: Response) -> Response {
        if let Some(cookie) = self.cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    Query(query): Query<LoginQuery>,
) -> Result<Response, WebError> {
    let form = VisitorForm::new(&webmail, &visitor);
    let mut shell = webmail.shell(visitor.texts, visitor.texts.login_title);
    shell.notice = (!query.out.is_empty()).then(|| visitor.texts.logged_out.to_owned());
    let page = LoginPage {
        shell,
        csrf: form.csrf.clone(),
        address: String::new(),
        next: own_path(&query.next).to_owned(),
        error: None,
        is_shut: webmail.is_shut().await?,
        passkey: PasskeyButton::new(&webmail, visitor.texts),
        provider: ProviderButton::new(&webmail, visitor.texts, own_path(&query.next)),
    };
    Ok(form.put_cookie(show(&page)?))
}

pub(crate) async fn log_in(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    form: Result<Form<LoginForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    VisitorForm::check(&visitor, &form.csrf)?;
    let accounts = &webmail.0.world.accounts;
    let verified = accounts
        .verify(&form.address, form.password, visitor.address)
        .await;
    note(&webmail, &verified, (&form.address, &visitor));
    let (status, error) = match verified {
        Ok((account, _)) => {
            let next = own_path(&form.next);
            return go_on(&webmail, (&account, &visitor), (form.csrf, next)).await;
        }
        Err(LoginError::Wrong) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            visitor.texts.login_wrong.to_owned(),
        ),
        Err(LoginError::Away) => (
            StatusCode::SERVICE_UNAVAILABLE,
            visitor.texts.password_away.to_owned(),
        ),
        Err(LoginError::Wait(wait)) => too_many(visitor.texts, wait),
        Err(LoginError::Internal(error)) => return Err(error.into()),
    };
    let typed = (form.csrf, form.next, form.address);
    refused_page(&webmail, &visitor, typed, (status, error)).await
}

/// Writes down a login by password.
fn note(
    webmail: &Webmail,
    verified: &Result<(Account, KnownBy), LoginError>,
    (typed, visitor): (&str, &Visitor),
) {
    let (way, outcome, who) = match verified {
        Ok((account, by)) => {
            let way = match by {
                KnownBy::Us => Way::Password,
                KnownBy::Front => Way::Directory,
            };
            (way, Outcome::entered(account), Who::Account(account))
        }
        Err(error @ LoginError::Away) => (Way::Directory, error.into(), Who::Typed(typed)),
        Err(error) => (Way::Password, error.into(), Who::Typed(typed)),
    };
    webmail.note_login(&Login {
        way,
        outcome,
        who,
        from: visitor.address,
        why: "",
    });
}

/// The page after a login that was refused.
pub(super) async fn refused_page(
    webmail: &Webmail,
    visitor: &Visitor,
    (csrf, next, address): (String, String, String),
    (status, error): (StatusCode, String),
) -> Result<Response, WebError> {
    let page = LoginPage {
        shell: webmail.shell(visitor.texts, visitor.texts.login_title),
        csrf,
        address,
        next: own_path(&next).to_owned(),
        error: Some(error),
        is_shut: webmail.is_shut().await?,
        passkey: PasskeyButton::new(webmail, visitor.texts),
        provider: ProviderButton::new(webmail, visitor.texts, own_path(&next)),
    };
    show_with(status, &page)
}

/// What is said after too many tries.
pub(super) fn too_many(texts: &Texts, wait: Duration) -> (StatusCode, String) {
    let minutes = wait.as_secs().div_ceil(60);
    let wait = fill(texts.minutes, &[("count", &minutes.to_string())]);
    (
        StatusCode::TOO_MANY_REQUESTS,
        fill(texts.login_wait, &[("wait", &wait)]),
    )
}

/// Begins a session and goes on to `next`.
pub(super) async fn begin(
    webmail: &Webmail,
    (account, visitor): (&Account, &Visitor),
    next: &str,
) -> Result<Response, WebError> {
    let accounts = &webmail.0.world.accounts;
    let language = visitor.texts.lang;
    accounts.remember_language(account, language).await?;
    let token = webmail.0.sessions.begin(account, visitor.origin()).await?;
    let mut response = see_other(next);
    // What was begun before this login is over: its forms, and ways to a provider.
    let cookies = [
        webmail.session_cookie(&token),
        webmail.no_before_login_cookie(),
    ];
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(crate) async fn log_out(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<LogoutForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    webmail.0.sessions.end(&user.session).await?;
    let mut response = see_other("/login?out=1");
    let headers = response.headers_mut();
    if let Some(cookie) = webmail.no_session_cookie() {
        headers.append(SET_COOKIE, cookie);
    }
    // Pages that the browser kept for "back" go with the session.
    let clear = axum::http::HeaderValue::from_static("\"cache\"");
    headers.insert("clear-site-data", clear);
    headers.insert(
        CACHE_CONTROL,
        axum::http::HeaderValue::from_static("no-store"),
    );
    Ok(response)
}
