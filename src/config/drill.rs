//! The keys of `[drill]`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Config;
use super::platforms::{Backend, backend_named};
use super::reader::Section;
use super::sections::{mailbox, set};
use super::units::duration;
use crate::directory::DomainRule;
use crate::drill::{LegOptions, Options};
use crate::smtp::Mailbox;

/// `[drill]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillConfig {
    /// Where probes come back to.
    pub address: Mailbox,
    /// From one probe of a leg to the next.
    pub every: Duration,
    /// A probe that takes longer is lost.
    pub deadline: Duration,
    /// `[[drill.leg]]`, at least one.
    pub legs: Vec<LegOptions>,
}

pub(super) fn drill(
    root: &Section<'_>,
    backends: &[Backend],
    domains: &[DomainRule],
) -> Option<DrillConfig> {
    let section = root.section("drill")?;
    let ours = |text: &str| {
        let address = mailbox(text)?;
        let domain = address.domain().key();
        if domains.iter().any(|rule| rule.name == domain) {
            Ok(address)
        } else {
            Err(format!(
                "{domain} is none of our domains, probes would not come back"
            ))
        }
    };
    let address = section.text("address", ours);
    if address.is_none() && !section.has("address") {
        section.missing("address", "an address of a domain of ours that nobody has");
    }
    let (mut every, mut deadline) = (Duration::from_secs(300), Duration::from_secs(180));
    set(&mut every, section.text("every", length));
    set(&mut deadline, section.text("deadline", length));
    let legs = section.list("leg");
    if legs.is_empty() && !section.has("leg") {
        section.missing("leg", "at least one [[drill.leg]] with to and mailbox");
    }
    let mut names = BTreeSet::new();
    let mut read = Vec::new();
    for leg in legs {
        let Some((options, line)) = leg_of(leg, backends) else {
            continue;
        };
        let name = options.name();
        let is_back = address
            .as_ref()
            .is_some_and(|it| it.value == options.mailbox);
        if is_back {
            let what = "is drill.address itself, expected a mailbox of a platform";
            section.source.problem(line, "drill.leg.mailbox", what);
        }
        if !names.insert(name.clone()) {
            let what = format!("{name} is there twice, expected once");
            section.source.problem(line, "drill.leg", what);
        }
        read.push(options);
    }
    section.finish();
    Some(DrillConfig {
        address: address?.value,
        every,
        deadline,
        legs: read,
    })
}

fn length(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("is too short, expected 1s or more".to_owned()),
        length => Ok(length),
    }
}

fn leg_of(section: Section<'_>, backends: &[Backend]) -> Option<(LegOptions, usize)> {
    let named = |text: &str| backend_named(text, backends);
    let from = section.text("from", named);
    let to = section.text("to", named);
    let probe = section.text("mailbox", mailbox);
    for (name, is_there, expected) in [
        ("to", to.is_some(), "the backend that the leg leads to"),
        (
            "mailbox",
            probe.is_some(),
            "a mailbox whose mail is passed on, back to drill.address",
        ),
    ] {
        if !is_there && !section.has(name) {
            section.missing(name, expected);
        }
    }
    if let (Some(from), Some(to)) = (&from, &to)
        && from.value == to.value
    {
        let what = "is where the leg begins, too, expected another backend";
        section.source.refuse(to, what);
    }
    section.finish();
    let (to, probe) = (to?, probe?);
    let line = probe.line;
    let leg = LegOptions {
        from: from.map(|at| at.value),
        to: to.value,
        mailbox: probe.value,
    };
    Some((leg, line))
}

impl Config {
    /// The options of the room `drill`; `None`: nothing is drilled.
    #[must_use]
    pub fn drill_options(&self) -> Option<Options> {
        let drill = self.drill.as_ref()?;
        Some(Options {
            hostname: self.server.hostname.to_string(),
            address: drill.address.clone(),
            every: drill.every,
            deadline: drill.deadline,
            legs: drill.legs.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    const GOOD: &str = "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \
                        \"127.0.0.1:2525\"\n[backend.onprem]\nhosts = [\"127.0.0.1:2601\"]\n\
                        [backend.cloud]\nhosts = [\"127.0.0.1:2602\"]\n\
                        [domain.\"example.org\"]\nhome = \"onprem\"\nunknown = \"relay\"\n";
    const LEG: &str = "from = \"onprem\"\nto = \"cloud\"\nmailbox = \"p@example.org\"";

    fn read(drill: &str) -> Result<crate::config::Config, crate::config::Problems> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, format!("{GOOD}[drill]\n{drill}\n")).unwrap();
        crate::config::read(&file)
    }

    #[test]
    fn drills_name_ways_that_can_be_gone() {
        let drill =
            |address: &str, leg: &str| format!("address = \"{address}\"\n[[drill.leg]]\n{leg}");
        let config = read(&drill("drill@example.org", LEG)).unwrap();
        let options = config.drill_options().unwrap();
        assert_eq!(options.legs[0].name(), "onprem-cloud");
        assert_eq!(options.legs[0].home().as_str(), "onprem");
        assert_eq!(options.deadline, Duration::from_secs(180));
        let address = config.route_options().drill.unwrap();
        assert_eq!(address.to_string(), "drill@example.org");
        let moon = "to = \"moon\"\nmailbox = \"p@example.org\"";
        for (text, expected) in [
            (
                drill("drill@elsewhere.example", LEG),
                "is none of our domains",
            ),
            (drill("drill@example.org", moon), "\"moon\" is no backend"),
            (
                drill("drill@example.org", &LEG.replace("cloud", "onprem")),
                "begins, too",
            ),
            (
                drill("drill@example.org", "to = \"cloud\""),
                "drill.leg.mailbox: is missing",
            ),
            (drill("p@example.org", LEG), "is drill.address itself"),
            (
                drill("d@example.org", &format!("{LEG}\n[[drill.leg]]\n{LEG}")),
                "is there twice",
            ),
            (
                "address = \"d@example.org\"".to_owned(),
                "at least one [[drill.leg]]",
            ),
            (
                format!("every = \"0s\"\n{}", drill("d@example.org", LEG)),
                "too short",
            ),
        ] {
            let told = read(&text).unwrap_err().to_string();
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }
}
