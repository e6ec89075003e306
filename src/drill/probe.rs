//! The message that is sent, and how it is known again.

use std::fmt::Write as _;

use super::LegOptions;
use crate::base::Timestamp;
use crate::smtp::Mailbox;

/// The field that carries the token; the subject does, too, for platforms that make a new message.
pub(super) const FIELD: &str = "X-Tideover-Drill";

/// The bytes of a probe.
pub(super) fn compose(
    leg: &LegOptions,
    (address, hostname): (&Mailbox, &str),
    (token, now): (&str, Timestamp),
) -> String {
    let name = leg.name();
    let mut text = String::new();
    for (field, value) in [
        ("From", format!("<{address}>")),
        ("To", format!("<{}>", leg.mailbox)),
        ("Subject", subject(&name, token)),
        ("Date", now.to_rfc5322()),
        ("Message-ID", format!("<{token}@{hostname}>")),
        // RFC 3834 §5: nobody answers; a rule that passes mail on still does.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        (FIELD, token.to_owned()),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", "text/plain; charset=us-ascii".to_owned()),
    ] {
        // Writing to a String cannot fail.
        write!(text, "{field}: {value}\r\n").ok();
    }
    text.push_str(
        "\r\nThis message finds out whether mail goes this way. A rule of this mailbox passes\r\n\
         it on; nobody has to do anything.\r\n",
    );
    write!(text, "\r\n{name} {token}\r\n").ok();
    text
}

pub(super) fn subject(leg: &str, token: &str) -> String {
    format!("Tideover drill {leg} {token}")
}

/// Is the token in it?
pub(super) fn contains(text: &[u8], token: &str) -> bool {
    memchr::memmem::find(text, token.as_bytes()).is_some()
}

/// What a report says of the failure: its `Status` and its `Diagnostic-Code`.
pub(super) fn diagnosis(report: &[u8]) -> String {
    let text: Vec<&str> = report
        .split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(str::trim_end)
        .collect();
    let value = |field: &str| {
        let line = text.iter().find(|line| {
            let head = line.get(..field.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(field))
        })?;
        Some(line.get(field.len()..)?.trim().to_owned())
    };
    let found = [value("Status:"), value("Diagnostic-Code:")];
    let found: Vec<String> = found.into_iter().flatten().collect();
    if found.is_empty() {
        return "a platform reported a failure".to_owned();
    }
    let said: String = found.join(", ").chars().take(200).collect();
    format!("a platform reported a failure: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::BackendId;

    #[test]
    fn a_probe_carries_its_token_where_platforms_leave_it() {
        let leg = LegOptions {
            from: Some(BackendId::new("onprem")),
            to: BackendId::new("cloud"),
            mailbox: "to-cloud@example.org".parse().unwrap(),
        };
        let address = "drill@example.org".parse().unwrap();
        let now = Timestamp::EPOCH;
        let text = compose(&leg, (&address, "mx.example.org"), ("abc123", now));
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: <drill@example.org>",
            "To: <to-cloud@example.org>",
            "Subject: Tideover drill onprem-cloud abc123",
            "X-Tideover-Drill: abc123",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(header.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(body.contains("abc123") && text.ends_with("\r\n"));
        assert_eq!(text.replace("\r\n", "").matches(['\r', '\n']).count(), 0);
        assert!(contains(text.as_bytes(), "abc123"));
        assert!(!contains(text.as_bytes(), "abc124"));
    }

    #[test]
    fn reports_say_why() {
        let report = b"Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n";
        assert_eq!(
            diagnosis(report),
            "a platform reported a failure: 5.1.1, smtp; 550 5.1.1 no such user"
        );
        assert!(diagnosis(b"status: 4.4.7\r\n").ends_with(": 4.4.7"));
        assert_eq!(diagnosis(b"\xff"), "a platform reported a failure");
    }
}
