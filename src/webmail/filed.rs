//! What came in for a user, and how he filed it: under the key of his mailbox, and under those
//! that it had before.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Webmail;
use super::guard::User;
use super::mailbox::{Page, all_pages};
use super::marks::{MailboxMarks, Mark, Place};
use crate::mail::{Recipient, RecipientState, SpoolId};
use crate::person::Span;
use crate::spool::{Spool, SpoolError, StoredMessage};

/// Rows that are read at once when all are wanted.
const MANY: usize = 2_048;

/// The marks of a user, those of before included.
#[derive(Debug, Clone)]
pub(crate) struct Filed(Vec<(Span, MailboxMarks)>);

impl Filed {
    /// How a message is marked; today's key counts first.
    pub(crate) fn mark(&self, id: SpoolId) -> Mark {
        let found = self.find(id).map(|(_, mark)| mark);
        found.unwrap_or_default()
    }

    /// The key under which its mark stands.
    pub(crate) fn key_of(&self, id: SpoolId) -> Option<&str> {
        self.find(id).map(|(key, _)| key)
    }

    fn find(&self, id: SpoolId) -> Option<(&str, Mark)> {
        let covering = self.0.iter().filter(|(span, _)| covers(span, id));
        let mut marks = covering.filter_map(|(span, marks)| {
            let marks = marks.read().unwrap_or_else(PoisonError::into_inner);
            Some((span.mailbox.as_str(), marks.get(&id)?.clone()))
        });
        marks.next()
    }

    /// Messages in a folder of the user's own, newest first, older than `before`.
    pub(crate) fn placed(
        &self,
        place: Place,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Vec<SpoolId> {
        let mut ids = BTreeSet::new();
        for (span, marks) in &self.0 {
            let marks = marks.read().unwrap_or_else(PoisonError::into_inner);
            let older = marks.iter().rev();
            let older = older.skip_while(|(id, _)| before.is_some_and(|before| **id >= before));
            let here = older.filter(|(id, mark)| mark.place == Some(place) && covers(span, **id));
            ids.extend(here.map(|(id, _)| *id).take(limit));
        }
        // Another key may know better.
        let is_here = |id: &SpoolId| self.0.len() == 1 || self.mark(*id).place == Some(place);
        ids.into_iter().rev().filter(is_here).take(limit).collect()
    }
}

fn covers(span: &Span, id: SpoolId) -> bool {
    span.covers(id.timestamp())
}

/// The recipients of an envelope that are this user: the same rule as [`Spool::mailbox`].
fn received_as(message: &StoredMessage, span: &Span) -> Vec<u16> {
    let is_own = |recipient: &Recipient| match &recipient.mailbox {
        Some(key) => *key == span.mailbox,
        None => recipient.address.key() == span.mailbox,
    };
    (0_u16..)
        .zip(&message.envelope.recipients)
        .filter(|(_, recipient)| is_own(recipient))
        .map(|(number, _)| number)
        .collect()
}

/// Which of the recipients of a message the user is, as far as his quota shows it, and under
/// which of his keys that stands.
pub(crate) fn received(
    spool: &Spool,
    user: &User,
    message: &StoredMessage,
) -> Result<Option<(String, Vec<u16>)>, SpoolError> {
    let id = message.id;
    for span in user.spans.iter().filter(|span| covers(span, id)) {
        let mut numbers = received_as(message, span);
        if numbers.is_empty() {
            continue;
        }
        let beyond = spool.beyond_quota(&span.mailbox)?;
        if beyond.is_some_and(|beyond| id <= beyond) {
            let is_finished = |number: &u16| {
                let state = message.states.get(usize::from(*number));
                state.is_none_or(RecipientState::is_finished)
            };
            numbers.retain(|number| !is_finished(number));
        }
        if !numbers.is_empty() {
            return Ok(Some((span.mailbox.clone(), numbers)));
        }
    }
    Ok(None)
}

/// Rows of a span between two messages, newest first: whether there may be more.
fn rows(
    spool: &Spool,
    span: &Span,
    (before, limit): (Option<SpoolId>, usize),
) -> Result<(Vec<SpoolId>, bool), SpoolError> {
    let end = span.until.map(SpoolId::first_at);
    let before = match (before, end) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let rows = spool.readable(&span.mailbox, before, limit)?;
    let is_full = rows.len() == limit;
    let mut ids: Vec<SpoolId> = rows.into_iter().map(|(id, _)| id).collect();
    let begin = span.since.map(SpoolId::first_at);
    let all = ids.len();
    ids.retain(|id| begin.is_none_or(|begin| *id >= begin));
    let has_more = is_full && ids.len() == all;
    Ok((ids, has_more))
}

impl Webmail {
    /// How the user filed his messages. Reads the index: call it where one may block.
    pub(crate) fn filed(&self, user: &User) -> Result<Filed, SpoolError> {
        let all = user.spans.iter();
        let marks = all.map(|span| Ok((span.clone(), self.0.marks.of(&span.mailbox)?)));
        Ok(Filed(marks.collect::<Result<_, SpoolError>>()?))
    }

    /// One page of at most `limit` rows of what came in for the user, newest first; and where the
    /// next one begins, if there is one. Blocks.
    pub(crate) fn received_page(
        &self,
        user: &User,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Result<Page, SpoolError> {
        let spool = &self.0.world.spool;
        let (mut all, mut has_more) = (Vec::new(), false);
        for span in &user.spans {
            let (ids, more) = rows(spool, span, (before, limit))?;
            all.extend(ids);
            has_more |= more;
        }
        if user.spans.len() > 1 {
            all.sort_unstable_by(|one, other| other.cmp(one));
            has_more |= all.len() > limit;
            all.truncate(limit);
        }
        let next = all.last().copied().filter(|_| has_more);
        Ok((all, next))
    }

    /// Ids of what came in for the user between two messages, at least the newest `most` of them.
    /// Blocks.
    pub(crate) fn received_ids(
        &self,
        user: &User,
        (before, oldest): (Option<SpoolId>, Option<SpoolId>),
        most: usize,
    ) -> Result<Vec<SpoolId>, SpoolError> {
        all_pages((before, oldest), most, |before| {
            self.received_page(user, (before, MANY))
        })
    }

    /// Has the user older mail that is not shown, because of the mailbox's quota? Blocks.
    pub(crate) fn is_beyond(&self, user: &User) -> Result<bool, SpoolError> {
        for span in &user.spans {
            let beyond = self.0.world.spool.beyond_quota(&span.mailbox)?;
            if beyond.is_some_and(|id| span.since.is_none_or(|since| since <= id.timestamp())) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
