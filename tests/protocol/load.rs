//! What a server does when there is too much to do.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::door::{Door, Settings};

const STRANGER: [u8; 4] = [127, 0, 0, 9];
const PLATFORM: [u8; 4] = [127, 0, 0, 1];

/// A server that has places for the platform at 127.0.0.1.
fn door(memory: u64) -> Door {
    let mut settings = Settings::default();
    let bounds = &mut settings.options.bounds;
    bounds.commit_wait = Duration::from_millis(200);
    bounds.memory = memory;
    bounds.connections_per_address = 1000;
    bounds.connections_per_network = 1000;
    bounds.reserved_for = vec!["127.0.0.1".parse().unwrap()];
    Door::open(settings)
}

/// Somebody at this address.
struct Client(TcpStream);

impl Client {
    /// Comes, and is greeted.
    async fn come(from: [u8; 4], door: &Door) -> (Self, String) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(door.address).await.unwrap();
        let mut client = Self(stream);
        let greeting = client.hear().await;
        (client, greeting)
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The last line of a reply; empty when the server has closed.
    async fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        loop {
            let line = heard.split(|byte| *byte == b'\n').rev().nth(1);
            if line.is_some_and(|line| line.get(3) == Some(&b' ')) {
                return String::from_utf8(line.unwrap().to_vec()).unwrap();
            }
            if self.0.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                return String::new();
            }
        }
    }

    /// Reads up to a line that begins so, or to the end.
    async fn hear_until(&mut self, begins: &str) {
        let line = format!("\n{begins}");
        let mut heard = Vec::new();
        while !heard.windows(line.len()).any(|it| it == line.as_bytes()) {
            if self.0.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                return;
            }
        }
    }

    async fn ask(&mut self, text: &str) -> String {
        self.say(text).await;
        self.hear().await
    }

    /// A thousand recipients with long names; does not wait for the replies.
    async fn name_many(&mut self) {
        self.say("MAIL FROM:<a@client.example>\r\n").await;
        for some in 0..20 {
            let numbers = some * 50..some * 50 + 50;
            let long = "x".repeat(200);
            let said: Vec<_> = numbers
                .map(|number| format!("RCPT TO:<ann{number}{long}@example.org>\r\n"))
                .collect();
            let said = said.concat();
            // It may have had to go already.
            self.0.write_all(said.as_bytes()).await.ok();
        }
    }

    /// Up to the 354.
    async fn begin(&mut self) {
        for (line, code) in [
            ("EHLO a\r\n", "250"),
            ("MAIL FROM:<a@client.example>\r\n", "250"),
            ("RCPT TO:<ann@example.org>\r\n", "250"),
            ("DATA\r\n", "354"),
        ] {
            let reply = self.ask(line).await;
            assert!(reply.starts_with(code), "{line}: {reply}");
        }
    }
}

/// Comes again and again until the greeting begins so; the client and the greeting.
async fn until(from: [u8; 4], door: &Door, begins: &str) -> Client {
    loop {
        let (client, greeting) = Client::come(from, door).await;
        if greeting.starts_with(begins) {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const LATER: &str = "421 4.3.2 mx.example.org Too busy, try later";

/// A disk that does not answer: who comes now would wait with all the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_come_later_while_the_disk_stands() {
    let door = door(64 << 20);
    let (mut early, greeting) = Client::come(STRANGER, &door).await;
    assert!(greeting.starts_with("220"), "{greeting}");
    early.begin().await;
    door.stall.stand();
    early.say("Subject: a\r\n\r\nb\r\n.\r\n").await;
    let mut turned_away = until(STRANGER, &door, LATER).await;
    assert_eq!(turned_away.hear().await, "", "it is closed");
    let (mut platform, greeting) = Client::come(PLATFORM, &door).await;
    assert!(greeting.starts_with("220"), "{greeting}");
    platform.begin().await;
    platform.say("Subject: c\r\n\r\nd\r\n.\r\n").await;
    // Who was there is served to the end.
    door.stall.go_on();
    for waiting in [&mut early, &mut platform] {
        let reply = waiting.hear().await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    until(STRANGER, &door, "220").await;
    door.shutdown.stop().await;
}

/// Connections that hold too much: the one that holds most gives way, nobody else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_most_gives_way() {
    let door = door(8 << 20);
    let (mut modest, _) = Client::come(STRANGER, &door).await;
    modest.begin().await;
    let mut greedy = Vec::new();
    let later = loop {
        let (mut client, greeting) = Client::come(STRANGER, &door).await;
        if !greeting.starts_with("220") {
            break greeting;
        }
        assert!(client.ask("EHLO a\r\n").await.starts_with("250"));
        client.name_many().await;
        greedy.push(client);
        assert!(greedy.len() < 40, "nothing is too much");
    };
    assert!(later.starts_with(LATER), "{later}");
    let mut gone = 0;
    for client in &mut greedy {
        let mut heard = Vec::new();
        // What it still had to say may have turned the close into a reset.
        client.0.shutdown().await.ok();
        let whole = client.0.read_to_end(&mut heard).await;
        let heard = String::from_utf8(heard).unwrap();
        gone += usize::from(heard.contains(LATER) || whole.is_err());
    }
    assert!(gone > 0, "nobody has gone");
    modest.say("Subject: a\r\n\r\nb\r\n.\r\n").await;
    let reply = modest.hear().await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    drop(greedy);
    until(STRANGER, &door, "220").await;
    door.shutdown.stop().await;
}

/// The same of those who have begun a message in chunks and leave it so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_much_between_two_chunks_gives_way() {
    let door = door(8 << 20);
    let mut greedy = Vec::new();
    loop {
        let (mut client, greeting) = Client::come(STRANGER, &door).await;
        if !greeting.starts_with("220") {
            assert!(greeting.starts_with(LATER), "{greeting}");
            break;
        }
        assert!(client.ask("EHLO a\r\n").await.starts_with("250"));
        client.name_many().await;
        client.0.write_all(b"BDAT 5\r\na: b\rHELP\r\n").await.ok();
        client.hear_until("214 ").await;
        greedy.push(client);
        assert!(greedy.len() < 200, "nothing is too much");
    }
    // They are all there still; if none of them had to go, it would be busy for ever.
    let room = until(STRANGER, &door, "220");
    let waited = tokio::time::timeout(Duration::from_secs(20), room).await;
    assert!(waited.is_ok(), "nobody has gone");
    door.shutdown.stop().await;
}
