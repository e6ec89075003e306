//! The directory: who somebody is, where his mail goes and why, and what its sources disagree
//! about.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Fields, Question};
use super::directory_change::{Choice, choices};
use super::fault::Fault;
use super::message::explain;
use super::moments::{Moments, grouped, many};
use super::shell::{Here, Shell, show};
use crate::admin::{DecisionWord, DirectoryStatusView, ExplainView, LookupView, Role};
use crate::directory::{Conflict, ConflictKind, Entry, FILE, HAND, Origin, SyncStatus};
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
    /// Why `directory.file` is not in force.
    untaken: Option<String>,
    conflicts: Vec<Shown>,
    more: usize,
    open: u64,
    may_change: bool,
}

/// Where the mail of an address goes.
struct Route {
    tone: &'static str,
    decision: String,
    reason: String,
    steps: Vec<String>,
    nearly: Vec<String>,
}

/// A source: one that is synchronised, or one that was imported.
struct Source {
    name: String,
    tone: &'static str,
    state: String,
    /// When it was last read, and what it gave.
    facts: Vec<String>,
    left_out: Vec<String>,
    more: u64,
    /// It is read now and then: its name, as it is asked for, and the verb.
    synced: Option<(String, String)>,
    /// Nothing can read it again: why, and the verb that brings a newer one.
    unread: Option<Unread>,
}

/// Why a source has no button.
struct Unread {
    why: &'static str,
    command: Option<String>,
}

impl Unread {
    fn of(source: &str) -> Self {
        let import = || {
            visible(&format!(
                "tideover directory import NEWER.csv --source {source}"
            ))
        };
        match source {
            HAND => Self {
                why: "It is what people said here, address by address: there is nothing to read \
                      again.",
                command: None,
            },
            FILE => Self {
                why: "It came as a file. When that is directory.file of the config, a reload reads \
                      it again. One that somebody imported is not kept: bring a newer one.",
                command: Some(import()),
            },
            _ => Self {
                why: "It came as a file that somebody imported, and the file is not kept: nothing \
                      can be read again. Bring a newer one.",
                command: Some(import()),
            },
        }
    }
}

/// A conflict.
struct Shown {
    what: String,
    settled: Option<String>,
    address: String,
    /// How it can end; nothing when only its sources can end it.
    choices: Vec<Choice>,
    command: Option<String>,
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
        shell: Shell {
            notice: done(&fields, (&status, &conflicts)),
            ..console.shell(&asker, Here::Directory, "Directory")
        },
        error: None,
        route: None,
        entry: Vec::new(),
        summary: format!(
            "{} people and groups, {} addresses, generation {}",
            grouped(status.entries),
            grouped(status.addresses),
            status.generation
        ),
        sources: sources(&console.moments(), &status),
        untaken: status.untaken.as_deref().map(visible),
        more: conflicts.len().saturating_sub(SHOWN),
        conflicts: conflicts.iter().take(SHOWN).map(Shown::new).collect(),
        open: status.open_conflicts,
        may_change: asker.may(Role::Operator),
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

/// What has just been done; only what is true now is said.
fn done(
    fields: &Fields,
    (status, conflicts): (&DirectoryStatusView, &[Conflict]),
) -> Option<String> {
    let settled = |address: &str| {
        let mut all = conflicts.iter();
        all.any(|one| one.address == address && one.settled.is_some())
    };
    let read = |source: &str| {
        let mut all = status.sources.iter();
        all.any(|one| one.source == source && one.error.is_none())
    };
    let address = fields.some("settled").filter(|address| settled(address));
    let source = fields.some("read").filter(|source| read(source));
    match (address, source) {
        (Some(address), _) => Some(visible(&format!("{address} is settled."))),
        (None, Some(source)) => Some(visible(&format!("{source} was read, and is in force."))),
        (None, None) => None,
    }
}

/// Those that are synchronised come first.
fn sources(moments: &Moments, status: &DirectoryStatusView) -> Vec<Source> {
    let synced = status
        .sources
        .iter()
        .map(|one| Source::synced(one, moments));
    let others = status
        .imported()
        .map(|origin| Source::imported(origin, moments));
    synced.chain(others).collect()
}

impl Source {
    fn synced(one: &SyncStatus, moments: &Moments) -> Self {
        let (tone, state) = match (&one.error, one.at) {
            (Some(error), _) => ("trouble", error.as_str()),
            (None, Some(_)) => ("done", "in step"),
            (None, None) => ("waiting", "not read yet"),
        };
        let failures = format!("failed {} since", many(one.failures, "time"));
        let generation = one
            .generation
            .map(|number| format!("made generation {number}"));
        let known = [
            Some(format!("gave {}", many(one.people, "recipient")))
                .filter(|_| one.good_at.is_some()),
            one.at.map(|at| format!("last read {}", moments.since(at))),
            one.good_at
                .map(|at| format!("last in step {}", moments.since(at))),
            Some(failures).filter(|_| one.failures > 0),
            generation,
        ];
        Self {
            name: visible(&one.source),
            tone,
            state: visible(state),
            facts: known.into_iter().flatten().collect(),
            left_out: one.left_out.iter().map(|text| visible(text)).collect(),
            more: one.more_left_out,
            synced: Some((
                one.source.clone(),
                visible(&format!("tideover directory sync {}", one.source)),
            )),
            unread: None,
        }
    }

    fn imported(origin: &Origin, moments: &Moments) -> Self {
        let departed = format!("{} departed", grouped(origin.departed));
        let last = origin.last.as_ref().map(|last| {
            let at = moments.since(last.at);
            let by = visible(&last.author);
            format!("last changed {at} by {by}, generation {}", last.number)
        });
        let known = [
            Some(format!("names {}", many(origin.names, "recipient"))),
            Some(departed).filter(|_| origin.departed > 0),
            last,
        ];
        Self {
            name: visible(&origin.source),
            tone: "done",
            state: match origin.source.as_str() {
                HAND => "said by hand",
                _ => "imported",
            }
            .to_owned(),
            facts: known.into_iter().flatten().collect(),
            left_out: Vec::new(),
            more: 0,
            synced: None,
            unread: Some(Unread::of(&origin.source)),
        }
    }
}

impl Shown {
    fn new(conflict: &Conflict) -> Self {
        Self {
            what: visible(&conflict.to_string()),
            settled: conflict.settled.as_deref().map(visible),
            address: conflict.address.clone(),
            choices: choices(conflict),
            command: command(conflict).map(|command| visible(&command)),
        }
    }
}

/// The verb that ends it.
fn command(conflict: &Conflict) -> Option<String> {
    let Conflict { address, owner, .. } = conflict;
    match conflict.kind {
        ConflictKind::Address => Some(format!(
            "tideover directory settle {address} --owner {owner}"
        )),
        ConflictKind::TwoMailboxes => {
            Some(format!("tideover directory settle {address} --home HOME"))
        }
        ConflictKind::X500 | ConflictKind::Ambiguous => None,
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
