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
        ("answers", &*id.to_string()),
        ("to", "John Doe <john@x.example>"),
        ("cc", "bob@example.org, BOB@example.org"),
        ("subject", "Re: The plan\r\nBcc: evil@x.example"),
        ("text", "Yes.\r\n.\r\nAnn"),
        ("from", "boss@example.org"),
    ];
    let (first, second) = (
        ann.post("/compose", &form).await,
        ann.post("/compose", &form).await,
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
    assert!(
        !source.contains("\nBcc:") && !source.contains("boss@"),
        "{source}"
    );
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

#[tokio::test]
async fn too_much_is_refused_with_a_page() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let text = "x".repeat(limits::FORM + 1);
    let answer = ann
        .write("/compose", &[("to", "b@x.example"), ("text", &text)])
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.has("<h1>That was too much</h1>"), "{}", answer.text);
}
