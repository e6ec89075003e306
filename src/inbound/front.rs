//! What stands in front of the body of a message that came whole. Who wants to know it asks here,
//! so that it is read from the spool once, however many look at it.

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::connection::NOT_STORED;
use crate::mail::header_end;
use crate::smtp::Reply;
use crate::spool::{Draft, SpoolError};

/// Our own fields in front of a header.
const OURS: usize = 4 * 1024;

/// A header that was read, or was not yet.
#[derive(Debug, Default)]
pub(super) struct Front(OnceCell<Vec<u8>>);

/// A message that came whole, with a header of so many bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<'m> {
    pub(super) draft: &'m Draft,
    pub(super) size: usize,
    pub(super) front: &'m Front,
}

impl<'m> Whole<'m> {
    /// Its header, with the fields that we have put in front of it.
    ///
    /// # Errors
    /// What the client is told when the spool cannot be read.
    pub(super) async fn header(&self) -> Result<&'m [u8], Reply> {
        let read = || async {
            let mut header = self.piece(0, self.size.saturating_add(OURS)).await?;
            header.truncate(header_end(&header));
            Ok::<_, SpoolError>(header)
        };
        let header = self.front.0.get_or_try_init(read).await;
        header.map(Vec::as_slice).map_err(|error| unread(&error))
    }

    /// The first bytes of its body, at most so many.
    ///
    /// # Errors
    /// As of [`Self::header`].
    pub(super) async fn body(&self, most: usize) -> Result<Vec<u8>, Reply> {
        let at = self.header().await?.len() as u64;
        let read = self.piece(at, most).await;
        read.map_err(|error| unread(&error))
    }

    /// Up to `most` bytes from `at` on.
    async fn piece(&self, at: u64, most: usize) -> Result<Vec<u8>, SpoolError> {
        let mut read = Vec::new();
        while read.len() < most {
            let from = at + read.len() as u64;
            if from >= self.draft.len() {
                break;
            }
            let piece: Bytes = self.draft.read_at(from, most - read.len()).await?;
            if piece.is_empty() {
                break;
            }
            read.extend_from_slice(&piece);
        }
        Ok(read)
    }
}

fn unread(error: &SpoolError) -> Reply {
    tracing::error!(%error, "a message could not be read");
    NOT_STORED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    #[tokio::test]
    async fn a_header_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let options = crate::spool::Options::new(folder.path());
        let world = crate::spool::World::system();
        let spool = Spool::open(options, world).unwrap().spool;
        let mut draft = spool.draft();
        let header = b"Subject: a\r\nFrom: ann@example.org\r\n\r\n";
        draft.append(header).await.unwrap();
        draft.append(b"The body\r\n").await.unwrap();
        let front = Front::default();
        let whole = |draft| Whole {
            draft,
            size: header.len(),
            front: &front,
        };
        assert_eq!(whole(&draft).header().await.unwrap(), header);
        assert_eq!(whole(&draft).body(3).await.unwrap(), b"The");
        // Where nothing is, nothing could be read a second time.
        let empty = spool.draft();
        assert_eq!(whole(&empty).header().await.unwrap(), header);
    }
}
