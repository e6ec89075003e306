//! Every metric of the program: its name, kind, labels and help, in one list.
//!
//! The list only grows: dashboards depend on it. `docs/metrics.md` is printed from it, and a test
//! keeps the page true.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process.
    Counter,
    /// The value now.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its labels, separated by commas.
    pub labels: &'static str,
    /// What it says, one sentence, with its unit.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $constant:ident = $name:literal [$labels:literal] $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// All metrics, in the order of the page.
        pub const ALL: &[Metric] = &[
            $(Metric { name: $name, kind: Kind::$kind, labels: $labels, help: $help },)*
        ];
    };
}

metrics! {
    Counter NOTICES = "tideover_notices_total" ["way, result"]
        "Notices to people, by way (mail, webhook, command) and result (sent, failed).";
    Gauge NOTICES_FAIL = "tideover_notices_fail" [""]
        "1: notices reach nobody on any way; else 0, also when nobody is told.";
    Counter LOG_LINES_DROPPED = "tideover_log_lines_dropped_total" [""]
        "Lines of the program's log that nobody took: who reads it is too slow, or gone.";
    Gauge CERTIFICATE_SECONDS = "tideover_certificate_seconds_left" ["use"]
        "Seconds until the first certificate of a use ends (mail, admin), below 0 when it has.";
    Counter ACME_ORDERS = "tideover_acme_orders_total" ["result"]
        "Certificates that were ordered from an authority, by result (made, failed).";
    Gauge CONNECTIONS = "tideover_connections" ["listener"]
        "SMTP connections that are open.";
    Counter CONNECTIONS_TOTAL = "tideover_connections_total" ["listener"]
        "SMTP connections taken.";
    Counter CLIENT_CERTIFICATES = "tideover_client_certificates_total" ["listener, outcome"]
        "Certificates that clients showed where listener.client_ca asks for one, by outcome \
         (verified, refused: it proves nothing).";
    Gauge BUSY = "tideover_busy" [""]
        "1 while strangers are told to come later (421 4.3.2), else 0.";
    Gauge CONNECTIONS_MEMORY = "tideover_connections_memory_bytes" [""]
        "Bytes that SMTP connections hold together, beside the bodies of messages.";
    Gauge COMMIT_WAIT = "tideover_commit_wait_seconds" [""]
        "Seconds that what is handed in waits to be on stable storage.";
    Counter MESSAGES_ACCEPTED = "tideover_messages_accepted_total" ["listener"]
        "Messages acknowledged with 250 after they were on stable storage.";
    Counter BYTES_ACCEPTED = "tideover_bytes_accepted_total" ["listener"]
        "Bytes of accepted messages.";
    Histogram RECEIPT_SECONDS = "tideover_receipt_seconds" ["listener"]
        "Seconds from the end of an accepted message to its 250: checks, filters and stable \
         storage.";
    Counter REFUSED = "tideover_refused_total" ["listener, code"]
        "Refusals (4yz and 5yz) given to clients, by reply code.";
    Counter SUBMISSION_LOGINS = "tideover_submission_logins_total" ["listener, mechanism, outcome"]
        "Logins of programs that hand in mail, and tries, by mechanism (SCRAM-SHA-256, PLAIN, \
         LOGIN) and outcome (in, wrong, second-step, shut, throttled, away, failed).";
    Counter AUTH_RESULTS = "tideover_auth_results_total" ["method, result"]
        "Results of checks of senders (method: iprev, spf, dkim, dmarc, arc, x-dnsbl; result: \
         the words of RFC 8601), one for each line of Authentication-Results.";
    Counter FILTERED = "tideover_filtered_total" ["filter, verdict"]
        "Messages that a content filter was to look at, by its verdict (clean, suspicious, bad, \
         unchecked).";
    Counter AUTOMATIC = "tideover_automatic_total" ["kind, way, deed"]
        "Recipients of automatic answers, and of mail that wished for one, by what it was (none: \
         no automatic answer), which way it went and what was done (allow, strip, hold, drop); \
         counted while the config has a policy for them.";
    Histogram FILTER_SECONDS = "tideover_filter_seconds" ["filter"]
        "Seconds that a message waited for a content filter.";
    Gauge FILTER_UP = "tideover_filter_up" ["filter"]
        "0 while a content filter does not answer, so that mail passes unchecked or is deferred; \
         else 1.";
    Counter ATTEMPTS = "tideover_attempts_total" ["backend, outcome"]
        "Attempts to deliver, by recipient and outcome (delivered, deferred, held, bounced); \
         strangers are counted under the backend \"@\".";
    Counter SENDER_PACED = "tideover_sender_paced_total" ["backend, limit"]
        "Recipients who wait because a sender of ours has sent a backend as much as it may, by \
         limit (minute, day).";
    Gauge SENDERS_NEAR_LIMIT = "tideover_senders_near_limit" [""]
        "Senders of ours that have had 90 % of the recipients of their day through a backend.";
    Gauge DEVICES_NEAR_LIMIT = "tideover_devices_near_limit" [""]
        "Devices that have had 90 % of the recipients that they may have today.";
    Gauge WEBMAIL_MAILBOXES = "tideover_webmail_mailboxes" ["domain"]
        "Mailboxes of the directory whose users could log in to the webmail.";
    Gauge WEBMAIL_ENROLLED = "tideover_webmail_enrolled" ["domain"]
        "Of them, those whose users can: they have set a password.";
    Gauge WEBMAIL_DEPARTED = "tideover_webmail_departed" [""]
        "Accounts of the webmail that nobody gets into, because their address is somebody else's.";
    Counter GROUPS_EXPANDED = "tideover_groups_expanded_total" [""]
        "Groups whose people got a message because the home was down.";
    Counter REPLAYED = "tideover_replayed_total" ["backend, outcome"]
        "Attempts of replays, by recipient and outcome (delivered, deferred, refused).";
    Counter WRITTEN_BACK = "tideover_written_back_total" ["backend, kind"]
        "What write-back has carried into mailboxes, by kind (sent, draft, state, filed, deleted, \
         copy).";
    Counter LANDED = "tideover_landed_total" ["backend, folder"]
        "Deliveries that were found in their mailbox, by recipient and what the folder is for \
         (inbox, other, archive, junk, trash …).";
    Gauge OPEN_RELAY = "tideover_open_relay" [""]
        "Tricks by which strangers can send through this server to strangers, at the last test. \
         There should be none.";
    Gauge LANDING_MISSING = "tideover_landing_missing" [""]
        "Delivered messages that are in no folder of their mailbox, by recipient.";
    Counter TLS_SESSIONS = "tideover_tls_sessions_total" ["policy, result"]
        "TLS sessions with strangers, by policy (tlsa, sts, no-policy-found, local) and result \
         (success, or a result-type of RFC 8460).";
    Histogram DELIVERY_SECONDS = "tideover_delivery_seconds" ["backend"]
        "Seconds from acceptance to delivery, by recipient; strangers are counted under the \
         backend \"@\".";
    Histogram QUEUE_SECONDS = "tideover_queue_seconds" ["backend"]
        "The same without the time on hold: of the message, and of the backend by an operator's \
         word.";
    Gauge QUEUED = "tideover_queued" ["lane"]
        "Recipients that wait for an attempt, in lanes whose backend takes mail; strangers are \
         counted under the lane \"@\".";
    Gauge HELD = "tideover_held" ["lane"]
        "Recipients that are held: by backend that is down, and one by one under the lane \"\".";
    Gauge UNCERTAIN = "tideover_uncertain" [""]
        "Recipients of which a copy may have come twice, or though they were given up.";
    Gauge OLDEST_SECONDS = "tideover_oldest_seconds" [""]
        "Age of the oldest message with an unfinished recipient, in seconds; 0 without one.";
    Gauge ATTENTION_MESSAGES = "tideover_attention_messages" [""]
        "Messages that wait for longer than queue.attention_after and ask for an administrator's \
         decision; 1000 stands for more, too.";
    Gauge BACKEND_UP = "tideover_backend_up" ["backend"]
        "1 while the backend takes mail (up, or slow because it asks for less), 0 while it does \
         not (down, rejecting, or slow because all mail fails).";
    Counter HEALTH_CHANGES = "tideover_backend_health_changes_total" ["backend, health"]
        "Changes of a backend's health, by the new health.";
    Counter PROBES = "tideover_probes_total" ["backend, result"]
        "Probes of a backend, by result (good, bad).";
    Counter DIRECTORY_SYNCS = "tideover_directory_syncs_total" ["source, result"]
        "Synchronisations of the directory with a source, by result (good, failed).";
    Gauge DRILL_GREEN = "tideover_drill_green" ["leg"]
        "1 when the last probe of a drill's leg came back in time, else 0.";
    Gauge DRILL_LATENCY = "tideover_drill_latency_seconds" ["leg"]
        "Seconds that the last probe of a drill's leg took; -1 when it did not come back.";
    Gauge DIRECTORY_SYNC_AGE = "tideover_directory_sync_age_seconds" ["source"]
        "Seconds since the last synchronisation with a source that went well; -1 before the first.";
    Counter X500_RECIPIENTS = "tideover_x500_recipients_total" [""]
        "Recipients of accepted messages that were found by an X.500 address (IMCEAEX).";
    Gauge SPOOL_BYTES = "tideover_spool_bytes" [""]
        "Bytes that the spool takes on disk.";
    Gauge SPOOL_FREE_BYTES = "tideover_spool_free_bytes" [""]
        "Bytes free on the disk of the spool.";
    Gauge SPOOL_SECONDS_LEFT = "tideover_spool_seconds_left" [""]
        "Seconds until new mail is refused at the traffic of the last day, if nothing can be \
         delivered; NaN while that is not known.";
    Gauge SPOOL_INDEX_SHARE = "tideover_spool_index_share" [""]
        "Share of the log that the index knows, 0 to 1. Below 1 mail is taken, and the rest waits.";
    Histogram COMMIT_SECONDS = "tideover_spool_commit_seconds" [""]
        "Seconds of one group commit: write and fdatasync.";
    Histogram COMMIT_RECORDS = "tideover_spool_commit_records" [""]
        "Records of one group commit.";
    Counter SPOOL_WRITE_ERRORS = "tideover_spool_write_errors_total" [""]
        "Group commits that failed: nothing of them was acknowledged.";
    Counter SPOOL_INDEX_ERRORS = "tideover_spool_index_errors_total" [""]
        "Failures of the index; it is made anew from the log at the next start.";
    Gauge UNBALANCED = "tideover_unbalanced_messages" [""]
        "Messages and sums that do not add up: now, and at the last round (every 10 minutes).";
    Gauge SPOOL_QUARANTINED = "tideover_spool_quarantined" [""]
        "Damaged pieces of the spool in quarantine.";
    Counter SPOOL_DAMAGED = "tideover_spool_damaged_total" [""]
        "Damaged parts of the log that were found and copied to quarantine.";
    Counter LOGINS = "tideover_webmail_logins_total" ["way, outcome"]
        "Logins at the webmail and tries, by way (password, directory, code, recovery, passkey, \
         invitation, provider) and outcome (in, half, wrong, throttled, away, failed, begun); \
         half: the second step is asked for; begun: somebody goes to the provider.";
    Counter OUTBOUND_CONNECTIONS = "tideover_outbound_connections_total" ["backend, result"]
        "Connections tried to hosts of next hops, by result (good, bad); strangers and relays are \
         counted under the backend \"@\".";
    Gauge CASES = "tideover_cases" ["backend"]
        "Cases that wait for an administrator's decision: refusals of known recipients, grouped by \
         what the backend said.";
    Gauge CASE_RECIPIENTS = "tideover_case_recipients" ["backend"]
        "Recipients of those cases.";
    Gauge PROCESS_RESIDENT_BYTES = "tideover_process_resident_bytes" [""]
        "Bytes of memory that the process has.";
    Gauge PROCESS_OPEN_FILES = "tideover_process_open_files" [""]
        "Files and sockets that the process has open.";
    Gauge PROCESS_START = "tideover_process_start_seconds" [""]
        "When the process started, in seconds since 1970.";
    Gauge BACKEND_REJECTING = "tideover_backend_rejecting" ["backend"]
        "1 while the backend refuses known recipients alike and gets trials only, else 0.";
}

/// Gives every metric its help text in the installed recorder. Counters that are one series begin
/// with 0: of one that is first seen with a 1, Prometheus does not know that it grew.
pub(super) fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => {
                metrics::describe_counter!(metric.name, metric.help);
                if metric.labels.is_empty() {
                    metrics::counter!(metric.name).increment(0);
                }
            }
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

/// The text of `docs/metrics.md`.
#[must_use]
pub fn page() -> String {
    use std::fmt::Write as _;
    let mut page = String::from(
        "# Metrics\n\n\
         Served in the Prometheus text format at `/metrics` of `[admin] bind`. Names and labels\n\
         are never renamed. This page is printed from `src/telemetry/names.rs`; a test keeps the\n\
         two equal.\n\n\
         | metric | kind | labels | meaning |\n\
         | --- | --- | --- | --- |\n",
    );
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a String cannot fail.
        writeln!(
            page,
            "| `{}` | {kind} | {} | {} |",
            metric.name, metric.labels, metric.help
        )
        .ok();
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_true() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let written = std::fs::read_to_string(root.join("docs/metrics.md")).unwrap_or_default();
        if written != page() {
            let fresh = root.join("target/metrics.md");
            std::fs::write(&fresh, page()).unwrap();
            panic!(
                "docs/metrics.md is out of date: cp {} docs/metrics.md",
                fresh.display()
            );
        }
    }

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} twice", metric.name);
            assert!(metric.name.starts_with("tideover_"), "{}", metric.name);
            let counts = metric.name.ends_with("_total");
            assert_eq!(counts, metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
