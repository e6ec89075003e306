//! Rspamd, and all the ways in which its answers may be wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

/// What a rspamd of a test does.
#[derive(Debug, Clone)]
pub(super) enum Manner {
    /// It reads all and says this.
    Says(String),
    /// It says this before it reads the body, and stays.
    SaysAtOnce(String),
    /// It reads all and says nothing.
    Silent,
    /// It sends a body without end.
    Endless,
    /// It reads nothing.
    Stalls,
    /// It reads all and goes.
    Closes,
    /// It says each byte of this after a second.
    Drips(String),
}

#[derive(Debug)]
pub(super) struct Rspamd {
    manner: Mutex<Manner>,
    /// What it was asked: the head, and how many bytes of body.
    pub(super) heard: Mutex<Vec<(String, usize)>>,
    shutdown: Shutdown,
}

impl Rspamd {
    pub(super) fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner: Mutex::new(manner),
            heard: Mutex::default(),
            shutdown: Shutdown::new(),
        })
    }
}

#[derive(Debug)]
struct Dialled(Arc<Rspamd>);

impl Dial for Dialled {
    fn dial(&self, _: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        let (near, far) = duplex(4096);
        let daemon = Arc::clone(&self.0);
        self.0.shutdown.spawn("rspamd", async move {
            // What ends a conversation is seen on the other side.
            serve(far, &daemon).await.ok();
        });
        Box::pin(async { Ok(Box::new(near) as BoxedStream) })
    }
}

fn with_status(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nServer: rspamd/3.4\r\nContent-Length: {length}\r\n\r\n{body}")
}

pub(super) fn good(body: &str) -> String {
    with_status("200 OK", body)
}

async fn serve(mut stream: DuplexStream, daemon: &Rspamd) -> io::Result<()> {
    let manner = daemon.manner.lock().unwrap().clone();
    if matches!(manner, Manner::Stalls) {
        std::future::pending::<()>().await;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    // Latin-1, so that each byte is seen.
    let head: String = head.into_iter().map(char::from).collect();
    if head.starts_with("GET /ping ") && !matches!(manner, Manner::Silent) {
        return stream.write_all(good("pong\r\n").as_bytes()).await;
    }
    if let Manner::SaysAtOnce(answer) = &manner {
        stream.write_all(answer.as_bytes()).await?;
        std::future::pending::<()>().await;
    }
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    daemon.heard.lock().unwrap().push((head, length));
    match manner {
        Manner::Says(answer) => stream.write_all(answer.as_bytes()).await,
        Manner::Drips(answer) => {
            for byte in answer.bytes() {
                stream.write_u8(byte).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        }
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 4000]).await?;
            }
        }
        Manner::Closes => Ok(()),
        Manner::Silent | Manner::Stalls | Manner::SaysAtOnce(_) => std::future::pending().await,
    }
}

pub(super) fn rspamd() -> Options {
    let place = Place::Tcp("192.0.2.9".to_owned(), 11_333);
    Options::new("rspamd".to_owned(), Protocol::Rspamd, place)
}

pub(super) fn asking(daemon: &Arc<Rspamd>, options: Options) -> Filters {
    let world = World {
        dial: Arc::new(Dialled(Arc::clone(daemon))),
        resolve: Arc::new(Hosts::default()),
        clock: Clock::system(),
    };
    Filters::new(world, vec![options])
}

const ADD_HEADER: &str = r#"{"is_skipped":false,"score":7.2,"required_score":15,
    "action":"add header","symbols":{"SMALL":{"name":"SMALL","score":0.1,"options":["\"x\r\ny"]},
    "GOOD":{"score":-3.25},"URIBL":{"score":10.35}},"messages":{},"subject":"a\r\nb"}"#;

#[tokio::test]
async fn each_action_is_what_the_config_says() {
    let long = Text(b"0123456789ABCDEF\r\n", 3_000_000);
    for (body, expected, said) in [
        (
            r#"{"action":"no action","score":0.4,"required_score":15}"#,
            FilterVerdict::Clean,
            "no action, 0.40 of 15.00",
        ),
        (
            ADD_HEADER,
            FilterVerdict::Suspicious,
            "add header, 7.20 of 15.00: URIBL 10.35, GOOD -3.25, SMALL 0.10",
        ),
        (
            r#"{"action":"greylist","score":4.5}"#,
            FilterVerdict::Suspicious,
            "greylist, 4.50",
        ),
        (
            r#"{"action":"soft reject","score":null}"#,
            FilterVerdict::Suspicious,
            "soft reject, 0.00",
        ),
        (
            r#"{"is_skipped":true,"action":"reject","score":15,"symbols":{"GTUBE":{}}}"#,
            FilterVerdict::Bad,
            "reject, 15.00: GTUBE 0.00",
        ),
        (
            r#"{"action":"quarantine","score":1e300}"#,
            FilterVerdict::Bad,
            "quarantine, 99999.00",
        ),
        (
            "{\"action\":\"ours \\\"\\\\ \u{fc} \\r\\nX: y\",\"score\":1}",
            FilterVerdict::Suspicious,
            "ours '' ?? ??X: y, 1.00",
        ),
    ] {
        let daemon = Rspamd::new(Manner::Says(good(body)));
        let filters = asking(&daemon, rspamd());
        let (verdict, words) = heard(&filters, &long).await;
        assert_eq!((verdict, words.as_str()), (expected, said), "{body}");
        let (_, length) = daemon.heard.lock().unwrap()[0].clone();
        assert_eq!(length, 3_000_000);
        assert_eq!(filters.status()[0].failing_since, None);
        let held = taken(check(&filters, &PLAIN).await).held;
        assert_eq!(held.len(), usize::from(expected == FilterVerdict::Bad));
    }
}

#[tokio::test]
async fn it_is_told_who_brings_it_and_only_of_whom_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "open sesame\n").unwrap();
    let clean = good(r#"{"action":"no action"}"#);
    let daemon = Rspamd::new(Manner::Says(clean));
    let mut options = rspamd();
    options.password_file = Some(secret.clone());
    options.domains.insert("example.org".to_owned());
    let filters = asking(&daemon, options);
    let mut both = ann();
    both.extend(ann());
    both[1].address = "bob@other.example".parse().unwrap();
    let from = "\"a b\"@sender.example".parse().unwrap();
    let mut subject = subject("a", Standing::Stranger, &both);
    subject.bearer.from = &from;
    // What somebody says of himself is no field of its own.
    subject.bearer.helo = "x\r\nPass: all\u{7f}\u{fc}";
    filters.check(subject, &PLAIN).await.unwrap();
    let (head, length) = daemon.heard.lock().unwrap().remove(0);
    assert_eq!(length, 21);
    for line in [
        "POST /checkv2 HTTP/1.1",
        "ip: 192.0.2.7",
        "hostname: mail.sender.example",
        "from: <\"a b\"@sender.example>",
        "rcpt: <ann@example.org>",
        "password: open sesame",
        "mta-name: mx.example.org",
        "host: 192.0.2.9:11333",
        "helo: x??Pass: all?\u{c3}\u{bc}",
    ] {
        assert!(head.lines().any(|it| it == line), "{line}: {head}");
    }
    let id = format!("queue-id: {}", SpoolId::from_u64(7));
    assert!(head.contains(&id), "{head}");
    assert!(!head.contains("bob"), "{head}");
    // Thousands are more than its parser takes.
    let many: Vec<_> = std::iter::repeat_with(ann).take(5_000).flatten().collect();
    subject.recipients = &many;
    filters.check(subject, &PLAIN).await.unwrap();
    let (head, _) = daemon.heard.lock().unwrap().remove(0);
    assert!(head.len() < limits::FILTER_RECIPIENTS * 2, "{}", head.len());
    // Without its password it is not asked.
    std::fs::remove_file(&secret).unwrap();
    filters.check(subject, &PLAIN).await.unwrap();
    assert_eq!(daemon.heard.lock().unwrap().len(), 0);
    let problem = filters.status()[0].problem().unwrap();
    assert!(problem.contains("the password cannot be read"), "{problem}");
}

#[tokio::test]
async fn who_is_refused_hears_no_list_of_what_to_do_better() {
    let body = r#"{"action":"reject","score":20,"symbols":{"SECRET_RULE":{"score":20}},
        "messages":{"smtp_message":"Gtube\r\npattern"}}"#;
    let daemon = Rspamd::new(Manner::Says(good(body)));
    let mut options = rspamd();
    options.bad = Deed::Reject;
    let filters = asking(&daemon, options);
    let Ruling::Refuse(reply) = check(&filters, &PLAIN).await else {
        panic!("it was taken");
    };
    let told = "550 5.7.1 Refused by the content filter rspamd: Gtube??pattern";
    assert_eq!(reply.to_string(), told);
}

/// Whatever it answers, a message is taken and marked as unchecked, in time.
#[tokio::test(start_paused = true)]
async fn every_answer_that_is_none_ends_in_time() {
    let closed = "it closed the connection without an answer";
    let none = "its answer is none of this protocol";
    let late = "it did not answer in time";
    let early = "it answered before it had the whole message";
    let clean = r#"{"action":"no action","score":0}"#;
    let deep = format!("{{\"symbols\":{}", "[".repeat(300_000));
    let large = format!("{{\"action\":\"{}\"}}", "x".repeat(limits::FILTER_JSON));
    let fields = "A: b\r\n".repeat(20_000);
    let says = |text: &str| Manner::Says(text.to_owned());
    for (manner, expected) in [
        (Manner::Stalls, late),
        (Manner::Silent, late),
        (Manner::Drips(good(clean)), late),
        (Manner::Endless, "its answer is too long"),
        (Manner::Closes, closed),
        (Manner::SaysAtOnce(good(clean)), early),
        (Manner::SaysAtOnce(good(ADD_HEADER)), early),
        (says(&good(&large)), "its answer is too long"),
        (says(&good(&deep)), none),
        (says(&good("")), none),
        (says(&good("{}")), none),
        (says(&good(r#"{"action":7}"#)), none),
        (
            says(&good(r#"{"action":"no action","action":"no action"}"#)),
            none,
        ),
        (says(&good(r#"{"action""#)), none),
        (says(good(clean).trim_end_matches('}')), closed),
        (says("HTTP/1.1 200 OK\r\n"), closed),
        (says("stream: OK\0\r\n\r\n"), none),
        (says(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), none),
        (says(&with_status("204 None", "")), "it says: HTTP 204"),
        (
            says(&with_status("403 No", r#"{"error":"bad \"password\""}"#)),
            "it says: HTTP 403 bad 'password'",
        ),
        (says(&good(r#"{"error":"no"}"#)), "it says: HTTP 200 no"),
        (says(&with_status("302 Found", clean)), "it says: HTTP 302"),
    ] {
        let daemon = Rspamd::new(manner.clone());
        let filters = asking(&daemon, rspamd());
        let content = Text(b"0123456789\r\n", 500_000);
        let begun = Instant::now();
        let (verdict, said) = heard(&filters, &content).await;
        assert!(begun.elapsed() <= limits::FILTER_TIME, "{expected}");
        assert_eq!(verdict, FilterVerdict::Unchecked, "{expected}");
        let shown: String = format!("{manner:?}").chars().take(200).collect();
        assert_eq!(said, expected, "{shown}");
        assert_eq!(filters.status()[0].unchecked, 1, "{expected}");
        let mut strict = rspamd();
        strict.on_failure = OnFailure::Defer;
        let deferring = asking(&daemon, strict);
        let Ruling::Refuse(reply) = check(&deferring, &content).await else {
            panic!("{expected}: it was taken");
        };
        assert_eq!(reply.code, 451);
    }
}

/// What is bad needs not be read to its end.
#[tokio::test]
async fn a_refusal_in_the_middle_counts() {
    let body = r#"{"action":"reject","score":20}"#;
    let daemon = Rspamd::new(Manner::SaysAtOnce(good(body)));
    let filters = asking(&daemon, rspamd());
    let content = Text(b"0123456789\r\n", 500_000);
    assert_eq!(heard(&filters, &content).await.0, FilterVerdict::Bad);
    let large = with_status("413 Too large", r#"{"error":"too large"}"#);
    *daemon.manner.lock().unwrap() = Manner::SaysAtOnce(large);
    let (verdict, said) = heard(&filters, &content).await;
    assert_eq!(verdict, FilterVerdict::Unchecked);
    assert_eq!(said, "too large to be checked");
    assert_eq!(filters.status()[0].failing_since, None);
}

#[tokio::test]
async fn a_long_list_of_symbols_is_cut_behind_the_gravest() {
    let symbols: Vec<_> = (0..2_000)
        .map(|n| format!(r#""S{n}":{{"score":{n}}}"#))
        .collect();
    let body = format!(
        r#"{{"action":"reject","symbols":{{{}}}}}"#,
        symbols.join(",")
    );
    let daemon = Rspamd::new(Manner::Says(good(&body)));
    let filters = asking(&daemon, rspamd());
    let (_, said) = heard(&filters, &PLAIN).await;
    assert!(
        said.starts_with("reject, 0.00: S1999 1999.00, S1998 1998.00,"),
        "{said}"
    );
    assert!(
        said.len() <= limits::FILTER_SAID && said.ends_with(".00"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_says_whether_it_is_there() {
    let daemon = Rspamd::new(Manner::Closes);
    let filters = asking(&daemon, rspamd());
    assert_eq!(probed(&filters).await, ["rspamd/3.4"]);
    *daemon.manner.lock().unwrap() = Manner::Stalls;
    assert_eq!(probed(&filters).await, ["not: it did not answer in time"]);
}
