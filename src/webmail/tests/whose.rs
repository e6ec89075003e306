//! Accounts belong to people, and addresses go from one person to another.

use super::*;
use crate::directory::{ImportOptions, read_csv};

const LETTER: [(&str, &str); 3] = [
    ("to", "far@x.example"),
    ("subject", "From Ann"),
    ("text", "Hers."),
];

/// Rows of address and aliases; the directory changes, and nobody has looked yet.
pub(super) fn change(site: &Site, rows: &str) {
    let csv = format!("address,aliases,type\n{rows}");
    let directory = read_csv(csv.as_bytes(), ImportOptions::default()).unwrap();
    site.webmail.0.world.directory.replace(directory);
}

/// Ann leaves, and Bob, who was there, gets her address.
pub(super) const LEFT: &str = "bob@example.org,ann@example.org,mailbox\n";
/// Everybody else has another one.
const HERS: &str = "a horse of her own";
const BOTH: &str = "ann@example.org,,mailbox\nbob@example.org,,mailbox\n";

pub(super) async fn log_in<'a>(
    site: &'a Site,
    address: &str,
    password: &str,
) -> (Browser<'a>, Answer) {
    let mut browser = Browser::new(site);
    let csrf = browser.get("/login").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("address", address),
        ("password", password),
    ];
    let answer = browser.post("/login", &form).await;
    (browser, answer)
}

#[tokio::test]
async fn who_left_is_out_when_the_address_is_somebody_elses() {
    let site = Site::with_undo();
    let mut bob = site.enrolled("bob@example.org").await;
    let mut ann = site.enrolled("ann@example.org").await;
    site.deliver(&["bob@example.org"], MAIL).await;
    ann.write("/compose", &LETTER).await.location();
    ann.write("/compose", &[("action", "save"), ("subject", "Half")])
        .await
        .location();
    let csrf = ann.get("/security").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("old", PASSWORD),
        ("password", HERS),
        ("again", HERS),
    ];
    ann.post("/security/password", &form).await.location();
    let accounts = &site.webmail.0.world.accounts;
    let unused = accounts.invite(&"ann@example.org".parse().unwrap()).await;
    let unused = format!("/invite/{}", unused.unwrap());
    change(&site, LEFT);
    for is_written_down in [false, true] {
        for path in [
            "/",
            "/sent",
            "/drafts",
            "/compose",
            "/settings",
            "/security",
        ] {
            let page = ann.get(path).await;
            assert!(page.location().starts_with("/login?next="), "{path}");
        }
        let sent = ann.upload("/compose", &LETTER, &[]).await;
        assert!(sent.location().starts_with("/login"));
        if !is_written_down {
            site.judge().await;
        }
    }
    // What was to leave in these seconds does not.
    site.pass(11);
    site.webmail.send_due().await;
    for address in ["ann@example.org", "bob@example.org"] {
        let sent = site.webmail.0.world.spool.sent(address, None, 9);
        assert_eq!(sent.unwrap(), [], "{address}");
    }
    // The same words, whether the password is right or wrong.
    let (_, right) = log_in(&site, "ann@example.org", HERS).await;
    let (_, wrong) = log_in(&site, "zoe@example.org", "wrong password").await;
    assert_eq!(right.status, wrong.status);
    let cut = |page: &Answer| {
        let text = page.text.replace("zoe@", "ann@");
        let (head, rest) = text.split_once("name=\"csrf\" value=\"").unwrap();
        format!("{head}{}", rest.split_once('"').unwrap().1)
    };
    assert_eq!(cut(&right), cut(&wrong));
    assert_eq!(
        Browser::new(&site).get(&unused).await.status,
        StatusCode::GONE
    );
    assert!(bob.get("/").await.has("The plan"), "Bob reads his mail");
    assert!(!bob.get("/sent").await.has("From Ann"));
    assert!(!bob.get("/drafts").await.has("Half"));
    // It was a mistake: she has everything again.
    change(&site, BOTH);
    site.judge().await;
    let drafts = ann.get("/drafts").await;
    assert!(
        drafts.has("Half") && drafts.has("From Ann"),
        "{}",
        drafts.text
    );
    let (_, back) = log_in(&site, "ann@example.org", HERS).await;
    back.location();
}

#[tokio::test]
async fn who_is_renamed_keeps_everything() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    ann.write("/compose", &LETTER).await.location();
    ann.write("/compose", &[("action", "save"), ("subject", "Half")])
        .await
        .location();
    change(&site, "ann.lee@example.org,ann@example.org,mailbox\n");
    site.judge().await;
    assert!(
        ann.get("/").await.location().starts_with("/login"),
        "in doubt"
    );
    let world = &site.webmail.0.world;
    let (ann_at, directory) = (
        "ann@example.org".parse().unwrap(),
        world.directory.current(),
    );
    let account = world.accounts.confirm(&ann_at, &directory).await.unwrap();
    assert_eq!(account.person().to_string(), "ann.lee@example.org");
    site.judge().await;
    site.deliver(&["ann.lee@example.org"], MAIL).await;
    assert!(ann.get("/").await.has("The plan"));
    assert!(ann.get("/sent").await.has("From Ann"));
    assert!(ann.get("/drafts").await.has("Half"));
    let page = ann.get("/compose").await;
    let first = page.text.find("<option").unwrap();
    assert!(page.text.split_at(first).1.starts_with("<option>ann.lee@") || page.has("ann.lee@"));
    // By the new address and by that of before; guesses count together.
    for typed in ["ann.lee@example.org", "ann@example.org"] {
        let (mut browser, done) = log_in(&site, typed, PASSWORD).await;
        done.location();
        assert!(browser.get("/drafts").await.has("Half"), "{typed}");
    }
    let list = world.accounts.list().await.unwrap();
    assert_eq!(list.len(), 1);
}

#[tokio::test]
async fn who_has_the_address_of_somebody_who_left_logs_in_with_it() {
    let site = Site::new();
    for who in ["ann@example.org", "bob@example.org"] {
        site.enrolled(who).await;
    }
    let accounts = site.webmail.0.world.accounts.clone();
    change(&site, LEFT);
    site.judge().await;
    assert_eq!(accounts.meant("ann@example.org"), "bob@example.org");
    let (mut browser, done) = log_in(&site, "ann@example.org", PASSWORD).await;
    done.location();
    assert!(browser.get("/settings").await.has("bob@example.org"));
    // Bob has an account: Ann's cannot be his.
    let (ann, directory) = (
        "ann@example.org".parse().unwrap(),
        site.webmail.0.world.directory.current(),
    );
    let refused = accounts.confirm(&ann, &directory).await.unwrap_err();
    assert!(
        refused.to_string().contains("has an account of its own"),
        "{refused}"
    );
    accounts
        .disable(&"bob@example.org".parse().unwrap())
        .await
        .unwrap();
    let account = accounts.confirm(&ann, &directory).await.unwrap();
    assert_eq!(account.person().to_string(), "bob@example.org");
}

#[tokio::test]
async fn an_account_that_begins_anew_has_nothing_of_who_had_the_address() {
    let site = Site::new();
    let mut before = site.enrolled("ann@example.org").await;
    before.write("/compose", &LETTER).await.location();
    let draft = [("action", "save"), ("subject", "Half")];
    before.write("/compose", &draft).await.location();
    let spool = &site.webmail.0.world.spool;
    let id = spool.sent("ann@example.org", None, 9).unwrap()[0];
    let path = format!("/message/{id}");
    assert_eq!(before.get(&path).await.status, StatusCode::OK);
    let accounts = &site.webmail.0.world.accounts;
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let token = accounts.begin_anew(&ann).await.unwrap().token;
    assert!(before.get("/").await.location().starts_with("/login"));
    let (_, old) = log_in(&site, "ann@example.org", PASSWORD).await;
    assert_eq!(old.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut new = Browser::new(&site);
    let invited = format!("/invite/{token}");
    let csrf = new.get(&invited).await.field("csrf");
    let form = [("csrf", &*csrf), ("password", HERS), ("again", HERS)];
    new.post(&invited, &form).await.location();
    site.judge().await;
    assert!(!new.get("/drafts").await.has("Half"));
    for list in ["/sent", "/sent?view=messages", "/search?q=From+Ann"] {
        assert!(!new.get(list).await.has(&id.to_string()), "{list}");
    }
    assert_eq!(new.get(&path).await.status, StatusCode::NOT_FOUND);
    new.write("/compose", &LETTER).await.location();
    assert!(
        new.get("/sent").await.has("From Ann"),
        "what is written since is"
    );
    // What was left is put aside, not thrown away.
    let aside = spool.facts("draft", "").unwrap();
    let is_aside = |key: &str| key.starts_with("ann@example.org until ");
    assert!(aside.iter().any(|(key, _)| is_aside(key)));
}

/// An own address that looks like a tag of somebody else's, when it is no more.
#[tokio::test]
async fn who_had_an_address_like_a_tag_sends_nothing_as_whose_tag_it_is_then() {
    let site = Site::new();
    let night = "ann+night@example.org".parse().unwrap();
    change(
        &site,
        "ann@example.org,,mailbox\nann+night@example.org,,mailbox\n",
    );
    assert_eq!(site.webmail.sender(&night, "").as_ref(), Ok(&night));
    change(&site, "ann@example.org,,mailbox\n");
    for from in ["", "ann@example.org", "ann+night@example.org"] {
        assert!(site.webmail.sender(&night, from).is_err(), "{from}");
    }
}

/// Who was shut out and is renamed is shut out under the new name, also after a restart.
#[tokio::test]
async fn who_is_shut_out_is_so_under_a_new_name() {
    let site = Site::new();
    site.enrolled("ann@example.org").await;
    let accounts = &site.webmail.0.world.accounts;
    let ann = "ann@example.org".parse().unwrap();
    change(&site, "ann.lee@example.org,ann@example.org,mailbox\n");
    let directory = site.webmail.0.world.directory.current();
    accounts.confirm(&ann, &directory).await.unwrap();
    accounts.disable(&ann).await.unwrap();
    site.judge().await;
    assert_eq!(accounts.meant("ann.lee@example.org"), "ann@example.org");
    assert_eq!(accounts.meant("bob@example.org"), "bob@example.org");
}
