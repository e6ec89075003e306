//! A platform in memory that fails when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::base::{Boxed, Timestamp};
use crate::imap::{Carriers, Filed, Flags, ImapError, Item, OpenMailbox, Sought, Spot};
use crate::mail::{BackendId, FolderKind, VISIT_FIELD};
use crate::smtp::Mailbox;

/// A message of a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) uid: u32,
    pub(super) kind: FolderKind,
    pub(super) flags: Flags,
    /// As APPEND said them.
    pub(super) said: String,
    pub(super) date: Timestamp,
    pub(super) text: String,
}

impl Stored {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let head = format!("{name}: ");
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix(&head))
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) mailboxes: BTreeMap<String, Vec<Stored>>,
    last_uid: u32,
    /// The connection breaks behind so many further changes; the last one is done.
    pub(super) breaks_after: Option<u32>,
    pub(super) away: BTreeSet<&'static str>,
    /// Does `cloud` offer IMAP, too? Its mailboxes are `cloud/ADDRESS`.
    pub(super) imap_at_cloud: bool,
    /// Behind so many further changes this happens.
    pub(super) after: Option<(u32, Box<dyn FnOnce() + Send>)>,
    /// The next change is done when this is said.
    pub(super) holds: Option<tokio::sync::oneshot::Receiver<()>>,
    pub(super) refuses: bool,
    /// So often a change has to wait 20 s.
    pub(super) waits: u32,
    opened: u32,
}

/// The platform `onprem`, and `cloud` if it offers IMAP.
#[derive(Clone, Default)]
pub(super) struct Platform(Arc<Mutex<State>>);

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Platform")
    }
}

impl Platform {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn put(&self, user: &str, kind: FolderKind, text: &str) {
        let mut state = self.state();
        state.last_uid += 1;
        let stored = Stored {
            uid: state.last_uid,
            kind,
            flags: Flags::default(),
            said: String::new(),
            date: Timestamp::EPOCH,
            text: text.to_owned(),
        };
        state
            .mailboxes
            .entry(user.to_owned())
            .or_default()
            .push(stored);
    }

    /// What is in a folder.
    pub(super) fn folder(&self, user: &str, kind: FolderKind) -> Vec<Stored> {
        let state = self.state();
        let all = state.mailboxes.get(user).cloned().unwrap_or_default();
        all.into_iter().filter(|one| one.kind == kind).collect()
    }

    /// A change is done; does the connection break behind it?
    fn changed(&self) -> Result<(), ImapError> {
        let mut state = self.state();
        match state.after.take() {
            Some((0 | 1, happens)) => happens(),
            Some((left, happens)) => state.after = Some((left - 1, happens)),
            None => {}
        }
        match &mut state.breaks_after {
            Some(0) => {
                state.breaks_after = None;
                Err(ImapError::Broken("cut".to_owned()))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Carriers for Platform {
    fn open_at_a_time(&self, backend: &BackendId) -> usize {
        let has_imap = backend.as_str() == "onprem" || self.state().imap_at_cloud;
        usize::from(has_imap) * 2
    }

    fn open<'a>(
        &'a self,
        backend: &'a BackendId,
        mailbox: &'a Mailbox,
    ) -> Boxed<'a, Result<Box<dyn OpenMailbox>, ImapError>> {
        Box::pin(async move {
            let mut state = self.state();
            if state.away.contains(backend.as_str()) {
                return Err(ImapError::Unreachable {
                    server: "imap://x".to_owned(),
                    why: "away".to_owned(),
                });
            }
            state.opened += 1;
            let name = match backend.as_str() {
                "onprem" => mailbox.key(),
                other => format!("{other}/{}", mailbox.key()),
            };
            let open = Open(self.clone(), name);
            Ok(Box::new(open) as Box<dyn OpenMailbox>)
        })
    }
}

struct Open(Platform, String);

impl Open {
    fn with<T>(&self, uid: u32, change: impl FnOnce(&mut Stored) -> T) -> Option<T> {
        let mut state = self.0.state();
        let all = state.mailboxes.get_mut(&self.1)?;
        all.iter_mut().find(|one| one.uid == uid).map(change)
    }
}

#[derive(Clone, Copy)]
enum Way {
    Ours,
    Another,
}

impl From<bool> for Way {
    fn from(is_ours: bool) -> Self {
        if is_ours { Self::Ours } else { Self::Another }
    }
}

fn spot_of(stored: &Stored, way: Way) -> Spot {
    let mut spot = Spot::at(stored.kind, stored.uid);
    spot.flags = stored.flags;
    spot.is_ours = matches!(way, Way::Ours);
    spot
}

impl OpenMailbox for Open {
    fn locate<'a>(
        &'a mut self,
        sought: &'a [Sought],
    ) -> Boxed<'a, Result<Vec<Vec<Spot>>, ImapError>> {
        Box::pin(async move {
            let state = self.0.state();
            let all = state.mailboxes.get(&self.1).cloned().unwrap_or_default();
            let spots = sought.iter().map(|sought| {
                let found = all.iter().filter_map(|stored| {
                    let trace = stored.field(VISIT_FIELD);
                    let id = sought.id.map(|id| id.to_string());
                    let is_ours = id.is_some() && trace == id.as_deref();
                    let own = sought.message_id.as_ref().map(|id| format!("<{id}>"));
                    let is_same = own.is_some() && stored.field("Message-ID") == own.as_deref();
                    (is_ours || is_same).then(|| spot_of(stored, is_ours.into()))
                });
                found.collect()
            });
            Ok(spots.collect())
        })
    }

    fn append<'a>(
        &'a mut self,
        kind: FolderKind,
        item: Item<'a>,
    ) -> Boxed<'a, Result<String, ImapError>> {
        Box::pin(async move {
            let held = self.0.state().holds.take();
            if let Some(held) = held {
                held.await.ok();
            }
            if self.0.state().refuses {
                return Err(ImapError::Refused {
                    what: "APPEND".to_owned(),
                    why: "NO [OVERQUOTA] full".to_owned(),
                });
            }
            let mut text = Vec::new();
            while (text.len() as u64) < item.body.len() {
                let piece = item.body.read_at(text.len() as u64, 5_000).unwrap();
                text.extend_from_slice(&piece);
            }
            self.0
                .put(&self.1, kind, std::str::from_utf8(&text).unwrap());
            let uid = self.0.state().last_uid;
            self.with(uid, |stored| {
                stored.said = item.flags.to_owned();
                stored.date = item.date;
            });
            self.0.changed()?;
            Ok(kind.word().to_owned())
        })
    }

    fn flag<'a>(
        &'a mut self,
        spot: &'a Spot,
        (add, remove): (Flags, Flags),
    ) -> Boxed<'a, Result<Filed, ImapError>> {
        Box::pin(async move {
            let done = self.with(spot.uid(), |stored| {
                let flags = &mut stored.flags;
                flags.seen = (flags.seen || add.seen) && !remove.seen;
                flags.flagged = (flags.flagged || add.flagged) && !remove.flagged;
            });
            self.0.changed()?;
            Ok(done.map_or(Filed::Gone, |()| Filed::Moved))
        })
    }

    fn file<'a>(
        &'a mut self,
        spot: &'a Spot,
        kind: FolderKind,
    ) -> Boxed<'a, Result<Filed, ImapError>> {
        Box::pin(async move {
            let done = self.with(spot.uid(), |stored| stored.kind = kind);
            self.0.changed()?;
            Ok(done.map_or(Filed::Gone, |()| Filed::Moved))
        })
    }

    fn take_out<'a>(
        &'a mut self,
        spot: &'a Spot,
        kind: FolderKind,
    ) -> Boxed<'a, Result<Filed, ImapError>> {
        self.file(spot, kind)
    }

    fn change(&mut self) -> Option<Duration> {
        let mut state = self.0.state();
        let is_slow = state.waits > 0;
        state.waits = state.waits.saturating_sub(1);
        is_slow.then_some(Duration::from_secs(20))
    }

    fn close(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async {})
    }
}
