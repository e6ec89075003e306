//! Runs over a spool, with mailboxes in memory that fail when they are told to.

mod copies;
mod drafts;
mod homes;
mod losses;
mod platform;
mod renames;

use super::*;
use crate::backend::{BackendOptions, Board, Hosts};
use crate::base::Timestamp;
use crate::directory::{
    Directory, DirectoryHandle, DomainKind, DomainRule, ImportOptions, Rules, Unknown, read_csv,
};
use crate::mail::{
    Authenticity, DRAFTS, Envelope, FolderKind, MARKS, Mark, MarkPlace, OUTBOX, Peer, Recipient,
    SpoolId, StoredLetter, UnsentLetter, VISIT_FIELD,
};
use crate::route::RouteOptions;
use crate::smtp::{MailParameters, Mailbox, RcptParameters, ReversePath};
use crate::spool;
use platform::Platform;

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

/// Ann at home on `onprem`, which offers IMAP, Bob on `cloud`, which does not.
struct House {
    spool: Spool,
    platform: Platform,
    writebacks: Writebacks,
    shutdown: Shutdown,
    committed: tokio::sync::mpsc::Receiver<spool::Committed>,
    dir: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let house = Self::built(tempfile::tempdir().unwrap(), Platform::default()).await;
        for who in [ANN, BOB] {
            let account = serde_json::json!({ "address": who });
            let put = house.spool.put_fact("account", who, Some(account));
            put.await.unwrap();
        }
        house
    }

    async fn built(dir: tempfile::TempDir, platform: Platform) -> Self {
        let opened = loop {
            let mut options = spool::Options::new(dir.path());
            options.min_free = 0;
            match Spool::open(options, spool::World::system()) {
                // Tasks of before end at their next step.
                Err(SpoolError::InUse(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                opened => break opened.unwrap(),
            }
        };
        let shutdown = Shutdown::new();
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no shutdown to wait for"
        )]
        tokio::spawn(opened.writer.run());
        let writebacks = Writebacks::new(Parts::new(
            (opened.spool.clone(), router()),
            (Clock::system(), Entropy::system()),
            shutdown.clone(),
            ("mx.example.org".to_owned(), Options::default()),
        ));
        writebacks.carry_with(Arc::new(platform.clone()));
        Self {
            spool: opened.spool,
            platform,
            writebacks,
            shutdown,
            committed: opened.committed,
            dir,
        }
    }

    /// Says where people are from now on, a line each.
    fn directory(&self, lines: &str) {
        let handle = self.writebacks.0.parts.router.directory();
        handle.replace(directory(lines));
    }

    /// Changes a byte of the disk behind this text, and says so.
    fn damage(&self, text: &str) {
        let mut left = vec![self.dir.path().to_owned()];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(
                    std::fs::read_dir(path)
                        .unwrap()
                        .map(|one| one.unwrap().path()),
                );
                continue;
            }
            let is_mail = path
                .extension()
                .is_some_and(|end| end == "seg" || end == "eml");
            let mut bytes = std::fs::read(&path).unwrap();
            if let Some(at) = memchr::memmem::rfind(&bytes, text.as_bytes())
                && is_mail
            {
                bytes[at] ^= 1;
                std::fs::write(&path, bytes).unwrap();
                return;
            }
        }
        panic!("{text} is nowhere");
    }

    /// Until this is so.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops as a crash would, and starts again on the same log.
    async fn crash(self) -> Self {
        self.shutdown.signal();
        self.spool.close().await.unwrap();
        drop(self.writebacks);
        let (dir, platform) = (self.dir, self.platform);
        drop((self.spool, self.committed));
        Self::built(dir, platform).await
    }

    async fn accept(&self, raw: &str, envelope: Envelope) -> SpoolId {
        let mut draft = self.spool.draft();
        draft.append(raw.as_bytes()).await.unwrap();
        self.spool.accept(draft, envelope).await.unwrap()
    }

    /// Somebody writes to Ann, and `onprem` has it in its inbox.
    async fn received(&self, message_id: &str) -> SpoolId {
        let raw = format!("Message-ID: <{message_id}>\r\n\r\nhi\r\n");
        let envelope = envelope(("sender@x.example", ANN), message_id);
        let id = self.accept(&raw, envelope).await;
        let text = format!("{VISIT_FIELD}: {id}\r\n{raw}");
        self.platform.put(ANN, FolderKind::Inbox, &text);
        id
    }

    /// Somebody sends in the webmail.
    async fn sent(&self, who: &str, message_id: &str) -> SpoolId {
        self.sent_with(who, (message_id, "hi\r\n")).await
    }

    async fn sent_with(&self, who: &str, (message_id, text): (&str, &str)) -> SpoolId {
        let raw = format!("Message-ID: <{message_id}>\r\nSubject: x\r\n\r\n{text}");
        let mut envelope = envelope((who, "far@x.example"), message_id);
        envelope.authenticity = Authenticity::Local;
        envelope.peer = Peer {
            protocol: "webmail".to_owned(),
            user: Some(who.to_owned()),
            ..Peer::default()
        };
        self.accept(&raw, envelope).await
    }

    /// What the webmail keeps of a letter of Ann: a file, or its text.
    async fn kept(&self, content: &[u8]) -> SpoolId {
        let mut draft = self.spool.draft();
        draft.append(content).await.unwrap();
        let mut envelope = envelope((ANN, ANN), "");
        envelope.from = ReversePath::Null;
        envelope.recipients.clear();
        envelope.message_id = None;
        envelope.peer.user = Some(ANN.to_owned());
        self.spool.accept(draft, envelope).await.unwrap()
    }

    async fn mark(&self, id: SpoolId, mark: Mark) {
        let value = serde_json::to_value(&mark).unwrap();
        let key = format!("{ANN}/{id}");
        self.spool.put_fact(MARKS, &key, Some(value)).await.unwrap();
    }

    async fn draft(&self, token: &str, letter: Option<UnsentLetter>) {
        let value = letter.map(|letter| {
            let stored = StoredLetter {
                title: letter.title(),
                draft: Some(letter),
                kept: None,
            };
            serde_json::to_value(&stored).unwrap()
        });
        let key = format!("{ANN}/{token}");
        self.spool.put_fact(DRAFTS, &key, value).await.unwrap();
    }

    async fn plan(&self) -> Plan {
        self.writebacks.plan(everybody()).await.unwrap()
    }

    /// A run, to its end.
    async fn run(&self) -> Progress {
        let started = self.writebacks.start(everybody(), "kim").await.unwrap();
        self.ended(&started.run.id).await
    }

    async fn ended(&self, id: &str) -> Progress {
        loop {
            let progress = self.writebacks.status(Some(id)).unwrap();
            if progress.run.state != RunState::Running {
                return progress;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn everybody() -> (Meant, BTreeSet<String>) {
    (Meant::default(), BTreeSet::new())
}

fn envelope((from, to): (&str, &str), message_id: &str) -> Envelope {
    let address: Mailbox = to.parse().unwrap();
    let is_ours = address.domain().key() == "example.org";
    Envelope {
        from: ReversePath::Mailbox(from.parse().unwrap()),
        parameters: MailParameters::default(),
        recipients: vec![Recipient {
            address,
            parameters: RcptParameters::default(),
            lane: "onprem".to_owned(),
            mailbox: is_ours.then(|| to.to_owned()),
        }],
        peer: Peer::default(),
        message_id: Some(message_id.to_owned()),
        subject: None,
        header_from: None,
        authenticity: Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

/// Where everybody is at first.
const HOMES: &str = "ann@example.org,onprem,Ann Lee,ann.lee@example.org\nbob@example.org,cloud,,\n";

fn backends() -> [BackendId; 2] {
    ["onprem", "cloud"].map(BackendId::new)
}

/// A line for each: address, home, name, alias.
fn directory(lines: &str) -> Directory {
    let [onprem, _] = backends();
    let rule = DomainRule {
        name: "example.org".into(),
        kind: DomainKind::Authoritative,
        home: onprem,
        failover: Vec::new(),
        unknown: Unknown::Reject,
    };
    let options = ImportOptions {
        rules: Rules::of(vec![rule]),
        backends: backends().to_vec(),
    };
    let csv = format!("address,home,name,aliases\n{lines}");
    read_csv(csv.as_bytes(), options).unwrap()
}

fn router() -> Router {
    let backends =
        backends().map(|id| BackendOptions::new(id, Hosts::List(vec!["127.0.0.1:25".to_owned()])));
    let board = Board::new(&backends, Clock::system());
    Router::new(
        DirectoryHandle::new(directory(HOMES)),
        board,
        RouteOptions::default(),
    )
}

fn mark(changed: u64, place: Option<MarkPlace>) -> Mark {
    let at = Timestamp::from_millis(changed);
    Mark {
        read: Some(at),
        flagged: None,
        place,
        changed: at,
    }
}

fn letter(changed: u64, subject: &str) -> UnsentLetter {
    UnsentLetter {
        to: "Cy <cy@x.example>, nonsense".to_owned(),
        bcc: "Dee <dee@x.example>".to_owned(),
        subject: subject.to_owned(),
        text: "half a sent".to_owned(),
        changed: Timestamp::from_millis(changed),
        ..UnsentLetter::default()
    }
}

const NOTHING: Carried = Carried {
    sent: 0,
    drafts: 0,
    states: 0,
    filed: 0,
    deleted: 0,
    copied: 0,
    there: 0,
    absent: 0,
    cannot: 0,
    refused: 0,
    lost: 0,
};

#[tokio::test]
async fn work_comes_home_once() {
    let house = House::new().await;
    let sent = house.sent(ANN, "sent@us").await;
    let (one, two) = (house.received("1@x").await, house.received("2@x").await);
    house.mark(one, mark(5, Some(MarkPlace::Archive))).await;
    house.mark(two, mark(5, Some(MarkPlace::Deleted))).await;
    let lost = house
        .accept("\r\n", envelope(("sender@x.example", ANN), "lost@x"))
        .await;
    house.mark(lost, mark(5, None)).await;
    house.draft("tok", Some(letter(7, "Plan"))).await;
    let plan = house.plan().await;
    let expected = Carried {
        sent: 1,
        drafts: 1,
        states: 3,
        filed: 1,
        deleted: 1,
        ..NOTHING
    };
    assert_eq!((plan.users, plan.carried), (1, expected));
    let done = house.run().await;
    let expected = Carried {
        states: 2,
        absent: 1,
        ..expected
    };
    assert_eq!(done.carried, expected, "{done:?}");
    assert_eq!((done.done, done.failed, done.total), (1, 0, 1));
    let platform = &house.platform;
    let found = platform.folder(ANN, FolderKind::Sent);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].said, "\\Seen");
    let message = house.spool.message(sent).unwrap().unwrap();
    assert_eq!(found[0].date, message.received);
    let archived = platform.folder(ANN, FolderKind::Archive);
    assert!(archived[0].flags.seen && archived[0].text.contains("<1@x>"));
    assert!(
        platform.folder(ANN, FolderKind::Trash)[0]
            .text
            .contains("<2@x>")
    );
    assert!(platform.folder(ANN, FolderKind::Inbox).is_empty());
    // A second run looks for the lost one, and does nothing.
    let before = platform.state().mailboxes.clone();
    let again = house.run().await;
    let only_lost = Carried {
        absent: 1,
        ..NOTHING
    };
    assert_eq!(again.carried, only_lost);
    assert_eq!(platform.state().mailboxes, before);
}

#[tokio::test]
async fn wherever_it_is_cut_nothing_comes_twice() {
    for cut in 0..7 {
        let mut house = House::new().await;
        house.sent(ANN, "a@us").await;
        house.sent(ANN, "b@us").await;
        let id = house.received("1@x").await;
        house.mark(id, mark(5, Some(MarkPlace::Deleted))).await;
        house.draft("tok", Some(letter(7, "Plan"))).await;
        house.platform.state().breaks_after = Some(cut);
        // The record of what was done last is not written either: the connection broke before.
        let started = house.writebacks.start(everybody(), "kim").await.unwrap();
        while house.platform.state().breaks_after.is_some() && cut < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        house = house.crash().await;
        house.writebacks.start_open().await.unwrap();
        let done = house.ended(&started.run.id).await;
        assert_eq!((done.run.state, done.failed), (RunState::Done, 0), "{cut}");
        for (kind, count) in [
            (FolderKind::Sent, 2),
            (FolderKind::Drafts, 1),
            (FolderKind::Trash, 1),
            (FolderKind::Inbox, 0),
        ] {
            let found = house.platform.folder(ANN, kind);
            assert_eq!(found.len(), count, "{kind:?} cut at {cut}: {found:?}");
        }
    }
}

#[tokio::test]
async fn what_a_platform_refuses_is_told_for_each_user() {
    let house = House::new().await;
    house.sent(ANN, "a@us").await;
    house.platform.state().refuses = true;
    let done = house.run().await;
    assert_eq!((done.carried.refused, done.carried.sent), (1, 0));
    assert!(
        done.results[0].refusals[0].contains("OVERQUOTA"),
        "{done:?}"
    );
    // It was not carried: the next run tries again.
    house.platform.state().refuses = false;
    assert_eq!(house.run().await.carried.sent, 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_a_run_can_be_stopped() {
    let house = House::new().await;
    house.sent(ANN, "a@us").await;
    house.platform.state().away.insert("onprem");
    let started = house.writebacks.start(everybody(), "kim").await.unwrap();
    let id = started.run.id;
    while house.writebacks.status(None).unwrap().waits_for.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let second = house.writebacks.start(everybody(), "kim").await;
    assert!(matches!(second, Err(WritebackError::GoesOn(_))));
    let stopped = house.writebacks.stop(&id, ("kim", "night")).await.unwrap();
    assert_eq!(stopped.run.state, RunState::Stopped);
    let again = house.writebacks.stop(&id, ("kim", "")).await;
    assert!(matches!(again, Err(WritebackError::NotNow(..))));
    house.platform.state().away.clear();
    assert_eq!(house.run().await.carried.sent, 1, "a new one goes on");
}

#[tokio::test]
async fn only_those_who_are_named_are_meant() {
    let house = House::new().await;
    house.sent(ANN, "a@us").await;
    let named = BTreeSet::from([BOB.to_owned()]);
    let meant = Meant {
        backend: None,
        users: 1,
    };
    let plan = house.writebacks.plan((meant, named)).await.unwrap();
    assert_eq!(plan.users, 0);
    let there = Meant {
        backend: Some(BackendId::new("cloud")),
        users: 0,
    };
    let plan = house
        .writebacks
        .plan((there, BTreeSet::new()))
        .await
        .unwrap();
    assert_eq!(plan.users, 0);
    assert_eq!(house.plan().await.users, 1);
}
