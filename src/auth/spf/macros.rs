//! Macros of SPF, RFC 7208 §7: read, checked, filled in.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::auth::lookup::{Order, nibbles};

/// Longest name that can be asked for, RFC 7208 §7.3.
const LONGEST: usize = 253;

/// A text with macros in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MacroText(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro(Macro),
}

/// `%{letter digits r delimiters}`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Macro {
    letter: char,
    /// Parts that stay, from the right.
    keep: Option<usize>,
    order: Order,
    delimiters: String,
    /// An upper-case letter: the value is percent-encoded.
    escape: bool,
}

/// What macros stand for.
#[derive(Debug, Clone)]
pub(crate) struct Values<'v> {
    /// The local part of the sender.
    pub(crate) local: &'v str,
    /// The domain of the sender.
    pub(crate) origin: &'v str,
    /// The domain whose record is read.
    pub(crate) domain: &'v str,
    pub(crate) helo: &'v str,
    pub(crate) ip: IpAddr,
    /// The proven name of the address, where it is asked for.
    pub(crate) proven: &'v str,
}

impl MacroText {
    /// Reads a `domain-spec`, RFC 7208 §7.1: it ends like a name, or with a macro.
    pub(crate) fn domain(text: &str) -> Option<Self> {
        let pieces = pieces(text)?;
        let ends_well = match pieces.last()? {
            Piece::Macro(_) => true,
            Piece::Literal(literal) => {
                text.ends_with("%%")
                    || text.ends_with("%_")
                    || text.ends_with("%-")
                    || ends_like_a_name(literal)
            }
        };
        ends_well.then_some(Self(pieces))
    }

    /// Is it a `macro-string`, as the values of unknown modifiers must be?
    pub(crate) fn is_string(text: &str) -> bool {
        pieces(text).is_some()
    }

    /// Must the proven name of the address be found first?
    pub(crate) fn needs_proven(&self) -> bool {
        let is_p = |piece: &Piece| matches!(piece, Piece::Macro(it) if it.letter == 'p');
        self.0.iter().any(is_p)
    }

    /// The name, cut from the left until it can be asked for.
    pub(crate) fn fill(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Macro(it) => it.fill(values, &mut out),
            }
        }
        let mut name = out.trim_end_matches('.');
        while name.len() > LONGEST {
            let Some((_, rest)) = name.split_once('.') else {
                break;
            };
            name = rest;
        }
        name.to_owned()
    }
}

impl Macro {
    fn fill(&self, values: &Values<'_>, out: &mut String) {
        let value = match self.letter {
            's' => format!("{}@{}", values.local, values.origin),
            'l' => values.local.to_owned(),
            'o' => values.origin.to_owned(),
            'd' => values.domain.to_owned(),
            'i' => nibbles(values.ip, Order::Written),
            'v' if values.ip.is_ipv4() => "in-addr".to_owned(),
            'v' => "ip6".to_owned(),
            'h' => values.helo.to_owned(),
            _ => values.proven.to_owned(),
        };
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.order == Order::Reversed {
            parts.reverse();
        }
        let keep = self.keep.unwrap_or(parts.len()).min(parts.len());
        let kept = parts.get(parts.len() - keep..).unwrap_or_default();
        let value = kept.join(".");
        if !self.escape {
            out.push_str(&value);
            return;
        }
        for byte in value.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if plain {
                out.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                write!(out, "%{byte:02X}").ok();
            }
        }
    }
}

/// `%{…}`, `%%`, `%_`, `%-` and what can be seen of ASCII.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        if c != '%' {
            c.is_ascii_graphic().then_some(())?;
            literal.push(c);
            continue;
        }
        let next = rest.chars().next()?;
        rest = rest.get(next.len_utf8()..)?;
        match next {
            '%' => literal.push('%'),
            '_' => literal.push(' '),
            '-' => literal.push_str("%20"),
            '{' => {
                let (inside, behind) = rest.split_once('}')?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Macro(read(inside)?));
                rest = behind;
            }
            _ => return None,
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Some(pieces)
}

fn read(inside: &str) -> Option<Macro> {
    let first = inside.chars().next()?;
    let letter = first.to_ascii_lowercase();
    // RFC 7208 §7.2: `c`, `r` and `t` are for explanations only.
    "slodiphv".contains(letter).then_some(())?;
    let rest = inside.get(1..)?;
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = rest.get(..rest.len() - behind.len())?;
    let keep = match digits {
        "" => None,
        // RFC 7208 §7.3: zero parts are an error.
        _ => Some(digits.parse().unwrap_or(usize::MAX)).filter(|keep| *keep > 0),
    };
    (digits.is_empty() || keep.is_some()).then_some(())?;
    let (order, delimiters) = match behind.strip_prefix(['r', 'R']) {
        Some(delimiters) => (Order::Reversed, delimiters),
        None => (Order::Written, behind),
    };
    let legal = delimiters.chars().all(|c| ".-+,/_=".contains(c));
    legal.then(|| Macro {
        letter,
        keep,
        order,
        delimiters: if delimiters.is_empty() {
            "."
        } else {
            delimiters
        }
        .to_owned(),
        escape: first.is_ascii_uppercase(),
    })
}

/// `.toplabel`, with or without a dot behind it.
fn ends_like_a_name(literal: &str) -> bool {
    let bare = literal.strip_suffix('.').unwrap_or(literal);
    let Some((_, label)) = bare.rsplit_once('.') else {
        return false;
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !label.is_empty()
        && label.chars().all(legal)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && !label.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(ip: &str) -> Values<'_> {
        Values {
            local: "strong-bad",
            origin: "email.example.com",
            domain: "email.example.com",
            helo: "mx.example.net",
            ip: ip.parse().unwrap(),
            proven: "unknown",
        }
    }

    fn filled(text: &str, ip: &str) -> String {
        MacroText(pieces(text).unwrap()).fill(&values(ip))
    }

    /// RFC 7208 §7.4.
    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "3.2.0.192.in-addr._spf.example.com",
            ),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            (
                "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
                "3.2.0.192.in-addr.strong.lp._spf.example.com",
            ),
            (
                "%{d2}.trusted-domains.example.net",
                "example.com.trusted-domains.example.net",
            ),
            ("%{S}%%%_%-", "strong-bad%40email.example.com% %20"),
        ] {
            assert_eq!(filled(text, "192.0.2.3"), expected, "{text}");
        }
        assert_eq!(
            filled("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01"),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn names_are_checked_and_cut() {
        for good in [
            "example.org",
            "a.b-c.",
            "%{d}",
            "x.%{d1r}",
            "a%%",
            "_x.example.net",
        ] {
            assert!(MacroText::domain(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a.1",
            "a.-b",
            "a.b-",
            "%",
            "%{",
            "%{x}",
            "%{c}",
            "%{d0}",
            "%{d;}",
            "%x",
            "a b.example",
            "ä.example.org/",
            "%{dé}",
        ] {
            assert!(MacroText::domain(bad).is_none(), "{bad}");
        }
        let long = format!("{}.example.org", "abcdefghi.".repeat(30));
        let name = MacroText::domain(&long).unwrap().fill(&values("::1"));
        assert!(name.len() <= LONGEST && name.ends_with(".example.org"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[%{}a-zSLDI0-9.r_+/-]{0,20}|\\PC{0,20}") {
            if let Some(read) = MacroText::domain(&text) {
                prop_assert!(read.fill(&values("192.0.2.3")).len() <= 2000);
            }
        }
    }
}
