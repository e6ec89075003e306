//! What the reader has seen of a file: its sections and keys, with their lines. A value that may
//! be a secret is not kept, only a print of it that tells whether it has changed.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};
use toml::Spanned;
use toml::de::DeValue;

use crate::base::hex;

/// What is shown instead of a secret.
pub(super) const HIDDEN: &str = "…";

/// A section of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// `backend.onprem`; empty for the file itself.
    pub(super) path: String,
    /// `backend.NAME`.
    pub(super) generic: String,
    /// Which one of a list, from 1.
    pub(super) place: Option<usize>,
    /// The section that it is in, by number.
    pub(super) parent: Option<usize>,
    /// 0: it is not in the file.
    pub(super) line: usize,
    pub(super) keys: BTreeMap<&'static str, SeenKey>,
    /// Defaults that are others here than the reference says.
    pub(super) usual: BTreeMap<&'static str, String>,
}

/// A key that is in the file.
#[derive(Debug, Clone)]
pub(super) struct SeenKey {
    pub(super) line: usize,
    /// As TOML writes it; of a secret what may be seen of it.
    pub(super) shown: String,
    /// Of a secret, or of what has one in it.
    pub(super) secret: Option<Print>,
}

/// Tells two texts apart without holding them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Print([u8; 32]);

impl Print {
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// 16 hexadecimal digits.
    pub(super) fn mark(self, salt: &[u8]) -> String {
        let digest = Sha256::new_with_prefix(salt)
            .chain_update(self.0)
            .finalize();
        hex(digest.get(..8).unwrap_or_default())
    }
}

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Print")
    }
}

impl SeenKey {
    /// A value that anybody may see who may see the config.
    pub(super) fn plain(line: usize, value: &DeValue<'_>) -> Self {
        let (shown, raw) = (written(value), raw(value));
        Self {
            line,
            secret: (shown != raw).then(|| Print::of(&raw)),
            shown,
        }
    }

    /// A value of which nothing is seen.
    pub(super) fn hidden(line: usize, value: &DeValue<'_>) -> Self {
        Self {
            line,
            shown: quote(HIDDEN),
            secret: Some(Print::of(&raw(value))),
        }
    }

    /// A program and its arguments: these may be anything, so the program alone is seen.
    pub(super) fn program(line: usize, value: &DeValue<'_>) -> Self {
        let words = value.as_array().into_iter().flatten();
        let words: Vec<&DeValue<'_>> = words.map(Spanned::get_ref).collect();
        let shown = words.iter().enumerate();
        // A whole command line in one word is none.
        let is_program = |word: &str| word.starts_with('/') && !word.contains(char::is_whitespace);
        let shown: Vec<String> = shown
            .map(|(place, word)| match word.as_str() {
                Some(program) if place == 0 && is_program(program) => quote(program),
                Some(_) | None => quote(HIDDEN),
            })
            .collect();
        Self {
            line,
            shown: format!("[{}]", shown.join(", ")),
            secret: (!words.is_empty()).then(|| Print::of(&raw(value))),
        }
    }
}

/// A text as TOML writes it.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A value as TOML writes it; who logs in within an address is left out.
fn written(value: &DeValue<'_>) -> String {
    render(value, &without_login)
}

/// The same with everything in it.
fn raw(value: &DeValue<'_>) -> String {
    render(value, &str::to_owned)
}

fn render(value: &DeValue<'_>, text: &dyn Fn(&str) -> String) -> String {
    match value {
        DeValue::String(string) => quote(&text(string)),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(list) => {
            let list: Vec<String> = list.iter().map(|one| render(one.get_ref(), text)).collect();
            format!("[{}]", list.join(", "))
        }
        DeValue::Table(_) => "{…}".to_owned(),
    }
}

/// `https://ann:secret@host` becomes `https://…@host` (RFC 3986 §3.2.1). A password may have a
/// slash in it, and somebody may forget the scheme: rather too much is left out than too little.
pub(super) fn without_login(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let Some((login, host)) = rest.rsplit_once('@') else {
        return text.to_owned();
    };
    let name = login.split(['/', '?', '#']).next().unwrap_or_default();
    let is_whole = !scheme.is_empty() && name == login;
    if is_whole || name.contains(':') {
        format!("{scheme}{HIDDEN}@{host}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_within_an_address_is_left_out() {
        for (text, shown) in [
            (
                "https://ann:secret@mail.example.org/x",
                "https://…@mail.example.org/x",
            ),
            ("https://a@b@mail.example.org", "https://…@mail.example.org"),
            ("https://mail.example.org/@x", "https://mail.example.org/@x"),
            ("ann@example.org", "ann@example.org"),
            ("ann:secret@smtp.example:587", "…@smtp.example:587"),
            (
                "https://ann:pa/ss@mail.example.org",
                "https://…@mail.example.org",
            ),
        ] {
            assert_eq!(without_login(text), shown);
        }
    }

    #[test]
    fn a_print_says_nothing() {
        assert_eq!(format!("{:?}", Print::of("secret")), "Print");
        assert_ne!(Print::of("secret"), Print::of("secreT"));
    }
}
