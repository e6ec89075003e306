//! Notices by the real ways: to a mail host, to a web server, to a program.

#[path = "notices_tests_silence.rs"]
mod silence;
#[path = "notices_tests_sinks.rs"]
mod sinks;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use ring::hmac;
use serde_json::Value;

use super::*;
use crate::auth::{KeyFolder, Signer};
use crate::base::{Clock, Entropy, Shutdown, hex};
use crate::net::{Dns, TlsServer};
use crate::notice::{
    Address, NoticesStatus, Observed, Options, Pace, Patience, Thresholds, Webhook,
};
use crate::outbound;
use crate::spool::{Opened, Spool, World};
use sinks::{Heard, json_of, mail_host, said, server, web_server, webhook};

const SECOND: Duration = Duration::from_secs(1);

/// What the tests let be wrong.
#[derive(Debug, Default)]
struct Wrong(Mutex<Observed>);

impl Wrong {
    fn is(&self, what: &[&str]) {
        let condition = |what: &&str| Condition {
            kind: Kind::Backend,
            subject: (*what).to_owned(),
            state: "down".to_owned(),
            severity: Severity::Critical,
            since: "2026-01-02T10:02:03Z".parse().unwrap(),
            what: format!("{what} is down: connection refused"),
            todo: "Nothing has to be done for the mail.".to_owned(),
        };
        let conditions = what.iter().map(condition).collect();
        self.0.lock().unwrap().conditions = conditions;
    }
}

impl Observe for Wrong {
    fn observe(&self, _: &Thresholds) -> Observed {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Debug)]
struct Straight;

impl Find for Straight {
    fn target(&self, to: &Mailbox) -> Result<(DeliveryTarget, Mailbox), String> {
        Err(format!("{to} goes to no relay"))
    }
}

struct House {
    folder: tempfile::TempDir,
}

struct Life {
    notices: Notices,
    wrong: Arc<Wrong>,
    shutdown: Shutdown,
    spool: Spool,
    writer: std::thread::JoinHandle<()>,
    _committed: tokio::sync::mpsc::Receiver<crate::spool::Committed>,
}

impl House {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn live(&self, options: Options) -> Life {
        self.live_while(&[], options)
    }

    /// From the first look on, this is wrong.
    fn live_while(&self, wrong: &[&str], options: Options) -> Life {
        let already = Wrong::default();
        already.is(wrong);
        let spool_options = crate::spool::Options {
            min_free: 0,
            ..crate::spool::Options::new(self.path("spool"))
        };
        let Opened {
            spool,
            writer,
            committed,
            ..
        } = Spool::open(spool_options, World::system()).unwrap();
        let writer = writer.spawn_thread().unwrap();
        let (clock, entropy, shutdown) = (Clock::system(), Entropy::system(), Shutdown::new());
        let tls = TlsClient::with_authorities([]).unwrap();
        let dns = || Arc::new(Dns::system().unwrap());
        let world = outbound::World {
            dial: Arc::new(TcpDial::default()),
            resolve: dns(),
            tls: tls.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            board: None,
        };
        let client = Outbound::new(outbound::Options::new("mx.example.org"), world);
        let signer = Signer::new(KeyFolder::of(self.folder.path()), clock.clone());
        let parts = Parts {
            spool: spool.clone(),
            transport: Arc::new(client),
            find: Arc::new(Straight),
            sign: Arc::new(signer),
            https: Https {
                dial: Arc::new(TcpDial::default()),
                resolve: dns(),
                tls,
            },
            clock,
            entropy,
            shutdown: shutdown.clone(),
        };
        let notices = Notices::new(options, parts);
        let wrong = Arc::new(already);
        let observe = Arc::clone(&wrong) as Arc<dyn Observe>;
        shutdown.spawn("notices", notices.clone().run(observe));
        Life {
            notices,
            wrong,
            shutdown,
            spool,
            writer,
            _committed: committed,
        }
    }

    /// A program: a script of the shell.
    fn program(&self, script: &str) -> Vec<String> {
        let path = self.path("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = self.folder.path().display();
        vec![
            path.display().to_string(),
            folder.to_string(),
            "two words".to_owned(),
        ]
    }
}

impl Life {
    async fn end(self) {
        self.shutdown.stop().await;
        self.spool.close().await.unwrap();
        drop((self.notices, self.spool));
        self.writer.join().unwrap();
    }

    async fn until(&self, what: impl Fn(&NoticesStatus) -> bool) -> NoticesStatus {
        for _ in 0..600 {
            let status = self.notices.status();
            if what(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:#?}", self.notices.status());
    }
}

fn options() -> Options {
    Options {
        hostname: "mx.example.org".to_owned(),
        addresses: Vec::new(),
        relay: None,
        webhook: None,
        command: Vec::new(),
        thresholds: Thresholds {
            waiting: SECOND,
            certificate: SECOND,
            disk: SECOND,
        },
        pace: Pace {
            gather: Duration::from_millis(200),
            repeat: None,
            per_hour: 100,
            kind_per_hour: 100,
        },
        patience: Patience {
            each: SECOND * 20,
            mail: SECOND * 20,
            again: vec![Duration::from_millis(50); 3],
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_by_every_way_and_so_is_its_end() {
    let house = House::new();
    let (mails, posts) = (Heard::default(), Heard::default());
    let relay = mail_host(&mails, &[]).await;
    let hook = web_server(&posts, ("200 OK", None)).await;
    let life = house.live(Options {
        addresses: vec!["ops@example.net".parse().unwrap()],
        relay: Some(relay),
        webhook: Some(webhook(&hook)),
        command: house.program(
            "cat > \"$1/$(date +%s%N).json\"; echo \"$2\" > \"$1/second\"; env > \"$1/env\"",
        ),
        ..options()
    });
    life.wrong.is(&["onprem"]);
    let told = |status: &NoticesStatus, number: usize| {
        let sent = status.sent.iter().flat_map(|it| &it.ways);
        sent.filter(|way| way.result == "sent").count() == number
    };
    life.until(|status| told(status, 3)).await;
    life.wrong.is(&[]);
    let status = life.until(|status| told(status, 6)).await;
    assert_eq!(status.problem, None);
    assert!(
        status.ways.iter().all(|way| way.good_at.is_some()),
        "{status:#?}"
    );

    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 2);
    for line in [
        "MAIL FROM:<>",
        "RCPT TO:<ops@example.net>",
        "Auto-Submitted: auto-generated",
        "To: <ops@example.net>",
        "Subject: [Tideover mx.example.org] critical: onprem is down: connection",
    ] {
        assert!(
            mails[0].lines().any(|it| it.starts_with(line)),
            "{line}: {}",
            mails[0]
        );
    }
    assert!(
        mails[0].contains("what to do: Nothing has to be done"),
        "{}",
        mails[0]
    );
    assert!(
        mails[1].contains("Subject: [Tideover mx.example.org] over:"),
        "{}",
        mails[1]
    );

    let posts = posts.lock().unwrap().clone();
    assert!(
        posts[0].starts_with("POST /hook?key=s3cret HTTP/1.1\r\n"),
        "{}",
        posts[0]
    );
    assert_eq!(json_of(&posts[0])["items"][0]["news"], "began");
    assert_eq!(json_of(&posts[1])["items"][0]["news"], "over");
    assert!(!posts[0].contains("x-tideover-signature"));
    what_the_program_got(&house);
    life.end().await;
}

fn what_the_program_got(house: &House) {
    let files = std::fs::read_dir(house.folder.path()).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "json"));
    assert_eq!(files.len(), 2);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let first: Value = serde_json::from_str(&read(&files[0])).unwrap();
    assert_eq!(first["host"], "mx.example.org");
    assert_eq!(read(&house.path("second")), "two words\n");
    // Nothing of ours, but what the shell itself sets.
    let env = read(&house.path("env"));
    let names: Vec<_> = env
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    let ours = ["PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.iter().all(|name| ours.contains(name)), "{env}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_repeats_nothing_and_tells_what_ended_meanwhile() {
    let house = House::new();
    let posts = Heard::default();
    let hook = web_server(&posts, ("204 No Content", None)).await;
    let with = Options {
        webhook: Some(webhook(&hook)),
        ..options()
    };
    let life = house.live(with.clone());
    life.wrong.is(&["onprem", "cloud"]);
    life.until(|status| status.ways[0].good_at.is_some()).await;
    // It is written down apart from being sent.
    let spool = life.spool.clone();
    let is_kept = || {
        let kept = spool.fact("notice", "memory").unwrap();
        kept.is_some_and(|kept| !kept["entries"][0]["told"].is_null())
    };
    for _ in 0..600 {
        if is_kept() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_kept());
    drop(spool);
    life.end().await;

    let life = house.live_while(&["onprem"], with);
    let status = life.until(|status| status.sent.len() == 2).await;
    assert!(
        status.sent[0]
            .subject
            .ends_with("over: cloud is down: connection refused")
    );
    life.until(|status| status.sent[0].ways[0].result == "sent")
        .await;
    let posts = posts.lock().unwrap().clone();
    assert_eq!(posts.len(), 2);
    let items = json_of(&posts[1])["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "{items}");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_patience_gets_it_and_one_that_refuses_is_told_of() {
    let house = House::new();
    let (mails, posts) = (Heard::default(), Heard::default());
    let relay = mail_host(&mails, &["450 4.7.1 greylisted", "450 4.7.1 greylisted"]).await;
    let hook = web_server(&posts, ("410 Gone", None)).await;
    let life = house.live(Options {
        addresses: vec!["ops@example.net".parse().unwrap()],
        relay: Some(relay),
        webhook: Some(webhook(&hook)),
        ..options()
    });
    life.wrong.is(&["onprem"]);
    let done = |status: &NoticesStatus| {
        status
            .sent
            .first()
            .is_some_and(|it| it.ways.iter().all(|way| way.result != "trying"))
    };
    let status = life.until(done).await;
    let ways = &status.sent[0].ways;
    assert_eq!(
        (ways[0].result.as_str(), ways[0].attempts),
        ("sent", 3),
        "{}",
        said(ways)
    );
    assert_eq!(
        (ways[1].result.as_str(), ways[1].attempts),
        ("failed", 1),
        "{}",
        said(ways)
    );
    assert!(ways[1].what.contains("410"), "{}", said(ways));
    // The address of a webhook is a secret.
    assert!(!format!("{status:?}").contains("s3cret"));
    assert_eq!(status.problem, None, "one way works");
    assert_eq!(posts.lock().unwrap().len(), 1);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_way_that_works_it_is_a_problem_and_told_again() {
    let house = House::new();
    let life = house.live(Options {
        command: house.program("cat > /dev/null; test -e \"$1/mended\""),
        ..options()
    });
    life.wrong.is(&["onprem"]);
    let status = life.until(|status| status.problem.is_some()).await;
    let problem = status.problem.unwrap();
    assert!(
        problem.contains("notices reach nobody: command "),
        "{problem}"
    );
    assert!(problem.contains("exit status: 1"), "{problem}");
    std::fs::write(house.path("mended"), "").unwrap();
    let status = life.until(|status| status.problem.is_none()).await;
    assert!(
        status.sent[0].subject.contains("critical: onprem"),
        "{status:#?}"
    );
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_end_is_killed_with_all_that_it_started() {
    let house = House::new();
    let mut with = Options {
        command: house.program("cat > /dev/null; sleep 1000 & echo $! > \"$1/child\"; wait"),
        ..options()
    };
    with.patience.each = SECOND * 2;
    let life = house.live(with);
    let results = life.notices.test().await;
    assert_eq!(results[0].result, "failed");
    assert!(results[0].what.contains("was killed"), "{}", said(&results));
    let child = std::fs::read_to_string(house.path("child")).unwrap();
    let process = PathBuf::from(format!("/proc/{}/stat", child.trim()));
    let is_alive = || {
        let stat = std::fs::read_to_string(&process).unwrap_or_default();
        stat.contains("(sleep)") && !stat.contains(") Z ")
    };
    for _ in 0..200 {
        if !is_alive() {
            return life.end().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it lives: {process:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_signed_and_says_what_became_of_it() {
    let house = House::new();
    let (mails, posts) = (Heard::default(), Heard::default());
    let relay = mail_host(&mails, &["550 5.1.1 nobody"]).await;
    let certificate = Arc::new(TlsServer::self_signed(house.folder.path(), "127.0.0.1").unwrap());
    let hook = web_server(&posts, ("200 OK", Some(certificate))).await;
    std::fs::write(house.path("secret"), "a shared secret\n").unwrap();
    std::fs::write(house.path("address"), format!("https://{hook}/hook\n")).unwrap();
    let hook = |authorities| Webhook {
        address: Address::In(house.path("address")),
        secret_file: Some(house.path("secret")),
        authorities,
    };
    let with = Options {
        addresses: vec!["nobody@example.net".parse().unwrap()],
        relay: Some(relay),
        webhook: Some(hook(Some(house.path("self-signed.crt")))),
        command: vec!["/absent/program".to_owned()],
        ..options()
    };
    let life = house.live(with.clone());
    let results = life.notices.test().await;
    let told = said(&results);
    let words: Vec<_> = results.iter().map(|it| it.result.as_str()).collect();
    assert_eq!(words, ["failed", "sent", "failed"], "{told}");
    assert!(
        told.contains("550 5.1.1 nobody") && told.contains("cannot be started"),
        "{told}"
    );
    let post = posts.lock().unwrap()[0].clone();
    let (head, body) = post.split_once("\r\n\r\n").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"a shared secret");
    let expected = hex(hmac::sign(&key, body.as_bytes()).as_ref());
    let field = format!("x-tideover-signature: sha256={expected}");
    assert!(head.lines().any(|it| it == field), "{head}");
    assert_eq!(json_of(&post)["items"][0]["kind"], "test");

    // Whoever cannot prove who he is hears nothing.
    life.notices.configure(Options {
        webhook: Some(hook(None)),
        ..with
    });
    let results = life.notices.test().await;
    assert!(results[1].what.contains("TLS"), "{}", said(&results));
    assert_eq!(posts.lock().unwrap().len(), 1);
    life.end().await;
}
