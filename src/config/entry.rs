//! How a backend is entered: what it proves, what we prove, and how much goes over a connection.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::reader::{At, Section, Source};
use super::sections::{non_empty, not_one_of, set};
use super::units::duration;
use crate::backend::{Credentials, Hosts, Mechanism, Proof, SecretFile, SessionBounds, TlsPolicy};
use crate::limits;
use crate::net::{CertificateCheck, ClientPair, check_tls_files};
use crate::smtp::Domain;

/// What a backend is entered with.
pub(super) struct Entry {
    pub(super) tls: TlsPolicy,
    pub(super) proof: Proof,
    pub(super) credentials: Option<Credentials>,
    pub(super) session: SessionBounds,
    /// Files that must be readable.
    pub(super) files: EntryFiles,
}

/// Files with their lines.
#[derive(Default)]
pub(super) struct EntryFiles {
    secret: Option<At<PathBuf>>,
    authorities: Option<At<PathBuf>>,
    client: Option<(At<PathBuf>, At<PathBuf>)>,
}

pub(super) fn entry(section: &Section<'_>, hosts: Option<&Hosts>) -> Entry {
    let tls = section.text("tls", |text| match text {
        "never" => Ok(TlsPolicy::Never),
        "opportunistic" => Ok(TlsPolicy::Opportunistic),
        "required" => Ok(TlsPolicy::Required),
        "verified" => Ok(TlsPolicy::Verified),
        _ => Err(not_one_of(text, "never, opportunistic, required, verified")),
    });
    let tls = tls.map(|at| at.value).unwrap_or_default();
    let (proof, authorities, client) = proof(section, tls);
    let (credentials, secret) = credentials(section, tls, hosts);
    Entry {
        tls,
        proof,
        credentials,
        session: session(section),
        files: EntryFiles {
            secret,
            authorities,
            client,
        },
    }
}

type ClientFiles = Option<(At<PathBuf>, At<PathBuf>)>;

fn proof(section: &Section<'_>, tls: TlsPolicy) -> (Proof, Option<At<PathBuf>>, ClientFiles) {
    let source = section.source;
    let file = |text: &str| non_empty(text).map(|text| source.path(text));
    let name = section.text("tls_name", |text| {
        let name = text.parse::<Domain>().map(|name| name.key());
        name.map_err(|_| {
            format!("\"{text}\" is no name, expected for example \"mail.example.org\"")
        })
    });
    let authorities = section.text("tls_authorities", file);
    let keys = section.texts("tls_keys", key_digest);
    let needs = "counts with tls = \"verified\" only, expected that, or the key to be left out";
    if tls != TlsPolicy::Verified {
        for at in [
            name.as_ref().map(|at| (at.line, &at.key)),
            authorities.as_ref().map(|at| (at.line, &at.key)),
            keys.as_ref().map(|at| (at.line, &at.key)),
        ]
        .into_iter()
        .flatten()
        {
            source.problem(at.0, at.1.as_str(), needs);
        }
    }
    let pinned = keys.as_ref().is_some_and(|keys| !keys.value.is_empty());
    if let Some(keys) = keys.as_ref().filter(|keys| keys.value.is_empty()) {
        source.refuse(
            keys,
            "names no key, expected \"sha256:…\", or the key to be left out",
        );
    }
    if let Some(authorities) = authorities.as_ref().filter(|_| pinned) {
        let what = "stands beside tls_keys, which need no authority, expected one of them";
        source.refuse(authorities, what);
    }
    let client = client_files(section, tls);
    let pair = client.as_ref().map(|(certificate, key)| ClientPair {
        certificate: certificate.value.clone(),
        key: key.value.clone(),
    });
    let proof = Proof {
        name: name.map(|at| at.value),
        authorities: authorities.as_ref().map(|at| at.value.clone()),
        keys: keys.map_or_else(Vec::new, |keys| {
            keys.value.into_iter().map(|at| at.value).collect()
        }),
        client: pair,
    };
    (proof, authorities, client)
}

fn client_files(section: &Section<'_>, tls: TlsPolicy) -> ClientFiles {
    let source = section.source;
    let file = |text: &str| non_empty(text).map(|text| source.path(text));
    let certificate = section.text("client_certificate", file);
    let key = section.text("client_key", file);
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            if tls == TlsPolicy::Never {
                let what = "is shown with TLS only, expected another tls than \"never\"";
                source.refuse(&certificate, what);
            }
            Some((certificate, key))
        }
        (Some(certificate), None) => {
            source.refuse(&certificate, "stands alone, expected client_key with it");
            None
        }
        (None, Some(key)) => {
            source.refuse(&key, "stands alone, expected client_certificate with it");
            None
        }
        (None, None) => None,
    }
}

/// `sha256:` and 64 hexadecimal digits, or the digest in base64 as `openssl` pipes print it.
fn key_digest(text: &str) -> Result<[u8; 32], String> {
    let bare = text.strip_prefix("sha256:").unwrap_or(text).trim();
    let hexadecimal: String = bare.chars().filter(|c| *c != ':').collect();
    let decoded = if hexadecimal.len() == 64 {
        let pairs = (0..64).step_by(2).map(|at| hexadecimal.get(at..at + 2));
        pairs
            .map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect()
    } else {
        BASE64.decode(bare).ok()
    };
    let digest: Option<[u8; 32]> = decoded.and_then(|bytes: Vec<u8>| bytes.try_into().ok());
    digest.ok_or_else(|| {
        format!(
            "\"{text}\" is no digest of a public key, expected \"sha256:\" and 64 hexadecimal \
             digits"
        )
    })
}

fn credentials(
    section: &Section<'_>,
    tls: TlsPolicy,
    hosts: Option<&Hosts>,
) -> (Option<Credentials>, Option<At<PathBuf>>) {
    let source = section.source;
    let file = |text: &str| non_empty(text).map(|text| source.path(text));
    let username = section.text("username", |text| non_empty(text).map(str::to_owned));
    let password = section.text("password_file", file);
    let token = section.text("token_file", file);
    let mechanism = section.text("auth", |text| match text {
        "plain" => Ok(Mechanism::Plain),
        "login" => Ok(Mechanism::Login),
        "scram-sha-256" => Ok(Mechanism::ScramSha256),
        _ => Err(not_one_of(text, "plain, login, scram-sha-256")),
    });
    if let (Some(_), Some(token)) = (&password, &token) {
        source.refuse(token, "stands beside password_file, expected one of them");
    }
    let is_token = token.is_some();
    let Some(secret) = password.or(token) else {
        if let Some(username) = &username {
            let what = "stands alone, expected password_file or token_file with it";
            source.refuse(username, what);
        }
        return (None, None);
    };
    let Some(username) = username else {
        source.refuse(&secret, "stands alone, expected username with it");
        return (None, Some(secret));
    };
    if matches!(tls, TlsPolicy::Never | TlsPolicy::Opportunistic) && !is_on_this_machine(hosts) {
        let what = "the password could go over the wire in plain text, expected tls = \
                    \"required\" or \"verified\" with it";
        source.refuse(&username, what);
    }
    if let Some(mechanism) = mechanism.as_ref().filter(|_| is_token) {
        let what = "is for passwords, expected it to be left out with token_file";
        source.refuse(mechanism, what);
    }
    let credentials = Credentials {
        username: username.value,
        secret: if is_token {
            SecretFile::Token(secret.value.clone())
        } else {
            SecretFile::Password(secret.value.clone())
        },
        mechanism: mechanism.map(|at| at.value),
    };
    (Some(credentials), Some(secret))
}

/// Nobody listens between us and a loopback address.
fn is_on_this_machine(hosts: Option<&Hosts>) -> bool {
    let Some(Hosts::List(list)) = hosts else {
        return false;
    };
    list.iter().all(|host| {
        let address = host.parse::<std::net::SocketAddr>();
        address.is_ok_and(|address| address.ip().is_loopback())
    })
}

fn session(section: &Section<'_>) -> SessionBounds {
    let mut bounds = SessionBounds::default();
    let most = u32::try_from(limits::RECIPIENTS).unwrap_or(u32::MAX);
    if let Some(recipients) = section.number("max_recipients", 1, most) {
        bounds.recipients = usize::try_from(recipients.value).unwrap_or(limits::RECIPIENTS);
    }
    let messages = section.number("max_messages_per_connection", 1, 1_000_000);
    set(&mut bounds.messages, messages);
    let age = section.text("max_connection_age", |text| {
        let age = duration(text)?;
        if age < Duration::from_secs(1) {
            return Err(format!("\"{text}\" is too short, expected 1s or more"));
        }
        Ok(age)
    });
    set(&mut bounds.age, age);
    bounds
}

/// Checks that the files exist and hold what they should.
pub(super) fn check_files(source: &Source<'_>, files: &EntryFiles) {
    if let Some(secret) = &files.secret {
        super::verify::readable(source, secret);
    }
    if let Some(authorities) = &files.authorities
        && super::verify::readable(source, authorities)
    {
        let check = CertificateCheck::NameBy(authorities.value.clone());
        if let Err(error) = check_tls_files(&check, None) {
            source.refuse(authorities, error.to_string());
        }
    }
    if let Some((certificate, key)) = &files.client {
        let there = [certificate, key].map(|file| super::verify::readable(source, file));
        let pair = ClientPair {
            certificate: certificate.value.clone(),
            key: key.value.clone(),
        };
        if !there.contains(&false)
            && let Err(error) = check_tls_files(&CertificateCheck::Any, Some(&pair))
        {
            source.refuse(certificate, error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_in_the_forms_that_tools_print() {
        let expected = [0xab; 32];
        let hexadecimal = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [
            format!("sha256:{hexadecimal}"),
            hexadecimal.clone(),
            format!("sha256:{colons}"),
            BASE64.encode(expected),
        ] {
            assert_eq!(key_digest(&text), Ok(expected), "{text}");
        }
        for text in ["", "sha256:ab", "sha512:ab", &"é".repeat(32)] {
            assert!(key_digest(text).unwrap_err().contains("expected"), "{text}");
        }
    }

    fn load(keys: &str) -> Result<crate::config::Config, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "t").unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\"]\n{keys}\n[domain.\"example.org\"]\n\
             home = \"a\"\nunknown = \"relay\"\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::config::load(&file).map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_entry_is_read() {
        let digest = "ab".repeat(32);
        let config = load(&format!(
            "tls = \"verified\"\ntls_keys = [\"sha256:{digest}\"]\nmax_recipients = 20\n\
             max_messages_per_connection = 5\nmax_connection_age = \"1m\"\nusername = \"u\"\n\
             token_file = \"token\""
        ));
        let options = config.unwrap().backend_options().remove(0);
        assert_eq!(options.proof.keys, [[0xab; 32]]);
        assert_eq!(options.check(), CertificateCheck::Keys(vec![[0xab; 32]]));
        assert_eq!(options.session.recipients, 20);
        assert_eq!(options.session.messages, 5);
        assert_eq!(options.session.age, Duration::from_secs(60));
        let credentials = options.credentials.unwrap();
        assert!(matches!(credentials.secret, SecretFile::Token(_)));
    }

    #[test]
    fn an_entry_that_contradicts_itself_is_refused() {
        let verified = "tls = \"verified\"\n";
        for (keys, expected) in [
            (
                "tls_name = \"a.example\"",
                "tls_name: counts with tls = \"verified\" only",
            ),
            (
                "client_key = \"k\"",
                "client_key: stands alone, expected client_certificate",
            ),
            (
                "token_file = \"token\"",
                "token_file: stands alone, expected username",
            ),
            (
                "username = \"u\"",
                "username: stands alone, expected password_file or token_file",
            ),
            (
                "username = \"u\"\ntoken_file = \"token\"",
                "username: the password could go over the wire in plain text",
            ),
        ] {
            let told = load(keys).unwrap_err();
            assert!(told.contains(expected), "{keys}: {told}");
        }
        for (keys, expected) in [
            ("tls_keys = [\"sha1:x\"]", "is no digest of a public key"),
            ("tls_keys = []", "tls_keys: names no key"),
            ("tls_authorities = \"token\"", "token holds no certificate"),
            ("tls_authorities = \"absent\"", "absent cannot be read"),
            (
                "client_certificate = \"token\"\nclient_key = \"token\"",
                "token holds no certificate",
            ),
        ] {
            let told = load(&format!("{verified}{keys}")).unwrap_err();
            assert!(told.contains(expected), "{keys}: {told}");
        }
    }
}
