//! A login by the provider: the visitor goes there, and comes back with a code.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::login::{VisitorForm, begin as begin_session, refused_page, too_many};
use super::second::go_on;
use crate::base::percent_encoded;
use crate::frame::own_path;
use crate::oidc::{Back, Begun as Away, OidcError};
use crate::webmail::Webmail;
use crate::webmail::accounts::{Account, LoginError};
use crate::webmail::changes::Change;
use crate::webmail::error::WebError;
use crate::webmail::frame::see_other;
use crate::webmail::guard::Visitor;
use crate::webmail::logins::{Login, Outcome, Way, Who};
use crate::webmail::provider::{Begun, Leg, Pinned, ProviderLogin, SecondStep};
use crate::webmail::texts::{Texts, fill};

/// Characters of a reason that are logged.
const REASON: usize = 200;

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
            path: format!("/login/provider?next={}", percent_encoded(next)),
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
    /// It names nobody of ours.
    Nobody,
    Provider(OidcError),
    Login(LoginError),
}

impl From<OidcError> for Unproven {
    fn from(error: OidcError) -> Self {
        Self::Provider(error)
    }
}

impl Unproven {
    const fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Provider(OidcError::Away(_)) | Self::Login(LoginError::Away)
        )
    }

    /// For the program's log. What the provider said may be anything.
    fn told(&self) -> (Outcome, String) {
        let (outcome, why) = match self {
            Self::Stale => (
                Outcome::Wrong,
                "not begun in this browser, or too long ago".into(),
            ),
            Self::Nobody => (Outcome::Wrong, "its address is nobody's own of ours".into()),
            Self::Provider(error @ OidcError::Away(_)) => (Outcome::Away, error.to_string()),
            Self::Provider(error @ OidcError::Refused(_)) => (Outcome::Wrong, error.to_string()),
            Self::Login(error) => (error.into(), String::new()),
        };
        let why = why.chars().filter(|c| !c.is_control());
        (outcome, why.take(REASON).collect())
    }

    /// What is said to the visitor.
    fn said(self, login: &ProviderLogin, texts: &Texts) -> Result<(StatusCode, String), WebError> {
        let refused = StatusCode::UNPROCESSABLE_ENTITY;
        let (status, text) = match self {
            Self::Stale => (refused, texts.provider_stale),
            Self::Provider(OidcError::Away(_)) | Self::Login(LoginError::Away) => {
                (StatusCode::SERVICE_UNAVAILABLE, texts.provider_away)
            }
            Self::Nobody
            | Self::Provider(OidcError::Refused(_))
            | Self::Login(LoginError::Wrong) => (refused, texts.provider_refused),
            Self::Login(LoginError::Wait(wait)) => return Ok(too_many(texts, wait)),
            Self::Login(LoginError::Internal(error)) => return Err(error.into()),
        };
        Ok((status, fill(text, &[("name", &login.name)])))
    }
}

impl Webmail {
    /// Counts a visit to the provider, or back.
    fn note_visit(&self, leg: Leg, visitor: &Visitor) -> Result<(), Unproven> {
        let noted = self
            .0
            .visits
            .note(leg, self.0.world.clock.now(), visitor.address);
        noted.map_err(|wait| Unproven::Login(LoginError::Wait(wait)))
    }

    fn note_provider(&self, (outcome, why): (Outcome, &str), who: Who<'_>, visitor: &Visitor) {
        self.note_login(&Login {
            way: Way::Provider,
            outcome,
            who,
            from: visitor.address,
            why,
        });
    }
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
    let gone = match webmail.note_visit(Leg::There, &visitor) {
        Ok(()) => login.provider.begin(&secrets).await.map_err(Unproven::from),
        Err(unproven) => Err(unproven),
    };
    match gone {
        Ok(Away(address)) => {
            webmail.note_provider((Outcome::Begun, ""), Who::Nobody, &visitor);
            Ok(form.put_cookie(see_other(&address)))
        }
        Err(unproven) => {
            let typed = (form.csrf.clone(), next.to_owned());
            let page = refused(&webmail, &visitor, typed, unproven).await?;
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
        Some(begun) => enter(&webmail, &visitor, (&form.csrf, &begun), &query).await,
        None => Err(Unproven::Stale),
    };
    let response = match entered {
        Ok((account, pinned)) => {
            if pinned == Pinned::Now {
                let what = Change::Provider;
                webmail.note_change(&account, what, &visitor).await;
            }
            let outcome = match login.second_step {
                SecondStep::Ours => Outcome::entered(&account),
                SecondStep::Providers => Outcome::In,
            };
            webmail.note_provider((outcome, ""), Who::Account(&account), &visitor);
            if outcome == Outcome::In {
                begin_session(&webmail, (&account, &visitor), &next).await?
            } else {
                let goes_on = (form.csrf.clone(), next.as_str());
                go_on(&webmail, (&account, &visitor), goes_on).await?
            }
        }
        Err(unproven) => refused(&webmail, &visitor, (form.csrf.clone(), next), unproven).await?,
    };
    Ok(form.put_cookie(response))
}

/// The login page, with why nobody is let in.
async fn refused(
    webmail: &Webmail,
    visitor: &Visitor,
    (csrf, next): (String, String),
    unproven: Unproven,
) -> Result<Response, WebError> {
    let (outcome, why) = unproven.told();
    webmail.note_provider((outcome, &why), Who::Nobody, visitor);
    let said = unproven.said(webmail.provider()?, visitor.texts)?;
    refused_page(webmail, visitor, (csrf, next, String::new()), said).await
}

async fn enter(
    webmail: &Webmail,
    visitor: &Visitor,
    (csrf, begun): (&str, &Begun),
    query: &BackQuery,
) -> Result<(Account, Pinned), Unproven> {
    webmail.note_visit(Leg::Back, visitor)?;
    let entered = proven(webmail, (csrf, begun), query).await;
    let (visits, from) = (&webmail.0.visits, visitor.address);
    match &entered {
        Ok(_) => {
            visits.refund(Leg::Back, from);
            visits.refund(Leg::There, from);
        }
        // It is not the visitor's fault.
        Err(unproven) if unproven.is_away() => visits.refund(Leg::Back, from),
        Err(_) => {}
    }
    entered
}

async fn proven(
    webmail: &Webmail,
    (csrf, begun): (&str, &Begun),
    query: &BackQuery,
) -> Result<(Account, Pinned), Unproven> {
    let login = webmail.provider().map_err(|_| Unproven::Stale)?;
    if !query.error.is_empty() {
        let reason = query.error.chars().filter(char::is_ascii_graphic);
        let reason = reason.take(REASON).collect();
        return Err(OidcError::Refused(reason).into());
    }
    let secrets = begun.secrets(csrf, &webmail.0.options.base_url);
    let back = Back {
        code: &query.code,
        iss: &query.iss,
    };
    let proven = login.provider.finish(back, &secrets).await?;
    // While the directory only stands in for the one of the log, nobody's record is known.
    if webmail.0.world.directory.current().is_provisional() {
        return Err(Unproven::Login(LoginError::Away));
    }
    let person = webmail.proven(login, &proven.address);
    let person = person.ok_or(Unproven::Nobody)?;
    let whose = (login.provider.names(), &proven);
    let admitted = webmail.0.world.accounts.admit(&person, whose).await;
    admitted.map_err(Unproven::Login)
}
