//! Counts of TLS with strangers outlive the process: the report of a day covers all of it
//! (RFC 8460 §4), and a restart must not lose its bad hours.

use serde::{Deserialize, Serialize};

use super::Outbound;
use super::tls_report::{DAYS, DayOf, PolicyKind, day_of};
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "outbound";
/// The beginning of their keys; the day's number since 1970 and the domain follow.
const KEY: &str = "tls/";

/// Sessions that ended alike, as they stand in the log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptCount {
    pub(super) policy: PolicyKind,
    pub(super) result: String,
    pub(super) sessions: u64,
}

fn key_of(of: &DayOf) -> String {
    format!("{KEY}{}/{}", of.day, of.domain)
}

fn parse_key(key: &str) -> Option<DayOf> {
    let (day, domain) = key.strip_prefix(KEY)?.split_once('/')?;
    Some(DayOf {
        day: day.parse().ok()?,
        domain: domain.to_owned(),
    })
}

impl Outbound {
    /// Counts one session, or one look at a policy, and writes it down. A disk that fails keeps no
    /// mail waiting: only the count is lost with the process then.
    pub(super) async fn count_tls(&self, domain: &str, policy: PolicyKind, result: &str) {
        let of = self.tls_reports.count(self.now(), (domain, policy), result);
        let Some(spool) = self.memory.get() else {
            return;
        };
        // One after the other, so that the last word is the newest.
        let _turn = self.tls_reports.writing.lock().await;
        let Some(counts) = self.tls_reports.take_unwritten(&of) else {
            // Somebody else's write had it.
            return;
        };
        let written = match serde_json::to_value(counts) {
            Ok(counts) => spool.put_fact(ROOM, &key_of(&of), Some(counts)).await,
            Err(error) => Err(SpoolError::Damaged(error.to_string())),
        };
        if let Err(error) = written {
            tracing::warn!(%domain, %error, "a count of TLS sessions is not written down");
            self.tls_reports.set_unwritten(of);
        }
    }

    /// Takes the counts of earlier lives over from the log.
    pub(super) fn recall_tls_counts(&self, spool: &Spool) -> Result<(), SpoolError> {
        let today = day_of(self.now());
        for (key, value) in spool.facts(ROOM, KEY)? {
            let counts = serde_json::from_value::<Vec<KeptCount>>(value);
            let (Some(of), Ok(counts)) = (parse_key(&key), counts) else {
                tracing::error!(%key, "counts of TLS sessions cannot be read");
                continue;
            };
            if of.day + DAYS > today {
                self.tls_reports.restore(&of, counts);
            }
        }
        Ok(())
    }

    /// Takes counts out of the log that are older than what is shown.
    pub(super) async fn forget_old_tls_counts(&self, spool: &Spool) {
        let today = day_of(self.now());
        for (key, _) in spool.facts(ROOM, KEY).unwrap_or_default() {
            if parse_key(&key).is_some_and(|of| of.day + DAYS > today) {
                continue;
            }
            if let Err(error) = spool.put_fact(ROOM, &key, None).await {
                tracing::warn!(%key, %error, "an old count of TLS sessions stays");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let of = DayOf {
            day: 20_772,
            domain: "a.example".to_owned(),
        };
        assert_eq!(key_of(&of), "tls/20772/a.example");
        assert_eq!(parse_key(&key_of(&of)), Some(of));
        for wrong in ["tls/a.example", "sts/a.example", "tls/x/a.example"] {
            assert_eq!(parse_key(wrong), None, "{wrong}");
        }
    }
}
