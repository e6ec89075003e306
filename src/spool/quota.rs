//! How much mail a mailbox shows: the newest that fits `spool.mailbox_quota`, and whatever is not
//! finished. What is beyond leaves the view only; it is kept, traced and replayed like all mail.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::SpoolError;
use super::handle::Spool;
use super::index::{MessageRow, key};
use crate::limits;
use crate::mail::SpoolId;

/// Rows that are read at once.
const PAGE: usize = 500;

/// What is known of some mailboxes, so that nothing is counted twice.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<HashMap<String, Known>>);

/// Up to its newest message.
#[derive(Debug, Clone, Copy)]
struct Known {
    newest: SpoolId,
    bytes: u64,
    beyond: Option<SpoolId>,
}

impl Spool {
    /// Like [`Spool::mailbox`], without what is beyond the mailbox's quota.
    ///
    /// # Errors
    /// When the index fails.
    pub fn readable(
        &self,
        mailbox: &str,
        before: Option<SpoolId>,
        limit: usize,
    ) -> Result<Vec<(SpoolId, u16)>, SpoolError> {
        let beyond = self.beyond_quota(mailbox)?;
        let mut found = Vec::new();
        let mut before = before;
        loop {
            let page = self.mailbox(mailbox, before, limit)?;
            let is_last = page.len() < limit;
            before = page.last().map(|(id, _)| *id);
            for (id, number) in page {
                if beyond.is_none_or(|beyond| id > beyond) || self.is_unfinished(id, number)? {
                    found.push((id, number));
                }
            }
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// The newest message of a mailbox that is beyond its quota: it and older ones are shown only
    /// while they are not finished.
    ///
    /// # Errors
    /// When the index fails.
    pub fn beyond_quota(&self, mailbox: &str) -> Result<Option<SpoolId>, SpoolError> {
        let quota = self.0.options.mailbox_quota;
        if quota == 0 {
            return Ok(None);
        }
        let Some((newest, _)) = self.mailbox(mailbox, None, 1)?.first().copied() else {
            return Ok(None);
        };
        let known = self.0.quotas.get(mailbox);
        let known = match known {
            Some(known) if known.newest == newest => return Ok(known.beyond),
            Some(known) if known.beyond.is_none() => {
                let (more, _) = self.sum(mailbox, known.newest, quota)?;
                (known.bytes.saturating_add(more) <= quota).then_some(known.bytes + more)
            }
            Some(_) | None => None,
        };
        let (bytes, beyond) = match known {
            Some(bytes) => (bytes, None),
            None => self.sum(mailbox, SpoolId::from_u64(0), quota)?,
        };
        let known = Known {
            newest,
            bytes,
            beyond,
        };
        self.0.quotas.put(mailbox, known);
        Ok(beyond)
    }

    /// Bytes of the messages that are newer than `until`, and the first one that does not fit. The
    /// newest one always fits.
    fn sum(
        &self,
        mailbox: &str,
        until: SpoolId,
        quota: u64,
    ) -> Result<(u64, Option<SpoolId>), SpoolError> {
        let mut bytes = 0_u64;
        let (mut before, mut last) = (None, None);
        loop {
            let page = self.mailbox(mailbox, before, PAGE)?;
            for &(id, _) in &page {
                if id <= until {
                    return Ok((bytes, None));
                }
                // Addressed twice, counted once.
                if last == Some(id) {
                    continue;
                }
                let row = self.index()?.row::<MessageRow>(&key::message(id))?;
                let sum = bytes.saturating_add(row.map_or(0, |row| row.size));
                if sum > quota && last.is_some() {
                    return Ok((bytes, Some(id)));
                }
                bytes = sum;
                last = Some(id);
            }
            if page.len() < PAGE {
                return Ok((bytes, None));
            }
            before = last;
        }
    }

    fn is_unfinished(&self, id: SpoolId, number: u16) -> Result<bool, SpoolError> {
        let state = self.state(id, number)?;
        Ok(state.is_some_and(|state| !state.is_finished()))
    }
}

impl Quotas {
    fn get(&self, mailbox: &str) -> Option<Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(mailbox).copied()
    }

    fn put(&self, mailbox: &str, known: Known) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::QUOTAS_KNOWN {
            all.clear();
        }
        all.insert(mailbox.to_owned(), known);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use crate::mail::SpoolId;
    use crate::spool::tests::{accept, close, delivered, open_in, options};
    use crate::spool::{Options, Spool, World};

    const BOB: &str = "bob@example.org";

    fn ids(spool: &Spool, before: Option<SpoolId>, limit: usize) -> Vec<SpoolId> {
        let rows = spool.readable(BOB, before, limit).unwrap();
        rows.into_iter().map(|(id, _)| id).collect()
    }

    fn with_quota(dir: &TempDir, mailbox_quota: u64) -> Options {
        Options {
            mailbox_quota,
            ..options(dir.path())
        }
    }

    #[tokio::test]
    async fn finished_mail_beyond_the_quota_leaves_the_view_only() {
        let dir = TempDir::new().unwrap();
        let (spool, opened) = open_in(with_quota(&dir, 2500), World::system());
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(accept(&spool, &[BOB], &[b'x'; 1000]).await);
        }
        let [first, second, third] = all[..] else {
            unreachable!()
        };
        assert_eq!(ids(&spool, None, 10), [third, second, first], "it waits");
        spool.record(first, vec![0], delivered()).await.unwrap();
        assert_eq!(ids(&spool, None, 10), [third, second]);
        assert_eq!(spool.mailbox(BOB, None, 10).unwrap().len(), 3, "kept");
        assert!(spool.body(first).unwrap().is_some());

        spool.record(third, vec![0], delivered()).await.unwrap();
        let fourth = accept(&spool, &[BOB], &[b'x'; 1000]).await;
        assert_eq!(ids(&spool, None, 10), [fourth, third, second]);
        assert_eq!(ids(&spool, None, 2), [fourth, third]);
        assert_eq!(ids(&spool, Some(third), 1), [second], "it waits still");
        close(spool, opened).await;

        let (spool, opened) = open_in(with_quota(&dir, 0), World::system());
        assert_eq!(ids(&spool, None, 10).len(), 4, "no limit");
        close(spool, opened).await;
    }

    #[tokio::test]
    async fn the_newest_message_is_shown_whatever_its_size() {
        let dir = TempDir::new().unwrap();
        let (spool, opened) = open_in(with_quota(&dir, 10), World::system());
        let old = accept(&spool, &[BOB, BOB], &[b'x'; 1000]).await;
        spool.record(old, vec![0, 1], delivered()).await.unwrap();
        assert_eq!(ids(&spool, None, 10), [old, old]);
        let new = accept(&spool, &[BOB], &[b'x'; 1000]).await;
        spool.record(new, vec![0], delivered()).await.unwrap();
        assert_eq!(ids(&spool, None, 10), [new]);
        assert_eq!(spool.beyond_quota(BOB).unwrap(), Some(old));
        close(spool, opened).await;
    }
}
