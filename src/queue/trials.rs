//! Who is tried at a backend that is rejecting, and whether anything is left that it refused.

use std::sync::Arc;

use super::Queue;
use super::state::{Job, JobRecipient};
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

    /// Who waits for a backend, those first whom it takes most likely. A stranger can have as much
    /// mail refused as he likes; whoever waits behind that must not wait for a trial of each.
    pub(super) fn most_likely_first(&self, backend: &BackendId) -> Result<Vec<Due>, SpoolError> {
        let now = self.0.parts.clock.now();
        let mut found: Vec<(Prospect, Due)> = Vec::new();
        let mut after = self.tries().looked.get(backend).copied();
        let mut last = None;
        for _ in 0..PAGES {
            let page = self
                .0
                .parts
                .spool
                .due(backend.as_str(), after, CANDIDATES)?;
            for due in &page {
                found.push((self.prospect_of(backend, *due, &mut last), *due));
            }
            // Behind the last one it is the turn of the first ones again.
            let begins_anew = found.is_empty() && after.is_some();
            after = page.last().copied();
            let is_last = page.len() < CANDIDATES && !begins_anew;
            if is_last {
                after = None;
            }
            let is_good = found.iter().any(|(good, due)| is_best(*good, *due, now));
            if is_last || is_good {
                break;
            }
        }
        let is_good = found.iter().any(|(good, due)| is_likely(*good, *due, now));
        match after.filter(|_| !is_good) {
            Some(due) => self.tries().looked.insert(backend.clone(), due),
            None => self.tries().looked.remove(backend),
        };
        let outside = self.due_outside(backend)?.into_iter();
        found.extend(outside.map(|due| (Prospect::Open, due)));
        // Alike they keep their order.
        found.sort_by_key(|(good, due)| rank(*good, *due, now));
        Ok(found.into_iter().map(|(_, due)| due).collect())
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
        whom.map_or(Prospect::Open, |whom| board.prospect(backend, &whom))
    }

    /// Mail to strangers that would go through the backend if it took mail, and is due.
    fn due_outside(&self, backend: &BackendId) -> Result<Vec<Due>, SpoolError> {
        if !self.0.parts.router.relays_through(backend) {
            return Ok(Vec::new());
        }
        let now = self.0.parts.clock.now();
        let mut found = Vec::new();
        let lanes = self.0.parts.spool.lanes().into_keys();
        for lane in lanes.filter(|lane| lane.starts_with('@')) {
            let due = self.0.parts.spool.due(&lane, None, 1)?;
            found.extend(due.into_iter().filter(|due| due.due <= now));
            if found.len() >= CANDIDATES {
                break;
            }
        }
        // The one that waits longest first, or one lane would be the trial for ever.
        found.sort_by_key(|due| due.due);
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

/// Whose turn comes first. Who was put off has his time: whom a backend took lately it may have
/// no room for now, and he must not be each trial for that.
fn rank(good: Prospect, due: Due, now: Timestamp) -> (bool, Prospect) {
    let waits = due.due > now;
    // Alike they keep their order, which is that of their time.
    let good = if waits { Prospect::Open } else { good };
    (waits, good)
}

/// Is it worth looking no further?
fn is_best(good: Prospect, due: Due, now: Timestamp) -> bool {
    rank(good, due, now) == (false, Prospect::Accepted)
}

/// Was it worth looking here, and from the beginning the next time?
fn is_likely(good: Prospect, due: Due, now: Timestamp) -> bool {
    rank(good, due, now) <= (false, Prospect::Open)
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
