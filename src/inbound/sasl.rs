//! What is said between AUTH and its end (RFC 4954 §4, SASL: RFC 4422), without I/O: PLAIN
//! (RFC 4616), and LOGIN, which Outlook and many devices have instead.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::submission::Proof;
use crate::smtp::Reply;

/// Longest identity and password in bytes (RFC 4616 §2).
const LONGEST: usize = 255;

/// By what somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
}

impl Mechanism {
    /// All of them, in the order in which they are offered.
    pub(super) const ALL: [Self; 2] = [Self::Plain, Self::Login];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What the client says next.
#[derive(PartialEq, Eq)]
pub(super) enum Exchange {
    /// Everything at once.
    Plain,
    Username,
    /// The password of this one.
    Password(String),
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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
    pub(super) proof: Proof,
}

/// What follows from what the client said.
#[derive(Debug)]
pub(super) enum Turn {
    /// 334, with this in base64.
    Challenge(Exchange, String),
    /// Somebody has to say whether it is true.
    Claimed(Claim),
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
    /// `AUTH mechanism [initial-response]`.
    pub(super) fn begin(mechanism: &str, initial: Option<&str>) -> Result<Turn, Flaw> {
        let exchange = match Mechanism::named(mechanism).ok_or(Flaw::Mechanism)? {
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
            Self::Plain => plain(&text),
            Self::Username if is_word(&text) => {
                let next = Self::Password(text);
                let challenge = next.challenge().to_owned();
                Ok(Turn::Challenge(next, challenge))
            }
            Self::Password(identity) if is_word(&text) => Ok(Turn::Claimed(Claim {
                mechanism: Mechanism::Login,
                identity,
                proof: Proof::Password(text),
            })),
            Self::Username | Self::Password(_) => Err(Flaw::Message(Mechanism::Login)),
        }
    }

    const fn challenge(&self) -> &'static str {
        match self {
            // RFC 4616: the client speaks first.
            Self::Plain => "",
            Self::Username => "Username:",
            Self::Password(_) => "Password:",
        }
    }

    const fn mechanism(&self) -> Mechanism {
        match self {
            Self::Plain => Mechanism::Plain,
            Self::Username | Self::Password(_) => Mechanism::Login,
        }
    }
}

/// RFC 4616 §2: `message = [authzid] UTF8NUL authcid UTF8NUL passwd`.
fn plain(text: &str) -> Result<Turn, Flaw> {
    let mut parts = text.split('\0');
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(other), Some(identity), Some(password), None) = parts else {
        return Err(Flaw::Message(Mechanism::Plain));
    };
    if !is_word(identity) || !is_word(password) {
        return Err(Flaw::Message(Mechanism::Plain));
    }
    if !other.is_empty() && other.to_lowercase() != identity.to_lowercase() {
        return Err(Flaw::Another);
    }
    Ok(Turn::Claimed(Claim {
        mechanism: Mechanism::Plain,
        identity: identity.to_owned(),
        proof: Proof::Password(password.to_owned()),
    }))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> String {
        BASE64.encode(text)
    }

    fn claimed(turn: Result<Turn, Flaw>) -> Result<(Mechanism, String, String), Flaw> {
        match turn? {
            Turn::Claimed(claim) => {
                let Proof::Password(password) = claim.proof;
                Ok((claim.mechanism, claim.identity, password))
            }
            Turn::Challenge(..) => panic!("it goes on"),
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
            (&format!("\0ann\0{long}"), bad.clone()),
            (&format!("\0{long}\0geheim"), bad.clone()),
        ] {
            assert_eq!(
                claimed(Exchange::begin("PLAIN", Some(&encoded(said)))),
                expected
            );
            assert_eq!(
                claimed(Exchange::Plain.hear(encoded(said).as_bytes())),
                expected
            );
        }
        // RFC 4954 §4: an empty initial response.
        assert_eq!(claimed(Exchange::begin("PLAIN", Some("="))), bad);
        let no_text = BASE64.encode(b"\0ann\0\xff");
        assert_eq!(claimed(Exchange::begin("PLAIN", Some(&no_text))), bad);
    }

    #[test]
    fn login_asks_for_one_and_the_other() {
        let turn = Exchange::begin("LOGIN", None).unwrap();
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
        assert_eq!(Exchange::begin("LOGIN", Some("=")).unwrap_err(), bad);
    }

    #[test]
    fn who_does_not_go_on_is_heard() {
        for exchange in [Exchange::Plain, Exchange::Username] {
            assert_eq!(exchange.hear(b"*").unwrap_err(), Flaw::Cancelled);
        }
        assert_eq!(Exchange::Plain.hear(b"?").unwrap_err(), Flaw::Encoding);
        assert_eq!(Exchange::Plain.hear(b"AA= ").unwrap_err(), Flaw::Encoding);
        for name in ["CRAM-MD5", "", "EXTERNAL"] {
            assert_eq!(Exchange::begin(name, None).unwrap_err(), Flaw::Mechanism);
        }
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
                Exchange::begin(&name, Some(&initial)),
                Exchange::begin(&name, Some(&encoded(&said))),
                Exchange::Plain.hear(&line),
            ];
            for turn in turns {
                if let Ok(Turn::Claimed(Claim { identity, proof, .. })) = turn {
                    let Proof::Password(password) = proof;
                    prop_assert!(!identity.is_empty() && !password.is_empty());
                }
            }
        }
    }
}
