//! A user of the webmail: a browser without a screen.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::tideover::Tideover;
use super::wait::SHORT;

/// Somebody who is logged in.
pub(crate) struct Webmail {
    /// Host and port.
    at: String,
    cookies: BTreeMap<String, String>,
}

impl Webmail {
    /// The password that everybody sets.
    pub(crate) const PASSWORD: &str = "correct horse battery";

    /// Is the session good?
    pub(crate) fn is_in(&mut self) -> bool {
        let answer = self.ask("GET", "/", ("text/plain", ""));
        assert!(
            answer.starts_with("HTTP/1.1 200") || answer.contains("location: /login"),
            "{answer}"
        );
        answer.starts_with("HTTP/1.1 200")
    }

    /// Does this password let somebody in, in another browser?
    pub(crate) fn logs_in(&self, address: &str, password: &str) -> bool {
        let mut user = Self {
            at: self.at.clone(),
            cookies: BTreeMap::new(),
        };
        let csrf = field(&user.get("/login"), "csrf");
        let body = format!("csrf={csrf}&address={address}&password={password}");
        let body = body.replace('@', "%40").replace(' ', "%20");
        let answer = user.ask(
            "POST",
            "/login",
            ("application/x-www-form-urlencoded", &body),
        );
        answer.starts_with("HTTP/1.1 303")
    }

    /// Invites somebody, who sets a password and is logged in then.
    pub(crate) fn enrol(tideover: &Tideover, address: &str) -> Self {
        let invitation = tideover.json(&["user", "invite", address]);
        let link = invitation["link"].as_str().unwrap();
        let rest = link.strip_prefix("http://").unwrap();
        let (at, path) = rest.split_once('/').unwrap();
        let mut user = Self {
            at: at.to_owned(),
            cookies: BTreeMap::new(),
        };
        let path = format!("/{path}");
        let csrf = field(&user.get(&path), "csrf");
        let form = [
            ("csrf", csrf.as_str()),
            ("password", Self::PASSWORD),
            ("again", Self::PASSWORD),
        ];
        user.post(&path, &form);
        user
    }

    /// Opens a message: it is read then.
    pub(crate) fn read(&mut self, id: &str) {
        self.get(&format!("/message/{id}"));
    }

    /// Does something with messages.
    pub(crate) fn act(&mut self, action: &str, ids: &[String]) {
        let csrf = field(&self.get("/"), "csrf");
        let mut form = vec![("csrf", csrf.as_str()), ("action", action), ("back", "/")];
        form.extend(ids.iter().map(|id| ("id", id.as_str())));
        self.post("/actions", &form);
    }

    /// Writes a letter, and does this with it: `send` or `save`.
    pub(crate) fn write(&mut self, action: &str, (to, subject): (&str, &str)) {
        let page = self.get("/compose");
        let (csrf, token) = (field(&page, "csrf"), field(&page, "token"));
        let fields = [
            ("csrf", csrf.as_str()),
            ("token", token.as_str()),
            ("answers", ""),
            ("to", to),
            ("cc", ""),
            ("bcc", ""),
            ("subject", subject),
            ("text", "Written in the emergency webmail."),
            ("action", action),
        ];
        let fields = fields.map(|(name, value)| {
            format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        let body = fields.concat() + "--xyz--\r\n";
        let answer = self.ask(
            "POST",
            "/compose",
            ("multipart/form-data; boundary=xyz", &body),
        );
        assert!(answer.starts_with("HTTP/1.1 303"), "{action}: {answer}");
    }

    fn get(&mut self, path: &str) -> String {
        let answer = self.ask("GET", path, ("text/plain", ""));
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }

    fn post(&mut self, path: &str, fields: &[(&str, &str)]) {
        let encoded = |text: &str| {
            let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
            bytes.collect::<Vec<_>>().concat()
        };
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
        let body = fields.collect::<Vec<_>>().join("&");
        let answer = self.ask("POST", path, ("application/x-www-form-urlencoded", &body));
        assert!(answer.starts_with("HTTP/1.1 303"), "{path}: {answer}");
    }

    fn ask(&mut self, method: &str, path: &str, (kind, body): (&str, &str)) -> String {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let cookies = self.cookies.iter();
        let cookies: Vec<String> = cookies.map(|(name, it)| format!("{name}={it}")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            self.at,
            cookies.join("; "),
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        for line in answer.lines().take_while(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            if name.eq_ignore_ascii_case("set-cookie") {
                let (name, rest) = value.split_once('=').unwrap();
                let value = rest.split(';').next().unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\"");
    let at = page
        .find(&mark)
        .unwrap_or_else(|| panic!("no {name}: {page}"));
    let (_, rest) = page.split_at(at).1.split_once("value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}
