//! The page of what was found.

use askama::Template;
use axum::extract::{Query as Asked, State};
use axum::response::Response;
use serde::Deserialize;

use super::list::{Row, row};
use crate::base::percent_encoded;
use crate::mail::SpoolId;
use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, show};
use crate::webmail::guard::User;
use crate::webmail::search::Found;
use crate::webmail::search::query::{LONGEST, Query};
use crate::webmail::texts::fill;

/// Messages on one page.
const PAGE: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SearchQuery {
    q: String,
    before: Option<String>,
    did: String,
    n: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    shell: Shell,
    csrf: String,
    rows: Vec<Row>,
    here: String,
    older: Option<String>,
    /// Up to when was looked, when that is not the end.
    cut: Option<String>,
    /// What is wrong with the query.
    wrong: Vec<String>,
    is_asked: bool,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Asked(asked): Asked<SearchQuery>,
) -> Result<Response, WebError> {
    let texts = user.visitor.texts;
    let before = match &asked.before {
        Some(id) => Some(id.parse::<SpoolId>().map_err(|_| WebError::BadRequest)?),
        None => None,
    };
    let text: String = asked.q.chars().take(LONGEST).collect();
    let query = Query::read(&text, &webmail.0.options.time_zone);
    let wrong = query.wrong.iter();
    let wrong = wrong.map(|word| fill(texts.error_date, &[("word", word)]));
    let wrong: Vec<String> = wrong.collect();
    let is_asked = !query.is_empty();
    let found = if is_asked {
        webmail.search(&user, query, (before, PAGE)).await?
    } else {
        Found::default()
    };
    let moments = webmail.moments(texts);
    let mut shell = webmail
        .user_shell(&user, texts.search_title, Here::Elsewhere)
        .await?;
    shell.notice = super::actions::notice(texts, &asked.did, &asked.n);
    let path = format!("/search?q={}", percent_encoded(&text));
    shell.search = text;
    let rows = found.lines.iter().map(|(folder, line)| Row {
        folder: Some(folder.name(texts)),
        ..row(&webmail, line, &moments)
    });
    let cut = found.older.filter(|_| found.is_cut).map(|id| {
        let time = moments.full(id.timestamp());
        fill(texts.search_cut, &[("time", &time)])
    });
    show(&SearchPage {
        csrf: user.session.csrf.clone(),
        rows: rows.collect(),
        here: before.map_or_else(|| path.clone(), |id| format!("{path}&before={id}")),
        older: found.older.map(|id| format!("{path}&before={id}")),
        cut,
        wrong,
        is_asked,
        shell,
    })
}
