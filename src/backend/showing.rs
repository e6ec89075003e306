//! What the board shows: how each backend is, all in all, and what it went through.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use metrics::counter;
use tokio::sync::watch;

use super::board::{Board, Entry, Healths};
use super::history::{Became, History};
use super::{BackendHealth, Health, Wish};
use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::telemetry::names;

impl Board {
    /// How a backend is; `None` when the config has no such backend.
    #[must_use]
    pub fn health(&self, backend: &BackendId) -> Option<BackendHealth> {
        self.0.healths.borrow().get(backend).cloned()
    }

    /// How all are, as one consistent map; costs a pointer.
    #[must_use]
    pub fn healths(&self) -> Arc<Healths> {
        self.0.healths.borrow().clone()
    }

    /// How all are, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<BackendHealth> {
        self.healths().values().cloned().collect()
    }

    /// Shows everybody how the backends are after a change at `now`; under the lock of `entries`,
    /// so that the map never goes back in time.
    pub(super) fn show(&self, entries: &BTreeMap<BackendId, Entry>, now: Timestamp) {
        let healths = self.healths_of(entries);
        self.record(&healths, entries, now);
        self.0.healths.send_replace(healths);
    }

    /// Writes down what changed since everybody was shown the backends last: here, so that no
    /// change of health and no word of an operator goes by without its reason.
    fn record(&self, healths: &Healths, entries: &BTreeMap<BackendId, Entry>, now: Timestamp) {
        let before = self.healths();
        for (id, new) in healths {
            let Some(old) = before.get(id) else { continue };
            let mut histories = self.histories();
            let mut note = |became: Became, reason: &str, actor: &str| {
                let history = histories.entry(id.clone()).or_default();
                let rejecting = entries.get(id).and_then(|it| it.breaker.rejecting());
                let case = rejecting.filter(|_| became == Became::Rejecting);
                history.push(now, (became, reason, actor), case);
                if became == Became::Slow && new.failing {
                    history.mark_failing();
                }
                let word = became.as_str();
                tracing::warn!(backend = %id, became = word, actor, reason, "backend changed");
                if became.is_health() {
                    counter!(
                        names::HEALTH_CHANGES,
                        "backend" => id.to_string(), "health" => became.as_str()
                    )
                    .increment(1);
                }
                self.0.news.notify_one();
            };
            if old.operator != new.operator
                && let Some(said) = self.overrides().get(id)
            {
                note(Became::from(said.wish), &said.reason, &said.actor);
            }
            // One that asked for less may begin to fail mail, or end: it stays slow.
            if old.health != new.health || old.failing != new.failing {
                note(Became::from(new.health), &new.reason, "");
            }
        }
    }

    /// What each backend went through.
    pub(super) fn histories(&self) -> MutexGuard<'_, BTreeMap<BackendId, History>> {
        let histories = self.0.histories.lock();
        histories.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a history has something new.
    pub(super) async fn changed_history(&self) {
        self.0.news.notified().await;
    }

    /// Wakes when a backend goes down or up, and when the config changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Healths>> {
        self.0.healths.subscribe()
    }

    pub(super) fn healths_of(&self, entries: &BTreeMap<BackendId, Entry>) -> Arc<Healths> {
        let overrides = self.overrides();
        let healths = entries.iter().map(|(id, entry)| {
            let said = overrides.get(id).filter(|said| said.wish != Wish::Resume);
            let mut health = BackendHealth {
                operator: said.cloned(),
                ..entry.detector.health().clone()
            };
            // One that does not answer refuses nobody: that it is down is the news.
            if let Some(rejecting) = entry.breaker.rejecting()
                && health.health != Health::Down
            {
                health.health = Health::Rejecting;
                health.failing = false;
                health.reason.clone_from(&rejecting.reason);
                health.since = rejecting.since;
            } else if let Some((ended, why)) = entry.breaker.ended()
                && health.health != Health::Down
                && ended >= health.since
            {
                health.since = ended;
                if health.health == Health::Up {
                    why.as_str().clone_into(&mut health.reason);
                }
            }
            (id.clone(), health)
        });
        Arc::new(healths.collect())
    }
}
