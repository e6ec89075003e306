//! `[web.oidc]`: somebody else who lets people in.

use std::net::IpAddr;
use std::path::PathBuf;

use super::reader::{At, Section};
use super::sections::{non_empty, not_one_of, set};
use crate::oidc::{self, Trust, check_issuer, writes_any_address};
use crate::smtp::Domain;
use crate::webmail::SecondStep;

/// `[web.oidc]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// Which provider, and what is believed.
    pub options: oidc::Options,
    /// What it is called on the login page; `None`: by the host of its issuer.
    pub name: Option<String>,
    /// Keys of the domains whose mailboxes it opens; `None`: all of ours.
    pub domains: Option<Vec<String>>,
    /// Who asks for a second step.
    pub second_step: SecondStep,
}

/// The section, and the files that it needs.
#[derive(Debug, Default)]
pub(super) struct Oidc {
    pub(super) config: Option<OidcConfig>,
    pub(super) files: Vec<At<PathBuf>>,
}

/// The section, as far as it can be read.
pub(super) fn oidc(web: &Section<'_>, base_url: Option<&At<String>>) -> Oidc {
    let Some(section) = web.section("oidc") else {
        return Oidc::default();
    };
    match base_url {
        // RFC 6749 §3.1.2.1: the code comes back through TLS, or stays in this
        // machine.
        Some(at) if !is_private(&at.value) => section.source.refuse(
            at,
            "people come back from [web.oidc] with a code that logs in, expected https://",
        ),
        None if !web.has("base_url") => web.missing(
            "base_url",
            "the https address at which the provider sends people back",
        ),
        Some(_) | None => {}
    }
    let source = section.source;
    let text = |name| section.text(name, |text| non_empty(text).map(str::to_owned));
    let file = |text: &str| non_empty(text).map(|text| source.path(text));
    let issuer = section.text("issuer", |text| {
        check_issuer(text).map(|()| text.to_owned())
    });
    if !section.has("issuer") {
        section.missing("issuer", "for example \"https://login.example.org\"");
    }
    let client_id = text("client_id");
    if !section.has("client_id") {
        section.missing("client_id", "what the provider calls this webmail");
    }
    let secret_file = section.text("client_secret_file", file);
    let authorities = section.text("authorities", file);
    let (claim, trust) = claim(&section, issuer.as_ref());
    let domains = domains(&section);
    let mut second_step = SecondStep::default();
    let asked = section.text("second_step", |text| match text {
        "ours" => Ok(SecondStep::Ours),
        "provider" => Ok(SecondStep::Providers),
        _ => Err(not_one_of(text, "ours, provider")),
    });
    set(&mut second_step, asked);
    let name = text("name");
    section.finish();
    let files = [secret_file.clone(), authorities.clone()];
    let files = files.into_iter().flatten().collect();
    let config = issuer.zip(client_id).map(|(issuer, client_id)| OidcConfig {
        options: oidc::Options {
            issuer: issuer.value,
            client_id: client_id.value,
            secret_file: secret_file.map(|at| at.value),
            claim,
            trust,
            authorities: authorities.map(|at| at.value),
        },
        name: name.map(|at| at.value),
        domains,
        second_step,
    });
    Oidc { config, files }
}

/// Does nobody on the way see what comes to this address?
fn is_private(base_url: &str) -> bool {
    let Some(rest) = base_url.strip_prefix("http://") else {
        return true;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next())
        .unwrap_or_else(|| authority.split(':').next().unwrap_or_default());
    let loopback = |address: IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(loopback)
}

/// The claim that names the address, and whose word is taken for it.
fn claim(section: &Section<'_>, issuer: Option<&At<String>>) -> (String, Trust) {
    let claim = section.text("claim", |text| non_empty(text).map(str::to_owned));
    let trusted = section.switch("trusted").filter(|at| at.value);
    let is_trusted = trusted.is_some();
    let is_email = claim.as_ref().is_none_or(|at| at.value == "email");
    if let (Some(trusted), Some(issuer)) = (&trusted, issuer)
        && is_email
        && writes_any_address(&issuer.value)
    {
        let what = "everybody can write any address into \"email\" there, expected claim = \"upn\"";
        section.source.refuse(trusted, what);
    }
    let is_other = |at: &&At<String>| at.value != "email" && !is_trusted;
    if let Some(claim) = claim.as_ref().filter(is_other) {
        let what = "nobody says that it is verified, expected \"email\", or trusted = true with it";
        section.source.refuse(claim, what);
    }
    let trust = if is_trusted {
        Trust::Issuer
    } else {
        Trust::Verified
    };
    let claim = claim.map_or_else(|| "email".to_owned(), |at| at.value);
    (claim, trust)
}

/// Keys of the domains whose mailboxes it opens.
fn domains(section: &Section<'_>) -> Option<Vec<String>> {
    let domains = section.texts("allow_domains", |text| {
        let domain: Result<Domain, _> = text.parse();
        domain
            .map(|domain| domain.key())
            .map_err(|_| format!("\"{text}\" is no domain"))
    });
    let domains = domains?;
    if domains.value.is_empty() {
        let what = "names no domain, so nobody could come in; without this key all of ours count";
        section.source.refuse(&domains, what);
    }
    Some(domains.value.into_iter().map(|at| at.value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn read(lines: &str) -> Result<Option<OidcConfig>, String> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:0\"\n\
             role = \"mx\"\n[backend.onprem]\nhosts = [\"127.0.0.1:1\"]\n\
             [domain.\"example.org\"]\nhome = \"onprem\"\n\
             [web]\nbind = \"127.0.0.1:0\"\n{lines}"
        );
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        let config = load(&file).map_err(|problems| problems.to_string())?;
        Ok(config.web.unwrap().oidc)
    }

    const GOOD: &str = "base_url = \"https://mail.example.org\"\n[web.oidc]\n\
        issuer = \"https://login.example.org\"\nclient_id = \"tideover\"\n";

    #[test]
    fn a_provider_is_read() {
        assert_eq!(read("").unwrap(), None);
        let few = read(GOOD).unwrap().unwrap();
        assert_eq!(few.options.claim, "email");
        assert_eq!(few.options.trust, Trust::Verified);
        assert_eq!((few.options.secret_file, few.domains), (None, None));
        assert_eq!(few.second_step, SecondStep::Ours);
        let more = "client_secret_file = \"secret\"\nclaim = \"upn\"\ntrusted = true\n\
            allow_domains = [\"Example.org\"]\nname = \"Example\"\n\
            second_step = \"provider\"\n";
        let all = read(&format!("{GOOD}{more}")).unwrap().unwrap();
        assert!(all.options.secret_file.unwrap().ends_with("secret"));
        assert_eq!(all.options.claim, "upn");
        assert_eq!(all.options.trust, Trust::Issuer);
        assert_eq!(all.domains.unwrap(), ["example.org"]);
        assert_eq!(all.name.as_deref(), Some("Example"));
        assert_eq!(all.second_step, SecondStep::Providers);
    }

    #[test]
    fn on_one_machine_there_may_be_no_tls() {
        for base in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
        ] {
            let read = read(&GOOD.replacen("https://mail.example.org", base, 1));
            assert!(read.unwrap().is_some(), "{base}");
        }
    }

    #[test]
    fn an_entra_of_one_tenant_is_trusted_for_names_that_it_gives_itself() {
        let lines = GOOD.replacen(
            "https://login.example.org",
            "https://login.microsoftonline.com/1/v2.0",
            1,
        );
        let lines = format!("{lines}claim = \"upn\"\ntrusted = true\n");
        assert_eq!(read(&lines).unwrap().unwrap().options.trust, Trust::Issuer);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        for (from, to, expected) in [
            ("base_url = \"https://mail.example.org\"\n", "", "base_url"),
            ("https://login.example.org", "http://login", "is no issuer"),
            ("issuer = \"https://login.example.org\"\n", "", "issuer"),
            ("client_id = \"tideover\"\n", "", "client_id"),
            ("client_id", "claim = \"upn\"\nclient_id", "trusted = true"),
            (
                "client_id",
                "second_step = \"no\"\nclient_id",
                "ours, provider",
            ),
            (
                "client_id",
                "allow_domains = [\"a b\"]\nclient_id",
                "is no domain",
            ),
            (
                "client_id",
                "allow_domains = []\nclient_id",
                "tideover.toml:15: web.oidc.allow_domains: names no domain",
            ),
            (
                "https://mail.example.org",
                "http://mail.example.org",
                "tideover.toml:12: web.base_url: people come back",
            ),
            ("https://mail", "http://127.0.0.1.evil", "web.base_url"),
            ("https://mail", "http://localhost.evil", "web.base_url"),
            (
                "https://login.example.org\"",
                "https://login.microsoftonline.com/1/v2.0\"\ntrusted = true",
                "claim = \"upn\"",
            ),
            ("client_id", "only = true\nclient_id", "web.oidc.only"),
            ("client_id", "secret = \"x\"\nclient_id", "secret"),
            (
                "client_id",
                "client_secret_file = \"nowhere\"\nclient_id",
                "nowhere",
            ),
        ] {
            let problem = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(problem.contains(expected), "{to}: {problem}");
        }
    }
}
