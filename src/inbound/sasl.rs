//! What is said between AUTH and its end (RFC 4954 §4, SASL: RFC 4422), without I/O: SCRAM-SHA-256
//! (RFC 7677), PLAIN (RFC 4616), and LOGIN, which Outlook and many devices have instead.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::submission::Proof;
use crate::credential::{ClientFirst, Proven, ScramFlaw, ScramKeys, ServerExchange};
use crate::smtp::Reply;

/// Longest identity and password in bytes (RFC 4616 §2).
const LONGEST: usize = 255;
/// The same of a password: 256 characters may be set, of four bytes each.
const LONGEST_PASSWORD: usize = 1024;

/// By what somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    ScramSha256,
    Plain,
    Login,
}

impl Mechanism {
    /// All of them: what shows the least of a password comes first.
    pub(super) const ALL: &[Self] = &[Self::ScramSha256, Self::Plain, Self::Login];
    /// Those that need the password itself.
    pub(super) const BY_PASSWORD: &[Self] = &[Self::Plain, Self::Login];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// What the client says next.
pub(super) enum Exchange {
    /// SCRAM: who he is.
    First,
    /// SCRAM: the proof.
    Last(Box<ServerExchange>),
    /// SCRAM: nothing; he has looked at our proof.
    Seen(Box<Proven>),
    /// Everything at once.
    Plain,
    Username,
    /// The password of this one.
    Password(String),
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "First",
            Self::Last(_) => "Last",
            Self::Seen(_) => "Seen",
            Self::Plain => "Plain",
            Self::Username => "Username",
            Self::Password(_) => "Password",
        })
    }
}

/// Who somebody says that he is, and what proves it.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) mechanism: Mechanism,
    pub(super) identity: String,
    /// `None`: what he showed proves nothing.
    pub(super) proof: Option<Proof>,
}

/// What follows from what the client said.
#[derive(Debug)]
pub(super) enum Turn {
    /// 334, with this in base64.
    Challenge(Exchange, String),
    /// Somebody has to say of what keys the password has.
    Named(ClientFirst),
    /// Somebody has to say whether it is true.
    Claimed(Claim),
}

/// Goes on with the keys of who said his name, and a fresh nonce.
pub(super) fn challenged(first: ClientFirst, keys: ScramKeys, nonce: &str) -> (Exchange, String) {
    let (exchange, text) = first.challenge(keys, nonce);
    (Exchange::Last(Box::new(exchange)), text)
}

/// Why an exchange ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// No mechanism of ours.
    Mechanism,
    /// No base64.
    Encoding,
    /// Not what the mechanism says.
    Message(Mechanism),
    /// He wants to be somebody else (RFC 4616 §2: authzid).
    Another,
    /// `*`.
    Cancelled,
}

impl Flaw {
    /// RFC 4954 §4 and §6.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Mechanism => Reply::new(504, (5, 5, 4), "This mechanism is not offered"),
            Self::Encoding => Reply::new(501, (5, 5, 2), "This is no base64"),
            Self::Message(mechanism) => {
                let text = format!("This is no message of {}", mechanism.name());
                Reply::with_text(501, (5, 5, 2), text)
            }
            Self::Another => Reply::new(535, (5, 7, 8), "You log in as yourself only"),
            Self::Cancelled => Reply::new(501, (5, 7, 0), "The login is cancelled"),
        }
    }
}

impl Exchange {
    /// `AUTH mechanism [initial-response]`, with one of those that are offered.
    pub(super) fn begin(
        offered: &[Mechanism],
        (mechanism, initial): (&str, Option<&str>),
    ) -> Result<Turn, Flaw> {
        let mut offered = offered.iter();
        let mechanism = offered.find(|one| one.name() == mechanism);
        let exchange = match mechanism.ok_or(Flaw::Mechanism)? {
            Mechanism::ScramSha256 => Self::First,
            Mechanism::Plain => Self::Plain,
            Mechanism::Login => Self::Username,
        };
        match initial {
            None => {
                let challenge = exchange.challenge().to_owned();
                Ok(Turn::Challenge(exchange, challenge))
            }
            // RFC 4954 §4: there is one, and it is empty.
            Some("=") => exchange.hear_text(String::new()),
            // Of LOGIN some say the name at once.
            Some(initial) => exchange.hear(initial.as_bytes()),
        }
    }

    /// The line behind a 334.
    pub(super) fn hear(self, line: &[u8]) -> Result<Turn, Flaw> {
        if line == b"*" {
            return Err(Flaw::Cancelled);
        }
        let bytes = BASE64.decode(line).map_err(|_| Flaw::Encoding)?;
        let text = String::from_utf8(bytes).map_err(|_| Flaw::Message(self.mechanism()))?;
        self.hear_text(text)
    }

    fn hear_text(self, text: String) -> Result<Turn, Flaw> {
        match self {
            Self::First => {
                let first = ClientFirst::parse(&text);
                first.map(Turn::Named).map_err(scram_flaw)
            }
            Self::Last(exchange) => {
                let proven = exchange.hear(&text).map_err(scram_flaw)?;
                if proven.keys.is_none() {
                    return Ok(Turn::Claimed(claim_of(proven)));
                }
                // RFC 4954 §4: what comes with success goes in one more challenge.
                let answer = proven.answer.clone();
                Ok(Turn::Challenge(Self::Seen(Box::new(proven)), answer))
            }
            Self::Seen(proven) if text.is_empty() => Ok(Turn::Claimed(claim_of(*proven))),
            Self::Seen(_) => Err(Flaw::Message(Mechanism::ScramSha256)),
            Self::Plain => plain(&text),
            Self::Username if is_word(&text) => {
                let next = Self::Password(text);
                let challenge = next.challenge().to_owned();
                Ok(Turn::Challenge(next, challenge))
            }
            Self::Password(identity) if is_word(&text) => Ok(Turn::Claimed(Claim {
                mechanism: Mechanism::Login,
                identity,
                proof: Some(Proof::Password(text)),
            })),
            Self::Username | Self::Password(_) => Err(Flaw::Message(Mechanism::Login)),
        }
    }

    const fn challenge(&self) -> &'static str {
        match self {
            // The client speaks first.
            Self::First | Self::Last(_) | Self::Seen(_) | Self::Plain => "",
            Self::Username => "Username:",
            Self::Password(_) => "Password:",
        }
    }

    const fn mechanism(&self) -> Mechanism {
        match self {
            Self::First | Self::Last(_) | Self::Seen(_) => Mechanism::ScramSha256,
            Self::Plain => Mechanism::Plain,
            Self::Username | Self::Password(_) => Mechanism::Login,
        }
    }
}

fn claim_of(proven: Proven) -> Claim {
    Claim {
        mechanism: Mechanism::ScramSha256,
        identity: proven.identity,
        proof: proven.keys.map(Proof::Keys),
    }
}

const fn scram_flaw(flaw: ScramFlaw) -> Flaw {
    match flaw {
        ScramFlaw::Message => Flaw::Message(Mechanism::ScramSha256),
        ScramFlaw::Another => Flaw::Another,
    }
}

/// RFC 4616 §2: `message = [authzid] UTF8NUL authcid UTF8NUL passwd`.
fn plain(text: &str) -> Result<Turn, Flaw> {
    let mut parts = text.split('\0');
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(other), Some(identity), Some(password), None) = parts else {
        return Err(Flaw::Message(Mechanism::Plain));
    };
    if !is_word(identity) || !is_password(password) {
        return Err(Flaw::Message(Mechanism::Plain));
    }
    if !other.is_empty() && other.to_lowercase() != identity.to_lowercase() {
        return Err(Flaw::Another);
    }
    Ok(Turn::Claimed(Claim {
        mechanism: Mechanism::Plain,
        identity: identity.to_owned(),
        proof: Some(Proof::Password(password.to_owned())),
    }))
}

fn is_password(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_PASSWORD && !text.contains('\0')
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begin(mechanism: &str, initial: Option<&str>) -> Result<Turn, Flaw> {
        Exchange::begin(Mechanism::ALL, (mechanism, initial))
    }

    fn encoded(text: &str) -> String {
        BASE64.encode(text)
    }

    fn claimed(turn: Result<Turn, Flaw>) -> Result<(Mechanism, String, String), Flaw> {
        match turn? {
            Turn::Claimed(claim) => {
                let Some(Proof::Password(password)) = claim.proof else {
                    panic!("no password");
                };
                Ok((claim.mechanism, claim.identity, password))
            }
            Turn::Challenge(..) | Turn::Named(_) => panic!("it goes on"),
        }
    }

    #[test]
    fn plain_is_read_to_the_letter() {
        let bad = Err(Flaw::Message(Mechanism::Plain));
        let long = "x".repeat(256);
        let ann = |password: &str| {
            let ann = "ann@example.org".to_owned();
            Ok((Mechanism::Plain, ann, password.to_owned()))
        };
        for (said, expected) in [
            ("\0ann@example.org\0geheim", ann("geheim")),
            ("ann@example.org\0ann@example.org\0geheim", ann("geheim")),
            (
                "ANN@example.org\0ann@example.org\0gehe\u{ef}m",
                ann("gehe\u{ef}m"),
            ),
            (
                "bob@example.org\0ann@example.org\0geheim",
                Err(Flaw::Another),
            ),
            ("", bad.clone()),
            ("\0", bad.clone()),
            ("\0ann", bad.clone()),
            ("\0ann\0", bad.clone()),
            ("\0\0geheim", bad.clone()),
            ("\0ann\0geheim\0", bad.clone()),
            (&format!("\0ann\0{}", long.repeat(5)), bad.clone()),
            (&format!("\0{long}\0geheim"), bad.clone()),
        ] {
            assert_eq!(claimed(begin("PLAIN", Some(&encoded(said)))), expected);
            assert_eq!(
                claimed(Exchange::Plain.hear(encoded(said).as_bytes())),
                expected
            );
        }
        // RFC 4954 §4: an empty initial response.
        assert_eq!(claimed(begin("PLAIN", Some("="))), bad);
        let no_text = BASE64.encode(b"\0ann\0\xff");
        assert_eq!(claimed(begin("PLAIN", Some(&no_text))), bad);
    }

    #[test]
    fn login_asks_for_one_and_the_other() {
        let turn = begin("LOGIN", None).unwrap();
        let Turn::Challenge(exchange, said) = turn else {
            panic!("{turn:?}");
        };
        assert_eq!(said, "Username:");
        let turn = exchange.hear(encoded("ann").as_bytes()).unwrap();
        let Turn::Challenge(exchange, said) = turn else {
            panic!("{turn:?}");
        };
        assert_eq!(said, "Password:");
        let claim = claimed(exchange.hear(encoded("geheim").as_bytes())).unwrap();
        let expected = (Mechanism::Login, "ann".to_owned(), "geheim".to_owned());
        assert_eq!(claim, expected);
        let bad = Flaw::Message(Mechanism::Login);
        assert_eq!(Exchange::Username.hear(b"").unwrap_err(), bad);
        assert_eq!(begin("LOGIN", Some("=")).unwrap_err(), bad);
    }

    #[test]
    fn who_does_not_go_on_is_heard() {
        for exchange in [Exchange::Plain, Exchange::Username] {
            assert_eq!(exchange.hear(b"*").unwrap_err(), Flaw::Cancelled);
        }
        assert_eq!(Exchange::Plain.hear(b"?").unwrap_err(), Flaw::Encoding);
        assert_eq!(Exchange::Plain.hear(b"AA= ").unwrap_err(), Flaw::Encoding);
        for name in ["CRAM-MD5", "", "EXTERNAL"] {
            assert_eq!(begin(name, None).unwrap_err(), Flaw::Mechanism);
        }
    }

    #[test]
    fn scram_shows_both_sides() {
        use crate::credential::Scram;

        let by_password = Exchange::begin(Mechanism::BY_PASSWORD, ("SCRAM-SHA-256", None));
        assert_eq!(by_password.unwrap_err(), Flaw::Mechanism);
        let keys = ScramKeys::of("pencil", [7; 16]);
        for (password, is_right) in [("pencil", true), ("Pencil", false)] {
            let client = Scram::new("ann@example.org", password, "nonce");
            let first = encoded(&client.first());
            let Turn::Named(first) = begin("SCRAM-SHA-256", Some(&first)).unwrap() else {
                panic!("nobody is named");
            };
            let (exchange, said) = challenged(first, keys.clone(), "fresh");
            let (expected, last) = client.answer(&said).unwrap();
            match exchange.hear(encoded(&last).as_bytes()).unwrap() {
                Turn::Challenge(exchange, answer) => {
                    assert!(is_right && expected.check(&answer).is_ok());
                    let Turn::Claimed(claim) = exchange.hear(b"").unwrap() else {
                        panic!("it goes on");
                    };
                    assert_eq!(claim.identity, "ann@example.org");
                    let Some(Proof::Keys(proven)) = claim.proof else {
                        panic!("nothing is proven");
                    };
                    assert!(proven.is(&keys));
                }
                Turn::Claimed(claim) => assert!(!is_right && claim.proof.is_none()),
                Turn::Named(_) => panic!("named twice"),
            }
        }
        let message = Flaw::Message(Mechanism::ScramSha256);
        assert_eq!(Exchange::First.hear(b"").unwrap_err(), message);
    }

    proptest! {
        /// No password is ever printed, and nobody proves anything without one.
        #[test]
        fn any_bytes_are_heard(
            line: Vec<u8>,
            initial: String,
            said in "[a-c\0]{0,8}",
            name in "PLAIN|LOGIN|[A-Z]{0,9}",
        ) {
            let turns = [
                begin(&name, Some(&initial)),
                begin(&name, Some(&encoded(&said))),
                Exchange::Plain.hear(&line),
            ];
            for turn in turns {
                if let Ok(Turn::Claimed(Claim { identity, proof, .. })) = turn {
                    let Some(Proof::Password(password)) = proof else {
                        return Err(TestCaseError::fail("proven without a password"));
                    };
                    prop_assert!(!identity.is_empty() && !password.is_empty());
                }
            }
        }
    }
}
