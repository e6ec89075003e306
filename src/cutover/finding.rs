//! What was found out, for people and for programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::seen::{Found, Group, Seen, Views};
use crate::terminal::duration;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The addresses of `server.hostname`, and their names.
    Host,
    /// Where mail of the domain goes.
    Mx,
    /// Who may send for the domain.
    Spf,
    /// The keys of its signatures.
    Dkim,
    /// What others do with mail that proves neither.
    Dmarc,
    /// Which hosts senders insist on.
    MtaSts,
    /// Where senders report trouble with TLS.
    TlsRpt,
}

impl Subject {
    /// As tables show it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Mx => "MX",
            Self::Spf => "SPF",
            Self::Dkim => "DKIM",
            Self::Dmarc => "DMARC",
            Self::MtaSts => "MTA-STS",
            Self::TlsRpt => "TLS-RPT",
        }
    }
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// A cutover waits for it.
    Waits,
    /// It does harm.
    Wrong,
    /// Nobody answered: nothing is known.
    Unanswered,
}

/// One thing that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// About what.
    pub subject: Subject,
    /// How it is.
    pub verdict: Verdict,
    /// In words.
    pub text: String,
    /// For how long it stays so at most, when that is known: seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Finding {
    pub(super) fn new(subject: Subject, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            subject,
            verdict,
            text: text.into(),
            seconds: None,
        }
    }
}

/// What one resolver said of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// About what.
    pub subject: Subject,
    /// The name that was asked for.
    pub name: String,
    /// Who said it.
    pub resolver: String,
    /// Is it a server of the zone?
    pub authoritative: bool,
    /// Did it answer at all?
    pub answered: bool,
    /// The records; empty: it knows that there are none, if it answered.
    pub records: Vec<String>,
    /// How long it may keep them, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

impl Said {
    pub(super) fn of(subject: Subject, name: &str, seen: &Seen) -> Self {
        Self {
            subject,
            name: name.to_owned(),
            resolver: seen.resolver.clone(),
            authoritative: seen.authoritative,
            answered: !matches!(seen.found, Found::Silent(_)),
            records: seen
                .found
                .records()
                .iter()
                .map(ToString::to_string)
                .collect(),
            ttl: match &seen.found {
                Found::Records(answer) => Some(answer.ttl.as_secs()),
                Found::Nothing | Found::Silent(_) => None,
            },
        }
    }
}

/// All about one domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DomainReport {
    /// Its name.
    pub domain: String,
    /// What was found out.
    pub findings: Vec<Finding>,
    /// What a cutover still waits for, in words; empty: for nothing.
    pub waits: Vec<String>,
    /// For how long the old answers live on at most, as far as the resolvers that were asked
    /// show it: seconds.
    pub wait_seconds: u64,
    /// What each resolver said.
    pub said: Vec<Said>,
}

/// All that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Who was asked.
    pub resolvers: Vec<String>,
    /// `server.hostname`.
    pub hostname: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// About it.
    pub host: Vec<Finding>,
    /// About the domains.
    pub domains: Vec<DomainReport>,
}

impl Report {
    /// How many findings are so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let domains = self.domains.iter().flat_map(|domain| &domain.findings);
        let all = self.host.iter().chain(domains);
        all.filter(|finding| finding.verdict == verdict).count()
    }
}

impl DomainReport {
    /// What is open about this server's own name holds every domain up.
    pub(super) fn new(
        domain: &str,
        host: &[Finding],
        (findings, said): (Vec<Finding>, Vec<Said>),
    ) -> Self {
        let is_open = |finding: &&Finding| match finding.verdict {
            Verdict::Waits | Verdict::Wrong => true,
            // Without the MX nobody can say that a cutover is over.
            Verdict::Unanswered => finding.subject == Subject::Mx,
            Verdict::Good | Verdict::Note => false,
        };
        let all = host.iter().chain(&findings);
        let open: Vec<&Finding> = all.filter(is_open).collect();
        let line = |finding: &&Finding| format!("{}: {}", finding.subject.title(), finding.text);
        Self {
            domain: domain.to_owned(),
            waits: open.iter().map(line).collect(),
            wait_seconds: open.iter().filter_map(|it| it.seconds).max().unwrap_or(0),
            findings,
            said,
        }
    }
}

/// Who does not say what the others say, and who says nothing.
pub(super) fn differences(subject: Subject, views: &Views<'_>) -> Vec<Finding> {
    let Some(current) = &views.current else {
        let who = list(&views.silent);
        let text = format!("not answered by {who}: nothing is known");
        return vec![Finding::new(subject, Verdict::Unanswered, text)];
    };
    let other = |group: &Group<'_>| difference(subject, current, group);
    let mut findings: Vec<_> = views.others.iter().map(other).collect();
    if !views.silent.is_empty() {
        let text = format!("not answered by {}", list(&views.silent));
        findings.push(Finding::new(subject, Verdict::Note, text));
    }
    findings
}

fn difference(subject: Subject, current: &Group<'_>, group: &Group<'_>) -> Finding {
    let who = list(&group.by);
    let what = if group.records.is_empty() {
        "that there is none".to_owned()
    } else {
        group.shown()
    };
    let verb = if group.by.len() == 1 { "says" } else { "say" };
    if group.authoritative && current.authoritative {
        let others = list(&current.by);
        let text = format!("the servers of the zone disagree: {who} {verb} {what}, {others} not");
        return Finding::new(subject, Verdict::Wrong, text);
    }
    let how = if current.authoritative { "still " } else { "" };
    let mut text = format!("{who} {how}{verb} {what}");
    let mut finding = Finding::new(subject, Verdict::Waits, "");
    if !group.records.is_empty() {
        let left = format!(", and may for another {}", duration(group.ttl));
        text.push_str(&left);
        finding.seconds = Some(group.ttl.as_secs());
    }
    Finding { text, ..finding }
}

/// `a, b and c`.
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::seen;
    use super::super::seen::views;
    use super::*;

    #[test]
    fn differences_are_told_as_such() {
        let all = [
            seen("ns1", &["new"], 60),
            seen("9.9.9.9", &["new"], 5),
            seen("8.8.8.8", &["old"], 41),
            seen("1.1.1.1", &[], 0),
        ];
        let told = differences(Subject::Mx, &views(&all));
        let texts: Vec<_> = told.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "8.8.8.8 still says old, and may for another 41 min",
                "1.1.1.1 still says that there is none",
            ]
        );
        assert!(told.iter().all(|it| it.verdict == Verdict::Waits));
        let report = DomainReport::new("example.org", &[], (told, Vec::new()));
        assert_eq!(report.wait_seconds, 41 * 60);
        assert_eq!(report.waits[1], "MX: 1.1.1.1 still says that there is none");
    }

    #[test]
    fn servers_of_a_zone_that_disagree_are_wrong() {
        let all = [seen("ns1", &["a"], 60), seen("ns2", &["b"], 60)];
        let told = differences(Subject::Spf, &views(&all));
        assert_eq!(told[0].verdict, Verdict::Wrong);
        assert!(told[0].text.contains("ns2 says b, ns1 not"), "{told:?}");
    }

    #[test]
    fn without_an_answer_nothing_is_known() {
        let mut one = seen("9.9.9.9", &[], 0);
        one.found = Found::Silent("no answer in time".to_owned());
        let all = [one.clone()];
        let told = differences(Subject::Mx, &views(&all));
        assert_eq!(told[0].verdict, Verdict::Unanswered);
        let report = DomainReport::new("example.org", &[], (told, Vec::new()));
        assert_eq!(report.waits.len(), 1);
        // One that is silent among others is worth a note.
        let all = [seen("1.1.1.1", &["a"], 1), one];
        let told = differences(Subject::Mx, &views(&all));
        assert_eq!(told[0].verdict, Verdict::Note);
    }
}
