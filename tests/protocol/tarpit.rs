//! Who makes errors waits for his replies; the time is stopped, and goes on only when all wait.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tideover::base::Boxed;
use tideover::limits;
use tideover::net::{BoxedStream, Listen};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::door::{Door, Settings};

/// Connections without a network.
#[derive(Debug)]
struct Visits(mpsc::Receiver<(BoxedStream, SocketAddr)>);

impl Listen for Visits {
    fn accept(&mut self) -> Boxed<'_, io::Result<(BoxedStream, SocketAddr)>> {
        Box::pin(async move {
            match self.0.recv().await {
                Some(visit) => Ok(visit),
                None => std::future::pending().await,
            }
        })
    }

    fn local_address(&self) -> SocketAddr {
        ([127, 0, 0, 1], 25).into()
    }
}

/// A server, and the way to it.
pub(crate) struct House {
    pub(crate) door: Door,
    visits: mpsc::Sender<(BoxedStream, SocketAddr)>,
}

impl House {
    pub(crate) fn open(settings: Settings) -> Self {
        let (visits, taken) = mpsc::channel(100);
        let door = Door::open_at(settings, Box::new(Visits(taken)));
        Self { door, visits }
    }

    /// Somebody who has greeted.
    pub(crate) async fn come(&self, from: [u8; 4]) -> Guest {
        let mut guest = self.enter(from).await;
        assert!(guest.hear().await.0.starts_with("220"));
        assert!(guest.ask("HELO a").await.0.starts_with("250"));
        guest
    }

    pub(crate) async fn enter(&self, from: [u8; 4]) -> Guest {
        let (ours, theirs) = tokio::io::duplex(4096);
        let visit = (Box::new(theirs) as BoxedStream, (from, 2525).into());
        self.visits.send(visit).await.unwrap();
        Guest(ours)
    }
}

pub(crate) struct Guest(pub(crate) DuplexStream);

impl Guest {
    /// The next line, and after how many seconds.
    pub(crate) async fn hear(&mut self) -> (String, u64) {
        let begun = Instant::now();
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = self.0.read_u8().await.unwrap();
            line.push(byte);
        }
        let line = String::from_utf8(line).unwrap();
        (line, begun.elapsed().as_secs())
    }

    pub(crate) async fn ask(&mut self, line: &str) -> (String, u64) {
        let line = format!("{line}\r\n");
        self.0.write_all(line.as_bytes()).await.unwrap();
        self.hear().await
    }

    /// Sends a message, with the dot behind it: what is said to that, and after how many seconds.
    pub(crate) async fn send(&mut self, message: &str) -> (String, u64) {
        for line in [
            "MAIL FROM:<a@b.example>",
            "RCPT TO:<ann@example.org>",
            "DATA",
        ] {
            let (reply, _) = self.ask(line).await;
            assert!(reply.starts_with(['2', '3']), "{line} {reply}");
        }
        self.ask(message).await
    }

    /// The seconds that so many wrong commands take.
    async fn err(&mut self, times: usize) -> Vec<u64> {
        let mut waits = Vec::new();
        for _ in 0..times {
            let (reply, seconds) = self.ask("WHAT").await;
            assert!(reply.starts_with("500"), "{reply}");
            waits.push(seconds);
        }
        waits
    }
}

fn code(reply: &str) -> &str {
    reply.get(..3).unwrap_or_default()
}

pub(crate) const STRANGER: [u8; 4] = [192, 0, 2, 9];
pub(crate) const PLATFORM: [u8; 4] = [198, 51, 100, 1];

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    let bounds = &mut settings.options.bounds;
    bounds.tarpit = Duration::from_secs(10);
    bounds.tarpit_after = 1;
    bounds.reserved_for = vec!["198.51.100.1".parse().unwrap()];
    bounds.command_timeout = Duration::from_secs(300);
    settings
}

#[tokio::test(start_paused = true)]
async fn each_error_is_answered_later() {
    let house = House::open(settings());
    let mut stranger = house.come(STRANGER).await;
    assert_eq!(stranger.err(3).await, [0, 1, 2]);
    // What is right is answered at once, and errors of all kinds are one count.
    assert_eq!(stranger.ask("MAIL FROM:<a@b.example>").await.1, 0);
    let (reply, seconds) = stranger.ask("RCPT TO:<nobody@example.org>").await;
    assert_eq!((code(&reply), seconds), ("550", 4), "{reply}");
    let (reply, seconds) = stranger.ask("RCPT TO:<a@elsewhere.example>").await;
    assert_eq!((code(&reply), seconds), ("550", 8), "{reply}");
    assert_eq!(stranger.ask("RCPT TO:<ann@example.org>").await.1, 0);
    assert_eq!(stranger.err(2).await, [10, 10]);
    // Another session begins anew, and who is known waits for nothing.
    assert_eq!(house.come(STRANGER).await.err(2).await, [0, 1]);
    assert_eq!(house.come(PLATFORM).await.err(5).await, [0; 5]);
    house.door.shutdown.stop().await;
}

/// Messages that are refused are errors, too; ours send as many as they have.
#[tokio::test(start_paused = true)]
async fn refused_messages_are_errors() {
    let mut settings = settings();
    settings.options.bounds.bad_commands = 4;
    let house = House::open(settings);
    let mut stranger = house.come(STRANGER).await;
    let mut waits = Vec::new();
    for _ in 0..5 {
        let (reply, seconds) = stranger.send("a\nb\r\n.").await;
        assert!(reply.starts_with("550 5.6.0"), "{reply}");
        waits.push(seconds);
    }
    assert_eq!(waits, [0, 1, 2, 4, 8]);
    let (reply, _) = stranger.hear().await;
    assert_eq!(reply, "421 4.7.0 Too many errors, closing\r\n");
    let mut known = house.come(PLATFORM).await;
    for _ in 0..8 {
        let (reply, seconds) = known.send("a\nb\r\n.").await;
        assert_eq!((code(&reply), seconds), ("550", 0), "{reply}");
    }
    let (reply, _) = known.send("Subject: a\r\n\r\nb\r\n.").await;
    assert_eq!(code(&reply), "250", "{reply}");
    house.door.shutdown.stop().await;
}

/// RFC 5321 §4.5.3.1.10: recipients beyond the bound are sent later, and many clients hear so only
/// when they have named all. Who never stops makes errors; ours may.
#[tokio::test(start_paused = true)]
async fn recipients_without_an_end_are_errors() {
    let mut settings = settings();
    let bounds = &mut settings.options.bounds;
    (bounds.recipients, bounds.bad_recipients) = (2, 3);
    let house = House::open(settings);
    let rcpt = "RCPT TO:<ann@example.org>";
    for from in [STRANGER, PLATFORM] {
        let mut guest = house.come(from).await;
        for line in ["MAIL FROM:<a@b.example>", rcpt, rcpt] {
            assert_eq!(code(&guest.ask(line).await.0), "250", "{line}");
        }
        let mut waits = Vec::new();
        for number in 0..limits::RECIPIENT_OVERSHOOT + 3 {
            let (reply, seconds) = guest.ask(rcpt).await;
            assert!(reply.starts_with("452 4.5.3"), "{number} {reply}");
            waits.push(seconds);
        }
        let (free, errors) = waits.split_at(limits::RECIPIENT_OVERSHOOT);
        assert!(free.iter().all(|seconds| *seconds == 0), "{free:?}");
        let (last, _) = guest.ask(rcpt).await;
        let (expected, end) = if from == STRANGER {
            ([0, 1, 2], "421")
        } else {
            ([0, 0, 0], "452")
        };
        assert_eq!((errors, code(&last)), (&expected[..], end));
    }
    house.door.shutdown.stop().await;
}

/// RFC 2920 §3.2: what was said before goes out first.
#[tokio::test(start_paused = true)]
async fn earlier_replies_do_not_wait() {
    let house = House::open(settings());
    let mut stranger = house.enter(STRANGER).await;
    stranger.hear().await;
    let said = b"EHLO a\r\n";
    stranger.0.write_all(said).await.unwrap();
    while !stranger.hear().await.0.starts_with("250 ") {}
    assert_eq!(stranger.err(1).await, [0]);
    stranger.0.write_all(b"NOOP\r\nWHAT\r\n").await.unwrap();
    let (reply, seconds) = stranger.hear().await;
    assert_eq!((code(&reply), seconds), ("250", 0));
    let (reply, seconds) = stranger.hear().await;
    assert_eq!((code(&reply), seconds), ("500", 1));
    house.door.shutdown.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_keeps_nobody_out() {
    let mut settings = settings();
    let bounds = &mut settings.options.bounds;
    (bounds.connections, bounds.reserved_connections) = (10, 0);
    bounds.tarpit_connections = 1;
    let house = House::open(settings);
    let mut first = house.come(STRANGER).await;
    let mut second = house.come(STRANGER).await;
    assert_eq!(first.err(4).await, [0, 1, 2, 4]);
    first.0.write_all(b"WHAT\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Only so many wait.
    assert_eq!(second.err(3).await, [0, 0, 0]);
    let mut others = Vec::new();
    for _ in 0..7 {
        others.push(house.come(PLATFORM).await);
    }
    let (reply, seconds) = first.hear().await;
    assert_eq!(reply, "421 4.7.0 Too many errors, and others wait\r\n");
    assert_eq!(seconds, 0);
    // Nobody waits in a full house.
    for _ in 0..2 {
        others.push(house.come(PLATFORM).await);
    }
    second.0.write_all(b"WHAT\r\n").await.unwrap();
    let (reply, seconds) = second.hear().await;
    assert_eq!((code(&reply), seconds), ("421", 0));
    house.door.shutdown.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_who_waits() {
    let house = House::open(settings());
    let mut stranger = house.come(STRANGER).await;
    assert_eq!(stranger.err(4).await, [0, 1, 2, 4]);
    stranger.0.write_all(b"WHAT\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    house.door.shutdown.stop().await;
    assert_eq!(begun.elapsed().as_secs(), 0);
    let (reply, _) = stranger.hear().await;
    assert!(reply.starts_with("421 4.3.2"), "{reply}");
}
