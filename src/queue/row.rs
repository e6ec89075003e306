//! The jobs that wait for one next hop: fresh mail before the backlog, that before replays, and
//! within each of them the domains take turns, and within a domain its mailboxes. Who gets much
//! delays nobody else.

use std::collections::{HashMap, VecDeque};

use super::state::{Job, Source};

/// Fresh jobs in a row before one of the backlog has its turn, so that it is never forgotten.
const FRESH_IN_A_ROW: u32 = 8;
/// Other jobs in a row before one of a replay has its turn.
const OTHERS_IN_A_ROW: u32 = 8;

/// The jobs of one next hop.
#[derive(Debug, Default)]
pub(super) struct Row {
    fresh: Turns<Turns<VecDeque<Job>>>,
    backlog: Turns<Turns<VecDeque<Job>>>,
    replays: Turns<Turns<VecDeque<Job>>>,
    fresh_recipients: usize,
    backlog_recipients: usize,
    replay_recipients: usize,
    /// Fresh jobs since the last one of the backlog.
    fresh_streak: u32,
    /// Jobs since the last one of a replay.
    others_streak: u32,
}

impl Row {
    /// Puts a job at the end of the line of its mailbox.
    pub(super) fn push(&mut self, job: Job) {
        let (mailbox, domain) = job
            .recipients
            .first()
            .map_or_else(Default::default, |first| {
                (first.address.key(), first.address.domain().key())
            });
        let (turns, recipients) = match job.source {
            Source::Fresh => (&mut self.fresh, &mut self.fresh_recipients),
            Source::Backlog => (&mut self.backlog, &mut self.backlog_recipients),
            Source::Replay => (&mut self.replays, &mut self.replay_recipients),
        };
        *recipients += job.recipients.len();
        turns.line(domain).line(mailbox).push_back(job);
    }

    /// The job whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Job> {
        if self.others_streak >= OTHERS_IN_A_ROW
            && let Some(job) = self.pop_replay()
        {
            return Some(job);
        }
        let job = self.pop_other();
        match job {
            Some(_) => self.others_streak = self.others_streak.saturating_add(1),
            None => return self.pop_replay(),
        }
        job
    }

    fn pop_replay(&mut self) -> Option<Job> {
        let job = self
            .replays
            .pop(|mailboxes| mailboxes.pop(VecDeque::pop_front))?;
        self.replay_recipients = self.replay_recipients.saturating_sub(job.recipients.len());
        self.others_streak = 0;
        Some(job)
    }

    fn pop_other(&mut self) -> Option<Job> {
        let backlog_first = self.fresh_streak >= FRESH_IN_A_ROW;
        let job = if backlog_first {
            self.pop_backlog().or_else(|| self.pop_fresh())
        } else {
            self.pop_fresh().or_else(|| self.pop_backlog())
        };
        if self.backlog_recipients == 0 {
            self.fresh_streak = 0;
        }
        job
    }

    fn pop_fresh(&mut self) -> Option<Job> {
        let job = self
            .fresh
            .pop(|mailboxes| mailboxes.pop(VecDeque::pop_front))?;
        self.fresh_recipients = self.fresh_recipients.saturating_sub(job.recipients.len());
        self.fresh_streak += 1;
        Some(job)
    }

    fn pop_backlog(&mut self) -> Option<Job> {
        let job = self
            .backlog
            .pop(|mailboxes| mailboxes.pop(VecDeque::pop_front))?;
        self.backlog_recipients = self.backlog_recipients.saturating_sub(job.recipients.len());
        self.fresh_streak = 0;
        Some(job)
    }

    /// Takes all of them.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Recipients of that kind.
    pub(super) const fn recipients(&self, source: Source) -> usize {
        match source {
            Source::Fresh => self.fresh_recipients,
            Source::Backlog => self.backlog_recipients,
            Source::Replay => self.replay_recipients,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.backlog.is_empty() && self.replays.is_empty()
    }
}

/// Lines that take turns.
#[derive(Debug)]
struct Turns<L> {
    order: VecDeque<String>,
    lines: HashMap<String, L>,
}

impl<L> Default for Turns<L> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            lines: HashMap::new(),
        }
    }
}

impl<L: Default + Line> Turns<L> {
    /// The line of that name; a new one has its turn last.
    fn line(&mut self, name: String) -> &mut L {
        if !self.lines.contains_key(&name) {
            self.order.push_back(name.clone());
        }
        self.lines.entry(name).or_default()
    }

    /// Takes one from the line whose turn it is. A line without any is forgotten.
    fn pop(&mut self, take: impl Fn(&mut L) -> Option<Job>) -> Option<Job> {
        loop {
            let name = self.order.pop_front()?;
            let Some(line) = self.lines.get_mut(&name) else {
                continue;
            };
            let job = take(line);
            if line.is_empty() {
                self.lines.remove(&name);
            } else {
                self.order.push_back(name);
            }
            if job.is_some() {
                return job;
            }
        }
    }
}

/// Something that can be empty.
trait Line {
    fn is_empty(&self) -> bool;
}

impl Line for VecDeque<Job> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl<L> Line for Turns<L> {
    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl<L> Turns<L> {
    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
