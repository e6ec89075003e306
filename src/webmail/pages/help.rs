//! What the keys do.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, show};
use crate::webmail::guard::User;

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    shell: Shell,
    tab: &'static str,
    is_on: bool,
}

pub(crate) async fn keys(State(webmail): State<Webmail>, user: User) -> Result<Response, WebError> {
    let title = user.visitor.texts.settings;
    let shell = webmail.user_shell(&user, title, Here::Elsewhere).await?;
    show(&KeysPage {
        is_on: shell.user.as_ref().is_some_and(|user| user.has_keys),
        tab: "keys",
        shell,
    })
}
