//! What a check asks: the backends and the public DNS.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::auth::try_blocklist;
use crate::backend::Prober as _;
use crate::base::{Boxed, Clock, Entropy};
use crate::config::{Config, Problem, ResolverName};
use crate::cutover::{self, Network, Report, Resolver};
use crate::net::{Ask, Dns, DnsError, TcpDial, TlsClient};
use crate::outbound::{self, Outbound, StsPolicy};

/// Asks with what the program itself uses.
#[derive(Debug)]
struct World {
    client: Outbound,
}

impl Network for World {
    fn server(&self, address: SocketAddr) -> Result<Arc<dyn Ask>, DnsError> {
        Ok(Arc::new(Dns::with_servers(&[address])?))
    }

    fn policy<'a>(&'a self, domain: &'a str) -> Boxed<'a, Result<StsPolicy, String>> {
        Box::pin(self.client.current_sts_policy(domain))
    }
}

/// What is seen from here.
pub(super) struct Seen {
    /// Backends that do not take mail.
    pub(super) problems: Vec<Problem>,
    /// Blocklists that cannot be used from here.
    pub(super) warnings: Vec<Problem>,
    /// The public DNS.
    pub(super) report: Report,
}

/// Probes every backend once, as the server does, and looks at what the domains publish.
///
/// # Errors
/// When nobody can be asked from here, for people.
pub(super) async fn look(config: &Config) -> Result<Seen, String> {
    let failed = |error: DnsError| error.to_string();
    let system = Arc::new(Dns::asking(&config.dns.servers).map_err(failed)?);
    let tls = TlsClient::new().map_err(|error| error.to_string())?;
    let client = |resolve: Arc<Dns>| {
        let world = outbound::World {
            dial: Arc::new(TcpDial::default()),
            resolve,
            tls: tls.clone(),
            clock: Clock::system(),
            entropy: Entropy::system(),
            board: None,
        };
        Outbound::new(config.outbound_options(), world)
    };
    let mut resolvers = Vec::new();
    let mut first = None;
    for name in &config.check.resolvers {
        let (name, dns) = match name {
            ResolverName::System => ("system".to_owned(), Arc::clone(&system)),
            ResolverName::At(address, text) => {
                let dns = Dns::with_servers(&[*address]).map_err(failed)?;
                (text.clone(), Arc::new(dns))
            }
        };
        first.get_or_insert_with(|| Arc::clone(&dns));
        resolvers.push(Resolver { name, ask: dns });
    }
    let network = World {
        client: client(first.unwrap_or_else(|| Arc::clone(&system))),
    };
    let options = config.cutover_options();
    let client = client(Arc::clone(&system));
    let (problems, warnings, report) = tokio::join!(
        ask_backends(config, &client),
        try_blocklists(config, &system),
        cutover::look(options, resolvers, &network)
    );
    Ok(Seen {
        problems,
        warnings,
        report,
    })
}

async fn try_blocklists(config: &Config, system: &Arc<Dns>) -> Vec<Problem> {
    let patience = config.auth.patience;
    let tried = config.auth.blocklists.iter().map(async |zone| {
        let ask = Arc::clone(system) as Arc<dyn Ask>;
        let why = try_blocklist(ask, zone, patience).await.err()?;
        Some(Problem {
            file: config.file.clone(),
            line: 0,
            key: "auth.blocklists".to_owned(),
            what: format!("{zone} cannot be used from here: {why}"),
        })
    });
    join_all(tried).await.into_iter().flatten().collect()
}

async fn ask_backends(config: &Config, client: &Outbound) -> Vec<Problem> {
    let mut problems = Vec::new();
    for backend in &config.backend_options() {
        if let Err(failure) = client.probe(backend).await {
            problems.push(Problem {
                file: config.file.clone(),
                line: 0,
                key: format!("backend.{}", backend.id),
                what: format!("does not take mail: {failure}"),
            });
        }
    }
    problems
}

#[cfg(test)]
#[path = "online_tests.rs"]
mod tests;
