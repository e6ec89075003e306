//! Counts, message by message.

use std::collections::{BTreeMap, BTreeSet};

use super::is_uncertain;
use super::outages::{outages, seconds};
use super::{
    BackendFigures, Ends, Figures, HoldFigures, LandingFigures, OpenRecipient, Scope, Timeline,
    TlsFigures, WaitFigures, WaitOf,
};
use crate::backend::HealthChange;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{
    BackendId, FolderKind, HoldReason, Landing, RecipientEvent, RecipientState, ReplayStep,
};
use crate::spool::{LedgerEntry, Lost, Passed, StoredMessage};

/// Longest waits that are named.
const LONGEST: usize = 10;

/// Counts what came in a time.
#[derive(Debug)]
pub struct Collector {
    scope: Scope,
    figures: Figures,
    backends: BTreeMap<BackendId, BackendFigures>,
    holds: BTreeMap<(String, String), u64>,
}

impl Collector {
    /// Nothing is counted yet; `now` is the time up to which ends count.
    #[must_use]
    pub fn new(scope: Scope, (since, until): (Timestamp, Timestamp), now: Timestamp) -> Self {
        Self {
            figures: Figures {
                since,
                until,
                scope: scope.told.clone(),
                made: now,
                messages: 0,
                bytes: 0,
                unreadable: 0,
                lost: Lost::default(),
                ledger_gaps: 0,
                disorder: 0,
                cut: false,
                recipients: Ends::default(),
                unaccounted: 0,
                uncertain: 0,
                perhaps_there: 0,
                diverted: 0,
                replayed: 0,
                replays_refused: 0,
                landing: LandingFigures::default(),
                waits: WaitFigures::default(),
                tls: TlsFigures::default(),
                backends: Vec::new(),
                holds: Vec::new(),
                open: Vec::new(),
                timeline: Timeline::new(since, until.min(now).max(since)),
            },
            scope,
            backends: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    /// Counts a message and what happened to it, if somebody is meant.
    pub fn note(&mut self, message: &StoredMessage, history: &[LedgerEntry]) {
        let meant = self.scope.numbers(&message.envelope);
        if meant.is_empty() {
            return;
        }
        let figures = &mut self.figures;
        figures.messages += 1;
        figures.bytes += message.size;
        let peer = &message.envelope.peer;
        if peer.tls.is_some() {
            figures.tls.in_with += 1;
        } else if !peer.address.is_empty() {
            figures.tls.in_without += 1;
        }
        let recipients = (0_u16..).zip(&message.envelope.recipients);
        for (number, recipient) in recipients.filter(|(number, _)| meant.contains(number)) {
            self.figures.recipients.all += 1;
            let Some(state) = message.states.get(usize::from(number)) else {
                self.figures.unaccounted += 1;
                continue;
            };
            if !recipient.lane.starts_with('@') {
                self.backend(&BackendId::new(&recipient.lane)).arrived += 1;
            }
            if is_uncertain(state, (history, number)) {
                self.in_doubt(state);
            }
            self.count(message, &recipient.address.to_string(), state);
        }
        for entry in history {
            let numbers = entry.recipients.iter();
            let count = numbers.filter(|number| meant.contains(number)).count();
            self.happened(entry, count as u64);
        }
        self.landed(history, &meant);
    }

    /// A copy came twice, or at all, and nobody knows.
    const fn in_doubt(&mut self, state: &RecipientState) {
        match state {
            RecipientState::Bounced { .. } | RecipientState::Dropped { .. } => {
                self.figures.perhaps_there += 1;
            }
            RecipientState::Queued { .. }
            | RecipientState::Held { .. }
            | RecipientState::Delivered { .. }
            | RecipientState::Expanded { .. } => self.figures.uncertain += 1,
        }
    }

    fn landed(&mut self, history: &[LedgerEntry], meant: &BTreeSet<u16>) {
        let mut last: BTreeMap<u16, &Landing> = BTreeMap::new();
        for entry in history {
            if let RecipientEvent::Landing { landing, .. } = &entry.event {
                let numbers = entry.recipients.iter();
                let numbers = numbers.filter(|number| meant.contains(number));
                last.extend(numbers.map(|number| (*number, landing)));
            }
        }
        let figures = &mut self.figures.landing;
        for landing in last.into_values() {
            figures.looked += 1;
            match landing {
                Landing::Found { kind, .. } => {
                    figures.found += 1;
                    figures.junk += u64::from(*kind == FolderKind::Junk);
                }
                Landing::Missing => figures.missing += 1,
            }
        }
    }

    fn count(&mut self, message: &StoredMessage, address: &str, state: &RecipientState) {
        let figures = &mut self.figures;
        figures.diverted += u64::from(state.diverted_from().is_some());
        let ends = &mut figures.recipients;
        let ended = match state {
            RecipientState::Queued { lane, .. } | RecipientState::Held { lane, .. } => {
                ends.waiting += 1;
                if !lane.starts_with('@') {
                    self.backend(&BackendId::new(lane)).waiting += 1;
                }
                None
            }
            RecipientState::Delivered { backend, at, .. } => {
                ends.delivered += 1;
                self.delivered(message, address, (backend, *at));
                Some(*at)
            }
            RecipientState::Expanded { at, .. } => {
                ends.expanded += 1;
                Some(*at)
            }
            RecipientState::Bounced { at, .. } => {
                ends.bounced += 1;
                Some(*at)
            }
            RecipientState::Dropped { at, .. } => {
                ends.dropped += 1;
                Some(*at)
            }
        };
        let timeline = &mut self.figures.timeline;
        timeline.note(message.received, ended);
        self.keep_open(message, address, state);
    }

    fn delivered(
        &mut self,
        message: &StoredMessage,
        address: &str,
        (backend, at): (&BackendId, Timestamp),
    ) {
        if !backend.as_str().starts_with('@') {
            self.backend(backend).delivered += 1;
        }
        let seconds = at.since(message.received).as_secs();
        let waits = &mut self.figures.waits;
        *match seconds {
            0..=60 => &mut waits.minute,
            61..=600 => &mut waits.ten_minutes,
            601..=3600 => &mut waits.hour,
            3601..=86_400 => &mut waits.day,
            _ => &mut waits.longer,
        } += 1;
        let least = waits.longest.last().map_or(0, |wait| wait.seconds);
        // Who got it at once has not waited.
        if seconds > 0 && (waits.longest.len() < LONGEST || seconds > least) {
            let place = waits
                .longest
                .partition_point(|wait| wait.seconds >= seconds);
            let wait = WaitOf {
                id: message.id,
                address: address.to_owned(),
                backend: backend.clone(),
                seconds,
            };
            waits.longest.insert(place, wait);
            waits.longest.truncate(LONGEST);
        }
    }

    fn keep_open(&mut self, message: &StoredMessage, address: &str, state: &RecipientState) {
        let reason = match state {
            RecipientState::Delivered { .. } | RecipientState::Expanded { .. } => return,
            RecipientState::Queued { last, .. } => {
                let last = last.as_ref().map(|(_, failure)| failure.to_string());
                last.unwrap_or_default()
            }
            RecipientState::Held { reason, .. } => reason.to_string(),
            RecipientState::Bounced { failure, .. } => failure.to_string(),
            RecipientState::Dropped { actor, .. } => format!("by {actor}"),
        };
        if self.figures.open.len() >= limits::REPORT_OPEN {
            return;
        }
        self.figures.open.push(OpenRecipient {
            id: message.id,
            received: message.received,
            from: message.envelope.from.to_string(),
            address: address.to_owned(),
            state: state.name().to_owned(),
            reason,
        });
    }

    /// Counts what happened to so many of those who are meant.
    fn happened(&mut self, entry: &LedgerEntry, count: u64) {
        if count == 0 {
            return;
        }
        match &entry.event {
            RecipientEvent::Delivered { tls, .. } => self.sent(tls.as_ref(), count),
            RecipientEvent::Replay {
                step: ReplayStep::Delivered { tls, .. },
                backend,
                ..
            } => {
                self.figures.replayed += count;
                self.backend(backend).replayed += count;
                self.sent(tls.as_ref(), count);
            }
            RecipientEvent::Replay {
                step: ReplayStep::Refused { .. },
                ..
            } => self.figures.replays_refused += count,
            RecipientEvent::Deferred { backend, .. } if !backend.as_str().starts_with('@') => {
                self.backend(backend).deferred += (entry.left_out + 1).saturating_mul(count);
            }
            RecipientEvent::Held {
                reason: HoldReason::Operator { actor, reason, .. },
            } => {
                let held = self.holds.entry((actor.clone(), reason.clone()));
                *held.or_default() += count;
            }
            RecipientEvent::Attempted { .. }
            | RecipientEvent::Interrupted { .. }
            | RecipientEvent::Deferred { .. }
            | RecipientEvent::Paced { .. }
            | RecipientEvent::Replay { .. }
            | RecipientEvent::Landing { .. }
            | RecipientEvent::Rerouted { .. }
            | RecipientEvent::Held { .. }
            | RecipientEvent::Released { .. }
            | RecipientEvent::Bounced { .. }
            | RecipientEvent::Dropped { .. }
            | RecipientEvent::Expanded { .. } => {}
        }
    }

    const fn sent(&mut self, tls: Option<&String>, count: u64) {
        let figures = &mut self.figures.tls;
        if tls.is_some() {
            figures.out_with += count;
        } else {
            figures.out_without += count;
        }
    }

    fn backend(&mut self, name: &BackendId) -> &mut BackendFigures {
        let figures = self.backends.entry(name.clone());
        figures.or_insert_with(|| BackendFigures {
            name: name.clone(),
            arrived: 0,
            delivered: 0,
            replayed: 0,
            waiting: 0,
            deferred: 0,
            seconds_away: 0,
            outages: Vec::new(),
            known_since: None,
        })
    }

    /// The figures, with what the backends of the config went through.
    #[must_use]
    pub fn finish(
        mut self,
        changes: &BTreeMap<BackendId, Vec<HealthChange>>,
        passed: Passed,
    ) -> Figures {
        let until = self.figures.until.min(self.figures.made);
        let since = self.figures.since;
        for (name, changes) in changes {
            let backend = self.backend(name);
            backend.outages = outages(changes, (since, until));
            backend.seconds_away = seconds(&backend.outages, until);
            // The first change of all has the number 1; older ones have left the ring.
            let oldest = changes.first().filter(|change| change.number > 1);
            backend.known_since = oldest.map(|change| change.at).filter(|at| *at > since);
        }
        let mut figures = self.figures;
        figures.unreadable = passed.unreadable;
        figures.lost = passed.lost;
        figures.ledger_gaps = passed.ledger_gaps;
        figures.disorder = passed.disorder;
        figures.cut = passed.cut;
        figures.backends = self.backends.into_values().collect();
        let holds = self.holds.into_iter();
        figures.holds = holds
            .map(|((actor, reason), recipients)| HoldFigures {
                actor,
                reason,
                recipients,
            })
            .collect();
        figures.timeline.finish();
        figures
    }
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
