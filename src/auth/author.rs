//! Who wrote a message: the domains in `From` (RFC 5322 §3.4). Read to the letter: what one reader
//! passes over another one shows. Pure.

use super::flaw::Flaw;
use super::name;
use super::reading::Read;
use crate::limits;
use crate::mail::{OriginatorToken as Token, originator_entries};

/// Why a field says nothing.
const NO_ADDRESS: Flaw = Flaw::perm("From is no address");

/// The domains in `From`, each once.
///
/// # Errors
/// When a single entry is no address, or there are too many: then nobody is proven.
pub(super) fn authors(read: &Read) -> Result<Vec<String>, Flaw> {
    if read.is_cut {
        return Err(Flaw::perm("From is larger than we look at"));
    }
    let mut domains: Vec<String> = Vec::new();
    for field in read.fields().iter().filter(|field| field.is("From")) {
        let found = domains_of(&field.text()).ok_or(NO_ADDRESS)?;
        for domain in found {
            if !domains.contains(&domain) {
                domains.push(domain);
            }
            if domains.len() > limits::AUTH_AUTHORS {
                return Err(Flaw::perm("From has more domains than we look at"));
            }
        }
    }
    if domains.is_empty() {
        return Err(NO_ADDRESS);
    }
    Ok(domains)
}

/// The domain of each entry; `None` when one of them is no address.
fn domains_of(text: &str) -> Option<Vec<String>> {
    originator_entries(text, domain)
}

/// The domain of an address, blanks and comments of old between its parts forgiven.
fn domain(address: &[Token]) -> Option<String> {
    let at = address.iter().position(|it| *it == Token::Sign('@'))?;
    let (local, domain) = address.split_at_checked(at)?;
    is_dotted(local).then_some(())?;
    let domain = domain.get(1..)?;
    let bare = match domain.split_last() {
        Some((Token::Sign('.'), front)) => front,
        _ => domain,
    };
    is_dotted(bare).then_some(())?;
    let text = bare.iter().map(|token| match token {
        Token::Atom(text) => Some(text.as_str()),
        Token::Sign('.') => Some("."),
        Token::Quoted(_) | Token::Sign(_) => None,
    });
    name::key(&text.collect::<Option<String>>()?)
}

/// Words with dots between them. In front of the `@` some write more dots than they should.
fn is_dotted(tokens: &[Token]) -> bool {
    let is_dot = |token: &Token| *token == Token::Sign('.');
    let is_word = |token: &Token| matches!(token, Token::Atom(_) | Token::Quoted(_));
    let alternates = tokens.windows(2).all(|pair| match pair {
        [one, other] => is_dot(one) || is_dot(other),
        _ => true,
    });
    alternates && tokens.iter().any(is_word) && tokens.iter().all(|it| is_dot(it) || is_word(it))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Option<String> {
        domains_of(text).map(|domains| domains.join(" "))
    }

    #[test]
    fn honest_authors_are_read() {
        for (text, expected) in [
            (" ann@x.example\r\n", "x.example"),
            (" Ann Lee <ann@X.example>", "x.example"),
            (" \"Lee, Ann \\\" <y@y>\" <ann@x.example>", "x.example"),
            (
                " =?utf-8?q?J=C3=B6rg?= (Sales, (EU)) <j.m@x.example.>",
                "x.example",
            ),
            (
                " J\u{f6}rg O'Neill-M. <j@b\u{fc}cher.example>",
                "xn--bcher-kva.example",
            ),
            (" \"a b\"@x.example (Ann)", "x.example"),
            (" <ann..lee.@x.example>", "x.example"),
            (" a@x.example,\r\n\tB <b@y.example>,", "x.example y.example"),
            // The address once more as name is the habit of many.
            (" a@x.example <a@x.example>", "x.example x.example"),
            // Old, and legal (RFC 5322 §4.4).
            (
                " ceo @ bank . example, a@evil.example",
                "bank.example evil.example",
            ),
            (" ceo@bank(x).example", "bank.example"),
            (
                " ceo@bank.example <a@evil.example>",
                "evil.example bank.example",
            ),
        ] {
            assert_eq!(told(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn one_entry_that_is_no_address_makes_all_void() {
        for text in [
            "",
            " ,",
            " undisclosed",
            " nobody, a@x.example",
            " <ceo@bank.example> <a@evil.example>",
            " <ceo@bank.example>, <a@evil.example",
            " <a@evil.example> ceo@bank.example",
            " ceo@bank.example@evil.example",
            " me ceo@bank.example <a@evil.example>",
            " team: a@x.example;",
            " <@y.example,@z.example:a@x.example>",
            " a@[192.0.2.1]",
            " a@x example",
            " a b@x.example",
            " a@x..example",
            " @x.example",
            " a@",
            " <>",
            " \"open <a@x.example>",
            " (open a@x.example",
            " a)@x.example",
            " a\\@x.example",
            " a\0@x.example",
            " a@x.example, b@\"y.example\"",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_field_is_read(text in "([a-c<>@,:;.\\[\\]()\"\\\\ ]|\\PC){0,40}") {
            for domain in domains_of(&text).unwrap_or_default() {
                prop_assert_eq!(name::key(&domain), Some(domain));
            }
        }
    }
}
