//! Who logs in writes in his own name: each address in `From` and `Sender` is one of his
//! (RFC 6409 §6.1). Pure, but for the way to the header.

use super::connection::Connection;
use super::front::Whole;
use super::submission::{Denied, Outgoing, Submitter};
use super::transaction::Transaction;
use crate::automatic::{Marks, recognise};
use crate::mail::{AutomaticKind, FieldPlace, header_fields, originators};
use crate::smtp::{MailParameters, Reply, ReversePath};

impl Connection {
    /// May the message of somebody who has logged in be taken? Of others nothing is asked.
    pub(super) async fn check_submission(
        &self,
        whole: Whole<'_>,
        transaction: &Transaction,
    ) -> Result<(), Reply> {
        let Some(submitter) = self.submitter() else {
            // He was shut out while he sent.
            return if self.login.is_some() || self.server.options.role.wants_login() {
                Err(Denied::Shut.reply())
            } else {
                Ok(())
            };
        };
        let header = whole.header().await?;
        let (from, recipients) = (&transaction.from, transaction.recipients.len());
        check_author(header, submitter, &transaction.parameters)?;
        check_null(header, (from, recipients))?;
        let Some(submitters) = &self.server.submitters else {
            return Ok(());
        };
        let outgoing = Outgoing { from, recipients };
        let asked = submitters.sends(submitter, outgoing).await;
        asked.map_err(|denied| denied.reply())
    }
}

/// Does he write in his own name? What he `said` in MAIL tells what his client can read.
fn check_author(header: &[u8], submitter: &Submitter, said: &MailParameters) -> Result<(), Reply> {
    let named = |name: &str| -> Vec<FieldPlace<'_>> {
        let is_it = |field: &FieldPlace<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        header_fields(header).filter(is_it).collect()
    };
    let (authors, senders) = (named("From"), named("Sender"));
    // RFC 5322 §3.6: of several one reader shows the first and another one the last.
    let [author] = authors.as_slice() else {
        let text = match authors.len() {
            0 => "The message has no From",
            _ => "The message has more than one From",
        };
        return Err(Reply::new(550, (5, 6, 0), text));
    };
    if senders.len() > 1 {
        let text = "The message has more than one Sender";
        return Err(Reply::new(550, (5, 6, 0), text));
    }
    for (name, field) in [("From", author)]
        .into_iter()
        .chain(senders.first().map(|it| ("Sender", it)))
    {
        let Some(found) = originators(field.body) else {
            let text = format!("The {name} of the message is no address");
            return Err(Reply::with_text(550, (5, 6, 0), text));
        };
        if let Some(other) = found.iter().find(|one| !submitter.owns(one)) {
            let what = format!("The {name} of the message is not yours: <{other}>");
            let text = submitter.refused(&what, said);
            return Err(Reply::with_text(550, (5, 7, 1), text));
        }
    }
    Ok(())
}

/// RFC 8098 §3: a receipt has the null reverse-path. Whatever else has none, its writer would never
/// hear that it did not arrive.
fn check_null(header: &[u8], (from, recipients): (&ReversePath, usize)) -> Result<(), Reply> {
    if from.mailbox().is_some() {
        return Ok(());
    }
    if recipients > 1 {
        let text = "A read receipt goes to one recipient";
        return Err(Reply::new(550, (5, 7, 1), text));
    }
    let found = recognise(from, &Marks::read(header), &[]);
    if found.is_some_and(|found| found.kind == AutomaticKind::ReadReceipt) {
        return Ok(());
    }
    let text = "Only a read receipt may have no sender: send it as yourself";
    Err(Reply::new(550, (5, 7, 1), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(header: &str) -> Result<(), String> {
        let ann = Submitter {
            user: "ann@example.org".to_owned(),
            addresses: ["ann@example.org", "a.miller@example.org"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
            device: None,
        };
        check_author(header.as_bytes(), &ann, &MailParameters::default())
            .map_err(|reply| reply.to_string())
    }

    #[test]
    fn everybody_writes_in_his_own_name() {
        for header in [
            "From: ann@example.org\r\n\r\n",
            "Subject: a\r\nFROM : \"boss@example.org\"\r\n <A.Miller@Example.org>\r\n\r\n",
            "From: ann@example.org, a.miller@example.org\r\nSender: ann@example.org\r\n\r\n",
            // What is no field is not read.
            "From: ann@example.org\r\n\r\nFrom: boss@example.org\r\n",
        ] {
            assert_eq!(told(header), Ok(()), "{header}");
        }
        for (header, expected) in [
            ("Subject: a\r\n\r\n", "550 5.6.0 The message has no From"),
            ("", "550 5.6.0 The message has no From"),
            (
                "From: ann@example.org\r\nfrom: boss@example.org\r\n\r\n",
                "550 5.6.0 The message has more than one From",
            ),
            (
                "From: ann@example.org\r\ngarbage\r\nFrom : boss@example.org\r\n\r\n",
                "550 5.6.0 The message has more than one From",
            ),
            (
                "From: Ann <boss@example.org>\r\n\r\n",
                "550 5.7.1 The From of the message is not yours: <boss@example.org>",
            ),
            (
                "From: ann@example.org,\r\n\tboss@example.org\r\n\r\n",
                "550 5.7.1 The From of the message is not yours: <boss@example.org>",
            ),
            (
                "From: boss@example.org <ann@example.org>\r\n\r\n",
                "550 5.7.1 The From of the message is not yours: <boss@example.org>",
            ),
            (
                "From: ann@example.org\r\nSender: boss@example.org\r\n\r\n",
                "550 5.7.1 The Sender of the message is not yours: <boss@example.org>",
            ),
            (
                "From: ann@example.org\r\nSender: Ann\r\n\r\n",
                "550 5.6.0 The Sender of the message is no address",
            ),
            (
                "From: team: ann@example.org;\r\n\r\n",
                "550 5.6.0 The From of the message is no address",
            ),
            (
                "From: ann@example.org\r\nSender: ann@example.org\r\nSender: ann@example.org\r\n",
                "550 5.6.0 The message has more than one Sender",
            ),
        ] {
            let refused = told(header).unwrap_err();
            assert!(refused.starts_with(expected), "{header}: {refused}");
        }
    }

    #[test]
    fn only_receipts_have_no_sender() {
        let null = ReversePath::Null;
        let receipt = b"Content-Type: multipart/report;\r\n \
            report-type=disposition-notification; boundary=x\r\n\r\n";
        assert_eq!(check_null(receipt, (&null, 1)), Ok(()));
        assert!(check_null(receipt, (&null, 2)).is_err());
        for header in [
            b"Content-Type: text/plain\r\n\r\n".as_slice(),
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n",
            b"Auto-Submitted: auto-replied\r\n\r\n",
        ] {
            assert!(check_null(header, (&null, 1)).is_err());
            let own = ReversePath::Mailbox("ann@example.org".parse().unwrap());
            assert_eq!(check_null(header, (&own, 2)), Ok(()));
        }
    }
}
