//! Conversations on the page of a message and in the lists.

use super::*;

fn mail(id: &str, subject: &str, references: &[&str]) -> String {
    let references: Vec<String> = references.iter().map(|id| format!("<{id}>")).collect();
    let references = match &*references.join(" ") {
        "" => String::new(),
        all => format!("References: {all}\n"),
    };
    format!(
        "From: John Doe <john@x.example>\nTo: ann@example.org\nSubject: {subject}\n\
         Message-ID: <{id}>\n{references}\nThis is {id}.\n"
    )
}

async fn group(browser: &mut Browser<'_>) {
    let csrf = browser.get("/settings").await.field("csrf");
    let form = [("csrf", &*csrf), ("conversations", "1")];
    browser.post("/settings", &form).await.location();
    assert!(
        browser
            .get("/settings")
            .await
            .has("aria-describedby=\"conversations-help\" checked")
    );
}

/// The links of the conversation on a page: what is above the message, and what is below.
fn around(page: &Answer) -> (Vec<String>, Vec<String>) {
    let (above, rest) = page.text.split_once("<article").unwrap();
    let (_, below) = rest.split_once("</article>").unwrap();
    let links = |text: &str| {
        let items = text.split("<li").skip(1);
        let items = items.filter_map(|item| item.split_once("href=\"/message/"));
        let links = items.map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
        links.filter(|link| !link.contains('/')).collect()
    };
    (links(above), links(below))
}

#[tokio::test]
async fn a_message_is_shown_with_its_conversation_through_all_folders() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let first = site
        .deliver(&["ann@example.org"], &mail("a@x", "Plan", &[]))
        .await;
    let other = site
        .deliver(&["ann@example.org"], &mail("z@x", "Other", &[]))
        .await;
    let path = format!("/message/{first}/reply");
    ann.write(&path, &[("text", "Yes.")]).await.location();
    let spool = &site.webmail.0.world.spool;
    let own = spool.sent("ann@example.org", None, 1).unwrap()[0];
    let own_id = spool
        .message(own)
        .unwrap()
        .unwrap()
        .envelope
        .message_id
        .clone();
    let answer = mail("b@x", "AW: Plan", &["a@x", &own_id.unwrap()]);
    let last = site.deliver(&["ann@example.org"], &answer).await;

    let page = ann.get(&format!("/message/{last}")).await;
    let ids = |ids: &[SpoolId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(around(&page), (ids(&[first, own]), vec![]));
    assert!(page.has("3 messages in this conversation"));
    assert!(page.has("<span class=\"place\">Sent</span>"));
    let page = ann.get(&format!("/message/{own}")).await;
    assert_eq!(around(&page), (ids(&[first]), ids(&[last])));
    let page = ann.get(&format!("/message/{other}")).await;
    assert_eq!(around(&page), (vec![], vec![]));

    // In the archive it still belongs; in the bin no more, but it shows its company itself.
    let csrf = page.field("csrf");
    for (action, left) in [("archive", vec![first, own]), ("delete", vec![own])] {
        let id = first.to_string();
        let form = [("csrf", &*csrf), ("id", &*id), ("action", action)];
        ann.post("/actions", &form).await.location();
        let page = ann.get(&format!("/message/{last}")).await;
        assert_eq!(around(&page).0, ids(&left), "{action}");
    }
    let page = ann.get(&format!("/message/{first}")).await;
    assert_eq!(around(&page), (vec![], ids(&[own, last])));
}

/// Whoever knows a Message-ID of somebody else's mail sees nothing of it.
#[tokio::test]
async fn i12_a_forged_reference_leads_to_no_mail_of_others() {
    let site = Site::new();
    let mut bob = site.enrolled("bob@example.org").await;
    let secret = mail("secret@x", "Secret", &[]);
    let secret = site.deliver(&["ann@example.org"], &secret).await;
    let forged = mail("c@x", "Re: Secret", &["secret@x"]);
    let forged = site.deliver(&["bob@example.org"], &forged).await;
    group(&mut bob).await;
    for path in ["/".to_owned(), format!("/message/{forged}")] {
        let page = bob.get(&path).await;
        assert!(
            page.has("Re: Secret") && !page.has(&secret.to_string()),
            "{path}"
        );
        assert!(!page.has("in this conversation"), "{path}");
    }
}

#[tokio::test]
async fn lists_have_a_line_for_each_conversation() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut roots = Vec::new();
    for number in 0..60 {
        let mail = mail(&format!("{number}@x"), &format!("Talk-{number}."), &[]);
        roots.push(site.deliver(&["ann@example.org"], &mail).await);
    }
    let answer = mail("answer@x", "Re: Talk-3.", &["3@x"]);
    let answer = site.deliver(&["ann@example.org"], &answer).await;
    assert!(!ann.get("/").await.has("in this conversation"));
    group(&mut ann).await;
    let page = ann.get("/").await;
    let lines = |page: &Answer| page.text.matches("<label class=\"pick\">").count();
    assert_eq!(lines(&page), 50);
    assert!(page.has(", 2 messages in this conversation"));
    assert!(page.has(&format!("/message/{answer}")));
    let (_, older) = page.text.split_once("href=\"/?before=").unwrap();
    let older = format!("/?before={}", older.split('"').next().unwrap());
    let page = ann.get(&older).await;
    assert_eq!(lines(&page), 10);
    assert!(!page.has(&format!("/message/{}", roots[3])), "it is above");
    assert!(page.has(&format!("/message/{}", roots[2])));

    // What was read alone leaves the line unread; then the whole of it is filed.
    ann.get(&format!("/message/{answer}")).await;
    assert!(ann.get("/").await.text.contains("<li class=\"unread\">"));
    let csrf = page.field("csrf");
    let later = mail("later@x", "Re: Talk-3.", &["3@x", "answer@x"]);
    let later = site.deliver(&["ann@example.org"], &later).await;
    let id = answer.to_string();
    let form = [
        ("csrf", &*csrf),
        ("id", &*id),
        ("whole", "/"),
        ("back", "/"),
        ("action", "archive"),
    ];
    assert_eq!(
        ann.post("/actions", &form).await.location(),
        "/?did=archive&n=2"
    );
    let page = ann.get("/").await;
    assert!(
        page.has(&format!("/message/{later}")),
        "nobody has seen it when it was filed"
    );
    let page = ann.get("/archive").await;
    assert_eq!(lines(&page), 1);
    assert!(page.has(&format!("/message/{answer}")) && page.has(", 3 messages"));
    // Somebody else files none of it.
    let mut bob = site.enrolled("bob@example.org").await;
    let csrf = bob.get("/settings").await.field("csrf");
    let id = later.to_string();
    let form = [
        ("csrf", &*csrf),
        ("id", &*id),
        ("whole", "/"),
        ("action", "delete"),
    ];
    assert_eq!(
        bob.post("/actions", &form).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn long_conversations_are_folded() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut ids = Vec::new();
    for number in 0..130 {
        let id = format!("{number}@x");
        ids.push(
            site.deliver(&["ann@example.org"], &mail(&id, "Long", &["root@x"]))
                .await,
        );
    }
    let page = ann.get(&format!("/message/{}", ids[129])).await;
    assert!(page.has("130 messages in this conversation"));
    assert!(page.has("<summary>96 older messages</summary>"));
    let (above, below) = around(&page);
    assert_eq!((above.len(), below.len()), (99, 0));
    // The oldest is not among those that are shown, but it shows itself where it belongs.
    let page = ann.get(&format!("/message/{}", ids[0])).await;
    assert_eq!(around(&page).1.len(), 100);
}
