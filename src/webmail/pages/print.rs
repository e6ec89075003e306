//! A message on paper: all of its text, without the frame of the pages around it.

use std::fmt::Write as _;

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};

use super::message::{FRAME_HEAD, FRAME_POLICY, MessageQuery, parse_id, rich};
use crate::mail::ParsedMessage;
use crate::webmail::Webmail;
use crate::webmail::accounts::blocking;
use crate::webmail::error::WebError;
use crate::webmail::guard::User;
use crate::webmail::letter::readable_text;
use crate::webmail::mailbox::Content;
use crate::webmail::moment::Moments;
use crate::webmail::plain::escape;

/// People of one header field.
const PEOPLE: usize = 200;

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<MessageQuery>,
) -> Result<Response, WebError> {
    let opened = webmail.open(&user, parse_id(&id)?).await?;
    let Content::Parsed(message) = opened.content else {
        return Err(WebError::NotFound);
    };
    let moments = webmail.moments(user.visitor.texts);
    let received = moments.full(opened.own.message.received);
    let page = blocking(move || {
        let mut page = head(&message, (&moments, &received));
        let clean = Some(query.remote()).filter(|_| message.has_html() && query.view != "plain");
        if let Some((html, _)) = clean.and_then(|remote| rich(&message, remote)) {
            // Nothing of the sender's can be drawn over what stands above it.
            page.push_str("<div style=\"overflow:hidden\">");
            page.push_str(&html);
            page.push_str("</div>");
        } else {
            page.push_str("<pre>");
            escape(&readable_text(&message), &mut page);
            page.push_str("</pre>");
        }
        (page, query)
    });
    let (page, query) = page.await?;
    let mut response = Html(page).into_response();
    let policy = format!("{FRAME_POLICY}{}", query.remote().sources());
    let policy = policy.parse().map_err(|_| WebError::Internal)?;
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// What stands above the text.
fn head(message: &ParsedMessage, (moments, received): (&Moments, &str)) -> String {
    let texts = moments.texts;
    let subject = message.subject.as_deref().unwrap_or(texts.no_subject);
    let mut shown = String::new();
    escape(subject, &mut shown);
    let title = format!("<title>{shown}</title>");
    let mut page = FRAME_HEAD.replace("<title></title>", &title);
    // Writing to a String cannot fail.
    write!(page, "<h1 dir=\"auto\">{shown}</h1><table>").ok();
    let mut row = |label: &str, value: &str| {
        page.push_str("<tr><th align=\"left\">");
        escape(label, &mut page);
        page.push_str("</th><td dir=\"auto\">");
        escape(value, &mut page);
        page.push_str("</td></tr>");
    };
    for (label, people) in [
        (texts.from, &message.from),
        (texts.to, &message.to),
        (texts.cc, &message.cc),
    ] {
        let people = people.iter().take(PEOPLE).map(|one| match &one.name {
            Some(name) => format!("{name} <{}>", one.address),
            None => one.address.clone(),
        });
        let people = people.collect::<Vec<_>>().join(", ");
        if !people.is_empty() {
            row(label, &people);
        }
    }
    row(texts.date, received);
    let files = message.parts.iter().filter_map(|part| part.name.as_deref());
    let files = files.collect::<Vec<_>>().join(", ");
    if !files.is_empty() {
        row(texts.attachments, &files);
    }
    page.push_str("</table><hr>");
    page
}
