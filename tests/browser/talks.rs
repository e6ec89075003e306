//! Conversations, and letters with formatting.

use serde_json::json;

use crate::driver::{Browser, Kind};
use crate::place::{ANSWER, PLAIN, Place};
use crate::seen::look;
use crate::wait::eventually;
use crate::ways::tab_to;

const ENTER: char = '\u{e007}';
const LEFT: char = '\u{e012}';
const SHIFT: char = '\u{e008}';

/// Reads a conversation, answers with formatting, finds the draft as it was, and sees the answer
/// among the rest.
#[test]
fn a_conversation_is_read_and_answered_with_formatting() {
    let place = Place::open("1s");
    place.deliver("ann@example.org", PLAIN);
    place.deliver("ann@example.org", ANSWER);
    let browser = Browser::start(Kind::Desktop);
    place.enrol(&browser, "ann@example.org");
    browser.follow("Settings");
    browser.click("input[name=conversations]");
    browser.click("main button.primary");
    browser.wait_text("Your settings are saved.");
    browser.click(".side a[href='/']");
    browser.wait_for(".messages");
    look(&browser, "talk-inbox");
    browser.click(".list .unread a");
    browser.wait_text("Half past would be better.");
    browser.wait_text("2 messages in this conversation");
    look(&browser, "talk-message");
    // To the older one and back, by keyboard alone.
    tab_to(&browser, "Carla Costa");
    browser.turn(|browser| browser.press(&ENTER.to_string()));
    browser.wait_text("Yes, at noon.");
    tab_to(&browser, "Dan Dorn");
    browser.turn(|browser| browser.press(&ENTER.to_string()));
    browser.wait_text("Half past would be better.");

    browser.follow("Reply");
    browser.wait_for("[data-letter]");
    browser.click("[data-switch]");
    browser.wait_for("#rich blockquote");
    browser.press("Fine with ");
    browser.click("[data-do=bold]");
    browser.press("me");
    browser.click("[data-do=bold]");
    browser.press(&format!(".{ENTER}"));
    browser.click("[data-do=insertUnorderedList]");
    browser.press(&format!("starter{ENTER}main dish"));
    select_back(&browser, "dish".len());
    browser.click("[data-do=link]");
    browser.press(&format!("menu.example/today{ENTER}"));
    let made = browser.run("return document.getElementById('rich').innerHTML", &[]);
    let made = made.as_str().unwrap().to_owned();
    for piece in [
        "<b>me</b>",
        "<li>starter</li>",
        "<a href=\"https://menu.example/today\">dish</a>",
        "<blockquote>",
    ] {
        assert!(made.contains(piece), "{piece}: {made}");
    }
    browser.wait_text("Saved at");
    look(&browser, "talk-rich");

    browser.follow("Drafts");
    browser.click(".list a");
    browser.wait_for("#rich b");
    look(&browser, "talk-draft");
    browser.click("button.primary[value=send]");
    browser.wait_address("sent=1");
    browser.click(".list a");
    browser.wait_for("iframe");
    browser.wait_text("3 messages in this conversation");
    look(&browser, "talk-sent");
    browser.enter("iframe");
    browser.wait_text("Fine with me.");
    assert!(browser.has("li a[href='https://menu.example/today']"));
    browser.leave();
    let said = browser.console();
    assert!(said.is_empty(), "the browser complains: {said:#?}");
}

/// Marks so many characters before the place where one writes.
fn select_back(browser: &Browser, characters: usize) {
    let mut actions = vec![json!({ "type": "keyDown", "value": SHIFT.to_string() })];
    for _ in 0..characters {
        for kind in ["keyDown", "keyUp"] {
            actions.push(json!({ "type": kind, "value": LEFT.to_string() }));
        }
    }
    actions.push(json!({ "type": "keyUp", "value": SHIFT.to_string() }));
    browser.act(&actions);
}

/// Looks at what came with a message: another message, and files that the browser shows by itself.
#[test]
fn what_came_with_a_message_is_looked_at() {
    let place = Place::open("5m");
    place.deliver("ann@example.org", ENCLOSING);
    let browser = Browser::start(Kind::Desktop);
    place.enrol(&browser, "ann@example.org");
    browser.click(".list a");
    browser.wait_text("The hall is booked until noon.");
    look(&browser, "enclosed");
    let shown =
        "return [...document.querySelectorAll('.attachments a[target]')].map((a) => a.href)";
    let shown = browser.run(shown, &[]);
    let shown: Vec<&str> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    let [text, document] = shown[..] else {
        panic!("{shown:?}");
    };
    browser.go(text);
    browser.wait_text("chairs;40");
    browser.go(document);
    let kind = browser.run("return document.contentType", &[]);
    assert_eq!(kind, "application/pdf");
    // The viewer is there, which is a part of the browser; without a window there is no picture of
    // it.
    eventually("the viewer of PDF", || {
        let all = browser.devtools("Target.getTargets", &json!({ "filter": [{}] }));
        let mut targets = all["targetInfos"].as_array()?.iter();
        let is_viewer = |target: &serde_json::Value| {
            let url = target["url"].as_str().unwrap_or_default();
            url.starts_with("chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/")
        };
        targets.any(is_viewer).then_some(())
    });
}

const ENCLOSING: &str = "From: John Doe <john@x.example>
To: ann@example.org
Subject: Fwd: The hall
Content-Type: multipart/mixed; boundary=b

--b

Ann, see below.
--b
Content-Type: message/rfc822

From: Hall <hall@y.example>
To: john@x.example
Subject: The hall
Date: Mon, 04 May 2026 10:00:00 +0000

The hall is booked until noon.

> Is it free in the morning?

--b
Content-Type: text/csv
Content-Disposition: attachment; filename=list.csv

chairs;40
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename=hall.pdf

%PDF-1.1
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 150]/Contents 4 0 R
/Resources<</Font<</F1 5 0 R>>>>>>endobj
4 0 obj<</Length 42>>stream
BT /F1 18 Tf 20 50 Td (The hall) Tj ET
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
%%EOF
--b--
";
