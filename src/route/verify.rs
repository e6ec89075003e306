//! Asks the home of a domain about somebody whom the directory does not name, before the door
//! has to answer.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::decide::Walk;
use super::refusals::{NO_SUCH_USER, NOT_KNOWN_YET};
use super::{Origin, Router};
use crate::backend::BackendHealth;
use crate::base::{Clock, Timestamp};
use crate::directory::{AskHome, DomainRule, Heard, Lookup, Standing, Unknown, Verified};
use crate::limits;
use crate::smtp::{Mailbox, Reply};

/// Who can ask, and what was heard.
pub struct Verifier {
    /// What homes said.
    pub verified: Verified,
    asker: Arc<dyn AskHome>,
    clock: Clock,
    /// Questions at one time.
    asking: Semaphore,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// One that asks through `asker`.
    #[must_use]
    pub fn new(verified: Verified, asker: Arc<dyn AskHome>, clock: Clock) -> Self {
        Self {
            verified,
            asker,
            clock,
            asking: Semaphore::new(limits::VERIFY_SESSIONS),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Router {
    /// Asks the home about `address`, when nobody else knows and it can be asked; what it says
    /// counts from then on. Comes back soon in any case.
    pub(super) async fn ask_about(&self, address: &Mailbox) {
        let Some(verifier) = self.verifier() else {
            return;
        };
        let directory = self.directory().current();
        let Lookup::Unknown(rule) = directory.lookup(address) else {
            return;
        };
        // Homes are not what they were, or somebody else may know: a "no" would say nothing.
        if directory.is_provisional() || self.holds().book().is_moving(&rule.name) {
            return;
        }
        let key = address.key();
        if rule.unknown != Unknown::Verify
            || address.is_postmaster()
            || !verifier.verified.is_due(&key, verifier.now())
        {
            return;
        }
        let home = self.home_of(&rule);
        let healths = self.board().healths();
        let silent = || verifier.verified.is_silent(&home, verifier.now());
        if !healths.get(&home).is_some_and(BackendHealth::takes_mail) || silent() {
            return;
        }
        let permit = tokio::time::timeout(limits::VERIFY_TIMEOUT, verifier.asking.acquire());
        let Ok(Ok(_permit)) = permit.await else {
            return;
        };
        // Somebody else may have asked while this one waited.
        if silent() || !verifier.verified.is_due(&key, verifier.now()) {
            return;
        }
        let heard = verifier.asker.ask(&home, address).await;
        if let Heard::Absent(reply) = &heard {
            tracing::debug!(%home, %address, reply, "its home knows nobody of this address");
        }
        let noted = verifier.verified.note(&key, &home, (heard, verifier.now()));
        if let Err(error) = noted.await {
            tracing::error!(%error, %address, "it is verified until the next start only");
        }
    }
}

impl Walk<'_> {
    fn knows_too_little(&self, rule: &DomainRule) -> bool {
        self.view.directory.is_provisional() || self.view.holds.is_moving(&rule.name)
    }

    /// `None`: mail for `address`, which the directory does not name, is taken; else why not.
    pub(super) fn verified(&mut self, rule: &DomainRule, address: &Mailbox) -> Option<Reply> {
        if self.view.mail.is_some() || self.view.accepted.is_some() {
            self.say(|| "it was taken, its home has the last word".to_owned());
            return None;
        }
        let standing = self
            .view
            .words
            .map(|(verified, now)| verified.standing(&address.key(), now));
        match standing {
            Some(Standing::Exists(word)) => {
                self.say(|| format!("{word}"));
                None
            }
            // It may be in the directory of the log, or in the mailboxes that are on their way.
            Some(Standing::Absent { .. }) if self.knows_too_little(rule) => {
                self.say(|| "whether it exists cannot be said now".to_owned());
                Some(NOT_KNOWN_YET)
            }
            Some(Standing::Absent { by, at, reply }) => {
                self.say(|| {
                    format!("{by} said at {at} that nobody of this address exists: {reply}")
                });
                Some(NO_SUCH_USER)
            }
            // One of us gets a report if nobody is there; a stranger's report could go to anybody.
            Some(Standing::Unknown) | None if self.view.origin == Origin::Trusted => {
                self.say(|| {
                    format!(
                        "the home of {} has not said whether it exists: mail from the Internet \
                         waits outside for its answer",
                        rule.name
                    )
                });
                None
            }
            Some(Standing::Unknown) | None => {
                self.say(|| format!("the home of {} cannot be asked about it", rule.name));
                Some(NOT_KNOWN_YET)
            }
        }
    }
}
