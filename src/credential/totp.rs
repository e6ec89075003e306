//! Codes of an authenticator app (RFC 6238, as all apps have it: SHA-1, 6 digits, 30 seconds), and
//! the picture with which it learns the secret. Pure.

use std::fmt::Write as _;

use fast_qr::QRBuilder;
use ring::hmac;

use crate::base::{Timestamp, percent_encoded, percent_encoded_part};

/// Bytes of a secret; RFC 4226 §4 asks for 16 at least.
pub(crate) const SECRET: usize = 20;
/// RFC 6238 §4: a code is good for so many seconds.
const STEP: u64 = 30;
const DIGITS: u32 = 1_000_000;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step of time in which the typed code is good, if it is later than `last`. Clocks may differ
/// by one step (RFC 6238 §5.2), and no code is good twice.
pub(crate) fn accepted(secret: &[u8], typed: &str, (now, last): (Timestamp, u64)) -> Option<u64> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let typed: u32 = digits.parse().ok()?;
    let step = now.as_secs() / STEP;
    let near = [step, step.saturating_sub(1), step + 1];
    near.into_iter()
        .find(|step| *step > last && code(secret, *step) == Some(typed))
}

/// RFC 4226 §5.3.
fn code(secret: &[u8], step: u64) -> Option<u32> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last()? & 0x0f);
    let four = bytes.get(offset..offset + 4)?.try_into().ok()?;
    Some((u32::from_be_bytes(four) & 0x7fff_ffff) % DIGITS)
}

/// RFC 4648 §6, without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut rest, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        rest = (rest << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(rest >> bits));
        }
        rest &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(letter(rest << (5 - bits)));
    }
    text
}

fn letter(five_bits: u32) -> char {
    let at = usize::try_from(five_bits & 31).unwrap_or_default();
    BASE32.get(at).copied().map_or('A', char::from)
}

/// The bytes of [`base32`]; `None` for anything else.
pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut rest, mut bits) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let five = BASE32.iter().position(|one| *one == letter)?;
        rest = (rest << 5) | u32::try_from(five).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((rest >> bits) & 0xff).ok()?);
            rest &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// The address that a picture carries to the app: whose codes, of what, with which secret.
pub(crate) fn uri(site: &str, account: &str, secret: &str) -> String {
    let (site, account) = (percent_encoded_part(site), percent_encoded(account));
    format!("otpauth://totp/{site}:{account}?secret={secret}&issuer={site}")
}

/// A QR code as the path of an SVG picture, and its width in modules; `None` when the text is too
/// long for one. A quiet zone of four modules belongs around it.
pub(crate) fn picture(text: &str) -> Option<(String, usize)> {
    let code = QRBuilder::new(text).build().ok()?;
    let mut path = String::new();
    for (y, row) in code.data.chunks(code.size).take(code.size).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, other| one.value() == other.value()) {
            if run.first().is_some_and(|module| module.value()) {
                // Writing to a String cannot fail.
                write!(path, "M{x} {y}h{}v1h-{}z", run.len(), run.len()).ok();
            }
            x += run.len();
        }
    }
    Some((path, code.size))
}

/// What the app shows at a moment.
#[cfg(test)]
pub(crate) fn shown(secret: &[u8], now: Timestamp) -> String {
    format!("{:06}", code(secret, now.as_secs() / STEP).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, digits) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(code(KEY, seconds / 30), Some(digits), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_clocks_may_differ_by_one_step() {
        assert_eq!(accepted(KEY, "287082", (at(59), 0)), Some(1));
        assert_eq!(accepted(KEY, " 287 082", (at(89), 0)), Some(1));
        assert_eq!(accepted(KEY, "287082", (at(29), 0)), Some(1));
        assert_eq!(accepted(KEY, "287082", (at(90), 0)), None);
        assert_eq!(accepted(KEY, "287082", (at(59), 1)), None);
        for wrong in ["287083", "", "28708", "2870820", "+87082", "abcdef"] {
            assert_eq!(accepted(KEY, wrong, (at(59), 0)), None, "{wrong}");
        }
    }

    /// RFC 4648 §10.
    #[test]
    fn secrets_are_written_as_apps_read_them() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
            assert_eq!(from_base32(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(from_base32("mzxw6"), None);
        assert_eq!(
            uri("Example: Mail", "ann@example.org", "MZXW6"),
            "otpauth://totp/Example%3A%20Mail:ann%40example.org\
             ?secret=MZXW6&issuer=Example%3A%20Mail"
        );
    }

    /// The finder patterns stand in three corners, as ISO 18004 has them.
    #[test]
    fn a_picture_has_its_three_corners() {
        let (path, size) = picture(&uri("Mail", "ann@example.org", &base32(KEY))).unwrap();
        let far = size - 7;
        for corner in [
            "M0 0h7v1h-7z".to_owned(),
            format!("M{far} 0h7v1h-7z"),
            format!("M0 {far}h7v1h-7z"),
        ] {
            assert!(path.contains(&corner), "{corner} in {path}");
        }
        assert!(picture(&"x".repeat(10_000)).is_none());
    }
}
