//! A bar on stderr, for what takes longer than a second; lines where stderr is no terminal.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);
/// From one line to the next.
const BETWEEN: Duration = Duration::from_secs(5);

/// Shows how far something is, once it takes long.
#[derive(Debug)]
pub struct Bar {
    begun: Instant,
    shown: Option<ProgressBar>,
    what: &'static str,
    lines: Option<Lines>,
}

/// What is written where no bar can be shown.
#[derive(Debug)]
struct Lines {
    next: Duration,
}

impl Bar {
    /// A bar that counts these.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self {
            begun: Instant::now(),
            shown: None,
            what,
            lines: None,
        }
    }

    /// The same, with a line now and then where stderr is no terminal.
    #[must_use]
    pub fn with_lines(what: &'static str) -> Self {
        let lines = (!std::io::stderr().is_terminal()).then_some(Lines { next: PATIENCE });
        Self {
            lines,
            ..Self::new(what)
        }
    }

    /// So many are done, of so many if that is known.
    pub fn show(&mut self, done: u64, total: Option<u64>) {
        self.tell(done, total);
        if self.shown.is_none() && self.begun.elapsed() > PATIENCE {
            self.shown = Some(self.begin(total));
        }
        if let Some(bar) = &self.shown {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }

    fn tell(&mut self, done: u64, total: Option<u64>) {
        let elapsed = self.begun.elapsed();
        let Some(lines) = self.lines.as_mut().filter(|lines| lines.next <= elapsed) else {
            return;
        };
        lines.next = elapsed + BETWEEN;
        let of = total.map_or_else(String::new, |total| format!(" of {total}"));
        // Nobody reads it when stderr is closed.
        writeln!(std::io::stderr(), "{done}{of} {}", self.what).ok();
    }

    fn begin(&self, total: Option<u64>) -> ProgressBar {
        let (bar, text) = match total {
            Some(total) => (ProgressBar::new(total), "{bar:40} {pos}/{len}"),
            None => (ProgressBar::new_spinner(), "{spinner} {pos}"),
        };
        let left = total.map_or("", |_| "{left}");
        match ProgressStyle::with_template(&format!("{text} {}{left}", self.what)) {
            Ok(style) => bar.with_style(style.with_key("left", left_of)),
            Err(_) => bar,
        }
    }

    /// Takes it away.
    pub fn end(&mut self) {
        if let Some(bar) = self.shown.take() {
            bar.finish_and_clear();
        }
    }
}

/// How long it will take; nobody knows before the first one is done.
fn left_of(state: &ProgressState, to: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        // A line that cannot be written is drawn again.
        write!(to, ", {:#} left", HumanDuration(state.eta())).ok();
    }
}
