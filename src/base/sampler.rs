//! Lines of the log that anybody on the network can cause: so many at once, then so many a second.

use super::Timestamp;

/// Says which lines are written, and how many were left out before each.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Lines at once.
    most: u64,
    /// Lines a second from then on.
    rate: u64,
    /// What is left of them, in thousandths of a line.
    left: u64,
    at: Timestamp,
    left_out: u64,
}

impl Sampler {
    /// `most` lines at once, and `rate` a second.
    #[must_use]
    pub const fn new(most: u64, rate: u64) -> Self {
        Self {
            most,
            rate,
            left: most.saturating_mul(1000),
            at: Timestamp::EPOCH,
            left_out: 0,
        }
    }

    /// How many were left out since the last line; for a line of their own when no other comes.
    pub const fn rest(&mut self) -> u64 {
        std::mem::replace(&mut self.left_out, 0)
    }

    /// May a line be written now? How many were left out since the last one; `None`: it may not.
    pub fn take(&mut self, now: Timestamp) -> Option<u64> {
        let passed = now.as_millis().saturating_sub(self.at.as_millis());
        self.at = now;
        let gained = passed.saturating_mul(self.rate);
        let most = self.most.saturating_mul(1000);
        self.left = self.left.saturating_add(gained).min(most);
        if self.left < 1000 {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.left -= 1000;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_a_few_lines_and_says_how_many_it_was() {
        let at = Timestamp::from_millis;
        let mut sampler = Sampler::new(3, 2);
        let written: Vec<_> = (0..10).filter_map(|_| sampler.take(at(5_000))).collect();
        assert_eq!(written, [0, 0, 0]);
        assert_eq!(sampler.take(at(5_400)), None);
        assert_eq!(sampler.take(at(5_500)), Some(8));
        assert_eq!(
            (sampler.take(at(5_500)), sampler.rest(), sampler.rest()),
            (None, 1, 0)
        );
        // A clock that goes back gives nothing.
        assert_eq!(sampler.take(at(1_000)), None);
        // A pause gives no more than at the beginning.
        let later = (0..10).filter_map(|_| sampler.take(at(900_000))).count();
        assert_eq!(later, 3);
    }
}
