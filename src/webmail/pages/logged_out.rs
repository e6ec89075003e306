//! A letter that is sent or kept when its writer is logged in no more: nothing is stored for
//! nobody, and nothing that was typed is lost.

use askama::Template;
use axum::extract::Multipart;
use axum::http::StatusCode;
use axum::response::Response;

use super::form::Fields;
use super::message::human_size;
use crate::credential::is_token;
use crate::limits;
use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Shell, show_with};
use crate::webmail::guard::Visitor;
use crate::webmail::texts::fill;

/// What was typed, put back.
#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOutPage {
    shell: Shell,
    fields: Fields,
    /// It was too long, and its end is gone.
    cut: Option<String>,
}

/// What was typed in a form of nobody's.
pub(super) struct Words(Fields);

impl Words {
    /// Reads what stands before the files, and nothing of these. Anybody can send it, so it is
    /// little, and no parser sees it: it goes back as it came.
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
            // The same once more.
            if field.name() == Some("html") && !fields.draft.text.trim().is_empty() {
                continue;
            }
            fields.take_within(limits::FORM, &mut field).await?;
        }
        Ok(Self(fields))
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
        let is_blank = fields.draft.is_blank() && fields.draft.html.is_empty();
        if is_in_background || !is_token(&fields.token) || is_blank {
            return None;
        }
        let texts = visitor.texts;
        let shell = webmail.shell(texts, texts.logged_out_title);
        let most = human_size(limits::FORM as u64);
        let is_cut = fields.bytes > limits::FORM;
        let cut = is_cut.then(|| fill(texts.error_cut, &[("most", &most)]));
        let page = LoggedOutPage { shell, fields, cut };
        Some(show_with(StatusCode::UNAUTHORIZED, &page))
    }
}
