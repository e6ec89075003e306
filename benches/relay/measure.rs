//! One repetition: rates and CPU.

use std::fmt;
use std::time::Duration;

use crate::servers::Relay;
use crate::tools::{self, now};

const PATIENCE: Duration = Duration::from_secs(300);

/// How the source uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A connection for each message.
    NewConnections,
    /// Each session keeps its connection.
    Reuse,
}

impl Mode {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "conn" => Self::NewConnections,
            "reuse" => Self::Reuse,
            other => panic!("unknown mode {other}: conn or reuse"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NewConnections => "conn",
            Self::Reuse => "reuse",
        }
    }
}

/// What is sent and how.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) mode: Mode,
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Sessions at a time.
    pub(crate) sessions: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mode,
            size,
            sessions,
        } = self;
        write!(f, "{}, {size} bytes, {sessions} sessions", mode.name())
    }
}

/// What one repetition gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Messages acknowledged per second.
    pub(crate) accepted: f64,
    /// Messages per second until the sink had all.
    pub(crate) delivered: f64,
    /// CPU seconds (user and system) of the relay for 1,000 messages.
    pub(crate) cpu: f64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            delivered,
            cpu,
        } = self;
        write!(
            f,
            "{accepted:8.0}/s accepted {delivered:8.0}/s delivered {cpu:6.3} CPU s/1000"
        )
    }
}

/// Sends `count` messages through the relay.
pub(crate) fn run(relay: &mut Relay, case: &Case, count: usize) -> Run {
    tools::settle();
    let before = relay.sink().count();
    let cpu = relay.cpu();
    let start = now();
    relay.send(case, count);
    let accepted = start.elapsed();
    while relay.sink().count() < before + count {
        assert!(
            start.elapsed() < PATIENCE,
            "{} delivered {} of {count}",
            relay.name(),
            relay.sink().count() - before
        );
        tools::pause();
    }
    let delivered = start.elapsed();
    // What it does after the last delivery is its work too.
    tools::settle();
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    Run {
        accepted: rate(accepted),
        delivered: rate(delivered),
        cpu: (relay.cpu() - cpu) * 1_000.0 / count as f64,
    }
}

/// Number of messages that take about `secs`.
pub(crate) fn calibrate(relay: &mut Relay, case: &Case, secs: f64) -> usize {
    let mut count = 100.max(case.sessions * 4);
    loop {
        let rate = run(relay, case, count).delivered;
        if count as f64 / rate > 0.5 {
            return ((rate * secs) as usize).max(count);
        }
        count = ((rate * 0.8) as usize).max(count * 2);
    }
}
