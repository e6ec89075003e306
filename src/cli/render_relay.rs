//! The open-relay test as text for people: silent when nothing is wrong.

use std::fmt::Write as _;

use super::render::Page;
use crate::admin::StatusView;
use crate::filter::FilterStatus;
use crate::route::RelayTest;
use crate::terminal::{Tone, visible};

/// Tricks that are told one by one.
const TOLD: usize = 5;

impl Page {
    /// What should never be.
    pub(super) fn alarms(self, status: &StatusView) -> String {
        let last = status.open_relay.as_ref();
        let relay = last.and_then(|last| self.open_relay(&last.test));
        let silent = status.filters.iter().filter_map(FilterStatus::problem);
        let filters: String = silent.map(|told| self.field("filter", &told)).collect();
        self.missing(status.missing_mail) + &filters + &relay.unwrap_or_default()
    }

    /// What strangers can do; `None` when they can do nothing.
    pub(super) fn open_relay(self, found: &RelayTest) -> Option<String> {
        if found.worked == 0 {
            return None;
        }
        let head = format!(
            "OPEN RELAY: strangers can send through this server, {} of {} tricks work",
            found.worked, found.tried
        );
        let mut text = format!("\n{}\n", self.palette.paint(Tone::Bad, &head));
        for trick in found.open.iter().take(TOLD) {
            let said = format!("MAIL FROM:{} RCPT TO:{}", trick.mail, trick.rcpt);
            let (said, lane) = (visible(&said), visible(&trick.lane));
            // Writing to a String cannot fail.
            writeln!(text, "  {said} at {} goes to {lane}", trick.listener).ok();
        }
        text.push_str("  Look at `allow` of the listeners, and at `unknown` of the domains.\n");
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::route::OpenTrick;
    use crate::terminal::Palette;

    #[test]
    fn an_open_relay_is_told_and_a_closed_one_is_not() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH,
        };
        let mut found = RelayTest {
            tried: 300,
            ..RelayTest::default()
        };
        assert_eq!(page.open_relay(&found), None);
        let trick = OpenTrick {
            listener: "192.0.2.1:25".to_owned(),
            mail: "<>".to_owned(),
            rcpt: "<a%b.example@example.org>".to_owned(),
            lane: "onprem".to_owned(),
        };
        for _ in 0..99 {
            found.note(Some(trick.clone()));
        }
        let told = page.open_relay(&found).unwrap();
        assert!(told.contains("99 of 399 tricks work"), "{told}");
        let line = "MAIL FROM:<> RCPT TO:<a%b.example@example.org> at 192.0.2.1:25 goes to onprem";
        assert_eq!(told.matches(line).count(), TOLD, "{told}");
    }
}
