//! Counts of TLS with strangers outlive the process: the report of a day covers all of it
//! (RFC 8460 §4), and a restart must not lose its bad hours.

use serde::{Deserialize, Serialize};

use super::Outbound;
use super::demand::Demand;
use super::dial::Candidate;
use super::error::Error;
use super::guard::Guard;
use super::tls_day::{DAYS, DayOf, day_of};
use super::tls_report::{Applied, Ending, Place, PolicyKind, Row, SUCCESS, result};
use crate::base::TlsInfo;
use crate::net::is_public;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "outbound";
/// The beginning of their keys; the day's number since 1970 and the domain follow.
const KEY: &str = "tls/";

/// Sessions that ended alike, as they stand in the log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptCount {
    policy: PolicyKind,
    result: String,
    sessions: u64,
    // Earlier versions knew no more.
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    text: Vec<String>,
    #[serde(default)]
    place: Place,
}

impl KeptCount {
    pub(super) fn new(row: &Row, sessions: u64) -> Self {
        Self {
            policy: row.applied.kind,
            result: row.result.clone(),
            sessions,
            host: row.applied.host.clone(),
            text: row.applied.text.clone(),
            place: row.place.clone(),
        }
    }

    pub(super) fn into_row(self, of: &DayOf) -> (Row, u64) {
        let row = Row {
            of: of.clone(),
            applied: Applied {
                kind: self.policy,
                host: self.host,
                text: self.text,
            },
            result: self.result,
            place: self.place,
        };
        (row, self.sessions)
    }
}

impl Outbound {
    /// Counts a session with a host, if TLS was the matter.
    pub(super) async fn count_session(
        &self,
        (guard, demand): (&Guard, &Demand),
        candidate: &Candidate,
        met: Result<Option<&TlsInfo>, &Error>,
    ) {
        let Some(found) = result(met, demand.applied.kind) else {
            return;
        };
        // What is wrong stands in the way of no session (RFC 7672 §2.2), and is what is told.
        let flaw = demand.flaw.filter(|_| found == SUCCESS);
        let found = flaw.map_or(found, |flaw| flaw.result);
        let mut place = Place::default();
        if found != SUCCESS {
            place = Place::host(&candidate.host);
            place.address = Some(candidate.address.ip());
            // That of a house of its own would tell nobody anything but what the house looks like.
            let source = self.world.dial.source(candidate.address);
            place.source = source.filter(is_public);
            if let Err(error @ Error::Tls(_)) = met {
                place = place.because(&error.to_string());
            } else if let Some(flaw) = flaw {
                place = place.because(flaw.why);
            }
        }
        let ending = Ending {
            applied: demand.applied.clone(),
            result: found,
            place,
        };
        self.count_tls(guard.domain(), ending).await;
    }

    /// Counts one session, or one look at a policy, and writes it down. A disk that fails keeps no
    /// mail waiting: only the count is lost with the process then.
    pub(super) async fn count_tls(&self, domain: &str, ending: Ending) {
        let of = self.tls_reports.count(self.now(), domain, ending);
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
            Ok(counts) => spool.put_fact(ROOM, &of.key(KEY), Some(counts)).await,
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
            let (Some(of), Ok(counts)) = (DayOf::of_key(KEY, &key), counts) else {
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
            if DayOf::of_key(KEY, &key).is_some_and(|of| of.day + DAYS > today) {
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

    /// What earlier versions wrote down.
    #[test]
    fn counts_without_details_are_read() {
        let old = r#"{"policy":"sts","result":"success","sessions":7}"#;
        let kept: KeptCount = serde_json::from_str(old).unwrap();
        let of = DayOf {
            day: 3,
            domain: "a.example".to_owned(),
        };
        let (row, sessions) = kept.into_row(&of);
        assert_eq!((row.applied, sessions), (Applied::sts(None), 7));
    }
}
