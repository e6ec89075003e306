//! MTA-STS policies outlive the process: RFC 8461 §5.1 keeps a policy until `max_age` is over, and
//! a start without it would open the window for a downgrade that it closes.

use serde::{Deserialize, Serialize};

use super::Outbound;
use super::guard::Kept;
use super::sts::StsPolicy;
use crate::base::Timestamp;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "outbound";
/// The beginning of their keys; the domain follows.
const KEY: &str = "sts/";

/// A policy as it stands in the log.
#[derive(Debug, Serialize, Deserialize)]
struct KeptPolicy {
    id: String,
    policy: StsPolicy,
    until: Timestamp,
}

impl Outbound {
    /// Takes the policies of earlier lives over from the log, and what was counted of TLS; writes
    /// down both from now on.
    ///
    /// # Errors
    /// When the index fails. A policy that cannot be read is logged and left out.
    pub fn remember(&self, spool: &Spool) -> Result<(), SpoolError> {
        let now = self.now();
        for (key, value) in spool.facts(ROOM, KEY)? {
            let domain = key.strip_prefix(KEY).unwrap_or(&key);
            let known: KeptPolicy = match serde_json::from_value(value) {
                Ok(known) => known,
                Err(error) => {
                    tracing::error!(%domain, %error, "an MTA-STS policy cannot be read");
                    continue;
                }
            };
            if now < known.until {
                let kept = Kept::new(known.id, known.policy, known.until, now);
                self.sts.restore(domain, kept);
            }
        }
        // A second call finds it there already, and the counts are not added twice.
        if self.memory.get().is_none() {
            self.recall_tls_counts(spool)?;
            self.recall_reports(spool)?;
        }
        self.memory.get_or_init(|| spool.clone());
        Ok(())
    }

    /// Takes out of the log what is over; its domain may never be written to again.
    pub async fn forget_what_is_over(&self) {
        let Some(spool) = self.memory.get() else {
            return;
        };
        self.forget_old_tls_counts(spool).await;
        self.forget_old_reports(spool).await;
        let now = self.now();
        for (key, value) in spool.facts(ROOM, KEY).unwrap_or_default() {
            let known: Option<KeptPolicy> = serde_json::from_value(value).ok();
            if known.is_none_or(|known| now < known.until) {
                continue;
            }
            if let Err(error) = spool.put_fact(ROOM, &key, None).await {
                tracing::warn!(%key, %error, "an old MTA-STS policy stays");
                return;
            }
        }
    }

    /// Writes a policy down that was fetched. Mail does not wait for it: without it the next life
    /// only fetches it again.
    pub(super) async fn write_policy(&self, domain: &str) {
        let Some(spool) = self.memory.get() else {
            return;
        };
        let known = {
            let kept = self.sts.lock();
            kept.get(domain).and_then(|kept| {
                Some(KeptPolicy {
                    id: kept.id.clone(),
                    policy: kept.policy.clone()?,
                    until: kept.until,
                })
            })
        };
        let value = known.and_then(|known| serde_json::to_value(known).ok());
        if let Err(error) = spool.put_fact(ROOM, &format!("{KEY}{domain}"), value).await {
            tracing::warn!(%domain, %error, "an MTA-STS policy is not written down");
        }
    }
}
