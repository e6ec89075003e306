//! A login by the provider: the visitor goes there, and comes back with a code.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::login::{VisitorForm, begin as begin_session, own_path, refused_page, too_many};
use super::second::go_on;
use crate::oidc::{Begun as Away, OidcError};
use crate::webmail::Webmail;
use crate::webmail::accounts::LoginError;
use crate::webmail::error::{WebError, encoded};
use crate::webmail::frame::see_other;
use crate::webmail::guard::Visitor;
use crate::webmail::provider::{Begun, ProviderLogin, SecondStep};
use crate::webmail::texts::{Texts, fill};

/// Characters of what the provider gives as its reason that are logged.
const REASON: usize = 100;

/// The way to the provider, on the login page.
pub(super) struct ProviderButton {
    pub path: String,
    pub text: String,
}

impl ProviderButton {
    /// Where there is a provider.
    pub(super) fn new(webmail: &Webmail, texts: &Texts, next: &str) -> Option<Self> {
        let login = webmail.provider().ok()?;
        Some(Self {
            path: format!("/login/provider?next={}", encoded(next)),
            text: fill(texts.provider_log_in, &[("name", &login.name)]),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct BeginQuery {
    #[serde(default)]
    next: String,
}

/// What a visitor comes back with (RFC 6749 §4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(crate) struct BackQuery {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    iss: String,
    #[serde(default)]
    error: String,
}

/// Why nobody is let in.
enum Unproven {
    /// The login was not begun here, or too long ago.
    Stale,
    /// The provider cannot be asked now.
    Away,
    /// It is not believed, or says no, or names nobody of ours.
    Refused,
    Login(LoginError),
}

pub(crate) async fn begin(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    Query(query): Query<BeginQuery>,
) -> Result<Response, WebError> {
    let login = webmail.provider()?;
    let form = VisitorForm::new(&webmail, &visitor);
    let world = &webmail.0.world;
    let next = own_path(&query.next);
    let begun = Begun::new(world.entropy.token(), next, world.clock.now());
    let secrets = begun.secrets(&form.csrf, &webmail.0.options.base_url);
    match login.provider.begin(&secrets).await {
        Ok(Away(address)) => Ok(form.put_cookie(see_other(&address))),
        Err(error) => {
            let unproven = told(&error);
            let typed = (form.csrf.clone(), next.to_owned(), String::new());
            let said = said(unproven, (&webmail, login), visitor.texts)?;
            let page = refused_page(&webmail, &visitor, typed, said).await?;
            Ok(form.put_cookie(page))
        }
    }
}

pub(crate) async fn back(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    query: Result<Query<BackQuery>, QueryRejection>,
) -> Result<Response, WebError> {
    let Query(query) = query.map_err(|refused| WebError::of_status(refused.status()))?;
    let login = webmail.provider()?;
    // Whoever has no cookie gets one, and what came with him was not begun here.
    let form = VisitorForm::new(&webmail, &visitor);
    let begun = Begun::of(&query.state, &form.csrf, webmail.0.world.clock.now());
    let next = begun.as_ref().map_or("/", |begun| own_path(&begun.next));
    let next = next.to_owned();
    let entered = match begun {
        Some(begun) => enter(&webmail, (login, &visitor), (&form.csrf, &begun), &query).await,
        None => Err(Unproven::Stale),
    };
    let response = match entered {
        Ok(account) if login.second_step == SecondStep::Providers => {
            begin_session(&webmail, (&account, &visitor), &next).await?
        }
        Ok(account) => {
            let goes_on = (form.csrf.clone(), next.as_str());
            go_on(&webmail, (&account, &visitor), goes_on).await?
        }
        Err(unproven) => {
            let typed = (form.csrf.clone(), next, String::new());
            let said = said(unproven, (&webmail, login), visitor.texts)?;
            refused_page(&webmail, &visitor, typed, said).await?
        }
    };
    Ok(form.put_cookie(response))
}

async fn enter(
    webmail: &Webmail,
    (login, visitor): (&ProviderLogin, &Visitor),
    (csrf, begun): (&str, &Begun),
    query: &BackQuery,
) -> Result<crate::webmail::Account, Unproven> {
    // RFC 9207 §2.4.
    if !query.iss.is_empty() && !login.provider.is_issuer(&query.iss) {
        return Err(told(&OidcError::Refused("iss is somebody else".to_owned())));
    }
    if !query.error.is_empty() {
        let reason = query.error.chars().filter(char::is_ascii_graphic);
        return Err(told(&OidcError::Refused(reason.take(REASON).collect())));
    }
    let accounts = &webmail.0.world.accounts;
    let counted = format!("provider login {csrf}");
    let tried = accounts.note_try(&counted, visitor.address);
    tried.map_err(|wait| Unproven::Login(LoginError::Wait(wait)))?;
    let secrets = begun.secrets(csrf, &webmail.0.options.base_url);
    let proven = login.provider.finish(&query.code, &secrets).await;
    let address = proven.map_err(|error| told(&error))?;
    // While the directory only stands in for the one of the log, nobody's record is known.
    if webmail.0.world.directory.current().is_provisional() {
        return Err(Unproven::Away);
    }
    let Some(person) = webmail.proven(login, &address) else {
        tracing::info!(address, "webmail: the login provider names nobody of ours");
        return Err(Unproven::Refused);
    };
    let account = accounts.admit(&person).await.map_err(Unproven::Login)?;
    accounts.note_success(&counted, visitor.address);
    Ok(account)
}

/// Says in the program's log why, for administrators.
fn told(error: &OidcError) -> Unproven {
    tracing::warn!(%error, "webmail: no login by the provider");
    match error {
        OidcError::Away(_) => Unproven::Away,
        OidcError::Refused(_) => Unproven::Refused,
    }
}

/// What is said to the visitor.
fn said(
    unproven: Unproven,
    (webmail, login): (&Webmail, &ProviderLogin),
    texts: &Texts,
) -> Result<(StatusCode, String), WebError> {
    let (status, text) = match unproven {
        Unproven::Stale => (StatusCode::UNPROCESSABLE_ENTITY, texts.provider_stale),
        Unproven::Away | Unproven::Login(LoginError::Away) => {
            let text = if webmail.is_open_to_passwords() {
                texts.provider_away
            } else {
                texts.provider_away_only
            };
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
        Unproven::Refused | Unproven::Login(LoginError::Wrong) => {
            (StatusCode::UNPROCESSABLE_ENTITY, texts.provider_refused)
        }
        Unproven::Login(LoginError::Wait(wait)) => return Ok(too_many(texts, wait)),
        Unproven::Login(LoginError::Internal(error)) => return Err(error.into()),
    };
    Ok((status, fill(text, &[("name", &login.name)])))
}
