//! Replays: planned, started, paused, resumed and ended from their page.

use axum::extract::{Path, State};
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Fields, Sent};
use super::fault::Fault;
use super::filter::age;
use crate::admin::ReplayPlanView;
use crate::base::Timestamp;
use crate::frame::see_other;
use crate::queue::replay::Progress;

/// What can be done with one.
const WHAT: [&str; 4] = ["start", "pause", "resume", "stop"];

/// Counts what a replay would bring, and keeps it as a plan: nothing is sent.
pub(super) async fn plan(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let reason = sent.fields.reason()?;
    let path = asked(&sent.fields, console.moments().now)?;
    let ask = console.ask(&sent.asker);
    let plan: ReplayPlanView = ask.post_all(&path, &reason).await?;
    Ok(see_other(&format!("/waves#{}", escaped(&plan.id))))
}

/// The request of what was typed. Everything at all is never meant by an empty field.
fn asked(fields: &Fields, now: Timestamp) -> Result<String, Fault> {
    let wrong = |what: String| Fault::asked(what, "Go back and say it; nothing was planned.");
    let to = fields.some("to");
    let to = to.ok_or_else(|| wrong("no backend is named".to_owned()))?;
    let since = age(fields.text("since")).map_err(wrong)?;
    let since = now.before(since).to_string();
    let mut path = format!(
        "/api/replays/plan?to={}&since={}",
        escaped(to),
        escaped(&since)
    );
    path.push_str(match fields.text("by") {
        "delivered" => "&by=delivered",
        _ => "&by=accepted",
    });
    path.push_str(match fields.text("which") {
        "missing" => "&missing_only=true",
        "diverted" => "&diverted=true",
        _ => "",
    });
    if let Some(domain) = fields.some("domain") {
        path.push_str("&domain=");
        path.push_str(&escaped(domain));
    }
    Ok(path)
}

/// Where a replay stands in the page of all of them, if there is one of that name.
pub(super) async fn one(
    State(console): State<Console>,
    Path(id): Path<String>,
    asker: Asker,
) -> Result<Response, Fault> {
    let path = format!("/api/replays/{}", escaped(&id));
    let found: Progress = console.ask(&asker).get(&path).await?;
    Ok(see_other(&format!("/waves#{}", escaped(&found.replay.id))))
}

/// The same for an address of something that is done with it: a look does nothing.
pub(super) async fn one_of(
    console: State<Console>,
    Path((id, _)): Path<(String, String)>,
    asker: Asker,
) -> Result<Response, Fault> {
    one(console, Path(id), asker).await
}

pub(super) async fn act(
    State(console): State<Console>,
    Path((id, what)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    if !WHAT.contains(&what.as_str()) {
        return Err(Fault::not_found());
    }
    let reason = sent.fields.reason()?;
    let path = format!("/api/replays/{}/{what}", escaped(&id));
    let ask = console.ask(&sent.asker);
    let _: Progress = ask.post_all(&path, &reason).await?;
    Ok(see_other(&format!("/waves#{}", escaped(&id))))
}
