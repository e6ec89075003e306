//! The keys of the file, but those of backends and domains.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::load_keys;
use super::oidc_keys::{Oidc, oidc};
use super::reader::{At, Section};
use super::units::{duration, size};
use super::{QueueConfig, SpoolConfig};
use crate::activation::{self, Setting};
use crate::inbound::Bounds;
use crate::limits;
use crate::mail::FinalCause;
use crate::queue::replay;
use crate::smtp::{Domain, Mailbox};
use crate::webmail::{Proxy, Writing};

const MIB: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_secs(86_400);
/// What is under way at a stop gets this long.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// A letter is not kept back longer than this.
const UNDO: Duration = Duration::from_secs(300);

/// `[server]` as far as it can be read.
pub(super) struct Server {
    pub(super) hostname: Option<At<Domain>>,
    pub(super) data_dir: At<PathBuf>,
    pub(super) postmaster: Option<At<Mailbox>>,
    pub(super) stop_limit: Duration,
}

pub(super) fn server(root: &Section<'_>) -> Server {
    let source = root.source;
    let default = At {
        value: source.path("data"),
        line: 0,
        key: "server.data_dir".to_owned(),
    };
    let Some(section) = root.section("server") else {
        root.missing("server", "a section [server] with hostname and data_dir");
        return Server {
            hostname: None,
            data_dir: default,
            postmaster: None,
            stop_limit: STOP_LIMIT,
        };
    };
    let hostname = section.text("hostname", host_name);
    if hostname.is_none() && !section.has("hostname") {
        section.missing(
            "hostname",
            "the name of this server, for example \"mx.example.org\"",
        );
    }
    let mut stop_limit = STOP_LIMIT;
    set(&mut stop_limit, section.text("stop_limit", patience));
    let server = Server {
        hostname,
        data_dir: section
            .text("data_dir", |text| {
                non_empty(text).map(|text| source.path(text))
            })
            .unwrap_or(default),
        postmaster: section.text("postmaster", mailbox),
        stop_limit,
    };
    section.finish();
    server
}

fn patience(text: &str) -> Result<Duration, String> {
    let limit = duration(text)?;
    if (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&limit) {
        Ok(limit)
    } else {
        Err(format!("\"{text}\" is not possible, expected 1s to 1h"))
    }
}

/// `[spool]`, and where it names the spool's identity.
pub(super) fn spool(root: &Section<'_>) -> (SpoolConfig, Option<At<String>>) {
    let mut config = SpoolConfig {
        retain: DAY * 30,
        ledger_retain: DAY * 400,
        mailbox_quota: 2048 * MIB,
        min_free: 1024 * MIB,
        uuid: None,
        max_message_size: 50 * MIB,
        index_rows: limits::INDEX_PENDING,
    };
    let mut named = None;
    if let Some(section) = root.section("spool") {
        named = section.text("uuid", uuid);
        config.uuid = named.as_ref().map(|at| at.value.clone());
        set(&mut config.retain, section.text("retain", duration));
        set(
            &mut config.ledger_retain,
            section.text("ledger_retain", duration),
        );
        set(
            &mut config.mailbox_quota,
            section.text("mailbox_quota", size),
        );
        set(&mut config.min_free, section.text("min_free", size));
        let largest = section.text("max_message_size", |text| match size(text)? {
            // RFC 5321 §4.5.3.1.7: at least 64 KiB must be taken.
            small @ ..65_536 => Err(format!("{small} bytes are too few, expected 64KiB or more")),
            large => Ok(large),
        });
        set(&mut config.max_message_size, largest);
        if let Some(rows) = section.number("index_rows", 50, 1_000_000) {
            config.index_rows = usize::try_from(rows.value).unwrap_or(limits::INDEX_PENDING);
        }
        section.finish();
    }
    (config, named)
}

/// RFC 9562 §4.
fn uuid(text: &str) -> Result<String, String> {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    let hex = text
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if hex && parts == [8, 4, 4, 4, 12] {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!(
            "{text:?} is no UUID, expected the one that `tideover status` shows"
        ))
    }
}

pub(super) fn queue(root: &Section<'_>) -> QueueConfig {
    let mut config = QueueConfig {
        attention_after: DAY * 7,
        delay_notice_after: Some(DAY / 6),
        finals: Vec::new(),
    };
    if let Some(section) = root.section("queue") {
        let after = section.text("attention_after", duration);
        set(&mut config.attention_after, after);
        let notice = section.text("delay_notice_after", |text| match text {
            "never" => Ok(None),
            _ => duration(text).map(Some),
        });
        set(&mut config.delay_notice_after, notice);
        let finals = section.texts("final", |text| {
            let parsed = text.parse::<FinalCause>();
            parsed.map_err(|error| format!("\"{text}\" is no permanent reply: {error}"))
        });
        let finals = finals.map(|at| at.value).unwrap_or_default();
        config.finals = finals.into_iter().map(|at| at.value).collect();
        section.finish();
    }
    config
}

pub(super) fn replay(root: &Section<'_>) -> replay::Options {
    let mut options = replay::Options {
        suppress_automatic_answers: true,
    };
    if let Some(section) = root.section("replay") {
        let suppress = section.switch("suppress_automatic_answers");
        set(&mut options.suppress_automatic_answers, suppress);
        section.finish();
    }
    options
}

/// `[web]` as far as it can be read.
pub(super) struct Web {
    pub(super) bind: Option<At<SocketAddr>>,
    pub(super) base_url: Option<String>,
    pub(super) title: Option<String>,
    pub(super) time_zone: Option<TimeZone>,
    pub(super) proxy: Proxy,
    pub(super) writing: Writing,
    pub(super) activation: activation::Options,
    pub(super) notices: Option<Duration>,
    /// The name of a source whose server knows passwords.
    pub(super) ldap: Option<At<String>>,
    pub(super) oidc: Oidc,
}

pub(super) fn web(root: &Section<'_>) -> Option<Web> {
    let section = root.section("web")?;
    let proxy = section.text("proxy", |text| match text {
        "none" => Ok(Proxy::None),
        "forwarded-for" => Ok(Proxy::ForwardedFor),
        _ => Err(not_one_of(text, "none, forwarded-for")),
    });
    let address = section.text("base_url", base_url);
    let web = Web {
        bind: bind(&section),
        oidc: oidc(&section, address.as_ref()),
        base_url: address.map(|at| at.value),
        title: section
            .text("title", |text| non_empty(text).map(str::to_owned))
            .map(|at| at.value),
        time_zone: section.text("time_zone", time_zone).map(|at| at.value),
        proxy: proxy.map(|at| at.value).unwrap_or_default(),
        writing: writing(&section),
        activation: activation(&section),
        notices: notices(&section),
        ldap: section.text("ldap", |text| non_empty(text).map(str::to_owned)),
    };
    section.not_yet("certificate", "TLS of the pages without a proxy");
    section.not_yet("key", "TLS of the pages without a proxy");
    section.finish();
    Some(web)
}

fn activation(section: &Section<'_>) -> activation::Options {
    let mut options = activation::Options::default();
    // `test` is for some, not for everybody.
    let words = [
        Setting::Full,
        Setting::ReadOnly,
        Setting::Off,
        Setting::Auto,
    ];
    let base = section.text("activation", |text| {
        let found = words.into_iter().find(|word| word.as_str() == text);
        found.ok_or_else(|| not_one_of(text, "full, read-only, off, auto"))
    });
    set(&mut options.base, base);
    let patience = &mut options.patience;
    set(
        &mut patience.open_after,
        section.text("open_after", duration),
    );
    set(
        &mut patience.close_after,
        section.text("close_after", duration),
    );
    options
}

fn notices(section: &Section<'_>) -> Option<Duration> {
    let mut pause = Duration::from_secs(3600);
    set(&mut pause, section.text("notice_pause", duration));
    let wanted = section.switch("notices").is_some_and(|at| at.value);
    wanted.then_some(pause)
}

fn writing(section: &Section<'_>) -> Writing {
    let mut writing = Writing::default();
    let undo = section.text("undo_send", |text| match duration(text)? {
        long if long > UNDO => Err("is too long, expected 5m or less".to_owned()),
        undo => Ok(undo),
    });
    set(&mut writing.undo_send, undo);
    let most = section.text("max_attachments", size);
    set(&mut writing.max_attachments, most);
    let messages = section.number("messages_per_hour", 1, 1_000_000);
    set(&mut writing.messages_per_hour, messages);
    let recipients = section.number("recipients_per_hour", 1, 1_000_000);
    set(&mut writing.recipients_per_hour, recipients);
    writing
}

pub(super) fn limits(root: &Section<'_>) -> Bounds {
    let mut config = Bounds::default();
    if let Some(section) = root.section("limits") {
        let set = |target: &mut usize, name, least, most| {
            if let Some(number) = section.number(name, least, most) {
                *target = usize::try_from(number.value).unwrap_or(*target);
            }
        };
        set(&mut config.connections, "connections", 1, 100_000);
        set(
            &mut config.connections_per_address,
            "connections_per_address",
            1,
            100_000,
        );
        set(
            &mut config.connections_per_network,
            "connections_per_network",
            1,
            100_000,
        );
        let least = config.connections_per_address;
        if config.connections_per_network < least {
            section.usually("connections_per_network", &least.to_string());
        }
        // RFC 5321 §4.5.3.1.8: at least 100 recipients must be taken. The number of a recipient
        // has 16 bits.
        set(&mut config.recipients, "recipients", 100, 50_000);
        set(&mut config.bad_commands, "bad_commands", 1, 10_000);
        set(&mut config.bad_recipients, "bad_recipients", 1, 100_000);
        set(&mut config.wrong_logins, "wrong_logins", 1, 100);
        load_keys::load(&section, &mut config);
        section.finish();
    }
    config
}

pub(super) fn set<T>(target: &mut T, value: Option<At<T>>) {
    if let Some(at) = value {
        *target = at.value;
    }
}

pub(super) fn bind(section: &Section<'_>) -> Option<At<SocketAddr>> {
    let bind = section.text("bind", |text| {
        SocketAddr::from_str(text).map_err(|_| {
            format!("\"{text}\" is no address and port, expected for example \"127.0.0.1:2525\"")
        })
    });
    if bind.is_none() && !section.has("bind") {
        section.missing(
            "bind",
            "an address and port, for example \"127.0.0.1:2525\"",
        );
    }
    bind
}

pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("\"{text}\": {error}"))
}

pub(super) fn not_one_of(text: &str, expected: &str) -> String {
    format!("\"{text}\" is not possible, expected one of {expected}")
}

pub(super) fn non_empty(text: &str) -> Result<&str, String> {
    if text.trim().is_empty() {
        Err("is empty".to_owned())
    } else {
        Ok(text)
    }
}

fn host_name(text: &str) -> Result<Domain, String> {
    let name = Domain::from_str(text)
        .ok()
        .filter(|name| !name.is_literal());
    // RFC 6531 §3.7.1: it stands in greetings, before anybody says what he can read.
    let in_ascii = |name: Domain| {
        if name.as_str().is_ascii() {
            return Some(name);
        }
        let ascii = Domain::from_str(&name.key()).ok();
        ascii.filter(|name| name.as_str().is_ascii())
    };
    name.and_then(in_ascii).ok_or_else(|| {
        format!("\"{text}\" is no host name, expected for example \"mx.example.org\"")
    })
}

pub(super) fn base_url(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match host.map(|host| host.trim_end_matches('/')) {
        Some(host) if !host.is_empty() && !host.contains([' ', '?', '#']) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!(
            "\"{text}\" is no address, expected for example \"https://mail.example.org\""
        )),
    }
}

fn time_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| {
        format!("\"{text}\" is no time zone of this system, expected for example \"Europe/Vienna\"")
    })
}

/// A host, or `*.` and a domain.
pub(super) fn host_pattern(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let name = host.parse::<Domain>().ok();
    let name = name.filter(|name| !name.is_literal() && host.contains('.'));
    let name = name.ok_or_else(|| {
        format!(
            "\"{text}\" is no host, expected for example \"mx.example.org\" or \"*.example.org\""
        )
    })?;
    let star = if host == text { "" } else { "*." };
    Ok(format!("{star}{}", name.key()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_name_is_ascii() {
        let said = |text: &str| host_name(text).map(|name| name.to_string());
        assert_eq!(said("MX.example.org").as_deref(), Ok("MX.example.org"));
        let told = said("mx.bücher.example");
        assert_eq!(told.as_deref(), Ok("mx.xn--bcher-kva.example"));
        assert!(said("[192.0.2.1]").is_err());
    }
}
