//! `device …`: printers, scanners and applications that must send mail.

use clap::{Args, Subcommand, ValueEnum};

use super::client::ClientError;
use super::device_questions::{Asked, Somebody, command, settle};
use super::home::At;
use super::intent::{Format, Request, escape};
use super::render::Page;
use super::teller::{Teller, read};
use super::{Exit, Failure};
use crate::admin::{DeviceMade, RenewQuery};
use crate::base::Timestamp;
use crate::config::units;
use crate::device::{AddressRule, DeviceState, DeviceView, Way};
use crate::terminal::{Cell, Table, Tone, folded, moment, visible};

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum DeviceVerb {
    /// All devices: how they hand mail in, when each was seen last, and with which sender
    List,
    /// One device: what it may, what it sent today, what it was refused last
    Show {
        /// Its name in the list
        name: String,
    },
    /// Add a device by the least dangerous way: asks what it can; shows it unless given --yes
    Add(DeviceAdd),
    /// Give a device more time, or another number of recipients a day
    Renew {
        /// Its name in the list
        name: String,
        /// Until when, for example 90d or 2027-03-01
        #[arg(long, value_name = "TIME", value_parser = until)]
        expires: Option<Until>,
        /// Recipients of a day
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        daily: Option<u32>,
    },
    /// Make another password for a device that logs in, and print it: it is not shown again
    Password {
        /// Its name in the list
        name: String,
    },
    /// End a device: from now on its mail is a stranger's
    End {
        /// Its name in the list
        name: String,
    },
}

/// What is known of a new device; what is missing is asked for at a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct DeviceAdd {
    /// What it is called, in the log and in the ledger as well, for example scanner-3
    pub(super) name: String,
    /// Can it log in with a name and a password over TLS, on port 587?
    #[arg(long)]
    pub(super) login: Option<YesNo>,
    /// Can it at least log in (AUTH) on port 25?
    #[arg(long)]
    pub(super) auth: Option<YesNo>,
    /// Does it send to our own people only?
    #[arg(long)]
    pub(super) internal: Option<YesNo>,
    /// Who it may write as: an address, or @domain for all of one
    #[arg(long, value_name = "ADDRESS")]
    pub(super) sender: Vec<AddressRule>,
    /// Where it comes from: an address, or a network
    #[arg(long, value_name = "NETWORK")]
    pub(super) network: Vec<String>,
    /// A stranger to whom it may send: an address, or @domain for all of one
    #[arg(long, value_name = "ADDRESS")]
    pub(super) to: Vec<AddressRule>,
    /// Until when, for example 90d or 2027-03-01
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub(super) expires: Option<Until>,
    /// Recipients of a day
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) daily: Option<u32>,
    /// What for, for those who look later
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Make it
    #[arg(long)]
    pub(super) yes: bool,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// After this long.
    In(std::time::Duration),
    /// Then.
    At(Timestamp),
}

impl Until {
    pub(super) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::In(length) => now.after(length),
            Self::At(at) => at,
        }
    }
}

/// `90d`, `2027-03-01` (its beginning, in UTC), or a time with its zone.
pub(super) fn until(text: &str) -> Result<Until, String> {
    if let Ok(length) = units::duration(text) {
        return Ok(Until::In(length));
    }
    let day = format!("{text}T00:00:00Z");
    let at = text.parse().or_else(|_| day.parse());
    at.map(Until::At)
        .map_err(|_| "expected for example 90d, or a day as 2027-03-01".to_owned())
}

impl DeviceVerb {
    /// Does it only show something?
    pub(super) const fn is_question(&self) -> bool {
        matches!(self, Self::List | Self::Show { .. })
    }
}

/// Does what a verb says.
pub(super) async fn perform(
    config: At<'_>,
    verb: DeviceVerb,
    format: Format,
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, String::new()))?;
    let client = &teller.client;
    let path = |name: &str, what: &str| format!("/api/devices/{}{what}", escape(name));
    match verb {
        DeviceVerb::List => {
            let answer = client.ask(Request::get("/api/devices".to_owned())).await?;
            teller.print(&answer, |page, it: &Vec<DeviceView>| page.devices(it))
        }
        DeviceVerb::Show { name } => {
            let answer = client.ask(Request::get(path(&name, ""))).await?;
            teller.print(&answer, |page, it: &DeviceView| page.device(it))
        }
        DeviceVerb::Add(args) => add(&teller, args).await,
        DeviceVerb::Renew {
            name,
            expires,
            daily,
        } => {
            let query = RenewQuery {
                expires: expires.map(|it| it.moment(teller.page.now)),
                daily_recipients: daily,
            };
            let request = Request::post(&path(&name, "/renew"), &query);
            let answer = client.ask(request).await?;
            teller.print(&answer, |page, it: &DeviceView| page.device(it))
        }
        DeviceVerb::Password { name } => {
            let request = Request::post(&path(&name, "/password"), &());
            let answer = client.ask(request).await?;
            teller.print(&answer, |_, it: &DeviceMade| made(it))
        }
        DeviceVerb::End { name } => {
            let answer = client.ask(Request::post(&path(&name, "/end"), &())).await?;
            teller.print(&answer, |_, it: &DeviceView| {
                format!("{} is no device any more\n", visible(&it.name))
            })
        }
    }
}

/// Shows what it would be; makes it when somebody said so.
async fn add(teller: &Teller, args: DeviceAdd) -> Result<(), Failure> {
    let mut somebody = Somebody::at_the_terminal();
    let is_said = args.yes;
    let asked = |wrong: String| Failure::new(Exit::Usage, wrong);
    let settled = settle(args, &mut somebody, teller.page.now);
    let Asked { mut query, why } = settled.map_err(asked)?;
    query.dry_run = true;
    let look = Request::post("/api/devices/add", &query);
    let looked = teller.client.ask(look).await;
    if matches!(
        (&looked, &somebody),
        (Err(ClientError::Refused(_)), Somebody::Person)
    ) {
        let again = visible(&command(&query));
        Somebody::tell(&format!(
            "\nto mend one answer and say it again:\n{again}\n"
        ));
    }
    let answer: serde_json::Value = looked?;
    let looked: DeviceMade = read(&answer)?;
    if !is_said {
        let shown = teller.page.would_be(&looked.device, why);
        match somebody {
            Somebody::Nobody => {
                return teller.print(&answer, |_, _: &DeviceMade| {
                    format!("{shown}\nnothing was made: --yes makes it\n")
                });
            }
            Somebody::Person => {
                // Programs read stdout.
                Somebody::tell(&shown);
                if somebody.yes_or_no("Make it?").map_err(asked)? == YesNo::No {
                    return Err(Failure::new(Exit::Failed, "nothing was made"));
                }
            }
        }
    }
    query.dry_run = false;
    let request = Request::post("/api/devices/add", &query);
    let answer: serde_json::Value = teller.client.ask(request).await?;
    teller.print(&answer, |_, it: &DeviceMade| made(it))
}

impl Page {
    /// `device list`.
    fn devices(self, devices: &[DeviceView]) -> String {
        if devices.is_empty() {
            return "no devices: `tideover device add NAME` makes one; docs/devices.md\n"
                .to_owned();
        }
        let head = [
            "NAME",
            "WAY",
            "STATE",
            "TODAY",
            "SEEN",
            "LAST SENDER",
            "ENDS",
        ];
        let mut table = Table::new(&head, &[5, 0]);
        for one in devices {
            table.row([
                one.name.as_str().into(),
                one.way.as_str().into(),
                state(one.state),
                day(one).into(),
                self.when(one.last_seen).into(),
                one.last_sender.clone().unwrap_or_default().into(),
                self.when(one.expires).into(),
            ]);
        }
        table.render(self.palette)
    }

    /// `device show`, `device renew`.
    fn device(self, one: &DeviceView) -> String {
        let mut text = self.field("device", &one.name);
        text += &self.field("state", one.state.as_str());
        text += &self.what_it_may(one);
        text += &self.field("last seen", &self.when(one.last_seen));
        if let Some(sender) = &one.last_sender {
            let sender = if sender.is_empty() { "<>" } else { sender };
            text += &self.field("last sender", sender);
        }
        if let Some(refusal) = &one.last_refusal {
            let at = moment(refusal.at, self.now);
            text += &self.field("refused", &format!("{at}: {}", refusal.reply));
        }
        let by = format!("{} by {}", moment(one.made, self.now), one.by);
        text += &self.field("made", &by);
        text += &self.field("what for", &one.reason);
        text
    }

    fn what_it_may(self, one: &DeviceView) -> String {
        let way = match one.way {
            Way::Login => "login: with its name and its password, over TLS",
            Way::Internal => "internal: by its address, to our own people only",
            Way::Listed => "listed: by its address, to our own people and those on its list",
        };
        let mut text = self.field("way", way);
        if !one.networks.is_empty() {
            text += &self.field("comes from", &one.networks.join(", "));
        }
        text += &self.field("writes as", &joined(&one.senders));
        if !one.recipients.is_empty() {
            text += &self.field("sends to", &joined(&one.recipients));
        }
        let today = match one.daily_recipients {
            Some(most) => format!("{} of {most} recipients, days end at 00:00 UTC", one.today),
            None => format!(
                "{} recipients, without a limit: --daily sets one",
                one.today
            ),
        };
        text += &self.field("today", &today);
        text + &self.field("ends", &self.when(one.expires))
    }

    /// `device add`, before it is done.
    fn would_be(self, one: &DeviceView, why: &str) -> String {
        let head = format!("{} would be a device, {why}:\n\n", visible(&one.name));
        folded(&head) + &self.what_it_may(one)
    }

    fn when(self, at: Option<Timestamp>) -> String {
        at.map_or_else(|| "never".to_owned(), |at| moment(at, self.now))
    }
}

/// `device add`, `device password`.
fn made(it: &DeviceMade) -> String {
    let one = &it.device;
    if let Some(password) = &it.password {
        return folded(&format!(
            "{0} logs in on port 587 with STARTTLS (or 465 with TLS, or 25 where the listener has \
             auth = true) as\n\n  name      {0}\n  \
             password  {password}\n\nthe password is not shown again; `tideover device password \
             {0}` makes another one\n",
            visible(&one.name)
        ));
    }
    folded(&format!(
        "{} is a device now: enter this server and its port as the mail server, without a \
         password; `tideover device show {0}` tells what it does\n",
        visible(&one.name)
    ))
}

fn state(state: DeviceState) -> Cell {
    let tone = match state {
        DeviceState::Active => Tone::Good,
        DeviceState::Full => Tone::Waiting,
        DeviceState::Expired => Tone::Bad,
    };
    Cell::toned(state.as_str(), tone)
}

fn day(one: &DeviceView) -> String {
    match one.daily_recipients {
        Some(most) => format!("{}/{most}", one.today),
        None => one.today.to_string(),
    }
}

fn joined(rules: &[AddressRule]) -> String {
    let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
    rules.join(", ")
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
