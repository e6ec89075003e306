//! AUTH (RFC 4954, by SASL, RFC 4422) as a pure state machine: PLAIN (RFC 4616), LOGIN, SCRAM-
//! SHA-256 (RFC 7677) and XOAUTH2.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::error::{Error, Stage};
use super::greeting::unexpected;
use crate::backend::Mechanism;
use crate::credential::{Scram, ServerProof};
use crate::smtp::Reply;

/// Who logs in, and with what. Secrets are never printed.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) secret: Secret,
    /// The only way to log in; `None`: the best that is offered.
    pub(super) mechanism: Option<Mechanism>,
    /// A fresh random text.
    pub(super) nonce: String,
}

/// What proves it.
#[derive(Clone)]
pub(super) enum Secret {
    Password(String),
    Token(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Which reply is expected.
#[derive(Debug)]
pub(super) enum Exchange {
    Username,
    Password,
    Scram(Box<Scram>),
    ServerProof(ServerProof),
    /// XOAUTH2: an error comes as a challenge, and has to be answered before it is told.
    Token,
    /// Everything is said.
    Verdict,
}

/// What the driver does next.
#[derive(Debug)]
pub(super) enum Turn {
    /// Send this line and read a reply.
    Send(Exchange, String),
    /// Logged in.
    Done,
}

/// From the best to the least: what shows the server least of the password.
const BY_PASSWORD: [Mechanism; 3] = [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];

impl Login {
    /// The first line, for a server that offers these mechanisms.
    pub(super) fn begin(&self, offered: &[String]) -> Result<Turn, Error> {
        let possible: &[Mechanism] = match (&self.secret, &self.mechanism) {
            (_, Some(one)) => std::slice::from_ref(one),
            (Secret::Password(_), None) => &BY_PASSWORD,
            (Secret::Token(_), None) => &[Mechanism::Xoauth2],
        };
        let is_offered = |one: &Mechanism| offered.iter().any(|name| name == one.name());
        let Some(mechanism) = possible.iter().copied().find(is_offered) else {
            let names: Vec<_> = possible.iter().map(|one| one.name()).collect();
            return Err(Error::Login(format!(
                "it offers none of [{}] but [{}]",
                names.join(" "),
                offered.join(" ")
            )));
        };
        Ok(self.first(mechanism))
    }

    fn first(&self, mechanism: Mechanism) -> Turn {
        let secret = self.secret();
        let username = &self.username;
        let (exchange, initial) = match mechanism {
            Mechanism::Login => {
                return Turn::Send(Exchange::Username, "AUTH LOGIN\r\n".to_owned());
            }
            Mechanism::Plain => (Exchange::Verdict, format!("\0{username}\0{secret}")),
            Mechanism::Xoauth2 => {
                let said = format!("user={username}\u{1}auth=Bearer {secret}\u{1}\u{1}");
                (Exchange::Token, said)
            }
            Mechanism::ScramSha256 => {
                let scram = Scram::new(username, secret, &self.nonce);
                let first = scram.first();
                (Exchange::Scram(Box::new(scram)), first)
            }
        };
        let line = format!("AUTH {} {}\r\n", mechanism.name(), BASE64.encode(initial));
        Turn::Send(exchange, line)
    }

    fn secret(&self) -> &str {
        match &self.secret {
            Secret::Password(secret) | Secret::Token(secret) => secret,
        }
    }
}

impl Exchange {
    /// Does the next reply cost a good part of a second of computing? That is no place among tasks
    /// that others wait for.
    pub(super) const fn is_costly(&self) -> bool {
        matches!(self, Self::Scram(_))
    }

    /// One reply in, one turn out.
    pub(super) fn hear(self, reply: Reply, login: &Login) -> Result<Turn, Error> {
        let asked = reply.code == 334;
        match self {
            Self::Username if asked => Ok(answer(Self::Password, &login.username)),
            Self::Password if asked => Ok(answer(Self::Verdict, login.secret())),
            Self::Scram(scram) if asked => {
                let (proof, last) = scram.answer(&challenge(&reply)?).map_err(Error::Login)?;
                Ok(answer(Self::ServerProof(proof), &last))
            }
            Self::ServerProof(proof) if asked => {
                proof.check(&challenge(&reply)?).map_err(Error::Login)?;
                // RFC 4954 §4: the mechanism is finished; an empty answer asks for the verdict.
                Ok(answer(Self::Verdict, ""))
            }
            Self::Token if asked => Ok(answer(Self::Verdict, "")),
            Self::Token | Self::Verdict if reply.is_success() => Ok(Turn::Done),
            Self::ServerProof(_) if reply.is_success() => Err(Error::Login(
                "it has not proven that it knows the password".to_owned(),
            )),
            Self::Username
            | Self::Password
            | Self::Scram(_)
            | Self::ServerProof(_)
            | Self::Token
            | Self::Verdict => Err(unexpected(Stage::Login, reply)),
        }
    }
}

fn answer(next: Exchange, text: &str) -> Turn {
    Turn::Send(next, format!("{}\r\n", BASE64.encode(text)))
}

fn challenge(reply: &Reply) -> Result<String, Error> {
    let bytes = BASE64.decode(reply.text.trim()).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Error::Login("its challenge is not base64".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(secret: Secret) -> Login {
        Login {
            username: "user".to_owned(),
            secret,
            mechanism: None,
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
        }
    }

    fn password() -> Login {
        login(Secret::Password("pencil".to_owned()))
    }

    fn offered(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    fn sent(turn: Turn) -> (Exchange, String) {
        let Turn::Send(exchange, line) = turn else {
            panic!("{turn:?}");
        };
        (exchange, line)
    }

    fn heard(exchange: Exchange, login: &Login, code: u16, text: &str) -> Result<Turn, Error> {
        let line = format!("{code} {}", BASE64.encode(text));
        exchange.hear(Reply::parse(&[line]).unwrap(), login)
    }

    #[test]
    fn the_best_that_is_offered_is_taken() {
        for (names, expected) in [
            ("PLAIN LOGIN SCRAM-SHA-256", "AUTH SCRAM-SHA-256 "),
            ("LOGIN PLAIN", "AUTH PLAIN "),
            ("NTLM LOGIN", "AUTH LOGIN\r\n"),
        ] {
            let (exchange, line) = sent(password().begin(&offered(names)).unwrap());
            assert!(line.starts_with(expected), "{names}: {line}");
            // PBKDF2 is computed beside the async threads.
            assert_eq!(exchange.is_costly(), names.contains("SCRAM"), "{names}");
        }
        let wanted = Login {
            mechanism: Some(Mechanism::Plain),
            ..password()
        };
        let (_, line) = sent(wanted.begin(&offered("SCRAM-SHA-256 PLAIN")).unwrap());
        assert_eq!(line, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
        let error = wanted.begin(&offered("LOGIN")).unwrap_err().to_string();
        assert!(error.contains("none of [PLAIN] but [LOGIN]"), "{error}");
        let token = login(Secret::Token("t".to_owned()));
        assert!(token.begin(&offered("PLAIN LOGIN")).is_err());
    }

    /// The example of RFC 7677 §3.
    #[test]
    fn scram_proves_both_sides() {
        let login = password();
        let (exchange, line) = sent(login.begin(&offered("SCRAM-SHA-256")).unwrap());
        let first = BASE64.encode("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(line, format!("AUTH SCRAM-SHA-256 {first}\r\n"));
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (exchange, line) = sent(heard(exchange, &login, 334, challenge).unwrap());
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(line, format!("{}\r\n", BASE64.encode(last)));
        let proof = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        let (exchange, line) = sent(heard(exchange, &login, 334, proof).unwrap());
        assert_eq!(line, "\r\n");
        let end = exchange.hear(Reply::parse(&["235 2.7.0 ok"]).unwrap(), &login);
        assert!(matches!(end, Ok(Turn::Done)));
    }

    #[test]
    fn scram_trusts_nobody() {
        let login = password();
        let begin = || sent(login.begin(&offered("SCRAM-SHA-256")).unwrap()).0;
        let nonce = "r=rOprNGfwEbeRWgbNEkqO%x";
        for (challenge, expected) in [
            ("r=other,s=W22Z,i=4096".to_owned(), "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096".to_owned(), "nonce"),
            (format!("{nonce},s=W22Z,i=1"), "rounds"),
            (format!("{nonce},s=W22Z,i=999999999"), "rounds"),
            (format!("{nonce},s=?,i=4096"), "challenge"),
            (format!("m=ext,{nonce},s=W22Z,i=4096"), "challenge"),
            (String::new(), "challenge"),
        ] {
            let told = heard(begin(), &login, 334, &challenge).unwrap_err();
            assert!(told.to_string().contains(expected), "{challenge}: {told}");
        }
        let good = format!("{nonce},s=W22Z,i=4096");
        for proof in ["v=AAAA", "e=invalid-proof", ""] {
            let (exchange, _) = sent(heard(begin(), &login, 334, &good).unwrap());
            assert!(heard(exchange, &login, 334, proof).is_err(), "{proof}");
        }
        let (exchange, _) = sent(heard(begin(), &login, 334, &good).unwrap());
        let told = exchange.hear(Reply::parse(&["235 ok"]).unwrap(), &login);
        assert!(told.unwrap_err().to_string().contains("not proven"));
    }

    #[test]
    fn a_token_that_is_refused_is_asked_for_the_reason() {
        let login = login(Secret::Token("ya29.x".to_owned()));
        let (exchange, line) = sent(login.begin(&offered("XOAUTH2 PLAIN")).unwrap());
        let initial = BASE64.encode("user=user\u{1}auth=Bearer ya29.x\u{1}\u{1}");
        assert_eq!(line, format!("AUTH XOAUTH2 {initial}\r\n"));
        let told = heard(exchange, &login, 334, "{\"status\":\"401\"}").unwrap();
        let (exchange, line) = sent(told);
        assert_eq!(line, "\r\n");
        let told = exchange.hear(Reply::parse(&["535 5.7.3 no"]).unwrap(), &login);
        assert_eq!(
            told.unwrap_err().to_string(),
            "AUTH was refused: 535 5.7.3 no"
        );
        let shown = format!("{login:?}");
        assert!(!shown.contains("ya29"), "{shown}");
    }
}
