//! The closing report on a terminal.

use std::time::Duration;

use super::render::Page;
use crate::admin::ReportView;
use crate::report;
use crate::terminal::{Cell, Table, Tone, moment, visible};

impl Page {
    /// `report`; the files that were written beside.
    pub(super) fn report(self, view: &ReportView, written: &[String]) -> String {
        let figures = &view.figures;
        let mut text = format!(
            "{}\n{}\n\n",
            self.palette.paint(Tone::Strong, &report::headline(figures)),
            self.palette.paint(
                Tone::Quiet,
                &format!(
                    "recipients of {} messages, accepted from {} up to {}",
                    figures.messages,
                    moment(figures.since, self.now),
                    moment(figures.until, self.now)
                )
            ),
        );
        text += &self.report_backends(view);
        text += &self.report_trouble(view);
        for file in written {
            text.extend(["\nwritten: ", &visible(file)]);
        }
        if written.is_empty() {
            let hint = "\n--html FILE writes it as a page, --csv FILE a line for each recipient";
            text += &self.palette.paint(Tone::Quiet, hint);
        }
        text + "\n"
    }

    fn report_backends(self, view: &ReportView) -> String {
        let head = [
            "backend",
            "came",
            "delivered",
            "waiting",
            "put off",
            "took no mail",
        ];
        let mut table = Table::new(&head, &[5]);
        for backend in &view.figures.backends {
            let away = Duration::from_secs(backend.seconds_away);
            table.row([
                Cell::from(backend.name.as_str()),
                Cell::from(backend.arrived.to_string()),
                Cell::from(backend.delivered.to_string()),
                Cell::from(backend.waiting.to_string()),
                Cell::from(backend.deferred.to_string()),
                match backend.outages.len() {
                    0 => Cell::from("never"),
                    1 => Cell::from(report::spoken(away)),
                    times => Cell::from(format!("{} in {times} times", report::spoken(away))),
                },
            ]);
        }
        table.render(self.palette)
    }

    fn report_trouble(self, view: &ReportView) -> String {
        let figures = &view.figures;
        let mut text = String::new();
        let mut say = |count: u64, tone, what: &str| {
            if count > 0 {
                let line = format!("{count} {what}\n");
                text += &self.palette.paint(tone, &line);
            }
        };
        say(
            figures.unaccounted,
            Tone::Bad,
            "recipients of whom nothing is known: run `tideover spool verify`",
        );
        say(
            figures.unreadable,
            Tone::Bad,
            "messages cannot be read: run `tideover spool verify`",
        );
        say(
            figures.landing.missing,
            Tone::Bad,
            "are not in the mailbox: `tideover landing status`",
        );
        say(
            figures.landing.junk,
            Tone::Waiting,
            "are in junk: `tideover trace` has the verdict",
        );
        say(
            figures.recipients.bounced,
            Tone::Bad,
            "were refused for good",
        );
        say(
            figures.recipients.dropped,
            Tone::Bad,
            "were taken out by an administrator",
        );
        say(
            figures.diverted,
            Tone::Waiting,
            "are at another backend than their home: `tideover replay plan --diverted --to HOME`",
        );
        say(
            u64::from(figures.cut),
            Tone::Bad,
            "report is not enough for so much mail: choose a shorter time",
        );
        if !text.is_empty() {
            text.insert(0, '\n');
        }
        text
    }
}
