//! Asks the home of a domain whether somebody exists: MAIL, RCPT, RSET, and no message.

use super::commands::spelled;
use super::error::Stage;
use super::greeting::unexpected;
use super::link::Link;
use super::outcome::failure;
use super::{Error, Outbound};
use crate::base::Boxed;
use crate::directory::{AskHome, Heard};
use crate::limits;
use crate::mail::{BackendId, DeliveryTarget};
use crate::smtp::{Mailbox, Reply, Severity};

impl AskHome for Outbound {
    fn ask<'a>(&'a self, home: &'a BackendId, address: &'a Mailbox) -> Boxed<'a, Heard> {
        Box::pin(async move {
            let asked = self.ask_home(home, address);
            match tokio::time::timeout(limits::VERIFY_TIMEOUT, asked).await {
                Ok(Ok(Some(reply))) => heard(&reply),
                Ok(Ok(None)) => Heard::Nothing,
                Ok(Err(why)) => {
                    tracing::debug!(%home, %address, why, "it could not be verified");
                    Heard::Silence
                }
                Err(_) => {
                    tracing::debug!(%home, %address, "it was not verified in time");
                    Heard::Silence
                }
            }
        })
    }
}

impl Outbound {
    async fn ask_home(&self, home: &BackendId, address: &Mailbox) -> Result<Option<Reply>, String> {
        let told = |error: &Error| failure(error, home.as_str()).what;
        let route = self.route(&DeliveryTarget::Backend(home.clone()));
        let route = route.map_err(|error| told(&error))?;
        let (mut link, _) = self.connect(&route).await.map_err(|failed| failed.what)?;
        let reply = put(&mut link, address).await;
        let reply = reply.map_err(|error| told(&error))?;
        link.quit().await;
        Ok(reply)
    }
}

/// The reply to RCPT; none when the home cannot read the address.
async fn put(link: &mut Link, address: &Mailbox) -> Result<Option<Reply>, Error> {
    // RFC 6531 §3.4: the parameter is what allows the address.
    if !link.extensions.smtputf8 && !address.local().is_ascii() {
        return Ok(None);
    }
    let utf8 = if link.extensions.smtputf8 && !address.is_ascii() {
        " SMTPUTF8"
    } else {
        ""
    };
    let address = spelled(address, &link.extensions);
    let mail = format!("MAIL FROM:<>{utf8}\r\n");
    link.send(mail.as_bytes(), Stage::Mail).await?;
    let reply = link.reply(Stage::Mail).await?;
    if !reply.is_success() {
        return Err(unexpected(Stage::Mail, reply));
    }
    let rcpt = format!("RCPT TO:<{address}>\r\n");
    link.send(rcpt.as_bytes(), Stage::Rcpt).await?;
    let answer = link.reply(Stage::Rcpt).await?;
    link.send(b"RSET\r\n", Stage::Reset).await?;
    link.reply(Stage::Reset).await?;
    Ok(Some(answer))
}

/// What a reply to RCPT says of the mailbox. Only a reply about the address counts as "no": a
/// server that refuses us, or is in trouble, says nothing about who exists.
fn heard(reply: &Reply) -> Heard {
    let about = |known: &[(u16, u16)]| {
        let enhanced = reply.enhanced?;
        Some(known.contains(&(enhanced.subject, enhanced.detail)))
    };
    match reply.severity() {
        Severity::Success => Heard::Exists,
        // RFC 3463 §3.3: a mailbox that is full is there.
        _ if about(&[(2, 2)]) == Some(true) => Heard::Exists,
        // RFC 3463 §3.2; Exchange says 5.1.10, Exchange Online 5.4.1.
        Severity::Permanent => {
            let absent = about(&[(1, 1), (1, 3), (1, 6), (1, 10), (4, 1)]);
            if absent.unwrap_or_else(|| names_nobody(reply)) {
                Heard::Absent(reply.to_string())
            } else {
                Heard::Nothing
            }
        }
        Severity::Intermediate | Severity::Transient => Heard::Nothing,
    }
}

/// What servers without enhanced codes say of who does not exist. The same 550 is also for mail
/// that they do not like.
const NOBODY: [&str; 10] = [
    "no such",
    "user unknown",
    "unknown user",
    "unknown recipient",
    "recipient unknown",
    "unknown local",
    "unrouteable address",
    "does not exist",
    "user not found",
    "invalid recipient",
];

fn names_nobody(reply: &Reply) -> bool {
    let text = reply.to_string().to_ascii_lowercase();
    reply.code == 550 && NOBODY.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_about_the_address_counts() {
        for (text, expected) in [
            ("250 2.1.5 Ok", "exists"),
            ("251 User not local", "exists"),
            ("452 4.2.2 Mailbox full", "exists"),
            ("552 5.2.2 Mailbox full", "exists"),
            ("550 5.1.1 Unknown", "absent"),
            ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", "absent"),
            (
                "550 5.4.1 Recipient address rejected: Access denied",
                "absent",
            ),
            ("550 No such user", "absent"),
            ("550 relay not permitted", "nothing"),
            ("550 Administrative prohibition", "nothing"),
            (
                "551 User not local; please try <ann@elsewhere.example>",
                "nothing",
            ),
            ("550 5.1.2 Host unknown", "nothing"),
            ("550 5.7.1 Relaying denied", "nothing"),
            (
                "554 5.7.64 TenantAttribution; Relay Access Denied",
                "nothing",
            ),
            ("530 5.7.57 Client not authenticated", "nothing"),
            ("554 go away", "nothing"),
            ("450 4.7.1 Greylisted", "nothing"),
            ("451 4.3.0 Temporary lookup failure", "nothing"),
            ("421 4.3.2 Shutting down", "nothing"),
        ] {
            let reply = Reply::parse(&[text.as_bytes()]).unwrap();
            let said = match heard(&reply) {
                Heard::Exists => "exists",
                Heard::Absent(_) => "absent",
                Heard::Nothing | Heard::Silence => "nothing",
            };
            assert_eq!(said, expected, "{text}");
        }
    }
}
