//! Metrics in the Prometheus text format.

use std::sync::{Mutex, OnceLock, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::names;

/// Buckets of times, in seconds: a fast disk, a slow one, a minute, an outage of days.
const SECONDS: [f64; 14] = [
    0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0, 432_000.0,
];
/// Buckets of counts.
const COUNTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1_024.0];

/// A process has one recorder: the metrics macros go to it from everywhere.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
static INSTALLING: Mutex<()> = Mutex::new(());

/// The recorder of the process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Recorder);

#[derive(Clone)]
struct Recorder(PrometheusHandle);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

/// The recorder cannot be installed.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be recorded: {0}")]
pub struct MetricsError(#[from] BuildError);

impl Metrics {
    /// Installs the recorder, or gives the one that is installed.
    ///
    /// # Errors
    /// When something else records the metrics of this process.
    pub fn install() -> Result<Self, MetricsError> {
        // One at a time: between two of them the recorder is there, and not yet its handle.
        let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = RECORDER.get() {
            return Ok(Self(Recorder(handle.clone())));
        }
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_records".to_owned()), &COUNTS)?
            .install_recorder()?;
        names::describe();
        Ok(Self(Recorder(RECORDER.get_or_init(|| handle).clone())))
    }

    /// All metrics as text.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.0.render()
    }

    /// Folds collected samples into their buckets. To be called every few seconds: until then
    /// each sample takes memory (I7).
    pub fn upkeep(&self) {
        self.0.0.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_rendered_with_their_help() {
        let recorder = Metrics::install().unwrap();
        let same = Metrics::install().unwrap();
        metrics::gauge!(names::SPOOL_FREE_BYTES).set(17.0);
        metrics::histogram!(names::DELIVERY_SECONDS, "backend" => "onprem").record(0.02);
        same.upkeep();
        let text = recorder.render();
        // From the start, so that their first growth is seen; other tests of this process count.
        let plain = names::ALL
            .iter()
            .filter(|one| one.kind == names::Kind::Counter && one.labels.is_empty());
        for counter in plain {
            let line = format!("\n{} ", counter.name);
            assert!(text.contains(&line), "{}: {text}", counter.name);
        }
        assert!(text.contains("# HELP tideover_spool_free_bytes"), "{text}");
        assert!(
            text.contains("tideover_delivery_seconds_bucket{backend=\"onprem\",le=\"0.03\"} 1"),
            "{text}"
        );
    }
}
