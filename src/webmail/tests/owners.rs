//! Letters stay with the account that wrote them (I12), and an account stores so much an hour.

use super::*;
use crate::directory::{ImportOptions, read_csv};
use crate::webmail::drafts::{Draft, MOST, Name};

/// The alias sales@ is Eve's now.
fn move_alias(site: &Site) {
    let csv = "address,aliases,type\nann@example.org,,mailbox\n\
               eve@example.org,sales@example.org,mailbox\n";
    let directory = read_csv(csv.as_bytes(), ImportOptions::default()).unwrap();
    site.webmail.0.world.directory.replace(directory);
}

#[tokio::test]
async fn letters_do_not_move_with_an_alias() {
    let site = Site::writing(|writing| writing.messages_per_hour = 2);
    let (mut ann, mut eve) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("eve@example.org").await,
    );
    let letter = |subject: &'static str| {
        [
            ("to", "c@x.example"),
            ("bcc", "secret@x.example"),
            ("from", "sales@example.org"),
            ("subject", subject),
        ]
    };
    ann.write("/compose", &letter("Offer")).await.location();
    let spool = &site.webmail.0.world.spool;
    let id = spool.sent("sales@example.org", None, 9).unwrap()[0];
    move_alias(&site);
    let path = format!("/message/{id}");
    assert_eq!(eve.get(&path).await.status, StatusCode::NOT_FOUND);
    for list in ["/sent", "/search?q=Offer", "/sent?view=messages"] {
        assert!(!eve.get(list).await.has(&id.to_string()), "{list}");
        assert!(!eve.get(list).await.has("secret"), "{list}");
    }
    let page = ann.get(&path).await;
    assert!(page.status == StatusCode::OK && page.has("secret@x.example"));
    assert!(ann.get("/sent").await.has("Offer"), "it is still hers");
    assert!(ann.get("/search?q=Offer").await.has(&id.to_string()));
    // What Ann sent counts for Ann.
    for _ in 0..2 {
        eve.write("/compose", &letter("Mine")).await.location();
    }
    let foreign = ann.write("/compose", &letter("Second")).await;
    assert!(foreign.has("You cannot write from sales@example.org"));
    let own = [("to", "c@x.example"), ("subject", "Second")];
    ann.write("/compose", &own).await.location();
    let third = ann.write("/compose", &own).await;
    assert!(third.has("In one hour you can send 2"), "{}", third.text);
    assert!(!ann.get("/sent").await.has("Mine"));
}

#[tokio::test]
async fn nobody_fills_the_spool_with_files() {
    let site = Site::writing(|writing| writing.max_attachments = 1000);
    let mut ann = site.enrolled("ann@example.org").await;
    let (csrf, token) = {
        let page = ann.get("/compose").await;
        (page.field("csrf"), page.field("token"))
    };
    let fields = [("csrf", &*csrf), ("token", &*token), ("action", "attach")];
    let file = [7_u8; 1000];
    let files: [(&str, &str, &[u8]); 1] = [("file", "a.pdf", &file)];
    let stored = || site.webmail.0.world.spool.stats().accepted;
    let before = stored();
    for _ in 0..limits::WEB_UPLOADS {
        ann.upload("/compose", &fields, &files).await.location();
    }
    assert_eq!(stored(), before + limits::WEB_UPLOADS);
    let refused = ann.upload("/compose", &fields, &files).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        refused.has("as much as one hour allows"),
        "{}",
        refused.text
    );
    assert_eq!(stored(), before + limits::WEB_UPLOADS);
    site.pass(3601);
    ann.upload("/compose", &fields, &files).await.location();
}

#[tokio::test]
async fn files_of_one_draft_too_many_are_not_stored() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let (csrf, token) = {
        let page = ann.get("/compose").await;
        (page.field("csrf"), page.field("token"))
    };
    for number in 0..MOST {
        let name = Name::new("ann@example.org".to_owned(), &format!("{number:064}"));
        let draft = Draft::default();
        site.webmail.put_draft(&name, &draft).await.unwrap();
    }
    let stored = || site.webmail.0.world.spool.stats().accepted;
    let before = stored();
    let files: [(&str, &str, &[u8]); 1] = [("file", "a.pdf", b"a")];
    for action in ["attach", "send"] {
        let form = [
            ("csrf", &*csrf),
            ("token", &*token),
            ("to", "c@x.example"),
            ("action", action),
        ];
        let refused = ann.upload("/compose", &form, &files).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.has("drafts already"), "{}", refused.text);
    }
    assert_eq!(stored(), before);
}
