//! Builds the graph: every room gets what it needs by its constructor, here and nowhere else.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::accounts::AccountDesk;
use super::catch_up::{Rest, known_people};
use super::certificates::Certificates;
use super::clients::{client, filters, mailboxes};
use super::door::desks;
use super::front::{LdapFront, provider};
use super::policy_door::PolicyDesk;
use super::reload::{Movers, Reloader};
use super::sockets::{Handed, Public, Sockets};
use super::submitters::logins;
use super::visit_key::visit_key;
use super::{Running, StartError, certificates, drills, notices, sync};
use crate::activation::Activation;
use crate::admin::{self, Admin, Doorway, Served};
use crate::auth::{Checker, KeyFolder, Signer};
use crate::automatic::Policies;
use crate::backend::Board;
use crate::base::{Clock, Entropy, Shutdown};
use crate::config::{Config, WebConfig};
use crate::device::Devices;
use crate::directory::{DirectoryHandle, Generations, Syncer, Verified, Waves};
use crate::drill::{DrillTransport, Drills};
use crate::filter::Filters;
use crate::inbound::{CurrentBounds, Load};
use crate::ldap::{LdapServer, Passwords};
use crate::mail::{Sign, Transport, VisitKey};
use crate::net::{Dns, Listen as _, TcpListen, TlsClient, UnixDoor};
use crate::outbound::Outbound;
use crate::queue::landing::Landings;
use crate::queue::replay::Replays;
use crate::queue::{Parts, Queue};
use crate::route::{Router, Verifier};
use crate::spool::{FileSystem, Opened, Spool, SystemDisk, World, Writer};
use crate::telemetry::{Metrics, process};
use crate::webmail::{self, Accounts, KeepKeys, ProviderLogin, Webmail};
use crate::writeback::{self, Writebacks};

/// Starts everything that the config describes. To be called within a runtime.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(config: Config) -> Result<Running, StartError> {
    start_with(config, Handed::default()).await
}

/// The same, on sockets that somebody else holds.
pub(super) async fn start_with(config: Config, handed: Handed) -> Result<Running, StartError> {
    let directory = config.read_directory()?;
    // Ports first: a second start must not touch the spool of the first one.
    let sockets = Sockets::bind(&config, handed)?;
    make_data_dir(&config.server.data_dir).map_err(StartError::other("data_dir"))?;
    let (tls, doors, client_authorities) = certificates::all(&config)?;
    let opened = open_spool(&config).await?;
    let directory = known_people(directory, &opened);
    let base = Base::new(&config, directory, opened.spool.clone())?;
    let outbound = client(&config, &base)?;
    let (queue, drills) = base.queue(&config, &outbound);
    let (accounts, provider) = (base.accounts(&config)?, provider(&config, &base)?);
    let movers = movers(&config, &base, (&queue, &outbound), (&tls, sockets.public))?;
    let (reloader, told) = Reloader::new(config.clone(), base.clone(), movers.clone());
    let writer = run(opened.writer)?;
    let rest = Rest::new((&movers, &accounts), &config, opened.committed);
    base.start_when_complete(rest, opened.rebuild).await?;
    let webmail = base.serve_web(&config, sockets.web, (&accounts, provider));
    let url = base_url(&config, sockets.web_address);
    let (operators, audit) = desks(&base, &config, sockets.admin_address);
    let desk = AccountDesk::new((accounts.clone(), webmail.clone()), url, &base);
    let admin = base.serve_operators(
        (&config, sockets.admin),
        Admin {
            spool: base.spool.clone(),
            queue: queue.clone(),
            outbound,
            directory: base.generations.clone(),
            waves: Waves::new(base.generations.clone(), base.spool.clone()),
            drills,
            replays: movers.replays.clone(),
            landings: movers.landings.clone(),
            notices: Some(movers.notices.clone()),
            filters: Some(base.filters.clone()),
            devices: base.devices.clone(),
            load: base.load.clone(),
            certificates: tls.clone(),
            client_authorities,
            acme: movers.acme.clone(),
            writebacks: movers.writebacks.clone(),
            sync: base.syncer.clone(),
            router: base.router.clone(),
            backends: told.backends,
            attention_after: told.attention_after,
            webmail: config.web.is_some(),
            activation: base.activation.clone(),
            accounts: Arc::new(desk),
            operators,
            audit,
            config: Arc::clone(&reloader) as Arc<dyn admin::Reload>,
            metrics: Metrics::install().map_err(StartError::other("metrics"))?,
            clock: base.clock.clone(),
            entropy: base.entropy.clone(),
        },
    )?;
    notices::start(&admin, &base, &opened.recovery);
    Ok(Running {
        // Mail last: whoever sees the greeting can ask `status`.
        listeners: base.serve_mail(&config, sockets.mail, (doors, webmail)),
        spool: base.spool,
        router: base.router,
        queue,
        accounts,
        web: sockets.web_address,
        admin: sockets.admin_address,
        recovery: opened.recovery,
        audit: admin.audit.clone(),
        reloader,
        shutdown: base.shutdown,
        writer,
    })
}

/// What most rooms need; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) shutdown: Shutdown,
    pub(super) spool: Spool,
    pub(super) router: Router,
    pub(super) directory: DirectoryHandle,
    pub(super) generations: Generations,
    pub(super) syncer: Syncer,
    pub(super) board: Board,
    pub(super) activation: Activation,
    pub(super) visits: VisitKey,
    pub(super) checker: Arc<Checker>,
    pub(super) filters: Filters,
    pub(super) policies: Policies,
    pub(super) signer: Arc<Signer>,
    pub(super) devices: Devices,
    pub(super) load: Load,
    /// One for everybody: what one room asked, the others know.
    pub(super) dns: Arc<Dns>,
    pub(super) bounds: CurrentBounds,
}

impl Base {
    fn new(config: &Config, directory: DirectoryHandle, spool: Spool) -> Result<Self, StartError> {
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let dns = Dns::asking(&config.dns.servers).map_err(StartError::other("the resolver"))?;
        let dns = Arc::new(dns);
        let checker = Checker::new(
            dns.clone(),
            (clock.clone(), entropy.clone()),
            config.server.hostname.to_string(),
            config.auth.clone(),
        );
        let keys = KeyFolder::of(&config.server.data_dir);
        let signer = Arc::new(Signer::new(keys, clock.clone()));
        spool.sign_with(Arc::clone(&signer) as Arc<dyn Sign>);
        let board = Board::new(&config.backend_options(), clock.clone());
        let open = config.web.as_ref().map(|web| web.activation);
        let activation = Activation::new(
            spool.clone(),
            (directory.clone(), board.clone()),
            clock.clone(),
            open.unwrap_or_default(),
        );
        let visits = visit_key(&config.server.data_dir, &entropy);
        let router = Router::new(directory.clone(), board.clone(), config.route_options());
        let generations = Generations::new(
            directory.clone(),
            spool.clone(),
            clock.clone(),
            config.generation_options(),
        );
        Ok(Self {
            load: Load::new(spool.clone(), clock.clone(), &config.bounds()),
            devices: Devices::new(
                spool.clone(),
                (clock.clone(), entropy.clone()),
                logins(config),
            ),
            clock: clock.clone(),
            entropy,
            shutdown: Shutdown::new(),
            spool,
            router,
            directory,
            syncer: sync::syncer(generations.clone(), (config, &dns))?,
            generations,
            board,
            activation,
            visits: visits.map_err(StartError::other("visit.key"))?,
            checker: Arc::new(checker.sealing(Arc::clone(&signer))),
            signer,
            filters: filters(config, dns.clone(), &clock),
            dns,
            policies: Policies::new(config.automatic.policy.clone()),
            bounds: CurrentBounds::new(config.bounds()),
        })
    }

    fn accounts(&self, config: &Config) -> Result<Accounts, StartError> {
        let (spool, clock) = (self.spool.clone(), self.clock.clone());
        let accounts = Accounts::new(spool, clock, self.entropy.clone());
        let accounts = accounts.map_err(StartError::other("the accounts"))?;
        let keep = if config.listeners.iter().any(|it| it.role.wants_login()) {
            KeepKeys::Yes
        } else {
            KeepKeys::No
        };
        let accounts = accounts.keeping(keep);
        let Some(source) = config.web.as_ref().and_then(|web| web.ldap.clone()) else {
            return Ok(accounts);
        };
        let tls = TlsClient::new().map_err(StartError::other("TLS"))?;
        let server = LdapServer::new(source.options, tls, self.dns.clone());
        let passwords = Passwords::new(server, self.entropy.clone());
        let front = LdapFront::new(
            source.name,
            passwords,
            (self.directory.clone(), self.clock.clone()),
        );
        Ok(accounts.behind(Arc::new(front)))
    }

    fn queue(&self, config: &Config, outbound: &Outbound) -> (Queue, Drills) {
        let drills = drills::drills(self, config);
        let asker = Arc::new(outbound.clone());
        let verifier = Verifier::new(Verified::default(), asker, self.clock.clone());
        self.router.verify_with(verifier);
        let transport: Arc<dyn Transport> = Arc::new(DrillTransport {
            others: Arc::new(outbound.clone()),
            drills: drills.clone(),
        });
        let parts = Parts {
            spool: self.spool.clone(),
            router: self.router.clone(),
            transport,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            shutdown: self.shutdown.clone(),
        };
        let queue = Queue::new(parts, config.queue_options());
        queue.mark_visits(self.visits.clone());
        (queue, drills)
    }

    fn serve_web(
        &self,
        config: &Config,
        socket: Option<(WebConfig, TcpListen)>,
        (accounts, provider): (&Accounts, Option<ProviderLogin>),
    ) -> Option<Webmail> {
        let (Some((_, socket)), Some((_, options))) = (socket, config.webmail_options()) else {
            return None;
        };
        let world = webmail::World {
            spool: self.spool.clone(),
            accounts: accounts.clone(),
            admit: Arc::new(self.router.clone()),
            health: Arc::new(self.router.clone()),
            activation: self.activation.clone(),
            directory: self.directory.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            provider,
        };
        let options = webmail::Options {
            base_url: base_url(config, Some(socket.local_address())),
            ..options
        };
        let webmail = Webmail::new(world, options);
        let outbox = webmail.clone().outbox_task(self.shutdown.clone());
        self.shutdown.spawn("webmail outbox", outbox);
        let keep = self.activation.clone().keep(self.shutdown.clone());
        self.shutdown.spawn("webmail activation", keep);
        let notices = webmail.clone().notices_task(self.shutdown.clone());
        self.shutdown.spawn("webmail notices", notices);
        let changes = webmail.clone().changes_task(self.shutdown.clone());
        self.shutdown.spawn("webmail changes", changes);
        let router = webmail::router(webmail.clone());
        let shutdown = self.shutdown.clone();
        let serve = admin::serve_network(
            Doorway::new(socket, None, &shutdown),
            router,
            shutdown.clone(),
        );
        shutdown.spawn("webmail", serve);
        Some(webmail)
    }

    fn serve_operators(
        &self,
        (config, network): (&Config, Option<TcpListen>),
        admin: Admin,
    ) -> Result<Arc<Admin>, StartError> {
        let started = self.clock.now().as_millis();
        process::started(Duration::from_millis(started));
        let upkeep = admin::keep_metrics(admin.metrics.clone(), self.shutdown.clone());
        self.shutdown.spawn("metrics", upkeep);
        if let Some(filters) = &admin.filters {
            let keep = filters.clone().keep(self.shutdown.clone());
            self.shutdown.spawn("content filters", keep);
        }
        drills::start(admin.drills.clone(), &admin.queue, &self.shutdown);
        let admin = Arc::new(admin);
        let waves = admin::keep_waves(Arc::clone(&admin), self.shutdown.clone());
        self.shutdown.spawn("waves", waves);
        let data_dir = &config.server.data_dir;
        let path = data_dir.join(admin::SOCKET);
        let door = UnixDoor::bind(path).map_err(StartError::other("the operators' socket"))?;
        let router = admin::operators(Arc::clone(&admin), self.shutdown.clone());
        let serve = admin::serve(door, router, self.shutdown.clone());
        self.shutdown.spawn("operators' socket", serve);
        let keep = admin.audit.clone().keep(self.shutdown.clone());
        self.shutdown.spawn("audit log", keep);
        if let Some((options, socket)) = config.admin.as_ref().zip(network) {
            self.serve_network((data_dir, options), socket, Arc::clone(&admin));
        }
        Ok(admin)
    }
}

/// Makes the folder of the spool, for nobody but us: it holds everybody's mail. Synced, or the
/// spool in it could be gone after a power cut (I1).
fn make_data_dir(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let disk: &dyn FileSystem = &SystemDisk;
    disk.create_dir_all(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

async fn open_spool(config: &Config) -> Result<Opened, StartError> {
    let options = config.spool_options();
    let opened = tokio::task::spawn_blocking(move || Spool::open(options, World::system()));
    let opened = opened.await.map_err(StartError::other("the spool"))??;
    let recovery = opened.recovery;
    tracing::info!(
        replayed = recovery.replayed,
        rebuilt = recovery.rebuilt,
        damaged = recovery.damaged,
        interrupted = recovery.interrupted,
        "the spool is open"
    );
    Ok(opened)
}

fn run(writer: Writer) -> Result<JoinHandle<()>, StartError> {
    let running = writer.spawn_thread();
    running.map_err(StartError::other("the spool's writer"))
}

fn movers(
    config: &Config,
    base: &Base,
    (queue, outbound): (&Queue, &Outbound),
    (tls, public): (&Certificates, Public),
) -> Result<Movers, StartError> {
    let replays = Replays::new(queue.clone(), config.replay);
    let imap = mailboxes(config, base.dns.clone())?;
    replays.ask_with(Arc::new(imap.clone()));
    let landings = Landings::new(queue.clone(), config.landing);
    landings.ask_with(Arc::new(imap.clone()));
    let writebacks = Writebacks::new(writeback::Parts::new(
        (base.spool.clone(), base.router.clone()),
        (base.clock.clone(), base.entropy.clone()),
        base.shutdown.clone(),
        (config.server.hostname.to_string(), config.writeback.clone()),
    ));
    writebacks.carry_with(Arc::new(imap.clone()));
    let policies = PolicyDesk::new(config.mta_sts.policies.clone());
    base.serve_policies(public.policies, tls, &policies);
    Ok(Movers {
        queue: queue.clone(),
        outbound: outbound.clone(),
        replays,
        landings,
        writebacks,
        imap,
        notices: notices::notices(base, config, outbound)?,
        certificates: tls.get(&Served::Mail).cloned(),
        policies,
        acme: base.serve_answers(config, public.answers)?,
    })
}

/// How users reach the webmail; empty without one. `bound` and not `bind` of the config: port 0
/// there means any free one.
fn base_url(config: &Config, bound: Option<SocketAddr>) -> String {
    let (Some(web), Some(bound)) = (&config.web, bound) else {
        return String::new();
    };
    let plain = || format!("http://{bound}");
    web.base_url.clone().unwrap_or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_dir_is_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("a/data");
        make_data_dir(&data_dir).unwrap();
        make_data_dir(&data_dir).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data_dir), 0o700);
    }

    #[test]
    fn links_carry_the_port_that_was_bound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = |more: &str| {
            format!(
                "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:0\"\n\
                 [backend.a]\nhosts = [\"127.0.0.1:1\"]\n[domain.\"example.org\"]\nhome = \"a\"\n\
                 [web]\nbind = \"127.0.0.1:0\"\n{more}"
            )
        };
        let bound = "127.0.0.1:4711".parse().ok();
        for (more, expected) in [
            ("", "http://127.0.0.1:4711"),
            (
                "base_url = \"https://mail.example.org\"\n",
                "https://mail.example.org",
            ),
        ] {
            std::fs::write(&file, text(more)).unwrap();
            let config = crate::config::load(&file).unwrap();
            assert_eq!(base_url(&config, bound), expected);
            assert_eq!(base_url(&config, None), "");
        }
    }
}
