//! Rules that hold mail, and domains on the move.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Sent};
use super::fault::Fault;
use super::moments::{When, grouped};
use super::shell::{Here, Shell, show};
use crate::admin::{BackendView, EndQuery, HoldView, MoveView, Role, SelectQuery};
use crate::frame::see_other;
use crate::route::{MoveState, Selection};
use crate::terminal::visible;

#[derive(Template)]
#[template(path = "console/holds.html")]
struct Page {
    shell: Shell,
    holds: Vec<Hold>,
    moves: Vec<Move>,
    /// Where a domain may arrive.
    homes: Vec<String>,
    may_act: bool,
}

struct Hold {
    name: String,
    what: String,
    by: String,
    reason: String,
    since: When,
    until: Option<When>,
    held: String,
    oldest: Option<When>,
    queue: String,
}

struct Move {
    domain: String,
    tone: &'static str,
    state: String,
    by: String,
    reason: String,
    since: When,
    ended: Option<When>,
    held: String,
    oldest: Option<When>,
    decide: Option<When>,
    home: String,
    is_open: bool,
    queue: String,
}

pub(super) async fn page(State(console): State<Console>, asker: Asker) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let holds: Vec<HoldView> = ask.get("/api/holds").await?;
    let moves: Vec<MoveView> = ask.get("/api/moves").await?;
    let homes: Vec<BackendView> = ask.get("/api/backends").await?;
    let moments = console.moments();
    let shell = console.shell(&asker, Here::Holds, "Holds and moves");
    let holds = holds.iter().map(|hold| Hold {
        queue: format!("/queue?hold={}", escaped(&hold.name)),
        name: hold.name.clone(),
        what: visible(&hold.what),
        by: visible(&hold.actor),
        reason: visible(&hold.reason),
        since: moments.when(hold.since),
        until: hold.until.map(|until| moments.when(until)),
        held: grouped(hold.held),
        oldest: hold.oldest.map(|oldest| moments.when(oldest)),
    });
    let moves = moves.iter().map(|one| Move {
        queue: format!("/queue?hold={}", escaped(&format!("@{}", one.domain))),
        domain: one.domain.clone(),
        is_open: one.state == MoveState::Moving,
        tone: if one.state == MoveState::Moving {
            "waiting"
        } else {
            "done"
        },
        state: one.state.to_string(),
        by: visible(&one.actor),
        reason: visible(&one.reason),
        since: moments.when(one.since),
        ended: one.ended.map(|at| moments.when(at)),
        held: grouped(one.held),
        oldest: one.oldest.map(|at| moments.when(at)),
        decide: one.decide_at.map(|at| moments.when(at)),
        home: one
            .home
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    });
    show(&Page {
        holds: holds.collect(),
        moves: moves.collect(),
        homes: homes.iter().map(|home| home.name.to_string()).collect(),
        may_act: asker.may(Role::Operator),
        shell,
    })
}

/// Where a hold stands in the page of all of them, if it is in force.
pub(super) async fn one(
    State(console): State<Console>,
    Path(name): Path<String>,
    asker: Asker,
) -> Result<Response, Fault> {
    let holds: Vec<HoldView> = console.ask(&asker).get("/api/holds").await?;
    if holds.iter().any(|hold| hold.name == name) {
        return Ok(see_other(&format!("/holds#{}", escaped(&name))));
    }
    Err(Fault {
        status: StatusCode::NOT_FOUND,
        what: format!("no hold \"{}\" is in force", visible(&name)),
        hint: "The page \"Holds and moves\" has those that are.".to_owned(),
    })
}

/// A hold ends, and its mail is queued again; other holds still count.
pub(super) async fn end(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let reason = sent.fields.reason()?;
    let name = sent.fields.text("name").to_owned();
    if name.is_empty() || name.starts_with('@') {
        return Err(Fault::asked(
            "no hold is named; nothing was done",
            "A move is finished or backed out of with its verb.",
        ));
    }
    let which = SelectQuery {
        selection: Selection {
            hold: Some(name.clone()),
            ..Selection::default()
        },
        ..SelectQuery::default()
    };
    let actor = sent.asker.caller.name.clone();
    let query = EndQuery { which, actor };
    let ask = console.ask(&sent.asker);
    let _: Vec<HoldView> = ask.post_because("/api/holds/end", &query, &reason).await?;
    let fields = sent.fields.with("deed", "resume").with("hold", &name);
    let ended = format!("Hold {name} has ended.");
    super::act::perform((&console, &sent.asker), &fields, vec![ended]).await
}
