//! A draft as a message, for the folder of drafts.

use std::sync::Arc;

use crate::base::Timestamp;
use crate::mail::{
    Addressee, Base64Body, Body, BodySource, JoinedBody, Letter, LetterFile, UnsentLetter,
    parse_addressees,
};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// The Message-ID of one state of a draft: it is how we know it again.
pub(super) fn message_id((token, hostname): (&str, &str), changed: Timestamp) -> String {
    format!("draft.{token}.{}@{hostname}", changed.as_millis())
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
            let gone = || SpoolError::Damaged(format!("the file {} is gone", file.name));
            parts.push(Arc::new(Base64Body(content.ok_or_else(gone)?)));
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
    let addresses: Vec<String> = bcc.iter().map(|one| one.address.to_string()).collect();
    format!("Bcc: {}\r\n", addresses.join(",\r\n ")).into_bytes()
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
    fn hidden_recipients_stand_in_the_header() {
        let (bcc, _) = readable("a@b.example, c@d.example");
        assert_eq!(hidden(&bcc), b"Bcc: a@b.example,\r\n c@d.example\r\n");
        assert_eq!(hidden(&[]), b"");
    }
}
