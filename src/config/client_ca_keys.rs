//! The keys of a `[[listener]]` that knows clients by their certificates.

use std::path::PathBuf;

use super::reader::{At, Section, Source};
use super::sections::{host_pattern, non_empty};
use super::verify::readable;
use crate::inbound::{CertificateRights, Role, TlsMode};
use crate::net::{ClientAuthorities, ClientFiles};
use crate::smtp::Domain;

/// Hosts of these domains show one certificate for all tenants of the platform; it writes itself
/// into each message whose it is.
const OF_TENANTS: [&str; 2] = ["outlook.com", "office365.com"];
/// Hosts of these show one for everybody, and nothing tells whose a message is.
const OF_EVERYBODY: [&str; 3] = ["google.com", "gmail.com", "googlemail.com"];

/// What they say.
#[derive(Default)]
pub(super) struct ClientCa {
    pub(super) file: Option<At<PathBuf>>,
    /// Lists of revoked certificates.
    pub(super) lists: Option<At<Vec<At<PathBuf>>>>,
    pub(super) rights: CertificateRights,
}

pub(super) fn client_ca(section: &Section<'_>, role: &Role, tls: Option<TlsMode>) -> ClientCa {
    let file = section.text("client_ca", |text| {
        non_empty(text).map(|text| section.source.path(text))
    });
    let lists = section.texts("client_crl", |text| {
        non_empty(text).map(|text| section.source.path(text))
    });
    if let Some(lists) = lists.as_ref().filter(|_| !section.has("client_ca")) {
        let what = "does nothing without client_ca";
        section.source.refuse(lists, what);
    }
    let names = section.texts("allow_names", host_pattern);
    let tenants = section.texts("tenants", |text| {
        let tenant = text.parse::<Domain>().ok();
        let tenant = tenant.filter(|it| !it.is_literal() && text.contains('.'));
        let example = "expected a domain of the tenant, for example \"example.onmicrosoft.com\"";
        tenant
            .map(|it| it.key())
            .ok_or_else(|| format!("\"{text}\" is none, {example}"))
    });
    if let Some(file) = &file {
        if tls == Some(TlsMode::None) {
            let what = "needs TLS, expected another tls than \"none\"";
            section.source.refuse(file, what);
        } else if role.wants_login() {
            let what = "does nothing here: people log in, expected another role";
            section.source.refuse(file, what);
        }
    }
    let Some(names) = names else {
        if let Some(tenants) = &tenants {
            let what = "does nothing without allow_names";
            section.source.refuse(tenants, what);
        }
        let rights = CertificateRights::default();
        return ClientCa {
            file,
            lists,
            rights,
        };
    };
    if !matches!(role, Role::Relay { .. }) {
        let what = "does nothing here, expected it with role = \"relay\" only";
        section.source.refuse(&names, what);
    }
    if file.is_none() && !section.has("client_ca") {
        let what = "the authorities that the certificates come from, a PEM file";
        section.missing("client_ca", what);
    }
    if names.value.is_empty() {
        let what = "names nobody, expected names of certificates, or the key to be left out";
        section.source.refuse(&names, what);
    }
    let rights = rights(section.source, names.value, tenants);
    ClientCa {
        file,
        lists,
        rights,
    }
}

impl ClientCa {
    /// The files; `None`: nobody is asked for a certificate.
    pub(super) fn files(&self) -> Option<ClientFiles> {
        let lists = self.lists.iter().flat_map(|it| &it.value);
        Some(ClientFiles {
            authorities: self.file.as_ref()?.value.clone(),
            lists: lists.map(|it| it.value.clone()).collect(),
        })
    }

    /// The files are there, and hold authorities and lists of what those have revoked.
    pub(super) fn check_files(&self, source: &Source<'_>) {
        let (Some(file), Some(files)) = (&self.file, self.files()) else {
            return;
        };
        let alone = ClientFiles {
            lists: Vec::new(),
            ..files.clone()
        };
        if !readable(source, file) {
            return;
        }
        if let Err(why) = ClientAuthorities::load(&alone) {
            source.refuse(file, why);
            return;
        }
        let Some(lists) = &self.lists else { return };
        // Each that is missing is told of.
        let missing = lists.value.iter().filter(|list| !readable(source, list));
        if missing.count() == 0
            && let Err(why) = ClientAuthorities::load(&files)
        {
            source.refuse(lists, why);
        }
    }
}

/// What each name gives; not what it would give to everybody.
fn rights(
    source: &Source<'_>,
    names: Vec<At<String>>,
    tenants: Option<At<Vec<At<String>>>>,
) -> CertificateRights {
    let mut rights = CertificateRights::default();
    let has_tenants = tenants.as_ref().is_some_and(|it| !it.value.is_empty());
    for name in names {
        if is_of(&name.value, &OF_EVERYBODY) {
            let what = format!(
                "\"{}\" is shown for everybody who has a mailbox there, and each of them could \
                 send through this server: name its addresses in allow, or let it log in",
                name.value
            );
            source.refuse(&name, what);
        } else if !is_of(&name.value, &OF_TENANTS) {
            rights.own.push(name.value);
        } else if has_tenants {
            rights.shared.push(name.value);
        } else {
            let what = format!(
                "\"{}\" is shown for all tenants of the platform, and each of them could send \
                 through this server: expected `tenants` beside it, the domains of yours",
                name.value
            );
            source.refuse(&name, what);
        }
    }
    if let Some(tenants) = tenants {
        if rights.shared.is_empty() {
            let what = "does nothing here: no name of allow_names is one of many tenants";
            source.refuse(&tenants, what);
        }
        rights.tenants = tenants.value.into_iter().map(|it| it.value).collect();
    }
    rights
}

/// Is it a host of one of these domains? A wildcard can stand for one.
fn is_of(name: &str, domains: &[&str]) -> bool {
    let mut domains = domains.iter();
    domains.any(|domain| {
        name == *domain
            || name
                .strip_suffix(domain)
                .is_some_and(|it| it.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, load};
    use crate::route::Origin;

    fn told(keys: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        std::fs::write(folder.path().join("junk.pem"), "junk").unwrap();
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
    fn who_has_a_name_of_his_own_is_told_from_who_shares_one() {
        let config = told(
            "role = \"relay\"\nclient_ca = \"ca.pem\"\ntenants = [\"Example.onmicrosoft.com\"]\n\
             allow_names = [\"GW.partner.example\", \"mail.protection.outlook.com\"]",
        );
        let listener = config.unwrap().listeners.remove(0);
        assert!(listener.client_ca.unwrap().authorities.ends_with("ca.pem"));
        let rights = listener.certificates;
        assert_eq!(rights.own, ["gw.partner.example"]);
        assert_eq!(rights.shared, ["mail.protection.outlook.com"]);
        assert_eq!(rights.tenants, ["example.onmicrosoft.com"]);
        let by_address = listener.role.origin("127.0.0.1".parse().unwrap());
        assert_eq!(by_address, Origin::Internet);
        // Only told, not trusted.
        assert!(told("client_ca = \"ca.pem\"").is_ok());
    }

    #[test]
    fn nobody_lets_the_customers_of_a_platform_relay_unawares() {
        let relay = |keys: &str| format!("role = \"relay\"\nclient_ca = \"ca.pem\"\n{keys}");
        for (keys, what) in [
            (
                relay("allow_names = [\"mail.protection.outlook.com\"]"),
                "is shown for all tenants of the platform",
            ),
            (
                relay("allow_names = [\"*.mail.protection.outlook.com\"]\ntenants = []"),
                "is shown for all tenants of the platform",
            ),
            (
                relay("allow_names = [\"smtp.gmail.com\"]\ntenants = [\"example.org\"]"),
                "is shown for everybody who has a mailbox there",
            ),
            (
                relay("allow_names = [\"gw.partner.example\"]\ntenants = [\"example.org\"]"),
                "no name of allow_names is one of many tenants",
            ),
            (
                relay("tenants = [\"example.org\"]"),
                "does nothing without allow_names",
            ),
            (relay("allow_names = [\"gateway\"]"), "is no host"),
            (relay("allow_names = []"), "names nobody"),
            (
                "client_ca = \"ca.pem\"\nallow_names = [\"gw.partner.example\"]".to_owned(),
                "with role = \"relay\" only",
            ),
            (
                "role = \"relay\"\nallow_names = [\"gw.partner.example\"]".to_owned(),
                "listener.client_ca: is missing",
            ),
            (
                "tls = \"none\"\nclient_ca = \"ca.pem\"".to_owned(),
                "needs TLS",
            ),
            (
                "role = \"submission\"\nclient_ca = \"ca.pem\"".to_owned(),
                "people log in",
            ),
            ("client_ca = \"gone.pem\"".to_owned(), "cannot be read"),
            (
                "client_ca = \"junk.pem\"".to_owned(),
                "holds no certificate",
            ),
            (
                "client_crl = [\"junk.pem\"]".to_owned(),
                "listener.client_crl: does nothing without client_ca",
            ),
            (
                "client_ca = \"ca.pem\"\nclient_crl = [\"junk.pem\"]".to_owned(),
                "junk.pem cannot be used",
            ),
            (
                "client_ca = \"ca.pem\"\nclient_crl = [\"gone.crl\"]".to_owned(),
                "gone.crl",
            ),
        ] {
            let told = told(&keys).unwrap_err();
            assert!(told.contains(what), "{keys}: {told}");
        }
    }
}
