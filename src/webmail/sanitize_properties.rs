//! Whatever is put together of what attackers use: what is left is on a list of what does no harm,
//! as a reader of HTML sees it that is not the one of the sanitiser.

use proptest::prelude::*;

use super::*;

/// An element of the result and its attributes, values without their entities.
type Tag = (String, Vec<(String, String)>);

/// Reads tags as browsers do (HTML §13.2.5), without building a tree. What this one takes for a
/// tag is the worst that any browser does.
fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let chars: Vec<char> = html.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        if chars[at] != '<' || !(next.is_ascii_alphabetic() || "/!?".contains(next)) {
            at += 1;
            continue;
        }
        at += 1;
        let from = at;
        while at < chars.len() && !chars[at].is_ascii_whitespace() && chars[at] != '>' {
            at += 1;
        }
        let name: String = chars[from..at].iter().collect();
        let (attributes, behind) = attributes(&chars, at);
        at = behind;
        if !name.starts_with('/') {
            tags.push((name.to_ascii_lowercase(), attributes));
        }
    }
    tags
}

fn attributes(chars: &[char], mut at: usize) -> (Vec<(String, String)>, usize) {
    let mut found = Vec::new();
    let is = |at: usize, what: &dyn Fn(char) -> bool| chars.get(at).is_some_and(|c| what(*c));
    loop {
        while is(at, &|c| c.is_ascii_whitespace() || c == '/') {
            at += 1;
        }
        if at >= chars.len() || chars[at] == '>' {
            return (found, at + 1);
        }
        let from = at;
        at += 1;
        while is(at, &|c| !c.is_ascii_whitespace() && !"/>=".contains(c)) {
            at += 1;
        }
        let name: String = chars[from..at].iter().collect();
        let mut value = String::new();
        if is(at, &|c| c == '=') {
            at += 1;
            let quote = chars.get(at).copied().filter(|c| ['"', '\''].contains(c));
            at += usize::from(quote.is_some());
            let from = at;
            while is(at, &|c| match quote {
                Some(quote) => c != quote,
                None => !c.is_ascii_whitespace() && c != '>',
            }) {
                at += 1;
            }
            value = chars[from..at].iter().collect();
            at += usize::from(quote.is_some());
        }
        for (entity, letter) in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&nbsp;", "\u{a0}"),
            ("&amp;", "&"),
        ] {
            value = value.replace(entity, letter);
        }
        found.push((name.to_ascii_lowercase(), value));
    }
}

const ELEMENTS: &str = " a abbr acronym address area article aside b bdi bdo big blockquote br \
    caption center cite code col colgroup data dd del details dfn div dl dt em figcaption figure \
    font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li main map mark nav ol p pre q \
    rp rt rtc ruby s samp section small span strike strong sub summary sup table tbody td tfoot th \
    thead time tr tt u ul var wbr ";
const NAMES: &str = " align alt bgcolor border cellpadding cellspacing cite color colspan \
    datetime dir face height href hreflang lang nowrap rel rowspan size span src start style \
    summary target title type valign width char charoff headers scope hspace vspace noshade \
    coords shape ";

/// What is wrong with the result, if anything.
fn complaint(html: &str, remote: Remote) -> Option<String> {
    for (element, attributes) in tags(html) {
        if !ELEMENTS.contains(&format!(" {element} ")) {
            return Some(format!("<{element}>"));
        }
        for (name, value) in attributes {
            let bad = |why: &str| Some(format!("{why}: {name}={value:?} of <{element}>"));
            if !NAMES.contains(&format!(" {name} ")) {
                return bad("attribute");
            }
            // Browsers leave these out of a URL before they read its scheme.
            let url: String = value.chars().filter(|c| !c.is_control()).collect();
            let url = url.trim().to_lowercase();
            let starts = |schemes: &[&str]| schemes.iter().any(|one| url.starts_with(one));
            if ["href", "cite"].contains(&&*name)
                && !starts(&["http:", "https:", "mailto:", "tel:"])
            {
                return bad("link");
            }
            let pictures = ["png", "jpeg", "gif", "webp"];
            let is_picture = pictures.iter().any(|kind| {
                let rest = url
                    .strip_prefix("data:image/")
                    .and_then(|url| url.strip_prefix(kind));
                rest.is_some_and(|rest| rest.starts_with([';', ',']))
            });
            let is_remote = remote == Remote::Allowed && starts(&["http:", "https:", "//"]);
            if name == "src" && !is_picture && !is_remote {
                return bad("source");
            }
            if name == "target" && value != "_blank" {
                return bad("target");
            }
            if name == "style" && bad_style(&value) {
                return bad("style");
            }
        }
    }
    None
}

fn bad_style(style: &str) -> bool {
    let style = style.to_lowercase();
    let words = [
        "url",
        "image-set",
        "expression",
        "import",
        "position",
        "z-index",
        "behavior",
        "binding",
        "\\",
        "/*",
        "var(",
        "attr(",
        "env(",
        "element(",
        "transform",
        "opacity",
        "content:",
        "cursor",
        "filter",
        "clip",
        "mask",
        "animation",
        "float",
    ];
    words.iter().any(|word| style.contains(word))
}

/// What is put together: markup in all states of being broken, and what attackers put into it.
const PIECES: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "\"",
    "'",
    "`",
    "=",
    " ",
    "\n",
    "\t",
    "\u{c}",
    "\0",
    "\u{a0}",
    "&",
    "&lt;",
    "&gt;",
    "&quot;",
    "&#60;",
    "&#x3c;",
    "&amp;lt;",
    "&colon;",
    "&Tab;",
    "&NewLine;",
    "<!--",
    "-->",
    "--!>",
    "<![CDATA[",
    "]]>",
    "<!doctype html>",
    "<?xml ?>",
    "<![if !mso]>",
    "text",
    "<script>",
    "</script>",
    "<style>",
    "</style>",
    "<svg>",
    "</svg>",
    "<math>",
    "</math>",
    "<mtext>",
    "<mglyph>",
    "<malignmark>",
    "<annotation-xml encoding=text/html>",
    "<foreignObject>",
    "<title>",
    "</title>",
    "<textarea>",
    "</textarea>",
    "<noscript>",
    "</noscript>",
    "<xmp>",
    "</xmp>",
    "<template>",
    "</template>",
    "<plaintext>",
    "<select>",
    "<option>",
    "</select>",
    "<table>",
    "</table>",
    "<tr>",
    "<td>",
    "</td>",
    "<caption>",
    "<form>",
    "</form>",
    "<input>",
    "<button>",
    "<iframe>",
    "</iframe>",
    "<object>",
    "<embed>",
    "<link>",
    "<meta>",
    "<base>",
    "<body>",
    "<html>",
    "<head>",
    "<frameset>",
    "<img>",
    "<image>",
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<b>",
    "<a>",
    "</a>",
    "<font>",
    "<br>",
    "<li>",
    "<details>",
    "<area>",
    "<map>",
    "<pre>",
    "<listing>",
    "<dialog>",
    "<img src=",
    "<a href=",
    "<div style=\"",
    "<p style='",
    "<svg onload=",
    "<td background=",
    "<q cite=",
    "<form action=",
    "<button formaction=",
    "<meta http-equiv=refresh content=",
    " onerror=",
    " onload=alert(1)",
    " src=",
    " href=",
    " style=\"",
    " srcset=",
    " background=",
    " title=\"",
    " id=",
    " class=",
    " name=",
    " target=_top",
    " xlink:href=",
    " style=",
    "javascript:alert(1)",
    "java\tscript:",
    "JaVaScRiPt&colon;",
    "\u{1}javascript:",
    "vbscript:x",
    "data:text/html,<script>",
    "data:image/svg+xml,<svg onload=x>",
    "data:image/png;base64,AAAA",
    "https://evil.example/x",
    "//evil.example/x",
    "http:evil",
    "cid:x",
    "/login",
    "mailto:a@x",
    "blob:x",
    "url(//evil.example)",
    "position:fixed",
    ";top:0",
    "color:red",
    ";",
    "background:",
    "u\\72l(",
    "expression(alert(1))",
    "/**/",
    "image-set('//evil.example' 1x)",
    "width:100%",
    "z-index:9",
    "p\\6fsition:absolute",
    "@import '//evil.example'",
    "behavior:url(#x)",
    "rgb(1,2,3)",
    "font:",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        20 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn cleaned(html: &str, remote: Remote) -> String {
    sanitize(html, &Images::new(&[], remote)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_harmful_is_left(html in soup(), is_allowed: bool) {
        let remote = if is_allowed { Remote::Allowed } else { Remote::Blocked };
        let once = cleaned(&html, remote);
        prop_assert_eq!(complaint(&once, remote), None, "{:?} → {:?}", html, once);
        // What is harmless stays as it is: it has one reading.
        prop_assert_eq!(cleaned(&once, remote), once);
    }
}

#[test]
fn the_reader_of_these_tests_complains() {
    for html in [
        "<script>",
        "<IMG SRC=x:y>",
        "<p/onclick=x>",
        "<a href='java\tscript:x'>",
        "<a title=\">\" href=/x>",
        "<img src=\"https://x.example/\">",
        "<img src=\"data:image/svg+xml,x\">",
        "<p style=\"color:red;background:URL(x)\">",
        "<p style=\"position:fixed\">",
        "<a target=_top>",
        "<!-- x -->",
        "a</p ><svg/onload=x>",
    ] {
        assert!(complaint(html, Remote::Blocked).is_some(), "{html}");
    }
    let harmless = "x &lt;script> < 3 <p style=\"color:red\">a</p><a href=\"tel:1\" \
        title=\"<script>\">b</a><img src=\"data:image/png;base64,AA\">";
    assert_eq!(complaint(harmless, Remote::Blocked), None);
}
