//! Where events become lines.

use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;

use super::line::Line;
use super::queue::Queue;

/// Makes lines of events, and gives them to the queue.
#[derive(Debug)]
pub(super) struct Lines(Arc<Queue>);

impl Lines {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let of = event.metadata();
        let mut line = Line::new(now(), *of.level(), of.target());
        event.record(&mut line);
        self.0.push(line);
    }
}

/// The time, in UTC.
pub(super) fn now() -> String {
    let mut at = String::with_capacity(32);
    // Writing to a String cannot fail.
    SystemTime.format_time(&mut Writer::new(&mut at)).ok();
    at
}
