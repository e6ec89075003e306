use super::*;
use crate::mail::RecipientEvent;
use crate::spool::World;
use crate::spool::index::Change;
use crate::spool::tests::{close, envelope, open_in, options};

async fn message(spool: &Spool, to: &[&str]) -> SpoolId {
    let mut draft = spool.draft();
    draft.append(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
    spool.accept(draft, envelope(to)).await.unwrap()
}

/// Takes a row out of the index, as a fault of ours would.
fn lose(spool: &Spool, key: Vec<u8>) {
    let change: Change = (key, None);
    spool.0.index.change_in_place(vec![change], |_| {});
}

#[tokio::test]
async fn what_came_in_is_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!(spool.balance(), None);
    let one = message(&spool, &["ann@example.org", "bob@example.org"]).await;
    message(&spool, &["cy@example.org"]).await;
    let dropped = RecipientEvent::Dropped {
        actor: "root".to_owned(),
        reason: String::new(),
    };
    spool.record(one, vec![1], dropped).await.unwrap();
    let balance = spool.count_all().await.unwrap();
    let told = (
        balance.messages,
        balance.came,
        balance.finished,
        balance.waiting,
    );
    assert_eq!((told, balance.wrong), ((2, 3, 1, 2), 0), "{balance:?}");
    let waiting: u64 = balance.backends.values().map(|sum| sum.waiting).sum();
    assert_eq!(waiting, 2);
    assert_eq!(spool.balance(), Some(balance));
    close(spool, opened).await;
}

#[tokio::test]
async fn who_waits_where_nobody_looks_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let id = message(&spool, &["ann@example.org", "bob@example.org"]).await;
    let state = spool.state(id, 0).unwrap().unwrap();
    let RecipientState::Queued { lane, due, .. } = state else {
        panic!("{state:?}");
    };
    lose(&spool, key::queued(&lane, due, id, 0));
    let balance = spool.count_all().await.unwrap();
    assert_eq!(balance.wrong, 1, "{balance:?}");
    assert!(
        balance.named[0].contains("recipient 0 is queued"),
        "{balance:?}"
    );
    lose(&spool, key::recipient(id, 1));
    let balance = spool.count_all().await.unwrap();
    assert!(
        balance.named[0].contains("2 recipients came, of 1"),
        "{balance:?}"
    );
    close(spool, opened).await;
}
