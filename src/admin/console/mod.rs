//! The operators' pages: what is broken, what waits, since when, and what to do.
//!
//! They are a client of the API (`ask`): they read what the verbs read, and change nothing but
//! through it. `verdict` and `matters` draw the conclusion, purely; `samples` is the only memory.

mod act;
mod ask;
mod asker;
mod audit;
mod backends;
mod cases;
mod check;
mod config;
mod count;
mod devices;
mod directory;
mod directory_change;
mod directory_past;
mod directory_people;
mod events;
mod fault;
mod figures;
mod filter;
mod holds;
mod keeper;
mod kept;
mod kinds;
mod live;
mod mailboxes;
mod matters;
mod me;
mod message;
mod moments;
mod movers;
mod moves;
mod overview;
mod queue;
mod reading;
mod refusals;
mod replays;
mod samples;
mod shell;
mod streams;
#[cfg(test)]
mod tests;
mod troubles;
mod undone;
mod users;
mod verdict;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use ask::Ask;
use asker::Asker;
use moments::Moments;
use streams::Streams;

pub use asker::Csrf;
pub use keeper::keep_samples;
pub use samples::Samples;

use super::api::{api, open};
use crate::admin::Admin;
use crate::base::{Clock, Shutdown};
use crate::frame;

/// The pages; cheap to clone.
#[derive(Debug, Clone)]
pub struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The API, which knows roles and writes the audit log.
    api: Router,
    samples: Samples,
    clock: Clock,
    shutdown: Shutdown,
    zone: TimeZone,
    policy: HeaderValue,
    /// Pages that are kept up to date.
    streams: Streams,
    /// The last live part, for all of them.
    live: Mutex<Option<live::Shared>>,
}

impl Console {
    /// Pages over an API.
    fn new(api: Router, samples: Samples, (clock, shutdown): (Clock, Shutdown)) -> Self {
        Self(Arc::new(Inner {
            api,
            samples,
            clock,
            shutdown,
            zone: TimeZone::system(),
            policy: frame::policy(),
            streams: Streams::default(),
            live: Mutex::default(),
        }))
    }

    /// Pages of this server. Times are shown in the time zone of the system.
    #[must_use]
    pub fn of(admin: &Arc<Admin>, samples: Samples, shutdown: &Shutdown) -> Self {
        let api = api(Arc::clone(admin), shutdown.clone()).merge(open(Arc::clone(admin)));
        Self::new(api, samples, (admin.clock.clone(), shutdown.clone()))
    }

    fn ask<'a>(&'a self, asker: &'a Asker) -> Ask<'a> {
        Ask {
            api: &self.0.api,
            asker,
        }
    }

    fn moments(&self) -> Moments {
        Moments {
            now: self.0.clock.now(),
            zone: self.0.zone.clone(),
        }
    }
}

/// The pages for those who are let in: their requests carry a [`super::Caller`] and a [`Csrf`].
pub fn console(console: Console) -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/events", get(events::stream))
        .route("/queue", get(queue::page))
        .route("/queue/act", get(act::dry).post(act::act))
        .route("/messages/{id}", get(message::page))
        .route("/trace", get(message::trace))
        .route("/cases", get(cases::list))
        .route("/cases/{id}", get(cases::one))
        .route("/cases/{id}/release", post(cases::release))
        .route("/cases/{id}/bounce", post(cases::bounce))
        .route("/holds", get(holds::page))
        .route("/holds/end", post(holds::end))
        .route("/holds/{name}", get(holds::one))
        .route("/devices", get(devices::page))
        .route("/devices/{name}/end", get(devices::look).post(devices::end))
        .route("/directory", get(directory::page))
        .route("/directory/people", get(directory_people::page))
        .route("/directory/generations", get(directory_past::page))
        .route("/directory/diff", get(directory_past::diff))
        .merge(directory_changes())
        .route("/directory/revert/look", post(directory_past::look))
        .route("/directory/revert", post(directory_past::revert))
        .route("/users", get(users::page))
        .route("/users/{what}", post(users::act))
        .route("/waves", get(movers::waves))
        .route("/replays/plan", post(replays::plan))
        .route("/replays/{id}", get(replays::one))
        .route(
            "/replays/{id}/{what}",
            get(replays::one_of).post(replays::act),
        )
        .route("/moves/look", post(moves::look))
        .route("/moves/step", post(moves::step))
        .route("/mailboxes", get(mailboxes::page))
        .route(
            "/mailboxes/missing/{name}/dismiss",
            post(mailboxes::dismiss),
        )
        .route(
            "/mailboxes/carry",
            get(mailboxes::dry).post(mailboxes::carry),
        )
        .route("/mailboxes/runs/{id}/stop", post(mailboxes::stop))
        .route("/undone", get(undone::page))
        .route("/me", get(me::page))
        .route("/me/sessions/end", post(me::end_sessions))
        .route("/me/tokens/end", post(me::end_token))
        .route("/audit", get(audit::page))
        .route("/check", get(check::page))
        .route("/config", get(config::page))
        .route("/config/reload", post(config::reload))
        .route("/drills", get(movers::drills))
        .route("/drills/run", post(movers::run))
        .route("/backends", get(backends::list))
        .route("/backends/{name}", get(backends::one))
        .route("/backends/{name}/{what}", post(backends::act))
        .fallback(no_such_page)
        .layer(from_fn_with_state(console.clone(), shell::around))
        .with_state(console)
}

/// What pages are made of, for everybody.
pub fn assets() -> Router {
    Router::new()
        .route(frame::STYLE_PATH, get(frame::style))
        .route(shell::LOOK_PATH, get(shell::look))
        .route(shell::SCRIPT_PATH, get(shell::script))
        .route("/icon.svg", get(frame::icon))
}

fn directory_changes() -> Router<Console> {
    Router::new()
        .route(
            "/directory/settle/look",
            post(directory_change::look_settle),
        )
        .route("/directory/settle", post(directory_change::settle))
        .route("/directory/sync/look", post(directory_change::look_sync))
        .route("/directory/sync", post(directory_change::sync))
}

async fn no_such_page() -> fault::Fault {
    fault::Fault::not_found()
}
