//! What backends refused and nobody has decided, on the overview: how many, or that it is not
//! known.

use super::moments::{grouped, many};
use super::verdict::{Matter, Tone, sentence};
use crate::admin::{CaseNumbers, StatusView};
use crate::terminal::visible;

/// Somebody has to decide, or nobody knows whether.
pub(super) fn matter(status: &StatusView) -> Option<Matter> {
    if let Some(why) = &status.cases.unknown {
        // That the index is being made is a matter of its own.
        return status.spool.index.is_none().then(|| Matter {
            tone: Tone::Trouble,
            what: sentence(&visible(&format!(
                "Whether cases wait for a decision is not known: {why}"
            ))),
            next: "Nothing bounces meanwhile. Look at the disk of data_dir and at the log of \
                   tideover."
                .to_owned(),
            command: "tideover cases".to_owned(),
            page: None,
        });
    }
    let cases = status.cases.cases.filter(|count| *count > 0)?;
    Some(Matter {
        tone: Tone::Trouble,
        what: format!(
            "{} with {} of known people {} for a decision: a backend refused their mail.",
            many(cases, "case"),
            many(status.cases.recipients.unwrap_or_default(), "recipient"),
            if cases == 1 { "waits" } else { "wait" },
        ),
        next: "Nothing bounces. Mend the cause at the backend, then release the case.".to_owned(),
        command: "tideover cases".to_owned(),
        page: Some(("/cases".to_owned(), "Look at the cases".to_owned())),
    })
}

/// The number of cases, what it means, and how bad it is.
pub(super) fn number(cases: &CaseNumbers) -> (String, String, Tone) {
    let Some(count) = cases.cases else {
        let why = cases.unknown.as_deref().unwrap_or_default();
        return ("not known".to_owned(), visible(why), Tone::Waiting);
    };
    let recipients = many(cases.recipients.unwrap_or_default(), "recipient");
    let tone = if count == 0 {
        Tone::Good
    } else {
        Tone::Trouble
    };
    (grouped(count), format!("{recipients} refused"), tone)
}

/// Recipients of a backend that are held because it refused them; nothing to say when there are
/// none.
pub(super) fn held(in_cases: Option<u64>) -> Option<String> {
    match in_cases {
        Some(0) => None,
        Some(count) => Some(format!("{} held in cases", grouped(count))),
        None => Some("how many are held in cases is not known".to_owned()),
    }
}
