//! Who says nothing keeps nobody from hearing.

use super::*;

/// A server that takes a connection and says nothing.
async fn silent() -> String {
    server(|stream| async move {
        tokio::time::sleep(SECOND * 60).await;
        drop(stream);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_says_nothing_or_leads_elsewhere_is_given_up() {
    let house = House::new();
    let mut with = Options {
        webhook: Some(webhook(&silent().await)),
        ..options()
    };
    with.patience.each = Duration::from_millis(300);
    let life = house.live(with.clone());
    let results = life.notices.test().await;
    assert!(
        results[0].what.contains("took too long"),
        "{}",
        said(&results)
    );
    let posts = Heard::default();
    let moved = web_server(&posts, ("302 Found", None)).await;
    with.patience.each = SECOND * 20;
    with.webhook = Some(webhook(&moved));
    life.notices.configure(with);
    let results = life.notices.test().await;
    assert!(results[0].what.contains("302"), "{}", said(&results));
    assert_eq!(posts.lock().unwrap().len(), 1);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_to_its_end_is_given_up() {
    let house = House::new();
    let pipe = house.path("address");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let hook = Webhook {
        address: Address::In(pipe.clone()),
        secret_file: None,
        authorities: None,
    };
    let mut with = Options {
        webhook: Some(hook),
        ..options()
    };
    with.patience.each = Duration::from_millis(300);
    let life = house.live(with);
    let results = life.notices.test().await;
    assert!(
        results[0].what.contains("took too long"),
        "{}",
        said(&results)
    );
    // Who reads from it is let go.
    drop(std::fs::OpenOptions::new().write(true).open(pipe).unwrap());
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_config_sends_what_waits_on_a_silent_way_and_ends_its_program() {
    let house = House::new();
    let mut with = Options {
        webhook: Some(webhook(&silent().await)),
        command: house.program("echo $$ > \"$1/pid\"; sleep 600 & wait"),
        ..options()
    };
    with.patience.each = SECOND * 3600;
    let life = house.live(with.clone());
    life.wrong.is(&["onprem"]);
    life.until(|status| status.sent.len() == 1 && house.path("pid").exists())
        .await;

    let posts = Heard::default();
    with.webhook = Some(webhook(&web_server(&posts, ("200 OK", None)).await));
    with.command.clear();
    life.notices.configure(with);
    let arrived = |status: &NoticesStatus| status.sent[0].ways[0].result == "sent";
    let status = life.until(arrived).await;
    assert_eq!(
        json_of(&posts.lock().unwrap()[0])["items"][0]["subject"],
        "onprem"
    );
    let first = status.sent.last().unwrap();
    assert!(
        first
            .ways
            .iter()
            .all(|way| way.what == "the config was changed"),
        "{first:?}"
    );
    assert_eq!(status.ways.len(), 1, "{status:?}");
    let group = std::fs::read_to_string(house.path("pid")).unwrap();
    let group = rustix::process::Pid::from_raw(group.trim().parse().unwrap()).unwrap();
    for _ in 0..600 {
        if rustix::process::test_kill_process_group(group).is_err() {
            return life.end().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the program goes on");
}

/// A hook that says much about a notice has taken it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_says_beside_its_status_is_not_waited_for() {
    let house = House::new();
    let chatty = server(|mut stream| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        stream.read_buf(&mut Vec::with_capacity(64 * 1024)).await?;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        stream.write_all(head).await?;
        tokio::time::sleep(SECOND * 60).await;
        Ok(())
    });
    let life = house.live(Options {
        webhook: Some(webhook(&chatty.await)),
        ..options()
    });
    let results = life.notices.test().await;
    assert_eq!(results[0].result, "sent", "{}", said(&results));
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_asked_to_come_later_is_no_alarm() {
    let house = House::new();
    let relay = mail_host(&Heard::default(), &["451 4.7.1 greylisted"]).await;
    let life = house.live(Options {
        addresses: vec!["ops@example.net".parse().unwrap()],
        relay: Some(relay),
        ..options()
    });
    let results = life.notices.test().await;
    assert!(results[0].what.contains("greylisted"), "{}", said(&results));
    assert_eq!(life.notices.problem(), None);
    life.end().await;
}
