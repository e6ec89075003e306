//! Copies for want of IMAP.

use crate::writeback::tests::*;

fn copying(house: &House) {
    house.writebacks.configure(Options {
        without_imap: WithoutImap::Copy,
        subject_mark: "[Sent] ".to_owned(),
    });
}

#[tokio::test]
async fn without_imap_it_is_told_or_its_writer_gets_a_copy() {
    let house = House::new().await;
    house.sent(BOB, "a@us").await;
    let plan = house.plan().await;
    assert_eq!((plan.carried.cannot, plan.carried.done()), (1, 0));
    assert_eq!(plan.skipped[0].reason, "no-imap");
    assert_eq!(house.run().await.carried.cannot, 1);
    house.writebacks.configure(Options {
        without_imap: WithoutImap::Copy,
        subject_mark: "[Sent] ".to_owned(),
    });
    let plan = house.plan().await;
    assert_eq!((plan.carried.copied, plan.skipped.len()), (1, 0));
    assert_eq!(house.run().await.carried.copied, 1);
    let written = house.spool.facts("written", "").unwrap();
    assert_eq!(written[0].1["accepted"], true);
    let mail = house.spool.mailbox(BOB, None, 10).unwrap();
    assert_eq!(mail.len(), 1);
    let body = house.spool.body(mail[0].0).unwrap().unwrap();
    let text = String::from_utf8(body.read_at(0, 10_000).unwrap().to_vec()).unwrap();
    for part in [
        "X-Tideover-Copy: sent <a@us>\r\n",
        "Subject: [Sent] x\r\n\r\nhi\r\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let again = house.run().await;
    assert_eq!(again.carried, NOTHING);
    assert_eq!(house.spool.mailbox(BOB, None, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn a_crash_makes_no_second_copy_and_loses_none() {
    let mut house = House::new().await;
    copying(&house);
    for number in 0..20 {
        house.sent(BOB, &format!("{number}@us")).await;
    }
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    house
        .until(|house| house.spool.mailbox(BOB, None, 100).unwrap().len() >= 3)
        .await;
    house = house.crash().await;
    copying(&house);
    house.writebacks.start_open().await.unwrap();
    house.ended(&started.run.id).await;
    assert_eq!(house.spool.mailbox(BOB, None, 100).unwrap().len(), 20);
    // The record was written, and the crash came before the copy.
    let id = house.sent(BOB, "late@us").await;
    let (at, copy) = (Timestamp::EPOCH, SpoolId::from_u64(7));
    let record = serde_json::json!({ "backend": "cloud", "at": at, "copy": copy });
    let key = format!("{BOB}/sent/{id}");
    house
        .spool
        .put_fact("written", &key, Some(record))
        .await
        .unwrap();
    assert_eq!(house.run().await.carried.copied, 1);
    assert_eq!(house.run().await.carried, NOTHING);
    // A copy that was there, and that the spool has forgotten since, is not sent once more.
    let record = serde_json::json!(
        { "backend": "cloud", "at": at, "copy": copy, "accepted": true }
    );
    house
        .spool
        .put_fact("written", &key, Some(record))
        .await
        .unwrap();
    assert_eq!(house.run().await.carried, NOTHING);
}

#[tokio::test]
async fn a_plan_counts_what_a_run_without_imap_does() {
    let house = House::new().await;
    copying(&house);
    let id = house.sent(BOB, "a@us").await;
    assert_eq!(house.plan().await.carried.copied, 1);
    house.run().await;
    // What he does with it later is told by no copy.
    let value = serde_json::to_value(mark(5, Some(MarkPlace::Deleted))).unwrap();
    let key = format!("{BOB}/{id}");
    house
        .spool
        .put_fact(MARKS, &key, Some(value))
        .await
        .unwrap();
    let (plan, run) = (house.plan().await, house.run().await);
    assert_eq!(plan.carried, run.carried);
    assert_eq!((plan.carried.cannot, plan.carried.copied), (1, 0));
}
