//! HTML of strangers, written anew before an HTML parser sees it: comments and text that is no
//! markup are gone, tags are lower-case and well quoted. So what is counted here is what the parser
//! will find; its work grows with the square of some things, and beyond a bound nothing is parsed
//! at all. What is dangerous is taken out afterwards, by the sanitiser.

/// Elements inside elements.
const DEPTH: usize = 400;
/// Steps of the parser: for each tag the elements that are open around it.
const STEPS: usize = 4_000_000;
/// Elements that the parser makes by itself: for each tag the open ones that it opens again in the
/// next block (HTML, "reconstruct the active formatting elements").
const REPEATS: usize = 200_000;
/// Attributes of one tag; the rest is left out.
const ATTRIBUTES: usize = 64;
/// Characters of a text, or of one attribute, that are written as an entity, or look like it. For
/// each of them the parser's writer looks through the rest of its text for the next `<` or `>`.
const ENTITIES: usize = 64;
/// A `<` that it finds, put into texts that have such characters, and taken out when all is
/// written. Nobody's text has the second character: it is for private use, and means nothing.
const MARK: &str = "&lt;\u{e000}";
const PRIVATE: char = '\u{e000}';
/// Bytes of a name; longer ones are nobody's.
const NAME: usize = 40;

/// Their end is known to the parser, or they have none.
const NOT_COUNTED: [&str; 20] = [
    "p", "li", "td", "tr", "th", "dt", "dd", "tbody", "thead", "tfoot", "colgroup", "col", "br",
    "hr", "img", "wbr", "html", "head", "body", "meta",
];
/// What is opened again.
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
/// What is in them is no markup, and nothing of it is shown.
const RAW: [&str; 10] = [
    "script",
    "style",
    "title",
    "textarea",
    "xmp",
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "plaintext",
];

/// Writes HTML anew, with marks ([`without_marks`]). `None` when parsing it would be too much work.
pub(crate) fn canonical(html: &str) -> Option<String> {
    let mut writer = Writer {
        html: String::with_capacity(html.len() + html.len() / 8),
        open: Vec::new(),
        formatting: 0,
        steps: 0,
        repeats: 0,
    };
    let mut rest = html;
    while let Some((text, behind)) = rest.split_once('<') {
        writer.text(text);
        rest = writer.markup(behind)?;
    }
    writer.text(rest);
    Some(writer.html)
}

/// What was made of canonical HTML, as it is to be shown.
pub(crate) fn without_marks(html: &str) -> String {
    html.replace(MARK, "")
}

#[derive(Debug)]
struct Writer<'a> {
    html: String,
    /// The elements that may be open: all that are, and some more. An end tag takes only the last
    /// one away, because of all others it is not sure what the parser makes of it.
    open: Vec<&'a str>,
    /// How many of them are opened again.
    formatting: usize,
    steps: usize,
    repeats: usize,
}

impl<'a> Writer<'a> {
    /// A text, marked before the first character that costs and before each so-many-th: wherever
    /// the parser puts it, and whatever else it puts beside it.
    fn text(&mut self, text: &str) {
        let mut costly = 0;
        for c in text.chars() {
            if costs(c) {
                if costly % ENTITIES == 0 {
                    self.html.push_str(MARK);
                }
                costly += 1;
            }
            self.html.push(public(c));
        }
    }

    /// What stands behind `<`; gives back what is behind that.
    fn markup(&mut self, rest: &'a str) -> Option<&'a str> {
        if let Some(comment) = rest.strip_prefix("!--") {
            return Some(behind_comment(comment));
        }
        if let Some(end) = rest.strip_prefix('/')
            && end.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            let tag = Tag::read(end);
            self.end(tag.name);
            self.count()?;
            return Some(tag.behind);
        }
        if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let tag = Tag::read(rest);
            if is_one_of(tag.name, &RAW) {
                return Some(behind_raw(tag.name, tag.behind));
            }
            self.start(&tag);
            self.count()?;
            return Some(tag.behind);
        }
        if rest.starts_with(['!', '?', '/']) {
            return Some(rest.split_once('>').map_or("", |(_, behind)| behind));
        }
        self.html.push_str("&lt;");
        Some(rest)
    }

    fn start(&mut self, tag: &Tag<'a>) {
        if !is_name(tag.name) {
            return;
        }
        self.html.push('<');
        self.html.push_str(&tag.name.to_ascii_lowercase());
        for (name, value) in &tag.attributes {
            let is_costly = value.chars().filter(|c| costs(*c)).count() > 4 * ENTITIES;
            if !is_name(name) || is_costly {
                continue;
            }
            self.html.push(' ');
            self.html.push_str(&name.to_ascii_lowercase());
            self.html.push_str("=\"");
            for c in value.chars() {
                match c {
                    '<' => self.html.push_str("&lt;"),
                    '>' => self.html.push_str("&gt;"),
                    '"' => self.html.push_str("&quot;"),
                    c => self.html.push(public(c)),
                }
            }
            self.html.push('"');
        }
        self.html.push('>');
        if !is_one_of(tag.name, &NOT_COUNTED) {
            self.open.push(tag.name);
            self.formatting += usize::from(is_one_of(tag.name, &FORMATTING));
        }
    }

    fn end(&mut self, name: &'a str) {
        if !is_name(name) {
            return;
        }
        self.html.push_str("</");
        self.html.push_str(&name.to_ascii_lowercase());
        self.html.push('>');
        if self
            .open
            .last()
            .is_some_and(|last| last.eq_ignore_ascii_case(name))
        {
            self.open.pop();
            self.formatting -= usize::from(is_one_of(name, &FORMATTING));
        }
    }

    /// Adds what one tag costs; `None` when it has become too much.
    fn count(&mut self) -> Option<()> {
        self.steps += self.open.len();
        self.repeats += self.formatting;
        let fits = self.open.len() <= DEPTH && self.steps <= STEPS && self.repeats <= REPEATS;
        fits.then_some(())
    }
}

/// A start tag, or an end tag behind its slash.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    behind: &'a str,
}

impl<'a> Tag<'a> {
    /// As browsers do it (HTML §13.2.5.8 and following). A tag that does not end is none.
    fn read(text: &'a str) -> Self {
        let ends_name = |c: char| c.is_ascii_whitespace() || c == '/' || c == '>';
        let (name, mut rest) = cut(text, ends_name);
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            if let Some(behind) = rest.strip_prefix('>') {
                return Self {
                    name,
                    attributes,
                    behind,
                };
            }
            if rest.is_empty() {
                let (name, behind) = ("", "");
                return Self {
                    name,
                    attributes: Vec::new(),
                    behind,
                };
            }
            let (first, others) = rest.split_at(rest.chars().next().map_or(0, char::len_utf8));
            let (more, after) = cut(others, |c| ends_name(c) || c == '=');
            let attribute = rest.get(..first.len() + more.len()).unwrap_or_default();
            let (value, behind) = value(after);
            rest = behind;
            if attributes.len() < ATTRIBUTES {
                attributes.push((attribute, value));
            }
        }
    }
}

/// The value of an attribute, and what is behind it.
fn value(after: &str) -> (&str, &str) {
    let trimmed = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let Some(rest) = trimmed.strip_prefix('=') else {
        return ("", after);
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
    for quote in ['"', '\''] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or(("", ""));
        }
    }
    cut(rest, |c| c.is_ascii_whitespace() || c == '>')
}

fn cut(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(ends).unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

fn behind_comment(comment: &str) -> &str {
    for short in [">", "->"] {
        if let Some(behind) = comment.strip_prefix(short) {
            return behind;
        }
    }
    comment.split_once("-->").map_or("", |(_, behind)| behind)
}

/// What is behind the end tag of an element whose content is no markup.
fn behind_raw<'a>(name: &str, mut rest: &'a str) -> &'a str {
    while let Some((_, behind)) = rest.split_once("</") {
        let is_end = behind
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name));
        if is_end {
            return behind.split_once('>').map_or("", |(_, behind)| behind);
        }
        rest = behind;
    }
    ""
}

/// `&`, a no-break space, and what begins with the same byte as that.
const fn costs(c: char) -> bool {
    matches!(c, '&' | '\u{80}'..='\u{bf}')
}

const fn public(c: char) -> char {
    match c {
        PRIVATE => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| name.eq_ignore_ascii_case(one))
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    !name.is_empty() && name.len() <= NAME && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(html: &str) -> String {
        without_marks(&canonical(html).unwrap())
    }

    /// Between two `<` there are never many characters that are looked for, whatever the parser
    /// leaves out: time would grow with the square of their number.
    #[test]
    fn what_costs_in_a_text_is_marked() {
        const MANY: usize = 100_000;
        for piece in [
            "&",
            "&a",
            "&#",
            "&#x",
            "&amp",
            "&amp;",
            "&nbsp;",
            "&notit",
            "\u{a0}",
            "\u{b7}x",
            "&<!---->",
            "&</b>",
            "&<td>",
            "</p &>\u{a0}",
        ] {
            let html = canonical(&piece.repeat(MANY / piece.len())).unwrap();
            let text: String = html
                .replace(MARK, "\0")
                .split('<')
                .fold(String::new(), |text, tag| {
                    text + tag.split_once('>').map_or(tag, |(_, behind)| behind)
                });
            let most = text
                .split('\0')
                .map(|one| one.chars().filter(|c| costs(*c)).count());
            assert!(most.max().unwrap() <= ENTITIES, "{piece}");
        }
        let long = |count| format!("<a href=\"?{}\">x</a>", "a&b=".repeat(count));
        assert_eq!(written(&long(4 * ENTITIES)), long(4 * ENTITIES));
        assert_eq!(written(&long(4 * ENTITIES + 1)), "<a>x</a>");
        // Nobody else can write marks.
        assert_eq!(written("&lt;\u{e000}"), "&lt;\u{fffd}");
    }

    #[test]
    fn tags_are_well_formed_and_nothing_else_is_markup() {
        for (html, canonical) in [
            ("a < b && c > d", "a &lt; b && c > d"),
            (
                "<P CLASS=x\nid = 'y\"z'>t</P>",
                "<p class=\"x\" id=\"y&quot;z\">t</p>",
            ),
            ("<img/src=a/onerror=b>", "<img src=\"a/onerror=b\">"),
            ("<div title='</div>'>", "<div title=\"&lt;/div&gt;\">"),
            (
                "a<!-- <b> -->c<!-->d<!--->e<!doctype html>f<?xml ?>g</>h",
                "acdefgh",
            ),
            ("<![if !mso]>x<![endif]>", "x"),
            ("<style>a > b {} </div></STYLE >c<title>t", "c"),
            ("<a\"b=1 c>x</a>y<b", "x</a>y"),
            ("<a =x=y href=z>", "<a href=\"z\">"),
            ("<br/><a b c=></a>", "<br><a b=\"\" c=\"\"></a>"),
        ] {
            assert_eq!(written(html), canonical, "{html}");
        }
    }

    /// Work is counted and not time: each of these would keep a parser busy for minutes, or take
    /// all memory.
    #[test]
    fn what_costs_too_much_is_not_parsed() {
        for piece in [
            "<div>",
            "<o:p>",
            "<table><tr><td>",
            // None of these ends closes the element.
            "<div></b>",
            "<div><!--</div>-->",
            "<div title='></div>'>",
            "<div a=x\"y b=\"></div>\">",
            "<div><style></div></style>",
            "<div><table><td></div></table>",
            "<svg><g>",
            "<b a=1><i>",
        ] {
            assert_eq!(canonical(&piece.repeat(10_000)), None, "{piece}");
        }
        // Each paragraph opens all of them again.
        let again = format!("{}{}", "<b><i>".repeat(150), "<p>x".repeat(10_000));
        assert_eq!(canonical(&again), None);
        let wide = format!("{}{}", "<div>".repeat(390), "<p>x".repeat(100_000));
        assert_eq!(canonical(&wide), None);
        // Attributes are compared with each other.
        let tag = format!(
            "<p {}>",
            (0..10_000)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join(" a")
        );
        assert_eq!(written(&tag).matches("=\"\"").count(), ATTRIBUTES);
    }

    #[test]
    fn large_honest_mail_is_parsed() {
        for piece in [
            "<p>x<br>",
            "<div>x</div>",
            "<table><tr><td><font><b>x</b></font></td></tr></table>",
            "<tr><td><p><o:p>&nbsp;</o:p></p></td></tr>",
        ] {
            assert!(canonical(&piece.repeat(20_000)).is_some(), "{piece}");
        }
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            /// What has been written anew stays as it is: it has one reading.
            #[test]
            fn it_is_stable(
                pieces in proptest::collection::vec(
                    proptest::sample::select(vec![
                        "<", ">", "/", "div", "<b", " a=", "\"", "'", "<!--", "-->", "</b>", "x ",
                        "<style>", "</style", "=", "!", "<p>", "ü", "\n", "&lt;", "&", "\u{a0}",
                    ]),
                    0..40,
                ),
            ) {
                if let Some(once) = canonical(&pieces.concat()) {
                    let once = without_marks(&once);
                    let twice = canonical(&once).map(|html| without_marks(&html));
                    prop_assert_eq!(twice, Some(once));
                }
            }
        }
    }
}
