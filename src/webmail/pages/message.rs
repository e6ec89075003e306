//! One message.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::enclosed::{Enclosed, enclosed};
use super::list::{Row, row};
use super::parts::shown_type;
use crate::mail::{FilterVerdict, ParsedMessage, Person, SpoolId, TextPart};
use crate::webmail::Webmail;
use crate::webmail::accounts::blocking;
use crate::webmail::doubts::{Doubt, doubts};
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, show};
use crate::webmail::guard::User;
use crate::webmail::invitation::{Answered, Card, card, invitation};
use crate::webmail::letter::readable_text;
use crate::webmail::mailbox::{Content, Folder, Line, Opened};
use crate::webmail::moment::Moments;
use crate::webmail::plain;
use crate::webmail::sanitize::{HTML, Images, Remote, sanitize};
use crate::webmail::standing::{Standing, Teller};
use crate::webmail::texts::{Texts, fill};

/// Older messages of a conversation that are not folded.
const OPEN: usize = 3;
/// People of one header field that are shown.
const PEOPLE: usize = 50;

/// A page of its own for the sender's HTML: no script, no form, no request but for pictures when
/// they were asked for, an origin that is nobody's. Links open in new tabs.
pub(super) const FRAME_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; \
    default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'self'; img-src data:";

#[derive(Debug, Deserialize)]
pub(crate) struct MessageQuery {
    #[serde(default)]
    images: String,
    #[serde(default)]
    pub(super) view: String,
    #[serde(default)]
    did: String,
    #[serde(default)]
    n: String,
}

impl MessageQuery {
    pub(super) fn remote(&self) -> Remote {
        if self.images == "1" {
            Remote::Allowed
        } else {
            Remote::Blocked
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    shell: Shell,
    id: SpoolId,
    csrf: String,
    folder: Folder,
    is_flagged: bool,
    /// It came in for the user, and was not only sent by him.
    is_received: bool,
    c: Shown,
    /// Other messages of its conversation.
    talk: Option<Talk>,
}

/// What else belongs to the conversation of a message.
struct Talk {
    /// How many messages it has.
    count: String,
    /// Older ones that are folded, and how many these are.
    folded: (Vec<Row>, String),
    /// Older ones.
    older: Vec<Row>,
    newer: Vec<Row>,
}

impl MessagePage {
    const fn is_deleted(&self) -> bool {
        matches!(self.folder, Folder::Deleted)
    }

    const fn is_filed(&self) -> bool {
        matches!(self.folder, Folder::Archive | Folder::Deleted)
    }
}

/// What the page shows of the message itself.
struct Shown {
    subject: String,
    fields: Vec<Field>,
    time: String,
    time_iso: String,
    standings: Vec<(String, Standing)>,
    body: Body,
    enclosed: Vec<Enclosed>,
    attachments: Vec<Attachment>,
    /// How many parts are not listed, in words.
    left_out: Option<String>,
    card: Option<Card>,
    doubts: Vec<String>,
}

pub(super) struct Field {
    pub label: &'static str,
    pub people: Vec<Person>,
    pub more: usize,
}

struct Attachment {
    number: usize,
    name: String,
    size: String,
    /// The browser can show it.
    is_shown: bool,
}

/// What is shown of the text.
enum Body {
    /// Our own HTML, made of plain text.
    Plain { html: String, has_rich: bool },
    /// The sender's HTML, in a frame.
    Rich {
        source: String,
        height: usize,
        blocked: Option<String>,
        has_plain: bool,
    },
    /// A sentence instead.
    Sentence(&'static str),
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<MessageQuery>,
) -> Result<Response, WebError> {
    let opened = webmail.open(&user, parse_id(&id)?).await?;
    webmail.note_read(&user, &opened.own).await;
    let mark = webmail.mark(&user, opened.own.message.id).await?;
    let folder = Folder::of(&opened.own, &mark).unwrap_or(Folder::Inbox);
    let answered = webmail.answered(&user, opened.own.message.id).await?;
    let company = talk(&webmail, &user, opened.own.message.id).await?;
    let shell = webmail.user_shell(&user, "", Here::Folder(folder)).await?;
    let task = (webmail.clone(), user.clone());
    let page = blocking(move || {
        let (webmail, user) = task;
        let content = content(&webmail, &user, &opened, (&query, answered));
        MessagePage {
            shell: Shell {
                title: content.subject.clone(),
                notice: super::actions::notice(user.visitor.texts, &query.did, &query.n),
                ..shell
            },
            id: opened.own.message.id,
            csrf: user.session.csrf.clone(),
            folder,
            is_flagged: mark.flagged.is_some(),
            is_received: !opened.own.received_as.is_empty(),
            c: content,
            talk: company,
        }
    });
    show(&page.await?)
}

/// The conversation around a message.
async fn talk(webmail: &Webmail, user: &User, id: SpoolId) -> Result<Option<Talk>, WebError> {
    let (lines, all) = webmail.conversation(user, id).await?;
    if lines.len() < 2 {
        return Ok(None);
    }
    let texts = user.visitor.texts;
    let moments = webmail.moments(texts);
    let rows = |lines: &[Line]| -> Vec<Row> {
        let one = |line: &Line| Row {
            folder: Folder::of(&line.own, &line.mark).map(|folder| folder.name(texts)),
            ..row(webmail, line, &moments)
        };
        lines.iter().map(one).collect()
    };
    let number = |line: &Line| line.own.message.id;
    let at = lines.partition_point(|line| number(line) < id);
    let newer = lines.partition_point(|line| number(line) <= id);
    // What is near stands open; two more or fewer are not worth a fold.
    let fold = if at > OPEN + 2 { at - OPEN } else { 0 };
    let piece = |from: usize, to: usize| rows(lines.get(from..to).unwrap_or_default());
    let count = all.max(lines.len()).to_string();
    let folded = fill(texts.conversation_older, &[("count", &fold.to_string())]);
    Ok(Some(Talk {
        count: fill(texts.conversation_count, &[("count", &count)]),
        folded: (piece(0, fold), folded),
        older: piece(fold, at),
        newer: piece(newer, lines.len()),
    }))
}

/// The sender's HTML alone, for the frame.
pub(crate) async fn html(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<MessageQuery>,
) -> Result<Response, WebError> {
    let opened = webmail.open(&user, parse_id(&id)?).await?;
    let Content::Parsed(message) = opened.content else {
        return Err(WebError::NotFound);
    };
    let remote = query.remote();
    let clean = blocking(move || rich(&message, remote)).await?;
    let (html, _) = clean.ok_or(WebError::NotFound)?;
    let mut response = Html(format!("{FRAME_HEAD}{html}")).into_response();
    let policy = format!("{FRAME_POLICY}{}", remote.sources());
    let policy = policy.parse().map_err(|_| WebError::Internal)?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    // The sandbox has an origin of its own: with it the frame would be refused.
    headers.remove(HeaderName::from_static("cross-origin-resource-policy"));
    Ok(response)
}

/// Mail is written for white paper; the frame stays white in the dark.
pub(super) const FRAME_HEAD: &str = "<!doctype html><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title></title><style>\
    :root{color-scheme:light}body{margin:16px;background:#fff;color:#1b1f24;\
    font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
    img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}\
    blockquote{margin:0 0 0 4px;padding-left:12px;border-left:3px solid #c9d1d9}\
    </style>";

/// Ids are typed and copied: what is none is not found.
pub(super) fn parse_id(id: &str) -> Result<SpoolId, WebError> {
    id.parse().map_err(|_| WebError::NotFound)
}

/// The rich form of a message made harmless, and what became of its images. `None` when it is too
/// much: then its plain form is shown.
pub(super) fn rich(message: &ParsedMessage, remote: Remote) -> Option<(String, Images)> {
    let images = Images::new(&message.parts, remote);
    let mut whole = String::new();
    let mut room = HTML;
    for part in &message.rich {
        let (TextPart::Html(text) | TextPart::Plain(text)) = part;
        room = room.checked_sub(text.len())?;
        match part {
            TextPart::Html(html) => whole.push_str(&sanitize(html, &images)?),
            TextPart::Plain(text) => {
                whole.push_str("<pre>");
                plain::escape(text, &mut whole);
                whole.push_str("</pre>");
            }
        }
    }
    Some((whole, images))
}

fn content(
    webmail: &Webmail,
    user: &User,
    opened: &Opened,
    (query, answered): (&MessageQuery, Option<Answered>),
) -> Shown {
    let texts = user.visitor.texts;
    let moments = webmail.moments(texts);
    let stored = &opened.own.message;
    let subject = match &opened.content {
        Content::Parsed(message) => message.subject.clone(),
        Content::TooLarge | Content::Unreadable => stored.envelope.subject.clone(),
    };
    let found = match &opened.content {
        Content::Parsed(message) => invitation(message),
        Content::TooLarge | Content::Unreadable => None,
    };
    let (mut shown, card) = (
        BTreeSet::new(),
        found.map(|(number, found)| (number, card(&found, user, (answered, &moments)))),
    );
    let (fields, body, attachments) = match &opened.content {
        Content::Parsed(message) => {
            let (body, images) = body(message, (stored.id, query), texts);
            shown.extend(images);
            shown.extend(card.as_ref().map(|(number, _)| *number));
            let attachments = attachments(message, &shown, texts);
            (fields(message, texts), body, attachments)
        }
        Content::TooLarge => (Vec::new(), Body::Sentence(texts.too_large), Vec::new()),
        Content::Unreadable => (Vec::new(), Body::Sentence(texts.unreadable), Vec::new()),
    };
    Shown {
        subject: subject
            .filter(|subject| !subject.trim().is_empty())
            .unwrap_or_else(|| texts.no_subject.to_owned()),
        fields,
        time: moments.full(stored.received),
        time_iso: stored.received.to_string(),
        standings: standings(webmail, opened, &moments),
        body,
        enclosed: match &opened.content {
            Content::Parsed(message) => enclosed(message, &moments),
            Content::TooLarge | Content::Unreadable => Vec::new(),
        },
        attachments,
        left_out: left_out(&opened.content, texts),
        card: card.map(|(_, card)| card),
        doubts: doubted(webmail, opened, texts),
    }
}

fn left_out(content: &Content, texts: &Texts) -> Option<String> {
    match content {
        Content::Parsed(message) if message.left_out > 0 => {
            let count = message.left_out.to_string();
            Some(fill(texts.cut_parts, &[("count", &count)]))
        }
        Content::Parsed(_) | Content::TooLarge | Content::Unreadable => None,
    }
}

/// What is doubtful about the sender, in words.
fn doubted(webmail: &Webmail, opened: &Opened, texts: &Texts) -> Vec<String> {
    let filtered = &opened.own.message.envelope.filtered;
    let bad = filtered
        .iter()
        .filter(|it| it.verdict == FilterVerdict::Bad);
    let warned = bad.map(|it| fill(texts.doubt_filter, &[("said", &it.said)]));
    let Content::Parsed(message) = &opened.content else {
        return warned.collect();
    };
    let directory = webmail.0.world.directory.current();
    let own: Vec<String> = directory.domains().map(|rule| rule.name.clone()).collect();
    let found = doubts(message, (&*opened.own.message.envelope).into(), &own);
    let says = |doubt: Doubt| match doubt {
        Doubt::Name { shown, real } => {
            fill(texts.doubt_name, &[("shown", &shown), ("real", &real)])
        }
        Doubt::Likeness { domain, own } => {
            fill(texts.doubt_likeness, &[("domain", &domain), ("own", &own)])
        }
        Doubt::Outside { domain } => fill(texts.doubt_outside, &[("domain", &domain)]),
        Doubt::Dmarc { domain } => fill(texts.doubt_dmarc, &[("domain", &domain)]),
    };
    warned.chain(found.into_iter().map(says)).collect()
}

pub(super) fn fields(message: &ParsedMessage, texts: &Texts) -> Vec<Field> {
    [
        (texts.from, &message.from),
        (texts.to, &message.to),
        (texts.cc, &message.cc),
    ]
    .into_iter()
    .filter(|(_, people)| !people.is_empty())
    .map(|(label, people)| Field {
        label,
        people: people.iter().take(PEOPLE).cloned().collect(),
        more: people.len().saturating_sub(PEOPLE),
    })
    .collect()
}

/// A receiver sees where his own copy stands, the sender where each of them stands.
fn standings(webmail: &Webmail, opened: &Opened, moments: &Moments) -> Vec<(String, Standing)> {
    let teller = Teller {
        moments,
        health: webmail.0.world.health.as_ref(),
        platforms: &webmail.0.options.platforms,
    };
    let own = &opened.own;
    (0_u16..)
        .zip(
            own.message
                .envelope
                .recipients
                .iter()
                .zip(&own.message.states),
        )
        .filter(|(number, _)| own.is_sent || own.received_as.contains(number))
        .map(|(_, (recipient, state))| {
            let whom = if own.is_sent {
                recipient.address.to_string()
            } else {
                String::new()
            };
            (whom, teller.recipient(state, own.message.received))
        })
        .collect()
}

/// What is shown of the text, and numbers of the parts that are shown in it.
fn body(
    message: &ParsedMessage,
    (id, query): (SpoolId, &MessageQuery),
    texts: &Texts,
) -> (Body, BTreeSet<usize>) {
    let has_rich = message.has_html();
    if has_rich && query.view != "plain" {
        let remote = query.remote();
        if let Some((html, shown)) = rich(message, remote) {
            let images = if remote == Remote::Allowed {
                "?images=1"
            } else {
                ""
            };
            let count = shown.blocked().to_string();
            let blocked = match shown.blocked() {
                0 => None,
                1 => Some(texts.images_blocked_one.to_owned()),
                _ => Some(fill(texts.images_blocked, &[("count", &count)])),
            };
            let body = Body::Rich {
                source: format!("/message/{id}/html{images}"),
                height: height(&html),
                blocked,
                has_plain: true,
            };
            return (body, shown.shown());
        }
    }
    let text = readable_text(message);
    let html = plain::to_html(&text, texts);
    let body = if html.is_empty() {
        Body::Sentence(texts.no_text)
    } else {
        Body::Plain { html, has_rich }
    };
    (body, BTreeSet::new())
}

/// How high the frame must be, roughly, in pixels: without script nobody can measure it, and it
/// scrolls and can be pulled larger.
fn height(html: &str) -> usize {
    let mut text = 0_usize;
    let mut blocks = 0_usize;
    for piece in html.split('<') {
        let (tag, words) = piece.split_once('>').unwrap_or(("", piece));
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        blocks += usize::from(matches!(
            name,
            "p" | "br" | "tr" | "li" | "div" | "h1" | "h2" | "h3" | "hr" | "blockquote"
        ));
        blocks += 6 * usize::from(name == "img" && tag.contains("src="));
        text += words.trim().len();
    }
    (120 + text / 4 + blocks * 20).clamp(240, 1_600)
}

/// The files of a message: all parts but those that the page shows, which are a picture in its text
/// or a card.
fn attachments(message: &ParsedMessage, shown: &BTreeSet<usize>, texts: &Texts) -> Vec<Attachment> {
    message
        .parts
        .iter()
        .filter(|part| !shown.contains(&part.number))
        .map(|part| {
            let number = part.number.to_string();
            let unnamed = || fill(texts.unnamed_part, &[("number", &number)]);
            Attachment {
                number: part.number,
                name: part.name.clone().unwrap_or_else(unnamed),
                size: human_size(part.content.len() as u64),
                is_shown: shown_type(&part.content_type).is_some(),
            }
        })
        .collect()
}

pub(super) fn human_size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
