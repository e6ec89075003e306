//! A user's own mail: the only way from a page to the spool, and the place that keeps one user
//! from another's mail (I12).

use std::sync::{Arc, PoisonError};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::guard::User;
use crate::limits;
use crate::mail::{
    Authenticity, BodySource, Envelope, ParsedMessage, SpoolId, seems_to_have_attachments,
};
use crate::spool::{Spool, SpoolError, StoredMessage};

/// The beginning of a message that tells whether it has attachments.
const BEGINNING: usize = 64 * 1024;
/// Marks that are remembered. Beyond: all are forgotten and found again.
const MARKS: usize = 50_000;
/// Pieces in which a body is read.
const PIECE: usize = 1024 * 1024;
/// Facts about what has been read: `MAILBOX/ID`.
const READ: &str = "read";

/// A message that the user may see.
#[derive(Debug, Clone)]
pub(crate) struct OwnMessage {
    pub message: StoredMessage,
    /// His numbers among the recipients; empty when he only sent it.
    pub received_as: Vec<u16>,
    /// He sent it.
    pub is_sent: bool,
}

/// One line of a list.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub own: OwnMessage,
    pub has_attachments: bool,
    pub is_unread: bool,
}

/// A message with what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub own: OwnMessage,
    pub content: Content,
}

/// What is in a message.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Parsed(Box<ParsedMessage>),
    /// Larger than [`limits::WEB_MESSAGE`].
    TooLarge,
    /// The parser can make nothing of it.
    Unreadable,
}

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folder {
    Inbox,
    Sent,
}

impl Webmail {
    /// Up to `limit` messages of a list, newest first, older than `before`; and where the next
    /// page goes on, if there are older ones.
    pub(crate) async fn list(
        &self,
        user: &User,
        folder: Folder,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Result<(Vec<Line>, Option<SpoolId>), WebError> {
        let (webmail, user) = (self.clone(), user.clone());
        let lines = blocking(move || {
            let spool = &webmail.0.world.spool;
            let mut ids: Vec<SpoolId> = match folder {
                Folder::Inbox => {
                    let rows = spool.mailbox(&user.mailbox, before, limit + 1)?;
                    rows.into_iter().map(|(id, _)| id).collect()
                }
                Folder::Sent => spool.sent(&user.address().key(), before, limit + 1)?,
            };
            let has_older = ids.len() > limit;
            ids.truncate(limit);
            let older = ids.last().copied().filter(|_| has_older);
            // Addressed twice, listed once.
            ids.dedup();
            let mut lines = Vec::with_capacity(ids.len());
            for id in ids {
                if let Some(line) = webmail.line(&user, id)? {
                    lines.push(line);
                }
            }
            Ok::<_, SpoolError>((lines, older))
        });
        Ok(lines.await??)
    }

    fn line(&self, user: &User, id: SpoolId) -> Result<Option<Line>, SpoolError> {
        let spool = &self.0.world.spool;
        let Some(own) = find_own(spool, user, id)? else {
            return Ok(None);
        };
        let read = spool.fact(READ, &read_key(user, id))?;
        Ok(Some(Line {
            is_unread: read.is_none() && !own.received_as.is_empty(),
            has_attachments: self.mark(id)?,
            own,
        }))
    }

    /// A message of the user's. [`WebError::NotFound`] for anybody else's.
    pub(crate) async fn own(&self, user: &User, id: SpoolId) -> Result<OwnMessage, WebError> {
        let (spool, user) = (self.0.world.spool.clone(), user.clone());
        let own = blocking(move || find_own(&spool, &user, id)).await??;
        own.ok_or(WebError::NotFound)
    }

    /// A message of the user's, parsed.
    pub(crate) async fn open(&self, user: &User, id: SpoolId) -> Result<Opened, WebError> {
        let own = self.own(user, id).await?;
        if own.message.size > limits::WEB_MESSAGE {
            return Ok(Opened {
                own,
                content: Content::TooLarge,
            });
        }
        let parsing = Arc::clone(&self.0.parsing).acquire_owned().await;
        let parsing = parsing.map_err(|_| WebError::Busy)?;
        let spool = self.0.world.spool.clone();
        let parsed = blocking(move || {
            let _parsing = parsing;
            let body = spool.body(id)?;
            let raw = body.map(|body| read_all(body.as_ref())).transpose();
            Ok::<_, SpoolError>(
                raw.map_err(|error| failed(&error))?
                    .map(|raw| ParsedMessage::parse(&raw)),
            )
        });
        let parsed = parsed.await??.ok_or(WebError::NotFound)?;
        let content = parsed.map_or(Content::Unreadable, |parsed| {
            Content::Parsed(Box::new(parsed))
        });
        Ok(Opened { own, content })
    }

    /// The bytes of a message of the user's.
    pub(crate) async fn body(
        &self,
        user: &User,
        id: SpoolId,
    ) -> Result<Arc<dyn BodySource>, WebError> {
        self.own(user, id).await?;
        let spool = self.0.world.spool.clone();
        let body = blocking(move || spool.body(id)).await??;
        body.ok_or(WebError::NotFound)
    }

    /// Notes that the user has seen a message. That it could not be noted spoils no reading.
    pub(crate) async fn note_read(&self, user: &User, own: &OwnMessage) {
        if own.received_as.is_empty() {
            return;
        }
        let spool = self.0.world.spool.clone();
        let key = read_key(user, own.message.id);
        let owned = key.clone();
        let known = blocking(move || spool.fact(READ, &owned)).await;
        if matches!(known, Ok(Ok(None))) {
            let now = self.0.world.clock.now().to_string();
            let noted = self.0.world.spool.put_fact(READ, &key, Some(now.into()));
            if let Err(error) = noted.await {
                tracing::warn!(%error, "webmail: a message could not be marked as read");
            }
        }
    }

    fn mark(&self, id: SpoolId) -> Result<bool, SpoolError> {
        let known = {
            let marks = self.0.marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.get(&id).copied()
        };
        if let Some(mark) = known {
            return Ok(mark);
        }
        let body = self.0.world.spool.body(id)?;
        let beginning = body.map(|body| body.read_at(0, BEGINNING)).transpose();
        let beginning = beginning.map_err(|error| failed(&error))?;
        let mark = beginning.is_some_and(|beginning| seems_to_have_attachments(&beginning));
        let mut marks = self.0.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= MARKS {
            marks.clear();
        }
        marks.insert(id, mark);
        Ok(mark)
    }
}

fn find_own(spool: &Spool, user: &User, id: SpoolId) -> Result<Option<OwnMessage>, SpoolError> {
    let Some(message) = spool.message(id)? else {
        return Ok(None);
    };
    let received_as = received_as(&message.envelope, &user.mailbox);
    let is_sent = is_sent(&message.envelope, &user.address().key());
    let own = (!received_as.is_empty() || is_sent).then_some(OwnMessage {
        message,
        received_as,
        is_sent,
    });
    Ok(own)
}

/// The recipients of an envelope that are this mailbox: the same rule as [`Spool::mailbox`].
fn received_as(envelope: &Envelope, mailbox: &str) -> Vec<u16> {
    let is_own = |recipient: &crate::mail::Recipient| match &recipient.mailbox {
        Some(key) => key == mailbox,
        None => recipient.address.key() == mailbox,
    };
    (0_u16..)
        .zip(&envelope.recipients)
        .filter(|(_, recipient)| is_own(recipient))
        .map(|(number, _)| number)
        .collect()
}

/// Sent by this address, and it was really him: the same rule as [`Spool::sent`].
fn is_sent(envelope: &Envelope, address: &str) -> bool {
    envelope.authenticity == Authenticity::Local
        && envelope
            .from
            .mailbox()
            .is_some_and(|from| from.key() == address)
}

fn read_key(user: &User, id: SpoolId) -> String {
    format!("{}/{id}", user.mailbox)
}

fn read_all(body: &dyn BodySource) -> std::io::Result<Vec<u8>> {
    let size = body.len().min(limits::WEB_MESSAGE);
    let mut raw = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    loop {
        let piece = body.read_at(raw.len() as u64, PIECE)?;
        if piece.is_empty() {
            return Ok(raw);
        }
        raw.extend_from_slice(&piece);
    }
}

fn failed(error: &std::io::Error) -> SpoolError {
    SpoolError::Damaged(format!("a body cannot be read: {error}"))
}
