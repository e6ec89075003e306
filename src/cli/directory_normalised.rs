//! `directory normalised`, and what an import tells of odd addresses.

use super::Failure;
use super::directory::Directory;
use super::intent::Request;
use super::render::Page;
use crate::admin::ChangeView;
use crate::directory::{Fate, Normalise, Normalised, Oddity, OldForm, Reason};
use crate::terminal::{Cell, Table, Tone, visible};

/// Odd addresses of an import that are told one by one.
const TOLD: usize = 20;

impl Directory {
    pub(super) async fn normalised(&self) -> Result<(), Failure> {
        let request = Request::get("/api/directory/normalised".to_owned());
        let answer: serde_json::Value = self.0.client.ask(request).await?;
        self.0
            .print(&answer, |page, all: &Vec<Normalised>| page.normalised(all))
    }
}

impl Page {
    /// `directory normalised`.
    pub(super) fn normalised(self, all: &[Normalised]) -> String {
        if all.is_empty() {
            return Self::paragraph(
                "no address that Exchange Online or Google refuse (or directory.normalise = \
                 \"off\")",
            );
        }
        let mut table = Table::new(&["BEFORE", "AFTER", "STATE", "WHY"], &[0, 1, 2, 3]);
        for one in all {
            table.row([
                one.before.as_str().into(),
                one.after.as_deref().unwrap_or("-").into(),
                fate(&one.fate),
                reasons(&one.why).into(),
            ]);
        }
        let mut text = table.render(self.palette);
        let proposed = all.iter().filter(|one| one.fate == Fate::Proposed).count();
        if proposed > 0 {
            let told = format!(
                "{proposed} would be changed by directory.normalise = \"apply\"; the old forms \
                 still receive then"
            );
            text.push_str(&Self::paragraph(&told));
        }
        text
    }

    /// What an import tells of odd addresses.
    pub(super) fn odd(self, change: &ChangeView) -> String {
        let mut text = String::new();
        for one in change.odd.iter().take(TOLD) {
            text.push_str(&self.field("odd", &oddity(one)));
        }
        let more = change.odd.len().saturating_sub(TOLD) as u64 + change.more_odd;
        if more > 0 {
            text.push_str(&self.field("odd", &format!("{more} more")));
        }
        if change.odd.is_empty() {
            return text;
        }
        let what = match change.normalise {
            Normalise::Apply => "platforms get the proper forms, the old ones still receive",
            Normalise::Report => "nothing is changed: directory.normalise = \"apply\" does it",
            Normalise::Off => "nothing is changed",
        };
        text + &Self::paragraph(&format!("{what} (`tideover directory normalised`)"))
    }
}

fn fate(fate: &Fate) -> Cell {
    match fate {
        Fate::Applied => Cell::toned("applied", Tone::Good),
        Fate::Proposed => Cell::toned("proposed", Tone::Waiting),
        Fate::Taken { by } => Cell::toned(format!("{} has it", visible(by)), Tone::Bad),
        Fate::Unclear => Cell::toned("unclear", Tone::Bad),
    }
}

fn reasons(why: &[Reason]) -> String {
    let why: Vec<String> = why.iter().map(ToString::to_string).collect();
    why.join("; ")
}

fn oddity(one: &Oddity) -> String {
    let after = one
        .after
        .as_deref()
        .unwrap_or("nobody can say what is meant");
    let mut text = format!(
        "line {}, {}: {} -> {after}: {}",
        one.line,
        one.column,
        one.before,
        reasons(&one.why)
    );
    if one.old == OldForm::Lost {
        text.push_str("; mail cannot carry the old form");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::terminal::Palette;

    fn page() -> Page {
        Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH,
        }
    }

    #[test]
    fn each_address_has_its_old_form_its_new_one_and_why() {
        let one = |before: &str, after: Option<&str>, fate: Fate| Normalised {
            entry: "x@example.org".to_owned(),
            before: before.to_owned(),
            after: after.map(str::to_owned),
            why: vec![Reason::Dots],
            fate,
        };
        let by = "bob@example.org".to_owned();
        let shown = page().normalised(&[
            one("a..b@example.org", Some("a.b@example.org"), Fate::Proposed),
            one(
                "b..c@example.org",
                Some("b.c@example.org"),
                Fate::Taken { by },
            ),
            one("...@example.org", None, Fate::Unclear),
        ]);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].contains("a..b@example.org  a.b@example.org  proposed"),
            "{shown}"
        );
        assert!(lines[2].contains("bob@example.org has it"), "{shown}");
        assert!(lines[3].contains("unclear"), "{shown}");
        assert!(lines[4].starts_with("1 would be changed by"), "{shown}");
        for line in lines {
            assert!(line.chars().count() <= crate::terminal::WIDTH, "{line}");
        }
        let none = page().normalised(&[]);
        assert!(none.starts_with("no address"));
        assert!(
            none.lines()
                .all(|line| line.len() <= crate::terminal::WIDTH),
            "{none}"
        );
    }

    #[test]
    fn an_import_tells_odd_addresses_with_their_line() {
        let odd = Oddity {
            line: 7,
            column: "address".to_owned(),
            before: "a\u{7}..b@example.org".to_owned(),
            after: Some("a.b@example.org".to_owned()),
            why: vec![Reason::Invisible, Reason::Dots],
            old: OldForm::Lost,
        };
        let change: ChangeView = serde_json::from_value(serde_json::json!({
            "done": true, "generation": null, "open_conflicts": 0, "more_odd": 3,
            "normalise": "apply", "odd": vec![odd],
        }))
        .unwrap();
        let shown = page().odd(&change);
        // Wherever the lines are wrapped.
        let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "line 7, address:",
            "-> a.b@example.org: it has characters that nobody sees; it has a dot",
            "mail cannot carry the old form",
            "3 more",
            "the old ones still receive",
        ] {
            assert!(words.contains(expected), "{expected}: {shown}");
        }
        assert!(!shown.contains('\u{7}'), "{shown:?}");
    }
}
