//! What was typed is not lost: a session that ends meanwhile, a second window with the same letter.

use serde_json::json;

use crate::driver::{Browser, Kind};
use crate::place::{PASSWORD, PLAIN, Place};
use crate::seen::look;

/// Ann writes, and her session is over when she presses Send.
fn logged_out(kind: Kind, name: &str) {
    let place = Place::open("5m");
    place.deliver("ann@example.org", PLAIN);
    let browser = Browser::start(kind);
    place.enrol(&browser, "ann@example.org");
    browser.go(&place.url("/compose"));
    browser.wait_for("[data-letter]");
    browser.fill("#to", "john@x.example");
    browser.fill("#subject", "The hall");
    browser.fill("#text", "It took an hour to write this.");
    browser.devtools("Network.clearBrowserCookies", &json!({}));
    browser.turn(|browser| browser.click("button.primary[value=send]"));
    browser.wait_text("You are logged out");
    assert_eq!(browser.value("#to"), "john@x.example");
    assert_eq!(browser.value("#subject"), "The hall");
    assert!(
        browser
            .value("#text")
            .contains("It took an hour to write this.")
    );
    if kind == Kind::NoScript {
        browser.picture(name);
    } else {
        assert_eq!(browser.focused(), "errors", "it is read out first");
        look(&browser, name);
    }
}

#[test]
fn who_is_logged_out_while_writing_has_the_text() {
    logged_out(Kind::Phone, "logged-out-phone");
}

#[test]
fn who_is_logged_out_while_writing_has_the_text_without_script() {
    logged_out(Kind::NoScript, "logged-out-noscript");
}

#[test]
fn the_older_of_two_windows_says_that_it_is_behind() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", PLAIN);
    let older = Browser::start(Kind::Desktop);
    place.enrol(&older, "ann@example.org");
    older.go(&place.url("/compose"));
    older.wait_for("[data-letter]");
    older.fill("#subject", "The hall");
    older.wait_text("Saved at");
    let newer = Browser::start(Kind::Desktop);
    newer.go(&place.url("/login"));
    newer.fill("#address", "ann@example.org");
    newer.fill("#password", PASSWORD);
    newer.turn(|browser| browser.click("button.primary"));
    newer.go(&place.url("/drafts"));
    newer.click(".list a");
    newer.wait_for("[data-letter]");
    newer.fill("#text", "Words of the newer window.");
    newer.wait_text("Saved at");
    // The script of the other one saves by itself, hears that it is behind, and saves no more.
    older.fill("#text", "Words of the older window.");
    older.wait_text("changed in another window");
    older.turn(|browser| browser.click("[value=save]:not(.sr)"));
    older.wait_for("#errors");
    assert!(older.value("#text").contains("Words of the older window."));
    look(&older, "behind");
    newer.go(&place.url("/drafts"));
    newer.click(".list a");
    newer.wait_for("[data-letter]");
    assert!(newer.value("#text").contains("Words of the newer window."));
    // Pressed once more it counts.
    older.turn(|browser| browser.click("[value=save]:not(.sr)"));
    older.wait_text("The draft is saved");
}
