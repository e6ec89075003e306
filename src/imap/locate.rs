//! All places of some messages in a mailbox, with what it takes to change them there.

use std::collections::{HashMap, HashSet};

use super::ImapError;
use super::find::{fields, number_of};
use super::folders::{Folder, GMAIL};
use super::gmail::{Whose, place_of};
use super::session::{Piece, Session, starts_with};
use super::value::{Value, parse};
use crate::limits;
use crate::mail::{FolderKind, SpoolId, VISIT_FIELD, message_id};

/// A message that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Its spool id, if platforms got it with our trace line.
    pub id: Option<SpoolId>,
    /// Its Message-ID without angle brackets, if it has one.
    pub message_id: Option<String>,
}

/// The flags that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// `\Seen`.
    pub seen: bool,
    /// `\Flagged`.
    pub flagged: bool,
    /// `\Deleted`: most programs show it no more.
    pub deleted: bool,
}

/// One place of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The folder, as the server calls it.
    pub(super) folder: Vec<u8>,
    /// `UIDVALIDITY` of the folder.
    pub(super) validity: u32,
    /// Its UID there.
    pub(super) uid: u32,
    /// What the folder is for.
    pub kind: FolderKind,
    /// Its flags.
    pub flags: Flags,
    /// It has our trace line: this is what we delivered, and no copy by another way.
    pub is_ours: bool,
    /// It lies in Gmail's all mail: its folders are labels, and it may have several.
    pub has_labels: bool,
}

impl Spot {
    /// One that no server has told of: where a message should be, for plans.
    #[must_use]
    pub fn supposed(kind: FolderKind, flags: Flags) -> Self {
        Self {
            folder: Vec::new(),
            validity: 0,
            uid: 0,
            kind,
            flags,
            is_ours: true,
            has_labels: false,
        }
    }

    /// For tests of other rooms.
    #[cfg(test)]
    pub(crate) fn at(kind: FolderKind, uid: u32) -> Self {
        Self {
            folder: kind.word().into(),
            validity: 1,
            uid,
            kind,
            flags: Flags::default(),
            is_ours: true,
            has_labels: false,
        }
    }

    /// Its UID, for tests of other rooms.
    #[cfg(test)]
    pub(crate) const fn uid(&self) -> u32 {
        self.uid
    }
}

/// A folder that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) exists: u32,
    pub(super) validity: u32,
}

/// What one FETCH answer says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fetched {
    number: u32,
    uid: u32,
    flags: Flags,
    header: Vec<u8>,
    /// Of Gmail.
    labels: Option<Vec<Value>>,
}

struct Search {
    by_message_id: HashMap<String, Vec<usize>>,
    by_id: HashMap<SpoolId, Vec<usize>>,
    ids: Vec<Option<SpoolId>>,
    spots: Vec<Vec<Spot>>,
}

impl Search {
    fn new(sought: &[Sought]) -> Self {
        let mut search = Self {
            by_message_id: HashMap::new(),
            by_id: HashMap::new(),
            ids: sought.iter().map(|one| one.id).collect(),
            spots: vec![Vec::new(); sought.len()],
        };
        for (at, one) in sought.iter().enumerate() {
            if let Some(id) = one.id {
                search.by_id.entry(id).or_default().push(at);
            }
            if let Some(id) = &one.message_id {
                let places = search.by_message_id.entry(id.clone());
                places.or_default().push(at);
            }
        }
        search
    }

    fn hear(&mut self, fetched: &Fetched, (folder, validity): (&Folder, u32)) {
        let mut hits: Vec<(usize, bool)> = Vec::new();
        let mut traced = false;
        for (name, value) in &fields(&fetched.header) {
            if name.eq_ignore_ascii_case(b"Message-ID") {
                let id = message_id(value);
                let known = id.and_then(|id| self.by_message_id.get(&id));
                hits.extend(known.into_iter().flatten().map(|at| (*at, false)));
            } else if name.eq_ignore_ascii_case(VISIT_FIELD.as_bytes()) {
                let text = std::str::from_utf8(value).unwrap_or_default();
                let id = text.split_ascii_whitespace().next();
                let id: Option<SpoolId> = id.and_then(|id| id.parse().ok());
                traced |= id.is_some();
                let known = id.and_then(|id| self.by_id.get(&id));
                hits.extend(known.into_iter().flatten().map(|at| (*at, true)));
            }
        }
        // Many such lines find it once; ours counts more.
        hits.sort_by_key(|(at, is_ours)| (*at, !is_ours));
        hits.dedup_by_key(|(at, _)| *at);
        // What we delivered under another id is another message, whatever its Message-ID says.
        let has_id = |at: usize| self.ids.get(at).is_some_and(Option::is_some);
        hits.retain(|(at, is_ours)| *is_ours || !traced || !has_id(*at));
        for (at, is_ours) in hits {
            let Some(spots) = self.spots.get_mut(at) else {
                continue;
            };
            let whose = if is_ours { Whose::Ours } else { Whose::Others };
            let labels = fetched.labels.as_deref();
            let kind = labels.map_or(folder.kind, |labels| place_of(labels, whose));
            // However many copies there are elsewhere, none keeps another kind of place away, nor
            // what is ours.
            let like = |spot: &&Spot| spot.kind == kind && spot.is_ours == is_ours;
            if spots.iter().filter(like).count() < limits::IMAP_SPOTS {
                spots.push(Spot {
                    folder: folder.name.clone(),
                    validity,
                    uid: fetched.uid,
                    kind,
                    flags: fetched.flags,
                    is_ours,
                    has_labels: labels.is_some(),
                });
            }
        }
    }

    /// What was heard of a folder counts no more.
    fn forget(&mut self, folder: &Folder) {
        for spots in &mut self.spots {
            spots.retain(|spot| spot.folder != folder.name);
        }
    }
}

impl Session {
    /// All places of each of these messages in these folders, in their order, at most
    /// [`limits::IMAP_SPOTS`] of each in folders of one kind.
    pub(super) async fn locate(
        &mut self,
        (folders, sought): (&[Folder], &[Sought]),
    ) -> Result<Vec<Vec<Spot>>, ImapError> {
        let mut search = Search::new(sought);
        let mut messages = 0;
        let has_labels = self.has_labels(folders);
        for folder in folders {
            // What has any label, the inbox's too, lies in all mail.
            let is_label = !matches!(
                folder.kind,
                FolderKind::All | FolderKind::Junk | FolderKind::Trash
            );
            if has_labels && is_label {
                continue;
            }
            for is_last in [false, true] {
                let looked = self.look_through(folder, (&mut search, &mut messages));
                match looked.await {
                    Ok(true) => break,
                    Err(error) if may_stay_closed(folder, &error) => {
                        let folder = &folder.title;
                        tracing::warn!(folder, %error, "write-back goes on without a folder");
                        break;
                    }
                    Ok(false) if is_last => return Err(ImapError::Short(folder.title.clone())),
                    // Somebody took messages out meanwhile: they have other numbers now.
                    Ok(false) => search.forget(folder),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(search.spots)
    }

    /// `false`: it did not tell all of it.
    async fn look_through(
        &mut self,
        folder: &Folder,
        (search, messages): (&mut Search, &mut u64),
    ) -> Result<bool, ImapError> {
        // EXAMINE and not SELECT: it changes nothing (RFC 9051 §6.3.3).
        let Opened { exists, validity } = self.open_folder("EXAMINE", &folder.name).await?;
        *messages += u64::from(exists);
        if *messages > limits::IMAP_MESSAGES {
            return Err(ImapError::TooMuch("messages in one mailbox"));
        }
        let labels = if folder.kind == FolderKind::All && self.can(GMAIL) {
            "X-GM-LABELS "
        } else {
            ""
        };
        let mut last = exists;
        while last > 0 {
            let first = last.saturating_sub(limits::IMAP_FETCH - 1).max(1);
            let fetch = format!(
                "FETCH {first}:{last} (UID FLAGS {labels}BODY.PEEK[HEADER.FIELDS (MESSAGE-ID \
                 {VISIT_FIELD})]<0.{}>)",
                limits::IMAP_HEADER
            );
            let mut left: HashSet<u32> = (first..=last).collect();
            let mut hear = |answer: &[u8]| {
                if let Some(fetched) = fetched(answer)?
                    && left.remove(&fetched.number)
                {
                    search.hear(&fetched, (folder, validity));
                }
                Ok(())
            };
            self.ask(&[Piece::Word(&fetch)], &mut hear).await?;
            if !left.is_empty() {
                return Ok(false);
            }
            last = first - 1;
        }
        Ok(true)
    }

    /// Opens a folder with SELECT or EXAMINE.
    pub(super) async fn open_folder(
        &mut self,
        command: &str,
        name: &[u8],
    ) -> Result<Opened, ImapError> {
        let (mut exists, mut validity) = (None, None);
        let mut hear = |answer: &[u8]| {
            exists = super::find::exists_of(answer)?.or(exists);
            validity = validity_of(answer)?.or(validity);
            Ok(())
        };
        let open = [Piece::Word(command), Piece::Text(name)];
        self.ask(&open, &mut hear).await?;
        // RFC 9051 §6.3.2: both have to be said.
        Ok(Opened {
            exists: exists.ok_or(ImapError::Odd)?,
            validity: validity.ok_or(ImapError::Odd)?,
        })
    }
}

/// RFC 5530 §3: it would be another answer in a minute.
const PASSING: [&str; 5] = [
    "[UNAVAILABLE]",
    "[INUSE]",
    "[LIMIT]",
    "[SERVERBUG]",
    "[CORRUPTION]",
];

/// One folder that nobody may open, for want of rights, must not take the user everything else. But
/// where what we put there may be already, it has to be seen.
fn may_stay_closed(folder: &Folder, error: &ImapError) -> bool {
    let ImapError::Refused { what, why } = error else {
        return false;
    };
    let is_needed = match folder.kind {
        FolderKind::Inbox | FolderKind::Sent | FolderKind::Drafts | FolderKind::All => true,
        FolderKind::Other | FolderKind::Archive | FolderKind::Junk | FolderKind::Trash => false,
    };
    let is_passing = PASSING.iter().any(|code| why.contains(code));
    what.starts_with("EXAMINE") && !is_needed && !is_passing
}

/// `OK [UIDVALIDITY 12] …` is 12; `None` for other answers.
fn validity_of(answer: &[u8]) -> Result<Option<u32>, ImapError> {
    const START: &[u8] = b"OK [UIDVALIDITY ";
    if !starts_with(answer, START) {
        return Ok(None);
    }
    let rest = answer.get(START.len()..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b']');
    let number = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    number_of(number).map(Some)
}

/// A FETCH answer with a header and a UID; `None` for other answers, also for a FETCH that tells
/// something else, as servers may at any time (RFC 9051 §7.5.2).
fn fetched(answer: &[u8]) -> Result<Option<Fetched>, ImapError> {
    let mut words = answer.splitn(3, |byte| *byte == b' ');
    let number = words.next().unwrap_or_default();
    if !words.next().is_some_and(|word| starts_with(word, b"FETCH")) {
        return Ok(None);
    }
    let values = parse(answer).ok_or(ImapError::Odd)?;
    let items = values.get(2).and_then(Value::list).unwrap_or_default();
    let mut fetched = Fetched {
        number: number_of(number)?,
        ..Fetched::default()
    };
    let mut header = None;
    for pair in items.chunks(2) {
        let [name, value] = pair else { continue };
        let name = name.bytes().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"UID") {
            fetched.uid = number_of(value.bytes().unwrap_or_default())?;
        } else if name.eq_ignore_ascii_case(b"FLAGS") {
            fetched.flags = flags(value.list().unwrap_or_default());
        } else if name.eq_ignore_ascii_case(b"X-GM-LABELS") {
            fetched.labels = Some(value.list().unwrap_or_default().to_vec());
        } else if starts_with(name, b"BODY[") {
            header = Some(value.bytes().unwrap_or_default().to_vec());
        }
    }
    let Some(header) = header else {
        return Ok(None);
    };
    // RFC 9051 §2.3.1.1: a UID is never 0. Without one it could not be found again.
    if fetched.uid == 0 {
        return Err(ImapError::Odd);
    }
    fetched.header = header;
    Ok(Some(fetched))
}

fn flags(values: &[Value]) -> Flags {
    let has = |name: &[u8]| {
        let mut names = values.iter().filter_map(Value::bytes);
        names.any(|one| one.eq_ignore_ascii_case(name))
    };
    Flags {
        seen: has(b"\\Seen"),
        flagged: has(b"\\Flagged"),
        deleted: has(b"\\Deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_is_read_whole_or_not_at_all() {
        let whole =
            b"3 FETCH (FLAGS (\\seen \\Deleted X) UID 7 BODY[HEADER.FIELDS (X)]<0> {2}\r\nab)";
        let expected = Fetched {
            number: 3,
            uid: 7,
            flags: Flags {
                seen: true,
                flagged: false,
                deleted: true,
            },
            header: b"ab".to_vec(),
            labels: None,
        };
        assert_eq!(fetched(whole), Ok(Some(expected)));
        for other in ["3 FETCH (FLAGS (\\Seen))", "12 EXISTS", "3 FETCH (UID 7)"] {
            assert_eq!(fetched(other.as_bytes()), Ok(None), "{other}");
        }
        for odd in [
            "3 FETCH (BODY[] NIL)",
            "3 FETCH (UID 0 BODY[] NIL)",
            "3 FETCH (UID x BODY[] NIL)",
            "3 FETCH (UID 99999999999 BODY[] NIL)",
            "x FETCH (UID 1 BODY[] NIL)",
            "3 FETCH (UID 1 BODY[] \"a",
        ] {
            assert_eq!(fetched(odd.as_bytes()), Err(ImapError::Odd), "{odd}");
        }
    }

    #[test]
    fn the_validity_of_uids_is_read() {
        assert_eq!(validity_of(b"OK [UIDVALIDITY 12] x"), Ok(Some(12)));
        assert_eq!(validity_of(b"OK [UIDNEXT 12] x"), Ok(None));
        assert_eq!(validity_of(b"OK [UIDVALIDITY x] x"), Err(ImapError::Odd));
    }

    /// A list sends its own copy with the same Message-ID, and a thief may copy one.
    #[test]
    fn what_came_under_another_id_is_another_message() {
        let [ours, other] = [4711, 4712].map(|number| SpoolId::from_u64(number).to_string());
        let sought = Sought {
            id: ours.parse().ok(),
            message_id: Some("a@b".to_owned()),
        };
        let folder = Folder {
            name: b"INBOX".to_vec(),
            title: "INBOX".to_owned(),
            kind: FolderKind::Inbox,
            is_told: false,
            rank: (1, 0),
        };
        for (trace, expected) in [
            (Some(&ours), vec![true]),
            (Some(&other), vec![]),
            (None, vec![false]),
        ] {
            let trace = trace.map_or(String::new(), |id| format!("{VISIT_FIELD}: {id} 00\r\n"));
            let mut search = Search::new(std::slice::from_ref(&sought));
            let fetched = Fetched {
                header: format!("{trace}Message-ID: <a@b>\r\n").into_bytes(),
                ..Fetched::default()
            };
            search.hear(&fetched, (&folder, 1));
            let told: Vec<bool> = search.spots[0].iter().map(|spot| spot.is_ours).collect();
            assert_eq!(told, expected, "{trace}");
        }
    }

    #[test]
    fn many_copies_keep_nothing_of_ours_away() {
        let id = SpoolId::from_u64(4711);
        let sought = Sought {
            id: Some(id),
            message_id: Some("a@b".to_owned()),
        };
        let folder = |kind: FolderKind| Folder {
            name: kind.word().into(),
            title: kind.word().to_owned(),
            kind,
            is_told: false,
            rank: (1, 0),
        };
        let fetched = |uid: usize, trace: &str| Fetched {
            uid: u32::try_from(uid).unwrap(),
            header: format!("{trace}Message-ID: <a@b>\r\n").into_bytes(),
            ..Fetched::default()
        };
        let trace = format!("{VISIT_FIELD}: {id} 00\r\n");
        let many = 3 * limits::IMAP_SPOTS;
        for place in [0, many / 2, many - 1] {
            let mut search = Search::new(std::slice::from_ref(&sought));
            for uid in 0..many {
                let trace = if uid == place { trace.as_str() } else { "" };
                search.hear(&fetched(uid, trace), (&folder(FolderKind::Inbox), 1));
            }
            search.hear(&fetched(many, ""), (&folder(FolderKind::Sent), 1));
            let spots = &search.spots[0];
            let ours: Vec<u32> = spots
                .iter()
                .filter(|it| it.is_ours)
                .map(Spot::uid)
                .collect();
            assert_eq!(ours, [u32::try_from(place).unwrap()], "{place}");
            assert!(spots.iter().any(|spot| spot.kind == FolderKind::Sent));
            assert_eq!(spots.len(), limits::IMAP_SPOTS + 2, "it is bounded");
        }
    }
}
