//! Logins with the password that a directory server has.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::base::Boxed;
use crate::webmail::front::{Front, Person, Verdict};

const THEIRS: &str = "a password of the organisation";

/// Knows one password for everybody of its directory.
#[derive(Debug)]
struct Server {
    is_away: AtomicBool,
    /// What it was asked about: ids, and nobody.
    asked: Mutex<Vec<Option<String>>>,
    /// Ids and addresses, the own one first.
    people: Mutex<Vec<(&'static str, Vec<&'static str>)>>,
}

impl Server {
    fn asked(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn names(&self, id: &'static str, addresses: &[&'static str]) {
        let mut people = self.people.lock().unwrap();
        people.retain(|(known, _)| *known != id);
        people.push((id, addresses.to_vec()));
    }
}

impl Front for Server {
    fn whose(&self, address: &Mailbox) -> Option<Mailbox> {
        let key = address.key();
        let (local, domain) = key.split_once('@').unwrap();
        let local = local.split('+').next().unwrap();
        let untagged: Mailbox = format!("{local}@{domain}").parse().unwrap();
        self.person(&untagged).map(|person| person.mailbox)
    }

    fn person(&self, address: &Mailbox) -> Option<Person> {
        let people = self.people.lock().unwrap();
        let has = |one: &&(_, Vec<&str>)| one.1.contains(&address.key().as_str());
        let (id, addresses) = people.iter().find(has)?;
        let addresses: Vec<Mailbox> = addresses.iter().map(|one| one.parse().unwrap()).collect();
        Some(Person {
            mailbox: addresses[0].clone(),
            addresses,
            source: "ad".to_owned(),
            id: (*id).to_owned(),
        })
    }

    fn check<'a>(&'a self, person: Option<&'a Person>, password: &'a str) -> Boxed<'a, Verdict> {
        assert!(!password.is_empty(), "an empty password proves nothing");
        let mut asked = self.asked.lock().unwrap();
        asked.push(person.map(|person| person.id.clone()));
        let verdict = if self.is_away.load(Ordering::SeqCst) {
            Verdict::Away
        } else if password == THEIRS {
            // Even of nobody: it must not be believed.
            Verdict::Right
        } else {
            Verdict::Wrong
        };
        Box::pin(std::future::ready(verdict))
    }
}

fn site() -> (Site, Arc<Server>) {
    let server = Arc::new(Server {
        is_away: AtomicBool::new(false),
        asked: Mutex::default(),
        people: Mutex::default(),
    });
    server.names("1", &["ann@example.org", "sales@example.org"]);
    server.names("2", &["bob@example.org"]);
    let front: Arc<dyn Front> = Arc::<Server>::clone(&server);
    let site = Site::changed(|world| world.accounts = world.accounts.clone().behind(front));
    (site, server)
}

impl Browser<'_> {
    pub(super) async fn enter_with(&mut self, address: &str, password: &str) -> Answer {
        let csrf = self.get("/login").await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("address", address),
            ("password", password),
        ];
        self.post("/login", &form).await
    }
}

#[tokio::test]
async fn who_has_no_account_gets_one_with_the_password_of_the_server() {
    let (site, _) = site();
    let accounts = site.webmail.0.world.accounts.clone();
    let mut browser = Browser::new(&site);
    let wrong = browser
        .enter_with("sales@example.org", "wrong password")
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(accounts.list().await.unwrap().is_empty());
    let right = browser.enter_with("sales@example.org", THEIRS).await;
    assert_eq!(right.location(), "/");
    assert!(browser.get("/").await.has("ann@example.org"));
    let all = accounts.list().await.unwrap();
    assert_eq!(all.len(), 1);
    // Nothing of the password is kept; it can be used to choose one for here.
    assert!(!all[0].has_password() && !all[0].is_enrolled() && !all[0].is_invited());
    let facts = site.webmail.0.world.spool.facts("account", "").unwrap();
    assert!(!format!("{facts:?}").contains(THEIRS));
    let csrf = browser.get("/security").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("old", THEIRS),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let changed = browser.post("/security/password", &form).await;
    assert_eq!(changed.location(), "/security?did=password");
    assert!(accounts.list().await.unwrap()[0].has_password());
}

#[tokio::test]
async fn the_own_password_needs_nobody() {
    let (site, server) = site();
    site.enrolled("ann@example.org").await;
    server.is_away.store(true, Ordering::SeqCst);
    let mut browser = Browser::new(&site);
    let own = browser.enter_with("ann@example.org", PASSWORD).await;
    assert_eq!(own.location(), "/");
    assert_eq!(server.asked(), []);
    let away = browser.enter_with("ann@example.org", THEIRS).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.has("cannot be checked now"), "{}", away.text);
    // It says the same of somebody whom nobody knows.
    let unknown = browser.enter_with("eve@example.org", THEIRS).await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE);
    server.is_away.store(false, Ordering::SeqCst);
    let theirs = browser.enter_with("ann@example.org", THEIRS).await;
    assert_eq!(theirs.location(), "/");
}

#[tokio::test]
async fn nobody_learns_who_is_known_and_who_is_shut_out() {
    let (site, server) = site();
    site.enrolled("bob@example.org").await;
    let bob: Mailbox = "bob@example.org".parse().unwrap();
    site.webmail.0.world.accounts.disable(&bob).await.unwrap();
    let mut pages = Vec::new();
    for (address, password, asked) in [
        ("ann@example.org", "wrong password", Some("1")),
        ("bob@example.org", THEIRS, None),
        ("eve@example.org", THEIRS, None),
        ("ann+shop@example.org", THEIRS, None),
        ("no address at all", THEIRS, None),
    ] {
        let refused = Browser::new(&site).enter_with(address, password).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        // The server is asked each time, for it takes time.
        assert_eq!(server.asked(), [asked.map(str::to_owned)], "{address}");
        let csrf = refused.field("csrf");
        pages.push(refused.text.replace(&csrf, "").replace(address, ""));
    }
    pages.dedup();
    assert_eq!(pages.len(), 1);
    for password in [String::new(), "x".repeat(300)] {
        let mut browser = Browser::new(&site);
        let refused = browser.enter_with("ann@example.org", &password);
        assert_eq!(refused.await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn all_names_of_a_person_share_one_count() {
    let (site, server) = site();
    let mut browser = Browser::new(&site);
    for address in [
        "ann@example.org",
        "sales@example.org",
        "ann+a@example.org",
        "SALES+b@example.org",
        "Ann+c@Example.org",
    ] {
        let wrong = browser.enter_with(address, "wrong password").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{address}");
    }
    server.asked();
    for address in ["ann+d@example.org", "ann@example.org", "sales@example.org"] {
        let waits = browser.enter_with(address, THEIRS).await;
        assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS, "{address}");
    }
    assert_eq!(server.asked(), []);
    let other = browser.enter_with("bob@example.org", THEIRS).await;
    assert_eq!(other.location(), "/");
}

#[tokio::test]
async fn who_is_shut_out_does_not_come_in_under_another_name() {
    let (site, server) = site();
    let accounts = &site.webmail.0.world.accounts;
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    accounts.invite(&ann).await.unwrap();
    accounts.disable(&ann).await.unwrap();
    let mut browser = Browser::new(&site);
    for (own, typed) in [
        // By an alias; after a rename that leaves the alias.
        ("ann@example.org", "sales@example.org"),
        ("anna@example.org", "anna@example.org"),
        ("anna@example.org", "ann@example.org"),
    ] {
        server.names("1", &[own, "ann@example.org", "sales@example.org"]);
        let shut = browser.enter_with(typed, THEIRS).await;
        assert_eq!(shut.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
    }
    assert_eq!(accounts.list().await.unwrap().len(), 1);
    // Who came in by the server once is known when the alias is gone, too.
    assert_eq!(
        browser
            .enter_with("bob@example.org", THEIRS)
            .await
            .location(),
        "/"
    );
    let bob: Mailbox = "bob@example.org".parse().unwrap();
    accounts.disable(&bob).await.unwrap();
    server.names("2", &["robert@example.org"]);
    let mut browser = Browser::new(&site);
    let shut = browser.enter_with("robert@example.org", THEIRS).await;
    assert_eq!(shut.status, StatusCode::UNPROCESSABLE_ENTITY);
    // And who left the directory is nobody.
    server.people.lock().unwrap().clear();
    let gone = browser.enter_with("bob@example.org", THEIRS).await;
    assert_eq!(gone.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_id_that_changes_with_the_name_hides_nobody() {
    let (site, server) = site();
    let accounts = &site.webmail.0.world.accounts;
    let browser = || Browser::new(&site);
    let (first, bob) = ("bob@example.org", "bob@example.org".parse().unwrap());
    server.people.lock().unwrap().clear();
    server.names("cn=bob", &["bob@example.org"]);
    assert_eq!(browser().enter_with(first, THEIRS).await.location(), "/");
    accounts.disable(&bob).await.unwrap();
    server.people.lock().unwrap().clear();
    // Renamed, in a source without ids that stay.
    server.names("cn=rob", &["rob@example.org", "bob@example.org"]);
    let shut = browser().enter_with("rob@example.org", THEIRS).await;
    assert_eq!(shut.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(accounts.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn somebody_new_who_has_an_address_of_before_does_not_come_into_the_account() {
    let (site, server) = site();
    let accounts = &site.webmail.0.world.accounts;
    server.people.lock().unwrap().clear();
    server.names("cn=ann", &["ann@example.org"]);
    let mut lee = Browser::new(&site);
    lee.enter_with("ann@example.org", THEIRS).await.location();
    site.judge().await;
    // Ann is Lee now, and keeps her account.
    whose::change(&site, "lee@example.org,ann@example.org,mailbox\n");
    let directory = site.webmail.0.world.directory.current();
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    accounts.confirm(&ann, &directory).await.unwrap();
    assert!(lee.get("/").await.has("lee@example.org"));
    // The address of before is the own one of somebody new, in a source without ids that stay.
    let rows = "lee@example.org,,mailbox\nann@example.org,,mailbox\n";
    whose::change(&site, rows);
    site.judge().await;
    server.people.lock().unwrap().clear();
    server.names("cn=lee", &["lee@example.org"]);
    server.names("cn=ann", &["ann@example.org"]);
    let mut new = Browser::new(&site);
    let shut = new.enter_with("ann@example.org", THEIRS).await;
    assert_eq!(shut.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(new.get("/").await.location().starts_with("/login"));
    assert_eq!(accounts.list().await.unwrap().len(), 1);
    // Lee comes in as before.
    let mut lee = Browser::new(&site);
    lee.enter_with("lee@example.org", THEIRS).await.location();
    assert!(lee.get("/").await.has("lee@example.org"));
}

#[tokio::test]
async fn the_account_goes_along_with_a_new_name_and_with_nobody_else() {
    let (site, server) = site();
    let accounts = &site.webmail.0.world.accounts;
    let mut browser = Browser::new(&site);
    let first = browser.enter_with("ann@example.org", THEIRS).await;
    assert_eq!(first.location(), "/");
    // Renamed: it is the same account.
    server.names("1", &["anna@example.org", "ann@example.org"]);
    let renamed = Browser::new(&site)
        .enter_with("anna@example.org", THEIRS)
        .await;
    assert_eq!(renamed.location(), "/");
    assert_eq!(accounts.list().await.unwrap().len(), 1);
    // She left, and bob has her address: that account is not his.
    server.names("1", &["gone@example.org"]);
    server.names("2", &["bob@example.org", "ann@example.org"]);
    let successor = Browser::new(&site)
        .enter_with("ann@example.org", THEIRS)
        .await;
    assert_eq!(successor.location(), "/");
    assert!(accounts.find("bob@example.org").await.unwrap().is_some());
    // Of an account that nobody ever came to by the server it is not known whose it was.
    accounts
        .invite(&"old@example.org".parse().unwrap())
        .await
        .unwrap();
    server.names("3", &["new@example.org", "old@example.org"]);
    let doubtful = Browser::new(&site)
        .enter_with("new@example.org", THEIRS)
        .await;
    assert_eq!(doubtful.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_second_step_is_asked_for_after_this_password_too() {
    let (site, server) = site();
    let mut browser = site.enrolled("ann@example.org").await;
    browser.secured().await;
    let stepped = Browser::new(&site)
        .enter_with("ann@example.org", THEIRS)
        .await;
    assert_eq!(stepped.status, StatusCode::OK);
    assert!(stepped.has("name=\"half\""), "{}", stepped.text);
    server.names("1", &["ann@example.org", "sales@example.org"]);
    let by_alias = Browser::new(&site)
        .enter_with("sales@example.org", THEIRS)
        .await;
    assert!(by_alias.has("name=\"half\""), "{}", by_alias.text);
    // It goes along with a new name, also when the old one is gone.
    for names in [
        &["anna@example.org", "ann@example.org"][..],
        &["anna@example.org"][..],
    ] {
        server.names("1", names);
        let renamed = Browser::new(&site)
            .enter_with("anna@example.org", THEIRS)
            .await;
        assert!(renamed.has("name=\"half\""), "{names:?}: {}", renamed.text);
    }
}

#[tokio::test]
async fn a_password_of_somebody_else_changes_nothing_of_an_account() {
    let (site, server) = site();
    let mut browser = site.enrolled("ann@example.org").await;
    // Her address leads to bob now, who has a password there.
    server.names("1", &["gone@example.org"]);
    server.names("2", &["bob@example.org", "ann@example.org"]);
    site.enrolled("bob@example.org").await;
    let csrf = browser.get("/security").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("old", THEIRS),
        ("password", "another long password"),
        ("again", "another long password"),
    ];
    let refused = browser.post("/security/password", &form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let own = Browser::new(&site)
        .enter_with("bob@example.org", PASSWORD)
        .await;
    assert_eq!(own.location(), "/");
}

/// The server knows the password, so it has to be shown to us.
#[tokio::test]
async fn programs_log_in_with_the_password_of_the_server() {
    let (site, server) = site();
    let writer = site.program("ann@example.org", THEIRS).await.unwrap();
    assert_eq!(writer.account, "ann@example.org");
    assert!(!site.webmail.offers_scram().await);
    let refused = site.program("ann@example.org", "wrong password").await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
    server.is_away.store(true, Ordering::SeqCst);
    let refused = site.program("ann@example.org", THEIRS).await;
    assert!(matches!(refused, Err(ProgramError::Away)), "{refused:?}");
}
