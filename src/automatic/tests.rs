use std::collections::BTreeSet;

use proptest::prelude::*;

use super::samples::{ANSWERS, ORDINARY, REPORTS, Sample};
use super::*;
use crate::limits;
use crate::mail::{
    AuthMethod, AuthResult, Automatic, AutomaticDeed, AutomaticKind, AutomaticWay, BackendId,
    MethodResult, Verdict, header_end,
};
use crate::smtp::ReversePath;

fn crlf(message: &str) -> Vec<u8> {
    message.replace('\n', "\r\n").into_bytes()
}

fn told(from: &str, message: &[u8]) -> Option<Recognised> {
    let from: ReversePath = from.parse().unwrap();
    let (header, body) = message.split_at(header_end(message));
    recognise(&from, &Marks::read(header), body)
}

#[test]
fn each_sample_is_what_it_is() {
    let all: Vec<&Sample> = [ANSWERS, REPORTS, ORDINARY].into_iter().flatten().collect();
    for sample in &all {
        let found = told(sample.from, &crlf(sample.message));
        let kind = found.as_ref().map(|found| found.kind);
        assert_eq!(kind, sample.kind, "{}: {found:?}", sample.name);
    }
    let kinds: BTreeSet<_> = all.iter().filter_map(|sample| sample.kind).collect();
    assert_eq!(kinds.len(), AutomaticKind::ALL.len(), "each has a sample");
}

#[test]
fn a_null_path_is_needed_for_a_report_of_delivery() {
    for sample in REPORTS {
        if sample.from.is_empty() && sample.kind != Some(AutomaticKind::ReadReceipt) {
            let found = told("ann@example.org", &crlf(sample.message));
            let kind = found.map(|found| found.kind);
            let other = [None, Some(AutomaticKind::AutoReply)];
            assert!(other.contains(&kind), "{}: {kind:?}", sample.name);
        }
    }
}

#[test]
fn what_is_beyond_the_bounds_is_ordinary_mail() {
    let mark = "Auto-Submitted: auto-replied\r\n\r\n";
    let many = "X-A: b\r\n".repeat(limits::AUTOMATIC_FIELDS);
    assert_eq!(told("", format!("{many}{mark}").as_bytes()), None);
    let fewer = "X-A: b\r\n".repeat(limits::AUTOMATIC_FIELDS - 1);
    assert!(told("", format!("{fewer}{mark}").as_bytes()).is_some());
    // A failure behind what is looked at: nobody says that there is none.
    let report = |lines: usize| {
        let filler = "Final-Recipient: rfc822; somebody@example.net\nAction: delivered\n\n";
        crlf(&format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
             Content-Type: message/delivery-status\n\n{}Action: failed\n--b--\n",
            filler.repeat(lines)
        ))
    };
    let kind = |lines| told("", &report(lines)).map(|found| found.kind);
    assert_eq!(kind(10), Some(AutomaticKind::Ndr));
    assert_eq!(kind(2_000), None);
}

fn ours(home: &str) -> Party {
    let home = Some(BackendId::new(home));
    Party::Ours { home }
}

#[test]
fn the_way_is_told_by_what_is_known() {
    let nowhere = Party::Ours { home: None };
    for (from, to, expected) in [
        (ours("a"), ours("a"), AutomaticWay::Internal),
        (ours("a"), ours("b"), AutomaticWay::Platforms),
        (nowhere, ours("b"), AutomaticWay::Internal),
        (Party::Partner, ours("a"), AutomaticWay::FromPartner),
        (Party::Stranger, ours("a"), AutomaticWay::FromInternet),
        (ours("a"), Party::Partner, AutomaticWay::ToPartner),
        (ours("a"), Party::Stranger, AutomaticWay::ToInternet),
        (Party::Stranger, Party::Stranger, AutomaticWay::ToInternet),
    ] {
        assert_eq!(way(&from, &to), expected, "{from:?} to {to:?}");
    }
}

#[test]
fn only_one_author_is_one() {
    let of = |header: &str| author(&crlf(header)).map(|one| one.to_string());
    let ann = Some("ann@example.org".to_owned());
    assert_eq!(of("From: \"Ann, A.\"\n <ann@example.org>\n\n"), ann);
    for header in [
        "To: ann@example.org\n\n",
        "From: ann@example.org, bob@example.org\n\n",
        "From: ann@example.org\nFROM: bob@example.org\n\n",
        "From: nobody\n\n",
        "\nFrom: ann@example.org\n",
    ] {
        assert_eq!(of(header), None, "{header}");
    }
}

fn verdict(lines: &[(AuthMethod, AuthResult, &str, &str)]) -> Verdict {
    let lines = lines.iter();
    Verdict {
        results: lines
            .map(|(method, result, name, value)| MethodResult {
                method: *method,
                result: *result,
                reason: None,
                properties: vec![((*name).to_owned(), (*value).to_owned())],
            })
            .collect(),
        ..Verdict::default()
    }
}

#[test]
fn a_domain_is_proven_by_what_passed_for_it_and_by_nothing_else() {
    use AuthMethod::{Arc, Dkim, Dmarc, Spf};
    use AuthResult::{Fail, Pass};

    for (line, is_proven, is_signed) in [
        ((Spf, Pass, "smtp.mailfrom", "p.example"), true, false),
        ((Spf, Pass, "smtp.mailfrom", "a@P.example"), true, false),
        ((Spf, Pass, "smtp.helo", "p.example"), false, false),
        ((Spf, Fail, "smtp.mailfrom", "p.example"), false, false),
        ((Dmarc, Pass, "header.from", "p.example"), true, false),
        ((Dmarc, Fail, "header.from", "p.example"), false, false),
        ((Dkim, Pass, "header.d", "p.example"), false, true),
        ((Dkim, Fail, "header.d", "p.example"), false, false),
        ((Dkim, Pass, "header.d", "q.p.example"), false, false),
        ((Arc, Pass, "header.d", "p.example"), false, false),
    ] {
        let verdict = verdict(&[line]);
        assert_eq!(proven(&verdict, "p.example"), is_proven, "{line:?}");
        assert_eq!(signed_by(&verdict, "p.example"), is_signed, "{line:?}");
    }
}

const WISHES: &str = "From: ann@example.org\nDisposition-Notification-To: ann@example.org\n\
    Return-Receipt-To: ann@example.org\nread-receipt-to: ann@example.org\n";

/// What is done with a message from us to a stranger, and to people of ours.
fn done(policy: &Policy, message: &str, sealed: Sealed) -> Judged {
    done_raw(policy, &crlf(message), sealed)
}

fn done_raw(policy: &Policy, message: &[u8], sealed: Sealed) -> Judged {
    let (header, body) = message.split_at(header_end(message));
    judge(
        policy,
        &Asked {
            from: &ReversePath::Null,
            header,
            marks: &Marks::read(header),
            body,
            sender: &ours("a"),
            recipients: &[
                (0, Party::Stranger, Wish::Success),
                (1, ours("a"), Wish::Success),
                (2, Party::Stranger, Wish::Nothing),
            ],
            sealed,
        },
    )
}

fn policy(rules: &[(AutomaticKind, AutomaticWay, AutomaticDeed)]) -> Policy {
    let mut policy = Policy::default();
    for (kind, way, deed) in rules {
        policy.set(*kind, *way, *deed);
    }
    policy
}

fn deeds(automatic: &Automatic) -> Vec<(Vec<u16>, AutomaticDeed)> {
    let rulings = automatic.rulings.iter();
    rulings.map(|it| (it.recipients.clone(), it.deed)).collect()
}

#[test]
fn each_recipient_has_a_way_and_a_deed() {
    use AutomaticDeed::{Allow, Drop, Hold};

    let oof = "Auto-Submitted: auto-replied (vacation)\n\nAway.\n";
    let (kind, way) = (AutomaticKind::OutOfOffice, AutomaticWay::ToInternet);
    let drop = policy(&[(kind, way, Drop)]);
    let judged = done(&drop, oof, Sealed::No);
    let automatic = judged.automatic.unwrap();
    assert_eq!(deeds(&automatic), [(vec![0, 2], Drop), (vec![1], Allow)]);
    let rule = "automatic.out_of_office.to_internet";
    assert_eq!(automatic.dropped(0).as_deref(), Some(rule));
    assert_eq!(automatic.dropped(1), None);
    assert!(judged.held.is_empty());

    let hold = policy(&[(kind, way, Hold)]);
    let judged = done(&hold, oof, Sealed::No);
    let kept: Vec<u16> = judged.held.iter().map(|(number, _)| *number).collect();
    assert_eq!(kept, [0, 2]);
    let reason = judged.held[0].1.to_string();
    assert!(reason.contains(rule), "{reason}");
    assert_eq!(judged.automatic.unwrap().dropped(0), None);

    // Another kind, and no answer at all.
    let ndr = policy(&[(AutomaticKind::Ndr, way, Drop)]);
    let judged = done(&ndr, oof, Sealed::No);
    assert_eq!(
        deeds(&judged.automatic.unwrap()),
        [(vec![0, 2], Allow), (vec![1], Allow)]
    );
    assert_eq!(done(&drop, "A: b\n\n", Sealed::No), Judged::default());
}

#[test]
fn wishes_are_taken_off_where_the_policy_says_so() {
    use AutomaticKind::{DeliveryReport, ReadReceipt};
    use AutomaticWay::{Internal, ToInternet};

    let strip = AutomaticDeed::Strip;
    let read = policy(&[(ReadReceipt, ToInternet, strip)]);
    let judged = done(&read, &format!("{WISHES}\nText.\n"), Sealed::No);
    let automatic = judged.automatic.unwrap();
    assert_eq!(automatic.kind, None, "a letter");
    assert_eq!(
        automatic.stripped(0),
        ["Disposition-Notification-To", "Read-Receipt-To"]
    );
    assert!(automatic.stripped(1).is_empty());
    assert!(judged.unwished.is_empty());

    let delivery = policy(&[(DeliveryReport, Internal, strip)]);
    let judged = done(&delivery, &format!("{WISHES}\nText.\n"), Sealed::No);
    assert_eq!(judged.unwished, [1]);
    let automatic = judged.automatic.unwrap();
    assert_eq!(automatic.stripped(1), ["Return-Receipt-To"]);
    assert!(automatic.stripped(0).is_empty());
    assert!(automatic.of(0).is_none());
    // NOTIFY alone is a wish, too.
    let judged = done(&delivery, "A: b\n\nText.\n", Sealed::No);
    assert_eq!(judged.unwished, [1]);
    assert!(judged.automatic.unwrap().of(1).unwrap().notify);
}

#[test]
fn a_signature_that_nobody_sealed_is_not_broken() {
    let strip = policy(&[(
        AutomaticKind::ReadReceipt,
        AutomaticWay::ToInternet,
        AutomaticDeed::Strip,
    )]);
    for (signature, is_covered) in [
        (
            "DKIM-Signature: v=1; d=s.example; h=From:\n Disposition-NOTIFICATION-to : Date",
            true,
        ),
        (
            "ARC-Message-Signature: i=1; h=disposition-notification-to; d=s.example",
            true,
        ),
        (
            "DKIM-Signature: v=1; d=s.example; h=from:date; b=disposition-notification-to",
            false,
        ),
        (
            "Authentication-Results: h=disposition-notification-to",
            false,
        ),
    ] {
        let message = format!("{signature}\n{WISHES}\nText.\n");
        let stripped = |sealed| {
            let automatic = done(&strip, &message, sealed).automatic.unwrap();
            (
                automatic.stripped(0).len(),
                automatic.of(0).unwrap().left.clone(),
            )
        };
        let (count, left) = stripped(Sealed::No);
        assert_eq!(count, if is_covered { 1 } else { 2 }, "{signature}");
        if is_covered {
            assert!(
                left[0].starts_with("Disposition-Notification-To stays: signed"),
                "{left:?}"
            );
            assert!(left[0].contains("of s.example"), "{left:?}");
        }
        assert_eq!(stripped(Sealed::Yes), (2, Vec::new()), "{signature}");
    }
    // Where a signature is not looked at as a whole, it may cover anything.
    let long = format!("DKIM-Signature: h={}\n{WISHES}\n", "from:".repeat(5_000));
    let automatic = done(&strip, &long, Sealed::No).automatic.unwrap();
    assert!(automatic.stripped(0).is_empty());
    assert_eq!(automatic.of(0).unwrap().deed, AutomaticDeed::Allow);
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        "(Auto-Submitted|Precedence|X-Autoreply|In-Reply-To|X-Failed-Recipients): [ -~]{0,30}\r\n",
        "Auto-Submitted: (no|auto-replied|auto-generated)( \\(vacation|;|\\)){0,2}\r\n",
        "Content-Type: multipart/report; ?(report-type=delivery-status;?)?( boundary=\"?b\"?)?\r\n",
        "(DKIM-Signature|Disposition-Notification-To|From):[ -~]{0,30}(\r\n [ -~]{0,9})?\r\n",
        "[ -~\\r\\n]{0,40}",
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_judged(
        fields in proptest::collection::vec(field(), 0..8),
        body in "(--b\r\n|Content-Type: message/delivery-status\r\n|Action: [a-z]*\r\n|\r\n){0,9}",
        raw: Vec<u8>,
        from in prop_oneof![Just(""), Just("ann@example.org")],
    ) {
        let message = format!("{}\r\n{body}", fields.concat());
        let mut all = Policy::default();
        for kind in AutomaticKind::ALL {
            for way in AutomaticWay::ALL {
                let strips = Policy::makes_sense(kind, AutomaticDeed::Strip);
                let deed = if strips { AutomaticDeed::Strip } else { AutomaticDeed::Drop };
                all.set(kind, way, deed);
            }
        }
        for message in [message.as_bytes(), &raw] {
            let found = told(from, message);
            // What is said of it is a word of ours, never theirs.
            prop_assert!(found.is_none_or(|it| it.sign.len() < 100 && it.sign.is_ascii()));
            let judged = done_raw(&all, message, Sealed::No);
            let rulings = judged.automatic.map(|it| it.rulings).unwrap_or_default();
            let mut numbers: Vec<u16> =
                rulings.iter().flat_map(|it| it.recipients.clone()).collect();
            numbers.sort_unstable();
            let before = numbers.len();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), before, "each recipient once");
            prop_assert!(numbers.iter().all(|number| *number < 3));
        }
    }
}
