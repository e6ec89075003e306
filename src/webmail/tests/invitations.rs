//! Invitations: the card, and the answer that goes to the organizer.

use super::*;
use crate::mail::ParsedMessage;
use crate::mail::calendar::{Answer as Word, Invitation, Method};

const CALENDAR: &str = "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:42@x\n\
    SEQUENCE:1\nDTSTART:20260504T100000Z\nDTEND:20260504T110000Z\nSUMMARY:Plans <b>\n\
    LOCATION:Room 1\nORGANIZER;CN=John Doe:mailto:john@x.example\n\
    ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:sales@example.org\n\
    ATTENDEE;PARTSTAT=ACCEPTED:mailto:eve@y.example\nEND:VEVENT\nEND:VCALENDAR\n";

/// As Outlook and Gmail send one: text, HTML and the calendar object side by side.
fn message() -> String {
    format!(
        "From: John Doe <john@x.example>\nTo: sales@example.org\nSubject: Plans\n\
         Message-ID: <42@x>\nMIME-Version: 1.0\n\
         Content-Type: multipart/alternative; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nCome to the meeting.\n\
         --b\nContent-Type: text/html\n\n<p>Come to the <b>meeting</b>.</p>\n\
         --b\nContent-Type: text/calendar; method=REQUEST; charset=utf-8\n\n{CALENDAR}\n--b--\n"
    )
}

async fn answer(browser: &mut Browser<'_>, id: SpoolId, word: &str) -> Answer {
    let page = browser.get(&format!("/message/{id}")).await;
    let form = [("csrf", &*page.field("csrf")), ("answer", word)];
    browser.post(&format!("/message/{id}/answer"), &form).await
}

/// The newest letter of the site, parsed.
async fn newest(site: &Site, browser: &mut Browser<'_>) -> ParsedMessage {
    let sent = browser.get("/sent").await;
    let (_, rest) = sent.text.split_once("href=\"/message/").unwrap();
    let id: SpoolId = rest.split('"').next().unwrap().parse().unwrap();
    let body = site.webmail.0.world.spool.body(id).unwrap().unwrap();
    let raw = mailbox::read_all(body.as_ref()).unwrap();
    let text = String::from_utf8(raw.clone()).unwrap();
    assert!(
        text.replace('"', "")
            .contains("text/calendar; method=REPLY"),
        "{text}"
    );
    ParsedMessage::parse(&raw).unwrap()
}

#[tokio::test]
async fn an_invitation_is_a_card_and_its_answer_reaches_the_organizer() {
    let site = Site::new();
    let id = site.deliver(&["ann@example.org"], &message()).await;
    let mut browser = site.enrolled("ann@example.org").await;
    let page = browser.get(&format!("/message/{id}")).await;
    for text in [
        "Plans &#60;b&#62;",
        "Monday, 4 May 2026, 10:00 – 11:00",
        "Room 1",
        "John Doe &#60;john@x.example&#62;",
        "value=\"accepted\"",
        "<iframe",
    ] {
        assert!(page.has(text), "{text} in {}", page.text);
    }
    assert!(!page.has("BEGIN:VCALENDAR"));
    for (word, subject, is) in [
        ("declined", "Declined: Plans <b>", Word::Declined),
        ("accepted", "Accepted: Plans <b>", Word::Accepted),
    ] {
        let answered = answer(&mut browser, id, word).await;
        assert_eq!(answered.location(), "/sent?sent=1");
        let reply = newest(&site, &mut browser).await;
        assert_eq!(reply.subject.as_deref(), Some(subject));
        assert_eq!(reply.from[0].address, "sales@example.org");
        assert_eq!(reply.to[0].address, "john@x.example");
        assert_eq!(reply.references, ["42@x"]);
        let part = reply
            .parts
            .iter()
            .find(|part| part.content_type == "text/calendar");
        let object = Invitation::parse(&part.unwrap().content).unwrap();
        assert_eq!(object.method, Method::Reply);
        assert_eq!(object.guests.len(), 1);
        assert_eq!(object.guests[0].answer, Some(is));
    }
    let page = browser.get(&format!("/message/{id}")).await;
    assert!(page.has("You answered: Accepted"), "{}", page.text);
}

#[tokio::test]
async fn only_who_is_invited_can_answer_and_only_what_is_his() {
    let site = Site::new();
    let id = site.deliver(&["bob@example.org"], &message()).await;
    let mut bob = site.enrolled("bob@example.org").await;
    let page = bob.get(&format!("/message/{id}")).await;
    assert!(page.has("Room 1") && !page.has("value=\"accepted\""));
    let refused = answer(&mut bob, id, "accepted").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let mut ann = site.enrolled("ann@example.org").await;
    let csrf = ann.get("/").await.field("csrf");
    let form = [("csrf", &*csrf), ("answer", "accepted")];
    let foreign = ann.post(&format!("/message/{id}/answer"), &form).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let cancelled = message().replace("METHOD:REQUEST", "METHOD:CANCEL");
    let id = site.deliver(&["ann@example.org"], &cancelled).await;
    let page = ann.get(&format!("/message/{id}")).await;
    assert!(page.has("This event is called off") && !page.has("value=\"accepted\""));
}

/// Called back, an answer is a draft that still carries its calendar object.
#[tokio::test]
async fn an_answer_can_be_called_back_and_sent_again() {
    let site = Site::with_undo();
    let id = site.deliver(&["ann@example.org"], &message()).await;
    let mut browser = site.enrolled("ann@example.org").await;
    let going = answer(&mut browser, id, "tentative").await;
    let token = going
        .location()
        .strip_prefix("/sent?going=")
        .unwrap()
        .to_owned();
    let csrf = browser.get("/sent").await.field("csrf");
    let form = [("csrf", &*csrf), ("token", &*token)];
    let back = browser.post("/undo", &form).await.location().to_owned();
    browser
        .write(&back, &[("text", "Perhaps I am late.")])
        .await
        .location();
    site.pass(11);
    site.webmail.send_due().await;
    let reply = newest(&site, &mut browser).await;
    assert!(
        reply
            .parts
            .iter()
            .any(|part| part.content_type == "text/calendar")
    );
}
