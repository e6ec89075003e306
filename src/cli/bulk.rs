//! The verbs that do something to any number of waiting recipients: the server does it page by
//! page, so that people see how far it is, and can interrupt it and say it again.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::args::{Filter, QueueDeed, QueueHold, Which};
use super::broken_off::{broken_off, done};
use super::client::Client;
use super::home::At;
use super::intent::{Format, Request};
use super::render::Page;
use super::{Exit, Failure, home, print, show};
use crate::admin::{HoldQuery, MoveQuery, PerformQuery, QueueItem, SelectQuery, SelectView};
use crate::base::Clock;
use crate::mail::BackendId;
use crate::queue::{Deed, Order, Tally};
use crate::route::Selection;
use crate::terminal::{Bar, Palette, many};

/// Recipients that are shown before they are dropped.
const SHOWN: usize = 20;

/// What to do, to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BulkWork {
    which: SelectQuery,
    doing: Doing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Doing {
    Deed(Order),
    /// Show what would be dropped.
    Show,
    Export(PathBuf),
    /// A rule, then whoever waits already.
    Hold(HoldQuery),
    /// A step of the move of a domain, then whoever waits already.
    Step(String, MoveQuery),
}

impl BulkWork {
    pub(crate) fn deed(deed: Deed, args: QueueDeed, actor: &str) -> Self {
        Self {
            which: args.which.into(),
            doing: Doing::Deed(Order {
                deed,
                actor: actor.to_owned(),
                reason: args.reason,
            }),
        }
    }

    pub(crate) fn hold(args: QueueHold, actor: &str) -> Self {
        let which = SelectQuery::from(args.which);
        let query = HoldQuery {
            which: which.clone(),
            actor: actor.to_owned(),
            reason: args.reason,
            until: args.until,
            seconds: args.length.map(|length| length.as_secs()),
        };
        Self {
            which,
            doing: Doing::Hold(query),
        }
    }

    pub(crate) fn step(domain: String, query: MoveQuery) -> Self {
        Self {
            which: SelectQuery {
                all: true,
                ..SelectQuery::default()
            },
            doing: Doing::Step(domain, query),
        }
    }

    pub(crate) fn show(which: Which) -> Self {
        Self {
            which: which.into(),
            doing: Doing::Show,
        }
    }

    pub(crate) fn export(dir: PathBuf, which: Which) -> Self {
        Self {
            which: which.into(),
            doing: Doing::Export(dir),
        }
    }
}

impl From<Filter> for Selection {
    fn from(which: Filter) -> Self {
        let now = Clock::system().now();
        Self {
            message: which.message,
            recipient: which.recipient,
            sender: which.sender,
            domain: which.domain.map(|domain| domain.key()),
            backend: which.backend.map(|name| BackendId::new(&name)),
            reason_kind: which.reason_kind,
            hold: which.hold,
            accepted_before: which.older.map(|older| now.before(older)),
        }
    }
}

impl From<Which> for SelectQuery {
    fn from(which: Which) -> Self {
        Self {
            all: which.all,
            selection: which.filter.into(),
            ..Self::default()
        }
    }
}

pub(super) async fn perform(config: At<'_>, work: BulkWork, format: Format) -> Result<(), Failure> {
    let client = home::client(config)?;
    let worker = Worker {
        client,
        format,
        which: work.which,
    };
    match work.doing {
        Doing::Deed(order) if order.deed == Deed::Release => worker.release(order).await,
        Doing::Deed(order) => worker.perform(order).await,
        Doing::Hold(query) => worker.hold(query).await,
        Doing::Step(domain, query) => worker.step(&domain, query).await,
        Doing::Show => worker.show().await,
        Doing::Export(dir) => worker.export(&dir).await,
    }
}

pub(super) struct Worker {
    pub(super) client: Client,
    pub(super) format: Format,
    pub(super) which: SelectQuery,
}

/// Why nobody knows whether it has arrived.
pub(super) const CUT_OFF: &str = "an attempt was cut off after the final dot";

/// What would be dropped.
#[derive(Debug, Default, Serialize)]
pub(super) struct Preview {
    dry_run: bool,
    recipients: u64,
    /// An attempt for them may have arrived.
    uncertain: u64,
    pub(super) messages: u64,
    items: Vec<QueueItem>,
}

impl Worker {
    async fn perform(&self, order: Order) -> Result<(), Failure> {
        let deed = order.deed;
        let tally = self.all_pages(order, self.which.clone()).await?;
        self.tell(&tally, || told(deed, &tally))
    }

    /// Page after page, until everything is done.
    pub(super) async fn all_pages(
        &self,
        order: Order,
        which: SelectQuery,
    ) -> Result<Tally, Failure> {
        let mut bar = Bar::new("messages looked at");
        let mut tally = Tally::default();
        let mut query = PerformQuery { order, which };
        loop {
            let request = Request::post("/api/queue/perform", &query);
            match self.client.ask(request).await {
                Ok(page) => tally.add(page),
                Err(error) => return Err(broken_off(error.into(), query.order.deed, &tally)),
            }
            bar.show(tally.seen, None);
            if tally.next.is_none() {
                break;
            }
            query.which.after = tally.next;
        }
        bar.end();
        Ok(tally)
    }

    async fn show(&self) -> Result<(), Failure> {
        let preview = self.preview(SHOWN).await?;
        self.tell(&preview, || previewed(&preview))
    }

    /// Counts all that is meant, with the first recipients of it.
    pub(super) async fn preview(&self, shown: usize) -> Result<Preview, Failure> {
        let mut preview = Preview {
            dry_run: true,
            ..Preview::default()
        };
        let mut which = self.which.clone();
        let mut bar = Bar::new("messages looked at");
        let mut seen = 0;
        loop {
            which.show = shown.saturating_sub(preview.items.len());
            let page = self.select(&which).await?;
            preview.recipients += page.recipients;
            preview.uncertain += page.uncertain;
            preview.messages += page.messages.len() as u64;
            preview.items.extend(page.items);
            seen += page.seen;
            bar.show(seen, None);
            which.after = page.next;
            if which.after.is_none() {
                break;
            }
        }
        bar.end();
        Ok(preview)
    }

    pub(super) async fn select(&self, which: &SelectQuery) -> Result<SelectView, Failure> {
        let request = Request::post("/api/queue/select", which);
        Ok(self.client.ask(request).await?)
    }

    pub(super) fn tell(
        &self,
        told: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => show(&text()),
            Format::Json => {
                let json = serde_json::to_string_pretty(told);
                let json = json.map_err(|error| Failure::new(Exit::Failed, error))?;
                print(&format!("{json}\n"))
            }
        }
    }
}

pub(super) fn told(deed: Deed, tally: &Tally) -> String {
    let hint = match deed {
        Deed::Hold => "mail that comes later is held too",
        Deed::Release | Deed::Resume => "what waits for a backend goes when it is up",
        Deed::Retry => "held mail wants `tideover queue release`",
        Deed::Drop => "finished mail cannot be dropped",
    };
    let recipients = many(tally.recipients, "recipient");
    let messages = many(tally.messages, "message");
    let is_told = tally.behind > 0 || !tally.still_held.is_empty();
    let mut text = if tally.recipients == 0 && is_told {
        String::new()
    } else if tally.recipients == 0 {
        format!("nobody that waits matches: {hint}\n")
    } else {
        format!("{recipients} of {messages} {}\n", done(deed))
    };
    if tally.under_way > 0 {
        let busy = many(tally.under_way, "more recipient");
        let verb = if tally.under_way == 1 { "is" } else { "are" };
        let hint = match deed {
            Deed::Retry => "nothing to do",
            Deed::Hold | Deed::Release | Deed::Resume | Deed::Drop => "say it again in a minute",
        };
        // Writing to a String cannot fail.
        writeln!(text, "{busy} {verb} being tried now: {hint}").ok();
    }
    if tally.behind > 0 {
        let behind = many(tally.behind, "recipient");
        let verb = if tally.behind == 1 { "waits" } else { "wait" };
        writeln!(
            text,
            "{behind} {verb} for a backend that takes no mail now: `tideover backend list`"
        )
        .ok();
    }
    for held in tally.held_on() {
        writeln!(text, "{held}").ok();
    }
    if tally.moving > 0 {
        let moving = many(tally.moving, "recipient");
        writeln!(
            text,
            "{moving} of domains on the move stay: `tideover move finish`"
        )
        .ok();
    }
    text
}

fn previewed(preview: &Preview) -> String {
    if preview.recipients == 0 {
        return "nobody that waits matches: nothing would be dropped\n".to_owned();
    }
    let page = Page {
        palette: Palette::of_stdout(),
        now: Clock::system().now(),
    };
    let mut text = page.queue(&preview.items, 0, SHOWN);
    let more = preview
        .recipients
        .saturating_sub(preview.items.len() as u64);
    if more > 0 {
        writeln!(text, "... and {more} more").ok();
    }
    let recipients = many(preview.recipients, "recipient");
    let messages = many(preview.messages, "message");
    text.push('\n');
    if preview.uncertain > 0 {
        let uncertain = preview.uncertain;
        writeln!(text, "{uncertain} of them may have arrived: {CUT_OFF}").ok();
    }
    // Writing to a String cannot fail.
    write!(
        text,
        "would drop {recipients} of {messages}; nothing is dropped yet.\n\
         `tideover queue export DIR` keeps a copy, --yes drops them for good.\n"
    )
    .ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_drops_is_told_what_may_have_arrived() {
        let mut preview = Preview {
            recipients: 3,
            messages: 2,
            ..Preview::default()
        };
        assert!(!previewed(&preview).contains("arrived"));
        preview.uncertain = 2;
        let text = previewed(&preview);
        assert!(
            text.contains("\n2 of them may have arrived: an attempt was cut off"),
            "{text}"
        );
        assert!(
            text.contains("would drop 3 recipients of 2 messages"),
            "{text}"
        );
    }

    #[test]
    fn what_was_done_is_told_in_few_words() {
        let tally = |recipients, under_way| Tally {
            recipients,
            messages: recipients.min(1),
            under_way,
            ..Tally::default()
        };
        for (deed, tally, expected) in [
            (
                Deed::Release,
                tally(2, 0),
                "2 recipients of 1 message released\n",
            ),
            (
                Deed::Drop,
                tally(1, 1),
                "1 recipient of 1 message dropped\n\
                 1 more recipient is being tried now: say it again in a minute\n",
            ),
            (
                Deed::Retry,
                tally(0, 0),
                "nobody that waits matches: held mail wants `tideover queue release`\n",
            ),
            (
                Deed::Retry,
                Tally {
                    behind: 3,
                    ..Tally::default()
                },
                "3 recipients wait for a backend that takes no mail now: `tideover backend list`\n",
            ),
            (
                Deed::Retry,
                Tally {
                    behind: 1,
                    ..tally(2, 0)
                },
                "2 recipients of 1 message due now\n\
                 1 recipient waits for a backend that takes no mail now: `tideover backend list`\n",
            ),
            (
                Deed::Resume,
                Tally {
                    still_held: [("@x.example".to_owned(), 1), ("h2".to_owned(), 2)].into(),
                    ..Tally::default()
                },
                "1 recipient waits on because of the move of x.example\n\
                 2 recipients wait on because of hold h2\n",
            ),
        ] {
            assert_eq!(told(deed, &tally), expected);
        }
    }
}
