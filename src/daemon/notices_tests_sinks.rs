//! Servers of somebody else's: a mail host and a web server.

use std::future::Future;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::net::{AcceptTls as _, BoxedStream, TlsServer};
use crate::notice::{Address, WayResult, Webhook};

/// What came to a server of the tests.
pub(super) type Heard = Arc<Mutex<Vec<String>>>;

/// A server that runs as long as the test.
pub(super) async fn server<S>(serve: impl Fn(TcpStream) -> S + Send + 'static) -> String
where
    S: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A mail host that takes all; `replies` are those to RCPT, in turn, then 250.
pub(super) async fn mail_host(heard: &Heard, replies: &[&'static str]) -> String {
    let heard = Arc::clone(heard);
    let replies = Arc::new(Mutex::new(replies.to_vec()));
    server(move |stream| converse(stream, Arc::clone(&heard), Arc::clone(&replies))).await
}

async fn converse(
    stream: TcpStream,
    heard: Heard,
    replies: Arc<Mutex<Vec<&'static str>>>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 outside ESMTP\r\n").await?;
    let mut session = Vec::new();
    let mut is_data = false;
    while let Some(line) = lines.next_line().await? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        let is_end = is_data && line == ".";
        session.push(line);
        let reply = match verb.as_str() {
            _ if is_end => {
                heard.lock().unwrap().push(session.join("\n"));
                "250 2.0.0 taken"
            }
            _ if is_data => continue,
            "DATA" => "354 go",
            "RCPT" => replies.lock().unwrap().pop().unwrap_or("250 2.1.5 ok"),
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => "250 ok",
        };
        is_data = verb == "DATA" && !is_data;
        write.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}

async fn answer(mut stream: BoxedStream, heard: &Heard, status: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await?;
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8(request.clone()).unwrap();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse::<usize>().unwrap());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if read == 0 || body.is_some_and(|body| body >= length) {
            heard.lock().unwrap().push(text);
            break;
        }
    }
    let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nLocation: /other\r\n\r\nok");
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

/// A web server: without a certificate, or with one.
pub(super) async fn web_server(
    heard: &Heard,
    (status, tls): (&'static str, Option<Arc<TlsServer>>),
) -> String {
    let heard = Arc::clone(heard);
    server(move |stream| {
        let (heard, tls) = (Arc::clone(&heard), tls.clone());
        async move {
            let stream: BoxedStream = match tls {
                Some(tls) => tls.accept(Box::new(stream)).await?.0,
                None => Box::new(stream),
            };
            answer(stream, &heard, status).await
        }
    })
    .await
}

pub(super) fn webhook(address: &str) -> Webhook {
    Webhook {
        address: Address::Here(format!("http://{address}/hook?key=s3cret")),
        secret_file: None,
        authorities: None,
    }
}

pub(super) fn said(results: &[WayResult]) -> String {
    let said = |it: &WayResult| format!("{} {}: {}", it.way, it.result, it.what);
    results.iter().map(said).collect::<Vec<_>>().join("\n")
}

pub(super) fn json_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}
