//! xtext, RFC 3461 §4: printable ASCII in which `+`, `=` and everything else is `+XX`.

/// Decodes xtext. `None` when it is none. Lower-case hexadecimal digits exist in the wild and
/// are taken.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                plain.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'!'..=b'~' if byte != b'=' => plain.push(byte),
            _ => return None,
        }
    }
    Some(plain)
}

/// Encodes as xtext.
#[must_use]
pub fn encode(plain: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(plain.len());
    for &byte in plain {
        if matches!(byte, b'!'..=b'~') && byte != b'+' && byte != b'=' {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(text, "+{byte:02X}").ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_none() {
        for text in ["a+", "a+4", "a+GG", "a=b", "a b", "ä"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
        assert_eq!(decode("a+2Bb").as_deref(), Some(b"a+b".as_slice()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(plain: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&plain)), Some(plain));
        }
    }
}
