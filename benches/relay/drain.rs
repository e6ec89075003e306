//! How fast a backlog goes out once the platform is back, shaping off.

use std::time::Duration;

use crate::measure::{Case, Mode};
use crate::servers::{Relay, Servers};
use crate::tools::{self, now};

const PATIENCE: Duration = Duration::from_secs(600);
/// From one reminder to the next, as far as a relay needs any.
const REMIND: Duration = Duration::from_secs(2);
/// Bytes of a message.
const SIZE: usize = 4_096;
/// Sessions of the source while the sink is away.
const SESSIONS: usize = 50;

/// Drains `count` messages of both in turn; the table in Markdown.
pub(crate) fn compare(servers: &mut Servers, count: usize) -> String {
    println!("drain of {count} messages of {SIZE} bytes");
    let ours = drain(&mut servers.tideover, count);
    let theirs = drain(&mut servers.postfix, count);
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    format!(
        "| backlog | tideover s | /s | postfix s | /s | ratio |\n\
         |--:|--:|--:|--:|--:|--:|\n\
         | {count} | {:.1} | {:.0} | {:.1} | {:.0} | {:.1} |\n",
        ours.as_secs_f64(),
        rate(ours),
        theirs.as_secs_f64(),
        rate(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64(),
    )
}

/// From the moment at which the sink is back to the last message.
fn drain(relay: &mut Relay, count: usize) -> Duration {
    relay.stop_sink();
    let case = Case {
        mode: Mode::Reuse,
        size: SIZE,
        sessions: SESSIONS,
    };
    tools::source(relay.port(), &case, count);
    tools::settle();
    relay.start_sink();
    let start = now();
    let mut reminded = start;
    relay.remind();
    while relay.sink().count() < count {
        let arrived = relay.sink().count();
        assert!(
            start.elapsed() < PATIENCE,
            "{} delivered {arrived} of {count}",
            relay.name()
        );
        if reminded.elapsed() > REMIND {
            relay.remind();
            reminded = now();
        }
        tools::pause();
    }
    let time = start.elapsed();
    println!("  {:8} {:.1} s", relay.name(), time.as_secs_f64());
    time
}
