//! Which homes the lanes of the backlog show: written down when all of them were looked at, so that
//! a start with the same homes need not read a million messages again.

use super::Queue;
use crate::spool::SpoolError;

/// The room of the fact, and its key.
const ROOM: &str = "queue";
const KEY: &str = "rerouted";

impl Queue {
    /// Must the backlog be looked at, because homes may have changed since it was? From now on
    /// until [`Self::note_rerouted`] each start does so. The fingerprint of the present homes.
    pub(super) async fn begin_reroute(&self) -> (String, bool) {
        let present = self.0.parts.router.fingerprint();
        let spool = &self.0.parts.spool;
        let known = match spool.fact(ROOM, KEY) {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(%error, "nobody knows which homes the backlog shows");
                return (present, true);
            }
        };
        match known {
            Some(known) if known.as_str() == Some(&present) => (present, false),
            // Before the first of them moves: these homes may be gone again at the next start.
            Some(_) => {
                tell(spool.put_fact(ROOM, KEY, None).await);
                (present, true)
            }
            None => (present, true),
        }
    }

    /// All of the backlog shows these homes, unless they have changed meanwhile.
    pub(super) async fn note_rerouted(&self, homes: String) {
        if self.0.parts.router.fingerprint() == homes {
            let spool = &self.0.parts.spool;
            tell(spool.put_fact(ROOM, KEY, Some(homes.into())).await);
        }
    }
}

fn tell(written: Result<(), SpoolError>) {
    if let Err(error) = written {
        tracing::error!(%error, "the next start looks at the whole backlog again");
    }
}
