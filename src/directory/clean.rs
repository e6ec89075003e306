//! Addresses that platforms refuse: what is wrong with one, and how it is written properly. Pure
//! text, nothing about people.
//!
//! What is refused is what Exchange Online (the checks of Microsoft's IdFix for `proxyAddresses`,
//! `targetAddress` and `userPrincipalName`) or Google Workspace (its rules for names of users) does
//! not take. Where Microsoft's synchronisation writes `_` for a character, so do we.

use std::borrow::Cow;
use std::fmt;

use icu_normalizer::DecomposingNormalizerBorrowed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rules;
use super::x500::decapsulate;
use crate::smtp::{Mailbox, nfc};

/// RFC 5321 §4.5.3.1.1, and what both platforms take. We ourselves take more.
const LOCAL_PART: usize = 64;

/// Characters of ASCII that one of the platforms refuses in a local part.
const REFUSED: &str = "<>()[],;:\"\\/&|=?%!";

/// What is wrong with an address.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// `SMTP:`, `mailto:`, angle brackets or quotation marks around it.
    Wrapped,
    /// White space.
    Space,
    /// Characters that nobody sees: of control, of no width, that turn the direction.
    Invisible,
    /// A dot at an end, or two of them side by side.
    Dots,
    /// Apostrophes and dashes of a word processor.
    Typographic,
    /// Letters that are not in ASCII.
    Accent,
    /// A letter and its accent as two characters.
    Composed,
    /// A character that platforms refuse.
    Refused,
    /// Quotation marks that it does not need.
    Quoted,
    /// An underscore in the domain.
    Underscore,
    /// Letters for which ASCII has none.
    NoAscii,
    /// Nothing is left of it, or too much.
    Length,
}

impl Reason {
    /// As programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wrapped => "wrapped",
            Self::Space => "space",
            Self::Invisible => "invisible",
            Self::Dots => "dots",
            Self::Typographic => "typographic",
            Self::Accent => "accent",
            Self::Composed => "composed",
            Self::Refused => "refused",
            Self::Quoted => "quoted",
            Self::Underscore => "underscore",
            Self::NoAscii => "no-ascii",
            Self::Length => "length",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Wrapped => "something stands around it",
            Self::Space => "it has spaces",
            Self::Invisible => "it has characters that nobody sees",
            Self::Dots => "it has a dot at an end, or two side by side",
            Self::Typographic => "it has apostrophes or dashes of a word processor",
            Self::Accent => "it has letters that are not in ASCII",
            Self::Composed => "it has accents apart from their letters",
            Self::Refused => "it has a character that platforms refuse",
            Self::Quoted => "it has quotation marks that it does not need",
            Self::Underscore => "its domain has an underscore: nobody can say which is meant",
            Self::NoAscii => "it has letters for which ASCII has none",
            Self::Length => "nothing is left before the @, or more than 64 octets",
        })
    }
}

/// How an address is written properly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clean {
    /// The spellings, the usual one first; none: nobody can say.
    pub(super) spellings: Vec<Mailbox>,
    /// What was wrong, in order, each once.
    pub(super) why: Vec<Reason>,
}

/// What is wrong with an address of ours, and how it is written properly; `None`: nothing.
pub(super) fn clean(address: &Mailbox, rules: &Rules) -> Option<Clean> {
    if is_plain(address) || address.domain().is_literal() {
        return None;
    }
    let mut why = Vec::new();
    let domain = domain(address.domain().as_str(), &mut why);
    let key = domain.parse::<crate::smtp::Domain>().ok()?.key();
    if !rules.domains.iter().any(|rule| rule.name == key) {
        // What others call themselves is their affair; a domain of ours that is misspelt is not.
        return key.contains('_').then(|| Clean {
            spellings: Vec::new(),
            why: vec![Reason::Underscore],
        });
    }
    // How Outlook writes an X.500 address: its signs have a meaning.
    if decapsulate(address).is_some() {
        return None;
    }
    let written = address.unquoted_local();
    let local = visible(&written, &mut why);
    let locals = if rules.international.contains(&key) {
        Some(composed(&local, &mut why))
    } else {
        ascii(&local, &mut why)
    };
    let mut spellings: Vec<Mailbox> = Vec::new();
    for local in locals.iter().flatten() {
        let local = without_odd_dots(local, &mut why);
        if let Some(found) = put_together(&local, &domain)
            && !spellings.contains(&found)
        {
            spellings.push(found);
        }
    }
    if locals.is_none() {
        why.push(Reason::NoAscii);
    } else if spellings.is_empty() {
        why.push(Reason::Length);
    }
    if why.is_empty() {
        if spellings.contains(address) {
            return None;
        }
        why.push(Reason::Quoted);
    }
    why.sort_unstable();
    why.dedup();
    Some(Clean { spellings, why })
}

/// Nothing can be wrong with it: almost all addresses, so it is seen fast.
pub(super) fn is_plain(address: &Mailbox) -> bool {
    let local = address.local().as_bytes();
    let domain = address.domain().as_str().as_bytes();
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_'+#$*^{}~.".contains(byte);
    local.len() <= LOCAL_PART
        && local.iter().all(good)
        && local.first() != Some(&b'.')
        && local.last() != Some(&b'.')
        && !local.windows(2).any(|two| two == b"..")
        && domain
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && domain.last() != Some(&b'.')
}

fn put_together(local: &str, domain: &str) -> Option<Mailbox> {
    if local.len() > LOCAL_PART {
        return None;
    }
    format!("{local}@{domain}").parse().ok()
}

fn domain(written: &str, why: &mut Vec<Reason>) -> String {
    let seen: String = written.chars().filter(|c| !is_invisible(*c)).collect();
    if seen != written {
        why.push(Reason::Invisible);
    }
    seen
}

/// Without what nobody sees, spaces and what platforms refuse: one `_` for all of it that stands
/// between two letters, nothing at an end or beside a dot.
fn visible(written: &str, why: &mut Vec<Reason>) -> String {
    let mut out = String::with_capacity(written.len());
    let mut gap = false;
    for c in written.chars() {
        let c = match c {
            c if is_invisible(c) => {
                why.push(Reason::Invisible);
                continue;
            }
            c if c.is_whitespace() => {
                why.push(Reason::Space);
                gap = true;
                continue;
            }
            c => match typographic(c) {
                Some(plain) => {
                    why.push(Reason::Typographic);
                    plain
                }
                None => c,
            },
        };
        if REFUSED.contains(c) || c == '@' {
            why.push(Reason::Refused);
            gap = true;
            continue;
        }
        if gap && !out.is_empty() && !out.ends_with('.') && c != '.' {
            out.push('_');
        }
        gap = false;
        out.push(c);
    }
    out
}

fn is_invisible(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

const fn typographic(c: char) -> Option<char> {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2b9}' | '\u{2bb}' | '\u{2bc}' | '\u{2032}'
        | '\u{b4}' | '`' | '\u{ff07}' => Some('\''),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => Some('-'),
        _ => None,
    }
}

/// Each letter with its accent as one character (NFC).
fn composed(local: &str, why: &mut Vec<Reason>) -> Vec<String> {
    let composed = nfc(local);
    if composed != local {
        why.push(Reason::Composed);
    }
    vec![composed.into_owned()]
}

/// In ASCII, as Germans do it and as most others do; `None`: there are letters without any.
fn ascii(local: &str, why: &mut Vec<Reason>) -> Option<Vec<String>> {
    if local.is_ascii() {
        return Some(vec![local.to_owned()]);
    }
    let (mut german, mut plain) = (String::new(), String::new());
    for c in nfc(local).chars() {
        let bare = bare(c)?;
        german.push_str(umlaut(c).unwrap_or(&bare));
        plain.push_str(&bare);
    }
    why.push(Reason::Accent);
    Some(vec![german, plain])
}

const fn umlaut(c: char) -> Option<&'static str> {
    Some(match c {
        'ä' => "ae",
        'ö' => "oe",
        'ü' => "ue",
        'Ä' => "Ae",
        'Ö' => "Oe",
        'Ü' => "Ue",
        _ => return None,
    })
}

/// A letter without its accents.
fn bare(c: char) -> Option<Cow<'static, str>> {
    let known = match c {
        'ß' => "ss",
        'ẞ' => "SS",
        'æ' => "ae",
        'Æ' => "Ae",
        'œ' => "oe",
        'Œ' => "Oe",
        'ø' => "o",
        'Ø' => "O",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' => "th",
        'Þ' => "Th",
        'ł' => "l",
        'Ł' => "L",
        'ħ' => "h",
        'Ħ' => "H",
        'ı' => "i",
        'ŋ' => "n",
        'Ŋ' => "N",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.into());
    }
    let mut buffer = [0; 4];
    let one = c.encode_utf8(&mut buffer);
    if c.is_ascii() {
        return Some(one.to_owned().into());
    }
    let apart = DecomposingNormalizerBorrowed::new_nfkd().normalize(one);
    let letters: String = apart.chars().filter(|c| !is_mark(*c)).collect();
    // A mark that stands alone belongs to nobody; what becomes a sign is none of ours.
    let all_letters = letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (all_letters && (!letters.is_empty() || is_mark(c))).then(|| letters.into())
}

const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// RFC 5321 §4.1.2 Dot-string: no dot at an end, no two side by side.
fn without_odd_dots(local: &str, why: &mut Vec<Reason>) -> String {
    let parts: Vec<&str> = local.split('.').filter(|part| !part.is_empty()).collect();
    let good = parts.join(".");
    if good != local {
        why.push(Reason::Dots);
    }
    good
}

/// A text that is no address as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mended {
    /// The address that is in it, as SMTP can carry it.
    pub(super) address: Mailbox,
    /// What was taken away.
    pub(super) why: Vec<Reason>,
    /// Can SMTP carry what it was? Not, when characters of control were inside.
    pub(super) carried: bool,
}

/// Finds the address in a text that is none: without what stands around it, in quotation marks when
/// it needs them.
pub(super) fn mend(text: &str) -> Option<Mended> {
    let mut why = Vec::new();
    let seen: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
        .collect();
    let carried = seen == text;
    if !carried {
        why.push(Reason::Invisible);
    }
    let bare = unwrapped(&seen);
    if bare.trim() != seen.trim() {
        why.push(Reason::Wrapped);
    }
    if bare != bare.trim() || seen != seen.trim() {
        why.push(Reason::Space);
    }
    let bare = bare.trim();
    if let Ok(address) = bare.parse() {
        return Some(Mended {
            address,
            why,
            carried,
        });
    }
    let (local, domain) = bare.rsplit_once('@')?;
    let (local, domain) = (local.trim(), domain.trim());
    let mut quoted = String::with_capacity(local.len() + 2);
    for c in local.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    if quoted.is_empty() {
        return None;
    }
    let address: Mailbox = format!("{local}@{domain}")
        .parse()
        .or_else(|_| format!("\"{quoted}\"@{domain}").parse())
        .ok()?;
    Some(Mended {
        address,
        why,
        carried: carried && !local.contains(char::is_control),
    })
}

/// Without `SMTP:` or `mailto:` in front, a name and angle brackets, quotation marks around it.
fn unwrapped(text: &str) -> &str {
    let mut text = text;
    loop {
        let before = text;
        text = text.trim();
        for prefix in ["smtp:", "mailto:"] {
            let begin = text.get(..prefix.len()).unwrap_or_default();
            if begin.eq_ignore_ascii_case(prefix) {
                text = text.get(prefix.len()..).unwrap_or_default();
            }
        }
        if let Some(inner) = text.strip_suffix('>')
            && let Some((_, inner)) = inner.rsplit_once('<')
        {
            text = inner;
        }
        for mark in ['\'', '"', '\u{2018}', '\u{201c}'] {
            let end = match mark {
                '\u{2018}' => '\u{2019}',
                '\u{201c}' => '\u{201d}',
                other => other,
            };
            let inner = text.strip_prefix(mark);
            if let Some(inner) = inner.and_then(|rest| rest.strip_suffix(end)) {
                text = inner;
            }
        }
        if text == before {
            return text;
        }
    }
}

#[cfg(test)]
#[path = "clean_tests.rs"]
mod tests;
