//! One message: its envelope, what was found out about its sender, and what became of each of its
//! recipients. Bodies are not shown here.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Question};
use super::fault::Fault;
use super::kinds::offered;
use super::moments::{Moments, When};
use super::queue::{sender, tone};
use super::shell::{Here, Shell, show};
use crate::admin::{ExplainView, MessageView, RecipientView, SelectQuery, SelectView, TraceView};
use crate::mail::SpoolId;
use crate::route::{Selection, ShownState};
use crate::terminal::{bytes, visible};

/// Recipients whose history is shown at once. Of more, the rest is told by the verb.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "console/message.html")]
struct Page {
    shell: Shell,
    id: String,
    subject: String,
    /// Name and value.
    facts: Vec<(&'static str, String)>,
    group: Option<(String, String)>,
    recipients: Vec<Recipient>,
    more: usize,
    /// What can be done to what waits of it.
    deeds: Vec<(&'static str, &'static str)>,
}

struct Recipient {
    address: String,
    tone: &'static str,
    state: &'static str,
    reason: String,
    /// Name and value.
    facts: Vec<(&'static str, String)>,
    events: Vec<(When, String, String)>,
    explain: String,
}

pub(super) async fn page(
    State(console): State<Console>,
    Path(id): Path<String>,
    asker: Asker,
) -> Result<Response, Fault> {
    let message = find(&console, &asker, &id).await?;
    let moments = console.moments();
    let waits = message
        .recipients
        .iter()
        .any(|one| !one.state.is_finished());
    let deeds = if waits {
        fitting((&console, &asker), message.id).await
    } else {
        Vec::new()
    };
    let recipients = message.recipients.iter().take(SHOWN);
    show(&Page {
        id: message.id.to_string(),
        subject: visible(message.subject.as_deref().unwrap_or("(no subject)")),
        facts: facts(&message, &moments),
        group: message
            .expanded
            .as_ref()
            .map(|from| (visible(&from.group), from.message.to_string())),
        recipients: recipients
            .map(|one| Recipient::new(one, &moments))
            .collect(),
        more: message.recipients.len().saturating_sub(SHOWN),
        deeds,
        shell: console.shell(&asker, Here::Queue, &message.id.to_string()),
    })
}

/// What he may do to what waits of a message, as far as there is a recipient to whom it can be
/// done: what a case holds is not held once more. When that cannot be asked, all of it.
async fn fitting(
    (console, asker): (&Console, &Asker),
    id: SpoolId,
) -> Vec<(&'static str, &'static str)> {
    let mut deeds = Vec::new();
    for kind in offered(asker) {
        let query = SelectQuery {
            selection: Selection {
                message: Some(id),
                ..Selection::default()
            },
            deed: Some(kind.deed),
            ..SelectQuery::default()
        };
        let found = console.ask(asker).post("/api/queue/select", &query).await;
        if found.is_ok_and(|found: SelectView| found.recipients == 0) {
            continue;
        }
        deeds.push((kind.word, kind.name));
    }
    deeds
}

/// In the spool, or else in the ledger.
async fn find(console: &Console, asker: &Asker, id: &str) -> Result<MessageView, Fault> {
    let ask = console.ask(asker);
    let spooled = ask.get(&format!("/api/messages/{}", escaped(id))).await;
    match spooled {
        Err(fault) if fault.status == StatusCode::NOT_FOUND => {
            let traced = format!("/api/trace?of={}&limit=1", escaped(id));
            let traced: TraceView = match ask.get(&traced).await {
                Ok(traced) => traced,
                Err(other) if other.status == StatusCode::NOT_FOUND => return Err(fault),
                // A ledger that cannot be read does not say that there is no such message.
                Err(other) => return Err(other),
            };
            let found = traced.messages.into_iter().next();
            found.filter(|one| one.id.to_string() == id).ok_or(fault)
        }
        other => other,
    }
}

fn facts(message: &MessageView, moments: &Moments) -> Vec<(&'static str, String)> {
    let peer = &message.peer;
    let mut facts = vec![
        ("Accepted", moments.since(message.received)),
        ("Envelope from", sender(&message.from)),
    ];
    let known = [
        ("From", &message.header_from),
        ("Message-ID", &message.message_id),
        ("Logged in as", &peer.user),
        ("Device", &peer.device),
        ("TLS", &peer.tls),
        ("Certificate", &peer.certificate),
    ];
    for (name, value) in known {
        facts.extend(value.as_ref().map(|value| (name, visible(value))));
    }
    facts.extend(
        message
            .tls_wish
            .map(|wish| ("TLS on its way", wish.to_string())),
    );
    facts.push(("Size", bytes(message.size)));
    let peer = match peer.address.as_str() {
        "" => format!("tideover itself, {}", peer.protocol),
        address => format!("{address}, {}, {}", peer.helo, peer.protocol),
    };
    facts.push(("Handed in by", visible(&peer)));
    if let Some(verdict) = &message.verdict {
        let results = verdict.results.iter();
        let results = results.map(|one| format!("{}={}", one.method.as_str(), one.result.as_str()));
        let results: Vec<String> = results.collect();
        facts.push(("Sender checked", results.join(", ")));
    }
    if !message.filtered.is_empty() {
        let results: Vec<String> = message.filtered.iter().map(ToString::to_string).collect();
        facts.push(("Content filters", visible(&results.join(", "))));
    }
    if let Some(automatic) = &message.automatic
        && let Some(kind) = automatic.kind
    {
        let what = format!("{kind}: {}", automatic.sign);
        facts.push(("Automatic answer", visible(&what)));
    }
    facts
}

impl Recipient {
    fn new(view: &RecipientView, moments: &Moments) -> Self {
        let mut facts = Vec::new();
        let backend = view.backend.as_ref().map(ToString::to_string);
        let diverted = view.diverted_from.as_ref().map(ToString::to_string);
        let known = [
            ("Backend", backend),
            ("Instead of", diverted),
            ("Delivered as", view.delivery_address.clone()),
            ("The next hop said", view.reply.clone()),
            ("Next attempt", view.due.map(|due| moments.since(due))),
        ];
        for (name, value) in known {
            facts.extend(value.map(|value| (name, visible(&value))));
        }
        if view.attempts > 0 {
            facts.push(("Attempts", view.attempts.to_string()));
        }
        if view.uncertain {
            let what = match view.state {
                ShownState::Bounced | ShownState::Dropped => "it has arrived all the same",
                ShownState::Queued
                | ShownState::Held
                | ShownState::Delivered
                | ShownState::Expanded => "a copy has come twice",
            };
            facts.push(("Perhaps", what.to_owned()));
        }
        let events = view.events.iter();
        Self {
            address: visible(&view.address),
            tone: tone(view.state),
            state: view.state.as_str(),
            reason: visible(&view.reason),
            facts,
            events: events
                .map(|one| {
                    (
                        moments.when(one.at),
                        one.event.clone(),
                        visible(&one.detail),
                    )
                })
                .collect(),
            explain: format!("/directory?address={}", escaped(&view.address)),
        }
    }
}

#[derive(Template)]
#[template(path = "console/trace.html")]
struct TracePage {
    shell: Shell,
    of: String,
    error: Option<(String, String)>,
    found: Vec<Found>,
    more: bool,
    gaps: u64,
}

/// A message that was looked for.
struct Found {
    id: String,
    subject: String,
    from: String,
    received: When,
    recipients: Vec<(String, &'static str, &'static str)>,
}

/// What became of a message, or of the mail of an address.
pub(super) async fn trace(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let of = fields.text("of").to_owned();
    let mut page = TracePage {
        shell: console.shell(&asker, Here::Trace, "Trace"),
        of: of.clone(),
        error: None,
        found: Vec::new(),
        more: false,
        gaps: 0,
    };
    if !of.is_empty() {
        let path = format!("/api/trace?of={}&limit=50", escaped(&of));
        match console.ask(&asker).get::<TraceView>(&path).await {
            Ok(view) => {
                let moments = console.moments();
                page.found = view
                    .messages
                    .iter()
                    .map(|one| found(one, &moments))
                    .collect();
                (page.more, page.gaps) = (view.more, view.ledger_gaps);
            }
            Err(fault) if fault.status.is_client_error() => {
                page.error = Some((fault.what, fault.hint));
            }
            Err(fault) => return Err(fault),
        }
    }
    show(&page)
}

fn found(message: &MessageView, moments: &Moments) -> Found {
    let recipients = message.recipients.iter().take(10);
    Found {
        id: message.id.to_string(),
        subject: visible(message.subject.as_deref().unwrap_or("(no subject)")),
        from: sender(&message.from),
        received: moments.when(message.received),
        recipients: recipients
            .map(|one| (visible(&one.address), tone(one.state), one.state.as_str()))
            .collect(),
    }
}

/// Why an address goes where it goes, for the page of the directory.
pub(super) async fn explain(
    console: &Console,
    asker: &Asker,
    address: &str,
) -> Result<ExplainView, Fault> {
    let path = format!("/api/explain?address={}", escaped(address));
    console.ask(asker).get(&path).await
}
