//! Where users add and remove their passkeys.

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::json;

use super::passkey_login::{decoded, said};
use crate::webmail::Webmail;
use crate::webmail::changes::Change;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, PAGE, Shell, see_other, show, show_with};
use crate::webmail::guard::User;
use crate::webmail::passkeys::{Keyring, PasskeyError};
use crate::webmail::texts::fill;
use crate::webmail::webauthn::{ALGORITHMS, LIFE, Purpose, Refusal};

/// Where a passkey is added.
#[derive(Template)]
#[template(path = "passkey.html")]
struct PasskeyPage {
    shell: Shell,
    tab: &'static str,
    csrf: String,
    address: String,
    name: String,
    /// What is said when this is another address than that of our pages.
    elsewhere: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct OptionsForm {
    csrf: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
pub(crate) struct AddForm {
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    authenticator: String,
}

#[derive(Deserialize)]
pub(crate) struct RemoveForm {
    csrf: String,
    #[serde(default)]
    passkey: String,
    #[serde(default)]
    password: String,
}

pub(crate) async fn setup(
    State(webmail): State<Webmail>,
    user: User,
) -> Result<Response, WebError> {
    show(&passkey_page(&webmail, &user, user.visitor.device()).await?)
}

/// The question (WebAuthn §5.4), for who has shown his password.
pub(crate) async fn options(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<OptionsForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    webmail.relying()?;
    let (account, from) = (&user.session.account, user.visitor.address);
    let accounts = &webmail.0.world.accounts;
    match accounts.open_keyring(account, form.password, from).await {
        Ok(ring) => Ok(Json(question(&webmail, &user, &ring)?).into_response()),
        Err(error) => {
            let (status, error) = said(error, user.visitor.texts)?;
            let mut response = (status, Json(json!({ "error": error }))).into_response();
            let headers = response.headers_mut();
            headers.insert(PAGE, HeaderValue::from_static("1"));
            Ok(response)
        }
    }
}

fn question(webmail: &Webmail, user: &User, ring: &Keyring) -> Result<serde_json::Value, WebError> {
    let relying = webmail.relying()?;
    let ceremony = webmail.ceremony(Purpose::Register, &user.session.id);
    let kind = "public-key";
    let kinds = ALGORITHMS.map(|algorithm| json!({ "type": kind, "alg": algorithm }));
    let ids = ring.keys.iter().map(|passkey| &passkey.id);
    let known: Vec<_> = ids.map(|id| json!({ "type": kind, "id": id })).collect();
    let address = user.address().to_string();
    let name = webmail.name_of(user.address());
    Ok(json!({
        "challenge": relying.challenge(ceremony, &webmail.0.world.entropy),
        "rp": { "id": relying.party.id, "name": webmail.0.options.title },
        "user": {
            "id": ring.handle,
            "name": address,
            "displayName": name.unwrap_or_else(|| address.clone()),
        },
        "pubKeyCredParams": kinds,
        "excludeCredentials": known,
        // Found without a name being typed, and with its user verified: both steps in one.
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": "required",
        },
        "attestation": "none",
        "timeout": LIFE.as_millis(),
    }))
}

pub(crate) async fn add(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<AddForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    match added(&webmail, &user, &form).await {
        Ok(()) => {
            let (account, what) = (&user.session.account, Change::PasskeyAdded);
            webmail.note_change(account, what, &user.visitor).await;
            Ok(see_other("/security?did=passkey"))
        }
        Err(error) => {
            if let PasskeyError::Refused(refusal) = &error {
                let account = user.account();
                tracing::info!(account, %refusal, "webmail: a passkey was not added");
            }
            let (status, error) = said(error, user.visitor.texts)?;
            let mut page = passkey_page(&webmail, &user, form.name).await?;
            page.error = Some(error);
            show_with(status, &page)
        }
    }
}

async fn added(webmail: &Webmail, user: &User, form: &AddForm) -> Result<(), PasskeyError> {
    let relying = webmail.relying().map_err(|_| Refusal::Site)?;
    let said = (decoded(&form.client)?, decoded(&form.authenticator)?);
    let ceremony = webmail.ceremony(Purpose::Register, &user.session.id);
    let accounts = &webmail.0.world.accounts;
    let whose = (&user.session.account, form.name.as_str());
    let said = (said.0.as_slice(), said.1.as_slice());
    accounts.add_passkey(whose, (relying, ceremony), said).await
}

pub(crate) async fn remove(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<RemoveForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    let (account, from) = (&user.session.account, user.visitor.address);
    let accounts = &webmail.0.world.accounts;
    let which = (form.passkey.as_str(), form.password);
    match accounts.drop_passkey(account, which, from).await {
        Ok(()) => {
            let what = Change::PasskeyRemoved;
            webmail.note_change(account, what, &user.visitor).await;
            Ok(see_other("/security?did=passkey-removed"))
        }
        Err(error) => {
            let refusal: (StatusCode, String) = super::second::said(error, user.visitor.texts)?;
            super::security::with_passkey_error(&webmail, &user, (&form.passkey, refusal)).await
        }
    }
}

async fn passkey_page(
    webmail: &Webmail,
    user: &User,
    name: String,
) -> Result<PasskeyPage, WebError> {
    webmail.relying()?;
    let texts = user.visitor.texts;
    let shell = webmail.user_shell(user, texts.settings, Here::Elsewhere);
    let address = webmail.0.options.base_url.as_str();
    Ok(PasskeyPage {
        shell: shell.await?,
        tab: "security",
        csrf: user.session.csrf.clone(),
        address: user.address().to_string(),
        name,
        elsewhere: fill(texts.passkey_elsewhere, &[("address", address)]),
        error: None,
    })
}
