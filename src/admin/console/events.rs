//! The overview as it changes: server-sent events (HTML Living Standard §9.2).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::time::{Instant, sleep, timeout_at};

use super::Console;
use super::asker::Asker;
use super::fault::Fault;
use super::streams::{Full, Room};
use crate::admin::{AdminError, Role};

/// From one event to the next.
const TICK: Duration = Duration::from_secs(5);
/// A stream ends by then and the browser asks anew.
const LIFE: Duration = Duration::from_secs(57);
/// A browser whose stream has ended asks anew after so long.
const RETRY: Duration = Duration::from_secs(1);
/// What stands in the stream is known by then, or it is said that it is not.
const PATIENCE: Duration = Duration::from_secs(10);

struct Watching {
    console: Console,
    asker: Asker,
    until: Instant,
    /// Nothing was told yet: a page that was opened, or seen again, is brought up to date at once.
    is_new: bool,
    _room: Room,
}

pub(super) async fn stream(State(console): State<Console>, asker: Asker) -> Response {
    let room = match console.0.streams.take(&asker.caller.name) {
        Ok(room) => room,
        Err(full) => return refusal(full),
    };
    let watching = Watching {
        console,
        asker,
        until: Instant::now() + LIFE,
        is_new: true,
        _room: room,
    };
    Sse::new(stream::unfold(watching, next)).into_response()
}

fn refusal(full: Full) -> Response {
    let what = match full {
        Full::Own => "too many of your pages are kept up to date at one time",
        Full::All => "too many pages are kept up to date at one time",
    };
    let fault = Fault {
        status: StatusCode::SERVICE_UNAVAILABLE,
        what: what.to_owned(),
        hint: "Close some of them; this one can be reloaded.".to_owned(),
    };
    let mut response = fault.into_response();
    response.headers_mut().insert(RETRY_AFTER, 60.into());
    response
}

/// Was he shut out, or logged out, since he opened the stream? When that cannot be found out now,
/// the page cannot be made either, and says so.
async fn is_out(asker: &Asker) -> bool {
    let Some(proof) = &asker.proof else {
        return false;
    };
    let still = tokio::time::timeout(PATIENCE, proof.still_lets(Role::Viewer)).await;
    matches!(still, Ok(Err(AdminError::Nobody)))
}

async fn next(mut watching: Watching) -> Option<(Result<Event, Infallible>, Watching)> {
    let console = &watching.console;
    let pause = if watching.is_new {
        Duration::ZERO
    } else {
        TICK
    };
    let tick = timeout_at(watching.until, sleep(pause));
    tokio::select! {
        biased;
        () = console.0.shutdown.stopping() => return None,
        slept = tick => slept.ok()?,
    }
    // What is made for others as well is for nobody who is out; and he takes no room from them.
    if is_out(&watching.asker).await {
        return None;
    }
    let html = tokio::time::timeout(PATIENCE, console.live_html(&watching.asker)).await;
    let event = match html {
        Err(_) => Event::default()
            .event("fault")
            .data("the server does not answer in time"),
        // A carriage return would end a line of the event.
        Ok(Ok(html)) => Event::default().event("live").data(html.replace('\r', " ")),
        Ok(Err(fault)) => {
            let what = fault.what.replace(['\r', '\n'], " ");
            Event::default().event("fault").data(what)
        }
    };
    let event = if watching.is_new {
        event.retry(RETRY)
    } else {
        event
    };
    watching.is_new = false;
    Some((Ok(event), watching))
}
