//! `tls`: how it went with servers outside, what they are told of it, and our certificates.

use clap::Subcommand;

use super::intent::{Request, escape};
use super::render::Page;
use super::{Asker, Failure};
use crate::admin::CertificatesView;
use crate::outbound::{TlsCount, TlsReportState, TlsReportView};
use crate::terminal::{Cell, Table, Tone, moment, visible};

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum TlsVerb {
    /// Which certificates are shown to whom, and who makes ours
    Certificates,
    /// What domains outside are told of it (RFC 8460), today's and those of the last days
    Report {
        /// The reports to this domain, word for word
        domain: Option<String>,
    },
}

/// What is asked of the server.
pub(super) fn request(verb: Option<&TlsVerb>) -> Request {
    Request::get(match verb {
        None => "/api/tls".to_owned(),
        Some(TlsVerb::Certificates) => "/api/tls/certificates".to_owned(),
        Some(TlsVerb::Report { domain: None }) => "/api/tls/reports".to_owned(),
        Some(TlsVerb::Report {
            domain: Some(domain),
        }) => format!("/api/tls/reports?domain={}", escape(domain)),
    })
}

impl Asker {
    pub(super) async fn about_tls(
        &self,
        verb: Option<&TlsVerb>,
        request: Request,
    ) -> Result<(), Failure> {
        let page = self.page;
        match verb {
            None => self.show(request, |it: &Vec<TlsCount>| page.tls(it)).await,
            Some(TlsVerb::Certificates) => {
                let text = |it: &CertificatesView| page.tls_certificates(it);
                self.show(request, text).await
            }
            Some(TlsVerb::Report { domain }) => {
                let text = |it: &Vec<TlsReportView>| match domain {
                    None => page.tls_reports(it),
                    Some(domain) => page.tls_reports_to(domain, it),
                };
                self.show(request, text).await
            }
        }
    }
}

impl Page {
    /// `tls`.
    pub(crate) fn tls(self, counts: &[TlsCount]) -> String {
        if counts.is_empty() {
            return "no TLS with servers outside in the last days\n".to_owned();
        }
        let mut table = Table::new(&["DAY", "DOMAIN", "POLICY", "RESULT", "SESSIONS"], &[1, 3]);
        for count in counts {
            let tone = if count.result == "success" {
                Tone::Good
            } else {
                Tone::Bad
            };
            let day = count.day.to_string();
            table.row([
                day.get(..10).unwrap_or(&day).into(),
                count.domain.as_str().into(),
                count.policy.as_str().into(),
                Cell::toned(count.result.as_str(), tone),
                count.sessions.to_string().into(),
            ]);
        }
        let covers = "the last seven days by UTC, restarts included; \
                      tideover_tls_sessions_total counts since the program was started";
        table.render(self.palette) + &Self::paragraph(covers)
    }

    /// `tls report`.
    fn tls_reports(self, reports: &[TlsReportView]) -> String {
        if reports.is_empty() {
            return "no TLS with servers outside in the last days\n".to_owned();
        }
        let head = ["DAY", "DOMAIN", "SESSIONS", "FAILED", "REPORT", "SINCE"];
        let mut table = Table::new(&head, &[1]);
        let when = |at| moment(at, self.now);
        for report in reports {
            let failed = if report.failed > 0 {
                Cell::toned(report.failed.to_string(), Tone::Bad)
            } else {
                "0".into()
            };
            table.row([
                day(report).into(),
                report.domain.as_str().into(),
                report.sessions.to_string().into(),
                failed,
                Cell::toned(report.state.as_str(), tone(report.state)),
                report.at.map_or_else(String::new, when).into(),
            ]);
        }
        let mut text = table.render(self.palette);
        let off = |it: &TlsReportView| it.state == TlsReportState::Off;
        if reports.iter().any(off) {
            text +=
                &Self::paragraph("off: the config has no [tlsrpt], so nobody is told; docs/tls.md");
        }
        text + &Self::paragraph("`tideover tls report DOMAIN` says what they say")
    }

    /// `tls report DOMAIN`.
    fn tls_reports_to(self, domain: &str, reports: &[TlsReportView]) -> String {
        if reports.is_empty() {
            let domain = visible(domain);
            return format!("no TLS with the mail hosts of {domain} in the last days\n");
        }
        let mut text = String::new();
        for report in reports {
            let at = report.at.map(|at| format!(", {}", moment(at, self.now)));
            let state = format!("{}{}", report.state.as_str(), at.unwrap_or_default());
            text += &self.field(&day(report), &state);
            if !report.what.is_empty() {
                text += &self.field("", &report.what);
            }
            let document = serde_json::to_string_pretty(&report.report).unwrap_or_default();
            for line in document.lines() {
                text += &visible(line);
                text.push('\n');
            }
        }
        text
    }
}

fn day(report: &TlsReportView) -> String {
    report.day.to_string().chars().take(10).collect()
}

const fn tone(state: TlsReportState) -> Tone {
    match state {
        TlsReportState::Sent => Tone::Good,
        TlsReportState::GivenUp | TlsReportState::Missed => Tone::Bad,
        TlsReportState::Waiting => Tone::Waiting,
        TlsReportState::Today | TlsReportState::Off | TlsReportState::Unasked => Tone::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::outbound::{PolicyKind, TlsReport};
    use crate::terminal::{Palette, WIDTH, columns};

    fn page() -> Page {
        Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(1_795_000_000_000),
        }
    }

    fn fits(text: &str) {
        for line in text.lines() {
            assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
        }
        assert!(text.ends_with('\n'), "{text}");
    }

    fn words(line: &str) -> String {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tls_with_servers_outside_is_counted_by_day_domain_and_result() {
        assert!(page().tls(&[]).starts_with("no TLS"));
        let count = |policy, result: &str, sessions| TlsCount {
            day: Timestamp::from_millis(1_794_960_000_000),
            domain: "a-rather-long-name-of-a-domain.far.example".to_owned(),
            policy,
            result: result.to_owned(),
            sessions,
        };
        let text = page().tls(&[
            count(PolicyKind::Sts, "success", 1412),
            count(PolicyKind::Tlsa, "certificate-expired", 3),
        ]);
        fits(&text);
        let lines: Vec<String> = text.lines().map(words).collect();
        assert_eq!(lines[0], "DAY DOMAIN POLICY RESULT SESSIONS");
        assert!(lines[1].starts_with("2026-11-18 "), "{text}");
        assert!(lines[1].ends_with("sts success 1412"), "{text}");
        let failed = words(&text);
        assert!(failed.contains("tlsa certificate-expired 3"), "{text}");
    }

    fn report(state: TlsReportState, failed: u64) -> TlsReportView {
        let document = r#"{"organization-name":"Example","date-range":{"start-datetime":
            "2026-11-18T00:00:00Z","end-datetime":"2026-11-18T23:59:59Z"},"contact-info":
            "tls@example.org","report-id":"20261118.far.example@example.org","policies":[]}"#;
        let report: TlsReport = serde_json::from_str(document).unwrap();
        TlsReportView {
            day: Timestamp::from_millis(1_794_960_000_000),
            domain: "a-rather-long-name-of-a-domain.far.example".to_owned(),
            state,
            at: (state == TlsReportState::Sent).then_some(page().now),
            what: "tls@far.example: mx.far.example:25 says 250 taken".to_owned(),
            sessions: 1_415,
            failed,
            report,
        }
    }

    #[test]
    fn reports_are_a_table_and_one_is_shown_word_for_word() {
        assert!(page().tls_reports(&[]).starts_with("no TLS"));
        let all = [
            report(TlsReportState::Sent, 3),
            report(TlsReportState::Off, 0),
        ];
        let text = page().tls_reports(&all);
        fits(&text);
        let lines: Vec<String> = text.lines().map(words).collect();
        assert_eq!(lines[0], "DAY DOMAIN SESSIONS FAILED REPORT SINCE");
        assert!(words(&text).contains("1415 3 sent "), "{text}");
        assert!(text.contains("no [tlsrpt]"), "{text}");
        let sent = page().tls_reports(&all[..1]);
        assert!(!sent.contains("[tlsrpt]"), "{sent}");
        let text = page().tls_reports_to("far.example", &all[..1]);
        assert!(text.contains("sent, "), "{text}");
        assert!(text.contains("says 250 taken"), "{text}");
        assert!(
            text.contains("\n  \"report-id\": \"20261118.far.example@example.org\""),
            "{text}"
        );
        let none = page().tls_reports_to("far.example", &[]);
        assert!(none.contains("far.example"), "{none}");
    }
}
