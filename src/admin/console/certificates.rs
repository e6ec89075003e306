//! Certificates that end soon, have ended, or were not taken, and senders and devices near their
//! limits, as matters of the overview.

use super::verdict::{Matter, Tone, sentence};
use crate::admin::StatusView;
use crate::notice::Severity;
use crate::terminal::visible;

/// One for each.
pub(super) fn matters(status: &StatusView) -> impl Iterator<Item = Matter> {
    status.certificates.iter().map(|trouble| Matter {
        tone: match trouble.severity {
            Severity::Critical => Tone::Trouble,
            Severity::Info | Severity::Warning => Tone::Waiting,
        },
        what: sentence(&visible(&trouble.what)),
        next: sentence(&trouble.todo),
        command: "tideover check".to_owned(),
        page: None,
    })
}

/// Senders and devices that have had nearly all recipients of their day; devices that end soon.
pub(super) fn sending(status: &StatusView) -> impl Iterator<Item = Matter> {
    status.sending.iter().map(|trouble| Matter {
        tone: match trouble.severity {
            Severity::Critical => Tone::Trouble,
            Severity::Info | Severity::Warning => Tone::Waiting,
        },
        what: sentence(&visible(&trouble.what)),
        next: sentence(&visible(&trouble.todo)),
        command: "tideover status".to_owned(),
        page: None,
    })
}
