//! How TLS with strangers went, counted as RFC 8460 §4.3 does. Reports are not sent: they must be
//! signed with DKIM (RFC 8460 §3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::tls_memory::KeptCount;
use crate::base::{Timestamp, TlsInfo};
use crate::limits;
use crate::net::TlsTrouble;
use crate::telemetry::names;

/// Days that are kept, today among them.
pub(super) const DAYS: u64 = 7;
const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// `policy-type`, RFC 8460 §4.2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PolicyKind {
    /// DANE.
    #[serde(rename = "tlsa")]
    Tlsa,
    /// MTA-STS.
    #[serde(rename = "sts")]
    Sts,
    /// None.
    #[serde(rename = "no-policy-found")]
    Nothing,
}

impl PolicyKind {
    /// As RFC 8460 has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::Nothing => "no-policy-found",
        }
    }
}

/// The sessions of one day with the hosts of one domain that ended alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsCount {
    /// The beginning of the day, UTC.
    pub day: Timestamp,
    /// The domain.
    pub domain: String,
    /// What its hosts had to prove.
    pub policy: PolicyKind,
    /// `success`, or the `result-type` of RFC 8460 §4.3.
    pub result: String,
    /// Sessions.
    pub sessions: u64,
}

/// The sessions of a day with the hosts of a domain: what is written down together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DayOf {
    /// Since 1970, UTC.
    pub(super) day: u64,
    pub(super) domain: String,
}

/// The day of a moment, UTC.
pub(super) const fn day_of(moment: Timestamp) -> u64 {
    moment.as_millis() / DAY_MILLIS
}

type Key = (DayOf, PolicyKind, String);

/// The counts of the last days.
#[derive(Debug, Default)]
pub(super) struct TlsReports {
    counts: Mutex<Counts>,
    /// Held by who writes counts down.
    pub(super) writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: BTreeMap<Key, u64>,
    /// What the log does not know yet.
    unwritten: BTreeSet<DayOf>,
}

impl TlsReports {
    /// One session, or one look at a policy; returns where it is counted.
    pub(super) fn count(
        &self,
        now: Timestamp,
        (domain, policy): (&str, PolicyKind),
        result: &str,
    ) -> DayOf {
        metrics::counter!(
            names::TLS_SESSIONS, "policy" => policy.as_str(), "result" => result.to_owned()
        )
        .increment(1);
        let of = DayOf {
            day: day_of(now),
            domain: domain.to_owned(),
        };
        let mut counts = self.counts();
        counts.add((of.clone(), policy, result.to_owned()), 1);
        counts.unwritten.insert(of.clone());
        of
    }

    /// Takes over what an earlier life counted.
    pub(super) fn restore(&self, of: &DayOf, known: Vec<KeptCount>) {
        let mut counts = self.counts();
        for count in known {
            counts.add((of.clone(), count.policy, count.result), count.sessions);
        }
    }

    /// All counts of a day and a domain, when the log does not know them all; it does from now on.
    pub(super) fn take_unwritten(&self, of: &DayOf) -> Option<Vec<KeptCount>> {
        let mut counts = self.counts();
        if !counts.unwritten.remove(of) {
            return None;
        }
        let all = counts
            .sessions
            .iter()
            .filter(|((other, ..), _)| other == of);
        let all = all.map(|((_, policy, result), sessions)| KeptCount {
            policy: *policy,
            result: result.clone(),
            sessions: *sessions,
        });
        Some(all.collect())
    }

    /// The log does not know them after all.
    pub(super) fn set_unwritten(&self, of: DayOf) {
        self.counts().unwritten.insert(of);
    }

    /// All counts, oldest day first.
    pub(super) fn list(&self) -> Vec<TlsCount> {
        let counts = self.counts();
        let sessions = counts.sessions.iter();
        sessions
            .map(|((of, policy, result), sessions)| TlsCount {
                day: Timestamp::from_millis(of.day * DAY_MILLIS),
                domain: of.domain.clone(),
                policy: *policy,
                result: result.clone(),
                sessions: *sessions,
            })
            .collect()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, key: Key, sessions: u64) {
        if let Some(count) = self.sessions.get_mut(&key) {
            *count += sessions;
            return;
        }
        let day = key.0.day;
        self.sessions.retain(|(then, ..), _| then.day + DAYS > day);
        self.unwritten.retain(|then| then.day + DAYS > day);
        if self.sessions.len() < limits::TLS_COUNTS {
            self.sessions.insert(key, sessions);
        }
    }
}

/// What a session came to, RFC 8460 §4.3; `None` when TLS was not the matter.
pub(super) fn result(
    met: Result<Option<&TlsInfo>, &Error>,
    policy: PolicyKind,
) -> Option<&'static str> {
    match met {
        Ok(Some(_)) => Some("success"),
        Ok(None) | Err(Error::NoTls) => Some("starttls-not-supported"),
        Err(Error::Tls(error)) => Some(match (TlsTrouble::of(error), policy) {
            (TlsTrouble::Expired, _) => "certificate-expired",
            (TlsTrouble::WrongName, _) => "certificate-host-mismatch",
            // It is the TLSA record that is not met.
            (TlsTrouble::NotTrusted, PolicyKind::Sts | PolicyKind::Nothing) => {
                "certificate-not-trusted"
            }
            (TlsTrouble::NotTrusted, PolicyKind::Tlsa) | (TlsTrouble::Other, _) => {
                "validation-failure"
            }
        }),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_kept() {
        let reports = TlsReports::default();
        let at = |day: u64| Timestamp::from_millis(day * DAY_MILLIS + 5);
        for day in [1, 1, 2, 7] {
            reports.count(at(day), ("a.example", PolicyKind::Sts), "success");
        }
        let sessions = |reports: &TlsReports| -> Vec<u64> {
            reports.list().iter().map(|count| count.sessions).collect()
        };
        assert_eq!(sessions(&reports), [2, 1, 1]);
        reports.count(
            at(8),
            ("b.example", PolicyKind::Tlsa),
            "certificate-expired",
        );
        assert_eq!(sessions(&reports), [1, 1, 1]);
        let last = reports.list().pop().unwrap();
        assert_eq!(last.day, Timestamp::from_millis(8 * DAY_MILLIS));
        assert_eq!(
            (last.domain.as_str(), last.policy.as_str()),
            ("b.example", "tlsa")
        );
    }

    #[test]
    fn results_have_the_words_of_the_standard() {
        let tls = TlsInfo {
            version: "TLSv1.3".to_owned(),
            cipher: "x".to_owned(),
        };
        assert_eq!(result(Ok(Some(&tls)), PolicyKind::Sts), Some("success"));
        let none = result(Ok(None), PolicyKind::Nothing);
        assert_eq!(none, Some("starttls-not-supported"));
        let error = Error::Tls(std::io::ErrorKind::UnexpectedEof.into());
        assert_eq!(
            result(Err(&error), PolicyKind::Sts),
            Some("validation-failure")
        );
        let error = Error::Dial(std::io::ErrorKind::ConnectionRefused.into());
        assert_eq!(result(Err(&error), PolicyKind::Sts), None);
    }
}
