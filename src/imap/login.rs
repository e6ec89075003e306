//! The login for a mailbox: PLAIN, LOGIN, or an OAuth 2 token (RFC 7628, XOAUTH2).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::session::{Answer, Ending, Piece, Session, told};
use super::{ImapError, ImapOptions, ImapSecret};

/// How to say who we are.
struct Way {
    mechanism: &'static str,
    /// What we say when the server asks.
    first: String,
    /// What we say when it asks again: it tells an error that way, and waits for this.
    second: &'static str,
}

impl Session {
    /// Logs in as `name`.
    pub(super) async fn log_in(
        &mut self,
        options: &ImapOptions,
        name: &str,
    ) -> Result<(), ImapError> {
        let secret = read(options.secret.path())?;
        let way = match &options.secret {
            ImapSecret::Password(_) if self.can("AUTH=PLAIN") => Way {
                mechanism: "PLAIN",
                // RFC 4616 §2.
                first: format!("\0{name}\0{secret}"),
                second: "",
            },
            ImapSecret::Password(_) => {
                let login = self.plain_login(name, &secret).await;
                return login.map_err(|error| silenced(error, &[&secret]));
            }
            ImapSecret::Token(_) if self.can("AUTH=OAUTHBEARER") => Way {
                mechanism: "OAUTHBEARER",
                first: oauth_bearer((name, &secret), options),
                // RFC 7628 §3.2.3: a lone ^A, in base64.
                second: "AQ==",
            },
            ImapSecret::Token(_) if self.can("AUTH=XOAUTH2") => Way {
                mechanism: "XOAUTH2",
                first: format!("user={name}\u{1}auth=Bearer {secret}\u{1}\u{1}"),
                second: "",
            },
            ImapSecret::Token(_) => {
                let why = "it takes no tokens, neither OAUTHBEARER nor XOAUTH2";
                return Err(refused(name, why.to_owned()));
            }
        };
        let login = self.authenticate(name, &way).await;
        let said = BASE64.encode(&way.first);
        login.map_err(|error| silenced(error, &[&secret, &said]))?;
        self.learn_capabilities().await
    }

    async fn plain_login(&mut self, name: &str, password: &str) -> Result<(), ImapError> {
        // RFC 9051 §6.2.3.
        if self.can("LOGINDISABLED") {
            let why = "it takes no passwords this way (LOGINDISABLED)";
            return Err(refused(name, why.to_owned()));
        }
        let command = [
            Piece::Word("LOGIN"),
            Piece::Text(name.as_bytes()),
            Piece::Secret(password.as_bytes()),
        ];
        match self.run(&command).await {
            Ok(()) => self.learn_capabilities().await,
            Err(ImapError::Refused { why, .. }) => Err(judged(name, why)),
            Err(error) => Err(error),
        }
    }

    async fn authenticate(&mut self, name: &str, way: &Way) -> Result<(), ImapError> {
        let tag = self.tag();
        let begin = format!("{tag} AUTHENTICATE {}\r\n", way.mechanism);
        self.wire.send(begin.as_bytes()).await?;
        let mut answers = [BASE64.encode(&way.first), way.second.to_owned()].into_iter();
        // A server asks twice at most, and may say its capabilities in between.
        for _ in 0..8 {
            match self.next(&tag).await? {
                Answer::Untagged(_) => {}
                Answer::GoOn => {
                    let answer = answers.next().ok_or(ImapError::Odd)?;
                    self.wire.send(format!("{answer}\r\n").as_bytes()).await?;
                }
                Answer::Ended(Ending::Ok, _) => return Ok(()),
                Answer::Ended(Ending::Refused, why) => return Err(judged(name, why)),
            }
        }
        Err(ImapError::Odd)
    }
}

/// RFC 7628 §3.1.
fn oauth_bearer((name, token): (&str, &str), options: &ImapOptions) -> String {
    // RFC 5801 §4: , and = have other names in there.
    let name = name.replace('=', "=3D").replace(',', "=2C");
    let (host, port) = (&options.host, options.port);
    format!("n,a={name},\u{1}host={host}\u{1}port={port}\u{1}auth=Bearer {token}\u{1}\u{1}")
}

/// Servers repeat what they were told: not to people, and not into the log.
fn silenced(error: ImapError, secrets: &[&str]) -> ImapError {
    let clean = |why: String| {
        secrets
            .iter()
            .fold(why, |why, secret| without(&why, &told(secret.as_bytes())))
    };
    match error {
        ImapError::Login { name, why } => ImapError::Login {
            name,
            why: clean(why),
        },
        ImapError::Refused { what, why } => ImapError::Refused {
            what: clean(what),
            why: clean(why),
        },
        ImapError::Broken(why) => ImapError::Broken(clean(why)),
        ImapError::NotConfigured(_)
        | ImapError::Secret { .. }
        | ImapError::Unreachable { .. }
        | ImapError::Logins { .. }
        | ImapError::Silent
        | ImapError::TooLong
        | ImapError::TooMuch(_)
        | ImapError::Short(_)
        | ImapError::Body(_)
        | ImapError::Odd => error,
    }
}

/// A text without a secret, also where only the beginning of that is left at the end.
fn without(text: &str, secret: &str) -> String {
    let mut clean = text.replace(secret, "…");
    // As much as nobody has by chance.
    for length in (6..secret.len()).rev() {
        let head = secret.get(..length).unwrap_or(secret);
        if let Some(rest) = clean.strip_suffix(head) {
            clean = format!("{rest}…");
            break;
        }
    }
    clean
}

fn refused(name: &str, why: String) -> ImapError {
    ImapError::Login {
        name: name.to_owned(),
        why,
    }
}

/// RFC 5530 §3: with these the login itself was not judged.
fn judged(name: &str, why: String) -> ImapError {
    let upper = why.to_ascii_uppercase();
    let passing = ["[UNAVAILABLE]", "[LIMIT]", "[SERVERBUG]"];
    if passing.iter().any(|code| upper.contains(code)) {
        return ImapError::Broken(why);
    }
    refused(name, why)
}

fn read(file: &Path) -> Result<String, ImapError> {
    let wrong = |why: String| ImapError::Secret {
        file: file.to_owned(),
        why,
    };
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(wrong("is empty, expected the secret".to_owned()));
    }
    Ok(secret.to_owned())
}
