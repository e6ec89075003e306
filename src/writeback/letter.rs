//! A draft as a message, for the folder of drafts.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::base::{Timestamp, hex};
use crate::mail::{
    Addressee, Base64Body, Body, BodySource, JoinedBody, Letter, LetterFile, UnsentLetter,
    address_field, parse_addressees,
};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// Digits of the hash of a token.
const DIGITS: usize = 32;

/// The Message-ID of one state of a draft: it is how we know it again. The token itself is the
/// webmail's, and no business of who can read the mailbox.
pub(super) fn message_id((token, hostname): (&str, &str), changed: Timestamp) -> String {
    let digest = Sha256::digest(format!("tideover draft {token}"));
    let mut hash = hex(&digest);
    hash.truncate(DIGITS);
    format!("draft.{hash}.{}@{hostname}", changed.as_millis())
}

/// The Message-IDs that this state may have: earlier versions wrote the token.
pub(super) fn message_ids(draft: (&str, &str), changed: Timestamp) -> [String; 2] {
    let (token, hostname) = draft;
    let before = format!("draft.{token}.{}@{hostname}", changed.as_millis());
    [message_id(draft, changed), before]
}

/// Who writes: a name, and an address.
pub(super) type Writer<'a> = (Option<&'a str>, &'a Mailbox);

/// The message. `mark` is a random text. Blocks.
pub(super) fn body(
    (spool, account): (&Spool, &Mailbox),
    letter: &UnsentLetter,
    (writer, message_id, mark): (Writer<'_>, &str, &str),
) -> Result<Arc<dyn BodySource>, SpoolError> {
    let fields = [&letter.to, &letter.cc, &letter.bcc].map(|field| readable(field));
    let [to, cc, bcc] = fields;
    let mut text = String::new();
    // What is no address yet would be lost in a header.
    for (name, (_, rest)) in ["To", "Cc", "Bcc"].iter().zip([&to, &cc, &bcc]) {
        for piece in rest {
            text.extend([name, ": ", piece.as_str(), "\n"]);
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let html = letter.page(&text);
    text.push_str(&letter.text);
    let files: Vec<LetterFile> = letter
        .files
        .iter()
        .map(|file| LetterFile {
            name: file.name.clone(),
            content_type: file.content_type.clone(),
        })
        .collect();
    let references = references(spool, letter)?;
    let written = Letter {
        from: writer,
        to: &to.0,
        cc: &cc.0,
        subject: &letter.subject,
        text: &text,
        html: html.as_deref(),
        message_id,
        date: letter.changed,
        references: &references,
        calendar: letter.calendar.as_deref().filter(|_| files.is_empty()),
        files: &files,
    };
    let odd = |error: std::io::Error| SpoolError::Damaged(error.to_string());
    let pieces = written.to_pieces(mark).map_err(odd)?;
    let mut parts: Vec<Arc<dyn BodySource>> = vec![in_memory(hidden(&bcc.0))];
    let mut files = letter.files.iter();
    for piece in pieces {
        parts.push(in_memory(piece));
        if let Some(file) = files.next() {
            let content = spool.kept(&account.key(), file.id)?;
            let name = &file.name;
            let gone = || SpoolError::Damaged(format!("the file {name} is gone"));
            let content = content.ok_or_else(gone)?;
            // Once APPEND has begun, only a cut connection ends it.
            if let Some(damage) = spool.damage(file.id)? {
                return Err(SpoolError::Damaged(format!("the file {name}: {damage}")));
            }
            parts.push(Arc::new(Base64Body(content)));
        }
    }
    Ok(Arc::new(JoinedBody(parts)))
}

fn in_memory(bytes: Vec<u8>) -> Arc<dyn BodySource> {
    Arc::new(Body(bytes.into()))
}

/// Addresses, and what is none.
fn readable(field: &str) -> (Vec<Addressee>, Vec<String>) {
    match parse_addressees(field) {
        Ok(good) => (good, Vec::new()),
        Err(bad) => {
            let is_bad = |piece: &&str| bad.iter().any(|bad| bad == piece.trim());
            let good: Vec<&str> = field
                .split([',', ';', '\n', '\r'])
                .filter(|piece| !is_bad(piece))
                .collect();
            // Cut in another way than by its commas it may be all text.
            match parse_addressees(&good.join(",")) {
                Ok(good) => (good, bad),
                Err(_) => (Vec::new(), vec![field.replace(['\r', '\n'], " ")]),
            }
        }
    }
}

/// RFC 5322 §3.6.3: a draft keeps who gets it unseen.
fn hidden(bcc: &[Addressee]) -> Vec<u8> {
    if bcc.is_empty() {
        return Vec::new();
    }
    address_field("Bcc", bcc)
}

/// What it answers.
fn references(spool: &Spool, letter: &UnsentLetter) -> Result<Vec<String>, SpoolError> {
    if !letter.references.is_empty() {
        return Ok(letter.references.clone());
    }
    let Some(id) = letter.answers else {
        return Ok(Vec::new());
    };
    let answered = spool.message_if_whole(id)?;
    let id = answered.and_then(|message| message.envelope.message_id.clone());
    Ok(id.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_not_lost() {
        let (good, bad) = readable("Ann <ann@example.org>, jd, bob@example.org");
        let addresses: Vec<String> = good.iter().map(|one| one.address.to_string()).collect();
        assert_eq!(addresses, ["ann@example.org", "bob@example.org"]);
        assert_eq!(bad, ["jd"]);
        let (good, bad) = readable("\"A, B\" <x; ann@example.org");
        let text = format!("{good:?} {bad:?}");
        assert!(text.contains("A, B") || text.contains("\\\"A"), "{text}");
        assert!(text.contains("ann@example.org"), "{text}");
        assert_eq!(readable(""), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_token_is_told_to_nobody() {
        let draft = ("secret", "mx.example.org");
        let id = message_id(draft, Timestamp::from_millis(7));
        assert!(id.ends_with(".7@mx.example.org"), "{id}");
        assert!(!id.contains("secret"), "{id}");
        let other = message_id(("other", draft.1), Timestamp::from_millis(7));
        assert_ne!(id, other);
        assert_eq!(message_ids(draft, Timestamp::from_millis(7))[0], id);
    }

    #[test]
    fn hidden_recipients_stand_in_the_header() {
        let (bcc, _) = readable("Dee Lee <a@b.example>, c@d.example");
        let text = String::from_utf8(hidden(&bcc)).unwrap();
        assert_eq!(text, "Bcc: \"Dee Lee\" <a@b.example>, <c@d.example>\r\n");
        let (bcc, _) = readable("Dé\r\nX: y <a@b.example>");
        let text = String::from_utf8(hidden(&bcc)).unwrap();
        assert!(!text.contains("\nX:"), "{text}");
        assert_eq!(hidden(&[]), b"");
    }
}
