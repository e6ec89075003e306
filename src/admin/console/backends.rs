//! The backends: how they are, why, since when; and what an operator says about them.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Question, Sent};
use super::fault::Fault;
use super::live::Backend;
use super::moments::{Moments, When};
use super::shell::{Here, Shell, show};
use crate::admin::{BackendDetails, BackendView, HostView, OverrideQuery, Role};
use crate::backend::Wish;
use crate::frame::see_other;
use crate::terminal::visible;

/// Changes of its health that are shown.
const SHOWN: usize = 30;

#[derive(Template)]
#[template(path = "console/backends.html")]
struct ListPage {
    shell: Shell,
    backends: Vec<Backend>,
}

pub(super) async fn list(State(console): State<Console>, asker: Asker) -> Result<Response, Fault> {
    let backends: Vec<BackendView> = console.ask(&asker).get("/api/backends").await?;
    let moments = console.moments();
    show(&ListPage {
        shell: console.shell(&asker, Here::Backends, "Backends"),
        backends: backends
            .iter()
            .map(|one| Backend::new(one, &moments))
            .collect(),
    })
}

#[derive(Template)]
#[template(path = "console/backend.html")]
struct OnePage {
    shell: Shell,
    backend: Backend,
    hosts: Vec<Host>,
    /// What the config says, name and value.
    settings: Vec<(&'static str, String)>,
    history: Vec<(When, String)>,
    acts: Vec<Act>,
    diverted: u64,
}

/// A next hop.
struct Host {
    address: String,
    tone: &'static str,
    state: &'static str,
    reason: String,
    at: Option<When>,
}

/// Something that may be said about a backend now.
struct Act {
    path: String,
    name: &'static str,
    meaning: &'static str,
    needs_reason: bool,
}

impl Host {
    fn new(host: &HostView, moments: &Moments) -> Self {
        let (tone, state) = match host.good {
            Some(true) => ("done", "good"),
            Some(false) => ("trouble", "bad"),
            None => ("waiting", "not tried"),
        };
        Self {
            address: host.address.clone(),
            tone,
            state,
            reason: visible(&host.reason),
            at: host.at.map(|at| moments.when(at)),
        }
    }
}

/// What may be said, by the last part of its path.
const WISHES: [(&str, Wish, &str, &str); 4] = [
    (
        "hold",
        Wish::Hold,
        "Hold",
        "No attempts: its mail waits, also while it is up.",
    ),
    (
        "drain",
        Wish::Drain,
        "Drain",
        "What was accepted before now is delivered; what comes later waits.",
    ),
    (
        "up",
        Wish::Up,
        "Force up",
        "Attempts, also while it looks down.",
    ),
    (
        "resume",
        Wish::Resume,
        "Resume",
        "Nothing is said any more: its health decides.",
    ),
];

/// What may be said now: not what holds already.
fn acts(details: &BackendDetails) -> Vec<Act> {
    let name = escaped(details.backend.name.as_str());
    let now = details.backend.wish.unwrap_or(Wish::Resume);
    let probe = Act {
        path: format!("/backends/{name}/probe"),
        name: "Probe now",
        meaning: "Asks each of its hosts at once, and waits for the answer.",
        needs_reason: false,
    };
    let wishes = WISHES.iter().filter(|(_, wish, ..)| *wish != now);
    let wishes = wishes.map(|(word, _, label, meaning)| Act {
        path: format!("/backends/{name}/{word}"),
        name: label,
        meaning,
        needs_reason: true,
    });
    std::iter::once(probe).chain(wishes).collect()
}

pub(super) async fn one(
    State(console): State<Console>,
    Path(name): Path<String>,
    asker: Asker,
    Question(question): Question,
) -> Result<Response, Fault> {
    let path = format!("/api/backends/{}", escaped(&name));
    let details: BackendDetails = console.ask(&asker).get(&path).await?;
    let moments = console.moments();
    let mut shell = console.shell(&asker, Here::Backends, &name);
    shell.notice = done(question.text("done"), &details);
    let history = details.history.iter().rev().take(SHOWN);
    let hosts = details.backend.hosts.iter();
    show(&OnePage {
        backend: Backend::new(&details.backend, &moments),
        hosts: hosts.map(|host| Host::new(host, &moments)).collect(),
        settings: settings(&details),
        history: history
            .map(|change| (moments.when(change.at), visible(&change.to_string())))
            .collect(),
        acts: if asker.may(Role::Operator) {
            acts(&details)
        } else {
            Vec::new()
        },
        diverted: details.backend.diverted,
        shell,
    })
}

/// What has just been done; only what is true now is said.
fn done(what: &str, details: &BackendDetails) -> Option<String> {
    let name = &details.backend.name;
    if what == "probe" {
        return Some(format!("{name} was probed."));
    }
    let (_, wish, ..) = WISHES.iter().find(|(word, ..)| *word == what)?;
    let holds = details.backend.wish.unwrap_or(Wish::Resume) == *wish;
    holds.then(|| match wish {
        Wish::Hold => format!("{name} is held: its mail waits until somebody resumes it."),
        Wish::Drain => format!("{name} is drained: what comes from now on waits."),
        Wish::Up => format!("{name} is forced up: attempts are made whatever its health is."),
        Wish::Resume => format!("{name} is resumed: its health decides."),
    })
}

fn settings(details: &BackendDetails) -> Vec<(&'static str, String)> {
    let limit = |count: u32| match count {
        0 => "no limit".to_owned(),
        count => count.to_string(),
    };
    let probe = &details.probe;
    let mut settings = vec![
        ("Protocol", format!("{:?}", details.protocol).to_lowercase()),
        ("TLS", format!("{:?}", details.tls).to_lowercase()),
        ("Connections", details.max_connections.to_string()),
        ("Messages a minute", limit(details.messages_per_minute)),
        (
            "To one mailbox of the backlog",
            format!(
                "{} a minute, {} an hour",
                limit(details.mailbox_messages_per_minute),
                limit(details.mailbox_messages_per_hour)
            ),
        ),
        (
            "Of one sender of ours",
            format!(
                "messages a minute: {}; recipients a day: {}",
                limit(details.sender_messages_per_minute),
                limit(details.sender_recipients_per_day)
            ),
        ),
        (
            "Probes",
            format!(
                "every {} s; down after {} bad ones, up after {} good ones",
                probe.interval_seconds, probe.down_after, probe.up_after
            ),
        ),
    ];
    settings.extend(
        details
            .tls_proof
            .iter()
            .map(|proof| ("Proof", proof.clone())),
    );
    let login = details.username.clone();
    settings.extend(login.map(|login| ("Login", login)));
    let asked = probe.recipient.clone();
    settings.extend(asked.map(|recipient| ("Probes ask for", recipient)));
    settings
}

pub(super) async fn act(
    State(console): State<Console>,
    Path((name, what)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let ask = console.ask(&sent.asker);
    let backend = escaped(&name);
    if what == "probe" {
        let path = format!("/api/backends/{backend}/probe");
        let nothing = serde_json::json!({});
        let reason = sent.fields.text("reason");
        let _: BackendDetails = ask.post_because(&path, &nothing, reason).await?;
    } else {
        let known = WISHES.iter().find(|(word, ..)| *word == what);
        let (_, wish, ..) = known.ok_or_else(Fault::not_found)?;
        let query = OverrideQuery {
            wish: *wish,
            actor: sent.asker.caller.name.clone(),
            reason: sent.fields.reason()?,
        };
        let path = format!("/api/backends/{backend}/override");
        let _: BackendDetails = ask.post(&path, &query).await?;
    }
    Ok(see_other(&format!("/backends/{backend}?done={what}")))
}
