//! Names of domains as they are compared and looked up.

use crate::smtp::Domain;

/// A domain or selector in lower case and ASCII, without the dot at its end. `None`: no name
/// that could be asked for.
pub(super) fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let key = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        // RFC 8616 §4: names of other scripts.
        text.parse::<Domain>().ok()?.key()
    };
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    let label = |it: &str| (1..=63).contains(&it.len()) && it.bytes().all(legal);
    (key.len() <= 253 && key.split('.').all(label)).then_some(key)
}

/// Is it the domain, or below it?
pub(crate) fn is_within(name: &str, domain: &str) -> bool {
    let front = name.strip_suffix(domain);
    front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared() {
        assert_eq!(
            key(" Mail.Example.ORG. ").as_deref(),
            Some("mail.example.org")
        );
        assert_eq!(
            key("bücher.example").as_deref(),
            Some("xn--bcher-kva.example")
        );
        for wrong in [
            "",
            ".",
            "a..b",
            "a b",
            "[192.0.2.1]",
            "a\r\nb",
            &"a".repeat(64),
        ] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
        assert!(is_within("a.example.org", "example.org"));
        assert!(is_within("example.org", "example.org"));
        assert!(!is_within("bexample.org", "example.org"));
    }
}
