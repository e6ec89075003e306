//! From what the rooms know to the JSON of the API.

use std::time::Duration;

use super::TlsWish;
use super::view::{
    BackendDetails, BackendView, DecisionWord, DrainView, EventView, ExpandedView, ExplainView,
    HostView, MessageView, PeerView, ProbeView, QueueItem, QueueNumbers, RecipientView,
};
use crate::backend::{
    BackendHealth, BackendOptions, Health, HealthChange, HostResult, Hosts, TlsPolicy,
};
use crate::mail::{Envelope, Peer, RecipientEvent, RecipientState, SpoolId, paced_by};
use crate::queue::{DrainCounts, Progress};
use crate::route::{Decision, Explanation, Shown, paused};
use crate::smtp::Mailbox;
use crate::spool::{LedgerEntry, SpoolError, SpoolStats, StoredMessage};

impl BackendView {
    /// A backend with what the config says of it and what waits for it.
    pub(super) fn new(
        backend: BackendHealth,
        options: &BackendOptions,
        results: &[HostResult],
        (stats, progress): (&SpoolStats, Progress),
    ) -> Self {
        let waiting = stats.queued.get(backend.id.as_str()).copied();
        let waiting = waiting.unwrap_or_default();
        let moves = waiting > 0 && progress.connections > 0 && paused(&backend).is_none();
        let eta = moves.then(|| progress.eta(waiting)).flatten();
        let mut hosts: Vec<HostView> = match &options.hosts {
            Hosts::List(hosts) => hosts
                .iter()
                .map(|host| HostView::untried(host.clone()))
                .collect(),
            Hosts::Mx(domain) => vec![HostView::untried(format!("mx:{domain}"))],
        };
        for result in results {
            let view = HostView {
                address: result.host.clone(),
                good: Some(result.good),
                reason: result.what.clone(),
                at: Some(result.at),
            };
            match hosts.iter_mut().find(|host| host.address == result.host) {
                Some(host) => *host = view,
                None => hosts.push(view),
            }
        }
        Self {
            waiting,
            in_cases: None,
            drain: DrainView {
                progress,
                eta_seconds: eta.map(|eta| eta.as_secs()),
            },
            diverted: stats
                .diverted
                .get(backend.id.as_str())
                .copied()
                .unwrap_or_default(),
            name: backend.id,
            health: backend.health,
            failing: backend.failing,
            reason: backend.reason,
            since: backend.since,
            wish: backend.operator.as_ref().map(|said| said.wish),
            operator: backend.operator.map(|said| said.to_string()),
            hosts,
        }
    }
}

impl BackendView {
    /// Mail waits for it although it is well, because mailboxes have had what they may get: so long
    /// until the one with the most has all.
    #[must_use]
    pub fn paced(&self) -> Option<Duration> {
        // Not of what has failed: something else than its turn keeps that.
        let seconds = self.drain.progress.turn_seconds;
        let waits = self.waiting > 0 && self.health == Health::Up && seconds > 0;
        waits.then(|| Duration::from_secs(seconds))
    }
}

impl HostView {
    const fn untried(address: String) -> Self {
        Self {
            address,
            good: None,
            reason: String::new(),
            at: None,
        }
    }
}

impl BackendDetails {
    /// A backend with all that the config says of it.
    pub(super) fn new(
        backend: BackendView,
        options: &BackendOptions,
        history: Vec<HealthChange>,
    ) -> Self {
        Self {
            backend,
            asked: String::new(),
            history,
            protocol: options.protocol,
            tls: options.tls,
            tls_proof: proof(options),
            username: options
                .credentials
                .as_ref()
                .map(|credentials| credentials.username.clone()),
            max_connections: options.max_connections,
            messages_per_minute: options.messages_per_minute,
            mailbox_messages_per_minute: options.mailbox_messages_per_minute,
            mailbox_messages_per_hour: options.mailbox_messages_per_hour,
            sender_messages_per_minute: options.sender_messages_per_minute,
            sender_recipients_per_day: options.sender_recipients_per_day,
            max_recipients: options.session.recipients,
            slow_open: options.slow_open,
            probe: ProbeView {
                interval_seconds: options.probe.interval.as_secs(),
                down_after: options.probe.down_after,
                up_after: options.probe.up_after,
                recipient: options.probe.recipient.clone(),
            },
        }
    }
}

/// What a backend proves and what we prove to it, for people.
fn proof(options: &BackendOptions) -> Vec<String> {
    let proof = &options.proof;
    let mut told = Vec::new();
    if options.tls == TlsPolicy::Verified {
        told.push(if proof.keys.is_empty() {
            let name = proof.name.as_deref();
            let name = name.map_or_else(
                || match &options.hosts {
                    Hosts::List(hosts) => hosts
                        .iter()
                        .map(|host| {
                            host.rsplit_once(':')
                                .map_or(host.as_str(), |(name, _)| name)
                        })
                        .collect::<Vec<_>>()
                        .join(" or "),
                    Hosts::Mx(domain) => format!("the MX host of {domain} that is used"),
                },
                str::to_owned,
            );
            let by = proof.authorities.as_ref().map_or_else(
                || "an authority of the system".to_owned(),
                |file| format!("an authority of {}", file.display()),
            );
            format!("the certificate must be good for {name}, by {by}")
        } else {
            format!("the key must be one of {} in tls_keys", proof.keys.len())
        });
    }
    if let Some(pair) = &proof.client {
        told.push(format!("we show {}", pair.certificate.display()));
    }
    told
}

impl QueueNumbers {
    /// What waits, with the lanes of backends that are down counted as held, and of those that are
    /// drained what came after.
    pub(super) fn new(
        stats: &SpoolStats,
        backends: &[BackendHealth],
        drained: &DrainCounts,
    ) -> Self {
        let waiting: u64 = stats.queued.values().sum();
        let behind: u64 = backends
            .iter()
            .map(|backend| held_in_lane(backend, stats, drained))
            .sum();
        Self {
            queued: waiting.saturating_sub(behind),
            held: stats.held.saturating_add(behind),
            uncertain: stats.uncertain,
            oldest: stats.oldest,
        }
    }
}

/// Recipients in the lane of a backend that are shown as held.
pub(super) fn held_in_lane(
    backend: &BackendHealth,
    stats: &SpoolStats,
    drained: &DrainCounts,
) -> u64 {
    let waiting = stats.queued.get(backend.id.as_str()).copied();
    let waiting = waiting.unwrap_or_default();
    if paused(backend).is_some() {
        return waiting;
    }
    drained
        .get(&backend.id)
        .copied()
        .unwrap_or_default()
        .min(waiting)
}

impl QueueItem {
    /// An unfinished recipient as it is shown.
    pub(super) fn new(id: SpoolId, shown: Shown, recipient: String, envelope: &Envelope) -> Self {
        Self {
            id,
            recipient,
            state: shown.state,
            reason: shown.reason,
            backend: shown.backend,
            due: shown.due,
            attempts: shown.attempts,
            received: id.timestamp(),
            from: envelope.from.to_string(),
            subject: envelope.subject.clone(),
        }
    }

    /// One whose record cannot be read.
    pub(super) fn unreadable(id: SpoolId, shown: Shown, error: &SpoolError) -> Self {
        Self {
            id,
            recipient: "(unreadable)".to_owned(),
            state: shown.state,
            reason: error.to_string(),
            backend: shown.backend,
            due: shown.due,
            attempts: shown.attempts,
            received: id.timestamp(),
            from: "(unreadable)".to_owned(),
            subject: None,
        }
    }
}

impl MessageView {
    /// A message with its history.
    pub(super) fn new(
        message: &StoredMessage,
        history: &[LedgerEntry],
        backends: &[BackendHealth],
    ) -> Self {
        let envelope = &message.envelope;
        let recipients = envelope.recipients.iter().zip(&message.states);
        Self {
            id: message.id,
            message_id: envelope.message_id.clone(),
            received: message.received,
            from: envelope.from.to_string(),
            header_from: envelope.header_from.clone(),
            subject: envelope.subject.clone(),
            size: message.size,
            peer: PeerView::from(&envelope.peer),
            tls_wish: TlsWish::of(envelope),
            expanded: envelope.expanded.as_ref().map(|from| ExpandedView {
                message: from.message,
                group: from.group.to_string(),
            }),
            verdict: envelope.verdict.as_deref().cloned(),
            filtered: envelope.filtered.clone(),
            automatic: envelope.automatic.as_deref().cloned(),
            recipients: recipients
                .enumerate()
                .map(|(number, (recipient, state))| {
                    let mut events = vec![EventView {
                        at: message.received,
                        event: "accepted".to_owned(),
                        detail: accepted_from(&envelope.peer),
                    }];
                    events.extend(by_policy(message, number));
                    events.extend(
                        history
                            .iter()
                            .filter(|entry| {
                                entry.recipients.iter().any(|&of| usize::from(of) == number)
                            })
                            .map(EventView::from),
                    );
                    let shown = Shown::of(state, message.received, backends);
                    RecipientView::new(recipient.address.to_string(), state, shown, events)
                })
                .collect(),
        }
    }
}

/// What the policy on automatic answers said of a recipient at the door.
fn by_policy(message: &StoredMessage, number: usize) -> Option<EventView> {
    let number = u16::try_from(number).ok()?;
    let automatic = message.envelope.automatic.as_ref()?;
    Some(EventView {
        at: message.received,
        event: "judged".to_owned(),
        detail: automatic.told(number)?,
    })
}

fn accepted_from(peer: &Peer) -> String {
    if let Some(device) = &peer.device {
        let (address, protocol) = (&peer.address, &peer.protocol);
        return format!("from device {device} [{address}] ({protocol})");
    }
    match (peer.user.as_deref(), peer.address.as_str()) {
        (Some(user), "") => format!("from {user} ({})", peer.protocol),
        (Some(user), address) => format!("from {user} [{address}] ({})", peer.protocol),
        (None, "") => format!("made here ({})", peer.protocol),
        (None, address) => format!("from {} [{address}] ({})", peer.helo, peer.protocol),
    }
}

impl From<&Peer> for PeerView {
    fn from(peer: &Peer) -> Self {
        Self {
            address: peer.address.clone(),
            helo: peer.helo.clone(),
            protocol: peer.protocol.clone(),
            tls: peer.tls.clone(),
            certificate: peer.certificate.clone(),
            user: peer.user.clone(),
            device: peer.device.clone(),
        }
    }
}

impl RecipientView {
    fn new(address: String, state: &RecipientState, shown: Shown, events: Vec<EventView>) -> Self {
        let (reply, delivery_address) = match state {
            RecipientState::Delivered {
                reply,
                delivery_address,
                ..
            } => (Some(reply.to_string()), Some(delivery_address.clone())),
            RecipientState::Queued { last, .. } => {
                let reply = last
                    .as_ref()
                    .and_then(|(_, failure)| failure.reply.as_ref());
                (reply.map(ToString::to_string), None)
            }
            RecipientState::Bounced { failure, .. } => {
                (failure.reply.as_ref().map(ToString::to_string), None)
            }
            RecipientState::Held { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => (None, None),
        };
        Self {
            address,
            state: shown.state,
            reason: shown.reason,
            backend: shown.backend,
            delivery_address,
            reply,
            due: shown.due,
            attempts: shown.attempts,
            uncertain: state.is_uncertain(),
            diverted_from: state.diverted_from().cloned(),
            events,
        }
    }
}

impl From<&LedgerEntry> for EventView {
    fn from(entry: &LedgerEntry) -> Self {
        let mut detail = match &entry.event {
            RecipientEvent::Attempted { backend } => format!("to {backend}"),
            RecipientEvent::Interrupted { uncertain: true } => {
                "by a stop or a crash; it may have arrived".to_owned()
            }
            RecipientEvent::Interrupted { uncertain: false } => "before it was sent".to_owned(),
            RecipientEvent::Delivered {
                backend,
                reply,
                delivery_address,
                tls,
                diverted_from,
            } => {
                let tls = tls.as_deref();
                let tls = tls.map_or("without TLS".to_owned(), |tls| format!("with {tls}"));
                let diverted = diverted_from.as_ref();
                let diverted = diverted.map(|home| format!(", diverted from {home}"));
                let diverted = diverted.unwrap_or_default();
                format!("to {backend} as {delivery_address} {tls}{diverted}: {reply}")
            }
            RecipientEvent::Deferred {
                backend,
                failure,
                due,
                ..
            } => format!("by {backend}: {}; next attempt {due}", failure.told()),
            RecipientEvent::Replay {
                replay,
                backend,
                step,
                ..
            } => super::replay_api::told(replay, (backend, step)),
            RecipientEvent::Landing { backend, landing } => {
                super::landing_api::told(backend, landing)
            }
            RecipientEvent::Paced { due, sender } => {
                format!("{}; its turn is {due}", paced_by(sender.as_deref()))
            }
            RecipientEvent::Rerouted { lane } => format!("to {lane}"),
            RecipientEvent::Held { reason } => reason.to_string(),
            RecipientEvent::Released { actor, reason, .. }
            | RecipientEvent::Dropped { actor, reason } => match reason.as_str() {
                "" => format!("by {actor}"),
                reason => format!("by {actor}: {reason}"),
            },
            RecipientEvent::Bounced {
                failure,
                actor,
                reason,
                ..
            } if !actor.is_empty() => format!("{failure}; by {actor}: {reason}"),
            RecipientEvent::Bounced { failure, .. } => failure.told(),
            RecipientEvent::Expanded {
                into: Some(id),
                people,
            } => format!("its home is down: {people} people get it as message {id}"),
            RecipientEvent::Expanded { into: None, .. } => {
                "its home is down; all its people are named beside it".to_owned()
            }
        };
        if entry.left_out > 0 {
            detail += "; ";
            detail += &entry.left_out.to_string();
            detail += " like it before are not shown";
        }
        Self {
            at: entry.at,
            event: entry.event.name().to_owned(),
            detail,
        }
    }
}

impl ExplainView {
    /// The explanation of an address.
    pub(super) fn new(address: &Mailbox, explanation: Explanation) -> Self {
        let last = explanation.steps.last().cloned().unwrap_or_default();
        let (decision, backend, delivery_address, reason) = match explanation.decision {
            Decision::Relay {
                targets,
                address,
                diverted_from,
            } => (
                DecisionWord::Relay,
                targets.first().map(ToString::to_string),
                Some(address.to_string()),
                diverted_from.map_or(last, |home| {
                    format!("{home} cannot take it now, and the config allows another backend")
                }),
            ),
            Decision::Hold { backend, reason } => (
                DecisionWord::Hold,
                backend.map(|backend| backend.to_string()),
                None,
                reason,
            ),
            Decision::Expand { reason, .. } => (DecisionWord::Expand, None, None, reason),
            Decision::Reject(reply) => (DecisionWord::Reject, None, None, reply.to_string()),
        };
        Self {
            address: address.to_string(),
            home: explanation.home,
            decision,
            backend,
            delivery_address,
            reason,
            steps: explanation.steps,
            nearly: Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "present_tests.rs"]
mod tests;
