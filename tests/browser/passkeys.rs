//! Passkeys with a device that the browser plays itself (WebAuthn §11).

use crate::driver::{Browser, Kind};
use crate::place::{PASSWORD, PLAIN, Place};
use crate::seen::look;
use crate::ways::{ENTER, TAB, press_on};

/// Ann has a password, and is on the page of her passwords and devices.
fn secured(place: &Place, kind: Kind) -> Browser {
    let browser = Browser::start(kind);
    place.set_password(&browser, "ann@example.org");
    browser.wait_for(".side");
    browser.go(&place.url("/security"));
    browser.wait_for("#passkeys-title");
    browser
}

fn add(browser: &Browser) {
    browser.click("a[href='/security/passkey']");
    browser.wait_for("form[data-passkey] #password");
    browser.fill("#password", PASSWORD);
    browser.click("form[data-passkey] .primary");
    browser.wait_for("details.drop");
}

fn log_out(browser: &Browser) {
    browser.click(".who button");
    browser.wait_for("form[data-passkey]:not([hidden])");
}

fn show(browser: &Browser) {
    browser.click("form[data-passkey] button");
}

#[test]
fn a_passkey_is_added_used_and_removed() {
    let place = Place::at_localhost();
    place.deliver("ann@example.org", PLAIN);
    let browser = secured(&place, Kind::Desktop);
    let device = browser.device();
    look(&browser, "passkeys-none");
    browser.click("a[href='/security/passkey']");
    browser.wait_for("form[data-passkey]:not([hidden])");
    assert!(browser.value("#name").contains("Linux"));
    look(&browser, "passkeys-add");
    browser.fill("#password", "wrong password");
    browser.click("form[data-passkey] .primary");
    browser.wait_text("The password is not right");
    look(&browser, "passkeys-wrong");
    assert_eq!(browser.passkeys(&device), 0);
    browser.console();
    browser.run("document.querySelector('#password').value = ''", &[]);
    browser.fill("#password", PASSWORD);
    browser.click("form[data-passkey] .primary");
    browser.wait_text("The passkey has been added.");
    browser.wait_text("not used yet");
    assert_eq!(browser.passkeys(&device), 1);
    // The device has one already.
    add_again(&browser);
    browser.go(&place.url("/security"));

    log_out(&browser);
    look(&browser, "passkeys-login");
    show(&browser);
    browser.wait_text("Re: Lunch");
    browser.go(&place.url("/security"));
    browser.wait_text("used last on");
    look(&browser, "passkeys-one");
    assert_eq!(browser.console(), Vec::<String>::new());

    browser.click("details.drop summary");
    browser.fill("details.drop input[type=password]", "wrong password");
    look(&browser, "passkeys-removing");
    browser.click("details.drop button");
    browser.wait_text("The password is not right");
    look(&browser, "passkeys-not-removed");
    browser.fill("details.drop input[type=password]", PASSWORD);
    browser.click("details.drop button");
    browser.wait_text("The passkey has been removed here.");
    log_out(&browser);
    show(&browser);
    browser.wait_text("This passkey does not let you in");
    look(&browser, "passkeys-refused");
    browser.fill("#address", "ann@example.org");
    browser.fill("#password", PASSWORD);
    browser.click("button.primary");
    browser.wait_text("Re: Lunch");
}

fn add_again(browser: &Browser) {
    browser.click("a[href='/security/passkey']");
    browser.wait_for("form[data-passkey]:not([hidden])");
    browser.fill("#password", PASSWORD);
    browser.click("form[data-passkey] .primary");
    browser.wait_text("This device has a passkey for you already.");
}

#[test]
fn a_device_that_does_not_know_its_user_lets_nobody_in() {
    let place = Place::at_localhost();
    let browser = secured(&place, Kind::Phone);
    let device = browser.device();
    add(&browser);
    look(&browser, "passkeys-phone");
    browser.click("details.drop summary");
    look(&browser, "passkeys-phone-removing");
    browser.forget_user(&device);
    log_out(&browser);
    show(&browser);
    browser.wait_text("No passkey was shown.");
    look(&browser, "passkeys-phone-login");
    // Another address of the same pages is another site to the browser.
    browser.go(&place.url("/login").replace("localhost", "127.0.0.1"));
    browser.wait_for("form[data-passkey]:not([hidden])");
    show(&browser);
    browser.wait_text("Passkeys work at http://localhost");
}

#[test]
fn passkeys_in_the_dark_and_in_german() {
    let place = Place::at_localhost();
    for (kind, name) in [(Kind::Dark, "dark"), (Kind::German, "german")] {
        let browser = secured(&place, kind);
        browser.device();
        browser.click("a[href='/security/passkey']");
        browser.wait_for("form[data-passkey]:not([hidden])");
        look(&browser, &format!("passkeys-{name}-add"));
        browser.fill("#password", PASSWORD);
        browser.click("form[data-passkey] .primary");
        browser.wait_for("details.drop");
        look(&browser, &format!("passkeys-{name}"));
        log_out(&browser);
        look(&browser, &format!("passkeys-{name}-login"));
        show(&browser);
        browser.wait_for(".side");
    }
}

/// The device asks for the finger; all else is done with keys.
#[test]
fn a_passkey_by_keyboard_alone() {
    let place = Place::at_localhost();
    let browser = secured(&place, Kind::Desktop);
    let device = browser.device();
    press_on(&browser, "Add a passkey");
    browser.wait_for("form[data-passkey]:not([hidden])");
    browser.run("document.querySelector('#password').focus()", &[]);
    browser.press(&format!("{PASSWORD}{ENTER}"));
    browser.wait_text("The passkey has been added.");
    press_on(&browser, "Log out");
    browser.wait_for("form[data-passkey]:not([hidden])");
    press_on(&browser, "Log in with a passkey");
    browser.wait_for(".side");
    browser.go(&place.url("/security"));
    // A fold is opened by its own key, and its field is the next.
    browser.wait_for("details.drop");
    browser.run(
        "document.querySelector('details.drop summary').focus()",
        &[],
    );
    browser.press(&format!("{ENTER}{TAB}{PASSWORD}{ENTER}"));
    browser.wait_text("The passkey has been removed here.");
    assert_eq!(
        browser.passkeys(&device),
        1,
        "the device keeps it, and it opens nothing"
    );
}

#[test]
fn without_script_the_page_says_why_there_are_none() {
    let place = Place::at_localhost();
    let browser = Browser::start(Kind::NoScript);
    place.set_password(&browser, "ann@example.org");
    browser.wait_text("Your password is set");
    browser.go(&place.url("/security/passkey"));
    browser.wait_text("This browser has no passkeys here");
    assert!(browser.has("form[data-passkey][hidden]"));
    browser.picture("passkeys-noscript");
    browser.click(".who button");
    browser.wait_for("form[action='/login']");
    assert!(browser.has("form[data-passkey][hidden]"));
}
