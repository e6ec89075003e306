//! A user's own mail: the only way from a page to the spool, and the place that keeps one user
//! from another's mail (I12).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::filed::received;
use super::guard::User;
use super::marks::{Change, Mark, Place};
use super::sent::is_sent;
use super::texts::Texts;
use crate::limits;
use crate::mail::{BodySource, ParsedMessage, SpoolId};
use crate::spool::{Spool, SpoolError, StoredMessage};

/// Pieces in which a body is read.
const PIECE: usize = 1024 * 1024;
/// Rows that are read at once.
const CHUNK: usize = 256;
/// Rows that are looked through at most.
pub(crate) const MOST: usize = 200_000;
/// Messages among which the unread ones are counted.
pub(crate) const COUNTED: usize = 1_000;

/// A message that the user may see.
#[derive(Debug, Clone)]
pub(crate) struct OwnMessage {
    pub message: StoredMessage,
    /// His numbers among the recipients; empty when he only sent it.
    pub received_as: Vec<u16>,
    /// The key of the mailbox to which it came; today's when he only sent it.
    pub mailbox: String,
    /// He sent it.
    pub is_sent: bool,
}

/// One line of a list.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub own: OwnMessage,
    pub has_attachments: bool,
    pub mark: Mark,
}

impl Line {
    /// Came in and was not looked at.
    pub(crate) fn is_unread(&self) -> bool {
        self.mark.read.is_none() && !self.own.received_as.is_empty()
    }
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
    Drafts,
    Archive,
    Deleted,
}

impl Folder {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 5] = [
        Self::Inbox,
        Self::Sent,
        Self::Drafts,
        Self::Archive,
        Self::Deleted,
    ];

    /// Where its list is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Inbox => "/",
            Self::Sent => "/sent",
            Self::Drafts => "/drafts",
            Self::Archive => "/archive",
            Self::Deleted => "/deleted",
        }
    }

    /// The keys that lead there.
    pub(crate) const fn keys(self) -> &'static str {
        match self {
            Self::Inbox => "g i",
            Self::Sent => "g s",
            Self::Drafts => "g d",
            Self::Archive => "g a",
            Self::Deleted => "g t",
        }
    }

    /// Its name.
    pub(crate) const fn name(self, texts: &Texts) -> &'static str {
        match self {
            Self::Inbox => texts.inbox,
            Self::Sent => texts.sent,
            Self::Drafts => texts.drafts,
            Self::Archive => texts.archive,
            Self::Deleted => texts.deleted,
        }
    }

    /// Where a message of the user's is.
    pub(crate) fn of(own: &OwnMessage, mark: &Mark) -> Option<Self> {
        match mark.place {
            Some(Place::Gone) => None,
            Some(Place::Archive) => Some(Self::Archive),
            Some(Place::Deleted) => Some(Self::Deleted),
            None if own.received_as.is_empty() => Some(Self::Sent),
            None => Some(Self::Inbox),
        }
    }
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
            let mut ids = webmail.ids(&user, folder, (before, limit + 1))?;
            let has_older = ids.len() > limit;
            ids.truncate(limit);
            let older = ids.last().copied().filter(|_| has_older);
            let lines = webmail.lines(&user, &ids)?;
            Ok::<_, SpoolError>((lines, older))
        });
        Ok(lines.await??)
    }

    /// The lines of these messages, as far as they are the user's. Blocks.
    pub(crate) fn lines(&self, user: &User, ids: &[SpoolId]) -> Result<Vec<Line>, SpoolError> {
        let spool = &self.0.world.spool;
        let filed = self.filed(user)?;
        let mut lines = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(own) = find_own(spool, user, *id)? {
                lines.push(Line {
                    has_attachments: self.has_attachments(*id)?,
                    mark: filed.mark(*id),
                    own,
                });
            }
        }
        Ok(lines)
    }

    /// Ids of a folder, newest first. Blocks.
    pub(crate) fn ids(
        &self,
        user: &User,
        folder: Folder,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Result<Vec<SpoolId>, SpoolError> {
        let filed = self.filed(user)?;
        match folder {
            Folder::Archive => return Ok(filed.placed(Place::Archive, (before, limit))),
            Folder::Deleted => return Ok(filed.placed(Place::Deleted, (before, limit))),
            // Drafts are no messages yet.
            Folder::Drafts => return Ok(Vec::new()),
            Folder::Inbox | Folder::Sent => {}
        }
        let mut found: Vec<SpoolId> = Vec::new();
        let mut before = before;
        loop {
            let (mut page, next) = if folder == Folder::Inbox {
                self.received_page(user, (before, CHUNK))?
            } else {
                self.sent_page(user, before, CHUNK)?
            };
            let is_last = next.is_none();
            before = next;
            // Addressed twice, listed once.
            page.dedup();
            page.retain(|id| filed.mark(*id).place.is_none());
            found.extend(page);
            found.dedup();
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// Has the user older mail that is not shown, because of the mailbox's quota?
    pub(crate) async fn is_cut(&self, user: &User) -> Result<bool, WebError> {
        let (webmail, user) = (self.clone(), user.clone());
        Ok(blocking(move || webmail.is_beyond(&user)).await??)
    }

    /// How many messages of the inbox are unread, among the newest [`COUNTED`].
    pub(crate) async fn unread(&self, user: &User) -> Result<usize, WebError> {
        let (webmail, user) = (self.clone(), user.clone());
        let count = blocking(move || {
            let ids = webmail.ids(&user, Folder::Inbox, (None, COUNTED))?;
            let filed = webmail.filed(&user)?;
            let is_read = |id: &SpoolId| filed.mark(*id).read.is_some();
            Ok::<_, SpoolError>(ids.iter().filter(|id| !is_read(id)).count())
        });
        Ok(count.await??)
    }

    /// Changes the marks of those of the messages that are the user's: how many these are.
    pub(crate) async fn change(
        &self,
        user: &User,
        ids: Vec<SpoolId>,
        change: &Change,
    ) -> Result<usize, WebError> {
        if !user.may_write() {
            return Err(WebError::ReadOnly);
        }
        let (webmail, owner) = (self.clone(), user.clone());
        let under = blocking(move || webmail.under(&owner, &ids)).await??;
        let now = self.0.world.clock.now();
        let mut changed = 0;
        for (mailbox, ids) in under {
            changed += ids.len();
            let marks = &self.0.marks;
            marks.change(&mailbox, (&ids, change), now).await?;
        }
        Ok(changed)
    }

    /// The mark of a message.
    pub(crate) async fn mark(&self, user: &User, id: SpoolId) -> Result<Mark, WebError> {
        let (webmail, user) = (self.clone(), user.clone());
        let filed = blocking(move || webmail.filed(&user)).await??;
        Ok(filed.mark(id))
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
            // A damaged message is shown as one, and nothing of what is left.
            let content = match read_whole(&spool, id) {
                Err(error) if error.is_damage() => Some(None),
                other => other?.map(|raw| ParsedMessage::parse(&raw)),
            };
            Ok::<_, SpoolError>(content)
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
        if !user.may_write() {
            return;
        }
        if let Err(error) = self.put_read(user, own).await {
            tracing::warn!(%error, "webmail: a message could not be marked as read");
        }
    }

    async fn put_read(&self, user: &User, own: &OwnMessage) -> Result<(), SpoolError> {
        let (webmail, user) = (self.clone(), user.clone());
        let filed = blocking(move || webmail.filed(&user)).await??;
        let (id, now) = (own.message.id, self.0.world.clock.now());
        let mailbox = filed.key_of(id).unwrap_or(&own.mailbox);
        let marks = &self.0.marks;
        marks.change(mailbox, (&[id], &Change::Read), now).await
    }

    /// The messages among these that are the user's, by the key under which their marks stand:
    /// where one is already, or else where the message came. Blocks.
    fn under(
        &self,
        user: &User,
        ids: &[SpoolId],
    ) -> Result<BTreeMap<String, Vec<SpoolId>>, SpoolError> {
        let (spool, filed) = (&self.0.world.spool, self.filed(user)?);
        let mut under: BTreeMap<String, Vec<SpoolId>> = BTreeMap::new();
        for id in ids {
            if let Some(own) = find_own(spool, user, *id)? {
                let mailbox = filed.key_of(*id).unwrap_or(&own.mailbox).to_owned();
                under.entry(mailbox).or_default().push(*id);
            }
        }
        Ok(under)
    }
}

fn find_own(spool: &Spool, user: &User, id: SpoolId) -> Result<Option<OwnMessage>, SpoolError> {
    let Some(message) = spool.message_if_whole(id)? else {
        return Ok(None);
    };
    let received = received(spool, user, &message)?;
    let (mailbox, received_as) = received.unwrap_or_else(|| (user.mailbox.clone(), Vec::new()));
    let is_sent = id.timestamp() >= user.began
        && is_sent(&message.envelope, &user.account(), &user.addresses);
    let own = (!received_as.is_empty() || is_sent).then_some(OwnMessage {
        message,
        received_as,
        mailbox,
        is_sent,
    });
    Ok(own)
}

/// All of a list, page by page, newest first.
pub(crate) fn all_pages(
    (before, oldest): (Option<SpoolId>, Option<SpoolId>),
    most: usize,
    mut page: impl FnMut(Option<SpoolId>) -> Result<Page, SpoolError>,
) -> Result<Vec<SpoolId>, SpoolError> {
    let (mut ids, mut before) = (Vec::new(), before);
    loop {
        let (found, next) = page(before)?;
        ids.extend(found.into_iter().filter(|id| Some(*id) >= oldest));
        if next.is_none() || next < oldest || ids.len() >= most {
            return Ok(ids);
        }
        before = next;
    }
}

/// Some ids, newest first, and where the next ones begin; `None`: there are no more.
pub(crate) type Page = (Vec<SpoolId>, Option<SpoolId>);

pub(crate) fn read_all(body: &dyn BodySource) -> std::io::Result<Vec<u8>> {
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

pub(crate) fn read_whole(spool: &Spool, id: SpoolId) -> Result<Option<Vec<u8>>, SpoolError> {
    let body = spool.body(id)?;
    let raw = body.map(|body| read_all(body.as_ref())).transpose();
    raw.map_err(|error| failed(&error))
}

pub(crate) fn failed(error: &std::io::Error) -> SpoolError {
    SpoolError::Damaged(format!("a body cannot be read: {error}"))
}
