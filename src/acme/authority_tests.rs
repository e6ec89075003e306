//! What an authority says beside its certificates: when to renew, and when to come again. It is one
//! of the tests' own, over https.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Acme, AcmeOptions, AcmeView, AcmeWorld, NextKey};
use crate::base::{Boxed, Clock, Entropy, Shutdown, TimeSource, Timestamp};
use crate::limits;
use crate::net::{AcceptTls as _, BoxedStream, Dial, Dns, Https, TcpDial, TlsClient, TlsServer};

const MX: &str = "mx.example.org";
const DAY: Duration = Duration::from_secs(86_400);

/// Says what it was told to say, and runs until it is dropped.
struct Authority {
    address: String,
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What it says of renewals, and to orders: status, fields and body.
#[derive(Clone)]
struct Says {
    renewal: String,
    order: String,
}

impl Authority {
    async fn start(says: Says) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = Arc::new(TlsServer::self_signed(folder.path(), "127.0.0.1").unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (own, heard) = (address.clone(), Arc::clone(&asked));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, says) = (Arc::clone(&tls), says.clone());
                answer(&tls, stream, (&own, &says, &heard)).await;
            }
        });
        Self {
            address,
            folder,
            asked,
            serving,
        }
    }

    fn asked(&self, path: &str) -> usize {
        let all = self.asked.lock().unwrap();
        all.iter().filter(|it| it.contains(path)).count()
    }

    /// What was ordered, each time.
    fn orders(&self) -> Vec<String> {
        let all = self.asked.lock().unwrap();
        let orders = all.iter().filter(|it| it.contains("/order "));
        orders.cloned().collect()
    }

    fn options(&self) -> AcmeOptions {
        AcmeOptions {
            directory: format!("{}/dir", self.address),
            contact: vec!["tls@example.org".to_owned()],
            hosts: vec![MX.to_owned()],
            authorities: Some(self.folder.path().join("self-signed.crt")),
            binding: None,
            key: NextKey::Fresh,
        }
    }
}

async fn answer(
    tls: &TlsServer,
    stream: TcpStream,
    (own, says, asked): (&str, &Says, &Mutex<Vec<String>>),
) {
    let Ok((mut stream, _)) = tls.accept(Box::new(stream)).await else {
        return;
    };
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut piece = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut piece).await else {
            return;
        };
        request.extend_from_slice(&piece[..read]);
    }
    let text = String::from_utf8(request).unwrap();
    let line = text.lines().next().unwrap_or_default().to_owned();
    let path = line.split(' ').nth(1).unwrap_or_default();
    let directory = format!(
        "{{\"newNonce\": \"{own}/nonce\", \"newAccount\": \"{own}/account\", \
         \"newOrder\": \"{own}/order\", \"renewalInfo\": \"{own}/renewal\"}}"
    );
    asked
        .lock()
        .unwrap()
        .push(format!("{line} {}", payload(&text)));
    let said = match path {
        "/dir" => format!("200 Ok\r\n\r\n{directory}"),
        "/nonce" => "200 Ok\r\n\r\n".to_owned(),
        "/account" => format!("201 Made\r\nLocation: {own}/account/1\r\n\r\n{{}}"),
        "/order" => says.order.clone(),
        _ if path.starts_with("/renewal/") => says.renewal.clone(),
        _ => "404 Nothing\r\n\r\n{}".to_owned(),
    };
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    let length = body.len();
    let said = format!(
        "HTTP/1.1 {head}\r\nReplay-Nonce: bm9uY2U\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    // Who asks may have had enough.
    stream.write_all(said.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

/// What is signed in a request (RFC 8555 §6.2), as it was before.
fn payload(request: &str) -> String {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let payload = body.and_then(|it| Some(it.get("payload")?.as_str()?.to_owned()));
    let payload = URL_SAFE_NO_PAD.decode(payload.unwrap_or_default()).unwrap();
    String::from_utf8(payload).unwrap()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8(request.to_vec()).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

/// A place where a certificate is that some authority has made.
fn place(begins: (i32, u8, u8), ends: (i32, u8, u8)) -> (tempfile::TempDir, PathBuf) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = rcgen::DnType::CommonName;
    params.distinguished_name.push(name, "An authority");
    let issuer = Issuer::new(params, KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(vec![MX.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(begins.0, begins.1, begins.2);
    params.not_after = rcgen::date_time_ymd(ends.0, ends.1, ends.2);
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let made = params.signed_by(&key, &issuer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pair = super::pair_file(folder.path());
    std::fs::create_dir(pair.parent().unwrap()).unwrap();
    std::fs::write(&pair, key.serialize_pem() + &made.pem()).unwrap();
    (folder, pair)
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A clock that stands.
#[derive(Debug)]
struct Standing(Timestamp);

impl TimeSource for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn acme(authority: &Authority, data_dir: &std::path::Path, now: Timestamp) -> Acme {
    acme_with(authority.options(), data_dir, now)
}

fn acme_with(options: AcmeOptions, data_dir: &std::path::Path, now: Timestamp) -> Acme {
    let world = world(Arc::new(TcpDial::default()), Clock::new(Standing(now)));
    Acme::new(options, data_dir, world)
}

fn world(dial: Arc<dyn Dial>, clock: Clock) -> AcmeWorld {
    AcmeWorld {
        https: Https {
            dial,
            resolve: Arc::new(Dns::system().unwrap()),
            tls: TlsClient::with_authorities([]).unwrap(),
        },
        clock,
        entropy: Entropy::system(),
    }
}

/// Runs it until this is so of what it tells.
async fn until(acme: &Acme, is_so: impl Fn(&AcmeView) -> bool) -> AcmeView {
    let shutdown = Shutdown::new();
    let kept = acme.clone().keep(shutdown.clone());
    let looked = async {
        loop {
            let view = acme.view();
            if is_so(&view) {
                shutdown.signal();
                return view;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let both = async { tokio::join!(kept, looked).1 };
    let both = tokio::time::timeout(Duration::from_secs(60), both);
    both.await.expect("it comes to that")
}

const NO_ORDERS: &str = "400 No\r\n\r\n{\"type\": \"urn:ietf:params:acme:error:malformed\"}";

#[tokio::test]
async fn the_authority_says_when_to_renew() {
    let advice = "{\"suggestedWindow\": {\"start\": \"2026-02-01T00:00:00Z\", \
                  \"end\": \"2026-02-03T00:00:00Z\"}}";
    let authority = Authority::start(Says {
        renewal: format!("200 Ok\r\nRetry-After: 21600\r\n\r\n{advice}"),
        order: NO_ORDERS.to_owned(),
    })
    .await;
    let (folder, _) = place((2026, 1, 1), (2026, 4, 1));
    let now = moment("2026-01-10T00:00:00Z");
    let acme1 = acme(&authority, folder.path(), now);
    // Without it: two thirds of the time.
    let own = moment("2026-03-02T00:00:00Z");
    assert_eq!(acme1.view().next, own);
    let view = until(&acme1, |view| view.next != own).await;
    let window = moment("2026-02-01T00:00:00Z")..=moment("2026-02-03T00:00:00Z");
    assert!(window.contains(&view.next), "{view:?}");
    assert_eq!(authority.asked("/renewal/"), 1);
    assert_eq!(authority.asked("/order"), 0);
    // The moment is drawn once, and outlives the process.
    let acme2 = acme(&authority, folder.path(), now);
    assert_eq!(acme2.view().next, view.next);
    let asked = || authority.asked("/renewal/") == 2;
    let same = until(&acme2, |_| asked()).await;
    assert_eq!(same.next, view.next);
    assert_eq!(authority.asked("/account"), 1, "there is one account");
}

#[tokio::test]
async fn the_authority_says_when_to_come_again() {
    let busy = "{\"type\": \"urn:ietf:params:acme:error:rateLimited\", \
                \"detail\": \"too many certificates\"}";
    let authority = Authority::start(Says {
        renewal: "404 Nothing\r\n\r\n{}".to_owned(),
        order: format!("429 Later\r\nRetry-After: 172800\r\n\r\n{busy}"),
    })
    .await;
    let (folder, pair) = place((2026, 1, 1), (2026, 4, 1));
    let before = std::fs::read(&pair).unwrap();
    let now = moment("2026-03-20T00:00:00Z");
    let acme = acme(&authority, folder.path(), now);
    let view = until(&acme, |view| view.failures == 1).await;
    assert_eq!(view.next, now.after(2 * DAY), "{view:?}");
    assert!(view.what.contains("too many certificates"), "{view:?}");
    assert_eq!(authority.asked("/order"), 1);
    // Whoever reloads does not overrule it.
    acme.try_again();
    assert_eq!(acme.view().next, now.after(2 * DAY));
    assert_eq!(std::fs::read(&pair).unwrap(), before);
}

/// An account is one at its authority; each of them knows us by an account that we have there
/// (RFC 8555 §7.3.4).
#[tokio::test]
async fn another_authority_has_another_account() {
    let says = Says {
        renewal: "404 Nothing\r\n\r\n{}".to_owned(),
        order: NO_ORDERS.to_owned(),
    };
    let one = Authority::start(says.clone()).await;
    let other = Authority::start(says).await;
    let (folder, _) = place((2026, 1, 1), (2026, 4, 1));
    let now = moment("2026-01-10T00:00:00Z");
    let key = folder.path().join("account.key");
    // As people keep such keys: with what fills it up, and the end of the line.
    std::fs::write(&key, "dGhlIGtleSBvZiBvdXIgYWNjb3VudA==\n").unwrap();
    for authority in [&one, &other] {
        let options = AcmeOptions {
            binding: Some(("us".to_owned(), key.clone())),
            ..authority.options()
        };
        let acme = acme_with(options, folder.path(), now);
        until(&acme, |_| authority.asked("/renewal/") == 1).await;
        assert_eq!(authority.asked("/account"), 1);
    }
    assert_eq!(one.asked("/account"), 1);
}

/// Nobody is there. When he was called, by the clock.
#[derive(Debug)]
struct Nowhere(Mutex<Vec<Timestamp>>, Clock);

impl Dial for Nowhere {
    fn dial(&self, _: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        let mut calls = self.0.lock().unwrap();
        calls.push(self.1.now());
        assert!(calls.len() < 1_000, "it calls for ever");
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }
}

/// A clock that goes with the time of the test.
#[derive(Debug)]
struct Going(Timestamp, tokio::time::Instant);

impl TimeSource for Going {
    fn now(&self) -> Timestamp {
        self.0.after(self.1.elapsed())
    }
}

/// Let's Encrypt shuts those out who come again and again. For its advice it is not asked either.
#[tokio::test(start_paused = true)]
async fn an_authority_that_is_away_is_called_at_its_pauses_only() {
    let (folder, _) = place((2026, 1, 1), (2026, 4, 1));
    let begin = moment("2026-03-20T00:00:00Z");
    let clock = Clock::new(Going(begin, tokio::time::Instant::now()));
    let calls = Arc::new(Nowhere(Mutex::default(), clock.clone()));
    let options = AcmeOptions {
        directory: "https://127.0.0.1:9/dir".to_owned(),
        contact: Vec::new(),
        hosts: vec![MX.to_owned()],
        authorities: None,
        binding: None,
        key: NextKey::Fresh,
    };
    let dial = Arc::<Nowhere>::clone(&calls);
    let acme = Acme::new(options, folder.path(), world(dial, clock));
    let kept = acme.clone().keep(Shutdown::new());
    tokio::time::timeout(3 * DAY, kept).await.unwrap_err();
    let mut times = calls.0.lock().unwrap().clone();
    times.dedup();
    let gaps: Vec<u64> = times
        .windows(2)
        .map(|two| two[1].since(two[0]).as_secs())
        .collect();
    let pauses = limits::ACME_AGAIN.map(|pause| pause.as_secs());
    assert_eq!(gaps[..pauses.len()], pauses);
    assert_eq!(times[0], begin);
    assert_eq!(acme.view().failures as usize, times.len());
}

/// RFC 9773 §5: an authority may refuse an order because of what it says to replace; the next one
/// does not say it. While nothing goes, it is not asked for advice either.
#[tokio::test]
async fn an_order_behind_a_failed_one_says_nothing_of_what_it_replaces() {
    let authority = Authority::start(Says {
        renewal: "404 Nothing\r\n\r\n{}".to_owned(),
        order: NO_ORDERS.to_owned(),
    })
    .await;
    let (folder, _) = place((2026, 1, 1), (2026, 4, 1));
    let now = moment("2026-03-20T00:00:00Z");
    let first = acme(&authority, folder.path(), now);
    until(&first, |view| view.failures == 1).await;
    assert_eq!(authority.asked("/renewal/"), 1);
    let later = acme(&authority, folder.path(), now.after(DAY));
    until(&later, |view| view.failures == 2).await;
    let told: Vec<bool> = authority
        .orders()
        .iter()
        .map(|order| order.contains("\"replaces\""))
        .collect();
    assert_eq!(told, [true, false], "{:?}", authority.orders());
    assert_eq!(authority.asked("/renewal/"), 1);
}

/// A clock that is set.
#[derive(Debug, Clone)]
struct SetTo(Arc<AtomicU64>);

impl TimeSource for SetTo {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What it said to one order is nothing to the next, which fails for another reason.
#[tokio::test]
async fn how_long_an_authority_wants_to_be_left_alone_is_said_once() {
    let authority = Authority::start(Says {
        renewal: "404 Nothing\r\n\r\n{}".to_owned(),
        order: "429 Later\r\nRetry-After: 172800\r\n\r\n{}".to_owned(),
    })
    .await;
    let (folder, _) = place((2026, 1, 1), (2026, 4, 1));
    let now = moment("2026-03-20T00:00:00Z");
    let clock = SetTo(Arc::new(AtomicU64::new(now.as_millis())));
    let dial = Arc::new(TcpDial::default());
    let world = world(dial, Clock::new(clock.clone()));
    let acme = Acme::new(authority.options(), folder.path(), world);
    let view = until(&acme, |view| view.failures == 1).await;
    let then = now.after(2 * DAY);
    assert_eq!(view.next, then);
    clock.0.store(then.as_millis(), Ordering::Relaxed);
    // It does not answer any more.
    drop(authority);
    let view = until(&acme, |view| view.failures == 2).await;
    assert_eq!(view.next, then.after(limits::ACME_AGAIN[1]), "{view:?}");
}
