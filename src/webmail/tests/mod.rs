//! The pages as a browser sees them, on a real spool.

use axum::body::Body;
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use tower::ServiceExt;

mod answer;
mod changes;
mod codes;
mod conversations;
mod drafts;
mod filing;
mod former;
mod front;
mod hostile;
mod invitations;
mod logged;
mod login;
mod notices;
mod opening;
mod outbox;
mod owners;
mod passkeys;
mod people;
mod programs;
mod provider;
mod reading;
mod search;
mod second;
mod security;
mod typed;
mod whose;
mod writing;

use std::sync::Mutex;

use answer::Answer;
use people::{Rules, people};

use super::*;
use crate::backend::Health;
use crate::base::{Timestamp, percent_encoded};
use crate::mail::{Authenticity, BackendId, Envelope, Peer, Recipient, RecipientEvent, SpoolId};
use crate::route::{Admission, Origin};
use crate::smtp::{MailParameters, Mailbox, RcptParameters, Reply, ReversePath};

#[derive(Debug, Default)]
struct Healths(Mutex<Option<(Health, Timestamp)>>, Mutex<Option<Timestamp>>);

impl HealthView for Healths {
    fn health(&self, backend: &BackendId) -> Option<BackendHealth> {
        let (health, since) = (*self.0.lock().unwrap())?;
        Some(BackendHealth {
            id: backend.clone(),
            health,
            reason: "connection refused".to_owned(),
            since,
            operator: None,
            remembered: false,
            failing: false,
        })
    }

    fn moving(&self, domain: &str) -> Option<Timestamp> {
        let since = *self.1.lock().unwrap();
        since.filter(|_| domain == "example.org")
    }
}

/// The system's time, and so many milliseconds more.
#[derive(Debug, Clone, Default)]
struct Ahead(Arc<std::sync::atomic::AtomicU64>);

impl crate::base::TimeSource for Ahead {
    fn now(&self) -> Timestamp {
        let ahead = self.0.load(std::sync::atomic::Ordering::Relaxed);
        Clock::system().now().after(Duration::from_millis(ahead))
    }
}

pub(super) struct Site {
    ahead: Ahead,
    pub(super) webmail: Webmail,
    pub(super) router: Router,
    healths: Arc<Healths>,
    rules: Arc<Rules>,
    board: crate::backend::Board,
    _committed: tokio::sync::mpsc::Receiver<crate::spool::Committed>,
    _dir: tempfile::TempDir,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::at("http://127.0.0.1:8080")
    }

    fn at(base_url: &str) -> Self {
        Self::made(base_url, 0)
    }

    /// A site on which letters wait ten seconds.
    fn with_undo() -> Self {
        let writing = Writing::default();
        Self::built(
            "http://127.0.0.1:8080",
            0,
            (tempfile::tempdir().unwrap(), writing),
        )
    }

    /// A site with other bounds.
    fn writing(change: impl FnOnce(&mut Writing)) -> Self {
        let mut writing = AT_ONCE;
        change(&mut writing);
        Self::built(
            "http://127.0.0.1:8080",
            0,
            (tempfile::tempdir().unwrap(), writing),
        )
    }

    /// So much later.
    fn pass(&self, seconds: u64) {
        let order = std::sync::atomic::Ordering::Relaxed;
        self.ahead.0.fetch_add(seconds * 1000, order);
    }

    /// Stops as a crash would, and starts again on the same log.
    async fn crash(self) -> Self {
        let writing = self.webmail.0.options.writing;
        self.webmail.0.world.spool.close().await.unwrap();
        let Self {
            _dir: dir,
            webmail,
            router,
            ..
        } = self;
        drop((webmail, router));
        Self::built("http://127.0.0.1:8080", 0, (dir, writing))
    }

    /// In another world.
    fn changed(change: impl FnOnce(&mut World)) -> Self {
        let mut site = Self::new();
        let Webmail(inner) = &site.webmail;
        let mut world = inner.world.clone();
        change(&mut world);
        site.webmail = Webmail::new(world, inner.options.clone());
        site.router = router(site.webmail.clone());
        site
    }

    /// With a quota for each mailbox, in bytes.
    fn made(base_url: &str, mailbox_quota: u64) -> Self {
        Self::built(
            base_url,
            mailbox_quota,
            (tempfile::tempdir().unwrap(), AT_ONCE),
        )
    }

    fn built(
        base_url: &str,
        mailbox_quota: u64,
        (dir, writing): (tempfile::TempDir, Writing),
    ) -> Self {
        let mut options = crate::spool::Options::new(dir.path());
        options.min_free = 0;
        options.mailbox_quota = mailbox_quota;
        let opened = Spool::open(options, crate::spool::World::system()).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no shutdown to wait for"
        )]
        tokio::spawn(opened.writer.run());
        let healths = Arc::new(Healths::default());
        let rules = Arc::<Rules>::default();
        let ahead = Ahead::default();
        let (clock, entropy) = (Clock::new(ahead.clone()), Entropy::system());
        let directory = DirectoryHandle::new(people());
        let platform = crate::backend::BackendOptions::new(
            BackendId::new("onprem"),
            crate::backend::Hosts::List(vec!["127.0.0.1:25".into()]),
        );
        let board = crate::backend::Board::new(&[platform], clock.clone());
        let activation = Activation::new(
            opened.spool.clone(),
            (directory.clone(), board.clone()),
            clock.clone(),
            crate::activation::Options::default(),
        );
        let world = World {
            activation,
            spool: opened.spool.clone(),
            accounts: Accounts::new(opened.spool, clock.clone(), entropy.clone()).unwrap(),
            admit: Arc::<Rules>::clone(&rules),
            health: Arc::<Healths>::clone(&healths),
            directory,
            clock,
            entropy,
            provider: None,
        };
        let webmail = Webmail::new(
            world,
            Options {
                hostname: "mx.example.org".to_owned(),
                title: "Example Mail".to_owned(),
                base_url: base_url.to_owned(),
                time_zone: TimeZone::UTC,
                platforms: BTreeMap::from([(BackendId::new("onprem"), "On-premise".to_owned())]),
                proxy: Proxy::ForwardedFor,
                writing,
                notices: None,
            },
        );
        Self {
            ahead,
            router: router(webmail.clone()),
            webmail,
            healths,
            rules,
            board,
            _committed: opened.committed,
            _dir: dir,
        }
    }

    pub(super) fn set_moving(&self, since: Timestamp) {
        *self.healths.1.lock().unwrap() = Some(since);
    }

    pub(super) fn set_health(&self, health: Health, since: Timestamp) {
        *self.healths.0.lock().unwrap() = Some((health, since));
    }

    pub(super) async fn deliver(&self, to: &[&str], raw: &str) -> SpoolId {
        let spool = &self.webmail.0.world.spool;
        let raw = raw.replace('\n', "\r\n");
        let header = |name: &str| {
            raw.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
        };
        let recipients = to.iter().map(|address| Recipient {
            address: address.parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "onprem".to_owned(),
            mailbox: Some((*address).to_owned()),
        });
        let envelope = Envelope {
            from: ReversePath::Mailbox("sender@x.example".parse().unwrap()),
            parameters: MailParameters::default(),
            recipients: recipients.collect(),
            peer: Peer::default(),
            message_id: None,
            subject: header("Subject:"),
            header_from: header("From:"),
            authenticity: Authenticity::Unproven,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        };
        let mut draft = spool.draft();
        draft.append(raw.as_bytes()).await.unwrap();
        spool.accept(draft, envelope).await.unwrap()
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        Answer::of(response).await
    }

    async fn visit(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.ask(request).await
    }

    /// A browser in which `address` has set a password and is logged in.
    async fn enrolled(&self, address: &str) -> Browser<'_> {
        let accounts = &self.webmail.0.world.accounts;
        let token = accounts.invite(&address.parse().unwrap()).await.unwrap();
        let mut browser = Browser::new(self);
        let path = format!("/invite/{token}");
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::OK);
        let csrf = page.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("password", PASSWORD),
            ("again", PASSWORD),
        ];
        let done = browser.post(&path, &form).await;
        assert_eq!(done.location(), "/?welcome=1");
        self.judge().await;
        browser
    }

    /// Looks whose the accounts are, as the program does when the directory changes.
    async fn judge(&self) {
        let world = &self.webmail.0.world;
        let judged = world.accounts.judge(world.directory.current()).await;
        judged.unwrap();
    }
}

const PASSWORD: &str = "correct horse battery";

struct Browser<'a> {
    site: &'a Site,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(site: &'a Site) -> Self {
        Self {
            site,
            cookies: BTreeMap::new(),
        }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    /// Sends a form as a browser does that may have files: `(name, file name, content)`.
    async fn upload(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &[u8])],
    ) -> Answer {
        let mut body = Vec::new();
        // In the order of the page: the buttons are at its end, and without a file there is an
        // empty one.
        let is_action = |(name, _): &&(&str, &str)| *name == "action";
        let field = |(name, value): &(&str, &str)| {
            let head = format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            format!("{head}{value}\r\n")
        };
        for one in fields.iter().filter(|one| !is_action(one)) {
            body.extend_from_slice(field(one).as_bytes());
        }
        let none: &[(&str, &str, &[u8])] = &[("file", "", b"")];
        let files = if files.is_empty() { none } else { files };
        for (name, file, content) in files {
            let head = format!(
                "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
                 Content-Type: application/pdf\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        for one in fields.iter().filter(is_action) {
            body.extend_from_slice(field(one).as_bytes());
        }
        body.extend_from_slice(b"--xyz--\r\n");
        let kind = "multipart/form-data; boundary=xyz";
        // In pieces, as it comes from a network.
        let body = Body::from_stream(futures_util::stream::unfold(body, |mut body| async move {
            tokio::task::yield_now().await;
            let rest = body.split_off(body.len().min(65_536));
            (!body.is_empty()).then_some((Ok::<_, std::io::Error>(body), rest))
        }));
        self.request(Method::POST, path, (kind, body)).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encoded(value).replace('/', "%2F")))
            .collect();
        self.send(Method::POST, path, body.join("&")).await
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Answer {
        let kind = "application/x-www-form-urlencoded";
        self.request(method, path, (kind, Body::from(body))).await
    }

    async fn request(&mut self, method: Method, path: &str, (kind, body): (&str, Body)) -> Answer {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(COOKIE, cookies.join("; "))
            .header("user-agent", agent)
            .header("content-type", kind)
            .body(body)
            .unwrap();
        let answer = self.site.ask(request).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Opens the form of a letter and sends it with some fields changed.
    async fn write(&mut self, path: &str, changes: &[(&str, &str)]) -> Answer {
        self.write_with(path, changes, &[]).await
    }

    async fn write_with(
        &mut self,
        path: &str,
        changes: &[(&str, &str)],
        files: &[(&str, &str, &[u8])],
    ) -> Answer {
        let page = self.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let names = [
            "csrf", "token", "answers", "page", "known", "to", "cc", "bcc", "subject",
        ];
        let mut kept: Vec<(&str, String)> =
            names.iter().map(|name| (*name, page.field(name))).collect();
        kept.push(("text", page.written()));
        for at in page.text.split("name=\"keep\" value=\"").skip(1) {
            kept.push(("keep", at.split('"').next().unwrap().to_owned()));
        }
        kept.push(("action", "send".to_owned()));
        let mut fields: Vec<(&str, &str)> = kept
            .iter()
            .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name))
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        fields.extend_from_slice(changes);
        self.upload("/compose", &fields, files).await
    }
}

/// Letters leave at once.
const AT_ONCE: Writing = Writing {
    undo_send: Duration::ZERO,
    max_attachments: 1024 * 1024,
    messages_per_hour: 100,
    recipients_per_hour: 500,
};

const MAIL: &str = "From: John Doe <john@x.example>\nTo: ann@example.org\nSubject: The plan\n\
                    Message-ID: <1@x>\n\nHello Ann\n";
