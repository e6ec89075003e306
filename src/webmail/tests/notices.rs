//! Notices to second addresses.

use super::*;
use crate::activation::{Scope, Setting, Wish};
use crate::backend::Signal;
use crate::credential::digest;
use crate::mail::{Blame, Failure};

const PAUSE: Duration = Duration::from_secs(3600);

impl Site {
    fn fail(&self) {
        for _ in 0..3 {
            let failure = Failure::without_reply(Blame::Backend, "refused");
            let signal = Signal::Bad(failure);
            self.board.report(&BackendId::new("onprem"), signal);
        }
    }

    async fn look(&self) -> usize {
        let world = &self.webmail.0.world;
        world.activation.look().await.unwrap();
        self.webmail.tell_news(PAUSE).await.unwrap()
    }

    /// The notices so far: whom each went to, and its text.
    fn notices(&self) -> Vec<(String, String)> {
        let spool = &self.webmail.0.world.spool;
        let ids = (1..10).flat_map(|count| {
            let name = format!("notice {count} to ann@example.org");
            let id = format!("{}@mx.example.org", digest("note", &name));
            spool.by_message_id(&id).unwrap()
        });
        let read = |id| {
            let message = spool.message(id).unwrap().unwrap();
            let body = spool.body(id).unwrap().unwrap();
            let text = body.read_at(0, 65_536).unwrap().to_vec();
            let to = message.envelope.recipients[0].address.to_string();
            (to, String::from_utf8(text).unwrap())
        };
        ids.map(read).collect()
    }
}

#[tokio::test]
async fn an_outage_is_told_once_when_it_begins_and_once_when_it_ends() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    site.enrolled("bob@example.org").await;
    assert_eq!(site.look().await, 0, "what is always open is no news");
    site.fail();
    site.pass(700);
    assert_eq!(site.look().await, 1, "bob has no second address");
    assert_eq!(site.look().await, 0);
    let told = site.notices();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "ann@home.example");
    assert!(told[0].1.contains("Auto-Submitted: auto-generated"));
    assert!(told[0].1.contains("http://127.0.0.1:8080"), "{}", told[0].1);
    assert!(ann.get("/").await.status == StatusCode::OK);
    // Back for half an hour, but the last news is not old enough; then it is told.
    for _ in 0..3 {
        site.board
            .report_probe(&BackendId::new("onprem"), Signal::Good);
    }
    assert_eq!(site.look().await, 0);
    site.pass(1801);
    assert_eq!(site.look().await, 0);
    site.pass(1801);
    assert_eq!(site.look().await, 1);
    assert_eq!(site.notices().len(), 2);
    assert!(site.notices()[1].1.contains("usual mail"));
}

#[tokio::test]
async fn a_crash_between_the_mail_and_its_mark_repeats_nothing() {
    let site = Site::new();
    site.enrolled("ann@example.org").await;
    site.fail();
    site.pass(700);
    assert_eq!(site.look().await, 1);
    let spool = &site.webmail.0.world.spool;
    // As if it had not been written down.
    spool
        .put_fact("webmail-notice", "ann@example.org", None)
        .await
        .unwrap();
    assert_eq!(site.look().await, 1);
    assert_eq!(site.notices().len(), 1);
}

#[tokio::test]
async fn nothing_is_told_to_who_was_shut_out_or_is_left_closed() {
    let site = Site::new();
    site.enrolled("ann@example.org").await;
    let wish = Wish {
        scopes: vec![Scope::User("ann@example.org".to_owned())],
        setting: Some(Setting::Off),
        actor: "root".to_owned(),
        reason: "a test".to_owned(),
    };
    let world = &site.webmail.0.world;
    world.activation.say(wish).await.unwrap();
    site.fail();
    site.pass(700);
    assert_eq!(site.look().await, 0);
    let wish = Wish {
        scopes: vec![Scope::User("ann@example.org".to_owned())],
        setting: None,
        actor: "root".to_owned(),
        reason: String::new(),
    };
    world.activation.say(wish).await.unwrap();
    let address = "ann@example.org".parse().unwrap();
    world.accounts.disable(&address).await.unwrap();
    assert_eq!(site.look().await, 0);
    assert!(site.notices().is_empty());
}
