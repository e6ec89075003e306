//! The keys of backends, domains and ways to strangers.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use super::BackendConfig;
use super::auth_keys::enforcement;
use super::entry::{self, EntryFiles, entry};
use super::imap_keys::{self, ImapFiles, imap};
use super::mta_sts_keys::{self, Policies};
use super::nearest::nearest;
use super::reader::{At, Section, Source};
use super::sections::{mailbox, non_empty, not_one_of, set};
use super::units::duration;
use crate::auth::Enforcements;
use crate::backend::{BackendOptions, Hosts, ProbeOptions, Protocol, RejectingOptions};
use crate::directory::{DomainKind, DomainRule, Unknown};
use crate::mail::BackendId;
use crate::outbound::Protection;
use crate::route::OutboundRelay;
use crate::smtp::Domain;

/// `[backend.NAME]` as far as it can be read.
pub(super) struct Backend {
    pub(super) name: At<String>,
    /// `None` when it has no usable hosts.
    pub(super) config: Option<BackendConfig>,
    /// Its hosts with their lines.
    pub(super) hosts: Vec<At<String>>,
    pub(super) files: EntryFiles,
    pub(super) imap_files: ImapFiles,
}

pub(super) fn backends(root: &Section<'_>) -> Vec<Backend> {
    let sections = root.named("backend");
    if sections.is_empty() {
        root.missing(
            "backend",
            "at least one [backend.NAME]: mail would go nowhere",
        );
    }
    let sections = sections.into_iter();
    sections
        .map(|(name, section)| backend(name, section))
        .collect()
}

fn backend(name: At<String>, section: Section<'_>) -> Backend {
    let source = section.source;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.value.is_empty() || !name.value.chars().all(legal) {
        source.refuse(&name, "is no name, expected letters, digits, - and _");
    }
    let protocol = section.text("protocol", |text| match text {
        "smtp" => Ok(Protocol::Smtp),
        "lmtp" => Ok(Protocol::Lmtp),
        _ => Err(not_one_of(text, "smtp, lmtp")),
    });
    let protocol = protocol.map(|at| at.value).unwrap_or_default();
    let (hosts, host_lines) = hosts(&section, protocol);
    let entry = entry(&section, hosts.as_ref());
    let title = section.text("title", |text| non_empty(text).map(str::to_owned));
    let limits = limits(&section);
    let probe = probe(&section);
    let rejecting = rejecting(&section);
    let (imap, imap_files) = imap(&section);
    let id = BackendId::new(&name.value);
    let config = hosts.map(|hosts| BackendConfig {
        options: BackendOptions {
            id,
            hosts,
            protocol,
            tls: entry.tls,
            proof: entry.proof,
            credentials: entry.credentials,
            session: entry.session,
            max_connections: usize::try_from(limits.max_connections).unwrap_or(1),
            messages_per_minute: limits.messages_per_minute,
            mailbox_messages_per_minute: limits.mailbox_messages_per_minute,
            mailbox_messages_per_hour: limits.mailbox_messages_per_hour,
            sender_messages_per_minute: limits.sender_messages_per_minute,
            sender_recipients_per_day: limits.sender_recipients_per_day,
            slow_open: limits.slow_open,
            probe,
            rejecting,
            imap,
        },
        title: title.map(|at| at.value),
    });
    section.finish();
    Backend {
        name,
        config,
        hosts: host_lines,
        files: entry.files,
        imap_files,
    }
}

/// How much a backend may get.
struct Limits {
    max_connections: u32,
    messages_per_minute: u32,
    mailbox_messages_per_minute: u32,
    mailbox_messages_per_hour: u32,
    sender_messages_per_minute: u32,
    sender_recipients_per_day: u32,
    slow_open: bool,
}

fn limits(section: &Section<'_>) -> Limits {
    let mut limits = Limits {
        max_connections: 8,
        messages_per_minute: 0,
        mailbox_messages_per_minute: BackendOptions::MAILBOX_PER_MINUTE,
        mailbox_messages_per_hour: BackendOptions::MAILBOX_PER_HOUR,
        sender_messages_per_minute: BackendOptions::SENDER_PER_MINUTE,
        sender_recipients_per_day: BackendOptions::SENDER_RECIPIENTS,
        slow_open: true,
    };
    let numbers = [
        (&mut limits.max_connections, "max_connections", 1, 1_000),
        (
            &mut limits.messages_per_minute,
            "messages_per_minute",
            0,
            1_000_000,
        ),
        (
            &mut limits.mailbox_messages_per_minute,
            "mailbox_messages_per_minute",
            0,
            1_000_000,
        ),
        (
            &mut limits.mailbox_messages_per_hour,
            "mailbox_messages_per_hour",
            0,
            1_000_000,
        ),
        (
            &mut limits.sender_messages_per_minute,
            "sender_messages_per_minute",
            0,
            1_000_000,
        ),
        (
            &mut limits.sender_recipients_per_day,
            "sender_recipients_per_day",
            0,
            100_000_000,
        ),
    ];
    for (number, name, least, most) in numbers {
        set(number, section.number(name, least, most));
    }
    set(&mut limits.slow_open, section.switch("slow_open"));
    limits
}

fn hosts(section: &Section<'_>, protocol: Protocol) -> (Option<Hosts>, Vec<At<String>>) {
    let source = section.source;
    let list = section.texts("hosts", host_and_port);
    let mx = section.text("mx", domain_name);
    match (list, mx) {
        (Some(list), Some(mx)) => {
            source.refuse(&mx, "stands beside hosts, expected one of them");
            (None, list.value)
        }
        (Some(list), None) if list.value.is_empty() => {
            source.refuse(
                &list,
                "names no host, expected for example [\"127.0.0.1:2601\"]",
            );
            (None, Vec::new())
        }
        (Some(list), None) => {
            let hosts = list.value.iter().map(|at| at.value.clone()).collect();
            (Some(Hosts::List(hosts)), list.value)
        }
        (None, Some(mx)) => {
            if protocol == Protocol::Lmtp {
                source.refuse(
                    &mx,
                    "is for SMTP only (RFC 2033 §5), expected hosts for LMTP",
                );
            }
            (Some(Hosts::Mx(mx.value)), Vec::new())
        }
        (None, None) => {
            if !section.has("hosts") && !section.has("mx") {
                section.missing(
                    "hosts",
                    "for example [\"127.0.0.1:2601\"], or mx = \"example.org\"",
                );
            }
            (None, Vec::new())
        }
    }
}

fn probe(section: &Section<'_>) -> ProbeOptions {
    let mut options = ProbeOptions::default();
    if let Some(section) = section.section("probe") {
        let interval = section.text("interval", |text| {
            let least = Duration::from_millis(10);
            let interval = duration(text)?;
            if interval < least {
                return Err(format!(
                    "\"{text}\" is too short, expected {least:?} or more"
                ));
            }
            Ok(interval)
        });
        set(&mut options.interval, interval);
        set(
            &mut options.down_after,
            section.number("down_after", 1, 1_000),
        );
        set(&mut options.up_after, section.number("up_after", 1, 1_000));
        let recipient = section.text("recipient", mailbox);
        options.recipient = recipient.map(|at| at.value.to_string());
        section.finish();
    }
    options
}

fn rejecting(section: &Section<'_>) -> RejectingOptions {
    let mut options = RejectingOptions::default();
    if let Some(section) = section.section("rejecting") {
        let recipients = section.number("recipients", 1, 1_000);
        set(&mut options.recipients, recipients);
        set(&mut options.within, section.text("within", duration));
        set(&mut options.failover, section.switch("failover"));
        section.finish();
    }
    options
}

/// `[domain.NAME]`, all of them.
#[derive(Default)]
pub(super) struct Domains {
    pub(super) rules: Vec<DomainRule>,
    /// By domain: whose keys `check --online` looks at.
    pub(super) dkim_selectors: BTreeMap<String, Vec<String>>,
    /// By domain: what happens to mail that fails DMARC.
    pub(super) dmarc: Enforcements,
    /// By domain: what senders to it are asked for.
    pub(super) policies: Policies,
}

pub(super) fn domains(root: &Section<'_>, backends: &[Backend]) -> Domains {
    let sections = root.named("domain");
    if sections.is_empty() {
        root.missing(
            "domain",
            "at least one [domain.\"example.org\"]: no mail would be taken",
        );
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut domains = Domains::default();
    for (name, section) in sections {
        let key = match domain_name(&name.value) {
            Ok(key) => key,
            Err(what) => {
                root.source.refuse(&name, what);
                name.value.clone()
            }
        };
        if let Some(line) = seen.insert(key.clone(), name.line) {
            let what = format!("is the same domain as in line {line}, expected it once");
            root.source.refuse(&name, what);
        }
        let selectors = section.texts("dkim_selectors", selector);
        let selectors = selectors.map(|at| at.value).unwrap_or_default();
        let selectors = selectors.into_iter().map(|at| at.value).collect();
        domains.dkim_selectors.insert(key.clone(), selectors);
        let dmarc = section.text("dmarc", enforcement);
        domains
            .dmarc
            .extend(dmarc.map(|at| (key.clone(), at.value)));
        let policy = mta_sts_keys::policy(&section);
        domains
            .policies
            .extend(policy.map(|policy| (key.clone(), policy)));
        domains.rules.extend(domain(key, section, backends));
    }
    domains
}

/// RFC 6376 §3.1: labels with dots between them.
fn selector(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || !text.chars().all(legal) {
        return Err(format!(
            "\"{text}\" is no selector, expected for example \"selector1\""
        ));
    }
    Ok(text.to_ascii_lowercase())
}

fn domain(name: String, section: Section<'_>, backends: &[Backend]) -> Option<DomainRule> {
    let source = section.source;
    let kind = section.text("type", |text| match text {
        "authoritative" => Ok(DomainKind::Authoritative),
        "internal-relay" => Ok(DomainKind::InternalRelay),
        "external-relay" => Ok(DomainKind::ExternalRelay),
        _ => Err(not_one_of(
            text,
            "authoritative, internal-relay, external-relay",
        )),
    });
    let kind = kind.map_or(DomainKind::InternalRelay, |at| at.value);
    if kind == DomainKind::ExternalRelay {
        section.usually("unknown", "\"relay\"");
    }
    let named = |text: &str| backend_named(text, backends);
    let home = section.text("home", named);
    if home.is_none() && !section.has("home") {
        section.missing(
            "home",
            "the backend that holds its mailboxes: its mail would go nowhere",
        );
    }
    let failover = section.texts("failover", named);
    let failover = failover.map(|at| at.value).unwrap_or_default();
    check_failover(source, home.as_ref(), &failover);
    let unknown = section.text("unknown", |text| match text {
        "reject" => Ok(Unknown::Reject),
        "relay" => Ok(Unknown::Relay),
        "verify" => Ok(Unknown::Verify),
        _ => Err(not_one_of(text, "reject, relay, verify")),
    });
    if let Some(unknown) = &unknown {
        check_unknown(source, kind, unknown);
    }
    section.finish();
    Some(DomainRule {
        name,
        kind,
        home: home?.value,
        failover: failover.into_iter().map(|at| at.value).collect(),
        unknown: unknown.map_or(
            if kind == DomainKind::ExternalRelay {
                Unknown::Relay
            } else {
                Unknown::Reject
            },
            |at| at.value,
        ),
    })
}

/// Another backend than the home, and each once.
fn check_failover(source: &Source<'_>, home: Option<&At<BackendId>>, failover: &[At<BackendId>]) {
    for (place, other) in failover.iter().enumerate() {
        if home.is_some_and(|home| home.value == other.value) {
            let what = format!(
                "{} is the home itself, expected another backend",
                other.value
            );
            source.refuse(other, what);
        }
        let before = failover.iter().take(place);
        if before
            .into_iter()
            .any(|earlier| earlier.value == other.value)
        {
            source.refuse(
                other,
                format!("{} is there twice, expected once", other.value),
            );
        }
    }
}

/// `unknown` must not say the contrary of `type`.
fn check_unknown(source: &Source<'_>, kind: DomainKind, unknown: &At<Unknown>) {
    match (kind, unknown.value) {
        (DomainKind::Authoritative, Unknown::Relay) => source.refuse(
            unknown,
            "\"relay\" contradicts type = \"authoritative\", expected reject, or type = \
             \"internal-relay\"",
        ),
        (DomainKind::Authoritative, Unknown::Verify) => source.refuse(
            unknown,
            "\"verify\" contradicts type = \"authoritative\", whose directory is complete, \
             expected reject, or type = \"internal-relay\"",
        ),
        (DomainKind::ExternalRelay, Unknown::Reject) => source.refuse(
            unknown,
            "\"reject\" contradicts type = \"external-relay\", which relays everybody, \
             expected relay, or type = \"internal-relay\"",
        ),
        _ => {}
    }
}

/// Those that can be used.
pub(super) fn configs(all: Vec<Backend>) -> Vec<BackendConfig> {
    all.into_iter().filter_map(|it| it.config).collect()
}

/// `[outbound]`.
pub(super) struct Outside {
    /// Ways to strangers, each with its line.
    pub(super) relays: Vec<At<OutboundRelay>>,
    pub(super) protection: Vec<Protection>,
}

pub(super) fn outside(root: &Section<'_>, backends: &[Backend]) -> Outside {
    let mut outside = Outside {
        relays: vec![At {
            value: OutboundRelay::Mx,
            line: 0,
            key: "outbound.relay".to_owned(),
        }],
        protection: vec![Protection::Dane, Protection::MtaSts],
    };
    let Some(section) = root.section("outbound") else {
        return outside;
    };
    let relays = section.texts("relay", |text| {
        if text == "mx" {
            return Ok(OutboundRelay::Mx);
        }
        if let Some(name) = text.strip_prefix("backend:") {
            return backend_named(name, backends).map(OutboundRelay::Backend);
        }
        host_and_port(text).map(OutboundRelay::Host).map_err(|_| {
            format!("\"{text}\" is no relay, expected \"mx\", \"backend:NAME\" or \"host:port\"")
        })
    });
    let protection = section.texts("protection", |text| match text {
        "dane" => Ok(Protection::Dane),
        "mta-sts" => Ok(Protection::MtaSts),
        _ => Err(not_one_of(text, "dane, mta-sts")),
    });
    section.finish();
    if let Some(protection) = protection {
        outside.protection = protection.value.into_iter().map(|at| at.value).collect();
    }
    let Some(relays) = relays else {
        return outside;
    };
    if relays.value.is_empty() {
        let what = "is empty: mail to strangers would wait for ever, expected [\"mx\"] for example";
        root.source.refuse(&relays, what);
    }
    outside.relays = relays.value;
    outside
}

pub(super) fn backend_named(name: &str, backends: &[Backend]) -> Result<BackendId, String> {
    let names: Vec<_> = backends
        .iter()
        .map(|backend| backend.name.value.as_str())
        .collect();
    if names.contains(&name) {
        return Ok(BackendId::new(name));
    }
    Err(match nearest(name, &names) {
        Some(near) => format!("\"{name}\" is no backend, did you mean {near}?"),
        None => format!(
            "\"{name}\" is no backend, expected one of {}",
            names.join(", ")
        ),
    })
}

/// A host name or an address (IPv6 in brackets) and a port.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(host, port)| {
        let address = std::net::SocketAddr::from_str(text).is_ok();
        let name = Domain::from_str(host).is_ok_and(|name| !name.is_literal());
        (address || name) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    parts.map(|_| text.to_owned()).ok_or_else(|| {
        format!("\"{text}\" is no host and port, expected for example \"mail.example.org:25\"")
    })
}

/// The form under which a domain is looked up.
pub(super) fn domain_name(text: &str) -> Result<String, String> {
    let name = Domain::from_str(text)
        .ok()
        .filter(|name| !name.is_literal());
    let key = name.map(|name| name.key());
    key.map(|key| key.trim_end_matches('.').to_owned())
        .ok_or_else(|| format!("\"{text}\" is no domain, expected for example \"example.org\""))
}

/// Checks that the files exist that backends are entered with.
pub(super) fn check_files(source: &Source<'_>, backends: &[Backend]) {
    for backend in backends {
        entry::check_files(source, &backend.files);
        imap_keys::check_files(source, &backend.imap_files);
    }
}
