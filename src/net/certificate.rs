//! When a certificate ends, and which hosts it is for: what rustls does not tell of X.509.

use crate::base::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
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
    time(kind, std::str::from_utf8(not_after).ok()?)
}

/// `notBefore`.
pub(super) fn begins(der: &[u8]) -> Option<Timestamp> {
    let (validity, _) = validity(der)?;
    let (kind, not_before, _) = element(validity)?;
    time(kind, std::str::from_utf8(not_before).ok()?)
}

/// The content of `serialNumber`.
pub(super) fn serial(der: &[u8]) -> Option<Vec<u8>> {
    let (serial, _) = expect(numbered(der)?, INTEGER)?;
    Some(serial.to_vec())
}

/// Does it name itself as who has signed it?
pub(super) fn is_self_signed(der: &[u8]) -> bool {
    let names = || {
        let (issuer, rest) = expect(issued(der)?, SEQUENCE)?;
        let (_validity, rest) = expect(rest, SEQUENCE)?;
        let (subject, _) = expect(rest, SEQUENCE)?;
        Some(issuer == subject)
    };
    names().unwrap_or(false)
}

/// The `keyIdentifier` of its authority (RFC 5280 §4.2.1.1).
pub(super) fn authority_key(der: &[u8]) -> Option<Vec<u8>> {
    let (kind, key, _) = element(extension(der, AUTHORITY_KEY)?)?;
    (kind == KEY_IDENTIFIER).then(|| key.to_vec())
}

/// The host names of a certificate in DER, lower case: `dNSName` of its alternative names
/// (RFC 5280 §4.2.1.6). None when it has none, or they cannot be read.
pub(super) fn names(der: &[u8]) -> Vec<String> {
    let mut rest = extension(der, ALTERNATIVE_NAMES).unwrap_or_default();
    let mut names = Vec::new();
    while let Some((kind, name, behind)) = element(rest) {
        rest = behind;
        let name = std::str::from_utf8(name).ok();
        let name =
            name.filter(|name| kind == DNS_NAME && name.bytes().all(|it| it.is_ascii_graphic()));
        names.extend(name.map(str::to_ascii_lowercase));
    }
    names
}

/// What stands in the `SEQUENCE` of this extension.
fn extension(der: &[u8], wanted: [u8; 3]) -> Option<&[u8]> {
    let (_, rest) = validity(der)?;
    let (_subject, rest) = expect(rest, SEQUENCE)?;
    let (_key, mut rest) = expect(rest, SEQUENCE)?;
    // Unique identifiers may stand before them.
    let extensions = loop {
        match element(rest)? {
            (EXTENSIONS, value, _) => break value,
            (_, _, behind) => rest = behind,
        }
    };
    let (mut extensions, _) = expect(extensions, SEQUENCE)?;
    loop {
        let (extension, behind) = expect(extensions, SEQUENCE)?;
        extensions = behind;
        let (name, rest) = expect(extension, OBJECT_IDENTIFIER)?;
        if name != wanted {
            continue;
        }
        // `critical` may stand before the value.
        let value = match element(rest)? {
            (OCTET_STRING, value, _) => value,
            (_, _, behind) => expect(behind, OCTET_STRING)?.0,
        };
        return expect(value, SEQUENCE).map(|(content, _)| content);
    }
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

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, value, rest) = element(der)?;
    (found == tag).then_some((value, rest))
}

/// The tag, the value and what follows (X.690 §8.1).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, der) = der.split_first()?;
    let (&first, der) = der.split_first()?;
    let (length, der) = if first < 0x80 {
        (usize::from(first), der)
    } else {
        let digits = usize::from(first & 0x7f);
        // Indefinite lengths are not DER, and nobody has a certificate of 2^32 bytes.
        if digits == 0 || digits > 4 {
            return None;
        }
        let (bytes, rest) = der.split_at_checked(digits)?;
        let length = bytes
            .iter()
            .fold(0_usize, |sum, &byte| (sum << 8) | usize::from(byte));
        (length, rest)
    };
    let (value, rest) = der.split_at_checked(length)?;
    Some((tag, value, rest))
}

/// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ`, or `YYYYMMDDHHMMSSZ`.
fn time(kind: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let long = match kind {
        // §4.1.2.5.1: 50 to 99 is the last century.
        UTC_TIME if digits.len() == 12 => {
            let century = if digits < "50" { "20" } else { "19" };
            format!("{century}{digits}")
        }
        GENERALIZED_TIME if digits.len() == 14 => digits.to_owned(),
        _ => return None,
    };
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", long).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    // One that ended before 1970 has ended, too.
    Some(Timestamp::from_millis(
        u64::try_from(at.as_millisecond()).unwrap_or_default(),
    ))
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

    #[test]
    fn a_time_that_is_none_is_not_guessed() {
        for (kind, text) in [
            (UTC_TIME, "270228000000"),
            (UTC_TIME, "20270228000000Z"),
            (UTC_TIME, "271328000000Z"),
            (GENERALIZED_TIME, "20270228000000.5Z"),
            (SEQUENCE, "270228000000Z"),
            (UTC_TIME, "+10228000000Z"),
        ] {
            assert_eq!(time(kind, text), None, "{text}");
        }
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
