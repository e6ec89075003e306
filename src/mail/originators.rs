//! The addresses in a field that names originators (RFC 5322 §3.6.2: `From`, `Sender`). Read to the
//! letter: what one reader passes over another one shows. Pure.

use crate::smtp::Mailbox;

/// A piece of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// Letters that belong together.
    Atom(String),
    /// With its quotes.
    Quoted(String),
    /// One of `<>@,:;.[]`.
    Sign(char),
}

/// All addresses of a field body, also those that only some readers would show; `None` when an
/// entry is no address, or there is none. Groups name nobody.
#[must_use]
pub fn originators(body: &[u8]) -> Option<Vec<Mailbox>> {
    // Letters of any charset may stand in a name; in an address only those of UTF-8 do.
    let plain = |byte: &u8| match byte {
        0..=0x7f => char::from(*byte),
        _ => char::REPLACEMENT_CHARACTER,
    };
    let text =
        std::str::from_utf8(body).map_or_else(|_| body.iter().map(plain).collect(), str::to_owned);
    entries(&text, address)
}

/// What `read` makes of the address of each entry, also of those that only some readers would show;
/// `None` when it makes nothing of one, or there is none.
pub(crate) fn entries<T>(text: &str, read: impl Fn(&[Token]) -> Option<T>) -> Option<Vec<T>> {
    let tokens = tokens(text)?;
    let mut found = Vec::new();
    // A comma within brackets is a route of old, or nonsense: no address in any case.
    for entry in tokens.split(|token| *token == Token::Sign(',')) {
        if !entry.is_empty() {
            read_entry(entry, &read, &mut found)?;
        }
    }
    (!found.is_empty()).then_some(found)
}

/// `address`, `<address>` or `words <address>`.
fn read_entry<T>(
    entry: &[Token],
    read: impl Fn(&[Token]) -> Option<T>,
    found: &mut Vec<T>,
) -> Option<()> {
    let Some(open) = entry.iter().position(|it| *it == Token::Sign('<')) else {
        found.push(read(entry)?);
        return Some(());
    };
    let (words, rest) = entry.split_at_checked(open)?;
    let (Token::Sign('>'), inner) = rest.get(1..)?.split_last()? else {
        return None;
    };
    found.push(read(inner)?);
    let is_legal = |word: &Token| !matches!(word, Token::Sign('>' | ':' | ';'));
    words.iter().all(is_legal).then_some(())?;
    // Some readers would show this one.
    if words.contains(&Token::Sign('@')) {
        found.push(read(words)?);
    }
    Some(())
}

/// Blanks and comments between the parts are forgiven, as of old (RFC 5322 §4.4).
fn address(tokens: &[Token]) -> Option<Mailbox> {
    let at = tokens.iter().position(|it| *it == Token::Sign('@'))?;
    let (local, domain) = tokens.split_at_checked(at)?;
    let domain = domain.get(1..)?;
    (is_dotted(local) && is_dotted(domain)).then_some(())?;
    let text: String = tokens
        .iter()
        .map(|token| match token {
            Token::Atom(text) | Token::Quoted(text) => text.clone(),
            Token::Sign(sign) => sign.to_string(),
        })
        .collect();
    text.parse().ok()
}

/// Words with dots between them.
fn is_dotted(tokens: &[Token]) -> bool {
    let is_dot = |token: &Token| *token == Token::Sign('.');
    let is_word = |token: &Token| matches!(token, Token::Atom(_) | Token::Quoted(_));
    let mut in_turn = tokens.iter().enumerate();
    tokens.len() % 2 == 1
        && in_turn.all(|(place, token)| match place % 2 {
            0 => is_word(token),
            _ => is_dot(token),
        })
}

/// `None` when a quote or a comment has no end, or something begins that nobody opened.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars();
    let mut atom = String::new();
    while let Some(c) = rest.next() {
        let is_plain = !c.is_whitespace() && !c.is_control() && !"()<>@,:;.[]\\\"".contains(c);
        if is_plain {
            atom.push(c);
            continue;
        }
        if !atom.is_empty() {
            tokens.push(Token::Atom(std::mem::take(&mut atom)));
        }
        match c {
            '"' => tokens.push(Token::Quoted(quoted(&mut rest)?)),
            '(' => skip_comment(&mut rest)?,
            '<' | '>' | '@' | ',' | ':' | ';' | '.' | '[' | ']' => tokens.push(Token::Sign(c)),
            c if c.is_whitespace() => {}
            _ => return None,
        }
    }
    if !atom.is_empty() {
        tokens.push(Token::Atom(atom));
    }
    Some(tokens)
}

fn quoted(rest: &mut std::str::Chars<'_>) -> Option<String> {
    let mut text = String::from("\"");
    loop {
        let c = rest.next()?;
        text.push(c);
        match c {
            '"' => return Some(text),
            '\\' => text.push(rest.next()?),
            _ => {}
        }
    }
}

/// Behind a `(`: up to its `)`; `None` when there is none.
pub(super) fn skip_comment(rest: &mut std::str::Chars<'_>) -> Option<()> {
    let mut depth = 1_usize;
    while depth > 0 {
        match rest.next()? {
            '\\' => {
                rest.next()?;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Option<String> {
        let found = originators(text.as_bytes())?;
        let keys: Vec<_> = found.iter().map(Mailbox::key).collect();
        Some(keys.join(" "))
    }

    #[test]
    fn honest_originators_are_read() {
        for (text, expected) in [
            (" ann@x.example\r\n", "ann@x.example"),
            (" Ann Lee <ann@X.example>", "ann@x.example"),
            (" \"Lee, Ann \\\" <y@y>\" <ann@x.example>", "ann@x.example"),
            (
                " =?utf-8?q?J=C3=B6rg?= (Sales, (EU)) <j.m@x.example>",
                "j.m@x.example",
            ),
            (" J\u{f6}rg O'Neill-M. <j@x.example>", "j@x.example"),
            (" \"a b\"@x.example (Ann)", "a b@x.example"),
            (
                " a@x.example,\r\n\tB <b@y.example>,",
                "a@x.example b@y.example",
            ),
            (" a@x.example <a@x.example>", "a@x.example a@x.example"),
            (
                " ceo @ bank . example, a@x.example",
                "ceo@bank.example a@x.example",
            ),
            (" ceo@bank(x).example", "ceo@bank.example"),
            (
                " ceo@bank.example <a@x.example>",
                "a@x.example ceo@bank.example",
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
            " <ceo@bank.example> <a@x.example>",
            " <ceo@bank.example>, <a@x.example",
            " <a@x.example> ceo@bank.example",
            " ceo@bank.example@x.example",
            " me ceo@bank.example <a@x.example>",
            " team: a@x.example;",
            " <@y.example,@z.example:a@x.example>",
            " a@[192.0.2.1]",
            " a@x example",
            " a b@x.example",
            " a..b@x.example",
            " a@x.example.",
            " @x.example",
            " a@",
            " <>",
            " \"open <a@x.example>",
            " (open a@x.example",
            " a)@x.example",
            " a\\@x.example",
            " a\0@x.example",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    proptest! {
        /// Nothing that looks like an address outside of quotes and comments is passed over.
        #[test]
        fn any_field_is_read(text in "([a-c<>@,:;.\\[\\]()\"\\\\ ]|\\PC){0,40}") {
            if let Some(found) = originators(text.as_bytes()) {
                let plain = !text.contains(['"', '(', '\\']);
                prop_assert!(!plain || found.len() == text.matches('@').count(), "{}", text);
            }
        }
    }
}
