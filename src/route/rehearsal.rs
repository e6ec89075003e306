//! Real envelopes of the past through a directory of the future: what would change, fail, go in
//! circles, and how long a day of it takes to drain. Pure, but for what the present holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decide::CIRCLE;
use super::rehearsal_report::{Becomes, Finding, Flow, Load, RehearsalReport, Report};
use super::{Decision, HoldBook, Origin, RouteOptions, Router, Telling, View, decide};
use crate::backend::{BackendOptions, Health, Healths};
use crate::base::Timestamp;
use crate::directory::{Directory, Verified};
use crate::mail::{BackendId, DeliveryTarget, HoldReason, RecipientState};
use crate::smtp::Mailbox;
use crate::spool::StoredMessage;

/// Compares two directories by mail that really came. Every platform counts as up: it is about
/// routes, and today's outage says nothing of tomorrow.
pub struct Rehearsal<'a> {
    today: Arc<Directory>,
    tomorrow: &'a Directory,
    healths: Healths,
    book: Arc<HoldBook>,
    options: Arc<RouteOptions>,
    words: Option<(&'a Verified, Timestamp)>,
    limits: BTreeMap<BackendId, &'a BackendOptions>,
    messages: u64,
    people: BTreeMap<String, Person>,
    loads: BTreeMap<BackendId, Lane>,
}

/// What becomes of mail for one address.
struct Person {
    address: String,
    now: Place,
    then: Place,
    recipients: u64,
    /// Known today, and then only for the grace time.
    departs: bool,
    /// Platforms that sent mail for it back to us.
    gave_back: BTreeSet<BackendId>,
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// There, under this address.
    Goes { to: String, as_: String },
    /// A rule or a move holds it.
    Waits(String),
    /// Nobody takes it, or no way is known.
    Fails(String),
    /// It would come back.
    Circles(String),
}

/// What a backend would get.
#[derive(Default)]
struct Lane {
    recipients: u64,
    messages: u64,
    mailboxes: BTreeMap<String, u64>,
    pairs: BTreeMap<(String, String), u64>,
}

impl Router {
    /// A rehearsal with the present holds, moves and options. `backends`: what the config says of
    /// them.
    #[must_use]
    pub fn rehearse<'a>(
        &'a self,
        tomorrow: &'a Directory,
        backends: &'a [BackendOptions],
    ) -> Rehearsal<'a> {
        let mut healths = (*self.board().healths()).clone();
        for health in healths.values_mut() {
            (health.health, health.operator) = (Health::Up, None);
        }
        let by_name = |one: &'a BackendOptions| (one.id.clone(), one);
        Rehearsal {
            today: self.directory().current(),
            tomorrow,
            healths,
            book: self.holds().book(),
            options: self.options(),
            words: self.words(),
            limits: backends.iter().map(by_name).collect(),
            messages: 0,
            people: BTreeMap::new(),
            loads: BTreeMap::new(),
        }
    }
}

impl Rehearsal<'_> {
    /// Lets one message of the past go through it.
    pub fn note(&mut self, message: &StoredMessage) {
        let recipients = &message.envelope.recipients;
        // A file that a user put to a draft goes to nobody.
        if recipients.is_empty() {
            return;
        }
        self.messages += 1;
        let sender = message.envelope.from.mailbox();
        let sender = sender.map(Mailbox::key).unwrap_or_default();
        let mut reached = BTreeSet::new();
        for (number, recipient) in recipients.iter().enumerate() {
            let key = recipient.address.key();
            let mut person = match self.people.remove(&key) {
                Some(person) => person,
                None => self.person(&recipient.address),
            };
            person.recipients += 1;
            if let Some(RecipientState::Held {
                reason: HoldReason::Loop { given_to, .. },
                ..
            }) = message.states.get(number)
            {
                person.gave_back.insert(given_to.clone());
            }
            if let Place::Goes { to, as_ } = &person.then
                && let Some((id, _)) = self.limits.get_key_value(&BackendId::new(to))
            {
                let lane = self.loads.entry(id.clone()).or_default();
                lane.recipients += 1;
                *lane.mailboxes.entry(as_.clone()).or_default() += 1;
                let pair = (sender.clone(), as_.clone());
                *lane.pairs.entry(pair).or_default() += 1;
                reached.insert(id.clone());
            }
            self.people.insert(key, person);
        }
        for backend in reached {
            self.loads.entry(backend).or_default().messages += 1;
        }
    }

    fn person(&self, address: &Mailbox) -> Person {
        Person {
            address: address.to_string(),
            now: self.place(&self.today, address),
            then: self.place(self.tomorrow, address),
            recipients: 0,
            departs: has_departed(self.tomorrow, address) && !has_departed(&self.today, address),
            gave_back: BTreeSet::new(),
        }
    }

    fn place(&self, directory: &Directory, recipient: &Mailbox) -> Place {
        let (place, next) = self.look(directory, recipient);
        let (Place::Goes { to, .. }, Some((backend, address))) = (&place, next) else {
            return place;
        };
        if address.key() == recipient.key() {
            return place;
        }
        // The platform looks where this address lives, and so do we.
        match self.look(directory, &address) {
            (_, Some((other, _))) if other != backend => Place::Circles(format!(
                "{to} gets it as {address}, whose home is {other}: it would come back"
            )),
            _ => place,
        }
    }

    /// Where a directory sends it; the backend and the address when it is one.
    fn look(
        &self,
        directory: &Directory,
        address: &Mailbox,
    ) -> (Place, Option<(BackendId, Mailbox)>) {
        let view = View {
            directory,
            healths: &self.healths,
            holds: &self.book,
            mail: None,
            options: &self.options,
            // It was accepted once.
            origin: Origin::Trusted,
            telling: Telling::Decision,
            accepted: None,
            groups: None,
            words: self.words,
        };
        let explained = decide(address, &view);
        if let Some(reason) = explained.withheld {
            return (Place::Waits(reason.to_string()), None);
        }
        match explained.decision {
            Decision::Relay {
                targets, address, ..
            } => {
                let backend = match targets.first() {
                    Some(DeliveryTarget::Backend(backend)) => Some(backend.clone()),
                    Some(
                        DeliveryTarget::Domain(_)
                        | DeliveryTarget::Lenient(_)
                        | DeliveryTarget::Relay(_),
                    )
                    | None => None,
                };
                // Strangers are one place: it is about our platforms.
                let name = backend.as_ref().filter(|_| explained.home.is_some());
                let to = name.map_or_else(|| "outside".to_owned(), ToString::to_string);
                let as_ = address.to_string();
                let next = name.cloned().map(|backend| (backend, address));
                (Place::Goes { to, as_ }, next)
            }
            Decision::Hold { reason, .. } if reason.starts_with(CIRCLE) => {
                (Place::Circles(reason), None)
            }
            Decision::Hold { reason, .. } | Decision::Expand { reason, .. } => {
                (Place::Fails(reason), None)
            }
            Decision::Reject(reply) => (Place::Fails(reply.to_string()), None),
        }
    }

    /// What came of it.
    #[must_use]
    pub fn finish(self) -> RehearsalReport {
        let mut report = Report::default();
        for person in self.people.values() {
            let (becomes, what) = person.verdict();
            report.add(Finding {
                address: person.address.clone(),
                becomes,
                recipients: person.recipients,
                from: person.now.name(),
                to: person.then.name(),
                what,
            });
        }
        let mut now: BTreeMap<String, u64> = BTreeMap::new();
        for person in self.people.values() {
            *now.entry(person.now.name()).or_default() += person.recipients;
        }
        let loads = self.limits.iter().map(|(id, limits)| {
            let empty = Lane::default();
            let lane = self.loads.get(id).unwrap_or(&empty);
            let now = now.get(id.as_str()).copied().unwrap_or_default();
            lane.load(limits, now)
        });
        report.finish(self.messages, loads.collect())
    }
}

fn has_departed(directory: &Directory, address: &Mailbox) -> bool {
    let found = directory.find(address);
    found.is_some_and(|(entry, _)| entry.departed.is_some())
}

impl Person {
    fn verdict(&self) -> (Becomes, String) {
        match (&self.now, &self.then) {
            (_, Place::Circles(why)) => (Becomes::Loops, why.clone()),
            (_, Place::Fails(why)) => (Becomes::Fails, why.clone()),
            (_, Place::Goes { to, .. })
                if self.gave_back.iter().any(|gave| gave.as_str() == to) =>
            {
                let why = format!("{to} sent such mail back, and would get it again");
                (Becomes::Loops, why)
            }
            (Place::Waits(_), Place::Waits(_)) => (Becomes::Same, String::new()),
            (_, Place::Waits(why)) => (Becomes::Waits, why.clone()),
            (Place::Fails(why) | Place::Circles(why) | Place::Waits(why), Place::Goes { .. }) => {
                (Becomes::Mended, format!("today: {why}"))
            }
            _ if self.departs => {
                let why = "no source would know it: its route lives on for directory.grace only";
                (Becomes::Departs, why.to_owned())
            }
            (now, then) if now == then => (Becomes::Same, String::new()),
            (Place::Goes { to: old, as_: was }, Place::Goes { to, as_ }) => {
                let kind = if old == to {
                    Becomes::Readdressed
                } else {
                    Becomes::Rerouted
                };
                let what = if was == as_ {
                    String::new()
                } else {
                    format!("as {as_} instead of {was}")
                };
                (kind, what)
            }
        }
    }
}

impl Place {
    /// A word for tables.
    fn name(&self) -> String {
        match self {
            Self::Goes { to, .. } => to.clone(),
            Self::Waits(_) => "held".to_owned(),
            Self::Fails(_) => "nobody".to_owned(),
            Self::Circles(_) => "a circle".to_owned(),
        }
    }
}

impl Lane {
    /// What a backend gets, and how long that takes when all of it has waited.
    fn load(&self, options: &BackendOptions, now: u64) -> Load {
        let whole = seconds(self.messages, options.messages_per_minute, 60);
        let (minute, hour) = (
            options.mailbox_messages_per_minute,
            options.mailbox_messages_per_hour,
        );
        let of = |count: u64, minute: u32, hour: u32| {
            seconds(count, minute, 60).max(seconds(count, hour, 3600))
        };
        let mailboxes = self.mailboxes.iter();
        let mailboxes =
            mailboxes.map(|(mailbox, count)| (of(*count, minute, hour), mailbox.clone()));
        // A sender has a third of a mailbox.
        let (third, third_of_hour) = (minute.div_ceil(3), hour.div_ceil(3));
        let pairs = self.pairs.iter().map(|((sender, mailbox), count)| {
            let who = format!("{sender} to {mailbox}");
            (of(*count, third, third_of_hour), who)
        });
        let slowest = mailboxes.chain(pairs).max_by_key(|(time, _)| *time);
        let slowest = slowest.filter(|(time, _)| time.is_some_and(|seconds| seconds > 0));
        let slowest_seconds = slowest.as_ref().and_then(|(time, _)| *time);
        Load {
            backend: options.id.clone(),
            now,
            then: self.recipients,
            messages: self.messages,
            drain_seconds: whole.max(slowest_seconds),
            slowest: slowest.map(|(_, who)| who),
        }
    }
}

/// How long so many take when `rate` may go in each `period` of seconds; `None`: no limit.
fn seconds(count: u64, rate: u32, period: u64) -> Option<u64> {
    let rate = u64::from(rate);
    (rate > 0).then(|| count.saturating_sub(1) / rate * period)
}

/// Flows between places, of the findings of a report.
pub(super) fn flow(flows: &mut BTreeMap<(String, String), Flow>, finding: &Finding) {
    let key = (finding.from.clone(), finding.to.clone());
    let flow = flows.entry(key).or_insert_with(|| Flow {
        from: finding.from.clone(),
        to: finding.to.clone(),
        recipients: 0,
        people: 0,
    });
    flow.recipients += finding.recipients;
    flow.people += 1;
}

#[cfg(test)]
#[path = "rehearsal_tests.rs"]
mod tests;
