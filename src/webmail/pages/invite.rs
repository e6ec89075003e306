//! Setting a password with an invitation.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::login::VisitorForm;
use super::second::go_on;
use crate::activation::Mode;
use crate::webmail::Webmail;
use crate::webmail::accounts::{Account, AccountError};
use crate::webmail::changes::Change;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Shell, show, show_with};
use crate::webmail::guard::Visitor;
use crate::webmail::logins::{Login, Outcome, Way, Who};
use crate::webmail::renewal::OldPasskeys;

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage {
    shell: Shell,
    csrf: String,
    token: String,
    address: String,
    error: Option<&'static str>,
    /// There are some, which a new password could end.
    has_passkeys: bool,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct GonePage {
    shell: Shell,
    text: &'static str,
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
    /// The passkeys of before go.
    #[serde(default)]
    passkeys: String,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let account = match webmail.0.world.accounts.invited(&token).await {
        Ok(account) => account,
        Err(AccountError::Invitation) => return gone(&webmail, &visitor),
        Err(error) => return Err(error.into()),
    };
    let form = VisitorForm::new(&webmail, &visitor);
    let page = InvitePage {
        shell: webmail.shell(visitor.texts, visitor.texts.invite_title),
        csrf: form.csrf.clone(),
        token,
        address: account.address.to_string(),
        has_passkeys: account.passkey_count() > 0,
        error: None,
    };
    Ok(form.put_cookie(show(&page)?))
}

pub(crate) async fn set_password(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    Path(token): Path<String>,
    form: Result<Form<PasswordForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    VisitorForm::check(&visitor, &form.csrf)?;
    let accounts = &webmail.0.world.accounts;
    let account = match accounts.invited(&token).await {
        Ok(account) => account,
        Err(AccountError::Invitation) => return gone(&webmail, &visitor),
        Err(error) => return Err(error.into()),
    };
    let has_passkeys = account.passkey_count() > 0;
    let was_used = account.was_used();
    let error = if form.password == form.again {
        let old = OldPasskeys::of(&form.passkeys);
        match accounts.set_password(&token, (form.password, old)).await {
            Ok(account) => {
                // The first password of all is no change.
                if was_used {
                    webmail
                        .note_change(&account, Change::Invited, &visitor)
                        .await;
                }
                if has_passkeys && old == OldPasskeys::Go {
                    let what = Change::PasskeysRemoved;
                    webmail.note_change(&account, what, &visitor).await;
                }
                webmail.note_login(&Login {
                    way: Way::Invitation,
                    outcome: Outcome::entered(&account),
                    who: Who::Account(&account),
                    from: visitor.address,
                    why: "",
                });
                let then = (form.csrf, first_page(&webmail, &account).await?);
                return go_on(&webmail, (&account, &visitor), then).await;
            }
            Err(AccountError::Password) => visitor.texts.password_refused,
            Err(AccountError::Invitation) => return gone(&webmail, &visitor),
            Err(error) => return Err(error.into()),
        }
    } else {
        visitor.texts.passwords_differ
    };
    let page = InvitePage {
        shell: webmail.shell(visitor.texts, visitor.texts.invite_title),
        csrf: form.csrf,
        token,
        address: account.address.to_string(),
        has_passkeys,
        error: Some(error),
    };
    show_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// Where a new user goes: to his mail, or to his login when his mail is not shown now.
async fn first_page(webmail: &Webmail, account: &Account) -> Result<&'static str, WebError> {
    let (mailbox, home) = webmail.mailbox_of(account.person());
    let ruling = webmail.ruling(&mailbox, home.as_ref());
    Ok(match ruling.await?.mode {
        Mode::Off => "/security?did=welcome",
        Mode::ReadOnly | Mode::Full => "/?welcome=1",
    })
}

fn gone(webmail: &Webmail, visitor: &Visitor) -> Result<Response, WebError> {
    let page = GonePage {
        shell: webmail.shell(visitor.texts, visitor.texts.invite_gone_title),
        text: visitor.texts.invite_gone,
    };
    show_with(StatusCode::GONE, &page)
}
