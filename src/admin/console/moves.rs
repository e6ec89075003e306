//! The steps of a move: what is looked at before one, then the step itself.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Fields, Sent};
use super::fault::Fault;
use super::moments::many;
use super::shell::{Here, Shell, show, show_with};
use crate::admin::{BackendView, MoveQuery, MoveReport};
use crate::frame::see_other;
use crate::mail::BackendId;
use crate::route::{Force, MoveStep, Weight, permits, unmet};
use crate::terminal::visible;

/// The word of a step, the step, its name, and what it does.
const STEPS: [(&str, MoveStep, &str, &str); 3] = [
    (
        "start",
        MoveStep::Start,
        "Start the move",
        "From then on all mail of the domain is taken and held: no attempts, no words to senders.",
    ),
    (
        "finish",
        MoveStep::Finish,
        "Finish the move",
        "The domain has arrived: what waits and what comes goes to the homes of the directory.",
    ),
    (
        "back-out",
        MoveStep::BackOut,
        "Back out of the move",
        "It is undone: what waits and what comes goes to the homes of before.",
    ),
];

#[derive(Template)]
#[template(path = "console/move.html")]
struct Page {
    shell: Shell,
    name: &'static str,
    meaning: &'static str,
    domain: String,
    held: Option<String>,
    checks: Vec<Line>,
    /// Does it take more than a yes?
    must_force: bool,
    /// May it be done, forced or not?
    is_possible: bool,
    /// It was asked for, and refused.
    was_refused: bool,
    typed: Vec<(&'static str, String)>,
    /// Which home its end may give: name, and whether it is chosen.
    homes: Vec<(String, &'static str)>,
    reason: String,
}

/// Something that was looked at.
struct Line {
    tone: &'static str,
    word: &'static str,
    what: String,
    detail: String,
}

/// The first step: what is looked at before it. Nothing is done.
pub(super) async fn look(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let report = ask(&console, &sent, Take::Look).await?;
    show(&page((&console, &sent.asker), &sent.fields, &report).await?)
}

/// The second step: it is taken, unless what was looked at has changed.
pub(super) async fn step(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let report = ask(&console, &sent, Take::Step).await?;
    if report.done {
        return Ok(see_other("/holds"));
    }
    let page = Page {
        was_refused: true,
        ..page((&console, &sent.asker), &sent.fields, &report).await?
    };
    show_with(StatusCode::CONFLICT, &page)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    Look,
    Step,
}

async fn ask(console: &Console, sent: &Sent, take: Take) -> Result<MoveReport, Fault> {
    let fields = &sent.fields;
    let (_, step, ..) = known(fields)?;
    let domain = fields.some("domain").ok_or_else(|| {
        let hint = "Go back and name one, for example example.org.";
        Fault::asked("no domain is named; nothing was done", hint)
    })?;
    let home = fields.some("home").filter(|_| step == MoveStep::Finish);
    let is_forced = take == Take::Step && fields.text("force") == "yes";
    let query = MoveQuery {
        step,
        actor: sent.asker.caller.name.clone(),
        reason: fields.reason()?,
        home: home.map(BackendId::new),
        force: if is_forced { Force::Yes } else { Force::No },
        seen: is_forced.then(|| seen(fields)),
        dry_run: take == Take::Look,
    };
    let path = format!("/api/moves/{}", escaped(domain));
    console.ask(&sent.asker).post(&path, &query).await
}

/// What was on the page that asked whether to force it; a field that was tampered with says that
/// nothing was.
fn seen(fields: &Fields) -> Vec<String> {
    serde_json::from_str(fields.text("seen")).unwrap_or_default()
}

fn known(fields: &Fields) -> Result<(&'static str, MoveStep, &'static str, &'static str), Fault> {
    let mut steps = STEPS.into_iter();
    let found = steps.find(|(word, ..)| *word == fields.text("step"));
    found.ok_or_else(Fault::not_found)
}

/// Where a domain may arrive: only its end gives it a home.
async fn homes(
    (console, asker): (&Console, &Asker),
    (step, chosen): (MoveStep, &str),
) -> Result<Vec<(String, &'static str)>, Fault> {
    if step != MoveStep::Finish {
        return Ok(Vec::new());
    }
    let known: Vec<BackendView> = console.ask(asker).get("/api/backends").await?;
    let names = known.iter().map(|one| one.name.to_string());
    let mark = |name: &str| if name == chosen { " selected" } else { "" };
    Ok(names.map(|name| (name.clone(), mark(&name))).collect())
}

async fn page(
    (console, asker): (&Console, &Asker),
    fields: &Fields,
    report: &MoveReport,
) -> Result<Page, Fault> {
    let (word, step, name, meaning) = known(fields)?;
    let homes = homes((console, asker), (step, fields.text("home"))).await?;
    let checks = report.checks.iter();
    let checks = checks.map(|check| {
        let (tone, said) = match (check.ok, check.weight) {
            (true, _) => ("done", "yes"),
            (false, Weight::Must) => ("trouble", "no: it cannot be done"),
            (false, Weight::Should) => ("trouble", "no"),
            (false, Weight::Note) => ("waiting", "no"),
        };
        Line {
            tone,
            word: said,
            what: visible(&check.what),
            detail: visible(&check.detail),
        }
    });
    let waits = report.the_move.as_ref();
    Ok(Page {
        shell: console.shell(asker, Here::Holds, name),
        name,
        meaning,
        domain: visible(&report.domain),
        held: waits.map(|one| many(one.held, "recipient")),
        checks: checks.collect(),
        must_force: !permits(&report.checks, Force::No),
        is_possible: permits(&report.checks, Force::Yes),
        was_refused: false,
        homes,
        reason: fields.text("reason").to_owned(),
        typed: vec![
            ("step", word.to_owned()),
            ("domain", report.domain.clone()),
            ("home", fields.text("home").to_owned()),
            ("reason", fields.text("reason").to_owned()),
            ("seen", serde_json::json!(unmet(&report.checks)).to_string()),
        ],
    })
}
