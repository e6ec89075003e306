//! A server with a real spool in a folder of its own, and a small directory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideover::auth::{Checker, Enforcement, Listed};
use tideover::automatic::{Party, Policies, Policy};
use tideover::base::{Boxed, Clock, Entropy, Shutdown, Timestamp};
use tideover::device::{Device, Devices, Logins, Way};
use tideover::inbound::{
    self, Bounds, CertificateRights, CurrentBounds, Denied, Load, Options, Outgoing, Proof, Role,
    Server, Spokesmen, Submitter, Submitters, TlsMode, TlsOnly,
};
use tideover::mail::BackendId;
use tideover::net::{Answer, Ask, DnsError, Listen, Record, RecordKind, TcpListen, TlsServer};
use tideover::route::{Admission, Admit, Origin};
use tideover::smtp::{Mailbox, Reply};
use tideover::spool::{Committed, Opened, Spool, World};
use tokio::sync::{Notify, mpsc};

use super::certificates::Proven;
use super::disk::{Fault, FaultyDisk, Stall};
use super::{directory, scanner};

/// What a script may set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) options: Options,
    pub(crate) min_free: u64,
    /// Senders are checked with a DNS of these lines.
    pub(crate) check: Vec<String>,
    /// What follows when DMARC fails.
    pub(crate) dmarc: Enforcement,
    /// Who stands on it is refused.
    pub(crate) blocklist: Option<String>,
    /// What is done with automatic answers.
    pub(crate) policy: Policy,
    /// A content filter, by its word.
    pub(crate) filter: Option<String>,
    /// What the certificate of each client proves.
    pub(crate) certificate: Option<String>,
    /// Devices are known by their addresses.
    pub(crate) devices: bool,
    /// If anybody is named here, the router says who exists: these people.
    pub(crate) directory: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            options: Options {
                listener: "test".to_owned(),
                hostname: "mx.example.org".to_owned(),
                postmaster: "admin@example.org".parse().unwrap(),
                role: Role::Mx,
                tls: TlsMode::None,
                spokesmen: Spokesmen::default(),
                require_tls_from: TlsOnly::default(),
                requiretls: false,
                device_login: false,
                certificates: CertificateRights::default(),
                max_message_size: 100_000,
                bounds: Bounds {
                    command_timeout: Duration::from_secs(20),
                    data_timeout: Duration::from_secs(20),
                    // What is wrong is not slow; `tarpit` tries it.
                    tarpit: Duration::ZERO,
                    ..Bounds::default()
                },
            },
            min_free: 0,
            check: Vec::new(),
            dmarc: Enforcement::Mark,
            blocklist: None,
            policy: Policy::default(),
            filter: None,
            certificate: None,
            devices: false,
            directory: Vec::new(),
        }
    }
}

/// The running server.
pub(crate) struct Door {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) spool: Spool,
    pub(crate) shutdown: Shutdown,
    pub(crate) fault: Fault,
    pub(crate) stall: Stall,
    /// For connections from now on.
    pub(crate) bounds: CurrentBounds,
    /// What it has to do, and for whom it has no place.
    pub(crate) load: Load,
    /// None yet.
    pub(crate) devices: Devices,
    /// Lets the answer about `slow@example.org` come.
    pub(crate) gate: Arc<Notify>,
    /// X.500 recipients of accepted mail, and the senders.
    pub(crate) encapsulated: Arc<Mutex<Vec<(String, String)>>>,
    _committed: mpsc::Receiver<Committed>,
    _folder: tempfile::TempDir,
}

impl Door {
    pub(crate) fn open(settings: Settings) -> Self {
        let listener = TcpListen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self::open_at(settings, Box::new(listener))
    }

    /// The same, with connections that come from elsewhere.
    pub(crate) fn open_at(settings: Settings, listener: Box<dyn Listen>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = tideover::spool::Options::new(folder.path().join("spool"));
        options.min_free = settings.min_free;
        let (fault, stall) = (Fault::default(), Stall::default());
        let disk = Arc::new(FaultyDisk(Arc::clone(&fault), stall.clone()));
        let world = World {
            disk,
            ..World::system()
        };
        let Opened {
            spool,
            writer,
            committed,
            ..
        } = Spool::open(options, world).unwrap();
        writer.spawn_thread().unwrap();
        let gate = Arc::new(Notify::new());
        let encapsulated = Arc::default();
        let tls = TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        let bounds = CurrentBounds::new(settings.options.bounds.clone());
        let load = Load::new(spool.clone(), Clock::system(), &settings.options.bounds);
        let admit: Arc<dyn Admit> = if settings.directory.is_empty() {
            Arc::new(People(Arc::clone(&gate), Arc::clone(&encapsulated)))
        } else {
            Arc::new(directory::router(&settings.directory))
        };
        let server = Server::new(
            settings.options,
            spool.clone(),
            admit,
            Some(Arc::new(Proven(tls, settings.certificate))),
            Clock::system(),
        );
        let server = server.bounded(bounds.clone()).sharing(load.clone());
        let server = server.answering(Policies::new(settings.policy));
        let server = server.submitting(Arc::new(Users::default()));
        let server = checking(server, (settings.check, settings.dmarc, settings.blocklist));
        let server = match &settings.filter {
            Some(manner) => server.filtering(scanner::filters(folder.path(), manner)),
            None => server,
        };
        let world = (Clock::system(), Entropy::system());
        let devices = Devices::new(spool.clone(), world, Logins::Nowhere);
        devices.restore().unwrap();
        let server = if settings.devices {
            server.knowing(devices.clone())
        } else {
            server
        };
        let address = listener.local_address();
        let shutdown = Shutdown::new();
        let run = inbound::run(listener, Arc::new(server), shutdown.clone());
        shutdown.spawn("listener", run);
        Self {
            address,
            spool,
            shutdown,
            fault,
            stall,
            bounds,
            load,
            devices,
            gate,
            encapsulated,
            _committed: committed,
            _folder: folder,
        }
    }
}

/// With somebody who checks senders, if there is a DNS to ask.
fn checking(
    server: Server,
    (names, dmarc, blocklist): (Vec<String>, Enforcement, Option<String>),
) -> Server {
    if names.is_empty() {
        return server;
    }
    let options = tideover::auth::Options {
        dmarc,
        blocklists: blocklist.into_iter().collect(),
        listed: Listed::Reject,
        patience: Duration::from_millis(300),
        ..tideover::auth::Options::default()
    };
    let world = (Clock::system(), Entropy::system());
    let hostname = "mx.example.org".to_owned();
    let checker = Checker::new(Arc::new(Names(names)), world, hostname, options);
    server.checking(Arc::new(checker))
}

/// Ann, Bob and the administrator of example.org; strangers for who is trusted.
#[derive(Debug)]
struct People(Arc<Notify>, Arc<Mutex<Vec<(String, String)>>>);

impl Admit for People {
    fn admit(&self, address: &Mailbox, origin: Origin) -> Admission {
        let accept = |lane: &str, mailbox| Admission::Accept {
            address: address.clone(),
            lane: lane.to_owned(),
            mailbox,
        };
        if address.domain().key() != "example.org" {
            return match origin {
                Origin::Trusted => accept("@stranger.example", None),
                Origin::Internet => {
                    Admission::Reject(Reply::new(550, (5, 7, 1), "Relaying denied"))
                }
            };
        }
        let known = address.key().starts_with("ann")
            || address.key().starts_with("imceaex-_o=org")
            || ["bob@example.org", "admin@example.org", "jörg@example.org"]
                .contains(&address.key().as_str());
        if known {
            accept("onprem", Some(address.key()))
        } else {
            Admission::Reject(Reply::new(550, (5, 1, 1), "No such user here"))
        }
    }

    fn party(&self, address: &Mailbox) -> Option<Party> {
        let home = Some(BackendId::new("onprem"));
        Some(match address.domain().key().as_str() {
            "example.org" => Party::Ours { home },
            _ => Party::Stranger,
        })
    }

    fn encapsulated(&self, address: &Mailbox, from: &str, _at: Timestamp) {
        let mut seen = self.1.lock().unwrap();
        seen.push((address.to_string(), from.to_owned()));
    }

    fn prepare<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, ()> {
        Box::pin(async move {
            if address.local() == "slow" {
                self.0.notified().await;
            }
        })
    }
}

/// Ann logs in with `geheim`, and sends as two addresses, Jörg as three; Bob is sent away after his
/// first message. The device `erp` gets another password after its first.
#[derive(Debug, Default)]
struct Users {
    sent: Mutex<Vec<String>>,
}

/// It sends as one address, to our own people and to one office.
fn scanner(name: &str) -> Submitter {
    let device = Device {
        name: name.to_owned(),
        way: Way::Login,
        senders: vec!["scan@example.org".parse().unwrap()],
        networks: Vec::new(),
        recipients: vec!["@office.example".parse().unwrap()],
        expires: None,
        daily_recipients: None,
        password: None,
        made: Timestamp::EPOCH,
        by: String::new(),
        reason: String::new(),
    };
    Submitter {
        user: device.name.clone(),
        addresses: Vec::new(),
        device: Some(Arc::new(device)),
    }
}

fn user(name: &str) -> Submitter {
    let addresses = match name {
        "ann@example.org" => vec!["ann@example.org", "Ann.Miller@example.org"],
        "joerg@example.org" => vec![
            "joerg@example.org",
            "jörg@example.org",
            "joerg@bücher.example",
        ],
        other => vec![other],
    };
    Submitter {
        user: name.to_owned(),
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        device: None,
    }
}

impl Submitters for Users {
    fn verify<'a>(
        &'a self,
        identity: &'a str,
        proof: Proof,
        _from: std::net::IpAddr,
    ) -> Boxed<'a, Result<Submitter, Denied>> {
        Box::pin(async move {
            let is_right = matches!(&proof, Proof::Password(it) if it == "geheim");
            match identity {
                "ann@example.org" | "bob@example.org" | "joerg@example.org" if is_right => {
                    Ok(user(identity))
                }
                // Wherever it is asked, it would be let in: port 25 must not ask.
                "scanner" | "erp" if is_right => Ok(scanner(identity)),
                "person" if is_right => Ok(user("ann@example.org")),
                "two@example.org" if is_right => Err(Denied::SecondStep),
                "late@example.org" => Err(Denied::Wait(Duration::from_secs(90))),
                "away@example.org" => Err(Denied::Away),
                _ => Err(Denied::Wrong),
            }
        })
    }

    fn renew<'a>(&'a self, known: &'a Submitter) -> Boxed<'a, Result<Submitter, Denied>> {
        Box::pin(async move {
            let has_sent = self.sent.lock().unwrap().contains(&known.user);
            if known.user == "bob@example.org" && has_sent {
                return Err(Denied::Shut);
            }
            if known.user == "erp" && has_sent {
                return Err(Denied::Changed);
            }
            if known.device.is_some() {
                return Ok(known.clone());
            }
            Ok(user(&known.user))
        })
    }

    fn sends<'a>(
        &'a self,
        known: &'a Submitter,
        outgoing: Outgoing<'a>,
    ) -> Boxed<'a, Result<(), Denied>> {
        Box::pin(async move {
            if outgoing.recipients > 2 {
                return Err(Denied::Enough("You may send to 2 an hour".to_owned()));
            }
            self.sent.lock().unwrap().push(known.user.clone());
            Ok(())
        })
    }

    fn shown(&self, identity: &str) -> String {
        identity.to_owned()
    }
}

/// Lines of `name TXT text` and `name A address`; `name STALLS` answers nothing.
#[derive(Debug)]
struct Names(Vec<String>);

impl Ask for Names {
    fn ask<'a>(&'a self, name: &'a str, kind: RecordKind) -> Boxed<'a, Result<Answer, DnsError>> {
        Box::pin(async move {
            let lines = self.0.iter().filter_map(|line| line.split_once(' '));
            let own: Vec<_> = lines.filter(|(owner, _)| *owner == name).collect();
            if own.iter().any(|(_, what)| *what == "STALLS") {
                std::future::pending::<()>().await;
            }
            let record = |what: &str| match kind {
                RecordKind::Text => Some(Record::Text(what.strip_prefix("TXT ")?.to_owned())),
                RecordKind::V4 => Some(Record::Address(what.strip_prefix("A ")?.parse().ok()?)),
                RecordKind::Mx
                | RecordKind::V6
                | RecordKind::Pointer
                | RecordKind::NameServer
                | RecordKind::Alias => None,
            };
            let records: Vec<_> = own.iter().filter_map(|(_, what)| record(what)).collect();
            if records.is_empty() {
                return Err(DnsError::NoSuchName);
            }
            Ok(Answer {
                records,
                ttl: Duration::from_secs(60),
                alias: false,
            })
        })
    }
}
