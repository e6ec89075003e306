//! Does a backend refuse known recipients alike? Pure: time is an argument.
//!
//! closed ─(so many different people refused alike in so much time, none accepted in between)→
//! open: no attempts but one trial for each interval ─(the first acceptance)→ closed.
//!
//! While there is no mail that can be the trial, those who were refused at RCPT are asked for in
//! turn without any: else a backend that is mended while its mail is held would be rejecting for
//! ever. It is over, too, when somebody is refused for another reason then, and when nothing is
//! left of what was refused.

use std::collections::VecDeque;
use std::time::Duration;

use super::addressee::Lately;
use super::{Addressee, Form, LastAsked, Prospect, RefusedAtRcpt};
use crate::base::Timestamp;
use crate::mail::{CaseId, CaseKey};

/// `[backend.NAME.rejecting]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectingOptions {
    /// Different people of ours who are refused alike.
    pub recipients: u32,
    /// In this time.
    pub within: Duration,
    /// Whether `failover` of a domain holds for a home that is rejecting, too.
    pub failover: bool,
}

impl RejectingOptions {
    /// Different senders in a row whose mail is refused for its content: twice as many as
    /// recipients, because spam comes in rows, too.
    #[must_use]
    pub fn senders(&self) -> usize {
        usize::try_from(self.recipients)
            .unwrap_or(1)
            .saturating_mul(2)
    }
}

impl Default for RejectingOptions {
    fn default() -> Self {
        Self {
            recipients: 5,
            within: Duration::from_secs(5 * 60),
            failover: false,
        }
    }
}

/// That a backend is rejecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejecting {
    /// The case that everybody got.
    pub case: CaseId,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Whom it refused at RCPT with that reply, the last five people; whose turn it is to be asked
    /// for comes first.
    pub refused: Vec<RefusedAtRcpt>,
}

/// Why a backend is rejecting no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somebody was accepted.
    Accepted,
    /// Whom it refused it refuses for a reason of his own now.
    OtherReason,
    /// Neither a case nor mail is left of what it refused.
    NothingLeft,
}

impl End {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "it accepts mail again",
            Self::OtherReason => "it refuses for another reason, and not everybody alike",
            Self::NothingLeft => "nothing is left of what it refused",
        }
    }
}

/// What a refusal at RCPT speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The mailbox, the domain, or us.
    Recipient,
    /// It may be who sends: that a few are refused alike says little while others are accepted.
    Sender,
    /// Whoever it is, nobody knows him: anybody can write to people who are not there.
    Unnamed,
}

/// What is known of the refusals of one backend.
#[derive(Debug, Clone)]
pub struct Breaker {
    recipients: usize,
    within: Duration,
    /// From one trial to the next.
    interval: Duration,
    /// Refusals since the last acceptance, each person once for each case. Bounded: older ones
    /// than the newest `recipients` of each case do not matter.
    refusals: VecDeque<Refused>,
    open: Option<Rejecting>,
    /// It is rejecting for what was in the mail.
    for_content: bool,
    /// When it accepted somebody last.
    accepted: Option<Timestamp>,
    /// When its last rejecting ended, and why.
    ended: Option<(Timestamp, End)>,
    last_trial: Option<Timestamp>,
    /// When mail was tried last, or could have been.
    mail_tried: Option<Timestamp>,
    /// Whom it refused at RCPT since the last acceptance, and the cases that they got. Bounded.
    refused_at_rcpt: VecDeque<(CaseId, RefusedAtRcpt)>,
    /// Whom it refused since it is rejecting.
    refused_now: Lately<Addressee>,
    /// The people whose mail it took lately.
    taken: Lately<String>,
    /// Since when nothing is left of what it refused.
    nothing_left: Option<Timestamp>,
    /// For whom it was asked without mail last, and what came of it.
    asked: Option<LastAsked>,
}

#[derive(Debug, Clone)]
struct Refused {
    at: Timestamp,
    case: CaseId,
    ground: Ground,
    person: String,
}

/// Intervals in which there was no mail that could be tried: then it is asked without.
const WITHOUT_MAIL: u32 = 3;

/// A backend that accepted mail so many intervals ago does not refuse all: spam comes in rows.
const CALM_INTERVALS: u32 = 6;
/// The longest time in which that counts, whatever the interval.
const CALM_AT_MOST: Duration = Duration::from_secs(60);
/// So many times as many refused alike are no chance any more.
const MANY: usize = 10;

/// Refusals that are remembered.
const REMEMBERED: usize = 4_096;
/// People whose mail it took who are remembered.
const TAKEN: usize = 1_024;
/// People who are asked for in turn.
const ASKED: usize = 5;
/// People refused at RCPT who are remembered while it is not known for which case it will be.
const AT_RCPT: usize = 4 * ASKED;

impl Breaker {
    /// A backend that refused nobody yet.
    #[must_use]
    pub fn new(options: &RejectingOptions, interval: Duration) -> Self {
        let mut breaker = Self {
            recipients: 1,
            within: Duration::ZERO,
            interval,
            refusals: VecDeque::new(),
            open: None,
            for_content: false,
            accepted: None,
            ended: None,
            last_trial: None,
            mail_tried: None,
            refused_at_rcpt: VecDeque::new(),
            refused_now: Lately::new(REMEMBERED),
            taken: Lately::new(TAKEN),
            nothing_left: None,
            asked: None,
        };
        breaker.configure(options, interval);
        breaker
    }

    /// Takes new numbers over; what was learned stays.
    pub fn configure(&mut self, options: &RejectingOptions, interval: Duration) {
        self.recipients = usize::try_from(options.recipients).unwrap_or(1).max(1);
        self.within = options.within;
        self.interval = interval;
    }

    /// How it is, when it is rejecting.
    #[must_use]
    pub const fn rejecting(&self) -> Option<&Rejecting> {
        self.open.as_ref()
    }

    /// This one was refused at RCPT; to be told before [`Breaker::refused`].
    pub fn note_refused_at_rcpt(&mut self, case: &CaseKey, refused: RefusedAtRcpt) {
        let id = case.id();
        if let Some(open) = &mut self.open {
            if open.case == id && !open.refused.iter().any(|one| one.person == refused.person) {
                open.refused.push(refused);
                keep_last(&mut open.refused);
            }
            return;
        }
        self.refused_at_rcpt
            .retain(|(_, old)| old.person != refused.person);
        self.refused_at_rcpt.push_back((id, refused));
        if self.refused_at_rcpt.len() > AT_RCPT {
            self.refused_at_rcpt.pop_front();
        }
    }

    /// This one was refused, for whatever is about him: he is no good trial now.
    pub fn note_refused(&mut self, whom: &Addressee) {
        if whom.form == Form::Plain {
            self.taken.forget(&whom.person);
        }
        if self.open.is_some() {
            self.refused_now.note(whom.clone());
        }
    }

    /// It took mail for this person.
    pub fn note_taken(&mut self, person: String) {
        self.taken.note(person);
    }

    /// How likely it takes mail for this one.
    #[must_use]
    pub fn prospect(&self, whom: &Addressee) -> Prospect {
        let plain = Addressee {
            form: Form::Plain,
            ..whom.clone()
        };
        if self.refused_now.has(whom) || self.refused_now.has(&plain) {
            return Prospect::Refused;
        }
        match whom.form {
            Form::Tagged => Prospect::Tagged,
            Form::Plain if self.taken.has(&whom.person) => Prospect::Accepted,
            Form::Plain => Prospect::Open,
        }
    }

    /// Somebody of ours was refused. `true`: now the backend is rejecting.
    pub fn refused(
        &mut self,
        (case, ground): (&CaseKey, Ground),
        person: &str,
        now: Timestamp,
    ) -> bool {
        if self.open.is_some() {
            return false;
        }
        // Anybody can make people up.
        if ground == Ground::Unnamed && self.accepted_just_now(now) {
            return false;
        }
        let id = case.id();
        // A clock that was set back makes nothing young again, and keeps nothing for ever.
        self.refusals
            .retain(|old| old.at <= now && now.since(old.at) <= self.within);
        self.refusals
            .retain(|old| old.case != id || old.person != person);
        self.refusals.push_back(Refused {
            at: now,
            case: id,
            ground,
            person: person.to_owned(),
        });
        if self.refusals.len() > REMEMBERED {
            self.refusals.pop_front();
        }
        let alike = self.refusals.iter().filter(|old| old.case == id).count();
        if !self.are_enough(id, alike, now) {
            return false;
        }
        let reason = format!("{alike} recipients were refused alike");
        self.open(case, &reason, now)
    }

    /// Are so many refused alike no chance? One who sends much that nobody wants writes to five
    /// people in a second.
    fn are_enough(&self, case: CaseId, alike: usize, now: Timestamp) -> bool {
        if !self.accepted_just_now(now) {
            return alike >= self.recipients;
        }
        let refused = |ground: Ground| {
            let of = |old: &&Refused| old.case == case && old.ground == ground;
            self.refusals.iter().filter(of).count()
        };
        let named = refused(Ground::Recipient);
        named >= self.recipients || named + refused(Ground::Sender) >= self.recipients * MANY
    }

    /// It is to blame for what it refuses. `true`: it was not rejecting till now.
    pub fn open(&mut self, case: &CaseKey, reason: &str, now: Timestamp) -> bool {
        if self.open.is_some() {
            return false;
        }
        self.refused_now.clear();
        for Refused { person, .. } in self.refusals.drain(..) {
            let form = Form::Plain;
            self.refused_now.note(Addressee { person, form });
        }
        self.last_trial = Some(now);
        self.mail_tried = Some(now);
        self.nothing_left = None;
        let id = case.id();
        let at_rcpt = self.refused_at_rcpt.drain(..);
        let alike = at_rcpt.filter(|(of, _)| *of == id).map(|(_, one)| one);
        let mut refused: Vec<RefusedAtRcpt> = alike.collect();
        keep_last(&mut refused);
        self.open = Some(Rejecting {
            case: id,
            reason: format!("{reason}: {}", told(case)),
            since: now,
            refused,
        });
        true
    }

    /// It refuses everybody's mail for what is in it. `true`: it was not rejecting till now.
    pub fn open_for_content(&mut self, case: &CaseKey, reason: &str, now: Timestamp) -> bool {
        let opened = self.open(case, reason, now);
        self.for_content |= opened;
        opened
    }

    /// Is it rejecting for what was in the mail? Then who wrote it tells trials apart.
    #[must_use]
    pub const fn is_for_content(&self) -> bool {
        self.for_content
    }

    fn accepted_just_now(&self, now: Timestamp) -> bool {
        let young = (self.interval * CALM_INTERVALS).min(CALM_AT_MOST);
        self.accepted.is_some_and(|at| at.is_within(young, now))
    }

    /// It was rejecting in an earlier life, and nobody was accepted since.
    pub(super) fn reopen(&mut self, open: Rejecting, now: Timestamp) {
        self.last_trial = Some(open.since);
        self.mail_tried = Some(now);
        for RefusedAtRcpt { person, .. } in &open.refused {
            self.refused_now.note(Addressee {
                person: person.clone(),
                form: Form::Plain,
            });
        }
        self.open.get_or_insert(open);
    }

    /// Somebody was accepted. `true`: the backend is rejecting no more.
    pub fn accepted(&mut self, now: Timestamp) -> bool {
        self.end(End::Accepted, now)
    }

    /// It does not refuse alike any more. `true`: it did till now.
    pub fn end(&mut self, why: End, now: Timestamp) -> bool {
        self.refusals.clear();
        self.refused_at_rcpt.clear();
        self.refused_now.clear();
        self.nothing_left = None;
        self.asked = None;
        self.for_content = false;
        if why == End::Accepted {
            self.accepted = Some(now);
        }
        let was_open = self.open.take().is_some();
        if was_open {
            self.ended = Some((now, why));
        }
        was_open
    }

    /// Neither a case nor mail is left of what it refused. `true`: that is so for as long as it may
    /// take a backend to become rejecting, so it is rejecting no more.
    pub fn nothing_is_left(&mut self, now: Timestamp) -> bool {
        if self.open.is_none() {
            return false;
        }
        let since = *self.nothing_left.get_or_insert(now);
        if since > now {
            // The clock was set back.
            self.nothing_left = Some(now);
            return false;
        }
        now.since(since) >= self.within && self.end(End::NothingLeft, now)
    }

    /// Something is left of what it refused.
    pub const fn something_is_left(&mut self) {
        self.nothing_left = None;
    }

    /// When its last rejecting ended, and why, if it was rejecting ever.
    #[must_use]
    pub const fn ended(&self) -> Option<(Timestamp, End)> {
        self.ended
    }

    /// When a trial may begin; `None` while the backend is not rejecting.
    #[must_use]
    pub fn next_trial(&self) -> Option<Timestamp> {
        self.open.as_ref()?;
        Some(self.last_trial?.after(self.interval))
    }

    /// Mail is on its way that finds out whether it is rejecting still.
    pub const fn note_mail_tried(&mut self, now: Timestamp) {
        self.mail_tried = Some(now);
    }

    /// Whom it may be asked for without mail: there was none that could be tried for a while. Each
    /// time it is the next one's turn.
    pub fn whom_to_ask_for(&mut self, now: Timestamp) -> Option<RefusedAtRcpt> {
        if !self.has_rested(self.mail_tried?, now) {
            return None;
        }
        let refused = &mut self.open.as_mut()?.refused;
        if refused.is_empty() {
            return None;
        }
        refused.rotate_left(1);
        refused.last().cloned()
    }

    /// It was asked for somebody without mail, and this came of it.
    pub fn note_asked(&mut self, asked: LastAsked) {
        if self.open.is_some() {
            self.asked = Some(asked);
        }
    }

    /// For whom it was asked last, while it is rejecting.
    #[must_use]
    pub const fn asked(&self) -> Option<&LastAsked> {
        self.asked.as_ref()
    }

    /// This person is asked for no more: he is none of ours now.
    pub fn forget_refused(&mut self, person: &str) {
        if let Some(open) = &mut self.open {
            open.refused.retain(|one| one.person != person);
        }
    }

    /// May mail for this one be the trial? Whom it refused already is none, unless nobody else was
    /// it for a while.
    #[must_use]
    pub fn may_try(&self, whom: &Addressee, now: Timestamp) -> bool {
        self.prospect(whom) != Prospect::Refused
            || self
                .last_trial
                .is_none_or(|last| self.has_rested(last, now))
    }

    fn has_rested(&self, last: Timestamp, now: Timestamp) -> bool {
        // A clock that was set back must not make the wait longer.
        last > now || now.since(last) >= self.interval * WITHOUT_MAIL
    }

    /// Would one attempt be granted?
    #[must_use]
    pub fn is_time_for_trial(&self, now: Timestamp) -> bool {
        let set_back = self.last_trial.is_some_and(|last| last > now);
        self.next_trial().is_some_and(|next| now >= next) || self.open.is_some() && set_back
    }

    /// Asks for the right to one attempt; granted once for each interval.
    pub fn take_trial(&mut self, now: Timestamp) -> bool {
        let granted = self.is_time_for_trial(now);
        if granted {
            self.last_trial = Some(now);
        }
        granted
    }
}

/// The newest ones are at the end.
fn keep_last(refused: &mut Vec<RefusedAtRcpt>) {
    let surplus = refused.len().saturating_sub(ASKED);
    refused.drain(..surplus);
}

fn told(case: &CaseKey) -> String {
    format!("{} {}", case.said(), case.text)
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
