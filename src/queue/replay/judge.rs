//! Is a recipient of a message to be replayed now, and as which address?

use super::selection::{Meant, People, Selection, Skip, Which};
use crate::mail::{
    BackendId, HoldReason, RecipientState, ReplayMark, ReplayPhase, ReplayedRecipient,
};
use crate::route::{Mail, Router};
use crate::smtp::Mailbox;
use crate::spool::StoredMessage;

/// What a replay means, with everything by which it is decided.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) router: Router,
    /// The replay; empty for one that is only planned.
    pub(super) id: String,
    pub(super) to: BackendId,
    pub(super) selection: Selection,
    pub(super) people: People,
    /// Only what came to the backend by us.
    pub(super) landed: bool,
}

/// What is decided for a recipient.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is not meant.
    No,
    /// It is replayed.
    Take(Taken),
    /// It is replayed when a rule or a move lets it go.
    Withheld,
    /// It is meant, but not replayed.
    Skip(Skip),
    /// This replay has come to its end with it.
    Ended(ReplayMark),
}

/// A recipient who is replayed.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) number: u16,
    /// The address to say in RCPT.
    pub(super) address: Mailbox,
    /// Whose mailbox it is.
    pub(super) mailbox: String,
    /// The address of that mailbox at the backend, when it is asked what it has; `None`: it is no
    /// mailbox.
    pub(super) holder: Option<Mailbox>,
    /// Attempts of this replay that counted.
    pub(super) attempts: u32,
    /// The home, when waiting mail is given to another backend.
    pub(super) diverted_from: Option<BackendId>,
}

impl Judge {
    /// Decides about all recipients of a message.
    pub(super) fn judge(
        &self,
        message: &StoredMessage,
        replays: &[ReplayedRecipient],
    ) -> Vec<(u16, Verdict)> {
        if !self.selection.names_message(&message.envelope) {
            return Vec::new();
        }
        let numbers = 0..u16::try_from(message.states.len()).unwrap_or(u16::MAX);
        numbers
            .map(|number| (number, self.one(message, number, replays)))
            .filter(|(_, verdict)| !matches!(verdict, Verdict::No))
            .collect()
    }

    /// Decides about one of them.
    pub(super) fn one(
        &self,
        message: &StoredMessage,
        number: u16,
        replays: &[ReplayedRecipient],
    ) -> Verdict {
        let place = usize::from(number);
        let recipients = &message.envelope.recipients;
        let (Some(recipient), Some(state)) = (recipients.get(place), message.states.get(place))
        else {
            return Verdict::No;
        };
        if !self.selection.names_recipient(recipient, &self.people) {
            return Verdict::No;
        }
        let mark = replays
            .iter()
            .find(|one| one.recipient == number && one.backend == self.to);
        let mark = mark.map(|one| &one.mark);
        // Before its state is asked: that may be the end that this replay gave it.
        if let Some(mark) = mark
            && mark.is_end_of(&self.id)
        {
            return Verdict::Ended(mark.clone());
        }
        match self.selection.means(state, &self.to) {
            Meant::Yes => {}
            Meant::No => return Verdict::No,
            Meant::But(skip) => return Verdict::Skip(skip),
        }
        let is_brought = mark.is_some_and(|mark| mark.delivered);
        if self.landed && !is_brought && !is_taken_by(state, &self.to) {
            return Verdict::No;
        }
        if is_brought && !self.selection.again {
            return Verdict::Skip(Skip::Already);
        }
        let mail = Mail {
            id: message.id,
            from: &message.envelope.from,
            authenticity: message.envelope.authenticity,
            address: &recipient.address,
            exempt: None,
        };
        let Some(placed) = self.router.placed(&mail, &self.to) else {
            return Verdict::Skip(Skip::Unknown);
        };
        let is_home = placed.home == self.to;
        if !is_home && self.selection.which == Which::Finished {
            return Verdict::Skip(Skip::Elsewhere);
        }
        if placed.withheld.is_some() || is_held_on_purpose(state) {
            return Verdict::Withheld;
        }
        let holder = || self.router.mailbox_at(&recipient.address, &self.to);
        let own = mark.filter(|mark| mark.replay == self.id);
        let key = || recipient.address.key();
        Verdict::Take(Taken {
            number,
            address: placed.address,
            mailbox: recipient.mailbox.clone().unwrap_or_else(key),
            holder: self.selection.missing_only.then(holder).flatten(),
            attempts: own.map_or(0, |mark| mark.attempts),
            diverted_from: (!is_home).then_some(placed.home),
        })
    }
}

/// Did this backend take it?
fn is_taken_by(state: &RecipientState, to: &BackendId) -> bool {
    matches!(state, RecipientState::Delivered { backend, .. } if backend == to)
}

/// What somebody held is not brought anywhere past him.
const fn is_held_on_purpose(state: &RecipientState) -> bool {
    matches!(
        state,
        RecipientState::Held {
            reason: HoldReason::Operator { .. }
                | HoldReason::Move { .. }
                | HoldReason::Loop { .. }
                | HoldReason::Dmarc { .. }
                | HoldReason::Filter { .. }
                | HoldReason::Automatic { .. },
            ..
        }
    )
}

/// When the next attempt of this replay is due, if it said so.
pub(super) fn due_of(mark: &ReplayMark, replay: &str) -> Option<crate::base::Timestamp> {
    match mark.phase {
        ReplayPhase::Waiting { due } if mark.replay == replay => Some(due),
        ReplayPhase::Waiting { .. }
        | ReplayPhase::Attempting
        | ReplayPhase::Delivered
        | ReplayPhase::Refused => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    #[test]
    fn only_the_backend_that_took_it_can_have_it() {
        let taken = RecipientState::Delivered {
            backend: BackendId::new("onprem"),
            at: Timestamp::EPOCH,
            diverted_from: Some(BackendId::new("cloud")),
            reply: crate::smtp::Reply::new(250, (2, 0, 0), "ok"),
            delivery_address: String::new(),
            uncertain: false,
        };
        assert!(is_taken_by(&taken, &BackendId::new("onprem")));
        assert!(!is_taken_by(&taken, &BackendId::new("cloud")));
    }
}
