//! The page that says which sections need a restart says what a reload does.

use std::collections::BTreeSet;
use std::path::Path;

use super::reload::changed_for_good;
use crate::config::{self, Config};
use crate::net::self_signed_pem;

const PAGE: &str = include_str!("../../docs/config.md");

const BASE: &str = "[server]\nhostname = \"mx.example.org\"\n\
                    [[listener]]\nbind = \"127.0.0.1:2525\"\n\
                    [tls]\ncertificate = \"one.pem\"\nkey = \"one.pem\"\n\
                    [mta_sts]\nbind = \"127.0.0.1:2526\"\n\
                    [backend.a]\nhosts = [\"127.0.0.1:2601\"]\n\
                    [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n\
                    mta_sts = \"testing\"\n";

/// A change of each section of the page: what is in its place, or what is added.
const CHANGES: &[(&str, &str, &str)] = &[
    ("server", "mx.example.org", "mx2.example.org"),
    ("spool", "", "[spool]\nretain = \"31d\"\n"),
    ("listener", "127.0.0.1:2525", "127.0.0.1:2527"),
    (
        "tls",
        "certificate = \"one.pem\"\nkey = \"one.pem\"",
        "certificate = \"two.pem\"\nkey = \"two.pem\"",
    ),
    (
        "acme",
        "[tls]\ncertificate = \"one.pem\"\nkey = \"one.pem\"\n",
        "[acme]\nbind = \"127.0.0.1:2528\"\nagree_to_terms = true\n",
    ),
    ("mta_sts", "127.0.0.1:2526", "127.0.0.1:2529"),
    ("backend", "[domain", "max_connections = 3\n[domain"),
    ("domain", "testing", "enforce"),
    ("directory", "", "[directory]\nfile = \"people.csv\"\n"),
    ("outbound", "", "[outbound]\nrelay = [\"backend:a\"]\n"),
    (
        "tls_policy",
        "",
        "[tls_policy.\"x.example\"]\nsend = \"encrypted\"\n",
    ),
    ("tlsrpt", "", "[tlsrpt]\nfrom = \"tls@example.org\"\n"),
    ("queue", "", "[queue]\nattention_after = \"8d\"\n"),
    (
        "replay",
        "",
        "[replay]\nsuppress_automatic_answers = false\n",
    ),
    ("landing", "", "[landing]\nwithin = \"11m\"\n"),
    ("writeback", "", "[writeback]\nsubject_mark = \"[Sent]\"\n"),
    ("web", "", "[web]\nbind = \"127.0.0.1:2530\"\n"),
    ("admin", "", "[admin]\nbind = \"127.0.0.1:2531\"\n"),
    ("log", "", "[log]\nlevel = \"warn\"\n"),
    (
        "drill",
        "",
        "[drill]\naddress = \"drill@example.org\"\n[[drill.leg]]\nto = \"a\"\n\
         mailbox = \"ann@example.org\"\n",
    ),
    (
        "notices",
        "",
        "[notices]\naddresses = [\"ops@example.net\"]\n",
    ),
    ("check", "", "[check]\nresolvers = [\"system\"]\n"),
    ("dns", "", "[dns]\nservers = [\"127.0.0.1:2532\"]\n"),
    ("auth", "", "[auth]\npatience = \"5s\"\n"),
    (
        "filter",
        "",
        "[filter.c]\nkind = \"clamd\"\naddress = \"127.0.0.1:2533\"\n",
    ),
    (
        "automatic",
        "",
        "[automatic.out_of_office]\nto_internet = \"drop\"\n",
    ),
    (
        "partners",
        "",
        "[partners]\ndomains = [\"partner.example\"]\n",
    ),
    ("limits", "", "[limits]\nconnections = 900\n"),
];

/// The part of the page below a heading.
fn part(heading: &str) -> &'static str {
    let parts = PAGE.split("\n## ");
    let mut found = parts.filter(|part| part.starts_with(heading));
    found.next().unwrap()
}

/// The first cells of the rows of a table, without what surrounds their names.
fn named(heading: &str) -> impl Iterator<Item = &'static str> {
    let rows = part(heading).lines();
    let cells = rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(|cell| cell.trim_matches(['[', ']']))
}

fn section(key: &str) -> &str {
    key.split('.').next().unwrap()
}

fn load(folder: &Path, text: &str) -> Config {
    let file = folder.join("tideover.toml");
    std::fs::write(&file, text).unwrap();
    config::load(&file).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

#[test]
fn the_page_names_what_a_reload_does_not_take_over() {
    let folder = tempfile::tempdir().unwrap();
    for pair in ["one.pem", "two.pem"] {
        let pem = self_signed_pem("mx.example.org").unwrap();
        std::fs::write(folder.path().join(pair), pem).unwrap();
    }
    std::fs::write(
        folder.path().join("people.csv"),
        "address\nann@example.org\n",
    )
    .unwrap();
    let runs = load(folder.path(), BASE);
    assert!(changed_for_good(&runs, &load(folder.path(), BASE)).is_empty());
    let mut refused = BTreeSet::new();
    let mut tried = BTreeSet::new();
    for (section, before, after) in CHANGES {
        let text = match *before {
            "" => format!("{BASE}{after}"),
            before => BASE.replace(before, after),
        };
        let new = load(folder.path(), &text);
        assert_ne!(runs.listing.sections, new.listing.sections, "{section}");
        tried.insert(*section);
        for told in changed_for_good(&runs, &new) {
            let told = told.trim_matches(['[', ']']);
            assert_eq!(told, *section, "only what was changed is refused");
            refused.insert(told);
        }
    }
    let all: BTreeSet<&str> = named("Keys").map(section).collect();
    assert_eq!(tried, all, "each section of the page is tried");
    let told: BTreeSet<&str> = named("What needs a restart").map(section).collect();
    assert_eq!(told, refused, "docs/config.md, What needs a restart");
}
