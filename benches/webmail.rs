//! The webmail with a mailbox of many messages: how long its inbox and searches in it take, from
//! the request to the last byte of the page, without network.
//!
//! `cargo bench --bench webmail -- [--messages N] [--rounds N]`; numbers are in docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints numbers, and ends at the first error"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::tz::TimeZone;
use tideover::activation::{self, Activation};
use tideover::backend::BackendHealth;
use tideover::backend::Board;
use tideover::base::{Clock, Entropy, Shutdown, Timestamp};
use tideover::directory::{DirectoryHandle, ImportOptions, read_csv};
use tideover::mail::{Authenticity, BackendId, Envelope, Peer, Recipient};
use tideover::route::{Admission, Admit, Origin};
use tideover::smtp::{MailParameters, Mailbox, RcptParameters, ReversePath};
use tideover::spool::{self, Spool};
use tideover::webmail::{self, Accounts, HealthView, Webmail};
use tower::ServiceExt as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ANN: &str = "ann@example.org";
/// Messages that are accepted at once.
const TOGETHER: usize = 256;
/// Words that texts are made of; all occur about equally often.
const WORDS: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, usual: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(usual, |at| arguments[at + 1].parse().unwrap())
    };
    let (messages, rounds) = (number("--messages", 10_000), number("--rounds", 200));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run(messages, rounds));
}

async fn run(messages: usize, rounds: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = spool::Options::new(dir.path());
    options.min_free = 0;
    let opened = Spool::open(options, spool::World::system()).unwrap();
    let shutdown = Shutdown::new();
    shutdown.spawn("spool", opened.writer.run());
    let mut committed = opened.committed;
    shutdown.spawn("nobody delivers", async move {
        while committed.recv().await.is_some() {}
    });
    let (webmail, accounts) = site(opened.spool.clone());
    let router = webmail::router(webmail);
    let cookie = logged_in(&router, &accounts).await;
    fill(&opened.spool, messages).await;
    println!("{messages} messages, {rounds} requests each; milliseconds\n");
    println!("| page | first | p50 | p99 | bytes |\n|---|--:|--:|--:|--:|");
    let searches = [
        ("inbox", "/"),
        ("search: a word of 1 in 40 messages", "/search?q=word77x"),
        ("search: two words together", "/search?q=word77x%20word501x"),
        ("search: a sender", "/search?q=from%3Asender19%40"),
        ("search: a word that is nowhere", "/search?q=nonsense"),
        ("search: a word of 10,000 messages", "/search?q=regards"),
    ];
    // What is not yet remembered is read, page by page.
    let (begun, mut pages, mut path) = (Instant::now(), 0, "/search?q=nonsense".to_owned());
    while !path.is_empty() {
        let page = ask(&router, &cookie, &path).await;
        let next = page
            .rsplit_once("href=\"/search?")
            .map(|(_, rest)| rest.split('"').next());
        path = next.flatten().map_or(String::new(), |query| {
            format!("/search?{}", query.replace("&#38;", "&"))
        });
        pages += 1;
    }
    let spent = begun.elapsed().as_secs_f64() * 1e3;
    for (name, path) in searches {
        measure(&router, &cookie, (name, path), rounds).await;
    }
    // The first pages read on until everything is known.
    let newest = newest(&router, &cookie).await;
    by_conversation(&router, &cookie).await;
    let begun = Instant::now();
    for _ in 0..messages.div_ceil(2_000) {
        ask(&router, &cookie, "/").await;
    }
    let known = begun.elapsed().as_secs_f64() * 1e3;
    let talk = ("a message and its conversation of ten", &*newest);
    measure(&router, &cookie, talk, rounds).await;
    let list = ("inbox by conversation", "/");
    measure(&router, &cookie, list, rounds).await;
    println!("\nThe first pages by conversation, until all are known: {known:.0} ms");
    println!("\nThe first search through everything: {pages} pages, {spent:.0} ms");
    opened.spool.close().await.unwrap();
}

/// The page of the newest message.
async fn newest(router: &Router, cookie: &str) -> String {
    let page = ask(router, cookie, "/").await;
    let (_, rest) = page.split_once("href=\"/message/").unwrap();
    format!("/message/{}", rest.split('"').next().unwrap())
}

/// The user wants lists by conversation.
async fn by_conversation(router: &Router, cookie: &str) {
    let page = ask(router, cookie, "/settings").await;
    let (_, csrf) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = csrf.split('"').next().unwrap();
    let request = Request::post("/settings")
        .header("cookie", cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("csrf={csrf}&conversations=1")));
    let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}

async fn measure(router: &Router, cookie: &str, (name, path): (&str, &str), rounds: usize) {
    let (mut took, mut bytes) = (Vec::new(), 0);
    for _ in 0..rounds {
        let begun = Instant::now();
        bytes = ask(router, cookie, path).await.len();
        took.push(begun.elapsed());
    }
    let first = took[0];
    took.sort_unstable();
    let at = |share: usize| ms(took[(rounds * share / 100).min(rounds - 1)]);
    println!(
        "| {name} | {} | {} | {} | {bytes} |",
        ms(first),
        at(50),
        at(99)
    );
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

async fn ask(router: &Router, cookie: &str, path: &str) -> String {
    let request = Request::get(path).header("cookie", cookie);
    let answer = router.clone().oneshot(request.body(Body::empty()).unwrap());
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let page = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(page.to_vec()).unwrap()
}

async fn logged_in(router: &Router, accounts: &Accounts) -> String {
    let token = accounts.invite(&ANN.parse().unwrap()).await.unwrap();
    let path = format!("/invite/{token}");
    let request = Request::get(&path).body(Body::empty()).unwrap();
    let page = router.clone().oneshot(request).await.unwrap();
    let form = cookie(&page);
    let page = page.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8(page.to_vec()).unwrap();
    let (_, csrf) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = csrf.split('"').next().unwrap();
    let body = format!("csrf={csrf}&password=correct+horse&again=correct+horse");
    let request = Request::post(&path)
        .header("cookie", form)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body));
    cookie(&router.clone().oneshot(request.unwrap()).await.unwrap())
}

fn cookie(answer: &axum::response::Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn fill(spool: &Spool, messages: usize) {
    let mut words = words();
    for first in (0..messages).step_by(TOGETHER) {
        let batch = (first..messages.min(first + TOGETHER)).map(|number| {
            let message = message(number, &mut words);
            let spool = spool.clone();
            async move {
                let mut draft = spool.draft();
                draft.append(message.as_bytes()).await.unwrap();
                spool.accept(draft, envelope(number)).await.unwrap();
            }
        });
        futures_util::future::join_all(batch).await;
    }
}

/// Words by chance, the same ones in each run.
fn words() -> impl FnMut() -> String {
    let mut state = 1_u64;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let number = usize::try_from(state >> 33).unwrap() % WORDS;
        format!("word{number}x")
    }
}

fn message(number: usize, word: &mut impl FnMut() -> String) -> String {
    let mut text = String::new();
    for _ in 0..12 {
        let line: Vec<String> = (0..4).map(|_| word()).collect();
        text.push_str(&line.join(" "));
        text.push_str(" and what else there is to say about it\r\n");
    }
    format!(
        "From: Sender {sender} <sender{sender}@x.example>\r\nTo: Ann <{ANN}>\r\n\
         Subject: Message {number}\r\nMessage-ID: <{number}@x.example>\r\n\
         References: <{talk}@x.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nHello Ann,\r\n\r\n{text}\r\nregards\r\n",
        sender = number % 200,
        talk = number - number % 10,
    )
}

fn envelope(number: usize) -> Envelope {
    Envelope {
        from: ReversePath::Mailbox("sender@x.example".parse().unwrap()),
        parameters: MailParameters::default(),
        recipients: vec![Recipient {
            address: ANN.parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "onprem".to_owned(),
            mailbox: Some(ANN.to_owned()),
        }],
        peer: Peer::default(),
        message_id: Some(format!("{number}@x.example")),
        subject: Some(format!("Message {number}")),
        header_from: Some(format!("Sender {0} <sender{0}@x.example>", number % 200)),
        authenticity: Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

fn site(spool: Spool) -> (Webmail, Accounts) {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let accounts = Accounts::new(spool.clone(), clock.clone(), entropy.clone()).unwrap();
    let people = read_csv(
        "address\nann@example.org\n".as_bytes(),
        ImportOptions::default(),
    );
    let directory = DirectoryHandle::new(people.unwrap());
    let activation = Activation::new(
        spool.clone(),
        (directory.clone(), Board::new(&[], clock.clone())),
        clock.clone(),
        activation::Options::default(),
    );
    let world = webmail::World {
        activation,
        spool,
        accounts: accounts.clone(),
        admit: Arc::new(Everybody),
        health: Arc::new(Healthy),
        directory,
        clock,
        entropy,
        provider: None,
    };
    let options = webmail::Options {
        hostname: "mx.example.org".to_owned(),
        title: "Example Mail".to_owned(),
        base_url: "http://127.0.0.1:8080".to_owned(),
        time_zone: TimeZone::UTC,
        platforms: BTreeMap::new(),
        proxy: webmail::Proxy::None,
        writing: webmail::Writing::default(),
        notices: None,
    };
    (Webmail::new(world, options), accounts)
}

#[derive(Debug)]
struct Everybody;

impl Admit for Everybody {
    fn admit(&self, address: &Mailbox, _origin: Origin) -> Admission {
        Admission::Accept {
            address: address.clone(),
            lane: "onprem".to_owned(),
            mailbox: Some(address.key()),
        }
    }
}

#[derive(Debug)]
struct Healthy;

impl HealthView for Healthy {
    fn health(&self, _backend: &BackendId) -> Option<BackendHealth> {
        None
    }

    fn moving(&self, _domain: &str) -> Option<Timestamp> {
        None
    }
}
