//! `landing …`: is what was delivered in the mailboxes?

use std::path::Path;

use clap::Subcommand;
use serde::de::DeserializeOwned;

use super::client::Client;
use super::intent::{Format, Request, escape};
use super::render::Page;
use super::replay::{ReplayArgs, asked, patiently, read};
use super::{Failure, home, print};
use crate::admin::DismissedView;
use crate::base::Clock;
use crate::queue::landing::LandingStatus;
use crate::queue::replay::LandingCheck;
use crate::terminal::Palette;

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

/// Does what a verb says, as `actor`.
pub(super) async fn perform(
    config: Option<&Path>,
    verb: LandingVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let (data_dir, config) = home::data_dir(config)?;
    let client = Client::new(&data_dir, &config);
    let page = Page {
        palette: Palette::of_stdout(),
        now: Clock::system().now(),
    };
    let answer = match &verb {
        LandingVerb::Status => client.ask(Request::get("/api/landing".to_owned())).await?,
        LandingVerb::Check { what } => {
            let asked = asked("/api/landing/check", &actor, (**what).clone())?;
            patiently(&client, asked).await?
        }
        LandingVerb::Dismiss { name } => {
            let path = format!("/api/landing/missing/{}/dismiss", escape(name));
            client.upload(path, Vec::new()).await?
        }
    };
    match verb {
        LandingVerb::Status => tell(format, &answer, |it: &LandingStatus| {
            page.landing_status(it)
        }),
        LandingVerb::Check { .. } => {
            tell(format, &answer, |it: &LandingCheck| page.landing_check(it))
        }
        LandingVerb::Dismiss { .. } => tell(format, &answer, |it: &DismissedView| {
            format!("{} is off the list\n", it.dismissed)
        }),
    }
}

fn tell<T: DeserializeOwned>(
    format: Format,
    answer: &serde_json::Value,
    text: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    match format {
        Format::Json => print(&format!("{answer:#}\n")),
        Format::Text => print(&text(&read(answer)?)),
    }
}
