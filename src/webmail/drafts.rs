//! Letters that are being written: facts of the spool, so that a crash takes nothing. What is too
//! large for a fact, and the files, are messages without recipients.

use serde::{Deserialize, Serialize};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use crate::base::Timestamp;
use crate::mail::{Authenticity, DRAFTS, Envelope, OUTBOX, Peer, SpoolId, StoredLetter as Stored};
pub(crate) use crate::mail::{LetterTitle as Title, UnsentFile as File, UnsentLetter as Draft};
use crate::smtp::{MailParameters, ReversePath};
use crate::spool::{Draft as Body, SpoolError};

/// Letters that one user may have unfinished.
pub(crate) const MOST: usize = 200;
/// Bytes of JSON up to which a letter stands in its fact.
const IN_FACT: usize = 40_000;

/// A letter that leaves at a time, unless its writer calls it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leaving {
    pub at: Timestamp,
    /// To how many it goes.
    pub recipients: usize,
}

/// Whose letter, and which one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

    /// Would this be one letter too many that is not sent?
    pub(crate) async fn is_one_too_many(&self, name: &Name) -> Result<bool, WebError> {
        let is_new = self.draft(name).await?.is_none();
        Ok(is_new && self.drafts(&name.account).await?.len() >= MOST)
    }

    /// A letter that its user has not sent.
    pub(crate) async fn draft(&self, name: &Name) -> Result<Option<Draft>, WebError> {
        let (spool, name) = (self.0.world.spool.clone(), name.clone());
        Ok(blocking(move || spool.unsent(&name.account, &name.token)).await??)
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
            if !self.may_store(&name.account, json.len() as u64) {
                return Err(WebError::Enough);
            }
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
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
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
