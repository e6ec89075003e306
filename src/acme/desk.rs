//! Waits until a certificate is due, has it made, remembers how that went, and says so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::ask::Asker;
use super::files::{AcmeFiles, Advice, Memory};
use super::order::{Answers, Clerk, Replaces, renewal_id};
use super::{AcmeError, AcmeOptions, Plan};
use crate::base::{Clock, Entropy, Shutdown, Timestamp};
use crate::limits;
use crate::net::{CertificateFacts, Https};
use crate::telemetry::names;

/// What it stands on.
#[derive(Debug, Clone)]
pub struct AcmeWorld {
    /// How the authority is asked.
    pub https: Https,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
}

/// Who keeps the certificate; cheap to clone.
#[derive(Debug, Clone)]
pub struct Acme(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    options: AcmeOptions,
    files: AcmeFiles,
    world: AcmeWorld,
    asker: Asker,
    answers: Answers,
    memory: Mutex<Memory>,
    /// When it was last asked for its advice, whatever it said.
    advised: Mutex<Option<Timestamp>>,
    again: Notify,
}

/// How a certificate stands that an authority makes for us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcmeView {
    /// The authority.
    pub directory: String,
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// Until when the one that is there is good; `None`: the authority has made none yet.
    pub ends: Option<Timestamp>,
    /// When the next one is ordered; in the past: as soon as the server runs.
    pub next: Timestamp,
    /// When one was ordered last.
    pub tried: Option<Timestamp>,
    /// How often in a row that failed.
    pub failures: u32,
    /// Why, the last time; empty: it did not.
    pub what: String,
}

impl AcmeView {
    /// From what stands in the folder.
    #[must_use]
    pub fn of(options: &AcmeOptions, data_dir: &Path) -> Self {
        let files = AcmeFiles::new(data_dir);
        Self::from(options, files.present().as_ref(), &files.memory())
    }

    /// Is there a certificate that is not due yet? However soon it ends, nobody has to do anything.
    #[must_use]
    pub fn is_on_track(&self, now: Timestamp) -> bool {
        self.ends.is_some() && self.failures == 0 && self.next > now
    }

    fn from(options: &AcmeOptions, present: Option<&CertificateFacts>, memory: &Memory) -> Self {
        let made = present.filter(|it| !it.is_self_signed);
        Self {
            directory: options.directory.clone(),
            hosts: options.hosts.clone(),
            ends: made.map(|it| it.ends),
            next: Plan::of(&options.hosts, present, memory).at,
            tried: memory.tried,
            failures: memory.failures,
            what: memory.what.clone(),
        }
    }
}

impl Acme {
    /// Keeps the certificate of these options in `data_dir`.
    #[must_use]
    pub fn new(options: AcmeOptions, data_dir: &Path, world: AcmeWorld) -> Self {
        let files = AcmeFiles::new(data_dir);
        let asker = Asker::new(world.https.clone(), options.authorities.clone());
        Self(Arc::new(Desk {
            memory: Mutex::new(files.memory()),
            options,
            files,
            world,
            asker,
            answers: Answers::default(),
            advised: Mutex::default(),
            again: Notify::new(),
        }))
    }

    /// What the authority is answered that looks whether a host is ours.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.0.answers.clone()
    }

    /// The file with the pair.
    #[must_use]
    pub fn pair(&self) -> PathBuf {
        self.0.files.pair()
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> AcmeView {
        let desk = &self.0;
        AcmeView::from(&desk.options, desk.files.present().as_ref(), &desk.memory())
    }

    /// Somebody may have mended what was wrong: what has failed is tried at once, unless the
    /// authority wants to be left alone.
    pub fn try_again(&self) {
        self.0.memory().ask_again();
        self.0.again.notify_one();
    }

    /// Orders and renews until the stop.
    pub async fn keep(self, shutdown: Shutdown) {
        let desk = &self.0;
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = desk.seek_advice() => {}
            }
            let now = desk.world.clock.now();
            let plan = Plan::of(
                &desk.options.hosts,
                desk.files.present().as_ref(),
                &desk.memory(),
            );
            if plan.at <= now {
                tokio::select! {
                    biased;
                    () = shutdown.stopping() => return,
                    () = desk.order() => {}
                }
                continue;
            }
            let wait = plan.at.since(now).min(limits::ACME_TURN);
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = desk.again.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

impl Desk {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clerk(&self) -> Clerk<'_> {
        Clerk {
            options: &self.options,
            files: &self.files,
            asker: &self.asker,
            answers: &self.answers,
        }
    }

    /// One order. What is there stays when it fails.
    async fn order(&self) {
        let failures = self.memory().failures;
        let replaces = if failures == 0 {
            Replaces::Told
        } else {
            Replaces::Untold
        };
        self.asker.begin();
        let result = Box::pin(self.clerk().obtain(replaces)).await;
        let now = self.world.clock.now();
        let outcome = match &result {
            Ok(()) => {
                self.memory().worked(now);
                let hosts = self.options.hosts.join(",");
                let ends = self.files.present().map(|it| it.ends.to_string());
                tracing::info!(hosts, ends, "acme: a certificate was made");
                "made"
            }
            Err(error) => {
                let what = error.to_string();
                self.memory().failed(now, (&what, self.asker.wait()));
                tracing::warn!(%error, failures = failures + 1, "acme: no certificate was made");
                "failed"
            }
        };
        counter!(names::ACME_ORDERS, "result" => outcome).increment(1);
        self.remember();
    }

    fn remember(&self) {
        let memory = self.memory().clone();
        // What is in memory counts until the next start.
        if let Err(error) = self.files.remember(&memory) {
            tracing::warn!(%error, "acme: how the orders went is not remembered");
        }
    }

    /// RFC 9773 §4.2: asks when the certificate that is there should be renewed.
    async fn seek_advice(&self) {
        let Some(present) = self.files.present().filter(|it| !it.is_self_signed) else {
            return;
        };
        let now = self.world.clock.now();
        if !self.may_ask(now) {
            return;
        }
        match self.window(&present).await {
            Ok(Some(window)) => self.heed(&present, window, now),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "acme: no advice on renewal"),
        }
    }

    /// Not more often than it makes sense, and not when nothing goes.
    fn may_ask(&self, now: Timestamp) -> bool {
        if self.memory().failures > 0 {
            return false;
        }
        let mut advised = self.advised.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = advised.is_none_or(|at| at.after(limits::ACME_ADVICE) <= now);
        if is_time {
            *advised = Some(now);
        }
        is_time
    }

    /// The window that the authority suggests; `None`: it suggests none.
    async fn window(
        &self,
        present: &CertificateFacts,
    ) -> Result<Option<(Timestamp, Timestamp)>, AcmeError> {
        let Some(id) = renewal_id(present) else {
            return Ok(None);
        };
        let account = self.clerk().account().await?;
        let info = match account.renewal_info(&id).await {
            Ok((info, _)) => info.suggested_window,
            Err(instant_acme::Error::Unsupported(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let moment = |seconds: i64| {
            let millis = u64::try_from(seconds)
                .unwrap_or_default()
                .saturating_mul(1_000);
            Timestamp::from_millis(millis)
        };
        let window = (
            moment(info.start.unix_timestamp()),
            moment(info.end.unix_timestamp()),
        );
        Ok((window.0 < window.1).then_some(window))
    }

    /// A moment is drawn from a window once.
    fn heed(&self, present: &CertificateFacts, window: (Timestamp, Timestamp), now: Timestamp) {
        let known = self.memory().advice.clone();
        let is_known = |it: &Advice| it.window == window && it.of_ends == present.ends;
        if known.as_ref().is_some_and(is_known) {
            return;
        }
        let width = window.1.since(window.0).mul_f64(self.world.entropy.unit());
        let advice = Advice {
            renew: window.0.after(width),
            window,
            of_ends: present.ends,
            asked: now,
        };
        self.memory().advice = Some(advice);
        self.remember();
    }
}
