//! Invitations on paper and by mail.

use super::*;
use crate::credential::digest;
use crate::smtp::ReversePath;

impl Browser<'_> {
    async fn type_code(&mut self, code: &str) -> Answer {
        let csrf = self.get("/invite").await.field("csrf");
        let form = [("csrf", &*csrf), ("code", code)];
        self.post("/invite", &form).await
    }
}

#[tokio::test]
async fn a_code_that_is_typed_leads_where_the_link_leads() {
    let site = Site::new();
    let accounts = site.webmail.0.world.accounts.clone();
    let address: Mailbox = "ann@example.org".parse().unwrap();
    let invited = accounts.invite_with_code(&address).await.unwrap();
    let mut browser = Browser::new(&site);
    let wrong = browser.type_code("ABCD-EFGH-JKLM-NPQR").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.has("not valid") && !wrong.has("ann@example.org"));
    let typed = invited.code.to_lowercase().replace('-', " ");
    let found = browser.type_code(&typed).await;
    let path = format!("/invite/{}", invited.token);
    assert_eq!(found.location(), path);
    let csrf = browser.get(&path).await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    assert_eq!(browser.post(&path, &form).await.location(), "/?welcome=1");
    // It works once, and the log never has it in the clear.
    let again = browser.type_code(&invited.code).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let spool = &site.webmail.0.world.spool;
    let facts = format!(
        "{:?}{:?}",
        spool.facts("account", ""),
        spool.facts("invitation", "")
    );
    assert!(!facts.contains(&invited.code) && !facts.contains(&invited.token));
}

#[tokio::test]
async fn guesses_of_codes_wait_and_keep_nobody_else_out() {
    let site = Site::new();
    let mut guesser = Browser::new(&site);
    for _ in 0..5 {
        guesser.type_code("ABCD-EFGH-JKLM-NPQR").await;
    }
    let waits = guesser.type_code("ABCD-EFGH-JKLM-NPQR").await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    let accounts = site.webmail.0.world.accounts.clone();
    let address: Mailbox = "ann@example.org".parse().unwrap();
    let invited = accounts.invite_with_code(&address).await.unwrap();
    let elsewhere = std::net::IpAddr::from([203, 0, 113, 9]);
    let found = accounts.redeem(&invited.code, elsewhere).await;
    assert_eq!(found.ok(), Some(invited.token));
}

#[tokio::test]
async fn an_invitation_goes_out_by_mail_once() {
    let site = Site::new();
    let to: Mailbox = "ann@home.example".parse().unwrap();
    let link = site.webmail.invitation_link(&"a".repeat(64));
    let mail = InvitationMail {
        to: &to,
        address: "ann@example.org",
        link: &link,
        expires: Timestamp::from_millis(1_800_000_000_000),
    };
    for _ in 0..2 {
        let mailed = site.webmail.mail_invitation(&mail).await;
        assert_eq!(mailed, Ok(Mailed::Sent));
    }
    let spool = &site.webmail.0.world.spool;
    let id = format!("{}@mx.example.org", digest("note", &link));
    let found = spool.by_message_id(&id).unwrap();
    assert_eq!(found.len(), 1);
    let message = spool.message(found[0]).unwrap().unwrap();
    assert_eq!(message.envelope.from, ReversePath::Null);
    assert_eq!(message.envelope.recipients[0].lane, "@home.example");
    let body = spool.body(found[0]).unwrap().unwrap();
    let body = String::from_utf8(body.read_at(0, 65_536).unwrap().to_vec()).unwrap();
    assert!(
        body.contains("\r\nAuto-Submitted: auto-generated\r\n"),
        "{body}"
    );
    assert!(body.starts_with("Received: by mx.example.org"), "{body}");

    // Nothing is sent to where it would wait with all the rest.
    let own: Mailbox = "ann@example.org".parse().unwrap();
    let mail = InvitationMail { to: &own, ..mail };
    site.set_health(Health::Down, Timestamp::EPOCH);
    let mailed = site.webmail.mail_invitation(&mail).await;
    assert_eq!(mailed, Ok(Mailed::Down(BackendId::new("onprem"))));
}
