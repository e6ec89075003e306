//! What is missing in mailboxes, and what users did meanwhile that goes into them: proofs of
//! landing and write-backs.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Question, Sent};
use super::fault::Fault;
use super::moments::{Moments, When, many, takes};
use super::shell::{Here, Shell, show};
use crate::admin::{BackendView, DismissedView, Role};
use crate::base::Timestamp;
use crate::frame::see_other;
use crate::queue::landing::{LandingStatus, MissingMail};
use crate::terminal::{duration, visible};
use crate::writeback::{Plan, Progress, RunState, UserResult};

/// Rows of a list; beyond stands their number.
const SHOWN: usize = 100;
/// Write-backs that are shown, the latest first.
const RUNS: usize = 20;

#[derive(Template)]
#[template(path = "console/mailboxes.html")]
struct Page {
    shell: Shell,
    /// What is looked for.
    looked: String,
    facts: Vec<(&'static str, String)>,
    missing: u64,
    /// By backend: how many, and what brings them.
    backends: Vec<(String, String, String)>,
    mail: Vec<Mail>,
    more: u64,
    runs: Vec<Run>,
    may_act: bool,
    is_running: bool,
    homes: Vec<String>,
}

/// A message that is in no folder of its mailbox.
struct Mail {
    name: String,
    id: String,
    address: String,
    backend: String,
    delivered: When,
    missed: When,
    message_id: String,
}

/// A write-back.
struct Run {
    id: String,
    tone: &'static str,
    state: &'static str,
    by: String,
    since: Option<When>,
    users: String,
    progress: (u64, u64),
    facts: Vec<(&'static str, String)>,
    /// Whose work was not carried, or not wholly, and why.
    odd: Vec<(String, String)>,
    is_running: bool,
}

pub(super) async fn page(State(console): State<Console>, asker: Asker) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let landing: LandingStatus = ask.get("/api/landing").await?;
    let runs: Vec<Progress> = ask.get("/api/writebacks").await?;
    let homes: Vec<BackendView> = ask.get("/api/backends").await?;
    let moments = console.moments();
    let shown = landing.mail.iter().take(SHOWN);
    let mail: Vec<Mail> = shown.map(|one| Mail::new(one, &moments)).collect();
    let latest = runs.iter().rev().take(RUNS);
    show(&Page {
        shell: console.shell(&asker, Here::Mailboxes, "Mailboxes"),
        looked: looked(&landing),
        facts: facts(&landing, &moments),
        missing: landing.missing_now,
        backends: by_backend(&landing.mail),
        more: landing.missing_now.saturating_sub(mail.len() as u64),
        mail,
        is_running: runs.iter().any(|one| one.run.state == RunState::Running),
        runs: latest.map(|one| Run::new(one, &moments)).collect(),
        may_act: asker.may(Role::Operator),
        homes: homes.iter().map(|home| home.name.to_string()).collect(),
    })
}

/// Is anything looked for by itself?
fn looked(landing: &LandingStatus) -> String {
    let within = duration(Duration::from_secs(landing.within_seconds));
    match landing.share {
        0 => "Nothing is looked for by itself: landing.sample of the config is none. What is \
              listed here was asked for."
            .to_owned(),
        10_000 => format!("All that is delivered is looked for, for {within}."),
        share => format!(
            "{}.{:02} % of what is delivered is looked for, for {within}.",
            share / 100,
            share % 100
        ),
    }
}

fn facts(landing: &LandingStatus, moments: &Moments) -> Vec<(&'static str, String)> {
    let seen = &landing.seen;
    let mut facts = vec![("Found since the start", seen.found.to_string())];
    for (name, count) in [
        ("In junk folders", seen.in_junk),
        ("Mailboxes not asked", seen.not_asked),
        ("Being looked for", landing.pending),
    ] {
        facts.extend((count > 0).then(|| (name, count.to_string())));
    }
    let proven = landing.proven_until.filter(|_| landing.share > 0);
    facts.extend(proven.map(|at| ("Proven up to", moments.since(at))));
    facts.extend(landing.waits_for.iter().map(|why| ("Waits", visible(why))));
    let unasked = seen.unasked.iter().take(SHOWN);
    facts.extend(unasked.map(|one| {
        (
            "Cannot be asked",
            visible(&format!("{}: {}", one.mailbox, one.why)),
        )
    }));
    facts
}

/// A replay brings what is missing at a backend; it looks before it brings.
fn by_backend(mail: &[MissingMail]) -> Vec<(String, String, String)> {
    let mut backends: BTreeMap<String, (u64, Timestamp)> = BTreeMap::new();
    for one in mail {
        let entry = backends.entry(one.backend.to_string());
        let (count, first) = entry.or_insert((0, one.delivered));
        *count += 1;
        *first = (*first).min(one.delivered);
    }
    let backends = backends.into_iter();
    backends
        .map(|(backend, (count, first))| {
            let command = format!(
                "tideover replay plan --to {backend} --missing-only --by delivered --since {first}"
            );
            (backend, many(count, "message"), command)
        })
        .collect()
}

impl Mail {
    fn new(one: &MissingMail, moments: &Moments) -> Self {
        Self {
            name: one.name(),
            id: one.id.to_string(),
            address: visible(&one.address),
            backend: one.backend.to_string(),
            delivered: moments.when(one.delivered),
            missed: moments.when(one.missed),
            message_id: visible(one.message_id.as_deref().unwrap_or_default()),
        }
    }
}

impl Run {
    fn new(one: &Progress, moments: &Moments) -> Self {
        let (run, carried) = (&one.run, &one.carried);
        let last = run.deeds.last();
        let mut facts = vec![("Carried", carried.told())];
        for (name, count) in [
            ("There already", carried.there),
            ("Not in the mailbox", carried.absent),
            ("Cannot be carried, for want of IMAP", carried.cannot),
            ("Refused by the platform", carried.refused),
            ("Damaged or gone here", carried.lost),
        ] {
            facts.extend((count > 0).then(|| (name, count.to_string())));
        }
        facts.extend(one.waits_for.iter().map(|why| ("Waits", visible(why))));
        let eta = one.eta_seconds.filter(|_| run.state == RunState::Running);
        facts.extend(eta.map(|seconds| ("Done in", takes(seconds))));
        let (tone, is_running) = match run.state {
            RunState::Running => ("waiting", true),
            RunState::Done if one.failed > 0 => ("trouble", false),
            RunState::Done => ("done", false),
            RunState::Stopped => ("waiting", false),
        };
        Self {
            id: visible(&run.id),
            tone,
            state: run.state.word(),
            by: last.map(by).unwrap_or_default(),
            since: last.map(|deed| moments.when(deed.at)),
            users: format!("{} of {}", one.done, many(one.total, "user")),
            progress: (one.done + one.failed, one.total),
            facts,
            odd: one.results.iter().flat_map(odd).take(SHOWN).collect(),
            is_running,
        }
    }
}

fn by(deed: &crate::writeback::RunDeed) -> String {
    let because = match deed.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    visible(&format!("by {}{because}", deed.actor))
}

/// Why somebody's work was not carried, or not wholly.
fn odd(one: &UserResult) -> Vec<(String, String)> {
    let whys = one.failed.iter().chain(&one.refusals).chain(&one.losses);
    whys.map(|why| (visible(&one.mailbox), visible(why)))
        .collect()
}

/// Somebody has looked after it: it leaves the list.
pub(super) async fn dismiss(
    State(console): State<Console>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let reason = sent.fields.reason()?;
    let path = format!("/api/landing/missing/{}/dismiss", escaped(&name));
    let ask = console.ask(&sent.asker);
    let _: DismissedView = ask.post_all(&path, &reason).await?;
    Ok(see_other("/mailboxes"))
}

#[derive(Template)]
#[template(path = "console/carry.html")]
struct CarryPage {
    shell: Shell,
    backend: String,
    users: String,
    carried: String,
    nothing: bool,
    facts: Vec<(&'static str, String)>,
    rows: Vec<(String, String, String)>,
    more: u64,
    may_act: bool,
}

/// The path of something about the work of users, of one backend or of all.
fn of_backend(what: &str, backend: &str) -> String {
    match backend {
        "" => format!("/api/writebacks/{what}"),
        backend => format!("/api/writebacks/{what}?backend={}", escaped(backend)),
    }
}

/// The first step: what a write-back would carry.
pub(super) async fn dry(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let backend = fields.text("backend").to_owned();
    let plan: Plan = console
        .ask(&asker)
        .post_all(&of_backend("plan", &backend), "")
        .await?;
    let carried = &plan.carried;
    let mut facts = Vec::new();
    for (name, count) in [
        ("Cannot be carried, for want of IMAP", carried.cannot),
        ("Damaged or gone here", carried.lost),
    ] {
        facts.extend((count > 0).then(|| (name, count.to_string())));
    }
    facts.extend(plan.skipped.iter().map(|one| {
        let users = many(one.users, "user");
        let told = format!("{users}: {} (for example {})", one.text, one.example);
        ("Left out", visible(&told))
    }));
    let rows = plan.rows.iter().take(SHOWN).map(|row| {
        let backend = row.backend.to_string();
        (visible(&row.mailbox), backend, row.carried.told())
    });
    let rows: Vec<_> = rows.collect();
    show(&CarryPage {
        shell: console.shell(&asker, Here::Mailboxes, "Write back"),
        users: many(plan.users, "user"),
        carried: carried.told(),
        nothing: carried.done() == 0,
        facts,
        more: plan.users.saturating_sub(rows.len() as u64),
        rows,
        may_act: asker.may(Role::Operator),
        backend,
    })
}

/// The second step: it begins.
pub(super) async fn carry(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let reason = sent.fields.reason()?;
    let path = of_backend("start", sent.fields.text("backend"));
    let ask = console.ask(&sent.asker);
    let _: Progress = ask.post_all(&path, &reason).await?;
    Ok(see_other("/mailboxes#runs"))
}

/// It ends before all is carried; what was carried stays.
pub(super) async fn stop(
    State(console): State<Console>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let reason = sent.fields.reason()?;
    let path = format!("/api/writebacks/{}/stop", escaped(&id));
    let ask = console.ask(&sent.asker);
    let _: Progress = ask.post_all(&path, &reason).await?;
    Ok(see_other("/mailboxes#runs"))
}
