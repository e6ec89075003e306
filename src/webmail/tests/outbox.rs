use super::*;
use crate::webmail::drafts::Name;

const LETTER: [(&str, &str); 3] = [
    ("to", "bob@example.org"),
    ("subject", "Oh"),
    ("text", "No!"),
];

fn sent_by_ann(site: &Site) -> usize {
    site.webmail
        .0
        .world
        .spool
        .sent("ann@example.org", None, 10)
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_letter_can_be_called_back_for_ten_seconds() {
    let site = Site::with_undo();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let going = ann.write("/compose", &LETTER).await.location().to_owned();
    let page = ann.get(&going).await;
    assert!(
        page.has("Your message leaves in ") && page.has("action=\"/undo\""),
        "{}",
        page.text
    );
    site.webmail.send_due().await;
    assert!(!bob.get("/").await.has("Oh"));
    let form = [("csrf", page.field("csrf")), ("token", page.field("token"))];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, &**value)).collect();
    let forged = ann.post("/undo", &[("csrf", "x"), form[1]]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let csrf = bob.get("/compose").await.field("csrf");
    let by_bob = bob.post("/undo", &[("csrf", &csrf), form[1]]).await;
    assert_eq!(by_bob.location(), "/sent?late=1", "it is not his");
    let back = ann.post("/undo", &form).await.location().to_owned();
    let page = ann.get(&back).await;
    assert!(
        page.has("has not been sent") && page.written() == "No!",
        "{}",
        page.text
    );
    site.pass(60);
    site.webmail.send_due().await;
    assert_eq!(sent_by_ann(&site), 0, "called back is called back");

    let again = ann
        .write(&back, &[("text", "Yes!")])
        .await
        .location()
        .to_owned();
    site.pass(11);
    assert_eq!(site.webmail.send_due().await, None);
    assert_eq!(sent_by_ann(&site), 1);
    assert!(bob.get("/").await.has("Oh") && ann.get("/drafts").await.has("No drafts"));
    let late = ann.post("/undo", &form).await;
    assert!(ann.get(late.location()).await.has("too late"));
    assert!(!ann.get(&again).await.has("action=\"/undo\""));
}

#[tokio::test]
async fn a_crash_in_the_ten_seconds_sends_it_once() {
    let site = Site::with_undo();
    let mut ann = site.enrolled("ann@example.org").await;
    ann.write("/compose", &LETTER).await.location();
    let site = site.crash().await;
    assert!(
        site.webmail.send_due().await.is_some(),
        "it waits for its time"
    );
    assert_eq!(sent_by_ann(&site), 0);
    site.pass(11);
    site.webmail.send_due().await;
    assert_eq!(sent_by_ann(&site), 1);

    // A crash behind the message and before the letter is forgotten: the letter is there again.
    let mut ann = site.enrolled("cem@example.org").await;
    let going = ann.write("/compose", &LETTER).await.location().to_owned();
    let name = Name::new(
        "cem@example.org".to_owned(),
        going.rsplit('=').next().unwrap(),
    );
    let draft = site.webmail.draft(&name).await.unwrap().unwrap();
    let leaving = site.webmail.leaving(&name).await.unwrap();
    site.pass(11);
    site.webmail.send_due().await;
    site.webmail.put_draft(&name, &draft).await.unwrap();
    site.webmail.put_leaving(&name, leaving).await.unwrap();
    let site = site.crash().await;
    site.pass(60);
    assert_eq!(site.webmail.send_due().await, None);
    let sent = site
        .webmail
        .0
        .world
        .spool
        .sent("cem@example.org", None, 10)
        .unwrap();
    assert_eq!(sent.len(), 1, "sent once");
    assert_eq!(site.webmail.drafts("cem@example.org").await.unwrap(), []);
}

#[tokio::test]
async fn a_letter_that_nobody_takes_any_more_comes_back() {
    let site = Site::with_undo();
    let mut ann = site.enrolled("ann@example.org").await;
    let going = ann.write("/compose", &LETTER).await.location().to_owned();
    let token = going.rsplit('=').next().unwrap();
    let name = Name::new("ann@example.org".to_owned(), token);
    let mut draft = site.webmail.draft(&name).await.unwrap().unwrap();
    draft.to = "nobody@example.org".to_owned();
    site.webmail.put_draft(&name, &draft).await.unwrap();
    site.pass(11);
    site.webmail.send_due().await;
    assert!(ann.get("/drafts").await.has("Not sent"));
    let page = ann.get(&format!("/compose?draft={token}")).await;
    assert!(
        page.has("nobody@example.org cannot get mail"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn nobody_else_can_say_that_a_letter_has_left() {
    let site = Site::with_undo();
    let mut ann = site.enrolled("ann@example.org").await;
    let going = ann.write("/compose", &LETTER).await.location().to_owned();
    let token = going.rsplit('=').next().unwrap();
    let spool = &site.webmail.0.world.spool;
    let name = Name::new("ann@example.org".to_owned(), token);
    // Her program at the platform, or somebody who has read her drafts there.
    let id = site.webmail.message_id(&name);
    let mut draft = spool.draft();
    let raw = format!("Message-ID: <{id}>\r\n\r\nhi\r\n");
    draft.append(raw.as_bytes()).await.unwrap();
    let forged = Envelope {
        message_id: Some(id),
        ..forged_envelope()
    };
    spool.accept(draft, forged).await.unwrap();
    site.pass(11);
    site.webmail.send_due().await;
    assert_eq!(sent_by_ann(&site), 1);
}

pub(super) fn forged_envelope() -> Envelope {
    Envelope {
        from: ReversePath::Mailbox("eve@x.example".parse().unwrap()),
        parameters: MailParameters::default(),
        recipients: Vec::new(),
        peer: Peer::default(),
        message_id: None,
        subject: None,
        header_from: None,
        authenticity: Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

#[tokio::test]
async fn the_task_sends_what_is_due() {
    let site = Site::with_undo();
    let mut ann = site.enrolled("ann@example.org").await;
    ann.write("/compose", &LETTER).await.location();
    site.pass(11);
    let shutdown = crate::base::Shutdown::new();
    let task = site.webmail.clone().outbox_task(shutdown.clone());
    shutdown.spawn("outbox", task);
    let arrived = async {
        while sent_by_ann(&site) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived)
        .await
        .unwrap();
    shutdown.stop().await;
}

/// Who was shut out has written nothing that leaves afterwards; it is not thrown away either.
#[tokio::test]
async fn a_letter_of_a_disabled_account_does_not_leave() {
    let site = Site::with_undo();
    let accounts = &site.webmail.0.world.accounts;
    let mut ann = site.enrolled("ann@example.org").await;
    ann.write("/compose", &LETTER).await.location();
    accounts
        .disable(&"ann@example.org".parse().unwrap())
        .await
        .unwrap();
    assert!(ann.get("/").await.location().starts_with("/login"));
    let site = site.crash().await;
    site.pass(11);
    assert_eq!(site.webmail.send_due().await, None);
    assert_eq!(sent_by_ann(&site), 0);
    // Let in again, she finds it, and that it was not sent.
    let mut ann = site.enrolled("ann@example.org").await;
    let drafts = ann.get("/drafts").await;
    assert!(
        drafts.has("Not sent") && drafts.has("Oh"),
        "{}",
        drafts.text
    );
    let (_, path) = drafts.text.split_once("href=\"/compose?draft=").unwrap();
    let path = format!("/compose?draft={}", path.split('"').next().unwrap());
    let page = ann.get(&path).await;
    assert!(page.has("or your account was closed"), "{}", page.text);
    ann.write(&path, &[]).await.location();
    site.pass(11);
    site.webmail.send_due().await;
    assert_eq!(sent_by_ann(&site), 1);
}

/// Gone from the directory, also behind the time of grace: he neither reads nor writes, and what he
/// had sent a moment before does not leave as one of ours.
#[tokio::test]
async fn who_is_gone_from_the_directory_reads_and_sends_nothing() {
    let site = Site::with_undo();
    let mut gone = site.enrolled("leaver@example.org").await;
    gone.write("/compose", &LETTER).await.location();
    let is_gone = &site.rules.gone;
    is_gone.store(true, std::sync::atomic::Ordering::Relaxed);
    for path in [
        "/",
        "/sent",
        "/compose",
        "/search?q=x",
        "/settings",
        "/security",
    ] {
        let page = gone.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(page.has("not in the directory any more"), "{}", page.text);
    }
    site.pass(11);
    site.webmail.send_due().await;
    let sent = site
        .webmail
        .0
        .world
        .spool
        .sent("leaver@example.org", None, 9);
    assert_eq!(sent.unwrap(), []);
    // It was a mistake of the directory's.
    is_gone.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(gone.get("/drafts").await.has("Not sent"));
}
