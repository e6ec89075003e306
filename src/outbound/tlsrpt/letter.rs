//! A report on its way: packed, and as a mail (RFC 8460 §5.3).

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::tls_day::DayOf;
use super::document::TlsReport;
use crate::base::Timestamp;
use crate::mail::base64_lines;
use crate::smtp::Mailbox;

/// RFC 8460 §6.3.
pub(super) const PACKED: &str = "application/tlsrpt+gzip";

/// A report as a mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter<'a> {
    pub(super) of: &'a DayOf,
    pub(super) report: &'a TlsReport,
    /// It, packed.
    pub(super) packed: &'a [u8],
    pub(super) from: &'a Mailbox,
    pub(super) to: &'a Mailbox,
    pub(super) date: Timestamp,
    /// Of the Message-ID and of the border between the parts.
    pub(super) token: &'a str,
}

/// The report as RFC 8460 §5.2 wants it to be carried.
pub(super) fn packed(report: &TlsReport) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&report.to_json())?;
    packed.finish()
}

/// RFC 8460 §5.1: `sender!policy-domain!begin!end.json.gz`.
fn file_name(of: &DayOf, submitter: &str) -> String {
    let (begin, end) = (of.begin().as_secs(), of.end().as_secs() - 1);
    format!("{submitter}!{}!{begin}!{end}.json.gz", of.domain)
}

impl Letter<'_> {
    /// The message, not signed yet.
    pub(super) fn compose(&self) -> Vec<u8> {
        let submitter = self.from.domain().key();
        let domain = &self.of.domain;
        let sums = self.report.summary();
        let token = self.token;
        let mut text = String::new();
        // Writing to a String cannot fail. RFC 8689 §4.1: who passes it on does it also when TLS
        // fails, as RFC 8460 §3 wants it.
        write!(
            text,
            "From: <{from}>\r\n\
             To: <{to}>\r\n\
             Subject: Report Domain: {domain}\r\n Submitter: {submitter}\r\n Report-ID: <{id}>\r\n\
             Date: {date}\r\n\
             Message-ID: <{token}@{submitter}>\r\n\
             TLS-Report-Domain: {domain}\r\n\
             TLS-Report-Submitter: {submitter}\r\n\
             TLS-Required: No\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\
             \tboundary=\"tlsrpt_{token}\"\r\n\
             \r\n\
             --tlsrpt_{token}\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             This is an aggregate TLS report from {submitter}\r\n\
             about its sessions with the mail hosts of\r\n\
             {domain}\r\n\
             on {day} (UTC): {good} went well, {bad} failed.\r\n\
             \r\n\
             --tlsrpt_{token}\r\n\
             Content-Type: {PACKED}\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment;\r\n\
             \tfilename=\"{name}\"\r\n\
             \r\n",
            from = self.from,
            to = self.to,
            id = self.report.report_id,
            date = self.date.to_rfc5322(),
            day = self.of.begin().to_jiff().strftime("%Y-%m-%d"),
            good = sums.total_successful_session_count,
            bad = sums.total_failure_session_count,
            name = file_name(self.of, &submitter),
        )
        .ok();
        let mut message = text.into_bytes();
        message.extend_from_slice(&base64_lines(self.packed));
        message.extend_from_slice(format!("\r\n--tlsrpt_{token}--\r\n").as_bytes());
        message
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::mail::ParsedMessage;
    use crate::outbound::tlsrpt::document::tests::{company_x, example};

    #[test]
    fn a_mail_carries_the_report() {
        let (of, rows) = example();
        let report = TlsReport::of(&of, &rows, &company_x());
        let gz = packed(&report).unwrap();
        let letter = Letter {
            of: &of,
            report: &report,
            packed: &gz,
            from: &"tls@company-x.example".parse().unwrap(),
            to: &"reports@company-y.example".parse().unwrap(),
            date: Timestamp::from_millis(1_459_560_000_000),
            token: "abc",
        };
        let message = letter.compose();
        let text = String::from_utf8(message.clone()).unwrap();
        for line in [
            "Subject: Report Domain: company-y.example\r\n Submitter: company-x.example\r\n \
             Report-ID: <20160401.company-y.example@company-x.example>\r\n",
            "TLS-Report-Domain: company-y.example\r\n",
            "TLS-Report-Submitter: company-x.example\r\n",
            "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n",
            "TLS-Required: No\r\n",
            "filename=\"company-x.example!company-y.example!1459468800!1459555199.json.gz\"",
            "2016-04-01 (UTC): 5326 went well, 303 failed.",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(
            text.lines()
                .all(|line| line.len() <= 998 && line.is_ascii())
        );
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        let parsed = ParsedMessage::parse(&message).unwrap();
        assert_eq!(parsed.from[0].address, "tls@company-x.example");
        // What is in the mail, unpacked, is the report.
        let (_, part) = text
            .split_once(&format!("Content-Type: {PACKED}\r\n"))
            .unwrap();
        let (_, encoded) = part.split_once("\r\n\r\n").unwrap();
        let encoded = encoded.split("\r\n--tlsrpt_").next().unwrap();
        let encoded: String = encoded.split_whitespace().collect();
        let gz = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
        let mut json = Vec::new();
        let gz = gz.unwrap();
        let mut unpacked = flate2::read::GzDecoder::new(gz.as_slice());
        unpacked.read_to_end(&mut json).unwrap();
        assert_eq!(serde_json::from_slice::<TlsReport>(&json).unwrap(), report);
    }
}
