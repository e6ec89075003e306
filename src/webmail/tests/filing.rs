use super::*;

async fn act(browser: &mut Browser<'_>, action: &str, ids: &[SpoolId]) -> Answer {
    let csrf = browser.get("/").await.field("csrf");
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut form = vec![("csrf", &*csrf), ("action", action), ("back", "/sent")];
    form.extend(ids.iter().map(|id| ("id", &**id)));
    browser.post("/actions", &form).await
}

#[tokio::test]
async fn messages_are_filed_flagged_and_brought_back() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let mail = MAIL.replace("The plan", &format!("Mail-{number}."));
        ids.push(site.deliver(&["ann@example.org"], &mail).await);
    }
    let inbox = ann.get("/").await;
    assert!(
        inbox.has(", 3 unread") && inbox.has(">3</span>"),
        "{}",
        inbox.text
    );
    let done = act(&mut ann, "archive", &ids[..2]).await;
    assert_eq!(done.location(), "/sent?did=archive&n=2");
    let done = act(&mut ann, "flag", &ids[2..]).await;
    assert_eq!(done.location(), "/sent?did=flag&n=1");
    let (inbox, archive) = (ann.get("/").await, ann.get("/archive").await);
    assert!(inbox.has("Mail-2.") && !inbox.has("Mail-0.") && inbox.has(", 1 unread"));
    assert!(inbox.has("aria-label=\"Flagged\""));
    assert!(archive.has("Mail-0.") && archive.has("Mail-1.") && !archive.has("Mail-2."));
    act(&mut ann, "delete", &ids[..1]).await.location();
    assert!(!ann.get("/archive").await.has("Mail-0."));
    assert!(
        ann.get("/deleted?did=delete&n=1")
            .await
            .has("The message is in “Deleted”")
    );
    act(&mut ann, "restore", &ids[..1]).await.location();
    assert!(ann.get("/").await.has("Mail-0."));
    act(&mut ann, "erase", &ids[..1]).await.location();
    for folder in ["/", "/archive", "/deleted"] {
        assert!(!ann.get(folder).await.has("Mail-0."), "{folder}");
    }
    ann.get(&format!("/message/{}", ids[2])).await;
    assert!(!ann.get("/").await.has("unread</span>"));
    act(&mut ann, "unread", &ids[2..]).await.location();
    // It is in the log: another process would see the same.
    let spool = site.webmail.0.world.spool.clone();
    let marks = Marks::new(spool).of("ann@example.org").unwrap();
    let marks = marks.read().unwrap().clone();
    assert_eq!(marks[&ids[1]].place, Some(marks::Place::Archive));
    assert!(marks[&ids[2]].flagged.is_some() && marks[&ids[2]].read.is_none());
}

#[tokio::test]
async fn i12_nobody_files_the_mail_of_another() {
    let site = Site::new();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    let refused = act(&mut bob, "delete", &[id]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(ann.get("/").await.has("The plan"));
    let id = id.to_string();
    let forged = [("csrf", "x"), ("action", "delete"), ("id", &*id)];
    let refused = ann.post("/actions", &forged).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let nothing = act(&mut ann, "delete", &[]).await;
    assert_eq!(nothing.location(), "/sent?did=delete&n=0");
    assert!(
        ann.get("/?did=delete&n=0")
            .await
            .has("Tick the messages first")
    );
}
