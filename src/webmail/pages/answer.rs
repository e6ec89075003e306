//! The answer to an invitation.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::message::parse_id;
use super::send::refusals;
use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::frame::{see_other, show_notice};
use crate::webmail::guard::User;
use crate::webmail::invitation::answer_of;
use crate::webmail::outbox::Sent;

#[derive(Debug, Deserialize)]
pub(crate) struct AnswerForm {
    csrf: String,
    #[serde(default)]
    answer: String,
}

pub(crate) async fn post(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
    form: Result<Form<AnswerForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    let id = parse_id(&id)?;
    let answer = answer_of(&form.answer).ok_or(WebError::BadRequest)?;
    match webmail.answer(&user, (id, answer)).await {
        Ok((Sent::Left | Sent::Elsewhere, _)) => Ok(see_other("/sent?sent=1")),
        Ok((Sent::Leaves, token)) => Ok(see_other(&format!("/sent?going={token}"))),
        Err(unsent) => {
            let texts = user.visitor.texts;
            let text = refusals(unsent, texts)?.join(" ");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show_notice(&webmail, texts, (status, texts.errors_title, text))
        }
    }
}
