use super::*;
use crate::base::percent_encoded;

fn mail(from: &str, subject: &str, text: &str) -> String {
    format!("From: {from}\nTo: Ann <ann@example.org>\nSubject: {subject}\n\n{text}\n")
}

#[tokio::test]
async fn words_are_found_where_they_stand() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let to = ["ann@example.org"];
    let plan = mail("John Doe <john@x.example>", "The plan", "We meet at NOON.");
    site.deliver(&to, &plan).await;
    let lunch = mail("Carla <carla@y.example>", "Lunch", "John has a plan.");
    site.deliver(&to, &lunch).await;
    let file = "From: c@y.example\nSubject: Grüße\n\
        Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n\
        <p>See the <b>att</b>achment</p>\n--b\nContent-Type: application/pdf\n\
        Content-Disposition: attachment; filename=Budget.pdf\n\nx\n--b--\n";
    site.deliver(&to, file).await;
    let sent = ann.write(
        "/compose",
        &[("to", "bob@example.org"), ("subject", "A question")],
    );
    sent.await.location();
    let subjects = ["The plan", "Lunch", "Grüße", "A question"];
    for (query, expected) in [
        ("plan", vec!["The plan", "Lunch"]),
        ("plan john", vec!["The plan", "Lunch"]),
        ("from:john", vec!["The plan"]),
        ("subject:PLAN", vec!["The plan"]),
        ("\"a plan\"", vec!["Lunch"]),
        ("meet noon", vec!["The plan"]),
        ("meet carla", vec![]),
        ("grüsse", vec![]),
        ("GRÜßE", vec!["Grüße"]),
        ("attachment", vec!["Grüße"]),
        ("has:attachment", vec!["Grüße"]),
        ("budget", vec!["Grüße"]),
        ("file:.pdf from:y.ex", vec!["Grüße"]),
        ("to:bob", vec!["A question"]),
        ("at", vec!["The plan", "Grüße"]),
        ("after:2000-01-01", subjects.to_vec()),
        ("before:2000-01-01", vec![]),
        ("question before:2000-01-01", vec![]),
    ] {
        // Twice: by reading, and by what is remembered.
        for _ in 0..2 {
            let page = ann
                .get(&format!("/search?q={}", percent_encoded(query)))
                .await;
            let shown = |subject: &&str| page.has(&format!("<bdi>{subject}</bdi>"));
            let found: Vec<_> = subjects.into_iter().filter(shown).collect();
            assert_eq!(found, expected, "{query}");
            assert_eq!(
                page.has("Nothing was found"),
                expected.is_empty(),
                "{query}"
            );
        }
    }
    let page = ann.get("/search?q=before:monday").await;
    assert!(page.has("“before:monday” has no date"), "{}", page.text);
    let page = ann.get("/search").await;
    assert!(page.has("in the sender&#39;s name or address") && !page.has("Nothing was found"));
}

/// Whatever is remembered of a message that several got, each finds his own only (I12).
#[tokio::test]
async fn i12_nobody_finds_the_mail_of_another() {
    let site = Site::new();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    site.deliver(&["ann@example.org"], MAIL).await;
    let both = MAIL.replace("The plan", "For both");
    site.deliver(&["ann@example.org", "bob@example.org"], &both)
        .await;
    for query in ["hello", "from:john", "after:2000-01-01", "he"] {
        let path = format!("/search?q={query}");
        let (page, his) = (ann.get(&path).await, bob.get(&path).await);
        assert!(
            page.has("The plan") && page.has("For both"),
            "{query}: {}",
            page.text
        );
        assert!(
            !his.has("The plan") && his.has("For both"),
            "{query}: {}",
            his.text
        );
    }
    let answer = site.visit("/search?q=hello").await;
    assert!(answer.location().starts_with("/login?next="));
}

#[tokio::test]
async fn what_is_found_can_be_filed_and_goes_when_it_is_removed() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    let id = id.to_string();
    for (action, shown) in [
        ("archive", "Archive"),
        ("delete", "Deleted"),
        ("restore", "Inbox"),
    ] {
        let page = ann.get("/search?q=plan").await;
        let (csrf, back) = (page.field("csrf"), page.field("back"));
        let form = [
            ("csrf", &*csrf),
            ("back", &*back),
            ("id", &*id),
            ("action", action),
        ];
        let done = ann.post("/actions", &form).await;
        assert_eq!(done.location(), format!("/search?q=plan&did={action}&n=1"));
        let page = ann.get("/search?q=plan").await;
        assert!(
            page.has(&format!("class=\"place\">{shown}<")),
            "{}",
            page.text
        );
    }
    let csrf = ann.get("/").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("back", "/"),
        ("id", &*id),
        ("action", "erase"),
    ];
    ann.post("/actions", &form).await.location();
    assert!(ann.get("/search?q=plan").await.has("Nothing was found"));
}

/// Rare words among much mail: a page reads no more than it may, and says where it stopped.
#[tokio::test]
async fn long_searches_come_in_pieces() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let rare = MAIL.replace("The plan", "Needle.");
    site.deliver(&["ann@example.org"], &rare).await;
    for number in 0..410 {
        let hay = MAIL.replace("The plan", &format!("Straw-{number}."));
        site.deliver(&["ann@example.org"], &hay).await;
    }
    let page = ann.get("/search?q=needle").await;
    assert!(page.has("has been looked through") && !page.has("Nothing was found"));
    let next = page.text.split("href=\"/search").nth(1).unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    let page = ann.get(&format!("/search{next}")).await;
    assert!(
        page.has("Needle.") && !page.has("looked through"),
        "{}",
        page.text
    );
    // What is remembered of the others need not be read again.
    assert!(ann.get("/search?q=needle").await.has("Needle."));
    // Many hits come in pages, and none twice.
    let mut path = "/search?q=straw".to_owned();
    let mut seen = Vec::new();
    while !path.is_empty() {
        let page = ann.get(&path).await;
        seen.extend((0..410).filter(|n| page.has(&format!("Straw-{n}."))));
        let next = page.text.split("href=\"/search").nth(1);
        path = next.map_or(String::new(), |next| {
            let next = next.split('"').next().unwrap().replace("&#38;", "&");
            format!("/search{next}")
        });
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..410).collect::<Vec<_>>());
}
