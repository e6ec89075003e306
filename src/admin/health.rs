//! Is the front door open, and what is wrong? `/health` for load balancers, gauges for Prometheus.

use std::time::Duration;

use metrics::gauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::case_numbers::OpenCases;
use super::present::held_in_lane;
use super::{Admin, AttentionView, QueueNumbers};
use crate::backend::{BackendHealth, Health};
use crate::base::Shutdown;
use crate::route::paused;
use crate::telemetry::{Metrics, names, process};

/// From one upkeep of the metrics to the next.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps the memory of the metrics bounded until the stop is asked for.
pub async fn keep_metrics(metrics: Metrics, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.stopping() => return,
            () = tokio::time::sleep(UPKEEP) => metrics.upkeep(),
        }
    }
}

/// `/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthView {
    /// Nothing is wrong.
    pub ok: bool,
    /// Mail is taken: the status is 200, else 503.
    pub accepting: bool,
    /// What is wrong, for people.
    pub problems: Vec<String>,
    /// Those of them that stand nowhere in `/api/status`.
    #[serde(default)]
    pub only_here: Vec<String>,
}

impl Admin {
    /// Is the front door open, and what is wrong?
    pub(super) fn health(&self) -> HealthView {
        let attention = self.attention().ok().unwrap_or_default();
        self.health_with((&attention, &self.open_cases()))
    }

    /// The same, for who has read these already.
    pub(super) fn health_with(
        &self,
        (attention, cases): (&AttentionView, &OpenCases),
    ) -> HealthView {
        let refused = self.refusing();
        let accepting = refused.is_none();
        let backends = self.router.board().snapshot();
        let only_here = self.spool.sign_problem().into_iter();
        let only_here = only_here.chain(self.notice_problem());
        let only_here = only_here.chain(self.look_problem());
        let only_here: Vec<String> = only_here.chain(self.directory_problem()).collect();
        let problems: Vec<String> = refused
            .into_iter()
            .chain(self.write_problem())
            .chain(self.busy_problem())
            .chain(self.index_problem())
            .chain(self.damage_problem())
            .chain(self.missing_problem())
            .chain(self.balance_problem())
            .chain(attention.problem())
            .chain(backends.iter().filter_map(paused))
            .chain(backends.iter().filter_map(failing))
            .chain(cases.problem())
            .chain(self.sync_problems())
            .chain(self.drill_problems())
            .chain(self.replay_problems())
            .chain(self.landing_problem())
            .chain(self.relay_problem())
            .chain(self.filter_problems())
            .chain(self.certificate_problems())
            .chain(only_here.clone())
            .collect();
        HealthView {
            ok: problems.is_empty(),
            accepting,
            only_here,
            problems,
        }
    }

    /// Who is known is not who is in `directory.file`.
    fn directory_problem(&self) -> Option<String> {
        let why = self.directory.untaken()?;
        Some(format!(
            "directory.file was not taken at the start, the directory is the one of before: {why}"
        ))
    }

    /// Can strangers send through us?
    pub(super) fn relay_problem(&self) -> Option<String> {
        self.router.relay_test().get()?.test.problem()
    }

    /// Sets the gauges to what is true now.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge that is off by one part in 2^53 is as good"
    )]
    pub(super) fn set_gauges(&self) {
        process::measure();
        let stats = self.spool.stats();
        let backends = self.router.board().snapshot();
        let cases = self.open_cases();
        let drained = self.queue.drain_counts().unwrap_or_default();
        let numbers = QueueNumbers::new(&stats, &backends, &drained);
        let mut elsewhere: u64 = stats.queued.values().sum();
        for backend in &backends {
            let lane = backend.id.to_string();
            let waiting = stats.queued.get(&lane).copied().unwrap_or_default();
            elsewhere = elsewhere.saturating_sub(waiting);
            let is_paused = paused(backend).is_some();
            let held = held_in_lane(backend, &stats, &drained);
            let queued = waiting.saturating_sub(held);
            gauge!(names::QUEUED, "lane" => lane.clone()).set(queued as f64);
            gauge!(names::HELD, "lane" => lane.clone()).set(held as f64);
            if let Some((cases, recipients)) = cases.of(&backend.id) {
                gauge!(names::CASES, "backend" => lane.clone()).set(cases as f64);
                gauge!(names::CASE_RECIPIENTS, "backend" => lane.clone()).set(recipients as f64);
            }
            let rejecting = f64::from(u8::from(backend.health == Health::Rejecting));
            gauge!(names::BACKEND_REJECTING, "backend" => lane.clone()).set(rejecting);
            let up = if is_paused || backend.failing {
                0.0
            } else {
                1.0
            };
            gauge!(names::BACKEND_UP, "backend" => lane).set(up);
        }
        gauge!(names::QUEUED, "lane" => "@").set(elsewhere as f64);
        gauge!(names::HELD, "lane" => "").set(stats.held as f64);
        gauge!(names::UNCERTAIN).set(numbers.uncertain as f64);
        let age = numbers
            .oldest
            .map_or(0.0, |oldest| self.clock.now().since(oldest).as_secs_f64());
        gauge!(names::OLDEST_SECONDS).set(age);
        if let Ok(attention) = self.attention() {
            gauge!(names::ATTENTION_MESSAGES).set(attention.messages as f64);
        }
        // Its gauge is set where it is found out.
        drop(self.notice_problem());
        self.set_sync_gauges();
        if let Some(filters) = &self.filters {
            filters.set_gauges();
        }
        self.set_load_gauges();
        self.set_drill_gauges();
        self.set_sending_gauges();
        self.set_certificate_gauges();
        gauge!(names::SPOOL_BYTES).set(stats.bytes as f64);
        gauge!(names::SPOOL_QUARANTINED).set(stats.quarantined as f64);
        let wrong = self.spool.balance().map_or(0, |balance| balance.wrong);
        gauge!(names::UNBALANCED).set(wrong as f64);
        gauge!(names::SPOOL_FREE_BYTES).set(stats.free_bytes as f64);
        gauge!(names::SPOOL_SECONDS_LEFT).set(self.seconds_in_an_outage());
        gauge!(names::SPOOL_INDEX_SHARE).set(self.index_share());
    }
}

/// That a backend answers and takes no mail, if it is so.
fn failing(backend: &BackendHealth) -> Option<String> {
    let since = backend.since.to_jiff().strftime("%Y-%m-%d %H:%M UTC");
    let (id, reason) = (&backend.id, &backend.reason);
    backend
        .failing
        .then(|| format!("{id} takes hardly any mail since {since}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_all_mail_is_a_problem() {
        let health = |failing: bool| BackendHealth {
            id: crate::mail::BackendId::new("onprem"),
            health: Health::Slow,
            reason: "it answers, but mail failed".to_owned(),
            since: "2026-12-31T00:00:00Z".parse().unwrap(),
            operator: None,
            remembered: false,
            failing,
        };
        let told =
            "onprem takes hardly any mail since 2026-12-31 00:00 UTC: it answers, but mail failed";
        assert_eq!(failing(&health(true)).as_deref(), Some(told));
        assert_eq!(failing(&health(false)), None);
    }
}
