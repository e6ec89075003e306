//! A letter that is sent or kept when its writer is logged in no more: nothing is stored for
//! nobody, and nothing that was typed is lost.

use askama::Template;
use axum::extract::Multipart;
use axum::http::StatusCode;
use axum::response::Response;

use super::form::Fields;
use crate::webmail::Webmail;
use crate::webmail::digest::is_token;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Shell, show_with};
use crate::webmail::guard::Visitor;

/// What was typed, put back.
#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOutPage {
    shell: Shell,
    fields: Fields,
}

/// What was typed in a form of nobody's.
pub(super) struct Words(Fields);

impl Words {
    /// Reads what stands before the files, and nothing of these.
    pub(super) async fn read(mut multipart: Multipart) -> Result<Self, WebError> {
        let mut fields = Fields::default();
        while let Ok(Some(mut field)) = multipart.next_field().await {
            if field.name() == Some("file") {
                // None was chosen: which button was pressed comes behind it.
                if field.file_name().unwrap_or_default().is_empty() {
                    continue;
                }
                break;
            }
            fields.take(&mut field).await?;
        }
        Ok(Self(fields.with_text()))
    }

    /// The page with what was typed; `None` when nobody waits for it, or there is nothing.
    pub(super) fn shown(
        self,
        webmail: &Webmail,
        visitor: &Visitor,
    ) -> Option<Result<Response, WebError>> {
        let Self(fields) = self;
        // The script says so in the page that is there.
        let is_in_background = fields.action == "autosave";
        if is_in_background || !is_token(&fields.token) || fields.draft.is_blank() {
            return None;
        }
        let shell = webmail.shell(visitor.texts, visitor.texts.logged_out_title);
        let page = LoggedOutPage { shell, fields };
        Some(show_with(StatusCode::UNAUTHORIZED, &page))
    }
}
