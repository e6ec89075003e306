//! What a disk may hold after a power cut, from the journal of what was done to it: all that was
//! synced, and of the rest what chance has written.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, create_dir_all};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::journal::{Deed, Entry, split};
use crate::chance::Chance;

/// What a disk writes as a whole.
const SECTOR: u64 = 512;
const PAGE: usize = 4096;

/// Which syncs do what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honest {
    Always,
    /// Those of files only pretend.
    NotForFiles,
    /// Those of folders only pretend.
    NotForFolders,
}

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unsynced<'a> {
    Kept,
    ByChance(&'a Chance),
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: u64, bytes: Range<usize> },
    Size(u64),
    Zero { at: u64, length: u64 },
}

/// Content with holes.
#[derive(Debug, Clone, Default)]
struct Content {
    length: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

/// What was not synced yet, counted from the beginning.
#[derive(Debug)]
struct Pending<T> {
    done: usize,
    changes: Vec<T>,
}

#[derive(Debug, Clone, Copy)]
enum Named {
    File(usize),
    Folder,
}

type Names = BTreeMap<String, Named>;

#[derive(Debug, Default)]
struct Folder {
    stable: Names,
    seen: Names,
    pending: Pending<(String, Option<Named>)>,
}

#[derive(Debug, Default)]
struct Node {
    stable: Content,
    pending: Pending<Change>,
}

#[derive(Debug, Clone)]
enum Target {
    File(usize),
    Folder(PathBuf),
}

/// The disk below one folder.
#[derive(Debug)]
pub(crate) struct Platter<'a> {
    journal: &'a [u8],
    root: PathBuf,
    honest: Honest,
    nodes: Vec<Node>,
    folders: BTreeMap<PathBuf, Folder>,
    syncs: HashMap<u64, (Target, usize)>,
}

impl<'a> Platter<'a> {
    /// An empty folder.
    pub(crate) fn new(journal: &'a [u8], root: &Path, honest: Honest) -> Self {
        Self {
            journal,
            root: root.to_owned(),
            honest,
            nodes: Vec::new(),
            folders: BTreeMap::from([(root.to_owned(), Folder::default())]),
            syncs: HashMap::new(),
        }
    }

    /// Something is done.
    pub(crate) fn follow(&mut self, entry: &Entry) {
        let path = &entry.path;
        match &entry.deed {
            Deed::Open { empties } => {
                if self.node(path).is_none() {
                    self.nodes.push(Node::default());
                    self.name(path, Some(Named::File(self.nodes.len() - 1)));
                } else if *empties {
                    self.change(path, Change::Size(0));
                }
            }
            Deed::Write { at, bytes } => {
                let (at, bytes) = (*at, bytes.clone());
                self.change(path, Change::Write { at, bytes });
            }
            Deed::Size(length) => self.change(path, Change::Size(*length)),
            Deed::Zero { at, length } => {
                let (at, length) = (*at, *length);
                self.change(path, Change::Zero { at, length });
            }
            Deed::SyncBegins(token) => self.begin_sync(path, *token),
            Deed::SyncEnds(token) => self.end_sync(*token),
            Deed::Rename(to) => {
                // A socket is made by no call of the journal, and is no file.
                if let Some(node) = self.node(path) {
                    self.name(path, None);
                    self.name(to, Some(Named::File(node)));
                }
            }
            Deed::Unlink if self.node(path).is_none() => {}
            Deed::Unlink | Deed::RemoveFolder => self.name(path, None),
            Deed::MakeFolder => {
                self.name(path, Some(Named::Folder));
                self.folders.insert(path.clone(), Folder::default());
            }
        }
    }

    fn folder(&mut self, path: &Path) -> &mut Folder {
        self.folders
            .get_mut(path)
            .unwrap_or_else(|| panic!("{} is not known", path.display()))
    }

    fn node(&self, path: &Path) -> Option<usize> {
        let (folder, name) = split(path);
        match self.folders.get(folder)?.seen.get(name)? {
            Named::File(node) => Some(*node),
            Named::Folder => None,
        }
    }

    fn name(&mut self, path: &Path, named: Option<Named>) {
        let (above, name) = split(path);
        let folder = self.folder(above);
        set(&mut folder.seen, name, named);
        folder.pending.changes.push((name.to_owned(), named));
    }

    fn change(&mut self, path: &Path, change: Change) {
        let node = self.node(path);
        let node = node.unwrap_or_else(|| panic!("{} is not known", path.display()));
        self.nodes[node].pending.changes.push(change);
    }

    fn begin_sync(&mut self, path: &Path, token: u64) {
        let known = match self.folders.get(path) {
            Some(folder) => (Target::Folder(path.to_owned()), folder.pending.count()),
            None => match self.node(path) {
                Some(node) => (Target::File(node), self.nodes[node].pending.count()),
                None => panic!("{} is not known", path.display()),
            },
        };
        self.syncs.insert(token, known);
    }

    fn end_sync(&mut self, token: u64) {
        let (target, until) = self.syncs.remove(&token).expect("it has begun");
        match target {
            Target::File(node) if self.honest != Honest::NotForFiles => {
                let node = &mut self.nodes[node];
                for change in node.pending.take(until) {
                    node.stable.apply(&change, self.journal, Unsynced::Kept);
                }
            }
            Target::Folder(path) if self.honest != Honest::NotForFolders => {
                let folder = self.folder(&path);
                for (name, named) in folder.pending.take(until) {
                    set(&mut folder.stable, &name, named);
                }
            }
            Target::File(_) | Target::Folder(_) => {}
        }
    }

    /// Writes what is left when the power goes now.
    pub(crate) fn save(&self, to: &Path, unsynced: Unsynced<'_>) {
        self.save_folder(&self.root, to, unsynced);
    }

    fn save_folder(&self, path: &Path, to: &Path, unsynced: Unsynced<'_>) {
        create_dir_all(to).unwrap();
        let folder = &self.folders[path];
        let mut names = folder.stable.clone();
        // A journalling file system writes names in their order.
        let kept = unsynced.how_many(folder.pending.changes.len());
        for (name, named) in &folder.pending.changes[..kept] {
            set(&mut names, name, *named);
        }
        for (name, named) in names {
            let to = to.join(&name);
            match named {
                Named::Folder => self.save_folder(&path.join(&name), &to, unsynced),
                Named::File(node) => self.content(node, unsynced).save(&to),
            }
        }
    }

    fn content(&self, node: usize, unsynced: Unsynced<'_>) -> Content {
        let node = &self.nodes[node];
        let mut content = node.stable.clone();
        let fate = match unsynced {
            Unsynced::Kept => 1,
            Unsynced::ByChance(chance) => chance.below(3),
        };
        for change in &node.pending.changes {
            match fate {
                0 => {}
                1 => content.apply(change, self.journal, Unsynced::Kept),
                _ => content.apply(change, self.journal, unsynced),
            }
        }
        content
    }
}

fn set(folder: &mut Names, name: &str, is: Option<Named>) {
    match is {
        Some(is) => folder.insert(name.to_owned(), is),
        None => folder.remove(name),
    };
}

impl Unsynced<'_> {
    fn keeps(self) -> bool {
        match self {
            Self::Kept => true,
            Self::ByChance(chance) => chance.below(2) == 0,
        }
    }

    /// The first so many of these.
    fn how_many(self, all: usize) -> usize {
        match self {
            Self::Kept => all,
            Self::ByChance(chance) => match chance.below(3) {
                0 => 0,
                1 => all,
                _ => usize::try_from(chance.below(all as u64 + 1)).unwrap(),
            },
        }
    }
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self {
            done: 0,
            changes: Vec::new(),
        }
    }
}

impl<T> Pending<T> {
    fn count(&self) -> usize {
        self.done + self.changes.len()
    }

    /// What came before `until`, unless another sync has taken it.
    fn take(&mut self, until: usize) -> Vec<T> {
        let count = until.saturating_sub(self.done);
        self.done += count;
        self.changes.drain(..count).collect()
    }
}

impl Content {
    fn apply(&mut self, change: &Change, journal: &[u8], unsynced: Unsynced<'_>) {
        match change {
            Change::Size(length) if unsynced.keeps() => self.resize(*length),
            Change::Zero { at, length } if unsynced.keeps() => {
                let end = at.saturating_add(*length).min(self.length);
                let zeros = vec![0; usize::try_from(end.saturating_sub(*at)).unwrap()];
                self.write(*at, &zeros);
            }
            Change::Size(_) | Change::Zero { .. } => {}
            Change::Write { at, bytes } => {
                let (mut at, mut rest) = (*at, &journal[bytes.clone()]);
                while !rest.is_empty() {
                    let sector = usize::try_from(SECTOR - at % SECTOR).unwrap();
                    let (piece, left) = rest.split_at(sector.min(rest.len()));
                    if unsynced.keeps() {
                        self.write(at, piece);
                    }
                    at += piece.len() as u64;
                    rest = left;
                }
            }
        }
    }

    fn write(&mut self, mut at: u64, mut bytes: &[u8]) {
        self.length = self.length.max(at + bytes.len() as u64);
        while !bytes.is_empty() {
            let begin = usize::try_from(at % PAGE as u64).unwrap();
            let (piece, left) = bytes.split_at(bytes.len().min(PAGE - begin));
            let page = self.pages.entry(at / PAGE as u64);
            let page = page.or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[begin..begin + piece.len()].copy_from_slice(piece);
            at += piece.len() as u64;
            bytes = left;
        }
    }

    fn resize(&mut self, length: u64) {
        if length < self.length {
            self.pages.split_off(&length.div_ceil(PAGE as u64));
            let begin = usize::try_from(length % PAGE as u64).unwrap();
            if let Some(page) = self.pages.get_mut(&(length / PAGE as u64)) {
                Arc::make_mut(page)[begin..].fill(0);
            }
        }
        self.length = length;
    }

    fn save(&self, to: &Path) {
        let file = File::create(to).unwrap();
        file.set_len(self.length).unwrap();
        for (page, bytes) in &self.pages {
            let at = page * PAGE as u64;
            let rest = usize::try_from(self.length.saturating_sub(at)).unwrap();
            file.write_all_at(&bytes[..rest.min(PAGE)], at).unwrap();
        }
    }
}
