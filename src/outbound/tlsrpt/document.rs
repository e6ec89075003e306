//! What a report says: the JSON of RFC 8460 §4.4.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::tls_day::DayOf;
use super::super::tls_report::{Applied, PolicyKind, Row, SUCCESS};
use crate::base::Timestamp;

/// A report to one domain on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TlsReport {
    /// Who reports.
    pub organization_name: String,
    /// The day, UTC.
    pub date_range: DateRange,
    /// Whom to ask.
    pub contact_info: String,
    /// The same at each attempt to send it.
    pub report_id: String,
    /// One for each policy that counted.
    pub policies: Vec<PolicyReport>,
}

/// A day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DateRange {
    /// Its first second.
    pub start_datetime: String,
    /// Its last one.
    pub end_datetime: String,
}

/// The sessions to which one policy applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyReport {
    /// The policy.
    pub policy: ReportedPolicy,
    /// How many.
    pub summary: SessionSummary,
    /// How they failed; left out while none did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failure_details: Vec<FailureDetail>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReportedPolicy {
    /// Its kind.
    pub policy_type: ReportedKind,
    /// Its lines, or TLSA records; left out when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_string: Vec<String>,
    /// The domain, or the host that has the TLSA records.
    pub policy_domain: String,
    /// The hosts that a policy of MTA-STS names; left out when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mx_host: Vec<String>,
}

/// `policy-type`, RFC 8460 §4.2. It has no word for what our own config says, and of that nobody is
/// told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReportedKind {
    /// DANE.
    #[serde(rename = "tlsa")]
    Tlsa,
    /// MTA-STS.
    #[serde(rename = "sts")]
    Sts,
    /// None.
    #[serde(rename = "no-policy-found")]
    Nothing,
}

impl ReportedKind {
    /// `None`: it is in no report.
    #[must_use]
    pub const fn of(kind: PolicyKind) -> Option<Self> {
        match kind {
            PolicyKind::Tlsa => Some(Self::Tlsa),
            PolicyKind::Sts => Some(Self::Sts),
            PolicyKind::Nothing => Some(Self::Nothing),
            PolicyKind::Local => None,
        }
    }

    /// As RFC 8460 has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tlsa => PolicyKind::Tlsa.as_str(),
            Self::Sts => PolicyKind::Sts.as_str(),
            Self::Nothing => PolicyKind::Nothing.as_str(),
        }
    }
}

/// Sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SessionSummary {
    /// Those that went well.
    pub total_successful_session_count: u64,
    /// The others.
    pub total_failure_session_count: u64,
}

/// Sessions that failed alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FailureDetail {
    /// How, in the words of RFC 8460 §4.3.
    pub result_type: String,
    /// The address they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_mta_ip: Option<String>,
    /// The host they went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving_mx_hostname: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving_ip: Option<String>,
    /// How many.
    pub failed_session_count: u64,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason_code: Option<String>,
}

/// Who reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submitter {
    pub(super) organization: String,
    pub(super) contact: String,
    /// The domain whose key signs.
    pub(super) domain: String,
}

impl TlsReport {
    /// What is known of a day and a domain.
    pub(super) fn of(of: &DayOf, rows: &[(Row, u64)], submitter: &Submitter) -> Self {
        let mut policies: BTreeMap<&Applied, PolicyReport> = BTreeMap::new();
        for (row, sessions) in rows {
            let Some(kind) = ReportedKind::of(row.applied.kind) else {
                continue;
            };
            let new = || PolicyReport::of((kind, &row.applied), &of.domain);
            let report = policies.entry(&row.applied).or_insert_with(new);
            report.add(row, *sessions);
        }
        let (begin, end) = (of.begin(), of.end());
        let day = begin.to_jiff().strftime("%Y%m%d").to_string();
        Self {
            organization_name: submitter.organization.clone(),
            date_range: DateRange {
                start_datetime: second(begin),
                end_datetime: second(Timestamp::from_millis(end.as_millis() - 1)),
            },
            contact_info: submitter.contact.clone(),
            // The same at each attempt: who gets it twice can see that it is one.
            report_id: format!("{day}.{}@{}", of.domain, submitter.domain),
            policies: policies.into_values().collect(),
        }
    }

    /// Its bytes.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// All sessions.
    pub(super) fn summary(&self) -> SessionSummary {
        let all = self.policies.iter().map(|policy| policy.summary);
        all.fold(SessionSummary::default(), |sum, one| SessionSummary {
            total_successful_session_count: sum.total_successful_session_count
                + one.total_successful_session_count,
            total_failure_session_count: sum.total_failure_session_count
                + one.total_failure_session_count,
        })
    }
}

impl PolicyReport {
    fn of((kind, applied): (ReportedKind, &Applied), domain: &str) -> Self {
        let text = applied.text.iter();
        let hosts = text.filter_map(|line| line.strip_prefix("mx: "));
        let hosts = hosts.filter(|_| kind == ReportedKind::Sts);
        Self {
            policy: ReportedPolicy {
                policy_type: kind,
                mx_host: hosts.map(str::to_owned).collect(),
                policy_string: applied.text.clone(),
                policy_domain: applied.host.clone().unwrap_or_else(|| domain.to_owned()),
            },
            summary: SessionSummary::default(),
            failure_details: Vec::new(),
        }
    }

    fn add(&mut self, row: &Row, sessions: u64) {
        if row.result == SUCCESS {
            self.summary.total_successful_session_count += sessions;
            return;
        }
        self.summary.total_failure_session_count += sessions;
        let place = &row.place;
        let text = |ip: &std::net::IpAddr| ip.to_canonical().to_string();
        self.failure_details.push(FailureDetail {
            result_type: row.result.clone(),
            sending_mta_ip: place.source.as_ref().map(text),
            receiving_mx_hostname: place.host.clone(),
            receiving_ip: place.address.as_ref().map(text),
            failed_session_count: sessions,
            failure_reason_code: place.why.clone(),
        });
    }
}

fn second(moment: Timestamp) -> String {
    let text = moment.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ");
    text.to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::outbound::sts::StsPolicy;
    use crate::outbound::tls_report::Place;

    /// RFC 8460, appendix B. We know no `additional-information`; `report-id` is ours; an address
    /// of IPv6 is written in its short form.
    const EXAMPLE: &str = r#"{
        "organization-name": "Company-X",
        "date-range": {
            "start-datetime": "2016-04-01T00:00:00Z",
            "end-datetime": "2016-04-01T23:59:59Z"
        },
        "contact-info": "sts-reporting@company-x.example",
        "report-id": "20160401.company-y.example@company-x.example",
        "policies": [{
            "policy": {
                "policy-type": "sts",
                "policy-string": ["version: STSv1", "mode: testing",
                    "mx: *.mail.company-y.example", "max_age: 86400"],
                "policy-domain": "company-y.example",
                "mx-host": ["*.mail.company-y.example"]
            },
            "summary": {
                "total-successful-session-count": 5326,
                "total-failure-session-count": 303
            },
            "failure-details": [{
                "result-type": "certificate-expired",
                "sending-mta-ip": "2001:db8:abcd:12::1",
                "receiving-mx-hostname": "mx1.mail.company-y.example",
                "failed-session-count": 100
            }, {
                "result-type": "starttls-not-supported",
                "sending-mta-ip": "2001:db8:abcd:13::1",
                "receiving-mx-hostname": "mx2.mail.company-y.example",
                "receiving-ip": "203.0.113.56",
                "failed-session-count": 200
            }, {
                "result-type": "validation-failure",
                "sending-mta-ip": "198.51.100.62",
                "receiving-ip": "203.0.113.58",
                "receiving-mx-hostname": "mx-backup.mail.company-y.example",
                "failed-session-count": 3,
                "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
            }]
        }]
    }"#;

    /// The day and the rows of the example.
    pub(in crate::outbound::tlsrpt) fn example() -> (DayOf, Vec<(Row, u64)>) {
        let policy = "version: STSv1\nmode: testing\nmx: *.mail.company-y.example\n\
                      max_age: 86400\n";
        let applied = Applied::sts(Some(&StsPolicy::parse(policy).unwrap()));
        let of = DayOf {
            day: 16_892,
            domain: "company-y.example".to_owned(),
        };
        let row = |result: &str, place: Place| Row {
            of: of.clone(),
            applied: applied.clone(),
            result: result.to_owned(),
            place,
        };
        let place = |host: &str, source: &str, address: &str| Place {
            source: source.parse().ok(),
            address: address.parse().ok(),
            ..Place::host(host)
        };
        let rows = vec![
            (
                row(
                    "certificate-expired",
                    place("mx1.mail.company-y.example", "2001:db8:abcd:0012::1", ""),
                ),
                100,
            ),
            (
                row(
                    "starttls-not-supported",
                    place(
                        "MX2.mail.company-y.example.",
                        "2001:db8:abcd:0013::1",
                        "203.0.113.56",
                    ),
                ),
                200,
            ),
            (row("success", Place::default()), 5326),
            (
                row(
                    "validation-failure",
                    place(
                        "mx-backup.mail.company-y.example",
                        "198.51.100.62",
                        "203.0.113.58",
                    )
                    .because("X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"),
                ),
                3,
            ),
        ];
        (of, rows)
    }

    pub(in crate::outbound::tlsrpt) fn company_x() -> Submitter {
        Submitter {
            organization: "Company-X".to_owned(),
            contact: "sts-reporting@company-x.example".to_owned(),
            domain: "company-x.example".to_owned(),
        }
    }

    #[test]
    fn the_example_of_the_standard_is_what_we_say() {
        let (of, rows) = example();
        let report = TlsReport::of(&of, &rows, &company_x());
        let said: serde_json::Value = serde_json::from_slice(&report.to_json()).unwrap();
        let expected: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
        assert_eq!(said, expected, "{said:#}");
        let sums = report.summary();
        assert_eq!(sums.total_successful_session_count, 5326);
        assert_eq!(sums.total_failure_session_count, 303);
    }

    /// RFC 8460 §1.1 and §4.4: TLSA records stand under their host, each policy by itself.
    #[test]
    fn each_policy_counts_by_itself() {
        let (of, _) = example();
        let row = |applied: Applied| Row {
            of: of.clone(),
            applied,
            result: SUCCESS.to_owned(),
            place: Place::default(),
        };
        let record = crate::net::Tlsa {
            usage: 3,
            selector: 1,
            matching: 1,
            data: vec![0x1f, 0x85],
        };
        let rows = [
            (row(Applied::nothing()), 4),
            (row(Applied::tlsa(Some("MX.example."), &[record])), 2),
        ];
        let report = TlsReport::of(&of, &rows, &company_x());
        let policies: Vec<_> = report.policies.iter().map(|it| &it.policy).collect();
        assert_eq!(policies[0].policy_type, ReportedKind::Tlsa);
        assert_eq!(policies[0].policy_domain, "mx.example");
        assert_eq!(policies[0].policy_string, ["3 1 1 1F85"]);
        assert_eq!(policies[1].policy_type, ReportedKind::Nothing);
        assert_eq!(policies[1].policy_domain, "company-y.example");
        let text = String::from_utf8(report.to_json()).unwrap();
        assert!(!text.contains("failure-details"), "{text}");
    }

    /// RFC 8460 §4.2 knows three kinds of policies; what our config says is none of theirs.
    #[test]
    fn nobody_is_told_what_our_config_says() {
        let (of, _) = example();
        let row = |applied: Applied| Row {
            of: of.clone(),
            applied,
            result: SUCCESS.to_owned(),
            place: Place::default(),
        };
        let rows = [(row(Applied::local()), 4), (row(Applied::nothing()), 2)];
        let report = TlsReport::of(&of, &rows, &company_x());
        let kinds: Vec<_> = report
            .policies
            .iter()
            .map(|it| it.policy.policy_type)
            .collect();
        assert_eq!(kinds, [ReportedKind::Nothing]);
        assert_eq!(report.summary().total_successful_session_count, 2);
        let schema = serde_json::to_string(&schemars::schema_for!(TlsReport)).unwrap();
        for kind in ["tlsa", "sts", "no-policy-found"] {
            assert!(schema.contains(&format!("\"{kind}\"")), "{schema}");
        }
        assert!(!schema.contains("\"local\""), "{schema}");
    }
}
