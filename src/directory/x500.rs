//! X.500 addresses of old Exchange servers, and how Outlook writes them when they leave the house:
//! `IMCEAEX-_O=ORG_OU=SITE_CN=RECIPIENTS_CN=ANN+20ARCHER@example.org`.

use std::fmt::Write as _;

use crate::smtp::Mailbox;

const PREFIX: &str = "imceaex-";

/// The form under which an X.500 address is looked up: lower case, as Exchange compares them.
#[must_use]
pub fn x500_key(x500: &str) -> String {
    let bare = x500.trim();
    let bare = match bare.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("x500:") => bare.get(5..).unwrap_or(bare),
        _ => bare,
    };
    bare.to_lowercase()
}

/// Is it how Outlook writes an X.500 address? Asked of every recipient, so it is cheap.
#[must_use]
pub fn is_encapsulated(address: &Mailbox) -> bool {
    let local = address.local().trim_start_matches('"');
    let begin = local.get(..PREFIX.len()).unwrap_or_default();
    begin.eq_ignore_ascii_case(PREFIX)
}

/// The X.500 address in an `IMCEAEX-` address; `None` when it is no such address. The domain is
/// that of whoever encapsulated it and says nothing about the person.
#[must_use]
pub fn decapsulate(address: &Mailbox) -> Option<String> {
    let local = address.unquoted_local();
    let encoded = match local.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => local.get(PREFIX.len()..)?,
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match first {
            b'_' => bytes.push(b'/'),
            b'+' => match hexadecimal(more) {
                Some((byte, after)) => {
                    bytes.push(byte);
                    rest = after;
                }
                // Not encoded by an Exchange: as it stands.
                None => bytes.push(b'+'),
            },
            other => bytes.push(*other),
        }
    }
    // Old servers encode Latin-1, newer ones UTF-8.
    let text = String::from_utf8(bytes);
    let text =
        text.unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
    (!text.is_empty()).then_some(text)
}

/// The `IMCEAEX-` address of an X.500 address, as Exchange makes it.
#[must_use]
pub fn encapsulate(x500: &str, domain: &str) -> String {
    let mut local = String::from("IMCEAEX-");
    for byte in x500.bytes() {
        match byte {
            b'/' => local.push('_'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'=' | b'-' => local.push(char::from(byte)),
            other => {
                // Writing to a String cannot fail.
                write!(local, "+{other:02X}").ok();
            }
        }
    }
    format!("{local}@{domain}")
}

fn hexadecimal(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<2>()?;
    let text = std::str::from_utf8(digits).ok()?;
    let all = text.chars().all(|c| c.is_ascii_hexdigit());
    let byte = all.then(|| u8::from_str_radix(text, 16).ok())??;
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<String> {
        decapsulate(&text.parse().unwrap())
    }

    #[test]
    fn replies_to_old_internal_mail_are_understood() {
        for (text, expected) in [
            (
                "IMCEAEX-_O=ORG_OU=FIRST+20ADMINISTRATIVE+20GROUP_CN=RECIPIENTS_CN=ANN@example.org",
                Some("/O=ORG/OU=FIRST ADMINISTRATIVE GROUP/CN=RECIPIENTS/CN=ANN"),
            ),
            (
                "imceaex-_O=MMS_OU=E+20+28FYDIBOHF23SPDLT+29_CN=RECIPIENTS_CN=a+2Eb+5Fc@x.example",
                Some("/O=MMS/OU=E (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=a.b_c"),
            ),
            ("IMCEAEX-_o=M+C3+BCller@example.org", Some("/o=Müller")),
            ("IMCEAEX-_o=a+zz+4@example.org", Some("/o=a+zz+4")),
            ("IMCEAEX-@example.org", None),
            ("ann@example.org", None),
            ("\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}@example.org", None),
        ] {
            assert_eq!(decoded(text).as_deref(), expected, "{text}");
        }
        for (text, is) in [
            ("IMCEAEX-_O=ORG@example.org", true),
            ("\"imceaex-_O=A B\"@example.org", true),
            ("ann@example.org", false),
            ("üüüüü@example.org", false),
        ] {
            assert_eq!(is_encapsulated(&text.parse().unwrap()), is, "{text}");
        }
        assert_eq!(x500_key(" X500:/o=Org/cn=Ann"), "/o=org/cn=ann");
    }

    proptest! {
        #[test]
        fn what_is_encapsulated_comes_back(x500 in "/o=[a-zA-Z0-9 ()._+äß-]{1,30}") {
            let address = encapsulate(&x500, "example.org");
            prop_assert_eq!(decoded(&address), Some(x500));
        }
    }
}
