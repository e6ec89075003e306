use super::*;

#[tokio::test]
async fn a_letter_survives_a_crash_with_its_files() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let sevens = vec![7; 100_000];
    let long = "A long text. ".repeat(10_000);
    let form = [
        ("action", "save"),
        ("to", "bob@example.org"),
        ("subject", "Half done"),
        ("text", &long),
    ];
    let files: [(&str, &str, &[u8]); 2] = [
        ("file", "../a.pdf", b"%PDF-one"),
        ("file", "b.pdf", &sevens),
    ];
    let saved = ann.write_with("/compose", &form, &files).await;
    let path = saved.location().to_owned();
    let cookies = ann.cookies.clone();
    let site = site.crash().await;
    let mut ann = Browser {
        site: &site,
        cookies,
    };
    assert!(ann.get("/drafts").await.has("Half done"));
    let page = ann.get(&path).await;
    assert!(
        page.has("The draft is saved.") && page.has("<bdi>a.pdf</bdi>"),
        "{}",
        page.text
    );
    assert_eq!(
        (page.field("to"), page.written()),
        ("bob@example.org".to_owned(), long)
    );
    let mut bob = site.enrolled("bob@example.org").await;
    assert!(!bob.get("/drafts").await.has("Half done"));
    assert!(!bob.get("/").await.has("Half done"));
    assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);

    ann.write(&path, &[]).await.location();
    assert!(ann.get("/drafts").await.has("No drafts"));
    let id = site
        .webmail
        .0
        .world
        .spool
        .sent("ann@example.org", None, 1)
        .unwrap()[0];
    let message = site.webmail.0.world.spool.body(id).unwrap().unwrap();
    let message = mailbox::read_all(message.as_ref()).unwrap();
    let message = crate::mail::ParsedMessage::parse(&message).unwrap();
    let contents: Vec<&[u8]> = message.parts.iter().map(|part| &*part.content).collect();
    assert_eq!(contents, [b"%PDF-one".as_slice(), &sevens]);
}

#[tokio::test]
async fn a_letter_is_kept_while_it_is_written() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let empty = ann.write("/compose", &[("action", "autosave")]).await;
    assert_eq!(empty.status, StatusCode::NO_CONTENT);
    assert!(ann.get("/drafts").await.has("No drafts"));
    let form = [("action", "autosave"), ("text", "Begun")];
    let saved = ann.write("/compose", &form).await;
    assert!(
        saved.status == StatusCode::OK && saved.has("Saved at "),
        "{}",
        saved.text
    );
    let drafts = ann.get("/drafts").await;
    let (_, rest) = drafts.text.split_once("/compose?draft=").unwrap();
    let path = format!("/compose?draft={}", rest.split('"').next().unwrap());
    let sent = [("to", "c@x.example"), ("text", "Done")];
    ann.write(&path, &sent).await.location();
    // A form that comes late brings no letter back that has left.
    let token = path.rsplit('=').next().unwrap();
    let csrf = ann.get("/compose").await.field("csrf");
    let late = [
        ("csrf", &*csrf),
        ("token", token),
        ("action", "autosave"),
        ("text", "Begun"),
    ];
    assert_eq!(
        ann.upload("/compose", &late, &[]).await.status,
        StatusCode::NO_CONTENT
    );
    assert!(ann.get("/drafts").await.has("No drafts"));
}

#[tokio::test]
async fn a_letter_can_be_thrown_away() {
    let site = Site::new();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let saved = ann
        .write("/compose", &[("action", "save"), ("subject", "Never mind")])
        .await;
    let path = saved.location().to_owned();
    let token = ann.get(&path).await.field("token");
    let csrf = bob.get("/compose").await.field("csrf");
    let form = [("csrf", &*csrf), ("token", &*token)];
    bob.post("/compose/discard", &form).await.location();
    assert!(
        ann.get("/drafts").await.has("Never mind"),
        "it is not bob's"
    );
    let csrf = ann.get(&path).await.field("csrf");
    let form = [("csrf", &*csrf), ("token", &*token)];
    let gone = ann.post("/compose/discard", &form).await;
    assert_eq!(gone.location(), "/drafts?discarded=1");
    assert_eq!(ann.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn files_have_bounds_and_belong_to_their_letter() {
    let site = Site::new();
    let (mut ann, mut bob) = (
        site.enrolled("ann@example.org").await,
        site.enrolled("bob@example.org").await,
    );
    let most = usize::try_from(AT_ONCE.max_attachments).unwrap();
    let (half, rest) = (vec![1; most / 2], vec![2; most / 2 + 1]);
    let form = [
        ("action", "send"),
        ("to", "c@x.example"),
        ("text", "My text"),
    ];
    let files: [(&str, &str, &[u8]); 2] = [("file", "one.pdf", &half), ("file", "two.pdf", &rest)];
    let refused = ann.write_with("/compose", &form, &files).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has("“two.pdf” was not attached") && refused.has("My text"));
    assert!(
        refused.has("<bdi>one.pdf</bdi>") && !refused.has("<bdi>two.pdf"),
        "{}",
        refused.text
    );
    let huge = vec![3; 5 * most];
    let files: [(&str, &str, &[u8]); 1] = [("file", "three.pdf", &huge)];
    let refused = ann.write_with("/compose", &form, &files).await;
    assert!(refused.has("“three.pdf” was not attached") && refused.has("My text"));

    let saved = ann.write_with(
        "/compose",
        &[("action", "attach")],
        &[("file", "x.pdf", b"x")],
    );
    let path = saved.await.location().to_owned();
    let (_, id) = ann
        .get(&path)
        .await
        .text
        .split_once("name=\"keep\" value=\"")
        .map(|(a, b)| (a.to_owned(), b.split('"').next().unwrap().to_owned()))
        .unwrap();
    let stolen = bob
        .write("/compose", &[("to", "c@x.example"), ("keep", &*id)])
        .await;
    stolen.location();
    let sent = site
        .webmail
        .0
        .world
        .spool
        .sent("bob@example.org", None, 1)
        .unwrap()[0];
    assert!(
        !bob.get(&format!("/message/{sent}/source"))
            .await
            .has("x.pdf")
    );
    assert_eq!(
        ann.get(&format!("/message/{id}")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn forms_of_others_are_refused_before_their_files_are_stored() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let (csrf, token) = {
        let page = ann.get("/compose").await;
        (page.field("csrf"), page.field("token"))
    };
    let stored = || site.webmail.0.world.spool.stats().accepted;
    let files: [(&str, &str, &[u8]); 1] = [("file", "a.pdf", b"a")];
    for fields in [
        vec![("csrf", "x"), ("token", &*token)],
        vec![("token", &*token)],
        vec![("csrf", &*csrf), ("token", "../x")],
    ] {
        let refused = ann.upload("/compose", &fields, &files).await;
        assert!(refused.status.is_client_error(), "{fields:?}");
    }
    assert_eq!(stored(), 0);
    assert!(
        ann.post("/compose", &[("csrf", &csrf)])
            .await
            .status
            .is_client_error()
    );
}

/// Two pages of one letter: what the newer one wrote is not written over without a word.
#[tokio::test]
async fn the_older_of_two_tabs_replaces_nothing_unasked() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let first = [
        ("action", "save"),
        ("subject", "Plan"),
        ("text", "first words"),
    ];
    let kept = ann.write("/compose", &first).await;
    let path = kept.location().to_owned();
    let older = ann.get(&path).await;
    let newer = ann.get(&path).await;
    let fields = |page: &Answer, action: &'static str, text: &'static str| {
        let names = ["csrf", "token", "page", "known"];
        let mut all: Vec<(&str, String)> = names.map(|name| (name, page.field(name))).into();
        all.extend([("subject", "Plan".to_owned()), ("text", text.to_owned())]);
        all.push(("action", action.to_owned()));
        all
    };
    let text_of = async |ann: &mut Browser<'_>| ann.get(&path).await.written();
    // A page goes on after itself, also when it does not know how often it was kept.
    for words in ["second", "third"] {
        let kept = post(&mut ann, &fields(&newer, "autosave", words)).await;
        assert_eq!(kept.status, StatusCode::OK);
    }
    // The script of the other one hears of it, and stops.
    let late = post(&mut ann, &fields(&older, "autosave", "late")).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.has("changed in another window"), "{}", late.text);
    assert_eq!(text_of(&mut ann).await, "third");
    // Whoever presses a button is told, has his text, and may press again.
    for action in ["save", "send", "attach", "find"] {
        let told = post(&mut ann, &fields(&older, action, "late")).await;
        assert_eq!(told.status, StatusCode::CONFLICT, "{action}");
        assert_eq!(told.written(), "late");
        assert_eq!(text_of(&mut ann).await, "third", "{action}");
        if action == "find" {
            post(&mut ann, &fields(&told, "save", "late"))
                .await
                .location();
        }
    }
    assert_eq!(text_of(&mut ann).await, "late");
    // And now it is the other one that is behind.
    let behind = post(&mut ann, &fields(&newer, "save", "fourth")).await;
    assert_eq!(behind.status, StatusCode::CONFLICT);
}

async fn post(browser: &mut Browser<'_>, fields: &[(&str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, one)| (*name, &**one)).collect();
    browser.upload("/compose", &fields, &[]).await
}

/// Without script, too, nothing that was typed is lost when a session ends meanwhile.
#[tokio::test]
async fn who_is_logged_out_while_writing_keeps_the_text() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let page = ann.get("/compose").await;
    let csrf = page.field("csrf");
    let typed = |page: &Answer, action: &str| {
        let names = ["csrf", "token", "page", "known"];
        let mut all: Vec<(&str, String)> = names.map(|name| (name, page.field(name))).into();
        let words = [
            ("to", "<far@x.example>, \"A\" <a@x.example>"),
            ("bcc", "b@x.example"),
            ("subject", "Plan & <more>"),
            ("text", "all that I typed </textarea><script>"),
            ("action", action),
        ];
        all.extend(words.map(|(name, value)| (name, value.to_owned())));
        all
    };
    ann.post("/logout", &[("csrf", &csrf)]).await.location();
    for action in ["send", "save", "attach"] {
        let kept = post(&mut ann, &typed(&page, action)).await;
        assert_eq!(kept.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            kept.written().replace("&#60;", "<"),
            "all that I typed </textarea><script>"
        );
        assert_eq!(kept.field("to"), "<far@x.example>, \"A\" <a@x.example>");
        assert_eq!(kept.field("bcc"), "b@x.example");
        assert!(!kept.has("<script>"), "{}", kept.text);
    }
    // What the script asks for by itself, and nothing at all, is no letter.
    let quiet = post(&mut ann, &typed(&page, "autosave")).await;
    assert!(quiet.location().starts_with("/login"));
    assert!(ann.post("/compose", &[]).await.status.is_client_error());
    let put_back = post(&mut ann, &typed(&page, "send")).await;
    // Logged in in another tab: once more, and it is kept.
    let (mut again, done) = whose::log_in(&site, "ann@example.org", PASSWORD).await;
    done.location();
    let told = post(&mut again, &typed(&put_back, "save")).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);
    let kept = post(&mut again, &typed(&told, "save")).await;
    let path = kept.location().to_owned();
    assert!(again.get(&path).await.has("all that I typed"));
    assert!(
        !again.get("/sent").await.has("Plan"),
        "and nothing was sent"
    );
}

/// Anybody can send such a form: it costs nothing to answer it.
#[tokio::test]
async fn what_a_visitor_sends_goes_back_as_it_came() {
    let site = Site::new();
    let mut visitor = Browser::new(&site);
    let token = "0".repeat(64);
    let html = "<b>&&&\"</b>";
    let form = |text: &'static str| {
        let fields = [("token", &*token), ("text", text), ("html", html)];
        fields.map(|(name, value)| (name, value.to_owned()))
    };
    let both = post(&mut visitor, &form("&&&")).await;
    assert_eq!(both.status, StatusCode::UNAUTHORIZED);
    assert_eq!(both.written().replace("&#38;", "&"), "&&&");
    assert!(!both.has("name=\"html\""), "{}", both.text);
    let only = post(&mut visitor, &form("")).await;
    assert_eq!(only.status, StatusCode::UNAUTHORIZED);
    assert_eq!(only.field("html").replace("&#38;", "&"), html);
}

/// A letter goes out from one page; what the older one says is another letter, and is not taken
/// for what was sent.
#[tokio::test]
async fn what_the_older_page_says_is_not_lost_when_the_letter_is_sent() {
    for site in [Site::new(), Site::with_undo()] {
        let mut ann = site.enrolled("ann@example.org").await;
        let attach = [("action", "attach"), ("to", "c@x.example")];
        let kept = ann.write_with("/compose", &attach, &[("file", "a.pdf", b"a")]);
        let path = kept.await.location().to_owned();
        let older = ann.get(&path).await;
        let newer = ann.get(&path).await;
        let (_, file) = older.text.split_once("name=\"keep\" value=\"").unwrap();
        let file = file.split('"').next().unwrap().to_owned();
        let fields = |page: &Answer, action: &'static str, text: &'static str| {
            let names = ["csrf", "token", "page", "known", "to"];
            let mut all: Vec<(&str, String)> = names.map(|name| (name, page.field(name))).into();
            all.extend([("text", text.to_owned()), ("action", action.to_owned())]);
            all.push(("keep", file.clone()));
            all
        };
        // What was kept from another page takes no files away.
        post(&mut ann, &fields(&newer, "autosave", "newer")).await;
        let told = post(&mut ann, &fields(&older, "save", "older")).await;
        assert_eq!(told.status, StatusCode::CONFLICT);
        assert!(told.has("<bdi>a.pdf</bdi>"), "{}", told.text);

        let gone = post(&mut ann, &fields(&newer, "send", "newer")).await;
        gone.location();
        let quiet = post(&mut ann, &fields(&older, "autosave", "older")).await;
        assert_eq!(quiet.status, StatusCode::CONFLICT);
        assert!(quiet.has("sent from another window"), "{}", quiet.text);
        for action in ["save", "send"] {
            let told = post(&mut ann, &fields(&older, action, "older")).await;
            assert_eq!(told.status, StatusCode::CONFLICT, "{action}");
            assert!(told.has("it is a new message now"), "{}", told.text);
            assert_eq!(told.written(), "older");
            assert_ne!(told.field("token"), older.field("token"));
            let kept = post(&mut ann, &fields(&told, "save", "older")).await;
            assert!(kept.location().starts_with("/compose?draft="), "{action}");
        }
        // A double click, or the network once more.
        let twice = post(&mut ann, &fields(&newer, "send", "newer")).await;
        assert!(twice.location().starts_with("/sent"));
    }
}
