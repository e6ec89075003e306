//! The whole, started as `serve` starts it: what a room knows reaches those who ask.

use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::start;
use crate::config;
use crate::net::{BoxedStream, CertificateCheck, Handshake, TlsClient};
use crate::webmail::OldPasskeys;

const CONFIG: &str = r#"
[server]
hostname = "mx.example.org"
data_dir = "data"
[spool]
min_free = "1MiB"
[[listener]]
bind = "127.0.0.1:0"
role = "submission"
tls = "starttls"
[web]
bind = "127.0.0.1:0"
messages_per_hour = 2
[backend.onprem]
hosts = ["127.0.0.1:9"]
[domain."example.org"]
home = "onprem"
unknown = "reject"
[directory]
file = "directory.csv"
"#;

/// Its reply has to begin with this.
async fn ask(stream: &mut BoxedStream, line: &str, code: &str) {
    if !line.is_empty() {
        let line = format!("{line}\r\n");
        stream.write_all(line.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    loop {
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n") {
            said.push(stream.read_u8().await.unwrap());
        }
        assert!(said.starts_with(code.as_bytes()), "{line}: {said:?}");
        if said[3] == b' ' {
            return;
        }
    }
}

async fn status(folder: &Path) -> Value {
    let mut stream = UnixStream::connect(folder.join("data/admin.sock"))
        .await
        .unwrap();
    let request = b"GET /api/status HTTP/1.1\r\nHost: tideover\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// Who is there keeps his place and his bounds; who comes behind a reload gets the new ones.
#[tokio::test]
async fn bounds_that_are_read_again_count_for_who_comes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tideover.toml");
    let write = |most: usize| {
        let limits = format!("[limits]\nconnections_per_address = {most}\n");
        std::fs::write(&file, format!("{CONFIG}{limits}")).unwrap();
    };
    let people = "address,home\nann@example.org,onprem\n";
    std::fs::write(folder.path().join("directory.csv"), people).unwrap();
    write(1);
    let running = Box::pin(start(config::load(&file).unwrap())).await.unwrap();
    let come = async |code: &str| {
        let stream = TcpStream::connect(running.listeners[0]).await.unwrap();
        let mut stream: BoxedStream = Box::new(stream);
        ask(&mut stream, "", code).await;
        stream
    };
    let mut first = come("220").await;
    come("421").await;
    write(2);
    running.reload().await.unwrap();
    let second = come("220").await;
    come("421").await;
    ask(&mut first, "NOOP", "250").await;
    drop((first, second));
    running.stop().await.unwrap();
}

/// A program of Ann's sends as much as she may within an hour: operators see it.
#[tokio::test]
async fn who_has_had_all_of_his_hour_is_shown_to_operators() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tideover.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let people = "address,home\nann@example.org,onprem\n";
    std::fs::write(folder.path().join("directory.csv"), people).unwrap();
    let running = Box::pin(start(config::load(&file).unwrap())).await.unwrap();
    let ann = "ann@example.org".parse().unwrap();
    let token = running.accounts.invite(&ann).await.unwrap();
    let password = ("correct horse battery".to_owned(), OldPasskeys::Stay);
    running
        .accounts
        .set_password(&token, password)
        .await
        .unwrap();
    let shown = |status: &Value| status["sending"].to_string();
    let told = "ann@example.org has had 2 of 2 messages an hour";
    assert!(!shown(&status(folder.path()).await).contains(told));

    let stream = TcpStream::connect(running.listeners[0]).await.unwrap();
    let mut plain: BoxedStream = Box::new(stream);
    ask(&mut plain, "", "220").await;
    ask(&mut plain, "EHLO laptop.example", "250").await;
    ask(&mut plain, "STARTTLS", "220").await;
    let handshake = Handshake {
        name: "mx.example.org",
        check: &CertificateCheck::Any,
        pair: None,
    };
    let tls = TlsClient::with_authorities([]).unwrap();
    let (mut stream, _) = tls.connect(plain, handshake).await.unwrap();
    ask(&mut stream, "EHLO laptop.example", "250").await;
    // Ann and the password above.
    let auth = "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNlIGJhdHRlcnk=";
    ask(&mut stream, auth, "235").await;
    for _ in 0..2 {
        ask(&mut stream, "MAIL FROM:<ann@example.org>", "250").await;
        ask(&mut stream, "RCPT TO:<ann@example.org>", "250").await;
        ask(&mut stream, "DATA", "354").await;
        let letter = "From: ann@example.org\r\n\r\nHello\r\n.";
        ask(&mut stream, letter, "250").await;
    }
    let status = status(folder.path()).await;
    assert!(shown(&status).contains(told), "{status:#}");
    drop(stream);
    running.stop().await.unwrap();
}
