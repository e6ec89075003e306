use super::*;
use crate::mail::{Authenticity, Blame, Peer};
use crate::smtp::{MailParameters, RcptParameters, ReversePath};

fn envelope(recipient: &str, orcpt: Option<&str>) -> Envelope {
    let recipient = Recipient {
        address: recipient.parse().unwrap(),
        parameters: RcptParameters {
            notify: None,
            orcpt: orcpt.map(str::to_owned),
        },
        lane: "@example.net".to_owned(),
        mailbox: None,
    };
    Envelope {
        from: ReversePath::Mailbox("ann@example.org".parse().unwrap()),
        parameters: MailParameters::default(),
        recipients: vec![recipient],
        peer: Peer::default(),
        message_id: Some("1@example.org".to_owned()),
        subject: Some("Grüße".to_owned()),
        header_from: None,
        authenticity: Authenticity::Local,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

const UNTIL: Timestamp = Timestamp::from_millis(1_800_432_000_000);

/// A report about the one recipient of `envelope`.
fn report(
    envelope: &Envelope,
    kind: ReportKind,
    failure: &Failure,
    returned: Returned<'_>,
) -> String {
    let sender: Mailbox = "ann@example.org".parse().unwrap();
    let recipients = [ReportedRecipient::failed(&envelope.recipients[0], failure)];
    let report = Report {
        kind,
        hostname: "mx.example.org",
        message_id: "1@mx.example.org",
        now: Timestamp::from_millis(1_800_000_000_000),
        received: Timestamp::from_millis(1_700_000_000_000),
        sender: &sender,
        envelope,
        recipients: &recipients,
        returned,
    };
    let (mut head, tail) = report.compose();
    if matches!(returned, Returned::Whole) {
        head.extend_from_slice(ORIGINAL);
    }
    head.extend_from_slice(&tail);
    String::from_utf8(head).unwrap()
}

const ORIGINAL: &[u8] = b"Subject: Hi\r\nX: y\r\n\r\nsecret body\r\n";

fn refused() -> Failure {
    let reply = Reply::new(550, (5, 1, 1), "No such user");
    Failure::replied(Blame::Recipient, reply)
}

/// What a stranger's host says is read by people: nothing in it turns letters round.
#[test]
fn nothing_that_turns_letters_round_is_shown() {
    let reply = Reply::with_text(550, (5, 1, 1), "\u{fc}\u{202e}gnp.exe");
    let failure = Failure::replied(Blame::Recipient, reply);
    let mut envelope = envelope("bob@example.net", None);
    envelope.subject = Some("A \u{2066}letter".to_owned());
    let header = Returned::Header(ORIGINAL);
    let text = report(&envelope, ReportKind::Failed, &failure, header);
    assert!(!text.contains(['\u{202e}', '\u{2066}']), "{text}");
    assert!(text.contains("\u{fc}gnp.exe"), "{text}");
    // The part for programs says it in letters.
    assert!(text.contains("\\x{FC}\\x{202E}gnp.exe"), "{text}");
}

/// The content types of the parts, as a reader of MIME sees them.
fn parts(text: &str) -> Vec<String> {
    let parsed = mail_parser::MessageParser::default().parse(text.as_bytes());
    let parsed = parsed.unwrap();
    let kind = |part: &mail_parser::MessagePart<'_>| {
        use mail_parser::MimeHeaders as _;
        let kind = part.content_type().unwrap();
        format!("{}/{}", kind.ctype(), kind.subtype().unwrap())
    };
    parsed.parts.iter().map(kind).collect()
}

#[test]
fn a_report_is_complete_and_injects_nothing() {
    let mut envelope = envelope("bob@example.net", Some("rfc822;Bob+2Bx@example.net"));
    envelope.parameters.envid = Some("x\r\nBcc: eve@example.com".to_owned());
    envelope.subject = Some("Hi\r\nBcc: eve@example.com".to_owned());
    let text = report(
        &envelope,
        ReportKind::Failed,
        &refused(),
        Returned::Header(ORIGINAL),
    );
    for line in [
        "Original-Recipient: rfc822;Bob+x@example.net",
        "Final-Recipient: rfc822;bob@example.net",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp;550 5.1.1 No such user",
        "In-Reply-To: <1@example.org>",
        "Auto-Submitted: auto-replied",
        "X: y",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains("secret body"));
    assert!(!text.contains("\nBcc:"), "{text}");
    assert!(text.lines().all(|line| line.len() < 998));
    assert_eq!(
        parts(&text),
        [
            "multipart/report",
            "text/plain",
            "message/delivery-status",
            "text/rfc822-headers"
        ]
    );
}

#[test]
fn each_kind_says_what_happened() {
    let envelope = envelope("bob@example.net", None);
    let silent = Failure::without_reply(Blame::Backend, "connection refused by 192.0.2.1:25");
    let ok = Failure::replied(Blame::Message, Reply::new(250, (2, 0, 0), "Queued"));
    for (kind, failure, lines) in [
        (
            ReportKind::Delayed { until: UNTIL },
            &silent,
            [
                "Action: delayed",
                "Status: 4.4.1",
                "    connection refused by 192.0.2.1:25",
            ],
        ),
        (
            ReportKind::Relayed,
            &ok,
            [
                "Action: relayed",
                "Status: 2.0.0",
                "Subject: Your message was passed on",
            ],
        ),
        (
            ReportKind::Delivered,
            &ok,
            ["Action: delivered", "Status: 2.0.0", "was delivered to:"],
        ),
        // RFC 3464 §2.3.4: a reply of another class says nothing about this.
        (
            ReportKind::Failed,
            &ok,
            [
                "Action: failed",
                "Status: 5.0.0",
                "could not be delivered to:",
            ],
        ),
    ] {
        let text = report(&envelope, kind, failure, Returned::Header(ORIGINAL));
        for line in lines {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let until = format!("Will-Retry-Until: {}\r\n", UNTIL.to_rfc5322());
        assert_eq!(
            text.contains(&until),
            matches!(kind, ReportKind::Delayed { .. })
        );
    }
}

/// Whoever is told that it failed would send it once more.
#[test]
fn what_may_have_arrived_is_told() {
    let envelope = envelope("bob@example.net", None);
    let mut failure = refused();
    for uncertain in [false, true] {
        failure.uncertain = uncertain;
        for (kind, tells) in [
            (ReportKind::Failed, uncertain),
            (ReportKind::Delayed { until: UNTIL }, uncertain),
            (ReportKind::Relayed, false),
        ] {
            let text = report(&envelope, kind, &failure, Returned::Header(ORIGINAL));
            let told = "\r\n    It may have arrived all the same: ";
            assert_eq!(text.contains(told), tells, "{kind:?}: {text}");
        }
    }
}

#[test]
fn the_whole_message_comes_back_when_that_was_asked_for() {
    let envelope = envelope("bob@example.net", None);
    let text = report(&envelope, ReportKind::Failed, &refused(), Returned::Whole);
    assert!(text.contains("\r\n\r\nSubject: Hi\r\nX: y\r\n\r\nsecret body\r\n\r\n--report_"));
    assert_eq!(
        parts(&text).last().map(String::as_str),
        Some("message/rfc822")
    );
}

#[test]
fn utf8_is_for_those_who_showed_that_they_read_it() {
    let mut envelope = envelope("bäb@example.net", None);
    let header = Returned::Header("Subject: Grüße\r\n\r\n".as_bytes());
    let text = report(&envelope, ReportKind::Failed, &refused(), header);
    assert!(
        text.contains("Final-Recipient: utf-8;b\\x{E4}b@example.net\r\n"),
        "{text}"
    );
    assert!(parts(&text).contains(&"message/delivery-status".to_owned()));
    envelope.parameters.smtputf8 = true;
    let text = report(&envelope, ReportKind::Failed, &refused(), header);
    assert!(
        text.contains("Final-Recipient: utf-8;bäb@example.net\r\n"),
        "{text}"
    );
    assert_eq!(
        parts(&text)[2..],
        ["message/global-delivery-status", "message/global-headers"]
    );
    let text = report(&envelope, ReportKind::Failed, &refused(), Returned::Whole);
    assert_eq!(
        parts(&text).last().map(String::as_str),
        Some("message/global")
    );
}
