//! The field `TLS-Required`, RFC 8689 §3.

use super::originators::skip_comment;

/// Does the body of the field say `No`? It is read as the standard has it (`[CFWS] "No" [CFWS]`)
/// and not otherwise: what cannot be read lets no policy be passed over.
#[must_use]
pub fn says_tls_optional(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let (mut word, mut is_over) = (String::new(), false);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '(' if skip_comment(&mut rest).is_none() => return false,
            '(' | ' ' | '\t' | '\r' | '\n' => is_over = !word.is_empty(),
            _ if is_over => return false,
            c => word.push(c),
        }
    }
    word.eq_ignore_ascii_case("No")
}

#[cfg(test)]
mod tests {
    use super::says_tls_optional;

    #[test]
    fn only_what_the_standard_has_counts() {
        for (body, expected) in [
            (" No\r\n", true),
            ("nO", true),
            ("\tNO \r\n", true),
            (" (so (it) \\) be)\r\n no(t secret)\r\n", true),
            (" (\u{e4})No\r\n", true),
            ("", false),
            ("\r\n", false),
            (" (No)\r\n", false),
            (" Yes\r\n", false),
            (" N o\r\n", false),
            (" N(x)o\r\n", false),
            (" No No\r\n", false),
            (" No;\r\n", false),
            (" \"No\"\r\n", false),
            (" No (open\r\n", false),
            (" No)\r\n", false),
            (" None\r\n", false),
        ] {
            assert_eq!(says_tls_optional(body.as_bytes()), expected, "{body:?}");
        }
        assert!(!says_tls_optional(b" No (\xff)\r\n"));
    }
}
