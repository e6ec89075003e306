//! What content filters are told of who brings a message: what his own session has proven, and
//! nothing of another's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tideover::base::{Shutdown, TlsInfo};
use tideover::inbound::{Role, TlsMode};
use tideover::net::{BoxedStream, CertificateCheck, Handshake, TlsClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::door::{Door, Settings};

/// The macros of each message: `H{tls_version}|…`, with `|` for the ends of texts.
type Heard = Arc<Mutex<Vec<Vec<String>>>>;

/// A milter that lets everything pass.
async fn milter(shutdown: &Shutdown) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    let tasks = shutdown.clone();
    shutdown.spawn("milter", async move {
        loop {
            let accepted = tokio::select! {
                biased;
                () = tasks.stopping() => return,
                accepted = listener.accept() => accepted,
            };
            let heard = Arc::clone(&kept);
            tasks.spawn("conversation", async move {
                // What ends a conversation is seen on the other side.
                converse(accepted.unwrap().0, &heard).await.ok();
            });
        }
    });
    (address, heard)
}

async fn converse(mut stream: TcpStream, heard: &Heard) -> std::io::Result<()> {
    let mut macros = Vec::new();
    loop {
        let length = stream.read_u32().await?;
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data).await?;
        let letter = data.remove(0);
        let said = match letter {
            b'O' => [&b"O"[..], &[6, 0x3F, 0].map(u32::to_be_bytes).concat()].concat(),
            b'D' => {
                let shown = |byte: &u8| if *byte == 0 { '|' } else { char::from(*byte) };
                macros.push(data.iter().map(shown).collect());
                continue;
            }
            b'Q' => return Ok(()),
            b'E' => {
                heard.lock().unwrap().push(std::mem::take(&mut macros));
                b"c".to_vec()
            }
            _ => b"c".to_vec(),
        };
        stream.write_u32(u32::try_from(said.len()).unwrap()).await?;
        stream.write_all(&said).await?;
    }
}

struct Client {
    stream: BoxedStream,
    tls: Option<TlsInfo>,
}

impl Client {
    /// Without TLS.
    async fn come(door: &Door) -> Self {
        let stream = TcpStream::connect(door.address).await.unwrap();
        let mut client = Self {
            stream: Box::new(stream),
            tls: None,
        };
        client.hear("220").await;
        client.ask("EHLO client.example", "250").await;
        client
    }

    /// Over TLS.
    async fn secured(door: &Door) -> Self {
        let mut client = Self::come(door).await;
        client.ask("STARTTLS", "220").await;
        let tls = TlsClient::with_authorities([]).unwrap();
        let handshake = Handshake {
            name: "mx.example.org",
            check: &CertificateCheck::Any,
            pair: None,
        };
        let (stream, info) = tls.connect(client.stream, handshake).await.unwrap();
        client = Self {
            stream,
            tls: Some(info),
        };
        client.ask("EHLO client.example", "250").await;
        client
    }

    /// Over TLS, and logged in by this line.
    async fn logged_in(door: &Door, line: &str) -> Self {
        let mut client = Self::secured(door).await;
        client.ask(line, "235").await;
        client
    }

    async fn hear(&mut self, code: &str) {
        let mut reply = String::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(self.stream.read_u8().await.unwrap());
            }
            let line = String::from_utf8(line).unwrap();
            reply.push_str(&line);
            if line.as_bytes()[3] == b' ' {
                break;
            }
        }
        assert!(reply.starts_with(code), "{reply}");
    }

    async fn ask(&mut self, line: &str, code: &str) {
        let line = format!("{line}\r\n");
        self.stream.write_all(line.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
        self.hear(code).await;
    }

    async fn begin(&mut self, from: &str) {
        self.ask(&format!("MAIL FROM:<{from}>"), "250").await;
        self.ask("RCPT TO:<ann@example.org>", "250").await;
        self.ask("DATA", "354").await;
    }

    async fn end(&mut self, from: &str) {
        let letter = format!("From: {from}\r\nSubject: told\r\n\r\nHello\r\n.");
        self.ask(&letter, "250").await;
    }

    /// The macro of TLS, as it was negotiated.
    fn tls_told(&self) -> String {
        let TlsInfo {
            version, cipher, ..
        } = self.tls.as_ref().unwrap();
        format!("{{tls_version}}|{version}|{{cipher}}|{cipher}|")
    }
}

fn settings(filter: SocketAddr) -> Settings {
    let mut settings = Settings {
        filter: Some(format!("milter {filter}")),
        ..Settings::default()
    };
    settings.options.tls = TlsMode::StartTls;
    settings
}

/// What was said at a stage, if anything was.
fn at<'h>(macros: &'h [String], stage: &str) -> &'h str {
    let found = macros.iter().find_map(|it| it.strip_prefix(stage));
    found.unwrap_or_default()
}

/// Ann and Bob are there at the same time; who logged in last ends first.
#[tokio::test]
async fn a_filter_is_told_the_login_of_its_own_session() {
    let shutdown = Shutdown::new();
    let (filter, heard) = milter(&shutdown).await;
    let mut settings = settings(filter);
    settings.options.role = Role::Submission;
    let door = Door::open(settings);
    let (ann, bob) = ("ann@example.org", "bob@example.org");
    let plain = "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBnZWhlaW0=";
    let mut first = Client::logged_in(&door, plain).await;
    let plain = "AUTH PLAIN AGJvYkBleGFtcGxlLm9yZwBnZWhlaW0=";
    let mut second = Client::logged_in(&door, plain).await;
    first.begin(ann).await;
    second.begin(bob).await;
    second.end(bob).await;
    first.end(ann).await;
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 2, "{heard:?}");
    for (macros, (user, client)) in heard.iter().zip([(bob, &second), (ann, &first)]) {
        let told = at(macros, "M");
        let login = format!("{{mail_addr}}|{user}|{{auth_authen}}|{user}|{{auth_type}}|PLAIN|");
        assert!(told.ends_with(&login), "{told}");
        let told = at(macros, "H");
        assert!(told.starts_with(&client.tls_told()), "{told}");
    }
    door.shutdown.stop().await;
    shutdown.stop().await;
}

/// A certificate and TLS are those of a connection; who has neither is told to have neither.
#[tokio::test]
async fn a_filter_is_told_of_no_proof_that_is_not_there() {
    let shutdown = Shutdown::new();
    let (filter, heard) = milter(&shutdown).await;
    let mut settings = settings(filter);
    settings.certificate = Some("gw.partner.example".to_owned());
    let door = Door::open(settings);
    let mut secured = Client::secured(&door).await;
    let mut plain = Client::come(&door).await;
    let from = "a@partner.example";
    for client in [&mut secured, &mut plain] {
        client.begin(from).await;
        client.end(from).await;
    }
    let heard = heard.lock().unwrap().clone();
    let told = at(&heard[0], "H");
    assert!(told.starts_with(&secured.tls_told()), "{told}");
    let subject = "{cert_subject}|The host gw.partner.example|";
    assert!(told.ends_with(subject), "{told}");
    let told = at(&heard[1], "H");
    assert!(!told.contains("tls_version"), "{told}");
    assert!(!told.contains("cert_subject"), "{told}");
    for macros in &heard {
        let told = at(macros, "M");
        assert!(!told.contains("auth_"), "{told}");
    }
    door.shutdown.stop().await;
    shutdown.stop().await;
}
