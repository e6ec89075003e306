//! `[backend.NAME.imap]`: how mailboxes of a backend are asked what they have.

use std::net::IpAddr;
use std::path::PathBuf;

use super::reader::{At, Section, Source};
use super::sections::{non_empty, set};
use crate::imap::{ImapOptions, ImapSecret, LoginName, Security};
use crate::net::{CertificateCheck, check_tls_files};
use crate::smtp::Domain;

/// Files with their lines.
#[derive(Default)]
pub(super) struct ImapFiles {
    secret: Option<At<PathBuf>>,
    authorities: Option<At<PathBuf>>,
}

/// Where it is, and whether TLS comes first.
struct Place {
    host: String,
    port: u16,
    implicit: bool,
}

pub(super) fn imap(backend: &Section<'_>) -> (Option<ImapOptions>, ImapFiles) {
    let Some(section) = backend.section("imap") else {
        return (None, ImapFiles::default());
    };
    let source = section.source;
    let url = section.text("url", place);
    if url.is_none() && !section.has("url") {
        section.missing("url", "for example \"imaps://mail.example.org\"");
    }
    let starttls = section.switch("starttls");
    let security = url.as_ref().map(|url| security(source, url, starttls));
    let file = |text: &str| non_empty(text).map(|text| source.path(text));
    let authorities = section.text("authorities", file);
    let login = section.text("login", LoginName::new);
    let password = section.text("password_file", file);
    let token = section.text("token_file", file);
    if let (Some(_), Some(token)) = (&password, &token) {
        source.refuse(token, "stands beside password_file, expected one of them");
    }
    if !section.has("password_file") && !section.has("token_file") {
        section.missing("password_file", "the file of a password, or token_file");
    }
    let mut connections = 4;
    set(
        &mut connections,
        section.number("max_connections", 1, 1_000),
    );
    let mut changes = 300;
    set(
        &mut changes,
        section.number("mailbox_changes_per_minute", 0, 10_000),
    );
    section.finish();
    let is_token = password.is_none();
    let files = ImapFiles {
        secret: password.or(token),
        authorities,
    };
    let options = || {
        let (url, secret) = (url?.value, files.secret.as_ref()?.value.clone());
        Some(ImapOptions {
            host: url.host,
            port: url.port,
            security: security?,
            authorities: files.authorities.as_ref().map(|at| at.value.clone()),
            login: login.map(|at| at.value).unwrap_or_default(),
            secret: if is_token {
                ImapSecret::Token(secret)
            } else {
                ImapSecret::Password(secret)
            },
            max_connections: usize::try_from(connections).unwrap_or(1),
            changes_per_minute: usize::try_from(changes).unwrap_or_default(),
        })
    };
    (options(), files)
}

/// `imaps://HOST[:993]` or `imap://HOST[:143]`.
fn place(text: &str) -> Result<Place, String> {
    let wrong = || {
        format!("\"{text}\" is no server, expected for example \"imaps://mail.example.org:993\"")
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let (implicit, usual) = match scheme {
        "imaps" => (true, 993),
        "imap" => (false, 143),
        _ => return Err(wrong()),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (rest, usual),
    };
    let is_name = host.parse::<Domain>().is_ok_and(|name| !name.is_literal());
    if port == 0 || !is_name && address(host).is_none() {
        return Err(wrong());
    }
    Ok(Place {
        host: host.to_owned(),
        port,
        implicit,
    })
}

fn address(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

/// A secret goes over the wire in plain text only if the wire does not leave this machine.
fn security(source: &Source<'_>, url: &At<Place>, starttls: Option<At<bool>>) -> Security {
    let place = &url.value;
    let local = address(&place.host).is_some_and(|address| address.is_loopback());
    match starttls {
        Some(starttls) if place.implicit => {
            source.refuse(&starttls, "is for imap:// only, imaps:// begins with TLS");
            Security::Implicit
        }
        Some(starttls) if !starttls.value => {
            if !local && place.host != "localhost" {
                let what = "the password would go over the wire in plain text, expected imaps:// \
                            or starttls = true";
                source.refuse(&starttls, what);
            }
            Security::Plain
        }
        Some(_) | None if place.implicit => Security::Implicit,
        Some(_) | None => Security::StartTls,
    }
}

/// Checks that the files exist and hold what they should.
pub(super) fn check_files(source: &Source<'_>, files: &ImapFiles) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn told(keys: &str) -> Result<ImapOptions, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\"]\n[backend.a.imap]\n{keys}\n\
             [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let config = load(&file).map_err(|problems| problems.to_string())?;
        let mut backends = config.backends.into_iter();
        Ok(backends.next().unwrap().options.imap.unwrap())
    }

    #[test]
    fn a_server_is_read() {
        let read = |url: &str| {
            let keys = format!("url = \"{url}\"\npassword_file = \"secret\"");
            let options = told(&keys).unwrap();
            (options.server(), options.security)
        };
        for (url, server, security) in [
            (
                "imaps://mail.example.org",
                "imaps://mail.example.org:993",
                Security::Implicit,
            ),
            (
                "imap://192.0.2.7:1143",
                "imap://192.0.2.7:1143",
                Security::StartTls,
            ),
            (
                "imaps://[2001:db8::1]",
                "imaps://[2001:db8::1]:993",
                Security::Implicit,
            ),
            ("imap://[::1]:99", "imap://[::1]:99", Security::StartTls),
        ] {
            assert_eq!(read(url), (server.to_owned(), security), "{url}");
        }
        let token = told(
            "url = \"imaps://a.example\"\ntoken_file = \"secret\"\nlogin = \"%n\"\n\
             max_connections = 2",
        )
        .unwrap();
        assert!(matches!(token.secret, ImapSecret::Token(_)));
        assert_eq!(
            (token.max_connections, token.login),
            (2, LoginName::new("%n").unwrap())
        );
        let plain = "url = \"imap://127.0.0.3:143\"\nstarttls = false\npassword_file = \"secret\"";
        assert_eq!(told(plain).unwrap().security, Security::Plain);
    }

    #[test]
    fn what_cannot_work_or_is_not_safe_is_refused() {
        let file = "password_file = \"secret\"";
        for (keys, expected) in [
            (file.to_owned(), "imaps://mail.example.org"),
            (format!("url = \"https://x\"\n{file}"), "is no server"),
            (format!("url = \"imaps://\"\n{file}"), "is no server"),
            (format!("url = \"imaps://a b\"\n{file}"), "is no server"),
            (format!("url = \"imaps://x:0\"\n{file}"), "is no server"),
            ("url = \"imaps://x\"".to_owned(), "token_file"),
            (
                format!("url = \"imaps://x\"\n{file}\ntoken_file = \"secret\""),
                "one of them",
            ),
            (
                format!("url = \"imap://x\"\nstarttls = false\n{file}"),
                "plain text",
            ),
            (
                format!("url = \"imaps://x\"\nstarttls = true\n{file}"),
                "imap:// only",
            ),
            (
                format!("url = \"imaps://x\"\nlogin = \"%x\"\n{file}"),
                "is no login",
            ),
            (
                format!("url = \"imaps://x\"\nauthorities = \"secret\"\n{file}"),
                "holds no certificate",
            ),
            (
                "url = \"imaps://x\"\npassword_file = \"absent\"".to_owned(),
                "cannot be read",
            ),
        ] {
            let problem = told(&keys).unwrap_err();
            assert!(problem.contains(expected), "{keys}: {problem}");
            assert!(problem.contains("backend.a.imap"), "{problem}");
        }
    }
}
