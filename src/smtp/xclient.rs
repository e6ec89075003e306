//! XCLIENT, as Postfix has it: a filter or proxy in front of us says whose mail it hands on.

use std::fmt;
use std::net::IpAddr;

use super::xtext;
use crate::limits;

/// The attributes of one command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct XClient(Vec<(Attribute, Known)>);

/// What a value says; `None` when the other side does not know.
type Known = Option<String>;

/// What can be said of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Its name in the DNS.
    Name,
    /// Its address.
    Addr,
    /// Its port.
    Port,
    /// `SMTP` or `ESMTP`.
    Proto,
    /// What it said in EHLO or HELO.
    Helo,
    /// The account that logged in.
    Login,
    /// The address that it connected to.
    DestAddr,
    /// The port that it connected to.
    DestPort,
}

/// Each attribute with its word.
const WORDS: [(Attribute, &str); 8] = [
    (Attribute::Name, "NAME"),
    (Attribute::Addr, "ADDR"),
    (Attribute::Port, "PORT"),
    (Attribute::Proto, "PROTO"),
    (Attribute::Helo, "HELO"),
    (Attribute::Login, "LOGIN"),
    (Attribute::DestAddr, "DESTADDR"),
    (Attribute::DestPort, "DESTPORT"),
];
/// The values of who does not know.
const UNKNOWN: [&str; 2] = ["[UNAVAILABLE]", "[TEMPUNAVAIL]"];

impl XClient {
    /// The words that we offer in the reply to EHLO: all but `LOGIN`, which a stranger's word does
    /// not prove.
    pub const OFFERED: &'static str = "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT";

    /// Reads what follows the verb. `None` when it is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut attributes: Vec<(Attribute, Known)> = Vec::new();
        for word in text.split_ascii_whitespace() {
            let (name, value) = word.split_once('=')?;
            let known = WORDS
                .iter()
                .find(|(_, word)| word.eq_ignore_ascii_case(name));
            let (attribute, _) = known?;
            if attributes.iter().any(|(other, _)| other == attribute) {
                return None;
            }
            attributes.push((*attribute, attribute.read(value)?));
        }
        (!attributes.is_empty()).then_some(Self(attributes))
    }

    /// `None`: nothing was said of it; `Some(None)`: it is not known.
    #[must_use]
    pub fn get(&self, attribute: Attribute) -> Option<Option<&str>> {
        let said = self.0.iter().find(|(other, _)| *other == attribute);
        said.map(|(_, value)| value.as_deref())
    }

    /// The client's address, as [`Self::get`].
    #[must_use]
    pub fn address(&self) -> Option<Option<IpAddr>> {
        let said = self.get(Attribute::Addr)?;
        Some(said.and_then(parse_address))
    }

    /// The client's port; 0 when it is not known.
    #[must_use]
    pub fn port(&self) -> u16 {
        let said = self.get(Attribute::Port).flatten();
        said.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

impl Attribute {
    /// A value, decoded; `None` when it is wrong.
    fn read(self, value: &str) -> Option<Known> {
        let plain = String::from_utf8(xtext::decode(value)?).ok()?;
        if UNKNOWN.iter().any(|word| word.eq_ignore_ascii_case(&plain)) {
            return Some(None);
        }
        let printable = !plain.chars().any(|c| c.is_control() || c.is_whitespace());
        let valid = match self {
            Self::Addr | Self::DestAddr => parse_address(&plain).is_some(),
            Self::Port | Self::DestPort => plain.parse::<u16>().is_ok(),
            Self::Proto => ["SMTP", "ESMTP"]
                .iter()
                .any(|it| it.eq_ignore_ascii_case(&plain)),
            Self::Name | Self::Helo | Self::Login => {
                printable && (1..=limits::DOMAIN).contains(&plain.len())
            }
        };
        valid.then_some(Some(plain))
    }
}

/// `192.0.2.1` or `IPV6:2001:db8::1`; Postfix takes the latter without its prefix, too.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = match text.split_at_checked(5) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("IPV6:") => {
            return rest.parse().ok().map(IpAddr::V6);
        }
        _ => text,
    };
    bare.parse().ok()
}

/// The words behind the verb.
impl fmt::Display for XClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (attribute, value)) in self.0.iter().enumerate() {
            let word = WORDS.iter().find(|(other, _)| other == attribute);
            let word = word.map_or("", |(_, word)| word);
            let value = match value {
                Some(value) => xtext::encode(value.as_bytes()),
                None => "[UNAVAILABLE]".to_owned(),
            };
            f.write_str(if number > 0 { " " } else { "" })?;
            write!(f, "{word}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_postfix_documents() {
        let said =
            XClient::parse("NAME=spike.porcupine.org ADDR=168.100.189.2 PROTO=ESMTP").unwrap();
        assert_eq!(said.address(), Some(Some("168.100.189.2".parse().unwrap())));
        assert_eq!(said.get(Attribute::Name), Some(Some("spike.porcupine.org")));
        assert_eq!(said.get(Attribute::Helo), None);
        assert_eq!(said.port(), 0);
        let said = XClient::parse("name=[unavailable] addr=IPV6:2001:db8::1 port=4711").unwrap();
        assert_eq!(said.address(), Some(Some("2001:db8::1".parse().unwrap())));
        assert_eq!(said.get(Attribute::Name), Some(None));
        assert_eq!(said.port(), 4711);
        let said = XClient::parse("ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL] HELO=a+2Bb").unwrap();
        assert_eq!(said.address(), Some(None));
        assert_eq!(said.get(Attribute::Helo), Some(Some("a+b")));
        assert_eq!(
            said.to_string(),
            "ADDR=[UNAVAILABLE] NAME=[UNAVAILABLE] HELO=a+2Bb"
        );
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for text in [
            "",
            "NAME",
            "ADDR=",
            "ADDR=192.0.2.256",
            "ADDR=IPV6:192.0.2.1",
            "ADDR=192.0.2.1 ADDR=192.0.2.2",
            "PORT=70000",
            "PROTO=LMTP",
            "HELO=a+0D+0Ab",
            "HELO=a+20b",
            "HELO=+ff",
            "NAME=",
            "COLOUR=blue",
        ] {
            assert_eq!(XClient::parse(text), None, "{text}");
        }
    }
}
