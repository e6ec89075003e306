//! Whom a letter goes to, as a person typed it. Pure.

use super::letter::{Addressee, one_line};

/// Reads `Ann <ann@example.org>, bob@example.org; …`.
///
/// # Errors
/// With the pieces that are no addresses.
pub fn parse_addressees(text: &str) -> Result<Vec<Addressee>, Vec<String>> {
    let (mut good, mut bad): (Vec<Addressee>, Vec<String>) = (Vec::new(), Vec::new());
    for piece in pieces(text) {
        match addressee(&piece) {
            Some(one)
                if good
                    .iter()
                    .any(|other| other.address.key() == one.address.key()) => {}
            Some(one) => good.push(one),
            None => bad.push(piece),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Cuts a list at commas, semicolons and line ends that are outside quotes and brackets.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for c in text.chars() {
        let ends = !quoted && matches!(c, ';' | '\n' | '\r') || !quoted && !bracketed && c == ',';
        if ends {
            bracketed = false;
            pieces.push(String::new());
            continue;
        }
        match c {
            '"' if !escaped => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
        .into_iter()
        .map(|piece| piece.trim().to_owned())
        .filter(|piece| !piece.is_empty())
        .collect()
}

fn addressee(piece: &str) -> Option<Addressee> {
    let Some((name, rest)) = piece.rsplit_once('<') else {
        let address = piece.strip_prefix("mailto:").unwrap_or(piece);
        let address = address.parse().ok()?;
        return Some(Addressee {
            name: None,
            address,
        });
    };
    let address = rest.strip_suffix('>')?.trim().parse().ok()?;
    let name = name.trim();
    let name = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .map_or_else(|| name.to_owned(), unescaped);
    let name = Some(one_line(&name)).filter(|name| !name.is_empty());
    Some(Addressee { name, address })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}
