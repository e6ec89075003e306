//! `[web.oidc]`: somebody else who lets people in.

use std::path::PathBuf;

use super::reader::{At, Section};
use super::sections::{non_empty, not_one_of, set};
use crate::oidc::{self, Trust, check_issuer};
use crate::smtp::Domain;
use crate::webmail::{Entrance, SecondStep};

/// `[web.oidc]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// Which provider, and what is believed.
    pub options: oidc::Options,
    /// What it is called on the login page; `None`: by the host of its issuer.
    pub name: Option<String>,
    /// Keys of the domains that it speaks for; none: all of ours.
    pub domains: Vec<String>,
    /// Who asks for a second step.
    pub second_step: SecondStep,
    /// By what else people log in.
    pub entrance: Entrance,
}

/// The section, and the files that it needs.
#[derive(Debug, Default)]
pub(super) struct Oidc {
    pub(super) config: Option<OidcConfig>,
    pub(super) files: Vec<At<PathBuf>>,
}

/// The section, as far as it can be read.
pub(super) fn oidc(web: &Section<'_>) -> Oidc {
    let Some(section) = web.section("oidc") else {
        return Oidc::default();
    };
    if !web.has("base_url") {
        web.missing(
            "base_url",
            "the address at which the provider sends people back",
        );
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
    let (claim, trust) = claim(&section);
    let domains = domains(&section);
    let mut second_step = SecondStep::default();
    let asked = section.text("second_step", |text| match text {
        "ours" => Ok(SecondStep::Ours),
        "provider" => Ok(SecondStep::Providers),
        _ => Err(not_one_of(text, "ours, provider")),
    });
    set(&mut second_step, asked);
    let is_only = section.flag("only").is_some_and(|at| at.value);
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
        entrance: if is_only {
            Entrance::Only
        } else {
            Entrance::Any
        },
    });
    Oidc { config, files }
}

/// The claim that names the address, and whose word is taken for it.
fn claim(section: &Section<'_>) -> (String, Trust) {
    let claim = section.text("claim", |text| non_empty(text).map(str::to_owned));
    let is_trusted = section.flag("trusted").is_some_and(|at| at.value);
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

/// Keys of the domains that it speaks for.
fn domains(section: &Section<'_>) -> Vec<String> {
    let domains = section.texts("allow_domains", |text| {
        let domain: Result<Domain, _> = text.parse();
        domain
            .map(|domain| domain.key())
            .map_err(|_| format!("\"{text}\" is no domain"))
    });
    let domains = domains.into_iter().flat_map(|at| at.value);
    domains.map(|at| at.value).collect()
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
        assert_eq!((few.options.secret_file, few.domains), (None, Vec::new()));
        assert_eq!(few.second_step, SecondStep::Ours);
        assert_eq!(few.entrance, Entrance::Any);
        let more = "client_secret_file = \"secret\"\nclaim = \"upn\"\ntrusted = true\n\
            allow_domains = [\"Example.org\"]\nname = \"Example\"\nonly = true\n\
            second_step = \"provider\"\n";
        let all = read(&format!("{GOOD}{more}")).unwrap().unwrap();
        assert!(all.options.secret_file.unwrap().ends_with("secret"));
        assert_eq!(all.options.claim, "upn");
        assert_eq!(all.options.trust, Trust::Issuer);
        assert_eq!(all.domains, ["example.org"]);
        assert_eq!(all.name.as_deref(), Some("Example"));
        assert_eq!(all.second_step, SecondStep::Providers);
        assert_eq!(all.entrance, Entrance::Only);
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
