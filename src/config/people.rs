//! What the directory and the config together would lose or misroute.

use std::collections::HashSet;

use super::{BackendConfig, Config, Problem};
use crate::backend::{BackendHealth, Health};
use crate::base::Timestamp;
use crate::directory::{Directory, DomainKind, DomainRule, Unknown};
use crate::limits;
use crate::route::{Decision, HoldBook, Origin, Telling, View, decide};
use crate::smtp::Mailbox;

/// Domains of which every recipient would be refused: nobody of them is in the directory, and
/// whoever is not in it is rejected. An export that went wrong looks like this.
/// A config without a file gets its people by `directory import`, for which it has to run.
pub(super) fn deserted(config: &Config, directory: &Directory) -> Vec<Problem> {
    let Some(file) = &config.directory.file else {
        return Vec::new();
    };
    // People whom the file does not name may come from elsewhere; until they do nobody of their
    // domain is refused.
    if !config.directory.ldap.is_empty() {
        return Vec::new();
    }
    let mut inhabited = HashSet::new();
    for entry in directory.entries() {
        let addresses = entry.aliases.iter().chain([&entry.address]);
        for domain in addresses.filter_map(|address| directory.domain(address.domain())) {
            inhabited.insert(domain.name.clone());
        }
        if inhabited.len() == config.domains.len() {
            return Vec::new();
        }
    }
    let deserted = config
        .domains
        .iter()
        .filter(|rule| rejects_unknown(rule) && !inhabited.contains(&rule.name));
    let problem = |rule: &DomainRule| Problem {
        file: file.clone(),
        line: 0,
        key: format!("domain.\"{}\"", rule.name),
        what: "no address of it is in this file and unknown recipients are rejected: all its mail \
               would be refused, expected its addresses in the file, or unknown = \"relay\""
            .to_owned(),
    };
    deserted.map(problem).collect()
}

const fn rejects_unknown(rule: &DomainRule) -> bool {
    match (rule.kind, rule.unknown) {
        (DomainKind::Authoritative, _) | (DomainKind::InternalRelay, Unknown::Reject) => true,
        (DomainKind::ExternalRelay, _)
        | (DomainKind::InternalRelay, Unknown::Relay | Unknown::Verify) => false,
    }
}

/// Whose mail could go nowhere even if every backend were up: people with delivery addresses
/// that go in a circle, and a postmaster whom nobody knows.
pub(super) fn homeless(config: &Config, directory: &Directory) -> Vec<Problem> {
    let up = |backend: &BackendConfig| BackendHealth {
        id: backend.id().clone(),
        health: Health::Up,
        reason: String::new(),
        since: Timestamp::EPOCH,
        operator: None,
        remembered: false,
        failing: false,
    };
    let healths = config.backends.iter().map(up);
    let view = View {
        holds: &HoldBook::default(),
        mail: None,
        directory,
        healths: &healths.map(|health| (health.id.clone(), health)).collect(),
        options: &config.route_options(),
        origin: Origin::Trusted,
        telling: Telling::Decision,
        accepted: None,
        groups: None,
        words: None,
    };
    let nowhere = |address: &Mailbox| match decide(address, &view).decision {
        Decision::Hold { reason, .. } => Some(reason),
        // Others may know: those who are imported, or found by LDAP.
        Decision::Reject(reply) if reply.code < 500 || !config.directory.ldap.is_empty() => None,
        Decision::Reject(reply) => Some(reply.to_string()),
        Decision::Relay { .. } | Decision::Expand { .. } => None,
    };
    let postmaster = config.server.postmaster.iter().filter_map(|address| {
        let reason = nowhere(address)?;
        Some(Problem {
            file: config.file.clone(),
            line: 0,
            key: "server.postmaster".to_owned(),
            what: format!(
                "the mail for {address} would go nowhere ({reason}), expected an address of the \
                 directory"
            ),
        })
    });
    let forwarded = directory
        .entries()
        .filter(|entry| entry.home.is_none() && entry.delivery_address.is_some());
    let circles = forwarded.filter_map(|entry| {
        Some(Problem {
            file: config.directory.file.clone().unwrap_or_default(),
            line: 0,
            key: entry.address.to_string(),
            what: nowhere(&entry.address)?,
        })
    });
    postmaster
        .chain(circles)
        .take(limits::IMPORT_ERRORS)
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::config::check;

    const CONFIG: &str = r#"
[server]
hostname = "mx.example.org"
POSTMASTER
[[listener]]
bind = "127.0.0.1:2525"
[backend.onprem]
hosts = ["127.0.0.1:2601"]
[domain."example.org"]
home = "onprem"
[domain."relayed.example"]
home = "onprem"
unknown = "relay"
[directory]
file = "people.csv"
"#;

    #[test]
    fn a_postmaster_may_come_with_the_first_import_or_by_ldap() {
        let postmaster = "postmaster = \"ann@example.org\"";
        let without = CONFIG.replace("file = \"people.csv\"", "");
        let people = "address\nbob@example.org\n";
        assert!(told_of(&without, people, postmaster).is_empty());
        assert_eq!(told(people, postmaster).len(), 1);
        let ldap = "[directory.ldap.ad]\nservers = [\"ldaps://dc1.example.org\"]\n\
                    [[directory.ldap.ad.search]]\nbase = \"DC=x\"\n";
        let told = told_of(&format!("{CONFIG}{ldap}"), people, postmaster);
        assert!(told.is_empty(), "{told:?}");
    }

    /// What `check` says of these people.
    fn told(people: &str, postmaster: &str) -> Vec<String> {
        told_of(CONFIG, people, postmaster)
    }

    fn told_of(config: &str, people: &str, postmaster: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, config.replace("POSTMASTER", postmaster)).unwrap();
        std::fs::write(folder.path().join("people.csv"), people).unwrap();
        match check(&file) {
            Ok(_) => Vec::new(),
            Err(problems) => problems
                .0
                .into_iter()
                .map(|problem| format!("{}: {}", problem.key, problem.what))
                .collect(),
        }
    }

    #[test]
    fn a_directory_that_would_refuse_everybody_is_refused() {
        for people in ["address\n", "address\nann@elsewhere.example\n"] {
            let told = told(people, "");
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with("domain.\"example.org\": no address"));
        }
        assert!(told("address\nann@example.org\n", "").is_empty());
        let alias = "address,aliases\nann@elsewhere.example,ann@example.org\n";
        assert!(told(alias, "").is_empty());
    }

    #[test]
    fn a_postmaster_whom_nobody_knows_is_refused() {
        let people = "address\nann@example.org\n";
        for (postmaster, known) in [
            ("ann@example.org", true),
            ("anyone@relayed.example", true),
            ("admin@elsewhere.example", true),
            ("nobody@example.org", false),
        ] {
            let told = told(people, &format!("postmaster = \"{postmaster}\""));
            assert_eq!(told.is_empty(), known, "{told:?}");
        }
    }
}
