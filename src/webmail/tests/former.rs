//! Mail that came to an address that somebody had before, and who sees it.

use std::io::{Seek as _, Write as _};

use super::*;
use crate::directory::{
    BadRows, Cause, Extent, GenerationOptions, Generations, Guard, Import, Mode, Note,
};

/// A file says who there is, again and again.
struct Office<'a> {
    site: &'a Site,
    generations: Generations,
}

impl<'a> Office<'a> {
    fn of(site: &'a Site) -> Self {
        let world = &site.webmail.0.world;
        let options = GenerationOptions {
            rules: crate::directory::Rules::default(),
            backends: vec![BackendId::new("onprem")],
            max_delete_percent: 100,
        };
        let (directory, spool) = (world.directory.clone(), world.spool.clone());
        let generations = Generations::new(directory, spool, Clock::system(), options);
        Self { site, generations }
    }

    /// Rows of address, aliases and name.
    async fn says(&self, rows: &str) {
        // What came before has an earlier time.
        let begun = Timestamp::from_millis(Clock::system().now().as_millis() + 1);
        while Clock::system().now() <= begun {
            tokio::task::yield_now().await;
        }
        let mut file = tempfile::tempfile().unwrap();
        write!(file, "address,aliases,name\n{rows}").unwrap();
        file.rewind().unwrap();
        let import = Import {
            source: "file".to_owned(),
            extent: Extent::All,
            bad: BadRows::Refuse,
            home: None,
        };
        let note = Note {
            author: "a test".to_owned(),
            reason: String::new(),
            cause: Cause::Import,
            source: Some("file".to_owned()),
        };
        let made = (note, Mode::Commit(Guard::Off));
        self.generations.import(file, import, made).await.unwrap();
        self.site.judge().await;
    }

    async fn deliver(&self, local: &str, subject: &str) -> SpoolId {
        let mail = MAIL.replace("The plan", subject);
        let to = format!("{local}@example.org");
        self.site.deliver(&[&to], &mail).await
    }
}

async fn act(browser: &mut Browser<'_>, action: &str, id: SpoolId) {
    let csrf = browser.get("/").await.field("csrf");
    let id = id.to_string();
    let form = [
        ("csrf", &*csrf),
        ("action", action),
        ("back", "/"),
        ("id", &*id),
    ];
    browser.post("/actions", &form).await.location();
}

const BOTH: &str = "ann@example.org,,Ann Smith\nbob@example.org,,Bob Roe\n";
const RENAMED: &str = "ann.lee@example.org,ann@example.org,Ann Lee\nbob@example.org,,Bob Roe\n";
/// Somebody new has her name of before.
const REUSED: &str =
    "ann.lee@example.org,,Ann Lee\nbob@example.org,,Bob Roe\nann@example.org,,Ida Kern\n";

#[tokio::test]
async fn who_is_renamed_sees_what_came_before_as_he_left_it() {
    let site = Site::new();
    let office = Office::of(&site);
    office.says(BOTH).await;
    let mut ann = site.enrolled("ann@example.org").await;
    let kept = office.deliver("ann", "Kept-mail").await;
    let filed = office.deliver("ann", "Filed-mail").await;
    act(&mut ann, "archive", filed).await;
    office.says(RENAMED).await;
    office.deliver("ann.lee", "New-mail").await;
    for list in ["/", "/?view=messages"] {
        let inbox = ann.get(list).await;
        assert!(inbox.has("Kept-mail") && inbox.has("New-mail"), "{list}");
        assert!(!inbox.has("Filed-mail"), "{list}");
    }
    assert!(ann.get("/archive").await.has("Filed-mail"));
    let found = ann.get("/search?q=mail").await;
    for subject in ["Kept-mail", "Filed-mail", "New-mail"] {
        assert!(found.has(subject), "{subject}");
    }
    // What she does with it now stands beside what she did then.
    act(&mut ann, "delete", kept).await;
    act(&mut ann, "restore", filed).await;
    assert!(ann.get("/deleted").await.has("Kept-mail"));
    let inbox = ann.get("/").await;
    assert!(inbox.has("Filed-mail") && !inbox.has("Kept-mail"));
    let spool = site.webmail.0.world.spool.clone();
    let marks = Marks::new(spool).of("ann@example.org").unwrap();
    assert_eq!(
        marks.read().unwrap().len(),
        2,
        "under the key to which it came"
    );
}

#[tokio::test]
async fn i12_who_gets_an_address_sees_nothing_of_who_had_it_and_the_other_way_round() {
    let site = Site::new();
    let office = Office::of(&site);
    office.says(BOTH).await;
    let mut ann = site.enrolled("ann@example.org").await;
    let hers = office.deliver("ann", "For-the-first").await;
    act(&mut ann, "archive", hers).await;
    office.says(RENAMED).await;
    office
        .says("ann.lee@example.org,,Ann Lee\nbob@example.org,,Bob Roe\n")
        .await;
    office.says(REUSED).await;
    let his = office.deliver("ann", "For-the-second").await;
    let world = &site.webmail.0.world;
    let ida: Mailbox = "ann@example.org".parse().unwrap();
    let directory = world.directory.current();
    let spans = crate::person::spans("ann@example.org", (&ida, None), &directory);
    assert_eq!(spans.len(), 1);
    assert!(spans[0].covers(his.timestamp()) && !spans[0].covers(hers.timestamp()));
    let account = world
        .accounts
        .find("ann@example.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.person().to_string(), "ann.lee@example.org");
    assert!(ann.get("/archive").await.has("For-the-first"));
    assert!(!ann.get("/").await.has("For-the-second"));
    let path = |id: SpoolId| format!("/message/{id}");
    assert_eq!(ann.get(&path(his)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ann.get(&path(hers)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn i12_an_heir_of_an_alias_sees_nothing_of_who_left() {
    let site = Site::new();
    let office = Office::of(&site);
    office.says(BOTH).await;
    let mut bob = site.enrolled("bob@example.org").await;
    office.deliver("ann", "For-Ann").await;
    office
        .says("bob@example.org,ann@example.org,Bob Roe\n")
        .await;
    office.deliver("bob", "For-Bob").await;
    let inbox = bob.get("/").await;
    assert!(inbox.has("For-Bob") && !inbox.has("For-Ann"));
    // And nothing when the address becomes his own.
    office
        .says("ann@example.org,bob@example.org,Bob Roe\n")
        .await;
    office.deliver("ann", "For-Bob-too").await;
    // Whether that is Bob, somebody has to say.
    assert!(bob.get("/").await.location().starts_with("/login"));
    let world = &site.webmail.0.world;
    let (own, directory) = (
        "bob@example.org".parse().unwrap(),
        world.directory.current(),
    );
    world.accounts.confirm(&own, &directory).await.unwrap();
    site.judge().await;
    let inbox = bob.get("/").await;
    assert!(
        inbox.has("For-Bob") && inbox.has("For-Bob-too"),
        "{}",
        inbox.text
    );
    assert!(!inbox.has("For-Ann<"));
}
