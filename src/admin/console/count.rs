//! To how many something would be done: counted as far as it comes in its time, and then on from
//! there.

use std::time::Duration;

use tokio::time::Instant;

use super::Console;
use super::asker::{Asker, Fields};
use super::fault::Fault;
use super::filter::Filter;
use super::kinds::Kind;
use super::moments::many;
use crate::admin::{QueueItem, SelectQuery, SelectView};
use crate::mail::SpoolId;
use crate::queue::Deed;

/// Recipients that are shown as examples.
const SAMPLE: usize = 20;
/// The fields of a count that goes on: behind which message, and what was counted before.
pub(super) const BEHIND: &str = "counted";
pub(super) const RECIPIENTS: &str = "counted-recipients";
pub(super) const MESSAGES: &str = "counted-messages";
pub(super) const PAUSED: &str = "counted-behind";
pub(super) const MOVING: &str = "counted-moving";

/// To whom it would be done.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) recipients: u64,
    pub(super) messages: u64,
    /// Those left out, because their backend takes no mail now.
    behind: u64,
    /// Those left out, because a move holds them.
    moving: u64,
    /// The first of those that were looked at now.
    pub(super) items: Vec<QueueItem>,
    /// Nobody has looked behind this message yet.
    pub(super) rest: Option<SpoolId>,
}

impl Counted {
    /// What was counted until now, as the fields say; nothing at the beginning.
    pub(super) fn of(fields: &Fields) -> Result<Self, Fault> {
        let Some(behind) = fields.some(BEHIND) else {
            return Ok(Self::default());
        };
        let wrong = || Fault::asked("the count does not go on from there", "Begin anew.");
        let number = |name: &str| fields.text(name).parse::<u64>().map_err(|_| wrong());
        Ok(Self {
            recipients: number(RECIPIENTS)?,
            messages: number(MESSAGES)?,
            behind: number(PAUSED)?,
            moving: number(MOVING)?,
            items: Vec::new(),
            rest: Some(behind.parse().map_err(|_| wrong())?),
        })
    }

    /// Counts on, as far as it comes in this time.
    pub(super) async fn go_on(
        mut self,
        (console, asker): (&Console, &Asker),
        (deed, filter): (Deed, &Filter),
        time: Duration,
    ) -> Result<Self, Fault> {
        let until = Instant::now() + time;
        let mut query = SelectQuery {
            deed: Some(deed),
            // A deed is not asked in which state its mail is shown.
            state: None,
            after: self.rest,
            ..filter.query()
        };
        loop {
            query.show = SAMPLE.saturating_sub(self.items.len());
            let view: SelectView = console.ask(asker).post("/api/queue/select", &query).await?;
            self.recipients = self.recipients.saturating_add(view.recipients);
            self.messages = self.messages.saturating_add(view.messages.len() as u64);
            self.behind = self.behind.saturating_add(view.behind);
            self.moving = self.moving.saturating_add(view.moving);
            self.items.extend(view.items);
            self.rest = view.next;
            query.after = view.next;
            if self.rest.is_none() || Instant::now() >= until {
                return Ok(self);
            }
        }
    }

    /// `412 recipients of 398 messages`; `at least` when that is not all.
    pub(super) fn told(&self) -> String {
        let cut = self.rest.map_or("", |_| "at least ");
        format!(
            "{cut}{} of {}",
            many(self.recipients, "recipient"),
            many(self.messages, "message")
        )
    }

    /// Those who match, and to whom it would not be done.
    pub(super) const fn left_out(&self) -> u64 {
        self.behind + self.moving
    }

    /// What looks held and is not: its backend takes no mail.
    pub(super) fn behind_of(&self, kind: Kind) -> Option<String> {
        let waits = if self.behind == 1 { "waits" } else { "wait" };
        let what = match kind.deed {
            Deed::Retry => "they are not tried now",
            Deed::Release | Deed::Resume => "nobody holds them, so there is nothing to release",
            Deed::Hold | Deed::Drop => return None,
        };
        (self.behind > 0).then(|| {
            let count = many(self.behind, "more recipient");
            format!(
                "{count} {waits} for a backend that takes no mail now: {what}. That mail goes by \
                 itself when the backend takes mail again; to hold it or drop it is another matter."
            )
        })
    }

    /// What is held and stays so: its domain is on the move.
    pub(super) fn moving_of(&self, kind: Kind) -> Option<String> {
        let (stays, is) = if self.moving == 1 {
            ("stays", "is")
        } else {
            ("stay", "are")
        };
        (kind.deed == Deed::Release && self.moving > 0).then(|| {
            let count = many(self.moving, "more recipient");
            format!("{count} {is} of domains on the move, and {stays} until the move is finished.")
        })
    }

    /// The fields with which it goes on; none at the end.
    pub(super) fn fields(&self) -> Option<[(&'static str, String); 5]> {
        let rest = self.rest?;
        Some([
            (BEHIND, rest.to_string()),
            (RECIPIENTS, self.recipients.to_string()),
            (MESSAGES, self.messages.to_string()),
            (PAUSED, self.behind.to_string()),
            (MOVING, self.moving.to_string()),
        ])
    }
}
