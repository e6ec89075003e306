//! How fast a backlog goes out once the platform is back, shaping off, and what the platform sees
//! of it.

use std::time::Duration;

use crate::measure::{Case, Mode};
use crate::options::Options;
use crate::report::median;
use crate::servers::{Relay, Servers};
use crate::tools::{self, now};

const PATIENCE: Duration = Duration::from_secs(600);
/// From one reminder to the next, as far as a relay needs any.
const REMIND: Duration = Duration::from_secs(2);
/// The first messages fail before it is clear that the sink is away, and pause before they are
/// tried again: at most so long. A true outage is longer.
const PAUSES: Duration = Duration::from_secs(11);
/// A step of the ramp.
const STEP: Duration = Duration::from_millis(250);
/// Steps that are printed.
const SHOWN: usize = 40;
/// Bytes of a message.
const SIZE: usize = 4_096;
/// Sessions of the source while the sink is away.
const SESSIONS: usize = 50;

/// What one drain gave.
struct Drain {
    /// From the moment at which the sink is back to the last message.
    seconds: f64,
    /// CPU seconds of the relay.
    cpu: f64,
    ramp: Vec<Step>,
}

/// What the sink saw in a stretch of time.
struct Step {
    messages: usize,
    /// Open connections at its end.
    connections: usize,
}

/// Drains `count` messages of both in turn, `options.reps` times; the table in Markdown.
pub(crate) fn compare(servers: &mut Servers, options: &Options, count: usize) -> String {
    let connections = options.connections;
    println!("drain of {count} messages of {SIZE} bytes, {connections} connections at most");
    let Servers { tideover, postfix } = servers;
    let mut pairs = Vec::new();
    for repetition in 0..options.reps {
        let pair = if repetition % 2 == 0 {
            let ours = drain(tideover, count);
            (ours, drain(postfix, count))
        } else {
            let theirs = drain(postfix, count);
            (drain(tideover, count), theirs)
        };
        pairs.push(pair);
    }
    let pick = |of: fn(&Drain) -> f64| {
        let ours = median(pairs.iter().map(|(a, _)| of(a)));
        let theirs = median(pairs.iter().map(|(_, b)| of(b)));
        let ratio = median(pairs.iter().map(|(a, b)| of(b) / of(a)));
        (ours, theirs, ratio)
    };
    let (ours, theirs, ratio) = pick(|drain| drain.seconds);
    let (cpu, cpu_there, cpu_ratio) = pick(|drain| drain.cpu);
    let peak = |of: fn(&(Drain, Drain)) -> &Drain| {
        let steps = pairs.iter().flat_map(|pair| &of(pair).ramp);
        steps.map(|step| step.connections).max().unwrap_or(0)
    };
    format!(
        "| backlog | connections T / P | tideover s | /s | postfix s | /s | ratio \
         | CPU s T / P | ratio | pairs |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n\
         | {count} | {} / {} | {ours:.1} | {:.0} | {theirs:.1} | {:.0} | {ratio:.1} \
         | {cpu:.1} / {cpu_there:.1} | {cpu_ratio:.1} | {} |\n",
        peak(|pair| &pair.0),
        peak(|pair| &pair.1),
        count as f64 / ours,
        count as f64 / theirs,
        pairs.len(),
    )
}

/// Fills a relay while its sink is away, and watches what comes when it is back.
fn drain(relay: &mut Relay, count: usize) -> Drain {
    relay.stop_sink();
    let case = Case {
        mode: Mode::Reuse,
        size: SIZE,
        sessions: SESSIONS,
    };
    tools::source(relay.port(), &case, count);
    let filled = now();
    while filled.elapsed() < PAUSES {
        tools::pause();
    }
    tools::settle();
    relay.start_sink();
    let (start, cpu) = (now(), relay.cpu());
    let mut reminded = start;
    relay.remind();
    let mut ramp = Vec::new();
    let mut before = 0;
    loop {
        let arrived = relay.sink().count();
        let at = start.elapsed();
        if at >= STEP * (ramp.len() as u32 + 1) || arrived >= count {
            ramp.push(Step {
                messages: arrived - before,
                connections: relay.sink().connections(),
            });
            before = arrived;
        }
        if arrived >= count {
            break;
        }
        assert!(
            at < PATIENCE,
            "{} delivered {arrived} of {count}",
            relay.name()
        );
        if reminded.elapsed() > REMIND {
            relay.remind();
            reminded = now();
        }
        tools::pause();
    }
    let drained = Drain {
        seconds: start.elapsed().as_secs_f64(),
        cpu: relay.cpu() - cpu,
        ramp,
    };
    println!(
        "  {:8} {:.1} s, {:.1} s CPU",
        relay.name(),
        drained.seconds,
        drained.cpu
    );
    println!(
        "           messages@connections each {} ms: {}",
        STEP.as_millis(),
        drained.line()
    );
    drained
}

impl Drain {
    /// The beginning of the ramp, in one line.
    fn line(&self) -> String {
        let steps = self.ramp.iter().take(SHOWN);
        let steps = steps.map(|step| format!("{}@{}", step.messages, step.connections));
        steps.collect::<Vec<_>>().join(" ")
    }
}
