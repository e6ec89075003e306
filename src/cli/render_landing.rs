//! Proofs of landing as text for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::render::Page;
use crate::queue::landing::{LandingStatus, MissingMail};
use crate::queue::replay::LandingCheck;
use crate::terminal::{Table, duration, moment};

/// `all`, `none` or `1 %` of ten thousand.
fn sample(share: u32) -> String {
    match share {
        0 => "nothing is looked for by itself: [landing] sample".to_owned(),
        10_000 => "all that is delivered is looked for".to_owned(),
        share => format!(
            "{}.{:02} % of what is delivered is looked for",
            share / 100,
            share % 100
        ),
    }
}

impl Page {
    /// `landing status`.
    pub(crate) fn landing_status(self, status: &LandingStatus) -> String {
        let mut text = self.field("sample", &sample(status.share));
        if let Some(proven) = status.proven_until.filter(|_| status.share > 0) {
            let what = format!("of what was delivered before {}", moment(proven, self.now));
            text.push_str(&self.field("proven", &what));
        }
        let seen = &status.seen;
        let mut what = format!("{} since the start", seen.found);
        if seen.in_junk > 0 {
            write!(what, ", {} of them in junk folders", seen.in_junk).ok();
        }
        text.push_str(&self.field("found", &what));
        if status.pending > 0 {
            let within = duration(Duration::from_secs(status.within_seconds));
            let what = format!("{}, for {within} after the delivery", status.pending);
            text.push_str(&self.field("looked for", &what));
        }
        if let Some(why) = &status.waits_for {
            text.push_str(&self.field("waits", why));
        }
        text.push_str(&self.unasked(&seen.unasked));
        text.push_str(&self.field("missing", &status.missing_now.to_string()));
        text + &self.missing_mail(&status.mail)
    }

    /// For `status`.
    pub(super) fn missing(self, mail: u64) -> String {
        if mail == 0 {
            return String::new();
        }
        let told = format!(
            "{mail} delivered messages are not in their mailboxes: `tideover landing status`"
        );
        self.field("missing", &told)
    }

    /// `landing check`.
    pub(crate) fn landing_check(self, check: &LandingCheck) -> String {
        let mut text = self.field("looked for", &check.checked.to_string());
        let folders = check.folders.iter();
        let folders: Vec<String> = folders
            .map(|(kind, count)| format!("{count} in {}", kind.word()))
            .collect();
        let mut what = check.found.to_string();
        if !folders.is_empty() {
            write!(what, ": {}", folders.join(", ")).ok();
        }
        text.push_str(&self.field("found", &what));
        text.push_str(&self.field("missing", &check.missing.to_string()));
        text.push_str(&self.unasked(&check.unasked));
        for one in &check.skipped {
            let what = format!("{}: {}", one.recipients, one.text);
            text.push_str(&self.field("left out", &what));
        }
        text + &self.missing_mail(&check.mail)
    }

    fn missing_mail(self, mail: &[MissingMail]) -> String {
        if mail.is_empty() {
            return String::new();
        }
        let mut table = Table::new(
            &["NAME", "RECIPIENT", "BACKEND", "DELIVERED", "MESSAGE-ID"],
            &[4],
        );
        for one in mail {
            table.row([
                one.name().into(),
                one.address.as_str().into(),
                one.backend.as_str().into(),
                moment(one.delivered, self.now).into(),
                one.message_id.as_deref().unwrap_or_default().into(),
            ]);
        }
        let next = "nothing is sent again by itself: `tideover trace` shows what the backend said, \
                    `tideover replay plan --to BACKEND --since TIME --missing-only` finds what a \
                    replay would bring once more, `tideover landing dismiss NAME` takes it off the \
                    list";
        format!(
            "\n{}\n{}",
            table.render(self.palette),
            Self::paragraph(next)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::Timestamp;
    use crate::mail::{BackendId, FolderKind, SpoolId};
    use crate::queue::landing::Seen;
    use crate::terminal::Palette;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn missing() -> MissingMail {
        MissingMail {
            id: SpoolId::from_u64(1 << 60),
            recipient: 2,
            address: "bob@example.org".to_owned(),
            backend: BackendId::new("onprem"),
            delivered: NOW,
            missed: NOW,
            message_id: Some("a@b".to_owned()),
        }
    }

    fn page() -> Page {
        Page {
            palette: Palette::Plain,
            now: NOW,
        }
    }

    #[test]
    fn a_status_says_what_was_found_and_what_to_do_about_the_rest() {
        let status = LandingStatus {
            share: 150,
            within_seconds: 600,
            proven_until: Some(NOW),
            pending: 7,
            seen: Seen {
                found: 1204,
                in_junk: 3,
                ..Seen::default()
            },
            waits_for: Some("imap://x is away".to_owned()),
            mail: vec![missing()],
            missing_now: 1,
        };
        let text = page().landing_status(&status);
        for part in [
            "1.50 % of what",
            "1204 since the start, 3 of them in junk",
            "7, for 10 min",
            "imap://x is away",
            "bob@example.org",
            "a@b",
            "dismiss NAME",
            "-2",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn a_check_counts_by_folder() {
        let check = LandingCheck {
            checked: 5,
            found: 4,
            folders: BTreeMap::from([(FolderKind::Inbox, 3), (FolderKind::Junk, 1)]),
            missing: 1,
            ..LandingCheck::default()
        };
        let text = page().landing_check(&check);
        assert!(text.contains("4: 3 in inbox, 1 in junk"), "{text}");
        assert!(!text.contains("NAME"), "{text}");
        assert!(page().missing(0).is_empty() && page().missing(3).contains("3 delivered"));
        assert_eq!(sample(10_000), "all that is delivered is looked for");
    }
}
