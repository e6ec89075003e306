//! Certificates that end soon, have ended, or were not taken, as matters of the overview.

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
