//! Platforms that go up and down, answer badly, and write down what they got. They outlive the
//! program's crashes.

mod slowness;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideover::backend::asks_to_slow_down;
use tideover::base::{Boxed, Clock, TlsInfo};
use tideover::mail::{
    BackendId, Blame, Channel, Delivery, DeliveryTarget, Failure, Handover, Outcome, SpoolId,
    Transport, Unmarked,
};
use tideover::smtp::Reply;
use tokio::time::Instant;

use crate::bodies::{digest, read_all};
use crate::chance::Chance;
use crate::world::CONNECTIONS;

/// What is awaited before the end of a message.
type Marking<'a> = Boxed<'a, Result<(), Unmarked>>;

/// Of the troubles: it arrived, and the answer is lost.
const CUT: u64 = 3;

/// All platforms of a simulated world; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Platforms(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    chance: Chance,
    up: HashMap<BackendId, bool>,
    /// What arrived for each recipient of each message, and where.
    arrived: BTreeMap<(SpoolId, u16), Vec<Arrival>>,
    /// Recipients that are being delivered now (I4).
    under_way: BTreeMap<(SpoolId, u16), u32>,
    /// Percentage of attempts that a platform which is up answers with trouble.
    trouble: u64,
    /// What a platform says to everything, when it is not what it should be.
    refusals: HashMap<BackendId, Failure>,
    /// What every platform says to mail for these addresses.
    absent: HashMap<String, Failure>,
    /// So many of the next messages arrive, and the answer is lost.
    cuts: usize,
    /// What a platform says to every connection.
    turned_away: HashMap<BackendId, Failure>,
    /// What the policies of domains make of connections that must keep to them.
    policies: HashMap<BackendId, Failure>,
    /// Domains that take no mail at all (RFC 7505): found out before a connection.
    without_mail: Vec<BackendId>,
    /// What they make of the wish to be told of success.
    handover: Handover,
    /// Longest wait before an answer, in milliseconds.
    pace: u64,
    /// Addresses whose mail takes longer, and how long.
    slow: HashMap<String, Duration>,
    /// Who takes nothing and answers nothing behind the final dot.
    hanging: Vec<BackendId>,
    /// Every attempt, as the platforms see it.
    seen: Vec<Seen>,
    connections: HashMap<BackendId, usize>,
    /// All that happened, in lines; two runs of one seed have the same.
    story: Vec<String>,
    /// What must never happen, and did.
    broken: Vec<String>,
    clock: Option<Clock>,
}

/// A copy of a message that a platform has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) place: BackendId,
    /// Of all its bytes.
    pub(crate) digest: u64,
}

/// One recipient of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) backend: BackendId,
    pub(crate) id: SpoolId,
    pub(crate) sender: String,
    pub(crate) address: String,
    /// Connections that were open at that moment.
    pub(crate) connections: usize,
    pub(crate) taken: bool,
}

impl Platforms {
    pub(crate) fn new(names: &[&str], chance: Chance, trouble: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            chance,
            up: names
                .iter()
                .map(|name| (BackendId::new(name), true))
                .collect(),
            arrived: BTreeMap::new(),
            under_way: BTreeMap::new(),
            trouble,
            refusals: HashMap::new(),
            absent: HashMap::new(),
            cuts: 0,
            turned_away: HashMap::new(),
            policies: HashMap::new(),
            without_mail: Vec::new(),
            handover: Handover::Taken,
            pace: 200,
            slow: HashMap::new(),
            hanging: Vec::new(),
            seen: Vec::new(),
            connections: HashMap::new(),
            story: Vec::new(),
            broken: Vec::new(),
            clock: None,
        })))
    }

    /// From now on they tell their story by this clock.
    pub(crate) fn set_clock(&self, clock: Clock) {
        self.0.lock().unwrap().clock = Some(clock);
    }

    pub(crate) fn set_up(&self, name: &str, up: bool) {
        self.0.lock().unwrap().up.insert(BackendId::new(name), up);
    }

    /// Why this one refuses mail for an address, if it does.
    pub(crate) fn refusal(&self, backend: &BackendId, address: &str) -> Option<Failure> {
        let inner = self.0.lock().unwrap();
        let refusal = inner.refusals.get(backend);
        refusal.or_else(|| inner.absent.get(address)).cloned()
    }

    /// Whatever is for this address is refused like this from now on.
    pub(crate) fn refuse_address(&self, address: &str, failure: Failure) {
        let mut inner = self.0.lock().unwrap();
        inner.absent.insert(address.to_owned(), failure);
    }

    /// From now on it says this to every message, or takes them again.
    pub(crate) fn refuse(&self, name: &str, failure: Option<Failure>) {
        let mut inner = self.0.lock().unwrap();
        let id = BackendId::new(name);
        match failure {
            Some(failure) => inner.refusals.insert(id, failure),
            None => inner.refusals.remove(&id),
        };
    }

    /// The connections of so many of the next messages are cut after they have arrived.
    pub(crate) fn cut_after_the_dot(&self, messages: usize) {
        self.0.lock().unwrap().cuts = messages;
    }

    /// From now on it says this to every connection.
    pub(crate) fn turn_away(&self, name: &str, failure: Failure) {
        let mut inner = self.0.lock().unwrap();
        inner.turned_away.insert(BackendId::new(name), failure);
    }

    /// From now on its hosts do not prove what it asks for, or they do again.
    pub(crate) fn set_policy(&self, name: &str, failure: Option<Failure>) {
        let failure = failure.map(|failure| (BackendId::new(name), failure));
        self.0.lock().unwrap().policies = failure.into_iter().collect();
    }

    /// This domain takes no mail.
    pub(crate) fn without_mail(&self, name: &str) {
        let mut inner = self.0.lock().unwrap();
        inner.without_mail.push(BackendId::new(name));
    }

    /// What they make of the wish to be told of success, from now on.
    pub(crate) fn hand_over(&self, handover: Handover) {
        self.0.lock().unwrap().handover = handover;
    }

    /// How long it takes them to answer, at most.
    pub(crate) fn set_pace(&self, millis: u64) {
        self.0.lock().unwrap().pace = millis;
    }

    pub(crate) fn is_up(&self, id: &BackendId) -> bool {
        self.0.lock().unwrap().up.get(id).copied().unwrap_or(false)
    }

    /// No more trouble: from now on everything that is tried arrives.
    pub(crate) fn heal(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.trouble = 0;
        inner.up.values_mut().for_each(|up| *up = true);
    }

    pub(crate) fn arrived(&self) -> BTreeMap<(SpoolId, u16), Vec<Arrival>> {
        self.0.lock().unwrap().arrived.clone()
    }

    /// The copies that a recipient got.
    pub(crate) fn arrivals(&self, id: SpoolId, number: u16) -> Vec<Arrival> {
        let inner = self.0.lock().unwrap();
        inner
            .arrived
            .get(&(id, number))
            .cloned()
            .unwrap_or_default()
    }

    /// Copies that arrived, of all messages.
    pub(crate) fn copies(&self) -> usize {
        self.0.lock().unwrap().arrived.values().map(Vec::len).sum()
    }

    /// All that happened so far, in lines.
    pub(crate) fn story(&self) -> Vec<String> {
        self.0.lock().unwrap().story.clone()
    }

    /// Fails when they saw what must never happen: two attempts at once for one recipient (I4), or
    /// more connections than they may get.
    pub(crate) fn check(&self) {
        let broken = &self.0.lock().unwrap().broken;
        assert!(broken.is_empty(), "{broken:#?}");
    }

    /// Every attempt since the last call, in order.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap().seen)
    }

    /// Attempts of a crashed program are over.
    pub(crate) fn forget_attempts(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.under_way.clear();
        inner.connections.clear();
    }

    fn wait(&self) -> Duration {
        let inner = self.0.lock().unwrap();
        Duration::from_millis(1 + inner.chance.below(inner.pace))
    }
}

impl Inner {
    fn tell(&mut self, backend: &BackendId, delivery: &Delivery, what: &str) {
        let now = self.clock.as_ref().map(Clock::now);
        let numbers: Vec<u16> = delivery.recipients.iter().map(|(n, _)| *n).collect();
        let line = format!("{now:?} {backend} {} {numbers:?} {what}", delivery.id);
        self.story.push(line);
    }
}

impl Transport for Platforms {
    fn open<'a>(
        &'a self,
        target: &'a DeliveryTarget,
    ) -> Boxed<'a, Result<Box<dyn Channel>, Failure>> {
        Box::pin(async move {
            // A stranger is a platform with the name of its domain.
            let backend = &match target {
                DeliveryTarget::Backend(backend) => backend.clone(),
                DeliveryTarget::Domain(name)
                | DeliveryTarget::Lenient(name)
                | DeliveryTarget::Relay(name) => BackendId::new(name),
            };
            if let Some(failure) = self.0.lock().unwrap().turned_away.get(backend) {
                return Err(failure.clone());
            }
            if let DeliveryTarget::Domain(_) = target
                && let Some(failure) = self.0.lock().unwrap().policies.get(backend)
            {
                return Err(failure.clone());
            }
            tokio::time::sleep(self.wait()).await;
            if self.0.lock().unwrap().without_mail.contains(backend) {
                let reply = Reply::new(556, (5, 1, 10), "takes no mail");
                return Err(Failure::replied(Blame::Recipient, reply));
            }
            if !self.is_up(backend) {
                return Err(Failure::without_reply(Blame::Backend, "connection refused"));
            }
            let mut inner = self.0.lock().unwrap();
            let count = inner.connections.entry(backend.clone()).or_default();
            *count += 1;
            let count = *count;
            if matches!(target, DeliveryTarget::Backend(_)) && count > CONNECTIONS {
                inner
                    .broken
                    .push(format!("{count} connections to {backend}"));
            }
            drop(inner);
            Ok(Box::new(SimChannel {
                platforms: self.clone(),
                backend: backend.clone(),
                way: target.clone(),
                usable: true,
            }) as Box<dyn Channel>)
        })
    }
}

struct SimChannel {
    platforms: Platforms,
    backend: BackendId,
    way: DeliveryTarget,
    usable: bool,
}

impl Drop for SimChannel {
    fn drop(&mut self) {
        let mut inner = self.platforms.0.lock().unwrap();
        if let Some(count) = inner.connections.get_mut(&self.backend) {
            *count = count.saturating_sub(1);
        }
    }
}

impl SimChannel {
    async fn attempt(&mut self, delivery: &Delivery, before_end: Marking<'_>) -> Vec<Outcome> {
        self.begin(delivery);
        tokio::time::sleep(self.platforms.wait()).await;
        let all = delivery.recipients.len();
        if !self.platforms.is_up(&self.backend) {
            self.usable = false;
            self.end(delivery, "connection lost");
            let failure = Failure::without_reply(Blame::Backend, "connection lost");
            return vec![Outcome::Failed(failure); all];
        }
        if let Err(unmarked) = before_end.await {
            self.usable = false;
            self.end(delivery, "without its end");
            let failure = Failure::without_reply(Blame::Message, unmarked.to_string());
            return vec![Outcome::Failed(failure); all];
        }
        tokio::time::sleep(self.platforms.slowness(delivery)).await;
        if self.platforms.hangs(&self.backend) {
            return self.hang(delivery).await;
        }
        let refusal = delivery
            .recipients
            .iter()
            .find_map(|(_, address)| self.platforms.refusal(&self.backend, &address.to_string()));
        if let Some(failure) = refusal {
            self.usable = !asks_to_slow_down(&failure);
            self.end(delivery, &failure.what);
            return vec![Outcome::Failed(failure); all];
        }
        let dice = {
            let mut inner = self.platforms.0.lock().unwrap();
            if inner.cuts > 0 {
                inner.cuts -= 1;
                CUT
            } else if inner.chance.below(100) < inner.trouble {
                inner.chance.below(4)
            } else {
                9
            }
        };
        if let Err(error) = read_all(&*delivery.body) {
            // The end was not sent: nobody gets a part.
            self.usable = false;
            self.end(delivery, "cannot be read");
            let failure = Failure::without_reply(Blame::Message, error.to_string());
            return vec![Outcome::Failed(failure); all];
        }
        let outcome = self.answer(dice, delivery);
        tokio::time::sleep(self.platforms.wait()).await;
        let said = match &outcome {
            Outcome::Delivered { reply } => reply.to_string(),
            Outcome::Failed(failure) => failure.what.clone(),
        };
        self.end(delivery, &said);
        vec![outcome; all]
    }

    fn answer(&mut self, dice: u64, delivery: &Delivery) -> Outcome {
        let failed = |blame, code, enhanced, text| {
            Outcome::Failed(Failure::replied(blame, Reply::new(code, enhanced, text)))
        };
        match dice {
            0 => failed(Blame::Recipient, 450, (4, 2, 1), "mailbox busy"),
            1 => failed(Blame::Message, 451, (4, 3, 0), "try later"),
            2 => {
                self.usable = false;
                failed(Blame::Backend, 421, (4, 3, 2), "closing")
            }
            CUT => {
                // It arrived, and the answer is lost.
                self.arrive(delivery);
                self.usable = false;
                let mut failure = Failure::without_reply(Blame::Backend, "cut after the dot");
                failure.uncertain = true;
                Outcome::Failed(failure)
            }
            _ => {
                self.arrive(delivery);
                let reply = Reply::new(250, (2, 0, 0), "ok");
                Outcome::Delivered { reply }
            }
        }
    }

    fn arrive(&self, delivery: &Delivery) {
        let arrival = Arrival {
            place: self.backend.clone(),
            digest: digest(&*delivery.body),
        };
        let mut inner = self.platforms.0.lock().unwrap();
        for (number, _) in &delivery.recipients {
            let places = inner.arrived.entry((delivery.id, *number)).or_default();
            places.push(arrival.clone());
        }
    }

    fn begin(&self, delivery: &Delivery) {
        let mut inner = self.platforms.0.lock().unwrap();
        for (_, address) in &delivery.recipients {
            let seen = Seen {
                at: Instant::now(),
                backend: self.backend.clone(),
                id: delivery.id,
                sender: delivery.envelope.from.to_string(),
                address: address.to_string(),
                connections: inner.connections.get(&self.backend).copied().unwrap_or(0),
                taken: true,
            };
            inner.seen.push(seen);
        }
        for (number, _) in &delivery.recipients {
            let count = inner.under_way.entry((delivery.id, *number)).or_default();
            *count += 1;
            if *count > 1 {
                let what = format!("I4: two attempts at once for {} {number}", delivery.id);
                inner.broken.push(what);
            }
        }
        let is_others = match self.way {
            DeliveryTarget::Domain(_) => delivery.envelope.tls_optional,
            DeliveryTarget::Lenient(_) => !delivery.envelope.tls_optional,
            DeliveryTarget::Backend(_) | DeliveryTarget::Relay(_) => false,
        };
        if is_others {
            let what = format!("{} went on the connection of other mail", delivery.id);
            inner.broken.push(what);
        }
        inner.tell(&self.backend, delivery, "begins");
    }

    fn end(&self, delivery: &Delivery, said: &str) {
        let mut inner = self.platforms.0.lock().unwrap();
        inner.tell(&self.backend, delivery, said);
        let is_of = |one: &&mut Seen| one.id == delivery.id && one.backend == self.backend;
        let ended = inner.seen.iter_mut().rev().filter(is_of);
        let taken = said.starts_with("250 ") || said == "cut after the dot";
        ended
            .take(delivery.recipients.len())
            .for_each(|one| one.taken = taken);
        for (number, _) in &delivery.recipients {
            inner.under_way.remove(&(delivery.id, *number));
        }
    }
}

impl Channel for SimChannel {
    fn deliver<'a>(
        &'a mut self,
        delivery: &'a Delivery,
        before_end: Marking<'a>,
    ) -> Boxed<'a, Vec<Outcome>> {
        Box::pin(self.attempt(delivery, before_end))
    }

    fn is_usable(&self) -> bool {
        self.usable
    }

    fn peer(&self) -> &str {
        "192.0.2.1:25"
    }

    fn tls(&self) -> Option<&TlsInfo> {
        None
    }

    fn handover(&self) -> Handover {
        self.platforms.0.lock().unwrap().handover
    }

    fn quit(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async {})
    }
}
