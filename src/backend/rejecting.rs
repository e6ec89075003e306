//! The board hears of refusals, and grants trials while a backend is rejecting.

use super::{
    Addressee, BackendHealth, Board, Doubt, End, Ground, LastAsked, Prospect, RefusedAtRcpt,
    Rejecting,
};
use crate::base::Timestamp;
use crate::mail::{BackendId, CaseKey, Cause, Failure, Said};

impl Board {
    /// Somebody of ours, the person, was refused for good. `true`: now the backend is rejecting.
    pub fn report_refused(
        &self,
        backend: &BackendId,
        alike: (&CaseKey, Ground),
        person: &str,
    ) -> bool {
        let now = self.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(backend) else {
            return false;
        };
        let opened = entry.breaker.refused(alike, person, now);
        if opened {
            self.show(&entries, now);
        }
        opened
    }

    /// Somebody of ours was refused at RCPT; to be told before [`Board::report_refused`].
    pub fn note_refused_at_rcpt(
        &self,
        backend: &BackendId,
        case: &CaseKey,
        refused: RefusedAtRcpt,
    ) {
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.breaker.note_refused_at_rcpt(case, refused);
        }
    }

    /// Somebody of ours was refused, for whatever is about him: he is no good trial now.
    pub fn note_refused(&self, backend: &BackendId, whom: &Addressee) {
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.breaker.note_refused(whom);
        }
    }

    /// It took mail for these people of ours.
    pub fn note_taken(&self, backend: &BackendId, people: Vec<String>) {
        if let Some(entry) = self.entries().get_mut(backend) {
            for person in people {
                entry.breaker.note_taken(person);
            }
        }
    }

    /// How likely a backend that is rejecting takes mail of this sender for somebody.
    #[must_use]
    pub fn prospect(&self, backend: &BackendId, sender: &str, whom: &Addressee) -> Prospect {
        let entries = self.entries();
        let Some(entry) = entries.get(backend) else {
            return Prospect::Open;
        };
        if entry.breaker.is_for_content() {
            return entry.content.prospect(sender);
        }
        entry.breaker.prospect(whom)
    }

    /// Did it take mail for this person lately?
    #[must_use]
    pub fn took_mail_for(&self, backend: &BackendId, whom: &Addressee) -> bool {
        let entries = self.entries();
        let entry = entries.get(backend);
        entry.is_some_and(|entry| entry.breaker.prospect(whom) == Prospect::Accepted)
    }

    /// May mail for this one be the trial of a backend that is rejecting?
    #[must_use]
    pub fn may_try(&self, backend: &BackendId, whom: &Addressee) -> bool {
        let now = self.now();
        let entries = self.entries();
        let entry = entries.get(backend);
        entry.is_some_and(|entry| entry.breaker.may_try(whom, now))
    }

    /// Mail is on its way that finds out whether the backend is rejecting still.
    pub fn note_mail_tried(&self, backend: &BackendId) {
        let now = self.now();
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.breaker.note_mail_tried(now);
        }
    }

    /// Whom a backend that is rejecting is to be asked for, because no mail can be tried; each
    /// time the next one.
    #[must_use]
    pub fn whom_to_ask_for(&self, backend: &BackendId) -> Option<RefusedAtRcpt> {
        let now = self.now();
        if !self.is_on_trial(backend) {
            return None;
        }
        let mut entries = self.entries();
        entries.get_mut(backend)?.breaker.whom_to_ask_for(now)
    }

    /// This person is asked for no more.
    pub fn forget_refused(&self, backend: &BackendId, person: &str) {
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.breaker.forget_refused(person);
        }
    }

    /// It was asked without mail for somebody, and this came of it. Returns why it is rejecting no
    /// more, if it was till now.
    pub fn report_asked(
        &self,
        backend: &BackendId,
        refused: &RefusedAtRcpt,
        answer: &Result<(), Failure>,
    ) -> Option<End> {
        let case = self.rejecting(backend)?.case;
        let asked = LastAsked {
            at: self.now(),
            recipient: refused.recipient.clone(),
            reply: match answer {
                Ok(()) => "it takes him".to_owned(),
                Err(failure) => failure.what.clone(),
            },
        };
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.breaker.note_asked(asked);
        }
        let why = match answer {
            Ok(()) => End::Accepted,
            Err(failure) if is_own_matter(failure) => {
                if CaseKey::of(backend, failure).id() == case {
                    return None;
                }
                End::OtherReason
            }
            Err(_) => return None,
        };
        self.end_rejecting(backend, why).then_some(why)
    }

    /// For whom a backend that is rejecting was asked last without mail, and what came of it.
    #[must_use]
    pub fn asked(&self, backend: &BackendId) -> Option<LastAsked> {
        self.entries().get(backend)?.breaker.asked().cloned()
    }

    /// Neither a case nor mail is left of what it refused. `true`: that is so for long enough, it
    /// is rejecting no more.
    pub fn nothing_is_left(&self, backend: &BackendId) -> bool {
        let now = self.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(backend) else {
            return false;
        };
        let closed = entry.breaker.nothing_is_left(now);
        if closed {
            self.show(&entries, now);
        }
        closed
    }

    /// Something is left of what it refused.
    pub fn something_is_left(&self, backend: &BackendId) {
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.breaker.something_is_left();
        }
    }

    /// The content of a message of this sender was refused for good. `true`: now the backend is
    /// rejecting, because it refuses everybody's.
    pub fn report_content(&self, backend: &BackendId, case: &CaseKey, sender: &str) -> bool {
        let now = self.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(backend) else {
            return false;
        };
        entry.content.refuse(sender, now);
        if entry.content.doubt(now) != Doubt::Backend {
            return false;
        }
        let senders = entry.content.in_a_row();
        let reason =
            format!("mail of {senders} senders was refused for its content and none accepted");
        let opened = entry.breaker.open_for_content(case, &reason, now);
        if opened {
            self.show(&entries, now);
        }
        opened
    }

    /// A message of this sender was accepted: what is refused for its content is to blame itself.
    pub fn report_sender(&self, backend: &BackendId, sender: &str) {
        let now = self.now();
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.content.accept(sender, now);
        }
    }

    /// It passed mail on to this stranger: who is refused then is to blame himself.
    pub fn report_relayed(&self, backend: &BackendId, stranger: &str) {
        let now = self.now();
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.relaying.accept(stranger, now);
        }
    }

    /// It did not pass mail on to this stranger. `true`: now the backend is rejecting, because so
    /// many were refused alike. Mail for people of its own that it takes ends that.
    pub fn report_not_relayed(&self, backend: &BackendId, case: &CaseKey, stranger: &str) -> bool {
        let now = self.now();
        if let Some(entry) = self.entries().get_mut(backend) {
            entry.relaying.refuse(stranger, now);
        }
        self.report_refused(backend, (case, Ground::Recipient), stranger)
    }

    /// Whom a refusal to pass mail on to a stranger speaks against now.
    #[must_use]
    pub fn relaying_doubt(&self, backend: &BackendId) -> Doubt {
        let now = self.now();
        let entries = self.entries();
        let entry = entries.get(backend);
        entry.map_or(Doubt::Message, |entry| entry.relaying.doubt(now))
    }

    /// Whom a refusal of content by this backend speaks against now.
    #[must_use]
    pub fn content_doubt(&self, backend: &BackendId) -> Doubt {
        let now = self.now();
        let entries = self.entries();
        let entry = entries.get(backend);
        entry.map_or(Doubt::Message, |entry| entry.content.doubt(now))
    }

    /// A recipient was accepted. `true`: the backend was rejecting till now.
    pub fn report_accepted(&self, backend: &BackendId) -> bool {
        self.end_rejecting(backend, End::Accepted)
    }

    fn end_rejecting(&self, backend: &BackendId, why: End) -> bool {
        let now = self.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(backend) else {
            return false;
        };
        let closed = entry.breaker.end(why, now);
        if closed {
            self.show(&entries, now);
        }
        closed
    }

    /// They were rejecting in an earlier life, and are; it is no change.
    pub(super) fn reopen(&self, all: Vec<(BackendId, Rejecting)>) {
        let now = self.now();
        let mut entries = self.entries();
        for (backend, open) in all {
            if let Some(entry) = entries.get_mut(&backend) {
                tracing::warn!(%backend, reason = open.reason, "it is rejecting still");
                entry.breaker.reopen(open, now);
            }
        }
        let healths = self.healths_of(&entries);
        self.0.healths.send_replace(healths);
    }

    /// The case that makes a backend rejecting, if it is.
    #[must_use]
    pub fn rejecting(&self, backend: &BackendId) -> Option<Rejecting> {
        let entries = self.entries();
        entries.get(backend)?.breaker.rejecting().cloned()
    }

    /// Asks for the right to one attempt at a backend that is rejecting and that nobody holds;
    /// granted once for each probe interval.
    #[must_use]
    pub fn take_trial(&self, backend: &BackendId) -> bool {
        let now = self.now();
        if !self.is_on_trial(backend) {
            return false;
        }
        let mut entries = self.entries();
        let entry = entries.get_mut(backend);
        entry.is_some_and(|entry| entry.breaker.take_trial(now))
    }

    /// Would [`Board::take_trial`] grant one?
    #[must_use]
    pub fn is_time_for_trial(&self, backend: &BackendId) -> bool {
        let now = self.now();
        let entries = self.entries();
        let entry = entries.get(backend);
        entry.is_some_and(|entry| entry.breaker.is_time_for_trial(now))
    }

    /// When the next trial of a backend may begin.
    #[must_use]
    pub fn next_trial(&self, backend: &BackendId) -> Option<Timestamp> {
        self.entries().get(backend)?.breaker.next_trial()
    }

    /// Backends whose mail waits because they are rejecting, and for no other reason.
    #[must_use]
    pub fn on_trial(&self) -> Vec<BackendId> {
        let healths = self.healths();
        let backends = healths.values().filter(|health| health.is_on_trial());
        backends.map(|health| health.id.clone()).collect()
    }

    /// Does its mail wait because it is rejecting, and for no other reason?
    #[must_use]
    pub fn is_on_trial(&self, backend: &BackendId) -> bool {
        let healths = self.healths();
        healths.get(backend).is_some_and(BackendHealth::is_on_trial)
    }
}

/// Is it a reply to RCPT that speaks of the mailbox, so that whoever else is another matter?
fn is_own_matter(failure: &Failure) -> bool {
    failure.said == Some(Said::Rcpt)
        && failure.is_permanent()
        && failure.cause() == Cause::Recipient
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backend::monitor::tests::backend;
    use crate::backend::{Health, Override, Signal, Wish};
    use crate::base::Clock;
    use crate::mail::{Blame, Failure, Said};
    use crate::smtp::Reply;

    fn denied() -> CaseKey {
        let reply = Reply::parse(&["550 5.4.1 Access denied"]).unwrap();
        let failure = Failure::refused(Said::Rcpt, reply);
        CaseKey::of(&BackendId::new("cloud"), &failure)
    }

    fn rejecting_board() -> (Board, BackendId) {
        let cloud = BackendId::new("cloud");
        let mut options = backend("cloud");
        options.probe.interval = Duration::ZERO;
        let board = Board::new(&[options, backend("onprem")], Clock::system());
        for name in ["a", "b", "c", "d"] {
            assert!(!board.report_refused(&cloud, (&denied(), Ground::Recipient), name));
        }
        let changes = board.changes();
        assert!(board.report_refused(&cloud, (&denied(), Ground::Recipient), "e"));
        assert!(changes.has_changed().unwrap());
        (board, cloud)
    }

    #[test]
    fn it_is_shown_with_its_reason_and_ends_with_an_acceptance() {
        let (board, cloud) = rejecting_board();
        let health = board.health(&cloud).unwrap();
        assert_eq!(health.health, Health::Rejecting);
        assert!(health.reason.contains("550 5.4.1 Access denied"));
        assert!(!health.takes_mail());
        assert_eq!(board.rejecting(&cloud).unwrap().case, denied().id());
        let onprem = board.health(&BackendId::new("onprem")).unwrap();
        assert_eq!(onprem.health, Health::Up);
        // A probe that is answered proves nothing about recipients.
        board.report_probe(&cloud, Signal::Good);
        assert_eq!(board.health(&cloud).unwrap().health, Health::Rejecting);
        assert!(board.take_trial(&cloud));
        assert!(board.report_accepted(&cloud));
        assert_eq!(board.health(&cloud).unwrap().health, Health::Up);
        assert!(!board.take_trial(&cloud));
    }

    fn answer(said: Said, line: &str) -> Result<(), Failure> {
        let reply = Reply::parse(&[line]).unwrap();
        // Whatever stands in the way of a probe is the backend's.
        let blame = Blame::Backend;
        Err(Failure {
            blame,
            ..Failure::refused(said, reply)
        })
    }

    fn whom() -> RefusedAtRcpt {
        RefusedAtRcpt {
            person: "ann@example.org".to_owned(),
            sender: String::new(),
            recipient: "ann+x@example.org".to_owned(),
        }
    }

    #[test]
    fn an_answer_of_another_kind_is_one_and_trouble_is_none() {
        for (said, line, expected) in [
            (Said::Rcpt, "550 5.4.1 Access denied", None),
            (Said::Rcpt, "550 5.1.1 unknown", Some(End::OtherReason)),
            (Said::Rcpt, "450 4.2.1 unknown", None),
            (Said::Rcpt, "550 5.7.1 Relaying denied", None),
            (Said::Rcpt, "550 5.7.1 You are listed", None),
            (Said::Mail, "550 5.1.0 Sender unknown", None),
        ] {
            let (board, cloud) = rejecting_board();
            let end = board.report_asked(&cloud, &whom(), &answer(said, line));
            assert_eq!(end, expected, "{line}");
            let health = board.health(&cloud).unwrap();
            let is_over = health.health == Health::Up;
            assert_eq!(is_over, expected.is_some(), "{line}");
            let told = board.asked(&cloud).map(|asked| asked.to_string());
            if let Some(end) = expected {
                assert_eq!(health.reason, end.as_str());
                assert_eq!(told, None);
            } else {
                let told = told.unwrap();
                assert!(told.starts_with("ann+x@example.org at "), "{told}");
                assert!(told.ends_with(line), "{told}");
            }
        }
        let (board, cloud) = rejecting_board();
        let silence = Failure::without_reply(Blame::Backend, "connection refused");
        assert_eq!(board.report_asked(&cloud, &whom(), &Err(silence)), None);
        let taken = || board.report_asked(&cloud, &whom(), &Ok(()));
        assert_eq!(taken(), Some(End::Accepted));
        assert_eq!(taken(), None);
    }

    #[test]
    fn one_that_is_down_or_held_is_not_tried_and_one_forced_up_is_not_held_back() {
        let (board, cloud) = rejecting_board();
        let said = |wish| Override {
            wish,
            actor: "root".to_owned(),
            reason: String::new(),
            since: Timestamp::EPOCH,
        };
        board.set_override(&cloud, said(Wish::Hold));
        assert!(!board.take_trial(&cloud));
        board.set_override(&cloud, said(Wish::Up));
        assert!(board.health(&cloud).unwrap().takes_mail());
        assert!(!board.take_trial(&cloud), "it needs no leave");
        board.set_override(&cloud, said(Wish::Resume));
        assert!(board.take_trial(&cloud));
        for _ in 0..3 {
            let failure = Failure::without_reply(Blame::Backend, "refused");
            board.report(&cloud, Signal::Bad(failure));
        }
        assert_eq!(board.health(&cloud).unwrap().health, Health::Down);
        assert!(!board.take_trial(&cloud));
    }
}
