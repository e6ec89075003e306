//! What stands in front of the body of a message that came whole. Who wants to know it asks here,
//! so that it is read from the spool once, however many look at it.

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::connection::NOT_STORED;
use super::load::{CROWDED, Hold, Load};
use crate::mail::header_end;
use crate::smtp::Reply;
use crate::spool::{Draft, SpoolError};

/// Our own fields in front of a header.
const OURS: usize = 4 * 1024;

/// A header that was read, or was not yet.
#[derive(Debug, Default)]
pub(super) struct Front(OnceCell<Kept>);

/// A header in memory. Who has it counts it: it stays while filters are asked.
#[derive(Debug)]
struct Kept {
    header: Vec<u8>,
    _hold: Hold,
}

/// A message that came whole, with a header of so many bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<'m> {
    pub(super) draft: &'m Draft,
    pub(super) size: usize,
    pub(super) front: &'m Front,
    pub(super) load: &'m Load,
}

impl<'m> Whole<'m> {
    /// Its header, with the fields that we have put in front of it.
    ///
    /// # Errors
    /// What the client is told when the spool cannot be read, or when there is no room for it.
    pub(super) async fn header(&self) -> Result<&'m [u8], Reply> {
        let read = || async {
            let most = self.size.saturating_add(OURS);
            let mut hold = self.load.hold(0);
            if !hold.resize(most) {
                return Err(CROWDED);
            }
            let read = self.piece(0, most).await;
            let mut header = read.map_err(|error| unread(&error))?;
            header.truncate(header_end(&header));
            hold.resize(header.capacity());
            Ok::<_, Reply>(Kept {
                header,
                _hold: hold,
            })
        };
        let kept = self.front.0.get_or_try_init(read).await?;
        Ok(kept.header.as_slice())
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
    use crate::base::Clock;
    use crate::inbound::content::Content;
    use crate::inbound::{Bounds, Options, Role, samples};
    use crate::route::Origin;
    use crate::spool::Spool;

    fn spool(folder: &tempfile::TempDir) -> Spool {
        let options = crate::spool::Options::new(folder.path());
        let world = crate::spool::World::system();
        Spool::open(options, world).unwrap().spool
    }

    fn load(spool: &Spool, memory: u64) -> Load {
        let bounds = Bounds {
            memory,
            ..Bounds::default()
        };
        Load::new(spool.clone(), Clock::system(), &bounds)
    }

    #[tokio::test]
    async fn a_header_that_is_kept_counts() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(&folder);
        let header = format!("Subject: {}\r\n\r\n", "a".repeat(50_000));
        let mut draft = spool.draft();
        draft.append(header.as_bytes()).await.unwrap();
        let options = Options {
            max_message_size: 100_000,
            ..samples::options(Role::Mx)
        };
        let mut content = Content::new(&options, Origin::Internet, None);
        content.push_chunk(header.as_bytes());
        let roomy = load(&spool, 1 << 20);
        let read = content.whole(&draft, &roomy).header().await.unwrap();
        assert_eq!(read, header.as_bytes());
        assert!(roomy.held() >= 50_000, "{}", roomy.held());
        content.forget_header();
        assert_eq!(roomy.held(), 0);
        let narrow = load(&spool, 40_000);
        let refused = content.whole(&draft, &narrow).header().await;
        assert_eq!(refused, Err(CROWDED));
        assert_eq!(narrow.held(), 0);
    }

    #[tokio::test]
    async fn a_header_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(&folder);
        let load = load(&spool, 1 << 20);
        let mut draft = spool.draft();
        let header = b"Subject: a\r\nFrom: ann@example.org\r\n\r\n";
        draft.append(header).await.unwrap();
        draft.append(b"The body\r\n").await.unwrap();
        let front = Front::default();
        let whole = |draft| Whole {
            draft,
            size: header.len(),
            front: &front,
            load: &load,
        };
        assert_eq!(whole(&draft).header().await.unwrap(), header);
        assert_eq!(whole(&draft).body(3).await.unwrap(), b"The");
        // Where nothing is, nothing could be read a second time.
        let empty = spool.draft();
        assert_eq!(whole(&empty).header().await.unwrap(), header);
    }
}
