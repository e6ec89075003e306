//! When a certificate ends: the one field of X.509 that rustls does not tell.

use crate::base::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT Version`.
const VERSION: u8 = 0xa0;

/// `notAfter` of a certificate in DER; `None`: it cannot be read (RFC 5280 §4.1).
pub(super) fn ends(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (to_be_signed, _) = expect(certificate, SEQUENCE)?;
    let rest = match element(to_be_signed)? {
        (VERSION, _, rest) => rest,
        _ => to_be_signed,
    };
    let (_serial, rest) = expect(rest, INTEGER)?;
    let (_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (_, _not_before, rest) = element(validity)?;
    let (kind, not_after, _) = element(rest)?;
    time(kind, std::str::from_utf8(not_after).ok()?)
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
        fn whatever_stands_there_is_survived(cut in 0_usize..400, at in 0_usize..400, to: u8) {
            let mut der = made_until(2027);
            if let Some(byte) = der.get_mut(at) {
                *byte = to;
            }
            der.truncate(cut);
            prop_assert!(ends(&der).is_none_or(|it| it.as_millis() < u64::MAX));
        }
    }
}
