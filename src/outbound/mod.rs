//! The SMTP and LMTP client, mirror of `inbound`: opens connections to next hops, sends messages
//! over them, and says what became of each recipient.
//!
//! [`Outbound`] implements [`Transport`] for the queue and [`Prober`] for the health of backends.
//! The two conversations are pure state machines: `greeting` from the connection to the first
//! MAIL, `session` for one message.

mod ask;
mod channel;
mod commands;
mod demand;
mod dial;
mod error;
mod greeting;
mod guard;
mod link;
mod login;
mod options;
mod outcome;
mod probe;
mod replies;
mod session;
mod split;
mod sts;
mod sts_memory;
mod tls_day;
mod tls_memory;
mod tls_report;
mod tlsrpt;

pub use options::{Options, Protection, SecuredDomain, Timeouts};
pub use sts::{Mode as StsMode, StsPolicy, record_id as sts_record_id};
pub use tls_report::{PolicyKind, TlsCount};
pub use tlsrpt::{
    Destination as ReportDestination, ReportOptions, ReportParts, TlsReport, TlsReportState,
    TlsReportView, destinations as report_destinations,
};

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use channel::{OpenChannel, State};
use demand::{Demand, Strictness, weaker};
use dial::{Candidate, Finder};
use error::Error;
use greeting::{Manner, Mirror, Way};
use guard::{Guard, StsCache};
use link::{Link, Proof};
use login::{Login, Secret};
use outcome::failure;
use tls_report::TlsReports;

use crate::backend::{
    BackendOptions, Board, Credentials, Hosts, Protocol, SecretFile, SessionBounds, TlsPolicy,
};
use crate::base::{Boxed, Clock, Entropy, Timestamp};
use crate::mail::{BackendId, Channel, DeliveryTarget, Failure, Transport};
use crate::net::{CertificateCheck, ClientPair, Dial, Resolve, TlsClient};
use crate::spool::Spool;
use crate::telemetry::names;

/// What the room needs of the world.
#[derive(Clone)]
pub struct World {
    /// Connections.
    pub dial: Arc<dyn Dial>,
    /// Names.
    pub resolve: Arc<dyn Resolve>,
    /// Encryption.
    pub tls: TlsClient,
    /// Time.
    pub clock: Clock,
    /// Chance among equal hosts.
    pub entropy: Entropy,
    /// Where the hosts of a backend are noted, if anywhere.
    pub board: Option<Board>,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    world: Arc<World>,
    options: Arc<RwLock<Arc<Options>>>,
    sts: Arc<StsCache>,
    /// Where policies are written down.
    memory: Arc<OnceLock<Spool>>,
    tls_reports: Arc<TlsReports>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("options", &self.options())
            .finish_non_exhaustive()
    }
}

/// How to get to a target and how to behave there.
pub(crate) struct Route {
    place: Place,
    backend: Option<BackendId>,
    protocol: Protocol,
    tls: TlsPolicy,
    check: CertificateCheck,
    /// The name that certificates are checked for; `None`: the host's.
    name: Option<String>,
    pair: Option<ClientPair>,
    credentials: Option<Credentials>,
    bounds: SessionBounds,
}

/// RFC 5321 §4.5.3.1.8: what every server takes in one transaction.
const STRANGERS_RECIPIENTS: usize = 100;

/// Where the hosts are named.
enum Place {
    Backend(Hosts),
    /// The domain, and whether mail goes to hosts that do not prove what it asks for.
    Domain(String, Strictness),
    Relay(String),
}

impl Outbound {
    /// A client with `options` in `world`.
    #[must_use]
    pub fn new(options: Options, world: World) -> Self {
        Self {
            world: Arc::new(world),
            options: Arc::new(RwLock::new(Arc::new(options))),
            sts: Arc::default(),
            memory: Arc::default(),
            tls_reports: Arc::default(),
        }
    }

    /// Takes new settings; connections that are open stay as they are.
    pub fn set_options(&self, options: Options) {
        let mut current = self.options.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(options);
    }

    /// How TLS with strangers went in the last days.
    #[must_use]
    pub fn tls_counts(&self) -> Vec<TlsCount> {
        self.tls_reports.list()
    }

    fn options(&self) -> Arc<Options> {
        let current = self.options.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    fn route(&self, target: &DeliveryTarget) -> Result<Route, Error> {
        let stranger = |place| Route {
            place,
            backend: None,
            protocol: Protocol::Smtp,
            tls: TlsPolicy::Opportunistic,
            check: CertificateCheck::Any,
            name: None,
            pair: None,
            credentials: None,
            bounds: SessionBounds {
                recipients: STRANGERS_RECIPIENTS,
                ..SessionBounds::default()
            },
        };
        match target {
            DeliveryTarget::Backend(id) => {
                let options = self.options();
                let known = options.backends.get(id).map(Route::backend);
                known.ok_or_else(|| Error::Config(format!("the config has no backend {id}")))
            }
            DeliveryTarget::Domain(domain) => {
                Ok(stranger(Place::Domain(domain.clone(), Strictness::Strict)))
            }
            DeliveryTarget::Lenient(domain) => {
                Ok(stranger(Place::Domain(domain.clone(), Strictness::Lenient)))
            }
            DeliveryTarget::Relay(relay) => Ok(stranger(Place::Relay(relay.clone()))),
        }
    }

    /// Connects to the first host of `route` that can be reached, and says which it is.
    async fn connect(&self, route: &Route) -> Result<(Link, String), Failure> {
        let candidates = self.candidates(route).await;
        let candidates = candidates.map_err(|error| failure(&error, "the next hop"))?;
        let guard = match &route.place {
            Place::Domain(domain, strictness) => self.guard(domain, *strictness).await,
            Place::Backend(_) | Place::Relay(_) => Ok(Guard::default()),
        };
        let guard = guard.map_err(|error| failure(&error, "the next hop"))?;
        let mut first = None;
        for candidate in candidates {
            let peer = candidate.address.to_string();
            let error = match self.reach(route, &candidate, &guard).await {
                Ok(link) => {
                    self.note(route, &peer, Ok(()));
                    return Ok((link, peer));
                }
                Err(error) => error,
            };
            let failure = failure(&error, &peer);
            self.note(route, &peer, Err(failure.what.clone()));
            // RFC 5321 §5.1: if we meet ourselves there is nothing better behind.
            if matches!(error, Error::NoMail(_)) {
                return Err(failure);
            }
            // The preferred host speaks for all, unless only another one said something. That one
            // cannot refuse for good: the preferred one may take it later.
            match &first {
                None => first = Some(failure),
                Some(Failure { reply: None, .. })
                    if failure.reply.is_some() && !failure.is_permanent() =>
                {
                    first = Some(failure);
                }
                Some(_) => {}
            }
        }
        Err(first.unwrap_or_else(|| {
            let error = Error::Config("no host to deliver to".to_owned());
            failure(&error, "")
        }))
    }

    async fn candidates(&self, route: &Route) -> Result<Vec<Candidate>, Error> {
        let finder = Finder {
            options: &self.options(),
            resolve: self.world.resolve.as_ref(),
            entropy: &self.world.entropy,
        };
        match &route.place {
            Place::Backend(hosts) => finder.backend(hosts).await,
            Place::Domain(domain, _) => finder.domain(domain, Mirror::Loop).await,
            Place::Relay(relay) => finder.list(std::slice::from_ref(relay)).await,
        }
    }

    /// Connects to one host and introduces us.
    async fn reach(
        &self,
        route: &Route,
        candidate: &Candidate,
        guard: &Guard,
    ) -> Result<Link, Error> {
        let demand = match route.place {
            Place::Domain(..) => Some(self.demand(guard, candidate).await?),
            Place::Backend(_) | Place::Relay(_) => None,
        };
        let mut manner = self.manner(route, candidate, demand.as_ref()).await?;
        let mut uncounted = demand.as_ref();
        loop {
            let met = self.meet(route, candidate, &manner).await;
            // What is tried with less TLS after a failure is no other session.
            if let Some(demand) = uncounted.take() {
                let met = met.as_ref().map(|link| link.tls.as_ref());
                self.count_session((guard, demand), candidate, met).await;
            }
            let error = match met {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            let strictness = demand
                .as_ref()
                .map_or(Strictness::Strict, |it| it.strictness);
            let Some(weaker) = weaker(manner.tls, &error, strictness) else {
                return Err(error);
            };
            tracing::info!(peer = %candidate.address, %error, "going on with less TLS");
            manner.tls = weaker;
            manner.check = CertificateCheck::Any;
        }
    }

    async fn meet(
        &self,
        route: &Route,
        candidate: &Candidate,
        manner: &Manner,
    ) -> Result<Link, Error> {
        let options = self.options();
        let timeouts = match route.place {
            Place::Backend(_) => options.backend_timeouts,
            Place::Domain(..) | Place::Relay(_) => options.stranger_timeouts,
        };
        let dialled = self.world.dial.dial(candidate.address);
        let stream = tokio::time::timeout(timeouts.connect, dialled).await;
        let stream = stream.map_err(|_| link::timed_out())?;
        let stream = stream.map_err(Error::Dial)?;
        Link::greet(stream, manner, timeouts, &self.world.tls).await
    }

    async fn manner(
        &self,
        route: &Route,
        candidate: &Candidate,
        demand: Option<&Demand>,
    ) -> Result<Manner, Error> {
        let login = match &route.credentials {
            None => None,
            Some(credentials) => Some(self.read_login(credentials).await?),
        };
        Ok(Manner {
            hostname: self.options().hostname.clone(),
            protocol: route.protocol,
            tls: demand.map_or(route.tls, |demand| demand.tls),
            check: demand.map_or(&route.check, |demand| &demand.check).clone(),
            name: route.name.as_ref().unwrap_or(&candidate.host).clone(),
            // RFC 8689 §4.2.1: the config names it, or a policy of MTA-STS, which came by https.
            named: match (&route.place, &route.name) {
                (Place::Backend(Hosts::Mx(_)), None) => Proof::Nothing,
                (Place::Backend(_) | Place::Domain(..) | Place::Relay(_), _) => Proof::Identity,
            },
            pair: route.pair.clone(),
            login,
            way: if candidate.address.ip().is_loopback() {
                Way::Loopback
            } else {
                Way::Network
            },
            mirror: match route.place {
                Place::Domain(..) => Mirror::Loop,
                Place::Backend(_) | Place::Relay(_) => Mirror::Fine,
            },
        })
    }

    /// The secret is read at each login, so that a new one needs no restart.
    async fn read_login(&self, credentials: &Credentials) -> Result<Login, Error> {
        let path = credentials.secret.path();
        let text = tokio::fs::read_to_string(path).await;
        let text =
            text.map_err(|error| Error::Login(format!("cannot read {}: {error}", path.display())))?;
        let secret = match &credentials.secret {
            SecretFile::Password(_) => Secret::Password,
            SecretFile::Token(_) => Secret::Token,
        };
        Ok(Login {
            username: credentials.username.clone(),
            secret: secret(text.trim_end_matches(['\r', '\n']).to_owned()),
            mechanism: credentials.mechanism,
            nonce: self.world.entropy.token(),
        })
    }

    fn note(&self, route: &Route, peer: &str, result: Result<(), String>) {
        let backend = route.backend.as_ref().map_or("@", BackendId::as_str);
        let label = if result.is_ok() { "good" } else { "bad" };
        metrics::counter!(
            names::OUTBOUND_CONNECTIONS, "backend" => backend.to_owned(), "result" => label
        )
        .increment(1);
        if let (Some(board), Some(backend)) = (&self.world.board, &route.backend) {
            board.report_host(backend, peer, result);
        }
    }
}

impl Route {
    fn backend(options: &BackendOptions) -> Self {
        Self {
            place: Place::Backend(options.hosts.clone()),
            backend: Some(options.id.clone()),
            protocol: options.protocol,
            tls: options.tls,
            check: options.check(),
            name: options.proof.name.clone(),
            pair: options.proof.client.clone(),
            credentials: options.credentials.clone(),
            bounds: options.session,
        }
    }
}

impl Transport for Outbound {
    fn open<'a>(
        &'a self,
        target: &'a DeliveryTarget,
    ) -> Boxed<'a, Result<Box<dyn Channel>, Failure>> {
        Box::pin(async move {
            let route = self.route(target).map_err(|error| failure(&error, ""))?;
            let (link, peer) = self.connect(&route).await?;
            let channel = OpenChannel {
                link,
                peer,
                outbound: self.clone(),
                route: Arc::new(route),
                opened: self.now(),
                messages: 0,
                state: State::Usable,
            };
            Ok(Box::new(channel) as Box<dyn Channel>)
        })
    }
}

#[cfg(test)]
mod tests;
