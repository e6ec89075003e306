//! What is damaged or gone here is told for each user, and never put anywhere.

use crate::mail::UnsentFile;
use crate::writeback::tests::*;

/// One loss, and what came of the rest.
async fn lost(house: &House, part: &str) -> Carried {
    let done = house.run().await;
    assert_eq!((done.carried.lost, done.failed), (1, 0), "{part}: {done:?}");
    let told = &done.results[0].losses;
    assert!(told.len() == 1 && told[0].contains(part), "{told:?}");
    done.carried
}

#[tokio::test]
async fn a_damaged_letter_is_told_and_stops_no_other() {
    let house = House::new().await;
    let id = house.sent(ANN, "damaged-body@us").await;
    house.sent(ANN, "whole@us").await;
    house.damage("<damaged-body@us>");
    assert_eq!(lost(&house, &id.to_string()).await.sent, 1);
    assert_eq!(house.platform.folder(ANN, FolderKind::Sent).len(), 1);
    assert_eq!(lost(&house, "damage").await.sent, 0, "told once more");
}

#[tokio::test]
async fn a_damaged_record_is_told_and_stops_no_other() {
    let house = House::new().await;
    let id = house.sent(ANN, "a@us").await;
    house.sent(ANN, "whole@us").await;
    // The envelope, not the body.
    house.damage(&format!("\"id\":\"{id}\""));
    assert_eq!(house.plan().await.carried.lost, 1);
    assert_eq!(lost(&house, &id.to_string()).await.sent, 1);
}

#[tokio::test]
async fn a_damaged_draft_is_told_and_stops_no_other() {
    let house = House::new().await;
    let large = UnsentLetter {
        text: "large letter ".repeat(8_000),
        ..letter(7, "Large")
    };
    let stored = |kept| StoredLetter {
        title: large.title(),
        draft: None,
        kept: Some(kept),
    };
    let id = house.kept(&serde_json::to_vec(&large).unwrap()).await;
    let value = serde_json::to_value(stored(id)).unwrap();
    let key = format!("{ANN}/large");
    house
        .spool
        .put_fact(DRAFTS, &key, Some(value))
        .await
        .unwrap();
    house.draft("tok", Some(letter(7, "Plan"))).await;
    house.damage("large letter ");
    assert_eq!(lost(&house, "the draft \"Large\"").await.drafts, 1);
    let found = house.platform.folder(ANN, FolderKind::Drafts);
    assert_eq!((found.len(), found[0].field("Subject")), (1, Some("Plan")));
    // Its text is gone: what is left is carried, and that is told once.
    let value = serde_json::to_value(stored(SpoolId::from_u64(7))).unwrap();
    house
        .spool
        .put_fact(DRAFTS, &key, Some(value))
        .await
        .unwrap();
    assert_eq!(lost(&house, "1 of its parts").await.drafts, 1);
    assert_eq!(house.run().await.carried, NOTHING);
}

#[tokio::test]
async fn a_damaged_file_of_a_draft_goes_nowhere() {
    for size in [100, 2_000_000] {
        let house = House::new().await;
        let content = [vec![b'x'; size], b"the end of the file".to_vec()].concat();
        let unsent = UnsentLetter {
            files: vec![UnsentFile {
                id: house.kept(&content).await,
                name: "a.bin".to_owned(),
                content_type: "application/x-test".to_owned(),
                size: size as u64,
            }],
            ..letter(7, "With a file")
        };
        house.draft("tok", Some(unsent)).await;
        house.draft("other", Some(letter(7, "Plan"))).await;
        house.damage("the end of the file");
        assert_eq!(lost(&house, "With a file").await.drafts, 1, "{size}");
        assert_eq!(house.platform.folder(ANN, FolderKind::Drafts).len(), 1);
    }
}

#[tokio::test]
async fn no_copy_is_made_of_what_is_damaged() {
    for size in [100, 2_000_000] {
        let house = House::new().await;
        house.writebacks.configure(Options {
            without_imap: WithoutImap::Copy,
            ..Options::default()
        });
        let text = format!("{}the end of it\r\n", "x".repeat(size));
        let id = house.sent_with(BOB, ("a@us", &text)).await;
        house.sent(BOB, "whole@us").await;
        house.damage("the end of it");
        assert_eq!(lost(&house, &id.to_string()).await.copied, 1, "{size}");
        assert_eq!(house.spool.mailbox(BOB, None, 10).unwrap().len(), 1);
    }
}
