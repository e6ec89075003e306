//! On whichever platform holds the mailbox now.

use crate::mail::{SENT_AS, sent_as_key};
use crate::writeback::tests::*;

const ANN_AT_CLOUD: &str = "ann@example.org,cloud,Ann Lee,\nbob@example.org,cloud,,\n";

fn sent(house: &House, who: &str) -> usize {
    house.platform.folder(who, FolderKind::Sent).len()
}

#[tokio::test(start_paused = true)]
async fn who_moves_while_his_old_platform_is_waited_for_is_carried_to_the_new_one() {
    let house = House::new().await;
    house.platform.state().imap_at_cloud = true;
    house.platform.state().away.insert("onprem");
    house.sent(ANN, "a@us").await;
    house.sent(BOB, "b@us").await;
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    // Bob's platform is there, and he waits for nobody.
    house
        .until(|house| sent(house, "cloud/bob@example.org") == 1)
        .await;
    house
        .until(|house| !house.writebacks.status(None).unwrap().waits_for.is_empty())
        .await;
    house.directory(ANN_AT_CLOUD);
    let done = house.ended(&started.run.id).await;
    assert_eq!((done.run.state, done.failed), (RunState::Done, 0));
    assert_eq!(done.waits_for, Vec::<String>::new());
    assert_eq!(sent(&house, "cloud/ann@example.org"), 1);
    assert_eq!(sent(&house, ANN), 0);
    let ann = done.results.iter().find(|one| one.mailbox == ANN).unwrap();
    assert_eq!(ann.backend, Some(BackendId::new("cloud")));
}

#[tokio::test(start_paused = true)]
async fn who_moves_in_the_middle_has_all_of_it_at_the_new_home() {
    let house = House::new().await;
    house.platform.state().imap_at_cloud = true;
    for number in 0..4 {
        house.sent(ANN, &format!("{number}@us")).await;
    }
    house.platform.state().after = Some((2, {
        let handle = house.writebacks.0.parts.router.directory().clone();
        Box::new(move || handle.replace(directory(ANN_AT_CLOUD)))
    }));
    let done = house.run().await;
    assert_eq!(done.failed, 0, "{done:?}");
    assert_eq!(sent(&house, ANN), 2);
    assert_eq!(sent(&house, "cloud/ann@example.org"), 4);
    assert_eq!(house.run().await.carried, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn who_moves_while_his_old_platform_takes_its_time_gets_nothing_there() {
    let house = House::new().await;
    house.platform.state().imap_at_cloud = true;
    house.platform.state().waits = 2;
    house.sent(ANN, "a@us").await;
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    house.until(|house| house.platform.state().waits == 1).await;
    house.directory(ANN_AT_CLOUD);
    let done = house.ended(&started.run.id).await;
    assert_eq!((done.run.state, done.failed), (RunState::Done, 0));
    assert_eq!(sent(&house, ANN), 0);
    assert_eq!(sent(&house, "cloud/ann@example.org"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_meant_any_more_or_has_no_mailbox_is_told() {
    let house = House::new().await;
    house.platform.state().imap_at_cloud = true;
    house.platform.state().away.insert("onprem");
    house.sent(ANN, "a@us").await;
    let only = Meant {
        backend: Some(BackendId::new("onprem")),
        users: 0,
    };
    let start = house.writebacks.start((only, BTreeSet::new()), "kim");
    let started = start.await.unwrap();
    house
        .until(|house| !house.writebacks.status(None).unwrap().waits_for.is_empty())
        .await;
    house.directory(ANN_AT_CLOUD);
    let done = house.ended(&started.run.id).await;
    let why = done.results[0].failed.clone().unwrap();
    assert!(why.contains("is at cloud now"), "{why}");
    assert_eq!(sent(&house, "cloud/ann@example.org"), 0);
    // A mail user without a mailbox.
    house.directory("bob@example.org,cloud,,\n");
    let plan = house.plan().await;
    assert_eq!((plan.users, plan.skipped.len()), (0, 1), "{plan:?}");
    assert_eq!(plan.skipped[0].reason, "nowhere");
    let done = house.run().await;
    assert_eq!((done.total, done.failed), (1, 1), "{done:?}");
    let why = done.results[0].failed.clone().unwrap();
    assert!(why.contains("no backend holds"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn who_moves_away_while_the_program_is_down_is_told() {
    let mut house = House::new().await;
    house.platform.state().imap_at_cloud = true;
    house.platform.state().away.insert("onprem");
    house.sent(ANN, "a@us").await;
    house.sent(BOB, "b@us").await;
    let only = Meant {
        backend: Some(BackendId::new("onprem")),
        users: 0,
    };
    let start = house.writebacks.start((only, BTreeSet::new()), "kim");
    let started = start.await.unwrap();
    assert_eq!((started.total, started.run.people), (1, Some(1)));
    house = house.crash().await;
    house.directory(ANN_AT_CLOUD);
    house.writebacks.start_open().await.unwrap();
    let done = house.ended(&started.run.id).await;
    assert_eq!(
        (done.run.state, done.failed, done.results.len()),
        (RunState::Done, 1, 1)
    );
    let why = done.results[0].failed.clone().unwrap();
    assert!(why.contains("is at cloud now"), "{why}");
    // Bob's mailbox was never there.
    assert_eq!(sent(&house, "cloud/bob@example.org"), 0);
}

/// Numbers that a restart forgets would say that less was carried than was.
#[tokio::test(start_paused = true)]
async fn a_restart_forgets_nothing_of_what_was_carried() {
    let mut house = House::new().await;
    for number in 0..6 {
        house.sent(ANN, &format!("{number}@us")).await;
        let id = house.received(&format!("in{number}@them")).await;
        let value = serde_json::to_value(mark(5, Some(MarkPlace::Deleted))).unwrap();
        let key = format!("{ANN}/{id}");
        let put = house.spool.put_fact(MARKS, &key, Some(value));
        put.await.unwrap();
    }
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    for changes in [4, 5] {
        let shutdown = house.shutdown.clone();
        house.platform.state().after = Some((changes, Box::new(move || shutdown.signal())));
        house
            .until(|house| house.platform.state().after.is_none())
            .await;
        house = house.crash().await;
        let so_far = house.writebacks.status(None).unwrap();
        assert!(so_far.carried.done() > 0, "{so_far:?}");
        assert_eq!((so_far.done, so_far.results.len()), (0, 0));
        house.writebacks.start_open().await.unwrap();
    }
    let done = house.ended(&started.run.id).await;
    assert_eq!((done.done, done.failed), (1, 0), "{done:?}");
    let carried = done.carried;
    assert_eq!((carried.sent, carried.deleted, carried.there), (6, 6, 0));
}

#[tokio::test]
async fn who_is_named_and_has_his_mailbox_elsewhere_is_told() {
    let house = House::new().await;
    house.sent(BOB, "b@us").await;
    let meant = || Meant {
        backend: Some(BackendId::new("onprem")),
        users: 2,
    };
    let named = || BTreeSet::from([ANN.to_owned(), BOB.to_owned()]);
    let plan = house.writebacks.plan((meant(), named())).await.unwrap();
    assert_eq!((plan.users, plan.skipped.len()), (0, 1), "{plan:?}");
    assert_eq!(plan.skipped[0].reason, "elsewhere");
    assert_eq!(plan.skipped[0].example, BOB);
    let start = house.writebacks.start((meant(), named()), "kim");
    let done = house.ended(&start.await.unwrap().run.id).await;
    assert_eq!((done.total, done.failed), (1, 1), "{done:?}");
    let why = done.results[0].failed.clone().unwrap();
    assert!(why.contains("is at cloud now"), "{why}");
}

#[tokio::test]
async fn a_run_for_a_backend_with_nobody_is_for_nobody() {
    let house = House::new().await;
    house.directory("bob@example.org,cloud,,\n");
    house.sent(BOB, "b@us").await;
    let meant = Meant {
        backend: Some(BackendId::new("onprem")),
        users: 0,
    };
    let start = house.writebacks.start((meant, BTreeSet::new()), "kim");
    let done = house.ended(&start.await.unwrap().run.id).await;
    assert_eq!((done.total, done.results.len()), (0, 0), "{done:?}");
    assert_eq!(done.carried, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_when_the_server_is_there_again() {
    let house = House::new().await;
    house.platform.state().away.insert("onprem");
    house.sent(ANN, "a@us").await;
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    house
        .until(|house| !house.writebacks.status(None).unwrap().waits_for.is_empty())
        .await;
    // It takes long to carry.
    let (go_on, held) = tokio::sync::oneshot::channel();
    house.platform.state().holds = Some(held);
    house.platform.state().away.clear();
    house
        .until(|house| house.platform.state().holds.is_none())
        .await;
    let now = house.writebacks.status(None).unwrap();
    assert_eq!(now.run.state, RunState::Running);
    assert_eq!(now.waits_for, Vec::<String>::new());
    go_on.send(()).unwrap();
    assert_eq!(house.ended(&started.run.id).await.carried.sent, 1);
}

#[tokio::test]
async fn people_are_named_by_any_of_their_addresses() {
    let house = House::new().await;
    house.sent(ANN, "a@us").await;
    let named = async |text: &str| {
        let addresses = text.split(' ').map(|one| one.parse().unwrap());
        house.writebacks.named(addresses.collect()).await
    };
    let keys = named("ann.lee@example.org").await.unwrap();
    let meant = Meant {
        backend: None,
        users: 1,
    };
    let plan = house.writebacks.plan((meant, keys)).await.unwrap();
    assert_eq!(plan.users, 1, "{plan:?}");
    let error = named("ann@example.org nobody@example.org who@x.example").await;
    let told = error.unwrap_err().to_string();
    let expected = "no user has the address nobody@example.org, who@x.example";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn who_never_worked_here_is_told() {
    let house = House::new().await;
    house.directory("cy@example.org,onprem,,\n");
    let cy = vec!["cy@example.org".parse().unwrap()];
    let keys = house.writebacks.named(cy).await.unwrap();
    let plan = house.writebacks.plan((Meant::default(), keys)).await;
    let plan = plan.unwrap();
    assert_eq!(plan.users, 0);
    assert_eq!(plan.skipped[0].reason, "no-account");
    assert_eq!(plan.skipped[0].example, "cy@example.org");
}

#[tokio::test]
async fn what_he_sent_from_an_address_that_he_has_no_more_is_his() {
    let house = House::new().await;
    let raw = "Message-ID: <a@us>\r\n\r\nhi\r\n";
    let mut sent = envelope(("ann.lee@example.org", "far@x.example"), "a@us");
    sent.authenticity = Authenticity::Local;
    sent.peer = Peer {
        protocol: "webmail".to_owned(),
        user: Some(ANN.to_owned()),
        ..Peer::default()
    };
    house.accept(raw, sent).await;
    // As the webmail does it.
    let key = sent_as_key(ANN, "ann.lee@example.org");
    let now = serde_json::json!({});
    house
        .spool
        .put_fact(SENT_AS, &key, Some(now))
        .await
        .unwrap();
    house.directory("ann@example.org,onprem,Ann Lee,\n");
    assert_eq!(house.plan().await.carried.sent, 1);
    assert_eq!(house.run().await.carried.sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_is_changed_no_faster_than_it_may() {
    let house = House::new().await;
    house.sent(ANN, "a@us").await;
    let id = house.received("1@x").await;
    house.mark(id, mark(5, Some(MarkPlace::Deleted))).await;
    house.draft("tok", Some(letter(7, "Plan"))).await;
    house.platform.state().waits = 5;
    let start = Instant::now();
    let done = house.run().await;
    assert_eq!(done.carried.done(), 4, "{done:?}");
    assert!(start.elapsed() >= Duration::from_secs(100));
    assert_eq!(house.platform.state().waits, 0);
    // A stop does not wait for it.
    house.draft("tok", Some(letter(8, "Better"))).await;
    house.platform.state().waits = 1_000_000;
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    house
        .until(|house| house.platform.state().waits < 1_000_000)
        .await;
    let (id, start) = (started.run.id, Instant::now());
    house.writebacks.stop(&id, ("kim", "")).await.unwrap();
    house
        .until(|house| house.writebacks.going().is_none())
        .await;
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_second_run_takes_what_changed_while_the_first_one_went_on() {
    let house = House::new().await;
    let ids = [house.received("1@x").await, house.received("2@x").await];
    house.mark(ids[0], mark(5, Some(MarkPlace::Archive))).await;
    house.draft("tok", Some(letter(7, "Plan"))).await;
    let (go_on, held) = tokio::sync::oneshot::channel();
    house.platform.state().holds = Some(held);
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    // The first one is at the draft, and she goes on working.
    house
        .until(|house| house.platform.state().holds.is_none())
        .await;
    house.mark(ids[0], mark(6, None)).await;
    house.mark(ids[1], mark(6, Some(MarkPlace::Deleted))).await;
    house.draft("tok", Some(letter(8, "Better"))).await;
    house.sent(ANN, "late@us").await;
    go_on.send(()).unwrap();
    let first = house.ended(&started.run.id).await;
    assert_eq!((first.carried.filed, first.carried.drafts), (1, 1));
    let second = house.run().await;
    assert_eq!(second.failed, 0, "{second:?}");
    let count = |kind| house.platform.folder(ANN, kind).len();
    let kinds = [
        (FolderKind::Inbox, 1),
        (FolderKind::Archive, 0),
        (FolderKind::Sent, 1),
        (FolderKind::Drafts, 1),
        // The deleted message, and the old state of the draft.
        (FolderKind::Trash, 2),
    ];
    for (kind, expected) in kinds {
        assert_eq!(count(kind), expected, "{kind:?}");
    }
    assert_eq!(house.run().await.carried, NOTHING);
}
