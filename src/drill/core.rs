//! The lights of the legs: which probe is due, what it came to. Pure: the time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Options;
use super::probe::contains;
use crate::base::Timestamp;
use crate::mail::SpoolId;
use crate::terminal::duration;

/// Probes that were given up, and are known when they come after all.
const REMEMBERED: usize = 64;

/// How a leg is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// The last probe came back in time.
    Green,
    /// It did not.
    Red,
    /// None has been sent to its end.
    #[default]
    Never,
}

/// How a probe came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Back {
    /// The message in which it came.
    pub id: Option<SpoolId>,
    /// Who handed it in.
    pub peer: String,
    /// What it called itself.
    #[serde(default)]
    pub helo: String,
    /// TLS of that connection; `None`: it was not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
}

/// What the last finished probe of a leg came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LegState {
    /// Its light.
    pub light: Light,
    /// When that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Since when it has this light.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the probe was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Timestamp>,
    /// From there to its return, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Why it is red; else empty.
    #[serde(default)]
    pub reason: String,
    /// The probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<SpoolId>,
    /// How it came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
}

/// A probe under way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Probe {
    leg: usize,
    sent: Timestamp,
    id: Option<SpoolId>,
}

/// What a message to the drill's address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// A probe, with its leg.
    Probe(usize),
    /// A probe that was given up before.
    Late,
    /// None of ours.
    Unknown,
}

/// A probe that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) leg: usize,
    pub(super) id: Option<SpoolId>,
}

/// All legs.
#[derive(Debug)]
pub(super) struct Core {
    every: Duration,
    deadline: Duration,
    legs: Vec<(LegState, Timestamp)>,
    under_way: BTreeMap<String, Probe>,
    given_up: VecDeque<String>,
}

impl Core {
    /// Everything is due at once.
    pub(super) fn new(options: Option<&Options>) -> Self {
        let legs = options.map_or(0, |options| options.legs.len());
        Self {
            every: options.map(|options| options.every).unwrap_or_default(),
            deadline: options.map(|options| options.deadline).unwrap_or_default(),
            legs: vec![(LegState::default(), Timestamp::EPOCH); legs],
            under_way: BTreeMap::new(),
            given_up: VecDeque::new(),
        }
    }

    /// What was known before a restart.
    pub(super) fn restore(&mut self, leg: usize, state: LegState) {
        if let Some(slot) = self.legs.get_mut(leg) {
            slot.0 = state;
        }
    }

    pub(super) fn state(&self, leg: usize) -> LegState {
        let found = self.legs.get(leg);
        found.map(|(state, _)| state.clone()).unwrap_or_default()
    }

    /// When the probe of a leg was sent that is under way, if one is. One that a later one has
    /// overtaken says nothing any more.
    pub(super) fn pending(&self, leg: usize) -> Option<Timestamp> {
        let known = self.legs.get(leg).and_then(|(state, _)| state.sent);
        let of_leg = self.under_way.values().filter(|probe| probe.leg == leg);
        let sent = of_leg.map(|probe| probe.sent);
        sent.filter(|sent| known.is_none_or(|known| *sent > known))
            .max()
    }

    /// All legs are due now.
    pub(super) fn hurry(&mut self) {
        for (_, due) in &mut self.legs {
            *due = Timestamp::EPOCH;
        }
    }

    /// The legs whose turn it is; the next turn is set.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<usize> {
        let mut turns = Vec::new();
        for (leg, (_, due)) in self.legs.iter_mut().enumerate() {
            if *due <= now {
                *due = now.after(self.every);
                turns.push(leg);
            }
        }
        turns
    }

    /// A probe is about to leave: it may be back before anything else is known of it.
    pub(super) fn begin(
        &mut self,
        leg: usize,
        (token, id): (String, Option<SpoolId>),
        now: Timestamp,
    ) {
        let probe = Probe { leg, sent: now, id };
        self.under_way.insert(token, probe);
    }

    /// A leg whose probe cannot even leave.
    pub(super) fn refused(&mut self, leg: usize, (token, why): (&str, String), now: Timestamp) {
        let probe = self.under_way.remove(token).unwrap_or(Probe {
            leg,
            sent: now,
            id: None,
        });
        self.finish(&probe, now, Err(why));
    }

    /// A message has come to the drill's address. `failed` says why when it is a report of failure.
    pub(super) fn came(
        &mut self,
        text: &[u8],
        (back, failed): (Back, Option<String>),
        at: Timestamp,
    ) -> Came {
        let token = self.under_way.keys().find(|token| contains(text, token));
        let Some(token) = token.cloned() else {
            let is_late = self.given_up.iter().any(|token| contains(text, token));
            return if is_late { Came::Late } else { Came::Unknown };
        };
        let Some(probe) = self.under_way.remove(&token) else {
            return Came::Unknown;
        };
        let took = at.since(probe.sent);
        let outcome = match failed {
            Some(why) => Err(why),
            None if took > self.deadline => Err(format!(
                "it came back after {}, and may take {}",
                duration(took),
                duration(self.deadline)
            )),
            None => Ok(back),
        };
        self.finish(&probe, at, outcome);
        // A second copy is no surprise.
        self.remember(token);
        Came::Probe(probe.leg)
    }

    /// Gives up what takes too long.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Lost> {
        let deadline = self.deadline;
        let is_lost = |probe: &Probe| now.since(probe.sent) > deadline;
        let lost: Vec<_> = self
            .under_way
            .iter()
            .filter(|(_, probe)| is_lost(probe))
            .map(|(token, probe)| (token.clone(), probe.clone()))
            .collect();
        for (token, probe) in &lost {
            self.under_way.remove(token);
            self.remember(token.clone());
            let why = format!("not back within {}", duration(deadline));
            self.finish(probe, now, Err(why));
        }
        let lost = lost.into_iter().map(|(_, probe)| Lost {
            leg: probe.leg,
            id: probe.id,
        });
        lost.collect()
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let due = self.legs.iter().map(|(_, due)| *due);
        let moment = Duration::from_millis(1);
        let ends = self.under_way.values();
        let ends = ends.map(|probe| probe.sent.after(self.deadline + moment));
        due.chain(ends).min()
    }

    fn remember(&mut self, token: String) {
        if self.given_up.len() >= REMEMBERED {
            self.given_up.pop_front();
        }
        self.given_up.push_back(token);
    }

    /// What a probe came to, unless a later one has come to something already.
    fn finish(&mut self, probe: &Probe, at: Timestamp, outcome: Result<Back, String>) {
        let Some((state, _)) = self.legs.get_mut(probe.leg) else {
            return;
        };
        if state.sent.is_some_and(|known| known > probe.sent) {
            return;
        }
        let light = if outcome.is_ok() {
            Light::Green
        } else {
            Light::Red
        };
        let same = state.light == light;
        let since = state.since.filter(|_| same).or(Some(at));
        let latency = u64::try_from(at.since(probe.sent).as_millis()).unwrap_or(u64::MAX);
        *state = LegState {
            light,
            at: Some(at),
            since,
            sent: Some(probe.sent),
            latency_ms: outcome.is_ok().then_some(latency),
            reason: outcome.as_ref().err().cloned().unwrap_or_default(),
            probe: probe.id,
            back: outcome.ok(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::LegOptions;
    use super::*;
    use crate::mail::BackendId;

    fn core() -> Core {
        let leg = |from: Option<&str>, to: &str| LegOptions {
            from: from.map(BackendId::new),
            to: BackendId::new(to),
            mailbox: "probe@example.org".parse().unwrap(),
        };
        Core::new(Some(&Options {
            hostname: "mx.example.org".to_owned(),
            address: "drill@example.org".parse().unwrap(),
            every: Duration::from_secs(300),
            deadline: Duration::from_secs(60),
            legs: vec![leg(None, "onprem"), leg(Some("onprem"), "cloud")],
        }))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    fn back(core: &mut Core, text: &str, seconds: u64) -> Came {
        core.came(text.as_bytes(), (Back::default(), None), at(seconds))
    }

    #[test]
    fn a_probe_that_comes_back_is_green_with_its_latency() {
        let mut core = core();
        assert_eq!(core.due(at(0)), [0, 1]);
        assert_eq!(core.due(at(299)), Vec::<usize>::new());
        assert_eq!(core.state(0).light, Light::Never);
        core.begin(0, ("t1".to_owned(), None), at(0));
        assert_eq!(core.pending(0), Some(at(0)));
        assert_eq!(back(&mut core, "Subject: FW: drill t1", 3), Came::Probe(0));
        let state = core.state(0);
        assert_eq!((state.light, state.latency_ms), (Light::Green, Some(3000)));
        assert_eq!((state.since, state.at), (Some(at(3)), Some(at(3))));
        assert_eq!(core.state(1).light, Light::Never);
        assert_eq!(core.due(at(300)), [0, 1]);
        core.begin(0, ("t2".to_owned(), None), at(300));
        back(&mut core, "t2", 301);
        // Green since the first time.
        assert_eq!(core.state(0).since, Some(at(3)));
    }

    #[test]
    fn what_does_not_come_in_time_is_red_until_another_one_does() {
        let mut core = core();
        core.begin(1, ("t1".to_owned(), None), at(0));
        assert_eq!(core.expire(at(60)), Vec::new());
        let lost = core.expire(at(61));
        assert_eq!(lost, [Lost { leg: 1, id: None }]);
        let state = core.state(1);
        assert_eq!(state.light, Light::Red);
        assert!(state.reason.contains("not back within"), "{state:?}");
        // It comes after all: known, and too late.
        assert_eq!(back(&mut core, "t1", 70), Came::Late);
        assert_eq!(core.state(1).light, Light::Red);
        core.begin(1, ("t2".to_owned(), None), at(300));
        assert_eq!(core.state(1).light, Light::Red);
        back(&mut core, "t2", 302);
        let state = core.state(1);
        assert_eq!((state.light, state.reason.as_str()), (Light::Green, ""));
        assert_eq!(state.since, Some(at(302)));
    }

    #[test]
    fn an_earlier_probe_does_not_beat_a_later_one() {
        let mut core = core();
        core.begin(0, ("t1".to_owned(), None), at(0));
        core.begin(0, ("t2".to_owned(), None), at(10));
        assert_eq!(core.pending(0), Some(at(10)));
        back(&mut core, "t2", 12);
        // The first one is overtaken: nobody waits for it.
        assert_eq!(core.pending(0), None);
        core.expire(at(61));
        assert_eq!(core.state(0).light, Light::Green);
        // The other way round: the later one fails.
        core.begin(0, ("t3".to_owned(), None), at(100));
        core.begin(0, ("t4".to_owned(), None), at(110));
        core.refused(0, ("t4", "down".to_owned()), at(110));
        back(&mut core, "t3", 120);
        assert_eq!(core.state(0).reason, "down");
    }

    #[test]
    fn reports_of_failure_and_refusals_are_red_at_once() {
        let mut core = core();
        core.begin(0, ("t1".to_owned(), None), at(0));
        let failed = (Back::default(), Some("550 5.1.1 no such user".to_owned()));
        assert_eq!(core.came(b"... t1 ...", failed, at(2)), Came::Probe(0));
        assert_eq!(core.state(0).reason, "550 5.1.1 no such user");
        core.refused(1, ("t9", "onprem is down".to_owned()), at(3));
        assert_eq!(core.state(1).light, Light::Red);
        assert_eq!(back(&mut core, "nothing of ours", 5), Came::Unknown);
    }

    #[test]
    fn there_is_always_something_next() {
        let mut core = core();
        assert_eq!(core.next(), Some(Timestamp::EPOCH));
        core.due(at(0));
        assert_eq!(core.next(), Some(at(300)));
        core.begin(0, ("t1".to_owned(), None), at(0));
        let next = core.next().unwrap();
        assert!(next > at(60) && next < at(61));
        assert_eq!(core.expire(next).len(), 1);
        core.hurry();
        assert_eq!(core.due(at(70)).len(), 2);
    }

    #[test]
    fn what_was_given_up_is_remembered_within_bounds() {
        let mut core = core();
        for number in 0..200 {
            core.begin(0, (format!("token-{number:03}"), None), at(0));
        }
        assert_eq!(core.expire(at(100)).len(), 200);
        assert_eq!(core.given_up.len(), REMEMBERED);
        assert_eq!(back(&mut core, "token-199", 101), Came::Late);
        assert_eq!(back(&mut core, "token-000", 101), Came::Unknown);
    }
}
