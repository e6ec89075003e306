//! After an address has changed, or has become another's.

use crate::writeback::tests::*;

const LEE: &str = "ann.lee@example.org";
const RENAMED: &str = "ann.lee@example.org,onprem,Ann Lee,ann@example.org\n\
                       bob.roe@example.org,cloud,,bob@example.org\n";

/// Ann and Bob get new addresses, here and there, and it is known that they are the same.
async fn rename(house: &House) {
    house.directory(RENAMED);
    for (who, now) in [(ANN, LEE), (BOB, "bob.roe@example.org")] {
        let bond = serde_json::json!({ "address": now, "records": [format!("file/{now}")] });
        let account = serde_json::json!({ "address": who, "bond": bond });
        let put = house.spool.put_fact("account", who, Some(account));
        put.await.unwrap();
    }
    let mut state = house.platform.state();
    let mailbox = state.mailboxes.remove(ANN).unwrap_or_default();
    state.mailboxes.insert(LEE.to_owned(), mailbox);
}

#[tokio::test]
async fn what_was_done_before_a_new_address_is_carried() {
    let house = House::new().await;
    let ids = [house.received("1@x").await, house.received("2@x").await];
    house.mark(ids[0], mark(5, Some(MarkPlace::Archive))).await;
    house.mark(ids[1], mark(5, Some(MarkPlace::Deleted))).await;
    rename(&house).await;
    let expected = Carried {
        states: 2,
        filed: 1,
        deleted: 1,
        ..NOTHING
    };
    let plan = house.plan().await;
    assert_eq!((plan.users, plan.carried), (1, expected));
    assert_eq!(plan.rows[0].mailbox, LEE);
    assert_eq!(house.run().await.carried, expected);
    for kind in [FolderKind::Archive, FolderKind::Trash] {
        assert_eq!(house.platform.folder(LEE, kind).len(), 1, "{kind:?}");
    }
    assert_eq!(house.run().await.carried, NOTHING);
    // A damaged mark is a loss under the old key, too.
    let key = format!("{ANN}/{}", ids[0]);
    let damaged = Some(serde_json::json!("?"));
    house.spool.put_fact(MARKS, &key, damaged).await.unwrap();
    assert_eq!(house.plan().await.carried.lost, 1);
}

#[tokio::test]
async fn what_was_carried_before_a_new_address_is_not_carried_again() {
    let house = House::new().await;
    let id = house.received("1@x").await;
    house.mark(id, mark(5, Some(MarkPlace::Archive))).await;
    house.sent(ANN, "a@us").await;
    house.draft("tok", Some(letter(7, "Plan"))).await;
    assert_eq!(house.run().await.carried.done(), 4);
    rename(&house).await;
    assert_eq!(house.plan().await.carried, NOTHING);
    assert_eq!(house.run().await.carried, NOTHING);
    // It is carried once that a draft is none any more.
    house.draft("tok", None).await;
    assert_eq!(house.run().await.carried.drafts, 1);
    assert_eq!(house.platform.folder(LEE, FolderKind::Trash).len(), 1);
    assert_eq!(house.run().await.carried, NOTHING);
    // A later change is carried as one: out of the archive again.
    house.mark(id, mark(6, None)).await;
    assert_eq!(house.run().await.carried.filed, 1);
    assert_eq!(house.platform.folder(LEE, FolderKind::Inbox).len(), 1);
}

#[tokio::test]
async fn a_new_address_brings_no_second_copies() {
    let house = House::new().await;
    house.writebacks.configure(Options {
        without_imap: WithoutImap::Copy,
        ..Options::default()
    });
    house.sent(BOB, "a@us").await;
    assert_eq!(house.run().await.carried.copied, 1);
    rename(&house).await;
    assert_eq!(house.plan().await.carried, NOTHING);
    assert_eq!(house.run().await.carried, NOTHING);
    let new = house.spool.mailbox("bob.roe@example.org", None, 10);
    assert_eq!(new.unwrap().len(), 0);
}

#[tokio::test]
async fn what_somebody_did_who_left_changes_nothing_of_who_gets_his_mail() {
    let house = House::new().await;
    let at_bobs = |text: &str| house.platform.put(BOB, FolderKind::Inbox, text);
    let to_bob = envelope(("sender@x.example", BOB), "0@x");
    house.accept("Message-ID: <0@x>\r\n\r\n", to_bob).await;
    // Both got this one, as one message.
    let mut to_both = envelope(("sender@x.example", ANN), "1@x");
    let bob = envelope(("sender@x.example", BOB), "1@x").recipients;
    to_both.recipients.extend(bob);
    let raw = "Message-ID: <1@x>\r\n\r\nhi\r\n";
    let shared = house.accept(raw, to_both).await;
    at_bobs(&format!("{VISIT_FIELD}: {shared}\r\n{raw}"));
    // And these by two ways.
    let alone = house.received("2@x").await;
    at_bobs("Message-ID: <2@x>\r\n\r\nhi\r\n");
    for id in [shared, alone] {
        house.mark(id, mark(5, Some(MarkPlace::Deleted))).await;
    }
    house.directory("bob@example.org,onprem,,ann@example.org\n");
    let before = house.platform.state().mailboxes[BOB].clone();
    let done = house.run().await;
    assert_eq!(done.carried, NOTHING, "{done:?}");
    assert_eq!(house.platform.state().mailboxes[BOB], before);
}

/// Ann leaves with letters sent and half written, and Bob gets her address.
#[tokio::test]
async fn work_of_who_left_goes_to_nobody_and_is_named() {
    for alias in ["ann@example.org", "ann@example.org;ann.lee@example.org"] {
        let house = House::new().await;
        let id = house.received("1@x").await;
        house.mark(id, mark(5, Some(MarkPlace::Deleted))).await;
        house.sent(ANN, "a@us").await;
        house.draft("tok", Some(letter(7, "Plan"))).await;
        house
            .platform
            .put(BOB, FolderKind::Inbox, "Message-ID: <0@x>\r\n\r\nhi\r\n");
        let bond = serde_json::json!({ "address": ANN, "records": [format!("file/{ANN}")] });
        let account = serde_json::json!({ "address": ANN, "bond": bond });
        house
            .spool
            .put_fact("account", ANN, Some(account))
            .await
            .unwrap();
        house.directory(&format!("bob@example.org,onprem,,{alias}\n"));
        let before = house.platform.state().mailboxes[BOB].clone();
        let plan = house.plan().await;
        assert_eq!((plan.users, plan.carried), (0, NOTHING));
        let [skipped] = &plan.skipped[..] else {
            panic!("{plan:?}");
        };
        let told = (&*skipped.reason, skipped.users, &*skipped.example);
        assert_eq!(told, ("departed", 1, ANN));
        assert!(
            skipped.text.contains("tideover user confirm"),
            "{skipped:?}"
        );
        let done = house.run().await;
        assert_eq!((done.carried, done.failed, done.total), (NOTHING, 1, 1));
        let why = done.results[0].failed.as_deref().unwrap_or_default();
        assert!(why.contains("belongs to bob@example.org now"), "{why}");
        assert_eq!(house.platform.state().mailboxes[BOB], before);
        // Also when just she is named.
        let named = house
            .writebacks
            .named(vec![ANN.parse().unwrap()])
            .await
            .unwrap();
        assert_eq!(named.iter().collect::<Vec<_>>(), [ANN]);
        let meant = Meant {
            backend: None,
            users: 1,
        };
        let plan = house.writebacks.plan((meant, named)).await.unwrap();
        assert_eq!(plan.skipped.len(), 1, "{plan:?}");
        assert_eq!(plan.skipped[0].reason, "departed");
        // It was a mistake of the directory's: she has it all.
        house.directory(HOMES);
        assert_eq!(house.run().await.carried.done(), 4);
    }
}

/// The address goes to Bob while the run waits for a server that is away.
#[tokio::test(start_paused = true)]
async fn who_departs_in_the_middle_of_a_run_is_left_out() {
    let house = House::new().await;
    house.sent(ANN, "a@us").await;
    house.platform.state().away.insert("onprem");
    let run = house.writebacks.start(everybody(), "kim").await.unwrap();
    house
        .until(|house| {
            let status = house.writebacks.status(Some(&run.run.id)).unwrap();
            !status.waits_for.is_empty()
        })
        .await;
    house.directory("bob@example.org,onprem,,ann@example.org\n");
    house.platform.state().away.clear();
    let done = house.ended(&run.run.id).await;
    assert_eq!((done.carried.sent, done.failed), (0, 1), "{done:?}");
    let why = done.results[0].failed.as_deref().unwrap_or_default();
    assert!(why.contains("belongs to bob@example.org now"), "{why}");
}

#[tokio::test]
async fn an_address_that_is_anothers_own_is_no_former_one() {
    let house = House::new().await;
    let id = house.received("1@x").await;
    house.mark(id, mark(5, Some(MarkPlace::Deleted))).await;
    // Ann is Lee now, and somebody new is Ann: no account leads to Lee.
    let lee = serde_json::json!({ "address": LEE });
    house
        .spool
        .put_fact("account", LEE, Some(lee))
        .await
        .unwrap();
    house.spool.put_fact("account", ANN, None).await.unwrap();
    house.directory(
        "ann@example.org,onprem,New Ann,\nann.lee@example.org,onprem,,ann@example.org\n",
    );
    assert_eq!(house.plan().await.carried, NOTHING);
}

/// Ann is Lee now, her account goes with her, and somebody new has her address of before.
#[tokio::test]
async fn what_somebody_new_does_under_a_former_address_is_done_in_no_mail_of_its_former_owner() {
    let house = House::new().await;
    let bond = serde_json::json!({
        "address": LEE,
        "records": [format!("file/{LEE}")],
        "former": [format!("file/{ANN}")],
    });
    let account = serde_json::json!({ "address": ANN, "bond": bond });
    let put = house.spool.put_fact("account", ANN, Some(account));
    put.await.unwrap();
    house.directory("ann@example.org,onprem,New,\nann.lee@example.org,onprem,Ann Lee,\n");
    // Both are on a list and have got the same.
    house
        .platform
        .put(LEE, FolderKind::Inbox, "Message-ID: <1@x>\r\n\r\nhi\r\n");
    let id = house.received("1@x").await;
    house.mark(id, mark(5, Some(MarkPlace::Deleted))).await;
    let before = house.platform.state().mailboxes[LEE].clone();
    assert_eq!(house.run().await.carried, NOTHING);
    assert_eq!(house.platform.state().mailboxes[LEE], before);
}
