//! HTML of strangers made harmless. It is shown in a sandboxed frame under a policy that allows
//! no script and no request; this is the wall before that wall.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ammonia::{Builder, UrlRelative};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::markup::canonical;
use crate::mail::Part;

/// HTML that is sanitised; what is longer is shown as its plain form.
pub(crate) const HTML: usize = 4 * 1024 * 1024;
/// Inline images that travel inside the page.
const INLINE: usize = 12 * 1024 * 1024;

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

/// Harmless HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clean {
    /// To be put into a body.
    pub html: String,
    /// Images that were not let through.
    pub blocked_images: usize,
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

/// Sanitises HTML. Images of the message itself (`cid:`) are put in, others are blocked unless
/// `remote` allows them. `None` when it is too long, or too much work for a parser.
pub(crate) fn sanitize(html: &str, parts: &[Part], remote: Remote) -> Option<Clean> {
    if html.len() > HTML {
        return None;
    }
    let html = canonical(html)?;
    let blocked = Arc::new(AtomicUsize::new(0));
    let images = Images {
        inline: inline_images(parts),
        remote,
        blocked: Arc::clone(&blocked),
    };
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
                return images.source(value);
            }
            if attribute == "style" {
                return Some(Cow::Owned(without_functions(value)));
            }
            let is_url = matches!(attribute, "href" | "src" | "cite");
            (!is_url || is_link(value)).then_some(Cow::Borrowed(value))
        });
    let html = builder.clean(&html).to_string();
    Some(Clean {
        html,
        blocked_images: blocked.load(Ordering::Relaxed),
    })
}

struct Images {
    /// `data:` URLs by `Content-ID` in lower case.
    inline: HashMap<String, String>,
    remote: Remote,
    blocked: Arc<AtomicUsize>,
}

impl Images {
    fn source<'a>(&self, value: &'a str) -> Option<Cow<'a, str>> {
        let trimmed = value.trim();
        let (scheme, rest) = trimmed.split_once(':').unwrap_or_default();
        let is_remote = trimmed.starts_with("//")
            || scheme.eq_ignore_ascii_case("http")
            || scheme.eq_ignore_ascii_case("https");
        if is_remote && self.remote == Remote::Blocked {
            self.blocked.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if scheme.eq_ignore_ascii_case("cid") {
            let inline = self.inline.get(&rest.to_ascii_lowercase())?;
            return Some(Cow::Owned(inline.clone()));
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
        !declaration.contains('\\') && !declaration.contains("/*")
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

fn inline_images(parts: &[Part]) -> HashMap<String, String> {
    let mut room = INLINE;
    let mut images = HashMap::new();
    for part in parts.iter().filter(|part| is_picture(&part.content_type)) {
        let Some(id) = &part.content_id else { continue };
        if part.content.len() <= room {
            room -= part.content.len();
            let content = STANDARD.encode(&part.content);
            let url = format!("data:{};base64,{content}", part.content_type);
            images.insert(id.to_ascii_lowercase(), url);
        }
    }
    images
}

#[cfg(test)]
#[path = "sanitize_tests.rs"]
mod tests;
