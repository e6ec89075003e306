//! Rows packed into pages: what the store gets instead of single rows.
//!
//! A store does the same work for a row of 20 bytes as for a page of a hundred rows, and most rows
//! of the index come and go in the order of their keys. So they are kept in pages: each begins at
//! the key that names it and ends where the next one begins. Pages are merged with the changes of a
//! hand-over as a whole. Rows whose keys come in no order stay single: a page would be written
//! again for each of them.

use super::Change;

/// Bytes of a page. Beyond: it is split. A larger row has a page of its own.
const FULL: usize = 2 * 1024;
/// The first byte of a page's name in the store; no kind of row begins with it.
pub(super) const PAGE: u8 = b'P';
/// Longest part of a key that is taken over from the key before.
const MAX_SHARED: usize = 255;

/// Is this kind of row kept in pages? Those are that come in the order of messages or of time.
pub(super) const fn is_packed(kind: u8) -> bool {
    matches!(
        kind,
        b'a' | b'b'
            | b'd'
            | b'e'
            | b'h'
            | b'i'
            | b'k'
            | b'm'
            | b'q'
            | b'r'
            | b's'
            | b'u'
            | b'y'
            | b'z'
    )
}

/// The name of a page in the store.
pub(super) fn name(first: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(first.len() + 1);
    name.push(PAGE);
    name.extend_from_slice(first);
    name
}

/// A page that is there: its first key, its rows, and the first key of the next page of its kind.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) first: Vec<u8>,
    pub(super) rows: Vec<u8>,
    pub(super) next: Option<Vec<u8>>,
}

impl Page {
    /// The page of a kind that has none.
    pub(super) fn empty(kind: u8) -> Self {
        Self {
            first: vec![kind],
            ..Self::default()
        }
    }

    /// Does this key belong here, which is of the same kind and not before the first one?
    fn has(&self, key: &[u8]) -> bool {
        self.first.first() == key.first() && self.next.as_deref().is_none_or(|next| key < next)
    }
}

/// The changes to pages that these changes to rows make. `changes` are in the order of their keys;
/// `find` gets the page to which a key belongs.
pub(super) fn pack(
    changes: Vec<Change>,
    find: impl Fn(&[u8]) -> Result<Page, String>,
) -> Result<Vec<Change>, String> {
    let mut packed = Vec::new();
    let mut rest = changes.into_iter().peekable();
    while let Some(change) = rest.next() {
        if !change.0.first().is_some_and(|&kind| is_packed(kind)) {
            packed.push(change);
            continue;
        }
        let page = find(&change.0)?;
        let mut here = vec![change];
        while let Some(next) = rest.next_if(|(key, _)| page.has(key)) {
            here.push(next);
        }
        merge(&page, &here, &mut packed)?;
    }
    Ok(packed)
}

/// Makes the changes of one page.
fn merge(page: &Page, changes: &[Change], packed: &mut Vec<Change>) -> Result<(), String> {
    let mut pages = Splitter::new(page, changes);
    let mut news = changes.iter().peekable();
    walk(&page.rows, |key, value| {
        while let Some((new, value)) = news.next_if(|(new, _)| new.as_slice() < key) {
            pages.push(new, value.as_deref());
        }
        match news.next_if(|(new, _)| new.as_slice() == key) {
            Some((_, value)) => pages.push(key, value.as_deref()),
            None => pages.push(key, Some(value)),
        }
        true
    })?;
    for (key, value) in news {
        pages.push(key, value.as_deref());
    }
    // The first of them keeps the name; the rest is named by its first row, and comes before it:
    // who reads between two changes finds each row in one of the pages, or in both.
    let mut made = pages.finish().into_iter();
    let rows = made.next().map(|(_, rows)| rows);
    packed.extend(made.rev().map(|(first, rows)| (name(&first), Some(rows))));
    packed.push((name(&page.first), rows));
    Ok(())
}

/// Cuts rows into pages.
struct Splitter {
    done: Vec<(Vec<u8>, Vec<u8>)>,
    first: Vec<u8>,
    last: Vec<u8>,
    rows: Vec<u8>,
    /// Bytes of a page.
    size: usize,
}

impl Splitter {
    fn new(page: &Page, changes: &[Change]) -> Self {
        let new = |(key, value): &Change| match value {
            Some(value) => key.len() + value.len() + 4,
            None => 0,
        };
        let bytes = page.rows.len() + changes.iter().map(new).sum::<usize>();
        // Where rows come at the end, pages are filled. Between others, two halves leave room for
        // more to come.
        let appends = page.next.is_none();
        let size = if appends || bytes <= FULL {
            FULL
        } else {
            bytes / (bytes * 4 / 3).div_ceil(FULL) + 1
        };
        Self {
            done: Vec::new(),
            first: Vec::new(),
            last: Vec::new(),
            rows: Vec::new(),
            size,
        }
    }

    /// The next row; `None`: there is none with this key.
    fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else { return };
        let full = self.rows.len() + key.len() + value.len() + 4 > self.size;
        if full && !self.rows.is_empty() {
            self.cut();
        }
        if self.rows.is_empty() {
            self.first = key.to_vec();
            self.last.clear();
        }
        let same = self.last.iter().zip(key).take(MAX_SHARED);
        let shared = same.take_while(|(a, b)| a == b).count();
        let own = key.get(shared..).unwrap_or_default();
        put_number(&mut self.rows, shared);
        put_number(&mut self.rows, own.len());
        put_number(&mut self.rows, value.len());
        self.rows.extend_from_slice(own);
        self.rows.extend_from_slice(value);
        self.last.truncate(shared);
        self.last.extend_from_slice(own);
    }

    fn cut(&mut self) {
        let first = std::mem::take(&mut self.first);
        self.done.push((first, std::mem::take(&mut self.rows)));
    }

    fn finish(mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        if !self.rows.is_empty() {
            self.cut();
        }
        self.done
    }
}

/// Shows the rows of a page in order, until `visit` says `false`.
pub(super) fn walk(
    mut rows: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), String> {
    let damaged = || "a page of the index is damaged".to_owned();
    let mut key = Vec::with_capacity(64);
    while !rows.is_empty() {
        let shared = number(&mut rows).ok_or_else(damaged)?;
        let own = number(&mut rows).ok_or_else(damaged)?;
        let length = number(&mut rows).ok_or_else(damaged)?;
        let (own, rest) = rows.split_at_checked(own).ok_or_else(damaged)?;
        let (value, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        if shared > key.len() {
            return Err(damaged());
        }
        key.truncate(shared);
        key.extend_from_slice(own);
        rows = rest;
        if !visit(&key, value) {
            break;
        }
    }
    Ok(())
}

/// The value of a key in a page.
pub(super) fn get(rows: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut found = None;
    walk(rows, |at, value| {
        if at == key {
            found = Some(value.to_vec());
        }
        at < key
    })?;
    Ok(found)
}

/// Seven bits a byte, the last one with the high bit clear.
fn put_number(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let (mut number, mut shift) = (0_usize, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    /// The page of a key among pages by their names.
    fn find(pages: &Rows, key: &[u8]) -> Page {
        let kind = key[0];
        let before = pages.range(..=name(key)).next_back();
        let next = pages.range(name(key)..).find(|(at, _)| **at > name(key));
        let next = next.map(|(at, _)| at[1..].to_vec());
        let page = match before.filter(|(at, _)| at[1] == kind) {
            Some((at, rows)) => Page {
                first: at[1..].to_vec(),
                rows: rows.clone(),
                next: None,
            },
            None => Page::empty(kind),
        };
        Page {
            next: next.filter(|next| next[0] == kind),
            ..page
        }
    }

    fn make(pages: &mut Rows, changes: Vec<Change>) {
        let packed = pack(changes, |key| Ok(find(pages, key))).unwrap();
        for (key, value) in packed {
            match value {
                Some(value) => pages.insert(key, value),
                None => pages.remove(&key),
            };
        }
    }

    fn rows_of(pages: &Rows) -> Rows {
        let mut rows = Rows::new();
        for (first, page) in pages {
            let mut is_first = true;
            walk(page, |key, value| {
                assert!(first[1..] <= *key);
                assert!(first.len() == 2 || !is_first || first[1..] <= *key);
                is_first = false;
                assert!(rows.insert(key.to_vec(), value.to_vec()).is_none());
                true
            })
            .unwrap();
            assert!(!is_first, "no page is empty");
        }
        rows
    }

    #[test]
    fn rows_in_order_fill_their_pages() {
        let (mut pages, mut next) = (Rows::new(), 0_u64);
        for _ in 0..50 {
            let mut changes = Vec::new();
            for _ in 0..200 {
                next += 1;
                let key = [b"m".as_slice(), &next.to_be_bytes()].concat();
                changes.push((key, Some(vec![7; 20])));
            }
            make(&mut pages, changes);
        }
        assert_eq!(rows_of(&pages).len(), 10_000);
        let bytes: usize = pages.values().map(Vec::len).sum();
        assert!(bytes / pages.len() > FULL * 9 / 10, "{} pages", pages.len());
    }

    #[test]
    fn a_damaged_page_is_noticed_or_read_as_something() {
        let mut pages = Rows::new();
        make(&mut pages, vec![(b"m1".to_vec(), Some(vec![1; 300]))]);
        let page = pages.into_values().next().unwrap();
        for at in 0..page.len() {
            walk(&page[..at], |_, _| true).ok();
            let mut bad = page.clone();
            bad[at] ^= 0xff;
            walk(&bad, |_, _| true).ok();
        }
        assert!(walk(&page[..page.len() - 1], |_, _| true).is_err());
    }

    fn change() -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
        let kind = prop_oneof![Just(b'm'), Just(b'q'), Just(b'r')];
        let value = prop_oneof![
            2 => Just(None),
            6 => (0_usize..60).prop_map(Some),
            1 => (0_usize..5000).prop_map(Some),
        ];
        (kind, 0_u16..400, value).prop_map(|(kind, number, value)| {
            let key = [&[kind], number.to_be_bytes().as_slice()].concat();
            (key, value.map(|length| vec![kind; length]))
        })
    }

    proptest! {
        #[test]
        fn pages_hold_what_single_rows_would(
            hand_overs in prop::collection::vec(prop::collection::vec(change(), 0..300), 1..12)
        ) {
            let (mut pages, mut rows) = (Rows::new(), Rows::new());
            for changes in hand_overs {
                let changes: BTreeMap<_, _> = changes.into_iter().collect();
                for (key, value) in changes.clone() {
                    match value {
                        Some(value) => rows.insert(key, value),
                        None => rows.remove(&key),
                    };
                }
                make(&mut pages, changes.into_iter().collect());
                prop_assert_eq!(&rows_of(&pages), &rows);
                for (key, value) in &rows {
                    let page = find(&pages, key);
                    prop_assert_eq!(get(&page.rows, key).unwrap(), Some(value.clone()));
                }
            }
        }
    }
}
