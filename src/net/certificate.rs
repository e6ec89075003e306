//! When a certificate ends, and which hosts it is for: what rustls does not tell of X.509.

use super::der::{INTEGER, SEQUENCE, element, elements, expect, extension, time};
use super::distinguished::common_name;
use crate::base::Timestamp;

/// `[0] EXPLICIT Version`.
const VERSION: u8 = 0xa0;
/// `[3] EXPLICIT Extensions`.
const EXTENSIONS: u8 = 0xa3;
/// `id-ce-subjectAltName`, 2.5.29.17.
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
/// `[2] IMPLICIT IA5String`.
const DNS_NAME: u8 = 0x82;
/// `id-ce-authorityKeyIdentifier`, 2.5.29.35.
const AUTHORITY_KEY: [u8; 3] = [0x55, 0x1d, 0x23];
/// `[0] IMPLICIT KeyIdentifier`.
const KEY_IDENTIFIER: u8 = 0x80;

/// `notAfter` of a certificate in DER; `None`: it cannot be read (RFC 5280 §4.1).
pub(super) fn ends(der: &[u8]) -> Option<Timestamp> {
    let (validity, _) = validity(der)?;
    let (_, _not_before, rest) = element(validity)?;
    let (kind, not_after, _) = element(rest)?;
    time(kind, not_after)
}

/// `notBefore`.
pub(super) fn begins(der: &[u8]) -> Option<Timestamp> {
    let (validity, _) = validity(der)?;
    let (kind, not_before, _) = element(validity)?;
    time(kind, not_before)
}

/// The content of `serialNumber`.
pub(super) fn serial(der: &[u8]) -> Option<Vec<u8>> {
    let (serial, _) = expect(numbered(der)?, INTEGER)?;
    Some(serial.to_vec())
}

/// Does it name itself as who has signed it?
pub(super) fn is_self_signed(der: &[u8]) -> bool {
    parties(der).is_some_and(|(issuer, subject)| issuer == subject)
}

/// The common names of who has signed it, and of whose it is; as Postfix's `issuer_CN` and
/// `peer_CN`, for filters. They prove no host.
pub(super) fn common_names(der: &[u8]) -> (Option<String>, Option<String>) {
    let names = parties(der).map(|(issuer, subject)| (common_name(issuer), common_name(subject)));
    names.unwrap_or_default()
}

/// `issuer` and `subject`.
fn parties(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (issuer, rest) = expect(issued(der)?, SEQUENCE)?;
    let (_validity, rest) = expect(rest, SEQUENCE)?;
    let (subject, _) = expect(rest, SEQUENCE)?;
    Some((issuer, subject))
}

/// The `keyIdentifier` of its authority (RFC 5280 §4.2.1.1).
pub(super) fn authority_key(der: &[u8]) -> Option<Vec<u8>> {
    let (kind, key, _) = element(extension(extensions(der)?, AUTHORITY_KEY)?)?;
    (kind == KEY_IDENTIFIER).then(|| key.to_vec())
}

/// The host names of a certificate in DER, lower case: `dNSName` of its alternative names
/// (RFC 5280 §4.2.1.6). None when it has none, or they cannot be read.
pub(super) fn names(der: &[u8]) -> Vec<String> {
    let all = extensions(der).and_then(|all| extension(all, ALTERNATIVE_NAMES));
    let hosts = elements(all.unwrap_or_default()).filter_map(|(kind, name)| {
        let name = std::str::from_utf8(name).ok();
        name.filter(|name| kind == DNS_NAME && name.bytes().all(|it| it.is_ascii_graphic()))
    });
    hosts.map(str::to_ascii_lowercase).collect()
}

/// `extensions`.
fn extensions(der: &[u8]) -> Option<&[u8]> {
    let (_, rest) = validity(der)?;
    let (_subject, rest) = expect(rest, SEQUENCE)?;
    let (_key, rest) = expect(rest, SEQUENCE)?;
    // Unique identifiers may stand before them.
    let mut behind = elements(rest);
    behind.find_map(|(kind, value)| (kind == EXTENSIONS).then_some(value))
}

/// `validity`, and what stands behind it.
fn validity(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_issuer, rest) = expect(issued(der)?, SEQUENCE)?;
    expect(rest, SEQUENCE)
}

/// `issuer`, and what stands behind it.
fn issued(der: &[u8]) -> Option<&[u8]> {
    let (_serial, rest) = expect(numbered(der)?, INTEGER)?;
    let (_algorithm, rest) = expect(rest, SEQUENCE)?;
    Some(rest)
}

/// `serialNumber`, and what stands behind it.
fn numbered(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (to_be_signed, _) = expect(certificate, SEQUENCE)?;
    Some(match element(to_be_signed)? {
        (VERSION, _, rest) => rest,
        _ => to_be_signed,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made_until(year: i32) -> Vec<u8> {
        let mut parameters =
            rcgen::CertificateParams::new(vec!["mx.example.org".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 2, 28);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms_of_time() {
        for (year, expected) in [
            (2027, "2027-02-28T00:00:00Z"),
            (2049, "2049-02-28T00:00:00Z"),
            (2050, "2050-02-28T00:00:00Z"),
            (4096, "4096-02-28T00:00:00Z"),
            (1999, "1999-02-28T00:00:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(ends(&made_until(year)), Some(expected), "{year}");
        }
    }

    #[test]
    fn the_hosts_of_a_certificate_are_read_and_nothing_else_of_its_names() {
        use rcgen::{CertificateParams, KeyPair, SanType};
        let made = |mut parameters: CertificateParams, more: Vec<SanType>| {
            parameters.subject_alt_names.extend(more);
            let key = KeyPair::generate().unwrap();
            names(parameters.self_signed(&key).unwrap().der())
        };
        let hosts = ["MX.example.org", "*.example.net"].map(str::to_owned);
        let more = vec![
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::Rfc822Name("ann@example.org".try_into().unwrap()),
        ];
        let several = CertificateParams::new(hosts.to_vec()).unwrap();
        assert_eq!(made(several, more), ["mx.example.org", "*.example.net"]);
        let bare = CertificateParams::new(Vec::new()).unwrap();
        assert!(made(bare, Vec::new()).is_empty());
        assert!(names(b"junk").is_empty());
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_survived(cut in 0_usize..600, at in 0_usize..600, to: u8) {
            let mut der = made_until(2027);
            if let Some(byte) = der.get_mut(at) {
                *byte = to;
            }
            der.truncate(cut);
            prop_assert!(ends(&der).is_none_or(|it| it.as_millis() < u64::MAX));
            prop_assert!(names(&der).iter().all(|name| name.is_ascii()));
        }
    }
}
