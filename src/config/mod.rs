//! The config file: found, read, checked as a whole, and told what is wrong, everything at once.
//!
//! `reader` knows TOML and lines, `sections` and `platforms` know the keys, `verify` knows what
//! would lose or misroute mail, and `listing` what is in force. Every key stands in
//! `docs/config.md` and in `config/tideover.toml`; a test sees to it.

mod acme_keys;
mod admin_keys;
mod auth_keys;
mod automatic_keys;
mod client_ca_keys;
mod dns_keys;
mod drill;
mod entry;
mod filter_keys;
mod imap_keys;
mod landing_keys;
mod ldap_keys;
mod listener_keys;
mod listing;
mod load;
mod load_keys;
mod log_keys;
mod mta_sts_keys;
mod nearest;
mod notes;
mod notice_keys;
mod oidc_keys;
mod online;
mod people;
mod people_keys;
mod platforms;
mod problem;
mod reader;
mod reference;
mod rooms;
mod sections;
mod sheet;
mod signing;
mod tls_keys;
mod tls_policy_keys;
mod tlsrpt_keys;
pub(crate) mod units;
mod verify;
mod writeback_keys;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use acme_keys::AcmeConfig;
pub use automatic_keys::AutomaticConfig;
pub use dns_keys::DnsConfig;
pub use drill::DrillConfig;
pub use filter_keys::FilterConfig;
use jiff::tz::TimeZone;
pub use listing::Listing;
pub use load::{Places, check, data_dir, find, load, read};
pub use notice_keys::NoticesConfig;
pub use oidc_keys::OidcConfig;
pub use online::{CheckConfig, ResolverName};
pub use problem::{Problem, Problems};
pub use units::{duration, size};

use crate::admin::{AuditOptions, LoginOptions, Peer};
use crate::auth;
use crate::backend::BackendOptions;
use crate::directory::{
    Builder, Directory, DomainRule, GenerationOptions, ImportOptions, Rules, read_csv_file,
};
use crate::inbound::{Bounds, CertificateRights, Role, Spokesmen, TlsMode, TlsOnly};
use crate::ldap::LdapOptions;
use crate::mail::{BackendId, FinalCause};
use crate::net::ClientFiles;
use crate::outbound::{Protection, ReportOptions, SecuredDomain, StsPolicy};
use crate::queue::{landing, replay};
use crate::route::OutboundRelay;
use crate::smtp::{Domain, Mailbox};
use crate::telemetry::LogOptions;
use crate::webmail::{Proxy, Writing};
use crate::writeback;

/// A config file that passed every check.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it comes from.
    pub file: PathBuf,
    /// `[server]`.
    pub server: ServerConfig,
    /// `[spool]`.
    pub spool: SpoolConfig,
    /// `[[listener]]`, at least one.
    pub listeners: Vec<ListenerConfig>,
    /// `[tls]`, with the pair of `[acme]`; `None`: a self-signed pair in `data_dir`.
    pub tls: Option<TlsFiles>,
    /// `[acme]`; `None`: nobody makes certificates for us.
    pub acme: Option<AcmeConfig>,
    /// `[mta_sts]`, and `mta_sts` of the domains.
    pub mta_sts: MtaStsConfig,
    /// `[backend.NAME]`, at least one.
    pub backends: Vec<BackendConfig>,
    /// `[domain.NAME]`, at least one.
    pub domains: Vec<DomainRule>,
    /// `[directory]`.
    pub directory: DirectoryConfig,
    /// `[outbound] relay`, in order, at least one.
    pub relay: Vec<OutboundRelay>,
    /// `outbound.protection`.
    pub protection: Vec<Protection>,
    /// `[tls_policy."DOMAIN"]`, by domain.
    pub secured: HashMap<String, SecuredDomain>,
    /// `[tlsrpt]`; `None`: strangers are not told how TLS went.
    pub tlsrpt: Option<ReportOptions>,
    /// `[queue]`.
    pub queue: QueueConfig,
    /// `[replay]`.
    pub replay: replay::Options,
    /// `[writeback]`.
    pub writeback: writeback::Options,
    /// `[landing]`.
    pub landing: landing::Options,
    /// `[auth]`.
    pub auth: auth::Options,
    /// `[automatic.KIND]` and `[partners]`.
    pub automatic: AutomaticConfig,
    /// `[filter.NAME]`, in the order of the file.
    pub filters: Vec<FilterConfig>,
    /// `[web]`; `None`: no webmail.
    pub web: Option<WebConfig>,
    /// `[admin]`; `None`: the unix socket only.
    pub admin: Option<AdminConfig>,
    /// `[limits]`.
    pub limits: Bounds,
    /// `[notices]`.
    pub notices: NoticesConfig,
    /// `[drill]`; `None`: nothing is drilled.
    pub drill: Option<DrillConfig>,
    /// `[log]`.
    pub log: LogOptions,
    /// What `check --online` asks.
    pub check: CheckConfig,
    /// `[dns]`.
    pub dns: DnsConfig,
    /// Every key with its value and its line.
    pub listing: Listing,
}

impl Config {
    /// By which rules records become a directory, and what an import may do.
    #[must_use]
    pub fn generation_options(&self) -> GenerationOptions {
        let backends = self.backends.iter().map(BackendConfig::id);
        GenerationOptions {
            rules: Rules {
                domains: self.domains.clone(),
                ..self.directory.rules.clone()
            },
            backends: backends.cloned().collect(),
            max_delete_percent: self.directory.max_delete_percent,
        }
    }

    /// Reads the directory: the people of `directory.file` in the domains of the config.
    ///
    /// # Errors
    /// Everything that is wrong in that file, or that it names nobody of a domain that rejects whom
    /// it does not name.
    pub fn read_directory(&self) -> Result<Directory, Problems> {
        let GenerationOptions {
            rules, backends, ..
        } = self.generation_options();
        let options = ImportOptions { rules, backends };
        let directory = match &self.directory.file {
            None => Builder::new(options.rules).finish(),
            Some(file) => read_people(file, options)?,
        };
        let deserted = people::deserted(self, &directory);
        if deserted.is_empty() {
            Ok(directory)
        } else {
            Err(Problems(deserted))
        }
    }
}

fn read_people(file: &Path, options: ImportOptions) -> Result<Directory, Problems> {
    read_csv_file(file, options).map_err(|errors| {
        let mut problems: Vec<_> = errors
            .errors
            .into_iter()
            .map(|error| Problem {
                file: file.to_owned(),
                line: usize::try_from(error.line).unwrap_or_default(),
                key: error.column.unwrap_or_default(),
                what: error.what,
            })
            .collect();
        if errors.more > 0 {
            problems.push(Problem {
                file: file.to_owned(),
                line: 0,
                key: String::new(),
                what: format!("{} more errors", errors.more),
            });
        }
        Problems(problems)
    })
}

/// `[server]`.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Our name: banner, EHLO, `Received`.
    pub hostname: Domain,
    /// Where the spool, the socket and the self-signed pair are.
    pub data_dir: PathBuf,
    /// Who gets the mail for `postmaster`; `None`: the home of the domain.
    pub postmaster: Option<Mailbox>,
    /// What is under way at a stop gets this long.
    pub stop_limit: Duration,
}

/// `[spool]`.
#[derive(Debug, Clone)]
pub struct SpoolConfig {
    /// The identity that the spool must have; `None`: any, or a new one.
    pub uuid: Option<String>,
    /// Readable and replayable for this long after the last recipient is finished.
    pub retain: Duration,
    /// The ledger (who, what, when, outcome; no bodies) is kept for this long.
    pub ledger_retain: Duration,
    /// Bytes of mail that a mailbox shows; 0: all of it.
    pub mailbox_quota: u64,
    /// Bytes of the disk that stay free.
    pub min_free: u64,
    /// Bytes of the largest message.
    pub max_message_size: u64,
    /// Rows of the index that wait in memory for its files.
    pub index_rows: usize,
}

/// `[[listener]]`.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Where it listens.
    pub bind: SocketAddr,
    /// Whose mail it takes.
    pub role: Role,
    /// When it encrypts.
    pub tls: TlsMode,
    /// Who may say whose a connection is.
    pub spokesmen: Spokesmen,
    /// Who hands mail in over TLS only.
    pub require_tls_from: TlsOnly,
    /// Is mail taken that needs TLS on its whole way?
    pub requiretls: bool,
    /// May a device log in where nobody has to?
    pub device_login: bool,
    /// From which authorities certificates of clients come, and which they have revoked; `None`:
    /// nobody is asked for one.
    pub client_ca: Option<ClientFiles>,
    /// What clients may whose certificate proves who they are.
    pub certificates: CertificateRights,
}

/// `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// For those who name no host, or none that another one is for.
    pub first: CertificateFiles,
    /// For those who name one of its hosts, each.
    pub more: Vec<CertificateFiles>,
}

/// What senders to our domains are asked for (RFC 8461).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtaStsConfig {
    /// Where they read it; `None`: nowhere.
    pub bind: Option<SocketAddr>,
    /// By domain.
    pub policies: BTreeMap<String, StsPolicy>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, the whole chain.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// `[backend.NAME]`.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// What the room `backend` needs.
    pub options: BackendOptions,
    /// What users see instead of the name.
    pub title: Option<String>,
}

impl BackendConfig {
    /// The name.
    #[must_use]
    pub const fn id(&self) -> &BackendId {
        &self.options.id
    }
}

/// `[directory]`.
#[derive(Debug, Clone)]
pub struct DirectoryConfig {
    /// The file; `None`: nobody is known by name.
    pub file: Option<PathBuf>,
    /// From one synchronisation to the next; a file is read at start and on reload only.
    pub sync: Duration,
    /// Per cent of the people that one import may delete and move.
    pub max_delete_percent: u32,
    /// How records become a directory; the domains stand beside it.
    pub rules: Rules,
    /// Groups are expanded when their home is down for so long; `None`: never.
    pub expand_groups: Option<Duration>,
    /// Directory servers that are read every `sync`.
    pub ldap: Vec<LdapSource>,
}

/// `[directory.ldap.NAME]`.
#[derive(Debug, Clone)]
pub struct LdapSource {
    /// Its name, which is that of the source.
    pub name: String,
    /// Which server, and what is read of it.
    pub options: LdapOptions,
    /// The home of what each search finds; `None`: the home of the domain.
    pub homes: Vec<Option<BackendId>>,
}

/// `[queue]`.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// Mail that waits for longer asks for an administrator's decision.
    pub attention_after: Duration,
    /// A sender is told once that strangers have not got his message; `None`: never.
    pub delay_notice_after: Option<Duration>,
    /// Refusals of known recipients that are final; all others make a case.
    pub finals: Vec<FinalCause>,
}

/// `[web]`.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Where it listens.
    pub bind: SocketAddr,
    /// How users reach it, without slash at the end; `None`: `http://` and `bind`.
    pub base_url: Option<String>,
    /// What the pages are called.
    pub title: Option<String>,
    /// The time zone that times are shown in; `None`: the system's.
    pub time_zone: Option<TimeZone>,
    /// Who sees the visitors' addresses.
    pub proxy: Proxy,
    /// What users may send.
    pub writing: Writing,
    /// For whom it is open, and when outages begin and end for it.
    pub activation: crate::activation::Options,
    /// The pause between two notices to a second address; `None`: no notices.
    pub notices: Option<Duration>,
    /// The directory server with whose passwords people can log in, too.
    pub ldap: Option<LdapSource>,
    /// Somebody else who lets people in.
    pub oidc: Option<OidcConfig>,
}

/// `[admin]`.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where it listens.
    pub bind: SocketAddr,
    /// With them it speaks TLS.
    pub certificate: Option<CertificateFiles>,
    /// How people reach it, without slash at the end.
    pub base_url: Option<String>,
    /// Whose word is taken for where a visitor comes from.
    pub peer: Peer,
    /// How operators log in.
    pub login: LoginOptions,
    /// How the audit log is kept.
    pub audit: AuditOptions,
}

#[cfg(test)]
mod tests;
