//! What waits, page by page.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::act::expect_offered;
use super::asker::{Asker, Fields, Question};
use super::fault::Fault;
use super::filter::Filter;
use super::kinds::{Kind, offered};
use super::moments::{Moments, When, many};
use super::shell::{Here, Shell, show, show_with};
use crate::admin::{BackendView, QueueItem, SelectQuery, SelectView};
use crate::mail::{HoldReason, SpoolId};
use crate::route::ShownState;
use crate::terminal::visible;

/// Recipients on a page.
const SHOWN: usize = 50;
/// Of one message: it may have thousands.
const OF_ONE: usize = 20;
/// Questions to the API for one page; each looks at 200 messages at most. Beyond: the page says how
/// far it has looked, and goes on from there.
const QUESTIONS: usize = 20;

#[derive(Template)]
#[template(path = "console/queue.html")]
struct Page {
    shell: Shell,
    form: Form,
    error: Option<String>,
    rows: Vec<Row>,
    /// Messages that were looked at.
    seen: u64,
    /// Where it goes on.
    next: Option<String>,
    is_first: bool,
    is_filtered: bool,
    first: String,
    deeds: Vec<(&'static str, &'static str, String)>,
    /// Some are left out, because they do not go with this filter.
    is_less: bool,
}

/// The form of the filter, with what was typed.
struct Form {
    state: String,
    backend: String,
    reason_kind: String,
    recipient: String,
    sender: String,
    domain: String,
    older: String,
    hold: String,
    before: String,
    backends: Vec<String>,
    kinds: &'static [&'static str],
}

/// A recipient that waits.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) recipient: String,
    pub(super) tone: &'static str,
    pub(super) state: &'static str,
    pub(super) reason: String,
    pub(super) backend: String,
    pub(super) received: When,
    pub(super) due: Option<When>,
    pub(super) attempts: u32,
    pub(super) from: String,
    pub(super) subject: String,
    /// More recipients of the same message that match and are not shown.
    pub(super) more: Option<String>,
}

impl Row {
    pub(super) fn new(item: &QueueItem, moments: &Moments) -> Self {
        Self {
            id: item.id.to_string(),
            recipient: visible(&item.recipient),
            tone: tone(item.state),
            state: item.state.as_str(),
            reason: visible(&item.reason),
            backend: item
                .backend
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            received: moments.when(item.received),
            due: item.due.map(|due| moments.when(due)),
            attempts: item.attempts,
            from: sender(&item.from),
            subject: visible(item.subject.as_deref().unwrap_or("(no subject)")),
            more: None,
        }
    }
}

/// A reverse-path for people.
pub(super) fn sender(from: &str) -> String {
    if from.is_empty() {
        "<> (a report or an automatic answer)".to_owned()
    } else {
        visible(from)
    }
}

/// The class of the style sheet for a state.
pub(super) const fn tone(state: ShownState) -> &'static str {
    match state {
        ShownState::Delivered | ShownState::Expanded => "done",
        ShownState::Queued | ShownState::Held => "waiting",
        ShownState::Bounced | ShownState::Dropped => "trouble",
    }
}

impl Form {
    fn new(fields: &Fields, backends: &[BackendView]) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
            state: text("state"),
            backend: text("backend"),
            reason_kind: text("reason-kind"),
            recipient: text("recipient"),
            sender: text("sender"),
            domain: text("domain"),
            older: text("older"),
            hold: text("hold"),
            before: text("before"),
            backends: backends.iter().map(|one| one.name.to_string()).collect(),
            kinds: &HoldReason::KINDS,
        }
    }
}

/// What was found for a page.
struct Found {
    /// How many match, by message.
    matching: BTreeMap<SpoolId, usize>,
    items: Vec<QueueItem>,
    seen: u64,
    next: Option<String>,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let backends: Vec<BackendView> = console.ask(&asker).get("/api/backends").await?;
    let moments = console.moments();
    Filter::expect_known(&fields, &["after"])?;
    let filter = Filter::of(&fields, moments.now);
    let found = match &filter {
        Ok(filter) => find(&console, &asker, (filter, &fields)).await,
        Err(what) => Err(Fault::asked(what.clone(), "")),
    };
    // What was typed wrong is said beside what was typed.
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(fault) if fault.status.is_client_error() => (Found::none(), Some(fault.what)),
        Err(fault) => return Err(fault),
    };
    let filter = filter.unwrap_or_default();
    let deeds = match error {
        None => deeds(&asker, (&filter, &fields)),
        Some(_) => Vec::new(),
    };
    let page = Page {
        form: Form::new(&fields, &backends),
        rows: found.rows(&moments),
        seen: found.seen,
        next: found.next.map(|after| filter.link(&[("after", &after)])),
        is_first: fields.some("after").is_none(),
        is_filtered: !filter.is_all(),
        first: filter.link(&[]),
        is_less: error.is_none() && deeds.len() < offered(&asker).count(),
        deeds,
        shell: console.shell(&asker, Here::Queue, "Queue"),
        error,
    };
    if page.error.is_some() {
        show_with(StatusCode::BAD_REQUEST, &page)
    } else {
        show(&page)
    }
}

impl Found {
    /// The rows; the last one of a message says how many more it has.
    fn rows(&self, moments: &Moments) -> Vec<Row> {
        let groups = self.items.chunk_by(|one, other| one.id == other.id);
        let mut rows = Vec::new();
        for group in groups {
            rows.extend(group.iter().map(|item| Row::new(item, moments)));
            let matching = group.first().and_then(|one| self.matching.get(&one.id));
            let more = matching.map_or(0, |all| all.saturating_sub(group.len()));
            if let (Some(last), 1..) = (rows.last_mut(), more) {
                last.more = Some(many(more as u64, "more recipient"));
            }
        }
        rows
    }

    const fn none() -> Self {
        Self {
            matching: BTreeMap::new(),
            items: Vec::new(),
            seen: 0,
            next: None,
        }
    }
}

/// What can be done to all that match, by who may. What a filter like this would be refused for
/// is left out.
fn deeds(
    asker: &Asker,
    (filter, fields): (&Filter, &Fields),
) -> Vec<(&'static str, &'static str, String)> {
    let link = |kind: Kind| (kind.word, kind.name, filter.link(&[("deed", kind.word)]));
    let fits = |kind: &Kind| expect_offered(*kind, filter, fields).is_ok();
    offered(asker).filter(fits).map(link).collect()
}

async fn find(
    console: &Console,
    asker: &Asker,
    (filter, fields): (&Filter, &Fields),
) -> Result<Found, Fault> {
    let after = fields.some("after").map(str::parse).transpose();
    let after = after.map_err(|_| {
        Fault::asked(
            "this page does not go on from there",
            "Begin at the first page.",
        )
    })?;
    let mut query = SelectQuery {
        after,
        show: SHOWN,
        fill: true,
        per_message: OF_ONE,
        ..filter.query()
    };
    let mut found = Found::none();
    for _ in 0..QUESTIONS {
        query.show = SHOWN - found.items.len();
        let view: SelectView = console.ask(asker).post("/api/queue/select", &query).await?;
        found.seen += view.seen;
        let matching = view.selected.into_iter();
        found
            .matching
            .extend(matching.map(|(id, all)| (id, all.len())));
        found.items.extend(view.items);
        query.after = view.next;
        found.next = view.next.map(|next| next.to_string());
        if view.next.is_none() || found.items.len() >= SHOWN {
            break;
        }
    }
    Ok(found)
}
