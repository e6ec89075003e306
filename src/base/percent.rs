//! Text inside of addresses.

/// Percent-encodes what is not unreserved (RFC 3986 §2.3), keeping slashes.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(encoded, "%{byte:02X}").ok();
        }
        encoded
    })
}

/// RFC 3986 §2.1; what would be no text stays as it is.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let mut ahead = rest.clone();
        let pair = (byte == b'%').then(|| digit(ahead.next()).zip(digit(ahead.next())));
        if let Some(Some((high, low))) = pair {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = ahead;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_could_mean_something_is_encoded() {
        let odd = super::percent_encoded("a/b c&d=é%");
        assert_eq!(odd, "a/b%20c%26d%3D%C3%A9%25");
        assert_eq!(super::percent_decoded(&odd), "a/b c&d=é%");
        assert_eq!(super::percent_decoded("100% %zz %f"), "100% %zz %f");
    }
}
