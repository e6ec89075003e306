//! The trace line that we put in front of every message, RFC 5321 §4.4.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::SpoolId;
use crate::base::{Timestamp, TlsInfo};
use crate::smtp::{Domain, Mailbox};

/// What a `Received` line says.
#[derive(Debug, Clone, Copy)]
pub struct Trace<'a> {
    /// What the peer called itself, unproven.
    pub helo: &'a str,
    /// Its address.
    pub peer: IpAddr,
    /// Our host name.
    pub hostname: &'a str,
    /// `ESMTPS` …, RFC 3848.
    pub protocol: &'a str,
    /// How the connection was protected.
    pub tls: Option<&'a TlsInfo>,
    /// The name of its certificate, proven.
    pub certificate: Option<&'a str>,
    /// The message.
    pub id: SpoolId,
    /// The recipient, when there is only one: with several it would tell blind copies.
    pub recipient: Option<&'a Mailbox>,
    /// When.
    pub at: Timestamp,
}

/// The line with its CRLF, folded. It is ASCII whatever was said, so that a message needs SMTPUTF8
/// for nothing that we wrote (RFC 6531 §3.7.3 lets UTF-8 in, and asks nobody for it).
impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let helo = ascii_name(self.helo);
        let helo = Harmless(&helo);
        let peer = AddressLiteral(self.peer);
        write!(f, "Received: from {helo} ({peer})\r\n")?;
        write!(f, "\tby {} with {}", self.hostname, self.protocol)?;
        if let Some(tls) = self.tls {
            write!(f, " ({} {})", Harmless(&tls.version), Harmless(&tls.cipher))?;
        }
        if let Some(name) = self.certificate {
            write!(f, "\r\n\t(client certificate {} verified)", Harmless(name))?;
        }
        write!(f, "\r\n\tid {}", self.id)?;
        if let Some(recipient) = self.recipient.and_then(ascii_mailbox) {
            write!(f, " for <{recipient}>")?;
        }
        write!(f, ";\r\n\t{}\r\n", self.at.to_rfc5322())
    }
}

/// A name with its domain in the ASCII form (RFC 5891 §4.4); what is none stays as it is.
fn ascii_name(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    let domain: Result<Domain, _> = name.parse();
    domain.map_or(Cow::Borrowed(name), |domain| Cow::Owned(domain.key()))
}

/// An address in ASCII; `None` when it has no such form.
fn ascii_mailbox(mailbox: &Mailbox) -> Option<String> {
    let written = if mailbox.is_ascii() {
        mailbox.to_string()
    } else {
        format!("{}@{}", mailbox.local(), mailbox.domain().key())
    };
    written.is_ascii().then_some(written)
}

/// RFC 5321 §4.1.3.
struct AddressLiteral(IpAddr);

impl fmt::Display for AddressLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "[{address}]"),
            IpAddr::V6(address) => write!(f, "[IPv6:{address}]"),
        }
    }
}

/// What a stranger said, without the characters that mean something in a header.
struct Harmless<'a>(&'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            let safe =
                c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']' | '*');
            f.write_char(if safe { c } else { '?' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ClientProof;

    #[test]
    fn says_where_a_message_came_from() {
        let recipient = "ann@example.org".parse().unwrap();
        let tls = TlsInfo {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
            client: ClientProof::None,
        };
        let mut trace = Trace {
            helo: "client(.example;\"",
            peer: "192.0.2.1".parse().unwrap(),
            hostname: "mx.example.org",
            protocol: "ESMTPS",
            tls: Some(&tls),
            certificate: None,
            id: SpoolId::from_u64(0),
            recipient: Some(&recipient),
            at: Timestamp::EPOCH,
        };
        assert_eq!(
            trace.to_string(),
            "Received: from client?.example?? ([192.0.2.1])\r\n\
             \tby mx.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\
             \tid 0000000000000 for <ann@example.org>;\r\n\
             \tThu, 01 Jan 1970 00:00:00 +0000\r\n"
        );
        trace.certificate = Some("*.partner.example) by evil");
        let told = trace.to_string();
        assert!(
            told.contains(
                "ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\
                 \t(client certificate *.partner.example??by?evil verified)\r\n\tid "
            ),
            "{told}"
        );
        trace.recipient = None;
        trace.tls = None;
        trace.peer = "2001:db8::1".parse().unwrap();
        assert!(trace.to_string().contains("([IPv6:2001:db8::1])"));
        assert!(!trace.to_string().contains(" for "));
    }

    /// RFC 5322 §2.2: a header is ASCII, and ours is so in a message of any kind.
    #[test]
    fn the_line_is_ascii_whatever_was_said() {
        for (helo, recipient, from, to) in [
            (
                "é.example",
                "ann@bücher.example",
                "from xn--9ca.example (",
                " for <ann@xn--bcher-kva.example>;",
            ),
            (
                "é_(x",
                "jörg@example.org",
                "from ?_?x (",
                "\r\n\tid 0000000000000;",
            ),
            (
                "日本",
                "ann@example.org",
                "from xn--wgv71a (",
                " for <ann@example.org>;",
            ),
        ] {
            let recipient = recipient.parse().unwrap();
            let trace = Trace {
                helo,
                peer: "192.0.2.1".parse().unwrap(),
                hostname: "mx.example.org",
                protocol: "UTF8SMTP",
                tls: None,
                certificate: Some("ü.example"),
                id: SpoolId::from_u64(0),
                recipient: Some(&recipient),
                at: Timestamp::EPOCH,
            };
            let told = trace.to_string();
            assert!(told.is_ascii(), "{told}");
            assert!(told.contains(from) && told.contains(to), "{told}");
        }
    }
}
