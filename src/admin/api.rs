//! The paths of the API.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use metrics::gauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::case_numbers::OpenCases;
use super::directory_api::parsed;
use super::extract::{Body, Path, Query};
use super::lookup::TraceQuery;
use super::queue_list::QueueQuery;
use super::table::operations;
use super::{
    Account, Admin, AdminError, BackendDetails, BackendView, Caller, Coverage, Covered, Invitation,
    MessageView, QueueItem, QueueNumbers, ReloadQuery, ReloadView, SizeView, StatusView, TraceView,
};
use crate::base::Shutdown;
use crate::mail::SpoolId;
use crate::smtp::Mailbox;
use crate::spool::{SpoolError, SpoolStats};
use crate::telemetry::names;

type Answer<T> = Result<Json<T>, AdminError>;
type Us = State<Arc<Admin>>;

/// The API, for callers who are known: each request carries its [`Caller`] in its extensions, who
/// does what his role allows.
///
/// What was asked for is done to its end, also when whoever asked goes away: it is a task of
/// `shutdown` then.
pub fn api(admin: Arc<Admin>, shutdown: Shutdown) -> Router {
    routes(admin, shutdown).fallback(no_such_path)
}

/// The same without an answer to other paths than those of the API.
pub(super) fn routes(admin: Arc<Admin>, shutdown: Shutdown) -> Router {
    let mut router = Router::new();
    for operation in operations() {
        let (path, route) = operation.routed(&admin.audit);
        router = router.route(path, route);
    }
    router
        .route("/api", any(no_such_path))
        .route("/api/", any(no_such_path))
        .route("/api/{*rest}", any(no_such_path))
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(shutdown, to_its_end))
        .with_state(admin)
}

/// The whole API with `/health` and `/metrics`, for those who may open the unix socket: they may
/// do everything, and are called what they say.
pub fn operators(admin: Arc<Admin>, shutdown: Shutdown) -> Router {
    let root = |mut request: Request, next: Next| {
        let caller = Caller::of_socket(request.headers());
        request.extensions_mut().insert(caller);
        next.run(request)
    };
    api(Arc::clone(&admin), shutdown)
        .layer(from_fn(root))
        .merge(open(admin))
}

/// A change that was written down and is not shown would be a lie until the next start.
async fn to_its_end(State(shutdown): State<Shutdown>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (send, answer) = oneshot::channel();
    shutdown.spawn("a request", async move {
        send.send(next.run(request).await).ok();
    });
    match answer.await {
        Ok(answer) => answer,
        Err(_) => AdminError::Ours("it was not done to its end".to_owned()).into_response(),
    }
}

/// `/health` and `/metrics`: what anybody who reaches `[admin] bind` may see. It changes nothing
/// and names no mail.
pub(super) fn open(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

async fn no_such_path() -> AdminError {
    AdminError::NotFound {
        what: "there is no such path".to_owned(),
        hint: "docs/api.md says how the API is asked",
    }
}

async fn no_such_method() -> AdminError {
    AdminError::Method
}

pub(super) async fn health(State(admin): Us) -> Response {
    let health = admin.blocking(|admin| Ok(admin.health())).await;
    let health = match health {
        Ok(health) => health,
        Err(error) => return error.into_response(),
    };
    let status = if health.accepting {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

pub(super) async fn metrics(State(admin): Us) -> Response {
    // What cannot be counted now keeps its old number.
    let gauges = admin.blocking(|admin| {
        admin.set_gauges();
        Ok(())
    });
    gauges.await.ok();
    if let Some(coverage) = admin.enrolled().await {
        set_coverage(&coverage);
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, admin.metrics.render()).into_response()
}

/// A share cannot be added up: the two counts can.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 mailboxes")]
fn set_coverage(coverage: &Coverage) {
    for (domain, covered) in &coverage.domains {
        let domain = domain.clone();
        gauge!(names::WEBMAIL_MAILBOXES, "domain" => domain.clone()).set(covered.mailboxes as f64);
        gauge!(names::WEBMAIL_ENROLLED, "domain" => domain).set(covered.enrolled as f64);
    }
    gauge!(names::WEBMAIL_DEPARTED).set(coverage.departed as f64);
}

/// While the index is made, what it would tell is not known: `status` says so, and the rest.
pub(super) fn as_far_as_known<T: Default>(answer: Result<T, SpoolError>) -> Result<T, SpoolError> {
    match answer {
        Err(SpoolError::Rebuilding(_)) => Ok(T::default()),
        known => known,
    }
}

/// What of the state is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StatusQuery {
    /// Also what `/health` says, by the same look.
    #[serde(default)]
    pub(crate) health: bool,
}

pub(super) async fn status(
    State(admin): Us,
    Query(query): Query<StatusQuery>,
) -> Answer<StatusView> {
    let enrolled = admin.enrolled().await.map(|coverage| coverage.total);
    let view = admin.blocking(move |admin| admin.status_now(enrolled, &query));
    view.await.map(Json)
}

pub(super) async fn size(State(admin): Us) -> Answer<SizeView> {
    admin.blocking(Admin::size).await.map(Json)
}

pub(super) async fn backends(State(admin): Us) -> Answer<Vec<BackendView>> {
    let views = admin.blocking(|admin| Ok(admin.backend_views(&admin.open_cases())));
    views.await.map(Json)
}

pub(super) async fn backend(State(admin): Us, Path(name): Path<String>) -> Answer<BackendDetails> {
    admin.details(&name).await.map(Json)
}

pub(super) async fn queue(
    State(admin): Us,
    Query(query): Query<QueueQuery>,
) -> Answer<Vec<QueueItem>> {
    admin
        .blocking(move |admin| admin.queue(&query))
        .await
        .map(Json)
}

pub(super) async fn message(State(admin): Us, Path(id): Path<String>) -> Answer<MessageView> {
    let id: SpoolId = id.parse().map_err(|error| AdminError::Asked {
        what: format!("{id}: {error}"),
        hint: "`tideover queue list` shows the ids",
    })?;
    admin
        .blocking(move |admin| admin.one_message(id))
        .await
        .map(Json)
}

/// A request about one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AddressQuery {
    /// The address.
    pub(crate) address: String,
}

impl AddressQuery {
    pub(super) fn parse(&self) -> Result<Mailbox, AdminError> {
        parsed(&self.address)
    }
}

pub(super) async fn trace(State(admin): Us, Query(query): Query<TraceQuery>) -> Answer<TraceView> {
    admin
        .blocking(move |admin| admin.trace(&query))
        .await
        .map(Json)
}

pub(super) async fn users(State(admin): Us) -> Answer<Vec<Account>> {
    Ok(Json(admin.accounts.list().await?))
}

pub(super) async fn invite(
    State(admin): Us,
    Body(query): Body<AddressQuery>,
) -> Answer<Invitation> {
    Ok(Json(admin.accounts.invite(&query.parse()?).await?))
}

pub(super) async fn reset(State(admin): Us, Body(query): Body<AddressQuery>) -> Answer<Invitation> {
    Ok(Json(admin.accounts.reset(&query.parse()?).await?))
}

pub(super) async fn coverage(State(admin): Us) -> Answer<Coverage> {
    Ok(Json(Arc::unwrap_or_clone(admin.accounts.coverage().await?)))
}

pub(super) async fn disable(
    State(admin): Us,
    Body(query): Body<AddressQuery>,
) -> Answer<AddressQuery> {
    admin.accounts.disable(&query.parse()?).await?;
    Ok(Json(query))
}

pub(super) async fn confirm(State(admin): Us, Body(query): Body<AddressQuery>) -> Answer<Account> {
    Ok(Json(admin.accounts.confirm(&query.parse()?).await?))
}

pub(super) async fn reload(
    State(admin): Us,
    Query(query): Query<ReloadQuery>,
) -> Answer<ReloadView> {
    let done = admin.config.reload(query.mark).await;
    done.map_err(AdminError::Config)?;
    Ok(Json(ReloadView { reloaded: true }))
}

impl Admin {
    /// `status`, with how many can log in. Blocks: folders are listed, and the disk is measured.
    fn status_now(
        &self,
        enrolled: Option<Covered>,
        query: &StatusQuery,
    ) -> Result<StatusView, AdminError> {
        let drained = as_far_as_known(self.queue.drain_counts())?;
        let mut replays = as_far_as_known(self.replays.list())?;
        replays.retain(|one| one.replay.is_open());
        let (cases, stats) = (self.open_cases(), self.spool.stats());
        let attention = as_far_as_known(self.attention())?;
        let is_wanted = query.health.then_some((&attention, &cases));
        let health = is_wanted.map(|known| self.health_with(known));
        Ok(StatusView {
            refusing: self.refusing(),
            busy: self.busy(),
            red_drills: self.red_drills().collect(),
            certificates: self.certificate_troubles(),
            sending: self.sending_troubles(),
            webmail: self.opened()?,
            enrolled,
            holds: self.hold_views()?,
            moves: self.move_views()?,
            all_moving: self.is_all_moving(),
            waves: self.recent_waves()?,
            replays,
            missing_mail: as_far_as_known(self.landings.missing())?,
            open_relay: self.router.relay_test().get(),
            attention,
            health,
            filters: self.filter_status(),
            sources: self.sync.status(),
            open_conflicts: self.directory.current().open_conflicts() as u64,
            cases: cases.numbers(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: self.clock.now(),
            backends: self.views_of_backends(&cases, &stats),
            queue: QueueNumbers::new(&stats, &self.router.board().snapshot(), &drained),
            spool: self.storage(stats),
        })
    }

    /// How many can log in; none without a webmail, or while that cannot be known.
    async fn enrolled(&self) -> Option<Arc<Coverage>> {
        if !self.webmail {
            return None;
        }
        self.accounts.coverage().await.ok()
    }

    /// All backends of the config, with what waits in `cases` of each. Blocks.
    pub(super) fn backend_views(&self, cases: &OpenCases) -> Vec<BackendView> {
        self.views_of_backends(cases, &self.spool.stats())
    }

    fn views_of_backends(&self, cases: &OpenCases, stats: &SpoolStats) -> Vec<BackendView> {
        let board = self.router.board();
        let options = self.backends.borrow().clone();
        options
            .iter()
            .filter_map(|options| {
                let health = board.health(&options.id)?;
                let results = board.hosts(&options.id);
                let progress = self.queue.progress(&options.id);
                let numbers = (stats, progress);
                Some(BackendView {
                    in_cases: cases.of(&options.id).map(|(_, recipients)| recipients),
                    ..BackendView::new(health, options, &results, numbers)
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::routing::post;
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    use super::*;

    /// Ctrl-C at the command line, in the middle of what was asked for.
    #[tokio::test]
    async fn a_change_is_done_to_its_end_though_nobody_waits_for_it() {
        let (begun, gate, done) = (
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
        );
        let (tell, wait, end) = (Arc::clone(&begun), Arc::clone(&gate), Arc::clone(&done));
        let work = move || async move {
            tell.notify_one();
            wait.notified().await;
            end.notify_one();
        };
        let shutdown = Shutdown::new();
        let router = Router::new()
            .route("/change", post(work))
            .layer(from_fn_with_state(shutdown.clone(), to_its_end));
        let request = Request::post("/change").body(Body::empty()).unwrap();
        let mut asked = router.oneshot(request);
        tokio::select! {
            biased;
            _ = &mut asked => panic!("it is answered before it is done"),
            () = begun.notified() => {}
        }
        drop(asked);
        gate.notify_one();
        done.notified().await;
        shutdown.stop().await;
    }
}
