//! Is it the messages, or is it the backend that refuses content? Pure: time is an argument.
//!
//! A refusal of the content speaks against a message only while the backend accepts other mail
//! (decision 6). One wrong rule in a filter refuses everybody's mail as spam; it must not end the
//! mail of a whole organisation.

use std::collections::VecDeque;
use std::time::Duration;

use super::Prospect;
use crate::base::Timestamp;
use crate::limits;

/// Refused in a row, each of another sender: so many are nothing special.
const USUAL_ROW: usize = 2;
/// So many senders refused for each one accepted are not usual any more.
const USUAL_SHARE: usize = 4;
/// An acceptance says that a backend takes mail for so long.
const ALIBI: Duration = Duration::from_secs(3600);
/// Where most mail is spam, a row without a good one between says little for so many probe
/// intervals: what is refused meanwhile is tried again by itself.
const CALM_INTERVALS: u32 = 60;
/// So many such rows in one are no chance any more …
const CERTAIN: usize = 6;
/// … behind this part of that time.
const PARTS_OF_CALM: u32 = 5;
/// The longest time in which that counts, whatever the interval.
const CALM_AT_MOST: Duration = Duration::from_secs(600);

/// For so long behind an acceptance a row of refused content speaks against no backend.
pub(super) fn content_calm(interval: Duration) -> Duration {
    (interval * CALM_INTERVALS).min(CALM_AT_MOST)
}

/// What a refusal of content says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The backend accepts other mail: the message is to blame.
    Message,
    /// Nobody knows yet: it has accepted nothing lately, or refuses most.
    Unknown,
    /// It refuses everybody: it is to blame.
    Backend,
}

/// Acceptances of one backend, and its refusals of content, each sender once. Bounded.
#[derive(Debug, Clone)]
pub struct ContentGuard {
    /// Senders refused in a row that make the backend rejecting.
    row: usize,
    /// One that accepted mail so lately refuses nobody's but that of who is refused.
    calm: Duration,
    refused: VecDeque<(Timestamp, String)>,
    accepted: VecDeque<(Timestamp, String)>,
    /// The last acceptance.
    last: Option<Timestamp>,
}

impl ContentGuard {
    /// Of a backend that accepted and refused nothing yet; so many senders refused in a row while
    /// nothing was accepted for so long, and it is to blame.
    #[must_use]
    pub fn new(row: usize, calm: Duration) -> Self {
        Self {
            row: row.max(USUAL_ROW + 1),
            calm,
            refused: VecDeque::new(),
            accepted: VecDeque::new(),
            last: None,
        }
    }

    /// Takes new numbers over; what was learned stays.
    pub fn configure(&mut self, row: usize, calm: Duration) {
        self.row = row.max(USUAL_ROW + 1);
        self.calm = calm;
    }

    /// It accepted a message of this sender.
    pub fn accept(&mut self, sender: &str, now: Timestamp) {
        self.last = Some(now);
        note(&mut self.accepted, sender, now);
    }

    /// It refused the content of a message of this sender.
    pub fn refuse(&mut self, sender: &str, now: Timestamp) {
        note(&mut self.refused, sender, now);
    }

    /// Whom its last refusal speaks against.
    #[must_use]
    pub fn doubt(&self, now: Timestamp) -> Doubt {
        let in_a_row = self.in_a_row();
        // Where most mail is spam, ten of it between two good ones are nothing special.
        let is_calm = self.last.is_some_and(|at| at.is_within(self.calm, now));
        // So many are, behind a part of that time.
        let is_long = !self
            .last
            .is_some_and(|at| at.is_within(self.calm / PARTS_OF_CALM, now));
        let certain = (self.row * CERTAIN).min(limits::CONTENT_SENDERS);
        if in_a_row >= self.row && (!is_calm || is_long && in_a_row >= certain) {
            return Doubt::Backend;
        }
        // A clock that was set back makes an acceptance no older.
        let is_young = |at: &Timestamp| now.since(*at) < ALIBI;
        let accepts = self.last.as_ref().is_some_and(is_young);
        let senders = |of: &VecDeque<(Timestamp, String)>| {
            let young = of.iter().filter(|(at, _)| is_young(at));
            young.count()
        };
        let (refused, accepted) = (senders(&self.refused), senders(&self.accepted));
        let refuses_most = refused >= self.row && refused > accepted * USUAL_SHARE;
        if accepts && in_a_row <= USUAL_ROW && !refuses_most {
            Doubt::Message
        } else {
            Doubt::Unknown
        }
    }

    /// How likely it accepts mail of this sender.
    #[must_use]
    pub fn prospect(&self, sender: &str) -> Prospect {
        let last = |known: &VecDeque<(Timestamp, String)>| {
            let his = known.iter().find(|(_, other)| other == sender);
            his.map(|(at, _)| *at)
        };
        match (last(&self.accepted), last(&self.refused)) {
            (None, None) => Prospect::Open,
            (accepted, refused) if accepted > refused => Prospect::Accepted,
            _ => Prospect::Refused,
        }
    }

    /// Senders that were refused since it accepted something.
    #[must_use]
    pub fn in_a_row(&self) -> usize {
        let since = |(at, _): &&(Timestamp, String)| self.last.is_none_or(|last| *at > last);
        self.refused.iter().filter(since).count()
    }
}

/// Each sender once, the latest last.
fn note(known: &mut VecDeque<(Timestamp, String)>, sender: &str, now: Timestamp) {
    known.retain(|(at, other)| other != sender && *at <= now);
    if known.len() >= limits::CONTENT_SENDERS {
        known.pop_front();
    }
    known.push_back((now, sender.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small letter is a sender who is refused, a large one a sender who is accepted, a digit
    /// lets that many times ten minutes pass; a second passes by itself. What the last step says,
    /// with five in a row being the backend's fault.
    fn play(script: &str, calm: u64) -> Doubt {
        let mut guard = ContentGuard::new(5, Duration::from_secs(calm));
        let mut now = Timestamp::from_millis(1_000_000);
        for step in script.chars() {
            now = now.after(Duration::from_secs(1));
            match step.to_digit(10) {
                Some(tens) => now = now.after(Duration::from_secs(600 * u64::from(tens))),
                None if step.is_uppercase() => guard.accept(&step.to_string(), now),
                None => guard.refuse(&step.to_string(), now),
            }
        }
        guard.doubt(now)
    }

    #[test]
    fn a_refusal_speaks_against_whom_it_should() {
        use Doubt::{Backend, Message, Unknown};
        for (script, expected) in [
            // It takes other mail.
            ("Aa", Message),
            ("Aab", Message),
            ("AaBbCcDdEeFfGg", Message),
            ("Aaaaaaaaaaa", Message),
            // Nothing was accepted yet, or not for long.
            ("a", Unknown),
            ("A5a", Message),
            ("A6a", Unknown),
            ("a6b6c6d", Unknown),
            // One after the other.
            ("Aabc", Unknown),
            ("Aabcd", Unknown),
            ("Aabcde", Backend),
            ("abcde", Backend),
            ("Aab6cd6e", Backend),
            ("aaaaaaaaa", Unknown),
            ("AabcdBe", Message),
            // Most, though not all.
            ("AabBcdCe", Message),
            ("AabAcdAefAg", Unknown),
            ("AabAcdAefAg6Aa", Message),
        ] {
            assert_eq!(play(script, 0), expected, "{script}");
        }
        // Spam comes in rows: one that accepted mail just now is not to blame.
        for (script, expected) in [
            ("Aabcdefghijk", Unknown),
            ("A1abcde", Backend),
            ("Aab1cde", Backend),
            ("abcde", Backend),
        ] {
            assert_eq!(play(script, 60), expected, "{script}");
        }
    }

    #[test]
    fn a_filter_gone_mad_is_found_out_before_the_calm_is_over() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        // One a second; how many are refused until it is to blame.
        for (calm, expected) in [(0, 5), (60, 30), (300, 60), (600, 120)] {
            let mut guard = ContentGuard::new(5, Duration::from_secs(calm));
            guard.accept("good", at(100));
            let mut seconds = 1..1000;
            let found = seconds.find(|second| {
                guard.refuse(&second.to_string(), at(100 + second));
                guard.doubt(at(100 + second)) == Doubt::Backend
            });
            assert_eq!(found, Some(expected), "{calm}");
        }
    }

    #[test]
    fn whose_mail_it_accepted_is_tried_first() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let mut guard = ContentGuard::new(5, Duration::ZERO);
        guard.accept("a", at(1));
        guard.refuse("b", at(2));
        guard.accept("c", at(3));
        guard.refuse("c", at(4));
        guard.refuse("d", at(5));
        guard.accept("d", at(6));
        for (sender, expected) in [
            ("a", Prospect::Accepted),
            ("b", Prospect::Refused),
            ("c", Prospect::Refused),
            ("d", Prospect::Accepted),
            ("e", Prospect::Open),
        ] {
            assert_eq!(guard.prospect(sender), expected, "{sender}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_clock_set_back_does_no_harm() {
        let mut guard = ContentGuard::new(5, Duration::ZERO);
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        for number in 0..10_000_u64 {
            guard.refuse(&number.to_string(), at(5_000 + number));
            guard.accept(&number.to_string(), at(5_000 + number));
        }
        assert_eq!(guard.refused.len(), limits::CONTENT_SENDERS);
        assert_eq!(guard.accepted.len(), limits::CONTENT_SENDERS);
        guard.accept("a", at(10));
        guard.refuse("b", at(11));
        assert_eq!(guard.doubt(at(12)), Doubt::Message);
    }
}
