//! What a restart knows of holds.

use super::*;
use crate::spool::{Options, World};

fn wish(sender: &str) -> HoldWish {
    HoldWish {
        selection: Selection {
            sender: Some(sender.parse().unwrap()),
            ..Selection::default()
        },
        actor: "root".to_owned(),
        reason: "look first".to_owned(),
        until: None,
    }
}

#[tokio::test]
async fn a_rule_is_read_again_and_one_that_cannot_be_read_lets_nobody_go() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        min_free: 0,
        ..Options::new(folder.path())
    };
    let opened = Spool::open(options, World::system()).unwrap();
    let writer = opened.writer.spawn_thread().unwrap();
    let spool = opened.spool;
    let holds = Holds::default();
    let now = Timestamp::from_millis(5);
    let made = holds.hold(&spool, wish(r#""a b"@example.net"#), now).await;
    let made = made.unwrap();
    let odd = serde_json::json!({ "name": "h9", "selection": { "sender": "nobody" } });
    spool.put_fact(ROOM, "rule/h9", Some(odd)).await.unwrap();

    let again = Holds::default();
    again.restore(&spool).unwrap();
    let book = again.book();
    assert_eq!(book.rules.get(&made.name), Some(&made));
    let unread = book.rules.get("h9").unwrap();
    assert!(unread.reason.contains("cannot be read"), "{unread:?}");
    assert!(book.is_in_force(&unread.hold_reason()));
    assert!(!unread.selection.is_all(), "it holds nothing more");
    spool.close().await.unwrap();
    drop(spool);
    writer.join().unwrap();
}
