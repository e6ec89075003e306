//! The second step of a login, and where its user switches it on and off.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::login::{PasskeyButton, VisitorForm, begin, too_many};
use crate::credential::{SECRET, from_base32, picture, uri};
use crate::frame::own_path;
use crate::webmail::Webmail;
use crate::webmail::accounts::{Account, LoginError};
use crate::webmail::changes::Change;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, see_other, show, show_with};
use crate::webmail::guard::{User, Visitor};
use crate::webmail::logins::{Login, Outcome, Way, Who};
use crate::webmail::second::SecondError;
use crate::webmail::texts::Texts;

/// The second step of a login.
#[derive(Template)]
#[template(path = "second.html")]
struct StepPage {
    shell: Shell,
    csrf: String,
    half: String,
    next: String,
    error: Option<String>,
    /// For who has a passkey.
    passkey: Option<PasskeyButton>,
}

/// Where the app learns the secret.
#[derive(Template)]
#[template(path = "second_setup.html")]
struct SetupPage {
    shell: Shell,
    tab: &'static str,
    csrf: String,
    address: String,
    secret: String,
    /// In groups of four, to be typed.
    readable: String,
    uri: String,
    /// Path and width of the picture.
    picture: Option<(String, usize)>,
    error: Option<String>,
}

/// The recovery codes, shown once.
#[derive(Template)]
#[template(path = "codes.html")]
struct CodesPage {
    shell: Shell,
    tab: &'static str,
    codes: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct StepForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    half: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
    /// He has a passkey; the page said so.
    #[serde(default)]
    has_passkey: String,
}

#[derive(Deserialize)]
pub(crate) struct SetupForm {
    csrf: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
pub(crate) struct ChangeForm {
    csrf: String,
    #[serde(default)]
    password: String,
    /// `off`, or `codes` for new recovery codes.
    #[serde(default)]
    action: String,
}

/// Goes on with a login whose password was right: to the second step, or in.
pub(super) async fn go_on(
    webmail: &Webmail,
    (account, visitor): (&Account, &Visitor),
    (csrf, next): (String, &str),
) -> Result<Response, WebError> {
    if !account.has_second_step() {
        return begin(webmail, (account, visitor), next).await;
    }
    let half = webmail.0.world.accounts.begin_half(account).await?;
    show(&StepPage {
        shell: webmail.shell(visitor.texts, visitor.texts.second_title),
        csrf,
        half,
        next: next.to_owned(),
        error: None,
        passkey: PasskeyButton::new(webmail, visitor.texts).filter(|_| account.passkey_count() > 0),
    })
}

pub(crate) async fn step(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    form: Result<Form<StepForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    VisitorForm::check(&visitor, &form.csrf)?;
    let accounts = &webmail.0.world.accounts;
    let typed = (form.half.as_str(), form.code.as_str());
    let whose = accounts.half_of(&form.half).await?;
    let finished = accounts.finish_half(typed, visitor.address).await;
    note(&webmail, &finished, (whose.as_ref(), &visitor));
    let (status, error) = match finished {
        Ok((account, used)) => {
            if used.is_some() {
                let what = Change::Recovered;
                webmail.note_change(&account, what, &visitor).await;
            }
            let next = match used {
                Some(left) => format!("/security?did=recovered&left={left}"),
                None => own_path(&form.next).to_owned(),
            };
            return begin(&webmail, (&account, &visitor), &next).await;
        }
        Err(SecondError::Over) => return Ok(see_other("/login")),
        Err(error) => said(error, visitor.texts)?,
    };
    let page = StepPage {
        shell: webmail.shell(visitor.texts, visitor.texts.second_title),
        csrf: form.csrf,
        half: form.half,
        next: own_path(&form.next).to_owned(),
        error: Some(error),
        passkey: PasskeyButton::new(&webmail, visitor.texts)
            .filter(|_| !form.has_passkey.is_empty()),
    };
    show_with(status, &page)
}

/// Writes down a second step.
fn note(
    webmail: &Webmail,
    finished: &Result<(Account, Option<usize>), SecondError>,
    (whose, visitor): (Option<&Account>, &Visitor),
) {
    let (way, outcome) = match finished {
        Ok((_, Some(_))) => (Way::Recovery, Outcome::In),
        Ok((_, None)) => (Way::Code, Outcome::In),
        Err(error) => (Way::Code, error.into()),
    };
    webmail.note_login(&Login {
        way,
        outcome,
        who: whose.map_or(Who::Nobody, Who::Account),
        from: visitor.address,
        why: "",
    });
}

pub(crate) async fn setup(
    State(webmail): State<Webmail>,
    user: User,
) -> Result<Response, WebError> {
    let secret = webmail.0.world.accounts.new_secret();
    show(&setup_page(&webmail, &user, secret).await?)
}

pub(crate) async fn switch_on(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<SetupForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    let account = &user.session.account;
    let given = (form.password, form.secret.as_str(), form.code.as_str());
    let accounts = &webmail.0.world.accounts;
    match accounts
        .set_second(account, given, user.visitor.address)
        .await
    {
        Ok(codes) => {
            let what = Change::SecondOn;
            webmail.note_change(account, what, &user.visitor).await;
            show_codes(&webmail, &user, codes).await
        }
        Err(error) => {
            let (status, error) = said(error, user.visitor.texts)?;
            let is_ours = from_base32(&form.secret).is_some_and(|secret| secret.len() == SECRET);
            let secret = Some(form.secret).filter(|_| is_ours);
            let secret = secret.unwrap_or_else(|| accounts.new_secret());
            let mut page = setup_page(&webmail, &user, secret).await?;
            page.error = Some(error);
            show_with(status, &page)
        }
    }
}

pub(crate) async fn change(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<ChangeForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    let (account, from) = (&user.session.account, user.visitor.address);
    let accounts = &webmail.0.world.accounts;
    let done = if form.action == "codes" {
        let codes = accounts.renew_codes(account, form.password, from).await;
        codes.map(Some)
    } else {
        let off = accounts.drop_second(account, form.password, from).await;
        off.map(|()| None)
    };
    let what = match &done {
        Ok(Some(_)) => Some(Change::Codes),
        Ok(None) => Some(Change::SecondOff),
        Err(_) => None,
    };
    if let Some(what) = what {
        webmail.note_change(account, what, &user.visitor).await;
    }
    match done {
        Ok(Some(codes)) => show_codes(&webmail, &user, codes).await,
        Ok(None) => Ok(see_other("/security?did=second-off")),
        Err(error) => {
            let (status, error) = said(error, user.visitor.texts)?;
            super::security::with_error(&webmail, &user, (status, error)).await
        }
    }
}

/// What is said when it was not done.
pub(super) fn said(error: SecondError, texts: &Texts) -> Result<(StatusCode, String), WebError> {
    let text = match error {
        SecondError::Login(LoginError::Wrong) => texts.password_wrong,
        SecondError::Code => texts.code_wrong,
        SecondError::Login(LoginError::Away) => texts.password_away,
        SecondError::Login(LoginError::Wait(wait)) => return Ok(too_many(texts, wait)),
        SecondError::Login(LoginError::Internal(error)) => return Err(error.into()),
        SecondError::Over => return Err(WebError::Expired),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, text.to_owned()))
}

async fn setup_page(webmail: &Webmail, user: &User, secret: String) -> Result<SetupPage, WebError> {
    let texts = user.visitor.texts;
    let address = user.address().to_string();
    let uri = uri(&webmail.0.options.title, &address, &secret);
    let letters: Vec<char> = secret.chars().collect();
    let groups = letters
        .chunks(4)
        .map(|four| four.iter().collect::<String>());
    Ok(SetupPage {
        shell: webmail
            .user_shell(user, texts.settings, Here::Elsewhere)
            .await?,
        tab: "security",
        csrf: user.session.csrf.clone(),
        address,
        readable: groups.collect::<Vec<_>>().join(" "),
        picture: picture(&uri),
        uri,
        secret,
        error: None,
    })
}

async fn show_codes(
    webmail: &Webmail,
    user: &User,
    codes: Vec<String>,
) -> Result<Response, WebError> {
    let texts = user.visitor.texts;
    show(&CodesPage {
        shell: webmail
            .user_shell(user, texts.settings, Here::Elsewhere)
            .await?,
        tab: "security",
        codes,
    })
}
