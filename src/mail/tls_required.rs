//! The field `TLS-Required`, RFC 8689 §3.

/// Does the body of the field say `No`? It is read as the standard has it (`[FWS] "No" CRLF`) and
/// not otherwise: what cannot be read lets no policy be passed over. Blanks behind it change
/// nothing; a comment is none of it, in no place.
#[must_use]
pub fn says_tls_optional(body: &[u8]) -> bool {
    body.trim_ascii().eq_ignore_ascii_case(b"No")
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
            ("\r\n no\r\n", true),
            ("", false),
            ("\r\n", false),
            (" (No)\r\n", false),
            (" No (it is no secret)\r\n", false),
            (" (so be it) No\r\n", false),
            (" Yes\r\n", false),
            (" N o\r\n", false),
            (" No No\r\n", false),
            (" No;\r\n", false),
            (" \"No\"\r\n", false),
            (" None\r\n", false),
        ] {
            assert_eq!(says_tls_optional(body.as_bytes()), expected, "{body:?}");
        }
        assert!(!says_tls_optional(b" No\xff\r\n"));
    }
}
