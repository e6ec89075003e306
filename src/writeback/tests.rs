//! Runs over a spool, with mailboxes in memory that fail when they are told to.

mod platform;

use super::*;
use crate::backend::{BackendOptions, Board, Hosts};
use crate::base::Timestamp;
use crate::directory::{
    DirectoryHandle, DomainKind, DomainRule, ImportOptions, Rules, Unknown, read_csv,
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
        let raw = format!("Message-ID: <{message_id}>\r\nSubject: x\r\n\r\nhi\r\n");
        let mut envelope = envelope((who, "far@x.example"), message_id);
        envelope.authenticity = Authenticity::Local;
        envelope.peer = Peer {
            protocol: "webmail".to_owned(),
            user: Some(who.to_owned()),
            ..Peer::default()
        };
        self.accept(&raw, envelope).await
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
    }
}

fn router() -> Router {
    let (onprem, cloud) = (BackendId::new("onprem"), BackendId::new("cloud"));
    let rule = DomainRule {
        name: "example.org".into(),
        kind: DomainKind::Authoritative,
        home: onprem.clone(),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    };
    let options = ImportOptions {
        rules: Rules::of(vec![rule]),
        backends: vec![onprem.clone(), cloud.clone()],
    };
    let csv = "address,home,name\nann@example.org,onprem,Ann Lee\nbob@example.org,cloud,\n";
    let directory = read_csv(csv.as_bytes(), options).unwrap();
    let backends = [onprem, cloud]
        .map(|id| BackendOptions::new(id, Hosts::List(vec!["127.0.0.1:25".to_owned()])));
    let board = Board::new(&backends, Clock::system());
    Router::new(
        DirectoryHandle::new(directory),
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
        bcc: "dee@x.example".to_owned(),
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
async fn drafts_are_readable_there_and_leave_no_surprise() {
    let house = House::new().await;
    house.draft("tok", Some(letter(7, "Plan"))).await;
    house.draft("blank", Some(UnsentLetter::default())).await;
    house.draft("out", Some(letter(7, "Leaves"))).await;
    let leaving = serde_json::json!({ "at": Timestamp::EPOCH, "recipients": 1 });
    let key = format!("{ANN}/out");
    house
        .spool
        .put_fact(OUTBOX, &key, Some(leaving))
        .await
        .unwrap();
    assert_eq!(house.run().await.carried.drafts, 1);
    let drafts = |kind| house.platform.folder(ANN, kind);
    let found = drafts(FolderKind::Drafts);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].said, "\\Draft \\Seen");
    assert_eq!(found[0].date, Timestamp::from_millis(7));
    for part in [
        "From: \"Ann Lee\" <ann@example.org>",
        "\"Cy\" <cy@x.example>",
        "Bcc: dee@x.example\r\n",
        "Subject: Plan",
        "To: nonsense\r\n\r\nhalf a sent",
        "Message-ID: <draft.tok.7@mx.example.org>",
    ] {
        assert!(found[0].text.contains(part), "{part} in\n{}", found[0].text);
    }
    // Changed: the old state goes to the trash. Thrown away: so does the new one.
    house.draft("tok", Some(letter(8, "Better"))).await;
    assert_eq!(house.run().await.carried.drafts, 1);
    assert_eq!(
        drafts(FolderKind::Drafts)[0].field("Subject"),
        Some("Better")
    );
    assert_eq!(drafts(FolderKind::Trash).len(), 1);
    house.draft("tok", None).await;
    assert_eq!(house.run().await.carried.drafts, 1);
    assert!(drafts(FolderKind::Drafts).is_empty());
    assert_eq!(drafts(FolderKind::Trash).len(), 2);
    assert_eq!(house.run().await.carried, NOTHING);
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
    house.platform.state().away = true;
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
    house.platform.state().away = false;
    assert_eq!(house.run().await.carried.sent, 1, "a new one goes on");
}

#[tokio::test]
async fn without_imap_it_is_told_or_its_writer_gets_a_copy() {
    let house = House::new().await;
    house.sent(BOB, "a@us").await;
    let plan = house.plan().await;
    assert_eq!((plan.carried.cannot, plan.carried.done()), (1, 0));
    assert_eq!(plan.skipped[0].reason, "no-imap");
    assert_eq!(house.run().await.carried.cannot, 1);
    house.writebacks.configure(Options {
        without_imap: WithoutImap::Copy,
        subject_mark: "[Sent] ".to_owned(),
    });
    assert_eq!(house.plan().await.carried.copied, 1);
    assert_eq!(house.run().await.carried.copied, 1);
    let mail = house.spool.mailbox(BOB, None, 10).unwrap();
    assert_eq!(mail.len(), 1);
    let body = house.spool.body(mail[0].0).unwrap().unwrap();
    let text = String::from_utf8(body.read_at(0, 10_000).unwrap().to_vec()).unwrap();
    for part in [
        "X-Tideover-Copy: sent <a@us>\r\n",
        "Subject: [Sent] x\r\n\r\nhi\r\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let again = house.run().await;
    assert_eq!(again.carried, NOTHING);
    assert_eq!(house.spool.mailbox(BOB, None, 10).unwrap().len(), 1);
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
