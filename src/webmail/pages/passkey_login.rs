//! A login by passkey: the script asks for the question, and a form brings the answer.

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::Deserialize;
use serde_json::json;

use super::login::{VisitorForm, begin, refused_page, too_many};
use crate::frame::own_path;
use crate::webmail::Webmail;
use crate::webmail::accounts::{Account, LoginError};
use crate::webmail::error::WebError;
use crate::webmail::guard::Visitor;
use crate::webmail::logins::{Login, Outcome, Way, Who};
use crate::webmail::passkeys::{PasskeyError, Shown};
use crate::webmail::texts::{Texts, fill};
use crate::webmail::webauthn::{Assertion, Ceremony, LIFE, Purpose, Refusal, Relying};

#[derive(Deserialize)]
pub(crate) struct OptionsForm {
    #[serde(default)]
    csrf: String,
}

#[derive(Deserialize)]
pub(crate) struct PasskeyForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    next: String,
    /// The passkey's id.
    #[serde(default)]
    credential: String,
    /// What the authenticator calls the account.
    #[serde(default)]
    user: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    authenticator: String,
    #[serde(default)]
    signature: String,
}

impl Webmail {
    /// Who we are to passkeys, where there are some.
    pub(super) fn relying(&self) -> Result<&Relying, WebError> {
        self.0.relying.as_ref().ok_or(WebError::NotFound)
    }

    pub(super) fn has_passkeys(&self) -> bool {
        self.0.relying.is_some()
    }

    pub(super) fn ceremony<'a>(&self, purpose: Purpose, bound: &'a str) -> Ceremony<'a> {
        let now = self.0.world.clock.now();
        Ceremony {
            purpose,
            bound,
            now,
        }
    }
}

/// The question (WebAuthn §5.5): any passkey of ours, whose user is verified.
pub(crate) async fn options(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    form: Result<Form<OptionsForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    VisitorForm::check(&visitor, &form.csrf)?;
    let relying = webmail.relying()?;
    let ceremony = webmail.ceremony(Purpose::LogIn, &form.csrf);
    Ok(Json(json!({
        "challenge": relying.challenge(ceremony, &webmail.0.world.entropy),
        "rpId": relying.party.id,
        "timeout": LIFE.as_millis(),
        "userVerification": "required",
    }))
    .into_response())
}

pub(crate) async fn log_in(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    form: Result<Form<PasskeyForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    VisitorForm::check(&visitor, &form.csrf)?;
    let relying = webmail.relying()?;
    let ceremony = webmail.ceremony(Purpose::LogIn, &form.csrf);
    let accounts = &webmail.0.world.accounts;
    let verified = match shown(&form) {
        Ok(shown) => {
            let verified = accounts.verify_passkey((relying, ceremony), &shown, visitor.address);
            verified.await
        }
        Err(refusal) => Err(refusal.into()),
    };
    let whose = match &verified {
        Ok(_) => None,
        Err(_) => accounts.owner(&form.credential).await?,
    };
    note(&webmail, &verified, (whose.as_ref(), &visitor));
    match verified {
        Ok(account) => begin(&webmail, (&account, &visitor), own_path(&form.next)).await,
        Err(error) => {
            let refusal = said(error, visitor.texts)?;
            let typed = (form.csrf, form.next, String::new());
            refused_page(&webmail, &visitor, typed, refusal).await
        }
    }
}

/// Writes down a login by passkey.
fn note(
    webmail: &Webmail,
    verified: &Result<Account, PasskeyError>,
    (whose, visitor): (Option<&Account>, &Visitor),
) {
    let (outcome, whose, why) = match verified {
        Ok(account) => (Outcome::In, Some(account), String::new()),
        Err(PasskeyError::Refused(refusal)) => (Outcome::Wrong, whose, refusal.to_string()),
        Err(error) => (error.into(), whose, String::new()),
    };
    webmail.note_login(&Login {
        way: Way::Passkey,
        outcome,
        who: whose.map_or(Who::Nobody, Who::Account),
        from: visitor.address,
        why: &why,
    });
}

fn shown(form: &PasskeyForm) -> Result<Shown, Refusal> {
    Ok(Shown {
        id: form.credential.clone(),
        handle: form.user.clone(),
        assertion: Assertion {
            client: decoded(&form.client)?,
            authenticator: decoded(&form.authenticator)?,
            signature: decoded(&form.signature)?,
        },
    })
}

/// Bytes that a form carries in base64url.
pub(super) fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    // Longer ones are no word of a browser's: see `limits::PASSKEY_DATA`.
    if text.len() > 2 * crate::limits::PASSKEY_DATA {
        return Err(Refusal::TooLong);
    }
    BASE64URL.decode(text).map_err(|_| Refusal::Shape)
}

/// What is said when it was not taken.
pub(super) fn said(error: PasskeyError, texts: &Texts) -> Result<(StatusCode, String), WebError> {
    let text = match error {
        PasskeyError::Login(LoginError::Away) => texts.password_away.to_owned(),
        PasskeyError::Login(LoginError::Wait(wait)) => return Ok(too_many(texts, wait)),
        PasskeyError::Login(LoginError::Internal(error)) => return Err(error.into()),
        PasskeyError::Over => return Err(WebError::Expired),
        PasskeyError::Login(LoginError::Wrong) => texts.password_wrong.to_owned(),
        PasskeyError::TooMany => {
            let most = crate::limits::PASSKEYS.to_string();
            fill(texts.passkeys_full, &[("count", &most)])
        }
        PasskeyError::Refused(refusal) => refused(refusal, texts).to_owned(),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, text))
}

const fn refused(refusal: Refusal, texts: &Texts) -> &'static str {
    match refusal {
        // Also after a restart, which ends what is under way.
        Refusal::Expired | Refusal::Challenge | Refusal::Again => texts.passkey_late,
        Refusal::Counter => texts.passkey_copied,
        Refusal::Known => texts.passkey_on_device,
        Refusal::TooLong
        | Refusal::Shape
        | Refusal::Kind
        | Refusal::Origin
        | Refusal::Framed
        | Refusal::Site
        | Refusal::NotPresent
        | Refusal::NotVerified
        | Refusal::Algorithm
        | Refusal::Signature
        | Refusal::Unknown => texts.passkey_refused,
    }
}
