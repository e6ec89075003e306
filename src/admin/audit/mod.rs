//! The audit log: who has asked for what, from where, why, and what came of it.
//!
//! An entry is a fact of the spool, written before anything is done (`asked`) and again with the
//! outcome. So a crash between the two leaves an entry that says so. What goes page by page is one
//! entry (`paged`). Keys sort the newest first,
//! and are read page by page: the log may be long, memory stays small.

mod arguments;
mod entry;
mod paged;
#[cfg(test)]
mod paged_tests;
mod read;
#[cfg(test)]
mod tests;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;

use super::{AdminError, Caller};
use crate::base::{Clock, Sampler, Shutdown, Timestamp};
use crate::limits;
use crate::spool::{Spool, SpoolError};

pub use arguments::Arguments;
pub use entry::{AuditEntry, AuditOutcome};
use paged::Deeds;
pub(super) use paged::{Begun, Did, Paged};
pub use read::AuditPage;
#[cfg(test)]
pub(super) use read::AuditQuery;
pub(super) use read::operations;

/// Entries, as facts.
const AUDIT: &str = "audit";
/// What is older than `admin.audit_keep` goes so often.
const CLEARING: Duration = Duration::from_secs(3600);
/// Entries that go at one time.
const CLEARED: usize = 500;

/// Must everybody say why?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReasonRule {
    /// Who wants to.
    #[default]
    Optional,
    /// What changes something has a reason, or is refused.
    Required,
}

/// How the audit log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditOptions {
    /// How long.
    pub keep: Duration,
    /// Must everybody say why?
    pub reason: ReasonRule,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(400 * 86_400),
            reason: ReasonRule::Optional,
        }
    }
}

/// The audit log; cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spool: Spool,
    clock: Clock,
    options: AuditOptions,
    /// The moment of the last entry: two never have the same.
    last: Mutex<u64>,
    /// Anybody can be refused: not each time is written down.
    refusals: Mutex<Sampler>,
    /// Of operators, apart: who is not let in must not hide what they were refused.
    known: Mutex<Sampler>,
    /// Those that go page by page.
    deeds: Mutex<Deeds>,
}

impl AuditLog {
    /// The log that is in the spool.
    #[must_use]
    pub fn new(spool: Spool, clock: Clock, options: AuditOptions) -> Self {
        Self(Arc::new(Inner {
            spool,
            clock,
            options,
            last: Mutex::new(0),
            refusals: Mutex::new(Sampler::new(100, 1)),
            known: Mutex::new(Sampler::new(100, 1)),
            deeds: Mutex::default(),
        }))
    }

    /// Must everybody say why?
    pub(super) fn reason(&self) -> ReasonRule {
        self.0.options.reason
    }

    fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.0.deeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down that something is asked for, durably, before it is done; a further page of a
    /// deed stands there already. On the unix socket it
    /// is done also when that cannot be written down: with a full disk nobody could mend anything.
    pub(super) async fn asked(
        &self,
        caller: &Caller,
        mut entry: AuditEntry,
    ) -> Result<Option<Begun>, AdminError> {
        if let Some(begun) = self.deeds().take(&entry) {
            return Ok(Some(begun));
        }
        entry.at = self.0.clock.now();
        match self.begin(entry).await {
            Ok(entry) => Ok(Some(Begun::anew(entry))),
            Err(error) if caller.is_socket() => {
                let who = &caller.name;
                tracing::error!(%error, who, "the audit log cannot be written; it is done anyway");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down what came of something: what the entry says already, or what the status does.
    async fn ended(&self, mut entry: AuditEntry, (status, told): (u16, String)) {
        entry.outcome = match (entry.outcome, status) {
            (known @ (AuditOutcome::Looked | AuditOutcome::Refused), 0..400) => known,
            (_, 0..400) => AuditOutcome::Done,
            (_, 400..500) => AuditOutcome::Refused,
            (_, _) => AuditOutcome::Failed,
        };
        entry.status = Some(status);
        entry.told = told.chars().take(limits::AUDIT_TEXT).collect();
        entry.ended = Some(self.0.clock.now().max(entry.at));
        if let Err(error) = self.put(&entry).await {
            let (who, what) = (&entry.who, &entry.what);
            tracing::error!(%error, who, what, status, "the audit log lacks an outcome");
        }
    }

    /// Does what the system asks for by a signal, and writes it down: that it is asked for before,
    /// what came of it afterwards. It is done also when that cannot be written down.
    pub async fn signalled(&self, what: &str, work: impl Future<Output = Result<(), String>>) {
        let mut entry = AuditEntry::of_login("the system", "signal", what);
        entry.outcome = AuditOutcome::Asked;
        entry.at = self.0.clock.now();
        let begun = self.begin(entry).await;
        let (status, told) = match work.await {
            Ok(()) => (StatusCode::OK, String::new()),
            Err(why) => {
                let refused = AdminError::Config(why);
                (refused.status(), refused.to_string())
            }
        };
        match begun {
            Ok(entry) => self.ended(entry, (status.as_u16(), told)).await,
            Err(error) => tracing::error!(%error, what, "the audit log cannot be written"),
        }
    }

    /// Writes down something that is over already.
    pub(super) async fn note(&self, mut entry: AuditEntry) {
        entry.at = self.0.clock.now();
        if entry.outcome == AuditOutcome::Refused {
            let Some(left_out) = self.refused(&entry) else {
                return;
            };
            entry.left_out = left_out;
        }
        let (who, from, outcome) = (&entry.who, &entry.from, entry.outcome.as_str());
        let left_out = entry.left_out;
        tracing::info!(
            who,
            from,
            what = entry.what,
            outcome,
            left_out,
            "an operator asked"
        );
        if let Err(error) = self.begin(entry).await {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }

    /// May a refusal be written down? How many were left out before it. A hundred at once, then one
    /// a minute: the sampler counts seconds, so its time goes slower.
    fn refused(&self, entry: &AuditEntry) -> Option<u64> {
        let is_known = entry.role.is_some();
        let of_them = if is_known {
            &self.0.known
        } else {
            &self.0.refusals
        };
        let mut refusals = of_them.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.take(Timestamp::from_millis(entry.at.as_millis() / 60))
    }

    async fn begin(&self, mut entry: AuditEntry) -> Result<AuditEntry, SpoolError> {
        loop {
            (entry.id, entry.at) = self.next_id(entry.at);
            let id = entry.id.clone();
            // The clock may have been set back over a start: nothing is written over.
            let known = match self.0.spool.beside(move |it| it.fact(AUDIT, &id)).await {
                // While the index is made nobody can look: the moment is as good as alone.
                Err(SpoolError::Rebuilding(_)) => None,
                other => other?,
            };
            if known.is_none() {
                self.put(&entry).await?;
                return Ok(entry);
            }
        }
    }

    async fn put(&self, entry: &AuditEntry) -> Result<(), SpoolError> {
        let value = serde_json::to_value(entry);
        let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        self.0.spool.put_fact(AUDIT, &entry.id, Some(value)).await
    }

    /// The newest has the smallest: what is asked for first is read first. A clock that is set
    /// back tells no time before the last entry, else what follows it would be looked for in vain.
    fn next_id(&self, now: Timestamp) -> (String, Timestamp) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = moment(now).max(*last + 1);
        (id_of(*last), Timestamp::from_millis(*last >> SHIFT))
    }

    /// What is too old goes, until the stop is asked for.
    pub async fn keep(self, shutdown: Shutdown) {
        loop {
            if let Err(error) = self.clear().await {
                tracing::warn!(%error, "old entries of the audit log stay");
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(CLEARING) => {}
            }
        }
    }

    async fn clear(&self) -> Result<(), SpoolError> {
        let oldest = self.0.clock.now().before(self.0.options.keep);
        let start = id_of(moment(oldest));
        loop {
            let start = start.clone();
            let old = move |spool: &Spool| spool.facts_from(AUDIT, &start, CLEARED);
            let old = self.0.spool.beside(old).await?;
            for (id, _) in &old {
                self.0.spool.put_fact(AUDIT, id, None).await?;
            }
            if old.len() < CLEARED {
                return Ok(());
            }
        }
    }
}

/// Room for a million entries in each millisecond.
const SHIFT: u32 = 20;

const fn moment(at: Timestamp) -> u64 {
    at.as_millis() << SHIFT
}

fn id_of(moment: u64) -> String {
    format!("{:016x}", u64::MAX - moment)
}
