//! The keys of `[acme]`: from whom certificates come.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::mta_sts_keys::Policies;
use super::reader::{At, Section, Source};
use super::sections::{bind, host_pattern, mailbox, non_empty};
use super::tls_keys::Tls;
use super::verify::readable;
use super::{Config, ServerConfig};
use crate::acme::{AcmeOptions, AcmeView, NextKey, pair_file};
use crate::limits;
use crate::net::HttpPlace;

/// Whose certificates most take.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// `[acme]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeConfig {
    /// Where the authority looks whether a host is ours.
    pub bind: SocketAddr,
    /// The rest.
    pub options: AcmeOptions,
}

/// `[acme]` as far as it can be read.
pub(super) struct Acme {
    bind: Option<At<SocketAddr>>,
    directory: String,
    contact: Vec<String>,
    /// Empty: `server.hostname`, and the hosts of policies.
    hosts: Vec<String>,
    authorities: Option<At<PathBuf>>,
    binding: Option<(String, At<PathBuf>)>,
    key: NextKey,
}

pub(super) fn acme(root: &Section<'_>, tls: &Tls) -> Option<Acme> {
    let section = root.section("acme")?;
    let bind = bind(&section);
    if let Some(certificate) = tls.first() {
        let what = "stands beside [acme], which makes the certificate itself: expected one of them";
        section.source.refuse(certificate, what);
    }
    agreed(&section);
    let directory = section.text("directory", |text| match HttpPlace::of(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("\"{text}\" is no https address")),
    });
    let contact = section.texts("contact", |text| mailbox(text).map(|it| it.to_string()));
    let acme = Acme {
        bind,
        directory: directory.map_or_else(|| LETS_ENCRYPT.to_owned(), |at| at.value),
        contact: contact
            .into_iter()
            .flat_map(|at| at.value)
            .map(|at| at.value)
            .collect(),
        hosts: hosts(&section),
        authorities: path(&section, "authorities"),
        binding: binding(&section),
        key: if section.switch("keep_key").is_some_and(|at| at.value) {
            NextKey::Same
        } else {
            NextKey::Fresh
        },
    };
    section.finish();
    Some(acme)
}

/// RFC 8555 §7.3.3: nobody agrees for somebody else.
fn agreed(section: &Section<'_>) {
    let agreed = section.switch("agree_to_terms");
    match agreed {
        Some(agreed) if !agreed.value => {
            let what = "an authority makes certificates only for who agrees to its terms of \
                        service, expected true, or no [acme]";
            section.source.refuse(&agreed, what);
        }
        None if !section.has("agree_to_terms") => section.missing(
            "agree_to_terms",
            "true, when you agree to the terms of service of the authority",
        ),
        Some(_) | None => {}
    }
}

fn hosts(section: &Section<'_>) -> Vec<String> {
    let Some(hosts) = section.texts("hosts", host) else {
        return Vec::new();
    };
    if hosts.value.is_empty() {
        let what = "names no host, expected hosts of this server, or the key to be left out";
        section.source.refuse(&hosts, what);
    }
    if let Some(one) = hosts.value.get(limits::ACME_HOSTS) {
        let most = limits::ACME_HOSTS;
        section
            .source
            .refuse(one, format!("is one too many, expected {most} at most"));
    }
    let mut seen = BTreeSet::new();
    let hosts = hosts.value.into_iter().map(|at| at.value);
    hosts.filter(|host| seen.insert(host.clone())).collect()
}

/// RFC 8555 §8.3: who answers for a host has not answered for all hosts of its domain.
fn host(text: &str) -> Result<String, String> {
    let host = host_pattern(text)?;
    let is_address = host.parse::<IpAddr>().is_ok();
    if is_address || host.starts_with("*.") {
        return Err(format!(
            "\"{text}\" is not possible, expected the name of one host"
        ));
    }
    Ok(host)
}

fn binding(section: &Section<'_>) -> Option<(String, At<PathBuf>)> {
    let name = section.text("account", |text| non_empty(text).map(str::to_owned));
    let file = path(section, "account_key_file");
    if let (Some(alone), None) = (&name, &file) {
        let what = "stands alone, expected account and account_key_file, or neither of them";
        section.source.refuse(alone, what);
    }
    if let (None, Some(alone)) = (&name, &file) {
        let what = "stands alone, expected account and account_key_file, or neither of them";
        section.source.refuse(alone, what);
    }
    Some((name?.value, file?))
}

fn path(section: &Section<'_>, name: &'static str) -> Option<At<PathBuf>> {
    section.text(name, |text| {
        non_empty(text).map(|text| section.source.path(text))
    })
}

impl Acme {
    /// The files are there.
    pub(super) fn check_files(&self, source: &Source<'_>) {
        let key = self.binding.as_ref().map(|(_, file)| file);
        for file in self.authorities.iter().chain(key) {
            readable(source, file);
        }
    }

    /// The certificate is for this server, and for the hosts of policies.
    pub(super) fn config(self, server: &ServerConfig, policies: &Policies) -> Option<AcmeConfig> {
        let usual = || {
            let policies = policies.keys().map(|domain| format!("mta-sts.{domain}"));
            [server.hostname.key()]
                .into_iter()
                .chain(policies)
                .collect()
        };
        Some(AcmeConfig {
            bind: self.bind?.value,
            options: AcmeOptions {
                directory: self.directory,
                contact: self.contact,
                hosts: if self.hosts.is_empty() {
                    usual()
                } else {
                    self.hosts
                },
                authorities: self.authorities.map(|at| at.value),
                binding: self.binding.map(|(name, at)| (name, at.value)),
                key: self.key,
            },
        })
    }
}

/// Where it looks whether hosts are ours.
pub(super) fn bind_of(acme: Option<&Acme>) -> Option<&At<SocketAddr>> {
    acme.and_then(|acme| acme.bind.as_ref())
}

/// The pair that the authority makes, in this folder of ours.
pub(super) fn pair(server: &ServerConfig) -> PathBuf {
    pair_file(&server.data_dir)
}

impl Config {
    /// How the certificate stands that an authority makes, from what is in `data_dir`.
    #[must_use]
    pub fn acme_view(&self) -> Option<AcmeView> {
        let acme = self.acme.as_ref()?;
        Some(AcmeView::of(&acme.options, &self.server.data_dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn told(sections: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"MX.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\"]\n{sections}\n\
             [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n"
        );
        std::fs::write(&file, text).unwrap();
        load(&file).map_err(|problems| problems.to_string())
    }

    const LEAST: &str = "[acme]\nbind = \"127.0.0.1:80\"\nagree_to_terms = true\n";

    #[test]
    fn the_least_is_a_port_and_a_word() {
        assert_eq!(told("").unwrap().acme, None);
        let config = told(LEAST).unwrap();
        let options = config.acme.clone().unwrap().options;
        assert_eq!(options.directory, LETS_ENCRYPT);
        assert_eq!(options.hosts, ["mx.example.org"]);
        assert_eq!(options.key, NextKey::Fresh);
        let files = config.tls.unwrap().first;
        assert_eq!(files.certificate, files.key);
        assert!(files.certificate.ends_with("data/acme/certificate.pem"));
        // Policies are read under hosts of their own.
        let policies = "[mta_sts]\nbind = \"127.0.0.1:443\"\n[domain.\"example.net\"]\n\
                        home = \"a\"\nunknown = \"relay\"\nmta_sts = \"testing\"\n";
        let config = told(&format!("{LEAST}{policies}")).unwrap();
        let warnings = config.policy_warnings();
        assert!(
            warnings.is_empty(),
            "what is ordered is there: {warnings:?}"
        );
        let hosts = config.acme.unwrap().options.hosts;
        assert_eq!(hosts, ["mx.example.org", "mta-sts.example.net"]);
        // As DNS and certificates have it.
        let beyond = "hosts = [\"m\u{e4}il.example.org\"]";
        let acme = told(&format!("{LEAST}{beyond}")).unwrap().acme.unwrap();
        assert_eq!(acme.options.hosts, ["xn--mil-qla.example.org"]);
        let named = "hosts = [\"Mail.example.org\", \"mail.example.org\"]\nkeep_key = true\n\
                     contact = [\"tls@example.org\"]\ndirectory = \"https://ca.example/dir\"\n";
        let options = told(&format!("{LEAST}{named}"))
            .unwrap()
            .acme
            .unwrap()
            .options;
        assert_eq!(options.hosts, ["mail.example.org"]);
        assert_eq!(options.contact, ["tls@example.org"]);
        assert_eq!(
            (options.key, &*options.directory),
            (NextKey::Same, "https://ca.example/dir")
        );
    }

    #[test]
    fn what_would_never_work_is_refused() {
        let many: Vec<_> = (0..=100).map(|it| format!("\"h{it}.example\"")).collect();
        let many = format!("hosts = [{}]", many.join(","));
        for (more, what) in [
            (
                "hosts = [\"*.example.org\"]",
                "expected the name of one host",
            ),
            ("hosts = [\"192.0.2.1\"]", "expected the name of one host"),
            ("hosts = []", "names no host"),
            (
                "directory = \"http://ca.example/dir\"",
                "is no https address",
            ),
            (many.as_str(), "is one too many, expected 100 at most"),
            ("authorities = \"gone.pem\"", "gone.pem"),
            (
                "account = \"x\"\naccount_key_file = \"gone.key\"",
                "gone.key",
            ),
            ("contact = [\"nobody\"]", "acme.contact"),
            ("account = \"x\"", "stands alone"),
            ("account_key_file = \"x\"", "stands alone"),
            (
                "[tls]\ncertificate = \"a\"\nkey = \"b\"",
                "stands beside [acme]",
            ),
            ("[admin]\nbind = \"127.0.0.1:80\"", "127.0.0.1:80"),
        ] {
            let told = told(&format!("{LEAST}{more}")).unwrap_err();
            assert!(told.contains(what), "{more}: {told}");
        }
        for (section, what) in [
            (
                "[acme]\nbind = \"127.0.0.1:80\"",
                "acme.agree_to_terms: is missing",
            ),
            (
                "[acme]\nbind = \"127.0.0.1:80\"\nagree_to_terms = false",
                "only for who agrees",
            ),
            ("[acme]\nagree_to_terms = true", "acme.bind"),
        ] {
            let told = told(section).unwrap_err();
            assert!(told.contains(what), "{section}: {told}");
        }
    }
}
