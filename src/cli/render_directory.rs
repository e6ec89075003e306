//! The directory as text for people.

use std::fmt::Write as _;

use super::render::Page;
use crate::admin::{ChangeView, DiffView, LookupView, VerifiedView};
use crate::directory::{
    Change, Conflict, ConflictKind, Effect, Entry, Fact, Generation, Record, RulingChange, Word,
};
use crate::smtp::Mailbox;
use crate::terminal::{Cell, Table, Tone, many, moment, visible};

/// Bad rows that are told.
const ROWS: usize = 20;

/// The conflicts that are open; or that would be, of which nothing more can be asked yet.
fn conflicts(change: &ChangeView) -> String {
    let would = !change.done && change.generation.is_some();
    match (change.open_conflicts, would) {
        (0, _) => String::new(),
        (1, false) => "1 conflict is open: `tideover directory conflicts`\n".to_owned(),
        (many, false) => format!("{many} conflicts are open: `tideover directory conflicts`\n"),
        (1, true) => "1 conflict would be open\n".to_owned(),
        (many, true) => format!("{many} conflicts would be open\n"),
    }
}

impl Page {
    /// What came of an import, a revert, a settlement.
    pub(crate) fn changed(self, change: &ChangeView) -> String {
        let mut text = String::new();
        match &change.generation {
            None => text.push_str("nothing differs: no new generation\n"),
            Some(generation) => {
                let effect = &generation.effect;
                let is = if change.done { "is" } else { "would be" };
                // Writing to a String cannot fail.
                writeln!(
                    text,
                    "generation {} {is}: records added: {}, changed: {}, removed: {}",
                    generation.number, effect.added, effect.changed, effect.removed
                )
                .ok();
                self.touched(&mut text, effect);
            }
        }
        if let Some(settles) = &change.settles {
            text.push_str(&Self::paragraph(settles));
        }
        if let Some(why) = &change.needs_yes {
            text.push_str(&self.field("takes --yes", why));
        }
        if change.rows > 0 {
            writeln!(text, "{} good rows", change.rows).ok();
        }
        for row in change.bad_rows.iter().take(ROWS) {
            text.push_str(&self.field("left out", row));
        }
        if change.nobody_departs {
            text.push_str("not all rows say whom they name: nobody was removed\n");
        }
        let more = change.more_bad_rows + change.bad_rows.len().saturating_sub(ROWS) as u64;
        if more > 0 {
            text.push_str(&self.field("left out", &format!("{more} more")));
        }
        text.push_str(&self.odd(change));
        text.push_str(&conflicts(change));
        text
    }

    fn touched(self, text: &mut String, effect: &Effect) {
        if effect.names.is_empty() {
            return;
        }
        let names = self.field("", &effect.names.join(", "));
        // Writing to a String cannot fail.
        write!(
            text,
            "gone: {}; another home or delivery address: {}",
            effect.deleted, effect.moved
        )
        .ok();
        if effect.bereft > 0 {
            write!(text, "; lose an address: {}", effect.bereft).ok();
        }
        writeln!(text, ", for example\n{}", names.trim_end()).ok();
    }

    /// `directory list`, behind so many and at most so many.
    pub(crate) fn entries(self, entries: &[Entry], (skip, limit): (usize, usize)) -> String {
        if entries.is_empty() {
            return "nobody\n".to_owned();
        }
        let head = ["ADDRESS", "TYPE", "HOME", "DELIVERY ADDRESS", "NAME"];
        let mut table = Table::new(&head, &[0, 3, 4]);
        for entry in entries.iter().take(limit) {
            let kind = match entry.departed {
                None => Cell::from(entry.kind.as_str()),
                Some(_) => Cell::toned("departed", Tone::Waiting),
            };
            let delivery = entry.delivery_address.as_ref().map(ToString::to_string);
            table.row([
                entry.address.to_string().into(),
                kind,
                entry.home.as_ref().map_or("-", |home| home.as_str()).into(),
                delivery.unwrap_or_default().into(),
                entry.name.as_str().into(),
            ]);
        }
        let mut text = table.render(self.palette);
        text.push_str(&self.more(entries.len(), (skip, limit)));
        text
    }

    /// `directory verified`.
    pub(crate) fn verified(self, known: &[VerifiedView]) -> String {
        if known.is_empty() {
            return "no home has said of anybody that he exists\n".to_owned();
        }
        let mut table = Table::new(&["ADDRESS", "HOME", "SINCE", "LAST", "DENIED"], &[0]);
        for VerifiedView { address, word } in known {
            let denied = word.denied.map(|denied| moment(denied, self.now));
            table.row([
                address.as_str().into(),
                word.by.as_str().into(),
                moment(word.since, self.now).into(),
                moment(word.at, self.now).into(),
                denied.unwrap_or_default().into(),
            ]);
        }
        table.render(self.palette)
    }

    /// What a home said of an address, and how long ago.
    fn word(self, word: &Word) -> String {
        let said = format!(
            "{} says since {} that it exists, last {}",
            word.by,
            moment(word.since, self.now),
            moment(word.at, self.now)
        );
        let mut text = self.field("verified", &said);
        if let Some(denied) = word.denied {
            let said = format!(
                "{}: it is asked again a day later",
                moment(denied, self.now)
            );
            text.push_str(&self.field("said no", &said));
        }
        text
    }

    /// `directory lookup` and `as-of`.
    pub(crate) fn looked_up(self, view: &LookupView) -> String {
        let mut text = String::new();
        let when = view.at.map_or_else(
            || "now".to_owned(),
            |at| format!("made {}", moment(at, self.now)),
        );
        writeln!(
            text,
            "generation {}, {when}: {} entries, {} addresses",
            view.generation, view.entries, view.addresses
        )
        .ok();
        let Some(entry) = &view.entry else {
            if let Some(address) = &view.address {
                writeln!(text, "{}: nobody", visible(address)).ok();
            }
            if let Some(word) = &view.verified {
                text.push_str(&self.word(word));
            }
            return text;
        };
        for fact in Fact::ALL {
            let value = value(entry, fact);
            if value.is_empty() {
                continue;
            }
            let from = view.sources.get(&fact).map(|sources| sources.join(", "));
            let from = from.map_or_else(String::new, |from| format!("  [{from}]"));
            text.push_str(&self.field(label(fact), &format!("{value}{from}")));
        }
        for (backend, address) in &entry.delivery_addresses {
            text.push_str(&self.field("delivery", &format!("{address} at {backend}")));
        }
        if !entry.receive_only.is_empty() {
            text.push_str(&self.field("only receives", &listed(&entry.receive_only)));
        }
        if let Some(departed) = entry.departed {
            let since = format!("{}; the route lives on", moment(departed, self.now));
            text.push_str(&self.field("departed", &since));
        }
        match view.found_by.as_deref() {
            Some("tag") => text.push_str(&self.field("found", "without its tag")),
            Some("x500") => text.push_str(&self.field("found", "by its X.500 address")),
            _ => {}
        }
        text
    }

    /// `directory log`.
    pub(crate) fn generations(self, generations: &[Generation], older: usize) -> String {
        if generations.is_empty() {
            return "no generations: nothing was imported yet\n".to_owned();
        }
        let head = ["NO", "WHEN", "BY", "CAUSE", "+", "~", "-", "REASON"];
        let mut table = Table::new(&head, &[7]);
        for one in generations {
            table.row([
                one.number.to_string().into(),
                moment(one.at, self.now).into(),
                one.author.as_str().into(),
                one.cause.as_str().into(),
                one.effect.added.to_string().into(),
                one.effect.changed.to_string().into(),
                one.effect.removed.to_string().into(),
                one.reason.as_str().into(),
            ]);
        }
        let mut text = table.render(self.palette);
        if older > 0 {
            writeln!(text, "and {older} older ones: --limit shows more").ok();
        }
        text
    }

    /// `directory diff`.
    pub(crate) fn diff(self, diff: &DiffView) -> String {
        let mut text = format!("from generation {} to {}\n", diff.from, diff.to);
        if diff.total == 0 && diff.changes.is_empty() && diff.rulings.is_empty() {
            text.push_str("nothing differs\n");
        }
        for change in &diff.changes {
            text.push_str(&self.change(change));
        }
        for change in &diff.rulings {
            text.push_str(&self.ruling(change));
        }
        text
    }

    fn change(self, change: &Change) -> String {
        let named = |record: &Record| visible(&record.address.to_string());
        let source = visible(&change.source);
        // What a wave moves has but its new home, by hand.
        let homed = |record: &Record| {
            let home = record.home.as_ref();
            home.map_or_else(String::new, |home| format!(", home {home}"))
        };
        match (&change.before, &change.after) {
            (None, Some(after)) => {
                let line = format!("+ {} ({source}){}", named(after), homed(after));
                format!("{}\n", self.palette.paint(Tone::Good, &line))
            }
            (Some(before), None) => {
                let line = format!("- {} ({source}){}", named(before), homed(before));
                format!("{}\n", self.palette.paint(Tone::Bad, &line))
            }
            (Some(before), Some(after)) => {
                let mut text = format!("~ {} ({source})\n", named(after));
                for (name, old, new) in before.differing(after) {
                    let what = format!("{name}: {} -> {}", or_nothing(&old), or_nothing(&new));
                    text.push_str(&Self::indented(&what));
                }
                text
            }
            (None, None) => String::new(),
        }
    }

    fn ruling(self, change: &RulingChange) -> String {
        let told = change.after.as_ref().map_or_else(
            || "is open again".to_owned(),
            |ruling| {
                let owner = ruling
                    .owner
                    .as_deref()
                    .map(|owner| format!("owner {owner}"));
                let home = ruling.home.as_ref().map(|home| format!("home {home}"));
                let both: Vec<String> = owner.into_iter().chain(home).collect();
                format!("{}, by {}", both.join(", "), ruling.by)
            },
        );
        let line = format!("settled: {} {told}", change.ruling);
        self.field("", &line).trim_start().to_owned()
    }

    /// For `status`: conflicts that nobody has settled.
    pub(super) fn disputed(self, open: u64) -> String {
        if open == 0 {
            return String::new();
        }
        let verb = if open == 1 { "is" } else { "are" };
        let conflicts = many(open, "conflict");
        let what = format!("{conflicts} {verb} open: `tideover directory conflicts`");
        self.field("directory", &what)
    }

    /// `directory conflicts`.
    pub(crate) fn conflicts(self, conflicts: &[Conflict]) -> String {
        if conflicts.is_empty() {
            return "no open conflicts\n".to_owned();
        }
        let mut text = String::new();
        for one in conflicts {
            let line = visible(&one.to_string());
            let line = match one.settled {
                None => self.palette.paint(Tone::Waiting, &line),
                Some(_) => line,
            };
            writeln!(text, "{line}").ok();
            if let Some(by) = &one.settled {
                text.push_str(&Self::indented(&format!("settled by {by}")));
                continue;
            }
            let address = &one.address;
            match one.kind {
                ConflictKind::TwoMailboxes => text.push_str(&Self::indented(&format!(
                    "tideover directory settle {address} --home HOME"
                ))),
                ConflictKind::Address => {
                    text.push_str(&Self::indented(&format!("has it:   {}", one.owner_record)));
                    let wants = format!("wants it: {}", one.claimant_record);
                    text.push_str(&Self::indented(&wants));
                    let settle = format!("tideover directory settle {address} --owner SOURCE/ID");
                    text.push_str(&Self::indented(&settle));
                }
                ConflictKind::X500 | ConflictKind::Ambiguous => {
                    let hint = "mend it in the sources";
                    text.push_str(&Self::indented(hint));
                }
            }
        }
        text
    }
}

const fn label(fact: Fact) -> &'static str {
    match fact {
        Fact::DeliveryAddress => "delivery",
        Fact::SecondAddress => "second",
        Fact::InternalOnly => "internal",
        Fact::Address
        | Fact::Home
        | Fact::Name
        | Fact::Type
        | Fact::Members
        | Fact::Hidden
        | Fact::Aliases
        | Fact::X500 => fact.as_str(),
    }
}

fn listed(addresses: &[Mailbox]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn value(entry: &Entry, fact: Fact) -> String {
    let one = |address: Option<&Mailbox>| address.map(ToString::to_string).unwrap_or_default();
    match fact {
        Fact::Address => entry.address.to_string(),
        Fact::Home => entry
            .home
            .as_ref()
            .map_or_else(|| "that of its domain".to_owned(), ToString::to_string),
        Fact::DeliveryAddress => one(entry.delivery_address.as_ref()),
        Fact::Name => entry.name.clone(),
        Fact::Type => entry.kind.to_string(),
        Fact::SecondAddress => one(entry.second_address.as_ref()),
        Fact::Members => listed(&entry.members),
        Fact::Hidden => if entry.hidden { "yes" } else { "" }.to_owned(),
        Fact::InternalOnly => if entry.internal_only { "yes" } else { "" }.to_owned(),
        Fact::Aliases => listed(&entry.aliases),
        Fact::X500 => entry.x500.join(", "),
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a wave there is nothing else to see.
    #[test]
    fn who_comes_and_goes_is_shown_with_his_home() {
        let page = Page {
            palette: crate::terminal::Palette::Plain,
            now: crate::base::Timestamp::EPOCH,
        };
        let diff = serde_json::json!({
            "from": 1, "to": 2, "total": 2, "rulings": [],
            "changes": [
                { "source": "hand", "id": "carol", "before": null,
                  "after": { "address": "carol@example.org", "home": "cloud" } },
                { "source": "hr", "id": "dave", "after": null,
                  "before": { "address": "dave@example.org" } },
            ],
        });
        let text = page.diff(&serde_json::from_value(diff).unwrap());
        assert!(
            text.ends_with("+ carol@example.org (hand), home cloud\n- dave@example.org (hr)\n"),
            "{text}"
        );
    }

    #[test]
    fn the_end_of_a_conflict_says_whose_the_mail_is() {
        let told = "mail to archer@example.org goes to eli@example.org instead of ann@example.org";
        let change = serde_json::json!({
            "done": false, "generation": null, "open_conflicts": 0, "settles": told,
        });
        let page = Page {
            palette: crate::terminal::Palette::Plain,
            now: crate::base::Timestamp::EPOCH,
        };
        let text = page.changed(&serde_json::from_value(change).unwrap());
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains(told), "{text}");
    }

    #[test]
    fn conflicts_of_a_look_are_those_that_would_be() {
        let generation = serde_json::json!({
            "number": 2, "at": "2026-03-02T02:14:00Z", "author": "ann", "cause": "import",
            "effect": { "added": 0, "changed": 1, "removed": 0, "deleted": 0, "moved": 0,
                        "of": 2, "names": [] },
            "pages": 0,
        });
        let told = |done: bool, generation: &serde_json::Value, open: u64| {
            let change = serde_json::json!({
                "done": done, "generation": generation, "open_conflicts": open,
            });
            conflicts(&serde_json::from_value(change).unwrap())
        };
        let asked = "`tideover directory conflicts`";
        let none = serde_json::Value::Null;
        for (done, generation, open, expected) in [
            (true, &generation, 0, String::new()),
            (
                true,
                &generation,
                1,
                format!("1 conflict is open: {asked}\n"),
            ),
            (false, &none, 2, format!("2 conflicts are open: {asked}\n")),
            (
                false,
                &generation,
                1,
                "1 conflict would be open\n".to_owned(),
            ),
            (
                false,
                &generation,
                2,
                "2 conflicts would be open\n".to_owned(),
            ),
        ] {
            assert_eq!(told(done, generation, open), expected);
        }
    }
}
