//! A bar on stderr, for what takes longer than a second.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

/// Shows how far something is, once it takes long.
#[derive(Debug)]
pub struct Bar {
    begun: Instant,
    shown: Option<ProgressBar>,
    what: &'static str,
}

impl Bar {
    /// A bar that counts these.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self {
            begun: Instant::now(),
            shown: None,
            what,
        }
    }

    /// So many are done, of so many if that is known.
    pub fn show(&mut self, done: u64, total: Option<u64>) {
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

    fn begin(&self, total: Option<u64>) -> ProgressBar {
        let (bar, text) = match total {
            Some(total) => (ProgressBar::new(total), "{bar:40} {pos}/{len}"),
            None => (ProgressBar::new_spinner(), "{spinner} {pos}"),
        };
        let eta = total.map_or("", |_| ", {eta} left");
        match ProgressStyle::with_template(&format!("{text} {}{eta}", self.what)) {
            Ok(style) => bar.with_style(style),
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
