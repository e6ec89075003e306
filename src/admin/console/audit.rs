//! Who changed what, from where and why: the audit log.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Question};
use super::fault::Fault;
use super::moments::When;
use super::shell::{Here, Shell, show_with};
use crate::admin::{AuditOutcome, AuditPage};
use crate::terminal::visible;

/// Entries on a page.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "console/audit.html")]
struct Page {
    shell: Shell,
    by: String,
    what: String,
    error: Option<String>,
    entries: Vec<Row>,
    next: Option<String>,
}

/// Something that somebody did, or was refused.
struct Row {
    at: When,
    who: String,
    role: &'static str,
    from: String,
    what: String,
    path: String,
    reason: String,
    tone: &'static str,
    outcome: &'static str,
    told: String,
    left_out: u64,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let mut pairs = vec![format!("limit={SHOWN}")];
    for name in ["by", "what", "after"] {
        let text = fields.some(name);
        pairs.extend(text.map(|text| format!("{name}={}", escaped(text))));
    }
    let path = format!("/api/audit?{}", pairs.join("&"));
    let answer: Result<AuditPage, Fault> = console.ask(&asker).get(&path).await;
    let (found, error) = match answer {
        Ok(found) => (found, None),
        Err(fault) if fault.status.is_client_error() => {
            let none = AuditPage {
                entries: Vec::new(),
                next: None,
            };
            (none, Some(fault.what))
        }
        Err(fault) => return Err(fault),
    };
    let (by, what) = (fields.text("by").to_owned(), fields.text("what").to_owned());
    let moments = console.moments();
    let entries = found.entries.iter().map(|entry| Row {
        at: moments.when(entry.at),
        who: visible(&entry.who),
        role: entry.role.map_or("", crate::admin::Role::word),
        from: visible(&entry.from),
        what: visible(&moments.readable(&entry.deed())),
        path: visible(&entry.path),
        reason: visible(&entry.reason),
        tone: match entry.outcome {
            AuditOutcome::Done => "done",
            AuditOutcome::Asked | AuditOutcome::Looked => "waiting",
            AuditOutcome::Refused | AuditOutcome::Failed => "trouble",
        },
        outcome: entry.outcome.as_str(),
        told: visible(&entry.told),
        left_out: entry.left_out,
    });
    let status = match error {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let page = Page {
        shell: console.shell(&asker, Here::Audit, "Audit log"),
        entries: entries.collect(),
        next: found.next.map(|after| {
            format!(
                "/audit?by={}&what={}&after={}",
                escaped(&by),
                escaped(&what),
                escaped(&after)
            )
        }),
        error,
        by,
        what,
    };
    show_with(status, &page)
}
