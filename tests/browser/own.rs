//! An operator changes his own login: password, second step, sessions.

use crate::driver::{Browser, Kind};
use crate::place::{PASSWORD, Place};
use crate::second::{STEP, code, from_base32, now};
use crate::seen::look;

const ANOTHER: &str = "staple, battery, horse";

fn secret(browser: &Browser) -> Vec<u8> {
    let text = "return document.querySelector('input[name=secret]').value";
    from_base32(browser.run(text, &[]).as_str().unwrap())
}

fn is_out(place: &Place, browser: &Browser) {
    browser.go(&place.console("/me"));
    browser.wait_text("Log in");
    assert!(browser.has("#password"));
}

#[test]
fn an_operator_changes_his_login_and_his_other_browsers_are_logged_out() {
    let place = Place::open("10s");
    let desk = Browser::start(Kind::Desktop);
    place.operate(&desk, "olga", "operator");
    let phone = Browser::start(Kind::Night);
    place.enter(&phone, "olga");
    phone.go(&place.console("/queue"));
    phone.turn(|phone| phone.click("a.caller"));
    phone.wait_text("Where you are logged in");
    look(&phone, "console-me-night");
    phone.follow("Change password");
    phone.wait_text("Your sessions in other browsers end.");
    look(&phone, "console-password-night");

    // One session is ended, then a password is changed, then an app is set up and changed.
    desk.go(&place.console("/me"));
    desk.wait_text("Chrome, Linux");
    look(&desk, "console-me-desktop");
    desk.turn(|desk| desk.click("input[name=id] ~ button"));
    desk.wait_text("The session has ended.");
    is_out(&place, &phone);

    place.enter(&phone, "olga");
    desk.go(&place.console("/password"));
    desk.fill("#old", "not the password");
    desk.fill("#password", ANOTHER);
    desk.fill("#again", ANOTHER);
    desk.turn(|desk| desk.click("main button"));
    desk.wait_text("The password until now is wrong.");
    look(&desk, "console-password-wrong");
    desk.fill("#old", PASSWORD);
    desk.fill("#password", ANOTHER);
    desk.fill("#again", ANOTHER);
    desk.turn(|desk| desk.click("main button"));
    desk.wait_text("Your password is changed: your other sessions have ended.");
    is_out(&place, &phone);

    desk.go(&place.console("/second"));
    let first = secret(&desk);
    let used = now() / STEP;
    desk.fill("#code", &code(&first, used));
    desk.fill("#password", ANOTHER);
    desk.turn(|desk| desk.click("main button.primary"));
    desk.wait_text("Your app is the second step now");
    desk.follow("Take another app");
    desk.wait_text("Code of the app until now");
    look(&desk, "console-second-anew");
    let second = secret(&desk);
    assert_ne!(first, second);
    desk.fill("#code", &code(&second, now() / STEP));
    desk.fill("#old-code", "000000");
    desk.fill("#password", ANOTHER);
    desk.turn(|desk| desk.click("main button.primary"));
    desk.wait_text("Password or code is wrong.");
    desk.fill("#code", &code(&second, now() / STEP));
    desk.fill("#old-code", &code(&first, (now() / STEP).max(used + 1)));
    desk.fill("#password", ANOTHER);
    desk.turn(|desk| desk.click("main button.primary"));
    desk.wait_text("A login takes your password and a code of your app.");
    look(&desk, "console-me-second");

    // What an admin does on the machine.
    let listed = place
        .verb(&["operator", "session", "list", "olga"])
        .unwrap();
    assert_eq!(listed[0]["device"], "Chrome, Linux", "{listed}");
    let ended = place.verb(&["operator", "session", "end", "olga"]).unwrap();
    assert_eq!(ended.as_array().unwrap().len(), 1, "{ended}");
    is_out(&place, &desk);
}
