//! What a user did with his messages here: read, flagged, filed, deleted. It changes what the
//! webmail shows and never the mail; it is durable, so that it can be carried into the mailbox.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::accounts::blocking;
use crate::base::Timestamp;
use crate::mail::{MARKS, SpoolId};
pub(crate) use crate::mail::{Mark, MarkPlace as Place};
use crate::spool::{Spool, SpoolError};

/// Mailboxes whose marks are in memory. Beyond: all are dropped and read again.
const MAILBOXES: usize = 2_000;
/// Locks for changes, each for a share of the mailboxes.
const LOCKS: usize = 64;
/// Marks of messages that are gone, cleared away each time a mailbox is read.
const STALE: usize = 100;

/// What a user does with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Read,
    Unread,
    Flag,
    Unflag,
    Move(Option<Place>),
}

/// The mark after a change; `None` when nothing changes.
fn changed_by(old: &Mark, change: &Change, now: Timestamp) -> Option<Mark> {
    let mut mark = old.clone();
    match change {
        Change::Read => mark.read = mark.read.or(Some(now)),
        Change::Unread => mark.read = None,
        Change::Flag => mark.flagged = mark.flagged.or(Some(now)),
        Change::Unflag => mark.flagged = None,
        Change::Move(place) => mark.place = *place,
    }
    if mark == *old {
        return None;
    }
    mark.changed = now;
    Some(mark)
}

/// The marks of one mailbox.
pub(crate) type MailboxMarks = Arc<RwLock<BTreeMap<SpoolId, Mark>>>;

/// The marks of all; those of who is here are kept in memory.
#[derive(Debug)]
pub(crate) struct Marks {
    spool: Spool,
    mailboxes: Mutex<HashMap<String, MailboxMarks>>,
    changing: Vec<tokio::sync::Mutex<()>>,
}

impl Marks {
    pub(crate) fn new(spool: Spool) -> Self {
        Self {
            spool,
            mailboxes: Mutex::default(),
            changing: (0..LOCKS).map(|_| tokio::sync::Mutex::default()).collect(),
        }
    }

    /// The marks of a mailbox. Reads the index: call it where one may block.
    pub(crate) fn of(&self, mailbox: &str) -> Result<MailboxMarks, SpoolError> {
        // Read with the lock held: a change that is durable meanwhile is either read, or put in
        // afterwards by who made it.
        let mut mailboxes = self.mailboxes();
        if let Some(marks) = mailboxes.get(mailbox) {
            return Ok(Arc::clone(marks));
        }
        if mailboxes.len() >= MAILBOXES {
            mailboxes.clear();
        }
        let prefix = format!("{mailbox}/");
        let facts = self.spool.facts(MARKS, &prefix)?;
        let read = |(key, value): (String, serde_json::Value)| {
            let id = key.strip_prefix(&prefix)?.parse().ok()?;
            Some((id, serde_json::from_value(value).ok()?))
        };
        let marks: BTreeMap<_, _> = facts.into_iter().filter_map(read).collect();
        let marks = Arc::new(RwLock::new(marks));
        mailboxes.insert(mailbox.to_owned(), Arc::clone(&marks));
        Ok(marks)
    }

    /// Changes the marks of messages of one mailbox, durably. The caller has checked that they
    /// are the user's.
    pub(crate) async fn change(
        self: &Arc<Self>,
        mailbox: &str,
        (ids, change): (&[SpoolId], &Change),
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let _changing = match self.lock_of(mailbox) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        let (own, key) = (Arc::clone(self), mailbox.to_owned());
        let marks = blocking(move || own.of(&key)).await??;
        let changed: Vec<(SpoolId, Mark)> = {
            let marks = marks.read().unwrap_or_else(PoisonError::into_inner);
            ids.iter()
                .filter_map(|id| {
                    let old = marks.get(id).cloned().unwrap_or_default();
                    Some((*id, changed_by(&old, change, now)?))
                })
                .collect()
        };
        let written = changed.iter().map(|(id, mark)| async move {
            let value = serde_json::to_value(mark)
                .map_err(|error| SpoolError::Damaged(error.to_string()))?;
            let key = format!("{mailbox}/{id}");
            self.spool.put_fact(MARKS, &key, Some(value)).await
        });
        // Together: one sync of the disk serves them all.
        let written = futures_util::future::join_all(written).await;
        let present = self.mailboxes().get(mailbox).cloned();
        let mut failed = None;
        for ((id, mark), written) in changed.into_iter().zip(written) {
            match (written, &present) {
                (Ok(()), Some(present)) => {
                    let mut present = present.write().unwrap_or_else(PoisonError::into_inner);
                    present.insert(id, mark);
                }
                (Ok(()), None) => {}
                (Err(error), _) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Clears away marks of messages that retention has taken, oldest first.
    pub(crate) async fn clear_stale(self: &Arc<Self>, mailbox: &str) -> Result<(), SpoolError> {
        let (own, key) = (Arc::clone(self), mailbox.to_owned());
        let stale = blocking(move || {
            let marks = own.of(&key)?;
            let oldest: Vec<SpoolId> = {
                let marks = marks.read().unwrap_or_else(PoisonError::into_inner);
                marks.keys().take(STALE).copied().collect()
            };
            let mut stale = Vec::new();
            for id in oldest {
                match own.spool.message(id) {
                    Ok(None) => stale.push(id),
                    Ok(Some(_)) => break,
                    // It is there, whatever is left of it.
                    Err(error) if error.is_damage() => break,
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, SpoolError>(stale)
        });
        for id in stale.await?? {
            let key = format!("{mailbox}/{id}");
            self.spool.put_fact(MARKS, &key, None).await?;
            if let Some(marks) = self.mailboxes().get(mailbox) {
                let mut marks = marks.write().unwrap_or_else(PoisonError::into_inner);
                marks.remove(&id);
            }
        }
        Ok(())
    }

    fn mailboxes(&self) -> std::sync::MutexGuard<'_, HashMap<String, MailboxMarks>> {
        self.mailboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_of(&self, mailbox: &str) -> Option<&tokio::sync::Mutex<()>> {
        let mut hasher = DefaultHasher::new();
        mailbox.hash(&mut hasher);
        let number = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        self.changing.get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_changes_nothing_is_none() {
        let (one, two) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let read = changed_by(&Mark::default(), &Change::Read, one).unwrap();
        assert_eq!((read.read, read.changed), (Some(one), one));
        assert_eq!(changed_by(&read, &Change::Read, two), None);
        let moved = changed_by(&read, &Change::Move(Some(Place::Archive)), two);
        let moved = moved.unwrap();
        assert_eq!((moved.read, moved.place), (Some(one), Some(Place::Archive)));
        let json = serde_json::to_string(&moved).unwrap();
        assert_eq!(serde_json::from_str::<Mark>(&json).unwrap(), moved);
    }
}
