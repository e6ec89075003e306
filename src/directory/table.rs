//! A compact map from texts to numbers that keeps no text: a fingerprint and a number, eight bytes
//! each. Whoever looks something up says whether the number is right. Three aliases for each of
//! 200,000 people must not cost a heap block each.

use std::hash::{BuildHasher, RandomState};

/// Texts that can be added, found and given another number, and never removed.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// Open addressing, a power of two long; at most three quarters full.
    cells: Vec<Cell>,
    used: usize,
    /// Seeded at random: addresses come from the network.
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    mark: u32,
    /// The number plus one; 0: free.
    value: u32,
}

impl Table {
    /// The number of `text`, as far as `is` agrees.
    pub(super) fn find(&self, text: &str, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mark = self.mark(text);
        let (_, found) = self.probe(mark, &mut is);
        found
    }

    /// Gives `text` a number; `is` agrees to the one that it has, if it has one.
    pub(super) fn set(&mut self, text: &str, number: u32, mut is: impl FnMut(u32) -> bool) {
        if (self.used + 1) * 4 > self.cells.len() * 3 {
            self.grow();
        }
        let mark = self.mark(text);
        let (place, found) = self.probe(mark, &mut is);
        if let Some(cell) = self.cells.get_mut(place) {
            *cell = Cell {
                mark,
                value: number.saturating_add(1),
            };
        }
        self.used += usize::from(found.is_none());
    }

    /// How many texts there are.
    pub(super) const fn len(&self) -> usize {
        self.used
    }

    /// Bytes on the heap.
    pub(super) const fn memory(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    fn probe(&self, mark: u32, is: &mut impl FnMut(u32) -> bool) -> (usize, Option<u32>) {
        let Some(last) = self.cells.len().checked_sub(1) else {
            return (0, None);
        };
        let mut place = mark as usize & last;
        // The table is never full, so a free cell always ends the search.
        while let Some(cell) = self.cells.get(place) {
            let Some(number) = cell.value.checked_sub(1) else {
                break;
            };
            if cell.mark == mark && is(number) {
                return (place, Some(number));
            }
            place = (place + 1) & last;
        }
        (place, None)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of a hash are as good as others"
    )]
    fn mark(&self, text: &str) -> u32 {
        self.hasher.hash_one(text) as u32
    }

    fn grow(&mut self) {
        let size = (self.cells.len() * 2).max(16);
        let old = std::mem::replace(&mut self.cells, vec![Cell::default(); size]);
        for cell in old.into_iter().filter(|cell| cell.value > 0) {
            let mut place = cell.mark as usize & (size - 1);
            while self.cells.get(place).is_some_and(|taken| taken.value > 0) {
                place = (place + 1) & (size - 1);
            }
            if let Some(free) = self.cells.get_mut(place) {
                *free = cell;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_table_knows_nothing() {
        assert_eq!(Table::default().find("ann@example.org", |_| true), None);
    }

    proptest! {
        #[test]
        fn finds_what_was_set_last_and_nothing_else(
            sets in proptest::collection::vec(("[a-c]{0,4}", 0_u32..50), 0..200),
            asked in "[a-c]{0,4}",
        ) {
            let texts: Vec<&String> = sets.iter().map(|(text, _)| text).collect();
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            // The number is the place in `sets`: it leads back to the text.
            for (place, (text, _)) in sets.iter().enumerate() {
                let number = u32::try_from(place).unwrap();
                table.set(text, number, |other| texts[other as usize] == text);
                model.insert(text.clone(), number);
            }
            prop_assert_eq!(table.len(), model.len());
            for (text, number) in &model {
                let found = table.find(text, |other| texts[other as usize] == text);
                prop_assert_eq!(found, Some(*number));
            }
            let found = table.find(&asked, |other| *texts[other as usize] == asked);
            prop_assert_eq!(found, model.get(&asked).copied());
        }
    }
}
