//! The inbox and what was sent.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::credential::is_token;
use crate::mail::{RecipientState, SpoolId};
use crate::webmail::Webmail;
use crate::webmail::conversations::Talk;
use crate::webmail::drafts::Name;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, Undo, show};
use crate::webmail::guard::User;
use crate::webmail::mailbox::{Folder, Line};
use crate::webmail::moment::Moments;
use crate::webmail::standing::{Standing, Teller};
use crate::webmail::texts::{Texts, fill};

/// Messages on one page.
const PAGE: usize = 50;

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    before: Option<String>,
    #[serde(default)]
    sent: String,
    /// The token of a letter that is on its way out.
    #[serde(default)]
    going: String,
    #[serde(default)]
    late: String,
    #[serde(default)]
    welcome: String,
    #[serde(default)]
    did: String,
    #[serde(default)]
    n: String,
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    shell: Shell,
    folder: Folder,
    csrf: String,
    rows: Vec<Row>,
    /// The first page of this list.
    path: &'static str,
    /// This page of it.
    here: String,
    older: Option<String>,
    /// There are older ones that are not shown.
    is_cut: bool,
    is_first: bool,
    empty: (&'static str, &'static str),
    /// A line is a conversation.
    is_grouped: bool,
}

impl ListPage {
    const fn is_deleted(&self) -> bool {
        matches!(self.folder, Folder::Deleted)
    }

    const fn is_archive(&self) -> bool {
        matches!(self.folder, Folder::Archive)
    }
}

/// One line of a list.
pub(super) struct Row {
    pub id: SpoolId,
    pub href: String,
    /// A name, or the address when there is none.
    pub who: String,
    /// The address, when `who` is a name: names are easily forged.
    pub address: String,
    pub subject: String,
    pub time: String,
    pub time_full: String,
    pub time_iso: String,
    pub has_attachments: bool,
    pub is_unread: bool,
    pub is_flagged: bool,
    /// Where it is, in lists of several folders.
    pub folder: Option<&'static str>,
    pub standing: Standing,
    /// Messages of its conversation; one when the list has none.
    pub messages: usize,
    /// The same for who hears the page.
    pub messages_read_out: String,
}

pub(crate) async fn inbox(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    list(&webmail, &user, Folder::Inbox, &query).await
}

pub(crate) async fn sent(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    list(&webmail, &user, Folder::Sent, &query).await
}

pub(crate) async fn archive(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    list(&webmail, &user, Folder::Archive, &query).await
}

pub(crate) async fn deleted(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    list(&webmail, &user, Folder::Deleted, &query).await
}

async fn list(
    webmail: &Webmail,
    user: &User,
    folder: Folder,
    query: &ListQuery,
) -> Result<Response, WebError> {
    let texts = user.visitor.texts;
    let before = match &query.before {
        Some(id) => Some(id.parse::<SpoolId>().map_err(|_| WebError::BadRequest)?),
        None => None,
    };
    if before.is_none() {
        for span in &user.spans {
            webmail.0.marks.clear_stale(&span.mailbox).await?;
        }
    }
    let settings = webmail.settings(&user.account()).await?;
    let is_grouped = settings.has_conversations && folder != Folder::Deleted;
    let moments = webmail.moments(texts);
    let (rows, older) = if is_grouped {
        let (talks, older) = webmail.talks(user, folder, (before, PAGE)).await?;
        let row = |talk: &Talk| talk_row(webmail, talk, &moments);
        (talks.iter().map(row).collect(), older)
    } else {
        let (lines, older) = webmail.list(user, folder, (before, PAGE)).await?;
        let row = |line: &Line| row(webmail, line, &moments);
        (lines.iter().map(row).collect(), older)
    };
    let mut shell = webmail
        .user_shell(user, folder.name(texts), Here::Folder(folder))
        .await?;
    shell.notice = notice(texts, query);
    if is_token(&query.going) {
        shell.undo = undo(webmail, user, &query.going).await?;
        shell.notice = Some(match &shell.undo {
            Some(undo) => {
                let seconds = undo.seconds.to_string();
                fill(texts.leaves_in, &[("seconds", &seconds)])
            }
            None => texts.sent_notice.to_owned(),
        });
    }
    let path = folder.path();
    show(&ListPage {
        csrf: user.session.csrf.clone(),
        folder,
        rows,
        is_grouped,
        shell,
        path,
        here: before.map_or_else(|| path.to_owned(), |id| format!("{path}?before={id}")),
        is_cut: older.is_none() && folder == Folder::Inbox && webmail.is_cut(user).await?,
        older: older.map(|id| format!("{path}?before={id}")),
        is_first: before.is_none(),
        empty: match folder {
            Folder::Inbox => (texts.inbox_empty_title, texts.inbox_empty),
            Folder::Sent => (texts.sent_empty_title, texts.sent_empty),
            Folder::Drafts => (texts.drafts_empty_title, texts.drafts_empty),
            Folder::Archive => (texts.archive_empty_title, texts.archive_empty),
            Folder::Deleted => (texts.deleted_empty_title, texts.deleted_empty),
        },
    })
}

async fn undo(webmail: &Webmail, user: &User, token: &str) -> Result<Option<Undo>, WebError> {
    let name = Name::new(user.account(), token);
    let leaving = webmail.leaving(&name).await?;
    let now = webmail.0.world.clock.now();
    Ok(leaving.map(|leaving| Undo {
        token: name.token,
        seconds: leaving.at.since(now).as_secs() + 1,
    }))
}

fn notice(texts: &Texts, query: &ListQuery) -> Option<String> {
    if !query.late.is_empty() {
        return Some(texts.too_late.to_owned());
    }
    if !query.welcome.is_empty() {
        return Some(texts.password_set.to_owned());
    }
    if !query.sent.is_empty() {
        return Some(texts.sent_notice.to_owned());
    }
    super::actions::notice(texts, &query.did, &query.n)
}

/// A line of a list of conversations.
fn talk_row(webmail: &Webmail, talk: &Talk, moments: &Moments) -> Row {
    let count = talk.messages.to_string();
    Row {
        is_unread: talk.is_unread,
        messages: talk.messages,
        messages_read_out: fill(moments.texts.conversation_count, &[("count", &count)]),
        ..row(webmail, &talk.line, moments)
    }
}

pub(super) fn row(webmail: &Webmail, line: &Line, moments: &Moments) -> Row {
    let texts = moments.texts;
    let message = &line.own.message;
    let teller = Teller {
        moments,
        health: webmail.0.world.health.as_ref(),
        platforms: &webmail.0.options.platforms,
    };
    let (who, address, states) = if line.own.received_as.is_empty() {
        let states = message.states.clone();
        (recipients(line, texts), String::new(), states)
    } else {
        let from = message.envelope.header_from.as_deref();
        let (who, address) = sender(from, texts.no_sender);
        (who, address, own_states(line))
    };
    let subject = message.envelope.subject.clone();
    Row {
        id: message.id,
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
        is_unread: line.is_unread(),
        is_flagged: line.mark.flagged.is_some(),
        folder: None,
        standing: teller.sent(&states, message.received),
        messages: 1,
        messages_read_out: String::new(),
    }
}

fn own_states(line: &Line) -> Vec<RecipientState> {
    let states = &line.own.message.states;
    let own = line.own.received_as.iter();
    own.filter_map(|number| states.get(usize::from(*number)))
        .cloned()
        .collect()
}

fn recipients(line: &Line, texts: &Texts) -> String {
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
