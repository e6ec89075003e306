//! How TLS with strangers went, counted as RFC 8460 §4.3 does. Reports are not sent.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::base::{Timestamp, TlsInfo};
use crate::limits;
use crate::net::TlsTrouble;
use crate::telemetry::names;

/// Days that are kept, today among them.
const DAYS: u64 = 7;
const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// `policy-type`, RFC 8460 §4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

type Key = (u64, String, PolicyKind, &'static str);

/// The counts since the start, a week at most.
#[derive(Debug, Default)]
pub(super) struct TlsReports(Mutex<BTreeMap<Key, u64>>);

impl TlsReports {
    /// One session, or one look at a policy.
    pub(super) fn count(
        &self,
        now: Timestamp,
        (domain, policy): (&str, PolicyKind),
        result: &'static str,
    ) {
        metrics::counter!(
            names::TLS_SESSIONS, "policy" => policy.as_str(), "result" => result
        )
        .increment(1);
        let day = now.as_millis() / DAY_MILLIS;
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (day, domain.to_owned(), policy, result);
        if let Some(count) = counts.get_mut(&key) {
            *count += 1;
            return;
        }
        counts.retain(|(then, ..), _| then + DAYS > day);
        if counts.len() < limits::TLS_COUNTS {
            counts.insert(key, 1);
        }
    }

    /// All counts, oldest day first.
    pub(super) fn list(&self) -> Vec<TlsCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.iter();
        counts
            .map(|((day, domain, policy, result), sessions)| TlsCount {
                day: Timestamp::from_millis(day * DAY_MILLIS),
                domain: domain.clone(),
                policy: *policy,
                result: (*result).to_owned(),
                sessions: *sessions,
            })
            .collect()
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
