//! The field `Authentication-Results`, RFC 8601: written, and known as one that claims to be ours.

use std::fmt::Write as _;

use crate::mail::{MethodResult, Verdict};

/// The field with its CRLF, folded; `id` is our host name.
#[must_use]
pub fn results_field(id: &str, verdict: &Verdict) -> String {
    format!("Authentication-Results: {}\r\n", results_value(id, verdict))
}

/// What stands behind the colon.
pub(super) fn results_value(id: &str, verdict: &Verdict) -> String {
    let mut out = id.to_owned();
    if verdict.results.is_empty() {
        out.push_str("; none");
    }
    for result in &verdict.results {
        out.push_str(";\r\n\t");
        line(result, verdict, &mut out);
    }
    out
}

fn line(result: &MethodResult, verdict: &Verdict, out: &mut String) {
    // Writing to a String cannot fail.
    write!(out, "{}={}", result.method.as_str(), result.result.as_str()).ok();
    if let Some(reason) = &result.reason {
        write!(out, "\r\n\t reason={}", value(reason, Quoted::Always)).ok();
    }
    if verdict.dmarc() == Some(result)
        && let Some(policy) = verdict.policy
    {
        write!(out, " (p={policy})").ok();
    }
    for (name, text) in &result.properties {
        write!(out, " {name}={}", value(text, Quoted::WhenNeeded)).ok();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    Always,
    WhenNeeded,
}

/// RFC 8601 §2.2: a token of RFC 2045, or quoted. What is not printable does not get through.
fn value(text: &str, quoted: Quoted) -> String {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(c);
    if quoted == Quoted::WhenNeeded && !text.is_empty() && text.chars().all(token) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

/// Whose results a field claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Ours: it is a forgery, or from an earlier visit. RFC 8601 §5: to be removed.
    Ours,
    /// Somebody else's.
    Foreign,
    /// The field is not long enough to say.
    Open,
}

/// Looks at the value of an `Authentication-Results` field, or at the beginning of it.
#[must_use]
pub fn claim(value: &[u8], id: &str) -> Claim {
    let Some(found) = authserv_id(value) else {
        return Claim::Open;
    };
    // What some readers take for it: with the root's dot, with a version as of a method.
    let bare = found.split(|byte| *byte == b'/').next().unwrap_or_default();
    let bare = bare.strip_suffix(b".").unwrap_or(bare);
    if bare.eq_ignore_ascii_case(id.as_bytes()) {
        Claim::Ours
    } else {
        Claim::Foreign
    }
}

/// RFC 8601 §2.2: `[CFWS] authserv-id [CFWS version] [CFWS] …`; `None` while it has no end.
fn authserv_id(value: &[u8]) -> Option<Vec<u8>> {
    let (mut id, mut depth, mut escaped, mut quoted) = (Vec::new(), 0_usize, false, false);
    for &byte in value {
        let was_escaped = std::mem::take(&mut escaped);
        match byte {
            b'\\' if !was_escaped && (depth > 0 || quoted) => escaped = true,
            b'(' if !was_escaped && !quoted => {
                if depth == 0 && !id.is_empty() {
                    return Some(id);
                }
                depth += 1;
            }
            b')' if !was_escaped && depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            b'"' if !was_escaped => {
                if quoted {
                    return Some(id);
                }
                quoted = true;
            }
            b' ' | b'\t' | b'\r' | b'\n' | b';' if !quoted => {
                if !id.is_empty() || byte == b';' {
                    return Some(id);
                }
            }
            byte => id.push(byte),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::{AuthMethod, AuthResult, DmarcPolicy};

    #[test]
    fn the_field_is_written() {
        let verdict = Verdict {
            results: vec![
                MethodResult::new(AuthMethod::Iprev, AuthResult::Pass)
                    .of("policy.iprev", "2001:db8::1"),
                MethodResult::new(AuthMethod::Dkim, AuthResult::Fail)
                    .because("the body was changed")
                    .of("header.d", "example.org")
                    .of("header.b", "a\r\n/\"="),
                MethodResult::new(AuthMethod::Dmarc, AuthResult::Fail)
                    .of("header.from", "example.org"),
            ],
            policy: Some(DmarcPolicy::Reject),
            ..Verdict::default()
        };
        assert_eq!(
            results_field("mx.example.org", &verdict),
            "Authentication-Results: mx.example.org;\r\n\
             \tiprev=pass policy.iprev=\"2001:db8::1\";\r\n\
             \tdkim=fail\r\n\t reason=\"the body was changed\" header.d=example.org \
             header.b=\"a??/\\\"=\";\r\n\
             \tdmarc=fail (p=reject) header.from=example.org\r\n"
        );
        let nothing = results_field("a", &Verdict::default());
        assert_eq!(nothing, "Authentication-Results: a; none\r\n");
    }

    #[test]
    fn our_own_name_is_seen_however_it_is_written() {
        for value in [
            " mx.example.org; spf=pass",
            "MX.Example.ORG;spf=pass",
            "\tmx.example.org 1; spf=pass",
            "\r\n mx.example.org\r\n ;",
            " (a (nested) \\) comment)mx.example.org(x); none",
            " \"mx.example.org\"; none",
            " \"mx.ex\\ample.org\" 1;",
            " mx.example.org.; none",
            " mx.example.org/1; none",
            " \"mx.example.org.\"/1; none",
        ] {
            assert_eq!(
                claim(value.as_bytes(), "mx.example.org"),
                Claim::Ours,
                "{value}"
            );
        }
        for value in [
            " mx.example.org.evil.example; spf=pass",
            " other; mx.example.org",
            " ; mx.example.org",
            " (mx.example.org) other;",
        ] {
            let found = claim(value.as_bytes(), "mx.example.org");
            assert_eq!(found, Claim::Foreign, "{value}");
        }
        for value in ["", " (open", " \r\n ", "mx.example.org", "\"mx"] {
            let found = claim(value.as_bytes(), "mx.example.org");
            assert_eq!(found, Claim::Open, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let whole = [value.as_slice(), b";"].concat();
            if claim(&value, "mx.example.org") == Claim::Ours {
                prop_assert_eq!(claim(&whole, "mx.example.org"), Claim::Ours);
            }
        }

        /// One line for each result, whatever a stranger's name is made of.
        #[test]
        fn no_value_breaks_the_field(text in "\\PC{0,20}|[\r\n\"\\\\;()]{0,9}") {
            let result = MethodResult::new(AuthMethod::Spf, AuthResult::Pass);
            let verdict = Verdict {
                results: vec![result.of("smtp.mailfrom", text)],
                ..Verdict::default()
            };
            let field = results_field("a", &verdict);
            prop_assert_eq!(field.matches('\n').count(), 2);
            prop_assert!(field.is_ascii());
        }
    }
}
