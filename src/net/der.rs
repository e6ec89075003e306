//! What X.509 is written in (X.690, DER), as far as it is read here.

use crate::base::Timestamp;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The value of what has to be there, and what follows.
pub(super) fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, value, rest) = element(der)?;
    (found == tag).then_some((value, rest))
}

/// The tag, the value and what follows (X.690 §8.1).
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
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

/// What follows one another, each with its tag; what cannot be read ends it.
pub(super) fn elements(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, value, rest) = element(der)?;
        der = rest;
        Some((tag, value))
    })
}

/// What stands in the `SEQUENCE` of one of these extensions (RFC 5280 §4.1, §5.1).
pub(super) fn extension(extensions: &[u8], wanted: [u8; 3]) -> Option<&[u8]> {
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

/// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ`, or `YYYYMMDDHHMMSSZ`.
pub(super) fn time(kind: u8, text: &[u8]) -> Option<Timestamp> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
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
    use super::*;

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
            assert_eq!(time(kind, text.as_bytes()), None, "{text}");
        }
    }
}
