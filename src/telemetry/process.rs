//! What the process itself takes. Linux says so in `/proc`; where it does not, nothing is said.

use std::fs;
use std::time::Duration;

use metrics::gauge;

use super::names;

/// The process has started: so long after the beginning of 1970.
pub fn started(since_epoch: Duration) {
    gauge!(names::PROCESS_START).set(since_epoch.as_secs_f64());
}

/// Sets the gauges of the process to what is true now. Reads files: once for each look.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody has 2^53 bytes of memory, or files"
)]
pub fn measure() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = resident(&status) {
        gauge!(names::PROCESS_RESIDENT_BYTES).set(bytes as f64);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the look itself.
        let files = files.count().saturating_sub(1);
        gauge!(names::PROCESS_OPEN_FILES).set(files as f64);
    }
}

/// `VmRSS` of `/proc/self/status`, proc(5): in kB, by which it means 1,024 bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn the_memory_is_read_and_nothing_is_made_up() {
        let text = "Name:\tx\nVmHWM:\t    9 kB\nVmRSS:\t   120 kB\nThreads:\t3\n";
        assert_eq!(resident(text), Some(122_880));
        for odd in [
            "",
            "VmRSS:",
            "VmRSS:\t12 MB",
            "VmRSS:\t-1 kB",
            "VmRSS: 99999999999999999999 kB",
        ] {
            assert_eq!(resident(odd), None, "{odd}");
        }
        assert_eq!(resident("VmRSS:\t18446744073709551615 kB"), None);
    }

    #[test]
    fn a_running_process_has_memory_files_and_a_beginning() {
        let recorder = Metrics::install().unwrap();
        started(Duration::from_secs(1_795_000_000));
        measure();
        let text = recorder.render();
        let value = |name: &str| -> f64 {
            let found = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name} ")));
            found.unwrap_or("0").parse().unwrap()
        };
        assert!(
            (value(names::PROCESS_START) - 1_795_000_000.0).abs() < 1.0,
            "{text}"
        );
        assert!(value(names::PROCESS_RESIDENT_BYTES) > 100_000.0, "{text}");
        assert!(value(names::PROCESS_OPEN_FILES) >= 2.0, "{text}");
    }
}
