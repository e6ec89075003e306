//! The story of an outage from the user's side.

use serde_json::Value;

use crate::driver::{Browser, Kind, file};
use crate::place::{PASSWORD, PLAIN, Place, RICH};
use crate::platform::Platform;
use crate::seen::look;
use crate::wait::eventually;

/// Logs in, reads, answers with a draft that keeps itself, a file and a completed address, calls
/// the letter back, and files what came in.
#[test]
fn a_user_works_while_the_platform_is_down() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", PLAIN);
    place.deliver("ann@example.org", RICH);
    let browser = Browser::start(Kind::Desktop);
    place.enrol(&browser, "ann@example.org");
    browser.click(".who button");
    browser.wait_text("You are logged out.");
    look(&browser, "login");
    browser.fill("#address", "ann@example.org");
    browser.fill("#password", "wrong password");
    browser.turn(|browser| browser.click("button.primary"));
    // Where one goes on is described by what was wrong.
    assert_eq!(browser.focused(), "password");
    described(
        &browser,
        "#password",
        "Address and password do not fit together.",
    );
    look(&browser, "login-wrong");
    one_refusal(&browser);
    browser.fill("#password", PASSWORD);
    browser.click("button.primary");
    browser.wait_text("On-premise has not been reachable since");
    look(&browser, "inbox");

    browser.click(".list .unread a");
    browser.wait_text("One picture from the Internet was not loaded.");
    look(&browser, "message");
    browser.enter("iframe");
    browser.wait_text("the plan for Monday is attached.");
    assert!(
        !browser.text().contains("bad"),
        "a script of the sender's ran"
    );
    browser.leave();

    answer(&browser, &place);

    browser.click(".side a[href='/']");
    browser.wait_for("[data-select-all]");
    browser.click("[data-select-all]");
    let ticked = "return document.querySelectorAll('.list :checked').length";
    assert_eq!(browser.run(ticked, &[]), 2);
    browser.click("button[value=archive]");
    browser.wait_text("2 messages are in the archive.");
    look(&browser, "inbox-empty");
    browser.fill("#q", "noon from:carla\u{e007}");
    browser.wait_text("Re: Lunch");
    assert!(!browser.text().contains("The plan for Monday"));
    look(&browser, "search");
    browser.go(&place.url("/search"));
    browser.wait_text("has:attachment");
    look(&browser, "search-help");
    no_errors(&browser);
}

fn answer(browser: &Browser, place: &Place) {
    browser.follow("Reply to all");
    browser.wait_for("[data-letter]");
    assert_eq!(browser.value("#cc"), "Bob Baker <bob@example.org>");
    browser.press("We shall be there.");
    assert!(browser.value("#text").starts_with("We shall be there."));
    // It is kept without a word, three seconds after the last change.
    browser.wait_text("Saved at");
    browser.fill("#cc", ", bor");
    let offered = "return [...document.querySelectorAll('#people option')].map((one) => one.value)";
    eventually("an address is completed", || {
        let offered = browser.run(offered, &[]);
        let whole = "Bob Baker <bob@example.org>, Boris Brown <boris@example.org>";
        offered
            .as_array()?
            .contains(&Value::from(whole))
            .then_some(())
    });
    browser.run(
        "document.getElementById('cc').value = arguments[0]",
        &["Bob Baker <bob@example.org>, Boris Brown <boris@example.org>"],
    );
    // Without anybody to go to it stays here, and the summary of what is wrong has the focus.
    let cc = browser.value("#cc");
    for field in ["to", "cc"] {
        let wrong = if field == "to" { "" } else { "no address" };
        let set = format!("document.getElementById('{field}').value = arguments[0]");
        browser.run(&set, &[wrong]);
    }
    browser.turn(|browser| browser.click("button.primary[value=send]"));
    browser.wait_for("#errors[role=alert]");
    assert_eq!(browser.focused(), "errors");
    described(browser, "#cc", "is not an email address");
    assert!(!browser.has("#to[aria-invalid]"));
    look(browser, "compose-wrong");
    one_refusal(browser);
    let to = "document.getElementById('to').value = arguments[0]";
    browser.run(to, &["John Doe <john@x.example>"]);
    browser.run("document.getElementById('cc').value = arguments[0]", &[&cc]);
    upload(browser, place);
    look(browser, "compose");

    // What was written stands among the drafts, without anything having been pressed.
    browser.wait_text("Saved at");
    browser.click("button.primary[value=send]");
    browser.wait_text("Your message leaves in");
    look(browser, "undo");
    browser.click("[data-undo] button");
    browser.wait_text("The message has not been sent.");
    assert!(browser.value("#text").starts_with("We shall be there."));
    assert!(browser.value("#cc").contains("boris@example.org"));
    browser.wait_text("notes.txt");
    browser.follow("Drafts");
    browser.wait_text("Re: The plan for Monday");
    look(browser, "drafts");
}

/// A file goes up: the bar is there and grows, and it is said when the file is there.
fn upload(browser: &Browser, place: &Place) {
    let watch = "window.bars = []; window.told = []; \
        const bar = document.querySelector('progress'); \
        const saved = document.querySelector('[data-saved]'); \
        new MutationObserver(() => window.bars.push([!bar.hidden, bar.value])).observe(bar, \
          { attributes: true }); \
        new MutationObserver(() => window.told.push(saved.textContent)).observe(saved, \
          { childList: true }); \
        return saved.getAttribute('role')";
    assert_eq!(browser.run(watch, &[]), "status");
    let notes = file(place.folder(), "notes.txt", &vec![b'x'; 3 * 1024 * 1024]);
    browser.fill("#file", &notes);
    browser.wait_text("notes.txt");
    browser.wait_for("#files input[name=keep]");
    assert_eq!(browser.focused(), "file");
    let shown = browser.run("return window.bars.some(([shown]) => shown)", &[]);
    let most = browser.run(
        "return Math.max(...window.bars.map(([, value]) => value))",
        &[],
    );
    assert_eq!((shown, most.as_f64()), (Value::Bool(true), Some(1.0)));
    let told = browser.run("return window.told.join('|')", &[]);
    let told = told.as_str().unwrap();
    assert!(told.contains("The files are on their way."), "{told}");
    assert!(told.contains("Attached: notes.txt"), "{told}");
    assert!(!browser.has("progress:not([hidden])"));
}

/// A field says that it is wrong, and its description says why.
pub(crate) fn described(browser: &Browser, field: &str, why: &str) {
    let said = "const field = document.querySelector(arguments[0]); \
        const ids = (field.getAttribute('aria-describedby') ?? '').split(' '); \
        const text = ids.map((id) => document.getElementById(id)?.textContent).join(' '); \
        return `${field.getAttribute('aria-invalid')} ${text}`";
    let said = browser.run(said, &[field]);
    let said = said.as_str().unwrap();
    assert!(
        said.starts_with("true ") && said.contains(why),
        "{field}: {said}"
    );
}

/// A letter between two users arrives while their platform is down, and the page says when it has
/// left.
#[test]
fn colleagues_write_to_each_other_while_the_platform_is_down() {
    let place = Place::open("1s");
    let (ann, bob) = (Browser::start(Kind::Desktop), Browser::start(Kind::Desktop));
    place.enrol(&ann, "ann@example.org");
    place.enrol(&bob, "bob@example.org");
    look(&bob, "inbox-new");
    ann.follow("New message");
    ann.wait_for("#to");
    ann.press("bob@example.org");
    ann.fill("#subject", "Where are you?");
    ann.fill("#text", "In the office?");
    ann.click("button.primary[value=send]");
    ann.wait_address("sent=1");
    ann.wait_text("Your message is on its way.");
    look(&ann, "sent");
    eventually("it is in the inbox", || {
        bob.go(&place.url("/"));
        bob.text().contains("Where are you?").then_some(())
    });
    bob.follow("Settings");
    bob.wait_for("#signature");
    look(&bob, "settings");
    no_errors(&ann);
    recover(&place, &bob);
}

/// The platform is back: what waited has arrived, and nothing is wrong any more.
fn recover(place: &Place, bob: &Browser) {
    bob.go(&place.url("/"));
    bob.wait_text("Waits for On-premise since");
    bob.wait_text("On-premise has not been reachable since");
    let _platform = Platform::open(place.platform);
    eventually(
        "the letter is in the mailbox, and the banner is gone",
        || {
            bob.go(&place.url("/"));
            let text = bob.text();
            assert!(
                text.contains("Where are you?"),
                "it is in the list all the time: {text}"
            );
            let is_back =
                text.contains("Delivered to On-premise") && !text.contains("has not been");
            is_back.then_some(())
        },
    );
    assert!(!bob.text().contains("Waits for"), "{}", bob.text());
    look(bob, "inbox-back");
    bob.click(".list a");
    bob.wait_text("On-premise took it on");
    look(bob, "message-delivered");
}

/// A form was refused, and that is all that went wrong till now.
fn one_refusal(browser: &Browser) {
    let said = browser.console();
    assert!(said.len() == 1 && said[0].contains("422"), "{said:#?}");
}

/// Nothing that the browser refused, and no error of the script.
pub(crate) fn no_errors(browser: &Browser) {
    let said = browser.console();
    assert!(said.is_empty(), "the browser complains: {said:#?}");
}
