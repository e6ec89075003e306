//! Letters that have not been sent.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::webmail::Webmail;
use crate::webmail::drafts::{Name, Title};
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, show};
use crate::webmail::guard::User;
use crate::webmail::mailbox::Folder;
use crate::webmail::texts::fill;

#[derive(Template)]
#[template(path = "drafts.html")]
struct DraftsPage {
    shell: Shell,
    rows: Vec<Row>,
}

struct Row {
    href: String,
    to: String,
    subject: String,
    time: String,
    time_full: String,
    time_iso: String,
    has_files: bool,
    came_back: bool,
    is_leaving: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DraftsQuery {
    discarded: String,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<DraftsQuery>,
) -> Result<Response, WebError> {
    let texts = user.visitor.texts;
    let (drafts, leaving) = (
        webmail.drafts(&user.account()).await?,
        webmail.all_leaving(Some(&user.account())).await?,
    );
    let here = Here::Folder(Folder::Drafts);
    let mut shell = webmail.user_shell(&user, texts.drafts, here).await?;
    shell.notice = (!query.discarded.is_empty()).then(|| texts.discarded.to_owned());
    let moments = webmail.moments(texts);
    let row = |(name, title): (Name, Title)| Row {
        href: format!("/compose?draft={}", name.token),
        to: match title.to.trim() {
            "" => texts.no_recipient.to_owned(),
            to => fill(texts.to_prefix, &[("people", to)]),
        },
        subject: match title.subject.trim() {
            "" => texts.no_subject.to_owned(),
            subject => subject.to_owned(),
        },
        time: moments.short(title.changed),
        time_full: moments.full(title.changed),
        time_iso: title.changed.to_string(),
        has_files: title.has_files,
        came_back: title.came_back,
        is_leaving: leaving.iter().any(|(other, _)| *other == name),
    };
    let rows = drafts.into_iter().map(row).collect();
    show(&DraftsPage { shell, rows })
}
