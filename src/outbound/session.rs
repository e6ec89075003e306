//! One message on an open connection, as a pure state machine: replies in, steps out, and at the
//! end an outcome for each recipient. It never waits and never sends: [`super::channel`] does.

use std::ops::Range;

use super::commands::{Carriage, Commands};
use super::error::{Error, Stage};
use super::outcome::{failure, refused};
use crate::backend::Protocol;
use crate::limits;
use crate::mail::{Failure, Outcome};
use crate::smtp::{Extensions, Reply, Severity};

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this part of the commands, then read a reply.
    Send(Range<usize>),
    /// Read one more reply.
    Read,
    /// Send the body; then [`Session::ending`], its end, and read a reply.
    SendBody,
    /// Send a dot on a line of its own, then read a reply.
    SendDot,
    /// Send RSET, then read a reply.
    SendReset,
    /// Finished; the next message may come.
    Done,
    /// Finished; the connection is of no use any more.
    Close,
}

/// Which reply is expected.
#[derive(Debug)]
pub(super) enum Session {
    ExpectMail(Transaction),
    /// The reply for the recipient of this place.
    ExpectRcpt(Transaction, usize),
    ExpectData(Transaction),
    /// 354 was said; the body is on its way.
    ExpectBody(Transaction),
    /// The final dot may be on its way: what happens now may have delivered the message.
    ExpectEnd(Transaction),
    /// The reply to a dot that ends a message for nobody.
    ExpectDiscarded(Transaction),
    ExpectReset(Transaction),
    Finished(Transaction),
}

/// What is known about a recipient.
#[derive(Debug)]
enum Verdict {
    /// Nothing yet.
    Open,
    /// RCPT was accepted.
    Accepted,
    /// The end.
    Ended(Outcome),
}

/// The message that is being sent.
#[derive(Debug)]
pub(super) struct Transaction {
    peer: String,
    protocol: Protocol,
    pipelining: bool,
    carriage: Carriage,
    /// Where each command ends: MAIL, a RCPT for each recipient, DATA unless it goes by BDAT.
    ends: Vec<usize>,
    /// Commands that were sent.
    sent: usize,
    mail_refused: bool,
    recipients: Vec<Verdict>,
}

impl Session {
    /// Begins with `commands`, sent to `peer`.
    pub(super) fn start(
        commands: &Commands,
        peer: &str,
        protocol: Protocol,
        extensions: &Extensions,
    ) -> (Self, Step) {
        let others = match commands.carriage {
            Carriage::Data => 2,
            Carriage::Chunk => 1,
        };
        let count = commands.ends.len().saturating_sub(others);
        let mut transaction = Transaction {
            peer: peer.to_owned(),
            protocol,
            pipelining: extensions.pipelining,
            carriage: commands.carriage,
            ends: commands.ends.clone(),
            sent: 0,
            mail_refused: false,
            recipients: std::iter::repeat_with(|| Verdict::Open)
                .take(count)
                .collect(),
        };
        let part = transaction.next_group();
        (Self::ExpectMail(transaction), Step::Send(part))
    }

    /// Where an error would be.
    pub(super) const fn stage(&self) -> Stage {
        match self {
            Self::ExpectMail(_) => Stage::Mail,
            Self::ExpectRcpt(..) => Stage::Rcpt,
            Self::ExpectData(_) => Stage::Data,
            Self::ExpectBody(_) => Stage::Body,
            Self::ExpectEnd(_) => Stage::End,
            Self::ExpectDiscarded(_) | Self::ExpectReset(_) | Self::Finished(_) => Stage::Reset,
        }
    }

    /// One reply in, one state and one step out.
    pub(super) fn handle(self, reply: Reply) -> (Self, Step) {
        let stage = self.stage();
        if reply.code == 421 {
            let mut transaction = self.into_transaction();
            transaction.end_open(&refused(stage, reply));
            return (Self::Finished(transaction), Step::Close);
        }
        match self {
            Self::ExpectMail(transaction) => transaction.mail(reply),
            Self::ExpectRcpt(transaction, place) => transaction.rcpt(place, reply),
            Self::ExpectData(transaction) => transaction.data(reply),
            Self::ExpectBody(transaction) => transaction.early(reply),
            Self::ExpectEnd(transaction) => transaction.end(reply),
            // Whatever the server makes of a message for nobody: it is over.
            Self::ExpectDiscarded(transaction) => (Self::Finished(transaction), Step::Done),
            Self::ExpectReset(transaction) => {
                let step = if reply.is_success() {
                    Step::Done
                } else {
                    Step::Close
                };
                (Self::Finished(transaction), step)
            }
            Self::Finished(transaction) => (Self::Finished(transaction), Step::Close),
        }
    }

    /// The final dot is about to be sent.
    pub(super) fn ending(self) -> Self {
        Self::ExpectEnd(self.into_transaction())
    }

    /// The connection is lost: `error` is the end of every recipient that has none yet.
    pub(super) fn lost(self, error: &Error) -> Self {
        let mut failure = match &self {
            Self::ExpectMail(open)
            | Self::ExpectRcpt(open, _)
            | Self::ExpectData(open)
            | Self::ExpectBody(open)
            | Self::ExpectEnd(open)
            | Self::ExpectDiscarded(open)
            | Self::ExpectReset(open)
            | Self::Finished(open) => failure(error, &open.peer),
        };
        // DESIGN §2.8: the server may have taken the message before the connection was lost.
        failure.uncertain = matches!(self, Self::ExpectEnd(_));
        let mut transaction = self.into_transaction();
        transaction.end_open(&failure);
        Self::Finished(transaction)
    }

    /// The outcomes, in the order of the recipients.
    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        let transaction = self.into_transaction();
        let lost = failure(&Error::Cut(Stage::Mail), &transaction.peer);
        let outcome = |verdict| match verdict {
            Verdict::Ended(outcome) => outcome,
            Verdict::Open | Verdict::Accepted => Outcome::Failed(lost.clone()),
        };
        transaction.recipients.into_iter().map(outcome).collect()
    }

    fn into_transaction(self) -> Transaction {
        match self {
            Self::ExpectMail(transaction)
            | Self::ExpectRcpt(transaction, _)
            | Self::ExpectData(transaction)
            | Self::ExpectBody(transaction)
            | Self::ExpectEnd(transaction)
            | Self::ExpectDiscarded(transaction)
            | Self::ExpectReset(transaction)
            | Self::Finished(transaction) => transaction,
        }
    }
}

impl Transaction {
    /// The next commands to send in one write: one, or with PIPELINING as many as fit.
    fn next_group(&mut self) -> Range<usize> {
        let begin = self.end_of(self.sent);
        let mut last = self.sent + 1;
        if self.pipelining {
            // RFC 2920 §3.1: bounded, or both sides could wait with full windows for each other.
            while last < self.ends.len() && self.end_of(last + 1) - begin <= limits::PIPELINED_BYTES
            {
                last += 1;
            }
        }
        self.sent = last;
        begin..self.end_of(last)
    }

    /// Where the first `count` commands end.
    fn end_of(&self, count: usize) -> usize {
        let last = count.checked_sub(1);
        last.and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or_default()
    }

    fn mail(mut self, reply: Reply) -> (Session, Step) {
        match reply.severity() {
            Severity::Success => {}
            Severity::Intermediate => return self.out_of_step(Stage::Mail, &reply),
            Severity::Transient | Severity::Permanent => {
                self.mail_refused = true;
                self.end_open(&refused(Stage::Mail, reply));
            }
        }
        self.go_on(0)
    }

    fn rcpt(mut self, place: usize, reply: Reply) -> (Session, Step) {
        let verdict = match reply.severity() {
            Severity::Success => Verdict::Accepted,
            Severity::Intermediate => return self.out_of_step(Stage::Rcpt, &reply),
            Severity::Transient | Severity::Permanent => {
                Verdict::Ended(Outcome::Failed(refused(Stage::Rcpt, reply)))
            }
        };
        match self.recipients.get_mut(place) {
            Some(open @ Verdict::Open) => *open = verdict,
            // MAIL was refused before: that is what counts.
            Some(Verdict::Accepted | Verdict::Ended(_)) | None => {}
        }
        self.go_on(place + 1)
    }

    /// What comes after the replies to MAIL and to the first `answered` recipients.
    fn go_on(mut self, answered: usize) -> (Session, Step) {
        let is_next_sent = self.sent > answered + 1;
        let all_answered = answered == self.recipients.len();
        let step = if is_next_sent {
            Step::Read
        } else if self.mail_refused {
            return (Session::Finished(self), Step::Done);
        } else if all_answered && !self.is_any_accepted() {
            return (Session::ExpectReset(self), Step::SendReset);
        } else if all_answered && self.carriage == Carriage::Chunk {
            return (Session::ExpectBody(self), Step::SendBody);
        } else {
            Step::Send(self.next_group())
        };
        if all_answered {
            (Session::ExpectData(self), step)
        } else {
            (Session::ExpectRcpt(self, answered), step)
        }
    }

    fn data(mut self, reply: Reply) -> (Session, Step) {
        match reply.severity() {
            Severity::Intermediate if self.is_any_accepted() => {
                (Session::ExpectBody(self), Step::SendBody)
            }
            // RFC 2033 §4.2 has as many replies as recipients, so none would end this message.
            Severity::Intermediate if self.protocol == Protocol::Lmtp => {
                (Session::Finished(self), Step::Close)
            }
            // RFC 2920 §3.1: DATA was on its way before the last recipient was refused, and the
            // server waits for a message now.
            Severity::Intermediate => (Session::ExpectDiscarded(self), Step::SendDot),
            Severity::Success => self.out_of_step(Stage::Data, &reply),
            Severity::Transient | Severity::Permanent => {
                self.end_open(&refused(Stage::Data, reply));
                if self.mail_refused {
                    (Session::Finished(self), Step::Done)
                } else {
                    (Session::ExpectReset(self), Step::SendReset)
                }
            }
        }
    }

    /// A reply before the body was sent: the server has given up, and so do we.
    fn early(mut self, reply: Reply) -> (Session, Step) {
        match reply.severity() {
            Severity::Success | Severity::Intermediate => self.out_of_step(Stage::Body, &reply),
            Severity::Transient | Severity::Permanent => {
                self.end_open(&refused(Stage::Body, reply));
                (Session::Finished(self), Step::Close)
            }
        }
    }

    fn end(mut self, reply: Reply) -> (Session, Step) {
        if reply.severity() == Severity::Intermediate {
            let error = Error::OutOfStep(Stage::End, format!("it said {reply}"));
            return (Session::ExpectEnd(self).lost(&error), Step::Close);
        }
        let outcome = if reply.is_success() {
            Outcome::Delivered { reply }
        } else {
            Outcome::Failed(refused(Stage::End, reply))
        };
        match self.protocol {
            Protocol::Smtp => {
                self.end_accepted(&outcome);
                self.finish()
            }
            Protocol::Lmtp => self.end_lmtp(outcome),
        }
    }

    /// RFC 2033 §4.2: one reply for each accepted recipient, in their order.
    fn end_lmtp(mut self, mut outcome: Outcome) -> (Session, Step) {
        if let Outcome::Failed(Failure { blame, .. }) = &mut outcome
            && *blame == crate::mail::Blame::Message
        {
            // It concerns this mailbox (full, over quota) and says nothing about the others.
            *blame = crate::mail::Blame::Recipient;
        }
        let mut accepted = self
            .recipients
            .iter_mut()
            .filter(|verdict| matches!(verdict, Verdict::Accepted));
        if let Some(verdict) = accepted.next() {
            *verdict = Verdict::Ended(outcome);
        }
        if accepted.next().is_some() {
            (Session::ExpectEnd(self), Step::Read)
        } else {
            self.finish()
        }
    }

    /// RFC 3030 §2: after a chunk that was refused a server may wait for RSET.
    fn finish(self) -> (Session, Step) {
        let ended =
            |verdict: &Verdict| matches!(verdict, Verdict::Ended(Outcome::Delivered { .. }));
        match self.carriage {
            Carriage::Chunk if !self.recipients.iter().any(ended) => {
                (Session::ExpectReset(self), Step::SendReset)
            }
            Carriage::Data | Carriage::Chunk => (Session::Finished(self), Step::Done),
        }
    }

    fn is_any_accepted(&self) -> bool {
        self.recipients
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Accepted))
    }

    fn out_of_step(mut self, stage: Stage, reply: &Reply) -> (Session, Step) {
        let error = Error::OutOfStep(stage, format!("it said {reply}"));
        let failure = failure(&error, &self.peer);
        self.end_open(&failure);
        (Session::Finished(self), Step::Close)
    }

    /// The end of every recipient that has none.
    fn end_open(&mut self, failure: &Failure) {
        for verdict in &mut self.recipients {
            if matches!(verdict, Verdict::Open | Verdict::Accepted) {
                *verdict = Verdict::Ended(Outcome::Failed(failure.clone()));
            }
        }
    }

    fn end_accepted(&mut self, outcome: &Outcome) {
        for verdict in &mut self.recipients {
            if matches!(verdict, Verdict::Accepted) {
                *verdict = Verdict::Ended(outcome.clone());
            }
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
