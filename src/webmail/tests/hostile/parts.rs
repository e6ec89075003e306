//! Files and messages inside of messages.

use super::*;

fn part(kind: &str, name: &str, content: &str) -> String {
    format!(
        "--b\nContent-Type: {kind}\nContent-Disposition: attachment; filename=\"{name}\"\n\n\
         {content}\n"
    )
}

#[tokio::test]
async fn what_cannot_run_is_shown_by_the_browser() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let parts = [
        ("text/csv; charset=utf-8", "a.csv", "a;b"),
        ("application/pdf", "a.pdf", "%PDF-1.4"),
        ("image/png", "a.png", "PNG"),
        ("text/html", "a.html", "<script>alert(1)</script>"),
        ("image/svg+xml", "a.svg", "<svg onload=alert(1)>"),
        ("text/xml", "a.xml", "<?xml version=\"1.0\"?><x/>"),
    ];
    let all: String = parts
        .iter()
        .map(|(kind, name, text)| part(kind, name, text))
        .collect();
    let mail = MAIL.replace(
        "\n\nHello Ann\n",
        "\nContent-Type: multipart/mixed; boundary=b\n\n",
    );
    let id = site
        .deliver(
            &["ann@example.org"],
            &format!("{mail}--b\n\nHello\n{all}--b--\n"),
        )
        .await;
    let page = ann.get(&format!("/message/{id}")).await;
    for ((_, name, _), number) in parts.iter().zip(2..) {
        let path = format!("/message/{id}/part/{number}");
        assert!(
            page.has(&format!("href=\"{path}\" download")),
            "{}",
            page.text
        );
        let shown = ann.get(&format!("{path}?show=1")).await;
        let kind = match *name {
            "a.csv" | "a.xml" => "text/plain; charset=utf-8",
            "a.pdf" => "application/pdf",
            "a.png" => "image/png",
            _ => "application/octet-stream",
        };
        assert_eq!(shown.header("content-type"), kind, "{name}");
        let is_shown = kind != "application/octet-stream";
        assert_eq!(page.has(&format!("{path}?show=1")), is_shown, "{name}");
        let way = if is_shown { "inline" } else { "attachment" };
        assert!(
            shown.header("content-disposition").starts_with(way),
            "{name}"
        );
        let policy = shown.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{name} {policy}");
        // Not every viewer of PDF works in a sandbox.
        assert_eq!(
            policy.contains("sandbox"),
            *name != "a.pdf",
            "{name} {policy}"
        );
        let file = ann.get(&path).await;
        assert!(
            file.header("content-disposition").starts_with("attachment"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_message_inside_of_a_message_is_shown() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mail = MAIL.replace(
        "\n\nHello Ann\n",
        "\nContent-Type: multipart/mixed; boundary=b\n\n",
    );
    let inner = "From: Carla <carla@y.example>\nSubject: <b>The old one\n\
        Date: Mon, 04 May 2026 10:00:00 +0000\nContent-Type: text/html\n\n\
        <p>What was <i>said</i></p><script>alert(1)</script>\n";
    let mail =
        format!("{mail}--b\n\nsee below\n--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n");
    let id = site.deliver(&["ann@example.org"], &mail).await;
    let page = ann.get(&format!("/message/{id}")).await;
    for text in [
        "Message inside of this message",
        "&#60;b&#62;The old one",
        "carla@y.example",
        "4 May 2026, 10:00",
        "What was said",
        "see below",
        ".eml",
    ] {
        assert!(page.has(text), "{text}: {}", page.text);
    }
    assert!(
        !page.has("<script>") && !page.has("<b>The"),
        "{}",
        page.text
    );
}

/// What is written from right to left stands so, also beside what is not.
#[tokio::test]
async fn right_to_left_is_laid_out_by_its_own_letters() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mail = "From: \u{5d3}\u{5e0}\u{5d4} <dana@x.example>\n\
        Subject: \u{5e9}\u{5dc}\u{5d5}\u{5dd}\n\
        Content-Type: text/plain; charset=utf-8\n\n\u{5e9}\u{5dc}\u{5d5}\u{5dd} Ann\n";
    let id = site.deliver(&["ann@example.org"], mail).await;
    let page = ann.get(&format!("/message/{id}")).await;
    for text in [
        "<h1 dir=\"auto\">\u{5e9}\u{5dc}\u{5d5}\u{5dd}</h1>",
        "<bdi class=\"person\"><b>\u{5d3}\u{5e0}\u{5d4}</b>",
        "<p dir=\"auto\">\u{5e9}",
    ] {
        assert!(page.has(text), "{text}: {}", page.text);
    }
    assert!(ann.get("/").await.has("<bdi>\u{5e9}"));
    assert!(
        ann.get(&format!("/message/{id}/reply"))
            .await
            .has("name=\"text\" rows=\"16\" dir=\"auto\"")
    );
    // A mark that turns the text around does not get that far.
    let mail = "From: a@x.example\nSubject: =?utf-8?Q?invoice=E2=80=AEfdp.exe?=\n\nx\n";
    let id = site.deliver(&["ann@example.org"], mail).await;
    assert!(
        ann.get(&format!("/message/{id}"))
            .await
            .has("invoicefdp.exe")
    );
}

/// Who comes for the first time sees the page when it is there: one round trip. Nothing that it is
/// laid out with is elsewhere, and the policy knows the style in it by its digest.
#[tokio::test]
async fn the_first_page_is_whole() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let site = Site::new();
    for path in ["/login", "/invite", "/invite/nothing", "/nothing"] {
        let page = site.visit(path).await;
        if page.status == StatusCode::SEE_OTHER {
            continue;
        }
        let (_, style) = page.text.split_once("<style>").unwrap();
        let (style, rest) = style.split_once("</style>").unwrap();
        let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
        let policy = page.header("content-security-policy");
        let known = format!("style-src 'self' 'sha256-{digest}'; script-src 'self';");
        assert!(policy.contains(&known), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(
            style.contains(".visitor .bar") && !rest.contains("<style"),
            "{path}"
        );
        assert!(
            !page.has("rel=\"stylesheet\"") && !style.contains("url("),
            "{path}"
        );
        for script in page.text.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            assert!(
                tag.contains("src=\"/app.js") && tag.ends_with(" defer"),
                "{path}: {tag}"
            );
        }
        for image in page.text.split("<img").skip(1) {
            let tag = image.split('>').next().unwrap();
            assert!(
                tag.contains("width=") && tag.contains("height="),
                "{path}: {tag}"
            );
        }
        let mut weight = page.text.len();
        for asset in [frame::SCRIPT_PATH, "/icon.svg"] {
            weight += site.visit(asset).await.text.len();
        }
        assert!(weight < 60 * 1024, "{path}: {weight}");
    }
}

/// No page of an empty mailbox weighs more than 60 KiB with everything that it loads.
#[tokio::test]
async fn pages_are_light() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut assets = 0;
    for path in [frame::STYLE_PATH, frame::SCRIPT_PATH, "/icon.svg"] {
        let asset = ann.get(path).await;
        // Loaded once: from then on each page is one round trip.
        assert!(
            asset.header("cache-control").contains("immutable"),
            "{path}"
        );
        assets += asset.text.len();
    }
    for path in [
        "/",
        "/sent",
        "/search",
        "/compose",
        "/settings",
        "/security",
        "/keys",
    ] {
        let page = ann.get(path).await;
        let weight = page.text.len() + assets;
        assert!(weight < 60 * 1024, "{path}: {weight}");
        for outside in [
            "src=\"http",
            "href=\"http",
            "url(",
            "@import",
            "<style",
            " style=",
        ] {
            assert!(!page.has(outside), "{path} has {outside}");
        }
    }
}
