//! Groups whose home is down: their mail goes to their people, as a message of its own.
//!
//! That message keeps the sender's envelope and the very bytes, as an alias does (RFC 5321
//! §3.9.1), and names the recipient that it came from. So it is known for ever whom a group meant
//! when it was expanded, and a replay repeats those people and not the group.

use std::collections::{HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::Queue;
use super::hands::Hands;
use super::loader::Looked;
use super::marks::Look;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{
    BackendId, BodySource, Envelope, ExpandedFrom, Peer, Recipient, RecipientEvent, RecipientState,
    SpoolId,
};
use crate::smtp::{Mailbox, Notify, RcptParameters};
use crate::spool::{Draft, SpoolError};
use crate::telemetry::names;

/// A recipient that is a group, and who gets its mail.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) number: u16,
    pub(super) people: Vec<Mailbox>,
}

/// After something could not be done a lane is looked through again, but not at once.
const AGAIN: Duration = Duration::from_secs(60);

/// How far each lane of a home that is down was looked through for groups.
#[derive(Debug, Default)]
pub(super) struct GroupLooks(HashMap<String, GroupLook>);

/// Since when a home is down, and the directory that was asked: after a change, anew.
type About = (Timestamp, [u8; 32]);

#[derive(Debug)]
struct GroupLook {
    about: About,
    look: Look,
    /// When it came to the end of the lane.
    ended: Option<Duration>,
    /// A group could not be expanded since it began, or was in the hands of a worker.
    failed: bool,
}

impl GroupLooks {
    /// The look that goes on, or begins; `None`: everything was looked at.
    fn begin(&mut self, lane: &str, about: About, now: Duration) -> Option<Look> {
        if let Some(known) = self.0.get(lane).filter(|known| known.about == about) {
            let Some(ended) = known.ended else {
                return Some(known.look);
            };
            if !known.failed || now.saturating_sub(ended) < AGAIN {
                return None;
            }
        }
        let begun = GroupLook {
            about,
            look: Look::default(),
            ended: None,
            failed: false,
        };
        let look = begun.look;
        self.0.insert(lane.to_owned(), begun);
        Some(look)
    }

    fn go_on(&mut self, lane: &str, look: Look, ended: Option<Duration>) {
        if let Some(known) = self.0.get_mut(lane) {
            known.failed |= look.busy;
            (known.look, known.ended) = (look, ended);
        }
    }

    /// A group could not be expanded: it is tried again when its lane was looked through.
    fn fail(&mut self) {
        for known in self.0.values_mut() {
            known.failed = true;
        }
    }
}

impl Queue {
    /// Looks for groups in the lane of a home that takes no mail, once it is down for long.
    pub(super) async fn look_for_groups(&self, lane: &str) -> Result<Looked, SpoolError> {
        let router = &self.0.parts.router;
        let Some(since) = router.expands_since(&BackendId::new(lane)) else {
            return Ok(Looked::Blocked);
        };
        let about = (since, router.directory().current().fingerprint());
        let Some(mut look) = self.group_looks().begin(lane, about, self.elapsed()) else {
            return Ok(Looked::Blocked);
        };
        let looked = self
            .load_until(lane, &mut look, Timestamp::from_millis(u64::MAX))
            .await?;
        let ended = matches!(looked, Looked::Until(_)).then(|| self.elapsed());
        self.group_looks().go_on(lane, look, ended);
        Ok(looked)
    }

    /// Gives the mail of groups to their people.
    pub(super) async fn expand_all(&self, id: SpoolId, envelope: &Envelope, groups: Vec<Group>) {
        for group in groups {
            let number = group.number;
            if let Err(error) = self.expand(id, envelope, group).await {
                tracing::error!(%id, number, %error, "a group is not expanded; its mail waits");
                self.group_looks().fail();
            }
        }
    }

    async fn expand(
        &self,
        id: SpoolId,
        envelope: &Envelope,
        group: Group,
    ) -> Result<(), SpoolError> {
        let spool = &self.0.parts.spool;
        let mut hands = Hands::new(self, id);
        hands.take(&[group.number], Duration::ZERO).await;
        if hands.numbers().is_empty() || !may_expand(spool.state(id, group.number)?.as_ref()) {
            return Ok(());
        }
        let earlier = spool.expansions(id)?;
        let done = earlier.iter().find(|(number, _)| *number == group.number);
        let into = match done {
            // It was made right before a crash.
            Some((_, people)) => Some(*people),
            None => {
                self.give_to_people(id, envelope, (&group, &earlier))
                    .await?
            }
        };
        let people = match into.map(|id| spool.message(id)).transpose()?.flatten() {
            Some(message) => message.envelope.recipients.len(),
            None => 0,
        };
        let people = u16::try_from(people).unwrap_or(u16::MAX);
        let event = RecipientEvent::Expanded { into, people };
        spool.record(id, vec![group.number], event.clone()).await?;
        // It may be the first one of a case: somebody waits to hear what became of it.
        self.tried(id, &[group.number], &event).await;
        metrics::counter!(names::GROUPS_EXPANDED).increment(1);
        Ok(())
    }

    /// Makes the message for the people of a group; `None`: all of them were named beside it.
    async fn give_to_people(
        &self,
        id: SpoolId,
        envelope: &Envelope,
        (group, earlier): (&Group, &[(u16, SpoolId)]),
    ) -> Result<Option<SpoolId>, SpoolError> {
        let spool = &self.0.parts.spool;
        let Some(from) = envelope.recipients.get(usize::from(group.number)) else {
            return Ok(None);
        };
        let mut named = HashSet::new();
        named.extend(envelope.recipients.iter().map(key_of));
        for (_, people) in earlier {
            if let Some(message) = spool.message(*people)? {
                named.extend(message.envelope.recipients.iter().map(key_of));
            }
        }
        let people = group
            .people
            .iter()
            .map(|person| self.recipient(person, from));
        let people: Vec<Recipient> = people
            .filter(|person| named.insert(key_of(person)))
            .collect();
        if people.is_empty() {
            return Ok(None);
        }
        let body = spool.body(id)?;
        let body = body.ok_or_else(|| SpoolError::Damaged(format!("{id} has no body")))?;
        let mut draft = spool.draft();
        copy(&mut draft, body.as_ref()).await?;
        let automatic = envelope.automatic.as_ref();
        let automatic = automatic.and_then(|it| it.for_people_of(group.number, people.len()));
        let envelope = Envelope {
            recipients: people,
            automatic: automatic.map(Box::new),
            peer: Peer {
                protocol: "group".to_owned(),
                ..envelope.peer.clone()
            },
            expanded: Some(ExpandedFrom {
                message: id,
                recipient: group.number,
                group: from.address.clone(),
            }),
            ..envelope.clone()
        };
        spool.accept(draft, envelope).await.map(Some)
    }

    fn recipient(&self, person: &Mailbox, group: &Recipient) -> Recipient {
        let now = self.0.parts.clock.now();
        let route = self.0.parts.router.route(person, now);
        Recipient {
            address: person.clone(),
            parameters: handed_on(&group.parameters),
            lane: route.lane,
            mailbox: route.mailbox,
        }
    }

    fn group_looks(&self) -> MutexGuard<'_, GroupLooks> {
        let looks = self.0.group_looks.lock();
        looks.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is it queued, and has surely not arrived? What may have reached the home of the group is
/// expanded there.
const fn may_expand(state: Option<&RecipientState>) -> bool {
    matches!(
        state,
        Some(RecipientState::Queued {
            attempting: false,
            uncertain: false,
            ..
        })
    )
}

/// By what a person is known, whatever address was written.
fn key_of(recipient: &Recipient) -> String {
    let mailbox = recipient.mailbox.clone();
    mailbox.unwrap_or_else(|| recipient.address.key())
}

/// RFC 3461 §5.2.7.3: what a list tells of its members, its sender did not ask for.
fn handed_on(parameters: &RcptParameters) -> RcptParameters {
    let notify = parameters.notify.map(|notify| Notify {
        success: false,
        never: notify.never || !(notify.failure || notify.delay),
        ..notify
    });
    RcptParameters {
        notify,
        orcpt: parameters.orcpt.clone(),
    }
}

async fn copy(draft: &mut Draft, body: &dyn BodySource) -> Result<(), SpoolError> {
    let mut offset = 0;
    while offset < body.len() {
        let piece = body.read_at(offset, limits::BODY_PIECE);
        let piece = piece.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        if piece.is_empty() {
            break;
        }
        offset += piece.len() as u64;
        draft.append(&piece).await?;
    }
    Ok(())
}
