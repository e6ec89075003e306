//! The TXT record of `_smtp._tls.DOMAIN` (RFC 8460 §3): who asks for reports, and where.

use crate::base::percent_decoded;
use crate::limits;
use crate::net::HttpPlace;
use crate::smtp::Mailbox;

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// By mail (RFC 8460 §5.3).
    Mail(Mailbox),
    /// By POST to a place with https (§5.4).
    Post(HttpPlace),
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mail(to) => write!(f, "{to}"),
            Self::Post(place) => write!(f, "https://{}", place.name()),
        }
    }
}

/// Where the domain with these records wants its reports; nowhere that we understand: empty.
/// `None`: it asks for none.
#[must_use]
pub fn destinations(texts: &[String]) -> Option<Vec<Destination>> {
    let mut records = texts.iter().filter_map(|text| fields(text));
    // RFC 8460 §3: not exactly one is none.
    let (fields, None) = (records.next()?, records.next()) else {
        return None;
    };
    let mut found = Vec::new();
    // What has another name belongs to later versions (§3).
    let named = fields.split(';').filter_map(|field| field.split_once('='));
    let places = named.filter(|(name, _)| name.trim() == "rua");
    for (_, value) in places.take(1) {
        found.extend(value.split(',').filter_map(|uri| destination(uri.trim())));
    }
    found.truncate(limits::TLS_REPORT_PLACES);
    Some(found)
}

/// What stands behind the version.
fn fields(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("v=TLSRPTv1")?;
    rest.trim_start_matches([' ', '\t']).strip_prefix(';')
}

fn destination(uri: &str) -> Option<Destination> {
    let (scheme, rest) = uri.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "mailto" => {
            // RFC 6068 §2: what stands behind the address would be ours to write.
            let address = rest.split('?').next().unwrap_or_default();
            let address: Mailbox = percent_decoded(address).parse().ok()?;
            let is_usable = address.is_ascii() && !address.is_routed();
            is_usable.then_some(Destination::Mail(address))
        }
        "https" => HttpPlace::of(&format!("https:{rest}")).map(Destination::Post),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(texts: &[&str]) -> Option<Vec<String>> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let found = destinations(&texts)?;
        Some(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn who_asks_is_understood() {
        for (texts, expected) in [
            // RFC 8460 §3.1.
            (
                &["v=TLSRPTv1;rua=mailto:reports@example.com"][..],
                &["reports@example.com"][..],
            ),
            (
                &["v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"],
                &["https://reporting.example.com"],
            ),
            (
                &["v=TLSRPTv1; rua=mailto:a@b.example , HTTPS://c.example/d;"],
                &["a@b.example", "https://c.example"],
            ),
            (
                &["v=TLSRPTv1 ; x=y; rua=MAILTO:a%2bb@c.example?subject=z; rua=mailto:d@e.example"],
                &["a+b@c.example"],
            ),
            // Others are discarded.
            (
                &[
                    "v=spf1 -all",
                    "v=TLSRPTv1;rua=mailto:a@b.example",
                    "v=TLSRPTv2;rua=mailto:c@d.e",
                ],
                &["a@b.example"],
            ),
            // Nobody whom we understand.
            (&["v=TLSRPTv1; rua=ftp://a.example/"], &[]),
            (&["v=TLSRPTv1;"], &[]),
            (
                &["v=TLSRPTv1; rua=http://a.example/,https://,mailto:,mailto:x"],
                &[],
            ),
            // Nothing gets into a header, nobody is added, no route is taken.
            (
                &["v=TLSRPTv1; rua=mailto:a@b.example%0d%0aBcc:c@d.example"],
                &[],
            ),
            (&["v=TLSRPTv1; rua=mailto:a@b.example%2Cc@d.example"], &[]),
            (&["v=TLSRPTv1; rua=https://user@a.example/"], &[]),
        ] {
            let expected: Vec<String> = expected.iter().map(|&it| it.to_owned()).collect();
            assert_eq!(shown(texts), Some(expected), "{texts:?}");
        }
    }

    #[test]
    fn who_does_not_ask_gets_nothing() {
        for texts in [
            &[][..],
            &["v=TLSRPTv1"],
            &["v=TLSRPTv11; rua=mailto:a@b.example"],
            &["v=tlsrptv1; rua=mailto:a@b.example"],
            &["rua=mailto:a@b.example; v=TLSRPTv1;"],
            &[
                "v=TLSRPTv1; rua=mailto:a@b.example",
                "v=TLSRPTv1; rua=mailto:a@b.example",
            ],
        ] {
            assert_eq!(shown(texts), None, "{texts:?}");
        }
    }

    #[test]
    fn places_are_bounded() {
        let many: Vec<String> = (0..500)
            .map(|it| format!("mailto:a{it}@b.example"))
            .collect();
        let text = format!("v=TLSRPTv1; rua={}", many.join(","));
        let found = shown(&[&text]).unwrap();
        assert_eq!(found.len(), limits::TLS_REPORT_PLACES);
    }
}
