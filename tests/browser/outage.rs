//! The story of an outage from the user's side.

use serde_json::Value;

use crate::driver::{Browser, Kind, file};
use crate::place::{EVENT, PASSWORD, PLAIN, Place, RICH};
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
    let plan = file(place.folder(), "notes.txt", b"Bring the keys.\n");
    browser.fill("#file", &plan);
    browser.wait_text("notes.txt");
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
}

/// An invitation is answered; the second step of the login is set up, and asked for.
#[test]
fn a_meeting_is_accepted_and_the_login_gets_a_second_step() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", EVENT);
    let browser = Browser::start(Kind::Desktop);
    place.enrol(&browser, "ann@example.org");
    browser.click(".list a");
    browser.wait_text("Monday, 4 May 2026, 12:00 – 13:00");
    look(&browser, "event");
    browser.click("button[value=accepted]");
    browser.wait_text("Your message leaves in");
    browser.go(&place.url("/security"));
    browser.follow("Set up");
    browser.wait_for(".qr");
    browser.fill("#code", "000000");
    browser.fill("#password", PASSWORD);
    look(&browser, "second-setup");
    no_errors(&browser);
    browser.click("main button.primary");
    browser.wait_text("The code is not right.");
    look(&browser, "second-wrong");
}

/// Nothing that the browser refused, and no error of the script.
fn no_errors(browser: &Browser) {
    let said = browser.console();
    assert!(said.is_empty(), "the browser complains: {said:#?}");
}
