//! The folders of a mailbox, and what they are for (RFC 6154). Reading the answers is pure.

use super::ImapError;
use super::names::readable;
use super::session::{Piece, Session, starts_with};
use super::value::{Value, parse};
use crate::limits;
use crate::mail::FolderKind;

/// By an attribute of RFC 6154 §2.
fn by_use(attribute: &[u8]) -> Option<FolderKind> {
    let uses: [(&[u8], FolderKind); 6] = [
        (b"\\All", FolderKind::All),
        (b"\\Archive", FolderKind::Archive),
        (b"\\Drafts", FolderKind::Drafts),
        (b"\\Junk", FolderKind::Junk),
        (b"\\Sent", FolderKind::Sent),
        (b"\\Trash", FolderKind::Trash),
    ];
    let mut uses = uses.into_iter();
    uses.find(|(name, _)| attribute.eq_ignore_ascii_case(name))
        .map(|(_, kind)| kind)
}

/// By its name, where the server does not say: as the usual programs call it.
fn by_name(name: &str) -> Option<FolderKind> {
    let name = name.to_lowercase();
    let found = NAMES
        .iter()
        .find(|(_, names)| names.contains(&name.as_str()));
    found.map(|(kind, _)| *kind)
}

/// Names of folders in the languages in which platforms make them.
const NAMES: [(FolderKind, &[&str]); 5] = [
    (
        FolderKind::Trash,
        &[
            "trash",
            "deleted items",
            "deleted messages",
            "gelöschte elemente",
            "gelöschte objekte",
            "papierkorb",
            "éléments supprimés",
            "corbeille",
            "elementos eliminados",
            "posta eliminata",
            "verwijderde items",
        ],
    ),
    (
        FolderKind::Junk,
        &[
            "junk",
            "junk email",
            "junk e-mail",
            "spam",
            "bulk mail",
            "junk-e-mail",
            "courrier indésirable",
            "correo no deseado",
            "posta indesiderata",
            "ongewenste e-mail",
        ],
    ),
    (
        FolderKind::Sent,
        &[
            "sent",
            "sent items",
            "sent messages",
            "sent mail",
            "gesendete elemente",
            "gesendete objekte",
            "gesendet",
            "éléments envoyés",
            "elementos enviados",
            "posta inviata",
            "verzonden items",
        ],
    ),
    (
        FolderKind::Drafts,
        &[
            "drafts",
            "entwürfe",
            "brouillons",
            "borradores",
            "bozze",
            "concepten",
        ],
    ),
    (
        FolderKind::Archive,
        &[
            "archive", "archiv", "archives", "archivo", "archivio", "archief",
        ],
    ),
];

/// The capability of servers that show labels as folders.
pub(super) const GMAIL: &str = "X-GM-EXT-1";

/// A folder that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    /// As the server calls it.
    pub(super) name: Vec<u8>,
    /// As people read it.
    pub(super) title: String,
    pub(super) kind: FolderKind,
    /// The server says what it is for, and not its name alone.
    pub(super) is_told: bool,
}

impl Session {
    /// The folders of this mailbox's own: those of others that are shared with it are not its.
    /// Sorted: the inbox first, junk and trash last.
    pub(super) async fn folders(&mut self) -> Result<Vec<Folder>, ImapError> {
        let mut foreign = Vec::new();
        if self.can("NAMESPACE") {
            let mut hear = |answer: &[u8]| {
                if starts_with(answer, b"NAMESPACE ") {
                    foreign = foreign_prefixes(answer)?;
                }
                Ok(())
            };
            self.ask(&[Piece::Word("NAMESPACE")], &mut hear).await?;
        }
        let mut folders: Vec<Folder> = Vec::new();
        let mut hear = |answer: &[u8]| {
            if folders.len() >= limits::IMAP_FOLDERS {
                return Err(ImapError::TooMuch("folders"));
            }
            if starts_with(answer, b"LIST ") {
                folders.extend(folder(answer, &foreign)?);
            }
            Ok(())
        };
        let all = Piece::Word("LIST \"\" \"*\"");
        if self.can("SPECIAL-USE") && self.can("LIST-EXTENDED") {
            let with_uses = [all, Piece::Word("RETURN (SPECIAL-USE)")];
            self.ask(&with_uses, &mut hear).await?;
        } else {
            self.ask(&[all], &mut hear).await?;
        }
        folders.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        folders.dedup_by(|a, b| a.name == b.name);
        Ok(folders)
    }

    /// Gmail shows its labels as folders, and every message but junk and trash in `\All`.
    pub(super) fn without_labels(&self, folders: Vec<Folder>) -> Vec<Folder> {
        let has_all = folders.iter().any(|one| one.kind == FolderKind::All);
        if !has_all || !self.can(GMAIL) {
            return folders;
        }
        let counts = |kind| match kind {
            FolderKind::Inbox | FolderKind::All | FolderKind::Junk | FolderKind::Trash => true,
            FolderKind::Other | FolderKind::Archive | FolderKind::Sent | FolderKind::Drafts => {
                false
            }
        };
        let folders = folders.into_iter();
        folders.filter(|one| counts(one.kind)).collect()
    }
}

/// RFC 2342 §5: personal, other users', shared; of the last two, the beginnings of names.
fn foreign_prefixes(answer: &[u8]) -> Result<Vec<Vec<u8>>, ImapError> {
    let values = parse(answer).ok_or(ImapError::Odd)?;
    let spaces = values.get(2..).unwrap_or_default().iter();
    let spaces = spaces.filter_map(Value::list).flatten();
    let prefixes = spaces.filter_map(|space| space.list()?.first()?.bytes());
    let prefixes = prefixes.filter(|prefix| !prefix.is_empty());
    Ok(prefixes.map(<[u8]>::to_vec).collect())
}

/// RFC 9051 §7.3.1: `LIST (attributes) "/" name`. `None`: it cannot be opened, or is not his. What
/// cannot be understood is an error: that folder may have what is looked for.
fn folder(answer: &[u8], foreign: &[Vec<u8>]) -> Result<Option<Folder>, ImapError> {
    let values = parse(answer).ok_or(ImapError::Odd)?;
    let [_, attributes, delimiter, name, ..] = values.as_slice() else {
        return Err(ImapError::Odd);
    };
    let attributes = attributes.list().ok_or(ImapError::Odd)?.iter();
    let attributes: Vec<&[u8]> = attributes.filter_map(Value::bytes).collect();
    let has = |name: &[u8]| attributes.iter().any(|one| one.eq_ignore_ascii_case(name));
    if has(b"\\Noselect") || has(b"\\NonExistent") {
        return Ok(None);
    }
    let (Value::Atom(name) | Value::Text(name)) = name else {
        return Err(ImapError::Odd);
    };
    if foreign.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(None);
    }
    let title = readable(name);
    let used = attributes.iter().find_map(|one| by_use(one));
    let last = || {
        let delimiter = delimiter.bytes().and_then(|bytes| bytes.first().copied());
        let delimiter = char::from(delimiter.unwrap_or(b'/'));
        title.rsplit(delimiter).next().unwrap_or(&title).to_owned()
    };
    let kind = if name.eq_ignore_ascii_case(b"INBOX") {
        FolderKind::Inbox
    } else {
        let named = || by_name(&last());
        used.or_else(named).unwrap_or(FolderKind::Other)
    };
    Ok(Some(Folder {
        name: name.clone(),
        title,
        kind,
        is_told: used.is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_known_by_their_use_and_else_by_their_name() {
        for (answer, title, kind) in [
            (r#"LIST () "/" inbox"#, "inbox", FolderKind::Inbox),
            (
                r#"LIST (\Marked \Trash) "/" "Weg""#,
                "Weg",
                FolderKind::Trash,
            ),
            (
                r#"LIST (\HasNoChildren) "/" "INBOX/Gel&APY-schte Elemente""#,
                "INBOX/Gelöschte Elemente",
                FolderKind::Trash,
            ),
            (r#"LIST () "." INBOX.Spam"#, "INBOX.Spam", FolderKind::Junk),
            (
                r#"LIST () NIL "Sent Items""#,
                "Sent Items",
                FolderKind::Sent,
            ),
            (r#"LIST (\All) "/" Alle"#, "Alle", FolderKind::All),
            (r#"LIST () "/" NIL"#, "NIL", FolderKind::Other),
        ] {
            let found = folder(answer.as_bytes(), &[]).unwrap().unwrap();
            assert_eq!(
                (found.title.as_str(), found.kind),
                (title, kind),
                "{answer}"
            );
        }
        let literal = folder(b"LIST () \"/\" {4}\r\na\"b\\", &[])
            .unwrap()
            .unwrap();
        assert_eq!(literal.title, "a\"b\\");
    }

    #[test]
    fn what_cannot_be_opened_or_belongs_to_others_is_left_out() {
        let foreign =
            foreign_prefixes(br#"NAMESPACE (("" "/")) (("Other/" "/")) (("Shared/" "/")("" "/"))"#)
                .unwrap();
        assert_eq!(foreign, [b"Other/".to_vec(), b"Shared/".to_vec()]);
        assert_eq!(
            foreign_prefixes(b"NAMESPACE NIL NIL NIL"),
            Ok(Vec::<Vec<u8>>::new())
        );
        assert_eq!(foreign_prefixes(b"NAMESPACE ("), Err(ImapError::Odd));
        for answer in [
            r#"LIST (\Noselect) "/" "Public""#,
            r#"LIST (\NonExistent) "/" "x""#,
            r#"LIST () "/" "Shared/Team/INBOX""#,
        ] {
            assert_eq!(folder(answer.as_bytes(), &foreign), Ok(None), "{answer}");
        }
        for odd in [
            "LIST",
            "LIST (\\Trash",
            r#"LIST x "/" y"#,
            r#"LIST () "/" (y)"#,
        ] {
            let found = folder(odd.as_bytes(), &foreign);
            assert_eq!(found, Err(ImapError::Odd), "{odd}");
        }
    }
}
