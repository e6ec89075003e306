//! Where the code of a printed invitation is typed.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::login::{VisitorForm, too_many};
use crate::webmail::Webmail;
use crate::webmail::accounts::LoginError;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Shell, see_other, show, show_with};
use crate::webmail::guard::Visitor;
use crate::webmail::logins::{Login, Way, Who};

#[derive(Template)]
#[template(path = "invite_code.html")]
struct CodePage {
    shell: Shell,
    csrf: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    code: String,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    visitor: Visitor,
) -> Result<Response, WebError> {
    let form = VisitorForm::new(&webmail, &visitor);
    let page = CodePage {
        shell: webmail.shell(visitor.texts, visitor.texts.code_title),
        csrf: form.csrf.clone(),
        error: None,
    };
    Ok(form.put_cookie(show(&page)?))
}

pub(crate) async fn typed(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    form: Result<Form<CodeForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    VisitorForm::check(&visitor, &form.csrf)?;
    let accounts = &webmail.0.world.accounts;
    let redeemed = accounts.redeem(&form.code, visitor.address).await;
    if let Err(error) = &redeemed {
        webmail.note_login(&Login {
            way: Way::Invitation,
            outcome: error.into(),
            who: Who::Nobody,
            from: visitor.address,
            why: "",
        });
    }
    let (status, error) = match redeemed {
        Ok(token) => return Ok(see_other(&format!("/invite/{token}"))),
        Err(LoginError::Wrong | LoginError::Away) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            visitor.texts.invite_code_wrong.to_owned(),
        ),
        Err(LoginError::Wait(wait)) => too_many(visitor.texts, wait),
        Err(LoginError::Internal(error)) => return Err(error.into()),
    };
    let page = CodePage {
        shell: webmail.shell(visitor.texts, visitor.texts.code_title),
        csrf: form.csrf,
        error: Some(error),
    };
    show_with(status, &page)
}
