//! The server's answers as text for people.

use crate::admin::{
    BackendView, DecisionWord, ExplainView, MessageView, QueueItem, RecipientView, SpoolNumbers,
    StatusView, TraceView,
};
use crate::backend::Health;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{MethodResult, Verdict};
use crate::route::ShownState;
use crate::spool::Missing;
use crate::terminal::{
    Cell, Palette, Table, Tone, WIDTH, bytes, columns, duration, many, moment, visible,
};

use super::render_size::lasts;

/// What the text depends on beside the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) palette: Palette,
    pub(crate) now: Timestamp,
}

const LABEL: usize = 14;

impl Page {
    fn health(backend: &BackendView) -> Cell {
        match backend.health {
            // It takes nothing either.
            Health::Slow if backend.failing => Cell::toned("slow", Tone::Bad),
            Health::Up => Cell::toned("up", Tone::Good),
            Health::Slow => Cell::toned("slow", Tone::Waiting),
            Health::Down => Cell::toned("down", Tone::Bad),
            Health::Rejecting => Cell::toned("rejecting", Tone::Bad),
        }
    }

    const fn tone(state: ShownState) -> Tone {
        match state {
            ShownState::Delivered | ShownState::Expanded => Tone::Good,
            ShownState::Queued | ShownState::Held => Tone::Waiting,
            ShownState::Bounced | ShownState::Dropped => Tone::Bad,
        }
    }

    /// `label   text`, wrapped under the text.
    pub(super) fn field(self, label: &str, text: &str) -> String {
        let label = format!("{label:<LABEL$}");
        let painted = self.palette.paint(Tone::Quiet, &label);
        let lines = wrap(&visible(text), WIDTH - LABEL - 2);
        let mut shown = String::new();
        for (number, line) in lines.iter().enumerate() {
            let indent = if number == 0 {
                painted.clone()
            } else {
                " ".repeat(LABEL)
            };
            shown.push_str(format!("  {indent}{line}").trim_end());
            shown.push('\n');
        }
        shown
    }

    /// Text of its own, wrapped.
    pub(super) fn paragraph(text: &str) -> String {
        let lines = wrap(&visible(text), WIDTH);
        format!("{}\n", lines.join("\n"))
    }

    /// Text under the line before it, wrapped.
    pub(super) fn indented(text: &str) -> String {
        let indent = "        ";
        let lines = wrap(&visible(text), WIDTH - indent.len());
        format!("{indent}{}\n", lines.join(&format!("\n{indent}")))
    }

    /// A paragraph in a tone.
    pub(super) fn toned(self, tone: Tone, text: &str) -> String {
        let lines = wrap(&visible(text), WIDTH);
        let lines = lines
            .iter()
            .map(|line| self.palette.paint(tone, line) + "\n");
        lines.collect()
    }

    /// `status`.
    pub(crate) fn status(self, status: &StatusView) -> String {
        let title = format!("Tideover {}", visible(&status.version));
        let now = status.now.to_jiff().to_zoned(jiff::tz::TimeZone::system());
        let mut text = format!(
            "{}, {}\n\n{}\n",
            self.palette.paint(Tone::Strong, &title),
            now.strftime("%Y-%m-%d %H:%M:%S %Z"),
            self.backends(&status.backends) + &self.refusing(status.refusing.as_deref())
        );
        let queue = &status.queue;
        let oldest = queue.oldest.map_or_else(String::new, |oldest| {
            format!(", the oldest for {}", duration(self.now.since(oldest)))
        });
        let vain = status.spool.missing.as_ref().and_then(Missing::unreadable);
        let vain = vain.map_or_else(String::new, |vain| format!("; of these {vain}"));
        text.push_str(&self.field(
            "queue",
            &format!("{} queued, {} held{oldest}{vain}", queue.queued, queue.held),
        ));
        if queue.uncertain > 0 {
            let uncertain = format!(
                "{} may have arrived twice, or though given up: cut off after the final dot",
                queue.uncertain
            );
            text.push_str(&self.field("", &uncertain));
        }
        if let Some(told) = status.attention.told() {
            let told = format!("{told}: `tideover queue list`, then release, retry or drop");
            text.push_str(&self.field("decide", &told));
        }
        for backend in &status.backends {
            text.push_str(&self.drain(backend));
        }
        text.push_str(&self.cases_waiting(&status.cases));
        text.push_str(&(self.opened(status) + &self.held(status)));
        text.push_str(&self.replaying(&status.replays));
        text.push_str(&(self.alarms(status) + &self.disputed(status.open_conflicts)));
        for source in status.sources.iter().filter(|one| one.error.is_some()) {
            text.push_str(&self.field("directory", &self.source(source)));
        }
        let spool = &status.spool;
        if let Some(index) = &spool.index {
            let index = format!("{}; mail is taken, the rest waits", index.text);
            text.push_str(&self.field("index", &index));
        }
        text.push_str(&self.field(
            "spool",
            &format!(
                "{} used, {} free; {} kept, {} delivered",
                bytes(spool.bytes),
                bytes(spool.free_bytes),
                many(spool.accepted, "message"),
                many(spool.delivered, "recipient")
            ),
        ));
        text.push_str(&(self.damage(spool) + &self.balance(spool)));
        if let Some(failures) = &spool.write_failures {
            let times = many(failures.count, "time");
            let told = format!(
                "the log could not be written {times}, last {}: {}; nothing of it was accepted",
                failures.last, failures.what
            );
            text.push_str(&self.field("disk", &told));
        }
        if let Some(outlook) = &spool.outlook {
            text.push_str(&self.field("", &lasts(outlook)));
        }
        text.push_str(&self.field("", &format!("uuid {}", visible(&spool.uuid))));
        text
    }

    /// What came in, and what became of it.
    fn balance(self, spool: &SpoolNumbers) -> String {
        let Some(balance) = &spool.balance else {
            return String::new();
        };
        let mut what = format!(
            "{} came, {} finished, {} wait",
            many(balance.came, "recipient"),
            balance.finished,
            balance.waiting
        );
        if balance.wrong > 0 {
            what.push_str("; ");
            what.push_str(&many(balance.wrong, "place"));
            what.push_str(" in disorder: stop the server and run `tideover spool rebuild`; ");
            what.push_str(&balance.named.join("; "));
        }
        self.field("account", &what)
    }

    /// What was found damaged, if anything was.
    fn damage(self, spool: &SpoolNumbers) -> String {
        let missing = spool.missing.as_ref().map_or_else(String::new, |missing| {
            let what = format!("{missing}: bring the files back, docs/operations/damage.md");
            self.field("missing", &what)
        });
        if spool.quarantined == 0 && spool.damaged == 0 {
            return missing;
        }
        let mut what = many(spool.quarantined, "damaged piece") + " in quarantine";
        if spool.damaged > 0 {
            what.push_str(", held of them: ");
            what.push_str(&many(spool.damaged, "message"));
        }
        missing + &self.field("damage", &what)
    }

    /// How a backend gets what waits, and what went elsewhere, if there is anything to say.
    pub(super) fn drain(self, backend: &BackendView) -> String {
        let mut text = String::new();
        let name = backend.name.as_str();
        let drain = &backend.drain;
        let moves = backend.waiting > 0 && drain.progress.connections > 0;
        if let (Some(speed), true) = (drain.progress.per_minute, moves) {
            let eta = drain.eta_seconds.map_or_else(String::new, |seconds| {
                let eta = duration(std::time::Duration::from_secs(seconds));
                format!(", done in about {eta}")
            });
            let connections = many(drain.progress.connections as u64, "connection");
            let what = format!("{name}: {speed} a minute over {connections}{eta}");
            text.push_str(&self.field("", &what));
        }
        if let Some(left) = backend.paced() {
            let left = duration(left);
            let what = format!(
                "{name}: the rates of mailboxes hold mail back; the fullest has all in {left}"
            );
            text.push_str(&self.field("", &what));
        }
        if backend.diverted > 0 {
            let count = backend.diverted;
            let mut what = format!("{count} of {name} went to another backend (failover)");
            if backend.health == Health::Up {
                let verb = format!("tideover replay plan --diverted --to {name}");
                what.extend(["; it is up: `", &verb, "`"]);
            }
            text.push_str(&self.field("diverted", &what));
        }
        text
    }

    /// `backend list`.
    pub(crate) fn backends(self, backends: &[BackendView]) -> String {
        if backends.is_empty() {
            return "no backends: the config names none\n".to_owned();
        }
        // Mostly there are none, and the reason needs the room.
        let has_cases = backends.iter().any(|backend| backend.in_cases != Some(0));
        let mut head = vec!["BACKEND", "HEALTH", "SINCE", "WAITING", "REASON"];
        if has_cases {
            head.insert(4, "CASES");
        }
        let mut table = Table::new(&head, &[0, head.len() - 1]);
        for backend in backends {
            let reason = match (&backend.operator, backend.health) {
                (Some(said), Health::Up) => said.clone(),
                (Some(said), _) => format!("{said}; {}", backend.reason),
                (None, _) => backend.reason.clone(),
            };
            let mut cells = vec![
                backend.name.as_str().into(),
                Self::health(backend),
                moment(backend.since, self.now).into(),
                backend.waiting.to_string().into(),
                reason.as_str().into(),
            ];
            if has_cases {
                let count = backend.in_cases.map(|count| count.to_string());
                cells.insert(4, count.unwrap_or_else(|| "?".to_owned()).into());
            }
            table.row(cells);
        }
        table.render(self.palette)
    }

    /// `queue list`, at most `limit` of `items`.
    pub(crate) fn queue(self, items: &[QueueItem], skip: usize, limit: usize) -> String {
        if items.is_empty() {
            return "nothing waits\n".to_owned();
        }
        let head = ["ID", "RECIPIENT", "STATE", "NEXT TRY", "TRIES", "REASON"];
        let mut table = Table::new(&head, &[1, 5]);
        for item in items.iter().take(limit) {
            let due = item.due.map_or_else(
                || "-".to_owned(),
                |due| {
                    if due <= self.now {
                        "now".to_owned()
                    } else {
                        moment(due, self.now)
                    }
                },
            );
            table.row([
                item.id.to_string().into(),
                item.recipient.as_str().into(),
                Cell::toned(item.state.as_str(), Self::tone(item.state)),
                due.into(),
                item.attempts.to_string().into(),
                item.reason.as_str().into(),
            ]);
        }
        let mut text = table.render(self.palette);
        text.push_str(&self.more(items.len(), (skip, limit)));
        text
    }

    /// How a list goes on of which so many were found, with one more than is shown. The server
    /// gives no more than a page: behind a full one nobody knows.
    pub(crate) fn more(self, found: usize, (skip, limit): (usize, usize)) -> String {
        let verb = match found {
            found if found > limit => "is",
            found if found >= limits::PAGE => "may be",
            _ => return String::new(),
        };
        let next = format!("there {verb} more: --skip {}\n", skip + limit);
        self.palette.paint(Tone::Quiet, &next)
    }

    /// `explain`.
    pub(crate) fn explain(self, explain: &ExplainView) -> String {
        let backend = explain.backend.as_deref().unwrap_or("nowhere");
        let (tone, decision) = match explain.decision {
            DecisionWord::Relay => (Tone::Good, format!("relay to {backend}")),
            DecisionWord::Hold => (Tone::Waiting, "hold".to_owned()),
            DecisionWord::Expand => (Tone::Good, "to the people of the group".to_owned()),
            DecisionWord::Reject => (Tone::Bad, "reject".to_owned()),
        };
        let mut text = format!(
            "{}: {}\n\n",
            self.palette.paint(Tone::Strong, &visible(&explain.address)),
            self.palette.paint(tone, &visible(&decision)),
        );
        if let Some(home) = &explain.home {
            text.push_str(&self.field("home", home.as_str()));
        }
        if let Some(address) = &explain.delivery_address {
            text.push_str(&self.field("delivered as", address));
        }
        if explain.decision != DecisionWord::Relay {
            text.push_str(&self.field("reason", &explain.reason));
        }
        for (number, step) in explain.steps.iter().enumerate() {
            let label = if number == 0 { "steps" } else { "" };
            text.push_str(&self.field(label, &format!("{}. {step}", number + 1)));
        }
        for (number, near) in explain.nearly.iter().enumerate() {
            let label = if number == 0 { "nearly" } else { "" };
            text.push_str(&self.field(label, &format!("- {}", near.what)));
        }
        text
    }

    /// `trace`.
    pub(crate) fn trace(self, trace: &TraceView) -> String {
        let messages = trace.messages.iter().map(|message| self.message(message));
        let mut text = messages.collect::<Vec<_>>().join("\n");
        if trace.ledger_gaps > 0 {
            let gaps = format!(
                "\n{} files of the ledger cannot be read, there may be more in them: `tideover \
                 report verify` names them\n",
                trace.ledger_gaps
            );
            text.push_str(&self.palette.paint(Tone::Bad, &gaps));
        }
        if trace.more {
            let more = "\nthere are older ones: --limit shows more\n";
            text.push_str(&self.palette.paint(Tone::Quiet, more));
        }
        text
    }

    /// `queue show`.
    pub(crate) fn message(self, message: &MessageView) -> String {
        let mut text = format!(
            "{}  {}  {}\n",
            self.palette.paint(Tone::Strong, &message.id.to_string()),
            moment(message.received, self.now),
            bytes(message.size)
        );
        let sender = if message.from.is_empty() {
            "<> (a report or an automatic answer)"
        } else {
            &message.from
        };
        text.push_str(&self.field("from", sender));
        for (label, value) in [
            ("subject", &message.subject),
            ("message-id", &message.message_id),
        ] {
            if let Some(value) = value {
                text.push_str(&self.field(label, value));
            }
        }
        if let Some(wish) = message.tls_wish {
            text.push_str(&self.field("tls", &wish.to_string()));
        }
        if let Some(from) = &message.expanded {
            let group = format!("people of {}, message {}", from.group, from.message);
            text.push_str(&self.field("group", &group));
        }
        if let Some(verdict) = &message.verdict {
            text.push_str(&self.field("sender", &checked(verdict)));
        }
        if !message.filtered.is_empty() {
            let results: Vec<String> = message.filtered.iter().map(ToString::to_string).collect();
            text.push_str(&self.field("filters", &results.join(", ")));
        }
        if let Some(automatic) = &message.automatic
            && let Some(kind) = automatic.kind
        {
            let what = format!("{kind}: {}", automatic.sign);
            text.push_str(&self.field("automatic", &what));
        }
        for recipient in &message.recipients {
            text.push_str(&self.recipient(recipient));
        }
        text
    }

    fn recipient(self, recipient: &RecipientView) -> String {
        let state = self
            .palette
            .paint(Self::tone(recipient.state), recipient.state.as_str());
        let twice = match recipient.state {
            _ if !recipient.uncertain => "",
            ShownState::Bounced | ShownState::Dropped => " (it may have arrived all the same)",
            ShownState::Queued
            | ShownState::Held
            | ShownState::Delivered
            | ShownState::Expanded => " (a copy may have come twice)",
        };
        let label = self
            .palette
            .paint(Tone::Quiet, &format!("{:<LABEL$}", "to"));
        let address = visible(&recipient.address);
        let mut text = format!("  {label}{address}  {state}{twice}\n");
        if !recipient.reason.is_empty() && !recipient.state.is_finished() {
            text.push_str(&self.field("", &recipient.reason));
        }
        for event in &recipient.events {
            let indent = LABEL + 2;
            let begin = format!("{}  {:<10} ", moment(event.at, self.now), event.event);
            let hanging = indent + columns(&begin);
            let room = WIDTH.saturating_sub(hanging).max(20);
            for (number, line) in wrap(&visible(&event.detail), room).iter().enumerate() {
                let line = if number == 0 {
                    format!("{:indent$}{begin}{line}", "")
                } else {
                    format!("{:hanging$}{line}", "")
                };
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        text
    }
}

/// Lines of at most `width` columns, broken at blanks; a longer word stays whole, so that
/// addresses and ids can be copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
                continue;
            }
            if columns(line) + 1 + columns(word) <= width {
                line.push(' ');
                line.push_str(word);
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines
}

/// What was found out about a sender: `spf=pass (a.example) dkim=fail (b.example: the body was
/// changed)`.
fn checked(verdict: &Verdict) -> String {
    let line = |it: &MethodResult| {
        let looked_at = [
            "smtp.mailfrom",
            "smtp.helo",
            "header.d",
            "header.from",
            "policy.iprev",
        ];
        let of = looked_at.iter().find_map(|name| it.property(name));
        let more: Vec<&str> = of.into_iter().chain(it.reason.as_deref()).collect();
        let said = format!("{}={}", it.method.as_str(), it.result.as_str());
        if more.is_empty() {
            said
        } else {
            format!("{said} ({})", more.join(": "))
        }
    };
    let lines: Vec<String> = verdict.results.iter().map(line).collect();
    lines.join(", ")
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
