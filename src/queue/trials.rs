//! Who is tried at a backend that is rejecting, and whether anything is left that it refused.

use std::sync::Arc;

use super::Queue;
use super::state::{Job, JobRecipient};
use super::tries::sender_of;
use crate::backend::{Addressee, Form, Prospect, RefusedAtRcpt};
use crate::base::Timestamp;
use crate::mail::{BackendId, CaseKind, Envelope, Recipient, SpoolId};
use crate::route::{Admission, Admit as _, Origin};
use crate::smtp::Mailbox;
use crate::spool::{Due, SpoolError};

/// Recipients of a lane that are read at once for a trial.
const CANDIDATES: usize = 50;
/// So many times: beyond, the next trial goes on there.
const PAGES: usize = 20;
/// Recipients among whom it is worth looking for a better one than one of whom nothing is known,
/// in the first look; the next ones read all their pages, for many may stand before the better one.
const LIKELY: usize = 3 * CANDIDATES;

/// Who can be tried at a backend.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Those who are due, whom it takes most likely first.
    pub(super) due: Vec<Due>,
    /// Of those who are not yet, as far as was looked: when the first one is.
    pub(super) later: Option<Timestamp>,
}

impl Candidates {
    fn note_later(&mut self, due: Timestamp) {
        self.later = Some(self.later.map_or(due, |first| first.min(due)));
    }
}

impl Queue {
    /// Whose mail a recipient of a job gets; `None`: a stranger does.
    pub(super) fn addressee_of(&self, job: &Job, recipient: &JobRecipient) -> Option<Addressee> {
        let known = job.envelope.recipients.get(usize::from(recipient.number))?;
        self.addressee(known, &recipient.address)
    }

    /// The same, when a platform is told this address.
    pub(super) fn addressee(&self, recipient: &Recipient, told: &Mailbox) -> Option<Addressee> {
        let mailbox = recipient.mailbox.as_ref()?;
        let directory = self.0.parts.router.directory().current();
        let plain = |form| Addressee {
            person: mailbox.clone(),
            form,
        };
        let separator = directory.tag_separator();
        if !separator.is_some_and(|sign| told.local().contains(sign)) {
            return Some(plain(Form::Plain));
        }
        let Some(untagged) = directory.untagged_key(&recipient.address) else {
            return Some(plain(Form::Plain));
        };
        // Whom the directory does not name stands under what the sender wrote.
        if *mailbox == recipient.address.key() {
            return Some(Addressee {
                person: untagged,
                form: Form::Tagged,
            });
        }
        Some(plain(Form::Tagged))
    }

    /// Is somebody whom the backend refused one of ours: is he in the directory, or did it take
    /// mail for him lately? Of a domain in which the directory names nobody, everybody is.
    pub(super) fn is_ours(
        &self,
        backend: &BackendId,
        recipient: &Recipient,
        whom: &Addressee,
    ) -> bool {
        let directory = self.0.parts.router.directory().current();
        let rule = directory.domain(recipient.address.domain());
        let names_people = rule.is_some_and(|rule| directory.knows_all_of(&rule));
        !names_people
            || directory.find(&recipient.address).is_some()
            || self.0.parts.router.board().took_mail_for(backend, whom)
    }

    /// Whose mail for a backend is due, those first whom it takes most likely. A stranger can have
    /// as much mail refused as he likes; whoever waits behind that must not wait for a trial of
    /// each. Who was put off has his time: whom a backend took lately it may have no room for now,
    /// and he must not be each trial for that.
    pub(super) fn most_likely_first(&self, backend: &BackendId) -> Result<Candidates, SpoolError> {
        let now = self.0.parts.clock.now();
        let spool = &self.0.parts.spool;
        let mut found: Vec<(Prospect, Due)> = Vec::new();
        let mut candidates = self.due_outside(backend)?;
        let mut after = self.tries().looked.get(backend).copied();
        let likely = after.map_or(LIKELY, |_| PAGES * CANDIDATES);
        let mut last = None;
        for _ in 0..PAGES {
            let page = spool.due(backend.as_str(), after, CANDIDATES)?;
            // A lane is in the order of its times.
            let count = page.iter().take_while(|due| due.due <= now).count();
            let (page, later) = page.split_at(count);
            if let Some(first) = later.first() {
                candidates.note_later(first.due);
            }
            for due in page {
                found.push((self.prospect_of(backend, *due, &mut last), *due));
            }
            // Behind the last one it is the turn of the first ones again.
            let begins_anew = found.is_empty() && after.is_some();
            after = page.last().copied();
            let is_last = page.len() < CANDIDATES && !begins_anew;
            if is_last {
                after = None;
            }
            let is_good = found.iter().any(|(good, _)| *good == Prospect::Accepted);
            let is_likely = found.iter().any(|(good, _)| *good == Prospect::Open);
            if is_last || is_good || is_likely && found.len() >= likely {
                break;
            }
        }
        // Was it worth looking here, and from the beginning the next time?
        let is_good = found.iter().any(|(good, _)| *good == Prospect::Accepted);
        match after.filter(|_| !is_good) {
            Some(due) => self.tries().looked.insert(backend.clone(), due),
            None => self.tries().looked.remove(backend),
        };
        let outside = candidates.due.into_iter();
        found.extend(outside.map(|due| (Prospect::Open, due)));
        // Alike they keep their order.
        found.sort_by_key(|(good, _)| *good);
        candidates.due = found.into_iter().map(|(_, due)| due).collect();
        Ok(candidates)
    }

    /// How likely a backend takes mail for one who waits; `last` is the message of the one before.
    fn prospect_of(
        &self,
        backend: &BackendId,
        due: Due,
        last: &mut Option<(SpoolId, Arc<Envelope>)>,
    ) -> Prospect {
        if last.as_ref().is_none_or(|(id, _)| *id != due.id) {
            let message = self.0.parts.spool.message_if_whole(due.id);
            // Who tries it tells what stands in the way.
            *last = message.ok().flatten().map(|it| (due.id, it.envelope));
        }
        let recipients = last.as_ref().map(|(_, envelope)| &envelope.recipients);
        let recipient = recipients.and_then(|all| all.get(usize::from(due.recipient)));
        let whom = recipient.and_then(|one| self.addressee(one, &one.address));
        let board = self.0.parts.router.board();
        let sender = last.as_ref().map(|(_, envelope)| sender_of(envelope));
        let (Some(sender), Some(whom), Some(recipient)) = (sender, whom, recipient) else {
            return Prospect::Open;
        };
        match board.prospect(backend, &sender, &whom) {
            // Anybody can write to people who are not there.
            Prospect::Open if !self.is_ours(backend, recipient, &whom) => Prospect::Tagged,
            good @ (Prospect::Accepted | Prospect::Open | Prospect::Tagged | Prospect::Refused) => {
                good
            }
        }
    }

    /// Mail to strangers that would go through the backend if it took mail, and is due.
    fn due_outside(&self, backend: &BackendId) -> Result<Candidates, SpoolError> {
        let mut found = Candidates::default();
        if !self.0.parts.router.relays_through(backend) {
            return Ok(found);
        }
        let now = self.0.parts.clock.now();
        let lanes = self.0.parts.spool.lanes().into_keys();
        for lane in lanes.filter(|lane| lane.starts_with('@')) {
            for first in self.0.parts.spool.due(&lane, None, 1)? {
                if first.due <= now {
                    found.due.push(first);
                } else {
                    found.note_later(first.due);
                }
            }
            if found.due.len() >= CANDIDATES {
                break;
            }
        }
        // The one that waits longest first, or one lane would be the trial for ever.
        found.due.sort_by_key(|due| due.due);
        Ok(found)
    }

    /// No mail waits for a backend that is rejecting: what is left that it refused?
    pub(super) fn see_what_is_left(&self, backend: &BackendId) {
        let board = self.0.parts.router.board();
        let Some(rejecting) = board.rejecting(backend) else {
            return;
        };
        for gone in &rejecting.refused {
            if !self.is_there(&gone.person) {
                board.forget_refused(backend, &gone.person);
            }
        }
        match self.0.parts.spool.case(CaseKind::Open, rejecting.case) {
            Ok(Some(_)) => board.something_is_left(backend),
            Ok(None) => {
                if board.nothing_is_left(backend) {
                    tracing::info!(%backend, "nothing is left of what it refused");
                }
            }
            Err(error) => {
                tracing::error!(%backend, %error, "whether its case is left is not known");
            }
        }
    }

    /// Would mail for this person be taken at the door? What is not known yet is no "no".
    fn is_there(&self, person: &str) -> bool {
        let Ok(address) = Mailbox::written_key(person).parse::<Mailbox>() else {
            return false;
        };
        match self.0.parts.router.admit(&address, Origin::Trusted) {
            Admission::Accept { .. } => true,
            Admission::Reject(reply) => !reply.is_permanent(),
        }
    }
}

/// For whom it can be asked without mail. Who needs SMTPUTF8 (RFC 6531) to be named is not asked
/// for: not every host reads that.
pub(super) fn at_rcpt(
    job: &Job,
    recipient: &JobRecipient,
    whom: &Addressee,
) -> Option<RefusedAtRcpt> {
    let sender = &job.envelope.from;
    let is_ascii = recipient.address.is_ascii() && sender.mailbox().is_none_or(Mailbox::is_ascii);
    is_ascii.then(|| RefusedAtRcpt {
        person: whom.person.clone(),
        sender: sender.to_string(),
        recipient: recipient.address.to_string(),
    })
}
