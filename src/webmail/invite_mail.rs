//! Invitations by mail.

use super::Webmail;
use super::notify::{IfDown, Note, Noted};
use super::texts::{ALL, fill};
use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// An invitation that goes out by mail.
#[derive(Debug, Clone, Copy)]
pub struct InvitationMail<'a> {
    /// Whom the mail goes to.
    pub to: &'a Mailbox,
    /// The mailbox that it is about.
    pub address: &'a str,
    /// The link.
    pub link: &'a str,
    /// The link is dead after this moment.
    pub expires: Timestamp,
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mailed {
    /// It is in the queue.
    Sent,
    /// The address is on this platform, which takes no mail now.
    Down(BackendId),
    /// Nobody gets mail there.
    Refused(String),
}

impl From<Noted> for Mailed {
    fn from(noted: Noted) -> Self {
        match noted {
            Noted::Sent => Self::Sent,
            Noted::Down(backend) => Self::Down(backend),
            Noted::Refused(why) => Self::Refused(why),
        }
    }
}

impl Webmail {
    /// Sends an invitation, in every language: nobody knows yet which one its reader speaks.
    ///
    /// # Errors
    /// When the mail could not be stored; as text for people.
    pub async fn mail_invitation(&self, mail: &InvitationMail<'_>) -> Result<Mailed, String> {
        let texts = ALL.map(|texts| {
            let until = self.moments(texts).full(mail.expires);
            let values = [
                ("address", mail.address),
                ("base", self.0.options.base_url.as_str()),
                ("until", until.as_str()),
                ("link", mail.link),
            ];
            fill(texts.invite_mail, &values)
        });
        let subject = ALL.map(|texts| texts.invite_subject).join(" / ");
        let note = Note {
            to: mail.to,
            // Each link is a mail of its own.
            name: mail.link,
            subject: &subject,
            text: &texts.join("\n\n* * *\n\n"),
            if_down: IfDown::Leave,
        };
        let noted = self.note(&note).await;
        let noted = noted.map_err(|error| format!("the mail could not be stored: {error:?}"))?;
        Ok(noted.into())
    }
}
