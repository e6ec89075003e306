//! Conversations with a running server: every file of `tests/scripts` is one.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod certificates;
#[path = "../simulation/chance.rs"]
mod chance;
mod corpus;
mod devices;
mod directory;
mod disk;
mod door;
mod load;
mod parameters;
mod patience;
#[path = "../../fuzz/pipes.rs"]
mod pipes;
#[path = "../simulation/disk.rs"]
#[expect(dead_code, reason = "the simulation asks more of it")]
mod platter;
mod scanner;
mod script;
#[path = "../../fuzz/server.rs"]
mod server;
mod tarpit;
mod told;

use std::path::Path;

use script::Script;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Runs all scripts of `tests/scripts`, side by side, and says which failed where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_script_is_answered_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let script = Script::parse(&std::fs::read_to_string(&path).unwrap());
        if let Err(failure) = script.run().await {
            failures.push(format!("{name}: {failure}"));
        }
        count += 1;
    }
    assert!(count > 20, "only {count} scripts were found");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// RFC 2920 §3.2: a client that sends its commands in one go gets what is known while a home is
/// asked about a recipient.
#[tokio::test]
async fn replies_do_not_wait_for_a_home_that_is_asked() {
    let door = door::Door::open(door::Settings::default());
    let stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
    let (mut stream, mut sink) = stream.into_split();
    let mut heard = String::new();
    let mut until = async |what: &str| {
        while !heard.contains(what) {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "{heard}");
            heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        heard.clone()
    };
    until("220 ").await;
    sink.write_all(b"EHLO client.example\r\n").await.unwrap();
    until("\r\n250 ").await;
    let go = b"MAIL FROM:<a@client.example>\r\nRCPT TO:<slow@example.org>\r\n";
    sink.write_all(go).await.unwrap();
    let before = until("250 2.1.0").await;
    assert!(!before.contains("550"), "{before}");
    door.gate.notify_one();
    until("550 5.1.1").await;
    door.shutdown.stop().await;
}

/// Who still uses old addresses is counted when the mail is taken, not when it is announced.
#[tokio::test]
async fn x500_recipients_count_when_their_mail_is_taken() {
    let door = door::Door::open(door::Settings::default());
    let mut stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
    let mut heard = String::new();
    let mut until = async |stream: &mut tokio::net::TcpStream, what: &str| {
        while !heard.contains(what) {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "{heard}");
            heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    };
    until(&mut stream, "220 ").await;
    stream.write_all(b"EHLO client.example\r\n").await.unwrap();
    until(&mut stream, "\r\n250 ").await;
    let said = b"MAIL FROM:<b@client.example>\r\n\
        RCPT TO:<IMCEAEX-_O=ORG_CN=A@example.org>\r\nRSET\r\n\
        MAIL FROM:<a@client.example>\r\nRCPT TO:<ann@example.org>\r\n\
        RCPT TO:<IMCEAEX-_O=ORG_CN=ANN@example.org>\r\nRCPT TO:<IMCEAEX-_O=X@example.org>\r\n\
        DATA\r\n";
    stream.write_all(said).await.unwrap();
    until(&mut stream, "\r\n354 ").await;
    assert!(door.encapsulated.lock().unwrap().is_empty());
    let body = b"Subject: an old reply\r\n\r\nHello\r\n.\r\nQUIT\r\n";
    stream.write_all(body).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let seen = door.encapsulated.lock().unwrap().clone();
    let address = "IMCEAEX-_O=ORG_CN=ANN@example.org".to_owned();
    assert_eq!(seen, [(address, "a@client.example".to_owned())]);
    door.shutdown.stop().await;
}
