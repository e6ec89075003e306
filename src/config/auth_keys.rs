//! `[auth]`: how senders are checked, and what follows.

use super::reader::Section;
use super::sections::{not_one_of, set};
use super::units::duration;
use crate::auth::{Enforcement, Enforcements, Listed, Options};
use crate::limits;
use crate::net::Network;
use crate::smtp::Domain;

/// `[auth]`; `domains` have `dmarc` of their own.
pub(super) fn auth(root: &Section<'_>, domains: Enforcements) -> Options {
    let loopback = ["127.0.0.0/8", "::1"];
    let mut options = Options {
        exempt: loopback
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        domains,
        ..Options::default()
    };
    let Some(section) = root.section("auth") else {
        return options;
    };
    set(&mut options.verify, section.switch("verify"));
    let exempt = section.texts("exempt", |text| {
        let network: Result<Network, _> = text.parse();
        network.map_err(|error| format!("\"{text}\": {error}"))
    });
    if let Some(exempt) = exempt {
        options.exempt = exempt.value.into_iter().map(|at| at.value).collect();
    }
    if let Some(sealers) = section.texts("trusted_sealers", domain) {
        options.trusted_sealers = sealers.value.into_iter().map(|at| at.value).collect();
    }
    set(&mut options.dmarc, section.text("dmarc", enforcement));
    if let Some(zones) = section.texts("blocklists", domain) {
        if zones.value.len() > limits::AUTH_BLOCKLISTS {
            let most = limits::AUTH_BLOCKLISTS;
            let what = format!("names too many, expected {most} or fewer");
            section.source.refuse(&zones, what);
        }
        options.blocklists = zones.value.into_iter().map(|at| at.value).collect();
    }
    if let Some(wanted) = section.text("listed", listed) {
        if wanted.value == Listed::Reject && options.blocklists.is_empty() {
            let what = "does nothing here, expected it with blocklists only";
            section.source.refuse(&wanted, what);
        }
        options.listed = wanted.value;
    }
    options.seal = section.text("seal", domain).map(|at| at.value);
    let patience = section.text("patience", |text| match duration(text)? {
        long if long > limits::AUTH_TIME_MOST => {
            Err(format!("\"{text}\" is too long, expected 60s or less"))
        }
        patience => Ok(patience),
    });
    set(&mut options.patience, patience);
    section.finish();
    options
}

fn listed(text: &str) -> Result<Listed, String> {
    match text {
        "mark" => Ok(Listed::Mark),
        "reject" => Ok(Listed::Reject),
        _ => Err(not_one_of(text, "mark, reject")),
    }
}

/// `dmarc`, here and of a domain.
pub(super) fn enforcement(text: &str) -> Result<Enforcement, String> {
    match text {
        "mark" => Ok(Enforcement::Mark),
        "hold" => Ok(Enforcement::Hold),
        "reject" => Ok(Enforcement::Reject),
        _ => Err(not_one_of(text, "mark, hold, reject")),
    }
}

fn domain(text: &str) -> Result<String, String> {
    let name: Option<Domain> = text.parse().ok();
    let name = name.filter(|name| !name.is_literal());
    name.map(|name| name.key())
        .ok_or_else(|| format!("\"{text}\" is no domain, expected for example \"example.org\""))
}
