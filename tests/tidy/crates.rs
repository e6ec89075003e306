//! A foreign crate is named in one place, so that it can be exchanged there.

use crate::code::{code_of, words};
use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

/// Crates and the folders or files that may name them.
const PLACES: [(&str, &[&str]); 26] = [
    ("sled", &["src/spool/"]),
    (
        "flate2",
        &["src/spool/ledger.rs", "src/outbound/tlsrpt/letter.rs"],
    ),
    ("rustls", &["src/net/"]),
    ("tokio_rustls", &["src/net/"]),
    ("rustls_pki_types", &["src/net/"]),
    ("rustls_native_certs", &["src/net/"]),
    ("webpki_roots", &["src/net/"]),
    ("rcgen", &["src/net/"]),
    ("instant_acme", &["src/acme/"]),
    ("hickory_resolver", &["src/net/"]),
    ("listenfd", &["src/net/handed.rs"]),
    ("socket2", &["src/net/"]),
    (
        "axum",
        &["src/frame/", "src/admin/", "src/webmail/", "src/daemon/"],
    ),
    (
        "mail_parser",
        &[
            "src/mail/header.rs",
            "src/mail/mime.rs",
            "src/mail/thread.rs",
        ],
    ),
    ("mail_builder", &["src/mail/"]),
    ("encoding_rs", &["src/mail/charset.rs"]),
    ("ammonia", &["src/webmail/"]),
    ("csv", &["src/directory/", "src/report/"]),
    ("idna", &["src/smtp/", "src/net/", "src/directory/"]),
    ("ldap3", &["src/ldap/"]),
    ("toml", &["src/config/", "src/cli/home.rs"]),
    ("metrics_exporter_prometheus", &["src/telemetry/"]),
    ("indicatif", &["src/terminal/bar.rs"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("clap_mangen", &["src/cli/"]),
];
/// Types of Tokio that only the room `net` names.
const SOCKETS: [&str; 3] = ["TcpListener", "TcpStream", "TcpSocket"];

fn foreign(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in tree.rust("src/") {
        let Some(code) = program_of(path, text) else {
            continue;
        };
        for (name, places) in PLACES {
            let allowed = places.iter().any(|place| path.starts_with(place));
            if !allowed && names(&code, name) {
                complaints.push(format!(
                    "{path}: names `{name}`, which belongs to {places:?}"
                ));
            }
        }
        let tokio = code.contains("tokio::net") || code.contains("net::{");
        let socket = SOCKETS
            .iter()
            .find(|socket| words(&code).any(|word| word == **socket));
        if let (Some(socket), true, false) = (socket, tokio, path.starts_with("src/net/")) {
            complaints.push(format!(
                "{path}: names tokio's `{socket}`, which belongs to src/net/"
            ));
        }
    }
    complaints
}

/// The code without unit tests, which may play the other side of a connection.
fn program_of(path: &str, text: &str) -> Option<String> {
    if path.contains("tests") {
        return None;
    }
    let code = code_of(text);
    let tests = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    Some(code[..tests].to_owned())
}

/// Whether a path begins with this crate, or it is imported whole.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let inner = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let path = code[..at].ends_with("::") && !code[..at].ends_with(" ::");
        let after = &code[at + name.len()..];
        let imported = code[..at].ends_with("use ") && after.starts_with([';', ' ']);
        !inner && !path && (after.starts_with("::") || imported)
    })
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    assert_clean(foreign);
}

#[test]
fn a_crate_in_a_wrong_room_is_seen() {
    let queue = "src/queue/ready.rs";
    assert_complains(foreign, &[(queue, "use sled::Db;")], "`sled`");
    assert_complains(
        foreign,
        &[(queue, "fn f(_: &rustls::ClientConfig) {}")],
        "`rustls`",
    );
    assert_complains(foreign, &[(queue, "use axum;")], "`axum`");
    assert_complains(
        foreign,
        &[("src/mail/id.rs", "use mail_parser::Message;")],
        "`mail_parser`",
    );
    assert_complains(
        foreign,
        &[(queue, "use tokio::net::TcpStream;")],
        "`TcpStream`",
    );
}

#[test]
fn a_crate_at_home_and_words_like_it_are_fine() {
    let files = [
        ("src/spool/index.rs", "use sled::Db;"),
        (
            "src/queue/ready.rs",
            "let x = assled::f(); y.csv::<u8>(); crate::net::rustls::x();",
        ),
        ("src/cli/mod.rs", "// sled::Db\nlet s = \"sled::Db\";"),
        ("src/net/tcp.rs", "use tokio::net::TcpStream;"),
        (
            "src/cli/client.rs",
            "#[cfg(test)]\nmod tests {\n    use axum::Router;\n}",
        ),
        ("src/cli/client_tests.rs", "use axum::Router;"),
    ];
    assert_content(foreign, &files);
}
