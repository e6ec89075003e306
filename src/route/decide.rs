//! Where does mail for this recipient go now? Pure, total, and it says why.

use std::ops::ControlFlow;

use super::refusals::{NO_RELAY, NO_SUCH_USER, NOT_KNOWN_YET};
use super::selection::Subject;
use super::{Decision, Explanation, HoldBook, Mail, Origin, OutboundRelay, RouteOptions};
use crate::backend::{BackendHealth, Health, Healths};
use crate::base::Timestamp;
use crate::directory::{
    Directory, DomainKind, DomainRule, Entry, EntryKind, Lookup, Unknown, Verified,
};
use crate::limits;
use crate::mail::{BackendId, DeliveryTarget, HoldReason};
use crate::smtp::{Mailbox, Reply};

/// How the reason begins when delivery addresses lead back to each other.
pub(super) const CIRCLE: &str = "the delivery addresses go in a circle";

/// Everything that a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// People and domains.
    pub directory: &'a Directory,
    /// How the backends are.
    pub healths: &'a Healths,
    /// What operators said about mail that is to wait.
    pub holds: &'a HoldBook,
    /// The mail, when it is about one that was accepted.
    pub mail: Option<&'a Mail<'a>>,
    /// What the config says.
    pub options: &'a RouteOptions,
    /// Whether the mail may go to strangers.
    pub origin: Origin,
    /// Whether the steps are wanted.
    pub telling: Telling,
    /// When the mail was accepted; `None`: it comes now.
    pub accepted: Option<Timestamp>,
    /// Groups of homes that are down since before then are expanded; `None`: no group is.
    pub groups: Option<Timestamp>,
    /// What homes said of whom the directory does not name, and the time; `None`: nobody was asked.
    pub words: Option<(&'a Verified, Timestamp)>,
}

/// Is the decision to be explained to people? That costs more than the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// With its steps.
    Steps,
    /// Without.
    Decision,
}

/// Decides for one recipient.
#[must_use]
pub fn decide(recipient: &Mailbox, view: &View<'_>) -> Explanation {
    let mut walk = Walk {
        view,
        home: None,
        mailbox: None,
        steps: Vec::new(),
    };
    let mut address = recipient.clone();
    let mut seen = vec![address.key()];
    let mut origin = view.origin;
    let decision = loop {
        match walk.step(&address, origin) {
            ControlFlow::Break(decision) => break decision,
            ControlFlow::Continue(next) => {
                let key = next.key();
                if seen.contains(&key) || seen.len() >= limits::DELIVERY_ADDRESS_STEPS {
                    break walk.hold(None, looped(&seen, &next));
                }
                seen.push(key);
                // From here on it is the directory that says where mail goes.
                origin = Origin::Trusted;
                address = next;
            }
        }
    };
    let lane = walk.home.as_ref().map_or_else(
        || format!("@{}", address.domain().key()),
        |home| home.as_str().to_owned(),
    );
    let withheld = walk.withhold(recipient, &seen, &decision);
    Explanation {
        decision: match &withheld {
            Some(reason) => walk.hold(None, reason.to_string()),
            None => decision,
        },
        home: walk.home,
        lane,
        mailbox: walk.mailbox,
        withheld,
        steps: walk.steps,
    }
}

fn looped(seen: &[String], next: &Mailbox) -> String {
    format!("{CIRCLE}: {} -> {next}", seen.join(" -> "))
}

/// One address leads to a decision or to the next address.
type Step = ControlFlow<Decision, Mailbox>;

pub(super) struct Walk<'a> {
    pub(super) view: &'a View<'a>,
    home: Option<BackendId>,
    mailbox: Option<String>,
    pub(super) steps: Vec<String>,
}

/// Where mail of one address would go, whatever the health.
pub(super) struct Way<'a> {
    home: &'a BackendId,
    /// Backends that may take it meanwhile.
    failover: &'a [BackendId],
    pub(super) entry: Option<&'a Entry>,
    address: &'a Mailbox,
}

impl<'a> Walk<'a> {
    pub(super) fn say(&mut self, step: impl FnOnce() -> String) {
        if self.view.telling == Telling::Steps {
            self.steps.push(step());
        }
    }

    /// What operators said: it beats everything, except that nobody is taken in by it.
    fn withhold(
        &mut self,
        recipient: &Mailbox,
        seen: &[String],
        decision: &Decision,
    ) -> Option<HoldReason> {
        let (book, mail) = (self.view.holds, self.view.mail);
        if book.is_empty() {
            return None;
        }
        let mut way: Vec<String> = seen.iter().filter_map(|key| domain_of(key)).collect();
        match decision {
            Decision::Reject(_) if mail.is_none() => return None,
            Decision::Reject(_) | Decision::Hold { .. } | Decision::Expand { .. } => {}
            Decision::Relay { address, .. } => way.push(address.domain().key()),
        }
        let subject = Subject {
            message: mail.map(|mail| mail.id),
            from: mail.map(|mail| mail.from),
            address: recipient,
            mailbox: self.mailbox.as_deref(),
            home: self.home.as_ref(),
            exempt: mail.and_then(|mail| mail.exempt),
        };
        let way: Vec<&str> = way.iter().map(String::as_str).collect();
        let withheld = book.withhold(&subject, &way);
        if mail.is_none() && self.view.telling == Telling::Steps {
            for rule in book.might_withhold(&subject) {
                self.steps.push(format!(
                    "hold {} would hold some of its mail: {}",
                    rule.name, rule.selection
                ));
            }
        }
        withheld
    }

    fn hold(&mut self, backend: Option<BackendId>, reason: String) -> Decision {
        self.say(|| format!("hold: {reason}"));
        Decision::Hold { backend, reason }
    }

    fn step(&mut self, address: &Mailbox, origin: Origin) -> Step {
        if let Some(decision) = self.drill(address) {
            return ControlFlow::Break(decision);
        }
        if let Some(refused) = self.routed(address, origin) {
            return ControlFlow::Break(refused);
        }
        match self.view.directory.lookup(address) {
            Lookup::Known {
                entry,
                domain: Some(rule),
            } => {
                self.say(|| format!("{address} is {} of the directory", named(&entry, address)));
                self.mailbox.get_or_insert_with(|| entry.address.key());
                self.known(&entry, &rule, address)
            }
            Lookup::Unknown(rule) => self.unknown(&rule, address),
            Lookup::Stranger if self.is_our_postmaster(address) => self.postmaster(address, None),
            // I11: an alias in a foreign domain opens no way for strangers.
            Lookup::Stranger | Lookup::Known { domain: None, .. } if origin == Origin::Internet => {
                self.say(|| {
                    format!(
                        "{} is not one of our domains: reject mail from the Internet",
                        address.domain()
                    )
                });
                ControlFlow::Break(Decision::Reject(NO_RELAY))
            }
            Lookup::Known {
                entry,
                domain: None,
            } => self.known_elsewhere(&entry, address),
            Lookup::Stranger => {
                // I11. Behind an address of ours it may go there from anywhere.
                let who = match self.steps.len() {
                    0 => ": for who logs in or is trusted; mail from the Internet is refused",
                    _ => "",
                };
                self.say(|| format!("{} is not one of our domains{who}", address.domain()));
                ControlFlow::Break(self.outbound(address))
            }
        }
    }

    /// An entry, in one of our domains.
    fn known(&mut self, entry: &Entry, rule: &DomainRule, address: &Mailbox) -> Step {
        let home = match (&entry.home, forward(entry)) {
            (Some(home), _) => {
                self.say(|| format!("its home is {home}"));
                home
            }
            (None, Some(next)) => {
                self.say(|| format!("a {} without a home: {next} gets its mail", entry.kind));
                return ControlFlow::Continue(next.clone());
            }
            (None, None) => {
                let home = self.home_of(rule);
                self.say(|| format!("its home is {home}, the home of {}", rule.name));
                home
            }
        };
        let way = Way {
            home,
            failover: &rule.failover,
            entry: Some(entry),
            address,
        };
        ControlFlow::Break(self.deliver(&way))
    }

    /// An entry that an address of a foreign domain names: an alias at the tenant, a contact.
    fn known_elsewhere(&mut self, entry: &Entry, address: &Mailbox) -> Step {
        let Some(home) = &entry.home else {
            self.say(|| {
                format!(
                    "{address} is {} of the directory without a home, {} is not one of our domains",
                    named(entry, address),
                    address.domain()
                )
            });
            return ControlFlow::Break(self.outbound(address));
        };
        self.say(|| format!("{address} is {} of the directory", named(entry, address)));
        self.say(|| format!("its home is {home}"));
        self.mailbox.get_or_insert_with(|| entry.address.key());
        let way = Way {
            home,
            failover: &[],
            entry: Some(entry),
            address,
        };
        ControlFlow::Break(self.deliver(&way))
    }

    /// One of our domains, and nobody of that name.
    fn unknown(&mut self, rule: &DomainRule, address: &Mailbox) -> Step {
        if address.is_postmaster() {
            return self.postmaster(address, Some(rule));
        }
        self.say(|| format!("{address} is not in the directory"));
        let takes = match (rule.kind, rule.unknown) {
            (DomainKind::Authoritative, _) => {
                self.say(|| format!("{} is authoritative: nobody else exists", rule.name));
                false
            }
            (_, Unknown::Verify) => match self.verified(rule, address) {
                None => true,
                Some(refusal) => return ControlFlow::Break(Decision::Reject(refusal)),
            },
            (DomainKind::ExternalRelay, _) => {
                self.say(|| format!("{} is an external relay domain", rule.name));
                true
            }
            (DomainKind::InternalRelay, Unknown::Relay) => {
                self.say(|| format!("{} relays unknown recipients to its home", rule.name));
                true
            }
            (DomainKind::InternalRelay, Unknown::Reject) => {
                self.say(|| format!("{} rejects unknown recipients", rule.name));
                false
            }
        };
        if !takes {
            return ControlFlow::Break(Decision::Reject(self.no_such_user(rule)));
        }
        self.mailbox.get_or_insert_with(|| address.key());
        let home = self.home_of(rule);
        self.say(|| format!("its home is {home}, the home of {}", rule.name));
        ControlFlow::Break(self.deliver(&Way {
            home,
            failover: &rule.failover,
            entry: None,
            address,
        }))
    }

    /// Nobody is told that he does not exist by a directory that knows nobody.
    fn no_such_user(&mut self, rule: &DomainRule) -> Reply {
        if self.view.directory.knows_all_of(rule) {
            return NO_SUCH_USER;
        }
        self.say(|| {
            format!(
                "the directory does not know yet who exists in {}",
                rule.name
            )
        });
        NOT_KNOWN_YET
    }

    /// The home of a domain: what a finished move gave it, else what the config says.
    pub(super) fn home_of<'r>(&self, rule: &'r DomainRule) -> &'r BackendId
    where
        'a: 'r,
    {
        self.view.holds.home(&rule.name).unwrap_or(&rule.home)
    }

    fn is_our_postmaster(&self, address: &Mailbox) -> bool {
        let hostname = self.view.options.hostname.as_ref();
        address.is_postmaster()
            && hostname.is_some_and(|hostname| hostname.key() == address.domain().key())
    }

    /// RFC 5321 §4.5.1: mail for postmaster is always taken.
    fn postmaster(&mut self, address: &Mailbox, rule: Option<&DomainRule>) -> Step {
        if let Some(postmaster) = &self.view.options.postmaster
            && postmaster.key() != address.key()
        {
            self.say(|| format!("{address} is always taken: {postmaster} gets its mail"));
            return ControlFlow::Continue(postmaster.clone());
        }
        let first = self.view.directory.domains().next().cloned();
        let Some(rule) = rule.or(first.as_deref()) else {
            let reason = "no domain is configured, and server.postmaster names nobody";
            return ControlFlow::Break(self.hold(None, reason.to_owned()));
        };
        let ours = format!("postmaster@{}", rule.name).parse();
        let address = ours.unwrap_or_else(|_| address.clone());
        let home = self.home_of(rule);
        self.say(|| {
            format!(
                "{address} is always taken: {home}, the home of {}, gets its mail",
                rule.name
            )
        });
        self.mailbox.get_or_insert_with(|| address.key());
        ControlFlow::Break(self.deliver(&Way {
            home,
            failover: &rule.failover,
            entry: None,
            address: &address,
        }))
    }

    fn deliver(&mut self, way: &Way<'_>) -> Decision {
        let home = way.home;
        self.home.get_or_insert_with(|| home.clone());
        let Some(health) = self.view.healths.get(home) else {
            return self.hold(None, format!("the config has no backend {home}"));
        };
        self.say(|| said(health));
        if health.takes_mail_of(self.view.accepted) {
            return self.relay(way, home, None);
        }
        // Decision 7: another backend gets the mail only if the config says so; because of replies
        // only if it says that, too.
        let also_rejecting = &self.view.options.failover_when_rejecting;
        let may_fail_over = match health.health {
            Health::Down => !health.remembered,
            Health::Rejecting => also_rejecting.contains(home),
            Health::Up | Health::Slow => false,
        };
        if may_fail_over {
            for other in way.failover.iter().filter(|other| *other != home) {
                let Some(health) = self.view.healths.get(other) else {
                    continue;
                };
                self.say(|| format!("{other} may take its mail meanwhile; {}", said(health)));
                if health.takes_mail_of(self.view.accepted) {
                    return self.relay(way, other, Some(home.clone()));
                }
            }
        }
        if let Some(decision) = self.expand(way, health) {
            return decision;
        }
        self.hold(Some(home.clone()), health.to_string())
    }

    fn relay(&mut self, way: &Way<'_>, to: &BackendId, from: Option<BackendId>) -> Decision {
        let address = way.entry.and_then(|entry| {
            let special = entry.delivery_addresses.get(to);
            let special = special.or(entry.delivery_address.as_ref()).cloned();
            special.or_else(|| self.view.directory.known_as(entry, way.address))
        });
        let address = address.unwrap_or_else(|| way.address.simplest());
        self.say(|| match &from {
            None => format!("deliver to {to} as {address}"),
            Some(home) => format!("deliver to {to} as {address}, diverted from {home}"),
        });
        Decision::Relay {
            targets: vec![DeliveryTarget::Backend(to.clone())],
            address,
            diverted_from: from,
        }
    }

    /// To a stranger, through `[outbound] relay`.
    fn outbound(&mut self, address: &Mailbox) -> Decision {
        let mut targets = Vec::new();
        let mut waits_for: Option<&BackendHealth> = None;
        for relay in &self.view.options.relay {
            let target = match relay {
                OutboundRelay::Mx => DeliveryTarget::Domain(address.domain().key()),
                OutboundRelay::Host(host) => DeliveryTarget::Relay(host.clone()),
                OutboundRelay::Backend(backend) => match self.view.healths.get(backend) {
                    Some(health) if health.takes_mail() => DeliveryTarget::Backend(backend.clone()),
                    Some(health) => {
                        self.say(|| format!("not through {backend}: {}", said(health)));
                        waits_for = waits_for.or(Some(health));
                        continue;
                    }
                    None => continue,
                },
            };
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if !targets.is_empty() {
            let names: Vec<_> = targets.iter().map(way_out).collect();
            self.say(|| format!("deliver {address} to {}", names.join(", then to ")));
            return Decision::Relay {
                targets,
                address: address.clone(),
                diverted_from: None,
            };
        }
        match waits_for {
            Some(health) => self.hold(Some(health.id.clone()), health.to_string()),
            None => self.hold(None, "outbound.relay names no way to strangers".to_owned()),
        }
    }
}

fn domain_of(key: &str) -> Option<String> {
    key.rsplit_once('@').map(|(_, domain)| domain.to_owned())
}

/// Where mail goes that has no home: to a user or a contact outside.
fn forward(entry: &Entry) -> Option<&Mailbox> {
    match entry.kind {
        EntryKind::User | EntryKind::Contact => entry.delivery_address.as_ref(),
        EntryKind::Mailbox | EntryKind::Group | EntryKind::Resource => None,
    }
}

fn named(entry: &Entry, address: &Mailbox) -> String {
    if entry.address.key() == address.key() {
        format!("a {}", entry.kind)
    } else {
        format!("the {} {}", entry.kind, entry.address)
    }
}

fn said(health: &BackendHealth) -> String {
    if health.health == Health::Up {
        format!("{} is up", health.id)
    } else {
        health.to_string()
    }
}

fn way_out(target: &DeliveryTarget) -> String {
    if let DeliveryTarget::Domain(domain) = target {
        return format!("the mail exchangers of {domain}");
    }
    target.to_string()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
