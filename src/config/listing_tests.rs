use std::path::Path;

use super::*;
use crate::config::Config;
use crate::config::load::{self, of_text};

/// Every section, with no key in it but those that are needed.
const LEAST: &str = r#"
[server]
hostname = "mx.example.org"
[[listener]]
bind = "127.0.0.1:2525"
[backend.onprem]
hosts = ["127.0.0.1:2601"]
[backend.onprem.imap]
url = "imap://127.0.0.1"
password_file = "imap.password"
[domain."example.org"]
home = "onprem"
[directory.ldap.ad]
servers = ["ldap://dc1.example.org"]
[[directory.ldap.ad.search]]
base = "DC=example,DC=org"
[web]
bind = "127.0.0.1:8080"
base_url = "https://mail.example.org"
[web.oidc]
issuer = "https://login.example.org"
client_id = "tideover"
[admin]
bind = "127.0.0.1:8081"
[drill]
address = "drill@example.org"
[[drill.leg]]
to = "onprem"
mailbox = "probe@example.org"
[filter.virus]
kind = "clamd"
address = "/run/clamav/clamd.ctl"
[automatic.ndr]
[partners]
[acme]
bind = "127.0.0.1:8082"
agree_to_terms = true
[tlsrpt]
from = "tls-reports@example.org"
[notices]
"#;

fn read_text(text: &str) -> Config {
    of_text(Path::new("tideover.toml"), text).unwrap()
}

fn key<'l>(listing: &'l Listing, title: &str, name: &str) -> &'l ConfigKey {
    let section = listing.section(title);
    let section = section.unwrap_or_else(|| panic!("no {title} in {:#?}", listing.sections));
    let key = section.keys.iter().find(|key| key.name == name);
    key.unwrap_or_else(|| panic!("no {name} in {section:#?}"))
}

/// The table of a generic path: names are those of `LEAST`, of a list it is the first.
fn table<'t>(root: &'t mut toml::Table, generic: &str) -> &'t mut toml::Table {
    let mut table = root;
    let mut parent = "";
    for part in generic.split('.') {
        let part = match (parent, part) {
            ("backend", "NAME") => "onprem",
            ("domain", "NAME") => "example.org",
            ("ldap", "NAME") => "ad",
            ("filter", "NAME") => "virus",
            ("automatic", "NAME") => "ndr",
            (_, part) => part,
        };
        let empty = || toml::Value::Table(toml::Table::new());
        let inner = table.entry(part.to_owned()).or_insert_with(empty);
        let inner = if inner.is_array() {
            &mut inner[0]
        } else {
            inner
        };
        table = inner.as_table_mut().unwrap();
        parent = part;
    }
    table
}

/// What is shown as default is what the code does: who writes it into the file changes nothing.
#[test]
fn each_default_is_the_one_of_the_code() {
    let comparable = |table: &toml::Table| {
        let mut config = read_text(&toml::to_string(table).unwrap());
        config.listing = Listing::default();
        config.notices.line = 0;
        for filter in &mut config.filters {
            filter.line = 0;
        }
        // Its default is given where it is used.
        let title = config.webmail_options().map(|(_, options)| options.title);
        if let Some(web) = &mut config.web {
            web.title = title;
        }
        format!("{config:#?}")
    };
    let least: toml::Table = toml::from_str(LEAST).unwrap();
    let (mut tried, mut wrong) = (0, Vec::new());
    for row in rows() {
        let Usual::Value(value) = &row.usual else {
            continue;
        };
        let (section, name) = row.key.rsplit_once('.').unwrap();
        let value: toml::Table = toml::from_str(&format!("{name} = {value}")).unwrap();
        let (mut without, mut with) = (least.clone(), least.clone());
        table(&mut without, section);
        let before = table(&mut with, section).insert(name.to_owned(), value[name].clone());
        assert_eq!(before, None, "{}", row.key);
        if comparable(&without) != comparable(&with) {
            wrong.push(row.key);
        }
        tried += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(tried > 90, "{tried}");
}

#[test]
fn each_value_comes_with_its_line_and_each_default_without() {
    let config = read_text(LEAST);
    let listing = &config.listing;
    let of = |title, name| {
        let key = key(listing, title, name);
        (key.value.as_str(), key.from, key.line)
    };
    let file = |value, line| (value, ConfigOrigin::File, Some(line));
    assert_eq!(of("[server]", "hostname"), file("\"mx.example.org\"", 3));
    assert_eq!(
        of("[server]", "data_dir"),
        ("\"data\"", ConfigOrigin::Default, None)
    );
    assert_eq!(
        of("[server]", "postmaster"),
        ("", ConfigOrigin::Unset, None)
    );
    let words = ("the best offered", ConfigOrigin::Words, None);
    assert_eq!(of("[backend.onprem]", "auth"), words);
    let hosts = of("[backend.onprem]", "hosts");
    assert_eq!(hosts, file("[\"127.0.0.1:2601\"]", 7));
    assert_eq!(of("[domain.\"example.org\"]", "home").2, Some(12));
    let base = of("[[directory.ldap.ad.search]] 1", "base");
    assert_eq!(base, file("\"DC=example,DC=org\"", 16));
    // A section that is not in the file holds all the same.
    let spool = listing.section("[spool]").unwrap();
    assert_eq!(spool.line, None);
    assert_eq!(
        of("[backend.onprem.probe]", "interval"),
        ("\"10s\"", ConfigOrigin::Default, None)
    );
    // One that has to be wanted does not.
    let little = LEAST.split_once("[drill]").unwrap().0;
    let little = read_text(little).listing;
    for title in ["[drill]", "[notices]", "[[drill.leg]] 1"] {
        assert!(little.section(title).is_none(), "{title}");
    }
    let order: Vec<&str> = listing
        .sections
        .iter()
        .map(|it| it.title.as_str())
        .collect();
    assert_eq!(
        order[..6],
        [
            "[server]",
            "[spool]",
            "[[listener]] 1",
            "[tls]",
            "[acme]",
            "[backend.onprem]"
        ]
    );
    assert!(order.contains(&"[limits]"), "{order:?}");
    let every = listing.sections.iter().flat_map(|section| &section.keys);
    assert!(every.clone().count() > 150);
    assert!(every.clone().all(|key| !key.meaning.is_empty()));
}

#[test]
fn defaults_that_follow_others_are_those_in_force() {
    let text = LEAST.replace(
        "home = \"onprem\"",
        "home = \"onprem\"\ntype = \"external-relay\"",
    );
    let text = text + "[limits]\nconnections_per_address = 400\n";
    let listing = read_text(&text).listing;
    let unknown = key(&listing, "[domain.\"example.org\"]", "unknown");
    assert_eq!(unknown.value, "\"relay\"");
    assert_eq!(
        key(&listing, "[limits]", "connections_per_network").value,
        "400"
    );
    assert_eq!(key(&listing, "[limits]", "recipients").value, "1000");
}

/// A word that must not come out.
const CANARY: &str = "c4nary";

#[test]
fn no_secret_of_the_file_is_shown_or_kept() {
    let with = |canary: &str| {
        let text = LEAST
            .replace("https://mail.", &format!("https://ann:{canary}@mail."))
            .replace(
                "[notices]",
                "[notices]\nwebhook = \"https://hooks.example/T/CANARY?k=CANARY\"",
            )
            .replace("CANARY", canary);
        let command =
            format!("command = [\"/usr/bin/curl\", \"-H\", \"Authorization: {canary}\"]\n");
        read_text(&(text + &command)).listing
    };
    let listing = with(CANARY);
    let told = serde_json::to_string(&listing.sections).unwrap() + &format!("{listing:?}");
    assert!(!told.contains(CANARY), "{told}");
    assert_eq!(key(&listing, "[notices]", "webhook").value, "\"…\"");
    let command = &key(&listing, "[notices]", "command").value;
    assert_eq!(command, "[\"/usr/bin/curl\", \"…\", \"…\"]");
    let url = &key(&listing, "[web]", "base_url").value;
    assert_eq!(url, "\"https://…@mail.example.org\"");
    // That it changed is seen without it.
    let changes = listing.changes(&with("another"));
    let told = format!("{changes:?}");
    assert!(
        !told.contains(CANARY) && !told.contains("another"),
        "{told}"
    );
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["base_url", "webhook", "command"]);
    assert_eq!(listing.changes(&with(CANARY)), []);
}

/// A new key that may hold a secret is read as one, or is the path of a file.
#[test]
fn what_is_called_like_a_secret_is_none() {
    let paths = [
        "tls.key",
        "tls.more.key",
        "admin.key",
        "backend.NAME.client_key",
    ];
    // Digests of public keys, and a switch.
    let public = ["backend.NAME.tls_keys", "acme.keep_key"];
    let read = ["notices.webhook", "notices.command"];
    let words = "password secret token key hook webhook command credential credentials pin";
    let words: Vec<&str> = words.split(' ').collect();
    let known = [&paths[..], &public, &read].concat();
    for row in rows() {
        let name = row.key.rsplit('.').next().unwrap();
        let mut parts = name.split('_');
        let is_odd = parts.any(|part| words.contains(&part.trim_end_matches('s')));
        let is_file = name.ends_with("_file") || name.ends_with("_authorities");
        let is_known = is_file || known.contains(&row.key.as_str());
        // Numbers of SMTP commands.
        let is_count = row.key == "limits.bad_commands";
        assert!(
            !is_odd || is_known || is_count,
            "{}: is it a `secret`?",
            row.key
        );
    }
}

#[test]
fn changes_name_what_runs_and_what_the_file_says() {
    let listing = read_text(LEAST).listing;
    let new = LEAST
        .replace(
            "hosts = [\"127.0.0.1:2601\"]",
            "# moved\nhosts = [\"127.0.0.1:2602\"]",
        )
        .replace(
            "[notices]\n",
            "[spool]\nretain = \"60d\"\n[backend.cloud]\nmx = \"c.example\"\n",
        );
    let changes = listing.changes(&read_text(&new).listing);
    let change =
        |section: &str, key: &str, runs: Option<&str>, says: Option<&str>, line| ConfigChange {
            section: section.to_owned(),
            key: key.to_owned(),
            runs: runs.map(str::to_owned),
            says: says.map(str::to_owned),
            line,
        };
    let one = ["[\"127.0.0.1:2601\"]", "[\"127.0.0.1:2602\"]"];
    assert_eq!(
        changes,
        [
            change(
                "[spool]",
                "retain",
                Some("\"30d\""),
                Some("\"60d\""),
                Some(42)
            ),
            change(
                "[backend.onprem]",
                "hosts",
                Some(one[0]),
                Some(one[1]),
                Some(8)
            ),
            change(
                "[backend.cloud]",
                "mx",
                None,
                Some("\"c.example\""),
                Some(44)
            ),
        ]
    );
    // Comments and lines that move are no change.
    let moved = format!("# a comment\n\n{LEAST}");
    assert_eq!(listing.changes(&read_text(&moved).listing), []);
    assert!(listing.is_of(LEAST) && !listing.is_of(&moved));
}

/// Why a file with this text is refused.
fn refused(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tideover.toml");
    std::fs::write(&file, text).unwrap();
    load::read(&file).unwrap_err().to_string()
}

/// What a refused file says of itself is shown to operators, too.
#[test]
fn no_problem_repeats_a_login() {
    let wrong = [
        ("imap://127.0.0.1", "imaps://ann:c4nary@not a host"),
        ("ldap://dc1.example.org", "ldaps://ann:c4nary@dc1"),
        (
            "https://login.example.org",
            "https://id:c4nary@login.example.org",
        ),
        (
            "https://mail.example.org",
            "https://ann:c4nary@mail.example.org/?x",
        ),
    ];
    for (right, wrong) in wrong {
        let text = LEAST.replace(right, wrong);
        assert_ne!(text, LEAST);
        let told = refused(&text);
        assert!(!told.contains(CANARY), "{told}");
    }
    for line in [
        "command = [\"TOKEN=c4nary\", \"/usr/bin/page\"]",
        "webhook_file = \"https://hooks.example/c4nary\"",
    ] {
        let told = refused(&format!("{LEAST}{line}\n"));
        assert!(!told.contains(CANARY), "{told}");
    }
    let whole = "command = [\"/usr/bin/curl -H c4nary\"]\n";
    let listing = read_text(&format!("{LEAST}{whole}")).listing;
    assert_eq!(key(&listing, "[notices]", "command").value, "[\"…\"]");
}
