//! Lines on their way to who writes them: bounded, and nobody waits at its beginning.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::line::Line;
use crate::limits;
use crate::telemetry::names;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// A line has come.
    come: Condvar,
    /// All lines are written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Line>,
    /// Of the lines and of those that are being written.
    bytes: usize,
    is_writing: bool,
    /// Lines that found no room, and were not told of yet.
    left_out: u64,
}

/// What is to be written.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lines: VecDeque<Line>,
    bytes: usize,
    /// Lines that were left out behind these.
    pub(super) left_out: u64,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, if there is room; never waits for a writer.
    pub(super) fn push(&self, line: Line) {
        let size = line.size();
        let mut state = self.state();
        if state.bytes + size > limits::LOG_WAITING {
            state.left_out += 1;
            drop(state);
            metrics::counter!(names::LOG_LINES_DROPPED).increment(1);
            return;
        }
        state.bytes += size;
        state.lines.push_back(line);
        drop(state);
        self.come.notify_one();
    }

    /// Waits for lines.
    pub(super) fn take(&self) -> Batch {
        let mut state = self.state();
        while state.lines.is_empty() && state.left_out == 0 {
            state = self
                .come
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        Batch {
            lines: std::mem::take(&mut state.lines),
            bytes: state.bytes,
            left_out: std::mem::take(&mut state.left_out),
        }
    }

    /// They are written, but for some that nobody took.
    pub(super) fn done(&self, batch: &Batch, lost: u64) {
        if lost > 0 {
            metrics::counter!(names::LOG_LINES_DROPPED).increment(lost);
        }
        let mut state = self.state();
        state.bytes -= batch.bytes.min(state.bytes);
        state.is_writing = false;
        if state.lines.is_empty() {
            drop(state);
            self.written.notify_all();
        }
    }

    /// Waits until nothing waits, at most for `limit`.
    pub(super) fn wait_until_written(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut state = self.state();
        while !state.lines.is_empty() || state.is_writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.written.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
