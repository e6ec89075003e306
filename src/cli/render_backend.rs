//! A backend as text for people.

use super::render::Page;
use crate::admin::{BackendDetails, HostView};
use crate::backend::HealthChange;
use crate::terminal::moment;

/// Changes that are shown of a backend; `--json` has all that are known.
const CHANGES: usize = 10;

impl Page {
    /// `backend show`.
    pub(crate) fn backend(self, details: &BackendDetails) -> String {
        let mut text = self.backends(std::slice::from_ref(&details.backend));
        text.push('\n');
        for host in &details.backend.hosts {
            text.push_str(&self.field("host", &self.host(host)));
        }
        if let Some(said) = &details.backend.operator {
            text.push_str(&self.field("override", said));
        }
        if !details.backend.reason.is_empty() {
            text.push_str(&self.field("reason", &details.backend.reason));
        }
        if !details.asked.is_empty() {
            text.push_str(&self.field("asked for", &details.asked));
        }
        let protocol = format!("{:?}", details.protocol).to_lowercase();
        let tls = format!("{:?}", details.tls).to_lowercase();
        text.push_str(&self.field("protocol", &format!("{protocol}, TLS {tls}")));
        for told in &details.tls_proof {
            text.push_str(&self.field("", told));
        }
        if let Some(username) = &details.username {
            text.push_str(&self.field("login", username));
        }
        let rate = match details.messages_per_minute {
            0 => "no limit of messages a minute".to_owned(),
            rate => format!("{rate} messages a minute"),
        };
        text.push_str(&self.field(
            "limits",
            &format!("{} connections, {rate}", details.max_connections),
        ));
        let mailbox = format!(
            "of the backlog {} a minute, {} an hour (0: no limit)",
            details.mailbox_messages_per_minute, details.mailbox_messages_per_hour
        );
        text.push_str(&self.field("each mailbox", &mailbox));
        let sender = format!(
            "{} messages a minute, {} recipients a day (0: no limit)",
            details.sender_messages_per_minute, details.sender_recipients_per_day
        );
        text.push_str(&self.field("each sender", &sender));
        if let Some(window) = details.backend.drain.progress.window {
            let slowly = if details.slow_open {
                "opens slowly after trouble"
            } else {
                "opens quickly after trouble"
            };
            let max = details.max_connections;
            text.push_str(&self.field("window", &format!("{window} of {max} now; {slowly}")));
        }
        text.push_str(&self.drain(&details.backend));
        let probe = &details.probe;
        let asks = probe
            .recipient
            .as_ref()
            .map_or_else(String::new, |address| format!(", asks for {address}"));
        text.push_str(&self.field(
            "probe",
            &format!(
                "every {} s, down after {} failures, up after {} successes{asks}",
                probe.interval_seconds, probe.down_after, probe.up_after
            ),
        ));
        text.push_str(&self.changes(&details.history));
        text
    }

    fn host(self, host: &HostView) -> String {
        let at = host.at.map(|at| moment(at, self.now)).unwrap_or_default();
        match host.good {
            None => format!("{}, not tried yet", host.address),
            Some(true) => format!("{}, answered at {at}", host.address),
            Some(false) => format!("{}, failed at {at}: {}", host.address, host.reason),
        }
    }

    /// The last changes, newest first.
    fn changes(self, history: &[HealthChange]) -> String {
        let mut text = String::new();
        for (number, change) in history.iter().rev().take(CHANGES).enumerate() {
            let label = if number == 0 { "history" } else { "" };
            let told = format!("{}  {change}", moment(change.at, self.now));
            text.push_str(&self.field(label, &told));
        }
        let more = history.len().saturating_sub(CHANGES);
        if more > 0 {
            let told = format!("and {more} earlier ones: --json");
            text.push_str(&self.field("", &told));
        }
        text
    }
}
