//! The files of a letter: taken from a form as they come, piece by piece, or from a message that
//! is forwarded.

use axum::extract::multipart::Field;

use super::Webmail;
use super::drafts::File;
use super::error::WebError;
use super::guard::User;
use super::mailbox::Content;
use crate::limits;
use crate::mail::{ParsedMessage, Part, SpoolId, file_name};
use crate::spool::SpoolError;

/// What became of a file.
#[derive(Debug)]
pub(crate) enum Taken {
    File(File),
    /// An empty field of the form.
    Nothing,
    /// The letter has no room for it.
    TooLarge(String),
    /// The spool has no room for it.
    Full,
    /// The account has stored enough for this hour.
    Enough,
}

impl Webmail {
    /// Takes a file of a form, up to `room` bytes. What is too large is read to its end, so that
    /// the browser gets an answer.
    pub(crate) async fn take_file(
        &self,
        account: &str,
        field: &mut Field<'_>,
        room: u64,
    ) -> Result<Taken, WebError> {
        let name = file_name(field.file_name().unwrap_or_default());
        let kind = field.content_type().unwrap_or_default().to_owned();
        let mut body = self.0.world.spool.draft();
        let (mut size, mut is_full, mut is_enough) = (0_u64, self.is_full(), false);
        while let Some(piece) = piece_of(field).await? {
            size += piece.len() as u64;
            if size > room || is_full || is_enough {
                continue;
            }
            if !self.may_store(account, piece.len() as u64) {
                is_enough = true;
                continue;
            }
            match body.append(&piece).await {
                Ok(()) => {}
                Err(error) if error.is_full() => is_full = true,
                Err(error) => return Err(error.into()),
            }
        }
        if name.is_empty() && size == 0 {
            return Ok(Taken::Nothing);
        }
        let refused = if size > room {
            Some(Taken::TooLarge(name.clone()))
        } else if is_full {
            Some(Taken::Full)
        } else {
            is_enough.then_some(Taken::Enough)
        };
        if let Some(refused) = refused {
            self.not_stored(account, body.len());
            return Ok(refused);
        }
        self.kept_file(account, body, (name, kind)).await
    }

    /// Reads a file of a form to its end and keeps nothing of it: was there one?
    pub(crate) async fn pass_over(&self, field: &mut Field<'_>) -> Result<bool, WebError> {
        let mut is_there = !field.file_name().unwrap_or_default().is_empty();
        while let Some(piece) = piece_of(field).await? {
            is_there |= !piece.is_empty();
        }
        Ok(is_there)
    }

    async fn kept_file(
        &self,
        account: &str,
        body: crate::spool::Draft,
        (name, content_type): (String, String),
    ) -> Result<Taken, WebError> {
        let size = body.len();
        match self.keep(account, body).await {
            Ok(id) => Ok(Taken::File(File {
                id,
                name: if name.is_empty() {
                    "file".to_owned()
                } else {
                    name
                },
                content_type: content_type.chars().take(200).collect(),
                size,
            })),
            Err(error) if error.is_full() => Ok(Taken::Full),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies a part of one of the user's messages: somebody else's is not found (I12).
    pub(crate) async fn take_part(
        &self,
        user: &User,
        (id, number): (SpoolId, usize),
        room: u64,
    ) -> Result<Taken, WebError> {
        let opened = self.open(user, id).await?;
        let Content::Parsed(message) = opened.content else {
            return Err(WebError::NotFound);
        };
        let part = message.part(number).ok_or(WebError::NotFound)?;
        let name = part_name(part);
        if part.content.len() as u64 > room {
            return Ok(Taken::TooLarge(name));
        }
        if self.is_full() {
            return Ok(Taken::Full);
        }
        if !self.may_store(&user.account(), part.content.len() as u64) {
            return Ok(Taken::Enough);
        }
        let mut body = self.0.world.spool.draft();
        match body.append(&part.content).await {
            Ok(()) => {}
            Err(error) if error.is_full() => return Ok(Taken::Full),
            Err(error) => return Err(error.into()),
        }
        let kind = match &part.charset {
            Some(charset) => format!("{}; charset={charset}", part.content_type),
            None => part.content_type.clone(),
        };
        self.kept_file(&user.account(), body, (name, kind)).await
    }

    fn is_full(&self) -> bool {
        let admission = self.0.world.spool.admission();
        admission.as_ref().is_err_and(SpoolError::is_full)
    }
}

/// The parts of a message that go along when it is forwarded.
pub(crate) fn forwarded(message: &ParsedMessage) -> impl Iterator<Item = &Part> {
    message.parts.iter().take(limits::WEB_FILES)
}

/// The name of a part, also when it has none.
pub(crate) fn part_name(part: &Part) -> String {
    part.name.clone().unwrap_or_else(|| {
        let number = part.number;
        match part.content_type.as_str() {
            "message/rfc822" => format!("message-{number}.eml"),
            "text/calendar" => format!("invitation-{number}.ics"),
            "application/pdf" => format!("part-{number}.pdf"),
            _ => format!("part-{number}.bin"),
        }
    })
}

async fn piece_of(field: &mut Field<'_>) -> Result<Option<bytes::Bytes>, WebError> {
    let piece = field.chunk().await;
    piece.map_err(|error| WebError::of_status(error.status()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_name() {
        let part = |name: Option<&str>, kind: &str| Part {
            number: 3,
            name: name.map(str::to_owned),
            content_type: kind.to_owned(),
            content_id: None,
            charset: None,
            content: Vec::new(),
        };
        assert_eq!(part_name(&part(Some("a.txt"), "text/plain")), "a.txt");
        assert_eq!(part_name(&part(None, "message/rfc822")), "message-3.eml");
        assert_eq!(part_name(&part(None, "x/y")), "part-3.bin");
    }
}
