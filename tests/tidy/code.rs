//! Rust text without what is not code.

/// The text with comments, strings and characters blanked out; lines keep their numbers.
pub(crate) fn code_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = foreign(rest, out.chars().next_back());
        if length == 0 {
            let next = rest.chars().next().unwrap();
            out.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            let (skipped, left) = rest.split_at(length);
            out.extend(skipped.chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = left;
        }
    }
    out
}

/// Length of the comment, string or character that begins here; 0 if none does.
fn foreign(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return string(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
    if in_word || prefix == 0 || prefix > 2 {
        return 0;
    }
    let after = &rest[prefix..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    if rest[..prefix].contains('r') && after[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = prefix + hashes + 1;
        return rest[body..]
            .find(&end)
            .map_or(rest.len(), |at| body + at + end.len());
    }
    if after.starts_with('"') {
        return prefix + string(after);
    }
    if after.starts_with('\'') {
        return prefix + character(after);
    }
    0
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().unwrap().len_utf8();
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character, or 0 when it is a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest.chars().skip(1);
    let first = inside.next();
    if first == Some('\\') {
        return rest[3..].find('\'').map_or(rest.len(), |at| 3 + at + 1);
    }
    match (first, inside.next()) {
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// Where `word` stands as a whole word; line numbers from 1.
pub(crate) fn lines_with_word<'a>(text: &'a str, word: &str) -> Vec<(usize, &'a str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| words(line).any(|found| found == word))
        .map(|(number, line)| (number + 1, line))
        .collect()
}

/// The words of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

#[test]
fn strings_comments_and_characters_are_no_code() {
    let text = r##"use a::b; // crate::c
/* crate::d /* nested */ crate::e */ let x = "crate::f \" crate::g";
let y = r#"crate::h " crate::i"#; let z = '"'; let w = '\''; fn l<'a>(x: &'a str) {}
let v = b"crate::j"; let u = br"crate::k\"; attribute::r();
"##;
    let code = code_of(text);
    assert!(!code.contains("crate"), "{code}");
    for kept in [
        "use a::b;",
        "let x =",
        "let w =",
        "fn l<'a>(x: &'a str) {}",
        "attribute::r();",
    ] {
        assert!(code.contains(kept), "{kept} in {code}");
    }
    assert_eq!(code.lines().count(), text.lines().count());
}
