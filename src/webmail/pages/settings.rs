//! What a user sets for himself.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, see_other, show, show_with};
use crate::webmail::guard::User;
use crate::webmail::settings::{SIGNATURE, Settings};
use crate::webmail::texts::fill;

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    csrf: String,
    tab: &'static str,
    signature: String,
    has_keys: bool,
    has_conversations: bool,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SettingsForm {
    csrf: String,
    #[serde(default)]
    signature: String,
    /// There when the box is ticked.
    #[serde(default)]
    keys: String,
    #[serde(default)]
    conversations: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SettingsQuery {
    saved: String,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<SettingsQuery>,
) -> Result<Response, WebError> {
    let settings = webmail.settings(&user.account()).await?;
    let mut page = settings_page(&webmail, &user, settings).await?;
    let saved = user.visitor.texts.settings_saved;
    page.shell.notice = (!query.saved.is_empty()).then(|| saved.to_owned());
    show(&page)
}

pub(crate) async fn save(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<SettingsForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    let signature = form.signature.replace("\r\n", "\n");
    let settings = Settings {
        signature,
        has_keys: !form.keys.is_empty(),
        has_conversations: !form.conversations.is_empty(),
    };
    if settings.signature.chars().count() > SIGNATURE {
        let mut page = settings_page(&webmail, &user, settings).await?;
        let most = SIGNATURE.to_string();
        let error = user.visitor.texts.error_signature;
        page.error = Some(fill(error, &[("most", &most)]));
        return show_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    webmail.set_settings(&user.account(), &settings).await?;
    Ok(see_other("/settings?saved=1"))
}

async fn settings_page(
    webmail: &Webmail,
    user: &User,
    settings: Settings,
) -> Result<SettingsPage, WebError> {
    let title = user.visitor.texts.settings;
    Ok(SettingsPage {
        shell: webmail.user_shell(user, title, Here::Elsewhere).await?,
        tab: "general",
        csrf: user.session.csrf.clone(),
        signature: settings.signature,
        has_keys: settings.has_keys,
        has_conversations: settings.has_conversations,
        error: None,
    })
}
