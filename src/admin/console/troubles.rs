//! What `status` tells in whole sentences, as matters of the overview: certificates, senders and
//! devices near their limits, content filters, segments of the log that are gone.

use super::verdict::{Matter, Tone, sentence};
use crate::admin::StatusView;
use crate::filter::FilterStatus;
use crate::notice::Severity;
use crate::terminal::visible;

/// Certificates that end soon, have ended, or were not taken.
pub(super) fn certificates(status: &StatusView) -> impl Iterator<Item = Matter> {
    status.certificates.iter().map(|trouble| Matter {
        tone: tone(trouble.severity),
        what: sentence(&visible(&trouble.what)),
        next: sentence(&trouble.todo),
        command: "tideover check".to_owned(),
        page: None,
    })
}

/// Senders and devices that have had nearly all recipients of their day; devices that end soon.
pub(super) fn sending(status: &StatusView) -> impl Iterator<Item = Matter> {
    status.sending.iter().map(|trouble| Matter {
        tone: tone(trouble.severity),
        what: sentence(&visible(&trouble.what)),
        next: sentence(&visible(&trouble.todo)),
        command: "tideover status".to_owned(),
        page: None,
    })
}

/// Content filters that do not answer, or not all.
pub(super) fn filters(status: &StatusView) -> impl Iterator<Item = Matter> {
    let problems = status.filters.iter().filter_map(FilterStatus::problem);
    problems.map(|what| Matter {
        tone: Tone::Trouble,
        what: sentence(&visible(&what)),
        next: "Is it running, may tideover open its socket, and has it enough to work with? \
               docs/filters.md."
            .to_owned(),
        command: "tideover check".to_owned(),
        page: None,
    })
}

/// Segments of the log that are gone, and the mail that stood there.
pub(super) fn segments(status: &StatusView) -> Option<Matter> {
    let missing = status.spool.missing.as_ref()?;
    Some(Matter {
        tone: Tone::Trouble,
        what: sentence(&visible(&missing.to_string())),
        next: "Is a volume not mounted, or was a restore not whole? Stop the server and bring the \
               files back: docs/operations/damage.md."
            .to_owned(),
        command: "tideover spool verify".to_owned(),
        page: None,
    })
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical => Tone::Trouble,
        Severity::Info | Severity::Warning => Tone::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use crate::admin::console::moments::Moments;
    use crate::admin::console::tests::{drilled, healthy, status};
    use crate::admin::console::verdict::{Facts, Verdict};

    /// Also when something else is wrong.
    #[test]
    fn a_filter_that_is_silent_and_a_segment_that_is_gone_are_told() {
        let status = status(&json!({
            "missing_mail": 1,
            "spool": {
                "missing": { "segments": 1, "named": [5], "waiting": 50, "finished": 2 },
            },
            "filters": [{ "name": "clamav", "protocol": "clamd", "address": "127.0.0.1:3310",
                          "on_failure": "accept", "failing_since": "2026-03-02T02:14:00Z",
                          "reason": "refused", "unchecked": 7 }],
        }));
        let verdict = Verdict::of(Facts {
            status: &status,
            health: &healthy(),
            drill: &drilled(&[]),
            moments: &Moments {
                now: "2026-03-02T02:51:00Z".parse().unwrap(),
                zone: TimeZone::UTC,
            },
        });
        let told = |start: &str, what: &str| {
            let mut all = verdict.matters.iter();
            all.any(|one| one.what.starts_with(start) && one.what.contains(what))
        };
        let stood = "there stood 50 messages, not delivered yet";
        assert!(
            told("Segment 5 of the log is missing", stood),
            "{verdict:?}"
        );
        assert!(told("The content filter clamav", "7 so far"), "{verdict:?}");
        assert_eq!(verdict.matters.len(), 3, "{verdict:?}");
    }
}
