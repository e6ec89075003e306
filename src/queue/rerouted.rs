//! Which homes the lanes of the backlog show: written down when all of them were looked at, so that
//! a start with the same homes need not read a million messages again.

use std::time::Duration;

use super::Queue;
use super::mended::ACTOR;
use crate::mail::{RecipientEvent, RecipientState};
use crate::spool::SpoolError;

/// Mail whose recipients were given lanes before homes changed has come in by then: from RCPT to
/// the end of a message it hardly takes longer.
const LAST_OF_BEFORE: Duration = Duration::from_secs(3600);

/// Why the backlog is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Nobody was given a lane by other homes than today's since this process began.
    Start,
    /// Homes may have changed. Mail that is on its way in may still come with its old lane.
    Change,
}

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

    /// Looks at the whole backlog, if homes may have changed since that was done.
    pub(super) async fn reroute(&self, occasion: Occasion) {
        if self.0.parts.spool.rebuilding().is_some() {
            // Nothing of the backlog is known yet. The queue starts when it is, and looks then.
            return;
        }
        // Their routes were decided before the change.
        self.return_jobs(|_| true);
        let (homes, changed) = self.begin_reroute().await;
        let looked = changed && self.reroute_all().await;
        self.look_from_the_beginning();
        if looked && self.nobody_follows(occasion).await {
            self.note_rerouted(homes).await;
        }
    }

    /// Has everybody his present lane who was given an old one before the change?
    async fn nobody_follows(&self, occasion: Occasion) -> bool {
        match occasion {
            Occasion::Start => true,
            Occasion::Change => {
                tokio::select! {
                    biased;
                    () = self.0.parts.shutdown.stopping() => return false,
                    () = tokio::time::sleep(LAST_OF_BEFORE) => {}
                }
                self.reroute_all().await
            }
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

impl Queue {
    /// What the old next hop said is nothing to wait for at the new one: whoever was put off there
    /// is due. Who waits for his turn waits on.
    pub(super) fn due_elsewhere(&self, before: &RecipientState) -> Option<RecipientEvent> {
        let now = self.0.parts.clock.now();
        let RecipientState::Queued {
            due,
            last: Some(_),
            paced: false,
            ..
        } = before
        else {
            return None;
        };
        (*due > now).then(|| RecipientEvent::Released {
            actor: ACTOR.to_owned(),
            due: now,
            reason: "it goes another way now".to_owned(),
            past_holds: false,
        })
    }
}

fn tell(written: Result<(), SpoolError>) {
    if let Err(error) = written {
        tracing::error!(%error, "the next start looks at the whole backlog again");
    }
}
