//! An outage from the operators' side: what they see at three in the morning, and what they do.

use crate::driver::{Browser, Kind};
use crate::place::{PASSWORD, PLAIN, Place, RICH};
use crate::seen::look;
use crate::wait::eventually;

/// A subject that would do something if it were not escaped.
const HOSTILE: &str = "From: Eve <eve@x.example>
To: ann@example.org
Subject: <script>document.title='bad'</script><b>Invoice</b>
Message-ID: <eve@x.example>

Pay.
";

/// Each page, and what is to be read on it.
const PAGES: [(&str, &str, &str); 19] = [
    ("/", "overview", "is down since"),
    ("/queue", "queue", "ann@example.org"),
    (
        "/trace?of=ann%40example.org",
        "trace",
        "The plan for Monday",
    ),
    ("/cases", "cases", "No known recipient is refused"),
    ("/backends", "backends", "Look at onprem"),
    ("/backends/onprem", "backend", "Next hops"),
    ("/holds", "holds", "None is in force"),
    (
        "/directory?address=ann%40example.org",
        "directory",
        "Ann Archer",
    ),
    ("/directory/people", "people", "Where its mail goes"),
    ("/directory/people?q=moon", "people-none", "Nobody matches"),
    ("/directory/generations", "generations", "Generation 1"),
    ("/directory/diff?from=0&to=1", "diff", "added"),
    ("/users", "users", "Who can log in"),
    ("/drills", "drills", "Nothing is drilled"),
    ("/waves", "waves", "Plan a replay"),
    ("/mailboxes", "mailboxes", "Nothing is known to be missing"),
    ("/mailboxes/carry", "carry", "There is nothing to carry"),
    ("/config", "config", "The file is the one that runs."),
    ("/config?q=moon", "config-none", "has that in its name"),
];

fn outage() -> Place {
    let place = Place::open("10s");
    for message in [PLAIN, RICH, HOSTILE] {
        place.deliver("ann@example.org", message);
    }
    place
}

fn visit(place: &Place, browser: &Browser, kind: &str) {
    for (path, name, text) in PAGES {
        browser.go(&place.console(path));
        browser.wait_text(text);
        look(browser, &format!("console-{name}-{kind}"));
    }
    browser.go(&place.console("/queue"));
    browser.click(".list.queue li:last-child a");
    browser.wait_text("Envelope and header");
    assert!(browser.text().contains("<script>"), "{}", browser.text());
    look(browser, &format!("console-message-{kind}"));
    browser.go(&place.console("/queue?state=held&older=soon"));
    browser.wait_text("expected for example 30m");
    look(browser, &format!("console-wrong-{kind}"));
    browser.go(&place.console("/queue?sender=nobody%40x.example"));
    browser.wait_text("Nothing that waits matches");
    look(browser, &format!("console-none-{kind}"));
    browser.go(&place.console("/nothing"));
    browser.wait_text("there is no such page");
    look(browser, &format!("console-unknown-{kind}"));
}

#[test]
fn an_outage_is_understood_on_a_desk_and_on_a_phone_at_night() {
    let place = outage();
    let desk = Browser::start(Kind::Desktop);
    place.operate(&desk, "olga", "admin");
    visit(&place, &desk, "desktop");
    let phone = Browser::start(Kind::Night);
    place.enter(&phone, "olga");
    visit(&place, &phone, "night");
    // A page with an error's status is told to the console of the browser: those that are visited
    // for that. Nothing else is.
    let complaints = desk.console();
    let on_purpose = ["/nothing ", "/queue?state=held&older=soon "].map(|path| place.console(path));
    let unexpected = complaints
        .iter()
        .filter(|one| !on_purpose.iter().any(|address| one.contains(address)));
    assert_eq!(unexpected.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn all_of_it_works_without_a_script() {
    let place = outage();
    let browser = Browser::start(Kind::NoScript);
    place.operate(&browser, "olga", "operator");
    browser.wait_text("is down since");
    browser.go(&place.console("/queue?recipient=ann%40example.org"));
    browser.click(".deed summary");
    browser.follow("Hold…");
    browser.wait_text("nothing is done yet");
    assert!(!browser.has("a[data-deed=drop]"), "that is for admins");
    browser.fill("#reason", "a flood");
    browser.click("button.primary");
    browser.wait_text("is in force");
    browser.go(&place.console("/holds"));
    browser.wait_text("a flood");
    browser.fill("input[name=reason]", "over");
    browser.click("form.doing button");
    browser.wait_text("in the queue again");
    a_wrong_import_is_taken_back(&place, &browser);
}

/// The look says what would happen, and asks for a yes where the verb does.
fn a_wrong_import_is_taken_back(place: &Place, browser: &Browser) {
    let wrong = place.folder().join("wrong.csv");
    std::fs::write(&wrong, "address,name\nzoe@example.org,Zoe <b>Hill</b>\n").unwrap();
    let (name, why) = (wrong.to_string_lossy(), "the wrong file");
    place
        .verb(&["directory", "import", &name, "--yes", "--reason", why])
        .unwrap();
    browser.go(&place.console("/directory/people"));
    browser.wait_text("departed");
    browser.click(".filter summary");
    browser.fill("#q", "Zoe");
    browser.click(".filters + .send button");
    browser.wait_text("Show all");
    browser.wait_text("Zoe <b>Hill</b>");
    browser.go(&place.console("/directory/generations"));
    browser.wait_text(why);
    browser.click("form[action='/directory/revert/look'] button");
    browser.wait_text("nothing is done yet");
    // On a phone at night, too, and for those who cannot see it.
    let phone = Browser::start(Kind::Night);
    place.enter(&phone, "olga");
    phone.go(&place.console("/directory/generations"));
    phone.click("form[action='/directory/revert/look'] button");
    phone.wait_text("nothing is done yet");
    look(&phone, "console-revert-night");
    browser.fill("#reason", "it was the wrong file");
    if browser.has("input[name=yes]") {
        browser.click("input[name=yes]");
    }
    browser.click("form.act button");
    browser.wait_text("Generation 3 was made");
    browser.go(&place.console("/directory/people?q=zoe&state=named"));
    browser.wait_text("Nobody matches");
}

/// What changes is seen without reloading; who presses keys only gets everywhere.
#[test]
fn the_overview_keeps_itself_up_to_date_and_keys_are_enough() {
    let place = outage();
    let browser = Browser::start(Kind::Desktop);
    place.operate(&browser, "olga", "operator");
    browser.wait_text("Kept up to date.");
    place
        .verb(&["backend", "hold", "onprem", "--reason", "disks are changed"])
        .unwrap();
    browser.wait_text("disks are changed");
    look(&browser, "console-overview-held");
    browser.press("\u{e004}");
    browser.turn(|browser| {
        browser.run(
            "document.querySelector('a[href=\"/backends/onprem\"]').focus()",
            &[],
        );
        browser.press("\u{e007}");
    });
    browser.wait_text("What to do with it");
    browser.run(
        "document.querySelector('form[action$=resume] input[name=reason]').focus()",
        &[],
    );
    browser.press("done");
    browser.turn(|browser| browser.press("\u{e007}"));
    browser.wait_text("onprem is resumed");
}

/// What runs, what somebody wrote meanwhile, and the way from one to the other.
#[test]
fn the_config_is_read_compared_and_taken_over() {
    let place = outage();
    let file = place.folder().join("tideover.toml");
    let runs = std::fs::read_to_string(&file).unwrap();
    let browser = Browser::start(Kind::Desktop);
    place.operate(&browser, "olga", "admin");
    std::fs::write(&file, runs.replace("down_after = 1", "down_after = \"x\"")).unwrap();
    browser.go(&place.console("/config"));
    browser.wait_text("would be refused");
    assert!(
        browser.text().contains("backend.onprem.probe.down_after"),
        "{}",
        browser.text()
    );
    look(&browser, "config-refused-desktop");
    std::fs::write(&file, runs.replace("mx.example.org", "mx2.example.org")).unwrap();
    browser.go(&place.console("/config"));
    browser.wait_text("needs a restart");
    look(&browser, "config-restart-desktop");
    std::fs::write(&file, runs.replace("up_after = 1", "up_after = 4")).unwrap();
    browser.go(&place.console("/config?q=probe"));
    browser.wait_text("changed since");
    look(&browser, "config-changed-desktop");
    // With keys only: a key opens and says what it does, a reason, Enter.
    browser.run("document.querySelector('.settings summary').focus()", &[]);
    browser.press("\u{e007}");
    browser.wait_text("From one probe to the next");
    look(&browser, "config-open-desktop");
    browser.run(
        "document.querySelector('form[action$=reload] input[name=reason]').focus()",
        &[],
    );
    browser.press("four are safer");
    browser.turn(|browser| browser.press("\u{e007}"));
    browser.wait_text("The file is the one that runs.");
    let probe = place.verb(&["config", "probe"]).unwrap();
    assert_eq!(probe["disk"]["state"], "same");
    let phone = Browser::start(Kind::Night);
    place.enter(&phone, "olga");
    std::fs::write(&file, runs.replace("up_after = 1", "up_after = 2")).unwrap();
    phone.go(&place.console("/config?q=probe"));
    phone.wait_text("changed since");
    look(&phone, "config-changed-night");
}

/// A domain moves, and a replay is planned, started and stopped: each in two steps.
#[test]
fn a_move_and_a_replay_are_done_from_their_pages() {
    let place = outage();
    let browser = Browser::start(Kind::Desktop);
    place.operate(&browser, "olga", "operator");
    browser.go(&place.console("/holds"));
    browser.fill(
        "form[action='/moves/look'] input[name=domain]",
        "example.org",
    );
    browser.fill(
        "form[action='/moves/look'] input[name=reason]",
        "the weekend",
    );
    browser.click("form[action='/moves/look'] button");
    browser.wait_text("nothing is done yet");
    look(&browser, "console-move-look");
    assert_eq!(
        place.verb(&["move", "status"]).unwrap(),
        serde_json::json!([])
    );
    if browser.has("input[name=force]") {
        browser.click("input[name=force]");
    }
    browser.click("form[action='/moves/step'] button");
    browser.wait_text("Back out…");
    look(&browser, "console-moving");
    let moving = place.verb(&["move", "status"]).unwrap();
    assert_eq!(moving[0]["reason"], "the weekend", "{moving}");
    browser.go(&place.console("/waves"));
    browser.fill("#since", "24h");
    browser.fill("#reason", "its store was restored");
    browser.click("form[action='/replays/plan'] button");
    // Nothing was delivered yet: a plan that would bring nothing has no start.
    browser.wait_text("It would bring nothing");
    assert!(!browser.has("form[action$='/start']"));
    look(&browser, "console-replay-planned");
}

/// A form that comes when the session is over: what was not done is said, and its page is found
/// again.
#[test]
fn a_form_that_comes_too_late_leads_back_to_its_page() {
    let place = outage();
    let browser = Browser::start(Kind::Night);
    place.operate(&browser, "olga", "operator");
    browser.go(&place.console("/waves"));
    browser.fill("#since", "24h");
    browser.fill("#reason", "its store was restored");
    place.verb(&["operator", "session", "end", "olga"]).unwrap();
    browser.click("form[action='/replays/plan'] button");
    browser.wait_text("it was NOT done");
    look(&browser, "console-late-login-night");
    browser.fill("#name", "olga");
    browser.fill("#password", PASSWORD);
    browser.click("button.primary");
    browser.wait_text("It was not done");
    look(&browser, "console-late-night");
    browser.click(".card .primary");
    browser.wait_text("There are none.");
    let replays = place.verb(&["replay", "list"]).unwrap();
    assert_eq!(replays, serde_json::json!([]));
    // All pages can be reached from each, also where their row does not fit.
    browser.click(".all-pages");
    eventually("the list of pages is in sight", || {
        let is_seen = "const place = document.querySelector('#pages').getBoundingClientRect(); \
                       return place.height > 0 && place.bottom <= innerHeight + 1";
        (browser.run(is_seen, &[]) == true).then_some(())
    });
    browser.click("#pages a[href='/drills']");
    browser.wait_text("Nothing is drilled");
    look(&browser, "console-pages-night");
}
