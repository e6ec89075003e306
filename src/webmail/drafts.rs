//! Letters that are being written: facts of the spool, so that a crash takes nothing. What is too
//! large for a fact, and the files, are messages without recipients.

use serde::{Deserialize, Serialize};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::mailbox::{failed, read_all};
use crate::base::Timestamp;
use crate::mail::{Authenticity, BodySource, Envelope, Peer, SpoolId};
use crate::smtp::{MailParameters, ReversePath};
use crate::spool::{Draft as Body, Spool, SpoolError};

/// Facts: `ACCOUNT/TOKEN`.
const DRAFTS: &str = "draft";
/// Letters on their way out: `ACCOUNT/TOKEN`.
const OUTBOX: &str = "outbox";
/// Letters that one user may have unfinished.
pub(crate) const MOST: usize = 200;
/// Bytes of JSON up to which a letter stands in its fact.
const IN_FACT: usize = 40_000;
/// Characters of the recipients that the list shows.
const SHOWN: usize = 200;

/// A letter that is being written, as its writer left it: nothing in it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Draft {
    /// The address that it is sent as; empty: the account's.
    pub from: String,
    pub to: String,
    pub cc: String,
    pub bcc: String,
    pub subject: String,
    pub text: String,
    /// The text with its formatting, made by [`super::rich::narrow`]; empty: plain text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub html: String,
    /// The message that is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<SpoolId>,
    /// Its thread, oldest first; filled in when the letter is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// The answer to an invitation that it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    pub changed: Timestamp,
    /// It was sent, and came back because somebody in it cannot get mail any more.
    pub came_back: bool,
}

/// A file of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    /// Where its content is.
    pub id: SpoolId,
    pub name: String,
    pub content_type: String,
    pub size: u64,
}

/// What the list of drafts shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Title {
    pub subject: String,
    pub to: String,
    pub changed: Timestamp,
    pub has_files: bool,
    pub came_back: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    title: Title,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    draft: Option<Draft>,
    /// The draft is the body of this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<SpoolId>,
}

/// A letter that leaves at a time, unless its writer calls it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leaving {
    pub at: Timestamp,
    /// To how many it goes.
    pub recipients: usize,
}

/// Whose letter, and which one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Key of the account.
    pub account: String,
    /// The token of its form; the letter's Message-ID is made of it.
    pub token: String,
}

impl Name {
    pub(crate) fn new(account: String, token: &str) -> Self {
        let token = token.to_owned();
        Self { account, token }
    }

    fn key(&self) -> String {
        format!("{}/{}", self.account, self.token)
    }

    fn of_key(key: &str) -> Option<Self> {
        // A domain has no slash, a token neither.
        let (account, token) = key.rsplit_once('/')?;
        Some(Self::new(account.to_owned(), token))
    }
}

impl Draft {
    fn title(&self) -> Title {
        Title {
            subject: self.subject.chars().take(SHOWN).collect(),
            to: self.to.chars().take(SHOWN).collect(),
            changed: self.changed,
            has_files: !self.files.is_empty(),
            came_back: self.came_back,
        }
    }

    /// Is there something in it that would be a loss?
    pub(crate) fn is_blank(&self) -> bool {
        let texts = [&self.to, &self.cc, &self.bcc, &self.subject, &self.text];
        texts.iter().all(|text| text.trim().is_empty()) && self.files.is_empty()
    }
}

impl Webmail {
    /// The letters that a user has not sent, last changed first.
    pub(crate) async fn drafts(&self, account: &str) -> Result<Vec<(Name, Title)>, WebError> {
        let (spool, prefix) = (self.0.world.spool.clone(), format!("{account}/"));
        let facts = blocking(move || spool.facts(DRAFTS, &prefix)).await??;
        let read = |(key, value): (String, serde_json::Value)| {
            let stored: Stored = serde_json::from_value(value).ok()?;
            Some((Name::of_key(&key)?, stored.title))
        };
        let mut drafts: Vec<_> = facts.into_iter().filter_map(read).collect();
        drafts.sort_by_key(|(_, title)| std::cmp::Reverse(title.changed));
        Ok(drafts)
    }

    /// A letter that its user has not sent.
    pub(crate) async fn draft(&self, name: &Name) -> Result<Option<Draft>, WebError> {
        let (spool, name) = (self.0.world.spool.clone(), name.clone());
        Ok(blocking(move || load(&spool, &name)).await??)
    }

    /// Writes a letter down, durably. The caller holds the account's lock.
    pub(crate) async fn put_draft(&self, name: &Name, draft: &Draft) -> Result<(), WebError> {
        let json = serde_json::to_vec(draft).map_err(|_| WebError::Internal)?;
        let title = draft.title();
        let stored = if json.len() <= IN_FACT {
            let draft = Some(draft.clone());
            let kept = None;
            Stored { title, draft, kept }
        } else {
            let mut body = self.0.world.spool.draft();
            body.append(&json).await?;
            let kept = Some(self.keep(&name.account, body).await?);
            let draft = None;
            Stored { title, draft, kept }
        };
        let value = serde_json::to_value(&stored).map_err(|_| WebError::Internal)?;
        let spool = &self.0.world.spool;
        Ok(spool.put_fact(DRAFTS, &name.key(), Some(value)).await?)
    }

    /// Forgets a letter. The caller holds the account's lock.
    pub(crate) async fn forget_draft(&self, name: &Name) -> Result<(), WebError> {
        let spool = &self.0.world.spool;
        Ok(spool.put_fact(DRAFTS, &name.key(), None).await?)
    }

    /// Stores a file of a letter, or a letter: a message that nobody gets. It stays as long as a
    /// finished message does.
    pub(crate) async fn keep(&self, account: &str, body: Body) -> Result<SpoolId, SpoolError> {
        let envelope = Envelope {
            from: ReversePath::Null,
            parameters: MailParameters::default(),
            recipients: Vec::new(),
            peer: Peer {
                protocol: "webmail".to_owned(),
                user: Some(account.to_owned()),
                ..Peer::default()
            },
            message_id: None,
            subject: None,
            header_from: None,
            authenticity: Authenticity::Unproven,
            expanded: None,
        };
        self.0.world.spool.accept(body, envelope).await
    }

    /// Is the letter on its way out?
    pub(crate) async fn leaving(&self, name: &Name) -> Result<Option<Leaving>, WebError> {
        let (spool, key) = (self.0.world.spool.clone(), name.key());
        let fact = blocking(move || spool.fact(OUTBOX, &key)).await??;
        Ok(fact.and_then(|value| serde_json::from_value(value).ok()))
    }

    /// The letters on their way out, of one account or of all.
    pub(crate) async fn all_leaving(
        &self,
        account: Option<&str>,
    ) -> Result<Vec<(Name, Leaving)>, SpoolError> {
        let spool = self.0.world.spool.clone();
        let prefix = account.map_or_else(String::new, |account| format!("{account}/"));
        let facts = blocking(move || spool.facts(OUTBOX, &prefix)).await??;
        let read = |(key, value): (String, serde_json::Value)| {
            Some((Name::of_key(&key)?, serde_json::from_value(value).ok()?))
        };
        Ok(facts.into_iter().filter_map(read).collect())
    }

    /// Puts a letter on its way (`Some`), or takes it back. The caller holds the account's lock.
    pub(crate) async fn put_leaving(
        &self,
        name: &Name,
        leaving: Option<Leaving>,
    ) -> Result<(), WebError> {
        let value = leaving.map(serde_json::to_value).transpose();
        let value = value.map_err(|_| WebError::Internal)?;
        let spool = &self.0.world.spool;
        Ok(spool.put_fact(OUTBOX, &name.key(), value).await?)
    }
}

/// The content of a file of a letter; `None` when it is gone, or another account's (I12).
pub(crate) fn kept(
    spool: &Spool,
    account: &str,
    id: SpoolId,
) -> Result<Option<std::sync::Arc<dyn BodySource>>, SpoolError> {
    let Some(message) = spool.message(id)? else {
        return Ok(None);
    };
    let peer = &message.envelope.peer;
    let is_own = message.envelope.recipients.is_empty() && peer.user.as_deref() == Some(account);
    if is_own { spool.body(id) } else { Ok(None) }
}

fn load(spool: &Spool, name: &Name) -> Result<Option<Draft>, SpoolError> {
    let Some(fact) = spool.fact(DRAFTS, &name.key())? else {
        return Ok(None);
    };
    let stored: Stored =
        serde_json::from_value(fact).map_err(|error| SpoolError::Damaged(error.to_string()))?;
    let kept_draft = match (stored.draft, stored.kept) {
        (Some(draft), _) => Some(draft),
        (None, Some(id)) => match kept(spool, &name.account, id)? {
            Some(body) => {
                let json = read_all(body.as_ref()).map_err(|error| failed(&error))?;
                serde_json::from_slice(&json).ok()
            }
            None => None,
        },
        (None, None) => None,
    };
    let mut draft = kept_draft.unwrap_or_else(|| Draft {
        // Retention has taken the text; what its title says is left.
        to: stored.title.to,
        subject: stored.title.subject,
        changed: stored.title.changed,
        ..Draft::default()
    });
    let mut files = Vec::with_capacity(draft.files.len());
    for file in draft.files {
        if kept(spool, &name.account, file.id)?.is_some() {
            files.push(file);
        }
    }
    draft.files = files;
    Ok(Some(draft))
}
