//! Drafts: readable there, and none left behind.

use crate::mail::UnsentFile;
use crate::writeback::record::{Written, put_written};
use crate::writeback::tests::*;

/// The ends of drafts: all but the last is moved to the trash.
fn folders(house: &House) -> (Vec<String>, Vec<String>) {
    let subjects = |kind| {
        let found = house.platform.folder(ANN, kind).into_iter();
        found
            .map(|one| one.field("Subject").unwrap().to_owned())
            .collect()
    };
    (subjects(FolderKind::Drafts), subjects(FolderKind::Trash))
}

#[tokio::test]
async fn drafts_are_readable_there_and_leave_no_surprise() {
    let house = House::new().await;
    house.draft("tok", Some(letter(7, "Plan"))).await;
    house.draft("blank", Some(UnsentLetter::default())).await;
    house.draft("out", Some(letter(7, "Leaves"))).await;
    let leaving = serde_json::json!({ "at": Timestamp::EPOCH, "recipients": 1 });
    let key = format!("{ANN}/out");
    house
        .spool
        .put_fact(OUTBOX, &key, Some(leaving))
        .await
        .unwrap();
    assert_eq!(house.run().await.carried.drafts, 1);
    let drafts = |kind| house.platform.folder(ANN, kind);
    let found = drafts(FolderKind::Drafts);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].said, "\\Draft \\Seen");
    assert_eq!(found[0].date, Timestamp::from_millis(7));
    for part in [
        "From: \"Ann Lee\" <ann@example.org>",
        "\"Cy\" <cy@x.example>",
        "Bcc: \"Dee\" <dee@x.example>\r\n",
        "Subject: Plan",
        "To: nonsense\r\n\r\nhalf a sent",
        ".7@mx.example.org>",
    ] {
        assert!(found[0].text.contains(part), "{part} in\n{}", found[0].text);
    }
    // Changed: the old state goes to the trash. Thrown away: so does the new one.
    house.draft("tok", Some(letter(8, "Better"))).await;
    assert_eq!(house.run().await.carried.drafts, 1);
    assert_eq!(
        drafts(FolderKind::Drafts)[0].field("Subject"),
        Some("Better")
    );
    assert_eq!(drafts(FolderKind::Trash).len(), 1);
    house.draft("tok", None).await;
    assert_eq!(house.run().await.carried.drafts, 1);
    assert!(drafts(FolderKind::Drafts).is_empty());
    assert_eq!(drafts(FolderKind::Trash).len(), 2);
    assert_eq!(house.run().await.carried, NOTHING);
}

#[tokio::test]
async fn a_state_that_was_put_there_just_before_a_crash_is_not_left_behind() {
    for (what, next, expected) in [
        ("changed", Some(letter(8, "Better")), vec!["Better"]),
        ("discarded", None, vec![]),
        ("changed before", Some(letter(6, "Plan")), vec!["Plan"]),
    ] {
        let mut house = House::new().await;
        if what == "changed before" {
            house.draft("tok", Some(letter(5, "Plan"))).await;
            house.run().await;
        }
        house.draft("tok", Some(letter(7, "Plan"))).await;
        house.platform.state().breaks_after = Some(0);
        let started = house.writebacks.start(everybody(), "kim").await.unwrap();
        house
            .until(|house| house.platform.state().breaks_after.is_none())
            .await;
        house = house.crash().await;
        house.draft("tok", next).await;
        house.writebacks.start_open().await.unwrap();
        let done = house.ended(&started.run.id).await;
        assert_eq!((done.carried.drafts, done.failed), (1, 0), "{what}");
        let (drafts, trash) = folders(&house);
        assert_eq!(drafts, expected, "{what}");
        let old = if what == "changed before" { 2 } else { 1 };
        assert_eq!(trash, vec!["Plan"; old], "{what}");
        assert_eq!(house.run().await.carried, NOTHING, "{what}");
    }
}

#[tokio::test]
async fn what_was_refused_leaves_no_trace() {
    let house = House::new().await;
    house.draft("tok", Some(letter(7, "Plan"))).await;
    house.platform.state().refuses = true;
    assert_eq!(house.run().await.carried.refused, 1);
    assert!(house.spool.facts("written", ANN).unwrap().is_empty());
    house.platform.state().refuses = false;
    assert_eq!(house.run().await.carried.drafts, 1);
}

#[tokio::test]
async fn drafts_of_earlier_versions_are_known_again() {
    let house = House::new().await;
    let text = "Message-ID: <draft.tok.7@mx.example.org>\r\nSubject: Plan\r\n\r\n";
    house.platform.put(ANN, FolderKind::Drafts, text);
    // As it was written then.
    let at = Timestamp::from_millis(7);
    let value = serde_json::json!({ "backend": "onprem", "at": at, "changed": at });
    let written: Written = serde_json::from_value(value).unwrap();
    put_written(&house.spool, (ANN, "draft/tok"), Some(&written))
        .await
        .unwrap();
    house.draft("tok", Some(letter(8, "Better"))).await;
    assert_eq!(house.run().await.carried.drafts, 1);
    assert_eq!(
        folders(&house),
        (vec!["Better".to_owned()], vec!["Plan".to_owned()])
    );
}

#[tokio::test]
async fn files_and_formatting_go_with_a_draft() {
    let house = House::new().await;
    let id = house.kept(&b"\x00\xff file ".repeat(20_000)).await;
    let unsent = UnsentLetter {
        html: "<b>half</b> a sent".to_owned(),
        files: vec![UnsentFile {
            id,
            name: "Büro.bin".to_owned(),
            content_type: "application/x-test".to_owned(),
            size: 160_000,
        }],
        ..letter(7, "Plan")
    };
    house.draft("tok", Some(unsent)).await;
    assert_eq!(house.run().await.carried.drafts, 1);
    let text = &house.platform.folder(ANN, FolderKind::Drafts)[0].text;
    let encoded = crate::mail::base64_lines(&b"\x00\xff file ".repeat(20_000));
    assert!(text.contains(std::str::from_utf8(&encoded).unwrap()));
    for part in [
        "multipart/mixed",
        "multipart/alternative",
        "<b>half</b> a sent",
    ] {
        assert!(text.contains(part), "{part}");
    }
}
