//! The keys of MTA-STS: where the policies of our domains are served, and what they say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::reader::{At, Section};
use super::sections::{bind, host_pattern, not_one_of};
use super::units::duration;
use super::{Config, ListenerConfig, MtaStsConfig, Problem};
use crate::inbound::{Role, TlsMode};
use crate::outbound::{StsMode, StsPolicy};
use crate::smtp::Domain;

const DAY: Duration = Duration::from_secs(86_400);

/// The policy of a domain as far as it can be read.
pub(super) struct Policy {
    mode: At<StsMode>,
    max_age: Duration,
    /// Empty: `server.hostname`.
    mx: Vec<String>,
}

/// By domain.
pub(super) type Policies = BTreeMap<String, Policy>;

/// `mta_sts` of a domain, and what belongs to it.
pub(super) fn policy(domain: &Section<'_>) -> Option<Policy> {
    let mode = domain.text("mta_sts", |text| match text {
        "testing" => Ok(StsMode::Testing),
        "enforce" => Ok(StsMode::Enforce),
        "none" => Ok(StsMode::None),
        _ => Err(not_one_of(text, "testing, enforce, none")),
    });
    let max_age = domain.text("mta_sts_max_age", age);
    let mx = domain.texts("mta_sts_mx", host_pattern);
    let source = domain.source;
    if let Some(alone) = mx.as_ref().filter(|_| !domain.has("mta_sts")) {
        let what = "does nothing here, expected it with mta_sts only";
        source.refuse(alone, what);
    }
    if let Some(empty) = mx.as_ref().filter(|mx| mx.value.is_empty()) {
        let what = "names no host: senders that obey would bring nothing";
        source.refuse(empty, what);
    }
    let mx = mx.map(|mx| mx.value).unwrap_or_default();
    Some(Policy {
        mode: mode?,
        max_age: max_age.map_or(DAY * 7, |at| at.value),
        mx: mx.into_iter().map(|at| at.value).collect(),
    })
}

/// RFC 8461 §3.2: up to a year. Shorter than a day it protects nobody: it is gone when the attack
/// begins.
fn age(text: &str) -> Result<Duration, String> {
    let age = duration(text)?;
    if (DAY..=DAY * 365).contains(&age) {
        Ok(age)
    } else {
        Err(format!("\"{text}\" is not possible, expected 1d to 365d"))
    }
}

/// `[mta_sts]`: where they are served.
pub(super) fn door(root: &Section<'_>, policies: &Policies) -> Option<At<SocketAddr>> {
    let Some(section) = root.section("mta_sts") else {
        if let Some(policy) = policies.values().next() {
            let what =
                "is served nowhere, expected [mta_sts] with bind = \"0.0.0.0:443\" beside it";
            root.source.refuse(&policy.mode, what);
        }
        return None;
    };
    let bind = bind(&section);
    section.finish();
    bind
}

/// What is served, and where.
pub(super) fn config(
    bind: Option<At<SocketAddr>>,
    policies: Policies,
    hostname: &Domain,
) -> MtaStsConfig {
    let policies = policies.into_iter().map(|(domain, policy)| {
        let mx = if policy.mx.is_empty() {
            vec![hostname.key()]
        } else {
            policy.mx
        };
        (
            domain,
            StsPolicy::new(policy.mode.value, mx, policy.max_age),
        )
    });
    MtaStsConfig {
        bind: bind.map(|at| at.value),
        policies: policies.collect(),
    }
}

impl Config {
    /// Who obeys a policy of ours would bring nothing, or cannot read it.
    pub(super) fn policy_warnings(&self) -> Vec<Problem> {
        let Some(bind) = self.mta_sts.bind else {
            return Vec::new();
        };
        let pairs = self.tls.as_ref().and_then(|files| files.load().ok());
        let mut names: Vec<String> = pairs
            .map(|pairs| pairs.states().into_iter().flat_map(|it| it.names).collect())
            .unwrap_or_default();
        // What is not there yet is ordered.
        let ordered = self.acme.iter().flat_map(|acme| acme.options.hosts.clone());
        names.extend(ordered);
        let mut warnings = Vec::new();
        let mut warn = |key: &str, what: String| {
            warnings.push(Problem {
                file: self.file.clone(),
                line: 0,
                key: key.to_owned(),
                what,
            });
        };
        if self.mta_sts.policies.is_empty() {
            warn(
                "mta_sts.bind",
                format!("nobody has a policy that is served at {bind}"),
            );
        }
        let ours = self.server.hostname.key();
        let open = |it: &&ListenerConfig| it.tls == TlsMode::None && it.role == Role::Mx;
        for (domain, policy) in &self.mta_sts.policies {
            let key = format!("domain.\"{domain}\".mta_sts");
            let host = format!("mta-sts.{domain}");
            if !covered(&names, &host) {
                let what = format!(
                    "no certificate of [tls] is for {host}: nobody can read the policy, \
                     expected one among [[tls.more]]"
                );
                warn(&key, what);
            }
            if policy.mode == StsMode::None {
                continue;
            }
            if !policy.covers(&ours) {
                let what = format!("does not name {ours}: senders that obey bring nothing here");
                warn(&key, what);
            } else if !covered(&names, &ours) {
                let what = format!(
                    "no certificate of [tls] is for {ours}: senders that obey bring nothing here"
                );
                warn(&key, what);
            }
            if let Some(listener) = self.listeners.iter().find(open) {
                let what = format!(
                    "the listener {} does not encrypt: senders that obey bring nothing there",
                    listener.bind
                );
                warn(&key, what);
            }
        }
        warnings
    }
}

/// Is one of these names, as certificates have them, for the host? A wildcard is one label.
fn covered(names: &[String], host: &str) -> bool {
    let policy = StsPolicy::new(StsMode::Enforce, names.to_vec(), DAY);
    policy.covers(host)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, load};
    use crate::net::TlsServer;

    fn told(folder: &Path, (domain, rest): (&str, &str)) -> Result<Config, String> {
        let file = folder.join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
             [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n{domain}\n{rest}"
        );
        std::fs::write(&file, text).unwrap();
        load(&file).map_err(|problems| problems.to_string())
    }

    const DOOR: &str = "[mta_sts]\nbind = \"127.0.0.1:4443\"\n";

    #[test]
    fn a_policy_says_who_we_are_unless_it_names_others() {
        let folder = tempfile::tempdir().unwrap();
        let text = |domain: &str| {
            let config = told(folder.path(), (domain, DOOR)).unwrap();
            config.mta_sts.policies["example.org"].to_string()
        };
        assert_eq!(
            text("mta_sts = \"testing\""),
            "version: STSv1\r\nmode: testing\r\nmx: mx.example.org\r\nmax_age: 604800\r\n"
        );
        let more = "mta_sts = \"enforce\"\nmta_sts_max_age = \"30d\"\n\
                    mta_sts_mx = [\"MX.example.org\", \"*.example.net\"]";
        assert_eq!(
            text(more),
            "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmx: *.example.net\r\n\
             max_age: 2592000\r\n"
        );
        for (domain, rest, what) in [
            ("mta_sts = \"enforce\"", "", "mta_sts: is served nowhere"),
            (
                "mta_sts = \"on\"",
                DOOR,
                "expected one of testing, enforce, none",
            ),
            (
                "mta_sts_mx = [\"mx.example.org\"]",
                DOOR,
                "with mta_sts only",
            ),
            (
                "mta_sts = \"none\"\nmta_sts_max_age = \"1h\"",
                DOOR,
                "expected 1d to 365d",
            ),
            ("mta_sts = \"none\"\nmta_sts_mx = []", DOOR, "names no host"),
            (
                "mta_sts = \"none\"\nmta_sts_mx = [\"a*.example.org\"]",
                DOOR,
                "is no host",
            ),
            ("", "[mta_sts]\nbind = \"127.0.0.1:2525\"\n", "is taken by"),
        ] {
            let told = told(folder.path(), (domain, rest)).unwrap_err();
            assert!(told.contains(what), "{domain}: {told}");
        }
    }

    #[test]
    fn who_obeys_and_would_bring_nothing_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let warned = |domain: &str, rest: &str| -> Vec<String> {
            let config = told(folder.path(), (domain, &format!("{DOOR}{rest}"))).unwrap();
            let warnings = config.policy_warnings().into_iter();
            warnings.map(|it| it.what).collect()
        };
        let enforce = "mta_sts = \"enforce\"";
        assert!(warned("", "")[0].contains("nobody has a policy"));
        let alone = warned(enforce, "");
        assert!(alone[0].contains("no certificate of [tls] is for mta-sts.example.org"));
        assert!(alone[1].contains("no certificate of [tls] is for mx.example.org"));
        let other = warned(
            "mta_sts = \"testing\"\nmta_sts_mx = [\"*.example.org.example\"]",
            "",
        );
        assert!(
            other[1].contains("does not name mx.example.org"),
            "{other:?}"
        );
        assert_eq!(warned("mta_sts = \"none\"", "").len(), 1);
        for (place, host) in [("a", "mx.example.org"), ("b", "mta-sts.example.org")] {
            let place = folder.path().join(place);
            std::fs::create_dir(&place).unwrap();
            TlsServer::self_signed(&place, host).unwrap();
        }
        let pair = |place: &str| {
            format!(
                "certificate = \"{place}/self-signed.crt\"\nkey = \"{place}/self-signed.key\"\n"
            )
        };
        let tls = format!("[tls]\n{}[[tls.more]]\n{}", pair("a"), pair("b"));
        assert_eq!(warned(enforce, &tls), Vec::<String>::new());
        let open = "[[listener]]\nbind = \"127.0.0.1:2526\"\ntls = \"none\"\n";
        let open = warned(enforce, &format!("{tls}{open}"));
        assert!(
            open[0].contains("127.0.0.1:2526 does not encrypt"),
            "{open:?}"
        );
    }
}
