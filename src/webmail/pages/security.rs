//! What keeps an account safe: its password, and where it is logged in.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use serde::Deserialize;

use super::login::{begin, too_many};
use crate::base::Timestamp;
use crate::frame::device;
use crate::webmail::Webmail;
use crate::webmail::accounts::LoginError;
use crate::webmail::changes::Change;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, see_other, show, show_with};
use crate::webmail::guard::User;
use crate::webmail::moment::Moments;
use crate::webmail::passkeys::Passkey;
use crate::webmail::renewal::{OldPasskeys, Unchanged};
use crate::webmail::texts::{Texts, fill};

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    shell: Shell,
    tab: &'static str,
    csrf: String,
    address: String,
    sessions: Vec<Row>,
    second: Option<SecondRow>,
    error: Option<String>,
    /// About the second step.
    second_error: Option<String>,
    /// `None` where browsers have none.
    passkeys: Option<Vec<PasskeyRow>>,
}

impl SecurityPage {
    fn has_passkeys(&self) -> bool {
        self.passkeys.as_ref().is_some_and(|rows| !rows.is_empty())
    }
}

/// A passkey.
struct PasskeyRow {
    id: String,
    name: String,
    since: String,
    used: String,
    /// There may be a copy of it.
    doubt: Option<String>,
    /// It was not removed.
    error: Option<String>,
}

/// The second step, where it is on.
struct SecondRow {
    since: String,
    left: String,
}

/// A session.
struct Row {
    id: String,
    device: String,
    place: String,
    is_this: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SecurityQuery {
    did: String,
    /// Recovery codes that are left.
    left: usize,
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    csrf: String,
    #[serde(default)]
    old: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
    /// The passkeys go, too.
    #[serde(default)]
    passkeys: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct EndForm {
    csrf: String,
    /// Which one; empty: all but this one.
    #[serde(default)]
    session: String,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<SecurityQuery>,
) -> Result<Response, WebError> {
    let mut page = security_page(&webmail, &user).await?;
    let texts = user.visitor.texts;
    let left = query.left.to_string();
    page.shell.notice = notice(texts, &query.did).map(|text| fill(text, &[("count", &left)]));
    show(&page)
}

pub(crate) async fn change_password(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<PasswordForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    let texts = user.visitor.texts;
    let refused = if form.password == form.again {
        let accounts = &webmail.0.world.accounts;
        let old = OldPasskeys::of(&form.passkeys);
        let passwords = (form.old, form.password, old);
        let account = &user.session.account;
        let had_passkeys = account.passkey_count() > 0;
        let changed = accounts.change_password(account, passwords, user.visitor.address);
        match changed.await {
            Ok(account) => {
                let what = Change::Password;
                webmail.note_change(&account, what, &user.visitor).await;
                if had_passkeys && old == OldPasskeys::Go {
                    let what = Change::PasskeysRemoved;
                    webmail.note_change(&account, what, &user.visitor).await;
                }
                webmail.0.sessions.end(&user.session).await?;
                let next = "/security?did=password";
                return begin(&webmail, (&account, &user.visitor), next).await;
            }
            Err(unchanged) => refusal(unchanged, texts)?,
        }
    } else {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            texts.passwords_differ.to_owned(),
        )
    };
    let mut page = security_page(&webmail, &user).await?;
    page.error = Some(refused.1);
    show_with(refused.0, &page)
}

pub(crate) async fn end(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<EndForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    let sessions = &webmail.0.sessions;
    if form.session.is_empty() {
        sessions.end_others(&user.session).await?;
        return Ok(see_other("/security?did=others"));
    }
    if !sessions
        .end_one(&user.session.account, &form.session)
        .await?
    {
        return Err(WebError::NotFound);
    }
    if form.session != user.session.id {
        return Ok(see_other("/security?did=session"));
    }
    let mut response = see_other("/login?out=1");
    if let Some(cookie) = webmail.no_session_cookie() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The page with what is wrong with a change of the second step.
pub(super) async fn with_error(
    webmail: &Webmail,
    user: &User,
    (status, error): (StatusCode, String),
) -> Result<Response, WebError> {
    let mut page = security_page(webmail, user).await?;
    page.second_error = Some(error);
    show_with(status, &page)
}

/// The page with why a passkey was not removed.
pub(super) async fn with_passkey_error(
    webmail: &Webmail,
    user: &User,
    (id, (status, error)): (&str, (StatusCode, String)),
) -> Result<Response, WebError> {
    let mut page = security_page(webmail, user).await?;
    let mut rows = page.passkeys.iter_mut().flatten();
    if let Some(row) = rows.find(|row| row.id == id) {
        row.error = Some(error);
    }
    show_with(status, &page)
}

fn refusal(unchanged: Unchanged, texts: &Texts) -> Result<(StatusCode, String), WebError> {
    let text = match unchanged {
        Unchanged::Login(LoginError::Wrong) => texts.old_password_wrong.to_owned(),
        Unchanged::Refused => texts.password_refused.to_owned(),
        Unchanged::Login(LoginError::Away) => texts.password_away.to_owned(),
        Unchanged::Login(LoginError::Wait(wait)) => return Ok(too_many(texts, wait)),
        Unchanged::Login(LoginError::Internal(error)) => return Err(error.into()),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, text))
}

fn notice(texts: &'static Texts, did: &str) -> Option<&'static str> {
    Some(match did {
        "password" => texts.password_changed,
        "others" => texts.sessions_ended,
        "session" => texts.session_ended,
        "welcome" => texts.password_set,
        "second-off" => texts.second_is_off,
        "passkey" => texts.passkey_is_added,
        "passkey-removed" => texts.passkey_is_removed,
        "recovered" => texts.recovered,
        _ => return None,
    })
}

async fn security_page(webmail: &Webmail, user: &User) -> Result<SecurityPage, WebError> {
    let texts = user.visitor.texts;
    let moments = webmail.moments(texts);
    let all = webmail.0.sessions.of(&user.session.account).await?;
    let row = |one: crate::webmail::session::Listed| {
        let since = moments.long(one.created);
        let address = Some(one.origin.address).filter(|address| !address.is_empty());
        let address = address.unwrap_or_else(|| texts.unknown_place.to_owned());
        let values = [("time", since.as_str()), ("address", address.as_str())];
        Row {
            device: device(&one.origin.agent).unwrap_or_else(|| texts.unknown_device.to_owned()),
            place: fill(texts.session_place, &values),
            is_this: one.id == user.session.id,
            id: one.id,
        }
    };
    let sessions = all.into_iter().map(row).collect();
    let second = user
        .session
        .account
        .second
        .as_ref()
        .map(|second| SecondRow {
            since: fill(texts.second_since, &[("time", &moments.full(second.since))]),
            left: fill(texts.codes_left, &[("count", &second.left().to_string())]),
        });
    let title = texts.settings;
    Ok(SecurityPage {
        shell: webmail.user_shell(user, title, Here::Elsewhere).await?,
        tab: "security",
        csrf: user.session.csrf.clone(),
        address: user.address().to_string(),
        sessions,
        second,
        error: None,
        second_error: None,
        passkeys: webmail.has_passkeys().then(|| passkey_rows(user, &moments)),
    })
}

fn passkey_rows(user: &User, moments: &Moments) -> Vec<PasskeyRow> {
    let texts = user.visitor.texts;
    let told = |text: &str, at: Timestamp| fill(text, &[("time", &moments.full(at))]);
    let row = |passkey: &Passkey| PasskeyRow {
        id: passkey.id.clone(),
        name: Some(passkey.name.clone())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| texts.passkey_unnamed.to_owned()),
        since: told(texts.passkey_since, passkey.created),
        used: passkey.used.map_or_else(
            || texts.passkey_unused.to_owned(),
            |used| told(texts.passkey_used, used),
        ),
        doubt: passkey.doubt.map(|at| told(texts.passkey_doubt, at)),
        error: None,
    };
    let account = &user.session.account;
    account.passkeys().iter().map(row).collect()
}
