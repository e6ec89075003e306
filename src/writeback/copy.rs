//! Sent mail for a backend without IMAP: its writer is sent a copy with a clear mark, if the config
//! wants that.

use super::carry::Broken;
use super::record::{UserResult, Written, put_written};
use super::work::{SentTask, Work, name_of_sent};
use super::{Parts, WithoutImap};
use crate::base::Shutdown;
use crate::mail::{Authenticity, BackendId, Envelope, Peer, Recipient, SpoolId, message_id};
use crate::route::{Admission, Admit as _, Origin};
use crate::smtp::{MailParameters, RcptParameters, ReversePath};
use crate::spool::{Spool, SpoolError};
use crate::telemetry::names;

use super::people::Person;

/// The field that tells a copy.
pub(super) const COPY_FIELD: &str = "X-Tideover-Copy";
/// Bytes in which the header has to end. Beyond: it is copied as it is.
const HEADER: usize = 256 * 1024;
/// Pieces in which a body is copied.
const PIECE: usize = 1024 * 1024;

/// What works on one user.
pub(super) struct Copier<'a> {
    pub(super) parts: &'a Parts,
    pub(super) person: &'a Person,
    pub(super) backend: &'a BackendId,
    pub(super) stop: &'a Shutdown,
    pub(super) result: &'a mut UserResult,
}

impl Copier<'_> {
    /// Sends the copies, if there are to be any; what else there is cannot be carried.
    pub(super) async fn carry(&mut self, work: Work) -> Result<(), Broken> {
        let without = self.parts.options().without_imap;
        self.result.carried.cannot += work.without_imap();
        for task in work.sent {
            if self.stop.is_stopping() {
                return Err(Broken::Stopped);
            }
            if self.person.home_now(&self.parts.router) != self.person.home {
                return Err(Broken::Moved);
            }
            match without {
                WithoutImap::Tell => self.result.carried.cannot += 1,
                // What he did with it since is told by no copy.
                WithoutImap::Copy if task.before.is_some() => self.result.carried.cannot += 1,
                WithoutImap::Copy => self.copy(&task).await?,
            }
        }
        Ok(())
    }

    async fn copy(&mut self, task: &SentTask) -> Result<(), Broken> {
        let spool = &self.parts.spool;
        let id = task.id;
        let reading = move |spool: &Spool| {
            let damage = spool.damage(id)?;
            let body = if damage.is_none() {
                spool.body(id)
            } else {
                Ok(None)
            };
            Ok((damage, body?))
        };
        let body = match spool.beside(reading).await? {
            (Some(damage), _) => {
                self.result.lose(format!("{id}: {damage}"));
                return Ok(());
            }
            (None, None) => {
                self.result
                    .lose(format!("{id}: spool.retain is over, it is gone"));
                return Ok(());
            }
            (None, Some(body)) => body,
        };
        let Some(recipient) = self.recipient() else {
            self.result.carried.cannot += 1;
            return Ok(());
        };
        let mut draft = spool.draft();
        let name = name_of_sent(id);
        let place = (self.person.mailbox.as_str(), name.as_str());
        let mut written = self.written(task, draft.id());
        let hostname = &self.parts.hostname;
        let new_id = format!("copy.{}@{hostname}", draft.id());
        let mark = self.parts.options().subject_mark;
        let start = body.front(HEADER).map_err(|error| odd(&error))?;
        let (header, length) = marked(&start, (&new_id, &mark));
        draft.append(&header).await?;
        let mut offset = length as u64;
        loop {
            // It was read through: what fails now is the disk.
            let piece = body.read_at(offset, PIECE).map_err(|error| odd(&error))?;
            if piece.is_empty() {
                break;
            }
            offset += piece.len() as u64;
            draft.append(&piece).await?;
        }
        // Its id is written down before it is there: a crash between the two leaves a record of
        // nothing, which the next run sees.
        put_written(spool, place, Some(&written)).await?;
        let envelope = envelope(recipient, new_id, (&start, &mark));
        spool.accept(draft, envelope).await?;
        // What he sent may stay longer than its copy, while it waits for somebody.
        written.accepted = true;
        put_written(spool, place, Some(&written)).await?;
        self.result.carried.copied += 1;
        let backend = self.backend.to_string();
        metrics::counter!(names::WRITTEN_BACK, "backend" => backend, "kind" => "copy").increment(1);
        Ok(())
    }

    fn recipient(&self) -> Option<Recipient> {
        let address = &self.person.address;
        match self.parts.router.admit(address, Origin::Trusted) {
            Admission::Accept {
                address,
                lane,
                mailbox,
            } => Some(Recipient {
                address,
                parameters: RcptParameters::default(),
                lane,
                mailbox,
            }),
            Admission::Reject(_) => None,
        }
    }

    fn written(&self, task: &SentTask, copy: SpoolId) -> Written {
        Written {
            backend: self.backend.clone(),
            at: self.parts.clock.now(),
            changed: task.mark.changed,
            seen: false,
            flagged: false,
            place: None,
            begun: Vec::new(),
            copy: Some(copy),
            accepted: false,
        }
    }
}

fn odd(error: &std::io::Error) -> SpoolError {
    SpoolError::Index(format!("a body cannot be read: {error}"))
}

/// To nobody goes a report about it.
fn envelope(recipient: Recipient, id: String, (start, mark): (&[u8], &str)) -> Envelope {
    let subject = field(start, b"Subject").map(|value| crate::mail::decode_text(value, 200));
    let from = field(start, b"From").map(|value| crate::mail::decode_text(value, 200));
    Envelope {
        from: ReversePath::Null,
        parameters: MailParameters {
            smtputf8: !recipient.address.is_ascii(),
            ..MailParameters::default()
        },
        recipients: vec![recipient],
        peer: Peer {
            protocol: "writeback".to_owned(),
            ..Peer::default()
        },
        message_id: Some(id),
        subject: Some(format!("{mark}{}", subject.unwrap_or_default())),
        header_from: from,
        authenticity: Authenticity::Local,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

/// The header of the copy, and how many bytes of the message it stands for. Pure.
fn marked(start: &[u8], (new_id, mark): (&str, &str)) -> (Vec<u8>, usize) {
    let end = memchr::memmem::find(start, b"\r\n\r\n").map_or(0, |at| at + 2);
    let header = start.get(..end).unwrap_or_default();
    let original = field(header, b"Message-ID").and_then(message_id);
    let mut copy = format!("{COPY_FIELD}: sent");
    if let Some(id) = original {
        copy.extend([" <", id.as_str(), ">"]);
    }
    copy.push_str("\r\nX-Auto-Response-Suppress: All\r\n");
    let mut copy = copy.into_bytes();
    let mut has_subject = false;
    for one in folded(header) {
        if is_field(one, b"Message-ID") {
            copy.extend_from_slice(format!("Message-ID: <{new_id}>\r\n").as_bytes());
        } else if is_field(one, b"Subject") {
            has_subject = true;
            let value = one.get(b"Subject:".len()..).unwrap_or_default();
            copy.extend_from_slice(format!("Subject: {}", mark.trim_end()).as_bytes());
            if !value.starts_with(b" ") {
                copy.push(b' ');
            }
            copy.extend_from_slice(value);
        } else {
            copy.extend_from_slice(one);
        }
    }
    if !has_subject {
        copy.extend_from_slice(format!("Subject: {}\r\n", mark.trim_end()).as_bytes());
    }
    (copy, end)
}

/// The fields of a header, each with its line ends.
fn folded(header: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', header) {
        let goes_on = matches!(header.get(at + 1), Some(b' ' | b'\t'));
        if !goes_on {
            fields.extend(header.get(start..=at));
            start = at + 1;
        }
    }
    fields
}

fn is_field(one: &[u8], name: &[u8]) -> bool {
    let head = one.get(..name.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(name)) && one.get(name.len()) == Some(&b':')
}

fn field<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let end = memchr::memmem::find(header, b"\r\n\r\n").map_or(header.len(), |at| at + 2);
    let fields = folded(header.get(..end)?);
    let found = fields.into_iter().find(|one| is_field(one, name))?;
    found.get(name.len() + 1..)
}

/// Is this message one of ours, that was written down before it was there?
pub(super) fn is_there(spool: &Spool, copy: SpoolId) -> bool {
    !matches!(spool.state(copy, 0), Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_says_that_it_is_one() {
        let message =
            b"Received: by us\r\n\tx\r\nMessage-ID: <a@b>\r\nsubject:=?utf-8?q?=C3=BC?=\r\n y\r\n\
                        From: Ann <ann@example.org>\r\n\r\nSubject: body\r\n";
        let (header, length) = marked(message, ("copy.1@mx", "[Sent] "));
        let rest = &message[length..];
        assert_eq!(rest, b"\r\nSubject: body\r\n");
        let expected = "X-Tideover-Copy: sent <a@b>\r\nX-Auto-Response-Suppress: All\r\n\
                        Received: by us\r\n\tx\r\nMessage-ID: <copy.1@mx>\r\n\
                        Subject: [Sent] =?utf-8?q?=C3=BC?=\r\n y\r\n\
                        From: Ann <ann@example.org>\r\n";
        assert_eq!(String::from_utf8(header).unwrap(), expected);
    }

    #[test]
    fn odd_messages_are_copied_as_they_are() {
        for (message, length) in [("no header at all", 0), ("", 0), ("\r\n\r\nx", 2)] {
            let (header, taken) = marked(message.as_bytes(), ("copy.1@mx", "[Sent] "));
            let text = String::from_utf8(header).unwrap();
            assert_eq!(taken, length, "{message}");
            assert!(text.contains("\r\nSubject: [Sent]\r\n"), "{text}");
        }
    }
}
