//! The JSON of the API. The command line reads the same types. Fields are added, never renamed.

use serde::{Deserialize, Serialize};

use crate::backend::{
    BackendHealth, BackendOptions, Health, HostResult, Hosts, Protocol, TlsPolicy,
};
use crate::base::Timestamp;
use crate::mail::{BackendId, Envelope, Peer, RecipientEvent, RecipientState, SpoolId};
use crate::route::{Decision, Explanation, Shown, ShownState, paused};
use crate::smtp::Mailbox;
use crate::spool::{LedgerEntry, SpoolStats, StoredMessage};

/// `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Version of the program.
    pub version: String,
    /// The time of the answer.
    pub now: Timestamp,
    /// All backends, in the order of the config.
    pub backends: Vec<BackendView>,
    /// What waits.
    pub queue: QueueNumbers,
    /// What is stored.
    pub spool: SpoolNumbers,
}

/// A backend in `status` and `backend list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendView {
    /// Its name.
    pub name: BackendId,
    /// How it is.
    pub health: Health,
    /// Why; empty while it was never doubted.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// What an operator said, which beats the health.
    #[serde(rename = "override")]
    pub operator: Option<String>,
    /// Its next-hop hosts, in order of preference.
    pub hosts: Vec<HostView>,
    /// Recipients that wait for it.
    pub waiting: u64,
}

/// A next-hop host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    /// `host:port`, or `mx:domain`.
    pub address: String,
    /// Did the last connection go well? Unknown before the first one.
    pub good: Option<bool>,
    /// What stood in the way; empty when it went well.
    pub reason: String,
    /// When that was.
    pub at: Option<Timestamp>,
}

/// `backend show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendDetails {
    /// As in the list.
    #[serde(flatten)]
    pub backend: BackendView,
    /// How to talk to it.
    pub protocol: Protocol,
    /// What it must prove.
    pub tls: TlsPolicy,
    /// The login; its password is not shown.
    pub username: Option<String>,
    /// Connections at one time.
    pub max_connections: usize,
    /// Messages a minute; 0: no limit.
    pub messages_per_minute: u32,
    /// Probing.
    pub probe: ProbeView,
}

/// How a backend is probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeView {
    /// Seconds from one probe to the next.
    pub interval_seconds: u64,
    /// Failures in a row until it is down.
    pub down_after: u32,
    /// Successes in a row until it is up.
    pub up_after: u32,
    /// Asked for with RCPT.
    pub recipient: Option<String>,
}

/// What waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueNumbers {
    /// Recipients that wait for their next attempt.
    pub queued: u64,
    /// Recipients that are held: behind a backend that is down, or one by one.
    pub held: u64,
    /// Recipients of which a copy may have come twice.
    pub uncertain: u64,
    /// Acceptance of the oldest message with an unfinished recipient.
    pub oldest: Option<Timestamp>,
}

/// What is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolNumbers {
    /// Made at creation; a new one means a new spool.
    pub uuid: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes free on that disk.
    pub free_bytes: u64,
    /// Messages accepted since creation.
    pub accepted: u64,
    /// Recipients delivered since creation.
    pub delivered: u64,
}

/// A line of `queue list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueItem {
    /// The message.
    pub id: SpoolId,
    /// The recipient.
    pub recipient: String,
    /// `queued` or `held`.
    pub state: ShownState,
    /// Why; empty for a first attempt.
    pub reason: String,
    /// The backend it waits for; none for strangers.
    pub backend: Option<BackendId>,
    /// The next attempt; none while held.
    pub due: Option<Timestamp>,
    /// Finished attempts.
    pub attempts: u32,
    /// When the message was accepted.
    pub received: Timestamp,
    /// The reverse-path; empty for reports.
    pub from: String,
    /// Subject, cut.
    pub subject: Option<String>,
}

/// `trace`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// The messages, newest first.
    pub messages: Vec<MessageView>,
    /// There are older ones: ask with a larger limit.
    pub more: bool,
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its spool id.
    pub id: SpoolId,
    /// `Message-ID`, without angle brackets.
    pub message_id: Option<String>,
    /// When it was accepted.
    pub received: Timestamp,
    /// The reverse-path; empty for reports.
    pub from: String,
    /// `From` of the header, cut.
    pub header_from: Option<String>,
    /// `Subject`, cut.
    pub subject: Option<String>,
    /// Bytes, trace lines included.
    pub size: u64,
    /// Who handed it in.
    pub peer: PeerView,
    /// Its recipients, in the order of RCPT.
    pub recipients: Vec<RecipientView>,
}

/// Who handed a message in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Address and port; empty for the program itself.
    pub address: String,
    /// What it said in EHLO.
    pub helo: String,
    /// `ESMTPS`, `webmail` …
    pub protocol: String,
    /// TLS version and cipher.
    pub tls: Option<String>,
    /// The account that logged in.
    pub user: Option<String>,
}

/// A recipient and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientView {
    /// As the sender wrote it.
    pub address: String,
    /// Where it stands.
    pub state: ShownState,
    /// Why; empty when there is nothing to say.
    pub reason: String,
    /// The backend that it waits for or that took it.
    pub backend: Option<BackendId>,
    /// The address it was delivered to.
    pub delivery_address: Option<String>,
    /// What the next hop said last.
    pub reply: Option<String>,
    /// The next attempt.
    pub due: Option<Timestamp>,
    /// Finished attempts, while it waits.
    pub attempts: u32,
    /// A copy may have come twice.
    pub uncertain: bool,
    /// Its history, oldest first.
    pub events: Vec<EventView>,
}

/// One line of a recipient's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// When.
    pub at: Timestamp,
    /// `accepted`, `attempted`, `deferred`, `delivered` …
    pub event: String,
    /// The rest, for people.
    pub detail: String,
}

/// `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainView {
    /// The address that was asked for.
    pub address: String,
    /// The backend that holds the mailbox.
    pub home: Option<BackendId>,
    /// What would be done with its mail now.
    pub decision: DecisionWord,
    /// Where it would go, or what is waited for.
    pub backend: Option<String>,
    /// The address to say in RCPT.
    pub delivery_address: Option<String>,
    /// Why.
    pub reason: String,
    /// The steps that led to it.
    pub steps: Vec<String>,
}

/// The word for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecisionWord {
    /// Deliver.
    Relay,
    /// Wait.
    Hold,
    /// Nobody takes it.
    Reject,
}

/// `reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// Always true: a refused config is an error.
    pub reloaded: bool,
}

impl BackendView {
    /// A backend with what the config says of it and what waits for it.
    pub(super) fn new(
        backend: BackendHealth,
        options: &BackendOptions,
        results: &[HostResult],
        stats: &SpoolStats,
    ) -> Self {
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
            waiting: stats
                .queued
                .get(backend.id.as_str())
                .copied()
                .unwrap_or_default(),
            name: backend.id,
            health: backend.health,
            reason: backend.reason,
            since: backend.since,
            operator: None,
            hosts,
        }
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
    pub(super) fn new(backend: BackendView, options: &BackendOptions) -> Self {
        Self {
            backend,
            protocol: options.protocol,
            tls: options.tls,
            username: options
                .credentials
                .as_ref()
                .map(|credentials| credentials.username.clone()),
            max_connections: options.max_connections,
            messages_per_minute: options.messages_per_minute,
            probe: ProbeView {
                interval_seconds: options.probe.interval.as_secs(),
                down_after: options.probe.down_after,
                up_after: options.probe.up_after,
                recipient: options.probe.recipient.clone(),
            },
        }
    }
}

impl QueueNumbers {
    /// What waits, with the lanes of backends that are down counted as held.
    pub(super) fn new(stats: &SpoolStats, backends: &[BackendHealth]) -> Self {
        let waiting: u64 = stats.queued.values().sum();
        let behind: u64 = backends
            .iter()
            .filter(|backend| paused(backend).is_some())
            .filter_map(|backend| stats.queued.get(backend.id.as_str()))
            .sum();
        Self {
            queued: waiting.saturating_sub(behind),
            held: stats.held.saturating_add(behind),
            uncertain: stats.uncertain,
            oldest: stats.oldest,
        }
    }
}

impl From<SpoolStats> for SpoolNumbers {
    fn from(stats: SpoolStats) -> Self {
        Self {
            uuid: stats.uuid,
            bytes: stats.bytes,
            free_bytes: stats.free_bytes,
            accepted: stats.accepted,
            delivered: stats.delivered,
        }
    }
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
            recipients: recipients
                .enumerate()
                .map(|(number, (recipient, state))| {
                    let mut events = vec![EventView {
                        at: message.received,
                        event: "accepted".to_owned(),
                        detail: accepted_from(&envelope.peer),
                    }];
                    events.extend(
                        history
                            .iter()
                            .filter(|entry| {
                                entry.recipients.iter().any(|&of| usize::from(of) == number)
                            })
                            .map(EventView::from),
                    );
                    let shown = Shown::of(state, backends);
                    RecipientView::new(recipient.address.to_string(), state, shown, events)
                })
                .collect(),
        }
    }
}

fn accepted_from(peer: &Peer) -> String {
    match (peer.user.as_deref(), peer.address.as_str()) {
        (Some(user), _) => format!("from {user} ({})", peer.protocol),
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
            user: peer.user.clone(),
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
            RecipientState::Held { .. } | RecipientState::Dropped { .. } => (None, None),
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
            events,
        }
    }
}

impl From<&LedgerEntry> for EventView {
    fn from(entry: &LedgerEntry) -> Self {
        let detail = match &entry.event {
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
            } => {
                let tls = tls.as_deref().map_or("without TLS", |_| "with TLS");
                format!("to {backend} as {delivery_address} {tls}: {reply}")
            }
            RecipientEvent::Deferred {
                backend,
                failure,
                due,
                ..
            } => format!("by {backend}: {failure}; next attempt {due}"),
            RecipientEvent::Rerouted { lane } => format!("to {lane}"),
            RecipientEvent::Held { reason } => reason.to_string(),
            RecipientEvent::Released { actor, .. } | RecipientEvent::Dropped { actor } => {
                format!("by {actor}")
            }
            RecipientEvent::Bounced { failure } => failure.to_string(),
        };
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
        }
    }
}
