//! Mail of the program's own to its users: invitations, notices and changes of logins, once each.

use super::Webmail;
use super::accounts::{Account, blocking};
use super::error::WebError;
use super::texts::{ALL, Texts, of_language};
use crate::credential::digest;
use crate::mail::{Addressee, Authenticity, BackendId, Envelope, Letter, Peer, Recipient};
use crate::route::{self, Admission};
use crate::smtp::{MailParameters, Mailbox, RcptParameters, ReversePath};

/// A mail of the program's own.
#[derive(Debug, Clone)]
pub(super) struct Note<'a> {
    /// Whom it goes to.
    pub to: &'a Mailbox,
    /// What it is about: the same one is sent once, also after a crash.
    pub name: &'a str,
    pub subject: &'a str,
    /// Plain text.
    pub text: &'a str,
    pub if_down: IfDown,
}

/// What becomes of a mail to a platform that takes none now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfDown {
    /// It waits with the rest, and the webmail shows it.
    Wait,
    /// It is not sent.
    Leave,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is in the queue, now or since before.
    Sent,
    /// It would wait where its reader cannot see it: his mailbox is on this platform, which takes
    /// no mail now.
    Down(BackendId),
    /// Nobody gets mail at this address.
    Refused(String),
}

/// A text in the language in which the owner of an account logged in last; in all of them while
/// nobody knows it.
pub(super) fn for_owner(
    account: &Account,
    between: &str,
    text: impl Fn(&'static Texts) -> String,
) -> String {
    let known = of_language(account.language.as_deref());
    let languages = known.map_or_else(|| ALL.to_vec(), |texts| vec![texts]);
    let all: Vec<String> = languages.into_iter().map(text).collect();
    all.join(between)
}

impl Webmail {
    /// Puts a mail into the queue; durable when this returns.
    pub(super) async fn note(&self, note: &Note<'_>) -> Result<Noted, WebError> {
        let (address, lane, mailbox) =
            match self.0.world.admit.admit(note.to, route::Origin::Trusted) {
                Admission::Accept {
                    address,
                    lane,
                    mailbox,
                    ..
                } => (address, lane, mailbox),
                Admission::Reject(reply) => return Ok(Noted::Refused(reply.to_string())),
            };
        let home = BackendId::new(&lane);
        let health = self.0.world.health.health(&home);
        let is_down = health.is_some_and(|health| !health.takes_mail());
        if is_down && note.if_down == IfDown::Leave {
            return Ok(Noted::Down(home));
        }
        let hostname = &self.0.options.hostname;
        let message_id = format!("{}@{hostname}", digest("note", note.name));
        let (spool, id) = (self.0.world.spool.clone(), message_id.clone());
        let known = blocking(move || spool.by_message_id(&id)).await??;
        if !known.is_empty() {
            return Ok(Noted::Sent);
        }
        let recipient = Recipient {
            address,
            parameters: RcptParameters::default(),
            lane,
            mailbox,
        };
        self.compose(note, message_id, recipient).await?;
        Ok(Noted::Sent)
    }

    async fn compose(
        &self,
        note: &Note<'_>,
        message_id: String,
        recipient: Recipient,
    ) -> Result<(), WebError> {
        let hostname = &self.0.options.hostname;
        let from: Mailbox = format!("postmaster@{hostname}")
            .parse()
            .map_err(|_| WebError::Internal)?;
        let to = [Addressee {
            name: None,
            address: note.to.clone(),
        }];
        let letter = Letter {
            from: (Some(&self.0.options.title), &from),
            to: &to,
            cc: &[],
            subject: note.subject,
            text: note.text,
            html: None,
            message_id: &message_id,
            date: self.0.world.clock.now(),
            references: &[],
            calendar: None,
            files: &[],
        };
        let pieces = letter.to_pieces(&self.0.world.entropy.token());
        let pieces = pieces.map_err(|_| WebError::Internal)?;
        let spool = &self.0.world.spool;
        let mut body = spool.draft_of_ours();
        let received = self.received_line(body.id());
        body.append(received.as_bytes()).await?;
        // RFC 3834 §5: nobody's automatic answer answers it; Exchange knows the other one.
        let marks = b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n";
        body.append(marks).await?;
        for piece in pieces {
            body.append(&piece).await?;
        }
        let envelope = Envelope {
            // RFC 3834 §3.3: no bounce and no answer comes back to nobody.
            from: ReversePath::Null,
            parameters: MailParameters {
                smtputf8: !recipient.address.is_ascii(),
                ..MailParameters::default()
            },
            recipients: vec![recipient],
            peer: Peer {
                protocol: "webmail".to_owned(),
                ..Peer::default()
            },
            message_id: Some(message_id),
            subject: Some(note.subject.to_owned()),
            header_from: Some(format!("{} <{from}>", self.0.options.title)),
            authenticity: Authenticity::Local,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        };
        spool.accept(body, envelope).await?;
        Ok(())
    }
}
