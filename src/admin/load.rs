//! Whether strangers have to come later, as operators see it.

use metrics::gauge;

use super::Admin;
use super::conditions::Seen;
use crate::inbound::{Busy, Strain};
use crate::limits;
use crate::notice::{Kind, Severity};
use crate::telemetry::names;

/// What to do.
pub(super) const fn todo(strain: Strain) -> &'static str {
    match strain {
        Strain::Disk => {
            "Senders try again. Is the disk of data_dir slow, or does something else use it? \
             iostat; limits.commit_wait."
        }
        Strain::Memory => {
            "Senders try again. Who holds so many connections? The log says who comes; \
             limits.memory, limits.connections_per_address."
        }
        Strain::Places => {
            "Senders try again. Who holds so many connections? The log says who comes; \
             limits.connections, limits.connections_per_address; limits.reserved_for for whose \
             mail must come in."
        }
    }
}

impl Admin {
    /// Why strangers are told to come later, if they are.
    pub(super) fn busy(&self) -> Option<Busy> {
        self.load.told()
    }

    /// The same for `/health`.
    pub(super) fn busy_problem(&self) -> Option<String> {
        self.busy().map(told)
    }

    /// Notices tell what lasts: a peak passes by itself.
    pub(super) fn see_load(&self, seen: &mut Seen) {
        if let Some(busy) = self.busy() {
            see(seen, busy);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge that is off by one part in 2^53 is as good"
    )]
    pub(super) fn set_load_gauges(&self) {
        gauge!(names::BUSY).set(f64::from(u8::from(self.load.look().is_some())));
        gauge!(names::CONNECTIONS_MEMORY).set(self.load.held() as f64);
        gauge!(names::COMMIT_WAIT).set(self.load.commit_wait().as_secs_f64());
    }
}

fn see(seen: &mut Seen, busy: Busy) {
    if busy.since.after(limits::BUSY_LASTS) <= seen.now {
        let how = (Severity::Critical, busy.strain.as_str());
        let what = (told(busy), todo(busy.strain));
        seen.add((Kind::Load, ""), how, Some(busy.since), what);
    }
}

fn told(busy: Busy) -> String {
    format!("strangers who send mail are told to come later: {busy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_is_told() {
        let busy = Busy {
            since: "2027-01-01T00:00:00Z".parse().unwrap(),
            strain: Strain::Disk,
        };
        for (now, expected) in [("00:00:01", 0), ("00:04:59", 0), ("00:05:00", 1)] {
            let mut seen = Seen::at(format!("2027-01-01T{now}Z").parse().unwrap());
            see(&mut seen, busy);
            let told: Vec<_> = seen.all.conditions.iter().map(|it| &*it.what).collect();
            assert_eq!(told.len(), expected, "{now}: {told:?}");
            let since = seen.all.conditions.first().map(|it| it.since);
            assert!(since.is_none_or(|since| since == busy.since));
        }
    }
}
