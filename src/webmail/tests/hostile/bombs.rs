//! Mail that is made to cost memory or time: the page comes, with what is there, and is small.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Bytes that a page of such a message may have: it has not tried to show everything.
const PAGE: usize = 256 * 1024;

/// Every view of a message is there, or there is none such; none of them is large.
async fn look(site: &Site, what: &str, mail: &str) -> String {
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site.deliver(&["ann@example.org"], mail).await;
    let mut first = String::new();
    for end in ["", "/html", "/print", "/reply-all", "/forward"] {
        let page = ann.get(&format!("/message/{id}{end}")).await;
        let is_there = page.status == StatusCode::OK;
        let no_html = end == "/html" && page.status == StatusCode::NOT_FOUND;
        assert!(is_there || no_html, "{what} {end}: {}", page.status);
        // A reply quotes 2,000 lines, paper gets all of the text.
        let most = if end.is_empty() { PAGE } else { 8 * PAGE };
        assert!(page.text.len() < most, "{what} {end}: {}", page.text.len());
        if end.is_empty() {
            first = page.text;
        }
    }
    let source = ann.get(&format!("/message/{id}/source")).await;
    assert_eq!(source.status, StatusCode::OK, "{what}");
    for path in ["/", "/search?q=bomb", "/search?q=no-such-word"] {
        assert_eq!(ann.get(path).await.status, StatusCode::OK, "{what} {path}");
    }
    assert!(
        first.contains("Bomb"),
        "{what}: its subject is there: {first}"
    );
    first
}

const HEAD: &str = "From: John <john@x.example>\nTo: ann@example.org\nSubject: Bomb\n";

#[tokio::test]
async fn parts_inside_of_parts() {
    let site = Site::new();
    for kind in [
        "multipart/mixed",
        "multipart/alternative",
        "multipart/digest",
    ] {
        let deep = (0..10_000).fold(HEAD.to_owned(), |text, level| {
            text + &format!("Content-Type: {kind}; boundary=b{level}\n\n--b{level}\n")
        });
        look(&site, kind, &format!("{deep}\nat the bottom\n")).await;
    }
    let inner = "Content-Type: message/rfc822\n\nSubject: inside\n".repeat(10_000);
    look(
        &site,
        "messages",
        &format!("{HEAD}{inner}\nat the bottom\n"),
    )
    .await;
    // Each inside of the next, encoded: three times is what the parser goes along with.
    let mut inner = "Subject: core\n\nat the bottom\n".to_owned();
    for _ in 0..8 {
        inner = format!(
            "Subject: layer\nContent-Type: message/rfc822\n\
             Content-Transfer-Encoding: base64\n\n{}\n",
            STANDARD.encode(inner.replace('\n', "\r\n"))
        );
    }
    look(
        &site,
        "encoded",
        &format!("{HEAD}{}", inner.replacen("Subject: layer\n", "", 1)),
    )
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_parts() {
    let site = Site::new();
    for part in [
        "--b\n\nx\n",
        "--b\nContent-Type: text/html\n\n<p>x\n",
        "--b\nContent-Disposition: attachment; filename=a\n\nx\n",
        "--b\nContent-Type: message/rfc822\n\nSubject: y\n\nx\n",
    ] {
        let parts = part.repeat(100_000);
        let mail = format!("{HEAD}Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n");
        look(&site, part, &mail).await;
    }
}

#[tokio::test]
async fn headers_without_end() {
    let site = Site::new();
    let many = "X: y\n".repeat(100_000);
    look(&site, "fields", &format!("{HEAD}{many}\nHello\n")).await;
    let people: Vec<String> = (0..50_000)
        .map(|n| format!("p{n} <p{n}@x.example>"))
        .collect();
    let page = look(
        &site,
        "people",
        &format!("{HEAD}Cc: {}\n\nHello\n", people.join(",\n ")),
    )
    .await;
    assert!(page.contains("Hello") && page.contains(" +9"), "{page}");
    let words = "=?utf-8?B?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\n ".repeat(20_000);
    look(
        &site,
        "words",
        &format!("From: {words}<a@x.example>\nSubject: Bomb\nComments: {words}\n\nHello\n"),
    )
    .await;
    let folded = "\n ".repeat(100_000);
    look(
        &site,
        "folds",
        &format!("{HEAD}X-Folded: a{folded}b\n\nHello\n"),
    )
    .await;
    let ids = "<a@x> ".repeat(100_000);
    look(
        &site,
        "references",
        &format!("{HEAD}References: {ids}\n\nHello\n"),
    )
    .await;
    let parameters = "; a=\"b\"".repeat(50_000);
    let mail = format!("{HEAD}Content-Type: text/plain{parameters}\n\nHello\n");
    look(&site, "parameters", &mail).await;
}

/// What would be too much for a parser of HTML is shown as its text.
#[tokio::test]
async fn giant_html_is_shown_as_text() {
    let site = Site::new();
    for (piece, count) in [
        ("<table><tr><td>", 100_000),
        ("<div><!--</div>-->", 100_000),
        ("<b a=1><i b=2><p>", 100_000),
        ("<svg><g>", 100_000),
    ] {
        let html = piece.repeat(count);
        let mail = format!("{HEAD}Content-Type: text/html\n\n<p>Hello Ann</p>\n{html}\n");
        let page = look(&site, piece, &mail).await;
        assert!(!page.contains("<iframe"), "{piece}");
        assert!(page.contains("Hello Ann"), "{piece}: {page}");
    }
}

#[tokio::test]
async fn odd_charsets_and_encodings_are_read_as_well_as_can_be() {
    let site = Site::new();
    let long = "x".repeat(10_000);
    for (charset, encoding, text) in [
        ("no-such-charset", "8bit", "Hello Ann"),
        (&*long, "7bit", "Hello Ann"),
        (
            "utf-7",
            "7bit",
            "+ADw-script+AD4-alert(1)+ADw-/script+AD4- Hello Ann",
        ),
        ("utf-16", "base64", "SGVsbG8gQW5u"),
        ("utf-8\"; x=\"", "quoted-printable", "Hello=20Ann=ZZ=FF=00"),
        ("iso-2022-jp", "7bit", "Hello Ann \u{1b}$B"),
        ("us-ascii", "no-such-encoding", "Hello Ann"),
        ("utf-8", "x-uuencode", "begin 644 x\n#0V%T\n`\nend"),
    ] {
        let mail = format!(
            "{HEAD}Content-Type: text/plain; charset={charset}\n\
             Content-Transfer-Encoding: {encoding}\n\n{text}\n"
        );
        let page = look(&site, charset, &mail).await;
        assert!(!page.contains("<script>alert"), "{charset}: {page}");
    }
}

/// Pictures and archives are handed on as they came: nothing here looks into them.
#[tokio::test]
async fn pictures_and_archives_are_never_unpacked() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    // 2^31 pixels in each direction, and ten megabytes of zeros in ten kilobytes.
    let mut picture =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x06".to_vec();
    picture.extend_from_slice(&[0; 30]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &vec![0; 10 * 1024 * 1024]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 20_000);
    let part = |kind: &str, name: &str, content: &[u8]| {
        format!(
            "--b\nContent-Type: {kind}\nContent-Disposition: attachment; filename={name}\n\
             Content-Transfer-Encoding: base64\n\n{}\n",
            STANDARD.encode(content)
        )
    };
    let mail = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n{}{}--b--\n",
        part("image/png", "bomb.png", &picture),
        part("application/gzip", "bomb.gz", &packed),
    );
    let id = site.deliver(&["ann@example.org"], &mail).await;
    let page = ann.get(&format!("/message/{id}")).await;
    assert!(page.text.len() < 20_000, "{}", page.text.len());
    for (number, content) in [(2, &picture), (3, &packed)] {
        let path = format!("/message/{id}/part/{number}?show=1");
        let request = Request::get(&path).header(
            COOKIE,
            ann.cookies
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>()
                .join("; "),
        );
        let request = request.body(Body::empty()).unwrap();
        let response = site.router.clone().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, content.as_slice(), "{path}");
    }
}

/// Whatever a form says: no field of the letter ends before its end.
#[tokio::test]
async fn nothing_of_a_form_gets_into_the_header() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut left = 0;
    for end in [
        "\r\n", "\n", "\r", "\u{2028}", "\u{85}", "\u{b}", "%0D%0A", "=0D=0A", "\0\n",
    ] {
        let evil = format!("a{end}X-Evil: 1{end}{end}<b>");
        let to = format!("\"A{end}X-Evil: 1\" <bob@example.org>");
        let subject = format!("S{evil}");
        let html = "<b>x</b>";
        let form = [
            ("to", &*to),
            ("cc", "bob@example.org"),
            ("subject", &*subject),
            ("html", html),
        ];
        let name = format!("f{end}X-Evil: 1.pdf").replace(char::is_control, "%0D%0A");
        let files: [(&str, &str, &[u8]); 1] = [("file", &name, b"%PDF")];
        let answer = ann.write_with("/compose", &form, &files).await;
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            // A name in two lines is no address, and the page says so.
            assert!(answer.has("is not an email address"), "{}", answer.text);
            continue;
        }
        answer.location();
        left += 1;
        let spool = &site.webmail.0.world.spool;
        let id = spool.sent("ann@example.org", None, 1).unwrap()[0];
        let source = ann.get(&format!("/message/{id}/source")).await.text;
        let (header, _) = source.split_once("\r\n\r\n").unwrap();
        for line in source.split(['\r', '\n']) {
            assert!(!line.starts_with("X-Evil"), "{end:?}: {source}");
        }
        assert_eq!(header.matches("\r\nSubject:").count(), 1, "{source}");
    }
    assert!(left > 3, "{left} have left");
    let form = [
        ("to", "bob@example.org"),
        ("from", "ann@example.org\r\nX-Evil: 1"),
    ];
    let refused = ann.write("/compose", &form).await;
    assert!(refused.has("You cannot write from"), "{}", refused.text);
}
