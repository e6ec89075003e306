//! The inbox and what was sent.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::mail::{RecipientState, SpoolId};
use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, show};
use crate::webmail::guard::User;
use crate::webmail::mailbox::{Folder, Line};
use crate::webmail::moment::Moments;
use crate::webmail::standing::{Standing, Teller};
use crate::webmail::texts::fill;

/// Messages on one page.
const PAGE: usize = 50;

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    before: Option<String>,
    #[serde(default)]
    sent: String,
    #[serde(default)]
    welcome: String,
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    path: &'static str,
    older: Option<String>,
    is_first: bool,
}

struct Row {
    href: String,
    /// A name, or the address when there is none.
    who: String,
    /// The address, when `who` is a name: names are easily forged.
    address: String,
    subject: String,
    time: String,
    time_full: String,
    time_iso: String,
    has_attachments: bool,
    is_unread: bool,
    standing: Standing,
}

pub(crate) async fn inbox(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let mut shell = webmail.user_shell(&user, user.visitor.texts.inbox, Here::Inbox);
    let is_welcome = !query.welcome.is_empty();
    shell.notice = is_welcome.then(|| user.visitor.texts.password_set.to_owned());
    list(&webmail, &user, (Folder::Inbox, shell), &query).await
}

pub(crate) async fn sent(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let mut shell = webmail.user_shell(&user, user.visitor.texts.sent, Here::Sent);
    let has_sent = !query.sent.is_empty();
    shell.notice = has_sent.then(|| user.visitor.texts.sent_notice.to_owned());
    list(&webmail, &user, (Folder::Sent, shell), &query).await
}

async fn list(
    webmail: &Webmail,
    user: &User,
    (folder, shell): (Folder, Shell),
    query: &ListQuery,
) -> Result<Response, WebError> {
    let before = match &query.before {
        Some(id) => Some(id.parse::<SpoolId>().map_err(|_| WebError::NotFound)?),
        None => None,
    };
    let (lines, older) = webmail.list(user, folder, (before, PAGE)).await?;
    let path = match folder {
        Folder::Inbox => "/",
        Folder::Sent => "/sent",
    };
    let older = older.map(|id| format!("{path}?before={id}"));
    let moments = webmail.moments(user.visitor.texts);
    let rows = lines
        .iter()
        .map(|line| row(webmail, (line, folder), &moments))
        .collect();
    show(&ListPage {
        shell,
        rows,
        path,
        older,
        is_first: before.is_none(),
    })
}

fn row(webmail: &Webmail, (line, folder): (&Line, Folder), moments: &Moments) -> Row {
    let texts = moments.texts;
    let message = &line.own.message;
    let teller = Teller {
        moments,
        health: webmail.0.world.health.as_ref(),
        platforms: &webmail.0.options.platforms,
    };
    let (who, address) = match folder {
        Folder::Inbox => sender(message.envelope.header_from.as_deref(), texts.no_sender),
        Folder::Sent => (recipients(line, texts), String::new()),
    };
    let states: Vec<RecipientState> = match folder {
        Folder::Sent => message.states.clone(),
        Folder::Inbox => own_states(line),
    };
    let subject = message.envelope.subject.clone();
    Row {
        href: format!("/message/{}", message.id),
        who,
        address,
        subject: subject
            .filter(|subject| !subject.trim().is_empty())
            .unwrap_or_else(|| texts.no_subject.to_owned()),
        time: moments.short(message.received),
        time_full: moments.full(message.received),
        time_iso: message.received.to_string(),
        has_attachments: line.has_attachments,
        is_unread: line.is_unread && folder == Folder::Inbox,
        standing: teller.sent(&states, message.received),
    }
}

fn own_states(line: &Line) -> Vec<RecipientState> {
    let states = &line.own.message.states;
    let own = line.own.received_as.iter();
    own.filter_map(|number| states.get(usize::from(*number)))
        .cloned()
        .collect()
}

fn recipients(line: &Line, texts: &crate::webmail::texts::Texts) -> String {
    let all = &line.own.message.envelope.recipients;
    let first: Vec<String> = all
        .iter()
        .take(2)
        .map(|recipient| recipient.address.to_string())
        .collect();
    let mut people = first.join(", ");
    if all.len() > 2 {
        let count = (all.len() - 2).to_string();
        people = fill(texts.and_more, &[("people", &people), ("count", &count)]);
    }
    fill(texts.to_prefix, &[("people", &people)])
}

/// Name and address of `Ann <ann@example.org>`, as the envelope keeps it.
fn sender(from: Option<&str>, nobody: &str) -> (String, String) {
    let from = from.unwrap_or_default().trim();
    let parsed = from.rsplit_once('<').map(|(name, address)| {
        let name = name.trim().trim_matches('"').trim();
        let address = address.trim_end_matches('>').trim();
        (name.to_owned(), address.to_owned())
    });
    match parsed {
        Some((name, address)) if name.is_empty() || name == address => (address, String::new()),
        Some(both) => both,
        None if from.is_empty() => (nobody.to_owned(), String::new()),
        None => (from.to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::sender;

    #[test]
    fn names_are_shown_with_their_address() {
        let both = |name: &str, address: &str| (name.to_owned(), address.to_owned());
        assert_eq!(
            sender(Some("Ann <a@x.example>"), "?"),
            both("Ann", "a@x.example")
        );
        assert_eq!(
            sender(Some("\"A, B\" <a@x.example>"), "?"),
            both("A, B", "a@x.example")
        );
        assert_eq!(sender(Some("<a@x.example>"), "?"), both("a@x.example", ""));
        assert_eq!(sender(Some("a@x.example"), "?"), both("a@x.example", ""));
        assert_eq!(sender(None, "?"), both("?", ""));
    }
}
