//! `landing …`: is what was delivered in the mailboxes?

use clap::Subcommand;

use super::Failure;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::replay::{ReplayArgs, asked};
use super::teller::{Teller, ended, read, some};
use crate::admin::DismissedView;
use crate::queue::landing::LandingStatus;
use crate::queue::replay::LandingCheck;

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum LandingVerb {
    /// What was found, and what is missing
    Status,
    /// Look for mail in the mailboxes of a backend now, and write down what is seen
    Check {
        #[command(flatten)]
        what: Box<ReplayArgs>,
    },
    /// Take one off the list of missing mail: somebody has looked after it
    Dismiss {
        /// As `landing status` names it, for example 06J8Z4K2M0001-0
        name: String,
    },
}

/// Is all in the mailboxes that was looked for?
fn verdict(check: &LandingCheck) -> Result<(), Failure> {
    let odd = [
        some(check.missing, "are not in their mailboxes"),
        some(check.not_asked, "are in mailboxes that cannot be asked"),
    ];
    let odd: Vec<String> = odd.into_iter().flatten().collect();
    ended("landing check", &odd)
}

/// Does what a verb says, as `actor`.
pub(super) async fn perform(
    config: At<'_>,
    verb: LandingVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, actor))?;
    match verb {
        LandingVerb::Status => {
            let request = Request::get("/api/landing".to_owned());
            let answer = teller.client.ask(request).await?;
            teller.print(&answer, |page, it: &LandingStatus| page.landing_status(it))
        }
        LandingVerb::Check { what } => {
            let asked = asked("/api/landing/check", &teller.actor, *what)?;
            let answer = teller.patiently(asked).await?;
            teller.print(&answer, |page, it: &LandingCheck| page.landing_check(it))?;
            verdict(&read(&answer)?)
        }
        LandingVerb::Dismiss { name } => {
            let path = format!("/api/landing/missing/{}/dismiss", escape(&name));
            let answer = teller.client.upload(path, Vec::new()).await?;
            teller.print(&answer, |_, it: &DismissedView| {
                format!("{} is off the list\n", it.dismissed)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_ends_well_only_when_all_is_there() {
        let check = |missing, not_asked| LandingCheck {
            checked: 9,
            missing,
            not_asked,
            ..LandingCheck::default()
        };
        assert!(verdict(&check(0, 0)).is_ok());
        for (missing, not_asked) in [(1, 0), (0, 1)] {
            assert!(verdict(&check(missing, not_asked)).is_err());
        }
    }
}
