//! Changes in a mailbox: a message put into it, flags, another folder. Nothing is ever erased.

use super::ImapError;
use super::find::number_of;
use super::folders::{Folder, GMAIL};
use super::locate::{Flags, Spot};
use super::session::{Answer, Ending, Piece, Session, starts_with};
use super::value::{Value, parse};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BodySource, FolderKind};

/// Bytes that are sent in one go.
const PIECE: usize = 64 * 1024;
/// RFC 7888 §5: with `LITERAL-` no more go without being asked for. More are not sent unasked in
/// any case: a server that does not want them says so before.
const UNASKED: u64 = 4096;

/// RFC 5530 §3, said to a CREATE.
const EXISTS: &str = "[ALREADYEXISTS]";

/// What is put into a folder.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Its flags.
    pub flags: &'a str,
    /// When it came into being: `INTERNALDATE`.
    pub date: Timestamp,
    /// The message.
    pub body: &'a dyn BodySource,
}

/// What became of a message that was to be filed elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// It is where it belongs.
    Moved,
    /// It was not there any more.
    Gone,
}

impl Session {
    /// RFC 9051 §6.3.12: puts a message into a folder.
    pub(super) async fn append(&mut self, folder: &[u8], item: Item<'_>) -> Result<(), ImapError> {
        let size = item.body.len();
        self.check_size(size)?;
        let tag = self.tag();
        let mut head = format!("{tag} APPEND ").into_bytes();
        // A name that cannot be quoted goes as a literal of its own.
        self.say_text(folder, (&mut head, &tag)).await?;
        let is_asked = size > UNASKED || !(self.can("LITERAL+") || self.can("LITERAL-"));
        let (flags, date) = (item.flags, internal_date(item.date));
        let plus = if is_asked { "" } else { "+" };
        let rest = format!(" ({flags}) \"{date}\" {{{size}{plus}}}\r\n");
        head.extend_from_slice(rest.as_bytes());
        self.wire.send(&head).await?;
        if is_asked {
            self.wait_to_go_on(&tag, &mut |_| Ok(())).await?;
        }
        self.say_body(item.body).await?;
        self.wire.send(b"\r\n").await?;
        self.hear_success(&tag, "APPEND").await
    }

    /// RFC 7889 §3.
    fn check_size(&self, size: u64) -> Result<(), ImapError> {
        let limit = self.number_of_capability("APPENDLIMIT=");
        if limit.is_some_and(|limit| size > limit) {
            return Err(ImapError::Refused {
                what: "APPEND".to_owned(),
                why: format!("the message has {size} bytes, more than the server takes"),
            });
        }
        Ok(())
    }

    async fn say_text(
        &mut self,
        text: &[u8],
        (head, tag): (&mut Vec<u8>, &str),
    ) -> Result<(), ImapError> {
        if super::session::can_be_quoted(text) {
            super::session::quote(text, head);
            return Ok(());
        }
        head.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
        self.wire.send(head).await?;
        self.wait_to_go_on(tag, &mut |_| Ok(())).await?;
        head.clear();
        head.extend_from_slice(text);
        Ok(())
    }

    async fn say_body(&mut self, body: &dyn BodySource) -> Result<(), ImapError> {
        let mut offset = 0;
        while offset < body.len() {
            let piece = body.read_at(offset, PIECE);
            let piece = piece.map_err(|error| ImapError::Body(error.to_string()))?;
            if piece.is_empty() {
                return Err(ImapError::Body("it ends too early".to_owned()));
            }
            offset += piece.len() as u64;
            // What is damaged must not become whole by being told.
            if offset >= body.len()
                && let Some(damage) = body.damage()
            {
                return Err(ImapError::Body(damage));
            }
            self.wire.send(&piece).await?;
        }
        Ok(())
    }

    async fn hear_success(&mut self, tag: &str, what: &str) -> Result<(), ImapError> {
        for _ in 0..limits::IMAP_ANSWERS {
            match self.next(tag).await? {
                Answer::Untagged(_) => {}
                Answer::GoOn => return Err(ImapError::Odd),
                Answer::Ended(Ending::Ok, _) => return Ok(()),
                Answer::Ended(Ending::Refused, why) => {
                    let what = what.to_owned();
                    return Err(ImapError::Refused { what, why });
                }
            }
        }
        Err(ImapError::TooMuch("answers to one command"))
    }

    /// Opens the folder of a place; `false`: its UIDs are others now.
    async fn select(&mut self, spot: &Spot) -> Result<bool, ImapError> {
        let opened = self.open_folder("SELECT", &spot.folder).await?;
        Ok(opened.validity == spot.validity)
    }

    /// Opens its folder: is the message there still?
    pub(super) async fn is_still_there(&mut self, spot: &Spot) -> Result<bool, ImapError> {
        Ok(self.select(spot).await? && self.is_there(spot).await?)
    }

    async fn is_there(&mut self, spot: &Spot) -> Result<bool, ImapError> {
        let mut is_there = false;
        let mut hear = |answer: &[u8]| {
            is_there |= is_fetch_of(answer, spot.uid)?;
            Ok(())
        };
        let fetch = format!("UID FETCH {} (UID FLAGS)", spot.uid);
        self.ask(&[Piece::Word(&fetch)], &mut hear).await?;
        Ok(is_there)
    }

    /// RFC 9051 §6.4.6: sets flags, or takes them away.
    pub(super) async fn set_flags(
        &mut self,
        spot: &Spot,
        (add, remove): (Flags, Flags),
    ) -> Result<Filed, ImapError> {
        if !self.is_still_there(spot).await? {
            return Ok(Filed::Gone);
        }
        for (sign, flags) in [('+', add), ('-', remove)] {
            let names = names(flags);
            if !names.is_empty() {
                let store = format!("UID STORE {} {sign}FLAGS.SILENT ({names})", spot.uid);
                self.run(&[Piece::Word(&store)]).await?;
            }
        }
        Ok(Filed::Moved)
    }

    /// RFC 6851, or what comes nearest to it.
    pub(super) async fn file(&mut self, spot: &Spot, to: &[u8]) -> Result<Filed, ImapError> {
        if !self.is_still_there(spot).await? {
            return Ok(Filed::Gone);
        }
        let words = |command: &str| format!("UID {command} {}", spot.uid);
        if self.can("MOVE") {
            self.run(&[Piece::Word(&words("MOVE")), Piece::Text(to)])
                .await?;
            return Ok(Filed::Moved);
        }
        self.run(&[Piece::Word(&words("COPY")), Piece::Text(to)])
            .await?;
        self.take_out(spot).await?;
        Ok(Filed::Moved)
    }

    /// A copy that is elsewhere already.
    pub(super) async fn take_out_copy(&mut self, spot: &Spot) -> Result<Filed, ImapError> {
        if !self.is_still_there(spot).await? {
            return Ok(Filed::Gone);
        }
        self.take_out(spot).await?;
        Ok(Filed::Moved)
    }

    async fn take_out(&mut self, spot: &Spot) -> Result<(), ImapError> {
        let store = format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", spot.uid);
        self.run(&[Piece::Word(&store)]).await?;
        // RFC 4315 §2.1. A bare EXPUNGE would take with it what others marked: without UIDPLUS the
        // user's program does it.
        if self.can("UIDPLUS") {
            let expunge = format!("UID EXPUNGE {}", spot.uid);
            self.run(&[Piece::Word(&expunge)]).await?;
        }
        Ok(())
    }

    /// Makes a folder for this: RFC 6154 §3 where the server can it.
    pub(super) async fn make_folder(&mut self, kind: FolderKind) -> Result<Folder, ImapError> {
        let name = format!("{}{}", self.own_prefix().await?, name_of(kind));
        let command = [Piece::Word("CREATE"), Piece::Text(name.as_bytes())];
        let used = format!("(USE (\\{}))", name_of(kind));
        let created = if self.can("CREATE-SPECIAL-USE") {
            let [create, text] = command;
            match self.run(&[create, text, Piece::Word(&used)]).await {
                // RFC 6154 §3: it may not want this use, but the folder all the same.
                Err(ImapError::Refused { why, .. }) if !why.contains(EXISTS) => {
                    self.run(&command).await
                }
                other => other,
            }
        } else {
            self.run(&command).await
        };
        match created {
            // Somebody was faster.
            Err(ImapError::Refused { why, .. }) if why.contains(EXISTS) => {}
            other => other?,
        }
        // Programs show what is subscribed. A server without that does not say no to the folder.
        match self
            .run(&[Piece::Word("SUBSCRIBE"), Piece::Text(name.as_bytes())])
            .await
        {
            Ok(()) | Err(ImapError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Folder {
            name: name.clone().into_bytes(),
            title: name,
            kind,
            is_told: true,
            rank: (1, 0),
        })
    }

    /// RFC 2342 §5: what the names of the user's own folders begin with.
    async fn own_prefix(&mut self) -> Result<String, ImapError> {
        let mut prefix = String::new();
        if self.can("NAMESPACE") {
            let mut hear = |answer: &[u8]| {
                if starts_with(answer, b"NAMESPACE ") {
                    prefix = own_prefix(answer)?;
                }
                Ok(())
            };
            self.ask(&[Piece::Word("NAMESPACE")], &mut hear).await?;
        }
        Ok(prefix)
    }

    /// The folder for this, if there is one: what the server names first, then the one nearest to
    /// the top.
    pub(super) fn folder_for<'a>(
        &self,
        folders: &'a [Folder],
        kind: FolderKind,
    ) -> Option<&'a Folder> {
        // Gmail has no other archive than all mail.
        let all = FolderKind::All;
        let kind = if kind == FolderKind::Archive && self.can(GMAIL) {
            all
        } else {
            kind
        };
        let fitting = folders.iter().filter(|one| one.kind == kind);
        fitting.min_by_key(|one| (!one.is_told, one.rank))
    }
}

/// What folders are called where there are none.
const fn name_of(kind: FolderKind) -> &'static str {
    match kind {
        FolderKind::Inbox => "INBOX",
        FolderKind::Sent => "Sent",
        FolderKind::Drafts => "Drafts",
        FolderKind::Trash => "Trash",
        FolderKind::Junk => "Junk",
        FolderKind::Archive | FolderKind::All | FolderKind::Other => "Archive",
    }
}

fn own_prefix(answer: &[u8]) -> Result<String, ImapError> {
    let values = parse(answer).ok_or(ImapError::Odd)?;
    let own = values.get(1).and_then(Value::list);
    let first = own.and_then(<[Value]>::first).and_then(Value::list);
    let prefix = first.and_then(<[Value]>::first).and_then(Value::bytes);
    let prefix = std::str::from_utf8(prefix.unwrap_or_default());
    prefix.map(str::to_owned).map_err(|_| ImapError::Odd)
}

/// Does a FETCH answer tell of this UID?
fn is_fetch_of(answer: &[u8], uid: u32) -> Result<bool, ImapError> {
    let mut words = answer.splitn(3, |byte| *byte == b' ');
    let _number = words.next();
    if !words.next().is_some_and(|word| starts_with(word, b"FETCH")) {
        return Ok(false);
    }
    let values = parse(answer).ok_or(ImapError::Odd)?;
    let items = values.get(2).and_then(Value::list).unwrap_or_default();
    for pair in items.chunks(2) {
        let [name, value] = pair else { continue };
        let is_uid = |name: &[u8]| name.eq_ignore_ascii_case(b"UID");
        if name.bytes().is_some_and(is_uid) {
            return Ok(number_of(value.bytes().unwrap_or_default())? == uid);
        }
    }
    Ok(false)
}

fn names(flags: Flags) -> String {
    let all = [
        (flags.seen, "\\Seen"),
        (flags.flagged, "\\Flagged"),
        (flags.deleted, "\\Deleted"),
    ];
    let names: Vec<&str> = all
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, it)| *it)
        .collect();
    names.join(" ")
}

/// RFC 9051 §9, date-time.
fn internal_date(at: Timestamp) -> String {
    at.to_jiff().strftime("%e-%b-%Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_the_standard_wants_them() {
        let early = Timestamp::from_millis(1_772_323_204_000);
        assert_eq!(internal_date(early), " 1-Mar-2026 00:00:04 +0000");
    }

    #[test]
    fn own_folders_have_the_prefix_of_the_namespace() {
        for (answer, prefix) in [
            (r#"NAMESPACE (("INBOX." ".")) NIL NIL"#, "INBOX."),
            (r#"NAMESPACE (("" "/")) (("Other/" "/")) NIL"#, ""),
            ("NAMESPACE NIL NIL NIL", ""),
        ] {
            assert_eq!(own_prefix(answer.as_bytes()), Ok(prefix.to_owned()));
        }
        assert_eq!(own_prefix(b"NAMESPACE ("), Err(ImapError::Odd));
    }

    #[test]
    fn only_the_message_itself_counts() {
        assert_eq!(is_fetch_of(b"3 FETCH (UID 7 FLAGS ())", 7), Ok(true));
        assert_eq!(is_fetch_of(b"7 FETCH (UID 3 FLAGS ())", 7), Ok(false));
        assert_eq!(is_fetch_of(b"7 FETCH (FLAGS ())", 7), Ok(false));
        assert_eq!(is_fetch_of(b"7 EXISTS", 7), Ok(false));
        assert_eq!(is_fetch_of(b"7 FETCH (UID x)", 7), Err(ImapError::Odd));
    }
}
