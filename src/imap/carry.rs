//! A mailbox that is open for changes.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::change::{Filed, Item};
use super::folders::Folder;
use super::locate::{Flags, Sought, Spot};
use super::session::Session;
use super::{ImapError, ImapHomes};
use crate::base::Boxed;
use crate::limits;
use crate::mail::{BackendId, FolderKind};
use crate::smtp::Mailbox;

/// Opens mailboxes for changes.
pub trait Carriers: Send + Sync + fmt::Debug {
    /// How many mailboxes of a backend may be open at one time; 0: none can be opened.
    fn open_at_a_time(&self, backend: &BackendId) -> usize;

    /// Logs in for a mailbox, which is its address at the backend.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open<'a>(
        &'a self,
        backend: &'a BackendId,
        mailbox: &'a Mailbox,
    ) -> Boxed<'a, Result<Box<dyn OpenMailbox>, ImapError>>;
}

/// One mailbox, one connection. After any error but [`ImapError::Refused`] it is of no use.
pub trait OpenMailbox: Send {
    /// All places of each of these messages, the inbox first, junk and trash last.
    ///
    /// # Errors
    /// When it cannot be told of all of them.
    fn locate<'a>(
        &'a mut self,
        sought: &'a [Sought],
    ) -> Boxed<'a, Result<Vec<Vec<Spot>>, ImapError>>;

    /// Puts a message into the folder for this, which is made when there is none; the folder's
    /// name, for people.
    ///
    /// # Errors
    /// When it is not there then, or nobody knows: look for it before the next try.
    fn append<'a>(
        &'a mut self,
        kind: FolderKind,
        item: Item<'a>,
    ) -> Boxed<'a, Result<String, ImapError>>;

    /// Sets the first flags, takes the second ones away.
    ///
    /// # Errors
    /// When that is refused, or nobody knows.
    fn flag<'a>(
        &'a mut self,
        spot: &'a Spot,
        flags: (Flags, Flags),
    ) -> Boxed<'a, Result<Filed, ImapError>>;

    /// Moves a message into the folder for this, which is made when there is none.
    ///
    /// # Errors
    /// When that is refused, or nobody knows.
    fn file<'a>(
        &'a mut self,
        spot: &'a Spot,
        kind: FolderKind,
    ) -> Boxed<'a, Result<Filed, ImapError>>;

    /// The same for a message of which a copy is there already: what is left of a move that was
    /// cut off between its two halves. It gets no second copy.
    ///
    /// # Errors
    /// When that is refused, or nobody knows.
    fn take_out<'a>(
        &'a mut self,
        spot: &'a Spot,
        kind: FolderKind,
    ) -> Boxed<'a, Result<Filed, ImapError>>;

    /// Notes one change more, if there may be one now; else how long to wait before it is asked
    /// again.
    fn change(&mut self) -> Option<Duration>;

    /// Says good-bye.
    fn close(self: Box<Self>) -> Boxed<'static, ()>;
}

struct Opened {
    homes: ImapHomes,
    who: (BackendId, Mailbox),
    session: Session,
    folders: Vec<Folder>,
    _one_of_them: OwnedSemaphorePermit,
}

impl Carriers for ImapHomes {
    fn open_at_a_time(&self, backend: &BackendId) -> usize {
        super::Mailboxes::at_a_time(self, backend)
    }

    fn open<'a>(
        &'a self,
        backend: &'a BackendId,
        mailbox: &'a Mailbox,
    ) -> Boxed<'a, Result<Box<dyn OpenMailbox>, ImapError>> {
        Box::pin(async move {
            let (session, permit) = self.session(backend, mailbox).await?;
            let mut opened = Opened {
                homes: self.clone(),
                who: (backend.clone(), mailbox.clone()),
                session,
                folders: Vec::new(),
                _one_of_them: permit,
            };
            opened.folders = in_time(opened.session.folders()).await?;
            Ok(Box::new(opened) as Box<dyn OpenMailbox>)
        })
    }
}

impl Opened {
    async fn folder(&mut self, kind: FolderKind) -> Result<Folder, ImapError> {
        if let Some(folder) = self.session.folder_for(&self.folders, kind) {
            return Ok(folder.clone());
        }
        let folder = self.session.make_folder(kind).await?;
        self.folders.push(folder.clone());
        Ok(folder)
    }
}

impl OpenMailbox for Opened {
    fn locate<'a>(
        &'a mut self,
        sought: &'a [Sought],
    ) -> Boxed<'a, Result<Vec<Vec<Spot>>, ImapError>> {
        let Self {
            session, folders, ..
        } = self;
        Box::pin(in_time(session.locate((folders, sought))))
    }

    fn append<'a>(
        &'a mut self,
        kind: FolderKind,
        item: Item<'a>,
    ) -> Boxed<'a, Result<String, ImapError>> {
        Box::pin(in_time(async move {
            let folder = self.folder(kind).await?;
            self.session.append(&folder.name, item).await?;
            Ok(folder.title)
        }))
    }

    fn flag<'a>(
        &'a mut self,
        spot: &'a Spot,
        flags: (Flags, Flags),
    ) -> Boxed<'a, Result<Filed, ImapError>> {
        Box::pin(in_time(self.session.set_flags(spot, flags)))
    }

    fn file<'a>(
        &'a mut self,
        spot: &'a Spot,
        kind: FolderKind,
    ) -> Boxed<'a, Result<Filed, ImapError>> {
        Box::pin(in_time(async move {
            let is_all = |one: &Folder| one.kind == FolderKind::All && one.name == spot.folder;
            if self.session.has_labels(&self.folders) && self.folders.iter().any(is_all) {
                let labelled = self.session.label(spot, kind).await?;
                if let Some(filed) = labelled {
                    return Ok(filed);
                }
            }
            let folder = self.folder(kind).await?;
            if folder.name == spot.folder {
                return Ok(Filed::Moved);
            }
            self.session.file(spot, &folder.name).await
        }))
    }

    fn take_out<'a>(
        &'a mut self,
        spot: &'a Spot,
        kind: FolderKind,
    ) -> Boxed<'a, Result<Filed, ImapError>> {
        // A server with MOVE leaves no halves: these are two messages, and both are kept.
        if self.session.can("MOVE") {
            return self.file(spot, kind);
        }
        Box::pin(in_time(self.session.take_out_copy(spot)))
    }

    fn change(&mut self) -> Option<Duration> {
        let (backend, mailbox) = &self.who;
        self.homes.change((backend, mailbox))
    }

    fn close(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move { self.session.close().await })
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, ImapError>> + Send,
) -> Result<T, ImapError> {
    let done = tokio::time::timeout(limits::IMAP_MAILBOX, work).await;
    done.unwrap_or(Err(ImapError::TooLong))
}
