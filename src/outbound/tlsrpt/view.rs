//! What operators see of reports.

use std::sync::PoisonError;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Outbound;
use super::super::tls_day::{DayOf, day_of};
use super::ReportOptions;
use super::document::{SessionSummary, Submitter, TlsReport};
use super::plan::{How, is_too_late};
use crate::base::Timestamp;

/// A report, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsReportView {
    /// The beginning of its day, UTC.
    pub day: Timestamp,
    /// Whom it is for.
    pub domain: String,
    /// What became of it.
    pub state: TlsReportState,
    /// When that became so, or will.
    pub at: Option<Timestamp>,
    /// The same in words, as far as there is more to say.
    pub what: String,
    /// Sessions.
    pub sessions: u64,
    /// Those among them that failed.
    pub failed: u64,
    /// What it says.
    pub report: TlsReport,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsReportState {
    /// Its day is not over.
    Today,
    /// Nobody sends it: the config has no `[tlsrpt]`.
    Off,
    /// It is to be sent.
    Waiting,
    /// It is with those who asked for it.
    Sent,
    /// The domain asks for none.
    Unasked,
    /// It could not be sent.
    GivenUp,
    /// Its day was over for too long when there was somebody to send it.
    Missed,
}

impl TlsReportState {
    /// As the API has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Off => "off",
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Unasked => "unasked",
            Self::GivenUp => "given-up",
            Self::Missed => "missed",
        }
    }
}

impl Outbound {
    /// What is reported of the last days, oldest first, and what became of it; of one domain only
    /// if one is named.
    #[must_use]
    pub fn tls_report_views(&self, domain: Option<&str>) -> Vec<TlsReportView> {
        let options = self.options();
        let submitter = match &options.reports {
            Some(options) => submitter(options),
            // As it would be.
            None => Submitter {
                organization: options.hostname.clone(),
                contact: format!("postmaster@{}", options.hostname),
                domain: options.hostname.clone(),
            },
        };
        let days = self.tls_reports.days().into_iter();
        days.filter(|of| domain.is_none_or(|domain| of.domain.eq_ignore_ascii_case(domain)))
            .map(|of| self.view(&of, &submitter))
            .collect()
    }

    fn view(&self, of: &DayOf, submitter: &Submitter) -> TlsReportView {
        let report = TlsReport::of(of, &self.tls_reports.rows(of), submitter);
        let SessionSummary {
            total_successful_session_count: good,
            total_failure_session_count: failed,
        } = report.summary();
        let (state, at, what) = self.state(of);
        TlsReportView {
            day: of.begin(),
            domain: of.domain.clone(),
            state,
            at,
            what,
            sessions: good + failed,
            failed,
            report,
        }
    }

    fn state(&self, of: &DayOf) -> (TlsReportState, Option<Timestamp>, String) {
        let now = self.now();
        let plan = self.tls_reports.plan.lock();
        let plan = plan.unwrap_or_else(PoisonError::into_inner);
        let course = plan.course(of);
        if let Some(end) = course.and_then(|course| course.end.as_ref()) {
            let state = match end.how {
                How::Sent => TlsReportState::Sent,
                How::Unasked => TlsReportState::Unasked,
                How::GivenUp => TlsReportState::GivenUp,
            };
            return (state, Some(end.at), end.what.clone());
        }
        let nothing = |state| (state, None, String::new());
        if of.day >= day_of(now) {
            return nothing(TlsReportState::Today);
        }
        if is_too_late(of, now) {
            return nothing(TlsReportState::Missed);
        }
        if self.options().reports.is_none() {
            return nothing(TlsReportState::Off);
        }
        let trouble = course.and_then(|course| course.trouble.clone());
        let due = course.and_then(|course| course.due);
        (TlsReportState::Waiting, due, trouble.unwrap_or_default())
    }
}

/// Who reports, by the config.
pub(super) fn submitter(options: &ReportOptions) -> Submitter {
    Submitter {
        organization: options.organization.clone(),
        contact: options.contact.to_string(),
        domain: options.from.domain().key(),
    }
}
