//! A walk over the messages of a time, page by page, in either direction.

use std::ops::Range;

use super::selection::Order;
use crate::mail::SpoolId;

/// Messages of a page.
pub(super) const PAGE: usize = 50;
/// An hour of ids.
const HOUR: u64 = 3_600_000 << 22;

/// Where a walk is.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    left: Range<SpoolId>,
    order: Order,
    /// Ids that are looked at in one step backwards.
    width: u64,
}

impl Walk {
    /// Over all of these.
    pub(super) const fn new(ids: Range<SpoolId>, order: Order) -> Self {
        Self {
            left: ids,
            order,
            width: HOUR,
        }
    }

    /// The next page; empty at the end. `read` gives the ids of a range, oldest first, up to a
    /// limit.
    pub(super) fn next<E>(
        &mut self,
        read: impl Fn(Range<SpoolId>, usize) -> Result<Vec<SpoolId>, E>,
    ) -> Result<Vec<SpoolId>, E> {
        match self.order {
            Order::Oldest => self.forwards(read),
            Order::Newest => self.backwards(read),
        }
    }

    fn forwards<E>(
        &mut self,
        read: impl Fn(Range<SpoolId>, usize) -> Result<Vec<SpoolId>, E>,
    ) -> Result<Vec<SpoolId>, E> {
        let page = read(self.left.clone(), PAGE)?;
        self.left.start = page.last().map_or(self.left.end, |last| {
            SpoolId::from_u64(last.as_u64().saturating_add(1))
        });
        Ok(page)
    }

    /// In steps that are as long as a page needs.
    fn backwards<E>(
        &mut self,
        read: impl Fn(Range<SpoolId>, usize) -> Result<Vec<SpoolId>, E>,
    ) -> Result<Vec<SpoolId>, E> {
        while self.left.start < self.left.end {
            let end = self.left.end.as_u64();
            let from = SpoolId::from_u64(end.saturating_sub(self.width)).max(self.left.start);
            let mut page = read(from..self.left.end, PAGE + 1)?;
            if page.len() > PAGE && self.width > 1 {
                self.width /= 2;
                continue;
            }
            self.left.end = from;
            if page.len() < PAGE / 4 {
                self.width = self.width.saturating_mul(4);
            }
            if !page.is_empty() {
                page.reverse();
                return Ok(page);
            }
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn all(ids: &BTreeSet<SpoolId>, range: Range<SpoolId>, order: Order) -> Vec<SpoolId> {
        let mut walk = Walk::new(range, order);
        let mut found = Vec::new();
        loop {
            let read = |range: Range<SpoolId>, limit| {
                let some = ids.range(range).take(limit).copied().collect();
                Ok::<Vec<SpoolId>, ()>(some)
            };
            let page = walk.next(read).unwrap();
            if page.is_empty() {
                return found;
            }
            assert!(page.len() <= PAGE);
            found.extend(page);
        }
    }

    proptest! {
        #[test]
        fn both_directions_meet_everything_once(
            crowd in proptest::collection::btree_set(0_u64..3_000, 0..600),
            far in proptest::collection::btree_set(0_u64..1 << 60, 0..60),
            from in 0_u64..1 << 59,
        ) {
            let crowd = crowd.into_iter().map(|near| near + (1 << 58));
            let ids: BTreeSet<SpoolId> =
                crowd.chain(far).map(SpoolId::from_u64).collect();
            for start in [0, from] {
                let range = SpoolId::from_u64(start)..SpoolId::from_u64(1 << 60);
                let mut expected: Vec<_> = ids.range(range.clone()).copied().collect();
                prop_assert_eq!(&all(&ids, range.clone(), Order::Oldest), &expected);
                expected.reverse();
                prop_assert_eq!(&all(&ids, range, Order::Newest), &expected);
            }
        }
    }
}
