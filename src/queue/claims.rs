//! Who has a recipient now: a row, a worker, or an operator's verb; never two of them (I4).

use std::collections::HashMap;

use super::state::Job;
use crate::mail::SpoolId;

/// Who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The job with this ticket, in the row of its next hop.
    Row(u64),
    /// The job with this ticket, under way.
    Worker(u64),
    /// An operator's verb.
    Verb,
}

/// What came of asking for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is the verb's until it is freed: nobody tries it meanwhile.
    Ours,
    /// An attempt is under way, or another verb has it: it is freed when that is settled.
    UnderWay,
}

/// Recipients that somebody has.
#[derive(Debug, Default)]
pub(super) struct Claims {
    owners: HashMap<(SpoolId, u16), Owner>,
    last_ticket: u64,
}

impl Claims {
    /// Has somebody this recipient?
    pub(super) fn contains(&self, id: SpoolId, number: u16) -> bool {
        self.owners.contains_key(&(id, number))
    }

    /// How many somebody has.
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// That of the job that went into a row last.
    pub(super) const fn last_ticket(&self) -> u64 {
        self.last_ticket
    }

    /// A job goes into a row, with a ticket of its own: what it was before holds no more.
    pub(super) fn enter_row(&mut self, job: &mut Job) {
        self.last_ticket += 1;
        job.ticket = self.last_ticket;
        for recipient in &job.recipients {
            let owner = Owner::Row(job.ticket);
            self.owners.insert((job.id, recipient.number), owner);
        }
    }

    /// A job leaves its row. Recipients that a verb took out of it meanwhile are not its any more;
    /// `None` when nobody is left.
    pub(super) fn leave_row(&mut self, mut job: Job) -> Option<Job> {
        let (id, ticket) = (job.id, job.ticket);
        job.recipients.retain(
            |recipient| match self.owners.get_mut(&(id, recipient.number)) {
                Some(owner) if *owner == Owner::Row(ticket) => {
                    *owner = Owner::Worker(ticket);
                    true
                }
                Some(_) | None => false,
            },
        );
        (!job.recipients.is_empty()).then_some(job)
    }

    /// A recipient of a job that is under way is free again.
    pub(super) fn free(&mut self, job: &Job, number: u16) {
        let key = (job.id, number);
        if self.owners.get(&key) == Some(&Owner::Worker(job.ticket)) {
            self.owners.remove(&key);
        }
    }

    /// A verb asks for a recipient. What only waits in a row is taken out of it.
    pub(super) fn claim(&mut self, id: SpoolId, number: u16) -> Claim {
        match self.owners.get(&(id, number)) {
            Some(Owner::Worker(_) | Owner::Verb) => Claim::UnderWay,
            Some(Owner::Row(_)) | None => {
                self.owners.insert((id, number), Owner::Verb);
                Claim::Ours
            }
        }
    }

    /// A verb has done its work.
    pub(super) fn give_back(&mut self, id: SpoolId, number: u16) {
        if self.owners.get(&(id, number)) == Some(&Owner::Verb) {
            self.owners.remove(&(id, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::samples;
    use crate::queue::state::Source;

    const ID: SpoolId = SpoolId::from_u64(7);

    fn job(numbers: &[u16]) -> Job {
        samples::job(ID, Source::Fresh, "ann@example.org", numbers)
    }

    #[test]
    fn a_verb_takes_what_waits_and_nothing_that_is_under_way() {
        let mut claims = Claims::default();
        let mut waiting = job(&[0, 1]);
        claims.enter_row(&mut waiting);
        assert_eq!(claims.claim(ID, 1), Claim::Ours);
        assert_eq!(claims.claim(ID, 1), Claim::UnderWay, "by the first verb");
        let under_way = claims.leave_row(waiting).unwrap();
        assert_eq!(under_way.numbers(), [0]);
        assert_eq!(claims.claim(ID, 0), Claim::UnderWay);
        claims.free(&under_way, 0);
        claims.give_back(ID, 0);
        assert_eq!(claims.claim(ID, 0), Claim::Ours);
        claims.give_back(ID, 0);
        claims.give_back(ID, 1);
        assert_eq!(claims.len(), 0);
    }

    #[test]
    fn an_old_job_has_no_right_to_what_was_loaded_anew() {
        let mut claims = Claims::default();
        let mut old = job(&[0]);
        claims.enter_row(&mut old);
        assert_eq!(claims.claim(ID, 0), Claim::Ours);
        claims.give_back(ID, 0);
        let mut new = job(&[0]);
        claims.enter_row(&mut new);
        assert!(claims.leave_row(old).is_none());
        let new = claims.leave_row(new).unwrap();
        let mut stale = new.clone();
        stale.ticket = 1;
        claims.free(&stale, 0);
        assert!(claims.contains(ID, 0), "freed by a job that has it no more");
        claims.free(&new, 0);
        assert!(!claims.contains(ID, 0));
    }
}
