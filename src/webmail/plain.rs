//! Plain text as HTML: links can be followed, long quotes are folded.

use super::texts::Texts;

/// Lines of a quote that are shown unfolded.
const SHORT_QUOTE: usize = 4;
/// Text of one message that is laid out; the rest is in its source.
pub(crate) const TEXT: usize = 1024 * 1024;

/// Plain text as HTML, everything escaped; what is too long says that it goes on elsewhere.
pub(crate) fn to_html(whole: &str, texts: &Texts) -> String {
    let (text, folded) = (cut(whole, TEXT), texts.quoted_text);
    let mut html = String::with_capacity(text.len() + text.len() / 4);
    let lines: Vec<&str> = text.lines().collect();
    for block in lines.chunk_by(|one, next| is_quote(one) == is_quote(next)) {
        let is_quote = block.first().is_some_and(|line| is_quote(line));
        let trimmed = trim_blank(block);
        if trimmed.is_empty() {
            continue;
        }
        let is_long = is_quote && trimmed.len() > SHORT_QUOTE;
        if is_long {
            html.push_str("<details class=\"quote\"><summary>");
            escape(folded, &mut html);
            html.push_str("</summary>");
        }
        html.push_str(if is_quote {
            "<blockquote dir=\"auto\">"
        } else {
            "<p dir=\"auto\">"
        });
        for (number, line) in trimmed.iter().enumerate() {
            if number > 0 {
                html.push('\n');
            }
            link(if is_quote { unquoted(line) } else { line }, &mut html);
        }
        html.push_str(if is_quote { "</blockquote>" } else { "</p>" });
        if is_long {
            html.push_str("</details>");
        }
    }
    if text.len() < whole.len() {
        html.push_str("<p class=\"hint\">");
        escape(texts.cut_text, &mut html);
        html.push_str("</p>");
    }
    html
}

/// Escapes text for HTML.
pub(crate) fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

/// The beginning of a text: up to so many bytes, and whole letters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn is_quote(line: &str) -> bool {
    line.starts_with('>')
}

fn unquoted(line: &str) -> &str {
    let rest = line.strip_prefix('>').unwrap_or(line);
    rest.strip_prefix(' ').unwrap_or(rest)
}

fn trim_blank<'a, 'b>(mut block: &'a [&'b str]) -> &'a [&'b str] {
    while let Some((first, rest)) = block.split_first()
        && first.trim().is_empty()
    {
        block = rest;
    }
    while let Some((last, rest)) = block.split_last()
        && last.trim().is_empty()
    {
        block = rest;
    }
    block
}

fn link(line: &str, html: &mut String) {
    let mut rest = line;
    while let Some((before, url, after)) = next_url(rest) {
        escape(before, html);
        html.push_str("<a href=\"");
        escape(url, html);
        html.push_str("\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">");
        escape(url, html);
        html.push_str("</a>");
        rest = after;
    }
    escape(rest, html);
}

/// The next web address of a line: what is before it, itself, what is behind it.
fn next_url(line: &str) -> Option<(&str, &str, &str)> {
    let start = ["https://", "http://"]
        .iter()
        .filter_map(|scheme| line.find(scheme))
        .min()?;
    let (before, rest) = line.split_at_checked(start)?;
    let end = rest
        .find(|c: char| c.is_whitespace() || c.is_control() || "<>\"'`|\\^{}".contains(c))
        .unwrap_or(rest.len());
    let url = rest.get(..end)?;
    // A full stop or bracket at the end belongs to the sentence, unless the bracket was opened.
    let url = url.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']);
    let url = match url.strip_suffix(')') {
        Some(inner) if !inner.contains('(') => inner,
        _ => url,
    };
    let after = rest.get(url.len()..)?;
    Some((before, url, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webmail::texts::ENGLISH;

    #[test]
    fn everything_is_escaped() {
        let html = to_html(
            "<script>\"x\" & 'y'\nhttps://a.example/?x=\"><script>",
            &ENGLISH,
        );
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("href=\"https://a.example/?x=\""), "{html}");
        assert!(html.contains("&quot;&gt;&lt;script&gt;"));
    }

    #[test]
    fn links_end_where_the_sentence_goes_on() {
        let html = to_html(
            "See (https://a.example/b). Or http://c.example/d_(e), yes.",
            &ENGLISH,
        );
        assert!(html.contains("href=\"https://a.example/b\""), "{html}");
        assert!(html.contains("href=\"http://c.example/d_(e)\""), "{html}");
        assert!(!to_html("javascript:alert(1)", &ENGLISH).contains("<a "));
    }

    #[test]
    fn long_quotes_are_folded_short_ones_are_not() {
        let long = "> a\n".repeat(9);
        assert!(to_html(&long, &ENGLISH).contains("<details"));
        let short = to_html("> a\n> b\nanswer", &ENGLISH);
        assert!(
            short.contains("<blockquote dir=\"auto\">a\nb</blockquote>"),
            "{short}"
        );
        assert!(short.contains("<p dir=\"auto\">answer</p>"));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "ü".repeat(TEXT);
        let html = to_html(&text, &ENGLISH);
        assert!(html.len() <= TEXT + 200);
        assert!(html.contains("This text goes on"), "and it says so");
        assert!(!to_html(text.get(..TEXT).unwrap(), &ENGLISH).contains("goes on"));
    }
}
