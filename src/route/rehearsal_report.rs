//! What came of a rehearsal.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rehearsal::flow;
use crate::limits;
use crate::mail::BackendId;

/// What becomes of the mail for an address. In the order in which people want to know.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// It would come back to us.
    Loops,
    /// Nobody would take it.
    Fails,
    /// It goes for the grace time only.
    Departs,
    /// A rule or a move would hold it.
    Waits,
    /// Another platform gets it.
    Rerouted,
    /// The same platform gets it for another address.
    Readdressed,
    /// It goes, and today it does not.
    Mended,
    /// Nothing changes.
    Same,
}

impl Becomes {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loops => "loops",
            Self::Fails => "fails",
            Self::Departs => "departs",
            Self::Waits => "waits",
            Self::Rerouted => "rerouted",
            Self::Readdressed => "readdressed",
            Self::Mended => "mended",
            Self::Same => "same",
        }
    }
}

/// An address for which something changes, or is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The address, as senders wrote it.
    pub address: String,
    /// What becomes of its mail.
    pub becomes: Becomes,
    /// How much of it there was.
    pub recipients: u64,
    /// Where it goes by today's directory: a backend, `outside`, `held`, `nobody`, `a circle`.
    pub from: String,
    /// Where it would go.
    pub to: String,
    /// Why, or what else changes; may be empty.
    #[serde(default)]
    pub what: String,
}

/// Mail that goes from one place to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// As in [`Finding`].
    pub from: String,
    /// As in [`Finding`].
    pub to: String,
    /// Recipients.
    pub recipients: u64,
    /// Different addresses.
    pub people: u64,
}

/// What a backend would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Which.
    pub backend: BackendId,
    /// Recipients by today's directory.
    pub now: u64,
    /// Recipients by the other one.
    pub then: u64,
    /// Messages of them.
    pub messages: u64,
    /// If all of it had waited: how long it takes at least, under the rates of the config; none
    /// when they limit nothing.
    pub drain_seconds: Option<u64>,
    /// The mailbox, or the sender and the mailbox, that takes longest.
    pub slowest: Option<String>,
}

/// What came of a rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RehearsalReport {
    /// Messages that went through it.
    pub messages: u64,
    /// Recipients of them.
    pub recipients: u64,
    /// Different addresses.
    pub people: u64,
    /// Recipients, by what becomes of them.
    pub becomes: BTreeMap<Becomes, u64>,
    /// Where mail goes, by where it goes today.
    pub flows: Vec<Flow>,
    /// What changes or is wrong, the worst and most first.
    pub findings: Vec<Finding>,
    /// Findings that are not told.
    pub more: u64,
    /// Each backend of the config.
    pub backends: Vec<Load>,
}

/// A report that is being made.
#[derive(Default)]
pub(super) struct Report {
    report: RehearsalReport,
    flows: BTreeMap<(String, String), Flow>,
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        let report = &mut self.report;
        report.people += 1;
        report.recipients += finding.recipients;
        *report.becomes.entry(finding.becomes).or_default() += finding.recipients;
        flow(&mut self.flows, &finding);
        if finding.becomes != Becomes::Same {
            report.findings.push(finding);
        }
    }

    pub(super) fn finish(self, messages: u64, backends: Vec<Load>) -> RehearsalReport {
        let Self { mut report, flows } = self;
        let rank = |one: &Finding| (one.becomes, u64::MAX - one.recipients);
        report.findings.sort_by_key(rank);
        let more = report.findings.len().saturating_sub(limits::FINDINGS);
        report.findings.truncate(limits::FINDINGS);
        RehearsalReport {
            messages,
            more: more as u64,
            flows: flows.into_values().collect(),
            backends,
            ..report
        }
    }
}
