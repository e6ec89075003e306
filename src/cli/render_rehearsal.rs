//! A rehearsal as text for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::render::Page;
use crate::admin::RehearsalView;
use crate::route::{Becomes, Finding, RehearsalReport};
use crate::terminal::{Cell, Table, Tone, duration, moment};

impl Page {
    /// `rehearse`.
    pub(crate) fn rehearsal(self, view: &RehearsalView) -> String {
        let report = &view.report;
        let mut text = format!(
            "{} messages to {} recipients ({} addresses), {} to {}\n",
            report.messages,
            report.recipients,
            report.people,
            moment(view.since, self.now),
            moment(view.until, self.now)
        );
        text.push_str(&self.caveats(view));
        text.push('\n');
        if report.messages == 0 {
            text.push_str("no mail came in that time: there is nothing to rehearse\n");
            return text;
        }
        text.push_str(&self.flows(report));
        text.push('\n');
        text.push_str(&self.loads(report));
        text.push('\n');
        if report.findings.is_empty() {
            text.push_str("all of this mail would go where it goes today\n");
            return text;
        }
        text.push_str(&self.findings(report));
        text
    }

    fn caveats(self, view: &RehearsalView) -> String {
        let of = &view.directory;
        let told = format!(
            "{} of {} people would be deleted, {} would get another home",
            of.deleted, of.of, of.moved
        );
        let mut text = self.field("directory", &told);
        if !view.blocked.is_empty() {
            let told = format!(
                "{} cannot move, and do not here: {}",
                view.blocked.len(),
                view.blocked.join(", ")
            );
            text.push_str(&self.field("blocked", &told));
        }
        if view.unreadable > 0 {
            let told = format!(
                "{} messages cannot be read, and are left out",
                view.unreadable
            );
            text.push_str(&self.field("damaged", &told));
        }
        if view.cut {
            let told = "there was more mail than a rehearsal takes: choose a shorter time";
            text.push_str(&self.field("cut", told));
        }
        text
    }

    fn flows(self, report: &RehearsalReport) -> String {
        let mut table = Table::new(&["TODAY", "THEN", "RECIPIENTS", "ADDRESSES"], &[]);
        for flow in &report.flows {
            let tone = match (flow.from == flow.to, flow.to.as_str()) {
                (_, "nobody" | "a circle") => Tone::Bad,
                (true, _) => Tone::Quiet,
                (false, _) => Tone::Waiting,
            };
            table.row([
                flow.from.as_str().into(),
                Cell::toned(flow.to.as_str(), tone),
                flow.recipients.to_string().into(),
                flow.people.to_string().into(),
            ]);
        }
        table.render(self.palette)
    }

    fn loads(self, report: &RehearsalReport) -> String {
        let head = ["BACKEND", "TODAY", "THEN", "DRAINS IN", "SLOWEST"];
        let mut table = Table::new(&head, &[4]);
        for load in &report.backends {
            let drain = load.drain_seconds.map(Duration::from_secs);
            let drain = match drain {
                None => "no limit".to_owned(),
                Some(Duration::ZERO) => "at once".to_owned(),
                Some(time) => duration(time),
            };
            table.row([
                load.backend.as_str().into(),
                load.now.to_string().into(),
                load.then.to_string().into(),
                drain.into(),
                load.slowest.clone().unwrap_or_default().into(),
            ]);
        }
        table.render(self.palette)
    }

    fn findings(self, report: &RehearsalReport) -> String {
        let head = ["ADDRESS", "", "TODAY", "THEN", "MAIL"];
        let mut table = Table::new(&head, &[0]);
        for one in &report.findings {
            table.row([
                one.address.as_str().into(),
                Cell::toned(one.becomes.as_str(), tone(one.becomes)),
                one.from.as_str().into(),
                one.to.as_str().into(),
                one.recipients.to_string().into(),
            ]);
        }
        let mut text = table.render(self.palette);
        if report.more > 0 {
            // Writing to a String cannot fail.
            writeln!(text, "and {} more addresses", report.more).ok();
        }
        text.push('\n');
        let told = |one: &&Finding| !one.what.is_empty();
        for one in report.findings.iter().filter(told) {
            let what = format!("{}: {}", one.address, one.what);
            text.push_str(&self.field(one.becomes.as_str(), &what));
        }
        text
    }
}

const fn tone(becomes: Becomes) -> Tone {
    match becomes {
        Becomes::Loops | Becomes::Fails => Tone::Bad,
        Becomes::Departs | Becomes::Waits | Becomes::Rerouted | Becomes::Readdressed => {
            Tone::Waiting
        }
        Becomes::Mended => Tone::Good,
        Becomes::Same => Tone::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base::Timestamp;
    use crate::terminal::{Palette, WIDTH, columns};

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn page() -> Page {
        Page {
            palette: Palette::Plain,
            now: NOW,
        }
    }

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn view(messages: u64, findings: &[Value]) -> RehearsalView {
        let effect = json!({"added": 0, "changed": 2, "removed": 0, "deleted": 1, "moved": 2,
            "of": 40, "names": []});
        let view = json!({
            "since": NOW.before(Duration::from_secs(86_400)), "until": NOW, "directory": effect,
            "blocked": ["may@example.org"], "unreadable": 3, "cut": true,
            "messages": messages, "recipients": 150, "people": 3,
            "becomes": {"same": 100, "rerouted": 49, "fails": 1},
            "flows": [{"from": "onprem", "to": "cloud", "recipients": 49, "people": 1},
                {"from": "onprem", "to": "nobody", "recipients": 1, "people": 1}],
            "findings": findings, "more": 7,
            "backends": [{"backend": "onprem", "now": 150, "then": 100, "messages": 90,
                    "drain_seconds": 0, "slowest": null},
                {"backend": "cloud", "now": 0, "then": 49, "messages": 49, "drain_seconds": 240,
                    "slowest": "eve@far.example to ann@tenant.example"}],
        });
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn what_changes_is_told_and_how_long_it_drains() {
        let findings = [
            json!({"address": "tom@example.org", "becomes": "fails", "recipients": 1,
                "from": "onprem", "to": "nobody", "what": "550 5.1.1 No such user here"}),
            json!({"address": "ann@example.org", "becomes": "rerouted", "recipients": 49,
                "from": "onprem", "to": "cloud", "what": ""}),
        ];
        let text = page().rehearsal(&view(120, &findings));
        for line in text.lines() {
            assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
        }
        for told in [
            "120 messages to 150 recipients (3 addresses)",
            "directory 1 of 40 people would be deleted, 2 would get another home",
            "blocked 1 cannot move, and do not here: may@example.org",
            "damaged 3 messages cannot be read",
            "cut there was more mail",
            "onprem cloud 49 1",
            "onprem nobody 1 1",
            "onprem 150 100 at once",
            "cloud 0 49 4 min eve@far.example to ann@tenant.example",
            "tom@example.org fails onprem nobody 1",
            "ann@example.org rerouted onprem cloud 49",
            "and 7 more addresses",
            "fails tom@example.org: 550 5.1.1 No such user here",
        ] {
            assert!(words(&text).contains(told), "{told}: {text}");
        }
    }

    #[test]
    fn no_mail_and_no_change_are_said() {
        let text = page().rehearsal(&view(0, &[]));
        assert!(text.ends_with("there is nothing to rehearse\n"), "{text}");
        let text = page().rehearsal(&view(120, &[]));
        assert!(text.ends_with("would go where it goes today\n"), "{text}");
    }
}
