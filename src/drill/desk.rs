//! Sends probes when they are due, hears of those that are back, and remembers the lights.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::core::{Back, Came, Core, LegState, Light};
use super::probe::{compose, subject};
use super::{LegOptions, Options};
use crate::base::{Boxed, Clock, Entropy, Shutdown, Timestamp};
use crate::directory::Generations;
use crate::mail::{
    Authenticity, BackendId, DeliveryTarget, Envelope, Peer, Recipient, RecipientEvent, SpoolId,
};
use crate::route::{Admission, Admit as _, Decision, Origin, Router};
use crate::smtp::{MailParameters, RcptParameters, ReversePath};
use crate::spool::{Spool, SpoolError};

/// The room under which the lights stand in the log.
const ROOM: &str = "drill";
const LEG: &str = "leg/";
/// From one look at what is due to the next, at most.
const ROUND: Duration = Duration::from_secs(30);
/// Characters of a token: 128 bits.
const TOKEN: usize = 32;

/// Takes probes out of the queue that nobody waits for any more.
pub trait Withdraw: Send + Sync + std::fmt::Debug {
    /// Drops what still waits of a message.
    fn withdraw(&self, probe: SpoolId) -> Boxed<'_, ()>;
}

/// What drills work with.
#[derive(Debug)]
pub struct Parts {
    /// Where probes are accepted, and lights remembered.
    pub spool: Spool,
    /// Where probes go.
    pub router: Router,
    /// Nobody is sent anything before it is known who lives where.
    pub directory: Generations,
    /// The time.
    pub clock: Clock,
    /// Tokens.
    pub entropy: Entropy,
}

/// The drills; cheap to clone.
#[derive(Debug, Clone)]
pub struct Drills(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    /// `None`: nothing is drilled.
    options: Option<Options>,
    core: Mutex<Core>,
    withdraw: OnceLock<Arc<dyn Withdraw>>,
    ring: Notify,
}

/// A leg as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LegReport {
    /// `internet-cloud`.
    pub name: String,
    /// Where it begins; `None`: the Internet.
    pub from: Option<BackendId>,
    /// Where it leads.
    pub to: BackendId,
    /// Where the probe is sent.
    pub mailbox: String,
    /// What the last finished probe came to.
    #[serde(flatten)]
    pub state: LegState,
    /// When the probe was sent that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Timestamp>,
    /// The first hop of the last finished probe: what the platform said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// TLS of the first hop; `None`: not encrypted, or not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_out: Option<String>,
}

impl Drills {
    /// Drills by the config; `None`: there are none.
    #[must_use]
    pub fn new(options: Option<Options>, parts: Parts) -> Self {
        let core = Core::new(options.as_ref());
        Self(Arc::new(Inner {
            parts,
            options,
            core: Mutex::new(core),
            withdraw: OnceLock::new(),
            ring: Notify::new(),
        }))
    }

    /// Who takes probes out of the queue. The first one counts.
    pub fn withdraw_with(&self, withdraw: Arc<dyn Withdraw>) {
        self.0.withdraw.set(withdraw).ok();
    }

    /// What is drilled; `None`: nothing.
    #[must_use]
    pub fn options(&self) -> Option<&Options> {
        self.0.options.as_ref()
    }

    /// Why a wave should not start: each leg that is not green.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        let legs = self.legs().iter().enumerate();
        let core = self.core();
        legs.filter_map(|(at, leg)| {
            let name = leg.name();
            let state = core.state(at);
            match state.light {
                Light::Green => None,
                Light::Red => Some(format!("drill {name} is red: {}", state.reason)),
                Light::Never => Some(format!("no probe of drill {name} has come back yet")),
            }
        })
        .collect()
    }

    /// Each leg as it is now. Reads the ledger of the probes: may block on a local disk.
    ///
    /// # Errors
    /// When the index fails.
    pub fn report(&self) -> Result<Vec<LegReport>, SpoolError> {
        let legs = self.legs().iter().enumerate();
        legs.map(|(at, leg)| {
            let (state, pending) = {
                let core = self.core();
                (core.state(at), core.pending(at))
            };
            let (reply, tls_out) = match state.probe {
                Some(probe) => self.first_hop(probe)?,
                None => (None, None),
            };
            Ok(LegReport {
                name: leg.name(),
                from: leg.from.clone(),
                to: leg.to.clone(),
                mailbox: leg.mailbox.to_string(),
                state,
                pending,
                reply,
                tls_out,
            })
        })
        .collect()
    }

    /// The lights, without a look at the disk.
    #[must_use]
    pub fn lights(&self) -> Vec<(String, LegState)> {
        let legs = self.legs().iter().enumerate();
        let core = self.core();
        legs.map(|(at, leg)| (leg.name(), core.state(at))).collect()
    }

    /// Sends a probe on every leg now.
    pub fn hurry(&self) {
        self.core().hurry();
        self.0.ring.notify_one();
    }

    /// Sends what is due and gives up what is lost, until the program stops.
    pub async fn run(self, shutdown: Shutdown) {
        let mut restored = false;
        loop {
            let wait = if self.may_begin().await {
                if !restored {
                    self.restore();
                    restored = true;
                }
                self.round().await
            } else {
                Duration::from_secs(1)
            };
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = self.0.ring.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn may_begin(&self) -> bool {
        let Parts {
            spool, directory, ..
        } = &self.0.parts;
        spool.rebuilding().is_none() && directory.is_restored().await.unwrap_or(false)
    }

    /// How long nothing has to be done.
    async fn round(&self) -> Duration {
        let now = self.0.parts.clock.now();
        let lost = self.core().expire(now);
        for lost in lost {
            self.remember(lost.leg).await;
            if let (Some(probe), Some(withdraw)) = (lost.id, self.0.withdraw.get()) {
                withdraw.withdraw(probe).await;
            }
        }
        let due = self.core().due(now);
        for leg in due {
            self.send(leg).await;
        }
        let now = self.0.parts.clock.now();
        let next = self.core().next();
        // At least a moment, so that a clock that stands still cannot make it spin.
        let wait = next.map_or(ROUND, |next| next.since(now));
        wait.clamp(Duration::from_millis(10), ROUND)
    }

    /// A message has come to the drill's address.
    pub(super) async fn came(
        &self,
        text: &[u8],
        what: (Back, Option<String>),
        at: Timestamp,
    ) -> Came {
        let came = self.core().came(text, what, at);
        if let Came::Probe(leg) = came {
            self.remember(leg).await;
        }
        came
    }

    async fn send(&self, leg: usize) {
        let (Some(options), Some(way)) = (self.options(), self.legs().get(leg)) else {
            return;
        };
        let mut token = self.0.parts.entropy.token();
        token.truncate(TOKEN);
        let now = self.0.parts.clock.now();
        let sent = match self.leads_there(way) {
            Ok(()) => self.accept(options, leg, (&token, now)).await,
            Err(why) => Err(why),
        };
        if let Err(why) = sent {
            self.core().refused(leg, (&token, why), now);
            self.remember(leg).await;
        }
    }

    /// Would the probe go to the platform that the leg begins or ends at?
    fn leads_there(&self, leg: &LegOptions) -> Result<(), String> {
        let (mailbox, home) = (&leg.mailbox, leg.home());
        match self.0.parts.router.explain(mailbox).decision {
            Decision::Relay { targets, .. } => match targets.first() {
                Some(DeliveryTarget::Backend(backend)) if backend == home => Ok(()),
                Some(other) => Err(format!("mail for {mailbox} goes to {other}, not to {home}")),
                None => Err(format!("mail for {mailbox} goes nowhere")),
            },
            Decision::Hold { reason, .. } => Err(reason),
            Decision::Expand { reason, .. } => Err(format!("{mailbox} is a group: {reason}")),
            Decision::Reject(reply) => Err(format!("{mailbox} is nobody: {reply}")),
        }
    }

    async fn accept(
        &self,
        options: &Options,
        number: usize,
        (token, now): (&str, Timestamp),
    ) -> Result<SpoolId, String> {
        let Parts { spool, router, .. } = &self.0.parts;
        let leg = self.legs().get(number).ok_or("no such leg")?;
        let (lane, mailbox) = match router.admit(&leg.mailbox, Origin::Trusted) {
            Admission::Accept { lane, mailbox, .. } => (lane, mailbox),
            Admission::Reject(reply) => return Err(reply.to_string()),
        };
        let address = &options.address;
        let text = compose(leg, (address, &options.hostname), (token, now));
        let envelope = Envelope {
            from: ReversePath::Mailbox(address.clone()),
            parameters: MailParameters::default(),
            recipients: vec![Recipient {
                address: leg.mailbox.clone(),
                parameters: RcptParameters::default(),
                lane,
                mailbox,
            }],
            peer: Peer {
                protocol: ROOM.to_owned(),
                ..Peer::default()
            },
            message_id: Some(format!("{token}@{}", options.hostname)),
            subject: Some(subject(&leg.name(), token)),
            header_from: Some(address.to_string()),
            authenticity: Authenticity::Local,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        };
        let mut draft = spool.draft_of_ours();
        let failed = |error: SpoolError| error.to_string();
        draft.append(text.as_bytes()).await.map_err(failed)?;
        let begun = (token.to_owned(), Some(draft.id()));
        self.core().begin(number, begun, now);
        spool.accept(draft, envelope).await.map_err(failed)
    }

    fn first_hop(&self, probe: SpoolId) -> Result<(Option<String>, Option<String>), SpoolError> {
        let history = self.0.parts.spool.history(probe)?;
        let taken = history.into_iter().rev().find_map(|entry| {
            let RecipientEvent::Delivered { reply, tls, .. } = entry.event else {
                return None;
            };
            Some((Some(reply.to_string()), tls))
        });
        Ok(taken.unwrap_or_default())
    }

    fn restore(&self) {
        for (at, leg) in self.legs().iter().enumerate() {
            let fact = self
                .0
                .parts
                .spool
                .fact(ROOM, &format!("{LEG}{}", leg.name()));
            let state = fact.ok().flatten().map(serde_json::from_value);
            if let Some(Ok(state)) = state {
                self.core().restore(at, state);
            }
        }
    }

    /// Writes a light down.
    async fn remember(&self, leg: usize) {
        let Some(way) = self.legs().get(leg) else {
            return;
        };
        let (name, state) = (way.name(), self.core().state(leg));
        match state.light {
            Light::Red => tracing::warn!(leg = %name, why = %state.reason, "a drill is red"),
            Light::Green | Light::Never => tracing::debug!(leg = %name, "a drill is green"),
        }
        let Ok(value) = serde_json::to_value(&state) else {
            return;
        };
        let spool = &self.0.parts.spool;
        let key = format!("{LEG}{name}");
        if let Err(error) = spool.put_fact(ROOM, &key, Some(value)).await {
            tracing::warn!(%error, "the light of a drill could not be written down");
        }
    }

    fn legs(&self) -> &[LegOptions] {
        self.options().map_or(&[], |options| &options.legs)
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
