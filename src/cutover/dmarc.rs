//! What others do with mail of a domain that proves nothing, RFC 7489.

use std::fmt::Write as _;

use super::finding::{Finding, Subject, Verdict};
use crate::auth::tags::{Tags, is_version};

/// Is it a record of this kind?
pub(super) fn is_record(text: &str) -> bool {
    is_version(text, "v=DMARC1")
}

fn finding(verdict: Verdict, text: impl Into<String>) -> Finding {
    Finding::new(Subject::Dmarc, verdict, text)
}

/// The records of a domain, and the domain above in whose name they were found.
pub(super) fn judge(records: &[&str], above: Option<&str>) -> Finding {
    match records {
        [] => finding(
            Verdict::Note,
            "there is none: nothing keeps others from using the domain's name",
        ),
        [record] => match policy(record, above) {
            Ok(found) => found,
            Err(what) => finding(Verdict::Wrong, what),
        },
        // RFC 7489 §6.6.3.
        [..] => finding(
            Verdict::Wrong,
            "there is more than one record: all are ignored",
        ),
    }
}

fn policy(record: &str, above: Option<&str>) -> Result<Finding, String> {
    let tags = Tags::parse(record)?;
    let own = tags.get("p");
    // RFC 7489 §6.3: `sp` counts for domains below.
    let policy = above.and_then(|_| tags.get("sp")).or(own);
    let policy = policy.ok_or_else(|| "it has no policy (p=)".to_owned())?;
    if !["none", "quarantine", "reject"].contains(&policy) {
        return Err(format!(
            "its policy is \"{policy}\", expected none, quarantine or reject"
        ));
    }
    let mut text = match above {
        Some(above) => format!("{policy}, as {above} says for the domains below it"),
        None => policy.to_owned(),
    };
    for (tag, what) in [("aspf", "SPF"), ("adkim", "DKIM")] {
        let alignment = match tags.get(tag).unwrap_or("r") {
            "r" => "relaxed",
            "s" => "strict",
            other => return Err(format!("{tag} is \"{other}\", expected r or s")),
        };
        // Writing to a String cannot fail.
        write!(text, ", {what} {alignment}").ok();
    }
    if let Some(share) = tags.get("pct").filter(|share| *share != "100") {
        write!(text, ", for {share} per cent").ok();
    }
    let reports = tags.get("rua").unwrap_or_default();
    if reports.is_empty() {
        text.push_str("; nobody gets reports (rua)");
        return Ok(finding(Verdict::Note, text));
    }
    text.push_str("; reports to ");
    text.push_str(reports);
    let verdict = if policy == "none" {
        Verdict::Note
    } else {
        Verdict::Good
    };
    Ok(finding(verdict, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_judged() {
        for (record, above, verdict, words) in [
            (
                "v=DMARC1; p=reject; rua=mailto:d@example.org",
                None,
                Verdict::Good,
                "reject, SPF relaxed, DKIM relaxed; reports to mailto:d@example.org",
            ),
            (
                "v=DMARC1; p=none; rua=mailto:d@example.org",
                None,
                Verdict::Note,
                "none",
            ),
            (
                "v=DMARC1; p=reject; aspf=s; adkim=s",
                None,
                Verdict::Note,
                "SPF strict, DKIM strict; nobody",
            ),
            (
                "v=DMARC1; p=quarantine; pct=20; rua=mailto:x@y",
                None,
                Verdict::Good,
                "for 20 per cent",
            ),
            (
                "v=DMARC1; p=reject; sp=none; rua=mailto:x@y",
                Some("example.org"),
                Verdict::Note,
                "none, as example.org says",
            ),
            ("v=DMARC1; p=strict", None, Verdict::Wrong, "strict"),
            (
                "v=DMARC1; rua=mailto:x@y",
                None,
                Verdict::Wrong,
                "no policy",
            ),
            ("v=DMARC1; p=reject; aspf=x", None, Verdict::Wrong, "aspf"),
            (
                "v=DMARC1; p=reject; nonsense",
                None,
                Verdict::Wrong,
                "no tag",
            ),
        ] {
            let finding = judge(&[record], above);
            assert_eq!(finding.verdict, verdict, "{record}: {finding:?}");
            assert!(finding.text.contains(words), "{record}: {finding:?}");
        }
        assert_eq!(judge(&[], None).verdict, Verdict::Note);
        assert_eq!(
            judge(&["v=DMARC1; p=none"; 2], None).verdict,
            Verdict::Wrong
        );
        assert!(is_record("v=DMARC1;p=none") && !is_record("v=spf1 -all"));
    }
}
