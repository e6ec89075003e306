//! `[automatic.KIND]` and `[partners]`: what is done with automatic answers.

use super::platforms::domain_name;
use super::reader::{At, Section};
use super::sections::not_one_of;
use super::{Config, Problem};
use crate::automatic::Policy;
use crate::directory::DomainRule;
use crate::mail::{AutomaticDeed, AutomaticKind, AutomaticWay};

/// The policy, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutomaticConfig {
    /// The policy.
    pub policy: Policy,
    /// The line of each rule.
    pub lines: Vec<(AutomaticKind, AutomaticWay, usize)>,
}

pub(super) fn automatic(root: &Section<'_>, domains: &[DomainRule]) -> AutomaticConfig {
    let mut config = AutomaticConfig::default();
    let mut has_partners = false;
    if let Some(section) = root.section("partners") {
        let ours = |name: &str| domains.iter().any(|rule| rule.name == name);
        let partners = section.texts("domains", |text| {
            let name = domain_name(text)?;
            if ours(&name) {
                return Err(format!(
                    "\"{text}\" is a domain of ours, and no partner's, expected it to be left out"
                ));
            }
            Ok(name)
        });
        let partners = partners.map(|at| at.value).unwrap_or_default();
        has_partners = !partners.is_empty();
        config.policy.partners = partners.into_iter().map(|at| at.value).collect();
        section.finish();
    }
    for (name, section) in root.named("automatic") {
        let kind = AutomaticKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name.value);
        let Some(kind) = kind else {
            let known: Vec<_> = AutomaticKind::ALL.iter().map(|it| it.as_str()).collect();
            let what = format!(
                "is no kind of automatic answer, expected one of {}",
                known.join(", ")
            );
            section.source.refuse(&name, what);
            continue;
        };
        for way in AutomaticWay::ALL {
            let Some(deed) = deed(&section, kind, way) else {
                continue;
            };
            let is_for_partners =
                matches!(way, AutomaticWay::FromPartner | AutomaticWay::ToPartner);
            if is_for_partners && !has_partners && deed.value != AutomaticDeed::Allow {
                let what = "is a rule for nobody, expected [partners] with domains";
                section.source.refuse(&deed, what);
            }
            if deed.value != AutomaticDeed::Allow {
                config.lines.push((kind, way, deed.line));
                config.policy.set(kind, way, deed.value);
            }
        }
        section.finish();
    }
    config
}

fn deed(
    section: &Section<'_>,
    kind: AutomaticKind,
    way: AutomaticWay,
) -> Option<At<AutomaticDeed>> {
    section.text(way.as_str(), |text| {
        let mut deeds = AutomaticDeed::ALL.into_iter();
        let possible = deeds.clone().filter(|it| Policy::makes_sense(kind, *it));
        let possible: Vec<_> = possible.map(AutomaticDeed::as_str).collect();
        match deeds.find(|it| it.as_str() == text) {
            Some(deed) if Policy::makes_sense(kind, deed) => Ok(deed),
            Some(_) => Err(format!(
                "\"{text}\" takes the wish for a report off, and nobody wishes for {kind}, \
                 expected one of {}",
                possible.join(", ")
            )),
            None => Err(not_one_of(text, &possible.join(", "))),
        }
    })
}

impl Config {
    /// What the policy on automatic answers does that somebody may not have meant.
    pub(super) fn automatic_warnings(&self) -> Vec<Problem> {
        let policy = &self.automatic.policy;
        let line_of = |kind, way| {
            let mut lines = self.automatic.lines.iter();
            lines
                .find(|(of, on, _)| (*of, *on) == (kind, way))
                .map_or(0, |(_, _, line)| *line)
        };
        let warn = |kind, way, what: &str| Problem {
            file: self.file.clone(),
            line: line_of(kind, way),
            key: Policy::rule(kind, way),
            what: what.to_owned(),
        };
        let mut warnings = Vec::new();
        for (kind, way, deed) in policy.rules() {
            if deed == AutomaticDeed::Drop
                && let Some(what) = danger(kind)
            {
                warnings.push(warn(kind, way, what));
            }
            if way == AutomaticWay::FromPartner && !self.auth.verify {
                let what = "does nothing: with auth.verify = false no partner is proven, and all \
                            mail from outside is from_internet";
                warnings.push(warn(kind, way, what));
            }
        }
        warnings
    }
}

/// What is lost when a kind is dropped.
const fn danger(kind: AutomaticKind) -> Option<&'static str> {
    match kind {
        AutomaticKind::Ndr => Some(
            "drops reports of failure: whoever wrote will never learn that his mail did not \
             arrive; `hold` keeps them",
        ),
        AutomaticKind::AutoForward => Some(
            "drops mail that people wrote, because a rule or a mailbox passes it on; `hold` keeps \
             it",
        ),
        AutomaticKind::OutOfOffice
        | AutomaticKind::AutoReply
        | AutomaticKind::DeliveryReport
        | AutomaticKind::ReadReceipt => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;

    fn read(text: &str) -> Result<Config, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.onprem]\nhosts = [\"127.0.0.1:2601\"]\n[domain.\"example.org\"]\n\
             home = \"onprem\"\nunknown = \"relay\"\n{text}\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::config::load(&file)
    }

    #[test]
    fn nothing_is_done_unless_somebody_says_so() {
        for text in ["", "[automatic.ndr]\nto_internet = \"allow\"", "[partners]"] {
            let config = read(text).unwrap();
            assert!(config.automatic.policy.is_idle(), "{text}");
            assert!(config.warnings().is_empty(), "{text}");
        }
    }

    #[test]
    fn a_policy_is_read() {
        let config = read(
            "[partners]\ndomains = [\"Partner.example\"]\n\
             [automatic.out_of_office]\nto_internet = \"drop\"\nto_partner = \"hold\"\n\
             [automatic.read_receipt]\nfrom_internet = \"strip\"",
        );
        let policy = config.unwrap().automatic.policy;
        let rules: Vec<_> = policy
            .rules()
            .map(|(kind, way, deed)| format!("{} {deed}", Policy::rule(kind, way)))
            .collect();
        assert_eq!(
            rules,
            [
                "automatic.out_of_office.to_partner hold",
                "automatic.out_of_office.to_internet drop",
                "automatic.read_receipt.from_internet strip",
            ]
        );
        assert!(policy.partners.contains("partner.example"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, expected) in [
            (
                "[automatic.oof]\ninternal = \"drop\"",
                "automatic.oof: is no kind of automatic answer, expected one of out_of_office",
            ),
            (
                "[automatic.ndr]\ninternal = \"strip\"",
                ":11: automatic.ndr.internal: \"strip\" takes the wish for a report off, and \
                 nobody wishes for ndr, expected one of allow, hold, drop",
            ),
            (
                "[automatic.read_receipt]\ninternal = \"bounce\"",
                "expected one of allow, strip, hold, drop",
            ),
            (
                "[automatic.auto_reply]\nto_partner = \"drop\"",
                "is a rule for nobody, expected [partners]",
            ),
            (
                "[automatic.auto_reply]\nto_internett = \"drop\"",
                "did you mean to_internet?",
            ),
            (
                "[partners]\ndomains = [\"example.org\"]",
                "is a domain of ours",
            ),
            ("[partners]\ndomains = [\"a b\"]", "is no domain"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.to_string().contains(expected), "{text}: {told}");
        }
    }

    #[test]
    fn what_loses_mail_is_warned_of() {
        for (text, expected) in [
            (
                "[automatic.ndr]\nfrom_internet = \"drop\"",
                ":11: automatic.ndr.from_internet: drops reports of failure",
            ),
            (
                "[automatic.auto_forward]\nplatforms = \"drop\"",
                "drops mail that people wrote",
            ),
            (
                "[auth]\nverify = false\n[partners]\ndomains = [\"a.example\"]\n\
                 [automatic.auto_reply]\nfrom_partner = \"hold\"",
                "does nothing: with auth.verify = false",
            ),
        ] {
            let config = read(text).unwrap();
            let told = config.warnings();
            assert_eq!(told.len(), 1, "{text}: {told:?}");
            assert!(told[0].to_string().contains(expected), "{}", told[0]);
        }
        let quiet = read("[automatic.ndr]\nfrom_internet = \"hold\"").unwrap();
        assert!(quiet.warnings().is_empty());
    }
}
