//! Passwords, asked about at servers that answer what a test wants.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::ldap::{LdapOptions, Search};
use crate::net::hosts_tests::Hosts;
use crate::net::{AcceptTls as _, TlsClient, TlsServer};

/// The only object that there is.
const ANN: (&str, &str) = ("cn=Ann,dc=example", "00ff2a");
/// A server that no name server of the system knows.
const NAME: &str = "dc1.tideover.invalid";
const PASSWORD: &str = "of the organisation";

/// How a server behaves.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// The result of each bind.
    result: u8,
    /// Before it.
    pause: Duration,
    /// What it says the objectGUID is, whatever was asked for.
    guid: &'static [u8],
}

const GOOD: Manner = Manner {
    result: 0,
    pause: Duration::ZERO,
    guid: b"\x00\xff\x2a",
};

/// A server, and the names and passwords that it heard.
struct Server {
    url: String,
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    async fn start(folder: &tempfile::TempDir, manner: Manner) -> Self {
        Self::start_as("localhost", (folder, manner)).await
    }

    /// With a certificate for this name.
    async fn start_as(name: &str, (folder, manner): (&tempfile::TempDir, Manner)) -> Self {
        let tls = TlsServer::self_signed(folder.path(), name).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ldaps://{name}:{}", listener.local_addr().unwrap().port());
        let heard = Arc::<Mutex<Vec<(String, String)>>>::default();
        let notes = Arc::clone(&heard);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok((stream, _)) = tls.accept(Box::new(stream)).await {
                    serve(stream, manner, &notes).await;
                }
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<(String, String)> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: crate::net::BoxedStream,
    manner: Manner,
    heard: &Mutex<Vec<(String, String)>>,
) {
    while let Some(message) = element(&mut stream).await {
        let (id, rest) = split(&message);
        let id = tlv(0x02, id);
        let (operation, tag) = (split(rest).0, rest[0]);
        let answers = match tag {
            // BindRequest: version, name, password.
            0x60 => {
                let (_, rest) = split(operation);
                let (name, rest) = split(rest);
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let password = text(split(rest).0);
                heard.lock().unwrap().push((text(name), password));
                tokio::time::sleep(manner.pause).await;
                vec![tlv(0x61, &result(manner.result))]
            }
            0x63 => vec![tlv(0x64, &entry(manner.guid)), tlv(0x65, &result(0))],
            _ => return,
        };
        for answer in answers {
            let message = tlv(0x30, &[id.clone(), answer].concat());
            stream.write_all(&message).await.unwrap();
        }
        stream.flush().await.unwrap();
    }
}

/// Reads one element; lengths of up to two bytes are enough here.
async fn element(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    let mut length = usize::from(head[1]);
    if head[1] & 0x80 != 0 {
        length = 0;
        for _ in 0..head[1] & 0x7f {
            length = length << 8 | usize::from(stream.read_u8().await.ok()?);
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await.ok()?;
    Some(content)
}

/// The content of the first element, and what follows.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (mut length, mut at) = (usize::from(bytes[1]), 2);
    if bytes[1] & 0x80 != 0 {
        let more = usize::from(bytes[1] & 0x7f);
        length = bytes[2..2 + more]
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        at += more;
    }
    (&bytes[at..at + length], &bytes[at + length..])
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    [&[tag, 0x81, length], content].concat()
}

/// LDAPResult: code, name, text.
fn result(code: u8) -> Vec<u8> {
    [tlv(0x0a, &[code]), tlv(0x04, b""), tlv(0x04, b"data 775")].concat()
}

fn entry(guid: &[u8]) -> Vec<u8> {
    let values = tlv(0x31, &tlv(0x04, guid));
    let attribute = tlv(0x30, &[tlv(0x04, b"objectGUID"), values].concat());
    [tlv(0x04, ANN.0.as_bytes()), tlv(0x30, &attribute)].concat()
}

fn passwords(folder: &tempfile::TempDir, servers: &[&str]) -> Passwords {
    let options = LdapOptions {
        servers: servers.iter().map(|server| (*server).to_owned()).collect(),
        starttls: false,
        authorities: Some(folder.path().join("self-signed.crt")),
        login: None,
        searches: vec![Search {
            base: "dc=example".to_owned(),
            filter: "(mail=*)".to_owned(),
        }],
    };
    let tls = TlsClient::with_authorities([]).unwrap();
    // Nobody is at the first address of the second one.
    let names = Hosts(vec![
        ("localhost", vec![[127, 0, 0, 1].into()]),
        (NAME, vec![[127, 0, 0, 2].into(), [127, 0, 0, 1].into()]),
    ]);
    let server = LdapServer::new(options, tls, Arc::new(names));
    Passwords::new(server, Entropy::system())
}

/// `dns.servers` know it, and the system does not; the certificate must be good for its name.
#[tokio::test]
async fn a_server_is_found_by_the_resolver_that_everything_asks() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_as(NAME, (&folder, GOOD)).await;
    let known = passwords(&folder, &[&server.url]);
    let right = known.verify(Some(ANN.1), PASSWORD).await;
    assert_eq!(right.unwrap(), Answer::Right);
    let other = server.url.replace(NAME, "localhost");
    let other = passwords(&folder, &[&other]);
    let refused = other.verify(Some(ANN.1), PASSWORD).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let unknown = server.url.replace(NAME, "dc2.tideover.invalid");
    let unknown = passwords(&folder, &[&unknown]);
    let unknown = unknown.verify(Some(ANN.1), PASSWORD).await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(
        unknown.ends_with("dc2.tideover.invalid: the domain does not exist"),
        "{unknown}"
    );
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn what_a_bind_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    for (code, is_refusal) in [
        (49, true),
        (48, true),
        (53, true),
        (19, true),
        (51, false),
        (10, false),
        (80, false),
    ] {
        let server = Server::start(
            &folder,
            Manner {
                result: code,
                ..GOOD
            },
        )
        .await;
        let passwords = passwords(&folder, &[&server.url]);
        match passwords.verify(Some(ANN.1), PASSWORD).await {
            Ok(Answer::Refused(why)) => {
                assert!(is_refusal, "{code}");
                assert_eq!(why, format!("LDAP result {code}: data 775"));
            }
            Err(LdapError::Login { .. }) => assert!(!is_refusal, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
        let heard = [(ANN.0.to_owned(), PASSWORD.to_owned())];
        assert_eq!(server.heard(), heard);
    }
    let server = Server::start(&folder, GOOD).await;
    let passwords = passwords(&folder, &[&server.url]);
    let right = passwords.verify(Some(ANN.1), PASSWORD).await;
    assert_eq!(right.unwrap(), Answer::Right);
}

#[tokio::test]
async fn a_password_goes_over_tls_only_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder, GOOD).await;
    let plain = server.url.replace("ldaps:", "ldap:");
    // One of them without TLS is one too many.
    for servers in [vec![plain.as_str()], vec![&server.url, &plain]] {
        let passwords = passwords(&folder, &servers);
        let refused = passwords.verify(Some(ANN.1), PASSWORD).await;
        assert!(matches!(refused, Err(LdapError::Tls(_))), "{refused:?}");
    }
    let passwords = passwords(&folder, &[&server.url]);
    let empty = passwords.verify(Some(ANN.1), "").await.unwrap();
    assert!(matches!(empty, Answer::Refused(_)), "{empty:?}");
    assert_eq!(server.heard(), []);
}

#[tokio::test]
async fn nobody_takes_as_long_and_his_password_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let pause = Duration::from_millis(300);
    // A server that would let in anybody.
    let server = Server::start(&folder, Manner { pause, ..GOOD }).await;
    let passwords = passwords(&folder, &[&server.url]);
    // Nobody, and somebody whom the server does not know by this id any more.
    for id in [None, Some("00ff2b")] {
        let begun = Instant::now();
        let answer = passwords.verify(id, PASSWORD).await.unwrap();
        assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
        assert!(begun.elapsed() >= pause);
    }
    let heard = server.heard();
    assert_eq!(heard.len(), 2);
    for (name, password) in heard {
        assert!(name.ends_with(",dc=example") && name != ANN.0, "{name}");
        assert!(!password.is_empty() && password != PASSWORD);
    }
}

#[tokio::test]
async fn the_second_server_is_asked_and_then_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("ldaps://localhost:{}", silent.local_addr().unwrap().port());
    let server = Server::start(&folder, GOOD).await;
    let passwords = passwords(&folder, &[&away, &server.url]);
    let begun = Instant::now();
    let right = passwords.verify(Some(ANN.1), PASSWORD).await;
    assert_eq!(right.unwrap(), Answer::Right);
    assert!(begun.elapsed() >= limits::LDAP_LOGIN_EACH);
    assert!(begun.elapsed() < limits::LDAP_LOGIN);
    let begun = Instant::now();
    let right = passwords.verify(Some(ANN.1), PASSWORD).await;
    assert_eq!(right.unwrap(), Answer::Right);
    assert!(begun.elapsed() < limits::LDAP_LOGIN_EACH);
}

#[tokio::test]
async fn all_servers_together_are_waited_for_no_longer_than_that() {
    let folder = tempfile::tempdir().unwrap();
    TlsServer::self_signed(folder.path(), "localhost").unwrap();
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let url = |it: &TcpListener| format!("ldaps://127.0.0.1:{}", it.local_addr().unwrap().port());
    let urls: Vec<String> = silent.iter().map(url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let passwords = passwords(&folder, &urls);
    let begun = Instant::now();
    let late = passwords.verify(None, PASSWORD).await;
    assert!(matches!(late, Err(LdapError::Late(_))), "{late:?}");
    assert!(begun.elapsed() < limits::LDAP_LOGIN + Duration::from_secs(2));
}

#[test]
fn a_filter_of_the_config_stays_whole() {
    assert_eq!(both("(mail=*)", "(x=1)"), "(&(mail=*)(x=1))");
    assert_eq!(both("cn=ann", "(x=1)"), "(&(cn=ann)(x=1))");
}
