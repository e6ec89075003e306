//! Names of folders as people read them: modified UTF-7 (RFC 3501 §5.1.3). Pure.

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Decodes a name; one that is none stays as it is, and what is neither ASCII nor UTF-8 becomes
/// `?`.
pub(super) fn readable(name: &[u8]) -> String {
    let text: String = if let Ok(text) = std::str::from_utf8(name) {
        text.to_owned()
    } else {
        let letters = name.iter().map(|byte| char::from(*byte));
        letters
            .map(|c| if c.is_ascii() { c } else { '?' })
            .collect()
    };
    let decoded = decode(&text).unwrap_or(text);
    decoded.chars().filter(|c| !c.is_control()).collect()
}

/// `None` when it is no modified UTF-7.
fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        let (coded, behind) = after.split_once('-')?;
        if coded.is_empty() {
            decoded.push('&');
        } else {
            decoded.push_str(&utf16(coded)?);
        }
        rest = behind;
    }
    decoded.push_str(rest);
    Some(decoded)
}

fn utf16(coded: &str) -> Option<String> {
    // "," stands for "/", and there is no padding.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
    let alphabet = Alphabet::new(alphabet).ok()?;
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&alphabet, config).decode(coded).ok()?;
    let units = bytes.chunks_exact(2);
    let units = units.filter_map(|pair| match pair {
        [high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    });
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read() {
        for (name, expected) in [
            ("INBOX", "INBOX"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("Gel&APY-schte Elemente", "Gelöschte Elemente"),
            ("Tom &- Jerry", "Tom & Jerry"),
            ("&ZeVnLIqe-", "日本語"),
            ("Entwürfe", "Entwürfe"),
            ("a&b", "a&b"),
            ("a&!!-", "a&!!-"),
        ] {
            assert_eq!(readable(name.as_bytes()), expected);
        }
        assert_eq!(readable(b"a\xff\x1bb"), "a?b");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, coded in "&[A-Za-z0-9+,]{0,20}-") {
            readable(&bytes);
            readable(coded.as_bytes());
        }
    }
}
