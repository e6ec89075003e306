//! The directory: who somebody is, where his mail goes and why, and what its sources disagree
//! about.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Question};
use super::fault::Fault;
use super::message::explain;
use super::moments::{Moments, When, grouped};
use super::shell::{Here, Shell, show};
use crate::admin::{DecisionWord, DirectoryStatusView, ExplainView, LookupView};
use crate::directory::{Conflict, Entry};
use crate::terminal::visible;

/// Conflicts that are shown. Of more, the rest is told by the verb.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "console/directory.html")]
struct Page {
    shell: Shell,
    address: String,
    /// The page of what became of its mail.
    trace: String,
    error: Option<(String, String)>,
    route: Option<Route>,
    /// The entry, name and value.
    entry: Vec<(&'static str, String)>,
    summary: String,
    sources: Vec<Source>,
    conflicts: Vec<Shown>,
    more: usize,
    open: u64,
}

/// Where the mail of an address goes.
struct Route {
    tone: &'static str,
    decision: String,
    reason: String,
    steps: Vec<String>,
    nearly: Vec<String>,
}

/// A source that is synchronised.
struct Source {
    name: String,
    tone: &'static str,
    state: String,
    good: Option<When>,
    people: String,
    left_out: Vec<String>,
    more: u64,
}

/// A conflict.
struct Shown {
    what: String,
    settled: Option<String>,
    command: String,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let status: DirectoryStatusView = ask.get("/api/directory/status").await?;
    let mut conflicts: Vec<Conflict> = ask.get("/api/directory/conflicts").await?;
    // What is open comes first.
    conflicts.sort_by_key(|one| one.settled.is_some());
    let address = fields.text("address").to_owned();
    let mut page = Page {
        shell: console.shell(&asker, Here::Directory, "Directory"),
        error: None,
        route: None,
        entry: Vec::new(),
        summary: format!(
            "{} people and groups, {} addresses, generation {}",
            grouped(status.entries),
            grouped(status.addresses),
            status.generation
        ),
        sources: sources(&console, &status),
        more: conflicts.len().saturating_sub(SHOWN),
        conflicts: conflicts.iter().take(SHOWN).map(Shown::new).collect(),
        open: status.open_conflicts,
        trace: format!("/trace?of={}", escaped(&address)),
        address,
    };
    if !page.address.is_empty() {
        let path = format!("/api/directory?address={}", escaped(&page.address));
        let looked: Result<LookupView, Fault> = ask.get(&path).await;
        match (looked, explain(&console, &asker, &page.address).await) {
            (Ok(view), Ok(explained)) => {
                page.entry = facts(&view);
                page.route = Some(Route::new(&explained, &console.moments()));
            }
            (Err(fault), _) | (_, Err(fault)) if fault.status.is_client_error() => {
                page.error = Some((fault.what, fault.hint));
            }
            (Err(fault), _) | (_, Err(fault)) => return Err(fault),
        }
    }
    show(&page)
}

fn sources(console: &Console, status: &DirectoryStatusView) -> Vec<Source> {
    let moments = console.moments();
    let sources = status.sources.iter();
    sources
        .map(|one| Source {
            name: one.source.clone(),
            tone: if one.error.is_none() {
                "done"
            } else {
                "trouble"
            },
            state: visible(one.error.as_deref().unwrap_or("in step")),
            good: one.good_at.map(|at| moments.when(at)),
            people: grouped(one.people),
            left_out: one.left_out.iter().map(|text| visible(text)).collect(),
            more: one.more_left_out,
        })
        .collect()
}

impl Shown {
    fn new(conflict: &Conflict) -> Self {
        Self {
            what: visible(&conflict.to_string()),
            settled: conflict.settled.as_deref().map(visible),
            command: visible(&if conflict.homes.is_empty() {
                format!(
                    "tideover directory settle {} --owner {}",
                    conflict.address, conflict.owner
                )
            } else {
                format!("tideover directory settle {} --home HOME", conflict.address)
            }),
        }
    }
}

impl Route {
    fn new(view: &ExplainView, moments: &Moments) -> Self {
        let backend = view.backend.as_deref().unwrap_or("nowhere");
        let (tone, decision) = match view.decision {
            DecisionWord::Relay => ("done", format!("goes to {backend}")),
            DecisionWord::Hold => ("waiting", "is held".to_owned()),
            DecisionWord::Expand => ("done", "goes to the people of the group".to_owned()),
            DecisionWord::Reject => ("trouble", "is refused".to_owned()),
        };
        let delivery = view.delivery_address.as_deref();
        let delivery = delivery.map_or_else(String::new, |to| format!(", as {to}"));
        Self {
            tone,
            decision: visible(&format!("Its mail {decision}{delivery}")),
            reason: visible(&moments.readable(&view.reason)),
            steps: view
                .steps
                .iter()
                .map(|step| visible(&moments.readable(step)))
                .collect(),
            nearly: view.nearly.iter().map(|one| visible(&one.what)).collect(),
        }
    }
}

/// What is known of the address.
fn facts(view: &LookupView) -> Vec<(&'static str, String)> {
    let Some(entry) = &view.entry else {
        return Vec::new();
    };
    let Entry { kind, .. } = entry;
    let list = |addresses: &[crate::smtp::Mailbox]| {
        let all: Vec<String> = addresses.iter().take(50).map(ToString::to_string).collect();
        Some(all.join(", ")).filter(|text| !text.is_empty())
    };
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let known = [
        ("Address", Some(entry.address.to_string())),
        ("Name", text(&entry.name)),
        ("Type", Some(format!("{kind:?}").to_lowercase())),
        ("Home", entry.home.as_ref().map(ToString::to_string)),
        (
            "Delivery address",
            entry.delivery_address.as_ref().map(ToString::to_string),
        ),
        ("Aliases", list(&entry.aliases)),
        ("Receives also as", list(&entry.receive_only)),
        ("X.500", text(&entry.x500.join("; "))),
        (
            "Second address",
            entry.second_address.as_ref().map(ToString::to_string),
        ),
        ("Members", list(&entry.members)),
        ("Gone since", entry.departed.map(|at| at.to_string())),
        ("Found by", view.found_by.clone()),
    ];
    let known = known.into_iter();
    known
        .filter_map(|(name, value)| value.map(|value| (name, visible(&value))))
        .collect()
}
