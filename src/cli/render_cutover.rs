//! What the domains publish, as text for people.

use std::time::Duration;

use super::render::Page;
use crate::cutover::{DomainReport, Finding, Report, Verdict};
use crate::terminal::{Tone, duration};

impl Page {
    /// The public DNS of `check --online`.
    pub(crate) fn cutover(self, report: &Report) -> String {
        let asked = report.resolvers.join(", ");
        let mut text =
            format!("\nthe public DNS, as {asked} and the servers of each zone see it\n");
        text.push_str(&self.head(&report.hostname));
        let found = report.host.iter().map(|finding| self.finding(finding));
        text.extend(found);
        for domain in &report.domains {
            text.push_str(&self.domain(domain));
        }
        text
    }

    fn head(self, name: &str) -> String {
        format!("\n{}\n", self.palette.paint(Tone::Quiet, name))
    }

    fn finding(self, finding: &Finding) -> String {
        let word = match finding.verdict {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Waits => "waits",
            Verdict::Wrong => "wrong",
            Verdict::Unanswered => "unknown",
        };
        let text = format!("{word}: {}", finding.text);
        self.field(finding.subject.title(), &text)
    }

    fn domain(self, domain: &DomainReport) -> String {
        let name = &domain.domain;
        let mut text = self.head(name);
        let found = domain.findings.iter().map(|finding| self.finding(finding));
        text.extend(found);
        if domain.waits.is_empty() {
            let line = format!("  a cutover of {name} waits for nothing\n");
            text.push_str(&self.palette.paint(Tone::Good, &line));
            return text;
        }
        let line = format!("  a cutover of {name} waits for:\n");
        text.push_str(&self.palette.paint(Tone::Waiting, &line));
        for wait in &domain.waits {
            text.push_str(&self.field("     -", wait));
        }
        if domain.wait_seconds > 0 {
            let left = duration(Duration::from_secs(domain.wait_seconds));
            let line = format!("time: what is old may be kept for up to {left}");
            text.push_str(&self.field("     -", &line));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::cutover::Subject;
    use crate::terminal::Palette;

    #[test]
    fn a_domain_says_what_it_waits_for() {
        let finding = |verdict, text: &str| Finding {
            subject: Subject::Mx,
            verdict,
            text: text.to_owned(),
            seconds: None,
        };
        let domain = |name: &str, waits: &[&str]| DomainReport {
            domain: name.to_owned(),
            findings: vec![finding(Verdict::Good, "all mail comes here")],
            waits: waits.iter().copied().map(str::to_owned).collect(),
            wait_seconds: 41 * 60,
            said: Vec::new(),
        };
        let report = Report {
            resolvers: vec!["system".to_owned(), "9.9.9.9".to_owned()],
            hostname: "mx.example.org".to_owned(),
            addresses: Vec::new(),
            host: vec![finding(Verdict::Unanswered, "not answered by system")],
            domains: vec![
                domain("example.org", &["MX: 9.9.9.9 still says old"]),
                domain("example.net", &[]),
            ],
        };
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(0),
        };
        let text = page.cutover(&report);
        for line in [
            "the public DNS, as system, 9.9.9.9 and the servers of each zone see it",
            "  MX            unknown: not answered by system",
            "  MX            good: all mail comes here",
            "  a cutover of example.org waits for:",
            "       -        MX: 9.9.9.9 still says old",
            "       -        time: what is old may be kept for up to 41 min",
            "  a cutover of example.net waits for nothing",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
