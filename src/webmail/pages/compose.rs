//! Writing: the form of a letter, new, as an answer, passed on, or taken up again.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::message::{human_size, parse_id};
use crate::credential::is_token;
use crate::limits;
use crate::mail::parse_addressees;
use crate::webmail::Webmail;
use crate::webmail::accounts::blocking;
use crate::webmail::drafts::{Draft, Name};
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, see_other, show};
use crate::webmail::guard::User;
use crate::webmail::letter::{self, Fields, ReplyTo, with_signature};
use crate::webmail::mailbox::Content;
use crate::webmail::texts::fill;
use crate::webmail::uploads::{forwarded, part_name};

/// The page with the form.
#[derive(Template)]
#[template(path = "compose.html")]
pub(super) struct ComposePage {
    pub shell: Shell,
    pub csrf: String,
    pub token: String,
    /// Which page this is.
    pub page: String,
    pub draft: Draft,
    /// The id of the message that is answered; empty: none.
    pub answers: String,
    /// What he may send as: an address, and whether this letter does.
    pub senders: Vec<(String, bool)>,
    pub errors: Vec<String>,
    pub files: Vec<FileLine>,
    /// What the files may have together.
    pub room: String,
    pub most_bytes: u64,
    /// Who is looked for, and who was found.
    pub find: String,
    pub found: Vec<String>,
    pub is_stored: bool,
}

/// A file in the form, ticked.
pub(super) struct FileLine {
    pub value: String,
    pub name: String,
    pub size: String,
}

impl ComposePage {
    fn has_hidden(&self) -> bool {
        !self.draft.bcc.is_empty()
    }

    fn is_answer(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Is what the page complains about in this field?
    fn is_wrong(&self, field: &str) -> bool {
        !self.errors.is_empty() && parse_addressees(field).is_err()
    }

    /// The state of the letter that this page shows.
    fn known(&self) -> u64 {
        self.draft.changed.as_millis()
    }

    fn has_found(&self) -> bool {
        !self.find.trim().is_empty()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ComposeQuery {
    to: String,
    /// A letter that was kept.
    draft: String,
    saved: String,
    undone: String,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ComposeQuery>,
) -> Result<Response, WebError> {
    if !query.draft.is_empty() {
        return taken_up(&webmail, &user, &query).await;
    }
    let fields = Fields {
        to: query.to,
        ..Fields::default()
    };
    let title = user.visitor.texts.new_message;
    let draft = begun(&webmail, &user, fields).await?;
    show(&webmail.fresh_page(&user, title, draft).await?)
}

async fn taken_up(
    webmail: &Webmail,
    user: &User,
    query: &ComposeQuery,
) -> Result<Response, WebError> {
    if !is_token(&query.draft) {
        return Err(WebError::NotFound);
    }
    let name = Name::new(user.account(), &query.draft);
    if webmail.leaving(&name).await?.is_some() {
        return Ok(see_other(&format!("/sent?going={}", name.token)));
    }
    let draft = webmail.draft(&name).await?.ok_or(WebError::NotFound)?;
    let texts = user.visitor.texts;
    let mut page = webmail.compose_page(user, (&name, draft)).await?;
    page.is_stored = true;
    if page.draft.came_back {
        page.errors = match webmail.addressed(user.address(), &page.draft) {
            Ok(_) => vec![texts.came_back.to_owned()],
            Err(refusals) => super::send::says(&refusals, texts),
        };
    } else if !query.undone.is_empty() {
        page.shell.notice = Some(texts.undone.to_owned());
    } else if !query.saved.is_empty() {
        page.shell.notice = Some(texts.draft_saved.to_owned());
    }
    show(&page)
}

pub(crate) async fn reply(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    answer(&webmail, &user, (&id, ReplyTo::Sender)).await
}

pub(crate) async fn reply_all(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    answer(&webmail, &user, (&id, ReplyTo::All)).await
}

async fn answer(
    webmail: &Webmail,
    user: &User,
    (id, to): (&str, ReplyTo),
) -> Result<Response, WebError> {
    let opened = webmail.open(user, parse_id(id)?).await?;
    let Content::Parsed(message) = opened.content else {
        return Err(WebError::NotFound);
    };
    let stored = opened.own.message;
    let (texts, own) = (user.visitor.texts, user.addresses.clone());
    let moments = webmail.moments(texts);
    let fields = blocking(move || letter::reply(&message, &own, to, (stored.received, &moments)));
    let draft = Draft {
        answers: Some(stored.id),
        ..begun(webmail, user, fields.await?).await?
    };
    show(&webmail.fresh_page(user, texts.reply, draft).await?)
}

/// Passes a message on, as text and with its files.
pub(crate) async fn forward(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let opened = webmail.open(&user, parse_id(&id)?).await?;
    let Content::Parsed(message) = opened.content else {
        return Err(WebError::NotFound);
    };
    let stored = opened.own.message;
    let (texts, own) = (user.visitor.texts, user.addresses.clone());
    let moments = webmail.moments(texts);
    let read = blocking(move || {
        let fields = letter::forward(&message, &own, (stored.received, &moments));
        let line = |part: &crate::mail::Part| FileLine {
            // Copied when the letter is kept or sent for the first time.
            value: format!("{}.{}", stored.id, part.number),
            name: part_name(part),
            size: human_size(part.content.len() as u64),
        };
        (fields, forwarded(&message).map(line).collect::<Vec<_>>())
    });
    let (fields, files) = read.await?;
    let draft = begun(&webmail, &user, fields).await?;
    let mut page = webmail.fresh_page(&user, texts.forward, draft).await?;
    page.files = files;
    show(&page)
}

async fn begun(webmail: &Webmail, user: &User, fields: Fields) -> Result<Draft, WebError> {
    let settings = webmail.settings(&user.account()).await?;
    Ok(Draft {
        from: fields.from,
        to: fields.to,
        cc: fields.cc,
        subject: fields.subject,
        text: with_signature(&fields.text, &settings.signature),
        ..Draft::default()
    })
}

impl Webmail {
    /// The name of a letter that there is not yet.
    pub(super) fn new_letter(&self, user: &User) -> Name {
        Name::new(user.account(), &self.0.world.entropy.token())
    }

    async fn fresh_page(
        &self,
        user: &User,
        title: &str,
        draft: Draft,
    ) -> Result<ComposePage, WebError> {
        let name = self.new_letter(user);
        let mut page = self.compose_page(user, (&name, draft)).await?;
        title.clone_into(&mut page.shell.title);
        Ok(page)
    }

    /// The page for a letter.
    pub(super) async fn compose_page(
        &self,
        user: &User,
        (name, draft): (&Name, Draft),
    ) -> Result<ComposePage, WebError> {
        let texts = user.visitor.texts;
        let title = if draft.answers.is_some() {
            texts.reply
        } else {
            texts.new_message
        };
        let from = draft.from.trim().to_lowercase();
        let senders = user.addresses.iter().map(|address| {
            let address = address.to_string();
            let is_chosen = address.to_lowercase() == from;
            (address, is_chosen)
        });
        let files = draft.files.iter().map(|file| FileLine {
            value: file.id.to_string(),
            name: file.name.clone(),
            size: human_size(file.size),
        });
        let most_bytes = self.0.options.writing.max_attachments;
        let (size, count) = (human_size(most_bytes), limits::WEB_FILES.to_string());
        let values = [("size", &*size), ("count", &*count)];
        Ok(ComposePage {
            shell: self.user_shell(user, title, Here::Write).await?,
            csrf: user.session.csrf.clone(),
            token: name.token.clone(),
            page: self.0.world.entropy.token(),
            answers: draft.answers.map_or_else(String::new, |id| id.to_string()),
            senders: senders.collect(),
            errors: Vec::new(),
            files: files.collect(),
            room: fill(texts.files_help, &values),
            most_bytes,
            find: String::new(),
            found: Vec::new(),
            is_stored: false,
            draft,
        })
    }
}
