use super::*;
use crate::mail::HoldReason;

#[tokio::test]
async fn i12_nobody_sees_the_mail_of_another() {
    let site = Site::new();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    assert!(ann.get("/").await.has("The plan"));
    assert!(bob.get("/").await.has("No mail yet"));
    for end in [
        "",
        "/html",
        "/source",
        "/part/0",
        "/part/1",
        "/reply",
        "/reply-all",
    ] {
        let answer = bob.get(&format!("/message/{id}{end}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{end}");
        assert!(!answer.has("Hello") && !answer.has("The plan"));
    }
    // Nor through the thread of an answer.
    let sent = bob
        .write(
            "/compose",
            &[("to", "c@x.example"), ("answers", &id.to_string())],
        )
        .await;
    assert_eq!(sent.location(), "/sent?sent=1");
    let spool = &site.webmail.0.world.spool;
    let own = spool.sent("bob@example.org", None, 1).unwrap()[0];
    let source = bob.get(&format!("/message/{own}/source")).await;
    assert!(!source.has("1@x"), "{}", source.text);
    // What one sent is not the other's, and a forged sender makes nothing sent.
    assert_eq!(
        ann.get(&format!("/message/{own}")).await.status,
        StatusCode::NOT_FOUND
    );
    let forged = MAIL.replace("john@x.example", "bob@example.org");
    let forged = site.deliver(&["ann@example.org"], &forged).await;
    assert_eq!(
        bob.get(&format!("/message/{forged}")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn mail_is_listed_read_and_told_where_it_stands() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site
        .deliver(&["ann@example.org", "bob@example.org"], MAIL)
        .await;
    assert!(ann.get("/").await.has("On its way to On-premise"));
    site.set_health(Health::Down, Timestamp::from_millis(1_778_000_000_000));
    let list = ann.get("/").await;
    for text in [
        "John Doe",
        "john@x.example",
        "Unread",
        "Waits for On-premise since",
    ] {
        assert!(list.has(text), "{text}: {}", list.text);
    }
    assert!(list.has("On-premise has not been reachable since"));
    assert!(list.has("arrives in your mailbox when On-premise is back"));
    let page = ann.get(&format!("/message/{id}")).await;
    for text in [
        "Hello Ann",
        "The plan",
        "Waits for On-premise since",
        "kept safely here",
    ] {
        assert!(page.has(text), "{text}: {}", page.text);
    }
    assert!(
        !page.has("bob@example.org"),
        "hidden recipients stay hidden"
    );
    assert!(!ann.get("/").await.has("Unread:"));
    let spool = &site.webmail.0.world.spool;
    let delivered = RecipientEvent::Delivered {
        backend: BackendId::new("onprem"),
        reply: Reply::plain(250, "ok"),
        delivery_address: "ann@example.org".to_owned(),
        tls: None,
        diverted_from: None,
    };
    let begun = RecipientEvent::Attempted {
        backend: BackendId::new("onprem"),
    };
    spool.record(id, vec![0], begun).await.unwrap();
    spool.record(id, vec![0], delivered).await.unwrap();
    site.set_health(Health::Up, Timestamp::EPOCH);
    let list = ann.get("/").await;
    assert!(
        list.has("Delivered to On-premise") && !list.has("class=\"banner\""),
        "{}",
        list.text
    );
    let source = ann.get(&format!("/message/{id}/source")).await;
    assert_eq!(source.text, MAIL.replace('\n', "\r\n"));
    assert_eq!(source.header("content-type"), "text/plain; charset=utf-8");
    assert!(source.header("content-security-policy").contains("sandbox"));
}

/// A domain on the move: the reason stands on the page and at each message that waits for it.
#[tokio::test]
async fn a_move_is_told() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    let reason = HoldReason::Move {
        domain: "example.org".to_owned(),
        actor: "root".to_owned(),
    };
    let spool = &site.webmail.0.world.spool;
    let held = RecipientEvent::Held { reason };
    spool.record(id, vec![0], held).await.unwrap();
    site.set_moving(Timestamp::from_millis(1_778_000_000_000));
    let list = ann.get("/").await;
    for text in [
        "The mail of example.org has been moving to another place since",
        "arrives in your mailbox when the move is over",
        "Waits here while example.org moves to another place",
    ] {
        assert!(list.has(text), "{text}: {}", list.text);
    }
    assert!(!list.has("root"), "who moves it is no matter of users");
}

#[tokio::test]
async fn long_lists_have_pages() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    for number in 0..101 {
        let mail = MAIL.replace("The plan", &format!("Mail-{number}."));
        site.deliver(&["ann@example.org"], &mail).await;
    }
    let mut path = "/".to_owned();
    let mut seen = Vec::new();
    for rows in [50, 50, 1] {
        let page = ann.get(&path).await;
        let found: Vec<_> = (0..101)
            .filter(|n| page.has(&format!("Mail-{n}.")))
            .collect();
        assert_eq!(found.len(), rows);
        seen.extend(found);
        let older = page.text.split("href=\"/?before=").nth(1);
        path = older.map_or(String::new(), |rest| {
            format!("/?before={}", rest.split('"').next().unwrap())
        });
    }
    assert_eq!(path, "");
    seen.sort_unstable();
    assert_eq!(seen, (0..101).collect::<Vec<_>>());
}

#[tokio::test]
async fn hostile_html_is_shown_in_a_sealed_frame() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site
        .deliver(
            &["ann@example.org"],
            "From: <script>alert(1)</script> <a@x.example>\nSubject: <img src=x onerror=alert(1)>\n\
             Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n\
             <script>alert(1)</script><p>Hi</p><img src=\"https://evil.example/p.gif\">\n\
             --b\nContent-Type: text/html; name=\"x.html\"\nContent-Disposition: attachment\n\n\
             <script>alert(2)</script>\n--b--\n",
        )
        .await;
    let page = ann.get(&format!("/message/{id}")).await;
    assert!(
        !page.has("<script>") && !page.has("<img src=x"),
        "{}",
        page.text
    );
    assert!(page.has("One picture from the Internet was not loaded"));
    assert!(page.has("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
    let frame = ann.get(&format!("/message/{id}/html")).await;
    assert!(frame.has("<p>Hi</p>") && !frame.has("<script") && !frame.has("evil.example"));
    let policy = frame.header("content-security-policy");
    assert!(policy.starts_with("sandbox allow-popups") && policy.ends_with("img-src data:"));
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"));
    let frame = ann.get(&format!("/message/{id}/html?images=1")).await;
    assert!(frame.has("https://evil.example/p.gif"));
    assert!(
        frame
            .header("content-security-policy")
            .ends_with("img-src data: https: http:")
    );
    let number = page
        .text
        .split("/part/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let part = ann.get(&format!("/message/{id}/part/{number}")).await;
    assert_eq!(part.header("content-type"), "application/octet-stream");
    assert!(
        part.header("content-disposition")
            .starts_with("attachment; filename=\"x.html\"")
    );
    assert_eq!(
        ann.get(&format!("/message/{id}/part/77")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn finished_mail_beyond_the_quota_is_not_shown_and_the_page_says_so() {
    let site = Site::made("http://127.0.0.1:8080", 1);
    let mut ann = site.enrolled("ann@example.org").await;
    let old = site.deliver(&["ann@example.org"], MAIL).await;
    site.deliver(&["ann@example.org"], &MAIL.replace("The plan", "News"))
        .await;
    let link = format!("/message/{old}");
    let inbox = ann.get("/").await;
    assert!(inbox.has(&link), "it waits");
    assert!(inbox.has("Older messages are not shown here."));
    let spool = &site.webmail.0.world.spool;
    let dropped = RecipientEvent::Dropped {
        actor: "ops".to_owned(),
        reason: String::new(),
    };
    spool.record(old, vec![0], dropped).await.unwrap();
    let inbox = ann.get("/").await;
    assert!(!inbox.has(&link) && inbox.has("News"));
    assert_eq!(ann.get(&link).await.status, 404);
}

#[tokio::test]
async fn a_doubtful_sender_is_told() {
    let site = Site::new();
    let mut browser = site.enrolled("ann@example.org").await;
    for (from, says) in [
        (
            "\"Boss boss@example.org\" <x@evil.example>",
            "The name shows boss@example.org",
        ),
        (
            "Boss <boss@examp1e.org>",
            "examp1e.org looks like example.org",
        ),
        ("Boss <boss@example.org>", "came from outside"),
    ] {
        let mail = format!("From: {from}\nSubject: x\n\nPay now.\n");
        let id = site.deliver(&["ann@example.org"], &mail).await;
        let page = browser.get(&format!("/message/{id}")).await;
        assert!(
            page.has("Look twice") && page.has(says),
            "{from}: {}",
            page.text
        );
    }
    let failed = MAIL.replace("To:", "Authentication-Results: mx; dmarc=fail\nTo:");
    let id = site.deliver(&["ann@example.org"], &failed).await;
    let page = browser.get(&format!("/message/{id}")).await;
    assert!(
        page.has("A check of the sender has failed"),
        "{}",
        page.text
    );
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    assert!(
        !browser
            .get(&format!("/message/{id}"))
            .await
            .has("Look twice")
    );
    // What one writes here oneself is not doubted.
    browser
        .write(
            "/compose",
            &[
                ("to", "ann@example.org"),
                ("subject", "Self"),
                ("text", "x"),
            ],
        )
        .await
        .location();
    let list = browser.get("/").await;
    let (_, rest) = list.text.split_once("href=\"/message/").unwrap();
    let own = rest.split('"').next().unwrap();
    let page = browser.get(&format!("/message/{own}")).await;
    assert!(page.has("Self") && !page.has("Look twice"));
}

#[tokio::test]
async fn a_message_is_printed_whole_and_sealed() {
    let site = Site::new();
    let mail = "From: \"<b>J\" <john@x.example>\nTo: ann@example.org\nSubject: <i>Plan\n\
        Content-Type: text/html\n\n<p>Hello <b>Ann</b></p><script>alert(1)</script>\
        <img src=\"https://x.example/p.gif\">\n";
    let id = site.deliver(&["ann@example.org"], mail).await;
    let mut browser = site.enrolled("ann@example.org").await;
    let path = format!("/message/{id}/print");
    assert!(browser.get(&format!("/message/{id}")).await.has(&path));
    let page = browser.get(&path).await;
    assert!(
        page.has("<h1 dir=\"auto\">&lt;i&gt;Plan</h1>"),
        "{}",
        page.text
    );
    assert!(
        page.has("&lt;b&gt;J &lt;john@x.example&gt;"),
        "{}",
        page.text
    );
    assert!(page.has("<b>Ann</b>") && !page.has("<script") && !page.has("p.gif"));
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("sandbox") && !policy.contains("https:"),
        "{policy}"
    );
    let shown = browser.get(&format!("{path}?images=1")).await;
    assert!(shown.has("p.gif"));
    assert!(shown.header("content-security-policy").contains("https:"));
    let plain = browser.get(&format!("{path}?view=plain")).await;
    assert!(plain.has("<pre>") && !plain.has("<b>Ann</b>"));
    let mut bob = site.enrolled("bob@example.org").await;
    assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
}

/// Numbers in addresses that nobody of ours wrote.
#[tokio::test]
async fn numbers_that_make_no_sense_are_none() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    for n in [
        "-1",
        "1e9",
        "99999999999999999999999",
        "300000",
        "x",
        "%00",
        "1;2",
    ] {
        for path in [
            format!("/?did=archive&n={n}"),
            format!("/search?q=plan&did=archive&n={n}"),
            format!("/message/{id}?did=archive&n={n}"),
        ] {
            let page = ann.get(&path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert!(
                page.has("The plan") && !page.has("class=\"notice\""),
                "{path}"
            );
        }
    }
    for path in [
        "/?before=x",
        "/sent?before=-1",
        "/search?q=x&before=9",
        "/?n=1&n=2",
    ] {
        let page = ann.get(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(
            page.has("<h1>That makes no sense here</h1>"),
            "{}",
            page.text
        );
    }
}

/// What is not shown is said to be there.
#[tokio::test]
async fn a_message_of_too_many_parts_says_how_many_are_not_listed() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let part = |number: usize| format!("--b\nContent-Type: image/png; name=p{number}.png\n\nx\n");
    let mail = |count: usize| {
        let parts: String = (0..count).map(part).collect();
        format!("From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n")
    };
    // The message itself is the first of the parts that are read.
    for (count, hint) in [(499, None), (502, Some("3 parts more than are listed"))] {
        let id = site.deliver(&["ann@example.org"], &mail(count)).await;
        let page = ann.get(&format!("/message/{id}")).await;
        assert!(page.has("p498.png"), "{count}");
        match hint {
            Some(hint) => assert!(page.has(hint) && !page.has("p499.png"), "{}", page.text),
            None => assert!(!page.has("parts more than")),
        }
    }
}
