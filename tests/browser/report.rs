//! The report as the administrator reads and prints it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::driver::{Browser, Kind};
use crate::place::{PLAIN, Place, RICH};
use crate::seen::examine;

/// Points on an inch (PDF 32000-1 §8.3.2.3), of which an A4 page is 8.27 wide.
const WIDTH: f64 = 595.0;

#[test]
fn the_report_is_read_and_printed() {
    let place = Place::open("5m");
    for message in [PLAIN, RICH] {
        place.deliver("ann@example.org", message);
    }
    let path = place.folder().join("report.html");
    let page = path.to_str().unwrap();
    let report = ["report", "--since", "2020-01-01", "--html", page];
    assert_eq!(place.verb(&report).unwrap()["messages"], 2);
    for (kind, name) in [
        (Kind::Desktop, "report-desktop"),
        (Kind::Phone, "report-phone"),
        (Kind::Dark, "report-dark"),
    ] {
        let browser = Browser::start(kind);
        browser.go(&format!("file://{page}"));
        browser.wait_text("How this was counted");
        examine(&browser, name);
        assert_eq!(wider(&browser), 0, "nothing stands beside the page");
        browser.picture(name);
        assert_eq!(browser.console(), Vec::<String>::new());
    }
    printed(&Browser::start(Kind::Desktop), page);
}

/// On paper, too, everything stands on the page: A4, black on white.
fn printed(browser: &Browser, page: &str) {
    browser.go(&format!("file://{page}"));
    let paper = json!({ "paperWidth": 8.27, "paperHeight": 11.69, "printBackground": false });
    let printed = browser.devtools("Page.printToPDF", &paper);
    let pdf = STANDARD.decode(printed["data"].as_str().unwrap()).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    let pages = memchr::memmem::find_iter(&pdf, "/Type /Page\n").count();
    assert!((1..=4).contains(&pages), "{pages} pages");
    browser.devtools("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    let size = json!({ "width": WIDTH, "height": 842, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", &size);
    assert_eq!(wider(browser), 0, "nothing is cut off");
    examine(browser, "report on paper");
    browser.picture("report-paper");
}

/// By so many pixels the page is wider than its window.
fn wider(browser: &Browser) -> i64 {
    let wider = "const page = document.documentElement; \
                 return Math.max(0, page.scrollWidth - page.clientWidth)";
    browser.run(wider, &[]).as_i64().unwrap()
}
