//! How TLS with strangers went, counted as RFC 8460 §4.3 does: with which policy, and where it
//! failed. What is told of it to the strangers is in `tlsrpt`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::sts::StsPolicy;
use super::tls_day::{DAYS, DayOf, day_of};
use super::tls_memory::KeptCount;
use super::tlsrpt::Plan;
use crate::base::{Timestamp, TlsInfo, hex};
use crate::limits;
use crate::net::{TlsTrouble, Tlsa};
use crate::telemetry::names;

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
    /// What our own config says. Whether the domain has a policy was not asked, so nobody but us
    /// is told of it.
    #[serde(rename = "local")]
    Local,
}

impl PolicyKind {
    /// As RFC 8460 has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::Nothing => "no-policy-found",
            Self::Local => "local",
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

/// What was asked of a host, RFC 8460 §4.4.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Applied {
    pub(super) kind: PolicyKind,
    /// The host whose TLSA records count; `None`: the policy is the domain's.
    pub(super) host: Option<String>,
    /// `policy-string`, within bounds.
    pub(super) text: Vec<String>,
}

impl Applied {
    pub(super) const fn nothing() -> Self {
        Self::only(PolicyKind::Nothing)
    }

    /// Nobody looked for what the domain asks for, or not for all of it.
    pub(super) const fn local() -> Self {
        Self::only(PolicyKind::Local)
    }

    const fn only(kind: PolicyKind) -> Self {
        Self {
            kind,
            host: None,
            text: Vec::new(),
        }
    }

    /// `None`: it is announced, and could not be had.
    pub(super) fn sts(policy: Option<&StsPolicy>) -> Self {
        let text = policy.map(StsPolicy::to_string).unwrap_or_default();
        Self {
            text: bounded(text.lines().map(str::to_owned)),
            ..Self::only(PolicyKind::Sts)
        }
    }

    /// RFC 8460 §1.1: the policy domain of DANE is the base domain of the TLSA records.
    pub(super) fn tlsa(host: Option<&str>, records: &[Tlsa]) -> Self {
        let line = |it: &Tlsa| {
            let data = hex(&it.data).to_ascii_uppercase();
            format!("{} {} {} {data}", it.usage, it.selector, it.matching)
        };
        Self {
            host: host.map(|host| host.trim_end_matches('.').to_ascii_lowercase()),
            text: bounded(records.iter().map(line)),
            ..Self::only(PolicyKind::Tlsa)
        }
    }
}

/// What strangers write into their policies is not kept without end.
fn bounded(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut left = limits::TLS_POLICY_TEXT;
    let mut kept = Vec::new();
    for line in lines.map(|line| plain(&line)) {
        if line.len() <= left {
            left -= line.len();
            kept.push(line);
        }
    }
    kept
}

/// A text from elsewhere, in letters of ASCII.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic();
    text.chars()
        .map(|c| if is_plain(c) { c } else { '?' })
        .collect()
}

/// Where and why a session failed, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    /// `receiving-mx-hostname`.
    pub(super) host: Option<String>,
    /// `receiving-ip`.
    pub(super) address: Option<IpAddr>,
    /// `sending-mta-ip`.
    pub(super) source: Option<IpAddr>,
    /// `failure-reason-code`.
    pub(super) why: Option<String>,
}

impl Place {
    pub(super) fn host(host: &str) -> Self {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Self {
            host: Some(plain(&host)),
            ..Self::default()
        }
    }

    /// The beginning of what went wrong.
    #[must_use]
    pub(super) fn because(self, why: &str) -> Self {
        let why = plain(why).chars().take(limits::TLS_REASON).collect();
        Self {
            why: Some(why),
            ..self
        }
    }
}

/// Sessions that ended alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) of: DayOf,
    pub(super) applied: Applied,
    pub(super) result: String,
    pub(super) place: Place,
}

impl Row {
    /// Before all others of its day and domain.
    const fn first(of: DayOf) -> Self {
        Self {
            of,
            applied: Applied::only(PolicyKind::Tlsa),
            result: String::new(),
            place: Place {
                host: None,
                address: None,
                source: None,
                why: None,
            },
        }
    }

    /// RFC 8460 §4.2: a report is about what the domain asks for, or that it asks for nothing.
    fn is_of_the_domain(&self) -> bool {
        self.applied.kind != PolicyKind::Local
    }

    fn without_details(self) -> Self {
        Self {
            applied: Applied::only(self.applied.kind),
            place: Place::default(),
            ..self
        }
    }
}

/// How a session, or a look at a policy, ended.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) applied: Applied,
    /// [`SUCCESS`], or a `result-type`.
    pub(super) result: &'static str,
    pub(super) place: Place,
}

impl Ending {
    /// One of which no more is known than what was asked, and what came of it.
    pub(super) fn bare(applied: Applied, result: &'static str) -> Self {
        Self {
            applied,
            result,
            place: Place::default(),
        }
    }
}

/// The counts of the last days.
#[derive(Debug, Default)]
pub(super) struct TlsReports {
    counts: Mutex<Counts>,
    /// Held by who writes counts down.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// What became of the reports.
    pub(super) plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: BTreeMap<Row, u64>,
    /// What the log does not know yet.
    unwritten: BTreeSet<DayOf>,
}

impl TlsReports {
    /// One session, or one look at a policy; returns where it is counted.
    pub(super) fn count(&self, now: Timestamp, domain: &str, ending: Ending) -> DayOf {
        metrics::counter!(
            names::TLS_SESSIONS,
            "policy" => ending.applied.kind.as_str(), "result" => ending.result
        )
        .increment(1);
        let of = DayOf {
            day: day_of(now),
            domain: domain.to_owned(),
        };
        let mut counts = self.counts();
        let row = Row {
            of: of.clone(),
            applied: ending.applied,
            result: ending.result.to_owned(),
            place: ending.place,
        };
        counts.add(row, 1);
        counts.unwritten.insert(of.clone());
        of
    }

    /// Takes over what an earlier life counted.
    pub(super) fn restore(&self, of: &DayOf, known: Vec<KeptCount>) {
        let mut counts = self.counts();
        for count in known {
            let (row, sessions) = count.into_row(of);
            counts.add(row, sessions);
        }
    }

    /// All counts of a day and a domain, when the log does not know them all; it does from now on.
    pub(super) fn take_unwritten(&self, of: &DayOf) -> Option<Vec<KeptCount>> {
        let mut counts = self.counts();
        if !counts.unwritten.remove(of) {
            return None;
        }
        let rows = counts.of(of);
        Some(
            rows.map(|(row, count)| KeptCount::new(row, count))
                .collect(),
        )
    }

    /// The log does not know them after all.
    pub(super) fn set_unwritten(&self, of: DayOf) {
        self.counts().unwritten.insert(of);
    }

    /// All rows of a day and a domain that the domain may be told of.
    pub(super) fn rows(&self, of: &DayOf) -> Vec<(Row, u64)> {
        let counts = self.counts();
        let rows = counts.of(of).filter(|(row, _)| row.is_of_the_domain());
        rows.map(|(row, count)| (row.clone(), count)).collect()
    }

    /// All days and domains of which something can be told, oldest first.
    pub(super) fn days(&self) -> BTreeSet<DayOf> {
        let counts = self.counts();
        let rows = counts.sessions.keys().filter(|row| row.is_of_the_domain());
        rows.map(|row| row.of.clone()).collect()
    }

    /// All counts, oldest day first.
    pub(super) fn list(&self) -> Vec<TlsCount> {
        let counts = self.counts();
        let mut alike: BTreeMap<(&DayOf, PolicyKind, &str), u64> = BTreeMap::new();
        for (row, sessions) in &counts.sessions {
            let key = (&row.of, row.applied.kind, row.result.as_str());
            *alike.entry(key).or_default() += sessions;
        }
        let alike = alike.into_iter();
        alike
            .map(|((of, policy, result), sessions)| TlsCount {
                day: of.begin(),
                domain: of.domain.clone(),
                policy,
                result: result.to_owned(),
                sessions,
            })
            .collect()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn of<'a>(&'a self, of: &'a DayOf) -> impl Iterator<Item = (&'a Row, u64)> {
        let rows = self.sessions.range(Row::first(of.clone())..);
        let own = rows.take_while(move |(row, _)| row.of == *of);
        own.map(|(row, sessions)| (row, *sessions))
    }

    fn add(&mut self, row: Row, sessions: u64) {
        if let Some(count) = self.sessions.get_mut(&row) {
            *count += sessions;
            return;
        }
        let day = row.of.day;
        self.sessions.retain(|then, _| then.of.day + DAYS > day);
        self.unwritten.retain(|then| then.day + DAYS > day);
        let row = if self.of(&row.of).count() < limits::TLS_DETAILS {
            row
        } else {
            row.without_details()
        };
        let is_full = self.sessions.len() >= limits::TLS_COUNTS;
        match self.sessions.get_mut(&row) {
            Some(count) => *count += sessions,
            None if is_full => {}
            None => {
                self.sessions.insert(row, sessions);
            }
        }
    }
}

/// The result of a session with which nothing was wrong.
pub(super) const SUCCESS: &str = "success";

/// What a session came to, RFC 8460 §4.3; `None` when TLS was not the matter.
pub(super) fn result(
    met: Result<Option<&TlsInfo>, &Error>,
    policy: PolicyKind,
) -> Option<&'static str> {
    match met {
        Ok(Some(_)) => Some(SUCCESS),
        Ok(None) | Err(Error::NoTls) => Some("starttls-not-supported"),
        Err(Error::Tls(error)) => Some(match (TlsTrouble::of(error), policy) {
            (TlsTrouble::Expired, _) => "certificate-expired",
            (TlsTrouble::WrongName, _) => "certificate-host-mismatch",
            // It is the TLSA record that is not met.
            (TlsTrouble::NotTrusted, PolicyKind::Sts | PolicyKind::Nothing | PolicyKind::Local) => {
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
#[path = "tls_report_tests.rs"]
mod tests;
