//! What happens when nobody sends anything.

use std::time::Duration;

use super::*;

fn kept(filters: &Filters) -> Shutdown {
    let shutdown = Shutdown::new();
    let keep = filters.clone().keep(shutdown.clone());
    shutdown.spawn("filters", keep);
    shutdown
}

/// An alarm ends when the filter is there again, and not only with the next message.
#[tokio::test(start_paused = true)]
async fn an_alarm_ends_without_mail() {
    for (manner, messages) in [(Manner::Refuses, 1), (Manner::Stalls, 5)] {
        let daemon = Daemon::new(manner);
        let filters = filters(&daemon, vec![options("clamav")]);
        let shutdown = kept(&filters);
        for _ in 0..messages {
            heard(&filters, &PLAIN).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(filters.status()[0].failing_since.is_some(), "{manner:?}");
        daemon.becomes(Manner::Works);
        tokio::time::sleep(limits::FILTER_UPKEEP * 2).await;
        assert_eq!(filters.status()[0].failing_since, None, "{manner:?}");
        daemon.dialled();
        // Nor does the pause go on.
        assert_eq!(heard(&filters, &EICAR).await.0, FilterVerdict::Bad);
        // Who works is left in peace.
        daemon.dialled();
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(daemon.dialled(), 0);
        shutdown.stop().await;
    }
}

/// Who says that he is there and fails at each message is no help: his alarm goes on.
#[tokio::test(start_paused = true)]
async fn an_alarm_goes_on_until_a_message_is_looked_at() {
    let daemon = Daemon::new(Manner::Fails);
    let filters = filters(&daemon, vec![options("clamav")]);
    let shutdown = kept(&filters);
    heard(&filters, &PLAIN).await;
    daemon.becomes(Manner::Works);
    tokio::time::sleep(limits::FILTER_UPKEEP * 3).await;
    assert!(daemon.dialled() > 1, "it is asked");
    assert!(filters.status()[0].failing_since.is_some());
    heard(&filters, &PLAIN).await;
    assert_eq!(filters.status()[0].failing_since, None);
    shutdown.stop().await;
}

/// One sender with twenty connections does not switch the filter off for others.
#[tokio::test(start_paused = true)]
async fn slow_messages_at_once_pause_nothing() {
    let daemon = Daemon::new(Manner::OnlyPongs);
    let mut wide = options("clamav");
    wide.max_connections = 50;
    let filters = filters(&daemon, vec![wide]);
    let many = (0..50).map(|_| heard(&filters, &PLAIN));
    let told = futures_util::future::join_all(many).await;
    assert!(told.iter().all(|it| it.0 == FilterVerdict::Unchecked));
    daemon.becomes(Manner::Works);
    assert_eq!(heard(&filters, &EICAR).await.0, FilterVerdict::Bad);
}

/// Who can make a message that takes too long must not switch the filter off for others.
#[tokio::test(start_paused = true)]
async fn slow_messages_of_one_sender_pause_nothing() {
    let daemon = Daemon::new(Manner::OnlyPongs);
    let filters = filters(&daemon, vec![options("clamav")]);
    for _ in 0..5 {
        assert_eq!(heard(&filters, &PLAIN).await.0, FilterVerdict::Unchecked);
    }
    daemon.becomes(Manner::Works);
    assert_eq!(heard(&filters, &EICAR).await.0, FilterVerdict::Bad);
}
