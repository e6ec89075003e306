//! The JSON of the API. The command line reads the same types. Fields are added, never renamed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AttentionView, CaseNumbers, CertificateTrouble, Covered, HealthView, HoldView, MoveView,
    RedDrill, SendingTrouble, TlsWish, WaveView,
};
use crate::activation::ActivationView;
use crate::backend::{Health, HealthChange, Protocol, TlsPolicy, Wish};
use crate::base::Timestamp;
use crate::directory::SyncStatus;
use crate::filter::FilterStatus;
use crate::inbound::Busy;
use crate::mail::{Automatic, BackendId, Filtered, SpoolId, Verdict};
use crate::queue::{Progress, replay};
use crate::route::{Nearly, RelayTested, ShownState};
use crate::spool::{Balance, Missing, Outlook, WriteFailures};

/// `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Why new mail is refused now; none while it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusing: Option<String>,
    /// Strangers are told to come later, since when and why; none while they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<Busy>,
    /// Drills that are red.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub red_drills: Vec<RedDrill>,
    /// Certificates that end soon, have ended, or were not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateTrouble>,
    /// Senders and devices that have had nearly all recipients of their day; devices that end soon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sending: Vec<SendingTrouble>,
    /// Refusals that wait for a decision.
    #[serde(default)]
    pub cases: CaseNumbers,
    /// Mail that waits for too long.
    #[serde(default)]
    pub attention: AttentionView,
    /// What `/health` says; only when it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthView>,
    /// Rules that hold mail.
    #[serde(default)]
    pub holds: Vec<HoldView>,
    /// Domains on the move, or that were.
    #[serde(default)]
    pub moves: Vec<MoveView>,
    /// All our domains are on the move: nothing for them is delivered until a move ends.
    #[serde(default)]
    pub all_moving: bool,
    /// Waves that will start, could not, or started in the last day.
    #[serde(default)]
    pub waves: Vec<WaveView>,
    /// Replays that run or are paused.
    #[serde(default)]
    pub replays: Vec<replay::Progress>,
    /// Delivered messages that are in no folder of their mailbox, by recipient.
    #[serde(default)]
    pub missing_mail: u64,
    /// Whether strangers could send through this server, as it was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_relay: Option<RelayTested>,
    /// Content filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterStatus>,
    /// Sources of the directory that are synchronised.
    #[serde(default)]
    pub sources: Vec<SyncStatus>,
    /// Conflicts between sources of the directory that nobody has settled.
    #[serde(default)]
    pub open_conflicts: u64,
    /// How many of those who have a mailbox can log in to the webmail; none without a webmail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled: Option<Covered>,
    /// For whom the webmail is open; none without a webmail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webmail: Option<ActivationView>,
}

/// A backend in `status` and `backend list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackendView {
    /// Its name.
    pub name: BackendId,
    /// How it is.
    pub health: Health,
    /// It is slow because it answers probes while mail fails, attempt for attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failing: bool,
    /// Why; empty while it was never doubted.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// What an operator said, which beats the health.
    #[serde(rename = "override")]
    pub operator: Option<String>,
    /// The same in one word; none when nobody says anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
    /// Its next-hop hosts, in order of preference.
    pub hosts: Vec<HostView>,
    /// Recipients that wait for it.
    pub waiting: u64,
    /// Recipients that it has refused and that are held in cases until somebody decides; at most a
    /// page of cases is counted. Null while that is not known.
    #[serde(default)]
    pub in_cases: Option<u64>,
    /// Recipients of it whose mail another backend got, as `failover` says; to be brought home.
    #[serde(default)]
    pub diverted: u64,
    /// How it gets what waits.
    #[serde(default)]
    pub drain: DrainView,
}

/// How a backend gets what waits for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrainView {
    /// What was measured.
    #[serde(flatten)]
    pub progress: Progress,
    /// When nothing will wait any more, if it goes on like this; none while nothing moves, and
    /// while its mail is held.
    pub eta_seconds: Option<u64>,
}

/// A next-hop host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackendDetails {
    /// As in the list.
    #[serde(flatten)]
    pub backend: BackendView,
    /// How to talk to it.
    pub protocol: Protocol,
    /// What it must prove.
    pub tls: TlsPolicy,
    /// How it proves it, and what we prove: one sentence each.
    #[serde(default)]
    pub tls_proof: Vec<String>,
    /// The login; its password is not shown.
    pub username: Option<String>,
    /// Connections at one time.
    pub max_connections: usize,
    /// Messages a minute; 0: no limit.
    pub messages_per_minute: u32,
    /// What one mailbox may get of the backlog a minute; 0: no limit.
    #[serde(default)]
    pub mailbox_messages_per_minute: u32,
    /// The same for an hour.
    #[serde(default)]
    pub mailbox_messages_per_hour: u32,
    /// Messages a minute of one sender of ours; 0: no limit.
    #[serde(default)]
    pub sender_messages_per_minute: u32,
    /// Recipients of one sender of ours within 24 hours; 0: no limit.
    #[serde(default)]
    pub sender_recipients_per_day: u32,
    /// Recipients of one transaction.
    #[serde(default)]
    pub max_recipients: usize,
    /// Does it open slowly after trouble?
    #[serde(default)]
    pub slow_open: bool,
    /// Probing.
    pub probe: ProbeView,
    /// While it is rejecting: for whom it was asked last without mail, when, and what came of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
    /// Its last changes, of health and by operators, oldest first.
    #[serde(default)]
    pub history: Vec<HealthChange>,
}

/// How a backend is probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueNumbers {
    /// Recipients that wait for their next attempt.
    pub queued: u64,
    /// Recipients that are held: behind a backend that is down, or one by one.
    pub held: u64,
    /// Recipients of which a copy may have come twice, or though they were given up.
    pub uncertain: u64,
    /// Acceptance of the oldest message with an unfinished recipient.
    pub oldest: Option<Timestamp>,
}

/// `size`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SizeView {
    /// Bytes that the spool takes on disk, with what is reserved for the log.
    pub bytes: u64,
    /// Bytes free on that disk.
    pub free_bytes: u64,
    /// Why new mail is refused now; none while it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusing: Option<String>,
    /// How long it lasts.
    pub outlook: Outlook,
}

/// How far the index is while it is made from the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexView {
    /// How much of the log is read.
    pub percent: u8,
    /// How long the rest takes, as far as that can be known.
    pub seconds_left: Option<u64>,
    /// Both for people, with what stands in the way.
    pub text: String,
}

/// What is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpoolNumbers {
    /// Made at creation; a new one means a new spool.
    pub uuid: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes free on that disk.
    pub free_bytes: u64,
    /// The index is being made from the log: mail is taken, and the numbers of what waits are not
    /// known yet.
    #[serde(default)]
    pub index: Option<IndexView>,
    /// How long it lasts, as far as that can be said.
    #[serde(default)]
    pub outlook: Option<Outlook>,
    /// Damaged pieces in quarantine.
    #[serde(default)]
    pub quarantined: u64,
    /// Damaged messages that somebody waits for still: held, never delivered.
    #[serde(default)]
    pub damaged: u64,
    /// Segments of the log that are gone or shorter than they were, as the last look found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// What could not be written since the start.
    #[serde(default)]
    pub write_failures: Option<WriteFailures>,
    /// The last account: what came in is what is finished and what waits.
    #[serde(default)]
    pub balance: Option<Balance>,
    /// Messages accepted since creation.
    pub accepted: u64,
    /// Recipients delivered since creation.
    pub delivered: u64,
}

/// A line of `queue list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceView {
    /// The messages, newest first.
    pub messages: Vec<MessageView>,
    /// There are older ones: ask with a larger limit.
    pub more: bool,
    /// Files of the ledger that cannot be read: there may be more in them.
    #[serde(default)]
    pub ledger_gaps: u64,
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What its sender wants of TLS on its way; left out when it says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_wish: Option<TlsWish>,
    /// The group whose people it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expanded: Option<ExpandedView>,
    /// What was found out about a stranger who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What content filters said of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filtered: Vec<Filtered>,
    /// What the policy on automatic answers did with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<Automatic>,
    /// Its recipients, in the order of RCPT.
    pub recipients: Vec<RecipientView>,
}

/// The recipient of another message that was expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpandedView {
    /// The message.
    pub message: SpoolId,
    /// The group.
    pub group: String,
}

/// Who handed a message in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerView {
    /// Address and port; empty for the program itself.
    pub address: String,
    /// What it said in EHLO.
    pub helo: String,
    /// `ESMTPS`, `webmail` …
    pub protocol: String,
    /// TLS version and cipher.
    pub tls: Option<String>,
    /// The name that its certificate proved.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The account that logged in.
    pub user: Option<String>,
    /// The device that it is.
    #[serde(default)]
    pub device: Option<String>,
}

/// A recipient and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A copy may have come twice; of who was bounced or dropped, it may have come all the same.
    pub uncertain: bool,
    /// Its home, when another backend got it.
    #[serde(default)]
    pub diverted_from: Option<BackendId>,
    /// Its history, oldest first.
    pub events: Vec<EventView>,
}

/// One line of a recipient's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    /// When.
    pub at: Timestamp,
    /// `accepted`, `attempted`, `deferred`, `delivered` …
    pub event: String,
    /// The rest, for people.
    pub detail: String,
}

/// `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Rules that nearly applied.
    #[serde(default)]
    pub nearly: Vec<Nearly>,
}

/// The word for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionWord {
    /// Deliver.
    Relay,
    /// Wait.
    Hold,
    /// A group: its people get it.
    Expand,
    /// Nobody takes it.
    Reject,
}

/// `reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadView {
    /// Always true: a refused config is an error.
    pub reloaded: bool,
}
