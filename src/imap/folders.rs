//! The folders of a mailbox, and what they are for (RFC 6154). Reading the answers is pure.

use super::ImapError;
use super::names::readable;
use super::session::{Piece, Session, starts_with};
use super::usual::by_name;
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
    /// Of several for one thing the one with the least is meant: how deep it lies, and how usual
    /// its name is.
    pub(super) rank: (usize, usize),
}

/// What the server tells of namespaces (RFC 2342 §5): beginnings of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Spaces {
    own: Vec<Vec<u8>>,
    /// Of other users, and shared.
    foreign: Vec<Vec<u8>>,
}

impl Session {
    /// The folders of this mailbox's own: those of others that are shared with it are not its.
    /// Sorted: the inbox first, junk and trash last.
    pub(super) async fn folders(&mut self) -> Result<Vec<Folder>, ImapError> {
        let mut spaces = Spaces::default();
        if self.can("NAMESPACE") {
            let mut hear = |answer: &[u8]| {
                if starts_with(answer, b"NAMESPACE ") {
                    spaces = spaces_of(answer)?;
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
                folders.extend(folder(answer, &spaces)?);
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

/// RFC 2342 §5: personal, other users', shared.
fn spaces_of(answer: &[u8]) -> Result<Spaces, ImapError> {
    let values = parse(answer).ok_or(ImapError::Odd)?;
    let prefixes = |values: &[Value]| -> Vec<Vec<u8>> {
        let spaces = values.iter().filter_map(Value::list).flatten();
        let prefixes = spaces.filter_map(|space| space.list()?.first()?.bytes());
        let prefixes = prefixes.filter(|prefix| !prefix.is_empty());
        prefixes.map(<[u8]>::to_vec).collect()
    };
    Ok(Spaces {
        own: prefixes(values.get(1..2).unwrap_or_default()),
        foreign: prefixes(values.get(2..).unwrap_or_default()),
    })
}

/// The parts of a name behind what all of the user's names begin with, or behind his inbox.
fn parts<'a>(name: &'a [u8], delimiter: Option<u8>, spaces: &Spaces) -> Vec<&'a [u8]> {
    let Some(delimiter) = delimiter else {
        return vec![name];
    };
    let inbox = [b"INBOX".as_slice(), &[delimiter]].concat();
    let fronts = spaces.own.iter().chain(std::iter::once(&inbox));
    let mut fronts = fronts.filter(|front| starts_with(name, front));
    let front = fronts.next().map_or(0, Vec::len);
    let rest = name.get(front..).unwrap_or_default();
    rest.split(|byte| *byte == delimiter).collect()
}

/// RFC 9051 §7.3.1: `LIST (attributes) "/" name`. `None`: it cannot be opened, or is not his. What
/// cannot be understood is an error: that folder may have what is looked for.
fn folder(answer: &[u8], spaces: &Spaces) -> Result<Option<Folder>, ImapError> {
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
    let is_in = |prefix: &Vec<u8>| name.starts_with(prefix);
    if spaces.foreign.iter().any(is_in) {
        return Ok(None);
    }
    let used = attributes.iter().find_map(|one| by_use(one));
    let delimiter = delimiter.bytes().and_then(|bytes| bytes.first().copied());
    let parts = parts(name, delimiter, spaces);
    // A folder of his for customers may have a bin of its own, which is not his.
    let named = match parts.as_slice() {
        [only] => by_name(&readable(only)),
        _ => None,
    };
    let kind = if name.eq_ignore_ascii_case(b"INBOX") {
        FolderKind::Inbox
    } else {
        let named = named.map(|(kind, _)| kind);
        used.or(named).unwrap_or(FolderKind::Other)
    };
    Ok(Some(Folder {
        name: name.clone(),
        title: readable(name),
        kind,
        is_told: used.is_some(),
        rank: (parts.len(), named.map_or(usize::MAX, |(_, rank)| rank)),
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
                r#"LIST () "/" Kunden/Papierkorb"#,
                "Kunden/Papierkorb",
                FolderKind::Other,
            ),
            (
                r#"LIST () "." INBOX.Kunden.Trash"#,
                "INBOX.Kunden.Trash",
                FolderKind::Other,
            ),
            (r#"LIST () "/" "mail/Sent""#, "mail/Sent", FolderKind::Sent),
            (
                r#"LIST () NIL "Sent Items""#,
                "Sent Items",
                FolderKind::Sent,
            ),
            (r#"LIST (\All) "/" Alle"#, "Alle", FolderKind::All),
            (r#"LIST () "/" NIL"#, "NIL", FolderKind::Other),
        ] {
            let spaces = Spaces {
                own: vec![b"mail/".to_vec()],
                ..Spaces::default()
            };
            let found = folder(answer.as_bytes(), &spaces).unwrap().unwrap();
            assert_eq!(
                (found.title.as_str(), found.kind),
                (title, kind),
                "{answer}"
            );
        }
        let literal = folder(b"LIST () \"/\" {4}\r\na\"b\\", &Spaces::default());
        let literal = literal.unwrap().unwrap();
        assert_eq!(literal.title, "a\"b\\");
    }

    #[test]
    fn what_cannot_be_opened_or_belongs_to_others_is_left_out() {
        let told = br#"NAMESPACE (("INBOX." ".")) (("Other/" "/")) (("Shared/" "/")("" "/"))"#;
        let spaces = spaces_of(told).unwrap();
        assert_eq!(spaces.own, [b"INBOX.".to_vec()]);
        assert_eq!(spaces.foreign, [b"Other/".to_vec(), b"Shared/".to_vec()]);
        let none = spaces_of(b"NAMESPACE NIL NIL NIL");
        assert_eq!(none, Ok(Spaces::default()));
        assert_eq!(spaces_of(b"NAMESPACE ("), Err(ImapError::Odd));
        for answer in [
            r#"LIST (\Noselect) "/" "Public""#,
            r#"LIST (\NonExistent) "/" "x""#,
            r#"LIST () "/" "Shared/Team/INBOX""#,
        ] {
            assert_eq!(folder(answer.as_bytes(), &spaces), Ok(None), "{answer}");
        }
        for odd in [
            "LIST",
            "LIST (\\Trash",
            r#"LIST x "/" y"#,
            r#"LIST () "/" (y)"#,
        ] {
            let found = folder(odd.as_bytes(), &spaces);
            assert_eq!(found, Err(ImapError::Odd), "{odd}");
        }
    }
}
