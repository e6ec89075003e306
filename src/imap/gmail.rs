//! Gmail: every message lies once in `\All`, and its folders are labels (`X-GM-LABELS`). So one
//! that is in the inbox, in two labels and in all mail is one message, and it is changed there.

use super::ImapError;
use super::change::Filed;
use super::folders::{Folder, GMAIL};
use super::locate::Spot;
use super::session::{Piece, Session};
use super::value::Value;
use crate::mail::FolderKind;

/// The label of the inbox.
const INBOX: &[u8] = b"\\Inbox";

impl Session {
    /// Are this mailbox's folders labels, all of them seen in `\All`?
    pub(super) fn has_labels(&self, folders: &[Folder]) -> bool {
        self.can(GMAIL) && folders.iter().any(|one| one.kind == FolderKind::All)
    }

    /// Files a message that lies in all mail; `None`: it has to be moved, as elsewhere.
    pub(super) async fn label(
        &mut self,
        spot: &Spot,
        kind: FolderKind,
    ) -> Result<Option<Filed>, ImapError> {
        let sign = match kind {
            FolderKind::Inbox => '+',
            // All mail without the inbox is what Gmail calls archived.
            FolderKind::Archive | FolderKind::All => '-',
            // A move into these takes all labels away.
            FolderKind::Trash
            | FolderKind::Junk
            | FolderKind::Sent
            | FolderKind::Drafts
            | FolderKind::Other => return Ok(None),
        };
        if !self.is_still_there(spot).await? {
            return Ok(Some(Filed::Gone));
        }
        let store = format!("UID STORE {} {sign}X-GM-LABELS (\\Inbox)", spot.uid);
        self.run(&[Piece::Word(&store)]).await?;
        Ok(Some(Filed::Moved))
    }
}

/// Where its user sees a message of all mail. What we delivered he got, also when he sent it to
/// himself, and Gmail keeps the two as one.
pub(super) fn place_of(labels: &[Value], whose: Whose) -> FolderKind {
    let has = |label: &[u8]| {
        let mut labels = labels.iter().filter_map(Value::bytes);
        labels.any(|one| one.eq_ignore_ascii_case(label))
    };
    let is_own = |label: &[u8]| !label.starts_with(b"\\");
    if whose == Whose::Others && has(b"\\Draft") {
        FolderKind::Drafts
    } else if whose == Whose::Others && has(b"\\Sent") {
        FolderKind::Sent
    } else if has(INBOX) {
        FolderKind::Inbox
    } else if labels.iter().filter_map(Value::bytes).any(is_own) {
        FolderKind::Other
    } else {
        FolderKind::Archive
    }
}

/// Has a message our trace line?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    Others,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_where_a_message_is_seen() {
        for (labels, ours, others) in [
            (vec![], FolderKind::Archive, FolderKind::Archive),
            (
                vec!["\\Important", "\\Starred"],
                FolderKind::Archive,
                FolderKind::Archive,
            ),
            (
                vec!["\\Inbox", "Kunden"],
                FolderKind::Inbox,
                FolderKind::Inbox,
            ),
            (vec!["Kunden"], FolderKind::Other, FolderKind::Other),
            (
                vec!["\\Inbox", "\\Sent"],
                FolderKind::Inbox,
                FolderKind::Sent,
            ),
            (vec!["\\Draft"], FolderKind::Archive, FolderKind::Drafts),
        ] {
            let values = labels.iter().map(|label| Value::Text((*label).into()));
            let values: Vec<Value> = values.collect();
            assert_eq!(place_of(&values, Whose::Ours), ours, "{labels:?}");
            assert_eq!(place_of(&values, Whose::Others), others, "{labels:?}");
        }
    }
}
