//! The operators' desk of a simulated front door: its API, as the verbs ask it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tideover::activation::{self, Activation};
use tideover::admin::{
    Account, AccountAdmin, AccountRefused, Admin, AuditLog, AuditOptions, CheckDepth, CheckView,
    ConfigView, Coverage, Invitation, InviteQuery, InvitedView, LoginOptions, Operators, Reload,
    keep_waves, operators,
};
use tideover::auth::KeyFolder;
use tideover::automatic::Policy;
use tideover::base::{Boxed, Clock, Entropy};
use tideover::device::{Devices, Logins};
use tideover::directory::{Directory, DirectoryHandle, Generations, Syncer, Waves};
use tideover::drill;
use tideover::inbound::{Bounds, Load};
use tideover::net::{Dns, TcpDial, TlsClient};
use tideover::notice::{Condition, Counted, Observe as _, Share, Thresholds};
use tideover::outbound::{self, Outbound};
use tideover::queue::landing::{self, Landings};
use tideover::smtp::Mailbox;
use tideover::telemetry::Metrics;
use tideover::writeback::{self, Writebacks};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::door::{Door, Site};
use crate::world::{PLATFORMS, probed};

/// No webmail and no config file behind this desk.
#[derive(Debug)]
struct Nobody;

/// Who has sent nearly as much as he may.
pub(crate) const BUSY: &str = "busy@onprem.example";

fn no_accounts() -> AccountRefused {
    AccountRefused::NoSuch("there are no accounts here".to_owned())
}

impl AccountAdmin for Nobody {
    fn busy(&self) -> Vec<(String, Share)> {
        let share = Share::new(Counted::Messages, 95, 100);
        vec![(BUSY.to_owned(), share)]
    }

    fn invite<'a>(&'a self, _: &'a Mailbox) -> Boxed<'a, Result<Invitation, AccountRefused>> {
        Box::pin(async { Err(no_accounts()) })
    }

    fn invite_many(&self, _: InviteQuery) -> Boxed<'_, Result<InvitedView, AccountRefused>> {
        Box::pin(async { Err(no_accounts()) })
    }

    fn reset<'a>(&'a self, _: &'a Mailbox) -> Boxed<'a, Result<Invitation, AccountRefused>> {
        Box::pin(async { Err(no_accounts()) })
    }

    fn confirm<'a>(&'a self, _: &'a Mailbox) -> Boxed<'a, Result<Account, AccountRefused>> {
        Box::pin(async { Err(no_accounts()) })
    }

    fn coverage(&self) -> Boxed<'_, Result<Arc<Coverage>, AccountRefused>> {
        Box::pin(async { Ok(Arc::default()) })
    }

    fn list(&self) -> Boxed<'_, Result<Vec<Account>, AccountRefused>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn disable<'a>(&'a self, _: &'a Mailbox) -> Boxed<'a, Result<(), AccountRefused>> {
        Box::pin(async { Err(no_accounts()) })
    }
}

impl Reload for Nobody {
    fn reload(&self, _: Option<String>) -> Boxed<'_, Result<(), String>> {
        Box::pin(async { Err("there is no file".to_owned()) })
    }

    fn config(&self) -> Boxed<'_, Result<ConfigView, String>> {
        Box::pin(async { Err("there is no file".to_owned()) })
    }

    fn check(&self, _: CheckDepth) -> Boxed<'_, Result<CheckView, String>> {
        Box::pin(async { Err("there is no file".to_owned()) })
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::default()
    }

    fn keys(&self) -> KeyFolder {
        KeyFolder::of(Path::new("nowhere"))
    }
}

/// The desk of a door.
pub(crate) struct Desk {
    admin: Arc<Admin>,
    router: axum::Router,
}

impl Desk {
    pub(crate) fn new(site: &Site, door: &Door, directory: (&Generations, &Waves)) -> Self {
        Self::drilled(site, door, directory, None)
    }

    /// With drills.
    pub(crate) fn drilled(
        site: &Site,
        door: &Door,
        (all, waves): (&Generations, &Waves),
        options: Option<drill::Options>,
    ) -> Self {
        let clock = Clock::new(site.clock.clone());
        // Nobody asks the network here: mail goes to the simulated platforms.
        let world = outbound::World {
            dial: Arc::new(TcpDial::default()),
            resolve: Arc::new(Dns::system().unwrap()),
            tls: TlsClient::new().unwrap(),
            clock: clock.clone(),
            entropy: Entropy::new(site.chance.clone()),
            board: None,
        };
        let backends = PLATFORMS.map(|name| probed(name, site.probing));
        let week = Duration::from_secs(7 * 24 * 3600);
        let nobody = DirectoryHandle::new(Directory::builder(Vec::new()).finish());
        let activation = Activation::new(
            door.spool.clone(),
            (nobody, door.router.board().clone()),
            clock.clone(),
            activation::Options::default(),
        );
        let admin = Arc::new(Admin {
            spool: door.spool.clone(),
            activation,
            queue: door.queue.clone(),
            outbound: Outbound::new(outbound::Options::new("mx.example.org"), world),
            directory: all.clone(),
            sync: Syncer::new(all.clone()),
            waves: waves.clone(),
            drills: drills(door, all, &clock, options),
            replays: crate::replays::desk(door),
            writebacks: Writebacks::new(writeback::Parts::new(
                (door.spool.clone(), door.router.clone()),
                (clock.clone(), Entropy::new(site.chance.clone())),
                door.shutdown.clone(),
                ("mx.example.org".to_owned(), writeback::Options::default()),
            )),
            landings: Landings::new(door.queue.clone(), landing::Options::default()),
            notices: None,
            filters: None,
            client_authorities: Vec::new(),
            acme: None,
            load: Load::new(door.spool.clone(), clock.clone(), &Bounds::default()),
            devices: Devices::new(
                door.spool.clone(),
                (clock.clone(), Entropy::new(site.chance.clone())),
                Logins::Nowhere,
            ),
            certificates: BTreeMap::new(),
            router: door.router.clone(),
            backends: watch::channel(backends.into()).1,
            attention_after: watch::channel(week).1,
            webmail: false,
            accounts: Arc::new(Nobody),
            operators: Operators::new(
                door.spool.clone(),
                (clock.clone(), Entropy::new(site.chance.clone())),
                LoginOptions::default(),
            ),
            audit: AuditLog::new(door.spool.clone(), clock.clone(), AuditOptions::default()),
            config: Arc::new(Nobody),
            metrics: Metrics::install().unwrap(),
            clock,
            entropy: Entropy::new(site.chance.clone()),
        });
        let router = operators(Arc::clone(&admin), door.shutdown.clone());
        Self { admin, router }
    }

    /// What notices would tell of.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        self.admin.observe(&Thresholds::default()).conditions
    }

    /// Waves start by themselves from now on, until the door stops.
    pub(crate) fn keep_waves(&self, door: &Door) {
        let keep = keep_waves(Arc::clone(&self.admin), door.shutdown.clone());
        door.shutdown.spawn("waves", keep);
    }

    /// Probes are sent from now on, until the door stops.
    pub(crate) fn keep_drills(&self, door: &Door) {
        let run = self.admin.drills.clone().run(door.shutdown.clone());
        door.shutdown.spawn("drills", run);
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, String::new()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// An answer that is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Value {
        let (status, answer) = self.ask(Method::POST, path, body.to_owned()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// What is asked for as JSON.
    pub(crate) async fn tell(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// What is said to a request that is refused.
    pub(crate) async fn refusal(&self, path: &str, body: &str) -> String {
        let (status, answer) = self.ask(Method::POST, path, body.to_owned()).await;
        assert!(status.is_client_error(), "{path}: {status} {answer}");
        answer["error"].as_str().unwrap().to_owned()
    }

    /// What it is told to do instead.
    pub(crate) async fn hint(&self, path: &str, body: &str) -> String {
        let (status, answer) = self.ask(Method::POST, path, body.to_owned()).await;
        assert!(status.is_client_error(), "{path}: {status} {answer}");
        answer["hint"].as_str().unwrap().to_owned()
    }

    /// What is said to a request that changes nothing and is refused.
    pub(crate) async fn refused(&self, path: &str) -> String {
        let (status, answer) = self.ask(Method::GET, path, String::new()).await;
        assert!(status.is_client_error(), "{path}: {status} {answer}");
        answer["error"].as_str().unwrap().to_owned()
    }

    /// A POST that may be refused.
    pub(crate) async fn try_post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        self.ask(Method::POST, path, body.to_owned()).await
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }
}

fn drills(
    door: &Door,
    all: &Generations,
    clock: &Clock,
    options: Option<drill::Options>,
) -> drill::Drills {
    let parts = drill::Parts {
        spool: door.spool.clone(),
        router: door.router.clone(),
        directory: all.clone(),
        clock: clock.clone(),
        entropy: Entropy::system(),
    };
    drill::Drills::new(options, parts)
}
