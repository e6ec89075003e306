//! Other ways to use the pages: by keyboard, on a phone, without script, in the dark.

use crate::driver::{Browser, Kind, file};
use crate::outage::described;
use crate::place::{ANSWER, EVENT, PASSWORD, PLAIN, Place, RICH};
use crate::seen::look;

pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';

/// Presses Tab until the focus is on what says `text`.
pub(crate) fn tab_to(browser: &Browser, text: &str) {
    let focused = "const at = document.activeElement; \
                   return at.matches('a, button') ? at.textContent.trim() : ''";
    for _ in 0..60 {
        browser.press(&TAB.to_string());
        let at = browser.run(focused, &[]);
        if at.as_str().is_some_and(|at| at.contains(text)) {
            return;
        }
    }
    panic!("Tab does not lead to “{text}”: {}", browser.text());
}

/// Goes to what says `text`, and presses Enter.
pub(crate) fn press_on(browser: &Browser, text: &str) {
    tab_to(browser, text);
    browser.press(&ENTER.to_string());
}

#[test]
fn by_keyboard_alone() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", PLAIN);
    let browser = Browser::start(Kind::Desktop);
    place.enrol(&browser, "ann@example.org");
    press_on(&browser, "Log out");
    browser.wait_text("You are logged out.");
    // The first field has the focus.
    browser.press(&format!("ann@example.org{TAB}{PASSWORD}{ENTER}"));
    browser.wait_text("Re: Lunch");
    browser.press(&TAB.to_string());
    browser.picture("keyboard-skip");
    browser.press(&ENTER.to_string());
    // Enter in a box that can be ticked files nothing away.
    browser.run("document.querySelector('.list input').focus()", &[]);
    browser.turn(|browser| browser.press(&format!(" {ENTER}")));
    press_on(&browser, "Re: Lunch");
    browser.wait_text("Yes, at noon.");
    press_on(&browser, "Reply");
    browser.wait_for("[data-letter]");
    browser.press("Good.");
    tab_to(&browser, "Send");
    browser.picture("keyboard-send");
    browser.press(&ENTER.to_string());
    browser.wait_text("Your message leaves in");
    press_on(&browser, "Undo");
    browser.wait_text("The message has not been sent.");
}

/// Shortcuts: through a list, into a message, back, filed; not while something is typed.
#[test]
fn with_single_keys() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", PLAIN);
    place.deliver("ann@example.org", RICH);
    let browser = Browser::start(Kind::Desktop);
    place.enrol(&browser, "ann@example.org");
    browser.press("jjk");
    browser.picture("keys-list");
    browser.press("jo");
    browser.wait_text("Yes, at noon.");
    browser.press("u");
    browser.wait_for(".picking");
    browser.press("jx#");
    browser.wait_text("The message is in “Deleted”.");
    browser.press("c");
    browser.wait_for("[data-letter]");
    browser.press("e#gi?");
    assert_eq!(browser.value("#to"), "e#gi?");
    browser.run("document.activeElement.blur()", &[]);
    browser.press("gt");
    browser.wait_text("The plan for Monday");
    browser.press("?");
    browser.wait_for("kbd");
    look(&browser, "keys");
    browser.press("/noon\u{e007}");
    browser.wait_text("Re: Lunch");
}

#[test]
fn on_a_phone() {
    let place = Place::open("5m");
    visit(&place, Kind::Phone, "phone");
}

#[test]
fn in_the_dark() {
    let place = Place::open("5m");
    visit(&place, Kind::Dark, "dark");
}

#[test]
fn on_a_phone_in_the_dark() {
    let place = Place::open("5m");
    visit(&place, Kind::Night, "night");
}

/// Looks at each kind of page.
fn visit(place: &Place, kind: Kind, name: &str) {
    place.deliver("ann@example.org", PLAIN);
    place.deliver("ann@example.org", ANSWER);
    place.deliver("ann@example.org", RICH);
    let browser = Browser::start(kind);
    browser.go(&place.url("/login"));
    look(&browser, &format!("{name}-login"));
    browser.go(&place.url("/invite/nothing"));
    look(&browser, &format!("{name}-not-found"));
    browser.go(&place.url("/invite"));
    browser.fill("#code", "ABCD-EFGH-JKLM-NPQR");
    browser.turn(|browser| browser.click("button.primary"));
    described(&browser, "#code", "This code is not valid");
    look(&browser, &format!("{name}-invite-code"));
    let invitation = place.verb(&["user", "invite", "bob@example.org"]).unwrap();
    browser.go(invitation["link"].as_str().unwrap());
    browser.wait_for("#again");
    look(&browser, &format!("{name}-invite"));
    place.enrol(&browser, "ann@example.org");
    look(&browser, &format!("{name}-inbox"));
    browser.click(".list li:last-child a");
    browser.wait_text("Yes, at noon.");
    look(&browser, &format!("{name}-plain"));
    browser.go(&place.url("/"));
    browser.click(".list .unread a");
    browser.wait_for("iframe");
    look(&browser, &format!("{name}-rich"));
    browser.follow("Reply to all");
    browser.wait_for("[data-letter]");
    look(&browser, &format!("{name}-compose"));
    browser.click("[data-switch]");
    browser.wait_for("#rich blockquote");
    look(&browser, &format!("{name}-compose-rich"));
    for (path, sign) in [
        ("sent", ".empty"),
        ("drafts", "h1"),
        ("search?q=noon", ".list"),
    ] {
        browser.go(&place.url(&format!("/{path}")));
        browser.wait_for(sign);
        let page = path.split('?').next().unwrap();
        look(&browser, &format!("{name}-{page}"));
    }
    for (path, sign) in [
        ("settings", "#signature"),
        ("security", "#old"),
        ("keys", "kbd"),
    ] {
        browser.go(&place.url(&format!("/{path}")));
        browser.wait_for(sign);
        look(&browser, &format!("{name}-{path}"));
    }
    let off = ["webmail", "off", "--reason", "all is well"];
    place.verb(&off).unwrap();
    browser.go(&place.url("/"));
    browser.wait_text("Not open at the moment");
    look(&browser, &format!("{name}-closed"));
}

#[test]
fn in_german_on_a_phone() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", PLAIN);
    place.deliver("ann@example.org", EVENT);
    let browser = Browser::start(Kind::German);
    place.set_password(&browser, "ann@example.org");
    browser.wait_text("Ihr Kennwort ist gesetzt.");
    browser.wait_text("On-premise ist seit");
    look(&browser, "german-inbox");
    browser.click(".list .unread a");
    browser.wait_text("Montag, 4. Mai 2026, 12:00 – 13:00");
    look(&browser, "german-event");
    for (path, sign) in [
        ("compose", "[data-letter]"),
        ("search", "code"),
        ("settings", "#signature"),
        ("security", "#old"),
        ("security/second", ".qr"),
        ("keys", "kbd"),
    ] {
        browser.go(&place.url(&format!("/{path}")));
        browser.wait_for(sign);
        look(&browser, &format!("german-{}", path.replace('/', "-")));
    }
}

#[test]
fn with_script_switched_off() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", PLAIN);
    place.deliver("ann@example.org", ANSWER);
    place.deliver("ann@example.org", RICH);
    let browser = Browser::start(Kind::NoScript);
    place.enrol(&browser, "ann@example.org");
    read_a_conversation(&browser);
    assert!(
        !browser.has("[data-select-all]:not([hidden] *)"),
        "a script ran"
    );
    browser.click(".list a");
    browser.wait_for("iframe");
    browser.follow("Reply");
    browser.wait_for("[data-letter]");
    browser.fill("#text", "We shall be there.");
    let notes = file(place.folder(), "notes.txt", b"Bring the keys.\n");
    browser.fill("#file", &notes);
    browser.click("[data-attach]");
    browser.wait_text("notes.txt");
    browser.click("#find-people summary");
    browser.fill("#find", "bak");
    browser.click("button[value=find]");
    browser.wait_text("Bob Baker");
    browser.click("input[name=add]");
    browser.picture("noscript-found");
    browser.click("button.primary[value=send]");
    browser.wait_text("Your message leaves in");
    browser.click("[data-undo] button");
    browser.wait_text("The message has not been sent.");
    assert!(browser.value("#text").contains("We shall be there."));
    assert!(
        browser.value("#to").contains("bob@example.org"),
        "{}",
        browser.value("#to")
    );
    browser.wait_text("notes.txt");
    browser.picture("noscript-back");
}

/// Switches conversations on, and goes through one, by links alone.
fn read_a_conversation(browser: &Browser) {
    browser.follow("Settings");
    browser.click("input[name=conversations]");
    browser.click("main button.primary");
    browser.wait_text("Your settings are saved.");
    browser.click(".side a[href='/']");
    browser.wait_for(".messages");
    browser.click(".list li:last-child a");
    browser.wait_text("Half past would be better.");
    browser.wait_text("2 messages in this conversation");
    browser.click("nav.conversation a");
    browser.wait_text("Yes, at noon.");
    // What came later stands below.
    browser.wait_for("article + nav.conversation a");
    browser.click(".side a[href='/']");
    browser.wait_for(".messages");
}
