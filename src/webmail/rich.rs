//! A letter with simple formatting: what the editor in the browser made of it, cut down to a few
//! elements, and the plain text that goes with it.

use std::collections::{HashMap, HashSet};

use ammonia::{Builder, UrlRelative};

use super::markup::{canonical, without_marks};
use crate::limits;

/// All that a letter of ours can have.
const TAGS: [&str; 13] = [
    "a",
    "b",
    "blockquote",
    "br",
    "div",
    "em",
    "i",
    "li",
    "ol",
    "p",
    "strong",
    "u",
    "ul",
];

/// Cuts HTML down to what a letter of ours can have. `None` when nothing that one can read is left,
/// or when it is too deep or too long to be worked on: then the letter is plain text.
#[must_use]
pub fn narrow(html: &str) -> Option<String> {
    if html.len() > limits::FORM {
        return None;
    }
    let html = canonical(html)?;
    let clean = Builder::empty()
        .tags(HashSet::from(TAGS))
        .clean_content_tags(HashSet::from([
            "script", "style", "title", "noscript", "template", "svg", "math", "select", "textarea",
        ]))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"]))]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(None)
        .clean(&html)
        .to_string();
    let clean = without_marks(&clean);
    (!to_text(&clean).trim().is_empty()).then_some(clean)
}

/// The plain text of what [`narrow`] has made: quotes with `>`, lists with `-` and numbers, links
/// with their address.
pub(crate) fn to_text(narrow: &str) -> String {
    let mut writer = Writer::default();
    for piece in narrow.split('<') {
        // The sanitiser writes each `<` and `>` of a text as an entity; only the first piece has no
        // tag.
        let (tag, text) = piece.split_once('>').unwrap_or(("", piece));
        writer.tag(tag);
        writer.text(text);
    }
    writer.end_line();
    let mut lines = writer.lines;
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

#[derive(Debug, Default)]
struct Writer {
    lines: Vec<String>,
    line: String,
    /// How many quotes are open.
    quotes: usize,
    /// The lists that are open: the number of the next item, or none.
    lists: Vec<Option<usize>>,
    /// What stands before the first line of an item.
    mark: String,
    /// Where the link that is open leads, and where its text begins.
    link: Option<(String, usize)>,
}

impl Writer {
    fn tag(&mut self, tag: &str) {
        let name = tag.split(' ').next().unwrap_or_default();
        match name {
            "br" => self.push_line(),
            "a" => {
                let href = tag
                    .split_once("href=\"")
                    .and_then(|(_, rest)| rest.split('"').next());
                self.link = href.map(|href| (plain(href), self.line.len()));
            }
            "/a" => self.end_link(),
            "/p" => {
                self.end_line();
                self.push_line();
            }
            "div" | "/div" | "p" | "/li" => self.end_line(),
            "blockquote" => {
                self.end_line();
                self.quotes += 1;
            }
            "/blockquote" => {
                self.end_line();
                self.quotes = self.quotes.saturating_sub(1);
            }
            "ul" | "ol" => {
                self.end_line();
                self.lists.push((name == "ol").then_some(1));
            }
            "/ul" | "/ol" => {
                self.end_line();
                self.lists.pop();
            }
            "li" => {
                self.end_line();
                self.mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    Some(None) | None => "- ".to_owned(),
                };
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        for c in plain(text).chars() {
            let is_space = matches!(c, ' ' | '\n' | '\r' | '\t');
            match c {
                _ if !is_space => self.line.push(c),
                _ if self.line.is_empty() || self.line.ends_with(' ') => {}
                _ => self.line.push(' '),
            }
        }
    }

    fn end_link(&mut self) {
        let Some((href, start)) = self.link.take() else {
            return;
        };
        let shown = self.line.get(start..).unwrap_or_default().trim();
        let address = href.strip_prefix("mailto:").unwrap_or(&href);
        if shown != address && shown != href {
            let more = format!(" <{address}>");
            self.line.push_str(&more);
        }
    }

    /// Ends a line that has begun.
    fn end_line(&mut self) {
        if !self.line.trim().is_empty() {
            self.push_line();
        }
        self.line.clear();
    }

    fn push_line(&mut self) {
        // An address that goes on in the next line stands behind the last one.
        if let Some((_, start)) = &mut self.link {
            *start = 0;
        }
        let text = std::mem::take(&mut self.line).replace('\u{a0}', " ");
        let mark = std::mem::take(&mut self.mark);
        let indent = if self.lists.is_empty() || !mark.is_empty() {
            0
        } else {
            2
        };
        let depth = 2 * self.lists.len().saturating_sub(1) + indent;
        let text = match text.trim_end() {
            // RFC 3676 §4.3: the line before a signature ends with a space.
            "--" if mark.is_empty() && self.quotes == 0 => "-- ".to_owned(),
            "" if mark.is_empty() => String::new(),
            text => format!("{:depth$}{mark}{text}", ""),
        };
        let quote = ">".repeat(self.quotes);
        let gap = if quote.is_empty() || text.is_empty() {
            ""
        } else {
            " "
        };
        self.lines.push(format!("{quote}{gap}{text}"));
    }
}

/// The few entities that the sanitiser writes.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_keeps_a_few_elements_and_nothing_else() {
        let html = narrow(
            "<div style=\"color:red\" onclick=\"x()\">Hi <b class=x>Bob</b>, <i>now</i>\
             <script>alert(1)</script><img src=https://x.example/p.gif></div>\
             <ul><li>one<li>two</ul>\
             <a href=\"https://x.example/?a=1&b=2\" target=_top>here</a>\
             <a href=\"javascript:alert(1)\">no</a><h1>Big</h1>\
             <blockquote cite=x>said</blockquote>",
        );
        assert_eq!(
            html.unwrap(),
            "<div>Hi <b>Bob</b>, <i>now</i></div><ul><li>one</li><li>two</li></ul>\
             <a href=\"https://x.example/?a=1&amp;b=2\">here</a><a>no</a>Big\
             <blockquote>said</blockquote>"
        );
        assert_eq!(narrow("<div><br></div>&nbsp;"), None);
        assert_eq!(narrow(&"<div>".repeat(1_000)), None);
        assert_eq!(narrow(&"x".repeat(limits::FORM + 1)), None);
    }

    #[test]
    fn its_plain_text_has_quotes_lists_and_links() {
        let html = narrow(
            "<div>Dear  Bob,</div><div><br></div>\
             <div>see <a href=\"https://x.example/a\">the plan</a> \
             or https://y.example:</div><ul><li>first &lt;1&gt;</li><li>second<ol><li>a</li><li>b\
             </li></ol></li></ul><div>Ann&nbsp; A.<br></div><div>--&nbsp;</div><div>Archer</div>\
             <blockquote><div>Why?</div><div><br></div><blockquote>So.</blockquote></blockquote>\
             <p>One</p><p>Two <a href=\"mailto:a@x.example\">a@x.example</a></p>",
        );
        assert_eq!(
            to_text(&html.unwrap()),
            "Dear Bob,\n\nsee the plan <https://x.example/a> or https://y.example:\n- first <1>\n\
             - second\n  1. a\n  2. b\nAnn  A.\n-- \nArcher\n> Why?\n>\n>> So.\nOne\n\n\
             Two a@x.example"
        );
    }

    /// A megabyte of what has to be escaped would take minutes if each of it looked for the next.
    #[test]
    fn all_of_it_may_have_to_be_escaped() {
        for (piece, made, read) in [("&", "&amp;", "&"), ("\u{b7}", "\u{b7}", "\u{b7}")] {
            let many = limits::FORM / piece.len();
            let html = narrow(&piece.repeat(many)).unwrap();
            assert!(html == made.repeat(many), "{piece}");
            assert!(to_text(&html) == read.repeat(many), "{piece}");
        }
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            /// Whatever a form says: what is left is stable, and its text has no markup.
            #[test]
            fn forms_can_say_what_they_like(
                pieces in proptest::collection::vec(
                    proptest::sample::select(vec![
                        "<div>", "</div>", "<b>", "<blockquote>", "</blockquote>", "<ol>", "<li>",
                        "</ul>", "<a href=\"https://x.example\">", "</a>", "<br>", "<script>",
                        "<svg>", "<style>", "<!--", "-->", "<math><mi>", "&lt;", "&amp;lt;",
                        "text ", "\"", ">",
                    ]),
                    0..40,
                ),
            ) {
                if let Some(html) = narrow(&pieces.concat()) {
                    prop_assert_eq!(narrow(&html), Some(html.clone()));
                    prop_assert!(!html.contains("<script") && !html.contains("<svg"));
                    prop_assert!(!to_text(&html).trim().is_empty());
                }
            }
        }
    }
}
