use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::directory::Lookup;
use crate::inbound::{Role, TlsMode};

const GOOD: &str = r#"
[server]
hostname = "mx.example.org"
[[listener]]
bind = "127.0.0.1:2525"
[backend.onprem]
hosts = ["127.0.0.1:2601"]
[backend.cloud]
mx = "cloud.example"
[domain."Example.ORG"]
home = "onprem"
failover = ["cloud"]
unknown = "relay"
"#;

/// Writes `text` as a config file into a folder of its own.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tideover.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

/// What is wrong, without the folder.
fn told(text: &str) -> Vec<String> {
    let (folder, file) = file(text);
    let problems = load(&file).expect_err("the config was taken");
    let folder = format!("{}/", folder.path().display());
    let problems = problems.0.iter();
    problems
        .map(|problem| problem.to_string().replace(&folder, ""))
        .collect()
}

/// `GOOD` with one line replaced, and what is said about it.
fn told_about(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    let told = told(&GOOD.replacen(old, new, 1));
    assert_eq!(told.len(), 1, "{told:#?}");
    told[0].clone()
}

#[test]
fn the_spool_can_be_named() {
    let named = |uuid: &str| format!("{GOOD}\n[spool]\nuuid = \"{uuid}\"\n");
    let text = named("7A6C0E2F-0000-4000-8000-000000000000");
    let (_folder, good) = file(&text);
    let uuid = read(&good).unwrap().spool.uuid.unwrap();
    assert_eq!(uuid, "7a6c0e2f-0000-4000-8000-000000000000");
    let missing = told(&text);
    assert!(missing[0].contains("holds no spool"), "{missing:?}");
    let told = told(&named("7a6c0e2f"));
    assert!(told[0].contains("is no UUID"), "{told:?}");
}

#[test]
fn little_is_enough() {
    let (folder, file) = file(GOOD);
    let (config, directory) = check(&file).unwrap();
    assert_eq!(config.server.data_dir, folder.path().join("data"));
    assert_eq!(config.spool.retain, Duration::from_secs(30 * 86_400));
    assert_eq!(
        config.spool.ledger_retain,
        Duration::from_secs(400 * 86_400)
    );
    assert_eq!(config.listeners[0].role, Role::Mx);
    assert_eq!(config.listeners[0].tls, TlsMode::StartTls);
    assert_eq!(config.domains[0].name, "example.org");
    assert_eq!(config.domains[0].failover, [BackendId::new("cloud")]);
    assert_eq!(config.relay, [OutboundRelay::Mx]);
    assert_eq!(config.backend_options().len(), 2);
    // What platforms suspend a mailbox for is not reached by those who configure nothing.
    let limits = config.queue_options().backends[&BackendId::new("cloud")];
    assert_eq!((limits.max_connections, limits.slow_open), (8, true));
    let rates = limits.mailbox;
    assert_eq!((rates.per_minute, rates.per_hour), (30, 1_000));
    assert!(config.web.is_none() && config.admin.is_none() && config.tls.is_none());
    assert!(directory.is_empty());
    assert!(directory.domain(&"example.org".parse().unwrap()).is_some());
}

#[test]
fn every_error_is_told_at_once_with_its_line() {
    let told = told(
        r#"[server]
hostnam = "mx.example.org"
postmaster = "nobody"
[spool]
retain = "30 moons"
min_free = 5
[[listener]]
role = "mx"
allow = ["192.0.2.0/33"]
[[listener]]
bind = "127.0.0.1:2525"
[backend.onprem]
hosts = ["127.0.0.1:2525", "nonsense"]
tls = "maybe"
max_connections = 0
[domain."example.org"]
home = "onprm"
[directory]
file = "absent.csv"
[outbound]
relay = ["backend:moon", "127.0.0.1:2525", "fax"]
[wbe]
bind = "127.0.0.1:2525"
"#,
    );
    let expected = [
        "tideover.toml:1: server.hostname: is missing, expected the name of this server, for \
         example \"mx.example.org\"",
        "tideover.toml:2: server.hostnam: unknown key, did you mean hostname?",
        "tideover.toml:3: server.postmaster: \"nobody\": the address has no domain, expected \
         name@example.org",
        "tideover.toml:5: spool.retain: \"30 moons\" is no duration, expected for example \"10s\", \
         \"15m\", \"4h\" or \"30d\"",
        "tideover.toml:6: spool.min_free: is of type integer, expected a string in quotes",
        "tideover.toml:7: listener.bind: is missing, expected an address and port, for example \
         \"127.0.0.1:2525\"",
        "tideover.toml:9: listener.allow: \"192.0.2.0/33\": not a network, expected for \
         example 192.0.2.0/24 or 2001:db8::/32",
        "tideover.toml:9: listener.allow: does nothing here, expected it with role = \"relay\" \
         or \"lmtp\" only",
        "tideover.toml:13: backend.onprem.hosts: \"127.0.0.1:2525\" is a listener of this server \
         itself: mail would go in a circle, expected the address of another server",
        "tideover.toml:13: backend.onprem.hosts: \"nonsense\" is no host and port, expected for \
         example \"mail.example.org:25\"",
        "tideover.toml:14: backend.onprem.tls: \"maybe\" is not possible, expected one of never, \
         opportunistic, required, verified",
        "tideover.toml:15: backend.onprem.max_connections: 0 is out of range, expected 1 to 1000",
        "tideover.toml:17: domain.\"example.org\".home: \"onprm\" is no backend, did you mean \
         onprem?",
        "tideover.toml:19: directory.file: absent.csv cannot be read: No such file or directory \
         (os error 2)",
        "tideover.toml:21: outbound.relay: \"127.0.0.1:2525\" is a listener of this server itself: \
         mail would go in a circle, expected the address of another server",
        "tideover.toml:21: outbound.relay: \"fax\" is no relay, expected \"mx\", \"backend:NAME\" \
         or \"host:port\"",
        "tideover.toml:21: outbound.relay: \"moon\" is no backend, expected one of onprem",
        "tideover.toml:22: wbe: unknown key, did you mean web?",
    ];
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}

/// A line of `GOOD`, what stands there instead, and a part of what is said.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "unknown = \"relay\"",
        "unknown = \"relay\"\n[queue]\nfinal = [\"5.1.1\", \"450 4.1.1\"]",
        "\"450 4.1.1\" is no permanent reply",
    ),
    (
        "unknown = \"relay\"",
        "unknown = \"relay\"\n[backend.onprem.rejecting]\nrecipients = 0",
        "0 is out of range, expected 1 to 1000",
    ),
    (
        "unknown = \"relay\"",
        "unknown = \"relay\"\n[backend.onprem.rejecting]\nfailover = \"yes\"",
        "expected true or false",
    ),
    ("home = \"onprem\"", "", "its mail would go nowhere"),
    (
        "failover = [\"cloud\"]",
        "failover = [\"onprem\"]",
        "is the home itself",
    ),
    (
        "failover = [\"cloud\"]",
        "failover = [\"cloud\", \"cloud\"]",
        "there twice",
    ),
    (
        "unknown = \"relay\"",
        "type = \"authoritative\"\nunknown = \"verify\"",
        "contradicts",
    ),
    (
        "unknown = \"relay\"",
        "type = \"authoritative\"\nunknown = \"relay\"",
        "contradicts",
    ),
    (
        "failover = [\"cloud\"]",
        "[domain.\"example.org\"]\nhome = \"cloud\"",
        "same domain",
    ),
    (
        "127.0.0.1:2601",
        "localhost:2525",
        "listener of this server itself",
    ),
    ("hosts = [\"127.0.0.1:2601\"]", "", "is missing"),
    (
        "hosts = [\"127.0.0.1:2601\"]",
        "hosts = []",
        "names no host",
    ),
    (
        "mx = \"cloud.example\"",
        "mx = \"c.example\"\nhosts = [\"c.example:25\"]",
        "stands beside hosts",
    ),
    (
        "mx = \"cloud.example\"",
        "mx = \"c.example\"\nprotocol = \"lmtp\"",
        "SMTP only",
    ),
    (
        "mx = \"cloud.example\"",
        "mx = \"c.example\"\nusername = \"u\"",
        "stands alone",
    ),
    (
        "mx = \"cloud.example\"",
        "mx = \"c.example\"\nusername = \"u\"\npassword_file = \"tideover.toml\"",
        "plain text",
    ),
    (
        "mx = \"cloud.example\"",
        "mx = \"c.example\"\nslow_open = \"yes\"",
        "expected true or false",
    ),
    (
        "bind = \"127.0.0.1:2525\"",
        "bind = \"127.0.0.1:2525\"\nrole = \"submissions\"",
        "expected one of mx, submission, relay",
    ),
    (
        "bind = \"127.0.0.1:2525\"",
        "bind = \"127.0.0.1:2525\"\nrole = \"relay\"",
        "is missing",
    ),
    (
        "[[listener]]",
        "[admin]\nbind = \"0.0.0.0:2525\"\n[[listener]]",
        "is taken by",
    ),
    (
        "[[listener]]",
        "[outbound]\nrelay = []\n[[listener]]",
        "would wait for ever",
    ),
    (
        "[[listener]]",
        "[tls]\ncertificate = \"tideover.toml\"\n[[listener]]",
        "stands alone",
    ),
    (
        "[[listener]]",
        "[web]\nbind = \"127.0.0.1:8080\"\nbase_url = \"mail\"\n[[listener]]",
        "is no address",
    ),
    (
        "[[listener]]",
        "[directory]\nsync = 15\n[[listener]]",
        "expected a string",
    ),
    (
        "[server]",
        "[server]\ndata_dir = \"tideover.toml/x\"",
        "is no folder",
    ),
];

#[test]
fn what_would_lose_or_misroute_mail_is_refused() {
    for (old, new, expected) in REFUSED {
        let told = told_about(old, new);
        assert!(told.contains(expected), "{new}: {told}");
    }
}

#[test]
fn a_broken_file_is_told_by_line() {
    let told = told("[server]\nhostname = mx.example.org\n[spool\nretain = \"30d\"\n");
    assert!(
        told.iter().any(|told| told.starts_with("tideover.toml:2:")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|told| told.starts_with("tideover.toml:3:")),
        "{told:?}"
    );
    assert!(
        read(Path::new("/absent.toml"))
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
}

#[test]
fn nothing_at_all_is_told_what_it_needs() {
    let told = told("");
    for section in ["server", "listener", "backend", "domain"] {
        let missing = format!("tideover.toml: {section}: is missing");
        assert!(
            told.iter().any(|told| told.starts_with(&missing)),
            "{section}: {told:?}"
        );
    }
}

#[test]
fn errors_of_the_directory_name_its_file() {
    let (folder, file) = file(&format!("{GOOD}[directory]\nfile = \"people.csv\"\n"));
    let people = folder.path().join("people.csv");
    std::fs::write(&people, "address,home\nann@example.org,moon\n").unwrap();
    let problems = check(&file).unwrap_err().to_string();
    assert_eq!(
        problems,
        format!(
            "{}:2: home: \"moon\" is no backend, expected one of onprem, cloud",
            people.display()
        )
    );
    // A command that only talks to the server needs no directory.
    std::fs::remove_file(&people).unwrap();
    assert!(load(&file).is_err());
    assert!(read(&file).is_ok());
}

#[test]
fn a_circle_of_delivery_addresses_is_refused() {
    let (folder, file) = file(&format!("{GOOD}[directory]\nfile = \"people.csv\"\n"));
    let people = folder.path().join("people.csv");
    let rows = "address,delivery_address,type\n\
                a@example.org,b@example.org,contact\n\
                b@example.org,a@example.org,user\n\
                c@example.org,c@elsewhere.example,user\n";
    std::fs::write(&people, rows).unwrap();
    let problems = check(&file).unwrap_err();
    let keys: Vec<_> = problems
        .0
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["a@example.org", "b@example.org"]);
    assert!(problems.to_string().contains("go in a circle"));
}

#[test]
fn everything_is_told_of_both_files() {
    let text = format!("{GOOD}[directory]\nfile = \"people.csv\"\n[wbe]\n");
    let (folder, file) = file(&text);
    std::fs::write(folder.path().join("people.csv"), "address\nann\n").unwrap();
    let problems = check(&file).unwrap_err();
    let keys: Vec<_> = problems
        .0
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["wbe", "address"]);
}

#[test]
fn data_dir_is_found_in_a_file_with_errors() {
    let (folder, file) = file("[server]\nhostnam = 1\ndata_dir = \"spool\"\n[wbe");
    assert_eq!(data_dir(&file).unwrap(), folder.path().join("spool"));
    for unknown in ["[server]\n[listener", "[server]\ndata_dir = 1\n"] {
        std::fs::write(&file, unknown).unwrap();
        assert!(data_dir(&file).is_err(), "{unknown}");
    }
}

#[test]
fn the_argument_beats_the_environment() {
    let places = Places {
        argument: Some("a.toml".into()),
        environment: Some("b.toml".into()),
    };
    assert_eq!(find(places.clone()).unwrap(), Path::new("a.toml"));
    let places = Places {
        argument: None,
        ..places
    };
    assert_eq!(find(places).unwrap(), Path::new("b.toml"));
}

fn example() -> (PathBuf, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/tideover.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    (file, text)
}

#[test]
fn the_example_works() {
    let (file, _) = example();
    let (config, directory) = check(&file).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.backends.len(), 2);
    assert_eq!(config.listeners.len(), 4);
    assert!(
        directory.conflicts().is_empty(),
        "{:?}",
        directory.conflicts()
    );
    let (bind, webmail) = config.webmail_options().unwrap();
    assert_eq!(webmail.base_url, format!("http://{bind}"));
    assert_eq!(webmail.platforms.len(), 2);
    assert_eq!(config.inbound_options().len(), 4);
    assert_eq!(config.outbound_options().own.len(), 4);
    assert_eq!(config.queue_options().backends.len(), 2);
    let spool = config.spool_options();
    assert_eq!(spool.dir, file.parent().unwrap().join("data"));
    assert_eq!(spool.index_pending, config.spool.index_rows);
    let ann = directory.lookup(&"archer@example.org".parse().unwrap());
    assert!(matches!(
        ann,
        Lookup::Known {
            domain: Some(_),
            ..
        }
    ));
}

/// The keys that a file in TOML shows, those in comments too, names replaced by `NAME`.
fn shown(text: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            let path = line.split('#').next().unwrap_or_default();
            let path = path.trim().trim_matches(['[', ']']).to_owned();
            let mut parts: Vec<_> = if path.contains('"') {
                vec![path.split('.').next().unwrap_or_default(), "NAME"]
            } else {
                path.split('.').collect()
            };
            if matches!(parts.first(), Some(&"backend" | &"filter" | &"automatic")) {
                parts[1] = "NAME";
            }
            if parts.get(1) == Some(&"ldap") {
                parts[2] = "NAME";
            }
            section = parts.join(".");
            keys.insert(
                section
                    .replace(".NAME", "")
                    .replace("backend.probe", "backend.NAME.probe")
                    .replace("backend.imap", "backend.NAME.imap")
                    .replace("backend.rejecting", "backend.NAME.rejecting")
                    .replace("ldap.search", "ldap.NAME.search"),
            );
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn every_key_is_in_the_example_and_in_the_reference() {
    let (file, text) = example();
    // Sections that nobody has unless he wants them: their keys are asked for when they are there.
    let wanted = "directory.ldap backend.onprem.imap web.oidc filter. automatic. notices drill \
                  [tls mta_sts tls_policy tlsrpt acme";
    let text = text.replacen("# base_url", "base_url", 1);
    let text = wanted.split(' ').fold(text, |text, start| {
        let (before, section) = text.split_once(&format!("# [{start}")).unwrap();
        let (section, after) = section.split_once("\n\n").unwrap();
        let section = section.replace("\n# ", "\n");
        format!("{before}[{start}{section}\n\n{after}")
    });
    let keys = load::keys(&file, &text);
    assert!(keys.len() > 50, "{keys:?}");
    let shown = shown(&text);
    let missing: Vec<_> = keys.symmetric_difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?}");

    let reference = file.parent().unwrap().join("../docs/config.md");
    let reference = std::fs::read_to_string(reference).unwrap();
    let section = reference.split("## Keys").nth(1).unwrap();
    let section = section.split("## ").next().unwrap();
    let told: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = keys.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let missing: Vec<_> = told.difference(&keys).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
