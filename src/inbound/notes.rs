//! Lines of the program's log that strangers cause: as many as they like, so not all are written.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use metrics::counter;

use super::server::Server;
use crate::base::{Sampler, Timestamp};
use crate::limits;
use crate::mail::Verdict;
use crate::smtp::{Command, ForwardPath, Reply, ReversePath};
use crate::telemetry::names;

/// Which lines of a listener are written.
#[derive(Debug)]
pub(super) struct Notes {
    refusals: Mutex<Sampler>,
    verdicts: Mutex<Sampler>,
    connections: Mutex<Sampler>,
    logins: Mutex<Sampler>,
    entries: Mutex<Sampler>,
}

impl Default for Notes {
    fn default() -> Self {
        let new = |(most, rate)| Mutex::new(Sampler::new(most, rate));
        Self {
            refusals: new(limits::LOG_REFUSALS),
            verdicts: new(limits::LOG_REFUSALS),
            connections: new(limits::LOG_CONNECTIONS),
            logins: new(limits::LOG_REFUSALS),
            entries: new(limits::LOG_REFUSALS),
        }
    }
}

/// Whom a command named, if it was one of those that name somebody. Of all others nothing is
/// repeated: it may be a password.
#[derive(Debug, Default)]
pub(super) struct Named {
    from: Option<ReversePath>,
    to: Option<ForwardPath>,
}

impl Named {
    pub(super) fn by(command: Option<&Command>) -> Self {
        match command {
            Some(Command::Mail { from, .. }) => Self {
                from: Some(from.clone()),
                to: None,
            },
            Some(Command::Rcpt { to, .. }) => Self {
                from: None,
                to: Some(to.clone()),
            },
            _ => Self::default(),
        }
    }
}

impl Server {
    /// A client was refused something.
    pub(super) fn note_refusal(&self, peer: SocketAddr, reply: &Reply, named: &Named) {
        let listener = &self.options.listener;
        let code = reply.code.to_string();
        counter!(names::REFUSED, "listener" => listener.clone(), "code" => code).increment(1);
        let Some(left_out) = take(&self.notes.refusals, self.clock.now()) else {
            return;
        };
        let from = named.from.as_ref().map(ToString::to_string);
        let to = named.to.as_ref().map(ToString::to_string);
        tracing::info!(%peer, listener, from, to, %reply, left_out, "refused");
    }

    /// Somebody logged in, or tried to.
    pub(super) fn note_login(
        &self,
        peer: SocketAddr,
        (who, mechanism, outcome): (&str, &'static str, &'static str),
    ) {
        // The one that got in is not lost in a flood of wrong ones.
        let sampler = match outcome {
            "in" => &self.notes.entries,
            _ => &self.notes.logins,
        };
        let Some(left_out) = take(sampler, self.clock.now()) else {
            return;
        };
        let listener = &self.options.listener;
        tracing::info!(%peer, listener, who, mechanism, outcome, left_out, "submission: login");
    }

    /// A message is refused for what was found out about its sender.
    pub(super) fn note_verdict(
        &self,
        peer: SocketAddr,
        (from, verdict): (&str, &Verdict),
        reply: &Reply,
    ) {
        let Some(left_out) = take(&self.notes.verdicts, self.clock.now()) else {
            return;
        };
        let listener = &self.options.listener;
        tracing::info!(%peer, listener, from, %verdict, %reply, left_out, "sender not believed");
    }

    /// Says what was left out since the last line, when none came that would have said it.
    pub(super) fn note_rest(&self) {
        let listener = &self.options.listener;
        for (event, sampler) in [
            ("refused", &self.notes.refusals),
            ("sender not believed", &self.notes.verdicts),
            ("connection ended", &self.notes.connections),
            ("submission: login", &self.notes.logins),
            ("submission: login", &self.notes.entries),
        ] {
            let mut sampler = sampler.lock().unwrap_or_else(PoisonError::into_inner);
            let left_out = sampler.rest();
            if left_out > 0 {
                tracing::info!(listener, of = event, left_out, "lines were left out");
            }
        }
    }

    /// A connection came to nothing, or to an end before its time.
    pub(super) fn note_trouble(
        &self,
        peer: SocketAddr,
        (what, why): (&str, &dyn std::fmt::Display),
    ) {
        let Some(left_out) = take(&self.notes.connections, self.clock.now()) else {
            return;
        };
        let listener = &self.options.listener;
        tracing::info!(%peer, listener, what, %why, left_out, "connection ended");
    }
}

fn take(sampler: &Mutex<Sampler>, now: Timestamp) -> Option<u64> {
    let mut sampler = sampler.lock().unwrap_or_else(PoisonError::into_inner);
    sampler.take(now)
}
