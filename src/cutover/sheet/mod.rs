//! Setup sheets: what the administrator of a platform has to do so that it works behind this
//! server, filled with the values of this installation.
//!
//! Pure: facts in, steps out. What is typed into a shell is quoted for that shell (`quote.rs`).

mod exchange;
mod exchange_online;
mod google;
mod postfix;
mod quote;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde::Serialize;

use super::platform::{Known, Platform};

/// The kinds of platforms that there are sheets for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SheetKind {
    /// Exchange Online, a tenant of Microsoft 365.
    ExchangeOnline,
    /// Google Workspace.
    Google,
    /// Exchange Server on own machines.
    Exchange,
    /// Postfix.
    Postfix,
}

impl SheetKind {
    /// Is this backend probably of the kind, by the names of its hosts?
    #[must_use]
    pub fn fits(self, platform: &Platform) -> bool {
        match self {
            Self::ExchangeOnline => platform.known() == Some(Known::ExchangeOnline),
            Self::Google => platform.known() == Some(Known::Google),
            Self::Exchange | Self::Postfix => platform.known().is_none(),
        }
    }
}

/// What a sheet is filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `server.hostname`.
    pub hostname: String,
    /// The addresses from which the platform sees us; empty: not known.
    pub addresses: Vec<IpAddr>,
    /// Ports of the doors for mail from the Internet, with their addresses.
    pub doors: Vec<String>,
    /// `[backend.NAME]`.
    pub backend: String,
    /// What users call it.
    pub title: String,
    /// Where it is, with ports.
    pub hosts: Vec<String>,
    /// `backend.NAME.tls`.
    pub tls: Tls,
    /// `backend.NAME.client_certificate`.
    pub certificate: Certificate,
    /// `backend.NAME.max_connections`.
    pub max_connections: usize,
    /// `auth.seal`: in whose name ARC is sealed.
    pub sealer: Option<String>,
    /// Domains whose people may live there.
    pub domains: Vec<DomainFacts>,
}

/// How the way to the platform is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Perhaps not at all.
    Weak,
    /// Always encrypted.
    Always,
}

/// What we show to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing.
    None,
    /// One that is good for `server.hostname`.
    Hostname,
    /// One that is good for another name.
    Other,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainFacts {
    /// Its name.
    pub name: String,
    /// Is the platform its home, for those whom the directory does not name?
    pub home: bool,
    /// Are those relayed to the home?
    pub relays_unknown: bool,
}

/// A sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// Of which kind.
    pub platform: SheetKind,
    /// For which backend.
    pub backend: String,
    /// What has to be done, in order.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What it is for.
    pub title: String,
    /// Where: a shell, a page of a console, a firewall.
    pub place: String,
    /// To be typed, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// What to know before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Step {
    fn new(title: &str, place: &str) -> Self {
        Self {
            title: title.to_owned(),
            place: place.to_owned(),
            commands: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn run(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Stands where nobody knows the address: no command takes it for one.
const UNKNOWN: &str = "PUBLIC-ADDRESS";

impl Facts {
    /// The addresses as texts, those that `wanted` takes.
    fn addresses(&self, wanted: fn(&IpAddr) -> bool) -> Vec<String> {
        if self.addresses.is_empty() {
            return vec![UNKNOWN.to_owned()];
        }
        let wanted = self.addresses.iter().filter(|it| wanted(it));
        wanted.map(ToString::to_string).collect()
    }

    fn all_addresses(&self) -> Vec<String> {
        self.addresses(|_| true)
    }
}

/// The sheet of a platform.
#[must_use]
pub fn sheet(kind: SheetKind, facts: &Facts) -> Sheet {
    let mut steps = match kind {
        SheetKind::ExchangeOnline => exchange_online::steps(facts),
        SheetKind::Google => google::steps(facts),
        SheetKind::Exchange => exchange::steps(facts),
        SheetKind::Postfix => postfix::steps(facts),
    };
    steps.insert(0, before(facts));
    steps.push(after(facts));
    Sheet {
        platform: kind,
        backend: facts.backend.clone(),
        steps,
    }
}

/// What holds for every platform.
fn before(facts: &Facts) -> Step {
    let addresses = facts.all_addresses().join(", ");
    let mut step = Step::new("Names, ports, firewall", "DNS, provider, firewall")
        .note(format!(
            "{} has an A (and AAAA) record with {addresses}, and each of them is named {} \
             (PTR)",
            facts.hostname, facts.hostname
        ))
        .note(format!(
            "from the Internet, port 25 of {addresses} leads to {}",
            facts.doors.join(", ")
        ))
        .note(format!(
            "from this server, TCP is open to {}",
            facts.hosts.join(", ")
        ));
    if facts.addresses.is_empty() {
        step = step.note(format!(
            "the public address of this server is not known: say --address, or put it where \
             {UNKNOWN} stands"
        ));
    }
    step
}

fn after(facts: &Facts) -> Step {
    let backend = &facts.backend;
    let domain = facts.domains.first();
    let domain = domain.map_or("example.org", |it| it.name.as_str());
    Step::new("Look whether it works", "here")
        .run(format!("tideover backend probe {backend}"))
        .run("tideover check --online")
        .run(format!("tideover explain postmaster@{domain}"))
        .note("the steps marked \"after the cutover\" only when no mail goes around this server")
}

/// What the config should say of the limits of a platform in the cloud, which shuts out who sends
/// more.
fn own_limits(facts: &Facts, limits: &[(&str, u32)], note: &str) -> Step {
    let place = format!(
        "[backend.{}] in the config of this server, then `tideover reload`",
        facts.backend
    );
    let step = Step::new("No more than the platform takes", &place).note(note);
    let lines = limits.iter();
    lines.fold(step, |step, (key, number)| {
        step.run(format!("{key} = {number}"))
    })
}

/// Notes about our own side that a sheet for a platform in the cloud needs.
fn own_side(facts: &Facts) -> Vec<String> {
    let backend = &facts.backend;
    let mut notes = Vec::new();
    if facts.tls == Tls::Weak {
        notes.push(format!(
            "[backend.{backend}] tls must be \"required\" or \"verified\": the platform refuses \
             mail that is not encrypted"
        ));
    }
    for domain in facts
        .domains
        .iter()
        .filter(|it| it.home && it.relays_unknown)
    {
        notes.push(format!(
            "[domain.\"{}\"] relays whom the directory does not name to {backend}, which sends \
             whom it does not know back: unknown = \"reject\" or \"verify\" ends the circle",
            domain.name
        ));
    }
    notes
}
