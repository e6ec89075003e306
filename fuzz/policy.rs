//! What the fuzz target of policies does with its input: what domains of others ask of those who
//! send to them, in their policy files (MTA-STS, RFC 8461) and in the DNS (RFC 8461, RFC 8460).

use tideover::limits;
use tideover::outbound::{ReportDestination, StsPolicy, report_destinations, sts_record_id};

/// A policy that is understood is printed so that it is understood the same, and covers the hosts
/// that it names and no others; an id can stand in a file name; a report goes to few places, all of
/// which can be written down.
pub(crate) fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(policy) = StsPolicy::parse(text) {
        check_policy(&policy);
    }
    let records: Vec<String> = text.split('\0').map(str::to_owned).collect();
    if let Some(id) = sts_record_id(&records) {
        assert!((1..=32).contains(&id.len()), "{id:?}");
        assert!(id.bytes().all(|it| it.is_ascii_alphanumeric()), "{id:?}");
    }
    let places = report_destinations(&records).unwrap_or_default();
    assert!(places.len() <= limits::TLS_REPORT_PLACES);
    for place in &places {
        check_place(place);
    }
}

fn check_policy(policy: &StsPolicy) {
    let printed = policy.to_string();
    assert_eq!(
        StsPolicy::parse(&printed).as_ref(),
        Ok(policy),
        "{printed:?}"
    );
    assert!(policy.max_age.as_secs() <= 31_557_600, "longer than a year");
    for host in policy.hosts() {
        match host.strip_prefix("*.") {
            None => assert!(policy.covers(host), "{host:?}"),
            Some("") => {}
            Some(domain) => {
                assert!(policy.covers(&format!("Mx.{domain}.")), "{host:?}");
                let only = StsPolicy::new(policy.mode, vec![host.clone()], policy.max_age);
                for other in [
                    domain.to_owned(),
                    format!("a.b.{domain}"),
                    format!(".{domain}"),
                ] {
                    assert!(!only.covers(&other), "{host:?} is no {other:?}");
                }
            }
        }
    }
}

fn check_place(place: &ReportDestination) {
    let shown = place.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    if let ReportDestination::Mail(to) = place {
        assert!(to.is_ascii() && !to.is_routed(), "{shown:?}");
    }
}
