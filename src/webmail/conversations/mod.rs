//! Conversations in a user's own mail, through all folders but the bin. Of each message that was
//! looked at a few bytes are remembered; from them a page puts together what belongs together.

mod forest;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::guard::User;
use super::mailbox::{Folder, Line, failed};
use super::marks::{Mark, Place};
use crate::limits;
use crate::mail::{SpoolId, Ties, seems_to_have_attachments};
use crate::spool::SpoolError;
use forest::{Clue, Forest};

/// The beginning of a message that is looked at.
const BEGINNING: usize = 64 * 1024;
/// The newest messages that came in, and as many of those that were sent, among which conversations
/// are looked for. What is older stands alone.
const WINDOW: usize = 10_000;
/// Messages that are read for one page, the newest first; the next page reads on.
const READS: usize = 2_000;
/// Messages of one conversation that a page shows: the newest.
const SHOWN: usize = 100;
/// Messages of conversations that one action changes: the newest.
pub(crate) const CHANGED: usize = 1_000;

/// What is remembered of a message, which never changes.
#[derive(Debug, Clone)]
struct Glance {
    has_attachments: bool,
    clue: Arc<Clue>,
}

impl Glance {
    fn bytes(&self) -> usize {
        // The row of the map, the counters of the clue, and what the allocator adds.
        self.clue.references.len() * 8 + 128
    }
}

/// The glances of all users' messages. When there is no more room the oldest messages are
/// forgotten, and looked at again.
#[derive(Debug, Default)]
struct Remembered {
    of: BTreeMap<SpoolId, Glance>,
    bytes: usize,
}

impl Remembered {
    fn insert(&mut self, id: SpoolId, glance: Glance) {
        self.bytes += glance.bytes();
        if let Some(old) = self.of.insert(id, glance) {
            self.bytes -= old.bytes();
        }
        while self.bytes > limits::WEB_GLANCES
            && let Some((_, oldest)) = self.of.pop_first()
        {
            self.bytes -= oldest.bytes();
        }
    }
}

/// What all users' pages share.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    remembered: Mutex<Remembered>,
    /// Its keys are made at each start.
    hasher: RandomState,
}

impl Conversations {
    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn glance(&self, beginning: &[u8]) -> Glance {
        let ties = Ties::read(beginning);
        let hash = |text: &String| self.hasher.hash_one(text);
        Glance {
            has_attachments: seems_to_have_attachments(beginning),
            clue: Arc::new(Clue {
                id: ties.message_id.as_ref().map(hash),
                references: ties.references.iter().map(hash).collect(),
                subject: Some(&ties.subject)
                    .filter(|text| !text.is_empty())
                    .map(hash),
                is_answer: ties.is_answer,
            }),
        }
    }
}

/// Where a message of the user's is listed.
#[derive(Debug, Clone, Copy)]
struct Listed {
    is_received: bool,
    is_sent: bool,
    is_archived: bool,
}

impl Listed {
    const fn is_in(self, folder: Folder) -> bool {
        match folder {
            Folder::Inbox => self.is_received && !self.is_archived,
            Folder::Sent => self.is_sent && !self.is_archived,
            Folder::Archive => self.is_archived,
            Folder::Drafts | Folder::Deleted => false,
        }
    }
}

/// The conversations of one user, as they are now.
struct Mine {
    forest: Forest,
    listed: HashMap<SpoolId, Listed>,
}

impl Mine {
    /// The messages of a conversation that are in a folder, oldest first; at least `id`.
    fn in_folder(&self, folder: Folder, id: SpoolId) -> Vec<SpoolId> {
        let all = self.forest.with(id).iter().copied();
        let is_here = |one: &SpoolId| self.listed.get(one).is_some_and(|one| one.is_in(folder));
        let here: Vec<SpoolId> = all.filter(is_here).collect();
        if here.contains(&id) { here } else { vec![id] }
    }
}

/// One line of a list of conversations.
#[derive(Debug)]
pub(crate) struct Talk {
    /// Its newest message in the folder.
    pub line: Line,
    /// Messages in all folders but the bin.
    pub messages: usize,
    /// One of those in the folder is unread.
    pub is_unread: bool,
}

impl Webmail {
    /// Up to `limit` conversations of a folder, by their newest message in it, newest first; and
    /// where the next page goes on.
    pub(crate) async fn talks(
        &self,
        user: &User,
        folder: Folder,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Result<(Vec<Talk>, Option<SpoolId>), WebError> {
        let reading = Arc::clone(&self.0.parsing).acquire_owned().await;
        let reading = reading.map_err(|_| WebError::Busy)?;
        let (webmail, user) = (self.clone(), user.clone());
        let talks = blocking(move || {
            let _reading = reading;
            webmail.page_of_talks(&user, folder, (before, limit))
        });
        Ok(talks.await??)
    }

    /// The conversation of a message of the user's, oldest first, itself among it; empty when it is
    /// alone. Of a long one the newest messages, and how many there are in all.
    pub(crate) async fn conversation(
        &self,
        user: &User,
        id: SpoolId,
    ) -> Result<(Vec<Line>, usize), WebError> {
        let reading = Arc::clone(&self.0.parsing).acquire_owned().await;
        let reading = reading.map_err(|_| WebError::Busy)?;
        let (webmail, user) = (self.clone(), user.clone());
        let found = blocking(move || {
            let _reading = reading;
            let mine = webmail.mine(&user, Some(id))?;
            let all = mine.forest.with(id);
            let mut shown = all
                .get(all.len().saturating_sub(SHOWN)..)
                .unwrap_or_default()
                .to_vec();
            if !all.is_empty() && !shown.contains(&id) {
                shown.insert(0, id);
            }
            Ok::<_, SpoolError>((webmail.lines(&user, &shown)?, all.len()))
        });
        Ok(found.await??)
    }

    /// The messages of a folder that belong to the conversations of these, as far as they are not
    /// newer than the one that stands for its conversation: those nobody has seen in the list.
    pub(crate) async fn whole(
        &self,
        user: &User,
        (folder, ids): (Folder, Vec<SpoolId>),
    ) -> Result<Vec<SpoolId>, WebError> {
        let (webmail, user) = (self.clone(), user.clone());
        let found = blocking(move || {
            let mine = webmail.mine(&user, None)?;
            let mut all = Vec::new();
            for id in ids {
                let here = mine.in_folder(folder, id);
                all.extend(here.into_iter().rev().filter(|one| *one <= id));
            }
            all.truncate(CHANGED);
            Ok::<_, SpoolError>(all)
        });
        Ok(found.await??)
    }

    /// Does a message have attachments, as far as its beginning tells? Blocks.
    pub(crate) fn has_attachments(&self, id: SpoolId) -> Result<bool, SpoolError> {
        let known = self.0.conversations.remembered().of.get(&id).cloned();
        let glance = match known {
            Some(glance) => Some(glance),
            None => self.look_at(id)?,
        };
        Ok(glance.is_some_and(|glance| glance.has_attachments))
    }

    /// Looks at the beginning of a message and remembers it; `None` when nothing is left of it.
    fn look_at(&self, id: SpoolId) -> Result<Option<Glance>, SpoolError> {
        let beginning = match self.0.world.spool.body(id) {
            // Its line in the list is there all the same.
            Err(error) if error.is_damage() => return Ok(None),
            body => body?.map(|body| body.front(BEGINNING)).transpose(),
        };
        let Some(beginning) = beginning.map_err(|error| failed(&error))? else {
            return Ok(None);
        };
        let conversations = &self.0.conversations;
        let glance = conversations.glance(&beginning);
        conversations.remembered().insert(id, glance.clone());
        Ok(Some(glance))
    }

    fn page_of_talks(
        &self,
        user: &User,
        folder: Folder,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Result<(Vec<Talk>, Option<SpoolId>), SpoolError> {
        let mine = self.mine(user, None)?;
        let filed = self.filed(user)?;
        let (mut talks, mut before): (Vec<Talk>, _) = (Vec::new(), before);
        loop {
            let ids = self.ids(user, folder, (before, limit + 1))?;
            let is_last = ids.len() <= limit;
            for id in ids {
                let here = mine.in_folder(folder, id);
                if here.last() != Some(&id) {
                    // It stands where its newest message does.
                    before = Some(id);
                    continue;
                }
                if talks.len() == limit {
                    return Ok((talks, before));
                }
                before = Some(id);
                let Some(line) = self.lines(user, &[id])?.pop() else {
                    continue;
                };
                let is_unread = |one: &SpoolId| {
                    let is_received = mine.listed.get(one).is_some_and(|one| one.is_received);
                    is_received && filed.mark(*one).read.is_none()
                };
                talks.push(Talk {
                    is_unread: line.is_unread() || here.iter().any(is_unread),
                    messages: mine.forest.with(id).len().max(1),
                    line,
                });
            }
            if is_last {
                return Ok((talks, None));
            }
        }
    }

    /// The conversations of a user; `also` is looked at wherever it is.
    fn mine(&self, user: &User, also: Option<SpoolId>) -> Result<Mine, SpoolError> {
        let mut listed: HashMap<SpoolId, Listed> = HashMap::new();
        let filed = self.filed(user)?;
        let entry = |mark: &Mark| Listed {
            is_received: false,
            is_sent: false,
            is_archived: mark.place == Some(Place::Archive),
        };
        let received = self.received_ids(user, (None, None), WINDOW)?;
        let sent = self.sent_ids(user, (None, None), WINDOW)?;
        for (ids, is_received) in [(received, true), (sent, false)] {
            for id in ids {
                let mark = filed.mark(id);
                let is_away = matches!(mark.place, Some(Place::Deleted | Place::Gone));
                if is_away && also != Some(id) {
                    continue;
                }
                let one = listed.entry(id).or_insert_with(|| entry(&mark));
                one.is_received |= is_received;
                one.is_sent |= !is_received;
            }
        }
        if let Some(also) = also {
            let mark = filed.mark(also);
            listed.entry(also).or_insert_with(|| entry(&mark));
        }
        let mut ids: Vec<SpoolId> = listed.keys().copied().collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        let forest = Forest::plant(self.clues(&ids, also)?);
        Ok(Mine { forest, listed })
    }

    /// What is remembered of these messages, newest first; some that are not are read.
    fn clues(
        &self,
        ids: &[SpoolId],
        also: Option<SpoolId>,
    ) -> Result<Vec<(SpoolId, Arc<Clue>)>, SpoolError> {
        let mut clues = Vec::with_capacity(ids.len());
        let mut unknown: Vec<SpoolId> = also.into_iter().collect();
        {
            let remembered = self.0.conversations.remembered();
            for id in ids.iter().filter(|id| also != Some(**id)) {
                match remembered.of.get(id) {
                    Some(glance) => clues.push((*id, Arc::clone(&glance.clue))),
                    None => unknown.push(*id),
                }
            }
        }
        for id in unknown.into_iter().take(READS) {
            let glance = self.look_at(id)?;
            clues.extend(glance.map(|glance| (id, glance.clue)));
        }
        Ok(clues)
    }
}
