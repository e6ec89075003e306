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

/// The same for one part of a path or of a query: a slash in it begins no other.
#[must_use]
pub fn percent_encoded_part(text: &str) -> String {
    percent_encoded(text).replace('/', "%2F")
}

/// What stands behind the `?` of an address: the names that have a value, in this order.
#[must_use]
pub fn query_words<'a>(named: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let named = named.into_iter();
    let words = named.filter_map(|(name, value)| {
        value.map(|value| format!("{name}={}", percent_encoded_part(&value)))
    });
    words.collect::<Vec<_>>().join("&")
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
        assert_eq!(
            super::percent_encoded_part("../a?b#c/d e"),
            "..%2Fa%3Fb%23c%2Fd%20e"
        );
        let named = [
            ("a", Some("b&c/d".to_owned())),
            ("e", None),
            ("f", Some("g".to_owned())),
        ];
        assert_eq!(super::query_words(named), "a=b%26c%2Fd&f=g");
        assert_eq!(super::percent_decoded("100% %zz %f"), "100% %zz %f");
    }
}
