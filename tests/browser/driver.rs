//! Chromium by its driver: the few commands of W3C WebDriver that the tests need, as JSON over
//! HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::process::Process;
use crate::wait::eventually;

/// The key under which WebDriver names an element (W3C WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const STARTED: &str = "started successfully on port ";

/// How the browser is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Desktop,
    Phone,
    Dark,
    /// A phone in the dark.
    Night,
    NoScript,
    /// A phone whose owner reads German.
    German,
}

/// A browser with one window.
pub(crate) struct Browser {
    driver: SocketAddr,
    session: String,
    _process: Process,
    _folder: tempfile::TempDir,
}

/// An element of a page.
#[derive(Clone)]
struct Element(String);

impl Browser {
    pub(crate) fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("driver.log");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", folder.path());
        let mut process = Process::start(command, &log);
        let port = eventually("the driver says its port", || {
            process.assert_alive(&log);
            let said = std::fs::read_to_string(&log).ok()?;
            let (_, rest) = said.split_once(STARTED)?;
            rest.split_once('.')?.0.parse().ok()
        });
        let mut browser = Self {
            driver: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            _process: process,
            _folder: folder,
        };
        let session = browser
            .ask("POST", "/session", &capabilities(kind))
            .unwrap();
        session["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        if matches!(kind, Kind::Dark | Kind::Night) {
            let features = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
            browser.devtools(
                "Emulation.setEmulatedMedia",
                &json!({ "features": features }),
            );
        }
        if kind == Kind::German {
            browser.devtools("Network.enable", &json!({}));
            let headers = json!({ "Accept-Language": "de-AT,de;q=0.9" });
            browser.devtools(
                "Network.setExtraHTTPHeaders",
                &json!({ "headers": headers }),
            );
        }
        browser
    }

    /// Opens an address.
    pub(crate) fn go(&self, url: &str) {
        self.does("/url", &json!({ "url": url }));
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        self.command("GET", "/url", &Value::Null)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Waits until the address contains `part`.
    pub(crate) fn wait_address(&self, part: &str) {
        eventually(&format!("an address with {part}"), || {
            self.address().contains(part).then_some(())
        });
    }

    /// The text that one can read on the page.
    pub(crate) fn text(&self) -> String {
        let text = self.run("return document.body.innerText", &[]);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until one can read `text`.
    pub(crate) fn wait_text(&self, text: &str) {
        self.eventually(&format!("“{text}” is on the page"), || {
            self.text().contains(text).then_some(())
        });
    }

    /// Waits until there is an element.
    pub(crate) fn wait_for(&self, css: &str) {
        self.element(css);
    }

    /// Is there such an element?
    pub(crate) fn has(&self, css: &str) -> bool {
        self.find(css).is_some()
    }

    /// Clicks an element as soon as that can be done.
    pub(crate) fn click(&self, css: &str) {
        self.eventually(&format!("{css} can be clicked"), || {
            let path = format!("/element/{}/click", self.find(css)?.0);
            self.command("POST", &path, &json!({})).ok()
        });
    }

    /// Clicks the link with exactly this text.
    pub(crate) fn follow(&self, text: &str) {
        self.eventually(&format!("the link “{text}” can be followed"), || {
            let query = json!({ "using": "link text", "value": text });
            let found = self.command("POST", "/element", &query).ok()?;
            let path = format!("/element/{}/click", found[ELEMENT].as_str()?);
            self.command("POST", &path, &json!({})).ok()
        });
    }

    /// Types into a field.
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let field = self.element(css);
        self.does(
            &format!("/element/{}/value", field.0),
            &json!({ "text": text }),
        );
    }

    /// Which element has the focus: its id, or its tag.
    pub(crate) fn focused(&self) -> String {
        let at = "const at = document.activeElement; return at.id || at.localName";
        self.run(at, &[]).as_str().unwrap_or_default().to_owned()
    }

    /// What stands in a field.
    pub(crate) fn value(&self, css: &str) -> String {
        let value = self.run("return document.querySelector(arguments[0]).value", &[css]);
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.act(&strokes);
    }

    /// Presses and releases keys as W3C WebDriver §15.4.2 says it.
    pub(crate) fn act(&self, strokes: &[Value]) {
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": strokes }]);
        self.does("/actions", &json!({ "actions": actions }));
    }

    /// Does what leads to another page, and waits until this one is gone: keys that are pressed
    /// before would be lost with it.
    pub(crate) fn turn(&self, act: impl FnOnce(&Self)) {
        self.run("document.documentElement.dataset.old = ''", &[]);
        act(self);
        let is_new = "return document.readyState === 'complete' \
                      && !('old' in document.documentElement.dataset)";
        self.eventually("another page", || {
            self.run(is_new, &[]).as_bool().filter(|is_new| *is_new)
        });
    }

    /// Runs a script in the page.
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> Value {
        let body = json!({ "script": script, "args": arguments });
        // A page that is just going away runs nothing.
        self.command("POST", "/execute/sync", &body)
            .unwrap_or_default()
    }

    /// Runs a script that calls its last argument when it is done.
    pub(crate) fn run_until_done(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.command("POST", "/execute/async", &body).unwrap()
    }

    /// A command of the developer tools.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", &body).unwrap()
    }

    /// What the browser complained about, by its own log.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self
            .command("POST", "/se/log", &json!({ "type": "browser" }))
            .unwrap();
        let entries = log.as_array().unwrap().iter();
        let is_bad = |entry: &&Value| entry["level"] != "INFO" && entry["level"] != "DEBUG";
        let said = entries
            .filter(is_bad)
            .map(|entry| entry["message"].to_string());
        said.collect()
    }

    /// Gives it a device for passkeys that always says yes (WebAuthn §11.3): its name.
    pub(crate) fn device(&self) -> String {
        let device = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
        });
        let name = self.command("POST", "/webauthn/authenticator", &device);
        name.unwrap().as_str().unwrap().to_owned()
    }

    /// From now on the device does not know who is there (WebAuthn §11.10).
    pub(crate) fn forget_user(&self, device: &str) {
        let nobody = json!({ "isUserVerified": false });
        self.does(&format!("/webauthn/authenticator/{device}/uv"), &nobody);
    }

    /// How many passkeys the device has (WebAuthn §11.6).
    pub(crate) fn passkeys(&self, device: &str) -> usize {
        let path = format!("/webauthn/authenticator/{device}/credentials");
        let found = self.command("GET", &path, &Value::Null).unwrap();
        found.as_array().unwrap().len()
    }

    /// Goes into a frame of the page.
    pub(crate) fn enter(&self, css: &str) {
        let frame = self.element(css);
        self.does("/frame", &json!({ "id": { ELEMENT: frame.0 } }));
    }

    /// Goes out of all frames.
    pub(crate) fn leave(&self) {
        self.does("/frame", &json!({ "id": null }));
    }

    /// Keeps a picture of the window.
    pub(crate) fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.command("GET", "/screenshot", &Value::Null).unwrap();
        let picture = STANDARD.decode(picture.as_str().unwrap()).unwrap();
        std::fs::write(folder.join(name).with_extension("png"), picture).unwrap();
    }

    fn element(&self, css: &str) -> Element {
        self.eventually(&format!("{css} is there"), || self.find(css))
    }

    fn find(&self, css: &str) -> Option<Element> {
        let query = json!({ "using": "css selector", "value": css });
        let found = self.command("POST", "/element", &query).ok()?;
        Some(Element(found[ELEMENT].as_str()?.to_owned()))
    }

    /// Waits; in vain, it shows what is there instead.
    fn eventually<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let waited = std::panic::AssertUnwindSafe(|| eventually(what, &mut probe));
        std::panic::catch_unwind(waited).unwrap_or_else(|_| {
            self.picture(&format!("failed-{}", self.session));
            panic!(
                "{what}: no, at {} there is\n{}",
                self.address(),
                self.text()
            );
        })
    }

    fn does(&self, path: &str, body: &Value) {
        self.command("POST", path, body)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(method, &format!("/session/{}{path}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (at, length) = (self.driver, body.len());
        let mut stream = TcpStream::connect(at).map_err(|error| error.to_string())?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream
            .write_all(request.as_bytes())
            .map_err(|error| error.to_string())?;
        let answer = answer(stream)?;
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser; its own process ends with `_process`.
        if !self.session.is_empty() {
            self.command("DELETE", "", &Value::Null).ok();
        }
    }
}

fn answer(mut stream: TcpStream) -> Result<Value, String> {
    let mut read = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let count = stream.read(&mut piece).map_err(|error| error.to_string())?;
        read.extend_from_slice(&piece[..count]);
        let text = std::str::from_utf8(&read).unwrap_or_default();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let (_, length) = length.split_once("content-length:").ok_or("no length")?;
            let length = length.lines().next().unwrap_or_default().trim();
            if length.parse() == Ok(body.len()) {
                return serde_json::from_str(body).map_err(|error| error.to_string());
            }
        }
        if count == 0 {
            return Err("the driver broke off".to_owned());
        }
    }
}

fn capabilities(kind: Kind) -> Value {
    let mut arguments = vec![
        "--headless=new",
        "--window-size=1280,900",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--lang=en",
    ];
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox");
    }
    let mut options = json!({ "args": arguments });
    match kind {
        Kind::Desktop | Kind::Dark => {}
        Kind::Phone | Kind::Night | Kind::German => {
            let metrics = json!({ "width": 375, "height": 740, "pixelRatio": 2.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        Kind::NoScript => {
            let off = json!({ "profile.managed_default_content_settings.javascript": 2 });
            options["prefs"] = off;
        }
    }
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
    } } })
}

/// A file that a form can take.
pub(crate) fn file(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
