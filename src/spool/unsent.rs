//! Letters that users write in the webmail, and the files of them.

use std::sync::Arc;

use super::SpoolError;
use super::handle::Spool;
use crate::limits;
use crate::mail::{BodySource, DRAFTS, SpoolId, StoredLetter, UnsentLetter};

/// Pieces in which a letter is read.
const PIECE: usize = 1024 * 1024;

impl Spool {
    /// The content of a file of a letter; `None` when it is gone, or another account's (I12).
    ///
    /// # Errors
    /// When the disk or the index fails, or it is damaged.
    pub fn kept(
        &self,
        account: &str,
        id: SpoolId,
    ) -> Result<Option<Arc<dyn BodySource>>, SpoolError> {
        let Some(message) = self.message(id)? else {
            return Ok(None);
        };
        let peer = &message.envelope.peer;
        let is_own =
            message.envelope.recipients.is_empty() && peer.user.as_deref() == Some(account);
        if is_own { self.body(id) } else { Ok(None) }
    }

    /// A letter that its writer has not sent. Of one whose text retention has taken, the title is
    /// left; files that are gone are left out.
    ///
    /// # Errors
    /// When the disk or the index fails, or it is damaged.
    pub fn unsent(&self, account: &str, token: &str) -> Result<Option<UnsentLetter>, SpoolError> {
        let read = self.unsent_in_part(account, token)?;
        Ok(read.map(|(letter, _)| letter))
    }

    /// The same, and how many of its parts are gone: its text, and its files.
    ///
    /// # Errors
    /// When the disk or the index fails, or it is damaged.
    pub fn unsent_in_part(
        &self,
        account: &str,
        token: &str,
    ) -> Result<Option<(UnsentLetter, usize)>, SpoolError> {
        let Some(fact) = self.fact(DRAFTS, &format!("{account}/{token}"))? else {
            return Ok(None);
        };
        let stored: StoredLetter =
            serde_json::from_value(fact).map_err(|error| SpoolError::Damaged(error.to_string()))?;
        let letter = match (stored.draft, stored.kept) {
            (Some(letter), _) => Some(letter),
            (None, Some(id)) => match self.kept(account, id)? {
                Some(body) => serde_json::from_slice(&whole(body.as_ref())?).ok(),
                None => None,
            },
            (None, None) => None,
        };
        let mut missing = usize::from(letter.is_none());
        let mut letter = letter.unwrap_or_else(|| UnsentLetter {
            to: stored.title.to,
            subject: stored.title.subject,
            changed: stored.title.changed,
            ..UnsentLetter::default()
        });
        let mut files = Vec::with_capacity(letter.files.len());
        for file in letter.files {
            if self.kept(account, file.id)?.is_some() {
                files.push(file);
            } else {
                missing += 1;
            }
        }
        letter.files = files;
        Ok(Some((letter, missing)))
    }
}

fn whole(body: &dyn BodySource) -> Result<Vec<u8>, SpoolError> {
    let size = body.len().min(limits::WEB_MESSAGE);
    let mut raw = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    loop {
        let piece = body
            .read_at(raw.len() as u64, PIECE)
            .map_err(|error| SpoolError::Damaged(format!("a body cannot be read: {error}")))?;
        if piece.is_empty() {
            return Ok(raw);
        }
        raw.extend_from_slice(&piece);
    }
}
