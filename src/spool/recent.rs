//! What went out lately, from the newest end of the log: for what is counted in memory, and must
//! not be forgotten with it.

use std::collections::HashMap;

use super::SpoolError;
use super::event::{Entry, EventLine};
use super::handle::Spool;
use super::head;
use super::segment::Position;
use crate::base::Timestamp;
use crate::mail::{BackendId, RecipientEvent, ReplayStep, SpoolId};

/// One recipient who got a message, or may have got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// When.
    pub at: Timestamp,
    /// Which message.
    pub id: SpoolId,
    /// The recipient's number in the envelope.
    pub number: u16,
    /// Who took it.
    pub backend: BackendId,
    /// The address it was delivered to; `None` when nobody knows whether it arrived.
    pub delivery_address: Option<String>,
}

impl Spool {
    /// Shows who got mail since then, the newest segment of the log first. Not more than `most`
    /// records are read: what is older is left out then. Bodies are not read.
    ///
    /// # Errors
    /// When the disk fails. Behind a damaged record the rest of its segment is left out.
    pub fn recent(
        &self,
        since: Timestamp,
        most: usize,
        show: &mut dyn FnMut(Recent),
    ) -> Result<(), SpoolError> {
        let dir = self.0.options.dir.join("log");
        let segments = head::numbers(&self.0.disk, &dir)?;
        let mut left = most;
        for segment in segments.into_iter().rev() {
            self.recent_of(segment, since, (&mut left, show));
            // Everything before it was written by then.
            let begun = self.begun(segment);
            if left == 0 || begun.is_some_and(|begun| begun <= since) {
                break;
            }
        }
        Ok(())
    }

    fn recent_of(
        &self,
        segment: u32,
        since: Timestamp,
        (left, show): (&mut usize, &mut dyn FnMut(Recent)),
    ) {
        let mut open = HashMap::new();
        let mut offset = 0;
        // Ends at the end of what is written, too.
        while let Ok((header, meta)) = self.0.reader.meta(Position { segment, offset }) {
            if *left == 0 {
                return;
            }
            *left -= 1;
            if let Ok(Entry::Event(line)) = Entry::read(header.kind, &meta, header.body_len)
                && line.at >= since
            {
                tell(line, &mut open, show);
            }
            let length = u32::try_from(header.record_len()).unwrap_or(u32::MAX);
            let Some(next) = offset.checked_add(length) else {
                return;
            };
            offset = next;
        }
    }
}

/// `open`: attempts whose end has not come yet.
fn tell(
    line: EventLine,
    open: &mut HashMap<(SpoolId, u16), BackendId>,
    show: &mut dyn FnMut(Recent),
) {
    let EventLine {
        id,
        at,
        recipients,
        event,
        node: _,
    } = line;
    for number in recipients {
        let begun = open.remove(&(id, number));
        let (backend, delivery_address) = match &event {
            RecipientEvent::Attempted { backend }
            | RecipientEvent::Replay {
                backend,
                step: ReplayStep::Attempted,
                ..
            } => {
                open.insert((id, number), backend.clone());
                continue;
            }
            RecipientEvent::Deferred {
                backend, failure, ..
            } if failure.uncertain => (backend.clone(), None),
            RecipientEvent::Delivered {
                backend,
                delivery_address,
                ..
            }
            | RecipientEvent::Replay {
                backend,
                step:
                    ReplayStep::Delivered {
                        delivery_address, ..
                    },
                ..
            } => (backend.clone(), Some(delivery_address.clone())),
            RecipientEvent::Replay { backend, step, .. } if step.is_in_doubt() => {
                (backend.clone(), None)
            }
            RecipientEvent::Interrupted { uncertain: true } => match begun {
                Some(backend) => (backend, None),
                None => continue,
            },
            RecipientEvent::Interrupted { uncertain: false }
            | RecipientEvent::Deferred { .. }
            | RecipientEvent::Paced { .. }
            | RecipientEvent::Replay { .. }
            | RecipientEvent::Landing { .. }
            | RecipientEvent::Rerouted { .. }
            | RecipientEvent::Held { .. }
            | RecipientEvent::Released { .. }
            | RecipientEvent::Bounced { .. }
            | RecipientEvent::Dropped { .. }
            | RecipientEvent::Expanded { .. } => continue,
        };
        show(Recent {
            at,
            id,
            number,
            backend,
            delivery_address,
        });
    }
}
