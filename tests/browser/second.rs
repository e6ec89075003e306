//! The second step of the login, and the day on which the phone is not at hand.

use ring::hmac;

use crate::driver::{Browser, Kind};
use crate::outage::{described, no_errors};
use crate::place::{EVENT, PASSWORD, Place};
use crate::seen::look;

/// RFC 6238: a code is good for so many seconds.
pub(crate) const STEP: u64 = 30;

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
    let secret = browser.run(
        "return document.querySelector('.steps code').textContent",
        &[],
    );
    let secret = from_base32(secret.as_str().unwrap());
    let used = now() / STEP;
    browser.fill("#code", &code(&secret, used));
    browser.fill("#password", PASSWORD);
    browser.turn(|browser| browser.click("main button.primary"));
    browser.wait_text("Your recovery codes");
    look(&browser, "second-codes");
    let codes = browser.run(
        "return document.querySelector('.codes code').textContent",
        &[],
    );
    let recovery = codes.as_str().unwrap().to_owned();

    half_way(&browser);
    look(&browser, "second-login");
    browser.fill("#code", "000000");
    browser.turn(|browser| browser.click("button.primary"));
    assert_eq!(browser.focused(), "code");
    described(&browser, "#code", "The code is not right.");
    look(&browser, "second-login-wrong");
    // No code is good twice.
    browser.fill("#code", &code(&secret, (now() / STEP).max(used + 1)));
    browser.turn(|browser| browser.click("button.primary"));
    browser.wait_text("Planning");

    half_way(&browser);
    browser.fill("#code", &recovery);
    browser.turn(|browser| browser.click("button.primary"));
    browser.wait_text("You are logged in with a recovery code; 9 recovery codes are left.");
    look(&browser, "second-recovered");
    half_way(&browser);
    browser.fill("#code", &recovery);
    browser.turn(|browser| browser.click("button.primary"));
    described(&browser, "#code", "The code is not right.");
}

/// Logs out, and in again as far as the password leads.
fn half_way(browser: &Browser) {
    browser.turn(|browser| browser.click(".who button"));
    browser.fill("#address", "ann@example.org");
    browser.fill("#password", PASSWORD);
    browser.turn(|browser| browser.click("button.primary"));
    browser.wait_text("One more step");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program has the clock of the system, too"
)]
pub(crate) fn now() -> u64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    elapsed.unwrap().as_secs()
}

/// What an app shows in a step of time (RFC 4226 §5.3).
pub(crate) fn code(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0x0f);
    let four = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap());
    format!("{:06}", (four & 0x7fff_ffff) % 1_000_000)
}

/// RFC 4648 §6; spaces are for the eye.
pub(crate) fn from_base32(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut rest, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.chars().filter(|c| !c.is_whitespace()) {
        let five = letters.find(letter).unwrap();
        rest = (rest << 5) | u32::try_from(five).unwrap();
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((rest >> bits) & 0xff).unwrap());
            rest &= (1 << bits) - 1;
        }
    }
    bytes
}
