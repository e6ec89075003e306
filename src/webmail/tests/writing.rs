use super::*;

#[tokio::test]
async fn an_answer_leaves_as_the_user_and_only_once() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    let page = ann.get(&format!("/message/{id}/reply")).await;
    assert!(page.has("&#62; Hello Ann"), "{}", page.text);
    let (csrf, token) = (page.field("csrf"), page.field("token"));
    let form = [
        ("csrf", &*csrf),
        ("token", &*token),
        ("action", "send"),
        ("answers", &*id.to_string()),
        ("to", "John Doe <john@x.example>"),
        ("cc", "bob@example.org, BOB@example.org"),
        ("subject", "Re: The plan\r\nBcc: evil@x.example"),
        ("text", "Yes.\r\n.\r\nAnn"),
    ];
    let (first, second) = (
        ann.upload("/compose", &form, &[]).await,
        ann.upload("/compose", &form, &[]).await,
    );
    assert_eq!(
        (first.location(), second.location()),
        ("/sent?sent=1", "/sent?sent=1")
    );
    let spool = &site.webmail.0.world.spool;
    let sent = spool.sent("ann@example.org", None, 10).unwrap();
    assert_eq!(sent.len(), 1, "the same form twice is one message");
    let message = spool.message(sent[0]).unwrap().unwrap();
    assert_eq!(message.envelope.from.to_string(), "ann@example.org");
    assert_eq!(message.envelope.authenticity, Authenticity::Local);
    assert_eq!(message.envelope.peer.protocol, "webmail");
    let lanes: Vec<_> = message
        .envelope
        .recipients
        .iter()
        .map(|one| &*one.lane)
        .collect();
    assert_eq!(lanes, ["@x.example", "onprem"]);
    let source = ann.get(&format!("/message/{}/source", sent[0])).await.text;
    for line in [
        "From: <ann@example.org>\r\n",
        "In-Reply-To: <1@x>\r\n",
        "References: <1@x>\r\n",
    ] {
        assert!(source.contains(line), "{line}: {source}");
    }
    assert!(source.starts_with("Received: by mx.example.org (Tideover webmail) with HTTP id "));
    assert!(!source.contains("\nBcc:"), "{source}");
    let list = ann.get("/sent?sent=1").await;
    assert!(list.has("Your message is on its way") && list.has("To john@x.example"));
    let mut bob = site.enrolled("bob@example.org").await;
    assert!(
        bob.get("/").await.has("Re: The plan"),
        "internal mail is in the webmail at once"
    );
}

#[tokio::test]
async fn a_wrong_recipient_loses_nothing() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    for (to, says) in [
        (
            "nobody@example.org, bob@x.example",
            "nobody@example.org cannot get mail: No such user",
        ),
        (
            "bob@x.example, not an address",
            "“not an address” is not an email address",
        ),
        ("", "Say to whom it goes"),
    ] {
        let form = [
            ("to", to),
            ("subject", "My subject"),
            ("text", "My long <text>"),
        ];
        let answer = ann.write("/compose", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.has(says), "{says}: {}", answer.text);
        assert!(answer.has("My long &#60;text&#62;") && answer.has("value=\"My subject\""));
    }
    let many: Vec<_> = (0..101).map(|n| format!("u{n}@x.example")).collect();
    let answer = ann.write("/compose", &[("to", &many.join(", "))]).await;
    assert!(answer.has("can go to 100 addresses at most; this one has 101"));
    assert!(ann.get("/sent").await.has("Nothing sent yet"));
}

/// The message that a user sent last, as its source.
async fn last_sent(browser: &mut Browser<'_>) -> String {
    let spool = &browser.site.webmail.0.world.spool;
    let sent = spool.sent("ann@example.org", None, 1).unwrap();
    browser
        .get(&format!("/message/{}/source", sent[0]))
        .await
        .text
}

#[tokio::test]
async fn mail_within_the_house_arrives_while_the_platform_is_down() {
    let site = Site::new();
    site.set_health(Health::Down, Timestamp::from_millis(1_778_000_000_000));
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let form = [
        ("to", "bob@example.org"),
        ("subject", "Lunch?"),
        ("text", "At noon."),
    ];
    ann.write("/compose", &form).await.location();
    let inbox = bob.get("/").await;
    assert!(
        inbox.has("Lunch?") && inbox.has("Waits for On-premise"),
        "{}",
        inbox.text
    );
    let spool = &site.webmail.0.world.spool;
    let id = spool.mailbox("bob@example.org", None, 1).unwrap()[0].0;
    let path = format!("/message/{id}/reply");
    bob.write(&path, &[("text", "Yes!")]).await.location();
    assert!(ann.get("/").await.has("Re: Lunch?"));
    let sent = spool.sent("bob@example.org", None, 1).unwrap()[0];
    let answer = bob.get(&format!("/message/{sent}/source")).await.text;
    let first = spool
        .message(id)
        .unwrap()
        .unwrap()
        .envelope
        .message_id
        .clone();
    assert!(
        answer.contains(&format!("In-Reply-To: <{}>", first.unwrap())),
        "{answer}"
    );
}

#[tokio::test]
async fn a_message_is_passed_on_with_its_files() {
    let site = Site::new();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let mail = "From: John <john@x.example>\nTo: ann@example.org\nSubject: The plan\n\
        Content-Type: multipart/mixed; boundary=m\n\n--m\n\nHello Ann\n--m\n\
        Content-Type: application/pdf\nContent-Disposition: attachment; filename=plan.pdf\n\
        Content-Transfer-Encoding: base64\n\nJVBERg==\n--m\nContent-Type: text/csv\n\
        Content-Disposition: attachment; filename=left-out.csv\n\na;b\n--m--\n";
    let id = site.deliver(&["ann@example.org"], mail).await;
    let path = format!("/message/{id}/forward");
    let page = ann.get(&path).await;
    assert!(
        page.has("plan.pdf") && page.has("left-out.csv"),
        "{}",
        page.text
    );
    assert!(
        page.written().contains("From: John <john@x.example>"),
        "{}",
        page.text
    );
    let keep = format!("{id}.2");
    let form = [("to", "bob@example.org"), ("keep", &*keep)];
    ann.write(&path, &form).await.location();
    let source = last_sent(&mut ann).await;
    assert!(
        source.contains("filename=\"plan.pdf\"") && source.contains("JVBERg=="),
        "{source}"
    );
    assert!(
        source.contains("Subject: Fwd: The plan") && !source.contains("left-out"),
        "{source}"
    );
    assert!(source.contains("Hello Ann"));

    assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
    let stolen = bob
        .write("/compose", &[("to", "bob@example.org"), ("keep", &*keep)])
        .await;
    assert_eq!(stolen.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_writes_from_an_address_that_only_receives() {
    let site = Site::new();
    // An account of before: his own address is bob@.
    let mut bob = site.enrolled("b..b@example.org").await;
    for from in ["bob@example.org", ""] {
        let form = [("to", "c@x.example"), ("from", from)];
        bob.write("/compose", &form).await.location();
    }
    let form = [("to", "c@x.example"), ("from", "b..b@example.org")];
    let refused = bob.write("/compose", &form).await;
    assert!(
        refused.has("You cannot write from b..b@example.org"),
        "{}",
        refused.text
    );
    let spool = &site.webmail.0.world.spool;
    assert_eq!(spool.sent("bob@example.org", None, 9).unwrap().len(), 2);
    assert_eq!(spool.sent("b..b@example.org", None, 9).unwrap(), []);
}

#[tokio::test]
async fn letters_leave_from_own_addresses_only() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    assert!(
        ann.get("/compose")
            .await
            .has("<option>sales@example.org</option>")
    );
    let form = [
        ("to", "c@x.example"),
        ("from", "Sales@example.org"),
        ("subject", "Offer"),
    ];
    ann.write("/compose", &form).await.location();
    let spool = &site.webmail.0.world.spool;
    assert_eq!(spool.sent("sales@example.org", None, 9).unwrap().len(), 1);
    assert!(
        ann.get("/sent").await.has("Offer"),
        "it is among what she sent"
    );
    for from in [
        "bob@example.org",
        "x",
        "ann@example.org>\r\nBcc: <c@x.example",
    ] {
        let form = [("to", "c@x.example"), ("from", from), ("text", "Mine.")];
        let refused = ann.write("/compose", &form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{from}");
        assert!(refused.has("You cannot write from "), "{}", refused.text);
        assert_eq!(refused.written(), "Mine.");
    }
    assert_eq!(spool.sent("ann@example.org", None, 9).unwrap(), []);
    let id = spool.sent("sales@example.org", None, 9).unwrap()[0];
    let source = ann.get(&format!("/message/{id}/source")).await.text;
    assert!(source.contains("From: <sales@example.org>\r\n"), "{source}");
    let mail = MAIL.replace("To: ann@", "To: sales@");
    let id = site.deliver(&["ann@example.org"], &mail).await;
    let page = ann.get(&format!("/message/{id}/reply")).await;
    assert!(
        page.has("<option selected>sales@example.org</option>"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn hidden_recipients_get_it_and_nobody_sees_them() {
    let site = Site::new();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let form = [
        ("to", "c@x.example"),
        ("bcc", "bob@example.org"),
        ("subject", "Secret"),
    ];
    ann.write("/compose", &form).await.location();
    let source = last_sent(&mut ann).await;
    assert!(!source.to_lowercase().contains("bob@"), "{source}");
    assert!(bob.get("/").await.has("Secret"));
    let form = [("bcc", "bob@example.org"), ("subject", "Only hidden")];
    ann.write("/compose", &form).await.location();
    assert!(bob.get("/").await.has("Only hidden"));
}

#[tokio::test]
async fn a_user_sends_so_much_in_an_hour() {
    let site = Site::writing(|writing| {
        writing.messages_per_hour = 2;
        writing.recipients_per_hour = 4;
    });
    let mut ann = site.enrolled("ann@example.org").await;
    let three = [("to", "a@x.example, b@x.example"), ("bcc", "c@x.example")];
    ann.write("/compose", &three).await.location();
    let refused = ann.write("/compose", &three).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.has("you can send 2 messages to 4 recipients"),
        "{}",
        refused.text
    );
    assert!(ann.get("/drafts").await.has("To a@x.example"), "kept");
    let near = || {
        let near = site.webmail.busy().into_iter();
        near.map(|(user, it)| format!("{user} {:?} {}/{}", it.counted, it.used, it.limit))
            .collect::<Vec<_>>()
    };
    assert!(near().is_empty(), "what was refused was not sent");
    ann.write("/compose", &[("to", "a@x.example")])
        .await
        .location();
    let all = ["ann@example.org Messages 2/2"];
    assert_eq!(near(), all);
    let third = [("to", "a@x.example"), ("from", "sales@example.org")];
    assert_eq!(
        ann.write("/compose", &third).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(near(), all);
    site.pass(3_700);
    assert!(near().is_empty());
    ann.write("/compose", &third).await.location();
    let mut bob = site.enrolled("bob@example.org").await;
    bob.write("/compose", &three).await.location();
}

#[tokio::test]
async fn a_signature_is_kept_and_put_in() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let csrf = ann.get("/settings").await.field("csrf");
    let form = [("csrf", &*csrf), ("signature", "Ann\r\n</textarea><b>")];
    assert_eq!(
        ann.post("/settings", &form).await.location(),
        "/settings?saved=1"
    );
    let page = ann.get("/compose").await;
    assert!(
        page.has("-- \nAnn\n&#60;/textarea&#62;&#60;b&#62;"),
        "{}",
        page.text
    );
    let long = "x".repeat(2_001);
    let form = [("csrf", &*csrf), ("signature", &*long)];
    let refused = ann.post("/settings", &form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let forged = ann
        .post("/settings", &[("csrf", "x"), ("signature", "y")])
        .await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let mut bob = site.enrolled("bob@example.org").await;
    assert!(!bob.get("/compose").await.has("Ann"));
}

#[tokio::test]
async fn people_are_found_in_the_directory() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let found = ann.get("/people?q=ba+bo").await;
    assert_eq!(found.text, "[\"Bob Baker <bob@example.org>\"]");
    assert_eq!(ann.get("/people?q=").await.text, "[]");
    assert_eq!(
        site.visit("/people?q=bob").await.status,
        StatusCode::SEE_OTHER
    );
    let page = ann
        .write(
            "/compose",
            &[("action", "find"), ("find", "team"), ("to", "x@y.example,")],
        )
        .await;
    assert!(
        page.has("value=\"The Team &#60;team@example.org&#62;\""),
        "{}",
        page.text
    );
    let token = page.field("token");
    let ticked = [("action", "save"), ("add", "The Team <team@example.org>")];
    let kept = ann.write(&format!("/compose?draft={token}"), &ticked).await;
    let page = ann.get(kept.location()).await;
    assert_eq!(page.field("to"), "x@y.example, The Team <team@example.org>");
}

/// What the editor of the browser sends: two forms of one text, cut down to what a letter can have.
#[tokio::test]
async fn a_letter_with_formatting_goes_in_two_forms() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let csrf = ann.get("/settings").await.field("csrf");
    let form = [("csrf", &*csrf), ("signature", "Ann Archer")];
    ann.post("/settings", &form).await.location();
    let html = "<div onclick=\"x()\">See <b>here</b>:</div><ul><li>one</li></ul>\
        <div><br></div><div>--&nbsp;</div><div>Ann Archer</div><img src=\"https://x.example/p\">";
    let form = [
        ("to", "bob@example.org"),
        ("subject", "Rich"),
        ("text", "what the script made of it"),
        ("html", html),
    ];
    // First a draft, that keeps it; then it leaves with a file.
    let mut kept = form.to_vec();
    kept.push(("action", "save"));
    let kept = ann.write("/compose", &kept).await;
    let path = kept.location().to_owned();
    let page = ann.get(&path).await;
    assert!(
        page.has("data-html=\"&#60;div&#62;See &#60;b&#62;here&#60;/b&#62;:"),
        "{}",
        page.text
    );
    assert_eq!(page.written(), "See here:\n- one\n\n-- \nAnn Archer");
    assert!(!page.has("onclick") && !page.has("x.example"));
    let mut form = form.to_vec();
    form.push(("action", "send"));
    let files: [(&str, &str, &[u8]); 1] = [("file", "a.pdf", b"%PDF")];
    ann.write_with(&path, &form, &files).await.location();
    let spool = &site.webmail.0.world.spool;
    let id = spool.sent("ann@example.org", None, 1).unwrap()[0];
    let raw = mailbox::read_whole(spool, id).unwrap().unwrap();
    let message = crate::mail::ParsedMessage::parse(&raw).unwrap();
    let text = |parts: &[crate::mail::TextPart]| match parts {
        [crate::mail::TextPart::Plain(text) | crate::mail::TextPart::Html(text)] => text.clone(),
        _ => panic!("{parts:?}"),
    };
    assert_eq!(
        text(&message.plain).replace("\r\n", "\n").trim_end(),
        "See here:\n- one\n\n-- \nAnn Archer"
    );
    let rich = text(&message.rich);
    assert!(
        rich.contains("<div>See <b>here</b>:</div><ul><li>one</li></ul>"),
        "{rich}"
    );
    assert!(
        rich.contains("<div>Ann Archer</div>") && !rich.contains("<img"),
        "{rich}"
    );
    assert_eq!(message.parts.len(), 1);
    let page = ann.get(&format!("/message/{id}/html")).await;
    assert!(page.has("See <b>here</b>"), "{}", page.text);

    // Nothing but markup: the text counts. Who has no script sends text.
    for html in ["<div><br></div>", "<script>x</script>", ""] {
        let form = [
            ("to", "bob@example.org"),
            ("text", "Plain."),
            ("html", html),
        ];
        ann.write("/compose", &form).await.location();
        let source = last_sent(&mut ann).await;
        assert!(
            source.contains("Plain.") && !source.contains("text/html"),
            "{source}"
        );
    }
}

#[tokio::test]
async fn html_mail_is_quoted_as_text() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mail = MAIL.replace(
        "\n\nHello Ann",
        "\nContent-Type: text/html\n\n<p>Hello <b>Ann</b></p><script>x</script>",
    );
    let id = site.deliver(&["ann@example.org"], &mail).await;
    let text = ann.get(&format!("/message/{id}/reply")).await.written();
    assert!(
        text.contains("> Hello Ann") && !text.contains('<'),
        "{text}"
    );
}
