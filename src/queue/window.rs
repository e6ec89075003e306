//! How many connections a next hop may have now: pure, time is an argument.
//!
//! It begins with one and grows with success. After trouble it begins with one again and grows
//! slowly: one more connection when each of the present ones has brought a message, and not more
//! often than once a second, so that a platform that comes back is not overrun (decision 11).

use std::time::Duration;

use super::TargetLimits;

/// Least time between two steps while it opens slowly.
const STEP: Duration = Duration::from_secs(1);

/// The window of one next hop.
#[derive(Debug, Clone)]
pub(super) struct Window {
    size: usize,
    limit: usize,
    /// Does trouble make it open slowly?
    slow_open: bool,
    opening: Opening,
}

/// How it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// By one with each success.
    Quick,
    /// After trouble: successes of this step, and when it began; it begins with the first one.
    Slow {
        successes: usize,
        since: Option<Duration>,
    },
}

impl Window {
    /// Of a next hop without trouble.
    pub(super) const fn new() -> Self {
        Self {
            size: 1,
            limit: 1,
            slow_open: true,
            opening: Opening::Quick,
        }
    }

    /// Takes the limits of the config over.
    pub(super) fn configure(&mut self, limits: &TargetLimits) {
        self.limit = limits.max_connections.max(1);
        self.slow_open = limits.slow_open;
        if !self.slow_open {
            self.opening = Opening::Quick;
        }
    }

    /// Connections that it may have.
    pub(super) fn size(&self) -> usize {
        self.size.min(self.limit)
    }

    /// Connections that it can have at most.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// A delivery went well.
    pub(super) fn succeed(&mut self, now: Duration) {
        match &mut self.opening {
            Opening::Quick => self.size = (self.size + 1).min(self.limit),
            Opening::Slow { successes, since } => {
                *successes += 1;
                let begun = *since.get_or_insert(now);
                if *successes >= self.size && now.saturating_sub(begun) >= STEP {
                    self.size = (self.size + 1).min(self.limit);
                    (*successes, *since) = (0, Some(now));
                }
                if self.size >= self.limit {
                    self.opening = Opening::Quick;
                }
            }
        }
    }

    /// Trouble: one connection must be enough to find out when it is over.
    pub(super) const fn fail(&mut self) {
        self.close_to(1);
    }

    /// The next hop asks for less: half as many.
    pub(super) fn slow_down(&mut self) {
        self.close_to((self.size() / 2).max(1));
    }

    const fn close_to(&mut self, size: usize) {
        self.size = size;
        if self.slow_open {
            self.opening = Opening::Slow {
                successes: 0,
                since: None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` success, `-` trouble, `/` asks for less, a digit lets that many seconds pass; the
    /// result has the size after each signal.
    fn play(mut window: Window, script: &str) -> String {
        let mut now = Duration::from_secs(100);
        let mut sizes = String::new();
        for step in script.chars() {
            match step {
                '+' => window.succeed(now),
                '-' => window.fail(),
                '/' => window.slow_down(),
                seconds => {
                    now += Duration::from_secs(seconds.to_digit(10).unwrap().into());
                    continue;
                }
            }
            sizes.push_str(&window.size().to_string());
        }
        sizes
    }

    #[test]
    fn grows_with_success_and_shrinks_with_trouble() {
        let mut window = Window::new();
        let mut limits = TargetLimits::connections(5);
        window.configure(&limits);
        for (script, expected) in [
            ("++++++", "234555"),
            // Slowly after trouble: as many successes as connections, and a second for each step.
            ("-+1+1+1+1+1+1+", "11223334"),
            ("-1+++++", "111111"),
            ("-1+1++1+++1++++1+", "112233344445"),
            // However many there were: one is enough to find out when it is over.
            ("++++-1+", "234511"),
            // A relapse begins anew.
            ("-1+1++-1+", "112211"),
            ("+++/1++", "234222"),
        ] {
            assert_eq!(play(window.clone(), script), expected, "{script}");
        }
        limits.slow_open = false;
        window.configure(&limits);
        assert_eq!(play(window, "++-+++"), "231234");
    }
}
