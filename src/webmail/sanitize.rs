//! HTML of strangers made harmless. It is shown in a sandboxed frame under a policy that allows
//! no script and no request; this is the wall before that wall.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use ammonia::{Builder, UrlRelative};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::markup::{canonical, without_marks};
use crate::mail::Part;

/// HTML of one message that is sanitised; what is longer is shown as its plain form.
pub(crate) const HTML: usize = 4 * 1024 * 1024;
/// Bytes of URLs of inline images in one page, each as often as it is shown.
const INLINE: usize = 16 * 1024 * 1024;

/// May images be fetched from the Internet? It tells the sender that the mail is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    /// No request leaves.
    Blocked,
    /// The reader asked for them.
    Allowed,
}

impl Remote {
    /// What a policy adds to the sources of pictures.
    pub(crate) const fn sources(self) -> &'static str {
        match self {
            Self::Allowed => " https: http:",
            Self::Blocked => "",
        }
    }
}

const TAGS: &[&str] = &[
    "center", "font", "big", "address", "section", "main", "u", "s", "strike", "tt", "tfoot",
    "caption", "col", "colgroup",
];
const ATTRIBUTES: &[&str] = &[
    "style",
    "align",
    "valign",
    "bgcolor",
    "color",
    "width",
    "height",
    "border",
    "cellpadding",
    "cellspacing",
    "dir",
    "lang",
    "title",
    "size",
    "face",
    "nowrap",
];
/// None of these can name a URL, leave the frame's flow or cover the page.
const STYLES: &[&str] = &[
    "background-color",
    "border",
    "border-bottom",
    "border-bottom-color",
    "border-bottom-style",
    "border-bottom-width",
    "border-collapse",
    "border-color",
    "border-left",
    "border-left-color",
    "border-left-style",
    "border-left-width",
    "border-radius",
    "border-right",
    "border-right-color",
    "border-right-style",
    "border-right-width",
    "border-spacing",
    "border-style",
    "border-top",
    "border-top-color",
    "border-top-style",
    "border-top-width",
    "border-width",
    "color",
    "direction",
    "display",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-width",
    "min-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-indent",
    "text-transform",
    "vertical-align",
    "white-space",
    "width",
    "word-break",
    "word-wrap",
];

/// Readings after which HTML must be the same as before. What is taken out can change how the rest
/// is read: two are usual, each more needs malice.
const READINGS: usize = 5;

/// Sanitises HTML. Images of the message itself (`cid:`) are put in, others are blocked unless
/// `images` allows them. `None` when it is too long, or too much work for a parser, or when it is
/// read in another way each time.
pub(crate) fn sanitize(html: &str, images: &Images) -> Option<String> {
    if html.len() > HTML {
        return None;
    }
    let mut html = canonical(html)?;
    for _ in 0..READINGS {
        let again = canonical(&without_marks(&cleaned(&html, None)))?;
        if again == html {
            return Some(without_marks(&cleaned(&html, Some(images.clone()))));
        }
        html = again;
    }
    None
}

/// HTML as a reader gets it who fetches nothing, of a message without images of its own. `None`: he
/// gets its plain form.
#[must_use]
pub fn harmless_html(html: &str) -> Option<String> {
    sanitize(html, &Images::new(&[], Remote::Blocked))
}

/// One reading. Without `images` their sources stay as they are.
fn cleaned(html: &str, images: Option<Images>) -> String {
    let mut builder = Builder::default();
    builder
        .add_tags(TAGS)
        .add_clean_content_tags(&["title", "noscript", "template", "svg", "math", "select"])
        .add_generic_attributes(ATTRIBUTES)
        .filter_style_properties(STYLES.iter().copied().collect())
        .url_schemes(["http", "https", "mailto", "tel", "cid", "data"].into())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .attribute_filter(move |element, attribute, value| {
            if element == "img" && attribute == "src" {
                let Some(images) = &images else {
                    return Some(Cow::Borrowed(value));
                };
                return images.source(value);
            }
            if attribute == "style" {
                return Some(Cow::Owned(without_functions(value)));
            }
            let is_url = matches!(attribute, "href" | "src" | "cite");
            (!is_url || is_link(value)).then_some(Cow::Borrowed(value))
        });
    builder.clean(html).to_string()
}

/// The images of one page: those of the message, and what became of each.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    /// Numbers of the parts and `data:` URLs by `Content-ID` in lower case.
    inline: Arc<HashMap<String, (usize, String)>>,
    remote: Remote,
    tally: Arc<Mutex<Tally>>,
}

#[derive(Debug, Default)]
struct Tally {
    blocked: usize,
    /// Bytes of URLs that were put in.
    bytes: usize,
    shown: BTreeSet<usize>,
}

impl Images {
    /// With the images of a message that have a name to be called by.
    pub(crate) fn new(parts: &[Part], remote: Remote) -> Self {
        Self {
            inline: Arc::new(inline_images(parts)),
            remote,
            tally: Arc::default(),
        }
    }

    /// How many were not let through.
    pub(crate) fn blocked(&self) -> usize {
        self.tally().blocked
    }

    /// Numbers of the parts that the page shows.
    pub(crate) fn shown(&self) -> BTreeSet<usize> {
        self.tally().shown.clone()
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An image of the message, as long as the page has room for it.
    fn own(&self, name: &str) -> Option<String> {
        // RFC 2392 §2: in a URL the name is percent-encoded.
        let name = name.to_ascii_lowercase();
        let found = self.inline.get(&name);
        let (number, url) = found.or_else(|| self.inline.get(&percent_decoded(&name)))?;
        let mut tally = self.tally();
        let bytes = tally.bytes + url.len();
        if bytes > INLINE {
            return None;
        }
        tally.bytes = bytes;
        tally.shown.insert(*number);
        Some(url.clone())
    }

    fn source<'a>(&self, value: &'a str) -> Option<Cow<'a, str>> {
        let trimmed = value.trim();
        let (scheme, rest) = trimmed.split_once(':').unwrap_or_default();
        let is_remote = trimmed.starts_with("//")
            || scheme.eq_ignore_ascii_case("http")
            || scheme.eq_ignore_ascii_case("https");
        if is_remote && self.remote == Remote::Blocked {
            self.tally().blocked += 1;
            return None;
        }
        if scheme.eq_ignore_ascii_case("cid") {
            return self.own(rest).map(Cow::Owned);
        }
        let kind = rest.split([';', ',']).next().unwrap_or_default();
        let is_picture = scheme.eq_ignore_ascii_case("data") && is_picture(kind);
        (is_remote || is_picture).then_some(Cow::Borrowed(value))
    }
}

/// Declarations that call nothing but colours: `url()` fetches wherever it stands. Escapes could
/// spell it in another way.
fn without_functions(style: &str) -> String {
    let is_harmless = |declaration: &&str| {
        let mut rest = *declaration;
        while let Some((before, after)) = rest.split_once('(') {
            let before = before.to_ascii_lowercase();
            let is_colour = ["rgb", "rgba", "hsl", "hsla"]
                .iter()
                .any(|name| before.ends_with(name));
            if !is_colour {
                return false;
            }
            rest = after;
        }
        // No value has a rule or another declaration in it; an escape or a comment may hide one.
        let is_one = declaration.matches(':').count() <= 1;
        is_one && !declaration.contains(['\\', '@']) && !declaration.contains("/*")
    };
    let kept: Vec<&str> = style.split(';').filter(is_harmless).collect();
    kept.join(";")
}

/// A URL that a link may have: it leads out, or to a program that the reader chose.
fn is_link(value: &str) -> bool {
    let scheme = value.trim().split(':').next().unwrap_or_default();
    ["http", "https", "mailto", "tel"]
        .iter()
        .any(|allowed| scheme.eq_ignore_ascii_case(allowed))
}

/// Types of pictures that a browser draws without running anything.
pub(crate) fn is_picture(kind: &str) -> bool {
    ["image/png", "image/jpeg", "image/gif", "image/webp"]
        .iter()
        .any(|allowed| kind.eq_ignore_ascii_case(allowed))
}

fn percent_decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *byte == b'%');
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        let code = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = behind.get(code.map_or(0, |_| 2)..).unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn inline_images(parts: &[Part]) -> HashMap<String, (usize, String)> {
    let mut room = INLINE;
    let mut images = HashMap::new();
    for part in parts.iter().filter(|part| is_picture(&part.content_type)) {
        let Some(id) = &part.content_id else { continue };
        if part.content.len() / 3 * 4 <= room {
            let content = STANDARD.encode(&part.content);
            let url = format!("data:{};base64,{content}", part.content_type);
            room = room.saturating_sub(url.len());
            // Of two with one name the first is meant.
            let of = images.entry(id.to_ascii_lowercase());
            of.or_insert((part.number, url));
        }
    }
    images
}

#[cfg(test)]
#[path = "sanitize_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "sanitize_properties.rs"]
mod properties;
