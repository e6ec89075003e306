//! What senders insist on (MTA-STS, RFC 8461), and where they complain (TLS-RPT, RFC 8460).

use super::finding::{Finding, Subject, Verdict};
use crate::auth::tags::{Tags, is_version};
use crate::outbound::{StsMode, StsPolicy, sts_record_id};
use crate::terminal::duration;

/// Is it a record of MTA-STS?
pub(super) fn is_record(text: &str) -> bool {
    is_version(text, "v=STSv1")
}

/// Is it a record of TLS-RPT?
pub(super) fn is_report_record(text: &str) -> bool {
    is_version(text, "v=TLSRPTv1")
}

fn finding(verdict: Verdict, text: impl Into<String>) -> Finding {
    Finding::new(Subject::MtaSts, verdict, text)
}

/// What the TXT records alone say: something is settled, or the policy must be fetched.
pub(super) fn judge_records(records: &[&str]) -> Option<Finding> {
    let owned: Vec<String> = records.iter().copied().map(str::to_owned).collect();
    match records {
        [] => Some(finding(Verdict::Good, "there is none, which binds nobody")),
        [_] if sts_record_id(&owned).is_some() => None,
        [_] => Some(finding(
            Verdict::Wrong,
            "its record has no id of 1 to 32 letters and digits: it counts as none",
        )),
        // RFC 8461 §3.1.
        [..] => Some(finding(
            Verdict::Wrong,
            "there is more than one record: they count as none",
        )),
    }
}

/// The record that announces the policy which this server serves; `None`: it is there.
pub(super) fn judge_id(records: &[&str], ours: &StsPolicy, domain: &str) -> Option<Finding> {
    let owned: Vec<String> = records.iter().copied().map(str::to_owned).collect();
    let id = ours.id();
    let found = sts_record_id(&owned);
    if found.as_ref() == Some(&id) {
        return None;
    }
    let todo = format!("set _mta-sts.{domain} TXT \"v=STSv1; id={id};\"");
    let text = match found {
        None => format!("nobody looks for the policy that is served here: {todo}"),
        Some(found) => format!(
            "its id is {found}: who knows an older policy does not look for the one that is \
             served here: {todo}"
        ),
    };
    Some(finding(Verdict::Waits, text))
}

/// The policy that others see is the one that this server serves; `None`: it is, or nobody knows.
pub(super) fn judge_served(
    policy: &Result<StsPolicy, String>,
    ours: &StsPolicy,
) -> Option<Finding> {
    let seen = policy.as_ref().ok().filter(|seen| *seen != ours)?;
    let line = |policy: &StsPolicy| policy.to_string().replace("\r\n", "; ");
    let text = format!(
        "what others read is not what this server serves, but: {}",
        line(seen).trim_end()
    );
    Some(finding(Verdict::Waits, text))
}

/// The policy that a record announces.
pub(super) fn judge_policy(policy: &Result<StsPolicy, String>, hostname: &str) -> Finding {
    let policy = match policy {
        Ok(policy) => policy,
        Err(why) => {
            let text = format!("a policy is announced, but it could not be fetched: {why}");
            return finding(Verdict::Unanswered, text);
        }
    };
    let hosts = policy.hosts().join(", ");
    let kept = duration(policy.max_age);
    let what = match policy.mode {
        StsMode::None => return finding(Verdict::Good, "its policy is none, which binds nobody"),
        StsMode::Enforce => "enforce",
        StsMode::Testing => "testing",
    };
    if policy.covers(hostname) {
        let text = format!("{what}, names {hosts}, kept for {kept}");
        return finding(Verdict::Good, text);
    }
    let todo = format!(
        "add \"mx: {hostname}\" to the policy and change the id of the record before the MX; \
         senders may keep the old policy for up to {kept}"
    );
    if policy.mode == StsMode::Testing {
        let text = format!("testing, names {hosts} and not {hostname}: {todo}");
        return finding(Verdict::Waits, text);
    }
    let text = format!(
        "enforce, names {hosts} and not {hostname}: senders that obey bring nothing here; {todo}"
    );
    finding(Verdict::Wrong, text)
}

/// Where senders report trouble with TLS.
pub(super) fn judge_reports(records: &[&str]) -> Finding {
    let finding = |verdict, text: &str| Finding::new(Subject::TlsRpt, verdict, text);
    let record = match records {
        [] => {
            return finding(
                Verdict::Note,
                "there is none: nobody reports trouble with TLS",
            );
        }
        [record] => record,
        // RFC 8460 §3.
        [..] => {
            let text = "there is more than one record: they count as none";
            return finding(Verdict::Wrong, text);
        }
    };
    let tags = match Tags::parse(record) {
        Ok(tags) => tags,
        Err(what) => return finding(Verdict::Wrong, &what),
    };
    let targets = tags.get("rua").unwrap_or_default();
    let legal = |target: &str| {
        let target = target.trim();
        target.starts_with("mailto:") || target.starts_with("https:")
    };
    if !targets.split(',').any(legal) {
        let text = "it names nobody who gets reports (rua=mailto:… or https:…)";
        return finding(Verdict::Wrong, text);
    }
    finding(Verdict::Good, &format!("reports to {targets}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: &str, mx: &str) -> Result<StsPolicy, String> {
        StsPolicy::parse(&format!(
            "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n"
        ))
    }

    #[test]
    fn policies_are_judged_by_whether_they_name_us() {
        for (policy, verdict, words) in [
            (
                policy("enforce", "mx.example.org"),
                Verdict::Good,
                "enforce, names mx.example.org, kept for 7 days",
            ),
            (
                policy("enforce", "*.example.org"),
                Verdict::Good,
                "*.example.org",
            ),
            (
                policy("enforce", "*.mail.protection.outlook.com"),
                Verdict::Wrong,
                "add \"mx: mx.example.org\"",
            ),
            (
                policy("testing", "old.example.org"),
                Verdict::Waits,
                "for up to 7 days",
            ),
            (policy("none", "old.example.org"), Verdict::Good, "none"),
            (
                Err("HTTP status 404".to_owned()),
                Verdict::Unanswered,
                "HTTP status 404",
            ),
        ] {
            let finding = judge_policy(&policy, "mx.example.org");
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.text.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn a_policy_of_ours_is_announced_and_read() {
        let ours = policy("testing", "mx.example.org").unwrap();
        let record = format!("v=STSv1; id={};", ours.id());
        assert_eq!(judge_id(&[&record], &ours, "example.org"), None);
        for (records, words) in [
            (&[][..], "nobody looks for the policy"),
            (&["v=STSv1; id=1"], "its id is 1: who knows an older policy"),
        ] {
            let finding = judge_id(records, &ours, "example.org").unwrap();
            assert_eq!(finding.verdict, Verdict::Waits);
            assert!(finding.text.contains(words), "{finding:?}");
            let todo = format!("set _mta-sts.example.org TXT \"{record}\"");
            assert!(finding.text.ends_with(&todo), "{finding:?}");
        }
        assert_eq!(judge_served(&Ok(ours.clone()), &ours), None);
        assert_eq!(
            judge_served(&Err("HTTP status 404".to_owned()), &ours),
            None
        );
        let other = judge_served(&policy("enforce", "mx.example.org"), &ours).unwrap();
        assert!(
            other
                .text
                .contains("mode: enforce; mx: mx.example.org; max_age"),
            "{other:?}"
        );
    }

    #[test]
    fn records_are_judged_before_the_policy() {
        assert_eq!(judge_records(&["v=STSv1; id=1"]), None);
        assert_eq!(judge_records(&[]).unwrap().verdict, Verdict::Good);
        for records in [&["v=STSv1;"][..], &["v=STSv1; id=1", "v=STSv1; id=2"]] {
            assert_eq!(judge_records(records).unwrap().verdict, Verdict::Wrong);
        }
        assert!(is_record("v=STSv1; id=1") && is_report_record("v=TLSRPTv1;rua=x"));
    }

    #[test]
    fn reports_need_a_reader() {
        for (records, verdict) in [
            (&[][..], Verdict::Note),
            (&["v=TLSRPTv1; rua=mailto:t@example.org"], Verdict::Good),
            (&["v=TLSRPTv1; rua=https://x/y,mailto:t@x"], Verdict::Good),
            (&["v=TLSRPTv1"], Verdict::Wrong),
            (&["v=TLSRPTv1; rua=ftp:x"], Verdict::Wrong),
            (&["v=TLSRPTv1; rua=mailto:a@b"; 2], Verdict::Wrong),
        ] {
            assert_eq!(judge_reports(records).verdict, verdict, "{records:?}");
        }
    }
}
