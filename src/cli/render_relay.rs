//! The open-relay test as text for people: silent when nothing is wrong.

use std::fmt::Write as _;

use super::render::Page;
use crate::admin::StatusView;
use crate::filter::FilterStatus;
use crate::route::RelayTest;
use crate::terminal::{Tone, duration, visible};

/// Tricks that are told one by one.
const TOLD: usize = 5;

impl Page {
    /// What should never be.
    pub(super) fn alarms(self, status: &StatusView) -> String {
        let last = status.open_relay.as_ref();
        let relay = last.and_then(|last| self.open_relay(&last.test));
        let filters = self.filters(&status.filters);
        let missing = self.missing(status.missing_mail);
        missing + &self.busy(status) + &self.warned(status) + &filters + &relay.unwrap_or_default()
    }

    /// New mail is refused, and why.
    pub(super) fn refusing(self, why: Option<&str>) -> String {
        why.map_or_else(String::new, |why| {
            let head = self.palette.paint(Tone::Bad, "NEW MAIL IS REFUSED");
            let told = format!("{why}. Senders try again; nothing that was accepted is lost.");
            format!("  {head}\n{}", self.field("", &told))
        })
    }

    /// Strangers are told to come later, and why.
    pub(super) fn busy(self, status: &StatusView) -> String {
        status.busy.map_or_else(String::new, |busy| {
            let since = duration(self.now.since(busy.since));
            let told = format!("for {since} strangers are told to come later: {busy}");
            self.field("busy", &told)
        })
    }

    /// Drills that are red, certificates that end, limits that are near.
    fn warned(self, status: &StatusView) -> String {
        let drills = status.red_drills.iter().map(|red| {
            let since = red.since.map_or_else(String::new, |since| {
                format!(" for {}", duration(self.now.since(since)))
            });
            let (leg, reason) = (&red.leg, &red.reason);
            let told = format!("{leg} is red{since}: {reason}: `tideover drill status`");
            self.field("drill", &told)
        });
        let certificates = status.certificates.iter();
        let certificates = certificates.map(|it| {
            let told = format!("{}. {}", it.what, it.todo);
            self.field("certificate", &told)
        });
        let sending = status.sending.iter();
        let sending = sending.map(|it| {
            let told = format!("{}. {}", it.what, it.todo);
            self.field("sending", &told)
        });
        drills.chain(certificates).chain(sending).collect()
    }

    /// Those that have trouble one by one, the others in one line.
    fn filters(self, all: &[FilterStatus]) -> String {
        let good = all.iter().filter(|it| it.problem().is_none());
        let good: Vec<_> = good.map(|it| it.name.as_str()).collect();
        let silent = all.iter().filter_map(FilterStatus::problem);
        let mut text: String = silent.map(|told| self.field("filter", &told)).collect();
        if !good.is_empty() {
            let told = format!("{}: no trouble", good.join(", "));
            text.push_str(&self.field("filters", &told));
        }
        text
    }

    /// What strangers can do; `None` when they can do nothing.
    pub(super) fn open_relay(self, found: &RelayTest) -> Option<String> {
        let wide = found.wide_problem().map(|told| {
            let head = self.palette.paint(Tone::Bad, "STRANGERS ARE TRUSTED");
            format!("\n{head}\n  {}.\n", visible(&told))
        });
        if found.worked == 0 {
            return wide;
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
        text.extend(wide);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::route::{OpenTrick, WideNetwork};
    use crate::terminal::Palette;

    #[test]
    fn filters_are_told_with_their_trouble() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH,
        };
        let one = |name: &str| FilterStatus {
            name: name.to_owned(),
            protocol: "clamd".to_owned(),
            address: "/run/clamd".to_owned(),
            on_failure: "accept".to_owned(),
            failing_since: None,
            reason: String::new(),
            unchecked: 0,
            busy_since: None,
            passed_over: 0,
        };
        assert_eq!(page.filters(&[]), "");
        let (mut gone, mut busy) = (one("gone"), one("busy"));
        gone.failing_since = Some(Timestamp::EPOCH);
        (gone.reason, gone.unchecked) = ("late".to_owned(), 3);
        (busy.busy_since, busy.passed_over) = (Some(Timestamp::EPOCH), 2);
        let told = page.filters(&[one("a"), gone, busy, one("b")]);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in [
            "the content filter gone does not answer (late): mail is taken unchecked, 3 so far",
            "the content filter busy has too much to do: mail is taken unchecked, 2 so far",
            "a, b: no trouble",
        ] {
            assert!(told.contains(line), "{line}: {told}");
        }
    }

    #[test]
    fn refused_mail_red_drills_and_certificates_that_end_are_told() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH.after(std::time::Duration::from_secs(7_200)),
        };
        let mut status: StatusView = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "now": "1970-01-01T02:00:00Z", "backends": [],
            "queue": { "queued": 0, "held": 0, "uncertain": 0, "oldest": null },
            "spool": { "uuid": "u", "bytes": 1, "free_bytes": 2, "accepted": 0, "delivered": 0 },
        }))
        .unwrap();
        let well = page.status(&status);
        for word in ["REFUSED", "drill", "certificate", "sending"] {
            assert!(!well.contains(word), "{well}");
        }
        status.refusing = Some("the disk is almost full".to_owned());
        status.red_drills = vec![crate::admin::RedDrill {
            leg: "internet-cloud".to_owned(),
            since: Some(Timestamp::EPOCH),
            reason: "it did not come back".to_owned(),
        }];
        status.certificates = vec![crate::admin::CertificateTrouble {
            severity: crate::notice::Severity::Warning,
            what: "the certificate /etc/tls.crt ends in 9 days".to_owned(),
            todo: "Renew it".to_owned(),
        }];
        status.sending = vec![crate::admin::SendingTrouble {
            severity: crate::notice::Severity::Warning,
            what: "device fax ends in 3 days".to_owned(),
            todo: "Renew it, too".to_owned(),
        }];
        let told = page.status(&status);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in [
            "NEW MAIL IS REFUSED the disk is almost full. Senders try again",
            "drill internet-cloud is red for 2 h: it did not come back: `tideover drill status`",
            "certificate the certificate /etc/tls.crt ends in 9 days. Renew it",
            "sending device fax ends in 3 days. Renew it, too",
        ] {
            assert!(told.contains(line), "{line}: {told}");
        }
    }

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
        found.trusts([WideNetwork {
            listener: "192.0.2.1:25".to_owned(),
            key: "allow".to_owned(),
            network: "64.0.0.0/2".to_owned(),
        }]);
        let told = page.open_relay(&found).unwrap();
        assert!(
            told.contains("64.0.0.0/2 in allow of 192.0.2.1:25"),
            "{told}"
        );
        assert!(!told.contains("OPEN RELAY"), "{told}");
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
        assert!(told.contains("64.0.0.0/2"), "{told}");
    }
}
