//! Looks for messages in all folders of a mailbox, by their Message-ID and by our trace line.

use std::collections::{HashMap, HashSet};

use super::ImapError;
use super::folders::{Folder, GMAIL};
use super::session::{Piece, Session, starts_with};
use super::value::{Value, parse};
use super::verdict::{FIELDS, verdict};
use crate::limits;
use crate::mail::{FolderKind, SpoolId, VISIT_FIELD, message_id};

/// A message that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its spool id, which stands in the trace line that platforms got with it.
    pub id: SpoolId,
    /// Its Message-ID without angle brackets, if it has one.
    pub message_id: Option<String>,
}

/// Where a message was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the folder is for.
    pub kind: FolderKind,
    /// Its name, for people.
    pub folder: String,
    /// What the platform's filter wrote into its header, if that was asked for.
    pub verdict: String,
}

/// What a search is for: it says how far it goes, and what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What the mailbox does not have: all of it is searched.
    Gap,
    /// Whether a message is there, and what the filter thought of it.
    Landing,
    /// The same for what was delivered just now: only the newest of each folder are searched.
    FreshLanding,
}

impl Purpose {
    const fn with_verdicts(self) -> bool {
        matches!(self, Self::Landing | Self::FreshLanding)
    }

    /// The first message of a folder with so many that is looked at.
    fn first(self, exists: u32) -> u32 {
        match self {
            Self::Gap | Self::Landing => 1,
            Self::FreshLanding => exists.saturating_sub(limits::IMAP_NEWEST - 1).max(1),
        }
    }
}

/// A header field: its name and its unfolded value.
pub(super) type Field = (Vec<u8>, Vec<u8>);

/// What is looked for, and what was found so far. Memory goes with what is looked for, not with
/// what the mailbox has.
struct Search {
    by_message_id: HashMap<String, Vec<usize>>,
    by_id: HashMap<SpoolId, Vec<usize>>,
    found: Vec<Option<Place>>,
    missing: usize,
    purpose: Purpose,
    /// Has `\All` what no other folder has?
    has_labels: bool,
}

impl Search {
    fn new(wanted: &[Wanted], purpose: Purpose) -> Self {
        let mut search = Self {
            by_message_id: HashMap::new(),
            by_id: HashMap::new(),
            found: vec![None; wanted.len()],
            missing: wanted.len(),
            purpose,
            has_labels: false,
        };
        for (at, one) in wanted.iter().enumerate() {
            search.by_id.entry(one.id).or_default().push(at);
            if let Some(id) = &one.message_id {
                let places = search.by_message_id.entry(id.clone());
                places.or_default().push(at);
            }
        }
        search
    }

    /// A message with these header fields is in this folder.
    fn hear(&mut self, header: &[u8], folder: &Folder) {
        let mut hits = Vec::new();
        // Who writes to himself, or to a list that he is on, has it there whatever came to him.
        let is_copy = match folder.kind {
            FolderKind::Sent | FolderKind::Drafts => true,
            // All folders once more, these two as well.
            FolderKind::All => !self.has_labels,
            FolderKind::Inbox
            | FolderKind::Other
            | FolderKind::Archive
            | FolderKind::Junk
            | FolderKind::Trash => false,
        };
        let fields = fields(header);
        for (name, value) in &fields {
            // What was hit is not looked for any more: many such lines find it once.
            if name.eq_ignore_ascii_case(b"Message-ID") && !is_copy {
                let id = message_id(value);
                hits.extend(id.and_then(|id| self.by_message_id.remove(&id)));
            } else if name.eq_ignore_ascii_case(VISIT_FIELD.as_bytes()) {
                let text = std::str::from_utf8(value).unwrap_or_default();
                let id = text.split_ascii_whitespace().next();
                let id: Option<SpoolId> = id.and_then(|id| id.parse().ok());
                hits.extend(id.and_then(|id| self.by_id.remove(&id)));
            }
        }
        for at in hits.into_iter().flatten() {
            if let Some(place @ None) = self.found.get_mut(at) {
                *place = Some(Place {
                    kind: folder.kind,
                    folder: folder.title.clone(),
                    verdict: if self.purpose.with_verdicts() {
                        verdict(&fields)
                    } else {
                        String::new()
                    },
                });
                self.missing -= 1;
            }
        }
    }
}

impl Session {
    /// Where each of these messages is in the mailbox; the inbox counts before all other folders,
    /// junk and trash come last.
    pub(super) async fn find(
        &mut self,
        (wanted, purpose): (&[Wanted], Purpose),
    ) -> Result<Vec<Option<Place>>, ImapError> {
        let mut search = Search::new(wanted, purpose);
        let folders = self.folders().await?;
        search.has_labels = self.can(GMAIL);
        let mut messages = 0;
        for folder in self.without_labels(folders) {
            if search.missing == 0 {
                break;
            }
            let looked_for = (&mut search, &mut messages);
            if self.look_into(&folder, looked_for).await? == Heard::Part {
                // Somebody took messages out meanwhile: they have other numbers now.
                let looked_for = (&mut search, &mut messages);
                if self.look_into(&folder, looked_for).await? == Heard::Part {
                    return Err(ImapError::Short(folder.title));
                }
            }
        }
        Ok(search.found)
    }

    async fn look_into(
        &mut self,
        folder: &Folder,
        (search, messages): (&mut Search, &mut u64),
    ) -> Result<Heard, ImapError> {
        let mut exists = None;
        let mut hear = |answer: &[u8]| {
            exists = exists_of(answer)?.or(exists);
            Ok(())
        };
        // EXAMINE and not SELECT: it changes nothing (RFC 9051 §6.3.3).
        let open = [Piece::Word("EXAMINE"), Piece::Text(&folder.name)];
        self.ask(&open, &mut hear).await?;
        // RFC 9051 §6.3.2: it has to be said.
        let exists = exists.ok_or(ImapError::Odd)?;
        *messages += u64::from(exists);
        if *messages > limits::IMAP_MESSAGES {
            return Err(ImapError::TooMuch("messages in one mailbox"));
        }
        // From the newest on, which are looked for most. When others are taken out meanwhile, all
        // behind them move down: none is passed over this way.
        let mut last = exists;
        let end = search.purpose.first(exists);
        let verdicts = if search.purpose.with_verdicts() {
            format!(" {FIELDS}")
        } else {
            String::new()
        };
        while last >= end && last > 0 && search.missing > 0 {
            let first = last.saturating_sub(limits::IMAP_FETCH - 1).max(end);
            let fields = format!("MESSAGE-ID {VISIT_FIELD}{verdicts}");
            let fetch = format!(
                "FETCH {first}:{last} (BODY.PEEK[HEADER.FIELDS ({fields})]<0.{}>)",
                limits::IMAP_HEADER
            );
            let mut left: HashSet<u32> = (first..=last).collect();
            let mut hear = |answer: &[u8]| {
                if let Some((number, header)) = header_of(answer)? {
                    left.remove(&number);
                    search.hear(&header, folder);
                }
                Ok(())
            };
            self.ask(&[Piece::Word(&fetch)], &mut hear).await?;
            // What it does not tell could be what is looked for.
            if !left.is_empty() && search.missing > 0 {
                return Ok(Heard::Part);
            }
            last = first - 1;
        }
        Ok(Heard::All)
    }
}

/// How much of a folder was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    All,
    Part,
}

/// `12 EXISTS` is 12; `None` for other answers.
pub(super) fn exists_of(answer: &[u8]) -> Result<Option<u32>, ImapError> {
    let mut words = answer.splitn(2, |byte| *byte == b' ');
    let number = words.next().unwrap_or_default();
    let word = words.next().unwrap_or_default().trim_ascii_end();
    if !word.eq_ignore_ascii_case(b"EXISTS") {
        return Ok(None);
    }
    number_of(number).map(Some)
}

/// A number of messages, or of one.
pub(super) fn number_of(word: &[u8]) -> Result<u32, ImapError> {
    let number = std::str::from_utf8(word).ok();
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or(ImapError::Odd)
}

/// The number of the message and the header fields of a FETCH answer; `None` for other answers,
/// also for a FETCH that tells something else, as servers may at any time (RFC 9051 §7.5.2).
fn header_of(answer: &[u8]) -> Result<Option<(u32, Vec<u8>)>, ImapError> {
    let mut words = answer.splitn(3, |byte| *byte == b' ');
    let number = words.next().unwrap_or_default();
    if !words.next().is_some_and(|word| starts_with(word, b"FETCH")) {
        return Ok(None);
    }
    let values = parse(answer).ok_or(ImapError::Odd)?;
    let items = values.get(2).and_then(Value::list).unwrap_or_default();
    for pair in items.chunks(2) {
        let [name, value] = pair else { continue };
        let is_body = name.bytes().is_some_and(|name| starts_with(name, b"BODY["));
        if is_body {
            let header = value.bytes().unwrap_or_default().to_vec();
            return Ok(Some((number_of(number)?, header)));
        }
    }
    Ok(None)
}

/// Names and unfolded values of header fields (RFC 5322 §2.2.3).
pub(super) fn fields(header: &[u8]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for line in header.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if let Some((_, value)) = fields.last_mut() {
                value.extend_from_slice(line);
            }
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default();
            fields.push((name.trim_ascii_end().to_vec(), value.to_vec()));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded() {
        let header = b"Message-ID:\r\n <a@b>\r\nX-Odd\r\nx-tideover-trace : 1 2\n\tmore\r\n\r\n";
        let expected = [
            (b"Message-ID".to_vec(), b" <a@b>".to_vec()),
            (b"x-tideover-trace".to_vec(), b" 1 2\tmore".to_vec()),
        ];
        assert_eq!(fields(header), expected);
    }

    #[test]
    fn only_headers_of_messages_are_heard() {
        for other in [
            "12 EXISTS",
            "3 FETCH (FLAGS (\\Seen))",
            "OK [UIDNEXT 4] x",
            "1 FETCH",
        ] {
            assert_eq!(header_of(other.as_bytes()), Ok(None), "{other}");
        }
        let odd = header_of(b"3 FETCH (BODY[] \"a");
        assert_eq!(odd, Err(ImapError::Odd));
        let none = header_of(b"3 FETCH (UID 4 BODY[HEADER.FIELDS (X)]<0> NIL)");
        assert_eq!(none, Ok(Some((3, Vec::new()))));
        assert_eq!(exists_of(b"17 EXISTS"), Ok(Some(17)));
        assert_eq!(exists_of(b"17 RECENT"), Ok(None));
        assert_eq!(exists_of(b"99999999999 EXISTS"), Err(ImapError::Odd));
        assert_eq!(exists_of(b"many EXISTS"), Err(ImapError::Odd));
    }

    fn folder(kind: FolderKind) -> Folder {
        Folder {
            name: b"x".to_vec(),
            title: "x".to_owned(),
            kind,
            is_told: false,
            rank: (1, 0),
        }
    }

    #[test]
    fn what_somebody_sent_himself_counts_by_our_line_alone() {
        let id = SpoolId::from_u64(7);
        let wanted = [Wanted {
            id,
            message_id: Some("a@b".to_owned()),
        }];
        let bare = b"Message-ID: <a@b>\r\n".as_slice();
        let ours = format!("{VISIT_FIELD}: {id} 00\r\nMessage-ID: <a@b>\r\n");
        for kind in [FolderKind::Sent, FolderKind::Drafts, FolderKind::All] {
            let mut search = Search::new(&wanted, Purpose::Gap);
            search.hear(bare, &folder(kind));
            assert_eq!(search.found, [None], "{kind:?}");
            search.hear(ours.as_bytes(), &folder(kind));
            assert_eq!(search.found[0].as_ref().unwrap().kind, kind);
        }
        let mut search = Search::new(&wanted, Purpose::Gap);
        search.has_labels = true;
        search.hear(bare, &folder(FolderKind::All));
        assert_eq!(search.missing, 0, "Gmail has archived mail nowhere else");
    }

    #[test]
    fn many_lines_of_one_id_find_each_message_once() {
        let wanted: Vec<Wanted> = (0..3)
            .map(|number| Wanted {
                id: SpoolId::from_u64(number),
                message_id: Some("a@b".to_owned()),
            })
            .collect();
        let mut search = Search::new(&wanted, Purpose::Gap);
        let header = b"Message-ID: <a@b>\r\n".repeat(500);
        search.hear(&header, &folder(FolderKind::Inbox));
        assert_eq!((search.missing, search.by_message_id.len()), (0, 0));
        assert!(search.found.iter().all(Option::is_some));
    }
}
