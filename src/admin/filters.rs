//! Content filters, as operators see them.

use super::Admin;
use super::conditions::Seen;
use crate::filter::{FilterStatus, Filters};
use crate::notice::{Kind, Severity};

const WHAT_TO_DO: &str = "Is it running, and may tideover open its socket? tideover check; \
                    docs/filters.md";

impl Admin {
    pub(super) fn filter_status(&self) -> Vec<FilterStatus> {
        self.filters
            .as_ref()
            .map(Filters::status)
            .unwrap_or_default()
    }

    /// Filters that do not answer.
    pub(super) fn filter_problems(&self) -> Vec<String> {
        let status = self.filter_status();
        status.iter().filter_map(FilterStatus::problem).collect()
    }

    pub(super) fn see_filters(&self, seen: &mut Seen) {
        for status in self.filter_status() {
            let Some(problem) = status.problem() else {
                continue;
            };
            let name = (Kind::Filter, status.name.as_str());
            let how = (Severity::Critical, status.on_failure.as_str());
            let since = status.failing_since.or(status.busy_since);
            seen.add(name, how, since, (problem, WHAT_TO_DO));
        }
    }
}
