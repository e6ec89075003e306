//! The keys of `[[listener]]`.

use std::net::SocketAddr;

use super::client_ca_keys::{ClientCa, client_ca};
use super::reader::{At, Section, Source};
use super::sections::{bind, not_one_of};
use super::{Config, ListenerConfig, Problem};
use crate::inbound::{Role, Spokesmen, TlsMode, TlsOnly, TlsPeer};
use crate::net::Network;

/// Who hands mail in by LMTP when nobody is named.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1"];

/// `[[listener]]` as far as it can be read.
pub(super) struct Listener {
    pub(super) bind: At<SocketAddr>,
    pub(super) role: Role,
    pub(super) tls: TlsMode,
    pub(super) spokesmen: Spokesmen,
    pub(super) require_tls_from: TlsOnly,
    pub(super) requiretls: bool,
    pub(super) device_login: bool,
    pub(super) client_ca: ClientCa,
}

impl Listener {
    pub(super) fn into_config(self) -> ListenerConfig {
        ListenerConfig {
            bind: self.bind.value,
            role: self.role,
            tls: self.tls,
            spokesmen: self.spokesmen,
            require_tls_from: self.require_tls_from,
            requiretls: self.requiretls,
            device_login: self.device_login,
            client_ca: self.client_ca.files(),
            certificates: self.client_ca.rights,
        }
    }
}

pub(super) fn listeners(root: &Section<'_>) -> Vec<Listener> {
    let sections = root.list("listener");
    if sections.is_empty() && !root.has("listener") {
        root.missing(
            "listener",
            "at least one [[listener]]: no mail would come in",
        );
    }
    sections.into_iter().filter_map(listener).collect()
}

fn listener(section: Section<'_>) -> Option<Listener> {
    let bind = bind(&section);
    let tls = section.text("tls", |text| {
        Ok(match text {
            "none" => TlsMode::None,
            "starttls" => TlsMode::StartTls,
            "implicit" => TlsMode::Implicit,
            _ => return Err(not_one_of(text, "none, starttls, implicit")),
        })
    });
    let role = role(&section, tls.as_ref());
    if let Some(bind) = bind
        .as_ref()
        .filter(|it| role.is_lmtp() && it.value.port() == 25)
    {
        // RFC 2033 §5.
        let what = "is the port of SMTP, expected another one with role = \"lmtp\"";
        section.source.refuse(bind, what);
    }
    let spokesmen = spokesmen(&section);
    let require_tls_from = require_tls_from(&section, tls.as_ref().map(|tls| tls.value));
    let requiretls = requiretls(&section, tls.as_ref().map(|tls| tls.value));
    let device_login = device_login(&section, (&role, tls.as_ref().map(|tls| tls.value)));
    let client_ca = client_ca(&section, &role, tls.as_ref().map(|tls| tls.value));
    section.finish();
    Some(Listener {
        bind: bind?,
        role,
        tls: tls.map_or(TlsMode::StartTls, |tls| tls.value),
        spokesmen,
        require_tls_from,
        requiretls,
        device_login,
        client_ca,
    })
}

/// Who could not keep to it would be shut out.
fn require_tls_from(section: &Section<'_>, tls: Option<TlsMode>) -> TlsOnly {
    let Some(named) = section.texts("require_tls_from", tls_peer) else {
        return TlsOnly::default();
    };
    if !named.value.is_empty() && tls == Some(TlsMode::None) {
        let what = "needs TLS, expected another tls than \"none\"";
        section.source.refuse(&named, what);
    }
    named.value.into_iter().map(|at| at.value).collect()
}

/// RFC 8689 §2: it means nothing without TLS.
fn requiretls(section: &Section<'_>, tls: Option<TlsMode>) -> bool {
    let Some(wanted) = section.switch("requiretls") else {
        return false;
    };
    if wanted.value && tls == Some(TlsMode::None) {
        let what = "needs TLS, expected another tls than \"none\"";
        section.source.refuse(&wanted, what);
    }
    wanted.value
}

/// RFC 8314 §4.1: no password goes in the clear.
fn device_login(section: &Section<'_>, (role, tls): (&Role, Option<TlsMode>)) -> bool {
    let Some(wanted) = section.switch("auth") else {
        return false;
    };
    let what = match (role, tls) {
        _ if !wanted.value => return false,
        (Role::Submission, _) => {
            "does nothing here: with role = \"submission\" everybody logs in; expected it with \
             role = \"mx\""
        }
        (Role::Relay { .. } | Role::Lmtp { .. }, _) => {
            "does nothing here, expected it with role = \"mx\" only"
        }
        (_, Some(TlsMode::None)) => {
            "would show passwords to everybody on the way, expected another tls than \"none\""
        }
        (_, _) => return true,
    };
    section.source.refuse(&wanted, what);
    false
}

fn role(section: &Section<'_>, tls: Option<&At<TlsMode>>) -> Role {
    let role = section.text("role", |text| match text {
        "mx" | "submission" | "relay" | "lmtp" => Ok(text.to_owned()),
        _ => Err(not_one_of(text, "mx, submission, relay, lmtp")),
    });
    let role = role.as_ref().map_or("mx", |role| role.value.as_str());
    if role == "lmtp" {
        return lmtp(section);
    }
    let allow = section.texts("allow", network);
    if let Some(allow) = allow.as_ref().filter(|_| role != "relay") {
        let what = "does nothing here, expected it with role = \"relay\" or \"lmtp\" only";
        section.source.refuse(allow, what);
    }
    match (role, allow) {
        ("submission", _) => {
            // RFC 8314 §4.1: no password goes in the clear.
            if let Some(tls) = tls.filter(|tls| tls.value == TlsMode::None) {
                let what = "would show passwords to everybody on the way, expected starttls or \
                            implicit with role = \"submission\"";
                section.source.refuse(tls, what);
            }
            Role::Submission
        }
        ("relay", Some(allow)) if !allow.value.is_empty() => Role::Relay {
            allow: allow.value.into_iter().map(|at| at.value).collect(),
        },
        // By its certificate somebody is, then.
        ("relay", _) if section.has("allow_names") => Role::Relay { allow: Vec::new() },
        ("relay", _) => {
            section.missing(
                "allow",
                "the networks of the devices, for example [\"192.0.2.0/24\"]",
            );
            Role::Mx
        }
        _ => Role::Mx,
    }
}

/// By LMTP mail comes from servers of our own; without `allow` from this machine.
fn lmtp(section: &Section<'_>) -> Role {
    let allow = section.texts("allow", |text| {
        let network = network(text)?;
        if network.is_everything() {
            return Err(format!(
                "\"{text}\" is everybody, expected the addresses of mail servers of yours"
            ));
        }
        Ok(network)
    });
    let allow = match allow {
        Some(allow) => allow.value.into_iter().map(|at| at.value).collect(),
        None => LOOPBACK.iter().filter_map(|it| it.parse().ok()).collect(),
    };
    Role::Lmtp { allow }
}

/// Who may say whose a connection is.
fn spokesmen(section: &Section<'_>) -> Spokesmen {
    let is_behind_proxy = section.switch("proxy_protocol").is_some_and(|it| it.value);
    let proxies = section.texts("proxy_from", spokesman);
    let proxy = match (is_behind_proxy, proxies) {
        (false, None) => Vec::new(),
        (false, Some(proxies)) => {
            let what = "does nothing here, expected it with proxy_protocol = true only";
            section.source.refuse(&proxies, what);
            Vec::new()
        }
        (true, Some(proxies)) if !proxies.value.is_empty() => {
            proxies.value.into_iter().map(|at| at.value).collect()
        }
        (true, _) => {
            section.missing(
                "proxy_from",
                "the addresses of the proxies, for example [\"10.20.0.1\"]",
            );
            Vec::new()
        }
    };
    let xclient = section.texts("xclient_from", spokesman);
    let xclient = xclient.map(|at| at.value).unwrap_or_default();
    Spokesmen {
        proxy,
        xclient: xclient.into_iter().map(|at| at.value).collect(),
    }
}

fn tls_peer(text: &str) -> Result<TlsPeer, String> {
    let peer: Result<TlsPeer, _> = text.parse();
    peer.map_err(|error| format!("\"{text}\" {error}"))
}

fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error| format!("\"{text}\": {error}"))
}

/// A network that does not make everybody his own witness.
fn spokesman(text: &str) -> Result<Network, String> {
    let network = network(text)?;
    if network.is_everything() {
        return Err(format!(
            "\"{text}\" lets everybody say where he comes from, expected the addresses of proxies"
        ));
    }
    Ok(network)
}

impl Config {
    /// A door for people who log in, where nobody can have a password.
    pub(super) fn submission_warning(&self) -> Option<Problem> {
        let mut listeners = self.listeners.iter();
        let door = listeners.find(|one| one.role.wants_login())?;
        let bind = door.bind;
        self.web.is_none().then(|| Problem {
            file: self.file.clone(),
            line: 0,
            key: "listener.role".to_owned(),
            what: format!(
                "people cannot log in at {bind}: their passwords are those of the webmail, and \
                 there is no [web]; devices can"
            ),
        })
    }
}

/// The authorities of clients can be used.
pub(super) fn check_files(source: &Source<'_>, listeners: &[Listener]) {
    let all = listeners.iter().map(|one| &one.client_ca);
    all.for_each(|one| one.check_files(source));
}

/// Those of a file without errors.
pub(super) fn configs(listeners: Vec<Listener>) -> Vec<ListenerConfig> {
    let configs = listeners.into_iter().map(Listener::into_config);
    configs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn told(keys: &str) -> Result<Spokesmen, String> {
        let config = read(keys)?;
        let mut listeners = config.inbound_options().into_iter();
        Ok(listeners.next().unwrap().1.spokesmen)
    }

    fn read(keys: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             {keys}\n[backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
             [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n"
        );
        std::fs::write(&file, text).unwrap();
        load(&file).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_door_at_which_nobody_can_log_in_is_odd() {
        let web = "[web]\nbind = \"127.0.0.1:8080\"";
        for (keys, is_odd) in [
            ("role = \"submission\"".to_owned(), true),
            (
                format!("role = \"submission\"\ntls = \"implicit\"\n{web}"),
                false,
            ),
            ("role = \"mx\"".to_owned(), false),
        ] {
            let warnings = read(&keys).unwrap().warnings();
            let mut told = warnings.iter().map(|one| one.what.as_str());
            assert_eq!(
                told.any(|it| it.starts_with("people cannot log in")),
                is_odd,
                "{keys}"
            );
        }
    }

    #[test]
    fn by_lmtp_mail_comes_from_this_machine_or_from_who_is_named() {
        let role = |keys: &str| read(keys).unwrap().listeners[0].role.clone();
        let ours = |role: &Role, peer: &str| role.lets_in(peer.parse().unwrap());
        let local = role("role = \"lmtp\"");
        assert!(ours(&local, "127.0.0.3") && ours(&local, "::1") && !ours(&local, "10.20.0.1"));
        let named = role("role = \"lmtp\"\nallow = [\"10.20.0.0/24\"]");
        assert!(ours(&named, "10.20.0.1") && !ours(&named, "127.0.0.1"));
        assert!(ours(&role("role = \"mx\""), "203.0.113.1"));
    }

    #[test]
    fn who_speaks_for_others_is_named() {
        let keys = "proxy_protocol = true\nproxy_from = [\"10.20.0.1\"]\n\
                    xclient_from = [\"10.20.0.2\"]";
        let spokesmen = told(keys).unwrap();
        assert_eq!(spokesmen.proxy, ["10.20.0.1".parse().unwrap()]);
        assert_eq!(spokesmen.xclient, ["10.20.0.2".parse().unwrap()]);
        let nobody = told("proxy_protocol = false").unwrap();
        assert_eq!(nobody, Spokesmen::default());
    }

    #[test]
    fn nobody_is_his_own_witness() {
        for (keys, what) in [
            ("proxy_protocol = true", "listener.proxy_from: is missing"),
            (
                "proxy_protocol = true\nproxy_from = []",
                "listener.proxy_from: is missing",
            ),
            (
                "proxy_from = [\"10.20.0.1\"]",
                "with proxy_protocol = true only",
            ),
            (
                "proxy_protocol = true\nproxy_from = [\"0.0.0.0/0\"]",
                "lets everybody say",
            ),
            ("xclient_from = [\"::/0\"]", "lets everybody say"),
            ("xclient_from = [\"mx\"]", "not a network"),
            ("tls = \"none\"\nrequiretls = true", "needs TLS"),
            ("tls = \"none\"\nauth = true", "would show passwords"),
            ("role = \"submission\"\nauth = true", "everybody logs in"),
            (
                "role = \"relay\"\nallow = [\"192.0.2.0/24\"]\nauth = true",
                "with role = \"mx\" only",
            ),
            (
                "tls = \"none\"\nrequire_tls_from = [\"192.0.2.1\"]",
                "needs TLS",
            ),
            (
                "require_tls_from = [\"192.0.2.256\"]",
                "\"192.0.2.256\" is no network and no domain",
            ),
            (
                "role = \"submission\"\ntls = \"none\"",
                "would show passwords",
            ),
            (
                "role = \"submission\"\nallow = [\"192.0.2.0/24\"]",
                "with role = \"relay\" or \"lmtp\" only",
            ),
            ("role = \"lmtp\"\nallow = [\"0.0.0.0/0\"]", "is everybody"),
        ] {
            let told = told(keys).unwrap_err();
            assert!(told.contains(what), "{keys}: {told}");
        }
    }
}
