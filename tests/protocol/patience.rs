//! Who says something all the time and never comes to an end does not keep his place; the time is
//! stopped, and goes on only when all wait.

use std::time::Duration;

use tideover::inbound::Strain;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::door::Settings;
use super::tarpit::{self, Guest, House, PLATFORM, STRANGER};

fn settings() -> Settings {
    let mut settings = tarpit::settings();
    settings.options.max_message_size = 10_000_000;
    let bounds = &mut settings.options.bounds;
    bounds.data_timeout = Duration::from_secs(180);
    bounds.tarpit = Duration::ZERO;
    settings
}

/// Says it again and again, so often at most, until he hears a 421; that, and after how many
/// seconds.
async fn drip(guest: &mut Guest, piece: &str, (every, times): (u64, u32)) -> Option<(String, u64)> {
    let begun = Instant::now();
    for _ in 0..times {
        // Who is sent away may not have noticed.
        guest.0.write_all(piece.as_bytes()).await.ok();
        let until = Instant::now() + Duration::from_secs(every);
        while let Ok((line, _)) = tokio::time::timeout_at(until, guest.hear()).await {
            if line.starts_with("421") {
                return Some((line, begun.elapsed().as_secs()));
            }
        }
    }
    None
}

/// One who may say DATA or BDAT next.
async fn with_recipient(house: &House, from: [u8; 4]) -> Guest {
    let mut guest = house.enter(from).await;
    guest.hear().await;
    guest.0.write_all(b"EHLO a\r\n").await.unwrap();
    while !guest.hear().await.0.starts_with("250 ") {}
    for line in ["MAIL FROM:<a@b.example>", "RCPT TO:<ann@example.org>"] {
        assert!(guest.ask(line).await.0.starts_with("250"));
    }
    guest
}

const TIMEOUT: &str = "421 4.4.2 mx.example.org Timeout, closing\r\n";

/// RFC 5321 §4.5.3.2.7: the time is that of a whole command.
#[tokio::test(start_paused = true)]
async fn a_line_has_one_time_as_a_whole() {
    let house = House::open(settings());
    for from in [STRANGER, PLATFORM] {
        let mut guest = house.come(from).await;
        let (said, seconds) = drip(&mut guest, "x", (20, 100)).await.unwrap();
        assert_eq!(said, TIMEOUT);
        assert!((295..=305).contains(&seconds), "{seconds}");
    }
    house.door.shutdown.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_never_sends_a_message_goes() {
    let house = House::open(settings());
    let mut slow = house.come(STRANGER).await;
    let (said, seconds) = drip(&mut slow, "NOOP\r\n", (20, 200)).await.unwrap();
    assert_eq!(said, TIMEOUT);
    assert!((1_780..=1_820).contains(&seconds), "{seconds}");
    // HELO was the first of them.
    let mut fast = house.come(STRANGER).await;
    for number in 0..119 {
        let (reply, _) = fast.ask(["NOOP", "RSET", "HELO a"][number % 3]).await;
        assert!(reply.starts_with("250"), "{number} {reply}");
    }
    let (reply, _) = fast.ask("NOOP").await;
    assert_eq!(
        reply,
        "421 4.7.0 Too many commands without mail, closing\r\n"
    );
    // Whom we know may.
    let mut known = house.come(PLATFORM).await;
    let heard = drip(&mut known, "NOOP\r\n", (20, 200)).await;
    assert_eq!(heard, None);
    house.door.shutdown.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_comes_at_a_least_rate() {
    let house = House::open(settings());
    for from in [STRANGER, PLATFORM] {
        let mut guest = with_recipient(&house, from).await;
        assert!(guest.ask("DATA").await.0.starts_with("354"));
        let (said, seconds) = drip(&mut guest, "x", (10, 100)).await.unwrap();
        assert_eq!(said, TIMEOUT);
        assert!((175..=190).contains(&seconds), "{seconds}");
        // In one chunk, or in as many as there are bytes.
        let mut guest = with_recipient(&house, from).await;
        guest.0.write_all(b"BDAT 1000\r\n").await.unwrap();
        let (said, seconds) = drip(&mut guest, "x", (10, 90)).await.unwrap();
        assert_eq!(said, TIMEOUT);
        assert!((175..=190).contains(&seconds), "{seconds}");
        let mut guest = with_recipient(&house, from).await;
        let (said, seconds) = drip(&mut guest, "BDAT 1\r\nx", (20, 90)).await.unwrap();
        assert_eq!(said, TIMEOUT);
        assert!((175..=205).contains(&seconds), "{seconds}");
    }
    house.door.shutdown.stop().await;
}

/// 600 bytes a second, with pauses: slow, and nobody's enemy.
#[tokio::test(start_paused = true)]
async fn who_is_slow_and_honest_ends() {
    let house = House::open(settings());
    let mut guest = with_recipient(&house, STRANGER).await;
    assert!(guest.ask("DATA").await.0.starts_with("354"));
    let header = b"Subject: slow\r\n\r\n";
    guest.0.write_all(header).await.unwrap();
    let line = format!("{}\r\n", "a".repeat(598));
    for second in 0..4_000 {
        let pause = if second % 1_000 == 500 { 150 } else { 1 };
        tokio::time::sleep(Duration::from_secs(pause)).await;
        guest.0.write_all(line.as_bytes()).await.unwrap();
    }
    let (reply, _) = guest.ask(".").await;
    assert!(reply.starts_with("250"), "{reply}");
    house.door.shutdown.stop().await;
}

/// Strangers who dawdle keep nobody out: while places are scarce one goes for each who comes.
#[tokio::test(start_paused = true)]
async fn who_dawdles_gives_way_to_others() {
    let mut settings = settings();
    let bounds = &mut settings.options.bounds;
    (bounds.connections, bounds.reserved_connections) = (10, 0);
    let house = House::open(settings);
    let silent = house.come(STRANGER).await;
    let mut dripping = house.come(STRANGER).await;
    let mut writing = with_recipient(&house, STRANGER).await;
    assert!(writing.ask("DATA").await.0.starts_with("354"));
    let mut platform = house.come(PLATFORM).await;
    // There is room: nobody minds.
    assert_eq!(drip(&mut dripping, "x", (24, 4)).await, None);
    assert_eq!(drip(&mut writing, "x", (12, 1)).await, None);
    let (mut others, mut dawdlers) = (Vec::new(), vec![silent, dripping, writing]);
    let mut left = Vec::new();
    for number in 1..=8 {
        others.push(house.come([203, number, 113, 1]).await);
        let mut stay = Vec::new();
        for mut guest in dawdlers {
            let heard = tokio::time::timeout(Duration::from_millis(10), guest.hear()).await;
            match heard {
                Ok((line, _)) => assert_eq!(line, "421 4.4.2 Too slow, and others wait\r\n"),
                Err(_) => stay.push(guest),
            }
        }
        dawdlers = stay;
        left.push(3 - dawdlers.len());
    }
    // While there are places nobody goes, and then no more than are needed.
    assert_eq!((left[3], left.last()), (0, Some(&3)), "{left:?}");
    // Who has just come, and who is known, stays.
    for guest in others.iter_mut().chain([&mut platform]) {
        assert!(guest.ask("NOOP").await.0.starts_with("250"));
    }
    house.door.shutdown.stop().await;
}

/// Says something every eight seconds, and one message in the middle.
async fn linger(house: &House, message: &str) -> Guest {
    let mut guest = house.come(STRANGER).await;
    for round in 0..10 {
        tokio::time::sleep(Duration::from_secs(8)).await;
        if round == 5 {
            guest.send(message).await;
        }
        assert!(guest.ask("NOOP").await.0.starts_with("250"), "{round}");
    }
    guest
}

/// A message that is refused is none: only one that was taken lets a stranger begin anew.
#[tokio::test(start_paused = true)]
async fn refused_messages_keep_no_place() {
    for (message, stays) in [("a\nb\r\n.", false), ("Subject: a\r\n\r\nb\r\n.", true)] {
        let mut settings = settings();
        let bounds = &mut settings.options.bounds;
        (bounds.connections, bounds.reserved_connections) = (10, 0);
        let house = House::open(settings);
        let mut guest = linger(&house, message).await;
        let mut others = Vec::new();
        for number in 1..=8 {
            others.push(house.come([203, number, 113, 1]).await);
        }
        if stays {
            assert!(guest.ask("NOOP").await.0.starts_with("250"));
        } else {
            let (said, _) = guest.hear().await;
            assert_eq!(said, "421 4.4.2 Too slow, and others wait\r\n");
        }
        house.door.shutdown.stop().await;
    }
}

/// What is refused already is as late as what is not, whatever it was refused for.
#[tokio::test(start_paused = true)]
async fn what_is_refused_gives_way_to_others() {
    for (line, refused, refusal) in [
        ("DATA", "a\n", "550 5.6.0"),
        ("RSET", "BDAT 100000000\r\n", "503 5.5.1"),
    ] {
        let mut settings = settings();
        let bounds = &mut settings.options.bounds;
        (bounds.connections, bounds.reserved_connections) = (10, 0);
        let house = House::open(settings);
        let mut slow = with_recipient(&house, STRANGER).await;
        slow.ask(line).await;
        slow.0.write_all(refused.as_bytes()).await.unwrap();
        // There is room: nobody minds.
        assert_eq!(drip(&mut slow, "x", (7, 6)).await, None);
        let mut others = Vec::new();
        for number in 1..=8 {
            others.push(house.come([203, number, 113, 1]).await);
        }
        let (said, _) = slow.hear().await;
        assert!(said.starts_with(refusal), "{said}");
        let (said, _) = slow.hear().await;
        assert_eq!(said, "421 4.4.2 Too slow, and others wait\r\n");
        house.door.shutdown.stop().await;
    }
}

/// And where there is room, it comes at the same rate.
#[tokio::test(start_paused = true)]
async fn what_is_refused_comes_at_a_least_rate() {
    let house = House::open(settings());
    for from in [STRANGER, PLATFORM] {
        let mut guest = with_recipient(&house, from).await;
        guest.ask("DATA").await;
        guest.0.write_all(b"a\n").await.unwrap();
        assert_eq!(drip(&mut guest, "x", (10, 17)).await, None);
        let (said, seconds) = guest.hear().await;
        assert!(said.starts_with("550 5.6.0"), "{said}");
        assert!(seconds <= 20, "{seconds}");
    }
    house.door.shutdown.stop().await;
}

/// Nor does who says much and reads nothing of what is said to him.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_gives_way_to_others() {
    let mut settings = settings();
    let bounds = &mut settings.options.bounds;
    (bounds.connections, bounds.reserved_connections) = (10, 0);
    let house = House::open(settings);
    let mut deaf = with_recipient(&house, STRANGER).await;
    let flood = "RCPT TO:<ann@example.org>\r\n".repeat(3_000);
    let said = deaf.0.write_all(flood.as_bytes());
    let said = tokio::time::timeout(Duration::from_secs(11), said).await;
    assert!(said.is_err(), "all of it was read");
    let mut others = Vec::new();
    for number in 1..=8 {
        others.push(house.come([203, number, 113, 1]).await);
    }
    // His last word does not keep the place, either.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for number in 9..=10 {
        others.push(house.come([203, number, 113, 1]).await);
    }
    for guest in &mut others {
        assert!(guest.ask("NOOP").await.0.starts_with("250"));
    }
    house.door.shutdown.stop().await;
}

/// Nor does he keep his place where there are places: he has the time of a command for his replies,
/// and a second for the last word.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_goes_when_his_time_is_over() {
    let house = House::open(settings());
    for from in [STRANGER, PLATFORM] {
        let mut deaf = with_recipient(&house, from).await;
        let begun = Instant::now();
        let flood = "RCPT TO:<ann@example.org>\r\n".repeat(3_000);
        let said = deaf.0.write_all(flood.as_bytes()).await;
        assert!(said.is_err(), "all of it was read");
        let seconds = begun.elapsed().as_secs();
        assert!((300..=302).contains(&seconds), "{seconds}");
    }
    house.door.shutdown.stop().await;
}

/// A stop does not wait for him.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_does_not_keep_a_stop() {
    let house = House::open(settings());
    let mut deaf = with_recipient(&house, PLATFORM).await;
    let flood = "RCPT TO:<ann@example.org>\r\n".repeat(3_000);
    let said = deaf.0.write_all(flood.as_bytes());
    let said = tokio::time::timeout(Duration::from_secs(1), said).await;
    assert!(said.is_err(), "all of it was read");
    let begun = Instant::now();
    house.door.shutdown.stop().await;
    assert!(begun.elapsed().as_secs() <= 2, "{:?}", begun.elapsed());
}

/// Bytes of somebody, one every few seconds, until he is sent away; after how many seconds he was,
/// counted from `begun`.
async fn sent_away(mut guest: Guest, (piece, every): (&str, u64), begun: Instant) -> u64 {
    let heard = drip(&mut guest, piece, (every, 100)).await;
    assert_eq!(heard.unwrap().0, "421 4.4.2 Too slow, and others wait\r\n");
    begun.elapsed().as_secs()
}

/// While places are scarce, by the times of `limits::SCARCE_…`: 10 s for a line, 30 s behind with a
/// message, 60 s without one. Who is one of ours has all his time, and who keeps the rate, too.
#[tokio::test(start_paused = true)]
async fn who_dawdles_in_a_full_house_has_little_time() {
    for (kind, expected) in [("line", 10), ("data", 30), ("commands", 60)] {
        let mut settings = settings();
        let bounds = &mut settings.options.bounds;
        (bounds.connections, bounds.reserved_connections) = (10, 0);
        let house = House::open(settings);
        let mut others = Vec::new();
        for _ in 0..7 {
            others.push(house.come(PLATFORM).await);
        }
        let mut ours = with_recipient(&house, PLATFORM).await;
        assert!(ours.ask("DATA").await.0.starts_with("354"));
        let begun = Instant::now();
        let gone = if kind == "data" {
            let mut guest = with_recipient(&house, STRANGER).await;
            assert!(guest.ask("DATA").await.0.starts_with("354"));
            sent_away(guest, ("x", 3), begun).await
        } else {
            let guest = house.come(STRANGER).await;
            let piece = if kind == "line" { "x" } else { "NOOP\r\n" };
            sent_away(guest, (piece, 3), begun).await
        };
        assert!((expected..=expected + 3).contains(&gone), "{kind}: {gone}");
        // In the same house: 1000 bytes every two seconds, for a minute and a half.
        let mut honest = with_recipient(&house, STRANGER).await;
        assert!(honest.ask("DATA").await.0.starts_with("354"));
        let line = format!("{}\r\n", "a".repeat(998));
        honest.0.write_all(b"Subject: slow\r\n\r\n").await.unwrap();
        for _ in 0..45 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            honest.0.write_all(line.as_bytes()).await.unwrap();
        }
        for other in &mut others {
            assert!(other.ask("NOOP").await.0.starts_with("250"));
        }
        // Ours has sent nothing all the time. While the disk writes, the time jumps: all is said
        // before.
        let rest = b"Subject: ours\r\n\r\nx\r\n.\r\n";
        ours.0.write_all(rest).await.unwrap();
        honest.0.write_all(b".\r\n").await.unwrap();
        for guest in [&mut ours, &mut honest] {
            let (reply, _) = guest.hear().await;
            assert!(reply.starts_with("250"), "{kind}: {reply}");
        }
        house.door.shutdown.stop().await;
    }
}

/// Who came before a reload keeps the bounds that he was greeted with.
#[tokio::test(start_paused = true)]
async fn new_bounds_are_those_of_new_sessions() {
    let mut settings = settings();
    settings.options.bounds.recipients = 2;
    let mut fewer = settings.options.bounds.clone();
    fewer.recipients = 1;
    let house = House::open(settings);
    let mut before = with_recipient(&house, STRANGER).await;
    house.door.bounds.configure(fewer);
    let mut after = with_recipient(&house, STRANGER).await;
    for (guest, expected) in [(&mut before, "250"), (&mut after, "452")] {
        let (reply, _) = guest.ask("RCPT TO:<bob@example.org>").await;
        assert!(reply.starts_with(expected), "{reply}");
    }
    house.door.shutdown.stop().await;
}

/// Behind a proxy, who finds no place has not said who he is: that strangers wait is known all the
/// same, where no place is kept for others.
#[tokio::test(start_paused = true)]
async fn who_finds_no_place_behind_a_proxy_is_known_of() {
    let mut settings = settings();
    settings
        .options
        .spokesmen
        .proxy
        .push("198.51.100.1".parse().unwrap());
    let bounds = &mut settings.options.bounds;
    (bounds.connections, bounds.reserved_connections) = (2, 0);
    let house = House::open(settings);
    let mut inside = Vec::new();
    for number in 1..=2 {
        let mut guest = house.enter(PLATFORM).await;
        let header = format!("PROXY TCP4 203.0.113.{number} 192.0.2.25 4000 25\r\n");
        guest.0.write_all(header.as_bytes()).await.unwrap();
        assert!(guest.hear().await.0.starts_with("220"));
        inside.push(guest);
    }
    assert_eq!(house.door.load.told(), None);
    let mut outside = house.enter(PLATFORM).await;
    assert!(outside.hear().await.0.starts_with("421"));
    let busy = house.door.load.told();
    assert_eq!(busy.map(|busy| busy.strain), Some(Strain::Places));
    house.door.shutdown.stop().await;
}
