//! `[directory.ldap.NAME]`: directory servers that are sources of people.

use std::path::PathBuf;

use super::LdapSource;
use super::platforms::{Backend, backend_named};
use super::reader::{At, Section, Source};
use super::sections::{Web, non_empty, set};
use crate::directory::{FILE, HAND};
use crate::ldap::{LdapOptions, Login, Search, check_filter};
use crate::mail::BackendId;

/// Who has an address.
const FILTER: &str = "(|(proxyAddresses=*)(mail=*))";

/// The servers, and the files that they need.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) sources: Vec<LdapSource>,
    pub(super) files: Vec<At<PathBuf>>,
}

pub(super) fn sources(directory: &Section<'_>, backends: &[Backend]) -> Sources {
    let mut found = Sources::default();
    for (name, section) in directory.named("ldap") {
        if [FILE, HAND].contains(&name.value.as_str()) || name.value.contains('/') {
            let what = "is no name of a source, expected another one, without a slash";
            section.source.refuse(&name, what);
        }
        found.add(name.value, section, backends);
    }
    found
}

/// The server with whose passwords people log in: one of the sources, and never without TLS.
pub(super) fn of_logins(
    source: &Source<'_>,
    web: Option<&Web>,
    sources: &Sources,
) -> Option<LdapSource> {
    let name = web?.ldap.as_ref()?;
    let found = sources.sources.iter().find(|one| one.name == name.value);
    match found {
        Some(found) if found.options.has_tls() => Some(found.clone()),
        Some(_) => {
            let what = "people's passwords would go over the wire in plain text, expected ldaps:// \
                        or starttls = true in its section";
            source.refuse(name, what);
            None
        }
        None => {
            let what = "there is no such source, expected the NAME of a [directory.ldap.NAME]";
            source.refuse(name, what);
            None
        }
    }
}

impl Sources {
    fn add(&mut self, name: String, section: Section<'_>, backends: &[Backend]) {
        let source = section.source;
        let servers = section.texts("servers", server);
        if servers.is_none() && !section.has("servers") {
            section.missing("servers", "for example [\"ldaps://dc1.example.org\"]");
        }
        let servers: Vec<String> = servers
            .map(|at| at.value.into_iter().map(|at| at.value).collect())
            .unwrap_or_default();
        let mut starttls = true;
        set(&mut starttls, section.switch("starttls"));
        let file = |text: &str| non_empty(text).map(|text| source.path(text));
        let authorities = section.text("authorities", file);
        let username = section.text("username", |text| non_empty(text).map(str::to_owned));
        let password = section.text("password_file", file);
        match (&username, &password) {
            (Some(username), Some(_)) if !starttls && !servers.iter().all(|one| is_safe(one)) => {
                let what = "the password would go over the wire in plain text, expected ldaps:// \
                            or starttls = true with it";
                source.refuse(username, what);
            }
            (Some(username), None) => {
                source.refuse(username, "stands alone, expected password_file with it");
            }
            (None, Some(password)) => {
                source.refuse(password, "stands alone, expected username with it");
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        let (searches, homes) = searches(&section, backends);
        self.files.extend(authorities.clone());
        self.files.extend(password.clone());
        let login = username.zip(password).map(|(username, password)| Login {
            name: username.value,
            password_file: password.value,
        });
        self.sources.push(LdapSource {
            name,
            options: LdapOptions {
                servers,
                starttls,
                authorities: authorities.map(|at| at.value),
                login,
                searches,
            },
            homes,
        });
        section.finish();
    }
}

type Searches = (Vec<Search>, Vec<Option<BackendId>>);

fn searches(section: &Section<'_>, backends: &[Backend]) -> Searches {
    let mut searches = Vec::new();
    let mut homes = Vec::new();
    let tables = section.list("search");
    if tables.is_empty() {
        section.missing("search", "at least one [[…search]] with a base");
    }
    for table in tables {
        let base = table.text("base", |text| non_empty(text).map(str::to_owned));
        if base.is_none() && !table.has("base") {
            table.missing("base", "for example \"DC=example,DC=org\"");
        }
        let filter = table.text("filter", |text| {
            check_filter(text).map(|()| text.to_owned())
        });
        let home = table.text("home", |text| backend_named(text, backends));
        searches.extend(base.map(|base| Search {
            base: base.value,
            filter: filter.map_or_else(|| FILTER.to_owned(), |at| at.value),
        }));
        homes.push(home.map(|at| at.value));
        table.finish();
    }
    (searches, homes)
}

fn server(text: &str) -> Result<String, String> {
    let host = ["ldap://", "ldaps://"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', ' ', '@']) => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "\"{text}\" is no server, expected for example \"ldaps://dc1.example.org\""
        )),
    }
}

/// Nobody listens on the way to it.
fn is_safe(server: &str) -> bool {
    let host = server.strip_prefix("ldap://");
    host.is_none_or(|host| host == "localhost" || host.starts_with("127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use crate::config::load;

    const CONFIG: &str = r#"
[server]
hostname = "mx.example.org"
[[listener]]
bind = "127.0.0.1:2525"
[backend.onprem]
hosts = ["127.0.0.1:2601"]
[domain."example.org"]
home = "onprem"
[directory.ldap.ad]
servers = ["ldaps://dc1.example.org", "ldap://dc2.example.org:3389"]
username = "reader@example.org"
password_file = "tideover.toml"
[[directory.ldap.ad.search]]
base = "OU=People,DC=example,DC=org"
home = "onprem"
[[directory.ldap.ad.search]]
base = "DC=example,DC=org"
filter = "(objectClass=group)"
"#;

    fn told(from: &str, to: &str) -> Result<crate::config::Config, String> {
        assert!(CONFIG.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, CONFIG.replace(from, to)).unwrap();
        load(&file).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_server_is_read_from_the_config() {
        let config = told("onprem", "onprem").unwrap();
        let source = &config.directory.ldap[0];
        assert_eq!(source.name, "ad");
        assert_eq!(source.options.servers.len(), 2);
        assert!(source.options.starttls);
        assert_eq!(source.options.searches[0].filter, super::FILTER);
        assert_eq!(source.options.searches[1].filter, "(objectClass=group)");
        assert_eq!(source.homes[0].as_ref().unwrap().as_str(), "onprem");
        assert_eq!(source.homes[1], None);
    }

    #[test]
    fn people_log_in_by_a_source_that_is_there_and_has_tls() {
        let web = |more: &str| {
            let from = "[backend.onprem]";
            told(
                from,
                &format!("[web]\nbind = \"127.0.0.1:0\"\n{more}\n{from}"),
            )
        };
        let ldap = |config: crate::config::Config| config.web.unwrap().ldap;
        assert!(ldap(web("").unwrap()).is_none());
        let found = ldap(web("ldap = \"ad\"").unwrap()).unwrap();
        assert_eq!(
            (found.name.as_str(), found.options.servers.len()),
            ("ad", 2)
        );
        let problem = web("ldap = \"ldap\"").unwrap_err();
        assert!(problem.contains("there is no such source"), "{problem}");
        let plain = CONFIG.replace("username = \"reader@example.org\"", "starttls = false");
        let plain = plain.replace("password_file = \"tideover.toml\"\n", "");
        let web = "[web]\nbind = \"127.0.0.1:0\"\nldap = \"ad\"\n[backend.onprem]";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, plain.replace("[backend.onprem]", web)).unwrap();
        let problem = load(&file).unwrap_err().to_string();
        assert!(problem.contains("in plain text"), "{problem}");
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_line() {
        for (from, to, expected) in [
            ("ldap.ad", "ldap.file", "is no name of a source"),
            ("ldaps://dc1", "https://dc1", "is no server"),
            (":3389\"]", "\"]\nstarttls = false", "plain text"),
            (
                "(objectClass=group)",
                "(objectClass=group",
                "is no LDAP filter",
            ),
            (
                "home = \"onprem\"\n[[",
                "home = \"cloud\"\n[[",
                "is no backend",
            ),
            ("username = \"reader@example.org\"\n", "", "stands alone"),
            ("password_file = \"tideover.toml\"\n", "", "stands alone"),
            ("\"tideover.toml\"", "\"absent\"", "cannot be read"),
            ("base = \"DC=example,DC=org\"", "base = \"\"", "is empty"),
            ("servers =", "server =", "did you mean servers?"),
        ] {
            let problem = told(from, to).unwrap_err();
            assert!(problem.contains(expected), "{to}: {problem}");
            assert!(
                problem.contains("tideover.toml:1") || problem.contains(":2"),
                "{problem}"
            );
        }
    }
}
