//! `[tls_policy."DOMAIN"]`: what the way to single domains must have, whatever they ask for.

use std::collections::HashMap;

use super::platforms::domain_name;
use super::reader::Section;
use super::sections::{host_pattern, not_one_of};
use crate::directory::DomainRule;
use crate::outbound::SecuredDomain;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Send {
    Encrypted,
    Verified,
}

/// By domain. Ours have their backends, whose `tls` says it.
pub(super) fn secured(
    root: &Section<'_>,
    domains: &[DomainRule],
) -> HashMap<String, SecuredDomain> {
    let mut secured = HashMap::new();
    for (name, section) in root.named("tls_policy") {
        let domain = domain_name(&name.value).and_then(|domain| {
            if domains.iter().any(|rule| rule.name == domain) {
                return Err(format!(
                    "\"{domain}\" is a domain of ours, expected tls of its backend to say it"
                ));
            }
            Ok(domain)
        });
        let domain = domain.map_err(|what| section.source.refuse(&name, what));
        let send = section.text("send", |text| match text {
            "encrypted" => Ok(Send::Encrypted),
            "verified" => Ok(Send::Verified),
            _ => Err(not_one_of(text, "encrypted, verified")),
        });
        let hosts = section.texts("hosts", host_pattern);
        if send.is_none() && !section.has("send") {
            let what = "says nothing, expected send = \"encrypted\" or \"verified\"";
            section.source.refuse(&name, what);
        }
        let is_verified = send.as_ref().is_some_and(|it| it.value == Send::Verified);
        if let Some(hosts) = &hosts {
            if send.is_some() && !is_verified {
                let what = "does nothing here, expected it with send = \"verified\" only";
                section.source.refuse(hosts, what);
            } else if hosts.value.is_empty() {
                section
                    .source
                    .refuse(hosts, "names no host: nothing would be sent");
            }
        }
        let (source, ()) = (section.source, section.finish());
        let (Ok(domain), Some(send)) = (domain, send) else {
            continue;
        };
        let rule = match send.value {
            Send::Encrypted => SecuredDomain::Encrypted,
            Send::Verified => SecuredDomain::Verified(match hosts {
                Some(hosts) => hosts.value.into_iter().map(|at| at.value).collect(),
                None => vec![domain.clone(), format!("*.{domain}")],
            }),
        };
        if secured.insert(domain, rule).is_some() {
            source.refuse(&name, "stands here twice");
        }
    }
    secured
}

#[cfg(test)]
mod tests {
    use crate::config::load;
    use crate::outbound::SecuredDomain;

    #[test]
    fn what_domains_must_prove_is_read_and_judged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let told = |more: &str| {
            let text = format!(
                "[server]\nhostname = \"mx.example.org\"\n\
                 [[listener]]\nbind = \"127.0.0.1:2525\"\n\
                 [backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
                 [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n\
                 [tls_policy.\"{more}\n"
            );
            std::fs::write(&file, text).unwrap();
            let config = load(&file).map_err(|problems| problems.to_string())?;
            let secured = config.outbound_options().secured;
            Ok::<_, String>(secured.get("partner.example").cloned())
        };
        let verified = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|it| (*it).to_owned()).collect();
            Ok(Some(SecuredDomain::Verified(hosts)))
        };
        assert_eq!(
            told("Partner.example\"]\nsend = \"encrypted\""),
            Ok(Some(SecuredDomain::Encrypted))
        );
        assert_eq!(
            told("partner.example\"]\nsend = \"verified\""),
            verified(&["partner.example", "*.partner.example"])
        );
        assert_eq!(
            told(
                "partner.example\"]\nsend = \"verified\"\n\
                 hosts = [\"MX.host.example\", \"*.mail.example\"]"
            ),
            verified(&["mx.host.example", "*.mail.example"])
        );
        for (more, what) in [
            ("partner.example\"]", "says nothing"),
            (
                "partner.example\"]\nsend = \"tls\"",
                "one of encrypted, verified",
            ),
            ("no domain\"]\nsend = \"encrypted\"", "is no domain"),
            (
                "example.org\"]\nsend = \"encrypted\"",
                "is a domain of ours",
            ),
            (
                "partner.example\"]\nsend = \"encrypted\"\nhosts = [\"mx.example\"]",
                "with send = \"verified\" only",
            ),
            (
                "partner.example\"]\nsend = \"verified\"\nhosts = []",
                "names no host",
            ),
            (
                "partner.example\"]\nsend = \"verified\"\nhosts = [\"*\"]",
                "is no host",
            ),
            (
                "partner.example\"]\nsend = \"encrypted\"\n\
                 [tls_policy.\"PARTNER.example\"]\nsend = \"verified\"",
                "stands here twice",
            ),
        ] {
            let told = told(more).unwrap_err();
            assert!(told.contains(what), "{more}: {told}");
        }
    }
}
